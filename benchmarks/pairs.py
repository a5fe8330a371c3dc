"""A pair of ours and a peer that do the same: timed in turn, compared in every round."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits

Same = Callable[[Any, Any], None]


class Side(NamedTuple):
    """One of the two: what the table calls it, and the work that is timed."""

    model: str
    library: str
    settings: str
    work: Callable[[], Any]


class Pair(NamedTuple):
    """Ours and the other; `amount` units are done in one call of either, and `same` compares (ours, theirs)."""

    ours: Side
    theirs: Side | None
    amount: float
    unit: str
    same: Same
    device: str = "cpu"
    warm_ups: int = 1
    repeats: int = 3


def close(atol: float) -> Same:
    """Return a comparison of two arrays that allows for rounding."""
    return lambda ours, theirs: np.testing.assert_allclose(ours, theirs, atol=atol)


@contextlib.contextmanager
def two_cores() -> Iterator[None]:
    """Keep to two processor cores, or fewer where the user or the machine says so, for both sides."""
    threads, cores = torch.get_num_threads(), None
    if hasattr(os, "sched_setaffinity"):  # Linux
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(cores)[:2])
    torch.set_num_threads(min(2, threads))
    try:
        with threadpool_limits(min(2, threads)):
            yield
    finally:
        torch.set_num_threads(threads)
        if cores is not None:
            os.sched_setaffinity(0, cores)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds on the wall clock, and the result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def measure(pair: Pair) -> list[dict[str, Any]]:
    """Time both in turn, compare the results of each round, and return a row for each."""
    mine, other = [], []
    for i in range(pair.warm_ups + pair.repeats):
        seconds, expected = timed(pair.theirs.work) if pair.theirs else (np.nan, None)
        own_seconds, result = timed(pair.ours.work)
        if pair.theirs:
            pair.same(result, expected)
        if i >= pair.warm_ups:
            mine.append(own_seconds)
            other.append(seconds)
    rows = []
    for side, seconds in ((pair.theirs, other), (pair.ours, mine)):
        if side is not None:
            rows.append({
                "model": side.model,
                "library": side.library,
                "settings": side.settings,
                "throughput": float(f"{pair.amount / np.median(seconds):.4g}"),
                "unit": pair.unit,
                "speed_up": None,
                "device": pair.device,
            })  # fmt: skip
    if pair.theirs:
        rows[-1]["speed_up"] = round(float(np.median(np.array(other) / np.array(mine))), 2)
    return rows
