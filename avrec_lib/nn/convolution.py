"""Convolution and pooling, the layers that look at a neighbourhood, in NumPy for reading.

page 6.1.3. Channels come second, as in PyTorch: pictures (B, C, height, width), sequences (B, C, T).
What deep learning calls convolution is cross-correlation: the kernel is not flipped (Goodfellow,
Bengio and Courville 2016, section 9.1). As the kernel is learned, nothing depends on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from avrec_lib.nn.arrays import FloatArray, as_floats

Pair = int | tuple[int, int]


def conv2d(
    x: ArrayLike, kernels: ArrayLike, bias: ArrayLike | None = None, stride: Pair = 1, padding: Pair = 0
) -> FloatArray:
    """Slide every kernel over the picture; each output is one kernel's match with one window.

    y[b, o, i, j] = bias[o] + Σ_c Σ_m Σ_n x[b, c, s·i + m, s·j + n] · kernels[o, c, m, n]
    (Goodfellow et al. 2016, eq. 9.6, with channels and a stride s)

    The loops run over the few kernel offsets (m, n); everything else is done at once.

    Parameters
    ----------
    x : array, shape (B, C_in, height, width)
    kernels : array, shape (C_out, C_in, k_h, k_w)
    bias : array, shape (C_out,), optional
    stride, padding : int or (vertical, horizontal)
        Step between windows; rows and columns of zeros added on every side.

    Returns
    -------
    float array, shape (B, C_out, H', W'), H' = ⌊(height + 2 padding − k_h) / stride⌋ + 1, W' alike

    Raises
    ------
    ValueError
        If shapes do not fit, or the kernel is larger than the padded picture.
    """
    x, kernels = as_floats(x=x, kernels=kernels)
    _check_channels(x, kernels, "(B, C_in, height, width)", "(C_out, C_in, k_h, k_w)", ndim=4)
    (s_h, s_w), (p_h, p_w), (k_h, k_w) = _pair(stride), _pair(padding), kernels.shape[2:]
    if min(p_h, p_w) < 0:
        raise ValueError(f"padding must be at least 0, not {min(p_h, p_w)}.")
    x = np.pad(x, ((0, 0), (0, 0), (p_h, p_h), (p_w, p_w)))  # (B, C_in, height + 2 p_h, width + 2 p_w)
    H, W = _n_windows(x.shape[2], k_h, s_h), _n_windows(x.shape[3], k_w, s_w)
    y = np.zeros((x.shape[0], kernels.shape[0], H, W), dtype=x.dtype)  # (B, C_out, H', W')
    for m in range(k_h):
        for n in range(k_w):
            seen = x[:, :, m : m + s_h * H : s_h, n : n + s_w * W : s_w]  # (B, C_in, H', W')
            y += np.einsum("bchw,oc->bohw", seen, kernels[:, :, m, n], optimize=True)
    return y if bias is None else y + _bias(bias, kernels)[:, None, None]


def conv1d(
    x: ArrayLike, kernels: ArrayLike, bias: ArrayLike | None = None, stride: int = 1, padding: int = 0
) -> FloatArray:
    """Slide every kernel along a sequence: `conv2d` on pictures one row high.

    x (B, C_in, T), kernels (C_out, C_in, k), bias (C_out,); returns (B, C_out, T'),
    T' = ⌊(T + 2 padding − k) / stride⌋ + 1.
    """
    x, kernels = as_floats(x=x, kernels=kernels)
    _check_channels(x, kernels, "(B, C_in, T)", "(C_out, C_in, k)", ndim=3)
    y = conv2d(x[:, :, None], kernels[:, :, None], bias, (1, stride), (0, padding))  # (B, C_out, 1, T')
    return y[:, :, 0]  # (B, C_out, T')


def max_pool2d(x: ArrayLike, size: Pair, stride: Pair | None = None) -> FloatArray:
    """Keep the largest value of each window: y[b, c, i, j] = max over m, n of x[b, c, s·i + m, s·j + n].

    Parameters
    ----------
    x : array, shape (B, C, height, width)
    size : int or (vertical, horizontal)
        The window.
    stride : int or pair, optional
        The step; by default the size, so that windows do not overlap. Rows and columns left over
        at the end are dropped.

    Returns
    -------
    float array, shape (B, C, H', W')
    """
    (x,) = as_floats(x=x)
    if x.ndim != 4:
        raise ValueError(f"x must have shape (B, C, height, width), not {x.shape}.")
    (k_h, k_w), (s_h, s_w) = _pair(size), _pair(size if stride is None else stride)
    H, W = _n_windows(x.shape[2], k_h, s_h), _n_windows(x.shape[3], k_w, s_w)
    y = np.full((*x.shape[:2], H, W), -np.inf, dtype=x.dtype)  # (B, C, H', W')
    for m in range(k_h):
        for n in range(k_w):
            y = np.maximum(y, x[:, :, m : m + s_h * H : s_h, n : n + s_w * W : s_w])
    return y


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _n_windows(length: int, kernel: int, stride: int) -> int:
    if stride < 1 or kernel < 1:
        raise ValueError(f"kernel and stride must be at least 1, not {kernel} and {stride}.")
    if kernel > length:
        raise ValueError(
            f"a kernel of {kernel} does not fit into {length} padded positions; pad more or use a smaller one."
        )
    return (length - kernel) // stride + 1


def _check_channels(x: FloatArray, kernels: FloatArray, x_shape: str, k_shape: str, ndim: int) -> None:
    if x.ndim != ndim or kernels.ndim != ndim or x.shape[1] != kernels.shape[1]:
        raise ValueError(
            f"x must have shape {x_shape} and kernels {k_shape} with equal C_in, not {x.shape} and {kernels.shape}."
        )


def _bias(bias: ArrayLike, kernels: FloatArray) -> FloatArray:
    (b,) = as_floats(bias=bias)
    if b.shape != kernels.shape[:1]:
        raise ValueError(f"bias must have shape (C_out,) = {kernels.shape[:1]}, not {b.shape}.")
    return b
