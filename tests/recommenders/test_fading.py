"""The fading chain: scores by hand, against a plain loop, and what it does where it knows nothing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions, order_in_time
from avrec_lib.recommenders import FadingChain


def table(rows):
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]))


HAND = table([("u", "a", 1), ("u", "b", 2), ("v", "b", 1), ("v", "c", 2), ("w", "d", 1)])


def test_scores_by_hand():
    """b stood once beside a and once beside c; a only beside b. u met a, then b; γ is one half."""
    scores = FadingChain(back=2, decay=0.5).fit(HAND).score(HAND.user_index(["u"]))[0]
    assert scores == pytest.approx([1 / 2, 1 / 2, 1 / 2, 0])  # a, c: from b; b: γ · 1 from a


def test_a_memory_of_one_forgets_all_but_the_last():
    scores = FadingChain(back=1).fit(HAND).score(HAND.user_index(["u"]))[0]
    assert scores == pytest.approx([1 / 2, 0, 1 / 2, 0])


@pytest.mark.parametrize(("back", "decay"), [(1, 1.0), (4, 0.7), (99, 0.9)])
def test_the_scores_are_those_of_a_plain_loop(back, decay):
    rng = np.random.default_rng(1)
    u, i = np.nonzero(rng.random((30, 12)) < 0.4)
    train = table(list(zip(u, i, rng.integers(0, 9, len(u)), strict=True)))  # many equal times
    beside = np.zeros((train.n_items, train.n_items))
    order = order_in_time(train)
    past = {user: train.items[order][train.users[order] == user] for user in range(train.n_users)}
    for items in past.values():
        for a, b in pairwise(items):
            beside[a, b] += 1
            beside[b, a] += 1
    model = FadingChain(back, decay).fit(train)
    for user, items in past.items():
        expected = sum(decay**k * beside[j] / max(beside[j].sum(), 1) for k, j in enumerate(items[::-1][:back]))
        assert model.score([user])[0] == pytest.approx(expected, abs=1e-6)


def test_a_history_given_by_hand_scores_as_the_one_of_training():
    model = FadingChain(decay=0.5).fit(HAND)
    a, b, c = HAND.item_index(["a", "b", "c"])
    np.testing.assert_array_equal(model.score_after([[a, b], [b, c]]), model.score(HAND.user_index(["u", "v"])))


def test_who_met_nothing_and_who_met_what_nobody_met_beside_anything_get_popularity():
    model = FadingChain().fit(HAND)
    counts = [1, 2, 1, 1]
    assert model.score(HAND.user_index(["w"]))[0].tolist() == counts
    assert model.score_after([[]])[0].tolist() == counts


def test_an_unknown_item_in_a_history_is_named():
    with pytest.raises(IndexError, match="9"):
        FadingChain().fit(HAND).score_after([[9]])


def test_a_table_without_times_is_refused():
    train = Interactions.from_frame(pd.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]}))
    with pytest.raises(ValueError, match="needs timestamps"):
        FadingChain().fit(train)


@pytest.mark.parametrize(
    ("settings", "message"), [({"back": 0}, "back"), ({"decay": 0}, "decay"), ({"decay": 1.5}, "decay")]
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        FadingChain(**settings)
