"""Events: what can be stored, what breaks a rule, and that nothing is lost on the way to a table and back."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.behaviour.events import ALWAYS, COLUMNS, NEEDS, Event, check_table, to_events, to_frame, validate
from avrec_lib.data.clips import load_clips

CLICK = Event("e1", "s1", "v1", "c1", "click", 1_790_000_000, 3, 12.5, "ios")
SEARCH = Event("e2", "s1", "v1", None, "search", 1_790_000_010, device="ios", text="猫 cats")
COMMENT = Event("e3", "s1", "v1", "c1", "comment", 1_790_000_020, device="ios", text="好看😂")


@pytest.fixture
def three():
    return to_frame([CLICK, SEARCH, COMMENT])


def reasons(events):
    return [tuple(row) for row in validate(events).to_numpy().tolist()]


def changed(event, **fields):
    """Return the report of a table with this one event, whose fields may be of any type."""
    table = to_frame([event]).astype(object)
    for name, value in fields.items():
        table.loc[0, name] = value
    return reasons(table)


def test_good_events_give_an_empty_report(three):
    report = validate(three)
    assert report.empty
    assert list(report.columns) == ["row", "column", "reason"]
    assert report["row"].dtype == np.int64


def test_an_empty_table_is_valid_and_without_faults():
    empty = to_frame([])
    assert list(empty.columns) == list(COLUMNS)
    assert validate(empty).empty
    assert list(to_events(empty)) == []


def test_events_come_back_from_a_table_as_they_were(three):
    assert list(to_events(three)) == [CLICK, SEARCH, COMMENT]


def test_the_log_of_the_clips_comes_back_from_events_as_it_was():
    log = load_clips().events[:20_000]
    pd.testing.assert_frame_equal(to_frame(to_events(log)), log)


def test_a_watch_time_keeps_its_digits():
    table = to_frame([Event("e1", "s1", "v1", "c1", "click", 0, 1, 10.7, "ios")])
    assert table["watch_seconds"].dtype == np.float32
    assert next(to_events(table)).watch_seconds == 10.7


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event_id": None}, ("event_id", "is missing")),
        ({"user_id": ""}, ("user_id", "is missing")),
        ({"device": np.nan}, ("device", "is missing")),
        ({"session_id": pd.NA}, ("session_id", "is missing")),
        ({"item_id": 7}, ("item_id", "is not text")),
        ({"item_id": None}, ("item_id", "is missing, and this action needs it")),
        ({"text": "nice"}, ("text", "is given, and this action has none")),
        ({"action": "share"}, ("action", "is not one of impression, click, like, comment, search")),
        ({"timestamp": "noon"}, ("timestamp", "is not a finite number")),
        ({"timestamp": 1_790_000_000.5}, ("timestamp", "is not a whole number")),
        ({"timestamp": 1_790_000_000_000}, ("timestamp", "is not in seconds (milliseconds?)")),
        ({"timestamp": -1}, ("timestamp", "is before 1970")),
        ({"timestamp": None}, ("timestamp", "is missing")),
        ({"position": 0}, ("position", "is less than 1, the first place")),
        ({"position": 2.5}, ("position", "is not a whole number")),
        ({"watch_seconds": -0.1}, ("watch_seconds", "is negative")),
        ({"watch_seconds": np.inf}, ("watch_seconds", "is not a finite number")),
    ],
)
def test_each_broken_rule_is_told_with_its_row_and_column(fields, expected):
    assert changed(CLICK, **fields) == [(0, *expected)]


@pytest.mark.parametrize("watch", [None, 0, "12.5"])
def test_a_watch_time_may_be_missing_zero_or_written_as_text(watch):
    assert changed(CLICK, watch_seconds=watch) == []


def test_only_a_click_has_a_watch_time():
    for action in NEEDS:
        told = [column for _, column, _ in changed(CLICK, action=action)]
        assert ("watch_seconds" in told) == (action != "click"), action


def test_a_search_has_text_but_no_clip_and_no_position():
    assert changed(SEARCH, item_id="c1", position=1, text=None) == [
        (0, "item_id", "is given, and this action has none"),
        (0, "position", "is given, and this action has none"),
        (0, "text", "is missing, and this action needs it"),
    ]


def test_an_impression_needs_a_position_and_a_comment_does_not():
    shown = {"action": "impression", "watch_seconds": None, "position": None}
    assert changed(CLICK, **shown) == [(0, "position", "is missing, and this action needs it")]
    assert changed(COMMENT, position=None) == []


def test_a_repeated_event_id_names_the_row_that_had_it_first(three):
    table = pd.concat([three, three.iloc[[1]], three.iloc[[1]]], ignore_index=True)
    table.loc[0, "event_id"] = None
    assert reasons(table) == [
        (0, "event_id", "is missing"),
        (3, "event_id", "is that of row 1 already"),
        (4, "event_id", "is that of row 1 already"),
    ]
    assert reasons(table[1:]) == [
        (2, "event_id", "is that of row 0 already"),
        (3, "event_id", "is that of row 0 already"),
    ]


def test_missing_event_ids_are_not_repeats(three):
    table = three.assign(event_id=None)
    assert {reason for _, _, reason in reasons(table)} == {"is missing"}


def test_rows_are_counted_from_0_whatever_the_index(three):
    three.loc[1, "device"] = None
    three.index = [7, 7, 9]
    assert reasons(three) == [(1, "device", "is missing")]


def test_validation_changes_nothing(three):
    before = three.copy()
    validate(three)
    pd.testing.assert_frame_equal(three, before)


def test_the_report_of_the_clips_names_what_the_truth_says_a_row_alone_can_tell():
    clips = load_clips()
    fault = clips.truth.events["fault"]
    told = validate(clips.events).merge(fault, left_on="row", right_index=True)
    counts = told.groupby(["column", "fault"]).size().to_dict()
    assert counts == {
        ("device", "no_device"): (fault == "no_device").sum(),
        ("event_id", "repeated"): (fault == "repeated").sum(),
        ("timestamp", "milliseconds"): (fault == "milliseconds").sum(),
        ("user_id", "no_user"): (fault == "no_user").sum(),
    }


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([1, 2], "must be a DataFrame with one row an event, not list"),
        (pd.DataFrame({"uid": [1], "iid": [2]}), "no column 'event_id', .* it has 'uid', 'iid'. Rename"),
        (pd.DataFrame(), "it has none"),
        (to_frame([CLICK]).drop(columns="device"), "it has no column 'device'"),
        (pd.concat([to_frame([CLICK]), to_frame([CLICK])[["text"]]], axis=1), "column 'text' is there more than once"),
    ],
)
def test_what_is_no_table_of_events_is_refused_in_one_sentence(table, message):
    """D10: an empty file, a header only, other headers."""
    for function in (check_table, validate, lambda t: list(to_events(t))):
        with pytest.raises(ValueError, match=message):
            function(table)


def test_further_columns_are_welcome(three):
    assert validate(three.assign(app_version="2.1")).empty


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"event_id": ""}, "event_id of an event must be text that is not empty, not ''"),
        ({"event_id": None}, "event_id of an event must be text that is not empty, not None"),
        ({"action": None}, "action of an event must be text"),
        ({"user_id": 7}, "user_id of an event must be text that is not empty, or None where it is not known, not 7"),
        ({"timestamp": 1.5}, "timestamp of an event must be a whole number, not 1.5"),
        ({"timestamp": None}, "timestamp of an event must be a whole number, not None"),
        ({"timestamp": True}, "timestamp"),
        ({"timestamp": 2**63}, "timestamp"),
        ({"position": 1.0}, "position of an event must be a whole number, or None"),
        ({"watch_seconds": float("nan")}, "watch_seconds of an event must be a finite number, or None"),
        ({"watch_seconds": "3"}, "watch_seconds"),
    ],
)
def test_what_cannot_be_stored_is_no_event(fields, message):
    known = {name: getattr(CLICK, name) for name in COLUMNS}
    with pytest.raises(ValueError, match=message):
        Event(**{**known, **fields})


def test_an_event_that_breaks_a_rule_can_still_be_stored():
    odd = Event("e1", None, None, None, "share", 1_790_000_000_000)
    assert [column for _, column, _ in reasons(to_frame([odd]))] == [c for c in ALWAYS if c != "event_id"]


def test_half_a_surrogate_pair_becomes_a_replacement_character():
    """T3."""
    texts = [
        COMMENT.__class__("e", "s", "v", "c", "comment", 0, text=t).text for t in ("好看\ud83d", "\ud83d\ude02", "😂")
    ]
    assert texts == ["好看\ufffd", "😂", "😂"]


def test_a_row_that_cannot_be_stored_is_named(three):
    three.loc[1, "event_id"] = None
    with pytest.raises(ValueError, match="row 1: event_id of an event must be text that is not empty, not None"):
        list(to_events(three))
    with pytest.raises(ValueError, match="row 0: timestamp of an event must be a whole number, not None"):
        list(to_events(to_frame([CLICK]).assign(timestamp=pd.array([None], dtype="Int64"))))
