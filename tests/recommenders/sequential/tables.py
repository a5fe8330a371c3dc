"""Small tables that the tests of this folder share."""

from __future__ import annotations

import numpy as np
import pandas as pd

from avrec_lib.data import Interactions

SMALL = {"d": 8, "T": 5, "epochs": 2, "batch": 4, "on": "cpu"}


def cycle(n_items: int = 10, n_users: int = 30, length: int = 7) -> Interactions:
    """Return users who walk round a circle of items, each from another start; rows in no order."""
    u, t = np.divmod(np.arange(n_users * length), length)
    frame = pd.DataFrame({"user_id": u, "item_id": (u + t) % n_items, "rating": 1.0, "timestamp": 1000 * u + 60 * t})
    return Interactions.from_frame(frame.sample(frac=1, random_state=0))


def next_of_cycle(data: Interactions, length: int = 7) -> np.ndarray:
    """Return the item that each user of `cycle` will meet next."""
    return (np.arange(data.n_users) + length) % data.n_items


def random_table(seed: int = 0, n_users: int = 14, n_items: int = 9) -> Interactions:
    """Return random events, some at the same second, in no order; every user and item occurs."""
    rng = np.random.default_rng(seed)
    met = rng.random((n_users, n_items)) < 0.4
    met[np.arange(n_users), np.arange(n_users) % n_items] = True
    u, i = np.nonzero(met)
    frame = pd.DataFrame(
        {"user_id": u, "item_id": i, "rating": rng.integers(1, 6, len(u)), "timestamp": rng.integers(0, 20, len(u))}
    )
    return Interactions.from_frame(frame.sample(frac=1, random_state=seed))
