import numpy as np
import pytest
import torch

from avrec_lib.nn import recurrent
from avrec_lib.nn.frames_torch import FrameReader, fit_frames, predict_frames

READERS = ["mean", "rnn", "gru", "lstm"]


def melodies(n, seed, T=20, d=4):
    """Return sequences whose first number rises or falls, in the same values either way, and which they do."""
    rng = np.random.default_rng(seed)
    rising = rng.integers(2, size=n)
    walk = np.sort(rng.normal(size=(n, T)), axis=1)
    X = rng.normal(size=(n, T, d))
    X[:, :, 0] = np.where(rising[:, None] == 1, walk, walk[:, ::-1])
    return X.astype(np.float32), rising


def untrained(reader, d=3, width=5, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FrameReader(d, 2, reader, width).eval()


@pytest.mark.parametrize("reader", READERS)
def test_only_a_reader_that_sees_the_order_can_tell_rising_from_falling(reader):
    model = fit_frames(*melodies(400, 0), reader, width=16, epochs=8)
    X, rising = melodies(300, 1)
    right = (predict_frames(model, X).argmax(axis=1) == rising).mean()
    assert 0.35 < right < 0.65 if reader == "mean" else right > 0.95


def test_the_mean_learns_what_needs_no_order():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    X = rng.normal(size=(300, 10, 3)) + 2 * np.eye(3)[y][:, None, :]
    model = fit_frames(X, y, "mean", lr=0.05)
    assert predict_frames(model, X).shape == (300, 3)
    assert (predict_frames(model, X).argmax(axis=1) == y).mean() > 0.95


@pytest.mark.parametrize("reader", READERS)
def test_padding_is_never_read(reader):
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(T, 3)) for T in (7, 1, 4)]
    model = untrained(reader)
    alone = np.concatenate([predict_frames(model, [sequence]) for sequence in sequences])
    np.testing.assert_allclose(predict_frames(model, sequences), alone, atol=1e-6)
    model.mu += 1  # a padded zero is then no zero any more
    alone = np.concatenate([predict_frames(model, [sequence]) for sequence in sequences])
    np.testing.assert_allclose(predict_frames(model, sequences), alone, atol=1e-6)


@pytest.mark.parametrize(("reader", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_the_readers_are_the_book_s_equations(reader, gates):
    model, X = untrained(reader), np.random.default_rng(1).normal(size=(2, 6, 3)).astype(np.float32)
    w = {name: value.detach().numpy().T for name, value in model.recurrent.named_parameters()}
    params = {"W_x": w["weight_ih_l0"], "W_h": w["weight_hh_l0"]}
    if gates == 3:
        params |= {"b_x": w["bias_ih_l0"], "b_h": w["bias_hh_l0"]}
    else:
        params["b"] = w["bias_ih_l0"] + w["bias_hh_l0"]
    expected = getattr(recurrent, reader)(X, params)[0][:, -1]
    found = model.read(torch.from_numpy(X), torch.tensor([6, 6])).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_mean_reader_is_the_mean_of_the_standardised_frames():
    model = untrained("mean", d=2)
    model.mu.copy_(torch.tensor([1.0, 2.0]))
    model.sigma.copy_(torch.tensor([2.0, 1.0]))
    h = model.read(torch.tensor([[[1.0, 2.0], [5.0, 4.0], [9.0, 9.0]]]), torch.tensor([2]))
    np.testing.assert_allclose(h, [[1, 1]])


def test_frames_are_standardised_by_the_real_frames_only():
    model = fit_frames([np.array([[1.0, 5.0]]), np.array([[3.0, 5.0], [5.0, 5.0]])], [0, 1], "mean", epochs=1)
    np.testing.assert_allclose(model.mu.cpu(), [3, 5])
    np.testing.assert_allclose(model.sigma.cpu(), [np.sqrt(8 / 3), 1e-6], rtol=1e-5)  # a constant is no division by 0


@pytest.mark.parametrize("reader", READERS)
def test_the_seed_decides_everything_and_the_state_of_torch_is_left_alone(reader):
    X, y = melodies(60, 0)
    before = torch.get_rng_state()
    a, b, other = (predict_frames(fit_frames(X, y, reader, width=4, epochs=1, seed=s), X) for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, other)
    assert torch.equal(before, torch.get_rng_state())


def test_probabilities_sum_to_one_and_batches_do_not_change_them():
    X, y = melodies(50, 0)
    model = fit_frames(X, y, "gru", width=4, epochs=1)
    p = predict_frames(model, X)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(predict_frames(model, list(X), batch=7), p, atol=1e-6)


@pytest.mark.parametrize(
    ("sequences", "classes", "message"),
    [
        ([], [], "no sequences"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], [0, 1], r"sequence 1 has shape \(2, 4\)"),
        ([np.zeros((2, 3)), np.zeros((0, 3))], [0, 1], r"sequence 1 has shape \(0, 3\)"),
        ([np.zeros(3)], [0], r"sequence 0 has shape \(3,\)"),
        ([np.full((2, 3), np.nan)], [0], "sequence 0 holds NaN"),
        ([np.zeros((2, 3))], [0, 1], r"one a sequence \(1\), not of shape \(2,\)"),
        ([np.zeros((2, 3))], [-1], "numbers from 0"),
    ],
)
def test_inputs_that_do_not_fit_are_named(sequences, classes, message):
    with pytest.raises(ValueError, match=message):
        fit_frames(sequences, classes, "mean")


def test_an_unknown_reader_and_frames_of_another_width_are_named():
    with pytest.raises(ValueError, match="unknown reader 'transformer'; there are mean, rnn, gru, lstm"):
        FrameReader(3, 2, "transformer")
    with pytest.raises(ValueError, match="frames of 3 numbers, not 4"):
        predict_frames(untrained("rnn"), np.zeros((1, 2, 4)))
