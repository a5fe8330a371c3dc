"""The twin in Keras computes, learns and ignores padding as the PyTorch model does."""

import importlib
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

tf = pytest.importorskip("tensorflow", reason="the Keras twin needs TensorFlow, an extra: avrec-lib[tensorflow]")
import keras  # noqa: E402

from avrec_lib.multimodal.article import ArticleModel  # noqa: E402
from avrec_lib.multimodal.config import ArticleConfig  # noqa: E402
from avrec_lib.multimodal.convert import matches, to_keras  # noqa: E402
from avrec_lib.multimodal.keras_twin import TorchAdamW, keras_article_model  # noqa: E402

TINY = ArticleConfig(
    vocabulary=12, tokens=5, embedding=3, lstm=4, picture=8, channels=(2, 3), frames=6, coefficients=2, dense=5
)
NAMES = "words", "pictures", "frames"
LOSS = keras.losses.BinaryCrossentropy(from_logits=True)


def clips(config=TINY, n=8, seed=0):
    """Inputs of n clips by name, and their clicks; the first clip has no word, the second a full text."""
    rng = np.random.default_rng(seed)
    words = rng.integers(1, config.vocabulary, (n, config.tokens))
    length = rng.integers(1, config.tokens, n)
    length[:2] = 0, config.tokens
    words[np.arange(config.tokens) >= length[:, None]] = 0
    pictures = rng.integers(0, 256, (n, config.picture, config.picture, 3), dtype=np.uint8)
    frames = rng.standard_normal((n, config.frames, config.coefficients), dtype=np.float32)
    return dict(zip(NAMES, (words, pictures, frames), strict=True)), np.arange(n, dtype=np.float32) % 2


def twins(config=TINY, seed=0, **told):
    """Both models with the weights of PyTorch's, its biases away from 0 so that each of them counts."""
    model = ArticleModel(config, seed)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bias" in name and weight.requires_grad:
                weight += 0.3 * torch.randn(weight.shape, generator=rng)
    twin = keras_article_model(config, seed, **told)
    to_keras(model, twin)
    return model, twin


def torch_log_odds(model, inputs):
    return model(*(torch.from_numpy(inputs[name]) for name in NAMES))


def torch_gradients(model, inputs, clicks):
    model.zero_grad()
    functional.binary_cross_entropy_with_logits(torch_log_odds(model, inputs), torch.from_numpy(clicks)).backward()
    return {name: weight.grad.numpy().copy() for name, weight in model.named_parameters() if weight.requires_grad}


def keras_gradients(twin, inputs, clicks):
    """The gradients by PyTorch's names, laid out as PyTorch's."""
    with tf.GradientTape() as tape:
        loss = LOSS(clicks, twin(inputs))
    weights = twin.trainable_weights
    found = zip(weights, tape.gradient(loss, [weight.value for weight in weights]), strict=True)
    of = {id(weight): tf.convert_to_tensor(gradient).numpy() for weight, gradient in found}
    by_name = {(layer.name, weight.name): weight for layer in twin.layers for weight in layer.weights}
    return {m.torch: m.torch_layout(of[id(by_name[m.layer, m.variable])]) for m in matches(TINY)}


def assert_same_gradients(model, twin, inputs, clicks, atol=1e-6):
    ours, theirs = torch_gradients(model, inputs, clicks), keras_gradients(twin, inputs, clicks)
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        np.testing.assert_allclose(theirs[name], gradient, rtol=0, atol=atol, err_msg=name)
    return ours


def distance(model, twin):
    """The largest difference between two weights of the same place."""
    weights = {(layer.name, weight.name): weight.value.numpy() for layer in twin.layers for weight in layer.weights}
    theirs = {m.torch: m.torch_layout(weights[m.layer, m.variable]) for m in matches(model.config)}
    return max(np.abs(model.get_parameter(name).detach().numpy() - weight).max() for name, weight in theirs.items())


