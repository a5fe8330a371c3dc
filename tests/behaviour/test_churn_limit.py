"""The true probabilities of churn are kept by what happened, and right by hand for who came once."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.behaviour.calibration import calibration_error, calibration_luck
from avrec_lib.behaviour.churn import comes_back, visit_features
from avrec_lib.behaviour.churn_limit import true_churn
from avrec_lib.data.clips import load_clips
from avrec_lib.data.clips.log import DAY, START


@pytest.fixture(scope="module")
def log():
    return load_clips().impressions


@pytest.mark.parametrize("day", [8, 15, 22])
def test_the_true_probabilities_are_kept(log, day):
    """Calibrated within luck, and as many stay away as they say: the formula is that of the log."""
    truth = true_churn(log, day, 7)
    away = ~comes_back(log, truth.index, START + day * DAY, 7)
    assert calibration_error(truth, away) <= calibration_luck(truth).high
    assert abs(truth.mean() - away.mean()) < 3 * np.sqrt((truth * (1 - truth)).sum()) / len(truth)


def test_true_probabilities_grow_with_the_silence(log):
    truth = true_churn(log, 22, 7)
    recency = visit_features(log, START + 22 * DAY)["recency"]
    assert truth.index.equals(recency.index)
    assert truth[recency > 10].min() > 0.2 > truth[recency < 1].mean()


def test_a_shorter_window_is_stayed_away_from_more_often(log):
    assert (true_churn(log, 20, 3) > true_churn(log, 20, 7)).all()


def test_who_has_one_session_is_known_by_hand():
    # came on day 0 only, cut at day 1, window to the end: L = 30 or one of 5..24, all after the cut
    one = pd.DataFrame({"user": [4], "session": [0], "timestamp": [START + 100]})
    w = np.where(np.isin((np.arange(30) + 3) % 7, (5, 6)), 1.6, 1.0)
    weights, none = [], []
    for last, prior in [*((last, 0.15 / 20) for last in range(5, 25)), (30, 0.85)]:
        mean = 16 * w[0] / w[:last].sum()
        weights.append(prior * 8 * (8 / (8 + mean)) ** 8 * mean / (8 + mean))
        none.append(((8 + mean) / (8 + 16)) ** 9)
    expected = np.dot(weights, none) / np.sum(weights)
    assert true_churn(one, 1, 29).loc[4] == pytest.approx(expected)


def test_a_window_must_lie_in_the_log(log):
    for day, days in [(0, 7), (25, 7), (10, 0)]:
        with pytest.raises(ValueError, match="must lie within the 30 days"):
            true_churn(log, day, days)
