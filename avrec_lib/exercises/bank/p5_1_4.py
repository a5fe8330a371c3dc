"""Exercises of 5.1.4, recommendation as a table: drawn odds, a factorisation machine, useless columns, unmet items."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from avrec_lib.exercises import (
    Exercise,
    Option,
    Question,
    Quiz,
    Wrong,
    expect_close,
    expect_equal,
    refuse_close,
)

OMEGA = 4 * 80 / (1680 - 80)  # 0.2
RIGHT = 0.75 / (0.75 + 0.25 / OMEGA)  # 0.375


def _check_chance(answer: float) -> str:
    refuse_close(answer, 0.75, "that is the chance in the drawn table, where negatives are far too few", rtol=1e-3)
    refuse_close(answer, 0.75 * OMEGA, "ω multiplies the odds, not the probability", rtol=1e-3)
    refuse_close(answer, 0.75 / (0.75 + 0.25 * OMEGA), "you divide the odds by ω; the film became likelier", rtol=1e-3)
    refuse_close(answer, 3 * OMEGA, "that is the odds; turn them into a probability", rtol=1e-3)
    refuse_close(
        answer, 0.75 / (0.75 + 0.25 * 20), "ω is J n_u / (n - n_u): you left out the 4 negatives of each row", rtol=1e-3
    )
    expect_close(answer, RIGHT, "ω = 4 · 80 / 1600, and the odds in the table are 0.75 / 0.25", rtol=2e-3)
    return "The odds shrink from 3 to 0.6. For a user with more films ω is larger, and the same 0.75 means more."


X_, W_ = np.array([1.0, 1.0, 0.5]), np.array([0.2, -0.1, 0.4])
V_ = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 4.0]])
W0 = 0.1


def _check_fm(answer: float) -> str:
    refuse_close(answer, 0.4, "that is the linear part; three pairs of columns are missing")
    refuse_close(answer, 3.0, "that is the sum over pairs; w0 and the weights are missing")
    refuse_close(answer, 6.4, "you count each pair twice: halve the difference")
    refuse_close(answer, 6.9, "subtract the columns' own squares before you halve")
    refuse_close(answer, 5.4, "the third column is 0.5, and its pairs must be multiplied by that")
    refuse_close(answer, 3.3, "w0 is missing")
    expect_close(answer, 3.4, "0.1 + 0.3 for the linear part, and 1 + 0 + 2 for the pairs", rtol=1e-6)
    return (
        "By the identity: the sum of the x_f v_f is (2, 3), its square 13, the own squares 1 + 2 + 4, half of 6 is 3."
    )


USELESS = frozenset("ADF")


def _check_useless(answer: Any) -> str:  # noqa: ANN401
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise Wrong("give a set of letters, such as {'A', 'B'}")
    named = {str(letter).upper() for letter in answer}
    if unknown := named - set("ABCDEFG"):
        raise Wrong(f"there is no column {sorted(unknown)[0]!r}")
    if "C" in named:
        raise Wrong("C is a product: a user who is 60 adds more to an old film than to a new one")
    if "E" in named:
        raise Wrong("E is a difference of two columns; its second part still differs from film to film")
    if "G" in named:
        raise Wrong("G is one number for each pair: how often this user met this film's director")
    if "B" in named:
        raise Wrong("B is of the film alone: it orders the films, the same way for everybody")
    if "F" not in named:
        raise Wrong("one is missing: what is the same for all films at the moment of the request?")
    expect_equal(sorted(named), sorted(USELESS), "three columns have one value for all films of a request")
    return "A tree may still use all three: after asking for the hour it can ask another question about the film."


def unmet(met: np.ndarray, a: int) -> int:
    return a + int((met - np.arange(len(met)) <= a).sum())


def _ignores_met(met: np.ndarray, a: int) -> int:
    return a


def _one_pass(met: np.ndarray, a: int) -> int:
    return a + int((met <= a).sum())


def _strict(met: np.ndarray, a: int) -> int:
    return a + int((met - np.arange(len(met)) < a).sum())


def _all_met(met: np.ndarray, a: int) -> int:
    return a + len(met)


def _from_one(met: np.ndarray, a: int) -> int:
    return a + int((met - np.arange(1, len(met) + 1) <= a).sum())


TABLES = ((0, 1, 4), (2, 3, 4, 5, 9), (), (0, 2, 4, 6, 8), (7,))


def _check_unmet(answer: Callable[..., Any]) -> str:
    for items in TABLES:
        met = np.array(items, dtype=np.int64)
        free = [item for item in range(12) if item not in items]
        got = [int(answer(met.copy(), a)) for a in range(len(free))]
        for wrong, message in (
            (_ignores_met, "you return a itself, as if nothing had been met"),
            (_one_pass, "you count the met films up to a, but each of them pushes a on, past further ones"),
            (_strict, "a met film with exactly a unmet ones before it pushes too: ≤, not <"),
            (_all_met, "not every met film lies before the answer"),
            (_from_one, "films and places are counted from 0"),
        ):
            other = [wrong(met, a) for a in range(len(free))]
            if other != free and got == other:
                raise Wrong(f"with {list(items)} met: {message}")
        expect_equal(got, free, f"with {list(items)} met, the answers for a = 0, 1, … are the unmet films in order")
    return "One comparison, no second try: that is why drawing this way always ends."


EXERCISES = (
    Exercise(
        id="odds-before-drawing",
        title="Back to the world",
        difficulty=1,
        minutes=5,
        prompt=r"""
            A viewer has met 80 of 1,680 films. For each meeting 4 negatives were drawn. A calibrated model of that
            table says $\hat p = 0.75$ for a film. How probable is a meeting before the drawing?
        """,
        starter="chance = ...  # a number from 0 to 1",
        hints=(
            r"How often does an unmet film of this viewer stand in the table, on average? That is $\omega_u$.",
            r"The odds in the table are 0.75 / 0.25. Multiply them by $\omega_u$, then turn odds into a probability.",
        ),
        solution=RIGHT,
        solution_source="""
            omega = 4 * 80 / (1680 - 80)
            chance = 0.75 / (0.75 + 0.25 / omega)
        """,
        check=_check_chance,
        wrong=(
            (0.75, "in the drawn table"),
            (0.15, "not the probability"),
            (0.9375, "became likelier"),
            (0.6, "that is the odds"),
            (0.1304, "left out the 4"),
            (0.5, "ω = 4 · 80"),
        ),
    ),
    Exercise(
        id="fm-by-hand",
        title="A factorisation machine by hand",
        difficulty=1,
        minutes=6,
        prompt=r"""
            A pair has the columns $x = (1, 1, 0.5)$: a viewer, a film, and how much of a comedy the film is. With
            $w_0 = 0.1$, $w = (0.2, -0.1, 0.4)$ and the vectors $v_1 = (1, 0)$, $v_2 = (1, 1)$, $v_3 = (0, 4)$, what is
            the score? Do it on paper first.
        """,
        starter="score = ...",
        hints=(
            r"The linear part is $w_0 + \sum_f w_f x_f$. Then there are three pairs: (1, 2), (1, 3) and (2, 3).",
            "Each pair gives the inner product of its two vectors, times both columns.",
        ),
        solution=3.4,
        solution_source="""
            linear = 0.1 + 0.2 * 1 - 0.1 * 1 + 0.4 * 0.5
            pairs = 1 * 1 * 1 + 0 * 1 * 0.5 + 4 * 1 * 0.5
            score = linear + pairs
        """,
        check=_check_fm,
        wrong=(
            (0.4, "linear part;"),
            (3.0, "the sum over pairs"),
            (6.4, "twice"),
            (6.9, "own squares before"),
            (5.4, "multiplied by that"),
            (3.3, "w0 is missing"),
            (2.4, "1 + 0 + 2"),
        ),
    ),
    Exercise(
        id="cannot-matter",
        title="Columns that cannot matter",
        difficulty=2,
        minutes=6,
        prompt="""
            A logistic regression without products ranks films for one viewer at one moment. Which of these columns
            cannot change the order, whatever their weights?

            - A: the viewer's age
            - B: the film's year
            - C: the viewer's age times the film's year
            - D: the mean of the viewer's ratings
            - E: the mean of the viewer's ratings minus the mean of the film's
            - F: the hour of the request
            - G: how many films by this film's director the viewer has met
        """,
        starter="useless = ...  # a set of letters",
        hints=(
            "Fix the viewer and the moment. Go through all films: in which columns does the number stay the same?",
            "A column may mention the viewer and still differ from film to film.",
        ),
        solution=set(USELESS),
        solution_source='useless = {"A", "D", "F"}  # one value for all films of a request',
        check=_check_useless,
        wrong=(
            ({"A", "C", "D", "F"}, "C is a product"),
            ({"A", "D", "E", "F"}, "E is a difference"),
            ({"A", "D", "F", "G"}, "G is one number"),
            ({"A", "B", "D", "F"}, "B is of the film"),
            ({"A", "D"}, "moment of the request"),
            ({"A", "F"}, "three columns"),
        ),
    ),
    Exercise(
        id="the-ath-unmet",
        title="The a-th film that was not met",
        difficulty=3,
        minutes=12,
        prompt=r"""
            Write `unmet(met, a)`: the $a$-th film, counted from 0, that is not in `met`, an ascending array of film
            numbers (it may be empty). Don't loop over all films, and don't try again: use the page's first equation.
        """,
        starter="""
            def unmet(met, a):
                ...  # your code here: one whole number
        """,
        hints=(
            "How many unmet films lie before the met film at place l of the array? Try it with 0, 1 and 4.",
            "`met - np.arange(len(met))` holds these numbers. Which of the met films push the answer on?",
        ),
        solution=unmet,
        check=_check_unmet,
        wrong=(
            (_ignores_met, "a itself"),
            (_one_pass, "up to a"),
            (_strict, "≤, not <"),
            (_all_met, "not every met film"),
            (_from_one, "counted from 0"),
        ),
    ),
)

QUIZ = Quiz(
    id="5.1.4",
    questions=(
        Question(
            "The label of a drawn pair is 0. What does it say?",
            (
                Option("The user refused the film.", False, "Perhaps nobody ever showed it to them."),
                Option("The log holds no meeting of the two.", True, "More than that nobody knows."),
                Option("The user would give it a low rating.", False, "Unmet and disliked are different things."),
            ),
        ),
        Question(
            "A film has 100 viewers. Left out of its own column, each of its positives has the count 99. A tree, grown "
            "as far as it goes, asks only for the count, and no other film has 99, 100 or 101. Which probability will "
            "the film get tomorrow?",
            (
                Option("About that of other films with some 100 viewers.", False, "The tree can tell 99 from 100."),
                Option("1, because it is popular.", False, "That is what it says at a count of 99."),
                Option("0, if it was ever drawn as a negative.", True, "At the count 100 it has seen negatives only."),
            ),
        ),
        Question(
            "Ten times as many negatives are drawn, and the model stays calibrated. What happens to one user's list?",
            (
                Option("Nothing, in principle.", True, "All odds of this user shrink by one factor; the order stays."),
                Option("It turns to popular films.", False, "The negatives are drawn uniformly before and after."),
                Option("It becomes ten times as long.", False, "Its length is K."),
            ),
        ),
        Question(
            "Why can a factorisation machine search a million films where a forest cannot?",
            (
                Option("It is trained by BPR.", False, "How it was trained does not matter for searching."),
                Option(
                    "For a given user its score is an inner product with a vector of the film, plus a bias.",
                    True,
                    "Indexes find large inner products without looking at all of them.",
                ),
                Option("It has fewer columns.", False, "It may have more: one for each user and film."),
            ),
        ),
    ),
)
