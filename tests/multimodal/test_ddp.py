"""Several processes: the result of one, for any number of viewers; and none of them waits for ever.

The processes are started as a reader would start them, by torchrun, twice in all, because each start takes seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from avrec_lib.multimodal.trainer import fit

from .small_run import QUICK, SmallModel, SmallRows, mean_loss, weights

CASES = {  # name: viewers, settings
    "even": (24, QUICK.but(batch=6, weight_decay=0.1, clip=0.5)),
    "an uneven last step": (5, QUICK.but(batch=4, epochs=4)),
    "parts": (23, QUICK.but(batch=5, accumulate=2)),
    "more parts than viewers": (7, QUICK.but(batch=5, accumulate=4)),
    "fewer viewers than processes": (1, QUICK.but(batch=4)),
    "workers": (9, QUICK.but(batch=4, workers=1)),
    "patience": (11, QUICK.but(epochs=8, patience=1, lr=0.5)),
}

PROGRAM = """
import json, os, signal, sys
from pathlib import Path
import torch
sys.path.insert(0, TESTS)
from small_run import QUICK, SmallModel, SmallRows, mean_loss, weights
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.trainer import fit

here, rank = Path(sys.argv[1]), int(os.environ["RANK"])
found = {}

def note(name, model, history):
    same = [torch.zeros_like(weights(model)) for _ in range(2)]
    torch.distributed.all_gather(same, weights(model))
    found[name] = dict(weights=weights(model).tolist(), agree=torch.equal(*same), seen=len(model.seen),
                       history=[list(record) for record in history])
    (here / f"{rank}.json").write_text(json.dumps(found))

"""

COMPARED = """
for name, (n, settings) in json.loads((here / "cases.json").read_text()).items():
    rows, model = SmallRows(n), SmallModel(seed=rank)  # the first process's weights are all's
    history = fit(model, rows, Settings(**settings), validate=lambda m: mean_loss(m, rows))
    note(name, model, history)

class Stops(SmallModel):
    def forward(self, batch):
        if rank == 1 and len(self.seen) == 3:
            signal.raise_signal(signal.SIGINT)  # one process alone is told
        return super().forward(batch)

whole = SmallModel(0.3)
note("whole", whole, fit(whole, SmallRows(), QUICK))
try:
    fit(Stops(0.3), SmallRows(), QUICK, folder=here / "run")
except KeyboardInterrupt as stop:
    found["stop"] = str(stop)
resumed = SmallModel(0.3, seed=8)
note("resumed", resumed, fit(resumed, SmallRows(), QUICK, folder=here / "run"))

class Poisoned(SmallModel):
    def forward(self, batch):
        self.before = weights(self)
        return super().forward(batch) * (float("nan") if rank == 1 and len(self.seen) == 3 else 1)

model = Poisoned()
try:
    fit(model, SmallRows(), QUICK)
except ValueError as error:
    found["nan"] = [str(error), torch.equal(weights(model), model.before)]
(here / f"{rank}.json").write_text(json.dumps(found))
"""

DYING = """
class Dies(SmallModel):
    def forward(self, batch):
        if rank == 1 and len(self.seen) == 7:
            os._exit(3)
        return super().forward(batch)

try:
    fit(Dies(), SmallRows(), QUICK, folder=here / "run")
except RuntimeError as error:
    (here / "told.txt").write_text(str(error))
    raise
"""


def torchrun(folder, program, timeout):
    script = folder / "script.py"
    script.write_text(PROGRAM.replace("TESTS", repr(str(Path(__file__).parent))) + program)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", script, folder]
    place = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    process = subprocess.Popen(command, env=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, told = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.terminate()  # torchrun ends its processes; a kill would leave them
        out, told = process.communicate(timeout=60)
        pytest.fail(f"the processes hung: {told[-3000:]}")
    return subprocess.CompletedProcess(command, process.returncode, out, told)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Return what both processes found."""
    folder = tmp_path_factory.mktemp("two")
    cases = {name: (n, settings.to_dict()) for name, (n, settings) in CASES.items()}
    (folder / "cases.json").write_text(json.dumps(cases))
    done = torchrun(folder, COMPARED, 120)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_with_the_weights_of_one(two, case):
    n, settings = CASES[case]
    rows, model = SmallRows(n), SmallModel(seed=0)
    history = fit(model, rows, settings, validate=lambda m: mean_loss(m, rows))
    for found in two:
        told = found[case]
        assert told["agree"]
        torch.testing.assert_close(torch.tensor(told["weights"]), weights(model), rtol=0, atol=1e-5)
        assert len(told["history"]) == len(history)
        for theirs, ours in zip(told["history"], history, strict=True):
            assert theirs[:4] == pytest.approx(list(ours[:4]), abs=1e-5)  # epoch, loss, validation, lr


def test_each_process_computes_its_share_only(two):
    assert two[0]["even"]["seen"] == two[1]["even"]["seen"] == 3 * 4
    assert two[0]["parts"]["seen"] == 3 * (4 * 2 + 2)  # 5 viewers are 3 and 2, the last 3 are 2 and 1: in two parts
    assert two[1]["parts"]["seen"] == 3 * (4 * 2 + 1)


def test_a_run_of_two_processes_of_which_one_is_interrupted_goes_on_with_the_same_bits(two):
    for found in two:
        assert "after step 4 of 15; call fit again" in found["stop"]
        assert "from step 4" in found["stop"]  # the other process knows of the checkpoint too
        assert found["resumed"]["seen"] == 11
        assert found["resumed"]["weights"] == found["whole"]["weights"]  # with dropout, other in each process


def test_a_loss_that_is_no_number_in_one_process_stops_both_before_the_step(two):
    for found in two:
        told, kept = found["nan"]
        assert "the loss of step 3 is nan" in told
        assert kept
    assert two[0]["nan"][0] == two[1]["nan"][0]


def test_a_process_that_dies_ends_the_run_soon_with_a_message(tmp_path):
    started = time.monotonic()
    done = torchrun(tmp_path, DYING, 100)
    assert time.monotonic() - started < 60
    assert done.returncode != 0
    assert "exitcode  : 3" in done.stderr
    told = tmp_path / "told.txt"  # torchrun may have ended the other process before it noticed
    assert not told.exists() or "another process of this run has ended" in told.read_text()
    model, whole = SmallModel(), SmallModel()
    fit(model, SmallRows(), QUICK, folder=tmp_path / "run")  # one process goes on where two had been
    assert len(model.seen) == 10
    fit(whole, SmallRows(), QUICK)
    torch.testing.assert_close(weights(model), weights(whole), rtol=0, atol=1e-5)
