"""From media to numbers, one sense at a time and nothing learnt: what `avrec_lib.multimodal.inputs` begins with.

Page 7.2. Whatever cannot be read, a missing text as much as a broken file, is told by its number and its reason, and
the others arrive. What is slow is kept on disk by the content of the text, file or array (`content.extract`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from avrec_lib.content.audio import SAMPLE_RATE, read_audio, to_float
from avrec_lib.content.errors import MediaError
from avrec_lib.content.extract import Input, extract
from avrec_lib.content.image import read_image, resize_and_crop
from avrec_lib.content.spectra import mfcc
from avrec_lib.content.summaries import picture_summary, sound_summary
from avrec_lib.content.text import clean, tokens
from avrec_lib.multimodal.arrays import N_FFT

Floats = NDArray[np.float32]
Reasons = dict[int, str]
Text = str | None
Medium = Path | str | bytes | NDArray[Any] | None
MAX_SECONDS = 600.0  # of a sound; the spectrum of ten minutes takes 150 MB
LOUDEST = 1e6  # beyond it, squares of float32 samples may overflow


class Raw(NamedTuple):
    """What n clips say to one sense: numbers (n, …), 0 where `reasons` tells why a clip is not there."""

    values: NDArray[Any]
    reasons: Reasons

    @property
    def there(self) -> NDArray[np.bool_]:
        """Return which clips could be read, shape (n,)."""
        return _there(len(self.values), self.reasons)


class Words(NamedTuple):
    """The tokens of n texts, which become numbers when a vocabulary is known; none where `reasons` tells why."""

    tokens: list[list[str]]
    reasons: Reasons

    @property
    def there(self) -> NDArray[np.bool_]:
        """Return which texts could be read, shape (n,)."""
        return _there(len(self.tokens), self.reasons)


def whole_texts(texts: Sequence[Text]) -> tuple[list[str], Reasons]:
    """Return each text, cleaned, "" where there is none; and why there is none."""
    found, reasons = [], dict[int, str]()
    for i, text in enumerate(texts):
        found.append(clean(text) if isinstance(text, str) else "")
        if not found[-1]:
            is_missing = text is None or isinstance(text, float)  # pandas has NaN for a text that is not there
            reasons[i] = "is empty." if isinstance(text, str) else "is missing."
            if not (isinstance(text, str) or is_missing):
                reasons[i] = f"is of type {type(text).__name__}, not a str."
    return found, reasons


def text_words(texts: Sequence[Text]) -> Words:
    """Return the tokens of each text, and why a text has none."""
    found, reasons = whole_texts(texts)
    words = [tokens(text) for text in found]
    for i, of in enumerate(words):
        if not of:
            reasons.setdefault(i, "has no word in it.")
    return Words(words, reasons)


def measured_pictures(pictures: Sequence[Medium]) -> Raw:
    """Return `picture_summary` of each picture, float32 (n, 24): colours, and texture at three sizes."""
    width = len(picture_summary(np.zeros((64, 64, 3), np.uint8)))
    return encoded(pictures, read_image, lambda batch: [picture_summary(x) for x in batch], (width,), "picture-summary")


def measured_sounds(sounds: Sequence[Medium]) -> Raw:
    """Return `sound_summary` of each sound, float32 (n, 259): timbre, spectrum and rhythm."""
    width = len(sound_summary(np.zeros(SAMPLE_RATE, np.int16), SAMPLE_RATE))

    def encode(batch: list[NDArray[Any]]) -> list[Floats]:
        return [sound_summary(x, SAMPLE_RATE) for x in batch]

    return encoded(sounds, load_sound, encode, (width,), "sound-summary")


def sound_frames(sounds: Sequence[Medium], n_frames: int, n_mfcc: int) -> Raw:
    """Return the MFCC of each sound in n_frames frames, evenly spaced over its length: float32 (n, n_frames, n_mfcc).

    The numbers, and the files they are kept in, are those of `arrays.sound_frames`, for sounds of any lengths.
    """

    def encode(batch: list[NDArray[Any]]) -> Floats:
        rows = []
        for x in batch:
            if 1 + len(x) // max(1, len(x) // n_frames) < n_frames:
                raise MediaError("the sound", f"of {len(x)} samples has no {n_frames} frames; leave it out.")
            hop = max(1, len(x) // n_frames)
            rows.append(mfcc(x, SAMPLE_RATE, n_mfcc, N_FFT, hop, 64).T[:n_frames].ravel())
        return np.stack(rows)  # (B, n_frames · n_mfcc)

    return encoded(sounds, load_sound, encode, (n_frames, n_mfcc), "mfcc-frames", f"1-{n_frames}-{n_mfcc}")


def small_pictures(pictures: Sequence[Medium], side: int) -> Raw:
    """Return each picture as side × side pixels, uint8 (n, side, side, 3): `resize_and_crop`. Not kept on disk."""
    found = np.zeros((len(pictures), side, side, 3), dtype=np.uint8)
    reasons: Reasons = {}
    for i, picture in enumerate(tqdm(pictures, desc="pictures", delay=2, disable=None, leave=False)):
        given, reason = _given(picture)
        if reason:
            reasons[i] = reason
            continue
        try:
            found[i] = resize_and_crop(read_image(given), side)
        except MediaError as error:
            reasons[i] = str(error) if isinstance(given, Path) else error.reason
    return Raw(found, reasons)


def load_sound(source: Input) -> NDArray[Any]:
    """Return samples (t,) at 16 kHz of a file, or an array of such samples as it is.

    Raises
    ------
    MediaError
        If it is no sound, has 0 samples or more than one channel, or holds NaN.
    """
    if not isinstance(source, np.ndarray):
        return read_audio(source, SAMPLE_RATE, max_seconds=MAX_SECONDS)
    if source.ndim != 1 or source.size == 0 or source.dtype.kind not in "iuf":
        raise MediaError("the sound", f"is an array of {source.dtype} of shape {source.shape}; give samples (t,).")
    if not (np.abs(to_float(source)) < LOUDEST).all():  # NaN is not below anything
        raise MediaError("the sound", "holds NaN, infinite or far too large samples; find out where they come from.")
    return source


def encoded(
    media: Sequence[Medium],
    load: Callable[[Any], Any] | None,
    encode: Callable[[list[Any]], ArrayLike],
    shape: tuple[int, ...],
    name: str,
    version: str = "1",
    batch_size: int = 32,
) -> Raw:
    """Return what `encode` makes of each medium, float32 (n, …), kept on disk; see `content.extract.extract`."""
    told = [_given(medium) for medium in media]
    reasons = {i: reason for i, (_, reason) in enumerate(told) if reason}
    return kept([given for given, _ in told], reasons, load, encode, shape, name, version, batch_size)


def kept(
    inputs: Sequence[Input],
    reasons: Reasons,
    load: Callable[[Any], Any] | None,
    encode: Callable[[list[Any]], ArrayLike],
    shape: tuple[int, ...],
    name: str,
    version: str = "1",
    batch_size: int = 32,
) -> Raw:
    """Do the work of `encoded` for inputs that `extract` takes, leaving out those that have a reason to."""
    found = np.zeros((len(inputs), *shape), dtype=np.float32)
    row = np.array([i for i in range(len(inputs)) if i not in reasons], dtype=np.int64)
    rest = [inputs[i] for i in row]
    workers = 2 if any(isinstance(given, Path) for given in rest) else 0  # threads that decode ahead
    features = extract(rest, load, encode, name=name, version=version, batch_size=batch_size, workers=workers)
    if len(features.kept):
        found[row[features.kept]] = features.vectors.reshape(-1, *shape)
    more = {
        int(row[i]): f"{rest[i]} {reason}" if isinstance(rest[i], Path) else str(reason)
        for i, reason in zip(features.faults.index, features.faults["reason"], strict=True)
    }
    return Raw(found, dict(sorted((reasons | more).items())))


def _there(n: int, reasons: Reasons) -> NDArray[np.bool_]:
    there = np.ones(n, dtype=np.bool_)
    there[list(reasons)] = False
    return there


def _given(medium: Medium) -> tuple[Input, str]:
    """Return the medium, a path as a Path, and ""; or nothing to speak of, and the reason."""
    if isinstance(medium, str):
        return Path(medium), ""
    if isinstance(medium, (Path, bytes, np.ndarray)):
        return medium, ""
    is_missing = medium is None or isinstance(medium, float)
    return "", "is missing." if is_missing else f"is of type {type(medium).__name__}, not a path, bytes or an array."
