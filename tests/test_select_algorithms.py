"""The search for settings: its budget, its first trial, going on after an interruption, and what the record holds."""

import importlib
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions, leave_last_out
from avrec_lib.recommenders import Recommender
from avrec_lib.recommenders.sequential import GRU4Rec
from avrec_lib.recommenders.sequential.sequences import histories

pytest.importorskip("optuna")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package
search = importlib.import_module("benchmarks.select_algorithms")
RECORD = json.loads(search.OUTPUT.read_text(encoding="utf-8"))
ROWS = RECORD["rows"]
SPACE = {"x": search.real(0, 1, log=False)}
IDS = [f"{row['split']}, {row['model']}" for row in ROWS]


def table(n_users=40, n_items=60, n_rows=12):
    """Each user meets some films in an order of their own."""
    rng = np.random.default_rng(0)
    met = np.concatenate([rng.permutation(n_items)[:n_rows] for _ in range(n_users)])
    users = np.repeat(np.arange(n_users), n_rows)
    frame = pd.DataFrame({"user_id": users, "item_id": met, "timestamp": np.arange(len(met))})
    return Interactions.from_frame(frame.astype({"user_id": str, "item_id": str}))


SPLIT = leave_last_out(table())
NEXT = [SPLIT.test, leave_last_out(SPLIT.train).test]  # what a user meets after training, and after the cut


class Planted(Recommender):
    """A model that knows what comes next, under a noise that is gone at x = 0.7."""

    def __init__(self, x=0.1):
        self.x = x

    def _fit(self, train):
        noise = np.random.default_rng(1).random((train.n_users, train.n_items))
        self._scores = 10 * abs(self.x - 0.7) * noise
        for worth, coming in enumerate(NEXT, start=1):
            self._scores[coming.users, coming.items] += worth

    def _score(self, users):
        return self._scores[users]


PLANTED = search.Candidate(Planted, SPACE)


def parabola(settings, first=False):
    return 1 - (settings["x"] - 0.7) ** 2, 0.5, None


def run(folder, judge=parabola, **budget):
    return search.search("a study", judge, SPACE, {"x": 0.1}, folder, **budget)


def settings_of(rows):
    return [row["settings"]["x"] for row in rows]


@pytest.fixture
def clock(monkeypatch):
    """A clock of the processor that goes on by ten seconds whenever it is looked at."""
    ticks = itertools.count(0.0, 10.0)
    monkeypatch.setattr(search.time, "process_time", lambda: next(ticks))


def test_a_search_ends_with_its_trials_or_with_its_seconds_and_finishes_what_it_began(tmp_path, clock):
    assert len(run(tmp_path / "a", trials=5)) == 5
    rows = run(tmp_path / "b", trials=30, seconds=35)  # ten seconds each: the fourth begins at thirty
    assert len(rows) == 4
    assert search.spent(rows) == 40


def test_the_trials_beyond_a_smaller_budget_are_not_told(tmp_path, clock):
    longer = run(tmp_path, trials=8)
    assert run(tmp_path, trials=8, seconds=35) == longer[:4]
    assert run(tmp_path, trials=3) == longer[:3]


def test_the_first_trial_is_the_default_and_the_judge_is_told_so(tmp_path):
    told = []
    rows = run(tmp_path, lambda settings, first: told.append(first) or parabola(settings), trials=4)
    assert rows[0]["settings"] == {"x": 0.1}
    assert told == [True, False, False, False]
    assert max(row["validation"] for row in rows) >= rows[0]["validation"]


@pytest.mark.parametrize("met", [1, 5, 9])
def test_a_study_that_was_interrupted_goes_on_to_what_it_would_have_found(tmp_path, met):
    whole = run(tmp_path / "whole", trials=12)
    calls = itertools.count(1)

    def judge(settings, first):
        if next(calls) == met:
            raise KeyboardInterrupt
        return parabola(settings)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", judge, trials=12)
    assert settings_of(run(tmp_path / "parts", judge, trials=12)) == settings_of(whole)


def test_a_finished_study_is_not_searched_again(tmp_path):
    rows = run(tmp_path, trials=4)
    assert run(tmp_path, lambda *_: pytest.fail("another trial"), trials=4) == rows


def test_a_fit_that_diverges_scores_nothing_and_the_search_goes_on(tmp_path):
    def judge(settings, first):
        if settings["x"] > 0.5:
            raise ValueError("the loss of epoch 1 is nan; try a smaller lr.")
        return parabola(settings)

    rows = run(tmp_path, judge, trials=8)
    assert {row["validation"] == 0 for row in rows if row["settings"]["x"] > 0.5} == {True}
    assert len(rows) == 8


def test_defaults_that_cannot_be_fitted_end_the_search_with_their_own_error(tmp_path):
    def judge(settings, first):
        raise ValueError("item_vectors has 2 rows for 60 items; give one for each.")

    with pytest.raises(ValueError, match="give one for each"):
        run(tmp_path, judge, trials=3)


def test_a_planted_optimum_is_found_and_tested(tmp_path, monkeypatch):
    monkeypatch.setitem(search.CANDIDATES, "Planted", PLANTED)
    row = search.select("Planted", "last out", SPLIT, None, tmp_path, 25, 60.0)
    assert row["default"] == {"x": 0.1}
    assert row["best"]["x"] == pytest.approx(0.7, abs=0.1)
    assert row["validation_best"] == row["test_best"] == 1  # what comes next is first in every list
    assert row["test_gain"] == pytest.approx(1 - row["test_default"], abs=1e-4)
    assert row["low"] <= row["test_gain"] <= row["high"]


