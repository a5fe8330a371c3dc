"""The trainer of the full model: what a step is, which weights stay, and how a run ends that can't go on."""

from __future__ import annotations

import errno
import math
import signal
import threading
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from avrec_lib.multimodal import checkpoints
from avrec_lib.multimodal.gathering import share, steps_of
from avrec_lib.multimodal.logs import Record
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.steps import make_optimiser, parameter_groups, products, step_size
from avrec_lib.multimodal.stops import explained, interrupts
from avrec_lib.multimodal.trainer import fit

from .small_run import QUICK, SmallModel, SmallRows, mean_loss, weights


def plain_loop(model, rows, s, optimiser=None):
    """Return the losses of the epochs of a loop without Accelerate, parts or processes."""
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": s.weight_decay},
            {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=s.lr,
    )
    per_epoch = math.ceil(len(rows) / s.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: step_size(k, s.epochs * per_epoch, s.warmup))
    losses = []
    for epoch in range(s.epochs):
        total, n = 0.0, 0
        for viewers in steps_of(len(rows), s.batch, s.seed, epoch):
            batch = rows.batch(viewers)
            loss = model(batch)
            optimiser.zero_grad()
            (loss / batch.n).backward()
            nn.utils.clip_grad_norm_(model.parameters(), s.clip)
            optimiser.step()
            schedule.step()
            total, n = total + loss.item(), n + batch.n
        losses.append(total / n)
    return losses


# --- what a step is


@pytest.mark.parametrize("accumulate", [1, 2, 3, 50])
def test_the_loop_equals_a_plain_loop_however_a_step_is_split(accumulate):
    s, rows = QUICK.but(accumulate=accumulate, weight_decay=0.1, clip=0.5, seed=3), SmallRows()
    model, other = SmallModel(), SmallModel()
    history = fit(model, rows, s)
    losses = plain_loop(other, rows, s)
    torch.testing.assert_close(weights(model), weights(other), rtol=0, atol=1e-6)
    assert [record.loss for record in history] == pytest.approx(losses, abs=1e-6)


def test_the_first_step_is_the_sign_of_the_gradient_times_lr():
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.full((1, 1), 2.0))

        def forward(self, batch):
            return 3 * batch.n * self.w.sum()

    model = One()
    fit(model, SmallRows(1), Settings(epochs=1, lr=0.1, weight_decay=0.5, warmup=0.0))
    assert model.w.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5) - 0.1, abs=1e-6)  # decay, then Adam's step


def test_each_epoch_visits_each_viewer_once_in_a_new_order():
    model = SmallModel()
    fit(model, SmallRows(23), QUICK.but(epochs=2))
    assert [len(viewers) for viewers in model.seen] == [5, 5, 5, 5, 3] * 2
    first, second = ([v for viewers in half for v in viewers] for half in (model.seen[:5], model.seen[5:]))
    assert sorted(first) == sorted(second) == list(range(23))
    assert model.seen[:5] != model.seen[5:]


def test_the_order_comes_from_seed_and_epoch_alone():
    np.random.seed(0)  # noqa: NPY002 (to show that it does not matter)
    first = steps_of(9, 4, seed=1, epoch=2)
    np.random.seed(1)  # noqa: NPY002
    assert all(map(np.array_equal, first, steps_of(9, 4, seed=1, epoch=2)))
    assert not np.array_equal(first[0], steps_of(9, 4, seed=1, epoch=3)[0])
    assert not np.array_equal(first[0], steps_of(9, 4, seed=2, epoch=2)[0])


def test_parts_are_contiguous_complete_and_never_empty():
    for n in range(1, 12):
        for processes in (1, 2, 3):
            for accumulate in (1, 2, 5):
                parts = [share(np.arange(n), processes, p, accumulate) for p in range(processes)]
                assert all(own and all(len(part.viewers) for part in own) for own in parts)
                counted = [v for own in parts for part in own if part.counts for v in part.viewers]
                assert counted == list(range(n))


def test_a_process_without_viewers_takes_one_that_does_not_count():
    (part,) = share(np.array([7]), 2, 1, 3)
    assert part.viewers.tolist() == [7]
    assert not part.counts


def test_the_loss_of_an_epoch_is_the_mean_over_rows_not_over_viewers_or_steps():
    class Value(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1))

        def forward(self, batch):
            return batch.y.sum() + 0 * self.w.sum()

    rows = SmallRows(7)
    history = fit(Value(), rows, Settings(epochs=1, batch=3, accumulate=2))
    assert history[0].loss == pytest.approx(rows.y.mean().item(), abs=1e-6)
    assert math.isnan(history[0].validation)


def test_workers_gather_the_same_batches():
    alone, helped = SmallModel(0.3), SmallModel(0.3)
    fit(alone, SmallRows(), QUICK)
    fit(helped, SmallRows(), QUICK.but(workers=2))
    assert helped.seen == alone.seen
    assert torch.equal(weights(helped), weights(alone))


