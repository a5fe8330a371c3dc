"""Senses joined: by hand, beside PyTorch's own layers, and with senses missing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from avrec_lib.multimodal.joining import Join, hidden_senses

WAYS = ("sum", "concat", "gated", "attention")
SIZES = (3, 5, 2)


@pytest.fixture(params=WAYS)
def join(request):
    torch.manual_seed(0)
    layer = Join(SIZES, 8, request.param, n_heads=2)
    for gap in getattr(layer, "missing", ()):
        nn.init.normal_(gap)
    return layer


def senses(n=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(n, size, generator=generator) for size in SIZES)


def everything(n=4):
    return torch.ones(n, len(SIZES), dtype=torch.bool)


def test_a_sum_by_hand():
    layer = Join((1, 1), 1, "sum")
    with torch.no_grad():
        for read, weight in zip(layer.read, (2.0, 3.0), strict=True):
            read.weight.fill_(weight)
            read.bias.fill_(-0.5)
        layer.missing[1].fill_(5.0)
    x = (torch.tensor([[1.0], [1.0]]), torch.tensor([[-10.0], [-10.0]]))
    there = torch.tensor([[True, True], [True, False]])
    assert layer(x, there)[:, 0].tolist() == [2 - 30 - 1, 2 + 15 - 1]


def test_a_sum_is_a_linear_layer_of_the_senses_laid_end_to_end():
    torch.manual_seed(0)
    layer = Join(SIZES, 8, "sum")
    W = torch.cat([read.weight for read in layer.read], dim=1)
    b = sum(read.bias for read in layer.read)
    expected = nn.functional.linear(torch.cat(senses(), dim=1), W, b)
    torch.testing.assert_close(layer(senses(), everything()), expected)


def test_concatenation_by_hand():
    layer = Join((1, 1), 1)
    with torch.no_grad():
        layer.dense.weight.copy_(torch.tensor([[2.0, 3.0]]))
        layer.dense.bias.fill_(-1.0)
        layer.missing[1].fill_(5.0)
    x = (torch.tensor([[1.0], [1.0]]), torch.tensor([[10.0], [10.0]]))
    there = torch.tensor([[True, True], [True, False]])
    assert layer(x, there)[:, 0].tolist() == [2 + 30 - 1, 2 + 15 - 1]


def test_a_gate_without_scores_is_the_mean_of_the_senses_that_are_there():
    layer = Join((1, 1), 1, "gated")
    with torch.no_grad():
        layer.gate.weight.zero_()
        layer.gate.bias.zero_()
        for read in layer.read:
            read.weight.fill_(1.0)
            read.bias.zero_()
    x = (torch.tensor([[0.5], [0.5]]), torch.tensor([[1.5], [1.5]]))
    got = layer(x, torch.tensor([[True, True], [False, True]]))[:, 0]
    a, b = torch.tanh(torch.tensor([0.5, 1.5]))
    torch.testing.assert_close(got, torch.stack([(a + b) / 2, b]))


def test_attention_is_pytorchs_own_with_the_same_weights():
    torch.manual_seed(0)
    layer = Join(SIZES, 8, "attention", n_heads=2)
    peer = nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        peer.in_proj_weight.copy_(torch.cat([layer.attend.Q.weight, layer.attend.K.weight, layer.attend.V.weight]))
        peer.in_proj_bias.copy_(torch.cat([layer.attend.Q.bias, layer.attend.K.bias, layer.attend.V.bias]))
        peer.out_proj.load_state_dict(layer.attend.O.state_dict())
    x, there = senses(), everything()
    there[1, 2] = there[2, 0] = False
    y = torch.stack([read(part) for read, part in zip(layer.read, x, strict=True)], dim=1)
    heard, _ = peer(y, y, y, key_padding_mask=~there)
    z = layer.norm(y + heard)
    expected = torch.stack([z[b][there[b]].mean(dim=0) for b in range(4)])
    torch.testing.assert_close(layer(x, there), expected)


def test_what_lies_in_a_missing_sense_does_not_matter(join):
    x, there = senses(), everything()
    there[1, 1] = False
    spoilt = tuple(part.clone() for part in x)
    spoilt[1][1] = float("nan")
    torch.testing.assert_close(join(spoilt, there), join(x, there), rtol=0, atol=0)


def test_gradients_stay_finite_where_a_missing_sense_holds_nan(join):
    x, there = senses(), everything()
    there[:, 1] = False
    x[1].fill_(float("nan"))
    join(x, there).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in join.parameters() if p.grad is not None)


def test_a_missing_sense_changes_the_answer(join):
    x, there = senses(), everything()
    without = there.clone()
    without[:, 0] = False
    assert ((join(x, there) - join(x, without)).abs().amax(dim=1) > 1e-3).all()


def test_a_clip_is_joined_the_same_whoever_is_beside_it(join):
    x, there = senses(), everything()
    there[0, 2] = False
    alone = join(tuple(part[:1] for part in x), there[:1])
    torch.testing.assert_close(join(x, there)[:1], alone)


def test_a_clip_without_any_sense_has_a_finite_vector(join):
    g = join(senses(), torch.zeros(4, len(SIZES), dtype=torch.bool))
    assert torch.isfinite(g).all()
    torch.testing.assert_close(g, g[:1].expand_as(g))  # whatever its rows hold


def test_hidden_senses_are_hidden_as_often_as_asked_and_never_all():
    torch.manual_seed(0)
    there = torch.ones(20_000, 3, dtype=torch.bool)
    kept = hidden_senses(there, 0.3)
    assert kept.any(dim=1).all()
    expected = 0.3 - 0.3**3  # of those that would lose all, none is hidden
    assert (~kept).float().mean().item() == pytest.approx(expected, abs=0.01)


def test_what_is_missing_stays_missing():
    there = torch.tensor([[True, False], [False, False]]).repeat(500, 1)
    kept = hidden_senses(there, 0.5)
    assert not kept[~there].any()
    assert kept[::2, 0].all()  # the only sense of these clips is never taken away


def test_no_dropout_hides_nothing():
    there = everything()
    assert hidden_senses(there, 0.0).equal(there)


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_a_probability_out_of_range_is_refused(p):
    with pytest.raises(ValueError, match="p must be"):
        hidden_senses(everything(), p)


def test_a_way_that_is_not_there_and_sizes_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="unknown way 'product'; there are sum, concat, gated"):
        Join(SIZES, 8, "product")
    with pytest.raises(ValueError, match="at least one sense"):
        Join((), 8)
    with pytest.raises(ValueError, match="at least 1"):
        Join((3, 0), 8)


def test_a_batch_of_another_shape_is_refused(join):
    with pytest.raises(ValueError, match=r"senses must have shapes \[\(4, 3\)"):
        join(senses()[:2], everything())
