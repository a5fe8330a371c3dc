"""Visits by hand, by a loop over the rows, and on the log whose visits are known."""

import math

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec_lib.behaviour.sessions import known, session_agreement, session_table, sessionise

T = 1_790_812_800


def log(rows, user="ann"):
    """Rows of (seconds, watch) or (seconds, watch, user)."""
    rows = [(*row, user)[:3] for row in rows]
    return pd.DataFrame(
        {
            "user_id": pd.Series([row[2] for row in rows], dtype="str"),
            "action": "click",
            "timestamp": np.array([T + row[0] for row in rows], dtype=np.int64),
            "watch_seconds": np.array([row[1] for row in rows], dtype=np.float32),
        }
    )


def numbers(frame, gap=1800.0):
    """Return the visit of each row, in the order of the rows."""
    rows = ibis.memtable(frame.assign(row=range(len(frame))))
    return sessionise(rows, gap).order_by("row").to_pandas()["session"].tolist()


def by_a_loop(frame, gap):
    """The same, one row after the other."""
    last_end, number, found = {}, {}, {}
    for row in frame.sort_values("timestamp", kind="stable").itertuples():
        who = row.user_id
        if who not in last_end or row.timestamp - last_end[who] > gap:
            number[who] = number.get(who, 0) + 1
        watch = 0.0 if math.isnan(row.watch_seconds) else row.watch_seconds
        last_end[who] = max(last_end.get(who, -math.inf), row.timestamp + watch)
        found[row.Index] = number[who]
    return [found[i] for i in range(len(frame))]


def test_a_visit_ends_after_more_than_half_an_hour_of_silence():
    assert numbers(log([(0, math.nan), (1800, math.nan), (3601, math.nan)])) == [1, 1, 2]


def test_who_watches_is_not_silent():
    assert numbers(log([(0, 3000.0), (4000, math.nan)])) == [1, 1]
    assert numbers(log([(0, 3000.0), (10, 5.0), (4000, math.nan)])) == [1, 1, 1]
    assert numbers(log([(0, 100.0), (4000, math.nan)])) == [1, 2]


def test_each_user_has_visits_of_their_own_and_rows_of_nobody_are_left_out():
    rows = [
        (0, 1.0, "ann"),
        (100, 1.0, "bob"),
        (5000, 1.0, "ann"),
        (5001, 1.0, None),
        (5002, 1.0, ""),
        (5003, 1.0, "bob"),
    ]
    assert numbers(log(rows)) == [1, 1, 2, 2]


def test_rows_of_one_second_are_in_one_visit_in_any_order():
    frame = log([(0, 1.0), (9000, 5000.0), (9000, math.nan), (9000, 2.0), (16000, 1.0)])
    for seed in range(5):
        shuffled = frame.sample(frac=1, random_state=seed)
        assert pd.Series(numbers(shuffled), shuffled.index).sort_index().tolist() == [1, 2, 2, 2, 3]


def test_idle_is_measured_from_the_end_of_the_last_watch():
    idle = (
        sessionise(ibis.memtable(log([(0, 50.0), (20, 10.0), (70, math.nan)])))
        .order_by("timestamp")
        .to_pandas()["idle"]
    )
    assert math.isnan(idle[0])
    assert idle[1:].tolist() == [-30.0, 20.0]


EVENTS = st.tuples(st.integers(0, 400), st.sampled_from([math.nan, 0.0, 5.0, 90.0]), st.sampled_from(["ann", "bob"]))


@settings(max_examples=25, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=30), st.sampled_from([0.0, 10.0, 40.5]))
def test_visits_are_those_of_a_loop_over_the_rows(rows, gap):
    frame = log(rows)
    assert numbers(frame, gap) == by_a_loop(frame, gap)


