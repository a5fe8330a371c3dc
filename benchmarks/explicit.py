"""Explicit matrix factorisation beside its peers: RMSE on the official folds and training time, in one run.

Every row of the table is measured on the folds u1 to u5 of MovieLens-100K. Where a peer has a
counterpart, the two are timed in turn on the same fold (theirs, ours, theirs, ours, …), each on one
thread, after a first fit that compiles, three times over; the time of a fold is the least of the three,
which is the least disturbed, and the speed-up is the median of the five ratios. Times are the process's
CPU seconds, on which other load on the machine tells less than on the clock.

    python -m benchmarks.explicit      # about two minutes
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import surprise

from avrec_lib.data import Interactions, Split, movielens_100k, official_folds
from avrec_lib.evaluation import rmse
from avrec_lib.recommenders.base import RatingModel
from avrec_lib.recommenders.matrix_factorization import AlternatingLeastSquares, MatrixFactorization
from benchmarks.select_explicit import OUTPUT as SELECTION

# The same settings for both libraries: name, factors, epochs, learning rate, λ, standard deviation of the start.
EQUAL_SETTINGS = (
    ("Surprise's defaults", 100, 20, 0.005, 0.02, 0.1),
    ("60 epochs, lr .01, reg .1", 100, 60, 0.01, 0.1, 0.1),
    ("our defaults", 256, 40, 0.01, 0.05, 0.0025),
)
REPEATS = 3

Result = tuple[float, float]  # CPU seconds, test RMSE
Fit = Callable[[Split], Result]


def ours(make: Callable[[int], RatingModel]) -> Fit:
    """Return a function that fits the model of a fold (numbered from 0) and returns (CPU seconds, test RMSE)."""

    def fit(split: Split) -> Result:
        model = make(int(split.name[-1]) - 1)
        start = time.process_time()
        model.fit(split.train)
        seconds = time.process_time() - start
        return seconds, rmse(split.test.values, model.predict(split.test.users, split.test.items))

    return fit


def peer(**settings: Any) -> Fit:
    """Return a function that fits Surprise's SVD and returns (CPU seconds, test RMSE). Its data loading isn't timed."""

    def fit(split: Split) -> Result:
        trainset = surprise_trainset(split.train)
        model = surprise.SVD(random_state=0, **settings)
        start = time.process_time()
        model.fit(trainset)
        seconds = time.process_time() - start
        predicted = [model.predict(u, i).est for u, i in zip(split.test.users, split.test.items, strict=True)]
        return seconds, rmse(split.test.values, np.array(predicted))

    return fit


def surprise_trainset(train: Interactions) -> Any:
    """Return the same rows as a Surprise training set, with our indices as its raw ids."""
    frame = pd.DataFrame({"user": train.users, "item": train.items, "rating": train.values})
    return surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5))).build_full_trainset()


def quickest(pairs: list[tuple[Result, Result]]) -> tuple[Result, Result]:
    """Return the quickest of their results and the quickest of ours; the RMSEs of the repeats are all equal."""
    return min(theirs for theirs, _ in pairs), min(ours for _, ours in pairs)


def row(model: str, library: str, settings: str, results: list[Result]) -> dict[str, Any]:
    """Return one line of the table from (seconds, RMSE) of each fold."""
    seconds, errors = zip(*results, strict=True)
    return {
        "model": model,
        "library": library,
        "settings": settings,
        "rmse": round(float(np.mean(errors)), 4),
        "rmse_per_fold": [round(float(e), 4) for e in errors],
        "seconds": round(float(np.median(seconds)), 4),
        "speed_up": None,
    }


def run() -> list[dict[str, Any]]:
    """Measure everything; one dict a model: model, library, settings, rmse, rmse_per_fold, seconds, speed_up.

    `seconds` is the median CPU time of training on a fold. `speed_up`, in the rows of ours that stand below a
    peer with equal settings, is the median over the folds of peer seconds / our seconds.
    """
    folds = official_folds(movielens_100k().interactions)
    for warm_up in (MatrixFactorization(n_epochs=1), AlternatingLeastSquares(n_iterations=1)):
        warm_up.fit(folds[0].train)

    table = []
    for name, k, epochs, lr, reg, scale in EQUAL_SETTINGS:
        theirs = peer(n_factors=k, n_epochs=epochs, lr_all=lr, reg_all=reg, init_std_dev=scale)
        same = {"n_factors": k, "n_epochs": epochs, "lr": lr, "reg": reg, "init_scale": scale}
        mine = ours(lambda _, same=same: MatrixFactorization(**same))
        pairs = [quickest([(theirs(fold), mine(fold)) for _ in range(REPEATS)]) for fold in folds]
        table.append(row("SVD", "surprise", f"k={k}, {name}", [p for p, _ in pairs]))
        table.append(row("MatrixFactorization", "avrec_lib", f"k={k}, {name}", [m for _, m in pairs]))
        table[-1]["speed_up"] = round(float(np.median([p[0] / m[0] for p, m in pairs])), 1)

    chosen = json.loads(SELECTION.read_text(encoding="utf-8"))
    for model in (MatrixFactorization, AlternatingLeastSquares):
        per_fold = chosen[model.__name__]["chosen_per_fold"]
        nested = [{key: value for key, value in c.items() if key != "validation_rmse"} for c in per_fold]
        for settings, make in (
            ("defaults: one setting, chosen on inner folds", lambda _, model=model: model()),
            ("a setting a fold, chosen on its own inner fold", lambda n, model=model, s=nested: model(**s[n])),
        ):
            results = [ours(make)(fold) for fold in folds]
            table.append(row(model.__name__, "avrec_lib", settings, results))
    return table


def main() -> None:
    """Print the table."""
    table = pd.DataFrame(run())
    with pd.option_context("display.max_columns", None, "display.width", 250, "display.max_colwidth", 60):
        print(table.drop(columns="rmse_per_fold").to_string(index=False, na_rep=""))
        print("\nRMSE on u1 … u5")
        for _, line in table.iterrows():
            print(f"  {line['library']:10} {line['model']:24} {line['settings']:44} {line['rmse_per_fold']}")


if __name__ == "__main__":
    main()
