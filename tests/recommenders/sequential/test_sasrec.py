"""Self-attention over items, against torch's own encoder."""

import math

import pytest
import torch
from torch import nn

from avrec_lib.nn.training import seeded
from avrec_lib.recommenders.sequential.sasrec import SASRec, SASRecNetwork


def test_the_network_is_torchs_encoder_with_a_causal_mask():
    d, T = 4, 5
    with seeded(0):
        net = SASRecNetwork(6, d, T, n_blocks=1, n_heads=2).eval()
    layer = nn.TransformerEncoderLayer(d, 2, d, dropout=0.0, norm_first=True, batch_first=True).eval()
    block = net.blocks[0]
    parts = [block.attention.Q, block.attention.K, block.attention.V]
    with torch.no_grad():
        layer.self_attn.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        layer.self_attn.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        layer.self_attn.out_proj.load_state_dict(block.attention.O.state_dict())
        for theirs, mine in {"linear1": "wide", "linear2": "back", "norm1": "norm_1", "norm2": "norm_2"}.items():
            getattr(layer, theirs).load_state_dict(getattr(block, mine).state_dict())
        windows = torch.tensor([[0, 5, 3, 3, 1], [2, 4, 6, 6, 6]])
        x = math.sqrt(d) * net.items.weight[windows] + net.positions
        wanted = net.norm(layer(x, nn.Transformer.generate_square_subsequent_mask(T)))
        torch.testing.assert_close(net(windows, torch.zeros(2).long()), wanted)


def test_a_shorter_window_is_the_beginning_of_a_longer_one():
    with seeded(0):
        net = SASRecNetwork(6, 4, 5, n_blocks=2).eval()
    with torch.no_grad():
        long = net(torch.tensor([[0, 5, 3, 6, 6]]), torch.zeros(1).long())
        torch.testing.assert_close(net(torch.tensor([[0, 5, 3]]), torch.zeros(1).long()), long[:, :3])


@pytest.mark.parametrize("settings", [{"n_blocks": 0}, {"n_heads": 0}, {"n_heads": 3, "d": 8}])
def test_blocks_and_heads_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="n_blocks must be at least 1, and n_heads a divisor of d"):
        SASRec(**settings)
