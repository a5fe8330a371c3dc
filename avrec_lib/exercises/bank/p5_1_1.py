"""Exercises of 5.1.1, content: a profile with a skip, a half-life, the nearest of the history, a map to factors."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close
from avrec_lib.recommenders.similarity import cosine_similarity

WANTED = 1.46 / np.sqrt(1.6**2 + 0.3**2)  # (1.6, 0.3) with (0.8, 0.6)
SHARE = (1 - 2**-0.5) / (1 - 2**-3.5)


def _check_cosine(answer: float) -> str:
    refuse_close(answer, 1.46, "that is the inner product; divide it by the length of the profile", rtol=1e-3)
    refuse_close(answer, 1.76 / np.sqrt(3.2), "you left the skipped clip out; it is subtracted, with γ", rtol=1e-3)
    refuse_close(answer, 1.16 / np.sqrt(2.6), "you gave the skip the weight of a click; γ is one half", rtol=1e-3)
    refuse_close(answer, 2.06 / np.sqrt(4.25), "you added the skipped clip; a skip pushes away", rtol=2e-4)
    expect_close(answer, WANTED, "the profile is (1.6, 0.3); take its cosine with (0.8, 0.6)", rtol=2e-3)
    return "Without the skip it would be 0.984: the profile has turned away from the second word, but not far."


def _check_share(answer: float) -> str:
    refuse_close(answer, 5 / 35, "that is the share in numbers; each click is to count with its weight", rtol=1e-2)
    refuse_close(answer, SHARE / (1 - SHARE), "that is new over old; the share is new over all", rtol=1e-2)
    refuse_close(answer, 1 - 2**-0.5, "that is for an endless past; here it has thirty clicks", rtol=1e-2)
    refuse_close(answer, (1 - 2**-5) / (1 - 2**-35), "you halved at every click; the weight halves in ten", rtol=1e-3)
    expect_close(answer, SHARE, "add up 2^(−a/10) for a = 0 … 4, and divide by the sum for a = 0 … 34", rtol=1e-2)
    return "A seventh of the clicks has nearly a third of the say. In a plain sum it would have a seventh."


def nearest_scores(X: np.ndarray, clicked: np.ndarray) -> np.ndarray:
    best = cosine_similarity(X, X[clicked]).max(axis=1)  # (n_items,)
    best[clicked] = -np.inf
    return np.asarray(best)


def _mean_of_all(X: np.ndarray, clicked: np.ndarray) -> np.ndarray:
    best = cosine_similarity(X, X[clicked]).mean(axis=1)
    best[clicked] = -np.inf
    return np.asarray(best)


def _inner_product(X: np.ndarray, clicked: np.ndarray) -> np.ndarray:
    best = (X @ X[clicked].T).max(axis=1)
    best[clicked] = -np.inf
    return np.asarray(best)


def _with_the_clicked(X: np.ndarray, clicked: np.ndarray) -> np.ndarray:
    return np.asarray(cosine_similarity(X, X[clicked]).max(axis=1))


def _from_the_profile(X: np.ndarray, clicked: np.ndarray) -> np.ndarray:
    best = cosine_similarity(X, X[clicked].sum(axis=0)[None])[:, 0]
    best[clicked] = -np.inf
    return np.asarray(best)


def _check_nearest(answer: Callable[..., Any]) -> str:
    X = np.array([[1.0, 0.0], [0.0, 3.0], [2.0, 2.0], [0.5, 0.1], [1.0, -1.0]])
    clicked = np.array([0, 1])
    got = answer(X.copy(), clicked.copy())
    refuse_close(got, _mean_of_all(X, clicked), "you average over the clicked clips; take the nearest of them")
    refuse_close(got, _inner_product(X, clicked), "long vectors win with an inner product; use the cosine")
    refuse_close(got, _with_the_clicked(X, clicked), "the clicked clips are nearest to themselves; set them to -np.inf")
    refuse_close(got, _from_the_profile(X, clicked), "that is the profile; compare with each clicked clip by itself")
    expect_close(got, nearest_scores(X, clicked), "the largest cosine with any of the clicked clips, for each clip")
    return (
        "The profile (1, 3) puts the clip (2, 2) between the two interests on top; the nearest puts (0.5, 0.1) there."
    )


def guess_factors(X: np.ndarray, Q: np.ndarray, old: np.ndarray, reg: float) -> np.ndarray:
    A = np.linalg.solve(X[old].T @ X[old] + reg * np.eye(X.shape[1]), X[old].T @ Q[old])  # (d, k)
    return np.asarray(X @ A)


def _on_all(X: np.ndarray, Q: np.ndarray, old: np.ndarray, reg: float) -> np.ndarray:
    return guess_factors(X, Q, np.ones(len(X), dtype=bool), reg)


def _without_penalty(X: np.ndarray, Q: np.ndarray, old: np.ndarray, reg: float) -> np.ndarray:
    return guess_factors(X, Q, old, 0)


def _mean_loss(X: np.ndarray, Q: np.ndarray, old: np.ndarray, reg: float) -> np.ndarray:
    return guess_factors(X, Q, old, reg * float(old.sum()))


def _only_the_map(X: np.ndarray, Q: np.ndarray, old: np.ndarray, reg: float) -> np.ndarray:
    return np.asarray(np.linalg.solve(X[old].T @ X[old] + reg * np.eye(X.shape[1]), X[old].T @ Q[old]))


def _check_map(answer: Callable[..., Any]) -> str:
    rng = np.random.default_rng(11)
    X, Q = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    old = np.arange(12) < 9
    Q[~old] = 0  # ALS has nothing to say of an item without rows
    got = answer(X.copy(), Q.copy(), old.copy(), 2.0)
    refuse_close(
        got, _on_all(X, Q, old, 2.0), "you fitted on new clips too; their factors are 0 for want of rows", rtol=1e-4
    )
    refuse_close(got, _without_penalty(X, Q, old, 2.0), "the penalty is missing: add reg to the diagonal", rtol=1e-4)
    refuse_close(got, _mean_loss(X, Q, old, 2.0), "the page sums over the old clips and takes no mean", rtol=1e-4)
    expect_close(got, guess_factors(X, Q, old, 2.0), "solve for A on the old clips, return X @ A for all", rtol=1e-4)
    return "One matrix of d × k numbers, learnt from all old clips, gives factors to any clip of tomorrow."


EXERCISES = (
    Exercise(
        id="rocchio-by-hand",
        title="Two clicks and a skip",
        difficulty=1,
        minutes=5,
        prompt=r"""
            Descriptions have two words. Somebody clicked on the clips $(1, 0)$ and $(0.6, 0.8)$, and was shown
            $(0, 1)$ without clicking. With $\gamma = 0.5$, what is the cosine between the profile and a new clip
            $(0.8, 0.6)$?
        """,
        starter="cosine = ...",
        hints=(
            "Add the two clicked vectors, then subtract half of the skipped one.",
            "The new clip has length 1, the profile has not.",
        ),
        solution=float(WANTED),
        solution_source="""
            profile = np.array([1, 0]) + np.array([0.6, 0.8]) - 0.5 * np.array([0, 1])
            cosine = profile @ np.array([0.8, 0.6]) / np.linalg.norm(profile)
        """,
        check=_check_cosine,
        wrong=(
            (1.46, "inner product"),
            (0.98387, "left the skipped"),
            (0.7194, "weight of a click"),
            (0.99925, "pushes away"),
            (0.8, "take its cosine"),
        ),
    ),
    Exercise(
        id="weight-of-the-new",
        title="The say of the last five",
        difficulty=2,
        minutes=6,
        prompt="""
            Somebody clicked on thirty clips, changed, and has clicked on five since. With a half-life of ten clicks,
            the last of which has age 0, what share of the total weight do the five have?
        """,
        starter="share = ...",
        hints=(
            "The ages of the new clicks are 0 to 4, those of the old ones 5 to 34.",
            "`0.5 ** (np.arange(35) / 10)` holds all the weights, the newest first.",
        ),
        solution=float(SHARE),
        solution_source="""
            weights = 0.5 ** (np.arange(35) / 10)
            share = weights[:5].sum() / weights.sum()
        """,
        check=_check_share,
        wrong=(
            (0.142857, "in numbers"),
            (0.473385, "new over old"),
            (0.292893, "endless past"),
            (0.96875, "halves in ten"),
            (0.5, "add up"),
        ),
    ),
    Exercise(
        id="nearest-of-history",
        title="One witness instead of a mean",
        difficulty=2,
        minutes=8,
        prompt="""
            Write `nearest_scores(X, clicked)`: `X` has one row a clip, `clicked` holds the numbers of the clips that
            one viewer clicked. Return for each clip its largest cosine with any of the clicked ones, and `-np.inf`
            for those that were clicked themselves.
        """,
        starter="""
            def nearest_scores(X, clicked):
                ...  # your code here
        """,
        hints=(
            "`cosine_similarity(X, X[clicked])` has one row a clip and one column a click.",
            "Take the largest of each row, then overwrite the places in `clicked`.",
        ),
        solution=nearest_scores,
        check=_check_nearest,
        wrong=(
            (_mean_of_all, "you average"),
            (_inner_product, "long vectors"),
            (_with_the_clicked, "to themselves"),
            (_from_the_profile, "by itself"),
        ),
    ),
    Exercise(
        id="map-to-factors",
        title="Factors for a clip of this minute",
        difficulty=3,
        minutes=12,
        prompt=r"""
            Write `guess_factors(X, Q, old, reg)`, the learnt map of the page: `X` $(n, d)$ describes all clips, `Q`
            $(n, k)$ holds their factors, `old` says which clips have rows, `reg` is $\lambda$. Return the guessed
            factors $A^\top x_i$ of *all* clips, shape $(n, k)$. Append no 1.
        """,
        starter="""
            def guess_factors(X, Q, old, reg):
                ...  # your code here
        """,
        hints=(
            r"Set the derivative to 0: $(X_o^\top X_o + \lambda I) A = X_o^\top Q_o$, where $o$ marks the old rows.",
            "`np.linalg.solve(M, N)` solves M A = N for all columns at once.",
        ),
        solution=guess_factors,
        check=_check_map,
        wrong=(
            (_on_all, "for want of rows"),
            (_without_penalty, "penalty is missing"),
            (_mean_loss, "takes no mean"),
            (_only_the_map, "expected shape"),
        ),
    ),
)

QUIZ = Quiz(
    id="5.1.1",
    questions=(
        Question(
            "A new viewer has clicked on three clips of a large old catalogue. What do you show first?",
            (
                Option(
                    "Best-sellers, until there are some twenty clicks.",
                    True,
                    "Three clicks are few witnesses; on the page best-sellers lead up to twenty.",
                ),
                Option("The clips most like the three.", False, "On the page it lay far behind the best-sellers."),
                Option("A random list, to learn quickly.", False, "It teaches much and pleases little; mix a few in."),
            ),
        ),
        Question(
            "One rating of a film beat its genres, eight clicks did not beat a clip's three senses. Why?",
            (
                Option(
                    "ALS suits films better than clips.",
                    False,
                    "It passed the words of clips early; look at the other side.",
                ),
                Option(
                    "The senses hold what viewers of clips care about; genres say little of films.",
                    True,
                    "The number of clicks that a description is worth depends on what it tells.",
                ),
                Option("Films are older.", False, "All young items had n rows on average, whatever their age."),
            ),
        ),
        Question(
            "You shorten the half-life of all profiles. Who pays?",
            (
                Option("Nobody: recent clicks are always better.", False, "Old clicks of a steady taste are evidence."),
                Option("Those whose taste has changed.", False, "They gain: the old clicks lose their votes sooner."),
                Option(
                    "Those whose taste has not changed.",
                    True,
                    "Their profile rests on fewer clicks than it could.",
                ),
            ),
        ),
        Question(
            "To find the handover, why keep a random share of all clicks, and not exactly n of each clip?",
            (
                Option("It is faster.", False, "Either is one line."),
                Option(
                    "How often a clip is clicked is a signal too, and equal counts would hide it.",
                    True,
                    "On the page counts alone, popularity, passed a description by genres at one rating.",
                ),
                Option("So that all clips are equal.", False, "They are not: clips that many like keep more."),
            ),
        ),
    ),
)
