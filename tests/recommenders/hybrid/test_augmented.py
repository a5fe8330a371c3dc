"""EASE with item features as further users."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from avrec_lib.data import Interactions
from avrec_lib.recommenders import EASE
from avrec_lib.recommenders.hybrid import FeatureAugmentedEASE

RNG = np.random.default_rng(0)
U, ITEMS = np.nonzero(RNG.random((25, 8)) < 0.4)
TRAIN = Interactions.from_frame(pd.DataFrame({"user_id": U, "item_id": ITEMS}))
F = RNG.integers(0, 2, (8, 3)).astype(float)


def test_without_weight_it_is_ease():
    a, b = FeatureAugmentedEASE(F, weight=0.0, reg=5).fit(TRAIN), EASE(reg=5).fit(TRAIN)
    np.testing.assert_allclose(a.score(np.arange(TRAIN.n_users)), b.score(np.arange(TRAIN.n_users)), atol=1e-6)


def test_a_feature_is_a_user_who_met_the_items_that_have_it():
    """With one-hot features of length 1 and weight 1: EASE on the table with those users added."""
    one_hot = np.eye(3)[np.array([0, 0, 1, 1, 1, 2, 2, 2])]
    f, i = np.nonzero(one_hot.T)
    both = Interactions.from_frame(
        pd.DataFrame({"user_id": np.concatenate([U, 100 + f]), "item_id": np.concatenate([ITEMS, i])})
    )
    a, b = FeatureAugmentedEASE(one_hot, weight=1.0, reg=5).fit(TRAIN), EASE(reg=5).fit(both)
    np.testing.assert_allclose(a.B, b.B, atol=1e-6)


def test_the_weights_make_the_penalised_error_smallest():
    """The gradient of the objective is 0 everywhere but on the diagonal, which is fixed."""
    model = FeatureAugmentedEASE(F, weight=2.0, reg=3).fit(TRAIN)
    X = TRAIN.matrix().toarray() != 0
    D = F / np.maximum(np.linalg.norm(F, axis=1, keepdims=True), 1e-12)
    B = model.B.astype(float)
    gradient = X.T @ (X @ B - X) + 2.0 * D @ (D.T @ B - D.T) + 3 * B
    assert np.abs(gradient - np.diag(np.diag(gradient))).max() < 1e-5
    assert np.diag(B).tolist() == [0] * 8


def test_an_item_that_nobody_met_is_recommended_to_those_who_like_its_kind():
    frame = pd.DataFrame({"user_id": list("uuvv"), "item_id": list("abcd")})
    train = Interactions.from_frame(pd.concat([frame, pd.DataFrame({"user_id": ["w"], "item_id": ["e"]})]))
    train = train.select(train.users != train.user_index(["w"])[0])
    kinds = np.eye(2)[[0, 0, 1, 1, 0]]  # e, which nobody met, is like a and b
    e = train.item_index(["e"])[0]
    scores = FeatureAugmentedEASE(kinds, weight=1.0, reg=1.0).fit(train).score([0, 1])
    assert scores[0, e] > 0.1 > abs(scores[1, e])


def test_sparse_vectors_are_vectors():
    a = FeatureAugmentedEASE(sp.csr_array(F), reg=5).fit(TRAIN)
    b = FeatureAugmentedEASE(F, reg=5).fit(TRAIN)
    np.testing.assert_allclose(a.B, b.B, atol=1e-6)


@pytest.mark.parametrize("bad", [{"weight": -1.0}, {"reg": 0.0}, {"values": "stars"}])
def test_settings_out_of_range_are_errors(bad):
    with pytest.raises(ValueError, match="must be"):
        FeatureAugmentedEASE(F, **bad)


def test_as_many_vectors_as_items_are_needed():
    with pytest.raises(ValueError, match="item_vectors has 2 rows for 8 items"):
        FeatureAugmentedEASE(np.eye(2)).fit(TRAIN)
