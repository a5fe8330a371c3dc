"""Errors of predicted ratings."""

import numpy as np
import pytest
import sklearn.metrics

from avrec_lib.evaluation import mae, rmse


def test_rmse_is_the_root_of_the_mean_square():
    """M7: errors 1, -1, 2 give 1.414214; squaring the sum would give 1.154701."""
    assert rmse([1, -1, 2], [0, 0, 0]) == pytest.approx(1.414214, abs=1e-6)


def test_mae_is_the_mean_size_of_the_error():
    assert mae([1, -1, 2], [0, 0, 0]) == pytest.approx(4 / 3)


def test_both_equal_scikit_learn():
    rng = np.random.default_rng(0)
    r, r_hat = rng.integers(1, 6, 500), rng.uniform(1, 5, 500).astype(np.float32)
    assert rmse(r, r_hat) == pytest.approx(sklearn.metrics.root_mean_squared_error(r, r_hat))
    assert mae(r, r_hat) == pytest.approx(sklearn.metrics.mean_absolute_error(r, r_hat))


def test_unsigned_ratings_do_not_wrap_around():
    assert rmse(np.array([1], np.uint8), np.array([2], np.uint8)) == 1


@pytest.mark.parametrize("error", [rmse, mae])
def test_the_error_of_nothing_is_refused(error):
    """M7: empty input."""
    with pytest.raises(ValueError, match="no ratings"):
        error([], [])


@pytest.mark.parametrize("error", [rmse, mae])
def test_unequal_lengths_are_not_broadcast(error):
    with pytest.raises(ValueError, match=r"shape \(3,\) and predictions \(1,\)"):
        error([1, 2, 3], [2])


@pytest.mark.parametrize("error", [rmse, mae])
def test_a_number_that_is_not_finite_is_named(error):
    with pytest.raises(ValueError, match="prediction number 1"):
        error([1, 2, 3], [2, np.nan, 1])
    with pytest.raises(ValueError, match="rating number 0"):
        error([np.inf, 2, 3], [2, 2, 1])
