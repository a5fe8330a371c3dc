"""Every split: its rule on a table small enough to check by eye, and what no split may do."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec_lib.data import Interactions
from avrec_lib.data.splits import (
    Split,
    k_core,
    last_fraction,
    leave_last_out,
    official_folds,
    random_k_fold,
    time_cut,
)

COLUMNS = ["user_id", "item_id", "rating", "timestamp"]

by_any_order = {
    "random_k_fold": lambda data: random_k_fold(data, n_folds=3),
    "leave_last_out": lambda data: [leave_last_out(data)],
    "last_fraction": lambda data: [last_fraction(data, 0.4)],
    "time_cut": lambda data: [time_cut(data)],
}


def table(rows, columns=COLUMNS):
    return Interactions.from_frame(pd.DataFrame(rows, columns=columns))


def rows_of(data):
    return {(str(u), str(i)) for u, i in zip(data.user_ids[data.users], data.item_ids[data.items], strict=True)}


def same_tables(a, b):
    return (
        a.frame().equals(b.frame())
        and np.array_equal(a.user_ids, b.user_ids)
        and np.array_equal(a.item_ids, b.item_ids)
    )


@pytest.fixture
def two_users():
    """L1: A meets w x y z at 1..4, B meets p q r w at 101..104."""
    rows = [("A", i, 1, t) for t, i in enumerate("wxyz", start=1)]
    return table(rows + [("B", i, 1, t) for t, i in enumerate("pqrw", start=101)])


# -- what a split is


def test_train_and_test_share_the_vocabularies_and_no_pair(ml100k):
    data = ml100k.interactions
    for split in [
        random_k_fold(data)[0],
        official_folds(data)[0],
        leave_last_out(data),
        last_fraction(data),
        time_cut(data),
    ]:
        assert split.train.user_ids is split.test.user_ids
        assert split.train.item_ids is split.test.item_ids
        assert len(split.train) + len(split.test) == len(data)
        assert split.train.matrix().multiply(split.test.matrix()).nnz == 0


def test_a_split_with_two_vocabularies_is_refused(two_users):
    half = two_users.select(two_users.timestamps < 100)
    rest = two_users.select(two_users.timestamps > 100)
    with pytest.raises(ValueError, match="'mine': train and test have different user vocabularies"):
        Split(half.compact(), rest.compact(), "mine")
    with pytest.raises(ValueError, match="different item vocabularies"):
        Split(table([("A", "x", 1, 1)]), table([("A", "y", 1, 1)]), "mine")


def test_equal_vocabularies_need_not_be_one_object():
    rows = [("A", "x", 1, 1), ("A", "y", 1, 2)]
    a, b = table(rows), table(rows)
    assert len(Split(a.select(np.array([0])), b.select(np.array([1])), "mine").test) == 1


def test_a_pair_in_train_and_test_is_refused_and_named(two_users):
    with pytest.raises(
        ValueError, match=r"8 \(user, item\) pairs are in train and in test \(first: user 'A', item 'w'"
    ):
        Split(two_users, two_users, "leaky")


def test_an_empty_side_is_refused(two_users):
    nothing = two_users.select(np.zeros(8, dtype=bool))
    with pytest.raises(ValueError, match="the test table has 0 rows"):
        Split(two_users, nothing, "empty")
    with pytest.raises(ValueError, match="the train table has 0 rows"):
        Split(nothing, two_users, "empty")


def test_a_split_cannot_be_changed(two_users):
    split = leave_last_out(two_users)
    with pytest.raises(AttributeError):
        split.name = "other"


# -- shuffling the rows changes nothing


@pytest.mark.parametrize("name", by_any_order)
def test_shuffled_rows_give_identical_tables_on_movielens(ml100k, name):
    """L1: equal timestamps are deterministic under a shuffle."""
    data = ml100k.interactions
    shuffled = data.select(np.random.default_rng(3).permutation(len(data)))
    for a, b in zip(by_any_order[name](data), by_any_order[name](shuffled), strict=True):
        assert a.name == b.name
        assert same_tables(a.train, b.train)
        assert same_tables(a.test, b.test)


@settings(max_examples=30, deadline=None)
@given(
    pairs=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=8),
    seed=st.integers(0, 2**32 - 1),
)
def test_shuffled_rows_give_identical_tables_whatever_the_table(pairs, seed):
    rng = np.random.default_rng(seed)
    rows = [(f"u{u}", f"i{i}", int(rng.integers(1, 6)), int(rng.integers(4))) for u, i in sorted(pairs)]
    rows += [("u0", "first", 1, -1), ("u0", "last", 1, 9)]  # so that every split exists
    shuffled = [rows[j] for j in rng.permutation(len(rows))]
    for make in by_any_order.values():
        for a, b in zip(make(table(rows)), make(table(shuffled)), strict=True):
            assert same_tables(a.train, b.train)
            assert same_tables(a.test, b.test)


# -- random folds


def test_random_folds_are_disjoint_and_cover_every_row_once(two_users):
    folds = random_k_fold(two_users, n_folds=3)
    assert sorted(len(fold.test) for fold in folds) == [2, 3, 3]
    assert set.union(*(rows_of(fold.test) for fold in folds)) == rows_of(two_users)


def test_a_seed_names_the_folds():
    data = table([("u", str(i), 1, i) for i in range(50)])
    first, again, other = (random_k_fold(data, seed=s)[0] for s in (7, 7, 8))
    assert rows_of(first.test) == rows_of(again.test) != rows_of(other.test)


def test_dealing_folds_leaves_the_global_random_state_alone(two_users):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    random_k_fold(two_users)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("make", [random_k_fold, official_folds])
@pytest.mark.parametrize("n_folds", [0, 1, 9])
def test_more_folds_than_rows_or_fewer_than_two_are_refused(two_users, make, n_folds):
    with pytest.raises(ValueError, match=f"{make.__name__}: n_folds must lie between 2 and the number of rows, 8"):
        make(two_users, n_folds=n_folds)


# -- official folds


def test_official_folds_are_consecutive_in_row_order(two_users):
    folds = official_folds(two_users, n_folds=4)
    assert [sorted(rows_of(fold.test)) for fold in folds][:2] == [[("A", "w"), ("A", "x")], [("A", "y"), ("A", "z")]]
    assert [fold.name for fold in folds] == [f"official fold u{i}" for i in (1, 2, 3, 4)]


def test_official_folds_of_movielens_are_five_times_20000_rows(ml100k):
    data = ml100k.interactions
    folds = official_folds(data)
    assert [len(fold.test) for fold in folds] == [20_000] * 5
    assert rows_of(folds[1].test) == rows_of(data.select(np.arange(20_000, 40_000)))


# -- the last rows of each user


def test_the_last_row_of_each_user_is_held_out(two_users):
    split = leave_last_out(two_users)
    assert rows_of(split.test) == {("A", "z"), ("B", "w")}
    assert split.name == "leave last out"


def test_a_user_with_one_row_stays_in_train():
    data = table([("A", "x", 1, 1), ("A", "y", 1, 2), ("B", "x", 1, 3)])
    for split in (leave_last_out(data), last_fraction(data, 0.9)):
        assert rows_of(split.test) == {("A", "y")}
        assert ("B", "x") in rows_of(split.train)


def test_leaving_out_again_gives_a_validation_table(two_users):
    assert rows_of(leave_last_out(leave_last_out(two_users).train).test) == {("A", "y"), ("B", "r")}


@pytest.mark.parametrize(
    ("n", "fraction", "held_out"),
    [(2, 0.2, 1), (5, 0.2, 1), (7, 0.2, 1), (8, 0.2, 2), (10, 0.25, 3), (10, 0.15, 2), (3, 0.9, 2), (2, 0.99, 1)],
)
def test_a_fraction_is_rounded_half_up_and_leaves_a_row_on_each_side(n, fraction, held_out):
    split = last_fraction(table([("A", str(i), 1, i) for i in range(n)]), fraction)
    assert sorted(split.test.timestamps) == list(range(n - held_out, n))


def test_the_tie_rule_is_part_of_the_name():
    data = table([("A", str(i), 6 - i, 0) for i in range(1, 6)])
    assert rows_of(leave_last_out(data, ties="rating").test) == {("A", "1")}
    assert rows_of(leave_last_out(data, ties="item").test) == {("A", "5")}
    assert leave_last_out(data, ties="item").name == "leave last out, by item"
    assert last_fraction(data, 0.2, ties="row").name == "last 20 % of each user, by row"


@pytest.mark.parametrize("make", [leave_last_out, last_fraction])
def test_users_with_one_row_each_cannot_be_split(make):
    with pytest.raises(ValueError, match="no user has two rows"):
        make(table([("A", "x", 1, 1), ("B", "x", 1, 1)]))


# -- the global cut


def test_the_global_cut_never_learns_from_the_future(two_users):
    """L1: 75/25 cuts at 103; train has 6 rows."""
    split = time_cut(two_users, 0.25)
    assert rows_of(split.test) == {("B", "r"), ("B", "w")}
    assert split.test.timestamps.min() == 103
    assert len(split.train) == 6
    assert split.train.timestamps.max() < split.test.timestamps.min()


def test_a_per_user_split_learns_from_the_future(two_users):
    """L1: the fault that the global cut avoids."""
    split = last_fraction(two_users, 0.25)
    assert split.train.timestamps.max() == 103 > split.test.timestamps.min() == 4


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=30).filter(lambda t: len(set(t)) > 1), st.floats(0.01, 0.99))
def test_rows_with_one_timestamp_stay_together(times, fraction):
    split = time_cut(table([("A", str(i), 1, t) for i, t in enumerate(times)]), fraction)
    assert split.train.timestamps.max() < split.test.timestamps.min()
    possible = [sum(t >= cut for t in times) for cut in set(times) - {min(times)}]
    wanted = fraction * len(times)
    assert abs(len(split.test) - wanted) == pytest.approx(min(abs(n - wanted) for n in possible))


def test_of_two_equally_near_cuts_the_larger_test_table_is_taken():
    split = time_cut(table([("A", str(i), 1, t) for i, t in enumerate([0, 1, 1, 2])]), 0.5)
    assert len(split.test) == 3


def test_rows_of_one_moment_cannot_be_cut():
    with pytest.raises(ValueError, match="time_cut: no two rows differ in time"):
        time_cut(table([("A", "x", 1, 1), ("B", "x", 1, 1)]))


# -- what they need


@pytest.mark.parametrize("make", [leave_last_out, last_fraction, time_cut])
def test_a_split_by_time_names_itself_when_there_is_no_time(make):
    data = table([("A", "x", 1), ("A", "y", 1)], columns=COLUMNS[:3])
    with pytest.raises(ValueError, match=f"{make.__name__} needs timestamps.*random_k_fold"):
        make(data)


@pytest.mark.parametrize("make", [last_fraction, time_cut])
@pytest.mark.parametrize("fraction", [0, 1, -0.2, 20, float("nan")])
def test_a_fraction_outside_0_to_1_is_refused(two_users, make, fraction):
    with pytest.raises(ValueError, match=f"{make.__name__}: fraction must lie between 0 and 1"):
        make(two_users, fraction)


# -- k-core


def test_the_core_is_taken_to_the_fixpoint():
    # dropping item z makes user C rare, which makes item y rare, which makes user B rare
    rows = [("A", "w"), ("A", "x"), ("D", "w"), ("D", "x"), ("B", "x"), ("B", "y"), ("C", "y"), ("C", "z")]
    core = k_core(table([(u, i, 1, 0) for u, i in rows]), 2)
    assert rows_of(core) == {("A", "w"), ("A", "x"), ("D", "w"), ("D", "x")}
    assert core.user_ids.tolist() == ["A", "D"]
    assert core.item_ids.tolist() == ["w", "x"]


def test_the_core_of_a_core_is_itself(ml100k):
    core = k_core(ml100k.interactions, 20)
    assert np.bincount(core.users).min() >= 20
    assert np.bincount(core.items).min() >= 20
    assert same_tables(core, k_core(core, 20))


def test_the_5_core_of_movielens_has_the_published_size(ml100k):
    core = k_core(ml100k.interactions)
    assert (core.n_users, core.n_items, len(core)) == (943, 1349, 99_287)
    assert len(leave_last_out(core).test) == 943


def test_an_impossible_core_is_refused(two_users):
    with pytest.raises(ValueError, match="no users and items with 5 rows each"):
        k_core(two_users)
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        k_core(two_users, 0)
