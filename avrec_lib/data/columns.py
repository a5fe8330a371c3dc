"""What a column of a data frame must hold to become ids, values or times.

The first step of `Interactions.from_frame`: each function takes one column, checks every entry,
and returns the array that the table keeps. `source` is what an error message calls the input.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def encode(column: pd.Series, source: str) -> tuple[NDArray[np.int32], NDArray[np.str_]]:
    """Return the index of each row's id, shape (n,), and the distinct ids as sorted text, shape (n_ids,).

    Raises
    ------
    ValueError
        If an id is missing or the empty string.
    """
    codes, distinct = pd.factorize(column)  # by hash: what follows is a step per distinct id, not per row
    if pd.api.types.is_float_dtype(distinct.dtype) and (distinct % 1 == 0).all():
        distinct = distinct.astype(np.int64)
    text = np.array([i.decode() if isinstance(i, bytes) else str(i) for i in distinct.tolist()], dtype=np.str_)
    if (codes < 0).any() or (text == "").any():
        raise ValueError(f"{source}: column {column.name!r} has missing ids; drop or fill those rows first.")
    ids, index = np.unique(text, return_inverse=True)  # 7 and "7" are one id
    if np.char.isdecimal(ids).all():  # numbers sort as numbers: "9" before "10"; equal ones as text: "07" before "7"
        order = np.argsort(np.array([int(i) for i in ids], dtype=object), kind="stable")
        ids, index = ids[order], np.argsort(order)[index]
    return index[codes].astype(np.int32), ids


def numbers(column: pd.Series, source: str) -> NDArray[np.float32]:
    """Return the values as float32, shape (n,).

    Raises
    ------
    ValueError
        If one is missing, not a number, or infinite as a float32.
    """
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~(np.abs(values) <= np.finfo(np.float32).max)  # True for NaN as well
    if bad.any():
        raise ValueError(
            f"{source}: column {column.name!r} has no finite number in {int(bad.sum())} of {len(bad)} rows "
            f"(first: {_first(column, bad)}); a missing rating is a missing row, not NaN."
        )
    return values.astype(np.float32)


def seconds(column: pd.Series, source: str) -> NDArray[np.int64]:
    """Return the times as whole seconds since 1970-01-01 UTC, int64, shape (n,).

    Numbers are taken as seconds. Datetimes are converted; those without a time zone are read as
    UTC and rounded down to the second.

    Raises
    ------
    ValueError
        If a time is missing or a number that is not whole.
    """
    missing = column.isna().to_numpy(dtype=np.bool_)
    if pd.api.types.is_datetime64_any_dtype(column) and not missing.any():
        return pd.to_datetime(column, utc=True).dt.as_unit("s").to_numpy(dtype="datetime64[s]").astype(np.int64)
    times = pd.to_numeric(column, errors="coerce")
    if times.dtype.kind == "i" and not missing.any():
        return times.to_numpy(dtype=np.int64)  # exact: a float64 holds whole numbers only up to 2⁵³
    floats = times.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = missing | ~(np.abs(floats) < 2**63) | (floats != np.floor(floats))
    if bad.any():
        raise ValueError(
            f"{source}: column {column.name!r} must hold whole seconds since 1970 "
            f"(first bad value: {_first(column, bad)})."
        )
    return floats.astype(np.int64)


def _first(column: pd.Series, bad: NDArray[np.bool_]) -> str:
    row = int(bad.argmax())
    return f"{column.iloc[row : row + 1].tolist()[0]!r} in row {row}"
