"""Matrix factorisation learnt one rating at a time, by stochastic gradient descent.

The update itself is in `sgd_steps`: `sgd_step` for one rating, `sgd_epoch` and its compiled twin
`sgd_epoch_fast` for one pass.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from avrec_lib.data import Interactions
from avrec_lib.recommenders.matrix_factorization.biased import (
    BiasedFactorModel,
    biased_prediction,
    check_at_least_one,
    check_real,
    check_table,
    clipped_rmse,
)
from avrec_lib.recommenders.matrix_factorization.sgd_steps import sgd_epoch, sgd_epoch_fast, sgd_step

__all__ = ["MatrixFactorization", "random_factors", "sgd_epoch", "sgd_epoch_fast", "sgd_step", "visiting_order"]


class MatrixFactorization(BiasedFactorModel):
    r"""Predict ratings by μ + b_u + b_i + p_u·q_i, with all of it but μ learnt by stochastic gradient descent.

    .. math::

       \min_{b, P, Q} \sum_{(u,i) \text{ observed}} (r_{ui} - \mu - b_u - b_i - p_u \cdot q_i)^2
       + \lambda (\lVert p_u \rVert^2 + \lVert q_i \rVert^2 + b_u^2 + b_i^2)

    The sum runs over the ratings that exist: a missing one is not a 0, and a rating of 0 is a rating.
    The penalty stands inside the sum, so a vector is held back as often as it has ratings.

    Source: Koren, Bell & Volinsky (2009), equations 4 (prediction) and 5 (objective).

    Every epoch visits the users in one random order, drawn once from the seed, and each user's ratings in
    a random order (`visiting_order`); the order of the table's rows has no influence. Factors start as
    normal random numbers: from one constant the k columns would stay equal for ever, a model of rank 1. They
    start small, so that the biases are learnt first and the factors grow out of what those leave.

    Cold user: μ + b_i. Cold item: μ + b_u. Both: μ.

    Parameters
    ----------
    n_factors : int
        k, the length of p_u and q_i, at most min(n_users, n_items).
    n_epochs : int
        Passes over the ratings.
    lr : float
        η > 0, the learning rate.
    reg : float
        λ, at least 0.
    init_scale : float
        Standard deviation of the random start, above 0.
    seed : int
        Seed of the start and of the order.
    validation : Interactions, optional
        Held-out ratings, with the vocabularies of the training table. They are never learnt from;
        `history_` gets their RMSE after every epoch.
    progress : bool
        Show a progress bar, one tick an epoch.

    The defaults are the ones chosen on inner folds of MovieLens-100K by `benchmarks/select_explicit.py`.

    Attributes
    ----------
    mu, b_u, b_i, P, Q
        The fitted model, see `BiasedFactorModel`.
    history_ : DataFrame
        epoch, train_rmse (over the errors met during the epoch, each before its own step) and, with a
        validation table, validation_rmse (after the epoch, of clipped predictions).

    Raises
    ------
    ValueError
        For a setting out of range; in `fit` for more factors than users or items, for a validation
        table with other ids, and when the learning rate makes the fit diverge: the model then counts
        as not fitted.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("ann", "up", 5), ("ann", "heat", 1), ("bob", "up", 4), ("bob", "heat", 2)]
    >>> table = Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "rating"]))
    >>> model = MatrixFactorization(n_factors=1).fit(table)
    >>> bool(model.predict([0], [1])[0] > model.predict([0], [0])[0])  # "up" is item 1
    True
    """

    def __init__(
        self,
        n_factors: int = 256,
        n_epochs: int = 40,
        lr: float = 0.01,
        reg: float = 0.05,
        init_scale: float = 0.0025,
        seed: int = 0,
        *,
        validation: Interactions | None = None,
        progress: bool = False,
    ) -> None:
        name = type(self).__name__
        self.n_factors = check_at_least_one(name, "n_factors", n_factors)
        self.n_epochs = check_at_least_one(name, "n_epochs", n_epochs)
        self.lr = check_real(name, "lr", lr, zero=False)
        self.reg = check_real(name, "reg", reg, zero=True)
        self.init_scale = check_real(name, "init_scale", init_scale, zero=False)
        self.seed = seed
        self.validation = validation
        self.progress = progress

    def _fit(self, train: Interactions) -> None:
        check_table(type(self).__name__, self.n_factors, train, self.validation)
        rng = np.random.default_rng(self.seed)
        order = visiting_order(train, rng)
        # unsigned: Numba then needn't ask whether an index is negative
        users, items = train.users[order].astype(np.uint32), train.items[order].astype(np.uint32)
        ratings = train.values[order]

        mu = np.float32(train.values.mean(dtype=np.float64))
        b_u = np.zeros(train.n_users, dtype=np.float32)
        b_i = np.zeros(train.n_items, dtype=np.float32)
        P = random_factors(rng, users, train.n_users, self.n_factors, self.init_scale)  # (n_users, k)
        Q = random_factors(rng, items, train.n_items, self.n_factors, self.init_scale)  # (n_items, k)
        lr, reg = np.float32(self.lr), np.float32(self.reg)

        limit = 10 * (float(np.ptp(ratings)) or 1.0)  # an RMSE ten times the ratings' range means divergence
        history = []
        for epoch in tqdm(range(1, self.n_epochs + 1), desc="SGD", unit="epoch", disable=not self.progress):
            squared = sgd_epoch_fast(users, items, ratings, mu, b_u, b_i, P, Q, lr, reg)
            row = {"epoch": epoch, "train_rmse": float(np.sqrt(squared / len(ratings)))}
            self._check_convergence(row["train_rmse"] <= limit, epoch)
            if self.validation is not None:
                predicted = biased_prediction(mu, b_u, b_i, P, Q, self.validation.users, self.validation.items)
                row["validation_rmse"] = clipped_rmse(predicted, train, self.validation)
            history.append(row)
        self._check_convergence(all(np.isfinite(a).all() for a in (b_u, b_i, P, Q)), self.n_epochs)
        self.mu, self.b_u, self.b_i, self.P, self.Q = float(mu), b_u, b_i, P, Q  # only now, all or nothing
        self.history_ = pd.DataFrame(history)

    def _check_convergence(self, sound: bool, epoch: int) -> None:
        if not sound:
            raise ValueError(
                f"{type(self).__name__} diverged in epoch {epoch}: lr={self.lr:g} is too large for these ratings; "
                f"use a smaller learning rate, such as lr={self.lr / 10:.3g}."
            )


def visiting_order(train: Interactions, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the order in which SGD visits the rows: users at random, and each user's rows at random.

    Going user by user keeps p_u at hand (`sgd_epoch_fast`). The rows are put in (user, item)
    order before anything is drawn, so equal tables with differently ordered rows are visited alike.
    """
    rows = np.argsort(train.users.astype(np.int64) * train.n_items + train.items, kind="stable")
    rows = rows[rng.permutation(len(rows))]
    turn = rng.permutation(train.n_users).astype(np.min_scalar_type(train.n_users))  # small numbers sort fast
    return rows[np.argsort(turn[train.users[rows]], kind="stable")]


def random_factors(
    rng: np.random.Generator, index: NDArray[np.integer], size: int, n_factors: int, scale: float
) -> NDArray[np.float32]:
    """Return normal random factors, shape (size, n_factors), with zero rows where no rating speaks for a row."""
    memory = np.empty(size * n_factors + 16, dtype=np.float32)
    first = -memory.ctypes.data % 64 // 4  # begin at a cache line: rows of 16·m factors then never straddle one more
    factors = memory[first : first + size * n_factors].reshape(size, n_factors)  # (size, k)
    rng.standard_normal(out=factors, dtype=np.float32)
    factors *= np.float32(scale)
    factors[np.bincount(index, minlength=size) == 0] = 0
    return factors
