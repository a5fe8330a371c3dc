"""Features of a click by hand, strictly of the past, and what they are worth on the clips."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from avrec_lib.behaviour.click_features import PRIOR, click_features, segment_features
from avrec_lib.behaviour.point_in_time import leaks, time_split
from avrec_lib.behaviour.prediction import evaluate_prediction, fit_predictor
from avrec_lib.behaviour.rfm import DAY
from avrec_lib.data.clips import load_clips

SATURDAY = 2 * DAY  # 3 January 1970
LOG = pd.DataFrame(
    {
        "user": [0, 0, 1, 0],
        "item": [0, 1, 1, 1],
        "session": [7, 7, 8, 9],
        "position": [1, 1, 1, 2],
        "timestamp": [SATURDAY, SATURDAY + 5, SATURDAY + 60, SATURDAY + DAY // 4],
        "click": [True, False, True, True],
    }
)
X = np.array([[1.0, 0.0], [0.0, 2.0]])


@pytest.fixture(scope="module")
def features():
    return click_features(LOG, {"look": X})


def test_the_first_session_knows_nothing(features):
    known = ["viewer_shown", "viewer_rate", "item_shown", "item_rate", "taste_look"]
    assert features[known].iloc[:2].to_numpy().tolist() == [[0] * 5] * 2


def test_rates_of_the_past_by_hand(features):
    # surprises: rows 0, 1 had no past at position 1, so 1 - 1/2 and 0 - 1/2; row 2 knows one click of two: 1 - 2/4
    assert_allclose(features["item_rate"], [0, 0, -0.5 / (1 + PRIOR), (-0.5 + 0.5) / (2 + PRIOR)])
    assert_allclose(features["viewer_rate"], [0, 0, 0, 0])
    assert_allclose(features["viewer_shown"], np.log([1, 1, 1, 3]))
    assert_allclose(features["item_shown"], np.log([1, 1, 2, 3]))


def test_taste_by_hand(features):
    # viewer 0 has 0.5 · (1, 0) - 0.5 · (0, 2); the clip is (0, 2): -0.5 · 4 / (2 + prior)
    assert_allclose(features["taste_look"], [0, 0, 0, -2 / (2 + PRIOR)])


def test_time_and_place_by_hand(features):
    assert_allclose(features["log_position"], np.log([1, 1, 1, 2]))
    assert features["weekend"].tolist() == [1, 1, 1, 1]
    assert_allclose(features["hour_sin"].iloc[[0, 3]], [0, 1], atol=1e-9)
    assert_allclose(features["hour_cos"].iloc[[0, 3]], [1, 0], atol=1e-9)
    monday = click_features(LOG.assign(timestamp=LOG["timestamp"] + 2 * DAY), {})
    assert monday["weekend"].tolist() == [0, 0, 0, 0]


def test_content_is_passed_on(features):
    assert features[["look_0", "look_1"]].to_numpy().tolist() == X[[0, 1, 1, 1]].tolist()


def test_one_viewer_and_no_clicks_make_no_gaps():
    log = LOG.assign(user=0, click=False)
    assert np.isfinite(click_features(log, {"look": X}).to_numpy()).all()


@pytest.fixture(scope="module")
def clips():
    """Return the clips, their true attributes in three blocks, and the time at which the log begins."""
    clips = load_clips()
    items = clips.truth.items
    blocks = {
        "text": np.eye(10)[items["topic"]],
        "look": items[["look_warm", "look_busy"]].to_numpy(),
        "sound": items[["sound_pace", "sound_bright"]].to_numpy(),
    }
    return clips, blocks, int(clips.impressions["timestamp"].min())


def test_no_feature_leaks(clips):
    clips, blocks, _ = clips
    log = clips.impressions[clips.impressions["user"] < 40]
    cuts = log["timestamp"].iloc[[500, 2000, 5000]]
    assert leaks(lambda rows: click_features(rows, blocks), log, cuts).empty


def test_no_feature_of_segments_leaks(clips):
    clips, blocks, start = clips
    log = clips.impressions[clips.impressions["user"] < 200]
    X = np.hstack(list(blocks.values()))
    cuts = log["timestamp"].iloc[[len(log) // 2, 3 * len(log) // 4]]
    assert leaks(lambda rows: segment_features(rows, X, start + 12 * DAY), log, cuts).empty


def test_segments_are_given_to_later_rows_only(clips):
    clips, blocks, start = clips
    table = segment_features(clips.impressions, np.hstack(list(blocks.values())), start + 10 * DAY)
    begins = clips.impressions.groupby("session")["timestamp"].transform("min")
    assert table.index.equals(clips.impressions.index[begins >= start + 10 * DAY])
    assert_allclose(table.filter(regex=r"^segment_\d$").sum(axis=1), 1)
    assert table.shape[1] == 5 + 5 * 14


def test_a_later_click_is_predicted_nearly_as_well_as_can_be(clips):
    """With the true attributes as content: above what rates alone reach, below the limit, and close to it."""
    clips, blocks, start = clips
    q = clips.click_probability()
    rates = click_features(clips.impressions, {})
    segments = segment_features(clips.impressions, np.hstack(list(blocks.values())), start + 10 * DAY)
    both = rates.loc[segments.index].join(segments)
    log = clips.impressions.loc[segments.index]
    train, test = time_split(log["timestamp"], start + 22 * DAY)
    found = {}
    for name, table in (("rates", rates.loc[segments.index]), ("both", both)):
        p = fit_predictor(table[train], log["click"][train])(table[test])
        found[name] = evaluate_prediction(log["click"][test], p, q[log.index[test]])
    limit = found["both"]["limit_auc"]
    assert found["rates"]["expected_auc"] < 0.71
    assert limit - 0.03 < found["both"]["expected_auc"] < limit
    assert (
        found["both"]["limit_log_loss"]
        < found["both"]["expected_log_loss"]
        < found["rates"]["expected_log_loss"] - 0.05
    )


def test_a_score_above_the_limit_gives_a_leak_away(clips):
    """The mean of the whole log knows the answer: its AUC is better than any honest one can be."""
    clips, blocks, start = clips
    log, q = clips.impressions, clips.click_probability()
    table = click_features(log, {})
    x = np.hstack(list(blocks.values()))[log["item"]]
    e = (log["click"] - log.groupby("position")["click"].transform("mean")).to_numpy()
    sums = pd.DataFrame(e[:, None] * x).groupby(log["user"]).transform("sum").to_numpy()  # over all of the month
    table["taste"] = (sums * x).sum(axis=1) / log.groupby("user")["user"].transform("size")
    table["item_rate"] = pd.Series(e).groupby(log["item"]).transform("mean")
    train, test = time_split(log["timestamp"], start + 22 * DAY)
    p = fit_predictor(table[train], log["click"][train])(table[test])
    found = evaluate_prediction(log["click"][test], p, q[test])
    assert found["auc"] > found["expected_auc"] + 0.04
