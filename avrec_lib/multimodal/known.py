"""What was known about a viewer when a clip was shown: the clips they had clicked before that visit.

A history that holds a click of the same visit, or a later one, gives the answer away: the model learns to read its
question. So a history here ends where the visit began, and no click of the visit is in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]


def known_clicks(
    users: ArrayLike,
    items: ArrayLike,
    clicks: ArrayLike,
    times: ArrayLike,
    begins: ArrayLike,
    length: int,
    padding: int,
) -> Ints:
    """Return the last clips that each impression's viewer had clicked before its visit, int64, shape (N, length).

    The newest comes first, padding at the end; of two clicks at one time the one in the later row is the newer. A clip
    that was clicked twice is there twice.

    Parameters
    ----------
    users, items, clicks, times : array_like, shape (N,)
        Of every impression: who, which clip, 0 or 1, and when, in seconds.
    begins : array_like, shape (N,)
        When the impression's visit began, in seconds; not after the impression itself.
    length : int
        How many clips, at least 1.
    padding : int
        What stands where there is no clip; no clip may have this number.

    Raises
    ------
    ValueError
        If the shapes differ, the length is not positive, the padding is a clip, or a visit begins after its impression.
    """
    u, i, y, t, b = (np.asarray(x) for x in (users, items, clicks, times, begins))
    if not (u.ndim == 1 and u.shape == i.shape == y.shape == t.shape == b.shape):
        raise ValueError("users, items, clicks, times and begins must be arrays of one length.")
    if length < 1:
        raise ValueError(f"length must be at least 1, not {length}.")
    if (i == padding).any():
        raise ValueError(f"padding must be the number of no clip, and there is a clip {padding}.")
    if (b > t).any():
        raise ValueError(f"impression {int((b > t).argmax())} lies before the visit it belongs to; check `begins`.")
    clicked = np.flatnonzero(y)
    clicked = clicked[np.lexsort((clicked, t[clicked], u[clicked]))]  # by user, time and row
    found = np.full((len(u), length), padding, dtype=np.int64)
    if len(clicked) == 0:
        return found
    stamps, rank = np.unique(np.concatenate([t[clicked], b]), return_inverse=True)  # times as whole numbers
    width = len(stamps) + 1
    keys = u[clicked].astype(np.int64) * width + rank[: len(clicked)]  # in order, as `clicked` is
    ends = np.searchsorted(keys, u.astype(np.int64) * width + rank[len(clicked) :], side="left")  # (N,)
    starts = np.searchsorted(keys, u.astype(np.int64) * width, side="left")
    back = np.arange(1, length + 1)
    place = ends[:, None] - back  # (N, length)
    real = place >= starts[:, None]
    found[real] = i[clicked[place[real]]]
    return found
