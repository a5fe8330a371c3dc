"""Choose the settings of Bayesian matrix factorisation, without ever looking at a test fold.

The inner cuts are those of `benchmarks.select_explicit`: a tenth of each official training part is held out.
On each, one chain of 400 sweeps a setting is run without burn-in; every choice of burn-in and number of
samples is then a mean over a stretch of that chain. Two choices follow:

- one setting for all: the smallest validation RMSE averaged over the five cuts. The class defaults
  are this one.
- one setting a fold: the smallest validation RMSE of that fold's own cut (nested cross-validation);
  `benchmarks.bayesian` prints its test RMSE beside the first.

The number of samples isn't searched but bounded: more samples are never worse in the mean, only slower.

    python -m benchmarks.select_bayesian      # about 5 minutes on one core
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from avrec_lib.data import Split
from avrec_lib.recommenders.matrix_factorization import BayesianMatrixFactorization
from benchmarks.select_explicit import inner_splits

OUTPUT = Path(__file__).parents[1] / "data" / "benchmarks" / "selection_bayesian.json"
GRID = [{"n_factors": k, "prior_scale": scale} for k, scale in itertools.product((10, 16, 22), (1.0, 2.5, 6.0))]
BURN_IN = (0, 10, 20, 40, 100)
N_SAMPLES = 300


def errors(split: Split, setting: dict[str, Any]) -> list[float]:
    """Return the validation RMSE of one chain for every burn-in, with N_SAMPLES samples after it."""
    model = BayesianMatrixFactorization(**setting, burn_in=0, n_samples=max(BURN_IN) + N_SAMPLES).fit(split.train)
    draws = model.predict_draws(split.test.users, split.test.items)  # (sweeps, n)
    low, high = split.train.values.min(), split.train.values.max()
    means = [draws[b : b + N_SAMPLES].mean(axis=0) for b in BURN_IN]
    return [float(np.sqrt(np.mean((np.clip(m, low, high) - split.test.values) ** 2))) for m in means]


def select(splits: list[Split]) -> dict[str, Any]:
    """Return the table of the grid, the setting chosen for all folds, and one for each fold."""
    table = np.array([[errors(split, setting) for split in splits] for setting in tqdm(GRID)])
    table = table.transpose(1, 0, 2)  # (folds, settings, burn-ins)

    def choice(rmse: np.ndarray) -> dict[str, Any]:
        best, at = np.unravel_index(rmse.argmin(), rmse.shape)
        return settings(int(best), int(at), rmse)

    def settings(row: int, column: int, rmse: np.ndarray) -> dict[str, Any]:
        found = {**GRID[row], "n_samples": N_SAMPLES, "burn_in": BURN_IN[column]}
        return {**found, "validation_rmse": round(float(rmse[row, column]), 5)}

    mean = table.mean(axis=0)  # (settings, burn-ins)
    rows = [settings(i, j, mean) for i, j in itertools.product(range(len(GRID)), range(len(BURN_IN)))]
    return {
        "chosen": choice(mean),
        "chosen_per_fold": [choice(fold) for fold in table],
        "table": sorted(rows, key=lambda row: row["validation_rmse"]),
    }


def main() -> None:
    """Select, print the table, and write it to data/benchmarks/selection_bayesian.json."""
    result = select(inner_splits())
    for row in result["table"]:
        print("  ".join(f"{key}={value}" for key, value in row.items()))
    print(f"chosen: {result['chosen']}")
    for fold, row in enumerate(result["chosen_per_fold"], start=1):
        print(f"chosen for u{fold} alone: {row}")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
