"""How far predicted ratings are from the given ones.

Used by chapters 1 and 6. Both errors are on the scale of the ratings (stars, for MovieLens).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def rmse(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Return the root mean squared error, the root of the mean of the squares.

    RMSE = √( (1/n) Σ (r − r̂)² )

    A few large errors weigh more than many small ones. The mean of the RMSEs of equally large
    folds is never larger than the RMSE of all their rows: say which of the two a number is.

    Parameters
    ----------
    actual, predicted : arrays, shape (n,)
        The ratings r and their predictions r̂.

    Raises
    ------
    ValueError
        If there are no ratings, the shapes differ, or a number is not finite.

    Examples
    --------
    >>> round(rmse([4, 2, 5], [3, 3, 3]), 6)
    1.414214
    """
    return float(np.sqrt(np.mean(_errors(actual, predicted) ** 2)))


def mae(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Return the mean absolute error.

    MAE = (1/n) Σ |r − r̂|

    Never larger than the RMSE of the same ratings.

    Parameters
    ----------
    actual, predicted : arrays, shape (n,)
        The ratings r and their predictions r̂.

    Raises
    ------
    ValueError
        If there are no ratings, the shapes differ, or a number is not finite.

    Examples
    --------
    >>> round(mae([4, 2, 5], [3, 3, 3]), 6)
    1.333333
    """
    return float(np.mean(np.abs(_errors(actual, predicted))))


def _errors(actual: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    r, r_hat = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if r.shape != r_hat.shape:
        raise ValueError(f"ratings have shape {r.shape} and predictions {r_hat.shape}; there must be one for each.")
    if r.size == 0:
        raise ValueError("there are no ratings to compare; the error of nothing is not 0.")
    for name, numbers in (("rating", r), ("prediction", r_hat)):
        bad = ~np.isfinite(numbers)
        if bad.any():
            raise ValueError(
                f"{name} number {int(bad.argmax())} (from 0) is not finite; drop the row or fix the model."
            )
    return r - r_hat  # (n,)
