"""From a file to what is known of it: the flowchart of page 3.3 as one function.

A film, a sound, a picture or a text goes in; labels, words and one vector for each sense come out. A sense
that has nothing to say is no error: `missing` tells why, and the others arrive. What was found is kept on
disk by the content of the file, so nothing is decoded, seen or heard twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avrec_lib.content.errors import MediaError
from avrec_lib.content.kept import keep, place_of, recall
from avrec_lib.content.understanding import SENSES, Understanding, retold, told

if TYPE_CHECKING:
    from avrec_lib.content.extract import Features
    from avrec_lib.content.image import Picture
    from avrec_lib.content.image_encoders import ImageEncoder
    from avrec_lib.content.sentences import MultilingualEncoder, SentenceEncoder

Floats = NDArray[np.float32]
TEXTS = (".txt", ".md", ".srt", ".vtt")  # a text has no signature in its bytes, so here alone the name decides
SILENT = 1e-3  # of full scale, −60 dB: what stays below is taken for silence
LONGEST = 600.0  # seconds that the sound's summary is made of; words are heard in all of it
VERSION = "1"  # of what is kept on disk: change it with any number that goes there


def understand(
    path: str | Path, title: str = "", *, n_frames: int = 8, n_labels: int = 3, multilingual: bool = False
) -> Understanding:
    """Find out what a film, a sound, a picture or a text is about, by every sense that it has.

    Parameters
    ----------
    path : path
    title : str
        Words that come with the file and are not in it: title, description, tags.
    n_frames : int
        Pictures of a film to look at, at even times, so that a long shot counts more than a short one.
    n_labels : int
        Labels for each picture.
    multilingual : bool
        Encode the text by `MultilingualEncoder` in place of `SentenceEncoder`, which reads English only; one
        for a whole catalogue, for the two spaces have nothing in common.

    Raises
    ------
    MediaError
        If the file is not there, is none of the four, or is damaged. A bad sound track costs a film its sound only.
    ValueError
        If n_frames or n_labels is below 1.
    """
    if n_frames < 1 or n_labels < 1:
        raise ValueError(f"n_frames and n_labels must be at least 1, not {n_frames} and {n_labels}.")
    path = Path(path)
    is_text = path.suffix.lower() in TEXTS
    place = place_of(path, f"understood-{VERSION}", f"{n_frames} {n_labels} {is_text}")
    if kept := recall(place):
        found = retold(path, *kept)
    else:
        found = _perceive(path, n_frames, n_labels)
        keep(place, told(found), found.vectors)
    text = "\n".join(part for part in (title.strip(), found.text, found.said) if part)
    if not text:
        return replace(found, missing={"text": "there is no title, and no words were found"} | found.missing)
    return replace(found, text=text, vectors={"text": _meaning(text, multilingual)} | found.vectors)


def understand_all(
    paths: Iterable[str | Path], titles: Mapping[Path, str] | None = None, *, multilingual: bool = False
) -> tuple[list[Understanding], Features]:
    """Understand many files; a bad one is reported and left out, the others arrive.

    Returns
    -------
    found : list of Understanding, those of the good files, in order
    features : Features
        `vectors` (n_kept, 3) tells by 1 and 0 which of `SENSES` each has, `kept` which of the paths they are, and
        `faults` lists the bad files with reasons.
    """
    from avrec_lib.content.extract import extract

    found: list[Understanding] = []

    def load(path: Path) -> Understanding:
        found.append(understand(path, (titles or {}).get(path, ""), multilingual=multilingual))
        return found[-1]

    def senses(batch: list[Understanding]) -> list[list[bool]]:
        return [[sense in one.vectors for sense in SENSES] for one in batch]

    # `understand` keeps what it finds, and a cache here would leave `found` empty
    return found, extract([Path(path) for path in paths], load, senses, name="flow", cache=False)


def _perceive(path: Path, n_frames: int, n_labels: int) -> Understanding:
    """Decode a file, whatever it is, and send each part down its branch."""
    from avrec_lib.content.audio import read_audio
    from avrec_lib.content.image import read_image
    from avrec_lib.content.video import read_video_info, sample_frames

    if path.suffix.lower() in TEXTS:
        return _read(path)
    if _is_picture(path):
        found = _look(Understanding(path, "picture", times=(0.0,)), [read_image(path)], n_labels)
        return replace(found, missing=dict.fromkeys(("sound", "words"), "a picture has no sound"))
    try:
        film = read_video_info(path)
    except MediaError as error:
        if "only sound" not in error.reason:
            raise MediaError(path, error.reason.replace("is no film,", "is no film, sound or picture,")) from error
        found = _listen(Understanding(path, "sound"), read_audio(path))
        return replace(found, missing={"picture": "a sound has no pictures"} | found.missing)
    frames = sample_frames(path, n_frames)
    found = Understanding(path, "film", seconds=film.seconds, times=tuple(frames.times.tolist()))
    found = _look(found, list(frames.pictures), n_labels)
    try:
        return replace(_listen(found, read_audio(path)), seconds=film.seconds)
    except MediaError as error:
        why = error.reason if film.has_sound else "the film has no sound track"
        return replace(found, missing=dict.fromkeys(("sound", "words"), why))


def _look(found: Understanding, pictures: list[Picture], n_labels: int) -> Understanding:
    from avrec_lib.content.summaries import picture_summary

    labels = _image_encoder().labels(pictures, n_labels)
    look = np.stack([picture_summary(picture) for picture in pictures]).mean(axis=0)  # (24,)
    return replace(found, labels=tuple(map(tuple, labels)), vectors={"picture": look.astype(np.float32)})


def _listen(found: Understanding, samples: Floats) -> Understanding:
    from avrec_lib.content.audio import SAMPLE_RATE
    from avrec_lib.content.speech import transcribe
    from avrec_lib.content.summaries import sound_summary

    found = replace(found, seconds=len(samples) / SAMPLE_RATE)
    if np.abs(samples).max() < SILENT:
        return replace(found, missing=dict.fromkeys(("sound", "words"), "it is silent throughout"))
    heard = transcribe(samples)
    sound = sound_summary(samples[: int(LONGEST * SAMPLE_RATE)], SAMPLE_RATE)  # (259,)
    return replace(
        found,
        said=heard.text,
        words=heard.words,
        vectors=found.vectors | {"sound": sound},
        missing={} if heard.text else {"words": "no speech was heard"},
    )


def _read(path: Path) -> Understanding:
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise MediaError(path, "is no text in UTF-8; save it as such, or give the file its proper name.") from error
    return Understanding(path, "text", text=text, missing=dict.fromkeys(("picture", "sound", "words"), "it is a text"))


def _is_picture(path: Path) -> bool:
    """Return whether the first bytes are those of a picture; whether it is a good one, `read_image` finds out."""
    from PIL import Image, UnidentifiedImageError

    from avrec_lib.content.image import FORMATS

    Image.init()
    try:
        Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]).close()
    except UnidentifiedImageError:
        return False
    except Exception:  # a damaged or a huge one is a picture all the same
        return True
    else:
        return True


def _meaning(text: str, multilingual: bool) -> Floats:
    from avrec_lib.content.extract import extract

    def encode(texts: list[str]) -> Floats:
        return _text_encoder(multilingual).encode(texts)

    vector: Floats = extract([text], None, encode, name="e5" if multilingual else "minilm").vectors[0]
    return vector  # (384,)


@lru_cache(maxsize=1)
def _image_encoder() -> ImageEncoder:
    from avrec_lib.content.image_encoders import ImageEncoder

    return ImageEncoder()


@lru_cache(maxsize=2)
def _text_encoder(multilingual: bool) -> SentenceEncoder | MultilingualEncoder:
    from avrec_lib.content.sentences import MultilingualEncoder, SentenceEncoder

    return MultilingualEncoder() if multilingual else SentenceEncoder()
