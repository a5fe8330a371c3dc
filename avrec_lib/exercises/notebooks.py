"""Write every page as a student notebook, without solutions, and as an instructor's, with them.

    python -m avrec_lib.exercises.notebooks OUT

writes `OUT/student/…` and `OUT/instructor/…` with the folders of `chapters/`. `--student` and
`--instructor` name the two folders one by one. Notebooks are only ever made from the pages.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avrec_lib.exercises import bank
from avrec_lib.exercises.code import printing
from avrec_lib.exercises.engine import LEVELS, Attempt, Exercise
from avrec_lib.exercises.pages import code_cells, first_undefined, is_tagged, page_files, read_page
from avrec_lib.exercises.plain import Plain, References, read_labels, read_references

CHECK_LINE = re.compile(r'^exercise\("([^"]+)"\)\.check\((\w+)\)$', re.MULTILINE)
_KERNEL = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}
_NOTES = {
    "student": "fill in the cells that end in `.check(…)` and run them; `exercise(…).hint()` helps.",
    "instructor": "below each starter cell is a solution, and what typical wrong answers are told.",
}


def notebook(page: Path, chapters: Path, *, solutions: bool, references: References | None = None) -> dict[str, Any]:
    """Return a page as a notebook (nbformat 4.5, as plain dictionaries), without outputs and execution counts.

    The kernel is always `python3`, Markdown is plain (see `plain.Plain`), and cell ids count from 1, so
    the same page always gives the same bytes. With `solutions`, a solution follows each starter cell.
    `references` are the works that the page may cite, from `plain.read_references`.

    Raises
    ------
    ValueError
        If a cell uses a name that no cell above it defines, naming the page, the cell and the name.
    """
    source = read_page(page)
    where = page.relative_to(chapters).as_posix()
    undefined = first_undefined([cell.source for cell in code_cells(source)])
    if undefined is not None:
        raise ValueError(f"{where}: code cell {undefined[0]} uses {undefined[1]!r}, which no cell above it defines.")
    kind = "instructor" if solutions else "student"
    labels = read_labels((cell.source, cell.metadata) for cell in source.cells)
    plain = Plain(page.parent, references or {}, labels)
    note = f"> The {kind}'s notebook of the page `{where}`, made from it: {_NOTES[kind]}"
    if "{glue" in page.read_text(encoding="utf-8"):
        note += " ⟨`name`⟩ in the text stands for the number that a cell prints under this name."
    cells = [_markdown(note)]
    for cell in source.cells:
        if cell.cell_type == "markdown":
            plain.attachments = {}
            if text := plain.convert(cell.source):  # a cell of author's remarks leaves nothing
                cells.append(_markdown(text, plain.attachments))
            continue
        tags = list(cell.metadata.get("tags", []))
        cells.append(_code(printing(cell.source) if "glue(" in cell.source else cell.source, tags))
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "caption" in figure:
            cells.append(_markdown(plain.caption(figure.get("name", ""), figure["caption"].strip())))
        asked = CHECK_LINE.search(cell.source)
        if solutions and is_tagged(cell, "exercise") and asked:
            task = bank.find_exercise(asked[1])
            cells += [_markdown(_remarks(task)), _code(task.solved_cell, ["solution"])]
    numbered = [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells, start=1)]
    return {"cells": numbered, "metadata": _KERNEL, "nbformat": 4, "nbformat_minor": 5}


def write(chapters: Path, folder: Path, *, solutions: bool) -> list[Path]:
    """Write the notebooks of all pages into a folder, and return their paths. A file appears whole or not at all."""
    written = []
    references = read_references(chapters / "references.bib")
    for page in page_files(chapters):
        target = (folder / page.relative_to(chapters)).with_suffix(".ipynb")
        text = (
            json.dumps(
                notebook(page, chapters, solutions=solutions, references=references), ensure_ascii=False, indent=1
            )
            + "\n"
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        written.append(target)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m avrec_lib.exercises.notebooks", description=__doc__.split("\n")[0])
    parser.add_argument("out", nargs="?", type=Path, help="folder for student/ and instructor/")
    parser.add_argument("--student", type=Path, help="folder for the student notebooks")
    parser.add_argument("--instructor", type=Path, help="folder for the instructor's notebooks")
    parser.add_argument(
        "--chapters", type=Path, default=Path("chapters"), help="folder of the pages (default: chapters)"
    )
    options = parser.parse_args(arguments)
    student = options.student or (options.out / "student" if options.out else None)
    instructor = options.instructor or (options.out / "instructor" if options.out else None)
    if student is None and instructor is None:
        parser.error("name a folder: OUT, or --student and --instructor")
    try:
        for kind, folder in (("student", student), ("instructor", instructor)):
            if folder is not None:
                made = write(options.chapters, folder, solutions=kind == "instructor")
                print(f"{len(made)} {kind} notebooks in {folder}")
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _markdown(text: str, attachments: dict[str, dict[str, str]] | None = None) -> dict[str, Any]:
    more = {"attachments": attachments} if attachments else {}
    return {"cell_type": "markdown", "metadata": {}, **more, "source": text}


def _code(source: str, tags: list[str]) -> dict[str, Any]:
    metadata = {"tags": tags} if tags else {}
    return {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [], "source": source}


def _remarks(task: Exercise) -> str:
    results = [Attempt(task).judge(answer) for answer, _ in task.wrong]
    told = "\n".join(f"- {result.message.splitlines()[-1].strip()}" for result in results)
    heading = f"**Solution: {task.title}** · {LEVELS[task.difficulty]} · about {task.minutes} min"
    return f"{heading}\n\nTypical wrong answers are told:\n\n{told}"


if __name__ == "__main__":
    raise SystemExit(main())
