"""Factorisation machines and FPMC: the equations on hand-made numbers, and what they learn."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from avrec_lib.data import Interactions
from avrec_lib.nn.training import Training
from avrec_lib.recommenders import MarkovChain, Popularity, top_k
from avrec_lib.recommenders.pairwise import FPMC, FactorizationMachine
from avrec_lib.recommenders.pairwise.base import bpr_loss
from avrec_lib.recommenders.pairwise.factorization_machine import fm_score

RNG = np.random.default_rng(0)
SHORT = Training(epochs=60, batch=64, lr=0.03, weight_decay=0.1)


def test_two_features_by_hand():
    """1 + 2·1 + 3·2 + ⟨(1, 2), (3, 4)⟩ · 1 · 2 = 9 + 22."""
    assert fm_score([[1, 2]], 1.0, [2, 3], [[1, 2], [3, 4]]) == pytest.approx([31])


def test_the_fast_sum_is_the_sum_over_pairs():
    X, w, V = RNG.normal(size=(5, 7)), RNG.normal(size=7), RNG.normal(size=(7, 3))
    pairs = sum(V[f] @ V[g] * X[:, f] * X[:, g] for f, g in itertools.combinations(range(7), 2))
    np.testing.assert_allclose(fm_score(X, 0.5, w, V), 0.5 + X @ w + pairs)


def test_features_and_weights_must_agree():
    with pytest.raises(ValueError, match="x has 3 features, w 2 and V 2; they must agree"):
        fm_score([[1, 2, 3]], 0, [1, 2], np.ones((2, 4)))


def test_the_loss_of_a_pair_by_hand():
    assert bpr_loss(torch.tensor([2.0]), torch.tensor([2.0])).item() == pytest.approx(np.log(2))
    assert bpr_loss(torch.tensor([1.0, 0]), torch.tensor([0.0, 1])).item() == pytest.approx(
        -(np.log(1 / (1 + np.exp(-1))) + np.log(1 / (1 + np.exp(1)))) / 2
    )


def taste_table(seed=0, n_users=80, n_items=30):
    rng = np.random.default_rng(seed)
    kind = np.arange(n_items) % 3
    chance = np.where(rng.integers(0, 3, n_users)[:, None] == kind, 0.5, 0.05)
    u, i = np.nonzero(rng.random((n_users, n_items)) < chance)
    return Interactions.from_frame(pd.DataFrame({"user_id": u, "item_id": i})), np.eye(3)[kind]


TRAIN, KINDS = taste_table()


def test_the_scores_of_the_machine_are_those_of_its_equation():
    """All features of a pair written out: users, items, content. The rest depends on the user alone."""
    model = FactorizationMachine(KINDS, k=4, how=Training(2, 64)).fit(TRAIN)
    scores = model.score(np.arange(3))
    z, c, a = model.item_vectors, model.item_bias, model.context_vectors
    assert scores == pytest.approx(a[:3] @ z.T + c, abs=1e-5)
    torch.manual_seed(0)
    network = model._factors(TRAIN)
    w = np.concatenate([np.zeros(TRAIN.n_users), network.w_item.weight[:, 0].detach(), network.w_content.detach()])
    V = np.concatenate(
        [part.detach().numpy() for part in (network.v_user.weight, network.v_item.weight, network.v_content)]
    )
    pairs = list(itertools.product(range(3), range(TRAIN.n_items)))
    X = np.array([[*np.eye(TRAIN.n_users)[u], *np.eye(TRAIN.n_items)[i], *KINDS[i]] for u, i in pairs])
    with torch.no_grad():
        z, c = network.items(torch.arange(TRAIN.n_items))
        by_parts = network.contexts(torch.arange(3), torch.zeros(3)) @ z.T + c
    np.testing.assert_allclose(by_parts.numpy().ravel(), fm_score(X, 0.0, w, V), atol=1e-5)


def found_again(model):
    hidden = np.random.default_rng(2).random(len(TRAIN)) < 0.15
    seen, held = TRAIN.select(~hidden), TRAIN.select(hidden)
    lists = top_k(model.fit(seen).score(held.users), 5, seen.matrix()[held.users])
    return np.mean([item in best for item, best in zip(held.items, lists, strict=True)])


@pytest.mark.parametrize("vectors", [None, KINDS], ids=["ids", "content"])
def test_the_machine_finds_what_users_like(vectors):
    assert found_again(FactorizationMachine(vectors, k=8, how=SHORT)) > found_again(Popularity()) + 0.15


def test_content_tells_who_would_like_an_item_with_a_single_row():
    """By its id alone hardly anything is known; by its kind, its lovers give it a higher score than others do."""
    rare = np.flatnonzero(TRAIN.items == 0)[1:]
    seen = TRAIN.select(~np.isin(np.arange(len(TRAIN)), rare))
    lovers = np.isin(np.arange(TRAIN.n_users), TRAIN.users[rare])

    def gap(vectors):
        scores = FactorizationMachine(vectors, k=8, how=SHORT).fit(seen).score(np.arange(TRAIN.n_users))[:, 0]
        return (scores[lovers].mean() - scores[~lovers].mean()) / scores.std()

    assert gap(KINDS) > gap(None) + 0.2


def walks(n_users=60, n_items=12, seed=0):
    """Every user walks around one of two circles of six items, from a random start."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(n_users):
        circle, start = int(rng.integers(2)), int(rng.integers(6))
        rows += [(u, 6 * circle + (start + t) % 6, t) for t in range(5)]
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]))


