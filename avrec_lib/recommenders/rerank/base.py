"""What all re-rankers share: take the best candidates of another model, choose k of them in a new order.

Page 5.1.6. A re-ranker is a recommender like any other, so the one evaluator measures it. Its scores say only
an order: the k chosen items stand above all others, which keep the order of the model underneath.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender, top_k

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Reranker(Recommender):
    """Re-order the candidates of a model; a subclass says how, in `_choose`.

    Cold users and items: what the model underneath does with them.

    Parameters
    ----------
    model : Recommender
        Gives the candidates. `fit` fits it.
    k : int
        Items that are chosen; behind them the model's own order goes on.
    n_candidates : int
        The best unseen items of each user among which to choose, at least k.
    """

    def __init__(self, model: Recommender, k: int = 10, n_candidates: int = 100) -> None:
        if not 1 <= k <= n_candidates:
            raise ValueError(f"a list of k={k} cannot be chosen from n_candidates={n_candidates}; it needs 1 ≤ k ≤ n.")
        self.model, self.k, self.n_candidates = model, k, n_candidates

    @property
    def name(self) -> str:
        """Both models, for tables of results."""
        return f"{type(self).__name__}({getattr(self.model, 'name', type(self.model).__name__)})"

    def _fit(self, train: Interactions) -> None:
        self.model.fit(train)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        if self.model.train is not self.train:
            raise ValueError(f"{type(self.model).__name__} was fitted again on another table; fit the re-ranker again.")
        scores = self.model.score(users)  # (B, n_items)
        seen = self.train.matrix()[users]
        new = np.empty_like(scores)
        for row, (user, items) in enumerate(zip(users, top_k(scores, self.n_candidates, seen), strict=True)):
            order = top_k(scores[row], scores.shape[1])[0]
            if len(items):
                chosen = items[self._choose(int(user), items, unit_interval(scores[row, items]))]
                order = np.concatenate([chosen, order[~np.isin(order, chosen)]])
            new[row, :] = -np.inf  # what the model cannot recommend stays so
            new[row, order] = np.arange(len(order), 0, -1)
        return new

    @abstractmethod
    def _choose(self, user: int, items: Ints, relevance: Floats) -> Ints:
        """Return the positions of at most k of the items, best first; relevance lies between 0 and 1."""


def unit_interval(scores: ArrayLike) -> Floats:
    """Return the scores shifted and scaled to 0 … 1; equal scores all become 1, as none is worse than another."""
    s = np.asarray(scores, dtype=np.float64)
    least, most = s.min(), s.max()
    return np.ones_like(s) if most == least else (s - least) / (most - least)


def checked(relevance: ArrayLike, n: int, k: int) -> Floats:
    """Return the relevance as a vector of n finite numbers, or raise a ValueError; k must be at least 1."""
    r = np.asarray(relevance, dtype=np.float64)
    if r.shape != (n,) or not np.isfinite(r).all():
        raise ValueError(f"relevance must hold one finite number for each of the {n} candidates, not shape {r.shape}.")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")
    return r
