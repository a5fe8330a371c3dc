"""Where a training step spends its time, in the article's model and in the full one, and how long it waits for data.

Three kinds of rows. A "part" is a share of a step: gathering the batch, bringing it to the device, forward, backward,
optimiser. An "operator" is a share of the time of PyTorch's operators, by `torch.profiler`; the first eight are kept.
"waiting" is the share of an epoch of `trainer.fit` in which training waited for a batch, with batches gathered in the
training process (0 workers) and by two processes ahead of it.

The inputs are made up. The full model is that of `Settings()`, 250 viewers a step, its inputs in memory; and the one
with words, pixels and frames, 25 viewers a step, which looks about 970 of 20,000 clips up in memory-mapped files. The
files were written just before, so the system still has them in memory: a disk that must be read is slower.

    python -m benchmarks profile      # under a minute on two cores
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.device import device
from avrec_lib.multimodal.article import ArticleModel
from avrec_lib.multimodal.batches import ViewerRows
from avrec_lib.multimodal.clip_inputs import ClipInputs
from avrec_lib.multimodal.config import ArticleConfig
from avrec_lib.multimodal.gathering import Rows
from avrec_lib.multimodal.made_up import made_up, shapes_of
from avrec_lib.multimodal.model import MultimodalModel
from avrec_lib.multimodal.profiling import profile_operators, profile_step
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.sizes import SIZES
from avrec_lib.multimodal.trainer import fit
from benchmarks.multimodal import INPUTS, keep_freed_memory, samples
from benchmarks.pairs import two_cores

PACKAGES = ("numpy", "torch", "accelerate")
TOP = 8
WORKERS = (0, 2)


class ClipBatch(NamedTuple):
    """Inputs of B clips and a click for each."""

    words: Tensor
    pictures: Tensor
    frames: Tensor
    clicks: Tensor

    @property
    def n(self) -> int:
        """Return B."""
        return len(self.clicks)

    def to(self, where: torch.device, non_blocking: bool = False) -> ClipBatch:
        """Return the same on a device."""
        return ClipBatch(*(x.to(where, non_blocking=non_blocking) for x in self))

    def pin_memory(self) -> ClipBatch:
        """Return the same in memory that a GPU can read by itself."""
        return ClipBatch(*(x.pin_memory() for x in self))


class ClipRows:
    """Clips that are gathered by number, as the arrays of page 5.3 are."""

    def __init__(self, config: ArticleConfig, n: int) -> None:
        data = samples(config, n, 1)
        self.arrays = [*(data.inputs[name] for name in INPUTS), data.clicks]

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.arrays[0])

    def batch(self, rows: np.ndarray) -> ClipBatch:
        """Gather these clips."""
        return ClipBatch(*(torch.from_numpy(array[rows]) for array in self.arrays))


class ArticleLoss(nn.Module):
    """The sum of the article's losses, as the trainer wants it."""

    def __init__(self, config: ArticleConfig) -> None:
        super().__init__()
        self.article = ArticleModel(config)

    def forward(self, batch: ClipBatch) -> Tensor:
        """Return a scalar."""
        logits = self.article(batch.words, batch.pictures, batch.frames)
        return functional.binary_cross_entropy_with_logits(logits, batch.clicks, reduction="sum")


class Case(NamedTuple):
    """A model to look into, and what the table calls it."""

    name: str
    told: str
    model: nn.Module
    rows: Rows
    settings: Settings


def article(config: ArticleConfig, n: int = 640, batch: int = 64) -> Case:
    """Return the article's model with the batches of the benchmark `multimodal`."""
    told = f"batches of {batch} clips"
    return Case("article", told, ArticleLoss(config), ClipRows(config, n), Settings(batch=batch, lr=1e-3))


def full(n_clips: int = 1000) -> Case:
    """Return the full model of the default settings, all its clips in every step."""
    s = Settings(batch=n_clips // 4)
    inputs, log = made_up(s, n_clips, n_steps=4)
    told = f"{', '.join(getattr(s, sense) for sense in s.senses)}; {s.batch} viewers, in memory"
    return Case("full", told, MultimodalModel(s, shapes_of(s), 4 * s.batch), ViewerRows(inputs, log), s)


def mapped(folder: Path, n_clips: int = 20_000, n_viewers: int = 300, batch: int = 25) -> Case:
    """Return the model with words, pixels and frames, whose inputs stay in files."""
    s = SIZES["small"].but(batch=batch)
    inputs, log = made_up(s, n_clips)
    inputs.save(folder / "inputs")
    log = log[log["user"] < n_viewers]
    told = f"{', '.join(getattr(s, sense) for sense in s.senses)}; {batch} viewers, memory-mapped"
    rows = ViewerRows(ClipInputs.load(folder / "inputs"), log)
    return Case("full", told, MultimodalModel(s, shapes_of(s), n_viewers), rows, s)


def parts(case: Case, steps: int) -> list[dict[str, Any]]:
    """Return the shares of a step's parts, and of its first operators."""
    shares = profile_step(case.model, case.rows, case.settings, steps=steps)
    top = profile_operators(case.model, case.rows, case.settings, steps=max(1, steps // 2), top=TOP)
    rows = [_row(case, "part", name, share) for name, share in zip(shares["part"], shares["share"], strict=True)]
    return rows + [
        _row(case, "operator", name, share) for name, share in zip(top["operator"], top["share"], strict=True)
    ]


def waiting(case: Case, epochs: int) -> list[dict[str, Any]]:
    """Return the share of the last epoch in which the trainer waited for a batch, for each number of workers."""
    rows = []
    for workers in WORKERS:
        history = fit(case.model, case.rows, case.settings.but(epochs=epochs, workers=workers), name=case.name)
        rows.append(_row(case, "waiting", f"{workers} workers", history[-1].waiting))
    return rows


def run(steps: int = 10, n_clips: int = 1000, n_mapped: int = 20_000, n_viewers: int = 300) -> list[dict[str, Any]]:
    """Measure all three models."""
    keep_freed_memory()
    with two_cores(), tempfile.TemporaryDirectory() as folder:
        whole = full(n_clips)
        on_disk = mapped(Path(folder), n_mapped, n_viewers)
        rows = parts(article(ArticleConfig()), steps)
        rows += parts(whole, steps) + waiting(whole, epochs=6)
        return rows + parts(on_disk, max(1, steps // 2)) + waiting(on_disk, epochs=2)


def _row(case: Case, kind: str, name: str, share: float) -> dict[str, Any]:
    row = {"model": case.name, "settings": case.told, "kind": kind, "name": name, "share": round(float(share), 4)}
    return row | {"device": device().type, "threads": torch.get_num_threads()}


def main() -> None:
    """Print the table."""
    print(pd.DataFrame(run()).to_string(index=False))


if __name__ == "__main__":
    main()
