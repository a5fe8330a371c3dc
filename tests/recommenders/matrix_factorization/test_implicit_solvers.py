import numba
import numpy as np
import pytest
import scipy.sparse as sp

from avrec_lib.recommenders.matrix_factorization.implicit_als import implicit_loss, solve_user
from avrec_lib.recommenders.matrix_factorization.implicit_solvers import solve_rows_cg, solve_rows_exact

ALPHA, REG = 3.0, 0.5
N_FACTORS = 6


@pytest.fixture
def R():
    """Seventy users (more than one stride of rows), twenty items; the first user has met nothing."""
    rng = np.random.default_rng(0)
    dense = rng.integers(1, 4, (70, 20)) * (rng.random((70, 20)) < 0.3)
    dense[0] = 0
    return sp.csr_array(dense.astype(np.float32))


def start(R, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((R.shape[0], N_FACTORS), dtype=np.float32)
    return X, rng.standard_normal((R.shape[1], N_FACTORS), dtype=np.float32)


def arguments(R, Y, X):
    reg = np.full(R.shape[0], REG, dtype=np.float32)
    return R.indptr, R.indices, ALPHA * R.data, Y, Y.T @ Y, reg, X


def one_by_one(R, Y):
    """Return what the readable function gives for every user with interactions."""
    rows = [slice(R.indptr[u], R.indptr[u + 1]) for u in range(1, R.shape[0])]
    Y = Y.astype(np.float64)
    return np.array([solve_user(Y[R.indices[r]], R.data[r], Y.T @ Y, ALPHA, REG) for r in rows])


@pytest.mark.parametrize("solve", [solve_rows_exact, solve_rows_exact.py_func], ids=["compiled", "py_func"])
def test_exact_rows_equal_the_readable_user(R, solve):
    X, Y = start(R)
    solve(*arguments(R, Y, X))
    assert X[1:] == pytest.approx(one_by_one(R, Y), abs=1e-5)
    assert (X[0] == 0).all()  # a row without interactions becomes 0


@pytest.mark.parametrize("solve", [solve_rows_cg, solve_rows_cg.py_func], ids=["compiled", "py_func"])
def test_conjugate_gradients_run_to_convergence_equal_the_readable_user(R, solve):
    X, Y = start(R)
    solve(*arguments(R, Y, X), 4 * N_FACTORS)
    assert X[1:] == pytest.approx(one_by_one(R, Y), abs=1e-4)
    assert (X[0] == 0).all()


def test_the_compiled_and_the_interpreted_steps_are_the_same(R):
    (X, Y), (Z, _) = start(R), start(R)
    solve_rows_cg(*arguments(R, Y, X), 3)
    solve_rows_cg.py_func(*arguments(R, Y, Z), 3)
    np.testing.assert_allclose(X, Z, atol=1e-5)


def test_every_conjugate_gradient_step_lowers_the_objective(R):
    X, Y = start(R)
    losses = [implicit_loss(R, X, Y, ALPHA, REG)]
    for _ in range(N_FACTORS):
        solve_rows_cg(*arguments(R, Y, X), 1)
        losses.append(implicit_loss(R, X, Y, ALPHA, REG))
    assert (np.diff(losses) < 0).all()
    solve_rows_exact(*arguments(R, Y, X))
    assert implicit_loss(R, X, Y, ALPHA, REG) <= losses[-1]


def test_a_row_that_is_solved_already_stays(R):
    X = np.zeros((R.shape[0], N_FACTORS), dtype=np.float32)
    Y = np.zeros((R.shape[1], N_FACTORS), dtype=np.float32)  # then x = 0 is exact, and a step would be 0 / 0
    for solve in (solve_rows_cg, solve_rows_cg.py_func):
        solve(*arguments(R, Y, X), 3)
        assert (X == 0).all()


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads to compare with one")
def test_the_number_of_threads_changes_nothing(R):
    results = []
    for n in (1, 2):
        numba.set_num_threads(n)
        try:
            (X, Y), (Z, _) = start(R), start(R)
            solve_rows_cg(*arguments(R, Y, X), 3)
            solve_rows_exact(*arguments(R, Y, Z))
        finally:
            numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        results.append((X, Z))
    np.testing.assert_array_equal(results[0], results[1])
