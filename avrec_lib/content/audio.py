"""Any sound file in, samples out: one rate, one scale, float32.

Page 3.1.3. WAV, FLAC, OGG and MP3 are decoded by libsndfile (through soundfile), all else (AAC in
M4A and MP4, AVI, MKV, WMA, …) by FFmpeg (through PyAV), which also finds the sound track of a film.
The content of a file decides which, never its name. A bad file is one `MediaError` that names it.
"""

from __future__ import annotations

import io
import math
import mmap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import ArrayLike, NDArray

from avrec_lib.content.errors import MediaError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer

File = io.BytesIO | mmap.mmap
SAMPLE_RATE = 16_000  # Hz; enough for speech, whose sounds end near 8 kHz
MAX_SECONDS = 3_600.0  # an hour of stereo at 44.1 kHz is 1.3 GB of float32


class Sound(NamedTuple):
    """What a file holds: float32 samples (n, channels), nominally in [−1, 1], and their rate in Hz."""

    samples: NDArray[np.float32]
    rate: int


def read_audio(
    source: str | Path | bytes, rate: int = SAMPLE_RATE, mono: bool = True, *, max_seconds: float = MAX_SECONDS
) -> NDArray[np.float32]:
    """Read a sound, or the sound track of a film, as float32 samples at one rate.

    x[t] = (1 / C) Σ_c x_c[t], the mean of the C channels (2 of stereo, 6 of 5.1), taken after the
    conversion to float32, for a sum of two int16 samples can overflow; then soxr's high-quality
    resampler, which removes what lies above half the new rate before it drops samples.

    Parameters
    ----------
    source : path or bytes
        A file of any name, or its content.
    rate : int
        The wanted sampling rate in Hz, whatever the file's own (8,000, 11,025, 44,100, …).
    mono : bool
        False keeps the channels.
    max_seconds : float
        Longer sounds are refused before they fill the memory.

    Returns
    -------
    float32 array, shape (samples,), or (samples, channels) if not mono
        Integers become fractions of full scale (see `to_float`); samples of float files stay as they
        are, even beyond ±1. Silence is a sound like any other: zeros.

    Raises
    ------
    MediaError
        If the file is not there, empty, no sound, cut off in its header, has 0 samples or no sound
        track, no decoder knows its codec, it is longer than max_seconds, or holds NaN. A file cut off
        further behind gives the samples there are, with a warning where the decoder notices.
    ValueError
        If rate is not a positive whole number.
    """
    if rate != int(rate) or rate < 1:
        raise ValueError(f"rate must be a positive whole number of Hz, not {rate!r}.")
    samples, own_rate = decode(source, max_seconds=max_seconds)
    if mono:
        samples = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]  # (n,)
    return resample(samples, own_rate, int(rate))


def decode(source: str | Path | bytes, *, max_seconds: float = MAX_SECONDS) -> Sound:
    """Read a sound with its own channels and rate. For the parameters and errors see `read_audio`."""
    name = "bytes in memory" if isinstance(source, bytes) else str(source)
    with _content(source, name) as file:
        try:
            samples, rate = _through_soundfile(file, name, max_seconds)
        except soundfile.LibsndfileError as fault:
            file.seek(0)
            samples, rate = _through_pyav(file, name, max_seconds, fault.error_string)
    if len(samples) == 0:
        raise MediaError(name, "is a sound of 0 samples; record or export it again, or leave it out.")
    if not np.isfinite(samples).all():
        raise MediaError(name, "holds samples that are NaN or infinite; export it again as 16-bit PCM.")
    return Sound(samples, rate)


def to_float(x: ArrayLike) -> NDArray[np.float32]:
    """Turn integer samples into fractions of full scale: int16 x / 2¹⁵, int32 x / 2³¹, uint8 (x − 128) / 128.

    Signed integers go to [−1, 1), so −32,768 becomes −1 and 32,767 becomes 0.99997. Eight-bit WAV is
    unsigned, with silence at 128. Floats pass through. Any shape; returns float32.
    """
    samples = np.asarray(x)
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    if samples.dtype.kind not in "iu":
        raise ValueError(f"samples must be integers or floats, not {samples.dtype}.")
    full = 2.0 ** (8 * samples.dtype.itemsize - 1)
    shift = full if samples.dtype.kind == "u" else 0.0
    return ((samples.astype(np.float64) - shift) / full).astype(np.float32)


def resample(x: NDArray[np.float32], rate: int, new_rate: int) -> NDArray[np.float32]:
    """Change the rate of (n,) or (n, channels) samples; ⌈n · new_rate / rate⌉ come back, at least one."""
    if rate == new_rate or len(x) == 0:
        return x
    n = math.ceil(len(x) * new_rate / rate)
    y = np.asarray(soxr.resample(x, rate, new_rate), dtype=np.float32)[:n]
    padding = [(0, n - len(y))] + [(0, 0)] * (x.ndim - 1)  # soxr rounds the length down at times
    return np.pad(y, padding)


