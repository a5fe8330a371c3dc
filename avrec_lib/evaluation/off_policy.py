"""What would another strategy have achieved? Estimated from the log of the one that was at work.

Page 4.3. A log shows what came of the clips that were shown, and nothing of the others. If chance had a part in
what was shown, and the chances were written down, then each row can stand for all those that were not shown: a
clip shown with probability 1/20 counts twenty times. x is the situation (viewer, place, what was free), i_e the
clip that row e showed, π₀ the policy of the log, π the new one, y the outcome. `off_policy_intervals` adds how
sure the numbers are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def importance_weights(target: ArrayLike, logged: ArrayLike) -> Floats:
    """Return w_e = π(i_e | x_e) / π₀(i_e | x_e): how much oftener the new strategy shows what row e showed.

    Parameters
    ----------
    target, logged : array_like, one shape
        Both probabilities, of the clip that was shown. What was shown had a chance, so `logged` is above 0.

    Raises
    ------
    ValueError
        If shapes differ, or a number is no probability, or a logged one is 0.
    """
    new, old = np.asarray(target, dtype=np.float64), np.asarray(logged, dtype=np.float64)
    if new.shape != old.shape:
        raise ValueError(f"target {new.shape} and logged {old.shape} differ in shape; give both for each row.")
    if not ((new >= 0) & (new <= 1) & (old <= 1)).all():
        raise ValueError("probabilities must lie between 0 and 1.")
    if not (old > 0).all():
        raise ValueError("a row has the logged probability 0, yet it happened; the recorded policy is another one.")
    return np.asarray(new / old, dtype=np.float64)


def effective_sample_size(weights: ArrayLike) -> float:
    """Return (Σ w)² / Σ w²: how many rows of equal weight would be as sure; n if all are equal, 0 if all are 0.

    Source: Kong, Liu and Wong, Sequential Imputations and Bayesian Missing Data Problems, JASA 89, 1994.
    """
    w = np.asarray(weights, dtype=np.float64)
    squares = float((w**2).sum())
    return float(w.sum()) ** 2 / squares if squares > 0 else 0.0


def examination(clicks: ArrayLike, positions: ArrayLike) -> Floats:
    """Return θ̂_r, how much position r is looked at beside the first: shape (K,), its first element 1.

        θ̂_r = (mean click at r) / (mean click at 1)

    Give it rows whose clips were put into their places at random: then all places hold equally good clips, and
    looking is all that differs. From a list that has the best on top it makes θ̂ too steep.

    Parameters
    ----------
    clicks, positions : array_like, shape (n,)
        0 or 1; positions from 1, all from 1 to K.

    Raises
    ------
    ValueError
        If a position was never shown or the first never clicked.
    """
    y, r = np.asarray(clicks, dtype=np.float64), np.asarray(positions, dtype=np.int64)
    shown = np.bincount(r)[1:]
    clicked = np.bincount(r, y)[1:]
    if not len(shown) or (shown == 0).any() or clicked[0] == 0:
        raise ValueError("each position from 1 must have been shown, and the first clicked; use a longer log.")
    rate = clicked / shown
    return np.asarray(rate / rate[0], dtype=np.float64)


def ips(y: ArrayLike, weights: ArrayLike) -> float:
    """Return the inverse propensity score estimate of the new strategy's value: 1/n Σ_e w_e y_e.

    Right on average whatever π is, provided that π₀ gives a chance to all that π shows.
    Source: Horvitz and Thompson, A Generalization of Sampling Without Replacement From a Finite Universe, JASA 1952.
    """
    value, w = _rows(y, weights)
    return float((w * value).mean())


def clipped_ips(y: ArrayLike, weights: ArrayLike, limit: float = 10.0) -> float:
    """Return 1/n Σ_e min(w_e, limit) y_e: steadier, since no row counts more than `limit`, and too low if y ≥ 0.

    Source: Bottou et al., Counterfactual Reasoning and Learning Systems, JMLR 14, 2013.
    """
    value, w = _rows(y, weights)
    if not limit > 0:
        raise ValueError(f"limit must be above 0, not {limit}.")
    return float((np.minimum(w, limit) * value).mean())


def snips(y: ArrayLike, weights: ArrayLike) -> float:
    """Return the self-normalised estimate Σ_e w_e y_e / Σ_e w_e; NaN if all weights are 0.

    The weights have mean 1 only on average. Dividing by the sum that they do have takes out the luck of it: the
    estimate is a mean of outcomes, so it stays among them. It is biased, less and less as the log grows.
    Source: Swaminathan and Joachims, The Self-Normalized Estimator for Counterfactual Learning, NIPS 2015.
    """
    value, w = _rows(y, weights)
    return float((w * value).sum() / w.sum()) if w.sum() > 0 else float("nan")


def direct_method(expected: ArrayLike) -> float:
    """Return 1/n Σ_e Σ_i π(i | x_e) q̂(x_e, i): what a model believes of the new strategy.

    It needs no logged probability, and is as wrong as the model is where π shows what π₀ did not.
    """
    return float(np.asarray(expected, dtype=np.float64).mean())


def doubly_robust(y: ArrayLike, weights: ArrayLike, predicted: ArrayLike, expected: ArrayLike) -> float:
    """Return the model's belief, put right by its errors where it can be checked.

        1/n Σ_e [ Σ_i π(i | x_e) q̂(x_e, i) + w_e (y_e - q̂(x_e, i_e)) ]

    Right on average if the probabilities are right *or* the model is; the better the model, the less luck.
    Source: Dudík, Langford and Li, Doubly Robust Policy Evaluation and Learning, ICML 2011.

    Parameters
    ----------
    y, weights : array_like, one shape
    predicted : array_like of that shape
        q̂(x_e, i_e), the model's prediction for the clip that was shown. It must not have learnt from y.
    expected : array_like of that shape
        Σ_i π(i | x_e) q̂(x_e, i), what it expects of the new strategy's draw.
    """
    value, w = _rows(y, weights)
    guess, mean = np.asarray(predicted, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if not guess.shape == mean.shape == value.shape:
        raise ValueError(f"predicted {guess.shape} and expected {mean.shape} must have the shape of y, {value.shape}.")
    return float((mean + w * (value - guess)).mean())


def _rows(y: ArrayLike, weights: ArrayLike) -> tuple[Floats, Floats]:
    value, w = np.asarray(y, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if value.shape != w.shape or not value.size:
        raise ValueError(f"y {value.shape} and weights {w.shape} must have one shape, and a row at least.")
    if not (np.isfinite(w).all() and (w >= 0).all()):
        raise ValueError("weights must be finite and not negative; make them with importance_weights.")
    return value, w
