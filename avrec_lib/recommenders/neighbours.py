"""Collaborative filtering by neighbours: people like you liked it, or it goes with what you liked."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import RatingModel, top_k
from avrec_lib.recommenders.popularity import fill_silent_rows, item_counts
from avrec_lib.recommenders.similarity import cosine_similarity, row_lengths
from avrec_lib.recommenders.weights import Values, biases, check_values, weigh

BATCH = 1024  # rows of similarities held dense at one time


class _Neighbours(RatingModel):
    """What the two methods share: the settings, the table of neighbours, the weighted average."""

    neighbours: sp.csr_array

    def __init__(self, k: int = 50, values: Values = "binary", shrinkage: float = 0.0) -> None:
        check_values(values)
        if not isinstance(k, int | np.integer) or k < 1:
            raise ValueError(f"k must be a whole number of at least 1, not {k}.")
        if not 0 <= shrinkage < np.inf:
            raise ValueError(f"shrinkage must be a number, at least 0, not {shrinkage}.")
        self.k = k
        self.values: Values = values
        self.shrinkage = shrinkage

    def _fit(self, train: Interactions) -> None:
        self._weights = weigh(train, self.values)  # (n_users, n_items)
        self._counts = item_counts(train)
        self._mu, self._b_u, self._b_i = biases(train)
        self._rated = weigh(train, "binary")
        R = sp.coo_array(train.matrix().astype(np.float64))
        users, items = R.coords
        rest = R.data - self._baseline(users, items)
        self._deviations = sp.csr_array((rest, self._rated.indices, self._rated.indptr), shape=R.shape)

    def _baseline(self, users: NDArray[np.integer], items: NDArray[np.integer]) -> NDArray[np.float64]:
        baseline: NDArray[np.float64] = self._mu + self._b_u[users] + self._b_i[items]  # (n,)
        return baseline

    def _filled(self, scores: sp.csr_array) -> NDArray[np.float32]:
        return fill_silent_rows(scores.toarray().astype(np.float32), self._counts)  # (B, n_items)

    def _average(self, similar: sp.csr_array, rated: sp.csr_array, deviations: sp.csr_array) -> NDArray[np.float64]:
        """Return the average deviation, weighted by similarity, of the rated ones in each row, shape (n,)."""
        total: NDArray[np.float64] = similar.multiply(deviations).sum(axis=1)
        weight: NDArray[np.float64] = similar.multiply(rated).sum(axis=1)
        return np.asarray(total / (1 + weight))


class ItemKNN(_Neighbours):
    """Score an item by its similarity to the items the user met, each speaking for its k nearest.

    s_ui = Σ x_uj w_ji   over the items j ∈ I_u with i ∈ N_k(j)
    w_ji = x_j·x_i / (‖x_j‖ ‖x_i‖ + h)

    where x_j is item j's column of the matrix, N_k(j) the k other items with the largest w_ji > 0
    (ties by item index) and h the shrinkage: with few common users both lengths are small, so h
    lowers the similarities that rest on little. Sources: Deshpande and Karypis (2004); the
    shrunk cosine as in Ferrari Dacrema et al. (2019).

    Ratings are predicted with the same neighbours, from how far the user's ratings of them lie
    above the baseline b_ui = μ + b_u + b_i (see `biases`):

    r̂_ui = b_ui + Σ_j w_ji (r_uj − b_uj) / (1 + Σ_j w_ji)   over the same j

    The 1 is a neighbour with similarity 1 and no deviation: one weak neighbour alone cannot move
    the prediction far. Source: Koren (2010), equation 3, there without the 1.

    Cold user, or one whose items have no neighbours: the number of training rows of each item;
    predicted rating of a cold user μ + b_i. Cold item: score 0, below every item that is similar
    to one of the user's; predicted rating μ + b_u.

    Parameters
    ----------
    k : int
        Number of neighbours of each item.
    values : {"binary", "rating", "centred"}
        The weights x_ui, see `weigh`. "centred" gives the adjusted cosine of Sarwar et al. (2001),
        made for predicting ratings and poor at lists.
    shrinkage : float
        h ≥ 0.

    Attributes
    ----------
    neighbours : CSR, float64, shape (n_items, n_items)
        Row j holds w_ji of the items i in N_k(j).

    Raises
    ------
    ValueError
        If k is not a whole number of at least 1, h is negative, or `values` is unknown.
    """

    def _fit(self, train: Interactions) -> None:
        super()._fit(train)
        self.neighbours = nearest(sp.csr_array(self._weights.T), self.k, self.shrinkage)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._filled(self._weights[users] @ self.neighbours)

    def _predict(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        similar = sp.csr_array(self.neighbours.T)[items]  # (n, n_items): w_ji in column j
        average = self._average(similar, self._rated[users], self._deviations[users])
        return self._baseline(users, items) + average


class UserKNN(_Neighbours):
    """Score an item by the similarity of the k most similar users who met it.

    s_ui = Σ_v w_uv x_vi   over the users v ∈ N_k(u)
    w_uv = x_u·x_v / (‖x_u‖ ‖x_v‖ + h)

    where x_u is user u's row of the matrix, N_k(u) the k other users with the largest w_uv > 0
    (ties by user index) and h the shrinkage. Source: Resnick et al. (1994), the GroupLens
    algorithm, here with cosines.

    Ratings are predicted with the same neighbours, from how far their ratings lie above the
    baseline b_vi = μ + b_v + b_i (see `biases`):

    r̂_ui = b_ui + Σ_v w_uv (r_vi − b_vi) / (1 + Σ_v w_uv)   over the v ∈ N_k(u) who rated i

    Cold user, or one without neighbours: the number of training rows of each item; predicted
    rating of a cold user μ + b_i. Cold item: score 0; predicted rating μ + b_u.

    Parameters
    ----------
    k : int
        Number of neighbours of each user.
    values : {"binary", "rating", "centred"}
        The weights x_ui, see `weigh`. With "centred" the similarity is close to the correlation of
        two users' ratings: better for predicting ratings, worse for lists.
    shrinkage : float
        h ≥ 0.

    Attributes
    ----------
    neighbours : CSR, float64, shape (n_users, n_users)
        Row u holds w_uv of the users v in N_k(u).

    Raises
    ------
    ValueError
        If k is not a whole number of at least 1, h is negative, or `values` is unknown.
    """

    def _fit(self, train: Interactions) -> None:
        super()._fit(train)
        self.neighbours = nearest(self._weights, self.k, self.shrinkage)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._filled(self.neighbours[users] @ self._weights)

    def _predict(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        raters, deviations = sp.csr_array(self._rated.T), sp.csr_array(self._deviations.T)  # (n_items, n_users)
        average = self._average(self.neighbours[users], raters[items], deviations[items])
        return self._baseline(users, items) + average


def nearest(vectors: sp.csr_array, k: int, shrinkage: float = 0.0) -> sp.csr_array:
    """Return the k most similar other rows of each row, and how similar they are.

    Similarity is the shrunk cosine x·y / (‖x‖ ‖y‖ + h).
    Rows that are not similar at all (w ≤ 0) are no neighbours, so there may be fewer than k.

    Parameters
    ----------
    vectors : CSR, shape (n, d)
    k : int
    shrinkage : float
        h.

    Returns
    -------
    CSR, float64, shape (n, n)
    """
    n = vectors.shape[0]
    lengths = row_lengths(vectors)  # (n,)
    columns: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float64]] = []
    for start in range(0, n, BATCH):
        rows = np.arange(start, min(start + BATCH, n))
        similar = cosine_similarity(vectors[rows], vectors)  # (b, n)
        if shrinkage > 0:
            both = np.outer(lengths[rows], lengths)
            similar *= both / (both + shrinkage)
        similar[similar <= 0] = -np.inf  # top_k leaves these out
        similar[np.arange(len(rows)), rows] = -np.inf  # nobody is their own neighbour
        best = top_k(similar, k)
        columns += best
        weights += [row[found] for row, found in zip(similar, best, strict=True)]
    ends = np.cumsum([0, *map(len, columns)])
    return sp.csr_array((np.concatenate(weights), np.concatenate(columns), ends), shape=(n, n))
