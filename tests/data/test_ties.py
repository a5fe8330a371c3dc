"""The order of rows in time, and the coin that decides between equal timestamps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec_lib.data import Interactions
from avrec_lib.data.ties import _coin, order_in_time

MASK = 2**64 - 1


def reference_coin(user: str, item: str) -> int:
    """The same hash with Python's own integers."""

    def fnv1a(text):
        h = 0xCBF29CE484222325
        for character in text:
            h = (h ^ ord(character)) * 0x100000001B3 & MASK
        return h

    def splitmix64(x):
        z = x + 0x9E3779B97F4A7C15 & MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return z ^ z >> 31

    return splitmix64(fnv1a(user) ^ splitmix64(fnv1a(item)))


def table(rows, columns=("user_id", "item_id", "rating", "timestamp")):
    return Interactions.from_frame(pd.DataFrame(rows, columns=list(columns)))


def ids_in_order(data, **options):
    return [tuple(row) for row in data.frame().iloc[order_in_time(data, **options)][["user_id", "item_id"]].to_numpy()]


def test_rows_are_ordered_by_user_then_time():
    data = table([("b", "x", 1, 5), ("a", "x", 1, 9), ("a", "y", 1, 2), ("b", "z", 1, 4)])
    assert ids_in_order(data) == [("a", "y"), ("a", "x"), ("b", "z"), ("b", "x")]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=6).filter(lambda s: "\0" not in s and s.strip()), min_size=1, max_size=8))
def test_the_coin_equals_a_scalar_reference(ids):
    data = Interactions.from_frame(pd.DataFrame({"user_id": ids, "item_id": ids[::-1]}))
    expected = [reference_coin(data.user_ids[u], data.item_ids[i]) for u, i in zip(data.users, data.items, strict=True)]
    assert _coin(data).tolist() == expected


def test_the_coin_is_the_same_on_every_platform():
    data = table([("196", "242", 3, 881250949)])
    assert _coin(data).tolist() == [1481219871361618397]


def test_a_longer_id_elsewhere_in_the_vocabulary_changes_no_coin():
    few = table([("1", "2", 1, 1), ("1", "3", 1, 1)])
    many = table([("1", "2", 1, 1), ("1", "3", 1, 1), ("1", "123456789", 1, 0)])
    assert _coin(few).tolist() == _coin(many)[:2].tolist()


def test_swapping_user_and_item_gives_another_coin():
    assert _coin(table([("1", "2", 1, 1)])) != _coin(table([("2", "1", 1, 1)]))


def test_the_coin_is_fair_to_item_order_and_to_every_user(ml100k):
    data = ml100k.interactions
    pairs = np.random.default_rng(0).integers(len(data), size=(200_000, 2))
    first = _coin(data)[pairs[:, 0]] < _coin(data)[pairs[:, 1]]
    lower_id = data.items[pairs[:, 0]] < data.items[pairs[:, 1]]
    assert abs(np.mean(first[lower_id]) - 0.5) < 0.01
    assert abs(np.mean(first[~lower_id]) - 0.5) < 0.01


def test_ties_by_item_rating_and_row():
    data = table([("u", "3", 5, 7), ("u", "1", 4, 7), ("u", "2", 1, 7), ("u", "4", 2, 6)])
    assert ids_in_order(data, ties="item") == [("u", i) for i in "4123"]
    assert ids_in_order(data, ties="rating") == [("u", i) for i in "4213"]
    assert ids_in_order(data, ties="row") == [("u", i) for i in "4312"]


def test_equal_ratings_of_tied_rows_fall_back_to_the_coin():
    rows = [("u", str(i), 3, 7) for i in range(20)]
    assert ids_in_order(table(rows), ties="rating") == ids_in_order(table(rows[::-1])) == ids_in_order(table(rows))


@pytest.mark.parametrize("ties", ["hash", "item", "rating"])
def test_the_order_does_not_depend_on_the_rows_own_order(ties):
    rows = [("u" + str(u), str(i), (u * i) % 5, (u + i) % 3) for u in range(5) for i in range(10)]
    shuffled = [rows[j] for j in np.random.default_rng(1).permutation(len(rows))]
    assert ids_in_order(table(rows), ties=ties) == ids_in_order(table(shuffled), ties=ties)


def test_an_empty_table_has_an_empty_order():
    data = table([("a", "x", 1, 5)])
    assert order_in_time(data.select(np.array([], dtype=np.intp)).compact()).tolist() == []


def test_an_unknown_tie_rule_is_named():
    with pytest.raises(ValueError, match="not 'coin'"):
        order_in_time(table([("a", "x", 1, 5)]), ties="coin")


def test_a_table_without_times_has_no_order():
    data = table([("a", "x", 1)], columns=("user_id", "item_id", "rating"))
    with pytest.raises(ValueError, match="order_in_time needs timestamps"):
        order_in_time(data)


def test_44_percent_of_movielens_users_tie_on_their_last_two_timestamps(ml100k):
    data = ml100k.interactions
    order = order_in_time(data)
    last = np.cumsum(np.bincount(data.users)) - 1
    tied = data.timestamps[order][last] == data.timestamps[order][last - 1]
    assert tied.mean() == pytest.approx(0.441, abs=0.001)
