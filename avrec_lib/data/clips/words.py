"""The words of the clips: titles, descriptions and tags in English and Chinese, and what the covers show.

The topic of a clip is told here and nowhere else. A title is a *frame* ("First time {doing}",
第一次{do}) filled with a *subject* (fold dumplings, 包饺子); frames, subjects and sentences come in
pairs that mean the same in both languages, written for the book (`topics.json`, `frames.json`).
Some titles name no subject at all ("Third try. Don't ask about the first two"), some use words that
several topics share (strings, scale, pitch, shoot); tags and description then tell the topic.
No word says anything about the look of the cover or about the sound.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Item = TypeVar("Item")
Pair = tuple[str, str]  # the same in English and in Chinese

SHARE_BARE = 0.12  # of the titles name no subject
SHARE_OF_TOPIC = 0.36  # of the titles have a frame that only this topic uses
TRIES = 40  # to write a title that no earlier clip has
SMALL_WORDS = ("a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "vs", "with")


@cache
def lexicon(name: str) -> Any:  # noqa: ANN401 - a JSON file
    """Return a lexicon of the clips, "topics", "frames" or "comments", as its JSON file holds it."""
    return json.loads((files(__package__) / f"{name}.json").read_text("utf-8"))


def write_texts(topics: NDArray[np.integer], rng: np.random.Generator) -> pd.DataFrame:
    """Write the words of one clip a topic.

    Parameters
    ----------
    topics : (n,) integers
        Topic of each clip, 0..9 in the order of `topics.json`.
    rng : numpy Generator

    Returns
    -------
    DataFrame, n rows
        title_en, title_zh, description_en, description_zh (str, Unicode NFC), tags_en, tags_zh
        (lists of 2 to 4), and the truth `subject`, what the clip is about in both languages:
        "tomato and egg stir-fry / 番茄炒蛋". No two clips have the same title (as long as 40 tries
        find a new one: true of the 2,000 clips).

    Raises
    ------
    ValueError
        If a topic is not one of the ten.
    """
    lexicon_of = topic_entries(topics)
    seen: set[str] = set()
    rows = []
    for topic in lexicon_of:
        subject = pick(rng, topic["subjects"])
        for _ in range(TRIES):
            title, bare = _title(rng, topic, subject)
            if not seen & set(map(str.casefold, title)):
                break
        seen.update(map(str.casefold, title))
        description = _description(rng, topic, subject, bare)
        tags = _tags(rng, topic, subject)
        rows.append(
            {
                "title_en": title[0],
                "title_zh": title[1],
                "description_en": description[0],
                "description_zh": description[1],
                "tags_en": [en for en, _ in tags],
                "tags_zh": [zh for _, zh in tags],
                "subject": " / ".join(subject["it"]),
            }
        )
    columns = ["title_en", "title_zh", "description_en", "description_zh", "tags_en", "tags_zh", "subject"]
    return pd.DataFrame(rows, columns=columns)


def alt_texts(
    shapes: NDArray[np.integer],
    colours: NDArray[np.integer],
    counts: NDArray[np.integer],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Describe what is drawn on each cover: alt_en ("two red stars"), alt_zh (两颗红色的星星).

    Parameters
    ----------
    shapes : (n,) integers
        circle, star, triangle, square, heart, moon, cross, flower.
    colours : (n,) integers
        red, yellow, green, blue, purple, white.
    counts : (n,) integers
        1 to 3.

    Raises
    ------
    ValueError
        If a code is out of range.
    """
    for name, codes, low, high in (("shape", shapes, 0, 7), ("colour", colours, 0, 5), ("count", counts, 1, 3)):
        if len(codes) and not (np.min(codes) >= low and np.max(codes) <= high):
            raise ValueError(f"Every {name} must be from {low} to {high}, not {np.min(codes)} to {np.max(codes)}.")
    en, zh = lexicon("frames")["alt"]["en"], lexicon("frames")["alt"]["zh"]
    rows = []
    for shape, colour, count in zip(shapes, colours, counts, strict=True):
        number = "one" if count == 1 else "many"
        english = pick(rng, en[number]).format(
            shape=en["shapes"][shape][0],
            shapes=en["shapes"][shape][1],
            colour=en["colours"][colour],
            count=en["counts"][count - 1],
        )
        chinese = pick(rng, zh[number]).format(
            shape=zh["shapes"][shape][0],
            measure=zh["shapes"][shape][1],
            colour=zh["colours"][colour],
            count=zh["counts"][count - 1],
        )
        rows.append((capital(english) if rng.random() < 0.3 else english, chinese))
    return pd.DataFrame(rows, columns=["alt_en", "alt_zh"])


def pick(rng: np.random.Generator, options: Sequence[Item]) -> Item:
    """Return one of the options, each as likely as the others."""
    return options[int(rng.integers(len(options)))]


def slots(subject: dict[str, Any], language: int) -> dict[str, str]:
    """Return what a frame's {do}, {doing}, {did} and {it} stand for, in English (0) or Chinese (1)."""
    do = subject["do"][language]
    words = {"do": do, "it": subject["it"][language]}
    if language == 0:
        verb, rest = do.split(" ", 1)
        doing, did = lexicon("frames")["verbs"][verb]
        words |= {"doing": f"{doing} {rest}", "did": f"{did} {rest}"}
    return words


