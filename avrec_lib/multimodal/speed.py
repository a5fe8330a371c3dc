"""How many clips and impressions a second a device trains on and scores, in each precision that it can compute in.

Page 7.3. The batches are made up and lie on the device before the clock runs, so that the device alone is measured; how
long it would wait for a batch stands beside it, in the shares of a whole step. CPU and GPU take the same path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from avrec_lib.device import device
from avrec_lib.multimodal.batches import Batch, ViewerRows
from avrec_lib.multimodal.cards import peak
from avrec_lib.multimodal.made_up import made_up, shapes_of
from avrec_lib.multimodal.model import MultimodalModel
from avrec_lib.multimodal.profiling import PARTS, profile_operators, profile_step
from avrec_lib.multimodal.settings import Precision, Settings
from avrec_lib.multimodal.sizes import Size, model_size, named_size
from avrec_lib.multimodal.steps import make_optimiser, products

COLUMNS = (
    "work", "precision", "compiled", "device", "clips", "impressions", "steps", "seconds", "clips_per_second",
    "impressions_per_second", "memory", "share_of_peak", *PARTS, "operators",
)  # fmt: skip
READY = 2  # batches that take turns
LEAST = 2  # steps that are timed, however long they take
TOP = 5  # operators that are named


def bench(
    size: str | Settings = "small",
    seconds: float = 20.0,
    *,
    clips: int = 128,
    precisions: Sequence[Precision] | None = None,
    compiled: Sequence[bool] | None = None,
    profiled: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure training and inference on the best device there is, with made-up inputs.

    Parameters
    ----------
    size : str or Settings
        A name in `sizes.SIZES`, or settings.
    seconds : float
        For all that is timed together. Building, warming up, compiling and counting come on top.
    clips : int
        Different clips of a step, a multiple of 4; it has ten impressions for each.
    precisions : sequence of {"fp32", "tf32", "bf16"}, optional
        All that the device can compute in, see `able`, if left out. Others that are named are left out, too.
    compiled : sequence of bool, optional
        Whether `torch.compile` is used: without and with it on a GPU, only without on a CPU, if left out.
    profiled : bool
        Whether the parts of a step and its operators are measured, too.
    seed : int
        Of the inputs and the weights.

    Returns
    -------
    DataFrame
        One row for each work ("training", "inference"), precision, and compiled or not; columns `COLUMNS`. `clips` and
        `impressions` are of a step, `seconds` is the median step. `memory` is the most that PyTorch held on the GPU, in
        bytes; NaN on a CPU, where nobody counts it. `share_of_peak` is what the step computes, from `sizes`, over what
        `cards.peak` says; NaN for a card that is not in the table. The parts are shares of a training step that gathers
        its batch, see `profiling.profile_step`; NaN for inference. `operators` names the first five with their share.

    Raises
    ------
    ValueError
        If there is no such size, or a number is out of range.
    """
    if not 0 < seconds < math.inf:
        raise ValueError(f"seconds must be a positive number, not {seconds}.")
    settings = (named_size(size) if isinstance(size, str) else size).but(seed=seed)
    where = device()
    can = able(where)
    chosen = [precision for precision in (can if precisions is None else precisions) if precision in can]
    compiles = ((False, True) if can_compile(where) else (False,)) if compiled is None else compiled
    cost = model_size(settings, batch_clips=clips)
    rows = _rows(settings, clips, seed)
    cases = [(precision, is_compiled) for is_compiled in compiles for precision in chosen]
    each = seconds / max(len(cases), 1) / (3 if profiled else 2)
    table: list[dict[str, Any]] = []
    for precision, is_compiled in cases:
        now = settings.but(precision=precision, compile=is_compiled)
        for work in ("training", "inference"):
            row = _timed(work, now, rows, where, each) | _of_peak(work, cost, precision, where)
            row["share_of_peak"] = row.pop("flops") / row["seconds"] / row.pop("peak")
            if profiled and work == "training" and not is_compiled:
                row |= _profile(now, rows, row["seconds"], each)
            table.append(row)
    found = pd.DataFrame(table, columns=list(COLUMNS))
    return found.astype(dict.fromkeys(("memory", "share_of_peak", *PARTS), float))


def able(where: torch.device) -> tuple[Precision, ...]:
    """Return the precisions that a device computes in.

    TF32 and bfloat16 take an NVIDIA card of 2020 or later, and bfloat16 a CPU for which PyTorch has kernels. Elsewhere
    it is imitated, several times more slowly than float32: that is no speed of bfloat16.
    """
    if where.type == "cuda":
        is_new = torch.version.hip is None and torch.cuda.get_device_capability(where) >= (8, 0)
        return ("fp32", "tf32", "bf16") if is_new else ("fp32",)
    is_real = where.type == "cpu" and _cpu_has_bf16()
    return ("fp32", "bf16") if is_real else ("fp32",)


