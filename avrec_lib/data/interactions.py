"""The one table that everything passes along: who met what, how much, and when.

Used from chapter 1 on. Every split, recommender and metric of the book takes `Interactions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data.columns import encode, numbers, seconds

Duplicates = Literal["latest", "count", "error"]


@dataclass(frozen=True, eq=False)
class Interactions:
    """Rows of (user, item, value, timestamp) as integer indices into two sorted id vocabularies.

    Parameters
    ----------
    users, items : int32 arrays, shape (n,)
        Indices into `user_ids` and `item_ids`.
    values : float32 array, shape (n,)
        A rating, or a count or weight for implicit feedback. 0 is a value like any other.
    timestamps : int64 array, shape (n,), or None
        Seconds since 1970-01-01 UTC.
    user_ids, item_ids : string arrays, shapes (n_users,) and (n_items,)
        The vocabularies. Ids are always strings (`"007"` stays `"007"`). `from_frame` sorts them
        as numbers when all of them are plain numbers and as text otherwise, so the index of an
        item never depends on the order of the rows.
    n_merged : int
        How many rows `from_frame` dropped or added together because the (user, item) pair came
        twice; 0 in a selection.

    Raises
    ------
    ValueError
        If the four columns differ in shape, an index is not a whole number or lies outside its
        vocabulary, or a value is not finite. No rows at all are allowed: a selection may be empty.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    values: NDArray[np.float32]
    timestamps: NDArray[np.int64] | None
    user_ids: NDArray[np.str_]
    item_ids: NDArray[np.str_]
    n_merged: int = 0

    def __post_init__(self) -> None:
        """Bring the columns to their dtypes and refuse what can't be a table."""
        set_column = partial(object.__setattr__, self)  # frozen for everyone else
        set_column("user_ids", np.asarray(self.user_ids, dtype=np.str_))
        set_column("item_ids", np.asarray(self.item_ids, dtype=np.str_))
        set_column("users", _indices(self.users, self.n_users, "users"))
        set_column("items", _indices(self.items, self.n_items, "items"))
        set_column("values", np.asarray(self.values, dtype=np.float32))
        if self.timestamps is not None:
            set_column("timestamps", _whole(self.timestamps, "timestamps").astype(np.int64, copy=False))
        shapes = {a.shape for a in (self.users, self.items, self.values, self.timestamps) if a is not None}
        if len(shapes) > 1 or len(self.users.shape) != 1:
            raise ValueError(f"users, items, values and timestamps must be flat and equally long, not {shapes}.")
        if not np.isfinite(self.values).all():
            raise ValueError("values hold NaN or infinity; a missing rating is a missing row.")

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        user: str = "user_id",
        item: str = "item_id",
        value: str | None = None,
        timestamp: str | None = None,
        duplicates: Duplicates = "latest",
        source: str = "the data frame",
    ) -> Interactions:
        """Build the table from a data frame.

        Parameters
        ----------
        frame : DataFrame
            One row an event. Row order is kept, except where duplicates are merged.
        user, item : str
            Names of the id columns. Ids are turned into strings; a float column of whole numbers
            (what pandas makes of integer ids once one was missing) is read as integers.
        value : str, optional
            Name of the rating or weight column. By default "rating" where there is one;
            otherwise every event counts 1.
        timestamp : str, optional
            Name of the time column: seconds since 1970 UTC, or datetimes (read as UTC where they
            have no time zone, rounded down to the second). By default "timestamp" where there
            is one.
        duplicates : {"latest", "count", "error"}
            What a repeated (user, item) pair means. "latest" keeps the row with the latest
            timestamp (an explicit rating was changed; at equal times, or without times, the larger
            value is kept, so that row order cannot matter). "count" makes one row, at the time of
            the latest, whose value is the number of events (implicit feedback). "error" refuses.
        source : str
            What to call the input in an error message.

        Raises
        ------
        ValueError
            If a column is missing, there are no rows, an id is missing or empty, a value is not a
            finite number, a time is not a whole number of seconds, or a pair is repeated and
            duplicates="error".
        """
        value = "rating" if value is None and "rating" in frame.columns else value
        timestamp = "timestamp" if timestamp is None and "timestamp" in frame.columns else timestamp
        wanted = [c for c in (user, item, value, timestamp) if c is not None]
        missing = [c for c in wanted if c not in frame.columns]
        if missing:
            raise ValueError(
                f"{source} has no column {', '.join(map(repr, missing))}; "
                f"it has {', '.join(map(repr, frame.columns))}. Name the columns with user=, item=, value=, timestamp=."
            )
        if frame.empty:
            raise ValueError(f"{source} has 0 rows; at least one interaction is needed.")
        users, user_ids = encode(frame[user], source)
        items, item_ids = encode(frame[item], source)
        values = np.ones(len(frame), np.float32) if value is None else numbers(frame[value], source)
        times = None if timestamp is None else seconds(frame[timestamp], source)
        order, totals = _merge(users, items, values, times, duplicates, source)
        return cls(
            users=users[order],
            items=items[order],
            values=totals if duplicates == "count" else values[order],
            timestamps=None if times is None else times[order],
            user_ids=user_ids,
            item_ids=item_ids,
            n_merged=len(frame) - len(order),
        )

    @property
    def n_users(self) -> int:
        """Number of users in the vocabulary, with or without rows."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items in the vocabulary, with or without rows."""
        return len(self.item_ids)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.users)

    def __repr__(self) -> str:
        """Return the sizes, in one line."""
        density = len(self) / max(1, self.n_users * self.n_items)
        return f"Interactions({len(self):,} rows, {self.n_users:,} users, {self.n_items:,} items, {density:.2%} filled)"

    def matrix(self) -> sp.csr_array:
        """Return the users × items matrix, CSR, float32, shape (n_users, n_items).

        A stored 0 is a rating of 0; an absent entry is unknown. The two differ until somebody
        calls `toarray()`. Raises ValueError if a (user, item) pair comes twice, because CSR would
        add the two values without a word.
        """
        table = sp.coo_array((self.values, (self.users, self.items)), shape=(self.n_users, self.n_items))
        matrix = table.tocsr()  # adds repeated pairs up, keeps stored zeros
        if matrix.nnz != len(self):
            raise ValueError("A (user, item) pair comes twice; build the table with from_frame(duplicates=...).")
        return matrix

    def select(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Interactions:
        """Return the rows named by a mask or by positions; the vocabularies stay whole."""
        times = None if self.timestamps is None else self.timestamps[rows]
        return replace(
            self, users=self.users[rows], items=self.items[rows], values=self.values[rows], timestamps=times, n_merged=0
        )

    def compact(self) -> Interactions:
        """Return the same rows with only the users and items that occur in them."""
        kept_users, users = np.unique(self.users, return_inverse=True)
        kept_items, items = np.unique(self.items, return_inverse=True)
        return replace(
            self,
            users=users.astype(np.int32),
            items=items.astype(np.int32),
            user_ids=self.user_ids[kept_users],
            item_ids=self.item_ids[kept_items],
        )

    def frame(self) -> pd.DataFrame:
        """Return the rows as a data frame with the ids written out."""
        columns: dict[str, NDArray[np.generic]] = {
            "user_id": self.user_ids[self.users],
            "item_id": self.item_ids[self.items],
            "value": self.values,
        }
        if self.timestamps is not None:
            columns["timestamp"] = self.timestamps
        return pd.DataFrame(columns)

    def user_index(self, ids: Iterable[object]) -> NDArray[np.int32]:
        """Return the indices of these user ids. Raises KeyError naming the unknown ones."""
        return _lookup(self.user_ids, ids, "user")

    def item_index(self, ids: Iterable[object]) -> NDArray[np.int32]:
        """Return the indices of these item ids. Raises KeyError naming the unknown ones."""
        return _lookup(self.item_ids, ids, "item")


def _indices(column: ArrayLike, size: int, name: str) -> NDArray[np.int32]:
    array = _whole(column, name)
    if array.size and not (array.min() >= 0 and array.max() < size):
        raise ValueError(f"{name} must lie in 0..{size - 1}, its vocabulary; they lie in {array.min()}..{array.max()}.")
    return array.astype(np.int32, copy=False)


def _whole(column: ArrayLike, name: str) -> NDArray[np.signedinteger | np.unsignedinteger]:
    array = np.asarray(column)
    if array.size == 0:
        return array.astype(np.int64)  # an empty list is float64
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must be whole numbers, not {array.dtype}; build the table with from_frame(...).")
    return array


def _merge(
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    values: NDArray[np.float32],
    times: NDArray[np.int64] | None,
    duplicates: Duplicates,
    source: str,
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the kept rows, in row order, and the number of events behind each."""
    if duplicates not in ("latest", "count", "error"):
        raise ValueError(f"duplicates must be 'latest', 'count' or 'error', not {duplicates!r}.")
    pairs = users.astype(np.int64) * (int(items.max()) + 1) + items
    ordered = np.sort(pairs)
    if (ordered[1:] != ordered[:-1]).all():  # the usual case, and far cheaper than what follows
        return np.arange(len(pairs)), np.ones(len(pairs), dtype=np.float32)
    when = np.zeros(len(users), dtype=np.int64) if times is None else times
    order = np.lexsort((values, when, pairs))  # the last of each run is the latest, then the largest
    same = pairs[order][1:] == pairs[order][:-1]
    if duplicates == "error" and same.any():
        row = int(order[1:][same].min())
        raise ValueError(f"{source}: row {row} repeats a (user, item) pair, and duplicates='error' forbids it.")
    last = np.append(~same, True)
    ends = np.flatnonzero(last)
    counts = np.diff(ends, prepend=-1).astype(np.float32)
    kept = order[last]
    back = np.argsort(kept, kind="stable")
    return kept[back], counts[back]


def _lookup(vocabulary: NDArray[np.str_], ids: Iterable[object], kind: str) -> NDArray[np.int32]:
    if isinstance(ids, str):
        ids = [ids]
    wanted: Sequence[str] = [str(i) for i in ids]
    index = pd.Index(vocabulary).get_indexer(pd.Index(wanted, dtype=object))
    if (index < 0).any():
        unknown = [w for w, i in zip(wanted, index, strict=True) if i < 0]
        shown = ", ".join(map(repr, unknown[:5])) + (" …" if len(unknown) > 5 else "")
        raise KeyError(
            f"unknown {kind} {shown}: not among the {len(vocabulary):,} {kind} ids of the training data "
            f"(ids are strings, such as {str(vocabulary[0]) if len(vocabulary) else '007'!r})."
        )
    return index.astype(np.int32)
