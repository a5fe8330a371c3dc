"""A failing cell, a warning or a broken reference fails the build, and says where."""

import os
import re

import pytest


def test_a_failing_cell_fails_the_build_and_names_page_and_cell(small_book, compose):
    """Must hold 3: a cell that raises fails the build and names page and cell."""
    _, build = small_book
    result = build(
        {"index": compose("total = 1", "\n# a comment, then the error\nprint(1 / 0)", "print('never reached')")}
    )
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "chapters/index.md, code cell 2 of 3 (line 21) failed: # a comment, then the error" in output
    assert "ZeroDivisionError: division by zero" in output
    assert "jupyter_book/sphinx.py" not in output  # no traceback of the builder's own


def test_a_name_used_before_it_is_defined_fails_the_build(small_book, compose):
    """N3 (jvns/neural-nets-are-weird#2): a page runs top to bottom in a fresh kernel, so the first cell fails."""
    _, build = small_book
    result = build({"index": compose("print(total)", "total = 3")})
    assert result.returncode != 0
    assert "code cell 1 of 2 (line 17) failed: print(total)\nNameError" in result.stdout + result.stderr


def test_a_cell_that_takes_too_long_is_named(small_book, compose):
    root, build = small_book
    config = root / "book.yml"
    config.write_text(config.read_text("utf-8").replace("timeout: 120", "timeout: 2"), "utf-8")
    result = build({"index": compose("while True: pass")})
    assert result.returncode != 0
    assert "code cell 1 of 1 (line 17) failed: while True: pass\nCellTimeoutError" in result.stdout + result.stderr


def test_a_warning_fails_the_build_until_it_is_mended(small_book):
    """Broken references, unknown citations and diagrams without alt text: each is named, each time."""
    _, build = small_book
    diagram = "```{mermaid}\nflowchart LR\n  A --> B\n```"
    broken = {"index": f"# A page\n\nSee {{eq}}`nowhere`, {{cite:p}}`nobody`, [this](missing.md).\n\n{diagram}\n"}
    for _ in range(2):  # the second build reads the page again, though it has not changed
        result = build(broken)
        output = result.stdout + result.stderr
        assert result.returncode != 0
        assert [clue for clue in ("nowhere", "nobody", "missing.md", "needs an :alt: line") if clue not in output] == []
    assert build({"index": "# A page\n\nMended.\n"}).returncode == 0


def test_glued_numpy_numbers_read_as_numbers(small_book, compose):
    root, build = small_book
    half = "glue('half', np.float32(0.5), display=False)"
    cell = f"import numpy as np\nfrom myst_nb import glue\n{half}\nglue('all', np.True_, display=False)"
    prose = "Half is {glue:text}`half:.3f`, plainly {glue:text}`half`, {glue:text}`all`."
    result = build({"index": compose(cell, prose=prose)})
    assert result.returncode == 0, result.stdout + result.stderr
    text = re.sub(r"<[^>]+>", "", (root / "_build/html/index.html").read_text("utf-8"))
    assert "Half is 0.500, plainly 0.5, True." in text


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core: pages are executed one after the other")
def test_changed_pages_are_executed_side_by_side_with_one_thread_each(small_book, compose):
    root, build = small_book
    cell = "import os, time\nstart = time.time()\ntime.sleep(2)\nprint('from', start, 'to', time.time())"
    cell += "\nprint('threads', os.environ['OMP_NUM_THREADS'])"
    result = build({"index": compose(cell), "other": compose(cell)})
    assert result.returncode == 0, result.stdout + result.stderr
    pages = [(root / "_build" / "html" / f"{name}.html").read_text("utf-8") for name in ("index", "other")]
    spans = [[float(x) for x in re.search(r"from ([\d.]+) to ([\d.]+)", page).groups()] for page in pages]
    assert max(start for start, _ in spans) < min(end for _, end in spans)
    assert all("threads 1" in page for page in pages)
