"""The block's equations on numbers checked by hand, and against a loop over pairs."""

import math

import numpy as np
import pytest
import torch

from avrec_lib.nn.training import seeded
from avrec_lib.recommenders.sequential.hstu import HSTU, HSTUBlock, HSTUNetwork


def silu(x):
    return x / (1 + np.exp(-x))


def normal(x, layer):
    weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + layer.eps) * weight + bias


def test_the_block_equals_a_loop_over_heads_and_pairs():
    T, d, heads = 4, 6, 2
    with seeded(0):
        block = HSTUBlock(d, 5, heads).eval()
        torch.nn.init.normal_(block.distance)
        X = torch.randn(T, d)
    with torch.no_grad():
        got = block(X[None])[0].double().numpy()
    x = X.double().numpy()
    W, b = block.wide.weight.detach().double().numpy(), block.wide.bias.detach().double().numpy()
    U, V, Q, K = np.split(silu(normal(x, block.norm_in) @ W.T + b), 4, axis=1)
    heard = np.zeros((T, d))
    for a in range(heads):
        part = slice(a * d // heads, (a + 1) * d // heads)
        for t in range(T):
            for j in range(t + 1):
                weight = silu(Q[t, part] @ K[j, part] + block.distance[a, t - j].item()) / 5
                heard[t, part] += weight * V[j, part]
    W, b = block.back.weight.detach().double().numpy(), block.back.bias.detach().double().numpy()
    np.testing.assert_allclose(got, x + (normal(heard, block.norm_out) * U) @ W.T + b, atol=1e-5)


def test_one_position_by_hand():
    """d = 2, no biases, Q = K = V = U = silu(±1): the norm of (1, 3) is (−1, 1)."""
    block = HSTUBlock(2, 1).eval()
    with torch.no_grad():
        block.wide.weight.copy_(torch.eye(2).repeat(4, 1))
        block.wide.bias.zero_()
        block.back.weight.copy_(torch.eye(2))
        block.back.bias.zero_()
        got = block(torch.tensor([[[1.0, 3.0]]]))[0, 0]
    low, high = -1 / (1 + math.e), 1 / (1 + math.exp(-1))  # silu(−1), silu(1)
    # A is positive, so A V has the order of V, and its norm is (−1, 1) again; times U, plus X.
    assert got.tolist() == pytest.approx([1 - low, 3 + high], abs=1e-3)


def test_weights_do_not_sum_to_one_so_meeting_more_says_more():
    """Before the last norm, twice the same item is heard twice as loud; a softmax would hear it once."""
    with seeded(0):
        block = HSTUBlock(4, 8).eval()
        x = torch.randn(1, 1, 4)
    heard = []
    block.norm_out.register_forward_hook(lambda module, args, output: heard.append(args[0]))
    with torch.no_grad():
        block(x.expand(1, 6, 4))
    torch.testing.assert_close(heard[0][0, 5], 2 * heard[0][0, 2])


def test_a_shorter_window_is_the_beginning_of_a_longer_one():
    with seeded(0):
        net = HSTUNetwork(6, 4, 5, n_blocks=2).eval()
    with torch.no_grad():
        long = net(torch.tensor([[0, 5, 3, 6, 6]]), torch.zeros(1).long())
        torch.testing.assert_close(net(torch.tensor([[0, 5, 3]]), torch.zeros(1).long()), long[:, :3])


@pytest.mark.parametrize("settings", [{"n_blocks": 0}, {"n_heads": 0}, {"n_heads": 3, "d": 8}])
def test_blocks_and_heads_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="n_blocks must be at least 1, and n_heads a divisor of d"):
        HSTU(**settings)
