"""Recurrent networks, one step an equation: Elman's RNN, the LSTM and the GRU, in NumPy for reading.

page 6.1.3. A step takes the input x_t (B, d) and the state h_{t−1} (B, H); vectors are rows. Gates lie
side by side in one matrix, so that a step needs two products: W_x (d, gates · H) and W_h (H, gates · H).
Equal to `torch.nn.RNN`, `LSTM` and `GRU` (whose weights are transposed, and whose RNN and LSTM hold
two biases where one, their sum, is enough).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from avrec_lib.nn.arrays import FloatArray, Parameters, as_floats, parameter


class LSTMState(NamedTuple):
    """What an LSTM carries along: the output h and the memory cell c, each (B, H)."""

    h: FloatArray
    c: FloatArray


def sigmoid(x: FloatArray) -> FloatArray:
    """Return σ(x) = 1 / (1 + e^(−x)), written as (1 + tanh(x / 2)) / 2, which never overflows."""
    half: FloatArray = 0.5 * (1 + np.tanh(0.5 * x))
    return half


def rnn_step(x: FloatArray, h: FloatArray, params: Parameters) -> FloatArray:
    """Blend the input into the state: h_t = tanh(x_t W_x + h_{t−1} W_h + b).

    Source: Elman 1990. params holds W_x (d, H), W_h (H, H), b (H,). Returns h_t, shape (B, H).
    """
    W_x, W_h = _weights(x, h, params, gates=1)
    state: FloatArray = np.tanh(x @ W_x + h @ W_h + parameter(params, "b", h.shape[-1]))  # (B, H)
    return state


def lstm_step(x: FloatArray, state: LSTMState, params: Parameters) -> LSTMState:
    """Forget a part of the memory, write a part of the news, and show a part of the result.

    [i, f, g, o] = x_t W_x + h_{t−1} W_h + b
    c_t = σ(f) · c_{t−1} + σ(i) · tanh(g)
    h_t = σ(o) · tanh(c_t)

    Source: Hochreiter and Schmidhuber 1997; the forget gate f: Gers, Schmidhuber and Cummins 2000.
    The memory passes from step to step by a product with σ(f) alone: where f is open, neither it
    nor its gradient fades. params holds W_x (d, 4H), W_h (H, 4H), b (4H,), in the order i, f, g, o.
    """
    h, c = state
    W_x, W_h = _weights(x, h, params, gates=4)
    z = x @ W_x + h @ W_h + parameter(params, "b", 4 * h.shape[-1])  # (B, 4H)
    i, f, g, o = np.split(z, 4, axis=-1)  # (B, H) each
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return LSTMState(h=sigmoid(o) * np.tanh(c), c=c)


def gru_step(x: FloatArray, h: FloatArray, params: Parameters) -> FloatArray:
    """Keep a part z of the state, and replace the rest by news that read a part r of it.

    r = σ(x W_xr + b_xr + h W_hr + b_hr),  z = σ(x W_xz + b_xz + h W_hz + b_hz)
    n = tanh(x W_xn + b_xn + r · (h W_hn + b_hn))
    h_t = (1 − z) · n + z · h_{t−1}

    Source: Cho et al. 2014, in the form cuDNN and PyTorch use: r multiplies the state after its
    product with W_hn, hence two biases. params holds W_x (d, 3H), W_h (H, 3H), b_x and b_h (3H,),
    in the order r, z, n. Returns h_t, shape (B, H).
    """
    W_x, W_h = _weights(x, h, params, gates=3)
    width = 3 * h.shape[-1]
    x_r, x_z, x_n = np.split(x @ W_x + parameter(params, "b_x", width), 3, axis=-1)  # (B, H) each
    h_r, h_z, h_n = np.split(h @ W_h + parameter(params, "b_h", width), 3, axis=-1)  # (B, H) each
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    news = np.tanh(x_n + r * h_n)
    state: FloatArray = (1 - z) * news + z * h
    return state


def rnn(X: ArrayLike, params: Parameters, h: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
    """Run `rnn_step` along a sequence, each step waiting for the one before.

    Parameters
    ----------
    X : array, shape (B, T, d)
    params : the weights of `rnn_step`
    h : array, shape (B, H), optional
        The first state; zeros by default.

    Returns
    -------
    (H, h), all states (B, T, H) and the last one (B, H)
        With padding behind short sequences, the state after the last real token of sequence b is
        H[b, lengths[b] − 1], not h[b].
    """
    X = _sequence(X)
    state = _first_state(X, params, h)
    states = []
    for t in range(X.shape[1]):
        state = rnn_step(X[:, t], state, params)
        states.append(state)
    return np.stack(states, axis=1), state


def lstm(X: ArrayLike, params: Parameters, state: LSTMState | None = None) -> tuple[FloatArray, LSTMState]:
    """Run `lstm_step` along a sequence X (B, T, d); return all outputs (B, T, H) and the last state.

    The first state is zeros by default. For padded sequences see `rnn`.
    """
    X = _sequence(X)
    h, c = (None, None) if state is None else state
    state = LSTMState(_first_state(X, params, h), _first_state(X, params, c))
    outputs = []
    for t in range(X.shape[1]):
        state = lstm_step(X[:, t], state, params)
        outputs.append(state.h)
    return np.stack(outputs, axis=1), state


def gru(X: ArrayLike, params: Parameters, h: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
    """Run `gru_step` along a sequence X (B, T, d); return all states (B, T, H) and the last one (B, H).

    The first state is zeros by default. For padded sequences see `rnn`.
    """
    X = _sequence(X)
    state = _first_state(X, params, h)
    states = []
    for t in range(X.shape[1]):
        state = gru_step(X[:, t], state, params)
        states.append(state)
    return np.stack(states, axis=1), state


def recurrent_parameters(d: int, H: int, gates: int, seed: int = 0) -> dict[str, FloatArray]:
    """Draw the weights of a cell with 1 (RNN), 3 (GRU) or 4 (LSTM) gates, uniform in ±1/√H (float64)."""
    if gates not in (1, 3, 4):
        raise ValueError(f"gates must be 1 (RNN), 3 (GRU) or 4 (LSTM), not {gates}.")
    rng = np.random.default_rng(seed)
    bound = 1 / math.sqrt(H)
    biases = ("b_x", "b_h") if gates == 3 else ("b",)
    shapes: dict[str, tuple[int, ...]] = {"W_x": (d, gates * H), "W_h": (H, gates * H)}
    shapes |= dict.fromkeys(biases, (gates * H,))
    return {name: rng.uniform(-bound, bound, size=shape) for name, shape in shapes.items()}


def _weights(x: FloatArray, h: FloatArray, params: Parameters, gates: int) -> tuple[FloatArray, FloatArray]:
    width = gates * h.shape[-1]
    return parameter(params, "W_x", x.shape[-1], width), parameter(params, "W_h", h.shape[-1], width)


def _sequence(X: ArrayLike) -> FloatArray:
    (array,) = as_floats(X=X)
    if array.ndim != 3 or array.shape[1] == 0:
        raise ValueError(f"X must have shape (B, T, d) with T at least 1, not {array.shape}.")
    return array


def _first_state(X: FloatArray, params: Parameters, h: ArrayLike | None) -> FloatArray:
    shape = (X.shape[0], parameter(params, "W_h", None, None).shape[0])  # (B, H)
    if h is None:
        return np.zeros(shape, dtype=X.dtype)
    (state,) = as_floats(h=h)
    if state.shape != shape:
        raise ValueError(f"the first state must have shape (B, H) = {shape}, not {state.shape}.")
    return state
