"""N1 and N3: which kernel a page asks for, and in which order its cells define what they use."""

from pathlib import Path

import pytest

from avrec_lib.exercises.pages import code_cells, first_undefined, is_tagged, page_files, read_page

CHAPTERS = Path(__file__).parents[2] / "chapters"
HEADER = "---\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n"


@pytest.mark.parametrize("page", page_files(CHAPTERS), ids=lambda p: p.relative_to(CHAPTERS).as_posix())
def test_each_page_uses_python3_and_defines_names_before_it_uses_them(page):
    """N1, N3."""
    notebook = read_page(page)
    assert notebook.metadata.kernelspec.name == "python3"
    assert first_undefined([cell.source for cell in code_cells(notebook)]) is None


def test_first_cell_that_uses_a_name_too_early_is_named():
    """N3: cells `print(total)` / `total = 3`."""
    assert first_undefined(["print(total)", "total = 3"]) == (1, "total")
    assert first_undefined(["total = 3", "print(total)"]) is None


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["import numpy as np", "np.zeros(3)"], None),
        (["import a.b.c\na.b.c"], None),
        (["from x import y as z", "z", "y"], (3, "y")),
        (["from x import *", "anything"], None),
        (["x += 1"], (1, "x")),
        (["x: int", "x"], (2, "x")),
        (["x: int = 1", "x"], None),
        (["x = 1\ndel x", "x"], (2, "x")),
        (["a, (b, *c) = 1, (2, 3)", "a, b, c"], None),
        (["for i in range(3):\n    j = i", "i + j"], None),
        (["for i in i: pass"], (1, "i")),
        (["with open('x') as f:\n    f.read()", "f"], None),
        (["try:\n    1\nexcept ValueError as e:\n    print(e)"], None),
        (["if (n := 3) > 2:\n    n"], None),
        (["[x * y for x in [1] for y in [x]]"], None),
        (["{k: v for k, v in {}.items() if k}", "k"], (2, "k")),
        (["[x for x in x]"], (1, "x")),
        (["(lambda a, b=later: a)", "later = 1"], (1, "later")),
        (["f = lambda a: a + late", "late = 1", "f(1)"], None),
        (["match [1]:\n    case [a, *rest]:\n        a, rest\n    case {'k': v, **others}:\n        v, others"], None),
        (["match 1:\n    case _ as whole:\n        whole"], None),
        (["class A(Base):\n    pass"], (1, "Base")),
        (["class A:\n    x = 1\n    y = x + z"], (1, "z")),
        (["class A:\n    x = 1\nA", "x"], (2, "x")),
        (["@decorate\ndef f(): pass"], (1, "decorate")),
        (["def f(a: Missing) -> int: pass"], (1, "Missing")),
        (["def f(a, *, b=late): pass"], (1, "late")),
        (["%matplotlib inline\nx = !ls\nx"], None),
        (["display(get_ipython())\n__name__"], None),
    ],
)
def test_names_are_followed_in_the_order_in_which_python_runs(cells, found):
    assert first_undefined(cells) == found


def test_name_in_a_functions_body_must_exist_where_the_function_is_used():
    define, use, constant = "def f(x):\n    return x * scale", "f(2)", "scale = 3"
    assert first_undefined([define, constant, use]) is None
    assert first_undefined([define, use, constant]) == (2, "scale")
    assert first_undefined([define]) == (1, "scale")


def test_functions_that_call_each_other_are_followed():
    cells = ["def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n > 0 and even(n - 1)", "even(3)"]
    assert first_undefined(cells) is None
    assert first_undefined(["def f(): return g()", "def g(): return h", "f()", "h = 1"]) == (3, "h")


def test_cell_that_is_not_python_is_named():
    with pytest.raises(ValueError, match=r"code cell 2 is not valid Python: .* \(line 1\)"):
        first_undefined(["x = 1", "def"])


def test_pages_are_the_files_with_a_kernelspec(tmp_path):
    (tmp_path / "01").mkdir()
    (tmp_path / "_static").mkdir()
    for name, text in {
        "b.md": HEADER,
        "01/a.md": HEADER,
        "plain.md": "# x",
        "_template.md": HEADER,
        "_static/x.md": HEADER,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert [p.relative_to(tmp_path).as_posix() for p in page_files(tmp_path)] == ["01/a.md", "b.md"]


def test_missing_folder_of_pages_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="name the folder of the pages with --chapters"):
        page_files(tmp_path / "nowhere")


def test_cells_keep_their_source_and_tags(tmp_path):
    page = tmp_path / "a.md"
    page.write_text(
        HEADER + "# A\n\n```{code-cell} ipython3\n:tags: [exercise, wide]\n\nx = 1\n```\n", encoding="utf-8"
    )
    (cell,) = code_cells(read_page(page))
    assert cell.source == "x = 1"
    assert is_tagged(cell, "wide")
    assert not is_tagged(cell, "solution")
