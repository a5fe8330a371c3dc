"""Every number of the source article that the book corrects, pinned."""

import numpy as np
import pytest

from avrec_lib.nn.attention import scaled_dot_product_attention
from avrec_lib.recommenders.similarity import cosine_similarity

R = np.array([[3.0, 2, 1], [4, 5, 0], [1, 2, 3]])
U = np.array([[1.2, 0.8], [0.6, 1.4], [0.8, 0.6]])
V = np.array([[1.2, 0.8], [0.8, 1.2], [1.4, 0.6]])


def test_the_predicted_rating_of_user_1_for_item_2_is_1_92():
    assert U[0] @ V[1] == pytest.approx(1.92)
    assert U[0] @ V[0] == pytest.approx(2.08)


def test_the_printed_factors_miss_the_table_by_20_67_and_the_ratings_by_17_84():
    miss = (R - U @ V.T) ** 2
    assert miss.sum() == pytest.approx(20.6656)
    assert miss[R > 0].sum() == pytest.approx(17.8432)


def test_the_best_error_of_rank_2_is_the_square_of_the_third_singular_value():
    sigma = np.linalg.svd(R, compute_uv=False)
    assert sigma[2] == pytest.approx(1.0919, abs=5e-5)
    assert sigma[2] ** 2 == pytest.approx(1.192, abs=5e-4)


def test_the_eight_ratings_have_one_exact_completion_of_rank_2_and_it_is_six():
    assert np.linalg.det(R + np.array([[0, 0, 0], [0, 0, 6], [0, 0, 0]])) == pytest.approx(0, abs=1e-9)
    assert np.linalg.det(R) == pytest.approx(24)


def test_the_cosine_is_0_9357_and_the_score_2_54():
    w, x = np.array([[0.8, 1.2, 0.6]]), np.array([[1.0, 0.9, 1.1]])
    assert cosine_similarity(w, x)[0, 0] == pytest.approx(0.9357, abs=5e-5)
    assert w @ x.T == pytest.approx(2.54)


def test_attention_without_projections_averages_rows_that_sum_to_two():
    X = np.array([[1.0, 0, 1], [1, 1, 0], [0, 1, 1]])
    output, _ = scaled_dot_product_attention(X, X, X)
    expected = [[0.7355, 0.5289, 0.7355], [0.7355, 0.7355, 0.5289], [0.5289, 0.7355, 0.7355]]
    np.testing.assert_allclose(output, expected, atol=5e-5)
    np.testing.assert_allclose(output.sum(axis=1), 2)
    printed = np.array([[0.8, 0.2, 0.4], [0.6, 0.4, 0.2], [0.2, 0.6, 0.4]])
    np.testing.assert_allclose(printed.sum(axis=1), [1.4, 1.2, 1.2])
