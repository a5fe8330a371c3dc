"""Exercises of 6.3, the worked examples: rank, attention by hand, invariants, and the cell that is not a zero."""

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
TABLE: Floats = np.array([[3.0, 2, 1], [4, 5, 0], [1, 2, 3]])
TOKENS: Floats = np.array([[1.0, 0, 1], [1, 1, 0], [0, 1, 1]])


def rank_error(R: Floats, k: int) -> float:
    sigma = np.linalg.svd(R, compute_uv=False)
    return float(np.sum(sigma[k:] ** 2))


def _kept(R: Floats, k: int) -> float:
    return float(np.sum(np.linalg.svd(R, compute_uv=False)[:k] ** 2))


def _not_squared(R: Floats, k: int) -> float:
    return float(np.sum(np.linalg.svd(R, compute_uv=False)[k:]))


def _only_next(R: Floats, k: int) -> float:
    return float(np.linalg.svd(R, compute_uv=False)[k] ** 2)


def _check_rank_error(answer: Callable[..., Any]) -> str:
    got = answer(TABLE, 1)
    refuse_close(got, _kept(TABLE, 1), "that is what the k largest keep; the error is what the others would have added")
    refuse_close(got, _not_squared(TABLE, 1), "you add the singular values; the squared error adds their squares")
    refuse_close(got, _only_next(TABLE, 1), "you count only the first value that is cut off; all after k are lost")
    expect_close(got, rank_error(TABLE, 1), "with k = 1, two squared singular values are lost")
    expect_close(answer(TABLE, 2), rank_error(TABLE, 2), "with k = 2, one is lost")
    expect_close(answer(TABLE, 3), 0.0, "with k = 3 nothing is lost", atol=1e-9)
    return "No factorisation of this rank, by any method, can be closer over all nine cells."


def attention_row(X: Floats, t: int) -> Floats:
    scores = X @ X[t] / np.sqrt(X.shape[1])
    weights = np.exp(scores - scores.max())
    row: Floats = weights / weights.sum() @ X
    return row


def _unscaled(X: Floats, t: int) -> Floats:
    weights = np.exp(X @ X[t])
    row: Floats = weights / weights.sum() @ X
    return row


def _weights_only(X: Floats, t: int) -> Floats:
    weights = np.exp(X @ X[t] / np.sqrt(X.shape[1]))
    row: Floats = weights / weights.sum()
    return row


def _divided_by_d(X: Floats, t: int) -> Floats:
    weights = np.exp(X @ X[t] / X.shape[1])
    row: Floats = weights / weights.sum() @ X
    return row


def _check_attention_row(answer: Callable[..., Any]) -> str:
    for t in (0, 2):
        got = answer(TOKENS, t)
        refuse_close(got, _unscaled(TOKENS, t), "the scores are not divided by the root of d")
        refuse_close(got, _divided_by_d(TOKENS, t), "you divide the scores by d; divide by its root")
        refuse_close(got, _weights_only(TOKENS, t), "those are the weights; use them to average the rows of X")
        expect_close(got, attention_row(TOKENS, t), f"row {t} is an average of the rows of X", rtol=1e-4)
    wide = np.linspace(-1, 1, 20).reshape(4, 5)
    expect_close(answer(wide, 1), attention_row(wide, 1), "it should hold for any number of tokens and any width")
    return "Any row sums to 2, as every row of X does: an average cannot leave what it averages."


def _check_impossible(answer: set[str]) -> str:
    if answer == {"A", "B", "C", "D"}:
        expect_equal(answer, {"A", "C"}, "B and D are averages of the rows: try to find their weights")
    if "D" in answer and answer != {"A", "C"}:
        expect_equal(answer, {"A", "C"}, "equal weights give D: attention may look at everything alike")
    if "C" not in answer:
        expect_equal(answer, {"A", "C"}, "the sum is not the only bound: an average of numbers up to 1 is at most 1")
    expect_equal(answer, {"A", "C"}, "check the sum of each row, then the bounds of each entry")
    return "A fails the sum, C the bound: two cheap invariants. B is possible, with the weights 0.4, 0.5 and 0.1."


def _check_gap(answer: float) -> str:
    refuse_close(
        answer, 20.6736, "that is the error over all nine cells; the question is what the ninth adds", rtol=1e-3
    )
    refuse_close(answer, 17.8432, "that is the error over the eight ratings", rtol=1e-3)
    refuse_close(answer, 1.68, "that is the prediction; the loss adds the square of how far it is from 0", rtol=1e-3)
    expect_close(answer, 1.68**2, "the factors predict a rating for the empty cell; how far is it from 0?", rtol=2e-3)
    return "A loss over all cells charges the model this much for not predicting a zero that nobody gave."


