"""Exercises of 4.3, from a log to a strategy: weights by hand, a list's chance, two corrections, a bold mixture."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close


def _check_estimate(answer: float) -> str:
    refuse_close(answer, 0.5, "that is the click rate of the log; it tells what the old policy achieved", rtol=1e-2)
    refuse_close(answer, 0.65, "that is replay: rows weighed by the new chances alone, as if the log were random")
    refuse_close(answer, 0.5625, "your weights are upside down: new over old, not old over new", rtol=1e-2)
    refuse_close(answer, 4.5 / 5.7, "that is SNIPS, divided by the sum of the weights; IPS divides by the rows")
    refuse_close(answer, 4.5, "that is the sum; divide it by the number of rows", rtol=1e-2)
    expect_close(
        answer, 1.125, "the weights are 0.5, 4, 1 and 0.2; the mean of weight times click is wanted", rtol=1e-2
    )
    return "More than one click per row: IPS is right on average, and may be absurd for a single short log."


def chance_of_list(weights: np.ndarray, free: np.ndarray, shown: Sequence[int]) -> float:
    left, chance = np.where(free, weights, 0.0), 1.0
    for i in shown:
        chance *= left[i] / left.sum()
        left[i] = 0.0
    return float(chance)


def _put_back(weights: np.ndarray, free: np.ndarray, shown: Sequence[int]) -> float:
    left = np.where(free, weights, 0.0)
    return float(np.prod([left[i] / left.sum() for i in shown]))


def _all_free(weights: np.ndarray, free: np.ndarray, shown: Sequence[int]) -> float:
    return chance_of_list(weights, np.ones_like(free), shown)


def _any_order(weights: np.ndarray, free: np.ndarray, shown: Sequence[int]) -> float:
    return float(sum(chance_of_list(weights, free, order) for order in itertools.permutations(shown)))


def _added(weights: np.ndarray, free: np.ndarray, shown: Sequence[int]) -> float:
    left, chance = np.where(free, weights, 0.0), 0.0
    for i in shown:
        chance += left[i] / left.sum()
        left[i] = 0.0
    return float(chance)


def _check_list(answer: Callable[..., Any]) -> str:
    weights, free = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, True, False])
    got = answer(weights.copy(), free.copy(), [2, 0])
    refuse_close(got, 1 / 12, "you draw with replacement; what stands above cannot be drawn again")
    refuse_close(got, 3 / 70, "clip 3 is not free, so its weight must not be in the sum")
    refuse_close(got, 4 / 15, "that is the chance of these clips in any order; [2, 0] has an order")
    refuse_close(got, 5 / 6, "chances of things that must all happen are multiplied, not added")
    expect_close(got, 1 / 6, "clip 2 is drawn with 3 of 6, and then clip 0 with 1 of 3")
    expect_close(answer(weights.copy(), free.copy(), []), 1.0, "an empty list is certain")
    many = [answer(weights.copy(), free.copy(), list(order)) for order in itertools.permutations(range(3), 2)]
    expect_close(sum(many), 1.0, "over all lists of two free clips the chances must sum to 1")
    return "The chance of a whole list is tiny; that is why the page judges one place at a time."


def per_look(clicks: ArrayLike, positions: ArrayLike, target: ArrayLike, logged: ArrayLike, theta: ArrayLike) -> float:
    y = np.asarray(clicks) / np.asarray(theta)[np.asarray(positions) - 1]
    w = np.asarray(target) / np.asarray(logged)
    return float((w * y).sum() / w.sum())


def _no_looks(clicks: Any, positions: Any, target: Any, logged: Any, theta: Any) -> float:  # noqa: ANN401
    w = np.asarray(target) / np.asarray(logged)
    return float((w * clicks).sum() / w.sum())


def _next_place(clicks: Any, positions: Any, target: Any, logged: Any, theta: Any) -> float:  # noqa: ANN401
    y, w = clicks / np.asarray(theta)[positions], np.asarray(target) / np.asarray(logged)
    return float((w * y).sum() / w.sum())


def _times_theta(clicks: Any, positions: Any, target: Any, logged: Any, theta: Any) -> float:  # noqa: ANN401
    y, w = clicks * np.asarray(theta)[positions - 1], np.asarray(target) / np.asarray(logged)
    return float((w * y).sum() / w.sum())


def _by_rows(clicks: Any, positions: Any, target: Any, logged: Any, theta: Any) -> float:  # noqa: ANN401
    y, w = clicks / np.asarray(theta)[positions - 1], np.asarray(target) / np.asarray(logged)
    return float((w * y).mean())


def _looks_in_weights(clicks: Any, positions: Any, target: Any, logged: Any, theta: Any) -> float:  # noqa: ANN401
    w = np.asarray(target) / np.asarray(logged) / np.asarray(theta)[positions - 1]
    return float((w * clicks).sum() / w.sum())


def _replay(clicks: Any, positions: Any, target: Any, logged: Any, theta: Any) -> float:  # noqa: ANN401
    y, w = clicks / np.asarray(theta)[positions - 1], np.asarray(target)
    return float((w * y).sum() / w.sum())


def _check_per_look(answer: Callable[..., Any]) -> str:
    clicks, positions = np.array([1, 0, 1, 1]), np.array([1, 2, 2, 1])
    target, logged = np.array([0.2, 0.3, 0.4, 0.3]), np.array([0.4, 0.1, 0.2, 0.5])
    theta = np.array([1.0, 0.5, 0.25])
    got = answer(clicks, positions, target, logged, theta)
    refuse_close(got, 3.1 / 6.1, "theta does not count in your answer: that is clicks per clip shown")
    refuse_close(got, 10.2 / 6.1, "you took theta of the place below: position 1 is theta[0]")
    refuse_close(got, 2.1 / 6.1, "a click where few look is worth more, so divide by theta")
    refuse_close(got, 5.1 / 4, "that is IPS, divided by the rows; SNIPS divides by the sum of the weights")
    refuse_close(got, 5.1 / 11.1, "theta belongs to the outcome; in the weights it turns up below the line as well")
    refuse_close(got, 1.3 / 1.2, "that ignores what the old policy preferred: divide by logged as well")
    expect_close(got, 5.1 / 6.1, "the outcomes are 1, 0, 2, 1 and the weights 0.5, 3, 2, 0.6")
    expect_close(
        answer(clicks, positions, target, target, np.ones(3)), 0.75, "with equal policies it is the click rate"
    )
    return "Two chances had to come true before a click was seen; each is divided out where it belongs."


def boldest(weights: np.ndarray, least: float) -> float:
    w = np.asarray(weights, dtype=float)
    a = np.linspace(0, 1, 1_001)
    mixed = 1 + a[:, None] * (w - 1)
    enough = mixed.sum(axis=1) ** 2 / (mixed**2).sum(axis=1) >= least - 1e-9
    return float(a[enough].max()) if enough.any() else 0.0


def _scaled(weights: np.ndarray, least: float) -> float:
    w = np.asarray(weights, dtype=float)
    return 1.0 if w.sum() ** 2 / (w**2).sum() >= least else 0.0


def _linear(weights: np.ndarray, least: float) -> float:
    w = np.asarray(weights, dtype=float)
    pure = w.sum() ** 2 / (w**2).sum()
    return float(np.clip((len(w) - least) / (len(w) - pure), 0, 1))


def _other_share(weights: np.ndarray, least: float) -> float:
    return 1 - boldest(weights, least)


def _always(weights: np.ndarray, least: float) -> float:
    return 1.0


def _check_boldest(answer: Callable[..., Any]) -> str:
    weights = np.array([0.0] * 9 + [10.0])  # n_eff(a) = 10 / (1 + 9 a²)
    got = answer(weights, 5)
    refuse_close(got, 0.0, "multiplying all weights by a changes no effective size; the mixture has a w + 1 - a")
    refuse_close(got, 1.0, "at a = 1 the effective size is 1, and 5 were asked for")
    refuse_close(got, 5 / 9, "the effective size does not fall in a straight line; compute it for the mixture")
    refuse_close(got, 2 / 3, "that is the share left to the old policy; the new one's is asked for", rtol=2e-3)
    expect_close(got, 1 / 3, "at a = 1/3 one weight is 4 and nine are 2/3: 10² / (16 + 4) = 5", rtol=2e-3)
    expect_close(answer(weights, 1), 1.0, "the pure strategy has the effective size 1, so a may be 1", rtol=2e-3)
    expect_close(answer(weights, 2), 2 / 3, "10 / (1 + 9 a²) = 2 at a = 2/3", rtol=2e-3)
    expect_close(answer(weights, 11), 0.0, "ten rows never amount to eleven: return 0", atol=1e-3)
    return "This is how a log grows towards a strategy: a little of it, judged, then more of it."


EXERCISES = (
    Exercise(
        id="count-it-four-times",
        title="An estimate by hand",
        difficulty=1,
        minutes=5,
        prompt=r"""
            A log has four rows, and everybody looked. What was shown had the chances 0.5, 0.1, 0.25 and 0.5 under the
            old policy, and has 0.25, 0.4, 0.25 and 0.1 under the new one. The first two rows were clicked. What is
            $\hat V_{\mathrm{IPS}}$ of the new strategy?
        """,
        starter="estimate = ...",
        hints=(
            "The weight of a row is its chance under the new strategy over that under the old one.",
            "A row without a click adds nothing to the sum, but it is a row.",
        ),
        solution=1.125,
        solution_source="estimate = (0.25 / 0.5 + 0.4 / 0.1) / 4",
        check=_check_estimate,
        wrong=(
            (0.5, "what the old policy achieved"),
            (0.65, "that is replay"),
            (0.5625, "upside down"),
            (4.5 / 5.7, "that is SNIPS"),
            (4.5, "that is the sum"),
            (1.0, "0.5, 4, 1 and 0.2"),
        ),
    ),
    Exercise(
        id="chance-of-a-list",
        title="How likely was this list?",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Write `chance_of_list(weights, free, shown)` for one session: the probability that the lottery of
            {eq}`eq-43-lottery` fills it with exactly the clips `shown`, from the top down. `weights` has a number for
            each clip, and `free` says which clips may be drawn at the beginning.
        """,
        starter="""
            def chance_of_list(weights: np.ndarray, free: np.ndarray, shown: list) -> float:
                ...  # your code here
        """,
        hints=(
            "The first clip is drawn among all that are free. What has changed when the second is drawn?",
            "Keep an array of what is left, and set the weight of each drawn clip to 0 in it.",
            "All the draws must turn out as shown: multiply their chances.",
        ),
        solution=chance_of_list,
        check=_check_list,
        wrong=(
            (_put_back, "with replacement"),
            (_all_free, "clip 3 is not free"),
            (_any_order, "in any order"),
            (_added, "multiplied, not added"),
        ),
    ),
    Exercise(
        id="per-look",
        title="Two corrections in one estimate",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Write `per_look(clicks, positions, target, logged, theta)`: the self-normalised estimate
            {eq}`eq-43-snips` in clicks per look. The first four are arrays with a number for each row: the click (0 or
            1), the position (from 1), the chance of what was shown under the new strategy and under the old policy.
            `theta` holds the chance of a look for position 1, 2, …
        """,
        starter="""
            def per_look(clicks, positions, target, logged, theta) -> float:
                ...  # your code here; all but theta have a number for each row
        """,
        hints=(
            "Two chances are divided out: that of being shown in the weights, that of a look in the outcome.",
            "`theta[positions - 1]` has a number for each row.",
            "Below the line of SNIPS stands the sum of the weights, and no outcome.",
        ),
        solution=per_look,
        check=_check_per_look,
        wrong=(
            (_no_looks, "does not count"),
            (_next_place, "the place below"),
            (_times_theta, "so divide by theta"),
            (_by_rows, "that is IPS"),
            (_looks_in_weights, "belongs to the outcome"),
            (_replay, "what the old policy preferred"),
        ),
    ),
    Exercise(
        id="how-bold",
        title="How bold may the new strategy be?",
        difficulty=3,
        minutes=15,
        prompt=r"""
            A new strategy has the weights $w_e = \pi / \pi_0$ on the rows of a log. They are too uneven to judge it. So
            it shall fill only a share $a$ of the places, and the old policy the rest: a mixture
            $a \pi + (1 - a) \pi_0$. Write `boldest(weights, least)`, which returns the largest $a$ between 0 and 1, to
            three digits, for which the effective sample size of the mixture on this log is at least `least`, and 0 if
            there is none. You may take it that the effective size falls as $a$ grows.
        """,
        starter="""
            def boldest(weights: np.ndarray, least: float) -> float:
                ...  # your code here
        """,
        hints=(
            "Divide the mixture's probability by that of the old policy: what is its weight in a row?",
            "With weights 1 + a (w - 1), compute the effective size for one a first.",
            "Try a thousand and one values of a, or halve an interval again and again.",
        ),
        solution=boldest,
        check=_check_boldest,
        wrong=(
            (_scaled, "changes no effective size"),
            (_always, "5 were asked for"),
            (_linear, "in a straight line"),
            (_other_share, "left to the old policy"),
        ),
    ),
)

QUIZ = Quiz(
    id="4.3",
    questions=(
        Question(
            "A log was filled by popularity, and everybody looked at every place. A colleague takes the click rate of "
            "the rows that a new strategy would also have shown. What is that number?",
            (
                Option(
                    "The value of what both strategies like: too high, since popular clips are in it too often.",
                    True,
                    "What the old policy prefers, and people like, is over-represented among them.",
                ),
                Option(
                    "An unbiased estimate, if the log is long.", False, "A longer log has the same bias, more surely."
                ),
                Option(
                    "Nothing of use under any circumstances.", False, "On a log that was filled at random it is right."
                ),
            ),
        ),
        Question(
            "The mean of the weights π / π₀ over 30,000 rows is 0.6, and its interval is narrow. What follows?",
            (
                Option("The new strategy is worse than the old one.", False, "There is no click in a weight."),
                Option(
                    "The recorded chances are false, or the old policy shows some of it never, or too seldom.",
                    True,
                    "Else the mean is 1 but for luck. Heavy rows that never came are missing in the interval too.",
                ),
                Option("SNIPS repairs it.", False, "It divides by the mean, and so hides the alarm, not the fault."),
            ),
        ),
        Question(
            "Doubly robust, with true propensities, and a model that was trained on the wrong table. What happens?",
            (
                Option(
                    "The estimate is biased towards the model.", False, "Its errors are corrected where rows show them."
                ),
                Option(
                    "It is right on average, and less precise than with a good model.",
                    True,
                    "The correction cancels whatever the model says; a bad model only adds noise.",
                ),
                Option("It equals the direct method.", False, "Only if the weighted errors of the model sum to 0."),
            ),
        ),
        Question(
            "The new strategy often shows live streams. The old policy never did. What does IPS say of them?",
            (
                Option("It gives them large weights.", False, "No row shows one, so there is nothing to weigh."),
                Option("It estimates them from similar clips.", False, "That would take a model; IPS has none."),
                Option(
                    "It counts them as if nobody would click, without a word.",
                    True,
                    "Their share is missing from the sum. The mean weight, below 1, is the only trace.",
                ),
            ),
        ),
    ),
)
