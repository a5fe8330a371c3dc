"""The profile of a split, counted by hand on a small table; shuffling and cutting; rivals of equal popularity."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions, k_core, leave_last_out, movielens_100k
from avrec_lib.data.profile import cut_histories, equally_popular, profile, shuffle_order
from avrec_lib.data.splits import Split

ROWS = [
    ("ann", "a", 1),
    ("ann", "b", 1),
    ("ann", "c", 2),
    ("ann", "d", 9),
    ("bob", "a", 3),
    ("bob", "b", 4),
    ("bob", "e", 5),
    ("cid", "a", 6),
]


def table(rows=ROWS):
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]))


def rows_of(data):
    return sorted(zip(data.user_ids[data.users], data.item_ids[data.items], data.timestamps, strict=True))


@pytest.fixture(scope="module")
def films():
    return k_core(movielens_100k().interactions, 5)


def test_the_profile_of_a_table_of_eight_rows():
    found = profile(leave_last_out(table()))  # hides d of ann and e of bob, which nobody else met
    assert found.rows == 6
    assert (found.users, found.items) == (3, 3)
    assert found.rows_a_user == 2  # 3, 2 and 1
    assert found.rows_an_item == 2  # a has 3, b 2, c 1
    assert found.new_items == 1
    assert found.new_users == 0
    assert found.top_share == 3 / 6  # one item is the least that 1 % can be
    assert found.same_second == pytest.approx(1 / 3)  # a–b of ann, but not b–c nor a–b of bob


def test_a_user_who_is_only_in_the_test_is_new():
    data = table()
    is_bob = data.user_ids[data.users] == "bob"
    found = profile(Split(data.select(~is_bob), data.select(is_bob), "bob"))
    assert found.new_users == 1
    assert found.new_items == pytest.approx(1 / 3)


def test_without_times_or_neighbours_no_share_of_equal_seconds_is_known():
    split = leave_last_out(table())
    timeless = Split(replace(split.train, timestamps=None), replace(split.test, timestamps=None), "timeless")
    assert np.isnan(profile(timeless).same_second)
    assert profile(timeless).rows == 6
    first = cut_histories(split.train, 1)
    assert np.isnan(profile(Split(first, split.test, "one row each")).same_second)


def test_shuffling_keeps_who_met_what_and_the_moments_of_each_user(films):
    mixed = shuffle_order(films, seed=1)
    assert np.array_equal(mixed.users, films.users)
    assert np.array_equal(mixed.items, films.items)
    for user in range(3):
        mine = films.users == user
        assert sorted(mixed.timestamps[mine]) == sorted(films.timestamps[mine])
    assert (mixed.timestamps != films.timestamps).mean() > 0.5


def test_every_order_of_a_short_history_is_equally_likely():
    data = table([("ann", item, time) for time, item in enumerate("abc")])
    orders = [tuple(shuffle_order(data, seed).timestamps) for seed in range(600)]
    counts = pd.Series(orders).value_counts()
    assert len(counts) == 6
    assert counts.between(65, 135).all()


def test_shuffling_does_not_depend_on_the_order_of_the_rows():
    data = table()
    turned = data.select(np.arange(len(data))[::-1])
    assert rows_of(shuffle_order(data, 3)) == rows_of(shuffle_order(turned, 3))
    assert rows_of(shuffle_order(data, 3)) != rows_of(shuffle_order(data, 4))


def test_cutting_keeps_the_last_rows():
    assert [row[:2] for row in rows_of(cut_histories(table(), 2))] == [
        ("ann", "c"),
        ("ann", "d"),
        ("bob", "b"),
        ("bob", "e"),
        ("cid", "a"),
    ]
    assert rows_of(cut_histories(table(), 4)) == rows_of(table())
    assert cut_histories(table(), 1).n_items == 5


@pytest.mark.parametrize("n", [0, 2.5, -1])
def test_a_history_cannot_be_cut_to_less_than_a_row(n):
    with pytest.raises(ValueError, match="at least 1 rows"):
        cut_histories(table(), n)


def test_shuffling_and_cutting_need_times():
    timeless = replace(table(), timestamps=None)
    with pytest.raises(ValueError, match="shuffle_order needs timestamps"):
        shuffle_order(timeless)
    with pytest.raises(ValueError, match="cut_histories needs timestamps"):
        cut_histories(timeless, 2)


def test_a_rival_is_unmet_and_as_popular_as_can_be():
    # a 3, b 2, c 2, d 2, e 1 training rows; ann's test is b, she has met a
    rows = [("ann", "a"), ("bob", "a"), ("bob", "b"), ("cid", "a"), ("cid", "b"), ("cid", "c"), ("dan", "c")]
    rows += [("dan", "d"), ("eve", "d"), ("eve", "e"), ("ann", "b")]
    data = table([(*row, time) for time, row in enumerate(rows)])
    is_last = np.arange(len(data)) == len(data) - 1
    split = Split(data.select(~is_last), data.select(is_last), "the last row")
    found = {str(data.item_ids[equally_popular(split, seed)[0]]) for seed in range(30)}
    assert found == {"c", "d"}


def test_where_all_of_equal_count_are_met_the_nearest_count_serves():
    rows = [("ann", "a"), ("bob", "a"), ("bob", "b"), ("cid", "b"), ("cid", "c"), ("ann", "b")]
    data = table([(*row, time) for time, row in enumerate(rows)])
    is_last = np.arange(len(data)) == len(data) - 1
    split = Split(data.select(~is_last), data.select(is_last), "the last row")
    assert data.item_ids[equally_popular(split)].tolist() == ["c"]


def test_rivals_of_films_are_unmet_and_close_in_count(films):
    split = leave_last_out(films)
    rivals = equally_popular(split)
    met = {*zip(films.users.tolist(), films.items.tolist(), strict=True)}
    assert not any(pair in met for pair in zip(split.test.users.tolist(), rivals.tolist(), strict=True))
    counts = np.bincount(split.train.items, minlength=films.n_items)
    gap = counts[rivals] - counts[split.test.items]
    assert np.median(np.abs(gap)) <= 2
    assert abs(gap.mean()) < 5


def test_whoever_has_met_everything_has_no_rival():
    split = leave_last_out(table([("ann", "a", 1), ("ann", "b", 2)]))
    with pytest.raises(ValueError, match="'ann' has met every item"):
        equally_popular(split)
