"""The list models that need no training loop, beside a peer and the reference numbers: NDCG@10 and time, in one run.

Trained on the first four fifths of each user of MovieLens-100K, by time; all items are ranked, those met in
training left out. Item neighbours are also fitted by the package implicit, with the same number of neighbours,
on the same matrix, and its scores go through the same ranking and metric as ours.

    python -m benchmarks.lists      # a few seconds
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from implicit.nearest_neighbours import CosineRecommender

from avrec_lib.data import Split, last_fraction, movielens_100k
from avrec_lib.evaluation import evaluate
from avrec_lib.recommenders import EASE, ItemKNN, Popularity, Recommender, UserKNN
from avrec_lib.recommenders.matrix_factorization.svd import PureSVD

REPEATS = 5


class PeerItemKNN(Recommender):
    """Item neighbours of the package implicit, on our contract, so that one evaluator serves both."""

    def _fit(self, train):
        R = train.matrix()
        self._matrix = sp.csr_matrix((np.ones_like(R.data, dtype=np.float64), R.indices, R.indptr), shape=R.shape)
        model = CosineRecommender(K=51, num_threads=1)  # it counts an item among its own neighbours
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it converts its own intermediate matrix and says so
            model.fit(self._matrix, show_progress=False)
        self._similarity = model.similarity.tocsr()

    def _score(self, users):
        return np.asarray((self._matrix[users] @ self._similarity).todense(), dtype=np.float32)


def measure(model: Recommender, split: Split) -> tuple[float, float]:
    """Return NDCG@10 and the median CPU seconds of a fit."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        model.fit(split.train)
        seconds.append(time.process_time() - start)
    table = evaluate(model, split, fitted=True, n_boot=0).set_index("metric")
    return float(table.loc["NDCG@10", "value"]), float(np.median(seconds))


def run() -> list[dict[str, Any]]:
    """Measure everything; one dict a model: model, library, settings, ndcg, seconds."""
    split = last_fraction(movielens_100k().interactions)
    table = []
    for model, library, settings in (
        (Popularity(), "avrec_lib", "counts"),
        (PeerItemKNN(), "implicit", "cosine, 50 neighbours"),
        (ItemKNN(k=50), "avrec_lib", "cosine, 50 neighbours"),
        (UserKNN(k=50), "avrec_lib", "cosine, 50 neighbours"),
        (EASE(reg=300), "avrec_lib", "λ = 300"),
        (PureSVD(20), "avrec_lib", "k = 20"),
    ):
        ndcg, seconds = measure(model, split)
        name = "CosineRecommender" if library == "implicit" else type(model).__name__
        row = {"model": name, "library": library, "settings": settings}
        table.append(row | {"ndcg": round(ndcg, 4), "seconds": round(seconds, 3)})
    return table


def main() -> None:
    """Print the table."""
    print(pd.DataFrame(run()).to_string(index=False))


if __name__ == "__main__":
    main()
