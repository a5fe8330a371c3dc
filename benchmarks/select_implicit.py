"""Choose the settings of implicit ALS, without ever looking at the test rows.

The last fifth of each user of MovieLens-100K is the test table of the ranking pages. Here the last fifth of
what remains is cut off once more, for validation. Each setting of the grid is fitted from three starts on
the inner training table; the largest mean NDCG@10 wins, once within Hu, Koren & Volinsky's own model
(ν = 0) and once over everything. The class defaults are the latter. The number of factors isn't searched:
it stays at 32, at which the peer's results are known.

    python -m benchmarks.select_implicit      # about 2 minutes on two cores
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from avrec_lib.data import Split, last_fraction, movielens_100k
from avrec_lib.evaluation.ranking import metrics_of_hits
from avrec_lib.recommenders import Recommender, top_k
from avrec_lib.recommenders.matrix_factorization import ImplicitALS

OUTPUT = Path(__file__).parents[1] / "data" / "benchmarks" / "selection_implicit.json"
SEEDS = (0, 1, 2)
GRID = [
    {"n_factors": 32, "alpha": alpha, "reg": reg, "reg_power": power}
    for alpha in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # an α below 1/4 was tried too: it changes nothing measurable
    for power, regs in ((0.0, (0.1, 3.0, 6.0, 10.0, 20.0)), (0.5, (0.5, 0.7, 1.0, 1.5, 2.0)), (1.0, (0.05, 0.1, 0.2)))
    for reg in regs
]


def inner_split() -> Split:
    """Return the training part of the last-fifth split, split once more by the same rule."""
    return last_fraction(last_fraction(movielens_100k().interactions).train)


def mean_ndcg(model: Recommender, split: Split) -> float:
    """Return NDCG@10 of a fitted model, the mean of `per_user`, without the other metrics that it measures."""
    likes = split.test.matrix().toarray() != 0  # (n_users, n_items)
    lists = np.array(top_k(model.score(np.arange(split.train.n_users)), 10, split.train.matrix()))  # (n_users, 10)
    n_relevant = likes.sum(axis=1)
    tested = n_relevant > 0
    hits = np.take_along_axis(likes, lists, axis=1)
    return float(metrics_of_hits(hits[tested], n_relevant[tested])["NDCG@10"].mean())


def select(split: Split) -> dict[str, Any]:
    """Return the table of the grid, the best setting, and the best one with ν = 0."""
    rows = []
    for setting in tqdm(GRID):
        found = [mean_ndcg(ImplicitALS(**setting, seed=seed).fit(split.train), split) for seed in SEEDS]
        rows.append({**setting, "validation_ndcg": round(float(np.mean(found)), 5)})
    rows.sort(key=lambda row: -row["validation_ndcg"])
    return {"chosen": rows[0], "chosen_without_power": next(r for r in rows if r["reg_power"] == 0), "table": rows}


def main() -> None:
    """Select, print the table, and write it to data/benchmarks/selection_implicit.json."""
    result = select(inner_split())
    for row in result["table"][:30]:
        print("  ".join(f"{key}={value}" for key, value in row.items()))
    print(f"chosen: {result['chosen']}\nchosen with reg_power=0: {result['chosen_without_power']}")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
