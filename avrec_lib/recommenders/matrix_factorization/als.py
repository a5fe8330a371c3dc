"""Matrix factorisation learnt one side at a time, by alternating least squares.

The regressions themselves are in `als_solvers`: `solve_user` for one user, `solve_side` for all.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from tqdm import tqdm

from avrec_lib.data import Interactions
from avrec_lib.recommenders.matrix_factorization.als_solvers import rows_of, solve_rows, solve_side, solve_user
from avrec_lib.recommenders.matrix_factorization.biased import (
    BiasedFactorModel,
    biased_prediction,
    check_at_least_one,
    check_real,
    check_table,
    clipped_rmse,
)

__all__ = ["AlternatingLeastSquares", "rows_of", "solve_rows", "solve_side", "solve_user"]


class AlternatingLeastSquares(BiasedFactorModel):
    r"""Predict ratings by μ + b_u + b_i + p_u·q_i, all users solved exactly, then all items, and again.

    .. math::

       \min_{b, P, Q} \sum_{(u,i) \text{ observed}} (r_{ui} - \mu - b_u - b_i - p_u \cdot q_i)^2
       + \lambda \sum_u n_u^{\nu} (\lVert p_u \rVert^2 + b_u^2)
       + \lambda \sum_i n_i^{\nu} (\lVert q_i \rVert^2 + b_i^2)

    with n_u and n_i the numbers of ratings of user u and item i. Both sides at once are no convex
    problem, but each side alone is a ridge regression (`solve_user`), so no half step can raise the
    objective, and there is no learning rate to choose. ν = 1 is the weighted λ of Zhou et al. and the
    penalty that SGD applies implicitly; ν = 0 penalises every vector alike.

    Source: Zhou, Wilkinson, Schreiber & Pan (2008), section 3 (ALS with weighted λ); Koren, Bell &
    Volinsky (2009), equation 4 (the biases).

    The items' factors start as normal random numbers, and their biases at 0. The fit doesn't depend on
    the order of the table's rows, nor on the number of threads.

    Cold user: μ + b_i. Cold item: μ + b_u. Both: μ.

    Parameters
    ----------
    n_factors : int
        k, the length of p_u and q_i, at most min(n_users, n_items).
    n_iterations : int
        How often both sides are solved.
    reg : float
        λ > 0. Without it a user with fewer ratings than factors would have no unique solution.
    reg_power : float
        ν ≥ 0.
    init_scale : float
        Standard deviation of the random start, above 0.
    seed : int
        Seed of the start.
    n_threads : int
        Threads that share the rows of a half step.
    validation : Interactions, optional
        Held-out ratings, with the vocabularies of the training table. They are never learnt from;
        `history_` gets their RMSE after every iteration.
    progress : bool
        Show a progress bar, one tick an iteration.

    The defaults are the ones chosen on inner folds of MovieLens-100K by `benchmarks/select_explicit.py`.

    Attributes
    ----------
    mu, b_u, b_i, P, Q
        The fitted model, see `BiasedFactorModel`.
    history_ : DataFrame
        epoch, train_rmse (after the iteration) and, with a validation table, validation_rmse (of
        clipped predictions).

    Raises
    ------
    ValueError
        For a setting out of range; in `fit` for more factors than users or items, for a validation
        table with other ids, and for a (user, item) pair that comes twice.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("ann", "up", 5), ("ann", "heat", 1), ("bob", "up", 4), ("bob", "heat", 2)]
    >>> table = Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "rating"]))
    >>> model = AlternatingLeastSquares(n_factors=1).fit(table)
    >>> bool(model.predict([0], [1])[0] > model.predict([0], [0])[0])  # "up" is item 1
    True
    """

    def __init__(
        self,
        n_factors: int = 4,
        n_iterations: int = 31,
        reg: float = 1.1,
        reg_power: float = 0.5,
        init_scale: float = 0.1,
        seed: int = 0,
        *,
        n_threads: int = 1,
        validation: Interactions | None = None,
        progress: bool = False,
    ) -> None:
        name = type(self).__name__
        self.n_factors = check_at_least_one(name, "n_factors", n_factors)
        self.n_iterations = check_at_least_one(name, "n_iterations", n_iterations)
        self.reg = check_real(name, "reg", reg, zero=False)
        self.reg_power = check_real(name, "reg_power", reg_power, zero=True)
        self.init_scale = check_real(name, "init_scale", init_scale, zero=False)
        self.seed = seed
        self.n_threads = check_at_least_one(name, "n_threads", n_threads)
        self.validation = validation
        self.progress = progress

    def _fit(self, train: Interactions) -> None:
        check_table(type(self).__name__, self.n_factors, train, self.validation)
        by_user, by_item = rows_of(train.matrix()), rows_of(train.matrix().T.tocsr())
        penalty = self.reg, self.reg_power

        mu = float(train.values.mean(dtype=np.float64))
        b_u, b_i = np.zeros(train.n_users), np.zeros(train.n_items)
        P = np.zeros((train.n_users, self.n_factors))  # (n_users, k)
        Q = np.random.default_rng(self.seed).normal(0, self.init_scale, (train.n_items, self.n_factors))
        Q[np.diff(by_item[0]) == 0] = 0  # (n_items, k): no rating speaks for a cold item

        history = []
        for epoch in tqdm(range(1, self.n_iterations + 1), desc="ALS", unit="iteration", disable=not self.progress):
            solve_side(by_user, mu, b_i, Q, *penalty, b_u, P, self.n_threads)
            solve_side(by_item, mu, b_u, P, *penalty, b_i, Q, self.n_threads)
            errors = train.values - biased_prediction(mu, b_u, b_i, P, Q, train.users, train.items)
            row = {"epoch": epoch, "train_rmse": float(np.sqrt(np.mean(errors**2)))}
            if self.validation is not None:
                predicted = biased_prediction(mu, b_u, b_i, P, Q, self.validation.users, self.validation.items)
                row["validation_rmse"] = clipped_rmse(predicted, train, self.validation)
            history.append(row)
        self.mu, self.b_u, self.b_i = mu, b_u.astype(np.float32), b_i.astype(np.float32)
        self.P, self.Q = P.astype(np.float32), Q.astype(np.float32)
        self.history_ = pd.DataFrame(history)
