"""One recommender for those it knows little of, another for the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender


class SwitchingHybrid(Recommender):
    """Score with `few` for users with fewer than n training rows, and with `many` for all others.

    s_u = s⁽few⁾_u if n_u < n,  s⁽many⁾_u otherwise

    Each user's list comes from one part alone, so their units need not agree. Source: Burke (2002),
    the switching hybrid.

    Cold users and items: a user without rows is one with few; the part in charge decides.

    Parameters
    ----------
    few, many : recommenders
        `fit` fits both, on its own table.
    n : int
        The number of training rows from which `many` is trusted, at least 1.

    Raises
    ------
    ValueError
        If n is less than 1.
    """

    def __init__(self, few: Recommender, many: Recommender, n: int = 20) -> None:
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}; with fewer rows than one nobody would be switched.")
        self.few, self.many, self.n = few, many, n

    def _fit(self, train: Interactions) -> None:
        self.few.fit(train)
        self.many.fit(train)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        n_rows = np.bincount(self.train.users, minlength=self.train.n_users)[users]  # (B,)
        scores = np.empty((len(users), self.train.n_items), dtype=np.float32)
        for part, rows in ((self.few, n_rows < self.n), (self.many, n_rows >= self.n)):
            if part.train is not self.train:
                raise ValueError(
                    f"the part {type(part).__name__} was fitted again on another table; fit the hybrid again."
                )
            if rows.any():
                scores[rows] = part.score(users[rows])
        return scores
