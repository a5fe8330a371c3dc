"""Fusing what several senses say, in NumPy: log-odds that add up, and how much of a score is a mere sum.

Page 3.2.3; `fusion_torch` has the models that are trained.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def add_log_odds(probabilities: ArrayLike, prior: ArrayLike) -> NDArray[np.float64]:
    """Combine what S senses say on their own, as if they were independent once the class is known.

    P(c | x_1, …, x_S) ∝ prior_c · Π_s P(c | x_s) / prior_c

    Each sense has counted the prior once, so S − 1 of them are taken out again. Source: Bayes' rule; the product
    rule of Kittler et al. (1998).

    Parameters
    ----------
    probabilities : array, shape (S, N, C)
        Above 0; what sense s says of clip n.
    prior : array, shape (C,)
        Shares of the classes, above 0.

    Returns
    -------
    float64 array, shape (N, C), rows of sum 1

    Raises
    ------
    ValueError
        If the shapes do not fit, or a number is not above 0.
    """
    P, prior = np.asarray(probabilities, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    if P.ndim != 3 or len(P) == 0 or prior.shape != P.shape[2:]:
        raise ValueError(f"probabilities must be (S, N, C) and the prior (C,), not {P.shape} and {prior.shape}.")
    if not (P > 0).all() or not (prior > 0).all():
        raise ValueError("a probability of 0 admits no second opinion; smooth them until all are above 0.")
    logits = np.log(P).sum(axis=0) - (len(P) - 1) * np.log(prior)  # (N, C)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    combined: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return combined


def additive_part(F: ArrayLike) -> NDArray[np.float64]:
    """Return the nearest sum of one function a sense to scores F_ij = f(sense 1 of clip i, sense 2 of clip j).

    F̂_ij = mean of row i + mean of column j − mean of all

    What it loses is interaction. Source: Hessel and Lee (2020), there called EMAP. F is (N₁, N₂), and so is F̂.
    """
    scores = np.asarray(F, dtype=np.float64)
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(f"F must be a table (N₁, N₂) of scores, not of shape {scores.shape}.")
    projected: NDArray[np.float64] = scores.mean(axis=1, keepdims=True) + scores.mean(axis=0) - scores.mean()
    return projected
