"""What the article's model reads of every clip, as three arrays: token ids, pictures, MFCC frames.

Page 5.3. Row i is clip i, so a batch is three look-ups; 2,000 clips take 10 MB. The MFCC are computed once
and kept on disk by the sound's content. Whatever is learnt here (the vocabulary, the scale of the MFCC) is
learnt from the clips that are known when the model is trained, and from no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from avrec_lib.content.extract import extract
from avrec_lib.content.spectra import mfcc
from avrec_lib.content.text import tokens
from avrec_lib.data.clips import RATE, Clips
from avrec_lib.multimodal.config import PADDING, UNKNOWN, ArticleConfig

N_FFT = 1024  # samples of a window, 64 ms


@dataclass(frozen=True, eq=False)
class ClipArrays:
    """The inputs of n clips, and the vocabulary of their words.

    Attributes
    ----------
    words : int64 array, shape (n, L)
    pictures : uint8 array, shape (n, S, S, 3)
    frames : float32 array, shape (n, F, C)
    vocabulary : dict from a word to its id, from 2 on
    """

    words: NDArray[np.int64]
    pictures: NDArray[np.uint8]
    frames: NDArray[np.float32]
    vocabulary: dict[str, int]

    def of(self, items: ArrayLike) -> tuple[Tensor, Tensor, Tensor]:
        """Return words, pictures and frames of these clips, in this order, as tensors.

        Raises
        ------
        ValueError
            If there is no such clip.
        """
        i, n = np.asarray(items, dtype=np.int64), len(self.words)
        if i.size and (i.min() < 0 or i.max() >= n):
            raise ValueError(f"clips are numbered 0..{n - 1}; there is no {i.min()} or no {i.max()}.")
        parts = (self.words, self.pictures, self.frames)
        return tuple(torch.from_numpy(part[i]) for part in parts)  # type: ignore[return-value]


def clip_arrays(clips: Clips, known: ArrayLike, config: ArticleConfig | None = None) -> ClipArrays:
    """Turn all clips into the inputs of the article's model.

    Words are those of the English title, and then of the tags. Pictures are the covers,
    shrunk by the mean of blocks. A frame of MFCC is standardised, each coefficient by its mean and spread over
    the known clips.

    Parameters
    ----------
    clips : Clips
    known : bool array, shape (n,)
        The clips that vocabulary and scale may be learnt from.
    config : ArticleConfig, optional

    Raises
    ------
    ValueError
        If `known` is no bool array of one entry a clip or holds no True, or the covers cannot be shrunk to
        `config.picture` in whole blocks.
    """
    c = ArticleConfig() if config is None else config
    is_known = np.asarray(known)
    if is_known.shape != (len(clips.items),) or is_known.dtype != np.bool_ or not is_known.any():
        raise ValueError(f"known must be a bool array of shape ({len(clips.items)},) with a True in it.")
    columns = zip(clips.items["title_en"], clips.items["tags_en"], strict=True)
    texts = [tokens(f"{title} {' '.join(tags)}", "en") for title, tags in columns]
    vocabulary = learn_vocabulary((text for text, seen in zip(texts, is_known, strict=True) if seen), c.vocabulary)
    frames = sound_frames(clips.sounds(), c.frames, c.coefficients)  # (n, F, C)
    centre = frames[is_known].mean(axis=(0, 1))  # (C,)
    spread = np.maximum(frames[is_known].std(axis=(0, 1)), 1e-6)
    return ClipArrays(
        token_ids(texts, vocabulary, c.tokens),
        shrink(clips.covers(), c.picture),
        (frames - centre) / spread,
        vocabulary,
    )


def learn_vocabulary(texts: Iterable[Sequence[str]], size: int) -> dict[str, int]:
    """Give the size − 2 most frequent words the ids 2, 3, …; equally frequent ones in the order of the alphabet."""
    counts = Counter(word for text in texts for word in text)
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return {word: number for number, word in enumerate(ordered[: size - 2], start=UNKNOWN + 1)}


def token_ids(texts: Sequence[Sequence[str]], vocabulary: dict[str, int], length: int) -> NDArray[np.int64]:
    """Return the ids of texts, shape (n, length): cut, or padded with 0 at the end; unknown words are 1."""
    ids = np.full((len(texts), length), PADDING, dtype=np.int64)
    for row, text in zip(ids, texts, strict=True):
        known = [vocabulary.get(word, UNKNOWN) for word in text[:length]]
        row[: len(known)] = known
    return ids


def shrink(pictures: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Shrink square pictures (n, S, S, 3) to (n, side, side, 3): each pixel is the rounded mean of a block.

    Raises
    ------
    ValueError
        If S is no multiple of side.
    """
    n, S = pictures.shape[:2]
    if S % side:
        raise ValueError(f"pictures of {S} pixels cannot be shrunk to {side} in whole blocks; choose a divisor of {S}.")
    block = S // side
    sums = pictures.reshape(n, side, block, side, block, 3).sum(axis=(2, 4), dtype=np.uint32)  # (n, side, side, 3)
    means: NDArray[np.uint8] = ((sums + block**2 // 2) // block**2).astype(np.uint8)
    return means


def sound_frames(sounds: NDArray[np.int16], n_frames: int, n_mfcc: int) -> NDArray[np.float32]:
    """Return the MFCC of sounds (n, samples) in n_frames frames, evenly spaced: float32, (n, n_frames, n_mfcc).

    Frame 0 is centred at the beginning of the sound, and what would come after the last one is cut. Kept on disk.

    Raises
    ------
    ValueError
        If a sound has fewer samples than frames.
    """
    hop = max(1, sounds.shape[1] // n_frames)
    if 1 + sounds.shape[1] // hop < n_frames:
        raise ValueError(f"sounds of {sounds.shape[1]} samples have no {n_frames} frames; choose fewer frames.")

    def encode(batch: list[NDArray[np.int16]]) -> NDArray[np.float32]:
        each = [mfcc(x, RATE, n_mfcc, N_FFT, hop, 64).T for x in batch]  # (frames, n_mfcc)
        return np.stack([one[:n_frames].ravel() for one in each])  # (B, n_frames · n_mfcc)

    kept = extract(sounds, None, encode, name="mfcc-frames", version=f"1-{n_frames}-{n_mfcc}", on_error="raise")
    return kept.vectors.reshape(len(sounds), n_frames, n_mfcc)
