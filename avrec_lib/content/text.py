"""From a text to tokens, and from tokens to vectors of counts: cleaning, bag of words, TF-IDF.

Page 3.1.1. English and Chinese, and texts that mix both with numbers, hashtags and emoji.
"""

from __future__ import annotations

import logging
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
import regex
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from jieba import Tokenizer

Language = Literal["auto", "en", "zh"]

# Control characters but white space; soft hyphen, zero-width space, word joiner, byte-order mark, direction marks.
INVISIBLE = regex.compile(
    r"(?V1)[\p{Cc}--[\t-\r\x1c-\x1f\x85]]|[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if chr(code - 0xFEE0).isalnum()}
ONE_FORM = FULL_WIDTH | {ord("＃"): "#", ord("’"): "'", ord("＇"): "'"}
TOKEN = regex.compile(
    r"""(?V1)
    (?P<emoji>
        \p{Regional_Indicator}{2}                                          # a flag
      | [0-9\#*]\ufe0f?\u20e3                                              # a keycap
      | [\p{Extended_Pictographic}--[©®™]]                                # a picture
        [\p{Emoji_Modifier}\ufe0f\U000e0020-\U000e007f]*                   # with its skin tone or tags,
        (?:\u200d\p{Extended_Pictographic}[\p{Emoji_Modifier}\ufe0f]*)*    # and the pictures joined to it
    )
  | (?P<hashtag>
        \#(?=[\p{L}\p{M}\p{N}_]*\p{Han})[\p{L}\p{M}\p{N}_]+\#?             # #搞笑 or #搞笑#
      | \#(?=[\p{N}_]*\p{L})[\p{L}\p{M}\p{N}_]+                            # #cats; "#1" is a number
    )
  | (?P<chinese>\p{Han}+)
  | (?P<word>
        [[\p{L}\p{N}]--\p{Han}][[\p{L}\p{M}\p{N}]--\p{Han}]*               # cats, 4k, 2026
        (?:(?:'(?=\p{L})|(?<=\p{N})[.,:](?=\p{N}))                         # don't, 3.5, 10,000, 3:0
           [[\p{L}\p{M}\p{N}]--\p{Han}]+)*
    )""",
    regex.VERBOSE,
)


def clean(text: str) -> str:
    """Return the text on one line, in one Unicode form, without anything that cannot be stored or seen.

    Surrogates in pairs become the character they mean, and alone U+FFFD "�", so the result can be
    written as UTF-8. Control characters and invisible marks are dropped, runs of white space become one
    space, and NFC makes "e" + "´" the same as "é". Emoji and their joiners stay. Cleaning twice changes
    nothing more.

    Raises
    ------
    ValueError
        If it is not a str: NaN and None stand for missing texts in many tables, so make them "" first.
    """
    if not isinstance(text, str):
        raise ValueError(f"a text must be a str, not {text!r}; replace missing ones by ''.")
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return " ".join(unicodedata.normalize("NFC", INVISIBLE.sub("", whole)).split())


def tokens(text: str, language: Language = "auto") -> list[str]:
    """Cut a text into its words, numbers, hashtags and emoji, in lower case; other signs are dropped.

    English and other writing with spaces: a word keeps its apostrophes ("don't"), a number its points
    ("3.5", "10,000"), a hashtag its sign ("#cats"; "#搞笑#" is "#搞笑"), a hyphen separates. A run of Chinese
    characters goes to jieba, which cuts it by its dictionary and guesses the words it does not know;
    words of one character stay. Full-width letters and digits count as the usual ones; an emoji loses
    its variation selector, so that "❤" is one token in either form.

    Parameters
    ----------
    text : str
        Any text; `clean` is applied first.
    language : {"auto", "en", "zh"}
        "auto" and "zh" segment Chinese wherever it occurs, also within English. "en" does not: a run
        of Chinese characters stays one token, and jieba is not loaded. Another raises ValueError.

    Examples
    --------
    >>> tokens("Don't miss it: 4K #cats 😂")
    ["don't", 'miss', 'it', '4k', '#cats', '😂']
    >>> tokens("我喜欢电影 and tea")
    ['我', '喜欢', '电影', 'and', 'tea']
    """
    if language not in get_args(Language):
        raise ValueError(f"unknown language {language!r}; there are {', '.join(get_args(Language))}.")
    found: list[str] = []
    for match in TOKEN.finditer(clean(text).translate(ONE_FORM).lower()):
        token = match[0].replace("\ufe0f", "")
        if match.lastgroup == "chinese" and language != "en":
            found += _jieba().lcut(token)
        else:
            found.append("#" + token.strip("#") if match.lastgroup == "hashtag" else token)
    return found


def vocabulary(documents: Iterable[Sequence[str]], min_count: int = 1) -> dict[str, int]:
    """Give each token that occurs at least `min_count` times in all documents together its column.

    Columns follow the order of the characters' code points, so the order of the documents does not matter.

    Parameters
    ----------
    documents : lists of tokens
    min_count : int
        At least 1.

    Raises
    ------
    ValueError
        If a document is a str instead of a list of tokens, or min_count is below 1.
    """
    if min_count < 1:
        raise ValueError(f"min_count must be at least 1, not {min_count}.")
    counts = Counter(token for document in token_lists(documents) for token in document)
    return {token: column for column, token in enumerate(sorted(t for t, n in counts.items() if n >= min_count))}


def bag_of_words(documents: Iterable[Sequence[str]], vocabulary: Mapping[str, int]) -> sp.csr_array:
    """Count how often each token of the vocabulary occurs in each document; the order is forgotten.

    Parameters
    ----------
    documents : lists of tokens, n of them
        Tokens that the vocabulary lacks are left out; a document without any known token is a zero row.
    vocabulary : mapping of |V| tokens to the columns 0 … |V| − 1

    Returns
    -------
    int64 CSR, shape (n, |V|)

    Raises
    ------
    ValueError
        If a document is a str instead of a list of tokens, or the columns are not 0 … |V| − 1.
    """
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise ValueError("the vocabulary must map its tokens to the columns 0, 1, 2 …, each once.")
    columns = [[vocabulary[t] for t in document if t in vocabulary] for document in token_lists(documents)]
    # 32-bit indices: scikit-learn's linear models refuse a matrix with 64-bit ones
    rows = np.repeat(np.arange(len(columns), dtype=np.int32), [len(row) for row in columns])
    flat = np.array([column for row in columns for column in row], dtype=np.int32)  # (all known tokens,)
    counts = sp.csr_array((np.ones(len(flat), np.int64), (rows, flat)), shape=(len(columns), len(vocabulary)))
    counts.sort_indices()
    return counts


def inverse_document_frequency(counts: sp.sparray | sp.spmatrix | ArrayLike) -> NDArray[np.float64]:
    """Return how telling each token is: the rarer, the more.

    idf_t = ln((1 + n) / (1 + df_t)) + 1, where df_t of the n documents hold token t.

    The ones added inside the logarithm act as a document that holds every token, so nothing is
    divided by zero; the one outside keeps a token that is everywhere. Source: Spärck Jones (1972);
    the smoothing is scikit-learn's `smooth_idf`.

    Parameters
    ----------
    counts : sparse matrix or array, shape (n, |V|)

    Returns
    -------
    float64 array, shape (|V|,)
    """
    table = _checked_counts(counts)
    df = np.bincount(table.indices, minlength=table.shape[1])  # (|V|,)
    return cast(NDArray[np.float64], np.log((1 + table.shape[0]) / (1 + df)) + 1)


def tf_idf(counts: sp.sparray | sp.spmatrix | ArrayLike, idf: ArrayLike | None = None) -> sp.csr_array:
    """Weigh counts by how telling each token is, and bring each document to length 1.

    w_dt = tf_dt · idf_t,  v_d = w_d / ‖w_d‖₂

    tf_dt is the count itself, idf_t see `inverse_document_frequency`. A zero row stays zero. Equals
    scikit-learn's `TfidfTransformer` with its defaults (smooth_idf, norm="l2").
    Source: Salton and Buckley (1988).

    Parameters
    ----------
    counts : sparse matrix or array, shape (n, |V|)
        Not negative.
    idf : float array, shape (|V|,), optional
        The weights of other documents: those of the training set, for documents that are new.

    Returns
    -------
    float64 CSR, shape (n, |V|)

    Raises
    ------
    ValueError
        If a count is negative, NaN or infinite, or idf is, or has another length.
    """
    table = _checked_counts(counts)
    weights = inverse_document_frequency(table) if idf is None else np.asarray(idf, dtype=np.float64)
    if weights.shape != table.shape[1:] or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(
            f"idf has shape {weights.shape}; the counts need ({table.shape[1]},) finite numbers, none negative."
        )
    table.data *= weights[table.indices]
    row = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))  # the row of each stored number
    lengths = np.sqrt(np.bincount(row, table.data**2, minlength=table.shape[0]))  # (n,)
    table.data /= np.where(lengths > 0, lengths, 1)[row]  # an idf of 0 can empty a row
    return table


