"""How good a sentiment classifier is, by language and kind of comment, on texts it has not met.

Page 4.2.2. Viewers write the same things again and again, so a split by rows tests a model on what it has
learnt by heart. `split_by_text` keeps equal texts, and texts that are nearly equal, on one side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd
import regex
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from avrec_lib.content.text import bag_of_words, clean, vocabulary
from avrec_lib.evaluation.bootstrap import interval, resample

SENTIMENTS = np.array([-1, 0, 1])
REPEATED = regex.compile(r"([\p{L}\p{N}])\1{2,}")


def text_groups(texts: Sequence[str], alike: float | None = 0.5) -> NDArray[np.int64]:
    """Return the number of each text's group: equal texts, nearly equal ones, and each chain of them.

    J(a, b) = |P_a ∩ P_b| / |P_a ∪ P_b| ≥ alike

    P is the set of pairs of neighbouring characters of a text without its case, signs and emoji, and
    with letters drawn out said twice. All pairs of texts are compared: fine for thousands, not for millions.

    Parameters
    ----------
    texts : n texts
    alike : float, optional
        In (0, 1]. 1: texts that differ in little more than signs, emoji and case. None: texts that are equal
        letter for letter.

    Returns
    -------
    int64 array, shape (n,), numbered 0, 1, … in the order of the texts' characters

    Raises
    ------
    ValueError
        If `alike` is out of range.

    References
    ----------
    Jaccard, The Distribution of the Flora in the Alpine Zone, New Phytologist 11(2), 1912.
    """
    if alike is not None and not 0 < alike <= 1:
        raise ValueError(f"alike must be above 0 and at most 1, or None for equal texts, not {alike}.")
    keys = list(texts) if alike is None else [_letters(text) for text in texts]
    distinct = sorted(set(keys))
    at = {key: i for i, key in enumerate(distinct)}
    row = np.array([at[key] for key in keys], dtype=np.int64)  # (n,)
    return row if alike is None or not distinct else _chains(distinct, alike)[row]


def split_by_text(
    texts: Sequence[str], test_share: float = 0.3, seed: int = 0, *, alike: float | None = 0.5
) -> NDArray[np.bool_]:
    """Return which rows are for testing, so that no group of `text_groups` stands on both sides.

    The groups are shuffled and go to the test until its share of the rows is reached, so it may be a little
    more than asked.

    Parameters
    ----------
    texts : n texts
        At least two that are not alike.
    test_share : float
        Of the rows, between 0 and 1.
    seed : int
        Of the shuffling. The split of a text does not depend on the order of the rows.
    alike : float, optional
        See `text_groups`.

    Returns
    -------
    bool array, shape (n,)

    Raises
    ------
    ValueError
        If a number is out of range, or all texts are alike.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"test_share must be between 0 and 1, not {test_share}.")
    group = text_groups(texts, alike)  # (n,)
    sizes = np.bincount(group)
    if len(sizes) < 2:
        raise ValueError("all texts are alike, so there is nothing to split; pass others, or a larger `alike`.")
    order = np.random.default_rng(seed).permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]  # rows in the test before each group
    chosen = before < test_share * len(group)
    chosen[-1] = False  # something must be left to learn from
    is_test = np.zeros(len(sizes), dtype=bool)
    is_test[order] = chosen
    return cast("NDArray[np.bool_]", is_test[group])


