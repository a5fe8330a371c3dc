"""Exercises of 6.1.2, content models: one log-odds, the votes of unseen words, and the gain of a split."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

LABELS = np.array([True, True, True, False, True, False, False, False, False, False])
ANSWERS = np.array([True, True, True, True, False, False, False, False, False, False])


def genre_log_odds(liked_with: int, liked: int, other_with: int, other: int, alpha: float) -> float:
    theta_1 = (liked_with + alpha) / (liked + 2 * alpha)
    theta_0 = (other_with + alpha) / (other + 2 * alpha)
    return float(np.log(theta_1 / theta_0))


def _unsmoothed(liked_with: int, liked: int, other_with: int, other: int, alpha: float) -> float:
    return float(np.log((liked_with / liked) / (other_with / other)))


def _numerator_only(liked_with: int, liked: int, other_with: int, other: int, alpha: float) -> float:
    return float(np.log(((liked_with + alpha) / liked) / ((other_with + alpha) / other)))


def _one_alpha(liked_with: int, liked: int, other_with: int, other: int, alpha: float) -> float:
    return float(np.log((liked_with + alpha) / (liked + alpha)) - np.log((other_with + alpha) / (other + alpha)))


def _upside_down(liked_with: int, liked: int, other_with: int, other: int, alpha: float) -> float:
    return -genre_log_odds(liked_with, liked, other_with, other, alpha)


def _check_log_odds(answer: Callable[..., Any]) -> str:
    case = (2, 18, 29, 58, 1.0)
    got = answer(*case)
    refuse_close(got, _unsmoothed(*case), "alpha has no effect in your function; it belongs in both shares")
    refuse_close(got, _numerator_only(*case), "alpha is missing in the denominators, so the shares no longer add to 1")
    refuse_close(got, _one_alpha(*case), "each denominator grows by 2 alpha: one for films with it, one for without")
    refuse_close(got, _upside_down(*case), "the sign is turned round: a feature of liked films must come out positive")
    expect_close(got, genre_log_odds(*case), "the shares here are 3/20 and 30/60")
    expect_close(answer(0, 18, 29, 58, 0.5), genre_log_odds(0, 18, 29, 58, 0.5), "with alpha = 0.5 the shares change")
    return "A genre that was never liked costs a lot, but no longer everything."


def _check_votes(answer: float) -> str:
    per_word = float(np.log((61 / 62) / (26 / 27)))
    refuse_close(answer, per_word, "that is the vote of one word; there are 600 of them", rtol=1e-2)
    refuse_close(
        answer,
        600 * float(np.log((1 / 62) / (1 / 27))),
        "that counts the words as present; they are absent, so 1 − θ is what matters",
        rtol=1e-2,
    )
    refuse_close(answer, -600 * per_word, "the sign is turned round: liked films are on top of the fraction", rtol=1e-2)
    expect_close(answer, 600 * per_word, "one word adds ln((1 − 1/62) / (1 − 1/27))", rtol=1e-3)
    return "Odds of 400,000 to one, from words that this viewer has never met."


def gini_gain(y: np.ndarray, yes: np.ndarray) -> float:
    def gini(labels: np.ndarray) -> float:
        p = labels.mean() if len(labels) else 0.0
        return float(2 * p * (1 - p))

    part = yes.mean()
    return float(gini(y) - part * gini(y[yes]) - (1 - part) * gini(y[~yes]))


def _unweighted(y: np.ndarray, yes: np.ndarray) -> float:
    def gini(labels: np.ndarray) -> float:
        p = labels.mean() if len(labels) else 0.0
        return float(2 * p * (1 - p))

    return gini(y) - (gini(y[yes]) + gini(y[~yes])) / 2


def _halved(y: np.ndarray, yes: np.ndarray) -> float:
    return gini_gain(y, yes) / 2


def _empty_side(y: np.ndarray, yes: np.ndarray) -> float:
    if yes.all() or not yes.any():
        return float("nan")
    return gini_gain(y, yes)


def _impurity_left(y: np.ndarray, yes: np.ndarray) -> float:
    p = float(y.mean())
    return 2 * p * (1 - p) - gini_gain(y, yes)


def _check_gain(answer: Callable[..., Any]) -> str:
    got = answer(LABELS, ANSWERS)
    refuse_close(got, _unweighted(LABELS, ANSWERS), "the two sides count equally in yours; weigh them by their sizes")
    refuse_close(got, _halved(LABELS, ANSWERS), "half of it: the impurity is 2p(1 − p)")
    refuse_close(got, _impurity_left(LABELS, ANSWERS), "that is the impurity after the split; the gain is the decrease")
    expect_close(got, gini_gain(LABELS, ANSWERS), "the shares liked here are 4/10 before, 3/4 and 1/6 after")
    expect_close(answer(LABELS, np.ones(10, dtype=bool)), 0.0, "a question that everybody answers alike gains nothing")
    return "The gain is never negative; it is 0 when both sides have the share of the whole."


EXERCISES = (
    Exercise(
        id="genre-log-odds",
        title="What one genre says",
        difficulty=1,
        minutes=6,
        prompt=r"""
            Write `genre_log_odds`: of `liked` liked films `liked_with` have a genre, of `other` other films
            `other_with` have it. Return $\ln(\theta_1 / \theta_0)$ of the Bernoulli model with smoothing `alpha`.
        """,
        starter="""
            def genre_log_odds(liked_with: int, liked: int, other_with: int, other: int, alpha: float) -> float:
                ...  # your code here: ln(θ₁/θ₀) of one feature
        """,
        hints=(
            r"$\theta_c$ is a share: films of the class with the genre, of all films of the class.",
            r"Smoothing adds $\alpha$ films with the genre and $\alpha$ films without it, so $2\alpha$ films in all.",
        ),
        solution=genre_log_odds,
        check=_check_log_odds,
        wrong=(
            (_unsmoothed, "alpha has no effect"),
            (_numerator_only, "missing in the denominators"),
            (_one_alpha, "each denominator grows by 2 alpha"),
            (_upside_down, "the sign is turned round"),
        ),
    ),
    Exercise(
        id="votes-of-unseen-words",
        title="Six hundred words nobody saw",
        difficulty=2,
        minutes=8,
        prompt=r"""
            A viewer liked 60 films and did not like 25. The Bernoulli model, with $\alpha = 1$, knows 600 words that
            occur in none of these titles, nor in the title of a new film. How much do these 600 words together add to
            the log-odds of a like? Guess the sign first.
        """,
        starter="votes = ...  # what the 600 words add to the log-odds",
        hints=(
            r"All counts $N_{cf}$ are 0, so $\theta_1 = 1/62$ and $\theta_0 = 1/27$ for each word.",
            r"The words are absent from the new title: each adds $\ln \frac{1 - \theta_1}{1 - \theta_0}$.",
        ),
        solution=float(600 * np.log((61 / 62) / (26 / 27))),
        solution_source="votes = 600 * np.log((1 - 1 / 62) / (1 - 1 / 27))",
        check=_check_votes,
        wrong=(
            (0.0215, "the vote of one word"),
            (-498.8, "as present"),
            (-12.886, "liked films are on top"),
            (0.0, "adds ln"),
        ),
    ),
    Exercise(
        id="gain-of-a-split",
        title="How good is a question?",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Write `gini_gain(y, yes)`: `y` says which films were liked, `yes` which of them answer a question with yes.
            Return the decrease in Gini impurity. If all films give the same answer the gain is 0, not NaN.
        """,
        starter="""
            def gini_gain(y: np.ndarray, yes: np.ndarray) -> float:
                ...  # your code here: y and yes are arrays of True and False
        """,
        hints=(
            "`y[yes].mean()` is the share liked on the side of yes, `yes.mean()` the weight of that side.",
            "The mean of an empty array is NaN. Treat a side without films as having impurity 0.",
        ),
        solution=gini_gain,
        check=_check_gain,
        wrong=(
            (_unweighted, "count equally"),
            (_halved, "half of it"),
            (_impurity_left, "after the split"),
            (_empty_side, "NaN"),
        ),
    ),
)

