"""A run from settings to a folder that serves: the same scores again, damage that is told, and how good it gets."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit

from avrec_lib.multimodal.batches import ViewerRows
from avrec_lib.multimodal.clip_inputs import ClipInputs
from avrec_lib.multimodal.dataset import Dataset, held_back
from avrec_lib.multimodal.impressions import per_viewer
from avrec_lib.multimodal.judging import chances, judge, ranks
from avrec_lib.multimodal.runs import READING, RUN, WEIGHTS, evaluate, load, save, serving_tables, train
from avrec_lib.multimodal.runs import SETTINGS as FILE
from avrec_lib.multimodal.serving import Service, ServingTables
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.tables import clip_table, viewer_table

from .small_clips import BY_HISTORY, N_VIEWERS, SMALL, USERS, WIDTHS, small_dataset

ALL = [(user, "pointwise") for user in USERS] + [("both", "softmax"), ("id", "pairwise")]
COLUMNS = ["AUC", "AUC low", "AUC high", "AUC of a viewer", "NDCG@10", "log loss", "Brier", "way AUC", "way NDCG@10"]


def scores(trained, data):
    """Return the scores of all viewers, a stranger and all clips."""
    b = clip_table(trained.model, data.inputs).b
    return viewer_table(trained.model, b, data.train) @ b.T


def same(a, b):
    return all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


@pytest.fixture
def run(tmp_path):
    """Return a folder with a finished run."""
    train(small_dataset(), SMALL, tmp_path / "run")
    return tmp_path / "run"


# --- train, save, load


@pytest.mark.parametrize(("user", "loss"), ALL)
def test_a_run_that_was_saved_gives_the_same_scores(user, loss, tmp_path):
    data = small_dataset(SMALL.but(user=user, loss=loss))
    trained = train(data, data.reading.settings, tmp_path)
    back = load(tmp_path)
    np.testing.assert_array_equal(scores(back, data), scores(trained, data))
    assert same(trained.model, back.model)
    assert back.settings == trained.settings
    assert len(back.history) == SMALL.epochs
    assert [record.loss for record in back.history] == [record.loss for record in trained.history]
    assert back.reading.to_dict() == data.reading.to_dict()
    assert back.model.temperature == 1
    assert not back.model.training


@pytest.mark.parametrize(("user", "loss"), ALL)
def test_training_makes_the_loss_smaller(user, loss):
    settings = SMALL.but(user=user, loss=loss, epochs=15, hide=0.0)
    model = train(small_dataset(settings), settings.but(epochs=1, lr=1e-9)).model
    trained = train(small_dataset(settings), settings).model
    n_history = settings.history if user in ("history", "both") else 0
    batch = ViewerRows(small_dataset().inputs, small_dataset().train, n_history).batch(np.arange(N_VIEWERS))
    model.at(1.0)
    assert trained(batch) < 0.99 * model(batch)


def test_training_with_a_folder_is_training_without_one(tmp_path):
    data = small_dataset()
    assert same(train(data, SMALL).model, train(data, SMALL, tmp_path).model)


def test_a_run_that_is_over_is_not_trained_again(run):
    before = load(run)
    again = train(small_dataset(), SMALL, run)
    assert same(before.model, again.model)
    assert same(load(run).model, again.model)
    assert len(again.history) == SMALL.epochs


def test_a_run_that_stopped_before_it_was_saved_goes_on(run):
    """All that the trainer left is its checkpoint."""
    before = load(run)
    for name in (RUN, WEIGHTS, READING, FILE):
        (run / name).unlink()
    train(small_dataset(), SMALL, run)
    assert same(before.model, load(run).model)


def test_a_folder_of_another_run_is_not_written_over(run):
    before = (run / WEIGHTS).read_bytes()
    data = small_dataset()
    with pytest.raises(ValueError, match="of another run"):
        train(replace(data, train=data.train.iloc[:-1]), SMALL, run)
    with pytest.raises(ValueError, match="of another run"):
        train(data, SMALL.but(lr=0.5), run)
    assert (run / WEIGHTS).read_bytes() == before


def test_a_folder_holds_what_the_page_says_and_no_part(run):
    names = {path.name for path in run.iterdir()}
    assert {"settings.yaml", "reading.json", "model.safetensors", "run.json", "log.csv"} <= names
    assert not [name for name in names if name.endswith(".part")]
    assert Settings.load(run / FILE) == SMALL
    told = json.loads((run / RUN).read_text())
    assert told["of"] == {"data": small_dataset().digest(), "dataset": "small"}


def test_clips_that_were_read_otherwise_are_refused():
    data = small_dataset()
    with pytest.raises(ValueError, match="the clips were read with another text, tokens; read them again"):
        train(data, SMALL.but(text="minilm", tokens=9))
    train(data, SMALL.but(lr=0.5, epochs=1))  # how it is trained has nothing to do with it


# --- damage


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (RUN, "{"),
        (RUN, "[]"),
        (RUN, '{"format": "something else"}'),
        (RUN, '{"format": "avrec run 1", "shapes": []}'),
        (RUN, b"\xff\xfe"),
        (WEIGHTS, None),
        (WEIGHTS, b""),
        (WEIGHTS, b"nothing of this kind"),
        (READING, None),
        (READING, "{}"),
        (FILE, None),
        (FILE, "lr: quick"),
        (FILE, "d: 7"),
        (FILE, "user: id"),
    ],
)
def test_a_damaged_run_is_refused(run, name, content):
    path = run / name
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"holds a damaged run \(.+\); train it again\.$"):
        load(run)


@pytest.mark.parametrize("key", ["shapes", "n_users", "n_positions", "history"])
@pytest.mark.parametrize("value", ["absent", None, "five", -3, [1]])
def test_a_run_that_tells_nonsense_is_refused(run, key, value):
    told = json.loads((run / RUN).read_text())
    del told[key]
    if value != "absent":
        told[key] = value
    (run / RUN).write_text(json.dumps(told))
    with pytest.raises(ValueError, match="holds a damaged run"):
        load(run)


def test_half_of_the_weights_are_refused(run):
    whole = (run / WEIGHTS).read_bytes()
    (run / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="holds a damaged run"):
        load(run)


def test_a_reading_of_other_clips_does_not_belong_to_the_run(run):
    small_dataset(SMALL.but(directions=9)).reading.save(run / READING)
    with pytest.raises(ValueError, match="its clips were read with another directions"):
        load(run)


def test_without_a_run_the_command_that_makes_one_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no finished run; make one with: avrec train --folder"):
        load(tmp_path)


def test_saving_twice_replaces_the_run(run):
    other = train(small_dataset(), SMALL.but(seed=1))
    save(other, run)
    assert same(load(run).model, other.model)


# --- when to stop


@pytest.mark.parametrize(("user", "loss"), ALL)
def test_validation_is_of_what_was_held_back(user, loss):
    settings = SMALL.but(user=user, loss=loss, epochs=1, patience=1)
    data = small_dataset(settings)
    trained = train(data, settings)
    past, last = held_back(data.train)
    b = clip_table(trained.model, data.inputs).b
    a = viewer_table(trained.model, b, past)
    p, y = chances(trained.model, a, b, last), last["click"].to_numpy(float)
    expected = {
        "pointwise": lambda: np.mean(np.log(np.where(y > 0, p, 1 - p))),
        "pairwise": lambda: per_viewer(p, y, last["user"], last["item"])["AUC"].mean(),
        "softmax": lambda: np.mean(1 / ranks(a, b, last[last["click"]], past)),
    }[loss]()
    assert trained.history[0].validation == pytest.approx(expected, rel=1e-6)
    without = train(replace(data, train=past), settings.but(patience=None))
    assert same(trained.model, without.model)  # what is held back teaches nothing


def test_the_best_epoch_is_kept():
    settings = SMALL.but(epochs=30, patience=3, lr=0.3, weight_decay=0.0)
    trained = train(small_dataset(), settings)
    validations = [record.validation for record in trained.history]
    assert len(validations) == int(np.argmax(validations)) + 1 + 3 < 30


# --- evaluate


def test_an_evaluation_has_a_row_a_test_and_a_column_a_metric():
    data = small_dataset()
    trained = train(data, SMALL)
    table = evaluate(trained, data)
    assert list(table.index) == ["later"]
    assert list(table) == COLUMNS
    assert np.isfinite(table.to_numpy()).all()
    b = clip_table(trained.model, data.inputs).b
    p = chances(trained.model, viewer_table(trained.model, b, data.train), b, data.tests["later"])
    expected = judge(p, data.tests["later"], data.truth["later"])
    assert table.loc["later"].to_dict() == expected
    assert list(evaluate(trained, replace(data, truth=None))) == COLUMNS[:-2]


def test_where_nothing_was_refused_all_clips_are_ranked():
    """Trained on clicks alone, as MicroLens has them, with a softmax."""
    data = small_dataset(BY_HISTORY)
    clicks = {name: log[log["click"]] for name, log in {"train": data.train, "later": data.tests["later"]}.items()}
    data = replace(data, train=clicks["train"], tests={"later": clicks["later"]}, truth=None)
    trained = train(data, BY_HISTORY.but(patience=2))
    assert not [record for record in trained.history if np.isnan(record.validation)]
    table = evaluate(trained, data)
    assert list(table) == ["HR@10", "NDCG@10", "1 / rank"]
    met = data.train.groupby("user")["item"].agg(set)
    found = scores(trained, data)
    places = []
    for row in clicks["later"].itertuples():
        others = [i for i in range(20) if i not in met[row.user] and i != row.item]
        places.append(1 + (found[row.user, others] >= found[row.user, row.item]).sum())
    assert table.loc["later", "HR@10"] == pytest.approx(np.mean(np.array(places) <= 10))
    assert table.loc["later", "1 / rank"] == pytest.approx(np.mean(1 / np.array(places)))


# --- serving


@pytest.mark.parametrize(("user", "loss"), ALL)
def test_a_service_recommends_what_brute_force_finds(user, loss, tmp_path):
    data = small_dataset(SMALL.but(user=user, loss=loss))
    data = replace(data, train=data.train[data.train["session"] < 2 * N_VIEWERS])  # leaves ten clips to recommend
    trained = train(data, data.reading.settings)
    serving_tables(trained, data).save(tmp_path / "tables")
    service = Service.load(tmp_path / "tables")
    found = scores(trained, data)
    met = data.train.groupby("user")["item"].agg(set)
    for u in range(N_VIEWERS):
        left = [i for i in range(20) if i not in met[u]]
        best = sorted(left, key=lambda i: -found[u, i])[:4]
        got = service.recommend(f"v{u}", 4)
        assert [r.item_id for r in got] == [f"c{i}" for i in best]
        np.testing.assert_allclose([r.score for r in got], found[u, best], rtol=1e-4, atol=1e-5)
    stranger = [r.item_id for r in service.recommend(None, 3)]
    assert stranger == [f"c{i}" for i in np.argsort(-found[-1], kind="stable")[:3]]


def test_reasons_are_differences_of_scores():
    data = small_dataset()
    trained = train(data, SMALL)
    service = Service(serving_tables(trained, data))
    a = viewer_table(trained.model, clip_table(trained.model, data.inputs).b, data.train)
    for told in service.recommend("v3", 5):
        item = data.item_ids.index(told.item_id)
        for sense in WIDTHS:
            without = a[3] @ clip_table(trained.model, data.inputs, sense).b[item]
            assert told.senses[sense] == pytest.approx(told.score - without, abs=1e-5)
        assert told.because is None or told.because in {
            f"c{i}" for i in data.train.query("user == 3 and click")["item"]
        }


def test_what_a_service_observes_counts_as_if_it_had_been_in_the_log():
    """For tastes: a click and a refusal at the third place and the first, beside tables made of the longer log."""
    data = small_dataset()
    trained = train(data, SMALL)
    service = Service(serving_tables(trained, data))
    clips = [r.item_id for r in service.recommend("v5", 2)]
    service.observe("v5", clips[0], True, 3)
    service.observe("v5", clips[1], False, 1)
    items = [data.item_ids.index(clip) for clip in clips]
    rows = [(5, items[0], True, 3, 5000, 10**7), (5, items[1], False, 1, 5000, 10**7)]
    longer = replace(data, train=pd.concat([data.train, pd.DataFrame(rows, columns=list(data.train))]))
    expected = Service(serving_tables(trained, longer)).recommend("v5", 3)
    got = service.recommend("v5", 3)
    assert [r.item_id for r in got] == [r.item_id for r in expected]
    np.testing.assert_allclose([r.score for r in got], [r.score for r in expected], rtol=1e-4)


def test_serving_tables_tell_what_the_model_knows():
    data = small_dataset()
    trained = train(data, SMALL)
    tables = serving_tables(trained, data)
    assert isinstance(tables, ServingTables)
    np.testing.assert_allclose(tables.looked, [1, *expit(trained.model.place.detach().numpy())], rtol=1e-6)
    assert tables.clicked.nnz == len(data.train[data.train["click"]].drop_duplicates(["user", "item"]))
    assert tables.seen.nnz == len(data.train.drop_duplicates(["user", "item"]))
    assert tables.senses == tuple(WIDTHS)
    assert serving_tables(train(small_dataset(BY_HISTORY), BY_HISTORY), data).evidence is None


# --- how good it gets


def only(data: Dataset, sense: str) -> Dataset:
    """Return the same clips for a model with one sense."""
    settings = data.reading.settings.but(**{other: "none" for other in WIDTHS if other != sense})
    place, x = data.inputs.senses.index(sense), data.inputs
    inputs = ClipInputs({sense: x.arrays[sense]}, x.there[:, [place]], x.faults)
    return replace(data, inputs=inputs, reading=replace(data.reading, settings=settings))


def test_the_model_goes_most_of_the_way_and_needs_every_sense_and_the_viewer(clips_data):
    """The models without the viewer or with one sense get 20 epochs; the other 30 gain them under 0.03 of AUC."""
    found = evaluate(train(clips_data), clips_data)
    assert list(found.index) == ["seen clips", "new clips"]
    assert (found[["way AUC", "way NDCG@10"]] >= 0.92).all(axis=None)
    short = Settings(epochs=20)
    less = {"nobody": evaluate(train(clips_data, short.but(user="nobody")), clips_data)}
    for sense in WIDTHS:
        data = only(clips_data, sense)
        settings = data.reading.settings.but(epochs=20)
        less[sense] = evaluate(train(data, settings), data)
    for name, table in less.items():
        assert (found["AUC"] > table["AUC"] + 0.06).all(), name
        assert (found["way AUC"] > table["way AUC"] + 0.2).all(), name
