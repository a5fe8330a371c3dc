"""Are the segments there? Agreement with known kinds, how many there are, whether they come back, and their names.

Page 4.2.3. A clustering method always returns groups, of noise too. Four questions come before anybody acts on
them. Is the number right? Does another sample of viewers give the same ones? Do they agree with what is known,
beyond chance? And what sets each apart, in words that the data can contradict?
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from avrec_lib.behaviour.segments import Method, checked_points, cluster, fit_mixture, within_squares

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def adjusted_rand(a: ArrayLike, b: ArrayLike) -> float:
    """Return the adjusted Rand index of two ways to group the same n viewers: 1 if equal, about 0 by chance.

    Count pairs of viewers. S pairs are together in both groupings, A in the first, B in the second, of N in
    all. Were the groups of one dealt out at random, S would be A B / N on average; at best it is (A + B) / 2:

        ARI = (S - A B / N) / ((A + B) / 2 - A B / N)

    Names of groups do not matter. It can be below 0. Two groupings that both put all viewers into one
    group, or each into their own, agree: 1.

    Raises
    ------
    ValueError
        If the lengths differ or are 0.

    References
    ----------
    Hubert and Arabie, Comparing Partitions, Journal of Classification 2(1), 1985.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise ValueError(f"the two groupings must be vectors of one length, not of {first.shape} and {second.shape}.")
    (one, n_one), (two, n_two) = (
        np.unique(labels, return_inverse=True, return_counts=True)[1:] for labels in (first, second)
    )
    table = np.bincount(one * len(n_two) + two)  # viewers of each pair of groups
    together, in_first, in_second = _pairs(table), _pairs(n_one), _pairs(n_two)
    by_chance = in_first * in_second / max(_pairs(np.array([len(first)])), 1.0)
    at_best = (in_first + in_second) / 2
    return 1.0 if at_best == by_chance else float((together - by_chance) / (at_best - by_chance))


def silhouettes(X: ArrayLike, labels: ArrayLike) -> Floats:
    """Return how much nearer each viewer is to their own group than to the next one, shape (n,), from -1 to 1.

        s_i = (b_i - a_i) / max(a_i, b_i)

    a_i is the mean distance to the others of the own group, b_i the least mean distance to another group. A
    viewer who is alone in a group has 0. Each pair is looked at: fine for thousands of viewers, not millions.

    References
    ----------
    Rousseeuw, Silhouettes: A Graphical Aid to the Interpretation and Validation of Cluster Analysis, Journal of
    Computational and Applied Mathematics 20, 1987.
    """
    from sklearn.metrics import silhouette_samples

    points, groups = np.asarray(X, dtype=np.float64), np.asarray(labels)
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError("a silhouette needs two groups or more, since it compares the own with the next.")
    if n_groups == len(points):
        return np.zeros(n_groups)  # everybody is alone
    return np.asarray(silhouette_samples(points, groups), dtype=np.float64)


def gap(X: ArrayLike, k: int, n_references: int = 10, seed: int = 0) -> tuple[float, float]:
    """Return the gap statistic of k-means, and its standard error.

        Gap(k) = mean over references of log W_k - log W_k of the data

    W_k is `within_squares`. A reference has as many points, spread evenly over the box that the data
    fill along their principal axes: what W_k would be if there were no groups.

    References
    ----------
    Tibshirani, Walther and Hastie, Estimating the Number of Clusters in a Data Set via the Gap Statistic,
    Journal of the Royal Statistical Society B 63(2), 2001, equation 3 and section 4, reference (b).
    """
    points, rng = checked_points(X, k + 1), np.random.default_rng(seed)  # W_k of k different rows is 0
    centred = points - points.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    box = centred @ axes.T  # (n, min(n, d)), along the principal axes
    logs = np.empty(n_references)
    for b in range(n_references):
        reference = rng.uniform(box.min(axis=0), box.max(axis=0), box.shape)
        logs[b] = np.log(within_squares(reference, cluster(reference, k, seed=seed)))
    own = np.log(within_squares(points, cluster(points, k, seed=seed)))
    return float(logs.mean() - own), float(logs.std() * np.sqrt(1 + 1 / n_references))


