"""What viewers write: comments and 弹幕 with their true sentiment, and search queries.

A comment has a core with a known sentiment, sometimes about the clip's subject or topic, with an
opener, a tail and an emoji around it. Three things make sentiment hard, and each is there on
purpose: negation ("not bad at all", 没有一秒是无聊的), irony ("so helpful. said no one"; its
`sentiment` is what is meant, `ironic` says that the words say the opposite), and emoji that contradict
the words ("made my day 😭"). Everything was written for the book (`comments.json`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.data.clips.words import capital, lexicon, pick, slots, topic_entries

SHARE_DANMAKU = 0.35
SHARE_IRONIC = 0.08  # of the comments that are for or against
SHARE_NEGATED = 0.13
SHARE_OF_TOPIC = 0.25
SHARE_TYPOS = 0.12  # of the searches
ENDINGS = tuple(".?!。？！）”")


def write_comments(
    rng: np.random.Generator,
    topics: NDArray[np.integer],
    sentiments: NDArray[np.integer] | None = None,
    languages: Iterable[str] | None = None,
    subjects: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Write one comment about each of n clips.

    Parameters
    ----------
    topics : (n,) integers
        Topic of the clip that each comment is about, 0..9.
    sentiments : (n,) of -1, 0, 1, optional
        Drawn with equal chances by default.
    languages : (n,) of "en" or "zh", optional
        Drawn with equal chances by default.
    subjects : (n,) of str, optional
        The clips' `subject`, as `write_texts` returns it. Without it no comment names what it is about.

    Returns
    -------
    DataFrame, n rows
        text, language, sentiment (-1 against, 0 neither or a question, 1 for), kind ("comment" or
        "danmaku"), ironic (bool).

    Raises
    ------
    ValueError
        If a topic, language or sentiment is none of the above, or the lengths differ.
    """
    n = len(topics)
    languages = [("en", "zh")[i] for i in rng.integers(0, 2, n)] if languages is None else list(languages)
    values = (rng.integers(-1, 2, n) if sentiments is None else np.asarray(sentiments)).tolist()
    if not set(languages) <= {"en", "zh"} or not set(values) <= {-1, 0, 1}:
        raise ValueError('Languages are "en" or "zh" and sentiments -1, 0 or 1.')
    rows = []
    about = [None] * n if subjects is None else list(subjects)
    for topic, subject, language, value in zip(topic_entries(topics), about, languages, values, strict=True):
        if rng.random() < SHARE_DANMAKU:
            text, kind, ironic = _danmaku(rng, subject, language, value), "danmaku", False
        else:
            text, ironic = _comment(rng, topic["name"], subject, language, value)
            kind = "comment"
        rows.append((unicodedata.normalize("NFC", text), language, value, kind, ironic))
    return pd.DataFrame(rows, columns=["text", "language", "sentiment", "kind", "ironic"])


def write_searches(
    rng: np.random.Generator, topics: NDArray[np.integer], languages: Iterable[str] | None = None
) -> pd.DataFrame:
    """Write one search query about each topic: text, language. About one in eight has a slip of the finger.

    Parameters
    ----------
    topics : (n,) integers
        0..9.
    languages : (n,) of "en" or "zh", optional
        Drawn with equal chances by default.

    Raises
    ------
    ValueError
        If a topic or language is none of these.
    """
    drawn = [("en", "zh")[i] for i in rng.integers(0, 2, len(topics))] if languages is None else list(languages)
    if not set(drawn) <= {"en", "zh"}:
        raise ValueError('Languages are "en" or "zh".')
    rows = []
    for topic, language in zip(topic_entries(topics), drawn, strict=True):
        subject, column = pick(rng, topic["subjects"]), ("en", "zh").index(language)
        words = slots(subject, column)
        name = words["it"].removeprefix("the ").removeprefix("a ").removeprefix("an ")
        tag, tag2 = (subject["tags"][i][column] for i in rng.permutation(2))
        text = pick(rng, lexicon("comments")["searches"][language]).format(
            **words, name=name, tag=tag, tag2=tag2, topic=topic["tags"][0][column]
        )
        text = text.lower()
        if rng.random() < SHARE_TYPOS:
            text = _slip_english(rng, text) if language == "en" else _slip_chinese(rng, text)
        rows.append((unicodedata.normalize("NFC", text), language))
    return pd.DataFrame(rows, columns=["text", "language"])


