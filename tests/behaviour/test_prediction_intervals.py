"""Weighted AUC by hand and equal to scikit-learn; intervals that are as wide as the viewers differ."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import log_loss, roc_auc_score

from avrec_lib.behaviour.calibration import calibration_error
from avrec_lib.behaviour.prediction_intervals import prediction_intervals, weighted_auc


@pytest.fixture(scope="module")
def rows():
    """Return what happened in 600 rows of 30 viewers, two predictions, and the viewers."""
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(30), 20)
    q = 1 / (1 + np.exp(-rng.normal(size=30)[unit] - rng.normal(size=600)))
    return rng.random(600) < q, {"truth": q, "rounded": q.round(1).clip(0.05, 0.95)}, unit


def test_a_weighted_auc_by_hand():
    # a click at 0.9 and 0.4, none at 0.4 and 0.1: pairs 1, 1, ½, 1
    y, s = [1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1]
    assert_allclose(weighted_auc(y, s, [[1, 1, 1, 1], [0, 1, 1, 0], [1, 2, 1, 0]]), [7 / 8, 1 / 2, (1 + 2 / 2) / 3])


def test_nothing_can_be_sorted_where_all_ended_alike():
    assert np.isnan(weighted_auc([1, 0], [0.2, 0.3], [[1, 0]])).all()


def test_a_weighted_auc_equals_sklearns(rows):
    y, p, _ = rows
    w = np.random.default_rng(1).integers(0, 4, (3, len(y)))
    for s in p.values():
        assert_allclose(weighted_auc(y, s, w), [roc_auc_score(y, s, sample_weight=row) for row in w])


def test_values_are_those_of_the_rows_as_they_are(rows):
    y, p, unit = rows
    table = prediction_intervals(y, p, unit)
    for name, s in p.items():
        assert table.loc[name, "auc"] == pytest.approx(roc_auc_score(y, s))
        assert table.loc[name, "log_loss"] == pytest.approx(log_loss(y, s))
        assert table.loc[name, "calibration"] == pytest.approx(calibration_error(s, y))
    assert "auc_gain" not in table


def test_the_interval_is_that_of_a_bootstrap_of_viewers(rows):
    y, p, unit = rows
    rng, draws = np.random.default_rng(5), []
    for _ in range(400):
        chosen = np.concatenate([np.flatnonzero(unit == u) for u in rng.integers(0, 30, 30)])
        draws.append(roc_auc_score(y[chosen], p["truth"][chosen]))
    row = prediction_intervals(y, p, unit, n_boot=400).loc["truth"]
    assert_allclose([row["auc_low"], row["auc_high"]], np.quantile(draws, [0.025, 0.975]), atol=0.012)


def test_a_paired_difference_is_narrower_than_either_side(rows):
    y, p, unit = rows
    table = prediction_intervals(y, p, unit, "truth")
    row = table.loc["rounded"]
    assert row["auc_gain"] == pytest.approx(row["auc"] - table.loc["truth", "auc"])
    assert row["auc_gain_high"] - row["auc_gain_low"] < (row["auc_high"] - row["auc_low"]) / 2
    assert table.loc["truth", ["auc_gain_low", "log_loss_gain_high"]].tolist() == [0, 0]


def test_rows_that_repeat_their_viewer_are_no_new_evidence(rows):
    y, p, unit = rows
    once = prediction_intervals(y, p, unit)
    twice = prediction_intervals(np.tile(y, 2), {n: np.tile(s, 2) for n, s in p.items()}, np.tile(unit, 2))
    pd.testing.assert_frame_equal(once, twice)


def test_bad_input_is_named(rows):
    y, p, unit = rows
    with pytest.raises(ValueError, match="must be one of the predictions"):
        prediction_intervals(y, p, unit, "none")
    with pytest.raises(ValueError, match="must be one of the predictions"):
        prediction_intervals(y, {}, unit)
    with pytest.raises(ValueError, match="each of 600 rows"):
        prediction_intervals(y, p, unit[:-1])
    with pytest.raises(ValueError, match="between 0 and 1"):
        prediction_intervals(y, {"p": np.full(600, 2.0)}, unit)
