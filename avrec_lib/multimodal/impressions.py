"""How well scores order what was shown: over all rows together, and within each viewer's own rows.

Page 5.3. Over all rows, a score is also paid for knowing who clicks much; within a viewer only the order
of the clips counts, and that is what a list is. Equal scores count one half in an AUC; in NDCG they keep
the order of the clips' numbers, whatever order the rows come in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from avrec_lib.evaluation.bootstrap import interval
from avrec_lib.evaluation.ranking import auc, ndcg_at_k

Floats = NDArray[np.float64]


class Pooled(NamedTuple):
    """The AUC over all rows, the ends of its 95 % interval, and the draws behind them, shape (n_boot,)."""

    value: float
    low: float
    high: float
    draws: Floats


def per_viewer(scores: ArrayLike, clicks: ArrayLike, users: ArrayLike, items: ArrayLike, k: int = 10) -> pd.DataFrame:
    """Return AUC and NDCG@k of each viewer's rows, in the form that `evaluation.paired_difference` compares.

    Parameters
    ----------
    scores, clicks, users, items : array_like, shape (n,)
        A row is one impression. Clicks are 0 or 1.
    k : int

    Returns
    -------
    DataFrame with user_id, n_test (rows), n_relevant (clicks), AUC and NDCG@k; one row a viewer who
    clicked on something and left something, since nothing can be ordered for the others
    """
    s, y, u, i = _columns(scores, clicks, users, items)
    rows = []
    order = np.lexsort((i, -s, u))
    for part in np.split(order, np.unique(u[order], return_index=True)[1][1:]):
        n_clicks = int(y[part].sum())
        if 0 < n_clicks < len(part):
            wanted = np.flatnonzero(y[part])
            ndcg = ndcg_at_k(np.arange(len(part)), wanted, k)  # the rows are in the order of the list
            rows.append((int(u[part[0]]), len(part), n_clicks, auc(y[part], s[part]), ndcg))
    return pd.DataFrame(rows, columns=["user_id", "n_test", "n_relevant", "AUC", f"NDCG@{k}"])


def pooled_auc(scores: ArrayLike, clicks: ArrayLike, users: ArrayLike, n_boot: int = 400, seed: int = 0) -> Pooled:
    """Return the AUC over the rows of all viewers, and its interval from drawing the viewers again.

    AUC = Σ_{j,k} w_j w_k y_j (1 − y_k) ([s_j > s_k] + ½ [s_j = s_k]) / Σ_{j,k} w_j w_k y_j (1 − y_k),

    w_j being how often the viewer of row j was drawn. The same viewers and seed give the same draws, so two
    models can be compared by the difference of their draws.

    Raises
    ------
    ValueError
        If the lengths differ, a click is neither 0 nor 1, or there is only one kind.
    """
    s, y, u, _ = _columns(scores, clicks, users, users)
    viewers, of = np.unique(u, return_inverse=True)
    if not 0 < y.sum() < len(y):
        raise ValueError("an AUC needs a row with a click and one without.")
    order = np.argsort(s, kind="stable")
    s, y, of = s[order], y[order], of[order]
    first, last = np.searchsorted(s, s, "left"), np.searchsorted(s, s, "right")
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(viewers), np.full(len(viewers), 1 / len(viewers)), n_boot)  # (n_boot, viewers)
    weights = np.vstack([np.ones(len(viewers), np.int64), drawn])
    values = np.array([_weighted_auc(w[of].astype(np.float64), y, first, last) for w in weights])
    low, high = interval(values[1:, None])
    return Pooled(float(values[0]), float(low[0]), float(high[0]), values[1:])


def _weighted_auc(w: Floats, y: Floats, first: NDArray[np.intp], last: NDArray[np.intp]) -> float:
    below = np.concatenate([[0.0], np.cumsum(w * (1 - y))])  # weight without a click among the lowest scores
    won = float(np.sum(w * y * (below[first] + below[last]) / 2))
    pairs = float((w * y).sum() * (w * (1 - y)).sum())
    return won / pairs if pairs > 0 else float("nan")


def _columns(
    scores: ArrayLike, clicks: ArrayLike, users: ArrayLike, items: ArrayLike
) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(clicks, dtype=np.float64)
    u, i = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
    if not s.shape == y.shape == u.shape == i.shape or s.ndim != 1 or not len(s):
        shapes = f"{s.shape}, {y.shape}, {u.shape}, {i.shape}"
        raise ValueError(f"scores, clicks, users and items must be vectors of one length above 0, not {shapes}.")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("clicks must be 0 or 1.")
    if np.isnan(s).any():
        raise ValueError("a score is NaN; it has no place in an order.")
    return s, y, u, i