def _core(rng: np.random.Generator, cores: list[str], subject: str | None, language: str) -> str:
    """Return one of the cores, filled with numbers and with the subject; without one, a core that needs none."""
    k = int(rng.integers(3, 10))
    numbers = {"k": k, "j": int(rng.integers(1, k)), "m": pick(rng, (3, 5, 10)), "d": int(rng.integers(10, 60))}
    if subject is None:
        return pick(rng, [core for core in cores if "{it}" not in core]).format(**numbers)
    return pick(rng, cores).format(it=subject.split(" / ")[language == "zh"], **numbers)


def _comment(rng: np.random.Generator, topic: str, subject: str | None, language: str, value: int) -> tuple[str, bool]:
    """Return a comment of this sentiment, and whether it is ironic."""
    words, sentiment = lexicon("comments"), str(value)
    lists: dict[str, Any] = words[language]
    draw = rng.random()
    ironic = bool(value and draw < SHARE_IRONIC)
    if ironic:
        text = _core(rng, lists["irony"][sentiment], subject, language)
    else:
        if value and draw < SHARE_IRONIC + SHARE_NEGATED:
            cores = lists["negation"][sentiment]
        elif draw > 1 - SHARE_OF_TOPIC:
            cores = words["topics"][topic][language][sentiment]
        else:
            cores = lists["comment"][sentiment]
        text = _core(rng, cores, subject, language)
        text = _framed(rng, text, lists["opener"][sentiment], lists["tail"][sentiment], question=value == 0)
    if language == "en" and rng.random() < 0.45:
        text = capital(text)
    if not text.endswith(ENDINGS) and rng.random() < 0.3:
        marks = ("!", "!!", "...") if language == "en" else ("！", "！！", "……", "～")
        text += pick(rng, marks) if value else marks[2]
    if rng.random() < 0.3:
        text += (" " if language == "en" else "") + _emoji(rng, value, contrary=0.7 if ironic else 0.12)
    return text, ironic


def _danmaku(rng: np.random.Generator, subject: str | None, language: str, value: int) -> str:
    """Return a shout over the running picture: a word or two, often drawn out."""
    text = _core(rng, lexicon("comments")[language]["danmaku"][str(value)], subject, language)
    times = int(rng.integers(0, 5))
    if text.endswith(("hh", "33", "ss", "zz")):
        text += text[-1] * 2 * times
    elif not text.endswith(ENDINGS):
        text += ("!" if language == "en" else "！") * max(times - 2, 0)
    if rng.random() < 0.2:
        text += (" " if language == "en" else "") + _emoji(rng, value, contrary=0.12)
    return text


def _emoji(rng: np.random.Generator, value: int, contrary: float) -> str:
    """Return an emoji, once to three times; with the given chance one that contradicts the sentiment."""
    emoji = lexicon("comments")["emoji"]
    against = bool(value) and rng.random() < contrary
    chosen: str = pick(rng, emoji[f"against {value}" if against else str(value)])
    return chosen * pick(rng, (1, 1, 1, 2, 3))


def _framed(rng: np.random.Generator, text: str, openers: list[str], tails: list[str], question: bool) -> str:
    """Return the comment, now and then behind an opener ("honestly, ") and before a tail (", just saying").

    What neither praises nor blames gets them only if it asks something; thanks are not said twice.
    """
    before, after = (bool(chance < share) for chance, share in zip(rng.random(2), (0.2, 0.25), strict=True))
    opener, tail = pick(rng, openers), pick(rng, tails)
    if question and not text.endswith(("?", "？")):
        return text
    same_word = text.lower().startswith(opener.rstrip(",:， ").lower())
    if before and not same_word:
        text = f"{opener} {text}" if opener.isascii() else opener + text
    said = any(thanks in text and thanks in tail for thanks in ("thank", "谢"))
    if after and not said and (question or not text.endswith(ENDINGS)):
        text += tail
    return text


def _slip_english(rng: np.random.Generator, text: str) -> str:
    """Return the query with two neighbouring letters swapped, or one left out or doubled."""
    inside = [i for i in range(1, len(text) - 1) if text[i - 1 : i + 2].isalpha()]
    if not inside:
        return text
    i = pick(rng, inside)
    kind = int(rng.integers(3))
    if kind == 0:
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return text[:i] + text[i + 1 :] if kind == 1 else text[:i] + text[i] + text[i:]


def _slip_chinese(rng: np.random.Generator, text: str) -> str:
    """Return the query with one character replaced by another that sounds alike, as an input method offers it."""
    slips: dict[str, str] = lexicon("comments")["searches"]["slips"]
    places = [i for i, character in enumerate(text) if character in slips]
    if not places:
        return text
    i = pick(rng, places)
    return text[:i] + slips[text[i]] + text[i + 1 :]
