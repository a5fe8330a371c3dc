"""Exercises of 5.1.6, two stages: a budget, merging lists in turns, one step of MMR, and a search that leaves out."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close
from avrec_lib.recommenders.two_tower.retrieval import ItemIndex


def _check_budget(answer: float) -> str:
    refuse_close(answer, 500, "that spends all 100 ms on the ranker; the other stages need theirs", rtol=1e-3)
    refuse_close(answer, 275, "you forgot that re-ranking takes 5 ms too", rtol=1e-3)
    refuse_close(answer, 425, "the network and the features take time as well", rtol=1e-3)
    refuse_close(answer, 10, "0.2 ms a candidate means five candidates a millisecond, not one fifth", rtol=1e-3)
    expect_close(
        answer, 250, "subtract what the others take, then divide by the milliseconds of one candidate", rtol=1e-3
    )
    return "Halve the ranker's cost and you may rank 500, or keep 250 and answer in 75 ms: cost is a design choice."


LISTS = (np.array([4, 1, 7, 2]), np.array([1, 4, 9, 3]), np.array([8, 4, 1, 0]))


def merge(lists: list[np.ndarray], n: int) -> np.ndarray:
    return np.array(list(dict.fromkeys(np.column_stack(lists).ravel().tolist()))[:n])


def _one_after_another(lists: list[np.ndarray], n: int) -> np.ndarray:
    return np.array(list(dict.fromkeys(np.concatenate(lists).tolist()))[:n])


def _repeated(lists: list[np.ndarray], n: int) -> np.ndarray:
    return np.column_stack(lists).ravel()[:n]


def _sorted(lists: list[np.ndarray], n: int) -> np.ndarray:
    return np.unique(np.concatenate(lists))[:n]


def _cut_first(lists: list[np.ndarray], n: int) -> np.ndarray:
    return np.array(list(dict.fromkeys(np.column_stack(lists).ravel()[:n].tolist())))


def _check_merge(answer: Callable[..., Any]) -> str:
    got = np.asarray(answer(list(LISTS), 6))
    if got.shape == (6,):
        refuse_close(got, _one_after_another(list(LISTS), 6), "that takes the whole first list before the second")
        refuse_close(got, _repeated(list(LISTS), 6), "an item that several lists hold is in yours several times")
        refuse_close(got, _sorted(list(LISTS), 6), "the items are sorted by number; their places were the information")
    if got.shape == _cut_first(list(LISTS), 6).shape:
        raise Wrong("you cut to n before you drop repeats, so fewer than n are left.")
    expect_close(got, merge(list(LISTS), 6), "the first of each list in turn, then the second of each, none twice")
    return "No score was compared with another model's, which is why the merge works for any mixture of sources."


RELEVANCE = np.array([1.0, 0.9, 0.8, 0.5])
SIMILARITY = np.array([[1, 0.95, 0.6, 0.0], [0.95, 1, 0.5, 0.1], [0.6, 0.5, 1, 0.9], [0.0, 0.1, 0.9, 1]])


def mmr_next(relevance: np.ndarray, similarity: np.ndarray, chosen: list[int], trade_off: float) -> int:
    worth = trade_off * relevance - (1 - trade_off) * similarity[:, chosen].max(axis=1)
    worth[chosen] = -np.inf
    return int(worth.argmax())


def _mean_of_chosen(relevance: np.ndarray, similarity: np.ndarray, chosen: list[int], trade_off: float) -> int:
    worth = trade_off * relevance - (1 - trade_off) * similarity[:, chosen].mean(axis=1)
    worth[chosen] = -np.inf
    return int(worth.argmax())


def _again(relevance: np.ndarray, similarity: np.ndarray, chosen: list[int], trade_off: float) -> int:
    return int((trade_off * relevance - (1 - trade_off) * similarity[:, chosen].max(axis=1)).argmax())


def _swapped(relevance: np.ndarray, similarity: np.ndarray, chosen: list[int], trade_off: float) -> int:
    return mmr_next(relevance, similarity, chosen, 1 - trade_off)


def _check_mmr(answer: Callable[..., Any]) -> str:
    if int(answer(RELEVANCE, SIMILARITY, [0], 0.95)) == 0:
        raise Wrong("you chose an item that is in the list already.")
    first = int(answer(RELEVANCE, SIMILARITY, [0], 0.9))
    if first == 3:
        raise Wrong("the two weights are exchanged: λ belongs to relevance.")
    expect_close(first, 1, "with λ = 0.9 relevance decides, and item 1 has most of it")
    S = np.array([[1, 0, 0.9, 0.5], [0, 1, 0.0, 0.5], [0.9, 0, 1, 0.4], [0.5, 0.5, 0.4, 1]])
    third = int(answer(np.array([1, 0.9, 0.8, 0.78]), S, [0, 1], 0.5))
    if third == 2:
        raise Wrong("you average over the chosen items; what counts is the one it is most like.")
    expect_close(third, 3, "subtract the largest similarity to a chosen item")
    return "Once an item much like it is there, it does not help to be unlike all others: the maximum sees to that."


RNG = np.random.default_rng(5)
VECTORS = RNG.standard_normal((60, 8)).astype(np.float32)
QUERY = RNG.standard_normal(8).astype(np.float32)
MET = np.argsort(-(VECTORS @ QUERY))[:30:2]  # every other one of the best 30


def search_unseen(index: ItemIndex, query: np.ndarray, met: np.ndarray, k: int) -> np.ndarray:
    items = index.search(query[None], k + len(met))[0][0]
    items = items[items >= 0]
    return np.asarray(items[~np.isin(items, met)][:k])


def _k_only(index: ItemIndex, query: np.ndarray, met: np.ndarray, k: int) -> np.ndarray:
    items = index.search(query[None], k)[0][0]
    return np.asarray(items[~np.isin(items, met)])


def _not_cut(index: ItemIndex, query: np.ndarray, met: np.ndarray, k: int) -> np.ndarray:
    items = index.search(query[None], k + len(met))[0][0]
    return np.asarray(items[~np.isin(items, met)])


def _not_left_out(index: ItemIndex, query: np.ndarray, met: np.ndarray, k: int) -> np.ndarray:
    return np.asarray(index.search(query[None], k)[0][0])


def _with_gaps(index: ItemIndex, query: np.ndarray, met: np.ndarray, k: int) -> np.ndarray:
    items = index.search(query[None], k + len(met))[0][0]
    return np.asarray(items[~np.isin(items, met)][:k])


def _check_unseen(answer: Callable[..., Any]) -> str:
    index = ItemIndex(VECTORS)
    got = np.asarray(answer(index, QUERY, MET, 10))
    if got.ndim != 1:
        raise Wrong("return a flat array of items; search takes and gives tables with a row for each query.")
    if np.isin(got, MET).any():
        raise Wrong("some of your items were met already.")
    if len(got) < 10:
        raise Wrong(f"only {len(got)} of 10 are left after the met ones are dropped; ask the index for more.")
    if len(got) > 10:
        raise Wrong(f"you return {len(got)} items where k = 10 were asked for.")
    expect_close(got, search_unseen(index, QUERY, MET, 10), "the best unmet items first")
    few = np.asarray(answer(index, QUERY, np.arange(55), 10))
    if (few < 0).any():
        raise Wrong("−1 stands for no item at all; when the index runs out, the list stays short.")
    expect_close(np.sort(few), np.arange(55, 60), "where only five items are unmet, the list has five")
    return "k + len(met) is always enough for an exact index. An approximate one may still come up short."


EXERCISES = (
    Exercise(
        id="how-many-candidates",
        title="How many candidates can you afford?",
        difficulty=1,
        minutes=4,
        prompt="""
            A request may take 100 ms. The network and the features take 35 ms, retrieval 10 ms and re-ranking 5 ms.
            The ranker takes 0.2 ms for each candidate. How many candidates can it rank?
        """,
        starter="n_candidates = ...",
        hints=(
            "The stages come one after the other, so their times add up.",
            "What is left for the ranker, in milliseconds?",
        ),
        solution=250,
        solution_source="n_candidates = (100 - 35 - 10 - 5) / 0.2",
        check=_check_budget,
        wrong=(
            (500, "all 100 ms"),
            (275, "you forgot"),
            (425, "as well"),
            (10, "five candidates a millisecond"),
            (50, "subtract what"),
        ),
    ),
    Exercise(
        id="merge-in-turns",
        title="Several retrievers, one list",
        difficulty=2,
        minutes=8,
        prompt="""
            Write `merge(lists, n)`. `lists` holds arrays of item numbers of equal length, each best first. Return an
            array of at most `n` different items: the first of each list, in the order of the lists, then the second
            of each, and so on.
        """,
        starter="""
            def merge(lists: list[np.ndarray], n: int) -> np.ndarray:
                ...  # your code here
        """,
        hints=(
            "`np.column_stack(lists)` has the first of each list in its first row.",
            "`dict.fromkeys(items)` keeps each item once, at its first place.",
            "Drop repeats first, cut to n afterwards.",
        ),
        solution=merge,
        check=_check_merge,
        wrong=(
            (_one_after_another, "whole first list"),
            (_repeated, "several times"),
            (_sorted, "sorted by number"),
            (_cut_first, "cut to n before"),
        ),
    ),
    Exercise(
        id="mmr-next",
        title="The next item of a varied list",
        difficulty=2,
        minutes=10,
        prompt=r"""
            Write `mmr_next(relevance, similarity, chosen, trade_off)`, one step of maximal marginal relevance: the
            position of the candidate, not among `chosen`, with the largest
            $\lambda r_i - (1 - \lambda) \max_{j \in S} s_{ij}$. `chosen` is a list of at least one position.
        """,
        starter="""
            def mmr_next(relevance: np.ndarray, similarity: np.ndarray, chosen: list[int], trade_off: float) -> int:
                ...  # your code here
        """,
        hints=(
            "`similarity[:, chosen]` has a row for each candidate and a column for each chosen item.",
            "Give the chosen ones the worth −∞ before you take the largest.",
        ),
        solution=mmr_next,
        check=_check_mmr,
        wrong=((_mean_of_chosen, "you average"), (_again, "in the list already"), (_swapped, "exchanged")),
    ),
    Exercise(
        id="search-unseen",
        title="Search, and leave out what was met",
        difficulty=3,
        minutes=12,
        prompt="""
            An index knows nothing of histories. Write `search_unseen(index, query, met, k)`: the `k` best items for
            one query (shape `(d,)`) that are not in the array `met`, best first. If the index holds fewer, return
            those. `index` is an `ItemIndex`, and `met` has no repeats.
        """,
        starter="""
            def search_unseen(index: ItemIndex, query: np.ndarray, met: np.ndarray, k: int) -> np.ndarray:
                ...  # your code here
        """,
        hints=(
            "How many of the best could be met ones, at worst? Ask for that many more.",
            "`index.search(query[None], n)` returns items and products, each with one row; no item is −1.",
            "`~np.isin(items, met)` marks those that were not met.",
        ),
        solution=search_unseen,
        check=_check_unseen,
        wrong=(
            (_k_only, "ask the index for more"),
            (_not_cut, "where k = 10 were asked"),
            (_not_left_out, "met already"),
            (_with_gaps, "stands for no item"),
        ),
    ),
)

QUIZ = Quiz(
    id="5.1.6",
    questions=(
        Question(
            "Why can two towers retrieve from a million items, and a model with features of the pair cannot?",
            (
                Option("Towers have fewer parameters.", False, "They may have more: a vector for each item."),
                Option(
                    "The items' vectors do not depend on the user, so they are computed before the request.",
                    True,
                    "What is left is one user vector and a search for the largest products.",
                ),
                Option("Inner products are exact.", False, "So are trees; the question is when one can compute them."),
            ),
        ),
        Question(
            r"You train with the in-batch softmax and forget $-\log q_i$. Which items suffer?",
            (
                Option("Popular ones.", True, "They are wrong answers more often than their share of the catalogue."),
                Option("Rare ones.", False, "They are seldom in a batch, so they are seldom pushed down."),
                Option("None: it adds the same to all.", False, r"$\log q_i$ differs from item to item."),
            ),
        ),
        Question(
            "Recall at 200 candidates is 0.72. The ranker's hit rate at 10 is 0.18 on these candidates, and 0.19 "
            "where it looks at every item. What do you improve first?",
            (
                Option(
                    "Retrieval: more candidates.",
                    False,
                    "Even with every item as a candidate this ranker finds hardly more.",
                ),
                Option(
                    "The ranker.",
                    True,
                    "It loses little by retrieval, and misses three of four films that it is given.",
                ),
                Option("Re-ranking.", False, "It trades accuracy for something else; it seldom adds any."),
            ),
        ),
        Question(
            "All your lists are calibrated to the history's genres. Are they diverse?",
            (
                Option(
                    "Not necessarily.", True, "Who watched only horror films gets only horror films, well calibrated."
                ),
                Option("Yes, by definition.", False, "Calibration asks for proportion, not for variety."),
            ),
        ),
    ),
)