@contextmanager
def _content(source: str | Path | bytes, name: str) -> Iterator[File]:
    """Open bytes or a path as a file object without a name, so that no decoder can believe the extension."""
    if isinstance(source, bytes):
        if not source:
            raise MediaError(name, "are 0 bytes; no sound at all.")
        yield io.BytesIO(source)
        return
    path = Path(source)
    try:
        with path.open("rb") as opened:
            if path.stat().st_size == 0:
                raise MediaError(name, "has 0 bytes; copy or download it again.")
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                yield content
    except FileNotFoundError as error:
        raise MediaError(name, "is not there; check the path.") from error
    except (IsADirectoryError, PermissionError) as error:
        raise MediaError(name, "is a folder, or a file you may not read; give the path of a readable file.") from error


def _through_soundfile(file: File, name: str, max_seconds: float) -> Sound:
    with soundfile.SoundFile(file) as sound:
        parts: list[NDArray[np.float32]] = []
        n = 0
        while len(part := sound.read(2**18, dtype="float32", always_2d=True)):  # the header's length is not believed
            parts.append(part)
            n += len(part)
            _refuse_longer(n / sound.samplerate, max_seconds, name)
        if n < sound.frames:
            _warn_of_early_end(name, f"after {n:,} of {sound.frames:,} samples")
        return Sound(np.concatenate(parts) if parts else np.empty((0, 1), np.float32), sound.samplerate)


def _through_pyav(file: File, name: str, max_seconds: float, before: str) -> Sound:
    try:
        import av
    except ImportError as error:
        raise MediaError(
            name, f"{_looks_like(file)} needs the decoders of FFmpeg, which are missing here: pip install av."
        ) from error
    try:
        container = av.open(file, mode="r")
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(
            name,
            f"{_looks_like(file)} has no decoder here: libsndfile says {before.rstrip('.')!r}, FFmpeg "
            f"{_words(error)!r}. Is it a whole sound file? Convert or download it again.",
        ) from error
    with container:
        if not container.streams.audio:
            raise MediaError(name, "has no sound track; use a file with sound, or leave the sound out.")
        return _decode_frames(container, name, max_seconds)


def _decode_frames(container: InputContainer, name: str, max_seconds: float) -> Sound:
    import av

    parts: list[NDArray[np.float32]] = []
    rate, n = 0, 0
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise MediaError(
            name, "has sound in a codec that FFmpeg has no decoder for; convert it to WAV or AAC elsewhere."
        )
    try:
        for frame in container.decode(stream):
            part = _samples(frame)
            if parts and (frame.sample_rate != rate or part.shape[1] != parts[0].shape[1]):
                raise MediaError(name, "changes its rate or its number of channels midway; convert it to WAV.")
            parts.append(part)
            rate, n = frame.sample_rate, n + len(part)  # the frame's rate: a header may give half of HE-AAC's
            _refuse_longer(n / rate, max_seconds, name)
    except av.FFmpegError as error:
        if not parts:
            raise MediaError(
                name, f"has a sound track that FFmpeg cannot decode ({_words(error)}); convert or download it again."
            ) from error
        _warn_of_early_end(name, f"after {n:,} samples ({_words(error)})")
    return Sound(np.concatenate(parts) if parts else np.empty((0, 1), np.float32), rate or 1)


def _samples(frame: AudioFrame) -> NDArray[np.float32]:
    """Return a frame as float32, shape (n, channels); FFmpeg keeps channels in planes or interleaved."""
    x = to_float(frame.to_ndarray())  # (channels, n) planar, (1, n · channels) interleaved
    return x.T if frame.format.is_planar else x.reshape(-1, frame.layout.nb_channels)  # (n, channels)


def _refuse_longer(seconds: float, max_seconds: float, name: str) -> None:
    if seconds > max_seconds:
        raise MediaError(name, f"is longer than {max_seconds:,g} s; cut it, or pass a larger max_seconds.")


def _warn_of_early_end(name: str, where: str) -> None:
    warnings.warn(f"{name} ends early, {where}; what was there is used.", stacklevel=2)


def _looks_like(file: File) -> str:
    """Say what the first bytes look like, as the begin of a sentence's predicate."""
    file.seek(0)
    head = file.read(12)
    signs = {b"RIFF": "a WAV or AVI file", b"fLaC": "a FLAC file", b"OggS": "an OGG file", b"ID3": "an MP3 file"}
    kinds = [kind for sign, kind in signs.items() if head.startswith(sign)]
    kinds += ["an MP4 or M4A file, where FFmpeg looks for AAC"] if head[4:8] == b"ftyp" else []
    return f"({kinds[0] if kinds else 'no kind of sound file known here'})"


def _words(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
