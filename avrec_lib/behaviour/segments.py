"""Groups of viewers that nobody has named: k-means, a mixture, a hierarchy, and who is too little known to say.

Page 4.2.3. All three put viewers with near profiles together; they differ in what a group is: a centre, a cloud
with a shape, a branch of a tree. A viewer of whom little is known lies far from every centre by chance. So
membership is a probability that knows how many impressions a profile rests on, and may say "unknown".
Groups are numbered by size, the largest is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec_lib.behaviour.taste_profiles import Profiles

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Method = Literal["k-means", "mixture", "hierarchy"]

UNKNOWN = -1


def within_squares(X: ArrayLike, labels: ArrayLike) -> float:
    """Return what k-means makes small: Σ_k Σ_{i in k} |x_i - c_k|², with c_k the mean of group k."""
    points, (_, group) = np.asarray(X, dtype=np.float64), np.unique(np.asarray(labels), return_inverse=True)
    return float(((points - _centres(points, group)[group]) ** 2).sum())


def lloyd_step(X: ArrayLike, centres: ArrayLike) -> tuple[Ints, Floats]:
    """Return one iteration of k-means: each point to its nearest centre, each centre to the mean of its points.

    Neither half can make Σ_i |x_i - c(i)|² larger, and there are finitely many ways to share points out:
    so the iterations end. They may end in a poor place, which is why k-means is started many times.

    Parameters
    ----------
    X : array_like, shape (n, d)
    centres : array_like, shape (k, d)

    Returns
    -------
    labels : int64 array, shape (n,)
        The nearest of the old centres; of equally near ones the first.
    centres : float64 array, shape (k, d)
        The new ones. A centre that no point is nearest to stays.

    References
    ----------
    Lloyd, Least Squares Quantization in PCM, IEEE Transactions on Information Theory 28(2), 1982.
    """
    points, old = np.asarray(X, dtype=np.float64), np.asarray(centres, dtype=np.float64)
    labels = _distances(points, old).argmin(axis=1)
    new = old.copy()
    for k in np.unique(labels):
        new[k] = points[labels == k].mean(axis=0)
    return labels.astype(np.int64), new


def cluster(X: ArrayLike, k: int, method: Method = "k-means", seed: int = 0) -> Ints:
    """Put n viewers into k groups.

    Parameters
    ----------
    X : array_like, shape (n, d)
        A profile a viewer. Distances count, so columns should be in one unit: standardise them unless they are.
    k : int
    method : {"k-means", "mixture", "hierarchy"}
        *k-means* takes the best of ten starts by `within_squares`. The *mixture* is of k Gaussians that share one
        covariance, whatever its shape, so that spread along a noisy direction counts less; each viewer goes to
        the likeliest. It starts from k-means, and does not mend what that has cut right across. The *hierarchy*
        is Ward's: it begins with every viewer alone and merges, again and again, the two groups whose merger
        adds least to `within_squares`; cut where k are left.
    seed : int
        Of the starts; the hierarchy has none.

    Returns
    -------
    int64 array, shape (n,)
        Numbers of groups, 0 for the largest.

    Raises
    ------
    ValueError
        If X is not a finite matrix, or there are fewer than k different rows.

    References
    ----------
    Arthur and Vassilvitskii, k-means++: The Advantages of Careful Seeding, SODA 2007; Ward, Hierarchical
    Grouping to Optimize an Objective Function, JASA 58, 1963; Fraley and Raftery, Model-Based Clustering,
    Discriminant Analysis, and Density Estimation, JASA 97, 2002.
    """
    points = checked_points(X, k)
    if method not in ("k-means", "mixture", "hierarchy"):
        raise ValueError(f"method must be 'k-means', 'mixture' or 'hierarchy', not {method!r}.")
    if k == 1:
        return np.zeros(len(points), dtype=np.int64)
    if method == "k-means":
        from sklearn.cluster import KMeans

        return by_size(KMeans(k, n_init=10, random_state=seed).fit_predict(points))
    if method == "mixture":
        return by_size(fit_mixture(points, k, seed).predict(points / _scale(points)))
    from scipy.cluster.hierarchy import fcluster, linkage

    return by_size(fcluster(linkage(points, method="ward"), k, criterion="maxclust"))


class Segments(NamedTuple):
    """k groups of viewers: their shares of all, shape (k,); mean profiles, (k, d); spread within one, (d, d)."""

    weights: Floats
    means: Floats
    spread: Floats


def learn_segments(profiles: Profiles, k: int, least: int = 50, seed: int = 0) -> Segments:
    """Learn k segments from the viewers who are known well enough.

    A mixture is fitted to their profiles. Its covariance has two parts: what the few impressions of each do,
    noise · mean(1/n_u), and what viewers of one kind differ in. The first is known and is taken away.

    Parameters
    ----------
    profiles : Profiles
    k : int
    least : int
        Viewers with fewer impressions are left out of the fit.

    Raises
    ------
    ValueError
        If there are fewer than k such viewers, or fewer than two.
    """
    known = profiles.counts >= max(least, 1)
    if known.sum() < max(k, 2):
        raise ValueError(f"{known.sum()} viewers have {least} impressions or more, too few for {k} segments; ask less.")
    points = checked_points(profiles.means[known], k)
    scale = _scale(points)
    mixture = fit_mixture(points, k, seed)
    order = np.argsort(-mixture.weights_, kind="stable")
    both = np.asarray(mixture.covariances_, dtype=np.float64) * scale**2
    values, axes = np.linalg.eigh(both - profiles.noise * np.mean(1 / profiles.counts[known]))
    spread = (axes * np.maximum(values, 0)) @ axes.T  # what is below 0 is luck
    return Segments(mixture.weights_[order], mixture.means_[order] * scale, spread)


def membership(segments: Segments, profiles: Profiles) -> Floats:
    """Return the probability that each viewer belongs to each segment, shape (m, k).

        P(k | w_u) ∝ weight_k · N(w_u; mean_k, spread + noise / n_u)

    The fewer impressions, the wider the cloud in which w_u may lie, and the less it says. For a viewer
    without impressions it is the segments' shares.
    """
    m, k = len(profiles.means), len(segments.weights)
    found = np.tile(segments.weights / segments.weights.sum(), (m, 1))
    size = np.trace(profiles.noise) + np.trace(segments.spread) + (segments.means**2).sum()
    floor = 1e-9 * (size or 1.0) * np.eye(len(segments.spread))  # columns may depend on each other
    for n in np.unique(profiles.counts[profiles.counts > 0]):  # viewers of one count share one covariance
        of = np.flatnonzero(profiles.counts == n)
        L = np.linalg.cholesky(segments.spread + profiles.noise / n + floor)
        whitened = np.linalg.solve(L, np.vstack([profiles.means[of], segments.means]).T).T  # (n_of + k, d)
        far = -0.5 * _distances(whitened[:-k], whitened[-k:]) + np.log(segments.weights)  # (n_of, k)
        found[of] = np.exp(far - far.max(axis=1, keepdims=True))
    return np.asarray(found / found.sum(axis=1, keepdims=True), dtype=np.float64)


def assign(probabilities: ArrayLike, sure: float = 0.8) -> Ints:
    """Return each viewer's likeliest segment, or `UNKNOWN` where its probability is below `sure`; shape (m,)."""
    P = np.asarray(probabilities, dtype=np.float64)
    return np.where(P.max(axis=1) >= sure, P.argmax(axis=1), UNKNOWN).astype(np.int64)


