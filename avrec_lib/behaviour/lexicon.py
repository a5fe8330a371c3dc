"""What a comment thinks, by a list of words: how each counts, what turns it around, and which words decided.

Page 4.2.2. The baseline that every learnt model has to beat: it needs no labels and its reasons can be read.
It knows nothing of irony ("so helpful. said no one"). The words are in `lexicon_words`, English and Chinese
together, so a text may mix both. If you add words, add what people know, never what the comments of your test
set show: a lexicon tuned on them is a leak, and its score on them says nothing about any other comment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import regex

from avrec_lib.behaviour import lexicon_words as words
from avrec_lib.content.text import clean, tokens

HALF = 2.0  # κ: the sum at which the score is one half
STRONGER, WEAKER = 1.5, 0.5
NEGATED = -0.5
BEFORE_BUT = 0.5
GAP = 2.0  # words between a modifier and the word it reaches; a Chinese character is half a word
BREAK = regex.compile(r"[,;:!?…，。！？；：、~～()（）]+|\.(?!\d)")
HAN, LETTER = regex.compile(r"\p{Han}"), regex.compile(r"[\p{L}\p{N}]")
DRAWN_OUT = regex.compile(r"(\p{L}\p{L}|[\p{L}\p{N}])\1{2,}")  # goooood, hahaha, 233333
SKIN = regex.compile(r"\p{Emoji_Modifier}")


@dataclass(frozen=True)
class Evidence:
    """A word that counted.

    Attributes
    ----------
    word : str
        As the lexicon has it: "goooood" is "good".
    strength : float
        w, from −3 (blames strongly) to 3 (praises strongly).
    factor : float
        c · m, what the words around made of it.
    negated : bool
        Did an odd number of negations reach it?
    """

    word: str
    strength: float
    factor: float
    negated: bool


@dataclass(frozen=True)
class Judgement:
    """The score of a text, in (−1, 1), and the words it comes from, in their order."""

    score: float
    evidence: tuple[Evidence, ...]

    @property
    def why(self) -> str:
        """Return the evidence as a line: "funny 2 × -0.5, good 2 × 1.5", or "no known word"."""
        return ", ".join(f"{e.word} {e.strength:g} × {e.factor:g}" for e in self.evidence) or "no known word"


class Atom(NamedTuple):
    """A word, an emoji or one Chinese character, and whether it was written longer than it is."""

    text: str
    drawn: bool
    width: float


class Unit(NamedTuple):
    """An entry of the lexicon found in a clause: its atoms, and where it begins and ends, in words."""

    key: tuple[str, ...]
    drawn: bool
    start: float
    end: float


def judge(text: str) -> Judgement:
    """Return how much a text praises (towards 1) or blames (towards −1), and why.

    s = S / (κ + |S|),  S = Σ_i c_i m_i w_i,  κ = 2

    w_i is the strength of the i-th word that the lexicon knows, from −3 to 3; the longest entry counts,
    so that 好像 is not 好. m_i is −1/2 if an odd number of negations reach the word ("not good" is −1/2
    of "good", which is milder than "bad"), else the product of the intensities around it: 1.5 for each of
    "very", 太, 死了 after it, and letters or signs drawn out ("goooood", 哈哈哈, 😂😂😂), 0.5 for each of "a
    bit", 有点. c_i is 1/2 before the last "but" or 但是, else 1. A modifier reaches the next word of
    opinion in its clause over at most two words or four Chinese characters, and is used up by it. An
    emoji is never negated. A text without any known word scores 0.

    Parameters
    ----------
    text : str
        In English, Chinese or both; of any length.

    Raises
    ------
    ValueError
        If it is not a str.

    References
    ----------
    Hutto and Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media
    Text, ICWSM 2014 (the idea of such rules; words, numbers and the last equation are our own).

    Examples
    --------
    >>> judge("not good").score, judge("very good").score
    (-0.3333333333333333, 0.6)
    >>> judge("一点都不好看！").evidence
    (Evidence(word='好看', strength=2.0, factor=-0.5, negated=True),)
    """
    pieces = [words.EMOTICONS.get(piece.lower(), piece) for piece in clean(text).split(" ")]
    found: list[Evidence] = []
    n_before_but = 0
    for clause in BREAK.split(" ".join(pieces)):
        for part in _parts(_units(_atoms(clause))):
            if part is None:
                n_before_but = len(found)
            else:
                found += _weigh(part)
    found = [
        Evidence(e.word, e.strength, e.factor * BEFORE_BUT, e.negated) if i < n_before_but else e
        for i, e in enumerate(found)
    ]
    total = sum(e.strength * e.factor for e in found)
    return Judgement(total / (HALF + abs(total)), tuple(found))


def _weigh(units: list[Unit]) -> Iterator[Evidence]:
    """Yield what counts in a stretch of a clause without a "but"."""
    waiting: list[Unit] = []  # modifiers that no word has used up
    after = [unit.key for unit in units[1:]] + [()]
    for unit, following in zip(units, after, strict=True):
        is_modifier = unit.key in MODIFIERS
        if unit.key not in STRENGTH or (is_modifier and following in STRENGTH):  # "pretty bad", 好难看
            if is_modifier:
                waiting.append(unit)
            continue
        strength = STRENGTH[unit.key]
        if not strength:
            continue
        reaching: list[Unit] = []
        if LETTER.match(unit.key[0]):  # an emoji takes no modifier, and leaves them to the next word
            reaching, waiting = [m for m in waiting if unit.start - m.end <= GAP], []
        negated = sum(m.key in NEGATORS for m in reaching) % 2 == 1
        stronger = sum(m.key in MORE for m in reaching) + unit.drawn + (following in MORE_AFTER)
        factor = NEGATED if negated else STRONGER**stronger * WEAKER ** sum(m.key in LESS for m in reaching)
        yield Evidence(_word(unit.key), strength, factor, negated)


def _parts(units: list[Unit]) -> Iterator[list[Unit] | None]:
    """Yield the stretches of a clause, and None for each "but" between them."""
    for is_but, group in groupby(units, key=lambda unit: unit.key in CONTRAST):
        yield None if is_but else list(group)


def _units(atoms: list[Atom]) -> list[Unit]:
    """Return the longest entries that the atoms hold, from left to right."""
    ends = [0.0]
    for atom in atoms:
        ends.append(ends[-1] + atom.width)
    found, i = [], 0
    while i < len(atoms):
        for j in range(min(i + LONGEST, len(atoms)), i, -1):
            key = tuple(atom.text for atom in atoms[i:j])
            if key in KNOWN:
                found.append(Unit(key, any(atom.drawn for atom in atoms[i:j]), ends[i], ends[j]))
                break
        else:
            j = i + 1
        i = j
    return found


def _atoms(clause: str, known: frozenset[str] | None = None) -> list[Atom]:
    """Cut a clause into words, emoji and Chinese characters; what is said three times in a row is drawn out."""
    pieces: list[str] = []
    for token in tokens(clause, "en"):
        word = SKIN.sub("", token.lstrip("#"))
        pieces += HAN.findall(word) if HAN.search(word) else [word.replace("n't", "nt")]  # many write "dont"
    atoms = []
    for piece, run in groupby(pieces):
        n = len(list(run))
        if HAN.match(piece):  # 哈哈 is a word, 哈 is none
            atoms += [Atom(piece, n > 2, 0.5)] * min(n, 2)
        else:
            atoms.append(_shortened(piece, n > 2, ATOMS if known is None else known))
    return atoms


def _shortened(word: str, drawn: bool, known: frozenset[str]) -> Atom:
    """Return the word of the lexicon that was drawn out, if it is one: "sooo" is "so", "66666" is "666"."""
    if DRAWN_OUT.search(word):
        for n in (3, 2, 1):
            shorter = DRAWN_OUT.sub(lambda match, n=n: match[1] * n, word)
            if shorter in known:
                return Atom(shorter, True, 1.0)
    return Atom(word, drawn, 1.0)


def _word(key: tuple[str, ...]) -> str:
    return "".join(key) if HAN.match(key[0]) else " ".join(key)


def _key(entry: str) -> tuple[str, ...]:
    return tuple(atom.text for atom in _atoms(entry.replace("_", " "), frozenset()))


def _keys(entries: str) -> frozenset[tuple[str, ...]]:
    return frozenset(_key(entry) for entry in entries.split())


STRENGTH: dict[tuple[str, ...], float] = (
    dict.fromkeys(_keys(words.NO_OPINION), 0.0)
    | {key: float(strength) for strength, entries in words.PRAISE.items() for key in _keys(entries)}
    | {key: -float(strength) for strength, entries in words.BLAME.items() for key in _keys(entries)}
)
NEGATORS, MORE, LESS = _keys(words.NEGATORS), _keys(words.STRONGER), _keys(words.WEAKER)
MORE_AFTER, CONTRAST = _keys(words.STRONGER_AFTER), _keys(words.CONTRAST)
MODIFIERS = NEGATORS | MORE | LESS
KNOWN = frozenset(STRENGTH) | MODIFIERS | MORE_AFTER | CONTRAST
ATOMS = frozenset(text for key in KNOWN for text in key)
LONGEST = max(map(len, KNOWN))
