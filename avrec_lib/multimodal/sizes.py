"""What a model costs before it is trained: its weights, the memory of a step, and the arithmetic, computed from it.

Page 7.1. Nothing here is timed. Activations and products are counted in a forward and a backward pass of PyTorch
itself, over tensors that have shapes but no numbers: so they are those of the program as it is, the same on every
machine, and a batch that would fill a GPU is counted on a laptop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel

from avrec_lib.multimodal.batches import Batch, ViewerRows
from avrec_lib.multimodal.made_up import Shapes, bytes_of_a_clip, made_up, shapes_of
from avrec_lib.multimodal.model import MultimodalModel
from avrec_lib.multimodal.settings import Precision, Settings
from avrec_lib.multimodal.steps import products

BYTES = {"fp32": 4, "tf32": 4, "bf16": 2}  # of a number; TF32 rounds inside the product only
SIZES: Mapping[str, Settings] = {
    "small": Settings(text="words", picture="pixels", sound="frames"),
    "medium": Settings(
        text="words", tokens=32, vocabulary=8000, picture="pixels", pixels=64,
        sound="frames", frames=128, coefficients=20, width=128, d=64,
    ),
    "large": Settings(
        text="minilm-tuned", tokens=32, picture="efficientnet-tuned", pixels=128,
        sound="whisper-tuned", frames=200, width=128, d=64,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """What a model and a step of its training take.

    Attributes
    ----------
    parameters, trained : int
        Numbers in all, and those that training changes.
    weights, gradients, moments : int
        Bytes of the parameters, of a gradient for each that is trained, and of the two moments that AdamW keeps of it.
        They are float32 in every precision, see `steps.products`; `weights_in` is for a model that only serves.
    activations, bf16_activations : int
        Bytes that the forward pass of a step leaves for the backward pass, in float32 (or TF32), and as PyTorch's
        autocast to bfloat16 keeps them: products in 16 bits, the rest in 32.
    clips, impressions : int
        In that step.
    clip_bytes : int
        Of one clip's inputs on disk.
    multiply_adds : int
        To turn one clip's inputs into its vector b.
    step_flops : int
        Floating-point operations in the products of a step, forward and backward; a multiply-add is two.
    """

    parameters: int
    trained: int
    weights: int
    gradients: int
    moments: int
    activations: int
    bf16_activations: int
    clips: int
    impressions: int
    clip_bytes: int
    multiply_adds: int
    step_flops: int

    def memory_in(self, precision: str = "fp32") -> int:
        """Return the bytes of a step: weights, gradients, moments, activations; not what PyTorch itself takes."""
        activations = self.bf16_activations if precision == "bf16" else self.activations
        return self.weights + self.gradients + self.moments + activations

    def weights_in(self, precision: str) -> int:
        """Return the bytes of the parameters when each is kept in "fp32", "tf32" or "bf16"."""
        return self.parameters * BYTES[precision]


def named_size(name: str) -> Settings:
    """Return the settings of a name in `SIZES`.

    Raises
    ------
    ValueError
        If there is no such size.
    """
    if name not in SIZES:
        raise ValueError(f"no size is called {name!r}; there are {', '.join(SIZES)}.")
    return SIZES[name]


def model_size(settings: Settings, shapes: Shapes | None = None, n_users: int = 1000, batch_clips: int = 256) -> Size:
    """Compute what a model of these settings costs.

    The step is that of the pointwise loss (or of tastes) with ten impressions a clip. Pairs and softmax add to it a
    number for each pair of a batch, which depends on the clicks. Products are those of matrices and convolutions;
    looking a row up in a table is none, and what is done number by number is left out. Attention is counted as written
    in its equation.

    Parameters
    ----------
    settings : Settings
        Networks that were trained before are read from the assets if it asks for them.
    shapes : {sense: shape of one clip's row}, optional
        What `made_up.shapes_of` says if left out.
    n_users : int
    batch_clips : int
        Different clips of a step, a multiple of 4.

    Raises
    ------
    ValueError
        If batch_clips is no positive multiple of 4, or the shapes do not fit the settings.
    """
    told = shapes_of(settings) if shapes is None else dict(shapes)
    plain = settings.but(hide=0.0, loss="pointwise")
    batch, model, mode = _batch(plain, told, batch_clips), MultimodalModel(plain, told, n_users), FakeTensorMode()
    _emptied(model, mode)
    with mode, torch.random.fork_rng(devices=[]), sdpa_kernel(SDPBackend.MATH):
        counted = _count(model, _emptied_batch(batch, mode))
    parameters = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Size(
        parameters=parameters,
        trained=trained,
        weights=BYTES["fp32"] * parameters,
        gradients=BYTES["fp32"] * trained,
        moments=2 * BYTES["fp32"] * trained,
        activations=counted.activations,
        bf16_activations=counted.bf16_activations,
        clips=batch_clips,
        impressions=batch.n,
        clip_bytes=bytes_of_a_clip(settings, told),
        multiply_adds=counted.reading // 2 // batch_clips,
        step_flops=counted.step,
    )


def size_table(named: Mapping[str, Settings] | None = None, batch_clips: int = 256) -> pd.DataFrame:
    """Return the sizes of some settings side by side, `SIZES` if none are given.

    Returns
    -------
    DataFrame, one row a name, with columns size, reads, those of `Size`, and memory (in float32)
    """
    rows = []
    for name, settings in (SIZES if named is None else named).items():
        found = model_size(settings, batch_clips=batch_clips)
        reads = ", ".join(getattr(settings, sense) for sense in settings.senses)
        rows.append({"size": name, "reads": reads} | vars(found) | {"memory": found.memory_in()})
    return pd.DataFrame(rows)


def flop_counter() -> Any:  # noqa: ANN401 (PyTorch's class has no types)
    """Return PyTorch's counter of floating-point operations, mended for convolutions in groups.

    A gradient of a convolution takes as many products as the convolution. PyTorch forgets the groups on the way back,
    and counts a layer that looks at each channel alone once for every channel.
    """
    from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

    def backward(grad: Any, x: Any, w: Any, *rest: Any, out_shape: Any = None) -> int:  # noqa: ANN401
        *_, transposed, _, _, wanted = rest
        once: int = conv_flop_count(x, w, grad, transposed=transposed)
        return once * (int(wanted[0]) + int(wanted[1]))

    return FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: backward})


class _Counted(NamedTuple):
    reading: int  # FLOPs, from the inputs of all clips to b
    step: int  # FLOPs
    activations: int  # bytes
    bf16_activations: int


def _count(model: MultimodalModel, batch: Batch) -> _Counted:
    """Count passes over one batch, with whatever tensors the model and the batch hold."""
    with flop_counter() as counter, torch.no_grad():
        model.eval().item_vectors(model.clip_vectors(batch.inputs, batch.there))
    reading = int(counter.get_total_flops())
    half = _left_behind(model.train(), batch, "bf16")[0]
    with flop_counter() as counter:
        full, loss = _left_behind(model, batch, "fp32")
        loss.backward()  # type: ignore[no-untyped-call]
    return _Counted(reading, int(counter.get_total_flops()), full, half)


def _left_behind(model: MultimodalModel, batch: Batch, precision: Precision) -> tuple[int, Tensor]:
    """Return the bytes that a forward pass keeps for the backward pass, the model's own weights aside, and the loss."""
    own = {_storage(x) for x in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}  # they live until they are counted, or a number is used again

    def keep(x: Tensor) -> Tensor:
        if _storage(x) not in own:
            kept[_storage(x)] = x.untyped_storage()
        return x

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x)
    with products(precision, torch.device("cpu")) as rounded, hooks, rounded():
        loss: Tensor = model(batch)
    return sum(storage.nbytes() for storage in kept.values()), loss


def _batch(settings: Settings, shapes: Shapes, n: int) -> Batch:
    """Return a batch of n clips with ten impressions each."""
    inputs, log = made_up(settings, n, shapes=shapes)
    rows = ViewerRows(inputs, log, settings.history if settings.user in ("history", "both") else 0)
    return rows.batch(np.arange(len(rows)))


def _emptied(model: MultimodalModel, mode: FakeTensorMode) -> None:
    """Put tensors that have a shape and no numbers in the place of the model's, so that a pass takes no arithmetic."""
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                empty = mode.from_tensor(weight.detach())
                module._parameters[name] = nn.Parameter(empty, requires_grad=weight.requires_grad)
        for name, tensor in module._buffers.items():
            if tensor is not None:
                module._buffers[name] = mode.from_tensor(tensor)


def _emptied_batch(batch: Batch, mode: FakeTensorMode) -> Batch:
    inputs: dict[str, Tensor] = {sense: mode.from_tensor(x) for sense, x in batch.inputs.items()}
    return Batch(inputs, *(mode.from_tensor(x) for x in batch[1:]))


def _storage(x: Tensor) -> int:
    """Return a number that tells apart what lies in different places of the memory."""
    return int(x.untyped_storage()._cdata)
