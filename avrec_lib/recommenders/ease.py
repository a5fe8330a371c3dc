"""The best linear rule that predicts each item from the others, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.popularity import fill_silent_rows, item_counts
from avrec_lib.recommenders.weights import Values, check_values, weigh


class EASE(Recommender):
    """Score items by x_u B, where B reproduces every user's row from its other entries.

    min_B ‖X − XB‖²_F + λ‖B‖²_F   subject to   diag(B) = 0

    Without the constraint B = I would be perfect and useless: an item may not predict itself.
    With Lagrange multipliers the solution is

    P = (XᵀX + λI)⁻¹,   B = I − P diag(1 / diag P),   that is,   B_ij = −P_ij / P_jj for i ≠ j

    Source: Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data", equation 8. One
    inversion of an n × n matrix, n = n_items: time O(n³) and, at the highest, some five n × n tables in memory, so
    ten thousand items or little more.

    Cold user, or one whose items never occur with others: the number of training rows of each
    item. Cold item: 0, above the items that B argues against (negative scores).

    Parameters
    ----------
    reg : float
        λ > 0.
    values : {"binary", "rating", "centred"}
        The entries of X, see `weigh`.

    Attributes
    ----------
    B : float32 array, shape (n_items, n_items)

    Raises
    ------
    ValueError
        If λ is not a positive number or `values` is unknown.
    """

    B: NDArray[np.float32]

    def __init__(self, reg: float = 300.0, values: Values = "binary") -> None:
        check_values(values)
        if not 0 < reg < np.inf:
            raise ValueError(f"reg must be a positive number, not {reg}; without it the matrix may have no inverse.")
        self.reg = reg
        self.values: Values = values

    def _fit(self, train: Interactions) -> None:
        X = weigh(train, self.values)  # (n_users, n_items)
        self.B = ease_weights((X.T @ X).toarray(), self.reg).astype(np.float32)
        self._weights = X.astype(np.float32)
        self._counts = item_counts(train)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return fill_silent_rows(self._weights[users] @ self.B, self._counts)  # (B, n_items)


def ease_weights(gram: NDArray[np.float64], reg: float) -> NDArray[np.float64]:
    """Return B of `EASE`: the closed form, in four lines.

    Parameters
    ----------
    gram : array, shape (n_items, n_items)
        XᵀX: how many users met both items (for binary X).
    reg : float
        λ > 0.

    Returns
    -------
    float64 array, shape (n_items, n_items), with a zero diagonal
    """
    P = np.linalg.inv(gram + reg * np.eye(len(gram)))  # (n_items, n_items)
    B = -P / np.diag(P)  # column j is divided by P_jj
    np.fill_diagonal(B, 0)
    return B
