"""Metrics of one ranked list by hand, against scikit-learn, and of many lists at once."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec_lib.evaluation import (
    auc,
    average_precision_at_k,
    hit_rate_at_k,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    reciprocal_rank_at_k,
)
from avrec_lib.evaluation.ranking import auc_of_rows, metrics_of_hits

LIST_METRICS = {
    "Precision@{}": precision_at_k,
    "Recall@{}": recall_at_k,
    "HR@{}": hit_rate_at_k,
    "MAP@{}": average_precision_at_k,
    "MRR@{}": reciprocal_rank_at_k,
    "NDCG@{}": ndcg_at_k,
}
list_metrics = pytest.mark.parametrize("metric", LIST_METRICS.values(), ids=lambda m: m.__name__)


def test_every_metric_of_a_list_with_hits_at_ranks_2_and_4():
    recommended, relevant = ["a", "b", "c", "d"], {"b", "d", "x"}
    assert precision_at_k(recommended, relevant, 4) == 2 / 4
    assert recall_at_k(recommended, relevant, 4) == pytest.approx(2 / 3)
    assert hit_rate_at_k(recommended, relevant, 4) == 1
    assert average_precision_at_k(recommended, relevant, 4) == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert reciprocal_rank_at_k(recommended, relevant, 4) == 1 / 2
    dcg, ideal = 1 / np.log2(3) + 1 / np.log2(5), 1 + 1 / np.log2(3) + 1 / 2
    assert ndcg_at_k(recommended, relevant, 4) == pytest.approx(dcg / ideal)


def test_only_the_first_k_places_count():
    assert [metric(["a", "b"], {"b"}, 1) for metric in LIST_METRICS.values()] == [0] * 6


def test_a_short_list_has_empty_places():
    assert precision_at_k(["a"], {"a"}, 4) == 1 / 4
    assert ndcg_at_k(["a"], {"a"}, 4) == 1
    assert recall_at_k([], {"a"}, 4) == 0


def test_a_perfect_list_scores_1_whatever_the_number_of_relevant_items():
    for relevant in ({"a"}, set("ab"), set("abc"), set("abcdefg")):
        assert ndcg_at_k(list("abc"), relevant, 3) == pytest.approx(1)
        assert average_precision_at_k(list("abc"), relevant, 3) == pytest.approx(1)


def test_the_denominators_of_precision_and_recall_can_keep_1_out_of_reach():
    assert precision_at_k(list("abc"), {"a"}, 3) == pytest.approx(1 / 3)
    assert recall_at_k(list("abc"), set("abcdef"), 3) == 0.5


def test_a_repeated_item_counts_once():
    """M4: x, x, y with x relevant."""
    recommended, relevant = ["x", "x", "y"], {"x"}
    assert average_precision_at_k(recommended, relevant, 3) == 1.0
    assert ndcg_at_k(recommended, relevant, 3) == 1.0
    assert precision_at_k(recommended, relevant, 3) == pytest.approx(1 / 3)
    assert recall_at_k(recommended, relevant, 3) == 1


def test_a_repeated_item_still_takes_its_place():
    """M4: the second y is a wasted place, so x is at rank 3."""
    assert reciprocal_rank_at_k(["y", "y", "x"], {"x"}, 3) == pytest.approx(1 / 3)


@list_metrics
def test_a_repeated_test_row_changes_nothing(metric):
    """M4: duplicates among the relevant items."""
    assert metric(["y", "x"], ["x", "x", "z"], 2) == metric(["y", "x"], {"x", "z"}, 2)


@list_metrics
@given(recommended=st.lists(st.integers(0, 6), max_size=9), relevant=st.sets(st.integers(0, 6), min_size=1))
def test_no_metric_leaves_0_to_1(metric, recommended, relevant):
    assert 0 <= metric(recommended, relevant, 5) <= 1


@list_metrics
def test_a_user_without_relevant_items_has_no_score(metric):
    """M2: neither 1 nor 0, but left out."""
    with pytest.raises(ValueError, match="no relevant items"):
        metric(["x", "y"], set(), 2)


@list_metrics
def test_k_must_be_positive(metric):
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        metric(["x"], {"x"}, 0)


@list_metrics
def test_arrays_and_lists_give_the_same(metric):
    assert metric(np.array([3, 1, 2]), np.array([1, 2]), 3) == metric([3, 1, 2], {1, 2}, 3)


def test_ndcg_equals_scikit_learn_on_lists_without_ties():
    rng = np.random.default_rng(0)
    for k in (1, 5, 10, 40):
        relevant, scores = rng.random(40) < 0.2, rng.permutation(40)
        expected = sklearn.metrics.ndcg_score(relevant[None].astype(int), scores[None], k=k)
        assert ndcg_at_k(np.argsort(-scores), np.flatnonzero(relevant), k) == pytest.approx(expected)


def test_average_precision_of_the_whole_list_equals_scikit_learn():
    rng = np.random.default_rng(1)
    for _ in range(5):
        relevant, scores = rng.random(40) < 0.3, rng.permutation(40)
        expected = sklearn.metrics.average_precision_score(relevant, scores)
        assert average_precision_at_k(np.argsort(-scores), np.flatnonzero(relevant), 40) == pytest.approx(expected)


def test_precision_and_recall_equal_scikit_learn_on_the_top_k_as_a_prediction():
    rng = np.random.default_rng(2)
    relevant, best = rng.random(40) < 0.3, rng.permutation(40)[:10]
    predicted = np.isin(np.arange(40), best)
    assert precision_at_k(best, np.flatnonzero(relevant), 10) == sklearn.metrics.precision_score(relevant, predicted)
    assert recall_at_k(best, np.flatnonzero(relevant), 10) == sklearn.metrics.recall_score(relevant, predicted)


# -- AUC


def test_auc_counts_a_tie_as_half():
    # pairs: .9 > .5, .9 > .1, .5 = .5, .5 > .1
    assert auc([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1]) == 3.5 / 4


def test_auc_of_equal_scores_is_a_half():
    assert auc([1, 0, 0], [2, 2, 2]) == 0.5


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_auc_equals_scikit_learn_with_ties(rows):
    rows = [(True, 2), (False, 3), *rows]
    labels, scores = zip(*rows, strict=True)
    assert auc(labels, scores) == pytest.approx(sklearn.metrics.roc_auc_score(labels, scores))


def test_auc_needs_both_kinds():
    with pytest.raises(ValueError, match="there are 2 and 0"):
        auc([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="there are 0 and 0"):
        auc([], [])


def test_auc_refuses_ratings_as_labels_nan_scores_and_unequal_shapes():
    with pytest.raises(ValueError, match="only 0 and 1"):
        auc([5, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="score number 1"):
        auc([1, 0], [0.1, np.nan])
    with pytest.raises(ValueError, match="equally long"):
        auc([1, 0], [0.1])


# -- many users at once


@pytest.mark.parametrize("k", [1, 3, 10])
def test_the_metrics_of_many_users_equal_those_of_each_list(k):
    rng = np.random.default_rng(k)
    lists = [rng.permutation(30)[: rng.integers(0, k + 1)] for _ in range(60)]  # some short, some empty
    likes = [set(rng.permutation(30)[: rng.integers(1, 15)].tolist()) for _ in range(60)]
    hits = np.zeros((60, k), dtype=bool)
    for row, best, wanted in zip(hits, lists, likes, strict=True):
        row[: len(best)] = [item in wanted for item in best]
    at_once = metrics_of_hits(hits, np.array([len(wanted) for wanted in likes]))
    assert list(at_once) == [name.format(k) for name in LIST_METRICS]
    for name, metric in LIST_METRICS.items():
        expected = [metric(best, wanted, k) for best, wanted in zip(lists, likes, strict=True)]
        np.testing.assert_allclose(at_once[name.format(k)], expected, rtol=0, atol=1e-12)


def test_the_auc_of_rows_equals_that_of_each_row_over_its_scored_items():
    rng = np.random.default_rng(5)
    scores = rng.integers(0, 8, (50, 20)).astype(np.float32)  # many ties
    relevant = rng.random((50, 20)) < 0.2
    scores[(rng.random((50, 20)) < 0.3) & ~relevant] = np.nan
    scores[0, ~relevant[0]] = np.nan  # only relevant items are left
    relevant[1] = False
    at_once = auc_of_rows(scores, relevant)
    assert np.isnan(at_once[:2]).all()
    for value, row, likes in list(zip(at_once, scores, relevant, strict=True))[2:]:
        scored = ~np.isnan(row)
        if likes.any():
            assert value == pytest.approx(auc(likes[scored], row[scored]), abs=1e-12)
        else:
            assert np.isnan(value)


def test_an_item_that_cannot_be_recommended_ranks_below_all_others():
    scores = np.array([[-np.inf, 0, 1], [-np.inf, -np.inf, 1]], dtype=np.float32)
    assert auc_of_rows(scores, np.array([[True, False, False], [True, False, False]])).tolist() == [0, 0.25]
