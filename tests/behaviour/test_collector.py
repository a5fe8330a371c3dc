"""What a collector has acknowledged is there after a crash, once, whenever the crash came."""

import errno
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from io import FileIO

import pytest

from avrec_lib.behaviour import collector as module
from avrec_lib.behaviour.collector import Collector
from avrec_lib.behaviour.event_log import EventLogError, Reader, encode
from avrec_lib.behaviour.events import Event

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def event(number):
    return Event(f"e{number}", "s1", "v1", "c1", "comment", 1_790_000_000 + number, 1, device="ios", text="好看")


def stored(folder):
    return [e.event_id for e in Reader(folder)]


def ids(n):
    return [f"e{number}" for number in range(n)]


def test_appended_events_are_read_again_in_order(tmp_path):
    with Collector(tmp_path / "new" / "log") as collector:
        collector.append(event(0))
        collector.append_many(event(number) for number in (1, 2))
        assert collector.n_events == 3
    assert list(Reader(tmp_path / "new" / "log")) == [event(0), event(1), event(2)]


def test_an_event_that_is_sent_twice_is_stored_once(tmp_path):
    with Collector(tmp_path) as collector:
        collector.append(event(0))
        collector.append(event(0))
        collector.append_many([event(1), event(1), event(0)])
        assert (collector.n_events, collector.n_repeated) == (2, 3)
    with Collector(tmp_path) as again:
        again.append(event(1))
        assert (again.n_events, again.n_repeated) == (2, 1)
    assert stored(tmp_path) == ids(2)


def test_append_returns_after_write_and_fsync_in_this_order(tmp_path, monkeypatch):
    calls = []
    with Collector(tmp_path) as collector:
        fsync, write = os.fsync, module._write
        monkeypatch.setattr(os, "fsync", lambda handle: (fsync(handle), calls.append("fsync")))
        monkeypatch.setattr(module, "_write", lambda file, record: (write(file, record), calls.append("write")))
        collector.append(event(0))
        assert calls == ["write", "fsync"]
        collector.append_many([event(number) for number in range(1, 100)])
        assert calls == ["write", "fsync"] * 2
        collector.append(event(5))  # there already: nothing to do
        assert calls == ["write", "fsync"] * 2
    assert stored(tmp_path) == ids(100)


def test_a_new_segment_begins_when_the_last_has_its_size(tmp_path):
    size = len(encode([event(0)]))
    with Collector(tmp_path, segment_bytes=2 * size) as collector:
        for number in range(7):
            collector.append(event(number))
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("events-*.log"))]
    assert sizes == [2 * size] * 3 + [size]
    assert stored(tmp_path) == ids(7)
    with Collector(tmp_path, segment_bytes=2 * size) as again:
        again.append(event(7))
    assert len(list(tmp_path.glob("events-*.log"))) == 4


@pytest.mark.parametrize("batch", [False, True])
def test_a_log_cut_off_at_any_byte_holds_every_acknowledged_event_once(tmp_path, monkeypatch, batch):
    """What the disk keeps of a file when the power fails: any begin that holds all that fsync has waited for."""
    parts = [[event(0)], [event(1), event(2)], [event(3)]] if batch else [[event(number)] for number in range(3)]
    records = [encode(part) for part in parts]
    ends = [sum(map(len, records[: i + 1])) for i in range(len(records))]
    content, path = b"".join(records), tmp_path / "events-00000000.log"
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # hundreds of them take their time; nothing fails here
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        acknowledged = [e for part, end in zip(parts, ends, strict=True) if end <= cut for e in part]
        n_torn = cut - max([0, *(end for end in ends if end <= cut)])
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with Collector(tmp_path) as collector:
                assert list(Reader(tmp_path)) == acknowledged
                for part in parts:  # the sender got no answer, and sends all of it again
                    collector.append_many(part)
        assert list(Reader(tmp_path)) == [e for part in parts for e in part]
        assert path.read_bytes() == content
        assert [f"{n_torn} bytes from byte {cut - n_torn} on" in str(w.message) for w in told] == [True] * (n_torn > 0)
        kept = list(tmp_path.glob("*.torn"))
        assert [file.read_bytes() for file in kept] == [content[cut - n_torn : cut]] * (n_torn > 0)
        for file in kept:
            file.unlink()


