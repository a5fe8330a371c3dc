"""What every network's model promises: order, causality, cold users, early stopping, a kill survived."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from avrec_lib.data import Interactions
from avrec_lib.data.splits import leave_last_out
from avrec_lib.evaluation import evaluate
from avrec_lib.nn import training
from avrec_lib.recommenders import NotFittedError
from avrec_lib.recommenders.sequential import HSTU, Caser, GRU4Rec, NeuralSequential, SASRec

from .tables import SMALL, cycle, next_of_cycle, random_table

MODELS = [GRU4Rec, Caser, SASRec, HSTU]
every_model = pytest.mark.parametrize("model", MODELS)
TRAIN = random_table()
EVERYBODY = np.arange(TRAIN.n_users)


def timed(**columns) -> Interactions:
    return Interactions.from_frame(pd.DataFrame(columns))


@every_model
def test_a_circle_of_items_is_learnt(model):
    data = cycle()
    fitted = model(d=16, T=6, epochs=25, batch=5, lr=0.01, dropout=0.1, on="cpu").fit(data)
    best = fitted.score(np.arange(data.n_users)).argmax(axis=1)
    assert (best == next_of_cycle(data)).mean() > 0.95


@pytest.mark.parametrize("loss", ["sampled", "sampled_softmax"])
def test_a_circle_is_learnt_from_drawn_negatives(loss):
    data = cycle()
    settings = {"n_negatives": 3, "negative_power": 0.5, "loss": loss, "on": "cpu"}
    fitted = GRU4Rec(d=16, T=6, epochs=30, batch=5, lr=0.01, dropout=0.1, **settings).fit(data)
    scores = fitted.score(np.arange(data.n_users))
    scores[np.arange(data.n_users)[:, None], (np.arange(data.n_users)[:, None] + np.arange(7)) % 10] = -np.inf  # seen
    assert (scores.argmax(axis=1) == next_of_cycle(data)).mean() > 0.95


@every_model
def test_a_later_item_does_not_change_an_earlier_position(model):
    network = model(**SMALL).fit(TRAIN).network
    windows = torch.tensor([[0, 1, 2, 3, 4], [0, 1, 2, 8, 9], [0, 1, 2, 9, 9]])  # 9 is the padding
    with torch.no_grad():
        H = network(windows, torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(H[0, :3], H[1, :3])
    torch.testing.assert_close(H[0, :3], H[2, :3])
    assert not torch.allclose(H[0, 3], H[1, 3])


@every_model
def test_an_earlier_item_does_change_a_later_position(model):
    network = model(**SMALL).fit(TRAIN).network
    with torch.no_grad():
        H = network(torch.tensor([[0, 1, 2], [5, 1, 2]]), torch.zeros(2, dtype=torch.long))
    assert not torch.allclose(H[0, 2], H[1, 2])


@every_model
def test_the_order_of_the_items_matters(model):
    fitted = model(**SMALL).fit(TRAIN)
    assert not np.allclose(*fitted.score_after([[0, 1, 2], [1, 0, 2]]))


@every_model
def test_the_order_of_the_rows_does_not_matter(model):
    shuffled = TRAIN.select(np.random.default_rng(1).permutation(len(TRAIN)))
    a, b = model(**SMALL).fit(TRAIN), model(**SMALL).fit(shuffled)
    np.testing.assert_array_equal(a.score(EVERYBODY), b.score(EVERYBODY))


@every_model
def test_the_same_seed_gives_the_same_scores_and_another_seed_others(model):
    before = torch.get_rng_state()
    a, b, c = (model(**SMALL, seed=seed).fit(TRAIN).score(EVERYBODY) for seed in (3, 3, 4))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)
    assert torch.equal(before, torch.get_rng_state())


@every_model
def test_scores_do_not_depend_on_who_else_is_asked_for(model):
    fitted = model(**SMALL).fit(TRAIN)
    scores = fitted.score(EVERYBODY)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(fitted.score([5, 0, 5]), scores[[5, 0, 5]])


@every_model
def test_scores_after_a_users_own_history_are_the_users_scores(model):
    fitted = model(**SMALL).fit(TRAIN)
    own = [fitted._past.of(user) for user in EVERYBODY]
    np.testing.assert_allclose(fitted.score_after(own, EVERYBODY), fitted.score(EVERYBODY), rtol=1e-5, atol=1e-5)


@every_model
def test_users_without_history_get_the_counts_and_items_without_rows_a_score(model):
    cold = TRAIN.select((TRAIN.users != 4) & (TRAIN.items != 2))
    fitted = model(**SMALL).fit(cold)
    scores = fitted.score(EVERYBODY)
    assert np.isfinite(scores).all()
    assert scores[4].tolist() == np.bincount(cold.items, minlength=9).tolist()
    assert fitted.score_after([[]]).tolist() == scores[[4]].tolist()
    long = model(**(SMALL | {"epochs": 15, "lr": 0.02})).fit(cold)
    assert (long.score(np.delete(EVERYBODY, 4)).argmin(axis=1) == 2).mean() > 0.9  # a wrong answer, always


@every_model
@pytest.mark.parametrize("patience", [None, 1])
def test_where_nobody_has_two_items_everybody_gets_the_counts(model, patience):
    one = timed(user_id=list("uvw"), item_id=list("aab"), timestamp=[3, 2, 1])
    fitted = model(**SMALL, patience=patience).fit(one)
    assert fitted.network is None
    assert fitted.history == []
    assert fitted.score([0, 1, 2]).tolist() == [[2, 1]] * 3
    assert fitted.score_after([[0], [1]]).tolist() == [[2, 1]] * 2


@every_model
def test_with_two_items_each_there_is_nothing_to_validate_with_and_all_is_learnt(model):
    two = timed(user_id=list("uuvv"), item_id=list("abab"), timestamp=[3, 4, 1, 2])
    fitted = model(**SMALL, patience=1).fit(two)
    assert len(fitted.history) == 2
    assert np.isfinite(fitted.score([0, 1])).all()


@every_model
@pytest.mark.parametrize("loss", ["softmax", "sampled", "sampled_softmax"])
def test_a_catalogue_of_one_item_met_again_and_again(model, loss):
    again = Interactions([0, 0, 0, 1], [0, 0, 0, 0], np.ones(4), [1, 2, 3, 4], ["u", "v"], ["a"])
    scores = model(**SMALL, loss=loss).fit(again).score([0, 1])
    assert scores.shape == (2, 1)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("loss", ["sampled", "sampled_softmax"])
def test_a_user_who_has_met_everything_is_trained_on(loss):
    u, i = map(np.ravel, np.indices((3, 4)))
    full = timed(user_id=u, item_id=i, timestamp=(i + u) % 4)
    assert np.isfinite(SASRec(**SMALL, loss=loss, n_negatives=2).fit(full).score([0, 1, 2])).all()


@every_model
@pytest.mark.parametrize("rating", [0.0, 1.0, 5.0])
def test_ratings_are_not_looked_at(model, rating):
    same = Interactions(
        TRAIN.users, TRAIN.items, np.full_like(TRAIN.values, rating), TRAIN.timestamps, TRAIN.user_ids, TRAIN.item_ids
    )
    scores = [model(**SMALL).fit(table).score(EVERYBODY) for table in (same, TRAIN)]
    np.testing.assert_array_equal(*scores)


@every_model
def test_a_table_without_timestamps_is_refused(model):
    with pytest.raises(ValueError, match="a sequential model needs timestamps"):
        model(**SMALL).fit(Interactions.from_frame(pd.DataFrame({"user_id": ["u"], "item_id": ["a"]})))


def test_early_stopping_finds_its_epoch_on_the_users_last_items_and_learns_again_from_everything():
    """The second network is that of a plain fit of as many epochs as were best."""
    data = cycle(n_users=20)
    settings = SMALL | {"epochs": 30, "lr": 0.02}
    stopped = GRU4Rec(**settings, patience=2).fit(data)
    values = [epoch.validation for epoch in stopped.history]
    best = values.index(max(values)) + 1
    assert len(values) == min(30, best + 2)
    assert len(stopped.refit_history) == best
    plain = GRU4Rec(**(settings | {"epochs": best})).fit(data)
    np.testing.assert_array_equal(stopped.score([0, 7]), plain.score([0, 7]))
    assert plain.refit_history == []


def test_without_refit_the_stopped_network_is_kept_and_reads_the_last_item_all_the_same():
    data = cycle(n_users=20)
    fitted = GRU4Rec(**(SMALL | {"epochs": 30, "lr": 0.02}), patience=3, refit=False).fit(data)
    assert fitted.refit_history == []
    assert max(epoch.validation for epoch in fitted.history) > 0.9
    scores = fitted.score(np.arange(20))
    scores[data.matrix().toarray() > 0] = -np.inf
    assert (scores.argmax(axis=1) == next_of_cycle(data)).mean() > 0.8


def test_the_validation_is_the_ndcg_of_the_evaluator():
    """Two epochs each: the network that is validated is the one that a plain fit of the shorter table makes."""
    data = random_table(3, n_users=30, n_items=25)
    model = SASRec(**SMALL, patience=5, refit=False).fit(data)
    table = evaluate(SASRec(**SMALL), leave_last_out(data), n_boot=0).set_index("metric")["value"]
    assert model.history[-1].validation == pytest.approx(table["NDCG@10"], abs=1e-6)


@pytest.mark.parametrize(("model", "loss"), [(SASRec, "softmax"), (Caser, "sampled")])
@pytest.mark.parametrize("saves", [2, 6])
def test_a_killed_fit_goes_on_to_the_identical_result(model, loss, saves, tmp_path, monkeypatch):
    """Killed after two epochs of the search, and after all six, in the first of the refit."""
    settings = SMALL | {"epochs": 6, "patience": 6, "loss": loss}
    whole = model(**settings).fit(TRAIN)
    original, calls = training._save, 0

    def kill(*args):
        nonlocal calls
        calls += 1
        if calls > saves:
            raise KeyboardInterrupt
        original(*args)

    path = tmp_path / "model.safetensors"
    monkeypatch.setattr(training, "_save", kill)
    killed = model(**settings, checkpoint=path)
    with pytest.raises(KeyboardInterrupt):
        killed.fit(TRAIN)
    with pytest.raises(NotFittedError):
        killed.score([0])
    monkeypatch.setattr(training, "_save", original)
    resumed = model(**settings, checkpoint=path).fit(TRAIN)
    np.testing.assert_array_equal(resumed.score(EVERYBODY), whole.score(EVERYBODY))
    assert resumed.history == whole.history
    assert [epoch.loss for epoch in resumed.refit_history] == [epoch.loss for epoch in whole.refit_history]
    assert (tmp_path / "model.refit.safetensors").exists()


def test_a_checkpoint_of_other_data_or_another_model_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    SASRec(**SMALL, checkpoint=path).fit(TRAIN)
    with pytest.raises(ValueError, match="other settings or data"):
        SASRec(**SMALL, checkpoint=path).fit(random_table(1))
    with pytest.raises(ValueError, match="other settings or data"):
        SASRec(**SMALL, n_blocks=1, checkpoint=path).fit(TRAIN)
    with pytest.raises(ValueError, match="other settings or data"):
        GRU4Rec(**SMALL, checkpoint=path).fit(TRAIN)


def test_a_model_that_was_fitted_can_be_fitted_again_on_the_same_checkpoint(tmp_path):
    path = tmp_path / "model.safetensors"
    model = SASRec(**SMALL, checkpoint=path).fit(TRAIN)
    model.name = "mine"
    first = model.score(EVERYBODY)
    np.testing.assert_array_equal(model.fit(TRAIN).score(EVERYBODY), first)


def test_score_after_checks_its_items_and_users():
    model = SASRec(**SMALL).fit(TRAIN)
    with pytest.raises(IndexError, match="item index 9 is outside"):
        model.score_after([[0, 9]])
    with pytest.raises(IndexError, match="user index 14 is outside"):
        model.score_after([[0]], [14])
    with pytest.raises(ValueError, match="one user for each of the 2 sequences, not 1"):
        model.score_after([[0], [1]], [3])
    assert model.score_after([]).shape == (0, 9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d": 0}, "d, T and n_negatives must be at least 1"),
        ({"T": 0}, "d, T and n_negatives must be at least 1"),
        ({"n_negatives": 0}, "d, T and n_negatives must be at least 1"),
        ({"loss": "hinge"}, "unknown loss 'hinge'; there are softmax, sampled"),
        ({"dropout": 1.0}, "dropout and smoothing must be in"),
        ({"smoothing": -0.1}, "dropout and smoothing must be in"),
        ({"negative_power": -1}, "negative_power must be"),
        ({"epochs": 0}, "epochs, batch and patience must be at least 1"),
        ({"lr": 0.0}, "lr and clip must be above 0"),
    ],
)
@every_model
def test_a_bad_setting_is_named(model, settings, message):
    with pytest.raises(ValueError, match=message):
        model(**settings)


def test_the_base_class_is_no_model():
    with pytest.raises(TypeError, match="abstract"):
        NeuralSequential()
