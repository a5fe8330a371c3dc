"""Bayesian personalised ranking: learn from pairs of items, of which one was met and the other not.

Page 5.1.4. Nothing in a table of what happened says that an item is bad. So no score is asked to be right:
only the difference between two scores of one user is asked to have the right sign.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.data import Interactions
from avrec_lib.device import device
from avrec_lib.nn import training
from avrec_lib.nn.training import Epoch, Training, seeded
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.popularity import item_counts
from avrec_lib.recommenders.sequential.negatives import NegativeSampler
from avrec_lib.recommenders.sequential.sequences import Histories

Ints = NDArray[np.int64]


def bpr_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Return −mean log σ(s_better − s_worse), for scores of one shape. Source: Rendle et al. (2009), BPR-Opt."""
    return functional.softplus(worse - better).mean()


class Factors(nn.Module):
    """A network whose score is s = ⟨a, z_i⟩ + c_i: a vector a of the context, z_i and c_i of the item."""

    def contexts(self, users: Tensor, last: Tensor) -> Tensor:
        """Return a, shape (B, d), for users and the item that each met last (n_items where there is none)."""
        raise NotImplementedError

    def items(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and c of some items (…), shapes (…, d) and (…)."""
        raise NotImplementedError


class PairwiseModel(Recommender):
    """Base of the models trained by BPR; a subclass makes the `Factors` and says what a context is.

    Each training row is a context and the item that was met. In each step every row is given one
    item that its user has not met, drawn anew (`NegativeSampler`: it always ends), and the
    difference of the two scores is pushed up.

    Cold user: the number of training rows of each item. Cold item: it has only ever been the worse of
    a pair, so its score is low.

    Parameters
    ----------
    k : int
        Length of the factors.
    how : Training
    seed : int
    checkpoint : Path, optional
        See `avrec_lib.nn.training.train`.

    Attributes
    ----------
    history : list of Epoch
    """

    history: list[Epoch]
    DEFAULT = Training(epochs=30, batch=1024, lr=1e-2, weight_decay=0.1)

    def __init__(
        self, k: int = 32, how: Training | None = None, *, seed: int = 0, checkpoint: Path | None = None
    ) -> None:
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}.")
        self.k, self.seed, self.checkpoint = k, seed, checkpoint
        self.how = self.DEFAULT if how is None else how

    @abstractmethod
    def _factors(self, train: Interactions) -> Factors:
        """Make the network, its weights drawn from torch's random numbers."""

    @abstractmethod
    def _rows(self, train: Interactions) -> tuple[Ints, Ints, Ints, Ints]:
        """Return users, last items and items of the rows to learn from, shapes (n,), and every user's last item now."""

    def _fit(self, train: Interactions) -> None:
        rows = self._rows(train)
        u, before, i = (torch.from_numpy(part) for part in rows[:3])
        R = train.matrix()
        self._counts = item_counts(train)
        met = Histories(R.indices.astype(np.int64), R.indptr.astype(np.int64), train.n_items)
        sampler = NegativeSampler(self._counts, 0.0, met)
        where = device()
        with seeded(self.seed):
            network = self._factors(train).to(where)

        def loss_of(some: Tensor) -> Tensor:
            drawn, _ = sampler.draw(u[some], 1)  # (B, 1)
            a = network.contexts(u[some].to(where), before[some].to(where))  # (B, d)
            z, c = network.items(torch.stack([i[some], drawn[:, 0]]).to(where))  # (2, B, d), (2, B)
            better, worse = (z * a).sum(dim=2) + c  # two of (B,)
            return bpr_loss(better, worse)

        self.history = []
        if len(u):
            digest = hashlib.sha256(b"".join(part.tobytes() for part in rows)).hexdigest()
            model = type(self).__name__
            of = {"model": model, "k": self.k, "data": digest}
            self.history = training.train(
                network, loss_of, len(u), self.how, seed=self.seed, checkpoint=self.checkpoint, of=of, name=model
            )
        with torch.no_grad():
            everybody, last = torch.arange(train.n_users), torch.from_numpy(rows[3])
            self.context_vectors = (
                network.contexts(everybody.to(where), last.to(where)).cpu().numpy().astype(np.float64)
            )
            z, c = network.items(torch.arange(train.n_items, device=where))
        self.item_vectors, self.item_bias = (part.cpu().numpy().astype(np.float64) for part in (z, c))
        self._is_cold = np.diff(R.indptr) == 0

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = self.context_vectors[users] @ self.item_vectors.T + self.item_bias  # (B, n_items)
        scores[self._is_cold[users]] = self._counts
        return scores
