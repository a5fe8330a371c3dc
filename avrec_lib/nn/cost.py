"""What a layer costs as sequences grow: weights, multiply–adds, waiting, and distance.

page 6.1.3. The four questions of Vaswani et al. 2017, table 1, with the constants kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Layer = Literal["convolution", "rnn", "gru", "lstm", "attention", "transformer"]


class Cost(NamedTuple):
    """The cost of one layer on one sequence.

    parameters : weights and biases.
    multiply_adds : of the matrix products (a multiply–add is two floating-point operations);
        biases, activations, softmax and norms, all of lower order in d, are left out.
    sequential_steps : how many of them must wait for each other, whatever the hardware.
    path : layers or time steps that the first token needs to reach the last.
    """

    parameters: int
    multiply_adds: int
    sequential_steps: int
    path: int


def layer_cost(layer: Layer, T: int, d: int, kernel: int = 3) -> Cost:
    """Return what a layer from T vectors of width d to T vectors of width d costs.

    convolution: kernel·d² a position, reaching (kernel − 1)/2 positions to each side
    rnn, gru, lstm: gates·2d² a position (1, 3, 4 gates), one position after the other
    attention: 4d² a position for the projections, and 2d for each of the T² pairs
    transformer: attention and a feed-forward layer of width 4d, 8d² a position, and two norms

    Parameters
    ----------
    T, d : int
        Sequence length and width, at least 1.
    kernel : int
        Odd, at least 3; for "convolution" only, padded so that T stays T.

    Raises
    ------
    ValueError
        For an unknown layer, or a size that makes none.
    """
    if T < 1 or d < 1:
        raise ValueError(f"T and d must be at least 1, not {T} and {d}.")
    gates = {"rnn": 1, "gru": 3, "lstm": 4}
    if layer == "convolution":
        if kernel < 3 or kernel % 2 == 0:
            raise ValueError(f"kernel must be odd and at least 3, not {kernel}.")
        return Cost(kernel * d * d + d, T * kernel * d * d, 1, -(-(T - 1) // ((kernel - 1) // 2)))
    if layer in gates:
        biases = 2 if layer == "gru" else 1
        n = gates[layer]
        return Cost(n * (2 * d * d + biases * d), T * n * 2 * d * d, T, T - 1)
    if layer == "attention":
        return Cost(4 * d * d + 4 * d, 4 * T * d * d + 2 * T * T * d, 1, min(1, T - 1))
    if layer == "transformer":
        attention = layer_cost("attention", T, d)
        return attention._replace(
            parameters=attention.parameters + 8 * d * d + 5 * d + 4 * d,  # feed-forward, then two norms
            multiply_adds=attention.multiply_adds + 8 * T * d * d,
        )
    raise ValueError(f"unknown layer {layer!r}; there are convolution, rnn, gru, lstm, attention, transformer.")


def count_parameters(params: Mapping[str, NDArray[np.generic]]) -> int:
    """Return how many numbers a layer's weights hold in all."""
    return sum(array.size for array in params.values())
