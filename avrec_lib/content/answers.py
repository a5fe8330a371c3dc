"""From an LLM's answer to a reading of known form, or to a refusal that says why. Never an error.

Page 3.2.1. A reading is tags from a fixed list, keywords that occur in the text, a summary that shares
words with it, and relations between things it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from avrec_lib.content.loose_json import NotJSONError, find_object
from avrec_lib.content.text import clean

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

Way = Literal["answer", "retry", "fallback"]
Relation = tuple[str, str, str]
Entry = TypeVar("Entry", str, Relation)

MAX_ANSWER = 4000  # characters
MAX_SUMMARY = 300
MAX_RELATION = 40
REASONS = {
    "empty": "the answer is empty",
    "too-long": "the answer or its summary is too long",
    "repeats": "the answer says the same thing again and again",
    "not-json": "there is no JSON object in the answer",
    "wrong-types": "a key is missing or has the wrong type",
    "no-allowed-tag": "none of the tags is in the list",
    "off-topic": "the summary has no word in common with the text",
    "nothing-to-read": "the text itself is empty",
}
DROPS = (  # kinds of `repairs` that took something away; the others mended the JSON
    "invented tag",
    "keyword not in the text",
    "relation not in the text",
    "relation without three parts",
    "repeated entry",
    "unknown key",
)
STRINGS = {"type": "array", "items": {"type": "string"}}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "tags": STRINGS,
        "keywords": STRINGS,
        "summary": {"type": "string"},
        "relations": {"type": "array", "items": {**STRINGS, "minItems": 3, "maxItems": 3}},
    },
    "required": ["tags", "keywords", "summary"],
    "additionalProperties": False,
}
WORD = re.compile(r"[\u3400-\u9fff]|(?:(?![\u3400-\u9fff])[^\W_])+(?:['’](?:[^\W_])+)*")  # a Chinese sign is a word
COMMON = frozenset(
    WORD.findall(
        "a an and are as at be but by can do does for from had has have he her his how i if in into is it its me my "
        "no not of off on one or our out she so than that the their them then there they this to up us was we were "
        "what when where which who why will with without you your video clip"
    )
)
LOOP = re.compile(r"(.{4,80}?)\1{3,}", re.DOTALL)


@dataclass(frozen=True)
class Refusal:
    """Why an answer is not used: a key of `REASONS`, what exactly, the repairs tried, and what was refused before."""

    reason: str
    detail: str
    repairs: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What a text is about, checked against it; which way it came, what was repaired or dropped, what was refused."""

    tags: tuple[str, ...]
    keywords: tuple[str, ...]
    summary: str
    relations: tuple[Relation, ...] = ()
    repairs: tuple[str, ...] = ()
    way: Way = "answer"
    refused: tuple[Refusal, ...] = ()


def parse_reading(answer: str, *, text: str, allowed_tags: Sequence[str]) -> Reading | Refusal:
    """Return what a model's answer says of a text, as far as the text bears it out.

    1. Refused at once: an empty answer, one of more than 4,000 characters, one with a stretch of 4 to
       80 characters four times in a row.
    2. The JSON object in it is found and, where that is safe, repaired (`find_object`). A lone string
       is taken for a list of one; an unknown key and a relation without three parts are dropped. The
       rest must satisfy `SCHEMA`.
    3. Dropped: tags that are not allowed (case, spaces, hyphens and "#" do not matter), keywords whose
       words do not follow each other in the text, relations whose subject or object does not, and
       whatever was there already.
    4. Refused: no tag left; a summary that is empty, has more than 300 characters, or shares no word
       with the text but words like "the".

    Every repair and drop is named in `repairs`, as "kind" or "kind: what"; every refusal has a reason.

    Parameters
    ----------
    answer : str
        Any text at all.
    text : str
        What the model was to read.
    allowed_tags : texts
        The tags there are, spelled as they shall be.
    """
    answer = clean(answer)
    if not answer:
        return _refuse("empty")
    if len(answer) > MAX_ANSWER:
        return _refuse("too-long", f"the answer has {len(answer)} characters, {MAX_ANSWER} are allowed")
    if loop := LOOP.search(answer):
        return _refuse("repeats", f"{loop.group(1)[:40]!r} follows itself")
    try:
        found, repairs = find_object(answer)
    except NotJSONError as error:
        return _refuse("not-json", str(error))
    notes = list(repairs)
    _coerce(found, notes)
    fault = next(iter(_validator().iter_errors(found)), None)
    if fault is not None:
        return _refuse("wrong-types", _where(fault), notes)

    content = cast(dict[str, Any], found)
    known = {_key(tag): tag for tag in reversed(allowed_tags)}  # of two that look alike, the first
    words = _joined(_words(text))
    tags = _keep(content["tags"], lambda tag: known.get(_key(tag)), "invented tag", notes)
    keywords = _keep(content["keywords"], lambda word: _grounded(word, words), "keyword not in the text", notes)
    relations = _keep(content.get("relations", []), lambda r: _related(r, words), "relation not in the text", notes)
    if not tags:
        return _refuse("no-allowed-tag", notes=notes)
    summary = clean(content["summary"])
    if len(summary) > MAX_SUMMARY:
        return _refuse("too-long", f"the summary has {len(summary)} characters, {MAX_SUMMARY} are allowed", notes)
    if not (set(_words(summary)) - COMMON) & set(words.split()):
        return _refuse("off-topic", notes=notes)
    return Reading(tags, keywords, summary, relations, tuple(notes))


