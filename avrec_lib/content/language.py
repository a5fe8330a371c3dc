"""A language model reads clips: tags, keywords, a summary and relations, checked, or made without it.

Page 3.2.1. The model is asked twice at most; what it still gets wrong is made by a way that cannot
invent anything, so every text that has words gets a reading.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from avrec_lib.content.answers import (
    COMMON,
    DROPS,
    MAX_SUMMARY,
    REASONS,
    WORD,
    Reading,
    Refusal,
    Relation,
    parse_reading,
)
from avrec_lib.content.text import clean

if TYPE_CHECKING:
    pass

MAX_TEXT = 600  # characters of a clip's text that the model reads
NO_CONTENT = ("N/A", "...", "Something")
PREPOSITIONS = ("for", "with", "without", "in", "on", "at", "from", "against", "to")
INSTRUCTION = (
    "You label short videos. Answer with one line of JSON: tags (from this list: {tags}), keywords (words of the "
    "text), summary (one short sentence), relations (triples of subject, relation, object)."
)
EXAMPLES = (
    (
        "Knife skills for beginners. Hold the onion like a claw and let the blade rock: even slices in a minute.",
        '{"tags": ["cooking"], "keywords": ["knife", "onion", "slices"], "summary": "How to cut an onion into even '
        'slices.", "relations": [["blade", "cuts", "onion"]]}',
    ),
    (
        "Our parrot sings with the radio. Every morning Coco waits for the same song and whistles the chorus.",
        '{"tags": ["pets", "music"], "keywords": ["parrot", "radio", "song"], "summary": "A parrot whistles along '
        'with a song.", "relations": [["Coco", "whistles", "chorus"]]}',
    ),
)


class Model(Protocol):
    """What is asked of a language model; see `LanguageModel`."""

    def chat(self, turns: Sequence[tuple[Literal["system", "user", "assistant"], str]]) -> str:
        """Return the prompt for the assistant's next turn."""

    def complete(self, prompts: Sequence[str], max_new_tokens: int = ..., stop: Sequence[str] = ...) -> list[str]:
        """Go on with each prompt."""

    def log_likelihood(self, prompts: Sequence[str], continuations: Sequence[str]) -> NDArray[np.float64]:
        """Return how likely each continuation is after its prompt."""


def read_clips(
    texts: Sequence[str],
    model: Model,
    tags: Sequence[str],
    *,
    examples: Sequence[tuple[str, str]] = EXAMPLES,
    max_new_tokens: int = 90,
    retry: bool = True,
    fallback: bool = True,
) -> list[Reading | Refusal]:
    """Return one checked reading a text, and which way it came.

    1. "answer": the model is shown examples and the text, and `parse_reading` accepts what it writes.
    2. "retry": it is told why its answer was refused, asked again, and the second one is accepted.
    3. "fallback": the tag is the one it finds likeliest (`tag_probabilities`), the keywords are the text's
       rarest words (`rare_words`), the summary is its first sentence. No relations: none is certain.

    Parameters
    ----------
    texts : n texts
        Title and description of a clip, say. The first 600 characters are read.
    model : LanguageModel
        Or anything with the same methods.
    tags : texts
        The tags there are. At least one.
    examples : pairs of a text and the answer to it
        Shown before every text; the model imitates them.
    max_new_tokens : int
        Longest answer; a longer one is cut and repaired.
    retry, fallback : bool
        False leaves the way out; without the fallback a refused text gets its last Refusal.

    Returns
    -------
    list of n. A text without any word has the Refusal "nothing-to-read".

    Raises
    ------
    ValueError
        If there are no tags, or texts or tags are one str.
    """
    if isinstance(texts, str) or isinstance(tags, str) or not tags:
        raise ValueError("texts and tags must be lists of texts, not one str, and there must be at least one tag.")
    read = [_start(text) for text in texts]
    done: list[Reading | Refusal] = [Refusal("nothing-to-read", REASONS["nothing-to-read"]) for _ in read]
    shown: list[tuple[Literal["system", "user", "assistant"], str]] = [
        ("system", INSTRUCTION.format(tags=", ".join(tags)))
    ]
    for example, answer in examples:
        shown += [("user", example), ("assistant", answer)]

    rows = [i for i, text in enumerate(read) if WORD.search(text)]
    asked = {i: read[i] for i in rows}
    history: dict[int, tuple[Refusal, ...]] = dict.fromkeys(rows, ())
    for way in ("answer", "retry") if retry else ("answer",):
        answers = model.complete([model.chat([*shown, ("user", asked[i])]) for i in rows], max_new_tokens, ["\n"])
        for i, answer in zip(rows, answers, strict=True):
            outcome = parse_reading(answer, text=read[i], allowed_tags=tags)
            if isinstance(outcome, Reading):
                done[i] = replace(outcome, way=way, refused=history[i])
            else:
                done[i] = replace(outcome, refused=history[i])
                history[i] = (*history[i], outcome)
                asked[i] = f"{read[i]}\n(Another answer was refused: {REASONS[outcome.reason]}.)"
        rows = [i for i in rows if isinstance(done[i], Refusal)]
        if not rows:
            return done
    if fallback:
        chosen = tag_probabilities([read[i] for i in rows], model, tags).argmax(axis=1)
        words = rare_words(read)
        for i, tag in zip(rows, chosen, strict=True):
            done[i] = Reading((tags[tag],), words[i], _first_sentence(read[i]), way="fallback", refused=history[i])
    return done


