"""What is known of a viewer and a clip when the clip is about to be shown, in numbers, to predict the click.

Page 4.2.4. A session's clips are chosen together, before any of them is seen. So a row may use what happened
strictly before the first row of its session, and its own time, place and clip; `point_in_time.leaks` holds it to
that. A click counts as known from the moment at which its clip came up.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avrec_lib.behaviour.point_in_time import before
from avrec_lib.behaviour.rfm import DAY
from avrec_lib.behaviour.segments import learn_segments, membership
from avrec_lib.behaviour.taste_profiles import Profiles, added, learn_common, taste_profiles

PRIOR = 5.0  # impressions at the mean that every rate begins with


def click_features(impressions: pd.DataFrame, blocks: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """Return what was known of each impression when its session began, to predict the click.

    A session's clips are chosen together, before any of them is seen: so every row knows what happened
    strictly before the session's first row.

    Parameters
    ----------
    impressions : DataFrame
        user, item (indices), session, position (from 1), timestamp (s), click.
    blocks : name to array, shape (n_items, d)
        Content of the clips, one block a sense, in any numbers.

    Returns
    -------
    DataFrame with the index of `impressions`; no gaps
        *log_position*; *hour_sin*, *hour_cos*, *weekend* (UTC); *viewer_shown* and *item_shown* (log of 1 +
        impressions); *viewer_rate* and *item_rate* (mean surprise, see below); for each block *taste_NAME*:
        ⟨Σ e_j x_j, x_i⟩ / (n + prior) over the viewer's impressions j, with x_i the clip in question; and
        the block's own columns, NAME_0, NAME_1, …. The surprise e_j of a click is what the mean click at
        that position, as known by then, does not explain. Every mean starts from `PRIOR` impressions at 0.
    """
    log = impressions
    t, u, i, r = (log[name].to_numpy(np.int64) for name in ("timestamp", "user", "item", "position"))
    y = log["click"].to_numpy(np.float64)
    asked = log.groupby("session")["timestamp"].transform("min").to_numpy(np.int64)
    clicks, n = before(r, t, y, asked)
    e = y - (clicks + 1) / (n + 2)  # (n,) a place without a past begins at one half
    hour = 2 * np.pi * (asked % DAY) / DAY
    viewer, n_viewer = before(u, t, e, asked)
    item, n_item = before(i, t, e, asked)
    table = {
        "log_position": np.log(r),
        "hour_sin": np.sin(hour),
        "hour_cos": np.cos(hour),
        "weekend": ((asked // DAY + 3) % 7 >= 5).astype(np.float64),  # day 0 of the epoch was a Thursday
        "viewer_shown": np.log1p(n_viewer),
        "viewer_rate": viewer / (n_viewer + PRIOR),
        "item_shown": np.log1p(n_item),
        "item_rate": item / (n_item + PRIOR),
    }
    for name, block in blocks.items():
        X = np.asarray(block, dtype=np.float64)
        x = X[i]  # (n, d)
        profile, _ = before(u, t, e[:, None] * x, asked)  # (n, d)
        table[f"taste_{name}"] = (profile * x).sum(axis=1) / (n_viewer + PRIOR)
        table |= {f"{name}_{column}": x[:, column] for column in range(X.shape[1])}
    return pd.DataFrame(table, index=log.index)


def segment_features(
    impressions: pd.DataFrame, X: ArrayLike, start: float, k: int = 5, least: int = 30, seed: int = 0
) -> pd.DataFrame:
    """Return to which segment each viewer seemed to belong when a session began, and what that says of the clip.

    The segments are learnt once, from what happened before `start`; memberships go on being renewed from all that
    a viewer has done strictly before each session. A viewer of ten impressions borrows what the
    hundreds in their likely segments have shown.

    Parameters
    ----------
    impressions : DataFrame
        As in `click_features`.
    X : array_like, shape (n_items, d)
        Content of the clips.
    start : float
        Seconds. Rows of sessions that began before it get no features: the segments know how they ended.
    k, least, seed : int
        Of `learn_segments`.

    Returns
    -------
    DataFrame with the index of the rows from `start` on
        *segment_s*: P(s | the viewer's past), for s from 0; *segment_s_x_j*: that times column j of the clip's centred
        content, so that a linear model can learn what each segment likes.
    """
    log, content = impressions, np.asarray(X, dtype=np.float64)
    t, u, i, r = (log[name].to_numpy(np.int64) for name in ("timestamp", "user", "item", "position"))
    y, n_users = log["click"].to_numpy(np.float64), int(log["user"].max()) + 1
    asked = log.groupby("session")["timestamp"].transform("min").to_numpy(np.int64)
    old, new = t < start, asked >= start
    common = learn_common(i[old], y[old], r[old], u[old], content)
    segments = learn_segments(taste_profiles(u[old], i[old], y[old], r[old], content, n_users, common), k, least, seed)
    sums, n = before(u, t, added(common, content[i], y, r), asked)  # (n, d)
    P = membership(segments, Profiles(sums[new] / np.maximum(n[new], 1)[:, None], n[new], common.noise))  # (n_new, k)
    x = content[i[new]] - common.centre  # (n_new, d)
    names = [f"segment_{s}" for s in range(k)]
    both = [f"{name}_x_{j}" for name in names for j in range(x.shape[1])]
    values = np.hstack([P, (P[:, :, None] * x[:, None, :]).reshape(len(x), -1)])  # (n_new, k + k d)
    return pd.DataFrame(values, index=log.index[new], columns=names + both)
