"""MyST Markdown turned into the Markdown that any Jupyter reads: what a student's notebook shows.

Boxes become quotations, equations and figures are numbered within the page, citations become
(Koren et al., 2009), and a number that the book takes from a cell becomes ⟨`name`⟩, because in a
notebook the cell prints it.
"""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

References = Mapping[str, tuple[str, str, str]]  # key: (authors as cited, year, whole entry)

_OPEN = re.compile(r"^(\s*)(`{3,}|~{3,}|:{3,})\s*\{([\w:.+-]+)\}\s*(.*)$")
_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})")
_OPTION = re.compile(r"^\s*:([\w-]+):\s?(.*)$")
_ROLE_OR_CODE = re.compile(r"\{([\w:.+-]+)\}(`+)(.+?)\2(?!`)|(`+).+?\4(?!`)", re.DOTALL)
_DISPLAYED = re.compile(r"\$\$((?:(?!\$\$).)+)\$\$(?:[ \t]*\(([\w:.-]+)\))?", re.DOTALL)
_LABEL = re.compile(
    r"\$\$[ \t]*\((?P<label>[\w:.-]+)\)"
    r"|[`:]{3,}\{(?P<directive>[\w-]+)\}[^\n]*\n(?::[^\n]*\n)*?:(?:name|label):[ \t]*(?P<name>\S+)"
)
_TITLED = {"admonition", "topic", "sidebar", "dropdown", "card", "grid-item-card", "tab-item", "table"}
_BOXES = {
    *("note", "tip", "hint", "important", "warning", "caution", "attention", "danger", "error"),
    *("seealso", "margin", "epigraph"),
}
_DROPPED = {"contents", "tableofcontents", "toctree", "index", "raw", "bibliography-style", "only"}


@dataclass
class Plain:
    """Converts the Markdown cells of one page.

    Parameters
    ----------
    folder : Path
        Where the page is, to find its pictures.
    references : References
        The works that may be cited, from `read_references`.
    labels : mapping
        What the labels of the page stand for, "(1)" or "Figure 1", from `read_labels`.
    """

    folder: Path = Path()
    references: References = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    cited: list[str] = field(default_factory=list)
    attachments: dict[str, dict[str, str]] = field(default_factory=dict)

    def convert(self, text: str) -> str:
        """Return one Markdown cell in plain Markdown."""
        out: list[str] = []
        lines = text.split("\n")
        prose: list[str] = []

        def flush() -> None:
            if prose:
                out.append(self._prose("\n".join(prose)))
                prose.clear()

        while lines:
            line = lines.pop(0)
            opened, fence = _OPEN.match(line), _FENCE.match(line)
            if not opened and not fence:
                prose.append(line)
                continue
            flush()
            indent, mark = (opened or fence).groups()[:2]  # type: ignore[union-attr]
            body: list[str] = []
            while lines and not re.fullmatch(rf"\s*{re.escape(mark[0])}{{{len(mark)},}}\s*", lines[0]):
                body.append(lines.pop(0).removeprefix(indent))
            closing = lines.pop(0) if lines else indent + mark
            if opened:
                block = self._directive(opened[3], opened[4].strip(), body)
                out.append("\n".join(indent + part if part else part for part in block.split("\n")))
            else:
                out += [line, *(indent + part for part in body), closing]
        flush()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip("\n")

    def _directive(self, name: str, argument: str, lines: list[str]) -> str:
        options: dict[str, str] = {}
        while lines and (option := _OPTION.match(lines[0])):
            options[option[1]] = option[2].strip()
            lines.pop(0)
        body = "\n".join(lines).strip("\n")
        if name == "math":
            tag = self._tag(options["label"]) if "label" in options else ""
            return f"$$\n{(argument + chr(10) + body).strip()}{tag}\n$$"
        if name == "mermaid":
            caption = self.caption(options.get("name", ""), options.get("caption", ""))
            return f"```mermaid\n{body}\n```\n\n{caption}".strip()
        if name in ("code-block", "code", "sourcecode", "literalinclude", "parsed-literal"):
            return f"```{argument}\n{body}\n```" if body else f"*(the code in `{argument}`)*"
        if name in ("figure", "image"):
            caption = self.caption(options.get("name", ""), body)
            return f"{self._picture(argument, options.get('alt', ''))}\n\n{caption}".strip()
        if name == "list-table":
            return f"{self._title(argument)}{self._list_table(body)}"
        if name == "bibliography":
            entries = [self.references[key][2] for key in sorted(set(self.cited)) if key in self.references]
            return "\n".join(f"- {entry}" for entry in entries)
        if name.startswith("glue"):
            return self._role("glue", argument) + (f"\n\n{self.convert(body)}" if body else "")
        if name in _DROPPED:
            return ""
        if name in _BOXES:
            body = f"{argument}\n{body}".strip()
            title = "" if name in ("margin", "epigraph") else {"seealso": "See also"}.get(name, name.capitalize())
            return _quote(f"{self._title(title)}{self.convert(body)}")
        inner = f"{self._title(argument) if name in _TITLED else ''}{self.convert(body)}"
        return _quote(inner) if name in ("admonition", "topic", "sidebar", "dropdown") else inner

    def caption(self, label: str, text: str) -> str:
        """Return the caption of a figure with its number in this notebook."""
        number = f"*{self.labels[label]}.* " if label in self.labels else ""
        return f"{number}{self.convert(text)}".strip()

    def _tag(self, label: str) -> str:
        return rf" \tag{{{self.labels.get(label, label).strip('()')}}}"

    def _title(self, text: str) -> str:
        return f"**{self._prose(text)}**\n\n" if text else ""

    def _picture(self, name: str, alt: str) -> str:
        file = self.folder / name
        if not file.is_file():
            return f"![{alt}]({name})"
        kind = mimetypes.guess_type(file.name)[0] or "image/png"
        self.attachments[file.name] = {kind: base64.b64encode(file.read_bytes()).decode()}
        return f"![{alt}](attachment:{file.name})"

    def _list_table(self, body: str) -> str:
        rows = re.split(r"^\* ?- ", body, flags=re.MULTILINE)[1:]
        cells = [[" ".join(c.split()) for c in re.split(r"^ +- ", row, flags=re.MULTILINE)] for row in rows]
        table = [f"| {' | '.join(map(self._prose, row))} |" for row in cells]
        return "\n".join([*table[:1], "|" + "---|" * len(cells[0]), *table[1:]]) if cells else ""

    def _prose(self, text: str) -> str:
        """Convert what is not inside a fence: targets, comments, equation labels, roles and links."""
        text = re.sub(r"^(\([\w:.-]+\)=|\{[.#][^}\n]*\}|%( .*)?)[ \t]*$\n?", "", text, flags=re.MULTILINE)
        text = _DISPLAYED.sub(lambda m: f"$${m[1].rstrip()}{self._tag(m[2])}\n$$" if m[2] else m[0], text)
        text = _ROLE_OR_CODE.sub(lambda m: self._role(m[1], m[3].strip()) if m[1] else m[0], text)
        text = re.sub(r"(?<=[)`\]])\{[.#][^}\n]*\}", "", text)
        text = re.sub(r"\]\((?![a-z]+:)([^)\s#]+)\.md(#[^)\s]*)?\)", r"](\1.ipynb\2)", text)
        return re.sub(r"(?<!!)\[\]\(#?([^)\s]+)\)", r"*\1*", text)

    def _role(self, name: str, content: str) -> str:
        titled = re.fullmatch(r"(.+?)\s*<([^<>]+)>", content, flags=re.DOTALL)
        text, target = (titled[1], titled[2]) if titled else (content, content)
        shown = self.labels.get(target, target)
        number = shown.split(" ")[-1]
        if name.startswith("glue"):
            return f"⟨`{content.split(':')[0]}`⟩"
        if name.startswith("cite"):
            return self._citation(name, content)
        roles: dict[str, Callable[[], str]] = {
            "eq": lambda: self.labels.get(target, f"({target})"),
            "ref": lambda: text if titled else self.labels.get(target, target),
            "math": lambda: f"${content}$",
            "sub": lambda: f"<sub>{content}</sub>",
            "sup": lambda: f"<sup>{content}</sup>",
            "eval": lambda: f"`{content}`",
            "code": lambda: f"`{content}`",
            "kbd": lambda: f"`{content}`",
            "numref": lambda: text.replace("%s", number).replace("{number}", number) if titled else shown,
            "abbr": lambda: re.sub(r"\s*\(.*\)$", "", content),
        }
        return roles[name]() if name in roles else text

    def _citation(self, role: str, keys: str) -> str:
        known = []
        for key in (k.strip() for k in keys.split(",")):
            self.cited.append(key)
            known.append(self.references.get(key, (key, "", ""))[:2])
        if role.endswith((":t", ":ts", ":ct")):
            return ", ".join(f"{who} ({year})" if year else who for who, year in known)
        return f"({'; '.join(f'{who}, {year}' if year else who for who, year in known)})"


