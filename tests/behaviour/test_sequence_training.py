"""Training learns, stops, repeats itself, and goes on after an interruption as if there had been none."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.torch import save_file

from avrec_lib.behaviour import sequence_training
from avrec_lib.behaviour.prediction import evaluate_prediction
from avrec_lib.behaviour.rfm import DAY
from avrec_lib.behaviour.sequence_training import fit_next_click, load_next_click, predict_next_click

CUT = 8 * DAY
QUICK = {"epochs": 3, "width": 8, "batch": 20, "valid_days": 2.0}


@pytest.fixture(scope="module")
def world():
    """Return a log of 80 viewers of ten days, the clips' two numbers, and the truth: each viewer likes one or other."""
    rng = np.random.default_rng(0)
    m, n_days, n_shown = 80, 10, 6
    X = rng.normal(size=(60, 2))
    taste = 2.5 * np.where(rng.random(m) < 0.5, 1, -1)
    user, day, place = (a.ravel() for a in np.meshgrid(range(m), range(n_days), range(1, n_shown + 1), indexing="ij"))
    item = rng.integers(0, 60, len(user))
    q = 1 / (1 + np.exp(-taste[user] * X[item, 0])) / place**0.3
    log = pd.DataFrame({"user": user, "item": item, "session": user * n_days + day, "position": place})
    log["timestamp"] = day * DAY + user * 60 + place
    log["click"] = rng.random(len(user)) < q
    return log, X, q


@pytest.mark.parametrize("reader", ["gru", "transformer"])
def test_tastes_are_learnt_from_the_history(world, reader):
    log, X, q = world
    fit = fit_next_click(log, X, CUT, reader, epochs=12, batch=10, width=16, valid_days=2)
    later = (log["timestamp"] >= CUT).to_numpy()
    p = predict_next_click(fit.model, log, X)
    found = evaluate_prediction(log["click"][later], p[later], q[later])
    assert found["limit_auc"] - 0.06 < found["expected_auc"] < found["limit_auc"]
    alone = predict_next_click(fit.model, log[later].assign(session=range(later.sum()), user=range(later.sum())), X)
    nobody = evaluate_prediction(log["click"][later], alone, q[later])  # the same rows, each without a history
    assert nobody["expected_auc"] < found["expected_auc"] - 0.1


def test_one_seed_gives_one_model_and_leaves_torch_alone(world):
    log, X, _ = world
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (fit_next_click(log, X, CUT, dropout=0.2, seed=s, **QUICK) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.losses == second.losses != other.losses
    assert_array_equal(predict_next_click(first.model, log, X), predict_next_click(second.model, log, X))


@pytest.mark.parametrize("reader", ["gru", "transformer"])
def test_a_training_goes_on_to_the_identical_result(world, tmp_path, reader):
    log, X, _ = world
    path = tmp_path / "state.safetensors"
    whole = fit_next_click(log, X, CUT, reader, dropout=0.2, **QUICK)
    part = fit_next_click(log, X, CUT, reader, dropout=0.2, state=path, pause_after=1, **QUICK)
    assert part.losses == whole.losses[:1]
    resumed = fit_next_click(log, X, CUT, reader, dropout=0.2, state=path, **QUICK)
    assert resumed.losses == whole.losses
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)
    again = fit_next_click(log, X, CUT, reader, dropout=0.2, state=path, **QUICK)  # nothing is left to do
    assert again.losses == whole.losses
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


def test_what_was_saved_before_a_crash_is_gone_on_from(world, tmp_path, monkeypatch):
    log, X, _ = world
    path, calls, step = tmp_path / "state.safetensors", [], sequence_training._step

    def crash(*args):
        calls.append(0)
        if len(calls) == 6:  # four steps a pass: in the middle of the second
            raise KeyboardInterrupt
        step(*args)

    monkeypatch.setattr(sequence_training, "_step", crash)
    with pytest.raises(KeyboardInterrupt):
        fit_next_click(log, X, CUT, state=path, **QUICK)
    monkeypatch.undo()
    assert fit_next_click(log, X, CUT, state=path, **QUICK).losses == fit_next_click(log, X, CUT, **QUICK).losses


