"""Exercises of 6.1.1, collaborative models: filling gaps, folding in, and what a factorisation saves."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close

Floats = NDArray[np.float64]
GAPS: Floats = np.array([[5.0, np.nan, 1.0], [3.0, 2.0, np.nan], [np.nan, 4.0, np.nan]])


def fill_with_averages(R: Floats) -> Floats:
    return np.where(np.isnan(R), np.nanmean(R, axis=0), R)


def _zeros_in_the_average(R: Floats) -> Floats:
    return np.where(np.isnan(R), np.nan_to_num(R).mean(axis=0), R)


def _by_person(R: Floats) -> Floats:
    return np.where(np.isnan(R), np.nanmean(R, axis=1)[:, None], R)


def _one_average(R: Floats) -> Floats:
    return np.where(np.isnan(R), np.nanmean(R), R)


def _all_cells(R: Floats) -> Floats:
    return np.broadcast_to(np.nanmean(R, axis=0), R.shape).copy()


def _check_fill(answer: Callable[..., Any]) -> str:
    got = answer(GAPS)
    refuse_close(got, _zeros_in_the_average(GAPS), "your average counts the gaps as zeros")
    refuse_close(got, _by_person(GAPS), "those are the averages of the people; take those of the films, the columns")
    refuse_close(got, _one_average(GAPS), "you fill every gap with the same number; each film has its own average")
    refuse_close(got, _all_cells(GAPS), "you also replaced ratings that were there")
    expect_close(got, fill_with_averages(GAPS), "a gap gets the average of the ratings in its column")
    return "This is the table that the SVD of the year 2000 was given."


Ints = NDArray[np.int64]
V_2: Floats = np.array([[6, 0], [8, 0], [0, 6], [0, -8], [3, 4], [4, -3], [-5, 2], [1, 5]]) / 12.5
ROW: Floats = np.array([1.0, 0, 1, 0, 1, 0, 0, 0])


def fold_in(x: Floats, V_k: Floats, K: int) -> Ints:
    scores = x @ V_k @ V_k.T
    scores[x > 0] = -np.inf
    best: Ints = np.argsort(-scores, kind="stable")[:K]
    return best


def _with_seen(x: Floats, V_k: Floats, K: int) -> Ints:
    best: Ints = np.argsort(-(x @ V_k @ V_k.T), kind="stable")[:K]
    return best


def _seen_at_zero(x: Floats, V_k: Floats, K: int) -> Ints:
    best: Ints = np.argsort(-(x @ V_k @ V_k.T * (x == 0)), kind="stable")[:K]
    return best


def _worst_first(x: Floats, V_k: Floats, K: int) -> Ints:
    scores = np.where(x > 0, np.inf, x @ V_k @ V_k.T)
    worst: Ints = np.argsort(scores, kind="stable")[:K]
    return worst


def _scores(x: Floats, V_k: Floats, K: int) -> Floats:
    scores: Floats = np.where(x > 0, -np.inf, x @ V_k @ V_k.T)
    return scores


def _check_fold_in(answer: Callable[..., Any]) -> str:
    before = ROW.copy()
    got = answer(ROW, V_2, 3)
    if not np.array_equal(ROW, before):
        ROW[:] = before
        raise Wrong("your function changes x itself; work on the scores")
    if np.shape(got) == ROW.shape:
        raise Wrong("those are numbers for all films; return the positions of the K best, an array of K integers")
    refuse_close(got, _with_seen(ROW, V_2, 3), "your list holds films that the person has already met")
    refuse_close(got, _worst_first(ROW, V_2, 3), "your list starts with the lowest score")
    expect_close(got, fold_in(ROW, V_2, 3), "score all films, strike out those with x > 0, sort the rest, best first")
    got = answer(ROW, V_2, 5)
    refuse_close(
        got,
        _seen_at_zero(ROW, V_2, 5),
        "a film that was met has slipped in: a score of 0 beats the films below 0. Strike it out with −inf",
    )
    expect_close(got, fold_in(ROW, V_2, 5), "with K = 5 all films that were not met must be in the list")
    return "Nothing was fitted: two small products and a sort serve somebody who signed up a second ago."


M, N, K_FACTORS = 943, 1682, 20
SHARE = K_FACTORS * (M + N) / (M * N)


def _check_share(answer: float) -> str:
    refuse_close(answer, K_FACTORS / (M * N), "each factor is a whole column: m + n numbers, not one", rtol=0.02)
    refuse_close(answer, K_FACTORS * M * N / (M * N), "a share cannot be above 1", rtol=0.02)
    refuse_close(answer, K_FACTORS * N / (M * N), "you count the films only; the people have factors too", rtol=0.02)
    refuse_close(answer, 1 - SHARE, "that is what is saved; the question is what is stored", rtol=0.005)
    expect_close(answer, SHARE, "k factors for m people and n films, over m times n cells", rtol=0.02)
    return "And the share falls as the table grows: the factors grow with m + n, the cells with m times n."


EXERCISES = (
    Exercise(
        id="fill-with-averages",
        title="Fill the gaps with the films' averages",
        difficulty=1,
        minutes=6,
        prompt="""
            Write `fill_with_averages(R)`: `R` holds ratings, a row a person and a column a film, with `NaN` in the
            gaps. Return a copy in which each gap holds the average of the ratings of its film. Every film of `R`
            has at least one rating.
        """,
        starter="""
            def fill_with_averages(R):
                ...  # your code here
        """,
        hints=(
            "`np.isnan(R)` says where the gaps are, and `np.where(gap, a, b)` chooses cell by cell.",
            "`np.nanmean(R, axis=0)` averages each column over what is there.",
        ),
        solution=fill_with_averages,
        check=_check_fill,
        wrong=(
            (_zeros_in_the_average, "counts the gaps as zeros"),
            (_by_person, "averages of the people"),
            (_one_average, "the same number"),
            (_all_cells, "ratings that were there"),
        ),
    ),
    Exercise(
        id="fold-in",
        title="A list for a newcomer",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Write `fold_in(x, V_k, K)`: the list of `K` films for a new person whose row is `x`, zeros and ones of
            shape `(n,)`. The scores are $x V_k V_k^\top$, with `V_k` of shape `(n, k)`; films that the person has
            met must not be in the list. Return positions, best first. Do not build the $n \times n$ matrix, and
            leave `x` as it was. At least `K` films are new to the person.
        """,
        starter="""
            def fold_in(x, V_k, K):
                ...  # your code here
        """,
        hints=(
            "First `x @ V_k`, k numbers: where the person lies. Then back to the films with `V_k.T`.",
            "A score can be negative, so 0 does not strike a film out. Which number is below every score?",
            '`np.argsort(-scores, kind="stable")[:K]` are the positions of the K largest.',
        ),
        solution=fold_in,
        check=_check_fold_in,
        wrong=(
            (_with_seen, "already met"),
            (_seen_at_zero, "slipped in"),
            (_worst_first, "the lowest score"),
            (_scores, "numbers for all films"),
        ),
    ),
    Exercise(
        id="numbers-to-store",
        title="What a factorisation saves",
        difficulty=1,
        minutes=4,
        prompt="""
            The table has 943 rows and 1,682 columns. A factorisation with 20 factors stores a vector for every
            person and every film. What share of the number of cells is that?
        """,
        starter="share = ...  # a number between 0 and 1",
        hints=(
            "There are 943 + 1,682 vectors, each of 20 numbers.",
            "Divide 20 · (943 + 1682) by 943 · 1682.",
        ),
        solution=SHARE,
        solution_source="share = 20 * (943 + 1682) / (943 * 1682)",
        check=_check_share,
        wrong=((20 * 1682 / (943 * 1682), "films only"), (1 - SHARE, "what is saved"), (20.0, "above 1")),
    ),
)

