"""What the NumPy layers accept: numbers of one floating type, in shapes that fit each other.

Page 6.2 shows the layers; this module only keeps their checks out of the equations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.floating]
Parameters = Mapping[str, FloatArray]
"""A layer's weights by name, such as "W_Q" (d_in, d_out) and "b_Q" (d_out,)."""


def as_floats(**arrays: ArrayLike) -> tuple[FloatArray, ...]:
    """Return the named arrays in one floating dtype: float32 stays float32, integers become float64.

    Raises
    ------
    TypeError
        If an array does not hold real numbers.
    """
    found = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in found.items():
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name} must hold real numbers, not {array.dtype}.")
    dtype = np.result_type(*found.values())
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
    return tuple(array.astype(dtype, copy=False) for array in found.values())


def check_finite(**arrays: FloatArray) -> None:
    """Raise ValueError, naming the array and its first bad place, if one holds NaN or infinity."""
    for name, array in arrays.items():
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            where = ", ".join(map(str, bad[0]))
            raise ValueError(f"{name}[{where}] is NaN or infinite; fill padding with zeros, no mask can hide 0 · NaN.")


def parameter(params: Parameters, name: str, *shape: int | None) -> FloatArray:
    """Return a layer's weight by name after checking its shape; None in `shape` allows any length.

    Raises
    ------
    KeyError
        If there is no such weight.
    ValueError
        If its shape differs from the one the layer needs.
    """
    if name not in params:
        raise KeyError(f"params has no {name!r}; it has {', '.join(map(repr, params)) or 'nothing'}.")
    array = np.asarray(params[name])
    if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} has shape {array.shape}; its input needs ({wanted}).")
    return array


def linear(X: FloatArray, params: Parameters, name: str) -> FloatArray:
    """Return X W + b, the affine map called `name`; without a "b_name" among the weights, X W.

    Parameters
    ----------
    X : float array, shape (..., d_in)
    params : holds "W_name" (d_in, d_out) and, if the layer has a bias, "b_name" (d_out,)

    Returns
    -------
    float array, shape (..., d_out)
    """
    W = parameter(params, f"W_{name}", X.shape[-1], None)
    Y: FloatArray = X @ W  # (..., d_out)
    return Y + parameter(params, f"b_{name}", W.shape[1]) if f"b_{name}" in params else Y


def glorot(rng: np.random.Generator, d_in: int, d_out: int) -> FloatArray:
    """Draw a (d_in, d_out) weight, uniform in ±√(6 / (d_in + d_out)), so that signals keep their size.

    Source: Glorot and Bengio 2010, eq. 16.
    """
    bound = float(np.sqrt(6 / (d_in + d_out)))
    return rng.uniform(-bound, bound, size=(d_in, d_out))


def check_attention_shapes(Q: tuple[int, ...], K: tuple[int, ...], V: tuple[int, ...]) -> None:
    """Raise ValueError unless queries (..., T_q, d_k), keys (..., T_k, d_k) and values (..., T_k, d_v) fit together."""
    shapes = f"Q {Q}, K {K}, V {V}"
    if min(len(Q), len(K), len(V)) < 2 or 0 in (*Q[-2:], *K[-2:], *V[-2:]):
        raise ValueError(f"Q, K and V need shapes (..., T, d) with T and d at least 1, not {shapes}.")
    if Q[-1] != K[-1]:
        raise ValueError(f"queries and keys must have equal widths (last axes), not {shapes}.")
    if K[-2] != V[-2]:
        raise ValueError(f"there must be one value for each key (equal last axes but one), not {shapes}.")
    if not Q[:-2] == K[:-2] == V[:-2]:
        raise ValueError(f"Q, K and V must agree in their batch axes (all but the last two), not {shapes}.")
