"""Arithmetic that gives the same bytes on every machine, and the checks that covers and sounds share.

sin, exp and pow differ in their last bit from one machine to the next, and a rounding turns that bit
into another sample. So pictures and sounds are made of integers: a table of the sine whose entries are
far from where rounding could go either way (tested), fixed-point numbers, and random integers. Every
clip has a random generator of its own, so it is the same whatever batch it is made in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
TURN = 4096  # entries of SINE: steps of a full turn
ONE = 1024  # what stands for 1 in the fixed-point numbers of an attribute


def _unrounded_sine() -> NDArray[np.float64]:
    return 32767 * np.sin(2 * np.pi * np.arange(TURN) / TURN)


SINE = np.rint(_unrounded_sine()).astype(np.int64)  # 32767 sin(2πk / 4096)


def generator(seed: int, part: str) -> np.random.Generator:
    """Return the generator of one clip's cover or sound (`part`), independent of all others."""
    return np.random.Generator(np.random.PCG64([seed, *part.encode()]))


def between(rng: np.random.Generator, low: int, high: int) -> int:
    """Draw one integer from low to high, both included."""
    return int(rng.integers(low, high, endpoint=True))


def fixed(values: ArrayLike, name: str, n: int) -> Ints:
    """Return an attribute in [-1, 1] as integers in [-1024, 1024], shape (n,).

    Raises ValueError where there are not n numbers, or one is NaN or beyond [-1, 1].
    """
    array = np.asarray(values)
    if array.shape != (n,) or array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be {n} numbers, one a clip, not {array.dtype} of shape {array.shape}.")
    numbers = array.astype(np.float64)
    if (outside := ~(np.abs(numbers) <= 1)).any():  # NaN too
        raise ValueError(f"{name} must lie between -1 and 1; {numbers[outside][0]} does not.")
    return np.rint(numbers * ONE).astype(np.int64)  # times a power of two: exact


def whole(values: ArrayLike, name: str, n: int, low: int, high: int) -> Ints:
    """Return n integers (or booleans) from low to high, shape (n,), or raise ValueError."""
    array = np.asarray(values)
    if array.shape != (n,) or array.dtype.kind not in "iub":
        raise ValueError(f"{name} must be {n} integers, one a clip, not {array.dtype} of shape {array.shape}.")
    if n and not (low <= array.min() and array.max() <= high):
        raise ValueError(f"{name} must lie from {low} to {high}; these go from {array.min()} to {array.max()}.")
    return array.astype(np.int64)


def clip_seeds(seed: ArrayLike, n: int) -> Ints:
    """Return the seed of each clip, shape (n,): the n numbers given, or seed, seed + 1, … for a single one."""
    array = np.asarray(seed)
    if array.ndim == 0 and array.dtype.kind in "iu":
        array = array + np.arange(n)
    return whole(array, "seed", n, 0, 2**62)
