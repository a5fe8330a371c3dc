"""The benchmark of serving: what it measures is a list. How fast it is, is no test."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is no part of the installed package
pytest.importorskip("faiss", reason="a service searches with FAISS, an extra: avrec-lib[project]")
serving = importlib.import_module("benchmarks.serving")


def test_every_kind_is_measured_with_and_without_reasons_and_flat_finds_all():
    rows = serving.run((2000,), (8, 33), most=30)
    assert [(row["D"], row["index"], row["reasons"]) for row in rows] == [
        (D, kind, reasons) for D in (8, 33) for kind in ("flat", "ivf", "hnsw") for reasons in (False, True)
    ]
    assert all(0 < row["p50_ms"] <= row["p99_ms"] for row in rows)
    assert {row["requests"] for row in rows} == {30}
    assert [row["recall"] for row in rows if row["index"] == "flat"] == [1] * 4
    assert all(0.5 < row["recall"] <= 1 for row in rows)


def test_a_large_graph_and_what_does_not_fit_into_memory_are_left_out(monkeypatch):
    monkeypatch.setattr(serving, "LARGEST_GRAPH", 1000)
    assert {row["index"] for row in serving.run((2000,), (8,), most=2)} == {"flat", "ivf"}
    monkeypatch.setattr(serving, "fits", lambda n, D: D < 9)
    assert {row["D"] for row in serving.run((500,), (8, 33), most=2)} == {8}
    monkeypatch.undo()
    assert serving.fits(1000, 8)
    assert not serving.fits(10**12, 33)


def test_every_request_is_of_another_viewer_and_ends_when_the_time_is_up(monkeypatch):
    monkeypatch.setattr(serving, "SECONDS", 0.0)
    monkeypatch.setattr(serving, "N_LEAST", 7)
    service, _ = serving.build(serving.tables_of(300, 8, m=5), "flat")
    lists, times = serving.measure(service, reasons=True)
    assert lists.shape == (7, serving.K)
    assert len(times) == 7
    assert len(np.unique(lists[:5], axis=0)) == 5
    np.testing.assert_array_equal(lists[:2], lists[5:])
