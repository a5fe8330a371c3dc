"""The one writer of a log of events: what it has acknowledged survives a crash at any byte.

Section 4.1. It writes ahead and answers after: a record goes to the end of the file, `fsync` waits
until the disk has it, and only then does `append` return. `event_log` has the form of the files.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from avrec_lib.behaviour.event_log import EventLogError, encode, records, segments
from avrec_lib.behaviour.events import Event

SEGMENT_BYTES = 2**26


class Collector:
    """The one writer of a log: `append` returns when the event is on the disk.

    Opening a log again reads it whole, forgets an unfinished last record (a warning tells, and the
    bytes are kept in a `.torn` file beside the segment) and remembers all event ids, in about 100
    bytes an id. So a sender that got no answer sends its event again, and it is stored once: of
    two events with one id the first stays.

    Parameters
    ----------
    folder : Path or str
        The log; made if it is not there.
    segment_bytes : int
        A segment that has reached this size is followed by a new one. Old segments can then be
        copied or deleted (from the first on) while the log is in use.

    Attributes
    ----------
    n_repeated : int
        How many were not stored since opening because their event_id was there already.

    Raises
    ------
    ValueError
        If segment_bytes is less than 1.
    EventLogError
        If another collector has the log open, a record before the last is not whole, or a segment
        between two others is missing.

    References
    ----------
    Pillai et al., All File Systems Are Not Created Equal, OSDI 2014 (what a crash leaves of a file);
    Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020.
    """

    def __init__(self, folder: Path | str, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        if segment_bytes < 1:
            raise ValueError(f"segment_bytes must be at least 1, not {segment_bytes}.")
        self.folder, self.segment_bytes = Path(folder), segment_bytes
        self.n_repeated = 0
        self._ids: set[str] = set()
        self._mutex = threading.RLock()
        self._file: FileIO | None = None
        self._lock = FileLock(self.folder / ".lock", thread_local=False)  # the system frees it when its process dies
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _sync_folder(self.folder.parent)
            self._lock.acquire(timeout=0)
            self._recover()
        except Timeout:
            raise EventLogError(f"another collector has {self.folder} open; close it, or append through it.") from None
        except BaseException as error:
            self.close()
            if not isinstance(error, OSError) or isinstance(error, EventLogError):
                raise
            reason = error.strerror or error
            raise EventLogError(f"{self.folder} cannot be used ({reason}); choose a folder to write in.") from error

    @property
    def n_events(self) -> int:
        """Return how many events the log holds."""
        return len(self._ids)

    def append(self, event: Event) -> None:
        """Store an event, unless its event_id is there already; when this returns, it is on the disk.

        Raises
        ------
        ValueError
            If it is no Event.
        EventLogError
            If the collector is closed, or the disk refuses (full, broken): then the event is not
            stored, and the collector closes; open it again when the cause is mended.
        """
        self.append_many([event])

    def append_many(self, events: Iterable[Event]) -> None:
        """Store events as one record, with one fsync: after a crash all of them are there or none.

        An fsync costs far more than the writing, so a hundred events together cost little more than
        one. Raises what `append` raises.
        """
        with self._mutex:
            if self._file is None:
                raise EventLogError(f"the collector of {self.folder} is closed; open it again.")
            fresh: dict[str, Event] = {}
            n_repeated = 0
            for event in events:
                if not isinstance(event, Event):
                    raise ValueError(f"a collector stores an Event, not {type(event).__name__}; see to_events().")
                if event.event_id in self._ids or event.event_id in fresh:
                    n_repeated += 1
                else:
                    fresh[event.event_id] = event
            if fresh:
                self._store(fresh)
            self.n_repeated += n_repeated

    def close(self) -> None:
        """Let others write into the log. Closing twice does no harm."""
        with self._mutex:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._lock.release()

    def __enter__(self) -> Collector:
        """Return the collector, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the collector."""
        self.close()

    def _store(self, events: dict[str, Event]) -> None:
        assert self._file is not None
        record = encode(events.values())
        try:
            if self._size >= self.segment_bytes:
                self._open_segment(self._number + 1)
            _write(self._file, record)
            os.fsync(self._file.fileno())
            self._size += len(record)
            self._ids.update(events)
        except BaseException as error:
            # After a failed fsync the system may take the bytes for written, and a second fsync would
            # succeed without writing them: take them out again, and trust this file no more.
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), self._size)
            self.close()
            if not isinstance(error, OSError):
                raise
            raise EventLogError(
                f"{self.folder} could not be written ({error.strerror or error}), nothing was stored and the collector "
                "is closed; mend the cause, such as a full disk, open it again and append again."
            ) from error

    def _recover(self) -> None:
        """Read all ids, cut off what a crash left unfinished, and open the last segment for writing."""
        files = segments(self.folder)
        for number, path in files.items():
            whole = 0
            for end, events in records(path, 0, is_last=number == max(files)):
                self._ids.update(event.event_id for event in events)
                whole = end
        if files and (n_torn := path.stat().st_size - whole):
            with path.open("rb") as file:
                file.seek(whole)
                path.with_name(f"{path.name}.{whole}.torn").write_bytes(file.read())
            os.truncate(path, whole)
            warnings.warn(
                f"{path.name} ended in a record that is not whole, {n_torn} bytes from byte {whole} on. A crash leaves "
                "one that was never acknowledged. It was taken out and is kept in a file that ends in .torn.",
                stacklevel=3,
            )
        self._open_segment(max(files, default=0))

    def _open_segment(self, number: int) -> None:
        """Make a segment if need be, and see to it that its name and all that it holds are on the disk."""
        file = FileIO(self.folder / f"events-{number:08d}.log", "ab")
        os.fsync(file.fileno())  # a record that was whole but not yet acknowledged must be on the disk before it counts
        _sync_folder(self.folder)
        if self._file is not None:
            self._file.close()
        self._file, self._number, self._size = file, number, os.fstat(file.fileno()).st_size


def _write(file: FileIO, record: bytes) -> None:
    rest = memoryview(record)
    while rest:
        rest = rest[file.write(rest) :]


def _sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk (a file can be there, and its name not)."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
