"""Exercises of 1.3, why it matters: attention, inequality, and the worth of chance."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close


def expected_looks(patience: float, length: int) -> float:
    return float(sum(patience**j for j in range(length)))


def _starts_late(patience: float, length: int) -> float:
    return float(sum(patience ** (j + 1) for j in range(length)))


def _endless(patience: float, length: int) -> float:
    return 1 / (1 - patience)


def _last_only(patience: float, length: int) -> float:
    return float(patience ** (length - 1))


def _check_looks(answer: Callable[..., Any]) -> str:
    got = answer(0.5, 3)
    refuse_close(got, 0.875, "the first place is always looked at, with probability 1, not 0.5")
    refuse_close(got, 2.0, "that is an endless list; this one has 3 places")
    refuse_close(got, 0.25, "that is the chance of reaching the last place; add up all of them")
    expect_close(got, 1.75, "places 1, 2 and 3 are reached with 1, 0.5 and 0.25")
    expect_close(answer(0.85, 10), expected_looks(0.85, 10), "for the list of this page")
    expect_close(
        answer(1.0, 7), 7.0, "a viewer of endless patience looks at every place: does your formula divide by 0?"
    )
    return (
        "At a patience of 0.85, half of the places of a list of ten are looked at: place is worth as much as content."
    )


def gini(watches: ArrayLike) -> float:
    a = np.sort(np.asarray(watches, dtype=float))
    n = len(a)
    return float((2 * np.arange(1, n + 1) - n - 1) @ a / (n * a.sum()))


def _unsorted(watches: ArrayLike) -> float:
    a = np.asarray(watches, dtype=float)
    n = len(a)
    return float((2 * np.arange(1, n + 1) - n - 1) @ a / (n * a.sum()))


def _not_halved(watches: ArrayLike) -> float:
    a = np.asarray(watches, dtype=float)
    return float(np.abs(a[:, None] - a).mean() / a.mean())


def _check_gini(answer: Callable[..., Any]) -> str:
    got = answer([5.0, 0.0, 1.0, 2.0])
    refuse_close(got, _unsorted([5.0, 0.0, 1.0, 2.0]), "the formula takes the amounts from the smallest to the largest")
    refuse_close(got, _not_halved([5.0, 0.0, 1.0, 2.0]), "you forgot to halve: divide by twice the mean")
    expect_close(got, gini([5.0, 0.0, 1.0, 2.0]), "half the mean difference of two films, over the mean")
    expect_close(answer([3, 3, 3]), 0.0, "equal films have no inequality", atol=1e-12)
    expect_close(answer([0, 0, 0, 8]), 0.75, "one film of four has everything")
    return "One of n with everything gives 1 − 1/n, so never quite 1."


def _check_chance(answer: Mapping[float, float]) -> str:
    if not isinstance(answer, Mapping) or len(answer) < 4:
        raise Wrong("give at least four numbers of places, as a dict such as {0: 0.7, 1: …, 2: …, 5: …, 10: …}")
    values = {float(k): float(v) for k, v in answer.items()}
    if not np.isfinite(list(values.values())).all():
        raise Wrong("one of the values is not a finite number")
    if 0.0 not in values or max(values) < 8:
        raise Wrong("go from 0 places by lot to at least 8 of the 10, or the curve has no ends")
    if min(values.values()) < 0.2 or max(values.values()) > 2.5:
        raise Wrong("films watched a visit should lie between 0.2 and 2.5 here; is it a sum over the viewers?")
    best = max(values, key=lambda places: values[places])
    if best == 0:
        raise Wrong("with no chance at all the service goes blind; are these the late rounds, 16 to 20?")
    if best == max(values):
        raise Wrong("the best service cannot be nearly all chance; look again at the largest number of places")
    return "The curve has a top in the middle: some chance pays for itself, too much replaces what was learnt."


EXERCISES = (
    Exercise(
        id="expected-looks",
        title="How many places are looked at?",
        difficulty=1,
        minutes=6,
        prompt="""
            A viewer always looks at the first place and goes on from each place to the next with the chance
            `patience`. Write `expected_looks(patience, length)`: the expected number of places looked at in a list
            of this length.
        """,
        starter="""
            def expected_looks(patience, length):
                ...  # your code here
        """,
        hints=(
            "The expected number is the sum, over the places, of the chance of reaching each.",
            "Place $j$, counted from 0, is reached with probability `patience ** j`.",
        ),
        solution=expected_looks,
        check=_check_looks,
        wrong=((_starts_late, "always looked at"), (_endless, "endless"), (_last_only, "the last place")),
    ),
    Exercise(
        id="gini-by-hand",
        title="The Gini coefficient",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Write `gini(watches)`: half the mean absolute difference of two films' watches (over all ordered pairs,
            a film with itself included), divided by the mean. For sorted amounts it equals
            $\sum_j (2j - n - 1)\, a_{(j)} / (n \sum_j a_j)$, with $j$ from 1. At least one film was watched.
        """,
        starter="""
            def gini(watches):
                ...  # your code here
        """,
        hints=(
            "Either build all differences with `np.abs(a[:, None] - a)`, or sort and use the formula.",
            "In the formula the smallest amount comes first: `np.sort`. The weights are `2 * j - n - 1`.",
        ),
        solution=gini,
        check=_check_gini,
        wrong=((_unsorted, "smallest to the largest"), (_not_halved, "halve")),
    ),
    Exercise(
        id="how-much-chance",
        title="How much chance is right?",
        difficulty=3,
        minutes=25,
        prompt="""
            The service of the page gives two of ten places to chance. Run `simulate` with 0, 1, 2, 5 and 9
            places by lot in each of the page's five worlds, for 20 rounds, and collect the films watched a visit,
            averaged over rounds 16 to 20 and over the worlds. Where is the top? Then change one rule of `World`
            (now `n_films=300` and `taste_weight=2`; say `n_films=1000` or `taste_weight=1`) and see whether it
            moves. The check looks at the first curve.
        """,
        starter="watched_per_visit = ...  # a dict: places by lot → films watched a visit, rounds 16 to 20",
        hints=(
            "`simulate(world, exploring(personal, places), n_rounds=20, seed=world.seed)[0]` returns one row a round.",
            "Select `rounds['round'] > 15` and take the mean of `watched`. Average the worlds, "
            "and put that in a dict under `places`.",
        ),
        solution={0: 0.712, 1: 0.857, 2: 0.898, 5: 0.928, 9: 0.821},
        solution_source="""
            def late(world, places):
                rounds, _ = simulate(world, exploring(personal, places), n_rounds=20, seed=world.seed)
                return rounds.loc[rounds["round"] > 15, "watched"].mean()


            watched_per_visit = {
                places: np.mean([late(world, places) for world in worlds]) for places in (0, 1, 2, 5, 9)
            }
            # About 0.71, 0.86, 0.90, 0.93 and 0.82: the top is broad, somewhere between 2 and 5 places.
            # 1,000 films: 0.69, 0.78, 0.82, 0.87 and 0.80. More to find, and the top is nearer to 5 than to 2.
            # taste_weight=1: 0.62, 0.65, 0.63, 0.57 and 0.48. Less to learn: one place is enough, and 5 do harm.
            # The worlds differ by up to 0.17 at one number of places, so don't read the second decimal.
        """,
        check=_check_chance,
        wrong=(
            ({0: 0.7, 1: 0.8, 2: 0.9, 5: 0.8, 9: 1.1}, "nearly all chance"),
            ({0: 300.0, 1: 310.0, 2: 320.0, 5: 310.0, 9: 300.0}, "a sum over the viewers"),
            ({0: 1.1, 1: 1.0, 2: 0.9, 5: 0.85, 9: 0.8}, "goes blind"),
        ),
    ),
)

