"""Attention and the Transformer block, one equation a function, in NumPy for reading.

Page 6.2. The names are those of Vaswani et al. 2017, *Attention Is All You Need*: vectors are rows,
so a projection is X W. Shapes: B sequences of T positions, d_model numbers each, h heads of
d_head = d_model / h. Every function keeps float32 as float32. Its trained twin, equal to it and to
`torch.nn`, is `attention_torch`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from avrec_lib.nn.arrays import (
    FloatArray,
    Parameters,
    as_floats,
    check_attention_shapes,
    check_finite,
    glorot,
    linear,
    parameter,
)
from avrec_lib.nn.masks import causal_mask as causal_mask
from avrec_lib.nn.masks import check_length, check_mask
from avrec_lib.nn.masks import padding_mask as padding_mask


def softmax(scores: ArrayLike, mask: ArrayLike | None = None) -> FloatArray:
    """Turn each row of scores into positive weights that sum to 1.

    softmax(s)_j = exp(s_j − max s) / Σ_k exp(s_k − max s)

    Subtracting the largest score changes nothing and keeps exp from overflowing. A masked score
    counts as −∞ and gets weight 0; a row with every score masked gets only zeros (not 1/T each,
    which would average what is hidden, and not NaN).

    Parameters
    ----------
    scores : array, shape (..., T)
    mask : bool array that broadcasts to scores' shape, optional
        True = keep.

    Raises
    ------
    ValueError
        If a score that is kept is NaN or +∞, there are no scores in a row, or the mask does not fit.
    """
    (s,) = as_floats(scores=scores)
    if s.ndim == 0 or s.shape[-1] == 0:
        raise ValueError(f"softmax needs at least one score in each row, not scores of shape {s.shape}.")
    if mask is not None:
        s = np.where(check_mask(mask, s.shape), s, -np.inf)
    largest = s.max(axis=-1, keepdims=True)  # (..., 1)
    if np.isnan(largest).any() or np.isposinf(largest).any():
        raise ValueError("scores hold NaN or infinity; weights cannot be made from them.")
    e = np.exp(s - np.where(np.isneginf(largest), 0, largest))  # (..., T)
    total = e.sum(axis=-1, keepdims=True)  # (..., 1)
    weights: FloatArray = e / np.where(total > 0, total, 1)
    return weights


def scaled_dot_product_attention(
    Q: ArrayLike, K: ArrayLike, V: ArrayLike, mask: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Mix the values, each query weighting them by how well it matches their keys.

    Attention(Q, K, V) = softmax(Q Kᵀ / √d_k) V     (Vaswani et al. 2017, eq. 1)

    d_k is the width of one query: of one head, d_head, when there are several, never d_model.

    Parameters
    ----------
    Q : array, shape (..., T_q, d_k)
    K : array, shape (..., T_k, d_k)
    V : array, shape (..., T_k, d_v)
    mask : bool array that broadcasts to (..., T_q, T_k), optional
        True = this query may look at this key. A query without any key gets weights 0, output 0.

    Returns
    -------
    (output, weights), shapes (..., T_q, d_v) and (..., T_q, T_k)

    Raises
    ------
    ValueError
        If shapes do not fit, a sequence is empty, or an entry is NaN or infinite, even a masked
        one (0 · NaN is NaN): fill padding with zeros.
    TypeError
        If the mask is not boolean.
    """
    Q, K, V = as_floats(Q=Q, K=K, V=V)
    check_attention_shapes(Q.shape, K.shape, V.shape)
    check_finite(Q=Q, K=K, V=V)
    scores = Q @ K.swapaxes(-1, -2) / math.sqrt(Q.shape[-1])  # (..., T_q, T_k)
    weights = softmax(scores, mask)  # (..., T_q, T_k)
    return weights @ V, weights  # (..., T_q, d_v), (..., T_q, T_k)


