"""Exercises of 5.3, from pseudocode to a program: an LSTM's weights, always no, the last word, AUC within viewers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

STATES = np.arange(24, dtype=float).reshape(3, 4, 2)  # three texts, four places, two units
IDS = np.array([[5, 7, 2, 9], [4, 3, 0, 0], [0, 0, 0, 0]])
WANTED = np.array([[6.0, 7.0], [10.0, 11.0], [0.0, 0.0]])

SCORES = np.array([0.9, 0.2, 0.8, 0.3, 0.7, 0.1, 0.6, 0.4, 0.5])
CLICKS = np.array([1, 0, 0, 1, 0, 1, 0, 0, 0])
USERS = np.array([7, 7, 2, 2, 2, 4, 4, 4, 9])


def _check_weights(answer: float) -> str:
    refuse_close(answer, 3744, "that counts PyTorch's second bias too; Keras has one number a gate and unit")
    refuse_close(answer, 912, "that is one gate; an LSTM has four of them, with weights of their own")
    refuse_close(answer, 3552, "the biases are missing: one for each gate and unit")
    refuse_close(answer, 1344, "the state is an input too: each gate also reads the 24 numbers of the step before")
    expect_close(answer, 3648, "four gates, each with 13 inputs, 24 states and a bias for each of its 24 units")
    return "More than half of them read the state. PyTorch has 96 more, a second bias that adds nothing new."


def _check_share(answer: float) -> str:
    refuse_close(answer, 0.982, "that forgets the yeses that are wrong; there is one for each right one", rtol=1e-3)
    refuse_close(answer, 0.4, "that is the share of clicks found, the recall", rtol=1e-3)
    refuse_close(answer, 0.5, "that is the share of yeses that are right, the precision", rtol=1e-3)
    refuse_close(answer, 97, "that is in percent; the answer is a share from 0 to 1", rtol=1e-3)
    expect_close(answer, 0.97, "take 1 − (clicks missed) − (wrong yeses), as shares of all impressions", rtol=1e-3)
    return "Exactly what saying no gets. Accuracy can't see that two clicks in five were found."


def last_state(states: np.ndarray, ids: np.ndarray) -> np.ndarray:
    length = (ids != 0).sum(axis=1)  # (B,)
    last = states[np.arange(len(ids)), np.maximum(length - 1, 0)]  # (B, H)
    return np.asarray(last * (length > 0)[:, None])


def _at_the_end(states: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return np.asarray(states[:, -1])


def _after_the_last(states: np.ndarray, ids: np.ndarray) -> np.ndarray:
    length = np.minimum((ids != 0).sum(axis=1), ids.shape[1] - 1)
    return np.asarray(states[np.arange(len(ids)), length])


def _no_empty_text(states: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return np.asarray(states[np.arange(len(ids)), (ids != 0).sum(axis=1) - 1])


def _check_last(answer: Callable[..., Any]) -> str:
    got = answer(STATES.copy(), IDS.copy())
    refuse_close(got, _at_the_end(STATES, IDS), "that is the state at the end of the row, after the padding")
    refuse_close(got, _after_the_last(STATES, IDS), "that is one step too far: place 0 is the first word")
    refuse_close(got, _no_empty_text(STATES, IDS), "a text without a word has no last one; its vector shall be 0")
    expect_close(got, WANTED, "take, for each text, the state at the place of its last id that is not 0")
    longer = np.concatenate([STATES, np.full((3, 2, 2), 99.0)], axis=1)
    padded = np.pad(IDS, [(0, 0), (0, 2)])
    expect_close(answer(longer, padded), WANTED, "more padding must change nothing")
    return "Two more places of padding change nothing. That is the test to write for every reader of sequences."


def within(scores: np.ndarray, clicks: np.ndarray, users: np.ndarray) -> float:
    each = []
    for user in np.unique(users):
        own = users == user
        if 0 < clicks[own].sum() < own.sum():
            each.append(roc_auc_score(clicks[own], scores[own]))
    return float(np.mean(each))


def _pooled(scores: np.ndarray, clicks: np.ndarray, users: np.ndarray) -> float:
    return float(roc_auc_score(clicks, scores))


def _one_half_for_others(scores: np.ndarray, clicks: np.ndarray, users: np.ndarray) -> float:
    each = []
    for user in np.unique(users):
        own = users == user
        both = 0 < clicks[own].sum() < own.sum()
        each.append(roc_auc_score(clicks[own], scores[own]) if both else 0.5)
    return float(np.mean(each))


def _by_rows(scores: np.ndarray, clicks: np.ndarray, users: np.ndarray) -> float:
    each, rows = [], []
    for user in np.unique(users):
        own = users == user
        if 0 < clicks[own].sum() < own.sum():
            each.append(roc_auc_score(clicks[own], scores[own]))
            rows.append(own.sum())
    return float(np.average(each, weights=rows))


def _check_within(answer: Callable[..., Any]) -> str:
    got = answer(SCORES.copy(), CLICKS.copy(), USERS.copy())
    refuse_close(got, _pooled(SCORES, CLICKS, USERS), "that is the AUC over all rows; take one for each viewer")
    refuse_close(
        got, _one_half_for_others(SCORES, CLICKS, USERS), "a viewer with one kind of row has no AUC; leave them out"
    )
    refuse_close(got, _by_rows(SCORES, CLICKS, USERS), "each viewer counts once, however many rows they have")
    expect_close(got, within(SCORES, CLICKS, USERS), "average the AUC of the viewers who have both kinds of rows")
    shifted = SCORES + 10.0 * USERS
    expect_close(
        answer(shifted, CLICKS.copy(), USERS.copy()),
        within(SCORES, CLICKS, USERS),
        "adding a number to all scores of a viewer must change nothing",
    )
    return "Whatever is added to all scores of a viewer changes nothing here. Over all rows it would."


EXERCISES = (
    Exercise(
        id="count-the-weights",
        title="How many numbers does the ear have?",
        difficulty=1,
        minutes=4,
        prompt="""
            The LSTM that reads the sound takes 13 coefficients a frame and has 24 units. Each of its four gates reads
            the frame and the state before it (24 numbers), and has one bias for each unit, as Keras counts. How many
            weights are that in all?
        """,
        starter="weights = ...",
        hints=(
            "One unit of one gate has 13 weights for the frame, 24 for the state, and a bias.",
            "Multiply that by 24 units and by four gates.",
        ),
        solution=3648,
        solution_source="weights = 4 * 24 * (13 + 24 + 1)",
        check=_check_weights,
        wrong=((3744, "second bias"), (912, "one gate"), (3552, "biases are missing"), (1344, "the state is an input")),
    ),
    Exercise(
        id="accuracy-of-no",
        title="The accuracy of a useful model",
        difficulty=1,
        minutes=5,
        prompt="""
            Three impressions in a hundred get a click. A model says yes to two clicks in five, and for each of these
            right yeses there is one wrong yes. What is its accuracy, as a share from 0 to 1?
        """,
        starter="share = ...  # a number from 0 to 1",
        hints=(
            "It is wrong in two ways: clicks that it misses, and yeses without a click.",
            "It misses 0.03 · 3/5 of all impressions, and says a wrong yes to 0.03 · 2/5 of them.",
        ),
        solution=0.97,
        solution_source="share = 1 - 0.03 * 3 / 5 - 0.03 * 2 / 5",
        check=_check_share,
        wrong=(
            (0.982, "yeses that are wrong"),
            (0.4, "recall"),
            (0.5, "precision"),
            (97, "in percent"),
            (0.99, "take 1"),
        ),
    ),
    Exercise(
        id="last-word",
        title="The state after the last word",
        difficulty=2,
        minutes=10,
        prompt="""
            An LSTM has returned its state after every place of some texts: `states`, shape (B, L, H). `ids`, shape
            (B, L), are the token ids; 0 is padding and stands at the end. Write `last_state(states, ids)`: the state
            after the last word of each text, shape (B, H), and zeros for a text without a word.
        """,
        starter="""
            def last_state(states: np.ndarray, ids: np.ndarray) -> np.ndarray:
                ...  # your code here: an array (B, H)
        """,
        hints=(
            "The number of ids that are not 0 is the length of a text; its last word stands one place before that.",
            "`states[np.arange(len(ids)), place]` takes one place of each text. What is the place of an empty text?",
        ),
        solution=last_state,
        check=_check_last,
        wrong=(
            (_at_the_end, "after the padding"),
            (_after_the_last, "one step too far"),
            (_no_empty_text, "without a word"),
        ),
    ),
    Exercise(
        id="auc-within-viewers",
        title="An AUC that only lists can raise",
        difficulty=3,
        minutes=15,
        prompt="""
            Write `within(scores, clicks, users)`, three arrays with an entry for each impression: the mean, over the
            viewers who have a row with a click and one without, of the AUC of their own rows. Then convince yourself
            that adding a number to all scores of one viewer changes nothing.
        """,
        starter="""
            def within(scores: np.ndarray, clicks: np.ndarray, users: np.ndarray) -> float:
                ...  # your code here
        """,
        hints=(
            "`np.unique(users)` are the viewers, and `users == user` marks the rows of one.",
            "`roc_auc_score(clicks, scores)` of the page's imports gives the AUC of one viewer's rows, if both kinds "
            "are among them.",
        ),
        solution=within,
        check=_check_within,
        wrong=(
            (_pooled, "over all rows"),
            (_one_half_for_others, "has no AUC"),
            (_by_rows, "counts once"),
        ),
    ),
)

QUIZ = Quiz(
    id="5.3",
    questions=(
        Question(
            "A network takes the words, the picture and the sound of a clip, and is trained on the clicks of a million "
            "people for a month. Two people ask it for ten clips out of the same hundred. What do they get?",
            (
                Option(
                    "The same ten.",
                    True,
                    "Nothing in its input tells them apart, however long it was trained.",
                ),
                Option("Different ones, if it was trained long enough.", False, "A score depends on its inputs only."),
                Option(
                    "Different ones, if they clicked on different clips.", False, "Their clicks are no input of it."
                ),
            ),
        ),
        Question(
            "Audio of shape (batch, time) goes into a PyTorch LSTM that was built for vectors of length `time`. "
            "It runs. What has it read?",
            (
                Option("Each clip, moment by moment.", False, "Then the shape would have three axes."),
                Option(
                    "One sequence, whose moments are the clips of the batch.",
                    True,
                    "Two axes mean a sequence without a batch, so clips tell each other things.",
                ),
                Option("Each clip as one vector, by itself.", False, "A state is carried from clip to clip."),
            ),
        ),
        Question(
            "A model has the same AUC on a random fifth of the rows and on later rows of clips from training. May its "
            "author keep the random split?",
            (
                Option("Yes: it was shown not to flatter.", False, "Only for these clips, this model and this month."),
                Option(
                    "No: it still says nothing about clips that were not in training.",
                    True,
                    "By AUC, popularity looked as good as the network on seen clips, and fell to chance on new ones.",
                ),
                Option("Yes, if accuracy is replaced by AUC.", False, "The metric does not change whom it asks about."),
            ),
        ),
    ),
)
