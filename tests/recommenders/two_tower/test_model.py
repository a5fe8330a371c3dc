"""The in-batch softmax by hand and as an estimate of the full one; what the towers learn; resuming."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from avrec_lib.data import Interactions
from avrec_lib.nn.training import Training
from avrec_lib.recommenders import Popularity, top_k
from avrec_lib.recommenders.two_tower.model import TwoTower, in_batch_softmax
from avrec_lib.recommenders.two_tower.retrieval import ItemIndex

SHORT = Training(epochs=12, batch=64, lr=0.02, weight_decay=1e-2)


def test_two_rows_by_hand():
    """Scores 1 and 0 at temperature 1: −log(e / (e + 1)) for each row."""
    eye = torch.eye(2)
    loss = in_batch_softmax(eye, eye, torch.tensor([4, 7]), torch.zeros(2), 1.0)
    assert loss.item() == pytest.approx(-np.log(np.e / (np.e + 1)))
    sharper = in_batch_softmax(eye, eye, torch.tensor([4, 7]), torch.zeros(2), 0.5)
    assert sharper.item() == pytest.approx(-np.log(np.e**2 / (np.e**2 + 1)))


def test_a_popular_item_is_lowered_by_its_log_q():
    eye, log_q = torch.eye(2), torch.log(torch.tensor([0.8, 0.2]))
    loss = in_batch_softmax(eye, eye, torch.tensor([0, 1]), log_q, 1.0)
    a, b = np.exp([1 - np.log(0.8), -np.log(0.8)]), np.exp([-np.log(0.2), 1 - np.log(0.2)])
    assert loss.item() == pytest.approx(-(np.log(a[0] / (a[0] + b[0])) + np.log(b[1] / (a[1] + b[1]))) / 2, rel=1e-5)


def test_the_rows_own_item_is_no_wrong_answer():
    users, items = torch.randn(3, 4), torch.randn(2, 4)[[0, 1, 0]]
    loss = in_batch_softmax(users, items, torch.tensor([5, 6, 5]), torch.zeros(3), 1.0)
    s = users @ items.T
    by_hand = -torch.stack([s[0, :2].log_softmax(0)[0], s[1].log_softmax(0)[1], s[2, 1:].log_softmax(0)[1]]).mean()
    torch.testing.assert_close(loss, by_hand)


def test_with_the_correction_the_loss_estimates_the_full_softmax():
    """A batch of 6,000 draws from a skewed catalogue of 40: right within 2 %; without the correction it is not."""
    generator = torch.Generator().manual_seed(0)
    catalogue, users = torch.randn(40, 6, generator=generator), torch.randn(6000, 6, generator=generator)
    q = torch.linspace(1, 20, 40) ** 2
    q /= q.sum()
    ids = torch.multinomial(q, 6000, replacement=True, generator=generator)
    full = functional.cross_entropy(users @ catalogue.T, ids).item()
    found = {}
    for name, log_q in (("corrected", q.log()), ("plain", torch.zeros(40))):
        s = users @ catalogue[ids].T - log_q[ids]
        log_sum = s.logsumexp(1) - np.log(6000)
        found[name] = (log_sum - (users * catalogue[ids]).sum(1)).mean().item()
    assert found["corrected"] == pytest.approx(full, rel=0.02)
    assert found["plain"] + np.log(40) != pytest.approx(full, rel=0.05)


def taste_table(seed=0, n_users=80, n_items=30):
    rng = np.random.default_rng(seed)
    kind = np.arange(n_items) % 3
    chance = np.where(rng.integers(0, 3, n_users)[:, None] == kind, 0.5, 0.05)
    u, i = np.nonzero(rng.random((n_users, n_items)) < chance)
    return Interactions.from_frame(pd.DataFrame({"user_id": u, "item_id": i})), np.eye(3)[kind]


TRAIN, KINDS = taste_table()


def found_again(model):
    """Return the share of users whose hidden item of their kind is among their best five."""
    hidden = np.random.default_rng(2).random(len(TRAIN)) < 0.15
    seen, held = TRAIN.select(~hidden), TRAIN.select(hidden)
    lists = top_k(model.fit(seen).score(held.users), 5, seen.matrix()[held.users])
    return np.mean([item in best for item, best in zip(held.items, lists, strict=True)])


def test_the_towers_find_what_users_like():
    assert found_again(TwoTower(d=16, how=SHORT)) > found_again(Popularity()) + 0.15


def test_an_item_that_nobody_met_is_found_by_its_content():
    seen = TRAIN.select(~np.isin(TRAIN.items, [0, 1, 2]))
    model = TwoTower(KINDS, d=16, how=SHORT).fit(seen)
    kinds = np.array(
        [np.bincount(TRAIN.items[TRAIN.users == u] % 3, minlength=3).argmax() for u in range(TRAIN.n_users)]
    )
    of_cold = model.score(np.arange(TRAIN.n_users))[:, :3]
    assert (of_cold.argmax(axis=1) == kinds).mean() > 0.8


def test_scores_are_the_inner_products_of_unit_vectors():
    model = TwoTower(KINDS, d=8, how=Training(2, 64)).fit(TRAIN)
    np.testing.assert_allclose(np.linalg.norm(model.user_vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(model.score([3, 1]), model.user_vectors[[3, 1]] @ model.item_vectors_.T, atol=1e-5)
    items, _ = ItemIndex(model.item_vectors_).search(model.user_vectors[[3]], 4)
    assert items[0].tolist() == top_k(model.score([3]), 4)[0].tolist()


def test_the_item_to_be_found_is_not_in_the_sum():
    """One row a user: without it nothing is left, and the user is its own vector alone."""
    train = Interactions.from_frame(pd.DataFrame({"user_id": [0, 1, 2], "item_id": [0, 1, 2]}))
    model = TwoTower(d=4, how=Training(1, 3)).fit(train)
    assert np.isfinite(model.history[0].loss)
    assert np.isfinite(model.score([0, 1, 2])).all()


def test_a_user_without_rows_gets_popularity():
    cold = TRAIN.select(TRAIN.users != 5)
    model = TwoTower(d=4, how=Training(1, 64)).fit(cold)
    np.testing.assert_array_equal(model.score([5])[0], np.bincount(cold.items, minlength=30))


def test_an_interrupted_fit_ends_with_the_same_scores(tmp_path, monkeypatch):
    whole = TwoTower(KINDS, d=8, how=Training(4, 64)).fit(TRAIN).score([0, 1])
    path, calls = tmp_path / "towers.safetensors", 0
    plain = in_batch_softmax

    def interrupted(*parts):
        nonlocal calls
        calls += 1
        if calls == 20:
            raise KeyboardInterrupt
        return plain(*parts)

    monkeypatch.setattr("avrec_lib.recommenders.two_tower.model.in_batch_softmax", interrupted)
    model = TwoTower(KINDS, d=8, how=Training(4, 64), checkpoint=path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(TRAIN)
    monkeypatch.undo()
    np.testing.assert_array_equal(model.fit(TRAIN).score([0, 1]), whole)
    with pytest.raises(ValueError, match="of a run with other settings or data"):
        TwoTower(KINDS, d=8, how=Training(4, 64), checkpoint=path).fit(TRAIN.select(TRAIN.users != 0))


@pytest.mark.parametrize("bad", [{"d": 0}, {"temperature": 0.0}])
def test_settings_out_of_range_are_errors(bad):
    with pytest.raises(ValueError, match="d must be at least 1 and temperature above 0"):
        TwoTower(**bad)


def test_as_many_vectors_as_items_are_needed():
    with pytest.raises(ValueError, match="item_vectors has 3 rows for 30 items"):
        TwoTower(np.eye(3)).fit(TRAIN)
