"""Clips and impressions that nobody made: arrays of the shapes that settings ask for, to count and to time with.

Page 7.3. How long a step takes depends on shapes and not on what is in them, so a speed can be measured on a machine
that has no data, and means the same on all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.multimodal.clip_inputs import ClipInputs
from avrec_lib.multimodal.settings import Settings

Shapes = Mapping[str, tuple[int, ...]]
PLACES, VISITS = 10, 4  # clips of a visit, visits of a viewer
SHOWN = 10  # how often each clip is shown in a step, to different viewers
VIEWER = PLACES * VISITS // SHOWN  # clips there are for each viewer of a step
PIECES = 30_000  # ids of MiniLM's word pieces, about
DTYPES = {"words": np.int64, "minilm-tuned": np.int64, "pixels": np.uint8, "efficientnet-tuned": np.uint8}


def shapes_of(settings: Settings) -> dict[str, tuple[int, ...]]:
    """Return the shape of one clip's row of each sense, as `inputs` makes it from these settings."""
    s = settings
    of: dict[str, dict[str, tuple[int, ...]]] = {
        "text": {
            "lsa": (s.directions,),
            "words": (s.tokens,),
            "minilm": (384,),
            "minilm-tuned": (s.tokens,),
        },
        "picture": {
            "measured": (24,),
            "pixels": (s.pixels, s.pixels, 3),
            "efficientnet": (1280,),
            "efficientnet-tuned": (s.pixels, s.pixels, 3),
        },
        "sound": {
            "measured": (259,),
            "frames": (s.frames, s.coefficients),
            "whisper": (384,),
            "whisper-tuned": (s.frames, 80),
        },
    }
    return {sense: of[sense][getattr(s, sense)] for sense in s.senses}


def bytes_of_a_clip(settings: Settings, shapes: Shapes | None = None) -> int:
    """Return how much of a disk one clip's rows take, and the byte a sense that says whether it is there."""
    found = shapes_of(settings) if shapes is None else shapes
    return sum(int(np.prod(shape)) * _dtype(settings, sense).itemsize + 1 for sense, shape in found.items())


def made_up(
    settings: Settings, n_clips: int, *, shapes: Shapes | None = None, n_steps: int = 1, seed: int = 0
) -> tuple[ClipInputs, pd.DataFrame]:
    """Return n clips, and a log whose viewers have 40 impressions each in four visits, one click in five.

    n / 4 viewers make a step; together they are shown every clip ten times. So a step with all viewers of one of the
    `n_steps` parts of the log reads n clips and has 10 n impressions.

    Parameters
    ----------
    settings : Settings
        Which senses are read, and how.
    n_clips : int
        A multiple of 4.
    shapes : {sense: shape of one clip's row}, optional
        `shapes_of(settings)` if left out.

    Returns
    -------
    ClipInputs, and a DataFrame with the columns of `batches.COLUMNS`

    Raises
    ------
    ValueError
        If n_clips is no positive multiple of 4, or n_steps below 1.
    """
    if n_clips < VIEWER or n_clips % VIEWER or n_steps < 1:
        raise ValueError(f"n_clips must be a multiple of {VIEWER}, n_steps at least 1, not {n_clips} and {n_steps}.")
    rng = np.random.default_rng(seed)
    told = shapes_of(settings) if shapes is None else shapes
    arrays = {sense: _array(settings, sense, (n_clips, *shape), rng) for sense, shape in told.items()}
    nothing = pd.DataFrame(columns=["item", "sense", "reason"])
    inputs = ClipInputs(arrays, np.ones((n_clips, len(arrays)), dtype=np.bool_), nothing)
    n = SHOWN * n_clips * n_steps
    row = np.arange(n)
    items = [rng.permutation(np.repeat(np.arange(n_clips), SHOWN)) for _ in range(n_steps)]
    log = pd.DataFrame(
        {
            "user": row // (PLACES * VISITS),
            "item": np.concatenate(items),
            "click": rng.random(n) < 0.2,
            "position": 1 + row % PLACES,
            "session": row // PLACES,
            "timestamp": row // PLACES,
        }
    )
    return inputs, log


def _dtype(settings: Settings, sense: str) -> np.dtype[Any]:
    return np.dtype(DTYPES.get(getattr(settings, sense), np.float32))


def _array(settings: Settings, sense: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    kind = getattr(settings, sense)
    dtype = _dtype(settings, sense)
    if dtype == np.float32:
        return rng.standard_normal(shape, dtype=np.float32)
    if dtype == np.uint8:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    ids = rng.integers(1, PIECES if kind == "minilm-tuned" else settings.vocabulary, shape)  # (n, L)
    ids[np.arange(shape[1]) >= rng.integers(1, shape[1] + 1, shape[0])[:, None]] = 0  # padding
    return ids
