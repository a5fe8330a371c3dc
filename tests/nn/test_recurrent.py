import numpy as np
import pytest
import torch
from torch import nn

from avrec_lib.nn.recurrent import (
    LSTMState,
    gru,
    gru_step,
    lstm,
    lstm_step,
    recurrent_parameters,
    rnn,
    rnn_step,
    sigmoid,
)

RNG = np.random.default_rng(3)
D, H = 4, 5


def with_weights_of(theirs, biases):
    """Return a torch.nn layer's weights under our names."""
    params = {"W_x": theirs.weight_ih_l0.T, "W_h": theirs.weight_hh_l0.T}
    if biases == 1:
        params["b"] = theirs.bias_ih_l0 + theirs.bias_hh_l0
    else:
        params |= {"b_x": theirs.bias_ih_l0, "b_h": theirs.bias_hh_l0}
    return {name: weight.detach().numpy() for name, weight in params.items()}


def torch_layer(kind):
    torch.manual_seed(0)
    return kind(D, H, batch_first=True).double()


def test_sigmoid_by_hand_and_without_overflow():
    np.testing.assert_allclose(sigmoid(np.array([-1e4, 0, np.log(3), 1e4])), [0, 0.5, 0.75, 1], atol=1e-15)


def test_an_rnn_step_by_hand():
    params = {"W_x": np.array([[0.5]]), "W_h": np.array([[2.0]]), "b": np.array([-1.0])}
    h = rnn_step(np.array([[2.0]]), np.array([[0.25]]), params)
    np.testing.assert_allclose(h, [[0.462117]], atol=1e-6)  # tanh(1 + .5 − 1)


def test_an_lstm_step_by_hand():
    params = {"W_x": np.zeros((1, 4)), "W_h": np.zeros((1, 4)), "b": np.array([0, np.log(3), np.arctanh(0.5), 0])}
    state = lstm_step(np.ones((1, 1)), LSTMState(h=np.zeros((1, 1)), c=np.array([[2.0]])), params)
    np.testing.assert_allclose(state.c, [[1.75]], atol=1e-12)  # .75 · 2 + .5 · .5
    np.testing.assert_allclose(state.h, [[0.470688]], atol=1e-6)  # .5 · tanh(1.75)


def test_a_gru_step_by_hand():
    params = {
        "W_x": np.zeros((1, 3)),
        "W_h": np.array([[0.0, 0, 1]]),
        "b_x": np.zeros(3),
        "b_h": np.array([0, np.log(3), 0]),
    }
    h = gru_step(np.ones((1, 1)), np.array([[2.0]]), params)
    np.testing.assert_allclose(h, [[1.690399]], atol=1e-6)  # .25 · tanh(.5 · 2) + .75 · 2


def test_an_open_forget_gate_keeps_the_memory_over_a_thousand_steps():
    params = {"W_x": np.zeros((1, 4)), "W_h": np.zeros((1, 4)), "b": np.array([-1e3, 1e3, 0, 0])}
    _, state = lstm(np.ones((1, 1000, 1)), params, LSTMState(h=np.zeros((1, 1)), c=np.array([[0.7]])))
    np.testing.assert_array_equal(state.c, [[0.7]])


@pytest.mark.parametrize("start", [False, True], ids=["from zeros", "from a state"])
def test_the_three_networks_equal_torch_nn(start):
    X, h0, c0 = RNG.normal(size=(3, 6, D)), RNG.normal(size=(3, H)), RNG.normal(size=(3, H))
    x, first, memory = torch.from_numpy(X), torch.from_numpy(h0)[None], torch.from_numpy(c0)[None]
    for mine, kind, biases in ((rnn, nn.RNN, 1), (gru, nn.GRU, 2)):
        theirs = torch_layer(kind)
        expected, expected_last = theirs(x, first if start else None)
        states, last = mine(X, with_weights_of(theirs, biases), h0 if start else None)
        np.testing.assert_allclose(states, expected.detach(), atol=1e-12)
        np.testing.assert_allclose(last, expected_last[0].detach(), atol=1e-12)
    theirs = torch_layer(nn.LSTM)
    expected, (h, c) = theirs(x, (first, memory) if start else None)
    outputs, last = lstm(X, with_weights_of(theirs, 1), LSTMState(h0, c0) if start else None)
    np.testing.assert_allclose(outputs, expected.detach(), atol=1e-12)
    np.testing.assert_allclose(last.h, h[0].detach(), atol=1e-12)
    np.testing.assert_allclose(last.c, c[0].detach(), atol=1e-12)


@pytest.mark.parametrize(("network", "gates"), [(rnn, 1), (gru, 3), (lstm, 4)])
def test_the_future_does_not_change_the_past(network, gates):
    X, params = RNG.normal(size=(2, 5, D)), recurrent_parameters(D, H, gates)
    changed = X.copy()
    changed[:, 3:] += 1
    before, after = network(X, params)[0], network(changed, params)[0]
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (before[:, 3:] != after[:, 3:]).all()


@pytest.mark.parametrize(("network", "gates"), [(rnn, 1), (gru, 3), (lstm, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type(network, gates, dtype):
    params = {name: W.astype(dtype) for name, W in recurrent_parameters(D, H, gates).items()}
    assert network(np.ones((2, 3, D), dtype=dtype), params)[0].dtype == dtype


@pytest.mark.parametrize(("network", "gates"), [(rnn, 1), (gru, 3), (lstm, 4)])
def test_inputs_that_do_not_fit_are_named(network, gates):
    params = recurrent_parameters(D, H, gates)
    with pytest.raises(ValueError, match=r"\(B, T, d\) with T at least 1, not \(2, 0, 4\)"):
        network(np.ones((2, 0, D)), params)
    with pytest.raises(ValueError, match=r"not \(3, 4\)"):
        network(np.ones((3, D)), params)
    with pytest.raises(ValueError, match=rf"W_x has shape \(4, {gates * H}\); its input needs \(7, {gates * H}\)"):
        network(np.ones((2, 3, 7)), params)
    with pytest.raises(ValueError, match="needs"):
        network(np.ones((2, 3, D)), params | {"W_h": np.ones((H, gates * H + 1))})
    start = np.ones((1, H)) if gates < 4 else LSTMState(np.ones((2, H)), np.ones((1, H)))
    with pytest.raises(ValueError, match=r"\(B, H\) = \(2, 5\), not \(1, 5\)"):
        network(np.ones((2, 3, D)), params, start)


def test_parameters_follow_the_seed_and_have_1_3_or_4_gates():
    a, b = recurrent_parameters(D, H, 4, seed=1), recurrent_parameters(D, H, 4, seed=1)
    assert all((a[name] == b[name]).all() for name in a)
    assert max(np.abs(W).max() for W in a.values()) <= 1 / np.sqrt(H)
    with pytest.raises(ValueError, match=r"gates must be 1 .*not 2"):
        recurrent_parameters(D, H, 2)
