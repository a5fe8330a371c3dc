"""AUC and NDCG of impressions: numbers made by hand, and scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from avrec_lib.evaluation import paired_difference
from avrec_lib.multimodal.impressions import per_viewer, pooled_auc

SCORES = np.array([0.9, 0.2, 0.8, 0.3, 0.7, 0.5])
CLICKS = np.array([1, 0, 0, 1, 0, 0])
USERS = np.array([7, 7, 2, 2, 2, 4])
ITEMS = np.array([0, 1, 0, 1, 2, 0])


def test_each_viewer_is_measured_on_their_own_rows_and_those_with_one_kind_are_left_out() -> None:
    table = per_viewer(SCORES, CLICKS, USERS, ITEMS)
    assert table["user_id"].tolist() == [2, 7]
    assert table["n_test"].tolist() == [3, 2]
    assert table["n_relevant"].tolist() == [1, 1]
    assert table["AUC"].tolist() == [0.0, 1.0]
    np.testing.assert_allclose(table["NDCG@10"], [1 / np.log2(4), 1])


def test_the_order_of_the_rows_changes_nothing_even_with_ties() -> None:
    order = np.array([5, 3, 1, 0, 4, 2])
    ties = np.zeros(6)
    a = per_viewer(ties, CLICKS, USERS, ITEMS)
    assert a.equals(per_viewer(ties, CLICKS[order], USERS[order], ITEMS[order]))
    assert a["AUC"].tolist() == [0.5, 0.5]


def test_two_tables_can_be_compared_in_pairs() -> None:
    gap = paired_difference(per_viewer(SCORES, CLICKS, USERS, ITEMS), per_viewer(-SCORES, CLICKS, USERS, ITEMS), "AUC")
    assert gap.mean == 0.0


def test_the_pooled_auc_is_that_of_scikit_learn_and_lies_in_its_interval() -> None:
    rng = np.random.default_rng(0)
    users, scores = rng.integers(0, 40, 600), rng.integers(0, 20, 600) / 20  # with ties
    clicks = (rng.random(600) < scores).astype(int)
    found = pooled_auc(scores, clicks, users, n_boot=200)
    assert found.value == pytest.approx(roc_auc_score(clicks, scores))
    assert found.low < found.value < found.high
    assert found.draws.shape == (200,)


def test_a_draw_is_the_auc_of_the_rows_of_the_viewers_drawn() -> None:
    users, scores, clicks = np.array([0, 0, 1, 1]), np.array([0.1, 0.9, 0.8, 0.2]), np.array([0, 1, 0, 1])
    draws = pooled_auc(scores, clicks, users, n_boot=50).draws
    both = roc_auc_score(clicks, scores)
    assert set(np.round(draws, 9)) <= {1.0, 0.0, round(float(both), 9)}  # viewer 0 twice, viewer 1 twice, or both
    assert len(set(np.round(draws, 9))) == 3


def test_the_same_seed_draws_the_same_viewers() -> None:
    rng = np.random.default_rng(1)
    users, scores, clicks = rng.integers(0, 9, 90), rng.random(90), rng.integers(0, 2, 90)
    np.testing.assert_array_equal(pooled_auc(scores, clicks, users).draws, pooled_auc(3 * scores, clicks, users).draws)


def test_what_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(ValueError, match="a row with a click and one without"):
        pooled_auc([0.1, 0.2], [0, 0], [0, 1])
    with pytest.raises(ValueError, match="vectors of one length above 0"):
        pooled_auc([0.1], [0, 1], [0, 1])
    with pytest.raises(ValueError, match="clicks must be 0 or 1"):
        pooled_auc([0.1, 0.2], [0, 3], [0, 1])
    with pytest.raises(ValueError, match="a score is NaN"):
        per_viewer([np.nan, 0.2], [0, 1], [0, 0], [0, 1])
