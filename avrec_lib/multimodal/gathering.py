"""Which viewers a step takes, which process computes which of them, and the loader that gathers them ahead of time.

Page 7.3. The order of the viewers comes from the seed and the number of the epoch, not from a generator that runs on:
so any process can say what step 1,234 consists of, and a run that goes on in the midst of an epoch needs no past.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from avrec_lib.multimodal.settings import Settings

Ints = NDArray[np.int64]


class Gathered(Protocol):
    """A batch: its number of rows, and how to bring it to the device."""

    @property
    def n(self) -> int:
        """Return how many rows it has."""
        ...

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        """Return the same batch on another device."""
        ...

    def pin_memory(self) -> Self:
        """Return the same batch in memory that a GPU can read by itself."""
        ...


class Rows(Protocol):
    """Viewers that can be gathered by number; what comes out may depend on nothing but the numbers."""

    def __len__(self) -> int:
        """Return the number of viewers."""
        ...

    def batch(self, rows: Ints) -> Gathered:
        """Gather these viewers."""
        ...


class Part(NamedTuple):
    """The viewers of one forward pass, and whether their losses count."""

    viewers: Ints
    counts: bool


def steps_of(n: int, batch: int, seed: int, epoch: int) -> list[Ints]:
    """Return the viewers of each step of an epoch: all n once, in an order of its own, `batch` at a time.

    The last step may have fewer.
    """
    order = np.random.default_rng((seed, epoch)).permutation(n)
    return [order[start : start + batch] for start in range(0, n, batch)]


def share(viewers: Ints, n_processes: int, process: int, accumulate: int) -> list[Part]:
    """Return what one process computes of a step, one part after the other.

    A process for which no viewer is left takes the first of the step and does not count it: all processes have to
    take part in the exchange of gradients, or the others would wait for ever.
    """
    own = np.array_split(viewers, n_processes)[process]
    if not len(own):
        return [Part(viewers[:1], False)]
    return [Part(part, True) for part in np.array_split(own, accumulate) if len(part)]


class Order(Sampler[Ints]):
    """Yield the parts of one process from the step `first` to the end of the run.

    The epochs follow each other without a break, so that the loader gathers the next one while this one is validated.
    """

    def __init__(self, n: int, settings: Settings, n_processes: int, process: int, first: int = 0) -> None:
        self.n, self.settings, self.n_processes, self.process, self.first = n, settings, n_processes, process, first

    def steps(self, epoch: int, first: int = 0) -> Iterator[tuple[Ints, list[Part]]]:
        """Yield the steps of an epoch from its own step `first`: all viewers of each, and the parts of this process."""
        s = self.settings
        for viewers in steps_of(self.n, s.batch, s.seed, epoch)[first:]:
            yield viewers, share(viewers, self.n_processes, self.process, s.accumulate)

    def __iter__(self) -> Iterator[Ints]:
        """Yield the viewers of each part."""
        begun, first = divmod(self.first, math.ceil(self.n / self.settings.batch))
        for epoch in range(begun, self.settings.epochs):
            for _, parts in self.steps(epoch, first if epoch == begun else 0):
                yield from (part.viewers for part in parts)


class _Gather(Dataset[Gathered]):
    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __getitem__(self, viewers: Ints) -> Gathered:
        return self.rows.batch(viewers)


def loader(rows: Rows, order: Order, pin: bool) -> DataLoader[Gathered]:
    """Return a loader of the parts of `order`, gathered by as many processes as the settings say, two parts ahead."""
    workers = order.settings.workers
    return DataLoader(
        _Gather(rows),
        sampler=order,
        batch_size=None,  # what the sampler yields is a batch
        collate_fn=_as_it_is,
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        pin_memory=pin,
        worker_init_fn=_deaf,
        generator=torch.Generator(),  # its own: workers must not draw from the random numbers of the model
    )


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 (a Gathered, which DataLoader takes for a list)
    return batch


def _deaf(worker: int) -> None:
    """Leave Ctrl-C to the training process, which still needs the worker to end its step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
