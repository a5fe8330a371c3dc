"""The example bank of the docstring of `avrec_lib.exercises.bank`, as a module and as a file.

Every test of the banks runs on it too, so these tests say something even where no page has exercises yet.
"""

import atexit
import inspect
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from avrec_lib.exercises import bank, engine


def example_source() -> str:
    """The Python code of the first indented block of the docstring."""
    text = inspect.getdoc(bank) or ""
    block = text.split("A complete one::\n", 1)[1].split("\nOn the page stand", 1)[0]
    return textwrap.dedent(block).strip() + "\n"


def load(path: Path) -> ModuleType:
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
    return module


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument `task` runs for every exercise of every bank, and for those of the example."""
    if "task" not in metafunc.fixturenames:
        return
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "example.py").write_text(example_source(), encoding="utf-8")
    modules = [load(folder / "example.py"), *map(bank.load, bank.names())]
    found = [(module.__name__.rsplit(".", 1)[-1], task) for module in modules for task in module.EXERCISES]
    metafunc.parametrize("task", [task for _, task in found], ids=[f"{name}-{task.id}" for name, task in found])


@pytest.fixture(scope="session")
def bank_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one bank, p6_2_1.py."""
    folder = tmp_path_factory.mktemp("bank")
    (folder / "p6_2_1.py").write_text(example_source(), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def example(bank_folder: Path) -> ModuleType:
    return load(bank_folder / "p6_2_1.py")


@pytest.fixture
def only_example(bank_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`exercise` and `quiz` find the example bank and no other."""
    monkeypatch.setattr(bank, "__path__", [str(bank_folder)])
    monkeypatch.setattr(engine, "_ATTEMPTS", {})
    monkeypatch.delitem(sys.modules, "avrec_lib.exercises.bank.p6_2_1", raising=False)
    yield
    sys.modules.pop("avrec_lib.exercises.bank.p6_2_1", None)


@pytest.fixture
def new_exercise() -> Any:
    """Make a small exercise, `double`, with some fields changed."""

    def double(x):
        return 2 * x

    def check(answer):
        if answer(3) == 9:
            raise engine.Wrong("that is the square")
        if answer(3) != 6:
            raise engine.Wrong("twice 3 is 6")

    def make(**changes: Any) -> engine.Exercise:
        fields = {
            "id": "double",
            "title": "Twice as much",
            "difficulty": 1,
            "minutes": 2,
            "prompt": "Write `double(x)`.",
            "starter": "def double(x):\n    ...",
            "hints": ("Multiply.", "By 2."),
            "solution": double,
            "check": check,
            "wrong": ((lambda x: x * x, "square"),),
        }
        return engine.Exercise(**{**fields, **changes})

    return make
