"""Names for segments: proposed by anybody, a language model for one, and accepted only if the clicks bear them out.

Page 4.2.3. "Garden lovers" is a claim: these viewers click on clips about gardens more than other viewers do.
A claim can be counted. It must be counted on clicks that had no part in finding the segment: a method that
puts viewers with like clicks together makes groups that differ in these clicks, of noise too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from avrec_lib.behaviour.taste_profiles import surprises

Floats = NDArray[np.float64]
# words of a name that claim nothing: what is left must be countable
FILLERS = frozenset(
    re.findall(
        r"\w+",
        "a an and the of for in on with who like likes love loves lover lovers fan fans enthusiast enthusiasts "
        "viewer viewers people person group club community video videos clip clips content",
    )
)


class Writer(Protocol):
    """What is asked of a language model, such as `avrec_lib.content.language_model.LanguageModel`."""

    def log_likelihood(
        self, prompts: Sequence[str], continuations: Sequence[str], *, per_token: bool = False
    ) -> NDArray[np.float64]:
        """Return how likely each continuation is after its prompt."""


class WordClicks(NamedTuple):
    """What m viewers did with clips of each of W words.

    Attributes
    ----------
    words : tuple of str
    shown : float64 array, shape (m, W)
        Impressions of clips with the word.
    beyond : float64 array, shape (m, W)
        Their clicks beyond what the position and the viewer's own readiness to click explain.
    """

    words: tuple[str, ...]
    shown: Floats
    beyond: Floats


def count_words(
    users: ArrayLike, items: ArrayLike, clicks: ArrayLike, positions: ArrayLike, has_word: pd.DataFrame, n_users: int
) -> WordClicks:
    """Count, for each viewer and word, impressions of clips with the word and the clicks beyond expectation.

    With e_j = click - mean click at the position, an impression counts e_j - mean of the viewer's own e: who
    clicks on everything prefers nothing.

    Parameters
    ----------
    users, items, clicks, positions : array_like, shape (n,)
        The impressions, as in `learn_common`.
    has_word : DataFrame, a row a clip, a column a word
        Is the clip about it? True or False.
    n_users : int
        Number of viewers m, with those who saw nothing.
    """
    u, i = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
    e = surprises(clicks, positions)  # (n,)
    e = e - (np.bincount(u, e, n_users) / np.maximum(np.bincount(u, minlength=n_users), 1))[u]
    has = has_word.to_numpy(dtype=bool)  # (n_items, W)
    shown, beyond = np.zeros((n_users, has.shape[1])), np.zeros((n_users, has.shape[1]))
    for w in range(has.shape[1]):
        rows = np.flatnonzero(has[i, w])
        shown[:, w] = np.bincount(u[rows], minlength=n_users)
        beyond[:, w] = np.bincount(u[rows], e[rows], n_users)
    return WordClicks(tuple(map(str, has_word.columns)), shown, beyond)


def compare_words(counts: WordClicks, labels: ArrayLike) -> pd.DataFrame:
    """Compare, for each segment and word, the viewers inside with those outside.

        q = Σ_u beyond_u / Σ_u shown_u,    var(q) = Σ_u (beyond_u - q shown_u)² / (Σ_u shown_u)²

    inside and outside; z = (q_in - q_out) / √(var_in + var_out), and p the chance that luck makes z so large
    where there is no difference. The unit is the viewer: a hundred clicks of one person are one witness. For
    dozens of viewers on each side the normal law is good enough; fewer than ten who saw the word give p = 1.

    Parameters
    ----------
    counts : WordClicks
        Of impressions that had no part in finding the segments.
    labels : array_like, shape (m,)
        A segment each; below 0 is unknown and left out.

    Returns
    -------
    DataFrame, indexed by (segment, word)
        *inside*, *outside* (clicks beyond expectation, an impression), *difference*, *z*, *p* (one-sided).

    References
    ----------
    Cochran, Sampling Techniques, 3rd edition, 1977, chapter 6: the variance of a ratio of two sums.
    """
    group = np.asarray(labels)
    if group.shape != (len(counts.shown),):
        raise ValueError(f"there are {len(counts.shown)} viewers, but labels of shape {group.shape}; give one each.")
    known, found = group >= 0, []
    for segment in np.unique(group[known]):
        one, var_one, n_one = _ratio(counts, group == segment)
        two, var_two, n_two = _ratio(counts, known & (group != segment))
        error = np.sqrt(var_one + var_two)  # (W,)
        enough = (n_one >= 10) & (n_two >= 10) & (error > 0)
        z = np.where(enough, (one - two) / np.where(enough, error, 1.0), 0.0)
        columns = {"inside": one, "outside": two, "difference": one - two, "z": z}
        table = pd.DataFrame(columns | {"p": np.where(enough, norm.sf(z), 1.0)})
        found.append(table.set_index(pd.MultiIndex.from_product([[segment], counts.words], names=["segment", "word"])))
    if not found:
        raise ValueError("no viewer has a segment; lower the probability at which one is assigned.")
    return pd.concat(found)


def claims(name: str, vocabulary: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the words that a name claims: those that can be counted, and those that cannot.

    Fillers such as "fans" claim nothing. Singular and plural are one: "plant" claims *plants*.
    """
    counted: list[str] = []
    other: list[str] = []
    for word in re.findall(r"[\w']+", name.lower()):
        if word in FILLERS:
            continue
        forms = (word, f"{word}s", word.removesuffix("s"))
        match = next((form for form in forms if form in vocabulary), None)
        where, what = (other, word) if match is None else (counted, match)
        if what not in where:
            where.append(what)
    return counted, other


