"""Sounds to hear and pictures to see inside a page: no file beside it, no network, the same bytes every time."""

from __future__ import annotations

import base64
import html
import io
import wave
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec_lib.show import present

MAX_SECONDS = 30.0  # a second at 16 kHz adds 43 kB to the page
FULL_SCALE = 32767


def hear(sounds: Mapping[str, ArrayLike], rate: int) -> None:
    """Display one player for each sound, with its label.

    Parameters
    ----------
    sounds : mapping from label to samples, shape (n,)
        Floats in [-1, 1] (what lies outside is cut off) or int16. The label says what is heard to
        somebody who can't hear it.
    rate : int
        Samples a second.

    Raises
    ------
    ValueError
        If a label is empty, or a sound is empty, has several channels, or lasts longer than 30 s.
    """
    players = [_player(label, samples, rate) for label, samples in sounds.items()]
    words = "; ".join(f"[sound: {label}]" for label in sounds)
    present({"text/html": f'<div class="avrec-sounds">\n{"".join(players)}</div>', "text/plain": words})


def see(
    pictures: Iterable[NDArray[np.uint8]], alts: Sequence[str], captions: Sequence[str] = (), height: int = 96
) -> None:
    """Display pictures in a row that wraps.

    Parameters
    ----------
    pictures : sequence of uint8 arrays, each of shape (H, W, 3)
    alts : sequence of str
        For each picture, what it shows to somebody who can't see it.
    captions : sequence of str, optional
        Text below each picture.
    height : int
        In pixels of the page; small pictures are enlarged without smoothing.

    Raises
    ------
    ValueError
        If there are not as many alts (or captions) as pictures, one is empty, or a shape or dtype is another.
    """
    images = [np.asarray(picture) for picture in pictures]
    texts = list(captions) or [""] * len(images)
    if not len(images) == len(alts) == len(texts):
        raise ValueError(f"{len(images)} pictures need as many alts and captions, not {len(alts)} and {len(texts)}.")
    figures = [_picture(*each, height) for each in zip(images, alts, texts, strict=True)]
    words = "; ".join(f"[picture: {alt}]" for alt in alts)
    style = "display: flex; flex-wrap: wrap; gap: 0.75em; margin: 1em 0"
    present(
        {"text/html": f'<div class="avrec-pictures" style="{style}">\n{"".join(figures)}</div>', "text/plain": words}
    )


def wav_bytes(samples: ArrayLike, rate: int) -> bytes:
    """Return a mono 16-bit WAV file of samples in [-1, 1], or of int16 samples as they are."""
    x = np.asarray(samples)
    if x.ndim != 1 or not x.size:
        raise ValueError(f"a sound needs samples of shape (n,) with n > 0, not {x.shape}.")
    if x.size / rate > MAX_SECONDS:
        raise ValueError(f"a sound of {x.size / rate:.0f} s would make the page heavy; cut it to {MAX_SECONDS:.0f} s.")
    pcm: NDArray[np.int16] = x if x.dtype == np.int16 else np.rint(np.clip(x, -1, 1) * FULL_SCALE).astype(np.int16)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(int(rate))
        file.writeframes(pcm.astype("<i2").tobytes())
    return buffer.getvalue()


def _player(label: str, samples: ArrayLike, rate: int) -> str:
    text = html.escape(_said(label))
    source = base64.b64encode(wav_bytes(samples, rate)).decode("ascii")
    return (
        f'<figure style="margin: 0.5em 0"><figcaption>{text}</figcaption>'
        f'<audio controls preload="none" aria-label="{text}" src="data:audio/wav;base64,{source}"></audio></figure>\n'
    )


def _picture(image: NDArray[np.generic], alt: str, caption: str, height: int) -> str:
    from PIL import Image

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"a picture is a uint8 array of shape (H, W, 3), not {image.dtype} of shape {image.shape}.")
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    source = base64.b64encode(buffer.getvalue()).decode("ascii")
    sharp = "; image-rendering: pixelated" if image.shape[0] < height else ""
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure style="margin: 0"><img alt="{html.escape(_said(alt))}" src="data:image/png;base64,{source}" '
        f'style="height: {height}px; border: 1px solid rgb(128 128 128 / 50%){sharp}">{below}</figure>\n'
    )


def _said(text: str) -> str:
    words = " ".join(str(text).split())
    if not words:
        raise ValueError("a sound or picture needs words that say what it is to somebody who can't hear or see it.")
    return words
