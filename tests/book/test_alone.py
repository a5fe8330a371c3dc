"""Every page also runs as a notebook: alone, from another folder, with the numbers that the book printed."""

import os
from pathlib import Path

import jupytext
import nbformat
import pytest
from execution import unwrap_glued_numbers
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "_build" / ".jupyter_cache"  # see chapters/_ext/freshness.py


def outputs(notebook: nbformat.NotebookNode) -> list[list[tuple[str, object]]]:
    """What each code cell shows, without what may differ: counters, progress bars and warnings on stderr."""
    unwrap_glued_numbers(notebook)
    shown = []
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        kept = [output for output in cell.outputs if output.get("name") != "stderr"]
        merged = "".join(output.text for output in kept if output.output_type == "stream")
        rich = [item for output in kept for item in sorted(output.get("data", {}).items())]
        shown.append([("stdout", merged), *rich])
    return shown


def test_it_prints_the_same_alone_from_another_folder(page, tmp_path, monkeypatch):
    """Must hold 4. The book's build was the first run, in the page's folder; this is the second, elsewhere."""
    notebook = jupytext.read(ROOT / "chapters" / f"{page}.md")
    if not any(cell.cell_type == "code" for cell in notebook.cells):
        pytest.skip("prose only: nothing to execute")
    monkeypatch.setenv("AVREC_BOOK", "1")  # as in the book, exercises then show their folded solutions
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(variable, os.environ.get(variable, "1"))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    built = max(CACHE.glob(f"{page.replace('/', '-')}/*/executed/*/base.ipynb"), key=lambda path: path.stat().st_mtime)
    for number, (ours, books) in enumerate(zip(outputs(notebook), outputs(nbformat.read(built, 4)), strict=True), 1):
        assert ours == books, f"code cell {number} shows something else than in the book"
    assert list(tmp_path.iterdir()) == []  # a page leaves nothing behind