def can_compile(where: torch.device) -> bool:
    """Say whether `torch.compile` is worth trying: it writes kernels for a GPU by way of Triton."""
    return where.type == "cuda" and find_spec("triton") is not None


def _cpu_has_bf16() -> bool:
    has_kernels: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_kernels and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _rows(settings: Settings, clips: int, seed: int) -> ViewerRows:
    inputs, log = made_up(settings, clips, n_steps=READY, seed=seed)
    return ViewerRows(inputs, log, settings.history if settings.user in ("history", "both") else 0)


def _timed(work: str, settings: Settings, rows: ViewerRows, where: torch.device, seconds: float) -> dict[str, Any]:
    """Take steps for so many seconds, and return what they came to."""
    n = len(rows) // READY  # viewers of a step
    batches = [rows.batch(np.arange(i * n, (i + 1) * n)).to(where) for i in range(READY)]
    with _measured(where) as memory, _step(work, settings, where) as step:
        for batch in batches:  # memory is taken, kernels are chosen, and a model is compiled
            step(batch)
        _wait(where)
        times: list[float] = []
        while len(times) < LEAST or sum(times) < seconds:
            start = perf_counter()
            step(batches[len(times) % READY])
            _wait(where)
            times.append(perf_counter() - start)
        held = memory()
    middle = float(np.median(times))
    clips, impressions = len(batches[0].clips), batches[0].n
    return {
        "work": work,
        "precision": settings.precision,
        "compiled": settings.compile,
        "device": where.type,
        "clips": clips,
        "impressions": impressions,
        "steps": len(times),
        "seconds": middle,
        "clips_per_second": clips / middle,
        "impressions_per_second": impressions / middle,
        "memory": held,
    }


@contextmanager
def _step(work: str, settings: Settings, where: torch.device) -> Iterator[Callable[[Batch], None]]:
    """Yield a function that trains a model by one batch, or scores the batch."""
    model = MultimodalModel(settings, shapes_of(settings), 1000).to(where)
    forward: Callable[[Batch], torch.Tensor] = torch.compile(model) if settings.compile else model
    optimiser = make_optimiser(model, settings)
    trained = [p for p in model.parameters() if p.requires_grad]

    def train(batch: Batch) -> None:
        with rounded():
            loss = forward(batch).float() / batch.n
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, settings.clip)
        optimiser.step()

    def score(batch: Batch) -> None:
        with torch.no_grad(), rounded():
            forward(batch)

    devices = [where] if where.type == "cuda" else []
    with torch.random.fork_rng(devices), products(settings.precision, where) as rounded:
        torch.manual_seed(settings.seed)
        model.train(work == "training")
        yield train if work == "training" else score


@contextmanager
def _measured(where: torch.device) -> Iterator[Callable[[], float]]:
    """Yield a function that returns the most bytes that PyTorch has held on a GPU since; NaN on a CPU."""
    if where.type != "cuda":
        yield lambda: math.nan
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(where)
    yield lambda: float(torch.cuda.max_memory_allocated(where))


def _of_peak(work: str, cost: Size, precision: Precision, where: torch.device) -> dict[str, float]:
    """Return the FLOPs of a step, and the card's FLOP/s; a score is a product of so few numbers that it is left out."""
    flops = cost.step_flops if work == "training" else 2 * cost.multiply_adds * cost.clips
    best = peak(torch.cuda.get_device_name(where), precision) if where.type == "cuda" else None
    return {"flops": flops, "peak": math.nan if best is None else best}


def _profile(settings: Settings, rows: ViewerRows, step: float, seconds: float) -> dict[str, Any]:
    """Return the shares of a step's parts, and its first operators; takes about so many seconds."""
    steps = int(np.clip(seconds / step / 2, 1, 20))
    at_once = settings.but(batch=len(rows) // READY)
    model = MultimodalModel(settings, shapes_of(settings), 1000)
    parts = profile_step(model, rows, at_once, steps=steps)
    top = profile_operators(model, rows, at_once, steps=min(steps, 3), top=TOP)
    told = [f"{name} {share:.0%}" for name, share in zip(top["operator"], top["share"], strict=True)]
    return dict(zip(parts["part"], parts["share"], strict=True)) | {"operators": ", ".join(told)}


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize(where)
