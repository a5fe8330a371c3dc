"""Choose the settings of the explicit matrix factorisations, without ever looking at a test fold.

Each of the five official training parts is cut once more: a tenth of it, drawn by seed, becomes the
inner validation table. Every combination of the grid is fitted on the five inner training tables. Two
choices follow:

- one setting for all: the smallest validation RMSE averaged over the five cuts. The class defaults
  are this one.
- one setting a fold: the smallest validation RMSE of that fold's own cut. The ratings of its test
  fold had no part in it, not even through another fold's cut, so its test RMSE is free of selection
  (nested cross-validation); `benchmarks.explicit` prints it beside the first.

The number of passes is chosen from the same fits: `history_` has the validation RMSE after each one.

    python -m benchmarks.select_explicit      # about 5 minutes on two cores
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from avrec_lib.data import Split, movielens_100k, official_folds, random_k_fold
from avrec_lib.recommenders.matrix_factorization import AlternatingLeastSquares, MatrixFactorization

OUTPUT = Path(__file__).parents[1] / "data" / "benchmarks" / "selection_explicit.json"

MODELS: dict[str, tuple[type[Any], str, int, list[dict[str, Any]]]] = {
    # name: class, what a pass is called, the most passes, the grid
    # (wider grids led to these ranges; 512 factors were no better than 256)
    "MatrixFactorization": (
        MatrixFactorization,
        "n_epochs",
        70,
        [
            {"n_factors": k, "lr": 0.01, "reg": reg, "init_scale": scale}
            for k, reg, scale in itertools.product(
                (64, 128, 256), (0.05, 0.06, 0.07, 0.1), (0.001, 0.0025, 0.005, 0.02)
            )
        ],
    ),
    "AlternatingLeastSquares": (
        AlternatingLeastSquares,
        "n_iterations",
        40,
        [
            {"n_factors": k, "reg": reg, "reg_power": power}
            for k in (4, 6, 8, 12)
            for power, regs in ((0.0, (10.0, 12.0, 14.0)), (0.5, (1.1, 1.2, 1.3, 1.4)), (1.0, (0.12, 0.13, 0.14)))
            for reg in regs
        ],
    ),
}


def inner_splits() -> list[Split]:
    """Return, for each official fold, its training part cut into nine tenths and one tenth."""
    return [random_k_fold(fold.train, n_folds=10, seed=0)[0] for fold in official_folds(movielens_100k().interactions)]


def select(name: str, splits: list[Split]) -> dict[str, Any]:
    """Return the table of one model's grid, the setting chosen for all folds, and one for each fold."""
    model, passes, most, grid = MODELS[name]
    curves = np.array(
        [
            [
                model(**setting, **{passes: most}, validation=s.test).fit(s.train).history_["validation_rmse"]
                for s in splits
            ]
            for setting in tqdm(grid, desc=name)
        ]
    )  # (settings, folds, passes)

    def choice(curve: np.ndarray) -> dict[str, Any]:
        best, at = np.unravel_index(curve.argmin(), curve.shape)
        return {**grid[best], passes: int(at) + 1, "validation_rmse": round(float(curve[best, at]), 5)}

    mean = curves.mean(axis=1)  # (settings, passes)
    table = [
        {**setting, passes: int(c.argmin()) + 1, "validation_rmse": round(float(c.min()), 5)}
        for setting, c in zip(grid, mean, strict=True)
    ]
    return {
        "chosen": choice(mean),
        "chosen_per_fold": [choice(curves[:, fold]) for fold in range(len(splits))],
        "table": sorted(table, key=lambda row: row["validation_rmse"]),
    }


def main() -> None:
    """Select for both models, print the tables, and write them to data/benchmarks/selection_explicit.json."""
    splits = inner_splits()
    result = {name: select(name, splits) for name in MODELS}
    for name, found in result.items():
        print(f"\n{name}: validation RMSE, mean of {len(splits)} inner cuts")
        for row in found["table"]:
            print("  " + "  ".join(f"{key}={value}" for key, value in row.items()))
        print(f"  chosen: {found['chosen']}")
        for fold, row in enumerate(found["chosen_per_fold"], start=1):
            print(f"  chosen for u{fold} alone: {row}")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
