"""Features as they were known at the time: from what had happened before, and nothing else.

Pages 4.1.3 and 4.2.4. A model that will be asked tomorrow is trained on rows of yesterday. Each of these
rows must hold what was known *when that row came about*, not what the table knows today. The click rate of
a viewer over the whole log contains the very click that is to be predicted. `leaks` finds such features
without reading their code: it changes the future, makes the features again, and looks at the past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
OUTCOMES = ("click", "watch_seconds", "like")  # columns that are known only after the row was shown


def before(
    groups: ArrayLike, times: ArrayLike, values: ArrayLike, asked: ArrayLike | None = None
) -> tuple[Floats, Ints]:
    """Return for each row the sum of `values` over the rows of its group, strictly before it was asked for.

    Parameters
    ----------
    groups : array_like of int, shape (n,)
        From 0: a viewer, a clip, a position.
    times : array_like of int, shape (n,)
        When each row's value became known, in seconds.
    values : array_like, shape (n,) or (n, d)
    asked : array_like of int, shape (n,), optional
        When each row needs its sum; its own time unless given.

    Returns
    -------
    sums : float64 array, the shape of values
    counts : int64 array, shape (n,)

    Raises
    ------
    ValueError
        If lengths differ or a group is negative.
    """
    g, t = np.asarray(groups, dtype=np.int64), np.asarray(times, dtype=np.int64)
    v, when = np.asarray(values, dtype=np.float64), t if asked is None else np.asarray(asked, dtype=np.int64)
    if not g.shape == t.shape == when.shape == v.shape[:1] or g.ndim != 1:
        raise ValueError(
            f"groups, times, values, asked differ in length: {g.shape}, {t.shape}, {v.shape}, {when.shape}."
        )
    if not len(g):
        return v, np.zeros(0, dtype=np.int64)
    if g.min() < 0:
        raise ValueError("groups are numbered from 0; there is a negative one.")
    start, span = t.min(), t.max() - t.min() + 2
    key = g * span + (t - start)  # in order of group, then of time
    order = np.argsort(key, kind="stable")
    sums = np.zeros((len(g) + 1, *v.shape[1:]))  # of all rows before the first, second, … of that order
    np.cumsum(v[order], axis=0, out=sums[1:])
    first = np.searchsorted(key[order], g * span)  # the group's first row; the first that is not before is `last`
    last = np.searchsorted(key[order], g * span + np.clip(when - start, 0, span - 1))
    return sums[last] - sums[first], (last - first).astype(np.int64)


def time_split(times: ArrayLike, cut: float, end: float = np.inf) -> tuple[Bools, Bools]:
    """Return which rows to learn from, time < cut, and which to be judged on, cut ≤ time < end; shapes (n,).

    Raises
    ------
    ValueError
        If one of them is empty.
    """
    t = np.asarray(times)
    train, test = t < cut, (t >= cut) & (t < end)
    if not train.any() or not test.any():
        raise ValueError(f"{train.sum()} rows lie before the cut and {test.sum()} after it; move the cut.")
    return train, test


def random_split(n: int, share: float = 0.2, seed: int = 0) -> tuple[Bools, Bools]:
    """Return which rows to learn from and which to be judged on, a share of n at random: for comparison only.

    A model then learns from rows that come after those it is judged on, as it never can in service.
    """
    if not 0 < round(share * n) < n:
        raise ValueError(f"a share of {share} of {n} rows leaves one side empty; change it.")
    test = np.zeros(n, dtype=bool)
    test[np.random.default_rng(seed).choice(n, round(share * n), replace=False)] = True
    return ~test, test


def leaks(
    make: Callable[[pd.DataFrame], pd.DataFrame],
    log: pd.DataFrame,
    cuts: Iterable[float],
    outcomes: Sequence[str] = OUTCOMES,
    time: str = "timestamp",
) -> pd.DataFrame:
    """Return the features that depend on the future, each with a row that shows it; empty if none was caught.

    For each cut the features are made three times: from the log as it is, from the log with all outcomes at or
    after the cut changed, and from the log without the rows after the cut. Rows up to the cut must not
    notice: a row's features may use its own time, place and clip, never its own outcome. What is
    returned is proven; what is not may still leak in a way that these cuts do not show.

    Parameters
    ----------
    make : function
        From a log to its features: a row for each row of the log, or for some of them, under the log's index.
    log : DataFrame
        With unique index.
    cuts : times
        Those of rows of the log, so that each shows a row's own outcome.
    outcomes : names of columns
        Numbers or booleans. Those that the log does not have are passed over.
    time : str

    Returns
    -------
    DataFrame, indexed by feature
        *rows* (how many changed at the first cut that shows it), *cut*, *row* (the first of them), and its *value*
        as made from the whole log and *changed*, without that future.

    Raises
    ------
    ValueError
        If the index of the log is not unique.
    """
    if not log.index.is_unique:
        raise ValueError("rows are told apart by the log's index, which repeats; give the log a new one: reset_index.")
    full, when = make(log), log[time]
    found: dict[str, tuple[object, ...]] = {}
    for cut in cuts:
        past = full.index.intersection(log.index[when <= cut])
        other = log.copy()
        for name in (name for name in outcomes if name in log):
            late = when >= cut
            turned = ~other[name] if other[name].dtype == bool else other[name] + 1
            other[name] = other[name].mask(late, turned)
        for made in (make(other), make(log[when <= cut])):
            a, b = full.loc[past], made.loc[past]
            scale = a.abs().max()
            moved = ~(((a - b).abs() <= 1e-9 + 1e-7 * scale) | (a.isna() & b.isna()))  # beyond rounding
            for name in moved.columns[moved.any()].difference(list(found)):
                row = moved.index[moved[name]][0]
                found[name] = (int(moved[name].sum()), cut, row, a.loc[row, name], b.loc[row, name])
    columns = ["rows", "cut", "row", "value", "changed"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns).rename_axis("feature")
