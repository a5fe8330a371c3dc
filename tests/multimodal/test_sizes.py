"""Sizes: counted by hand for a linear layer, a convolution and a table of words; and as a real pass has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from avrec_lib.multimodal import sizes
from avrec_lib.multimodal.batches import ViewerRows
from avrec_lib.multimodal.inputs import Reading
from avrec_lib.multimodal.made_up import bytes_of_a_clip, made_up, shapes_of
from avrec_lib.multimodal.model import MultimodalModel
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.sizes import SIZES, flop_counter, model_size, named_size, size_table

ONE = Settings(text="none", picture="none", sound="whisper", width=6, d=5, user="nobody", hide=0.0)
SMALL = Settings(
    text="words", tokens=7, vocabulary=30, picture="pixels", pixels=8, sound="frames", frames=9, coefficients=4,
    width=6, d=5, tastes=3,
)  # fmt: skip


def test_a_linear_layer_takes_a_product_a_weight_and_two_on_the_way_back():
    found = model_size(ONE, batch_clips=4)
    layers = 384 * 6, 6 * 5, 5 * 1  # reader, join, w · g + b
    assert found.multiply_adds == sum(layers)
    first, *rest = layers  # nobody wants the gradient of what lies on disk
    assert found.step_flops == 2 * 4 * (2 * first + 3 * sum(rest))
    biases, missing, places = 6 + 5 + 1, 6, 9
    assert found.parameters == sum(layers) + biases + missing + places


def test_a_convolution_takes_a_product_a_weight_at_every_place():
    found = model_size(ONE.but(sound="none", picture="pixels", pixels=8), batch_clips=4)
    convolutions = 8 * 8 * 9 * 3 * 8 + 4 * 4 * 9 * 8 * 16 + 2 * 2 * 9 * 16 * 32
    assert found.multiply_adds == convolutions + 2 * (3 + 8 + 16 + 32) * 6 + 6 * 5 + 5


def test_looking_a_word_up_takes_no_product_but_the_attention_does():
    found = model_size(ONE.but(sound="none", text="words", tokens=7), batch_clips=4)
    assert found.multiply_adds == 7 * (6 * 6 + 6) + 6 * 5 + 5
    more_words = model_size(ONE.but(sound="none", text="words", tokens=7, vocabulary=8000), batch_clips=4)
    assert more_words.multiply_adds == found.multiply_adds
    assert more_words.parameters - found.parameters == (8000 - 800) * 6


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_the_way_back_of_a_convolution_in_groups_is_twice_the_way_there(groups):
    layer, x = nn.Conv2d(8, 8, 3, padding=1, groups=groups), torch.zeros(2, 8, 5, 5, requires_grad=True)
    with flop_counter() as counter:
        y = layer(x)
    forward = counter.get_total_flops()
    assert forward == 2 * 2 * 25 * 9 * 8 * (8 // groups)
    with flop_counter() as counter:
        y.sum().backward()
    assert counter.get_total_flops() == 2 * forward


@pytest.mark.parametrize("user", ["tastes", "both"])
def test_parameters_and_bytes_are_those_of_the_model(user):
    settings = SMALL.but(user=user)
    found, model = model_size(settings, n_users=50, batch_clips=4), MultimodalModel(settings, shapes_of(settings), 50)
    n = sum(p.numel() for p in model.parameters())
    assert found.parameters == found.trained == n
    assert (found.weights, found.gradients, found.moments) == (4 * n, 4 * n, 8 * n)
    half = model.bfloat16()
    assert found.weights_in("bf16") == sum(p.numel() * p.element_size() for p in half.parameters()) == 2 * n
    assert found.weights_in("tf32") == 4 * n
    assert found.memory_in() == 16 * n + found.activations
    assert found.memory_in("bf16") == 16 * n + found.bf16_activations


@pytest.mark.parametrize("user", ["tastes", "both"])
def test_a_pass_over_real_numbers_leaves_and_computes_the_same(user):
    settings = SMALL.but(user=user, hide=0.0)
    found = model_size(settings, n_users=50, batch_clips=8)
    model = MultimodalModel(settings, shapes_of(settings), 50)
    real = sizes._count(model, sizes._batch(settings, shapes_of(settings), 8))
    assert (real.step, real.activations, real.bf16_activations) == (
        found.step_flops,
        found.activations,
        found.bf16_activations,
    )
    assert real.reading == 2 * 8 * found.multiply_adds


def test_the_inputs_of_each_linear_layer_are_left_behind_and_little_else():
    few, more = (model_size(ONE, batch_clips=n) for n in (40, 80))
    grown = (more.activations - few.activations) / 40  # bytes a clip
    layers = 4 * (384 + 6 + 5)
    assert layers < grown < layers + 10 * 64  # and of its ten impressions numbers, no vectors


def test_activations_grow_with_the_clips_and_shrink_in_bfloat16_to_no_less_than_half():
    few, more = (model_size(SMALL, batch_clips=n) for n in (40, 80))
    assert more.activations == pytest.approx(2 * few.activations, rel=0.01)
    assert more.step_flops == pytest.approx(2 * few.step_flops, rel=0.01)
    assert 0.5 * more.activations < more.bf16_activations < more.activations
    assert (few.clips, few.impressions) == (40, 400)


def test_a_clip_on_disk_takes_what_its_arrays_take():
    inputs, _ = made_up(SMALL, 8)
    total = sum(array.nbytes for array in inputs.arrays.values()) + inputs.there.nbytes
    assert 8 * bytes_of_a_clip(SMALL) == total == 8 * model_size(SMALL, batch_clips=4).clip_bytes


def test_made_up_shapes_and_kinds_are_those_that_clips_are_read_into():
    texts = ["a dog runs", "the cat sleeps", "dogs and cats", "a song"]
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (4, 40, 40, 3), dtype=np.uint8))
    sounds = list(rng.standard_normal((4, 8000)).astype(np.float32) / 10)
    for settings in (SMALL, SMALL.but(picture="measured", sound="measured")):
        read = Reading.learn(texts, pictures, sounds, np.ones(4, bool), settings).read(texts, pictures, sounds)
        invented, _ = made_up(settings, 4)
        assert read.shapes == shapes_of(settings) == invented.shapes
        assert {name: x.dtype for name, x in read.arrays.items()} == {
            name: x.dtype for name, x in invented.arrays.items()
        }


def test_a_made_up_step_reads_every_clip_and_is_the_same_again():
    inputs, log = made_up(SMALL, 12, n_steps=2, seed=3)
    rows = ViewerRows(inputs, log)
    assert len(rows) == 6
    for step in (np.arange(3), np.arange(3, 6)):
        batch = rows.batch(step)
        assert (len(batch.clips), batch.n) == (12, 120)
        assert (torch.bincount(batch.item) == 10).all()
        assert batch.position.unique().tolist() == list(range(1, 11))
    again, log_again = made_up(SMALL, 12, n_steps=2, seed=3)
    assert log.equals(log_again)
    assert all((again.arrays[name] == x).all() for name, x in inputs.arrays.items())
    words = inputs.arrays["text"]
    assert (words[:, 0] > 0).all()
    assert (np.diff((words > 0).astype(int), axis=1) <= 0).all()  # padding stands at the end


def test_the_table_has_a_row_a_size_and_larger_ones_cost_more():
    named = {name: SIZES[name] for name in ("small", "medium")}  # the large one needs assets
    table = size_table(named, batch_clips=8)
    assert table["size"].tolist() == ["small", "medium"]
    assert table["reads"].tolist() == ["words, pixels, frames"] * 2
    for name in ("parameters", "activations", "clip_bytes", "multiply_adds", "step_flops", "memory"):
        assert table[name].is_monotonic_increasing


def test_the_random_numbers_are_left_alone():
    before = torch.get_rng_state()
    model_size(SMALL, batch_clips=4)
    assert torch.equal(before, torch.get_rng_state())


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="no size is called 'huge'; there are small, medium, large"):
        named_size("huge")
    for n in (0, 6):
        with pytest.raises(ValueError, match=f"a multiple of 4, n_steps at least 1, not {n} and 1"):
            model_size(SMALL, batch_clips=n)
