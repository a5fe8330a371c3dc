"""How good a ranked list is: one short function a metric, and all of them over many users at once.

Used by every page that compares recommenders. Each function takes one user's list, best first,
and the set of items the user turned out to like. Common to all:

- only the first k places count, and a list shorter than k is a list with empty places;
- an item that comes again is a wasted place: the first time counts, later ones are misses;
- a user without relevant items has no score. The functions refuse such a user, and `evaluate`
  leaves the user out and counts how many it left out.

Sources: Herlocker, Konstan, Terveen and Riedl (2004) for what is measured; Manning, Raghavan and
Schütze (2008), chapter 8, for precision, recall and average precision; Järvelin and Kekäläinen
(2002) for NDCG; Hanley and McNeil (1982) for the AUC as a probability.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import TypeAlias

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

Items: TypeAlias = Sequence[Hashable] | NDArray[np.generic]
Relevant: TypeAlias = Collection[Hashable] | NDArray[np.generic]


def precision_at_k(recommended: Items, relevant: Relevant, k: int) -> float:
    """Return the share of the k places that hold a relevant item.

    P@k = (1/k) Σ_{r=1..k} h_r, where h_r = 1 if the item at rank r is relevant, else 0.

    The denominator is k even when the list is shorter or the user has fewer than k relevant
    items, so 1 can be out of reach.
    """
    return float(_hits(recommended, relevant, k).sum() / k)


def recall_at_k(recommended: Items, relevant: Relevant, k: int) -> float:
    """Return the share of the user's relevant items that are among the first k.

    R@k = (1/|R|) Σ_{r=1..k} h_r

    The denominator is the number of relevant items |R|, so a user with more than k of them
    cannot reach 1.
    """
    return float(_hits(recommended, relevant, k).sum() / len(set(relevant)))


def hit_rate_at_k(recommended: Items, relevant: Relevant, k: int) -> float:
    """Return 1 if any of the first k items is relevant, else 0. Its mean over users is HR@k."""
    return float(_hits(recommended, relevant, k).any())


def average_precision_at_k(recommended: Items, relevant: Relevant, k: int) -> float:
    """Return the mean precision at the ranks of the hits. Its mean over users is MAP@k.

    AP@k = (1/min(k, |R|)) Σ_{r=1..k} h_r P@r

    The denominator is the largest possible number of hits, so a perfect list scores 1.
    """
    h = _hits(recommended, relevant, k)
    precision = np.cumsum(h) / np.arange(1, k + 1)  # (k,): P@1 … P@k
    return float((h * precision).sum() / min(k, len(set(relevant))))


def reciprocal_rank_at_k(recommended: Items, relevant: Relevant, k: int) -> float:
    """Return 1/r for the rank r of the first hit, 0 without one. Its mean over users is MRR@k."""
    h = _hits(recommended, relevant, k)
    return float(1 / (1 + h.argmax())) if h.any() else 0.0


def ndcg_at_k(recommended: Items, relevant: Relevant, k: int) -> float:
    """Return the discounted cumulative gain of the list, divided by that of the best possible list.

    NDCG@k = Σ_{r=1..k} h_r / log₂(r + 1)  ÷  Σ_{r=1..min(k, |R|)} 1 / log₂(r + 1)

    Gains are binary. The ideal list holds min(k, |R|) relevant items, so a perfect list scores 1
    whatever the user's number of relevant items.
    """
    discount = 1 / np.log2(np.arange(1, k + 1) + 1)  # (k,): 1, .63, .5, …
    dcg = (_hits(recommended, relevant, k) * discount).sum()
    ideal = discount[: min(k, len(set(relevant)))].sum()
    return float(dcg / ideal)


def auc(relevant: ArrayLike, scores: ArrayLike) -> float:
    """Return the probability that a relevant item is scored above an irrelevant one, ties counting ½.

    AUC = (1/(n₊ n₋)) Σ_{i relevant} Σ_{j not} ( [s_i > s_j] + ½ [s_i = s_j] )

    It is computed from ranks (the Mann–Whitney statistic), in O(n log n): with R₊ the sum of the
    ranks of the relevant items, AUC = (R₊ − n₊(n₊ + 1)/2) / (n₊ n₋). It looks at the whole list,
    not at its top: .95 can go with ten bad recommendations.

    Parameters
    ----------
    relevant : bool array, shape (n,)
        True (or 1) for a relevant item, False (or 0) for any other.
    scores : array, shape (n,)
        Higher is better; -inf is allowed, NaN is not.

    Raises
    ------
    ValueError
        If the shapes differ, a label is neither 0 nor 1, a score is NaN, or one of the two kinds
        is absent: then there is nothing to compare.
    """
    labels, s = np.asarray(relevant), np.asarray(scores, dtype=np.float64)
    if labels.shape != s.shape or s.ndim != 1:
        raise ValueError(f"relevant has shape {labels.shape} and scores {s.shape}; both must be flat and equally long.")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("relevant must hold only 0 and 1 (or False and True); compare ratings with a threshold first.")
    if np.isnan(s).any():
        raise ValueError(f"score number {int(np.isnan(s).argmax())} (from 0) is NaN; it has no place in a ranking.")
    positive = labels == 1
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if n_pos == 0 or n_neg == 0:
        raise ValueError(f"AUC compares relevant with other items; there are {n_pos} and {n_neg} of them.")
    ranks = scipy.stats.rankdata(s)  # (n,): 1 for the lowest, the mean rank for ties
    return float((ranks[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def metrics_of_hits(hits: NDArray[np.bool_], n_relevant: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return all list metrics of many users at once; the same numbers as the functions above.

    Parameters
    ----------
    hits : bool array, shape (B, k)
        h_r of each user: whether the item at each rank is relevant.
    n_relevant : int array, shape (B,)
        |R| of each user, at least 1.

    Returns
    -------
    dict from "Precision@k", "Recall@k", "HR@k", "MAP@k", "MRR@k", "NDCG@k" to arrays of shape (B,)
    """
    k = hits.shape[1]
    rank = np.arange(1, k + 1)
    discount = 1 / np.log2(rank + 1)
    ideal = np.cumsum(discount)  # (k,): the best DCG with 1, 2, … relevant items
    found = np.cumsum(hits, axis=1)  # (B, k): hits up to each rank
    possible = np.minimum(k, n_relevant)  # (B,)
    return {
        f"Precision@{k}": found[:, -1] / k,
        f"Recall@{k}": found[:, -1] / n_relevant,
        f"HR@{k}": (found[:, -1] > 0).astype(np.float64),
        f"MAP@{k}": (hits * found / rank).sum(axis=1) / possible,
        f"MRR@{k}": (hits / rank).max(axis=1),
        f"NDCG@{k}": hits @ discount / ideal[possible - 1],
    }


