"""Features counted by hand, and that a training pair never sees itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from avrec_lib.data import Interactions
from avrec_lib.recommenders.supervised import PairFeatures

TRAIN = Interactions.from_frame(
    pd.DataFrame(
        [("u", "a", 5), ("u", "b", 1), ("v", "a", 4), ("v", "b", 2), ("v", "c", 3), ("w", "a", 3)],
        columns=["user_id", "item_id", "rating"],
    )
)
VECTORS = np.array([[1.0, 0], [0, 2.0], [1.0, 1.0]])
MEAN = 3.0


def row(user, item, **how):
    features = PairFeatures(TRAIN, VECTORS)
    values = features.of(np.array([user]), np.array([item]), **how)[0]
    return dict(zip(features.names, values, strict=True))


def test_the_features_of_a_new_pair_by_hand():
    """u met a and b; c was met by v alone, who met a and b too."""
    found = row(0, 2)
    assert found["user rows"] == pytest.approx(np.log(3))
    assert found["user mean"] == pytest.approx((6 + 5 * MEAN) / 7)
    assert found["item rows"] == pytest.approx(np.log(2))
    assert found["item mean"] == pytest.approx((3 + 5 * MEAN) / 6)
    assert found["user's cosine with the item"] == pytest.approx(1.0)  # (1, 0) + (0, 1) is the direction of c
    assert found["item seen together"] == pytest.approx((1 / np.sqrt(1 * 3) + 1 / np.sqrt(1 * 2)) / 2)
    assert (found["vector 0"], found["vector 1"]) == (pytest.approx(0.5**0.5), pytest.approx(0.5**0.5))


def test_a_training_pair_does_not_see_itself():
    """Without the row (u, a): u met b alone; a was met by v and w."""
    found = row(0, 0, without_itself=True)
    assert found["user rows"] == pytest.approx(np.log(2))
    assert found["user mean"] == pytest.approx((1 + 5 * MEAN) / 6)
    assert found["item rows"] == pytest.approx(np.log(3))
    assert found["item mean"] == pytest.approx((7 + 5 * MEAN) / 7)
    assert found["user's cosine with the item"] == pytest.approx(0.0)
    assert found["item seen together"] == pytest.approx(1 / np.sqrt(2 * 2))  # v met a and b; b has 2 rows


@pytest.mark.parametrize("seed", range(3))
def test_leaving_out_is_the_same_as_a_table_without_the_row(seed):
    """But for n_j of the user's other items, and the overall mean: both keep all rows."""
    rng = np.random.default_rng(seed)
    u, i = np.nonzero(rng.random((12, 7)) < 0.5)
    table = Interactions.from_frame(pd.DataFrame({"user_id": u, "item_id": i, "rating": np.full(len(u), 3.0)}))
    vectors = rng.normal(size=(table.n_items, 3))
    pick = int(rng.integers(len(table)))
    pair = table.users[[pick]].astype(np.int64), table.items[[pick]].astype(np.int64)
    without = table.select(np.arange(len(table)) != pick)
    a = PairFeatures(table, vectors).of(*pair, without_itself=True)
    b = PairFeatures(without, vectors).of(*pair)
    np.testing.assert_allclose(a, b, atol=1e-12)


def test_the_order_of_pairs_does_not_matter():
    features = PairFeatures(TRAIN, sp.csr_array(VECTORS))
    users, items = np.array([2, 0, 1, 0, 2]), np.array([1, 2, 0, 0, 2])
    together = features.of(users, items)
    for n in range(5):
        np.testing.assert_allclose(features.of(users[[n]], items[[n]])[0], together[n])


def test_a_user_and_an_item_without_rows_have_features():
    cold = TRAIN.select((TRAIN.users != 2) & (TRAIN.items != 2))
    features = PairFeatures(cold).of(np.array([2, 0]), np.array([0, 2]))
    assert np.isfinite(features).all()
    assert features[0, :2].tolist() == [0, pytest.approx(3.0)]
    assert features[1, 2:].tolist() == [0, pytest.approx(3.0), 0, 0]


def test_as_many_vectors_as_items_are_needed():
    with pytest.raises(ValueError, match="item_vectors has 2 rows for 3 items"):
        PairFeatures(TRAIN, np.eye(2))