def tag_probabilities(
    texts: Sequence[str], model: Model, tags: Sequence[str], *, calibrate: bool = True
) -> NDArray[np.float64]:
    r"""Return how probable the model finds each tag for each text, without letting it write anything.

    P(tag | text) ∝ exp(ℓ(tag | text) − b(tag)),  b = mean of ℓ(tag | "N/A"), ℓ(tag | "..."), …

    ℓ is the log-likelihood of the tag after "Text: <text>\nTopic:". The prior b (Zhao et al. 2021) takes
    off that some tags are common words; `calibrate=False` leaves it 0.

    Returns
    -------
    float64 array, shape (n_texts, n_tags), rows sum to 1
    """
    read = [*(_start(text) for text in texts), *NO_CONTENT]
    prompts = [_topic(text) for text in read for _ in tags]
    likelihood = model.log_likelihood(prompts, [f" {tag}" for tag in tags] * len(read)).reshape(len(read), -1)
    b = likelihood[len(texts) :].mean(axis=0) if calibrate else 0.0  # (n_tags,)
    probabilities: NDArray[np.float64] = softmax(likelihood[: len(texts)] - b, axis=1)  # (n_texts, n_tags)
    return probabilities


def rare_words(texts: Sequence[str], n: int = 5) -> list[tuple[str, ...]]:
    """Return each text's n words with the highest TF-IDF among these texts.

    tf · (ln((1 + N) / (1 + df)) + 1), without words like "the" and single signs; ties in the order of the text.
    """
    lists = [[w for w in WORD.findall(clean(t).casefold()) if w not in COMMON and len(w) > 1] for t in texts]
    df = Counter(word for words in lists for word in set(words))

    def best(words: list[str]) -> tuple[str, ...]:
        weight = {w: tf * (np.log((1 + len(texts)) / (1 + df[w])) + 1) for w, tf in Counter(words).items()}
        return tuple(sorted(weight, key=lambda w: -weight[w])[:n])  # sorted is stable

    return [best(words) for words in lists]


def fault_report(readings: Sequence[Reading | Refusal]) -> pd.DataFrame:
    """Return how often each thing went wrong or had to be mended, out of the texts that have words.

    Of the first answers: each reason of refusal, "repaired" (JSON mended), and what at least one was
    dropped of (`DROPS`). Of the texts: "accepted at once", "accepted on retry", "fallback", "refused"
    (nothing worked).

    Returns
    -------
    DataFrame, one row a fault: fault, texts (how many), rate (0 to 1; NaN if no text has words).
    """
    asked = [r for r in readings if isinstance(r, Reading) or r.reason != "nothing-to-read"]
    first = [r.refused[0] if r.refused else r for r in asked]
    notes = [{note.partition(":")[0] for note in r.repairs} for r in first]
    counts = {
        reason: sum(isinstance(r, Refusal) and r.reason == reason for r in first)
        for reason in REASONS
        if reason != "nothing-to-read"
    }
    counts["repaired"] = sum(bool(kinds - set(DROPS)) for kinds in notes)
    counts |= {kind: sum(kind in kinds for kinds in notes) for kind in DROPS}
    ways = Counter(r.way if isinstance(r, Reading) else "refused" for r in asked)
    counts |= {
        "accepted at once": ways["answer"],
        "accepted on retry": ways["retry"],
        "fallback": ways["fallback"],
        "refused": ways["refused"],
    }
    frame = pd.DataFrame({"fault": list(counts), "texts": list(counts.values())})
    return frame.assign(rate=frame["texts"] / (len(asked) or np.nan))


def extract_relations(title: str) -> list[Relation]:
    """Return what rules find in an English title: "X for Y", "X with Y", "X in Y" and the like.

    X and Y are the longest runs of words on both sides of a preposition, without "the" and the like at
    their ends; signs end a run. No model is used, only spaCy's tokeniser and its Matcher, so the rules know
    no grammar: "Look for the cat" gives (look, for, cat).
    """
    nlp, matcher = _matcher()
    doc = nlp(clean(title)[:MAX_TEXT])
    longest: dict[int, tuple[int, int]] = {}  # of each preposition, the widest match around it
    for _, start, end in matcher(doc):
        at = next(i for i in range(start, end) if doc[i].lower_ in PREPOSITIONS)
        longest[at] = max(longest.get(at, (0, 0)), (start, end), key=lambda span: span[1] - span[0])
    found = [(_bare(doc[start:at]), doc[at].lower_, _bare(doc[at + 1 : end])) for at, (start, end) in longest.items()]
    return [(subject, relation, thing) for subject, relation, thing in found if subject and thing]


def _bare(words: Any) -> str:  # noqa: ANN401  # a span of spaCy
    kept = [token.lower_ for token in words]
    while kept and kept[0] in COMMON:
        kept.pop(0)
    while kept and kept[-1] in COMMON:
        kept.pop()
    return " ".join(kept)


@lru_cache(maxsize=1)
def _matcher() -> tuple[Any, Any]:
    import spacy
    from spacy.matcher import Matcher

    nlp = spacy.blank("en")
    matcher = Matcher(nlp.vocab)
    word = {"IS_PUNCT": False, "IS_SPACE": False, "LOWER": {"NOT_IN": list(PREPOSITIONS)}, "OP": "+"}
    matcher.add("relation", [[word, {"LOWER": {"IN": list(PREPOSITIONS)}}, word]])
    return nlp, matcher


def _topic(text: str) -> str:
    return f"Text: {text}\nTopic:"


def _start(text: str) -> str:
    """Return the first 600 characters, to the last whole word where there is one, with no mark that ends a turn."""
    text = clean(text).replace("<|", "< |")
    if len(text) <= MAX_TEXT:
        return text
    return text[:MAX_TEXT].rpartition(" ")[0] or text[:MAX_TEXT]


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s|(?<=[。！？])", text, maxsplit=1)[0][:MAX_SUMMARY].strip()
