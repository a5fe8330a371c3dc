"""Who may look at whom: boolean attention masks, where True always means keep.

Page 6.2. `torch.nn.functional.scaled_dot_product_attention` reads a boolean mask the same way;
`torch.nn.MultiheadAttention` and `torch.nn.TransformerEncoderLayer` read it the other way round,
True = ignore. Two masks are combined with `&`: a pair is kept if both keep it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

BoolArray = NDArray[np.bool_]


def causal_mask(T: int) -> BoolArray:
    """Return the mask that lets each position look at itself and the past: keep[i, j] = (j ≤ i).

    Returns
    -------
    bool array, shape (T, T)
        Row i belongs to the query at position i, column j to the key at position j.

    Raises
    ------
    ValueError
        If T is smaller than 1.

    Examples
    --------
    >>> causal_mask(3).astype(int)
    array([[1, 0, 0],
           [1, 1, 0],
           [1, 1, 1]])
    """
    check_length(T)
    return np.tri(T, dtype=np.bool_)  # (T, T)


def padding_mask(lengths: ArrayLike, T: int) -> BoolArray:
    """Return the mask that hides the padding of a batch: keep[b, 0, j] = (j < lengths[b]).

    The middle axis, of length 1, stands for the queries, so that the mask of a batch of B = T
    sequences cannot be mistaken for a (T, T) one, and `causal_mask(T) & padding_mask(lengths, T)`
    has shape (B, T, T). Rows of padding queries are kept like any other: what they output is
    never looked at, and the caller drops it.

    Parameters
    ----------
    lengths : int array, shape (B,)
        The number of real tokens in each sequence, first the tokens, then the padding. A length of
        0 leaves every row without a key; attention then outputs 0 for it.
    T : int
        The padded length.

    Returns
    -------
    bool array, shape (B, 1, T)

    Raises
    ------
    ValueError, TypeError
        If a length is outside 0..T; if lengths is not a flat array of integers.

    Examples
    --------
    >>> (causal_mask(3) & padding_mask([3, 1], 3)).astype(int)[1]
    array([[1, 0, 0],
           [1, 0, 0],
           [1, 0, 0]])
    """
    check_length(T)
    n = np.asarray(lengths)
    if n.ndim != 1 or not (n.size == 0 or np.issubdtype(n.dtype, np.integer)):
        raise TypeError(f"lengths must be a flat array of integers, not {n.dtype} of shape {n.shape}.")
    outside = (n < 0) | (n > T)
    if outside.any():
        raise ValueError(f"sequence {int(outside.argmax())} has length {int(n[outside][0])}, outside 0..{T}.")
    return (np.arange(T) < n[:, None])[:, None, :]  # (B, 1, T)


def check_length(T: int) -> None:
    """Raise ValueError unless a sequence length T is at least 1."""
    if T < 1:
        raise ValueError(f"a sequence must have at least one position, not T = {T}.")


def check_mask(mask: ArrayLike, shape: tuple[int, ...]) -> BoolArray:
    """Return the mask as an array after checking that it is boolean and fits scores of this shape."""
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise TypeError(
            f"a mask must be boolean (True = keep), not {array.dtype}; "
            "where 1 means keep use mask == 1, where an added 0 means keep use mask == 0."
        )
    check_mask_shape(array.shape, shape)
    return array


def check_mask_shape(mask: tuple[int, ...], scores: tuple[int, ...]) -> None:
    """Raise ValueError unless a mask's shape broadcasts to (..., T_q, T_k), the scores' shape, without enlarging it."""
    trailing = scores[max(0, len(scores) - len(mask)) :]
    if (
        len(mask) < min(2, len(scores))
        or len(mask) > len(scores)
        or any(m not in (1, n) for m, n in zip(mask, trailing, strict=True))
    ):
        raise ValueError(
            f"a mask of shape {tuple(mask)} does not fit scores of shape {tuple(scores)}; "
            "its last two axes are queries and keys, (T_q, T_k), each full or of length 1, "
            "and the axes before them are the scores' own. padding_mask(lengths, T) makes one from lengths."
        )
