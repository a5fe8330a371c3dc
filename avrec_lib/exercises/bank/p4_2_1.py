"""Exercises of 4.2.1, patterns: who stays, by hand; a lift of what was shown; looks from swaps."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.data.clips import load_clips
from avrec_lib.data.clips.log import looks
from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

SHOWN_TO = np.array([[1, 1], [1, 1], [1, 1], [1, 1], [1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0]], dtype=bool)
CLICKED = np.array([[1, 1], [1, 1], [0, 1], [0, 0], [1, 0], [0, 0], [0, 0], [0, 1], [0, 0], [0, 0]], dtype=bool)


def _check_stay(answer: float) -> str:
    refuse_close(answer, 0.25, "that is the share seen after day 9; two others were only watched until then", rtol=1e-2)
    refuse_close(answer, 0.5, "that takes the censored for faithful for ever; unwatched they leave n", rtol=1e-2)
    refuse_close(answer, 0.6, "that is before day 9; the one who left on day 9 did not stay longer", rtol=1e-2)
    refuse_close(answer, 0.0, "that is of the leavers only; the censored count for as long as they were watched")
    expect_close(answer, 0.4, "7/8 after day 2, then times 6/7, 4/5 and 2/3 on days 4, 6 and 9", rtol=1e-2)
    return "On day 9 only three were left and watched, so one who left took a third of the curve."


def fair_lift(shown_to: np.ndarray, clicked: np.ndarray) -> float:
    p = clicked.sum(axis=0) / shown_to.sum(axis=0)
    expected = shown_to.all(axis=1).sum() * p[0] * p[1]
    return float(clicked.all(axis=1).sum() / expected)


def _textbook(shown_to: np.ndarray, clicked: np.ndarray) -> float:
    n = clicked.sum(axis=0)
    return float(clicked.all(axis=1).sum() * len(clicked) / (n[0] * n[1]))


def _all_shown(shown_to: np.ndarray, clicked: np.ndarray) -> float:
    p = clicked.sum(axis=0) / shown_to.sum(axis=0)
    return float(clicked.all(axis=1).sum() / (len(clicked) * p[0] * p[1]))


def _rates_of_all(shown_to: np.ndarray, clicked: np.ndarray) -> float:
    p = clicked.mean(axis=0)
    return float(clicked.all(axis=1).sum() / (shown_to.all(axis=1).sum() * p[0] * p[1]))


def _no_division(shown_to: np.ndarray, clicked: np.ndarray) -> float:
    p = clicked.sum(axis=0) / shown_to.sum(axis=0)
    return float(shown_to.all(axis=1).sum() * p[0] * p[1])


def _check_lift(answer: Callable[..., Any]) -> str:
    got = answer(SHOWN_TO, CLICKED)
    textbook = _textbook(SHOWN_TO, CLICKED)
    refuse_close(got, textbook, "that is the textbook's: it expects clicks of viewers who were never shown both")
    refuse_close(got, _all_shown(SHOWN_TO, CLICKED), "the expectation runs over all viewers; only those shown both can")
    refuse_close(got, _rates_of_all(SHOWN_TO, CLICKED), "a click rate is per impression: divide by who was shown it")
    refuse_close(got, _no_division(SHOWN_TO, CLICKED), "that is the number to expect; the lift is what came over it")
    expect_close(got, 2 / (4 * 3 / 6 * 4 / 6), "two clicked both; four were shown both, at rates 3/6 and 4/6")
    rng = np.random.default_rng(0)
    shown = rng.random((20_000, 1)) < np.array([[0.1, 0.1]])
    shown |= (rng.random((20_000, 1)) < 0.2) & (rng.random((20_000, 2)) < 0.9)  # some see nearly everything
    clicked = shown & (rng.random((20_000, 2)) < [0.3, 0.5])
    expect_close(answer(shown, clicked), fair_lift(shown, clicked), "for two clips that have nothing in common")
    return (
        f"Two clips with nothing in common, shown mostly to the same people: lift {fair_lift(shown, clicked):.2f}. "
        f"The textbook says {_textbook(shown, clicked):.2f}."
    )


def looks_from_swaps(click: np.ndarray, other: np.ndarray) -> np.ndarray:
    first_choice = click[np.arange(len(click)), other - 1]
    rates = np.bincount(other, first_choice)[1:] / np.bincount(other)[1:]
    return np.asarray(rates / rates[0])


def _by_place(click: np.ndarray, other: np.ndarray) -> NDArray[Any]:
    rates = click.mean(axis=0)
    return np.asarray(rates / rates[0])


def _what_came_up(click: np.ndarray, other: np.ndarray) -> NDArray[Any]:
    rates = np.bincount(other, click[:, 0])[1:] / np.bincount(other)[1:]
    return np.asarray(rates / rates[0])


def _not_relative(click: np.ndarray, other: np.ndarray) -> NDArray[Any]:
    first_choice = click[np.arange(len(click)), other - 1]
    return np.asarray(np.bincount(other, first_choice)[1:] / np.bincount(other)[1:])


def _sorted_service(n: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Clicks by place as shown, of sessions that a ranker sorted well, and with which place the top was swapped."""
    rng = np.random.default_rng(seed)
    p = -np.sort(-rng.beta(0.8, 0.8, (n, 10)), axis=1)
    other = np.where(rng.random(n) < 0.5, rng.integers(2, 11, n), 1)
    row = np.arange(n)
    p[row, 0], p[row, other - 1] = p[row, other - 1], p[row, 0].copy()
    return (rng.random((n, 10)) < looks(load_clips().truth.world, np.arange(1, 11)) * p).astype(np.float64), other


