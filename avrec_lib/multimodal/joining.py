"""What the senses of a clip say, joined into one vector; any of them may be missing.

A missing sense is an input like any other: `Join` is told which senses are there, and `hidden_senses` takes some away
while a model trains, so that it has met such clips before it must serve one. `nn.fusion_torch` compares ways of
joining vectors that were computed before; this layer joins what encoders of the same network have just read.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.nn.attention_torch import MultiHeadAttention, masked_softmax

Way = Literal["sum", "concat", "gated", "attention"]


class Join(nn.Module):
    """Turn S vectors of one clip, x_1 … x_S, into one, g, of length d.

    sum:        g = Σ_s (W_s x_s + b_s)
    concat:     g = ReLU(W [x_1; …; x_S] + b)
    gated:      g = Σ_s a_s ⊙ tanh(W_s x_s + b_s),   a = softmax over the senses that are there of G [x_1; …; x_S]
    attention:  z_s = LayerNorm(y_s + MultiHead(y)_s),   y_s = W_s x_s + b_s,   g = mean of z_s

    The sum lets each sense say its part whatever the others say; the rest can let one sense change what another means,
    and have to learn that from examples. In the first three a missing x_s is replaced by a learnt vector e_s, so that
    the layer can tell "not there" from any content; the gate gives it no weight. In the fourth a missing sense is
    masked, as padding is in a text, and left out of the mean. A clip without any sense has g of the e_s (sum, concat),
    or 0.

    Sources: gated, Arevalo et al. (2017), whose gate for two senses is this softmax; attention, senses as the tokens of
    Vaswani et al. (2017).

    Parameters
    ----------
    sizes : sequence of int
        Lengths of the x_s.
    d : int
        Length of g.
    way : {"sum", "concat", "gated", "attention"}
    n_heads : int
        Of the attention; divides d.

    Raises
    ------
    ValueError
        If there is no sense, a size is not positive, or the way is unknown.
    """

    def __init__(self, sizes: tuple[int, ...], d: int, way: Way = "concat", n_heads: int = 4) -> None:
        super().__init__()
        if way not in get_args(Way):
            raise ValueError(f"unknown way {way!r}; there are {', '.join(get_args(Way))}.")
        if not sizes or min(*sizes, d) < 1:
            raise ValueError(f"sizes must name at least one sense, and they and d be at least 1, not {sizes} and {d}.")
        self.sizes, self.d, self.way = tuple(sizes), d, way
        if way == "concat":
            self.dense = nn.Linear(sum(sizes), d)  # W, b
        else:
            self.read = nn.ModuleList(nn.Linear(size, d) for size in sizes)  # W_s, b_s
        if way == "gated":
            self.gate = nn.Linear(sum(sizes), len(sizes) * d)  # G
        if way == "attention":
            self.attend, self.norm = MultiHeadAttention(d, n_heads), nn.LayerNorm(d)
        else:
            self.missing = nn.ParameterList(torch.zeros(size) for size in sizes)  # e_s

    def forward(self, senses: tuple[Tensor, ...], there: Tensor) -> Tensor:
        """Return g, shape (B, d).

        Parameters
        ----------
        senses : S float tensors, shapes (B, sizes[s])
            What is in the row of a missing sense does not matter, NaN included.
        there : bool tensor, shape (B, S)

        Raises
        ------
        ValueError
            If a shape is not as told.
        """
        B = there.shape[0]  # not len(there), which an export to ONNX would freeze
        told = [tuple(x.shape) for x in senses]
        if told != [(B, size) for size in self.sizes] or there.shape != (B, len(self.sizes)):
            raise ValueError(f"senses must have shapes {[(B, size) for size in self.sizes]}, not {told}.")
        if self.way == "attention":
            return self._attended(senses, there)
        x = [
            torch.where(there[:, s, None], sense, gap)  # not a product: NaN times 0 is NaN
            for s, (sense, gap) in enumerate(zip(senses, self.missing, strict=True))
        ]
        if self.way == "sum":
            return torch.stack([read(part) for read, part in zip(self.read, x, strict=True)]).sum(dim=0)
        both = torch.cat(x, dim=1)  # (B, Σ sizes)
        if self.way == "concat":
            return functional.relu(self.dense(both))
        y = torch.stack([torch.tanh(read(part)) for read, part in zip(self.read, x, strict=True)], dim=1)  # (B, S, d)
        scores = self.gate(both).view(B, len(x), self.d).transpose(1, 2)  # (B, d, S)
        weights = masked_softmax(scores, there[:, None, :]).transpose(1, 2)  # (B, S, d)
        return (weights * y).sum(dim=1)

    def _attended(self, senses: tuple[Tensor, ...], there: Tensor) -> Tensor:
        real = [torch.where(there[:, s, None], sense, 0.0) for s, sense in enumerate(senses)]
        y = torch.stack([read(x) for read, x in zip(self.read, real, strict=True)], dim=1)  # (B, S, d)
        heard, _ = self.attend(y, there[:, None, :])  # (B, S, d)
        z = self.norm(y + heard) * there[:, :, None]
        g: Tensor = z.sum(dim=1) / there.sum(dim=1, keepdim=True).clamp(min=1)
        return g


def hidden_senses(there: Tensor, p: float) -> Tensor:
    """Take each sense of each clip away with probability p; a clip that would lose all keeps all.

    Modality dropout, after Neverova et al. (2016). Drawn from torch's random numbers on the CPU, so that a run on
    another device hides the same senses.

    Parameters
    ----------
    there : bool tensor, shape (B, S)
    p : float, 0 ≤ p < 1

    Returns
    -------
    bool tensor, shape (B, S): a sense is there only if it was.

    Raises
    ------
    ValueError
        If p is out of range.
    """
    if not 0 <= p < 1:
        raise ValueError(f"p must be at least 0 and below 1, not {p}.")
    kept = there & (torch.rand(there.shape) >= p).to(there.device)
    return torch.where(kept.any(dim=1, keepdim=True), kept, there)
