"""The cosine, checked by hand and against scikit-learn."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import cosine_similarity as sklearn_cosine

from avrec_lib.recommenders import cosine_similarity
from avrec_lib.recommenders.similarity import row_lengths, unit_rows


def test_cosine_of_a_zero_vector_is_zero():
    """Field case S1, without a warning or NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        similar = cosine_similarity([[1, 0], [0, 0], [2, 0]])
    assert similar.tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 1]]


def test_the_articles_example_gives_09357():
    """Source check 6.3: 2.54 / (1.5620 · 1.7378), where the article prints 0.96."""
    u, v = [0.8, 1.2, 0.6], [1.0, 0.9, 1.1]
    assert np.dot(u, v) == pytest.approx(2.54)
    assert cosine_similarity([u], [v])[0, 0] == pytest.approx(0.9357, abs=5e-5)


def test_cosine_knows_directions_only():
    assert cosine_similarity([[3, 4]], [[6, 8], [-3, -4], [-4, 3]]) == pytest.approx(np.array([[1, -1, 0]]))


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.csc_array, sp.csr_matrix, sp.coo_array])
def test_cosine_equals_sklearn(form):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(7, 5)) * (rng.random((7, 5)) < 0.6)
    Y = rng.normal(size=(4, 5)) * (rng.random((4, 5)) < 0.6)
    X[3] = 0
    similar = cosine_similarity(form(X), form(Y))
    assert isinstance(similar, np.ndarray)
    assert similar.dtype == np.float64
    np.testing.assert_allclose(similar, sklearn_cosine(X, Y), atol=1e-15)
    np.testing.assert_allclose(cosine_similarity(form(X)), sklearn_cosine(X), atol=1e-15)


def test_dense_and_sparse_may_meet():
    X, Y = np.array([[1.0, 2.0]]), np.array([[2.0, 1.0], [0.0, 0.0]])
    expected = cosine_similarity(X, Y)
    np.testing.assert_allclose(cosine_similarity(X, sp.csr_array(Y)), expected)
    np.testing.assert_allclose(cosine_similarity(sp.csr_array(X), Y), expected)


def test_large_float32_vectors_do_not_overflow():
    assert cosine_similarity(np.array([[1e30, 0], [1e30, 1e30]], dtype=np.float32))[0, 1] == pytest.approx(2**-0.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_a_feature_that_is_not_a_number_is_refused(form, bad):
    """Field case S1: it must not rank first."""
    with pytest.raises(ValueError, match="NaN or infinity; fill or drop"):
        cosine_similarity(form([[1.0, bad], [0.0, 1.0]]))


def test_vectors_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="length 2 and 3"):
        cosine_similarity([[1, 2]], [[1, 2, 3]])


def test_a_single_vector_must_be_a_row_of_a_table():
    with pytest.raises(ValueError, match=r"rows of a table, not an array of shape \(2,\)"):
        cosine_similarity([1, 2])


def test_unit_rows_have_length_1_or_0():
    X = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]])
    assert unit_rows(X) == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0, -1]]))
    assert row_lengths(X).tolist() == [5, 0, 2]
    assert row_lengths(sp.csr_array(X)).tolist() == [5, 0, 2]


def test_vectors_are_left_as_they_are():
    dense, sparse = np.array([[3.0, 4.0]]), sp.csr_array([[3.0, 4.0]])
    dense.flags.writeable = False
    cosine_similarity(dense)
    cosine_similarity(sparse)
    assert sparse.toarray().tolist() == [[3, 4]]
