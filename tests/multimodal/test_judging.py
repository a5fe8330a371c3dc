"""Judging: beside scikit-learn, chances by hand, and both ends of the way from chance to the best possible."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from avrec_lib.evaluation.ranking import ndcg_at_k
from avrec_lib.multimodal.batches import ViewerRows
from avrec_lib.multimodal.judging import chances, judge, ranks, way
from avrec_lib.multimodal.tables import clip_table, viewer_table

from .small_clips import N_CLIPS, N_VIEWERS, SMALL, small_inputs, small_log
from .test_model import shaken


def drawn(n=4000, n_users=80, seed=0):
    """Return impressions with their true chances."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1, 2, n)
    log = pd.DataFrame({"user": rng.integers(0, n_users, n), "item": rng.integers(0, 500, n)})
    return log.assign(click=rng.random(n) < truth), truth


# --- chances


def test_chances_of_tastes_are_a_sum_over_tastes():
    model, log = shaken(), small_log()
    b = clip_table(model, small_inputs()).b
    a = viewer_table(model, b, log)
    looked = [1.0, *expit(model.place.detach().double().numpy())]
    expected = []
    for row in log.itertuples():
        terms = [float(a[row.user, k]) / (1 + math.exp(-float(b[row.item, k]))) for k in range(SMALL.tastes)]
        expected.append(looked[row.position - 1] * sum(terms))
    found = chances(model, a, b, log)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert found.dtype == np.float64
    assert ((found > 0) & (found < 1)).all()


@pytest.mark.parametrize("user", ["id", "history", "both", "nobody"])
@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_other_chances_are_a_look_times_a_like(user, weight):
    """With clicks that weigh ω in training the odds come out ω times too high, and are divided by it."""
    model, log = shaken(SMALL.but(user=user, weight_of_clicks=weight)), small_log()
    b = clip_table(model, small_inputs()).b
    a = viewer_table(model, b, log)
    looked = np.array([1.0, *expit(model.place.detach().double().numpy())])
    s = (a[log["user"]].astype(np.float64) * b[log["item"]]).sum(axis=1)
    p = looked[log["position"] - 1] * expit(s)
    np.testing.assert_allclose(chances(model, a, b, log), p / (p + weight * (1 - p)), rtol=1e-6)


def test_the_log_loss_of_chances_is_what_the_model_was_trained_to_make_small():
    """For a model that reads no log, the training loss of a row is the log loss of its chance."""
    model, log = shaken(SMALL.but(user="nobody", hide=0.0)), small_log()
    b = clip_table(model, small_inputs()).b
    p = chances(model, viewer_table(model, b, log), b, log)
    loss = model(ViewerRows(small_inputs(), log).batch(np.arange(N_VIEWERS))).item() / len(log)
    assert log_loss(log["click"], p) == pytest.approx(loss, rel=1e-5)


# --- judging


def test_scores_are_those_of_scikit_learn():
    log, truth = drawn()
    p = np.clip(np.round(truth + np.random.default_rng(1).normal(0, 0.2, len(truth)), 2), 0.01, 0.99)  # with ties
    found = judge(p, log, n_boot=50)
    assert found["AUC"] == pytest.approx(roc_auc_score(log["click"], p))
    assert found["log loss"] == pytest.approx(log_loss(log["click"], p))
    assert found["Brier"] == pytest.approx(brier_score_loss(log["click"], p))
    own = [roc_auc_score(part["click"], p[part.index]) for _, part in log.groupby("user")]
    assert found["AUC of a viewer"] == pytest.approx(np.mean(own))
    assert found["AUC low"] < found["AUC"] < found["AUC high"]


def test_ndcg_is_the_mean_of_the_viewers_lists():
    log, truth = drawn(600, 20)
    found = judge(truth, log, n_boot=10, k=5)
    each = []
    for _, part in log.groupby("user"):
        order = part.index[np.argsort(-truth[part.index])]
        each.append(ndcg_at_k(order.to_numpy(), part.index[part["click"]].to_numpy(), 5))
    assert found["NDCG@5"] == pytest.approx(np.mean(each))


def test_predictions_of_0_and_1_have_a_finite_log_loss():
    log, _ = drawn(100, 5)
    found = judge(log["click"].astype(float), log, n_boot=10)
    assert found["AUC"] == 1
    assert found["Brier"] == 0
    assert 0 <= found["log loss"] < 1e-6
    assert judge(1 - log["click"].astype(float), log, n_boot=10)["log loss"] == pytest.approx(-math.log(1e-7), rel=1e-6)


def test_without_the_truth_there_is_no_way():
    log, truth = drawn(300, 10)
    plain = judge(truth, log, n_boot=10)
    assert set(judge(truth, log, truth, n_boot=10)) - set(plain) == {"way AUC", "way NDCG@10"}


def test_the_truth_is_all_of_the_way_and_so_is_what_orders_as_it_does():
    log, truth = drawn()
    assert way(truth, truth, log["user"]) == pytest.approx({"way AUC": 1, "way NDCG@10": 1})
    assert way(np.log(truth), truth, log["user"]) == pytest.approx({"way AUC": 1, "way NDCG@10": 1})


def test_chance_is_none_of_the_way():
    log, truth = drawn()
    for seed in (1, 2, 3):
        scores = np.random.default_rng(seed).random(len(truth))
        assert way(scores, truth, log["user"]) == pytest.approx({"way AUC": 0, "way NDCG@10": 0}, abs=0.12)


def test_the_wrong_order_is_on_the_other_side_and_half_is_in_between():
    log, truth = drawn()
    wrong = way(-truth, truth, log["user"])
    half = way(truth + np.random.default_rng(0).normal(0, 0.3, len(truth)), truth, log["user"])
    assert wrong["way AUC"] == pytest.approx(-1)
    assert wrong["way NDCG@10"] < -0.5
    assert 0.3 < half["way AUC"] < 0.9
    assert 0.2 < half["way NDCG@10"] < 0.9


# --- ranks


def test_ranks_by_hand():
    """Scores of viewer 0 are those of the clips: 5, 4, 4, 1. Viewer 1 likes the opposite."""
    b, a = np.array([[5.0], [4.0], [4.0], [1.0]]), np.array([[1.0], [-1.0]])
    log = pd.DataFrame({"user": [0, 0, 0, 0, 1, 1], "item": [0, 1, 2, 3, 3, 0]})
    nothing = log.iloc[:0]
    assert ranks(a, b, log, nothing).tolist() == [1, 3, 3, 4, 1, 4]  # a tie counts against the clip
    seen = pd.DataFrame({"user": [0, 1, 1], "item": [0, 3, 1]})
    assert ranks(a, b, log, seen).tolist() == [1, 2, 2, 3, 1, 2]  # clip 0 and 3 are found though they were seen


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_ranks_are_what_a_plain_loop_finds(chunk):
    rng = np.random.default_rng(0)
    a, b = rng.integers(-2, 3, (N_VIEWERS, 3)).astype(np.float32), rng.integers(-2, 3, (N_CLIPS, 3)).astype(np.float32)
    log, seen = small_log(1, seed=5), small_log(2)
    expected = []
    for row in log.itertuples():
        met = set(seen.loc[seen["user"] == row.user, "item"])
        scores = b @ a[row.user]
        others = [i for i in range(N_CLIPS) if i != row.item and i not in met]
        expected.append(1 + sum(scores[i] >= scores[row.item] for i in others))
    found = ranks(a, b, log, seen, chunk)
    assert found.tolist() == expected
    assert found.dtype == np.int64
