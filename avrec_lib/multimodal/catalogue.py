"""The clips of a service: their vectors, the search for the best of them, and new ones while it runs.

Page 7.2. FAISS proposes and this module decides: what is left out is taken away, the rest is scored exactly, and where
the proposals may have missed a clip more of them are asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec_lib.multimodal.serving_tables import Floats, ServingTables
from avrec_lib.recommenders.two_tower.retrieval import ItemIndex, Kind

Ints = NDArray[np.int64]
BLOCK = 65_536  # items that are scored at once where all of them must be
SPARE = 8  # items asked for beyond what is needed, so that ties and rounding seldom want a second search


class Catalogue:
    """The items of some tables, in an index, and those that came later.

    Parameters
    ----------
    tables : ServingTables
    kind : {"flat", "ivf", "hnsw"} or ItemIndex
        An index that was made before must be of `tables.items`; new clips are added to it.

    Raises
    ------
    ImportError
        Without FAISS.
    ValueError
        If the kind is unknown, or an index is of other items.
    """

    def __init__(self, tables: ServingTables, kind: Kind | ItemIndex) -> None:
        self.tables = tables
        self.index = _index(tables.items, kind)
        self._longest = max(_longest(tables.items[a : a + BLOCK]) for a in range(0, len(tables.items), BLOCK))
        self._added: dict[str, list[Floats]] = {"items": [], "g": [], "without": []}

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.index)

    def add(self, item: Floats, g: Floats, without: Floats) -> None:
        """Append a clip. Raises ValueError if a vector has another length or is not finite."""
        S, _, D = self.tables.without.shape
        shapes = {"items": (D,), "g": (self.tables.g.shape[1],), "without": (S, D)}
        for (name, shape), array in zip(shapes.items(), (item, g, without), strict=True):
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"a new clip's {name} must be finite and of shape {shape}, not {array.shape}.")
        self.index._index.add(item[None])  # ItemIndex builds once; FAISS can go on
        for name, array in zip(shapes, (item, g, without), strict=True):
            self._added[name].append(array)
        self._longest = max(self._longest, _longest(item[None]))

    def rows(self, name: str, items: Ints) -> Floats:
        """Return rows of a table, of new clips too; items are the last axis but one."""
        table = getattr(self.tables, name)
        n = table.shape[-2]
        rows: Floats = np.asarray(table[..., np.minimum(items, n - 1), :])
        is_new = items >= n
        if is_new.any():
            rows[..., is_new, :] = np.stack([self._added[name][i - n] for i in items[is_new]], axis=-2)
        return rows

    def best(self, q: Floats, k: int, out: Ints) -> tuple[Ints, Floats]:
        """Return the k best items that are not in `out`, and their scores; fewer only if fewer are left.

        With a flat index they are those of brute force, in the order of `base.top_k`: ties by index. The others may
        miss some; what they cannot fill a list with is looked for among all items.

        Parameters
        ----------
        q : float32, shape (D,)
        k : int
        out : int64, different indices, in any order
        """
        n = len(self)
        wanted = min(k, n - len(out))
        ask = wanted + len(out) + SPARE
        # FAISS adds up in float32: so far at most is one of its products from the exact one, or the exact one rounded.
        slack = 2 * (len(q) + 1) * 2.0**-24 * float(np.linalg.norm(q)) * self._longest
        while wanted > 0 and ask < n / 2:
            found, products = self._search(q, ask)
            left = found[(found >= 0) & ~np.isin(found, out)]
            scores = self._scores(q, left)
            order = np.lexsort((left, -scores))[:wanted]
            is_full = len(order) == wanted
            if is_full and (self.index.kind != "flat" or products[-1] + slack < scores[order[-1]]):
                return left[order], scores[order]
            if (found < 0).any():
                break  # the index finds no more, however many are asked for
            ask *= 4
        scores = np.concatenate([self._scores(q, np.arange(a, min(a + BLOCK, n))) for a in range(0, n, BLOCK)])
        scores[out] = -np.inf
        order = np.argsort(-scores, kind="stable")[: max(wanted, 0)]
        return order, scores[order]

    def _search(self, q: Floats, k: int) -> tuple[Ints, Floats]:
        """Return the index's proposals, found on one core: the others are for other requests.

        Threads that share the work of one short search wait for each other, on a busy machine many times its length.
        """
        import faiss

        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            (found,), (products,) = self.index.search(q[None], k)
        finally:
            faiss.omp_set_num_threads(threads)
        return found, products

    def _scores(self, q: Floats, items: Ints) -> Floats:
        """Return ⟨q, v_i⟩ added up in float64, where equal vectors get equal sums wherever they stand."""
        products = self.rows("items", items).astype(np.float64) * q  # (len(items), D)
        sums: Floats = products.sum(axis=1).astype(np.float32)
        return sums


def _index(items: Floats, kind: Kind | ItemIndex) -> ItemIndex:
    if isinstance(kind, ItemIndex):
        if len(kind) != len(items) or kind._index.d != items.shape[1]:
            raise ValueError(
                f"the index holds {len(kind)} vectors of {kind._index.d} numbers, the tables {len(items)} of "
                f"{items.shape[1]}; make it of these tables' items."
            )
        return kind
    try:
        return ItemIndex(items, kind)
    except ImportError as error:
        raise ImportError("a service searches with FAISS; pip install 'avrec-lib[project]'.") from error


def _longest(vectors: Floats) -> float:
    return float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors).max()))
