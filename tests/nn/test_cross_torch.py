"""Attention across senses: it finds the frame that a text asks for."""

import numpy as np
import pytest

from avrec_lib.nn.cross_torch import CrossReader, fit_cross, predict_cross


def asked(n: int, seed: int) -> tuple[list[list[str]], np.ndarray, np.ndarray, np.ndarray]:
    """Four frames with a colour each and a bit; the text names a colour, the answer is the bit of its frame."""
    rng = np.random.default_rng(seed)
    colours = np.array([rng.permutation(4) for _ in range(n)])  # (n, 4)
    bits, where = rng.integers(0, 2, (n, 4)), rng.integers(0, 4, n)
    frames = np.concatenate([np.eye(4)[colours], bits[:, :, None]], axis=2)  # (n, 4, 5)
    rows = np.arange(n)
    texts = [["the", ("red", "green", "blue", "white")[c]] for c in colours[rows, where]]
    return texts, frames, bits[rows, where], where


def test_attention_finds_the_frame_that_the_text_asks_for_and_a_mean_cannot() -> None:
    train, test = asked(1500, 0), asked(300, 1)
    right = {}
    for attend in (True, False):
        model = fit_cross(*train[:3], attend=attend, epochs=15, lr=0.01)
        p, weights = predict_cross(model, *test[:2])
        right[attend] = (p.argmax(axis=1) == test[2]).mean()
        assert weights.shape == (300, 1, 4)
        np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-5)
        if attend:
            assert (weights[:, 0].argmax(axis=1) == test[3]).mean() > 0.95
        else:
            np.testing.assert_allclose(weights, 0.25)
    assert right[True] > 0.95
    assert right[False] < 0.78  # the best that a count of the bits can do is 11/16


def test_the_order_of_the_frames_does_not_matter() -> None:
    texts, frames, answers, _ = asked(60, 0)
    model = fit_cross(texts, frames, answers, epochs=1)
    p, weights = predict_cross(model, texts, frames)
    q, turned = predict_cross(model, texts, frames[:, ::-1])
    np.testing.assert_allclose(p, q, rtol=1e-4)
    np.testing.assert_allclose(weights, turned[:, :, ::-1], rtol=1e-4)


def test_without_attention_the_model_has_the_same_weights() -> None:
    counts = {sum(p.numel() for p in CrossReader(["a"], 5, 2, attend=attend).parameters()) for attend in (True, False)}
    assert len(counts) == 1


@pytest.mark.parametrize("frames", [np.ones((2, 3)), np.ones((3, 2, 4)), np.full((2, 2, 4), np.nan)])
def test_frames_that_do_not_fit_are_refused(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="one set for each of 2 texts"):
        fit_cross([["a"], ["b"]], frames, [0, 1])
