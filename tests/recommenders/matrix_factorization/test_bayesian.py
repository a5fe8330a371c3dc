import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions, official_folds
from avrec_lib.evaluation import rmse
from avrec_lib.recommenders import NotFittedError
from avrec_lib.recommenders.matrix_factorization import BayesianMatrixFactorization, bayesian


def ratings_table(values, n_items, observed):
    """Return the observed ratings of a full (n_users · n_items,) array; the vocabularies stay whole."""
    users, items = np.divmod(np.arange(len(values)), n_items)
    whole = Interactions.from_frame(pd.DataFrame({"user_id": users, "item_id": items, "rating": values}))
    return whole.select(observed)


@pytest.fixture(scope="module")
def table():
    """Forty users, thirty items, half of the ratings; the last two users and the last item have none."""
    rng = np.random.default_rng(2)
    R = np.clip(np.round(3 + rng.normal(size=(40, 2)) @ rng.normal(size=(2, 30))), 1, 5)
    users, items = np.divmod(np.arange(1200), 30)
    return ratings_table(R.ravel(), 30, (rng.random(1200) < 0.5) & (users < 38) & (items < 29))


@pytest.fixture(scope="module")
def model(table):
    return BayesianMatrixFactorization(3, n_samples=60, burn_in=20).fit(table)


def test_a_prediction_is_the_mean_over_the_draws(model, table):
    draws = model.predict_draws(table.users, table.items)
    assert draws.shape == (60, len(table))
    assert draws.dtype == np.float32
    np.testing.assert_allclose(model.predict(table.users, table.items), np.clip(draws.mean(axis=0), 1, 5), atol=1e-5)


def test_scores_are_the_predictions_before_clipping(model, table):
    scores = model.score(np.arange(40))
    users, items = np.divmod(np.arange(1200), 30)
    np.testing.assert_allclose(model.predict(users, items), np.clip(scores[users, items], 1, 5), atol=1e-5)


def test_the_stored_samples_are_biases_and_factors(model):
    P, Q = model.user_samples_, model.item_samples_
    assert P.shape == (41, 60, 5)
    assert Q.shape == (31, 60, 5)
    assert (Q[:, :, 0] == 1).all()
    by_hand = model.mu + P[4, :, 0] + P[4, 0, 1] * Q[7, :, 1] + (P[4, :, 2:] * Q[7, :, 2:]).sum(axis=1)
    np.testing.assert_allclose(model.predict_draws([4], [7])[:, 0], by_hand, atol=1e-5)


def test_the_predictive_spread_adds_the_noise_to_the_doubt(model, table):
    doubt = model.predict_draws(table.users, table.items).std(axis=0)
    noise = model.trace_.loc[model.trace_["kept"], "noise_std"].to_numpy()
    np.testing.assert_allclose(model.predict_std(table.users, table.items, noise=False), doubt, rtol=1e-4)
    np.testing.assert_allclose(
        model.predict_std(table.users, table.items), np.sqrt(doubt**2 + np.mean(noise**2)), rtol=1e-4
    )


def test_the_running_error_ends_at_the_error_of_the_prediction(model, table):
    curve = model.running_rmse(table)
    assert curve.shape == (60,)
    assert curve[-1] == pytest.approx(rmse(table.values, model.predict(table.users, table.items)), abs=1e-6)
    first = np.clip(model.predict_draws(table.users, table.items)[0], 1, 5)
    assert curve[0] == pytest.approx(rmse(table.values, first), abs=1e-6)


def test_a_cold_user_gets_the_average_user_and_is_the_least_certain(model):
    scores = model.score([3, 38, 39])
    np.testing.assert_array_equal(scores[1], scores[2])
    m = model.user_samples_[-1]
    average = model.mu + np.einsum("sd,isd->i", m, model.item_samples_[:29]) / 60
    np.testing.assert_allclose(scores[1, :29], average, atol=1e-5)
    items = np.arange(29)
    known, cold = (model.predict_std(np.full(29, u), items, noise=False).mean() for u in (3, 38))
    assert cold > 1.5 * known


def test_a_cold_item_gets_the_average_item_and_nothing_is_nan(model):
    m = model.item_samples_[-1]
    average = model.mu + np.einsum("usd,sd->u", model.user_samples_[:38], m) / 60
    np.testing.assert_allclose(model.score(np.arange(38))[:, 29], average, atol=1e-5)
    assert np.isfinite(model.score(np.arange(40))).all()
    assert np.isfinite(model.predict([39], [29])).all()


def test_the_scale_of_the_ratings_does_not_matter(table):
    tenfold = Interactions(table.users, table.items, 10 * table.values + 7, None, table.user_ids, table.item_ids)
    a = BayesianMatrixFactorization(2, n_samples=10, burn_in=5).fit(table)
    b = BayesianMatrixFactorization(2, n_samples=10, burn_in=5).fit(tenfold)
    np.testing.assert_allclose(
        10 * a.predict(table.users, table.items) + 7, b.predict(table.users, table.items), atol=1e-2
    )
    np.testing.assert_allclose(10 * a.trace_["noise_std"], b.trace_["noise_std"], rtol=1e-4)


def test_equal_ratings_are_predicted_as_they_are():
    table = ratings_table(np.full(30, 4.0), 5, np.arange(30) % 2 == 0)
    model = BayesianMatrixFactorization(1, n_samples=5).fit(table)
    assert (model.predict(table.users, table.items) == 4).all()


