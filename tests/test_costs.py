"""The benchmark of costs: the made-up tables, one measurement, when a model stops, and what a full record promises.

How long a fit takes is no test: it depends on the machine. `python -m benchmarks costs` measures that.
"""

import importlib
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package
costs = importlib.import_module("benchmarks.costs")
FILE = ROOT / "data" / "benchmarks" / "costs.json"
Size = costs.Size


@pytest.fixture(scope="module")
def table():
    return costs.made_up(3000, 100, 200)


def test_a_made_up_table_has_as_many_different_pairs_as_was_asked_for_in_the_order_of_time(table):
    assert (len(table), table.n_users, table.n_items) == (3000, 100, 200)
    assert table.matrix().nnz == 3000  # which refuses a pair that comes twice
    assert (np.diff(table.timestamps) >= 0).all()


def test_the_same_seed_makes_the_same_table_and_another_seed_another(table):
    again, other = costs.made_up(3000, 100, 200), costs.made_up(3000, 100, 200, seed=1)
    assert np.array_equal(again.items, table.items)
    assert not np.array_equal(other.items, table.items)


def test_a_user_meets_the_own_group_more_often_and_the_first_items_are_the_popular_ones(table):
    own = (table.users % 10 == table.items % 10).mean()
    assert own > 0.3  # a tenth if nobody had a taste
    counts = np.bincount(table.items, minlength=200)
    assert counts[:50].sum() > 2 * counts[-50:].sum()


def test_a_table_that_would_be_nearly_full_is_refused():
    with pytest.raises(ValueError, match="more than a third of 10 × 10 pairs"):
        costs.made_up(34, 10, 10)


def test_every_point_of_the_sweeps_can_be_made_and_the_largest_has_ten_million_rows():
    assert all(3 * size.rows <= size.users * size.items for size in costs.SIZES)
    assert max(size.rows for size in costs.SIZES) == 10_000_000
    for sweep, axis in costs.AXIS.items():
        along = [getattr(size, axis) for size in costs.SIZES if size.sweep == sweep]
        assert along == sorted(set(along))
        assert len(along) >= 5


def test_every_model_has_its_theory():
    assert set(costs.models()) <= set(costs.THEORY)
    assert "Spark ALS" in costs.THEORY


def test_theory_counts_what_it_says():
    """Four users with two rows each, on eight items with one row each."""
    n_u, n_i = np.full(4, 2.0), np.ones(8)
    count = {name: work(n_u, n_i) for name, (_, work) in costs.THEORY.items()}
    assert count["Popularity"] == 8
    assert count["MarkovChain"] == 8 * 3
    assert count["ItemKNN"] == 4 * 4 + 10 * 64
    assert count["UserKNN"] == 8 * 1 + 10 * 16
    assert count["EASE"] == 4 * 4 + 512
    f, its = costs.FACTORS, costs.ITERATIONS
    assert count["ImplicitALS"] == count["AlternatingLeastSquares"] == its * 4 * (4 * 8 * f + 12 * f**2)
    assert count["Spark ALS"] == its * (8 * f**2 + 12 * f**3 / 6)


@pytest.mark.parametrize("name", ["Popularity", "PureSVD", "ImplicitALS", "AlternatingLeastSquares", "FPMC", "GRU4Rec"])
def test_a_measurement_tells_time_memory_and_theory(name, table):
    begun = []
    row = costs.measure(name, table, lambda: begun.append(True))
    assert begun == [True]
    assert set(row) == {"fit_seconds", "fit_wall", "fit_mib", "table_mib", "score_ms", "work"}
    assert all(math.isfinite(value) and value >= 0 for value in row.values())
    assert row["fit_seconds"] > 0
    assert row["table_mib"] * 2**20 == pytest.approx(3000 * (4 + 4 + 4 + 8) + 100 * 8 + 200 * 12, rel=1e-3)


def test_a_peak_of_memory_is_seen_though_it_is_over():
    before = costs.resident([psutil.Process()])
    with costs.Peak() as peak:
        np.ones(2**25).sum()  # 256 MiB
    assert 240 < peak.mib < 400
    assert costs.resident([psutil.Process()]) < before + 2**27


