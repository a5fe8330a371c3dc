"""Exercises of 5.1.7, how tables lie: ranks in a sample, the future in a table, people needed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.stats
from scipy.stats import norm

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

CHANCE = float(scipy.stats.binom.cdf(9, 50, 199 / 1999))

TRAIN_TIMES = np.array([5, 1, 9, 4, 4, 7])
TEST_TIMES = np.array([4, 8, 0])

_DRAWN = np.random.default_rng(7)
_EASY = _DRAWN.beta(0.5, 2.0, 400)
A, B = _EASY + 0.05 * _DRAWN.normal(size=400) + 0.01, _EASY + 0.05 * _DRAWN.normal(size=400)


def _check_chance(answer: float) -> str:
    refuse_close(answer, 0.0, "that is its hit among all films; here it is ranked among 51", rtol=1e-3, atol=1e-6)
    refuse_close(answer, 1.0, "nothing is sure: the 50 films are drawn", rtol=1e-3)
    refuse_close(
        answer, float(scipy.stats.binom.cdf(10, 50, 199 / 1999)), "ten films ahead make it the 11th", rtol=2e-3
    )
    refuse_close(
        answer, float(scipy.stats.binom.pmf(9, 50, 199 / 1999)), "that is the chance of place 10 alone", rtol=2e-2
    )
    refuse_close(answer, 1 - CHANCE, "that is the chance of a miss", rtol=2e-2)
    expect_close(answer, CHANCE, "at most 9 of 50 draws may stand before it, each does with 199/1999", rtol=3e-3)
    return "A film that ten screens of the full list come before is nearly always a hit among 50 drawn ones."


def future_share(train_times: np.ndarray, test_times: np.ndarray) -> float:
    in_order = np.sort(train_times)
    not_later = np.searchsorted(in_order, test_times, side="right")
    return float(1 - not_later.mean() / len(train_times))


def _at_once_too(train_times: np.ndarray, test_times: np.ndarray) -> float:
    in_order = np.sort(train_times)
    return float(1 - np.searchsorted(in_order, test_times, side="left").mean() / len(train_times))


def _past_share(train_times: np.ndarray, test_times: np.ndarray) -> float:
    return 1 - future_share(train_times, test_times)


def _of_the_first(train_times: np.ndarray, test_times: np.ndarray) -> float:
    return float((train_times > test_times.min()).mean())


def _unsorted(train_times: np.ndarray, test_times: np.ndarray) -> float:
    return float(1 - np.searchsorted(train_times, test_times, side="right").mean() / len(train_times))


def _count(train_times: np.ndarray, test_times: np.ndarray) -> float:
    return future_share(train_times, test_times) * len(train_times)


def _check_future(answer: Callable[..., Any]) -> str:
    got = answer(TRAIN_TIMES.copy(), TEST_TIMES.copy())
    refuse_close(got, _at_once_too(TRAIN_TIMES, TEST_TIMES), "a rating of the same second is not later")
    refuse_close(got, _past_share(TRAIN_TIMES, TEST_TIMES), "that is the share that is not later; turn it round")
    refuse_close(got, _of_the_first(TRAIN_TIMES, TEST_TIMES), "you compare with the earliest test rating only")
    refuse_close(got, _unsorted(TRAIN_TIMES, TEST_TIMES), "np.searchsorted needs sorted times")
    refuse_close(got, _count(TRAIN_TIMES, TEST_TIMES), "that is a number of ratings; divide by how many there are")
    expect_close(got, future_share(TRAIN_TIMES, TEST_TIMES), "take the share for each test time, then the mean")
    cut = answer(np.array([1, 2, 3, 4, 101, 102]), np.array([103, 104]))
    expect_close(cut, 0.0, "after a cut at one moment nothing of the training table is later")
    return "Zero is what a time cut guarantees, and no split that looks at each person separately does."


def people_needed(a: np.ndarray, b: np.ndarray, delta: float) -> float:
    z = norm.ppf(0.975) + norm.ppf(0.8)
    return float(z**2 * np.var(a - b, ddof=1) / delta**2)


def _as_if_apart(a: np.ndarray, b: np.ndarray, delta: float) -> float:
    z = norm.ppf(0.975) + norm.ppf(0.8)
    return float(z**2 * (np.var(a, ddof=1) + np.var(b, ddof=1)) / delta**2)


def _half_power(a: np.ndarray, b: np.ndarray, delta: float) -> float:
    return float(norm.ppf(0.975) ** 2 * np.var(a - b, ddof=1) / delta**2)


def _one_sided(a: np.ndarray, b: np.ndarray, delta: float) -> float:
    return float((norm.ppf(0.95) + norm.ppf(0.8)) ** 2 * np.var(a - b, ddof=1) / delta**2)


def _not_squared(a: np.ndarray, b: np.ndarray, delta: float) -> float:
    z = norm.ppf(0.975) + norm.ppf(0.8)
    return float(z**2 * np.std(a - b, ddof=1) / delta)


def _check_people(answer: Callable[..., Any]) -> str:
    got = answer(A.copy(), B.copy(), 0.01)
    refuse_close(
        got, _as_if_apart(A, B, 0.01), "that is for two groups of different people; these are the same", rtol=1e-2
    )
    refuse_close(got, _half_power(A, B, 0.01), "with 1.96 alone you find it half the time; add z of 0.8", rtol=1e-2)
    refuse_close(got, _one_sided(A, B, 0.01), "5 % two-sided means 2.5 % at each end: z of 0.975", rtol=1e-2)
    refuse_close(got, _not_squared(A, B, 0.01), "both the spread and δ are squared in the formula", rtol=1e-2)
    expect_close(got, people_needed(A, B, 0.01), "put the variance of a − b into the formula", rtol=1e-2)
    expect_close(
        answer(A.copy(), B.copy(), 0.005),
        people_needed(A, B, 0.005),
        "half the gain needs four times the people",
        rtol=1e-2,
    )
    return "Twice as small a gain needs four times the people: that is why the third decimal is so expensive."


EXERCISES = (
    Exercise(
        id="rank-in-a-sample",
        title="Place 200, and still a hit",
        difficulty=1,
        minutes=6,
        prompt="""
            A model puts the hidden film at place 200 among 2,000 candidates. Fifty of the other films are
            drawn, all alike and with replacement. With what chance does the hidden film come among the first
            ten of these 51, so that HR@10 counts a hit?
        """,
        starter="chance = ...  # between 0 and 1",
        hints=(
            "One drawn film stands before it with chance 199/1999.",
            "It is a hit if at most nine of the fifty stand before it. `expected_metrics` adds these chances up.",
        ),
        solution=CHANCE,
        solution_source='chance = expected_metrics([199 / 1999], 50, k=10)["HR@10"][0]',
        check=_check_chance,
        wrong=(
            (0.0, "its hit among all films"),
            (1.0, "nothing is sure"),
            (float(scipy.stats.binom.cdf(10, 50, 199 / 1999)), "make it the 11th"),
            (float(scipy.stats.binom.pmf(9, 50, 199 / 1999)), "place 10 alone"),
            (1 - CHANCE, "the chance of a miss"),
            (0.5, "at most 9 of 50"),
        ),
    ),
    Exercise(
        id="read-in-the-future",
        title="How much of the table lies in the future?",
        difficulty=2,
        minutes=10,
        prompt="""
            Write `future_share(train_times, test_times)`: the share of the training ratings that are later than
            a test rating, averaged over the test ratings. A rating of the same second is not later. Neither array
            is sorted.
        """,
        starter="""
            def future_share(train_times, test_times):
                ...  # your code here: one number between 0 and 1
        """,
        hints=(
            "For one test time t, the share is `(train_times > t).mean()`.",
            "For all at once, sort the training times: `np.searchsorted(in_order, test_times, side='right')` counts "
            "how many are not later than each.",
        ),
        solution=future_share,
        check=_check_future,
        wrong=(
            (_at_once_too, "of the same second is not later"),
            (_past_share, "turn it round"),
            (_of_the_first, "the earliest test rating only"),
            (_unsorted, "needs sorted times"),
            (_count, "divide by how many there are"),
        ),
    ),
    Exercise(
        id="people-needed",
        title="How many people does the gain need?",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Write `people_needed(a, b, delta)`: from the NDCG of two models for the same people (two arrays in the
            same order), how many people a two-sided test at 5 % needs to find a true mean difference
            `delta` with chance 0.8. Do not round. Then, for yourself, ask it with the models of this page.
        """,
        starter="""
            def people_needed(a, b, delta):
                ...  # your code here
        """,
        hints=(
            "Both models met the same people, so what counts is the variance of `a - b` (with `ddof=1`).",
            "The two quantiles are `norm.ppf(0.975)` and `norm.ppf(0.8)`; their sum is squared.",
        ),
        solution=people_needed,
        check=_check_people,
        wrong=(
            (_as_if_apart, "two groups of different people"),
            (_half_power, "half the time"),
            (_one_sided, "2.5 % at each end"),
            (_not_squared, "are squared in the formula"),
        ),
    ),
)

