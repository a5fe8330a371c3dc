"""N1 and N3 for what students get: the kernel's name, no outputs, no counts, and a run from another folder."""

import json
import runpy
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from avrec_lib.exercises import notebooks

PAGE = """---
kernelspec:
  name: my-old-env
  display_name: Python 3
---

# A page

```{code-cell} ipython3
from myst_nb import glue
from avrec_lib.exercises import exercise, quiz

glue("six", 2 * 3, display=False)
exercise("cosine-by-hand")
```

Twice three is {glue:text}`six` {cite:p}`koren2009`.

+++

% A remark for authors.

+++

```{note}
A box.
```

```{code-cell} ipython3
:tags: [exercise]

import numpy as np

def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return 1 / 0

exercise("cosine-by-hand").check(cosine)
```

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-quiz
    caption: |
      A quiz.
---
quiz("6.2.1")
```

{numref}`fig-quiz` has one question.
"""


@pytest.fixture
def chapters(tmp_path, only_example):
    folder = tmp_path / "chapters"
    (folder / "06").mkdir(parents=True)
    (folder / "06" / "page.md").write_text(PAGE, encoding="utf-8")
    (folder / "index.md").write_text("# Not a notebook", encoding="utf-8")
    (folder / "references.bib").write_text("@misc{koren2009, author={Koren, Y.}, title={T}, year={2009}}")
    return folder


def made(chapters, tmp_path, kind):
    assert notebooks.main([str(tmp_path / "out"), "--chapters", str(chapters)]) == 0
    file = tmp_path / "out" / kind / "06" / "page.ipynb"
    return file, nbformat.read(file, as_version=4)


def test_student_notebook_is_valid_asks_for_python3_and_has_no_outputs_or_counts(chapters, tmp_path, capsys):
    """N1, N3: whatever kernel the page was saved with, and whatever was run before."""
    _, notebook = made(chapters, tmp_path, "student")
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count is None and cell.outputs == [] for cell in code)
    assert capsys.readouterr().out.startswith("1 student notebooks in ")


def test_student_notebook_has_the_starter_and_no_solution(chapters, tmp_path):
    file, notebook = made(chapters, tmp_path, "student")
    assert "return 1 / 0" in file.read_text(encoding="utf-8")
    assert "np.linalg.norm(a) * np.linalg.norm(b)" not in file.read_text(encoding="utf-8")
    assert [cell.metadata.tags for cell in notebook.cells if "tags" in cell.metadata] == [["exercise"]]


def test_student_notebook_reads_without_myst(chapters, tmp_path):
    _, notebook = made(chapters, tmp_path, "student")
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "> The student's notebook of the page `06/page.md`" in text
    assert "⟨`name`⟩ in the text stands for the number that a cell prints under this name." in text
    assert "Twice three is ⟨`six`⟩ (Koren, 2009)." in text
    assert notebook.cells[2].source.split("\n")[2] == 'print("six =", 2 * 3)'
    assert "myst_nb" not in notebook.cells[2].source
    assert "> **Note**\n>\n> A box." in text
    assert "{" not in text
    assert "remark" not in text
    assert "*Figure 1.* A quiz." in text
    assert "Figure 1 has one question." in text
    assert all(cell.source for cell in notebook.cells)


def test_instructor_notebook_has_a_solution_and_the_messages_below_each_starter(chapters, tmp_path):
    _, notebook = made(chapters, tmp_path, "instructor")
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    at = tags.index(["exercise"])
    assert tags[at + 2] == ["solution"]
    assert notebook.cells[at + 2].source.endswith('exercise("cosine-by-hand").check(cosine)')
    assert "★★☆ medium · about 8 min" in notebook.cells[at + 1].source
    assert "- that is the dot product; divide it by both lengths" in notebook.cells[at + 1].source


def test_same_page_gives_the_same_bytes(chapters, tmp_path):
    first = made(chapters, tmp_path, "instructor")[0].read_bytes()
    assert made(chapters, tmp_path, "instructor")[0].read_bytes() == first
    ids = [cell["id"] for cell in json.loads(first)["cells"]]
    assert ids == [f"cell-{i}" for i in range(1, len(ids) + 1)]


