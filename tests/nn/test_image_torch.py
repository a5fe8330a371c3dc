import numpy as np
import pytest
import torch

from avrec_lib.nn.image_torch import PictureNet, fit_pictures, predict_pictures


def squares(n, seed=0, size=32):
    """Return noisy pictures with one square, its brightness (a float) and whether it is red or blue (a class)."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 40, (n, size, size, 3), dtype=np.uint8)
    brightness, blue = rng.uniform(100, 255, n), rng.integers(2, size=n)
    for picture, v, is_blue in zip(X, brightness, blue, strict=True):
        i, j = rng.integers(0, size - 12, 2)
        picture[i : i + 12, j : j + 12, 2 * is_blue] = v
    return X, brightness, blue


def test_the_network_learns_a_number_wherever_the_square_is():
    X, brightness, _ = squares(400)
    model = fit_pictures(X, brightness, epochs=8)
    X, brightness, _ = squares(200, seed=1)
    predicted = predict_pictures(model, X)
    assert predicted.shape == (200, 1)
    assert predicted.dtype == np.float32
    assert np.square(predicted[:, 0] - brightness).mean() < 0.2 * brightness.var()


def test_the_network_learns_classes_and_gives_probabilities():
    X, _, blue = squares(200)
    model = fit_pictures(X, blue, epochs=3)
    X, _, blue = squares(200, seed=1)
    probabilities = predict_pictures(model, X, batch=64)
    assert probabilities.shape == (200, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (probabilities.argmax(axis=1) == blue).mean() > 0.95


def test_two_targets_of_different_size_are_learned_side_by_side():
    X, brightness, blue = squares(300)
    targets = np.stack([1000 * brightness, blue.astype(float) / 1000], axis=1)
    predicted = predict_pictures(fit_pictures(X, targets, epochs=8), X)
    assert predicted.shape == (300, 2)
    assert (np.square(predicted - targets).mean(axis=0) < 0.5 * targets.var(axis=0)).all()


def test_each_block_halves_the_sides_and_the_mean_takes_any_size():
    model = PictureNet(3, width=4).eval()
    x = torch.zeros(2, 3, 64, 64)
    for block, shape in zip(model.blocks, [(4, 32), (8, 16), (16, 8), (16, 4)], strict=True):
        x = block(x)
        assert x.shape == (2, shape[0], shape[1], shape[1])
    for size in ((64, 64), (48, 100)):
        pictures = torch.zeros(2, *size, 3, dtype=torch.uint8)
        assert model.features(pictures).shape == (2, 16)
        assert model(pictures).shape == (2, 3)


def test_the_same_seed_gives_the_same_network_and_torch_s_state_is_left_alone():
    """F6."""
    X, brightness, _ = squares(64)
    state = torch.get_rng_state()
    a, b, c = (predict_pictures(fit_pictures(X, brightness, epochs=1, seed=seed), X) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_constant_target_is_predicted_and_pictures_are_not_changed():
    X, _, _ = squares(32)
    before = X.copy()
    X.flags.writeable = False  # as a memory map of the covers is
    np.testing.assert_allclose(predict_pictures(fit_pictures(X, np.full(32, 7.0), epochs=1), X), 7, atol=1e-3)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("pictures", "targets", "message"),
    [
        (np.zeros((4, 32, 32, 3)), np.zeros(4), "uint8"),
        (np.zeros((4, 32, 32), np.uint8), np.zeros(4), r"\(4, 32, 32\)"),
        (np.zeros((4, 8, 32, 3), np.uint8), np.zeros(4), "16×16"),
        (np.zeros((0, 32, 32, 3), np.uint8), np.zeros(0), "no pictures"),
        (np.zeros((4, 32, 32, 3), np.uint8), np.zeros(3), "N = 4"),
        (np.zeros((4, 32, 32, 3), np.uint8), np.zeros((4, 1), int), "classes"),
        (np.zeros((4, 32, 32, 3), np.uint8), np.full(4, -1), "from 0"),
        (np.zeros((4, 32, 32, 3), np.uint8), np.full(4, np.nan), "finite"),
        (np.zeros((4, 32, 32, 3), np.uint8), np.full(4, True), "finite floats, or classes"),
    ],
)
def test_shapes_and_types_that_do_not_fit_are_refused(pictures, targets, message):
    with pytest.raises(ValueError, match=message):
        fit_pictures(pictures, targets, epochs=1)


def test_a_network_without_outputs_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        PictureNet(0)
