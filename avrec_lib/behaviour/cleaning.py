"""From the log as it was stored to the log as it was meant, with a report of every row that was touched.

Section 4.1. What is wrong in one field is repaired where the other rows tell the right value, and only
rows that describe nothing a viewer did (a copy, a program) are removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.behaviour.clocks import DAY, true_times, wrong_clocks
from avrec_lib.behaviour.events import NOT_SECONDS, check_table, repeated_ids

KINDS = {  # what the report calls it, and what is done
    "repeated": "came before under the same event id: removed",
    "id_conflict": "came before under the same event id, with other content: left",
    "milliseconds": "a timestamp in ms, µs or ns: divided",
    "clock": "a clock that is off by whole days: shifted by them",
    "clock_guess": "a clock that is off by anything else: moved to when its neighbours arrived",
    "watch_milliseconds": "a watch time in ms: divided",
    "watch_impossible": "a watch time that is negative or longer than the clip: taken out",
    "no_user": "no user: that of the session, if there is just one",
    "no_device": "no device: that of the session, or else of the user, if there is just one",
    "bot": "a session in which a program opens clips: removed",
}
SAME = ("session_id", "item_id", "action", "position", "text")  # what sending an event again does not change


@dataclass(frozen=True)
class Thresholds:
    """What counts as wrong, and why.

    Parameters
    ----------
    ahead : float
        Seconds by which a time may lie after those of its neighbours in order of arrival. Nothing
        arrives before it happens; a day forgives a wrong time zone.
    late : float
        Seconds by which it may lie before them. An app keeps what it could not send, for weeks on a
        journey, hardly for three months.
    spreads : float
        A quiet log has neighbours that are days apart: no time is wrong that is within this many times
        the median distance of the neighbours.
    neighbours : int
        Rows that vouch for a time: enough that a wrong session is a minority, even at night.
    slack : float
        Seconds by which rows arrive out of order as a matter of course.
    bot_clicks, bot_seconds, bot_watch : int, float, float
        So many clicks of one user in so many seconds, none of them watched for longer than bot_watch
        seconds. A hand needs about a second to open a clip and see that it is the wrong one.
    longest_watch : float
        Seconds that nobody watches a clip, where its own length is not given.
    shortest_watch : float
        Seconds from which players report a watch. It tells 1,500 ms from 900 s that cannot be.
    watch_slack : float
        Seconds by which a watch time may exceed the clip, for buffering and rounding.

    Raises
    ------
    ValueError
        If one of them is negative, or neighbours or bot_clicks less than 3 or 2.
    """

    ahead: float = DAY
    late: float = 90 * DAY
    spreads: float = 10.0
    neighbours: int = 101
    slack: float = 600.0
    bot_clicks: int = 5
    bot_seconds: float = 2.0
    bot_watch: float = 0.5
    longest_watch: float = 600.0
    shortest_watch: float = 1.0
    watch_slack: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be a threshold."""
        least = {"neighbours": 3, "bot_clicks": 2}
        for field in fields(self):
            if not getattr(self, field.name) >= least.get(field.name, 0):
                raise ValueError(f"{field.name} must be at least {least.get(field.name, 0)}.")


