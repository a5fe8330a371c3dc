"""Equations, figures and tables take the chapter's number from the page's title.

`6.2 Core formulas` is chapter 6 whatever else is in the table of contents, so its first equation is (6.1); the next
page of the chapter goes on counting. `B Notation` gives (B.1). A page whose title has no number counts (1), (2), …
"""

import re

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.environment.collectors.toctree import TocTreeCollector

NUMBER = re.compile(r"(?:Appendix\s+)?(\d+|[A-Z](?=[.:]|\s+[A-Z]))((?:\.\d+)*)")  # not the A of "A page of notes"


def number_of(title: str) -> tuple[str, ...]:
    """Parts of the number a title begins with: `6.2.1 Content` is ("6", "2", "1"); none is ()."""
    match = NUMBER.match(title)
    if not match:
        return ()
    return (match[1], *match[2].split(".")[1:])


def number_by_title(collector: TocTreeCollector, env: BuildEnvironment) -> list[str]:
    """Run Sphinx's own numbering of figures and equations, with section numbers read from the titles."""
    sections = env.toc_secnumbers
    env.toc_secnumbers = {page: {"": number_of(title.astext())} for page, title in env.titles.items()}
    try:
        return number_in_order(collector, env)
    finally:
        env.toc_secnumbers = sections


number_in_order = TocTreeCollector.assign_figure_numbers


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    TocTreeCollector.assign_figure_numbers = number_by_title
    return {"parallel_read_safe": True, "parallel_write_safe": True}
