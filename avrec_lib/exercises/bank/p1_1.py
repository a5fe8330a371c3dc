"""Exercises of 1.1, the definition: a list from scores, empty cells, NDCG by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.exercises import (
    Exercise,
    Option,
    Question,
    Quiz,
    expect_close,
    refuse_close,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SCORES: Floats = np.array([0.9, 0.2, 0.7, 0.7, 0.4])
SEEN: Integers = np.array([0, 4])


def best_unseen(scores: Floats, seen: Integers, K: int) -> Integers:
    order = np.argsort(-scores, kind="stable")
    return order[~np.isin(order, seen)][:K]


def _cut_too_early(scores: Floats, seen: Integers, K: int) -> Integers:
    order = np.argsort(-scores, kind="stable")[:K]
    return order[~np.isin(order, seen)]


def _with_seen(scores: Floats, seen: Integers, K: int) -> Integers:
    return np.argsort(-scores, kind="stable")[:K]


def _worst_first(scores: Floats, seen: Integers, K: int) -> Integers:
    order = np.argsort(scores, kind="stable")
    return order[~np.isin(order, seen)][:K]


def _ties_backwards(scores: Floats, seen: Integers, K: int) -> Integers:
    order = np.argsort(scores, kind="stable")[::-1]
    return order[~np.isin(order, seen)][:K]


def _check_best_unseen(answer: Callable[..., Any]) -> str:
    got = answer(SCORES, SEEN, 2)
    refuse_close(got, _with_seen(SCORES, SEEN, 2), "film 0 has been seen; leave it out")
    refuse_close(got, _cut_too_early(SCORES, SEEN, 2), "you cut at K first and filter then: the list gets too short")
    refuse_close(got, _worst_first(SCORES, SEEN, 2), "your list begins with the lowest score")
    refuse_close(got, _ties_backwards(SCORES, SEEN, 2), "films 2 and 3 tie; the smaller index comes first")
    expect_close(got, best_unseen(SCORES, SEEN, 2), "of the unseen films 1, 2 and 3, films 2 and 3 score highest")
    expect_close(answer(SCORES, SEEN, 5), best_unseen(SCORES, SEEN, 5), "with K = 5 three films are left: a short list")
    return "Three lines. The library does the same for many users at once, and it is the only place that does."


def empty_share(users: Integers, items: Integers, n_users: int, n_items: int) -> float:
    cells = set(zip(users.tolist(), items.tolist(), strict=True))
    return 1 - len(cells) / (n_users * n_items)


def _density(users: Integers, items: Integers, n_users: int, n_items: int) -> float:
    return 1 - empty_share(users, items, n_users, n_items)


def _repeats_twice(users: Integers, items: Integers, n_users: int, n_items: int) -> float:
    return 1 - len(users) / (n_users * n_items)


def _only_active(users: Integers, items: Integers, n_users: int, n_items: int) -> float:
    return empty_share(users, items, len(np.unique(users)), len(np.unique(items)))


def _check_empty_share(answer: Callable[..., Any]) -> str:
    users, items = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 1, 1])
    log = (users, items, 4, 5)
    got = answer(*log)
    refuse_close(got, _density(*log), "that is the share of filled cells")
    refuse_close(got, _repeats_twice(*log), "user 2 watched item 1 twice; that is one cell")
    refuse_close(got, _only_active(*log), "users and items without a single event have cells too, all empty")
    expect_close(got, empty_share(*log), "five different cells of 4 · 5 are filled")
    expect_close(answer(users[:3], items[:3], 10, 10), 0.97, "three cells of a hundred are filled")
    return "The catalogue counts, not what was watched: otherwise the table looks fuller than it is."


def _check_ndcg(answer: float) -> str:
    discounts = 1 / np.log2(np.arange(1, 11) + 1)
    gain = discounts[[1, 2, 5]].sum()
    refuse_close(answer, gain, "that is the DCG; divide by the DCG of the best possible list", rtol=1e-3)
    refuse_close(
        answer,
        gain / discounts[:3].sum(),
        "your ideal list has three hits; with four relevant films it has four",
        rtol=1e-3,
    )
    refuse_close(
        answer, gain / discounts.sum(), "your ideal list has ten hits; only four films are relevant", rtol=1e-3
    )
    refuse_close(answer, 0.75, "that is the recall, 3 of 4; NDCG also asks where the hits stand", rtol=1e-3)
    expect_close(
        answer, gain / discounts[:4].sum(), "hits at 2, 3 and 6 give 1/log2(3) + 1/log2(4) + 1/log2(7)", rtol=2e-3
    )  # 0.58055: .580 passes as .581 does, for those who round on the way
    return "The same three hits at ranks 1, 2 and 3 would give .832: the order is worth a quarter here."


EXERCISES = (
    Exercise(
        id="best-unseen",
        title="From scores to a list",
        difficulty=1,
        minutes=6,
        prompt="""
            Write `best_unseen(scores, seen, K)` for one user: the indices of the `K` films with the highest scores,
            best first, without the films in `seen`. Equal scores are ordered by index, the smaller first. If fewer
            than `K` films are left, the list is shorter.
        """,
        starter="""
            def best_unseen(scores, seen, K):
                ...  # your code here
        """,
        hints=(
            'A sort of `-scores` with `kind="stable"` puts the highest first and keeps the order of equal ones.',
            "`np.isin(order, seen)` says which films to drop. Drop them before you cut at `K`.",
        ),
        solution=best_unseen,
        check=_check_best_unseen,
        wrong=(
            (_with_seen, "has been seen"),
            (_cut_too_early, "the list gets too short"),
            (_worst_first, "lowest score"),
            (_ties_backwards, "the smaller index comes first"),
        ),
    ),
    Exercise(
        id="empty-share",
        title="How empty is the table?",
        difficulty=2,
        minutes=8,
        prompt="""
            A log of views has one row an event: `users[t]` watched `items[t]`. The service has `n_users` users and
            `n_items` items, many of them in no row. Write `empty_share(users, items, n_users, n_items)`: the
            share of the cells of the table of users and items that are empty. The same video may be watched twice.
        """,
        starter="""
            def empty_share(users, items, n_users, n_items):
                ...  # your code here
        """,
        hints=(
            "How many different pairs are in the log? A set of pairs knows.",
            "`1 - len(set(zip(users.tolist(), items.tolist()))) / (n_users * n_items)`",
        ),
        solution=empty_share,
        check=_check_empty_share,
        wrong=(
            (_density, "share of filled cells"),
            (_repeats_twice, "that is one cell"),
            (_only_active, "have cells too"),
        ),
    ),
    Exercise(
        id="ndcg-by-hand",
        title="NDCG by hand",
        difficulty=2,
        minutes=8,
        prompt=r"""
            A list of ten has hits at ranks 2, 3 and 6. The viewer watched four films in the hidden part. What is
            NDCG@10, to three decimals?
        """,
        starter="ndcg = ...  # a number",
        hints=(
            r"A hit at rank $r$ is worth $1 / \log_2(r + 1)$. Add the three.",
            "The best possible list has its four hits at ranks 1 to 4. Divide by what that is worth.",
        ),
        solution=(1 / np.log2(3) + 1 / np.log2(4) + 1 / np.log2(7))
        / (1 + 1 / np.log2(3) + 1 / np.log2(4) + 1 / np.log2(5)),
        solution_source=(
            "gain = 1 / np.log2(3) + 1 / np.log2(4) + 1 / np.log2(7)\n"
            "ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4) + 1 / np.log2(5)\n"
            "ndcg = gain / ideal  # 1.4871 / 2.5616, which is .581"
        ),
        check=_check_ndcg,
        wrong=(
            (1.4871, "that is the DCG"),
            (0.6979, "has three hits"),
            (0.3273, "has ten hits"),
            (0.75, "that is the recall"),
            (0.5, "hits at 2, 3 and 6"),
        ),
    ),
)

QUIZ = Quiz(
    id="1.1",
    questions=(
        Question(
            "A viewer has not rated a film. What does the empty cell say?",
            (
                Option("They did not like it.", False, "They may never have heard of it. Most cells are of that kind."),
                Option(
                    "By itself, next to nothing: unknown, not shown, not wanted and not yet all look the same.",
                    True,
                    "Together, the empty cells are weak evidence: people do watch more of what they would like.",
                ),
                Option("It counts as zero stars.", False, "Zero is a number somebody would have had to give."),
            ),
        ),
        Question(
            "A ten-second clip started by itself, without sound, and ran for eight seconds. What do you conclude?",
            (
                Option(
                    "Four fifths watched: a strong sign of interest.",
                    False,
                    "The share is high because the clip is short and nobody had to start it.",
                ),
                Option(
                    "Little, before comparing it with what people do on clips of this length started like this.",
                    True,
                    "Watch time means something only beside what was to be expected.",
                ),
            ),
        ),
        Question(
            "You test on a random fifth of the ratings, and a new model wins. What might go wrong in service?",
            (
                Option(
                    "It may have learnt from what came later than the films it had to guess.",
                    True,
                    "On this page nearly every hidden rating had a later one of the same person in the training part.",
                ),
                Option(
                    "Nothing, as long as no rating is in both parts.",
                    False,
                    "No row is shared, yet the future is: a sequel rated five stars gives away its first part.",
                ),
            ),
        ),
        Question(
            "One list has a single hit at rank 1, another a single hit at rank 10. Which metric tells them apart?",
            (
                Option("Precision@10.", False, "Both have one hit in ten places."),
                Option("Recall@10.", False, "Both find one of the relevant films."),
                Option("NDCG@10.", True, "It weighs rank 1 with 1 and rank 10 with 0.289."),
            ),
        ),
    ),
)
