"""A viewer's features by hand, beside pandas and Polars, and never from the future."""

import importlib
import math
import sys
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from avrec_lib.behaviour.features import USER_FEATURES, rhythm, user_features
from avrec_lib.behaviour.sessions import known, session_table

T, H, D = 1_790_812_800, 3600, 86_400
NOW = T + 3 * D
sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is no part of the installed package


def of_ten(ten, ten_items, **options):
    settings = {"now": NOW, "window_days": 1.5, "half_life_days": 1.0, "items": ibis.memtable(ten_items)}
    return user_features(ibis.memtable(ten), **(settings | options)).to_pandas().set_index("user_id")


def circle(*hours):
    angles = np.array(hours) * 2 * math.pi / 24
    return np.cos(angles).mean(), np.sin(angles).mean()


def test_the_features_of_ten_events_are_those_computed_by_hand(ten, ten_items):
    ann = of_ten(ten, ten_items).loc["ann"]
    evening, night = [20, 20 + 5 / H, 20 + 40 / H, 20 + 60 / H, 20 + 65 / H], [2, 2 + 10 / H, 2 + 20 / H]
    ages = [3 - hour / 24 for hour in evening] + [1 - hour / 24 for hour in night]
    cos, sin = circle(*evening, *night)
    expected = {
        "recency_days": (22 - 20 / H) / 24,
        "tenure_days": 52 / 24,
        "n_events": 8,
        "n_impressions": 3,
        "n_clicks": 3,
        "n_likes": 1,
        "n_comments": 0,
        "n_searches": 1,
        "n_items": 3,
        "n_days": 2,
        "n_sessions": 2,
        "session_seconds": (84 + 70) / 2,
        "return_days": 30 / 24,
        "click_rate": 1.0,
        "like_rate": 1 / 3,
        "watch_seconds": 99.0,
        "dwell_seconds": 33.0,
        "watch_ratio": (30 / 40 + 19 / 20 + 50 / 60) / 3,
        "completion": 1 / 3,
        "hour_cos": cos,
        "hour_sin": sin,
        "hour_mean": math.atan2(sin, cos) * 12 / math.pi % 24,
        "hour_strength": math.hypot(cos, sin),
        "weekend_share": 3 / 8,
        "diversity": math.exp(-(2 / 3) * math.log(2 / 3) - (1 / 3) * math.log(1 / 3)),
        "n_recent": 3,
        "n_before": 5,
        "trend": math.log(4 / 6),
        "activity": sum(2**-age for age in ages),
    }
    assert list(expected) == list(ann.index) == list(USER_FEATURES)
    np.testing.assert_allclose(ann.to_numpy(dtype=float), list(expected.values()), rtol=1e-9)


def test_what_has_no_value_is_null_and_no_number_is_infinite(ten, ten_items):
    found = of_ten(ten, ten_items)
    bob = found.loc["bob"]
    missing = ["return_days", "like_rate", "dwell_seconds", "watch_ratio", "completion", "diversity"]
    assert bob.index[bob.isna()].tolist() == missing
    assert (bob["click_rate"], bob["session_seconds"], bob["watch_seconds"], bob["n_sessions"]) == (0, 0, 0, 1)
    assert bob["hour_mean"] == pytest.approx(1.0)
    assert bob["hour_strength"] == pytest.approx(1.0)
    assert not np.isinf(found.to_numpy(dtype=float)).any()


def test_rows_without_a_user_make_no_user(ten, ten_items):
    assert sorted(of_ten(ten, ten_items).index) == ["ann", "bob"]
    assert sorted(of_ten(ten.assign(user_id=ten["user_id"].fillna("")), ten_items).index) == ["ann", "bob"]


def test_counts_are_whole_numbers_and_the_rest_is_not(ten, ten_items):
    for column, dtype in of_ten(ten, ten_items).dtypes.items():
        assert dtype == ("int64" if column.startswith("n_") else "float64"), column


def test_without_items_shares_and_diversity_are_null_and_the_rest_is_the_same(ten, ten_items):
    found, full = of_ten(ten, ten_items, items=None), of_ten(ten, ten_items)
    gone = ["watch_ratio", "completion", "diversity"]
    assert found[gone].isna().all(axis=None)
    pd.testing.assert_frame_equal(found.drop(columns=gone).sort_index(), full.drop(columns=gone).sort_index())


