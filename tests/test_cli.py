"""The `avrec` command."""

import subprocess
import sys

import pytest

from avrec_lib import __version__, cli, doctor
from avrec_lib.content import language_weights
from avrec_lib.content.errors import MediaError
from avrec_lib.data import assets


def test_version_is_the_package_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"avrec {__version__}\n"


def test_help_of_every_command_shows_an_example(capsys):
    for command in ("doctor", "fetch"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        assert "Example: avrec " in capsys.readouterr().out


def test_no_command_is_a_usage_error():
    with pytest.raises(SystemExit) as stop:
        cli.main([])
    assert stop.value.code == 2


def test_doctor_on_this_machine_says_it_is_able(capsys):
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "This machine can build and run the book." in out
    assert "torch" in out


def test_doctor_names_what_is_needed_and_its_remedy(capsys, monkeypatch):
    lacking = doctor.Finding("numpy", False, "not installed", "make book")
    monkeypatch.setattr(doctor, "report", lambda: [lacking])
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "missing  numpy" in out
    assert "→ make book" in out
    assert "Not able yet: numpy." in out


def test_fetch_prints_where_the_file_is(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "fetch", lambda name: tmp_path / name)
    assert cli.main(["fetch", "movielens-100k"]) == 0
    assert capsys.readouterr().out == f"movielens-100k: {tmp_path / 'movielens-100k'}\n"


@pytest.fixture
def fetched(monkeypatch, tmp_path):
    """Names of what was fetched, and "unpacked"; nothing is really fetched."""
    done = []
    monkeypatch.setattr(assets, "fetch", lambda name: done.append(name) or tmp_path / name)
    monkeypatch.setattr(language_weights, "unpacked", lambda: done.append("unpacked") or tmp_path / "unpacked")
    return done


def test_fetch_without_a_name_takes_all_and_unpacks_the_language_model_last(capsys, fetched, tmp_path):
    assert cli.main(["fetch"]) == 0
    assert fetched == [*assets.names(), "unpacked"]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(fetched)
    assert lines[-1] == f"smollm2-135m, unpacked: {tmp_path / 'unpacked'}"


def test_only_with_the_language_model_is_it_unpacked(fetched):
    assert cli.main(["fetch", "movielens-100k"]) == 0
    assert cli.main(["fetch", "smollm2-135m"]) == 0
    assert fetched == ["movielens-100k", "smollm2-135m", "unpacked"]


def test_without_the_extra_content_the_language_model_stays_packed(fetched, monkeypatch):
    monkeypatch.setattr(cli, "find_spec", lambda package: None if package == "gguf" else object())
    assert cli.main(["fetch", "smollm2-135m"]) == 0
    assert fetched == ["smollm2-135m"]


def test_a_model_that_cannot_be_unpacked_is_one_line_with_the_remedy_after_all_else_was_fetched(
    capsys, fetched, monkeypatch
):
    def full():
        raise MediaError("the cache", "cannot take the unpacked model (no space); set AVREC_CACHE to another folder.")

    monkeypatch.setattr(language_weights, "unpacked", full)
    assert cli.main(["fetch"]) == 1
    assert fetched == assets.names()
    error = capsys.readouterr().err
    assert error == (
        "avrec fetch: the cache cannot take the unpacked model (no space); set AVREC_CACHE to another folder.\n"
    )


def test_a_model_that_is_unpacked_already_costs_no_import_of_what_unpacks_it(monkeypatch, tmp_path):
    folder = tmp_path / "smollm2-135m" / "unpacked"
    folder.mkdir(parents=True)
    (folder / "a").touch()
    (folder / language_weights.RECORD).write_text('{"a": 0}')
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path))
    code = (
        "import sys; from avrec_lib import cli; from avrec_lib.data import assets; assets.fetch = lambda name: name; "
        "print(cli.main(['fetch', 'smollm2-135m']), {'torch', 'transformers', 'gguf'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["smollm2-135m: smollm2-135m", f"smollm2-135m, unpacked: {folder}", "0 set()"]


def test_fetch_of_an_unknown_name_is_one_line_that_lists_the_known_ones(capsys):
    assert cli.main(["fetch", "movielens-100"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("avrec fetch: ")
    assert "movielens-100k" in error
    assert error.count("\n") == 1


def test_an_interrupted_fetch_says_it_can_go_on(capsys, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(assets, "fetch", interrupted)
    assert cli.main(["fetch", "movielens-100k"]) == 130
    assert "run it again" in capsys.readouterr().err


def test_importing_the_package_imports_nothing_heavy():
    heavy = "torch", "tensorflow", "transformers", "librosa", "pyspark", "pandas", "matplotlib"
    code = f"import sys, avrec_lib, avrec_lib.cli; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
