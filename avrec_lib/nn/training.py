"""One training loop for every network of chapter 5: shuffle, step, validate, keep the best, and survive a kill.

The loop knows nothing of recommendation. A caller gives a network and a function that turns row numbers
into a loss; the loop owns what is the same for all: the order of the rows, the step size, early stopping,
the progress bar, and a checkpoint after every epoch from which a run goes on to the identical end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

FORMAT = "avrec training checkpoint 1"


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the rows, at most.
    batch : int
        Rows in a step; the last step of an epoch may have fewer.
    lr, weight_decay : float
        Of AdamW (Loshchilov and Hutter, 2019). The step size falls in a straight line to 0 at the last epoch.
    clip : float
        Longest gradient, over all parameters together; a longer one is shortened to it.
    patience : int, optional
        Stop after so many epochs without a better validation. By default all epochs are run.
    """

    epochs: int = 20
    batch: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.0
    clip: float = 5.0
    patience: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        if self.epochs < 1 or self.batch < 1 or (self.patience is not None and self.patience < 1):
            raise ValueError("epochs, batch and patience must be at least 1.")
        if not (self.lr > 0 and self.clip > 0 and self.weight_decay >= 0):
            raise ValueError("lr and clip must be above 0, and weight_decay at least 0.")


class Epoch(NamedTuple):
    """What one epoch came to: the mean loss of its rows, and the validation (higher is better; NaN if not asked)."""

    loss: float
    validation: float


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's random numbers as if they had just been seeded, and give them back as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def train(
    network: nn.Module,
    loss_of: Callable[[Tensor], Tensor],
    n_rows: int,
    how: Training,
    *,
    seed: int = 0,
    validate: Callable[[], float] | None = None,
    checkpoint: Path | None = None,
    of: Mapping[str, Any] | None = None,
    name: str = "training",
) -> list[Epoch]:
    """Make the mean loss small, and leave in the network the weights of its best epoch.

    The best epoch is that of the highest validation, the first of equals; without `validate`, the last one.

    Parameters
    ----------
    network : Module
        Trained where it lies, and changed in place; in evaluation mode at the end.
    loss_of : callable
        Takes row numbers, int64 tensor (B,), on the CPU; returns their mean loss, a scalar tensor.
    n_rows : int
        Rows are numbered 0 … n_rows − 1; each epoch visits each once, in a new order.
    seed : int
        Of the orders and of dropout. torch's own random state is left alone.
    validate : callable, optional
        Called after each epoch, in evaluation mode and without gradients.
    checkpoint : Path, optional
        A file (safetensors) that is replaced, in one step, after each epoch. If it is there, training goes on
        from it, and on a CPU ends with the same bits as if it had never been interrupted.
    of : mapping, optional
        What else the run depends on (JSON values: the model's settings, a digest of its data). A checkpoint
        of a run of another kind is refused.

    Raises
    ------
    ValueError
        If there are no rows, the loss or the validation is not finite, or the checkpoint is broken or of another run.
    """
    if n_rows < 1:
        raise ValueError("training needs at least one row, and there are none.")
    optimiser = torch.optim.AdamW(network.parameters(), lr=how.lr, weight_decay=how.weight_decay)
    run = json.dumps({"how": asdict(how), "seed": seed, "rows": n_rows, "of": dict(of or {})}, sort_keys=True)
    n_steps = how.epochs * math.ceil(n_rows / how.batch)
    history: list[Epoch] = []
    best = _copy(network)
    with seeded(seed):
        if checkpoint is not None and checkpoint.exists():
            history, best = _load(checkpoint, run, network, optimiser)
        bar = tqdm(total=how.epochs, initial=len(history), desc=name, unit="epoch", delay=2, disable=None, leave=False)
        with bar:
            while len(history) < how.epochs and not _is_over(history, how.patience):
                step = len(history) * math.ceil(n_rows / how.batch)
                total = 0.0
                network.train()
                for rows in torch.split(torch.randperm(n_rows), how.batch):
                    for group in optimiser.param_groups:
                        group["lr"] = how.lr * (1 - step / n_steps)
                    loss = loss_of(rows)
                    optimiser.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    nn.utils.clip_grad_norm_(network.parameters(), how.clip)
                    optimiser.step()
                    total += loss.item() * len(rows)
                    step += 1
                history.append(Epoch(_finite(total / n_rows, "loss", history), _validation(network, validate, history)))
                if validate is None or _best(history) == len(history) - 1:
                    best = _copy(network)
                if checkpoint is not None:
                    _save(checkpoint, run, network, optimiser, history, best)
                bar.update()
                bar.set_postfix(loss=f"{history[-1].loss:.4f}", validation=f"{history[-1].validation:.4f}")
    network.load_state_dict(best)
    network.eval()
    return history


def _best(history: list[Epoch]) -> int:
    return max(range(len(history)), key=lambda epoch: history[epoch].validation)  # the first of equals


def _is_over(history: list[Epoch], patience: int | None) -> bool:
    return patience is not None and bool(history) and len(history) - 1 - _best(history) >= patience


def _validation(network: nn.Module, validate: Callable[[], float] | None, history: list[Epoch]) -> float:
    if validate is None:
        return math.nan
    network.eval()
    with torch.no_grad():
        return _finite(float(validate()), "validation", history)


def _finite(value: float, what: str, history: list[Epoch]) -> float:
    if not math.isfinite(value):
        raise ValueError(
            f"the {what} of epoch {len(history) + 1} is {value}; try a smaller lr, or look for NaN in the data."
        )
    return value


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _save(
    path: Path,
    run: str,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    history: list[Epoch],
    best: dict[str, Tensor],
) -> None:
    """Write everything that the next epoch depends on, to another name first: a kill leaves the old file whole."""
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{number}/{name}": tensor for name, tensor in state.items()}
    tensors["random/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"format": FORMAT, "run": run, "history": json.dumps(history)}
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, part, told)
    part.replace(path)


def _load(
    path: Path, run: str, network: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[list[Epoch], dict[str, Tensor]]:
    """Put network, optimiser and random numbers where they were; return the history and the best weights."""
    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} is no whole checkpoint ({error}); delete it to start again.") from error
    if told.get("format") != FORMAT:
        raise ValueError(f"{path.name} was not written by this training loop; name another checkpoint.")
    if told["run"] != run:
        raise ValueError(
            f"{path.name} is of a run with other settings or data; delete it to start again, or name another."
        )
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "best": {}, "optimiser": {}, "random": {}}
    for name, tensor in tensors.items():
        part, rest = name.split("/", 1)
        parts[part][rest] = tensor
    network.load_state_dict(parts["network"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts["optimiser"].items():
        number, what = name.split("/", 1)
        state.setdefault(int(number), {})[what] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    torch.set_rng_state(parts["random"]["cpu"])
    if "cuda" in parts["random"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(parts["random"]["cuda"])
    where = {name: tensor.device for name, tensor in network.state_dict().items()}
    best = {name: tensor.to(where[name]) for name, tensor in parts["best"].items()}
    return [Epoch(*epoch) for epoch in json.loads(told["history"])], best
