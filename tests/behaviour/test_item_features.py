"""A clip's features by hand, and clicks beside what the places promised."""

import ibis
import numpy as np
import pandas as pd
import pytest

from avrec_lib.behaviour.item_features import ITEM_FEATURES, item_features

T, D = 1_790_812_800, 86_400
NOW = T + 3 * D


def of(log, items=None, **options):
    table = item_features(ibis.memtable(log), items=items, **({"now": NOW} | options))
    return table.to_pandas().set_index("item_id").sort_index()


def test_the_features_of_ten_events_are_those_computed_by_hand(ten, ten_items):
    found = of(ten, ibis.memtable(ten_items), prior=10.0, window_days=1.5, half_life_days=1.0)
    assert found.columns.tolist() == list(ITEM_FEATURES)
    assert found.index.tolist() == ["c1", "c2", "c3"]
    first = found.loc["c1"]  # Thursday 20:00:00, :05 and :40 by ann; a click at 02:00 by nobody known
    assert first["recency_days"] == pytest.approx(3 - 20 / 24 - 40 / D)
    assert first["tenure_days"] == pytest.approx(3 - 2 / 24)
    assert first[["n_events", "n_impressions", "n_clicks", "n_likes", "n_comments", "n_viewers"]].tolist() == [
        4,
        1,
        2,
        1,
        0,
        1,
    ]
    assert first["click_rate"] == 2
    assert first["smooth_click_rate"] == pytest.approx((2 + 10 * 4 / 4) / (1 + 10))
    assert first["click_ratio"] == pytest.approx(2 / 1)  # position 1: 3 clicks of 3 impressions
    assert first["like_rate"] == 0.5
    assert first[["watch_seconds", "dwell_seconds"]].tolist() == [42, 21]
    assert first["watch_ratio"] == pytest.approx((30 / 40 + 12 / 40) / 2)
    assert first["completion"] == 0
    assert first[["n_recent", "n_before"]].tolist() == [0, 4]
    assert first["trend"] == pytest.approx(np.log(1 / 5))
    ages = 3 - np.array([2 * 3600, 20 * 3600, 20 * 3600 + 5, 20 * 3600 + 40]) / D
    assert first["activity"] == pytest.approx((2**-ages).sum())
    assert found.loc["c3", "n_recent"] == 2


def test_counts_are_whole_numbers_and_the_rest_is_not(ten):
    for column, dtype in of(ten).dtypes.items():
        assert dtype == ("int64" if column.startswith("n_") else "float64"), column


def shown(clicks):
    """Rows of item, position, impressions, clicks."""
    rows = []
    for item, position, n, k in clicks:
        rows += [(item, position, "impression")] * n + [(item, position, "click")] * k
    frame = pd.DataFrame(rows, columns=["item_id", "position", "action"]).astype({"position": "float64"})
    return frame.assign(user_id="ann", timestamp=T, watch_seconds=np.nan)


def test_a_clip_that_did_what_its_places_promise_has_ratio_one():
    log = shown([("top", 1, 10, 5), ("low", 2, 10, 1), ("both", 1, 10, 5), ("both", 2, 10, 1), ("star", 2, 10, 4)])
    found = of(log)
    assert found.loc["top", "click_rate"] == 0.5 > found.loc["star", "click_rate"]
    promised = {1: 10 / 20, 2: 6 / 30}
    assert found["click_ratio"].to_dict() == pytest.approx(
        {
            "top": 5 / (10 * promised[1]),
            "low": 1 / (10 * promised[2]),
            "both": 6 / (10 * promised[1] + 10 * promised[2]),
            "star": 4 / (10 * promised[2]),
        }
    )


def test_weighted_by_what_was_promised_the_mean_ratio_is_one(clips_log):
    found = of(clips_log, now=int(clips_log["timestamp"].max()) + 1000)
    rates = clips_log[clips_log["item_id"].notna()].pivot_table(
        index="position", columns="action", values="event_id", aggfunc="count"
    )
    shown = clips_log[clips_log["action"] == "impression"]
    promised = (rates["click"] / rates["impression"])[shown["position"]].to_numpy()
    promised = pd.Series(promised, shown["item_id"].to_numpy()).groupby(level=0).sum().reindex(found.index)
    assert np.average(found["click_ratio"], weights=promised) == pytest.approx(1)


def test_doubt_pulls_a_clip_with_few_showings_to_the_average():
    log = shown([("new", 1, 1, 1), ("old", 1, 999, 99)])
    found = of(log, prior=20.0)
    assert found.loc["new", "click_rate"] == 1
    assert found.loc["new", "smooth_click_rate"] == pytest.approx((1 + 20 * 0.1) / 21)
    assert found.loc["old", "smooth_click_rate"] == pytest.approx((99 + 2) / 1019)


def test_a_log_without_showings_or_positions_has_no_rates():
    log = shown([("c1", 1, 0, 3)])
    found = of(log).loc["c1"]
    assert np.isnan(found[["click_rate", "smooth_click_rate", "click_ratio"]].to_numpy(dtype=float)).all()
    found = of(shown([("c1", 1, 2, 1)]).assign(position=np.nan)).loc["c1"]
    assert found["click_rate"] == 0.5
    assert np.isnan(found["click_ratio"])


def test_no_later_event_changes_a_feature(clips_log, clips_items, same):
    items, now = ibis.memtable(clips_items), int(clips_log["timestamp"].median())
    until = clips_log[clips_log["timestamp"] <= now]
    wild = clips_log[clips_log["timestamp"] > now].assign(action="click", watch_seconds=9e9, position=1.0)
    tables = [ibis.memtable(frame) for frame in (until, clips_log, pd.concat([wild, until]))]
    expected, *found = [item_features(table, now=now, items=items) for table in tables]
    for features in found:
        same(features, expected, rtol=1e-12)


def test_settings_that_make_no_sense_are_refused(ten):
    with pytest.raises(ValueError, match="prior must be a number above 0, not 0"):
        of(ten, prior=0)
    with pytest.raises(ValueError, match="no column 'position'"):
        of(ten.drop(columns="position"))
