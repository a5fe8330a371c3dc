"""Draws that are never met items, follow their law, and always end."""

import numpy as np
import pytest
import torch

from avrec_lib.nn.training import seeded
from avrec_lib.recommenders.sequential.negatives import NegativeSampler
from avrec_lib.recommenders.sequential.sequences import Histories

MET = Histories(np.array([1, 3, 3, 0, 1, 2, 3, 4, 2]), np.array([0, 3, 3, 8, 9]), 5)  # {1, 3}, nobody, all, {2}
COUNTS = np.array([1, 2, 4, 2, 0])


def drawn(sampler, user, n=20000):
    with seeded(0):
        items, log_q = sampler.draw(torch.tensor([user]), n)
    return np.bincount(items[0].numpy(), minlength=5) / n, items[0], log_q[0]


@pytest.mark.parametrize("power", [0.0, 0.75, 1.0, 3.0])
@pytest.mark.parametrize("user", [0, 1, 2, 3])
def test_draws_follow_popularity_to_the_power_among_what_the_user_has_not_met(power, user):
    """A user who has met everything (2) draws like one who has met nothing (1)."""
    weights = (COUNTS + 1.0) ** power
    weights[{0: [1, 3], 3: [2]}.get(user, [])] = 0
    q = weights / weights.sum()
    shares, items, log_q = drawn(NegativeSampler(COUNTS, power, MET), user)
    assert shares == pytest.approx(q, abs=0.015)
    assert (shares[q == 0] == 0).all()
    np.testing.assert_allclose(np.exp(log_q.numpy()), q[items.numpy()], rtol=1e-4)


def test_users_of_a_batch_draw_each_from_their_own_items():
    with seeded(1):
        items, log_q = NegativeSampler(COUNTS, 0.0, MET).draw(torch.tensor([3, 0, 3, 2]), 500)
    assert items.shape == log_q.shape == (4, 500)
    assert set(items[1].tolist()) == {0, 2, 4}
    assert set(items[0].tolist()) == set(items[2].tolist()) == {0, 1, 3, 4}
    assert set(items[3].tolist()) == {0, 1, 2, 3, 4}


def test_without_met_everything_may_be_drawn_and_only_the_number_of_users_counts():
    with seeded(2):
        items, log_q = NegativeSampler([0, 0, 3]).draw(torch.tensor([7, 99]), 400)
    assert set(items.flatten().tolist()) == {0, 1, 2}
    assert log_q.numpy() == pytest.approx(-np.log(3), abs=1e-6)


def test_a_user_with_one_item_left_draws_it_at_once():
    """Drawing until an unmet item comes would take a hundred thousand tries a draw here."""
    n = 100_000
    met = Histories(np.delete(np.arange(n), 777), np.array([0, n - 1]), n)
    items, log_q = NegativeSampler(np.full(n, 3), 1.0, met).draw(torch.zeros(10, dtype=torch.long), 100)
    assert (items == 777).all()
    assert (log_q == 0).all()


def test_no_met_item_is_drawn_by_a_hundred_random_users():
    rng = np.random.default_rng(0)
    lists = [rng.choice(50, size=rng.integers(0, 50), replace=False) for _ in range(100)]
    met = Histories(np.concatenate(lists), np.cumsum([0, *map(len, lists)]), 50)
    items, _ = NegativeSampler(rng.integers(0, 1000, 50), 0.75, met).draw(torch.arange(100), 300)
    for user in range(100):
        assert not set(items[user].tolist()) & set(lists[user].tolist())


def test_a_catalogue_of_one_item_has_one_negative():
    met = Histories(np.array([0, 0]), np.array([0, 1, 2]), 1)
    items, log_q = NegativeSampler([2], 0.5, met).draw(torch.tensor([0, 1]), 3)
    assert (items == 0).all()
    assert (log_q == 0).all()


def test_the_seed_names_the_draws():
    sampler = NegativeSampler(COUNTS, 0.5, MET)
    assert torch.equal(drawn(sampler, 0)[1], drawn(sampler, 0)[1])


@pytest.mark.parametrize("power", [-0.1, np.inf, np.nan])
def test_a_bad_power_is_refused(power):
    with pytest.raises(ValueError, match="negative_power must be a number of at least 0"):
        NegativeSampler(COUNTS, power)
