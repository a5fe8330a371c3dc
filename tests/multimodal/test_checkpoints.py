"""A run on disk: what comes back is what was written, a kill costs no bit, and what is broken or foreign is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from avrec_lib.multimodal import checkpoints
from avrec_lib.multimodal.checkpoints import CHECKPOINT, Progress, read_checkpoint, write_checkpoint
from avrec_lib.multimodal.logs import Record
from avrec_lib.multimodal.trainer import fit

from .small_run import QUICK, SmallModel, SmallRows, mean_loss, weights

RUN = {"settings": QUICK.to_dict(), "rows": 5, "of": {"data": "abc"}}
PROGRESS = Progress(7, 1.5, 20.0, 0.25, 0.125, [Record(1, 0.1, float("-inf"), 0.02, 3.5, 7.25, 0.1)])


def some_tensors():
    shared = torch.randn(3, 4)
    return {
        "network": {"a": shared, "b": shared, "turned": shared.T, "count": torch.tensor(3)},
        "best": {"a": torch.randn(2).bfloat16(), "none": torch.zeros(0, 2)},
        "optimiser": {"0/exp_avg": torch.randn(3, 4, 5, 5).to(memory_format=torch.channels_last)},
        "random": {"0/cpu": torch.get_rng_state()},
    }


def test_what_comes_back_is_what_was_written(tmp_path):
    tensors, path = some_tensors(), tmp_path / "new" / "c"
    write_checkpoint(path, RUN, PROGRESS, tensors)
    progress, read = read_checkpoint(path, RUN)
    assert progress == PROGRESS
    assert isinstance(progress.history[0], Record)
    assert {part: list(named) for part, named in read.items()} == {p: sorted(named) for p, named in tensors.items()}
    for part, named in tensors.items():
        for name, tensor in named.items():
            assert torch.equal(read[part][name], tensor)
            assert read[part][name].dtype == tensor.dtype
    assert [p.name for p in path.parent.iterdir()] == ["c"]


def test_a_checkpoint_holds_a_description_that_other_programs_can_read(tmp_path):
    fit(SmallModel(), SmallRows(5), QUICK.but(epochs=1), folder=tmp_path, of={"data": "abc"})
    with safe_open(tmp_path / CHECKPOINT, framework="np") as file:
        told = file.metadata()
    run = json.loads(told["run"])
    assert run["settings"] == QUICK.but(epochs=1).to_dict()
    assert (run["rows"], run["of"]) == (5, {"data": "abc"})
    assert json.loads(told["progress"])["step"] == 1


def test_the_state_of_an_optimiser_comes_back():
    def optimiser(network):
        return torch.optim.AdamW(network.parameters(), lr=0.1)

    one, two = nn.Linear(3, 2), nn.Linear(3, 2)
    two.load_state_dict(one.state_dict())
    first, second = optimiser(one), optimiser(two)
    one(torch.ones(1, 3)).sum().backward()
    first.step()
    tensors = {name: tensor.clone() for name, tensor in checkpoints.optimiser_tensors(first).items()}
    assert {"0/exp_avg", "0/exp_avg_sq", "0/step", "1/exp_avg"} <= tensors.keys()
    two.load_state_dict(one.state_dict())
    checkpoints.load_optimiser(second, tensors)
    for network, its in ((one, first), (two, second)):
        its.zero_grad()
        network(torch.ones(1, 3)).square().sum().backward()
        its.step()
    assert torch.equal(weights(one), weights(two))


# --- a kill


# It runs in an interpreter of its own: a process forked from one whose threads have worked can wait for them for ever.
KILLS = """
import json, multiprocessing, os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, TESTS)
import accelerate, torch._dynamo  # each child would load them anew
from small_run import QUICK, SmallModel, SmallRows, mean_loss
from avrec_lib.multimodal.checkpoints import CHECKPOINT, read_checkpoint
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.trainer import fit

folder, settings, every = Path(sys.argv[1]), Settings(**json.loads(sys.argv[2])), json.loads(sys.argv[3])
path, rng, steps = folder / CHECKPOINT, random.Random(settings.accumulate), []

def train_slowly():
    model = SmallModel(0.3, waits=0.002)
    fit(model, SmallRows(), settings, folder=folder, every=every, validate=lambda m: mean_loss(m, SmallRows()))

for _ in range(6):
    before = path.stat().st_mtime_ns if steps else 0
    process = multiprocessing.get_context("fork").Process(target=train_slowly)
    process.start()
    while process.is_alive() and not (path.exists() and path.stat().st_mtime_ns > before):
        time.sleep(0.002)  # until it has written one checkpoint more, or is done
    time.sleep(rng.uniform(0, 0.03))
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    about = {"settings": settings.to_dict(), "rows": 23, "of": {}, "validated": True}
    steps.append(read_checkpoint(path, about)[0].step)
