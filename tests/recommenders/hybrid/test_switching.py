"""Who has few rows gets one model's scores, who has many the other's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions
from avrec_lib.recommenders import EASE, Popularity
from avrec_lib.recommenders.hybrid import SwitchingHybrid

TRAIN = Interactions.from_frame(
    pd.DataFrame({"user_id": list("uuuvvw"), "item_id": list("abcabd"), "rating": [5, 3, 4, 2, 1, 4]})
)


def test_each_user_gets_the_scores_of_the_part_in_charge():
    few, many = Popularity(), EASE(1.0)
    scores = SwitchingHybrid(few, many, n=2).fit(TRAIN).score([0, 1, 2])
    np.testing.assert_array_equal(scores[:2], many.score([0, 1]))  # two rows are enough
    np.testing.assert_array_equal(scores[2:], few.score([2]))


def test_a_user_without_rows_has_few():
    cold = TRAIN.select(TRAIN.users != 2)
    few = Popularity()
    model = SwitchingHybrid(few, EASE(1.0), n=1).fit(cold)
    np.testing.assert_array_equal(model.score([2]), few.score([2]))


def test_a_part_that_was_fitted_elsewhere_is_noticed():
    few = Popularity()
    model = SwitchingHybrid(few, EASE(1.0)).fit(TRAIN)
    few.fit(TRAIN.select(TRAIN.users != 2))
    with pytest.raises(ValueError, match="fit the hybrid again"):
        model.score([0])


def test_a_threshold_below_one_is_an_error():
    with pytest.raises(ValueError, match="n must be at least 1"):
        SwitchingHybrid(Popularity(), EASE(), n=0)
