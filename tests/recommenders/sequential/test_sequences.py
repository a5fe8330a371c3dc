"""Histories in the order of time, and their windows."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions
from avrec_lib.data.splits import leave_last_out
from avrec_lib.recommenders.sequential.sequences import Histories, histories, last_windows, training_windows

# u: c a b; v: nothing; w: a twice, at different times
ROWS = Interactions(
    users=[0, 2, 0, 0, 2],
    items=[1, 0, 0, 2, 0],
    values=np.ones(5),
    timestamps=[30, 7, 20, 10, 5],
    user_ids=["u", "v", "w"],
    item_ids=["a", "b", "c"],
)


def made(*lists: list[int], n_items: int = 9) -> Histories:
    starts = np.cumsum([0, *map(len, lists)])
    return Histories(np.concatenate([np.empty(0, np.int64), *lists]).astype(np.int64), starts, n_items)


def test_items_come_in_the_order_of_time_whatever_the_order_of_the_rows():
    past = histories(ROWS)
    assert [past.of(user).tolist() for user in range(3)] == [[2, 0, 1], [], [0, 0]]
    assert past.lengths.tolist() == [3, 0, 2]
    assert past.owners().tolist() == [0, 0, 0, 2, 2]
    assert past.n_users == 3
    shuffled = histories(ROWS.select(np.array([4, 2, 0, 3, 1])))
    assert shuffled.items.tolist() == past.items.tolist()


def test_a_pair_that_comes_twice_is_two_events():
    assert histories(ROWS).of(2).tolist() == [0, 0]


def test_equal_times_are_ordered_by_the_rule_that_also_splits():
    frame = pd.DataFrame({"user_id": "u", "item_id": list("abcdef"), "timestamp": 5})
    data = Interactions.from_frame(frame)
    last = leave_last_out(data).test.items[0]
    assert histories(data).of(0)[-1] == last


def test_without_timestamps_there_is_no_order():
    with pytest.raises(ValueError, match="a sequential model needs timestamps and the table has none"):
        histories(Interactions.from_frame(pd.DataFrame({"user_id": ["u"], "item_id": ["a"]})))


def test_the_digest_tells_histories_apart():
    digests = {h.digest() for h in (made([1], [2]), made([1, 2], []), made([2], [1]), made([1], [2], n_items=8))}
    assert len(digests) == 4
    assert made([1], [2]).digest() in digests


def test_the_last_item_is_cut_off_users_who_have_two():
    known, users, targets = made([1, 2, 3], [], [4], [5, 6]).without_last()
    assert [known.of(user).tolist() for user in range(4)] == [[1, 2], [], [4], [5]]
    assert users.tolist() == [0, 3]
    assert targets.tolist() == [3, 6]


def test_what_is_cut_is_what_leave_last_out_holds_out():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user_id": rng.integers(0, 9, 80), "item_id": rng.integers(0, 30, 80), "timestamp": 3})
    data = Interactions.from_frame(frame)
    split = leave_last_out(data)
    known, users, targets = histories(data).without_last()
    assert users.tolist() == split.test.users.tolist()
    assert targets.tolist() == split.test.items.tolist()
    assert known.items.tolist() == histories(split.train).items.tolist()


def test_a_window_keeps_the_last_items_and_is_padded_at_its_end():
    past = made([1, 2, 3], [], [4])
    assert last_windows(past, np.array([2, 0, 1, 0]), 2).tolist() == [[4, 9], [2, 3], [9, 9], [2, 3]]


def test_windows_of_nobody_and_of_nothing():
    assert last_windows(made([1]), np.empty(0, np.int64), 3).shape == (0, 3)
    assert last_windows(made([], []), np.array([0, 1]), 2).tolist() == [[9, 9], [9, 9]]
    windows, users = training_windows(made([], []), 2)
    assert windows.shape == (0, 3)
    assert users.shape == (0,)


def test_training_windows_by_hand():
    """Seven items and T = 3: targets 2 3 4 | 5 6 7, so windows 1 2 3 4 and 4 5 6 7; five: one short window first."""
    windows, users = training_windows(made([1, 2, 3, 4, 5, 6, 7], [8], [1, 2, 3, 4, 5]), 3)
    assert windows.tolist() == [[1, 2, 3, 4], [4, 5, 6, 7], [1, 2, 9, 9], [2, 3, 4, 5]]
    assert users.tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize("T", [1, 2, 3, 7, 50])
def test_every_item_but_the_first_is_a_target_exactly_once(T):
    rng = np.random.default_rng(T)
    lists = [rng.integers(0, 9, n).tolist() for n in (0, 1, 2, 3, 8, 15, 4)]
    windows, users = training_windows(made(*lists), T)
    for user, items in enumerate(lists):
        targets = [int(i) for window in windows[users == user][:, 1:] for i in window if i != 9]
        assert targets == items[1:]
