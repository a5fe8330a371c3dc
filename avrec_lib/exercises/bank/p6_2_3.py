"""Exercises of 6.2.3, Bayesian matrix factorisation: a posterior by hand, honest intervals, two kinds of doubt."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close

Floats = NDArray[np.floating]
SEEN: Floats = np.array([1.0, 2.0, 0.0, 1.0])


def posterior(ratings: Floats, noise_variance: float, prior_mean: float, prior_variance: float) -> tuple[float, float]:
    precision = 1 / prior_variance + len(ratings) / noise_variance
    mean = (prior_mean / prior_variance + ratings.sum() / noise_variance) / precision
    return float(mean), float(1 / precision)


def _variances_add(
    ratings: Floats, noise_variance: float, prior_mean: float, prior_variance: float
) -> tuple[float, float]:
    mean, _ = posterior(ratings, noise_variance, prior_mean, prior_variance)
    return mean, prior_variance + noise_variance / len(ratings)


def _plain_average(
    ratings: Floats, noise_variance: float, prior_mean: float, prior_variance: float
) -> tuple[float, float]:
    return float(ratings.mean()), noise_variance / len(ratings)


def _returns_precision(
    ratings: Floats, noise_variance: float, prior_mean: float, prior_variance: float
) -> tuple[float, float]:
    mean, variance = posterior(ratings, noise_variance, prior_mean, prior_variance)
    return mean, 1 / variance


def _check_posterior(answer: Callable[..., Any]) -> str:
    got = answer(SEEN, 2.0, 0.5, 4.0)
    if not isinstance(got, (tuple, list, np.ndarray)) or len(got) != 2:
        raise Wrong("return two numbers, the mean and the variance")
    want = posterior(SEEN, 2.0, 0.5, 4.0)
    refuse_close(got[0], 1.0, "that is the plain average of the ratings; the prior has a say, too")
    refuse_close(got[1], 4.5, "variances do not add here; precisions do, so the doubt can only shrink")
    refuse_close(got[1], 1 / want[1], "that is the precision; the variance is one over it")
    expect_close(got[0], want[0], "the mean is the average weighted by precision")
    expect_close(got[1], want[1], "the precision is 1/4 from the prior and 4/2 from the ratings")
    expect_close(answer(np.ones(4), 1.0, 0.0, 1.0), [0.8, 0.2], "the example of the page: four ratings of 1")
    return "With no ratings at all the answer is the prior: that is the cold start, with its doubt stated."


def share_inside(ratings: Floats, centre: Floats, spread: Floats, z: float) -> float:
    return float((np.abs(ratings - centre) <= z * spread).mean())


def _one_sided(ratings: Floats, centre: Floats, spread: Floats, z: float) -> float:
    return float((ratings - centre <= z * spread).mean())


def _one_spread(ratings: Floats, centre: Floats, spread: Floats, z: float) -> float:
    return float((np.abs(ratings - centre) <= z * spread.mean()).mean())


def _outside(ratings: Floats, centre: Floats, spread: Floats, z: float) -> float:
    return 1 - share_inside(ratings, centre, spread, z)


def _check_share(answer: Callable[..., Any]) -> str:
    ratings, centre = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([3.0, 2.5, 3.1, 3.0, 3.5])
    spread = np.array([1.0, 0.4, 0.5, 0.7, 8.0])
    case = ratings, centre, spread, 1.0
    got = answer(*case)
    refuse_close(got, _one_sided(*case), "you count everything below the upper end; an interval has two ends")
    refuse_close(got, _one_spread(*case), "each rating has an interval of its own width")
    refuse_close(got, _outside(*case), "that is the share outside")
    expect_close(got, share_inside(*case), "count the ratings that are at most z spreads from their centre")
    expect_close(answer(ratings, centre, spread, 3.0), 1.0, "with z = 3 all five are inside")
    return "If this share is far from the level that z stands for, the model's doubts are not honest."


TOTAL = float(np.sqrt(0.3**2 + 0.9**2))


def _check_spread(answer: float) -> str:
    refuse_close(answer, 1.2, "standard deviations do not add; their squares do")
    refuse_close(answer, 0.9, "the doubt about the mean counts as well, if only a little", rtol=1e-3)
    expect_close(answer, TOTAL, "the root of the sum of the two squares", rtol=2e-3)
    return "The noise rules: halving the doubt about the mean hardly narrows the range of the next rating."


EXERCISES = (
    Exercise(
        id="posterior-of-a-number",
        title="A prior and a few ratings",
        difficulty=2,
        minutes=10,
        prompt=r"""
            A person's single number $x$ has the prior $\mathcal N(\mu_0, \sigma_0^2)$, and each rating is $x$ plus
            normal noise. Write `posterior(ratings, noise_variance, prior_mean, prior_variance)`: return the mean and
            the variance of $x$ given the ratings, an array of any length.
        """,
        starter="""
            def posterior(ratings, noise_variance, prior_mean, prior_variance):
                ...  # your code here: return the mean and the variance
        """,
        hints=(
            "Work with precisions, one over the variance. The prior has one, and so has each rating: they add.",
            "The mean is (prior precision · prior mean + sum of ratings / noise variance) / total precision.",
        ),
        solution=posterior,
        check=_check_posterior,
        wrong=(
            (_plain_average, "the prior has a say"),
            (_variances_add, "variances do not add"),
            (_returns_precision, "that is the precision"),
        ),
    ),
    Exercise(
        id="share-inside",
        title="Are the intervals honest?",
        difficulty=1,
        minutes=5,
        prompt=r"""
            Write `share_inside(ratings, centre, spread, z)`: the share of the ratings that lie within `z` spreads of
            their centre, both ends included. All three arrays have one entry a rating.
        """,
        starter="""
            def share_inside(ratings, centre, spread, z):
                ...  # your code here
        """,
        hints=(
            "The distance of a rating from its centre is `np.abs(ratings - centre)`.",
            "Compare it with `z * spread`, entry by entry, and take the mean of the truth values.",
        ),
        solution=share_inside,
        check=_check_share,
        wrong=((_one_sided, "two ends"), (_one_spread, "of its own width"), (_outside, "share outside")),
    ),
    Exercise(
        id="two-kinds-of-doubt",
        title="Two kinds of doubt",
        difficulty=1,
        minutes=3,
        prompt="""
            The draws of a prediction have a standard deviation of 0.3 stars, and the noise one of 0.9 stars. What is
            the standard deviation of the next rating?
        """,
        starter="spread = ...  # stars",
        hints=("The two are independent. What adds up for independent quantities?", "The root of 0.3² + 0.9²."),
        solution=TOTAL,
        solution_source="spread = np.sqrt(0.3**2 + 0.9**2)",
        check=_check_spread,
        wrong=((1.2, "their squares do"), (0.9, "counts as well")),
    ),
)

QUIZ = Quiz(
    id="6.2.3",
    questions=(
        Question(
            "One draw of the sampler predicts worse than gradient descent, their average better. Why?",
            (
                Option("The average uses more data.", False, "All draws saw the same ratings."),
                Option(
                    "What the data do not settle differs from draw to draw, and cancels.",
                    True,
                    "What the draws agree on is what the ratings support.",
                ),
                Option("Later draws are better than earlier ones.", False, "No order was used; each is a draw."),
            ),
        ),
        Question(
            "A film has four ratings, all 5 stars. What does the model predict for it?",
            (
                Option("About 5 stars.", False, "That would be the plain average, which trusts four ratings fully."),
                Option(
                    "Less than 5, with a large doubt.", True, "The prior pulls it towards what films are usually like."
                ),
                Option(
                    "The mean of all ratings.", False, "The four ratings count as well, as far as they are precise."
                ),
            ),
        ),
        Question(
            "What became of the penalty λ?",
            (
                Option("It is chosen on inner folds as before.", False, "No setting plays its part any more."),
                Option("It is the precision of the prior, learnt from the data.", True, "It is drawn in every sweep."),
                Option("It is zero.", False, "The prior still pulls small samples towards the average."),
            ),
        ),
    ),
)
