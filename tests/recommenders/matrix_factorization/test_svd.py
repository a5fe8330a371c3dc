"""The truncated SVD of the table of who met what."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from avrec_lib.data import Interactions, last_fraction
from avrec_lib.evaluation import evaluate
from avrec_lib.recommenders.matrix_factorization.svd import PureSVD, right_singular_vectors

ROWS = [("u", "a", 5), ("u", "b", 3), ("v", "a", 4), ("v", "b", 2), ("w", "c", 4), ("x", "c", 1), ("x", "b", 1)]
TRAIN = Interactions.from_frame(pd.DataFrame(ROWS, columns=["user_id", "item_id", "rating"]))


def table(m=40, n=30, seed=0):
    return (np.random.default_rng(seed).random((m, n)) < 0.3).astype(float)


def test_two_items_met_by_the_same_people_by_hand():
    """X = [[1, 1], [1, 1]]: one pattern, (1, 1)/√2."""
    np.testing.assert_allclose(right_singular_vectors(np.ones((2, 2)), 1), np.full((2, 1), 0.5**0.5))


@pytest.mark.parametrize("k", [1, 3, 7, 20, 30])
def test_they_are_numpys_singular_vectors_up_to_sign(k):
    """Below a quarter of the items by Lanczos, above it by the full decomposition."""
    X = table()
    _, _, Vt = np.linalg.svd(X, full_matrices=False)
    mine = right_singular_vectors(X, k)
    np.testing.assert_allclose(np.abs(np.sum(mine * Vt[:k].T, axis=0)), 1, atol=1e-8)
    assert (mine[np.abs(mine).argmax(axis=0), np.arange(k)] > 0).all()


def test_the_same_table_gives_the_same_vectors():
    np.testing.assert_array_equal(right_singular_vectors(table(), 3), right_singular_vectors(table(), 3))


@pytest.mark.parametrize("k", [3, 20])
def test_a_sparse_table_has_the_vectors_of_the_dense_one(k):
    sparse = right_singular_vectors(sp.csr_array(table()), k)
    np.testing.assert_allclose(sparse, right_singular_vectors(table(), k), atol=1e-10)


def test_scores_are_the_rows_of_the_best_approximation():
    X = TRAIN.matrix().toarray().astype(float)
    U, s, Vt = np.linalg.svd(X)
    best = U[:, :2] * s[:2] @ Vt[:2]
    np.testing.assert_allclose(PureSVD(2, "rating").fit(TRAIN).score([0, 1, 2, 3]), best, atol=1e-5)


def test_all_factors_return_the_row_itself():
    np.testing.assert_allclose(PureSVD(3).fit(TRAIN).score([0])[0], [1, 1, 0], atol=1e-6)


def test_a_cold_user_gets_the_counts_of_the_items():
    train = TRAIN.select(TRAIN.users > 0)
    np.testing.assert_allclose(PureSVD(1).fit(train).score([0])[0], [1, 2, 2])


def test_more_factors_than_the_table_has_is_an_error_that_names_the_limit():
    with pytest.raises(ValueError, match="at most 3"):
        PureSVD(4).fit(TRAIN)
    with pytest.raises(ValueError, match="n_factors must be at least 1"):
        PureSVD(0)


def test_it_ranks_far_better_than_popularity_on_movielens(ml100k):
    split = last_fraction(ml100k.interactions)
    ndcg = evaluate(PureSVD(20), split, n_boot=0).set_index("metric").loc["NDCG@10", "value"]
    assert ndcg == pytest.approx(0.199, abs=0.003)
