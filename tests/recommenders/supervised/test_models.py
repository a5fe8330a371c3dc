"""Supervised recommenders: what they learn from, and that they are the models of scikit-learn on those rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from avrec_lib.data import Interactions, last_fraction, random_k_fold
from avrec_lib.evaluation import auc
from avrec_lib.recommenders import Popularity
from avrec_lib.recommenders.supervised import PairFeatures, SupervisedRanker, SupervisedRater
from avrec_lib.recommenders.supervised.models import unmet_items


def taste_table(seed=0, n_users=60, n_items=30):
    """Users like one of three kinds of items: they meet 60 % of those and 10 % of the others."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n_items) % 3
    chance = np.where(rng.integers(0, 3, n_users)[:, None] == kind, 0.6, 0.1)
    u, i = np.nonzero(rng.random((n_users, n_items)) < chance)
    frame = pd.DataFrame({"user_id": u, "item_id": i, "rating": 3 + (chance[u, i] > 0.5) - (i % 2) * 0.5})
    return Interactions.from_frame(frame), np.eye(3)[kind]


TRAIN, KINDS = taste_table()


def by_hand(train, seed, n_negatives):
    """Return the pairs and their labels: the later fifth described by the rest, and items drawn among the unmet."""
    split = last_fraction(train) if train.timestamps is not None else random_k_fold(train, 5)[0]
    features, R = PairFeatures(split.train, KINDS), train.matrix()
    order = np.lexsort((split.test.items, split.test.users))
    u, i = split.test.users[order].astype(np.int64), split.test.items[order].astype(np.int64)
    rng = np.random.default_rng(seed)
    v, j = unmet_items(R.indptr, R.indices.astype(np.int64), train.n_items, u, n_negatives, rng)
    X = np.concatenate([features.of(u, i), features.of(v, j)])
    return X, np.repeat([1, 0], [len(u), len(v)]), split.test.values[order]


@pytest.mark.parametrize("with_times", [True, False])
def test_it_is_the_classifier_on_later_rows_and_drawn_items(with_times):
    times = np.arange(len(TRAIN))[::-1].copy() if with_times else None
    train = Interactions(TRAIN.users, TRAIN.items, TRAIN.values, times, TRAIN.user_ids, TRAIN.item_ids)
    model = SupervisedRanker(LogisticRegression(), KINDS, n_negatives=2, seed=3).fit(train)
    X, y, _ = by_hand(train, 3, 2)
    new = PairFeatures(train, KINDS).of(np.full(30, 4), np.arange(30))
    expected = LogisticRegression().fit(X, y).predict_proba(new)[:, 1]
    np.testing.assert_allclose(model.score([4])[0], expected, rtol=1e-5)


def test_where_nobody_has_two_rows_each_is_described_without_itself():
    one_each = Interactions.from_frame(
        pd.DataFrame({"user_id": range(9), "item_id": [0, 1, 2] * 3, "rating": [1, 5, 3] * 3})
    )
    model = SupervisedRater(LinearRegression()).fit(one_each)
    features = PairFeatures(one_each)
    u, i = one_each.users.astype(np.int64), one_each.items.astype(np.int64)
    fitted = LinearRegression().fit(features.of(u, i, without_itself=True), one_each.values)
    expected = np.clip(fitted.predict(features.of(u, i)), 1, 5)
    np.testing.assert_allclose(model.predict(u, i), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "classifier",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        HistGradientBoostingClassifier(max_iter=30, random_state=0),
    ],
)
def test_unmet_items_of_the_users_kind_stand_above_the_others(classifier):
    """The held-out part of the likes is found, better than by popularity."""
    hidden = np.random.default_rng(1).random(len(TRAIN)) < 0.2
    seen, held = TRAIN.select(~hidden), TRAIN.select(hidden)

    def mean_auc(model):
        scores = model.fit(seen).score(np.arange(TRAIN.n_users))
        met = seen.matrix().toarray() != 0
        found = []
        for user in np.unique(held.users):
            free = ~met[user]
            relevant = np.isin(np.arange(TRAIN.n_items), held.items[held.users == user])
            found.append(auc(relevant[free], scores[user][free]))
        return np.mean(found)

    assert mean_auc(SupervisedRanker(classifier, KINDS)) > max(0.72, mean_auc(Popularity()) + 0.1)


def test_the_rater_is_the_regressor_on_later_rows_described_by_earlier_ones():
    model = SupervisedRater(LinearRegression(), KINDS).fit(TRAIN)
    X, y, ratings = by_hand(TRAIN, 0, 1)
    fitted = LinearRegression().fit(X[y == 1], ratings)
    u, i = TRAIN.users[:9].astype(np.int64), TRAIN.items[:9].astype(np.int64)
    expected = np.clip(fitted.predict(PairFeatures(TRAIN, KINDS).of(u, i)), TRAIN.values.min(), TRAIN.values.max())
    np.testing.assert_allclose(model.predict(u, i), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict(u, i), np.clip(model.score(u)[np.arange(9), i], 2.5, 4), 1e-5)


def test_a_forest_learns_ratings():
    model = SupervisedRater(RandomForestRegressor(20, random_state=0), KINDS).fit(TRAIN)
    error = model.predict(TRAIN.users, TRAIN.items) - TRAIN.values
    assert np.sqrt((error**2).mean()) < 0.7 * TRAIN.values.std()


def test_the_drawn_items_are_unmet_and_uniform():
    indptr, met = np.array([0, 2, 2, 5]), np.array([1, 3, 0, 1, 2])
    users, items = unmet_items(indptr, met, 5, np.array([0, 1, 2]), 6000, np.random.default_rng(0))
    assert np.bincount(items[users == 0], minlength=5) / 6000 == pytest.approx([1 / 3, 0, 1 / 3, 0, 1 / 3], abs=0.03)
    assert np.bincount(items[users == 1], minlength=5) / 6000 == pytest.approx([0.2] * 5, abs=0.03)
    assert np.bincount(items[users == 2], minlength=5) / 6000 == pytest.approx([0, 0, 0, 0.5, 0.5], abs=0.03)


def test_who_has_met_everything_gets_no_drawn_item():
    users, items = unmet_items(
        np.array([0, 3, 4]), np.array([0, 1, 2, 0]), 3, np.array([0, 0, 1]), 2, np.random.default_rng(0)
    )
    assert users.tolist() == [1, 1]
    assert set(items) <= {1, 2}


def test_where_everybody_met_everything_popularity_decides():
    full = Interactions.from_frame(pd.DataFrame({"user_id": [0, 0, 1, 1], "item_id": [0, 1, 0, 1]}))
    assert SupervisedRanker(LogisticRegression()).fit(full).score([0]).tolist() == [[2, 2]]


def test_the_name_tells_the_estimator():
    assert SupervisedRanker(LogisticRegression()).name == "SupervisedRanker(LogisticRegression)"
    pipeline = make_pipeline(StandardScaler(), LinearRegression())
    assert SupervisedRater(pipeline).name == "SupervisedRater(LinearRegression)"


def test_what_cannot_learn_this_is_refused():
    for bad in (LinearRegression(), LinearSVC()):
        with pytest.raises(ValueError, match="gives no probabilities of classes; use a classifier that does"):
            SupervisedRanker(bad)
    with pytest.raises(ValueError, match="LogisticRegression predicts no numbers; use a regressor"):
        SupervisedRater(LogisticRegression())
    with pytest.raises(ValueError, match="n_negatives must be at least 1"):
        SupervisedRanker(LogisticRegression(), n_negatives=0)
