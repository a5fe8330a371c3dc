"""What is known of a file: labels, words, a vector for each sense, and why a sense is missing. Page 3.3."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from avrec_lib.content.speech import Word

Floats = NDArray[np.float32]
Kind = Literal["film", "sound", "picture", "text"]
SENSES = ("text", "picture", "sound")


@dataclass(frozen=True, eq=False)
class Understanding:
    """What is known of one file.

    Attributes
    ----------
    path, kind : Path, {"film", "sound", "picture", "text"}
        The kind is told by the content, that of a text by its name.
    seconds : float
        NaN for pictures and texts.
    times : tuple of float
        When the pictures that were looked at begin, in seconds; (0.0,) for a picture.
    labels : tuple, for each of these pictures the likeliest (name, probability) of ImageNet's 1,000 classes
    said, words : str, tuple of Word
        What was heard, as one text, and word by word with times.
    text : str
        All words there are, one line each: the title, the text file's own, what was said.
    vectors : dict from sense to float32 vector
        "text" (384,): the text's meaning. "picture" (24,): the mean of the pictures' `picture_summary`.
        "sound" (259,): `sound_summary`. A sense that is missing has none.
    missing : dict from branch ("text", "picture", "sound", "words") to the reason why it is empty
    """

    path: Path
    kind: Kind
    seconds: float = math.nan
    times: tuple[float, ...] = ()
    labels: tuple[tuple[tuple[str, float], ...], ...] = ()
    said: str = ""
    words: tuple[Word, ...] = ()
    text: str = ""
    vectors: dict[str, Floats] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def sense_blocks(found: Sequence[Understanding]) -> dict[str, Floats]:
    """Return the vectors of n files as a table (n, d) for each sense that any has, NaN where a file lacks it.

    This is what `avrec_lib.content.blocks.join` puts side by side.
    """
    tables = {}
    for sense in SENSES:
        if widths := [len(one.vectors[sense]) for one in found if sense in one.vectors]:
            nothing = np.full(widths[0], np.nan, np.float32)
            tables[sense] = np.stack([one.vectors.get(sense, nothing) for one in found])  # (n, d)
    return tables


def told(found: Understanding) -> dict[str, object]:
    """Return all but the path and the vectors, for `avrec_lib.content.kept.keep`."""
    names = ("kind", "seconds", "times", "labels", "said", "words", "text", "missing")
    return {name: getattr(found, name) for name in names}


def retold(path: Path, told: Mapping[str, Any], vectors: Mapping[str, Floats]) -> Understanding:
    """Return the understanding of which these were `told`: the lists that JSON knows become tuples again."""
    from avrec_lib.content.speech import Word

    whole = dict(told)
    whole["times"] = tuple(told["times"])
    whole["labels"] = tuple(tuple((name, p) for name, p in row) for row in told["labels"])
    whole["words"] = tuple(Word(*word) for word in told["words"])
    return Understanding(path, **whole, vectors=dict(vectors))
