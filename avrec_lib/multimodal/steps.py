"""What a step of training is made of, apart from the loop: groups of parameters, the step size, and the precision.

Page 7.3. The trainer and the profiler share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import nn

from avrec_lib.multimodal.settings import Precision, Settings

SLOW = 0.01  # of the step size, for weights that were trained before


def parameter_groups(model: nn.Module, settings: Settings) -> list[dict[str, Any]]:
    """Return the parameters that are trained, by how: `lr`, `share` (of the step size) and `weight_decay`.

    A module with the attribute `slow = True`, and all inside it, is trained with a hundredth of the step size: a
    pretrained encoder must not forget what it knows while the new layers are still learning. Parameters with one axis
    (biases, scales, the prior of the tastes) are not decayed: there are too few of them to overfit, and to pull a scale
    to 0 would be to switch its layer off.

    Raises
    ------
    ValueError
        If nothing is trained.
    """
    slow = {id(p) for module in model.modules() if getattr(module, "slow", False) for p in module.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in slow, parameter.ndim >= 2), []).append(parameter)
    if not groups:
        raise ValueError("the model has no parameter that is trained; set requires_grad on some.")
    return [
        {
            "params": parameters,
            "lr": settings.lr * (SLOW if is_slow else 1),
            "share": SLOW if is_slow else 1.0,
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for (is_slow, decays), parameters in groups.items()
    ]


def make_optimiser(model: nn.Module, settings: Settings) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter, 2019) over `parameter_groups`, for a model that is on its device already.

    Where PyTorch has one kernel for the whole update it is taken: on a CPU it is three times as fast for small layers.
    """
    groups = parameter_groups(model, settings)
    devices = {parameter.device.type for group in groups for parameter in group["params"]}
    return torch.optim.AdamW(groups, lr=settings.lr, fused=devices <= {"cpu", "cuda"})


def step_size(step: int, n_steps: int, warmup: float) -> float:
    """Return the share of `lr` that step 0, 1, … n_steps − 1 takes.

    With W = ⌈warmup · n_steps⌉: (step + 1)/W while step < W, then ½ (1 + cos π (step − W)/(n_steps − W)).

    Source: the cosine of Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts", without
    restarts.
    """
    rising = math.ceil(warmup * n_steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / (n_steps - rising)))


@contextmanager
def products(precision: Precision, device: torch.device) -> Iterator[Callable[[], AbstractContextManager[Any]]]:
    """Set how exactly matrices are multiplied, and give it back as it was; yields the context for a forward pass.

    "fp32" is full, "tf32" lets NVIDIA's matrix units round the factors to 10 bits, "bf16" lets PyTorch's autocast
    choose the layers that compute in bfloat16. Weights, gradients and the optimiser are float32 in all three.
    """
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield lambda: torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
