"""Opinions on a common scale, weighted and added."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import zscore

from avrec_lib.data import Interactions
from avrec_lib.recommenders import EASE, ItemKNN, NotFittedError, Popularity, Recommender, WeightedHybrid, top_k
from avrec_lib.recommenders.hybrid import standardise

TRAIN = Interactions.from_frame(
    pd.DataFrame(
        [("u", "a", 5), ("u", "b", 3), ("v", "a", 4), ("v", "b", 2), ("v", "c", 1), ("w", "c", 4), ("w", "d", 4)],
        columns=["user_id", "item_id", "rating"],
    )
)


class Fixed(Recommender):
    def __init__(self, scores):
        self.scores = np.array(scores, dtype=np.float32)

    def _fit(self, train):
        pass

    def _score(self, users):
        return np.tile(self.scores, (len(users), 1))


def test_standard_scores_by_hand():
    """1, 2, 3 has mean 2 and standard deviation sqrt(2/3)."""
    assert standardise(np.array([[1.0, 2.0, 3.0]]))[0] == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])


def test_standard_scores_equal_scipys():
    scores = np.random.default_rng(0).normal(5, 100, (4, 30)).astype(np.float32)
    np.testing.assert_allclose(standardise(scores), zscore(scores.astype(float), axis=1))


@pytest.mark.parametrize("constant", [0, 0.1, 1e30])
def test_a_constant_row_has_no_opinion(constant):
    scores = np.full((1, 7), constant, dtype=np.float32)
    assert standardise(scores).tolist() == [[0] * 7]


def test_units_do_not_matter():
    """Scores of one part times 1000 plus 5 are the same opinion."""
    part, other = [0.0, 1.0, 3.0, 2.0], [3.0, 0.0, 1.0, 1.0]
    plain = WeightedHybrid([Fixed(part), Fixed(other)]).fit(TRAIN).score([0])
    scaled = WeightedHybrid([Fixed(np.array(part) * 1000 + 5), Fixed(other)]).fit(TRAIN).score([0])
    np.testing.assert_allclose(plain, scaled, rtol=1e-5)


def test_the_sum_is_weighted():
    a, b = np.array([0.0, 1.0, 3.0, 2.0]), np.array([3.0, 0.0, 1.0, 1.0])
    scores = WeightedHybrid([Fixed(a), Fixed(b)], [2, -0.5]).fit(TRAIN).score([0])[0]
    assert scores == pytest.approx(2 * zscore(a) - 0.5 * zscore(b), abs=1e-6)


def test_one_part_alone_ranks_as_by_itself():
    alone, hybrid = ItemKNN().fit(TRAIN), WeightedHybrid([ItemKNN(), Popularity()], [1, 0]).fit(TRAIN)
    for mine, theirs in zip(top_k(hybrid.score([0, 1, 2]), 4), top_k(alone.score([0, 1, 2]), 4), strict=True):
        assert mine.tolist() == theirs.tolist()


def test_a_part_without_opinion_leaves_the_order_to_the_others():
    scores = WeightedHybrid([Fixed([7, 7, 7, 7]), Fixed([1, 2, 3, 4])]).fit(TRAIN).score([0])[0]
    assert scores == pytest.approx(zscore([1, 2, 3, 4]), abs=1e-6)


def test_items_that_tie_in_every_part_tie_in_the_sum():
    scores = (
        WeightedHybrid([Fixed([0.1, 0.7, 0.1, 0.3]), Fixed([0.2, 0.6, 0.2, 0.9])], [0.3, 0.7]).fit(TRAIN).score([0])[0]
    )
    assert scores[0] == scores[2]


def test_fit_fits_every_part():
    parts = [EASE(), Popularity()]
    WeightedHybrid(parts).fit(TRAIN)
    assert all(part.train is TRAIN for part in parts)


def test_a_part_that_cannot_be_fitted_leaves_the_hybrid_unfitted():
    class Broken(Fixed):
        def _fit(self, train):
            raise ValueError("no luck")

    hybrid = WeightedHybrid([Popularity(), Broken([1])])
    with pytest.raises(ValueError, match="no luck"):
        hybrid.fit(TRAIN)
    with pytest.raises(NotFittedError):
        hybrid.score([0])


def test_a_part_fitted_again_elsewhere_is_noticed():
    part = Popularity()
    hybrid = WeightedHybrid([part, EASE()]).fit(TRAIN)
    part.fit(TRAIN.select(TRAIN.users != 0))
    with pytest.raises(ValueError, match="the part Popularity was fitted again on another table; fit the hybrid again"):
        hybrid.score([0])


def test_a_hybrid_can_be_a_part():
    inner = WeightedHybrid([EASE(), Popularity()])
    outer = WeightedHybrid([inner, ItemKNN()]).fit(TRAIN)
    assert outer.score([0, 1]).shape == (2, 4)


@pytest.mark.parametrize(
    ("parts", "weights", "message"),
    [
        ([], None, "at least one recommender"),
        ([Popularity()], [1, 2], "one number for each of the 1 parts"),
        ([Popularity()], [np.nan], "finite and not all 0"),
        ([Popularity(), Popularity()], [0, 0], "finite and not all 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(parts, weights, message):
    with pytest.raises(ValueError, match=message):
        WeightedHybrid(parts, weights)
