"""What a table can tell a classifier about a user and an item: features of the one, of the other, and of both.

Page 5.1.4. A training pair must not see itself: an item that one user rated would have that very rating
as its mean, and the classifier would learn to read the answer off the question. Leaving the pair's own
row out of the counts is not enough for a tree: a pair that was met then shows an item with one row less
than all others do, and the tree reads the answer off that. So the models describe the later rows by the
earlier ones (`models.training_pairs`); to leave one out is here for page 5.1.4 and for tiny tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.similarity import Vectors, unit_rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NAMES = ("user rows", "user mean", "item rows", "item mean", "user's cosine with the item", "item seen together")
DAMPING = 5.0  # a mean counts as many further rows of the overall mean


class PairFeatures:
    """Describe (user, item) pairs by the training table.

    | feature | of | value |
    |---|---|---|
    | user rows | user | log(1 + n_u) |
    | user mean | user | damped mean of the user's values |
    | item rows | item | log(1 + n_i) |
    | item mean | item | damped mean of the item's values |
    | user's cosine with the item | both | cos(Σ_{j met} x_j, x_i), with the item vectors; 0 without them |
    | item seen together | both | mean over the user's items j of n_ij / √(n_i n_j), their cosine as columns |

    and, where vectors are given, the item's own vector after them.

    Parameters
    ----------
    train : Interactions
    item_vectors : array or sparse matrix, shape (n_items, d), optional

    Attributes
    ----------
    names : tuple of str, length n_features

    Raises
    ------
    ValueError
        If there is not one vector for each item.
    """

    def __init__(self, train: Interactions, item_vectors: Vectors | None = None) -> None:
        self.train = train
        directions: Any = np.zeros((train.n_items, 0)) if item_vectors is None else unit_rows(item_vectors)
        self.directions: Floats = np.asarray(directions) if isinstance(directions, np.ndarray) else directions.toarray()
        if len(self.directions) != train.n_items:
            raise ValueError(
                f"item_vectors has {len(self.directions)} rows for {train.n_items} items; give one for each."
            )
        R = train.matrix().astype(np.float64)  # (n_users, n_items)
        self._values = R
        self._met = sp.csr_array((np.ones(R.nnz), R.indices, R.indptr), shape=R.shape)
        self._n_u, self._n_i = (np.bincount(part, minlength=n).astype(np.float64) for part, n in self._sides())
        self._sum_u, self._sum_i = (np.asarray(R.sum(axis=axis)).ravel() for axis in (1, 0))
        self.mean = float(R.data.mean())
        self._profiles: Floats = np.asarray(self._met @ self.directions)  # (n_users, d)
        self._together = (self._met.T @ self._met).toarray()  # (n_items, n_items): users who met both
        self.names = (*NAMES, *(f"vector {j}" for j in range(self.directions.shape[1])))

    def of(self, users: Ints, items: Ints, *, without_itself: bool = False) -> Floats:
        """Return the features of pairs, shape (n, n_features).

        Parameters
        ----------
        users, items : int arrays, shape (n,)
        without_itself : bool
            Leave out the pair's own training row; each pair must then be one.
        """
        out = np.float64(1.0 if without_itself else 0.0)
        values: Any = self._values
        own = np.asarray(values[users, items]).ravel() if without_itself else np.zeros(len(users))
        n_u, n_i = self._n_u[users] - out, self._n_i[items] - out
        profiles = self._profiles[users] - out * self.directions[items]  # (n, d)
        length = np.linalg.norm(profiles, axis=1)
        cosine = np.einsum("nd,nd->n", profiles, self.directions[items]) / np.where(length > 1e-9, length, np.inf)
        shared = self._shared(users, items, without_itself)
        columns = [
            np.log1p(n_u),
            (self._sum_u[users] - own + DAMPING * self.mean) / (n_u + DAMPING),
            np.log1p(n_i),
            (self._sum_i[items] - own + DAMPING * self.mean) / (n_i + DAMPING),
            cosine,
            shared / np.maximum(n_u, 1),
        ]
        return np.column_stack([*columns, self.directions[items]])

    def _sides(self) -> tuple[tuple[NDArray[np.int32], int], tuple[NDArray[np.int32], int]]:
        return (self.train.users, self.train.n_users), (self.train.items, self.train.n_items)

    def _shared(self, users: Ints, items: Ints, without_itself: bool) -> Floats:
        """Return Σ_j n_ij / √(n_i n_j) over the user's items j, the item itself left out, shape (n,)."""
        total = np.empty(len(users))
        order = np.argsort(users, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(users[order])) + 1):
            if not len(rows):
                continue
            met = self._met.indices[self._met.indptr[users[rows[0]]] : self._met.indptr[users[rows[0]] + 1]]
            i = items[rows]
            other = met[None, :] != i[:, None]  # (rows, met)
            n_both = self._together[np.ix_(i, met)] - (1.0 if without_itself else 0.0)  # this user met both
            n_i = self._n_i[i] - (1.0 if without_itself else 0.0)
            cosine = n_both / np.sqrt(np.maximum(n_i, 1)[:, None] * np.maximum(self._n_i[met], 1))
            total[rows] = np.where(other, np.maximum(cosine, 0.0), 0.0).sum(axis=1)
        return total
