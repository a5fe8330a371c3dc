"""Exercises of 5.1.5, deep recommenders: overconfidence, memory, the softmax's gradient, and the sampled softmax."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

SCORES = np.array([1.0, -0.5, 2.0, 0.3])
LARGE = np.array([1000.0, 0.0, 998.0])  # exp overflows unless the largest is subtracted first
DRAWN, Q = np.array([0, 3, 2, 0]), np.array([0.4, 0.1, 0.3, 0.2])  # film 2 is the right one; film 0 came twice


def _check_inflated(answer: float) -> str:
    refuse_close(answer, 0.02 / 0.52, "that is one over the odds of a fair coin; q is one in 5,000 here", rtol=1e-3)
    refuse_close(answer, 0.02, "that is p itself; the loss is least elsewhere, because it also counts the draws")
    refuse_close(answer, 1 / 101, "that is the chance to be drawn; you have p and q the wrong way round", rtol=1e-3)
    expect_close(answer, 100 / 101, "put p = 0.02 and q = 1/5000 into p / (p + q)", rtol=1e-3)
    return "The model says 99 % of a film that comes twice in a hundred times. For a list only the order counts."


def _check_memory(answer: float) -> str:
    refuse_close(answer, 6.4, "those are the scores; each takes four bytes", rtol=1e-3)
    refuse_close(
        answer, 0.512, "that is one score for each window; every position of a window is a question", rtol=1e-3
    )
    refuse_close(answer, 25.6e9, "that is in bytes; the question asks for gigabytes", rtol=1e-3)
    expect_close(answer, 25.6, "multiply questions, films and bytes: 128 · 50 · 1,000,000 · 4", rtol=1e-3)
    return "More than most graphics cards have left beside the network, and its gradient is as large again."


def gradient(s: np.ndarray, y: int) -> np.ndarray:
    p = np.exp(s - s.max())
    p = p / p.sum()
    p[y] -= 1
    return np.asarray(p)


def _only_probabilities(s: np.ndarray, y: int) -> np.ndarray:
    p = np.exp(s - s.max())
    return np.asarray(p / p.sum())


def _wrong_sign(s: np.ndarray, y: int) -> np.ndarray:
    return -gradient(s, y)


def _overflowing(s: np.ndarray, y: int) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        p = np.exp(s) / np.exp(s).sum()
    p[y] -= 1
    return np.asarray(p)


def _each_by_itself(s: np.ndarray, y: int) -> np.ndarray:
    p = 1 / (1 + np.exp(-s))
    p[y] -= 1
    return np.asarray(p)


def _check_gradient(answer: Callable[..., Any]) -> str:
    got = answer(SCORES.copy(), 2)
    refuse_close(got, _only_probabilities(SCORES, 2), "those are the probabilities; the film that came is missing")
    refuse_close(got, _wrong_sign(SCORES, 2), "the sign is turned: a step against it would push the right film down")
    refuse_close(got, _each_by_itself(SCORES, 2), "that takes a sigmoid of each score; a softmax divides by their sum")
    s = torch.tensor(SCORES, requires_grad=True)
    torch.nn.functional.cross_entropy(s[None], torch.tensor([2])).backward()  # type: ignore[no-untyped-call]
    reference = s.grad.numpy() if s.grad is not None else gradient(SCORES, 2)
    expect_close(got, reference, "PyTorch finds another gradient of the cross-entropy", rtol=1e-4)
    large = np.asarray(answer(LARGE.copy(), 0), dtype=float)
    expect_close(large, gradient(LARGE, 0), "it goes wrong for large scores; subtract the largest one first", rtol=1e-4)
    return "It agrees with PyTorch, and it sums to 0: what the right film gains, the wrong ones lose together."


def sampled(s: np.ndarray, y: int, drawn: np.ndarray, q: np.ndarray) -> float:
    # every film drawn once, q = 1/n: K q = 1, each film stands for itself, and this is the full softmax loss
    wrong = drawn[drawn != y]
    return float(np.log(np.exp(s[y]) + np.sum(np.exp(s[wrong]) / (len(drawn) * q[wrong]))) - s[y])


def _uncorrected(s: np.ndarray, y: int, drawn: np.ndarray, q: np.ndarray) -> float:
    wrong = drawn[drawn != y]
    return float(np.log(np.exp(s[y]) + np.sum(np.exp(s[wrong]))) - s[y])


def _target_counted_twice(s: np.ndarray, y: int, drawn: np.ndarray, q: np.ndarray) -> float:
    return float(np.log(np.exp(s[y]) + np.sum(np.exp(s[drawn]) / (len(drawn) * q[drawn]))) - s[y])


def _not_averaged(s: np.ndarray, y: int, drawn: np.ndarray, q: np.ndarray) -> float:
    wrong = drawn[drawn != y]
    return float(np.log(np.exp(s[y]) + np.sum(np.exp(s[wrong]) / q[wrong])) - s[y])


def _fewer_draws(s: np.ndarray, y: int, drawn: np.ndarray, q: np.ndarray) -> float:
    wrong = drawn[drawn != y]
    return float(np.log(np.exp(s[y]) + np.sum(np.exp(s[wrong]) / (len(wrong) * q[wrong]))) - s[y])


def _check_sampled(answer: Callable[..., Any]) -> str:
    got = answer(SCORES, 2, DRAWN, Q)
    refuse_close(got, _uncorrected(SCORES, 2, DRAWN, Q), "each draw stands for 1 / (K q) films; yours stand for one")
    refuse_close(got, _target_counted_twice(SCORES, 2, DRAWN, Q), "a draw of the right film must be left out")
    refuse_close(got, _not_averaged(SCORES, 2, DRAWN, Q), "you forgot to divide by the number of draws K")
    refuse_close(got, _fewer_draws(SCORES, 2, DRAWN, Q), "K counts all draws, also the one that was left out")
    expect_close(got, sampled(SCORES, 2, DRAWN, Q), "compare with the sum in the prompt, term by term", rtol=1e-6)
    once, even = np.arange(4), np.full(4, 0.25)
    full = float(np.log(np.exp(SCORES).sum()) - SCORES[1])
    expect_close(
        answer(SCORES, 1, once, even), full, "with every film drawn once it must be the full softmax", rtol=1e-6
    )
    return "With every film drawn once, uniformly, it is the full softmax. With fewer draws it is an estimate of it."


EXERCISES = (
    Exercise(
        id="inflated-sigmoid",
        title="How sure is a model taught with one negative?",
        difficulty=1,
        minutes=4,
        prompt=r"""
            After some history a film comes next twice in a hundred times. The catalogue has 5,000 films, and the
            model is trained with one uniformly drawn wrong film a question, until its loss is least. Which
            probability $\sigma(s)$ does it give this film?
        """,
        starter="inflated = ...",
        hints=(
            "The least loss is at p / (p + q), the equation on overconfidence.",
            "A uniform draw from 5,000 films hits this one with chance q = 1/5000.",
        ),
        solution=100 / 101,
        solution_source="inflated = 0.02 / (0.02 + 1 / 5_000)",
        check=_check_inflated,
        wrong=((0.02, "p itself"), (0.0384615, "fair coin"), (1 / 101, "wrong way round"), (0.5, "put p = 0.02")),
    ),
    Exercise(
        id="softmax-memory",
        title="How large is a table of scores?",
        difficulty=1,
        minutes=3,
        prompt="""
            A batch has 128 windows of 50 questions each, the catalogue has a million clips, and a score takes four
            bytes. How many gigabytes (of 10⁹ bytes) would all scores of the batch take at once?
        """,
        starter="gigabytes = ...",
        hints=(
            "Every position of every window is a question, and every clip has a score for it.",
            "Multiply the windows, the questions of each, the clips and the bytes, then divide by 10⁹.",
        ),
        solution=25.6,
        solution_source="gigabytes = 128 * 50 * 1_000_000 * 4 / 1e9",
        check=_check_memory,
        wrong=(
            (6.4, "four bytes"),
            (0.512, "every position of a window"),
            (25.6e9, "in bytes"),
            (12.8, "multiply questions"),
        ),
    ),
    Exercise(
        id="softmax-gradient",
        title="The gradient of the full softmax",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Write `gradient(s, y)`: the derivative of $-\log \operatorname{softmax}(s)_y$ by each score, for one
            question with scores `s` (one a film) and the film `y` that came. It must survive scores of 1,000.
        """,
        starter="""
            def gradient(s: np.ndarray, y: int) -> np.ndarray:
                ...  # your code here: an array like s
        """,
        hints=(
            "The page has it: the softmax, minus 1 at the film that came.",
            "Adding a constant to all scores changes nothing; subtract the largest.",
        ),
        solution=gradient,
        check=_check_gradient,
        wrong=(
            (_only_probabilities, "those are the probabilities"),
            (_wrong_sign, "the sign is turned"),
            (_each_by_itself, "sigmoid of each score"),
            (_overflowing, "NaN"),
        ),
    ),
    Exercise(
        id="sampled-softmax-by-hand",
        title="A softmax over some of the films",
        difficulty=3,
        minutes=15,
        prompt=r"""
            With millions of films the sum in the softmax is estimated from $K$ drawn films $j_1 \dots j_K$. A film
            that is drawn with chance $q_j$ stands for $1 / (K q_j)$ films. Write `sampled(s, y, drawn, q)` for

            $$\log\Bigl(e^{s_y} + \sum_{k:\, j_k \ne y} \frac{e^{s_{j_k}}}{K \, q_{j_k}}\Bigr) - s_y ,$$

            one number, with scores `s` and chances `q` (one a film), the film `y` that came, and the indices `drawn`,
            in which a film may come twice. What must come out if every film is drawn once and q is uniform?
        """,
        starter="""
            def sampled(s: np.ndarray, y: int, drawn: np.ndarray, q: np.ndarray) -> float:
                ...  # your code here
        """,
        hints=(
            "`drawn[drawn != y]` are the draws that count; a film that was drawn twice counts twice.",
            "K is `len(drawn)`, before anything is left out.",
        ),
        solution=sampled,
        check=_check_sampled,
        wrong=(
            (_uncorrected, "yours stand for one"),
            (_target_counted_twice, "must be left out"),
            (_not_averaged, "number of draws K"),
            (_fewer_draws, "K counts all draws"),
        ),
    ),
)

