import subprocess
import sys

import pytest
import torch

from avrec_lib import device as module
from avrec_lib.device import device, size


@pytest.fixture
def machine(monkeypatch):
    """Pretend to be a machine with these GPUs, of which some work."""

    def pretend(available, working):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in available)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in available)
        monkeypatch.setattr(module, "_trial", lambda where: None if where.type in working else "driver too old")

    monkeypatch.delenv("AVREC_SIZE", raising=False)
    return pretend


@pytest.mark.parametrize(
    ("available", "best"), [((), "cpu"), (("cuda",), "cuda"), (("mps",), "mps"), (("cuda", "mps"), "cuda")]
)
def test_the_best_device_is_taken(machine, available, best):
    machine(available, available)
    assert device() == torch.device(best)


def test_a_gpu_that_is_seen_but_does_not_work_is_named_and_passed_over(machine):
    machine(("cuda",), ())
    with pytest.warns(UserWarning, match=r"sees a GPU \(cuda\) but can't use it: driver too old"):
        assert device() == torch.device("cpu")


def test_the_trial_says_what_went_wrong_and_nothing_when_all_is_well(monkeypatch):
    assert module._trial(torch.device("cpu")) is None

    def fail(*args, **kwargs):
        raise RuntimeError("no kernel image\nmore lines")

    monkeypatch.setattr(torch, "ones", fail)
    assert module._trial(torch.device("cpu")) == "no kernel image"


def test_the_trial_names_the_kind_of_an_error_without_words(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(torch, "ones", fail)
    assert module._trial(torch.device("cpu")) == "AssertionError"


@pytest.mark.parametrize(("text", "expected"), [("small", "small"), ("full", "full"), (" FULL ", "full")])
def test_the_size_is_what_the_variable_says(machine, monkeypatch, text, expected):
    machine(("cuda",), ("cuda",))
    monkeypatch.setenv("AVREC_SIZE", text)
    assert size() == expected


@pytest.mark.parametrize(("gpu", "expected"), [((), "small"), (("cuda",), "full"), (("mps",), "small")])
def test_without_the_variable_a_gpu_decides(machine, monkeypatch, gpu, expected):
    machine(gpu, gpu)
    assert size() == expected
    monkeypatch.setenv("AVREC_SIZE", "")
    assert size() == expected


def test_another_size_is_refused(machine, monkeypatch):
    monkeypatch.setenv("AVREC_SIZE", "huge")
    with pytest.raises(ValueError, match="AVREC_SIZE must be small or full, not 'huge'"):
        size()


def test_importing_the_module_does_not_load_torch():
    code = "import sys, avrec_lib.device; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
