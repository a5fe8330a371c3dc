"""The rows of training: a step takes some viewers with everything they were shown, and reads each clip among it once.

Page 7.2. Who somebody is can only be learnt from all of their impressions together, and a pair or a softmax needs what
one visit showed side by side. So a row of the training loop is a viewer. Clips that several viewers of a batch were
shown are gathered and encoded once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from avrec_lib.multimodal.known import known_clicks

Ints = NDArray[np.int64]
COLUMNS = ("user", "item", "click", "position", "session", "timestamp")


class Inputs(Protocol):
    """What can hand out clips as tensors, such as `inputs.ClipInputs`."""

    def __len__(self) -> int:
        """Return the number of clips."""
        ...

    def of(self, items: ArrayLike) -> tuple[dict[str, Tensor], Tensor]:
        """Return the arrays of these clips by sense, and which senses are there, bool (n, S)."""
        ...


class Batch(NamedTuple):
    """B viewers, their E impressions in V visits, and the M different clips that these are about.

    Attributes
    ----------
    inputs : {sense: tensor (M, …)}
    there : bool tensor, shape (M, S)
    log_q : float32 tensor, shape (M,)
        Logarithm of each clip's share of all clicks, for the softmax.
    clips : int64 tensor, shape (M,)
        Their numbers.
    item, visit, viewer : int64 tensors, shape (E,)
        Which of the M clips, of the V visits and of the B viewers an impression belongs to.
    click : float32 tensor, shape (E,)
    position : int64 tensor, shape (E,)
    users : int64 tensor, shape (B,)
        Numbers of the viewers.
    history : int64 tensor, shape (V, T)
        Which of the M clips had been clicked before the visit, the newest first; −1 is padding.
    of_visit : int64 tensor, shape (V,)
        Which viewer each visit is of.
    """

    inputs: dict[str, Tensor]
    there: Tensor
    log_q: Tensor
    clips: Tensor
    item: Tensor
    visit: Tensor
    viewer: Tensor
    click: Tensor
    position: Tensor
    users: Tensor
    history: Tensor
    of_visit: Tensor

    @property
    def n(self) -> int:
        """Return E, the number of impressions."""
        return len(self.item)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Return the same batch on another device."""
        return self._each(lambda x: x.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Return the same batch in memory that a GPU can read by itself."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        inputs = {name: change(x) for name, x in self.inputs.items()}
        return Batch(inputs, *(change(x) for x in self[1:]))


class ViewerRows:
    """The impressions of a log, one row a viewer that has any.

    Parameters
    ----------
    inputs : Inputs
        The clips.
    log : DataFrame
        Columns user, item, click, position (1, 2, …), session and timestamp; one row an impression.
    n_history : int
        T; 0 if nobody reads histories.
    past : DataFrame, optional
        Impressions before `log` whose clicks belong to the histories too.

    Attributes
    ----------
    users : int64 array
        Number of the viewer of each row.

    Raises
    ------
    ValueError
        If a column is missing, the log is empty, or a clip is unknown.
    """

    def __init__(self, inputs: Inputs, log: pd.DataFrame, n_history: int = 0, past: pd.DataFrame | None = None) -> None:
        absent = [name for name in COLUMNS if name not in log]
        if absent:
            raise ValueError(f"the log lacks the column {', '.join(absent)}.")
        if log.empty:
            raise ValueError("the log has no impression; nothing can be learnt from it.")
        if int(log["item"].min()) < 0 or int(log["item"].max()) >= len(inputs):
            raise ValueError(f"clips are numbered 0..{len(inputs) - 1}; the log names others.")
        self.inputs = inputs
        begins = log.groupby(["user", "session"])["timestamp"].transform("min")
        # By user and visit: two visits that overlap in time, on two devices, stay two
        order = np.lexsort((log["position"], log["timestamp"], log["session"], begins, log["user"]))
        user, item, session = (log[name].to_numpy(np.int64)[order] for name in ("user", "item", "session"))
        self._item, self._click = item, log["click"].to_numpy(np.float32)[order]
        self._position = log["position"].to_numpy(np.int64)[order]
        self.users, first = np.unique(user, return_index=True)
        self._ends = np.append(first, len(user))
        new_visit = np.r_[True, (user[1:] != user[:-1]) | (session[1:] != session[:-1])]
        self._visit = np.cumsum(new_visit) - 1
        self._history = _histories(log.iloc[order], np.flatnonzero(new_visit), n_history, past)  # (visits, T)
        clicks = np.bincount(item, self._click, len(inputs))
        self._log_q = np.log(np.maximum(clicks, 1) / max(clicks.sum(), 1)).astype(np.float32)

    def __len__(self) -> int:
        """Return the number of viewers."""
        return len(self.users)

    @property
    def n(self) -> int:
        """Return the number of impressions."""
        return len(self._item)

    def batch(self, rows: ArrayLike) -> Batch:
        """Gather the viewers of these rows, in this order."""
        chosen = np.asarray(rows, dtype=np.int64)
        starts, counts = self._ends[chosen], self._ends[chosen + 1] - self._ends[chosen]
        place = _slices(starts, counts)  # (E,)
        first_visit = self._visit[starts]
        n_visits = self._visit[starts + counts - 1] - first_visit + 1
        here = np.cumsum(n_visits) - n_visits - first_visit  # from a visit's number to its number in the batch
        history = self._history[_slices(first_visit, n_visits)]  # (V, T)
        clips, (item, clicked) = _renumbered(len(self.inputs), self._item[place], history)
        inputs, there = self.inputs.of(clips)
        tell = torch.from_numpy
        return Batch(
            inputs,
            there,
            tell(self._log_q[clips]),
            tell(clips),
            tell(item),
            tell(self._visit[place] + np.repeat(here, counts)),
            tell(np.repeat(np.arange(len(chosen)), counts)),
            tell(self._click[place]),
            tell(self._position[place]),
            tell(self.users[chosen]),
            tell(clicked),
            tell(np.repeat(np.arange(len(chosen)), n_visits)),
        )


def _renumbered(n: int, *numbers: Ints) -> tuple[Ints, list[Ints]]:
    """Return the different clips among arrays of numbers below n, ascending, and the arrays in the new numbers.

    −1 stays −1. A table of n entries is quicker than to sort: gathering must not make a GPU wait.
    """
    is_there = np.zeros(n + 1, dtype=np.bool_)  # the last entry is that of −1
    for array in numbers:
        is_there[array] = True
    clips = np.flatnonzero(is_there[:n])
    new = np.full(n + 1, -1, dtype=np.int64)
    new[clips] = np.arange(len(clips))
    return clips, [new[array] for array in numbers]


def _slices(starts: Ints, counts: Ints) -> Ints:
    """Return start, start + 1, … of each slice, one after the other."""
    offset = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    return np.asarray(offset + np.arange(counts.sum()), dtype=np.int64)


def _histories(log: pd.DataFrame, first: Ints, length: int, past: pd.DataFrame | None) -> Ints:
    """Return what had been clicked before each visit, shape (visits, length); −1 is padding."""
    if length == 0:
        return np.zeros((len(first), 0), dtype=np.int64)
    told = log if past is None else pd.concat([past[list(COLUMNS)], log[list(COLUMNS)]])
    begins = told.groupby(["user", "session"])["timestamp"].transform("min")
    user, item, click, time = (told[name].to_numpy() for name in ("user", "item", "click", "timestamp"))
    found = known_clicks(user, item, click, time, begins.to_numpy(), length, -1)  # (impressions, length)
    return found[len(told) - len(log) + first]
