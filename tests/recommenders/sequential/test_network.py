"""One table of item vectors for the way in and the way out."""

import pytest
import torch

from avrec_lib.nn.training import seeded
from avrec_lib.recommenders.sequential.network import SequenceNetwork


class Last(SequenceNetwork):
    """The vector of a position is the vector of its item."""

    def forward(self, windows, users):
        return self.items(windows)


def network() -> Last:
    with seeded(0):
        return Last(6, 3)


def test_the_vectors_of_the_scores_are_those_of_the_windows():
    net = network()
    assert torch.equal(net.outputs(), net(torch.arange(6)[None], torch.zeros(1).long())[0])
    assert net.outputs().untyped_storage().data_ptr() == net.items.weight.untyped_storage().data_ptr()


def test_the_padding_is_a_vector_of_zeros_and_stays_one():
    net = network()
    assert (net.items.weight[-1] == 0).all()
    assert (net.items.weight[:-1] != 0).all()
    net(torch.tensor([[0, 6, 6]]), torch.zeros(1).long()).sum().backward()
    assert (net.items.weight.grad[-1] == 0).all()
    assert (net.items.weight.grad[0] == 1).all()


def test_vectors_begin_with_length_1_about_and_biases_with_0():
    with seeded(0):
        net = Last(2000, 64)
    assert net.outputs().norm(dim=1).mean().item() == pytest.approx(1, abs=0.02)
    assert (net.bias == 0).all()


def test_a_network_needs_a_forward():
    with pytest.raises(TypeError, match="abstract"):
        SequenceNetwork(6, 3)
