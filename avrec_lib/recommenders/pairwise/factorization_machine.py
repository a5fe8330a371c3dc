"""Factorisation machines: every two features of a pair have a weight, and the weights have few dimensions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from avrec_lib.data import Interactions
from avrec_lib.nn.training import Training
from avrec_lib.recommenders.pairwise.base import Factors, Ints, PairwiseModel
from avrec_lib.recommenders.similarity import Vectors, unit_rows


def fm_score(x: ArrayLike, w0: float, w: ArrayLike, V: ArrayLike) -> NDArray[np.float64]:
    """Return the score of feature vectors: ŷ = w_0 + Σ_f w_f x_f + Σ_{f<g} ⟨v_f, v_g⟩ x_f x_g, shape (n,).

    The sum over pairs costs n_features² k as it stands, and n_features k as a square of a sum
    without the squares:

    Σ_{f<g} ⟨v_f, v_g⟩ x_f x_g = ½ ( ‖Σ_f x_f v_f‖² − Σ_f x_f² ‖v_f‖² )

    Source: Rendle (2010), eq. 1 and lemma 3.1.

    Parameters
    ----------
    x : array_like, shape (n, n_features)
    w0, w : float and array_like, shape (n_features,)
    V : array_like, shape (n_features, k)
    """
    X, F = np.atleast_2d(np.asarray(x, dtype=np.float64)), np.asarray(V, dtype=np.float64)
    linear = np.asarray(w, dtype=np.float64)
    if X.shape[1] != len(F) or linear.shape != (len(F),):
        raise ValueError(f"x has {X.shape[1]} features, w {len(linear)} and V {len(F)}; they must agree.")
    pairs = ((X @ F) ** 2).sum(axis=1) - (X**2) @ (F**2).sum(axis=1)
    return np.asarray(w0 + X @ linear + pairs / 2, dtype=np.float64)


class FactorizationMachine(PairwiseModel):
    """Rank by a factorisation machine of three fields: who, which item, and what the item is like.

    The features of a pair are a 1 for the user, a 1 for the item, and the item's vector x. What
    depends on the user alone does not change an order, so with

    z_i = v_i + Σ_f x_if v_f,   c_i = w_i + Σ_f x_if w_f + the pairs within (1, x_i)

    the score of `fm_score` is ⟨v_u, z_i⟩ + c_i and something of the user. Without item vectors it is
    matrix factorisation trained by BPR. Sources: Rendle (2010); Rendle et al. (2009).

    Parameters
    ----------
    item_vectors : array or sparse matrix, shape (n_items, d_x), optional
        Divided by their lengths.
    k, how, seed, checkpoint : see `PairwiseModel`

    Raises
    ------
    ValueError
        If k is less than 1, or the vectors do not fit.
    """

    def __init__(
        self,
        item_vectors: Vectors | None = None,
        k: int = 32,
        how: Training | None = None,
        *,
        seed: int = 0,
        checkpoint: Path | None = None,
    ) -> None:
        super().__init__(k, how, seed=seed, checkpoint=checkpoint)
        self.directions: Any = None if item_vectors is None else unit_rows(item_vectors)  # (n_items, d_x)

    def _factors(self, train: Interactions) -> Factors:
        X = np.zeros((train.n_items, 0)) if self.directions is None else self.directions
        if X.shape[0] != train.n_items:
            raise ValueError(f"item_vectors has {X.shape[0]} rows for {train.n_items} items; give one for each.")
        dense = X if isinstance(X, np.ndarray) else X.toarray()
        return _Machine(train.n_users, torch.from_numpy(np.ascontiguousarray(dense, dtype=np.float32)), self.k)

    def _rows(self, train: Interactions) -> tuple[Ints, Ints, Ints, Ints]:
        R = train.matrix()  # sorted by user and item, so that the order of the rows does not matter
        users = np.repeat(np.arange(train.n_users), np.diff(R.indptr))
        nothing = np.full(max(len(users), train.n_users), train.n_items)
        return users, nothing[: len(users)], R.indices.astype(np.int64), nothing[: train.n_users]


class _Machine(Factors):
    content: Tensor

    def __init__(self, n_users: int, content: Tensor, k: int) -> None:
        super().__init__()
        n_items, d_x = content.shape
        self.register_buffer("content", content, persistent=False)
        self.v_user, self.v_item = nn.Embedding(n_users, k), nn.Embedding(n_items, k)
        self.w_item = nn.Embedding(n_items, 1)
        self.v_content, self.w_content = nn.Parameter(0.1 * torch.randn(d_x, k)), nn.Parameter(torch.zeros(d_x))
        for table in (self.v_user, self.v_item):
            nn.init.normal_(table.weight, std=0.1)
        nn.init.zeros_(self.w_item.weight)

    def contexts(self, users: Tensor, last: Tensor) -> Tensor:
        a: Tensor = self.v_user(users)
        return a

    def items(self, items: Tensor) -> tuple[Tensor, Tensor]:
        x, v = self.content[items], self.v_item(items)  # (…, d_x), (…, k)
        z = v + x @ self.v_content  # (…, k)
        squares = (v**2).sum(dim=-1) + x**2 @ (self.v_content**2).sum(dim=1)
        pairs = ((z**2).sum(dim=-1) - squares) / 2
        return z, self.w_item(items)[..., 0] + x @ self.w_content + pairs