# --- groups, step sizes, precision


def test_vectors_are_not_decayed_and_slow_modules_take_a_hundredth_of_the_step():
    model = SmallModel()
    model.net[0].slow = True
    model.net[3].bias.requires_grad_(False)
    groups = {
        (group["lr"], group["weight_decay"]): {id(p) for p in group["params"]}
        for group in parameter_groups(model, Settings(lr=0.5, weight_decay=0.1))
    }
    slow, fast, other = model.net[0], model.net[3], model.sometimes
    assert groups == {
        (0.005, 0.1): {id(slow.weight)},
        (0.005, 0.0): {id(slow.bias)},
        (0.5, 0.1): {id(fast.weight), id(other.weight)},
        (0.5, 0.0): {id(other.bias)},
    }


def test_a_slow_module_moves_a_hundredth_as_far():
    def moved(slow):
        model = SmallModel()
        before = model.net[0].weight.detach().clone()
        model.net.slow = slow
        fit(model, SmallRows(3), Settings(epochs=1, batch=3, lr=0.1, weight_decay=0.0))
        return (model.net[0].weight.detach() - before).abs().max().item()

    assert moved(True) == pytest.approx(0.01 * moved(False), rel=1e-2)


def test_a_model_with_nothing_to_train_is_an_error():
    with pytest.raises(ValueError, match="no parameter that is trained; set requires_grad"):
        make_optimiser(SmallModel().requires_grad_(False), QUICK)


def test_the_step_size_rises_in_a_line_and_falls_on_a_cosine():
    sizes = [step_size(k, 10, 0.2) for k in range(10)]
    assert sizes[:3] == [0.5, 1.0, 1.0]
    assert sizes[6] == pytest.approx(0.5)  # half of the eight steps that it falls in
    assert sizes[9] == pytest.approx(0.5 * (1 + math.cos(math.pi * 7 / 8)))
    assert all(a > b for a, b in pairwise(sizes[2:]))


def test_the_cosine_is_that_of_torch():
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 10)
    for k in range(10):
        assert step_size(k, 10, 0.0) == pytest.approx(optimiser.param_groups[0]["lr"], abs=1e-12)
        optimiser.step()
        schedule.step()


def test_the_record_has_the_step_size_of_the_last_step():
    history = fit(SmallModel(), SmallRows(10), QUICK.but(epochs=2))  # two steps an epoch
    assert [record.lr for record in history] == pytest.approx([0.02 * step_size(k, 4, 0.05) for k in (1, 3)])


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_the_precision_is_set_for_the_run_and_given_back(precision):
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    seen = []

    class Noted(SmallModel):
        def forward(self, batch):
            seen.append((torch.get_float32_matmul_precision(), self.net(batch.x).dtype))
            return super().forward(batch)

    model = Noted()
    fit(model, SmallRows(4), QUICK.but(epochs=1, precision=precision))
    wanted = {"fp32": "highest", "tf32": "high", "bf16": "highest"}[precision]
    assert seen == [(wanted, torch.bfloat16 if precision == "bf16" else torch.float32)]
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
    with pytest.raises(KeyError), products(precision, torch.device("cpu")):
        raise KeyError
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_bfloat16_learns_about_what_float32_learns():
    exact, rounded = SmallModel(), SmallModel()
    fit(exact, SmallRows(), QUICK.but(epochs=10))
    fit(rounded, SmallRows(), QUICK.but(epochs=10, precision="bf16"))
    distance = (weights(rounded) - weights(exact)).norm() / (weights(exact) - weights(SmallModel())).norm()
    assert 0 < distance < 0.2


def test_a_compiled_model_ends_with_the_same_weights():
    class Bare(SmallModel):
        def forward(self, batch):
            return ((self.net(batch.x)[:, 0] - batch.y) ** 2).sum()

    plain, compiled = Bare(), Bare()
    names = list(plain.state_dict())
    fit(plain, SmallRows(6), QUICK.but(epochs=2, batch=3))
    with pytest.MonkeyPatch.context() as patch:  # the part of torch.compile that needs no C++ compiler
        original, called = torch.compile, []
        patch.setattr(torch, "compile", lambda model: called.append(model) or original(model, backend="eager"))
        fit(compiled, SmallRows(6), QUICK.but(epochs=2, batch=3, compile=True))
    assert called == [compiled]
    assert list(compiled.state_dict()) == names
    torch.testing.assert_close(weights(compiled), weights(plain), rtol=0, atol=1e-6)


# --- which weights stay