@pytest.mark.parametrize("config", [TINY, ArticleConfig()], ids=["tiny", "the book's size"])
def test_outputs_of_the_same_weights_are_the_same(config):
    model, twin = twins(config)
    inputs, _ = clips(config)
    ours = torch_log_odds(model, inputs).detach().numpy()
    theirs = twin.predict(inputs, verbose=0)
    assert ours.shape == theirs.shape == (8,)
    assert np.ptp(ours) > 0.01
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5)


def test_an_unrolled_twin_gives_the_same_outputs():
    model, twin = twins(unroll=True)
    inputs, _ = clips()
    np.testing.assert_allclose(twin(inputs), torch_log_odds(model, inputs).detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", [TINY, ArticleConfig()], ids=["tiny", "the book's size"])
def test_gradients_of_every_trainable_weight_are_the_same(config):
    model, twin = twins(config)
    gradients = assert_same_gradients(model, twin, *clips(config))  # 1e-6, where 1e-4 is promised
    assert all(np.abs(gradient).max() > 1e-5 for gradient in gradients.values())
    assert sum(gradient.size for gradient in gradients.values()) == twin.count_params()


def test_two_gates_in_the_wrong_order_would_be_seen():
    model, twin = twins()
    inputs, _ = clips()
    kernel = twin.get_layer("hear").cell.kernel  # (d, 4H)
    i, f, g, o = np.split(kernel.numpy(), 4, axis=1)
    kernel.assign(np.concatenate([i, f, o, g], axis=1))
    assert np.abs(twin(inputs).numpy() - torch_log_odds(model, inputs).detach().numpy()).max() > 1e-3


def test_a_text_without_words_is_the_state_zero_in_both():
    model, twin = twins()
    inputs, _ = clips()
    read = keras.Model(twin.inputs, twin.get_layer("read_words").output)
    states = read(inputs).numpy()
    assert not states[0].any()
    assert states[1:].any(axis=1).all()
    text = model.branches(*(torch.from_numpy(inputs[name]) for name in NAMES))[0].detach()
    np.testing.assert_allclose(states, text, rtol=0, atol=1e-6)


def test_a_batch_of_empty_texts_has_the_same_outputs_and_gradients():
    model, twin = twins()
    inputs, clicks = clips()
    inputs["words"][:] = 0
    np.testing.assert_allclose(twin(inputs), torch_log_odds(model, inputs).detach(), rtol=0, atol=1e-5)
    gradients = assert_same_gradients(model, twin, inputs, clicks)
    assert not gradients["read_words.weight_hh_l0"].any()


def test_padding_changes_no_output_and_gets_no_gradient():
    _, twin = twins()
    inputs, clicks = clips()
    assert not keras_gradients(twin, inputs, clicks)["embed.weight"][0].any()
    before = twin(inputs).numpy()
    vectors = twin.get_layer("embed").embeddings
    vectors.assign(np.vstack([np.full((1, TINY.embedding), 9, dtype=np.float32), vectors.numpy()[1:]]))
    np.testing.assert_array_equal(twin(inputs), before)


def test_flat_pictures_whose_maxima_are_ties_have_the_same_gradients():
    model, twin = twins()
    inputs, clicks = clips()
    inputs["pictures"][:] = np.array([0, 255, 128, 1, 0, 255, 7, 64], dtype=np.uint8)[:, None, None, None]
    assert_same_gradients(model, twin, inputs, clicks)


OPTIMISERS = {
    "SGD": (lambda weights: torch.optim.SGD(weights, lr=0.1), lambda: keras.optimizers.SGD(0.1), 1e-6),
    "AdamW": (
        lambda weights: torch.optim.AdamW(weights, lr=5e-3, weight_decay=1e-2),
        lambda: TorchAdamW(5e-3, weight_decay=1e-2),
        5e-4,
    ),
    "AdamW, clipped": (
        lambda weights: torch.optim.AdamW(weights, lr=5e-3, weight_decay=1e-2),
        lambda: TorchAdamW(5e-3, weight_decay=1e-2, global_clipnorm=0.1),
        5e-4,
    ),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_trained_from_one_start_in_one_order_they_stay_together(name):
    """SGD's steps are as close as the gradients. AdamW divides by √v: of a weight whose gradient is hardly larger
    than its rounding, the step is of full size and only as exact as that gradient, so the distance grows with the
    steps: 5e-4 is a tenth of one step. Such weights count little, and the outputs stay closer."""
    of_torch, of_keras, atol = OPTIMISERS[name]
    model, twin = twins()
    twin.compile(of_keras(), LOSS, run_eagerly=name != "AdamW")  # one as `fit` runs it; compiling takes seconds
    optimiser = of_torch([weight for weight in model.parameters() if weight.requires_grad])
    inputs, clicks = clips(n=48)
    start = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for rows in np.random.default_rng(0).permutation(48).reshape(12, 4):
        batch = {name: part[rows] for name, part in inputs.items()}
        logits = torch_log_odds(model, batch)
        loss = functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(clicks[rows]))
        optimiser.zero_grad()
        loss.backward()
        if "clipped" in name:
            assert torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1) > 0.1
        optimiser.step()
        assert twin.train_on_batch(batch, clicks[rows]) == pytest.approx(loss.item(), abs=1e-5)
    moved = max((weight.detach() - start[name]).abs().max().item() for name, weight in model.named_parameters())
    assert moved > 50 * atol
    assert distance(model, twin) < atol
    np.testing.assert_allclose(twin(inputs), torch_log_odds(model, inputs).detach(), rtol=0, atol=1e-4)