def _coerce(found: dict[str, object], notes: list[str]) -> None:
    """Give the object the form of the schema where it is plain what was meant."""
    for key in [key for key in found if key not in SCHEMA["properties"]]:
        del found[key]
        notes.append(f"unknown key: {clean(key)[:40]!r}")
    for key in ("tags", "keywords"):
        if isinstance(found.get(key), str):
            found[key] = [found[key]]
            notes.append(f"string for a list: {key}")
    relations = found.get("relations")
    if isinstance(relations, list):
        triples = [_triple(r) for r in relations]
        found["relations"] = [r for r in triples if r is not None]
        notes += ["relation without three parts"] * triples.count(None)


def _triple(relation: object) -> list[str] | None:
    if isinstance(relation, dict):
        relation = [relation.get(part) for part in ("subject", "relation", "object")]
    if isinstance(relation, list) and len(relation) == 3 and all(isinstance(part, str) for part in relation):
        return cast(list[str], relation)
    return None


def _keep(entries: list[Any], check: Callable[[Any], Entry | None], what: str, notes: list[str]) -> tuple[Entry, ...]:
    """Return the entries that pass, in the form the check gives them, each once."""
    kept: list[Entry] = []
    for entry in entries:
        checked = check(entry)
        shown = " ".join(entry) if isinstance(entry, list) else entry
        if checked is None:
            notes.append(f"{what}: {clean(shown)[:40]!r}")
        elif checked in kept:
            notes.append(f"repeated entry: {clean(shown)[:40]!r}")
        else:
            kept.append(checked)
    return tuple(kept)


def _grounded(phrase: str, words: str) -> str | None:
    """Return the phrase if its words follow each other in the text and are not all like "the"."""
    part = _words(phrase)
    return clean(phrase).casefold() if not set(part) <= COMMON and _joined(part) in words else None


def _joined(words: list[str]) -> str:
    return f" {' '.join(words)} "


def _related(relation: list[str], words: str) -> Relation | None:
    subject, verb, thing = _grounded(relation[0], words), clean(relation[1]), _grounded(relation[2], words)
    if subject is None or thing is None or subject == thing or not _words(verb) or len(verb) > MAX_RELATION:
        return None
    return subject, verb.casefold(), thing


def _words(text: str) -> list[str]:
    return WORD.findall(clean(text).casefold().replace("’", "'"))


def _key(tag: str) -> str:
    return re.sub(r"[\s#_-]", "", clean(tag)).casefold()


def _refuse(reason: str, detail: str = "", notes: Sequence[str] = ()) -> Refusal:
    return Refusal(reason, detail or REASONS[reason], tuple(notes))


def _where(fault: Any) -> str:  # noqa: ANN401  # jsonschema has no types
    place = ".".join(map(str, fault.absolute_path)) or "the object"
    return clean(f"{place}: {fault.message}")[:200]


@lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(SCHEMA)