@pytest.fixture
def folder(tmp_path):
    return costs.table_in(tmp_path, Size("users", 3000, 100, 200))


def test_a_process_of_its_own_measures_and_does_not_outlive_its_answer(folder):
    size = Size("users", 3000, 100, 200)
    mine = {child.pid for child in psutil.Process().children(recursive=True)}
    with costs.environment():
        assert costs.ask("Popularity", folder, size)["work"] == 3000
    new = [child for child in psutil.Process().children(recursive=True) if child.pid not in mine]
    assert not any("benchmarks" in " ".join(child.cmdline()) for child in new)


def test_a_process_that_takes_too_long_or_too_much_is_ended_and_the_row_says_so(folder):
    size = Size("users", 3000, 100, 200)
    with costs.environment():
        assert costs.ask("SASRec", folder, size, longest=0) == {"stopped": "ended after 0 s"}
        assert costs.ask("Popularity", folder, size, most=1) == {"stopped": "ended at 0 GiB"}
        assert costs.ask("Popularity", folder / "nowhere", size)["stopped"].startswith("failed: ")


def test_the_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with costs.environment():
        assert os.environ["OMP_NUM_THREADS"] == "1"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def curve(*points):
    return [{"users": n, "fit_seconds": seconds, "fit_mib": mib} for n, seconds, mib in points]


def test_the_next_cost_is_expected_along_the_last_two():
    points = curve((1, 99, 1), (10, 1, 1), (100, 100, 2))
    assert costs.expected(points, 1000, "users", "fit_seconds") == pytest.approx(10_000)
    assert costs.expected(points[:1], 1000, "users", "fit_seconds") == 0
    assert costs.expected(curve((1, 5, 0), (10, 4, 0)), 100, "users", "fit_seconds") == 4  # never less than the last
    assert costs.expected(curve((1, 5, 0), (10, 4, 0)), 100, "users", "fit_mib") == 0


def test_a_model_stops_by_expected_time_by_expected_memory_or_because_it_has_stopped():
    size = Size("users", 20_000, 1000, 2000)
    assert costs.refusal("EASE", curve((10, 0.1, 1), (100, 1, 1)), size) == ""
    assert costs.refusal("EASE", curve((10, 1, 1), (100, 30, 1)), size) == "left out: about 900 s expected"
    wide = curve((10, 1, 512), (100, 1, 5120))
    assert costs.refusal("EASE", wide, size) == "left out: about 50 GiB expected"
    assert costs.refusal("EASE", [{"stopped": "ended after 25 s"}], size) == "stopped before"
    assert costs.refusal("Spark ALS", curve((10, 10, 1), (100, 30, 1)), size) == ""  # 90 s: Java may take longer


def test_a_run_stops_a_curve_once_and_does_not_measure_again_what_is_kept(tmp_path, monkeypatch):
    asked = []

    def answer(name, folder, size):
        asked.append((name, size.users))
        found = {"fit_seconds": 1.0, "fit_mib": 1.0}
        return {"stopped": "ended after 25 s"} if name == "UserKNN" and size.users == 200 else found

    monkeypatch.setattr(costs, "ask", answer)
    monkeypatch.setattr(costs, "folder_of_results", lambda: tmp_path)
    monkeypatch.setattr(costs, "SIZES", [Size("users", 2000, users, 90) for users in (100, 200, 400)])
    rows = costs.run(["UserKNN", "EASE"], ("users",))
    assert [(row["model"], row["users"], "stopped" in row) for row in rows] == [
        ("UserKNN", 100, False),
        ("UserKNN", 200, True),
        ("EASE", 100, False),
        ("EASE", 200, False),
        ("EASE", 400, False),
    ]
    assert len(asked) == 5
    assert costs.run(["UserKNN", "EASE"], ("users",)) == rows
    assert costs.run(["EASE"], ("users",), measured_only=True) == rows[2:]
    assert costs.run(["Popularity"], ("users",), measured_only=True) == []
    assert costs.run(["EASE"], ("users",), most=0) == []
    assert len(asked) == 5