def test_the_weights_of_the_best_epoch_are_kept_and_patience_ends_the_run():
    told, kept = iter([0.1, 0.5, 0.5, 0.4, 0.9]), []

    def validate(model):
        assert not model.training
        assert not torch.is_grad_enabled()
        kept.append(weights(model))
        return next(told)

    model = SmallModel()
    history = fit(model, SmallRows(), QUICK.but(epochs=9, patience=2), validate=validate)
    assert [record.validation for record in history] == [0.1, 0.5, 0.5, 0.4]  # two without better than the first .5
    assert [record.epoch for record in history] == [1, 2, 3, 4]
    assert torch.equal(weights(model), kept[1])
    assert not torch.equal(kept[1], kept[3])
    assert not model.training


def test_without_validation_the_last_weights_stay_in_evaluation_mode():
    model = SmallModel()
    fit(model, SmallRows(), QUICK.but(patience=1))
    assert len(model.seen) == 15  # patience has nothing to go by
    assert not model.training


def test_the_model_is_told_how_far_training_is():
    model = SmallModel()
    fit(model, SmallRows(10), QUICK.but(epochs=2))
    assert model.told == [0, 0.25, 0.5, 0.5, 0.75, 1, 1]  # before each step, each validation, and at the end
    told = iter([0.9, 0.1])
    model = SmallModel()
    fit(model, SmallRows(10), QUICK.but(epochs=2), validate=lambda _: next(told))
    assert model.told[-1] == 0.5  # the first of two epochs was the best


def test_the_global_random_state_is_left_alone_and_does_not_matter():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second, third = SmallModel(0.5), SmallModel(0.5), SmallModel(0.5)
    fit(first, SmallRows(), QUICK)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(3)
    fit(second, SmallRows(), QUICK)
    fit(third, SmallRows(), QUICK.but(seed=1))
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(third))


def test_one_model_can_be_trained_twice_and_copied():
    import copy

    model = SmallModel()
    fit(model, SmallRows(), QUICK)
    before = weights(model)
    fit(model, SmallRows(), QUICK)
    assert not torch.equal(weights(model), before)
    assert torch.equal(weights(copy.deepcopy(model)), weights(model))


# --- how a run ends that can't go on


class Poisoned(SmallModel):
    """Returns NaN, or a gradient of NaN, at a forward pass."""

    def __init__(self, at, gradient=False):
        super().__init__()
        self.when, self.gradient, self.before = at, gradient, None

    def forward(self, batch):
        loss = super().forward(batch)
        if len(self.seen) == self.when:
            self.before = weights(self)
            if self.gradient:
                return loss + torch.sqrt(0 * self.net[0].weight.sum())  # finite, with slope 0 · ∞
            return loss * math.nan
        return loss


@pytest.mark.parametrize("gradient", [False, True])
def test_a_loss_or_gradient_that_is_no_number_stops_before_the_step(gradient):
    model = Poisoned(7, gradient)
    what = "gradient of step 7 has the length nan" if gradient else "loss of step 7 is nan"
    with pytest.raises(ValueError, match=what) as error:
        fit(model, SmallRows(), QUICK)
    assert f"viewers {', '.join(map(str, model.seen[-1]))}: look for NaN" in str(error.value)
    assert "smaller lr" in str(error.value)
    assert torch.equal(weights(model), model.before)
    assert all(p.grad is None for p in model.parameters())


def test_a_bad_part_is_found_wherever_it_is_in_the_step():
    model = Poisoned(3)
    with pytest.raises(ValueError, match="loss of step 2 is nan"):
        fit(model, SmallRows(), QUICK.but(accumulate=2))
    assert torch.equal(weights(model), model.before)


def test_a_validation_that_is_no_number_is_an_error():
    with pytest.raises(ValueError, match="validation of epoch 1 is inf; make validate return a number"):
        fit(SmallModel(), SmallRows(), QUICK, validate=lambda _: math.inf)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_too_little_memory_is_one_sentence_with_the_remedy(error):
    class Large(SmallModel):
        def forward(self, batch):
            raise error

    with pytest.raises(MemoryError, match=r"a step of 5 viewers in 1 part.* raise accumulate, .*or lower batch"):
        fit(Large(), SmallRows(), QUICK)


def test_too_little_memory_is_recognised_when_it_is_real():
    class Large(SmallModel):
        def forward(self, batch):
            return torch.empty(1 << 50).sum()

    with pytest.raises(MemoryError, match="raise accumulate"):
        fit(Large(), SmallRows(), QUICK)


def test_other_errors_are_left_as_they_are():
    with pytest.raises(RuntimeError, match=r"^mat1 and mat2"), explained(QUICK, 1):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match=r"^gloo"), explained(QUICK, 1):  # there is no other process
        raise RuntimeError("gloo")
    with pytest.raises(RuntimeError, match="another process of this run has ended"), explained(QUICK, 2):
        raise RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:26711")


