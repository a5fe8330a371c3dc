"""Recommendation as classification and as regression, by any model of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier, is_regressor

from avrec_lib.data import Interactions, last_fraction, random_k_fold
from avrec_lib.recommenders.base import RatingModel, Recommender
from avrec_lib.recommenders.similarity import Vectors
from avrec_lib.recommenders.supervised.pair_features import Floats, Ints, PairFeatures

AT_ONCE = 200_000  # pairs whose features are in memory at a time


class SupervisedRanker(Recommender):
    """Rank items by a classifier's probability that the user meets them: P(met | features of the pair).

    The training rows are the positives. A table holds no negatives, so for each positive some items
    that the user has not met are drawn, uniformly; the probability is then that of a drawn pair, not
    of the world. What may describe a positive is the point. The features come from each user's
    earlier four fifths of the rows, the positives are the last fifth (`training_pairs`), so that a training
    pair is in the position in which a new pair will be; the finished model sees the features of all
    rows. Source: article, section 5.1; for the sampling, Rendle et al. (2009).

    Cold user: the item features decide. Cold item: scored like any other. Where no item is left to
    draw (everybody met everything), the number of training rows of each item.

    Parameters
    ----------
    classifier : scikit-learn classifier with predict_proba
        A clone of it is fitted: logistic regression, a tree, a forest, boosting. Give it a random_state.
    item_vectors : array or sparse matrix, shape (n_items, d), optional
    n_negatives : int
        Drawn for each training row, at least 1.
    seed : int
        Of the draw.

    Attributes
    ----------
    features : PairFeatures
    fitted : the fitted clone

    Raises
    ------
    ValueError
        If it is no classifier, n_negatives is less than 1, or the vectors do not fit.
    """

    def __init__(
        self,
        classifier: Any,  # noqa: ANN401
        item_vectors: Vectors | None = None,
        n_negatives: int = 4,
        seed: int = 0,
    ) -> None:
        if not (is_classifier(classifier) and hasattr(classifier, "predict_proba")):
            raise ValueError(
                f"{type(classifier).__name__} gives no probabilities of classes; use a classifier that does."
            )
        if n_negatives < 1:
            raise ValueError(f"n_negatives must be at least 1, not {n_negatives}; one class alone teaches nothing.")
        self.classifier, self.item_vectors, self.n_negatives, self.seed = classifier, item_vectors, n_negatives, seed

    @property
    def name(self) -> str:
        """The classifier's name, for tables of results."""
        return f"SupervisedRanker({_name(self.classifier)})"

    def _fit(self, train: Interactions) -> None:
        self.features = PairFeatures(train, self.item_vectors)
        R = train.matrix()
        self._counts = np.bincount(train.items, minlength=train.n_items).astype(np.float64)
        users, items, earlier, _ = training_pairs(train, self.item_vectors)
        describe = earlier or self.features
        others = unmet_items(
            R.indptr,
            R.indices.astype(np.int64),
            train.n_items,
            users,
            self.n_negatives,
            np.random.default_rng(self.seed),
        )
        self.fitted = None
        if len(others[0]):
            pairs = [describe.of(users, items, without_itself=earlier is None), describe.of(*others)]
            y = np.arange(len(pairs[0]) + len(pairs[1])) < len(users)
            self.fitted = clone(self.classifier).fit(np.concatenate(pairs), y)

    def _score(self, users: NDArray[np.int64]) -> Floats:
        if self.fitted is None:
            return np.tile(self._counts, (len(users), 1))
        return _of_all_items(users, self.train.n_items, lambda u, i: _positive(self.fitted, self.features.of(u, i)))


