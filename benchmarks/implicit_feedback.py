"""Implicit ALS beside the package implicit: NDCG@10 and training time, in one run.

Everything is trained on the first four fifths of each user of MovieLens-100K, by time, and ranked against
the rest. Both libraries minimise the same objective, with as many factors, iterations and threads (2), each
with its default solver, three conjugate-gradient steps. They are timed in turn (theirs, ours, theirs, …)
after a first fit that compiles, on the wall clock, which other load on the machine lengthens; the speed-up
is the median of the ratios of neighbours. NDCG is the mean over ten starts, and its standard error says
which difference is luck.

implicit's alpha is the whole confidence of an interaction, ours what is added to 1: alpha = α + 1. It warns
when the BLAS library underneath has threads of its own, because they fight with its own; so BLAS gets one
thread, for both.

    python -m benchmarks.implicit_feedback      # about a minute on two cores
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import implicit.cpu.als
import numba
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from avrec_lib.data import Split, last_fraction, movielens_100k
from avrec_lib.evaluation.ranking import metrics_of_hits
from avrec_lib.recommenders import top_k
from avrec_lib.recommenders.matrix_factorization import ImplicitALS
from benchmarks.select_implicit import OUTPUT as SELECTION

SEEDS = range(10)
REPEATS = 9
Fit = Callable[[int], tuple[float, NDArray[np.floating], NDArray[np.floating]]]


def ours(split: Split, **settings: Any) -> Fit:
    """Return a function from a seed to (seconds, user factors, item factors)."""

    def fit(seed: int) -> tuple[float, NDArray[np.floating], NDArray[np.floating]]:
        model = ImplicitALS(**settings, seed=seed)
        start = time.perf_counter()
        model.fit(split.train)
        return time.perf_counter() - start, model.X, model.Y

    return fit


def peer(split: Split, n_factors: int, n_iterations: int, reg: float, alpha: float) -> Fit:
    """Return the same for the package implicit. Making its matrix isn't timed."""
    R = split.train.matrix()
    matrix = sp.csr_matrix((np.ones_like(R.data), R.indices, R.indptr), shape=R.shape)

    def fit(seed: int) -> tuple[float, NDArray[np.floating], NDArray[np.floating]]:
        model = implicit.cpu.als.AlternatingLeastSquares(
            n_factors, iterations=n_iterations, regularization=reg, alpha=alpha + 1, random_state=seed, num_threads=2
        )
        start = time.perf_counter()
        model.fit(matrix, show_progress=False)
        return time.perf_counter() - start, model.user_factors, model.item_factors

    return fit


def ndcg(split: Split, X: NDArray[np.floating], Y: NDArray[np.floating]) -> float:
    """Return NDCG@10 of the scores X Yᵀ, unseen items only, averaged over the users with test rows."""
    likes = split.test.matrix().toarray() != 0  # (n_users, n_items)
    lists = np.array(top_k(X @ Y.T, 10, split.train.matrix()))  # (n_users, 10)
    n_relevant = likes.sum(axis=1)
    hits = np.take_along_axis(likes, lists, axis=1)[n_relevant > 0]
    return float(metrics_of_hits(hits, n_relevant[n_relevant > 0])["NDCG@10"].mean())


def row(split: Split, model: str, library: str, settings: str, fit: Fit, seconds: list[float]) -> dict[str, Any]:
    """Return one line of the table."""
    values = [ndcg(split, *fit(seed)[1:]) for seed in SEEDS]
    return {
        "model": model,
        "library": library,
        "settings": settings,
        "ndcg": round(float(np.mean(values)), 4),
        "standard_error": round(float(np.std(values, ddof=1) / len(values) ** 0.5), 4),
        "seconds": round(float(np.median(seconds)), 4),
        "speed_up": None,
    }


def run() -> list[dict[str, Any]]:
    """Measure everything; one dict a model: model, library, settings, ndcg, standard_error, seconds, speed_up.

    `seconds` is the median wall time of a fit on two threads. `speed_up`, in the rows of ours below a peer of
    equal settings, is the median of peer seconds / our seconds over pairs of neighbouring runs.
    """
    split = last_fraction(movielens_100k().interactions)
    chosen = json.loads(SELECTION.read_text(encoding="utf-8"))
    plain, best = (
        {key: chosen[name][key] for key in ("n_factors", "alpha", "reg", "reg_power")}
        for name in ("chosen_without_power", "chosen")
    )
    table = []
    threads = numba.get_num_threads()
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    try:
        with threadpool_limits(1, "blas"):
            for name, f, reg, alpha in (
                ("λ .1, α 5", 32, 0.1, 5.0),
                ("λ .1, α 5", 64, 0.1, 5.0),
                ("λ .1, α 5", 128, 0.1, 5.0),
                ("chosen on the inner split, ν = 0", plain["n_factors"], plain["reg"], plain["alpha"]),
            ):
                same = {"n_factors": f, "n_iterations": 15, "reg": reg, "alpha": alpha}
                theirs, mine = peer(split, **same), ours(split, **same, reg_power=0)
                mine(0)
                pairs = [(theirs(0)[0], mine(0)[0]) for _ in range(REPEATS)]
                label = f"f={f}, {name}"
                table.append(row(split, "AlternatingLeastSquares", "implicit", label, theirs, [p for p, _ in pairs]))
                table.append(row(split, "ImplicitALS", "avrec_lib", label, mine, [m for _, m in pairs]))
                table[-1]["speed_up"] = round(float(np.median([p / m for p, m in pairs])), 1)
            mine = ours(split, **best)
            label = f"f={best['n_factors']}, chosen on the inner split, ν = {best['reg_power']:g} (the defaults)"
            seconds = [mine(0)[0] for _ in range(REPEATS)]
            table.append(row(split, "ImplicitALS", "avrec_lib", label, mine, seconds))
    finally:
        numba.set_num_threads(threads)
    return table


def main() -> None:
    """Print the table."""
    with pd.option_context("display.max_columns", None, "display.width", 250, "display.max_colwidth", 70):
        print(pd.DataFrame(run()).to_string(index=False, na_rep=""))


if __name__ == "__main__":
    main()
