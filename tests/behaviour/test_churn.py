"""Who stays away: features and labels by hand, and how near a prediction comes to the limit."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from avrec_lib.behaviour.churn import comes_back, visit_features
from avrec_lib.behaviour.churn_limit import true_churn
from avrec_lib.behaviour.prediction import evaluate_prediction, fit_predictor
from avrec_lib.behaviour.rfm import DAY
from avrec_lib.data.clips import load_clips
from avrec_lib.data.clips.log import START

LOG = pd.DataFrame(
    {
        "user": [0, 0, 0, 1, 0, 2],
        "session": [1, 1, 2, 3, 4, 5],
        "timestamp": np.array([0, 0.001, 8, 9, 12, 14]) * DAY,
        "click": [True, False, True, False, True, True],
        "watch_seconds": [4.0, 0.0, 6.0, 0.0, 1.0, 1.0],
    }
)


def test_visits_by_hand():
    table = visit_features(LOG, cut=10 * DAY)
    assert table.index.tolist() == [0, 1]
    assert_allclose(table["recency"], [2, 1])
    assert_allclose(table["sessions"], [2, 1])
    assert_allclose(table["last_week"], [1, 1])
    assert_allclose(table["tenure"], [10, 1])
    assert_allclose(table["pause"], [5, 1])
    assert_allclose(table["overdue"], [0.4, 1])
    assert_allclose(table["click_rate"], [2 / 3, 0])
    assert_allclose(table["watch"], [5, 0])


def test_the_future_does_not_matter():
    cut = 10 * DAY
    assert visit_features(LOG, cut).equals(visit_features(LOG[LOG["timestamp"] < cut], cut))


def test_who_came_at_the_cut_has_not_been_before_it():
    assert visit_features(LOG, 9 * DAY).index.tolist() == [0]


def test_nobody_came_before_the_log():
    assert len(visit_features(LOG, 0)) == 0


def test_who_comes_back_by_hand():
    assert comes_back(LOG, [0, 1, 2], 10 * DAY, 4).tolist() == [True, False, False]  # the 14th day is out
    assert comes_back(LOG, [0, 1, 2], 12 * DAY, 2).tolist() == [True, False, False]  # the 12th is in
    assert comes_back(LOG, [], 10 * DAY, 4).tolist() == []


def test_the_label_must_have_ripened():
    with pytest.raises(ValueError, match="ends less than 7 days after"):
        comes_back(LOG, [0], 10 * DAY, 7)
    with pytest.raises(ValueError, match="ends less than"):
        comes_back(LOG[:0], [0], 10 * DAY, 7)


def test_churn_is_predicted_below_the_limit_and_far_above_a_constant():
    log = load_clips().impressions
    cut = START + 22 * DAY
    old, new = visit_features(log, cut - 7 * DAY), visit_features(log, cut)
    p = fit_predictor(old, ~comes_back(log, old.index, cut - 7 * DAY, 7))(new)
    found = evaluate_prediction(~comes_back(log, new.index, cut, 7), p, true_churn(log, 22, 7))
    assert 0.8 < found["expected_auc"] < found["limit_auc"]
    assert found["limit_log_loss"] < found["expected_log_loss"] < 0.35
