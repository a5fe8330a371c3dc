"""Clocks that are years off are found among their neighbours and set right; everything else is left alone."""

import numpy as np
import pytest

from avrec_lib.behaviour.clocks import DAY, true_times, wrong_clocks

START = 1_790_812_800
SETTINGS = {"ahead": DAY, "late": 90 * DAY, "spreads": 10.0, "neighbours": 101}


@pytest.fixture
def log():
    """Return 3,000 rows of 300 interleaved sessions over a day with a quiet night: times, sessions."""
    rng = np.random.default_rng(0)
    rate = np.where(np.arange(3000) % 1500 < 1450, 10, 300)  # seconds between two rows; at night five minutes
    times = START + np.cumsum(rng.exponential(rate)).astype(np.int64)
    return times, np.arange(3000) // 40 * 4 + rng.integers(0, 4, 3000)


def shifted(log, session, offset):
    times, sessions = log
    return np.where(sessions == session, times + offset, times), sessions == session


@pytest.mark.parametrize("years", [-56, -20, -1, 1, 3, 10])
@pytest.mark.parametrize("session", [0, 140, 145, 146, 299])
def test_a_session_that_is_years_off_is_found_and_set_right_to_the_second(log, years, session):
    """At the first and the last row of the log, by day, and at night, when few neighbours vouch for it."""
    soiled, off = shifted(log, session, years * 365 * DAY)
    found = wrong_clocks(soiled, **SETTINGS)
    assert (found == off).all()
    new, exact = true_times(soiled, found, log[1], slack=3600, neighbours=101)
    assert (new == log[0][off]).all()
    assert exact.all()


def test_leap_days_do_no_harm(log):
    """1 January 2024 to 1 January 2026 are 731 days: any whole number of days is found."""
    soiled, off = shifted(log, 50, -731 * DAY)
    assert (true_times(soiled, off, log[1], slack=3600, neighbours=101)[0] == log[0][off]).all()


def test_a_clock_that_is_off_by_anything_else_keeps_its_steps_and_comes_within_minutes(log):
    soiled, off = shifted(log, 50, -START + 40_000)  # began to count when it was switched on
    found = wrong_clocks(soiled, **SETTINGS)
    assert (found == off).all()
    new, exact = true_times(soiled, found, log[1], slack=600, neighbours=101)
    assert not exact.any()
    assert (np.diff(new) == np.diff(log[0][off])).all()
    assert np.abs(new - log[0][off]).max() < 120


def test_a_clock_that_was_set_during_the_session_is_set_right_row_by_row(log):
    soiled, off = shifted(log, 50, -20 * 365 * DAY)
    rows = np.flatnonzero(off)
    soiled[rows[5:]] += 7 * 365 * DAY  # still wrong, otherwise
    new, exact = true_times(soiled, off, log[1], slack=600, neighbours=101)
    assert not exact.any()
    assert np.abs(new - log[0][off]).max() < 300
    soiled = np.where(off, log[0], log[0])
    soiled[rows[:5]] -= 20 * 365 * DAY  # wrong, then right
    found = wrong_clocks(soiled, **SETTINGS)
    assert np.flatnonzero(found).tolist() == rows[:5].tolist()
    assert (true_times(soiled, found, log[1], slack=600, neighbours=101)[0] == log[0][rows[:5]]).all()


def test_two_wrong_clocks_are_told_apart(log):
    soiled, first = shifted(log, 50, 365 * DAY)
    soiled, second = shifted((soiled, log[1]), 51, -365 * DAY)
    found = wrong_clocks(soiled, **SETTINGS)
    assert (found == (first | second)).all()
    assert (true_times(soiled, found, log[1], slack=3600, neighbours=101)[0] == log[0][found]).all()


@pytest.mark.parametrize("offset", [-60 * DAY, -3 * DAY, -8 * 3600, 8 * 3600])
def test_what_came_weeks_late_or_has_a_wrong_time_zone_is_left_alone(log, offset):
    soiled, _ = shifted(log, 50, offset)
    assert not wrong_clocks(soiled, **SETTINGS).any()


def test_late_rows_do_not_spoil_the_repair(log):
    soiled, off = shifted(log, 50, 3 * 365 * DAY)
    late = np.random.default_rng(1).random(3000) < 0.1
    soiled = np.where(late & ~off, soiled - 5 * DAY, soiled)
    assert (wrong_clocks(soiled, **SETTINGS) == off).all()
    assert (true_times(soiled, off, log[1], slack=3600, neighbours=101)[0] == log[0][off]).all()


def test_a_night_in_which_most_rows_around_are_late_does_not_spoil_the_repair(log):
    soiled, off = shifted(log, 145, 3 * 365 * DAY)
    rows = np.arange(3000)
    late = ~off & (rows > 1435) & (rows < 1480) & (rows % 3 > 0)
    soiled = np.where(late, soiled - 5 * DAY, soiled)
    assert (wrong_clocks(soiled, **SETTINGS) == off).all()
    new, exact = true_times(soiled, off, log[1], slack=600, neighbours=101)
    assert (new == log[0][off]).all()
    assert exact.all()


def test_nothing_is_wrong_in_a_log_that_is_quiet():
    """A row every five days: neighbours are months apart, and so are the thresholds."""
    times = START + np.arange(400) * 5 * DAY
    assert not wrong_clocks(times, **SETTINGS).any()
    assert not wrong_clocks(np.append(times[:200], times[200:] + 400 * DAY), **SETTINGS).any()  # a year's pause


def test_a_few_rows_cannot_be_judged():
    assert not wrong_clocks(np.array([START]), **SETTINGS).any()
    assert not wrong_clocks(np.array([START, START + 365 * DAY]), **SETTINGS).any()
    assert wrong_clocks(np.empty(0, dtype=np.int64), **SETTINGS).shape == (0,)


def test_if_nothing_is_wrong_nothing_is_repaired(log):
    new, exact = true_times(log[0], np.zeros(3000, dtype=bool), log[1], slack=3600, neighbours=101)
    assert new.shape == exact.shape == (0,)
    assert new.dtype == np.int64


def test_by_hand():
    """Right rows at 0, 100, 200 s; a session between them, 1 day and then some ahead: 150 + DAY must be 150."""
    times = np.array([0, 100, 150 + 2 * DAY, 200])
    new, exact = true_times(
        times, np.array([False, False, True, False]), np.zeros(4, dtype=np.int64), slack=60, neighbours=101
    )
    assert new.tolist() == [150]
    assert exact.tolist() == [True]
    times[2] += DAY // 2  # half a day more: no whole number of days fits, so the middle of 100 and 200, smoothed
    new, exact = true_times(
        times, np.array([False, False, True, False]), np.zeros(4, dtype=np.int64), slack=60, neighbours=101
    )
    assert new.tolist() == [100]  # the median of 0, 100, 200
    assert exact.tolist() == [False]
