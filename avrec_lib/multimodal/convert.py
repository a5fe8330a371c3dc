"""Move the weights of the article's model between PyTorch and Keras, bit for bit, either way.

Page 7.2. The two frameworks lay the same numbers out differently: a matrix of PyTorch maps rows to rows and
is (out, in), one of Keras is (in, out). Every weight is a permutation of the axes of its twin, and no number
is computed, so a round trip changes no bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from avrec_lib.multimodal.article import ArticleModel
from avrec_lib.multimodal.config import ArticleConfig

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

LSTMS = ("read_words", "hear")


class Match(NamedTuple):
    """One weight in both frameworks: `torch_array.transpose(axes)` is laid out as Keras's.

    Attributes
    ----------
    torch : str
        Name of the parameter, such as "look.0.weight".
    layer, variable : str
        Names of Keras's layer and of its variable, such as "look_0" and "kernel".
    axes : tuple of int
    """

    torch: str
    layer: str
    variable: str
    axes: tuple[int, ...]

    def keras_layout(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a copy of a weight of PyTorch, or of its gradient, laid out as Keras does."""
        return np.array(array.transpose(self.axes), order="C")

    def torch_layout(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a copy of a weight of Keras, or of its gradient, laid out as PyTorch does."""
        return np.array(array.transpose(np.argsort(self.axes)), order="C")


def matches(config: ArticleConfig) -> list[Match]:
    """Return all weights of the article's model, from the first layer to the last.

    PyTorch's second biases of the LSTMs, `bias_hh_l0`, have no twin: they are 0 and stay so.
    """
    found = [Match("embed.weight", "embed", "embeddings", (0, 1))]
    for name in LSTMS:
        found += [
            Match(f"{name}.weight_ih_l0", name, "kernel", (1, 0)),  # (4H, d) → (d, 4H); gates i, f, g, o in both
            Match(f"{name}.weight_hh_l0", name, "recurrent_kernel", (1, 0)),  # (4H, H) → (H, 4H)
            Match(f"{name}.bias_ih_l0", name, "bias", (0,)),
        ]
        if name == "read_words":
            for number in range(len(config.channels)):
                axes = (2, 3, 1, 0)  # (out, in, high, wide) → (high, wide, in, out)
                found.append(Match(f"look.{number}.weight", f"look_{number}", "kernel", axes))
                found.append(Match(f"look.{number}.bias", f"look_{number}", "bias", (0,)))
    for name in ("dense", "output"):
        found.append(Match(f"{name}.weight", name, "kernel", (1, 0)))
        found.append(Match(f"{name}.bias", name, "bias", (0,)))
    return found


def to_keras(torch_model: ArticleModel, keras_model: keras.Model) -> None:
    """Copy the weights of the PyTorch model into the Keras model, which is changed in place.

    Raises
    ------
    ValueError
        If a layer is missing, has another shape or another number format, or an LSTM of PyTorch has a second
        bias that is not 0. The message names the layer, and nothing has been copied.
    """
    for name in LSTMS:
        if torch_model.get_parameter(f"{name}.bias_hh_l0").count_nonzero():
            raise ValueError(
                f"layer {name}: PyTorch's second bias, bias_hh_l0, is not 0, and Keras has one only; add it to "
                "bias_ih_l0 and set it to 0."
            )
    for match, parameter, variable in _paired(torch_model, keras_model):
        variable.assign(match.keras_layout(parameter.detach().cpu().numpy()))


@torch.no_grad()
def to_torch(keras_model: keras.Model, torch_model: ArticleModel) -> None:
    """Copy the weights of the Keras model into the PyTorch model, which is changed in place.

    The second biases of its LSTMs become 0.

    Raises
    ------
    ValueError
        If a layer is missing, has another shape or another number format. The message names the layer, and
        nothing has been copied.
    """
    for match, parameter, variable in _paired(torch_model, keras_model):
        parameter.copy_(torch.from_numpy(match.torch_layout(variable.value.numpy())))
    for name in LSTMS:
        torch_model.get_parameter(f"{name}.bias_hh_l0").zero_()


def _paired(
    torch_model: ArticleModel, keras_model: keras.Model
) -> list[tuple[Match, torch.nn.Parameter, keras.Variable]]:
    """Return each weight with its twin, all of them checked."""
    if not isinstance(torch_model, ArticleModel):
        raise ValueError(f"the PyTorch model must be an ArticleModel, not {type(torch_model).__name__}.")
    variables = {(layer.name, variable.name): variable for layer in keras_model.layers for variable in layer.weights}
    paired = []
    for match in matches(torch_model.config):
        parameter, variable = torch_model.get_parameter(match.torch), variables.pop((match.layer, match.variable), None)
        if variable is None:
            raise ValueError(
                f"layer {match.layer}: the Keras model has no {match.variable} there; build it with "
                "keras_article_model from the same ArticleConfig."
            )
        shape, needed = tuple(variable.shape), tuple(parameter.shape[axis] for axis in match.axes)
        if shape != needed:
            raise ValueError(
                f"layer {match.layer}: {match.variable} has the shape {shape} in Keras, and PyTorch's weights need "
                f"{needed}; build both models from the same ArticleConfig."
            )
        formats = str(variable.dtype), str(parameter.dtype).removeprefix("torch.")
        if formats[0] != formats[1]:
            raise ValueError(
                f"layer {match.layer}: {match.variable} is {formats[0]} in Keras and {formats[1]} in PyTorch; give "
                "both models one number format."
            )
        paired.append((match, parameter, variable))
    if variables:
        layer, name = next(iter(variables))
        raise ValueError(
            f"layer {layer}: its {name} has no twin in the PyTorch model; build both from one ArticleConfig."
        )
    return paired
