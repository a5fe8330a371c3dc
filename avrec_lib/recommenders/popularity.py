"""The recommender that knows nobody: everyone gets what most people met, or what they liked on average."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender


class Popularity(Recommender):
    """Rank items by how many users met them, the same for every user.

    by="count":  s_i = n_i
    by="mean":   s_i = (λμ + Σ_u r_ui) / (λ + n_i)

    where n_i is the number of training rows of item i and μ the mean of all values. An undamped
    mean (λ = 0) puts an item with a single rating of 5 above one with a thousand ratings of 4.9;
    damping counts as λ further ratings of μ.

    Cold user: the same scores as everybody. Cold item: 0 by count; μ by mean.

    Parameters
    ----------
    by : {"count", "mean"}
    damping : float
        λ ≥ 0, used by "mean" only.

    Attributes
    ----------
    item_scores : float32 array, shape (n_items,)

    Raises
    ------
    ValueError
        If `by` is unknown or the damping is negative.
    """

    item_scores: NDArray[np.float32]

    def __init__(self, by: Literal["count", "mean"] = "count", damping: float = 10.0) -> None:
        if by not in ("count", "mean"):
            raise ValueError(f"by must be 'count' or 'mean', not {by!r}.")
        if not 0 <= damping < np.inf:
            raise ValueError(f"damping must be a number of ratings, at least 0, not {damping}.")
        self.by = by
        self.damping = damping

    def _fit(self, train: Interactions) -> None:
        counts = item_counts(train)  # (n_items,)
        if self.by == "count":
            self.item_scores = counts
        else:
            R = train.matrix().astype(np.float64)
            mu = R.data.mean()
            weight = self.damping + counts
            mean = (self.damping * mu + R.sum(axis=0)) / np.where(weight > 0, weight, 1)
            self.item_scores = np.where(weight > 0, mean, mu).astype(np.float32)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.tile(self.item_scores, (len(users), 1))  # (B, n_items)


def item_counts(train: Interactions) -> NDArray[np.float32]:
    """Return the number of training rows of each item, shape (n_items,)."""
    return np.bincount(train.items, minlength=train.n_items).astype(np.float32)


def fill_silent_rows(scores: NDArray[np.float32], counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scores with every row of zeros replaced by the items' counts.

    A personal recommender that gives every item 0 knows nothing about the user: a cold user, or
    one whose rows say nothing about other items. Popularity is a better guess than the item index.

    Parameters
    ----------
    scores : float32 array, shape (B, n_items)
        Changed in place.
    counts : float32 array, shape (n_items,)
        From `item_counts`.
    """
    scores[~scores.any(axis=1)] = counts
    return scores
