"""The bibliography: whole entries, each work once, and every key that a page cites is there."""

import re
from collections import Counter
from pathlib import Path

import pybtex.errors
import pytest
from pybtex.database import BibliographyData, Entry, parse_file
from pybtex.style.formatting.plain import Style

CHAPTERS = Path(__file__).parents[2] / "chapters"
BIBLIOGRAPHY = CHAPTERS / "references.bib"
PLACES = {"doi", "eprint", "url", "isbn", "journal", "booktitle", "publisher", "institution"}  # where to find the work
CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


@pytest.fixture(scope="module")
def bibliography() -> BibliographyData:
    """Every entry, read by the reader that the book's build uses; anything it complains about fails the test."""
    with pybtex.errors.capture() as complaints:
        data = parse_file(str(BIBLIOGRAPHY), bib_format="bibtex")
    assert [str(complaint) for complaint in complaints] == []
    return data


def values(bibliography: BibliographyData, field: str) -> list[str]:
    """What the entries that have a field say in it; case doesn't tell two DOIs or two titles apart."""
    return [entry.fields[field].lower() for entry in bibliography.entries.values() if field in entry.fields]


def repeated(items: list[str]) -> set[str]:
    """Items that occur more than once."""
    return {item for item, times in Counter(items).items() if times > 1}


def lacks(entry: Entry) -> list[str]:
    """What an entry can't do without and hasn't got; a collection may have editors where others have authors."""
    who = ("author", "editor") if entry.type in {"book", "proceedings"} else ("author",)
    missing = [] if any(entry.persons.get(role) for role in who) else ["author"]
    missing += [field for field in ("title", "year") if not entry.fields.get(field, "").strip()]
    return missing if PLACES & set(entry.fields) else [*missing, "a place to find it"]


def plain(title: str) -> str:
    """Letters and digits of a title, so that braces, accents, case and punctuation don't hide a duplicate."""
    return re.sub(r"[^a-z0-9]", "", title.lower())


def cited(text: str) -> set[str]:
    """Keys that a page cites; `{see}key{chapter 3}` cites `key`."""
    return {key.strip() for group in CITATION.findall(text) for key in re.sub(r"\{.*?\}", "", group).split(",")}


def test_keys_are_unique_and_sorted():
    keys = re.findall(r"^@\w+\{([^,\s]+),$", BIBLIOGRAPHY.read_text("utf-8"), flags=re.MULTILINE)
    assert keys == sorted(set(keys))


def test_the_reader_sees_every_entry_of_the_file(bibliography):
    assert len(bibliography.entries) == BIBLIOGRAPHY.read_text("utf-8").count("@")


def test_each_field_stands_on_a_line_of_its_own():
    lines = [line for line in BIBLIOGRAPHY.read_text("utf-8").splitlines() if line]
    layout = re.compile(r"@[a-z]+\{[a-z0-9]+,|  [a-z]+ = \{.+\},|\}")
    assert [line for line in lines if not layout.fullmatch(line)] == []


def test_every_entry_says_who_what_when_and_where(bibliography):
    incomplete = {key: lacks(entry) for key, entry in bibliography.entries.items() if lacks(entry)}
    assert incomplete == {}


def test_an_entry_without_a_year_or_a_place_is_incomplete():
    assert lacks(Entry("misc", fields={"title": "A Draft"})) == ["author", "year", "a place to find it"]


def test_years_are_years(bibliography):
    assert [year for year in values(bibliography, "year") if not re.fullmatch(r"(19|20)\d\d", year)] == []


def test_a_doi_is_bare_and_well_formed(bibliography):
    """No `https://doi.org/` before it: the style adds that. The prefix is 10.dddd, the suffix has no blanks."""
    assert [doi for doi in values(bibliography, "doi") if not re.fullmatch(r"10\.\d{4,9}/[^\s{}]*[^\s{}.,]", doi)] == []


def test_an_eprint_is_an_arxiv_identifier(bibliography):
    assert [eprint for eprint in values(bibliography, "eprint") if not re.fullmatch(r"\d{4}\.\d{4,5}", eprint)] == []
    with_eprint = [entry for entry in bibliography.entries.values() if "eprint" in entry.fields]
    assert {entry.fields.get("archiveprefix") for entry in with_eprint} == {"arXiv"}


def test_links_are_encrypted_and_never_repeat_a_doi(bibliography):
    links = values(bibliography, "url")
    assert [link for link in links if not link.startswith("https://") or "doi.org" in link] == []


@pytest.mark.parametrize("field", ["doi", "eprint", "url", "isbn"])
def test_no_two_entries_share_an_identifier(bibliography, field):
    assert repeated(values(bibliography, field)) == set()


def test_no_title_occurs_twice(bibliography):
    assert repeated([plain(title) for title in values(bibliography, "title")]) == set()


def test_two_spellings_of_a_title_are_one_title():
    assert plain("The {Netflix} Prize: a R{\\'e}sum{\\'e}") == plain("the netflix prize -- A resume")


def test_page_ranges_run_upwards_and_use_an_en_dash(bibliography):
    ranges = [pages for pages in values(bibliography, "pages") if not re.fullmatch(r"\d+", pages)]
    assert [pages for pages in ranges if not re.fullmatch(r"(\d+:)?\d+--(\d+:)?\d+", pages)] == []
    ends = [[int(end.split(":")[-1]) for end in pages.split("--")] for pages in ranges]
    assert [(first, last) for first, last in ends if first >= last] == []


def test_every_entry_can_be_printed_in_the_style_of_the_book(bibliography):
    """`bibtex_default_style: plain`; a field that an entry's type needs and lacks would be a complaint here."""
    with pybtex.errors.capture() as complaints:
        printed = {entry.key: entry.text.render_as("text") for entry in Style().format_bibliography(bibliography)}
    assert [str(complaint) for complaint in complaints] == []
    assert printed.keys() == set(bibliography.entries)
    assert [key for key, text in printed.items() if re.search(r"[{}\\]|\?\.|\.\.(?!\.)", text)] == []


def test_every_citation_of_every_page_is_in_the_bibliography(bibliography):
    pages = sorted(CHAPTERS.rglob("*.md"))
    assert pages
    known = set(bibliography.entries)
    unknown = {str(page.relative_to(CHAPTERS)): cited(page.read_text("utf-8")) - known for page in pages}
    assert {page: keys for page, keys in unknown.items() if keys} == {}


def test_citations_are_found_in_every_form_of_the_role():
    assert cited("{cite}`a` and {cite:t}`b,\nc`, {cite:p}`{see}d{page 3}`, but not {ref}`e`") == {"a", "b", "c", "d"}
