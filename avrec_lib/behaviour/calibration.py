"""Does a predicted 30 % happen three times in ten? Reliability, its error, and two ways to mend it.

Page 4.2.4. A prediction can sort viewers perfectly and still be wrong about how many will click. Calibration is
about the second: of all rows that were given p, a share p should click. Both repairs learn a curve from
scores to probabilities on rows that the model was not fitted to: Platt's has two numbers, isotonic
regression has as many steps as the data ask for.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Strategy = Literal["uniform", "quantile"]


class Luck(NamedTuple):
    """What chance alone makes of a perfect prediction: the mean, and between `low` and `high` 95 % of its values."""

    value: float
    low: float
    high: float


class Platt(NamedTuple):
    """The curve p = 1 / (1 + exp(a · s + b)); call it with scores, any shape."""

    a: float
    b: float

    def __call__(self, scores: ArrayLike) -> Floats:
        """Return the probabilities of scores."""
        return np.asarray(expit(-(self.a * np.asarray(scores, np.float64) + self.b)), np.float64)


class Isotonic(NamedTuple):
    """A curve that never falls: corners at scores `x`, probabilities `y`; straight between, flat beyond."""

    x: Floats
    y: Floats

    def __call__(self, scores: ArrayLike) -> Floats:
        """Return the probabilities of scores."""
        return np.asarray(np.interp(np.asarray(scores, np.float64), self.x, self.y), np.float64)


def reliability(p: ArrayLike, y: ArrayLike, n_bins: int = 10, strategy: Strategy = "uniform") -> pd.DataFrame:
    """Return the reliability table: rows in bins of their prediction, and what happened in each bin.

    Parameters
    ----------
    p : array_like, shape (n,)
        Predicted probabilities.
    y : array_like, shape (n,)
        What happened: 0 or 1, or booleans.
    n_bins : int
    strategy : {"uniform", "quantile"}
        Bins of equal width, or of (about) equal numbers of rows. A bin holds low < p ≤ high, the first also
        its lower edge.

    Returns
    -------
    DataFrame, a row for each bin that is not empty
        low, high (edges), n (rows), predicted (mean p), observed (share of y = 1).

    Raises
    ------
    ValueError
        If p and y are not vectors of one length, empty, or out of range.

    References
    ----------
    Murphy and Winkler, Reliability of Subjective Probability Forecasts of Precipitation and Temperature,
    Applied Statistics 26(1), 1977.
    """
    q, happened = checked(p, y)
    edges, which = _bins(q, n_bins, strategy)
    n = np.bincount(which, minlength=len(edges) - 1)
    kept = np.flatnonzero(n)
    predicted = np.bincount(which, q, len(n))[kept] / n[kept]
    observed = np.bincount(which, happened, len(n))[kept] / n[kept]
    return pd.DataFrame(
        {"low": edges[kept], "high": edges[kept + 1], "n": n[kept], "predicted": predicted, "observed": observed}
    )


def calibration_error(p: ArrayLike, y: ArrayLike, n_bins: int = 10, strategy: Strategy = "uniform") -> float:
    """Return the expected calibration error, Σ_b (n_b / n) · |predicted_b - observed_b| over the bins of `reliability`.

    It is 0 for a prediction that keeps its word in every bin, and never 0 in practice: see `calibration_luck`.

    References
    ----------
    Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015;
    Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
    """
    table = reliability(p, y, n_bins, strategy)
    gaps = (table["predicted"] - table["observed"]).abs()
    return float((gaps * table["n"]).sum() / table["n"].sum())


def calibration_luck(
    p: ArrayLike, n_bins: int = 10, strategy: Strategy = "uniform", n_draws: int = 200, seed: int = 0
) -> Luck:
    """Return the calibration error that luck alone gives to predictions p that are exactly right.

    Each draw tosses a coin for every row. An error between the two bounds is no evidence against the model.
    """
    q, _ = checked(p, np.zeros(np.shape(p)))
    edges, which = _bins(q, n_bins, strategy)
    rng, errors = np.random.default_rng(seed), np.empty(n_draws)
    for draw in range(n_draws):
        excess = np.bincount(which, q - (rng.random(len(q)) < q), len(edges) - 1)  # (n_bins,)
        errors[draw] = np.abs(excess).sum() / len(q)
    low, high = np.quantile(errors, [0.025, 0.975])
    return Luck(float(errors.mean()), float(low), float(high))


def platt_targets(y: ArrayLike) -> Floats:
    """Return Platt's targets: (N₊ + 1) / (N₊ + 2) for a click, 1 / (N₋ + 2) for none, shape (n,).

    A little short of 1 and 0: a curve fitted to scores that separate clicks perfectly stays finite.
    """
    happened = np.asarray(y, dtype=np.float64)
    n_yes = happened.sum()
    n_no = len(happened) - n_yes
    targets: Floats = np.where(happened > 0, (n_yes + 1) / (n_yes + 2), 1 / (n_no + 2))
    return targets


def platt_loss(curve: Platt, scores: ArrayLike, y: ArrayLike) -> float:
    """Return what Platt's fit makes small: - Σ_i [t_i log p_i + (1 - t_i) log(1 - p_i)], with t of `platt_targets`."""
    t, z = platt_targets(y), -(curve.a * np.asarray(scores, dtype=np.float64) + curve.b)
    return float(np.sum(np.logaddexp(0, z) - t * z))  # since log p = z - log(1 + eᶻ), log(1 - p) = - log(1 + eᶻ)