def _check_swaps(answer: Callable[..., Any]) -> str:
    click, other = _sorted_service(40_000)
    got = answer(click, other)
    refuse_close(got, _by_place(click, other), "that is the fall of all clips by place, the ranker's choice included")
    refuse_close(got, _what_came_up(click, other), "that follows the clips that came up; follow the one that went down")
    refuse_close(got, _not_relative(click, other), "those are click rates; divide by that of the first place")
    expect_close(got, looks_from_swaps(click, other), "the rate of the ranker's first choice, by where it stood")
    return (
        f"At place ten: {looks_from_swaps(click, other)[9]:.2f}. True is {10**-0.3:.2f}; the rates by place of those "
        f"sessions which nobody swapped say {_by_place(click[other == 1], other)[9]:.2f}."
    )


EXERCISES = (
    Exercise(
        id="stay-by-hand",
        title="Who stays, by hand",
        difficulty=1,
        minutes=6,
        prompt=r"""
            Eight viewers, watched for some time. Four left, after days 2, 4, 6 and 9. The other four were still here
            when we last looked: on days 4, 7, 12 and 12. Which share stays longer than nine days, by the formula of
            Kaplan and Meier? Who leaves and who is last watched on the same day are both still watched on it.
        """,
        starter="S_after_9 = ...  # the share who stay longer than nine days",
        hints=(
            "On day 2 eight are watched and one leaves: 7/8. On day 4 seven are, and one leaves.",
            "On day 6 there are five (one had left on day 2, and two are gone since day 4). How many on day 9?",
        ),
        solution=0.4,
        solution_source="S_after_9 = 7 / 8 * 6 / 7 * 4 / 5 * 2 / 3",
        check=_check_stay,
        wrong=(
            (0.25, "two others were only watched"),
            (0.5, "faithful for ever"),
            (0.6, "before day 9"),
            (0.0, "of the leavers only"),
            (0.45, "times 6/7, 4/5 and 2/3"),
        ),
    ),
    Exercise(
        id="lift-of-the-shown",
        title="A lift among those who were shown both",
        difficulty=2,
        minutes=12,
        prompt=r"""
            Two clips, $m$ viewers. `shown_to` and `clicked` are boolean arrays of shape $(m, 2)$. Write
            `fair_lift(shown_to, clicked)`: the number of viewers who clicked both, over the number to expect if
            the clips have nothing to do with each other: $\hat y_{ui} \hat y_{uj}$, summed over those who were shown
            both. For $\hat y_{ui}$ take the clip's click rate among all to whom it was shown.
        """,
        starter="""
            def fair_lift(shown_to: np.ndarray, clicked: np.ndarray) -> float:
                ...  # your code here
        """,
        hints=(
            "The rate of a clip is its clicks over its impressions, not over $m$.",
            "All who were shown both have the same product of rates, so the sum is their number times that product.",
        ),
        solution=fair_lift,
        check=_check_lift,
        wrong=(
            (_textbook, "never shown both"),
            (_all_shown, "runs over all viewers"),
            (_rates_of_all, "a click rate is per impression"),
            (_no_division, "the number to expect"),
        ),
    ),
    Exercise(
        id="looks-from-swaps",
        title="Looks from swaps",
        difficulty=2,
        minutes=12,
        prompt=r"""
            A ranker sorts each session by what the viewer likes. In half of the sessions its first choice was then
            exchanged with the clip at a place drawn by lot. `click` has a row for each session and a column for each of
            the ten places, **as shown**; `other` says where the first choice stood, 1 if it was left on top. Write
            `looks_from_swaps(click, other)`, the looks $\theta_1, \dots, \theta_{10}$ with $\theta_1 = 1$.
        """,
        starter="""
            def looks_from_swaps(click: np.ndarray, other: np.ndarray) -> np.ndarray:
                ...  # your code here: shape (10,), 1 at the first place
        """,
        hints=(
            "Follow one thing through all sessions: the ranker's first choice. Was it clicked, and where did it stand?",
            "`click[np.arange(len(click)), other - 1]` says whether it was clicked; `np.bincount` adds up by place.",
        ),
        solution=looks_from_swaps,
        check=_check_swaps,
        wrong=(
            (_by_place, "the ranker's choice included"),
            (_what_came_up, "follow the one that went down"),
            (_not_relative, "divide by that of the first place"),
        ),
    ),
)

