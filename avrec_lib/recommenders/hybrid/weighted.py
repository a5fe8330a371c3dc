"""Several recommenders as one: their opinions on a common scale, weighted and added."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender


class WeightedHybrid(Recommender):
    """Score an item by the weighted sum of what several recommenders think of it.

    s_ui = Σ_p w_p z⁽ᵖ⁾_ui,   z⁽ᵖ⁾_ui = (s⁽ᵖ⁾_ui − mean_u) / σ_u

    Counts, cosines and predicted ratings have different units, so each part's scores are first
    standardised for each user: mean_u and σ_u are the mean and standard deviation of the part's
    scores of all items for user u. A part that gives a
    user the same score for every item has no opinion and adds 0. Items that tie in every part tie
    in the sum. Source: Burke (2002), the weighted hybrid.

    Cold users and items: what each part does with them, blended.

    Parameters
    ----------
    parts : sequence of recommenders
        `fit` fits them all, on its own table.
    weights : sequence of float, optional
        One a part; by default all equal 1. Only their ratios matter.

    Raises
    ------
    ValueError
        If there are no parts, or not one finite weight for each, or all weights are 0.
    """

    def __init__(self, parts: Sequence[Recommender], weights: Sequence[float] | None = None) -> None:
        self.parts = tuple(parts)
        self.weights = np.ones(len(self.parts)) if weights is None else np.asarray(weights, dtype=np.float64)
        if not self.parts:
            raise ValueError("WeightedHybrid needs at least one recommender in parts.")
        if self.weights.shape != (len(self.parts),):
            raise ValueError(f"weights must hold one number for each of the {len(self.parts)} parts, not {weights}.")
        if not np.isfinite(self.weights).all() or not self.weights.any():
            raise ValueError(f"weights must be finite and not all 0, not {weights}.")

    def _fit(self, train: Interactions) -> None:
        for part in self.parts:
            part.fit(train)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        total = np.zeros((len(users), self.train.n_items))  # (B, n_items)
        for weight, part in zip(self.weights, self.parts, strict=True):
            if part.train is not self.train:
                raise ValueError(
                    f"the part {type(part).__name__} was fitted again on another table; fit the hybrid again."
                )
            total += weight * standardise(part.score(users))
        return total.astype(np.float32)


def standardise(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return each row shifted to mean 0 and scaled to standard deviation 1; a constant row becomes 0.

    Parameters
    ----------
    scores : array, shape (B, n_items)
    """
    table = scores.astype(np.float64)
    varies = table.max(axis=1, keepdims=True) > table.min(axis=1, keepdims=True)  # (B, 1)
    deviation = np.where(varies, table.std(axis=1, keepdims=True), 1)
    return np.where(varies, (table - table.mean(axis=1, keepdims=True)) / deviation, 0)  # (B, n_items)
