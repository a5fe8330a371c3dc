"""From speech to words with times: Whisper, and the error rate that says how well it heard.

Page 3.1.3. The model is Whisper tiny, English only (Radford et al. 2022; 39 million parameters, 8-bit
weights), run by faster-whisper on the CPU or an NVIDIA GPU. The search is a beam of 5 at temperature 0,
without random numbers, so the same sound gives the same words.

Whisper was trained to write something, so it hears words in silence, noise and music. Three gates:
1. a voice detector (Silero, which comes inside faster-whisper) cuts out what is no voice, before;
2. Whisper's own rule, a little stricter: a window is dropped if P(no speech) > 0.6 and the mean
   log-probability of its tokens is below −0.8 (Whisper's −1 lets a film without a word say "Mm-hmm.");
3. a segment is dropped if it has no letter or digit, or repeats itself so much that zlib makes it
   more than three times smaller (running English: 1 to 2.4; "I'm going to take a look, I'm going …": 13).
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from avrec_lib.content.audio import read_audio, resample, to_float
from avrec_lib.data.assets import fetch
from avrec_lib.device import device

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

RATE = 16_000  # Hz, what Whisper was trained on
MAX_COMPRESSION = 3.0


class Segment(NamedTuple):
    """A stretch of speech: its begin and end in seconds, and its text."""

    start: float
    end: float
    text: str


class Word(NamedTuple):
    """A word with its begin and end in seconds, and the probability the model gives it."""

    start: float
    end: float
    word: str
    probability: float


@dataclass(frozen=True)
class Transcript:
    """What was said: the whole text, its language ("en"), and the same in segments and in words."""

    text: str
    language: str
    segments: tuple[Segment, ...]
    words: tuple[Word, ...]


def transcribe(
    source: str | Path | bytes | ArrayLike, language: str | None = None, *, rate: int = RATE, model: Path | None = None
) -> Transcript:
    """Write down the speech in a file or an array of samples, with the time of every word.

    Silence, noise and music give an empty transcript (see the three gates above).

    Parameters
    ----------
    source : path, bytes of a file, or samples, shape (n,)
        A film gives its sound track. Integer samples are taken as PCM.
    language : str, optional
        A code such as "en". None lets a multilingual model decide by the first 30 s.
    rate : int
        Sampling rate of the samples in Hz; a file knows its own.
    model : Path, optional
        The folder of another Whisper in CTranslate2 format, a multilingual one, say.

    Raises
    ------
    MediaError
        If the file is no sound; see `read_audio`.
    ValueError
        If there are 0 samples, more than one channel, NaN, or the model does not know the language.
    """
    x = read_audio(source, RATE) if isinstance(source, (str, Path, bytes)) else _samples(source, rate)
    whisper = _whisper(fetch("whisper-tiny") if model is None else model)
    if language is not None and language not in whisper.supported_languages:
        known = ", ".join(whisper.supported_languages)
        raise ValueError(f"this Whisper knows {known}, not {language!r}; pass model= with a multilingual one.")
    found, info = whisper.transcribe(
        x,
        language=language,
        beam_size=5,
        temperature=0.0,
        no_speech_threshold=0.6,
        log_prob_threshold=-0.8,
        word_timestamps=True,
        vad_filter=True,
    )
    kept = [s for s in found if s.compression_ratio <= MAX_COMPRESSION and re.search(r"\w", s.text)]
    segments = tuple(Segment(float(s.start), float(s.end), s.text.strip()) for s in kept)
    words = tuple(
        Word(float(w.start), float(w.end), w.word.strip(), float(w.probability)) for s in kept for w in s.words or ()
    )
    return Transcript(" ".join(s.text for s in segments), info.language, segments, words)


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Return the least number of words to change, drop and insert in the reference, per word of it.

    WER = (S + D + I) / N, by Levenshtein's distance between the words: 0 is perfect, and more than 1
    is possible, for a hypothesis may be longer than the reference. Words are compared without
    capitals and punctuation; a Chinese character counts as a word, which makes it the character
    error rate there.

    Raises
    ------
    ValueError
        If the reference has no word: N = 0.
    """
    said, heard = _words(reference), _words(hypothesis)
    if not said:
        raise ValueError("the reference has no words, so no error rate; count the words of the hypothesis instead.")
    row = np.arange(len(heard) + 1)  # distance of no words to the first j heard ones
    for i, word in enumerate(said, start=1):
        changed = row[:-1] + np.array([word != other for other in heard], dtype=int)  # (len(heard),)
        best = np.concatenate([[i], np.minimum(changed, row[1:] + 1)])  # without insertions
        j = np.arange(len(best))
        row = np.minimum.accumulate(best - j) + j  # an insertion costs 1 a step to the right
    return float(row[-1]) / len(said)


def _words(text: str) -> list[str]:
    return re.findall(
        r"[\u4e00-\u9fff]|(?:(?![\u4e00-\u9fff])[^\W_])+(?:'(?:[^\W_])+)*", text.lower().replace("’", "'")
    )


def _samples(source: ArrayLike, rate: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    x = to_float(source)
    if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"samples must be finite and of shape (n,) with n at least 1; these have shape {x.shape}.")
    return resample(x, rate, RATE)


@lru_cache(maxsize=1)
def _whisper(folder: Path) -> WhisperModel:
    """Load a model once; on a GPU if PyTorch and CTranslate2 can both use it, else on the CPU."""
    from faster_whisper import WhisperModel

    if device().type == "cuda":
        try:
            model = WhisperModel(str(folder), device="cuda", compute_type="int8", local_files_only=True)
            model.encode(np.zeros((model.feature_extractor.mel_filters.shape[0], 3000), np.float32))
        except RuntimeError as error:  # a build without CUDA, or without its cuBLAS or cuDNN
            warnings.warn(f"Whisper runs on the CPU: CTranslate2 can't use the GPU ({error}).", stacklevel=3)
        else:
            return model
    return WhisperModel(str(folder), device="cpu", compute_type="int8", local_files_only=True)
