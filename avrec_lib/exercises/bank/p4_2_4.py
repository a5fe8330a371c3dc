"""Exercises of 4.2.4, what will they do next: a threshold, pooling by hand, thinning, a rate that knows no future."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.behaviour.point_in_time import before, leaks
from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

Floats = NDArray[np.float64]


def _check_threshold(answer: float) -> str:
    refuse_close(
        answer, 0.75, "above that, you would send hardly anything; which of the two amounts stands on top?", rtol=1e-2
    )
    refuse_close(
        answer, 1 / 3, "1/3 is the cost over the gain: those are odds; turn them into a probability", rtol=1e-2
    )
    expect_close(answer, 0.25, "set p · 6 equal to (1 − p) · 2 and solve for p", rtol=1e-2)
    return "At p = 0.25, one in four gains 6 and three in four cost 2 each: exactly nothing is left."


def _check_pooled(answer: np.ndarray) -> str:
    refuse_close(
        answer, [0, 0, 1, 1, 1, 1, 1, 1], "that is the highest so far; pooled rows get the mean of their block"
    )
    refuse_close(
        answer,
        [0, 0, 0.5, 0.5, 1, 0.5, 0.5, 1],
        "your curve still falls, from 1 to 0.5; go on pooling until it does not",
    )
    refuse_close(
        answer, [0, 0, 0.6, 0.6, 0.6, 0.6, 0.6, 1], "you pooled more than needed: ½ and ⅔ are in order already"
    )
    expect_close(
        answer,
        [0, 0, 0.5, 0.5, 2 / 3, 2 / 3, 2 / 3, 1],
        "three blocks and the ends: look at it left to right",
        rtol=1e-2,
    )
    return "The first violation pools rows 3 and 4, the second rows 6 and 7, and then row 5 has to join them."


def undo_thinning(promised: Floats, keep: float) -> Floats:
    odds = keep * promised / (1 - promised)
    return odds / (1 + odds)


def _scaled(p: Floats, keep: float) -> Floats:
    return p * keep


def _wrong_way(p: Floats, keep: float) -> Floats:
    return p / (p + (1 - p) * keep)


def _odds_only(p: Floats, keep: float) -> Floats:
    return keep * p / (1 - p)


def _check_thinning(answer: Callable[..., Any]) -> str:
    p = np.array([0.2, 0.5, 0.8])
    got = np.asarray(answer(p, 0.25))
    refuse_close(got, p * 0.25, "you scale the probability; thinning changes the odds p / (1 − p)")
    refuse_close(got, p / (p + (1 - p) * 0.25), "that is what thinning does, not what undoes it: yours grow")
    refuse_close(got, 0.25 * p / (1 - p), "those are the odds; turn them back into a probability")
    expect_close(got, [1 / 17, 0.2, 0.5], "the odds of a kept row are 1 / keep times too high")
    expect_close(answer(p, 1.0), p, "if all rows were kept there is nothing to undo")
    return "0.5 after keeping one in four was 0.2 before: 20 clicks beside 80 rows without, of which 20 were kept."


def rate_so_far(log: pd.DataFrame) -> pd.Series:
    asked = log.groupby("session")["timestamp"].transform("min")
    clicks, n = before(log["user"], log["timestamp"], log["click"], asked)
    return pd.Series((clicks + 1) / (n + 2), index=log.index)


def _whole(log: pd.DataFrame) -> pd.Series:
    clicks = log.groupby("user")["click"]
    return (clicks.transform("sum") + 1) / (clicks.transform("size") + 2)


def _own_row(log: pd.DataFrame) -> pd.Series:
    clicks = log.groupby("user")["click"]
    return (clicks.cumsum() + 1) / (clicks.cumcount() + 3)


def _own_session(log: pd.DataFrame) -> pd.Series:
    clicks, n = before(log["user"], log["timestamp"], log["click"])
    return pd.Series((clicks + 1) / (n + 2), index=log.index)


def _unsmoothed(log: pd.DataFrame) -> pd.Series:
    asked = log.groupby("session")["timestamp"].transform("min")
    clicks, n = before(log["user"], log["timestamp"], log["click"], asked)
    return pd.Series(clicks / np.maximum(n, 1), index=log.index)


_LOG = pd.DataFrame(
    {
        "user": [0, 0, 1, 0, 1, 0],
        "session": [5, 5, 6, 7, 8, 7],
        "timestamp": [10, 11, 12, 20, 21, 22],
        "click": [1, 1, 0, 1, 1, 0],
    },
    index=[3, 4, 5, 6, 7, 8],
)


def _check_rate(answer: Callable[..., Any]) -> str:
    def rates(log: pd.DataFrame) -> np.ndarray:
        return np.asarray(pd.Series(answer(log.copy())).reindex(log.index), dtype=float)

    got = rates(_LOG)
    refuse_close(got, _whole(_LOG).to_numpy(), "the first row, at which nothing was known, is told how the month ended")
    refuse_close(got, _own_row(_LOG).to_numpy(), "a row counts its own click, the one that is to be predicted")
    refuse_close(
        got, _own_session(_LOG).to_numpy(), "rows of one session hear of each other; ask when the session began"
    )
    refuse_close(
        got,
        _unsmoothed(_LOG).to_numpy(),
        "without a past your rate is 0; add one click and two rows: (clicks + 1) / (n + 2)",
    )
    caught = leaks(lambda log: pd.DataFrame({"rate": rates(log)}, log.index), _LOG, _LOG["timestamp"], ("click",))
    if len(caught):
        raise AssertionError(
            f"the rate of row {caught['row'].iloc[0]} changes when later clicks do: it knows the future"
        )
    expect_close(got, rate_so_far(_LOG).to_numpy(), "count the viewer's rows strictly before the session's first row")
    return "The two rows of session 7 have the same rate, 3/4: they were chosen at the same moment."


EXERCISES = (
    Exercise(
        id="send-from",
        title="From which probability on?",
        difficulty=1,
        minutes=3,
        prompt="""
            A message that is opened is worth 6, one that is not costs 2. From which probability of being opened
            on does sending it pay?
        """,
        starter="threshold = ...",
        hints=(
            "With probability p you gain 6, with probability 1 − p you lose 2. When is that exactly nothing?",
            "The page's rule for sending has the cost on top, and cost plus gain below.",
        ),
        solution=0.25,
        solution_source="threshold = 2 / (2 + 6)",
        check=_check_threshold,
        wrong=((0.75, "which of the two amounts"), (0.3333, "those are odds"), (0.5, "solve for p")),
    ),
    Exercise(
        id="pool-eight",
        title="Pooling by hand",
        difficulty=2,
        minutes=6,
        prompt="""
            Eight rows, sorted by their score, had the clicks 0, 0, 1, 0, 1, 1, 0, 1. Which probability does isotonic
            regression (with nothing to bound it) give to each? Do it on paper, from left to right.
        """,
        starter="fitted = np.array([...])  # eight numbers",
        hints=(
            "The third row has 1 and the fourth 0: together they have ½, and so has each of them.",
            "Row 7 has 0 and row 6 has 1: together ½. But row 5, before them, has 1. Pool again, all three.",
        ),
        solution=np.array([0, 0, 1 / 2, 1 / 2, 2 / 3, 2 / 3, 2 / 3, 1]),
        solution_source="fitted = np.array([0, 0, 1 / 2, 1 / 2, 2 / 3, 2 / 3, 2 / 3, 1])",
        check=_check_pooled,
        wrong=(
            (np.array([0, 0, 1.0, 1, 1, 1, 1, 1]), "highest so far"),
            (np.array([0, 0, 0.5, 0.5, 1, 0.5, 0.5, 1]), "still falls"),
            (np.array([0, 0, 0.6, 0.6, 0.6, 0.6, 0.6, 1]), "more than needed"),
        ),
    ),
    Exercise(
        id="undo-thinning",
        title="Thinning undone",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Before training, all clicks were kept, and of the rows without a click only a share `keep`, at random. So a
            model learns $p' = p / (p + (1 - p) \cdot \text{keep})$ in place of the true $p$. Write
            `undo_thinning(promised, keep)`: from $p'$, which the model promises, back to $p$.
        """,
        starter="""
            def undo_thinning(promised: np.ndarray, keep: float) -> np.ndarray:
                ...  # your code here
        """,
        hints=(
            "Think in odds, clicks to rows without. Thinning multiplies the second by `keep`, the odds by 1 / `keep`.",
            "So the true odds are keep · p' / (1 − p'). Odds o belong to the probability o / (1 + o).",
        ),
        solution=undo_thinning,
        check=_check_thinning,
        wrong=(
            (_scaled, "you scale the probability"),
            (_wrong_way, "not what undoes it"),
            (_odds_only, "those are the odds"),
        ),
    ),
    Exercise(
        id="rate-so-far",
        title="A rate that knows no future",
        difficulty=3,
        minutes=15,
        prompt="""
            Write `rate_so_far(log)`: for each row, the click rate of its viewer as it was known when the row's
            *session* began, as (clicks + 1) / (rows + 2). The log has user (numbered from 0), session (no number is
            used for two viewers), timestamp and click, in order of time. The result is a Series under the log's index.
        """,
        starter="""
            def rate_so_far(log: pd.DataFrame) -> pd.Series:
                ...  # your code here: a number for each row of the log, under its index
        """,
        hints=(
            "The time at which each row's session began: `log.groupby('session')['timestamp'].transform('min')`.",
            "`before(groups, times, values, asked)` returns sums and counts of what happened strictly before `asked`.",
        ),
        solution=rate_so_far,
        check=_check_rate,
        wrong=(
            (_whole, "how the month ended"),
            (_own_row, "its own click"),
            (_own_session, "hear of each other"),
            (_unsmoothed, "without a past your rate is 0"),
        ),
    ),
)

