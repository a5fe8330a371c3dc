"""Exercises of 3.2.3, fusion: adding opinions, what a sum cannot do, a bound on the mean, and who is listened to."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close


def _check_opinions(answer: float) -> str:
    refuse_close(
        answer, 0.75, "that is the average of the two; both are above the prior, so together they say more", rtol=2e-3
    )
    refuse_close(answer, 13.5 / 14.5, "you multiply the odds and forget the prior, which both have counted", rtol=2e-3)
    refuse_close(answer, 0.54, "a product of probabilities is no probability of the class; multiply odds", rtol=2e-3)
    refuse_close(answer, 216 / 217, "you take the prior out of both; one of the two must stay in", rtol=2e-3)
    expect_close(answer, 54 / 55, "odds of 9 times odds of 1.5, divided by the prior odds of 1/4", rtol=2e-3)
    return (
        "An opinion of 60 % is strong if only one clip in five is liked: it is the distance from the prior that counts."
    )


def _check_best_sum(answer: float) -> str:
    refuse_close(answer, 0.75, "three of the four kinds, yes, but they are not equally frequent", rtol=1e-3)
    refuse_close(answer, 0.5, "that is for two kinds of four; a sum can be right on three", rtol=1e-3)
    refuse_close(answer, 1.0, "on all four it cannot be right: both diagonals have the same sum", rtol=1e-3)
    refuse_close(answer, 0.6, "that is what the larger class gets without looking; a sum can do better", rtol=1e-3)
    expect_close(answer, 0.9, "which of the four kinds would you give up?", rtol=1e-3)
    return "It gives up the rarest kind. An accuracy of 90 % is no sign that a late model has understood."


def _check_majority(answer: float) -> str:
    refuse_close(answer, 0.6875, "that is for four frames; here are six", rtol=2e-3)
    refuse_close(answer, 0.5, "that is a guess without even counting the warm frames", rtol=2e-3)
    refuse_close(
        answer, 33 / 42, "seven equally likely counts? Three warm of six come up far more often than none", rtol=2e-3
    )
    expect_close(answer, 0.65625, "average max(k, 6 − k) / 6 over the binomial counts k", rtol=2e-3)
    return "The longer the film, the nearer to one half: the average of many frames tells ever less about one of them."


def reliance(predict: Callable[..., np.ndarray], blocks: list[np.ndarray], y: np.ndarray, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    whole = (predict(blocks).argmax(axis=1) == y).mean()
    lost = []
    for s in range(len(blocks)):
        mixed = [x[rng.permutation(len(x))] if r == s else x for r, x in enumerate(blocks)]
        lost.append(float(whole - (predict(mixed).argmax(axis=1) == y).mean()))
    return lost


def _together(
    predict: Callable[..., np.ndarray], blocks: list[np.ndarray], y: np.ndarray, seed: int = 0
) -> list[float]:
    rng = np.random.default_rng(seed)
    whole = (predict(blocks).argmax(axis=1) == y).mean()
    order = rng.permutation(len(y))
    return [float(whole - (predict([x[order] for x in blocks]).argmax(axis=1) == y).mean()) for _ in blocks]


def _in_place(
    predict: Callable[..., np.ndarray], blocks: list[np.ndarray], y: np.ndarray, seed: int = 0
) -> list[float]:
    rng = np.random.default_rng(seed)
    whole = (predict(blocks).argmax(axis=1) == y).mean()
    lost = []
    for x in blocks:
        rng.shuffle(x)
        lost.append(float(whole - (predict(blocks).argmax(axis=1) == y).mean()))
    return lost


def _accuracies(
    predict: Callable[..., np.ndarray], blocks: list[np.ndarray], y: np.ndarray, seed: int = 0
) -> list[float]:
    whole = float((predict(blocks).argmax(axis=1) == y).mean())
    return [whole - loss for loss in reliance(predict, blocks, y, seed)]


def _zeros(predict: Callable[..., np.ndarray], blocks: list[np.ndarray], y: np.ndarray, seed: int = 0) -> list[float]:
    whole = (predict(blocks).argmax(axis=1) == y).mean()
    without = [[0 * x if r == s else x for r, x in enumerate(blocks)] for s in range(len(blocks))]
    return [float(whole - (predict(part).argmax(axis=1) == y).mean()) for part in without]


def _predict(blocks: list[np.ndarray]) -> np.ndarray:
    """Decide by sense 1 mostly and by sense 2 a little, each by its first column; never look at sense 0."""
    score = np.asarray(blocks[1])[:, 0] + 0.2 * np.asarray(blocks[2])[:, 0] - 1
    return np.stack([-score, score], axis=1)


def _clips() -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(7)
    blocks = [rng.standard_normal((4000, 3)), rng.standard_normal((4000, 5)), 5 + rng.standard_normal((4000, 2))]
    return blocks, _predict(blocks).argmax(axis=1)


def _check_reliance(answer: Callable[..., Any]) -> str:
    blocks, y = _clips()
    got = np.asarray(answer(_predict, blocks, y), dtype=float)
    expect_close(got, reliance(_predict, blocks, y), _hint(got, blocks, y), atol=0.03, rtol=0)
    return "It finds out a model that lives on one sense. A loss of 0 may also mean that another sense stood in."


def _hint(got: np.ndarray, blocks: list[np.ndarray], y: np.ndarray) -> str:
    copies = [block.copy() for block in blocks]
    if got.shape == (3,) and np.allclose(got, _in_place(_predict, copies, y), atol=0.03):
        return "you shuffle the caller's own arrays, so the last sense is measured when the others are already gone"
    if got.shape == (3,) and np.allclose(got, _accuracies(_predict, blocks, y), atol=0.03):
        return "these are the accuracies that remain; how much is lost is asked"
    if got.shape == (3,) and np.allclose(got, _together(_predict, blocks, y), atol=0.03):
        return "you shuffle all senses at once; shuffle one and leave the others in place"
    if got.shape == (3,) and np.allclose(got, _zeros(_predict, blocks, y), atol=0.03):
        return "zeros are a special clip, not another clip's sense; permute the rows"
    return "accuracy with all in place, minus accuracy with the rows of one sense permuted"


EXERCISES = (
    Exercise(
        id="two-opinions",
        title="Two opinions and a prior",
        difficulty=1,
        minutes=5,
        prompt="""
            One clip in five is liked. Of a new clip, the words alone say *liked* with probability 0.9, the cover alone
            with 0.6. If the two senses are independent once it is known whether the clip is liked, what is the
            probability that it is?
        """,
        starter="probability = ...",
        hints=(
            "Work with odds, p / (1 − p). What are the two odds, and what are the prior odds?",
            "Multiply the odds of the senses, and divide by the prior odds once: each sense has counted them.",
        ),
        solution=54 / 55,
        solution_source="""
            said = np.array([[[0.1, 0.9]], [[0.4, 0.6]]])  # (senses, clips, classes)
            probability = add_log_odds(said, [0.8, 0.2])[0, 1]
        """,
        check=_check_opinions,
        wrong=(
            (0.75, "the average of the two"),
            (0.931, "forget the prior"),
            (0.54, "a product of probabilities"),
            (0.9954, "out of both"),
            (0.9, "odds of 9 times"),
        ),
    ),
    Exercise(
        id="best-sum-for-unequal-corners",
        title="How right can a late model be?",
        difficulty=2,
        minutes=8,
        prompt=r"""
            Of the clips, 40 % are busy and slow and 20 % plain and fast: these are *at odds*. 30 % are busy and fast,
            10 % plain and slow: these are not. A late model scores a clip by $f_1(\text{cover}) + f_2(\text{sound})$
            and says *at odds* above a threshold. What is the highest accuracy that it can reach?
        """,
        starter="best_accuracy = ...",
        hints=(
            "Can it be right on all four kinds? Look at the two sums of the page's argument.",
            "It can be right on three kinds of four, whichever three: try scores such as 0, 1, 1, 2.",
        ),
        solution=0.9,
        solution_source="best_accuracy = 1 - min(0.4, 0.2, 0.3, 0.1)  # give up the rarest kind",
        check=_check_best_sum,
        wrong=(
            (0.75, "not equally frequent"),
            (0.5, "two kinds of four"),
            (1.0, "both diagonals"),
            (0.6, "without looking"),
            (0.8, "which of the four kinds"),
        ),
    ),
    Exercise(
        id="majority-of-six-frames",
        title="The most that an average can know",
        difficulty=2,
        minutes=8,
        prompt="""
            The page's films have four frames, and whoever knows only how many of them are warm is right in 11 cases
            of 16. How often, at best, with films of six frames? Each is warm with probability one half, independently.
        """,
        starter="share_right = ...",
        hints=(
            "If k of six are warm, bet on the majority: you are right with probability max(k, 6 − k) / 6.",
            "The count k is binomial; or go through all 2⁶ films with `product((0, 1), repeat=6)`.",
        ),
        solution=0.65625,
        solution_source="""
            warm_share = np.array(list(product((0, 1), repeat=6))).mean(axis=1)  # of each of the 64 films
            share_right = np.maximum(warm_share, 1 - warm_share).mean()
        """,
        check=_check_majority,
        wrong=(
            (0.6875, "for four frames"),
            (0.5, "without even counting"),
            (0.714, "average max"),
            (0.7857, "equally likely"),
        ),
    ),
    Exercise(
        id="reliance-on-each-sense",
        title="Whom does a model listen to?",
        difficulty=3,
        minutes=15,
        prompt="""
            `predict(blocks)` returns the probabilities (n, C) of a trained model for a list of arrays (n, d), one a
            sense. Write `reliance(predict, blocks, y, seed)`: for each sense, how much accuracy is lost when the rows
            of *that* array are permuted, so that each clip gets this sense of another clip, and all else stays. Leave
            the caller's arrays as they are. Then train a model on `both`, as the page does, and look at
            `reliance(partial(predict_fusion, model), part(both, test), colour[test])`: you should find that
            nearly all of the accuracy above a guess hangs on the text, and next to none on the picture.
        """,
        starter="""
            def reliance(predict, blocks: list[np.ndarray], y: np.ndarray, seed: int = 0) -> list[float]:
                ...  # your code here: one number a sense
        """,
        hints=(
            "`x[rng.permutation(len(x))]` is a copy with the rows in another order; `rng.shuffle(x)` changes x itself.",
            "Build a new list for each sense: the permuted array in its place, the others as they are.",
        ),
        solution=reliance,
        check=_check_reliance,
        wrong=(
            (_together, "all senses at once"),
            (_in_place, "caller's own arrays"),
            (_accuracies, "that remain"),
            (_zeros, "special clip"),
        ),
    ),
)

QUIZ = Quiz(
    id="3.2.3",
    questions=(
        Question(
            "A logistic regression on two joined senses is asked for an exclusive or, one bit a sense, all four "
            "cases equally common. What happens?",
            (
                Option(
                    "It learns it, since the vectors were joined early.",
                    False,
                    "Its score is a sum of columns, thus a sum of one function a sense: a late model.",
                ),
                Option(
                    "Its AUC on new clips stays near .5, as with late fusion.",
                    True,
                    "Without something nonlinear after the join, early fusion is late fusion.",
                ),
                Option("It learns it, given enough clips.", False, "No sum can, with any number of clips."),
            ),
        ),
        Question(
            "You test the sound alone and find that it predicts nothing. May you drop it?",
            (
                Option(
                    "Yes, it carries no information.", False, "I(y; sound) is 0, but I(y; sound | picture) need not be."
                ),
                Option(
                    "Not before testing it beside the other senses.",
                    True,
                    "In an exclusive or each sense alone is worth nothing and both together tell all.",
                ),
            ),
        ),
        Question(
            "The 100 columns of the words and the 24 of the picture are standardised and joined. Whose ten nearest "
            "neighbours do the joined vectors mostly share?",
            (
                Option(
                    "Nobody's: all columns have the same spread.",
                    False,
                    "The words hold four fifths of the squared length.",
                ),
                Option(
                    "The words', by the number of columns.", True, "Divide each block by the root of its columns first."
                ),
                Option(
                    "The picture's, because few columns weigh more.",
                    False,
                    "After standardising, every column weighs the same.",
                ),
            ),
        ),
        Question(
            "When does modality dropout in training help a clip that lacks a sense?",
            (
                Option(
                    "Always: the model gets used to gaps.",
                    False,
                    "It cannot get used to a fact that nothing else tells.",
                ),
                Option(
                    "When another sense knows the same, and was neglected because it is harder to read.",
                    True,
                    "Hiding the easy sense gives the hard one something to learn.",
                ),
                Option(
                    "When each sense knows something of its own.",
                    False,
                    "Then what is gone is gone, and complete clips pay for it.",
                ),
            ),
        ),
    ),
)
