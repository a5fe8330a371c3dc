"""What a run writes down: every epoch once, in a table and in TensorBoard's file."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from avrec_lib.multimodal.logs import CSV, EVENTS, Record, write_log
from avrec_lib.multimodal.trainer import fit

from .small_run import QUICK, SmallModel, SmallRows

HISTORY = [
    Record(1, 0.1 + 0.2, float("nan"), 0.02, 3.5, 7.25, 0.125),
    Record(2, 1e-17, float("nan"), 0.01, 3.0, 8.0, 0.0),
]


def events(folder):
    """Return {tag: [(step, value), …]} as TensorBoard reads it."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    found = {}
    for event in loader.EventFileLoader(str(folder / EVENTS)).Load():
        for value in event.summary.value:
            number = value.tensor.float_val[0] if value.HasField("tensor") else value.simple_value
            found.setdefault(value.tag, []).append((event.step, number))
    return found


def test_the_table_holds_every_bit(tmp_path):
    write_log(tmp_path / "new", HISTORY)
    table = pd.read_csv(tmp_path / "new" / CSV)
    assert list(table) == ["epoch", "loss", "validation", "lr", "seconds", "rows_per_second", "waiting"]
    assert table["loss"].tolist() == [0.1 + 0.2, 1e-17]
    assert table["validation"].isna().all()


def test_a_run_without_an_epoch_has_an_empty_table(tmp_path):
    write_log(tmp_path, [], again=True)
    assert (tmp_path / CSV).read_text().splitlines() == [",".join(Record._fields)]


def test_tensorboard_reads_every_epoch_once(tmp_path):
    write_log(tmp_path, [], again=True)
    write_log(tmp_path, HISTORY[:1])
    write_log(tmp_path, HISTORY)
    found = events(tmp_path)
    assert found.keys() == {f"training/{name}" for name in Record._fields[1:]}
    assert found["training/loss"] == [(1, pytest.approx(0.3)), (2, pytest.approx(1e-17))]
    write_log(tmp_path, HISTORY[:1], again=True)  # a run that was killed between its checkpoint and its second epoch
    write_log(tmp_path, HISTORY)
    assert [step for step, _ in events(tmp_path)["training/seconds"]] == [1, 2]


def test_a_run_that_goes_on_leaves_the_log_of_one_that_never_stopped(tmp_path):
    class Stops(SmallModel):
        def forward(self, batch):
            if len(self.seen) == 8:
                raise KeyboardInterrupt
            return super().forward(batch)

    fit(SmallModel(), SmallRows(), QUICK, folder=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(Stops(), SmallRows(), QUICK, folder=tmp_path / "halved")
    with (tmp_path / "halved" / CSV).open("a") as file:
        file.write("2,9,9,9,9,9,9\n")  # an epoch that the checkpoint knows nothing of
    fit(SmallModel(), SmallRows(), QUICK, folder=tmp_path / "halved")
    whole, halved = (pd.read_csv(tmp_path / name / CSV)[["epoch", "loss", "lr"]] for name in ("whole", "halved"))
    pd.testing.assert_frame_equal(whole, halved)
    whole, halved = (events(tmp_path / name)["training/loss"] for name in ("whole", "halved"))
    assert whole == halved


def test_tensorboard_is_not_missed_where_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    write_log(tmp_path, HISTORY, again=True)
    assert [path.name for path in tmp_path.iterdir()] == [CSV]


def test_a_failed_write_leaves_the_last_table_whole(tmp_path, monkeypatch):
    write_log(tmp_path, HISTORY[:1])
    before = (tmp_path / CSV).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_log(tmp_path, HISTORY)
    assert (tmp_path / CSV).read_bytes() == before
    assert list(tmp_path.glob("*.part")) == []


def test_the_log_loads_neither_tensorflow_nor_the_trainer_accelerate(tmp_path):
    program = (
        "import sys; from pathlib import Path; import avrec_lib.multimodal.trainer\n"
        "assert 'accelerate' not in sys.modules and 'tensorboard' not in sys.modules\n"
        "from avrec_lib.multimodal.logs import Record, write_log\n"
        "write_log(Path(sys.argv[1]), [Record(1, .1, .2, .3, .4, .5, .6)], again=True)\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True, timeout=120)
