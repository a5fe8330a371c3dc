"""Latent semantic analysis of the rating table: the truncated SVD, with every gap read as a zero.

As a prediction of ratings that reading is wrong, and page 6.1.1 measures how wrong. As a score that
only ranks it works: a film lies close to the films that the same people met.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.popularity import fill_silent_rows, item_counts
from avrec_lib.recommenders.weights import Values, check_values, weigh


def right_singular_vectors(X: sp.csr_array | NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return the k right singular vectors of X with the largest singular values.

    XᵀX = V Σ² Vᵀ, so they are the eigenvectors of XᵀX with the largest eigenvalues. Lanczos iteration finds a
    few of many and asks only for products with XᵀX, which is never built: its cost grows with the entries of X.
    For more than a quarter of them the full decomposition is the faster way. The sign of each is chosen so that
    its largest entry is positive: the same table gives the same vectors everywhere.

    Parameters
    ----------
    X : array or CSR, float64, shape (m, n)
    k : int, at most n

    Returns
    -------
    float64 array, shape (n, k), the largest singular value first
    """
    n = X.shape[1]
    if k < n / 4:
        gram = scipy.sparse.linalg.LinearOperator((n, n), matvec=lambda v: X.T @ (X @ v), dtype=np.float64)
        _, V = scipy.sparse.linalg.eigsh(gram, k, which="LA", v0=np.ones(n))  # a fixed start
    else:
        both = X.T @ X
        table = both.toarray() if sp.issparse(both) else both
        _, V = scipy.linalg.eigh(table, subset_by_index=(n - k, n - 1))
    V = V[:, ::-1]  # (n, k), descending
    largest = V[np.abs(V).argmax(axis=0), np.arange(k)]
    signed: NDArray[np.float64] = V * np.sign(largest)
    return signed


class PureSVD(Recommender):
    r"""Score items by projecting a user's row on the k strongest patterns of the whole table.

    .. math::

       X \approx U_k \Sigma_k V_k^\top, \qquad \hat s_u = x_u V_k V_k^\top

    where a gap of X is a 0. The second form needs no U: a new user's row can be scored without
    fitting again ("folding in").

    Source: Deerwester et al. (1990) for the analysis, of words and documents; Cremonesi, Koren & Turrin
    (2010), "Performance of Recommender Algorithms on Top-N Recommendation Tasks", for its use here,
    under this name.

    Cold user: the item counts of `Popularity`. Cold item: 0.

    Parameters
    ----------
    n_factors : int
        k, at most min(n_users, n_items).
    values : {"binary", "rating", "centred"}
        What a row of the table weighs, see `weigh`.

    Attributes
    ----------
    Q : float32 array, shape (n_items, k)
        V_k, the item vectors, the strongest pattern first.

    Raises
    ------
    ValueError
        For n_factors < 1 or unknown values; in `fit` for more factors than users or items.
    """

    def __init__(self, n_factors: int = 50, values: Values = "binary") -> None:
        if n_factors < 1:
            raise ValueError(f"PureSVD: n_factors must be at least 1, not {n_factors}.")
        check_values(values)
        self.n_factors = n_factors
        self.values: Values = values

    def _fit(self, train: Interactions) -> None:
        if self.n_factors > min(train.n_users, train.n_items):
            raise ValueError(
                f"PureSVD: {self.n_factors} factors are more than the table of {train.n_users} users and "
                f"{train.n_items} items has; choose n_factors of at most {min(train.n_users, train.n_items)}."
            )
        X = weigh(train, self.values)  # (n_users, n_items)
        self.Q = right_singular_vectors(X, self.n_factors).astype(np.float32)
        self._weights = X.astype(np.float32)
        self._counts = item_counts(train)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        scores = self._weights[users] @ self.Q @ self.Q.T  # (B, n_items)
        scores[np.diff(self._weights[users].indptr) == 0] = 0
        return fill_silent_rows(scores, self._counts)
