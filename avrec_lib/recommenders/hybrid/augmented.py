"""Item features as further users of the table: what items have in common counts like who met them both."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.ease import ease_weights
from avrec_lib.recommenders.popularity import fill_silent_rows, item_counts
from avrec_lib.recommenders.similarity import Vectors, unit_rows
from avrec_lib.recommenders.weights import Values, check_values, weigh


class FeatureAugmentedEASE(Recommender):
    """EASE on a table with a further row for each item feature: G = XᵀX + w F Fᵀ.

    min_B ‖X − XB‖²_F + w ‖Fᵀ − FᵀB‖²_F + λ‖B‖²_F   subject to   diag(B) = 0

    F holds the item vectors, divided by their lengths. A feature is a user who met all items that
    have it; w says how many real users one of them is worth. Two items that nobody has met
    together are related now, through what they are, so an item without rows is recommended, too.
    With w = 0 it is `EASE`. Source: Jeunen, Van Balen and Goethals (2020), the collective variant
    of EASE; as a kind of hybrid, Burke (2002), feature augmentation.

    Cold user: the number of training rows of each item. Cold item: its features speak for it.

    Parameters
    ----------
    item_vectors : array or sparse matrix, shape (n_items, d)
        Genres, TF-IDF, embeddings; a zero vector adds nothing.
    weight : float
        w ≥ 0.
    reg, values : see `EASE`

    Attributes
    ----------
    B : float32 array, shape (n_items, n_items)

    Raises
    ------
    ValueError
        If w or λ is out of range, a vector is not finite, or (by `fit`) there is not one for each item.
    """

    B: NDArray[np.float32]

    def __init__(
        self, item_vectors: Vectors, weight: float = 10.0, reg: float = 300.0, values: Values = "binary"
    ) -> None:
        check_values(values)
        if not (0 < reg < np.inf and 0 <= weight < np.inf):
            raise ValueError(f"reg must be above 0 and weight at least 0, not {reg} and {weight}.")
        self.weight, self.reg = weight, reg
        self.values: Values = values
        self.directions: Any = unit_rows(item_vectors)  # (n_items, d)

    def _fit(self, train: Interactions) -> None:
        if self.directions.shape[0] != train.n_items:
            raise ValueError(
                f"item_vectors has {self.directions.shape[0]} rows for {train.n_items} items; give one for each."
            )
        X = weigh(train, self.values)  # (n_users, n_items)
        alike = self.directions @ self.directions.T  # (n_items, n_items)
        alike = alike if isinstance(alike, np.ndarray) else alike.toarray()
        self.B = ease_weights((X.T @ X).toarray() + self.weight * alike, self.reg).astype(np.float32)
        self._weights = X.astype(np.float32)
        self._counts = item_counts(train)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return fill_silent_rows(self._weights[users] @ self.B, self._counts)  # (B, n_items)
