"""Attention and the Transformer block in PyTorch, for training.

Pages 6.2 and, later, 5 and 7. Two paths compute the same numbers and the same gradients: a
readable one, the equations of `attention` line by line, and a fused one, PyTorch's own kernel,
which never stores the T × T weights. Masks are boolean and True means keep, as in
`torch.nn.functional.scaled_dot_product_attention`; `torch_nn_mask` turns one into what
`torch.nn.MultiheadAttention` wants.

Unlike the NumPy twin, nothing here looks for NaN in the input: that would make a GPU wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.nn import attention, masks
from avrec_lib.nn.arrays import FloatArray, check_attention_shapes


def causal_mask(T: int, device: torch.device | str | None = None) -> Tensor:
    """Return keep[i, j] = (j ≤ i) as a bool tensor, shape (T, T). See `masks.causal_mask`."""
    return torch.from_numpy(masks.causal_mask(T)).to(device)


def padding_mask(lengths: Tensor | ArrayLike, T: int, device: torch.device | str | None = None) -> Tensor:
    """Return keep[b, 0, j] = (j < lengths[b]) as a bool tensor, shape (B, 1, T). See `masks.padding_mask`.

    The mask lies on `device`, by default where lengths lie.
    """
    if isinstance(lengths, Tensor):
        device = lengths.device if device is None else device
        lengths = lengths.detach().cpu().numpy()
    return torch.from_numpy(masks.padding_mask(lengths, T)).to(device)


def torch_nn_mask(mask: Tensor, n_heads: int) -> Tensor:
    """Turn a mask (B, T_q, T_k), True = keep, into the `attn_mask` of `torch.nn.MultiheadAttention`.

    That one reads True as *ignore*, and folds batch and heads into one axis, sequence by sequence:
    the masks of sequences 0 and 1 with two heads come as m0, m0, m1, m1, never m0, m1, m0, m1.
    A row with every key ignored gives NaN there.

    Returns
    -------
    bool tensor, shape (B * n_heads, T_q, T_k)
    """
    return ~mask.repeat_interleave(n_heads, dim=0)  # (B * h, T_q, T_k)


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Turn each row of scores into weights that sum to 1, masked ones 0; a row without any key, all 0.

    See `attention.softmax`. scores (..., T_q, T_k), mask bool, broadcasting to it.
    """
    if mask is None:
        return scores.softmax(dim=-1)
    # A row of −∞ only would be 0/0: NaN on the way forward and back, which anomaly detection reports
    # even when it is replaced later. So such a row looks at all keys, and what it saw is set to 0.
    hidden = ~mask & mask.any(dim=-1, keepdim=True)
    return scores.masked_fill(hidden, -math.inf).softmax(dim=-1).masked_fill(~mask, 0.0)


