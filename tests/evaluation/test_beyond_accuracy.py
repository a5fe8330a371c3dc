"""Coverage, novelty and diversity by hand and against references."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import cosine_distances

from avrec_lib.evaluation import coverage, intra_list_diversity, novelty
from avrec_lib.evaluation.beyond_accuracy import diversity_of_lists, unit_rows

# -- coverage


def test_coverage_counts_each_item_once():
    assert coverage([[0, 1], [1, 2], []], n_items=10) == 0.3


def test_no_lists_cover_nothing():
    assert coverage([], n_items=10) == 0


def test_coverage_refuses_unknown_items_and_an_empty_catalogue():
    with pytest.raises(IndexError, match=r"indices in 0..2"):
        coverage([[0, 3]], n_items=3)
    with pytest.raises(IndexError, match="item_index"):
        coverage([["a"]], n_items=3)
    with pytest.raises(ValueError, match="at least one item, not 0"):
        coverage([], n_items=0)


# -- novelty


def test_each_bit_of_novelty_halves_the_number_of_users():
    n_met = [8, 4, 1]
    assert novelty([0], n_met, n_users=8) == 0
    assert novelty([1], n_met, n_users=8) == 1
    assert novelty([2], n_met, n_users=8) == 3
    assert novelty([0, 1, 2], n_met, n_users=8) == pytest.approx(4 / 3)


def test_an_item_nobody_met_is_as_novel_as_one_met_by_one_user():
    assert novelty([0], [0, 5], n_users=8) == novelty([0], [1, 5], n_users=8) == 3


def test_novelty_of_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="list is empty"):
        novelty([], [1, 2], n_users=3)


def test_more_meetings_than_users_are_refused():
    with pytest.raises(ValueError, match="count each user once"):
        novelty([0], [9], n_users=3)


# -- diversity


def test_diversity_is_0_for_parallel_and_1_for_orthogonal_items():
    vectors = np.array([[1, 0], [3, 0], [0, 2]])
    assert intra_list_diversity([0, 1], vectors) == pytest.approx(0)
    assert intra_list_diversity([0, 2], vectors) == pytest.approx(1)
    assert intra_list_diversity([0, 1, 2], vectors) == pytest.approx(2 / 3)


def test_a_zero_vector_is_unlike_everything():
    """S1: cosine 0, no warning, no NaN."""
    assert intra_list_diversity([0, 1], np.array([[0.0, 0.0], [1.0, 0.0]])) == 1
    assert intra_list_diversity([0, 1], np.zeros((2, 2))) == 1


def test_a_stored_zero_is_a_zero_vector():
    stored = sp.csr_array((np.array([0.0, 1.0]), ([0, 1], [0, 0])), shape=(2, 2))
    assert stored.nnz == 2
    assert intra_list_diversity([0, 1], stored) == 1
    assert stored.nnz == 2  # the input is left as it was


def test_diversity_equals_the_mean_distance_of_scikit_learn():
    vectors = np.random.default_rng(0).normal(size=(12, 4))
    expected = cosine_distances(vectors)[np.triu_indices(12, 1)].mean()
    assert intra_list_diversity(np.arange(12), vectors) == pytest.approx(expected)
    assert intra_list_diversity(np.arange(12), sp.csr_array(vectors)) == pytest.approx(expected)


def test_a_list_without_pairs_has_no_diversity():
    with pytest.raises(ValueError, match="the list has 1"):
        intra_list_diversity([0], np.eye(3))


def test_vectors_that_are_not_finite_are_refused():
    """S1: a NaN feature raises instead of ranking first."""
    with pytest.raises(ValueError, match="NaN or infinity"):
        intra_list_diversity([0, 1], [[np.nan, 1], [1, 1]])


def test_the_diversity_of_many_lists_equals_that_of_each():
    rng = np.random.default_rng(1)
    vectors = np.where(rng.random((20, 6)) < 0.5, 0, rng.random((20, 6)))
    vectors[3] = 0
    lists = [rng.permutation(20)[:n] for n in (0, 1, 2, 5, 10, 20)]
    in_list = sp.csr_array(
        (np.ones(38), np.concatenate(lists), np.cumsum([0] + [len(one) for one in lists])), shape=(6, 20)
    )
    at_once = diversity_of_lists(in_list, unit_rows(vectors))
    assert np.isnan(at_once[:2]).all()
    np.testing.assert_allclose(at_once[2:], [intra_list_diversity(one, vectors) for one in lists[2:]], atol=1e-12)