def weight_after(optimiser, gradients, start=0.0):
    """One weight after a step along each gradient."""
    if isinstance(optimiser, keras.optimizers.Optimizer):
        weight = keras.Variable([start])
        for gradient in gradients:
            optimiser.apply([tf.constant([gradient])], [weight])
        return weight.numpy()[0]
    weight = torch.nn.Parameter(torch.tensor([start]))
    optimiser = optimiser([weight])
    for gradient in gradients:
        weight.grad = torch.tensor([gradient])
        optimiser.step()
    return weight.item()


def test_epsilon_is_added_to_the_corrected_root_as_pytorch_does():
    """A first gradient as large as ε takes half a step. Keras itself counts ε 1 / √0.001 times."""
    assert weight_after(TorchAdamW(0.1), [1e-8]) == pytest.approx(-0.05, rel=1e-4)
    assert weight_after(lambda w: torch.optim.AdamW(w, lr=0.1), [1e-8]) == pytest.approx(-0.05, rel=1e-4)
    itself = weight_after(keras.optimizers.AdamW(0.1, epsilon=1e-8), [1e-8])
    assert itself == pytest.approx(-0.1 / (1 + 1000**0.5), rel=1e-4)


def test_steps_and_decay_of_one_weight_are_those_of_pytorch():
    gradients = np.random.default_rng(0).normal(0, 1e-7, 20).tolist()
    ours = weight_after(lambda w: torch.optim.AdamW(w, lr=0.01, weight_decay=0.1, eps=1e-7), gradients, 2.0)
    theirs = weight_after(TorchAdamW(0.01, weight_decay=0.1, epsilon=1e-7), gradients, 2.0)
    assert theirs == pytest.approx(ours, abs=1e-6)
    assert weight_after(TorchAdamW(0.01, weight_decay=0.1), [0.0], 2.0) == pytest.approx(2 * (1 - 0.01 * 0.1))


