"""Cached outputs are keyed on the page, avrec_lib, data/ and the pins: no page shows an output older than its code."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import freshness
import pytest
import reach

MODULES = {
    "avrec_lib": "",
    "avrec_lib.data": "from avrec_lib.data.table import Table",
    "avrec_lib.data.table": "import numpy",
    "avrec_lib.models": "",
    "avrec_lib.models.base": "from ..data import Table",
    "avrec_lib.models.knn": "from . import base\ndef fit():\n    import avrec_lib.models.speed\n",
    "avrec_lib.models.speed": "",
    "avrec_lib.lazy": "import importlib\nimportlib.import_module('avrec_lib.' + name)",
    "avrec_lib.exercises": "from avrec_lib.exercises.engine import exercise",
    "avrec_lib.exercises.engine": "import importlib\nimportlib.import_module(f'{__package__}.bank.x')",
    "avrec_lib.exercises.bank.p6": 'Exercise(id="observed-loss")',
    "avrec_lib.exercises.bank.p7": "from avrec_lib.models import speed\nExercise(id='seven')",
}
DATA = {"avrec_lib", "avrec_lib.data", "avrec_lib.data.table"}
EXERCISES = {"avrec_lib", "avrec_lib.exercises", "avrec_lib.exercises.engine"}


def seen(code: str) -> set[str]:
    return reach.seen_by(code, MODULES)


def test_a_page_without_imports_sees_nothing():
    assert seen("print(1)") == set()


def test_a_page_sees_what_its_imports_import():
    assert seen("from avrec_lib.data import Table") == DATA


def test_relative_imports_and_imports_inside_functions_count():
    models = {f"avrec_lib.models{name}" for name in ("", ".base", ".knn", ".speed")}
    assert seen("import avrec_lib.models.knn") == DATA | models


def test_an_imported_module_is_seen_however_it_is_named():
    for code in (
        "from avrec_lib.models import speed",
        "import avrec_lib.models.speed as s",
        "def f():\n    import avrec_lib.models.speed",
    ):
        assert seen(code) == {"avrec_lib", "avrec_lib.models", "avrec_lib.models.speed"}


def test_an_exercise_brings_in_its_own_bank_only():
    code = "from avrec_lib.exercises import exercise\nexercise('observed-loss').check(x)"
    assert seen(code) == EXERCISES | {"avrec_lib.exercises.bank.p6"}


def test_an_exercise_whose_bank_cannot_be_told_brings_in_all_banks():
    for code in ("exercise\nfor name in names: exercise(name)", "exercise as ask\nask('seven')"):
        page = f"from avrec_lib.exercises import {code}"
        assert {"avrec_lib.exercises.bank.p6", "avrec_lib.exercises.bank.p7", "avrec_lib.models.speed"} <= seen(page)


@pytest.mark.parametrize(
    "code",
    [
        "get_ipython().system('avrec doctor')",
        "import subprocess\nsubprocess.run(x)",
        "import avrec_lib.lazy",
        "eval(x)",
    ],
)
def test_what_cannot_be_told_by_reading_sees_everything(code):
    assert seen(code) == set(MODULES)


def test_evaluate_is_not_eval():
    assert seen("evaluate(model, split)") == set()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A library of two modules that don't know each other, a data file and a pin."""
    (tmp_path / "avrec_lib").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "avrec_lib" / "__init__.py").write_text("")
    (tmp_path / "avrec_lib" / "alpha.py").write_text("def f():\n    return 1\n")
    (tmp_path / "avrec_lib" / "beta.py").write_text("def g():\n    return 1\n")
    (tmp_path / "avrec_lib" / "table.json").write_text("1")
    (tmp_path / "data" / "ratings.csv").write_text("1")
    (tmp_path / "constraints.txt").write_text("numpy==2.0\n")
    return tmp_path


@pytest.fixture
def fingerprint(project: Path, compose: Callable[..., str]) -> Callable[..., str]:
    """Fingerprint of a page with one cell, in the project as it now is."""

    def take(code: str = "from avrec_lib import alpha", prose: str = "") -> str:
        return freshness.fingerprint(compose(code, prose=prose), freshness.read_library(project))

    return take


def test_fingerprint_stays_while_nothing_changes(fingerprint):
    assert fingerprint() == fingerprint()


def test_prose_does_not_change_the_fingerprint(fingerprint):
    assert fingerprint(prose="one") == fingerprint(prose="two")