QUIZ = Quiz(
    id="1.3",
    questions=(
        Question(
            "A hit in the measurement of this page means that a hidden film stood in the list. What does a miss mean?",
            (
                Option("The person would not have liked the list.", False, "They never saw it; we cannot know."),
                Option(
                    "The person did not go on to rate any film of the list by themselves.",
                    True,
                    "They may not have come across those films. Offline, unseen and unloved look alike.",
                ),
                Option("The model has a fault.", False, "A perfect list of unknown treasures would miss, too."),
            ),
        ),
        Question(
            "In the simulation the most-watched list falls below chance. Is popularity a bad recommender?",
            (
                Option(
                    "In this world, where its counts come only from its own lists.",
                    True,
                    "In the MovieLens measurement the counts came from free choices, and it did well.",
                ),
                Option("Yes, the simulation proves it.", False, "It shows what follows from its rules, no more."),
                Option("No, the simulation must contain an error.", False, "The rules explain the fall completely."),
            ),
        ),
        Question(
            "Why do two places by lot help the personal service?",
            (
                Option("Viewers like variety.", False, "Nothing in the rules says so."),
                Option(
                    "They give films that were never shown a first row in the log.",
                    True,
                    "And so a chance to be learnt.",
                ),
                Option("They make the lists shorter.", False, "The lists stay at ten places."),
            ),
        ),
    ),
)
