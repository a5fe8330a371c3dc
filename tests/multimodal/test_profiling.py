"""Where the time of a step goes: sleeps that are put into a part are found there."""

from __future__ import annotations

import pytest
import torch

from avrec_lib.multimodal.profiling import PARTS, profile_operators, profile_step

from .small_run import QUICK, SmallModel, SmallRows, weights


def shares(model, rows):
    table = profile_step(model, rows, QUICK, steps=4)
    assert table["part"].tolist() == list(PARTS)
    assert table["share"].sum() == pytest.approx(1)
    assert (table["seconds"] > 0).all()
    return dict(zip(table["part"], table["share"], strict=True)), table["seconds"].sum()


def test_slow_gathering_is_found_in_gathering():
    share, seconds = shares(SmallModel(), SmallRows(waits=0.03))
    assert share["gathering"] > 0.5
    assert seconds > 0.03


def test_a_slow_model_is_found_in_forward():
    share, seconds = shares(SmallModel(waits=0.03), SmallRows())
    assert share["forward"] > 0.5
    assert seconds > 0.03


def test_the_model_and_the_random_numbers_are_left_as_they_were():
    model = SmallModel(0.5).eval()
    before, chance = weights(model), torch.get_rng_state()
    profile_step(model, SmallRows(), QUICK, steps=1)
    profile_operators(model, SmallRows(), QUICK, steps=1)
    assert torch.equal(weights(model), before)
    assert torch.equal(torch.get_rng_state(), chance)
    assert not model.training
    assert model.seen == []


def test_operators_are_counted_per_step_and_sorted_by_their_own_time():
    table = profile_operators(SmallModel(), SmallRows(20), QUICK, steps=2, top=500)
    calls = dict(zip(table["operator"], table["calls"], strict=True))
    assert calls["aten::linear"] == 3  # the layers of the model, once a step
    assert table["share"].sum() == pytest.approx(1)
    assert table["cpu_seconds"].is_monotonic_decreasing
    top = profile_operators(SmallModel(), SmallRows(20), QUICK, steps=2, top=3)
    assert list(top) == ["operator", "calls", "cpu_seconds", "share"]
    assert len(top) == 3
    assert 0 < top["share"].sum() < 1


@pytest.mark.parametrize("asked", [{"steps": 0}, {"rows": 0}])
def test_nothing_to_measure_is_an_error(asked):
    rows = SmallRows(asked.pop("rows", 5))
    for profile in (profile_step, profile_operators):
        with pytest.raises(ValueError, match="at least one row and one step"):
            profile(SmallModel(), rows, QUICK, **asked)
    with pytest.raises(ValueError, match="top must be at least 1"):
        profile_operators(SmallModel(), SmallRows(), QUICK, top=0)