def check_names(
    names: Mapping[int, str], table: pd.DataFrame, alpha: float = 0.05, least: float = 0.05, n_tried: int | None = None
) -> pd.DataFrame:
    """Accept a name if every word that it claims is preferred in its segment; else refuse it and say why.

    A word is preferred if p ≤ alpha / c, with c the number of all words that these names claim, and the difference
    q_in - q_out is at least `least` clicks an impression. The first guards against luck among many claims
    (Bonferroni), the second against differences that are certain and too small to matter. Where the names were
    picked from this same table, c is the number of pairs of segment and word that were looked at: tell it in `n_tried`.
    The reason gives q_in - q_out of each word.

    Parameters
    ----------
    names : segment to name
    table : DataFrame
        Of `compare_words`.
    alpha : float
        Chance that at least one false claim of all passes.
    least : float
    n_tried : int, optional
        c; else the number of claims in `names`, those of one proposer.

    Returns
    -------
    DataFrame, a row a segment: name, accepted, reason.

    Raises
    ------
    ValueError
        If a segment is not in the table, or n_tried is below the number of claims.
    """
    columns = zip(table.index, table["difference"], table["z"], table["p"], strict=True)
    known = {pair: (float(difference), float(z), float(p)) for pair, difference, z, p in columns}
    vocabulary = {word for _, word in known}
    if unknown := set(names) - {segment for segment, _ in known}:
        raise ValueError(f"the table has no segment {min(unknown)}; compare the words of all segments that have names.")
    found = {segment: claims(name, vocabulary) for segment, name in names.items()}
    n_claims = sum(len(counted) for counted, _ in found.values())
    if n_tried is not None and n_tried < n_claims:
        raise ValueError(f"the names claim {n_claims} words, so n_tried cannot be {n_tried}; count all tried.")
    limit = alpha / max(n_claims if n_tried is None else n_tried, 1)
    rows = {}
    for segment, (counted, other) in found.items():
        faults = [f"too few clips have the word: {word}" for word in other]
        for word in counted:
            difference, z, p = known[segment, word]
            if p > limit:
                faults.append(f"{word} {difference:+.2f}: {'may be luck' if z > 0 else 'not more than outside'}")
            elif difference < least:
                faults.append(f"{word} {difference:+.2f}: too little")
        if not counted and not other:
            faults = ["claims nothing"]
        good = ", ".join(f"{word} {known[segment, word][0]:+.2f}" for word in counted)
        rows[segment] = {"name": names[segment], "accepted": not faults, "reason": "; ".join(faults) or good}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("segment")


def gains_by_likelihood(
    model: Writer, prompts: Mapping[int, str], empty: Sequence[str], candidates: Sequence[str]
) -> pd.DataFrame:
    """Return how much likelier each candidate is after a segment's prompt than after prompts without content.

        gain(word) = ℓ(word | prompt) - mean over the empty prompts x of ℓ(word | x)

    in natural logarithms. A word that the model writes often, whatever it has read, gains nothing by that.

    Parameters
    ----------
    model : Writer
    prompts : segment to prompt
        Ending where a word is to follow.
    empty : prompts of the same form that say nothing
    candidates : words

    Returns
    -------
    DataFrame, a row a segment, a column a candidate
    """
    words = [f" {word}" for word in candidates]
    asked = [*prompts.values(), *empty]  # one at a time: the model then reads each prompt once
    table = np.array([model.log_likelihood([prompt] * len(words), words) for prompt in asked])  # (k + n_empty, C)
    gain = table[: len(prompts)] - table[len(prompts) :].mean(axis=0)
    return pd.DataFrame(gain, index=pd.Index(list(prompts), name="segment"), columns=list(candidates))


def names_by_likelihood(
    model: Writer, prompts: Mapping[int, str], empty: Sequence[str], candidates: Sequence[str], n_words: int = 2
) -> dict[int, str]:
    """Name each segment by its `n_words` candidates of largest gain (`gains_by_likelihood`), joined by "and"."""
    gains = gains_by_likelihood(model, prompts, empty, candidates)
    best = np.argsort(-gains.to_numpy(), axis=1, kind="stable")[:, :n_words]
    return {s: " and ".join(candidates[c] for c in row) for s, row in zip(prompts, best, strict=True)}


def _ratio(counts: WordClicks, inside: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return the ratio of sums of each word, its variance, and how many viewers saw the word; shape (W,) each."""
    shown, beyond = counts.shown[inside], counts.beyond[inside]  # (m_in, W)
    total = np.maximum(shown.sum(axis=0), 1)
    rate = beyond.sum(axis=0) / total
    variance = ((beyond - rate * shown) ** 2).sum(axis=0) / total**2
    return rate, variance, (shown > 0).sum(axis=0).astype(np.float64)
