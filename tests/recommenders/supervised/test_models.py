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

from avrec_lib.data import Interactions
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


def test_it_is_the_classifier_on_positives_and_drawn_items():
    model = SupervisedRanker(LogisticRegression(), KINDS, n_negatives=2, seed=3).fit(TRAIN)
    R, features = TRAIN.matrix(), PairFeatures(TRAIN, KINDS)
    u, i = np.repeat(np.arange(TRAIN.n_users), np.diff(R.indptr)), R.indices.astype(np.int64)
    v, j = unmet_items(R.indptr, i, TRAIN.n_items, u, 2, np.random.default_rng(3))
    X = np.concatenate([features.of(u, i, without_itself=True), features.of(v, j)])
    by_hand = LogisticRegression().fit(X, np.repeat([1, 0], [len(u), len(v)]))
    expected = by_hand.predict_proba(features.of(np.full(30, 4), np.arange(30)))[:, 1]
    np.testing.assert_allclose(model.score([4])[0], expected, rtol=1e-5)


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

    assert mean_auc(SupervisedRanker(classifier, KINDS)) > max(0.75, mean_auc(Popularity()) + 0.1)


def test_the_rater_is_the_regressor_on_rows_without_themselves():
    model = SupervisedRater(LinearRegression(), KINDS).fit(TRAIN)
    R, features = TRAIN.matrix(), PairFeatures(TRAIN, KINDS)
    u, i = np.repeat(np.arange(TRAIN.n_users), np.diff(R.indptr)), R.indices.astype(np.int64)
    by_hand = LinearRegression().fit(features.of(u, i, without_itself=True), R.data)
    expected = np.clip(by_hand.predict(features.of(u[:9], i[:9])), TRAIN.values.min(), TRAIN.values.max())
    np.testing.assert_allclose(model.predict(u[:9], i[:9]), expected, rtol=1e-5)
    np.testing.assert_allclose(
        model.predict(u[:9], i[:9]), np.clip(model.score(u[:9])[np.arange(9), i[:9]], 2.5, 4), 1e-5
    )


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
