"""Steps counted by hand, and against a matrix of transitions made by pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions, order_in_time
from avrec_lib.recommenders.markov import MarkovChain


def table(rows):
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]))


HAND = table([("u", "a", 1), ("u", "b", 2), ("v", "a", 1), ("v", "c", 2), ("w", "a", 5), ("w", "b", 9), ("x", "a", 3)])


def test_the_probability_of_the_next_item_by_hand():
    """After a came b twice and c once; a is 4 of the 7 rows, b 2, c 1; the prior is worth one step."""
    scores = MarkovChain(prior=1.0).fit(HAND).score(HAND.user_index(["x"]))[0]
    assert scores == pytest.approx([(0 + 4 / 7) / 4, (2 + 2 / 7) / 4, (1 + 1 / 7) / 4])


def test_the_scores_are_probabilities():
    assert MarkovChain().fit(HAND).score([0, 1, 2, 3]).sum(axis=1) == pytest.approx(np.ones(4))


def test_nothing_follows_the_last_item_so_popularity_decides():
    after_b = MarkovChain().fit(HAND).score(HAND.user_index(["u"]))[0]
    assert after_b == pytest.approx([4 / 7, 2 / 7, 1 / 7])


def test_time_and_not_the_order_of_rows_says_what_is_next():
    rows = [("u", "b", 2), ("u", "a", 1), ("u", "c", 3)]
    model = MarkovChain().fit(table(rows))
    assert model.steps.toarray().tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert model.last.tolist() == [2]


def test_the_counts_are_those_of_pandas():
    rng = np.random.default_rng(0)
    u, i = np.nonzero(rng.random((40, 12)) < 0.4)
    train = table(list(zip(u, i, rng.integers(0, 9, len(u)), strict=True)))  # many equal times
    model = MarkovChain().fit(train)
    frame = train.frame().iloc[order_in_time(train)]
    frame["next"] = frame.groupby("user_id")["item_id"].shift(-1)
    expected = (
        pd.crosstab(frame["item_id"], frame["next"]).reindex(train.item_ids, axis=0).reindex(train.item_ids, axis=1)
    )
    np.testing.assert_array_equal(model.steps.toarray(), expected.fillna(0))


def test_a_user_without_rows_gets_popularity():
    cold = HAND.select(HAND.users != 3)
    model = MarkovChain().fit(cold)
    assert model.last[3] == -1
    assert model.score([3])[0] == pytest.approx([3 / 6, 2 / 6, 1 / 6])


def test_a_table_without_times_is_refused():
    train = Interactions.from_frame(pd.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]}))
    with pytest.raises(ValueError, match="needs timestamps"):
        MarkovChain().fit(train)


def test_a_prior_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="prior must be a positive number"):
        MarkovChain(0)