def split_heads(X: FloatArray, n_heads: int) -> FloatArray:
    """Cut each vector into n_heads parts, one a head: (..., T, d_model) to (..., h, T, d_head).

    The heads get an axis of their own behind the batch, so batch and heads can't be confused.
    """
    d_model = X.shape[-1]
    if n_heads < 1 or d_model % n_heads:
        raise ValueError(f"a width of {d_model} (input of shape {X.shape}) cannot be cut into {n_heads} equal heads.")
    parts = X.reshape(*X.shape[:-1], n_heads, d_model // n_heads)  # (..., T, h, d_head)
    return parts.swapaxes(-3, -2)  # (..., h, T, d_head)


def merge_heads(X: FloatArray) -> FloatArray:
    """Join the heads' outputs side by side: (..., h, T, d_head) to (..., T, d_model)."""
    parts = X.swapaxes(-3, -2)  # (..., T, h, d_head)
    return parts.reshape(*parts.shape[:-2], -1)  # (..., T, h * d_head)


def multi_head_attention(
    X: ArrayLike, params: Parameters, n_heads: int, mask: ArrayLike | None = None, context: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Let several heads attend, each in its own projection, and project their joined outputs.

    MultiHead(X) = Concat(head_1, …, head_h) W^O,
    head_i = Attention(X W_i^Q, C W_i^K, C W_i^V)     (Vaswani et al. 2017, section 3.2.2)

    C is X itself (self-attention) or another sequence, the context (cross-attention).

    Parameters
    ----------
    X : array, shape (..., T_q, d_model)
    params : weights W_Q, W_K, W_V, W_O, each (d_model, d_model); biases b_Q … b_O, (d_model,), optional
        The columns of W_Q are W_1^Q, …, W_h^Q side by side; those of W_K and W_V likewise.
    n_heads : int
        Must divide d_model.
    mask : bool array that broadcasts to (..., T_q, T_k), optional
        True = keep, the same for all heads: (T_q, T_k) for all sequences, (B, T_q, T_k) for each its own.
    context : array, shape (..., T_k, d_model), optional

    Returns
    -------
    (output, weights), shapes (..., T_q, d_model) and (..., h, T_q, T_k)
    """
    (X,) = as_floats(X=X)
    C = X if context is None else as_floats(context=context)[0]
    Q, K, V = linear(X, params, "Q"), linear(C, params, "K"), linear(C, params, "V")  # (..., T, d_model)
    if mask is not None:
        mask = check_mask(mask, (*X.shape[:-1], C.shape[-2]))[..., None, :, :]  # (..., 1, T_q, T_k)
    heads, weights = scaled_dot_product_attention(
        split_heads(Q, n_heads), split_heads(K, n_heads), split_heads(V, n_heads), mask
    )  # (..., h, T_q, d_head), (..., h, T_q, T_k)
    return linear(merge_heads(heads), params, "O"), weights  # (..., T_q, d_model)


def sinusoidal_positions(T: int, d_model: int, dtype: DTypeLike = np.float64) -> FloatArray:
    """Give each position a fingerprint of waves, from fast to slow; it is added to the token's vector.

    PE(pos, 2i) = sin(pos / 10000^(2i/d_model)), PE(pos, 2i+1) = cos(pos / 10000^(2i/d_model))
    (Vaswani et al. 2017, section 3.5). Positions count from 0.

    Returns
    -------
    float array, shape (T, d_model)

    Raises
    ------
    ValueError
        If T < 1, or d_model is not a positive even number.
    """
    check_length(T)
    if d_model < 2 or d_model % 2:
        raise ValueError(f"d_model must be a positive even number, a sine and a cosine for each wave, not {d_model}.")
    rate = 10000.0 ** (-np.arange(0, d_model, 2) / d_model)  # (d_model / 2,)
    angle = np.arange(T)[:, None] * rate  # (T, d_model / 2)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(T, d_model).astype(dtype)  # (T, d_model)


def layer_norm(X: ArrayLike, gain: ArrayLike, bias: ArrayLike, eps: float = 1e-5) -> FloatArray:
    """Shift and scale each vector to mean 0 and variance 1, then by a learned gain and bias.

    LN(x) = gain · (x − mean(x)) / √(var(x) + eps) + bias     (Ba, Kiros and Hinton 2016)

    var divides by d, not d − 1. X has shape (..., d), gain and bias (d,).
    """
    X, gain, bias = as_floats(X=X, gain=gain, bias=bias)
    centred = X - X.mean(axis=-1, keepdims=True)  # (..., d)
    variance = (centred**2).mean(axis=-1, keepdims=True)  # (..., 1)
    normed: FloatArray = gain * centred / np.sqrt(variance + eps) + bias  # (..., d)
    return normed


def relu(x: FloatArray) -> FloatArray:
    """Return max(0, x), entry by entry."""
    return np.maximum(x, 0)


def feed_forward(X: ArrayLike, params: Parameters, activation: Callable[[FloatArray], FloatArray] = relu) -> FloatArray:
    """Transform every position by itself, through a wider layer and back.

    FFN(x) = max(0, x W_1 + b_1) W_2 + b_2     (Vaswani et al. 2017, eq. 2)

    params holds W_1 (d_model, d_ff), b_1 (d_ff,), W_2 (d_ff, d_model), b_2 (d_model,).
    """
    (X,) = as_floats(X=X)
    hidden = activation(linear(X, params, "1"))  # (..., d_ff)
    return linear(hidden, params, "2")  # (..., d_model)


def transformer_block(
    X: ArrayLike, params: Parameters, n_heads: int, mask: ArrayLike | None = None, *, norm_first: bool = True
) -> FloatArray:
    """Attend, then transform each position; both parts only add to what is there.

    norm_first (pre-norm, today's habit; Xiong et al. 2020):  X ← X + MultiHead(LN(X)), X ← X + FFN(LN(X))
    otherwise (post-norm, Vaswani et al. 2017, section 3.1):  X ← LN(X + MultiHead(X)), X ← LN(X + FFN(X))

    Parameters
    ----------
    X : array, shape (..., T, d_model)
    params : the weights of `multi_head_attention` and `feed_forward`, and gain_1, bias_1, gain_2,
        bias_2, (d_model,), of the two layer norms; `block_parameters` makes a set
    n_heads, mask
        As in `multi_head_attention`.

    Returns
    -------
    float array, shape (..., T, d_model)
    """
    (X,) = as_floats(X=X)
    d = X.shape[-1]
    norm_1 = parameter(params, "gain_1", d), parameter(params, "bias_1", d)
    norm_2 = parameter(params, "gain_2", d), parameter(params, "bias_2", d)
    if norm_first:
        X = X + multi_head_attention(layer_norm(X, *norm_1), params, n_heads, mask)[0]
        return X + feed_forward(layer_norm(X, *norm_2), params)
    X = layer_norm(X + multi_head_attention(X, params, n_heads, mask)[0], *norm_1)
    return layer_norm(X + feed_forward(X, params), *norm_2)


def block_parameters(d_model: int, d_ff: int, seed: int = 0) -> dict[str, FloatArray]:
    """Draw the weights of one Transformer block: Glorot-uniform matrices, zero biases, gains of 1 (float64)."""
    rng = np.random.default_rng(seed)
    params = {f"W_{name}": glorot(rng, d_model, d_model) for name in "QKVO"}
    params |= {"W_1": glorot(rng, d_model, d_ff), "W_2": glorot(rng, d_ff, d_model)}
    params |= {f"b_{name}": np.zeros(params[f"W_{name}"].shape[1]) for name in "QKVO12"}
    for part in "12":
        params |= {f"gain_{part}": np.ones(d_model), f"bias_{part}": np.zeros(d_model)}
    return params
