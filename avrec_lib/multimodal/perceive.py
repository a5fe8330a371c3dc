"""Which program reads which kind of text, picture and sound.

Page 7.2. See the table of `avrec_lib.multimodal.inputs`.
"""

from __future__ import annotations

from collections.abc import Sequence

from avrec_lib.multimodal import frozen, raw
from avrec_lib.multimodal.clip_inputs import SENSES
from avrec_lib.multimodal.raw import Medium, Raw, Text, Words
from avrec_lib.multimodal.settings import Settings


def perceive(
    settings: Settings, texts: Sequence[Text], pictures: Sequence[Medium], sounds: Sequence[Medium]
) -> dict[str, Raw | Words]:
    """Return what the settings read of each sense, in order, before anything learnt is applied.

    Raises
    ------
    ValueError
        If the lengths of the senses that are read differ, or texts is one str.
    """
    if isinstance(texts, str):
        raise ValueError("texts must be a list of texts, not one str; use [text].")
    media = dict(zip(SENSES, (texts, pictures, sounds), strict=True))
    lengths = {sense: len(media[sense]) for sense in settings.senses}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{n} of {sense}" for sense, n in lengths.items())
        raise ValueError(f"texts, pictures and sounds must be of the same clips, not {told}; None stands for a gap.")
    s = settings
    found: dict[str, Raw | Words] = {}
    if s.text in ("lsa", "words"):
        found["text"] = raw.text_words(texts)
    elif s.text == "minilm":
        found["text"] = frozen.minilm(texts)
    elif s.text == "minilm-tuned":
        found["text"] = frozen.minilm_ids(texts, s.tokens)
    if s.picture == "measured":
        found["picture"] = raw.measured_pictures(pictures)
    elif s.picture == "efficientnet":
        found["picture"] = frozen.efficientnet(pictures)
    elif s.picture in ("pixels", "efficientnet-tuned"):
        found["picture"] = raw.small_pictures(pictures, s.pixels)
    if s.sound == "measured":
        found["sound"] = raw.measured_sounds(sounds)
    elif s.sound == "frames":
        found["sound"] = raw.sound_frames(sounds, s.frames, s.coefficients)
    elif s.sound == "whisper":
        found["sound"] = frozen.whisper(sounds)
    elif s.sound == "whisper-tuned":
        found["sound"] = frozen.whisper_mel(sounds, s.frames)
    return found
