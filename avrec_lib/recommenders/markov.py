"""What usually comes after what the user met last: the first-order Markov chain."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from avrec_lib.data import Interactions, order_in_time
from avrec_lib.data.ties import needed_times
from avrec_lib.recommenders.base import Recommender
from avrec_lib.recommenders.popularity import item_counts


class MarkovChain(Recommender):
    """Score items by how often they came next after the last item that the user met.

    ŝ_ui = (n_{ℓ(u) i} + α π_i) / (n_ℓ(u) + α),   π_i = n_i / n

    n_ji is how often a user's next row after item j was item i, n_j the sum over i, ℓ(u) the user's
    last item, and π_i the item's share of all rows: after an item that was rarely left, the chain
    falls back on popularity, by a prior worth α steps. The score is a probability. Time decides what
    is next; rows of one user with equal timestamps are in the fixed random order of
    `order_in_time`. Source: the transition counts of Rendle, Freudenthaler and Schmidt-Thieme (2010),
    section 4.1, smoothed.

    Cold user: π, popularity. Cold item: 0, as it never came next.

    Parameters
    ----------
    prior : float
        α > 0.

    Attributes
    ----------
    steps : CSR, float64, shape (n_items, n_items)
        The counts n_ji.
    last : int64 array, shape (n_users,)
        ℓ(u); −1 for a user without rows.

    Raises
    ------
    ValueError
        If α is not a positive number, or (by `fit`) the table has no timestamps.
    """

    steps: sp.csr_array
    last: NDArray[np.int64]

    def __init__(self, prior: float = 1.0) -> None:
        if not 0 < prior < np.inf:
            raise ValueError(f"prior must be a positive number, not {prior}.")
        self.prior = prior

    def _fit(self, train: Interactions) -> None:
        needed_times(train, type(self).__name__)
        order = order_in_time(train)
        users, items = train.users[order], train.items[order].astype(np.int64)
        self.steps = count_steps(users, items, train.n_items)
        is_last = np.append(users[1:] != users[:-1], True)  # (n,)
        self.last = np.full(train.n_users, -1, dtype=np.int64)
        self.last[users[is_last]] = items[is_last]
        self._share = item_counts(train).astype(np.float64) / len(train)  # π

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.float64]:
        last = self.last[users]
        known = last >= 0
        counts = np.zeros((len(users), self.train.n_items))
        counts[known] = self.steps[last[known]].toarray()
        total = counts.sum(axis=1, keepdims=True)
        scores: NDArray[np.float64] = (counts + self.prior * self._share) / (total + self.prior)  # (B, n_items)
        return scores


def count_steps(users: NDArray[np.integer], items: NDArray[np.integer], n_items: int) -> sp.csr_array:
    """Count how often each item came next after each, CSR, float64, shape (n_items, n_items): the n_ji.

    Parameters
    ----------
    users, items : int arrays, shape (n,)
        The rows, one user after the other, each user's in the order of time (`order_in_time`).
    """
    same = users[1:] == users[:-1]  # a step is inside one user's rows
    steps = sp.coo_array((np.ones(same.sum()), (items[:-1][same], items[1:][same])), shape=(n_items, n_items))
    return sp.csr_array(steps.tocsr())  # adds repeated steps
