"""Exercises of 1.2, the measured history: co-visitation, what an interval allows, ratings made into lists."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.exercises import (
    Exercise,
    Option,
    Question,
    Quiz,
    expect_close,
    expect_equal,
    refuse_close,
)

Floats = NDArray[np.float64]
# four sessions, four videos; the last video was watched in none
WATCHED: Floats = np.array([[1.0, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 0]])


def covisitation(X: Floats) -> Floats:
    X = np.asarray(X, dtype=float)  # counts of true and false, or of integers, would not divide
    together = X.T @ X
    alone = np.diag(together)
    scale = np.outer(alone, alone)
    related = np.divide(together, scale, out=np.zeros_like(together), where=scale > 0)
    np.fill_diagonal(related, 0)
    return related


def _cosine(X: Floats) -> Floats:
    together = X.T @ X
    lengths = np.sqrt(np.maximum(np.diag(together), 1))
    related: Floats = together / np.outer(lengths, lengths)
    np.fill_diagonal(related, 0)
    return related


def _counts_only(X: Floats) -> Floats:
    together: Floats = X.T @ X
    np.fill_diagonal(together, 0)
    return together


def _with_itself(X: Floats) -> Floats:
    together = X.T @ X
    alone = np.maximum(np.diag(together), 1)
    related: Floats = together / np.outer(alone, alone)
    return related


def _unwatched_is_nan(X: Floats) -> Floats:
    together = X.T @ X
    with np.errstate(invalid="ignore"):
        related: Floats = together / np.outer(np.diag(together), np.diag(together))
    np.fill_diagonal(related, 0)
    return related


def _check_covisitation(answer: Callable[..., Any]) -> str:
    got = answer(WATCHED)
    refuse_close(got, _cosine(WATCHED), "that is the cosine, with roots below; YouTube's rule divides by both counts")
    refuse_close(got, _counts_only(WATCHED), "those are the counts; divide each by the product of both videos' views")
    refuse_close(got, _with_itself(WATCHED), "the diagonal must be 0: no video is a recommendation for itself")
    expect_close(got, covisitation(WATCHED), "videos 0 and 1 share 3 sessions and have 4 and 3: 3 / 12")
    more = np.vstack([WATCHED, [0, 0, 1, 1]])
    expect_close(answer(more), covisitation(more), "it should hold for any table of sessions and videos")
    expect_close(answer(WATCHED > 0), covisitation(WATCHED), "a table of true and false says the same; make it float")
    return "Dividing by both counts, without the roots, lifts rare videos far more than the cosine does."


def _check_supported(answer: set[str]) -> str:
    if "D" in answer:
        expect_equal(
            answer, {"A", "C"}, "the bootstrap draws other users from the same rows; it never draws other weeks"
        )
    if "B" in answer:
        expect_equal(answer, {"A", "C"}, "an interval that holds 0 is no proof that the difference is 0")
    if "A" not in answer:
        expect_equal(answer, {"A", "C"}, "for a difference, ask on which side of 0 its interval lies")
    expect_equal(answer, {"A", "C"}, "overlapping intervals decide nothing when the users are the same")
    return "A and C are two sides of one rule: the interval of the paired difference decides."


def allowed(scores: Floats, counts: Floats, least: int) -> Floats:
    return np.where(counts >= least, scores, -np.inf)


def _zeroed(scores: Floats, counts: Floats, least: int) -> Floats:
    return np.where(counts >= least, scores, 0.0)


def _strictly_more(scores: Floats, counts: Floats, least: int) -> Floats:
    return np.where(counts > least, scores, -np.inf)


def _check_allowed(answer: Callable[..., Any]) -> str:
    scores, counts = np.array([[4.9, -0.5, 3.0], [4.8, 0.2, -1.0]]), np.array([3.0, 120, 100])
    got = answer(scores, counts, 100)
    refuse_close(got, _zeroed(scores, counts, 100), "a 0 still has a rank, here above -0.5; use -inf to forbid a film")
    refuse_close(got, _strictly_more(scores, counts, 100), "a film with exactly `least` raters is allowed")
    expect_close(got, allowed(scores, counts, 100), "films with fewer raters get -inf, the others keep their score")
    return "Run it on the page's model with 20, 100 and 300 raters, and compare with popularity."


EXERCISES = (
    Exercise(
        id="covisitation",
        title="YouTube's rule of 2010",
        difficulty=2,
        minutes=10,
        prompt=r"""
            YouTube called two videos related by $c_{ij} / (c_i c_j)$: how often both were watched within one
            session, typically a day of one viewer, divided by the product of how often each was watched. Write
            `covisitation(X)` for a table of 0 and 1 with a row a session and a column a video. The diagonal is 0,
            and so is every pair with a video that nobody watched.
        """,
        starter="""
            def covisitation(X):
                ...  # your code here
        """,
        hints=(
            "`X.T @ X` holds all the counts: $c_{ij}$ off the diagonal, $c_i$ on it.",
            "`np.outer(c, c)` is the table of products. Where it is 0, use `np.divide` with `where=` and `out=`.",
        ),
        solution=covisitation,
        check=_check_covisitation,
        wrong=(
            (_cosine, "that is the cosine"),
            (_counts_only, "those are the counts"),
            (_with_itself, "diagonal must be 0"),
            (_unwatched_is_nan, "NaN"),
        ),
    ),
    Exercise(
        id="what-an-interval-allows",
        title="What may you conclude?",
        difficulty=1,
        minutes=4,
        prompt=r"""
            On one test split, model X has NDCG@10 of .206 with the interval (.193, .219), and model Y has .194
            (.182, .206). The paired difference X − Y is .0115 (.0049, .0187). Of a model Z you are told only
            the paired difference Z − X, −.0003 (−.0076, .0071). Which of these statements may you make?

            - A: X is better than Y, as far as the choice of users goes.
            - B: X and Z are equally good.
            - C: The overlap of the intervals of X and Y does not matter, because both met the same users.
            - D: On next month's ratings X will again be better than Y, with 95 % confidence.
        """,
        starter='supported = ...  # a set of letters, such as {"A", "B"}',
        hints=(
            "What did the bootstrap resample, and what did it leave fixed?",
            "No difference found is not the same as no difference. And the rows of next month were never drawn.",
        ),
        solution={"A", "C"},
        solution_source='supported = {"A", "C"}  # B: 0 is possible, not proven; D: only users were resampled',
        check=_check_supported,
        wrong=(
            ({"A", "C", "D"}, "other weeks"),
            ({"A", "B", "C"}, "no proof"),
            ({"C"}, "which side of 0"),
            ({"A"}, "overlapping intervals"),
        ),
    ),
    Exercise(
        id="only-well-known",
        title="Save the rating model",
        difficulty=3,
        minutes=15,
        prompt=r"""
            The rating model's lists are full of films that almost nobody rated. Suppose a film needs at least
            `least` raters before it may be recommended. Write `allowed(scores, counts, least)`: the scores
            (a row a user, a column a film), with $-\infty$ for each film whose count is too small. Leave the
            input as it is. Then use it on `rating_model.score(everyone)` with `top_k`, and see with `ndcg_of` how
            far the NDCG rises for 20, 100 and 300 raters. Does it reach popularity?
        """,
        starter="""
            def allowed(scores, counts, least):
                ...  # your code here
        """,
        hints=(
            "`np.where(condition, a, b)` builds a new array; a condition of shape (n,) spreads over all rows.",
            "`np.where(counts >= least, scores, -np.inf)`. On the page, the counts are `raters`, and the lists "
            "`top_k(allowed(…), 10, seen)`.",
        ),
        solution=allowed,
        solution_source="""
            def allowed(scores, counts, least):
                return np.where(counts >= least, scores, -np.inf)


            # With the names of the page:
            # for least in (20, 100, 300):
            #     lists = top_k(allowed(rating_model.score(everyone), raters, least), 10, seen)
            #     print(least, round(ndcg_of(lists), 3))
            # It prints 0.071, 0.083 and 0.104, where popularity has 0.120: better lists, and still below counting.
            # At 300 only 20 films are left, so the rule does most of the choosing and the model hardly any.
        """,
        check=_check_allowed,
        wrong=((_zeroed, "a 0 still has a rank"), (_strictly_more, "exactly `least` raters")),
    ),
)

QUIZ = Quiz(
    id="1.2",
    questions=(
        Question(
            "A new model has the lowest RMSE ever measured on a data set. What do you know about its lists?",
            (
                Option(
                    "They are the best ones.",
                    False,
                    "On this page the model with the lowest RMSE has lists far worse than counting.",
                ),
                Option(
                    "Little: RMSE was measured on films that people had chosen to watch.",
                    True,
                    "A list is drawn from all films. How the model ranks the ones nobody chose, RMSE never saw.",
                ),
                Option(
                    "They are bad.",
                    False,
                    "That does not follow either. It has to be measured.",
                ),
            ),
        ),
        Question(
            "Two papers report HR@10 of .112 and .091 on leave-last-out. Which model is better?",
            (
                Option(
                    "The one with .112.",
                    False,
                    "On this page a rule for ties alone moves one and the same model by more than that.",
                ),
                Option(
                    "Nobody can say before knowing how each breaks ties in time.",
                    True,
                    "The rule decides which film is hidden, and with it how hard the task is.",
                ),
            ),
        ),
        Question(
            "The blend of item CF and EASE beats EASE on the inner ratings, and not on the test ratings. Why?",
            (
                Option(
                    "It gained where item CF was ahead. Later EASE is ahead, and both parts read the same table.",
                    True,
                    "The inner test had another time and less to learn from, and no interval covers that. Blending "
                    "pays when the parts err differently, which needs another source or another idea.",
                ),
                Option(
                    "A weighted sum can never beat its best part.",
                    False,
                    "Nothing forbids it. Here nothing shows it either: on the inner ratings the blend is ahead of "
                    "its best part, item CF, by a difference whose interval holds 0.",
                ),
                Option(
                    "The gain on the inner ratings was the luck of having met these people.",
                    False,
                    "Its interval leaves out 0, so other people would most likely have shown it too.",
                ),
            ),
        ),
        Question(
            "Were the first recommenders for music and video content-based?",
            (
                Option("Yes: content is the simplest idea.", False, "Simple for text, which a machine can read."),
                Option(
                    "No: they compared the ratings of people.",
                    True,
                    "In 1995 no machine could listen or watch, but it could compare numbers typed by people.",
                ),
            ),
        ),
    ),
)
