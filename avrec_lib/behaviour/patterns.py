"""What a log would show without the pattern in question: places, exposure, the log's end, and chance.

Page 4.2.1. A table of counts shows what people do and what the program that served them did, in one number. Each
function here computes the program's part, or chance's, so that the rest can be seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def spread(hits: ArrayLike, trials: ArrayLike) -> float:
    """Return how much more people differ in a share than chance alone makes them differ: 1 if all have one share.

        D = 1/(m - 1) Σ_u (k_u - n_u π)² / (n_u π (1 - π)),    π = Σ_u k_u / Σ_u n_u

    Parameters
    ----------
    hits, trials : array_like, shape (m,)
        k_u, of n_u sessions (at least one) those that have the habit in question.

    Raises
    ------
    ValueError
        If there are fewer than two people, someone without a session, or the habit is never or always there.

    References
    ----------
    Pearson's χ² over its degrees of freedom, the usual measure of overdispersion: McCullagh and Nelder,
    Generalized Linear Models, 2nd edition, 1989, section 4.5.
    """
    k, n = np.asarray(hits, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if k.shape != n.shape or k.ndim != 1 or len(k) < 2 or (n < 1).any():
        raise ValueError("hits and trials must be two vectors of one length, of two people or more with sessions.")
    share = k.sum() / n.sum()
    if not 0 < share < 1:
        raise ValueError(f"everybody's share is {share:g}; a habit that all or none have cannot differ.")
    return float(((k - n * share) ** 2 / (n * share * (1 - share))).sum() / (len(k) - 1))


def kaplan_meier(last_seen: ArrayLike, left: ArrayLike) -> tuple[Floats, Floats]:
    """Return the times t at which somebody left, and the share S(t) who stay longer, when the log ends before some do.

        S(t) = Π_{t_j ≤ t} (1 - d_j / n_j)

    d_j left at t_j, of n_j who were still under observation. Who was never seen to leave counts in n_j for as
    long as they were watched, and then drops out of it without being counted as one who left.

    Parameters
    ----------
    last_seen : array_like, shape (m,)
        Time until which each is known to have stayed.
    left : array_like of bool, shape (m,)
        Did they leave then? If not, the time is censored.

    Returns
    -------
    times, stay : float64 arrays, shape (number of distinct times of leaving,)

    Raises
    ------
    ValueError
        If the lengths differ or a time is not finite.

    References
    ----------
    Kaplan and Meier, Nonparametric Estimation from Incomplete Observations, JASA 53, 1958.
    """
    t, gone = np.asarray(last_seen, dtype=np.float64), np.asarray(left, dtype=bool)
    if t.shape != gone.shape or t.ndim != 1 or not np.isfinite(t).all():
        raise ValueError("last_seen and left must be two vectors of one length, and all times finite.")
    times, d = np.unique(t[gone], return_counts=True)
    n = len(t) - np.searchsorted(np.sort(t), times)  # (n_times,) last seen at t_j or later
    return times, np.asarray(np.cumprod(1 - d / n), dtype=np.float64)


def position_rates(positions: ArrayLike, clicks: ArrayLike) -> Floats:
    """Return θ_r as the click rate at position r over that at 1, shape (last position,).

    Right if the clips at all positions are equally good on average, as in sessions of random order.
    """
    r, y = _positions(positions), np.asarray(clicks, dtype=np.float64)
    rates = np.bincount(r, y)[1:] / np.maximum(np.bincount(r)[1:], 1)
    if not rates[0] > 0:
        raise ValueError("there is no click at position 1, which all others are compared with.")
    return np.asarray(rates / rates[0])


def position_and_appeal(
    positions: ArrayLike, items: ArrayLike, clicks: ArrayLike, n_steps: int = 100
) -> tuple[Floats, Floats]:
    """Return θ_r and p_i of a model in which a click needs a look and a liking: P(click) = θ_r p_i.

        p_i = Σ_e y_e / Σ_e θ_{r_e}  over the impressions of i,    θ_r = Σ_e y_e / Σ_e p_{i_e}  over those at r

    The two are computed by turns, and θ is divided by θ_1. It compares each clip with itself at other
    positions, so it needs clips that are met at several, and it is right if what puts a clip high in one
    session is not what this viewer thinks of it.

    Parameters
    ----------
    positions, items, clicks : array_like, shape (n,)
        Positions from 1, items from 0.

    Returns
    -------
    theta : float64 array, shape (last position,)
    p : float64 array, shape (last item + 1,); 0 for clips never met

    References
    ----------
    The position-based model of Craswell et al. 2008; comparing clips with themselves in logs of several rankers:
    Agarwal et al., Estimating Position Bias without Intrusive Interventions, WSDM 2019. The turns are the
    conditions for the largest Poisson likelihood.
    """
    r, i, y = _positions(positions), np.asarray(items, dtype=np.int64), np.asarray(clicks, dtype=np.float64)
    per_item, per_place = np.bincount(i, y), np.bincount(r, y)  # (n_items,), (R + 1,)
    theta = np.ones(len(per_place))
    for _ in range(n_steps):
        p = _ratio(per_item, np.bincount(i, theta[r]))
        theta = _ratio(per_place, np.bincount(r, p[i]))
        theta /= theta[1] or 1.0
    return theta[1:], _ratio(per_item, np.bincount(i, theta[r]))


def decay(theta: ArrayLike, clicks: ArrayLike) -> float:
    """Return γ of θ_r = c r^-γ: least squares of ln θ_r on ln r, each position weighed by its clicks.

    Parameters
    ----------
    theta, clicks : array_like, shape (last position,)
        The variance of ln θ_r is about one over the number of clicks. Positions without any are left out.
    """
    t, w = np.asarray(theta, dtype=np.float64), np.asarray(clicks, dtype=np.float64)
    has = (t > 0) & (w > 0)
    if has.sum() < 2:
        raise ValueError("a decay needs clicks at two positions or more.")
    x = np.log(np.arange(1, len(t) + 1))[has]
    return float(-np.polyfit(x, np.log(t[has]), 1, w=np.sqrt(w[has]))[0])


def expected_clicks(
    users: ArrayLike, items: ArrayLike, looks: ArrayLike, clicks: ArrayLike, n_steps: int = 20
) -> Floats:
    """Return the click to be expected of each impression if no viewer had a taste of their own: ŷ = θ_r a_u p_i.

    How much a viewer clicks at all (a_u) and how much a clip is clicked at all (p_i) are fitted by turns, so that
    both sums of clicks come out right; values above 1 are cut to 1.

    Parameters
    ----------
    users, items : array_like of int, shape (n,)
        Indices.
    looks : array_like, shape (n,)
        θ at each impression's position.
    clicks : array_like, shape (n,)

    Returns
    -------
    float64 array, shape (n,)
    """
    u, i = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
    theta, y = np.asarray(looks, dtype=np.float64), np.asarray(clicks, dtype=np.float64)
    per_user, per_item = np.bincount(u, y), np.bincount(i, y)
    p = np.ones(len(per_item))
    for _ in range(n_steps):
        a = _ratio(per_user, np.bincount(u, theta * p[i]))
        p = _ratio(per_item, np.bincount(i, theta * a[u]))
    return np.asarray(np.minimum(theta * a[u] * p[i], 1.0))


def together(users: ArrayLike, items: ArrayLike, values: ArrayLike, n_users: int, n_items: int) -> Floats:
    """Return Σ_u v_ui v_uj for all pairs of clips, shape (n_items, n_items); what was not shown counts 0.

    Of clicks it is the number of viewers who clicked both; of expected clicks (`expected_clicks`), how many to
    expect if the two clips had nothing to do with each other.
    """
    V = np.zeros((n_users, n_items))
    V[np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)] = np.asarray(values, dtype=np.float64)
    return np.asarray(V.T @ V)


def surprise_z(cells: ArrayLike, surprises: ArrayLike, units: ArrayLike) -> Floats:
    """Return how many standard errors each cell's clicks lie from what was expected, shape (last cell + 1,).

        z_c = Σ_v Δ_cv / √(Σ_v Δ_cv²),    Δ_cv = Σ (y - ŷ) over the rows of unit v in cell c

    Parameters
    ----------
    cells : array_like of int, shape (n,)
        The cell of the table that each row falls into. Empty cells get 0.
    surprises : array_like, shape (n,)
        Click minus expected click.
    units : array_like of int, shape (n,)
        Rows of one unit may depend on each other: the viewers. If every row is its own unit, all are taken
        as independent.

    References
    ----------
    Variance by clusters: Liang and Zeger, Longitudinal Data Analysis Using Generalized Linear Models,
    Biometrika 73(1), 1986.
    """
    c, v = np.asarray(cells, dtype=np.int64), np.asarray(units, dtype=np.int64)
    pairs, place = np.unique(c * (v.max() + 1) + v, return_inverse=True)
    D = np.bincount(place, np.asarray(surprises, dtype=np.float64))  # (n_pairs,)
    cell = pairs // (v.max() + 1)
    return _ratio(np.bincount(cell, D), np.sqrt(np.bincount(cell, D**2)))


def _positions(positions: ArrayLike) -> Ints:
    r = np.asarray(positions, dtype=np.int64)
    if r.size == 0 or r.min() < 1:
        raise ValueError("positions are counted from 1, and there must be some.")
    return r


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    """Return above / below, 0 where nothing is below."""
    return np.asarray(np.divide(above, below, out=np.zeros(len(above)), where=below > 0))
