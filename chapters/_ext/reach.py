"""What a page's code can see of the library, told from reading its imports, without running anything."""

import ast
import functools
import re

PACKAGE = "avrec_lib"
EXERCISES = f"{PACKAGE}.exercises"
RUNS_ANYTHING = re.compile(r"(get_ipython|subprocess|os\.system|importlib|runpy|__import__|exec|eval)\b")


@functools.cache
def imported(source: str, package: str) -> frozenset[str]:
    """Dotted names that a source imports anywhere in it, and their parents; `package` resolves relative imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            names.update([base, *(f"{base}.{alias.name}" for alias in node.names)])
    return frozenset(".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2))


def banks_called(tree: ast.AST, modules: dict[str, str]) -> set[str]:
    """Exercise banks a page draws on: `exercise("id")` finds its bank at run time, so no import names it."""
    banks = {name for name in modules if name.startswith(f"{EXERCISES}.bank.")}
    found: set[str] = set()
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] in {"exercise", "quiz"}:
            ids = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            found |= {b for b in banks if any(f'"{i}"' in modules[b] or f"'{i}'" in modules[b] for i in ids)} or banks
    return found or banks


def seen_by(code: str, modules: dict[str, str]) -> set[str]:
    """Modules that a page's code can see; all of them where that can't be told from reading it."""
    tree = ast.parse(code)
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if any(RUNS_ANYTHING.match(call) for call in calls):
        return set(modules)
    seen, waiting = set(), set(imported(code, "") & modules.keys())
    if EXERCISES in waiting:
        waiting |= banks_called(tree, modules)
    while waiting:
        seen.add(name := waiting.pop())
        if "import_module(" in modules[name] and not name.startswith(EXERCISES):
            return set(modules)
        is_package = any(other.startswith(f"{name}.") for other in modules)
        waiting |= (imported(modules[name], name if is_package else name.rpartition(".")[0]) & modules.keys()) - seen
    return seen