def stability(X: ArrayLike, k: int, method: Method = "k-means", n_pairs: int = 10, seed: int = 0) -> Floats:
    """Return how alike the groups of two samples of the same viewers are: the adjusted Rand index of each pair.

    Each sample holds a random 70 % of the viewers; the two groupings are compared on those who are in both
    (about half of all). Groups that are in the data come back; a number of groups that has to cut a
    crowd, or to join two, does it elsewhere every time.

    Returns
    -------
    float64 array, shape (n_pairs,)

    References
    ----------
    Ben-Hur, Elisseeff and Guyon, A Stability Based Method for Discovering Structure in Clustered Data, Pacific
    Symposium on Biocomputing, 2002.
    """
    points, rng = checked_points(X, k), np.random.default_rng(seed)
    size = int(np.ceil(0.7 * len(points)))
    found = np.empty(n_pairs)
    for pair in range(n_pairs):
        drawn = [np.sort(rng.permutation(len(points))[:size]) for _ in range(2)]
        one, two = (dict(zip(rows, cluster(points[rows], k, method, seed + pair), strict=True)) for rows in drawn)
        both = [row for row in drawn[0] if row in two]
        found[pair] = adjusted_rand([one[row] for row in both], [two[row] for row in both])
    return found


def compare_k(
    X: ArrayLike, ks: Iterable[int], n_pairs: int = 10, n_references: int = 10, seed: int = 0
) -> pd.DataFrame:
    """Return what four criteria say of each number of groups.

    Parameters
    ----------
    X : array_like, shape (n, d)
    ks : numbers of groups, each from 2 on
    n_pairs, n_references, seed : int
        Of `stability` (of the mixture) and of `gap`.

    Returns
    -------
    DataFrame, indexed by k
        *within* (k-means; falls with k always), *silhouette* (mean; the highest is best), *gap* and
        *gap_error* (see `gap_choice`), *bic* of the mixture (n_parameters · log n - 2 log likelihood; the lowest is
        best), *stability* (mean; the highest is best).
    """
    rows = {}
    for k in ks:
        labels, (value, error) = cluster(X, k, seed=seed), gap(X, k, n_references, seed)
        points = checked_points(X, k)
        points = points / (np.sqrt(((points - points.mean(axis=0)) ** 2).mean()) or 1.0)
        rows[k] = {
            "within": within_squares(X, labels),
            "silhouette": float(silhouettes(X, labels).mean()),
            "gap": value,
            "gap_error": error,
            "bic": float(fit_mixture(points, k, seed).bic(points)),
            "stability": float(stability(X, k, "mixture", n_pairs, seed).mean()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("k")


def gap_choice(table: pd.DataFrame) -> int:
    """Return the smallest k with Gap(k) ≥ Gap(k + 1) - error(k + 1), or the largest k if there is none.

    `table` is that of `compare_k`, with every k of a range in order.
    """
    values, errors = table["gap"].to_numpy(), table["gap_error"].to_numpy()
    enough = np.append(values[:-1] >= values[1:] - errors[1:], True)
    return int(table.index[int(enough.argmax())])


def differences(features: pd.DataFrame, labels: ArrayLike) -> pd.DataFrame:
    """Return how far each segment stands from all others in each feature, in standard deviations of all viewers.

    (mean inside - mean outside) / standard deviation, a row a segment, a column a feature. A feature that
    is constant, or has no viewer outside, is 0. Rows with a label below 0 (unknown) are left out.
    """
    group = np.asarray(labels)
    values, group = features.to_numpy(dtype=np.float64)[group >= 0], group[group >= 0]
    if not len(group):
        raise ValueError("no viewer has a segment; lower the probability at which one is assigned.")
    spread, found = values.std(axis=0), {}
    constant = spread <= 1e-12 * np.abs(values).max(axis=0)
    for segment in np.unique(group):
        inside = group == segment
        apart = values[inside].mean(axis=0) - values[~inside].mean(axis=0) if not inside.all() else 0 * spread
        found[segment] = np.where(constant, 0.0, apart / np.where(constant, 1.0, spread))
    return pd.DataFrame.from_dict(found, orient="index", columns=features.columns).rename_axis("segment")


def name_segments(features: pd.DataFrame, labels: ArrayLike, n_words: int = 3, least: float = 0.5) -> pd.Series:
    """Return a name for each segment, made of what sets it apart most: "+ pets, - cooking, + fast sound".

    Every part of a name is a statement on the data: "+ pets" says that the mean of *pets* inside is above that
    outside by at least `least` standard deviations. A segment that nothing sets apart is "like everybody".
    """
    names = {}
    for segment, row in differences(features, labels).iterrows():
        order = row.abs().sort_values(ascending=False, kind="stable").index[:n_words]
        parts = [f"{'+' if row[name] > 0 else '-'} {name}" for name in order if abs(row[name]) >= least]
        names[segment] = ", ".join(parts) or "like everybody"
    return pd.Series(names, name="name").rename_axis("segment")


def _pairs(sizes: Ints) -> float:
    """Return how many pairs there are within groups of these sizes."""
    n = sizes.astype(np.float64)
    return float((n * (n - 1) / 2).sum())
