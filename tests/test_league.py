"""The league table: what one row holds, and that the recorded table keeps what the book promises of it."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from avrec_lib.data import movielens_100k

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package
league = importlib.import_module("benchmarks.league")
RECORD = json.loads((ROOT / "data" / "benchmarks" / "league.json").read_text(encoding="utf-8"))["rows"]
BY_NAME = {row["model"]: row for row in RECORD if row["split"] == "last out"}


@pytest.fixture(scope="module")
def row(tmp_path_factory):
    try:
        movielens_100k()
    except OSError as error:
        pytest.skip(f"MovieLens-100K is not here: {error}")
    return league.one("MarkovChain", "last out", tmp_path_factory.mktemp("league"))


def test_a_row_tells_quality_with_its_interval_and_costs(row):
    assert row["low"] < row["NDCG@10"] < row["high"]
    assert {"HR@10", "Coverage@10", "Novelty@10", "Diversity@10", "fit_seconds", "score_ms", "fit_mib"} <= set(row)


def test_the_recorded_row_is_measured_again(row):
    assert row["NDCG@10"] == pytest.approx(BY_NAME["MarkovChain"]["NDCG@10"], abs=2e-4)
    assert row["HR@10"] == pytest.approx(BY_NAME["MarkovChain"]["HR@10"], abs=2e-3)


def test_the_best_sequential_or_hybrid_model_is_above_every_baseline_beyond_luck():
    first = max(BY_NAME.values(), key=lambda one: one["NDCG@10"])
    baseline = max(BY_NAME[name]["NDCG@10"] for name in ("ImplicitALS", "EASE", "MarkovChain"))
    assert first["gain_low"] > 0
    assert first["NDCG@10"] > 1.15 * baseline


def test_the_full_softmax_is_above_one_sampled_negative_and_a_hybrid_above_its_parts():
    assert BY_NAME["SASRec"]["NDCG@10"] > BY_NAME["SASRec, sampled"]["NDCG@10"]
    parts = ("EASE", "MarkovChain", "GRU4Rec", "Caser")
    assert BY_NAME["StackedHybrid, deep"]["NDCG@10"] >= max(BY_NAME[name]["NDCG@10"] for name in parts)


PEERS = {
    "AlternatingLeastSquares": ("ImplicitALS",),
    "BayesianPersonalizedRanking": ("FactorizationMachine",),
    "cornac's GRU4Rec": ("GRU4Rec",),
    "cornac's FPMC": ("FPMC", "FPMC, held back"),  # the clips want more weight decay than the films
}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("split", league.SPLITS)
def test_our_models_are_not_below_the_peers_of_the_same_kind_by_more_than_noise(peer, split):
    rows = {row["model"]: row for row in RECORD if row["split"] == split}
    assert max(rows[name]["high"] for name in PEERS[peer]) > rows[peer]["NDCG@10"]


def test_on_the_last_fifth_the_best_reaches_what_the_book_aims_at():
    assert max(row["NDCG@10"] for row in RECORD if row["split"] == "last fifth") >= 0.205


def test_a_table_of_ones_own_plays_too(tmp_path):
    """A file in MovieLens-1M's format: 30 people with 10 of 20 films each."""
    rng = np.random.default_rng(0)
    met = [(u, i, t) for u in range(30) for t, i in enumerate(rng.choice(20, 10, replace=False))]
    file = tmp_path / "ratings.dat"
    file.write_text("".join(f"{u}::{i}::4::{978300000 + t}\n" for u, i, t in met), encoding="utf-8")
    row = league.one("FadingChain", str(file), tmp_path)
    assert row["split"] == str(file)
    assert 0 <= row["low"] <= row["NDCG@10"] <= row["high"] <= 1


def test_the_difference_of_equal_models_is_nothing():
    assert league.bootstrap_difference(np.zeros(5)) == (0, 0, 0)
    mean, low, high = league.bootstrap_difference(np.random.default_rng(0).normal(1, 1, 400))
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)
