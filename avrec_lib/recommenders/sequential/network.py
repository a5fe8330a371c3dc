"""What the four networks share: one table of item vectors, read at the way in and at the way out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class SequenceNetwork(nn.Module, ABC):
    """Turn a window of items into a vector at each position, whose products with all items are their scores.

    s_tj = ⟨w_j, h_t⟩ + b_j,   h_t = a function of the items 1 … t of the window (and of the user)

    The vectors e_j that the window is made of are also the w_j of the scores (tied embeddings): an item
    has half the numbers to learn, and what is learnt of it as an answer serves it as a question.

    Parameters
    ----------
    n_items : int
        Item n_items is the padding; its vector is 0 and stays 0.
    d : int
        Length of the item vectors.
    """

    def __init__(self, n_items: int, d: int) -> None:
        super().__init__()
        self.n_items, self.d = n_items, d
        self.items = nn.Embedding(n_items + 1, d, padding_idx=n_items)
        self.bias = nn.Parameter(torch.zeros(n_items))
        with torch.no_grad():
            self.items.weight.normal_(std=d**-0.5)[n_items] = 0.0  # vectors of length 1, about

    @abstractmethod
    def forward(self, windows: Tensor, users: Tensor) -> Tensor:
        """Return the vectors h_t, shape (B, T, d_out). Position t looks at items 1 … t only.

        Parameters
        ----------
        windows : int64 tensor, shape (B, T)
            Items first, then padding. A network may be given any T up to the one it was made for.
        users : int64 tensor, shape (B,)
            Whose windows they are; n_users stands for a stranger.
        """

    def outputs(self) -> Tensor:
        """Return the vectors w_j, shape (n_items, d_out)."""
        return self.items.weight[:-1]
