"""Exercises of 3.2.1, language: a likelihood by hand, calibration, constrained decoding, and grounding."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close

P = np.array([[0.60, 0.30, 0.10], [0.50, 0.10, 0.40]])  # two texts, three tags
P_NOTHING = np.array([[0.80, 0.10, 0.10], [0.40, 0.50, 0.10]])  # two texts without content
TITLE = "Starting a rock band: Guitar strings, don't panic"
PHRASES = ["guitar strings", "Rock Band", "art", "band guitar panic", "don't panic", "strings guitar"]
TAGS = ["cooking", "pets", "painting"]
VOCABULARY = ["p", "pa", "pet", "s", "ets", "pets!", "in", "cook", "x", "painting", "aint"]


def _check_likelihood(answer: float) -> str:
    refuse_close(answer, 0.01, "that is the probability itself; the question asks for its logarithm", rtol=2e-2)
    refuse_close(answer, -1.535, "that is the mean per token; the log-likelihood is the sum", rtol=2e-2)
    refuse_close(answer, -2.0, "that is the logarithm to the base 10; nats need the natural one", rtol=2e-2)
    refuse_close(answer, 4.605, "a probability below 1 has a negative logarithm", rtol=2e-2)
    refuse_close(answer, np.log(0.95), "you add the probabilities; a text needs all three tokens", rtol=2e-2)
    expect_close(answer, np.log(0.01), "add the natural logarithms of the three probabilities", rtol=1e-2)
    return "Each token can only lower the sum: compare texts of different lengths per token, or not at all."


def calibrated_probabilities(P_raw: np.ndarray, P_nothing: np.ndarray) -> np.ndarray:
    scores = np.log(P_raw) - np.log(P_nothing).mean(axis=0)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _not_normalised(P: np.ndarray, P_nothing: np.ndarray) -> np.ndarray:
    return np.asarray(P / np.exp(np.log(P_nothing).mean(axis=0)))


def _arithmetic(P: np.ndarray, P_nothing: np.ndarray) -> np.ndarray:
    weights = P / P_nothing.mean(axis=0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _times(P: np.ndarray, P_nothing: np.ndarray) -> np.ndarray:
    weights = P * np.exp(np.log(P_nothing).mean(axis=0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _over_texts(P: np.ndarray, P_nothing: np.ndarray) -> np.ndarray:
    weights = P / np.exp(np.log(P_nothing).mean(axis=0))
    return np.asarray(weights / weights.sum(axis=0))


def _check_calibrated(answer: Callable[..., Any]) -> str:
    got = answer(P.copy(), P_NOTHING.copy())
    refuse_close(got, _not_normalised(P, P_NOTHING), "the rows do not sum to 1: divide each by its sum")
    refuse_close(
        got, _arithmetic(P, P_NOTHING), "you average probabilities; the equation averages their logarithms", rtol=1e-4
    )
    refuse_close(got, _times(P, P_NOTHING), "you multiply by the taste for a tag; it is to be divided out", rtol=1e-4)
    refuse_close(got, _over_texts(P, P_NOTHING), "the columns sum to 1; a text's probabilities are a row", rtol=1e-4)
    expect_close(got, calibrated_probabilities(P, P_NOTHING), "divide by exp(b), then by the row's sum", rtol=1e-4)
    flat = answer(P_NOTHING[:1].copy(), P_NOTHING[:1].copy())
    expect_close(flat, np.full((1, 3), 1 / 3), "a text that says nothing must get equal probabilities", rtol=1e-4)
    return "The first text changes its tag: its favourite was what the model says of anything."


def grounded(keywords: list[str], text: str) -> list[str]:
    def joined(phrase: str) -> str:
        kept = "".join(sign if sign.isalnum() or sign == "'" else " " for sign in phrase.casefold())
        return f" {' '.join(kept.split())} "

    return [keyword for keyword in keywords if joined(keyword) in joined(text)]


def _substring(keywords: list[str], text: str) -> list[str]:
    return [keyword for keyword in keywords if keyword.casefold() in text.casefold()]


def _case_matters(keywords: list[str], text: str) -> list[str]:
    return [k for k in keywords if k.split() and f" {k} " in f" {' '.join(text.replace(':', ' ').split())} "]


def _any_order(keywords: list[str], text: str) -> list[str]:
    words = set(text.casefold().replace(":", " ").replace(",", " ").split())
    return [keyword for keyword in keywords if set(keyword.casefold().split()) <= words]


def _check_grounded(answer: Callable[..., Any]) -> str:
    got = list(answer(list(PHRASES), TITLE))
    if "art" in got:
        raise Wrong("you keep 'art', which stands in the text only as a part of 'Starting': compare whole words.")
    if "strings guitar" in got or "band guitar panic" in got:
        raise Wrong("you keep words that stand in the text apart or in another order; they must follow each other.")
    if "guitar strings" not in got or "Rock Band" not in got:
        raise Wrong("you drop a phrase that stands in the text in other capitals: fold the case of both sides.")
    expected = grounded(PHRASES, TITLE)
    if got != expected:
        raise Wrong(f"of {PHRASES} you keep {got}, but {expected} stand in the text.")
    if list(answer(["music"], "")):
        raise Wrong("nothing stands in an empty text.")
    return "Grounded is not true: 'rock band' may be what the clip is not about. It only cannot be invented."


def allowed(written: str, vocabulary: list[str], options: list[str]) -> list[str]:
    return [token for token in vocabulary if any(option.startswith(written + token) for option in options)]


def _from_scratch(written: str, vocabulary: list[str], options: list[str]) -> list[str]:
    return [token for token in vocabulary if any(option.startswith(token) for option in options)]


def _whole_only(written: str, vocabulary: list[str], options: list[str]) -> list[str]:
    return [token for token in vocabulary if written + token in options]


def _beyond(written: str, vocabulary: list[str], options: list[str]) -> list[str]:
    return [t for t in vocabulary if any(o.startswith(written + t) or (written + t).startswith(o) for o in options)]


def _anywhere(written: str, vocabulary: list[str], options: list[str]) -> list[str]:
    return [token for token in vocabulary if any(written + token in option for option in options)]


def _check_allowed(answer: Callable[..., Any]) -> str:
    middle = list(answer("p", list(VOCABULARY), list(TAGS)))
    if middle == _from_scratch("p", VOCABULARY, TAGS):
        raise Wrong("you ask which tokens begin an option; after 'p' is written, ask what can follow it.")
    if middle == _whole_only("p", VOCABULARY, TAGS):
        raise Wrong("you allow only a token that completes an option; 'paint' may still become 'painting'.")
    if middle != allowed("p", VOCABULARY, TAGS):
        raise Wrong(f"after 'p' you allow {middle}; {allowed('p', VOCABULARY, TAGS)} can still become a tag.")
    start = list(answer("", list(VOCABULARY), list(TAGS)))
    if "pets!" in start:
        raise Wrong("you allow 'pets!', which goes beyond the tag 'pets': no option begins with it.")
    if "in" in start:
        raise Wrong("you allow 'in', which stands inside of 'cooking' but begins no option.")
    if start != allowed("", VOCABULARY, TAGS):
        raise Wrong(f"at the beginning you allow {start}; it should be {allowed('', VOCABULARY, TAGS)}.")
    if list(answer("pets", list(VOCABULARY), list(TAGS))):
        raise Wrong("after 'pets' nothing may come: the answer is complete.")
    return "Mask all other tokens before each argmax, and the answer is always one of the options."


EXERCISES = (
    Exercise(
        id="likelihood-of-three-tokens",
        title="The likelihood of three tokens",
        difficulty=1,
        minutes=3,
        prompt="""
            A model gives the three tokens of *feed the cat*, each given what stands before it, the probabilities
            0.05, 0.5 and 0.4. What is the log-likelihood of the text, in nats?
        """,
        starter="log_likelihood = ...  # in nats",
        hints=(
            "The chain rule multiplies the three; the logarithm turns the product into a sum.",
            "`np.log` is the natural logarithm, whose unit is the nat.",
        ),
        solution=float(np.log(0.01)),
        solution_source="log_likelihood = np.log([0.05, 0.5, 0.4]).sum()",
        check=_check_likelihood,
        wrong=(
            (0.01, "the probability itself"),
            (-1.535, "the mean per token"),
            (-2.0, "base 10"),
            (4.605, "a negative logarithm"),
            (-0.0513, "you add the probabilities"),
            (-3.0, "add the natural logarithms"),
        ),
    ),
    Exercise(
        id="divide-out-the-taste",
        title="Divide out what the model always likes",
        difficulty=2,
        minutes=8,
        prompt=r"""
            `P_raw` holds the uncalibrated probabilities of tags, a row for each text; `P_nothing` the same for texts
            without content. Write `calibrated_probabilities(P_raw, P_nothing)`: each
            $P_{\text{raw}}(\mathrm{tag} \mid x)$ divided by $e^{b_{\mathrm{tag}}}$, then each row by its sum. Take as
            $b_{\mathrm{tag}}$ the mean of $\ln$ `P_nothing` over its rows.
        """,
        starter="""
            def calibrated_probabilities(P_raw: np.ndarray, P_nothing: np.ndarray) -> np.ndarray:
                ...  # your code here: rows that sum to 1
        """,
        hints=(
            "`np.log(P_nothing).mean(axis=0)` is b, one number for each tag.",
            "Divide each row by its own sum: `keepdims=True` keeps the shape for that.",
        ),
        solution=calibrated_probabilities,
        check=_check_calibrated,
        wrong=(
            (_not_normalised, "do not sum to 1"),
            (_arithmetic, "averages their logarithms"),
            (_times, "to be divided out"),
            (_over_texts, "the columns sum to 1"),
        ),
    ),
    Exercise(
        id="tokens-that-are-allowed",
        title="Which tokens may come next?",
        difficulty=2,
        minutes=12,
        prompt="""
            A model shall write one of the `options` and nothing else, token by token. `written` is what it has written
            so far, `vocabulary` lists all its tokens. Write `allowed(written, vocabulary, options)`, which returns the
            tokens, in the order of the vocabulary, after which the text can still become one of the options.
        """,
        starter="""
            def allowed(written: str, vocabulary: list[str], options: list[str]) -> list[str]:
                ...  # your code here: the tokens that may come next
        """,
        hints=(
            "With the options *pets* and *painting*, and *p* written: may *a* come? May *x*? May *ets*?",
            "A token is allowed if some option begins with what is written and the token.",
            "`option.startswith(written + token)`, for any of the options.",
        ),
        solution=allowed,
        check=_check_allowed,
        wrong=(
            (_from_scratch, "after 'p' is written"),
            (_whole_only, "completes an option"),
            (_beyond, "goes beyond the tag"),
            (_anywhere, "stands inside of"),
        ),
    ),
    Exercise(
        id="keywords-in-the-text",
        title="Keep only what stands in the text",
        difficulty=3,
        minutes=10,
        prompt="""
            Write `grounded(keywords, text)`, which returns those keywords whose words stand in the text, whole, in this
            order and next to each other. Capitals do not matter; signs other than letters, digits and the apostrophe
            count as spaces.
        """,
        starter="""
            def grounded(keywords: list[str], text: str) -> list[str]:
                ...  # your code here: those whose words stand in the text, in a row
        """,
        hints=(
            "`'art' in 'starting'` is true. How can a space on both sides help?",
            "Bring both into one form: case folded, other signs as spaces, single spaces, one at each end.",
            "`''.join(s if s.isalnum() or s == \"'\" else ' ' for s in phrase.casefold())` does the first half.",
        ),
        solution=grounded,
        check=_check_grounded,
        wrong=(
            (_substring, "a part of 'Starting'"),
            (_case_matters, "fold the case"),
            (_any_order, "in another order"),
        ),
    ),
)

QUIZ = Quiz(
    id="3.2.1",
    questions=(
        Question(
            "An answer passed all the gates of the page and became a reading. What is certain?",
            (
                Option("That the tags are right.", False, "A tag from the list can be the wrong one."),
                Option(
                    "That the program that reads it will not break.",
                    True,
                    "Form and origin of the words are checked; whether they say something true is not.",
                ),
                Option("That the summary follows from the text.", False, "It shares a word with it, no more."),
            ),
        ),
        Question(
            "Why does a model that scores a list of tags need calibration?",
            (
                Option(
                    "Some tags are likelier than others after any text at all.",
                    True,
                    "Their mean log-likelihood after texts without content is taken off.",
                ),
                Option("Its probabilities do not sum to 1.", False, "The softmax over the list sees to that."),
                Option("It may choose a tag that is not in the list.", False, "It can only choose from the list."),
            ),
        ),
        Question(
            "Constrained decoding holds every answer to a schema with the list of tags in it. What does it prevent?",
            (
                Option("A keyword that does not stand in the text.", False, "Any string is a valid string."),
                Option(
                    "A tag that is not in the list.",
                    True,
                    "A token that leads away from the list is forbidden.",
                ),
                Option("A title that gives the model orders.", False, "The order changes which valid answer it picks."),
            ),
        ),
        Question(
            "In which case is a language model the best first try for tagging?",
            (
                Option(
                    "Thousands of labelled clips, ten fixed topics.",
                    False,
                    "A linear classifier on TF-IDF learns that for next to nothing, and takes no orders.",
                ),
                Option(
                    "No labels, and every month other questions about the clips.",
                    True,
                    "A question is a prompt; nothing has to be trained. Judge a sample of the answers.",
                ),
                Option(
                    "Chinese clips, and a model that was trained on English.",
                    False,
                    "On the few clips of this page, a multilingual encoder without any writing did better.",
                ),
            ),
        ),
    ),
)
