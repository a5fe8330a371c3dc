"""Scores by hand, and that each strategy reads what it should in a small world of two kinds of viewer."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from avrec_lib.behaviour.strategies import (
    click_rates,
    past,
    personalised,
    segment_based,
    segment_memberships,
    sentiment_led,
)

THETA = [1.0, 0.5]


@pytest.fixture
def tiny():
    """Clip 0 is shown on top twice and clicked once; clip 1 below twice and clicked once."""
    return past([0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 0, 1], [1, 2, 1, 2], THETA, 2, 3)


@pytest.fixture(scope="module")
def world():
    """Viewers of two kinds, of which one likes what the other does not; a third of the clips liked by all."""
    rng, m, n = np.random.default_rng(0), 60, 40
    X = rng.normal(size=(n, 3))
    kind = np.arange(m) % 2
    truth = 1 / (1 + np.exp(-(X[:, 0] + 2.5 * np.where(kind[:, None] == 0, 1, -1) * X[:, 1])))
    u, i = np.repeat(np.arange(m), n), np.tile(np.arange(n), m)
    r = rng.integers(1, 3, len(u))
    clicks = rng.random(len(u)) < truth[u, i] * np.array(THETA)[r - 1]
    return past(u, i, clicks, r, THETA, m, n), X, kind, truth


def test_click_rates_by_hand(tiny):
    mean = 2 / 3
    expected = [(1 + 5 * mean) / (2 + 5), (1 + 5 * mean) / (1 + 5), mean]
    assert_allclose(click_rates(tiny), expected)
    assert_allclose(click_rates(tiny, prior=1e-9)[:2], [1 / 2, 1 / 1], rtol=1e-6)


def test_a_segment_of_one_viewer_by_hand(tiny):
    P = np.eye(2)
    everybody = click_rates(tiny)
    scores = segment_based(tiny, P, prior=2)
    assert scores[0, 0] == pytest.approx((1 + 2 * everybody[0]) / (1 + 2))
    assert scores[0, 1] == pytest.approx((0 + 2 * everybody[1]) / (0.5 + 2))
    assert_allclose(scores[:, 2], everybody[2])


def test_one_segment_for_all_is_popularity_drawn_less(tiny):
    scores = segment_based(tiny, np.ones((2, 1)), prior=1e9)
    assert_allclose(scores, np.tile(click_rates(tiny), (2, 1)), rtol=1e-6)


def test_a_doubtful_viewer_gets_the_mean_of_the_segments(tiny):
    sure = segment_based(tiny, np.eye(2))
    P = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert_allclose(segment_based(tiny, P)[0], sure[0])
    doubt = segment_based(tiny._replace(users=np.array([0, 0, 1, 1]), n_users=3), np.vstack([P, [0.5, 0.5]]))
    assert_allclose(doubt[2], sure.mean(axis=0))


def test_personalised_is_the_ridge_regression_of_a_viewers_surprises(world):
    log, X, *_ = world
    from avrec_lib.behaviour.taste_profiles import learn_common

    common = learn_common(log.items, log.clicks, log.positions, log.users, X)
    x = X - common.centre
    x_bar = x[log.items]
    of = log.users == 5
    e = log.clicks - common.at_position[log.positions] - x_bar @ common.taste[:-1] - common.taste[-1]
    A = of.sum() * (x_bar.T @ x_bar) / len(x_bar) + 20 * np.eye(3)
    beta = np.linalg.solve(A, x_bar[of].T @ e[of])
    assert_allclose(personalised(log, X)[5], x @ (common.taste[:-1] + beta))


def test_a_viewer_without_a_past_gets_everybodys_taste(world):
    log, X, *_ = world
    scores = personalised(log._replace(n_users=log.n_users + 1), X, ridge=1e12)
    assert_allclose(scores[-1], scores[0], atol=1e-6)


def test_personal_and_segment_scores_know_more_than_popularity(world):
    log, X, kind, truth = world
    members = segment_memberships(log, X, k=2)
    assert abs(np.corrcoef(members[:, 0], kind)[0, 1]) > 0.95

    def fit(scores):
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(scores, truth, strict=True)])

    common = fit(np.tile(click_rates(log), (log.n_users, 1)))
    assert fit(personalised(log, X)) > common + 0.2
    assert fit(segment_based(log, members)) > common + 0.2


def test_sentiment_by_hand_and_the_mean_for_clips_without_comments():
    scores = sentiment_led([0, 0, 1], [1.0, 0.0, -1.0], 3, prior=2)
    assert_allclose(scores, [1 / 4, -1 / 3, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: past([0], [0, 1], [1], [1], THETA, 1, 2), "one length"),
        (lambda: past([0], [2], [1], [1], THETA, 1, 2), "clip is out of range"),
        (lambda: past([0], [0], [1], [3], THETA, 1, 2), "position is out of range"),
        (lambda: past([0], [0], [1], [1], [1.0, 0.0], 1, 2), "above 0"),
        (lambda: segment_based(past([0], [0], [1], [1], THETA, 1, 2), np.ones((2, 1))), "one a viewer"),
        (lambda: personalised(past([0], [0], [1], [1], THETA, 1, 2), np.ones((2, 1)), ridge=0), "ridge"),
        (lambda: sentiment_led([0], [1.0, 1.0], 3), "one for each comment"),
        (lambda: sentiment_led([3], [1.0], 3), "out of range"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