def test_each_kind_can_go_into_a_folder_of_its_own(chapters, tmp_path):
    arguments = ["--student", str(tmp_path / "a"), "--instructor", str(tmp_path / "b"), "--chapters", str(chapters)]
    assert notebooks.main(arguments) == 0
    assert (tmp_path / "a" / "06" / "page.ipynb").is_file()
    assert (tmp_path / "b" / "06" / "page.ipynb").is_file()
    assert not list(tmp_path.rglob("*.part"))


def test_only_the_asked_kind_is_written(chapters, tmp_path):
    assert notebooks.main(["--student", str(tmp_path / "a"), "--chapters", str(chapters)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["a", "chapters"]


def test_page_whose_cells_are_out_of_order_is_refused_by_name(chapters, tmp_path, capsys):
    """N3."""
    (chapters / "late.md").write_text(PAGE.replace("import numpy as np", "print(total)"), encoding="utf-8")
    assert notebooks.main([str(tmp_path / "out"), "--chapters", str(chapters)]) == 1
    assert "error: late.md: code cell 2 uses 'total', which no cell above it defines." in capsys.readouterr().err


def test_missing_chapters_and_missing_folder_are_named(tmp_path, capsys):
    assert notebooks.main([str(tmp_path), "--chapters", str(tmp_path / "no")]) == 1
    assert "there is no folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        notebooks.main([])
    assert "name a folder" in capsys.readouterr().err


def test_module_runs_as_a_command(chapters, tmp_path, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "avrec_lib.exercises.notebooks")
    monkeypatch.setattr(sys, "argv", ["notebooks", "--student", str(tmp_path / "made"), "--chapters", str(chapters)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("avrec_lib.exercises.notebooks", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"1 student notebooks in {tmp_path / 'made'}\n"


def test_student_notebook_runs_in_another_folder_and_shows_markdown_and_the_students_own_crash(
    chapters, tmp_path, bank_folder, monkeypatch
):
    """N1, and what a student sees in a real kernel."""
    _, notebook = made(chapters, tmp_path, "student")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    find_bank = f"from avrec_lib.exercises import bank\nbank.__path__[:] = [{str(bank_folder)!r}]"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(find_bank))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("AVREC_BOOK", raising=False)
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(elsewhere)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    prompt = cells[1].outputs[-1]
    assert prompt.data["text/markdown"].startswith("**Exercise: The cosine of two vectors**")
    assert set(prompt.data) == {"text/markdown", "text/plain"}
    assert prompt.data["text/plain"] == "<exercise 'cosine-by-hand': The cosine of two vectors>"
    (crash,) = cells[2].outputs  # the Result itself shows nothing
    assert crash.text.split("\n") == [
        "✗ Your code stopped with an error.",
        "  line 4, in cosine",
        "    return 1 / 0",
        "ZeroDivisionError: division by zero",
        "",
    ]
    assert "✓ **Right.**" in cells[3].outputs[0].data["text/markdown"]
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4]
    assert list(elsewhere.iterdir()) == []


def counts_are_absent_or_in_order(notebook):
    counts = [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return set(counts) <= {None} or counts == list(range(1, len(counts) + 1))


def test_no_notebook_in_the_repository_was_run_out_of_order():
    """N3. There should be none at all: they are made from the pages."""
    cells = {"ran in order": (1, 2), "never ran": (None, None), "ran backwards": (2, 1), "ran in part": (1, None)}
    made = {
        name: counts_are_absent_or_in_order({"cells": [{"cell_type": "code", "execution_count": n} for n in counts]})
        for name, counts in cells.items()
    }
    assert made == {"ran in order": True, "never ran": True, "ran backwards": False, "ran in part": False}
    for folder in ("chapters", "data", "benchmarks", "tests"):
        for file in (Path(__file__).parents[2] / folder).rglob("*.ipynb"):
            if ".ipynb_checkpoints" not in file.parts:
                assert counts_are_absent_or_in_order(json.loads(file.read_text(encoding="utf-8"))), file


def test_every_page_of_the_book_makes_both_notebooks(tmp_path):
    root = Path(__file__).parents[2] / "chapters"
    for kind in ("student", "instructor"):
        for file in notebooks.write(root, tmp_path / kind, solutions=kind == "instructor"):
            nbformat.validate(nbformat.read(file, as_version=4))
