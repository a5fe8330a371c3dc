"""The model r̂ = μ + b_u + b_i + p_u·q_i, and what holds for every way of fitting it.

Page 6.1 fits it twice: by stochastic gradient descent (`sgd`) and by alternating least squares (`als`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import RatingModel


class BiasedFactorModel(RatingModel):
    """Predict a rating as a mean, two biases and the product of two factor vectors.

    r̂_ui = μ + b_u + b_i + p_u·q_i  (Koren, Bell & Volinsky 2009, equation 4)

    A user or item without training rows has bias 0 and a zero vector, so a cold user gets μ + b_i,
    a cold item μ + b_u, and a cold user on a cold item the mean rating μ.

    Attributes
    ----------
    mu : float
        μ, the mean training rating.
    b_u, b_i : float32 arrays, shapes (n_users,) and (n_items,)
        How far above the mean the user rates and the item is rated.
    P, Q : float32 arrays, shapes (n_users, k) and (n_items, k)
        The factors: `P[u]` is p_u, `Q[i]` is q_i.
    history_ : DataFrame
        One row an epoch: epoch (from 1), train_rmse, and validation_rmse where a validation table was given.
    """

    mu: float
    b_u: NDArray[np.float32]
    b_i: NDArray[np.float32]
    P: NDArray[np.float32]
    Q: NDArray[np.float32]
    history_: pd.DataFrame

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        scores = self.mu + self.b_u[users][:, None] + self.b_i + self.P[users] @ self.Q.T  # (B, n_items)
        return scores.astype(np.float32, copy=False)

    def _predict(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
        return biased_prediction(self.mu, self.b_u, self.b_i, self.P, self.Q, users, items).astype(np.float32)


def biased_prediction(
    mu: float | np.floating,
    b_u: NDArray[np.floating],
    b_i: NDArray[np.floating],
    P: NDArray[np.floating],
    Q: NDArray[np.floating],
    users: NDArray[np.integer],
    items: NDArray[np.integer],
) -> NDArray[np.floating]:
    """Return r̂_ui = μ + b_u + b_i + p_u·q_i for pairs of users and items, shape (n,), not clipped.

    Parameters
    ----------
    mu : float
    b_u, b_i : float arrays, shapes (n_users,) and (n_items,)
    P, Q : float arrays, shapes (n_users, k) and (n_items, k)
    users, items : int arrays, shape (n,)
    """
    interaction = np.einsum("nk,nk->n", P[users], Q[items])  # (n,)
    predicted: NDArray[np.floating] = mu + b_u[users] + b_i[items] + interaction
    return predicted


def clipped_rmse(predicted: NDArray[np.floating], train: Interactions, validation: Interactions) -> float:
    """Return the validation RMSE of predictions clipped to the range of the training ratings, as `predict` clips."""
    clipped = np.clip(predicted, train.values.min(), train.values.max())
    return float(np.sqrt(np.mean((clipped - validation.values) ** 2, dtype=np.float64)))


def check_at_least_one(model: str, setting: str, value: int) -> int:
    """Return a whole number of 1 or more, or raise a ValueError that names model, setting and value."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{model}: {setting} must be a whole number of at least 1, not {value!r}.")
    return int(value)


def check_real(model: str, setting: str, value: float, *, zero: bool) -> float:
    """Return a finite positive number (or, with `zero`, also 0), or raise a ValueError that names it."""
    real = isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and np.isfinite(value)
    if not real or value < 0 or (value == 0 and not zero):
        wanted = "a finite number of at least 0" if zero else "a finite number above 0"
        raise ValueError(f"{model}: {setting} must be {wanted}, not {value!r}.")
    return float(value)


def check_table(model: str, n_factors: int, train: Interactions, validation: Interactions | None = None) -> None:
    """Raise a ValueError if a table can't be factorised with so many factors.

    A product of (n_users, k) and (k, n_items) has rank at most min(n_users, n_items), so more factors
    than that can't express anything new; they only slow the fit and invite overfitting.
    """
    if n_factors > min(train.n_users, train.n_items):
        size, kind = min((train.n_items, "items"), (train.n_users, "users"))
        raise ValueError(
            f"{model}: n_factors={n_factors} is more than the {size} {kind} of the table, "
            f"whose rank can't exceed that; use n_factors of at most {size}."
        )
    if validation is not None and not (
        np.array_equal(validation.user_ids, train.user_ids) and np.array_equal(validation.item_ids, train.item_ids)
    ):
        raise ValueError(
            f"{model}: the validation table has other user or item ids than the training table; "
            "cut both from one table with select() or a split, so that they share its vocabularies."
        )