QUIZ = Quiz(
    id="6.1.2",
    questions=(
        Question(
            "Every feature of a Bernoulli naive Bayes model is entered twice. What happens to one viewer's films?",
            (
                Option(
                    "Their order stays; their probabilities spread away from the prior, mostly towards 0 and 1.",
                    True,
                    "The sum over features doubles for each film and the prior stays.",
                ),
                Option(
                    "Nothing: a copy carries no information.",
                    False,
                    "The model takes the copy for independent evidence and counts it again.",
                ),
                Option(
                    "Their order changes, their probabilities don't.",
                    False,
                    "A sum that doubles for each film keeps its order.",
                ),
            ),
        ),
        Question(
            "A model has an AUC of .56 and a worse log loss than a constant. How can that be?",
            (
                Option(
                    "It orders films better than chance, but its probabilities are too extreme.",
                    True,
                    "AUC looks at the order alone; log loss punishes confident mistakes.",
                ),
                Option("The AUC must be wrong.", False, "Any increasing function of the scores has the same AUC."),
                Option(
                    "The test set is too small.",
                    False,
                    "It happens with any number of rows: the two measure different things.",
                ),
            ),
        ),
        Question(
            "In a linear model for all viewers, the viewer's age is one more feature next to the film's genres. "
            "What does it change in the ranking of one viewer's films?",
            (
                Option("Nothing.", True, "It adds the same number to all films of that viewer."),
                Option(
                    "Older viewers get older films.",
                    False,
                    "That needs a product of age and a film's feature; a sum of the two has none.",
                ),
                Option("It depends on its weight.", False, "Whatever the weight, all films of a viewer move together."),
            ),
        ),
        Question(
            "Title words help on films with ratings and hurt on films without. What did the model learn from them?",
            (
                Option(
                    "Which film it is looking at, hence how well that film is liked.",
                    True,
                    "A rare word identifies a film; on a film that was never rated there is nothing to look up.",
                ),
                Option("Which words people like.", False, "Then the weights would be useful on new films too."),
                Option("Nothing at all.", False, "On known films the gain is real; it is the liked share in disguise."),
            ),
        ),
    ),
)
