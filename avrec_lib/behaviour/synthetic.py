"""A log of any length, for timing what reads it: made in pieces, so that ten million events need little memory.

Page 4.1.4. It has the shape of a log (visits, evenings, popular clips, watches) and nothing to learn; the
book's own dataset, `avrec_lib.data.clips`, is the one with tastes in it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from avrec_lib.behaviour.clocks import DAY
from avrec_lib.behaviour.storage import SCHEMA

START = 1_790_812_800  # 2026-10-01 00:00 UTC
ACTIONS = ("impression", "click", "like")
DEVICES = ("android", "ios", "web", "tv")
CLICK, LIKE = 0.36, 0.23  # of the impressions; of the clicks: as in the book's clips
SHOWN = 10  # impressions of a visit
EVENTS_PER_USER = 250
PIECE = 100_000  # impressions made at a time


def write_synthetic_events(path: Path | str, n: int, *, seed: int = 0, n_items: int = 2000, days: int = 60) -> Path:
    """Write n events into one Parquet file, and return its path.

    One user in 250 events. Visits begin about each user's own hour, in order of time; a visit is ten impressions,
    of which some are clicked, some of these liked. The same seed gives the same events on every machine.

    Parameters
    ----------
    path : Path or str
        The file; replaced if it is there.
    n : int
        Events, at least 1.
    seed : int
    n_items : int
        Clips, of which a few are shown often (weights 1 / rank).
    days : int
        From 2026-10-01 on.

    Raises
    ------
    ValueError
        If a number is less than 1.
    """
    for name, value in (("n", n), ("n_items", n_items), ("days", days)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}.")
    path, rng = Path(path), np.random.default_rng([seed, 0])
    counts = _events_each(rng, n)  # (impressions,)
    n_visits, n_users = -(-len(counts) // SHOWN), max(1, n // EVENTS_PER_USER)
    users, starts = _visits(rng, n_visits, n_users, days)
    seconds = synthetic_items(n_items, seed)["seconds"].to_numpy()
    part, done = path.with_name(f".{path.name}.part"), 0
    try:
        with pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
            for first in range(0, len(counts), PIECE):
                of_piece = counts[first : first + PIECE]
                visit = np.arange(first, first + len(of_piece)) // SHOWN
                rng = np.random.default_rng([seed, 1, first])
                writer.write_table(_piece(rng, of_piece, visit, users[visit], starts[visit], seconds, done))
                done += int(of_piece.sum())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def synthetic_items(n_items: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return the clips of such a log: item_id, seconds (8 to 60), category (one of 20)."""
    rng = np.random.default_rng([seed, 2])
    return pd.DataFrame(
        {
            "item_id": [f"c{number:05d}" for number in range(n_items)],
            "seconds": rng.integers(8, 61, n_items),
            "category": [f"k{number:02d}" for number in rng.integers(0, 20, n_items)],
        }
    )


def _piece(
    rng: np.random.Generator,
    counts: NDArray[np.int64],
    visit: NDArray[np.int64],
    user: NDArray[np.int64],
    start: NDArray[np.int64],
    seconds: NDArray[np.int64],
    done: int,
) -> pa.Table:
    """Return the events of some impressions, whole visits of them, of which `done` events came before."""
    m = len(counts)
    popularity = np.cumsum(1 / np.arange(1, len(seconds) + 1))
    item = np.minimum(np.searchsorted(popularity, rng.random(m) * popularity[-1]), len(seconds) - 1)  # (m,)
    watch = np.round(np.maximum(1.0, rng.beta(3, 2, m) * seconds[item]), 1)
    taken = np.where(counts > 1, np.ceil(watch), 0).astype(np.int64) + rng.integers(2, 6, m)  # until the next clip
    since = np.cumsum(taken) - taken
    time = start + since - np.repeat(since[::SHOWN], SHOWN)[:m]
    at = np.repeat(np.arange(m), counts)  # (rows,), the impression of each event
    action = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)  # (rows,), 0, 1 or 2
    columns = {
        "event_id": _names("e", done + np.arange(len(at))),
        "session_id": _names("s", visit).take(pa.array(at)),
        "user_id": _names("v", user).take(pa.array(at)),
        "item_id": _names("c", item, 5).take(pa.array(at)),
        "action": pa.array(ACTIONS).take(pa.array(action)),
        "timestamp": pa.array(time[at] + action),
        "position": pa.array((np.arange(m) % SHOWN + 1)[at].astype(np.float64)),
        "watch_seconds": pa.array(watch[at].astype(np.float32), mask=action != ACTIONS.index("click")),
        "device": pa.array(DEVICES).take(pa.array(user[at] % len(DEVICES))),
        "text": pa.nulls(len(at), pa.string()),
    }
    return pa.table(columns, schema=SCHEMA)


def _names(letter: str, numbers: NDArray[np.int64], digits: int = 1) -> pa.Array:
    text = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), digits, "0")
    return pc.binary_join_element_wise(letter, text, "")


def _events_each(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Return how many events each impression brings (itself, a click, a like); n together."""
    clicked = rng.random(n) < CLICK  # n impressions are more than enough
    counts = 1 + clicked + (clicked & (rng.random(n) < LIKE))
    ends = np.cumsum(counts)
    used = int(np.searchsorted(ends, n)) + 1
    counts[used - 1] -= ends[used - 1] - n
    return np.asarray(counts[:used], dtype=np.int64)


def _visits(rng: np.random.Generator, n: int, n_users: int, days: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return user and start (s) of n visits, in order of time."""
    weights = np.cumsum(rng.gamma(2.0, size=n_users))
    users = np.minimum(np.searchsorted(weights, rng.random(n) * weights[-1]), n_users - 1)
    hours = rng.normal(20.0, 4.0, n_users)[users] + rng.normal(0.0, 1.5, n)
    starts = START + rng.integers(0, days, n) * DAY + (hours * 3600).astype(np.int64) % DAY
    order = np.argsort(starts, kind="stable")
    return users[order], starts[order]
