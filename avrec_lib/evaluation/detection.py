"""How much of what was wrong was found, and how much of what was found was wrong: one row for each kind.

Page 4.1.2. Of use wherever the truth is known: on data that were soiled on purpose, or on a sample
that somebody went through by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def detection(report: pd.DataFrame, truth: pd.DataFrame, kinds: Sequence[str] | None = None) -> pd.DataFrame:
    """Return precision, recall and the share of right repairs for each kind of fault.

    precision = |F ∩ T| / |F|,  recall = |F ∩ T| / |T|

    where F are the rows that the report names for a kind, and T those that have this fault. A row
    that is named for another kind than its own is a miss of the one and a false alarm of the other.

    Parameters
    ----------
    report : DataFrame
        From `behaviour.cleaning.clean`: row (positions in the log), kind, column, new, done.
    truth : DataFrame
        One row for each row of the log, in the same order: fault (text, "" where nothing is wrong),
        and the true values under the names of the report's columns.
    kinds : sequence of str, optional
        By default every kind that the report or the truth names, in alphabetical order.

    Returns
    -------
    DataFrame, its index the kinds
        there, found (int64): |T| and |F|; precision, recall; repaired: the share of the changed
        values that equal the true ones. A share of nothing is NaN.

    Raises
    ------
    ValueError
        If a row of the report is not in the truth, or the truth lacks a column.

    References
    ----------
    Manning, Raghavan and Schütze (2008), section 8.3.
    """
    if "fault" not in truth.columns:
        raise ValueError("truth has no column 'fault'; give the fault of each row, '' where it is right.")
    rows = report["row"].to_numpy(dtype=np.int64)
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(truth):
        raise ValueError(f"the report names row {rows.max()}, the truth has {len(truth)}: give that of the same log.")
    fault = truth["fault"].to_numpy()
    if kinds is None:
        kinds = sorted({*report["kind"], *truth["fault"]} - {""})
    table = {}
    for kind in kinds:
        told = report[report["kind"] == kind]
        there, found = np.flatnonzero(fault == kind), np.unique(told["row"])
        hits = len(np.intersect1d(there, found))
        shares = (_share(hits, len(found)), _share(hits, len(there)), _right(told[told["done"] == "changed"], truth))
        table[kind] = (len(there), len(found), *shares)
    names = ["there", "found", "precision", "recall", "repaired"]
    return pd.DataFrame.from_dict(table, orient="index", columns=names).rename_axis("kind")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else np.nan


def _right(changed: pd.DataFrame, truth: pd.DataFrame) -> float:
    """Return the share of the new values that are the true ones; a true value that is missing is never right."""
    right = 0
    for column, entries in changed.groupby("column"):
        if column not in truth.columns:
            raise ValueError(f"truth has no column {column!r}, which the report changed; add the true values.")
        true = truth[column].to_numpy()[entries["row"].to_numpy()]
        right += int((entries["new"].to_numpy() == true).sum())
    return _share(right, len(changed))
