"""Which processes a run has, what they tell each other, and the chance that each has of its own.

Page 7.3. Everything that needs Hugging Face Accelerate to be set up in one way and not in another stands here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from avrec_lib.device import device

if TYPE_CHECKING:
    from accelerate import Accelerator


def connect() -> Accelerator:
    """Return the connection to the other processes that `torchrun` started, if any, and to the device of this one.

    Accelerate's own mixed precision is left alone: it would stay in the model's forward after training, and could not
    be changed from one run to the next of a notebook. A parameter may be without a gradient in some step, for a batch
    can lack a sense, or any click; PyTorch warns once if at first all had one.
    """
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    on_cpu = True if alone and device().type == "cpu" else None  # None: what Accelerate finds, one GPU a process
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(cpu=on_cpu, mixed_precision="no", kwargs_handlers=[unused])


def connected(model: nn.Module, accelerator: Accelerator) -> nn.Module:
    """Return the model, wrapped so that its gradients are averaged over the processes, if there are several."""
    wrapped: nn.Module = accelerator.prepare_model(model)
    del wrapped._is_accelerate_prepared  # it would keep the model from being wrapped by a later run
    return wrapped


def summed(accelerator: Accelerator, *values: float) -> list[float]:
    """Return the sums over all processes of some numbers."""
    if accelerator.num_processes == 1:
        return list(values)
    told = torch.tensor(values, dtype=torch.float64, device=accelerator.device)
    sums: list[float] = summed_tensor(accelerator, told).tolist()
    return sums


def summed_tensor(accelerator: Accelerator, values: Tensor) -> Tensor:
    """Return the sum over all processes of a tensor that each has; a GPU is not waited for."""
    if accelerator.num_processes == 1:
        return values
    total: Tensor = accelerator.reduce(values, "sum")
    return total


@contextmanager
def own_random(seed: int, accelerator: Accelerator) -> Iterator[None]:
    """Seed torch's random numbers, differently in each process, and give them back as they were."""
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed + accelerator.process_index)
        yield


def random_states(accelerator: Accelerator) -> dict[str, Tensor]:
    """Return the states of torch's random numbers in all processes, such as "0/cpu" and "0/cuda"."""
    from accelerate.utils import gather_object

    rank, here = accelerator.process_index, accelerator.device
    states = {f"{rank}/cpu": torch.get_rng_state()}
    if here.type == "cuda":
        states[f"{rank}/cuda"] = torch.cuda.get_rng_state(here)
    for other in gather_object([states]):
        states |= other
    return states


def restore_random(accelerator: Accelerator, states: Mapping[str, Tensor], seed: int) -> None:
    """Put the random numbers of this process where they were; seed those of one that was not there then."""
    rank, here = accelerator.process_index, accelerator.device
    if f"{rank}/cpu" in states:
        torch.set_rng_state(states[f"{rank}/cpu"])
    else:
        torch.manual_seed(seed + rank)
    if here.type == "cuda" and f"{rank}/cuda" in states:
        torch.cuda.set_rng_state(states[f"{rank}/cuda"], here)
