"""Open a film, and give its pictures one by one, each with its time: what every reader of films begins with.

The content of a file decides what it is, never its name. A bad film is one `MediaError` that names it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from avrec_lib.content.errors import MediaError
from avrec_lib.content.image import MAX_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

PLAYLISTS = (b"#EXTM3U", b"ffconcat")  # files that make FFmpeg open other files
SHARE = 0.9  # a film that ends before this share of the length it announces is cut off. So, wrongly, is one that
# shows its last picture for longer than the rest, in a format that does not tell for how long (MP4 does)


@contextmanager
def opened(path: str | Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a film and find its pictures; the file has no name for FFmpeg, which can so not believe it."""
    place = Path(path)
    if not place.exists():
        raise MediaError(path, "is not there; check the path.")
    if not place.is_file():
        raise MediaError(path, "is a folder, not a film; give the path of a file.")
    if place.stat().st_size == 0:
        raise MediaError(path, "has 0 bytes; copy or download it again.")
    try:
        file = place.open("rb")
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror}); check its permissions.") from error
    with file:
        if file.read(8).startswith(PLAYLISTS):
            raise MediaError(path, "is a list of films, not a film; give the path of one of them.")
        file.seek(0)
        try:
            container = av.open(file, mode="r")
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                path, f"is no film, or is cut off ({words(error)}); copy, convert or download it again."
            ) from error
        with container:
            streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
            if not streams:  # the cover of a song is a picture, but none that moves
                raise MediaError(path, "has no pictures, only sound or text; read it with read_audio.")
            stream = streams[0]
            if stream.codec_context is None:
                raise MediaError(path, "has pictures in a codec that has no decoder here; convert it to H.264.")
            if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
                raise MediaError(path, f"has pictures of more than {MAX_PIXELS:,} pixels; make it smaller.")
            stream.thread_type = "AUTO"
            yield container, stream


def pictures_of(
    container: InputContainer, stream: VideoStream, path: str | Path, since: float = 0.0
) -> Iterator[VideoFrame]:
    """Yield all pictures from here on, in the order in which they are shown; at least one, or a MediaError."""
    n = 0
    try:
        for frame in container.decode(stream):
            n += 1
            yield frame
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(
            path, f"is cut off or damaged after {n} pictures ({words(error)}); copy or download it again."
        ) from error
    if n == 0 and since > 0:
        raise MediaError(path, f"is cut off before {since:.1f} s; copy or download it again.")
    if n == 0:
        raise MediaError(path, "has 0 pictures; export it again, or leave it out.")


def timed(container: InputContainer, stream: VideoStream, path: str | Path) -> Iterator[tuple[float, VideoFrame]]:
    """Yield all pictures with their times from the first; one without a time comes one frame after the last."""
    origin, last = None, 0.0
    for frame in pictures_of(container, stream, path):
        if origin is None:
            origin = frame.time or 0.0
            t = 0.0
        else:
            t = last + length(frame, stream) if frame.time is None else frame.time - origin
        last = t
        yield t, frame


def length(frame: VideoFrame, stream: VideoStream) -> float:
    """Return how long a picture is shown, in seconds, as far as is known."""
    if frame.duration and frame.time_base:
        return float(frame.duration * frame.time_base)
    return float(1 / stream.average_rate) if stream.average_rate else 0.04


def announced(container: InputContainer, stream: VideoStream) -> float:
    """Return how long the pictures last by the file's header, in seconds, or NaN."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and not container.streams.audio:
        return container.duration / av.time_base
    return math.nan


def refuse_cut_off(end: float, container: InputContainer, stream: VideoStream, path: str | Path) -> None:
    """Raise a MediaError if a film's pictures end, in seconds, well before its header says."""
    seconds = announced(container, stream)
    if end < SHARE * seconds:
        raise MediaError(path, f"is cut off after {end:.1f} of {seconds:.1f} s; copy or download it again.")


def turn_of(frame: VideoFrame) -> int:
    """Return by how many quarter turns, in degrees to the left, a picture is to be turned to stand upright."""
    return round(frame.rotation / 90) * 90 % 360


def to_rgb(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return a picture as upright uint8 red, green, blue, whatever it is stored as (YUV, 10 bits, …)."""
    upright = np.rot90(stored(frame.reformat(format="rgb24")), turn_of(frame) // 90)
    return np.ascontiguousarray(upright)  # (H, W, 3)


def stored(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return the numbers of a frame in the format rgb24, as they are stored, shape (H, W, 3)."""
    return frame.to_ndarray().astype(np.uint8, copy=False)  # (H, W, 3) of a frame in rgb24


def words(error: Exception) -> str:
    """Return what an error of FFmpeg says, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
