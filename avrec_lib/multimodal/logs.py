"""What a run says about itself: a record an epoch, in a CSV file and, if TensorBoard is installed, in its event file.

Page 7.3. Both files are made from the history, which the checkpoint holds too. So a run that was killed and went on
leaves the log that it would have left without it: no epoch twice, none missing.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

CSV, EVENTS = "log.csv", "events.out.tfevents.avrec"


class Record(NamedTuple):
    """What one epoch came to.

    Attributes
    ----------
    epoch : int
        1, 2, …
    loss : float
        Mean loss of its rows, each as it was when its step was taken.
    validation : float
        Higher is better; NaN if nobody asked.
    lr : float
        Step size of its last step, of what is not slow.
    seconds : float
        Spent on its steps, without validation and checkpoints.
    rows_per_second : float
        Of all processes together.
    waiting : float
        Share of the seconds in which the main process waited for a batch to be gathered, 0 … 1.
    """

    epoch: int
    loss: float
    validation: float
    lr: float
    seconds: float
    rows_per_second: float
    waiting: float


def write_log(folder: Path, history: Sequence[Record], *, again: bool = False) -> None:
    """Write the history to `log.csv`, and its last epoch to TensorBoard's file.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    history : sequence of Record
    again : bool
        Write TensorBoard's file from the first epoch on, as is due when a run begins or goes on.

    Raises
    ------
    OSError
        If it can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{CSV}.{os.getpid()}.part"
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(Record._fields)
            writer.writerows(history)
        part.replace(folder / CSV)
    finally:
        part.unlink(missing_ok=True)
    if importlib.util.find_spec("tensorboard") is not None:
        _write_events(folder / EVENTS, history if again else history[-1:], again)


def _write_events(path: Path, records: Sequence[Record], again: bool) -> None:
    """Append the records, or begin the file anew with them.

    The file is a chain of protocol buffers. It is written without `torch.utils.tensorboard`, which would load
    TensorFlow wherever that is installed.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    events = [Event(wall_time=time.time(), file_version="brain.Event:2")] if again else []
    ended = time.time() - sum(record.seconds for record in records[1:])  # when the first of them did, about
    for place, record in enumerate(records):
        ended += record.seconds if place else 0
        named = {f"training/{name}": value for name, value in zip(Record._fields[1:], record[1:], strict=True)}
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in named.items()]
        events.append(Event(wall_time=ended, step=record.epoch, summary=Summary(value=values)))
    with path.open("wb" if again else "ab") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
