"""The conditional draws of Bayesian matrix factorisation: each given everything else, in closed form.

`posterior_of_user` is one user's conditional distribution, for reading; `draw_rows` draws all users from
theirs, compiled. The hyper-parameters above them have a closed form too: `normal_wishart_posterior`.
No function here draws from a hidden generator: the random numbers come in as arguments.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from avrec_lib.recommenders.matrix_factorization.gram import gram

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]


def posterior_of_user(
    F: Floats, residuals: Floats, noise_precision: float, prior_mean: Floats, prior_precision: Floats
) -> tuple[Floats, Floats]:
    r"""Return mean and covariance of one user's vector, given the ratings and the items' vectors.

    A Bayesian linear regression: with prior x ~ N(m, Λ⁻¹) and ratings s = F x + noise of precision α,

    .. math::

       \Lambda^* = \Lambda + \alpha F^\top F, \qquad
       \mu^* = (\Lambda^*)^{-1} (\Lambda m + \alpha F^\top s), \qquad
       x \mid s \sim \mathcal{N}(\mu^*, (\Lambda^*)^{-1})

    Source: Salakhutdinov & Mnih (2008), "Bayesian Probabilistic Matrix Factorization using Markov Chain
    Monte Carlo", equations 11 to 13. By symmetry the same function gives an item's.

    Parameters
    ----------
    F : float64 array, shape (n_u, d)
        One row a rated item: (1, q_i), the 1 for the user's bias.
    residuals : float64 array, shape (n_u,)
        s, the ratings less μ and the items' biases.
    noise_precision : float
        α, 1 / the variance of a rating around its expectation.
    prior_mean, prior_precision : float64 arrays, shapes (d,) and (d, d)
        m and Λ, common to all users.

    Returns
    -------
    (mean, covariance), shapes (d,) and (d, d)
    """
    precision = prior_precision + noise_precision * F.T @ F  # (d, d)
    covariance = np.linalg.inv(precision)  # (d, d)
    mean: Floats = covariance @ (prior_precision @ prior_mean + noise_precision * F.T @ residuals)  # (d,)
    return mean, covariance.astype(np.float64)


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def draw_rows(
    indptr: Integers,
    indices: Integers,
    ratings: Floats,
    other: Floats,
    noise_precision: float,
    prior_mean: Floats,
    prior_precision: Floats,
    normals: Floats,
    own: Floats,
) -> float:
    """Draw every row's vector from its `posterior_of_user` and return the sum of squared errors after it.

    With Λ* = L Lᵀ, the draw is μ* + L⁻ᵀ z for standard normal z. A row without ratings is drawn from the
    prior. Four ratings are taken at a time, so that Λ* is read and written a quarter as often.

    Parameters
    ----------
    indptr, indices, ratings : CSR arrays, a row a user (or, transposed, an item)
        The ratings less μ.
    other : float64 array, shape (n_other, d)
        The fixed side's vectors (bias first, then factors).
    noise_precision, prior_mean, prior_precision : as in `posterior_of_user`
    normals : float64 array, shape (n_rows, d)
        z, standard normal.
    own : float64 array, shape (n_rows, d)
        The vectors to draw; overwritten.
    """
    d = own.shape[1]
    F = other.copy()  # (1, q_i)
    F[:, 0] = 1
    pull = prior_precision @ prior_mean  # (d,)
    A = np.empty((d, d))  # lower triangle of Λ*, then of L
    b = np.empty(d)
    squared_error = 0.0
    for row in range(len(indptr) - 1):
        start, stop = indptr[row], indptr[row + 1]
        A[:, :] = 0
        b[:] = 0
        t = start
        while t + 4 <= stop:
            i0, i1, i2, i3 = indices[t], indices[t + 1], indices[t + 2], indices[t + 3]
            f0, f1, f2, f3 = F[i0], F[i1], F[i2], F[i3]
            s0, s1 = ratings[t] - other[i0, 0], ratings[t + 1] - other[i1, 0]
            s2, s3 = ratings[t + 2] - other[i2, 0], ratings[t + 3] - other[i3, 0]
            for p in range(d):
                g0, g1, g2, g3 = f0[p], f1[p], f2[p], f3[p]
                b[p] += s0 * g0 + s1 * g1 + s2 * g2 + s3 * g3
                A_p = A[p]
                for q in range(p + 1):
                    A_p[q] += g0 * f0[q] + g1 * f1[q] + g2 * f2[q] + g3 * f3[q]
            t += 4
        while t < stop:
            f = F[indices[t]]
            s = ratings[t] - other[indices[t], 0]
            for p in range(d):
                b[p] += s * f[p]
                for q in range(p + 1):
                    A[p, q] += f[p] * f[q]
            t += 1
        for p in range(d):  # Λ* = L Lᵀ and, in the same pass, L y = Λ m + α Fᵀ s
            A_p = A[p]
            for q in range(p + 1):
                rest = prior_precision[p, q] + noise_precision * A_p[q]
                A_q = A[q]
                for k in range(q):
                    rest -= A_p[k] * A_q[k]
                A_p[q] = np.sqrt(rest) if q == p else rest / A_q[q]
            right = pull[p] + noise_precision * b[p]
            for k in range(p):
                right -= A_p[k] * b[k]
            b[p] = right / A_p[p]
        x = own[row]
        for p in range(d):
            b[p] += normals[row, p]
        for p in range(d - 1, -1, -1):  # Lᵀ x = y + z
            A_p = A[p]
            x[p] = b[p] / A_p[p]
            for k in range(p):
                b[k] -= A_p[k] * x[p]
        for t in range(start, stop):
            f = F[indices[t]]
            error = ratings[t] - other[indices[t], 0]
            for p in range(d):
                error -= f[p] * x[p]
            squared_error += error * error
    return squared_error


def normal_wishart_posterior(
    X: Floats, mean: Floats, strength: float, scale_inverse: Floats, dof: float
) -> tuple[Floats, float, Floats, float]:
    r"""Return the parameters of the Normal–Wishart distribution of (m, Λ), given vectors drawn from N(m, Λ⁻¹).

    With prior m | Λ ~ N(μ₀, (β₀Λ)⁻¹), Λ ~ Wishart(W₀, ν₀), and the mean x̄ and covariance S̄ of N vectors,

    .. math::

       \mu_0^* = \frac{\beta_0 \mu_0 + N \bar x}{\beta_0 + N}, \quad
       \beta_0^* = \beta_0 + N, \quad \nu_0^* = \nu_0 + N, \quad
       (W_0^*)^{-1} = W_0^{-1} + N \bar S
       + \frac{\beta_0 N}{\beta_0 + N} (\mu_0 - \bar x)(\mu_0 - \bar x)^\top

    Source: Salakhutdinov & Mnih (2008), the conditional distribution of the hyper-parameters.

    Parameters
    ----------
    X : float64 array, shape (N, d)
    mean, strength, scale_inverse, dof : μ₀ (d,), β₀ > 0, W₀⁻¹ (d, d), ν₀ ≥ d

    Returns
    -------
    The same four, updated.
    """
    n = len(X)
    average = X.mean(axis=0)  # (d,)
    centred = X - average
    shift = mean - average
    scatter = gram(centred) + strength * n / (strength + n) * np.outer(shift, shift)  # (d, d)
    return (strength * mean + n * average) / (strength + n), strength + n, scale_inverse + scatter, dof + n


def draw_wishart(scale_inverse: Floats, dof: float, rng: np.random.Generator) -> Floats:
    """Draw a precision matrix from Wishart(W, ν), given W⁻¹, by Bartlett's decomposition.

    Λ = (L B)(L B)ᵀ with W = L Lᵀ and B lower triangular: normals below the diagonal, and √χ² with
    ν, ν - 1, … degrees of freedom on it. Its mean is νW.

    Parameters
    ----------
    scale_inverse : float64 array, shape (d, d)
    dof : float
        ν ≥ d.
    """
    d = len(scale_inverse)
    B = np.tril(rng.standard_normal((d, d)), -1)
    B[np.diag_indices(d)] = np.sqrt(rng.chisquare(dof - np.arange(d)))
    root = np.linalg.cholesky(np.linalg.inv(scale_inverse)) @ B  # (d, d)
    return root @ root.T


def draw_normal_wishart(
    mean: Floats, strength: float, scale_inverse: Floats, dof: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw (m, Λ): first Λ from Wishart(W, ν), then m from N(mean, (strength · Λ)⁻¹)."""
    precision = draw_wishart(scale_inverse, dof, rng)
    root = np.linalg.cholesky(strength * precision)  # L Lᵀ = strength · Λ
    return mean + np.linalg.solve(root.T, rng.standard_normal(len(mean))), precision
