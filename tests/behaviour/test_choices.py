"""Lotteries by hand, and against drawing them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from avrec_lib.behaviour.choices import choice_means, choice_probabilities, normal_scores, soft_weights

W = np.array([1.0, 2.0, 3.0, 4.0])
FREE = np.array([[True, True, True, False]])


def test_chances_by_hand_without_what_stands_above():
    assert_allclose(choice_probabilities(W, FREE, [[2, 0]]), [[3 / 6, 1 / 3]])


def test_expectations_by_hand():
    values = np.array([1.0, 0.0, 0.5, 9.0])
    assert_allclose(choice_means(W, FREE, [[2, 0]], values), [[2.5 / 6, 1 / 3]])


def test_equal_weights_draw_at_random():
    assert_allclose(choice_probabilities(np.ones(4), FREE, [[1, 0, 2]]), [[1 / 3, 1 / 2, 1]])


def test_chances_of_all_orders_sum_to_1_and_are_those_of_the_gumbel_trick():
    orders = [(a, b) for a in range(4) for b in range(4) if a != b]
    free = np.ones((len(orders), 4), dtype=bool)
    chances = choice_probabilities(W, free, orders).prod(axis=1)
    assert chances.sum() == pytest.approx(1)
    keys = np.log(W) + np.random.default_rng(0).gumbel(size=(100_000, 4))
    drawn = np.argsort(-keys, axis=1)[:, :2]
    for order, chance in zip(orders, chances, strict=True):
        assert (drawn == order).all(axis=1).mean() == pytest.approx(chance, abs=0.006)


def test_each_session_may_have_its_own_weights_and_values():
    weights, free, shown = np.stack([W, W[::-1]]), np.ones((2, 4), dtype=bool), [[0], [0]]
    assert_allclose(choice_probabilities(weights, free, shown), [[0.1], [0.4]])
    assert_allclose(choice_means(weights, free, shown, np.eye(4)[:2]), [[0.1], [0.3]])


def test_the_mean_of_a_constant_is_the_constant():
    assert_allclose(choice_means(W, FREE, [[0, 1, 2]], np.full(4, 7.0)), 7.0)


def test_normal_scores_see_the_order_and_nothing_else():
    s = np.array([[0.1, 0.2, 0.6], [3.0, 1.0, 2.0]])
    assert_allclose(normal_scores(s), normal_scores(np.exp(10 * s)))
    assert_allclose(normal_scores(s)[0], [norm.ppf(1 / 6), 0, norm.ppf(5 / 6)], atol=1e-12)
    assert_allclose(normal_scores(s)[1], normal_scores(s)[0][[2, 0, 1]], atol=1e-12)


def test_equal_scores_get_one_place():
    assert_allclose(normal_scores([1.0, 1.0, 0.0, 9.0]), norm.ppf([0.5, 0.5, 0.125, 0.875]), atol=1e-12)
    assert_allclose(normal_scores([[2.0, 2.0]]), 0, atol=1e-12)


def test_all_lists_of_different_scores_are_as_bold():
    rng = np.random.default_rng(0)
    weights = np.sort(soft_weights(normal_scores([rng.normal(size=50), rng.pareto(1, size=50)])), axis=1)
    assert_allclose(weights[0], weights[1])


def test_soft_weights_by_hand():
    assert_allclose(soft_weights([0.0, 1.0, -1.0], 2.0), np.exp([-2.0, 0.0, -4.0]))


def test_sharpness_0_is_chance_and_a_large_one_nearly_certain():
    assert_allclose(soft_weights([1.0, 5.0, 2.0], 0), 1)
    assert_allclose(soft_weights([1.0, 5.0, 2.0], 50), [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: choice_probabilities(W, FREE, [[3]]), "was not free"),
        (lambda: choice_probabilities(-W, FREE, [[0]]), "not negative"),
        (lambda: choice_probabilities(W[:3], FREE, [[0]]), "do not match"),
        (lambda: choice_probabilities([0.0, 0.0, 1.0, 1.0], FREE, [[2, 1]]), "give every clip a little"),
        (lambda: normal_scores([np.nan, 1.0]), "NaN"),
        (lambda: soft_weights([0.0, 1.0], -1), "at least 0"),
        (lambda: soft_weights([0.0, 1.0], np.inf), "finite"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
