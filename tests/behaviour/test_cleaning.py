"""Cleaning finds the dirt that the truth tells of, repairs it to the true value, and touches nothing else."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from avrec_lib.behaviour.cleaning import KINDS, Thresholds, clean
from avrec_lib.behaviour.events import Event, to_frame, validate
from avrec_lib.data.clips import load_clips
from avrec_lib.data.clips.events import soil
from avrec_lib.data.clips.world import World
from avrec_lib.evaluation.detection import detection

FAULTS = ["bot", "repeated", "clock", "milliseconds", "watch_milliseconds", "no_device", "no_user"]
START = 1_790_812_800


@pytest.fixture(scope="module")
def cleaned():
    return clean(load_clips().events)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_the_clips_is_found_and_repaired(cleaned, fault):
    found = detection(cleaned[1], load_clips().truth.events, [fault]).loc[fault]
    assert found["precision"] >= 0.95
    assert found["recall"] >= 0.95
    assert found["repaired"] >= 0.99 or fault in ("bot", "repeated")  # these are removed


def test_other_dirt_on_the_same_log_is_found_too():
    """The thresholds were not made for one throw of the dice."""
    clips = load_clips()
    real = ~clips.truth.events["fault"].isin(["bot", "repeated"]).to_numpy()
    right = clips.events.assign(**clips.truth.events.drop(columns="fault"))[real].reset_index(drop=True)[:20_000]
    log, truth = soil(right, replace(World(), seed=1))
    _, report = clean(log)
    found = detection(report, truth, FAULTS)
    assert (found[["precision", "recall"]] >= 0.95).all(axis=None)
    assert (found["repaired"].drop(["bot", "repeated"]) >= 0.95).all()


def test_the_lengths_of_the_clips_do_no_harm():
    clips = load_clips()
    log = clips.events[:40_000]
    with_lengths = clean(log, item_seconds=clips.items.set_index("item_id")["seconds"])
    for got, expected in zip(with_lengths, clean(log), strict=True):
        pd.testing.assert_frame_equal(got, expected)


def test_the_report_tells_all_that_was_done(cleaned):
    """The log, with what the report says done to it, is the clean table."""
    table, report = cleaned
    log = load_clips().events
    by_hand = log.copy()
    for name, rows in report[report["done"] == "changed"].groupby("column"):
        values = by_hand[name].to_numpy(copy=True)
        for row, old, new in rows[["row", "old", "new"]].itertuples(index=False):
            assert (pd.isna(values[row]) and old is None) or values[row] == old
            values[row] = new
        by_hand[name] = pd.Series(values, dtype=log[name].dtype)
    by_hand = by_hand.drop(index=report.loc[report["done"] == "removed", "row"])
    pd.testing.assert_frame_equal(by_hand, table)


def test_a_clean_log_stays_as_it_is(cleaned):
    table = cleaned[0][:40_000]
    again, report = clean(table)
    pd.testing.assert_frame_equal(again, table)
    assert report.empty
    assert list(report.columns) == ["row", "kind", "column", "old", "new", "done"]
    assert validate(table).empty


def test_the_log_that_went_in_is_not_touched():
    log = load_clips().events[:5000]
    before = log.copy()
    clean(log)
    pd.testing.assert_frame_equal(log, before)


def test_a_quarter_of_a_million_events_take_less_than_five_seconds():
    log = load_clips().events
    log = pd.concat([log, log[: 250_000 - len(log)].assign(event_id=lambda t: "x" + t["event_id"])], ignore_index=True)
    begin = time.process_time()
    clean(log)
    assert time.process_time() - begin < 5


def session(n=6, start=START, name="s1", user="v1", **fields):
    """Return clicks on n clips, half a minute apart, each watched for 20 s."""
    known = {"session_id": name, "user_id": user, "action": "click", "watch_seconds": 20.0, "device": "ios", **fields}
    return [
        Event(event_id=f"{name}-{i}", item_id=f"c{i}", timestamp=start + 30 * i, position=i + 1, **known)
        for i in range(n)
    ]


def told(log, **settings):
    """Return what cleaning says of a log, as rows of (row, kind, old, new, done)."""
    _, report = clean(log, **settings)
    return [tuple(row) for row in report[["row", "kind", "old", "new", "done"]].itertuples(index=False)]


def test_a_copy_is_removed_and_the_first_stays():
    events = session()
    log = to_frame([*events, events[2], events[2]])
    assert told(log) == [(6, "repeated", "s1-2", None, "removed"), (7, "repeated", "s1-2", None, "removed")]
    assert clean(log)[0].index.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_copy_may_have_lost_its_device_or_its_unit_and_is_removed_all_the_same():
    events = session()
    copy = replace(events[2], device=None, timestamp=events[2].timestamp * 1000)
    assert told(to_frame([*events, copy])) == [(6, "repeated", "s1-2", None, "removed")]


def test_another_event_under_a_used_id_is_told_and_left():
    events = session()
    log = to_frame([*events, replace(events[2], item_id="c9")])
    assert told(log) == [(6, "id_conflict", "s1-2", "s1-2", "left")]
    assert len(clean(log)[0]) == 7


def test_missing_ids_are_no_copies():
    log = to_frame(session()).assign(event_id=None)
    assert told(log) == []


@pytest.mark.parametrize("factor", [1000, 10**6, 10**9])
def test_a_timestamp_in_smaller_units_is_divided(factor):
    log = to_frame(session())
    log.loc[3, "timestamp"] = log.loc[3, "timestamp"] * factor + 999 * factor // 1000
    right = START + 90
    assert told(log) == [(3, "milliseconds", right * factor + 999 * factor // 1000, right, "changed")]


def many(n=30):
    """Return n sessions, one after the other, each of another user."""
    return [event for k in range(n) for event in session(name=f"s{k}", user=f"v{k}", start=START + 300 * k)]


def test_a_session_on_a_wrong_clock_is_shifted_by_whole_days():
    events, year = many(), 365 * 86_400
    wrong = [replace(e, timestamp=e.timestamp - 20 * year) if e.session_id == "s7" else e for e in events]
    assert told(to_frame(wrong)) == [
        (row, "clock", event.timestamp - 20 * year, event.timestamp, "changed")
        for row, event in enumerate(events)
        if event.session_id == "s7"
    ]


def test_a_session_on_a_clock_that_began_at_zero_is_moved_to_its_neighbours_and_called_a_guess():
    events = many()
    wrong = [replace(e, timestamp=e.timestamp - START + 5000) if e.session_id == "s7" else e for e in events]
    table, report = clean(to_frame(wrong))
    assert set(report["kind"]) == {"clock_guess"}
    assert np.abs(table["timestamp"] - [event.timestamp for event in events]).max() < 300


def test_a_wrong_clock_in_milliseconds_is_told_twice():
    events, year = many(), 365 * 86_400
    wrong = [replace(e, timestamp=(e.timestamp + 3 * year) * 1000) if e.event_id == "s7-2" else e for e in events]
    assert [kind for _, kind, *_ in told(to_frame(wrong))] == ["milliseconds", "clock"]
    assert clean(to_frame(wrong))[0]["timestamp"].tolist() == [event.timestamp for event in events]


def with_watch(*times):
    log = to_frame(session(len(times)))
    return log.assign(watch_seconds=np.array(times, dtype=np.float32))


def test_a_watch_time_in_milliseconds_is_divided():
    """16.3 s are 16,300 ms, which a float32 may hold as 16,299.999."""
    log = with_watch(np.float32(16.3) * 1000, 20, np.nan)
    assert told(log)[0][3] == pytest.approx(16.3, abs=1e-6)
    assert clean(log)[0]["watch_seconds"].iloc[0] == np.float32(16.3)
    assert len(told(log)) == 1


def test_a_watch_time_longer_than_the_clip_is_taken_out():
    log = with_watch(20, 41, 41.5, 300, 900, 40_000, 50_000)
    lengths = {f"c{i}": 40 for i in range(7)}
    assert told(log, item_seconds=lengths) == [
        (2, "watch_impossible", 41.5, None, "changed"),
        (3, "watch_impossible", 300, None, "changed"),
        (4, "watch_impossible", 900, None, "changed"),  # 0.9 s? players do not report that
        (5, "watch_milliseconds", 40_000, 40, "changed"),
        (6, "watch_impossible", 50_000, None, "changed"),
    ]
    assert [row for row, *_ in told(log)] == [4, 5, 6]  # without the lengths, ten minutes are possible
    assert [row for row, *_ in told(log, item_seconds={"c2": 40})] == [2, 4, 5, 6]


def test_a_negative_or_endless_watch_time_is_taken_out():
    log = with_watch(-1, np.inf, 0)
    assert [(row, kind, new) for row, kind, _, new, _ in told(log)] == [
        (0, "watch_impossible", None), (1, "watch_impossible", None)
    ]  # fmt: skip
    assert clean(log)[0]["watch_seconds"].dtype == np.float32


def test_a_missing_user_is_that_of_the_session_if_there_is_just_one():
    log = to_frame([*session(3), *session(3, name="s2", user="v2"), *session(2, name="s3", user=None)])
    log.loc[[1, 3], "user_id"] = None
    log.loc[5, "user_id"] = "v3"
    log.loc[2, "session_id"] = None
    assert told(log) == [
        (1, "no_user", None, "v1", "changed"),
        (3, "no_user", None, None, "left"),  # s2 has two users
        (6, "no_user", None, None, "left"),
        (7, "no_user", None, None, "left"),
    ]


def test_a_missing_device_is_that_of_the_session_or_else_of_the_user():
    log = to_frame([*session(3), *session(2, name="s2", device=None), *session(3, name="s3", user="v2", device="tv")])
    log.loc[[1, 5], "device"] = [None, ""]
    log.loc[6, "device"] = "web"
    assert told(log) == [
        (1, "no_device", None, "ios", "changed"),
        (3, "no_device", None, "ios", "changed"),
        (4, "no_device", None, "ios", "changed"),
        (5, "no_device", None, None, "left"),  # s3 has two devices, and so has v2
    ]
    assert clean(log)[0]["device"].iloc[5] == ""


def test_a_user_that_was_filled_in_tells_the_device():
    log = to_frame([*session(3), *session(3, name="s2", device=None)])
    log.loc[4, "user_id"] = None
    assert [new for _, kind, _, new, _ in told(log) if kind == "no_device"] == ["ios"] * 3


def quick(n, **fields):
    return [replace(e, timestamp=START + i // 5, watch_seconds=0.1) for i, e in enumerate(session(n, **fields))]


def test_a_session_of_a_program_is_removed_whole():
    shown = replace(session(1, name="s9")[0], event_id="shown", action="impression", watch_seconds=None)
    log = to_frame([*session(), *quick(10, name="s9", user="bot"), shown])
    assert [(row, kind, done) for row, kind, _, _, done in told(log)] == [
        (row, "bot", "removed") for row in range(6, 17)
    ]
    assert clean(log)[0].index.tolist() == list(range(6))


def test_people_who_click_fast_or_look_briefly_are_no_programs():
    four = quick(4)  # one less than it takes
    watched = [
        replace(e, watch_seconds=12.0) for e in quick(10, name="s2", user="v2")
    ]  # an app that sends ten clicks at once
    slow = [replace(e, watch_seconds=0.1) for e in session(10, name="s3", user="v3")]  # ten clips in five minutes
    assert told(to_frame([*four, *watched, *slow])) == []
    assert len(told(to_frame(four), thresholds=Thresholds(bot_clicks=4))) == 4


def test_a_program_is_found_across_sessions_and_without_a_watch_time():
    log = to_frame([*session(), *(replace(e, session_id=f"b{i}") for i, e in enumerate(quick(6, user="bot")))])
    assert [row for row, *_ in told(log.assign(event_id=range(12)).astype({"event_id": "str"}))] == list(range(6, 12))
    silent = to_frame([*session(), *(replace(e, watch_seconds=None) for e in quick(6, name="s2", user=None))])
    assert [row for row, kind, *_ in told(silent) if kind == "bot"] == list(range(6, 12))


def test_clicks_of_a_program_without_session_and_user_are_left():
    """Nothing tells that they belong together."""
    log = to_frame(replace(e, session_id=None, user_id=None) for e in quick(6))
    assert {kind for _, kind, *_ in told(log)} == {"no_user"}


def test_the_empty_log_is_clean():
    table, report = clean(to_frame([]))
    assert table.empty
    assert report.empty
    assert report["row"].dtype == np.int64


def test_any_index_and_further_columns_stay():
    log = to_frame([*session(), session()[0]]).assign(version="2.1")
    log.index = list("aabbccd")
    log.loc["a", "timestamp"] *= 1000
    table, report = clean(log)
    assert table.index.tolist() == list("aabbcc")
    assert table["version"].tolist() == ["2.1"] * 6
    assert report["row"].tolist() == [0, 1, 6]
    assert table["timestamp"].tolist() == [event.timestamp for event in session()]


def test_dtypes_of_other_sources_stay():
    log = to_frame(session()).astype({"timestamp": "Int64", "watch_seconds": "Float64", "position": "Int8"})
    log = log.astype(
        dict.fromkeys(["event_id", "session_id", "user_id", "item_id", "action", "device", "text"], object)
    )
    log.loc[2, ["timestamp", "watch_seconds", "device"]] = [log.loc[2, "timestamp"] * 1000, 5000.0, None]
    table, report = clean(log)
    assert (table.dtypes == log.dtypes).all()
    assert report["kind"].tolist() == ["milliseconds", "watch_milliseconds", "no_device"]
    assert report["new"].tolist() == [START + 60, 5.0, "ios"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="session_id"), "no table of events: it has no column 'session_id'"),
        (lambda t: t.assign(timestamp=t["timestamp"] + 0.5), "'timestamp' must hold a whole number in every row"),
        (lambda t: t.assign(timestamp=pd.array([None] * 6, dtype="Int64")), "'timestamp' must hold a whole number"),
        (lambda t: t.assign(watch_seconds="long"), "'watch_seconds' must hold numbers"),
    ],
)
def test_what_cannot_be_cleaned_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        clean(change(to_frame(session())))


@pytest.mark.parametrize(
    ("field", "value", "least"), [("ahead", -1, 0), ("neighbours", 2, 3), ("bot_clicks", 1, 2), ("late", np.nan, 0)]
)
def test_impossible_thresholds_are_refused(field, value, least):
    with pytest.raises(ValueError, match=f"{field} must be at least {least}"):
        Thresholds(**{field: value})


def test_every_kind_is_explained(cleaned):
    assert set(cleaned[1]["kind"]) <= set(KINDS)
    assert set(FAULTS) <= set(KINDS)
