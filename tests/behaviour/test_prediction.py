"""Five numbers by hand and equal to scikit-learn, two models, and training rows of one kind."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from avrec_lib.behaviour.prediction import auc_within, evaluate_prediction, fit_predictor

MODELS = ["logistic", "boosting"]


@pytest.fixture(scope="module")
def coins():
    """Return 4,000 rows of three features, of which the last is constant, the true p and the tosses."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(4000, 2)), columns=["a", "b"]).assign(same=3.0)
    q = 1 / (1 + np.exp(-(2 * X["a"] - X["b"] - 0.5)))
    return X, q.to_numpy(), rng.random(4000) < q


def test_five_numbers_by_hand():
    found = evaluate_prediction([1, 0, 1, 0], [0.8, 0.2, 0.4, 0.6], n_bins=1)
    assert found["rows"] == 4
    assert found["rate"] == found["predicted"] == 0.5
    assert found["auc"] == 0.75  # of four pairs, one is the wrong way round
    assert found["log_loss"] == pytest.approx(-(2 * np.log(0.8) + 2 * np.log(0.4)) / 4)
    assert found["brier"] == pytest.approx((0.04 + 0.04 + 0.36 + 0.36) / 4)
    assert found["calibration"] == pytest.approx(0)


def test_the_numbers_equal_sklearns(coins):
    _, q, y = coins
    p = q**1.3
    found = evaluate_prediction(y, p)
    assert found["auc"] == pytest.approx(roc_auc_score(y, p))
    assert found["log_loss"] == pytest.approx(log_loss(y, p))
    assert found["brier"] == pytest.approx(brier_score_loss(y, p))


def test_what_the_truth_expects_by_hand():
    found = evaluate_prediction([1, 0], [0.5, 0.5], truth=[0.9, 0.1])
    assert found["expected_log_loss"] == pytest.approx(np.log(2))
    assert found["limit_log_loss"] == pytest.approx(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)))
    assert found["expected_brier"] == pytest.approx(0.25)
    assert found["limit_brier"] == pytest.approx(0.09)
    assert found["expected_auc"] == pytest.approx(0.5)
    assert found["limit_auc"] == pytest.approx(0.81 / 0.82)  # of the tosses that differ


def test_expected_numbers_are_means_over_tosses(coins):
    _, q, _ = coins
    p, rng = q**1.3, np.random.default_rng(1)
    tosses = [evaluate_prediction(rng.random(len(q)) < q, p) for _ in range(60)]
    found = evaluate_prediction(tosses[0]["rate"] > q, p, q)
    for name in ("auc", "log_loss", "brier"):
        assert np.mean([toss[name] for toss in tosses]) == pytest.approx(found[f"expected_{name}"], abs=2e-3)


def test_no_prediction_betters_the_truth(coins):
    _, q, y = coins
    for p in (q, q**0.7, np.full(len(q), y.mean())):
        found = evaluate_prediction(y, p, q)
        assert found["expected_auc"] <= found["limit_auc"] + 1e-12
        assert found["expected_log_loss"] >= found["limit_log_loss"] - 1e-12
        assert found["expected_brier"] >= found["limit_brier"] - 1e-12


def test_nothing_can_be_sorted_where_all_are_one():
    found = evaluate_prediction([0, 0], [0.1, 0.4])
    assert np.isnan(found["auc"])
    assert found["log_loss"] == pytest.approx(-(np.log(0.9) + np.log(0.6)) / 2)


def test_a_click_at_zero_costs_everything():
    assert evaluate_prediction([1, 0], [0.0, 0.0])["log_loss"] == np.inf
    assert evaluate_prediction([1, 0], [1.0, 0.0])["log_loss"] == 0


@pytest.mark.parametrize("model", MODELS)
def test_models_come_near_the_truth(coins, model):
    X, q, y = coins
    p = fit_predictor(X[:3000], y[:3000], model)(X[3000:])
    found = evaluate_prediction(y[3000:], p, q[3000:])
    assert found["limit_auc"] - 0.02 < found["expected_auc"] <= found["limit_auc"]
    assert found["calibration"] < 0.06


def test_logistic_equals_sklearn_on_standardised_features(coins):
    X, _, y = coins
    Z = ((X - X.mean()) / X.std(ddof=0).replace(0, 1)).to_numpy()
    reference = LogisticRegression(max_iter=1000).fit(Z, y).predict_proba(Z)[:, 1]
    assert_allclose(fit_predictor(X, y)(X), reference, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_columns_does_not_matter(coins, model):
    X, _, y = coins
    predict = fit_predictor(X[:500], y[:500], model)
    assert_allclose(predict(X[["same", "b", "a"]][500:600]), predict(X[500:600]))


@pytest.mark.parametrize("model", MODELS)
def test_constant_features_predict_the_rate(model):
    X = pd.DataFrame({"same": np.ones(200)})
    assert_allclose(fit_predictor(X, np.arange(200) < 50, model)(X), 0.25, atol=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_no_clicks_predict_few(model):
    X = pd.DataFrame({"a": np.arange(8.0)})
    assert_allclose(fit_predictor(X, np.zeros(8), model)(X[:3]), [0.1] * 3)
    assert_allclose(fit_predictor(X, np.ones(8), model)(X[:1]), [0.9])


def test_one_seed_gives_one_prediction(coins):
    X, _, y = coins
    first, second = (fit_predictor(X[:500], y[:500], "boosting", seed=3)(X) for _ in range(2))
    assert_allclose(first, second, atol=0)


X2 = pd.DataFrame({"a": [0.0, 1.0]})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_predictor(X2, [0, 1], "forest"), "'logistic' or 'boosting'"),
        (lambda: fit_predictor(X2.assign(a=np.nan), [0, 1]), "NaN or infinite"),
        (lambda: fit_predictor(X2, [0, 1])(X2.rename(columns={"a": "c"})), r"\['a'\] are missing"),
        (lambda: fit_predictor(X2[:0], []), "not empty"),
        (lambda: fit_predictor(X2, [0]), "one length"),
        (lambda: evaluate_prediction([0, 1], [0.5, 2.0]), "between 0 and 1"),
        (lambda: evaluate_prediction([0, 1], [0.5, 0.5], truth=[0.5]), "one length"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_auc_within_groups_by_hand():
    y, p = [1, 0, 0, 1, 0, 1], [0.9, 0.8, 0.95, 0.2, 0.1, 0.3]
    groups = ["top"] * 3 + ["end"] * 3
    assert auc_within(y, p, groups) == pytest.approx((1 + 2) / 4)  # two pairs in each group, one of them wrong


def test_auc_within_groups_ignores_what_only_tells_groups_apart():
    rng = np.random.default_rng(0)
    place = rng.integers(1, 11, 2000)
    y = rng.random(2000) < 1 / place
    assert roc_auc_score(y, 1 / place) > 0.6
    assert auc_within(y, 1 / place, place) == 0.5


def test_auc_within_one_group_is_the_auc(coins):
    _, q, y = coins
    assert auc_within(y, q, np.zeros(len(y))) == pytest.approx(roc_auc_score(y, q))


def test_auc_within_groups_without_a_pair_is_nan():
    assert np.isnan(auc_within([1, 1, 0], [0.5, 0.6, 0.7], [0, 0, 1]))


def test_auc_within_says_that_groups_have_another_length():
    with pytest.raises(ValueError, match="an entry for each of 2 rows"):
        auc_within([1, 0], [0.5, 0.6], [0])