def evaluate_sentiment(
    labels: ArrayLike,
    predictions: ArrayLike,
    groups: Mapping[str, ArrayLike] | pd.DataFrame | None = None,
    *,
    baseline: ArrayLike | None = None,
    units: ArrayLike | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return accuracy and macro-F1 of all comments and of each group, with 95 % intervals.

    accuracy = Σ_c TP_c / n,  macro-F1 = mean over c of 2 TP_c / (2 TP_c + FP_c + FN_c)

    The mean is over the sentiments that labels or predictions have in the group, so it equals
    scikit-learn's `f1_score(average="macro")`. It counts a rare sentiment as much as a frequent one:
    who always says "positive" is often right where most is praise, yet has a macro-F1 below 1/3 where all
    three occur. The intervals are percentiles of bootstrap samples (Efron and Tibshirani 1993, chapter 13).

    Parameters
    ----------
    labels, predictions : n of −1, 0, 1
    groups : columns by name, n values each, optional
        Such as `comments[["language", "kind"]]`. Each value of each column is a group.
    baseline : n of −1, 0, 1, optional
        Another classifier's predictions, to tell how much better these are.
    units : n values, optional
        Rows of an equal unit are drawn together, since the second one tells little new: the texts, or
        their `text_groups`. By default each row is drawn alone, which makes intervals too narrow where
        texts recur.
    n_boot, seed : int
        Number of bootstrap samples, and their seed.

    Returns
    -------
    DataFrame, one row a group, the first of all comments
        group ("all", "language=en" …), n (rows), accuracy, accuracy_low, accuracy_high, macro_f1,
        macro_f1_low, macro_f1_high; with a baseline the same of accuracy_gain and macro_f1_gain, the
        differences to it on the same samples.

    Raises
    ------
    ValueError
        If there are no comments, lengths differ, or a sentiment is none of −1, 0, 1.
    """
    y, p = as_sentiments(labels, "labels"), as_sentiments(predictions, "predictions")
    other = p if baseline is None else as_sentiments(baseline, "baseline")
    given = {} if groups is None else dict(groups)
    columns = {str(name): np.asarray(column, dtype=object) for name, column in given.items()}
    unit = np.arange(len(y)) if units is None else pd.factorize(np.asarray(units))[0]
    for name, column in {"predictions": p, "baseline": other, "units": unit, **columns}.items():
        if len(column) != len(y) or not len(y):
            raise ValueError(f"there are {len(y)} labels and {len(column)} {name}; pass one for each comment.")
    chosen = {"all": np.ones(len(y), dtype=bool)}
    for name, column in columns.items():
        chosen |= {f"{name}={value}": column == value for value in sorted(set(column), key=str)}
    rows = []
    for name, mask in chosen.items():
        ours, theirs = (_tables(y[mask], guess[mask], unit[mask]) for guess in (p, other))  # (units, 9) each
        samples = [_scores(table) for table in resample(ours, theirs, n_boot, seed)]  # (n_boot, 2) each
        values = [_scores(table.sum(axis=0)) for table in (ours, theirs)]  # (2,) each
        numbers = {"group": name, "n": int(mask.sum())} | _row(("accuracy", "macro_f1"), values[0], samples[0])
        if baseline is not None:
            gains = ("accuracy_gain", "macro_f1_gain")
            numbers |= _row(gains, values[0] - values[1], samples[0] - samples[1])
        rows.append(numbers)
    return pd.DataFrame(rows)


def as_sentiments(values: ArrayLike, name: str) -> NDArray[np.int64]:
    """Return the values as int64, shape (n,), refusing with a ValueError whatever is not −1, 0 or 1."""
    array = np.asarray(values)
    if array.ndim != 1 or not np.isin(array, SENTIMENTS).all():
        raise ValueError(f"{name} must be one list of -1, 0 and 1, not {values!r:.60}.")
    return array.astype(np.int64)


def _tables(y: NDArray[np.int64], p: NDArray[np.int64], unit: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each unit's table labels × predictions, flat, shape (units, 9)."""
    distinct, which = np.unique(unit, return_inverse=True)
    tables = np.zeros((len(distinct), 9))
    np.add.at(tables, (which, 3 * (y + 1) + p + 1), 1)
    return tables


def _row(names: Sequence[str], values: NDArray[np.float64], samples: NDArray[np.float64]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, value, low, high in zip(names, values, *interval(samples), strict=True):
        numbers |= {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
    return numbers


def _scores(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return accuracy and macro-F1 of tables labels × predictions, (..., 9) -> (..., 2)."""
    table = tables.reshape(*tables.shape[:-1], 3, 3)
    hits = np.diagonal(table, axis1=-2, axis2=-1)  # (..., 3)
    named = table.sum(axis=-1) + table.sum(axis=-2)  # (..., 3), 2 TP + FP + FN
    f1 = np.full(hits.shape, np.nan)
    np.divide(2 * hits, named, out=f1, where=named > 0)
    return np.stack([hits.sum(axis=-1) / tables.sum(axis=-1), np.nanmean(f1, axis=-1)], axis=-1)


def _letters(text: str) -> str:
    """Return the letters and digits of a text in lower case; of a text without any, the text."""
    cleaned = clean(text).casefold()
    return "".join(regex.findall(r"[\p{L}\p{N}]", REPEATED.sub(r"\1\1", cleaned))) or cleaned


def _chains(texts: list[str], alike: float) -> NDArray[np.int64]:
    """Return the group of each text: chains of texts that share most of their pairs of characters."""
    pairs = [sorted({text[i : i + 2] for i in range(max(len(text) - 1, 1))}) for text in texts]
    has = bag_of_words(pairs, vocabulary(pairs))  # (n, pairs), 0 or 1
    n_pairs = np.array([len(of_one) for of_one in pairs])
    both = sp.coo_array(has @ has.T)  # |P_a ∩ P_b| of all that share any
    a, b = both.coords
    is_alike = both.data >= alike * (n_pairs[a] + n_pairs[b] - both.data)
    edges = sp.coo_array((is_alike[is_alike], (a[is_alike], b[is_alike])), shape=both.shape)
    return cast("NDArray[np.int64]", sp.csgraph.connected_components(edges, directed=False)[1].astype(np.int64))