@settings(max_examples=15, deadline=None)
@given(st.lists(EVENTS, min_size=2, max_size=20), st.integers(0, 400))
def test_later_events_change_no_number(rows, now):
    frame = log(rows).sort_values("timestamp", ignore_index=True)
    until = frame[frame["timestamp"] <= T + now]
    assert numbers(until, 20.0) == numbers(frame, 20.0)[: len(until)]


def test_the_visits_of_the_clips_are_found_and_too_long_a_gap_merges_some(clips_log):
    found = {gap: session_agreement(sessionise(ibis.memtable(clips_log), gap)) for gap in (20, 300, 1800, 7200)}
    n = clips_log["session_id"].nunique()
    assert found[1800] == {
        "n_true": n, "n_found": n, "exact": n, "split": 0, "merged": 0, "precision": 1.0, "recall": 1.0
    }  # fmt: skip
    assert found[300]["exact"] == n
    assert found[7200]["merged"] > 100 > found[7200]["split"] == 0
    assert found[20]["recall"] <= 1 == found[20]["merged"] + 1


def test_agreement_counts_exact_split_and_merged_visits():
    pieces = [
        ("ann", 1, "s1"),
        ("ann", 1, "s1"),
        ("ann", 2, "s2"),
        ("ann", 3, "s2"),
        ("bob", 1, "s3"),
        ("bob", 1, "s4"),
    ]
    frame = pd.DataFrame([*pieces, ("bob", 1, None)], columns=["user_id", "session", "session_id"])
    found = session_agreement(ibis.memtable(frame))
    assert found == {"n_true": 4, "n_found": 4, "exact": 1, "split": 1, "merged": 1, "precision": 0.25, "recall": 0.25}


def test_without_visits_there_is_no_agreement():
    found = session_agreement(
        sessionise(ibis.memtable(log([(0, 1.0)]).assign(session_id="s"))).filter(ibis._.session > 1)
    )
    assert found["n_true"] == found["n_found"] == found["exact"] == 0
    assert math.isnan(found["precision"])
    assert math.isnan(found["recall"])


def test_a_visit_lasts_until_its_last_watch_is_over(ten, table):
    found = session_table(table(ten)).order_by("user_id", "session").to_pandas()
    assert found["user_id"].tolist() == ["ann", "ann", "bob"]
    assert found["session"].tolist() == [1, 2, 1]
    assert found["seconds"].tolist() == [84.0, 70.0, 0.0]
    assert found["n_events"].tolist() == [5, 3, 1]
    assert found["n_clicks"].tolist() == [2, 1, 0]
    assert (found["end"] - found["start"]).tolist() == found["seconds"].tolist()


def test_a_watch_is_known_when_it_is_over():
    table = ibis.memtable(log([(0, 10.0), (1, math.nan), (5, 10.0), (16, 1.0)]))
    assert known(table, T + 9).order_by("timestamp").to_pandas()["watch_seconds"].isna().tolist() == [True, True, True]
    later = known(table, T + 15).order_by("timestamp").to_pandas()
    assert later["watch_seconds"].fillna(-1).tolist() == [10.0, -1.0, 10.0]
    assert later["watch_seconds"].dtype == np.float64


def test_a_gap_or_a_moment_that_is_none_is_refused():
    table = ibis.memtable(log([(0, 1.0)]))
    for gap in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="gap must be a number of seconds"):
            sessionise(table, gap)
    for now in (math.nan, 1_790_812_800_000, "today", True, None):
        with pytest.raises(ValueError, match="now must be a time in seconds"):
            known(table, now)


def test_a_missing_column_is_named():
    table = ibis.memtable(log([(0, 1.0)]))
    with pytest.raises(ValueError, match="no column 'user_id', 'timestamp'; it has 'action', 'watch_seconds'"):
        sessionise(table.drop("user_id", "timestamp"))
    with pytest.raises(ValueError, match="no column 'action'"):
        session_table(table.drop("action"))
    with pytest.raises(ValueError, match="no column 'visit'"):
        session_agreement(sessionise(table), truth="visit")
