"""Exercises of 3.2.2, pictures and words: the contrastive loss by hand, several right answers, and temperature."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import log_softmax

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

S = np.array([[3.0, 2.5, 0.0, 1.0], [2.0, 3.5, 0.5, -1.0], [0.0, 1.0, 2.0, 0.5], [0.5, -0.5, 1.0, 1.5]])
SAME = np.eye(4, dtype=bool)
SAME[0, 1] = SAME[1, 0] = True  # the first two show the same object


def _check_by_hand(answer: float) -> str:
    refuse_close(
        answer, 0.348458, "that is one direction, each picture among the texts; the other counts as much", rtol=1e-3
    )
    refuse_close(
        answer, 0.317192, "that is one direction, each text among the pictures; the other counts as much", rtol=1e-3
    )
    refuse_close(answer, 0.479937, "you left out the temperature: divide the cosines by 0.5 first", rtol=1e-3)
    refuse_close(answer, 0.665650, "that is the sum of the two directions; take their mean", rtol=1e-3)
    refuse_close(answer, 1.331299, "that is a sum over the pairs; take the mean of the four terms", rtol=1e-3)
    expect_close(answer, 0.332825, "four terms: log(1 + exp(the other's logit − the own logit))", rtol=2e-3)
    return "Guessing would cost log 2, or 0.693. The second picture, ahead by 0.4 only, costs most."


def loss_with_duplicates(S: np.ndarray, same: np.ndarray) -> float:
    across = (log_softmax(S, axis=1) * same / same.sum(axis=1, keepdims=True)).sum(axis=1)
    down = (log_softmax(S, axis=0) * same / same.sum(axis=0, keepdims=True)).sum(axis=0)
    return float(-(across.mean() + down.mean()) / 2)


def _ignores_same(S: np.ndarray, same: np.ndarray) -> float:
    return loss_with_duplicates(S, np.eye(len(S), dtype=bool))


def _one_direction(S: np.ndarray, same: np.ndarray) -> float:
    return float(-(log_softmax(S, axis=1) * same / same.sum(axis=1, keepdims=True)).sum(axis=1).mean())


def _not_divided(S: np.ndarray, same: np.ndarray) -> float:
    return float(-((log_softmax(S, axis=1) * same).sum() + (log_softmax(S, axis=0) * same).sum()) / (2 * len(S)))


def _sum_inside(S: np.ndarray, same: np.ndarray) -> float:
    across = np.log((np.exp(log_softmax(S, axis=1)) * same).sum(axis=1))
    down = np.log((np.exp(log_softmax(S, axis=0)) * same).sum(axis=0))
    return float(-(across.mean() + down.mean()) / 2)


def _check_duplicates(answer: Callable[..., Any]) -> str:
    got = answer(S, SAME)
    refuse_close(got, _ignores_same(S, SAME), "that is the ordinary loss; `same` has not been used")
    refuse_close(got, _one_direction(S, SAME), "that looks at the rows only; the columns are the other half")
    refuse_close(got, _not_divided(S, SAME), "the targets of a row must add up to 1: share it among the right answers")
    refuse_close(
        got, _sum_inside(S, SAME), "that adds the probabilities of the right answers; the target shares 1 among them"
    )
    expect_close(got, loss_with_duplicates(S, SAME), "cross-entropy with the target same / (its row sum), both ways")
    expect_close(
        answer(S, np.eye(4, dtype=bool)), _ignores_same(S, SAME), "without duplicates it must be the ordinary loss"
    )
    return "Its smallest value is still not zero: a row with two right answers costs at least log 2."


def _check_temperature(answer: float) -> str:
    refuse_close(answer, 9.709, "that is 1 over the temperature", rtol=2e-2)
    refuse_close(answer, 0.19586, "that is against a single other text; there are 63", rtol=1e-2)
    refuse_close(answer, 0.11444, "the cosine of the own pair is 0.9, not 1", rtol=1e-2)
    expect_close(answer, 0.9 / np.log(99 * 63), "solve exp(0.9 / t) = 99 · 63 for t", rtol=1e-2)
    return "At temperature 1 the same pair would get 3.8 %: cosines alone can never be sure of anything."


EXERCISES = (
    Exercise(
        id="contrastive-loss-by-hand",
        title="The loss of two pairs",
        difficulty=1,
        minutes=8,
        prompt=r"""
            Two pictures and their two texts have the cosines
            $\langle x_1, y_1 \rangle = 0.9$, $\langle x_1, y_2 \rangle = 0.1$,
            $\langle x_2, y_1 \rangle = 0.5$, $\langle x_2, y_2 \rangle = 0.7$, and the temperature is
            $\vartheta = 0.5$. What is their contrastive loss? Three decimals will do.
        """,
        starter="loss = ...",
        hints=(
            "Divide the four cosines by 0.5. That is S.",
            "With two pairs, −log softmax is log(1 + exp(other − own)). There are two rows and two columns.",
        ),
        solution=0.332825,
        solution_source="""
            S = np.array([[0.9, 0.1], [0.5, 0.7]]) / 0.5
            own = S.diagonal()
            across = np.log(np.exp(S).sum(axis=1)) - own
            down = np.log(np.exp(S).sum(axis=0)) - own
            loss = (across.mean() + down.mean()) / 2
        """,
        check=_check_by_hand,
        wrong=(
            (0.348458, "each picture among the texts"),
            (0.317192, "each text among the pictures"),
            (0.479937, "left out the temperature"),
            (0.665650, "the sum of the two directions"),
            (1.331299, "a sum over the pairs"),
            (0.25, "the own logit"),
        ),
    ),
    Exercise(
        id="duplicates-in-a-batch",
        title="More than one right answer",
        difficulty=2,
        minutes=12,
        prompt=r"""
            Suppose we *know* which pairs of a batch show the same object: `same[i, j]` is true if text $j$ is right
            for picture $i$ (`same` is symmetric, its diagonal true). Write `loss_with_duplicates(S, same)`:
            the cross-entropy of each row of $S$ with a target that shares 1 equally among its right answers,
            the same for each column, and the mean of it all.
        """,
        starter="""
            def loss_with_duplicates(S: np.ndarray, same: np.ndarray) -> float:
                ...  # your code here
        """,
        hints=(
            "The target of row i is `same[i] / same[i].sum()`; its cross-entropy is −Σ target · log softmax(row i).",
            "`log_softmax(S, axis=1)` works across the rows, `axis=0` down the columns.",
            "If `same` is the identity, the ordinary loss must come out.",
        ),
        solution=loss_with_duplicates,
        check=_check_duplicates,
        wrong=(
            (_ignores_same, "has not been used"),
            (_one_direction, "the rows only"),
            (_not_divided, "must add up to 1"),
            (_sum_inside, "adds the probabilities"),
        ),
    ),
    Exercise(
        id="temperature-needed",
        title="How cold must it be?",
        difficulty=2,
        minutes=8,
        prompt=r"""
            A picture has cosine 0.9 with its own text and 0 with the 63 others of the batch.
            At which temperature $\vartheta$ does the softmax give its own text a probability of 0.99?
        """,
        starter="temperature = ...",
        hints=(
            "The probability is e^{0.9/ϑ} / (e^{0.9/ϑ} + 63 e^0).",
            "Odds of 99 to 1: e^{0.9/ϑ} = 99 · 63. Take logarithms.",
        ),
        solution=float(0.9 / np.log(99 * 63)),
        solution_source="temperature = 0.9 / np.log(99 * 63)",
        check=_check_temperature,
        wrong=(
            (9.709, "1 over the temperature"),
            (0.1959, "a single other text"),
            (0.1144, "not 1"),
            (0.5, "solve exp"),
        ),
    ),
)

QUIZ = Quiz(
    id="3.2.2",
    questions=(
        Question(
            "A batch has four pairs. The towers give every picture and every text the same vector. What is the loss?",
            (
                Option("0, since each picture agrees perfectly with its own text.", False, "It agrees with all four."),
                Option(
                    r"$\log 4$.", True, r"Each softmax is uniform, so each own text gets ¼, and $-\log ¼ = \log 4$."
                ),
                Option("It depends on the temperature.", False, "All logits are equal, whatever they are divided by."),
            ),
        ),
        Question(
            "Why does the loss need the other pairs of the batch at all? Why not just pull pairs together?",
            (
                Option(
                    "Pulling alone is perfectly solved by one constant vector for everything.",
                    True,
                    "Alignment without anything that spreads the vectors out collapses.",
                ),
                Option("Because a softmax needs a power of two.", False, "It takes any number of entries."),
                Option("To learn faster; the result would be the same.", False, "The result would be a single point."),
            ),
        ),
        Question(
            "The captions never speak of the background. Does a picture's vector then hold nothing of it?",
            (
                Option(
                    "Nothing: the loss has thrown it away.",
                    False,
                    "The loss never asks for it, but it does not punish small traces of it either: measure.",
                ),
                Option(
                    "Possibly some; nothing trains it in or wholly out, so only a probe can tell.",
                    True,
                    "The page's probe finds how much of the warmth is left at each stage.",
                ),
                Option("All of it: the picture is the input.", False, "An input can be forgotten on the way."),
            ),
        ),
    ),
)