def fit_mixture(points: Floats, k: int, seed: int) -> GaussianMixture:
    """Fit k Gaussians of one covariance to points at unit scale: a small ridge then means the same for all data."""
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(k, covariance_type="tied", n_init=5, reg_covar=1e-3, random_state=seed).fit(
        points / _scale(points)
    )


def by_size(labels: ArrayLike) -> Ints:
    """Return the groups numbered anew, the largest 0; of equally large ones the one that comes first among the rows."""
    _, first, group, sizes = np.unique(np.asarray(labels), return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[group]


def checked_points(X: ArrayLike, k: int) -> Floats:
    """Return X as a float64 matrix that k groups can be made of, or say why not."""
    points = np.asarray(X, dtype=np.float64)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise ValueError("X must be a finite matrix with one row a viewer; leave viewers without a profile out.")
    different = len(np.unique(points, axis=0))
    if not 1 <= k <= different:
        raise ValueError(f"{different} different rows can make 1 to {different} groups, not {k}.")
    return points


def _scale(points: Floats) -> float:
    """Return the root mean square of the centred points; 1 if they are all one."""
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).mean())) or 1.0


def _centres(points: Floats, group: Ints) -> Floats:
    return np.stack([points[group == k].mean(axis=0) for k in range(int(group.max()) + 1)])


def _distances(points: Floats, centres: Floats) -> Floats:
    """Return the squared distances, shape (n, k), as a sum over differences: exact where points are near."""
    return np.stack([((points - centre) ** 2).sum(axis=1) for centre in centres], axis=1)
