import numpy as np
import pytest

from avrec_lib.recommenders.matrix_factorization.gram import gram


@pytest.mark.parametrize("product", [gram, gram.py_func], ids=["compiled", "py_func"])
@pytest.mark.parametrize("n", [0, 1, 3, 4, 10])
def test_it_is_the_transpose_times_the_matrix(product, n):
    A = np.random.default_rng(n).normal(size=(n, 5))
    G = product(A)
    np.testing.assert_allclose(G, A.T @ A, atol=1e-12)
    np.testing.assert_array_equal(G, G.T)


def test_single_precision_stays_single_precision():
    A = np.random.default_rng(0).standard_normal((40, 7), dtype=np.float32)
    assert gram(A).dtype == np.float32
    np.testing.assert_allclose(gram(A), A.T @ A, atol=1e-4)