def platt(scores: ArrayLike, y: ArrayLike) -> Platt:
    """Fit Platt's curve to scores and what happened: a and b of p = 1 / (1 + exp(a · s + b)) that make the loss least.

    It is a logistic regression on one number, without penalty, in which every row stands twice: as a click
    with weight t, as none with weight 1 - t. If the scores are probabilities, give their log-odds
    log(p / (1 - p)): a curve through probabilities themselves can't be the identity.

    Raises
    ------
    ValueError
        If the lengths differ, or all scores are equal.

    References
    ----------
    Platt, Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized Likelihood Methods,
    Advances in Large Margin Classifiers, 1999; Lin, Lin and Weng, A Note on Platt's Probabilistic Outputs for
    Support Vector Machines, Machine Learning 68, 2007, equation 3.
    """
    from sklearn.linear_model import LogisticRegression

    s = _scores(scores, y)
    middle, width = float(s.mean()), float(s.std())
    if not width:
        raise ValueError("all scores are equal, no curve can tell rows apart; use the rate of clicks instead.")
    t, z = platt_targets(y), (s - middle) / width  # at unit scale, so that the solver's tolerance means the same always
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=200)
    model.fit(np.tile(z, 2)[:, None], np.repeat([1, 0], len(z)), sample_weight=np.concatenate([t, 1 - t]))
    slope = float(model.coef_[0, 0]) / width
    return Platt(-slope, slope * middle - float(model.intercept_[0]))


def pool_adjacent_violators(y: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Return the never falling numbers nearest to y, in weighted squares: min Σ w_i (f_i - y_i)², f_1 ≤ f_2 ≤ ….

    Whenever a block's mean is not above that of the block to its left, the two are made one. This is the
    readable form of what `isotonic` does through scikit-learn, and equal to it.

    References
    ----------
    Ayer, Brunk, Ewing, Reid and Silverman, An Empirical Distribution Function for Sampling with Incomplete
    Information, Annals of Mathematical Statistics 26(4), 1955.
    """
    values = np.asarray(y, dtype=np.float64)
    w = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, rows
    for value, weight in zip(values, w, strict=True):
        mean, mass, rows = float(value), float(weight), 1
        while blocks and blocks[-1][0] >= mean:
            left, left_mass, left_rows = blocks.pop()
            mean = (left * left_mass + mean * mass) / (left_mass + mass)
            mass, rows = left_mass + mass, left_rows + rows
        blocks.append((mean, mass, rows))
    return np.repeat([b[0] for b in blocks], [b[2] for b in blocks]).astype(np.float64)


def isotonic(scores: ArrayLike, y: ArrayLike, bounded: bool = True) -> Isotonic:
    """Fit the never falling curve from scores to probabilities that is nearest to what happened.

    With a thousand rows or more it bends where Platt's cannot; with few it follows the noise. Its lowest and
    highest steps are often exactly 0 and 1, and one click at 0 costs an infinite log loss: `bounded` keeps the
    curve between 1 / (n + 2) and 1 - 1 / (n + 2), since what n rows have not shown may still happen.

    References
    ----------
    Zadrozny and Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD 2002.
    """
    from sklearn.isotonic import IsotonicRegression

    s = _scores(scores, y)
    least = 1 / (len(s) + 2) if bounded else 0.0
    model = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(s, np.asarray(y, dtype=float))
    return Isotonic(np.asarray(model.X_thresholds_, np.float64), np.asarray(model.y_thresholds_, np.float64))


def checked(p: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return predictions and outcomes as float64 vectors, or say what is wrong with them."""
    q, happened = np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if q.ndim != 1 or q.shape != happened.shape or not len(q):
        raise ValueError(
            f"p and y must be vectors of one length, not empty, not of shapes {q.shape}, {happened.shape}."
        )
    if not (np.isfinite(q).all() and (q >= 0).all() and (q <= 1).all()):
        raise ValueError("p must lie between 0 and 1; turn scores into probabilities first, with platt or isotonic.")
    if not np.isin(happened, (0, 1)).all():
        raise ValueError("y must hold 0 and 1 only: did it happen or not.")
    return q, happened


def _bins(p: Floats, n_bins: int, strategy: Strategy) -> tuple[Floats, NDArray[np.int64]]:
    """Return the edges, shape (n_bins + 1,) or fewer, and the bin of each row."""
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, not {n_bins}.")
    if strategy == "uniform":
        edges = np.linspace(0, 1, n_bins + 1)
    elif strategy == "quantile":
        edges = np.unique(np.quantile(p, np.linspace(0, 1, n_bins + 1)))
        edges = np.repeat(edges, 2) if len(edges) == 1 else edges  # all predictions are equal: one bin
    else:
        raise ValueError(f"strategy must be 'uniform' or 'quantile', not {strategy!r}.")
    return edges, np.searchsorted(edges[1:-1], p).astype(np.int64)


def _scores(scores: ArrayLike, y: ArrayLike) -> Floats:
    """Return the scores as a vector, checked against y."""
    s = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(s).all():
        raise ValueError("scores must be finite; log-odds of a probability of exactly 0 or 1 are not.")
    checked(np.full(s.shape, 0.5), y)
    return s
