"""Two towers: one turns a user into a vector, the other an item, and they meet only in an inner product.

Page 5.1.6. Because nothing else joins them, the items' vectors can be computed once and put into an
index (`retrieval.ItemIndex`), and a user's list is one search.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

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
from avrec_lib.recommenders.similarity import Vectors, unit_rows


def in_batch_softmax(users: Tensor, items: Tensor, ids: Tensor, log_q: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of finding each user's own item among the items of the whole batch.

    L = −(1/B) Σ_b log [ exp(s_bb) / Σ_c exp(s_bc) ],   s_bc = ⟨h_b, v_c⟩ / τ − log q_c

    The other rows' items are the wrong answers, which costs nothing. They come as often as they are
    met, with probability q, so without the − log q popular items are pushed down too far; with it the
    loss estimates the one over the whole catalogue. A wrong answer that is the row's own item again
    is left out. Source: Yi et al. (2019), the batch softmax with its correction.

    Parameters
    ----------
    users, items : float tensors, shape (B, d)
        h and v, row by row what belongs together.
    ids : int64 tensor, shape (B,)
        Which item each row's is.
    log_q : float tensor, shape (B,)
    temperature : float
        τ > 0.
    """
    s = users @ items.T / temperature - log_q  # (B, B)
    again = (ids[:, None] == ids) & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device)
    return functional.cross_entropy(s.masked_fill(again, -torch.inf), torch.arange(len(ids), device=ids.device))


class TwoTower(Recommender):
    """Retrieve by two towers trained with the in-batch softmax.

    h_u = e_u + n^(−1/2) Σ_{j met by u} a_j,   v_i = b_i + W x_i,   both divided by their lengths
    ŝ_ui = ⟨h_u, v_i⟩

    The user tower reads who it is and what was met. In training it reads a random part of it, of a
    random size, and never the item to be found. All but that item would not do: a sum with a hole
    tells, by the hole, what is missing, and the towers learn to read that instead of a taste. The
    item tower reads which item it is and, with `item_vectors`, what it is like: a b_i that no row
    has trained is 0, so a cold item is known by its content alone. Sources: Covington, Adams and
    Sargin (2016) for the towers, Yi et al. (2019) for the loss.

    Cold user: the number of training rows of each item. Cold item: by its content vector; without
    vectors 0.

    Parameters
    ----------
    item_vectors : array or sparse matrix, shape (n_items, d_x), optional
        Divided by their lengths.
    d : int
        Length of h and v.
    temperature : float
        τ of `in_batch_softmax`: the smaller, the more the hardest wrong answers count.
    how : Training
    correct : bool
        Whether log q is subtracted.
    seed : int
    checkpoint : Path, optional
        See `avrec_lib.nn.training.train`.

    Attributes
    ----------
    user_vectors, item_vectors_ : float32 arrays, shapes (n_users, d) and (n_items, d)
        h and v; a row of zeros for a user without rows.
    history : list of Epoch

    Raises
    ------
    ValueError
        If a setting is out of range, or the vectors do not fit.
    """

    user_vectors: NDArray[np.float32]
    item_vectors_: NDArray[np.float32]
    history: list[Epoch]

    def __init__(
        self,
        item_vectors: Vectors | None = None,
        d: int = 64,
        temperature: float = 0.15,
        how: Training | None = None,
        *,
        correct: bool = True,
        seed: int = 0,
        checkpoint: Path | None = None,
    ) -> None:
        if d < 1 or not temperature > 0:
            raise ValueError(f"d must be at least 1 and temperature above 0, not {d} and {temperature}.")
        self.directions: Any = None if item_vectors is None else unit_rows(item_vectors)  # (n_items, d_x)
        self.d, self.temperature, self.correct, self.seed = d, temperature, correct, seed
        self.how = Training(epochs=15, batch=1024, lr=1e-2, weight_decay=1e-2) if how is None else how
        self.checkpoint = checkpoint

    def _fit(self, train: Interactions) -> None:
        X = self._content(train.n_items)  # (n_items, d_x)
        R = train.matrix()  # sorted by user and item, so that the order of the rows does not matter
        users = torch.from_numpy(np.repeat(np.arange(train.n_users), np.diff(R.indptr)))  # (n,)
        items = torch.from_numpy(R.indices.astype(np.int64))
        self._counts = item_counts(train)
        log_q = torch.from_numpy(np.log(np.maximum(self._counts, 1) / len(train)))
        where = device()
        with seeded(self.seed):
            towers = _Towers(R.indptr.astype(np.int64), items, X, torch.from_numpy(self._counts > 0), self.d).to(where)

        def loss_of(rows: Tensor) -> Tensor:
            u, i = users[rows].to(where), items[rows].to(where)
            correction = log_q[items[rows]].to(where) if self.correct else torch.zeros(len(rows), device=where)
            return in_batch_softmax(towers.of_users(u, without=i), towers.of_items(i), i, correction, self.temperature)

        of = {"model": "TwoTower", "d": self.d, "temperature": self.temperature, "correct": self.correct}
        digest = hashlib.sha256(R.indptr.tobytes() + R.indices.tobytes() + X.numpy().tobytes()).hexdigest()
        self.history = training.train(
            towers,
            loss_of,
            len(items),
            self.how,
            seed=self.seed,
            checkpoint=self.checkpoint,
            of=of | {"data": digest},
            name="two towers",
        )
        with torch.no_grad():
            parts = torch.split(torch.arange(train.n_users), 1024)
            self.user_vectors = torch.cat([towers.of_users(part.to(where)) for part in parts]).cpu().numpy()
            self.item_vectors_ = towers.of_items(torch.arange(train.n_items, device=where)).cpu().numpy()
        self._is_cold = np.diff(R.indptr) == 0
        self.user_vectors[self._is_cold] = 0

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float64]:
        scores = self.user_vectors[users].astype(np.float64) @ self.item_vectors_.T.astype(np.float64)  # (B, n_items)
        scores[self._is_cold[users]] = self._counts
        return scores

    def _content(self, n_items: int) -> Tensor:
        if self.directions is None:
            return torch.zeros(n_items, 0)
        if self.directions.shape[0] != n_items:
            raise ValueError(
                f"item_vectors has {self.directions.shape[0]} rows for {n_items} items; give one for each."
            )
        dense = self.directions if isinstance(self.directions, np.ndarray) else self.directions.toarray()
        return torch.from_numpy(np.ascontiguousarray(dense, dtype=np.float32))


