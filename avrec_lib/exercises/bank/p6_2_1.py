"""Exercises of 6.2.1, matrix factorisation by gradient descent: the loss, the step, and an average that misleads."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close

Floats = NDArray[np.float64]
RATINGS: Floats = np.array([[5.0, np.nan, 1.0], [np.nan, 2.0, 4.0]])
USERS: Floats = np.array([[1.0, 0.5], [2.0, -1.0]])
ITEMS: Floats = np.array([[2.0, 1.0], [1.0, 1.0], [0.5, -1.0]])


def observed_loss(R: Floats, P: Floats, Q: Floats, reg: float) -> float:
    users, items = np.nonzero(~np.isnan(R))
    errors = R[users, items] - (P[users] * Q[items]).sum(axis=1)
    penalty = (P[users] ** 2).sum() + (Q[items] ** 2).sum()
    return float((errors**2).sum() + reg * penalty)


def _missing_as_zero(R: Floats, P: Floats, Q: Floats, reg: float) -> float:
    users, items = np.nonzero(~np.isnan(R))
    penalty = (P[users] ** 2).sum() + (Q[items] ** 2).sum()
    return float(((np.nan_to_num(R) - P @ Q.T) ** 2).sum() + reg * penalty)


def _penalty_once(R: Floats, P: Floats, Q: Floats, reg: float) -> float:
    errors = (R - P @ Q.T)[~np.isnan(R)]
    return float((errors**2).sum() + reg * ((P**2).sum() + (Q**2).sum()))


def _no_penalty(R: Floats, P: Floats, Q: Floats, reg: float) -> float:
    return float(((R - P @ Q.T)[~np.isnan(R)] ** 2).sum())


def _mean_not_sum(R: Floats, P: Floats, Q: Floats, reg: float) -> float:
    return observed_loss(R, P, Q, reg) / float((~np.isnan(R)).sum())


def _check_loss(answer: Callable[..., Any]) -> str:
    case = RATINGS, USERS, ITEMS
    got = answer(*case, 0.1)
    refuse_close(got, _missing_as_zero(*case, 0.1), "your sum includes the missing entries: a gap is not a 0")
    refuse_close(got, _penalty_once(*case, 0.1), "your penalty counts each vector once; it stands inside the sum")
    refuse_close(got, _no_penalty(*case, 0.1), "the penalty is missing")
    refuse_close(got, _mean_not_sum(*case, 0.1), "that is the mean over the ratings; the loss is their sum")
    expect_close(got, observed_loss(*case, 0.1), "sum over the four ratings that are there, each with its penalty")
    expect_close(answer(*case, 0.0), observed_loss(*case, 0.0), "without regularisation only the errors are left")
    return "A person with many ratings is held back more often, and has more evidence to pull the other way."


def one_step(r: float, p: Floats, q: Floats, lr: float, reg: float) -> tuple[Floats, Floats]:
    error = r - p @ q
    return p + lr * (error * q - reg * p), q + lr * (error * p - reg * q)


def _uses_the_new_p(r: float, p: Floats, q: Floats, lr: float, reg: float) -> tuple[Floats, Floats]:
    error = r - p @ q
    p = p + lr * (error * q - reg * p)
    return p, q + lr * (error * p - reg * q)


def _wrong_sign(r: float, p: Floats, q: Floats, lr: float, reg: float) -> tuple[Floats, Floats]:
    error = r - p @ q
    return p + lr * (error * q + reg * p), q + lr * (error * p + reg * q)


def _uphill(r: float, p: Floats, q: Floats, lr: float, reg: float) -> tuple[Floats, Floats]:
    error = p @ q - r
    return p + lr * (error * q - reg * p), q + lr * (error * p - reg * q)


def _check_step(answer: Callable[..., Any]) -> str:
    p, q = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    got = answer(2.0, p, q, 0.1, 0.2)
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        raise Wrong("return two things, the new p and the new q: `return new_p, new_q`")
    refuse_close(
        got[1], _uses_the_new_p(2.0, p, q, 0.1, 0.2)[1], "q was moved with the new p; both steps use the old vectors"
    )
    refuse_close(
        got[0], _wrong_sign(2.0, p, q, 0.1, 0.2)[0], "the sign of the penalty is wrong: it should shrink the vector"
    )
    refuse_close(
        got[0], _uphill(2.0, p, q, 0.1, 0.2)[0], "the error has the wrong sign: it is the rating less the prediction"
    )
    expect_close(got[0], [1.055, 0.075], "the new p, from an error of 1.5")
    expect_close(got[1], [0.64, 0.49], "the new q, from the old p")
    expect_close(answer(2.0, p, q, 0.1, 0.0)[1], [0.65, 0.5], "without regularisation")
    return "Ten lines like this, run a few million times, were within reach of the Netflix Prize."


BATCHES = (1.0, 1.0, 1.0, 2.0)
POOLED = float(np.sqrt(np.mean(np.square(BATCHES))))


def _check_batches(answer: float) -> str:
    refuse_close(answer, 1.25, "that is the mean of the four roots; average the squares first, then take the root")
    refuse_close(answer, POOLED**2, "that is the mean square; the root is still to be taken")
    refuse_close(answer, 1.0, "that is the median; the bad batch counts too")
    expect_close(answer, POOLED, "the root of the mean of the four squared errors", rtol=1e-3)
    return "The mean of the four is 1.25: a mean of roots is never larger than the root of the mean, so it flatters."


EXERCISES = (
    Exercise(
        id="observed-loss",
        title="The loss over what was observed",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Write `observed_loss(R, P, Q, reg)` for a model without biases:

            $$
            \sum_{(u,i) \in \Omega} \bigl[(r_{ui} - p_u^\top q_i)^2 +
            \lambda (\lVert p_u \rVert^2 + \lVert q_i \rVert^2)\bigr]
            $$

            `R` has `NaN` where a rating is missing, `reg` is $\lambda$.
        """,
        starter="""
            def observed_loss(R, P, Q, reg):
                ...  # your code here
        """,
        hints=(
            "`np.nonzero(~np.isnan(R))` returns the users and the items of the observed pairs.",
            "With these, `P[users]` and `Q[items]` have one row a rating; the penalty sums over those rows.",
        ),
        solution=observed_loss,
        check=_check_loss,
        wrong=(
            (_missing_as_zero, "your sum includes the missing entries"),
            (_penalty_once, "stands inside the sum"),
            (_no_penalty, "the penalty is missing"),
            (_mean_not_sum, "the loss is their sum"),
        ),
    ),
    Exercise(
        id="one-step",
        title="One step of gradient descent",
        difficulty=2,
        minutes=8,
        prompt=r"""
            Write `one_step(r, p, q, lr, reg)` for a model without biases: return the new $p_u$ and the new $q_i$
            after one step for the rating `r`. Do not change the arrays that you are given.
        """,
        starter="""
            def one_step(r, p, q, lr, reg):
                ...  # your code here: return the new p and the new q
        """,
        hints=(
            "First the error, `r - p @ q`. Then two lines, both from the old vectors.",
            "`p + lr * (error * q - reg * p)`, then the letters exchanged. Mind that `p += …` changes the input.",
        ),
        solution=one_step,
        check=_check_step,
        wrong=(
            (_uses_the_new_p, "both steps use the old vectors"),
            (_wrong_sign, "should shrink"),
            (_uphill, "rating less the prediction"),
        ),
    ),
    Exercise(
        id="rmse-of-batches",
        title="An average that flatters",
        difficulty=1,
        minutes=5,
        prompt="""
            Four test batches of equal size have the RMSEs 1, 1, 1 and 2 stars. What is the RMSE over all their
            ratings together, to three decimals?
        """,
        starter="error = ...  # stars",
        hints=(
            "The RMSE of a batch is the root of the mean of its squared errors. Undo the root.",
            "The mean of the squares is (1 + 1 + 1 + 4) / 4. Take the root of that.",
        ),
        solution=POOLED,
        solution_source="error = np.sqrt((1 + 1 + 1 + 4) / 4)",
        check=_check_batches,
        wrong=((1.25, "mean of the four roots"), (1.75, "root is still to be taken"), (1.0, "median")),
    ),
)

