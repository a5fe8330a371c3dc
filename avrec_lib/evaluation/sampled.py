"""Ranking one held-out item against a sample of the others: what many papers print, and its expectation.

Used by page 5.1.7 to show what such numbers do to a table, and by nobody else: the book ranks all
items. A user's held-out item has rank R among N candidates. Draw n of the other N − 1 with
replacement, each with a chance in proportion to its weight, and the rank in the sample is

    R' = 1 + Binomial(n, p),   p = weight of the items ahead / weight of all the others,

which for equal weights is p = (R − 1) / (N − 1). Expectations follow without drawing anything.
Source: Krichene and Rendle (2020), for equal weights.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data.splits import Split
from avrec_lib.recommenders.base import Recommender

Floats = NDArray[np.float64]


def items_ahead(scores: ArrayLike, wanted: ArrayLike, barred: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which candidates stand before the wanted item, bool, shape (B, n_items).

    The order is the one of `recommenders.base.top_k`: by score as float32, equal scores by item index.
    So R = 1 + ahead.sum(axis=1).

    Parameters
    ----------
    scores : array, shape (B, n_items)
    wanted : int array, shape (B,)
        The held-out item of each user.
    barred : bool array, shape (B, n_items)
        Items that are no candidates, as a rule those met in training.

    Raises
    ------
    ValueError
        If a score is NaN or the wanted item of a user is barred.
    """
    table, w = np.asarray(scores, dtype=np.float32), np.asarray(wanted, dtype=np.int64)
    if np.isnan(table).any():
        raise ValueError("the scores hold NaN, which has no rank; mend the model.")
    rows = np.arange(len(w))
    if barred[rows, w].any():
        user = int(barred[rows, w].argmax())
        raise ValueError(f"row {user}: the wanted item {int(w[user])} is barred; take it out of the barred items.")
    own = table[rows, w][:, None]  # (B, 1)
    before = np.arange(table.shape[1]) < w[:, None]  # (B, n_items)
    return np.asarray(~barred & ((table > own) | ((table == own) & before)))


def draw_negatives(
    wanted: ArrayLike, barred: NDArray[np.bool_], n_negatives: int, weights: ArrayLike | None = None, seed: int = 0
) -> NDArray[np.int64]:
    """Draw items for each user from those that are neither barred nor wanted, int64, shape (B, n_negatives).

    With replacement, by inverting the cumulated weights: one uniform number gives one item, so it ends
    whatever the weights are (drawing until an allowed item turns up need not).

    Parameters
    ----------
    weights : array, shape (n_items,), optional
        How likely an item is to be drawn, such as its number of raters; by default all alike.

    Raises
    ------
    ValueError
        If n_negatives < 1, a weight is negative or not finite, or a user has no item to draw.
    """
    weight = _weights_of_others(wanted, barred, weights)  # (B, n_items)
    if n_negatives < 1:
        raise ValueError(f"n_negatives must be at least 1, not {n_negatives}.")
    uniform = np.random.default_rng(seed).random((len(weight), n_negatives))
    drawn = np.empty(uniform.shape, dtype=np.int64)
    for row, (w, u) in enumerate(zip(weight, uniform, strict=True)):
        total = np.cumsum(w)
        drawn[row] = np.searchsorted(total, u * total[-1], side="right")
        np.minimum(drawn[row], np.flatnonzero(w)[-1], out=drawn[row])  # u · total may round up to total
    return drawn


def metrics_of_ranks(ranks: ArrayLike, k: int = 10) -> dict[str, Floats]:
    """Return HR@k = [R ≤ k] and NDCG@k = [R ≤ k] / log₂(R + 1) of single items with ranks R (from 1)."""
    r = np.asarray(ranks, dtype=np.float64)
    hit = (r <= k).astype(np.float64)
    return {f"HR@{k}": hit, f"NDCG@{k}": hit / np.log2(r + 1)}


def expected_metrics(share: ArrayLike, n_negatives: int, k: int = 10) -> dict[str, Floats]:
    """Return the expectations of HR@k and NDCG@k among n drawn negatives, without drawing any.

    E[HR@k]   = Σ_{r=1..k} P(R' = r)
    E[NDCG@k] = Σ_{r=1..k} P(R' = r) / log₂(r + 1),   R' − 1 ~ Binomial(n, p)

    Parameters
    ----------
    share : array, shape (B,)
        p, the chance that one drawn item stands before the wanted one.
    """
    rank = np.arange(1, min(k, n_negatives + 1) + 1)  # (k,)
    chance = np.asarray(scipy.stats.binom.pmf(rank - 1, n_negatives, np.asarray(share)[:, None]))  # (B, k)
    return {f"HR@{k}": chance.sum(axis=1), f"NDCG@{k}": chance @ (1 / np.log2(rank + 1))}


def sampled_per_user(
    model: Recommender,
    split: Split,
    n_negatives: int,
    k: int = 10,
    *,
    popular: bool = False,
    seed: int | None = 0,
) -> pd.DataFrame:
    """Return HR@k and NDCG@k of each user against n drawn items, a table for `paired_difference`.

    Parameters
    ----------
    model : Recommender
        Fitted on `split.train`.
    split : Split
        One test row a user, as from `leave_last_out`.
    popular : bool
        Draw an item in proportion to its training rows (none: never) instead of all alike.
    seed : int or None
        Of the draw: two models with one seed meet the same items. None: the expectation over all draws.

    Raises
    ------
    ValueError
        If a user has several test rows, or the model was fitted on another table.
    """
    train, test = split.train, split.test
    if len(np.unique(test.users)) < len(test):
        raise ValueError("a user has several test rows; sampled metrics are for one held-out item: leave_last_out.")
    if model.train is not train:
        raise ValueError(f"{type(model).__name__} was not fitted on the train table of {split.name!r}; fit it first.")
    users, wanted = test.users, test.items.astype(np.int64)
    seen: sp.csr_array = train.matrix()[users]
    barred = np.zeros(seen.shape, dtype=np.bool_)
    barred[np.repeat(np.arange(len(users)), np.diff(seen.indptr)), seen.indices] = True
    weights = np.bincount(train.items, minlength=train.n_items) if popular else None
    ahead = items_ahead(model.score(users), wanted, barred)  # (B, n_items)
    if seed is None:
        weight = _weights_of_others(wanted, barred, weights)
        metrics = expected_metrics((weight * ahead).sum(axis=1) / weight.sum(axis=1), n_negatives, k)
    else:
        drawn = draw_negatives(wanted, barred, n_negatives, weights, seed)  # (B, n)
        metrics = metrics_of_ranks(1 + np.take_along_axis(ahead, drawn, axis=1).sum(axis=1), k)
    return pd.DataFrame({"user_id": test.user_ids[users], "n_test": 1, "n_relevant": 1} | metrics)


def _weights_of_others(wanted: ArrayLike, barred: NDArray[np.bool_], weights: ArrayLike | None) -> Floats:
    """Return the weight with which each item is drawn for each user, shape (B, n_items); 0: never."""
    each = np.ones(barred.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    if not np.isfinite(each).all() or (each < 0).any():
        raise ValueError("a weight is negative or not finite; use counts of rows.")
    table = np.where(barred, 0.0, each)  # (B, n_items)
    table[np.arange(len(table)), np.asarray(wanted, dtype=np.int64)] = 0
    empty = table.sum(axis=1) == 0
    if empty.any():
        raise ValueError(f"row {int(empty.argmax())}: no item is left to draw; leave the user out.")
    return table
