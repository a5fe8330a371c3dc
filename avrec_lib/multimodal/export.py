"""A trained module as an ONNX file: it runs without PyTorch, and is compared with PyTorch before it gets its name.

Page 7.2. A service that only multiplies need not carry a training framework. `export_onnx` writes any module whose
inputs are named tensors; `ItemTower` and `TasteTower` give the two halves of the full model that form.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avrec_lib.multimodal.onnx_files import largest_difference, need_onnx
from avrec_lib.multimodal.tastes import Tastes


class ItemTower(nn.Module):
    """The half of a model that reads clips, with a named tensor for each sense.

    Only the senses that the model reads are passed, and only they are inputs of the exported file.

    Parameters
    ----------
    model : nn.Module with `clip_vectors` and `item_vectors`
    senses : tuple of str
        Which of text, picture and sound it reads, in the order of the columns of `there`.
    """

    def __init__(self, model: nn.Module, senses: tuple[str, ...]) -> None:
        super().__init__()
        unknown = set(senses) - {"text", "picture", "sound"}
        if unknown or not senses:
            raise ValueError(f"senses must be some of text, picture and sound, not {', '.join(senses) or 'none'}.")
        self.model, self.senses = model, senses

    def forward(
        self,
        there: Tensor,
        text: Tensor | None = None,
        picture: Tensor | None = None,
        sound: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return g, shape (B, d), and the vectors to rank by, shape (B, D).

        Parameters
        ----------
        there : bool tensor, shape (B, S)
        text, picture, sound : tensors, shapes (B, …), as in `ClipInputs.arrays`

        Raises
        ------
        ValueError
            If a sense that the model reads is not given, or one is that it does not read.
        """
        given = {name: x for name, x in (("text", text), ("picture", picture), ("sound", sound)) if x is not None}
        if given.keys() != set(self.senses):
            raise ValueError(f"this model reads {', '.join(self.senses)}, and was given {', '.join(given) or 'none'}.")
        model: Any = self.model
        g: Tensor = model.clip_vectors({name: given[name] for name in self.senses}, there)
        vectors: Tensor = model.item_vectors(g)
        return g, vectors


class TasteTower(nn.Module):
    """The half of a mixture of tastes that knows users: what their impressions say goes in, p comes out."""

    def __init__(self, tastes: Tastes) -> None:
        super().__init__()
        self.tastes = tastes

    def forward(self, evidence: Tensor) -> Tensor:
        """Return p, shape (B, K), for ℓ of that shape. See `Tastes.posterior`."""
        return self.tastes.posterior(evidence)


def export_onnx(
    module: nn.Module,
    example: Mapping[str, Tensor],
    path: str | Path,
    *,
    outputs: tuple[str, ...] | None = None,
    atol: float = 1e-4,
    seed: int = 0,
) -> float:
    """Write a module to an ONNX file and return the largest difference between it and PyTorch.

    The file is compared on batches of several sizes before it gets its name, so a file that is there is right. The
    module itself is left as it is: a copy of it is moved to the CPU and set to evaluation.

    Parameters
    ----------
    module : nn.Module
        Its forward takes tensors by these names and returns a tensor or a tuple of them, each with the batch first.
    example : mapping of name to tensor, shapes (B, …), B at least 2
        Rows like those that will be met: the check draws from them, so ids stay within their table. All axes but the
        first are fixed by it.
    path : Path
        Replaced in one step, or left as it is if anything goes wrong.
    outputs : tuple of str, optional
        Names of what the module returns; by default output_0, output_1, …
    atol : float
        Largest absolute difference that is allowed.
    seed : int
        Of the batches of the check.

    Raises
    ------
    ImportError
        Without onnx, onnxscript or onnxruntime.
    ValueError
        If the example has fewer than two rows or rows of different number, the module cannot be exported or freezes
        the size of the batch, or the file computes something else than the module.
    """
    need_onnx()
    rows = {len(tensor) if tensor.ndim else 0 for tensor in example.values()}
    if len(rows) != 1 or min(rows) < 2:
        raise ValueError(f"an example needs tensors with the same number of rows, at least 2, not {sorted(rows)}.")
    plain = copy.deepcopy(getattr(module, "_orig_mod", module)).cpu().eval()  # of a compiled module, the original
    inputs = {name: tensor.detach().cpu() for name, tensor in example.items()}
    names = _output_names(plain, inputs, outputs)
    program = _exported(plain, inputs, names)
    for value in (*program.model.graph.inputs, *program.model.graph.outputs):
        if value.shape is None or isinstance(value.shape[0], int):
            raise ValueError(
                f"{type(module).__name__} freezes the size of the batch of {value.name}; "
                "look in its forward for len(x) or int(…) of a size, and use x.shape[0]."
            )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with _quiet():
            program.save(part, external_data=False)
        worst = largest_difference(plain, part, inputs, seed=seed)
        if not worst <= atol:
            raise ValueError(
                f"the ONNX file of {type(module).__name__} differs from PyTorch by {worst:.1e}, more than {atol:g}; "
                "it was not kept. Look for an operation that ONNX computes otherwise, or for random numbers."
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return worst


def _output_names(module: nn.Module, inputs: dict[str, Tensor], told: tuple[str, ...] | None) -> tuple[str, ...]:
    with torch.no_grad():
        result = module(**inputs)
    n = 1 if isinstance(result, Tensor) else len(result)
    names = told or tuple(f"output_{i}" for i in range(n))
    if len(names) != n or len(set(names)) != n or set(names) & inputs.keys():
        raise ValueError(f"{type(module).__name__} returns {n} tensors; name each once, and none like an input.")
    return names


def _exported(module: nn.Module, inputs: dict[str, Tensor], outputs: tuple[str, ...]) -> Any:  # noqa: ANN401
    batch = torch.export.Dim("batch")
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            return torch.onnx.export(
                module,
                kwargs=inputs,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes={name: {0: batch} for name in inputs},
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # each stage of the exporter has errors of its own
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ValueError(f"{type(module).__name__} cannot be written as ONNX: {reason}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks off the console; errors still come as errors."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
