"""What usually stands beside the last few items that the user met: a chain with a longer memory, and no direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data import Interactions, order_in_time
from avrec_lib.data.ties import needed_times
from avrec_lib.recommenders.base import Recommender, check_index
from avrec_lib.recommenders.markov import count_steps
from avrec_lib.recommenders.popularity import fill_silent_rows, item_counts


class FadingChain(Recommender):
    """Score items by how often they stood beside the last K items that the user met, the nearer the more.

    ŝ_ui = Σ_{k<K} γ^k a_{j_k i} / a_{j_k}     a_ji = n_ji + n_ij,   a_j = Σ_i a_ji

    j_0 is the user's last item, j_1 the one before it …, and n_ji how often a user's next row after
    item j was item i, as in `MarkovChain`. Counting both directions doubles the evidence and forgets
    who came first. Nothing is trained; γ is chosen on a validation cut. Order is that of
    `order_in_time`. Source: page 5.1.5, equation 515-fading; the sequential rules
    of Ludewig and Jannach (2018), which fade as well, count within a session and one way only.

    Cold user, or one whose last K items stood beside nothing: the number of training rows of each
    item. Cold item: 0.

    Parameters
    ----------
    back : int
        K ≥ 1.
    decay : float
        γ, above 0 and at most 1.

    Attributes
    ----------
    near : CSR, float64, shape (n_items, n_items)
        a_ji / a_j; a row sums to 1, or to 0 for an item that stood beside nothing.
    recent : CSR, float64, shape (n_users, n_items)
        γ^k in the column of j_k.

    Raises
    ------
    ValueError
        If K is not a whole number of at least 1, γ is out of range, or (by `fit`) the table has no
        timestamps.
    """

    near: sp.csr_array
    recent: sp.csr_array

    def __init__(self, back: int = 10, decay: float = 0.7) -> None:
        if not isinstance(back, int | np.integer) or back < 1:
            raise ValueError(f"back must be a whole number of at least 1, not {back}.")
        if not 0 < decay <= 1:
            raise ValueError(f"decay must be above 0 and at most 1, not {decay}.")
        self.back, self.decay = back, decay

    def _fit(self, train: Interactions) -> None:
        needed_times(train, type(self).__name__)
        order = order_in_time(train)
        users, items = train.users[order], train.items[order].astype(np.int64)
        steps = count_steps(users, items, train.n_items)
        beside = sp.csr_array(steps + steps.T)  # (n_items, n_items): a_ji
        total = beside.sum(axis=1)  # (n_items,): a_j
        self.near = sp.csr_array(sp.diags_array(1 / np.maximum(total, 1)) @ beside)
        self.recent = self._fading(users, items, (train.n_users, train.n_items))
        self._counts = item_counts(train)

    def _fading(self, users: NDArray[np.integer], items: NDArray[np.int64], shape: tuple[int, int]) -> sp.csr_array:
        """Return γ^k at each user's k-th item from the end; an item met twice has the sum."""
        ends = np.cumsum(np.bincount(users, minlength=shape[0]))  # (n_users,)
        k = ends[users] - 1 - np.arange(len(users))  # (n,): 0 for the last row of a user
        kept = k < self.back
        table = sp.coo_array((self.decay ** k[kept].astype(np.float64), (users[kept], items[kept])), shape=shape)
        return sp.csr_array(table.tocsr())

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._products(self.recent[users])

    def score_after(self, sequences: Sequence[ArrayLike]) -> NDArray[np.float32]:
        """Return the scores of all items after other histories than those of training, shape (B, n_items).

        Parameters
        ----------
        sequences : sequence of B int arrays
            Item indices, oldest first; an empty one is a cold user.

        Raises
        ------
        NotFittedError, IndexError, TypeError
            As `score`, for items as for users.
        """
        n_items = self.train.n_items
        arrays = (np.atleast_1d(np.asarray(sequence)) for sequence in sequences)
        parts = [check_index(array if array.size else array.astype(np.int64), n_items, "item") for array in arrays]
        users = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        items = np.concatenate([np.empty(0, np.int64), *parts])
        return self._products(self._fading(users, items, (len(parts), n_items)))

    def _products(self, recent: sp.csr_array) -> NDArray[np.float32]:
        return fill_silent_rows((recent @ self.near).toarray().astype(np.float32), self._counts)  # (B, n_items)
