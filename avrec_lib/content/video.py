"""A film: what it is, some of its pictures, where its shots begin, and its sound.

Page 3.1.4, 3.3. Decoding is FFmpeg's (through PyAV). The content of a file decides what it is, never its
name. Times are in seconds from the first picture. Pictures are turned upright, as a telephone asks for by
its display matrix; pixels are taken as square. A bad film is one `MediaError` that names it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from avrec_lib.content.audio import SAMPLE_RATE, read_audio
from avrec_lib.content.errors import MediaError
from avrec_lib.content.film_file import (
    announced,
    length,
    opened,
    pictures_of,
    refuse_cut_off,
    stored,
    timed,
    to_rgb,
    turn_of,
    words,
)

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

SEEK_FROM = 60.0  # seconds; shorter films are decoded once from begin to end, which needs no index
SMALL = (64, 36)  # pixels, for colour histograms


class FilmInfo(NamedTuple):
    """What a film is.

    seconds : of the pictures, by the file's header; NaN where it does not say.
    width, height : of the upright picture, in pixels.
    frames_per_second : the mean; NaN where unknown. Telephones change it as they film.
    rotation : by how many degrees the stored picture is turned to the left to stand upright (0, 90, 180, 270).
    codec : of the pictures, such as "h264".
    pixels : their format, such as "yuv420p" or, with ten bits, "yuv420p10le".
    has_sound : whether there is a sound track.
    """

    seconds: float
    width: int
    height: int
    frames_per_second: float
    rotation: int
    codec: str
    pixels: str
    has_sound: bool


class Frames(NamedTuple):
    """Pictures, uint8, shape (n, H, W, 3), and their times in seconds, float64, shape (n,)."""

    pictures: NDArray[np.uint8]
    times: NDArray[np.float64]


class Shot(NamedTuple):
    """What the camera took without a cut: from `start` to `end`, in seconds."""

    start: float
    end: float


def read_video_info(path: str | Path) -> FilmInfo:
    """Read what a film is, from its header and its first picture.

    Raises
    ------
    MediaError
        If the file is not there, empty, no film, or has no picture that can be decoded.
    """
    with opened(path) as (container, stream):
        first = next(pictures_of(container, stream, path))
        turn = turn_of(first)
        W, H = (first.height, first.width) if turn in (90, 270) else (first.width, first.height)
        rate = stream.average_rate
        return FilmInfo(
            seconds=announced(container, stream),
            width=W,
            height=H,
            frames_per_second=float(rate) if rate else math.nan,
            rotation=turn,
            codec=stream.codec_context.name,
            pixels=first.format.name,
            has_sound=bool(container.streams.audio),
        )


def has_sound(path: str | Path) -> bool:
    """Return whether a film has a sound track. Raises MediaError if it is no film; see `read_video_info`."""
    with opened(path) as (container, _):
        return bool(container.streams.audio)


def sound_track(path: str | Path, rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """Return the sound of a film, float32 mono at `rate` Hz; the MediaError of `read_audio` if it has none."""
    return read_audio(path, rate)


def sample_frames(path: str | Path, n: int = 8) -> Frames:
    """Return n pictures at even times: the middles of n equal parts of the film.

    t_i = (i + ½) · seconds / n, i = 0 … n − 1; the picture at t is the last that begins at or before t,
    so a film with a changing frame rate is sampled by time, not by number. A film with fewer than n
    pictures repeats some.

    Films up to a minute are decoded once; of longer ones, only from the key frame before each t.

    Parameters
    ----------
    path : path
    n : int
        At least 1.

    Returns
    -------
    Frames
        `times` are those at which the pictures begin, not t.

    Raises
    ------
    MediaError
        If the file is no film (see `read_video_info`), or is cut off or damaged before its end.
    ValueError
        If n is below 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}.")
    with opened(path) as (container, stream):
        seconds = announced(container, stream)
        if seconds > SEEK_FROM:
            return _by_seeking(container, stream, path, (np.arange(n) + 0.5) * seconds / n)
    if math.isnan(seconds):  # a recording that was never closed: look for its end first
        seconds = _end_of(path)
    return _in_one_pass(path, (np.arange(n) + 0.5) * seconds / n)


def key_frames(path: str | Path, most: int = 100) -> Frames:
    """Return the pictures that are stored whole (I-frames), which decode fast: nothing else is read.

    Encoders set one at most cuts and every few seconds besides, so they sum a film up cheaply but not
    evenly. Of more than `most`, that many at even distances are kept.

    Raises
    ------
    MediaError
        If the file is no film; see `read_video_info`.
    ValueError
        If most is below 1.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, not {most}.")
    with opened(path) as (container, stream):
        stream.codec_context.skip_frame = "NONKEY"
        times = [t for t, _ in timed(container, stream, path)]
    chosen = {round(i) for i in np.linspace(0, len(times) - 1, min(most, len(times)))}
    with opened(path) as (container, stream):
        stream.codec_context.skip_frame = "NONKEY"
        kept = [(t, to_rgb(f)) for i, (t, f) in enumerate(timed(container, stream, path)) if i in chosen]
    return _frames(kept, path)


def shots(path: str | Path, threshold: float = 0.12, shortest: float = 0.2) -> list[Shot]:
    """Return the shots of a film: it is cut where the colours of two pictures in a row differ by more than a threshold.

    A cut before frame t where d_t > threshold; d_t as in `colour_distances`. Hard cuts are found; a slow
    fade or dissolve is spread over so many pictures that no d_t is large. Of cuts nearer to each other
    than `shortest` only the first counts (a flash would make two).

    Parameters
    ----------
    path : path
    threshold : float
        Between 0 and 1. In bikes.mp4, 25 pictures a second, the five cuts have 0.16 to 0.58, and all that moves
        stays below 0.06.
    shortest : float
        Seconds.

    Returns
    -------
    list of Shot, at least one; together they are the film

    Raises
    ------
    MediaError
        If the file is no film, or is cut off or damaged before its end.
    ValueError
        If threshold is not between 0 and 1.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must lie between 0 and 1, not be {threshold}.")
    times, distances, end = _distances(path)
    starts = [0.0]
    for t, d in zip(times, distances, strict=True):
        if d > threshold and t - starts[-1] >= shortest:
            starts.append(float(t))
    return [Shot(start, stop) for start, stop in zip(starts, [*starts[1:], end], strict=True)]


