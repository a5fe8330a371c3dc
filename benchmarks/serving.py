"""How long a list takes: p50 and p99 of `Service.recommend`, by the kind of index, the catalogue and the vectors.

The tables are made up. With D = 8 viewers are mixtures of tastes and items their log-odds; with D = 33 both are vectors
of 32 numbers and a bias. Every viewer has clicked 20 clips and seen 50 more, which are left out of the list. Items lie
around a thousand centres, as in `retrieval`. Each request is one call for ten clips by another viewer, timed by the
wall clock on a machine held to two cores, of which one request uses one; `reasons` says whether the ingredients of the
reasons are asked for. Recall is the share of the flat index's lists that is found. Of a million items no graph is
built: linking it takes minutes, see `retrieval`.

    python -m benchmarks serving      # under a minute on two cores
"""

from __future__ import annotations

import time
from typing import Any

import faiss
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import softmax

from avrec_lib.multimodal.serving import Service, ServingTables
from avrec_lib.recommenders.two_tower.retrieval import ItemIndex, Kind, recall
from benchmarks.pairs import two_cores

PACKAGES = ("numpy", "scipy", "faiss-cpu")
SIZES = (100_000, 1_000_000)
LENGTHS = (8, 33)
KINDS: tuple[Kind, ...] = ("flat", "ivf", "hnsw")
N_USERS, N_CLICKED, N_SEEN, N_CENTRES, K = 1000, 20, 50, 1000, 10
N_REQUESTS, SECONDS = 1000, 0.6  # requests of a row end after so many seconds, but not before N_LEAST
N_LEAST = 100
CELLS, EFFORT = 500, 16  # of `ivf`; the class's 4 √n cells would take more than the minute to learn for a million items
LINKS, CARE = 16, 40  # of `hnsw`, as in `retrieval`
LARGEST_GRAPH = 100_000
NEEDED = 500  # bytes an item for its g, its id and its number, beside 40 for each number of a vector


def tables_of(n: int, D: int, m: int = N_USERS, seed: int = 0) -> ServingTables:
    """Return tables of n items and m viewers, whose vectors have D numbers."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((min(N_CENTRES, n), D), dtype=np.float32)
    items = centres[rng.integers(len(centres), size=n)] + 0.5 * rng.standard_normal((n, D), dtype=np.float32)
    users = rng.standard_normal((m + 1, D), dtype=np.float32)
    prior = evidence = None
    if D <= 8:  # tastes
        evidence = (3 * users[:m]).astype(np.float32)
        prior = np.full(D, 1 / D, dtype=np.float32)
        users = softmax(np.vstack([evidence, np.zeros((1, D), np.float32)]), axis=1)
    else:
        users[:, -1] = 1  # the last number of an item is its bias
    return ServingTables(
        items=items,
        users=users,
        g=rng.standard_normal((n, 32), dtype=np.float32),
        without=np.stack([items + 0.1 * rng.standard_normal((n, D), dtype=np.float32) for _ in range(3)]),
        senses=("text", "picture", "sound"),
        item_ids=[f"clip {i}" for i in range(n)],
        user_ids=[f"viewer {u}" for u in range(m)],
        clicked=_some(rng, m, n, N_CLICKED),
        seen=_some(rng, m, n, N_SEEN),
        prior=prior,
        evidence=evidence,
    )


def _some(rng: np.random.Generator, m: int, n: int, each: int) -> sp.csr_array:
    columns = rng.integers(n, size=m * each)
    return sp.csr_array((np.ones(m * each, dtype=bool), (np.repeat(np.arange(m), each), columns)), shape=(m, n))


def build(tables: ServingTables, kind: Kind) -> tuple[Service, float]:
    """Return a service and the seconds of the processor that its index took."""
    start = time.process_time()
    cells = min(CELLS, max(1, len(tables.items) // 39))
    V = tables.items[:1] if kind == "hnsw" else tables.items
    index = ItemIndex(V, kind, cells=cells if kind == "ivf" else None, links=LINKS, effort=EFFORT)
    if kind == "hnsw":
        index._index.hnsw.efConstruction = CARE  # no setting of the class
        index._index.add(tables.items[1:])
    return Service(tables, index), time.process_time() - start


def measure(service: Service, *, reasons: bool, most: int = N_REQUESTS) -> tuple[NDArray[np.int64], list[float]]:
    """Return the lists of one viewer after the other, shape (requests, K), and the milliseconds of each."""
    names, number = service.tables.user_ids, {name: i for i, name in enumerate(service.tables.item_ids)}
    service.recommend(names[-1], K, reasons=reasons)  # the first call loads what the others use
    lists, milliseconds, begin = [], [], time.perf_counter()
    while len(lists) < most and (len(lists) < N_LEAST or time.perf_counter() - begin < SECONDS):
        start = time.perf_counter()
        found = service.recommend(names[len(lists) % len(names)], K, reasons=reasons)
        milliseconds.append(1000 * (time.perf_counter() - start))
        lists.append([number[one.item_id] for one in found])
    return np.array(lists), milliseconds


def fits(n: int, D: int) -> bool:
    """Tell whether the tables and an index of n items fit into the memory that is free, where the system tells it."""
    try:
        import psutil
    except ImportError:
        return n <= LARGEST_GRAPH
    return bool(n * (NEEDED + 40 * D) < psutil.virtual_memory().available)


def run(
    sizes: tuple[int, ...] = SIZES, lengths: tuple[int, ...] = LENGTHS, most: int = N_REQUESTS
) -> list[dict[str, Any]]:
    """Measure every kind of index with every table that fits into memory; two dicts for each."""
    threads = faiss.omp_get_max_threads()
    rows: list[dict[str, Any]] = []
    with two_cores():
        faiss.omp_set_num_threads(min(2, threads))
        try:
            for n, D in ((n, D) for n in sizes for D in lengths if fits(n, D)):
                tables, exact = tables_of(n, D), np.empty((0, K), np.int64)
                for kind in KINDS:
                    if kind == "hnsw" and n > LARGEST_GRAPH:
                        continue
                    service, seconds = build(tables, kind)
                    for reasons in (False, True):
                        lists, times = measure(service, reasons=reasons, most=most)
                        if kind == "flat" and len(lists) > len(exact):
                            exact = lists  # of the same viewers in the same order
                        both = min(len(lists), len(exact))
                        p50, p99 = np.percentile(times, [50, 99])
                        row = {"items": n, "D": D, "index": kind, "reasons": reasons, "requests": len(lists)}
                        row |= {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}
                        row |= {"recall": round(recall(lists[:both], exact[:both]), 4)}
                        rows.append(row | {"build_seconds": round(seconds, 1)})
        finally:
            faiss.omp_set_num_threads(threads)
    return rows


def main() -> None:
    """Print the table."""
    print(pd.DataFrame(run()).to_string(index=False))


if __name__ == "__main__":
    main()
