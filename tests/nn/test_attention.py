import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from avrec_lib.nn.arrays import glorot
from avrec_lib.nn.attention import (
    block_parameters,
    causal_mask,
    feed_forward,
    layer_norm,
    merge_heads,
    multi_head_attention,
    padding_mask,
    scaled_dot_product_attention,
    sinusoidal_positions,
    softmax,
    split_heads,
    transformer_block,
)

RNG = np.random.default_rng(7)
IDENTITY = {f"W_{name}": np.eye(4) for name in "QKVO"}


def random(*shape, dtype=np.float64):
    return RNG.normal(size=shape).astype(dtype)


# Softmax


def test_softmax_of_1_2_by_hand():
    np.testing.assert_allclose(softmax([1, 2]), [0.268941, 0.731059], atol=1e-6)


def test_softmax_equals_torch_and_does_not_overflow():
    scores = np.array([[1000.0, 1001.0, -1000.0], [-1e30, 0.0, 1e30]])
    np.testing.assert_allclose(softmax(scores), torch.from_numpy(scores).softmax(-1).numpy(), atol=1e-15)


def test_adding_a_constant_to_all_scores_changes_no_weight():
    scores = random(3, 5)
    np.testing.assert_allclose(softmax(scores + 12.0), softmax(scores), atol=1e-14)


def test_a_row_without_any_key_gets_zeros():
    """A1: not 1/2 each (the −1e6 result), not NaN (the −inf result)."""
    weights = softmax([[1, 2], [3, 4]], np.array([[True, True], [False, False]]))
    np.testing.assert_allclose(weights, [[0.268941, 0.731059], [0, 0]], atol=1e-6)
    np.testing.assert_array_equal(weights[1], [0, 0])


def test_minus_infinity_counts_as_masked():
    np.testing.assert_array_equal(softmax([[0.0, -np.inf], [-np.inf, -np.inf]]), [[1, 0], [0, 0]])


def test_a_masked_score_may_be_anything():
    np.testing.assert_array_equal(softmax([0.0, np.nan, np.inf], np.array([True, False, False])), [1, 0, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_softmax_refuses_a_score_that_is_no_number(bad):
    with pytest.raises(ValueError, match="NaN or infinity"):
        softmax([bad, 1.0])


@pytest.mark.parametrize("shape", [(0,), (2, 0), ()])
def test_softmax_needs_a_score(shape):
    with pytest.raises(ValueError, match="at least one score"):
        softmax(np.zeros(shape))


# Attention


def test_the_article_s_example_with_right_values():
    """Source check, 6.3: each row of X sums to 2, so each mix of them does; the article printed 1.4, 1.2, 1.2."""
    X = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]])
    output, weights = scaled_dot_product_attention(X, X, X)
    expected = [[0.7355, 0.5289, 0.7355], [0.7355, 0.7355, 0.5289], [0.5289, 0.7355, 0.7355]]
    np.testing.assert_allclose(output, expected, atol=5e-5)
    np.testing.assert_allclose(output.sum(axis=1), 2, atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)


def test_scores_are_divided_by_the_root_of_the_head_s_width():
    """A3: d_model = 4, 2 heads: √2, not √4 (which gives .731059, .268941)."""
    X = np.array([[1.0, 1, 1, 1], [0, 0, 0, 0]])  # each head sees q = (1, 1), keys (1, 1) and (0, 0)
    _, weights = multi_head_attention(X, IDENTITY, n_heads=2)
    for head in range(2):
        np.testing.assert_allclose(weights[head, 0], [0.804430, 0.195570], atol=1e-6)


