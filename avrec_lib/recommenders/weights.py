"""What a row of the table weighs: that it happened, how much it was liked, or how much more than usual."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from avrec_lib.data import Interactions

Values = Literal["binary", "rating", "centred"]


def weigh(train: Interactions, values: Values) -> sp.csr_array:
    """Return the users × items matrix of weights x_ui; an absent entry weighs 0.

    - "binary": x_ui = 1 (it happened; a rating of 0 happened too),
    - "rating": x_ui = r_ui (how much),
    - "centred": x_ui = r_ui − r̄_u (how much more than this user's average).

    Returns
    -------
    CSR, float64, shape (n_users, n_items), the same whatever the order of the rows
    """
    X = train.matrix().astype(np.float64)
    if values == "binary":
        X.data[:] = 1
    elif values == "centred":
        n_rated = np.diff(X.indptr)  # (n_users,)
        means = X.sum(axis=1) / np.maximum(n_rated, 1)
        X.data -= np.repeat(means, n_rated)
    return X


def check_values(values: str) -> None:
    """Raise a ValueError unless `values` is one of the three kinds of weight."""
    if values not in get_args(Values):
        raise ValueError(f"values must be 'binary', 'rating' or 'centred', not {values!r}.")


def biases(train: Interactions, damping: float = 5.0) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return the average rating, and how far each user and each item lies above it.

    b_i = Σ_u (r_ui − μ) / (λ + n_i)
    b_u = Σ_i (r_ui − μ − b_i) / (λ + n_u)

    The baseline prediction is μ + b_u + b_i. The damping λ acts like λ further ratings
    without deviation, so a user or item without rows has bias 0 and one with few rows a small one.
    Source: Koren (2010), "Factor in the Neighbors", section 2.1, where the two dampings differ.

    Returns
    -------
    (mu, b_u, b_i) : float, float64 arrays of shapes (n_users,) and (n_items,)
    """
    R = sp.coo_array(train.matrix().astype(np.float64))  # sorted: sums do not depend on the order of the rows
    users, items = R.coords
    mu = float(R.data.mean())
    b_i = np.bincount(items, R.data - mu, train.n_items) / (damping + np.bincount(items, minlength=train.n_items))
    rest = R.data - mu - b_i[items]
    b_u = np.bincount(users, rest, train.n_users) / (damping + np.bincount(users, minlength=train.n_users))
    return mu, b_u, b_i