def auc_of_rows(scores: NDArray[np.float32], relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the AUC of each row, over the items whose score is not NaN; NaN where nothing can be compared.

    Equal to `auc` of each row. Counting, for each relevant item, all items below it (ties ½)
    counts pairs of relevant items too; these make exactly n₊²/2, whatever their scores.

    Parameters
    ----------
    scores, relevant : float32 and bool arrays, shape (B, n_items)
        A relevant item must have a score.
    """
    ordered = np.sort(scores, axis=1)  # (B, n_items), NaN last
    n = (~np.isnan(scores)).sum(axis=1)
    result = np.full(len(scores), np.nan)
    for b, (row, length) in enumerate(zip(ordered, n, strict=True)):
        s = scores[b, relevant[b]]  # (n_pos,)
        n_pos, n_neg = len(s), length - len(s)
        if n_pos and n_neg:
            below = np.searchsorted(row[:length], s, "left")
            up_to = np.searchsorted(row[:length], s, "right")
            result[b] = ((below + up_to).sum() / 2 - n_pos**2 / 2) / (n_pos * n_neg)
    return result


def _hits(recommended: Items, relevant: Relevant, k: int) -> NDArray[np.bool_]:
    """Return h_1 … h_k: whether the item at each rank is relevant and comes for the first time."""
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")
    wanted = set(relevant)
    if not wanted:
        raise ValueError("the user has no relevant items, so the metric is undefined; leave the user out and say so.")
    h = np.zeros(k, dtype=np.bool_)
    for r, item in enumerate(recommended[:k]):
        h[r] = item in wanted
        wanted.discard(item)
    return h
