"""Wrong answers drawn at random: items that a user has not met, without ever trying twice.

The usual way draws an item and draws again while the user has met it. For a user who has met nearly
everything that takes long, and for one who has met everything it never ends. Here the items lie on a
line, each as long as its weight; what a user has met is cut out, and a point on what is left of the
line is one draw. All draws of a batch are two binary searches.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from avrec_lib.recommenders.sequential.sequences import Histories

LENGTH = 2**36  # of the line, about. Whole numbers, so that no rounding lets a met item through.


class NegativeSampler:
    """Draw item j for user u with probability q_uj = w_j / Σ_{l not met by u} w_l, w_j = (n_j + 1)^a; 0 if met.

    n_j is the number of training rows of item j; the 1 keeps an item without rows drawable. a = 0
    draws uniformly, a = 1 by popularity; a = 3/4 is the value of word2vec (Mikolov et al. 2013).

    **A user who has met every item** has no item left to draw, and is treated as one who has met
    none: the draw is from the whole catalogue. The losses leave out a draw that is the target itself.

    Parameters
    ----------
    counts : array, shape (n_items,)
        n_j.
    power : float
        a ≥ 0.
    met : Histories, optional
        What each user has met. By default nobody has met anything.

    Raises
    ------
    ValueError
        If the power is negative or not finite.
    """

    def __init__(self, counts: ArrayLike, power: float = 0.0, met: Histories | None = None) -> None:
        if not 0 <= power < np.inf:
            raise ValueError(f"negative_power must be a number of at least 0, not {power}.")
        weights = (np.asarray(counts, dtype=np.float64) + 1) ** power
        lengths = np.maximum(np.rint(weights * (LENGTH / weights.sum())), 1).astype(np.int64)  # (n_items,)
        ends = np.cumsum(lengths)  # item j lies on [ends[j] − lengths[j], ends[j])
        n_users = 0 if met is None else met.n_users
        users, items = _pairs(met) if met is not None else (np.empty(0, np.int64), np.empty(0, np.int64))
        self._lengths, self._ends = torch.from_numpy(lengths), torch.from_numpy(ends)
        self._total = int(ends[-1])
        cut = np.concatenate([[0], np.cumsum(lengths[items])])  # total length of the first k cuts, all users
        starts = np.searchsorted(users, np.arange(n_users + 1))  # (n_users + 1,)
        taken = np.diff(cut[starts])  # (n_users,)
        # Where each cut lies on the user's shortened line; users side by side, so that one search serves all.
        before = cut[:-1] - cut[starts[users]]
        gaps = users * (self._total + 1) + ends[items] - lengths[items] - before
        self._free = torch.from_numpy(np.where(taken < self._total, self._total - taken, self._total))
        self._full = torch.from_numpy(taken >= self._total)
        self._gaps, self._cut, self._first = map(torch.from_numpy, (gaps, cut, cut[starts]))
        self._knows = met is not None

    def draw(self, users: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Draw n items for each of some users, independently, from torch's random numbers.

        Parameters
        ----------
        users : int64 tensor, shape (B,), on the CPU
            Without `met` only their number matters.

        Returns
        -------
        (items, log_q) : int64 and float32 tensors, shape (B, n)
            The draws, and log q_uj of each.
        """
        where = torch.rand(len(users), n, dtype=torch.float64)  # (B, n)
        if not self._knows:
            point = (where * self._total).long().clamp_(max=self._total - 1)
            free = torch.full((len(users),), self._total)
        else:
            free = self._free[users]  # (B,)
            point = torch.minimum((where * free[:, None]).long(), free[:, None] - 1)
            passed = torch.searchsorted(self._gaps, users[:, None] * (self._total + 1) + point, right=True)
            skipped = self._cut[passed] - self._first[users][:, None]  # (B, n)
            point = point + skipped.masked_fill(self._full[users][:, None], 0)
        items = torch.searchsorted(self._ends, point, right=True)  # (B, n)
        log_q = self._lengths[items].double().log() - free[:, None].double().log()
        return items, log_q.float()


def _pairs(met: Histories) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the (user, item) pairs, each once, sorted."""
    users, items = np.divmod(np.unique(met.owners() * met.n_items + met.items), max(met.n_items, 1))
    return users, items
