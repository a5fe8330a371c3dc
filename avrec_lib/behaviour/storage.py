"""Events at rest and the engines that ask about them: Parquet by day, DuckDB on one machine, Spark past it.

Page 4.1.4. A day is a file, `day=2026-10-01/events.parquet`, written under another name and renamed when it is whole.
So a reader sees the old day or the new one, and writing a day again replaces it. That needs a file system: many
object stores copy and delete where a file system renames, and several days are not replaced at one moment on either.
"""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from avrec_lib.behaviour.clocks import DAY
from avrec_lib.behaviour.events import COLUMNS, NUMBERS
from avrec_lib.behaviour.sessions import require

SCHEMA = pa.schema([(name, pa.type_for_alias(NUMBERS.get(name, "string"))) for name in COLUMNS])
FILE, PART = "events.parquet", ".events.parquet.part"  # engines overlook names that begin with a dot
ROWS = 2**18  # of a row group: what a reader holds at once, or skips


def write_days(events: Table | pd.DataFrame, folder: Path | str) -> list[str]:
    """Write a cleaned log, one file a day (UTC), and return the days, such as "2026-10-01", in order.

    A day that `events` holds replaces that day in the folder, so pass whole days; other days stay. In a file, rows
    are in order of timestamp and event_id, which lets a reader skip what it does not ask for. The order of
    arrival is gone: clean first, because a log out of that order no longer tells which clock was wrong.

    Parameters
    ----------
    events : ibis Table of any engine, or DataFrame
        With the columns of `events.COLUMNS`; others are dropped without a word, so a new field must be added to
        that list before it is sent. One day at a time is held in memory.
    folder : Path or str
        Made if it is not there.

    Raises
    ------
    ValueError
        If a column or a timestamp is missing; nothing is written then.
    """
    table = events if isinstance(events, Table) else ibis.memtable(events)
    require(table, *COLUMNS)
    table = table.select(**{name: table[name].cast(NUMBERS.get(name, "string")) for name in COLUMNS})
    days = table.group_by(day=table.timestamp // DAY).aggregate(n=ibis._.count()).order_by("day").to_pandas()["day"]
    if days.isna().any():
        raise ValueError("some events have no timestamp, so they belong to no day; clean or drop them.")
    parts: dict[str, Path] = {}
    try:
        for number in days.astype("int64").tolist():
            of_day = table.filter(table.timestamp >= number * DAY, table.timestamp < (number + 1) * DAY)
            rows = of_day.order_by("timestamp", "event_id").to_pyarrow().cast(SCHEMA)
            day = (datetime.date(1970, 1, 1) + datetime.timedelta(days=number)).isoformat()
            parts[day] = Path(folder) / f"day={day}" / PART
            parts[day].parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(rows, parts[day], compression="zstd", row_group_size=ROWS)
        for part in parts.values():
            part.replace(part.with_name(FILE))
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
            if not any(part.parent.iterdir()):
                part.parent.rmdir()
    return list(parts)


def read_days(
    folder: Path | str, con: BaseBackend | None = None, *, first: str | None = None, last: str | None = None
) -> Table:
    """Return the stored events as an Ibis table, of which an engine reads the days and columns that a query needs.

    Parameters
    ----------
    folder : Path or str
        What `write_days` wrote.
    con : Ibis backend, optional
        `duckdb()` by default, or `spark()`.
    first, last : str, optional
        Days such as "2026-10-01", both included.

    Raises
    ------
    ValueError
        If the folder holds no days, or a day is no date.
    """
    if not any(Path(folder).glob(f"day=*/{FILE}")):
        raise ValueError(f"there are no days of events in {folder}; write_days(events, folder) makes them.")
    con = con or duckdb()
    if con.name == "duckdb":
        table = con.read_parquet(f"{folder}/day=*/{FILE}", hive_partitioning=True)
    else:
        table = con.read_parquet(folder)
    day = table.day.cast("date")
    if first is not None:
        table = table.filter(day >= _day(first))
    if last is not None:
        table = table.filter(day <= _day(last))
    return table.select(*COLUMNS)


def duckdb(threads: int = 2, memory: str = "4GB") -> BaseBackend:
    """Return a DuckDB of its own, in memory, with so many threads; past that memory it writes to a temporary folder."""
    return ibis.duckdb.connect(threads=threads, memory_limit=memory)


def spark(threads: int = 2, memory: str = "2g") -> BaseBackend:
    """Return Spark on this machine (or the session that runs already), with times in UTC.

    Raises
    ------
    RuntimeError
        If pyspark or Java is not there, in one sentence with the remedy.
    """
    if reason := no_spark():
        raise RuntimeError(reason)
    from pyspark.sql import SparkSession

    settings = {
        "spark.driver.memory": memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",  # tables from and to Python at once, not row by row
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "spark-warehouse"),  # else in the working folder
        "spark.sql.shuffle.partitions": str(threads),  # the default, 200, is for a cluster
    }
    builder = SparkSession.builder.master(f"local[{threads}]").appName("avrec")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return ibis.pyspark.connect(builder.getOrCreate())


def no_spark() -> str:
    """Return why Spark cannot run here, or "" if it can."""
    try:
        import pyspark  # noqa: F401
    except ImportError:
        return "Spark needs pyspark; pip install 'avrec-lib[spark]'."
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=str(Path(home) / "bin") if home else None) is None:
        return "Spark needs Java 17 or 21, and none was found; install one, or set JAVA_HOME."
    return ""


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"a day is written like '2026-10-01', not {text!r}.") from None
