"""What the full model reads of every clip: one array a sense, made once, kept in a folder, and read from disk.

Page 7.2. A clip is read in two steps. Here its text, cover and sound become numbers of one shape for all clips, which
a batch looks up by row; `readers` turns them into vectors inside the model, where training reaches. A `Reading`
holds what was learnt from the clips that were known (vocabulary, centres, spreads), so that a clip of
tomorrow is read exactly as those of today.

    sense    kind                array                      is
    text     lsa                 float32 (n, d)             what it is about, by counting words, centred
             words               int64 (n, L)               ids, 0 padding, 1 a word nobody knew
             minilm              float32 (n, 384)           MiniLM's vector, centred
             minilm-tuned        int64 (n, L)               ids for MiniLM inside the model, 0 padding
    picture  measured            float32 (n, 24)            colours and texture, standardised
             pixels              uint8 (n, S, S, 3)
             efficientnet        float32 (n, 1280)          EfficientNet's vector, centred
             efficientnet-tuned  uint8 (n, S, S, 3)         for EfficientNet inside the model
    sound    measured            float32 (n, 259)           timbre, spectrum and rhythm, standardised
             frames              float32 (n, F, C)          MFCC, standardised
             whisper             float32 (n, 384)           mean of Whisper's encoder, centred
             whisper-tuned       float32 (n, F, 80)         F frames of 10 ms for Whisper's encoder inside the model
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data.clips import Clips
from avrec_lib.data.microlens import MicroLens
from avrec_lib.multimodal.arrays import learn_vocabulary, token_ids
from avrec_lib.multimodal.clip_inputs import SENSES, ClipInputs, read_json, write_json
from avrec_lib.multimodal.lsa import Lsa
from avrec_lib.multimodal.perceive import perceive
from avrec_lib.multimodal.raw import Medium, Raw, Text, Words
from avrec_lib.multimodal.scale import Scale
from avrec_lib.multimodal.settings import Settings

__all__ = ["SENSES", "ClipInputs", "Reading", "read_clips", "read_microlens"]

FROZEN = ("lsa", "minilm", "efficientnet", "whisper")  # vectors that were learnt elsewhere, or before
SCALED = (*FROZEN, "measured", "frames")
FORMAT = "avrec reading 1"


@dataclass(frozen=True, eq=False)
class Reading:
    """How clips are read: the settings, and what was learnt from the known ones.

    Attributes
    ----------
    settings : Settings
    vocabulary : dict from a word to its id, from 2 on; empty unless text="words"
    lsa : Lsa, for text="lsa"
    scales : {sense: Scale}, of the senses that are standardised or centred
    """

    settings: Settings
    vocabulary: dict[str, int]
    lsa: Lsa | None
    scales: dict[str, Scale]

    @classmethod
    def learn(
        cls,
        texts: Sequence[Text],
        pictures: Sequence[Medium],
        sounds: Sequence[Medium],
        known: ArrayLike,
        settings: Settings | None = None,
    ) -> Reading:
        """Learn from the known clips of n; for the parameters see `read`.

        Parameters
        ----------
        known : bool array, shape (n,)
            The clips that anything may be learnt from.

        Raises
        ------
        ValueError
            If the lengths differ, or `known` is no bool array of one entry a clip or holds no True.
        """
        return _learnt(texts, pictures, sounds, known, Settings() if settings is None else settings)[1]

    def read(self, texts: Sequence[Text], pictures: Sequence[Medium], sounds: Sequence[Medium]) -> ClipInputs:
        """Read n clips, known or new; a clip read before gives the same numbers.

        Whatever is missing or cannot be read is no error: `there` is False, its row holds zeros, and `faults`
        tells the reason.

        Parameters
        ----------
        texts : n of str or None
        pictures : n of a path, the bytes of a file, an array that `read_image` takes, or None
        sounds : n of a path (a film has a sound too), the bytes of a file, samples (t,) at 16 kHz, or None

        Raises
        ------
        ValueError
            If the lengths of the senses that are read differ.
        """
        return self._finished(perceive(self.settings, texts, pictures, sounds))

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        scales = {sense: scale.to_dict() for sense, scale in self.scales.items()}
        words = sorted(self.vocabulary, key=self.vocabulary.__getitem__)
        lsa = None if self.lsa is None else self.lsa.to_dict()
        return {"format": FORMAT, "settings": self.settings.to_dict(), "words": words, "lsa": lsa, "scales": scales}

    def save(self, path: str | Path) -> None:
        """Write a JSON file, in one step."""
        write_json(Path(path), self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Reading:
        """Read what `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is another file, or damaged.
        """
        told = read_json(Path(path), FORMAT, "Save the reading again.")
        try:
            scales = {sense: Scale.of(scale) for sense, scale in told["scales"].items()}
            words = {str(word): number for number, word in enumerate(told["words"], start=2)}
            lsa = None if told["lsa"] is None else Lsa.of(told["lsa"])
            return cls(Settings().but(**told["settings"]), words, lsa, scales)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} holds no whole reading ({error}). Save the reading again.") from error

    def _finished(self, perceived: dict[str, Raw | Words]) -> ClipInputs:
        """Turn what was perceived into arrays, by what was learnt."""
        arrays: dict[str, NDArray[Any]] = {}
        there, rows = [], []
        for number, (sense, found) in enumerate(perceived.items()):
            if isinstance(found, Words) and self.lsa is not None:
                found = _lsa_vectors(self.lsa, found)
            if isinstance(found, Words):
                arrays[sense] = token_ids(found.tokens, self.vocabulary, self.settings.tokens)
            elif sense in self.scales:
                arrays[sense] = self.scales[sense].apply(found.values)
                arrays[sense][~found.there] = 0
            else:
                arrays[sense] = found.values
            there.append(found.there)
            rows += [(i, number, sense, reason) for i, reason in found.reasons.items()]
        faults = [(i, sense, reason) for i, _, sense, reason in sorted(rows)]
        return ClipInputs(arrays, np.stack(there, axis=1), pd.DataFrame(faults, columns=["item", "sense", "reason"]))


def read_clips(clips: Clips, known: ArrayLike, settings: Settings | None = None) -> tuple[ClipInputs, Reading]:
    """Read the book's clips: title, tags and description, cover, and sound; learn from the known ones.

    LSA reads the Chinese texts too; the others, which know no Chinese or have room for few words, the English ones.

    Raises
    ------
    ValueError
        If `known` is no bool array of one entry a clip or holds no True.
    """
    s = Settings() if settings is None else settings
    nothing: list[None] = [None] * len(clips.items)  # what is not read is not drawn or played either
    pictures = nothing if s.picture == "none" else list(clips.covers())
    sounds = nothing if s.sound == "none" else list(clips.sounds())
    texts = clip_texts(clips.items, ("en", "zh") if s.text == "lsa" else ("en",))
    return _learnt(texts, pictures, sounds, known, s)


def read_microlens(data: MicroLens, known: ArrayLike, settings: Settings | None = None) -> tuple[ClipInputs, Reading]:
    """Read the items of a MicroLens folder: title, cover, and the sound file or else the film's own track.

    Raises
    ------
    ValueError
        If `known` is no bool array of one entry an item or holds no True.
    """
    ids = data.items["item_id"].tolist()
    pictures = [data.cover(i) for i in ids]
    sounds = [data.audio(i) or data.video(i) for i in ids]
    return _learnt(data.items["title"].tolist(), pictures, sounds, known, Settings() if settings is None else settings)


def clip_texts(items: pd.DataFrame, languages: Sequence[str] = ("en",)) -> list[str]:
    """Return each clip's title, tags and description, the shortest first, in the one language and then in the next."""
    parts = [items[f"{part}_{language}"] for language in languages for part in ("title", "tags", "description")]
    return [" ".join(x if isinstance(x, str) else " ".join(x) for x in row) for row in zip(*parts, strict=True)]


def _learnt(
    texts: Sequence[Text],
    pictures: Sequence[Medium],
    sounds: Sequence[Medium],
    known: ArrayLike,
    settings: Settings,
) -> tuple[ClipInputs, Reading]:
    """Perceive once, learn from the known clips, and finish all."""
    is_known = np.asarray(known)
    perceived = perceive(settings, texts, pictures, sounds)
    n = len(next(iter(perceived.values())).there)
    if is_known.shape != (n,) or is_known.dtype != np.bool_ or not is_known.any():
        raise ValueError(f"known must be a bool array of shape ({n},) with a True in it.")
    vocabulary: dict[str, int] = {}
    lsa, scales = None, {}
    for sense, found in perceived.items():
        if isinstance(found, Words):
            seen = [words for words, is_seen in zip(found.tokens, is_known & found.there, strict=True) if is_seen]
            if settings.text == "words":
                vocabulary = learn_vocabulary(seen, max(settings.vocabulary, 2))
                continue
            lsa = Lsa.learn(seen, settings.directions, settings.seed)
            found = _lsa_vectors(lsa, found)
        if (kind := getattr(settings, sense)) in SCALED:
            is_frozen = kind in FROZEN
            scales[sense] = Scale.learn(found.values[is_known & found.there], is_frozen)
    reading = Reading(settings, vocabulary, lsa, scales)
    return reading._finished(perceived), reading


def _lsa_vectors(lsa: Lsa, found: Words) -> Raw:
    """Return a vector a text; a text of unknown words only says nothing, as one that is missing."""
    values = lsa.apply(found.tokens)  # (n, d)
    unknown = dict.fromkeys(np.flatnonzero(~values.any(axis=1)).tolist(), "has no word that was known.")
    return Raw(values, unknown | found.reasons)
