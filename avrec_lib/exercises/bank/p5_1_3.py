"""Exercises of 5.1.3, hybrids: standardise, learn one weight by hand, the gradient of the logit, a switch point."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close


def _check_z(answer: float) -> str:
    refuse_close(answer, 3.0, "that is how far 6 lies above the mean; divide it by the standard deviation", rtol=1e-3)
    refuse_close(
        answer, 1.133893, "you divided the squares by 2; the library divides by the number of films", rtol=5e-3
    )
    refuse_close(answer, 6 / 2.160247, "you divided 6 itself; take the mean away first", rtol=5e-3)
    refuse_close(answer, 3 / (14 / 3), "you divided by the variance; the standard deviation is its root", rtol=5e-3)
    expect_close(answer, 1.388730, "subtract the mean of the three scores, then divide by their deviation", rtol=5e-3)
    return "A part that scores the films 10, 20 and 60 says exactly the same after standardising."


def _check_weight(answer: float) -> str:
    refuse_close(answer, 0.75, "that is the share of people; the weight is what σ turns into this share", rtol=5e-3)
    refuse_close(answer, 2 * np.log(3), "the two films lie 1 apart on this part, from −½ to ½, not ½", rtol=5e-3)
    refuse_close(answer, np.log(3) / 2, "the two films lie 1 apart on this part, not 2", rtol=5e-3)
    refuse_close(answer, np.log(0.75), "the logit is the logarithm of the odds, share / (1 − share)", rtol=5e-3)
    refuse_close(answer, np.log10(3), "take the natural logarithm", rtol=5e-3)
    expect_close(answer, np.log(3), "solve 1 / (1 + exp(−w)) = 3/4 for w", rtol=5e-3)
    return "With three choices in four the odds are 3 to 1. If all 100 had followed the part, w would have no end."


def slope(z: np.ndarray, chosen: np.ndarray, w: np.ndarray) -> np.ndarray:
    s = z @ w  # (m, n_items)
    p = np.exp(s - s.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    expected = (p[:, :, None] * z).sum(axis=1)  # (m, n_parts)
    return np.asarray((z[np.arange(len(z)), chosen] - expected).mean(axis=0))


def _downhill(z: np.ndarray, chosen: np.ndarray, w: np.ndarray) -> np.ndarray:
    return -slope(z, chosen, w)


def _summed(z: np.ndarray, chosen: np.ndarray, w: np.ndarray) -> np.ndarray:
    return len(z) * slope(z, chosen, w)


def _no_weights(z: np.ndarray, chosen: np.ndarray, w: np.ndarray) -> np.ndarray:
    return slope(z, chosen, 0 * w)


def _chosen_only(z: np.ndarray, chosen: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.asarray(z[np.arange(len(z)), chosen].mean(axis=0))


def _check_slope(answer: Callable[..., Any]) -> str:
    rng = np.random.default_rng(5)
    z, chosen, w = rng.normal(size=(4, 6, 2)), np.array([0, 3, 5, 2]), np.array([0.8, -0.3])
    got = answer(z, chosen, w)
    refuse_close(got, _downhill(z, chosen, w), "the sign is turned: this slope leads downhill", rtol=1e-4)
    refuse_close(got, _summed(z, chosen, w), "that is the sum over the people; the page takes the mean", rtol=1e-4)
    refuse_close(got, _no_weights(z, chosen, w), "a draw by the blend: weigh the films by P, not equally", rtol=1e-4)
    refuse_close(
        got, _chosen_only(z, chosen, w), "that is the first half; subtract what a draw has on average", rtol=1e-4
    )
    expect_close(got, slope(z, chosen, w), "chosen minus expected, for each part, mean over the people", rtol=1e-4)
    return "Add it to w in small steps, and you climb to the weights that fit_choice finds (without bound and penalty)."


def switch_point(lengths: np.ndarray, few: np.ndarray, many: np.ndarray) -> float:
    behind = np.flatnonzero(many < few)
    if len(behind) == 0:
        return float(lengths[0])
    return float(lengths[behind[-1] + 1]) if behind[-1] + 1 < len(lengths) else float("inf")


def _first_crossing(lengths: np.ndarray, few: np.ndarray, many: np.ndarray) -> float:
    ahead = np.flatnonzero(many >= few)
    return float(lengths[ahead[0]]) if len(ahead) else float("inf")


def _position(lengths: np.ndarray, few: np.ndarray, many: np.ndarray) -> float:
    behind = np.flatnonzero(many < few)
    return float(behind[-1] + 1) if len(behind) else 0.0


def _last_behind(lengths: np.ndarray, few: np.ndarray, many: np.ndarray) -> float:
    behind = np.flatnonzero(many < few)
    return float(lengths[behind[-1]]) if len(behind) else float(lengths[0])


def _never_infinite(lengths: np.ndarray, few: np.ndarray, many: np.ndarray) -> float:
    found = switch_point(lengths, few, many)
    return found if np.isfinite(found) else float(lengths[-1])


def _check_switch(answer: Callable[..., Any]) -> str:
    lengths = np.array([1, 2, 3, 5, 10, 20])
    few = np.array([0.20, 0.16, 0.14, 0.10, 0.06, 0.05])
    many = np.array([0.15, 0.17, 0.12, 0.09, 0.11, 0.12])
    got = answer(lengths, few, many)
    refuse_close(got, 2, "at 2 `many` is ahead by luck: at 3 it has fallen behind again")
    refuse_close(got, 4, "that is a position in the array; return the length that stands there")
    refuse_close(got, 5, "5 is the last length at which `many` is behind; the switch comes after it")
    expect_close(got, 10, "the smallest length from which on `many` is never behind")
    expect_close(
        answer(lengths, many * 0, many), 1, "`many` is ahead everywhere, so it may serve from the first length"
    )
    expect_close(answer(lengths, many + 1, many), np.inf, "`many` is never ahead: return infinity")
    return "With real curves, ask for an interval that leaves out 0 before you trust any of these points."


EXERCISES = (
    Exercise(
        id="standardise-by-hand",
        title="A score without a unit",
        difficulty=1,
        minutes=4,
        prompt="""
            For one user, a part scores the only three films of a tiny catalogue 1, 2 and 6.
            What is the standardised score of the third film?
        """,
        starter="z_third = ...",
        hints=(
            "The mean is 3. How far does each film lie from it?",
            "The standard deviation is the root of the mean of the squared distances, 4, 1 and 9.",
        ),
        solution=float(3 / np.sqrt(14 / 3)),
        solution_source="z_third = (6 - 3) / np.sqrt((4 + 1 + 9) / 3)",
        check=_check_z,
        wrong=(
            (3.0, "divide it by"),
            (1.1339, "by 2"),
            (2.7775, "mean away"),
            (0.642857, "its root"),
            (0.5, "subtract"),
        ),
    ),
    Exercise(
        id="weight-by-hand",
        title="Three in four",
        difficulty=2,
        minutes=6,
        prompt=r"""
            One part, two films left for everybody: the part gives one of them $z = \tfrac12$ and the other
            $z = -\tfrac12$. Of 100 people, 75 chose the film that it had put higher. Which weight does the
            conditional logit learn, without any penalty?
        """,
        starter="weight = ...",
        hints=(
            r"With two films, $P = e^{w/2} / (e^{w/2} + e^{-w/2})$. Divide above and below by $e^{w/2}$.",
            r"That is $\sigma(w) = 1 / (1 + e^{-w})$. By the slope of the page, the top is where it equals 75/100.",
        ),
        solution=float(np.log(3)),
        solution_source="weight = np.log(0.75 / 0.25)",
        check=_check_weight,
        wrong=(
            (0.75, "share of people"),
            (2.1972, "not ½"),
            (0.5493, "not 2"),
            (-0.28768, "odds"),
            (0.47712, "natural"),
            (3.0, "solve"),
        ),
    ),
    Exercise(
        id="switch-point",
        title="Where to switch",
        difficulty=2,
        minutes=8,
        prompt="""
            Write `switch_point(lengths, few, many)`. The arrays hold rising lengths of history and, for each, the NDCG
            of the part for few rows and of the part for many. Return the smallest of the lengths from which on `many`
            is never behind, also not at any longer one; infinity if there is none.
        """,
        starter="""
            def switch_point(lengths, few, many):
                ...  # your code here
        """,
        hints=(
            "`np.flatnonzero(many < few)` gives the positions where `many` is behind. Which one matters?",
            "The switch comes one position after the last of them. What if there is none, or nothing after it?",
        ),
        solution=switch_point,
        check=_check_switch,
        wrong=(
            (_first_crossing, "by luck"),
            (_position, "a position"),
            (_last_behind, "comes after it"),
            (_never_infinite, "never ahead"),
        ),
    ),
    Exercise(
        id="slope-of-the-logit",
        title="The slope that learns the weights",
        difficulty=3,
        minutes=15,
        prompt=r"""
            Write `slope(z, chosen, w)`, the slope of the page for every part at once, without penalty: `z` has shape
            `(m, n_items, n_parts)`, `chosen` holds the position of the film that each person chose, and nobody has met
            any of the films. The answer has shape `(n_parts,)`.
        """,
        starter="""
            def slope(z, chosen, w):
                ...  # your code here
        """,
        hints=(
            "`z @ w` gives the blended scores, one row for each person; a softmax of each row gives P.",
            "`z[np.arange(len(z)), chosen]` takes what each part said of the chosen film: shape `(m, n_parts)`.",
            "What a draw has on average is `(p[:, :, None] * z).sum(axis=1)`.",
        ),
        solution=slope,
        check=_check_slope,
        wrong=(
            (_downhill, "downhill"),
            (_summed, "that is the sum"),
            (_no_weights, "not equally"),
            (_chosen_only, "first half"),
        ),
    ),
)

QUIZ = Quiz(
    id="5.1.3",
    questions=(
        Question(
            "Two models have the same NDCG, and their lists share nine films of ten. What will a blend of them win?",
            (
                Option(
                    "Probably little.", True, "They serve and miss the same people; there is next to nothing to add."
                ),
                Option(
                    "Probably much, since both are good.", False, "Good is half of it; the other half is different."
                ),
                Option(
                    "It cannot be guessed before the test.", False, "Overlap and paired hits are a cheap first look."
                ),
            ),
        ),
        Question(
            "The weights of a stack are learnt on rows that the parts were fitted on. What goes wrong?",
            (
                Option("Nothing: it is all training data.", False, "A part may have memorised those very rows."),
                Option(
                    "The part that memorises best is trusted most.",
                    True,
                    "On rows it has seen it looks better than it will ever be on new ones.",
                ),
                Option("The test leaks.", False, "No test row is touched; the fault is another."),
            ),
        ),
        Question(
            "At night the chain's table fails to load, and it gives every film the same score. What do users see?",
            (
                Option("An error.", False, "Constant scores standardise to 0, and the sum goes on."),
                Option("Random lists.", False, "The other parts still order the films."),
                Option(
                    "The lists of the other parts, and no sign that anything is missing.",
                    True,
                    "So watch each part on its own: how far its scores spread, and how often it changes the list.",
                ),
            ),
        ),
        Question(
            "A clip has no rows. What ranks it in EASE with features as extra users, when λ is very large?",
            (
                Option(
                    "Nothing: its column of X is empty.", False, "It has relatives in the second term, by its features."
                ),
                Option(
                    "Its likeness to what the viewer met, as a profile would.",
                    True,
                    "B is then about the Gram matrix over λ, and a cold clip's entries there come from the features.",
                ),
                Option("Its popularity.", False, "It has none, and EASE adds up only what the viewer met."),
            ),
        ),
    ),
)