EXERCISES = (
    Exercise(
        id="rank-error",
        title="What a rank cannot reach",
        difficulty=2,
        minutes=8,
        prompt=r"""
            Write `rank_error(R, k)`: the smallest squared error $\lVert R - X \rVert^2$ that a matrix
            $X$ of rank $k$ can have, over all cells.
        """,
        starter="""
            def rank_error(R, k):
                ...  # your code here
        """,
        hints=(
            "The singular values of $R$ say it all; `np.linalg.svd(R, compute_uv=False)` returns them, largest first.",
            r"The best matrix keeps the first $k$. Its squared error is $\sum_{l > k} \sigma_l^2$.",
        ),
        solution=rank_error,
        check=_check_rank_error,
        wrong=(
            (_kept, "what the k largest keep"),
            (_not_squared, "adds their squares"),
            (_only_next, "only the first value that is cut off"),
        ),
    ),
    Exercise(
        id="attention-row",
        title="One row of attention",
        difficulty=2,
        minutes=12,
        prompt=r"""
            Write `attention_row(X, t)`: row `t` (counted from 0) of
            $\operatorname{softmax}(X X^\top / \sqrt d)\, X$, where $d$ is the width of $X$.
            Use NumPy, and compute only what this row needs.
        """,
        starter="""
            def attention_row(X, t):
                ...  # your code here
        """,
        hints=(
            "The scores are the inner products of `X[t]` with every row of `X`, divided by the root of the width.",
            "The softmax of the scores gives one weight a token; the row is the weighted average `weights @ X`.",
        ),
        solution=attention_row,
        check=_check_attention_row,
        wrong=(
            (_unscaled, "not divided by the root"),
            (_divided_by_d, "divide by its root"),
            (_weights_only, "those are the weights"),
        ),
    ),
    Exercise(
        id="impossible-outputs",
        title="Which outputs are impossible?",
        difficulty=2,
        minutes=5,
        prompt=r"""
            $X$ is the three-token matrix of the page, and there are no projections. Someone shows you four
            rows and says each is an output of attention on $X$, with unknown weights:

            - A: $(0.9, 0.6, 0.4)$
            - B: $(0.9, 0.6, 0.5)$
            - C: $(1.1, 0.6, 0.3)$
            - D: $(2/3, 2/3, 2/3)$

            Which of them are impossible? Answer with a set of letters.
        """,
        starter='impossible = ...  # a set of letters, such as {"A", "B"}',
        hints=(
            "Every output row is an average of the rows of $X$. What do the rows of $X$ have in common?",
            "The rows sum to 2, and no entry of $X$ is above 1 or below 0. An average keeps both.",
        ),
        solution={"A", "C"},
        solution_source='impossible = {"A", "C"}  # A sums to 1.9; C has an entry above 1',
        check=_check_impossible,
        wrong=(({"A"}, "at most 1"), ({"A", "C", "D"}, "alike"), ({"A", "B", "C"}, "check the sum")),
    ),
    Exercise(
        id="gap-as-zero",
        title="The price of a gap",
        difficulty=1,
        minutes=4,
        prompt=r"""
            By how much does the squared error of the article's factors $P$, $Q$ rise when the empty cell of $R$
            is counted as a rating of 0? Compute it by hand to two decimals or in a cell.
        """,
        starter="extra_error = ...  # a number",
        hints=(
            "Only one term of the sum changes: viewer 2 and film 3.",
            r"The prediction there is $0.6 \cdot 1.4 + 1.4 \cdot 0.6$, and the rating is taken to be 0.",
        ),
        solution=(0.6 * 1.4 + 1.4 * 0.6) ** 2,
        solution_source="extra_error = (0 - (0.6 * 1.4 + 1.4 * 0.6)) ** 2",
        check=_check_gap,
        wrong=((20.6656, "over all nine cells"), (17.8432, "over the eight ratings"), (1.68, "that is the prediction")),
    ),
)

QUIZ = Quiz(
    id="6.3",
    questions=(
        Question(
            "Two models fit the eight ratings equally well and disagree about the ninth by two stars. Which is right?",
            (
                Option("The one with the smaller training error.", False, "They are equal there; it cannot decide."),
                Option(
                    "The eight ratings cannot say.", True, "Only a prior wish, such as small factors, or more data can."
                ),
                Option(
                    "The one with more factors.", False, "More freedom makes the ninth cell less certain, not more."
                ),
            ),
        ),
        Question(
            "The best rank-2 approximation of $R$ puts almost 0 in the empty cell. Why?",
            (
                Option(
                    "Viewer 2 would dislike film 3.",
                    False,
                    "Nothing in the data says so. The 0 stands for a rating that was never given.",
                ),
                Option(
                    "It was asked to be close to the table, and the table has a 0 there.",
                    True,
                    "The SVD cannot tell a gap from a rating. A loss over observed entries can.",
                ),
            ),
        ),
        Question(
            "Every entry of a film's vector is doubled. What becomes of its cosine and inner product with a profile?",
            (
                Option("Both double.", False, "The cosine divides by the film's length, which doubles too."),
                Option("The inner product doubles, the cosine stays.", True, "The cosine sees only the direction."),
                Option("Neither changes.", False, "The inner product is linear in the film's vector."),
            ),
        ),
    ),
)
