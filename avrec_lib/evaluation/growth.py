"""How a cost grows with size: the exponent of a measured curve, how far it reaches, and where two curves cross.

Used wherever the book says that a model is linear, or cubic, or gets too large for one machine. A cost c that
grows as a power of the size n, c = a nᵖ, is a straight line on logarithmic axes, log c = log a + p log n, and p is
its slope. Small sizes are left out of a fit: there the fixed part of a cost hides the part that grows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]
FAR = 1e18  # a size that nothing has


class Growth(NamedTuple):
    """The exponent of a power law and the ends of its 95 % interval."""

    exponent: float
    low: float
    high: float


class Crossing(NamedTuple):
    """The size from which the second curve is the cheaper one (infinite if never), and whether it was measured."""

    size: float
    measured: bool


def power_law(sizes: ArrayLike, costs: ArrayLike) -> Growth:
    """Return the exponent p of c = a nᵖ by least squares on the logarithms, with its 95 % interval.

    p = Σ (x − x̄)(y − ȳ) / Σ (x − x̄)²,   x = log n,  y = log c

    The interval is p ± t s_p, with the standard error s_p of a slope and t of Student's distribution with two
    degrees of freedom fewer than points: on three points it is wide, as it should be. On two points it is NaN.

    Parameters
    ----------
    sizes, costs : arrays, shape (n,)
        All above 0; at least two different sizes. Take the larger half of a curve, see `larger_half`.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, the lengths differ, or a number is not above 0.

    Examples
    --------
    >>> power_law([10, 100, 1000], [2, 20, 200]).exponent
    1.0
    """
    x, y = _logarithms(sizes, costs)
    dx, dy = x - x.mean(), y - y.mean()
    p = float(dx @ dy / (dx @ dx))
    free = len(x) - 2
    if free == 0:
        return Growth(p, np.nan, np.nan)
    rest = dy - p * dx
    error = np.sqrt(rest @ rest / free / (dx @ dx))
    t = float(stats.t.ppf(0.975, free))
    return Growth(p, p - t * float(error), p + t * float(error))


def larger_half(sizes: ArrayLike) -> NDArray[np.bool_]:
    """Return which sizes belong to the larger half of them, at least three where there are three, shape (n,)."""
    n = np.asarray(sizes, dtype=np.float64)
    kept = min(max(3, -(-len(n) // 2)), len(n))
    mask = np.zeros(len(n), dtype=np.bool_)
    mask[np.argsort(n, kind="stable")[len(n) - kept :]] = True
    return mask


def exponents(table: pd.DataFrame, size: str, cost: str) -> pd.DataFrame:
    """Return the exponent of each model's cost against size, over the larger half of its curve.

    Parameters
    ----------
    table : DataFrame
        Columns model and those named by the next two; a row without a cost (the model was stopped there) is left out.
    size, cost : str
        Such as "rows" and "fit_seconds".

    Returns
    -------
    DataFrame, its index the models, in the order of the table
        exponent, low, high (see `power_law`); points, the number of sizes in the fit; smallest and largest of them.
        A model with fewer than two sizes is not there.
    """
    found = {}
    for model, curve in table.dropna(subset=[cost]).groupby("model", sort=False):
        half = curve[larger_half(curve[size])]
        if half[size].nunique() >= 2:
            found[model] = (*power_law(half[size], half[cost]), len(half), half[size].min(), half[size].max())
    columns = ["exponent", "low", "high", "points", "smallest", "largest"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns).rename_axis("model")


def size_within(sizes: ArrayLike, costs: ArrayLike, budget: float, *, least: float = 0.0) -> float:
    """Return the largest size whose cost stays within a budget, such as the memory of one machine.

    Inside the curve by a straight line between two points on logarithmic axes; past its end along the power
    law of its larger half (or with the exponent `least`, if that is larger), and infinite if that does not rise.
    0 if the smallest size is already too dear.

    Parameters
    ----------
    sizes, costs : arrays, shape (n,)
        See `power_law`.
    budget : float
        In the unit of the costs, above 0.
    least : float
        The exponent that the cost must come to, whatever the small sizes say: 1 for the memory of a table, each row
        of which has to lie somewhere, while a fixed part may still hide it.

    Raises
    ------
    ValueError
        As `power_law`; if the budget is not above 0.
    """
    if not budget > 0:
        raise ValueError(f"the budget must be above 0, not {budget}.")
    x, y = _sorted(*_logarithms(sizes, costs))
    over = np.flatnonzero(y > np.log(budget))
    if len(over) and over[0] == 0:
        return 0.0
    if len(over):
        i = over[0]
        share = (np.log(budget) - y[i - 1]) / (y[i] - y[i - 1])
        return float(np.exp(x[i - 1] + share * (x[i] - x[i - 1])))
    p = max(_slope(x, y), least)
    return float(np.exp(x[-1] + (np.log(budget) - y[-1]) / p)) if p > 0 else np.inf


def crossing(sizes: ArrayLike, costs: ArrayLike, other_sizes: ArrayLike, other_costs: ArrayLike) -> Crossing:
    """Return the size from which on the other curve is the cheaper one.

    Compared are the sizes that both were measured at. Where the other one is the cheaper at the largest of them,
    the crossing lies between two measured sizes, on a straight line between logarithms (or at the smallest
    size, if it always was cheaper). Otherwise both are continued along the line through their last two common
    sizes, where a fixed part of a cost weighs least. If those lines don't approach each other, or meet beyond
    `FAR`, there is no crossing and the size is infinite.

    A crossing far outside of what was measured is a statement about two slopes, no more.

    Parameters
    ----------
    sizes, costs, other_sizes, other_costs : arrays
        Two curves, each as in `power_law`.

    Raises
    ------
    ValueError
        As `power_law`; if fewer than two sizes are in both curves.
    """
    first, second = _sorted(*_logarithms(sizes, costs)), _sorted(*_logarithms(other_sizes, other_costs))
    x, at, other_at = np.intersect1d(first[0], second[0], return_indices=True)
    if len(x) < 2:
        raise ValueError("the two curves have fewer than two sizes in common; measure both at the same sizes.")
    y, other = first[1][at], second[1][other_at]
    gap = other - y  # (n,): below 0 the other one is the cheaper
    if gap[-1] <= 0:
        dearer = np.flatnonzero(gap > 0)
        if not len(dearer):
            return Crossing(float(np.exp(x[0])), True)
        i = dearer[-1]
        return Crossing(float(np.exp(x[i] + (x[i + 1] - x[i]) * gap[i] / (gap[i] - gap[i + 1]))), True)
    approach = float((y[-1] - y[-2]) - (other[-1] - other[-2])) / float(x[-1] - x[-2])
    if approach <= 0 or x[-1] + gap[-1] / approach > np.log(FAR):
        return Crossing(np.inf, False)
    return Crossing(float(np.exp(x[-1] + gap[-1] / approach)), False)


def _logarithms(sizes: ArrayLike, costs: ArrayLike) -> tuple[Floats, Floats]:
    n, c = np.asarray(sizes, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    if n.shape != c.shape or n.ndim != 1:
        raise ValueError(f"sizes and costs must be flat and equally long, not of shapes {n.shape} and {c.shape}.")
    if not (np.isfinite(n).all() and np.isfinite(c).all() and (n > 0).all() and (c > 0).all()):
        raise ValueError("sizes and costs must be numbers above 0, as only those have a logarithm; drop the others.")
    if len(np.unique(n)) < 2:
        raise ValueError("a growth needs at least two different sizes; measure one more.")
    return np.log(n), np.log(c)


def _sorted(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def _slope(x: Floats, y: Floats) -> float:
    half = larger_half(x)
    return float(np.polyfit(x[half], y[half], 1)[0])
