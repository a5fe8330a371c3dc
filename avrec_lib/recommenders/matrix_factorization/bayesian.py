"""Matrix factorisation that keeps its doubts: many plausible factorisations instead of one best.

Every parameter gets a distribution, also those that regularise, so there is no λ to tune. A Gibbs sampler
visits them in turn, drawing each from its distribution given all others (module `gibbs`); what it visits
after a while are samples of the joint posterior. A prediction is the mean over the samples, and their
spread says how sure it is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import RatingModel, check_index
from avrec_lib.recommenders.matrix_factorization.biased import check_at_least_one, check_real, check_table
from avrec_lib.recommenders.matrix_factorization.gibbs import (
    draw_normal_wishart,
    draw_rows,
    normal_wishart_posterior,
)

CHUNK = 256  # pairs predicted at a time: their samples fit a processor's cache and not just its memory


class BayesianMatrixFactorization(RatingModel):
    r"""Predict ratings by the posterior mean of μ + b_u + b_i + p_u·q_i, sampled by Gibbs.

    .. math::

       r_{ui} \sim \mathcal{N}(\mu + b_u + b_i + p_u \cdot q_i,\; \alpha^{-1}), \qquad
       (b_u, p_u) \sim \mathcal{N}(m_U, \Lambda_U^{-1}), \quad
       (b_i, q_i) \sim \mathcal{N}(m_I, \Lambda_I^{-1})

    .. math::

       (m, \Lambda) \sim \text{Normal–Wishart}(\mu_0 = 0,\; \beta_0 = 2,\; W_0,\; \nu_0 = k + 1), \qquad
       \alpha \sim \text{Gamma}(1, 1)

    Source: Salakhutdinov & Mnih (2008), "Bayesian Probabilistic Matrix Factorization using Markov Chain Monte
    Carlo". Three things differ: the biases, which join each vector as its first entry and
    so may correlate with its factors; α, which they fix and we draw; and the ratings, which are centred and
    divided by their standard deviation first, so that the priors suit any scale. One sweep draws the users'
    hyper-parameters, all users, the items' hyper-parameters, all items, and α. The full matrix Λ does better
    here than one precision per factor (the choice of libFM: Rendle 2012, "Factorization Machines with libFM"):
    the factors of one user are drawn together, and the chain moves faster.

    μ is the mean training rating. The chain starts from normal random numbers of standard deviation 0.1.

    **Burn-in.** The default is short: the chain starts near "no factors at all" and the first sweeps, still
    under-fitted, make the mean over samples slightly more accurate. That was measured on inner folds, see
    below. For the posterior itself (its spread, say) take a burn-in of 100 or more, and look at `trace_`.

    Cold user: the prediction for the average user, μ + m_U[0] + b_i + m_U[1:]·q_i; cold item likewise.

    Parameters
    ----------
    n_factors : int
        k, the length of p_u and q_i, at most min(n_users, n_items).
    n_samples : int
        How many sweeps are kept, after the burn-in. Memory: n_samples · (n_users + n_items) · (k + 2)
        numbers of 4 bytes.
    burn_in : int
        How many sweeps are thrown away first; 0 or more.
    seed : int
        Seed of the generator of all random numbers.
    prior_scale : float
        W₀ = prior_scale · I, above 0. Larger means a prior of smaller vectors.
    progress : bool
        Show a progress bar, one tick a sweep.

    The defaults are the ones chosen on inner folds of MovieLens-100K by `benchmarks/select_bayesian.py`.

    Attributes
    ----------
    mu : float
        μ, the mean training rating.
    trace_ : DataFrame
        One row a sweep: sweep (from 1), kept (False in the burn-in), noise_std (1/√α) and train_rmse (of this one
        draw), both on the scale of the ratings.
    user_samples_, item_samples_ : float32 arrays, shapes (n_users + 1, n_samples, k + 2) and (n_items + 1, …)
        (b_u, 1, p_u) and (1, b_i, q_i), so that their product is r̂_ui - μ; the users' are scaled to the
        ratings. The last row holds m_U or m_I, the vector of the average user or item.

    Raises
    ------
    ValueError
        For a setting out of range; in `fit` for more factors than users or items, and for a (user, item) pair
        that comes twice.

    Examples
    --------
    >>> rows = [("ann", "up", 5), ("ann", "heat", 1), ("bob", "up", 4), ("bob", "heat", 2)]
    >>> table = Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "rating"]))
    >>> model = BayesianMatrixFactorization(n_factors=1, n_samples=50).fit(table)
    >>> bool(model.predict([0], [1])[0] > model.predict([0], [0])[0])  # "up" is item 1
    True
    """

    mu: float
    trace_: pd.DataFrame
    user_samples_: NDArray[np.float32]
    item_samples_: NDArray[np.float32]

    def __init__(
        self,
        n_factors: int = 16,
        n_samples: int = 300,
        burn_in: int = 10,
        seed: int = 0,
        *,
        prior_scale: float = 2.5,
        progress: bool = False,
    ) -> None:
        name = type(self).__name__
        self.n_factors = check_at_least_one(name, "n_factors", n_factors)
        self.n_samples = check_at_least_one(name, "n_samples", n_samples)
        if burn_in != 0:
            check_at_least_one(name, "burn_in (unless it is 0)", burn_in)
        self.burn_in = int(burn_in)
        self.prior_scale = check_real(name, "prior_scale", prior_scale, zero=False)
        self.seed = seed
        self.progress = progress

    def _fit(self, train: Interactions) -> None:
        check_table(type(self).__name__, self.n_factors, train)
        self.mu = float(train.values.mean(dtype=np.float64))
        scale = float(train.values.std(dtype=np.float64)) or 1.0  # equal ratings have no spread to divide by
        R = train.matrix().astype(np.float64)
        R.sort_indices()  # the order of the table's rows must not matter
        R.data = (R.data - self.mu) / scale
        C = R.T.tocsr()

        rng = np.random.default_rng(self.seed)
        d = self.n_factors + 1
        users = 0.1 * rng.standard_normal((train.n_users, d))  # (b_u, p_u)
        items = 0.1 * rng.standard_normal((train.n_items, d))  # (b_i, q_i)
        prior = np.zeros(d), 2.0, np.eye(d) / self.prior_scale, float(d)
        self._cold_users, self._cold_items = np.diff(R.indptr) == 0, np.diff(C.indptr) == 0
        self.user_samples_ = np.ones((train.n_users + 1, self.n_samples, d + 1), dtype=np.float32)
        self.item_samples_ = np.ones((train.n_items + 1, self.n_samples, d + 1), dtype=np.float32)

        noise_precision, trace = 1.0, []
        sweeps = range(-self.burn_in, self.n_samples)
        for s in tqdm(sweeps, desc="Gibbs", unit="sweep", disable=not self.progress):
            for M, cold, own, other in ((R, self._cold_users, users, items), (C, self._cold_items, items, users)):
                # cold vectors follow the prior whatever it is, so they have no say in it
                m, precision = draw_normal_wishart(*normal_wishart_posterior(own[~cold], *prior), rng)
                normals = rng.standard_normal(own.shape)
                squared_error = draw_rows(
                    M.indptr, M.indices, M.data, other, noise_precision, m, precision, normals, own
                )
                if s >= 0:
                    self._keep(s, np.vstack([own, m]), scale, is_user=M is R)
            noise_precision = rng.gamma(1 + R.nnz / 2) / (1 + squared_error / 2)
            trace.append((s >= 0, scale / noise_precision**0.5, scale * (squared_error / R.nnz) ** 0.5))
        self.trace_ = pd.DataFrame(trace, columns=["kept", "noise_std", "train_rmse"])
        self.trace_.insert(0, "sweep", np.arange(1, len(trace) + 1))

    def _keep(self, s: int, vectors: NDArray[np.float64], scale: float, *, is_user: bool) -> None:
        """Store one sample; the users' vectors carry the scale of the ratings."""
        if is_user:
            self.user_samples_[:, s, 0] = scale * vectors[:, 0]
            self.user_samples_[:, s, 1] = scale
            self.user_samples_[:, s, 2:] = scale * vectors[:, 1:]
        else:
            self.item_samples_[:, s, 1:] = vectors

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        # The mean of dot products over samples is one dot product of all samples in a row.
        rows = np.where(self._cold_users[users], -1, users)
        P = self.user_samples_[rows].reshape(len(users), self.item_samples_[0].size)  # (B, n_samples · (k + 2))
        Q = self.item_samples_.reshape(len(self.item_samples_), -1)  # (n_items + 1, n_samples · (k + 2))
        columns = np.where(self._cold_items, -1, np.arange(len(self._cold_items)))
        scores = self.mu + P @ Q.T / self.n_samples  # (B, n_items + 1)
        return np.asarray(scores[:, columns], dtype=np.float32)

    def _predict(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.floating]:
        predicted: NDArray[np.floating] = self._draws(*self._known(users, items)).mean(axis=0)  # (n,)
        return predicted

    def predict_draws(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float32]:
        """Return the expected rating of each pair under each sample, not clipped, shape (n_samples, n).

        Parameters
        ----------
        users, items : int arrays, shape (n,)
            Indices into the training vocabularies. A cold user's or item's draws come from the prior.
        """
        train = self.train
        return self._draws(check_index(users, train.n_users, "user"), check_index(items, train.n_items, "item"))

    def predict_std(self, users: ArrayLike, items: ArrayLike, *, noise: bool = True) -> NDArray[np.float32]:
        r"""Return the standard deviation of the predictive distribution of each pair's rating, shape (n,).

        .. math::

           \operatorname{Var}(r_{ui}) = \operatorname{Var}_s(\hat r_{ui}^{(s)}) + \operatorname{E}_s[1 / \alpha^{(s)}]

        The first part is the doubt about the expected rating, which more data would remove; the second, left
        out with `noise=False`, is how much a rating scatters around it whatever we know. Prediction ± 1.64
        of these is a 90 % credible interval, as far as a rating is normal.

        Parameters
        ----------
        users, items : int arrays, shape (n,)
        noise : bool
        """
        variance = self.predict_draws(users, items).var(axis=0, dtype=np.float64)  # (n,)
        if noise:
            variance += np.mean(self.trace_.loc[self.trace_["kept"], "noise_std"] ** 2)
        return np.asarray(np.sqrt(variance), dtype=np.float32)

    def running_rmse(self, data: Interactions) -> NDArray[np.float64]:
        """Return the RMSE on a table of the mean over the first s samples, for s = 1 … n_samples.

        The last entry is the RMSE of `predict`; the curve says whether more samples would help.

        Parameters
        ----------
        data : Interactions
            Ratings with the vocabularies of the training table.
        """
        check_table(type(self).__name__, self.n_factors, self.train, data)
        draws = self._draws(*self._known(data.users.astype(np.int64), data.items.astype(np.int64)))
        means = np.cumsum(draws, axis=0, dtype=np.float64) / np.arange(1, self.n_samples + 1)[:, None]
        means = np.clip(means, self.train.values.min(), self.train.values.max())  # (n_samples, n)
        rmse: NDArray[np.float64] = np.sqrt(np.mean((means - data.values) ** 2, axis=1))
        return rmse

    def _known(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows of the samples, where a cold user or item is replaced by the average one, in the last row."""
        return np.where(self._cold_users[users], -1, users), np.where(self._cold_items[items], -1, items)

    def _draws(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
        draws = np.empty((self.n_samples, len(users)), dtype=np.float32)
        for start in range(0, len(users), CHUNK):
            pairs = slice(start, start + CHUNK)
            samples = self.user_samples_[users[pairs]], self.item_samples_[items[pairs]]  # (CHUNK, n_samples, k + 2)
            draws[:, pairs] = np.einsum("nsd,nsd->sn", *samples)
        draws += np.float32(self.mu)
        return draws  # (n_samples, n)