class SupervisedRater(RatingModel):
    """Predict the rating itself by a regressor: E[r_ui | features of the pair].

    Trained on each user's last fifth of the training rows, described by the earlier ones, as in
    `SupervisedRanker`. Source: article, section 5.1.

    Cold user or item: the overall mean and what the other one's features say.

    Parameters
    ----------
    regressor : scikit-learn regressor
        A clone of it is fitted. Give it a random_state where it has one.
    item_vectors : array or sparse matrix, shape (n_items, d), optional

    Raises
    ------
    ValueError
        If it is no regressor, or the vectors do not fit.
    """

    def __init__(self, regressor: Any, item_vectors: Vectors | None = None) -> None:  # noqa: ANN401
        if not is_regressor(regressor):
            raise ValueError(f"{type(regressor).__name__} predicts no numbers; use a regressor.")
        self.regressor, self.item_vectors = regressor, item_vectors

    @property
    def name(self) -> str:
        """The regressor's name, for tables of results."""
        return f"SupervisedRater({_name(self.regressor)})"

    def _fit(self, train: Interactions) -> None:
        self.features = PairFeatures(train, self.item_vectors)
        users, items, earlier, ratings = training_pairs(train, self.item_vectors)
        X = (earlier or self.features).of(users, items, without_itself=earlier is None)
        self.fitted = clone(self.regressor).fit(X, ratings)

    def _predict(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> Floats:
        if not len(users):
            return np.empty(0)
        return np.asarray(self.fitted.predict(self.features.of(users, items)), dtype=np.float64)

    def _score(self, users: NDArray[np.int64]) -> Floats:
        return _of_all_items(users, self.train.n_items, self._predict)


def training_pairs(train: Interactions, item_vectors: Vectors | None) -> tuple[Ints, Ints, PairFeatures | None, Floats]:
    """Return pairs to learn from, sorted by user and item, what describes them, and their values.

    The pairs are the last fifth of each user's rows (a random fifth where there are no times), described
    by the rest. Where no user has two rows nothing can be held out: then all rows are pairs, and the
    description is None.
    """
    earlier, asked = None, train
    if np.bincount(train.users).max() >= 2:
        split = last_fraction(train) if train.timestamps is not None else random_k_fold(train, min(5, len(train)))[0]
        earlier, asked = PairFeatures(split.train, item_vectors), split.test
    order = np.lexsort((asked.items, asked.users))
    users, items = asked.users[order].astype(np.int64), asked.items[order].astype(np.int64)
    return users, items, earlier, asked.values[order].astype(np.float64)


def unmet_items(
    indptr: NDArray[np.integer], met: Ints, n_items: int, users: Ints, n_each: int, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Draw n_each items that the user has not met for each entry of `users`, uniformly, with replacement.

    No draw is rejected, so it always ends: a rank among the unmet items is drawn and turned into an
    item. The a-th unmet item (from 0) is a + m, with m the number of met items j_0 < j_1 < … for
    which j_l − l ≤ a. A user who has met everything gets none.

    Parameters
    ----------
    indptr, met : CSR parts
        The met items of user u, ascending, are met[indptr[u] : indptr[u + 1]].
    n_items : int
    users : int array, shape (n,), ascending
    n_each : int

    Returns
    -------
    (users, items) : int64 arrays, of n × n_each entries at most
    """
    n_unmet = n_items - np.diff(indptr)
    repeated = np.repeat(users, n_each)
    repeated = repeated[n_unmet[repeated] > 0]
    rank = np.floor(rng.random(len(repeated)) * n_unmet[repeated]).astype(np.int64)
    items = np.empty(len(repeated), dtype=np.int64)
    for rows in np.split(np.arange(len(repeated)), np.flatnonzero(np.diff(repeated)) + 1):
        if len(rows):
            own = met[indptr[repeated[rows[0]]] : indptr[repeated[rows[0]] + 1]]
            items[rows] = rank[rows] + np.searchsorted(own - np.arange(len(own)), rank[rows], side="right")
    return repeated, items


def _of_all_items(users: NDArray[np.int64], n_items: int, score: Any) -> Floats:  # noqa: ANN401 (a function of pairs)
    scores = np.empty((len(users), n_items))
    step = max(1, AT_ONCE // n_items)
    for start in range(0, len(users), step):
        batch = users[start : start + step]
        pairs = np.repeat(batch, n_items), np.tile(np.arange(n_items), len(batch))
        scores[start : start + step] = score(*pairs).reshape(len(batch), n_items)
    return scores


def _positive(classifier: Any, X: Floats) -> Floats:  # noqa: ANN401
    return np.asarray(classifier.predict_proba(X)[:, 1], dtype=np.float64)


def _name(estimator: Any) -> str:  # noqa: ANN401
    """Return the name of an estimator; of a pipeline, that of its last step."""
    return type(estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator).__name__
