"""What the check of an exercise says to an answer: the comparisons that explain themselves.

A check is a function of the student's answer. It raises `Wrong` with a sentence for the student, or
returns None, or returns a sentence of insight for an answer that is right. These helpers raise it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from avrec_lib.exercises.guards import (
    Crash,
    NotAttempted,
    Wrong,
    as_array,
    as_number,
    describe,
    detached,
    is_blank,
    kind_of,
    refuse_nan,
    same_keys,
)


def expect_close(
    got: Any,  # noqa: ANN401
    want: Any,  # noqa: ANN401
    message: str = "",
    *,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    dtype: DTypeLike | None = None,
) -> None:
    """Raise `Wrong` unless `got` equals `want` within the tolerance |got − want| ≤ atol + rtol · |want|.

    Parameters
    ----------
    got : what the student's answer is or returned
        Lists, arrays, tensors and sparse matrices count as arrays.
    want : the reference value
        A number, truth value, text, set, array (or rectangular list of numbers), or a tuple, list or dict of those.
        NaN in `want` allows NaN at the same places of `got`.
    message : str
        What a wrong value means, such as "your sum includes the missing entries". Where the difference
        lies is added to it. Without it, only that is said. The right value is never given away.
    rtol, atol : float
        Relative and absolute tolerance; compare float32 results with rtol=1e-4.
    dtype : optional
        The exact dtype the array must have.

    Raises
    ------
    Wrong
        For a wrong type ("expected a number, got 'text'"), NaN, shape ("expected shape (3, 2), got (2, 3)"),
        dtype ("expected dtype float32, got float64") or value.
    NotAttempted
        If `got` is still None or `...`.
    """
    if is_blank(got):
        raise NotAttempted
    want = _as_reference(want)
    if isinstance(want, Mapping):
        for key in same_keys(got, want):
            expect_close(got[key], want[key], message or f"the entry {key!r}", rtol=rtol, atol=atol, dtype=dtype)
    elif isinstance(want, (list, tuple)):
        if not isinstance(got, (list, tuple, np.ndarray)) or len(got) != len(want):
            raise Wrong(f"expected {len(want)} values, got {describe(got)}")
        for place, (one, other) in enumerate(zip(got, want, strict=True), start=1):
            label = message or f"value {place} of {len(want)}"
            expect_close(one, other, label, rtol=rtol, atol=atol, dtype=dtype)
    elif isinstance(want, (str, set, frozenset)):
        expect_equal(got, want, message)
    elif isinstance(want, (bool, np.bool_)):
        if not isinstance(got, (bool, np.bool_)):
            raise Wrong(f"expected True or False, got {describe(got)}")
        expect_equal(bool(got), bool(want), message)
    elif isinstance(want, (Real, np.number)) or (isinstance(want, np.ndarray) and want.ndim == 0):
        number = as_number(got)
        _refuse_unwanted_nan(np.asarray(number), np.asarray(want))
        _compare(np.asarray(number), np.asarray(want), message, rtol, atol)
    else:
        array, target = as_array(got, shape=want.shape), want
        if dtype is not None and array.dtype != np.dtype(dtype):
            raise Wrong(f"expected dtype {np.dtype(dtype)}, got {array.dtype}")
        if (target.dtype.kind == "b") != (array.dtype.kind == "b"):
            kinds = [f"{'truth values' if a.dtype.kind == 'b' else 'numbers'} ({a.dtype})" for a in (target, array)]
            raise Wrong(f"expected {kinds[0]}, got {kinds[1]}")
        _refuse_unwanted_nan(array, target)
        _compare(array, target, message, rtol, atol)


def expect_equal(got: Any, want: Any, message: str = "") -> None:  # noqa: ANN401
    """Raise `Wrong` unless a text, a set or a truth value is of the kind of `want` and equal to it."""
    if is_blank(got):
        raise NotAttempted
    alike = isinstance(got, (set, frozenset)) if isinstance(want, (set, frozenset)) else isinstance(got, type(want))
    if not alike:
        raise Wrong(f"expected {kind_of(want)}, got {describe(got)}")
    if got != want:
        raise Wrong(f"{message} (yours is {describe(got)})" if message else f"{describe(got)} is not right")


def refuse_close(
    got: Any,  # noqa: ANN401
    typical: Any,  # noqa: ANN401
    message: str,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-8,
) -> None:
    """Raise `Wrong(message)` if the answer is this typical wrong value; say nothing about any other answer.

    Put the typical wrong values first in a check and the `expect_close` with the right value last.
    """
    try:
        expect_close(got, typical, rtol=rtol, atol=atol)
    except Wrong:
        return
    raise Wrong(message)


def expect_raises(
    function: Callable[..., Any],
    error: type[Exception],
    *args: Any,  # noqa: ANN401
    message: str,
) -> None:
    """Raise `Wrong(message)` unless the student's function raises this kind of error for these inputs."""
    try:
        function(*args)
    except Crash as crash:
        if isinstance(crash.__cause__, error):
            return
        raise
    raise Wrong(message)


def _as_reference(want: Any) -> Any:  # noqa: ANN401
    """Return a tensor, a sparse matrix or a rectangular list of plain numbers as an array, the rest as it is."""
    if not isinstance(want, (list, tuple)):
        return detached(want)
    if any(isinstance(w, np.ndarray) or detached(w) is not w for w in want):
        return want
    try:
        array = np.asarray(want)
    except ValueError:  # rows of different lengths
        return want
    return array if array.dtype.kind in "biuf" else want


def _refuse_unwanted_nan(got: NDArray[Any], want: NDArray[Any]) -> None:
    if want.dtype.kind != "f" or not np.isnan(want).any():
        refuse_nan(got, "your answer holds")
    elif got.dtype.kind == "f":
        stray = np.isnan(got) & ~np.isnan(want)
        if stray.any():
            raise Wrong(f"{int(stray.sum())} entries are NaN that should be numbers")


def _compare(got: NDArray[Any], want: NDArray[Any], message: str, rtol: float, atol: float) -> None:
    if got.dtype.kind == "b":
        differ = got != want
    else:
        differ = ~np.isclose(got.astype(float), want.astype(float), rtol=rtol, atol=atol, equal_nan=True)
    if not differ.any():
        return
    place = tuple(int(i) for i in np.argwhere(differ)[0])
    yours, right = got[place], want[place]
    value = str(bool(yours)) if got.dtype.kind == "b" else f"{yours:.6g}"
    side = "" if got.dtype.kind == "b" or np.isnan(right) else ", too large" if yours > right else ", too small"
    if got.ndim == 0:
        where = f"yours is {value}{side}"
    else:
        where = f"{int(differ.sum())} of {got.size} entries differ; at {list(place)} yours is {value}{side}"
    raise Wrong(f"{message} ({where})" if message else where)
