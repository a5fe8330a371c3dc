"""Exercises of 5.1.2, neighbours: a score by hand, damping, a reason for a film, a visitor who was not in the table."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close


def _check_score(answer: float) -> str:
    refuse_close(answer, 3.0, "those are the common viewers, counted; a likeness divides each count", rtol=1e-3)
    refuse_close(answer, 2 / 3, "you divided by the numbers of viewers; take their roots", rtol=1e-3)
    refuse_close(answer, 11 / 12, "those are Jaccard's likenesses; the question asks for cosines", rtol=1e-3)
    refuse_close(answer, 1.0, "that is user CF, the likeness of Dan and Cleo to Eva; ask Eva's three films", rtol=1e-3)
    refuse_close(answer, 0.469416, "that is the mean of three likenesses; a score adds them up", rtol=1e-3)
    expect_close(answer, 1.408248, "three likenesses, each one common viewer over two roots", rtol=1e-3)
    return "Emma and Clueless were met by the same two people, so they say the same thing, and are counted twice."


def _check_alpha(answer: float) -> str:
    refuse_close(answer, 0.0, "undamped, 16 beats 2; how strong a damping makes up for eight times the viewers?")
    refuse_close(answer, 4 / 3, "you have the ratio upside down: α = log 8 / log 16", rtol=1e-3)
    refuse_close(answer, 0.5, "at ½, the cosine, the known film still leads: 16/√320 is about twice 2/√20", rtol=1e-3)
    refuse_close(answer, 1.0, "at 1 the rare film leads, 2/20 to 16/320: you have damped too much", rtol=1e-3)
    expect_close(answer, 0.75, "solve 16 / 320^α = 2 / 20^α", rtol=1e-3)
    return "Below 3/4 the known film stands higher on the shelf, above it the rare one, which rests on two people."


def because(history: np.ndarray, film: int, W: np.ndarray) -> int:
    share = W[history, film]
    return int(history[np.argmax(share)]) if len(share) and share.max() > 0 else -1


def _turned(history: np.ndarray, film: int, W: np.ndarray) -> int:
    return because(history, film, W.T)


def _any_film(history: np.ndarray, film: int, W: np.ndarray) -> int:
    return int(np.argmax(W[:, film]))


def _place(history: np.ndarray, film: int, W: np.ndarray) -> int:
    return int(np.argmax(W[history, film]))


def _always(history: np.ndarray, film: int, W: np.ndarray) -> int:
    return int(history[np.argmax(W[history, film])])


def _check_because(answer: Callable[..., Any]) -> str:
    W = np.array(
        [
            [0.0, 0.2, 0.3, 0.0, 0.0],
            [0.2, 0.0, 0.7, 0.0, 0.0],
            [0.0, 0.7, 0.0, 0.0, 0.6],
            [0.5, 0.0, 0.4, 0.0, 0.0],
            [0.0, 0.0, 0.9, 0.1, 0.0],
        ]
    )
    got = answer(np.array([3, 0, 1]), 2, W)
    refuse_close(got, 4, "that film is not in the history; look only at what the person watched")
    refuse_close(got, 2, "that is a position in `history`; return the film that stands there")
    expect_close(got, 1, "the film j of the history with the largest W[j, film]")
    other = answer(np.array([2, 3]), 0, W)
    refuse_close(other, 2, "you read W from the wrong side: row j holds what film j speaks for")
    expect_close(other, 3, "row j of W holds what film j speaks for")
    expect_close(answer(np.array([0, 1]), 4, W), -1, "nothing in this history speaks for the film: return −1")
    return "An honest reason: take this film out of the history, and the score falls more than for any other."


def visitor_scores(x: np.ndarray, X: np.ndarray, k: int) -> np.ndarray:
    lengths = np.sqrt(X.sum(axis=1)) * np.sqrt(x.sum())  # zeros and ones: their own squares
    likeness = X @ x / np.maximum(lengths, 1e-12)  # (m,)
    near = np.argsort(-likeness, kind="stable")[:k]
    scores = likeness[near] @ X[near]  # (n,)
    return np.where(x > 0, -np.inf, scores)


def _unweighted(x: np.ndarray, X: np.ndarray, k: int) -> np.ndarray:
    likeness = X @ x / np.maximum(np.sqrt(X.sum(axis=1)) * np.sqrt(x.sum()), 1e-12)
    near = np.argsort(-likeness, kind="stable")[:k]
    return np.where(x > 0, -np.inf, X[near].sum(axis=0))


def _counts(x: np.ndarray, X: np.ndarray, k: int) -> np.ndarray:
    likeness = X @ x
    near = np.argsort(-likeness, kind="stable")[:k]
    return np.where(x > 0, -np.inf, likeness[near] @ X[near])


def _everybody(x: np.ndarray, X: np.ndarray, k: int) -> np.ndarray:
    return visitor_scores(x, X, len(X))


def _not_barred(x: np.ndarray, X: np.ndarray, k: int) -> np.ndarray:
    likeness = X @ x / np.maximum(np.sqrt(X.sum(axis=1)) * np.sqrt(x.sum()), 1e-12)
    near = np.argsort(-likeness, kind="stable")[:k]
    return np.asarray(likeness[near] @ X[near])


def _check_visitor(answer: Callable[..., Any]) -> str:
    X = np.array(
        [
            [1, 1, 0, 0, 0, 1, 0],
            [1, 0, 1, 0, 0, 0, 0],
            [1, 1, 1, 1, 1, 1, 0],
            [0, 1, 0, 0, 1, 0, 0],
            [0, 0, 0, 1, 1, 0, 1],
            [1, 1, 0, 1, 0, 0, 1],
        ],
        dtype=float,
    )
    x = np.array([1, 1, 0, 0, 0, 0, 0], dtype=float)
    got, new = np.asarray(answer(x, X, 3), dtype=float), x == 0
    if got.shape == x.shape and np.isfinite(got[~new]).all():
        refuse_close(
            got[new], visitor_scores(x, X, 3)[new], "give the films that the visitor has met the score −infinity"
        )
    refuse_close(got[new], _unweighted(x, X, 3)[new], "each neighbour votes with the same weight; use the likeness")
    refuse_close(got[new], _counts(x, X, 3)[new], "you used the number of common films; divide it by both lengths")
    refuse_close(got[new], _everybody(x, X, 3)[new], "everybody votes; only the k most similar people may")
    expect_close(got, visitor_scores(x, X, 3), "cosines with all rows, the k largest, their rows added up", rtol=1e-4)
    return "This had to meet the whole table for one visitor. Item CF would have added up two rows of W."


EXERCISES = (
    Exercise(
        id="item-score-by-hand",
        title="What three films say of a fourth",
        difficulty=1,
        minutes=6,
        prompt="""
            Use the table of five people and six films at the top of the page. What is Eva's score for *Predator* by
            item CF, with cosines, if no neighbour is cut away? Three decimals are enough.
        """,
        starter="score = ...",
        hints=(
            "Eva has met *Emma*, *Clueless* and *Titanic*. How many viewers does each share with *Predator*?",
            "*Predator* was met by two people. The first likeness is 1 over the root of 2 times 2.",
        ),
        solution=float(1 + 1 / np.sqrt(6)),
        solution_source="score = 1 / np.sqrt(2 * 2) + 1 / np.sqrt(2 * 2) + 1 / np.sqrt(3 * 2)",
        check=_check_score,
        wrong=(
            (3.0, "counted"),
            (0.66667, "their roots"),
            (0.91667, "Jaccard"),
            (1.0, "user CF"),
            (0.46942, "the mean"),
            (2.0, "two roots"),
        ),
    ),
    Exercise(
        id="where-two-films-tie",
        title="Known or rare?",
        difficulty=2,
        minutes=6,
        prompt=r"""
            Two films compete for a place beside film $j$. One has 320 viewers, 16 of whom also met $j$; the other has
            20 viewers, 2 of whom met $j$. For which $\alpha$ do they tie under $s_\alpha$?
        """,
        starter="alpha = ...",
        hints=(
            r"$n_j$ is the same for both. Write down $16 / 320^\alpha = 2 / 20^\alpha$.",
            r"Bring the powers to one side: $8 = 16^\alpha$. Take logarithms.",
        ),
        solution=0.75,
        solution_source="alpha = np.log(16 / 2) / np.log(320 / 20)",
        check=_check_alpha,
        wrong=((0.0, "undamped"), (1.3333, "upside down"), (0.5, "the cosine"), (1.0, "too much"), (0.3, "solve")),
    ),
    Exercise(
        id="because-you-watched",
        title="Because you watched …",
        difficulty=2,
        minutes=8,
        prompt="""
            Write `because(history, film, W)`: `history` is an array of film indices, `film` the recommended film, and
            `W` the table of item CF as a dense array (row j holds what film j speaks for). Return the film of the
            history that adds most to the score of `film`, or −1 if none adds anything.
        """,
        starter="""
            def because(history, film, W):
                ...  # your code here
        """,
        hints=(
            "A score is the sum of `W[j, film]` over the films j of the history. `W[history, film]` holds its parts.",
            "`np.argmax` gives a position in the history, not a film. And what does it give when all parts are 0?",
        ),
        solution=because,
        check=_check_because,
        wrong=(
            (_turned, "wrong side"),
            (_any_film, "not in the history"),
            (_place, "a position"),
            (_always, "return −1"),
        ),
    ),
    Exercise(
        id="visitor-from-the-street",
        title="A visitor from the street",
        difficulty=3,
        minutes=15,
        prompt=r"""
            Somebody opens the page who is not in the table. Write `visitor_scores(x, X, k)`: `x` holds the zeros and
            ones of the visitor, shape `(n,)`, and `X` those of everybody, shape `(m, n)`, both dense. Find the `k`
            people with the largest cosine (ties: the smaller index), add up their rows, each weighted by its cosine,
            and give the films that the visitor has met the score $-\infty$. Nobody in `X` has an empty row.
        """,
        starter="""
            def visitor_scores(x, X, k):
                ...  # your code here
        """,
        hints=(
            "`X @ x` counts the films in common with each person. The length of a row of zeros and ones is the "
            "root of its sum.",
            '`np.argsort(-likeness, kind="stable")[:k]` finds the neighbours; `likeness[near] @ X[near]` adds them up.',
            "`np.where(x > 0, -np.inf, scores)` bars what has been met.",
        ),
        solution=visitor_scores,
        check=_check_visitor,
        wrong=(
            (_unweighted, "the same weight"),
            (_counts, "both lengths"),
            (_everybody, "everybody votes"),
            (_not_barred, "−infinity"),
        ),
    ),
)

QUIZ = Quiz(
    id="5.1.2",
    questions=(
        Question(
            "Two films have a cosine of 1. What do you ask first?",
            (
                Option(
                    "Are they sequels?",
                    False,
                    "Perhaps, but the cosine would look the same if one single person had met both.",
                ),
                Option(
                    "How many people met them?",
                    True,
                    "One common viewer of two films with one viewer each has a cosine of 1 as well.",
                ),
                Option("Is the cosine computed correctly?", False, "It may well be: equal columns have a cosine of 1."),
            ),
        ),
        Question(
            "The shelf under every film of a service shows the same three best-sellers. Which setting do you turn?",
            (
                Option("A larger κ.", False, "More neighbours make the shelf longer; its first places stay."),
                Option(
                    "A larger α.",
                    True,
                    "Dividing by a power of the number of viewers takes hubs down; too large a power lifts accidents.",
                ),
                Option("A larger h.", False, "Shrinking distrusts small counts, which favours the best-sellers."),
            ),
        ),
        Question(
            "A customer puts a book into the basket. What must item CF recompute before the next list?",
            (
                Option("The table W.", False, "One click hardly changes it; it can wait for the night."),
                Option("The neighbours of the customer.", False, "Item CF has none; it has neighbours of books."),
                Option(
                    "Only the sum over the history.",
                    True,
                    "One row of W is added to the scores, and the list has changed.",
                ),
            ),
        ),
        Question(
            "On held-out rows one method is ahead of another, with an interval clear of 0. And on the test?",
            (
                Option(
                    "It is ahead there too.",
                    False,
                    "Here it was not always: the cuts differ in rows and dates, and the winner changed.",
                ),
                Option(
                    "Measure it: the interval is over people, and knows nothing of another cut.",
                    True,
                    "Here EASE was clearly behind item CF on the one and clearly ahead on the other.",
                ),
                Option("It is behind there.", False, "It may be, but nothing on the held-out rows says so."),
            ),
        ),
    ),
)
