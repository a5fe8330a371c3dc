"""Exercises of 6.2.4, cosine similarity: distance and angle, a centred profile, and what a tie rule decides."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

RATINGS = np.array([5.0, 1.0, 3.0])
SEEN = np.array([0, 2, 3])
VECTORS = np.array([[1, 0], [3, 1], [0, 1], [1, 1], [0, 0], [0, 2]], dtype=float)


def _check_cosine(answer: float) -> str:
    refuse_close(answer, 0.6, "that would be 1 − d/2; the identity has the square of the distance")
    refuse_close(answer, 0.36, "that is 1 − d²; the identity has 2 − 2s, so halve the square")
    refuse_close(answer, 0.2, "that is 1 − d, as if the distance were one minus the cosine")
    expect_close(answer, 0.68, "solve d² = 2 − 2s for s")
    return "At d = √2 the cosine is 0, and at d = 2, the largest distance of two unit vectors, it is −1."


def content_scores(ratings: np.ndarray, seen: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    w = (ratings - ratings.mean()) @ vectors[seen]
    lengths = np.linalg.norm(w) * np.linalg.norm(vectors, axis=1)
    cosines: np.ndarray = vectors @ w / np.where(lengths > 0, lengths, 1)
    return cosines


def _uncentred(ratings: np.ndarray, seen: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    w = ratings @ vectors[seen]
    lengths = np.linalg.norm(w) * np.linalg.norm(vectors, axis=1)
    cosines: np.ndarray = vectors @ w / np.where(lengths > 0, lengths, 1)
    return cosines


def _dot_product(ratings: np.ndarray, seen: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors @ ((ratings - ratings.mean()) @ vectors[seen]))


def _no_zero_rule(ratings: np.ndarray, seen: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    w = (ratings - ratings.mean()) @ vectors[seen]
    with np.errstate(invalid="ignore"):
        return np.asarray(vectors @ w / (np.linalg.norm(w) * np.linalg.norm(vectors, axis=1)))


def _first_rows(ratings: np.ndarray, seen: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return content_scores(ratings, np.arange(len(seen)), vectors)


def _check_scores(answer: Callable[..., Any]) -> str:
    got = answer(RATINGS, SEEN, VECTORS)
    refuse_close(got, _uncentred(RATINGS, SEEN, VECTORS), "the weights are not centred; subtract the viewer's mean")
    refuse_close(got, _dot_product(RATINGS, SEEN, VECTORS), "these are dot products; divide by both lengths")
    refuse_close(got, _first_rows(RATINGS, SEEN, VECTORS), "these are not the films in `seen`; use vectors[seen]")
    expect_close(got, content_scores(RATINGS, SEEN, VECTORS), "the centred weights here are 2, −2 and 0")
    flat = answer(np.array([4.0, 4.0]), np.array([0, 2]), VECTORS)
    expect_close(flat, np.zeros(len(VECTORS)), "equal ratings make a profile of zeros, and its cosines are 0")
    return "The second film is close to the first, which she loved, and nobody had to rate it."


def _check_ties(answer: float) -> str:
    refuse_close(answer, 0.0397, "that is the page's number, where ties go by item index", rtol=5e-3)
    refuse_close(answer, 0.1201, "that is popularity alone; the counts must only decide between ties", rtol=5e-3)
    refuse_close(
        answer, 0.0406, "that is the binary profile; this exercise asks for the centred one", rtol=3e-3, atol=1e-5
    )
    expect_close(answer, 0.0535, "add something far smaller than any difference of two cosines", rtol=8e-3)
    return "0.0535 against 0.0397, a third more: where vectors coincide, the rule for ties is part of the model."


EXERCISES = (
    Exercise(
        id="cosine-from-distance",
        title="A cosine from a distance",
        difficulty=1,
        minutes=4,
        prompt=r"""
            A nearest-neighbour index returns two unit vectors and says that their Euclidean distance is 0.8.
            What is their cosine?
        """,
        starter="cosine = ...",
        hints=(
            r"For unit vectors, what is $\lVert x - y \rVert^2$? The page has it as an equation.",
            r"$d^2 = 2 - 2s$, so $s = 1 - d^2 / 2$.",
        ),
        solution=0.68,
        solution_source="cosine = 1 - 0.8**2 / 2",
        check=_check_cosine,
        wrong=((0.6, "1 − d/2"), (0.36, "halve the square"), (0.2, "one minus the cosine"), (0.5, "solve d²")),
    ),
    Exercise(
        id="centred-content-scores",
        title="Scores of one viewer, from her ratings to all films",
        difficulty=2,
        minutes=12,
        prompt=r"""
            Write `content_scores(ratings, seen, vectors)`. `seen` holds the indices of the films a viewer rated,
            `ratings` her ratings of them in the same order, `vectors` one row for each film of the catalogue.
            Return the cosine of her *centred* profile with every film, and 0 wherever a length is 0. No loop is needed.
        """,
        starter="""
            def content_scores(ratings: np.ndarray, seen: np.ndarray, vectors: np.ndarray) -> np.ndarray:
                ...  # your code here: one score for each row of vectors
        """,
        hints=(
            "The profile is a weighted sum of rows, and a weighted sum of rows is `weights @ vectors[seen]`.",
            "All cosines at once: `vectors @ w` divided by the length of `w` times the lengths of the rows.",
            "`np.where(lengths > 0, lengths, 1)` turns 0/0 into 0/1.",
        ),
        solution=content_scores,
        check=_check_scores,
        wrong=(
            (_uncentred, "not centred"),
            (_dot_product, "dot products"),
            (_no_zero_rule, "NaN"),
            (_first_rows, "not the films in `seen`"),
        ),
    ),
    Exercise(
        id="ties-by-popularity",
        title="What a rule for ties is worth",
        difficulty=3,
        minutes=20,
        prompt=r"""
            Many films share a genre vector, hence a cosine. `top_k` orders equal scores by item index. Let equal
            cosines be ordered by the number of training rows instead, more rows first, and change nothing else:
            subclass `ContentRecommender`, override `_score`, and measure NDCG@10 of the centred genre profile on
            the page's `split`. Guess first: a hundredth more? A tenth? A third?
        """,
        starter="""
            # ContentRecommender._score returns the cosines and keeps the training counts in self._counts
            ndcg = ...  # NDCG@10 on `split` when equal cosines are ordered by the number of training rows
        """,
        hints=(
            "Add a bonus to the cosine that grows with the count and is smaller than any real difference of cosines.",
            "`super()._score(users) + 1e-6 * self._counts / self._counts.max()`, then `evaluate` as on the page.",
        ),
        solution=0.0535,
        solution_source="""
            class TiesByCount(ContentRecommender):
                def _score(self, users):
                    return super()._score(users) + 1e-6 * self._counts / self._counts.max()


            outcome = evaluate(TiesByCount(genres, "centred"), split, n_boot=0).set_index("metric")
            ndcg = outcome.loc["NDCG@10", "value"]
        """,
        check=_check_ties,
        wrong=(
            (0.0397, "ties go by item index"),
            (0.1201, "popularity alone"),
            (0.0406, "the binary profile"),
            (0.07, "far smaller than any difference"),
        ),
    ),
)

QUIZ = Quiz(
    id="6.2.4",
    questions=(
        Question(
            "A viewer rates twice as many films as before, with the same shares of genres. "
            "What happens to the cosines between her binary profile and the films?",
            (
                Option("They double.", False, "The dot product doubles, and so does the length of her profile."),
                Option("They stay as they are.", True, "Her profile is longer and points the same way."),
                Option(
                    "They halve.",
                    False,
                    "Only the distances change; dividing by the length takes the number of films out.",
                ),
            ),
        ),
        Question(
            "Somebody rates 60 horror films with one or two stars and some other films with four or five. "
            "Which profile recommends horror?",
            (
                Option(
                    "The binary and the rating profile.",
                    True,
                    "All their weights are positive, so each horror film pulls them towards horror.",
                ),
                Option(
                    "Only the binary one.", False, "A weight of 1 or 2 still pulls towards horror; none pushes away."
                ),
                Option("The centred one.", False, "There a film below her own mean has a negative weight."),
            ),
        ),
        Question(
            "A placebo (one meaningless word for every film, in place of its title) gains as much as the real titles. "
            "What follows?",
            (
                Option(
                    "The gain does not come from what the titles say.",
                    True,
                    "What the placebo has removed, the meaning, can't explain a gain that is still there. Here the "
                    "extra word favours films with many genres, and those are better known.",
                ),
                Option(
                    "Meaningless words are useful features.",
                    False,
                    "They only lengthen the vectors; sorting by the number of genres would do something similar.",
                ),
                Option(
                    "The evaluation leaks test data.",
                    False,
                    "Nothing of the test is used; the placebo says what a gain is made of.",
                ),
            ),
        ),
        Question(
            "On films without a single training rating, why is the AUC of EASE exactly ½?",
            (
                Option(
                    "It gives all of them the same score, and ties count ½.",
                    True,
                    "Its weights come from co-ratings, and these films have none.",
                ),
                Option("It overfits the training films.", False, "It has no opinion on the others, right or wrong."),
                Option(
                    "Half of the films are liked.",
                    False,
                    "The AUC of a constant is ½ whatever the share of liked films.",
                ),
            ),
        ),
    ),
)
