"""Read the book's pages as notebooks, and find the first cell that uses a name before it exists.

A page is a MyST Markdown file with a kernelspec in its header. What runs it (the book's build, a
student's JupyterLab) runs its cells from top to bottom in a fresh kernel, and so does the check here,
without running anything.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_IN_EVERY_NOTEBOOK = {*dir(builtins), "__name__", "__doc__", "display", "get_ipython", "In", "Out", "_", "exit", "quit"}
_KERNELSPEC = re.compile(r"\A---\n.*?^kernelspec:.*?^---$", re.DOTALL | re.MULTILINE)


def page_files(chapters: Path) -> list[Path]:
    """Return the notebook pages below a folder, sorted; names that begin with an underscore are left out.

    Raises FileNotFoundError if there is no such folder.
    """
    if not chapters.is_dir():
        raise FileNotFoundError(f"there is no folder {chapters}; name the folder of the pages with --chapters.")
    files = (p for p in chapters.rglob("*.md") if not any(part[0] in "_." for part in p.relative_to(chapters).parts))
    return sorted(p for p in files if _KERNELSPEC.match(p.read_text(encoding="utf-8")))


def read_page(path: Path) -> Any:  # noqa: ANN401  (nbformat has no types)
    """Return a page as a notebook (nbformat 4), with its cells' sources, tags and no outputs."""
    import jupytext

    return jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst")


def code_cells(notebook: Any) -> list[Any]:  # noqa: ANN401
    """Return the code cells of a notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_tagged(cell: Any, tag: str) -> bool:  # noqa: ANN401
    """Return whether a cell carries a tag."""
    return tag in cell.metadata.get("tags", [])


def first_undefined(sources: Sequence[str]) -> tuple[int, str] | None:
    """Return the first code cell that reads a name nothing has defined yet, as (cell number from 1, name).

    The cells count as run once from top to bottom. A name that only a function's body reads must exist
    where the function is first used, or by the end if it never is. None means that all names are defined.

    Raises
    ------
    ValueError
        If a cell is not valid Python, naming it.
    """
    bound = set(_IN_EVERY_NOTEBOOK)
    functions: dict[str, set[str]] = {}
    deferred: list[tuple[int, set[str]]] = []
    for number, source in enumerate(sources, start=1):
        code = _without_magics(source)
        try:
            tree = ast.parse(code)
            table = symtable.symtable(code, f"cell {number}", "exec")
        except SyntaxError as error:
            raise ValueError(f"code cell {number} is not valid Python: {error.msg} (line {error.lineno}).") from None
        reader = _Reader(bound, functions)
        functions.update({child.get_name(): set(_globals_of(child)) for child in table.get_children()})
        reader.visit(tree)
        if "*" in bound:  # from x import *: anything may exist now
            return None
        if reader.missing:
            return number, reader.missing[0]
        deferred.append((number, set(_globals_of(table))))
    return next(((number, min(names - bound)) for number, names in deferred if names - bound), None)


def _without_magics(source: str) -> str:
    """Return a cell as plain Python: `%timeit` and `!ls` become calls of `get_ipython()`."""
    from IPython.core.inputtransformer2 import TransformerManager

    return str(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]


def _globals_of(table: symtable.SymbolTable) -> Iterator[str]:
    """Yield the global names that the functions of a cell read, however deep."""
    if table.get_type() == "function":
        yield from (s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced())
    for child in table.get_children():
        yield from _globals_of(child)


class _Reader(ast.NodeVisitor):
    """Walks statements in the order they run and notes the names that are read before they are bound."""

    def __init__(self, bound: set[str], functions: dict[str, set[str]]) -> None:
        self.bound, self.functions, self.missing = bound, functions, list[str]()

    def visit(self, node: ast.AST) -> None:
        """Visit one node; comprehensions and patterns, of which there are several kinds, are told apart here."""
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            self._comprehension(node)
            return
        if isinstance(node, (ast.MatchAs, ast.MatchStar, ast.MatchMapping)):
            name = node.rest if isinstance(node, ast.MatchMapping) else node.name
            self.bound.update([name] if name else [])
        super().visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.bound.add(node.id)
        elif isinstance(node.ctx, ast.Del):
            self.bound.discard(node.id)
        else:
            self._read(node.id)

    def _read(self, name: str) -> None:
        if name not in self.bound:
            self.missing.append(name)
            return
        for inner in sorted(self.functions.pop(name, ())):  # its body runs now: what it reads must exist
            self._read(inner)

    def _in_order(self, *parts: ast.AST | Sequence[ast.AST] | None) -> None:
        for part in parts:
            for node in part if isinstance(part, Sequence) else [part] if part is not None else []:
                self.visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._in_order(node.value, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._in_order(node.annotation, node.value, node.target if node.value is not None else None)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
        self._in_order(node.value, node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._in_order(node.value, node.target)

    def visit_For(self, node: ast.For) -> None:
        self._in_order(node.iter, node.target, node.body, node.orelse)

    def visit_alias(self, node: ast.alias) -> None:
        self.bound.add(node.asname or node.name.split(".")[0])

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.bound.update([node.name] if node.name else [])
        self._in_order(node.type, node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        hints = [a.annotation for a in ast.walk(node.args) if isinstance(a, ast.arg) and a.annotation]
        self._in_order(node.decorator_list, _defaults(node.args), hints, node.returns)
        self.bound.add(node.name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._in_order(_defaults(node.args))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._in_order(node.decorator_list, node.bases, [k.value for k in node.keywords])
        self._inside(node.body)
        self.bound.add(node.name)

    def _comprehension(self, node: Any) -> None:  # noqa: ANN401
        outermost = node.generators[0]
        self._in_order(outermost.iter)
        inner = [part for g in node.generators for part in (None if g is outermost else g.iter, g.target, *g.ifs)]
        self._inside([*inner, *([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])])

    def _inside(self, nodes: Sequence[ast.AST | None]) -> None:
        """Visit what binds names of its own: a class body or a comprehension."""
        child = _Reader(set(self.bound), self.functions)
        child._in_order(*nodes)
        self.missing += child.missing


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]
