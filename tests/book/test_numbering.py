"""Equations and figures take their chapter's number from the titles of the pages."""

import re

import numbering
import pytest


@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("6 Mathematical models", ("6",)),
        ("6.2.1 Matrix factorisation", ("6", "2", "1")),
        ("B Notation", ("B",)),
        ("A.1 Tools", ("A", "1")),
        ("Appendix C. Source check", ("C",)),
        ("Preface", ()),
        ("A page of notes", ()),
    ],
)
def test_number_of_a_title(title, number):
    assert numbering.number_of(title) == number


def test_equations_are_numbered_by_chapter_and_counted_through_its_pages(small_book):
    root, build = small_book
    pages = {
        "index": "# Preface\n\n[](#eq-b), [](#eq-c) and [](#eq-d)\n",
        "one": "# 6.1 First\n\n$$ a $$ (eq-a)\n\n$$ b $$ (eq-b)\n",
        "two": "# 6.2 Second\n\n$$ c $$ (eq-c)\n",
        "notation": "# B Notation\n\n$$ d $$ (eq-d)\n",
    }
    result = build(pages)
    assert result.returncode == 0, result.stdout + result.stderr
    text = (root / "_build" / "html" / "index.html").read_text("utf-8")
    assert re.findall(r"\(([6B]\.\d)\)", text) == ["6.2", "6.3", "B.1"]
    before = (root / "_build" / "html" / "one.html").stat().st_mtime_ns
    assert build(pages).returncode == 0
    assert (root / "_build" / "html" / "one.html").stat().st_mtime_ns == before  # nothing is written again for nothing
