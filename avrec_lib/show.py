"""Show the source of an object of this library on a page, so that printed code is tested code.

`show_source(EASE)` prints the lines of the file that a page's experiment runs; nothing is pasted.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

OMITTED = "# …"


def show_source(*objects: Any, docstring: bool = True, methods: Sequence[str] = ()) -> None:  # noqa: ANN401
    """Display the source of functions, methods or classes as a highlighted code block, with their full names.

    Parameters
    ----------
    *objects : functions, methods, classes, properties or Numba functions
        What to show, in this order.
    docstring : bool
        False leaves out the docstrings. Every other line stays as it is in the file.
    methods : sequence of str
        For a class: only its header and these methods; `# …` marks what is left out.

    Raises
    ------
    TypeError
        If an object has no Python source, such as a built-in or a number.
    ValueError
        If the class has no method of that name.
    """
    for thing in objects:
        publish(source_markdown(thing, docstring=docstring, methods=methods))


def source_markdown(thing: Any, *, docstring: bool = True, methods: Sequence[str] = ()) -> str:  # noqa: ANN401
    """Return what `show_source` displays, as Markdown."""
    plain = _unwrapped(thing)
    code = source(plain, docstring=docstring, methods=methods)
    return f"From `{plain.__module__}.{plain.__qualname__}`:\n\n{fenced(code)}"


def source(thing: Any, *, docstring: bool = True, methods: Sequence[str] = ()) -> str:  # noqa: ANN401
    """Return the source of an object, dedented, its lines otherwise those of the file."""
    plain = _unwrapped(thing)
    try:
        text = textwrap.dedent(inspect.getsource(plain))
    except (TypeError, OSError):
        raise TypeError(f"show_source needs a function or class written in Python; {thing!r} has no source.") from None
    lines = text.rstrip("\n").split("\n")
    tree = ast.parse(text)
    hidden = set() if docstring else set(_docstring_lines(tree, lines))
    if methods:
        return "\n".join(_excerpt(tree, lines, hidden, methods))
    return "\n".join(line for number, line in enumerate(lines, start=1) if number not in hidden)


def fenced(code: str, language: str = "python") -> str:
    """Return a code block whose fence is longer than any run of backticks in the code."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.strip(chr(10))}\n{fence}"


def publish(text: str) -> None:
    """Show Markdown: rendered in a notebook, printed as it is anywhere else."""
    present({"text/markdown": text, "text/plain": text})


def present(forms: dict[str, str]) -> None:
    """Show one thing given in several MIME types: in a notebook the best it can draw, elsewhere "text/plain"."""
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        print(forms["text/plain"])
        return
    if get_ipython() is None:
        print(forms["text/plain"])
    else:
        display(forms, raw=True)  # type: ignore[no-untyped-call]


def _unwrapped(thing: Any) -> Any:  # noqa: ANN401
    """Return the Python function or class behind a property, a bound method, a decorator or a Numba function."""
    if isinstance(thing, property):
        thing = thing.fget
    if isinstance(thing, functools.cached_property):
        thing = thing.func
    thing = getattr(thing, "__func__", thing)
    thing = getattr(thing, "py_func", thing)  # Numba keeps the function it compiled here
    return inspect.unwrap(thing) if callable(thing) else thing


def _docstring_lines(tree: ast.AST, lines: Sequence[str]) -> Iterable[int]:
    """Yield the line numbers of all docstrings and of the blank lines right below them."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or len(node.body) < 2:
            continue
        first, second = node.body[:2]
        if not isinstance(first, ast.Expr) or ast.get_docstring(node, clean=False) is None:
            continue
        start, end = first.lineno, first.end_lineno or first.lineno
        if node.lineno == start or second.lineno == end:  # it shares a line with code
            continue
        while not lines[end].strip():
            end += 1
        yield from range(start, end + 1)


def _excerpt(tree: ast.Module, lines: list[str], hidden: set[int], methods: Sequence[str]) -> list[str]:
    """Return the header of a class and some of its methods, with a mark where something is left out."""
    node = tree.body[0]
    if not isinstance(node, ast.ClassDef):
        raise ValueError("methods= is for a class.")
    found = {n.name: n for n in node.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
    unknown = [name for name in methods if name not in found]
    if unknown:
        raise ValueError(f"class {node.name} has no method {', '.join(map(repr, unknown))}; it has {', '.join(found)}.")
    body_start = _first_line(node.body[0])
    shown = lines[: body_start - 1]
    last = body_start - 1
    for name in sorted(methods, key=lambda m: found[m].lineno):
        method = found[name]
        start, end = _first_line(method), method.end_lineno or method.lineno
        indent = " " * method.col_offset
        shown += [f"{indent}{OMITTED}", ""] if any(line.strip() for line in lines[last : start - 1]) else [""]
        shown += [line for number, line in enumerate(lines[start - 1 : end], start=start) if number not in hidden]
        last = end
    return [*shown, "", f"{indent}{OMITTED}"] if any(line.strip() for line in lines[last:]) else shown


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])
