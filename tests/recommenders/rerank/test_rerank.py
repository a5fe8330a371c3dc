"""Re-rankers: each rule on hand-checked lists and against the definition written out, and the list they make."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from avrec_lib.data import Interactions
from avrec_lib.evaluation.beyond_accuracy import intra_list_diversity
from avrec_lib.recommenders import Popularity, top_k
from avrec_lib.recommenders.rerank import (
    CalibratedReranker,
    DPPReranker,
    MMRReranker,
    calibrated_order,
    dpp_order,
    kl_divergence,
    mmr_order,
)
from avrec_lib.recommenders.rerank.base import unit_interval
from avrec_lib.recommenders.similarity import cosine_similarity

RNG = np.random.default_rng(0)


def test_the_second_item_of_mmr_is_the_best_that_is_not_like_the_first():
    S = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1.0]])
    assert mmr_order([1, 0.9, 0.5], S, 2, 0.5).tolist() == [0, 2]  # .5 · .9 − .5 · 1 < .5 · .5 − 0
    assert mmr_order([1, 0.9, 0.5], S, 2, 0.9).tolist() == [0, 1]  # .81 − .1 > .45


def test_mmr_is_its_definition():
    r, X = RNG.random(8), RNG.normal(size=(8, 3))
    S = cosine_similarity(X)
    chosen = [int(r.argmax())]
    while len(chosen) < 8:
        rest = [i for i in range(8) if i not in chosen]
        chosen.append(max(rest, key=lambda i: 0.6 * r[i] - 0.4 * max(S[i, j] for j in chosen)))
    assert mmr_order(r, S, 8, 0.6).tolist() == chosen


def test_mmr_with_weight_one_is_the_order_of_relevance():
    r = RNG.random(9)
    assert mmr_order(r, np.ones((9, 9)), 9, 1.0).tolist() == np.argsort(-r).tolist()


def test_a_dpp_takes_the_largest_volume_at_each_step():
    r, X = RNG.random(7), RNG.normal(size=(7, 4))
    S = cosine_similarity(X)
    L = np.exp(1.5 * r)[:, None] * S * np.exp(1.5 * r)
    chosen: list[int] = []
    for _ in range(4):  # as many as the vectors have dimensions
        rest = [i for i in range(7) if i not in chosen]
        chosen.append(max(rest, key=lambda i: np.linalg.det(L[np.ix_([*chosen, i], [*chosen, i])])))
    assert dpp_order(r, S, 4, 1.5).tolist() == chosen


def test_the_greedy_set_of_a_dpp_is_nearly_the_best():
    """On this small problem it is the best of all 35 sets of three."""
    r, X = np.full(7, 0.5), np.random.default_rng(3).normal(size=(7, 5))
    S = cosine_similarity(X)
    best = max(itertools.combinations(range(7), 3), key=lambda c: np.linalg.det(S[np.ix_(c, c)]))
    assert np.linalg.det(S[np.ix_(best, best)]) >= np.linalg.det(S[np.ix_(*[dpp_order(r, S, 3, 0.0)] * 2)]) > 0.5


def test_two_equal_items_have_no_volume_so_the_other_comes_first():
    S = np.array([[1, 1, 0.6], [1, 1, 0.6], [0.6, 0.6, 1]])
    assert dpp_order([1, 0.99, 0.1], S, 3, 2.0).tolist() == [0, 2, 1]


def test_a_dpp_with_a_large_strength_orders_by_relevance():
    r, X = RNG.random(6), RNG.normal(size=(6, 6))
    assert dpp_order(r, cosine_similarity(X), 6, 200.0).tolist() == np.argsort(-r).tolist()


def test_where_nothing_new_is_left_relevance_orders():
    assert dpp_order([0.2, 0.9, 0.5], np.ones((3, 3)), 3, 1.0).tolist() == [1, 2, 0]
    assert dpp_order([0.2, 0.9], np.zeros((2, 2)), 2, 1.0).tolist() == [1, 0]  # zero vectors


def test_kl_divergence_by_hand_and_by_scipy():
    p, q = [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]
    mixed = [0.99 * 1 + 0.005, 0.005]
    by_hand = 0.5 * np.log(0.5 / mixed[0]) + 0.5 * np.log(0.5 / mixed[1])
    assert kl_divergence(p, q) == pytest.approx(by_hand)
    a, b = RNG.dirichlet(np.ones(5)), RNG.dirichlet(np.ones(5))
    assert kl_divergence(a, b) == pytest.approx(entropy(a, 0.99 * b + 0.01 * a))
    assert kl_divergence(a, a) == pytest.approx(0)
    assert kl_divergence([0, 0], [1, 0]) == 0  # nothing is known of the history


def test_a_calibrated_list_has_the_shares_of_the_history():
    """Seven of ten were drama: so are seven of the ten chosen, though comedy is more relevant."""
    shares = np.repeat(np.eye(2), 20, axis=0)
    r = np.concatenate([np.full(20, 0.1), np.full(20, 0.9)])
    chosen = calibrated_order(r, shares, [0.7, 0.3], 10, 0.99)
    assert shares[chosen].mean(axis=0) == pytest.approx([0.7, 0.3])
    assert calibrated_order(r, shares, [0.7, 0.3], 10, 0.0).tolist() == list(range(20, 30))


def test_calibration_is_its_definition():
    r, shares, p = RNG.random(6), RNG.dirichlet(np.ones(3), 6), np.array([0.6, 0.1, 0.3])
    chosen: list[int] = []
    for _ in range(4):
        rest = [i for i in range(6) if i not in chosen]
        chosen.append(
            max(
                rest,
                key=lambda i: 0.4 * r[[*chosen, i]].sum() - 0.6 * kl_divergence(p, shares[[*chosen, i]].mean(axis=0)),
            )
        )
    assert calibrated_order(r, shares, p, 4, 0.6).tolist() == chosen


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.integers(1, 15), st.integers(0, 99))
def test_every_rule_chooses_k_different_candidates_or_all_there_are(n, k, seed):
    rng = np.random.default_rng(seed)
    r, X = rng.random(n).round(1), rng.integers(0, 2, (n, 3)).astype(float)
    S = cosine_similarity(X)
    for chosen in (
        mmr_order(r, S, k, 0.5),
        dpp_order(r, S, k, 1.0),
        calibrated_order(r, X, [0.2, 0.3, 0.5], k, 0.5),
    ):
        assert len(set(chosen.tolist())) == len(chosen) == min(n, k)
        assert set(chosen.tolist()) <= set(range(n))


@pytest.mark.parametrize(
    "bad",
    [
        lambda: mmr_order([1, np.nan], np.eye(2), 1, 0.5),
        lambda: mmr_order([1, 2], np.eye(3), 1, 0.5),
        lambda: mmr_order([1, 2], np.ones((2, 3)), 1, 0.5),
        lambda: mmr_order([1, 2], np.eye(2), 0, 0.5),
        lambda: mmr_order([1, 2], np.eye(2), 1, 1.5),
        lambda: dpp_order([1, 2], [[1, 0.5], [0.1, 1]], 1, 1.0),
        lambda: dpp_order([1, 2], np.eye(2), 1, -1.0),
        lambda: kl_divergence([1.0], [0.5, 0.5]),
        lambda: kl_divergence([1.0], [1.0], smoothing=0),
        lambda: calibrated_order([1, 2], [[1.0], [-1.0]], [1.0], 1, 0.5),
        lambda: calibrated_order([1, 2], np.eye(2), [1.0, 0], 1, 2.0),
        lambda: MMRReranker(Popularity(), np.eye(3), trade_off=-1),
        lambda: DPPReranker(Popularity(), np.eye(3), strength=-1),
        lambda: CalibratedReranker(Popularity(), -np.eye(3)),
        lambda: CalibratedReranker(Popularity(), np.eye(3), strength=7),
        lambda: MMRReranker(Popularity(), np.eye(3), k=0),
        lambda: MMRReranker(Popularity(), np.eye(3), k=10, n_candidates=9),
    ],
)
def test_what_cannot_be_ranked_is_an_error(bad):
    with pytest.raises(ValueError, match=r"must|cannot|needs"):
        bad()


def table(n_users: int = 30, n_items: int = 20) -> Interactions:
    rng = np.random.default_rng(5)
    u, i = np.nonzero(rng.random((n_users, n_items)) < np.linspace(0.6, 0.1, n_items))
    return Interactions.from_frame(pd.DataFrame({"user_id": u, "item_id": i}))


TRAIN = table()
GROUPS = np.eye(4)[np.arange(TRAIN.n_items) // 5]  # popular items are of group 0

RERANKERS = {
    "MMR": lambda model: MMRReranker(model, GROUPS, 0.3, k=6, n_candidates=15),
    "DPP": lambda model: DPPReranker(model, GROUPS, 1.0, k=6, n_candidates=15),
    "calibrated": lambda model: CalibratedReranker(model, GROUPS, 0.9, k=6, n_candidates=15),
}
every_reranker = pytest.mark.parametrize("make", RERANKERS.values(), ids=RERANKERS.keys())


def lists(model):
    users = np.arange(TRAIN.n_users)
    return top_k(model.fit(TRAIN).score(users), 6, TRAIN.matrix()[users])


@every_reranker
def test_the_list_is_the_rules_choice_among_the_models_candidates(make):
    base = Popularity().fit(TRAIN)
    candidates = top_k(base.score(np.arange(TRAIN.n_users)), 15, TRAIN.matrix())
    for chosen, among, plain in zip(lists(make(Popularity())), candidates, lists(Popularity()), strict=True):
        assert set(chosen) <= set(among)
        assert len(chosen) == len(plain)


@every_reranker
def test_lists_become_more_diverse_or_nearer_to_the_history(make):
    before, after = lists(Popularity()), lists(make(Popularity()))
    if make is RERANKERS["calibrated"]:
        model = make(Popularity()).fit(TRAIN)
        p = model.history(np.arange(TRAIN.n_users))

        def far(of):
            return np.mean([kl_divergence(p[u], GROUPS[items].mean(axis=0)) for u, items in enumerate(of)])

        assert far(after) < 0.5 * far(before)
    else:
        diversity = [np.mean([intra_list_diversity(items, GROUPS) for items in of]) for of in (before, after)]
        assert diversity[1] > diversity[0] + 0.1


def test_behind_the_chosen_items_the_models_own_order_goes_on():
    model, base = MMRReranker(Popularity(), GROUPS, 0.3, k=3, n_candidates=15).fit(TRAIN), Popularity().fit(TRAIN)
    order, plain = (top_k(m.score([0]), 20, TRAIN.matrix()[[0]])[0].tolist() for m in (model, base))
    assert order[3:] == [item for item in plain if item not in order[:3]]


def test_equal_scores_are_all_as_relevant():
    assert unit_interval([2, 2]).tolist() == [1, 1]
    assert unit_interval([2, 4, 3]).tolist() == [0, 1, 0.5]


def test_a_user_without_history_keeps_the_models_order():
    cold = TRAIN.select(TRAIN.users != 3)
    model = CalibratedReranker(Popularity(), GROUPS, 0.9, k=6, n_candidates=15).fit(cold)
    plain = Popularity().fit(cold)
    assert top_k(model.score([3]), 6)[0].tolist() == top_k(plain.score([3]), 6)[0].tolist()


def test_sparse_groups_are_groups():
    a = CalibratedReranker(Popularity(), sp.csr_array(GROUPS)).fit(TRAIN).score([1])
    b = CalibratedReranker(Popularity(), GROUPS).fit(TRAIN).score([1])
    np.testing.assert_array_equal(a, b)


def test_as_many_vectors_as_items_are_needed():
    for make in (MMRReranker, DPPReranker):
        with pytest.raises(ValueError, match="vectors has 3 rows for 20 items"):
            make(Popularity(), np.eye(3)).fit(TRAIN)
    with pytest.raises(ValueError, match="groups has 3 rows for 20 items"):
        CalibratedReranker(Popularity(), np.eye(3)).fit(TRAIN)


def test_a_model_that_was_fitted_elsewhere_is_noticed():
    base = Popularity()
    model = MMRReranker(base, GROUPS).fit(TRAIN)
    base.fit(table(10))
    with pytest.raises(ValueError, match="fit the re-ranker again"):
        model.score([0])


def test_the_name_tells_both_models():
    assert MMRReranker(Popularity(), GROUPS).name == "MMRReranker(Popularity)"
