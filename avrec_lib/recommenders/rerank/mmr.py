"""Maximal marginal relevance: the next item is the best that is not like those chosen before."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.rerank.base import Floats, Ints, Reranker, checked
from avrec_lib.recommenders.similarity import Vectors, unit_rows


def mmr_order(relevance: ArrayLike, similarity: ArrayLike, k: int, trade_off: float) -> Ints:
    """Choose k candidates greedily: argmax_i λ r_i − (1 − λ) max_{j chosen} s_ij.

    The first item is the most relevant; ties go to the earlier candidate. Source: Carbonell and
    Goldstein (1998), the definition of MMR.

    Parameters
    ----------
    relevance : array_like, shape (n,)
    similarity : array_like, shape (n, n)
        s_ij, in the units of relevance; a cosine lies between −1 and 1.
    k : int
    trade_off : float
        λ between 0 and 1. With 1 the order is that of relevance; with 0 only novelty counts after the first item.

    Returns
    -------
    int64, shape (min(k, n),)
        Positions of the chosen candidates, in order.
    """
    S = np.asarray(similarity, dtype=np.float64)
    r = checked(relevance, len(S), k)
    if S.shape != (len(r), len(r)) or not np.isfinite(S).all():
        raise ValueError(f"similarity must be a finite matrix ({len(r)}, {len(r)}), not of shape {S.shape}.")
    if not 0 <= trade_off <= 1:
        raise ValueError(f"trade_off must lie between 0 and 1, not {trade_off}.")
    if not len(r):
        return np.empty(0, dtype=np.int64)
    chosen = [int(np.argmax(r))]
    closest = S[:, chosen[0]].copy()  # (n,): the similarity to the most similar of the chosen
    while len(chosen) < min(k, len(r)):
        worth = trade_off * r - (1 - trade_off) * closest
        worth[chosen] = -np.inf
        chosen.append(int(np.argmax(worth)))
        closest = np.maximum(closest, S[:, chosen[-1]])
    return np.array(chosen, dtype=np.int64)


class MMRReranker(Reranker):
    """Re-rank by maximal marginal relevance, with the cosines of item vectors as similarity.

    Parameters
    ----------
    model : Recommender
    vectors : array or sparse matrix, shape (n_items, d)
        What makes items alike: genres, tags, embeddings. A zero vector is like nothing.
    trade_off : float
        λ of `mmr_order`. A model's scores are brought to 0 … 1 for each user before.
    k, n_candidates : see `Reranker`
    """

    def __init__(
        self,
        model: Recommender,
        vectors: Vectors,
        trade_off: float = 0.7,
        k: int = 10,
        n_candidates: int = 100,
    ) -> None:
        super().__init__(model, k, n_candidates)
        self.directions, self.trade_off = unit_rows(vectors), trade_off  # (n_items, d)
        if not 0 <= trade_off <= 1:
            raise ValueError(f"trade_off must lie between 0 and 1, not {trade_off}.")

    def _fit(self, train: Interactions) -> None:
        check_vectors(self.directions, train)
        super()._fit(train)

    def _choose(self, user: int, items: Ints, relevance: Floats) -> Ints:
        return mmr_order(relevance, cosines(self.directions, items), self.k, self.trade_off)


def check_vectors(directions: Any, train: Interactions) -> None:  # noqa: ANN401 (an array or CSR)
    """Raise a ValueError unless there is one vector an item."""
    if directions.shape[0] != train.n_items:
        raise ValueError(f"vectors has {directions.shape[0]} rows for {train.n_items} items; give one for each.")


def cosines(directions: Any, items: Ints) -> Floats:  # noqa: ANN401 (an array or CSR)
    """Return the cosines between some items, shape (n, n), from all items' unit vectors (n_items, d)."""
    some = directions[items]
    product = some @ some.T
    return np.asarray(product if isinstance(product, np.ndarray) else product.toarray(), dtype=np.float64)
