"""How the rows are divided into what a model may learn from and what it is measured on.

Used by every experiment of the book. A split decides the number it produces at least as much as
the model does, so each one states its rule, and none depends on the order of the input rows
(except `official_folds`, whose definition is that order). The tables of a split are sorted by
user, then item, so two orders of the same rows give identical tables, hence identical metrics.

Rows of one user with equal timestamps are ordered by the tie rule of `avrec_lib.data.ties`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec_lib.data.interactions import Interactions
from avrec_lib.data.ties import Ties, needed_times, order_in_time


@dataclass(frozen=True, eq=False)
class Split:
    """A table to learn from and a table to be measured on.

    Parameters
    ----------
    train, test : Interactions
        Both with the same vocabularies, so an index means the same in either.
    name : str
        What to call the split in a table of results.

    Raises
    ------
    ValueError
        If the vocabularies differ, a table has no rows, or a (user, item) pair is in both: a
        model that has seen the answer is not being tested.
    """

    train: Interactions
    test: Interactions
    name: str

    def __post_init__(self) -> None:
        train, test = self.train, self.test
        for kind, a, b in (("user", train.user_ids, test.user_ids), ("item", train.item_ids, test.item_ids)):
            if a is not b and not np.array_equal(a, b):
                raise ValueError(
                    f"split {self.name!r}: train and test have different {kind} vocabularies; "
                    "make both with select() from one table."
                )
        for kind, table in (("train", train), ("test", test)):
            if len(table) == 0:
                raise ValueError(f"split {self.name!r}: the {kind} table has 0 rows; change the size or use more data.")
        both = np.isin(_pair_keys(test), _pair_keys(train))
        if both.any():
            row = int(both.argmax())
            user, item = str(test.user_ids[test.users[row]]), str(test.item_ids[test.items[row]])
            raise ValueError(
                f"split {self.name!r}: {int(both.sum())} (user, item) pairs are in train and in test (first: user "
                f"{user!r}, item {item!r}); merge repeated pairs with from_frame(duplicates=...) before splitting."
            )


def random_k_fold(data: Interactions, n_folds: int = 5, seed: int = 0) -> list[Split]:
    """Deal the rows at random into n folds of equal size (±1); each is the test table once.

    The rows are put into a fixed order (user, then item) before they are dealt, so a seed names
    the same folds whatever order they came in.

    Raises
    ------
    ValueError
        If there are fewer than 2 folds, or more folds than rows.
    """
    _check_folds(data, n_folds, "random_k_fold")
    dealt = _sorted_rows(data)[np.random.default_rng(seed).permutation(len(data))]
    return [
        _split(data, _mask(data, rows), f"random {n_folds}-fold (seed {seed}), fold {fold}")
        for fold, rows in enumerate(np.array_split(dealt, n_folds), start=1)
    ]


def official_folds(data: Interactions, n_folds: int = 5) -> list[Split]:
    """Cut the rows, in the order they are in, into n consecutive folds; each is the test table once.

    On MovieLens-100K in its file order these are the published folds u1 to u5. **This is the only
    split that depends on the order of the rows**: give it the table as it was loaded.

    Raises
    ------
    ValueError
        If there are fewer than 2 folds, or more folds than rows.
    """
    _check_folds(data, n_folds, "official_folds")
    return [
        _split(data, _mask(data, rows), f"official fold u{fold}")
        for fold, rows in enumerate(np.array_split(np.arange(len(data)), n_folds), start=1)
    ]


def leave_last_out(data: Interactions, *, ties: Ties = "hash") -> Split:
    """Hold out the last row of each user, by time; a user with a single row stays in train.

    Apply it to `split.train` again for a validation table. It looks at each user's own time, so
    the training rows of one user may be later than the test row of another: use `time_cut` where
    that matters.

    Parameters
    ----------
    ties : {"hash", "item", "rating", "row"}
        Which of the rows with the latest timestamp is the last; see `ties.order_in_time`.

    Raises
    ------
    ValueError
        If there are no timestamps, or no user has two rows.
    """
    needed_times(data, "leave_last_out")
    return _last_rows(data, np.ones(data.n_users, dtype=np.int64), "leave last out", ties)


def last_fraction(data: Interactions, fraction: float = 0.2, *, ties: Ties = "hash") -> Split:
    """Hold out the last part of each user's rows, by time.

    A user with n ≥ 2 rows gives max(1, ⌊fraction·n + ½⌋) of them to test (halves are rounded up),
    but never all; a user with a single row stays in train.

    Raises
    ------
    ValueError
        If there are no timestamps, the fraction is not between 0 and 1, or no user has two rows.
    """
    needed_times(data, "last_fraction")
    _check_fraction(fraction, "last_fraction")
    n_rows = np.bincount(data.users, minlength=data.n_users)  # (n_users,)
    n_test = np.floor(fraction * n_rows + 0.5 + 1e-9).astype(np.int64)  # 1e-9: 0.15 · 10 must reach its half
    return _last_rows(data, np.maximum(n_test, 1), f"last {100 * fraction:g} % of each user", ties)


def time_cut(data: Interactions, fraction: float = 0.25) -> Split:
    """Cut all rows at one moment: train is everything before it, test everything from it on.

    The only split that never learns from the future: max(train.timestamps) < min(test.timestamps).
    Rows with equal timestamps stay together, so the test table holds the possible number of rows
    that is nearest to fraction·n (the larger of two equally near ones). Users and items may be in
    only one of the tables.

    Raises
    ------
    ValueError
        If there are no timestamps, the fraction is not between 0 and 1, or no two rows differ in time.
    """
    times = needed_times(data, "time_cut")
    _check_fraction(fraction, "time_cut")
    moments, counts = np.unique(times, return_counts=True)
    if len(moments) < 2:
        raise ValueError("time_cut: no two rows differ in time, so no moment separates them; use random_k_fold.")
    n_test = np.cumsum(counts[::-1])[::-1][1:]  # rows from each moment on; the first would leave no training rows
    cut = moments[1:][np.abs(n_test - fraction * len(data)).argmin()]
    return _split(data, times >= cut, f"time cut, last {100 * fraction:g} %")


def k_core(data: Interactions, k: int = 5) -> Interactions:
    """Return the largest part in which every user and every item has at least k rows.

    Dropping a rare item can make a user rare, so it is repeated until nothing changes. The
    vocabularies shrink to what is left; the order of the rows is kept.

    Raises
    ------
    ValueError
        If k < 1, or nothing is left.
    """
    if k < 1:
        raise ValueError(f"k_core: k must be at least 1, not {k}.")
    core = data
    while True:
        often = (np.bincount(core.users, minlength=core.n_users) >= k)[core.users]
        often &= (np.bincount(core.items, minlength=core.n_items) >= k)[core.items]
        if not often.any():
            raise ValueError(f"k_core: no users and items with {k} rows each are left; choose a smaller k.")
        if often.all():
            return core.compact()
        core = core.select(often)


def _last_rows(data: Interactions, n_test: NDArray[np.int64], name: str, ties: Ties) -> Split:
    """Hold out the last n_test[u] rows of each user u, keeping at least one in train."""
    n_rows = np.bincount(data.users, minlength=data.n_users)  # (n_users,)
    if n_rows.max(initial=0) < 2:
        raise ValueError(f"split {name!r}: no user has two rows, so nothing can be held out; use time_cut.")
    n_test = np.minimum(n_test, n_rows - 1)
    order = order_in_time(data, ties=ties)
    users = data.users[order]
    from_end = np.cumsum(n_rows)[users] - np.arange(len(data))  # 1 for a user's last row, 2 for the one before
    return _split(
        data, _mask(data, order[from_end <= n_test[users]]), name + ("" if ties == "hash" else f", by {ties}")
    )


def _split(data: Interactions, in_test: NDArray[np.bool_], name: str) -> Split:
    order = _sorted_rows(data)
    held_out = in_test[order]
    return Split(train=data.select(order[~held_out]), test=data.select(order[held_out]), name=name)


def _sorted_rows(data: Interactions) -> NDArray[np.intp]:
    return np.argsort(_pair_keys(data), kind="stable")


def _mask(data: Interactions, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    mask = np.zeros(len(data), dtype=np.bool_)
    mask[rows] = True
    return mask


def _pair_keys(data: Interactions) -> NDArray[np.int64]:
    return data.users.astype(np.int64) * data.n_items + data.items


def _check_fraction(fraction: float, split: str) -> None:
    if not 0 < fraction < 1:
        raise ValueError(f"{split}: fraction must lie between 0 and 1, not {fraction}.")


def _check_folds(data: Interactions, n_folds: int, split: str) -> None:
    if not 2 <= n_folds <= len(data):
        raise ValueError(f"{split}: n_folds must lie between 2 and the number of rows, {len(data)}; it is {n_folds}.")