QUIZ = Quiz(
    id="4.2.1",
    questions=(
        Question(
            "A chart by hours shows a smooth evening. In the seconds there is one with a thousand sessions. What now?",
            (
                Option(
                    "Nothing: among 86,400 seconds one will be the largest.",
                    False,
                    "One will, by a few sessions. A thousand where others have a handful is no luck.",
                ),
                Option(
                    "Find the program that writes this time, before anything is said of evenings.",
                    True,
                    "A default value, a batch, a job. Its sessions may be real, but their time is not.",
                ),
            ),
        ),
        Question(
            "A service sorts by what each viewer likes and logs places and clicks, nothing is drawn by lot. The rates "
            "fall by place to a tenth. How far down do people look?",
            (
                Option("A tenth as often at the end.", False, "The clips there are also liked less, by these viewers."),
                Option(
                    "Compare each clip with itself at other places; that repairs it.",
                    False,
                    "A clip stands higher where the viewer likes it more, so it is not the same clip in both places.",
                ),
                Option(
                    "This log does not tell; swap some pairs.",
                    True,
                    "A swap gives the same choice of the ranker another place, whatever the ranker knew.",
                ),
            ),
        ),
        Question(
            "Ten topics by 24 hours, tested with one in twenty: eleven cells are significant. What has been found?",
            (
                Option(
                    "About what chance finds in 240 cells.",
                    True,
                    "Twelve are to be expected where there is nothing, if the test is right.",
                ),
                Option(
                    "Eleven habits, each with an error of one in twenty.",
                    False,
                    "The one in twenty is for a cell chosen in advance, not for the best of 240.",
                ),
            ),
        ),
        Question(
            "Two clips were clicked by one viewer, and by nobody else. Their lift is 1,000, the highest there is. "
            "What does it say?",
            (
                Option(
                    "That they belong together more than any others.",
                    False,
                    "Any two clips have it that the same viewer clicked and nobody else did.",
                ),
                Option(
                    "That one viewer clicked both.",
                    True,
                    "With $n_i = n_j = n_{ij} = 1$ it is $m$, here a thousand, whatever the clips are.",
                ),
            ),
        ),
    ),
)
