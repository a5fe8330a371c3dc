"""The least squares of one user, and of all users (or all items) at once.

With the items fixed, every user is a small ridge regression of their own: `solve_user` is that
regression in three lines, for reading. `solve_rows` solves many of them, compiled; a test holds the two
equal. `solve_side` shares the rows out among threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]
Rows = tuple[Integers, Integers, Floats]


def solve_user(Q_u: Floats, residuals: Floats, reg: float, reg_power: float = 1.0) -> tuple[Floats, float]:
    r"""Return the factors p_u and the bias b_u that fit one user's ratings best while the items stay fixed.

    With the n_u rated items' rows F = [Q_u, 1] and what μ and the item biases leave,
    s_j = r_uj - μ - b_j, the pair x = (p_u, b_u) minimises

    .. math::

       \lVert s - F x \rVert^2 + \lambda n_u^{\nu} \lVert x \rVert^2,
       \qquad\text{so}\qquad
       (F^\top F + \lambda n_u^{\nu} I)\, x = F^\top s

    By symmetry the same function solves an item, given its users.

    Source: Zhou, Wilkinson, Schreiber & Pan (2008), "Large-scale Parallel Collaborative Filtering for
    the Netflix Prize", section 3, whose weighted λ is ν = 1; the column of ones adds the bias of Koren,
    Bell & Volinsky (2009), equation 4.

    Parameters
    ----------
    Q_u : float64 array, shape (n_u, k)
        The factors of the items that the user rated.
    residuals : float64 array, shape (n_u,)
        s, the user's ratings less μ and the item biases.
    reg, reg_power : float
        λ and ν.

    Returns
    -------
    (p_u, b_u), p_u of shape (k,)
    """
    n_u, k = Q_u.shape
    F = np.column_stack([Q_u, np.ones(n_u)])  # (n_u, k + 1)
    penalty = reg * n_u**reg_power * np.eye(k + 1)  # (k + 1, k + 1)
    x = np.linalg.solve(F.T @ F + penalty, F.T @ residuals)  # (k + 1,)
    return x[:k], float(x[k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def solve_rows(
    indptr: Integers,
    indices: Integers,
    ratings: Floats,
    mu: float,
    b_other: Floats,
    other: Floats,
    reg: float,
    reg_power: float,
    b_own: Floats,
    own: Floats,
) -> None:
    """Do `solve_user` for every row of a CSR matrix, each by a Cholesky factorisation.

    A row without ratings keeps what it has.

    Parameters
    ----------
    indptr, indices, ratings : CSR arrays of the ratings, a row a user (or, transposed, an item)
    mu : float
    b_other, other : float64 arrays, shapes (n_other,) and (n_other, k)
        Biases and factors of the fixed side.
    reg, reg_power : float
        λ and ν.
    b_own, own : float64 arrays, shapes (n_own,) and (n_own, k)
        Biases and factors of the side to solve; changed in place.
    """
    k = other.shape[1]
    for row in range(len(indptr) - 1):
        start, stop = indptr[row], indptr[row + 1]
        if start == stop:
            continue
        A = np.zeros((k + 1, k + 1))  # lower triangle of FᵀF + penalty, then its Cholesky factor L
        x = np.zeros(k + 1)  # Fᵀs, then the solution
        f = np.ones(k + 1)  # one row of F
        for t in range(start, stop):
            f[:k] = other[indices[t]]
            residual = ratings[t] - mu - b_other[indices[t]]
            for a in range(k + 1):
                x[a] += f[a] * residual
                for b in range(a + 1):
                    A[a, b] += f[a] * f[b]
        penalty = reg * float(stop - start) ** reg_power
        for a in range(k + 1):
            A[a, a] += penalty
        for a in range(k + 1):  # A = L Lᵀ, row by row
            for b in range(a):
                for c in range(b):
                    A[a, b] -= A[a, c] * A[b, c]
                A[a, b] /= A[b, b]
            for c in range(a):
                A[a, a] -= A[a, c] * A[a, c]
            A[a, a] = np.sqrt(A[a, a])
        for a in range(k + 1):  # L y = Fᵀs
            for b in range(a):
                x[a] -= A[a, b] * x[b]
            x[a] /= A[a, a]
        for a in range(k, -1, -1):  # Lᵀ x = y
            x[a] /= A[a, a]
            for b in range(a):
                x[b] -= A[a, b] * x[a]
        own[row] = x[:k]
        b_own[row] = x[k]


def solve_side(
    rows: Rows,
    mu: float,
    b_other: Floats,
    other: Floats,
    reg: float,
    reg_power: float,
    b_own: Floats,
    own: Floats,
    n_threads: int = 1,
) -> None:
    """Call `solve_rows` on as many runs of rows as there are threads, of about equally many ratings each.

    Rows don't touch one another, so the number of threads changes the time and nothing else: this is
    what makes alternating least squares easy to spread, over threads here, over machines in Spark.

    Parameters
    ----------
    rows : CSR arrays (indptr, indices, ratings), see `rows_of`
    mu, b_other, other, reg, reg_power, b_own, own
        As in `solve_rows`.
    n_threads : int
    """
    indptr, indices, ratings = rows
    cuts = np.searchsorted(indptr, np.linspace(0, indptr[-1], n_threads + 1))
    cuts[0], cuts[-1] = 0, len(own)
    with ThreadPoolExecutor(n_threads) as pool:
        parts = [
            pool.submit(
                solve_rows,
                indptr[first : last + 1],
                indices,
                ratings,
                mu,
                b_other,
                other,
                reg,
                reg_power,
                b_own[first:last],
                own[first:last],
            )
            for first, last in pairwise(cuts)
        ]
    for part in parts:
        part.result()  # raise what a thread raised


def rows_of(matrix: sp.csr_array) -> Rows:
    """Return the CSR arrays (indptr, indices, values) of a matrix, columns in order, values as float64."""
    matrix.sort_indices()
    return matrix.indptr, matrix.indices, matrix.data.astype(np.float64)
