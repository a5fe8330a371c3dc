"""Twenty clips, twelve viewers and what these were shown: what the tests of the full model are made with, no media."""

from __future__ import annotations

import numpy as np
import pandas as pd

from avrec_lib.multimodal.clip_inputs import ClipInputs
from avrec_lib.multimodal.dataset import Dataset
from avrec_lib.multimodal.inputs import Reading
from avrec_lib.multimodal.lsa import Lsa
from avrec_lib.multimodal.model import MultimodalModel
from avrec_lib.multimodal.scale import Scale
from avrec_lib.multimodal.settings import Settings

N_CLIPS, N_VIEWERS, N_POSITIONS = 20, 12, 5
WIDTHS = {"text": 4, "picture": 3, "sound": 5}
USERS = ("tastes", "id", "history", "both", "nobody")
SMALL = Settings(
    directions=4, width=6, d=5, tastes=3, hot=4.0, history=4, epochs=3, batch=5, lr=0.02, weight_decay=0.01
)
BY_HISTORY = SMALL.but(user="both", loss="softmax")


def small_inputs(senses=tuple(WIDTHS), seed=0):
    """Every sense is missing somewhere, and clip 5 has none at all."""
    rng = np.random.default_rng(seed)
    arrays = {sense: rng.normal(size=(N_CLIPS, WIDTHS[sense])).astype(np.float32) for sense in WIDTHS}
    there = np.ones((N_CLIPS, len(WIDTHS)), dtype=bool)
    there[[3, 7, 11], [0, 1, 2]] = False
    there[5] = False
    for sense, is_there in zip(WIDTHS, there.T, strict=True):
        arrays[sense][~is_there] = 0
    kept = [list(WIDTHS).index(sense) for sense in senses]
    faults = pd.DataFrame([], columns=["item", "sense", "reason"])
    return ClipInputs({sense: arrays[sense] for sense in senses}, there[:, kept], faults)


def small_log(n_visits=4, seed=0, first=0):
    """Return visits of five clips, one after the other; half of the viewers like the even clips."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_visits * N_VIEWERS):
        user = number % N_VIEWERS
        for place, item in enumerate(rng.choice(N_CLIPS, N_POSITIONS, replace=False), 1):
            click = rng.random() < (0.8 if item % 2 == user % 2 else 0.2)
            rows.append((user, item, click, place, first + number, 1000 * (first + number) + 10 * place))
    return pd.DataFrame(rows, columns=["user", "item", "click", "position", "session", "timestamp"])


def small_reading(settings=SMALL):
    lsa = Lsa({"tea": 1.0, "milk": 1.5}, np.eye(2, 4, dtype=np.float32))
    scale = {sense: Scale(np.zeros(n, np.float32), np.ones(n, np.float32), True) for sense, n in WIDTHS.items()}
    return Reading(settings, {}, lsa, scale)


def small_dataset(settings=SMALL):
    """Return a dataset with one test; of each of its rows the true chance of a click is known."""
    test = small_log(2, seed=1, first=1000)
    truth = np.where(test["item"] % 2 == test["user"] % 2, 0.8, 0.2)
    return Dataset(
        "small",
        small_inputs(settings.senses),
        small_reading(settings),
        small_log(),
        {"later": test},
        tuple(f"v{u}" for u in range(N_VIEWERS)),
        tuple(f"c{i}" for i in range(N_CLIPS)),
        N_POSITIONS,
        {"later": truth},
    )


def small_model(settings=SMALL, n_users=N_VIEWERS):
    shapes = {sense: (WIDTHS[sense],) for sense in settings.senses}
    return MultimodalModel(settings, shapes, n_users, N_POSITIONS)