def test_the_best_pass_is_kept_and_training_stops(world, tmp_path, monkeypatch):
    log, X, _ = world
    losses = iter([0.6, 0.5, 0.55, 0.52, 0.1])
    monkeypatch.setattr(sequence_training, "_loss", lambda *_: next(losses))
    fit = fit_next_click(log, X, CUT, state=tmp_path / "s", **QUICK | {"epochs": 5})
    assert fit.losses == [0.6, 0.5, 0.55, 0.52]
    assert fit.best == 2
    losses = iter([0.6, 0.5])
    two = fit_next_click(log, X, CUT, pause_after=2, **QUICK | {"epochs": 5})
    loaded = load_next_click(tmp_path / "s")
    for name, tensor in two.model.state_dict().items():
        assert torch.equal(fit.model.state_dict()[name], tensor)
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_what_comes_at_the_cut_or_later_is_not_looked_at(world):
    log, X, _ = world
    turned = log.assign(click=np.where(log["timestamp"] >= CUT, ~log["click"], log["click"]))
    assert fit_next_click(log, X, CUT, **QUICK).losses == fit_next_click(turned, X, CUT, **QUICK).losses


@pytest.mark.parametrize("reader", ["gru", "transformer"])
def test_a_prediction_knows_nothing_of_its_own_visit(world, reader):
    log, X, _ = world
    model = fit_next_click(log, X, CUT, reader, **QUICK).model

    few = log[log["user"] < 5]
    known = predict_next_click(model, few, X)
    for cut in few["timestamp"].iloc[[20, 90, 200]]:  # the future is changed, then taken away
        turned = few.assign(click=np.where(few["timestamp"] >= cut, ~few["click"], few["click"]))
        past = (few["timestamp"] <= cut).to_numpy()
        assert_allclose(predict_next_click(model, turned, X)[past], known[past], atol=1e-5)
        assert_allclose(predict_next_click(model, few[past], X), known[past], atol=1e-5)
        later = (few["timestamp"] >= cut + DAY).to_numpy()
        assert np.abs(predict_next_click(model, turned, X) - known)[later].max() > 1e-3


def test_predictions_stand_where_their_rows_stand(world):
    log, X, _ = world
    model = fit_next_click(log, X, CUT, **QUICK).model
    mixed = log.sample(frac=1, random_state=0)
    p = pd.Series(predict_next_click(model, log, X), index=log.index)
    assert_allclose(predict_next_click(model, mixed, X), p.loc[mixed.index], atol=1e-6)


def test_numbers_that_do_not_vary_do_no_harm(world):
    log, X, _ = world
    fit = fit_next_click(log, np.column_stack([X, np.full(len(X), 7.0)]), CUT, **QUICK)
    assert np.isfinite(fit.losses).all()


def test_usual_clicks_and_spread_are_of_the_rows_learnt_from(world):
    log, X, _ = world
    model = fit_next_click(log, X, CUT, **QUICK).model
    old = log[log["timestamp"] < CUT - 2 * DAY]
    assert_allclose(model.usual[1:], old.groupby("position")["click"].mean(), rtol=1e-5)
    assert model.usual[0].item() == pytest.approx(old["click"].mean(), rel=1e-5)
    assert_allclose(model.mu, X[old["item"]].mean(axis=0), atol=1e-5)
    assert_allclose(model.sigma, X[old["item"]].std(axis=0), rtol=1e-5)


def test_a_state_of_another_training_or_no_state_is_refused(world, tmp_path):
    log, X, _ = world
    path = tmp_path / "state.safetensors"
    fit_next_click(log, X, CUT, state=path, pause_after=1, **QUICK)
    with pytest.raises(ValueError, match="another log or other settings"):
        fit_next_click(log, X, CUT, state=path, seed=9, **QUICK)
    with pytest.raises(ValueError, match="another log or other settings"):
        fit_next_click(log[log["user"] > 0], X, CUT, state=path, **QUICK)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="not a saved training"):
        fit_next_click(log, X, CUT, state=path, **QUICK)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="not a saved training"):
        load_next_click(path)
    with pytest.raises(ValueError, match="not a saved training"):
        load_next_click(tmp_path / "missing")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "must be above 0"),
        ({"lr": 0.0}, "must be above 0"),
        ({"pause_after": 0}, "must be above 0"),
        ({"valid_days": 50.0}, "0 rows lie before"),
        ({"valid_days": 1e-9}, "0 in them"),
        ({"reader": "lstm"}, "unknown reader"),
    ],
)
def test_bad_settings_are_named(world, settings, message):
    log, X, _ = world
    with pytest.raises(ValueError, match=message):
        fit_next_click(log, X, CUT, **settings)


def test_bad_tables_are_named(world):
    log, X, _ = world
    with pytest.raises(ValueError, match=r"lacks the columns \['timestamp'\]"):
        fit_next_click(log.drop(columns="timestamp"), X, CUT)
    model = fit_next_click(log, X, CUT, pause_after=1, **QUICK).model
    with pytest.raises(ValueError, match="reads 2 numbers a clip, not 1"):
        predict_next_click(model, log, X[:, :1])
