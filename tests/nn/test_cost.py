import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from avrec_lib.nn.attention import block_parameters
from avrec_lib.nn.attention_torch import TransformerBlock
from avrec_lib.nn.convolution import conv1d
from avrec_lib.nn.cost import Cost, count_parameters, layer_cost
from avrec_lib.nn.recurrent import recurrent_parameters


def multiply_adds(run):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return counter.get_total_flops() // 2


def n_weights(module):
    return sum(weight.numel() for weight in module.parameters())


def test_costs_by_hand():
    assert layer_cost("convolution", T=10, d=2) == Cost(14, 120, 1, 9)
    assert layer_cost("rnn", T=10, d=2) == Cost(10, 80, 10, 9)
    assert layer_cost("attention", T=10, d=2) == Cost(24, 560, 1, 1)


@pytest.mark.parametrize(("T", "d"), [(5, 8), (12, 4)])
def test_convolution_and_transformer_cost_what_torch_counts(T, d):
    layer = nn.Conv1d(d, d, 3, padding=1)
    cost = layer_cost("convolution", T, d)
    assert (cost.parameters, cost.multiply_adds) == (
        n_weights(layer),
        multiply_adds(lambda: layer(torch.zeros(1, d, T))),
    )
    block = TransformerBlock(d, 2, fused=False)
    cost = layer_cost("transformer", T, d)
    assert (cost.parameters, cost.multiply_adds) == (
        n_weights(block),
        multiply_adds(lambda: block(torch.zeros(1, T, d))),
    )
    cost, attention = layer_cost("attention", T, d), block.attention
    counted = multiply_adds(lambda: attention(torch.zeros(1, T, d)))
    assert (cost.parameters, cost.multiply_adds) == (n_weights(attention), counted)


@pytest.mark.parametrize(
    ("name", "cell", "gates"), [("rnn", nn.RNNCell, 1), ("gru", nn.GRUCell, 3), ("lstm", nn.LSTMCell, 4)]
)
def test_recurrent_layers_cost_t_times_what_torch_counts_for_a_step(name, cell, gates):
    T, d = 5, 8
    step = cell(d, d)
    cost = layer_cost(name, T, d)
    assert cost.multiply_adds == T * multiply_adds(lambda: step(torch.zeros(1, d)))
    assert cost.sequential_steps == T
    assert cost.parameters == count_parameters(recurrent_parameters(d, d, gates))


def test_the_numpy_block_has_the_counted_parameters():
    assert count_parameters(block_parameters(8, 32)) == layer_cost("transformer", 3, 8).parameters


@pytest.mark.parametrize(("T", "kernel"), [(7, 3), (8, 5), (9, 7)])
def test_the_path_of_a_convolution_is_the_number_of_layers_from_first_to_last(T, kernel):
    layers = layer_cost("convolution", T, 1, kernel).path
    x = np.zeros((1, 1, T))
    x[0, 0, 0] = 1
    reached = []
    for _ in range(layers):
        x = conv1d(x, np.ones((1, 1, kernel)), padding=kernel // 2)
        reached.append(x[0, 0, -1] > 0)
    assert reached == [False] * (layers - 1) + [True]


def test_attention_grows_with_the_square_of_the_sequence_and_the_others_in_line():
    growth = {
        name: layer_cost(name, 2000, 8).multiply_adds / layer_cost(name, 1000, 8).multiply_adds
        for name in ("convolution", "rnn", "lstm", "attention")
    }
    assert growth["convolution"] == growth["rnn"] == growth["lstm"] == 2
    assert 3.9 < growth["attention"] < 4


def test_one_position_needs_no_path():
    assert {layer_cost(name, 1, 4).path for name in ("convolution", "rnn", "attention", "transformer")} == {0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mlp", 3, 4), "unknown layer 'mlp'"),
        (("rnn", 0, 4), "at least 1, not 0 and 4"),
        (("rnn", 3, 0), "at least 1, not 3 and 0"),
        (("convolution", 3, 4, 2), "kernel must be odd"),
        (("convolution", 3, 4, 1), "at least 3, not 1"),
    ],
)
def test_a_layer_that_does_not_exist_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        layer_cost(*arguments)
