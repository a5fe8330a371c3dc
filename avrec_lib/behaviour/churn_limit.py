"""The best that any model could say of who comes back, in the clips' world, whose rules are known.

Page 4.2.4. Whether a viewer has left for good is never written into a log. From the days on which they came it can be
computed how likely it is, if the rules are known by which the clips' log was drawn (`avrec_lib.data.clips.log`):
this is the Bayes limit of churn. For real viewers the same reasoning, with rules that are fitted instead of
known, is called "buy till you die".
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from avrec_lib.data.clips.log import DAY, MEAN_SESSIONS, SHARE_LEAVING, START
from avrec_lib.data.clips.world import World

Floats = NDArray[np.float64]
SHAPE = 8.0  # of the Gamma distribution of how active viewers are, mean 1
FIRST_DAY_OUT = 5  # nobody leaves earlier


def true_churn(impressions: pd.DataFrame, day: int, days: int, world: World | None = None) -> pd.Series:
    """Return the probability that a viewer of the clips' log does not come back, given all days on which they came.

    A viewer stays to the end, T = `world.days`, or has a last day L, each with a known prior. Their number of
    sessions is Poisson with a Gamma rate, and sessions fall on the days before L by the days' weights w. With
    W_L = Σ_{d<L} w_d, k sessions before the cut c, and c' = min(L, c + days):

        P(L | past) ∝ P(L) · NB(k; mean M W_min(c,L) / W_L) / W_min(c,L)^k,    for L after the last day they came
        P(none in [c, c') | past, L) = ((8 + M W_c / W_L) / (8 + M W_c' / W_L))^(8 + k),    1 if L ≤ c

    NB is the negative binomial distribution of shape 8, M the mean number of sessions. Exact but for the
    floor of two sessions a viewer, which one viewer in a thousand touches.

    Parameters
    ----------
    impressions : DataFrame
        The clips' log: user, session, timestamp.
    day : int
        The cut, at 00:00 UTC of this day, counted from the first day of the log, 0.
    days : int
        How long a viewer must stay away.
    world : World, optional

    Returns
    -------
    Series of float64, indexed by the users who came before the cut

    Raises
    ------
    ValueError
        If the window leaves the log.

    References
    ----------
    Schmittlein, Morrison and Colombo, Counting Your Customers: Who Are They and What Will They Do Next?,
    Management Science 33(1), 1987: the same question for customers, in continuous time.
    """
    last = (world or World()).days
    if day < 1 or days < 1 or day + days > last:
        raise ValueError(f"the window of {days} days from day {day} must lie within the {last} days of the log.")
    past = impressions[impressions["timestamp"] < START + day * DAY]
    came = past.groupby(["user", "session"])["timestamp"].min().sub(START).floordiv(DAY).groupby("user")
    k, latest = came.size().to_numpy(np.float64)[:, None], came.max().to_numpy()[:, None]  # (m, 1)
    ends = np.append(np.arange(FIRST_DAY_OUT, last - 5), last)  # (n_ends,) the last is who stays
    prior = np.append(np.full(len(ends) - 1, SHARE_LEAVING / (len(ends) - 1)), 1 - SHARE_LEAVING)
    W = np.concatenate([[0.0], np.cumsum(np.where(np.isin((np.arange(last) + 3) % 7, (5, 6)), 1.6, 1.0))])
    seen = W[np.minimum(day, ends)]  # (n_ends,) weight of the days that could have been come on
    mean = MEAN_SESSIONS * seen / W[ends]
    log_count = (
        gammaln(k + SHAPE) - gammaln(k + 1) + SHAPE * np.log(SHAPE / (SHAPE + mean)) + k * np.log(mean / (SHAPE + mean))
    )
    log_post = np.where(ends > latest, np.log(prior) + log_count - k * np.log(seen), -np.inf)  # (m, n_ends)
    posterior = np.exp(log_post - logsumexp(log_post, axis=1, keepdims=True))
    later = MEAN_SESSIONS * W[np.clip(day + days, None, np.maximum(ends, day))] / W[ends]
    none = np.where(ends <= day, 1.0, ((SHAPE + mean) / (SHAPE + later)) ** (SHAPE + k))
    users = np.array(list(came.groups), dtype=np.int64)
    return pd.Series((posterior * none).sum(axis=1), index=pd.Index(users, name="user"), name="churn")
