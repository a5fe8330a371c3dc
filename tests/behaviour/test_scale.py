"""The benchmark of the feature query: one question to all engines, and rows that say what was measured."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from avrec_lib.behaviour.features import USER_FEATURES

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is no part of the installed package
pytest.importorskip("polars")
pytest.importorskip("psutil")
behaviour = importlib.import_module("benchmarks.behaviour")


def test_every_engine_answers_the_same(tmp_path):
    path = behaviour.write_synthetic_events(tmp_path / "events.parquet", 5000)
    tables = {engine: behaviour.query(engine, path) for engine in ("DuckDB", "Polars", "pandas")}
    assert tables["DuckDB"].columns.tolist() == ["user_id", *USER_FEATURES]
    for table in tables.values():
        behaviour.same(table, tables["DuckDB"])
    with pytest.raises(AssertionError):
        behaviour.same(tables["pandas"].assign(n_clicks=0), tables["DuckDB"])


def test_a_row_says_what_was_measured(monkeypatch):
    monkeypatch.setattr(behaviour, "ENGINES", {"DuckDB": ("avrec_lib", "Ibis", 1000), "pandas": ("pandas", "", 10)})
    rows = behaviour.run((1000,))
    assert [row["model"] for row in rows] == ["DuckDB"]  # pandas is not given that many
    assert rows[0]["events"] == 1000
    assert rows[0]["seconds"] > 0
    assert 50 < rows[0]["peak_mib"] < 4096
    assert rows[0]["throughput"] == pytest.approx(1000 / rows[0]["seconds"], rel=0.05)
    assert rows[0]["cpu_seconds"] > 0
    assert list(rows[0]) == [
        "model", "library", "settings", "events", "seconds", "cpu_seconds", "throughput", "unit", "peak_mib"
    ]  # fmt: skip


def test_memory_that_was_given_back_is_counted():
    with behaviour.peak_memory(0.001) as peak:
        block = bytearray(200 * 2**20)
        block[::4096] = b"x" * len(block[::4096])
        behaviour.time.sleep(0.05)
        del block
    assert peak[0] > 200 * 2**20


def test_a_measurement_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)DuckDB failed on 10 events.*nothing"):
        behaviour.measure("DuckDB", tmp_path / "nothing.parquet", 10, tmp_path)


def test_pandas_is_left_out_where_its_memory_is_not_there(monkeypatch):
    monkeypatch.setattr(behaviour, "ENGINES", {"DuckDB": ("avrec_lib", "Ibis", 1000), "pandas": ("pandas", "", 1000)})
    monkeypatch.setattr(behaviour, "PANDAS_BYTES", 2**60)
    assert not behaviour.fits(1000)
    assert [row["model"] for row in behaviour.run((1000,))] == ["DuckDB"]


def test_the_recorded_run_has_all_sizes_and_duckdb_stays_within_a_minute_and_four_gib():
    """The promise of the book: features of ten million events on two cores, without a cluster."""
    path = Path(__file__).parents[2] / "data" / "benchmarks" / "behaviour.json"
    record = json.loads(path.read_text("utf-8"))
    assert set(record["versions"]) <= {"python", *behaviour.PACKAGES}
    rows = {(row["model"], row["events"]): row for row in record["rows"]}
    assert len(rows) == len(record["rows"])
    assert {events for _, events in rows} == set(behaviour.SIZES)
    assert {model for model, _ in rows} == set(behaviour.ENGINES)
    largest = rows["DuckDB", 10_000_000]
    assert largest["seconds"] < 60
    assert largest["peak_mib"] < 4096