QUIZ = Quiz(
    id="5.1.5",
    questions=(
        Question(
            "A chain that runs backward scores about as well as one that runs forward, and a shuffled one far worse. "
            "What does the data reward?",
            (
                Option(
                    "The direction of time.",
                    False,
                    "No direction is shown: the interval between forward and backward holds 0.",
                ),
                Option(
                    "Nearness: which films stand side by side.",
                    True,
                    "Turning a history round keeps its neighbours; shuffling it does not.",
                ),
                Option("Nothing in the order.", False, "Then shuffling would have changed nothing."),
            ),
        ),
        Question(
            "Why can a causal network be asked for the next film at all T positions of a window in one pass?",
            (
                Option(
                    "Because the vector of a position has not heard of any later film.",
                    True,
                    "So none of the T questions has its answer in sight.",
                ),
                Option("Because the losses of the positions are independent.", False, "They share all their weights."),
                Option("Because attention has no order.", False, "The mask gives it one, and so do the positions."),
            ),
        ),
        Question(
            "A paper's new network beats SASRec. The network had a full softmax, SASRec one sampled negative, and both "
            "ran for as many passes. What follows?",
            (
                Option("The new architecture is better.", False, "The loss alone may have made the difference."),
                Option(
                    "Nothing about the architectures, until both have the same loss.",
                    True,
                    "On this page the loss alone moved one and the same network, at equal passes.",
                ),
                Option("Sampling can never reach the softmax.", False, "One negative and six passes do not show that."),
            ),
        ),
        Question(
            "A network and a stack of two simple tables score alike. How do you find out whether it is worth having?",
            (
                Option("It is not: the tables are cheaper.", False, "It may know something that the tables do not."),
                Option(
                    "Put it into the stack, and look at the paired interval of what that adds.",
                    True,
                    "What counts is what it adds to what is there already.",
                ),
                Option("Train it longer until it wins.", False, "Then the test films would choose the passes."),
            ),
        ),
    ),
)
