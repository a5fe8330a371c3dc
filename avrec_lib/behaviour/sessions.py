"""Visits: a viewer's events cut wherever nothing happened for half an hour.

Page 4.1.3. A log seldom knows where a visit ends, since nobody says goodbye. What it knows is silence:
if a viewer did nothing for longer than a gap, what follows is a new visit. Everything here is an Ibis
expression, so one text runs on DuckDB and on Spark.
"""

from __future__ import annotations

import math
from numbers import Real

import ibis
from ibis import _
from ibis.expr.types import FloatingValue, Table

from avrec_lib.behaviour.events import NOT_SECONDS

GAP = 1800.0  # seconds; the usual half hour of web analytics


def known(events: Table, now: float) -> Table:
    """Return what a log tells at a moment: the events up to then, and of a watch only if it is over.

    The row of a click has the time at which the clip began, and how long it ran. So at that time
    nobody knew yet how long it would run. A watch is known if timestamp + watch_seconds ≤ now;
    otherwise it becomes null, and the click stays.

    Parameters
    ----------
    events : Table
        With columns timestamp (s, whole number) and watch_seconds (s). Rows without a timestamp are left out.
    now : float
        Seconds since 1970-01-01 UTC.

    Returns
    -------
    Table
        The same columns, watch_seconds as float64.

    Raises
    ------
    ValueError
        If `now` is no time in seconds, or a column is missing.
    """
    now = moment(now)
    require(events, "timestamp", "watch_seconds")
    table = events.filter(_.timestamp <= now).mutate(watch_seconds=_.watch_seconds.cast("float64"))
    is_over = table.timestamp + table.watch_seconds <= now  # false for NaN, which engines sort above all numbers
    return table.mutate(watch_seconds=ibis.ifelse(is_over, table.watch_seconds, ibis.null("float64")))


def idle_seconds(events: Table) -> FloatingValue:
    """Return, for each row, the seconds in which its user had done nothing before it.

    idle_t = t - max over the user's earlier rows s of (t_s + watch_s)

    Who watches is not idle, so silence begins where the last watch ended. Negative while a clip still
    runs; null in a user's first row. Of rows with one timestamp, only the first can be idle.
    """
    end = events.timestamp + events.watch_seconds.cast("float64").fill_null(0.0)
    before = ibis.window(group_by="user_id", order_by="timestamp", preceding=(None, 1))
    return events.timestamp - end.max().over(before)


def sessionise(events: Table, gap: float = GAP) -> Table:
    """Return the events with each user's visits numbered: one begins after more than `gap` idle seconds.

    session_t = Σ_{s ≤ t} [idle_s > gap or s is the user's first]

    A row's number depends on earlier rows only: later events never change it. Rows with one timestamp are
    in one visit, whatever their order.

    Parameters
    ----------
    events : Table
        With columns user_id, timestamp (s), watch_seconds (s).
    gap : float
        Seconds, 0 or more.

    Returns
    -------
    Table
        The rows that have a user, in no order, with columns idle (float64, s, see `idle_seconds`) and session
        (int64, from 1).

    Raises
    ------
    ValueError
        If `gap` is negative or no number, or a column is missing.

    References
    ----------
    Catledge and Pitkow, Characterizing Browsing Strategies in the World-Wide Web, Computer Networks and
    ISDN Systems 27(6), 1995 (pauses of over 25.5 minutes); Halfaker et al., User Session Identification Based
    on Strong Regularities in Inter-activity Time, WWW 2015 (how to read a gap off the data).
    """
    check_gap(gap)
    require(events, "user_id", "timestamp", "watch_seconds")
    table = events.filter(_.user_id.notnull(), _.user_id != "")
    table = table.mutate(idle=idle_seconds(table))
    begins = (table.idle.isnull() | (table.idle > gap)).cast("int64")
    # By range, not by rows: events of one second come in any order, and all of them see the visit begin.
    up_to_now = ibis.range_window(group_by="user_id", order_by="timestamp", preceding=None, following=0)
    return table.mutate(session=begins.sum().over(up_to_now))


def session_table(events: Table, gap: float = GAP) -> Table:
    """Return one row a visit: user_id, session, start, end (s), seconds, n_events, n_clicks.

    A visit ends when its last event happens or its last watch is over. One event without a watch is a
    visit of 0 seconds. Takes what `sessionise` takes, and the column action.
    """
    require(events, "action")
    table = sessionise(events, gap)
    table = table.mutate(end=table.timestamp + table.watch_seconds.cast("float64").fill_null(0.0))
    visits = table.group_by("user_id", "session").aggregate(
        start=_.timestamp.min(), end=_.end.max(), n_events=_.count(), n_clicks=(_.action == "click").sum()
    )
    visits = visits.mutate(seconds=visits.end - visits.start)
    return visits.select("user_id", "session", "start", "end", "seconds", "n_events", "n_clicks")


def session_agreement(table: Table, truth: str = "session_id") -> dict[str, float]:
    """Compare the visits that were found with those that are known.

    A visit is exact if it has just the same events. recall = exact / n_true, precision = exact / n_found.

    Parameters
    ----------
    table : Table
        What `sessionise` returns, with the known visit in column `truth`. Rows without one are left out.

    Returns
    -------
    dict
        n_true, n_found, exact, split (known visits that were cut), merged (visits found that hold several
        known ones), precision, recall (NaN where there is nothing).

    Raises
    ------
    ValueError
        If a column is missing.
    """
    require(table, "user_id", "session", truth)
    rows = table.filter(table[truth].notnull())
    pieces = rows.select("user_id", "session", truth=rows[truth]).distinct().to_pandas()
    by_found, by_truth = (
        pieces.groupby(["user_id", "session"])["truth"],
        pieces.groupby(["user_id", "truth"])["session"],
    )
    found, true = by_found.size(), by_truth.size()  # pieces of each visit
    exact = int(((by_found.transform("size") == 1) & (by_truth.transform("size") == 1)).sum())
    return {
        "n_true": len(true),
        "n_found": len(found),
        "exact": exact,
        "split": int((true > 1).sum()),
        "merged": int((found > 1).sum()),
        "precision": exact / len(found) if len(found) else math.nan,
        "recall": exact / len(true) if len(true) else math.nan,
    }


def moment(now: float) -> float:
    """Return a time in seconds as a plain float, NumPy's numbers too; refuse what is none with a ValueError."""
    if isinstance(now, bool) or not isinstance(now, Real) or not abs(now) < NOT_SECONDS:
        raise ValueError(f"now must be a time in seconds since 1970, not {now!r}; divide milliseconds by 1000.")
    return float(now)


def check_gap(gap: float) -> None:
    """Refuse what is no length of time with a ValueError."""
    if not (math.isfinite(gap) and gap >= 0):
        raise ValueError(f"gap must be a number of seconds, 0 or more, not {gap}.")


def require(table: Table, *columns: str) -> None:
    """Refuse a table that lacks one of the columns with a ValueError that names it."""
    if missing := [name for name in columns if name not in table.columns]:
        raise ValueError(
            f"the table has no column {', '.join(map(repr, missing))}; it has "
            f"{', '.join(map(repr, table.columns))}. Rename its columns, or add empty ones."
        )
