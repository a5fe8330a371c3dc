"""Mermaid diagrams, drawn to SVG during the build and set into the page itself.

Inside the page (not in an `<object>`), a diagram takes its colours from `book.css`, so it reads in light and dark; its
text can be found and copied; and no script is needed to draw it.
"""

import hashlib
import html
import re

import mermaidx
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator
from sphinxcontrib.mermaid import mermaid

LOGGER = logging.getLogger(__name__)


def draw(code: str, alt: str) -> str:
    """SVG element of a diagram: `alt` is what a screen reader says."""
    svg = mermaidx.Diagram(code, theme="neutral").svg()
    name = f"diagram-{hashlib.sha256(code.encode()).hexdigest()[:10]}"  # ids and styles must not meet another diagram's
    svg = svg[svg.index("<svg") :].replace("my-svg", name)
    svg = re.sub(r'role="[^"]*"|aria-roledescription="[^"]*"|aria-labelledby="[^"]*"', "", svg, count=3)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(alt)}"', 1)


def visit_diagram(translator: HTML5Translator, node: mermaid) -> None:
    """Write a diagram into the page; one that has no alt text or can't be drawn is a warning, so it fails the build."""
    if not node.get("alt"):
        LOGGER.warning("a mermaid diagram needs an :alt: line that says in a sentence what it shows", location=node)
    try:
        svg = draw(node["code"], node.get("alt", ""))
    except Exception as error:  # whatever the drawing engine raises
        LOGGER.warning("this mermaid diagram can't be drawn: %s", error, location=node)
    else:
        translator.body.append(f'<div class="diagram">{svg}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.setup_extension("sphinxcontrib.mermaid")
    app.add_node(mermaid, override=True, html=(visit_diagram, None))
    app.config.mermaid_output_format = "svg"  # else every page would load Mermaid's script
    return {"parallel_read_safe": True, "parallel_write_safe": True}