def test_an_item_twice_or_without_a_length_changes_no_count(ten, ten_items):
    odd = pd.concat([ten_items.assign(seconds=[40, 0, 60]), ten_items.iloc[[0]]])
    found = of_ten(ten, odd).loc["ann"]
    assert found["n_events"] == 8
    assert found["watch_ratio"] == pytest.approx((30 / 40 + 50 / 60) / 2)


def test_a_clip_watched_past_its_end_counts_as_one(ten, ten_items):
    found = of_ten(ten, ten_items.assign(seconds=[10, 10, 10])).loc["ann"]
    assert found["watch_ratio"] == found["completion"] == 1.0


def hours(*at, offset=0.0):
    rows = pd.DataFrame({"timestamp": [T + round(hour * H) for hour in at]})
    rows = rows.assign(user_id="ann", item_id="c1", action="like", watch_seconds=np.nan)
    return user_features(ibis.memtable(rows), now=T + 30 * D, utc_offset_hours=offset).to_pandas().iloc[0]


def test_the_mean_of_six_and_noon_is_nine_and_of_eleven_and_one_at_night_midnight():
    found = hours(6, 12)
    assert found["hour_mean"] == pytest.approx(9)
    assert found["hour_strength"] == pytest.approx(math.sqrt(0.5))
    assert hours(23, 25)["hour_mean"] == 0
    assert hours(0)["hour_mean"] == 0


def test_opposite_hours_point_nowhere():
    found = hours(6, 18)
    assert math.isnan(found["hour_mean"])
    assert found["hour_strength"] == pytest.approx(0, abs=1e-12)


def test_hours_days_and_weekends_are_those_on_the_viewers_wall():
    assert hours(47, offset=8)["weekend_share"] == 1  # Friday 23:00 UTC is Saturday in Beijing
    assert hours(47)["weekend_share"] == 0
    assert hours(20, offset=-3.5)["hour_mean"] == pytest.approx(16.5)
    assert hours(20, 26)["n_days"] == 2
    assert hours(20, 26, offset=8)["n_days"] == 1


def test_equal_shares_of_four_categories_are_worth_four(ten):
    clicks = pd.concat([ten.iloc[[1]].assign(item_id=f"i{k}") for k in range(4)] * 3)
    items = pd.DataFrame({"item_id": [f"i{k}" for k in range(4)], "seconds": 60, "category": list("abcd")})
    assert of_ten(clicks, items).loc["ann", "diversity"] == pytest.approx(4)
    assert of_ten(clicks, items.assign(category="a")).loc["ann", "diversity"] == pytest.approx(1)


def test_a_week_is_counted_by_weekday_and_hour(ten):
    found = rhythm(ibis.memtable(ten), now=NOW).order_by("user_id", "weekday", "hour").to_pandas()
    assert found.values.tolist() == [["ann", 3, 20, 5], ["ann", 5, 2, 3], ["bob", 3, 1, 1]]
    by_action = rhythm(ibis.memtable(ten), now=T + 3 * H, by="action", utc_offset_hours=-4).order_by("hour").to_pandas()
    assert by_action.values.tolist() == [["impression", 2, 21, 1], ["click", 2, 22, 1]]


def test_the_mean_visit_is_that_of_the_table_of_visits(clips_log, moments):
    for now in moments:
        visits = session_table(known(ibis.memtable(clips_log), now)).to_pandas().groupby("user_id")
        found = user_features(ibis.memtable(clips_log), now=now).to_pandas().set_index("user_id").sort_index()
        np.testing.assert_allclose(found["session_seconds"], visits["seconds"].mean(), atol=1e-6)
        assert found["n_sessions"].tolist() == visits.size().tolist()
        apart = visits["start"].agg(lambda starts: starts.sort_values().diff().mean() / D)
        np.testing.assert_allclose(found["return_days"], apart, rtol=1e-9)


