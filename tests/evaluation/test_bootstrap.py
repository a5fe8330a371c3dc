"""Intervals from resampled users, and differences of two models on the same users."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from avrec_lib.evaluation import bootstrap, paired_difference
from avrec_lib.evaluation.bootstrap import interval, names_sums_counts, ratios, resample


def users(**columns):
    n = len(next(iter(columns.values())))
    base = {"user_id": [f"u{i}" for i in range(n)], "n_test": np.ones(n, int), "n_relevant": np.ones(n, int)}
    return pd.DataFrame(base | columns)


def test_the_interval_of_a_mean_equals_scipys_bootstrap():
    x = np.random.default_rng(0).exponential(size=200)
    low, high = interval(ratios(["m"], *resample(x[:, None], np.ones((200, 1)), 5000, seed=1)))
    expected = scipy.stats.bootstrap((x,), np.mean, n_resamples=5000, method="percentile", rng=2).confidence_interval
    assert low[0] == pytest.approx(expected.low, abs=0.01)
    assert high[0] == pytest.approx(expected.high, abs=0.01)


def test_rmse_is_pooled_over_rows_before_the_root():
    table = users(squared_error=[4.0, 1.0], absolute_error=[2.0, 1.0])
    table["n_test"] = [1, 4]
    names, sums, counts = names_sums_counts(table)
    assert names == ["RMSE", "MAE"]
    np.testing.assert_allclose(ratios(names, sums.sum(axis=0), counts.sum(axis=0)), [1.0, 3 / 5])


def test_an_undefined_metric_of_a_user_is_left_out_of_its_mean():
    names, sums, counts = names_sums_counts(users(AUC=[0.5, np.nan, 0.7]))
    assert ratios(names, sums.sum(axis=0), counts.sum(axis=0))[0] == pytest.approx(0.6)


def test_a_column_of_words_is_no_metric():
    assert names_sums_counts(users(AUC=[0.5, 0.7], model=["EASE", "EASE"]))[0] == ["AUC"]


def test_a_metric_nobody_has_is_nan_without_a_warning():
    names, sums, counts = names_sums_counts(users(AUC=[np.nan, np.nan]))
    low, high = interval(ratios(names, *resample(sums, counts, 10, seed=0)))
    assert np.isnan([low[0], high[0]]).all()


def test_samples_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch):
    x, ones = np.arange(7.0)[:, None], np.ones((7, 1))
    whole = resample(x, ones, 20, seed=3)[0]
    monkeypatch.setattr(bootstrap, "CHUNK", 21)  # three samples at a time
    np.testing.assert_array_equal(resample(x, ones, 20, seed=3)[0], whole)


def test_every_sample_draws_as_many_users_as_there_are():
    assert (resample(np.ones((9, 1)), np.ones((9, 1)), 50, seed=0)[0] == 9).all()


def test_a_seed_names_the_samples():
    x, ones = np.arange(7.0)[:, None], np.ones((7, 1))
    assert np.array_equal(resample(x, ones, 9, 1)[0], resample(x, ones, 9, 1)[0])
    assert not np.array_equal(resample(x, ones, 9, 1)[0], resample(x, ones, 9, 2)[0])


def test_a_negative_number_of_samples_is_refused():
    with pytest.raises(ValueError, match="n_boot must be at least 0, not -1"):
        resample(np.ones((2, 1)), np.ones((2, 1)), -1, 0)


# -- paired differences


def test_the_difference_of_a_model_with_itself_is_exactly_0():
    a = users(**{"NDCG@10": [0.1, 0.9, 0.4]})
    assert paired_difference(a, a) == (0, 0, 0)


def test_a_constant_advantage_has_no_uncertainty():
    a = users(**{"NDCG@10": [0.25, 0.875, 0.5]})
    b = users(**{"NDCG@10": [0.125, 0.75, 0.375]})
    assert paired_difference(a, b) == pytest.approx((0.125, 0.125, 0.125))
    assert paired_difference(b, a).mean == pytest.approx(-0.125)


def test_a_paired_interval_is_narrower_than_an_unpaired_one():
    rng = np.random.default_rng(0)
    easy = rng.random(300)  # how easy each user is, for any model
    a = users(**{"NDCG@10": easy + rng.normal(0.02, 0.05, 300)})
    b = users(**{"NDCG@10": easy + rng.normal(0, 0.05, 300)})
    paired = paired_difference(a, b)
    alone = interval(ratios(["x"], *resample(a[["NDCG@10"]].to_numpy(), np.ones((300, 1)), 1000, 0)))
    assert paired.low < paired.mean < paired.high
    assert paired.low > 0
    assert (paired.high - paired.low) < (alone[1][0] - alone[0][0]) / 2


def test_the_difference_of_rmses_is_the_rmse_of_one_minus_that_of_the_other():
    a = users(squared_error=[4.0, 4.0], absolute_error=[2.0, 2.0])
    b = users(squared_error=[1.0, 1.0], absolute_error=[1.0, 1.0])
    assert paired_difference(a, b, "RMSE") == pytest.approx((1, 1, 1))
    assert paired_difference(a, b, "MAE") == pytest.approx((1, 1, 1))


def test_only_users_with_the_metric_in_both_tables_are_compared():
    a, b = users(AUC=[0.5, np.nan, 0.9]), users(AUC=[0.4, 0.1, np.nan])
    assert paired_difference(a, b, "AUC") == pytest.approx((0.1, 0.1, 0.1))
    with pytest.raises(ValueError, match="no user has a AUC in both"):
        paired_difference(users(AUC=[np.nan, 0.1]), users(AUC=[0.1, np.nan]), "AUC")


def test_tables_of_other_users_are_refused():
    a, b = users(AUC=[0.5, 0.6]), users(AUC=[0.5, 0.6])
    b["user_id"] = ["u0", "v1"]
    with pytest.raises(ValueError, match="not of the same users"):
        paired_difference(a, b, "AUC")
    with pytest.raises(ValueError, match="not of the same users"):
        paired_difference(a, a[:1], "AUC")


def test_an_unknown_metric_is_named_with_those_there_are():
    a = users(AUC=[0.5, 0.6])
    with pytest.raises(ValueError, match="no metric 'NDCG@10' in both tables; they share AUC"):
        paired_difference(a, a)
