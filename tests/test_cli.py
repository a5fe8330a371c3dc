"""The `avrec` command."""

import subprocess
import sys

import pytest

from avrec_lib import __version__, cli, doctor
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


def test_fetch_without_a_name_takes_all(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "fetch", lambda name: tmp_path / name)
    assert cli.main(["fetch"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(list(assets.names()))


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
