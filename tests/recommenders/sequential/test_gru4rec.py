"""The GRU by its equations, and the network by torch's GRU."""

import numpy as np
import pytest
import torch
from torch import nn

from avrec_lib.nn.training import seeded
from avrec_lib.recommenders.sequential.gru4rec import GRU4Rec, GRUNetwork


def network(**settings):
    with seeded(0):
        return GRUNetwork(6, 4, **settings).eval()


def test_the_states_are_those_of_torchs_gru():
    net = network(n_layers=2, dropout=0.5)
    gru = nn.GRU(4, 4, 2, batch_first=True)
    gru.load_state_dict(net.gru.state_dict())
    windows = torch.tensor([[0, 5, 3], [2, 2, 6]])
    with torch.no_grad():
        torch.testing.assert_close(net(windows, torch.zeros(2).long()), gru(net.items.weight[windows])[0])


def test_the_states_are_those_of_the_equations_of_the_docstring():
    net = network()
    with torch.no_grad():
        got = net(torch.tensor([[0, 5, 3]]), torch.zeros(1).long())[0].numpy()
    weights = {name: p.detach().double().numpy() for name, p in net.gru.named_parameters()}
    W_r, W_z, W_c = np.split(weights["weight_ih_l0"], 3)
    U_r, U_z, U_c = np.split(weights["weight_hh_l0"], 3)
    a_r, a_z, a_c = np.split(weights["bias_ih_l0"], 3)
    b_r, b_z, b_c = np.split(weights["bias_hh_l0"], 3)

    def sigma(x):
        return 1 / (1 + np.exp(-x))

    h = np.zeros(4)
    for t, item in enumerate([0, 5, 3]):
        e = net.items.weight[item].detach().double().numpy()
        z, r = sigma(W_z @ e + a_z + U_z @ h + b_z), sigma(W_r @ e + a_r + U_r @ h + b_r)
        c = np.tanh(W_c @ e + a_c + r * (U_c @ h + b_c))
        h = (1 - z) * c + z * h
        np.testing.assert_allclose(got[t], h, atol=1e-6)


def test_no_layers_are_refused():
    with pytest.raises(ValueError, match="n_layers must be at least 1, not 0"):
        GRU4Rec(n_layers=0)
