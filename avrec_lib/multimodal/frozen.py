"""Clips as vectors of networks that are not trained further: MiniLM, EfficientNet and Whisper's encoder.

Page 7.2. Each vector is computed once and kept on disk by content; a network is loaded only if one is not there yet.
All have length √d, so that their numbers are about 1 in size. The ids and spectra that the same networks
want when they are part of the model come from here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avrec_lib.content.image import Picture, read_image
from avrec_lib.content.image_encoders import DIM, ImageEncoder
from avrec_lib.content.language_weights import without_loading_bars
from avrec_lib.content.sentences import SentenceEncoder
from avrec_lib.data.assets import fetch
from avrec_lib.device import device
from avrec_lib.multimodal.config import PADDING
from avrec_lib.multimodal.raw import Medium, Raw, Text, encoded, kept, load_sound, whole_texts
from avrec_lib.multimodal.whisper_encoder import LONGEST, N_MELS, WhisperEncoder, load_whisper_encoder, log_mel

Floats = NDArray[np.float32]
MINILM_DIM = WHISPER_DIM = 384


def minilm(texts: Sequence[Text]) -> Raw:
    """Return MiniLM's vector of each text, float32 (n, 384)."""
    whole, reasons = whole_texts(texts)

    def encode(batch: list[str]) -> Floats:
        return _sentences().encode(batch)

    return _long(kept(whole, reasons, None, encode, (MINILM_DIM,), "minilm"))


def minilm_ids(texts: Sequence[Text], length: int) -> Raw:
    """Return the ids of MiniLM's word pieces, int64 (n, length): two marks around each text, 0 is padding.

    Raises
    ------
    ValueError
        If the length leaves no room between the marks.
    """
    if length < 3:
        raise ValueError(f"tokens must be at least 3 for minilm-tuned, which puts marks around a text, not {length}.")
    whole, reasons = whole_texts(texts)
    ids = np.full((len(whole), length), PADDING, dtype=np.int64)
    there = [i for i in range(len(whole)) if i not in reasons]
    if there:
        pieces = _tokenizer()([whole[i] for i in there], truncation=True, max_length=length)["input_ids"]
        for i, row in zip(there, pieces, strict=True):
            ids[i, : len(row)] = row
    return Raw(ids, reasons)


def efficientnet(pictures: Sequence[Medium]) -> Raw:
    """Return EfficientNet-Lite0's vector of each picture, float32 (n, 1280)."""

    def encode(batch: list[Picture]) -> Floats:
        return _pictures().encode(batch)

    return _long(encoded(pictures, read_image, encode, (DIM,), "efficientnet-lite0", batch_size=16))


def whisper(sounds: Sequence[Medium]) -> Raw:
    """Return the mean over time of what Whisper's encoder makes of each sound, float32 (n, 384).

    Only the sound itself is encoded, in pieces of up to 30 s: silence up to 30 s, which Whisper's decoder
    wants, would take 15 times as long for 2 s and drown them in the mean.
    """

    def encode(batch: list[NDArray[Any]]) -> Floats:
        model, where = _hearing(), device()
        lengths = np.array([len(x) for x in batch])
        means = np.zeros((len(batch), WHISPER_DIM), np.float32)
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            mel = torch.from_numpy(np.stack([log_mel(batch[i]) for i in rows])).to(where)  # (b, T, 80)
            with torch.inference_mode():
                states = torch.cat(
                    [model(piece) for piece in torch.split(mel, LONGEST, dim=1)], dim=1
                )  # (b, ⌈T/2⌉, 384)
            means[rows] = states.mean(dim=1).cpu().numpy()
        return means

    return _long(encoded(sounds, load_sound, encode, (WHISPER_DIM,), "whisper-tiny-mean"))


def whisper_mel(sounds: Sequence[Medium], n_frames: int) -> Raw:
    """Return the first n_frames of each log-mel spectrogram, one every 10 ms, float32 (n, n_frames, 80).

    A shorter sound is followed by silence, the lowest value of its spectrogram.

    Raises
    ------
    ValueError
        If there are more frames than Whisper's encoder takes.
    """
    if n_frames > LONGEST:
        raise ValueError(f"frames must be at most {LONGEST} (30 s) for whisper-tuned, not {n_frames}.")

    def encode(batch: list[NDArray[Any]]) -> Floats:
        rows = []
        for x in batch:
            mel = log_mel(x[: n_frames * 160])  # (T, 80)
            rows.append(np.pad(mel, ((0, n_frames - len(mel)), (0, 0)), constant_values=mel.min()).ravel())
        return np.stack(rows)  # (B, n_frames · 80)

    return encoded(sounds, load_sound, encode, (n_frames, N_MELS), "whisper-mel", f"1-{n_frames}")


def _long(raw: Raw) -> Raw:
    """Give each vector the length √d; one of zeros stays."""
    norms = np.linalg.norm(raw.values, axis=1, keepdims=True)  # (n, 1)
    return Raw(raw.values * (np.sqrt(raw.values.shape[1]) / np.maximum(norms, 1e-12)).astype(np.float32), raw.reasons)


@lru_cache(maxsize=1)
def _sentences() -> SentenceEncoder:
    return SentenceEncoder()


@lru_cache(maxsize=1)
def _tokenizer() -> Any:  # noqa: ANN401 (transformers has no types)
    from transformers import AutoTokenizer

    with without_loading_bars():
        return AutoTokenizer.from_pretrained(fetch("minilm-l6"), local_files_only=True)


@lru_cache(maxsize=1)
def _pictures() -> ImageEncoder:
    return ImageEncoder()


@lru_cache(maxsize=1)
def _hearing() -> WhisperEncoder:
    return load_whisper_encoder().to(device())
