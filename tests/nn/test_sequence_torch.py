import numpy as np
import pytest
import torch

from avrec_lib.nn.sequence_torch import NextItem, fit_next_item, next_item_scores

READERS = ["mean", "convolution", "rnn", "lstm"]


def cycle(n, T, step, seed=0, n_items=12):
    """Return windows that walk round a circle of items by `step`, and what comes next."""
    start = np.random.default_rng(seed).integers(n_items, size=(n, 1))
    walk = (start + step * np.arange(T + 1)) % n_items
    return walk[:, :T], walk[:, T]


def both_ways(n, seed=0):
    """Half of the windows walk forwards, half backwards: the set of the last four leaves two answers."""
    forwards, backwards = cycle(n, 4, 1, seed), cycle(n, 4, -1, seed + 1)
    return np.vstack([forwards[0], backwards[0]]), np.concatenate([forwards[1], backwards[1]])


@pytest.mark.parametrize("reader", READERS)
def test_only_a_reader_that_sees_the_order_can_tell_forwards_from_backwards(reader):
    windows, targets = both_ways(600)
    model = fit_next_item(windows, targets, 12, reader, width=16, epochs=12, batch=64)
    new, answers = both_ways(200, seed=5)
    right = (next_item_scores(model, new).argmax(axis=1) == answers).mean()
    assert right < 0.7 if reader == "mean" else right > 0.95


@pytest.mark.parametrize("reader", READERS)
def test_only_the_mean_is_blind_to_the_order(reader):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = NextItem(20, 8, reader, width=6)
    windows = np.random.default_rng(2).integers(20, size=(3, 8))
    same = np.allclose(next_item_scores(model, windows), next_item_scores(model, windows[:, ::-1]), atol=1e-6)
    assert same == (reader == "mean")


@pytest.mark.parametrize("T", [1, 2, 8])
def test_the_convolution_sees_the_whole_window(T):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = NextItem(5, T, "convolution", width=16).eval()
    X = torch.randn(1, T, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    model.read(X).sum().backward()
    assert (X.grad.abs().sum(dim=2) > 0).all()


@pytest.mark.parametrize("reader", READERS)
def test_the_seed_decides_everything_and_the_state_of_torch_is_left_alone(reader):
    windows, targets = cycle(100, 4, 1)
    before = torch.get_rng_state()
    a, b, other = (
        next_item_scores(fit_next_item(windows, targets, 12, reader, width=4, epochs=1, seed=seed), windows)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, other)
    assert torch.equal(before, torch.get_rng_state())


def test_untrained_biases_are_the_logarithm_of_the_counts():
    windows, targets = np.zeros((4, 2)), np.array([1, 1, 1, 2])
    model = fit_next_item(windows, targets, 4, "mean", epochs=0)
    np.testing.assert_allclose(model.bias.detach(), np.log([1, 4, 2, 1]), atol=1e-6)


def test_batches_do_not_change_the_scores():
    windows, targets = cycle(50, 4, 1)
    model = fit_next_item(windows, targets, 12, "lstm", width=4, epochs=1)
    scores = next_item_scores(model, windows)
    assert scores.shape == (50, 12)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(next_item_scores(model, windows, batch=7), scores, atol=1e-6)


def test_inputs_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="unknown reader 'gru'"):
        NextItem(5, 4, "gru")
    with pytest.raises(ValueError, match="power of two, not 6"):
        NextItem(5, 6, "convolution")
    with pytest.raises(ValueError, match=r"not \(2, 3\) and \(3,\)"):
        fit_next_item(np.zeros((2, 3)), np.zeros(3), 5, "mean")
    with pytest.raises(ValueError, match="from 0 to 4"):
        fit_next_item(np.full((2, 3), 5), np.zeros(2), 5, "mean")