def colour_distances(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how much the colours of each picture of a film differ from those of the one before.

    d_t = (1/3) Σ_c ½ Σ_b |h_t[c, b] − h_{t−1}[c, b]|, 0 for equal colours, 1 for none in common,
    h_t[c, b] the share of channel c (red, green, blue) near level b; see `soft_histogram`.

    Returns
    -------
    times : float64 array, shape (n,), in seconds
    distances : float64 array, shape (n,); the first is 0

    Raises
    ------
    MediaError
        As `shots`.
    """
    times, distances, _ = _distances(path)
    return times, distances


def soft_histogram(image: NDArray[np.uint8], bins: int = 8) -> NDArray[np.float64]:
    """Return the share of pixels near each of `bins` levels, for red, green and blue.

    h[c, b] = mean over pixels of max(0, 1 − |v_c − level_b| / step), step = 255 / (bins − 1), level_b = b · step:
    a value between two levels counts for both, in proportion. So a picture that grows brighter by a
    little changes h by a little, where bins with hard edges may flip all at once.

    Parameters
    ----------
    image : uint8 array, shape (H, W, 3)
    bins : int
        At least 2.

    Returns
    -------
    float64 array, shape (3, bins); each row sums to 1
    """
    step = 255 / (bins - 1)
    weights = np.maximum(0, 1 - np.abs(np.arange(256)[:, None] - step * np.arange(bins)) / step)  # (256, bins)
    values = image.reshape(-1, 3).astype(np.int64) + 256 * np.arange(3)  # (HW, 3)
    counts = np.bincount(values.ravel(), minlength=768).reshape(3, 256)  # (3, 256)
    return np.asarray(counts @ weights / len(values))  # (3, bins)


def _distances(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    times, distances, end = [], [], 0.0
    before: NDArray[np.float64] | None = None
    with opened(path) as (container, stream):
        for t, frame in timed(container, stream, path):
            small = frame.reformat(*SMALL, format="rgb24", interpolation="AREA")
            h = soft_histogram(stored(small))
            distances.append(0.0 if before is None else float(np.abs(h - before).sum() / 6))
            times.append(t)
            before, end = h, t + length(frame, stream)
        refuse_cut_off(end, container, stream, path)
    return np.array(times), np.array(distances), end


def _in_one_pass(path: str | Path, wanted: NDArray[np.float64]) -> Frames:
    """Decode from begin to end and keep the picture shown at each of the times."""
    kept: list[tuple[float, NDArray[np.uint8]]] = []
    shown: tuple[float, VideoFrame] | None = None
    end = 0.0

    def keep_until(t: float) -> None:
        due = sum(w < t for w in wanted) - len(kept)
        if shown is not None and due > 0:
            kept.extend([(shown[0], to_rgb(shown[1]))] * due)

    with opened(path) as (container, stream):
        for t, frame in timed(container, stream, path):
            keep_until(t)
            shown, end = (t, frame), t + length(frame, stream)
        keep_until(math.inf)
        refuse_cut_off(end, container, stream, path)
    return _frames(kept, path)


def _by_seeking(
    container: InputContainer, stream: VideoStream, path: str | Path, wanted: NDArray[np.float64]
) -> Frames:
    """Jump to the key frame before each of the times and decode from there."""
    base = stream.time_base
    assert base is not None
    origin = next(pictures_of(container, stream, path)).time or 0.0
    kept = []
    for w in wanted:
        shown: tuple[float, VideoFrame] | None = None
        try:
            container.seek(int((w + origin) / base), stream=stream)
        except av.FFmpegError as error:
            raise MediaError(path, f"cannot be searched at {w:.1f} s ({words(error)}); convert it to MP4.") from error
        for frame in pictures_of(container, stream, path, since=float(w)):
            t = (frame.time or 0.0) - origin
            if shown is None or t <= w:
                shown = (t, frame)
            if t > w:
                break
        else:  # there is none after w
            assert shown is not None  # pictures_of gives one at least
            refuse_cut_off(shown[0] + length(shown[1], stream), container, stream, path)
        kept.append((shown[0], to_rgb(shown[1])))
    return _frames(kept, path)


def _end_of(path: str | Path) -> float:
    with opened(path) as (container, stream):
        return max(t + length(frame, stream) for t, frame in timed(container, stream, path))


def _frames(kept: Sequence[tuple[float, NDArray[np.uint8]]], path: str | Path) -> Frames:
    if len({picture.shape for _, picture in kept}) > 1:
        raise MediaError(path, "changes the size of its pictures midway; convert it to one size.")
    return Frames(np.stack([picture for _, picture in kept]), np.array([t for t, _ in kept]))  # (n, H, W, 3), (n,)
