"""SASRec: each item looks back at all items before it and decides which of them matter now."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from avrec_lib.nn.attention_torch import TransformerBlock, causal_mask
from avrec_lib.recommenders.sequential.network import SequenceNetwork
from avrec_lib.recommenders.sequential.neural import NeuralSequential


class SASRec(NeuralSequential):
    """Score the next item by causal self-attention over the last T.

    x_t = √d e_{i_t} + p_t;   then n_blocks times, with LN a layer normalisation,
    x ← x + Attention(LN(x)) with the causal mask,   x ← x + relu(LN(x) W_1 + b_1) W_2 + b_2;
    h_t = LN(x_t),   s_tj = ⟨e_j, h_t⟩ + b_j

    Source: Kang and McAuley (2018), equations 1–6 and section III-E. Its objective, loss="sampled" with one
    negative, tells the next item from a random one; loss="softmax" from all others, which is what ranking
    asks for and costs little in a catalogue of thousands (Klenitskiy and Vasilev, 2023).

    Parameters
    ----------
    d, T, dropout, epochs, lr, loss and the others : see `NeuralSequential`
    n_blocks, n_heads : int
        Blocks on top of each other; heads of the attention, a divisor of d.
    """

    def __init__(
        self,
        d: int = 64,
        T: int = 50,
        *,
        n_blocks: int = 2,
        n_heads: int = 1,
        dropout: float = 0.3,
        epochs: int = 12,
        lr: float = 4e-3,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(d, T, dropout=dropout, epochs=epochs, lr=lr, **settings)
        if n_blocks < 1 or n_heads < 1 or d % n_heads:
            raise ValueError(f"n_blocks must be at least 1, and n_heads a divisor of d = {d}.")
        self.n_blocks, self.n_heads = n_blocks, n_heads

    def _network(self, n_users: int, n_items: int) -> SASRecNetwork:
        return SASRecNetwork(n_items, self.d, self.T, self.n_blocks, self.n_heads, self.dropout)


class SASRecNetwork(SequenceNetwork):
    """Item and position vectors, Transformer blocks under a causal mask, a last normalisation.

    The feed-forward layer is as wide as the model, d, as in the paper.
    """

    def __init__(self, n_items: int, d: int, T: int, n_blocks: int, n_heads: int = 1, dropout: float = 0.0) -> None:
        super().__init__(n_items, d)
        self.positions = nn.Parameter(torch.randn(T, d) * d**-0.5)
        self.blocks = nn.ModuleList(TransformerBlock(d, n_heads, d, dropout=dropout) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(d)
        self.drop = nn.Dropout(dropout)

    def forward(self, windows: Tensor, users: Tensor) -> Tensor:
        """Return the vectors h_t, shape (B, T, d)."""
        T = windows.shape[1]
        x = self.drop(math.sqrt(self.d) * self.items(windows) + self.positions[:T])  # (B, T, d)
        mask = causal_mask(T, x.device)
        for block in self.blocks:
            x = block(x, mask)
        h: Tensor = self.norm(x)
        return h
