"""The two fast ways to solve all users of implicit ALS at once: exactly, and by a few conjugate-gradient steps.

Both do for every row what `implicit_als.solve_user` does for one; tests hold the three equal. At 32
factors they take about the same time; the exact one's work grows with f² per interaction and f³ per row,
that of conjugate gradients with f and f², so from 64 factors on the latter wins clearly.

Rows are dealt to the threads in strides: neighbours in an id-sorted catalogue are often equally popular,
and a thread that got all the popular ones would keep the others waiting. No row reads what another
writes, so the number of threads never changes the result.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.integer]

STRIDE = 64
ONE = np.float32(1)  # a Python 1 would turn the sums around it into float64
FAST = {"reassoc", "contract", "nsz", "arcp"}  # lets sums run in vector lanes; NaN and infinity keep their meaning


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FAST)
def solve_rows_exact(
    indptr: Integers, indices: Integers, extra: Floats, Y: Floats, gram: Floats, reg: Floats, X: Floats
) -> None:
    """Solve every row's normal equations by a Cholesky factorisation; X is overwritten.

    Parameters
    ----------
    indptr, indices : CSR structure of the interactions, a row a user (or, transposed, an item)
    extra : float32 array, shape (nnz,)
        c - 1 = αr, the confidence of each interaction beyond the 1 that every pair has.
    Y : float32 array, shape (n_other, f)
        Factors of the fixed side.
    gram : float32 array, shape (f, f)
        YᵀY.
    reg : float32 array, shape (n_rows,)
        The penalty of each row.
    X : float32 array, shape (n_rows, f)
        Factors of the side to solve. A row without interactions becomes 0.
    """
    f = Y.shape[1]
    for first in prange(STRIDE):
        A = np.empty((f, f), dtype=np.float32)  # lower triangle of the matrix, then of its Cholesky factor L
        b = np.empty(f, dtype=np.float32)
        for row in range(first, len(indptr) - 1, STRIDE):
            x = X[row]
            x[:] = 0
            start, stop = indptr[row], indptr[row + 1]
            if start == stop:
                continue
            A[:, :] = gram
            b[:] = 0
            for t in range(start, stop):  # A += (c - 1) y yᵀ, b += c y
                y = Y[indices[t]]
                for p in range(f):
                    weighted = extra[t] * y[p]
                    b[p] += weighted + y[p]
                    A_p = A[p]
                    for q in range(p + 1):
                        A_p[q] += weighted * y[q]
            for p in range(f):  # A = L Lᵀ and, in the same pass, L z = b
                A_p = A[p]
                A_p[p] += reg[row]
                for q in range(p):
                    A_q = A[q]
                    rest = A_p[q]
                    for k in range(q):
                        rest -= A_p[k] * A_q[k]
                    A_p[q] = rest / A_q[q]
                rest, right = A_p[p], b[p]
                for k in range(p):
                    rest -= A_p[k] * A_p[k]
                    right -= A_p[k] * b[k]
                A_p[p] = np.sqrt(rest)
                b[p] = right / A_p[p]
            for p in range(f - 1, -1, -1):  # Lᵀ x = z
                A_p = A[p]
                x[p] = b[p] / A_p[p]
                for k in range(p):
                    b[k] -= A_p[k] * x[p]


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FAST)
def solve_rows_cg(
    indptr: Integers, indices: Integers, extra: Floats, Y: Floats, gram: Floats, reg: Floats, X: Floats, n_steps: int
) -> None:
    """Improve every row by n_steps conjugate-gradient steps on its normal equations, from where it stands.

    Each step needs only the product A p = YᵀY p + λp + Σ (c - 1) (y·p) y, never the matrix A itself. A step
    can't raise the objective, and f of them reach the exact solution. Parameters as `solve_rows_exact`.
    Source: Takács, Pilászy & Tikk (2011), "Applications of the Conjugate Gradient Method for Implicit
    Feedback Collaborative Filtering".
    """
    f = Y.shape[1]
    for first in prange(STRIDE):
        residual = np.empty(f, dtype=np.float32)  # b - A x
        p = np.empty(f, dtype=np.float32)  # direction of the step
        A_p = np.empty(f, dtype=np.float32)
        for row in range(first, len(indptr) - 1, STRIDE):
            x = X[row]
            start, stop = indptr[row], indptr[row + 1]
            if start == stop:
                x[:] = 0
                continue
            for a in range(f):
                total = reg[row] * x[a]
                gram_a = gram[a]
                for b in range(f):
                    total += gram_a[b] * x[b]
                residual[a] = -total
            for t in range(start, stop):
                y = Y[indices[t]]
                dot = np.float32(0)
                for a in range(f):
                    dot += y[a] * x[a]
                c = ONE + extra[t] * (ONE - dot)
                for a in range(f):
                    residual[a] += c * y[a]
            size = np.float32(0)  # residual · residual
            for a in range(f):
                p[a] = residual[a]
                size += residual[a] * residual[a]
            for _ in range(n_steps):
                if size < 1e-20:  # solved; another step would divide 0 by 0
                    break
                for a in range(f):
                    total = reg[row] * p[a]
                    gram_a = gram[a]
                    for b in range(f):
                        total += gram_a[b] * p[b]
                    A_p[a] = total
                for t in range(start, stop):
                    y = Y[indices[t]]
                    dot = np.float32(0)
                    for a in range(f):
                        dot += y[a] * p[a]
                    dot *= extra[t]
                    for a in range(f):
                        A_p[a] += dot * y[a]
                curvature = np.float32(0)
                for a in range(f):
                    curvature += p[a] * A_p[a]
                step = size / curvature
                new_size = np.float32(0)
                for a in range(f):
                    x[a] += step * p[a]
                    residual[a] -= step * A_p[a]
                    new_size += residual[a] * residual[a]
                turn = new_size / size
                size = new_size
                for a in range(f):
                    p[a] = residual[a] + turn * p[a]
