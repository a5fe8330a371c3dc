"""The convolutions, against a loop over pictures."""

import numpy as np
import pytest
import torch

from avrec_lib.nn.training import seeded
from avrec_lib.recommenders.sequential import Caser
from avrec_lib.recommenders.sequential.caser import CaserNetwork

from .tables import SMALL, random_table


@pytest.mark.parametrize("L", [1, 2, 4, 7])
def test_every_position_is_the_network_of_its_last_items(L):
    """Picture by picture, filter by filter, as the paper says it; before the first item are zeros."""
    with seeded(0):
        net = CaserNetwork(3, 9, d=4, L=L, n_horizontal=2, n_vertical=3).eval()
        torch.nn.init.normal_(net.users.weight)
    items, user = [3, 0, 8, 8, 1], 2
    with torch.no_grad():
        got = net(torch.tensor([items]), torch.tensor([user]))[0].double().numpy()
        W, b = net.full.weight.double().numpy(), net.full.bias.double().numpy()
    vectors = net.items.weight.detach().double().numpy()[items]
    for t in range(len(items)):
        E = np.vstack([np.zeros((L, 4)), vectors[: t + 1]])[-L:]  # (L, d)
        o = []
        for h in range(1, L + 1):
            F = net.horizontal[h - 1].weight.detach().double().numpy()  # (2, d, h)
            bias = net.horizontal[h - 1].bias.detach().double().numpy()
            for f in range(2):
                runs = [(F[f].T * E[r : r + h]).sum() + bias[f] for r in range(L - h + 1)]
                o.append(max(0, *runs) if len(runs) > 1 else max(0, runs[0]))
        G = net.vertical.detach().double().numpy()  # (3, L)
        o += (G @ E).ravel().tolist()
        z = np.maximum(W @ np.array(o) + b, 0)
        np.testing.assert_allclose(got[t], [*z, *net.users.weight[user].tolist()], atol=1e-5)


def test_half_of_an_output_vector_is_the_items_own():
    net = CaserNetwork(3, 9, 4, 2, 2, 2)
    assert net.outputs().shape == (9, 8)
    assert torch.equal(net.outputs()[:, :4], net.items.weight[:9])


def test_two_users_with_one_history_differ_and_a_stranger_has_no_vector():
    model = Caser(**SMALL).fit(random_table())
    a, b = model.score_after([[1, 2], [1, 2]], [0, 3])
    assert not np.allclose(a, b)
    assert (model.network.users.weight[-1] == 0).all()
    assert np.isfinite(model.score_after([[1, 2]])).all()


def test_no_filters_are_refused():
    for name in ("L", "n_horizontal", "n_vertical"):
        with pytest.raises(ValueError, match="L, n_horizontal and n_vertical must be at least 1"):
            Caser(**{name: 0})
