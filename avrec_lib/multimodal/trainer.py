"""The training loop of the full model: a laptop, one GPU, or many, and the same weights however a step is split.

Page 7.3. Hugging Face Accelerate finds out where the program runs and connects its processes; what a step is stands
here. Started by `python`, it uses the best device there is. Started by `torchrun --nproc_per_node 4`, each process
computes a quarter of every step. If one of them dies, the others fail at the next exchange, and torchrun ends them all
with a status that is not 0; the same command then goes on from the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from avrec_lib.multimodal import processes
from avrec_lib.multimodal.gathering import Rows
from avrec_lib.multimodal.logs import Record
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.steps import products
from avrec_lib.multimodal.stops import explained, interrupts
from avrec_lib.multimodal.training_state import TrainingState, Validate


def fit(
    model: nn.Module,
    rows: Rows,
    settings: Settings,
    *,
    folder: str | Path | None = None,
    validate: Validate | None = None,
    of: Mapping[str, Any] | None = None,
    every: int | None = None,
    name: str = "training",
) -> list[Record]:
    """Make the mean loss of the rows small, and leave in the model the weights of its best epoch.

    A step takes `settings.batch` viewers. Its loss is (Σ over processes and parts of model(batch)) / (Σ of their rows),
    so how it is split changes nothing, if the model's loss of some viewers is the sum of theirs (a softmax among the
    clips of a batch is not, nor is batch normalisation). The best epoch is that of the highest validation, the first
    of equals; without `validate`, the last one.

    Parameters
    ----------
    model : Module
        `model(batch)` returns the sum of the losses of a batch's rows, a scalar. It is moved to the device, changed in
        place, and in evaluation mode at the end. If it has a method `at(share of the steps done)`, that is called
        before each step and each validation, and once more at the end with the share at which the best weights were
        found. Chance has to come from torch's random numbers, or a run that goes on is not the same run.
    rows : Rows
        Has a length (viewers) and `batch(numbers)`; see `avrec_lib.multimodal.gathering`.
    settings : Settings
    folder : path, optional
        Gets `checkpoint.safetensors`, `settings.yaml`, `log.csv` and TensorBoard's file. If it holds a checkpoint, the
        run goes on from there, and on a CPU ends with the same bits as if it had never stopped. All processes have to
        see it. If the disk is full there is a warning, the checkpoint before stays, and training goes on.
    validate : callable, optional
        Takes the model, in evaluation mode and without gradients, after each epoch, in the main process alone.
    of : mapping of JSON values, optional
        What else the run depends on, such as a digest of its data. A checkpoint of another run is refused.
    every : int, optional
        Write a checkpoint after so many steps, too, and not only after each epoch.
    name : str
        Of the progress bar.

    Returns
    -------
    list of Record
        One an epoch, those before an interruption included.

    Raises
    ------
    ValueError
        If there are no rows, a loss, gradient or validation is not finite (the weights are then those before the step),
        or the checkpoint is broken or of another run.
    MemoryError
        If a step needs more memory than there is.
    KeyboardInterrupt
        After Ctrl-C: with a folder, the step is ended and a checkpoint written; a second Ctrl-C stops at once.
    """
    if len(rows) < 1 or (every is not None and every < 1):
        raise ValueError(f"training needs at least one row, and every at least 1; there are {len(rows)} and {every}.")
    accelerator = processes.connect()
    where = None if folder is None else Path(folder)
    about = {"settings": settings.to_dict(), "rows": len(rows), "of": dict(of or {}), "validated": validate is not None}
    with (
        processes.own_random(settings.seed, accelerator),
        products(settings.precision, accelerator.device) as rounded,
        explained(settings, accelerator.num_processes),
    ):
        run = TrainingState(model, rows, settings, accelerator, where, about, rounded)
        try:
            with interrupts(where is not None) as interrupted, run.bar(name) as bar:
                while not run.is_over():
                    for step in run.steps(interrupted):
                        run.take(step)
                        bar.update()
                        if every and run.past.step % every == 0 and run.past.step % run.n_steps:
                            run.save()
                    run.end_epoch(validate)
                    last = run.past.history[-1]
                    bar.set_postfix(loss=f"{last.loss:.4f}", validation=f"{last.validation:.4f}")
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(run.how_to_go_on()) from stop
        run.end()
    return run.past.history
