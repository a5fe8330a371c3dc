"""The form of a log of events on disk: segments, records, and the reader that streams them.

Section 4.1. A log is a folder of segments `events-00000000.log`, `events-00000001.log`, …, each a
text file. A line is a record: the CRC-32 of the rest in eight hexadecimal digits, a space, and a
JSON list of the events that were appended together. A record is whole if the line ends and the
checksum is right, so a crash leaves all of it or none.

What a crash can leave behind is one unfinished record at the very end. Anything else that is not
whole means that the disk or somebody has changed the file, and no program can tell what was lost.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from avrec_lib.behaviour.events import COLUMNS, Event

SEGMENT = re.compile(r"events-(\d{8})\.log")
BEGIN = re.compile(rb"[0-9a-f]{8} \[")  # of a record


class EventLogError(OSError):
    """A log cannot be read or written; the message says which, where and what to do."""


class Reader:
    """Streams the events of a log in order of arrival, also while a collector writes into it.

    Each iteration goes from `position` to the last whole record of that moment; iterate again for
    what has come since. An unfinished record at the end is left for later. An event may be seen a
    moment before its sender is answered.

    Parameters
    ----------
    folder : Path or str
        A log.
    position : (int, int), optional
        Number of a segment and byte in it, as a former reader's `position` told: the end of the last
        record that it had handed out whole. (0, 0) is the beginning.

    Raises
    ------
    EventLogError
        While iterating: if there is no log, the segment of `position` is gone, or a record before the
        last is not whole.
    """

    def __init__(self, folder: Path | str, position: tuple[int, int] = (0, 0)) -> None:
        self.folder, self.position = Path(folder), position

    def __iter__(self) -> Iterator[Event]:
        """Yield the events from `position` on."""
        files = segments(self.folder)
        if not files:
            raise EventLogError(f"there is no log of events in {self.folder}; check the path.")
        if self.position == (0, 0):
            self.position = (min(files), 0)
        if self.position[0] not in files:
            raise EventLogError(f"{self.folder} has no segment {self.position[0]} any more; read from (0, 0).")
        for number in range(self.position[0], max(files) + 1):
            offset = self.position[1] if number == self.position[0] else 0
            for end, events in records(files[number], offset, is_last=number == max(files)):
                yield from events
                self.position = (number, end)


def segments(folder: Path) -> dict[int, Path]:
    """Return the segments by number, in order. Raises EventLogError if one between them is missing."""
    matches = sorted((m.group(1), path) for path in folder.glob("*.log") if (m := SEGMENT.fullmatch(path.name)))
    files = {int(number): path for number, path in matches}
    if files and (gone := set(range(min(files), max(files))) - set(files)):
        raise EventLogError(f"events-{min(gone):08d}.log is missing from {folder}; put it back from a copy.")
    return files


def records(path: Path, offset: int, *, is_last: bool) -> Iterator[tuple[int, list[Event]]]:
    """Yield each whole record from a byte on, with the byte at which it ends; stop before an unfinished last one."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            try:
                events = decode(line)
            except (TypeError, ValueError) as error:
                raise EventLogError(
                    f"{path}: the record at byte {offset} is whole, but holds no events that are known here ({error}); "
                    "read it with the version of the library that wrote it."
                ) from error
            if events is None:
                # Without its end, the line was the last one when it was read: a writer may be at it.
                if is_last and not (line.endswith(b"\n") and file.read(1)) and not _hides_a_record(line):
                    return
                raise EventLogError(
                    f"{path} is corrupt: the record at byte {offset} is not whole, and it is not the last one. "
                    f"Put the file back from a copy; everything before byte {offset} is right."
                )
            offset += len(line)
            yield offset, events


def encode(events: Iterable[Event]) -> bytes:
    """Return the record of some events: one line."""
    known = [{name: v for name in COLUMNS if (v := getattr(event, name)) is not None} for event in events]
    body = json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(body), body)


def decode(line: bytes) -> list[Event] | None:
    """Return the events of a record, or None if it is not whole."""
    body = line[9:-1]
    if line[-1:] != b"\n" or line[:9] != b"%08x " % zlib.crc32(body):
        return None
    return [Event(**{**dict.fromkeys(COLUMNS), **record}) for record in json.loads(body)]


def _hides_a_record(line: bytes) -> bool:
    """Tell whether a line that is not whole was two records once, of which one is: the end between them was lost."""

    def is_whole(part: bytes) -> bool:
        try:
            return bool(decode(part))
        except (TypeError, ValueError):
            return False

    seams = [match.start() for match in BEGIN.finditer(line, 1)]
    return any(is_whole(line[: seam - 1] + b"\n") or is_whole(line[seam:]) for seam in seams)