QUIZ = Quiz(
    id="5.1.7",
    questions=(
        Question(
            "Among 100 uniformly drawn films model A beats model B; among all films B beats A. What has happened?",
            (
                Option("One of the two was computed wrongly.", False, "Both are right; they ask different questions."),
                Option(
                    "A puts more hidden films into the upper tenth, B more into the first ten.",
                    True,
                    "A place far down the full list can still be a hit among a few drawn films.",
                ),
                Option(
                    "The draw was unlucky; another seed would restore the order.",
                    False,
                    "The expectation over all draws can have the wrong order as well.",
                ),
            ),
        ),
        Question(
            "A split hides the last rating of each person. Which future can a model still read?",
            (
                Option("None: the order of time is kept.", False, "It is kept within each person only."),
                Option("The same person's later ratings.", False, "The hidden one is the last; there are none."),
                Option(
                    "What other people rated after the hidden rating.",
                    True,
                    "Only one cut for all keeps that out.",
                ),
            ),
        ),
        Question(
            "Twenty fits of one model differ in the seed. The best of them on the test ratings beats seed 0, and the "
            "paired interval leaves out zero. What may be concluded?",
            (
                Option(
                    "That seed is better, by that much.", False, "Perhaps better, but the best of twenty is lucky too."
                ),
                Option(
                    "Less than the interval says: it does not know that there were twenty looks.",
                    True,
                    "It covers the chance of having met these people, for a pair named beforehand.",
                ),
                Option("The model is unstable and useless.", False, "Its spread over seeds may be small and harmless."),
            ),
        ),
        Question(
            "You can afford one improvement of a test. Which shrinks the people needed most, on this page's data?",
            (
                Option(
                    "Test both models on the same people instead of on two groups.",
                    True,
                    "The table's second column is several times its first, and needs that many on each side.",
                ),
                Option("Draw 100 films instead of ranking all.", False, "That asks another question."),
                Option("Average over more seeds of the bootstrap.", False, "That steadies the interval's ends only."),
            ),
        ),
    ),
)