@pytest.fixture(scope="module")
def moments(clips_log):
    """Two moments: one in the middle of a watch, one before the last events."""
    watches = clips_log[clips_log["watch_seconds"] > 20]
    middle = watches.iloc[len(watches) // 2]
    return int(middle["timestamp"]) + 10, int(clips_log["timestamp"].max()) - 5 * D


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_features_are_those_of_another_library(clips_log, clips_items, moments, same, library):
    peers = importlib.import_module("benchmarks.behaviour_peers")
    nobody = clips_log.copy()
    nobody.loc[::50, "user_id"] = None
    for now in moments:
        ours = user_features(ibis.memtable(nobody), now=now, items=ibis.memtable(clips_items)).to_pandas()
        if library == "pandas":
            theirs = peers.pandas_features(nobody, clips_items, now).reset_index()
        else:
            pl = pytest.importorskip("polars")
            lazy = peers.polars_features(pl.from_pandas(nobody).lazy(), pl.from_pandas(clips_items).lazy(), now)
            theirs = lazy.collect().to_pandas()
        assert len(ours) > 90
        same(ours, theirs[list(ours.columns)])


def test_no_later_event_changes_a_feature(clips_log, clips_items, moments, same):
    items = ibis.memtable(clips_items)
    for now in moments:
        until = clips_log[clips_log["timestamp"] <= now]
        wild = clips_log[clips_log["timestamp"] > now].assign(action="click", watch_seconds=9e9, item_id="c0001")
        assert len(wild) > 1000
        expected = user_features(ibis.memtable(until), now=now, items=items)
        same(user_features(ibis.memtable(clips_log), now=now, items=items), expected, rtol=1e-12)
        same(user_features(ibis.memtable(pd.concat([wild, until])), now=now, items=items), expected, rtol=1e-12)


def test_how_long_a_clip_runs_on_after_now_changes_no_feature(clips_log, clips_items, moments, same):
    now, items = moments[0], ibis.memtable(clips_items)
    runs = (clips_log["timestamp"] <= now) & (clips_log["timestamp"] + clips_log["watch_seconds"] > now)
    assert runs.any()
    longer = clips_log.assign(watch_seconds=clips_log["watch_seconds"].where(~runs, 500.0).astype("float32"))
    same(
        user_features(ibis.memtable(longer), now=now, items=items),
        user_features(ibis.memtable(clips_log), now=now, items=items),
        rtol=1e-12,
    )


def test_the_order_of_the_rows_changes_nothing(clips_log, clips_items, moments, same):
    tables = [ibis.memtable(clips_log), ibis.memtable(clips_log.sample(frac=1, random_state=1))]
    found = [user_features(table, now=moments[1], items=ibis.memtable(clips_items)) for table in tables]
    same(*found, rtol=1e-12)


def test_a_moment_may_come_out_of_a_table(ten, ten_items):
    expected = of_ten(ten, ten_items).sort_index()
    for now in (np.int64(NOW), np.float64(NOW), pd.Series([NOW]).max()):
        pd.testing.assert_frame_equal(of_ten(ten, ten_items, now=now).sort_index(), expected)


def test_before_the_first_event_there_are_no_users(ten, ten_items):
    assert of_ten(ten, ten_items, now=T).empty


def test_settings_that_make_no_sense_are_refused(ten, ten_items):
    for name, value, message in (
        ("gap", -1.0, "gap must be a number of seconds"),
        ("window_days", 0.0, "window_days must be a number above 0, not 0.0"),
        ("half_life_days", math.inf, "half_life_days must be a number above 0"),
        ("utc_offset_hours", 480.0, "utc_offset_hours must lie between -14 and 14"),
        ("now", T * 1000, "divide milliseconds by 1000"),
        ("items", ibis.memtable(ten_items.drop(columns="category")), "no column 'category'"),
    ):
        with pytest.raises(ValueError, match=message):
            of_ten(ten, ten_items, **{name: value})
    with pytest.raises(ValueError, match="no column 'action'"):
        of_ten(ten.drop(columns="action"), ten_items)
    with pytest.raises(ValueError, match="no column 'device_id'"):
        rhythm(ibis.memtable(ten), now=NOW, by="device_id")
