"""What an event is: its fields, what each action needs, and which rows of a table break the rules.

Section 4.1. A log is a table with one row an event, in the order of arrival. `Event` is one row that
can be stored; `validate` tells what is wrong with which row. The two are kept apart on purpose: a
row that breaks a rule can still be stored, found and repaired, a row refused at the door is gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NUMBERS = {"timestamp": "int64", "position": "float64", "watch_seconds": "float32"}  # all other columns are text
STORED = ("event_id", "action", "timestamp")  # what a record cannot do without
ALWAYS = ("event_id", "session_id", "user_id", "action", "timestamp", "device")  # what every event has
NEEDS: dict[str, tuple[str, ...]] = {  # what else an action must have
    "impression": ("item_id", "position"),
    "click": ("item_id",),
    "like": ("item_id",),
    "comment": ("item_id", "text"),
    "search": ("text",),
}
MAY_HAVE: dict[str, tuple[str, ...]] = {  # and what else it can have
    "click": ("position", "watch_seconds"),
    "like": ("position",),
    "comment": ("position",),
}
NOT_SECONDS = 10**11  # as seconds, the year 5138; as milliseconds, March 1973: no log of ours holds either


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that one viewer did, with types that can be stored; whether it makes sense, `validate` tells.

    Parameters
    ----------
    event_id : str
        Given by the sender, the same when the same event is sent again; not empty.
    session_id, user_id : str or None
        None where the sender did not know.
    item_id : str or None
        The clip; a search has none.
    action : str
        "impression" (was shown), "click", "like", "comment" or "search".
    timestamp : int
        When it happened by the sender's clock, in seconds since 1970-01-01 UTC.
    position : int, optional
        Place in the list that was shown, counted from 1.
    watch_seconds : float, optional
        How long a clicked clip ran, in seconds.
    device : str, optional
        Such as "android", "ios", "web", "tv".
    text : str, optional
        The comment, or the words searched for. Half a surrogate pair, which UTF-8 cannot hold,
        becomes U+FFFD, here and in all other text.

    Raises
    ------
    ValueError
        If a field is of another type, `event_id` or `action` is empty, or a number is not finite.
    """

    event_id: str
    session_id: str | None
    user_id: str | None
    item_id: str | None
    action: str
    timestamp: int
    position: int | None = None
    watch_seconds: float | None = None
    device: str | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be stored and read again as it was."""
        for name in COLUMNS:
            value = getattr(self, name)
            if value is None and name not in STORED:
                continue
            if reason := _unstorable(name, value):
                hint = "" if name in STORED else ", or None where it is not known"
                raise ValueError(f"{name} of an event must be {reason}{hint}, not {value!r}.")
            if isinstance(value, str) and not value.isascii():
                object.__setattr__(self, name, _whole_text(value))


COLUMNS = tuple(field.name for field in fields(Event))


def to_frame(events: Iterable[Event]) -> pd.DataFrame:
    """Return the events as a table with `COLUMNS`, one row an event, in order.

    dtypes: text columns str (missing: NaN), timestamp int64, position float64 (missing: NaN),
    watch_seconds float32 (missing: NaN).
    """
    rows = list(events)
    return pd.DataFrame(
        {name: pd.Series([getattr(row, name) for row in rows], dtype=NUMBERS.get(name, "str")) for name in COLUMNS}
    )


def to_events(events: pd.DataFrame) -> Iterator[Event]:
    """Yield the rows of a table as events, in order; a missing value becomes None.

    Raises
    ------
    ValueError
        If it is no table of events, or a row cannot be stored (see `Event`), with its number.
    """
    check_table(events)
    columns = [_plain(events[name]) for name in COLUMNS]
    for row, values in enumerate(zip(*columns, strict=True)):
        try:
            yield Event(*values)
        except ValueError as error:
            raise ValueError(f"row {row}: {error}") from None


def check_table(events: pd.DataFrame) -> None:
    """Refuse what is not a table of events at all; further columns and an empty table are allowed.

    Raises
    ------
    ValueError
        If it is no DataFrame, or a column of `COLUMNS` is not there or there twice.
    """
    if not isinstance(events, pd.DataFrame):
        raise ValueError(f"events must be a DataFrame with one row an event, not {type(events).__name__}.")
    names = list(events.columns)
    if missing := [name for name in COLUMNS if name not in names]:
        raise ValueError(
            f"this is no table of events: it has no column {', '.join(map(repr, missing))}; "
            f"it has {', '.join(map(repr, names)) or 'none'}. Rename its columns, or add empty ones."
        )
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise ValueError(f"the column {', '.join(map(repr, twice))} is there more than once; drop all but one.")


def validate(events: pd.DataFrame) -> pd.DataFrame:
    """Return what is wrong with which row, as far as the row itself (or its event_id elsewhere) tells.

    Nothing is changed or dropped, and a row can be named more than once. What only its neighbours
    tell, such as a clock that is years off, is found by `cleaning.clean`.

    Parameters
    ----------
    events : DataFrame
        With `COLUMNS`; numbers may be written as text.

    Returns
    -------
    DataFrame
        row (int64, position from 0), column, reason (the rest of a sentence "<column> ..."), in
        order of the rows and, in a row, of `COLUMNS`; no rows if all is well.

    Raises
    ------
    ValueError
        If it is no table of events (see `check_table`).
    """
    check_table(events)
    found: list[pd.DataFrame] = []

    def tell(rows: NDArray[np.bool_], column: str, reason: str) -> None:
        found.append(pd.DataFrame({"row": np.flatnonzero(rows), "column": column, "reason": reason}))

    absent: dict[str, NDArray[np.bool_]] = {}  # per column, (n,)
    for name in COLUMNS:
        values = events[name]
        absent[name] = values.isna().to_numpy(dtype=bool)
        if name in NUMBERS:
            _check_numbers(values, absent[name], tell)
        else:
            listed = values.tolist()
            is_text = np.array([isinstance(value, str) for value in listed], dtype=bool)
            tell(~is_text & ~absent[name], name, "is not text")
            absent[name] = absent[name] | np.array([isinstance(v, str) and not v for v in listed], dtype=bool)
        if name in ALWAYS:
            tell(absent[name], name, "is missing")
    action = events["action"]
    tell(~action.isin(list(NEEDS)).to_numpy() & ~absent["action"], "action", f"is not one of {', '.join(NEEDS)}")
    for name in (name for name in COLUMNS if name not in ALWAYS):
        needing = action.isin([a for a, needs in NEEDS.items() if name in needs]).to_numpy()
        without = action.isin([a for a, needs in NEEDS.items() if name not in needs + MAY_HAVE.get(a, ())]).to_numpy()
        tell(needing & absent[name], name, "is missing, and this action needs it")
        tell(without & ~absent[name], name, "is given, and this action has none")
    rows, first = repeated_ids(events["event_id"])
    reasons = [f"is that of row {row} already" for row in first]
    found.append(pd.DataFrame({"row": rows, "column": "event_id", "reason": reasons}))
    report = pd.concat(found)
    order = np.lexsort((report["column"].map({name: i for i, name in enumerate(COLUMNS)}), report["row"]))
    return report.iloc[order].reset_index(drop=True).astype({"row": "int64", "column": "str", "reason": "str"})


def _check_numbers(values: pd.Series, absent: NDArray[np.bool_], tell: Callable[..., None]) -> None:
    name = str(values.name)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    good = np.isfinite(numbers)
    tell(~good & ~absent, name, "is not a finite number")
    if name == "watch_seconds":
        tell(good & (numbers < 0), name, "is negative")
        return
    whole = good & (numbers == np.floor(numbers))
    tell(good & ~whole, name, "is not a whole number")
    if name == "position":
        tell(whole & (numbers < 1), name, "is less than 1, the first place")
    else:
        tell(whole & (numbers < 0), name, "is before 1970")
        tell(whole & (numbers >= NOT_SECONDS), name, "is not in seconds (milliseconds?)")


def repeated_ids(ids: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows whose id (not missing, not empty) came before, and for each the row that had it first."""
    codes = pd.factorize(ids.mask(ids == ""))[0]  # (n,), -1 where it is missing
    first = np.zeros(len(codes) + 1, dtype=np.int64)  # the last place is that of the missing ones
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of equal codes the last one assigned stays: the first row
    rows = np.flatnonzero((first[codes] != np.arange(len(codes))) & (codes >= 0))
    return rows, first[codes[rows]]


def _plain(column: pd.Series) -> list[Any]:
    """Return the values as plain Python ones, None for missing ones, a whole position as int, 10.7 as 10.7."""
    absent = column.isna().to_numpy(dtype=bool)
    values: list[Any] = column.tolist()
    if column.dtype == np.float32:  # by its shortest digits: 10.7, not 10.699999809265137
        values = [float(str(value)) for value in column.to_numpy()]
    if column.name in ("timestamp", "position"):
        values = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    return [None if gone else value for value, gone in zip(values, absent, strict=True)]


def _unstorable(name: str, value: object) -> str:
    """Return what a field must be, or "" if it is."""
    if name == "watch_seconds":
        return "" if type(value) in (int, float) and math.isfinite(value) else "a finite number"  # type: ignore[arg-type]
    if name in NUMBERS:
        return "" if type(value) is int and abs(value) < 2**63 else "a whole number"
    return "" if isinstance(value, str) and (value or name not in STORED) else "text that is not empty"


def _whole_text(text: str) -> str:
    """Join surrogates that make a pair, and replace lone ones by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
