"""What the full model is trained and tested on: clips that were read, impressions of the past, and those of later.

Pages 7.2 and 7.3. A model is asked about days that it has not seen, and about clips that it knows and clips that are
new, apart: a random split would ask it about neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.data.clips import Clips, load_clips
from avrec_lib.data.microlens import load_microlens
from avrec_lib.data.ties import order_in_time
from avrec_lib.multimodal.batches import COLUMNS
from avrec_lib.multimodal.clip_inputs import ClipInputs
from avrec_lib.multimodal.inputs import Reading, read_clips, read_microlens
from avrec_lib.multimodal.settings import Settings

LATE, COLD = 0.2, 0.2  # the share of the impressions that come last; the share of the clips that play the new ones


@dataclass(frozen=True, eq=False)
class Dataset:
    """Clips and impressions.

    Attributes
    ----------
    name : str
    inputs : ClipInputs
    reading : Reading
        How new clips are to be read.
    train : DataFrame
        Columns user, item, click, position, session, timestamp; in order of time.
    tests : {name: DataFrame}
        Impressions of later, with the same columns; the index is that of the log.
    user_ids, item_ids : tuples of str
    n_positions : int
    truth : {name: float64 array}, optional
        The true chance of a click of each row of the tests, where somebody knows it.
    """

    name: str
    inputs: ClipInputs
    reading: Reading
    train: pd.DataFrame
    tests: Mapping[str, pd.DataFrame]
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    n_positions: int
    truth: Mapping[str, NDArray[np.float64]] | None = None

    def digest(self) -> str:
        """Return a fingerprint of what a model is trained on, for its checkpoints."""
        found = hashlib.sha256(self.train[list(COLUMNS)].to_numpy(np.int64).tobytes())
        for array in (self.inputs.there, *self.inputs.arrays.values()):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()[:16]


def clips_dataset(settings: Settings | None = None, clips: Clips | None = None, seed: int = 0) -> Dataset:
    """Return the book's clips: train on the first four fifths of the month, test on the last, on random sessions.

    One clip in five, drawn at random, is in no row of the training, nor in anything that is learnt to read clips. The
    tests are "seen clips", which training has met, and "new clips"; they hold the sessions that were filled at random,
    for the policy chose the others by what is liked.
    """
    data = load_clips() if clips is None else clips
    new = data.cold(COLD, seed)  # (n,)
    log = data.impressions
    item, time = log["item"].to_numpy(), log["timestamp"].to_numpy()
    later = time >= np.quantile(time, 1 - LATE)
    train = ~later & ~new[item]
    met = np.bincount(item[train], minlength=len(new)) > 0  # (n,)
    asked = later & log["random"].to_numpy()
    tests = {"seen clips": asked & met[item], "new clips": asked & new[item]}
    inputs, reading = read_clips(data, ~new, settings)
    p = data.click_probability()
    columns = log[list(COLUMNS)]
    return Dataset(
        "clips",
        inputs,
        reading,
        columns[train],
        {name: columns[rows] for name, rows in tests.items()},
        tuple(data.viewers["user_id"].astype(str)),
        tuple(data.items["item_id"].astype(str)),
        int(log["position"].max()),
        {name: p[rows] for name, rows in tests.items()},
    )


def microlens_dataset(folder: str | Path, settings: Settings | None = None) -> Dataset:
    """Return a MicroLens folder: each user's last video is the test, the ones before are the training.

    The data says what was commented on and not what was shown, so every row is a click at place 1, and each is a visit
    of its own. Train with user="history" or "both" and loss="softmax", for which the other videos of a batch are the
    wrong answers; the test is a ranking of all videos (`judging.ranks`).

    Raises
    ------
    ValueError
        If the settings need refusals, which the data does not hold.
    """
    s = Settings(user="history", loss="softmax") if settings is None else settings
    if s.loss != "softmax":
        raise ValueError("MicroLens tells what was watched and not what was refused; set user: history, loss: softmax.")
    data = load_microlens(folder)
    x = data.interactions
    order = order_in_time(x)
    log = pd.DataFrame(
        {
            "user": x.users[order].astype(np.int64),
            "item": x.items[order].astype(np.int64),
            "click": True,
            "position": 1,
            "session": np.arange(len(order)),
            "timestamp": np.asarray(x.timestamps)[order].astype(np.int64),
        }
    )
    is_last = ~log["user"].duplicated(keep="last") & log["user"].duplicated(keep="first")
    known = np.bincount(log["item"][~is_last], minlength=x.n_items) > 0
    inputs, reading = read_microlens(data, known, s)
    seen = known[log["item"].to_numpy()]
    tests = {"seen clips": log[is_last & seen], "new clips": log[is_last & ~seen]}
    tests = {name: rows for name, rows in tests.items() if len(rows)}
    train = log[~is_last].sort_values("timestamp", kind="stable")
    return Dataset("microlens", inputs, reading, train, tests, tuple(x.user_ids), tuple(x.item_ids), 1)


def load_dataset(where: str | Path = "clips", settings: Settings | None = None) -> Dataset:
    """Return the dataset called "clips", or the MicroLens folder of this path."""
    loaders: dict[str, Callable[[], Dataset]] = {"clips": lambda: clips_dataset(settings)}
    return loaders.get(str(where), lambda: microlens_dataset(where, settings))()


def held_back(train: pd.DataFrame, share: float = 0.1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide a training log by time, so that its last share can say when to stop: (to fit, to check)."""
    cut = np.quantile(train["timestamp"], 1 - share)
    is_last = train["timestamp"].to_numpy() >= cut
    return train[~is_last], train[is_last]
