"""Exercises of 4.2.3, segments: k-means by hand, agreement beyond chance, and how sure four impressions make us."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.behaviour.segment_quality import adjusted_rand
from avrec_lib.behaviour.segments import Segments, membership
from avrec_lib.behaviour.taste_profiles import Profiles
from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

ONE = np.array([0, 0, 0, 1, 1, 2])
TWO = np.array([5, 5, 7, 7, 7, 9])
NEAR = 1 / (1 + np.exp(-2 / 3))  # the answer of `four-impressions`: log odds 2 · 0.5 / (0.5 + 4/4)


def _check_lloyd(answer: float) -> str:
    refuse_close(answer, 23 / 3, "that is after one step; the viewer at 4 is now nearer to the other centre", rtol=5e-3)
    refuse_close(answer, 5 / 3, "that is the lower of the two centres; the question asks for the upper", rtol=5e-3)
    refuse_close(answer, 9.0, "that is the median of 4, 9 and 10; a centre is a mean, and 4 changes sides", rtol=5e-3)
    expect_close(answer, 9.5, "go on until no viewer changes sides", rtol=5e-3)
    return "Two steps, and W fell from 21 to about 9: the second step moved one viewer and both centres."


def ari(a: np.ndarray, b: np.ndarray) -> float:
    i, j = np.triu_indices(len(a), 1)
    in_a, in_b = a[i] == a[j], b[i] == b[j]
    N, A, B, S = len(i), in_a.sum(), in_b.sum(), (in_a & in_b).sum()
    return float((S - A * B / N) / ((A + B) / 2 - A * B / N))


def _rand(a: np.ndarray, b: np.ndarray) -> float:
    i, j = np.triu_indices(len(a), 1)
    return float(np.mean((a[i] == a[j]) == (b[i] == b[j])))


def _labels(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean(a == b))


def _no_chance_below(a: np.ndarray, b: np.ndarray) -> float:
    i, j = np.triu_indices(len(a), 1)
    in_a, in_b = a[i] == a[j], b[i] == b[j]
    N, A, B, S = len(i), in_a.sum(), in_b.sum(), (in_a & in_b).sum()
    return float((S - A * B / N) / ((A + B) / 2))


def _twice(a: np.ndarray, b: np.ndarray) -> float:
    in_a, in_b = a[:, None] == a, b[:, None] == b
    N, A, B, S = in_a.size, in_a.sum(), in_b.sum(), (in_a & in_b).sum()
    return float((S - A * B / N) / ((A + B) / 2 - A * B / N))


def _check_ari(answer: Callable[..., Any]) -> str:
    got = answer(ONE, TWO)
    refuse_close(got, 0.0, "the names of groups mean nothing; compare pairs of viewers, not labels")
    refuse_close(got, _rand(ONE, TWO), "that is the share of pairs that agree; take off what chance gives")
    refuse_close(got, _no_chance_below(ONE, TWO), "chance must be taken off below the line too, or the best is not 1")
    refuse_close(got, _twice(ONE, TWO), "count each pair of two different viewers once; nobody is a pair alone")
    expect_close(got, adjusted_rand(ONE, TWO), "S - AB/N over (A + B)/2 - AB/N, from all pairs i < j")
    expect_close(answer(ONE, ONE + 3), 1.0, "the same grouping under other names agrees fully")
    return "It equals the library's, which counts sizes of groups instead of pairs and so can do a million viewers."


def _check_sure(answer: float) -> str:
    refuse_close(answer, 1 / (1 + np.exp(-2.0)), "that leaves the noise out: the plain mixture, too sure", rtol=5e-3)
    refuse_close(answer, 1 / (1 + np.exp(-1 / 4.5)), "the noise is 4 for one impression; divide it by n = 4", rtol=5e-3)
    refuse_close(answer, 1 - NEAR, "that is the probability of the other segment", rtol=5e-3)
    refuse_close(answer, 2 / 3, "those are the log odds; the probability is 1 / (1 + exp(-log odds))", rtol=2e-3)
    segments = Segments(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.array([[0.5]]))
    profile = Profiles(np.array([[0.5]]), np.array([4]), np.array([[4.0]]))
    expect_close(answer, membership(segments, profile)[0, 1], "the variance around a mean is 0.5 + 4/4", rtol=2e-3)
    return "A plain mixture would have claimed 0.88. With 400 impressions that would nearly be right."


EXERCISES = (
    Exercise(
        id="lloyd-by-hand",
        title="K-means on a line",
        difficulty=1,
        minutes=5,
        prompt="""
            Five viewers lie on a line, at 0, 1, 4, 9 and 10. The first centres are the viewers at 0 and at 4. Go on
            with Lloyd's two steps until nothing changes. Where is the upper centre?
        """,
        starter="upper_centre = ...",
        hints=(
            "In the first step each viewer goes to the nearer of 0 and 4; then each centre moves to the mean.",
            "After one step the centres are 0.5 and (4 + 9 + 10) / 3. To which of them is 4 nearer?",
        ),
        solution=9.5,
        solution_source="upper_centre = (9 + 10) / 2",
        check=_check_lloyd,
        wrong=(
            (23 / 3, "that is after one step"),
            (5 / 3, "the lower of the two centres"),
            (9.0, "that is the median"),
            (10.0, "until no viewer changes sides"),
        ),
    ),
    Exercise(
        id="ari-from-pairs",
        title="Agreement beyond chance",
        difficulty=2,
        minutes=12,
        prompt=r"""
            Write `ari(a, b)`, equation {eq}`eq-423-ari`, for two arrays of group numbers. Count pairs $i < j$ of
            different viewers. (You may take for granted that the two groupings are not both trivial.)
        """,
        starter="""
            def ari(a: np.ndarray, b: np.ndarray) -> float:
                ...  # your code here
        """,
        hints=(
            "`i, j = np.triu_indices(len(a), 1)` are all pairs with i < j.",
            "`a[i] == a[j]` tells which pairs are together in `a`. Its sum is A. What are B, S and N?",
        ),
        solution=ari,
        check=_check_ari,
        wrong=(
            (_rand, "the share of pairs that agree"),
            (_labels, "the names of groups mean nothing"),
            (_no_chance_below, "below the line too"),
            (_twice, "nobody is a pair alone"),
        ),
    ),
    Exercise(
        id="four-impressions",
        title="How sure after four impressions?",
        difficulty=2,
        minutes=8,
        prompt=r"""
            Two segments of equal share have their means at $-1$ and $+1$ on a line; within each, viewers differ with
            variance $\Sigma_0 = 0.5$. One impression adds noise of variance $\Sigma_e = 4$. A new viewer has been
            shown $n_u = 4$ clips, and their profile is $w_u = 0.5$. With which probability are they of the
            segment at $+1$? Use equation {eq}`eq-423-new`.
        """,
        starter="probability = ...",
        hints=(
            r"The variance of $w_u$ around the mean of its segment is $\Sigma_0 + \Sigma_e / n_u$.",
            "Divide one density by the other. Shares and variance are equal: only the two exponentials are left.",
        ),
        solution=float(NEAR),
        solution_source="probability = 1 / (1 + np.exp(-((0.5 + 1) ** 2 - (0.5 - 1) ** 2) / (2 * (0.5 + 4 / 4))))",
        check=_check_sure,
        wrong=(
            (0.8808, "that leaves the noise out"),
            (0.5553, "divide it by n = 4"),
            (0.3392, "of the other segment"),
            (2 / 3, "those are the log odds"),
            (0.5, "around a mean is 0.5 + 4/4"),
        ),
    ),
)

QUIZ = Quiz(
    id="4.2.3",
    questions=(
        Question(
            "RFM puts two viewers into *champions*. What do you know of their tastes?",
            (
                Option(
                    "They like similar clips.", False, "Nothing in RFM looks at what was watched, only at how much."
                ),
                Option("Nothing; they come often and came lately.", True, "RFM measures use. Taste needs content."),
                Option("They like popular clips.", False, "Perhaps, but the three numbers do not tell."),
            ),
        ),
        Question(
            "K-means with k = 2 gives nearly the same halves on every sample. What follows?",
            (
                Option("There are two kinds of viewer.", False, "So it does in a fog that is longer in one direction."),
                Option("The cut is reproducible, no more.", True, "Ask the gap or BIC as well: they can answer one."),
                Option("k should be larger.", False, "Stability at two says nothing of other numbers."),
            ),
        ),
        Question(
            "A viewer has been shown nothing yet. Which probabilities of the segments are right for them?",
            (
                Option("The segments' shares.", True, "Without evidence, they are like a viewer drawn at random."),
                Option("All equal.", False, "Large segments are likelier before anything is known."),
                Option("0 for each: they are new.", False, "They belong somewhere; we only don't know where."),
            ),
        ),
        Question(
            "Segments were found in a log. On the same log, a test finds that one clicks on *cats* significantly more.",
            (
                Option("So the name *cat lovers* is safe.", False, "Segments of pure noise pass that test as well."),
                Option("It must be tested on other clicks.", True, "What chose the group cannot also bear witness."),
                Option("Only a larger model can tell.", False, "No model replaces clicks that had no part in it."),
            ),
        ),
    ),
)