def token_lists(documents: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    """Yield the documents, refusing with a ValueError a str where a list of tokens belongs."""
    if isinstance(documents, str):
        raise ValueError("documents must be a list of lists of tokens, not one str; use [tokens(text)].")
    for i, document in enumerate(documents):
        if isinstance(document, str) or not all(isinstance(token, str) for token in document):
            raise ValueError(f"document {i} must be a list of tokens, not {document!r:.60}; use tokens(text).")
        yield document


def _checked_counts(counts: sp.sparray | sp.spmatrix | ArrayLike) -> sp.csr_array:
    """Copy the counts as float64 without stored zeros."""
    table = sp.csr_array(counts if sp.issparse(counts) else np.asarray(counts), dtype=np.float64, copy=True)
    if table.ndim != 2 or not np.isfinite(table.data).all() or (table.data < 0).any():
        raise ValueError("counts must be a table (n, |V|) of finite numbers that are not negative.")
    table.sum_duplicates()
    table.eliminate_zeros()
    return table


@lru_cache(maxsize=1)
def _jieba() -> Tokenizer:
    """Load jieba's dictionary once, into a tokenizer of our own: words that others add to theirs don't reach it."""
    with warnings.catch_warnings(action="ignore"):  # of pkg_resources, which it imports
        import jieba

    jieba.setLogLevel(logging.WARNING)  # else it announces its dictionary on the page
    return jieba.Tokenizer()
