"""The form of the files, and a reader that meets them half written."""

import json
import zlib

import pytest

from avrec_lib.behaviour.collector import Collector
from avrec_lib.behaviour.event_log import EventLogError, Reader, decode, encode
from avrec_lib.behaviour.events import Event


def event(number, text="😂 好看"):
    return Event(f"e{number}", "s1", "v1", "c1", "comment", 1_790_000_000 + number, 1, device="ios", text=text)


@pytest.fixture
def log(tmp_path):
    """Five events in records of one, one, one and two, each in a segment of its own."""
    with Collector(tmp_path / "log", segment_bytes=1) as collector:
        for number in range(3):
            collector.append(event(number))
        collector.append_many([event(3), event(4)])
    return tmp_path / "log"


def files(log):
    return sorted(log.glob("events-*.log"))


def test_a_record_is_a_checksum_and_a_json_list_on_one_line():
    record = encode([Event("e1", "s1", None, None, "search", 5, text="line\nbreak\u2028猫")])
    assert record.count(b"\n") == 1
    assert record.endswith(b"\n")
    body = record[9:-1]
    assert record[:9] == f"{zlib.crc32(body):08x} ".encode()
    assert json.loads(body) == [
        {"event_id": "e1", "session_id": "s1", "action": "search", "timestamp": 5, "text": "line\nbreak\u2028猫"}
    ]
    assert decode(record) == [Event("e1", "s1", None, None, "search", 5, text="line\nbreak\u2028猫")]


def test_no_begin_of_a_record_is_whole():
    record = encode([event(1)])
    assert [decode(record[:cut]) for cut in range(len(record))] == [None] * len(record)


def test_no_record_with_a_changed_byte_is_whole():
    record = encode([event(1)])
    for place in range(len(record)):
        assert decode(record[:place] + bytes([record[place] ^ 1]) + record[place + 1 :]) is None


def test_a_reader_streams_the_events_in_order(log):
    assert len(files(log)) == 4
    assert list(Reader(log)) == [event(number) for number in range(5)]
    assert next(iter(Reader(str(log)))) == event(0)


def test_a_reader_goes_on_where_it_was(log):
    reader = Reader(log)
    assert len(list(reader)) == 5
    assert list(reader) == []
    with Collector(log, segment_bytes=1) as collector:
        collector.append(event(5))
        assert list(reader) == [event(5)]
        collector.append(event(6))
        collector.append(event(7))
    assert list(Reader(log, reader.position)) == [event(6), event(7)]


def test_a_position_is_the_end_of_the_last_record_that_was_read_whole(log):
    reader = Reader(log)
    stream = iter(reader)
    for _ in range(4):
        last = next(stream)
    assert last == event(3)  # the first of two that were appended together
    assert list(Reader(log, reader.position)) == [event(3), event(4)]


def test_a_record_that_is_being_written_is_left_for_later(log):
    reader, record = Reader(log), encode([event(5)])
    last = files(log)[-1]
    before = last.read_bytes()
    for cut in range(len(record)):
        last.write_bytes(before + record[:cut])
        assert len(list(reader)) == (5 if cut == 0 else 0)
    last.write_bytes(before + record)
    assert list(reader) == [event(5)]


def test_a_record_that_is_finished_between_two_looks_is_no_corruption(log, monkeypatch):
    """The reader sees half a line; before it looks for more, the writer has written the rest and another record."""
    last, more = files(log)[-1], encode([event(5)])
    with last.open("ab", buffering=0) as file:
        file.write(more[:20])
        original = decode

        def slow(line):
            events = original(line)
            if events is None:
                file.write(more[20:] + encode([event(6)]))
            return events

        monkeypatch.setattr("avrec_lib.behaviour.event_log.decode", slow)
        reader = Reader(log)
        assert len(list(reader)) == 5
        assert list(reader) == [event(5), event(6)]


def test_old_segments_can_be_deleted(log):
    reader = Reader(log)
    next(iter(reader))
    files(log)[0].unlink()
    assert list(Reader(log)) == [event(number) for number in range(1, 5)]
    with pytest.raises(EventLogError, match=r"has no segment 0 any more; read from \(0, 0\)"):
        list(Reader(log, (0, 10)))


def test_a_missing_segment_in_the_middle_is_named(log):
    files(log)[1].unlink()
    for use in (Collector, lambda folder: list(Reader(folder))):
        with pytest.raises(EventLogError, match=r"events-00000001\.log is missing from .*; put it back from a copy"):
            use(log)


def test_a_changed_byte_anywhere_before_the_last_record_is_refused_with_its_place(tmp_path):
    with Collector(tmp_path) as collector:
        for number in range(3):
            collector.append(event(number, text=None))
    path = files(tmp_path)[0]
    content = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
    for place in range(ends[1]):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        begin = 0 if place < ends[0] else ends[0]
        message = f"{path.name} is corrupt: the record at byte {begin} is not whole, and it is not the last one"
        with pytest.raises(EventLogError, match=message):
            list(Reader(tmp_path))
        if place % 25 == 0 or place + 1 in ends:
            with pytest.raises(EventLogError, match=message):
                Collector(tmp_path)


def test_a_lost_line_end_before_an_unfinished_record_is_corruption(tmp_path):
    """Two records seem to be one: the second is unfinished, but the first had been acknowledged."""
    with Collector(tmp_path) as collector:
        collector.append(event(0))
    path, more = files(tmp_path)[0], encode([event(1)])
    content = path.read_bytes()
    path.write_bytes(content + more[:-5])
    assert list(Reader(tmp_path)) == [event(0)]
    path.write_bytes(content[:-1] + b"?" + more[:-5])
    with pytest.raises(EventLogError, match="is corrupt: the record at byte 0 is not whole"):
        list(Reader(tmp_path))


def test_a_lost_line_end_before_the_last_record_is_corruption_even_if_more_was_lost(tmp_path):
    """Of the two records that seem to be one only the last is whole: the one before it had been acknowledged."""
    with Collector(tmp_path) as collector:
        collector.append(event(0))
    path, more = files(tmp_path)[0], encode([event(1)])
    path.write_bytes(path.read_bytes()[:-2] + b"??" + more)
    with pytest.raises(EventLogError, match="is corrupt: the record at byte 0 is not whole"):
        list(Reader(tmp_path))


def test_a_text_that_looks_like_a_record_is_none(tmp_path):
    with Collector(tmp_path) as collector:
        collector.append(event(0))
    body = b'[]"}]'
    sly = event(1, text=f"{zlib.crc32(body):08x} []")
    with files(tmp_path)[0].open("ab") as file:
        file.write(b"?" + encode([sly])[1:])
    assert list(Reader(tmp_path)) == [event(0)]


def test_an_unfinished_record_in_a_segment_that_is_not_the_last_is_corruption(log):
    path = files(log)[0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EventLogError, match=r"events-00000000\.log is corrupt: the record at byte \d+ is not whole"):
        list(Reader(log))


def test_events_of_a_later_version_are_refused_with_their_place(log):
    body = b'[{"event_id":"e9","colour":"red"}]'
    with files(log)[-1].open("ab") as file:
        file.write(b"%08x %b\n" % (zlib.crc32(body), body))
    with pytest.raises(
        EventLogError, match=r"at byte \d+ is whole, but holds no events that are known here .*'colour'"
    ):
        list(Reader(log))


def test_there_must_be_a_log(tmp_path):
    (tmp_path / "other.log").write_text("not ours")
    with pytest.raises(EventLogError, match=r"there is no log of events in .*; check the path"):
        list(Reader(tmp_path))
