"""How good a network is on items it was not taught: the last of each user, cut from the training table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from avrec_lib.recommenders.sequential.network import SequenceNetwork
from avrec_lib.recommenders.sequential.sequences import Histories, IntArray, last_windows

BATCH = 256  # users at a time


def last_states(network: SequenceNetwork, windows: IntArray, users: IntArray) -> Tensor:
    """Return the vector after the last item of each window, shape (B, d_out); a window without items gets zeros."""
    where = network.bias.device
    states = []
    for start in range(0, len(windows), BATCH):
        read = torch.from_numpy(windows[start : start + BATCH]).to(where)  # (b, T)
        lengths = (read != network.n_items).sum(dim=1)  # (b,)
        H = network(read, torch.from_numpy(users[start : start + BATCH]).to(where))  # (b, T, d_out)
        last = H[torch.arange(len(read), device=where), (lengths - 1).clamp(min=0)]  # (b, d_out)
        states.append(last.masked_fill((lengths == 0)[:, None], 0.0))
    return torch.cat(states) if states else network.outputs()[:0].detach()


def ndcg_of_last(
    network: SequenceNetwork, past: Histories, users: IntArray, targets: IntArray, T: int, k: int
) -> Callable[[], float]:
    """Return a function that measures the network as it is: mean NDCG@k of one target for each user.

    1 / log₂(1 + rank) if the target is among the k best of the items the user has not met, else 0.
    An item that scores the same as the target counts as better: a network that says nothing earns nothing.

    Parameters
    ----------
    past : Histories
        Without the targets.
    users, targets : int64 arrays, shape (B,)
    """
    windows = last_windows(past, users, T)
    met = [np.setdiff1d(past.of(user), target) for user, target in zip(users, targets, strict=True)]

    def measure() -> float:
        states, W = last_states(network, windows, users), network.outputs()
        gained = 0.0
        for start in range(0, len(users), BATCH):
            rows = slice(start, start + BATCH)
            scores = torch.addmm(network.bias, states[rows], W.T)  # (b, n_items)
            wanted = scores.gather(1, torch.from_numpy(targets[rows, None]).to(scores.device))  # (b, 1)
            owner = np.repeat(np.arange(len(scores)), [len(items) for items in met[rows]])
            hidden = torch.from_numpy(np.concatenate(met[rows])).to(scores.device)
            scores[torch.from_numpy(owner).to(scores.device), hidden] = -torch.inf
            rank = (scores >= wanted).sum(dim=1)  # (b,): 1 is the best
            gained += float(((rank <= k) / torch.log2(1.0 + rank)).sum())
        return gained / len(users)

    return measure
