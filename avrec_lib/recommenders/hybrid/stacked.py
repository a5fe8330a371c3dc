"""Several recommenders whose weights are learnt from what the users did next."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from avrec_lib.data import Interactions, leave_last_out, random_k_fold
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.hybrid.weighted import WeightedHybrid, standardise

Floats = NDArray[np.float64]


class StackedHybrid(Recommender):
    """Learn the weights of a `WeightedHybrid` on rows held out from the training table.

    P(next = i | u) = softmax_i(Σ_p w_p z⁽ᵖ⁾_ui)

    Each user's last training row is held out (a random tenth of the rows where there are no times).
    The parts are fitted to the rest and their standardised scores z say, of all items that the user
    had not met, which comes next; w maximises the likelihood of what did come, minus a ridge that
    keeps it finite. Then the parts are fitted again, to everything. Nothing of the test table is
    ever seen. Source: stacking, Wolpert (1992); the softmax choice is McFadden's conditional logit.

    Where nothing can be held out (one row a user, no other item), all weights are equal.

    Cold users and items: what the parts do with them, blended.

    Parameters
    ----------
    parts : sequence of recommenders
        `fit` fits copies of them to the reduced table, and these to the whole one.
    ridge : float
        η > 0 in the penalty η ‖w‖² / 2 on the mean log-likelihood.
    n_users : int
        At most so many users are used to learn the weights, in memory n_users × n_items × parts × 8 bytes.
    seed : int
        Of the choice of users.

    Attributes
    ----------
    weights : float64 array, shape (n_parts,)

    Raises
    ------
    ValueError
        If there are no parts, or a setting is not positive.
    """

    weights: Floats

    def __init__(self, parts: Sequence[Recommender], ridge: float = 1e-3, n_users: int = 1000, seed: int = 0) -> None:
        WeightedHybrid(parts)  # refuses what cannot be blended
        if not (ridge > 0 and n_users >= 1):
            raise ValueError(f"ridge must be above 0 and n_users at least 1, not {ridge} and {n_users}.")
        self.parts, self.ridge, self.n_users, self.seed = tuple(parts), ridge, n_users, seed

    def _fit(self, train: Interactions) -> None:
        self.weights = self._learn(train)
        self._blend = WeightedHybrid(self.parts, self.weights.tolist()).fit(train)

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        if self._blend.train is not self.train:
            raise ValueError("the parts were fitted again on another table; fit the hybrid again.")
        return self._blend.score(users)

    def _learn(self, train: Interactions) -> Floats:
        equal = np.ones(len(self.parts))
        if np.bincount(train.users).max() < 2:
            return equal
        split = leave_last_out(train) if train.timestamps is not None else random_k_fold(train, min(10, len(train)))[0]
        rng = np.random.default_rng(self.seed)
        rows = np.sort(rng.permutation(len(split.test))[: self.n_users])
        users, wanted = split.test.users[rows], split.test.items[rows]
        parts = [deepcopy(part).fit(split.train) for part in self.parts]
        z = np.stack([standardise(part.score(users)) for part in parts], axis=-1)  # (B, n_items, n_parts)
        met = split.train.matrix()[users].toarray() != 0  # (B, n_items)
        met[np.arange(len(users)), wanted] = False
        if (~met).sum(axis=1).max() < 2 or not np.ptp(z[~met], axis=0).any():
            return equal  # nothing to choose from, or nothing told apart
        weights = fit_choice(z, wanted.astype(np.int64), met, self.ridge)
        return weights if weights.any() else equal


def fit_choice(z: Floats, wanted: NDArray[np.int64], barred: NDArray[np.bool_], ridge: float) -> Floats:
    """Return the weights w of the conditional logit that best explains the choices, none of them negative.

    maximise over w ≥ 0:   (1/B) Σ_b [ w·z_{b, wanted} − log Σ_{i not barred} exp(w·z_bi) ] − η ‖w‖² / 2

    The likelihood is concave and the penalty makes the best w unique, so L-BFGS finds it. Without the
    bound, of two parts that say nearly the same the worse one may get a negative weight, to sharpen
    the better one on these very rows; it need not hold on others.

    Parameters
    ----------
    z : array, shape (B, n_items, n_parts)
    wanted : int64 array, shape (B,)
        The item that each user chose; not barred.
    barred : bool array, shape (B, n_items)
        Items that could not be chosen.
    ridge : float
        η > 0.

    Returns
    -------
    float64, shape (n_parts,)
    """
    rows = np.arange(len(z))
    chosen = z[rows, wanted]  # (B, n_parts)

    def loss(w: Floats) -> tuple[float, Floats]:
        s = np.where(barred, -np.inf, z @ w)  # (B, n_items)
        total = logsumexp(s, axis=1, keepdims=True)  # (B, 1)
        expected = np.einsum("bi,bip->bp", np.exp(s - total), z)  # (B, n_parts): what a draw would have on average
        value = (total[:, 0] - s[rows, wanted]).mean() + ridge * w @ w / 2
        return float(value), (expected - chosen).mean(axis=0) + ridge * w

    found = minimize(loss, np.zeros(z.shape[2]), jac=True, method="L-BFGS-B", bounds=[(0, None)] * z.shape[2])
    return np.asarray(found.x, dtype=np.float64)