def read_labels(cells: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Return what the labels of a page stand for in its notebook, numbered from 1 by kind.

    `cells` are the sources and the metadata of all cells, in order. An equation's label stands for
    "(1)", that of a figure or diagram for "Figure 1", of a table for "Table 1".
    """
    labels: dict[str, str] = {}
    counts = {"({})": 0, "Figure {}": 0, "Table {}": 0}

    def number(label: str, form: str) -> None:
        counts[form] += 1
        labels[label] = form.format(counts[form])

    for source, metadata in cells:
        if figure := metadata.get("mystnb", {}).get("figure", {}).get("name"):
            number(figure, "Figure {}")
        for found in _LABEL.finditer(source):
            directive, name = found["directive"], found["name"]
            if found["label"] or directive == "math":
                number(found["label"] or name, "({})")
            elif directive in ("table", "list-table", "figure", "image", "mermaid"):
                number(name, "Table {}" if "table" in directive else "Figure {}")
    return labels


def read_references(file: Path) -> References:
    """Return, for each key of a BibTeX file, its authors as cited, its year, and the entry in one line."""
    if not file.is_file():
        return {}
    from pybtex.database import parse_file  # type: ignore[import-untyped]

    found: dict[str, tuple[str, str, str]] = {}
    for key, entry in parse_file(str(file)).entries.items():
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [str(" ".join(map(_plain_tex, p.prelast_names + p.last_names))) for p in people]
        short = (
            names[0] + " et al."
            if len(names) > 2
            else " and ".join(names) or _plain_tex(entry.fields.get("title", key))
        )
        title, year = (_plain_tex(entry.fields.get(name, "")) for name in ("title", "year"))
        place = next(
            (entry.fields[f] for f in ("journal", "booktitle", "publisher", "howpublished") if f in entry.fields), ""
        )
        parts = [f"{', '.join(names)} ({year})" if names else year, title, f"*{_plain_tex(place)}*" if place else ""]
        found[key] = (short, year, ". ".join(p for p in parts if p) + ".")
    return found


def _plain_tex(text: str) -> str:
    from pybtex.richtext import Text  # type: ignore[import-untyped]

    return str(Text.from_latex(text))


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip("\n").split("\n"))
