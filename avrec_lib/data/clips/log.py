"""What was shown, where, and what came of it: sessions of ten clips over thirty days, without any dirt yet.

The log is biased in the two ways of real logs, with known strength. *Exposure*: most sessions are
filled by a policy that prefers clips which viewers like on average; a share of the sessions is
filled at random instead (`random`), in random order, as a service does that wants to learn.
*Position*: at position r a viewer looks with probability r^-γ, and what nobody looks at is not
clicked. So P(click) = r^-γ · p_ui, with p_ui of `world.preference`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.data.clips.world import Tastes, World, preference

START = 1_790_812_800  # 1 October 2026, 00:00 UTC, a Thursday
DAY = 86_400
SLATE = 10  # clips in a session
POLICY_STRENGTH = 3.0  # of the wish to show what is liked on average
RANDOM_SHARE = 0.3  # of the sessions
MEAN_SESSIONS = 16.0
SHARE_LEAVING = 0.15  # of the viewers stop for good within the month


def draw_clips(world: World) -> pd.DataFrame:
    """Draw a clip's creator, upload time (s, UTC) and length (s); three of four clips were there before the log."""
    rng, n = world.rng("clips"), world.n_clips
    before = START - rng.integers(1, 60 * DAY, n)
    during = START + rng.integers(0, (world.days - 5) * DAY, n)
    return pd.DataFrame(
        {
            "creator": [f"c{number:03d}" for number in np.minimum(rng.geometric(0.02, n), 300)],
            "uploaded_at": np.where(rng.random(n) < 0.75, before, during),
            "seconds": rng.integers(8, 61, n),
        }
    )


def draw_viewers(world: World) -> pd.DataFrame:
    """Draw a viewer's language, device, usual hour (local, 0..24), activity, and last day (the month's, or earlier)."""
    rng, m = world.rng("viewers"), world.n_viewers
    evening = rng.random(m) < 0.7
    leaves = rng.random(m) < SHARE_LEAVING
    return pd.DataFrame(
        {
            "language": np.where(rng.random(m) < 0.5, "en", "zh"),
            "device": rng.choice(["android", "ios", "web", "tv"], m, p=[0.5, 0.3, 0.15, 0.05]),
            "hour": np.where(evening, rng.normal(20.5, 1.5, m), rng.normal(8.0, 1.0, m)) % 24,
            "sessions": np.maximum(rng.poisson(MEAN_SESSIONS * rng.gamma(8, 1 / 8, m)), 2),
            "last_day": np.where(leaves, rng.integers(5, world.days - 5, m), world.days),
        }
    )


def draw_impressions(
    world: World, tastes: Tastes, attributes: pd.DataFrame, clips: pd.DataFrame, viewers: pd.DataFrame
) -> pd.DataFrame:
    """Draw every look-up of a clip: user, item, session, position (1..10), timestamp (s), random, click, watch_seconds.

    A viewer meets a clip once at most, and never before it was uploaded. Ordered by time.
    """
    rng, n = world.rng("log"), world.n_clips
    sample = np.arange(0, world.n_viewers, 5)
    liked = preference(world, tastes, attributes, sample[:, None], np.arange(n)).mean(axis=0)  # (n,)
    appeal = POLICY_STRENGTH * liked
    uploaded = clips["uploaded_at"].to_numpy()
    hour, sessions_of, last_day = (viewers[name].to_numpy() for name in ("hour", "sessions", "last_day"))
    parts, session_id = [], 0
    for u in range(world.n_viewers):
        starts = _session_starts(rng, hour[u], int(sessions_of[u]), int(last_day[u]))
        free = np.ones(n, dtype=bool)
        for start in starts:
            at_random = rng.random() < RANDOM_SHARE
            keys = rng.gumbel(size=n) + (0.0 if at_random else appeal)  # Gumbel top-k: sampling without replacement
            keys[~free | (uploaded > start)] = -np.inf
            shown = np.argpartition(-keys, SLATE)[:SLATE]
            shown = shown[np.argsort(-keys[shown])]  # in the order of the keys: lots with weights, so hardly by quality
            free[shown] = False
            parts.append((u, session_id, start, at_random, shown))
            session_id += 1
    users, sessions, starts_, randoms, items = (np.array(column) for column in zip(*parts, strict=True))
    table = pd.DataFrame(
        {
            "user": np.repeat(users, SLATE).astype(np.int32),
            "item": items.reshape(-1).astype(np.int32),
            "session": np.repeat(sessions, SLATE).astype(np.int32),
            "position": np.tile(np.arange(1, SLATE + 1), len(users)).astype(np.int8),
            "timestamp": np.repeat(starts_, SLATE).astype(np.int64),
            "random": np.repeat(randoms, SLATE),
        }
    )
    _react(world, rng, table, tastes, attributes, clips["seconds"].to_numpy())
    return table.sort_values(["timestamp", "session", "position"], ignore_index=True)


def looks(world: World, position: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return r^-γ, the probability that a viewer looks at position r, counted from 1."""
    return np.asarray(position, dtype=np.float64) ** -world.position


def _session_starts(rng: np.random.Generator, hour: float, n: int, last_day: int) -> NDArray[np.int64]:
    """Return the starts of a viewer's sessions in order: about the usual hour, more at weekends, an hour apart."""
    days = np.arange(last_day)
    weight = np.where(np.isin((days + 3) % 7, (5, 6)), 1.6, 1.0)  # day 0 is a Thursday
    day = rng.choice(days, size=n, p=weight / weight.sum())
    clock = rng.normal(hour, 1.5, n) * 3600
    starts = np.sort(START + day * DAY + np.clip(clock, 0, DAY - 3600)).astype(np.int64)
    gap = 2400  # a session is over within 40 minutes
    return np.asarray(np.maximum.accumulate(starts - gap * np.arange(n)) + gap * np.arange(n), dtype=np.int64)


def _react(
    world: World,
    rng: np.random.Generator,
    table: pd.DataFrame,
    tastes: Tastes,
    attributes: pd.DataFrame,
    seconds: NDArray[np.integer],
) -> None:
    """Add what the viewers did: click, watch_seconds, like, and the time at which each clip came up."""
    p = preference(world, tastes, attributes, table["user"].to_numpy(), table["item"].to_numpy())
    click = rng.random(len(table)) < looks(world, table["position"].to_numpy()) * p
    length = seconds[table["item"].to_numpy()]
    completion = rng.beta(1 + 4 * p, 2.0)  # who likes a clip stays longer
    watched = np.where(click, np.maximum(1.0, completion * length), 0.0)
    table["click"] = click
    table["watch_seconds"] = np.round(watched, 1).astype(np.float32)
    table["like"] = click & (rng.random(len(table)) < 0.3 * p)
    wait = np.where(click, watched, rng.integers(1, 5, len(table))) + rng.integers(1, 4, len(table))
    before = table.assign(wait=wait).groupby("session")["wait"].cumsum() - wait  # seconds since the session's start
    table["timestamp"] += before.round().astype(np.int64)
