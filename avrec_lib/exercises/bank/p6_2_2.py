"""Exercises of 6.2.2, alternating least squares: one regression, a sum over all pairs, and the work it saves."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

Floats = NDArray[np.floating]
ROWS: Floats = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, -1.0], [1.0, 1.0]])
LEFT: Floats = np.array([1.0, 2.0, -0.5, 0.5])


def ridge_for_one(Q_u: Floats, s_u: Floats, reg: float) -> Floats:
    k = Q_u.shape[1]
    solution: Floats = np.linalg.solve(Q_u.T @ Q_u + reg * len(Q_u) * np.eye(k), Q_u.T @ s_u)
    return solution


def _unweighted(Q_u: Floats, s_u: Floats, reg: float) -> Floats:
    solution: Floats = np.linalg.solve(Q_u.T @ Q_u + reg * np.eye(Q_u.shape[1]), Q_u.T @ s_u)
    return solution


def _no_penalty(Q_u: Floats, s_u: Floats, reg: float) -> Floats:
    solution: Floats = np.linalg.lstsq(Q_u, s_u)[0]
    return solution


def _everywhere(Q_u: Floats, s_u: Floats, reg: float) -> Floats:
    solution: Floats = np.linalg.solve(Q_u.T @ Q_u + reg * len(Q_u), Q_u.T @ s_u)
    return solution


def _check_ridge(answer: Callable[..., Any]) -> str:
    got = answer(ROWS, LEFT, 0.1)
    refuse_close(got, _unweighted(ROWS, LEFT, 0.1), "the penalty here is reg times the number of ratings")
    refuse_close(got, _no_penalty(ROWS, LEFT, 0.1), "that is plain least squares; the penalty is missing")
    refuse_close(got, _everywhere(ROWS, LEFT, 0.1), "the penalty belongs on the diagonal only: multiply by np.eye")
    expect_close(got, ridge_for_one(ROWS, LEFT, 0.1), "solve the normal equations for the four ratings")
    expect_close(answer(np.array([[1.0], [2.0]]), np.ones(2), 0.5), [0.5], "the example by hand: 3 / (5 + 1)")
    return "A few million of these, a tenth of a millisecond each, and the factorisation is done."


PEOPLE: Floats = np.array([[1.0, 2.0], [0.0, 1.0], [-1.0, 1.0]])
ITEMS: Floats = np.array([[2.0, 0.0], [1.0, -1.0], [0.5, 1.0], [0.0, 3.0]])


def all_pairs(P: Floats, Q: Floats) -> float:
    return float(((P.T @ P) * (Q.T @ Q)).sum())


def _only_the_diagonal(P: Floats, Q: Floats) -> float:
    return float((np.diag(P.T @ P) * np.diag(Q.T @ Q)).sum())


def _matrix_product(P: Floats, Q: Floats) -> float:
    return float(((P.T @ P) @ (Q.T @ Q)).sum())


def _not_squared(P: Floats, Q: Floats) -> float:
    return float((P @ Q.T).sum())


def _check_pairs(answer: Callable[..., Any]) -> str:
    got = answer(PEOPLE, ITEMS)
    refuse_close(got, _not_squared(PEOPLE, ITEMS), "that is the sum of the scores; each should be squared")
    refuse_close(got, _only_the_diagonal(PEOPLE, ITEMS), "you use only the diagonals; the other entries count as well")
    refuse_close(got, _matrix_product(PEOPLE, ITEMS), "multiply the two small matrices entry by entry, not as matrices")
    expect_close(got, all_pairs(PEOPLE, ITEMS), "it should equal the sum of the squares of P @ Q.T")
    rng = np.random.default_rng(0)
    P, Q = rng.normal(size=(300_000, 8)), rng.normal(size=(200_000, 8))
    expect_close(answer(P, Q), all_pairs(P, Q), "for 300,000 people and 200,000 films")
    return "Sixty thousand million pairs, summed in the time of two small products."


PEOPLE_N, FILMS_N, RATINGS_N = 943, 1682, 100_000
TIMES = PEOPLE_N * FILMS_N / RATINGS_N


def _check_times(answer: float) -> str:
    refuse_close(answer, 1 / TIMES, "that is the share of the work that remains; turn it round", rtol=0.02)
    refuse_close(answer, FILMS_N, "a person met about a hundred films, not one", rtol=0.01)
    expect_close(answer, TIMES, "all pairs over observed pairs: each pair costs one k by k matrix", rtol=0.03)
    return "On a service where a person meets a hundred of a million films, the factor is ten thousand."


EXERCISES = (
    Exercise(
        id="ridge-for-one",
        title="One person's regression",
        difficulty=2,
        minutes=8,
        prompt=r"""
            Write `ridge_for_one(Q_u, s_u, reg)`: the vector $p_u$ (no bias) that minimises
            $\lVert s_u - Q_u\, p_u \rVert^2 + \lambda\, n_u \lVert p_u \rVert^2$, where the person rated $n_u$ films,
            the rows of `Q_u`, and `reg` is $\lambda$.
        """,
        starter="""
            def ridge_for_one(Q_u, s_u, reg):
                ...  # your code here
        """,
        hints=(
            r"Set the gradient to zero: $(Q_u^\top Q_u + \lambda n_u I)\, p_u = Q_u^\top s_u$.",
            "`np.linalg.solve(A, b)`, with `np.eye(k)` for the identity and `len(Q_u)` for the number of ratings.",
        ),
        solution=ridge_for_one,
        check=_check_ridge,
        wrong=(
            (_unweighted, "times the number of ratings"),
            (_no_penalty, "the penalty is missing"),
            (_everywhere, "on the diagonal only"),
        ),
    ),
    Exercise(
        id="all-pairs",
        title="All pairs at once",
        difficulty=3,
        minutes=15,
        prompt=r"""
            Write `all_pairs(P, Q)`: $\sum_u \sum_i (p_u^\top q_i)^2$ over *all* pairs, without forming the
            $m \times n$ matrix. It must work for 300,000 people and 200,000 films.
        """,
        starter="""
            def all_pairs(P, Q):
                ...  # your code here
        """,
        hints=(
            r"$(p_u^\top q_i)^2 = \sum_a \sum_b p_{ua} p_{ub}\, q_{ia} q_{ib}$. Move the sums over $u$ and $i$ inside.",
            r"$\sum_u p_{ua} p_{ub}$ is the entry $(a, b)$ of $P^\top P$. Multiply with that of $Q^\top Q$; add up.",
        ),
        solution=all_pairs,
        check=_check_pairs,
        wrong=(
            (_only_the_diagonal, "only the diagonals"),
            (_matrix_product, "entry by entry"),
            (_not_squared, "should be squared"),
        ),
    ),
    Exercise(
        id="work-saved",
        title="How much does the trick save?",
        difficulty=1,
        minutes=4,
        prompt="""
            MovieLens-100K has 943 people, 1,682 films and 100,000 observed pairs. Building the matrices of the normal
            equations costs one k-by-k matrix for each pair visited. How many times as much work is it to visit all
            pairs as to visit the observed ones?
        """,
        starter="times = ...  # how many times as much work",
        hints=("How many pairs are there in all?", "943 times 1,682, over 100,000."),
        solution=TIMES,
        solution_source="times = 943 * 1682 / 100_000",
        check=_check_times,
        wrong=((100_000 / (943 * 1682), "turn it round"), (1682, "about a hundred films")),
    ),
)

QUIZ = Quiz(
    id="6.2.2",
    questions=(
        Question(
            "Why can the loss of ALS not rise from one half step to the next?",
            (
                Option("The learning rate is small enough.", False, "There is no learning rate."),
                Option(
                    "Each half step finds the exact minimum over its side.",
                    True,
                    "What was there before is one candidate.",
                ),
                Option("The loss is convex.", False, "Only in each side alone; in both together it is not."),
            ),
        ),
        Question(
            "A loss counts the gaps as zeros. For which question is that right?",
            (
                Option("How many stars would this person give?", False, "A gap says nothing about stars."),
                Option(
                    "Which film will this person watch next?",
                    True,
                    "Not having met it is weak evidence, so it gets a small confidence.",
                ),
                Option("For neither.", False, "Implicit ALS does just this, and makes good lists."),
            ),
        ),
        Question(
            r"What does $\alpha = 0$ do to implicit ALS?",
            (
                Option("It ignores the gaps.", False, "The gaps keep their confidence of 1."),
                Option(
                    "Presence and absence get the same weight.",
                    True,
                    "It becomes a regularised factorisation of the zeros and ones, close to PureSVD (page 6.1.1).",
                ),
                Option("It ignores the films that were met.", False, "They are still ones, with confidence 1."),
            ),
        ),
    ),
)
