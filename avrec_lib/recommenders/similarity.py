"""How alike two things are: the cosine of the angle between their vectors.

Used by chapter 6.2 (content models), by the neighbour methods of chapter 5, and by
`similar_items`. It is written once, here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

Vectors = ArrayLike | sp.sparray | sp.spmatrix
"""Vectors as the rows of a table: a dense array or any SciPy sparse matrix."""


def cosine_similarity(X: Vectors, Y: Vectors | None = None) -> NDArray[np.float64]:
    """Return the cosine of the angle between every row of X and every row of Y.

    sim(x, y) = x·y / (‖x‖ ‖y‖)

    1: they point the same way, whatever their lengths; 0: orthogonal; −1: opposite.
    A zero vector points nowhere, so its cosine with everything, itself included, is 0.

    Parameters
    ----------
    X : array or sparse matrix, shape (m, d)
    Y : array or sparse matrix, shape (n, d), optional
        By default X itself.

    Returns
    -------
    float64 array, shape (m, n)

    Raises
    ------
    ValueError
        If a vector holds NaN or infinity, or the two kinds of vectors differ in length.

    Examples
    --------
    >>> cosine_similarity([[1, 0], [0, 0], [2, 0]])
    array([[1., 0., 1.],
           [0., 0., 0.],
           [1., 0., 1.]])
    """
    A = unit_rows(X)
    B = A if Y is None else unit_rows(Y)
    if A.shape[1] != B.shape[1]:
        raise ValueError(f"vectors of length {A.shape[1]} and {B.shape[1]} cannot be compared; they need one length.")
    product = A @ B.T  # (m, n)
    return product.toarray() if isinstance(product, sp.csr_array | sp.csc_array) else np.asarray(product)


def unit_rows(X: Vectors) -> Any:  # noqa: ANN401 (an array for an array, CSR for a sparse matrix)
    """Return the rows divided by their Euclidean lengths; zero rows stay zero.

    In float64: there two equal vectors differ by rounding far below float32, so that scores
    made from them and stored in float32 tie exactly, as they should.

    Parameters
    ----------
    X : array or sparse matrix, shape (m, d)

    Returns
    -------
    float64 array, or CSR where X is sparse, shape (m, d)

    Raises
    ------
    ValueError
        If a number is NaN or infinite, or the table is not two-dimensional.
    """
    table = sp.csr_array(X, dtype=np.float64) if sp.issparse(X) else np.asarray(X, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"vectors must be the rows of a table, not an array of shape {table.shape}.")
    finite = np.isfinite(table.data if isinstance(table, sp.csr_array) else table)
    if not finite.all():
        raise ValueError("the vectors hold NaN or infinity; fill or drop those rows first.")
    lengths = row_lengths(table)  # (m,)
    scale = 1 / np.where(lengths > 0, lengths, 1)
    return sp.csr_array(sp.diags_array(scale) @ table) if isinstance(table, sp.csr_array) else table * scale[:, None]


def row_lengths(table: NDArray[np.float64] | sp.csr_array) -> NDArray[np.float64]:
    """Return the Euclidean length of each row, shape (m,)."""
    squares = table.multiply(table) if isinstance(table, sp.csr_array) else table * table
    lengths: NDArray[np.float64] = np.sqrt(squares.sum(axis=1))
    return lengths
