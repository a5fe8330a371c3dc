"""What the tests of the trainer train: a regression with viewers who have one to five rows each."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from avrec_lib.multimodal.settings import Settings

QUICK = Settings(epochs=3, batch=5, lr=0.02)


class SmallBatch(NamedTuple):
    viewers: Tensor  # (rows,): whose they are
    x: Tensor  # (rows, 4)
    y: Tensor  # (rows,)

    @property
    def n(self):
        return len(self.y)

    def to(self, device, non_blocking=False):
        return SmallBatch(*(t.to(device, non_blocking=non_blocking) for t in self))

    def pin_memory(self):
        return SmallBatch(*(t.pin_memory() for t in self))


class SmallRows:
    """n viewers."""

    def __init__(self, n=23, seed=0, waits=0.0):
        rng = np.random.default_rng(seed)
        self.counts, self.waits = rng.integers(1, 6, n), waits
        self.ends = np.append(0, self.counts.cumsum())
        self.x = torch.from_numpy(rng.normal(size=(self.ends[-1], 4)).astype(np.float32))
        self.y = self.x @ torch.tensor([1.0, -2.0, 0.5, 0.0])

    def __len__(self):
        return len(self.counts)

    def batch(self, viewers):
        time.sleep(self.waits)
        of = np.repeat(viewers, self.counts[viewers])
        rows = torch.from_numpy(np.concatenate([np.arange(self.ends[v], self.ends[v + 1]) for v in viewers]))
        return SmallBatch(torch.from_numpy(of), self.x[rows], self.y[rows])


class SmallModel(nn.Module):
    """The sum of the squared errors; `seen` notes the viewers of each forward pass, `told` what `at` was told."""

    def __init__(self, dropout=0.0, seed=0, waits=0.0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1))
            self.sometimes = nn.Linear(1, 1)  # takes part for some viewers only
        self.waits, self.seen, self.told = waits, [], []

    def at(self, progress):
        self.told.append(progress)

    def forward(self, batch):
        time.sleep(self.waits)
        self.seen.append(sorted(set(batch.viewers.tolist())))
        out = self.net(batch.x)  # (rows, 1)
        third = (batch.viewers % 3 == 0)[:, None]  # (rows, 1)
        if third.any():
            out = out + third * self.sometimes(batch.x[:, :1])
        return ((out[:, 0] - batch.y) ** 2).sum()


def weights(model):
    return torch.cat([p.detach().cpu().flatten() for p in model.parameters()])


def mean_loss(model, rows):
    """Return the mean loss over all rows, negated: a validation."""
    batch = rows.batch(np.arange(len(rows)))
    return -float(model.net(batch.x)[:, 0].sub(batch.y).square().mean())
