"""Links, anchors and citations of the built book, checked without a browser: all of them lead somewhere."""

import re
import urllib.parse
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


class LinkReader(HTMLParser):
    """Collects the links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src", "data", "srcset", "xlink:href", "action"} and value:
                self.links.append(value)
            elif value and (name == "id" or (tag, name) == ("a", "name")):
                self.anchors.append(value)


@pytest.fixture(scope="session")
def read(site: Path) -> dict[Path, LinkReader]:
    """Links and anchors of every HTML file of the site."""
    files = (path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts)
    return {path.resolve(): LinkReader(path.read_text("utf-8")) for path in files}


def split(link: str) -> tuple[str, str]:
    """Path and anchor of a link, decoded and without its query."""
    parts = urllib.parse.urlsplit(link)
    return urllib.parse.unquote(parts.path), urllib.parse.unquote(parts.fragment)


def is_outside(link: str) -> bool:
    """Whether a link leaves the site (then a reader follows it knowingly) or is a script's."""
    return urllib.parse.urlsplit(link).scheme in {"http", "https", "mailto", "data", "javascript"} or link.startswith(
        "//"
    )


def test_every_link_into_the_site_finds_a_file(read):
    broken = [
        f"{page.name}: {link}"
        for page, content in read.items()
        for link in content.links
        if not is_outside(link) and split(link)[0] and not (page.parent / split(link)[0]).exists()
    ]
    assert broken == []


def test_every_anchor_exists(read):
    broken = []
    for page, content in read.items():
        for link in content.links:
            path, anchor = split(link)
            target = (page.parent / path).resolve() if path else page
            if not is_outside(link) and anchor and target in read and anchor not in read[target].anchors:
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_no_page_is_fetched_with_parts_from_elsewhere(site, page):
    """Links a reader may follow are fine; scripts, styles, fonts and pictures must be local."""
    text = (site / f"{page}.html").read_text("utf-8")
    parts = re.findall(
        r"<(?:script|img|link|iframe|object|source|video|audio)\b[^>]*\b(?:src|href|data)=\"([^\"]+)\"", text
    )
    assert [part for part in parts if is_outside(part) and not part.startswith("data:")] == []


def test_no_id_stands_twice_on_a_page(read):
    counts = {page.name: Counter(content.anchors) for page, content in read.items()}
    repeated = {page: [anchor for anchor, n in count.items() if n > 1] for page, count in counts.items()}
    assert {
        page: ids for page, ids in repeated.items() if ids and page != "search.html"
    } == {}  # that one is the theme's


@pytest.fixture(scope="session")
def known_keys() -> set[str]:
    """Keys of the bibliography."""
    text = (ROOT / "chapters" / "references.bib").read_text("utf-8")
    return set(re.findall(r"^@\w+\s*\{\s*([^,\s]+)", text, flags=re.MULTILINE))


def keys_cited(text: str) -> set[str]:
    """Bibliography keys that the source of a page cites."""
    return {key.strip() for group in CITATION.findall(text) for key in re.sub(r"\{.*?\}", "", group).split(",")}


def test_every_citation_is_in_the_bibliography(page, source, known_keys):
    assert keys_cited(source(page)) - known_keys == set()


def test_a_page_that_cites_lists_its_references(page, source, site):
    cited = keys_cited(source(page))
    listed = (site / f"{page}.html").read_text("utf-8").count('class="citation"')
    assert listed == len(cited)