QUIZ = Quiz(
    id="4.2.4",
    questions=(
        Question(
            "The true probabilities of a window are known, and a model's AUC is clearly higher than theirs. Why?",
            (
                Option(
                    "It is an exceptionally good model.", False, "No score sorts coin tosses better than their p does."
                ),
                Option(
                    "A feature knows the outcome.", True, "Beyond what luck allows, nothing else can be the reason."
                ),
                Option("It is not calibrated.", False, "AUC looks at the order only; calibration cannot raise it."),
            ),
        ),
        Question(
            "Features hold the past only. Why did the random split score lower than the time split here?",
            (
                Option("It leaks.", False, "A leak would make it look better, and these features do not leak."),
                Option(
                    "It also tests early rows, when little was known of anybody.",
                    True,
                    "By day, its test rows are sorted worst in the first days and best in the last.",
                ),
                Option("It has fewer training rows.", False, "Both were given the same number."),
            ),
        ),
        Question(
            "All predictions are replaced by their squares. What changes?",
            (
                Option(
                    "AUC and log loss.", False, "Squaring keeps the order of numbers between 0 and 1, so AUC stays."
                ),
                Option("Only the log loss and the calibration.", True, "The order is the same, the promises are not."),
                Option("Nothing.", False, "A promise of 0.5 has become one of 0.25."),
            ),
        ),
        Question(
            "The log ends on day 30. You label everybody without a visit since day 26 as churned within seven days. "
            "What is wrong?",
            (
                Option("Nothing, they are away.", False, "Three of the seven days have not happened yet."),
                Option(
                    "Their label is not known yet.", True, "It is censored: wait for day 33, or take an earlier cut."
                ),
                Option("Seven days are too few.", False, "That may be, but no number of days mends an unripe label."),
            ),
        ),
    ),
)
