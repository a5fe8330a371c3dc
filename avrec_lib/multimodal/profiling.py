"""Where the time of a training step goes: to gathering, to the way to the device, to the layers, or to the optimiser.

Page 7.3. Measure before you change anything: a model that waits for its batches is not made faster by a faster GPU.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from time import perf_counter

import pandas as pd
import torch
from torch import nn

from avrec_lib.device import device
from avrec_lib.multimodal.gathering import Ints, Rows, steps_of
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.steps import make_optimiser, products

PARTS = ("gathering", "to the device", "forward", "backward", "optimiser")
WARM_UP = 3  # steps before the clock runs: memory is taken, kernels are chosen

Note = Callable[[str], None]


def profile_step(model: nn.Module, rows: Rows, settings: Settings, *, steps: int = 20) -> pd.DataFrame:
    """Measure the parts of a training step, one after the other, in one process.

    A copy of the model is trained. Batches are gathered in the process itself, whatever `settings.workers` is, so that
    their share shows whether workers are worth while; a step is not split, whatever `settings.accumulate` is. A GPU is
    waited for after each part, so the parts can take a little longer together than a step does.

    Parameters
    ----------
    model, rows, settings : see `avrec_lib.multimodal.trainer.fit`
    steps : int
        That are measured, after three that are not.

    Returns
    -------
    DataFrame
        Columns part, seconds (mean of a step) and share; the shares sum to 1.

    Raises
    ------
    ValueError
        If there are no rows, or no step is to be measured.
    """
    where, times = device(), dict.fromkeys(PARTS, 0.0)
    last = 0.0

    def note(part: str) -> None:
        nonlocal last
        _wait(where)
        now = perf_counter()
        times[part] += now - last
        last = now

    with _stepper(model, rows, settings, steps, where) as (step, viewers):
        for number in range(WARM_UP + steps):
            if number == WARM_UP:
                times.update(dict.fromkeys(PARTS, 0.0))
            chosen = next(viewers)
            last = perf_counter()
            step(chosen, note)
    total = sum(times.values())
    return pd.DataFrame(
        [(part, seconds / steps, seconds / total) for part, seconds in times.items()],
        columns=["part", "seconds", "share"],
    )


def profile_operators(
    model: nn.Module, rows: Rows, settings: Settings, *, steps: int = 5, top: int = 15
) -> pd.DataFrame:
    """Return the operators of PyTorch that a training step spends most time in, as `torch.profiler` counts it.

    An operator's own time is without that of the operators it calls. With a GPU the rows are sorted by the time there,
    else by the time on the CPU.

    Parameters
    ----------
    model, rows, settings : see `avrec_lib.multimodal.trainer.fit`
    steps : int
        That are recorded, after three that are not.
    top : int
        Rows of the answer, at most.

    Returns
    -------
    DataFrame
        Columns operator, calls (in a step), cpu_seconds (in a step) and share; with a GPU also gpu_seconds, and share
        is of these. Shares are of all operators, also of those left out.

    Raises
    ------
    ValueError
        If there are no rows, or steps or top is below 1.
    """
    from torch.profiler import ProfilerActivity, profile

    if top < 1:
        raise ValueError(f"top must be at least 1, not {top}.")
    where = device()
    on_gpu = where.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with _stepper(model, rows, settings, steps, where) as (step, viewers):
        for _ in range(WARM_UP):
            step(next(viewers), _nothing)
        with profile(activities=activities) as recorded:
            for _ in range(steps):
                step(next(viewers), _nothing)
            _wait(where)
    table = pd.DataFrame(
        [
            (event.key, event.count / steps, event.self_cpu_time_total / steps / 1e6, _on_gpu(event) / steps / 1e6)
            for event in recorded.key_averages()
            if event.device_type.name == "CPU"  # kernels are counted with the operator that started them
        ],
        columns=["operator", "calls", "cpu_seconds", "gpu_seconds"],
    )
    by = "gpu_seconds" if on_gpu else "cpu_seconds"
    table["share"] = table[by] / table[by].sum()
    table = table.sort_values([by, "operator"], ascending=[False, True]).head(top).reset_index(drop=True)
    return table if on_gpu else table.drop(columns="gpu_seconds")


@contextmanager
def _stepper(
    model: nn.Module, rows: Rows, settings: Settings, steps: int, where: torch.device
) -> Iterator[tuple[Callable[[Ints, Note], None], Iterator[Ints]]]:
    """Yield a function that trains a copy of the model by one step, and the viewers of the steps."""
    if len(rows) < 1 or steps < 1:
        raise ValueError(f"to profile takes at least one row and one step, not {len(rows)} and {steps}.")
    model = copy.deepcopy(model).to(where).train()
    forward = torch.compile(model) if settings.compile else model
    optimiser = make_optimiser(model, settings)
    trained = [p for p in model.parameters() if p.requires_grad]
    with (
        torch.random.fork_rng([where] if where.type == "cuda" else []),
        products(settings.precision, where) as rounded,
    ):
        torch.manual_seed(settings.seed)

        def step(viewers: Ints, note: Note) -> None:
            batch = rows.batch(viewers)
            note("gathering")
            there = batch.to(where)
            note("to the device")
            with rounded():
                loss = forward(there).float() / max(batch.n, 1)
            note("forward")
            optimiser.zero_grad()
            loss.backward()
            note("backward")
            nn.utils.clip_grad_norm_(trained, settings.clip)
            optimiser.step()
            note("optimiser")

        epochs = (steps_of(len(rows), settings.batch, settings.seed, epoch) for epoch in count())
        yield step, (viewers for epoch in epochs for viewers in epoch)


def _on_gpu(event: object) -> float:
    return float(getattr(event, "self_device_time_total", 0.0))


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize(where)


def _nothing(part: str) -> None:
    """Take no note of a part."""
