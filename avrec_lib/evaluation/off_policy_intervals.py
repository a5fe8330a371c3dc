"""How sure an off-policy estimate is: all estimators at once, on viewers drawn again and again.

Page 4.3. The rows of one viewer depend on each other, so whole viewers are drawn, as everywhere in the book. The
chance of looking at a position is estimated too, from few rows, and every division by it carries that error: so
it is estimated anew in each sample. Two strategies that are judged with one seed meet the same samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from avrec_lib.evaluation.bootstrap import interval, resample
from avrec_lib.evaluation.off_policy import effective_sample_size

Floats = NDArray[np.float64]


class OffPolicy(NamedTuple):
    """What a strategy is worth by each estimator: once from the log, and from each sample of its viewers.

    Attributes
    ----------
    values : Series
        An estimate for each of IPS, clipped IPS, SNIPS and, with a model, DM and DR.
    samples : DataFrame
        The same from n_boot samples, a row each.
    effective : float
        Effective sample size of the weights.
    """

    values: pd.Series
    samples: pd.DataFrame
    effective: float

    def table(self) -> pd.DataFrame:
        """Return value, low and high (95 % interval) of each estimator."""
        low, high = interval(self.samples.to_numpy())
        return pd.DataFrame({"value": self.values, "low": low, "high": high})

    def gain(self, baseline: OffPolicy) -> pd.DataFrame:
        """Return how much better this strategy is than another one judged on the same rows with the same seed.

        Raises
        ------
        ValueError
            If the two do not have the same estimators and number of samples.
        """
        if list(self.values.index) != list(baseline.values.index) or len(self.samples) != len(baseline.samples):
            raise ValueError("the two were judged differently; judge both with the same arguments but for the weights.")
        return OffPolicy(self.values - baseline.values, self.samples - baseline.samples, np.nan).table()


def off_policy(
    log: pd.DataFrame,
    weights: ArrayLike,
    *,
    looks_from: pd.DataFrame | None = None,
    predicted: ArrayLike | None = None,
    expected: ArrayLike | None = None,
    limit: float = 10.0,
    n_boot: int = 1000,
    seed: int = 0,
) -> OffPolicy:
    """Judge a strategy from the log of another, with every estimator of `off_policy`.

    Parameters
    ----------
    log : DataFrame
        user, position (from 1), click; a row a clip that was shown.
    weights : array_like, shape (n,)
        π / π₀ of each row, from `importance_weights`.
    looks_from : DataFrame, optional
        Rows placed at random, with the same columns, from which θ̂ of `examination` is learnt. The outcome is then
        y = click / θ̂_r, and a value is in clicks per *look*. Without it y = click: clicks per clip shown.
    predicted, expected : array_like, shape (n,), optional
        Of `doubly_robust`, in the unit of y.
    limit : float
        Of `clipped_ips`.
    n_boot, seed : int
        Number of samples of the viewers, and their seed.

    Raises
    ------
    ValueError
        If lengths differ, there is no row, only one of predicted and expected is given, or `looks_from` lacks a
        position of the log.
    """
    r = log["position"].to_numpy(dtype=np.int64)
    y, w = log["click"].to_numpy(dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if not len(log) or w.shape != r.shape:
        raise ValueError(f"there are {len(log)} rows and weights of shape {w.shape}; give one weight for each row.")
    if (predicted is None) != (expected is None):
        raise ValueError("give both predicted and expected, or neither: DR needs the two.")
    random = log.iloc[:0] if looks_from is None else looks_from
    at = random["position"].to_numpy(dtype=np.int64)
    K = int(r.max())
    if looks_from is not None and not np.isin(np.arange(1, K + 1), at).all():
        raise ValueError(f"looks_from must have rows in every position from 1 to {K}; use a longer log.")
    _, row_user = np.unique(np.concatenate([log["user"], random["user"]]), return_inverse=True)
    u, v, m = row_user[: len(r)], row_user[len(r) :], int(row_user.max()) + 1

    def by_user(of: NDArray[np.int64], what: Floats) -> Floats:
        return np.bincount(of, what, m).astype(np.float64)[:, None]  # (m, 1)

    def by_position(of: NDArray[np.int64], place: NDArray[np.int64], what: Floats) -> Floats:
        kept = place <= K
        key = of[kept] * K + place[kept] - 1
        return np.bincount(key, what[kept], m * K).reshape(m, K).astype(np.float64)

    parts = {
        "n": by_user(u, np.ones(len(r))),
        "w": by_user(u, w),
        "wy": by_position(u, r, w * y),
        "cy": by_position(u, r, np.minimum(w, limit) * y),
        "clicked": by_position(v, at, random["click"].to_numpy(dtype=np.float64)),
        "shown": by_position(v, at, np.ones(len(at))),
    }
    if predicted is not None and expected is not None:
        mean = np.asarray(expected, dtype=np.float64)
        parts["mean"] = by_user(u, mean)
        parts["rest"] = by_user(u, mean - w * np.asarray(predicted, dtype=np.float64))
    columns = np.hstack(list(parts.values()))
    ends = np.cumsum([part.shape[1] for part in parts.values()])[:-1]
    drawn, _ = resample(columns, np.zeros_like(columns), n_boot, seed)  # (n_boot, number of columns)
    totals = np.vstack([columns.sum(axis=0), drawn])
    named = dict(zip(parts, np.split(totals, ends, axis=1), strict=True))
    found = _estimates(named, positions=looks_from is not None)
    return OffPolicy(found.iloc[0].rename(None), found.iloc[1:].reset_index(drop=True), effective_sample_size(w))


def _estimates(totals: dict[str, Floats], *, positions: bool) -> pd.DataFrame:
    """Return each estimator of each row of totals: sums over the viewers of a sample, by position where it counts."""
    n, w = totals["n"][:, 0], totals["w"][:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):  # a sample may have no click in a position
        rate = totals["clicked"] / totals["shown"]  # (b, K)
        theta = rate / rate[:, :1] if positions else np.ones_like(rate)
        earned, clipped = ((totals[name] / theta).sum(axis=1) for name in ("wy", "cy"))  # (b,)
        found = {"IPS": earned / n, "clipped IPS": clipped / n, "SNIPS": earned / w}
    if "mean" in totals:
        found |= {"DM": totals["mean"][:, 0] / n, "DR": (earned + totals["rest"][:, 0]) / n}
    return pd.DataFrame(found)