QUIZ = Quiz(
    id="6.2.1",
    questions=(
        Question(
            "The training error falls with every epoch, the error on unseen ratings rises. What helps?",
            (
                Option("More epochs.", False, "They widen the gap: the model learns the training ratings by heart."),
                Option(
                    "Stronger regularisation.",
                    True,
                    "It charges for large vectors, which noise needs and taste does not.",
                ),
                Option("A smaller test set.", False, "That changes how well you can see the problem, not the problem."),
            ),
        ),
        Question(
            "All factors are started at 0.1. What can the trained model not do?",
            (
                Option("Learn the biases.", False, "They have gradients of their own."),
                Option(
                    "Use more than one direction of taste.",
                    True,
                    "All columns receive the same updates and stay equal: the rank is 1 whatever $k$ says.",
                ),
                Option("Converge.", False, "It converges, to a poor model."),
            ),
        ),
        Question(
            "Why is a gap left out of this loss?",
            (
                Option("To save time.", False, "It does, but a wrong answer would not be worth the time saved."),
                Option(
                    "A missing rating is unknown, and a zero would be a claim.",
                    True,
                    "The loss may only ask for what is known.",
                ),
                Option("Gaps are rare.", False, "On this table about 94 of 100 cells are gaps."),
            ),
        ),
    ),
)