def test_code_changes_the_fingerprint(fingerprint):
    assert fingerprint() != fingerprint("from avrec_lib import alpha as a")


@pytest.mark.parametrize(
    "name", ["avrec_lib/alpha.py", "avrec_lib/__init__.py", "avrec_lib/table.json", "data/ratings.csv"]
)
def test_what_the_page_can_see_changes_the_fingerprint(project, fingerprint, name):
    before = fingerprint()
    (project / name).write_text("changed = 1\n")
    assert fingerprint() != before


@pytest.mark.parametrize(
    "name",
    ["avrec_lib/beta.py", "avrec_lib/new.py", "avrec_lib/__pycache__/alpha.pyc", "data/.DS_Store", "data/cards/a.md"],
)
def test_what_the_page_cannot_see_does_not(project, fingerprint, name):
    before = fingerprint()
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("changed = 1\n")
    assert fingerprint() == before


def test_a_new_data_file_changes_the_fingerprint(project, fingerprint):
    before = fingerprint()
    (project / "data" / "more.csv").write_text("")
    assert fingerprint() != before


def test_the_installed_version_of_a_pin_changes_the_fingerprint(fingerprint, monkeypatch):
    before = fingerprint()
    monkeypatch.setattr(freshness.importlib.metadata, "distributions", lambda name: [])
    assert fingerprint() != before


def test_the_chosen_size_changes_the_fingerprint(fingerprint, monkeypatch):
    before = fingerprint()
    monkeypatch.setenv("AVREC_SIZE", "full")
    assert fingerprint() != before


def test_a_page_that_is_not_python_has_a_fingerprint(fingerprint):
    assert fingerprint("for") != fingerprint("while")


def test_magics_are_read_as_python(project, fingerprint):
    before = fingerprint("%matplotlib inline\nfrom avrec_lib import alpha")
    (project / "avrec_lib" / "beta.py").write_text("changed = 1\n")
    assert fingerprint("%matplotlib inline\nfrom avrec_lib import alpha") != before  # a magic may run anything


def test_pages_stay_stale_until_they_are_written(project, compose):
    """A build interrupted after reading a changed page, before writing it, must not leave the old page for good."""
    (project / "chapters").mkdir()
    (project / "chapters" / "index.md").write_text(compose("from avrec_lib import alpha"), "utf-8")
    environment = SimpleNamespace(found_docs={"index"}, doc2path=lambda page: project / "chapters" / f"{page}.md")
    builder = SimpleNamespace(name="html")
    app = SimpleNamespace(srcdir=project / "chapters", outdir=project / "html", builder=builder, env=environment)
    assert freshness.find_stale_pages(app, environment) == ["index"]
    freshness.remember(app, RuntimeError("the build stopped"))
    assert freshness.find_stale_pages(app, environment) == ["index"]
    freshness.remember(app, None)
    assert freshness.find_stale_pages(app, environment) == []
    (project / "avrec_lib" / "alpha.py").write_text("changed = 1\n")
    assert freshness.find_stale_pages(app, environment) == ["index"]


def executed(result) -> set[str]:
    assert result.returncode == 0, result.stdout + result.stderr
    return set(re.findall(r"(\w+)\.md: Executed notebook", result.stdout + result.stderr))


def test_editing_a_function_executes_again_the_pages_that_can_see_it(small_book, compose):
    """Must hold 3: the page that calls the function shows its new value; the other page is left alone."""
    root, build = small_book
    (root / "avrec_lib" / "alpha.py").write_text("from avrec_lib.deep import one\ndef f():\n    return one() + 1\n")
    (root / "avrec_lib" / "deep.py").write_text("def one():\n    return 1\n")
    pages = {
        "index": compose("from avrec_lib.alpha import f\nprint('f is', f())"),
        "other": compose("print('nothing of the library')"),
    }
    html = root / "_build" / "html" / "index.html"
    assert executed(build(pages)) == {"index", "other"}
    assert "f is 2" in html.read_text("utf-8")
    (root / "avrec_lib" / "deep.py").write_text("def one():\n    return 41\n")
    assert executed(build(pages)) == {"index"}
    assert "f is 42" in html.read_text("utf-8")
    (root / "avrec_lib" / "deep.py").write_text("def one():\n    return 1\n")
    assert executed(build(pages)) == set()  # that state of the code has been executed before
    assert "f is 2" in html.read_text("utf-8")
