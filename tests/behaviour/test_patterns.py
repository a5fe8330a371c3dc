"""Patterns by hand, against scipy, and against the known truth of the clips."""

import numpy as np
import pytest
from scipy import stats

from avrec_lib.behaviour.patterns import (
    decay,
    expected_clicks,
    kaplan_meier,
    position_and_appeal,
    position_rates,
    spread,
    surprise_z,
    together,
)
from avrec_lib.data.clips import load_clips


@pytest.fixture(scope="module")
def log():
    return load_clips().impressions


def test_spread_by_hand():
    assert spread([0, 4], [4, 4]) == pytest.approx(8)  # π = ½: (0 - 2)² / 1 twice, over one degree of freedom
    assert spread([2, 2], [4, 4]) == 0


def test_coins_of_one_kind_have_spread_one_and_of_two_kinds_more():
    rng, n = np.random.default_rng(0), np.full(4000, 12)
    assert spread(rng.binomial(n, 0.3), n) == pytest.approx(1, abs=0.06)
    assert spread(rng.binomial(n, rng.choice([0.1, 0.5], 4000)), n) > 2


@pytest.mark.parametrize(("k", "n"), [([1], [2]), ([1, 0], [2, 0]), ([1, 1], [1, 1, 1])])
def test_spread_needs_two_people_with_sessions(k, n):
    with pytest.raises(ValueError, match="two people or more"):
        spread(k, n)


@pytest.mark.parametrize("k", [[0, 0], [3, 4]])
def test_a_habit_of_all_or_none_has_no_spread(k):
    with pytest.raises(ValueError, match="all or none"):
        spread(k, [3, 4])


def test_kaplan_meier_by_hand():
    times, stay = kaplan_meier([2, 3, 3, 5, 8, 8], [True, True, False, True, False, False])
    assert times.tolist() == [2, 3, 5]
    assert stay == pytest.approx([5 / 6, 5 / 6 * 4 / 5, 5 / 6 * 4 / 5 * 2 / 3])


def test_kaplan_meier_is_scipys():
    rng = np.random.default_rng(1)
    t, left = rng.integers(1, 30, 300), rng.random(300) < 0.4
    times, stay = kaplan_meier(t, left)
    reference = stats.ecdf(stats.CensoredData.right_censored(t, ~left)).sf
    assert stay == pytest.approx(reference.evaluate(times))


def test_nobody_leaving_is_no_curve():
    times, stay = kaplan_meier([1.0, 2.0], [False, False])
    assert len(times) == len(stay) == 0


@pytest.mark.parametrize(("t", "left"), [([1.0], [True, False]), ([np.nan], [True])])
def test_times_must_be_finite_and_as_many_as_leavers(t, left):
    with pytest.raises(ValueError, match="one length, and all times finite"):
        kaplan_meier(t, left)


def test_rates_by_position_are_relative_to_the_first():
    assert position_rates([1, 1, 2, 2, 2, 2], [1, 1, 1, 1, 0, 0]).tolist() == [1, 0.5]


def test_without_a_click_on_top_there_is_nothing_to_compare_with():
    with pytest.raises(ValueError, match="position 1"):
        position_rates([1, 2], [0, 1])


@pytest.mark.parametrize("positions", [[], [0, 1]])
def test_positions_begin_at_one(positions):
    with pytest.raises(ValueError, match="from 1"):
        position_rates(positions, np.ones(len(positions)))


def test_two_clips_compared_with_themselves_give_the_looks_exactly():
    # clip 0 is liked by 0.8 and mostly on top, clip 1 by 0.4 and mostly below; looks 1 and ½
    positions, items, clicks = [], [], []
    for item, place, shown, clicked in ((0, 1, 100, 80), (0, 2, 10, 4), (1, 1, 10, 4), (1, 2, 100, 20)):
        positions += [place] * shown
        items += [item] * shown
        clicks += [1] * clicked + [0] * (shown - clicked)
    theta, p = position_and_appeal(positions, items, clicks)
    assert theta == pytest.approx([1, 0.5])
    assert p == pytest.approx([0.8, 0.4])
    assert position_rates(positions, clicks)[1] < 0.3


def test_a_clip_never_met_has_appeal_zero():
    assert position_and_appeal([1, 2], [0, 2], [1, 1])[1][1] == 0


def test_decay_of_an_exact_power_is_its_exponent():
    r = np.arange(1, 11)
    assert decay(2 * r**-0.7, r) == pytest.approx(0.7)


def test_positions_without_clicks_are_left_out_of_the_decay():
    assert decay([1, 0.5, 0], [9, 5, 0]) == pytest.approx(1)
    with pytest.raises(ValueError, match="two positions"):
        decay([1, 0], [3, 0])


def test_random_sessions_give_the_clips_decay(log):
    some = log[log["random"]]
    theta = position_rates(some["position"], some["click"])
    clicks = some.groupby("position")["click"].sum()
    assert decay(theta, clicks) == pytest.approx(load_clips().truth.world.position, abs=0.02)


def test_expected_clicks_add_up_for_every_viewer_and_clip(log):
    some = log[:20_000]
    u, i, y = (some[name].to_numpy() for name in ("user", "item", "click"))
    e = expected_clicks(u, i, some["position"].to_numpy() ** -0.3, y)
    assert e.sum() == pytest.approx(y.sum(), rel=0.03)
    assert e.min() >= 0
    assert e.max() <= 1


def test_expected_clicks_of_independent_viewers_and_clips_are_exact():
    u, i = (x.ravel() for x in np.meshgrid([0, 1], [0, 1], indexing="ij"))
    u, i = np.repeat(u, 100), np.repeat(i, 100)
    counts = {(0, 0): 80, (0, 1): 40, (1, 0): 40, (1, 1): 20}
    y = np.concatenate([np.arange(100) < counts[u[k], i[k]] for k in range(0, 400, 100)])
    assert expected_clicks(u, i, np.ones(400), y)[::100] == pytest.approx([0.8, 0.4, 0.4, 0.2])


def test_clicked_together_by_hand():
    assert together([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 0], 2, 2).tolist() == [[2, 1], [1, 1]]


def test_surprise_by_hand():
    z = surprise_z([0, 0, 2, 2], [0.5, 0.5, 0.5, -0.5], [0, 1, 0, 0])
    assert z == pytest.approx([1 / np.sqrt(0.5), 0, 0])


def test_copies_of_a_viewers_rows_are_no_new_evidence():
    rng = np.random.default_rng(2)
    each = rng.normal(size=500)
    copied, viewers = np.repeat(each, 20), np.repeat(np.arange(500), 20)
    cells = np.zeros(len(copied), dtype=int)
    assert surprise_z(cells, copied, viewers)[0] == pytest.approx(surprise_z(cells[:500], each, np.arange(500))[0])
    rows = surprise_z(cells, copied, np.arange(len(copied)))[0]
    assert abs(rows) == pytest.approx(np.sqrt(20) * abs(surprise_z(cells, copied, viewers)[0]))