def test_the_test_table_is_measured_once(tmp_path, monkeypatch):
    found = search.tested(PLANTED, None, SPLIT, {"x": 0.7}, tmp_path / "planted")
    monkeypatch.setattr(search, "per_user", lambda *_, **__: pytest.fail("measured again"))
    pd.testing.assert_frame_equal(search.tested(PLANTED, None, SPLIT, {"x": 0.7}, tmp_path / "planted"), found)
    assert not list(tmp_path.glob("*.part"))


def test_a_network_cuts_the_very_rows_that_the_other_models_are_judged_by():
    _, users, last = histories(SPLIT.train).without_last()
    cut = leave_last_out(SPLIT.train).test
    assert dict(zip(users, last, strict=True)) == dict(zip(cut.users, cut.items, strict=True))


def test_a_network_runs_all_epochs_as_a_default_and_stops_early_as_a_trial():
    candidate = search.Candidate(GRU4Rec, search.NETWORK)
    settings = {"d": 4, "T": 5, "dropout": 0.1, "lr": 5e-3, "weight_decay": 0.0, "epochs": 8}
    inner = leave_last_out(SPLIT.train)
    best, last, epochs = search.judge(candidate, None, SPLIT, inner, settings, True)
    model = GRU4Rec(**settings, patience=8, refit=False).fit(SPLIT.train)
    values = [epoch.validation for epoch in model.history]
    assert len(values) == 8
    assert (best, last, epochs) == (max(values), values[-1], 1 + int(np.argmax(values)))
    again = search.judge(candidate, None, SPLIT, inner, settings, False)
    assert again[0] <= best  # random rows teach nothing: it may stop before its best epoch


def test_a_network_is_not_searched_on_the_last_fifth(tmp_path):
    with pytest.raises(ValueError, match="'last out' only"):
        search.select("GRU4Rec", "last fifth", SPLIT, None, tmp_path, 1, 1.0)


@pytest.mark.parametrize("name", search.CANDIDATES)
def test_the_defaults_lie_in_the_ranges_and_are_those_of_the_class(name):
    candidate, X = search.CANDIDATES[name], np.eye(6)
    defaults = candidate.defaults(X)
    for key, value in defaults.items():
        assert is_in(candidate.space[key], value), key
    made, plain = candidate.make(X, **defaults), candidate.make(X)
    for key in ("how", *defaults):
        assert getattr(made, key, None) == getattr(plain, key, None)


def is_in(distribution, value):
    return distribution._contains(distribution.to_internal_repr(value))


def test_the_command_searches_and_records_after_each_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(search, "load", lambda name: (SPLIT, None))
    monkeypatch.setattr(search, "kept", lambda: tmp_path / "league" / "code")
    monkeypatch.setattr(search, "CANDIDATES", {"EASE": PLANTED, "FPMC": PLANTED, "another": PLANTED})
    path = tmp_path / "result.json"
    search.main(["--only", "EASE", "--trials", "3", "--record"], path)
    search.main(["--only", "FPMC", "--trials", "3", "--record"], path)
    record = json.loads(path.read_text(encoding="utf-8"))
    assert [row["model"] for row in record["rows"]] == ["EASE", "FPMC"]
    assert record["budget"]["trials"] == 3
    assert record["tuned"] == [
        {"split": "last out", "model": "FPMC", "above": "EASE", "ratio": 1, "gain": 0, "low": 0, "high": 0}
    ]
    assert "validation_best" in capsys.readouterr().out
    with pytest.raises(ValueError, match="the budget"):
        search.main(["--only", "EASE", "--trials", "2", "--record"], path)
    search.main(["--only", "EASE", "--trials", "2"], path)  # printed only, it may have any budget


def test_every_model_is_recorded_with_one_budget():
    assert [row["model"] for row in ROWS if row["split"] == "last out"] == list(search.CANDIDATES)
    budget = RECORD["budget"]
    for row in ROWS:
        assert row["trials"] == len(row["table"]) <= budget["trials"]
        assert search.spent(row["table"][:-1]) < budget["seconds"]
        assert row["trials"] == budget["trials"] or row["seconds"] >= budget["seconds"]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_recorded_row_is_complete_and_its_settings_are_accepted_by_the_class(row):
    candidate, X = search.CANDIDATES[row["model"]], np.eye(4)
    for settings in (row["default"], row["best"]):
        assert set(settings) == set(candidate.space)
        candidate.make(X, **settings)
    for trial in row["table"][1:]:
        assert all(is_in(candidate.space[key], value) for key, value in trial["settings"].items())
    assert row["table"][0]["settings"] == row["default"]
    assert row["validation_best"] == max(trial["validation"] for trial in row["table"]) >= row["validation_default"]
    assert row["low"] <= row["test_gain"] <= row["high"]
    assert row["test_gain"] == pytest.approx(row["test_best"] - row["test_default"], abs=2e-4)


def test_a_tuned_sequential_model_is_above_every_tuned_baseline_beyond_luck():
    tuned = next(one for one in RECORD["tuned"] if one["split"] == "last out")
    assert tuned["low"] > 0
    assert tuned["ratio"] > 1.15
