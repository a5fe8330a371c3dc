"""JSON as language models write it: read what was meant where that is certain, and say what was repaired.

Page 3.2.1. Valid JSON is read as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_DEPTH = 20
LITERALS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,300})(\.[0-9]+)?([eE][+-]?[0-9]+)?")
BARE = re.compile(r"[^\W\d]\w*")
SPACE = re.compile(r"[ \t\r\n\f\v\u00a0]*")
ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"', "'": "'"}
CONTROL = re.compile(r"[\x00-\x1f]")
DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
SINGLE = re.compile(r"'((?:[^'\\]|\\.|'(?!\s*(?:[,:\]}]|\Z)))*+)'", re.DOTALL)  # "don't" goes on


class NotJSONError(ValueError):
    """There is no JSON object in the text, or it is broken beyond what can be repaired safely."""


class _TooDeepError(NotJSONError):
    """Brackets within brackets, more than any answer needs; what is inside them is not looked at."""


class _Cut(Exception):  # noqa: N818  # no error: the text ended
    """The text ended within a value that cannot be kept."""


def find_object(text: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the first JSON object within a text, and the names of the repairs it needed.

    Repaired, for only one thing can be meant: "talk around the JSON" (a code fence, too), "trailing
    comma", "single quotes", "Python literal" (True, None), "bare key", "unclosed bracket" (the text
    was cut: what is complete is kept, half a string or number is not), "duplicate key" (the first
    stays), "line break in a string". Anything else is refused, so a repair never guesses. A "{" that
    begins no object, as in "{see below}", is passed over.

    Raises
    ------
    NotJSONError
        If there is no object, it is broken otherwise, or nested deeper than 20. Never another error.
    """
    first: NotJSONError | None = None
    start = text.find("{")
    while start >= 0:
        reader = _Reader(text, start)
        try:
            found = reader.read_object(0)
        except _TooDeepError:
            raise
        except NotJSONError as error:
            first = first or error
            start = text.find("{", max(reader.at, start + 1))  # "{see below} {...}"
            continue
        if not found and "unclosed bracket" in reader.repairs:
            break
        if text[:start].strip() or text[reader.at :].strip():
            reader.note("talk around the JSON")
        return found, tuple(reader.repairs)
    raise first or NotJSONError("there is no { with a whole value after it")


class _Reader:
    """Read values from left to right; `at` is the place, `repairs` what was repaired, each kind once."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at
        self.repairs: list[str] = []

    def note(self, repair: str) -> None:
        if repair not in self.repairs:
            self.repairs.append(repair)

    def peek(self) -> str:
        """Return the next sign that is not space, or "" at the end."""
        self.at = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # it always matches
        return self.text[self.at : self.at + 1]

    def read_value(self, depth: int) -> object:
        sign = self.peek()
        if sign == "":
            raise _Cut
        if sign == "{":
            return self.read_object(depth)
        if sign == "[":
            return self.read_array(depth)
        if sign in "\"'":
            return self.read_string(sign)
        if match := NUMBER.match(self.text, self.at):
            return self.read_number(match)
        return self.read_literal()

    def read_object(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}

        def entry() -> None:
            key = self.read_key()
            sign = self.peek()
            if sign == "":
                raise _Cut
            if sign != ":":
                raise NotJSONError(f"the key {key[:40]!r} has no colon after it")
            self.at += 1
            value = self.read_value(depth + 1)
            if key in found:
                self.note("duplicate key")
            else:
                found[key] = value

        self.read_entries("}", depth, entry)
        return found

    def read_array(self, depth: int) -> list[object]:
        found: list[object] = []
        self.read_entries("]", depth, lambda: found.append(self.read_value(depth + 1)))
        return found

    def read_entries(self, close: str, depth: int, entry: Callable[[], None]) -> None:
        """Read entries with commas between them up to the closing bracket, or to the end of a text that was cut."""
        if depth >= MAX_DEPTH:
            raise _TooDeepError(f"brackets are nested deeper than {MAX_DEPTH}")
        self.at += 1
        after_entry = after_comma = False
        try:
            while (sign := self.peek()) != close:
                if sign == "":
                    raise _Cut
                if after_entry:
                    if sign != ",":
                        raise NotJSONError(f"there is {sign!r} where a comma or {close!r} was due")
                    self.at += 1
                    after_entry, after_comma = False, True
                else:
                    entry()
                    after_entry, after_comma = True, False
            self.at += 1
            if after_comma:
                self.note("trailing comma")
        except _Cut:
            self.at = len(self.text)
            self.note("unclosed bracket")

    def read_key(self) -> str:
        sign = self.peek()
        if sign in "\"'":
            return self.read_string(sign)
        match = BARE.match(self.text, self.at)
        if match is None:
            raise NotJSONError(f"there is {sign!r} where a key was due")
        self.at = match.end()
        self.note("bare key")
        return match.group()

    def read_string(self, quote: str) -> str:
        match = (DOUBLE if quote == '"' else SINGLE).match(self.text, self.at)
        if match is None:
            raise _Cut
        self.at = match.end()
        if quote == "'":
            self.note("single quotes")
        inside = match.group(1)
        if CONTROL.search(inside):
            self.note("line break in a string")
        plain = ESCAPE.sub(_unescape, inside)
        return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")  # joins pairs

    def read_number(self, match: re.Match[str]) -> int | float:
        if match.end() == len(self.text):
            raise _Cut  # more digits may have been due
        self.at = match.end()
        return float(match.group()) if match.group(1) or match.group(2) else int(match.group())

    def read_literal(self) -> bool | None:
        match = BARE.match(self.text, self.at)
        if match is not None and match.end() == len(self.text) and match.group() not in LITERALS:
            raise _Cut
        if match is None or match.group() not in LITERALS:
            what = match.group()[:40] if match else self.text[self.at]
            raise NotJSONError(f"there is {what!r} where a value was due")
        self.at = match.end()
        if match.group()[0].isupper():
            self.note("Python literal")
        return LITERALS[match.group()]


def _unescape(match: re.Match[str]) -> str:
    sign = match.group()[1]
    if sign == "u" and len(match.group()) == 6:
        return chr(int(match.group()[2:], 16))
    if sign not in ESCAPED:
        raise NotJSONError(f"{match.group()[:4]!r} means nothing in a string")
    return ESCAPED[sign]
