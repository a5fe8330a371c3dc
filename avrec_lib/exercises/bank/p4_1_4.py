"""Exercises of 4.1.4, storage: bytes of a dictionary, row groups to read, an index, and a viewer erased from a lake."""

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from avrec_lib.behaviour.events import Event, to_frame
from avrec_lib.behaviour.storage import FILE, read_days, write_days
from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close


def _check_dictionary(answer: Any) -> str:  # noqa: ANN401
    refuse_close(answer, 500_240, "that is in bits for the rows and in bytes for the list; eight bits are a byte")
    refuse_close(answer, 62_500, "the list of the 20 names is missing", rtol=1e-3)
    refuse_close(answer, 54_264, "4.32 bits cannot be told apart from 5 in a file: round up", rtol=1e-3)
    refuse_close(answer, 1_200_000, "that is the column without a dictionary, each name written out", rtol=1e-3)
    expect_close(answer, 62_740, "five bits for each row, and twelve bytes for each name of the list", rtol=1e-3)
    return (
        "Written out it is 1.2 million bytes, 19 times as many. The list costs nearly nothing if its names come often."
    )


GROUPS = [(1, 4), (4, 9), (None, None), (10, 19), (20, 31)]


def to_read(groups: list[tuple[Any, Any]], low: float, high: float) -> list[int]:
    return [g for g, (least, most) in enumerate(groups) if least is None or (least <= high and most >= low)]


def _inside(groups: list[tuple[Any, Any]], low: float, high: float) -> list[int]:
    return [g for g, (least, most) in enumerate(groups) if least is None or (low <= least and most <= high)]


def _an_end_inside(groups: list[tuple[Any, Any]], low: float, high: float) -> list[int]:
    return [g for g, (least, most) in enumerate(groups) if least is None or low <= least <= high or low <= most <= high]


def _strictly(groups: list[tuple[Any, Any]], low: float, high: float) -> list[int]:
    return [g for g, (least, most) in enumerate(groups) if least is None or (least < high and most > low)]


def _untold_left_out(groups: list[tuple[Any, Any]], low: float, high: float) -> list[int]:
    return [g for g, (least, most) in enumerate(groups) if least is not None and least <= high and most >= low]


def _check_groups(answer: Callable[..., Any]) -> str:
    def numbers(low: float, high: float) -> list[int]:
        got = answer(list(GROUPS), low, high)
        if not isinstance(got, (list, tuple)):
            raise Wrong(f"expected a list of the groups' numbers, got {type(got).__name__}")
        return [int(g) for g in got]

    wide = numbers(4, 21)
    if 2 not in wide:
        raise Wrong("you leave out the group without statistics; nothing proves that it holds no such value")
    if 0 not in wide and 1 not in wide:
        raise Wrong("from 4 to 21: a value may equal a bound, and the ends of the groups count")
    if 0 not in wide and 4 not in wide:
        raise Wrong("from 4 to 21: you keep groups that lie inside; a group that only overlaps may hold a match too")
    if 0 not in wide:
        raise Wrong("from 4 to 21: a value may equal a bound, and group 0 ends with 4")
    if wide != [0, 1, 2, 3, 4]:
        raise Wrong(f"from 4 to 21 all five groups may hold a match, yours are {wide}")
    if 3 not in (narrow := numbers(12, 13)):
        raise Wrong("from 12 to 13: group 3 reaches from 10 to 19 and surrounds the question; no end of it lies inside")
    if narrow != [2, 3]:
        raise Wrong(f"from 12 to 13 only groups 2 and 3 may hold a match, yours are {narrow}")
    return "Statistics only ever prove absence. A group that is read may still hold no match at all."


WEEK = """SELECT user_id, COUNT(*) FROM events
    WHERE action = 'click' AND timestamp > 1792605600 AND timestamp <= 1793210400 GROUP BY user_id"""


def _check_index(answer: Any) -> str:  # noqa: ANN401
    if not isinstance(answer, str):
        raise Wrong(f"expected a line of SQL as text, got {type(answer).__name__}")
    store = sqlite3.connect(":memory:")
    try:
        store.execute("CREATE TABLE events (event_id, session_id, user_id, item_id, action, timestamp, watch_seconds)")
        store.execute(answer)
        plan = store.execute("EXPLAIN QUERY PLAN " + WEEK).fetchall()[0][3]
    except sqlite3.Error as error:
        raise Wrong(f"SQLite does not take that: {error}") from None
    finally:
        store.close()
    told = f"; SQLite's plan: {plan}"
    if "SEARCH" not in plan:
        raise Wrong("the question says nothing about what comes first in your index, so all rows are read" + told)
    if "action=? AND timestamp>?" not in plan:
        if "action=?" in plan:
            raise Wrong("the clicks are found, but those of all the month; the time is not in your index" + told)
        raise Wrong("the week is found, with its impressions; behind a range the index cannot be searched on" + told)
    if "COVERING" not in plan:
        raise Wrong("the right rows are found, but each is then fetched for its user" + told)
    return "First what must be equal, then one range, then what is only read. That order is the whole art of an index."


