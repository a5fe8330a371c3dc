"""Which devices' clocks are wrong, told by when their events arrived, and what the time was.

Section 4.1. A log has two clocks. Each row carries the time of the viewer's device; the order of the
rows is that of the service. A device that is years off stands out among the rows around it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DAY = 86_400
USUAL = 3  # times the median distance from the neighbours' median
SMOOTH = 11  # rows: a median over them leaves what is in order as it is, and a row or two that came late do not move it


def wrong_clocks(
    times: NDArray[np.int64], *, ahead: float, late: float, spreads: float, neighbours: int
) -> NDArray[np.bool_]:
    """Return which rows carry a time that is far from those of the rows around them.

    A row's offset is its time minus the median time of its neighbours in order of arrival; the spread is
    the median of their absolute offsets. It is a variant of Hampel's rule with a floor on each side: a row is wrong
    if its offset is over max(ahead, spreads · spread) or under -max(late, spreads · spread).

    Parameters
    ----------
    times : int64 array, shape (n,)
        Seconds, in order of arrival.
    ahead, late : float
        Seconds.
    spreads : float
    neighbours : int
        Rows, half of them on either side. Up to half of them may be wrong.

    Returns
    -------
    bool array, shape (n,)

    References
    ----------
    Pearson, Outliers in Process Modeling and Identification, IEEE Transactions on Control Systems
    Technology 10(1), 2002, the Hampel filter.
    """
    offset, spread = _offset_and_spread(times, neighbours)
    return np.asarray((offset > np.maximum(ahead, spreads * spread)) | (-offset > np.maximum(late, spreads * spread)))


def true_times(
    times: NDArray[np.int64], wrong: NDArray[np.bool_], sessions: NDArray[np.int64], *, slack: float, neighbours: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return what the wrong rows' times should be, and where this is exact.

    All wrong rows of a session are off by one shift d. A row arrived between its punctual neighbours
    (whose offset is below the slack, or usual there), so t - next ≤ d ≤ t - previous, and the whole
    session bounds d far tighter than one row does. Who sets a date wrong is off by whole days (a year
    is 365 or 366 of them): if just one such d lies within the bounds, widened by the slack, it is
    taken, and the times are exact to the second. Otherwise d is the middle of the bounds: the steps
    within the session stay, its beginning is a guess. If no d fits, the clock changed in between,
    and each row gets the time between its neighbours.

    Parameters
    ----------
    times : int64 array, shape (n,)
        Seconds, in order of arrival.
    wrong : bool array, shape (n,)
        From `wrong_clocks`; not all of them.
    sessions : int64 array, shape (n,)
        Equal numbers are one session.
    slack : float
        Seconds by which the neighbours' own delivery may be late.
    neighbours : int
        As for `wrong_clocks`.

    Returns
    -------
    new : int64 array, shape (n_wrong,)
    exact : bool array, shape (n_wrong,)
    """
    rows, right = np.flatnonzero(wrong), np.flatnonzero(~wrong)
    offset, spread = _offset_and_spread(times[right], neighbours)
    right = right[np.abs(offset) <= np.maximum(slack, USUAL * spread)]
    known = pd.Series(times[right], dtype="float64").rolling(SMOOTH, center=True, min_periods=1).median().to_numpy()
    place = np.searchsorted(right, rows)  # of the next right row, among the right ones
    previous, following = known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]  # (n_wrong,)
    group = sessions[rows]
    low = pd.Series(times[rows] - following).groupby(group).transform("max").to_numpy() - slack
    high = pd.Series(times[rows] - previous).groupby(group).transform("min").to_numpy() + slack
    days = np.ceil(low / DAY)
    exact = days == np.floor(high / DAY)  # (n_wrong,) False as well where no d fits: low > high
    shift = np.where(exact, days * DAY, (low + high) / 2)
    new = np.where(low <= high, times[rows] - shift, (previous + following) / 2)
    return np.round(new).astype(np.int64), exact


def _offset_and_spread(times: NDArray[np.int64], neighbours: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much each row is after its neighbours' median, and the median of their distances, shape (n,)."""
    seconds = pd.Series(times, dtype="float64")  # exact up to 2⁵³
    offset = seconds - seconds.rolling(neighbours, center=True, min_periods=1).median()
    return offset.to_numpy(), offset.abs().rolling(neighbours, center=True, min_periods=1).median().to_numpy()
