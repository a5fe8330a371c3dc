"""Determinantal point process: a set of items is worth the volume that their vectors span."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.rerank.base import Floats, Ints, Reranker, checked
from avrec_lib.recommenders.rerank.mmr import check_vectors, cosines
from avrec_lib.recommenders.similarity import Vectors, unit_rows

FLAT = 1e-10  # a share of an item's own length below which nothing of it is new


def dpp_order(relevance: ArrayLike, similarity: ArrayLike, k: int, strength: float) -> Ints:
    """Choose k candidates greedily so that det L of the chosen is large: L_ij = e^{α r_i} s_ij e^{α r_j}.

    A determinant is a squared volume. It grows with the lengths e^{α r} (relevance) and with the
    angles between the vectors (difference); two equal items have none. The best set cannot be found
    fast, the greedy one can: each step adds the item whose part d_i, perpendicular to all that were
    chosen, is longest, and a Cholesky factor grown by one row keeps all d_i up to date. Where nothing
    new is left (d_i = 0), relevance alone orders the rest. Ties go to the earlier candidate. Source:
    Chen, Zhang and Zhou (2018), algorithm 1.

    Parameters
    ----------
    relevance : array_like, shape (n,)
    similarity : array_like, shape (n, n)
        Symmetric and positive semi-definite with ones on the diagonal, as cosines are.
    k : int
    strength : float
        α ≥ 0: with 0 only difference counts, a large one orders by relevance.

    Returns
    -------
    int64, shape (min(k, n),)
    """
    S = np.asarray(similarity, dtype=np.float64)
    r = checked(relevance, len(S), k)
    if S.shape != (len(r), len(r)) or not np.allclose(S, S.T) or not np.isfinite(S).all():
        raise ValueError(f"similarity must be a finite symmetric matrix ({len(r)}, {len(r)}), not of shape {S.shape}.")
    if not strength >= 0:
        raise ValueError(f"strength must be at least 0, not {strength}.")
    length = np.exp(strength * (r - r.max(initial=-np.inf)))  # a common factor of all lengths changes nothing
    new = np.diag(S).copy()  # (n,): the square of what is new in each item, before its length is counted
    rows = np.zeros((min(k, len(r)), len(r)))  # Cholesky rows c
    chosen: list[int] = []
    while len(chosen) < len(rows):
        gain = length**2 * new
        gain[chosen] = -np.inf
        if not (gain > FLAT * length**2).any():
            rest = np.setdiff1d(np.arange(len(r)), chosen)
            chosen += rest[np.argsort(-r[rest], kind="stable")][: len(rows) - len(chosen)].tolist()
            break
        j = int(np.argmax(gain))
        c = (S[j] - rows[: len(chosen), j] @ rows[: len(chosen)]) / np.sqrt(new[j])  # (n,)
        rows[len(chosen)] = c
        new = np.maximum(new - c**2, 0.0)
        chosen.append(j)
    return np.array(chosen, dtype=np.int64)


class DPPReranker(Reranker):
    """Re-rank by a determinantal point process over the cosines of item vectors.

    Parameters
    ----------
    model : Recommender
    vectors : array or sparse matrix, shape (n_items, d)
        What makes items alike. A zero vector spans nothing and is chosen last.
    strength : float
        α of `dpp_order`, for scores brought to 0 … 1.
    k, n_candidates : see `Reranker`
    """

    def __init__(
        self,
        model: Recommender,
        vectors: Vectors,
        strength: float = 3.0,
        k: int = 10,
        n_candidates: int = 100,
    ) -> None:
        super().__init__(model, k, n_candidates)
        self.directions, self.strength = unit_rows(vectors), strength  # (n_items, d)
        if not strength >= 0:
            raise ValueError(f"strength must be at least 0, not {strength}.")

    def _fit(self, train: Interactions) -> None:
        check_vectors(self.directions, train)
        super()._fit(train)

    def _choose(self, user: int, items: Ints, relevance: Floats) -> Ints:
        S: Floats = cosines(self.directions, items)
        return dpp_order(relevance, (S + S.T) / 2, self.k, self.strength)
