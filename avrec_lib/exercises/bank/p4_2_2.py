"""Exercises of 4.2.2, sentiment: smoothing by hand, macro-F1, a model that only remembers, and two readers' priors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.behaviour.sentiment_evaluation import evaluate_sentiment, text_groups
from avrec_lib.data.clips import load_clips
from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

LABELS = np.array([1, 1, 1, 1, 1, 0, 0, -1])
GUESSES = np.array([1, 1, 1, 1, 0, 0, 1, 1])
SHOUTS = ["boring", "yyds", "boring", "nice", "boring", "yyds", "who sings?", "meh"]
MEANT = np.array([-1, 1, 1, 1, -1, 1, 0, -1])
IN_TEST = np.array([False, False, False, False, True, True, True, True])
FIRST = np.array([[0.6, 0.2, 0.2], [0.1, 0.1, 0.8], [0.15, 0.25, 0.6]])
SECOND = np.array([[0.3, 0.3, 0.4], [0.2, 0.2, 0.6], [0.15, 0.25, 0.6]])
PRIOR = np.array([0.15, 0.25, 0.6])


def _check_smoothed(answer: float) -> str:
    refuse_close(answer, 1.0, "without smoothing blame gets 0, and one word decides everything; α is 1", rtol=1e-3)
    refuse_close(answer, 0.75, "those are the θ alone; times π, for praise is three times as frequent", rtol=1e-3)
    refuse_close(answer, 6 / 7, "α stands below the line as well, once for each of the 8 terms", rtol=2e-3)
    refuse_close(answer, 0.1875, "that is π θ of praise; divide by the sum over both sentiments", rtol=1e-3)
    expect_close(answer, 0.9, "π θ is ¾ · 4/16 for praise and ¼ · 1/12 for blame", rtol=5e-3)
    return "A word never seen in blame leaves blame a tenth: smoothing keeps the door open."


def macro_f1(labels: np.ndarray, guesses: np.ndarray) -> float:
    scores = []
    for c in (-1, 0, 1):
        hits = np.sum((labels == c) & (guesses == c))
        named = np.sum(labels == c) + np.sum(guesses == c)
        if named:
            scores.append(2 * hits / named)
    return float(np.mean(scores))


def _accuracy(labels: np.ndarray, guesses: np.ndarray) -> float:
    return float(np.mean(labels == guesses))


def _weighted(labels: np.ndarray, guesses: np.ndarray) -> float:
    total = 0.0
    for c in (-1, 0, 1):
        named = np.sum(labels == c) + np.sum(guesses == c)
        total += np.sum(labels == c) * 2 * np.sum((labels == c) & (guesses == c)) / max(named, 1)
    return float(total / len(labels))


def _recall(labels: np.ndarray, guesses: np.ndarray) -> float:
    return float(np.mean([np.mean(guesses[labels == c] == c) for c in np.unique(labels)]))


def _absent_is_zero(labels: np.ndarray, guesses: np.ndarray) -> float:
    return macro_f1(labels, guesses) * len(set(labels.tolist()) | set(guesses.tolist())) / 3


def _check_macro(answer: Callable[..., Any]) -> str:
    got = answer(LABELS, GUESSES)
    refuse_close(got, _accuracy(LABELS, GUESSES), "that is the accuracy; take the F1 of each sentiment first")
    refuse_close(got, _weighted(LABELS, GUESSES), "that weighs each F1 by its number of labels; macro does not")
    refuse_close(got, _recall(LABELS, GUESSES), "that is the mean recall; false alarms must count below the line too")
    expect_close(got, macro_f1(LABELS, GUESSES), "2 TP / (2 TP + FP + FN) of each sentiment, then their mean")
    short = answer(LABELS[:5], GUESSES[:5])
    refuse_close(short, 8 / 9 / 3, "a sentiment that neither labels nor guesses have is left out, not counted as 0")
    ours = evaluate_sentiment(LABELS[:5], GUESSES[:5], n_boot=0).at[0, "macro_f1"]
    expect_close(short, ours, "without any blame, the mean is over the two sentiments that occur")
    return "It equals scikit-learn's f1_score(average='macro'), and the table of this page."


def parrot(texts: Sequence[str], labels: np.ndarray, is_test: np.ndarray) -> float:
    memory: dict[str, int] = {}
    for text, label, test in zip(texts, labels, is_test, strict=True):
        if not test:
            memory.setdefault(text, label)
    right = [memory.get(text, 1) == label for text, label, test in zip(texts, labels, is_test, strict=True) if test]
    return float(np.mean(right))


def _remembers_the_test(texts: Sequence[str], labels: np.ndarray, is_test: np.ndarray) -> float:
    memory: dict[str, int] = {}
    for text, label in zip(texts, labels, strict=True):
        memory.setdefault(text, label)
    return float(np.mean([memory[text] == label for text, label in zip(texts, labels, strict=True)]))


def _all_rows(texts: Sequence[str], labels: np.ndarray, is_test: np.ndarray) -> float:
    memory = {t: y for t, y, test in reversed(list(zip(texts, labels, is_test, strict=True))) if not test}
    return float(np.mean([memory.get(text, 1) == label for text, label in zip(texts, labels, strict=True)]))


def _known_only(texts: Sequence[str], labels: np.ndarray, is_test: np.ndarray) -> float:
    memory = {t: y for t, y, test in reversed(list(zip(texts, labels, is_test, strict=True))) if not test}
    rows = zip(texts, labels, is_test, strict=True)
    return float(np.mean([memory[text] == label for text, label, test in rows if test and text in memory]))


def _last_wins(texts: Sequence[str], labels: np.ndarray, is_test: np.ndarray) -> float:
    backwards = slice(None, None, -1)
    return parrot(texts[backwards], labels[backwards], is_test[backwards])


def _check_parrot(answer: Callable[..., Any]) -> str:
    got = answer(SHOUTS, MEANT, IN_TEST)
    refuse_close(got, 1.0, "it repeats test texts it never had, or leaves out those it does not know; it must guess 1")
    refuse_close(got, _remembers_the_test(SHOUTS, MEANT, IN_TEST), "your parrot has learnt from the test rows as well")
    refuse_close(got, _all_rows(SHOUTS, MEANT, IN_TEST), "that is over all rows; count those in the test only")
    refuse_close(got, _last_wins(SHOUTS, MEANT, IN_TEST), "of two equal training texts the first decides")
    expect_close(got, 0.5, "it is right on boring and yyds, and guesses 1 on two texts that it does not know")
    comments = load_clips().comments
    texts, y = list(comments["text"]), comments["sentiment"].to_numpy()
    found = []
    for groups in (np.arange(len(y)), text_groups(texts)):
        draw = np.random.default_rng(0).random(groups.max() + 1) < 0.3
        expect_close(
            answer(texts, y, draw[groups]), parrot(texts, y, draw[groups]), "on the clips' comments", rtol=1e-3
        )
        found.append(parrot(texts, y, draw[groups]))
    return f"On the clips the parrot has {found[0]:.2f} by rows and {found[1]:.2f} by groups: the difference is memory."


def combine(p: np.ndarray, q: np.ndarray, prior: np.ndarray) -> np.ndarray:
    product = p * q / prior
    return np.asarray(product / product.sum(axis=1, keepdims=True))


def _prior_twice(p: np.ndarray, q: np.ndarray, prior: np.ndarray) -> NDArray[Any]:
    product = p * q
    return np.asarray(product / product.sum(axis=1, keepdims=True))


def _no_prior(p: np.ndarray, q: np.ndarray, prior: np.ndarray) -> NDArray[Any]:
    product = p * q / prior**2
    return np.asarray(product / product.sum(axis=1, keepdims=True))


def _no_sum(p: np.ndarray, q: np.ndarray, prior: np.ndarray) -> NDArray[Any]:
    return np.asarray(p * q / prior)


def _mean(p: np.ndarray, q: np.ndarray, prior: np.ndarray) -> NDArray[Any]:
    return np.asarray((p + q) / 2)


def _check_combine(answer: Callable[..., Any]) -> str:
    got = answer(FIRST, SECOND, PRIOR)
    refuse_close(got, _prior_twice(FIRST, SECOND, PRIOR), "the prior is in p and in q, so it counts twice", rtol=1e-4)
    refuse_close(got, _no_prior(FIRST, SECOND, PRIOR), "now the prior is gone altogether; one of the two must stay")
    refuse_close(got, _no_sum(FIRST, SECOND, PRIOR), "the rows must sum to 1")
    refuse_close(got, _mean(FIRST, SECOND, PRIOR), "that is an average; independent evidence multiplies")
    expect_close(got, combine(FIRST, SECOND, PRIOR), "p q / prior, then each row by its sum", rtol=1e-4)
    return "Look at the last row: two readers who only repeat the prior leave you with the prior."


EXERCISES = (
    Exercise(
        id="smoothed-good",
        title="A word never seen in blame",
        difficulty=1,
        minutes=6,
        prompt=r"""
            Of four labelled comments three praise and one blames; nobody is neutral. The three have 8 words, 3 of them
            *good*. The one has 4 words, none of them *good*. There are 8 different terms in all, and $\alpha = 1$.
            What is $P(\text{praise} \mid \text{"good"})$ by naive Bayes?
        """,
        starter="p_praise = ...",
        hints=(
            r"$\theta$ of *good* in praise is $(3 + 1) / (8 + 1 \cdot 8)$. Do the same for blame.",
            r"Multiply each $\theta$ by its $\pi$, ¾ and ¼, then divide by the sum of the two.",
        ),
        solution=0.9,
        solution_source="""
            praise, blame = 3 / 4 * (3 + 1) / (8 + 8), 1 / 4 * (0 + 1) / (4 + 8)
            p_praise = praise / (praise + blame)
        """,
        check=_check_smoothed,
        wrong=(
            (1.0, "without smoothing"),
            (0.75, "the θ alone"),
            (0.857, "below the line as well"),
            (0.1875, "divide by the sum"),
            (0.5, "¾ · 4/16"),
        ),
    ),
    Exercise(
        id="macro-f1",
        title="Three sentiments, one vote each",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Write `macro_f1(labels, guesses)` for arrays of −1, 0 and 1: the mean of
            $2\,\mathrm{TP}_c / (2\,\mathrm{TP}_c + \mathrm{FP}_c + \mathrm{FN}_c)$ over the sentiments $c$ that occur
            among the labels or the guesses.
        """,
        starter="""
            def macro_f1(labels: np.ndarray, guesses: np.ndarray) -> float:
                ...  # your code here
        """,
        hints=(
            "2 TP + FP + FN is simpler than it looks: the labels that are c, plus the guesses that are c.",
            "Loop over −1, 0, 1 and skip a sentiment for which that sum is 0.",
        ),
        solution=macro_f1,
        check=_check_macro,
        wrong=(
            (_accuracy, "that is the accuracy"),
            (_weighted, "weighs each F1"),
            (_recall, "mean recall"),
            (_absent_is_zero, "left out, not counted as 0"),
        ),
    ),
    Exercise(
        id="parrot",
        title="A parrot takes the test",
        difficulty=2,
        minutes=12,
        prompt="""
            A parrot understands nothing. If a test comment is equal, letter for letter, to a training comment, it
            answers with that comment's label (the first one's, if there are several); otherwise it answers 1. Write
            `parrot(texts, labels, is_test)`, which returns its accuracy on the rows where `is_test` is True. Then call
            it with the comments' `texts`, `y` and two tests. By rows, `np.random.default_rng(0).random(len(y)) < 0.3`,
            it should reach 0.75; by groups, `(np.random.default_rng(0).random(groups.max() + 1) < 0.3)[groups]`, 0.60.
        """,
        starter="""
            def parrot(texts: list[str], labels: np.ndarray, is_test: np.ndarray) -> float:
                ...  # your code here: the share of the test rows that the parrot gets right
        """,
        hints=(
            "Build a dict from the training rows; `memory.setdefault(text, label)` keeps the first label.",
            "`memory.get(text, 1)` is what the parrot answers.",
        ),
        solution=parrot,
        check=_check_parrot,
        wrong=(
            (_remembers_the_test, "learnt from the test rows"),
            (_all_rows, "over all rows"),
            (_known_only, "leaves out those it does not know"),
            (_last_wins, "the first decides"),
        ),
    ),
    Exercise(
        id="prior-once",
        title="Two trained readers, one prior",
        difficulty=3,
        minutes=12,
        prompt=r"""
            The page multiplies the lexicon's probabilities by those of naive Bayes. Now both readers are *trained*, and
            both have learnt the prior $\pi$: each says $\pi_c$ of a text that tells it nothing. Suppose that what they
            see is independent, given the sentiment. Write `combine(p, q, prior)`, which returns the right
            $P(c \mid \text{text})$ for arrays `p`, `q` of shape (n, 3) and `prior` of shape (3,).
        """,
        starter="""
            def combine(p: np.ndarray, q: np.ndarray, prior: np.ndarray) -> np.ndarray:
                ...  # your code here: shape (n, 3)
        """,
        hints=(
            r"By Bayes' rule $p_c \propto \pi_c \, P(\text{what the first sees} \mid c)$. And $q_c$?",
            r"You want $\pi_c$ times *both* likelihoods. What does $p_c q_c$ have too much of?",
            "What must come out if both say just the prior?",
        ),
        solution=combine,
        check=_check_combine,
        wrong=(
            (_prior_twice, "counts twice"),
            (_no_prior, "gone altogether"),
            (_no_sum, "sum to 1"),
            (_mean, "that is an average"),
        ),
    ),
)

