"""Exponents of measured curves, how far they reach, and where two of them cross."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress, t

from avrec_lib.evaluation.growth import crossing, exponents, larger_half, power_law, size_within


def test_a_cost_that_is_eight_times_as_high_at_twice_the_size_grows_with_the_cube():
    assert power_law([1, 2, 4], [5, 40, 320]) == pytest.approx((3, 3, 3))


def test_the_slope_by_hand():
    """Logarithms to base 2: sizes 0, 1, 2, costs 0, 2, 1; the slope is (−1·−1 + 0 + 1·0) / 2 = 1/2."""
    assert power_law([1, 2, 4], [1, 4, 2]).exponent == pytest.approx(0.5)


def test_slope_and_interval_are_those_of_a_regression_of_logarithms():
    rng = np.random.default_rng(0)
    n = np.geomspace(10, 1e6, 9)
    c = 3 * n**1.4 * np.exp(rng.normal(0, 0.2, 9))
    peer = linregress(np.log(n), np.log(c))
    half_width = t.ppf(0.975, 7) * peer.stderr
    assert power_law(n, c) == pytest.approx((peer.slope, peer.slope - half_width, peer.slope + half_width))


def test_two_points_have_a_slope_and_no_interval():
    growth = power_law([1, 10], [1, 100])
    assert growth.exponent == pytest.approx(2)
    assert np.isnan([growth.low, growth.high]).all()


@pytest.mark.parametrize(
    ("sizes", "costs", "message"),
    [
        ([1, 2], [1, 2, 3], "equally long"),
        ([1, 2], [1, 0], "above 0"),
        ([1, np.nan], [1, 2], "above 0"),
        ([2, 2], [1, 3], "at least two different sizes"),
    ],
)
def test_what_has_no_growth_is_refused(sizes, costs, message):
    with pytest.raises(ValueError, match=message):
        power_law(sizes, costs)


def test_the_larger_half_has_three_points_at_least_and_ignores_order():
    assert larger_half([5, 1, 4, 2, 3]).tolist() == [True, False, True, False, True]
    assert larger_half(np.arange(8)).sum() == 4
    assert larger_half([1, 2]).all()


def test_exponents_come_from_the_larger_half_and_leave_out_what_was_stopped():
    curve = {"rows": [1, 10, 100, 1000, 10_000], "seconds": [7.0, 7.0, 10.0, 100.0, np.nan]}
    table = pd.concat([pd.DataFrame(curve).assign(model="b"), pd.DataFrame({"rows": [1], "seconds": 1, "model": "a"})])
    found = exponents(table, "rows", "seconds")
    assert found.index.tolist() == ["b"]  # one size has no growth
    assert found.loc["b", ["points", "smallest", "largest"]].tolist() == [3, 10, 1000]
    assert found.loc["b", "exponent"] == pytest.approx(np.log10(100 / 7) / 2)


def test_a_budget_is_reached_between_two_points_or_past_the_end_along_the_law():
    n, c = [1, 10, 100], [1, 100, 10_000]
    assert size_within(n, c, 10) == pytest.approx(10**0.5)
    assert size_within(n, c, 1e6) == pytest.approx(1000)
    assert size_within(n, c, 0.5) == 0
    assert size_within(n[::-1], [1, 1, 1], 5) == np.inf
    assert size_within(n, [1, 1, 1], 5, least=1) == pytest.approx(500)
    assert size_within(n, c, 1e6, least=1) == pytest.approx(1000)  # steeper than that already
    with pytest.raises(ValueError, match="budget"):
        size_within(n, c, 0)


def test_a_crossing_that_was_measured_lies_on_the_line_between_two_sizes():
    """The gap goes from +1 to −1 decade between 10 and 1000: they meet in the middle, at 100."""
    assert crossing([10, 1000], [1, 100], [10, 1000], [10, 10]) == pytest.approx((100, True))


def test_a_curve_that_was_always_cheaper_crosses_at_the_smallest_common_size():
    assert crossing([1, 10, 100], [5, 6, 7], [10, 100], [1, 2]) == pytest.approx((10, True))


def test_a_crossing_past_the_end_follows_the_slopes():
    """n² against 1000 n: equal at 1000, and nothing was measured there."""
    n = np.array([1, 10, 100])
    assert crossing(n, n**2, n, 1000 * n) == pytest.approx((1000, False))


def test_curves_that_do_not_approach_never_cross():
    n = np.array([1, 10, 100])
    assert crossing(n, n, n, 2 * n) == (np.inf, False)
    with pytest.raises(ValueError, match="in common"):
        crossing(n, n, 7 * n, n)
