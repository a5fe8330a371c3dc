"""The benchmark of the content extractors: both sides of each pair do the same, and the record says what was measured.

How fast they are is no test: it depends on the machine. `make bench` measures that.
"""

import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[1]
SMALL = {  # how many inputs; a pair that is not named here reads one file, whatever it is told
    "tf_idf_of_texts": 30,
    "tf_idf_of_tokens": 30,
    "sentences": 3,
    "multilingual": 2,
    "pictures": 5,
    "network_on_pictures": 2,
    "timbre": 2,
    "speech": 4,
    "texts_again": 3,
    "pictures_again": 2,
    "loading_threads": 5,
}


sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package
content, pairs, runner = (importlib.import_module(f"benchmarks.{name}") for name in ("content", "pairs", "__main__"))


def pair_of(work, other, same=np.testing.assert_array_equal, **options):
    ours = pairs.Side("new", "avrec_lib", "", work)
    theirs = other and pairs.Side("old", "peer", "", other)
    return pairs.Pair(ours, theirs, 6, "texts/s", same, **options)


@pytest.mark.parametrize("build", content.PAIRS, ids=lambda build: build.__name__)
def test_ours_and_the_peer_give_the_same_on_a_small_input(build, tmp_path):
    pair = build(tmp_path, SMALL.get(build.__name__, 1))
    if pair is None or pair.theirs is None:
        pytest.skip("the peer is not installed here")
    theirs, ours = pair.theirs.work(), pair.ours.work()
    pair.same(ours, theirs)
    assert pair.amount > 0


def test_a_pair_that_disagrees_is_refused():
    """The comparisons can fail: each is given a result that is a little wrong."""
    for same, right, wrong in (
        (pairs.close(1e-4), np.ones(3), np.full(3, 1.001)),
        (pairs.close(5e-3), np.ones((2, 2)), np.ones((2, 3))),
    ):
        same(right, right)
        with pytest.raises(AssertionError):
            same(wrong, right)
    with pytest.raises(AssertionError):
        pairs.measure(pair_of(lambda: [1], lambda: [2]))


def test_both_sides_are_called_in_turn_and_the_first_round_is_not_counted(monkeypatch):
    calls = []
    clock = iter([9.0, 9.0, 3.0, 2.0, 8.0, 1.0, 6.0, 3.0])  # theirs, ours, theirs, …
    monkeypatch.setattr(pairs, "timed", lambda work: (next(clock), work()))
    work = {name: lambda name=name: calls.append(name) for name in ("ours", "theirs")}
    theirs, mine = pairs.measure(pair_of(work["ours"], work["theirs"], lambda mine, other: None))
    assert calls == ["theirs", "ours"] * 4
    assert (theirs["throughput"], mine["throughput"]) == (1, 3)  # 6 texts in the medians of 3, 8, 6 and 2, 1, 3 s
    assert (theirs["speed_up"], mine["speed_up"]) == (None, 2)  # the median of 3/2, 8/1, 6/3
    assert (theirs["library"], mine["library"], mine["unit"], mine["device"]) == ("peer", "avrec_lib", "texts/s", "cpu")


def test_the_clock_is_that_of_the_wall():
    seconds, result = pairs.timed(lambda: time.sleep(0.02) or "done")
    assert seconds >= 0.02
    assert result == "done"


def test_without_a_peer_our_row_stands_alone():
    (row,) = pairs.measure(pair_of(lambda: time.sleep(0.001), None))
    assert row["library"] == "avrec_lib"
    assert row["speed_up"] is None
    assert row["throughput"] > 0


@pytest.mark.parametrize("before", ["somewhere", None])
def test_the_cache_of_the_features_is_elsewhere_only_inside(before, tmp_path, monkeypatch):
    monkeypatch.delenv("AVREC_CACHE", raising=False)
    if before:
        monkeypatch.setenv("AVREC_CACHE", before)
    with content.features_in(tmp_path):
        assert os.environ["AVREC_CACHE"] == str(tmp_path)
    assert os.environ.get("AVREC_CACHE") == before
    with pytest.raises(KeyError), content.features_in(tmp_path):
        raise KeyError
    assert os.environ.get("AVREC_CACHE") == before


def test_at_most_two_cores_are_used_and_all_come_back():
    threads = torch.get_num_threads()
    with pairs.two_cores():
        assert torch.get_num_threads() == min(2, threads)
        if hasattr(os, "sched_getaffinity"):
            assert len(os.sched_getaffinity(0)) <= 2
    assert torch.get_num_threads() == threads


def test_a_record_names_the_versions_of_what_is_installed_and_the_gpu_only_if_used(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    rows = [{"model": "tf_idf", "library": "avrec_lib", "device": "cpu"}]
    kept = json.loads(runner.record("content", rows, ("numpy", "no-such-package")).read_text("utf-8"))
    assert kept["versions"] == {"python": platform.python_version(), "numpy": np.__version__}
    assert kept["rows"] == rows
    assert kept["command"] == "python -m benchmarks content"
    assert kept["device"].endswith(f"{os.cpu_count()} cores")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    assert runner.hardware([{"device": "cuda"}]).endswith("cores, a card")
    assert not list(tmp_path.glob("*.part"))


def test_a_benchmark_that_is_not_there_is_named(capsys):
    assert runner.main(["speed"]) == 2
    assert "no benchmark is called speed; there are explicit," in capsys.readouterr().err


def test_every_benchmark_has_its_module_and_its_record():
    for name in runner.NAMES:
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()
        record = json.loads((ROOT / "data" / "benchmarks" / f"{name}.json").read_text("utf-8"))
        assert record["command"] == f"python -m benchmarks {name}"
        assert record["rows"]


def test_the_recorded_table_of_content_has_ours_below_the_peer_of_every_pair():
    record = json.loads((ROOT / "data" / "benchmarks" / "content.json").read_text("utf-8"))
    rows = record["rows"]
    assert set(record["versions"]) <= {"python", *content.PACKAGES}
    assert [list(row) for row in rows] == [
        ["model", "library", "settings", "throughput", "unit", "speed_up", "device"]
    ] * len(rows)
    ours = [i for i, row in enumerate(rows) if row["speed_up"] is not None]
    assert len(ours) >= 11  # of 13 pairs; two peers may lack
    for i in ours:
        peer, row = rows[i - 1], rows[i]
        assert row["library"] == "avrec_lib"
        assert (peer["unit"], peer["device"], peer["speed_up"]) == (row["unit"], row["device"], None)
        ratio = row["throughput"] / peer["throughput"]
        assert 1 / 3 < ratio / row["speed_up"] < 3  # not equal: the median of ratios is no ratio of medians
    assert max(len(row["settings"]) for row in rows) <= 50  # a page cuts off what is longer
    assert {row["unit"].split("/")[0] for row in rows} == {"texts", "pictures", "s of sound", "s of film"}


def test_the_benchmark_of_retrieval_finds_all_with_a_flat_index_and_no_less_with_more_effort():
    retrieval = importlib.import_module("benchmarks.retrieval")
    recalls: dict[str, list[float]] = {}
    for row in retrieval.run((2000,), 20):
        recalls.setdefault(row["index"], []).append(row["recall"])
    assert recalls["flat"] == [1]
    for kind in ("ivf", "hnsw"):
        assert len(recalls[kind]) == len(retrieval.EFFORTS[kind])
        assert recalls[kind] == sorted(recalls[kind])
        assert recalls[kind][0] < recalls[kind][-1]  # some effort was lacking
