"""The best that any model could reach: the Bayes limit of AUC and of NDCG, when the true probabilities are known.

A click is a coin toss with probability p, so even who knows p exactly is often wrong. No score
orders a set of tosses better, on average, than p itself does; what p reaches is the limit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata


class Limit(NamedTuple):
    """A limit: its expected `value`, and between `low` and `high` 95 % of the values that luck alone produces."""

    value: float
    low: float
    high: float


def expected_auc(scores: ArrayLike, p: ArrayLike) -> float:
    """Return the AUC that scores can expect, over the coin tosses: Σ p_j (1 - p_k) [s_j > s_k] / Σ p_j (1 - p_k).

    The sums run over all pairs j, k; equal scores count one half; a pair of an impression with
    itself is left out. It has no luck of the test labels in it, so small differences can be seen.

    Parameters
    ----------
    scores, p : array_like, shape (n,)
        A model's scores, and the true probability of each click.

    Raises
    ------
    ValueError
        If the shapes differ, a number is not finite, or no pair can differ.
    """
    s, q = np.asarray(scores, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if s.shape != q.shape or s.ndim != 1:
        raise ValueError(f"scores and p must be vectors of one length, not of shapes {s.shape} and {q.shape}.")
    if not (np.isfinite(s).all() and np.isfinite(q).all() and (q >= 0).all() and (q <= 1).all()):
        raise ValueError("scores must be finite, and p must lie between 0 and 1.")
    itself = float(np.sum(q * (1 - q)))
    pairs = q.sum() * (1 - q).sum() - itself
    if pairs <= 0:
        raise ValueError("an AUC needs a pair of impressions that can end differently.")
    order = np.argsort(s, kind="stable")
    s, q = s[order], q[order]
    below = np.concatenate([[0.0], np.cumsum(1 - q)])  # Σ of 1 - p over the lowest scores
    first, last = np.searchsorted(s, s, side="left"), np.searchsorted(s, s, side="right")
    won = float(np.sum(q * (below[first] + below[last]) / 2)) - itself / 2
    return float(won / pairs)


def bayes_auc(p: ArrayLike, n_draws: int = 400, seed: int = 0) -> Limit:
    """Return the Bayes limit of the AUC for impressions with true click probabilities p, shape (n,)."""
    q = np.asarray(p, dtype=np.float64)
    rng, ranks = np.random.default_rng(seed), rankdata(q)
    draws = []
    for _ in range(n_draws):
        y = rng.random(len(q)) < q
        n_clicks, n_rest = y.sum(), (~y).sum()
        if n_clicks and n_rest:
            draws.append((ranks[y].sum() - n_clicks * (n_clicks + 1) / 2) / (n_clicks * n_rest))
    low, high = np.quantile(draws, [0.025, 0.975])
    return Limit(expected_auc(q, q), float(low), float(high))


def bayes_ndcg(
    p: ArrayLike, users: ArrayLike, k: int = 10, n_draws: int = 400, seed: int = 0, scores: ArrayLike | None = None
) -> Limit:
    """Return the NDCG@k that ordering each user's impressions by p can expect: the Bayes limit.

    Each draw tosses every impression's coin and computes NDCG@k for each user with a click, as
    `evaluation.ndcg_at_k` does; the users' mean is one draw. Given other `scores`, shape (n,),
    what those can expect.
    """
    q, of = np.asarray(p, dtype=np.float64), np.asarray(users)
    s = q if scores is None else np.asarray(scores, dtype=np.float64)
    order = np.lexsort((-s, of))
    q, of = q[order], of[order]
    _, starts, sizes = np.unique(of, return_index=True, return_counts=True)
    rank = np.arange(len(q)) - np.repeat(starts, sizes)  # 0, 1, … within a user
    gain: NDArray[np.float64] = np.where(rank < k, 1 / np.log2(rank + 2), 0.0)
    best = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    rng, draws = np.random.default_rng(seed), []
    for _ in range(n_draws):
        y = rng.random(len(q)) < q
        clicks = np.add.reduceat(y.astype(np.int64), starts)
        dcg = np.add.reduceat(gain * y, starts)
        draws.append(float(np.mean(dcg[clicks > 0] / best[np.minimum(clicks[clicks > 0], k)])))
    low, high = np.quantile(draws, [0.025, 0.975])
    return Limit(float(np.mean(draws)), float(low), float(high))