def clean(
    events: pd.DataFrame, *, item_seconds: Mapping[str, float] | None = None, thresholds: Thresholds | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the log without what is wrong with it, and what was wrong with it.

    The steps follow `KINDS`, so that each can trust the former: copies go first, bots are told by
    times that are right already. A row can be named more than once. What is not named is unchanged.

    Parameters
    ----------
    events : DataFrame, n rows
        With the columns of `events.COLUMNS`, **in the order in which they arrived**: sorted by time, a
        log no longer tells which clock was wrong.
    item_seconds : mapping of item_id to float, or Series, optional
        The clips' lengths in seconds.
    thresholds : Thresholds, optional

    Returns
    -------
    table : DataFrame
        The rows that stay, in the same order, with their index and dtypes.
    report : DataFrame
        One row a change: row (int64, position in `events` from 0), kind (of `KINDS`), column, old, new
        (None: nothing), done ("changed", "removed" or "left"), in order of the rows.

    Raises
    ------
    ValueError
        If it is no table of events, timestamps are not whole numbers or watch times no numbers.
    """
    check_table(events)
    if not pd.api.types.is_integer_dtype(events["timestamp"]) or events["timestamp"].isna().any():
        raise ValueError("column 'timestamp' must hold a whole number in every row; validate(events) names the others.")
    if not pd.api.types.is_numeric_dtype(events["watch_seconds"]):
        raise ValueError("column 'watch_seconds' must hold numbers; validate(events) names the rows that do not.")
    limits = thresholds or Thresholds()
    table, ledger = events.copy(), _Ledger()
    keep = ~_remove_repeats(table, ledger)
    _repair_times(table, keep, limits, ledger)
    _repair_watches(table, keep, {} if item_seconds is None else item_seconds, limits, ledger)
    _fill(table, keep, "user_id", ["session_id"], "no_user", ledger)
    _fill(table, keep, "device", ["session_id", "user_id"], "no_device", ledger)
    bots = _bots(table, keep, limits)
    ledger.note("bot", bots, table["session_id"], done="removed")
    return table[keep & ~bots], ledger.report()


class _Ledger:
    """Collects what was done to which rows."""

    def __init__(self) -> None:
        self.entries: list[pd.DataFrame] = []

    def note(
        self, kind: str, rows: NDArray[np.bool_], old: pd.Series, new: pd.Series | None = None, done: str = "changed"
    ) -> None:
        """Write down the old values of some rows, and the new ones, if they have any."""
        entry: dict[str, Any] = {"row": np.flatnonzero(rows), "kind": kind, "column": old.name}
        for name, values in (("old", old), ("new", new)):
            listed: list[Any] = [None] * int(rows.sum())
            if values is not None:
                chosen = values[rows]
                listed = [None if gone else v for v, gone in zip(chosen.tolist(), chosen.isna(), strict=True)]
            entry[name] = pd.Series(listed, dtype=object)
        self.entries.append(pd.DataFrame({**entry, "done": done}))

    def report(self) -> pd.DataFrame:
        """Return all entries in order of the rows, those of one row in order of the steps."""
        report = pd.concat(self.entries).sort_values("row", kind="stable", ignore_index=True)
        return report.astype({"row": "int64", "kind": "str", "column": "str", "done": "str"})


def _remove_repeats(table: pd.DataFrame, ledger: _Ledger) -> NDArray[np.bool_]:
    later, first = repeated_ids(table["event_id"])
    equal = np.ones(len(later), dtype=bool)
    for name in SAME:
        codes = pd.factorize(table[name])[0]  # missing values are equal, as -1
        equal &= codes[later] == codes[first]
    repeated, conflict = np.zeros(len(table), dtype=bool), np.zeros(len(table), dtype=bool)
    repeated[later[equal]], conflict[later[~equal]] = True, True
    ledger.note("repeated", repeated, table["event_id"], done="removed")
    ledger.note("id_conflict", conflict, table["event_id"], table["event_id"], done="left")
    return repeated


def _repair_times(table: pd.DataFrame, keep: NDArray[np.bool_], limits: Thresholds, ledger: _Ledger) -> None:
    stored = table["timestamp"]
    times = stored.to_numpy(dtype=np.int64)
    for _ in ("ms", "µs", "ns"):
        times = np.where(np.abs(times) >= NOT_SECONDS, times // 1000, times)
    in_seconds = pd.Series(times, table.index, dtype=stored.dtype, name="timestamp")
    ledger.note("milliseconds", keep & (in_seconds != stored).to_numpy(dtype=bool), stored, in_seconds)
    rows = np.flatnonzero(keep)
    around = limits.neighbours
    wrong = wrong_clocks(times[rows], ahead=limits.ahead, late=limits.late, spreads=limits.spreads, neighbours=around)
    sessions = _codes(table["session_id"])[rows]
    new, is_exact = true_times(times[rows], wrong, sessions, slack=limits.slack, neighbours=around)
    right, exact, guessed = times.copy(), np.zeros(len(times), dtype=bool), np.zeros(len(times), dtype=bool)
    right[rows[wrong]], exact[rows[wrong]], guessed[rows[wrong]] = new, is_exact, ~is_exact
    table["timestamp"] = repaired = pd.Series(right, table.index, dtype=stored.dtype)
    ledger.note("clock", exact, in_seconds, repaired)
    ledger.note("clock_guess", guessed, in_seconds, repaired)


def _repair_watches(
    table: pd.DataFrame, keep: NDArray[np.bool_], lengths: Mapping[str, float], limits: Thresholds, ledger: _Ledger
) -> None:
    stored = table["watch_seconds"]
    watch = stored.to_numpy(dtype=np.float64, na_value=np.nan)
    own = table["item_id"].map(pd.Series(lengths, dtype="float64")).to_numpy(dtype=np.float64, na_value=np.nan)
    longest = np.where(np.isfinite(own), own + limits.watch_slack, limits.longest_watch)  # (n,)
    too_long = keep & (watch > longest)
    in_ms = too_long & (watch >= 1000 * limits.shortest_watch) & (watch <= 1000 * longest)
    impossible = (too_long & ~in_ms) | (keep & (watch < 0))
    watch = np.where(in_ms, watch / 1000, watch)
    watch[impossible] = np.nan
    table["watch_seconds"] = right = pd.Series(watch, table.index, name=stored.name).astype(stored.dtype)
    ledger.note("watch_milliseconds", in_ms, stored, right)
    ledger.note("watch_impossible", impossible, stored, right)


def _fill(
    table: pd.DataFrame, keep: NDArray[np.bool_], column: str, keys: list[str], kind: str, ledger: _Ledger
) -> None:
    """Fill gaps with the one value of the rows that have the same key; the first key that knows just one decides."""
    stored = table[column].mask(table[column] == "")
    gaps = keep & stored.isna().to_numpy()
    filled = stored
    for key in keys:
        pairs = pd.DataFrame({"key": table[key], "value": stored})[~gaps].dropna().drop_duplicates()
        known = pairs.drop_duplicates("key", keep=False).set_index("key")["value"]
        filled = filled.where(filled.notna(), table[key].map(known))
    told = gaps & filled.notna().to_numpy()
    table[column] = table[column].where(~told, filled)
    ledger.note(kind, told, stored, filled)
    ledger.note(kind, gaps & ~told, stored, done="left")


def _bots(table: pd.DataFrame, keep: NDArray[np.bool_], limits: Thresholds) -> NDArray[np.bool_]:
    """Return the rows of the sessions that hold a burst of clicks; of a burst without sessions, the clicks."""
    watch = table["watch_seconds"].to_numpy(dtype=np.float64, na_value=np.nan)
    brief = keep & table["action"].eq("click").to_numpy(dtype=bool, na_value=False) & ~(watch > limits.bot_watch)
    who, times = _codes(table["user_id"].fillna(table["session_id"])), table["timestamp"].to_numpy(dtype=np.int64)
    rows = np.flatnonzero(brief)
    rows = rows[np.lexsort((times[rows], who[rows]))]
    end = rows[limits.bot_clicks - 1 :]
    begin = rows[: len(end)]  # each run of bot_clicks: its first and its last
    burst = (who[begin] == who[end]) & (times[end] - times[begin] <= limits.bot_seconds)
    bot = np.zeros(len(table), dtype=bool)
    for step in range(limits.bot_clicks):
        bot[rows[np.flatnonzero(burst) + step]] = True
    sessions = table["session_id"]
    return keep & (bot | sessions.isin(sessions[bot].dropna()).to_numpy())


def _codes(ids: pd.Series) -> NDArray[np.int64]:
    """Return a number an id; each row without one gets a number of its own."""
    codes = pd.factorize(ids)[0].astype(np.int64)
    return np.where(codes >= 0, codes, -1 - np.arange(len(codes)))