def test_what_was_simulated_is_found_again():
    # The model itself makes the data, so its credible intervals must hold what they promise.
    rng = np.random.default_rng(11)
    n_users, n_items, noise = 120, 80, 0.5
    truth = 3 + rng.normal(0, 0.4, (n_users, 1)) + rng.normal(0, 0.4, n_items)
    truth += rng.normal(0, 0.7, (n_users, 2)) @ rng.normal(0, 0.7, (2, n_items))
    seen = rng.random(truth.size) < 0.3
    table = ratings_table(truth.ravel() + rng.normal(0, noise, truth.size), n_items, seen)
    model = BayesianMatrixFactorization(3, n_samples=200, burn_in=150).fit(table)
    assert model.trace_["noise_std"][150:].mean() == pytest.approx(noise, rel=0.05)
    users, items = np.divmod(np.flatnonzero(~seen), n_items)
    draws = model.predict_draws(users, items)
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    inside = (low < truth[users, items]) & (truth[users, items] < high)
    assert inside.mean() == pytest.approx(0.9, abs=0.04)
    error = truth[users, items] - draws.mean(axis=0)
    assert np.sqrt(np.mean(error**2)) < 0.35  # of a spread of about 0.9
    assert model.predict_std(users, items, noise=False).mean() == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.15)


def test_the_trace_has_a_row_a_sweep(model):
    trace = model.trace_
    assert list(trace.columns) == ["sweep", "kept", "noise_std", "train_rmse"]
    assert list(trace["sweep"]) == list(range(1, 81))
    assert list(trace["kept"]) == [False] * 20 + [True] * 60
    assert trace["noise_std"].iloc[-1] < 0.9 * trace["noise_std"].iloc[0]  # it learns


def test_the_train_rmse_is_that_of_the_draw(table):
    model = BayesianMatrixFactorization(2, n_samples=3, burn_in=0).fit(table)
    draws = model.predict_draws(table.users, table.items)
    by_hand = np.sqrt(np.mean((draws - table.values) ** 2, axis=1))
    np.testing.assert_allclose(model.trace_["train_rmse"], by_hand, rtol=1e-4)


def test_same_seed_same_samples_other_seed_others_and_the_global_state_is_untouched(table):
    """Field case F6."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not change
    first, again, other = (BayesianMatrixFactorization(2, n_samples=4, seed=s).fit(table) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.user_samples_, again.user_samples_)
    np.testing.assert_array_equal(first.item_samples_, again.item_samples_)
    assert not np.array_equal(first.user_samples_, other.user_samples_)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_the_order_of_the_rows_does_not_matter(table):
    shuffled = table.select(np.random.default_rng(0).permutation(len(table)))
    a, b = (BayesianMatrixFactorization(2, n_samples=4).fit(t) for t in (table, shuffled))
    np.testing.assert_allclose(a.score(np.arange(40)), b.score(np.arange(40)), atol=1e-4)


def test_movielens_is_predicted_better_than_by_biases_after_a_few_sweeps(ml100k):
    fold = official_folds(ml100k.interactions)[1]
    model = BayesianMatrixFactorization(8, n_samples=25, burn_in=10).fit(fold.train)
    assert rmse(fold.test.values, model.predict(fold.test.users, fold.test.items)) < 0.92  # biases alone: .94
    std = model.predict_std(fold.test.users, fold.test.items)
    inside = np.abs(model.predict(fold.test.users, fold.test.items) - fold.test.values) < 1.64 * std
    assert inside.mean() == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_factors": 0}, "n_factors must be a whole number of at least 1, not 0"),
        ({"n_samples": 0}, "n_samples must be a whole number of at least 1, not 0"),
        ({"n_samples": 2.5}, "n_samples must be"),
        ({"burn_in": -1}, "burn_in .* not -1"),
        ({"burn_in": 1.5}, "burn_in .* not 1.5"),
        ({"prior_scale": 0}, "prior_scale must be a finite number above 0"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        BayesianMatrixFactorization(**settings)


def test_more_factors_than_items_are_refused(table):
    with pytest.raises(ValueError, match="n_factors=31 is more than the 30 items"):
        BayesianMatrixFactorization(31).fit(table)


def test_an_error_curve_on_another_vocabulary_is_refused(model, table):
    with pytest.raises(ValueError, match="other user or item ids"):
        model.running_rmse(table.compact())


def test_an_interrupted_fit_leaves_a_model_that_is_not_fitted(table, monkeypatch):
    model = BayesianMatrixFactorization(2, n_samples=3).fit(table)
    draw_rows, calls = bayesian.draw_rows, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return draw_rows(*arguments)

    monkeypatch.setattr(bayesian, "draw_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(table)
    for use in (
        lambda: model.predict([0], [0]),
        lambda: model.predict_std([0], [0]),
        lambda: model.running_rmse(table),
    ):
        with pytest.raises(NotFittedError):
            use()


def test_the_progress_bar_is_shown_on_request(table, capsys):
    BayesianMatrixFactorization(2, n_samples=3, burn_in=2).fit(table)
    assert capsys.readouterr().err == ""
    BayesianMatrixFactorization(2, n_samples=3, burn_in=2, progress=True).fit(table)
    assert "5/5" in capsys.readouterr().err
