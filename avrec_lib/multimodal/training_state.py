"""All that training changes: the model and its optimiser, how far it has come, its best weights, and their files.

Page 7.3. `avrec_lib.multimodal.trainer` is the loop over these steps and epochs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from avrec_lib.multimodal import checkpoints, processes
from avrec_lib.multimodal.gathering import Gathered, Ints, Order, Part, Rows, loader
from avrec_lib.multimodal.logs import CSV, Record, write_log
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.steps import make_optimiser, step_size

if TYPE_CHECKING:
    from accelerate import Accelerator

SETTINGS = "settings.yaml"
Validate = Callable[[nn.Module], float]


class Step(NamedTuple):
    """What this process computes of a step: batches and parts are of one length."""

    viewers: Ints  # of all processes
    batches: list[Gathered]
    parts: list[Part]
    n: int  # rows of all processes
    started: float
    waited: float  # seconds, until the batches were there


class TrainingState:
    """A model in training. The processes of a run hold one each, and call its methods in the same order."""

    def __init__(
        self,
        model: nn.Module,
        rows: Rows,
        settings: Settings,
        accelerator: Accelerator,
        folder: Path | None,
        about: Mapping[str, Any],
        rounded: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self.model, self.settings, self.accelerator = model.to(accelerator.device), settings, accelerator
        self.about, self.rounded, self.folder = about, rounded, folder
        self.n_steps = math.ceil(len(rows) / settings.batch)  # of an epoch
        self.optimiser = make_optimiser(model, settings)
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.best: dict[str, Tensor] = {}
        self.past, self.saved = checkpoints.Progress(), -1  # the step of the last checkpoint
        if folder is not None:
            self._open(folder)
        self.wrapped = processes.connected(model, accelerator)
        self.forward = torch.compile(self.wrapped) if settings.compile else self.wrapped
        self.order = Order(len(rows), settings, accelerator.num_processes, accelerator.process_index, self.past.step)
        self.gathered = iter(loader(rows, self.order, pin=accelerator.device.type == "cuda"))

    def is_over(self) -> bool:
        """Say whether all epochs are done, or the patience is at its end."""
        history, patience = self.past.history, self.settings.patience
        if len(history) == self.settings.epochs or not history:
            return bool(history)
        return patience is not None and self.about["validated"] and len(history) - 1 - self._best_epoch() >= patience

    def steps(self, interrupted: Callable[[], bool]) -> Iterator[Step]:
        """Yield the steps that are left of the epoch; stop between two of them if any process was interrupted."""
        self.model.train()
        epoch = len(self.past.history)
        for viewers, parts in self.order.steps(epoch, self.past.step - epoch * self.n_steps):
            started = perf_counter()
            batches = [next(self.gathered) for _ in parts]
            waited = perf_counter() - started
            n = sum(batch.n for batch, part in zip(batches, parts, strict=True) if part.counts)
            n, stops = processes.summed(self.accelerator, n, interrupted())
            if stops:
                self.save()
                raise KeyboardInterrupt
            yield Step(viewers, batches, parts, int(n), started, waited)

    def take(self, step: Step) -> None:
        """Compute the gradient of the mean loss over all processes and parts, and step against it."""
        total = self.settings.epochs * self.n_steps
        self._at(self.past.step / total)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.lr * group["share"] * step_size(self.past.step, total, self.settings.warmup)
        scale = self.accelerator.num_processes / max(step.n, 1)  # the gradients of the processes will be averaged
        self.optimiser.zero_grad()
        losses: list[Tensor] = []
        for batch, part in zip(step.batches, step.parts, strict=True):
            exchanges = len(losses) == len(step.parts) - 1  # gradients are exchanged once a step, with the last part
            with nullcontext() if exchanges else self.accelerator.no_sync(self.wrapped):
                with self.rounded():
                    loss = self.forward(batch.to(self.accelerator.device, non_blocking=True)).float()
                self.accelerator.backward(loss * (scale if part.counts else 0.0))
            losses.append(loss.detach() if part.counts else torch.zeros_like(loss))
        loss = processes.summed_tensor(self.accelerator, torch.stack(losses).sum())
        length = self.accelerator.clip_grad_norm_(self.trained, self.settings.clip)
        values = torch.stack([loss, length.float()]).tolist()  # the one moment in which a GPU is waited for
        self._check(step, *values)
        self.optimiser.step()
        self.past.step += 1
        self.past.loss += values[0]
        self.past.rows += step.n
        self.past.seconds += perf_counter() - step.started
        self.past.waiting += step.waited

    def end_epoch(self, validate: Validate | None) -> None:
        """Validate, keep the weights if they are the best yet, and write all of it down."""
        past, epoch = self.past, len(self.past.history) + 1
        self._at(epoch / self.settings.epochs)
        validation = math.nan if validate is None else self._validation(validate)
        fast = max(group["lr"] / group["share"] for group in self.optimiser.param_groups)
        seconds = max(past.seconds, 1e-9)
        loss = past.loss / max(past.rows, 1)
        past.history.append(
            Record(epoch, loss, validation, fast, past.seconds, past.rows / seconds, past.waiting / seconds)
        )
        past.loss = past.rows = past.seconds = past.waiting = 0.0
        if validate is not None and self._best_epoch() == epoch - 1:
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.save()
        if self.folder is not None and self.accelerator.is_main_process:
            with _unless_full("the log"):
                write_log(self.folder, past.history)

    def end(self) -> None:
        """Put the best weights into the model."""
        if self.best:
            self.model.load_state_dict(self.best)
        done = self._best_epoch() + 1 if self.about["validated"] else len(self.past.history)
        self._at(done / self.settings.epochs)
        self.model.eval()

    def save(self) -> None:
        """Write a checkpoint; all processes have to call it, for each has random numbers of its own."""
        if self.folder is None:
            return
        random, written = processes.random_states(self.accelerator), False
        if self.accelerator.is_main_process:
            parts = {"network": self.model.state_dict(), "best": self.best, "random": random}
            parts["optimiser"] = checkpoints.optimiser_tensors(self.optimiser)
            with _unless_full("a checkpoint"):
                checkpoints.write_checkpoint(self.folder / checkpoints.CHECKPOINT, self.about, self.past, parts)
                written = True
        if processes.summed(self.accelerator, written)[0]:  # nobody leaves before it is there
            self.saved = self.past.step

    def how_to_go_on(self) -> str:
        """Say where the run is, and how to start it again."""
        told = f"training was interrupted after step {self.past.step} of {self.settings.epochs * self.n_steps}; "
        if self.saved < 0 or self.folder is None:
            return told + "there is no checkpoint: give fit a folder, and every for one within an epoch."
        return told + f"call fit again with the same arguments, and it goes on from step {self.saved} ({self.folder})."

    def bar(self, name: str) -> tqdm[Any]:
        """Return a progress bar, in the main process alone."""
        total, quiet = self.settings.epochs * self.n_steps, None if self.accelerator.is_main_process else True
        return tqdm(total=total, initial=self.past.step, desc=name, unit="step", delay=2, disable=quiet, leave=False)

    def _open(self, folder: Path) -> None:
        """Go on from the checkpoint in the folder, if there is one, and begin the log."""
        path = folder / checkpoints.CHECKPOINT
        if path.exists():
            self.past, tensors = checkpoints.read_checkpoint(path, self.about)
            try:
                self.model.load_state_dict(tensors["network"])
                checkpoints.load_optimiser(self.optimiser, tensors["optimiser"])
            except (RuntimeError, ValueError, KeyError) as error:
                told = " ".join(str(error).split())
                raise ValueError(
                    f"{path} does not fit the model ({told}); delete it to start again, or choose another folder."
                ) from error
            here = self.accelerator.device
            self.best = {name: tensor.to(here) for name, tensor in tensors["best"].items()}
            processes.restore_random(self.accelerator, tensors["random"], self.settings.seed + self.past.step)
            self.saved = self.past.step
        if processes.summed(self.accelerator, self.past.step)[0] != self.accelerator.num_processes * self.past.step:
            raise ValueError(
                f"the processes of the run see different checkpoints; {folder} must be one that all can read."
            )
        if self.accelerator.is_main_process:
            for name in (checkpoints.CHECKPOINT, CSV, SETTINGS):
                checkpoints.remove_parts(folder / name)
            write_log(folder, self.past.history, again=True)
            self.settings.save(folder / SETTINGS)

    def _check(self, step: Step, loss: float, length: float) -> None:
        if math.isfinite(loss) and math.isfinite(length):
            return
        self.optimiser.zero_grad()
        what = f"the gradient of step {self.past.step + 1} has the length {length}"
        if not math.isfinite(loss):
            what = f"the loss of step {self.past.step + 1} is {loss}"
        viewers = ", ".join(map(str, sorted(step.viewers.tolist())))
        raise ValueError(
            f"{what}; the step was not taken. It had the viewers {viewers}: look for NaN in what is known of them, or "
            "try a smaller lr."
        )

    def _validation(self, validate: Validate) -> float:
        """Return the number of the main process in all processes."""
        value = 0.0
        if self.accelerator.is_main_process:
            self.model.eval()
            with torch.no_grad():
                value = float(validate(self.model))
        value = processes.summed(self.accelerator, value)[0]  # the others add 0
        if not math.isfinite(value):
            raise ValueError(
                f"the validation of epoch {len(self.past.history) + 1} is {value}; make validate return a number, or "
                "try a smaller lr."
            )
        return value

    def _best_epoch(self) -> int:
        history = self.past.history
        return max(range(len(history)), key=lambda epoch: history[epoch].validation)  # the first of equals

    def _at(self, progress: float) -> None:
        told = getattr(self.model, "at", None)
        if told is not None:
            told(progress)


@contextmanager
def _unless_full(what: str) -> Iterator[None]:
    """Warn, and go on, if something can't be written: hours of training are worth more than a file."""
    try:
        yield
    except OSError as error:
        warnings.warn(f"{what} could not be written ({error}); training goes on. Make room on the disk.", stacklevel=2)
