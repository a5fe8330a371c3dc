import numpy as np
import pytest
import torch

from avrec_lib.nn import attention
from avrec_lib.nn.answerer import Answerer, fit_answerer


def sequences(n, T=5, kinds=3, seed=0):
    """Tokens of a kind, each with a yes or no; the last token asks: what did the last one of this kind say?"""
    rng = np.random.default_rng(seed)
    kind, yes = rng.integers(kinds, size=(n, T)), rng.random((n, T)) < 0.5
    asked = kind[np.arange(n), rng.integers(T, size=n)]
    place = T - 1 - (kind == asked[:, None])[:, ::-1].argmax(axis=1)
    X = np.zeros((n, T + 1, 2 * kinds + 1), dtype=np.float32)
    X[:, :T, :kinds] = np.eye(kinds)[kind]
    X[:, :T, kinds] = np.where(yes, 1, -1)
    X[np.arange(n), T, kinds + 1 + asked] = 1
    return X, yes[np.arange(n), place], place


def test_the_answer_is_that_of_the_numpy_block():
    X = sequences(4)[0]
    model = Answerer(7, 16, n_heads=2).eval()
    with torch.no_grad():
        tokens = model.embed(torch.as_tensor(X)).numpy() + attention.sinusoidal_positions(6, 16)
        read = attention.transformer_block(tokens, model.block.numpy_parameters(), n_heads=2)[:, -1]
        want = model.answer(model.norm(torch.as_tensor(read, dtype=torch.float32))).numpy()[:, 0]
        np.testing.assert_allclose(model(torch.as_tensor(X)).numpy(), want, atol=1e-5)
    np.testing.assert_array_equal(model.says_yes(X), want > 0)


def test_weights_are_those_of_the_last_position_and_sum_to_one():
    weights = Answerer(7, 16, n_heads=2).weights(sequences(4)[0])
    assert weights.shape == (4, 2, 6)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)


def test_an_unweighted_answerer_is_a_plain_mean_before_and_after_training():
    X, yes, _ = sequences(64)
    model = Answerer(7, 16, weighted=False)
    fit_answerer(model, X, yes, n_steps=5)
    np.testing.assert_allclose(model.weights(X), 1 / 6, rtol=1e-5)


@pytest.mark.parametrize("positions", [True, False])
def test_only_with_positions_does_the_order_of_the_tokens_matter(positions):
    X = sequences(8)[0]
    model = Answerer(7, 16, positions=positions)
    with torch.no_grad():
        change = (model(torch.as_tensor(X[:, [3, 0, 4, 2, 1, 5]])) - model(torch.as_tensor(X))).abs().max()
    assert (change > 1e-2) == positions


def test_the_seed_decides_all_and_the_global_random_state_stays():
    X, yes, _ = sequences(64)
    state = torch.random.get_rng_state()
    losses = [fit_answerer(Answerer(7, 16, seed=seed), X, yes, n_steps=5, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(losses[0], losses[1])
    assert not np.array_equal(losses[0], losses[2])


def test_it_learns_where_to_look_and_a_mean_does_not():
    X, yes, place = sequences(2000)
    right, models = {}, {weighted: Answerer(7, 16, weighted=weighted) for weighted in (True, False)}
    for weighted, model in models.items():
        losses = fit_answerer(model, X[:1500], yes[:1500], n_steps=250, batch_size=64, lr=0.02)
        assert losses.shape == (250,)
        assert losses[-20:].mean() < losses[:20].mean()
        right[weighted] = (model.says_yes(X[1500:]) == yes[1500:]).mean()
    assert right[True] > 0.95
    assert right[False] < 0.85
    assert (models[True].weights(X[1500:])[:, 0].argmax(axis=-1) == place[1500:]).mean() > 0.6


@pytest.mark.parametrize(("shape", "n"), [((3, 2, 7), 2), ((3, 7), 3), ((0, 2, 7), 0)])
def test_sequences_and_answers_that_do_not_fit_are_refused(shape, n):
    with pytest.raises(ValueError, match="one answer for each sequence"):
        fit_answerer(Answerer(7), np.zeros(shape, dtype=np.float32), np.zeros(n, dtype=bool))
