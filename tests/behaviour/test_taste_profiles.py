"""Profiles by hand, from the past only, and with honest noise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from avrec_lib.behaviour.taste_profiles import learn_common, surprises, taste_profiles

X = np.array([[1.0, 0.0], [0.0, 1.0]])


def test_surprise_is_the_click_minus_the_mean_at_its_position():
    assert_allclose(surprises([1, 0, 1, 0], [1, 1, 1, 2]), [1 / 3, -2 / 3, 1 / 3, 0])
    assert surprises([], []).shape == (0,)


def test_two_viewers_of_opposite_tastes_by_hand():
    # both see both clips at one position; viewer 0 clicks on clip 0 only, viewer 1 on clip 1 only: nothing is
    # common, and the centred contents are (1/2, -1/2) and (-1/2, 1/2)
    profiles = taste_profiles([0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1], X, 3)
    assert_allclose(profiles.means, [[0.25, -0.25], [-0.25, 0.25], [0, 0]], atol=1e-12)
    assert profiles.counts.tolist() == [2, 2, 0]
    assert_allclose(profiles.noise, 0, atol=1e-12)  # both impressions of a viewer say the same


def test_what_everybody_likes_is_nobodys_profile():
    users, items = np.repeat([0, 1], 2), np.tile([0, 1], 2)
    profiles = taste_profiles(users, items, [1, 0, 1, 0], [1, 1, 1, 1], X, 2)
    assert_allclose(profiles.means, 0, atol=1e-12)


def test_no_clicks_make_no_taste():
    profiles = taste_profiles([0, 1], [0, 1], [0, 0], [1, 1], X, 2)
    assert_allclose(profiles.means, 0, atol=1e-12)


def test_one_viewer_has_no_taste_beyond_everybodys():
    profiles = taste_profiles([0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 2, 3], X, 1)
    assert_allclose(profiles.means, 0, atol=1e-12)


def test_constant_content_says_nothing():
    profiles = taste_profiles([0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1], np.ones((2, 3)), 2)
    assert_allclose(profiles.means, 0, atol=1e-12)


def test_the_noise_is_what_profiles_stray_by():
    """Profiles of many viewers of one taste scatter with covariance noise / n."""
    rng = np.random.default_rng(0)
    content = rng.normal(size=(300, 2))
    users, items = np.repeat(np.arange(400), 50), rng.integers(0, 300, 20_000)
    clicks = rng.random(20_000) < 1 / (1 + np.exp(-content[items, 0]))
    profiles = taste_profiles(users, items, clicks, np.ones(20_000, dtype=int), content, 400)
    assert_allclose(np.cov(profiles.means.T), profiles.noise / 50, atol=0.15 * profiles.noise.max() / 50)


def test_what_was_learnt_yesterday_serves_today():
    log = ([0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1])
    common = learn_common(log[1], log[2], log[3], log[0], X)
    again = taste_profiles(*log, X, 2, common)
    assert_allclose(again.means, taste_profiles(*log, X, 2).means)
    late = taste_profiles([2], [0], [1], [7], X, 3, common)  # a place lower than any that was seen
    assert_allclose(late.means[2], [0.25, -0.25])
    none = taste_profiles([], [], [], [], X, 2, common)
    assert none.counts.tolist() == [0, 0]
    assert_allclose(none.means, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: learn_common([], [], [], [], X), "no impressions"),
        (lambda: taste_profiles([0], [0], [1], [1], [[np.nan]], 1), "finite matrix"),
        (lambda: taste_profiles([0, 1], [0], [1], [1], X, 2), "differ in shape"),
        (lambda: taste_profiles([0], [2], [1], [1], X, 1), "clips are numbered 0..1"),
        (lambda: taste_profiles([-1], [0], [1], [1], X, 1), "negative"),
        (lambda: taste_profiles([1], [0], [1], [1], X, 1), "n_users is 1"),
        (lambda: taste_profiles([0], [0], [1], [1], X[:, :1], 1, learn_common([0], [1], [1], [0], X)), "has 1 columns"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
