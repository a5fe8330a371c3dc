"""The losses by hand, beside plain loops and scikit-learn, and what each leaves unchanged."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from avrec_lib.multimodal.losses import pairwise, pointwise


def batch(n=50):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n, generator=generator, dtype=torch.float64)
    clicks = (torch.rand(n, generator=generator) < 0.3).double()
    return logits, clicks, torch.randint(8, (n,), generator=generator)


def test_a_point_by_hand():
    """Log-odds 0 is a chance of one half: both a click and none cost log 2; a click that weighs 3 costs three times."""
    zero = torch.zeros(2)
    assert pointwise(zero, torch.tensor([1.0, 0.0])).item() == pytest.approx(math.log(2))
    assert pointwise(zero, torch.tensor([1.0, 0.0]), 3.0).item() == pytest.approx((3 + 1) * math.log(2) / 2)


def test_points_are_scikit_learns_log_loss():
    logits, clicks, _ = batch()
    assert pointwise(logits, clicks).item() == pytest.approx(log_loss(clicks, torch.sigmoid(logits)))


def test_a_weight_multiplies_the_odds_of_the_best_answer():
    """One constant chance for all: without a weight it is the rate of clicks, with ω its odds are ω times as large."""
    _, clicks, _ = batch(2000)
    grid = torch.linspace(-4, 4, 4001, dtype=torch.float64)
    best = {}
    for weight in (1.0, 5.0):
        losses = torch.stack([pointwise(logit.expand(len(clicks)), clicks, weight) for logit in grid])
        best[weight] = grid[losses.argmin()].item()
    rate = clicks.mean().item()
    assert best[1.0] == pytest.approx(math.log(rate / (1 - rate)), abs=2e-3)
    assert best[5.0] - best[1.0] == pytest.approx(math.log(5), abs=4e-3)


def test_a_pair_by_hand():
    """One click at 2 beside one refusal at 1, and a visit without a click that does not count."""
    loss = pairwise(torch.tensor([2.0, 1.0, 9.0]), torch.tensor([1.0, 0.0, 0.0]), torch.tensor([4, 4, 5]))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))


def test_pairs_are_those_of_a_plain_loop():
    logits, clicks, visits = batch()
    pairs = [
        math.log1p(math.exp(logits[f] - logits[e]))
        for e in range(50)
        for f in range(50)
        if clicks[e] == 1 and clicks[f] == 0 and visits[e] == visits[f]
    ]
    assert len(pairs) > 20
    assert pairwise(logits, clicks, visits).item() == pytest.approx(np.mean(pairs))


def test_what_is_the_same_for_a_whole_visit_changes_no_pair():
    logits, clicks, visits = batch()
    mood = torch.randn(8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(pairwise(logits + mood[visits], clicks, visits), pairwise(logits, clicks, visits))


@pytest.mark.parametrize("clicks", [[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
def test_a_batch_without_a_pair_costs_nothing_and_teaches_nothing(clicks):
    logits = torch.zeros(2, requires_grad=True)
    loss = pairwise(logits, torch.tensor(clicks), torch.tensor([0, 1]))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.tolist() == [0, 0]


@pytest.mark.parametrize("weight", [0.0, -1.0, math.inf, math.nan])
def test_a_weight_that_is_not_positive_is_refused(weight):
    with pytest.raises(ValueError, match="weight_of_clicks must be a positive number"):
        pointwise(torch.zeros(1), torch.zeros(1), weight)
