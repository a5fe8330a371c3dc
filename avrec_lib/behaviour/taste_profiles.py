"""What a viewer likes, in numbers: the mean of what the clips they clicked on beyond expectation are made of.

Page 4.2.3. How often somebody comes tells how much they like the service; what they click on tells what they
like. Three things in a log hide it. A clip on top is clicked by everybody: so a click is compared with the
mean at its position. Everybody likes some clips: so that is taken away too. And few viewers are known well:
so a profile carries the number of impressions behind it, and the noise that one impression brings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Profiles(NamedTuple):
    """Profiles of m viewers in d dimensions.

    Attributes
    ----------
    means : float64 array, shape (m, d)
        Row u is the profile w_u; 0 for a viewer without impressions.
    counts : int64 array, shape (m,)
        Impressions behind each.
    noise : float64 array, shape (d, d)
        Covariance of what one impression adds, within a viewer: w_u strays from the viewer's true profile
        with covariance noise / counts[u].
    """

    means: Floats
    counts: Ints
    noise: Floats


class Common(NamedTuple):
    """What is common to all viewers, learnt once and kept for those who come later.

    Attributes
    ----------
    at_position : float64 array, shape (max_position + 1,)
        Mean click at each position; the mean of all where there was none.
    centre : float64 array, shape (d,)
        Mean content of what was shown.
    taste : float64 array, shape (d + 1,)
        What everybody likes: weights of the centred content and of 1.
    noise : float64 array, shape (d, d)
        As in `Profiles`.
    """

    at_position: Floats
    centre: Floats
    taste: Floats
    noise: Floats


def surprises(clicks: ArrayLike, positions: ArrayLike) -> Floats:
    """Return e = click - mean click at its position, shape (n,): what the place in the list does not explain."""
    y, r = np.asarray(clicks, dtype=np.float64), np.asarray(positions, dtype=np.int64)
    return np.asarray(y - _at_position(y, r)[r], dtype=np.float64)


def learn_common(items: ArrayLike, clicks: ArrayLike, positions: ArrayLike, users: ArrayLike, X: ArrayLike) -> Common:
    """Learn from a log what is common to all viewers, and how noisy one impression is.

    The common taste is the least squares fit of the surprises e_j to the centred content x_j of what was
    shown: min Σ_j (e_j - ⟨taste, (x_j, 1)⟩)². With the remainders ẽ_j, an impression adds ẽ_j x_j to its
    viewer's profile; noise is the covariance of these within viewers, Σ_j (ẽ_j x_j - w_u)(ẽ_j x_j - w_u)ᵀ / (n - m).

    Parameters
    ----------
    items, clicks, positions, users : array_like, shape (n,)
        The impressions: index of the clip, clicked or not, place in the list (from 0 or 1), index of the viewer.
    X : array_like, shape (n_items, d)
        Content of each clip, in any numbers that tell what it is.

    Raises
    ------
    ValueError
        If there are no impressions, X is not finite, or an index is out of range.
    """
    content, i, u, y, r = _checked(X, items, users, clicks, positions)
    if not len(i):
        raise ValueError("there are no impressions to learn from; give at least one.")
    at_position, centre = _at_position(y, r), content[i].mean(axis=0)
    A = np.column_stack([content[i] - centre, np.ones(len(i))])  # (n, d + 1)
    taste = np.linalg.lstsq(A, y - at_position[r], rcond=None)[0]  # the shortest, where columns depend on each other
    common = Common(at_position, centre, taste, np.zeros((content.shape[1], content.shape[1])))
    each = added(common, content[i], y, r)
    means, counts = _means(each, u, int(u.max()) + 1)
    rest = each - means[u]  # (n, d)
    free = max(len(i) - int(np.count_nonzero(counts)), 1)
    return common._replace(noise=rest.T @ rest / free)


def taste_profiles(
    users: ArrayLike, items: ArrayLike, clicks: ArrayLike, positions: ArrayLike, X: ArrayLike, n_users: int,
    common: Common | None = None,
) -> Profiles:  # fmt: skip
    """Return each viewer's profile: w_u = 1/n_u Σ_j ẽ_j x_j over the clips that were shown to them.

    x_j is the centred content of clip j and ẽ_j the click beyond what its position and everybody's taste explain:

        ẽ_j = click_j - mean click at the position - ⟨taste, (x_j, 1)⟩

    so w_u is positive where u clicks more on such clips than others do. A clip that was shown and passed
    over counts as much as one that was clicked.

    Parameters
    ----------
    users, items, clicks, positions, X
        As in `learn_common`.
    n_users : int
        Number of viewers m, with those who saw nothing.
    common : Common, optional
        Learnt from another log, to profile viewers of today by what was known yesterday; else from this one.

    Returns
    -------
    Profiles
    """
    learnt = learn_common(items, clicks, positions, users, X) if common is None else common
    content, i, u, y, r = _checked(X, items, users, clicks, positions)
    if content.shape[1] != len(learnt.centre):
        raise ValueError(f"X has {content.shape[1]} columns, but the common taste has {len(learnt.centre)}.")
    if len(u) and u.max() >= n_users:
        raise ValueError(f"there is a viewer {u.max()}, but n_users is {n_users}; count all viewers.")
    means, counts = _means(added(learnt, content[i], y, r), u, n_users)
    return Profiles(means, counts, learnt.noise)


def added(common: Common, shown: Floats, y: Floats, r: Ints) -> Floats:
    """Return what each impression adds to its viewer's profile, ẽ_j x_j, shape (n, d)."""
    x = shown - common.centre  # (n, d)
    known = np.minimum(r, len(common.at_position) - 1)  # a list that is longer than any before
    beyond = y - common.at_position[known] - x @ common.taste[:-1] - common.taste[-1]  # (n,)
    return np.asarray(beyond[:, None] * x, dtype=np.float64)


def _means(each: Floats, u: Ints, n_users: int) -> tuple[Floats, Ints]:
    counts = np.bincount(u, minlength=n_users)
    sums = np.stack([np.bincount(u, column, n_users) for column in each.T], axis=1)  # (m, d)
    return sums / np.maximum(counts, 1)[:, None], counts.astype(np.int64)


def _at_position(y: Floats, r: Ints) -> Floats:
    n = np.bincount(r)
    return np.where(n > 0, np.bincount(r, y) / np.maximum(n, 1), y.mean() if len(y) else 0.0)


def _checked(
    X: ArrayLike, items: ArrayLike, users: ArrayLike, clicks: ArrayLike, positions: ArrayLike
) -> tuple[Floats, Ints, Ints, Floats, Ints]:
    content = np.asarray(X, dtype=np.float64)
    i, u, r = (np.asarray(column, dtype=np.int64) for column in (items, users, positions))
    y = np.asarray(clicks, dtype=np.float64)
    if content.ndim != 2 or not np.isfinite(content).all():
        raise ValueError("X must be a finite matrix with one row a clip; fill gaps with the mean first.")
    if not i.shape == u.shape == r.shape == y.shape or i.ndim != 1:
        raise ValueError(
            f"users, items, clicks and positions differ in shape: {u.shape}, {i.shape}, {y.shape}, {r.shape}."
        )
    if len(i) and (i.min() < 0 or i.max() >= len(content)):
        raise ValueError(f"clips are numbered 0..{len(content) - 1}, a row each in X; there is {i.min()} or {i.max()}.")
    if len(i) and min(u.min(), r.min()) < 0:
        raise ValueError("viewers and positions are numbered from 0; there is a negative one.")
    return content, i, u, y, r
