"""How sure a number is: resampling users, and comparing two models on the same users.

Used wherever the book says that one model is better than another. Every metric is a ratio of two
sums over users (a mean over users: Σ m_u / Σ 1; a squared RMSE: Σ squared errors / Σ rows), so a
bootstrap sample is a weight for each user, and a thousand samples are one matrix product.
Source: Efron and Tibshirani (1993), chapters 6 and 13.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CHUNK = 2**22  # weights held at a time, so that memory does not grow with users × samples


class Difference(NamedTuple):
    """A mean difference between two models and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def paired_difference(
    a: pd.DataFrame, b: pd.DataFrame, metric: str = "NDCG@10", *, n_boot: int = 1000, seed: int = 0
) -> Difference:
    """Return how much better model a is than model b on the same users: a − b, with its 95 % interval.

    Both models meet the same easy and difficult users, so their difference varies far less than
    either value: the interval of the difference decides, not the overlap of two intervals.

    Parameters
    ----------
    a, b : DataFrames
        From `per_user`, on one split with the same `min_value`.
    metric : str
        A column of both, or "RMSE" or "MAE" (lower is better: a negative difference favours a).
    n_boot, seed : int
        Number of bootstrap samples of the users, and their seed.

    Raises
    ------
    ValueError
        If the tables are not of the same users and test rows, or lack the metric.
    """
    same = ["user_id", "n_test", "n_relevant"]
    if len(a) != len(b) or not (a[same].to_numpy() == b[same].to_numpy()).all():
        raise ValueError(
            "the two tables are not of the same users and test rows; make both with per_user on one split."
        )
    (names_a, sums_a, counts_a), (names_b, sums_b, counts_b) = names_sums_counts(a), names_sums_counts(b)
    if metric not in names_a or metric not in names_b:
        shared = ", ".join(name for name in names_a if name in names_b)
        raise ValueError(f"no metric {metric!r} in both tables; they share {shared}.")
    at_a, at_b = names_a.index(metric), names_b.index(metric)
    sums = np.column_stack([sums_a[:, at_a], sums_b[:, at_b]])  # (n, 2)
    counts = np.column_stack([counts_a[:, at_a], counts_b[:, at_b]])
    both = (counts > 0).all(axis=1)
    if not both.any():
        raise ValueError(f"no user has a {metric} in both tables, so there is nothing to compare.")
    sums, counts = sums[both], counts[both]
    names = [metric, metric]
    value = ratios(names, sums.sum(axis=0), counts.sum(axis=0))  # (2,)
    samples = ratios(names, *resample(sums, counts, n_boot, seed))  # (n_boot, 2)
    low, high = interval(samples[:, :1] - samples[:, 1:])
    return Difference(float(value[0] - value[1]), float(low[0]), float(high[0]))


def names_sums_counts(users: pd.DataFrame) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Return the metrics of a `per_user` table, and each user's part of numerator and denominator.

    Returns
    -------
    (names, sums, counts) : m names and two arrays of shape (n, m); `ratios` puts them together
    """
    errors = {"squared_error": "RMSE", "absolute_error": "MAE"}
    means = users.drop(columns=["user_id", "n_test", "n_relevant", *errors], errors="ignore")
    means = means.select_dtypes("number")  # a column that names the model is no metric
    names = [str(column) for column in means]
    values = means.to_numpy(dtype=np.float64)  # (n, number of means)
    sums, counts = [np.nan_to_num(values)], [(~np.isnan(values)).astype(np.float64)]
    for column, name in errors.items():
        if column in users:
            names.append(name)
            sums.append(users[[column]].to_numpy(dtype=np.float64))
            counts.append(users[["n_test"]].to_numpy(dtype=np.float64))
    return names, np.hstack(sums), np.hstack(counts)


def ratios(names: list[str], sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sums / counts, the root of it for RMSE, NaN where nothing was counted, shape (..., m)."""
    result = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=result, where=counts > 0)
    is_root = np.array(names) == "RMSE"
    result[..., is_root] = np.sqrt(result[..., is_root])
    return result


def resample(
    sums: NDArray[np.float64], counts: NDArray[np.float64], n_boot: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the totals of sums and counts over users drawn with replacement, each of shape (n_boot, m).

    Parameters
    ----------
    sums, counts : arrays, shape (n, m)
        From `names_sums_counts`.
    n_boot, seed : int
        Number of samples, and the seed that draws them. Equal seeds and numbers of users give the
        same samples, which is what pairs two models.
    """
    if n_boot < 0:
        raise ValueError(f"n_boot must be at least 0, not {n_boot}.")
    rng, (n, m) = np.random.default_rng(seed), sums.shape
    both = np.hstack([sums, counts])  # (n, 2m)
    totals = np.empty((n_boot, 2 * m))
    step = max(1, CHUNK // n)
    for start in range(0, n_boot, step):
        size = min(step, n_boot - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)  # times each user was drawn
        totals[start : start + size] = weights.astype(np.float64) @ both
    return totals[:, :m], totals[:, m:]


def interval(samples: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 2.5 % and 97.5 % percentiles of each column without its NaN, each of shape (m,)."""
    ends = np.full((2, samples.shape[1]), np.nan)
    for j, column in enumerate(samples.T):
        known = column[~np.isnan(column)]
        if len(known):
            ends[:, j] = np.percentile(known, [2.5, 97.5])
    return ends[0], ends[1]
