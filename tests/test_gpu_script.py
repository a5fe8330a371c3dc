"""The script for a GPU machine, at its smallest on the CPU, and the profile: what they write can be read."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

from avrec_lib.multimodal.config import ArticleConfig
from avrec_lib.multimodal.gpu_runs import FIELDS, FOLDER, gpu_runs, read_run
from avrec_lib.multimodal.speed import COLUMNS

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks is no part of the installed package
gpu, profile = (importlib.import_module(f"benchmarks.{name}") for name in ("gpu", "profile"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    assert gpu.main(["--out", str(folder), "--toy"]) == 0
    (path,) = folder.iterdir()  # one file, and nothing half-written
    return path


def test_a_run_writes_one_json_with_all_its_fields(recorded):
    told = read_run(recorded)
    assert set(told) == set(FIELDS)
    assert recorded.name.endswith("-toy.json")
    assert told["toy"] is True
    assert told["command"] == f"python -m benchmarks.gpu --out {recorded.parent} --toy"
    assert {"name", "kind", "memory", "driver", "processor", "cores"} == set(told["device"])
    assert {"python", "torch", "cuda"} <= set(told["versions"])
    assert told["date"].endswith("+00:00")
    assert told["seconds"] > 0


def test_its_curve_has_a_row_for_each_batch_and_work(recorded):
    told = read_run(recorded)
    cut = {entry["what"] for entry in told["skipped"] if entry["part"] == "curve"}  # a busy machine may skip
    wanted = [(clips, work) for clips in (8, 16) for work in ("training", "inference")]
    rows = [(row["clips"], row["work"]) for row in told["curve"]]
    assert rows == [pair for pair in wanted if f"small, {pair[0]} clips" not in cut]
    for row in told["curve"] + told["precisions"]:
        assert list(row) == ["size", *COLUMNS]
        assert row["clips_per_second"] > 0


def test_it_trains_on_the_clips_and_judges_the_model(recorded):
    training = read_run(recorded)["training"]
    assert set(training["tests"]) == {"seen clips", "new clips"}
    assert 0 < training["tests"]["seen clips"]["AUC"] < 1
    assert 1 <= len(training["history"]) == training["settings"]["epochs"] <= training["epochs_wanted"]


def test_what_does_not_fit_or_fails_is_noted_and_the_rest_goes_on():
    skipped = []
    clock = gpu.Clock("curve", 100, skipped)

    def too_large():
        raise torch.OutOfMemoryError("out of memory\nTried to allocate")

    assert clock.try_to("works", lambda: 3) == 3
    assert clock.try_to("large, 1024 clips", too_large) is None
    assert clock.try_to("long", lambda: 3, needs=200) is None
    assert gpu.Clock("training", 0, skipped).try_to("late", lambda: 3) is None
    assert [entry["what"] for entry in skipped] == ["large, 1024 clips", "long", "late"]
    assert skipped[0]["reason"] == "OutOfMemoryError: out of memory"
    assert skipped[1]["reason"].startswith("no time: 100 s")


def test_json_gets_null_for_what_is_no_number():
    told = gpu._plain({"a": float("nan"), "b": [torch.tensor(2).numpy(), float("inf")], "c": None})
    assert told == {"a": None, "b": [2, None], "c": None}
    assert json.dumps(told, allow_nan=False)


def test_without_a_gpu_the_whole_run_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(gpu, "device", lambda: torch.device("cpu"))
    assert gpu.main(["--out", str(tmp_path)]) == 1
    assert "there is no GPU that PyTorch can use" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_runs_are_read_in_order_without_trials(recorded, tmp_path):
    assert gpu_runs(tmp_path) == []
    told = json.loads(recorded.read_text("utf-8"))
    for name, date, toy, kind in (
        ("b", "2026-02-01", False, "cuda"),
        ("a", "2026-03-01", False, "cuda"),
        ("c", "2026-01-01", True, "cuda"),
        ("d", "2026-01-01", False, "cpu"),
    ):
        run = told | {"date": date, "toy": toy, "device": told["device"] | {"kind": kind}}
        (tmp_path / f"{name}.json").write_text(json.dumps(run), "utf-8")
    assert [run["date"] for run in gpu_runs(tmp_path)] == ["2026-02-01", "2026-03-01"]
    for text, match in (("{", "is damaged"), ("[]", "is no record"), ('{"format": "x"}', "is no record")):
        (tmp_path / "e.json").write_text(text, "utf-8")
        with pytest.raises(ValueError, match=match):
            gpu_runs(tmp_path)


def test_the_books_folder_can_be_read_and_is_explained():
    assert all(run["device"]["kind"] == "cuda" for run in gpu_runs())
    assert "python -m benchmarks.gpu --out data/gpu_runs/" in (FOLDER / "README.md").read_text("utf-8")


def test_the_profile_shares_a_step_out_and_names_eight_operators(monkeypatch):
    monkeypatch.setattr(profile, "keep_freed_memory", lambda: False)  # it would last for the whole process
    tiny = ArticleConfig(
        vocabulary=12, tokens=5, embedding=3, lstm=4, picture=8, channels=(2, 3), frames=6, coefficients=2, dense=5
    )
    monkeypatch.setattr(profile, "ArticleConfig", lambda: tiny)
    monkeypatch.setattr(profile, "WORKERS", (0,))
    rows = profile.run(steps=2, n_clips=16, n_mapped=400, n_viewers=30)
    columns = ["model", "settings", "kind", "name", "share", "device", "threads"]
    assert [list(row) for row in rows] == [columns] * len(rows)
    for told in {row["settings"] for row in rows}:
        of = [row for row in rows if row["settings"] == told]
        shares = [row["share"] for row in of if row["kind"] == "part"]
        assert len(shares) == 5
        assert sum(shares) == pytest.approx(1, abs=0.001)
        top = [row["share"] for row in of if row["kind"] == "operator"]
        assert len(top) == profile.TOP
        assert top == sorted(top, reverse=True)
        waits = [row["share"] for row in of if row["kind"] == "waiting"]
        assert len(waits) == (of[0]["model"] == "full")
        assert all(0 <= wait <= 1 for wait in waits)