@pytest.mark.parametrize("rest", [b"\0" * 5000, b"1234", b"deadbeef [{}]\n", b"\n", "好看"[:1].encode()[:2]])
def test_other_rubbish_at_the_end_is_taken_out_too(tmp_path, rest):
    """Some file systems leave zeros, or parts in another order."""
    with Collector(tmp_path) as collector:
        collector.append(event(0))
    with (tmp_path / "events-00000000.log").open("ab") as file:
        file.write(rest)
    with pytest.warns(UserWarning, match="ended in a record that is not whole"):
        collector = Collector(tmp_path)
    collector.append(event(1))
    collector.close()
    assert stored(tmp_path) == ids(2)


def test_a_crash_that_left_an_empty_new_segment_does_no_harm(tmp_path):
    with Collector(tmp_path, segment_bytes=1) as collector:
        collector.append(event(0))
    (tmp_path / "events-00000001.log").touch()
    with Collector(tmp_path, segment_bytes=1) as collector:
        collector.append(event(1))
    assert stored(tmp_path) == ids(2)
    assert sorted(path.name for path in tmp_path.glob("*.log")) == ["events-00000000.log", "events-00000001.log"]


@posix
@pytest.mark.parametrize("slow_disk", [False, True])
def test_a_writer_killed_at_random_moments_loses_nothing_it_acknowledged(tmp_path, monkeypatch, slow_disk):
    """Forty writers, one after the other, each killed without warning; a slow disk takes the bytes little by little."""
    if slow_disk:

        def dribble(file, record):
            for i in range(0, len(record), 8):
                file.write(record[i : i + 8])
                time.sleep(1e-4)

        monkeypatch.setattr(module, "_write", dribble)
    rng, acknowledged, n_torn = random.Random(slow_disk), 0, 0
    for _ in range(40):
        out, into = os.pipe()
        child = os.fork()
        if child == 0:  # writes on where the last one was killed, and tells each event that append returned for
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    writer = Collector(tmp_path, segment_bytes=2000)
                number = acknowledged
                while True:
                    writer.append(event(number))
                    os.write(into, b".")
                    number += 1
            finally:
                os._exit(1)
        os.close(into)
        answered = select.select([out], [], [], 60)[0]
        time.sleep(rng.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert answered
        with os.fdopen(out, "rb") as answers:
            acknowledged += len(answers.read())
        found = stored(tmp_path)
        assert found == ids(len(found))  # each once, in order
        assert len(found) - acknowledged in (0, 1)  # the last may have been written, but not yet answered for
        n_torn = len(list(tmp_path.glob("*.torn")))
    assert acknowledged >= 40
    assert n_torn > 0 or not slow_disk


def test_a_second_writer_is_refused_until_the_first_has_closed(tmp_path):
    first = Collector(tmp_path)
    with pytest.raises(EventLogError, match=r"another collector has .* open; close it, or append through it"):
        Collector(tmp_path)
    first.append(event(0))
    first.close()
    first.close()
    with Collector(tmp_path) as second:
        second.append(event(1))
    assert stored(tmp_path) == ids(2)


def test_a_writer_in_another_process_is_refused_and_a_killed_one_is_not_waited_for(tmp_path):
    code = (
        "import sys; from avrec_lib.behaviour.collector import Collector; c = Collector(sys.argv[1]); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(EventLogError, match="another collector has"):
            Collector(tmp_path)
        other.kill()
    Collector(tmp_path).close()


def test_threads_can_share_a_collector(tmp_path):
    with Collector(tmp_path) as collector:
        threads = [
            threading.Thread(target=lambda k=k: [collector.append(event(number)) for number in range(k, 60, 3)])
            for k in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(stored(tmp_path)) == sorted(ids(60))


def test_a_reader_sees_each_event_once_while_a_writer_writes(tmp_path):
    seen, done = [], threading.Event()
    with Collector(tmp_path, segment_bytes=1000) as collector:
        collector.append(event(0))

        def follow():
            reader = Reader(tmp_path)
            while not done.is_set():
                seen.extend(e.event_id for e in reader)
            seen.extend(e.event_id for e in reader)

        thread = threading.Thread(target=follow)
        thread.start()
        for number in range(1, 200):
            collector.append(event(number))
        done.set()
        thread.join()
    assert seen == ids(200)


@pytest.mark.parametrize("fault", ["write", "half a write", "fsync", "new segment"])
def test_a_disk_that_refuses_leaves_the_log_as_it_was(tmp_path, monkeypatch, fault):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def half(file, record):
        file.write(record[: len(record) // 2])
        refuse()

    collector = Collector(tmp_path, segment_bytes=1)
    collector.append(event(0))
    before = (tmp_path / "events-00000000.log").read_bytes()
    with monkeypatch.context() as patch:
        if fault == "new segment":
            patch.setattr(module, "FileIO", refuse)
        elif fault == "fsync":
            fsync = os.fsync
            calls = iter([fsync, fsync, refuse])  # of the new segment, of its folder, of the record
            patch.setattr(os, "fsync", lambda handle: next(calls)(handle))
        else:
            patch.setattr(module, "_write", {"write": refuse, "half a write": half}[fault])
        with pytest.raises(
            EventLogError, match=r"could not be written \(No space left on device\), nothing was stored"
        ):
            collector.append_many([event(1), event(2)])
    assert stored(tmp_path) == ["e0"]
    assert (tmp_path / "events-00000000.log").read_bytes() == before
    with pytest.raises(EventLogError, match="is closed; open it again"):
        collector.append(event(1))
    with Collector(tmp_path) as again:
        again.append_many([event(1), event(2)])
    assert stored(tmp_path) == ids(3)


def test_an_interrupt_while_writing_leaves_the_log_as_it_was(tmp_path, monkeypatch):
    def interrupt(file, record):
        file.write(record)
        raise KeyboardInterrupt

    collector = Collector(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            collector.append(event(0))
    with Collector(tmp_path) as again:
        assert again.n_events == 0


def test_a_write_that_takes_only_a_part_is_continued(tmp_path):
    class Narrow(FileIO):
        def write(self, data):
            return super().write(bytes(data)[:7])

    with Narrow(tmp_path / "file", "w") as file:
        module._write(file, b"a record of many bytes")
    assert (tmp_path / "file").read_bytes() == b"a record of many bytes"


def test_what_is_no_event_is_refused_and_nothing_of_the_batch_is_stored(tmp_path):
    with Collector(tmp_path) as collector:
        with pytest.raises(ValueError, match="a collector stores an Event, not dict; see to_events"):
            collector.append_many([event(0), {"event_id": "e1"}])
        assert collector.n_events == 0
        collector.append(event(0))
    assert stored(tmp_path) == ["e0"]


def test_a_corrupt_log_is_not_opened_and_not_locked(tmp_path):
    path = tmp_path / "events-00000000.log"
    path.write_bytes(b"rubbish\n" + encode([event(0)]))
    for _ in range(2):  # the second time: refused for the same reason, not for a lock
        with pytest.raises(EventLogError, match="is corrupt: the record at byte 0 is not whole"):
            Collector(tmp_path)
    path.write_bytes(encode([event(0)]))
    Collector(tmp_path).close()


def test_a_folder_that_cannot_be_one_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EventLogError, match=r"cannot be used \(.*\); choose a folder to write in"):
        Collector(tmp_path / "file")
    with pytest.raises(ValueError, match="segment_bytes must be at least 1, not 0"):
        Collector(tmp_path, segment_bytes=0)


def test_on_a_system_that_cannot_open_folders_nothing_is_tried(monkeypatch):
    monkeypatch.setattr(module.os, "name", "nt")
    module._sync_folder("no such folder")