print(json.dumps(steps))
"""


@pytest.mark.parametrize(("accumulate", "every"), [(1, None), (2, 2)])
def test_a_run_killed_at_any_moments_ends_with_the_same_bits(tmp_path, accumulate, every):
    settings, whole = QUICK.but(epochs=6, accumulate=accumulate), SmallModel(0.3)
    history = fit(whole, SmallRows(), settings, validate=lambda m: mean_loss(m, SmallRows()))
    told = [str(tmp_path), json.dumps(settings.to_dict()), json.dumps(every)]
    program = KILLS.replace("TESTS", repr(str(Path(__file__).parent)))
    killed = subprocess.run([sys.executable, "-c", program, *told], capture_output=True, text=True, timeout=100)
    assert killed.returncode == 0, killed.stderr[-3000:]
    steps = set(json.loads(killed.stdout))
    assert len(steps) >= 3  # it was killed, and went on, at several places
    assert every is None or any(step % 5 for step in steps)  # also within an epoch
    resumed = SmallModel(0.3, seed=9)  # other first weights: they must not matter
    again = fit(resumed, SmallRows(), settings, folder=tmp_path, validate=lambda m: mean_loss(m, SmallRows()))
    assert [(r.epoch, r.loss, r.validation, r.lr) for r in again] == [
        (r.epoch, r.loss, r.validation, r.lr) for r in history
    ]
    assert torch.equal(weights(resumed), weights(whole))
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.parametrize("after", [1, 4, 5, 6, 9, 14])
def test_a_run_stopped_after_any_step_goes_on_with_the_same_bits(tmp_path, after):
    class Stops(SmallModel):
        def forward(self, batch):
            if len(self.seen) == 2 * after:  # two parts a step
                raise KeyboardInterrupt
            return super().forward(batch)

    settings, whole = QUICK.but(accumulate=2, workers=0), SmallModel(0.3)
    fit(whole, SmallRows(), settings)
    with pytest.raises(KeyboardInterrupt, match=f"after step {after} of 15; .* from step {after} "):
        fit(Stops(0.3), SmallRows(), settings, folder=tmp_path, every=1)
    resumed = SmallModel(0.3, seed=9)
    fit(resumed, SmallRows(), settings.but(workers=1), folder=tmp_path)
    assert len(resumed.seen) == 30 - 2 * after
    assert torch.equal(weights(resumed), weights(whole))


def test_patience_and_the_best_weights_outlive_a_kill(tmp_path):
    told = [0.1, 0.9, 0.2, 0.3]
    settings = QUICK.but(epochs=9, patience=2)

    def validate(model, until=99):
        epoch = round(model.told[-1] * 9) - 1
        if epoch == until:
            raise KeyboardInterrupt
        return told[epoch]

    whole = SmallModel(0.3)
    history = fit(whole, SmallRows(), settings, validate=validate)
    assert len(history) == 4
    with pytest.raises(KeyboardInterrupt, match="from step 10"):
        fit(SmallModel(0.3), SmallRows(), settings, validate=lambda m: validate(m, 2), folder=tmp_path)
    resumed = SmallModel(0.3)
    assert len(fit(resumed, SmallRows(), settings, validate=validate, folder=tmp_path)) == 4
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed.told[-1] == whole.told[-1] == 2 / 9


def test_a_finished_run_is_not_run_again(tmp_path):
    model, other = SmallModel(), SmallModel(seed=3)
    history = fit(model, SmallRows(), QUICK, folder=tmp_path)
    assert str(fit(other, SmallRows(), QUICK, folder=tmp_path)) == str(history)  # NaN is no NaN's equal
    assert other.seen == []
    assert torch.equal(weights(other), weights(model))


def test_accumulate_and_workers_may_change_on_the_way(tmp_path):
    class Full(SmallModel):
        def forward(self, batch):
            if len(self.seen) == 7:
                raise MemoryError
            return super().forward(batch)

    with pytest.raises(MemoryError, match="raise accumulate"):
        fit(Full(), SmallRows(), QUICK, folder=tmp_path)
    model, whole = SmallModel(), SmallModel()
    fit(model, SmallRows(), QUICK.but(accumulate=2, workers=1), folder=tmp_path)  # the remedy does not lose the run
    fit(whole, SmallRows(), QUICK)
    torch.testing.assert_close(weights(model), weights(whole), rtol=0, atol=1e-6)


# --- what can't be read


def changed(content, what):
    if what == "empty":
        return b""
    if what == "text":
        return b"not a checkpoint at all"
    if what == "cut":
        return content[: len(content) // 2]
    if what == "no end":
        return content[:-1]
    flipped = bytearray(content)
    flipped[-5] ^= 1  # a number
    return bytes(flipped)


@pytest.mark.parametrize("what", ["empty", "text", "cut", "no end", "one bit"])
def test_a_broken_checkpoint_is_refused(tmp_path, what):
    path = tmp_path / CHECKPOINT
    fit(SmallModel(), SmallRows(5), QUICK.but(epochs=1), folder=tmp_path)
    path.write_bytes(changed(path.read_bytes(), what))
    before = path.read_bytes()
    with pytest.raises(
        ValueError, match=r"checkpoint\.safetensors is no whole checkpoint .*; delete it to start again"
    ):
        fit(SmallModel(), SmallRows(5), QUICK.but(epochs=1), folder=tmp_path)
    assert path.read_bytes() == before


def test_a_changed_history_is_refused(tmp_path):
    path = tmp_path / "c"
    write_checkpoint(path, RUN, PROGRESS, some_tensors())
    path.write_bytes(path.read_bytes().replace(b'\\"seconds\\": 0.25', b'\\"seconds\\": 0.26'))
    with pytest.raises(ValueError, match="do not fit their checksum"):
        read_checkpoint(path, RUN)


def test_a_folder_in_its_place_is_refused(tmp_path):
    (tmp_path / CHECKPOINT).mkdir()
    with pytest.raises(ValueError, match="is no whole checkpoint"):
        fit(SmallModel(), SmallRows(5), QUICK, folder=tmp_path)


def test_a_foreign_file_of_tensors_is_refused(tmp_path):
    for told in ({}, {"format": "avrec training checkpoint 1"}):
        save_file({"network/a": torch.zeros(1)}, tmp_path / CHECKPOINT, told)
        with pytest.raises(ValueError, match=r"no checkpoint of this trainer; choose another folder"):
            fit(SmallModel(), SmallRows(5), QUICK, folder=tmp_path)


def test_how_a_step_is_divided_may_change_unless_the_loss_compares_what_is_in_one_part():
    for loss, told in (("pointwise", []), ("softmax", ["accumulate was 1 and is 2"])):
        before, now = (QUICK.but(user="both", loss=loss, accumulate=n).to_dict() for n in (1, 2))
        assert checkpoints._differences({"settings": before}, {"settings": now}) == told


def test_a_checkpoint_of_another_run_is_refused_with_what_differs(tmp_path):
    fit(SmallModel(), SmallRows(5), QUICK, folder=tmp_path, of={"data": "abc"})
    log = (tmp_path / "log.csv").read_bytes()
    for settings, n, of, told in (
        (QUICK.but(lr=0.5), 5, "abc", "lr was 0.02 and is 0.5"),
        (QUICK.but(lr=0.5, epochs=9), 5, "abc", "epochs was 3 and is 9, lr was 0.02 and is 0.5"),
        (QUICK, 6, "abc", "rows was 5 and is 6"),
        (QUICK, 5, "xyz", "of was {'data': 'abc'} and is {'data': 'xyz'}"),
    ):
        with pytest.raises(ValueError, match=f"is of another run .{told}.; delete it to start again, or choose"):
            fit(SmallModel(), SmallRows(n), settings, folder=tmp_path, of={"data": of})
    with pytest.raises(ValueError, match="validated was False and is True"):
        fit(SmallModel(), SmallRows(5), QUICK, folder=tmp_path, of={"data": "abc"}, validate=lambda _: 0)
    assert (tmp_path / "log.csv").read_bytes() == log


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    fit(SmallModel(), SmallRows(5), QUICK, folder=tmp_path)
    other = SmallModel()
    other.net[3] = nn.Linear(8, 2)
    with pytest.raises(ValueError, match=r"does not fit the model \(.*net\.3.*\); delete it to start again"):
        fit(other, SmallRows(5), QUICK, folder=tmp_path)


# --- a disk that can't be written


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("I/O error: no space")])
def test_a_failed_write_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch, error):
    path = tmp_path / "c"
    write_checkpoint(path, RUN, PROGRESS, some_tensors())
    before = path.read_bytes()

    def full(tensors, part, told):
        part.write_bytes(b"half")
        raise error

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OSError, match="space"):
        write_checkpoint(path, RUN, PROGRESS, some_tensors())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_the_system_refuses_is_an_oserror_and_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    path, before = tmp_path / "c", resource.getrlimit(resource.RLIMIT_FSIZE)
    write_checkpoint(path, RUN, PROGRESS, {})
    large = some_tensors() | {"best": {"large": torch.zeros(10_000)}}
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))  # a file may not grow beyond it, as on a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            write_checkpoint(path, RUN, Progress(), large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == [path]
    assert read_checkpoint(path, RUN)[0] == PROGRESS


def test_what_killed_writers_left_is_removed(tmp_path):
    left = [tmp_path / f"{name}.4711.part" for name in (CHECKPOINT, "log.csv", "settings.yaml")]
    for part in left:
        part.write_bytes(b"half of it")
    other = tmp_path / "mine.part"
    other.write_bytes(b"")
    fit(SmallModel(), SmallRows(5), QUICK.but(epochs=1), folder=tmp_path)
    assert not any(part.exists() for part in left)
    assert other.exists()