QUIZ = Quiz(
    id="6.1.1",
    questions=(
        Question(
            "A table filled with zeros is factorised. Its RMSE is terrible and its lists are good. How can that be?",
            (
                Option("One of the two numbers must be wrong.", False, "Both are right; they answer two questions."),
                Option(
                    "The zeros ruin the star scale, but who met what is real information, and a list needs only that.",
                    True,
                    "RMSE asks how much a film was liked; the list is judged on which films were met.",
                ),
                Option("The lists use more patterns.", False, "The same patterns serve both."),
            ),
        ),
        Question(
            "What happens to the scores of PureSVD when $k$ equals the rank of the table?",
            (
                Option("They are the best possible.", False, "They are useless: see the next answer."),
                Option(
                    "They are the person's own row again.",
                    True,
                    r"$x V V^\top = x$ for every row $x$ of the training table. Every unseen film scores zero.",
                ),
                Option("They are the popularity of the films.", False, "That is close to what $k = 1$ gives."),
            ),
        ),
        Question(
            "Which film can no collaborative model recommend?",
            (
                Option("One with few ratings.", False, "A few ratings are few evidence, but evidence."),
                Option("One that nobody has met yet.", True, "Its column is empty; only its content can speak for it."),
                Option("One that everybody has met.", False, "It is easy to recommend, and rarely useful."),
            ),
        ),
    ),
)
