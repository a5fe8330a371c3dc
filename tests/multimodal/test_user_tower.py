"""A user's vector: by hand, with padding, with nothing, and for somebody nobody knows."""

from __future__ import annotations

import pytest
import torch

from avrec_lib.multimodal.user_tower import UserTower

N, D, T = 5, 4, 3


@pytest.fixture
def tower():
    torch.manual_seed(0)
    return UserTower(N, D)


def histories(B=2):
    return torch.randn(B, T, D, generator=torch.Generator().manual_seed(1)), torch.ones(B, T, dtype=torch.bool)


def test_by_hand():
    """One number a vector: w = 1, W = 1, b = 0, U = 2, e_u = 10; the history is 0 and 1."""
    tower = UserTower(1, 1)
    with torch.no_grad():
        for weight, value in ((tower.hidden.weight, 1), (tower.question.weight, 1), (tower.turn.weight, 2)):
            weight.fill_(value)
        tower.hidden.bias.zero_()
        tower.own.weight[0] = 10
    history, real = torch.tensor([[[0.0], [1.0]]]), torch.tensor([[True, True]])
    e = torch.exp(torch.tanh(torch.tensor(1.0)))
    torch.testing.assert_close(tower.weights(history, real), torch.stack([1 / (1 + e), e / (1 + e)])[None])
    torch.testing.assert_close(tower(torch.tensor([0]), history, real), (10 + 2 * e / (1 + e)).reshape(1, 1))


def test_at_first_equal_clips_pool_to_themselves(tower):
    v = torch.randn(1, 1, D).expand(1, T, D)
    got = tower(torch.tensor([N]), v, torch.ones(1, T, dtype=torch.bool))
    torch.testing.assert_close(got, v[:, 0])


def test_padding_does_not_count(tower):
    history, real = histories()
    real[0, 2] = False
    other = history.clone()
    other[0, 2] = 99.0
    torch.testing.assert_close(tower(torch.tensor([0, 1]), other, real), tower(torch.tensor([0, 1]), history, real))
    assert tower.weights(history, real)[0, 2] == 0


def test_the_order_of_a_history_does_not_matter(tower):
    history, real = histories()
    users = torch.tensor([0, 1])
    torch.testing.assert_close(tower(users, history.flip(1), real), tower(users, history, real))


def test_an_empty_history_has_a_vector_that_can_be_learnt(tower):
    history, real = histories()
    real[0] = False
    with torch.no_grad():
        tower.empty.fill_(3.0)
    p = tower(torch.tensor([N, N]), history, real)
    torch.testing.assert_close(p[0], torch.full((D,), 3.0))
    p.sum().backward()
    assert (tower.empty.grad != 0).all()
    assert torch.isfinite(tower.hidden.weight.grad).all()


def test_a_stranger_has_no_vector_of_their_own_and_never_gets_one(tower):
    history, real = histories()
    tower(torch.tensor([N, 0]), history, real).sum().backward()
    assert (tower.own.weight[N] == 0).all()
    assert (tower.own.weight.grad[N] == 0).all()
    assert (tower.own.weight.grad[0] != 0).all()


@pytest.mark.parametrize(("knows", "absent"), [("id", "turn"), ("history", "own")])
def test_each_half_alone(knows, absent):
    history, real = histories()
    tower = UserTower(N, D, knows)
    assert not hasattr(tower, absent)
    assert tower(torch.tensor([0, 1]), history, real).shape == (2, D)


def test_what_cannot_be_is_refused(tower):
    history, real = histories()
    with pytest.raises(ValueError, match="unknown knowledge 'name' of a user; there are id, history, both"):
        UserTower(N, D, "name")
    with pytest.raises(ValueError, match="at least 1"):
        UserTower(0, D)
    with pytest.raises(ValueError, match=r"3 users need a history of shape \(3, T, 4\)"):
        tower(torch.tensor([0, 1, 2]), history, real)
    with pytest.raises(ValueError, match=r"and real of \(2, T\)"):
        tower(torch.tensor([0, 1]), history, real[:, :1])
