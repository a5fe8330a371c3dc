"""How sure are an AUC and a log loss? Whole viewers are drawn again and again, the same for all models.

Page 4.2.4. The rows of one viewer are alike: a model that misjudges a viewer misjudges all their rows. A bootstrap of
rows would take them for independent and promise too much, so viewers are drawn with all that they did. And as all
models meet the same draws, the interval of a *difference* is narrower than those of its two sides.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlog1py, xlogy

from avrec_lib.behaviour.calibration import calibration_error, checked

Floats = NDArray[np.float64]


def weighted_auc(y: ArrayLike, scores: ArrayLike, weights: ArrayLike) -> Floats:
    """Return the AUC of rows that count several times, once for each row of weights.

    AUC = Σ_jk w_j w_k y_j (1 - y_k) ([s_j > s_k] + ½ [s_j = s_k]) / Σ_jk w_j w_k y_j (1 - y_k)

    Parameters
    ----------
    y, scores : array_like, shape (n,)
        0 and 1; any finite numbers.
    weights : array_like, shape (D, n)
        Not negative.

    Returns
    -------
    float64 array, shape (D,); NaN where all that counts ended alike
    """
    s, happened, w = (np.asarray(a, dtype=np.float64) for a in (scores, y, weights))
    order = np.argsort(s, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(s[order]) > 0))  # where a new score begins
    found = np.full(len(w), np.nan)
    for draw, row in enumerate(w):  # a draw at a time, so that memory does not grow with D
        row = row[order]
        yes = np.add.reduceat(row * happened[order], starts)  # (number of different scores,)
        no = np.add.reduceat(row * (1 - happened[order]), starts)
        pairs = yes.sum() * no.sum()
        if pairs > 0:
            found[draw] = (yes * (np.cumsum(no) - no / 2)).sum() / pairs
    return found


def prediction_intervals(
    y: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    units: ArrayLike,
    baseline: str | None = None,
    n_boot: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Return AUC and log loss of several predictions with 95 % intervals, and their gains over one of them.

    Parameters
    ----------
    y : array_like, shape (n,)
        What happened: 0 and 1.
    predictions : name to array_like, shape (n,)
        Probabilities.
    units : array_like, shape (n,)
        What is drawn, mostly the viewer of each row.
    baseline : str, optional
        One of the names.
    n_boot, seed : int
        Draws, and their seed.

    Returns
    -------
    DataFrame, indexed by name
        *auc*, *log_loss* (nats), each with *_low* and *_high*; *calibration* (`calibration_error`, without an
        interval: drawing rows again adds luck to it, see `calibration_luck`). With a baseline also *auc_gain* and
        *log_loss_gain*, value minus the baseline's, with *_low* and *_high*.

    Raises
    ------
    ValueError
        If lengths differ, a prediction is no probability, or the baseline is not among the predictions.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if not predictions or (baseline is not None and baseline not in predictions):
        raise ValueError(f"the baseline {baseline!r} must be one of the predictions, {list(predictions)}.")
    pairs = {name: checked(p, y) for name, p in predictions.items()}
    happened = next(iter(pairs.values()))[1]
    unit, which = np.unique(np.asarray(units), return_inverse=True)
    if which.shape != happened.shape:
        raise ValueError(f"units needs an entry for each of {len(happened)} rows, not the shape {which.shape}.")
    rng, m = np.random.default_rng(seed), len(unit)
    drawn = rng.multinomial(m, np.full(m, 1 / m), size=n_boot).astype(np.float64)  # (n_boot, m) times each was drawn
    times = np.vstack([np.ones(m), drawn])[:, which]  # (1 + n_boot, n) the first is the rows as they are
    draws = {}
    for name, (p, _) in pairs.items():
        cost = -(xlogy(happened, p) + xlog1py(1 - happened, -p))  # (n,)
        draws[name] = {"auc": weighted_auc(happened, p, times), "log_loss": (times @ cost) / times.sum(axis=1)}
    table = {}
    for name, found in draws.items():
        row = {"calibration": calibration_error(pairs[name][0], happened)}
        for measure, values in found.items():
            row |= _with_interval(measure, values)
            if baseline is not None:
                row |= _with_interval(f"{measure}_gain", values - draws[baseline][measure])
        table[name] = row
    return pd.DataFrame.from_dict(table, orient="index")


def _with_interval(name: str, values: Floats) -> dict[str, float]:
    """Return the first value, and the ends of the interval of the others, under their names."""
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
