"""Exercises of 5.1.8, which recommender: a diagnosis, a power law, two costs, a table that fools the rule."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from avrec_lib.data import Interactions, leave_last_out
from avrec_lib.data.profile import shuffle_order
from avrec_lib.evaluation import paired_difference, per_user
from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close
from avrec_lib.recommenders import EASE, FadingChain, Popularity


def _check_reading(answer: tuple[str, float]) -> str:
    model, ceiling = answer
    if model == "popularity":
        raise Wrong("popularity is for tables where neither is clear; here order is, and the rule asks for it first.")
    if model == "EASE":
        raise Wrong("the interval of the personal part holds 0; EASE alone needs it to be clear.")
    if model not in ("EASE + chain", ...):
        raise Wrong("the rule knows three names: popularity, EASE, and EASE + chain.")
    refuse_close(ceiling, 0.31, "that is the share that cannot be found; the ceiling is the rest", rtol=5e-3)
    refuse_close(ceiling, 1.0, "nobody is served whose hidden item has no row", rtol=5e-3)
    expect_close(ceiling, 0.69, "a hit is possible for every person whose hidden item has rows", rtol=5e-3)
    expect_close(model, "EASE + chain")
    return (
        "Order is clear, so the blend comes first. And 31 % new items ask for places of their own, filled by content."
    )


def seconds_at(sizes: np.ndarray, seconds: np.ndarray, size: float) -> float:
    x, y = np.log(sizes[-3:]), np.log(seconds[-3:])
    p, a = np.polyfit(x, y, 1)
    return float(np.exp(a + p * np.log(size)))


def _all_sizes(sizes: np.ndarray, seconds: np.ndarray, size: float) -> float:
    p, a = np.polyfit(np.log(sizes), np.log(seconds), 1)
    return float(np.exp(a + p * np.log(size)))


def _proportional(sizes: np.ndarray, seconds: np.ndarray, size: float) -> float:
    return float(seconds[-1] * size / sizes[-1])


def _straight(sizes: np.ndarray, seconds: np.ndarray, size: float) -> float:
    p, a = np.polyfit(sizes[-3:], seconds[-3:], 1)
    return float(a + p * size)


def _still_a_logarithm(sizes: np.ndarray, seconds: np.ndarray, size: float) -> float:
    return float(np.log(seconds_at(sizes, seconds, size)))


def _check_power(answer: Callable[..., Any]) -> str:
    sizes = np.array([1e4, 1e5, 1e6, 3e6, 1e7])
    seconds = np.array([0.05, 0.09, 0.5, 1.9, 8.0])
    got = answer(sizes, seconds, 1e8)
    refuse_close(got, _all_sizes(sizes, seconds, 1e8), "you used all five sizes; take the last three", rtol=1e-3)
    refuse_close(got, _proportional(sizes, seconds, 1e8), "you took p for 1; fit the slope", rtol=1e-3)
    refuse_close(
        got, _straight(sizes, seconds, 1e8), "that is a line on plain axes; take logarithms of both", rtol=1e-3
    )
    refuse_close(
        got, _still_a_logarithm(sizes, seconds, 1e8), "that is the logarithm of the seconds; undo it", rtol=1e-3
    )
    expect_close(got, seconds_at(sizes, seconds, 1e8), "fit log seconds on log size, last three sizes", rtol=1e-3)
    expect_close(answer(sizes, 2e-6 * sizes, 1e8), 200.0, "where seconds are in proportion to size, they stay so")
    return (
        "About two and a half minutes, if the law holds a decade past the last measurement. A table of 10⁸ rows may "
        "leave the memory long before; that no slope knows."
    )


def undominated(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    at_least = (scores[:, None] >= scores) & (costs[:, None] <= costs[None]).all(axis=2)  # (n, n): row no worse
    strictly = (scores[:, None] > scores) | (costs[:, None] < costs[None]).any(axis=2)
    return np.asarray(~(at_least & strictly).any(axis=0))


def _first_cost(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return undominated(costs[:, :1], scores)


def _any_cost(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    worse = (scores[:, None] > scores) & (costs[:, None] <= costs[None]).any(axis=2)
    return np.asarray(~worse.any(axis=0))


def _sum_of_costs(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return undominated(costs.sum(axis=1, keepdims=True), scores)


def _not_strictly(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    worse = (scores[:, None] >= scores) & (costs[:, None] <= costs[None]).all(axis=2)
    np.fill_diagonal(worse, False)
    return np.asarray(~worse.any(axis=0))


def _turned(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return ~undominated(costs, scores)


def _check_undominated(answer: Callable[..., Any]) -> str:
    # the list, a dear fit, a dear request, one that is beaten, the second's twin, the fastest to serve, a middle way
    costs = np.array([[0.0, 0.1], [9.0, 0.2], [1.0, 5.0], [9.5, 0.3], [9.0, 0.2], [12.0, 0.05], [2.0, 0.15]])
    scores = np.array([0.04, 0.12, 0.12, 0.11, 0.12, 0.10, 0.08])
    got = np.asarray(answer(costs, scores))
    if got.shape != (7,):
        raise Wrong("return one value for each model: an array of seven.")
    refuse_close(got, _turned(costs, scores), "these are the models off the frontier")
    refuse_close(got, _not_strictly(costs, scores), "two equal models throw each other out; one must be better")
    refuse_close(got, _first_cost(costs, scores), "you look at one cost; the second may pay for the first")
    refuse_close(got, _any_cost(costs, scores), "being no dearer in either is not enough; it takes both")
    refuse_close(got, _sum_of_costs(costs, scores), "seconds and milliseconds have no sum; compare column by column")
    expect_close(got, undominated(costs, scores), "only the fourth of the seven is beaten by another")
    return "With two costs the frontier is larger: a model that is dear to fit may be cheap to serve, and stays."


def _walks(length: int, n_users: int = 400, n_items: int = 50) -> Interactions:
    start = np.random.default_rng(0).integers(n_items, size=n_users)
    step = np.arange(length)
    frame = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(n_users), length),
            "item_id": ((start[:, None] + step) % n_items).ravel(),
            "timestamp": np.tile(step, n_users),
        }
    )
    return Interactions.from_frame(frame)


def _at_random() -> Interactions:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user_id": np.repeat(np.arange(400), 3), "timestamp": np.tile(np.arange(3), 400)})
    return Interactions.from_frame(
        frame.assign(item_id=rng.permuted(np.tile(np.arange(50), (400, 1)), axis=1)[:, :3].ravel())
    )


def _check_fooled(answer: Interactions) -> str:
    if answer.n_users < 200:
        raise Wrong(f"the table has {answer.n_users} people; take at least 200, so that it is not luck.")
    split = leave_last_out(answer)
    try:
        inner = leave_last_out(split.train)
    except ValueError:
        raise Wrong("after the test row nobody has two rows left, so no diagnosis can be made; one row more.") from None
    popular = per_user(Popularity(), inner)
    shuffled = replace(inner, train=shuffle_order(inner.train))
    if paired_difference(per_user(FadingChain(), inner), per_user(FadingChain(), shuffled)).low > 0:
        raise Wrong("the rule is not fooled: order is clear in the diagnosis.")
    if paired_difference(per_user(EASE(), inner), popular).low > 0:
        raise Wrong("the rule is not fooled: the personal part is clear in the diagnosis.")
    gain = paired_difference(per_user(FadingChain(), split), per_user(Popularity(), split))
    if gain.low < 0.2:
        raise Wrong(f"the rule says popularity, but the chain gains only {gain.mean:.3f}; it must be clearly 0.2.")
    return (
        "A diagnosis sees one row less of everybody than the model that is fitted after it. With histories so short, "
        "that row was all there was to see. Ask first how many rows are left to diagnose."
    )


EXERCISES = (
    Exercise(
        id="read-a-diagnosis",
        title="A shop's diagnosis",
        difficulty=1,
        minutes=5,
        prompt="""
            A shop hid one row of each customer and found: personal +0.004 [−0.001, +0.009], order +0.012
            [+0.005, +0.019], `new_items` 0.31. Which of `"popularity"`, `"EASE"` and `"EASE + chain"` does the
            page's `first_choice` take? And which hit rate can no model exceed that knows an item only by its rows?
        """,
        starter="reading = ..., ...  # a name, a number",
        hints=(
            "`first_choice` asks its two questions in an order. What does it ask first?",
            "A person whose hidden item has no row can never be a hit. How many of a hundred people are left?",
        ),
        solution=("EASE + chain", 0.69),
        solution_source='reading = "EASE + chain", 1 - 0.31',
        check=_check_reading,
        wrong=(
            (("popularity", 0.69), "neither is clear"),
            (("EASE", 0.69), "to be clear"),
            (("ALS", 0.69), "three names"),
            (("EASE + chain", 0.31), "the ceiling is the rest"),
            (("EASE + chain", 1.0), "nobody is served"),
            (("EASE + chain", 0.5), "whose hidden item has rows"),
            (0.69, "expected a list"),
        ),
    ),
    Exercise(
        id="a-hundred-million-rows",
        title="A hundred million rows",
        difficulty=2,
        minutes=8,
        prompt=r"""
            Write `seconds_at(sizes, seconds, size)`: what a fit costs at `size`, by the power law through the **last
            three** measured sizes (least squares on the logarithms). The arrays are sorted by size. It will be asked
            about $10^8$ rows, with measurements up to $10^7$.
        """,
        starter="""
            def seconds_at(sizes, seconds, size):
                ...  # your code here
        """,
        hints=(
            r"On logarithmic axes the law is a line: $\log c = \log a + p \log n$.",
            "`np.polyfit(x, y, 1)` returns the slope and the height of the best line. `np.exp` undoes `np.log`.",
        ),
        solution=seconds_at,
        check=_check_power,
        wrong=(
            (_all_sizes, "all five sizes"),
            (_proportional, "p for 1"),
            (_straight, "plain axes"),
            (_still_a_logarithm, "undo it"),
        ),
    ),
    Exercise(
        id="two-costs",
        title="A frontier with two costs",
        difficulty=2,
        minutes=10,
        prompt=r"""
            A fit costs seconds, and each request milliseconds. Write `undominated(costs, scores)` for `costs` of shape
            $(n, 2)$ and `scores` of shape $(n,)$: a bool array that is True for each model that no other dominates.
            A model dominates another if both its costs are no higher, its score is no lower, and at least one of the
            three is strictly better.
        """,
        starter="""
            def undominated(costs, scores):
                ...  # your code here
        """,
        hints=(
            "A double loop will do: for each model, look for another that dominates it.",
            "Without loops: `scores[:, None] >= scores` compares all pairs; for the costs add `.all(axis=2)`.",
        ),
        solution=undominated,
        check=_check_undominated,
        wrong=(
            (_first_cost, "one cost"),
            (_any_cost, "no dearer in either"),
            (_sum_of_costs, "column by column"),
            (_not_strictly, "throw each other out"),
            (_turned, "off the frontier"),
        ),
    ),
    Exercise(
        id="fool-the-rules",
        title="A table that fools the rule",
        difficulty=3,
        minutes=15,
        prompt="""
            Make a table of at least 200 people on which the page's `first_choice` says popularity, while `FadingChain`
            alone beats it in the test by 0.2 of NDCG@10 or more, at the lower end of the interval. Test and diagnosis
            are hidden as on the page, by `leave_last_out`.
        """,
        starter="""
            from avrec_lib.data import Interactions

            frame = ...  # a data frame with user_id, item_id and timestamp
            fooled = ...  # Interactions.from_frame(frame)
        """,
        hints=(
            "The test takes one row of each person and the diagnosis another. What can a chain count in what is left?",
            "Put 50 items on a circle. Each person begins somewhere and walks on, item by item. How many steps?",
        ),
        solution=_walks(3),
        solution_source="""
            from avrec_lib.data import Interactions

            start = np.random.default_rng(0).integers(50, size=400)
            walked = (start[:, None] + np.arange(3)) % 50  # (400, 3): a start and two steps on a circle of 50
            frame = pd.DataFrame({"user_id": np.repeat(np.arange(400), 3), "item_id": walked.ravel()})
            frame["timestamp"] = np.tile(np.arange(3), 400)
            fooled = Interactions.from_frame(frame)
        """,
        check=_check_fooled,
        wrong=(
            (_walks(6), "order is clear"),
            (_walks(2), "no diagnosis can be made"),
            (_walks(3, n_users=100), "at least 200"),
            (_at_random(), "gains only"),
            (42, "expected a Interactions"),
        ),
    ),
)

QUIZ = Quiz(
    id="5.1.8",
    questions=(
        Question(
            "Model A has a higher NDCG than B and costs less to fit. C has the highest of all and costs most. Who is "
            "on the frontier?",
            (
                Option("A and C.", True, "B is beaten by A in both; nobody beats A or C in both."),
                Option("Only C, the best.", False, "A is cheaper than C, so C does not beat it in both."),
                Option("Only A, the best for its price.", False, "Nothing is as good as C, whatever it costs."),
            ),
        ),
        Question(
            "Why does the diagnosis hide rows of the training table once more?",
            (
                Option("To make the table smaller and the look faster.", False, "It is hardly smaller."),
                Option(
                    "So that the choice it leads to has not seen the test rows.",
                    True,
                    "A model that was chosen on the test has its luck there in its score.",
                ),
                Option("Because intervals need two splits.", False, "They come from drawing people again."),
            ),
        ),
        Question(
            "A chain does no better than on shuffled histories. What follows?",
            (
                Option("There is no order in this table.", False, "Perhaps the histories are too short to show it."),
                Option("A network that reads sequences must fail.", False, "It was not tried, and may see further."),
                Option(
                    "Order was not shown, so start with a model that does not need it.",
                    True,
                    "And look again when the histories are longer.",
                ),
            ),
        ),
        Question(
            "On the clips no personal model beats the best-seller list. What should one do first?",
            (
                Option("Train a larger network.", False, "Nothing says that it would see more in the same log."),
                Option(
                    "Find out who filled the lists, and have a share of them drawn by lot.",
                    True,
                    "On clicks by lot every model told the clicked clip from an equally popular one.",
                ),
                Option(
                    "Conclude that all viewers like the same.",
                    False,
                    "Of two equally popular clips models prefer the clicked one.",
                ),
            ),
        ),
    ),
)
