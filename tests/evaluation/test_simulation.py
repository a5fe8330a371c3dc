"""The simulated service of page 1.3: its assumptions hold, and its luck is fixed by the seed."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.evaluation.simulation import (
    Log,
    World,
    at_random,
    exploring,
    gini,
    learnt,
    most_watched,
    simulate,
)
from avrec_lib.recommenders import EASE

SMALL = World(n_viewers=40, n_films=30)


def oracle(log, rng):
    return SMALL.appeal()


def test_gini_by_hand():
    """(0, 0, 0, 8): one of four has all, G = 3/4. (1, 1, 1, 1): 0. (1, 3): a quarter."""
    assert gini([0, 0, 0, 8]) == pytest.approx(0.75)
    assert gini([1, 1, 1, 1]) == pytest.approx(0)
    assert gini([3, 1]) == pytest.approx(0.25)


def test_gini_is_half_the_mean_difference_over_the_mean():
    a = np.random.default_rng(0).exponential(size=50)
    differences = np.abs(a[:, None] - a[None]).mean()
    assert gini(a) == pytest.approx(differences / (2 * a.mean()))


def test_gini_of_nothing_to_share_is_nan_and_of_bad_amounts_an_error():
    assert np.isnan(gini([0, 0]))
    for bad in ([], [1, -1], [1, np.nan]):
        with pytest.raises(ValueError, match="gini needs"):
            gini(bad)


def test_the_same_seed_gives_the_same_history_and_another_seed_another():
    one, two, three = (simulate(SMALL, at_random, 5, seed)[0] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(three)


def test_the_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    simulate(SMALL, at_random, 2)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_nobody_is_offered_what_they_have_watched():
    _, log = simulate(World(n_viewers=20, n_films=12, base=1.0), at_random, 20)
    assert log.watched.max() == 1


def test_knowing_the_truth_beats_chance():
    known, chance = simulate(SMALL, oracle, 5)[0], simulate(SMALL, at_random, 5)[0]
    assert known["watched"].mean() > 1.5 * chance["watched"].mean()


def test_watching_depends_on_looking_as_stated():
    """All films equally appealing: the first place is always looked at, place j with patience^j."""
    world = World(n_viewers=4000, n_films=10, taste_weight=0, quality_weight=0, base=0, patience=0.5)
    _, log = simulate(world, lambda log, rng: np.arange(10.0)[::-1] + np.zeros((4000, 1)), 1)
    looked = log.shown.mean(axis=0)
    np.testing.assert_allclose(looked[:4], [1, 0.5, 0.25, 0.125], atol=0.03)
    np.testing.assert_allclose(log.watched.sum(axis=0)[:3] / log.shown.sum(axis=0)[:3], 0.5, atol=0.04)


def test_only_the_satisfied_are_loyal():
    """With loyal 1 and disappointed 0, those who found nothing never come back."""
    world = World(n_viewers=200, n_films=300, loyal=1.0, disappointed=0.0)
    rounds, log = simulate(world, at_random, 3)
    assert rounds["visits"].is_monotonic_decreasing
    first = simulate(world, at_random, 1)[1]
    assert rounds["visits"].iloc[1] == (first.watched.sum(axis=1) > 0).sum()
    assert (log.watched[first.watched.sum(axis=1) == 0] == 0).all()


def test_a_service_that_everybody_left_goes_on_empty():
    world = World(n_viewers=5, n_films=20, base=-50, disappointed=0.0)
    rounds, _ = simulate(world, at_random, 3)
    assert rounds["visits"].tolist() == [5, 0, 0]
    assert np.isnan(rounds["share_back"].iloc[1])


def test_most_watched_is_one_list_for_all():
    log = Log(np.eye(4), np.eye(4))
    scores = most_watched(log, np.random.default_rng(0))
    assert (scores == scores[0]).all()


def test_a_learnt_policy_starts_by_lot_and_then_learns():
    policy = learnt(lambda: EASE(5))
    empty = Log(np.zeros((3, 4)), np.zeros((3, 4)))
    assert policy(empty, np.random.default_rng(0)).shape == (3, 4)
    log = Log(np.array([[1.0, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]]), np.zeros((3, 4)))
    assert policy(log, np.random.default_rng(0))[2].argmax() == 1


def test_exploring_puts_the_wanted_number_of_films_first():
    ranked = exploring(lambda log, rng: np.arange(100.0) + np.zeros((500, 1)), 2.0)
    scores = ranked(Log(np.zeros((500, 100)), np.zeros((500, 100))), np.random.default_rng(0))
    assert (scores >= 100).sum(axis=1).mean() == pytest.approx(2, abs=0.3)


def test_exploring_nowhere_is_the_policy_itself():
    plain = exploring(lambda log, rng: np.arange(5.0)[None], 0)
    assert plain(Log(np.zeros((1, 5)), np.zeros((1, 5))), np.random.default_rng(0)).argmax() == 4


@pytest.mark.parametrize("scale", [1e-6, 1, 1e9])
def test_exploring_works_on_scores_of_any_scale(scale):
    """Films drawn by lot come before the policy's best, also once top_k compares the scores in single precision."""
    policy = exploring(lambda log, rng: scale * np.arange(100.0) + np.zeros((50, 1)), 2.0)
    empty = Log(np.zeros((50, 100)), np.zeros((50, 100)))
    scores = policy(empty, np.random.default_rng(0)).astype(np.float32)
    drawn = ~np.isclose(scores, scale * np.arange(100.0))
    assert 50 < drawn.sum() < 150
    assert scores[drawn].min() > np.float32(99 * scale)


def test_who_stayed_away_comes_back_as_the_disappointed_do():
    """Nobody ever watches; a chance of 1 for the disappointed brings all back, a chance of 0 nobody for good."""
    for chance, visits in ((1.0, [30, 30, 30]), (0.0, [30, 0, 0])):
        world = World(n_viewers=30, n_films=20, base=-50, loyal=0.5, disappointed=chance)
        assert simulate(world, at_random, 3)[0]["visits"].tolist() == visits
