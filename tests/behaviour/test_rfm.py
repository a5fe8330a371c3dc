"""Recency, frequency and watch time by hand, and that they tell nothing of tastes."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.behaviour.rfm import DAY, RULES, UNSEEN, quantile_scores, rfm, rfm_scores, rfm_segments
from avrec_lib.behaviour.segment_quality import adjusted_rand
from avrec_lib.data.clips import load_clips

LOG = pd.DataFrame(
    {
        "user": [0, 0, 0, 2, 2],
        "session": [1, 1, 2, 3, 9],
        "timestamp": [0, 10, 3 * DAY, 4 * DAY, 5 * DAY],
        "watch_seconds": [5.0, 0.0, 2.5, 1.0, 99.0],
    }
)


def test_the_three_numbers_by_hand():
    table = rfm(LOG, now=5 * DAY, n_users=3)
    assert table["recency"].tolist() == [2, pytest.approx(np.nan, nan_ok=True), 1]
    assert table["frequency"].tolist() == [2, 0, 1]
    assert table["watch"].tolist() == [7.5, 0, 1]


def test_what_happens_now_or_later_does_not_count():
    assert rfm(LOG, 5 * DAY, 3).equals(rfm(LOG[:-1], 5 * DAY, 3))


def test_an_empty_log_has_unseen_viewers_only():
    scores = rfm_scores(rfm(LOG, now=0, n_users=2))
    assert scores.to_numpy().tolist() == [[0, 0, 0], [0, 0, 0]]
    assert rfm_segments(scores).tolist() == [UNSEEN, UNSEEN]


def test_quantile_scores_by_hand():
    assert quantile_scores([10, 50, 20, 40, 30]).tolist() == [1, 5, 2, 4, 3]
    assert quantile_scores([1, 2, 3, 4], n_scores=2).tolist() == [1, 1, 2, 2]


def test_equal_values_share_a_score():
    assert quantile_scores([7, 7, 7]).tolist() == [3, 3, 3]
    assert quantile_scores([1, 1, 1, 1, 9]).tolist() == [3, 3, 3, 3, 5]


def test_one_viewer_is_in_the_middle():
    assert quantile_scores([4.0]).tolist() == [3]


def test_a_gap_scores_nothing():
    assert quantile_scores([np.nan, 1.0, 2.0], n_scores=2).tolist() == [0, 1, 2]
    assert quantile_scores([np.nan]).tolist() == [0]


def test_without_ties_scores_are_those_of_pandas_quantiles():
    values = np.random.default_rng(0).normal(size=1000)
    assert quantile_scores(values).tolist() == (pd.qcut(values, 5, labels=False) + 1).tolist()


def test_who_came_last_scores_highest():
    scores = rfm_scores(rfm(LOG, 5 * DAY, 3), n_scores=2)
    assert scores["R"].tolist() == [1, 0, 2]
    assert scores["F"].tolist() == [2, 0, 1]
    assert scores["M"].tolist() == [2, 0, 1]


def test_every_pair_of_scores_has_a_rule():
    grid = pd.DataFrame([(r, f, 3) for r in range(1, 6) for f in range(1, 6)], columns=["R", "F", "M"])
    names = rfm_segments(grid)
    assert set(names) == {name for name, _, _ in RULES}


@pytest.mark.parametrize(
    ("r", "f", "name"),
    [(5, 5, "champions"), (5, 1, "new"), (4, 3, "regulars"), (3, 1, "occasional"), (1, 5, "at risk"), (2, 2, "lapsed")],
)
def test_rules_by_hand(r, f, name):
    assert rfm_segments(pd.DataFrame({"R": [r], "F": [f], "M": [1]})).tolist() == [name]


def test_rfm_tells_nothing_of_the_kind_of_viewer():
    clips = load_clips()
    log = clips.impressions
    names = rfm_segments(rfm_scores(rfm(log, log["timestamp"].max() + 1, len(clips.viewers))))
    assert abs(adjusted_rand(clips.truth.viewers["kind"], names)) < 0.01


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"numbered 0\.\.1"):
        rfm(LOG, 5 * DAY, 2)
    with pytest.raises(ValueError, match="n_scores at least 1"):
        quantile_scores([1.0], 0)
    with pytest.raises(ValueError, match="must be a vector"):
        quantile_scores([[1.0]])
    with pytest.raises(ValueError, match="n_scores=5"):
        rfm_segments(pd.DataFrame({"R": [9], "F": [1], "M": [1]}))
