"""A run on disk: everything that the next step depends on, in one file that is whole at every moment.

Page 7.3. The file is safetensors, which holds numbers and no code, with a JSON description of the run beside them. It
is written to another name first and renamed, so a kill in the midst of writing leaves the one before. Numbers that a
disk has changed are found by a checksum, and the checkpoint of another run is refused with what differs.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from avrec_lib.multimodal.logs import Record

CHECKPOINT = "checkpoint.safetensors"  # its name in the folder of a run
FORMAT = "avrec multimodal checkpoint 1"
FREE = ("accumulate", "workers")  # settings that may change on the way: they don't change what is computed …
WHOLE = ("pairwise", "softmax")  # … but for these losses, which compare the clips of one part of a step
PARTS = ("network", "best", "optimiser", "random")

Tensors = dict[str, dict[str, Tensor]]  # part of the run → name → numbers


@dataclass
class Progress:
    """How far a run has come.

    Attributes
    ----------
    step : int
        Steps done, over all epochs.
    loss, rows, seconds, waiting : float
        Sums over the steps of the epoch that has begun: of the rows' losses, of rows, of time, of waiting.
    history : list of Record
        The epochs that are over.
    """

    step: int = 0
    loss: float = 0.0
    rows: float = 0.0
    seconds: float = 0.0
    waiting: float = 0.0
    history: list[Record] = field(default_factory=list)


def write_checkpoint(path: Path, run: Mapping[str, Any], progress: Progress, tensors: Mapping[str, Any]) -> None:
    """Replace the file in one step.

    Parameters
    ----------
    path : Path
        Its folder is made if it is not there.
    run : mapping of JSON values
        What the run depends on: {"settings": …, "rows": …, "of": …}.
    progress : Progress
    tensors : {part: {name: tensor}}
        For "network", "best", "optimiser" and "random"; on any device.

    Raises
    ------
    OSError
        If it can't be written; then the file is as it was before.
    """
    flat = {
        f"{part}/{name}": tensor.detach().cpu().contiguous().clone()  # a tensor that two layers share is written twice
        for part in PARTS
        for name, tensor in tensors.get(part, {}).items()
    }
    told = {"format": FORMAT, "run": json.dumps(run, sort_keys=True), "progress": json.dumps(asdict(progress))}
    told["checksum"] = _checksum(flat, told["progress"])
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        save_file(flat, part, told)
        part.replace(path)
    except SafetensorError as error:  # how it reports a full disk
        raise OSError(str(error)) from error
    finally:
        part.unlink(missing_ok=True)


def read_checkpoint(path: Path, run: Mapping[str, Any]) -> tuple[Progress, Tensors]:
    """Return what `write_checkpoint` wrote, the tensors on the CPU.

    Raises
    ------
    ValueError
        If the file is broken, was written by something else, or is of another run than `run`.
    """
    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
            if told.get("format") != FORMAT:
                raise ValueError(f"{path} is no checkpoint of this trainer; choose another folder for the run.")
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        if told["checksum"] != _checksum(flat, told["progress"]):
            raise SafetensorError("its numbers do not fit their checksum")
        progress = Progress(**json.loads(told["progress"]))
        before = json.loads(told["run"])
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no whole checkpoint ({error}); delete it to start again.") from error
    changed = _differences(before, json.loads(json.dumps(run)))
    if changed:
        raise ValueError(
            f"{path} is of another run ({', '.join(changed)}); delete it to start again, or choose another folder."
        )
    progress.history = [Record(*record) for record in progress.history]
    tensors: Tensors = {part: {} for part in PARTS}
    for name, tensor in flat.items():
        part, rest = name.split("/", 1)
        tensors[part][rest] = tensor
    return progress, tensors


def remove_parts(path: Path) -> None:
    """Remove what writers of this file left behind that were killed while they wrote."""
    for part in path.parent.glob(f"{path.name}.*.part"):
        part.unlink(missing_ok=True)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of an optimiser by names, such as "3/exp_avg" of parameter 3."""
    states = optimiser.state_dict()["state"].items()
    return {f"{number}/{name}": tensor for number, state in states for name, tensor in state.items()}


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put the state of `optimiser_tensors` into an optimiser of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, what = name.split("/", 1)
        state.setdefault(int(number), {})[what] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _checksum(flat: Mapping[str, Tensor], progress: str) -> str:
    total = zlib.crc32(progress.encode())
    for name in sorted(flat):
        total = zlib.crc32(name.encode(), total)
        if flat[name].numel():
            total = zlib.crc32(flat[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what was changed, such as "lr was 0.02 and is 0.01"."""
    old, new = ({**run["settings"], **{k: v for k, v in run.items() if k != "settings"}} for run in (before, now))
    free = FREE[1:] if new.get("loss") in WHOLE else FREE
    names = [name for name in {**old, **new} if name not in free and old.get(name) != new.get(name)]
    return [f"{name} was {old.get(name)} and is {new.get(name)}" for name in names]