def erase(lake: Path, user: str) -> set[str]:
    changed = set()
    for path in sorted(Path(lake).glob(f"day=*/{FILE}")):
        day = pq.read_table(path, partitioning=None).to_pandas()
        rest = day[day["user_id"] != user]
        if len(rest) < len(day):
            changed.add(path.parent.name.removeprefix("day="))
            if rest.empty:
                path.unlink()
                path.parent.rmdir()
            else:
                write_days(rest, lake)
    return changed


def _rest_written(lake: Path, user: str) -> set[str]:
    table = read_days(lake).to_pandas()
    return set(write_days(table[table["user_id"] != user], lake))


def _all_anew(lake: Path, user: str) -> set[str]:
    table = read_days(lake).to_pandas()
    for path in sorted(Path(lake).glob(f"day=*/{FILE}")):
        path.unlink()
        path.parent.rmdir()
    return set(write_days(table[table["user_id"] != user], lake))


def _days_dropped(lake: Path, user: str) -> set[str]:
    changed = set()
    for path in sorted(Path(lake).glob(f"day=*/{FILE}")):
        if user in pq.read_table(path, partitioning=None)["user_id"].to_pylist():
            changed.add(path.parent.name.removeprefix("day="))
            path.unlink()
    return changed


def _only_rewritten(lake: Path, user: str) -> set[str]:
    changed = erase(lake, user)
    return {day for day in changed if (Path(lake) / f"day={day}").exists()}


def small_lake(lake: Path) -> pd.DataFrame:
    """Write three days: one of ann and bob, one of bob, one of ann alone; return their events."""
    who = [("ann", 0), ("bob", 0), ("ann", 0), ("bob", 1), ("ann", 2), ("ann", 2)]
    events = to_frame(
        Event(f"e{n}", f"s{n}", user, "c1", "like", 1_790_812_800 + 86_400 * day + n)
        for n, (user, day) in enumerate(who)
    )
    write_days(events, lake)
    return events


