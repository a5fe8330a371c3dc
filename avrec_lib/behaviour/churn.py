"""Who will not come back: what is known of each viewer at one moment, and what became of them in the days after.

Page 4.2.4. Churn has no event of its own; it is the lack of one. So it is defined by a number of days, and can be
told only when these have passed. Features are of what lies strictly before the cut, the label of what comes at
it or after.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from avrec_lib.behaviour.rfm import DAY

Bools = NDArray[np.bool_]


def visit_features(impressions: pd.DataFrame, cut: float) -> pd.DataFrame:
    """Return what was known at a time `cut` of every viewer who came before it, to predict whether they come back.

    Parameters
    ----------
    impressions : DataFrame
        user, session, timestamp (s), click, watch_seconds.
    cut : float
        Seconds; rows at `cut` or later are not looked at.

    Returns
    -------
    DataFrame, indexed by user
        *recency* (days since the last session), *sessions*, *last_week* (sessions of the last seven days),
        *tenure* (days since the first), *pause* (tenure / sessions: mean days between two), *overdue*
        (recency / pause), *click_rate*, *watch* (s a session).
    """
    past = impressions[impressions["timestamp"] < cut]
    sessions = past.groupby(["user", "session"])["timestamp"].min().reset_index()
    by_user = sessions.groupby("user")["timestamp"]
    table = pd.DataFrame({"recency": (cut - by_user.max()) / DAY, "sessions": by_user.size().astype(np.float64)})
    recent = sessions[sessions["timestamp"] >= cut - 7 * DAY].groupby("user").size()
    table["last_week"] = recent.reindex(table.index, fill_value=0).astype(np.float64)
    table["tenure"] = (cut - by_user.min()) / DAY
    table["pause"] = table["tenure"] / table["sessions"]
    table["overdue"] = table["recency"] / table["pause"]
    rows = past.groupby("user")
    table["click_rate"] = rows["click"].mean()
    table["watch"] = rows["watch_seconds"].sum().astype(np.float64) / table["sessions"]
    return table


def comes_back(impressions: pd.DataFrame, users: ArrayLike, cut: float, days: float) -> Bools:
    """Return which viewers have an impression at `cut` or within `days` after it, bool of the shape of users.

    Raises
    ------
    ValueError
        If the log ends before: then nobody knows yet who stays away.
    """
    t = impressions["timestamp"].to_numpy()
    end = cut + days * DAY
    if not len(t) or t.max() < end - DAY / 2:  # the last hours of a log may be quiet
        raise ValueError(f"the log ends less than {days} days after the cut; choose an earlier cut or fewer days.")
    return np.isin(np.asarray(users), impressions["user"].to_numpy()[(t >= cut) & (t < end)])
