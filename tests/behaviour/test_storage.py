"""Days on disk, whole or not at all; and the same features from DuckDB and from a real Spark."""

import ibis
import pandas as pd
import pyarrow.parquet as pq
import pytest

from avrec_lib.behaviour import storage
from avrec_lib.behaviour.events import COLUMNS, Event, to_frame
from avrec_lib.behaviour.features import rhythm, user_features
from avrec_lib.behaviour.item_features import item_features
from avrec_lib.behaviour.sessions import session_table, sessionise
from avrec_lib.behaviour.storage import duckdb, no_spark, read_days, spark, write_days

T, D = 1_790_812_800, 86_400


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_log_comes_back_as_it_was_in_order_of_time(clips_log, tmp_path):
    days = write_days(clips_log, tmp_path / "log")
    found = read_days(tmp_path / "log").order_by("timestamp", "event_id").to_pandas()
    expected = clips_log.sort_values(["timestamp", "event_id"], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)
    assert days == sorted(pd.to_datetime(expected["timestamp"], unit="s").dt.strftime("%Y-%m-%d").unique())


def test_each_day_is_one_file_that_holds_that_day_in_utc(ten, tmp_path):
    midnight = to_frame([Event(f"m{k}", "s", "ann", "c1", "like", T + D + k) for k in (-1, 0)])
    assert write_days(pd.concat([ten, midnight]).sample(frac=1, random_state=0), tmp_path) == [
        "2026-10-01", "2026-10-02", "2026-10-03",
    ]  # fmt: skip
    assert files(tmp_path) == [f"day=2026-10-0{k}/events.parquet" for k in (1, 2, 3)]
    first, second = (pq.read_table(tmp_path / name, partitioning=None) for name in files(tmp_path)[:2])
    assert first["event_id"].to_pylist() == ["e9", "e10", "e1", "e2", "e3", "e4", "e5", "m-1"]
    assert second["event_id"].to_pylist() == ["m0"]
    assert first.schema.names == list(COLUMNS)
    assert first.schema.field("text").type == "string"
    assert first["position"].null_count == 1


def test_writing_a_day_again_replaces_it_and_leaves_the_others(ten, tmp_path):
    write_days(ten, tmp_path)
    write_days(ten, tmp_path)
    assert read_days(tmp_path).count().execute() == 10
    assert write_days(ten.iloc[[0]].assign(event_id="new"), tmp_path) == ["2026-10-01"]
    assert sorted(read_days(tmp_path).event_id.execute()) == ["e6", "e7", "e8", "new"]


def test_only_the_days_that_were_asked_for_are_there(ten, tmp_path):
    write_days(ten, str(tmp_path))
    for first, last, expected in (
        (None, "2026-10-01", 7),
        ("2026-10-02", None, 3),
        ("2026-10-03", "2026-10-03", 3),
        ("2026-10-01", "2026-10-03", 10),
        ("2026-10-02", "2026-10-02", 0),
    ):
        assert read_days(str(tmp_path), first=first, last=last).count().execute() == expected


def test_an_ibis_table_and_further_columns_can_be_written(ten, tmp_path):
    write_days(ibis.memtable(ten).mutate(session=1), tmp_path)
    assert tuple(read_days(tmp_path, duckdb()).columns) == COLUMNS


def test_a_write_that_fails_changes_nothing(ten, tmp_path, monkeypatch):
    write_days(ten.iloc[:5], tmp_path)
    before = files(tmp_path)
    written = []

    def full(table, path, **options):
        if written:
            raise OSError("no space left")
        written.append(path)
        path.write_bytes(b"half")

    monkeypatch.setattr(storage.pq, "write_table", full)
    with pytest.raises(OSError, match="no space left"):
        write_days(ten, tmp_path)
    assert files(tmp_path) == before == ["day=2026-10-01/events.parquet"]
    assert [path.name for path in tmp_path.iterdir()] == ["day=2026-10-01"]
    assert read_days(tmp_path).count().execute() == 5


def test_an_unfinished_file_is_not_read(ten, tmp_path):
    write_days(ten, tmp_path)
    (tmp_path / "day=2026-10-01" / storage.PART).write_bytes(b"half")
    assert read_days(tmp_path).count().execute() == 10


def test_an_event_without_a_time_belongs_to_no_day(ten, tmp_path):
    ten["timestamp"] = ten["timestamp"].astype("float64").where(ten["event_id"] != "e3")
    with pytest.raises(ValueError, match="no timestamp, so they belong to no day"):
        write_days(ten, tmp_path)
    assert files(tmp_path) == []


def test_what_is_no_log_is_refused(ten, tmp_path):
    with pytest.raises(ValueError, match="no column 'device'"):
        write_days(ten.drop(columns="device"), tmp_path)
    with pytest.raises(ValueError, match=r"there are no days of events in .*nowhere"):
        read_days(tmp_path / "nowhere")
    write_days(ten, tmp_path)
    with pytest.raises(ValueError, match="a day is written like '2026-10-01', not '1 October'"):
        read_days(tmp_path, first="1 October")


def test_no_events_are_no_days(ten, tmp_path):
    assert write_days(ten.iloc[:0], tmp_path) == []
    assert files(tmp_path) == []


def test_duckdb_keeps_to_its_threads_and_memory():
    con = duckdb(threads=1, memory="500MB")
    found = con.raw_sql("SELECT current_setting('threads'), current_setting('memory_limit')").fetchone()
    assert found == (1, "476.8 MiB")


def test_spark_says_what_it_lacks(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "pyspark", type(storage)("pyspark"))
    assert no_spark() == "Spark needs Java 17 or 21, and none was found; install one, or set JAVA_HOME."
    monkeypatch.setitem(__import__("sys").modules, "pyspark", None)
    with pytest.raises(RuntimeError, match=r"Spark needs pyspark; pip install 'avrec-lib\[spark\]'"):
        spark()


def test_spark_gives_the_features_of_duckdb(spark_here, clips_log, clips_items, tmp_path, same):
    some = clips_log[clips_log["user_id"].isin(clips_log["user_id"].unique()[:50])].iloc[:2500]
    nobody = some.assign(user_id=some["user_id"].where(some.index % 50 > 0))
    write_days(nobody, tmp_path)
    now = int(nobody["timestamp"].max()) - D + 0.25  # Spark reads broken numbers as decimals
    odd = {"gap": 1800.5, "window_days": 0.7, "half_life_days": 1.3, "utc_offset_hours": 5.5}
    both = [read_days(tmp_path, con, first="2026-10-02") for con in (spark_here, duckdb())]
    assert both[0].schema() == both[1].schema()
    items = ibis.memtable(clips_items)
    for keys, question in (
        (1, lambda table: user_features(table, now=now, items=items, **odd)),
        (1, lambda table: item_features(table, now=now, items=items, prior=2.5)),
        (2, lambda table: session_table(table)),
        (3, lambda table: rhythm(table, now=now)),
        (1, lambda table: sessionise(table).select("event_id", "idle", "session")),
    ):
        found, expected = (question(table).to_pandas() for table in both)
        assert len(expected) > 20
        same(found, expected, by=keys)
