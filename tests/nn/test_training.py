"""The training loop: what it minimises, which weights it keeps, and that a killed run ends as if it had not been."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from avrec_lib.nn.training import Epoch, Training, seeded, train

N = 60


def problem(seed: int = 0):
    """Return a small network with dropout, and the loss of its rows on a fixed random regression."""
    with seeded(seed):
        X, noise = torch.randn(N, 3), torch.randn(N)
        network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))
    y = X @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * noise

    def loss_of(rows):
        return functional.mse_loss(network(X[rows])[:, 0], y[rows])

    return network, loss_of


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_one_step_is_the_step_of_adamw():
    """The first step of Adam is the sign of the gradient times lr; here with weight decay before it."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 2.0)
    train(network, lambda rows: 3 * network.weight.sum(), 1, Training(1, lr=0.1, weight_decay=0.5))
    assert network.weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5) - 0.1, abs=1e-6)


def test_the_loop_equals_the_plain_loop_of_torch():
    network, loss_of = problem()
    other, loss_of_other = problem()
    train(network, loss_of, N, Training(3, batch=25, lr=0.01), seed=4)
    with seeded(4):
        optimiser = torch.optim.AdamW(other.parameters(), lr=0.01, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / 9)
        for _ in range(3):
            other.train()
            for rows in torch.randperm(N).split(25):
                optimiser.zero_grad()
                loss_of_other(rows).backward()
                nn.utils.clip_grad_norm_(other.parameters(), 5.0)
                optimiser.step()
                schedule.step()
    torch.testing.assert_close(weights(network), weights(other), rtol=0, atol=1e-7)


def test_each_epoch_visits_each_row_once_in_a_new_order():
    network, loss_of = problem()
    visited = []

    def noted(rows):
        visited.append(rows.tolist())
        return loss_of(rows)

    train(network, noted, N, Training(2, batch=25))
    assert [len(rows) for rows in visited] == [25, 25, 10] * 2
    first, second = ([row for rows in half for row in rows] for half in (visited[:3], visited[3:]))
    assert sorted(first) == sorted(second) == list(range(N))
    assert first != second


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows():
    network = nn.Linear(1, 1)
    history = train(network, lambda rows: rows.float().mean() + 0 * network.weight.sum(), 5, Training(1, batch=2))
    assert history[0].loss == pytest.approx(2.0)  # (0 + 1 + 2 + 3 + 4) / 5, though the last step had one row
    assert math.isnan(history[0].validation)


def test_a_long_gradient_is_shortened():
    network = nn.Linear(1, 1, bias=False)
    seen = []
    network.weight.register_hook(lambda g: seen.append(g.item()))
    how = Training(1, clip=0.5)
    optimised = []
    original = nn.utils.clip_grad_norm_

    def clip(parameters, longest):
        parameters = list(parameters)
        before = original(parameters, longest)
        optimised.append(parameters[0].grad.item())
        return before

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.utils, "clip_grad_norm_", clip)
        train(network, lambda rows: 100 * network.weight.sum(), 1, how)
    assert seen == [100.0]
    assert optimised == [pytest.approx(0.5, rel=1e-4)]


def test_the_weights_of_the_best_epoch_are_kept_and_patience_ends_the_run():
    network, loss_of = problem()
    told, kept = iter([0.1, 0.5, 0.5, 0.4, 0.9]), []

    def validate():
        assert not network.training
        assert not torch.is_grad_enabled()
        kept.append(weights(network).clone())
        return next(told)

    history = train(network, loss_of, N, Training(9, patience=2), validate=validate)
    assert [epoch.validation for epoch in history] == [
        0.1,
        0.5,
        0.5,
        0.4,
    ]  # two without anything better than the first .5
    assert torch.equal(weights(network), kept[1])
    assert not network.training


def test_the_global_random_state_is_left_alone():
    network, loss_of = problem()
    before = torch.get_rng_state()
    train(network, loss_of, N, Training(2))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("after", [1, 2, 4])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path, after):
    how = Training(5, batch=16, lr=0.01, patience=5)
    network, loss_of = problem()
    whole = train(network, loss_of, N, how, validate=lambda: -loss_of(torch.arange(N)).item())

    killed, loss_of_killed = problem()
    calls = 0

    def interrupted(rows):
        nonlocal calls
        calls += 1
        if calls > 4 * after + 2:  # four steps an epoch: in the midst of the next one
            raise KeyboardInterrupt
        return loss_of_killed(rows)

    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(killed, interrupted, N, how, validate=lambda: -loss_of_killed(torch.arange(N)).item(), checkpoint=path)
    again, loss_of_again = problem(seed=1)  # other first weights: they must not matter
    _, loss_of_again = again, _rebound(again)
    resumed = train(
        again, loss_of_again, N, how, validate=lambda: -loss_of_again(torch.arange(N)).item(), checkpoint=path
    )
    assert resumed == whole
    assert torch.equal(weights(again), weights(network))


