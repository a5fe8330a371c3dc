"""A strategy as a lottery: from scores to the probability of each clip in each place, and what that place is worth.

Page 4.3. A strategy that is to be judged by the log of another one must leave something to chance, and know how
much. Here it fills a place of a session by drawing among the clips that are free and not above it already,
with chances proportional to weights: drawing without replacement, as Plackett and Luce describe rankings. The log's
own policy is of that kind as well, so both go through the same function.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

Floats = NDArray[np.float64]


def normal_scores(scores: ArrayLike) -> Floats:
    """Return scores of which only the order is left, spread like a standard normal: all strategies become as bold.

        z_ui = Φ⁻¹((rank of i among u's n_items scores - 1/2) / n_items)

    with the lowest score at rank 1, equal scores at the mean of their ranks, and Φ the normal distribution. A
    lottery over exp(β z) then draws the k-th clip of every list with the same chance, whatever unit the scores had.

    Parameters
    ----------
    scores : array_like, shape (m, n_items) or (n_items,)
        The larger, the sooner to be shown.

    Returns
    -------
    float64 array of the same shape

    Raises
    ------
    ValueError
        If a score is not finite.
    """
    s = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(s).all():
        raise ValueError("a score is NaN or infinite; give clips without a score the mean of the others.")
    return np.asarray(ndtri((rankdata(s, axis=-1) - 0.5) / s.shape[-1]), dtype=np.float64)


def soft_weights(z: ArrayLike, sharpness: float = 1.0) -> Floats:
    """Return the weights of a lottery, exp(sharpness · z), divided by the largest of each row; the shape of z.

    Parameters
    ----------
    z : array_like, shape (m, n_items) or (n_items,)
        From `normal_scores`.
    sharpness : float
        β. 0 draws at random, and the larger the surer the best clip wins.

    Raises
    ------
    ValueError
        If sharpness is negative or not finite.
    """
    if not 0 <= sharpness < np.inf:
        raise ValueError(f"sharpness must be at least 0 and finite, not {sharpness}; a sure choice teaches nothing.")
    s = np.asarray(z, dtype=np.float64)
    return np.asarray(np.exp(sharpness * (s - s.max(axis=-1, keepdims=True))), dtype=np.float64)


def choice_probabilities(weights: ArrayLike, free: ArrayLike, shown: ArrayLike) -> Floats:
    """Return the probability that the clip that stood in each place is what these weights would have drawn there.

        π(i | x) = ω_i / Σ_{j in A(x)} ω_j

    A(x) is what was free when the session began, without the clips that stand above the place.

    Parameters
    ----------
    weights : array_like, shape (s, n_items) or (n_items,)
        ω, not negative; a row a session, or one for all.
    free : bool array, shape (s, n_items)
    shown : int array, shape (s, K)
        What was shown, from the top. All of them must be free, and different within a session.

    Returns
    -------
    float64 array, shape (s, K)

    Raises
    ------
    ValueError
        If shapes do not match, a weight is negative, a shown clip was not free, or nothing that is left has a weight.
    """
    W, at = _checked(weights, free, shown)  # (s, n_items), 0 where not free
    own = W[at]  # (s, K)
    return np.asarray(own / _left(W, own), dtype=np.float64)


def choice_means(weights: ArrayLike, free: ArrayLike, shown: ArrayLike, values: ArrayLike) -> Floats:
    """Return what each place can expect if these weights draw its clip: Σ_{i in A(x)} π(i | x) value_i, shape (s, K).

    The parameters are those of `choice_probabilities`; values are of shape (s, n_items) or (n_items,).
    """
    W, at = _checked(weights, free, shown)  # (s, n_items), 0 where not free
    own, worth = W[at], np.broadcast_to(np.asarray(values, dtype=np.float64), W.shape)
    total = np.einsum("si,si->s", W, worth)[:, None] - _above(own * worth[at])  # (s, K)
    return np.asarray(total / _left(W, own), dtype=np.float64)


def _checked(
    weights: ArrayLike, free: ArrayLike, shown: ArrayLike
) -> tuple[Floats, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the weights of what is free, shape (s, n_items), and where in it what was shown stands."""
    allowed, i = np.asarray(free, dtype=bool), np.asarray(shown, dtype=np.int64)
    W = np.asarray(weights, dtype=np.float64)
    if allowed.ndim != 2 or i.ndim != 2 or len(i) != len(allowed) or W.shape not in (allowed.shape, allowed.shape[1:]):
        raise ValueError(
            f"weights {W.shape}, free {allowed.shape} and shown {i.shape} do not match; "
            "a row a session, and in weights and free a column a clip."
        )
    if (W < 0).any() or not np.isfinite(W).all():
        raise ValueError("weights must be finite and not negative; they are shares before they are divided.")
    at = (np.arange(len(i))[:, None], i)
    if not allowed[at].all():
        raise ValueError("a clip that was shown was not free; make free from what the session began with.")
    return np.where(allowed, W, 0.0), at


def _left(W: Floats, own: Floats) -> Floats:
    """Return the weight of all that can still be drawn for each place, shape (s, K)."""
    left = W.sum(axis=1)[:, None] - _above(own)
    if (left <= 1e-12 * W.max(axis=1, initial=0.0)[:, None]).any():
        raise ValueError("nothing that is left in some place has a weight; give every clip a little.")
    return np.asarray(left, dtype=np.float64)


def _above(x: Floats) -> Floats:
    """Return the sum of what stands above each place, shape (s, K)."""
    return np.asarray(np.cumsum(x, axis=1) - x, dtype=np.float64)