def step_of_a_vector(optimiser, gradients):
    """How far a vector of an embedding moves that a batch reads once for each of these gradients."""
    embed = keras.layers.Embedding(2, 1, "zeros")
    with tf.GradientTape() as tape:
        read = embed(np.ones(len(gradients), dtype=np.int64))[:, 0]
        loss = tf.reduce_sum(read * np.array(gradients, dtype=np.float32))
    optimiser.apply_gradients([(tape.gradient(loss, embed.embeddings.value), embed.embeddings)])
    assert embed.embeddings.numpy()[0] == 0
    return embed.embeddings.numpy()[1, 0]


def test_a_word_read_sixteen_times_steps_no_further_than_one_read_once():
    assert step_of_a_vector(TorchAdamW(0.01), [1.0] * 16) == pytest.approx(-0.01, rel=1e-4)
    assert step_of_a_vector(TorchAdamW(0.01), [1.0, -0.9]) == pytest.approx(-0.01, rel=1e-4)


def test_keras_itself_steps_four_times_as_far_then():
    """If this fails, Keras has been mended: say so in `TorchAdamW` and on the pages."""
    assert step_of_a_vector(keras.optimizers.AdamW(0.01), [1.0] * 16) == pytest.approx(-0.04, rel=1e-4)
    assert step_of_a_vector(keras.optimizers.AdamW(0.01), [1.0, -0.9]) == pytest.approx(-0.000743, rel=1e-2)


def test_a_sure_mistake_has_a_gradient_from_log_odds_and_none_from_its_probability():
    z, clicks = tf.Variable([-20.0]), tf.constant([1.0])
    with tf.GradientTape(persistent=True) as tape:
        from_log_odds = LOSS(clicks, z)
        from_probability = keras.losses.BinaryCrossentropy()(clicks, tf.sigmoid(z))
    assert tape.gradient(from_log_odds, z).numpy() == pytest.approx(-1)
    assert tape.gradient(from_probability, z).numpy() == 0


def test_a_seed_gives_the_same_weights_and_leaves_keras_s_random_numbers_alone():
    keras.utils.set_random_seed(0)
    expected = keras.random.uniform((3,)).numpy()
    keras.utils.set_random_seed(0)
    one, same, other = (keras_article_model(TINY, seed).get_weights() for seed in (1, 1, 2))
    np.testing.assert_array_equal(keras.random.uniform((3,)), expected)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True) if a.ndim > 1)


def test_first_weights_follow_the_same_rules_in_both():
    config = ArticleConfig()
    model, twin = ArticleModel(config), keras_article_model(config)
    weights = {(layer.name, weight.name): weight.value.numpy() for layer in twin.layers for weight in layer.weights}
    for match in matches(config):
        ours, theirs = model.get_parameter(match.torch).detach().numpy(), weights[match.layer, match.variable]
        if ours.size > 200:
            assert theirs.std() == pytest.approx(ours.std(), rel=0.1), match.torch
        if ours.ndim == 1:
            np.testing.assert_array_equal(theirs, ours)
    assert not weights["embed", "embeddings"][0].any()
    state = weights["hear", "recurrent_kernel"]  # (H, 4H)
    np.testing.assert_allclose(state @ state.T, np.eye(config.lstm), atol=1e-5)


def test_a_saved_twin_predicts_the_same(tmp_path):
    twin = keras_article_model(TINY)
    inputs, _ = clips()
    twin.save(tmp_path / "twin.keras")
    again = keras.models.load_model(tmp_path / "twin.keras")
    np.testing.assert_array_equal(again(inputs), twin(inputs))


def imported_anew(monkeypatch):
    monkeypatch.delitem(sys.modules, "avrec_lib.multimodal.keras_twin")
    return importlib.import_module("avrec_lib.multimodal.keras_twin")


def test_without_tensorflow_the_twin_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"needs Keras and TensorFlow; pip install 'avrec-lib\[tensorflow\]'"):
        imported_anew(monkeypatch)


def test_another_backend_of_keras_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ImportError, match="is set to jax; set KERAS_BACKEND=tensorflow"):
        imported_anew(monkeypatch)