def _rebound(network):
    """Return the loss of the first problem's data for this network."""
    with seeded(0):
        X, noise = torch.randn(N, 3), torch.randn(N)
    y = X @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * noise
    return lambda rows: functional.mse_loss(network(X[rows])[:, 0], y[rows])


def test_a_finished_run_is_not_run_again(tmp_path):
    network, loss_of = problem()
    path = tmp_path / "run.safetensors"
    history = train(network, loss_of, N, Training(2), checkpoint=path)
    other, _ = problem(seed=3)

    def never(rows):
        raise AssertionError

    again = train(other, never, N, Training(2), checkpoint=path)
    assert [epoch.loss for epoch in again] == [epoch.loss for epoch in history]
    assert torch.equal(weights(other), weights(network))


def die_while_saving(path):
    network, loss_of = problem()
    steps = 0

    def loss(rows):
        nonlocal steps
        steps += 1
        if steps == 8:
            os._exit(9)
        return loss_of(rows)

    train(network, loss, N, Training(5, batch=16), checkpoint=Path(path))


def test_a_killed_process_can_be_continued(tmp_path):
    path = tmp_path / "run.safetensors"
    # In an interpreter of its own: a process forked from one whose threads have worked can wait for them for ever.
    program = "import sys; sys.path.insert(0, sys.argv[1]); from test_training import *; die_while_saving(sys.argv[2])"
    dead = subprocess.run([sys.executable, "-c", program, Path(__file__).parent, path], timeout=100)
    assert dead.returncode == 9
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]
    network, loss_of = problem()
    whole, loss_of_whole = problem()
    train(whole, loss_of_whole, N, Training(5, batch=16))
    assert len(train(network, loss_of, N, Training(5, batch=16), checkpoint=path)) == 5
    assert torch.equal(weights(network), weights(whole))


def test_a_failed_write_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    network, loss_of = problem()
    train(network, loss_of, N, Training(2), checkpoint=path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("avrec_lib.nn.training.save_file", full)
    path.rename(tmp_path / "kept")
    with pytest.raises(OSError, match="No space left"):
        train(network, loss_of, N, Training(2), checkpoint=path)
    assert (tmp_path / "kept").read_bytes() == before
    assert not path.exists()


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    network, loss_of = problem()
    train(network, loss_of, N, Training(1), checkpoint=path, of={"width": 8})
    for how, of in ((Training(1, lr=0.5), {"width": 8}), (Training(1), {"width": 9})):
        with pytest.raises(ValueError, match=r"run\.safetensors is of a run with other settings or data; delete it"):
            train(network, loss_of, N, how, checkpoint=path, of=of)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"\x10\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_broken_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "run.safetensors"
    path.write_bytes(content)
    network, loss_of = problem()
    with pytest.raises(ValueError, match=r"run\.safetensors is no whole checkpoint"):
        train(network, loss_of, N, Training(1), checkpoint=path)


def test_a_foreign_file_of_tensors_is_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "run.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    network, loss_of = problem()
    with pytest.raises(ValueError, match="was not written by this training loop"):
        train(network, loss_of, N, Training(1), checkpoint=path)


def test_a_loss_that_is_not_a_number_is_an_error():
    network, _ = problem()
    with pytest.raises(ValueError, match="the loss of epoch 1 is nan; try a smaller lr"):
        train(
            network,
            lambda rows: weights(network).sum() * 0 + next(network.parameters()).sum() * math.nan,
            N,
            Training(1),
        )
    network, loss_of = problem()
    with pytest.raises(ValueError, match="the validation of epoch 1 is inf"):
        train(network, loss_of, N, Training(1), validate=lambda: math.inf)


def test_no_rows_are_an_error():
    network, loss_of = problem()
    with pytest.raises(ValueError, match="at least one row"):
        train(network, loss_of, 0, Training(1))


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"batch": 0}, {"patience": 0}, {"lr": 0}, {"clip": 0}, {"weight_decay": -1}]
)
def test_settings_that_cannot_train_are_errors(bad):
    with pytest.raises(ValueError, match=r"must be at least 1|must be above 0"):
        Training(**bad)


def test_an_epoch_is_a_pair():
    assert Epoch(0.5, 0.1) == (0.5, 0.1)
