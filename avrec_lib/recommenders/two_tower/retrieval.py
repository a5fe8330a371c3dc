"""Find the items with the largest inner products without looking at all of them: FAISS, and what it may miss.

Page 5.1.6. A service with millions of items cannot score each for each request. Its items lie in an
index: `flat` looks at all of them (exact), `ivf` sorts them into cells and looks into the nearest few,
`hnsw` walks a graph of neighbours. The last two are faster and may miss some; `recall` says how many.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Kind = Literal["flat", "ivf", "hnsw"]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class ItemIndex:
    """An index of item vectors for the search of largest inner products ⟨q, v_i⟩, by FAISS.

    Sources: Douze et al. (2024), the library; Jégou, Douze and Schmid (2011), inverted lists (`ivf`);
    Malkov and Yashunin (2020), hierarchical navigable small worlds (`hnsw`).

    Parameters
    ----------
    vectors : array_like, shape (n_items, d), float32
    kind : {"flat", "ivf", "hnsw"}
    cells : int, optional
        Of `ivf`; by default about 4 √n_items, at most n_items / 39 (FAISS wants 39 vectors a cell to learn from).
    links : int
        Of `hnsw`: neighbours of each item in the graph.
    effort : int
        What to vary: cells that a search looks into (`ivf`), or candidates that it keeps (`hnsw`; at
        least k). More effort finds more.
    seed : int
        Of the cells' k-means.
    reproducible : bool
        Build `hnsw` on one thread: with more, chance decides which item is linked first, and it differs each time.

    Raises
    ------
    ValueError
        If the vectors are no finite table, or a setting is out of range.
    """

    def __init__(
        self,
        vectors: ArrayLike,
        kind: Kind = "flat",
        *,
        cells: int | None = None,
        links: int = 32,
        effort: int = 16,
        seed: int = 0,
        reproducible: bool = True,
    ) -> None:
        import faiss

        V = _table(vectors, "vectors")
        n, d = V.shape
        if not n or not d:
            raise ValueError(f"an index needs at least one vector with at least one number, not shape {V.shape}.")
        if effort < 1 or links < 2 or (cells is not None and not 1 <= cells <= n):
            raise ValueError(f"effort must be at least 1, links at least 2, and cells between 1 and {n}.")
        self.kind, self.effort = kind, effort
        if kind == "flat":
            self._index: Any = faiss.IndexFlatIP(d)
        elif kind == "ivf":
            n_cells = cells or max(1, min(int(4 * np.sqrt(n)), n // 39))
            self._index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, n_cells, faiss.METRIC_INNER_PRODUCT)
            self._index.cp.seed = seed
            self._index.cp.min_points_per_centroid = 1  # small catalogues are for learning, not for warnings
            self._index.train(V)
        elif kind == "hnsw":
            self._index = faiss.IndexHNSWFlat(d, links, faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efConstruction = 200
        else:
            raise ValueError(f"kind must be 'flat', 'ivf' or 'hnsw', not {kind!r}.")
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1 if reproducible and kind == "hnsw" else threads)
        self._index.add(V)
        faiss.omp_set_num_threads(threads)

    def __len__(self) -> int:
        """Return the number of items."""
        return int(self._index.ntotal)

    def search(self, queries: ArrayLike, k: int = 10) -> tuple[Ints, Floats]:
        """Return the k items with the largest inner products that the index finds, and those products.

        Parameters
        ----------
        queries : array_like, shape (B, d), float32
        k : int

        Returns
        -------
        items : int64, shape (B, k), best first; −1 where fewer than k were found
        products : float32, shape (B, k); −inf there
        """
        Q = _table(queries, "queries")
        if Q.shape[1] != self._index.d:
            raise ValueError(f"queries have {Q.shape[1]} numbers, the index's vectors {self._index.d}.")
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}.")
        if self.kind == "ivf":
            self._index.nprobe = self.effort
        elif self.kind == "hnsw":
            self._index.hnsw.efSearch = max(self.effort, k)
        products, items = self._index.search(Q, k)
        return items.astype(np.int64), np.where(items < 0, -np.inf, products).astype(np.float32)

    def save(self, path: Path | str) -> None:
        """Write the index to a file: under another name first, so that there is never half of one."""
        import faiss

        target = Path(path)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            faiss.write_index(self._index, str(part))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path | str, effort: int = 16) -> ItemIndex:
        """Read an index that `save` wrote. Raises ValueError if the file is none or is not whole."""
        import faiss

        if not Path(path).is_file():
            raise ValueError(f"{Path(path).name} is not there; write an index with save first.")
        index = cls.__new__(cls)
        try:
            index._index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise ValueError(f"{Path(path).name} is no whole index; make it again from the vectors.") from error
        kinds: dict[str, Kind] = {
            "IndexFlat": "flat",
            "IndexFlatIP": "flat",
            "IndexIVFFlat": "ivf",
            "IndexHNSWFlat": "hnsw",
        }
        name = type(index._index).__name__
        if name not in kinds:
            raise ValueError(
                f"{Path(path).name} holds an index of another kind ({name}); make it again with ItemIndex."
            )
        index.kind, index.effort = kinds[name], effort
        return index


def largest_products(vectors: ArrayLike, queries: ArrayLike, k: int = 10) -> tuple[Ints, Floats]:
    """Return what `ItemIndex.search` returns, by looking at every item with NumPy: brute force.

    Ties go to the smaller item index.
    """
    V, Q = _table(vectors, "vectors"), _table(queries, "queries")
    products = Q @ V.T  # (B, n_items)
    items = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return items.astype(np.int64), np.take_along_axis(products, items, axis=1)


def recall(found: ArrayLike, exact: ArrayLike) -> float:
    """Return the share of the exact neighbours that were found: the mean over rows of |found ∩ exact| / |exact|.

    Parameters
    ----------
    found, exact : array_like of int, shapes (B, k) and (B, m)
        Entries below 0 are no items.
    """
    a, b = np.asarray(found), np.asarray(exact)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or not b.size:
        raise ValueError(f"found and exact must be tables with as many rows, not of shapes {a.shape} and {b.shape}.")
    shares = [np.isin(right[right >= 0], left).mean() for left, right in zip(a, b, strict=True)]
    return float(np.mean(shares))


def _table(array: ArrayLike, name: str) -> Floats:
    table = np.ascontiguousarray(array, dtype=np.float32)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError(f"{name} must be a finite table (n, d), not of shape {table.shape}.")
    return table