def test_a_failure_is_told_and_not_kept(tmp_path, capsys):
    costs.keep(tmp_path / "users-1-EASE.json", {"stopped": "failed: no room"})
    assert capsys.readouterr().err == "users-1-EASE failed: no room\n"
    costs.keep(tmp_path / "users-2-EASE.json", {"stopped": "ended after 25 s"})
    assert [file.name for file in tmp_path.iterdir()] == ["users-2-EASE.json"]


def test_peers_are_measured_against_interactions_only():
    one, other = Size("users", 2000, 100, 200), Size("interactions", 30_000, 300, 1732)
    assert not costs.is_measured("AlternatingLeastSquares", one)
    assert costs.is_measured("AlternatingLeastSquares", other)
    assert not costs.is_measured("Spark ALS", other)
    assert costs.is_measured("EASE", one)


def test_without_java_spark_is_left_out_and_the_reason_is_one_sentence(monkeypatch):
    monkeypatch.setattr(costs.shutil, "which", lambda name: None)
    assert costs.no_spark() == "it needs Java 17 or 21, and none was found on the PATH; install one."
    assert "Spark ALS" not in costs.models()


def test_exponents_and_reach_of_rows_made_by_hand():
    """Seconds grow with the square of the rows, theory says rows, and a row takes a KiB of memory."""
    rows = []
    for n in (1024, 2048, 4096):
        row = {"model": "EASE", "sweep": "interactions", "rows": n, "fit_seconds": n**2 / 1e6, "work": 3 * n}
        rows.append(row | {"fit_mib": n / 1024 * 0.75, "table_mib": n / 1024 * 0.25, "score_ms": 0.1})
    rows.append({"model": "EASE", "sweep": "interactions", "rows": 8192, "stopped": "ended after 25 s"})
    found = costs.growths(rows).loc[("interactions", "EASE")]
    assert found[["exponent", "theory", "memory", "scoring"]].tolist() == pytest.approx([2, 1, 1, 0], abs=1e-9)
    assert costs.reach(rows, gib=16)["EASE"] == pytest.approx(2**24)


def both(ours, sparks):
    rows = [{"model": "ImplicitALS", "rows": 10**n, "fit_wall": wall} for n, wall in enumerate(ours)]
    rows += [{"model": "Spark ALS", "rows": 10**n, "fit_wall": wall} for n, wall in enumerate(sparks)]
    return [row | {"sweep": "interactions"} for row in rows]


def test_where_spark_meets_ours_is_said_in_one_sentence():
    assert costs.meeting(both([1, 10, 100], [10, 10, 10])).endswith("from 10 interactions on.")
    assert costs.meeting(both([1, 10, 100], [1000, 1000, 1000])).endswith(
        "faster; their slopes, continued, meet at 1e+03."
    )
    assert costs.meeting(both([1, 2, 4], [2, 4, 8])).endswith("by these slopes the two never meet.")
    assert "fewer than two sizes" in costs.meeting(both([1, 2, 4], [2]))


@pytest.fixture(scope="module")
def record():
    rows = json.loads(FILE.read_text(encoding="utf-8"))["rows"] if FILE.exists() else []
    if max((row["rows"] for row in rows), default=0) < 10_000_000:
        pytest.skip("no full run is recorded yet; python -m benchmarks costs makes one")
    return rows


def test_the_record_reaches_ten_million_rows_and_every_curve_that_ends_before_says_why(record):
    ends = {(row["model"], row["sweep"]): row for row in record}  # the last row of each curve
    for name in ("Popularity", "MarkovChain", "ImplicitALS", "AlternatingLeastSquares", "Spark ALS"):
        assert ends[name, "interactions"]["rows"] == 10_000_000
        assert "stopped" not in ends[name, "interactions"]
    for (_, sweep), row in ends.items():
        axis = costs.AXIS[sweep]
        assert "stopped" in row or row[axis] == max(getattr(size, axis) for size in costs.SIZES if size.sweep == sweep)


def test_the_recorded_costs_grow_as_theory_says_where_one_term_rules(record):
    found = costs.growths(record)["exponent"]
    assert found["items", "EASE"] == pytest.approx(3, abs=0.5)
    assert found["interactions", "ImplicitALS"] == pytest.approx(1, abs=0.3)
    assert found["users", "ImplicitALS"] == pytest.approx(1, abs=0.3)
    assert found["interactions", "Popularity"] == pytest.approx(1, abs=0.35)
