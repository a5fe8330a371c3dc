"""Caser: the last few items as a small picture, read by convolutions, and a vector for the user."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.recommenders.sequential.network import SequenceNetwork
from avrec_lib.recommenders.sequential.neural import NeuralSequential


class Caser(NeuralSequential):
    """Score the next item from patterns in the last L items and from the user's own vector.

    The vectors of the last L items are the rows of an L × d picture E.

    horizontal:  o_f = max_r relu(⟨F_f, E[r : r + h]⟩ + b_f),   filters F_f of h = 1 … L rows and all d columns
    vertical:    õ_g = Σ_l G_gl E[l],   filters G_g of L rows and one column
    z = relu(W [o; õ] + b),   s_j = ⟨w_j, [z; p_u]⟩ + b_j

    A horizontal filter finds a short run of items wherever it stands in the picture (the maximum
    forgets where); a vertical one weighs the items by how long ago they were. Source: Tang and Wang
    (2018). There w_j is a table of its own; here its first half is the item's vector e_j.
    The paper steps a window of L items along each history. The same is computed here at once for all
    positions: a convolution along the history, and the maximum of its last L − h + 1 outputs.

    Cold user: no items, so the popularity of `NeuralSequential`. A user with one item has the zero p_u.

    Parameters
    ----------
    d, T, dropout, epochs, lr and the others : see `NeuralSequential`
        T is here only how long a piece of history is handled at once, not how far the network sees.
    L : int
        Height of the picture: how many items back the network looks.
    n_horizontal, n_vertical : int
        Horizontal filters of each height; vertical filters.
    """

    def __init__(
        self,
        d: int = 64,
        T: int = 50,
        *,
        L: int = 5,
        n_horizontal: int = 16,
        n_vertical: int = 4,
        dropout: float = 0.3,
        epochs: int = 8,
        lr: float = 2e-3,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(d, T, dropout=dropout, epochs=epochs, lr=lr, **settings)
        if min(L, n_horizontal, n_vertical) < 1:
            raise ValueError("L, n_horizontal and n_vertical must be at least 1.")
        self.L, self.n_horizontal, self.n_vertical = L, n_horizontal, n_vertical

    def _network(self, n_users: int, n_items: int) -> CaserNetwork:
        filters = (self.L, self.n_horizontal, self.n_vertical)
        return CaserNetwork(n_users, n_items, self.d, *filters, self.dropout)


class CaserNetwork(SequenceNetwork):
    """The two convolutions at every position of a window; before its first item lie L − 1 zero vectors."""

    def __init__(
        self, n_users: int, n_items: int, d: int, L: int, n_horizontal: int, n_vertical: int, dropout: float = 0.0
    ) -> None:
        super().__init__(n_items, d)
        self.L = L
        self.horizontal = nn.ModuleList(nn.Conv1d(d, n_horizontal, h) for h in range(1, L + 1))
        self.vertical = nn.Parameter(torch.full((n_vertical, L), 1 / L) + torch.randn(n_vertical, L) / L)
        self.full = nn.Linear(L * n_horizontal + n_vertical * d, d)
        self.users = nn.Embedding(n_users + 1, d, padding_idx=n_users)  # a stranger's vector stays 0
        self.taste = nn.Embedding(n_items, d)  # the second half of w_j, which meets p_u
        nn.init.zeros_(self.users.weight)
        nn.init.normal_(self.taste.weight, std=d**-0.5)
        self.drop = nn.Dropout(dropout)

    def forward(self, windows: Tensor, users: Tensor) -> Tensor:
        """Return [z_t; p_u], shape (B, T, 2d)."""
        E = self.items(windows).transpose(1, 2)  # (B, d, T)
        E = functional.pad(E, (self.L - 1, 0))  # (B, d, L − 1 + T)
        parts = []
        for h, convolution in enumerate(self.horizontal, start=1):
            runs = functional.relu(convolution(E))  # (B, n_h, L − h + T)
            parts.append(functional.max_pool1d(runs, self.L - h + 1, stride=1))  # (B, n_h, T)
        weighed = torch.einsum("gl,bdtl->bgdt", self.vertical, E.unfold(2, self.L, 1))  # (B, n_v, d, T)
        parts.append(weighed.flatten(1, 2))  # (B, n_v d, T)
        patterns = self.drop(torch.cat(parts, dim=1).transpose(1, 2))  # (B, T, L n_h + n_v d)
        z = functional.relu(self.full(patterns))  # (B, T, d)
        p = self.users(users)[:, None].expand_as(z)  # (B, T, d)
        return torch.cat([z, self.drop(p)], dim=2)

    def outputs(self) -> Tensor:
        """Return w_j = [e_j; taste_j], shape (n_items, 2d)."""
        return torch.cat([self.items.weight[:-1], self.taste.weight], dim=1)
