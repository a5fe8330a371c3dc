"""Matrix factorisation of what people did rather than what they said: implicit ALS.

A play, a click or a purchase says "yes, a little"; its absence says "no, but I may not have known". So
every pair counts, with a confidence, and the YᵀY trick makes that affordable. `solve_user` is the step for
one user, for reading; `implicit_solvers` does all of them, compiled, in parallel, and tests hold them equal.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from tqdm import tqdm

from avrec_lib.data import Interactions
from avrec_lib.device import torch_threads_kept
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.matrix_factorization.biased import check_at_least_one, check_real, check_table
from avrec_lib.recommenders.matrix_factorization.gram import gram
from avrec_lib.recommenders.matrix_factorization.implicit_solvers import solve_rows_cg, solve_rows_exact
from avrec_lib.recommenders.popularity import fill_silent_rows, item_counts

Solver = Literal["cg", "exact"]
Meaning = Literal["binary", "rating"]
MOST_CONFIDENCE = 1e6  # 32-bit numbers hold 7 digits: beyond it the confidence of 1 of all other pairs is lost
Rows = tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.float32], NDArray[np.float32]]


def solve_user(
    Y_u: NDArray[np.floating], r_u: NDArray[np.floating], YtY: NDArray[np.floating], alpha: float, reg: float
) -> NDArray[np.floating]:
    r"""Return the factors x_u that fit one user's preferences best while the items stay fixed.

    .. math::

       x_u = (Y^\top C^u Y + \lambda I)^{-1} Y^\top C^u p(u)
       \qquad\text{with}\qquad
       Y^\top C^u Y = Y^\top Y + \sum_{i:\, r_{ui} > 0} (c_{ui} - 1)\, y_i y_i^\top, \quad
       c_{ui} = 1 + \alpha r_{ui}

    Every one of the user's n_items pairs counts, yet only the n_u interactions are touched: YᵀY is the same
    for all users and is computed once. On the right, p(u) is 1 for the interactions and 0 elsewhere.

    Source: Hu, Koren & Volinsky (2008), "Collaborative Filtering for Implicit Feedback Datasets",
    equation 4 and the text below it. By symmetry (equation 5) the same function solves an item.

    Parameters
    ----------
    Y_u : float array, shape (n_u, f)
        The factors of the items that the user met.
    r_u : float array, shape (n_u,)
        How often, or how much, each above 0.
    YtY : float array, shape (f, f)
        YᵀY over all items.
    alpha, reg : float
        α and λ.

    Returns
    -------
    float array, shape (f,)
    """
    c_u = 1 + alpha * r_u  # (n_u,)
    A = YtY + Y_u.T @ ((c_u - 1)[:, None] * Y_u) + reg * np.eye(len(YtY))  # (f, f)
    x_u: NDArray[np.floating] = np.linalg.solve(A, Y_u.T @ c_u)  # (f,)
    return x_u


def implicit_loss(
    R: sp.csr_array,
    X: NDArray[np.floating],
    Y: NDArray[np.floating],
    alpha: float,
    reg: float,
    reg_power: float = 0.0,
) -> float:
    r"""Return the objective of implicit ALS, over all n_users × n_items pairs, without visiting them all.

    .. math::

       \sum_{u,i} c_{ui} (p_{ui} - x_u \cdot y_i)^2
       + \lambda \Bigl(\sum_u n_u^{\nu} \lVert x_u \rVert^2 + \sum_i n_i^{\nu} \lVert y_i \rVert^2\Bigr)

    The pairs without interaction add (x_u·y_i)², and the sum of all those squares is the inner product of
    XᵀX and YᵀY; so time O(nnz·f + (n_users + n_items)·f²).

    Source: Hu, Koren & Volinsky (2008), equation 3 (there ν = 0).

    Parameters
    ----------
    R : CSR, shape (n_users, n_items)
        r_ui > 0 of the interactions.
    X, Y : float arrays, shapes (n_users, f) and (n_items, f)
    alpha, reg, reg_power : float
        α, λ and ν.
    """
    X, Y = X.astype(np.float64), Y.astype(np.float64)
    n_u, n_i = np.diff(R.indptr), np.bincount(R.indices, minlength=R.shape[1])
    rows = np.repeat(np.arange(R.shape[0]), n_u)
    dots = np.einsum("nf,nf->n", X[rows], Y[R.indices])  # (nnz,)
    everywhere = np.sum((X.T @ X) * (Y.T @ Y))
    interactions = np.sum((1 + alpha * R.data.astype(np.float64)) * (1 - dots) ** 2 - dots**2)
    penalty = np.sum(n_u**reg_power @ X**2) + np.sum(n_i**reg_power @ Y**2)
    return float(everywhere + interactions + reg * penalty)


class ImplicitALS(Recommender):
    r"""Score items by x_u·y_i, fitted to "met or not" over all pairs, each with its confidence.

    .. math::

       \min_{X, Y} \sum_{u,i} c_{ui} (p_{ui} - x_u \cdot y_i)^2
       + \lambda \Bigl(\sum_u n_u^{\nu} \lVert x_u \rVert^2 + \sum_i n_i^{\nu} \lVert y_i \rVert^2\Bigr),
       \qquad p_{ui} = [r_{ui} > 0], \quad c_{ui} = 1 + \alpha r_{ui}

    All users are solved with the items fixed (`solve_user`), then all items with the users fixed, and again.

    Source: Hu, Koren & Volinsky (2008), equations 3 to 5, where ν = 0. A penalty that grows with the numbers
    of interactions n_u and n_i is from Rendle, Krichene, Zhang & Koren (2022), "Revisiting the Performance of
    iALS on Item Recommendation Benchmarks", who found it, and a careful choice of α and λ, to lift iALS to
    the level of much later models.

    **Another library's α.** In the package implicit (0.7), α multiplies the stored value to give the whole
    confidence, c = αr, not 1 + αr. For r = 1 our α is its α - 1; in general give it the matrix 1 + αr with
    its own alpha=1.

    Cold user: the number of training rows of each item. Cold item: 0, its vector is 0.

    Parameters
    ----------
    n_factors : int
        f, the length of x_u and y_i, at most min(n_users, n_items).
    n_iterations : int
        How often both sides are solved.
    reg : float
        λ > 0.
    alpha : float
        α > 0.
    seed : int
        Seed of the start: normal random numbers of standard deviation 0.01.
    values : {"binary", "rating"}
        What r_ui is: 1 for every row, or the value of the row (a count of plays; a 0 is no interaction).
        Ratings make poor confidences: that someone watched a film tells more about what they will watch next
        than how they liked it.
    reg_power : float
        ν ≥ 0.
    solver : {"cg", "exact"}
        A few conjugate-gradient steps from where each vector stands, or the exact solution.
    cg_steps : int
        How many such steps.
    track_loss : bool
        Record the objective after each iteration in `history_`.
    progress : bool
        Show a progress bar, one tick an iteration.

    The defaults of α, λ and ν are the ones chosen on an inner split of MovieLens-100K by
    `benchmarks/select_implicit.py`.

    Attributes
    ----------
    X, Y : float32 arrays, shapes (n_users, f) and (n_items, f)
        User and item factors; `similar_items(model.Y, item)` compares items.
    history_ : DataFrame
        iteration (from 1) and, with `track_loss`, loss.

    Raises
    ------
    ValueError
        For a setting out of range; in `fit` for more factors than users or items, for values="rating" with
        negative values, without any above 0 or with αr above a million, and for a (user, item) pair that
        comes twice.

    Examples
    --------
    >>> rows = [("ann", "up"), ("ann", "heat"), ("bob", "up"), ("bob", "heat"), ("cem", "up"), ("dee", "alien")]
    >>> table = Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id"]))
    >>> model = ImplicitALS(n_factors=2).fit(table)
    >>> scores = model.score(table.user_index(["cem"]))[0]
    >>> [str(item) for item in table.item_ids[np.argsort(-scores)]]
    ['up', 'heat', 'alien']
    """

    X: NDArray[np.float32]
    Y: NDArray[np.float32]
    history_: pd.DataFrame

    def __init__(
        self,
        n_factors: int = 32,
        n_iterations: int = 15,
        reg: float = 1.0,
        alpha: float = 0.25,
        seed: int = 0,
        *,
        values: Meaning = "binary",
        reg_power: float = 0.5,
        solver: Solver = "cg",
        cg_steps: int = 3,
        track_loss: bool = False,
        progress: bool = False,
    ) -> None:
        name = type(self).__name__
        self.n_factors = check_at_least_one(name, "n_factors", n_factors)
        self.n_iterations = check_at_least_one(name, "n_iterations", n_iterations)
        self.reg = check_real(name, "reg", reg, zero=False)
        self.alpha = check_real(name, "alpha", alpha, zero=False)
        self.reg_power = check_real(name, "reg_power", reg_power, zero=True)
        self.cg_steps = check_at_least_one(name, "cg_steps", cg_steps)
        if values not in get_args(Meaning):
            raise ValueError(f"{name}: values must be 'binary' or 'rating', not {values!r}.")
        if solver not in get_args(Solver):
            raise ValueError(f"{name}: solver must be 'cg' or 'exact', not {solver!r}.")
        self.values = values
        self.solver = solver
        self.seed = seed
        self.track_loss = track_loss
        self.progress = progress

    @torch_threads_kept()
    def _fit(self, train: Interactions) -> None:
        check_table(type(self).__name__, self.n_factors, train)
        R = self._interactions(train)
        by_user, by_item = self._rows(R), self._rows(R.T.tocsr())
        rng = np.random.default_rng(self.seed)
        X = 0.01 * rng.standard_normal((train.n_users, self.n_factors), dtype=np.float32)
        Y = 0.01 * rng.standard_normal((train.n_items, self.n_factors), dtype=np.float32)
        Y[np.diff(by_item[0]) == 0] = 0  # nobody met a cold item, so its random start must not count in YᵀY

        history = []
        for iteration in tqdm(range(1, self.n_iterations + 1), desc="implicit ALS", disable=not self.progress):
            self._solve(by_user, Y, X)
            self._solve(by_item, X, Y)
            row = {"iteration": float(iteration)}
            if self.track_loss:
                row["loss"] = implicit_loss(R, X, Y, self.alpha, self.reg, self.reg_power)
            history.append(row)
        self.X, self.Y = X, Y
        self.history_ = pd.DataFrame(history).astype({"iteration": int})
        self._counts = item_counts(train)

    def _interactions(self, train: Interactions) -> sp.csr_array:
        R = train.matrix()
        R.sort_indices()  # the order of the table's rows must not matter
        if self.values == "binary":
            R.data[:] = 1
        if R.data.min() < 0:
            raise ValueError(
                f"{type(self).__name__}: values='rating' needs values of at least 0, as a confidence can't be "
                f"negative; the smallest is {R.data.min()}. Shift or drop them, or use values='binary'."
            )
        if self.alpha * float(R.data.max()) > MOST_CONFIDENCE:
            raise ValueError(
                f"{type(self).__name__}: a confidence of alpha * {R.data.max()} is too large for 32-bit numbers; use a "
                "smaller alpha or flatten the values, for example to log(1 + r)."
            )
        R.eliminate_zeros()  # r = 0 has confidence 1 and preference 0, as an absent pair has
        if R.nnz == 0:
            raise ValueError(f"{type(self).__name__}: no value is above 0, so nobody has met anything.")
        return R

    def _rows(self, R: sp.csr_array) -> Rows:
        penalty = self.reg * np.diff(R.indptr) ** self.reg_power
        return R.indptr, R.indices, (self.alpha * R.data).astype(np.float32), penalty.astype(np.float32)

    def _solve(self, rows: Rows, fixed: NDArray[np.float32], free: NDArray[np.float32]) -> None:
        indptr, indices, extra, penalty = rows
        YtY = gram(fixed)  # (f, f)
        if self.solver == "exact":
            solve_rows_exact(indptr, indices, extra, fixed, YtY, penalty, free)
        else:
            solve_rows_cg(indptr, indices, extra, fixed, YtY, penalty, free, self.cg_steps)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return fill_silent_rows(self.X[users] @ self.Y.T, self._counts)  # (B, n_items)