QUIZ = Quiz(
    id="4.2.2",
    questions=(
        Question(
            "A colleague reports an accuracy of 0.98 on comments, with a random split. What do you ask first?",
            (
                Option("How many layers the model has.", False, "The test may be so easy that any model passes it."),
                Option(
                    "How many test comments have a near twin among the training comments.",
                    True,
                    "If most have, the number measures memory. A split by groups of alike texts tells them apart.",
                ),
                Option("Whether equal texts were removed.", False, "Texts that differ in one sign are not equal."),
            ),
        ),
        Question(
            "Alike texts were kept together, and TF-IDF beat the list. Why may it fail on another site's comments?",
            (
                Option(
                    "Training and test came from one source, with the same words and the same share of praise.",
                    True,
                    "A split of one source cannot show what happens in another; label some comments from there.",
                ),
                Option("The groups were too large.", False, "Larger groups make the test at home harder, no more."),
                Option(
                    "It learnt its training comments by heart.",
                    False,
                    "The split has ruled that out for alike texts, and still its words and its prior are local.",
                ),
            ),
        ),
        Question(
            "Why did TF-IDF take the shout “mid” for praise?",
            (
                Option("The lexicon has it wrong.", False, "The lexicon has it right, and TF-IDF does not read it."),
                Option(
                    "All comments with that word were in the test, so the model fell back on what is most frequent.",
                    True,
                    "A learner knows only words that it has met with a label; the lexicon needs none.",
                ),
                Option("TF-IDF gives rare words no weight.", False, "It gives them more, if training has them."),
            ),
        ),
        Question(
            "A clip has been shown a thousand times and has two comments, both angry. What do they change?",
            (
                Option(
                    "What you recommend to these two viewers, more than what you think of the clip.",
                    True,
                    "About the average viewer, a thousand looks say more than two comments of people who clicked.",
                ),
                Option("The clip should be shown less to all.", False, "Two of a thousand, and chosen by themselves."),
                Option("Nothing: comments cannot be read.", False, "About one viewer, a comment says a great deal."),
            ),
        ),
    ),
)
