"""The order of a user's rows in time, and the one rule for rows with equal timestamps.

Timestamps have whole seconds and a visitor of MovieLens rates a page of films at once, so "the
last item of a user" is often several items: 44 % of MovieLens-100K's users tie on their last two.
Something must choose, and every convenient choice is unfair:

- the item id favours a kind of film: ids were handed out in an order that goes with popularity,
  so the held-out film would be systematically obscure (or well known, from the other end);
- the rating leaks the label: it would hold out the film the user liked best (or least);
- the row order depends on how somebody once wrote the file, and changes when it is shuffled.

The book tosses a coin that is fixed once and for all: rows of one user with equal timestamps are
ordered by a hash of the user id and the item id. It knows nothing about films, and gives the same
order on every machine, for every order of the rows, and for every subset of them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avrec_lib.data.interactions import Interactions

Ties = Literal["hash", "item", "rating", "row"]


def order_in_time(data: Interactions, *, ties: Ties = "hash") -> NDArray[np.intp]:
    """Return the row positions sorted by user, then timestamp, then the tie rule, shape (n,).

    Parameters
    ----------
    ties : {"hash", "item", "rating", "row"}
        What orders the rows of one user with equal timestamps. "hash" is the rule of the book,
        a fixed coin (see the top of this module). The others exist to show what they do: "item"
        by item index, "rating" by value (the best liked last), "row" as the rows stand.

    Raises
    ------
    ValueError
        If there are no timestamps, or the tie rule is unknown.
    """
    times = needed_times(data, "order_in_time")
    if ties == "hash":
        key: NDArray[np.generic] = _coin(data)
    elif ties == "item":
        key = data.items
    elif ties == "rating":
        key = np.lexsort((_coin(data), data.values)).argsort()  # equal ratings: the coin again
    elif ties == "row":
        key = np.arange(len(data))
    else:
        raise ValueError(f"ties must be 'hash', 'item', 'rating' or 'row', not {ties!r}.")
    return np.lexsort((data.items, key, times, data.users))


def _coin(data: Interactions) -> NDArray[np.uint64]:
    """Return a number for each row that depends only on its user id and item id, shape (n,).

    FNV-1a of each id's characters, the two joined and mixed by the SplitMix64 finaliser
    (Steele, Lea and Flood, 2014). Unlike Python's `hash` it is the same in every process.
    """
    users, items = _fnv1a(data.user_ids), _splitmix64(_fnv1a(data.item_ids))
    return _splitmix64(users[data.users] ^ items[data.items])


def _fnv1a(ids: NDArray[np.str_]) -> NDArray[np.uint64]:
    longest = ids.dtype.itemsize // 4  # NumPy keeps a character in four bytes
    codes = np.ascontiguousarray(ids).view(np.uint32).reshape(len(ids), longest).astype(np.uint64)  # (n, longest)
    h = np.full(len(ids), 0xCBF29CE484222325, dtype=np.uint64)
    for code in codes.T:  # 0 is the padding of shorter ids, which must not count
        h = np.where(code > 0, (h ^ code) * np.uint64(0x100000001B3), h)
    return h


def _splitmix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def needed_times(data: Interactions, asker: str) -> NDArray[np.int64]:
    """Return the timestamps, or raise a ValueError in the name of the function that needs them."""
    if data.timestamps is None:
        raise ValueError(
            f"{asker} needs timestamps and the table has none; load it with timestamp=... or use random_k_fold."
        )
    return data.timestamps