def _check_erase(answer: Callable[..., Any]) -> str:
    with tempfile.TemporaryDirectory() as name:
        lake = Path(name)
        events = small_lake(lake)
        untouched = lake / "day=2026-10-02" / FILE
        before = untouched.stat()
        changed = answer(lake, "ann")
        left = {
            path.parent.name: pq.read_table(path, partitioning=None)["user_id"].to_pylist()
            for path in lake.glob(f"day=*/{FILE}")
        }
        there = [user for users in left.values() for user in users]
        if there.count("bob") != (events["user_id"] == "bob").sum():
            raise Wrong(f"bob had 2 events and has {there.count('bob')} now; he had asked for nothing")
        if "ann" in left.get("day=2026-10-03", []):
            raise Wrong("the day on which only ann was there is as it was; write_days replaces no day it is not given")
        if "ann" in there:
            raise Wrong(f"{there.count('ann')} of ann's events are still there")
        after = untouched.stat() if untouched.exists() else None
        if after is None or (after.st_ino, after.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
            raise Wrong("the day without ann was written anew; that costs as much as it did the first time")
        if not isinstance(changed, (set, frozenset, list, tuple)):
            raise Wrong(f"expected a set of days, got {type(changed).__name__}")
        if set(changed) != {"2026-10-01", "2026-10-03"}:
            raise Wrong(f"the changed days are the first and the third, which is gone; yours are {sorted(changed)}")
    return "Two files of three were replaced for five rows of six: with a month and thousands of viewers it is worse."


EXERCISES = (
    Exercise(
        id="dictionary-bytes",
        title="A column in a dictionary",
        difficulty=1,
        minutes=4,
        prompt="""
            A row group of 100,000 rows has a column with 20 different names. In the list, each takes 12 bytes. How
            many bytes does the column take by the page's second equation? Before you check, guess how many times
            fewer that is than with each name written out.
        """,
        starter="dictionary_bytes = ...  # a number of bytes",
        hints=(
            "How many bits do you need to tell 20 names apart? There are $2^4 = 16$ numbers of four bits.",
            "Five bits for each row, divided by eight, and then the list.",
        ),
        solution=62_740.0,
        solution_source="dictionary_bytes = 100_000 * np.ceil(np.log2(20)) / 8 + 20 * 12",
        check=_check_dictionary,
        wrong=(
            (500_240, "eight bits are a byte"),
            (62_500, "the list of the 20 names"),
            (54_264, "round up"),
            (1_200_000, "without a dictionary"),
        ),
    ),
    Exercise(
        id="groups-to-read",
        title="Which row groups must be read?",
        difficulty=2,
        minutes=8,
        prompt="""
            Write `to_read(groups, low, high)`. `groups` is a list of pairs, the least and the greatest value of each
            row group; a pair is `(None, None)` where the file does not tell. Return the list of the numbers, from 0
            on and in order, of the groups that may hold a value from `low` to `high`, both included.
        """,
        starter="""
            def to_read(groups, low, high):
                ...  # your code here: a list of whole numbers
        """,
        hints=(
            "It is easier to say when a group can be left out: if it ends before `low` or begins after `high`.",
            "Of a group that tells nothing you cannot prove that it holds no match.",
        ),
        solution=to_read,
        check=_check_groups,
        wrong=(
            (_inside, "a group that only overlaps"),
            (_an_end_inside, "surrounds the question"),
            (_strictly, "group 0 ends with 4"),
            (_untold_left_out, "without statistics"),
        ),
    ),
    Exercise(
        id="index-for-the-week",
        title="An index for the analyst",
        difficulty=2,
        minutes=10,
        prompt="""
            The analyst now only counts: `SELECT user_id, COUNT(*) FROM events WHERE action = 'click' AND timestamp >
            … AND timestamp <= … GROUP BY user_id`. Write the line of SQL that makes one index of `events`, such that
            SQLite looks at the clicks of that week and at no other row, and finds all it needs in the index itself.
        """,
        starter="""index_sql = ...  # text: "CREATE INDEX by_week ON events (…)" """.rstrip(),
        hints=(
            "An index is a list sorted by its first column, then by its second, and so on, as in a telephone book.",
            "In a list by time and then by action, do the clicks of one week stand together?",
            "What is only read, and not searched for, can stand at the end.",
        ),
        solution="CREATE INDEX by_week ON events (action, timestamp, user_id)",
        solution_source='index_sql = "CREATE INDEX by_week ON events (action, timestamp, user_id)"',
        check=_check_index,
        wrong=(
            ("CREATE INDEX by_week ON events (user_id, action, timestamp)", "so all rows are read"),
            ("CREATE INDEX by_week ON events (timestamp, action, user_id)", "behind a range"),
            ("CREATE INDEX by_week ON events (action, user_id)", "those of all the month"),
            ("CREATE INDEX by_week ON events (action, timestamp)", "fetched for its user"),
            ("CREATE INDEX ON events (action)", "SQLite does not take that"),
        ),
    ),
    Exercise(
        id="erase-from-a-lake",
        title="Forget one viewer",
        difficulty=3,
        minutes=25,
        prompt="""
            Write `erase(lake, user)` for a folder that `write_days` made. Afterwards no file holds an event of the
            user, and everybody else's events are all there. Days without the user are not written, and a day that
            held nobody else is gone. Return the set of the days that changed, such as `{"2026-10-01"}`.
        """,
        starter="""
            def erase(lake, user):
                ...  # your code here: a set of days
        """,
        hints=(
            "The files are `lake.glob(f'day=*/{FILE}')`; `pq.read_table(path, partitioning=None)` reads just one. "
            "(Without `partitioning=None` pyarrow adds a column `day`, which it takes from the folder's name.)",
            "`write_days` replaces the days that it is given rows of. What does it do with a day without rows?",
            "A file goes by `path.unlink()`, its empty folder by `path.parent.rmdir()`.",
        ),
        solution=erase,
        check=_check_erase,
        wrong=(
            (_rest_written, "write_days replaces no day"),
            (_all_anew, "was written anew"),
            (_days_dropped, "he had asked for nothing"),
            (_only_rewritten, "which is gone"),
        ),
    ),
)

QUIZ = Quiz(
    id="4.1.4",
    questions=(
        Question(
            "In a file of columns in order of time, a question asks for two columns of one week. Shuffling the rows "
            "makes it slower. Why?",
            (
                Option("It has to look for each row.", False, "It reads whole chunks either way, only more of them."),
                Option(
                    "Groups can no longer be left out, and neighbours are less alike.",
                    True,
                    "Every group now spans all times, and the compression has fewer equal neighbours.",
                ),
                Option("More columns are needed.", False, "The same two are; the order of rows changes none of that."),
            ),
        ),
        Question(
            "The app shows the last five clips that a viewer clicked, whoever it is. Which is the right home for that?",
            (
                Option(
                    "Columns in order of time.",
                    False,
                    "Whole row groups are read for five rows, and all of them for somebody who clicked long ago.",
                ),
                Option(
                    "Rows with an index by user, action and time.",
                    True,
                    "The search lands on the viewer's clicks and takes the last five, whenever they were.",
                ),
                Option(
                    "A lake partitioned by day.",
                    False,
                    "Its files are opened from the newest back until there are five, which may be all of them.",
                ),
            ),
        ),
        Question(
            "A document store takes a misspelt field without complaint. Where is the mistake found?",
            (
                Option("When the document is written.", False, "Any field is welcome there."),
                Option("When it is read.", False, "A field that is not there is null, which is a valid answer."),
                Option(
                    "Only where a reader checks for it.", True, "The schema has moved from the store into the programs."
                ),
            ),
        ),
        Question(
            "Late events arrive all day long. Which way of storing them is the soundest for a lake?",
            (
                Option("A small file for each.", False, "Soon the ends of the files outweigh what is in them."),
                Option("Their day rewritten at once, each time.", False, "A whole day is written for every event."),
                Option(
                    "Collected, and the days they belong to rewritten once a night.",
                    True,
                    "One rewriting serves all that came; until then yesterday is not final, and should say so.",
                ),
            ),
        ),
    ),
)
