"""ONNX files: run one, and tell how far it is from the module it was made of.

Page 7.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

NEEDS = "ONNX needs onnx, onnxscript and onnxruntime; pip install 'avrec-lib[project]'."
BATCHES = (1, 2, 7)  # sizes that a file is tried with, besides the example's


def largest_difference(module: nn.Module, path: str | Path, example: Mapping[str, Tensor], *, seed: int = 0) -> float:
    """Return the largest absolute difference between a module on the CPU and an ONNX file, over random batches.

    Integers are those of random rows of the example; floats are its rows plus noise; of bools the first row is all
    False, the second all True, and the others are drawn. Where both give NaN, or the same infinity, they agree.
    """
    inputs = {name: tensor.detach().cpu() for name, tensor in example.items()}
    generator = torch.Generator().manual_seed(seed)
    n = len(next(iter(inputs.values())))
    batches = [inputs, *({k: _random(x, B, generator) for k, x in inputs.items()} for B in (*BATCHES, n))]
    worst = 0.0
    for batch in batches:
        with torch.no_grad():
            expected = module(**batch)
        told = run_onnx(path, {name: x.numpy() for name, x in batch.items()})
        tensors = (expected,) if isinstance(expected, Tensor) else tuple(expected)
        for ours, theirs in zip(tensors, told.values(), strict=True):
            worst = max(worst, _difference(ours.numpy(), theirs))
    return worst


def run_onnx(path: str | Path, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Run an ONNX file once, on the CPU, and return its outputs by name.

    A service keeps the `onnxruntime.InferenceSession` instead; to open the file is most of the time here.

    Raises
    ------
    ImportError
        Without onnxruntime.
    ValueError
        If the file is no ONNX file, or its inputs have other names.
    """
    need_onnx()
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (
        errors.InvalidProtobuf,
        errors.InvalidGraph,
        errors.InvalidArgument,
        errors.NoSuchFile,
        errors.Fail,
    ) as error:
        raise ValueError(f"{Path(path).name} is no whole ONNX file; write it again with export_onnx.") from error
    wanted = [value.name for value in session.get_inputs()]
    if set(wanted) != set(inputs):
        raise ValueError(f"{Path(path).name} takes {', '.join(wanted)}, not {', '.join(inputs)}.")
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def need_onnx() -> None:
    """Raise one ImportError that names the remedy, unless the packages are there."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(NEEDS) from error


def _random(x: Tensor, B: int, generator: torch.Generator) -> Tensor:
    if x.dtype == torch.bool:
        drawn = torch.rand(B, *x.shape[1:], generator=generator) < 0.5
        drawn[:1] = False
        drawn[1:2] = True
        return drawn
    rows = x[torch.randint(len(x), (B,), generator=generator)]  # (B, …)
    if x.is_floating_point():
        rows = rows + torch.randn(rows.shape, generator=generator).to(x.dtype)
    return rows


def _difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    apart = np.abs(np.where(same, 0, ours).astype(np.float64) - np.where(same, 0, theirs).astype(np.float64))
    return float("inf") if np.isnan(apart).any() else float(apart.max(initial=0))
