"""Exercises of 7.2, the model that runs: which taste, places, evidence of viewers, a gate, one more impression."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close

# ---- which taste ----------------------------------------------------------------------------------------------------


def _check_taste(answer: float) -> str:
    for got, meaning in (
        (18 / 19, "that takes both tastes for equally common; A has a share of 0.25"),
        (12 / 13, "the refusal is missing; it says something too"),
        (1.0, "a refusal has the chance 1 − p, and under B that is 1"),
        (6.0, "those are odds, A to B; the chance is odds / (1 + odds)"),
        (0.09, "that is how likely A and these three are together; its part of both is asked for"),
    ):
        refuse_close(answer, got, meaning, rtol=1e-3)
    expect_close(answer, 6 / 7, "multiply each taste's share by its chance of all three; take A's part", rtol=1e-3)
    return "Three impressions took A from one quarter to six sevenths. Nothing was trained."


# ---- sure liking, low place -----------------------------------------------------------------------------------------

HIGH = 19 / 22 - 0.475


def _check_high(answer: float) -> str:
    for got, meaning in (
        (19 / 22, "that is what the model says; how far is it above the truth?"),
        (0.475, "that is the truth; how far above it is the model?"),
        (-HIGH, "the model says more than is true, so the difference is positive"),
        (19 / 21 - 0.475, "you shifted by log e; what fits clips with p = 0.5 is log(1/3)"),
    ):
        refuse_close(answer, got, meaning, rtol=1e-3)
    expect_close(answer, HIGH, "odds of 19 become 19/3, and true is 0.5 · 0.95", rtol=1e-3)
    return "A shift that is right for one clip is wrong for another. No chance can exceed that of a look, 0.5."


# ---- log-odds at a place --------------------------------------------------------------------------------------------

S = np.array([-3.0, 0.0, 0.4, 2.5, 40.0, 900.0, -900.0])
LOOKED = np.array([0.5, 0.8, 1.0, 0.3, 0.6, 0.7, 0.25])


def placed(s: np.ndarray, e: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # log 0 where everybody looks
        return np.asarray(s + np.log(e) - np.logaddexp(0, s + np.log1p(-e)))


def _only_added(s: np.ndarray, e: np.ndarray) -> np.ndarray:
    return np.asarray(s + np.log(e))


def _odds_added(s: np.ndarray, e: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.asarray(s + np.log(e) - np.log(1 - e))


def _chance_itself(s: np.ndarray, e: np.ndarray) -> np.ndarray:
    return np.asarray(e * np.exp(-np.logaddexp(0, -s)))


def _overflows(s: np.ndarray, e: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        p = e / (1 + np.exp(-s))
        return np.asarray(np.log(p / (1 - p)))


def _check_placed(answer: Callable[..., Any]) -> str:
    calm = slice(0, 5)
    got = answer(S[calm].copy(), LOOKED[calm].copy())
    refuse_close(got, _only_added(S, LOOKED)[calm], "that only adds log e, so the chance can exceed that of a look")
    refuse_close(got, _chance_itself(S, LOOKED)[calm], "that is the chance; its log-odds are log p − log(1 − p)")
    some = np.array([0, 1, 3])
    refuse_close(
        answer(S[some].copy(), LOOKED[some].copy()),
        _odds_added(S, LOOKED)[some],
        "that adds the log-odds of a look; two chances multiply, their odds do not",
    )
    expect_close(got, placed(S, LOOKED)[calm], "take log e σ(s) − log(1 − e σ(s))", rtol=1e-6)
    with np.errstate(all="ignore"):
        far = np.asarray(answer(S.copy(), LOOKED.copy()), dtype=float)
    expect_close(
        np.nan_to_num(far, nan=1e9, posinf=1e9, neginf=-1e9),
        placed(S, LOOKED),
        "with s = ±900 it must still be a number: use np.logaddexp in the place of log(1 + exp)",
        rtol=1e-6,
    )
    return "For large s it levels off at log(e / (1 − e)): no liking is seen where nobody looks."


# ---- posterior of viewers -------------------------------------------------------------------------------------------

LOGITS = np.array([[1.0, -1.0], [0.5, 2.0], [-2.0, 0.0], [1.5, -0.5], [-1.0, 1.0]])
CLICKS = np.array([1, 0, 0, 1, 1])
USERS = np.array([0, 2, 0, 2, 0])  # viewer 1 has no row
PRIOR = np.array([0.3, 0.7])


def posterior(logits: np.ndarray, clicks: np.ndarray, users: np.ndarray, prior: np.ndarray) -> np.ndarray:
    said = -np.logaddexp(0, np.where(clicks[:, None] == 1, -logits, logits))  # (E, K)
    evidence = np.zeros((users.max() + 1, len(prior)))
    np.add.at(evidence, users, said)
    joint = np.log(prior) + evidence
    joint -= joint.max(axis=1, keepdims=True)
    return np.asarray(np.exp(joint) / np.exp(joint).sum(axis=1, keepdims=True))


def _no_prior(logits: np.ndarray, clicks: np.ndarray, users: np.ndarray, prior: np.ndarray) -> np.ndarray:
    return posterior(logits, clicks, users, np.full(len(prior), 1 / len(prior)))


def _no_refusals(logits: np.ndarray, clicks: np.ndarray, users: np.ndarray, prior: np.ndarray) -> np.ndarray:
    said = -np.logaddexp(0, -logits) * clicks[:, None]
    evidence = np.zeros((users.max() + 1, len(prior)))
    np.add.at(evidence, users, said)
    p = prior * np.exp(evidence)
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _last_one_only(logits: np.ndarray, clicks: np.ndarray, users: np.ndarray, prior: np.ndarray) -> np.ndarray:
    said = -np.logaddexp(0, np.where(clicks[:, None] == 1, -logits, logits))
    evidence = np.zeros((users.max() + 1, len(prior)))
    evidence[users] += said  # of several rows with one number only the last counts
    p = prior * np.exp(evidence)
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _underflows(logits: np.ndarray, clicks: np.ndarray, users: np.ndarray, prior: np.ndarray) -> np.ndarray:
    said = -np.logaddexp(0, np.where(clicks[:, None] == 1, -logits, logits))
    evidence = np.zeros((users.max() + 1, len(prior)))
    np.add.at(evidence, users, said)
    p = prior * np.exp(evidence)
    with np.errstate(all="ignore"):
        return np.asarray(p / p.sum(axis=1, keepdims=True))


def _check_posterior(answer: Callable[..., Any]) -> str:
    told = (LOGITS, CLICKS, USERS, PRIOR)
    got = answer(*(x.copy() for x in told))
    refuse_close(got, _no_prior(*told), "the shares of the tastes are missing; viewer 1 has nothing else")
    refuse_close(got, _no_refusals(*told), "a refusal says something too: log(1 − p)")
    refuse_close(got, _last_one_only(*told), "each viewer kept one row: x[users] += adds once, np.add.at each time")
    expect_close(got, posterior(*told), "add the log-likelihoods of a viewer's rows to log prior, and take a softmax")
    many = (np.tile(LOGITS, (1000, 1)), np.tile(CLICKS, 1000), np.tile(USERS, 1000), PRIOR)
    expect_close(
        answer(*(x.copy() for x in many)),
        posterior(*many),
        "thousands of rows underflow: take the largest sum off before exp",
    )
    return "Viewer 1 has the shares of everybody. That is how the model meets a stranger."


# ---- gate with a gap ------------------------------------------------------------------------------------------------

_RNG = np.random.default_rng(72)
Y, SCORES = _RNG.standard_normal((4, 3, 2)), _RNG.standard_normal((4, 3, 2))
THERE = np.array([[True, True, True], [True, False, True], [False, True, False], [False, False, False]])
Y[~THERE] = np.nan  # what a missing sense holds is anybody's guess


def gated(y: np.ndarray, scores: np.ndarray, there: np.ndarray) -> np.ndarray:
    real = there[:, :, None]
    inside = np.where(real, scores, -np.inf)  # what is missing has no part in the largest score either
    best = np.where(real.any(axis=1, keepdims=True), inside.max(axis=1, keepdims=True), 0.0)  # (B, 1, d)
    e = np.exp(inside - best)  # (B, S, d), 0 where the sense is missing
    total = e.sum(axis=1, keepdims=True)
    weights = e / np.where(total > 0, total, 1)
    return np.asarray((weights * np.where(real, y, 0.0)).sum(axis=1))


def _all_share(y: np.ndarray, scores: np.ndarray, there: np.ndarray) -> np.ndarray:
    e = np.exp(scores)
    weights = e / e.sum(axis=1, keepdims=True)
    return np.asarray((weights * np.where(there[:, :, None], y, 0.0)).sum(axis=1))


def _masked_by_product(y: np.ndarray, scores: np.ndarray, there: np.ndarray) -> np.ndarray:
    e = np.exp(scores) * there[:, :, None]
    with np.errstate(all="ignore"):
        return np.asarray((e / e.sum(axis=1, keepdims=True) * y).sum(axis=1))


def _wrong_axis(y: np.ndarray, scores: np.ndarray, there: np.ndarray) -> np.ndarray:
    e = np.where(there[:, :, None], np.exp(scores), 0.0)
    total = e.sum(axis=2, keepdims=True)
    return np.asarray((e / np.where(total > 0, total, 1) * np.where(there[:, :, None], y, 0.0)).sum(axis=1))


def _largest_of_all(y: np.ndarray, scores: np.ndarray, there: np.ndarray) -> np.ndarray:
    e = np.where(there[:, :, None], np.exp(scores - scores.max(axis=1, keepdims=True)), 0.0)
    total = e.sum(axis=1, keepdims=True)
    return np.asarray((e / np.where(total > 0, total, 1) * np.where(there[:, :, None], y, 0.0)).sum(axis=1))


def _cut_scores(y: np.ndarray, scores: np.ndarray, there: np.ndarray) -> np.ndarray:
    return gated(y, np.minimum(scores, 50), there)


def _check_gated(answer: Callable[..., Any]) -> str:
    got = answer(Y.copy(), SCORES.copy(), THERE.copy())
    refuse_close(got, _all_share(Y, SCORES, THERE), "a missing sense still has a share of the weight")
    refuse_close(got, _wrong_axis(Y, SCORES, THERE), "the weights must sum to 1 over the senses, axis 1")
    expect_close(got, gated(Y, SCORES, THERE), "softmax over the senses that are there; a clip without any has 0")
    loud = SCORES + np.where(THERE[:, :, None], 0.0, 1000.0)  # a missing sense shouts
    expect_close(
        answer(Y.copy(), loud.copy(), THERE.copy()),
        gated(Y, loud, THERE),
        "take off the largest score of the senses that are there: a missing one may hold a larger score",
    )
    with np.errstate(all="ignore"):
        far = answer(Y.copy(), SCORES + 1000, THERE.copy())
    expect_close(
        np.nan_to_num(np.asarray(far, dtype=float), nan=1e9),
        gated(Y, SCORES, THERE),
        "exp of a large score overflows: take off each clip's largest before exp",
    )
    return "The gap held NaN, and nobody noticed. That is the test to write for every layer that joins."


# ---- one more impression --------------------------------------------------------------------------------------------

P = np.array([0.5, 0.3, 0.2])
ONE = np.array([1.5, -0.5, 0.2])


def updated(p: np.ndarray, s: np.ndarray, e: float, clicked: bool) -> np.ndarray:
    chance = e / (1 + np.exp(-s))  # (K,)
    joint = p * (chance if clicked else 1 - chance)
    return np.asarray(joint / joint.sum())


def _no_look(p: np.ndarray, s: np.ndarray, e: float, clicked: bool) -> np.ndarray:
    return updated(p, s, 1.0, clicked)


def _clicks_only(p: np.ndarray, s: np.ndarray, e: float, clicked: bool) -> np.ndarray:
    return updated(p, s, e, True) if clicked else np.asarray(p)


def _not_normalised(p: np.ndarray, s: np.ndarray, e: float, clicked: bool) -> np.ndarray:
    chance = e / (1 + np.exp(-s))
    return np.asarray(p * (chance if clicked else 1 - chance))


def _odds_for_chance(p: np.ndarray, s: np.ndarray, e: float, clicked: bool) -> np.ndarray:
    joint = p * (e * np.exp(s) if clicked else 1 / (e * np.exp(s)))
    return np.asarray(joint / joint.sum())


def _check_updated(answer: Callable[..., Any]) -> str:
    click, refusal = answer(P.copy(), ONE.copy(), 0.6, True), answer(P.copy(), ONE.copy(), 0.6, False)
    refuse_close(click, _not_normalised(P, ONE, 0.6, True), "these are not chances yet: divide by their sum")
    refuse_close(click, _odds_for_chance(P, ONE, 0.6, True), "exp(s) are odds; the chance of a click is e σ(s)")
    refuse_close(refusal, P, "a refusal says something too: 1 − e σ(s)")
    refuse_close(refusal, _no_look(P, ONE, 0.6, False), "not everybody looks there: the chance of none is 1 − e σ(s)")
    expect_close(click, updated(P, ONE, 0.6, True), "multiply p by e σ(s), and divide by the sum")
    expect_close(refusal, updated(P, ONE, 0.6, False), "multiply p by 1 − e σ(s), and divide by the sum")
    return "For a click e cancels: who clicked has looked. A refusal at a low place says less than one at the first."


EXERCISES = (
    Exercise(
        id="which-taste",
        title="Which taste is it?",
        difficulty=1,
        minutes=5,
        prompt="""
            A quarter of all viewers have taste A, the others taste B. Somebody was shown three clips at the first
            place, clicked on the first two and refused the third. Under A, the chances of a click on the three are 0.9,
            0.8 and 0.5; under B, 0.2, 0.1 and 0. How likely is it that this viewer has taste A?
        """,
        starter="chance_of_a = ...  # a number from 0 to 1",
        hints=(
            "Under A, what happened has the chance 0.9 · 0.8 · (1 − 0.5). What is it under B?",
            "Multiply each by the share of its taste. The answer is A's part of the sum.",
        ),
        solution=6 / 7,
        solution_source="""
            a = 0.25 * 0.9 * 0.8 * (1 - 0.5)
            b = 0.75 * 0.2 * 0.1 * (1 - 0.0)
            chance_of_a = a / (a + b)
        """,
        check=_check_taste,
        wrong=(
            (18 / 19, "equally common"),
            (12 / 13, "refusal is missing"),
            (1.0, "under B that is 1"),
            (6.0, "those are odds"),
            (0.09, "are together"),
            (0.5, "take A's part"),
        ),
    ),
    Exercise(
        id="sure-liking-low-place",
        title="A clip that is surely liked, at a place that is half looked at",
        difficulty=2,
        minutes=8,
        prompt="""
            Half of those who come look at the second place, e = 0.5. A model adds one number c to the log-odds of
            everything that stands there, and c was fitted on clips that half of those who look click on: at the second
            place they get a click from a quarter. Now a clip stands there that 95 in 100 of those who look click on. By
            how much is the model's chance of a click above the true one?
        """,
        starter="too_high = ...  # a difference of two chances",
        hints=(
            "At p = 0.5 the odds are 1, and at the second place 0.25 / 0.75. So adding c divides all odds by 3.",
            "Odds of 0.95 / 0.05 = 19 become 19 / 3. The true chance is 0.5 · 0.95.",
        ),
        solution=HIGH,
        solution_source="""
            odds = 19 / 3
            too_high = odds / (1 + odds) - 0.5 * 0.95
        """,
        check=_check_high,
        wrong=(
            (19 / 22, "what the model says"),
            (0.475, "that is the truth"),
            (-HIGH, "difference is positive"),
            (19 / 21 - 0.475, "shifted by log e"),
            (0.1, "odds of 19 become"),
        ),
    ),
    Exercise(
        id="log-odds-at-a-place",
        title="Log-odds that need a look",
        difficulty=2,
        minutes=12,
        prompt="""
            Write `placed(s, e)`: the log-odds of a click whose chance is e · sigmoid(s), for arrays `s` (log-odds of a
            click by somebody who looks) and `e` (the chance of a look, 0 < e ≤ 1), both of shape (E,). It must also
            hold for s = 900 and s = −900.
        """,
        starter="""
            def placed(s: np.ndarray, e: np.ndarray) -> np.ndarray:
                ...  # your code here: log-odds, shape (E,)
        """,
        hints=(
            "log(e σ(s)) − log(1 − e σ(s)) = s + log e − log(1 + (1 − e) exp s).",
            "`np.logaddexp(0, x)` is log(1 + exp x) and overflows for no x. Bring (1 − e) into the exponent; "
            "`np.log1p(-e)` is its logarithm, −∞ where everybody looks.",
        ),
        solution=placed,
        check=_check_placed,
        wrong=(
            (_only_added, "only adds"),
            (_odds_added, "odds do not"),
            (_chance_itself, "that is the chance"),
            (_overflows, "logaddexp"),
        ),
    ),
    Exercise(
        id="posterior-of-viewers",
        title="Who has which taste",
        difficulty=3,
        minutes=15,
        prompt="""
            `logits`, shape (E, K), are the log-odds of a click of each impression under each of K tastes, `clicks` are
            0 or 1, `users` the viewers' numbers 0 … m − 1, and `prior`, shape (K,), the shares of the tastes. Write
            `posterior(logits, clicks, users, prior)`: how likely each viewer has each taste, shape (m, K), m being the
            largest number plus one. A viewer without a row has the prior; thousands of rows must not underflow.
        """,
        starter="""
            def posterior(logits: np.ndarray, clicks: np.ndarray, users: np.ndarray, prior: np.ndarray) -> np.ndarray:
                ...  # your code here: shape (m, K)
        """,
        hints=(
            "log p of a click is −log(1 + exp(−s)), log(1 − p) of a refusal is −log(1 + exp s): `np.logaddexp(0, …)`.",
            "`np.add.at(evidence, users, said)` adds every row to its viewer. Then add log prior, take off each row's "
            "largest number, exponentiate, and divide by the row's sum.",
        ),
        solution=posterior,
        check=_check_posterior,
        wrong=(
            (_no_prior, "shares of the tastes"),
            (_no_refusals, "refusal"),
            (_last_one_only, "np.add.at"),
            (_underflows, "returned NaN"),
        ),
    ),
    Exercise(
        id="gate-with-a-gap",
        title="A gate with a gap",
        difficulty=2,
        minutes=12,
        prompt="""
            Each of B clips has S senses. `y`, shape (B, S, d), is what each says, `scores`, shape (B, S, d), how much
            it is to count, and `there`, shape (B, S), which senses there are. Write `gated(y, scores, there)`, shape
            (B, d): the sum of the y weighted by a softmax of the scores over the senses that are there, coordinate by
            coordinate. Where a sense is missing, `y` holds NaN, and its score says nothing. A clip without any sense
            gets zeros. Scores may be as large as 1,000.
        """,
        starter="""
            def gated(y: np.ndarray, scores: np.ndarray, there: np.ndarray) -> np.ndarray:
                ...  # your code here: shape (B, d)
        """,
        hints=(
            "`np.where(there[:, :, None], scores, -np.inf)` keeps the missing out of the largest and out of the sum.",
            "A clip without any sense has no largest score, and its sum is 0: choose what to subtract, and divide by.",
        ),
        solution=gated,
        check=_check_gated,
        wrong=(
            (_all_share, "share of the weight"),
            (_masked_by_product, "returned NaN"),
            (_wrong_axis, "axis 1"),
            (_largest_of_all, "a missing one may hold"),
            (_cut_scores, "overflows"),
        ),
    ),
    Exercise(
        id="one-more-impression",
        title="One more impression",
        difficulty=2,
        minutes=10,
        prompt="""
            A service has only its tables: `p`, shape (K,), how likely a viewer has each taste; `s`, shape (K,), the
            row of a clip, its log-odds under each taste; and `e`, the chance that the place where the clip was shown is
            looked at. Write `updated(p, s, e, clicked)`, shape (K,): the viewer's p after this impression. The
            evidence of earlier ones is not at hand, and not needed.
        """,
        starter="""
            def updated(p: np.ndarray, s: np.ndarray, e: float, clicked: bool) -> np.ndarray:
                ...  # your code here: shape (K,)
        """,
        hints=(
            "p holds all that was known, so it now has the part that the shares of the tastes had for a stranger.",
            "Which chance has what happened under taste k? A refusal is everything that is no click.",
        ),
        solution=updated,
        check=_check_updated,
        wrong=(
            (_no_look, "not everybody looks"),
            (_clicks_only, "refusal says"),
            (_not_normalised, "divide by their sum"),
            (_odds_for_chance, "exp(s) are odds"),
        ),
    ),
)

QUIZ = Quiz(
    id="7.2",
    questions=(
        Question(
            "A service learns its vocabulary and the means of its measurements from all clips, then hides a fifth of "
            "them as new ones and tests on these. What is wrong?",
            (
                Option("Nothing: no click of a new clip was used.", False, "What reads it was learnt from it."),
                Option(
                    "The new clips helped to make the scale that they are read by.",
                    True,
                    "Tomorrow's clips can't do that. Learn the reading from known clips, and keep it.",
                ),
                Option("The vocabulary should be fixed by hand.", False, "It may be learnt: from known clips."),
            ),
        ),
        Question(
            "With a mixture of tastes a viewer clicks on a clip. When can the next list know of it?",
            (
                Option(
                    "After the next training.",
                    False,
                    "Tastes are trained, a viewer is not.",
                ),
                Option(
                    "At once: one more term in a sum, then Bayes' rule.",
                    True,
                    "Evidence adds up, so nothing has to be fitted.",
                ),
                Option("When the viewer has as many clicks as tastes.", False, "The first click counts already."),
            ),
        ),
        Question(
            "The training loss rises over the first half of the epochs while the temperature falls from 20 to 1. What "
            "follows?",
            (
                Option("Training diverges; lower the step size.", False, "The same weights lose more when cold."),
                Option(
                    "Nothing yet: losses at two temperatures are not the same quantity.",
                    True,
                    "Compare from the epoch on at which the temperature stays 1.",
                ),
                Option("The model overfits.", False, "A training loss alone could not show that."),
            ),
        ),
        Question(
            "Why does the model rank by s and not by e σ(s) at the place where a clip stood?",
            (
                Option(
                    "Because e is the same for all clips.",
                    False,
                    "They stood at different places.",
                ),
                Option(
                    "Because the list decides the place, and is to ask for the clip.",
                    True,
                    "s is what somebody who looks thinks of it.",
                ),
                Option("Because s is larger.", False, "An order does not depend on that."),
            ),
        ),
    ),
)
