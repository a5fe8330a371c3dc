import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from avrec_lib.nn.contrastive_torch import (
    PictureTower,
    TextTower,
    TwoTowers,
    contrastive_gradient,
    contrastive_loss,
    encode_pictures,
    encode_texts,
    fit_pairs,
)


def unit_vectors(n, d, seed):
    rng = np.random.default_rng(seed)
    return functional.normalize(torch.from_numpy(rng.normal(size=(n, d))), dim=1)


def squares(n, seed=0):
    """Return pictures of a bright square, red or blue, and for each an English and a Chinese caption."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 40, (n, 16, 16, 3), dtype=np.uint8)
    blue = rng.integers(2, size=n)
    for picture, is_blue in zip(X, blue, strict=True):
        i, j = rng.integers(0, 8, 2)
        picture[i : i + 8, j : j + 8, 2 * is_blue] = 220
    captions = [[["a", "blue", "square"], ["蓝色"]] if b else [["a", "red", "square"], ["红色"]] for b in blue]
    return X, captions, blue


def test_two_pairs_by_hand():
    X = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    Y = torch.tensor([[0.8, 0.6], [0.6, 0.8]])
    # S = [[1.6, 1.2], [1.2, 1.6]] at temperature 0.5: each own text is ahead by 0.4, in rows and columns
    assert contrastive_loss(X, Y, 0.5).item() == pytest.approx(math.log(1 + math.exp(-0.4)))


def test_the_loss_of_a_guesser_is_log_n():
    X = torch.tensor([[1.0, 0.0]]).expand(5, 2)
    assert contrastive_loss(X, X, 0.07).item() == pytest.approx(math.log(5))


def test_the_loss_equals_cross_entropy_in_both_directions():
    X, Y = unit_vectors(9, 4, 0), unit_vectors(9, 4, 1)
    S, own = X @ Y.T / 0.07, torch.arange(9)
    reference = (functional.cross_entropy(S, own) + functional.cross_entropy(S.T, own)) / 2
    assert contrastive_loss(X, Y, 0.07).item() == pytest.approx(reference.item(), rel=1e-12)


def test_the_loss_equals_that_of_transformers():
    clip = pytest.importorskip("transformers.models.clip.modeling_clip", reason="transformers is not installed")
    reference = getattr(clip, "image_text_contrastive_loss", None) or clip.clip_loss  # its name since, and until, 2025
    X, Y = unit_vectors(12, 8, 2), unit_vectors(12, 8, 3)
    assert contrastive_loss(X, Y, 0.05).item() == pytest.approx(reference(Y @ X.T / 0.05).item(), rel=1e-12)


def test_the_gradient_by_the_formula_equals_autograd():
    X, Y = unit_vectors(7, 5, 4).requires_grad_(), unit_vectors(7, 5, 5).requires_grad_()
    log_scale = torch.tensor(math.log(1 / 0.2), dtype=torch.float64, requires_grad=True)
    contrastive_loss(X, Y, torch.exp(-log_scale)).backward()
    ours = contrastive_gradient(X.detach(), Y.detach(), 0.2)
    for got, want in zip(ours, (X.grad, Y.grad, log_scale.grad), strict=True):
        torch.testing.assert_close(got, want)


def test_the_loss_stays_finite_at_the_coldest_temperature():
    X = unit_vectors(6, 3, 6).float()
    assert torch.isfinite(contrastive_loss(X, -X, 0.01))


@pytest.mark.parametrize(("m", "d"), [((3, 4), (2, 4)), ((4,), (4,)), ((0, 4), (0, 4))])
def test_vectors_that_are_no_pairs_are_refused(m, d):
    with pytest.raises(ValueError, match=r"\(N, d\)"):
        contrastive_loss(torch.zeros(m), torch.zeros(d), 0.1)


def test_the_towers_learn_which_words_belong_to_which_picture_in_both_languages():
    X, captions, _ = squares(160)
    model = fit_pairs(X, captions, d=8, width=4, epochs=6, batch=16)
    X, _, blue = squares(60, seed=1)
    pictures = encode_pictures(model, X, batch=25)
    for prompts in ([["red"], ["blue"]], [["红色"], ["蓝色"]]):
        texts = encode_texts(model, prompts)
        assert ((pictures @ texts.T).argmax(axis=1) == blue).mean() > 0.95
    for vectors, n in ((pictures, 60), (texts, 2)):
        assert vectors.shape == (n, 8)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert len(model.losses) == len(model.temperatures) == 60
    assert np.mean(model.losses[-5:]) < model.losses[0]


def test_the_temperature_is_learned_or_kept():
    X, captions, _ = squares(32)
    options = {"d": 4, "width": 2, "epochs": 2, "batch": 16, "temperature": 0.2}
    assert fit_pairs(X, captions, **options).temperatures[-1] != pytest.approx(0.2, rel=1e-4)
    assert fit_pairs(X, captions, learn_temperature=False, **options).temperatures == pytest.approx([0.2] * 4)


def test_the_same_seed_gives_the_same_towers_and_torch_s_state_is_left_alone():
    """F6."""
    X, captions, _ = squares(24)
    X.flags.writeable = False  # as a memory map of the covers is
    state = torch.get_rng_state()
    a, b, c = (fit_pairs(X, captions, d=4, width=2, epochs=1, batch=8, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(encode_pictures(a, X), encode_pictures(b, X))
    assert not np.array_equal(encode_pictures(a, X), encode_pictures(c, X))


def test_no_epochs_gives_the_untrained_towers_and_a_batch_too_large_is_all_pairs():
    X, captions, _ = squares(10)
    assert fit_pairs(X, captions, epochs=0).losses == []
    assert len(fit_pairs(X, captions, width=2, epochs=2, batch=1000).losses) == 2


def test_a_bag_forgets_the_order_and_unknown_words_and_without_known_words_is_zero():
    model = TwoTowers(["red", "star"], d=4, width=2)
    same = encode_texts(model, [["red", "star"], ["star", "red"], ["red", "gibbon", "star"]])
    np.testing.assert_allclose(same, same[[0, 0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(encode_texts(model, [["gibbon"], []]), np.zeros((2, 4)))


def test_text_tower_is_the_mean_of_embeddings_through_two_layers():
    tower = TextTower(["a", "b", "c"], d=2, width=3)
    z = (tower.embed.weight[0] + tower.embed.weight[2]) / 2
    torch.testing.assert_close(tower([[0, 2]])[0], tower.read_out(z))


def test_the_picture_tower_takes_any_size():
    tower = PictureTower(6, width=2).eval()
    for size in ((64, 64), (16, 40)):
        pictures = torch.zeros(3, *size, 3, dtype=torch.uint8)
        assert tower.features(pictures).shape == (3, 16)
        assert tower(pictures).shape == (3, 6)


@pytest.mark.parametrize(
    ("pictures", "captions", "message"),
    [
        (np.zeros((2, 16, 16, 3)), [[["a"]]] * 2, "uint8"),
        (np.zeros((2, 16, 20, 3), np.uint8), [[["a"]]] * 2, r"\(N, H, H, 3\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), [[["a"]]] * 2, "16×16"),
        (np.zeros((2, 16, 16, 3), np.uint8), [[["a"]]] * 3, "2 and 3"),
        (np.zeros((1, 16, 16, 3), np.uint8), [[["a"]]], "two pairs"),
        (np.zeros((2, 16, 16, 3), np.uint8), [[["a"]], []], "picture 1"),
        (np.zeros((2, 16, 16, 3), np.uint8), [[["a"]], [[]]], "picture 1"),
        (np.zeros((2, 16, 16, 3), np.uint8), [["a red star"], [["a"]]], "picture 0"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(pictures, captions, message):
    with pytest.raises(ValueError, match=message):
        fit_pairs(pictures, captions, epochs=1)


def test_a_temperature_outside_its_bounds_is_refused():
    with pytest.raises(ValueError, match="temperature"):
        TwoTowers(["a"], temperature=0.0)
