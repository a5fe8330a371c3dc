"""Python code read and edited as text: the names it binds, and changes that leave every other byte as it is."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable

Edit = tuple[int, int, str]  # from byte, to byte, what stands there instead


def bound_names(code: str) -> list[str]:
    """Return the names that the top level of a piece of code defines or assigns, in order."""
    names: list[str] = []
    for node in ast.parse(textwrap.dedent(code)).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            stores = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
            names += [n.id for n in stores]
    return names


def without_hints(code: str) -> str:
    """Return code without the type hints of its functions, so that it runs in a cell that imports no types.

    Hints of class attributes stay: a dataclass is made of them.
    """
    tree, lines = ast.parse(code), _Lines(code)
    attributes = {id(child) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for child in node.body}
    edits: list[Edit] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            edits.append((lines.start(node) + len(node.arg.encode()), lines.end(node.annotation), ""))
        elif isinstance(node, ast.AnnAssign) and node.value is not None and id(node) not in attributes:
            edits.append((lines.end(node.target), lines.end(node.annotation), ""))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns is not None:
            arrow = lines.code.rindex(b"->", 0, lines.start(node.returns))
            edits.append((len(lines.code[:arrow].rstrip()), lines.end(node.returns), ""))
    return lines.edited(edits)


def printing(code: str) -> str:
    """Return code in which `glue("name", value, …)` is `print("name =", value)`, for a Jupyter without MyST.

    `from myst_nb import glue` goes too, unless glue is used in another way.
    """
    tree, lines = ast.parse(code), _Lines(code)
    calls: list[ast.Call] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and len(node.value.args) == 2:
            function = node.value.func
            if isinstance(function, ast.Name) and function.id == "glue":
                calls.append(node.value)
    edits: list[Edit] = []
    for call in calls:
        name, value = (lines.code[lines.start(a) : lines.end(a)].decode() for a in call.args)
        label = f"{name[:-1]} ={name[-1]}" if isinstance(call.args[0], ast.Constant) else f'{name}, "="'
        edits.append((lines.start(call), lines.end(call), f"print({label}, {value})"))
    uses = sum(isinstance(node, ast.Name) and node.id == "glue" for node in ast.walk(tree))
    for statement in tree.body:
        alone = isinstance(statement, ast.ImportFrom) and [a.name for a in statement.names] == ["glue"]
        if alone and uses == len(calls):
            edits.append((lines.start(statement), lines.end(statement) + 1, ""))
    return lines.edited(edits).strip("\n")


class _Lines:
    """Where the nodes of a syntax tree stand in the bytes of the code (columns are counted in UTF-8)."""

    def __init__(self, code: str) -> None:
        self.code = code.encode()
        self.starts = [0]
        for line in self.code.split(b"\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)

    def start(self, node: ast.expr | ast.stmt | ast.arg) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.arg) -> int:
        return self.starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def edited(self, edits: Iterable[Edit]) -> str:
        code = self.code
        for start, end, text in sorted(edits, reverse=True):
            code = code[:start] + text.encode() + code[end:]
        return code.decode()
