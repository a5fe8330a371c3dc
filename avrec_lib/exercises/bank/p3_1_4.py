"""Exercises of 3.1.4, sequences: which questions need order, a mean without the padding, a little order in a mean."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close

FRAMES = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]], [[2.0, 2.0], [0.0, 0.0], [0.0, 0.0]]])
LENGTHS = np.array([3, 1])
CLIP = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 5.0], [6.0, 9.0], [8.0, 9.0]])


def _check_order(answer: set[str]) -> str:
    got = set(answer)
    if not got <= set("ABCDE"):
        raise Wrong("the answer is a set of the letters A to E, such as {'A', 'E'}.")
    if "A" in got:
        raise Wrong("A: whether there is speech stays true when the clip is played backwards.")
    if "D" in got:
        raise Wrong("D: the mean brightness is a mean.")
    if "B" not in got:
        raise Wrong("B: played backwards, a door that opens closes; the frames are the same.")
    if "C" not in got:
        raise Wrong("C: a sentence and its words in another order have the same words.")
    if "E" not in got:
        raise Wrong("E: louder at the end or at the beginning? Backwards, the answer is another.")
    return "The test is always the same: would the answer change if the frames were shuffled?"


def masked_mean(frames: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    real = np.arange(frames.shape[1]) < lengths[:, None]
    return np.asarray((frames * real[:, :, None]).sum(axis=1) / lengths[:, None])


def _padded_mean(frames: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.asarray(frames.mean(axis=1))


def _just_divided(frames: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.asarray(frames.sum(axis=1) / lengths[:, None])


def _one_mean(frames: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.asarray(frames[:, : lengths.min()].mean(axis=1))


def _check_masked(answer: Callable[..., Any]) -> str:
    dirty = FRAMES.copy()
    dirty[1, 1:] = 7.0  # padding need not be zeros
    got = answer(FRAMES, LENGTHS)
    refuse_close(got, _padded_mean(FRAMES, LENGTHS), "you divide by T, so short clips are pulled towards 0")
    refuse_close(got, _one_mean(FRAMES, LENGTHS), "you cut all clips to the shortest; use what each one has")
    expect_close(got, masked_mean(FRAMES, LENGTHS), "the mean of clip 1 is its first frame")
    expect_close(answer(dirty, LENGTHS), masked_mean(dirty, LENGTHS), "padding that is not zero must not count either")
    return "A reader that divides by T has a feature that nobody asked for: the length of the clip."


def halves(clip: np.ndarray) -> np.ndarray:
    middle = len(clip) // 2
    return np.concatenate([clip.mean(axis=0), clip[middle:].mean(axis=0) - clip[:middle].mean(axis=0)])


def _two_means(clip: np.ndarray) -> np.ndarray:
    middle = len(clip) // 2
    return np.concatenate([clip[:middle].mean(axis=0), clip[middle:].mean(axis=0)])


def _minus_sign(clip: np.ndarray) -> np.ndarray:
    middle = len(clip) // 2
    return np.concatenate([clip.mean(axis=0), clip[:middle].mean(axis=0) - clip[middle:].mean(axis=0)])


def _ends_only(clip: np.ndarray) -> np.ndarray:
    return np.concatenate([clip.mean(axis=0), clip[-1] - clip[0]])


def _check_halves(answer: Callable[..., Any]) -> str:
    got = answer(CLIP)
    refuse_close(got, _two_means(CLIP), "those are the means of the halves; give the mean of all and their difference")
    refuse_close(got, _minus_sign(CLIP), "the difference is later minus earlier")
    refuse_close(got, _ends_only(CLIP), "that is the last frame minus the first, two frames of noise")
    expect_close(got, halves(CLIP), "with five frames the first half has two and the second three")
    return (
        "Two numbers in place of one for each coefficient, and the tune's direction is in a mean. Try it on the page."
    )


EXERCISES = (
    Exercise(
        id="order-or-not",
        title="Which questions need order?",
        difficulty=1,
        minutes=4,
        prompt="""
            Each frame is described by itself: a picture, a spoken word, a moment's spectrum. For which of these
            questions can a mean over the frames never be enough?

            A. Is somebody speaking?
            B. Does the door open or close?
            C. From a vector for each spoken word: is it *dog bites man* or *man bites dog*?
            D. How bright is the clip on average?
            E. Does the music fade in or fade out?

            Answer with a set of letters.
        """,
        starter="needs_order = ...  # a set of letters",
        hints=(
            "Play the clip backwards in your head. Does the answer change?",
            "Three of the five change.",
        ),
        solution={"B", "C", "E"},
        solution_source='needs_order = {"B", "C", "E"}',
        check=_check_order,
        wrong=(
            ({"A", "B", "C", "E"}, "whether there is speech"),
            ({"B", "C", "D", "E"}, "the mean brightness"),
            ({"C", "E"}, "a door that opens closes"),
            ({"B", "E"}, "the same words"),
            ({"B", "C"}, "louder at the end"),
        ),
    ),
    Exercise(
        id="masked-mean",
        title="A mean that skips the padding",
        difficulty=2,
        minutes=8,
        prompt="""
            `frames` has the shape (n_clips, T, d); of clip c only the first `lengths[c]` frames are real, the rest is
            padding, not always zeros. Write `masked_mean(frames, lengths)`, the mean of the real frames, shape
            (n_clips, d). No loop is needed.
        """,
        starter="""
            def masked_mean(frames: np.ndarray, lengths: np.ndarray) -> np.ndarray:
                ...  # your code here: (n_clips, d)
        """,
        hints=(
            "`np.arange(T) < lengths[:, None]` is True where a frame is real, shape (n_clips, T).",
            "Multiply by it with a third axis, sum over the frames, divide by the lengths.",
        ),
        solution=masked_mean,
        check=_check_masked,
        wrong=(
            (_padded_mean, "divide by T"),
            (_just_divided, "not zero must not count"),
            (_one_mean, "cut all clips"),
        ),
    ),
    Exercise(
        id="difference-of-halves",
        title="A little order in a mean",
        difficulty=2,
        minutes=10,
        prompt="""
            Write `halves(clip)` for a clip of shape (T, d): the mean of all frames, followed by the mean of the second
            half minus the mean of the first, 2d numbers in all. The first half has the first `T // 2` frames. Then
            try it on the page's `train` and `test`: does a logistic regression on these vectors hear the direction?
        """,
        starter="""
            def halves(clip: np.ndarray) -> np.ndarray:
                ...  # your code here: a vector of 2 * d numbers
        """,
        hints=(
            "`clip[:middle]` and `clip[middle:]` with `middle = len(clip) // 2`.",
            "`np.concatenate([a, b])` puts two vectors behind each other.",
        ),
        solution=halves,
        check=_check_halves,
        wrong=(
            (_two_means, "means of the halves"),
            (_minus_sign, "later minus earlier"),
            (_ends_only, "two frames of noise"),
            (lambda clip: clip.mean(axis=0), "shape"),
        ),
    ),
)

QUIZ = Quiz(
    id="3.1.4",
    questions=(
        Question(
            "A sequence model scores AUC .90, and .89 when its frames are shuffled before training. What follows?",
            (
                Option("It uses the order.", False, "Without the order it is as good."),
                Option("The set of frames holds the answer; a mean may do.", True, "So try the simpler reader."),
                Option("Shuffling was done wrongly.", False, "Perhaps, but the likelier reading comes first."),
            ),
        ),
        Question(
            "A model that tells climbing from falling tunes gets them backwards, with the old labels: AUC .03. It is",
            (
                Option("broken.", False, "An AUC near 0 is as informed as one near 1."),
                Option("guessing.", False, "A guess gives one half."),
                Option("right about what it hears.", True, "A climb played backwards is a fall."),
            ),
        ),
        Question(
            "More clips to learn from lift the LSTM and leave the mean where it was. The mean's error is one of",
            (
                Option("estimation: it needs still more clips.", False, "Estimation is what more data cures."),
                Option("the model: it cannot tell the two cases apart.", True, "Their means are equal."),
                Option("optimisation: it was trained for too short.", False, "No weights tell equal inputs apart."),
            ),
        ),
    ),
)
