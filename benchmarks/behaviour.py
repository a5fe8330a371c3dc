"""A user's features from a log of n events: DuckDB and Spark by one Ibis expression, pandas and Polars by hand.

Each measurement is a process of its own on two cores, which reads the columns it needs from one Parquet file and
computes all of `avrec_lib.behaviour.features.USER_FEATURES`. `seconds` is the wall clock from the query to its
result in memory, without the imports and, for Spark, without the start of Java; `cpu_seconds` is the time that the
processors worked, which other programs on the machine change less; `peak_mib` is the resident memory of the
process at most. Both include Java. Up to a million events each engine runs three times and the median of the
last two counts, since Spark compiles in the first; above, once. All results of a size are compared with DuckDB's.

Other programs on the machine make `seconds` longer, by an amount that nobody knows. Record on a quiet one.

The clocks tell nothing about a cluster: Spark on one machine pays for what it is made for on many.

    python -m benchmarks behaviour            # four minutes on two cores that do nothing else; recorded
    python -m benchmarks.behaviour            # the same, printed only
    python -m benchmarks.behaviour 10000      # other numbers of events
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import psutil

from avrec_lib.behaviour.features import USER_FEATURES, user_features
from avrec_lib.behaviour.storage import duckdb, no_spark, spark
from avrec_lib.behaviour.synthetic import START, synthetic_items, write_synthetic_events

PACKAGES = ("ibis-framework", "duckdb", "pyarrow", "pandas", "polars", "pyspark")
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
ENGINES = {  # engine: library, what it runs, the most events that it is given here
    "DuckDB": ("avrec_lib", "Ibis on DuckDB, 2 threads, 4 GB", 10_000_000),
    "Spark": ("avrec_lib", "Ibis on Spark, local[2], 2 GB heap", 10_000_000),
    "Polars": ("polars", "lazy, streaming, 2 threads", 10_000_000),
    "pandas": ("pandas", "one thread, all in memory", 10_000_000),
}
PANDAS_BYTES = 500  # of memory an event, measured with some to spare; where there is less, its row is left out
NOW = START + 55 * 86_400  # five days of the log lie after it
LONGEST = 600  # seconds


def query(engine: str, path: Path) -> pd.DataFrame:
    """Return what one engine makes of the file, in order of user_id."""
    items = synthetic_items()
    if engine in ("DuckDB", "Spark"):
        con = duckdb() if engine == "DuckDB" else spark()
        table = user_features(con.read_parquet(str(path)), now=NOW, items=ibis.memtable(items))
        result = con.to_pandas(table)
    elif engine == "Polars":
        import polars as pl

        from benchmarks.behaviour_peers import polars_features

        lazy = polars_features(pl.scan_parquet(path), pl.from_pandas(items).lazy(), NOW)
        result = lazy.collect(engine="streaming").to_pandas()
    else:
        from benchmarks.behaviour_peers import COLUMNS, pandas_features

        result = pandas_features(pd.read_parquet(path, columns=COLUMNS), items, NOW).reset_index()
    return result.sort_values("user_id", ignore_index=True)[["user_id", *USER_FEATURES]]


def measure(engine: str, path: Path, n: int, folder: Path) -> dict[str, Any]:
    """Run one engine in a process of its own; return its seconds and peak in MiB, and leave its result in `folder`."""
    command = [sys.executable, "-m", "benchmarks.behaviour", "--one", engine, str(path), str(n), str(folder)]
    environment = os.environ | {"POLARS_MAX_THREADS": "2", "PYSPARK_PYTHON": sys.executable}
    cwd = Path(__file__).parents[1]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=LONGEST, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{engine} failed on {n:,} events: {done.stderr.strip()[-500:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def one(engine: str, path: Path, n: int, folder: Path) -> None:
    """Be the process of one measurement."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    if engine == "Spark":
        spark()
    seconds, cpu = [], []
    with peak_memory() as peak:
        for _ in range(3 if n <= 1_000_000 else 1):
            start, work = time.perf_counter(), cpu_seconds()
            result = query(engine, path)
            seconds.append(time.perf_counter() - start)
            cpu.append(cpu_seconds() - work)
    result.to_parquet(folder / f"{engine}.parquet")
    answer = {"seconds": np.median(seconds[-2:]), "cpu_seconds": np.median(cpu[-2:]), "peak_mib": peak[0] / 2**20}
    print(json.dumps(answer))


def cpu_seconds() -> float:
    """Return the processor time that this process and its children have taken so far."""
    me = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in (me, *me.children(recursive=True)))


@contextlib.contextmanager
def peak_memory(every: float = 0.02) -> Iterator[list[int]]:
    """Sample the resident bytes of this process and its children; the list's one element is their largest sum."""
    peak, over, me = [0], threading.Event(), psutil.Process()

    def watch() -> None:
        while not over.wait(every):
            total = 0
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in (me, *me.children(recursive=True)):
                    total += process.memory_info().rss
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def fits(n: int) -> bool:
    """Return whether pandas, which holds everything at once, has the memory for n events here."""
    return bool(psutil.virtual_memory().available > PANDAS_BYTES * n)


def same(result: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Stop if two tables of features differ by more than rounding."""
    pd.testing.assert_frame_equal(result, expected, check_dtype=False, rtol=1e-7, atol=1e-7)


def run(sizes: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    """Measure everything; one dict an engine and size: model, library, settings, events, seconds and so on."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in sizes:
            path = write_synthetic_events(folder / "events.parquet", n)
            for engine, (library, settings, most) in ENGINES.items():
                if n > most or (engine == "Spark" and no_spark()) or (engine == "pandas" and not fits(n)):
                    continue
                found = measure(engine, path, n, folder)
                same(pd.read_parquet(folder / f"{engine}.parquet"), pd.read_parquet(folder / "DuckDB.parquet"))
                rows.append({
                    "model": engine,
                    "library": library,
                    "settings": settings,
                    "events": n,
                    "seconds": round(found["seconds"], 3),
                    "cpu_seconds": round(found["cpu_seconds"], 3),
                    "throughput": float(f"{n / found['seconds']:.3g}"),
                    "unit": "events/s",
                    "peak_mib": round(found["peak_mib"]),
                })  # fmt: skip
    return rows


def main(arguments: list[str]) -> None:
    """Print the table; with --one, be one measurement."""
    if arguments[:1] == ["--one"]:
        engine, path, n, folder = arguments[1:]
        one(engine, Path(path), int(n), Path(folder))
    else:
        print(pd.DataFrame(run(tuple(map(int, arguments)) or SIZES)).to_string(index=False))


if __name__ == "__main__":
    main(sys.argv[1:])
