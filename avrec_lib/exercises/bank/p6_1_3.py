"""Exercises of 6.1.3, deep models: what a layer sees, what a gate keeps, and a control that works."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, expect_equal, refuse_close


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * jump
        jump *= stride
    return field


def _no_jump(kernels: Sequence[int], strides: Sequence[int]) -> int:
    return 1 + sum(kernel - 1 for kernel in kernels)


def _own_stride(kernels: Sequence[int], strides: Sequence[int]) -> int:
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        jump *= stride
        field += (kernel - 1) * jump
    return field


def _sum_of_kernels(kernels: Sequence[int], strides: Sequence[int]) -> int:
    return sum(kernels)


def _check_field(answer: Callable[..., Any]) -> str:
    plain = answer([3, 3, 3], [1, 1, 1])
    refuse_close(plain, 9, "the windows overlap: a layer of width 3 adds two positions to what is seen, not three")
    expect_close(plain, 7, "three layers of width 3 and stride 1 see 3, 5, then 7 positions")
    pooled = answer([3, 2, 3, 2], [1, 2, 1, 2])
    refuse_close(pooled, 7, "behind a stride of 2 neighbours lie two pixels apart: later layers must count that")
    refuse_close(pooled, 13, "a layer's own stride spreads the layers behind it, not its own window")
    expect_close(pooled, 10, "convolution 3, pooling 2, and the same again")
    expect_close(answer([], []), 1, "without a layer an output is its own input")
    expect_close(answer([2, 2, 2, 2, 2], [2, 2, 2, 2, 2]), 32, "five poolings of 2")
    return "Strides multiply and widths add: that is why a few pooled layers see a whole picture."


def _check_half_life(answer: float) -> str:
    refuse_close(
        answer, np.log(2) / 3, "you let f itself decay the memory; what multiplies it is sigmoid(f)", rtol=5e-3
    )
    refuse_close(answer, 10.5428, "the loss isn't the same amount every step; it is the same share", rtol=5e-3)
    refuse_close(answer, 1, "that is the half-life for f = 0, where the gate is half open", rtol=5e-3)
    expect_close(answer, 14.266224, "solve sigmoid(3)^t = 1/2 for t", rtol=2e-3)
    return "From f = 0 to f = 3 the memory grows from 1 step to 14; at f = 5 it is over 100."


def shuffled(windows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    keys = np.random.default_rng(seed).random(windows.shape)
    keys[windows < 0] = -1  # padding sorts to the front, where it was
    return np.take_along_axis(windows, np.argsort(keys, axis=1, kind="stable"), axis=1)


def _padding_too(windows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permuted(windows, axis=1)


def _one_rearrangement(windows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    return windows[:, np.random.default_rng(seed).permutation(windows.shape[1])]


def _rows(windows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(windows)


def _everything(windows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(windows.ravel()).reshape(windows.shape)


def _nothing(windows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    return windows


def _same_dice(windows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(7).permuted(windows, axis=1)


def _check_shuffled(answer: Callable[..., Any]) -> str:
    windows = np.arange(2400).reshape(400, 6)
    got = answer(windows, 0)
    expect_close(np.sort(np.ravel(got)), np.arange(2400), "all films of all windows must still be there, once each")
    expect_close(np.shape(got), (400, 6), "the result has the shape of the windows")
    got = np.asarray(got)
    owner = got // 6  # the window each film came from
    if (owner != owner[:, :1]).any():
        raise Wrong("films wandered from one window into another; shuffle inside each row")
    if (owner[:, 0] != np.arange(400)).any():
        raise Wrong("the rows changed places, so the windows no longer meet their targets")
    place = got % 6  # where each film stood
    if (place == np.arange(6)).all():
        raise Wrong("nothing moved")
    if (place == place[0]).all():
        raise Wrong("every row is rearranged in one and the same way; a network learns that as easily as no way at all")
    share = np.stack([(place == j).mean(axis=0) for j in range(6)])  # (6, 6): how often film j lands on each place
    expect_close(share, np.full((6, 6), 1 / 6), "every film should land on every place equally often", atol=0.08)
    expect_equal(bool(np.array_equal(answer(windows, 0), got)), True, "the same seed should give the same result")
    if np.array_equal(answer(windows, 1), got):
        raise Wrong("another seed should give another result; use the seed")
    padded = np.where(np.arange(6) < np.arange(400)[:, None] % 4, -1, windows)  # 0 to 3 places at the front
    got = np.asarray(answer(padded.copy(), 0))
    if ((got < 0) != (padded < 0)).any():
        raise Wrong("the padding moved: a −1 between two films tells the network something new. Keep it in front")
    expect_close(np.sort(got, axis=1), np.sort(padded, axis=1), "every row must keep its films, padded or not")
    place = got[3::4, 3:] % 6 - 3  # (100, 3): three films behind three places of padding
    share = np.stack([(place == j).mean(axis=0) for j in range(3)])  # (3, 3)
    expect_close(share, np.full((3, 3), 1 / 3), "in padded rows, too, every film lands everywhere", atol=0.2)
    return "The set stays, the order goes, and no network can undo it: that is a control."


EXERCISES = (
    Exercise(
        id="receptive-field",
        title="How much does an output see?",
        difficulty=2,
        minutes=8,
        prompt=r"""
            Write `receptive_field(kernels, strides)`: how many input positions one output depends on, along one
            axis, after layers of these widths and strides (a pooling layer counts as a layer). No layers at all
            see 1 position.
        """,
        starter="""
            def receptive_field(kernels, strides):
                ...  # your code here
        """,
        hints=(
            "Keep two numbers: how much is seen, and how many input positions lie between two neighbours.",
            "Each layer adds (width − 1) times that spacing; only then does its stride widen the spacing.",
        ),
        solution=receptive_field,
        check=_check_field,
        wrong=(
            (_no_jump, "behind a stride of 2"),
            (_own_stride, "a layer's own stride"),
            (_sum_of_kernels, "the windows overlap"),
        ),
    ),
    Exercise(
        id="memory-half-life",
        title="The half-life of a memory",
        difficulty=1,
        minutes=5,
        prompt=r"""
            An LSTM's forget gate stays at $f = 3$ before the logistic function, and nothing is written. After
            how many steps (a real number, three digits) is half of the cell's content gone?
        """,
        starter="half_life = ...  # steps",
        hints=(
            r"Each step multiplies the cell by $\operatorname{sigmoid}(3)$.",
            r"Take logarithms of $\operatorname{sigmoid}(3)^t = 1/2$.",
        ),
        solution=float(np.log(0.5) / np.log(1 / (1 + np.exp(-3)))),
        solution_source="half_life = np.log(0.5) / np.log(1 / (1 + np.exp(-3)))",
        check=_check_half_life,
        wrong=(
            (0.231049, "you let f itself decay"),
            (10.54, "the same share"),
            (1.0, "half-life for f = 0"),
            (13.0, "solve sigmoid(3)^t = 1/2"),
        ),
    ),
    Exercise(
        id="shuffle-control",
        title="A control that removes the order and nothing else",
        difficulty=3,
        minutes=15,
        prompt=r"""
            Write `shuffled(windows, seed)` for an array of shape $(N, T)$: each row keeps its films and its
            place, and loses their order, independently of the other rows. Short histories are padded with $-1$
            at the front of a row; the padding must stay where it is. The input must stay as it was.
        """,
        starter="""
            def shuffled(windows, seed):
                ...  # your code here
        """,
        hints=(
            "Sorting random numbers is a fair shuffle: draw one key for each cell and sort each row by its keys.",
            "Give padded cells a key below all others; then `np.argsort(keys, axis=1)` and `np.take_along_axis`.",
        ),
        solution=shuffled,
        check=_check_shuffled,
        wrong=(
            (_one_rearrangement, "one and the same way"),
            (_rows, "the rows changed places"),
            (_everything, "wandered from one window"),
            (_nothing, "nothing moved"),
            (_same_dice, "use the seed"),
            (_padding_too, "the padding moved"),
        ),
    ),
)

QUIZ = Quiz(
    id="6.1.3",
    questions=(
        Question(
            "A film cover is moved one pixel to the right. What does a convolution's output do (borders aside)?",
            (
                Option(
                    "It stays the same.",
                    False,
                    "That would be invariance. Pooling comes closer to it; a convolution does not.",
                ),
                Option(
                    "It moves one pixel to the right.", True, "The same weights meet the same pixels one place later."
                ),
                Option(
                    "It changes in a way that depends on the kernel.",
                    False,
                    "The values do; that they move with the picture does not: one kernel serves all places.",
                ),
            ),
        ),
        Question(
            "An LSTM starts with all biases at 0. How much of the gradient gets back through 50 steps of the cell?",
            (
                Option(
                    "Almost all of it: that is what the LSTM was made for.",
                    False,
                    "Only with gates that are open. At bias 0 they are half open.",
                ),
                Option(
                    r"About $0.5^{50}$ of it.",
                    True,
                    "If the gates stay at ½. Measured, it is nearer $0.6^{50}$: they fluctuate. A positive bias helps.",
                ),
                Option(
                    "None at all, because of the tanh.",
                    False,
                    "The cell's path from step to step passes no tanh; only the output does.",
                ),
            ),
        ),
        Question(
            "You train an LSTM on ordered windows. Tested on shuffled ones it is worse. What have you shown?",
            (
                Option(
                    "That the order of films carries information about the next one.",
                    False,
                    "Perhaps it does; but any model is worse on inputs unlike those it was trained on.",
                ),
                Option(
                    "That this model uses positions.",
                    True,
                    "To learn what order is worth, the model without it must also be trained without it.",
                ),
            ),
        ),
        Question(
            r"With $d = 64$, from which length $T$ does attention need more multiply–adds than an LSTM?",
            (
                Option(
                    "From the start: it is quadratic.",
                    False,
                    r"Its projections cost $4d^2$ a position, the LSTM's gates $8d^2$. The square comes later.",
                ),
                Option(r"From about $T = 128$.", True, r"$4d^2T + 2dT^2 > 8d^2T$ says $T > 2d$."),
                Option("Never.", False, r"The $T^2$ term wins in the end, for any $d$."),
            ),
        ),
    ),
)
