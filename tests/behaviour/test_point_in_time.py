"""Sums of the past by hand, splits, and a detector that catches features which know the future."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from avrec_lib.behaviour.point_in_time import before, leaks, random_split, time_split

LOG = pd.DataFrame(
    {
        "user": [0, 1, 0, 1, 0, 1],
        "timestamp": [10, 20, 30, 30, 40, 50],
        "click": [True, False, False, True, True, False],
        "watch_seconds": [5.0, 0.0, 0.0, 7.0, 2.0, 0.0],
    },
    index=[3, 5, 8, 9, 11, 12],
)


def test_sums_of_the_past_by_hand():
    sums, counts = before([0, 0, 1, 0], [10, 20, 15, 30], [1.0, 2.0, 4.0, 8.0])
    assert sums.tolist() == [0, 1, 0, 3]
    assert counts.tolist() == [0, 1, 0, 2]


def test_what_happens_at_the_same_time_is_not_the_past():
    sums, counts = before([0, 0, 0], [10, 10, 11], [1.0, 2.0, 4.0])
    assert sums.tolist() == [0, 0, 3]
    assert counts.tolist() == [0, 0, 2]


def test_a_row_may_ask_earlier_or_later_than_its_own_time():
    sums, counts = before([0, 0, 0], [10, 20, 30], [1.0, 2.0, 4.0], asked=[5, 10**9, 30])
    assert sums.tolist() == [0, 7, 3]
    assert counts.tolist() == [0, 3, 2]


def test_vectors_are_summed_by_column():
    sums, _ = before([2, 2], [1, 2], [[1.0, 10.0], [2.0, 20.0]])
    assert sums.tolist() == [[0, 0], [1, 10]]


def test_no_rows_have_no_past():
    sums, counts = before([], [], [])
    assert len(sums) == len(counts) == 0


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    g, t, v = rng.integers(0, 5, 200), rng.integers(0, 50, 200), rng.normal(size=200)
    asked = t - rng.integers(0, 5, 200)
    slow = [v[(g == g[j]) & (t < asked[j])].sum() for j in range(200)]
    assert_allclose(before(g, t, v, asked)[0], slow, atol=1e-12)
    assert [((g == g[j]) & (t < asked[j])).sum() for j in range(200)] == before(g, t, v, asked)[1].tolist()


def test_a_time_split_by_hand():
    train, test = time_split([1, 2, 3, 4], cut=2, end=4)
    assert train.tolist() == [True, False, False, False]
    assert test.tolist() == [False, True, True, False]


def test_field_case_a_split_in_time_leaves_no_row_of_training_after_one_of_testing():
    times = np.array([1, 2, 3, 4, 101, 102, 103, 104])  # two viewers; each one's last quarter would leak
    train, test = time_split(times, 103)
    assert train.sum() == 6
    assert times[train].max() < times[test].min()


def test_a_random_split_shares_all_rows_out():
    train, test = random_split(100, 0.25, seed=1)
    assert test.sum() == 25
    assert (train ^ test).all()
    assert not np.array_equal(test, random_split(100, 0.25, seed=2)[1])


def running_mean(log):
    past, n = before(log["user"], log["timestamp"], log["click"])
    return pd.DataFrame({"rate": past / np.maximum(n, 1), "hour": log["timestamp"] % 24}, index=log.index)


def test_honest_features_do_not_leak():
    assert leaks(running_mean, LOG, LOG["timestamp"]).empty


def test_the_mean_of_the_whole_log_leaks():
    def make(log):
        return running_mean(log).assign(mean=log.groupby("user")["click"].transform("mean"))

    found = leaks(make, LOG, [30])
    assert found.index.tolist() == ["mean"]
    # viewer 0 clicked on 2 of 3, but until the cut, at 30, on 1 of 2
    assert found.loc["mean", ["cut", "row", "rows"]].tolist() == [30, 3, 4]
    assert_allclose(found.loc["mean", ["value", "changed"]].astype(float), [2 / 3, 1 / 2])


def test_a_mean_that_counts_the_row_itself_leaks():
    def make(log):
        own = log.groupby("user")["click"].cumsum() / (log.groupby("user").cumcount() + 1)
        return pd.DataFrame({"rate": own})

    assert leaks(make, LOG, [40]).index.tolist() == ["rate"]


def test_a_count_of_later_rows_leaks_though_it_uses_no_outcome():
    def make(log):
        return pd.DataFrame({"popularity": log.groupby("user")["user"].transform("size")})

    assert leaks(make, LOG, [30]).loc["popularity", ["value", "changed"]].tolist() == [3, 2]


def test_the_watch_time_of_the_row_leaks_its_click():
    assert leaks(lambda log: log[["watch_seconds"]], LOG, [20]).index.tolist() == ["watch_seconds"]
    assert leaks(lambda log: log[["watch_seconds"]], LOG, [20], outcomes=["click"]).empty


def test_rows_without_features_and_gaps_that_stay_are_no_leak():
    def make(log):
        return pd.DataFrame({"gap": np.where(log["user"] == 0, np.nan, 1.0)}, index=log.index).iloc[1:]

    assert leaks(make, LOG, [30, 40]).empty


def test_rounding_is_no_leak():
    def make(log):
        return pd.DataFrame({"sum": 1e6 + 1e-9 * len(log)}, index=log.index)

    assert leaks(make, LOG, [30]).empty


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: before([0], [1, 2], [1.0, 2.0]), "differ in length"),
        (lambda: before([-1], [1], [1.0]), "negative"),
        (lambda: time_split([1, 2], 5), "2 rows lie before the cut and 0 after"),
        (lambda: random_split(3, 0.01), "one side empty"),
        (lambda: leaks(running_mean, pd.concat([LOG, LOG]), [30]), "index, which repeats"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
