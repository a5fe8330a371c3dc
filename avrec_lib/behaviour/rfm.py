"""Recency, frequency, watch time: segments of viewers by rules that fit on a postcard.

Page 4.2.3. RFM comes from mail order: how long ago did somebody buy, how often, for how much money? A free
service has no money; the time that a viewer spends is what they pay with. The rules need no training and
can be told to anybody. They say how much a viewer uses the service, and nothing about what they like.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

DAY = 86_400  # seconds
UNSEEN = "unseen"
# name, then the lowest and highest recency score and frequency score (1 to 5) it holds; the first that fits counts
RULES = (
    ("champions", (4, 5), (4, 5)),
    ("new", (4, 5), (1, 1)),
    ("regulars", (3, 5), (3, 5)),
    ("occasional", (3, 5), (1, 2)),
    ("at risk", (1, 2), (4, 5)),
    ("lapsed", (1, 2), (1, 3)),
)


def rfm(impressions: pd.DataFrame, now: float, n_users: int) -> pd.DataFrame:
    """Return recency, frequency and watch time of every viewer, from what happened strictly before `now`.

    Parameters
    ----------
    impressions : DataFrame
        user (index), session, timestamp (s), watch_seconds.
    now : float
        Seconds, on the clock of the timestamps.
    n_users : int
        Number of viewers, with those who never came.

    Returns
    -------
    DataFrame, row u for viewer u
        recency (days since their last impression; NaN for who never came), frequency (sessions), watch (s).

    Raises
    ------
    ValueError
        If a viewer's index is not below n_users.
    """
    past = impressions[impressions["timestamp"] < now]
    if len(past) and not 0 <= past["user"].min() <= past["user"].max() < n_users:
        raise ValueError(f"viewers must be numbered 0..{n_users - 1}; there is a viewer {past['user'].max()}.")
    by_user = past.groupby("user")
    table = pd.DataFrame(
        {
            "recency": (now - by_user["timestamp"].max()) / DAY,
            "frequency": by_user["session"].nunique(),
            "watch": by_user["watch_seconds"].sum().astype(np.float64),
        }
    ).reindex(pd.RangeIndex(n_users, name="user"))
    return table.fillna({"frequency": 0, "watch": 0.0}).astype({"frequency": np.int64})


def quantile_scores(values: ArrayLike, n_scores: int = 5) -> NDArray[np.int64]:
    """Return the fifth (or whichever part) of all values that each lies in: 1 for the lowest, n_scores for the highest.

    Equal values get one score, that of their middle rank: nobody is ranked by their place in a table. So
    parts are of equal size only without ties. A value of rank r, counted from 1, among m scores
    1 + ⌊n_scores (r - ½) / m⌋. NaN scores 0.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or n_scores < 1:
        raise ValueError(f"values must be a vector and n_scores at least 1, not of shape {x.shape} and {n_scores}.")
    known = np.isfinite(x)
    scores = np.zeros(len(x), dtype=np.int64)
    scores[known] = 1 + np.floor(n_scores * (rankdata(x[known]) - 0.5) / max(known.sum(), 1))
    return scores


def rfm_scores(table: pd.DataFrame, n_scores: int = 5) -> pd.DataFrame:
    """Return the scores of an `rfm` table, columns R, F, M: the best is n_scores, and 0 is who never came.

    Recency is turned round: who came today scores highest.
    """
    came = table["recency"].notna()
    return pd.DataFrame(
        {
            "R": quantile_scores(-table["recency"], n_scores),
            "F": quantile_scores(table["frequency"].where(came), n_scores),
            "M": quantile_scores(table["watch"].where(came), n_scores),
        },
        index=table.index,
    )


def rfm_segments(scores: pd.DataFrame) -> pd.Series:
    """Return the name of each viewer's segment, by `RULES` on five scores of R and F.

    M serves to sort within a segment: it goes with F so closely that a rule on both splits few viewers.
    """
    R, F = scores["R"].to_numpy(), scores["F"].to_numpy()
    if scores.to_numpy().max(initial=0) > 5:
        raise ValueError("the rules are written for scores from 1 to 5; make them with n_scores=5.")
    fits = [(r[0] <= R) & (r[1] >= R) & (f[0] <= F) & (f[1] >= F) for _, r, f in RULES]
    names = np.select(fits, [name for name, _, _ in RULES], default=UNSEEN)
    return pd.Series(names, index=scores.index, name="segment")
