"""A table of words and their vectors: look up, compare, average, and read from a file in GloVe's format.

Page 3.1.1. `vectors` learns such a table.
"""

from __future__ import annotations

import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from avrec_lib.content.errors import MediaError


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and their vectors.

    Parameters
    ----------
    words : tuple of str, n of them
    vectors : float32 array, shape (n, d)
    """

    words: tuple[str, ...]
    vectors: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.words) != len(self.vectors):
            raise ValueError(f"{len(self.words)} words need as many vectors, not an array of {self.vectors.shape}.")

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word; that of its first occurrence if it occurs twice."""
        return {word: row for row, word in reversed(list(enumerate(self.words)))}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        """Return the vector of a word, shape (d,). Raises KeyError for a word without one."""
        if word not in self.index:
            raise KeyError(f"there is no vector for {word!r}; try `word in vectors` first, or its lower case.")
        return cast(NDArray[np.float32], self.vectors[self.index[word]])

    def nearest(self, word: str | ArrayLike, k: int = 10) -> list[tuple[str, float]]:
        """Return the k words whose vectors point most nearly the same way, with their cosines.

        Parameters
        ----------
        word : str, or float array of shape (d,)
            A word, which is left out of its own neighbours; or any vector, such as king − man + woman.
        k : int
            At least 1; fewer come back when there are fewer.

        Raises
        ------
        KeyError
            If the word has no vector.
        ValueError
            If k is below 1, or the vector's shape is not (d,).
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}.")
        wanted = self[word] if isinstance(word, str) else np.asarray(word, dtype=np.float32)
        if wanted.shape != self.vectors.shape[1:]:
            raise ValueError(f"the vector has shape {wanted.shape}; these have ({self.vectors.shape[1]},).")
        cosines = _unit(self.vectors) @ _unit(wanted[None])[0]  # (n,)
        order = np.argsort(-cosines, kind="stable")  # equal cosines: the earlier word first
        itself = self.index[word] if isinstance(word, str) else -1
        return [(self.words[row], float(cosines[row])) for row in order[: k + 1] if row != itself][:k]

    def mean(self, tokens: Iterable[str]) -> NDArray[np.float32]:
        """Return the mean vector of a document's words, shape (d,): its simplest embedding.

        Words without a vector are skipped. If no word has one, the result is all zeros.
        """
        if isinstance(tokens, str):
            raise ValueError("tokens must be a list of words, not a str; use tokens(text).")
        rows = [self.index[token] for token in tokens if token in self.index]
        if not rows:
            return np.zeros(self.vectors.shape[1], np.float32)
        return np.asarray(self.vectors[rows].mean(axis=0), np.float32)  # (known words, d) -> (d,)


def read_glove(path: str | Path, limit: int | None = None) -> WordVectors:
    """Read vectors of words from a text file of GloVe, or of word2vec, which has a line "n d" on top.

    One word a line, then its d numbers, separated by single spaces, in UTF-8. The first line, or the
    one on top, settles d. A word may hold spaces ("at name@domain.com" is one in GloVe 840B) as long as
    what follows its first space is no number. Of a word that occurs twice the first vector counts.

    Parameters
    ----------
    path : path
        Unpacked: not .gz or .zip.
    limit : int, optional
        Read the first so many words: in these files, the most frequent.

    Raises
    ------
    MediaError
        If the file is missing, empty or cut off, or a line is not UTF-8, has another number of
        columns, or something else than finite numbers; the line is named.
    ValueError
        If limit is below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}.")
    path, numbers = Path(path), array.array("f")
    words: list[str] = []
    promised, d = None, 0
    for i, fields in _lines(path):
        if i == 1 and len(fields) == 2 and all(field.isascii() and field.isdigit() for field in fields):
            promised, d = int(fields[0]), int(fields[1])
            continue
        if not words and not d:
            d = next((j for j, field in enumerate(fields[:0:-1]) if not _is_number(field)), len(fields) - 1)
        if d < 1 or len(fields) <= d or any(map(_is_number, fields[1:-d])):
            raise MediaError(path, f"has {len(fields)} columns in line {i} instead of a word and {d} numbers.")
        try:
            row = array.array("f", map(float, fields[-d:]))
        except (ValueError, OverflowError):
            row = array.array("f", [np.nan])
        if not np.isfinite(row).all():
            raise MediaError(path, f"has something else than {d} finite numbers after the word in line {i}.")
        words.append(" ".join(fields[:-d]))
        numbers.extend(row)
        if len(words) == limit:
            break
    if not words or (promised is not None and limit is None and len(words) != promised):
        raise MediaError(
            path, f"has {len(words)} vectors{'' if promised is None else f', not {promised}'}; get the file again."
        )
    return WordVectors(tuple(words), np.frombuffer(numbers, np.float32).reshape(len(words), d))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line that is not blank, and its fields; only a line feed and a space separate."""
    try:
        with path.open("rb") as file:
            for i, raw in enumerate(tqdm(file, desc=path.name, unit=" lines", delay=2, disable=None, leave=False), 1):
                try:
                    line = raw.decode("utf-8").rstrip("\r\n ")
                except UnicodeDecodeError as error:
                    raise MediaError(path, f"is no UTF-8 text in line {i}; unpack it, or convert it.") from error
                if line := line.removeprefix("\ufeff" if i == 1 else ""):
                    yield i, line.split(" ")
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror or error}).") from error


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _unit(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring each row to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(X, axis=1, keepdims=True)  # (n, 1)
    return np.asarray(X / np.where(lengths > 0, lengths, 1), np.float32)
