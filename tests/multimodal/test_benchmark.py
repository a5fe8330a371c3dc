"""The benchmark of the two frameworks: both sides do the same work. How fast they are is no test."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from avrec_lib.multimodal.config import ArticleConfig

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is no part of the installed package
multimodal = importlib.import_module("benchmarks.multimodal")

TINY = ArticleConfig(
    vocabulary=12, tokens=5, embedding=3, lstm=4, picture=8, channels=(2, 3), frames=6, coefficients=2, dense=5
)


def test_samples_have_the_shapes_of_the_configuration_and_padding_at_the_end():
    data = multimodal.samples(TINY, 40, 4)
    assert [part.shape for part in data.inputs.values()] == [(40, 5), (40, 8, 8, 3), (40, 6, 2)]
    is_word = data.inputs["words"] != 0
    assert (np.diff(is_word.astype(int), axis=1) <= 0).all()
    assert is_word.sum(axis=1).min() == 0
    assert is_word.sum(axis=1).max() == 5
    with pytest.raises(ValueError, match=r"40 samples make no whole batches of 3\."):
        multimodal.samples(TINY, 40, 3)


@pytest.mark.parametrize(("work", "way"), [("training", "default"), ("training", "fit"), ("inference", "fit")])
def test_pytorch_and_keras_do_the_same_pass_after_pass(work, way):
    pytest.importorskip("tensorflow", reason="the Keras twin needs TensorFlow, an extra: avrec-lib[tensorflow]")
    pair = multimodal.pair_of(work, way, TINY, multimodal.samples(TINY, 8, 4), repeats=1)
    for _ in range(2):
        ours, theirs = pair.ours.work(), pair.theirs.work()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    pair.same(ours, theirs)
    with pytest.raises(AssertionError):
        pair.same(ours, theirs + 0.01)


def test_training_lowers_the_loss():
    train, _, _ = multimodal.pytorch(TINY, multimodal.samples(TINY, 8, 4))
    losses = [train() for _ in range(30)]
    assert losses[-1] < losses[0]


def test_without_tensorflow_pytorch_is_measured_alone(monkeypatch):
    monkeypatch.setattr(multimodal, "is_installed", lambda: False)
    monkeypatch.setattr(multimodal, "keep_freed_memory", lambda: False)
    rows = multimodal.run(TINY, n=8, batch=4, repeats=1, ways=("default",))
    assert [row["library"] for row in rows] == ["PyTorch", "PyTorch"]
    assert [row["settings"].split(",")[0] for row in rows] == ["training", "inference"]
    assert all(row["throughput"] > 0 and row["speed_up"] is None for row in rows)


def test_run_gives_a_row_for_each_side_of_each_work(monkeypatch):
    pytest.importorskip("tensorflow", reason="the Keras twin needs TensorFlow, an extra: avrec-lib[tensorflow]")
    monkeypatch.setattr(multimodal, "keep_freed_memory", lambda: False)  # it would last for the whole process
    tiny = ArticleConfig(**{**vars(TINY), "frames": 1, "tokens": 1})  # unrolled, one step compiles in no time
    rows = multimodal.run(tiny, n=8, batch=4, repeats=1, ways=("unroll",))
    assert [row["library"] for row in rows] == ["Keras, TensorFlow", "PyTorch"] * 2
    assert rows[0]["settings"].endswith(", unroll")
    assert rows[1]["speed_up"] > 0
