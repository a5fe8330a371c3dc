"""Calibrated lists: who watched 70 % drama and 30 % comedy gets a list of about 70 % drama and 30 % comedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.rerank.base import Floats, Ints, Reranker, checked
from avrec_lib.recommenders.similarity import Vectors

SMOOTHING = 0.01  # Steck's α: how much of p is mixed into q, so that no logarithm is of 0


def kl_divergence(p: ArrayLike, q: ArrayLike, smoothing: float = SMOOTHING) -> float:
    """Return KL(p ‖ q̃) = Σ_g p_g log(p_g / q̃_g), with q̃ = (1 − α) q + α p, in nats.

    0 exactly when q = p; groups with p_g = 0 add nothing. Source: Steck (2018), its
    calibration metric.

    Parameters
    ----------
    p, q : array_like, shape (n_groups,)
        The shares of the groups in the history and in the list; non-negative. A q of zeros is an empty list.
    """
    a, b = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or (a < 0).any() or (b < 0).any():
        raise ValueError(
            f"p and q must be shares of the same groups, at least 0; their shapes are {a.shape}, {b.shape}."
        )
    if not 0 < smoothing < 1:
        raise ValueError(f"smoothing must lie between 0 and 1, not {smoothing}.")
    return float(_divergences(a, b[None], smoothing)[0])


def calibrated_order(
    relevance: ArrayLike, shares: ArrayLike, history: ArrayLike, k: int, strength: float, smoothing: float = SMOOTHING
) -> Ints:
    """Choose k candidates greedily for a large (1 − λ) Σ_{i chosen} r_i − λ KL(p ‖ q̃(chosen)).

    q is the mean of the chosen items' shares. Ties go to the earlier candidate. Source: Steck (2018),
    the objective and its greedy solution.

    Parameters
    ----------
    relevance : array_like, shape (n,)
    shares : array_like, shape (n, n_groups)
        How much of each item belongs to each group; a row sums to 1, or to 0 if it belongs nowhere.
    history : array_like, shape (n_groups,)
        p, the shares of the groups in what the user met; zeros mean nothing is known, and relevance decides.
    k : int
    strength : float
        λ between 0 and 1.

    Returns
    -------
    int64, shape (min(k, n),)
    """
    G, p = np.asarray(shares, dtype=np.float64), np.asarray(history, dtype=np.float64)
    if G.ndim != 2 or p.shape != G.shape[1:] or not np.isfinite(G).all() or (G < 0).any() or (p < 0).any():
        raise ValueError(
            f"shares (n, n_groups) and history (n_groups,) must be at least 0, not of shapes {G.shape} and {p.shape}."
        )
    r = checked(relevance, len(G), k)
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie between 0 and 1, not {strength}.")
    chosen: list[int] = []
    total = np.zeros(G.shape[1])
    while len(chosen) < min(k, len(r)):
        q = (total + G) / (len(chosen) + 1)  # (n, n_groups): the list's shares with each candidate added
        worth = (1 - strength) * r - strength * _divergences(p, q, smoothing)
        worth[chosen] = -np.inf
        chosen.append(int(np.argmax(worth)))
        total += G[chosen[-1]]
    return np.array(chosen, dtype=np.int64)


class CalibratedReranker(Reranker):
    """Re-rank so that the groups (genres, topics) of the list have the shares they have in the user's history.

    A user without history, or whose items belong to no group, keeps the model's order.

    Parameters
    ----------
    model : Recommender
    groups : array or sparse matrix, shape (n_items, n_groups)
        Which groups each item belongs to, at least 0; each item's row is divided by its sum.
    strength : float
        λ of `calibrated_order`, for scores brought to 0 … 1.
    k, n_candidates : see `Reranker`
    """

    def __init__(
        self,
        model: Recommender,
        groups: Vectors,
        strength: float = 0.5,
        k: int = 10,
        n_candidates: int = 100,
    ) -> None:
        super().__init__(model, k, n_candidates)
        self.strength = strength
        any_table: Any = groups
        table = np.asarray(any_table.toarray() if sp.issparse(groups) else any_table, dtype=np.float64)
        if table.ndim != 2 or not np.isfinite(table).all() or (table < 0).any():
            raise ValueError(f"groups must be a table (n_items, n_groups) of numbers at least 0, not {table.shape}.")
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must lie between 0 and 1, not {strength}.")
        self.shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12)  # (n_items, n_groups)

    def history(self, users: ArrayLike) -> Floats:
        """Return p of some users, shape (B, n_groups): the mean shares of the items of their training rows."""
        met = self.train.matrix()[np.asarray(users)]
        met = sp.csr_array((np.ones(met.nnz), met.indices, met.indptr), shape=met.shape)  # a row counts once
        p = np.asarray(met @ self.shares)
        return np.asarray(p / np.maximum(p.sum(axis=1, keepdims=True), 1e-12), dtype=np.float64)

    def _fit(self, train: Interactions) -> None:
        if len(self.shares) != train.n_items:
            raise ValueError(f"groups has {len(self.shares)} rows for {train.n_items} items; give one for each.")
        super()._fit(train)

    def _choose(self, user: int, items: Ints, relevance: Floats) -> Ints:
        return calibrated_order(relevance, self.shares[items], self.history([user])[0], self.k, self.strength)


def _divergences(p: Floats, q: Floats, smoothing: float) -> Floats:
    """Return KL(p ‖ q̃) for each row of q, shape (n,)."""
    known = p > 0
    mixed = (1 - smoothing) * q[:, known] + smoothing * p[known]  # (n, groups in p)
    return np.asarray((p[known] * np.log(p[known] / mixed)).sum(axis=1), dtype=np.float64)
