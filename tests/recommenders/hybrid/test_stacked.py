"""The learnt weights: those of a conditional logit, of rows held out from the training table alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from avrec_lib.data import Interactions
from avrec_lib.recommenders import EASE, ItemKNN, Popularity, Recommender
from avrec_lib.recommenders.hybrid import StackedHybrid, WeightedHybrid
from avrec_lib.recommenders.hybrid.stacked import fit_choice

RNG = np.random.default_rng(0)


def choices(w, n=4000, n_items=6, seed=0):
    """Return standard normal z, and choices drawn from softmax(z w)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, n_items, len(w)))
    utility = z @ np.array(w) + rng.gumbel(size=(n, n_items))
    return z, utility.argmax(axis=1), np.zeros((n, n_items), dtype=bool)


def test_the_weights_that_made_the_choices_are_found():
    z, wanted, barred = choices([1.5, 0.5, 0.0])
    assert fit_choice(z, wanted, barred, 1e-9) == pytest.approx([1.5, 0.5, 0.0], abs=0.08)


def test_a_part_that_is_wrong_more_often_than_luck_has_weight_zero():
    z, wanted, barred = choices([1.5, -0.5])
    w = fit_choice(z, wanted, barred, 1e-9)
    assert w[1] == 0
    assert w[0] == pytest.approx(fit_choice(z[:, :, :1], wanted, barred, 1e-9)[0], abs=1e-4)


def test_where_every_part_is_wrong_all_weights_are_equal():
    class Backwards(Recommender):
        def _fit(self, train):
            self.scores = -EASE(1.0).fit(train).score(np.arange(train.n_users))

        def _score(self, users):
            return self.scores[users]

    assert StackedHybrid([Backwards(), Backwards()]).fit(table()).weights.tolist() == [1, 1]


def test_the_weights_are_those_of_torchs_cross_entropy():
    z, wanted, barred = choices([1.0, 0.3], n=50)
    barred[:, 5] = wanted != 5
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([w], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        scores = (torch.from_numpy(z) @ w).masked_fill(torch.from_numpy(barred), -torch.inf)
        loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(wanted)) + 0.01 * w @ w / 2
        loss.backward()
        return loss

    optimiser.step(closure)
    np.testing.assert_allclose(fit_choice(z, wanted, barred, 0.01), w.detach().numpy(), atol=1e-4)


def test_two_items_and_one_part_by_hand():
    """z is 1 for the one item and 0 for the other; three of four chose the first: σ(w) = 3/4, w = log 3."""
    z = np.tile([[[1.0], [0.0]]], (4, 1, 1))
    w = fit_choice(z, np.array([0, 0, 0, 1]), np.zeros((4, 2), dtype=bool), 1e-12)
    assert w == pytest.approx([np.log(3)], abs=1e-4)


def test_a_ridge_makes_the_weights_smaller():
    z, wanted, barred = choices([2.0], n=100)
    small, large = (abs(fit_choice(z, wanted, barred, ridge)[0]) for ridge in (1.0, 1e-6))
    assert small < 0.7 * large


def table(timestamps=True):
    """Forty users walk through a cycle of ten items, so an item predicts its successor."""
    rng = np.random.default_rng(1)
    rows = [(u, (start + t) % 10, t) for u in range(40) for start in rng.integers(0, 10, 1) for t in range(4)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    return Interactions.from_frame(frame if timestamps else frame.drop(columns="timestamp"))


class Noise(Recommender):
    def _fit(self, train):
        self.scores = np.random.default_rng(5).normal(size=(train.n_users, train.n_items))

    def _score(self, users):
        return self.scores[users]


@pytest.mark.parametrize("timestamps", [True, False])
def test_a_part_that_knows_weighs_more_than_noise(timestamps):
    model = StackedHybrid([Noise(), EASE(1.0)]).fit(table(timestamps))
    assert model.weights[1] > 5 * abs(model.weights[0])


def test_its_scores_are_those_of_the_weighted_hybrid():
    train = table()
    model = StackedHybrid([Popularity(), ItemKNN(k=3)]).fit(train)
    blend = WeightedHybrid([Popularity(), ItemKNN(k=3)], model.weights.tolist()).fit(train)
    np.testing.assert_array_equal(model.score([0, 3]), blend.score([0, 3]))


def test_the_parts_are_fitted_to_everything_in_the_end():
    train, part = table(), EASE(1.0)
    StackedHybrid([part]).fit(train)
    assert part.train is train


def test_where_nothing_can_be_held_out_all_weights_are_equal():
    one_each = Interactions.from_frame(pd.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "timestamp": [1, 2]}))
    assert StackedHybrid([Popularity(), ItemKNN()]).fit(one_each).weights.tolist() == [1, 1]
    one_item_left = Interactions.from_frame(pd.DataFrame({"user_id": [1, 1], "item_id": [1, 2], "timestamp": [1, 2]}))
    assert StackedHybrid([Popularity()]).fit(one_item_left).weights.tolist() == [1]


def test_a_part_that_was_fitted_elsewhere_is_noticed():
    model = StackedHybrid([Popularity()]).fit(table())
    model.fit(table())
    model.parts[0].fit(table(False))
    with pytest.raises(ValueError, match="fit the hybrid again"):
        model.score([0])


@pytest.mark.parametrize(
    "bad", [{"parts": []}, {"parts": [Popularity()], "ridge": 0}, {"parts": [Popularity()], "n_users": 0}]
)
def test_settings_out_of_range_are_errors(bad):
    with pytest.raises(ValueError, match=r"at least"):
        StackedHybrid(**bad)
