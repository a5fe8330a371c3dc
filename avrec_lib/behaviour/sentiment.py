"""Does a comment praise, blame, or neither? The contract of all classifiers, and those that count words.

Page 4.2.2. A list of words needs no labels; naive Bayes and a regression on TF-IDF learn from them. Those that
rest on models trained by others are in `sentiment_pretrained`. `split_by_text` and `evaluate_sentiment` compare
them fairly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from avrec_lib.behaviour.lexicon import judge
from avrec_lib.behaviour.sentiment_evaluation import (
    SENTIMENTS,
    as_sentiments,
    evaluate_sentiment,
    split_by_text,
    text_groups,
)
from avrec_lib.content.text import bag_of_words, clean, inverse_document_frequency, tf_idf, tokens, vocabulary

__all__ = [
    "SENTIMENTS",
    "LexiconSentiment",
    "NaiveBayesSentiment",
    "PerLanguageSentiment",
    "SentimentClassifier",
    "TfidfSentiment",
    "evaluate_sentiment",
    "regression",
    "split_by_text",
    "terms",
    "text_groups",
]

Texts = Sequence[str]


class SentimentClassifier:
    """The contract of all. `languages` are "en" or "zh", one a text; a model that needs none ignores them.

    Raises
    ------
    ValueError
        If lengths differ, a text is not a str, a language or label is unknown, a model that learns gets
        labels without one of −1, 0, 1, or it is asked before it has learnt.
    """

    needs_labels = True
    _fitted = False

    def fit(self, texts: Texts, labels: ArrayLike, languages: Sequence[str]) -> Self:
        """Learn from n texts with labels −1, 0, 1, and return itself."""
        y = as_sentiments(labels, "labels")
        _check(texts, languages, y)
        if self.needs_labels and len(set(y.tolist())) < 3:
            raise ValueError("each of -1, 0 and 1 must occur among the labels; add comments of the missing ones.")
        self._fit([clean(text) for text in texts], y)
        self._fitted = True
        return self

    def probabilities(self, texts: Texts, languages: Sequence[str]) -> NDArray[np.float32]:
        """Return P(−1), P(0), P(1) of each text, float32, shape (n, 3), rows sum to 1."""
        _check(texts, languages)
        if self.needs_labels and not self._fitted:
            raise ValueError("this classifier has learnt nothing yet; call fit first.")
        if not len(texts):
            return np.empty((0, 3), np.float32)
        scores = self._log_scores([clean(text) for text in texts])  # (n, 3)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        return cast("NDArray[np.float32]", (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))

    def predict(self, texts: Texts, languages: Sequence[str]) -> NDArray[np.int64]:
        """Return the likeliest of −1, 0, 1 for each text, int64, shape (n,)."""
        return cast("NDArray[np.int64]", SENTIMENTS[self.probabilities(texts, languages).argmax(axis=1)])

    def _fit(self, texts: list[str], y: NDArray[np.int64]) -> None:
        """Learn from clean texts; nothing by default."""

    def _log_scores(self, texts: list[str]) -> NDArray[np.float64]:
        """Return ln P(−1), ln P(0), ln P(1), up to a constant a row."""
        raise NotImplementedError


class LexiconSentiment(SentimentClassifier):
    """Tell by the words of `lexicon`; nothing is learnt.

    P(−1), P(0), P(1) ∝ exp(−s / T), exp(τ / T), exp(s / T)

    s is the score of `judge`: a text with |s| < τ is neutral. T only says how sure it is. Both above 0.
    """

    needs_labels = False

    def __init__(self, threshold: float = 0.15, temperature: float = 0.2) -> None:
        self.threshold, self.temperature = threshold, temperature

    def _log_scores(self, texts: list[str]) -> NDArray[np.float64]:
        s = np.array([judge(text).score for text in texts])  # (n,)
        return np.column_stack([-s, np.full(len(s), self.threshold), s]) / self.temperature


class NaiveBayesSentiment(SentimentClassifier):
    """Multinomial naive Bayes: each sentiment has its own frequencies of words, and words are taken for independent.

    P(c | text) ∝ π_c Π_t θ_ct^{n_t},  π_c = N_c / N,  θ_ct = (N_ct + α) / (Σ_t' N_ct' + α |V|)

    n_t is how often term t stands in the text, N_ct in all training texts of sentiment c, N_c the number
    of these. α > 0 keeps a word never seen with a sentiment from ruling it out. Terms that training did not
    have are left out. Words in a row are not independent, so the probabilities are too near to 0 and 1.
    Source: McCallum and Nigam (1998); equal to scikit-learn's MultinomialNB.

    Parameters
    ----------
    alpha : float
        α.
    longest : int
        Terms are runs of 1 … longest tokens: with 2, "not good" is a term.
    """

    def __init__(self, alpha: float = 1.0, longest: int = 2) -> None:
        if alpha <= 0 or longest < 1:
            raise ValueError(f"alpha must be above 0 and longest at least 1, not {alpha} and {longest}.")
        self.alpha, self.longest = alpha, longest

    def _fit(self, texts: list[str], y: NDArray[np.int64]) -> None:
        documents = terms(texts, self.longest)
        self.vocabulary = _vocabulary(documents)
        counts = bag_of_words(documents, self.vocabulary)  # (n, |V|)
        is_class = sp.csr_array((y[:, None] == SENTIMENTS).astype(np.float64))  # (n, 3)
        n_ct = (is_class.T @ counts).toarray() + self.alpha  # (3, |V|)
        self.log_theta = np.log(n_ct) - np.log(n_ct.sum(axis=1, keepdims=True))
        self.log_prior = np.log(is_class.sum(axis=0) / len(y))  # (3,)

    def _log_scores(self, texts: list[str]) -> NDArray[np.float64]:
        counts = bag_of_words(terms(texts, self.longest), self.vocabulary)
        return cast("NDArray[np.float64]", counts @ self.log_theta.T + self.log_prior)  # (n, 3)


class TfidfSentiment(SentimentClassifier):
    """Logistic regression on TF-IDF: terms are weighed together, so that they need not be independent.

    P(c | text) ∝ exp(b_c + w_c · v),  v = `tf_idf` of the text's terms, with the idf of the training texts

    b and w minimise −Σ ln P(label | text) + ‖w‖² / 2C, by scikit-learn.

    Parameters
    ----------
    C : float
        The larger, the freer the weights. Above 0.
    longest : int
        See `NaiveBayesSentiment`.
    """

    def __init__(self, C: float = 10.0, longest: int = 2) -> None:
        self.C, self.longest = C, longest

    def _fit(self, texts: list[str], y: NDArray[np.int64]) -> None:
        documents = terms(texts, self.longest)
        self.vocabulary = _vocabulary(documents)
        counts = bag_of_words(documents, self.vocabulary)  # (n, |V|)
        self.idf = inverse_document_frequency(counts)  # (|V|,)
        self._regression = regression(self.C).fit(tf_idf(counts, self.idf), y)

    def _log_scores(self, texts: list[str]) -> NDArray[np.float64]:
        counts = bag_of_words(terms(texts, self.longest), self.vocabulary)
        return cast("NDArray[np.float64]", self._regression.decision_function(tf_idf(counts, self.idf)))  # (n, 3)


class PerLanguageSentiment(SentimentClassifier):
    """One classifier for each language, each of which learns from the texts in its own only.

    Parameters
    ----------
    classifiers : mapping of "en", "zh" to classifiers
        They may be of different kinds. A text in a language without one raises ValueError.
    """

    def __init__(self, classifiers: Mapping[str, SentimentClassifier]) -> None:
        self.classifiers = dict(classifiers)

    def fit(self, texts: Texts, labels: ArrayLike, languages: Sequence[str]) -> Self:
        """Let each classifier learn from the texts in its language, and return itself."""
        y = as_sentiments(labels, "labels")
        _check(texts, languages, y)
        for language, rows in self._rows(languages).items():
            self.classifiers[language].fit([texts[i] for i in rows], y[rows], [language] * len(rows))
        return self

    def probabilities(self, texts: Texts, languages: Sequence[str]) -> NDArray[np.float32]:
        """Return P(−1), P(0), P(1) of each text, from its language's classifier."""
        _check(texts, languages)
        p = np.empty((len(texts), 3), np.float32)
        for language, rows in self._rows(languages).items():
            p[rows] = self.classifiers[language].probabilities([texts[i] for i in rows], [language] * len(rows))
        return p

    def _rows(self, languages: Sequence[str]) -> dict[str, list[int]]:
        if missing := set(languages) - set(self.classifiers):
            raise ValueError(f"there is no classifier for {min(missing)!r}; pass one, or leave such texts out.")
        return {known: [i for i, language in enumerate(languages) if language == known] for known in set(languages)}


def terms(texts: Texts, longest: int = 2) -> list[list[str]]:
    """Return each text's `tokens` and its runs of 2 … longest of them, joined by a space."""
    documents = [tokens(text) for text in texts]
    runs = range(1, longest + 1)
    return [[" ".join(d[i : i + n]) for n in runs for i in range(len(d) - n + 1)] for d in documents]


def regression(C: float) -> Any:  # noqa: ANN401  # scikit-learn has no types
    """Return scikit-learn's logistic regression, with steps enough to converge."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=C, max_iter=1000)


def _vocabulary(documents: list[list[str]]) -> dict[str, int]:
    if not any(documents):
        raise ValueError("no text has a word in it, so there is nothing to learn from; check the texts.")
    return vocabulary(documents)


def _check(texts: Texts, languages: Sequence[str], y: NDArray[np.int64] | None = None) -> None:
    if isinstance(texts, str) or len(texts) != len(languages) or not set(languages) <= {"en", "zh"}:
        raise ValueError('texts must be a list, with a language for each, "en" or "zh".')
    if y is not None and len(y) != len(texts):
        raise ValueError(f"there are {len(texts)} texts, but {len(y)} labels; pass one for each.")
