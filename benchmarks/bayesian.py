"""Bayesian matrix factorisation beside myFM: RMSE on the official folds and training time, in one run.

myFM samples a factorisation machine whose only features are the user and the item, which is the same
prediction μ + b_u + b_i + p_u·q_i, with one precision per factor and side ("grouped"). It is given rank 10,
300 sweeps, and all of them kept. Times are the process's CPU seconds on one thread, on which other load on
the machine tells less than on the clock; the two alternate on the same folds, and the speed-up is the median
of the five ratios.

    python -m benchmarks.bayesian      # about two minutes on one core
"""

from __future__ import annotations

import json
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from avrec_lib.data import Interactions, Split, movielens_100k, official_folds
from avrec_lib.evaluation import rmse
from avrec_lib.recommenders.matrix_factorization import BayesianMatrixFactorization
from benchmarks.select_bayesian import OUTPUT as SELECTION

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports pkg_resources, which is deprecated
    import myfm

RANK, SWEEPS = 10, 300


def ours(split: Split, **settings: Any) -> tuple[float, float, float]:
    """Return CPU seconds, test RMSE, and the share of test ratings inside their 90 % credible intervals."""
    model = BayesianMatrixFactorization(**settings)
    start = time.process_time()
    model.fit(split.train)
    seconds = time.process_time() - start
    test = split.test
    predicted, std = model.predict(test.users, test.items), model.predict_std(test.users, test.items)
    inside = np.abs(predicted - test.values) < 1.645 * std
    return seconds, rmse(test.values, predicted), float(inside.mean())


def peer(split: Split) -> tuple[float, float]:
    """Return CPU seconds and test RMSE of myFM. Making its matrices isn't timed."""
    train, test = split.train, split.test
    X, X_test = one_hot(train), one_hot(test)
    model = myfm.MyFMRegressor(rank=RANK, random_seed=0)
    start = time.process_time()
    model.fit(
        X,
        train.values.astype(np.float64),
        n_iter=SWEEPS,
        n_kept_samples=SWEEPS,
        group_shapes=[train.n_users, train.n_items],
    )
    seconds = time.process_time() - start
    return seconds, rmse(test.values, np.clip(model.predict(X_test), train.values.min(), train.values.max()))


def one_hot(data: Interactions) -> sp.csr_matrix:
    """Return one row a rating with a 1 for its user and a 1 for its item, shape (n, n_users + n_items)."""
    n = len(data)
    columns = np.column_stack([data.users, data.n_users + data.items]).ravel()
    return sp.csr_matrix((np.ones(2 * n), columns, np.arange(0, 2 * n + 1, 2)), shape=(n, data.n_users + data.n_items))


def row(model: str, library: str, settings: str, results: list[tuple[float, ...]]) -> dict[str, Any]:
    """Return one line of the table from (seconds, RMSE, …) of each fold."""
    seconds, errors, *inside = zip(*results, strict=True)
    return {
        "model": model,
        "library": library,
        "settings": settings,
        "rmse": round(float(np.mean(errors)), 4),
        "rmse_per_fold": [round(float(e), 4) for e in errors],
        "inside_90": round(float(np.mean(inside[0])), 3) if inside else None,
        "seconds": round(float(np.median(seconds)), 2),
        "speed_up": None,
    }


def run() -> list[dict[str, Any]]:
    """Measure everything; one dict a model.

    Keys: model, library, settings, rmse, rmse_per_fold, inside_90 (the share of test ratings within their
    90 % credible interval), seconds (median CPU time of training on a fold), speed_up (median of the
    ratios to the peer).
    """
    folds = official_folds(movielens_100k().interactions)
    BayesianMatrixFactorization(n_samples=1, burn_in=0).fit(folds[0].train)  # compiles
    pairs = [(peer(fold), ours(fold)) for fold in folds]
    table = [
        row("MyFMRegressor", "myfm", f"k={RANK}, {SWEEPS} sweeps", [p for p, _ in pairs]),
        row("BayesianMatrixFactorization", "avrec_lib", "defaults: chosen on the inner folds", [m for _, m in pairs]),
    ]
    table[-1]["speed_up"] = round(float(np.median([p[0] / m[0] for p, m in pairs])), 1)

    per_fold = json.loads(SELECTION.read_text(encoding="utf-8"))["chosen_per_fold"]
    keys = ("n_factors", "n_samples", "burn_in", "prior_scale")
    nested = [ours(fold, **{k: chosen[k] for k in keys}) for fold, chosen in zip(folds, per_fold, strict=True)]
    label = "chosen for each fold on its own inner fold"
    return [*table, row("BayesianMatrixFactorization", "avrec_lib", label, nested)]


def main() -> None:
    """Print the table."""
    table = pd.DataFrame(run())
    with pd.option_context("display.max_columns", None, "display.width", 250, "display.max_colwidth", 60):
        print(table.to_string(index=False, na_rep=""))


if __name__ == "__main__":
    main()