class _Towers(nn.Module):
    """The two networks; they know the training rows, as CSR, to sum what a user met."""

    starts: Tensor
    met: Tensor
    content: Tensor
    is_known: Tensor

    def __init__(self, indptr: NDArray[np.int64], met: Tensor, content: Tensor, is_known: Tensor, d: int) -> None:
        super().__init__()
        n_users, n_items = len(indptr) - 1, len(content)
        for name, tensor in (
            ("starts", torch.from_numpy(indptr)),
            ("met", met),
            ("content", content),
            ("is_known", is_known),
        ):
            self.register_buffer(name, tensor, persistent=False)
        self.user, self.item, self.sum = nn.Embedding(n_users, d), nn.Embedding(n_items, d), nn.Embedding(n_items, d)
        for table in (self.user, self.item, self.sum):
            nn.init.normal_(table.weight, std=d**-0.5)
        self.read = nn.Linear(content.shape[1], d, bias=False) if content.shape[1] else None

    def of_users(self, users: Tensor, without: Tensor | None = None) -> Tensor:
        """Return h of some users, shape (B, d); where an item is to be found, from a random part of the others."""
        lengths = self.starts[users + 1] - self.starts[users]  # (B,)
        offsets = torch.cumsum(lengths, 0) - lengths
        owner = torch.repeat_interleave(torch.arange(len(users), device=users.device), lengths)  # (N,)
        rows = torch.arange(len(owner), device=users.device) - (offsets - self.starts[users])[owner]
        items = self.met[rows]
        if without is not None:
            chance = torch.rand(len(users)).to(users.device)[owner]
            kept = (torch.rand(len(items)).to(users.device) < chance) & (items != without[owner])
            items, lengths = items[kept], torch.bincount(owner[kept], minlength=len(users))
            offsets = torch.cumsum(lengths, 0) - lengths
        n = lengths.to(self.sum.weight.dtype)
        sums = functional.embedding_bag(items, self.sum.weight, offsets, mode="sum")  # (B, d)
        return functional.normalize(self.user(users) + sums / n.clamp(min=1).sqrt()[:, None], dim=1)

    def of_items(self, items: Tensor) -> Tensor:
        """Return v of some items, shape (B, d)."""
        v = self.item(items) * self.is_known[items, None]
        return functional.normalize(v if self.read is None else v + self.read(self.content[items]), dim=1)
