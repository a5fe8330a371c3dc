"""What a row of the table weighs, and how far users and items lie above the average."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions
from avrec_lib.recommenders.weights import biases, check_values, weigh

TRAIN = Interactions.from_frame(
    pd.DataFrame({"user_id": ["u", "u", "v", "w"], "item_id": ["a", "b", "a", "b"], "rating": [5, 0, 2, 4]})
)


def test_binary_weights_say_that_it_happened():
    """A rating of 0 happened too (field case F4)."""
    X = weigh(TRAIN, "binary")
    assert X.toarray().tolist() == [[1, 1], [1, 0], [0, 1]]
    assert X.dtype == np.float64


def test_rating_weights_are_the_ratings():
    X = weigh(TRAIN, "rating")
    assert X.toarray().tolist() == [[5, 0], [2, 0], [0, 4]]
    assert X.nnz == 4


def test_centred_weights_are_above_or_below_the_users_mean():
    assert weigh(TRAIN, "centred").toarray().tolist() == [[2.5, -2.5], [0, 0], [0, 0]]


def test_a_user_without_rows_is_an_empty_row():
    without = TRAIN.select(TRAIN.users != 0)
    for values in ("binary", "rating", "centred"):
        assert np.diff(weigh(without, values).indptr).tolist() == [0, 1, 1]


def test_equal_ratings_centre_to_exactly_zero():
    ratings = Interactions.from_frame(pd.DataFrame({"user_id": "u", "item_id": list("abcdefg"), "rating": 3.7}))
    assert (weigh(ratings, "centred").data == 0).all()


def test_weights_do_not_depend_on_the_order_of_the_rows():
    shuffled = TRAIN.select(np.array([3, 1, 0, 2]))
    for values in ("binary", "rating", "centred"):
        X, Y = weigh(TRAIN, values), weigh(shuffled, values)
        assert (X.indices == Y.indices).all()
        assert (X.data == Y.data).all()


def test_an_unknown_kind_of_weight_is_refused():
    check_values("binary")
    with pytest.raises(ValueError, match="'binary', 'rating' or 'centred', not 'log'"):
        check_values("log")


def test_biases_by_hand():
    """mu = 11/4; b_a = (2.25 - 0.75) / (1 + 2) = 0.5; b_b = (-2.75 + 1.25) / 3 = -0.5; then the users."""
    mu, b_u, b_i = biases(TRAIN, damping=1)
    assert mu == 2.75
    assert b_i == pytest.approx([0.5, -0.5])
    assert b_u == pytest.approx([(1.75 - 2.25) / 3, -1.25 / 2, 1.75 / 2])


def test_without_damping_the_biases_of_a_full_table_are_the_deviations_of_the_means():
    ratings = np.random.default_rng(0).integers(1, 6, (4, 3))
    u, i = np.indices(ratings.shape).reshape(2, -1)
    full = Interactions.from_frame(pd.DataFrame({"user_id": u, "item_id": i, "rating": ratings.ravel()}))
    mu, b_u, b_i = biases(full, damping=0)
    assert mu == pytest.approx(ratings.mean())
    assert b_i == pytest.approx(ratings.mean(axis=0) - ratings.mean())
    assert b_u == pytest.approx(ratings.mean(axis=1) - ratings.mean())


def test_without_rows_there_is_no_bias():
    _, b_u, b_i = biases(TRAIN.select(np.array([2])))
    assert b_u.tolist() == [0, 0, 0]
    assert b_i.tolist() == [0, 0]
