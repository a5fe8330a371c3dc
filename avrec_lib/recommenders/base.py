"""The contract of every recommender, and the one place that turns scores into lists.

A model is a page of code because it only has to `fit` and `score`; excluding what a user has
seen, breaking ties and cutting at k happens here, once, the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.similarity import Vectors, cosine_similarity


class NotFittedError(RuntimeError):
    """The model was asked for scores before it saw any data."""


class Recommender(ABC):
    """Base of all recommenders: learn from a table, then score every item for some users.

    A subclass implements `_fit` and `_score`; `fit` and `score` check the input around them.

    Attributes
    ----------
    train : Interactions
        The table seen by `fit`. Its vocabularies give meaning to all indices.
    """

    _train: Interactions | None = None

    @property
    def train(self) -> Interactions:
        """The table that `fit` saw. Raises NotFittedError before."""
        if self._train is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted yet; call fit(train) first.")
        return self._train

    def fit(self, train: Interactions) -> Self:
        """Learn from the training table and return the model itself.

        Raises
        ------
        TypeError, ValueError
            If `train` is not an `Interactions` table; if it has no rows, or a setting of the model
            does not suit it.
        """
        if not isinstance(train, Interactions):
            raise TypeError(
                f"{type(self).__name__}.fit needs an Interactions table, not a {type(train).__name__}; "
                "make one with Interactions.from_frame."
            )
        if len(train) == 0:
            raise ValueError(f"{type(self).__name__}.fit needs at least one interaction; the table has 0 rows.")
        self._train = None  # an interrupted fit leaves a model that says it is not fitted
        self._fit(train)
        self._train = train
        return self

    def score(self, users: ArrayLike) -> NDArray[np.float32]:
        """Return a score for every item, higher is better, shape (len(users), n_items), float32.

        Parameters
        ----------
        users : int array, shape (B,)
            User indices into `train.user_ids` (`train.user_index(ids)` finds them).

        Raises
        ------
        NotFittedError, IndexError, TypeError
            Before `fit`; for an index outside the vocabulary; for anything but flat integers.
        """
        index = check_index(users, self.train.n_users, "user")
        return self._score(index).astype(np.float32, copy=False)  # (B, n_items)

    @abstractmethod
    def _fit(self, train: Interactions) -> None: ...

    @abstractmethod
    def _score(self, users: NDArray[np.int64]) -> NDArray[np.floating]: ...


class RatingModel(Recommender):
    """A recommender that also predicts the rating itself, on the scale of the training values."""

    def predict(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float32]:
        """Return the predicted ratings of (user, item) pairs, clipped to the range seen in training.

        Parameters
        ----------
        users, items : int arrays, shape (n,)
            Indices into the training vocabularies. A user or item without training rows gets the
            prediction that the model's own docstring names.
        """
        train = self.train
        u = check_index(users, train.n_users, "user")
        i = check_index(items, train.n_items, "item")
        if u.shape != i.shape:
            raise ValueError(f"users and items must have equal lengths, not {len(u)} and {len(i)}.")
        clipped = np.clip(self._predict(u, i), train.values.min(), train.values.max())
        return np.asarray(clipped, dtype=np.float32)  # (n,)

    @abstractmethod
    def _predict(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.floating]: ...


def check_index(index: ArrayLike, size: int, kind: str) -> NDArray[np.int64]:
    """Return a 1-D int64 array of indices in 0..size-1, or raise a TypeError or IndexError that names the bad one."""
    array = np.atleast_1d(np.asarray(index))
    if array.ndim != 1 or not (array.size == 0 or np.issubdtype(array.dtype, np.integer)):
        raise TypeError(
            f"{kind} indices must be a flat array of integers, not {array.dtype} of shape {array.shape}; "
            f"turn ids into indices with train.{kind}_index(ids)."
        )
    outside = (array < 0) | (array >= size)
    if outside.any():
        raise IndexError(f"{kind} index {int(array[outside][0])} is outside 0..{size - 1}.")
    return array.astype(np.int64)


def top_k(scores: ArrayLike, k: int, exclude: sp.csr_array | None = None) -> list[NDArray[np.int64]]:
    """Return the k best items of each row of scores, best first: the one ranking rule of the book.

    Excluded items never appear, even when that leaves fewer than k (a short list stays short).
    Equal scores, compared as float32, are ordered by item index, the smaller first. An item whose
    score is -inf cannot be recommended; NaN is an error, not a rank.

    Parameters
    ----------
    scores : array, shape (B, n_items)
        Left as it is.
    k : int
        Length of each list, at least 1.
    exclude : CSR, shape (B, n_items), optional
        A stored entry, whatever its value, is an item to leave out.

    Returns
    -------
    list of B int64 arrays, each of length at most k

    Raises
    ------
    ValueError
        If k is not a whole number of at least 1, a score is NaN, or the shapes differ.
    """
    table = np.array(scores, dtype=np.float32, ndmin=2)  # a copy: exclusion writes into it
    if not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k must be a whole number of at least 1, not {k}.")
    failed = np.isnan(table).any(axis=1)
    if failed.any():
        raise ValueError(
            f"scores of row {int(failed.argmax())} hold NaN; a model must not hide a failure behind a rank."
        )
    if exclude is not None:
        if exclude.shape != table.shape:
            raise ValueError(f"scores have shape {table.shape} and exclude {exclude.shape}; they must be equal.")
        rows = np.repeat(np.arange(len(table)), np.diff(exclude.indptr))
        table[rows, exclude.indices] = -np.inf
    n = table.shape[1]
    least = np.full(len(table), -np.inf, dtype=np.float32)
    if k < n:
        least = np.partition(table, n - k, axis=1)[:, n - k]  # (B,): the k-th best score
    lists = []
    for row, bound in zip(table, least, strict=True):
        above = np.flatnonzero(row > bound)  # ascending index, so that a stable sort breaks ties by it
        best = above[np.argsort(-row[above], kind="stable")]
        if bound > -np.inf:  # the first of those that tie with the k-th fill the list
            best = np.append(best, np.flatnonzero(row == bound)[: k - len(above)])
        lists.append(best.astype(np.int64))
    return lists


def recommend(model: Recommender, users: Iterable[object], k: int = 10, *, exclude_seen: bool = True) -> pd.DataFrame:
    """Return the k best unseen items of each user as a tidy table.

    Parameters
    ----------
    model : a fitted recommender
    users : user ids (strings, as in the data)
    k : int
        Length of each list; a user with fewer unseen items gets a shorter one.
    exclude_seen : bool
        Leave out the items of the user's training rows.

    Returns
    -------
    DataFrame with columns user_id, rank (from 1), item_id, score

    Raises
    ------
    KeyError
        Naming the ids that the training data does not hold.
    """
    train = model.train
    index = train.user_index(users)
    scores = model.score(index)  # (B, n_items)
    seen = train.matrix()[index] if exclude_seen else None
    lists = top_k(scores, k, seen)
    lengths = np.array([len(best) for best in lists], dtype=np.int64)
    rows = np.repeat(np.arange(len(index)), lengths)
    items = np.concatenate([np.empty(0, np.int64), *lists])
    starts = np.cumsum(lengths) - lengths
    return pd.DataFrame(
        {
            "user_id": train.user_ids[index][rows],
            "rank": np.arange(len(items)) - starts[rows] + 1,
            "item_id": train.item_ids[items],
            "score": scores[rows, items],
        }
    )


def similar_items(vectors: Vectors, item: int, k: int = 10) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k items whose vectors have the largest cosine with one item's, itself left out.

    Parameters
    ----------
    vectors : array or sparse matrix, shape (n_items, d)
        Any item vectors: genres, TF-IDF, factors. A zero vector has cosine 0 with everything.
    item : int
        Item index.

    Returns
    -------
    (indices, cosines), each of length at most k, best first, ties by item index

    Raises
    ------
    IndexError, ValueError
        For an index outside the table; for vectors with NaN or infinity.
    """
    table = sp.csr_array(vectors) if sp.issparse(vectors) else np.asarray(vectors)
    index = check_index(item, table.shape[0], "item")
    if len(index) != 1:
        raise ValueError(f"similar_items answers for one item at a time, not {len(index)}.")
    cosines = cosine_similarity(table[index], table).astype(np.float32)  # (1, n_items)
    itself = sp.csr_array(([1.0], ([0], index)), shape=cosines.shape)
    best = top_k(cosines, k, itself)[0]
    return best, cosines[0, best]
