"""The step of stochastic gradient descent on one rating, and one pass of it over all of them.

`sgd_step` is the update of page 6.2.1 and `sgd_epoch` one pass over the ratings, in NumPy, for reading.
`sgd_epoch_fast` is the same pass compiled; a test holds the two equal.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]
Real = float | np.floating


def sgd_step(
    r: float, mu: float, b_u: float, b_i: float, p: Floats, q: Floats, lr: float, reg: float
) -> tuple[float, float, float, Floats, Floats]:
    r"""Return the error of one prediction, and both biases and both vectors after a small step against it.

    .. math::

       e_{ui} = r_{ui} - (\mu + b_u + b_i + p_u \cdot q_i)

       b_u \leftarrow b_u + \eta (e_{ui} - \lambda b_u), \qquad
       b_i \leftarrow b_i + \eta (e_{ui} - \lambda b_i)

       p_u \leftarrow p_u + \eta (e_{ui} q_i - \lambda p_u), \qquad
       q_i \leftarrow q_i + \eta (e_{ui} p_u - \lambda q_i)

    Every right-hand side uses the old values: the gradient is taken at one point. Moving q_i with the
    new p_u is a common slip.

    Source: Koren, Bell & Volinsky (2009), "Matrix Factorization Techniques for Recommender Systems",
    the unnumbered updates of its section on stochastic gradient descent, with the biases of equation 5.

    Parameters
    ----------
    r : float
        The rating.
    mu, b_u, b_i : float
        μ and the two biases.
    p, q : float arrays, shape (k,)
        p_u and q_i; not changed.
    lr, reg : float
        η and λ.

    Returns
    -------
    (error, b_u, b_i, p, q), the last four after the step

    Examples
    --------
    >>> error, _, _, p, q = sgd_step(2.0, 0, 0, 0, np.array([1.0, 0.0]), np.array([0.5, 0.5]), 0.1, 0.0)
    >>> error, p.round(4).tolist(), q.round(4).tolist()
    (1.5, [1.075, 0.075], [0.65, 0.5])
    """
    error = float(r - (mu + b_u + b_i + p @ q))
    return (
        error,
        b_u + lr * (error - reg * b_u),
        b_i + lr * (error - reg * b_i),
        p + lr * (error * q - reg * p),  # (k,)
        q + lr * (error * p - reg * q),  # (k,)
    )


def sgd_epoch(
    users: Integers,
    items: Integers,
    ratings: Floats,
    mu: float,
    b_u: Floats,
    b_i: Floats,
    P: Floats,
    Q: Floats,
    lr: float,
    reg: float,
) -> float:
    """Take one `sgd_step` for each rating, in the order given; return the sum of the squared errors met.

    Parameters
    ----------
    users, items : int arrays, shape (n,)
    ratings : float array, shape (n,)
    mu : float
    b_u, b_i : float arrays, shapes (n_users,) and (n_items,)
        Changed in place.
    P, Q : float arrays, shapes (n_users, k) and (n_items, k)
        Changed in place.
    lr, reg : float
        η and λ.
    """
    total = 0.0
    for u, i, r in zip(users, items, ratings, strict=True):
        error, b_u[u], b_i[i], P[u], Q[i] = sgd_step(r, mu, b_u[u], b_i[i], P[u], Q[i], lr, reg)
        total += error**2
    return total


# reassoc and contract let the compiler sum the dot product in lanes; NaN and infinity keep their
# meaning, which the check for divergence needs.
@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def sgd_epoch_fast(
    users: Integers,
    items: Integers,
    ratings: Floats,
    mu: Real,
    b_u: Floats,
    b_i: Floats,
    P: Floats,
    Q: Floats,
    lr: Real,
    reg: Real,
) -> float:
    """Do what `sgd_epoch` does, compiled by Numba: some hundred times as fast.

    Where the next rating is the same user's, the step on p_u and the next product p_u·q_j are one
    pass over the vectors; ratings grouped by user (`visiting_order`) profit most. Every array and
    number must be float32 for full speed: one float64 widens the arithmetic.
    """
    n, k = len(ratings), P.shape[1]
    shrink = lr * reg
    dot = zero = mu - mu  # a zero of the right float type
    ready = False  # is `dot` the product for rating t already?
    total = 0.0
    for t in range(n):
        u, i = users[t], items[t]
        if not ready:
            dot = zero
            for f in range(k):
                dot += P[u, f] * Q[i, f]
        error = ratings[t] - mu - b_u[u] - b_i[i] - dot
        total += error * error
        push = lr * error
        b_u[u] += push - shrink * b_u[u]
        b_i[i] += push - shrink * b_i[i]
        ready = t + 1 < n and users[t + 1] == u and items[t + 1] != i
        if ready:
            j, dot = items[t + 1], zero
            for f in range(k):
                p, q = P[u, f], Q[i, f]
                P[u, f] = moved = p - shrink * p + push * q
                Q[i, f] = q - shrink * q + push * p
                dot += moved * Q[j, f]
        else:
            for f in range(k):
                p, q = P[u, f], Q[i, f]
                P[u, f] = p - shrink * p + push * q
                Q[i, f] = q - shrink * q + push * p
    return total
