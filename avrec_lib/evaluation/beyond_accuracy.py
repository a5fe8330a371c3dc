"""What accuracy does not see: how much of the catalogue is shown, how unknown and how varied it is.

Used by chapters 1 and 9. A recommender that shows everybody the same ten films can be accurate;
these numbers tell it from one that helps people find things.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray


def coverage(lists: Sequence[ArrayLike], n_items: int) -> float:
    """Return the share of the catalogue that is in at least one list.

    coverage = |∪_u L_u| / n_items

    It grows with the number of lists, so compare models on the same users. Source: Ge,
    Delgado-Battenfeld and Jannach (2010), catalogue coverage.

    Parameters
    ----------
    lists : sequence of int arrays
        Item indices recommended to each user.
    n_items : int
        Size of the catalogue.

    Raises
    ------
    ValueError
        If the catalogue is empty.
    IndexError
        If an item index is outside it.
    """
    if n_items < 1:
        raise ValueError(f"the catalogue must hold at least one item, not {n_items}.")
    shown = np.unique(np.concatenate([np.empty(0, np.int64), *(_indices(one, n_items) for one in lists)]))
    return len(shown) / n_items


def novelty(recommended: ArrayLike, n_met: ArrayLike, n_users: int) -> float:
    """Return how unknown the items of one list are, in bits.

    novelty = (1/|L|) Σ_{i ∈ L} −log₂ p_i, where p_i is the share of the users who met item i.

    0 bits: everybody knows it; each further bit halves the number of users who do. An item that
    nobody met would be infinitely novel and decide the mean alone; it counts as if one user had
    met it, log₂(n_users) bits. Source: Zhou et al. (2010), there called surprisal or
    self-information.

    Parameters
    ----------
    recommended : int array, shape (m,)
        Item indices.
    n_met : int array, shape (n_items,)
        Number of users who met each item in training.
    n_users : int
        Number of users in training.

    Raises
    ------
    ValueError
        If the list is empty.
    """
    bits = item_novelty(n_met, n_users)
    items = _indices(recommended, len(bits))
    if len(items) == 0:
        raise ValueError("the list is empty, so it has no novelty; leave the user out and say so.")
    return float(bits[items].mean())


def intra_list_diversity(recommended: ArrayLike, vectors: ArrayLike | sp.sparray) -> float:
    """Return how unlike one another the items of one list are: 1 − their mean pairwise cosine.

    ILD = 1 − (2 / (m(m − 1))) Σ_{i<j} cos(v_i, v_j)

    0: all point the same way; 1: all are orthogonal. A zero vector has cosine 0 with everything.
    Source: Ziegler et al. (2005), with 1 − cosine as the distance.

    Parameters
    ----------
    recommended : int array, shape (m,)
        Item indices, m ≥ 2.
    vectors : array or CSR, shape (n_items, d)
        What "alike" means: genres, text or picture vectors, or, as `evaluate` does by default,
        the columns of the training matrix (alike = met by the same users).

    Raises
    ------
    ValueError
        If the list has fewer than two items (there are no pairs), or a vector is not finite.
    """
    unit = unit_rows(vectors)
    items = _indices(recommended, unit.shape[0])
    if len(items) < 2:
        raise ValueError(f"diversity needs at least two items; the list has {len(items)}. Leave the user out.")
    v = unit[items].toarray()  # (m, d)
    cosines = v @ v.T  # (m, m)
    return float(1 - cosines[np.triu_indices(len(items), 1)].mean())


def item_novelty(n_met: ArrayLike, n_users: int) -> NDArray[np.float64]:
    """Return −log₂(max(n_met, 1) / n_users) of each item, in bits, shape (n_items,)."""
    counts = np.asarray(n_met, dtype=np.float64)
    if n_users < 1 or (counts < 0).any() or (counts > n_users).any():
        raise ValueError(f"n_met must lie between 0 and the number of users, {n_users}; count each user once an item.")
    bits: NDArray[np.float64] = np.log2(n_users) - np.log2(np.maximum(counts, 1))
    return bits


def unit_rows(vectors: ArrayLike | sp.sparray) -> sp.csr_array:
    """Return the vectors scaled to length 1 (zero vectors stay zero), CSR, float64, shape (n_items, d)."""
    table = sp.csr_array(vectors) if sp.issparse(vectors) else sp.csr_array(np.asarray(vectors, dtype=np.float64))
    table = table.astype(np.float64)  # a copy
    if not np.isfinite(table.data).all():
        raise ValueError("item vectors hold NaN or infinity; fill or drop those items first.")
    table.eliminate_zeros()  # a stored rating of 0 is no direction
    rows = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    norms = np.sqrt(np.bincount(rows, table.data**2, minlength=table.shape[0]))  # (n_items,)
    table.data /= norms[rows]
    return table


def diversity_of_lists(in_list: sp.csr_array, unit: sp.csr_array) -> NDArray[np.float64]:
    """Return the intra-list diversity of many lists at once, NaN for a list without pairs, shape (B,).

    The cosines of all pairs need no pairs: ‖Σ v_i‖² = Σ ‖v_i‖² + 2 Σ_{i<j} cos(v_i, v_j).

    Parameters
    ----------
    in_list : CSR of 0 and 1, shape (B, n_items)
    unit : CSR, shape (n_items, d)
        From `unit_rows`.
    """
    m = np.diff(in_list.indptr)  # (B,)
    total = sp.csr_array(in_list @ unit)  # (B, d): the sum of each list's vectors
    rows = np.repeat(np.arange(total.shape[0]), np.diff(total.indptr))
    squared = np.bincount(rows, total.data**2, minlength=total.shape[0])  # (B,)
    lengths = np.diff(unit.indptr) > 0  # (n_items,): 1, or 0 for a zero vector
    twice = squared - in_list @ lengths
    return np.where(m >= 2, 1 - twice / np.maximum(m * (m - 1), 1), np.nan)


def _indices(items: ArrayLike, n_items: int) -> NDArray[np.int64]:
    index = np.asarray(items)
    if index.size == 0:
        return np.empty(0, np.int64)
    if not np.issubdtype(index.dtype, np.integer) or index.min() < 0 or index.max() >= n_items:
        raise IndexError(f"items must be indices in 0..{n_items - 1}; turn ids into indices with item_index(ids).")
    return index.astype(np.int64)
