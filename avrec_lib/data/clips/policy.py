"""The log of the clips as a row of decisions: what could have been shown at each, and how the service drew from it.

A good service writes down, for every session, by which rule it was filled, and keeps the rule. The log has the first
(`random`); here is the second, from the constants that `log` was made with, and the clips among which each session
was filled. `avrec_lib.behaviour.choices` turns both into the probability of every row. Page 4.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.data.clips.log import POLICY_STRENGTH, SLATE

if TYPE_CHECKING:
    from avrec_lib.data.clips import Clips


class Sessions(NamedTuple):
    """Sessions of ten clips, in order of their beginning.

    Attributes
    ----------
    users : int64 array, shape (s,)
    items : int64 array, shape (s, 10)
        Column r - 1 is what stood in position r.
    clicks : bool array, shape (s, 10)
    random : bool array, shape (s,)
        Was the session filled at random?
    free : bool array, shape (s, n_items)
        The clips that could have been shown: uploaded before the session began, and not shown to this viewer in
        an earlier one. Those of the session itself are among them.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    clicks: NDArray[np.bool_]
    random: NDArray[np.bool_]
    free: NDArray[np.bool_]

    def of(self, chosen: NDArray[np.bool_]) -> Sessions:
        """Return some of the sessions; a mask of shape (s,)."""
        users, items, clicks, random, free = self
        return Sessions(users[chosen], items[chosen], clicks[chosen], random[chosen], free[chosen])

    def rows(self) -> pd.DataFrame:
        """Return a row for each clip shown, session by session from the top: user, item, position, click, random."""
        s, k = self.items.shape
        return pd.DataFrame(
            {
                "user": np.repeat(self.users, k),
                "item": self.items.ravel(),
                "position": np.tile(np.arange(1, k + 1), s),
                "click": self.clicks.ravel(),
                "random": np.repeat(self.random, k),
            }
        )


def policy_weights(clips: Clips) -> NDArray[np.float64]:
    """Return the weight of each clip in the sessions that were not filled at random, shape (n_items,).

    exp(3 · mean preference of every fifth viewer). The policy draws the clip of each position, from the top, among
    those that are free and not above it already, with probability proportional to the weight.
    """
    asked = np.arange(0, len(clips.viewers), 5)
    liked = clips.preference(asked[:, None], np.arange(len(clips.items))).mean(axis=0)  # (n_items,)
    return np.asarray(np.exp(POLICY_STRENGTH * liked), dtype=np.float64)


def sessions(clips: Clips, start: float = -np.inf, end: float = np.inf) -> Sessions:
    """Return the sessions that began at `start` or later and before `end`, both in seconds.

    Raises
    ------
    ValueError
        If there is none.
    """
    log = clips.impressions
    begun = log.groupby("session")["timestamp"].transform("min").to_numpy()  # (n,)
    first = np.full((len(clips.viewers), len(clips.items)), np.iinfo(np.int64).max)  # the session each was met in
    first[log["user"], log["item"]] = begun  # a viewer meets a clip once at most
    rows = log.assign(begun=begun)[(begun >= start) & (begun < end)].sort_values(["begun", "session", "position"])
    if not len(rows):
        raise ValueError(f"no session began between {start} and {end}; the log begins at {begun.min()}.")
    users, when, random = (rows[name].to_numpy()[::SLATE] for name in ("user", "begun", "random"))  # (s,)
    free = clips.items["uploaded_at"].to_numpy() <= when[:, None]  # (s, n_items)
    free &= first[users] >= when[:, None]
    items, clicks = (rows[name].to_numpy().reshape(-1, SLATE) for name in ("item", "click"))  # (s, 10)
    return Sessions(users.astype(np.int64), items.astype(np.int64), clicks, random, free)
