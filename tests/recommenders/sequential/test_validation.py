"""The rank of a held-out item, against a loop over the contract's own ranking."""

import numpy as np
import pytest
import torch

from avrec_lib.recommenders.base import top_k
from avrec_lib.recommenders.sequential.network import SequenceNetwork
from avrec_lib.recommenders.sequential.sequences import Histories
from avrec_lib.recommenders.sequential.validation import last_states, ndcg_of_last


class Last(SequenceNetwork):
    """The vector of a position is the vector of its item."""

    def forward(self, windows, users):
        return self.items(windows)


def network(n_items=6, d=3):
    torch.manual_seed(0)
    return Last(n_items, d)


PAST = Histories(np.array([0, 1, 2, 3, 3, 5]), np.array([0, 3, 3, 4, 6]), 6)  # 0 1 2 | – | 3 | 3 5


def test_the_state_is_that_of_the_last_item_and_of_no_item_zero():
    net = network()
    windows = np.array([[0, 1, 2], [6, 6, 6], [3, 6, 6]])
    with torch.no_grad():
        states = last_states(net, windows, np.arange(3))
    assert torch.equal(states[0], net.items.weight[2])
    assert (states[1] == 0).all()
    assert torch.equal(states[2], net.items.weight[3])
    assert last_states(net, windows[:0], np.arange(0)).shape == (0, 3)


@pytest.mark.parametrize("k", [1, 2, 10])
def test_ndcg_equals_that_of_the_lists_of_the_contract(k):
    net = network()
    users, targets = np.array([0, 2, 3]), np.array([4, 1, 0])
    wanted = 0.0
    with torch.no_grad():
        for user, target in zip(users, targets, strict=True):
            scores = (net.items.weight[PAST.of(user)[-1]] @ net.outputs().T + net.bias).numpy().copy()
            scores[PAST.of(user)] = -np.inf
            best = top_k(scores, k)[0].tolist()
            wanted += 1 / np.log2(2 + best.index(target)) if target in best else 0.0
        assert ndcg_of_last(net, PAST, users, targets, 5, k)() == pytest.approx(wanted / 3)


def test_a_target_met_before_can_still_be_found():
    net = network()
    with torch.no_grad():
        net.bias[3] = 100.0
        assert ndcg_of_last(net, PAST, np.array([3]), np.array([3]), 5, 10)() == 1


def test_a_network_that_says_nothing_earns_nothing():
    net = network(n_items=50)
    past = Histories(PAST.items, PAST.starts, 50)
    with torch.no_grad():
        net.items.weight.zero_()
        assert ndcg_of_last(net, past, np.array([0]), np.array([4]), 5, 10)() == 0