def test_fpmc_learns_what_comes_next():
    train = walks()
    last = MarkovChain().fit(train).last
    expected = 6 * (last // 6) + (last % 6 + 1) % 6
    best = FPMC(k=8, how=SHORT).fit(train).score(np.arange(train.n_users)).argmax(axis=1)
    assert (best == expected).mean() > 0.95


def test_the_scores_of_fpmc_are_two_inner_products_and_a_bias():
    network = FPMC(k=2)._factors(walks())
    with torch.no_grad():
        z, c = network.items(torch.tensor([4]))
        s = network.contexts(torch.tensor([3]), torch.tensor([7])) @ z[0] + c
        by_hand = network.user.weight[3] @ network.of_user.weight[4] + network.last.weight[7] @ network.after.weight[4]
        assert s.item() == pytest.approx(by_hand.item() + network.bias.weight[4].item(), abs=1e-6)
        assert network.contexts(torch.tensor([3]), torch.tensor([12]))[0, 2:].tolist() == [0, 0]  # no last item


def test_users_with_one_row_each_have_no_step_but_scores():
    one_each = Interactions.from_frame(pd.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "timestamp": [1, 2]}))
    model = FPMC(k=2).fit(one_each)
    assert model.history == []
    assert np.isfinite(model.score([0, 1])).all()


@pytest.mark.parametrize("make", [lambda path: FactorizationMachine(KINDS, k=4, how=Training(3, 64), checkpoint=path)])
def test_an_interrupted_fit_ends_with_the_same_scores(make, tmp_path, monkeypatch):
    whole, calls = make(None).fit(TRAIN).score([0, 1]), 0

    def interrupted(better, worse):
        nonlocal calls
        calls += 1
        if calls == 12:
            raise KeyboardInterrupt
        return bpr_loss(better, worse)

    monkeypatch.setattr("avrec_lib.recommenders.pairwise.base.bpr_loss", interrupted)
    model = make(tmp_path / "fm.safetensors")
    with pytest.raises(KeyboardInterrupt):
        model.fit(TRAIN)
    monkeypatch.undo()
    np.testing.assert_array_equal(model.fit(TRAIN).score([0, 1]), whole)


def test_settings_out_of_range_are_errors():
    with pytest.raises(ValueError, match="k must be at least 1"):
        FPMC(k=0)
    with pytest.raises(ValueError, match="item_vectors has 2 rows for 30 items"):
        FactorizationMachine(np.eye(2)).fit(TRAIN)
