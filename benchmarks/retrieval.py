"""What an approximate index may miss and what it saves: recall@10 against time for one query, to a million items.

The vectors are made up, of length 1 with d = 64: each is one of a thousand centres plus noise, the centres have
unequal shares, and the later coordinates matter less, as in the vectors of a trained tower. A query is the mean of
three items from two centres plus noise, as a person with two interests. Each search is asked one query at a time, as
a request comes, on one thread. Its time is that of the processor, so that what else runs on the machine counts little.

    python -m benchmarks retrieval      # a few minutes on one core, most of them to link the largest graph
"""

from __future__ import annotations

import time
from typing import Any

import faiss
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.recommenders.two_tower.retrieval import ItemIndex, Kind, largest_products, recall

PACKAGES = ("numpy", "faiss-cpu")
Floats = NDArray[np.float32]
SIZES = (10_000, 100_000, 1_000_000)
D, N_CENTRES, N_QUERIES, K = 64, 1000, 200, 10
EFFORTS: dict[Kind, tuple[int, ...]] = {
    "flat": (1,),
    "ivf": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    "hnsw": (10, 16, 32, 64, 128, 256, 512),
}
LINKS, CARE = 16, 40  # half the links and a fifth of the care of the class's default: minutes for a million items


def clustered(n_items: int, n_queries: int = N_QUERIES, d: int = D, seed: int = 0) -> tuple[Floats, Floats]:
    """Return unit vectors of items and queries, shapes (n_items, d) and (n_queries, d), float32."""
    rng = np.random.default_rng(seed)
    spread = np.arange(1, d + 1, dtype=np.float32) ** -0.5  # (d,)
    centres = rng.standard_normal((N_CENTRES, d), dtype=np.float32) * spread
    shares = 1 / np.arange(1, N_CENTRES + 1) ** 0.5
    of = rng.choice(N_CENTRES, n_items, p=shares / shares.sum())
    V = _unit(centres[of] + rng.standard_normal((n_items, d), dtype=np.float32) * spread)
    a, b = rng.integers(n_items, size=(2, n_queries))
    also = np.array([rng.choice(np.flatnonzero(of == of[i])) for i in a])  # a second item of the first centre
    noise = rng.standard_normal((n_queries, d), dtype=np.float32) * spread
    return V, _unit((V[a] + V[also] + V[b]) / 3 + 0.1 * noise)


def _unit(X: Floats) -> Floats:
    return np.asarray(X / np.linalg.norm(X, axis=1, keepdims=True), dtype=np.float32)


def build(V: Floats, kind: Kind) -> ItemIndex:
    """Return an index of one kind; a graph is linked with less care than the class takes."""
    index = ItemIndex(V[:1] if kind == "hnsw" else V, kind, links=LINKS)
    if kind == "hnsw":
        index._index.hnsw.efConstruction = CARE  # no setting of the class
        index._index.add(V[1:])
    return index


def measure(index: ItemIndex, Q: Floats, exact: NDArray[np.int64]) -> tuple[float, float]:
    """Return recall@10 and the median milliseconds of the processor that one query takes, on one thread."""
    found, seconds = [], []
    for q in Q:
        start = time.process_time()
        found.append(index.search(q[None], K)[0][0])
        seconds.append(time.process_time() - start)
    return recall(np.array(found), exact), 1000 * float(np.median(seconds))


def run(sizes: tuple[int, ...] = SIZES, n_queries: int = N_QUERIES) -> list[dict[str, Any]]:
    """Measure every kind of index at every size; one dict for each effort."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    rows: list[dict[str, Any]] = []
    try:
        for n in sizes:
            V, Q = clustered(n, n_queries)
            exact = np.concatenate([largest_products(V, part, K)[0] for part in np.array_split(Q, -(-len(Q) // 10))])
            for kind, efforts in EFFORTS.items():
                start = time.process_time()
                index = build(V, kind)
                seconds = time.process_time() - start
                for effort in efforts:
                    index.effort = effort
                    share, ms = measure(index, Q, exact)
                    row = {"items": n, "index": kind, "effort": effort, "recall": round(share, 4)}
                    rows.append(row | {"milliseconds": round(ms, 4), "build_seconds": round(seconds, 1)})
    finally:
        faiss.omp_set_num_threads(threads)
    return rows


def main() -> None:
    """Print the table."""
    print(pd.DataFrame(run()).to_string(index=False))


if __name__ == "__main__":
    main()
