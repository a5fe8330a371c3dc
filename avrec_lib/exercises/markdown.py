"""Markdown that the built book, JupyterLab and a plain terminal all read the same way.

A folded block is a `<details>` element with Markdown inside. The rules that make it survive every
renderer: each HTML tag on a line of its own with blank lines around the Markdown inside; a summary
is one line of HTML, because Markdown is not read there; no headings, which would break the outline
of the page that shows the block.
"""

from __future__ import annotations

import html
import inspect
import re

_SUMMARY = '<summary style="list-style: revert; cursor: pointer">'  # the triangle that some style sheets hide
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s|^ {0,3}<h[1-6]\b", re.IGNORECASE)
_UNDERLINE = re.compile(r"^ {0,3}(=+|-+)\s*$")
_VERBATIM = re.compile(r"(`[^`]+`|(?<!\\)\$[^$\n]+?(?<!\\)\$)")


def tidy(text: str) -> str:
    """Return a triple-quoted text without its common indentation and outer blank space."""
    return inspect.cleandoc(text).strip()


def details(kind: str, summary: str, body: str, *, is_html: bool = False) -> str:
    """Return a folded block.

    Parameters
    ----------
    kind : str
        The class names, for the style sheet: "hint", "solution", "quiz right", "quiz wrong".
    summary : str
        The line that is always visible, in inline Markdown (or HTML with `is_html`).
    body : str
        What opens below it, in Markdown with `$…$` mathematics.
    """
    line = summary if is_html else inline_html(summary)
    return f'<details class="{kind}">\n{_SUMMARY}{line}</summary>\n\n{tidy(body)}\n\n</details>'


def inline_html(text: str) -> str:
    r"""Return one line of Markdown (code, bold, italics, `$…$`) as HTML.

    A formula becomes `<span class="math …">\(…\)</span>`: the form that Sphinx itself writes and that
    MathJax finds in JupyterLab too.
    """
    pieces = _VERBATIM.split(" ".join(tidy(text).split()))
    for i, piece in enumerate(pieces):
        inner = html.escape(piece[1:-1], quote=False)
        if i % 2 and piece.startswith("`"):
            pieces[i] = f"<code>{inner}</code>"
        elif i % 2:
            pieces[i] = rf'<span class="math notranslate nohighlight">\({inner}\)</span>'
        else:
            plain = html.escape(piece, quote=False).replace(r"\$", "$")
            plain = re.sub(r"\*\*(\S(?:.*?\S)?)\*\*", r"<strong>\1</strong>", plain)
            pieces[i] = re.sub(r"\*(\S(?:.*?\S)?)\*", r"<em>\1</em>", plain)
    return "".join(pieces)


def has_heading(text: str) -> bool:
    """Return whether a Markdown text has a heading (lines inside code fences do not count)."""
    fence, previous = "", ""
    for line in tidy(text).splitlines():
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and line.strip().startswith(fence) else fence
        elif mark:
            fence = mark.group(1)
        elif _HEADING.match(line) or (_UNDERLINE.match(line) and previous.strip()):
            return True
        previous = line
    return False
