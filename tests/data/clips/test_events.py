"""The dirty log is the clean one with exactly the faults that the truth names."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data.clips.events import COLUMNS, N_BOTS, clean_events, soil
from avrec_lib.data.clips.world import World


@pytest.fixture(scope="module")
def clean():
    """2,000 small sessions of five clips."""
    n_sessions, size = 2000, 5
    rng = np.random.default_rng(0)
    session = np.repeat(np.arange(n_sessions), size)
    impressions = pd.DataFrame(
        {
            "user": session % 50,
            "item": rng.integers(0, 30, len(session)),
            "session": session,
            "position": np.tile(np.arange(1, size + 1), n_sessions),
            "timestamp": 1_790_000_000 + session * 1000 + np.tile(np.arange(size) * 10, n_sessions),
            "click": rng.random(len(session)) < 0.4,
            "like": False,
            "watch_seconds": np.float32(7.5),
        }
    )
    viewers = pd.DataFrame({"device": ["web", "ios"] * 25})
    ids = np.array([f"c{i}" for i in range(30)]), np.array([f"v{u:04d}" for u in range(50)])
    comments = pd.DataFrame({"impression": [0, 7], "text": ["nice", "好看"]})
    searches = pd.DataFrame({"impression": [5], "text": ["cats"]})
    return clean_events(impressions, viewers, *ids, comments, searches), impressions


@pytest.fixture(scope="module")
def soiled(clean):
    return soil(clean[0], World())


def test_every_thing_that_happened_is_one_event(clean):
    events, impressions = clean
    counts = events["action"].value_counts()
    assert counts.to_dict() == {
        "impression": len(impressions),
        "click": impressions["click"].sum(),
        "comment": 2,
        "search": 1,
    }
    assert list(events.columns) == COLUMNS
    assert events["event_id"].is_unique
    assert events["timestamp"].is_monotonic_increasing


def test_a_search_comes_before_its_session_and_names_no_clip(clean):
    search = clean[0].query("action == 'search'").iloc[0]
    assert search["text"] == "cats"
    assert pd.isna(search["item_id"])
    assert search["timestamp"] < clean[0].query("session_id == 's00001' and action == 'impression'")["timestamp"].min()


def test_rows_without_a_fault_are_as_they_were(clean, soiled):
    log, truth = soiled
    right = log[(truth["fault"] == "").to_numpy()].drop(columns="event_id")
    before = clean[0].drop(columns="event_id").astype(object).where(lambda table: table.notna(), None)
    known = set(map(tuple, before.to_numpy()))
    rows = right.astype(object).where(lambda table: table.notna(), None)
    assert all(row in known for row in map(tuple, rows.to_numpy()))


def test_each_fault_is_what_it_is_called(soiled):
    log, truth = soiled
    fault = truth["fault"]
    assert set(fault) == {
        "", "bot", "repeated", "clock", "milliseconds", "watch_milliseconds", "no_device", "no_user"
    }  # fmt: skip
    wrong = {
        "milliseconds": log["timestamp"] == truth["timestamp"] * 1000,
        "clock": (log["timestamp"] - truth["timestamp"]).abs() > 2 * 365 * 86_400,
        "watch_milliseconds": np.isclose(log["watch_seconds"], truth["watch_seconds"] * 1000),
        "no_device": log["device"].isna(),
        "no_user": log["user_id"].isna(),
    }
    for name, rows in wrong.items():
        assert rows[fault == name].all(), name
        if name != "clock":
            assert not rows[fault.isin(["", "bot", "repeated"])].any(), name


def test_a_repeated_row_has_the_event_id_of_its_first_copy(soiled):
    log, truth = soiled
    again = log.duplicated("event_id")
    assert (again == (truth["fault"] == "repeated")).all()
    copies = log[log["event_id"].isin(log.loc[again, "event_id"])].astype(object).where(lambda t: t.notna(), None)
    assert (copies.groupby("event_id").agg(lambda column: column.nunique(dropna=False)) == 1).all(axis=None)


def test_bots_open_ten_clips_within_two_seconds(soiled):
    log, truth = soiled
    bots = log[(truth["fault"] == "bot").to_numpy()]
    assert bots["user_id"].nunique() == N_BOTS
    visits = bots.groupby("session_id").agg(
        clicks=("action", lambda a: (a == "click").sum()), first=("timestamp", "min"), last=("timestamp", "max")
    )
    assert (visits["clicks"] == 10).all()
    assert (visits["last"] - visits["first"] <= 2).all()


def test_the_same_world_gives_the_same_dirt(clean, soiled):
    again, _ = soil(clean[0], World())
    pd.testing.assert_frame_equal(again, soiled[0])
