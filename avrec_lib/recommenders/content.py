"""Recommend items whose content points the same way as what the user met before."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.popularity import fill_silent_rows, item_counts
from avrec_lib.recommenders.similarity import Vectors, cosine_similarity, row_lengths, unit_rows
from avrec_lib.recommenders.weights import Values, check_values, weigh


class ContentRecommender(Recommender):
    """Score an item by the cosine between the user's profile and the item's vector.

    w_u = Σ_{i ∈ Ω_u} a_ui x_i
    ŝ_ui = s(w_u, x_i) = w_u·x_i / (‖w_u‖ ‖x_i‖)

    The profile is a weighted sum of the vectors of the items the user met; with centred values
    what the user liked less than usual pushes it away. It needs no other user, so it can rank an
    item that nobody has met yet. Source: article, section 6.2; the profile is Rocchio's, see
    Pazzani and Billsus (2007).

    Cold user, or a profile that cancels to zero (with centred values: a user who gave every item
    the same rating): the number of training rows of each item. Cold item: scored like any other.
    Item with a zero vector: 0.

    Parameters
    ----------
    item_vectors : array or sparse matrix, shape (n_items, d)
        Genres, TF-IDF, embeddings …, one row an item, in the order of `train.item_ids`.
    values : {"centred", "binary", "rating"}
        The weights a_ui, see `weigh`.

    Attributes
    ----------
    profiles : float64 array or CSR, shape (n_users, d)
        The rows are the w_u.

    Raises
    ------
    ValueError
        If a vector holds NaN or infinity, `values` is unknown, or (by `fit`) the number of
        vectors is not the number of items.
    """

    profiles: NDArray[np.float64] | sp.csr_array

    def __init__(self, item_vectors: Vectors, values: Values = "centred") -> None:
        check_values(values)
        unit_rows(item_vectors)  # refuses NaN now, not at the first recommendation
        self.values: Values = values
        self.item_vectors = (
            sp.csr_array(item_vectors, dtype=np.float64, copy=True)
            if sp.issparse(item_vectors)
            else np.array(item_vectors, dtype=np.float64)
        )

    def _fit(self, train: Interactions) -> None:
        V = self.item_vectors
        if V.shape[0] != train.n_items:
            raise ValueError(
                f"ContentRecommender has {V.shape[0]} item vectors and the table {train.n_items} items; "
                "give one row for each of train.item_ids, in that order."
            )
        X = weigh(train, self.values)
        profiles = X @ V  # (n_users, d)
        # What is left of a sum that cancels is rounding, and its cosine would be an accident.
        real = row_lengths(profiles) > 1e-9 * (abs(X) @ row_lengths(V))  # (n_users,)
        self.profiles = (
            sp.csr_array(sp.diags_array(real * 1.0) @ profiles) if sp.issparse(V) else profiles * real[:, None]
        )
        self._counts = item_counts(train)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        cosines = cosine_similarity(self.profiles[users], self.item_vectors)  # (B, n_items)
        return fill_silent_rows(cosines.astype(np.float32), self._counts)
