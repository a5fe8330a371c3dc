"""Everyone gets what most people met."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions
from avrec_lib.data.splits import last_fraction
from avrec_lib.evaluation import evaluate
from avrec_lib.recommenders import Popularity, recommend
from avrec_lib.recommenders.popularity import fill_silent_rows, item_counts

TRAIN = Interactions.from_frame(
    pd.DataFrame(
        [("u", "a", 5), ("u", "b", 2), ("v", "b", 4), ("v", "c", 0), ("w", "b", 3), ("w", "c", 0), ("x", "d", 1)],
        columns=["user_id", "item_id", "rating"],
    )
)


def test_popularity_counts_rows_whatever_they_say():
    """Two ratings of 0 are two people who met the item (field case F4)."""
    assert Popularity().fit(TRAIN).score([0, 3]).tolist() == [[1, 3, 2, 1], [1, 3, 2, 1]]
    assert item_counts(TRAIN).dtype == np.float32


def test_items_met_equally_often_are_ordered_by_index():
    assert recommend(Popularity().fit(TRAIN), ["v"], k=2)["item_id"].tolist() == ["a", "d"]


def test_the_plain_mean_is_won_by_a_single_enthusiast():
    scores = Popularity("mean", damping=0).fit(TRAIN).score([0])[0]
    assert scores.tolist() == [5, 3, 0, 1]


def test_the_damped_mean_by_hand():
    """mu = 15/7; with damping 2 item a scores (5 + 30/7) / 3 and b (9 + 30/7) / 5."""
    scores = Popularity("mean", damping=2).fit(TRAIN).score([0])[0]
    assert scores == pytest.approx([(5 + 30 / 7) / 3, (9 + 30 / 7) / 5, (30 / 7) / 4, (1 + 30 / 7) / 3])


@pytest.mark.parametrize("damping", [0, 3])
def test_an_item_without_rows_has_the_mean_of_all(damping):
    without = TRAIN.select(TRAIN.items != 0)
    assert Popularity("mean", damping).fit(without).score([0])[0, 0] == pytest.approx(10 / 6)


def test_an_item_without_rows_counts_0():
    assert Popularity().fit(TRAIN.select(TRAIN.items != 0)).score([0])[0].tolist() == [0, 3, 2, 1]


def test_the_scores_handed_out_are_a_copy():
    model = Popularity().fit(TRAIN)
    model.score([0])[:] = -1
    assert model.score([0])[0].tolist() == [1, 3, 2, 1]


def test_a_row_of_zeros_is_filled_with_the_counts():
    scores = np.array([[0, 0, 0], [0, -1, 0]], dtype=np.float32)
    assert fill_silent_rows(scores, np.array([3, 1, 2], dtype=np.float32)).tolist() == [[3, 1, 2], [0, -1, 0]]
    assert fill_silent_rows(np.empty((0, 3), np.float32), np.zeros(3, np.float32)).shape == (0, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": "clicks"}, "'count' or 'mean', not 'clicks'"),
        ({"damping": -1}, "at least 0"),
        ({"damping": np.nan}, "nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Popularity(**settings)


def test_popularity_scores_as_measured_elsewhere(ml100k):
    """NDCG@10 of the reference implementation: .119, up to which of equal timestamps are held out."""
    split = last_fraction(ml100k.interactions)
    result = evaluate(Popularity(), split, n_boot=0).set_index("metric")["value"]
    assert result["NDCG@10"] == pytest.approx(0.119, rel=0.02)
    by_mean = evaluate(Popularity("mean"), split, n_boot=0).set_index("metric")["value"]
    assert by_mean["NDCG@10"] < result["NDCG@10"] / 2  # well liked is not much watched
