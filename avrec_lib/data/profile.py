"""What a table is like before any model sees it: a few numbers that cost seconds, and controls to compare with.

Used by page 5.1.8, which chooses a first recommender by them. They are counted on a split, so that a look at the
training rows alone is `profile(leave_last_out(split.train))`: the diagnosis must not read the answers. Shuffling the
order of each history is the control of Klenitskiy et al. (2024), who tell by it whether a table has any order worth
learning; cutting all histories short makes a sparse copy of a table whose dense form is known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avrec_lib.data.interactions import Interactions
from avrec_lib.data.splits import Split
from avrec_lib.data.ties import needed_times, order_in_time


class Profile(NamedTuple):
    """Counts of one split.

    Attributes
    ----------
    rows, users, items : int
        Training rows, and the users and items that have any.
    rows_a_user, rows_an_item : float
        Medians over those users and items.
    new_users, new_items : float
        Share of the test rows whose user, or whose item, has no training row: no model that knows an item by
        its rows can find the latter.
    top_share : float
        Share of the training rows that fall on the 1 % of the items with the most (at least one item).
    same_second : float
        Of the pairs of neighbouring training rows of a user, the share with one timestamp, whose order the
        table does not tell; NaN without timestamps or pairs.
    """

    rows: int
    users: int
    items: int
    rows_a_user: float
    rows_an_item: float
    new_users: float
    new_items: float
    top_share: float
    same_second: float


def profile(split: Split) -> Profile:
    """Return the profile of a split. Timestamps are not needed, but for `same_second`."""
    train, test = split.train, split.test
    of_users = np.bincount(train.users, minlength=train.n_users)  # (n_users,)
    of_items = np.bincount(train.items, minlength=train.n_items)  # (n_items,)
    met = np.sort(of_items[of_items > 0])[::-1]
    top = met[: max(1, round(0.01 * len(met)))]
    return Profile(
        rows=len(train),
        users=int((of_users > 0).sum()),
        items=len(met),
        rows_a_user=float(np.median(of_users[of_users > 0])),
        rows_an_item=float(np.median(met)),
        new_users=float((of_users[test.users] == 0).mean()),
        new_items=float((of_items[test.items] == 0).mean()),
        top_share=float(top.sum() / len(train)),
        same_second=_same_second(train),
    )


def _same_second(data: Interactions) -> float:
    if data.timestamps is None:
        return float("nan")
    order = order_in_time(data)
    users, times = data.users[order], data.timestamps[order]
    one_user = users[1:] == users[:-1]
    return float((np.diff(times)[one_user] == 0).mean()) if one_user.any() else float("nan")


def shuffle_order(data: Interactions, seed: int = 0) -> Interactions:
    """Return the same rows with each user's timestamps dealt out anew among that user's rows.

    Who met what is untouched, and so is how many rows each moment has; only what came after what, and what came
    last, is lost. It does not depend on the order of the rows.

    Raises
    ------
    ValueError
        If there are no timestamps.
    """
    times = needed_times(data, "shuffle_order")
    order = order_in_time(data)
    coin = np.random.default_rng(seed).random(len(data))  # (n,): one for each row in the order of time
    dealt = np.empty_like(times)
    dealt[order[np.lexsort((coin, data.users[order]))]] = times[order]
    return replace(data, timestamps=dealt)


def cut_histories(data: Interactions, n: int) -> Interactions:
    """Return the last n rows of each user, by time; a shorter history stays whole. The vocabularies are kept.

    Raises
    ------
    ValueError
        If n is not a whole number of at least 1, or there are no timestamps.
    """
    if not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"cut_histories keeps a whole number of at least 1 rows of each user, not {n}.")
    needed_times(data, "cut_histories")
    order = order_in_time(data)
    users = data.users[order]
    from_end = np.cumsum(np.bincount(users, minlength=data.n_users))[users] - np.arange(len(data))  # 1 for the last
    return data.select(np.sort(order[from_end <= n]))


def equally_popular(split: Split, seed: int = 0) -> NDArray[np.int64]:
    """Return for each test row another item, not met by its user, with as nearly as possible as many training rows.

    A model that prefers the test item to this one knows something of the user, or of the item, that is not its
    popularity. Among equally near ones a coin chooses.

    Returns
    -------
    int64 array, shape (number of test rows,)

    Raises
    ------
    ValueError
        If some user has met every item.
    """
    train, test = split.train, split.test
    rng = np.random.default_rng(seed)
    counts = np.bincount(train.items, minlength=train.n_items)  # (n_items,)
    met = np.append(train.users, test.users).astype(np.int64), np.append(train.items, test.items)
    rivals = np.empty(len(test), dtype=np.int64)
    rows = np.lexsort((test.items, test.users))
    for mine in np.split(rows, np.flatnonzero(np.diff(test.users[rows])) + 1):
        user = test.users[mine[0]]
        free = np.ones(train.n_items, dtype=np.bool_)
        free[met[1][met[0] == user]] = False
        unmet = np.flatnonzero(free)
        if not len(unmet):
            raise ValueError(f"user {str(test.user_ids[user])!r} has met every item, so nothing is left to compare.")
        gap = np.abs(counts[unmet] - counts[test.items[mine], None])  # (rows of this user, unmet items)
        rivals[mine] = unmet[(gap + 0.5 * rng.random(gap.shape)).argmin(axis=1)]  # the coin moves no whole row
    return rivals