def test_attention_gives_0_where_every_key_is_masked():
    """A1, through the whole of attention: scores [[1, 2], [3, 4]] from Q, with keys √2·I."""
    keep = np.array([[True, True], [False, False]])
    Q, K, V = np.array([[1.0, 2], [3, 4]]), np.sqrt(2) * np.eye(2), np.array([[10.0, 0], [0, 10]])
    output, weights = scaled_dot_product_attention(Q, K, V, keep)
    np.testing.assert_allclose(weights, [[0.268941, 0.731059], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(output, [[2.68941, 7.31059], [0, 0]], atol=1e-5)


def test_attention_equals_torch_with_batches_of_any_depth():
    Q, K, V = random(2, 3, 4, 6), random(2, 3, 5, 6), random(2, 3, 5, 7)
    mask = RNG.random((2, 1, 4, 5)) < 0.6
    mask[..., 0] = True
    output, weights = scaled_dot_product_attention(Q, K, V, mask)
    reference = nn.functional.scaled_dot_product_attention(
        *map(torch.from_numpy, (Q, K, V)), attn_mask=torch.from_numpy(mask)
    )
    np.testing.assert_allclose(output, reference.numpy(), atol=1e-12)
    assert (weights[np.broadcast_to(~mask, weights.shape)] == 0).all()


def test_a_shared_shift_of_all_keys_changes_nothing():
    Q, K, V = random(4, 3), random(5, 3), random(5, 2)
    shifted, _ = scaled_dot_product_attention(Q, K + random(3), V)
    np.testing.assert_allclose(shifted, scaled_dot_product_attention(Q, K, V)[0], atol=1e-12)


@pytest.mark.parametrize(
    ("q", "k", "v", "message"),
    [
        ((3, 4), (5, 6), (5, 4), "equal widths.*Q \\(3, 4\\), K \\(5, 6\\)"),
        ((3, 4), (5, 4), (6, 4), "one value for each key.*K \\(5, 4\\), V \\(6, 4\\)"),
        ((2, 3, 4), (5, 4), (5, 4), "batch axes.*Q \\(2, 3, 4\\)"),
        ((4,), (5, 4), (5, 4), "not Q \\(4,\\)"),
        ((0, 4), (5, 4), (5, 4), "at least 1, not Q \\(0, 4\\)"),
        ((3, 4), (0, 4), (0, 4), "K \\(0, 4\\)"),
        ((3, 0), (5, 0), (5, 4), "Q \\(3, 0\\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(q, k, v, message):
    with pytest.raises(ValueError, match=message):
        scaled_dot_product_attention(np.ones(q), np.ones(k), np.ones(v))


def test_nan_is_refused_even_in_a_masked_place_because_0_times_nan_is_nan():
    X = np.ones((3, 2))
    X[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"V\[2, 1\] is NaN or infinite; fill padding with zeros"):
        scaled_dot_product_attention(np.ones((3, 2)), np.ones((3, 2)), X, padding_mask([2], 3)[0])


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(TypeError, match="Q must hold real numbers, not <U1"):
        scaled_dot_product_attention([["a"]], [[1]], [[1]])


def test_an_empty_batch_passes_through():
    output, weights = scaled_dot_product_attention(np.ones((0, 3, 2)), np.ones((0, 4, 2)), np.ones((0, 4, 5)))
    assert (output.shape, weights.shape) == ((0, 3, 5), (0, 3, 4))


# Heads


def test_heads_are_consecutive_columns_and_the_batch_stays_in_front():
    X = np.arange(16.0).reshape(2, 2, 4)
    heads = split_heads(X, 2)
    assert heads.shape == (2, 2, 2, 2)
    np.testing.assert_array_equal(heads[0, 1], [[2, 3], [6, 7]])  # sequence 0, head 1: columns 2 and 3
    np.testing.assert_array_equal(merge_heads(heads), X)


@pytest.mark.parametrize("n_heads", [3, 0, -2, 5])
def test_a_width_that_heads_do_not_divide_is_named(n_heads):
    with pytest.raises(
        ValueError, match=rf"a width of 4 \(input of shape \(2, 4\)\) cannot be cut into {n_heads} equal"
    ):
        multi_head_attention(np.ones((2, 4)), IDENTITY, n_heads)


def test_each_sequence_of_a_batch_is_as_if_alone_under_its_own_mask():
    """A5: batch and heads have axes of their own, so mask b meets sequence b in every head."""
    X, params = random(2, 3, 8), block_parameters(8, 16)
    mask = causal_mask(3) & padding_mask([3, 1], 3)
    output, weights = multi_head_attention(X, params, 4, mask)
    assert weights.shape == (2, 4, 3, 3)
    for b in range(2):
        alone, alone_weights = multi_head_attention(X[b], params, 4, mask[b])
        np.testing.assert_allclose(output[b], alone, atol=1e-14)
        np.testing.assert_allclose(weights[b], alone_weights, atol=1e-14)
        assert (weights[b][:, ~mask[b]] == 0).all()


def test_changing_token_3_does_not_change_outputs_1_and_2():
    """A5: under the causal mask."""
    params, X = block_parameters(8, 16), random(2, 3, 8)
    changed = X.copy()
    changed[:, 2] += 5
    before, after = (transformer_block(x, params, 2, causal_mask(3)) for x in (X, changed))
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    assert np.abs(before[:, 2] - after[:, 2]).max() > 0.1


def test_what_stands_in_the_padding_does_not_change_the_tokens():
    params, X = block_parameters(8, 16), random(2, 4, 8)
    changed = X.copy()
    changed[1, 2:] = 100
    before, after = (transformer_block(x, params, 2, padding_mask([4, 2], 4)) for x in (X, changed))
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1, :2], after[1, :2])


def test_without_positions_attention_does_not_know_the_order():
    params, X = block_parameters(8, 16), random(5, 8)
    order = np.array([3, 0, 4, 1, 2])
    np.testing.assert_allclose(
        transformer_block(X[order], params, 2), transformer_block(X, params, 2)[order], atol=1e-12
    )


def test_cross_attention_looks_at_the_context():
    X, C, params = random(2, 3, 8), random(2, 5, 8), block_parameters(8, 16)
    output, weights = multi_head_attention(X, params, 2, padding_mask([5, 2], 5), context=C)
    assert (output.shape, weights.shape) == ((2, 3, 8), (2, 2, 3, 5))
    assert (weights[1, :, :, 2:] == 0).all()


def test_a_mask_for_another_batch_is_named():
    with pytest.raises(ValueError, match=r"mask of shape \(3, 1, 4\) does not fit scores of shape \(2, 4, 4\)"):
        multi_head_attention(np.ones((2, 4, 4)), IDENTITY, 2, padding_mask([4, 4, 4], 4))


def test_a_missing_weight_or_one_of_the_wrong_shape_is_named():
    with pytest.raises(KeyError, match="no 'W_K'; it has 'W_Q'"):
        multi_head_attention(np.ones((2, 4)), {"W_Q": np.eye(4)}, 2)
    with pytest.raises(KeyError, match="it has nothing"):
        multi_head_attention(np.ones((2, 4)), {}, 2)
    with pytest.raises(ValueError, match=r"W_Q has shape \(4, 4\); its input needs \(6, any\)"):
        multi_head_attention(np.ones((2, 6)), IDENTITY, 2)
    with pytest.raises(ValueError, match=r"b_Q has shape \(3,\); its input needs \(4,\)"):
        multi_head_attention(np.ones((2, 4)), IDENTITY | {"b_Q": np.ones(3)}, 2)


# The block and its parts


def test_position_0_is_all_sines_0_and_cosines_1_and_position_1_by_hand():
    PE = sinusoidal_positions(2, 4)
    np.testing.assert_allclose(PE, [[0, 1, 0, 1], [0.841471, 0.540302, 0.0099998, 0.99995]], atol=1e-6)


def test_a_shift_of_positions_is_a_rotation_that_does_not_depend_on_where():
    PE = sinusoidal_positions(50, 8)
    products = PE @ PE.T
    np.testing.assert_allclose(np.diag(products, 5), products[0, 5], atol=1e-12)


@pytest.mark.parametrize(("T", "d_model", "message"), [(0, 4, "at least one position"), (3, 5, "even"), (3, 0, "even")])
def test_positions_need_a_length_and_an_even_width(T, d_model, message):
    with pytest.raises(ValueError, match=message):
        sinusoidal_positions(T, d_model)


def test_layer_norm_by_hand_and_as_in_torch():
    np.testing.assert_allclose(layer_norm([1.0, 3.0], [1, 1], [0, 10], eps=0), [-1, 11], atol=1e-12)
    X, gain, bias = random(3, 4, 6), random(6), random(6)
    reference = nn.functional.layer_norm(torch.from_numpy(X), (6,), torch.from_numpy(gain), torch.from_numpy(bias))
    np.testing.assert_allclose(layer_norm(X, gain, bias), reference.numpy(), atol=1e-12)


def test_layer_norm_of_a_constant_vector_is_the_bias():
    np.testing.assert_array_equal(layer_norm([5.0, 5.0, 5.0], [1, 1, 1], [1, 2, 3]), [1, 2, 3])


def test_feed_forward_by_hand():
    params = {"W_1": np.array([[1.0, -1]]), "b_1": np.zeros(2), "W_2": np.array([[2.0], [3]]), "b_2": np.ones(1)}
    np.testing.assert_array_equal(feed_forward([[2.0], [-2]], params), [[5], [7]])
    np.testing.assert_array_equal(feed_forward([[2.0]], params, activation=lambda x: x), [[-1]])


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_block_whose_parts_add_nothing_passes_its_input_on(norm_first):
    X, params = random(3, 4), block_parameters(4, 8)
    silent = params | {"W_O": np.zeros((4, 4)), "W_2": np.zeros((8, 4))}
    once = layer_norm(X, np.ones(4), np.zeros(4))
    expected = X if norm_first else layer_norm(once, np.ones(4), np.zeros(4))
    np.testing.assert_allclose(transformer_block(X, silent, 2, norm_first=norm_first), expected, atol=1e-12)


def test_block_parameters_follow_the_seed_and_leave_global_state_alone():
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what must not move
    a, b, c = block_parameters(4, 8, seed=1), block_parameters(4, 8, seed=1), block_parameters(4, 8, seed=2)
    assert all((a[name] == b[name]).all() for name in a)
    assert (a["W_Q"] != c["W_Q"]).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_glorot_weights_stay_within_the_root_of_6_over_the_two_widths():
    W = glorot(np.random.default_rng(0), 100, 50)
    assert np.abs(W).max() <= np.sqrt(6 / 150)
    assert W.var() == pytest.approx(2 / 150, rel=0.05)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type(dtype):
    X = random(2, 3, 8, dtype=dtype)
    params = {name: W.astype(dtype) for name, W in block_parameters(8, 16).items()}
    mask = causal_mask(3)
    assert softmax(X, np.ones(X.shape, dtype=bool)).dtype == dtype
    assert all(array.dtype == dtype for array in multi_head_attention(X, params, 2, mask))
    assert transformer_block(X, params, 2, mask).dtype == dtype
    assert transformer_block(X, params, 2, mask, norm_first=False).dtype == dtype
    assert sinusoidal_positions(3, 8, dtype).dtype == dtype


def test_integers_become_float64():
    assert scaled_dot_product_attention([[1, 0]], [[1, 0]], [[1, 0]])[0].dtype == np.float64


def test_reading_attention_does_not_load_torch():
    code = "import sys; from avrec_lib.nn import attention, recurrent, convolution, cost; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
