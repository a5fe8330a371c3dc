"""The log as a service would have stored it: one row an event, with the dirt of real logs put in and written down.

`clean_events` turns what happened into events; `soil` adds bots, repeated rows, wrong clocks, wrong
units and missing fields, and returns beside the dirty log what is wrong with which row.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.data.clips.log import DAY, SLATE
from avrec_lib.data.clips.world import World

COLUMNS = ["event_id", "session_id", "user_id", "item_id", "action", "timestamp", "position", "watch_seconds"]
COLUMNS += ["device", "text"]
N_BOTS, BOT_VISITS = 8, 12  # each visit is a slate, opened to the end within two seconds
SHARE_REPEATED = 0.015  # rows that were sent twice, with the same event id
SHARE_WRONG_CLOCK = 0.01  # sessions on a device whose clock is years off
SHARE_MILLISECONDS = 0.004  # rows whose timestamp is in ms
SHARE_WATCH_MILLISECONDS = 0.01  # clicks whose watch_seconds are ms
SHARE_WITHOUT_DEVICE = 0.02
SHARE_WITHOUT_USER = 0.002


def clean_events(
    impressions: pd.DataFrame,
    viewers: pd.DataFrame,
    item_ids: NDArray[np.str_],
    user_ids: NDArray[np.str_],
    comments: pd.DataFrame,
    searches: pd.DataFrame,
) -> pd.DataFrame:
    """Return the events in order of time: impression, click, like, comment, search (see `COLUMNS`).

    comments: impression (row of `impressions`), text; searches: impression (the first of the
    session that follows), text.
    """
    user, item = impressions["user"].to_numpy(), impressions["item"].to_numpy()
    base = pd.DataFrame(
        {
            "session_id": [f"s{number:05d}" for number in impressions["session"]],
            "user_id": user_ids[user],
            "item_id": item_ids[item],
            "action": "impression",
            "timestamp": impressions["timestamp"],
            "position": impressions["position"].astype("Int8"),
            "watch_seconds": np.float32(np.nan),
            "device": viewers["device"].to_numpy()[user],
            "text": None,
        }
    )
    clicked, liked = base[impressions["click"]].copy(), base[impressions["like"]].copy()
    clicked["action"], liked["action"] = "click", "like"
    clicked["watch_seconds"] = impressions.loc[clicked.index, "watch_seconds"]
    clicked["timestamp"] += 1
    liked["timestamp"] += 2
    said = base.loc[comments["impression"]].copy()
    said["action"], said["text"] = "comment", comments["text"].to_numpy()
    said["timestamp"] += 3
    sought = base.loc[searches["impression"]].copy()
    sought["action"], sought["text"] = "search", searches["text"].to_numpy()
    sought["timestamp"] -= 5
    sought[["item_id", "position"]] = None
    events = pd.concat([base, clicked, liked, said, sought])
    events["step"] = events["action"].map({"search": 0, "impression": 1, "click": 2, "like": 3, "comment": 4})
    events = events.sort_values(["timestamp", "session_id", "step"], kind="stable", ignore_index=True)
    events["event_id"] = [f"e{number:06d}" for number in range(len(events))]
    return events[COLUMNS]


def soil(events: pd.DataFrame, world: World) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the dirty log, in order of arrival, and the truth: one row for each of its rows.

    truth: `fault` ("" where the row is right, else bot, repeated, clock, milliseconds,
    watch_milliseconds, no_device, no_user), `timestamp`, `watch_seconds`, `device` and `user_id`
    as they would have been. A row has one fault at most. Rows arrive in the order of the true time,
    whatever their clock says; a repeated row arrives up to a minute after its first copy.
    """
    rng = world.rng("dirt")
    both = pd.concat([events.assign(fault=""), _bots(rng, events).assign(fault="bot")], ignore_index=True)
    table = both.sort_values("timestamp", kind="stable", ignore_index=True)
    table["event_id"] = [f"e{number:06d}" for number in range(len(table))]
    fault = table.pop("fault").to_numpy(object)
    truth = table[["timestamp", "watch_seconds", "device", "user_id"]].copy()

    sessions = events["session_id"].unique().tolist()
    wrong = rng.choice(sessions, size=int(SHARE_WRONG_CLOCK * len(sessions)), replace=False)
    shift = dict(zip(wrong, rng.choice([-56, -20, 3, 10], size=len(wrong)) * 365 * DAY, strict=True))
    off = table["session_id"].map(shift).fillna(0).astype(np.int64)
    _mark(fault, off.to_numpy() != 0, "clock")
    table["timestamp"] += off

    def pick(share: float, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.asarray((rng.random(len(table)) < share) & among & (fault == ""))

    rows = pick(SHARE_MILLISECONDS, np.ones(len(table), dtype=bool))
    _mark(fault, rows, "milliseconds")
    table.loc[rows, "timestamp"] *= 1000
    rows = pick(SHARE_WATCH_MILLISECONDS, (table["watch_seconds"] > 0).to_numpy())
    _mark(fault, rows, "watch_milliseconds")
    table.loc[rows, "watch_seconds"] *= 1000
    rows = pick(SHARE_WITHOUT_DEVICE, np.ones(len(table), dtype=bool))
    _mark(fault, rows, "no_device")
    table.loc[rows, "device"] = None
    rows = pick(SHARE_WITHOUT_USER, np.ones(len(table), dtype=bool))
    _mark(fault, rows, "no_user")
    table.loc[rows, "user_id"] = None

    again = np.flatnonzero(pick(SHARE_REPEATED, np.ones(len(table), dtype=bool)))
    arrival = truth["timestamp"].to_numpy().astype(np.float64)
    late = arrival[again] + rng.integers(1, 60, len(again))
    table = pd.concat([table, table.iloc[again]], ignore_index=True)
    truth = pd.concat([truth, truth.iloc[again]], ignore_index=True)
    truth.insert(0, "fault", np.concatenate([fault, np.full(len(again), "repeated", dtype=object)]))
    order = np.argsort(np.concatenate([arrival, late]), kind="stable")
    return table.iloc[order].reset_index(drop=True), truth.iloc[order].reset_index(drop=True)


def _bots(rng: np.random.Generator, events: pd.DataFrame) -> pd.DataFrame:
    """Return the events of programs that open everything: ten impressions and ten clicks within two seconds."""
    items = pd.unique(events["item_id"].dropna())
    first, last = int(events["timestamp"].min()), int(events["timestamp"].max())
    visits = N_BOTS * BOT_VISITS
    visit, step = np.repeat(np.arange(visits), 2 * SLATE), np.tile(np.arange(2 * SLATE), visits)
    click = step % 2 == 1
    shown = np.stack([rng.choice(len(items), SLATE, replace=False) for _ in range(visits)])  # (visits, SLATE)
    start = rng.integers(first, last, visits)
    return pd.DataFrame(
        {
            "event_id": "",
            "session_id": [f"s9{number:04d}" for number in visit],
            "user_id": [f"v{1000 + number % N_BOTS:04d}" for number in visit],
            "item_id": items[shown[visit, step // 2]],
            "action": np.where(click, "click", "impression"),
            "timestamp": start[visit] + step // SLATE,
            "position": pd.array(step // 2 + 1, dtype="Int8"),
            "watch_seconds": np.where(click, np.float32(0.1), np.float32(np.nan)).astype(np.float32),
            "device": "web",
            "text": None,
        }
    )


def _mark(fault: NDArray[np.object_], rows: NDArray[np.bool_], name: str) -> None:
    """Write down a fault where there is none yet."""
    fault[rows & (fault == "")] = name