def capital(text: str) -> str:
    """Return the text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def topic_entries(topics: NDArray[np.integer]) -> list[dict[str, Any]]:
    """Return the lexicon of each clip's topic."""
    entries = lexicon("topics")
    if len(topics) and not (np.min(topics) >= 0 and np.max(topics) < len(entries)):
        raise ValueError(f"Topics are 0 to {len(entries) - 1}, not {np.min(topics)} to {np.max(topics)}.")
    return [entries[int(topic)] for topic in topics]


def _fill(rng: np.random.Generator, frames: list[Pair], subject: dict[str, Any]) -> Pair:
    """Return one of the frames filled with the subject and with numbers, the same ones in both languages."""
    k = int(rng.integers(3, 10))
    numbers = {"k": k, "j": int(rng.integers(1, k + 1)), "m": pick(rng, (3, 5, 10)), "d": int(rng.integers(12, 61))}
    en, zh = pick(rng, frames)
    return en.format(**slots(subject, 0), **numbers), zh.format(**slots(subject, 1), **numbers)


def _title(rng: np.random.Generator, topic: dict[str, Any], subject: dict[str, Any]) -> tuple[Pair, bool]:
    """Return a title in both languages, and whether it names no subject."""
    general, draw = lexicon("frames"), rng.random()
    bare = bool(draw < SHARE_BARE)
    if bare:
        frames = topic["bare_frames"] if rng.random() < 0.35 else general["bare"]
    elif draw < SHARE_BARE + SHARE_OF_TOPIC:
        frames = topic["frames"] + (topic["core_frames"] if "core" in subject["flags"] else [])
    else:
        frames = general["any"] + [
            frame for kind in ("habit", "project") if kind in subject["flags"] for frame in general[kind]
        ]
    en, zh = _fill(rng, frames, subject)
    suffix = ("", "")
    if rng.random() < 0.10 and ":" not in en and not {"：", "｜"} & set(zh):
        prefix = _fill(rng, general["prefixes"], subject)
        en, zh = prefix[0] + (en if en.startswith(("I ", "I'", "POV")) else en[0].lower() + en[1:]), prefix[1] + zh
    elif rng.random() < 0.13 and not en.endswith(("?", "!", ":", ")")):
        suffix = _fill(rng, general["suffixes"], subject)
    emoji = ""
    if rng.random() < 0.22:
        emoji = pick(rng, topic["emoji"] if rng.random() < 0.4 else general["emoji"])
    return (_styled_english(rng, en, suffix[0], emoji), _styled_chinese(rng, zh, suffix[1], emoji)), bare


def _styled_english(rng: np.random.Generator, text: str, suffix: str, emoji: str) -> str:
    """Return the title as people type it: in sentence case, lower case or Title Case, with or without a stop."""
    style, ending = rng.random(2)
    text = capital(text)
    if style < 0.13:
        text = text.lower()
    elif style < 0.25:
        first, *rest = text.split(" ")
        text = " ".join([first, *(word if word in SMALL_WORDS else capital(word) for word in rest)])
    if not suffix and text[-1].isalnum():
        suffix = "!" if ending < 0.08 else "." if ending < 0.12 else "..." if ending < 0.15 else ""
    return unicodedata.normalize("NFC", f"{text}{suffix} {emoji}".strip())


def _styled_chinese(rng: np.random.Generator, text: str, suffix: str, emoji: str) -> str:
    """Return the title as people type it: with commas or spaces, with or without a mark at the end."""
    style, ending = rng.random(2)
    if style < 0.25:
        text = text.replace("，", " ")
    if not suffix and text[-1].isalnum():
        suffix = "！" if ending < 0.12 else "～" if ending < 0.15 else "……" if ending < 0.17 else ""
    return unicodedata.normalize("NFC", text + suffix + emoji)


def _description(rng: np.random.Generator, topic: dict[str, Any], subject: dict[str, Any], bare: bool) -> Pair:
    """Return one to three sentences in both languages; one at least is about the subject or the topic."""
    general = lexicon("frames")
    about: list[list[Pair]] = [[subject["detail"]], general["subject_sentences"]]
    if not bare:
        about.append(topic["sentences"])
    pools = [about[int(i)] for i in rng.permutation(len(about))[: int(rng.integers(1, 3))]]
    if rng.random() < 0.5:
        pools.append(general["closing_sentences"])
    pairs = [_fill(rng, pool, subject) for pool in pools]
    text = " ".join(capital(en) for en, _ in pairs), "".join(zh for _, zh in pairs)
    return unicodedata.normalize("NFC", text[0]), unicodedata.normalize("NFC", text[1])


def _tags(rng: np.random.Generator, topic: dict[str, Any], subject: dict[str, Any]) -> list[Pair]:
    """Return two to four tags in both languages: one of the subject at least, then of the topic or of any clip."""
    first, *rest = (tuple(subject["tags"][int(i)]) for i in rng.permutation(len(subject["tags"])))
    others = [*rest, *map(tuple, topic["tags"]), *map(tuple, lexicon("frames")["tags"])]
    weight = np.array([4.0] * len(rest) + [1.0] * len(topic["tags"]) + [0.4] * len(lexicon("frames")["tags"]))
    n = int(rng.integers(1, 4))
    drawn = rng.choice(len(others), size=n, replace=False, p=weight / weight.sum())
    chosen: list[Pair] = [first]
    for i in drawn:
        en, zh = others[int(i)]
        if all(en != e and zh != z for e, z in chosen):
            chosen.append((en, zh))
    if len(chosen) == 1:  # the only other tag drawn was the same word
        chosen.append(next(tag for tag in map(tuple, lexicon("frames")["tags"]) if tag[1] != first[1]))
    order = rng.permutation(len(chosen))
    return [chosen[int(i)] for i in order]
