"""HSTU, in small: attention without a softmax, and a gate in place of the feed-forward layer."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.nn.attention_torch import causal_mask
from avrec_lib.recommenders.sequential.network import SequenceNetwork
from avrec_lib.recommenders.sequential.neural import NeuralSequential


class HSTU(NeuralSequential):
    """Score the next item with the block of Zhai et al. (2024), "Actions speak louder than words".

    [U, V, Q, K] = silu(LN(X) W_1 + b_1)
    A = silu(Q Kᵀ + r) / T,   A_tj = 0 for j > t;   r_tj = r_{t−j}, one number for each distance and head
    X ← X + (LN(A V) ⊙ U) W_2 + b_2
    s_tj = ⟨e_j, h_t⟩ + b_j,   h_t = LN(x_t)

    Equations 1–3 of the paper; the division by T, the longest window, is in its authors' program only. A softmax
    makes the weights of a position compete for a sum of 1; silu weighs each pair by itself, and what is heard grows
    with how often something was met, until the norm that follows keeps its direction and forgets its length. The gate
    U does what a feed-forward layer does in a Transformer, with fewer numbers. Left out here: the bias by elapsed
    time, the actions as tokens of their own, and what makes it fast at length.

    Parameters
    ----------
    d, T, dropout, epochs, lr and the others : see `NeuralSequential`
    n_blocks, n_heads : int
        Blocks on top of each other; heads, a divisor of d.
    """

    def __init__(
        self,
        d: int = 64,
        T: int = 50,
        *,
        n_blocks: int = 2,
        n_heads: int = 2,
        dropout: float = 0.2,
        epochs: int = 10,
        lr: float = 3e-3,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(d, T, dropout=dropout, epochs=epochs, lr=lr, **settings)
        if n_blocks < 1 or n_heads < 1 or d % n_heads:
            raise ValueError(f"n_blocks must be at least 1, and n_heads a divisor of d = {d}.")
        self.n_blocks, self.n_heads = n_blocks, n_heads

    def _network(self, n_users: int, n_items: int) -> HSTUNetwork:
        return HSTUNetwork(n_items, self.d, self.T, self.n_blocks, self.n_heads, self.dropout)


class HSTUNetwork(SequenceNetwork):
    """Item vectors, blocks, a last normalisation. Position enters through the blocks' bias alone."""

    def __init__(self, n_items: int, d: int, T: int, n_blocks: int, n_heads: int = 1, dropout: float = 0.0) -> None:
        super().__init__(n_items, d)
        self.blocks = nn.ModuleList(HSTUBlock(d, T, n_heads, dropout) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(d)
        self.drop = nn.Dropout(dropout)

    def forward(self, windows: Tensor, users: Tensor) -> Tensor:
        """Return the vectors h_t, shape (B, T, d)."""
        x = self.drop(math.sqrt(self.d) * self.items(windows))  # (B, T, d)
        for block in self.blocks:
            x = block(x)
        h: Tensor = self.norm(x)
        return h


class HSTUBlock(nn.Module):
    """One block: project, attend pointwise, gate, add.

    Parameters
    ----------
    d, T, n_heads : int
        Width; longest window, which is also what the weights are divided by; heads.
    dropout : float
        On what the block adds.
    """

    def __init__(self, d: int, T: int, n_heads: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.T, self.n_heads = T, n_heads
        self.wide, self.back = nn.Linear(d, 4 * d), nn.Linear(d, d)
        self.norm_in, self.norm_out = nn.LayerNorm(d), nn.LayerNorm(d)
        self.distance = nn.Parameter(torch.zeros(n_heads, T))  # r: 0 steps back, 1 step back, …
        self.drop = nn.Dropout(dropout)

    def forward(self, X: Tensor) -> Tensor:
        """Return the block's output, shape (B, T, d), like X."""
        T = X.shape[1]
        U, V, Q, K = functional.silu(self.wide(self.norm_in(X))).chunk(4, dim=2)  # each (B, T, d)
        Q, K, V = (self._split(part) for part in (Q, K, V))  # each (B, h, T, d / h)
        back = torch.arange(T, device=X.device)[:, None] - torch.arange(T, device=X.device)  # (T, T): t − j
        scores = Q @ K.transpose(2, 3) + self.distance[:, back.clamp(min=0)]  # (B, h, T, T)
        A = functional.silu(scores) / self.T * causal_mask(T, X.device)
        heard = (A @ V).transpose(1, 2).flatten(2)  # (B, T, d)
        added: Tensor = self.drop(self.back(self.norm_out(heard) * U))
        return X + added

    def _split(self, X: Tensor) -> Tensor:
        return X.reshape(*X.shape[:2], self.n_heads, -1).transpose(1, 2)
