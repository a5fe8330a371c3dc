"""The article's model and the one with users: against layers put together by hand, and what must not matter."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import Tensor

from avrec_lib.multimodal.article import ArticleModel
from avrec_lib.multimodal.config import ArticleConfig
from avrec_lib.multimodal.personal import PersonalModel
from avrec_lib.nn.recurrent import lstm

SMALL = ArticleConfig(
    vocabulary=12, tokens=5, embedding=4, lstm=3, picture=8, channels=(2, 3), frames=6, coefficients=2, dense=7
)


def inputs(n: int = 4, config: ArticleConfig = SMALL) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(1)
    words = rng.integers(1, config.vocabulary, (n, config.tokens))
    words[1, 2:] = 0
    words[2, :] = 0
    pictures = rng.integers(0, 256, (n, config.picture, config.picture, 3)).astype(np.uint8)
    frames = rng.standard_normal((n, config.frames, config.coefficients)).astype(np.float32)
    return torch.from_numpy(words), torch.from_numpy(pictures), torch.from_numpy(frames)


def by_hand(model: ArticleModel, words: Tensor, pictures: Tensor, frames: Tensor, b: int) -> float:
    """Compute one clip's log-odds in NumPy, with the book's own LSTM and SciPy's correlation."""
    w = {name: weight.detach().numpy().astype(np.float64) for name, weight in model.named_parameters()}

    def read(name: str, X: np.ndarray) -> np.ndarray:
        """Return the last state; the book's LSTM has its gates in the order i, f, g, o and one bias."""
        both = w[f"{name}.bias_ih_l0"] + w[f"{name}.bias_hh_l0"]
        names = {"W_x": w[f"{name}.weight_ih_l0"].T, "W_h": w[f"{name}.weight_hh_l0"].T, "b": both}
        return np.asarray(lstm(X[None], names)[0][0, -1])

    ids = words[b].numpy()
    ids = ids[ids != 0]
    text = read("read_words", w["embed.weight"][ids]) if len(ids) else np.zeros(model.config.lstm)
    x = pictures[b].numpy().astype(np.float64).transpose(2, 0, 1) / 255
    for layer in range(len(model.config.channels)):
        kernel, bias = w[f"look.{layer}.weight"], w[f"look.{layer}.bias"]
        summed = np.stack([sum(correlate2d(x[c], k[c], "same") for c in range(len(x))) for k in kernel])
        y = np.maximum(summed + bias[:, None, None], 0)
        x = y.reshape(len(y), y.shape[1] // 2, 2, y.shape[2] // 2, 2).max(axis=(2, 4))
    joined = np.concatenate([text, x.mean(axis=(1, 2)), read("hear", frames[b].numpy().astype(np.float64))])
    g = np.maximum(w["dense.weight"] @ joined + w["dense.bias"], 0)
    return float((w["output.weight"] @ g + w["output.bias"])[0])


def test_the_model_is_its_layers_put_together_by_hand() -> None:
    model, parts = ArticleModel(SMALL, seed=3), inputs()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
        got = model(*parts).numpy()
    np.testing.assert_allclose(got, [by_hand(model, *parts, b) for b in range(4)], rtol=1e-4, atol=1e-5)


def test_more_padding_changes_nothing() -> None:
    words, pictures, frames = inputs()
    short, long = ArticleModel(SMALL), ArticleModel(ArticleConfig(**{**vars(SMALL), "tokens": 9}))
    long.load_state_dict(short.state_dict())
    padded = torch.nn.functional.pad(words, (0, 4))
    torch.testing.assert_close(short(words, pictures, frames), long(padded, pictures, frames))


def test_a_text_without_words_is_the_zero_vector() -> None:
    text, _, _ = ArticleModel(SMALL).branches(*inputs())
    assert (text[2] == 0).all()
    assert (text[0] != 0).all()


def test_a_clip_does_not_depend_on_its_neighbours_in_the_batch() -> None:
    model, parts = ArticleModel(SMALL), inputs()
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(model(*(part[order] for part in parts)), model(*parts)[order])
    torch.testing.assert_close(model(*(part[:1] for part in parts)), model(*parts)[:1])


def test_every_branch_gets_a_gradient_and_padding_gets_none() -> None:
    model = ArticleModel(SMALL)
    model(*inputs()).square().sum().backward()
    for name, weight in model.named_parameters():
        if "bias_hh" in name:
            assert weight.grad is None
        else:
            assert weight.grad is not None
            assert weight.grad.abs().sum() > 0, name
    assert model.embed.weight.grad is not None
    assert (model.embed.weight.grad[0] == 0).all()


def test_first_weights_are_those_of_keras() -> None:
    model = ArticleModel(SMALL)
    H, d = SMALL.lstm, SMALL.embedding
    W, U, first, second = model.read_words.all_weights[0]
    assert W.abs().max() <= (6 / (d + 4 * H)) ** 0.5
    torch.testing.assert_close(U.T @ U, torch.eye(H))
    assert first.tolist() == [0.0] * H + [1.0] * H + [0.0] * 2 * H
    assert second.tolist() == [0.0] * 4 * H


def test_a_seed_decides_the_first_weights_and_leaves_torch_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = ArticleModel(SMALL, 1), ArticleModel(SMALL, 1), ArticleModel(SMALL, 2)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.dense.weight, same.dense.weight)
    assert not torch.equal(one.dense.weight, other.dense.weight)


def test_wrong_shapes_and_ids_are_named() -> None:
    model, (words, pictures, frames) = ArticleModel(SMALL), inputs()
    with pytest.raises(ValueError, match=r"words must have shape \(4, 5\), not \(4, 4\)"):
        model(words[:, :4], pictures, frames)
    with pytest.raises(ValueError, match=r"pictures must have shape \(4, 8, 8, 3\)"):
        model(words, pictures.permute(0, 3, 1, 2), frames)
    with pytest.raises(ValueError, match=r"frames must have shape \(4, 6, 2\), not \(4, 6\)"):
        model(words, pictures, frames[:, :, 0])
    with pytest.raises(ValueError, match="token ids must lie between 0 and 11"):
        model(words + 11, pictures, frames)
    with pytest.raises(ValueError, match=r"padding .* must stand at the end"):
        model(words.flip(1), pictures, frames)


def test_with_user_vectors_at_zero_it_is_the_articles_model() -> None:
    personal, parts = PersonalModel(3, 2, SMALL), inputs()
    torch.nn.init.zeros_(personal.users.weight)
    g = personal.clip.features(*parts)
    torch.testing.assert_close(personal(torch.tensor([0, 1, 2, 0]), g), personal.clip(*parts))


def test_score_of_all_pairs_equals_forward_of_each() -> None:
    personal, parts = PersonalModel(3, 2, SMALL), inputs()
    with torch.no_grad():
        g = personal.clip.features(*parts)
        each = torch.stack([personal(torch.full((4,), user), g) for user in range(3)])
    torch.testing.assert_close(personal.score(g), each)


def test_two_users_can_have_two_orders() -> None:
    personal = PersonalModel(2, 1, SMALL)
    g = torch.rand(6, SMALL.dense, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        personal.users.weight[:] = torch.tensor([[50.0], [-50.0]])
    scores = personal.score(g)
    assert scores[0].argmax() == scores[1].argmin()


def test_no_users_are_refused() -> None:
    with pytest.raises(ValueError, match="n_users and d must be at least 1"):
        PersonalModel(0)
