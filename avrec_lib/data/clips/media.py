"""The covers and sounds as two big arrays in the cache: made on first use, checked by hash, mapped into memory.

They are the same bytes on every machine, since they are drawn with integers; 2,000 covers are
25 MB, 2,000 sounds 128 MB. A file that is not what it should be is made again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import NDArray
from tqdm import tqdm

from avrec_lib.data.assets import AssetError, cache_folder
from avrec_lib.data.clips.covers import draw_covers
from avrec_lib.data.clips.sounds import play_sounds
from avrec_lib.data.download import sha256_of

CHUNK = 200  # clips made at a time
SEEN = ("look_warm", "look_busy", "shape", "colour", "count")
HEARD = ("sound_pace", "sound_bright", "rising")
SHA256 = {
    "covers": "81bce7640f956f28e337b45721d7c1f995f0b2d7c4441e3029dffcab525dab62",
    "sounds": "b3129abeaaa803c92485299138d018aac6f6acef0af93a5fdd72a004da593be9",
}


def covers(truth: pd.DataFrame) -> NDArray[np.uint8]:
    """Return the covers of clips with these true attributes, shape (n, 64, 64, 3), read-only."""

    def draw(part: pd.DataFrame) -> NDArray[np.uint8]:
        warm, busy, shape, colour, count = (part[name].to_numpy() for name in SEEN)
        return draw_covers(warm, busy, shape, colour, count, seed=part.index.to_numpy())

    return np.asarray(_made("covers", truth, draw, (64, 64, 3), np.dtype(np.uint8)))


def sounds(truth: pd.DataFrame) -> NDArray[np.int16]:
    """Return the sounds of clips with these true attributes, shape (n, 32000), 16 kHz, read-only."""

    def play(part: pd.DataFrame) -> NDArray[np.int16]:
        pace, bright, rising = (part[name].to_numpy() for name in HEARD)
        return play_sounds(pace, bright, rising, seed=part.index.to_numpy())

    return np.asarray(_made("sounds", truth, play, (32_000,), np.dtype(np.int16)))


def _made(
    name: str,
    truth: pd.DataFrame,
    make: Callable[[pd.DataFrame], NDArray[np.generic]],
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
) -> NDArray[np.generic]:
    """Map `<cache>/clips/<name>.npy` into memory, making it first where it is missing or wrong."""
    path = cache_folder() / "clips" / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # two pages may want it at once
        if not path.exists() or sha256_of(path) != SHA256[name]:
            _write(path, truth, make, shape, dtype, name)
            if (found := sha256_of(path)) != SHA256[name]:
                path.unlink()
                raise AssetError(
                    f"the {name} made here have SHA-256 {found}, not {SHA256[name]}, so they would differ from the "
                    "book's. Install the versions of constraints.txt; if that does not help, please report it."
                )
    return cast(NDArray[np.generic], np.load(path, mmap_mode="r"))


def _write(
    path: Path,
    truth: pd.DataFrame,
    make: Callable[[pd.DataFrame], NDArray[np.generic]],
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
    name: str,
) -> None:
    part = path.with_suffix(".npy.part")
    array = np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=(len(truth), *shape))
    for start in tqdm(range(0, len(truth), CHUNK), desc=f"making the {name}", delay=1, disable=None, leave=False):
        array[start : start + CHUNK] = make(truth.iloc[start : start + CHUNK])
    array.flush()
    del array
    part.replace(path)
