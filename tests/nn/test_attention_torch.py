import numpy as np
import pytest
import torch
from torch import nn

from avrec_lib.nn import attention
from avrec_lib.nn.attention_torch import (
    MultiHeadAttention,
    TransformerBlock,
    causal_mask,
    fused_attention,
    masked_softmax,
    padding_mask,
    readable_attention,
    sinusoidal_positions,
    torch_nn_mask,
)

D, HEADS, FF = 8, 2, 20


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def shaken(module, seed=1):
    """Replace all weights by random ones, so that no bias is 0 and no gain 1, in float64 and eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.5)
    return module.double().eval()


def copy_attention(mine, theirs):
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([mine.Q.weight, mine.K.weight, mine.V.weight]))
        theirs.in_proj_bias.copy_(torch.cat([mine.Q.bias, mine.K.bias, mine.V.bias]))
        theirs.out_proj.load_state_dict(mine.O.state_dict())


def as_torch_nn(mine, *, norm_first, activation="relu"):
    """Make a torch.nn.TransformerEncoderLayer with the weights of our block."""
    theirs = nn.TransformerEncoderLayer(
        D, HEADS, FF, dropout=0.0, activation=activation, batch_first=True, norm_first=norm_first, dtype=torch.float64
    ).eval()
    copy_attention(mine.attention, theirs.self_attn)
    pairs = {"wide": "linear1", "back": "linear2", "norm_1": "norm1", "norm_2": "norm2"}
    for here, there in pairs.items():
        getattr(theirs, there).load_state_dict(getattr(mine, here).state_dict())
    return theirs


def gradients(output, inputs):
    weight = random(*output.shape, seed=9)
    return torch.autograd.grad((output * weight).sum(), inputs)


MASKS = {
    "none": None,
    "causal": causal_mask(4),
    "padding": padding_mask([4, 2, 1], 4),
    "both": causal_mask(4) & padding_mask([4, 2, 1], 4),
    "an empty sequence": padding_mask([4, 0, 1], 4),
    "both, an empty sequence": causal_mask(4) & padding_mask([4, 0, 1], 4),
    "nothing at all": torch.zeros(4, 4, dtype=torch.bool),
}
any_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())


def test_masks_equal_the_numpy_ones():
    np.testing.assert_array_equal(causal_mask(3), attention.causal_mask(3))
    np.testing.assert_array_equal(padding_mask(torch.tensor([3, 1]), 3), attention.padding_mask([3, 1], 3))
    assert padding_mask(torch.tensor([1]), 2, device="cpu").device.type == "cpu"


def test_a_row_without_any_key_gets_zeros_and_finite_gradients():
    """A1."""
    scores = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    weights = masked_softmax(scores, torch.tensor([[True, True], [False, False]]))
    np.testing.assert_allclose(weights.detach(), [[0.268941, 0.731059], [0, 0]], atol=1e-6)
    (gradient,) = torch.autograd.grad((weights * torch.tensor([[1.0, 0.0], [1.0, 0.0]])).sum(), scores)
    np.testing.assert_allclose(gradient, [[0.196612, -0.196612], [0, 0]], atol=1e-6)  # p(1 − p), by hand


def test_scores_are_divided_by_the_root_of_the_head_s_width():
    """A3."""
    layer = MultiHeadAttention(4, 2, bias=False)
    for part in (layer.Q, layer.K, layer.V, layer.O):
        nn.init.eye_(part.weight)
    X = torch.tensor([[[1.0, 1, 1, 1], [0, 0, 0, 0]]])
    _, weights = layer(X, return_weights=True)
    fused, _ = layer(X)
    for head in range(2):
        np.testing.assert_allclose(weights[0, head, 0].detach(), [0.804430, 0.195570], atol=1e-6)
    np.testing.assert_allclose(fused[0, 0].detach(), [0.804430] * 4, atol=1e-6)


@any_mask
def test_the_fused_path_equals_the_readable_one_forward_and_backward(mask):
    """A1, A5: with every kind of mask, rows without any key included."""
    inputs = [random(3, 2, 4, 5, seed=s).requires_grad_() for s in (1, 2, 3)]
    heads_mask = None if mask is None else mask.unsqueeze(-3)
    readable, weights = readable_attention(*inputs, heads_mask)
    fused = fused_attention(*inputs, heads_mask)
    torch.testing.assert_close(fused, readable, atol=1e-12, rtol=0)
    for mine, theirs in zip(gradients(fused, inputs), gradients(readable, inputs), strict=True):
        assert torch.isfinite(mine).all()
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=0)
    expected = attention.scaled_dot_product_attention(
        *(x.detach().numpy() for x in inputs), None if mask is None else heads_mask.numpy()
    )
    np.testing.assert_allclose(readable.detach(), expected[0], atol=1e-12)
    np.testing.assert_allclose(weights.detach(), expected[1], atol=1e-12)


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize("attend", [lambda *x: readable_attention(*x)[0], fused_attention])
def test_no_nan_arises_on_the_way_even_if_it_would_be_replaced(attend):
    """A1: anomaly detection, which people train with to find real NaN, stays silent."""
    inputs = [random(1, 3, 2, seed=s).requires_grad_() for s in (1, 2, 3)]
    with torch.autograd.detect_anomaly(check_nan=True):
        attend(*inputs, padding_mask([0], 3)).sum().backward()
    assert all((x.grad == 0).all() for x in inputs)


def test_the_fused_path_does_not_rely_on_what_a_kernel_does_with_a_row_without_any_key(monkeypatch):
    """A1: kernels differ; this one gives NaN, as plain softmax over −∞ does."""

    def kernel(Q, K, V, attn_mask=None, dropout_p=0.0):
        scores = Q @ K.transpose(-1, -2) / Q.shape[-1] ** 0.5
        return scores.masked_fill(~attn_mask, -torch.inf).softmax(-1) @ V

    inputs = [random(2, 3, 2, seed=s).requires_grad_() for s in (1, 2, 3)]
    mask = padding_mask([2, 0], 3)
    expected, _ = readable_attention(*inputs, mask)
    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", kernel)
    output = fused_attention(*inputs, mask)
    torch.testing.assert_close(output, expected, atol=1e-12, rtol=0)
    assert all(torch.isfinite(gradient).all() for gradient in gradients(output, inputs))


def test_gradients_equal_finite_differences():
    """A1: one query has no key."""
    inputs = [random(1, 3, 2, seed=s).requires_grad_() for s in (1, 2, 3)]
    mask = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    assert torch.autograd.gradcheck(lambda *x: readable_attention(*x, mask)[0], inputs)
    assert torch.autograd.gradcheck(lambda *x: fused_attention(*x, mask), inputs)


@any_mask
@pytest.mark.parametrize("norm_first", [True, False])
def test_the_block_equals_its_numpy_twin(mask, norm_first):
    block = shaken(TransformerBlock(D, HEADS, FF, norm_first=norm_first))
    X = random(3, 4, D)
    expected = attention.transformer_block(
        X.numpy(), block.numpy_parameters(), HEADS, None if mask is None else mask.numpy(), norm_first=norm_first
    )
    for fused in (True, False):
        block.attention.fused = fused
        np.testing.assert_allclose(block(X, mask).detach(), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["none", "causal", "padding", "both"])
def test_attention_equals_torch_nn(name):
    """A5: the flattened mask is batch-major, and its polarity is turned round."""
    mine, theirs = (
        shaken(MultiHeadAttention(D, HEADS)),
        nn.MultiheadAttention(D, HEADS, batch_first=True).double().eval(),
    )
    copy_attention(mine, theirs)
    X, mask = random(3, 4, D), MASKS[name]
    attn_mask = None if mask is None else torch_nn_mask(mask.expand(3, 4, 4), HEADS)
    expected, expected_weights = theirs(X, X, X, attn_mask=attn_mask, average_attn_weights=False)
    output, weights = mine(X, mask, return_weights=True)
    torch.testing.assert_close(output, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(weights, expected_weights, atol=1e-12, rtol=0)
    torch.testing.assert_close(mine(X, mask)[0], expected, atol=1e-12, rtol=0)


def test_cross_attention_equals_torch_nn():
    mine, theirs = (
        shaken(MultiHeadAttention(D, HEADS)),
        nn.MultiheadAttention(D, HEADS, batch_first=True).double().eval(),
    )
    copy_attention(mine, theirs)
    X, C, mask = random(2, 3, D), random(2, 5, D, seed=4), padding_mask([5, 2], 5)
    expected, _ = theirs(X, C, C, key_padding_mask=~mask[:, 0])
    torch.testing.assert_close(mine(X, mask, C)[0], expected, atol=1e-12, rtol=0)
    output, weights = attention.multi_head_attention(
        X.numpy(), mine.numpy_parameters(), HEADS, mask.numpy(), context=C.numpy()
    )
    np.testing.assert_allclose(output, expected.detach(), atol=1e-12)
    assert weights.shape == (2, HEADS, 3, 5)


@pytest.mark.parametrize("name", ["none", "causal", "padding", "both"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_the_block_equals_torch_nn_forward_and_backward(name, norm_first):
    mine = shaken(TransformerBlock(D, HEADS, FF, norm_first=norm_first))
    theirs = as_torch_nn(mine, norm_first=norm_first)
    X, mask = random(3, 4, D).requires_grad_(), MASKS[name]
    src_mask = None if mask is None else torch_nn_mask(mask.expand(3, 4, 4), HEADS)
    output, expected = mine(X, mask), theirs(X, src_mask=src_mask)
    torch.testing.assert_close(output, expected, atol=1e-12, rtol=0)
    (mine_gradient,), (their_gradient,) = gradients(output, [X]), gradients(expected, [X])
    torch.testing.assert_close(mine_gradient, their_gradient, atol=1e-11, rtol=0)


def test_the_block_takes_another_activation():
    mine = shaken(TransformerBlock(D, HEADS, FF, activation=nn.functional.gelu))
    theirs = as_torch_nn(mine, norm_first=True, activation="gelu")
    X = random(3, 4, D)
    torch.testing.assert_close(mine(X), theirs(X), atol=1e-12, rtol=0)


def test_the_flattened_mask_goes_sequence_by_sequence():
    """A5: m0, m0, m1, m1."""
    m = torch.stack([causal_mask(2), torch.ones(2, 2, dtype=torch.bool)])
    flat = torch_nn_mask(m, 2)
    assert flat.shape == (4, 2, 2)
    for position, b in enumerate([0, 0, 1, 1]):
        torch.testing.assert_close(flat[position], ~m[b])


@pytest.mark.parametrize("fused", [True, False])
def test_changing_token_3_does_not_change_outputs_1_and_2(fused):
    """A5."""
    block = shaken(TransformerBlock(D, HEADS, FF, fused=fused))
    X = random(2, 3, D)
    changed = X.clone()
    changed[:, 2] += 5
    before, after = block(X, causal_mask(3)), block(changed, causal_mask(3))
    torch.testing.assert_close(before[:, :2], after[:, :2], atol=1e-14, rtol=0)
    assert (before[:, 2] - after[:, 2]).abs().max() > 0.1


@pytest.mark.parametrize("fused", [True, False])
def test_an_empty_sequence_outputs_the_bias_and_leaves_all_gradients_finite(fused):
    """A1, in a layer."""
    layer = shaken(MultiHeadAttention(D, HEADS, fused=fused))
    X = random(2, 3, D).requires_grad_()
    output, _ = layer(X, padding_mask([3, 0], 3))
    torch.testing.assert_close(output[1], layer.O.bias.expand(3, D), atol=1e-14, rtol=0)
    for gradient in gradients(output, [X, *layer.parameters()]):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("fused", [True, False])
def test_floats_keep_their_type(dtype, fused):
    block = TransformerBlock(D, HEADS, fused=fused).to(dtype)
    X = random(2, 3, D, dtype=dtype)
    output = block(X, padding_mask([3, 1], 3))
    assert output.dtype == dtype
    output.sum().backward()
    assert all(weight.grad.dtype == dtype and torch.isfinite(weight.grad).all() for weight in block.parameters())
    assert sinusoidal_positions(3, D, dtype=dtype).dtype == dtype


def test_positions_equal_the_numpy_ones():
    np.testing.assert_allclose(
        sinusoidal_positions(7, 6, dtype=torch.float64), attention.sinusoidal_positions(7, 6), atol=0
    )


def test_dropout_acts_in_training_only_and_keeps_the_mean():
    Q, K, V = random(1, 4000, 4, seed=1), random(1, 6, 4, seed=2), torch.ones(1, 6, 1, dtype=torch.float64)
    torch.manual_seed(0)
    _, weights = readable_attention(Q, K, V, dropout=0.5)
    assert (weights == 0).double().mean().item() == pytest.approx(0.5, abs=0.02)
    assert weights.sum(-1).mean().item() == pytest.approx(1, abs=0.03)
    layer = MultiHeadAttention(D, HEADS, dropout=0.5).double()
    X = random(2, 4, D)
    assert not torch.equal(layer(X)[0], layer(X)[0])
    layer.eval()
    torch.testing.assert_close(layer(X)[0], layer(X, return_weights=True)[0], atol=1e-14, rtol=0)


def test_weights_come_only_when_asked_for_and_biases_only_when_wanted():
    X = random(1, 3, D, dtype=torch.float32)
    assert MultiHeadAttention(D, HEADS, fused=False)(X)[1] is None
    layer = MultiHeadAttention(D, HEADS, bias=False)
    assert sorted(layer.numpy_parameters()) == ["W_K", "W_O", "W_Q", "W_V"]
    _, weights = layer(X, return_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, HEADS, 3))


def test_numpy_parameters_are_copies():
    block = TransformerBlock(D, HEADS)
    block.numpy_parameters()["W_Q"][:] = 7
    assert not (block.attention.Q.weight == 7).any()
    assert block.wide.out_features == 4 * D


def test_a_block_learns_to_copy_the_first_token():
    torch.manual_seed(0)
    block, read = TransformerBlock(16, 2, 32), nn.Linear(16, 4)
    optimiser = torch.optim.Adam([*block.parameters(), *read.parameters()], lr=3e-3)
    embedding, positions = torch.randn(4, 16), sinusoidal_positions(5, 16)
    losses = []
    for _ in range(120):
        tokens = torch.randint(4, (32, 5))
        loss = nn.functional.cross_entropy(
            read(block(embedding[tokens] + positions, causal_mask(5)))[:, -1], tokens[:, 0]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[:5]) > 1.2  # ln 4 = 1.386 knows nothing
    assert np.mean(losses[-5:]) < 0.2


@pytest.mark.parametrize(("d_model", "n_heads"), [(6, 4), (8, 0), (0, 1), (4, 8)])
def test_a_width_that_heads_do_not_divide_is_named(d_model, n_heads):
    with pytest.raises(ValueError, match=f"d_model = {d_model} cannot be cut into {n_heads} equal heads"):
        MultiHeadAttention(d_model, n_heads)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, 2.0])
def test_a_dropout_that_is_no_probability_is_refused(dropout):
    with pytest.raises(ValueError, match="dropout must be in"):
        MultiHeadAttention(D, HEADS, dropout=dropout)


def test_a_block_needs_a_feed_forward_width():
    with pytest.raises(ValueError, match="d_ff must be at least 1, not 0"):
        TransformerBlock(D, HEADS, 0)


@pytest.mark.parametrize("shape", [(2, 3, 7), (8,), (2, 0, 8)])
def test_an_input_of_the_wrong_shape_is_named(shape):
    with pytest.raises(ValueError, match=r"X must have shape \(B, T, 8\)") as caught:
        MultiHeadAttention(D, HEADS)(torch.zeros(shape))
    assert str(shape) in str(caught.value)


def test_a_context_for_another_batch_is_named():
    layer = MultiHeadAttention(D, HEADS)
    with pytest.raises(ValueError, match=r"X \(2, 3, 8\) and context \(1, 3, 8\)"):
        layer(torch.zeros(2, 3, D), context=torch.zeros(1, 3, D))
    with pytest.raises(ValueError, match="context must have shape"):
        layer(torch.zeros(2, 3, D), context=torch.zeros(2, 3, 6))


@pytest.mark.parametrize("attend", [readable_attention, fused_attention])
def test_attention_names_shapes_and_masks_that_do_not_fit(attend):
    Q, K = torch.zeros(2, 3, 4), torch.zeros(2, 5, 4)
    with pytest.raises(ValueError, match=r"mask of shape \(2, 5\) does not fit scores of shape \(2, 3, 5\)"):
        attend(Q, K, K, torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"boolean \(True = keep\), not torch.float32"):
        attend(Q, K, K, torch.zeros(3, 5))
    with pytest.raises(ValueError, match="equal widths"):
        attend(Q, K[..., :3], K)
    with pytest.raises(ValueError, match=r"does not fit scores of shape \(2, 3, 3\)"):
        MultiHeadAttention(4, 2)(Q, padding_mask([3, 3, 3], 3))
