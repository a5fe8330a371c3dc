"""Exercises of 6.2.5, attention and the Transformer block: masks, scale, leaks and cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, expect_equal, refuse_close
from avrec_lib.nn.attention import multi_head_attention, scaled_dot_product_attention

Attend = Callable[[np.ndarray], np.ndarray]


def attend(Q: np.ndarray, K: np.ndarray, V: np.ndarray, keep: np.ndarray) -> np.ndarray:
    scores = np.where(keep, Q @ K.T / np.sqrt(Q.shape[1]), -np.inf)  # (T_q, T_k)
    largest = scores.max(axis=1, keepdims=True)
    e = np.exp(scores - np.where(np.isneginf(largest), 0, largest))  # masked: exp(−∞) = 0
    total = e.sum(axis=1, keepdims=True)
    output: np.ndarray = e / np.where(total > 0, total, 1) @ V
    return output


def _with_scores(scores: np.ndarray, keep: np.ndarray, V: np.ndarray, axis: int = 1) -> np.ndarray:
    e = np.exp(scores - scores.max(axis=axis, keepdims=True)) * keep
    total = e.sum(axis=axis, keepdims=True)
    output: np.ndarray = e / np.where(total > 0, total, 1) @ V
    return output


def _no_scale(Q: np.ndarray, K: np.ndarray, V: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return _with_scores(Q @ K.T, keep, V)


def _wrong_axis(Q: np.ndarray, K: np.ndarray, V: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return _with_scores(Q @ K.T / np.sqrt(Q.shape[1]), keep, V, axis=0)


def _big_negative(Q: np.ndarray, K: np.ndarray, V: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return _with_scores(np.where(keep, Q @ K.T / np.sqrt(Q.shape[1]), -1e6), np.ones_like(keep), V)


def _masked_too_late(Q: np.ndarray, K: np.ndarray, V: np.ndarray, keep: np.ndarray) -> np.ndarray:
    scores = Q @ K.T / np.sqrt(Q.shape[1])
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    output: np.ndarray = e / e.sum(axis=1, keepdims=True) * keep @ V
    return output


def _zero_scores(Q: np.ndarray, K: np.ndarray, V: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return _with_scores(Q @ K.T / np.sqrt(Q.shape[1]) * keep, np.ones_like(keep), V)


def _polarity(Q: np.ndarray, K: np.ndarray, V: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return attend(Q, K, V, ~keep)


def _overflows(Q: np.ndarray, K: np.ndarray, V: np.ndarray, keep: np.ndarray) -> np.ndarray:
    e = np.exp(Q @ K.T / np.sqrt(Q.shape[1])) * keep
    total = e.sum(axis=1, keepdims=True)
    output: np.ndarray = e / np.where(total > 0, total, 1) @ V
    return output


def _check_attend(answer: Callable[..., Any]) -> str:
    Q, K = np.array([[1.0, 2.0], [3.0, 5.0]]), np.sqrt(2) * np.eye(2)  # scores after the division: Q itself
    V, all_kept = np.eye(2), np.ones((2, 2), dtype=bool)
    got = answer(Q, K, V, all_kept)
    refuse_close(got, _no_scale(Q, K, V, all_kept), "you do not divide the scores by √d, here √2")
    refuse_close(
        got, _wrong_axis(Q, K, V, all_kept), "your weights sum to 1 down the columns; each query needs its own"
    )
    refuse_close(got, np.zeros((2, 2)), "with every key kept you return zeros: True means keep")
    expect_close(got, attend(Q, K, V, all_kept), "with nothing masked")
    half = np.array([[True, False], [True, True]])
    got = answer(Q, K, V, half)
    refuse_close(
        got, _masked_too_late(Q, K, V, half), "you mask the weights after the softmax, so the others do not sum to 1"
    )
    refuse_close(got, _zero_scores(Q, K, V, half), "you set masked scores to 0; e to the 0 is 1, so they still count")
    expect_close(got, attend(Q, K, V, half), "with one key masked, the other gets all of the weight")
    none = np.array([[True, True], [False, False]])
    got = answer(Q, K, V, none)
    refuse_close(
        np.asarray(got)[1], [0.5, 0.5], "a query without any key outputs the mean of what is hidden, not zeros"
    )
    expect_close(got, attend(Q, K, V, none), "a query without any key must output zeros")
    expect_close(
        answer(400 * Q, K, V, all_kept),
        attend(400 * Q, K, V, all_kept),
        "with scores of 2000, subtract the largest first",
    )
    return "The row without keys is where implementations differ: zeros, the mean of everything, or NaN."


def _first_weight(divisor: float) -> float:
    return float(np.exp(2 / divisor) / (np.exp(2 / divisor) + 1))


def _check_head_scale(answer: tuple[float, float]) -> str:
    got = np.asarray(answer, dtype=float)
    if got.shape != (2,):
        raise Wrong("give two numbers: `weights = (…, …)`")
    refuse_close(got, [_first_weight(2), _first_weight(np.sqrt(2))], "the right one comes first: swap them", rtol=1e-3)
    refuse_close(got[0], _first_weight(1), "in the first you do not divide the score at all", rtol=1e-3)
    refuse_close(got[0], 1 - _first_weight(np.sqrt(2)), "that is the weight of the other key", rtol=1e-3)
    expect_close(got[0], 0.804430, "the scores are 2 and 0, divided by the square root of one head's width", rtol=1e-3)
    expect_close(got[1], 0.731059, "the second divides the same scores by √4, the model's width", rtol=1e-3)
    return "No error is raised for the second, and every weight of every head is blurred."


def leaks(attend: Callable[[np.ndarray], np.ndarray], X: np.ndarray) -> bool:
    before = attend(X)
    for t in range(len(X) - 1):
        changed = X.copy()
        changed[t + 1 :] = np.random.default_rng(t).normal(size=changed[t + 1 :].shape)
        if not np.allclose(attend(changed)[: t + 1], before[: t + 1]):
            return True
    return False


def _changes_only_the_last(attend: Attend, X: np.ndarray) -> bool:
    changed = X.copy()
    changed[-1] += 1
    return not np.allclose(attend(changed)[:-1], attend(X)[:-1])


def _compares_everything(attend: Attend, X: np.ndarray) -> bool:
    changed = X.copy()
    changed[-1] += 1
    return not np.allclose(attend(changed), attend(X))


def _changes_the_first(attend: Attend, X: np.ndarray) -> bool:
    changed = X.copy()
    changed[0] += 1
    return not np.allclose(attend(changed)[1:], attend(X)[1:])


def _always_clean(attend: Attend, X: np.ndarray) -> bool:
    return False


def _masked(keep: np.ndarray) -> Attend:
    return lambda X: scaled_dot_product_attention(X, X, X, keep)[0]


def _layer(keep: np.ndarray) -> Attend:
    rng = np.random.default_rng(3)
    params = {f"W_{name}": rng.normal(size=(4, 4)) for name in "QKVO"}
    return lambda X: multi_head_attention(X, params, 2, keep)[0]


def _check_leaks(answer: Callable[..., Any]) -> str:
    X = np.random.default_rng(7).normal(size=(5, 4))
    causal, everything = np.tri(5, dtype=bool), np.ones((5, 5), dtype=bool)
    one_ahead, small_leak = np.tri(5, k=1, dtype=bool), causal.copy()
    small_leak[0, 1] = True
    cases = (
        (np.exp, False, "a layer that treats each row by itself can't leak: compare only the rows before the change"),
        (_masked(everything), True, "attention without any mask looks ahead, and you say it does not"),
        (_masked(causal), False, "causal attention does not leak: a change may move its own row and later ones"),
        (_masked(one_ahead), True, "a mask that lets each position see the next one leaks, and you miss it"),
        (
            _masked(small_leak),
            True,
            "here only row 0 looks ahead, at row 1, and you miss it: change more than the last row",
        ),
        (_layer(causal), False, "a causal layer of two heads does not leak"),
        (lambda X: np.roll(X, -1, axis=0), True, "shifting the sequence by one hands each position its successor"),
        (lambda X: np.cumsum(X, axis=0), False, "a running sum looks only back"),
    )
    for layer, leaking, message in cases:
        got = answer(layer, X)
        if not isinstance(got, (bool, np.bool_)):
            raise Wrong(f"return True or False, not {type(got).__name__}")
        expect_equal(bool(got), leaking, message)
    return "The test works on any layer, whatever is inside it. Keep it next to every sequence model you train."


def _check_square(answer: float) -> str:
    refuse_close(
        answer, 128, "that is where the pairs cost as much as the four projections; count the feed-forward part"
    )
    refuse_close(answer, 768, "each pair costs d twice: once for its score, once for its share of the output")
    refuse_close(answer, 64, "T = d equates T²d with Td²; both have factors in front")
    expect_close(answer, 384, "set 2T²d equal to 12Td² and solve for T")
    return "Below T = 6d a block is mostly matrix products; that is why short histories never feel the square."


EXERCISES = (
    Exercise(
        id="masked-attention",
        title="Attention with a mask",
        difficulty=2,
        minutes=15,
        prompt=r"""
            Write `attend(Q, K, V, keep)`, which returns
            $\operatorname{softmax}(\mathbf{Q}\mathbf{K}^\top/\sqrt{d_h})\,\mathbf{V}$. `keep` is a boolean table of
            queries × keys; a key that is not kept gets weight 0, and the other weights sum to 1. A query without
            any key outputs zeros. Scores may be in the thousands.
        """,
        starter="""
            def attend(Q: np.ndarray, K: np.ndarray, V: np.ndarray, keep: np.ndarray) -> np.ndarray:
                ...  # your code here
        """,
        hints=(
            r"Set the hidden scores to $-\infty$ with `np.where` before the exponential.",
            "Subtract each row's largest score. If the largest is −∞, subtract 0 instead.",
            "A row whose exponentials sum to 0 can be divided by 1.",
        ),
        solution=attend,
        check=_check_attend,
        wrong=(
            (_no_scale, "do not divide the scores"),
            (_wrong_axis, "down the columns"),
            (_masked_too_late, "after the softmax"),
            (_zero_scores, "still count"),
            (_big_negative, "the mean of what is hidden"),
            (_polarity, "True means keep"),
            (_overflows, "NaN"),
        ),
    ),
    Exercise(
        id="head-scale",
        title="Which width under the root?",
        difficulty=1,
        minutes=5,
        prompt=r"""
            A model of width $d = 4$ has $h = 2$ heads. In one head the query is $(1, 1)$ and the keys are
            $(1, 1)$ and $(0, 0)$. Which weight does the first key get? And which would it get from code with the bug,
            which divides by $\sqrt{d}$?
        """,
        starter="weights = ...  # two numbers: divided as it should be, divided by the root of d",
        hints=("The scores before the division are 2 and 0.", r"The vectors multiplied have length $d_h = d/h$."),
        solution=(_first_weight(np.sqrt(2)), _first_weight(2)),
        solution_source="weights = [np.exp(2 / root) / (np.exp(2 / root) + 1) for root in (np.sqrt(2), np.sqrt(4))]",
        check=_check_head_scale,
        wrong=(
            ((0.731059, 0.804430), "swap them"),
            ((0.880797, 0.731059), "at all"),
            ((0.195570, 0.731059), "the other key"),
            ((0.5, 0.731059), "the square root of one head's width"),
            ((0.804430, 0.880797), "the same scores by √4"),
        ),
    ),
    Exercise(
        id="find-the-leak",
        title="Does it look into the future?",
        difficulty=3,
        minutes=20,
        prompt=r"""
            Write `leaks(attend, X)`. `attend` is any layer that turns a sequence $X \in \mathbb{R}^{T \times d}$
            into another of the same length. Return `True` if some output row depends on an input row after it,
            else `False`. You may call `attend` as often as you like, but not look inside.
        """,
        starter="""
            def leaks(attend, X: np.ndarray) -> bool:
                ...  # your code here
        """,
        hints=(
            "Change some input rows, call `attend` again, and compare the rows that must not move.",
            "Changing only the last row misses a leak from row 1 to row 0. Try every place to cut.",
            "After a change from row $t + 1$ on, output rows $0, …, t$ must stay. `np.allclose` compares.",
        ),
        solution=leaks,
        check=_check_leaks,
        wrong=(
            (_changes_only_the_last, "change more than the last row"),
            (_compares_everything, "each row by itself"),
            (_changes_the_first, "may move its own row"),
            (_always_clean, "without any mask looks ahead"),
        ),
    ),
    Exercise(
        id="where-the-square-begins",
        title="Where the square begins to hurt",
        difficulty=2,
        minutes=8,
        prompt=r"""
            A Transformer block has width $d = 64$ and a feed-forward part of width $4d$. At which length $T$ do the
            $T^2$ pairs take half of its multiply–adds? Predict first; then confirm it with `layer_cost`.
        """,
        starter="T_half = ...  # positions",
        hints=(
            "The block costs $12Td^2 + 2T^2d$: four projections, a feed-forward part of $8Td^2$, and the pairs.",
            "Half means that the two terms are equal.",
        ),
        solution=384,
        solution_source="T_half = 6 * 64  # 2 T² d = 12 T d², so T = 6 d",
        check=_check_square,
        wrong=((128, "count the feed-forward part"), (768, "twice"), (64, "factors in front"), (1000, "solve for T")),
    ),
)

QUIZ = Quiz(
    id="6.2.5",
    questions=(
        Question(
            "In one head $W^Q$ is all zeros. What does the head output?",
            (
                Option(
                    "Zeros.", False, r"The queries are zero, but the values are not: $\mathbf{V} = XW^V$ is untouched."
                ),
                Option(
                    "The plain mean of the values, the same at every position.",
                    True,
                    "Every score is 0, so every weight is $1/T$. This is how the page builds its plain mean.",
                ),
                Option("The values, each in its own place.", False, "That needs each query to pick out its own key."),
            ),
        ),
        Question(
            "A block without positions and without a mask reads a history of 50 films. You shuffle the first 49. "
            "What happens to the output at the last film?",
            (
                Option(
                    "Nothing.",
                    True,
                    "It is a weighted mean over a set; the weights and values of the films moved along with them.",
                ),
                Option(
                    "It changes, because the rows of the weights are shuffled.",
                    False,
                    "The rows of the other 49 queries move; in the last row only the order of the terms changes.",
                ),
                Option(
                    "It changes, unless the causal mask is on.",
                    False,
                    "Under a causal mask the last row sees all films too; but the *earlier* rows would change.",
                ),
            ),
        ),
        Question(
            "Why are scores divided by the root of the head's width?",
            (
                Option(
                    "So that the weights sum to 1.", False, "The softmax does that, whatever the scale of the scores."
                ),
                Option(
                    "So that the softmax does not start out saturated, where its derivative is nearly 0.",
                    True,
                    "A product of two random vectors has variance $d_h$; the division brings it back to 1.",
                ),
                Option(
                    "Because keys have that length.",
                    False,
                    "A random key has length about $\\sqrt{d_h}$, and dividing by it would give a cosine only if both "
                    "lengths were divided out. The division fixes a scale, it does not normalise.",
                ),
            ),
        ),
        Question(
            "A colleague's next-film model reaches 99 % in training and recommends nonsense. "
            "Which of these would explain it?",
            (
                Option(
                    "The causal mask was left out in training.",
                    True,
                    "Each position could read the next film, which was the answer. In service there is none to read.",
                ),
                Option(
                    "Scores were divided by the root of $d$ instead of $d_h$.",
                    False,
                    "That blurs the weights; it lets nobody see the answer.",
                ),
                Option(
                    "Padding was not masked.",
                    False,
                    "That adds noise to short histories. The padding does not hold the answer.",
                ),
            ),
        ),
    ),
)
