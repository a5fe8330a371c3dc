"""Four strategies and a baseline, each a table of scores: what a service could show, by what it knows of people.

Page 4.3. The article's flowchart ends in four boxes: personalised, sentiment-led, segment-based and predictive
recommendation. Each is here a function from a past to a table (viewers × clips), but for the last, which is
`recommenders.cold_start`. `choices` makes lotteries of them, `evaluation.off_policy` judges those.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec_lib.behaviour.segments import learn_segments, membership
from avrec_lib.behaviour.taste_profiles import learn_common, taste_profiles

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Past(NamedTuple):
    """What was shown, to whom, where, and what came of it: four arrays of shape (n,), and the two numbers of rows.

    Attributes
    ----------
    users, items : int64 arrays
        From 0.
    clicks : float64 array
        0 or 1.
    positions : int64 array
        From 1.
    looks : float64 array
        θ at the position of each: the chance that somebody looked.
    n_users, n_items : int
    """

    users: Ints
    items: Ints
    clicks: Floats
    positions: Ints
    looks: Floats
    n_users: int
    n_items: int


def past(
    users: ArrayLike, items: ArrayLike, clicks: ArrayLike, positions: ArrayLike, theta: ArrayLike, n_users: int,
    n_items: int,
) -> Past:  # fmt: skip
    """Return the past as arrays; theta[r - 1] is the chance that somebody looks at position r.

    Raises
    ------
    ValueError
        If lengths differ, or an index, a position or a θ is out of range.
    """
    u, i, r = (np.asarray(part, dtype=np.int64) for part in (users, items, positions))
    y, of = np.asarray(clicks, dtype=np.float64), np.asarray(theta, dtype=np.float64)
    if not u.shape == i.shape == r.shape == y.shape or u.ndim != 1 or not len(u):
        raise ValueError(
            f"users, items, clicks and positions must have one length above 0: {u.shape}, {i.shape}, {y.shape}, "
            f"{r.shape}."
        )
    for name, index, n in (("viewer", u, n_users), ("clip", i, n_items), ("position", r - 1, len(of))):
        if index.min() < 0 or index.max() >= n:
            raise ValueError(f"a {name} is out of range: there are {n}.")
    if not (of > 0).all():
        raise ValueError("theta must be above 0 everywhere: nobody can click on what is never looked at.")
    return Past(u, i, y, r, of[r - 1], n_users, n_items)


def click_rates(log: Past, prior: float = 5.0) -> Floats:
    """Return clicks over looks of each clip, drawn towards the mean where there were few: the baseline, (n_items,).

        p̂_i = (Σ_e y_e + a p̄) / (Σ_e θ_{r_e} + a),  both over the rows e of clip i,  p̄ = Σ y_e / Σ θ_{r_e}

    a is `prior`, in looks.
    """
    clicked, looked = (np.bincount(log.items, part, log.n_items) for part in (log.clicks, log.looks))
    mean = log.clicks.sum() / log.looks.sum()
    return np.asarray((clicked + prior * mean) / (looked + prior), dtype=np.float64)


def personalised(log: Past, X: ArrayLike, ridge: float = 20.0) -> Floats:
    """Score by everybody's taste for what a clip is made of, plus the viewer's own: shape (n_users, n_items).

        s_ui = ⟨taste + β_u, x_i⟩,  β_u = (C + (a / n_u) I)⁻¹ w_u

    x_i is the centred content, w_u the viewer's profile (`taste_profiles`), C the mean of x xᵀ over all that was
    shown: a ridge regression of the viewer's surprises on content, which needs the others only for what is common.
    For a viewer without a past β_u is 0.

    Parameters
    ----------
    log : Past
    X : array_like, shape (n_items, d)
    ridge : float
        a, in impressions, above 0.
    """
    if ridge <= 0:
        raise ValueError(f"ridge must be above 0, not {ridge}.")
    common = learn_common(log.items, log.clicks, log.positions, log.users, X)
    profiles = taste_profiles(log.users, log.items, log.clicks, log.positions, X, log.n_users, common)
    x = np.asarray(X, dtype=np.float64) - common.centre  # (n_items, d)
    C = x[log.items].T @ x[log.items] / len(log.items)  # (d, d)
    beta = np.zeros_like(profiles.means)  # (n_users, d)
    for n in np.unique(profiles.counts[profiles.counts > 0]):
        of = profiles.counts == n
        beta[of] = np.linalg.solve(C + ridge / n * np.eye(len(C)), profiles.means[of].T).T
    return np.asarray((common.taste[:-1] + beta) @ x.T, dtype=np.float64)


def segment_memberships(log: Past, X: ArrayLike, k: int = 5, least: int = 30, seed: int = 0) -> Floats:
    """Return the probability that each viewer belongs to each of k segments learnt from this past, (n_users, k)."""
    profiles = taste_profiles(log.users, log.items, log.clicks, log.positions, X, log.n_users)
    return membership(learn_segments(profiles, k, least, seed), profiles)


def segment_based(log: Past, members: ArrayLike, prior: float = 1.0) -> Floats:
    """Score by the rates of a viewer's likely segments, each drawn towards everybody's: shape (n_users, n_items).

        s_ui = Σ_k P(k | u) p̂_ki,  p̂_ki = (Σ_e P(k | u_e) y_e + a p̂_i) / (Σ_e P(k | u_e) θ_{r_e} + a)

    Nothing of the content is needed once the memberships P(k | u) are known. Viewers without a past should have the
    segments' shares as theirs.

    Parameters
    ----------
    log : Past
    members : array_like, shape (n_users, k)
        Rows sum to 1.
    prior : float
        a, in looks.

    Raises
    ------
    ValueError
        If there is not one row for each viewer.
    """
    P = np.asarray(members, dtype=np.float64)
    if P.ndim != 2 or len(P) != log.n_users:
        raise ValueError(f"members have shape {P.shape}; give {log.n_users} rows, one a viewer.")
    everybody, rates = click_rates(log), []
    for part in P.T:
        of = part[log.users]  # (n,)
        clicked, looked = (np.bincount(log.items, of * what, log.n_items) for what in (log.clicks, log.looks))
        rates.append((clicked + prior * everybody) / (looked + prior))
    return np.asarray(P @ np.array(rates), dtype=np.float64)


def sentiment_led(items: ArrayLike, sentiments: ArrayLike, n_items: int, prior: float = 5.0) -> Floats:
    """Score by the mean sentiment of a clip's comments, drawn towards that of all: shape (n_items,).

        s_i = (Σ_c sentiment_c + a s̄) / (number of comments + a)

    Most clips have few comments or none, and s̄ is what they get.

    Parameters
    ----------
    items, sentiments : array_like, shape (c,)
        A comment's clip, and what it thinks, from −1 to 1: labels, or P(1) − P(−1) of a classifier.
    prior : float
        a, in comments.

    Raises
    ------
    ValueError
        If lengths differ, there is no comment, or a clip is out of range.
    """
    i, s = np.asarray(items, dtype=np.int64), np.asarray(sentiments, dtype=np.float64)
    if i.shape != s.shape or not len(i):
        raise ValueError(f"there are {len(i)} clips and {len(s)} sentiments; give one for each comment.")
    if i.min() < 0 or i.max() >= n_items:
        raise ValueError(f"a comment is on a clip out of range: there are {n_items}.")
    written = np.bincount(i, minlength=n_items)
    return np.asarray((np.bincount(i, s, n_items) + prior * s.mean()) / (written + prior), dtype=np.float64)
