"""Latent semantic analysis: what each text is about, in a few numbers, learnt by counting words.

Page 7.2. Two texts on one topic may share no word. The directions in which many texts differ at once gather words that
occur together, so such texts get alike numbers. Nothing but texts is needed to learn them, and a second learns
thousands: the least that any larger encoder must beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
RARE, COMMON = 3, 0.02  # words in fewer texts, or in a larger share of them, are left out


@dataclass(frozen=True, eq=False)
class Lsa:
    """z = V^⊤ x / |V^⊤ x|,   x_w = (1 + ln n_w) idf_w for the words w of a text, n_w how often it has them.

    Source: Deerwester et al. (1990), here with TF-IDF in the place of counts.

    Attributes
    ----------
    idf : {word: its inverse document frequency}
        In the order of the rows of V.
    V : float32 array, shape (n_words, d)
        The first right singular vectors of the known texts' table.
    """

    idf: dict[str, float]
    V: Floats

    @classmethod
    def learn(cls, texts: Sequence[Sequence[str]], d: int, seed: int = 0) -> Lsa:
        """Learn words and directions from the tokens of known texts; fewer directions if the texts have fewer.

        Raises
        ------
        ValueError
            If no word is in `RARE` texts or more.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        most = max(RARE, round(COMMON * len(texts)))
        counter = TfidfVectorizer(analyzer=list, min_df=RARE, max_df=most, sublinear_tf=True)
        try:
            table = counter.fit_transform(texts)  # (n, n_words)
        except ValueError as error:
            raise ValueError(
                f"no word is in {RARE} to {most} of the {len(texts)} known texts; read text as words, or as none."
            ) from error
        words = counter.get_feature_names_out().tolist()
        n_directions = min(d, len(words) - 1, len(texts) - 1)
        if n_directions < 1:
            raise ValueError("the known texts have too few words for a direction; read text as words, or as none.")
        svd = TruncatedSVD(n_directions, algorithm="randomized", n_iter=7, random_state=seed)
        with np.errstate(divide="ignore", invalid="ignore"):  # it divides by a variance, and equal texts have none
            svd.fit(table)
        return cls(dict(zip(words, counter.idf_.tolist(), strict=True)), svd.components_.T.astype(np.float32))

    def apply(self, texts: Sequence[Sequence[str]]) -> Floats:
        """Return z, float32, shape (n, d): rows of length 1, or of zeros for a text without a known word."""
        from scipy.sparse import csr_array

        number = {word: row for row, word in enumerate(self.idf)}
        idf = np.array(list(self.idf.values()))
        rows, columns, values = [], [], []
        for row, text in enumerate(texts):
            found, counts = np.unique([number[w] for w in text if w in number], return_counts=True)
            rows += [row] * len(found)
            columns += found.tolist()
            values += ((1 + np.log(counts)) * idf[found.astype(np.int64)]).tolist()
        x = csr_array((values, (rows, columns)), shape=(len(texts), len(number)), dtype=np.float64)
        z = x @ self.V.astype(np.float64)  # (n, d)
        length = np.linalg.norm(z, axis=1, keepdims=True)
        unit: Floats = np.divide(z, length, out=np.zeros_like(z), where=length > 0).astype(np.float32)
        return unit

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; a float32 comes back from it as the same number."""
        return {"idf": self.idf, "V": self.V.tolist()}

    @classmethod
    def of(cls, told: dict[str, Any]) -> Lsa:
        """Return what `to_dict` told."""
        idf, V = {str(w): float(x) for w, x in told["idf"].items()}, np.array(told["V"], dtype=np.float32)
        if V.ndim != 2 or len(V) != len(idf) or not np.isfinite(V).all():
            raise ValueError("the directions of LSA need a row of numbers for each word")
        return cls(idf, V)
