"""A user's items in the order of time, and the windows of them that a network reads.

Everything a sequential model learns, it learns from order, so the order comes from one place:
`avrec_lib.data.ties.order_in_time`, never from how the rows happen to stand. A window holds the
items first and the padding after them: a causal network then never sees any padding.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.data.ties import needed_times, order_in_time

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Histories:
    """The items of every user, oldest first, one user after the other.

    Parameters
    ----------
    items : int64 array, shape (n,)
    starts : int64 array, shape (n_users + 1,)
        The items of user u are `items[starts[u]:starts[u + 1]]`; there may be none.
    n_items : int
        Size of the catalogue; it is also the number that stands for "no item" in a window.
    """

    items: IntArray
    starts: IntArray
    n_items: int

    @property
    def n_users(self) -> int:
        """Number of users, with or without items."""
        return len(self.starts) - 1

    @cached_property
    def lengths(self) -> IntArray:
        """Number of items of each user, shape (n_users,)."""
        return np.diff(self.starts)

    def of(self, user: int) -> IntArray:
        """Return the items of one user, oldest first."""
        return self.items[self.starts[user] : self.starts[user + 1]]

    def owners(self) -> IntArray:
        """Return the user of each item, shape (n,)."""
        return np.repeat(np.arange(self.n_users), self.lengths)

    def digest(self) -> str:
        """Return a SHA-256 of everything here: equal histories, and hardly any others, have the same."""
        parts = (self.items, self.starts, np.array([self.n_items]))
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def without_last(self) -> tuple[Histories, IntArray, IntArray]:
        """Cut the last item off every user who has two or more: what is left, those users, their last items."""
        users = np.flatnonzero(self.lengths >= 2)  # (B,)
        last = self.starts[users + 1] - 1  # (B,)
        kept = np.ones(len(self.items), dtype=np.bool_)
        kept[last] = False
        starts = self.starts.copy()
        starts[1:] -= np.cumsum(self.lengths >= 2)
        return Histories(self.items[kept], starts, self.n_items), users, self.items[last]


def histories(data: Interactions) -> Histories:
    """Return each user's items in the order of time; equal timestamps by the book's tie rule.

    A pair that comes twice (somebody watched it again) is two events, and both stay.

    Raises
    ------
    ValueError
        If the table has no timestamps: without them there is no order to learn from.
    """
    needed_times(data, "a sequential model")
    starts = np.concatenate([[0], np.cumsum(np.bincount(data.users, minlength=data.n_users))])
    return Histories(data.items[order_in_time(data)].astype(np.int64), starts.astype(np.int64), data.n_items)


def last_windows(past: Histories, users: IntArray, T: int) -> IntArray:
    """Return the last T items of some users, oldest first, then padding (n_items), int64, shape (B, T)."""
    ends = past.starts[users + 1]  # (B,)
    lengths = np.minimum(past.lengths[users], T)
    return _padded(past, ends - lengths, lengths, T)


def training_windows(past: Histories, T: int) -> tuple[IntArray, IntArray]:
    """Cut all histories into windows of T inputs and, one step later, T targets.

    A window has T + 1 items: the network reads the first T and is asked, after each, for the next.
    The last window of a user ends with the user's last item, the one before ends with the item
    that the last begins with, and so on; the first may be shorter. So every item but a user's first
    is a target exactly once. A user with fewer than two items has no window.

    Parameters
    ----------
    T : int
        At least 1.

    Returns
    -------
    windows : int64 array, shape (W, T + 1)
        Padded with n_items at the end.
    users : int64 array, shape (W,)
        Whose window it is.
    """
    n_windows = np.maximum(-(-(past.lengths - 1) // T), 0)  # (n_users,): ⌈(n − 1) / T⌉
    users = np.repeat(np.arange(past.n_users), n_windows)  # (W,)
    from_end = np.cumsum(n_windows)[users] - np.arange(len(users)) - 1  # 0 for a user's last window
    ends = past.starts[users + 1] - from_end * T
    lengths = np.minimum(ends - past.starts[users], T + 1)
    return _padded(past, ends - lengths, lengths, T + 1), users


def _padded(past: Histories, first: IntArray, lengths: IntArray, width: int) -> IntArray:
    """Return items[first[b] : first[b] + lengths[b]] for each b, then padding, shape (B, width)."""
    place = np.arange(width)
    rows = np.minimum(first[:, None] + place, max(len(past.items) - 1, 0))  # (B, width)
    real = place < lengths[:, None]
    items = past.items if len(past.items) else np.zeros(1, dtype=np.int64)
    return np.where(real, items[rows], past.n_items)