class Interrupted(SmallModel):
    """Is told Ctrl-C in the midst of a forward pass."""

    def __init__(self, at, times=1, dropout=0.3):
        super().__init__(dropout)
        self.when, self.times = at, times

    def forward(self, batch):
        loss = super().forward(batch)
        if len(self.seen) == self.when:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)
        return loss


def test_after_ctrl_c_the_step_is_ended_and_the_run_can_go_on(tmp_path):
    whole = SmallModel(0.3)
    fit(whole, SmallRows(), QUICK)
    before = signal.getsignal(signal.SIGINT)
    model = Interrupted(8)
    with pytest.raises(KeyboardInterrupt, match=r"after step 8 of 15; call fit again .* goes on from step 8 \(.*run"):
        fit(model, SmallRows(), QUICK, folder=tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before
    assert len(model.seen) == 8
    again = SmallModel(0.3, seed=5)  # other first weights: they must not matter
    assert len(fit(again, SmallRows(), QUICK, folder=tmp_path / "run")) == 3
    assert len(again.seen) == 7
    assert torch.equal(weights(again), weights(whole))


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    model = Interrupted(8, times=2)
    with pytest.raises(KeyboardInterrupt, match=r"after step 7 of 15; .* from step 6"):
        fit(model, SmallRows(), QUICK, folder=tmp_path, every=3)


def test_ctrl_c_in_the_last_step_is_not_lost(tmp_path):
    with pytest.raises(KeyboardInterrupt, match=r"after step 15 of 15"):
        fit(Interrupted(15), SmallRows(), QUICK, folder=tmp_path)
    again = SmallModel(0.3)
    assert len(fit(again, SmallRows(), QUICK, folder=tmp_path)) == 3
    assert again.seen == []


def test_without_a_folder_ctrl_c_stops_at_once_and_says_what_was_missing():
    with pytest.raises(KeyboardInterrupt, match="there is no checkpoint: give fit a folder"):
        fit(Interrupted(8), SmallRows(), QUICK)


def test_a_thread_leaves_ctrl_c_to_the_main_thread():
    before, asked = signal.getsignal(signal.SIGINT), []

    def ask():
        with interrupts(True) as came:
            asked.append((came(), signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert asked == [(False, True)]


@pytest.mark.parametrize(("rows", "every"), [(0, None), (5, 0)])
def test_no_rows_or_a_checkpoint_every_0_steps_are_errors(rows, every):
    with pytest.raises(ValueError, match="at least one row, and every at least 1"):
        fit(SmallModel(), SmallRows(rows), QUICK, every=every)


# --- what is left in the folder


def test_a_run_folder_holds_settings_log_and_checkpoint(tmp_path):
    history = fit(SmallModel(), SmallRows(), QUICK, folder=tmp_path / "a" / "run", validate=lambda m: 0.5)
    assert {"checkpoint.safetensors", "log.csv", "settings.yaml"} <= {p.name for p in (tmp_path / "a/run").iterdir()}
    assert Settings.load(tmp_path / "a/run/settings.yaml") == QUICK
    log = pd.read_csv(tmp_path / "a/run/log.csv")
    assert [Record(*row) for row in log.itertuples(index=False)] == history


def test_the_share_of_waiting_tells_slow_gathering_from_a_slow_model():
    slow_rows = fit(SmallModel(), SmallRows(10, waits=0.1), QUICK.but(epochs=2))[-1]
    slow_model = fit(SmallModel(waits=0.1), SmallRows(10), QUICK.but(epochs=2))[-1]
    assert slow_rows.waiting > 0.5 > slow_model.waiting >= 0
    assert slow_model.seconds > 0.02
    assert slow_model.rows_per_second == pytest.approx(SmallRows(10).counts.sum() / slow_model.seconds)


def test_a_full_disk_is_a_warning_and_training_goes_on(tmp_path, monkeypatch):
    full, written = False, checkpoints.save_file

    def save(tensors, path, told):
        if full:
            path.write_bytes(b"half a checkpoint")
            raise OSError(errno.ENOSPC, "No space left on device")
        written(tensors, path, told)

    def validate(model):
        nonlocal full
        full = len(model.seen) > 5  # from the second epoch on
        return mean_loss(model, SmallRows())

    monkeypatch.setattr(checkpoints, "save_file", save)
    model, other = SmallModel(), SmallModel()
    with pytest.warns(UserWarning, match="a checkpoint could not be written .*No space left.* training goes on"):
        history = fit(model, SmallRows(), QUICK, folder=tmp_path, validate=validate)
    assert len(history) == 3
    assert list(tmp_path.glob("*.part")) == []
    full = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = fit(other, SmallRows(), QUICK, folder=tmp_path, validate=lambda m: mean_loss(m, SmallRows()))
    assert len(other.seen) == 10  # the checkpoint of the first epoch had stayed whole
    assert [r.loss for r in again] == [r.loss for r in history]
    assert torch.equal(weights(other), weights(model))
