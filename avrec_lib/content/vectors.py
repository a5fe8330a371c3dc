"""Vectors of words, learnt from our own documents by word2vec.

Page 3.1.1. The skip-gram with negative sampling is written out for one pair of words in `sgns_loss` and
`sgns_gradient`; gensim's compiled code does the same for millions. Vectors that others learnt: `read_glove`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from tqdm import tqdm

from avrec_lib.content.glove import WordVectors, read_glove
from avrec_lib.content.text import token_lists

__all__ = ["WordVectors", "read_glove", "sgns_gradient", "sgns_loss", "train_word2vec"]

LONGEST = 10_000  # gensim silently drops what a document has beyond as many tokens


def train_word2vec(
    documents: Iterable[Sequence[str]],
    size: int = 64,
    window: int = 5,
    epochs: int = 20,
    seed: int = 0,
    *,
    negatives: int = 5,
    min_count: int = 2,
    subsample: float = 1e-3,
) -> WordVectors:
    """Learn vectors from which a word's neighbours in running text can be guessed (skip-gram, negative sampling).

    For each word and each of its neighbours, `sgns_loss` is lowered with `negatives` words drawn with
    probability ∝ count^0.75; the learning rate falls linearly from 0.025. Source: Mikolov et al.
    (2013, NIPS), sections 2.2 and 2.3; the code is gensim's. The same documents, arguments and seed give
    the same vectors in every process on one kind of machine: gensim runs in one thread here.

    Parameters
    ----------
    documents : lists of tokens
        A window never reaches over the end of a document.
    size : int
        Length d of a vector.
    window : int
        How many words away a neighbour may be; each time a random 1 … window is used, so near words
        count more.
    epochs : int
        Passes over the documents. A small corpus needs more than gensim's 5.
    seed : int
    negatives : int
        Words drawn for each pair.
    min_count : int
        Words that occur less often get no vector: once is too little to learn from.
    subsample : float
        Words more frequent than this share of all are skipped at random, the more frequent the more
        often; 0 keeps all, which a toy corpus needs.

    Returns
    -------
    WordVectors
        The most frequent word first; equally frequent ones by their characters.

    Raises
    ------
    ValueError
        If a document is a str instead of a list of tokens, no word occurs min_count times, or a
        number is out of range.
    """
    for name, number in {"size": size, "window": window, "epochs": epochs, "negatives": negatives}.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, not {number}.")
    if not subsample >= 0:
        raise ValueError(f"subsample must be 0 or more, not {subsample}.")
    corpus = [list(d[i : i + LONGEST]) for d in token_lists(documents) for i in range(0, len(d), LONGEST)]
    counts = Counter(token for document in corpus for token in document)
    frequent = sorted((t for t, n in counts.items() if n >= min_count), key=lambda t: (-counts[t], t))
    if not frequent:
        raise ValueError(f"no word occurs {min_count} times in the {len(corpus)} documents; lower min_count.")

    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    bar = tqdm(total=epochs, desc="word2vec", unit="epoch", delay=2, disable=None, leave=False)

    class Progress(CallbackAny2Vec):  # type: ignore[misc]  # gensim has no types
        def on_epoch_end(self, model: Word2Vec) -> None:
            bar.update()

    model = Word2Vec(
        vector_size=size,
        window=window,
        sg=1,
        hs=0,
        negative=negatives,
        sample=subsample,
        min_count=1,
        seed=seed,
        workers=1,
        sorted_vocab=0,  # gensim's sort leaves the order of equally frequent words to the machine
    )
    model.build_vocab_from_freq({token: counts[token] for token in frequent}, corpus_count=len(corpus))
    with bar:
        model.train(corpus, total_examples=len(corpus), epochs=epochs, callbacks=[Progress()])
    return WordVectors(tuple(map(str, model.wv.index_to_key)), np.array(model.wv.vectors, np.float32))


def sgns_loss(center: ArrayLike, context: ArrayLike, negatives: ArrayLike) -> float:
    """Return how badly a word's vector tells its true neighbour from drawn words.

    L = −log σ(v′_o · v_c) − Σ_i log σ(−v′_i · v_c),   σ(x) = 1 / (1 + e^−x)

    Source: Mikolov et al. (2013, NIPS), eq. 4, with the sign turned and the expectation replaced by
    the k words drawn. v are the vectors kept in the end ("input"), v′ a second set ("output").

    Parameters
    ----------
    center : float array, shape (d,)
        v_c of the word in the middle.
    context : float array, shape (d,)
        v′_o of the word seen near it.
    negatives : float array, shape (k, d)
        v′_i of the words drawn.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    v_c, u_o, U = _pair(center, context, negatives)
    return float(np.logaddexp(0, -(u_o @ v_c)) + np.logaddexp(0, U @ v_c).sum())  # −log σ(x) = log(1 + e^−x)


def sgns_gradient(
    center: ArrayLike, context: ArrayLike, negatives: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the gradients of `sgns_loss` for the three kinds of vectors.

    ∂L/∂v_c  = (σ(v′_o · v_c) − 1) v′_o + Σ_i σ(v′_i · v_c) v′_i
    ∂L/∂v′_o = (σ(v′_o · v_c) − 1) v_c
    ∂L/∂v′_i = σ(v′_i · v_c) v_c

    Each factor is a probability minus the truth (1 for the neighbour, 0 for a drawn word): the error
    of a logistic regression. All three are taken before any vector moves.

    Returns
    -------
    float64 arrays, shapes (d,), (d,), (k, d)
    """
    v_c, u_o, U = _pair(center, context, negatives)
    error_o = expit(u_o @ v_c) - 1
    errors = expit(U @ v_c)  # (k,)
    return error_o * u_o + errors @ U, error_o * v_c, np.outer(errors, v_c)


def _pair(
    center: ArrayLike, context: ArrayLike, negatives: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    v_c, u_o, U = (np.asarray(x, dtype=np.float64) for x in (center, context, negatives))
    if v_c.ndim != 1 or u_o.shape != v_c.shape or U.ndim != 2 or U.shape[1] != len(v_c):
        raise ValueError(f"needed are shapes (d,), (d,) and (k, d), not {v_c.shape}, {u_o.shape} and {U.shape}.")
    return v_c, u_o, U
