"""How pages are executed: in book mode, stopping at the first failing cell with a message that says where it is.

Also here: the rule that a warning fails the build, and fails it again until it is mended.
"""

import os
import re
from pathlib import Path

import myst_nb.core.execute
from myst_nb.core.execute.base import ExecutionError
from myst_nb.core.execute.cache import NotebookClientCache
from nbformat import NotebookNode
from sphinx.application import Sphinx

ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NUMPY_NUMBER = re.compile(r"^np\.(?:\w+\((.*)\)|(True|False)_)$")
TRACEBACK_LINES = 25


class BookClient(NotebookClientCache):
    """Executes a page, or takes its outputs from the cache; a failing cell ends the build with a plain message."""

    def start_client(self) -> None:
        try:
            super().start_client()
        except ExecutionError as failure:
            # SystemExit, because Jupyter Book wraps any other exception in two tracebacks of its own machinery.
            raise SystemExit(explain_failure(Path(self.path), self.notebook, failure.__cause__)) from failure
        unwrap_glued_numbers(self.notebook)


def unwrap_glued_numbers(notebook: NotebookNode) -> None:
    """Make `np.float64(3.5)` in glued values `3.5`, so that a sentence can quote and format NumPy's numbers."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "scrapbook" in output.get("metadata", {}):  # where glue() keeps its name
                output.data.update(
                    {kind: NUMPY_NUMBER.sub(r"\1\2", text) for kind, text in output.data.items() if "plain" in kind}
                )


def explain_failure(page: Path, notebook: NotebookNode, error: BaseException | None) -> str:
    """Say which code cell of a page failed, where it stands, its first line, and the error it raised."""
    lines = notebook.metadata.get("source_map") or [None] * len(notebook.cells)
    code_cells = [(cell, line) for cell, line in zip(notebook.cells, lines, strict=True) if cell.cell_type == "code"]
    started = [i for i, (cell, _) in enumerate(code_cells) if cell.execution_count]  # the last one started is the one
    number = started[-1] if started else 0
    cell, line = code_cells[number]
    shown = page.relative_to(Path.cwd()) if page.is_relative_to(Path.cwd()) else page
    details = ANSI_COLOUR.sub("", str(error)).strip().splitlines()
    name = getattr(error, "ename", type(error).__name__)
    reason = getattr(error, "evalue", "") or next((text for text in details if text.strip()), "")
    where = f"{shown}, code cell {number + 1} of {len(code_cells)}" + (
        f" (line {line + 1})" if line is not None else ""
    )
    first_line = next((text for text in cell.source.splitlines() if text.strip()), "")
    return "\n".join([*details[-TRACEBACK_LINES:], "", f"{where} failed: {first_line.strip()}", f"{name}: {reason}"])


def forget_pages_with_warnings(app: Sphinx, error: Exception | None) -> None:
    """Drop the saved environment after a build with warnings: the next one must read those pages and warn again."""
    if app._warncount:
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    os.environ["AVREC_BOOK"] = "1"  # inherited by the kernels: exercises then show their folded solutions
    myst_nb.core.execute.NotebookClientCache = BookClient
    app.connect("build-finished", forget_pages_with_warnings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