def readable_attention(
    Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Compute softmax(Q Kᵀ / √d_k) V step by step; return the output and the weights.

    Vaswani et al. 2017, eq. 1; shapes and masks as in `attention.scaled_dot_product_attention`.
    Each weight is dropped with probability `dropout`, the others scaled up by 1 / (1 − dropout).
    """
    _check_attention(Q, K, V, mask)
    scores = Q @ K.transpose(-1, -2) / math.sqrt(Q.shape[-1])  # (..., T_q, T_k)
    weights = functional.dropout(masked_softmax(scores, mask), dropout)  # (..., T_q, T_k)
    return weights @ V, weights  # (..., T_q, d_v), (..., T_q, T_k)


def fused_attention(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None, dropout: float = 0.0) -> Tensor:
    """Compute the output of `readable_attention` in one kernel, without storing the weights.

    PyTorch picks the kernel (FlashAttention, memory-efficient, plain) by device, dtype and mask.
    """
    _check_attention(Q, K, V, mask)
    if mask is None:
        return functional.scaled_dot_product_attention(Q, K, V, dropout_p=dropout)
    alive = mask.any(dim=-1, keepdim=True)  # (..., T_q, 1): queries that may look at something
    # Kernels differ on a row without any key, so none ever sees one: it looks at all, and is then set to 0.
    output = functional.scaled_dot_product_attention(Q, K, V, attn_mask=mask | ~alive, dropout_p=dropout)
    return output.masked_fill(~alive, 0.0)  # (..., T_q, d_v)


def sinusoidal_positions(
    T: int, d_model: int, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Return the waves of `attention.sinusoidal_positions` as a tensor, shape (T, d_model)."""
    return torch.from_numpy(attention.sinusoidal_positions(T, d_model)).to(device=device, dtype=dtype)


class MultiHeadAttention(nn.Module):
    """MultiHead(X) = Concat(head_1, …, head_h) W^O; see `attention.multi_head_attention`.

    Parameters
    ----------
    d_model, n_heads : int
        n_heads must divide d_model.
    bias : bool
        Whether the four projections add a bias (the paper's do not).
    dropout : float
        Probability of dropping a weight, in training only.
    fused : bool
        Use PyTorch's kernel where the weights are not asked for.
    """

    def __init__(
        self, d_model: int, n_heads: int, *, bias: bool = True, dropout: float = 0.0, fused: bool = True
    ) -> None:
        super().__init__()
        if n_heads < 1 or d_model < 1 or d_model % n_heads:
            raise ValueError(f"d_model = {d_model} cannot be cut into {n_heads} equal heads.")
        _check_dropout(dropout)
        self.d_model, self.n_heads, self.dropout, self.fused = d_model, n_heads, dropout, fused
        self.Q, self.K, self.V, self.O = (nn.Linear(d_model, d_model, bias=bias) for _ in range(4))
        for layer in (self.Q, self.K, self.V, self.O):
            nn.init.xavier_uniform_(layer.weight)
            if bias:
                nn.init.zeros_(layer.bias)

    def forward(
        self, X: Tensor, mask: Tensor | None = None, context: Tensor | None = None, *, return_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return (output, weights), shapes (B, T_q, d_model) and (B, h, T_q, T_k).

        Parameters
        ----------
        X : float tensor, shape (B, T_q, d_model)
        mask : bool tensor that broadcasts to (B, T_q, T_k), optional
            True = keep. A query without any key gets weights 0, and outputs the bias of W^O.
        context : float tensor, shape (B, T_k, d_model), optional
            What to attend to; by default X itself.
        return_weights : bool
            Without it the weights are None, and the fused path may be taken.
        """
        C = X if context is None else context
        self._check(X, C, mask)
        Q, K, V = self._split(self.Q(X)), self._split(self.K(C)), self._split(self.V(C))  # (B, h, T, d_head)
        mask = None if mask is None else mask.unsqueeze(-3)  # (B, 1, T_q, T_k): the same for all heads
        dropout = self.dropout if self.training else 0.0
        weights: Tensor | None = None
        if self.fused and not return_weights:
            heads = fused_attention(Q, K, V, mask, dropout)  # (B, h, T_q, d_head)
        else:
            heads, weights = readable_attention(Q, K, V, mask, dropout)
        output: Tensor = self.O(heads.transpose(-3, -2).flatten(-2))  # (B, T_q, d_model)
        return output, weights if return_weights else None

    def numpy_parameters(self) -> dict[str, FloatArray]:
        """Return copies of the weights under the names that `attention.multi_head_attention` reads."""
        params: dict[str, FloatArray] = {}
        for name, layer in {"Q": self.Q, "K": self.K, "V": self.V, "O": self.O}.items():
            params |= _numpy_linear(name, layer)
        return params

    def _split(self, X: Tensor) -> Tensor:
        return X.reshape(*X.shape[:-1], self.n_heads, -1).transpose(-3, -2)  # (B, h, T, d_head)

    def _check(self, X: Tensor, C: Tensor, mask: Tensor | None) -> None:
        for name, tensor in {"X": X, "context": C}.items():
            if tensor.ndim < 2 or tensor.shape[-1] != self.d_model or tensor.shape[-2] == 0:
                raise ValueError(
                    f"{name} must have shape (B, T, {self.d_model}) with T at least 1, not {tuple(tensor.shape)}."
                )
        if X.shape[:-2] != C.shape[:-2]:
            raise ValueError(f"X {tuple(X.shape)} and context {tuple(C.shape)} must hold the same number of sequences.")
        if mask is not None:
            _check_mask(mask, (*X.shape[:-1], C.shape[-2]))


class TransformerBlock(nn.Module):
    """Attend, then transform each position; both parts only add. See `attention.transformer_block`.

    Parameters
    ----------
    d_model, n_heads : int
    d_ff : int, optional
        Width of the feed-forward layer; by default 4 d_model, the paper's ratio.
    dropout : float
        On the attention weights, inside the feed-forward part, and on what each part adds.
    norm_first : bool
        Pre-norm (Xiong et al. 2020); False gives the paper's post-norm.
    activation : function of a tensor
        The paper's is ReLU.
    fused : bool
        As in `MultiHeadAttention`.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int | None = None,
        *,
        dropout: float = 0.0,
        norm_first: bool = True,
        activation: Callable[[Tensor], Tensor] = functional.relu,
        fused: bool = True,
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(d_model, n_heads, dropout=dropout, fused=fused)
        width = 4 * d_model if d_ff is None else d_ff
        if width < 1:
            raise ValueError(f"d_ff must be at least 1, not {width}.")
        self.wide, self.back = nn.Linear(d_model, width), nn.Linear(width, d_model)
        self.norm_1, self.norm_2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.drop = nn.Dropout(dropout)
        self.norm_first, self.activation = norm_first, activation

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the block's output, shape (B, T, d_model), like X. The mask is that of `MultiHeadAttention`."""
        if self.norm_first:
            X = X + self._attend(self.norm_1(X), mask)
            return X + self._transform(self.norm_2(X))
        X = self.norm_1(X + self._attend(X, mask))
        output: Tensor = self.norm_2(X + self._transform(X))
        return output

    def numpy_parameters(self) -> dict[str, FloatArray]:
        """Return copies of the weights under the names that `attention.transformer_block` reads."""
        params = self.attention.numpy_parameters() | _numpy_linear("1", self.wide) | _numpy_linear("2", self.back)
        for part, norm in {"1": self.norm_1, "2": self.norm_2}.items():
            params |= {f"gain_{part}": _numpy(norm.weight), f"bias_{part}": _numpy(norm.bias)}
        return params

    def _attend(self, X: Tensor, mask: Tensor | None) -> Tensor:
        added: Tensor = self.drop(self.attention(X, mask)[0])  # (B, T, d_model)
        return added

    def _transform(self, X: Tensor) -> Tensor:
        hidden = self.drop(self.activation(self.wide(X)))  # (B, T, d_ff)
        added: Tensor = self.drop(self.back(hidden))  # (B, T, d_model)
        return added


def _numpy(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().numpy().copy()
    return array


def _numpy_linear(name: str, layer: nn.Linear) -> dict[str, FloatArray]:
    weight = {f"W_{name}": _numpy(layer.weight.T)}  # torch keeps (d_out, d_in); the equations say X W
    return weight if layer.bias is None else weight | {f"b_{name}": _numpy(layer.bias)}


def _check_dropout(dropout: float) -> None:
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), not {dropout}.")


def _check_attention(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None) -> None:
    check_attention_shapes(tuple(Q.shape), tuple(K.shape), tuple(V.shape))
    if mask is not None:
        _check_mask(mask, (*Q.shape[:-1], K.shape[-2]))


def _check_mask(mask: Tensor, shape: tuple[int, ...]) -> None:
    if mask.dtype != torch.bool:
        raise TypeError(f"a mask must be boolean (True = keep), not {mask.dtype}; use mask == 1 or the like.")
    masks.check_mask_shape(tuple(mask.shape), shape)
