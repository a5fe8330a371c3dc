"""Sentiment from models that others trained: a regression on sentence vectors, and a language model that is asked.

Page 4.2.2. The contract is that of `sentiment`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from avrec_lib.behaviour.sentiment import SentimentClassifier, regression
from avrec_lib.content.language import MAX_TEXT, NO_CONTENT, Model

QUESTION = "Comment: {text}\nSentiment:"
ANSWERS = (" negative", " neutral", " positive")  # in the order of SENTIMENTS


class Encoder(Protocol):
    """Makes a vector of a text; see `SentenceEncoder`."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector a text, shape (n, d)."""


class VectorSentiment(SentimentClassifier):
    """Logistic regression on sentence vectors, which bring what other texts taught about the words.

    P(c | text) ∝ exp(b_c + w_c · (v − v̄) / σ),  v = encoder's vector, v̄ and σ of the training vectors

    Centring matters: vectors of one encoder point much the same way (E5's have cosines above 0.7). With a
    multilingual encoder it can learn in one language and be asked in another.

    Parameters
    ----------
    encoder : SentenceEncoder, MultilingualEncoder
        Or anything with their `encode`.
    C : float
        See `TfidfSentiment`; less here, for all d numbers of a vector are at work in every text.
    """

    def __init__(self, encoder: Encoder, C: float = 0.01) -> None:
        self.encoder, self.C = encoder, C

    def _fit(self, texts: list[str], y: NDArray[np.int64]) -> None:
        v = self.encoder.encode(texts).astype(np.float64)  # (n, d)
        self.mean, spread = v.mean(axis=0), v.std(axis=0)
        self.spread = np.where(spread > 0, spread, 1)
        self._regression = regression(self.C).fit((v - self.mean) / self.spread, y)

    def _log_scores(self, texts: list[str]) -> NDArray[np.float64]:
        v = self.encoder.encode(texts).astype(np.float64)  # (n, d)
        return cast("NDArray[np.float64]", self._regression.decision_function((v - self.mean) / self.spread))


class LikelihoodSentiment(SentimentClassifier):
    """Ask a language model which answer is likelier after the comment; no label is used.

    P(c | text) ∝ exp(ℓ(answer_c | text) − b_c),  b_c = mean of ℓ(answer_c | "N/A"), ℓ(answer_c | "..."), …

    ℓ is the log-likelihood of " negative", " neutral", " positive" after the comment and "Sentiment:". b
    takes off what the model says anyway (Zhao et al. 2021, Calibrate before use). Of a comment the first 600
    characters are read.

    Parameters
    ----------
    model : LanguageModel
        Or anything with its `log_likelihood`.
    calibrate : bool
        False leaves b 0.
    """

    needs_labels = False

    def __init__(self, model: Model, *, calibrate: bool = True) -> None:
        self.model, self.calibrate = model, calibrate

    def _log_scores(self, texts: list[str]) -> NDArray[np.float64]:
        distinct = sorted(set(texts))
        row = {text: i for i, text in enumerate(distinct)}
        b = self._likelihoods(NO_CONTENT).mean(axis=0) if self.calibrate else 0.0  # (3,)
        return self._likelihoods(distinct)[[row[text] for text in texts]] - b  # (n, 3)

    def _likelihoods(self, texts: Sequence[str]) -> NDArray[np.float64]:
        prompts = [QUESTION.format(text=text[:MAX_TEXT]) for text in texts]
        # one text at a time: the model reads what its three prompts share only once
        return np.array([self.model.log_likelihood([prompt] * 3, ANSWERS) for prompt in prompts])  # (n, 3)
