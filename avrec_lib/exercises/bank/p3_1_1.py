"""Exercises of 3.1.1, text: a TF-IDF weight, subjects never seen, pairs of characters, and a step of word2vec."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.content.vectors import sgns_gradient
from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, expect_equal, refuse_close

TEXTS = {
    "我喜欢电影": ["我喜", "喜欢", "欢电", "电影"],
    "租房小改造：拆洗油烟机": ["租房", "房小", "小改", "改造", "拆洗", "洗油", "油烟", "烟机"],
    "猫 和狗": ["猫", "和狗"],
    "换7个灯泡 vlog": ["换", "个灯", "灯泡"],
    "4K vlog": [],
}
Step = tuple[np.ndarray, ...]
_RNG = np.random.default_rng(0)
C, O, D = _RNG.normal(size=3), _RNG.normal(size=3), _RNG.normal(size=(2, 3))  # noqa: E741 - as on the page
LR = 0.5


def _check_weight(answer: float) -> str:
    refuse_close(answer, 2.609, "that is the idf itself; the vector of the title still has to get length 1", rtol=2e-3)
    refuse_close(answer, 0.9544, "you left out the smoothing: one document that holds every token", rtol=2e-3)
    refuse_close(answer, 0.862, "the logarithm is natural, not to base 10", rtol=2e-3)
    refuse_close(
        answer, 0.723, "divide by the Euclidean length, the root of the sum of squares, not by the sum", rtol=2e-3
    )
    refuse_close(answer, 1.0, "without the + 1, a token that is everywhere weighs 0; here it weighs 1", rtol=2e-3)
    expect_close(answer, 0.9338, "the idf of 'how' is 1; that of 'tofu' is ln(10 / 2) + 1", rtol=2e-3)
    return "A word in every title still has a weight, but nine tenths of the direction are tofu."


def bigrams(text: str) -> list[str]:
    runs = "".join(sign if "\u4e00" <= sign <= "\u9fff" else " " for sign in text).split()
    return [run[i : i + 2] for run in runs for i in range(max(1, len(run) - 1))]


def _across(text: str) -> list[str]:
    run = "".join(sign for sign in text if "\u4e00" <= sign <= "\u9fff")
    return [run[i : i + 2] for i in range(len(run) - 1)]


def _side_by_side(text: str) -> list[str]:
    runs = "".join(sign if "\u4e00" <= sign <= "\u9fff" else " " for sign in text).split()
    return [run[i : i + 2] for run in runs for i in range(0, len(run), 2)]


def _no_singles(text: str) -> list[str]:
    return [pair for pair in bigrams(text) if len(pair) == 2]


def _of_everything(text: str) -> list[str]:
    return [text[i : i + 2] for i in range(len(text) - 1)]


def _check_bigrams(answer: Callable[..., Any]) -> str:
    for text, want in TEXTS.items():
        got = answer(text)
        if isinstance(got, list):
            if got == _of_everything(text) != want:
                raise Wrong(f"of {text!r} you also pair signs that are no Chinese characters.")
            if got == _across(text) != want:
                raise Wrong(
                    f"of {text!r} you pair characters that do not stand side by side; a sign between them separates."
                )
            if got == _side_by_side(text) != want:
                raise Wrong(f"of {text!r} you cut into pieces of two; the pairs overlap, each character begins one.")
            if got == _no_singles(text) != want:
                raise Wrong(f"of {text!r} you lose a character that stands alone.")
        expect_equal(got, want, f"for {text!r}, expected {want}")
    return "With pairs, the two sentences about films and music have the cosine 1/2, without a dictionary."


def step(v_c: np.ndarray, u_o: np.ndarray, U: np.ndarray, lr: float) -> Step:
    def sigmoid(z: Any) -> Any:  # noqa: ANN401
        return 1 / (1 + np.exp(-z))

    error_o, errors = sigmoid(u_o @ v_c) - 1, sigmoid(U @ v_c)
    moved = v_c - lr * (error_o * u_o + errors @ U)
    return moved, u_o - lr * error_o * v_c, U - lr * np.outer(errors, v_c)


def _uphill(v_c: np.ndarray, u_o: np.ndarray, U: np.ndarray, lr: float) -> Step:
    return step(v_c, u_o, U, -lr)


def _one_after_the_other(v_c: np.ndarray, u_o: np.ndarray, U: np.ndarray, lr: float) -> Step:
    moved = step(v_c, u_o, U, lr)[0]
    return moved, u_o - lr * sgns_gradient(moved, u_o, U)[1], U - lr * sgns_gradient(moved, u_o, U)[2]


def _neighbour_only(v_c: np.ndarray, u_o: np.ndarray, U: np.ndarray, lr: float) -> Step:
    return (*step(v_c, u_o, U[:0], lr)[:2], U)


def _without_the_truth(v_c: np.ndarray, u_o: np.ndarray, U: np.ndarray, lr: float) -> Step:
    p = 1 / (1 + np.exp(-(u_o @ v_c)))
    right = step(v_c, u_o, U, lr)
    return right[0] - lr * u_o, u_o - lr * p * v_c, right[2]


def _check_step(answer: Callable[..., Any]) -> str:
    given = C.copy(), O.copy(), D.copy()
    got = answer(*given, LR)
    if not isinstance(got, tuple) or len(got) != 3:
        raise Wrong("three arrays are asked for: v_c, u_o and U after the step.")
    if any((now != was).any() for now, was in zip(given, (C, O, D), strict=True)):
        raise Wrong("your function changed the arrays it was given; return new ones.")
    refuse_close(got[0], _uphill(C, O, D, LR)[0], "you go up the slope; the loss falls against the gradient")
    refuse_close(got[0], _neighbour_only(C, O, D, LR)[0], "the drawn words have no part in your step of v_c")
    refuse_close(
        got[0], _without_the_truth(C, O, D, LR)[0], "for the neighbour the truth is 1: its error is sigmoid − 1"
    )
    refuse_close(got[1], _one_after_the_other(C, O, D, LR)[1], "u_o was moved with a v_c that had moved already")
    for mine, want, name in zip(got, step(C, O, D, LR), ("v_c", "u_o", "U"), strict=True):
        expect_close(mine, want, f"{name} is not where one step of the learning rate leads", rtol=1e-4)
    return "gensim does this some millions of times for each pass over the clips' texts."


def _check_characters(answer: float) -> str:
    refuse_close(answer, 0.9335, "that is with known subjects; pass the subjects to guess as well", rtol=4e-3)
    refuse_close(answer, 0.5765, "that is what words reach; cut each title by list(title)", rtol=4e-3)
    refuse_close(answer, 0.885, "that is the English text with tags and description; take Chinese titles", rtol=4e-3)
    expect_close(answer, 0.636, "use all 2,000 Chinese titles, vectors_of and guess of the page", rtol=2e-2)
    return (
        "Characters beat words on new subjects: a character is shared by the words it is part of, so it carries "
        "over from one subject to another where the word itself is new."
    )


EXERCISES = (
    Exercise(
        id="tfidf-by-hand",
        title="One weight",
        difficulty=1,
        minutes=5,
        prompt="""
            A catalogue has 9 titles. *How* is in all 9 of them, *tofu* in one. What is the weight of *tofu* in the
            TF-IDF vector of the title *How tofu*?
        """,
        starter="weight = ...",
        hints=(
            "Compute the two idf first, each with the ones that are added in the equation.",
            "Then divide by the length of the vector of the title, which has two numbers.",
        ),
        solution=0.9338,
        solution_source="""
            idf = np.log((1 + 9) / (1 + np.array([9, 1]))) + 1  # how, tofu
            weight = idf[1] / np.sqrt((idf**2).sum())
        """,
        check=_check_weight,
        wrong=(
            (2.6094, "the idf itself"),
            (0.9544, "the smoothing"),
            (0.8618, "not to base 10"),
            (0.7229, "the root of the sum"),
            (1.0, "weighs 0"),
            (0.5, "ln(10 / 2)"),
        ),
    ),
    Exercise(
        id="characters-for-new-subjects",
        title="Words or characters?",
        difficulty=1,
        minutes=6,
        prompt="""
            On known subjects, Chinese titles cut into words or into characters do about equally well. What about
            subjects that are new? Cut all 2,000 Chinese titles into characters, and measure the share of right topics
            with the folds by subject. Guess before you run it: more or less than with words, and why?
        """,
        starter="""
            # all 2,000 Chinese titles, cut into characters instead of words
            accuracy_new = ...  # the share of right topics when the subject is new
        """,
        hints=(
            "`list(title)` cuts a title into characters; `vectors_of` takes a list of such lists.",
            "`guess(vectors, topic, subject)` returns the guessed topics; compare them with `topic`.",
        ),
        solution=0.636,
        solution_source="""
            characters = vectors_of([list(title) for title in items["title_zh"]])
            accuracy_new = np.mean(guess(characters, topic, subject) == topic)
        """,
        check=_check_characters,
        wrong=(
            (0.934, "known subjects"),
            (0.576, "what words reach"),
            (0.884, "take Chinese"),
            (0.3, "vectors_of and"),
        ),
    ),
    Exercise(
        id="chinese-bigrams",
        title="Chinese without a dictionary",
        difficulty=2,
        minutes=12,
        prompt=r"""
            Many search engines index Chinese by overlapping pairs of characters: 我喜欢电影 becomes
            我喜, 喜欢, 欢电, 电影. Write `bigrams(text)`, which returns the list of pairs in their order. A pair is
            of two Chinese characters side by side (`"\u4e00" <= sign <= "\u9fff"`); any other sign
            separates and is dropped. A character with no Chinese neighbour stands for itself.
        """,
        starter="""
            def bigrams(text: str) -> list[str]:
                ...  # your code here
        """,
        hints=(
            "Replace whatever is no Chinese character by a space, and `split` gives the runs.",
            "A run of n characters has n − 1 pairs, `run[i : i + 2]`. What does that slice give if n is 1 and i is 0?",
        ),
        solution=bigrams,
        check=_check_bigrams,
        wrong=(
            (_across, "do not stand side by side"),
            (_side_by_side, "pieces of two"),
            (_no_singles, "stands alone"),
            (_of_everything, "no Chinese characters"),
        ),
    ),
    Exercise(
        id="sgns-step",
        title="One step of word2vec",
        difficulty=3,
        minutes=12,
        prompt="""
            Write `step(v_c, u_o, U, lr)`, which returns the three after one step of gradient descent on the loss
            of the page, with the learning rate `lr`. Here `v_c` is the vector of the word in the middle, `u_o` of its
            neighbour, both of shape (d,), and `U` of the drawn words, of shape (n, d). All gradients are taken
            before anything moves. Do without `sgns_gradient`.
        """,
        starter="""
            def step(v_c: np.ndarray, u_o: np.ndarray, U: np.ndarray, lr: float) -> tuple[np.ndarray, ...]:
                ...  # your code here: the three, after one step
        """,
        hints=(
            "Compute the errors first: sigmoid − 1 for the neighbour, sigmoid for each drawn word.",
            "A vector on one side of a dot product moves along the vector on the other side, times the error.",
            "`np.outer(errors, v_c)` has a row for each drawn word.",
        ),
        solution=step,
        check=_check_step,
        wrong=(
            (_uphill, "up the slope"),
            (_neighbour_only, "have no part"),
            (_without_the_truth, "the truth is 1"),
            (_one_after_the_other, "had moved already"),
        ),
    ),
)

QUIZ = Quiz(
    id="3.1.1",
    questions=(
        Question(
            "You segment Chinese titles, join the words by spaces, and give them to scikit-learn's default vectoriser. "
            "What happens?",
            (
                Option("All is well: words are separated by spaces now.", False, "The pattern wants two signs a word."),
                Option(
                    "Words of one character vanish, without an error.",
                    True,
                    "The default pattern keeps runs of two or more letters or digits. Pass a tokeniser of your own.",
                ),
                Option("It raises an error for every title.", False, "Only if nothing at all is left of all titles."),
            ),
        ),
        Question(
            "Two titles share no token; one is about dumplings, the other about noodles. The catalogue grows from a "
            "thousand to a million titles. What happens to the cosine of their TF-IDF vectors?",
            (
                Option("It grows, as idf is estimated better.", False, "Weights change, but no column is shared."),
                Option(
                    "It stays zero.",
                    True,
                    "Each token has its own column, however many titles there are. Likeness of words has to come from "
                    "vectors of words.",
                ),
                Option("It falls below zero.", False, "All weights are positive or zero, so a cosine cannot."),
            ),
        ),
        Question(
            "A colleague takes the first 10 clips, scores all 400 English titles for each Chinese one, sorts stably, "
            "and reports a recall@10 of 1. Her model, it turns out, returned zeros only. How?",
            (
                Option(
                    "All scores tie, and a stable sort keeps the stored order: the right titles are the first ten.",
                    True,
                    "Break ties by a fair coin, and the same model gets 10/400.",
                ),
                Option("Recall@10 is always 1 with ten queries.", False, "It counts over the queries, ten or not."),
                Option("Zeros are a good score for titles.", False, "A score that is the same for all says nothing."),
            ),
        ),
        Question(
            "In word2vec, what would happen without the words drawn at random?",
            (
                Option("Training would take longer.", False, "It would be quicker, and worthless."),
                Option("Rare words would get no vector.", False, "They would, like all the others."),
                Option(
                    "All vectors could point the same way and grow: the loss would be near zero.",
                    True,
                    "Every pair of neighbours asks for a large dot product, and nothing asks for a small one.",
                ),
            ),
        ),
    ),
)
