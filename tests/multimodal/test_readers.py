"""From arrays to vectors inside the model; the networks that were trained before; Whisper's encoder."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from avrec_lib.content.errors import MediaError
from avrec_lib.content.image_encoders import ImageEncoder
from avrec_lib.content.sentences import SentenceEncoder
from avrec_lib.data.assets import fetch
from avrec_lib.multimodal import frozen
from avrec_lib.multimodal.readers import (
    AttentionPooling,
    FrameReader,
    PixelReader,
    Reader,
    TopicReader,
    VectorReader,
    WordReader,
    make_reader,
    trainable_groups,
)
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.tuned import TunedPicture, TunedReader, TunedSound, TunedText
from avrec_lib.multimodal.whisper_encoder import WhisperEncoder, load_whisper_encoder, log_mel, read_ctranslate2

SMALL = Settings().but(width=6, vocabulary=9)
PLAIN = [
    ("text", "lsa", (5,)),
    ("text", "words", (4,)),
    ("text", "minilm", (5,)),
    ("picture", "measured", (5,)),
    ("picture", "pixels", (8, 8, 3)),
    ("picture", "efficientnet", (5,)),
    ("sound", "measured", (5,)),
    ("sound", "frames", (5, 3)),
    ("sound", "whisper", (5,)),
]


def rows(kind: str, shape: tuple[int, ...], M: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    if kind == "words":
        return torch.randint(0, 9, (M, *shape), generator=generator)
    if kind == "pixels":
        return torch.randint(0, 256, (M, *shape), generator=generator, dtype=torch.uint8)
    return torch.randn(M, *shape, generator=generator)


# --- all readers ------------------------------------------------------------------------------


@pytest.mark.parametrize(("sense", "kind", "shape"), PLAIN)
def test_every_reader_gives_one_float32_vector_a_clip_and_is_trained_whole(
    sense: str, kind: str, shape: tuple[int, ...]
) -> None:
    reader = make_reader(sense, kind, shape, SMALL)
    size = 3 if kind in ("lsa", "minilm") else 6  # half as many topics as numbers
    assert (reader.size, reader.slow) == (size, False)
    vectors = reader(rows(kind, shape))
    assert (vectors.shape, vectors.dtype) == ((3, size), torch.float32)
    vectors.square().sum().backward()
    for name, weight in reader.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
    assert reader(rows(kind, shape)[:0]).shape == (0, size)


@pytest.mark.parametrize(("sense", "kind", "shape"), PLAIN)
def test_a_clip_has_the_same_vector_whatever_it_is_read_with(sense: str, kind: str, shape: tuple[int, ...]) -> None:
    reader, x = make_reader(sense, kind, shape, SMALL), rows(kind, shape)
    torch.testing.assert_close(reader(x)[1:2], reader(x[1:2]))


@pytest.mark.parametrize(("sense", "kind", "shape"), PLAIN)
def test_a_missing_clip_of_zeros_leaves_all_gradients_finite(sense: str, kind: str, shape: tuple[int, ...]) -> None:
    reader = make_reader(sense, kind, shape, SMALL)
    reader(torch.zeros_like(rows(kind, shape))).sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in reader.parameters())


@pytest.mark.parametrize(("sense", "kind", "shape"), PLAIN)
def test_in_half_precision_the_vector_is_nearly_the_same(sense: str, kind: str, shape: tuple[int, ...]) -> None:
    reader, x = make_reader(sense, kind, shape, SMALL), rows(kind, shape)
    with torch.autocast("cpu", torch.bfloat16):
        vectors = reader(x)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors, reader(x), atol=0.05, rtol=0.05)


def test_first_weights_follow_from_the_seed_and_leave_torchs_random_state_alone() -> None:
    state = torch.get_rng_state()
    one, two, other = (make_reader("sound", "frames", (5, 3), SMALL.but(seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    x = rows("frames", (5, 3))
    assert torch.equal(one(x), two(x))
    assert not torch.equal(one(x), other(x))


@pytest.mark.parametrize(
    ("sense", "kind", "shape", "message"),
    [
        ("smell", "words", (3,), "nothing reads smell as words"),
        ("text", "pixels", (8, 8, 3), "nothing reads text as pixels"),
        ("text", "none", (3,), "nothing reads text as none"),
        ("picture", "pixels", (8,), "has 3 dimensions"),
        ("sound", "measured", (0,), "not the shape"),
        ("picture", "efficientnet-tuned", (16, 16, 3), "pixels must be at least 32"),
        ("sound", "whisper-tuned", (32, 13), "rows of shape \\(F, 80\\)"),
        ("sound", "whisper-tuned", (3001, 80), "F at most 3000"),
    ],
)
def test_what_cannot_be_read_is_refused(sense: str, kind: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_reader(sense, kind, shape, SMALL)


@pytest.mark.parametrize(("sense", "kind", "shape"), PLAIN)
def test_rows_of_another_shape_are_refused(sense: str, kind: str, shape: tuple[int, ...]) -> None:
    reader = make_reader(sense, kind, shape, SMALL)
    with pytest.raises(ValueError, match="was built for arrays of shape"):
        reader(rows(kind, (*shape[:-1], shape[-1] + 1)))


# --- pooling and words ------------------------------------------------------------------------


def test_attention_pooling_is_the_mean_weighted_by_the_answers_to_one_question() -> None:
    pool = AttentionPooling(1)
    with torch.no_grad():
        pool.hidden.weight.fill_(1)
        pool.hidden.bias.zero_()
        pool.question.weight.fill_(2)
    h = torch.tensor([[[0.0], [1.0], [5.0]]])
    a, b = 1.0, float(np.exp(2 * np.tanh(1.0)))  # exp of the scores of 0 and 1
    pooled = pool(h, torch.tensor([[True, True, False]]))
    np.testing.assert_allclose(pooled.item(), b / (a + b), rtol=1e-6)


def test_attention_pooling_equals_pytorchs_softmax_and_product() -> None:
    torch.manual_seed(0)
    pool, h = AttentionPooling(4), torch.randn(3, 5, 4)
    alpha = functional.softmax(torch.tanh(h @ pool.hidden.weight.T + pool.hidden.bias) @ pool.question.weight[0], dim=1)
    torch.testing.assert_close(pool(h), torch.einsum("bt,btd->bd", alpha, h))


def test_padding_changes_nothing_and_a_text_without_words_is_zero() -> None:
    torch.manual_seed(0)
    long, short = WordReader(5, 9, 6), WordReader(2, 9, 6)
    short.load_state_dict(long.state_dict())
    torch.testing.assert_close(long(torch.tensor([[3, 7, 0, 0, 0]])), short(torch.tensor([[3, 7]])))
    assert long(torch.zeros(1, 5, dtype=torch.int64)).tolist() == [[0.0] * 6]


def test_a_vector_goes_through_one_linear_layer() -> None:
    torch.manual_seed(0)
    reader, x = VectorReader(3, 2), torch.randn(4, 3)
    torch.testing.assert_close(reader(x), x @ reader.layer.weight.T + reader.layer.bias)


def test_topics_of_two_texts_by_hand() -> None:
    reader = TopicReader(1, 2)
    with torch.no_grad():
        reader.layer.weight.copy_(torch.tensor([[np.log(3.0)], [0.0]]))
        reader.layer.bias.zero_()
    half = np.sqrt(2) / 4  # of √2 (3/4 − 1/2)
    torch.testing.assert_close(reader(torch.tensor([[1.0], [0.0]])), torch.tensor([[half, -half], [0, 0]]).float())


def test_topics_are_pytorchs_softmax_shifted_to_sum_to_zero() -> None:
    torch.manual_seed(0)
    reader, x = TopicReader(3, 4), torch.randn(5, 3)
    shares = functional.softmax(functional.linear(x, reader.layer.weight, reader.layer.bias), dim=1)
    torch.testing.assert_close(reader(x), 2 * shares - 0.5)
    torch.testing.assert_close(reader(x).sum(dim=1), torch.zeros(5))


# --- pixels and frames ------------------------------------------------------------------------


def test_pixels_are_read_as_mean_and_spread_of_every_layer() -> None:
    torch.manual_seed(0)
    reader, x = PixelReader(8, 6), rows("pixels", (8, 8, 3))
    h = x.permute(0, 3, 1, 2).contiguous().double() / 127.5 - 1
    told = [h.mean((2, 3)), torch.sqrt(h.var((2, 3), correction=0) + 1e-6)]
    for layer in reader.look:
        h = functional.conv2d(h, layer.weight.double(), layer.bias.double(), padding=1).clamp(min=0)
        told += [h.mean((2, 3)), torch.sqrt(h.var((2, 3), correction=0) + 1e-6)]
        h = functional.avg_pool2d(h, 2)
    wanted = functional.linear(torch.cat(told, 1), reader.dense.weight.double(), reader.dense.bias.double())
    torch.testing.assert_close(reader(x), wanted.float(), atol=1e-5, rtol=1e-4)


def test_pictures_stay_in_the_order_they_are_stored_in() -> None:
    reader, seen = PixelReader(8, 6), []
    reader.look[1].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    reader(rows("pixels", (8, 8, 3)))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert reader.look[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", [1, 2, 5, 33])
def test_pictures_may_have_any_side(side: int) -> None:
    assert PixelReader(side, 6)(torch.zeros(2, side, side, 3, dtype=torch.uint8)).isfinite().all()


def test_stripes_and_a_plain_picture_of_the_same_mean_are_told_apart_within_forty_steps() -> None:
    """A mean of pixels cannot: the stripes are as light as dark, in two directions and three widths."""
    rng, n = np.random.default_rng(0), 96
    how_strong = rng.uniform(0, 60, n)
    pictures = np.empty((n, 16, 16, 3))
    for i in range(n):
        stripe = np.where((np.arange(16) // (1, 2, 4)[i % 3]) % 2 == 0, 1, -1)
        grid = stripe[None, :] if rng.random() < 0.5 else stripe[:, None]
        pictures[i] = rng.integers(70, 180, 3) + how_strong[i] * np.broadcast_to(grid, (16, 16))[:, :, None]
    x = torch.from_numpy(pictures.round().clip(0, 255).astype(np.uint8))
    y = torch.from_numpy(((how_strong - 30) / 17).astype(np.float32))
    reader = make_reader("picture", "pixels", (16, 16, 3), Settings())
    torch.manual_seed(0)
    head = nn.Linear(reader.size, 1)
    optimiser = torch.optim.AdamW([*reader.parameters(), *head.parameters()], lr=0.01)
    for _ in range(40):
        loss = (head(reader(x[:64]))[:, 0] - y[:64]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        error = (head(reader(x[64:]))[:, 0] - y[64:]).square().mean()
    assert error < 0.3 * y[64:].var()


def test_frames_are_convolved_over_time_and_pooled() -> None:
    torch.manual_seed(0)
    reader, x = FrameReader(7, 3, 6), torch.randn(2, 7, 3)
    first, _, second, _ = reader.hear
    assert isinstance(first, nn.Conv1d)
    assert isinstance(second, nn.Conv1d)
    padded = functional.pad(x, (0, 0, 2, 2))  # (2, 11, 3)
    h = torch.stack([torch.einsum("bkc,dck->bd", padded[:, t : t + 5], first.weight) for t in range(7)], 1)
    h = functional.pad((h + first.bias).clamp(min=0), (0, 0, 1, 1))  # (2, 9, 6)
    h = torch.stack([torch.einsum("bkc,dck->bd", h[:, t : t + 3], second.weight) for t in range(7)], 1)
    h = (h + second.bias).clamp(min=0)  # (2, 7, 6)
    told = [reader.pool(h), h.mean(1), torch.sqrt(h.var(1, correction=0) + 1e-6)]
    torch.testing.assert_close(reader(x), reader.dense(torch.cat(told, 1)))


# --- weights that were trained before ---------------------------------------------------------


class Slow(TunedReader):
    def __init__(self) -> None:
        super().__init__((2,), nn.Linear(2, 3), 3, 4)

    def seen(self, x: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self.trunk(x)
        return vectors


def test_old_weights_take_small_steps_and_every_weight_is_in_one_group() -> None:
    model = nn.ModuleDict({"new": VectorReader(2, 4), "old": Slow()})
    for weight in model["new"].parameters():
        weight.requires_grad_(False)
        break
    new, old = trainable_groups(model, 0.02)
    assert (new["lr"], old["lr"]) == (0.02, pytest.approx(0.0002))
    assert [tuple(weight.shape) for weight in old["params"]] == [(3, 2), (3,)]
    assert len(new["params"]) + len(old["params"]) == sum(w.requires_grad for w in model.parameters())


def test_without_old_weights_there_is_one_group() -> None:
    groups = trainable_groups(VectorReader(2, 4), 0.02)
    assert [group["lr"] for group in groups] == [0.02]


def test_a_tuned_vector_is_brought_to_mean_zero_and_variance_one() -> None:
    torch.manual_seed(0)
    reader, x = Slow(), torch.randn(2, 2)
    v = reader.trunk(x).double()
    scaled = (v - v.mean(1, keepdim=True)) / torch.sqrt(v.var(1, correction=0, keepdim=True) + 1e-5)
    torch.testing.assert_close(reader(x), reader.layers(scaled.float()))


@pytest.fixture(scope="module")
def text_reader() -> Reader:
    return make_reader("text", "minilm-tuned", (12,), SMALL)


def test_minilm_inside_the_model_is_minilm(text_reader: Reader) -> None:
    assert isinstance(text_reader, TunedText)
    assert text_reader.slow
    texts = ["a dog on the beach", "soup", None]
    raw = frozen.minilm_ids(texts, 12)
    assert raw.reasons == {2: "is missing."}
    with torch.no_grad():
        u = text_reader.eval().seen(torch.from_numpy(raw.values))
    wanted = SentenceEncoder().encode(["a dog on the beach", "soup"])
    np.testing.assert_allclose(functional.normalize(u, dim=1)[:2], wanted, atol=1e-5)
    assert u[2].tolist() == [0.0] * 384


def test_minilm_is_trained_also_beside_a_missing_text(text_reader: Reader) -> None:
    ids = torch.from_numpy(frozen.minilm_ids(["a dog", ""], 12).values)
    text_reader.train()(ids).square().sum().backward()
    for name, weight in text_reader.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name


@pytest.fixture(scope="module")
def picture_reader() -> Reader:
    return make_reader("picture", "efficientnet-tuned", (224, 224, 3), SMALL)


def test_efficientnet_inside_the_model_is_efficientnet(picture_reader: Reader) -> None:
    assert isinstance(picture_reader, TunedPicture)
    x = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    with torch.no_grad():
        v = picture_reader.train().seen(torch.from_numpy(x))
    np.testing.assert_allclose(v, ImageEncoder().encode(x), atol=1e-3)


def test_a_picture_has_one_vector_in_training_too_whatever_it_is_read_with() -> None:
    reader = make_reader("picture", "efficientnet-tuned", (32, 32, 3), SMALL).train()
    norms = [module for module in reader.modules() if isinstance(module, nn.BatchNorm2d)]
    before = norms[0].running_mean.clone()
    x = rows("pixels", (32, 32, 3))
    vectors = reader(x)
    torch.testing.assert_close(vectors[1:2], reader(x[1:2]), atol=1e-4, rtol=1e-4)
    vectors.square().sum().backward()
    assert torch.equal(norms[0].running_mean, before)
    assert all(w.grad is not None and w.grad.isfinite().all() for w in reader.parameters())
    assert reader.training
    assert not any(norm.training for norm in norms)


def test_whisper_inside_the_model_gives_the_mean_of_the_frozen_one_and_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = make_reader("sound", "whisper-tuned", (20, 80), SMALL)
    assert isinstance(reader, TunedSound)
    x = np.random.default_rng(0).normal(0, 0.1, 3200).astype(np.float32)
    mel = torch.from_numpy(log_mel(x))[None]
    monkeypatch.setattr(frozen, "encoded", lambda sounds, load, encode, *_: frozen.Raw(encode(list(sounds)), {}))
    v = reader.seen(mel)[0].detach().numpy()
    np.testing.assert_allclose(frozen.whisper([x]).values[0], v * np.sqrt(384) / np.linalg.norm(v), atol=1e-3)
    reader(mel).square().sum().backward()
    assert all(w.grad is not None and w.grad.isfinite().all() for w in reader.parameters())


# --- Whisper's encoder ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound() -> Any:
    t = np.arange(32_000) / 16_000
    return (0.3 * np.sin(2 * np.pi * 440 * t * (1 + t)) + np.random.default_rng(0).normal(0, 0.02, t.size)).astype("f4")


def test_the_spectrogram_is_that_of_faster_whisper(sound: Any) -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    np.testing.assert_allclose(log_mel(sound), FeatureExtractor()(sound)[:, :200].T, atol=1e-3)


def test_the_encoder_equals_the_one_of_ctranslate2(sound: Any) -> None:
    import ctranslate2
    from faster_whisper import WhisperModel

    theirs = WhisperModel(str(fetch("whisper-tiny")), device="cpu", compute_type="float32", local_files_only=True)
    mel = log_mel(sound)
    wanted = np.asarray(theirs.encode(np.ascontiguousarray(mel.T)).to_device(ctranslate2.Device.cpu))
    with torch.no_grad():
        states = load_whisper_encoder()(torch.from_numpy(mel)[None])
    assert states.shape == (1, 100, 384)
    np.testing.assert_allclose(states, wanted, atol=1e-3)


@pytest.mark.parametrize(("n", "frames"), [(1, 1), (159, 1), (320, 2), (4000, 25)])
def test_sounds_of_any_length_have_a_spectrogram_and_states(n: int, frames: int) -> None:
    mel = log_mel(np.full(n, 0.1, np.float32))
    assert (mel.shape, mel.dtype) == ((frames, 80), np.float32)
    assert WhisperEncoder(8, 2, 1)(torch.from_numpy(mel)[None]).shape == (1, (frames + 1) // 2, 8)


@pytest.mark.parametrize("shape", [(1, 0, 80), (1, 3001, 80), (1, 10, 79), (10, 80)])
def test_spectrograms_that_whisper_does_not_hear_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="T from 1 to 3000"):
        WhisperEncoder(8, 2, 1)(torch.zeros(shape))


def ctranslate2_file(kind: int, values: bytes, shape: tuple[int, ...]) -> bytes:
    name, tensor = b"WhisperSpec\0", b"encoder/x\0"
    head = struct.pack("<IH", 6, len(name)) + name + struct.pack("<II", 3, 1)
    head += struct.pack("<H", len(tensor)) + tensor + struct.pack(f"<B{len(shape)}I", len(shape), *shape)
    return head + struct.pack("<BI", kind, len(values)) + values


def test_weights_of_16_bits_are_read_as_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(ctranslate2_file(4, np.array([[1.5, -2, 0.25]], "<f2").tobytes(), (1, 3)))
    assert read_ctranslate2(file)["encoder/x"].tolist() == [[1.5, -2.0, 0.25]]
    assert read_ctranslate2(file, "decoder/") == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no whole CTranslate2 model"),
        (b"no model at all, but long enough to begin with", "no whole CTranslate2 model"),
        (ctranslate2_file(4, b"\0\0", (1, 3)), "no whole CTranslate2 model"),
        (ctranslate2_file(1, b"\0\0\0", (1, 3)), "convert the model with float16 weights"),
        (ctranslate2_file(0, b"\0\0\0\0", (1,)), "is no tiny Whisper"),
    ],
)
def test_a_file_of_other_weights_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(MediaError, match=message):
        load_whisper_encoder(tmp_path / "model.bin")
