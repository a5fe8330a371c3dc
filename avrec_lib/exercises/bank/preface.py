"""The exercise of the preface: how an exercise works."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close


def mean_rating(ratings: NDArray[np.float64]) -> float:
    return float(np.nanmean(ratings))


def _counts_the_missing(ratings: NDArray[np.float64]) -> float:
    return float(np.nansum(ratings) / len(ratings))


def _keeps_the_missing(ratings: NDArray[np.float64]) -> float:
    return float(np.mean(ratings))


def _check_mean(answer: Callable[..., Any]) -> str:
    got = answer(np.array([4.0, np.nan, 2.0]))
    refuse_close(got, 2.0, "you divide by 3, but only 2 films were rated: a missing rating is not a 0")
    expect_close(got, 3.0, "the mean of 4 and 2 is 3; the missing rating takes no part")
    return "A missing rating is unknown, not zero. Half of the mistakes in this field begin there."


EXERCISES = (
    Exercise(
        id="first-exercise",
        title="A mean with a gap",
        difficulty=1,
        minutes=3,
        prompt="""
            A viewer rated three films: 4, nothing yet, 2. Write `mean_rating(ratings)`, where a rating
            that is not there is `NaN`. What is the mean of the ratings that are?
        """,
        starter="""
            def mean_rating(ratings):
                ...
        """,
        hints=(
            "How many ratings are there: three, or two?",
            "`np.isnan` finds the gaps, and `np.nanmean` leaves them out.",
        ),
        solution=mean_rating,
        check=_check_mean,
        wrong=((_counts_the_missing, "a missing rating is not a 0"), (_keeps_the_missing, "NaN")),
    ),
)

QUIZ = Quiz(
    id="preface",
    questions=(
        Question(
            "A page prints how well a model of ours did. Where does the number come from?",
            (
                Option(
                    "It was typed by the author, after a careful run.",
                    False,
                    "Then it could be older than the code. No result of ours is typed into a sentence.",
                ),
                Option(
                    "A cell of that page computed it when the page was built.",
                    True,
                    "If the cell fails, the build fails. Runs on a GPU are shown from a record, and say so; a number "
                    "from a paper carries its citation.",
                ),
            ),
        ),
    ),
)
