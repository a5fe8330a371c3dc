"""What a model costs as a service grows: fit, memory and scoring against interactions, users and items.

The interactions are made up (`made_up`); their quality as data does not matter here, their shape does. Three sweeps:

interactions  10,000 to 10 million rows, as a service grows: 100 rows a user, and a catalogue that grows with the
              square root of the rows, 1,000 items at first and 31,623 at last
users         1,000 to 100,000 users with 20 rows each, 2,000 items
items         500 to 50,000 items; 100,000 rows of 2,000 users

Each measurement is a process of its own on two cores, with two threads (one for torch). What is compiled on first
use is warmed on a tiny table before. The table is in memory before the clock starts (for Spark: in Spark's memory,
its Java started). `fit_seconds` is the time that the processors worked, all threads together (for Spark with those
of Java), `fit_wall` that of the clock, both the median of up to five fits if one takes less than 0.3 s; `fit_mib`
the resident memory that the fit added at most, `table_mib` what the table itself needs. `score_ms` is the processors'
time to score all items for one user when a thousand are asked for at once; Spark's includes choosing the ten best.
`work` is the number of multiplications that theory counts (`THEORY`), so that a measured exponent has one to stand
beside at the same sizes: `avrec_lib.evaluation.growth.exponents` of both.

The networks and FPMC are measured for one epoch, the three ALS for five iterations; more cost in proportion. A
model stops at the size that takes longer than `longest_of` allows or more memory than `MOST`, or that would, judging
by its last two sizes; that row says so in `stopped` and has no numbers. Peers are measured against interactions
only, Spark at fewer sizes, as each time Java has to start and to compile.

    python -m benchmarks costs                    # recorded; about ten minutes on two cores that do nothing else
    python -m benchmarks.costs --most 100000      # up to so many rows, printed only; a few minutes
    python -m benchmarks.costs --only EASE "Spark ALS" --sweep interactions
    python -m benchmarks.costs --record           # the same as the first

What is measured is kept in _build/costs until the code changes: a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import math
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import scipy.sparse as sp
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from avrec_lib.data import Interactions

PACKAGES = ("numpy", "scipy", "numba", "torch", "implicit", "pyspark")
THREADS = min(2, int(os.environ.get("NUMBA_NUM_THREADS", "2")))
LONGEST_OF_OTHERS = 25.0  # processor seconds that a fit may take: other programs change them less than the clock's
LONGEST = {"Spark ALS": 250.0, "EASE": 60.0, "ImplicitALS": 60.0, "AlternatingLeastSquares": 60.0}
MOST = 10 * 1024  # MiB that a process, with Java, may have
FACTORS, ITERATIONS = 32, 5
BATCH = 1000  # users scored at once
HANGS = 900  # seconds of the clock after which something is wrong
SHORT = 0.3  # seconds; below, the median of five counts
ROOT = Path(__file__).parents[1]
PRELOADED = ["avrec_lib.recommenders.sequential", "avrec_lib.recommenders.two_tower.model", "implicit.als"]
SETTINGS = {name: str(THREADS) for name in ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
SETTINGS |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # torch: its steps are too small to be shared
SETTINGS |= {"CUDA_VISIBLE_DEVICES": "", "PYSPARK_PYTHON": sys.executable}


@dataclass(frozen=True)
class Size:
    """One point of a sweep."""

    sweep: str
    rows: int
    users: int
    items: int

    def __str__(self) -> str:
        """Return what a file of this size is called."""
        return f"{self.sweep}-{self.rows}-{self.users}-{self.items}"


SIZES = [
    *(
        Size("interactions", rows, rows // 100, round(10 * math.sqrt(rows)))
        for rows in (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
    ),
    *(Size("users", 20 * users, users, 2000) for users in (1000, 3000, 10_000, 30_000, 100_000)),
    *(Size("items", 100_000, 2000, items) for items in (500, 1000, 2000, 4000, 8000, 16_000, 50_000)),
]
AXIS = {"interactions": "rows", "users": "users", "items": "items"}


def made_up(rows: int, users: int, items: int, seed: int = 0) -> Interactions:
    """Return a table of so many different (user, item) pairs, in the order of time.

    How active a user is, is log-normal (σ = 0.7). Item i of its group has the weight (i + 1)^−0.8. There are ten
    groups of users and ten of items: half of what a user meets is from the group of that number, the other half
    from everything. A pair is kept once, and pairs are drawn until there are enough. Times are uniform over ninety
    days: what a model costs does not depend on what follows what.

    Raises
    ------
    ValueError
        If the rows would fill more than a third of all pairs: drawing them would take long.
    """
    if 3 * rows > users * items:
        raise ValueError(f"{rows} rows fill more than a third of {users} × {items} pairs; take more items or users.")
    rng = np.random.default_rng(seed)
    active = np.cumsum(rng.lognormal(0, 0.7, users))
    popular = np.cumsum((np.arange(items) // 10 + 1.0) ** -0.8)  # item i is number i // 10 of group i % 10
    pairs = np.empty(0, dtype=np.int64)
    while len(pairs) < rows:
        n = int(1.2 * (rows - len(pairs))) + 100
        u = np.searchsorted(active, rng.random(n) * active[-1])
        i = np.searchsorted(popular, rng.random(n) * popular[-1])
        own = rng.random(n) < 0.5
        i[own] = np.minimum(i[own] - i[own] % 10 + u[own] % 10, items - 1)
        pairs = np.union1d(pairs, u * items + i)
    u, i = np.divmod(rng.permutation(pairs)[:rows], items)
    times = np.sort(1_700_000_000 + rng.integers(90 * 86_400, size=rows))
    return as_table(u.astype(np.int32), i.astype(np.int32), times, users, items)


def as_table(u: np.ndarray, i: np.ndarray, times: np.ndarray, users: int, items: int) -> Interactions:
    """Return columns as a table whose ids are the indices, written out."""
    ids = (np.arange(n).astype(f"U{len(str(n - 1))}") for n in (users, items))
    return Interactions(u, i, np.ones(len(u), np.float32), times, *ids)


class PeerALS:
    """ALS of the package implicit, on the same confidences as ours: 1 + α where there is a row."""

    def fit(self, train: Interactions) -> None:
        """Fit on the table's matrix, which is made here, as ours is."""
        from implicit.als import AlternatingLeastSquares

        R = train.matrix()
        matrix = sp.csr_matrix((np.ones_like(R.data), R.indices, R.indptr), shape=R.shape)
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):  # its own threads are enough, it says
            warnings.simplefilter("ignore")
            self.model = AlternatingLeastSquares(
                FACTORS, 1.0, 1.25, iterations=ITERATIONS, num_threads=THREADS, random_state=0
            )
            self.model.fit(matrix, show_progress=False)

    def score(self, users: np.ndarray) -> np.ndarray:
        """Return the scores of all items."""
        return self.model.user_factors[users] @ self.model.item_factors.T


class SparkALS:
    """ALS of Spark, on this machine; the same factors, iterations and confidences."""

    def ready(self, train: Interactions) -> None:
        """Start Java if it does not run, and bring the table into Spark's memory."""
        from pyspark.sql import SparkSession

        settings = {
            "spark.driver.memory": "6g",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": str(THREADS),
        }
        builder = SparkSession.builder.master(f"local[{THREADS}]").appName("costs")
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.spark = builder.getOrCreate()
        self.spark.sparkContext.setLogLevel("ERROR")
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/rows.parquet"
            pd.DataFrame({"user": train.users, "item": train.items, "value": train.values}).to_parquet(path)
            self.rows = self.spark.read.parquet(path).repartition(THREADS).cache()
            self.rows.count()

    def fit(self, train: Interactions) -> None:
        """Fit; the factors are made and kept before it returns."""
        from pyspark.ml.recommendation import ALS

        als = ALS(rank=FACTORS, maxIter=ITERATIONS, regParam=1.0, alpha=0.25, implicitPrefs=True, seed=0)
        als.setUserCol("user").setItemCol("item").setRatingCol("value").setNumBlocks(2 * THREADS)
        self.model = als.fit(self.rows)
        self.model.userFactors.count(), self.model.itemFactors.count()

    def score(self, users: np.ndarray) -> list[Any]:
        """Return the ten best of each user: Spark has no other way to ask."""
        wanted = self.spark.createDataFrame([(int(user),) for user in users], ["user"])
        found: list[Any] = self.model.recommendForUserSubset(wanted, 10).collect()
        return found


def models() -> dict[str, tuple[str, str, Callable[[], Any]]]:
    """Return name: (library, settings, maker) of everything that is measured here."""
    from avrec_lib.recommenders import EASE, ImplicitALS, ItemKNN, MarkovChain, Popularity, PureSVD, UserKNN
    from avrec_lib.recommenders.pairwise import FPMC
    from avrec_lib.recommenders.sequential import GRU4Rec, SASRec
    from avrec_lib.recommenders.two_tower.model import TwoTower

    one = {"FPMC": replace(FPMC.DEFAULT, epochs=1), "TwoTower": replace(TwoTower().how, epochs=1)}
    als = f"{FACTORS} factors, {ITERATIONS} iterations"
    ours: dict[str, tuple[str, Callable[[], Any]]] = {
        "Popularity": ("counts", Popularity),
        "MarkovChain": ("first order", MarkovChain),
        "ItemKNN": ("cosine, 50 neighbours", lambda: ItemKNN(k=50)),
        "UserKNN": ("cosine, 50 neighbours", lambda: UserKNN(k=50)),
        "EASE": ("λ = 300", EASE),
        "PureSVD": (f"{FACTORS} factors", lambda: PureSVD(FACTORS)),
        "ImplicitALS": (als, lambda: ImplicitALS(FACTORS, ITERATIONS)),
        "FPMC": (f"BPR, {FACTORS} factors, one epoch", lambda: FPMC(FACTORS, one["FPMC"])),
        "TwoTower": ("d = 64, one epoch", lambda: TwoTower(how=one["TwoTower"])),
        "GRU4Rec": ("d = 64, full softmax, one epoch", lambda: GRU4Rec(epochs=1)),
        "SASRec": ("d = 64, full softmax, one epoch", lambda: SASRec(epochs=1)),
    }
    table = {name: ("avrec_lib", settings, make) for name, (settings, make) in ours.items()}
    table["AlternatingLeastSquares"] = ("implicit", als, PeerALS)
    if not no_spark():
        table["Spark ALS"] = ("pyspark", f"{als}, local[{THREADS}]", SparkALS)
    return table


def longest_of(name: str) -> float:
    """Return the processor seconds that a model's fit may take."""
    return LONGEST.get(name, LONGEST_OF_OTHERS)


def is_measured(name: str, size: Size) -> bool:
    """Return whether a model is measured at this size at all."""
    if name == "Spark ALS" and size.rows not in (10_000, 100_000, 1_000_000, 10_000_000):
        return False
    return size.sweep == "interactions" or name not in ("AlternatingLeastSquares", "Spark ALS")


def no_spark() -> str:
    """Return why Spark is left out, in one sentence, or "" if it can run."""
    if importlib.util.find_spec("pyspark") is None:
        return "it needs pyspark; pip install 'avrec-lib[spark]'."
    if shutil.which("java") is None:
        return "it needs Java 17 or 21, and none was found on the PATH; install one."
    return ""


PASSES = 10  # over a similarity to choose the nearest: fill, compare, copy, part, sort
T, D, BLOCKS = 50, 64, 2  # of the networks, as their classes have them
Counts = np.ndarray  # rows of each user, or of each item, float64


def _als(n_u: Counts, n_i: Counts) -> float:
    """By three conjugate-gradient steps: nnz f + (m + n) f² for each product with the matrix, of which there are 4."""
    return ITERATIONS * 4 * (2 * 2 * n_u.sum() * FACTORS + (len(n_u) + len(n_i)) * FACTORS**2)


def _exact_als(n_u: Counts, n_i: Counts) -> float:
    """With a matrix for each user and item: nnz f² + (m + n) f³."""
    return ITERATIONS * (2 * n_u.sum() * FACTORS**2 / 2 + (len(n_u) + len(n_i)) * FACTORS**3 / 6)


THEORY: dict[str, tuple[str, Callable[[Counts, Counts], float]]] = {
    # model: what grows, and the number of multiplications of a fit from the rows n_u of each user and n_i of each
    # item; nnz is their sum, m and n the numbers of users and items
    "Popularity": ("nnz", lambda n_u, n_i: n_u.sum()),
    "MarkovChain": ("nnz log nnz, to sort by time", lambda n_u, n_i: n_u.sum() * np.log2(n_u.sum())),
    "ItemKNN": ("Σ n_u² for the products, n² to choose from", lambda n_u, n_i: n_u @ n_u + PASSES * len(n_i) ** 2),
    "UserKNN": ("Σ n_i² for the products, m² to choose from", lambda n_u, n_i: n_i @ n_i + PASSES * len(n_u) ** 2),
    "EASE": ("n³ to invert, Σ n_u² before", lambda n_u, n_i: n_u @ n_u + len(n_i) ** 3),
    "PureSVD": (
        "nnz f for some 3 f products with the table, n f² between them",
        lambda n_u, n_i: 3 * FACTORS * 2 * n_u.sum() + len(n_i) * (3 * FACTORS) ** 2,
    ),
    "ImplicitALS": ("nnz f + (m + n) f²", _als),
    "AlternatingLeastSquares": ("nnz f + (m + n) f²", _als),
    "Spark ALS": ("nnz f² + (m + n) f³", _exact_als),
    "FPMC": ("nnz f", lambda n_u, n_i: 12 * n_u.sum() * FACTORS),
    "TwoTower": (
        "Σ n_u² d for the sums, nnz B d in the batch",
        lambda n_u, n_i: D * (n_u @ n_u + 3 * n_u.sum() * 1024),
    ),
    "GRU4Rec": ("nnz (d² + n d)", lambda n_u, n_i: 3 * n_u.sum() * (6 * D**2 + len(n_i) * D)),
    "SASRec": (
        "nnz (d² + T d + n d)",
        lambda n_u, n_i: 3 * n_u.sum() * (BLOCKS * (6 * D**2 + 2 * T * D) + len(n_i) * D),
    ),
}


def measure(name: str, train: Interactions, begun: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Measure one model on one table, in this process; `begun` is called when all is warm and the fit begins."""
    make = models()[name][2]
    clock = everybodys if name == "Spark ALS" else time.process_time
    tiny = made_up(1500, 60, 90, seed=1)
    model = make()
    for table in (tiny, train):
        if hasattr(model, "ready"):
            model.ready(table)
        if table is tiny:
            model.fit(tiny)
            model.score(np.arange(5))
    begun()
    with Peak() as peak:
        fits = [timed(lambda: model.fit(train), clock)]
    while fits[0][1] < SHORT and len(fits) < 5:
        fits.append(timed(lambda: model.fit(train), clock))
    users = np.arange(train.n_users)[:BATCH]
    model.score(users)
    scores = [timed(lambda: model.score(users), clock)]
    while sum(wall for _, wall in scores) < SHORT and len(scores) < 5:
        scores.append(timed(lambda: model.score(users), clock))
    seconds, wall = np.median(fits, axis=0)
    n_u, n_i = (np.bincount(x, minlength=n) for x, n in ((train.users, train.n_users), (train.items, train.n_items)))
    columns = (train.users, train.items, train.values, train.timestamps, train.user_ids, train.item_ids)
    found = {
        "fit_seconds": seconds,
        "fit_wall": wall,
        "fit_mib": peak.mib,
        "table_mib": sum(column.nbytes for column in columns if column is not None) / 2**20,
        "score_ms": 1000 * np.median(scores, axis=0)[0] / len(users),
        "work": THEORY[name][1](n_u.astype(np.float64), n_i.astype(np.float64)),
    }
    return {key: float(f"{value:.4g}") for key, value in found.items()}


def timed(work: Callable[[], object], clock: Callable[[], float]) -> tuple[float, float]:
    """Return the seconds of the processors and of the wall that some work takes."""
    start, begin = time.perf_counter(), clock()
    work()
    return clock() - begin, time.perf_counter() - start


def everybodys() -> float:
    """Return the processor time of this process and its children, Java among them, so far."""
    return worked(family(psutil.Process()))


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and its children; to find those takes milliseconds."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return [process]


def worked(processes: list[psutil.Process]) -> float:
    """Return the processor seconds of some processes so far; those that are over count nothing."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:2])
    return total


def resident(processes: list[psutil.Process]) -> int:
    """Return the resident bytes of some processes; those that are over count nothing."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


class Peak:
    """Watch how far the resident memory of this process and its children rises, in MiB."""

    mib = 0.0

    def __enter__(self):
        self._processes, self._over = family(psutil.Process()), threading.Event()
        self._before, self._own, self._most = resident(self._processes), resident(self._processes[:1]), _high_water()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while not self._over.wait(0.02):
            self.mib = max(self.mib, (resident(self._processes) - self._before) / 2**20)

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        if _high_water() > self._most:  # a peak between two looks
            self.mib = max(self.mib, (_high_water() - self._own) / 2**20)


def _high_water() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def work(name: str, folder: Path, size: Size, answer: Connection) -> None:
    """Be the process of one measurement: read the table, measure, and send what was found or why not."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    try:
        u, i, times = (np.load(folder / f"{column}.npy") for column in ("users", "items", "times"))
        answer.send(measure(name, as_table(u, i, times, size.users, size.items), lambda: answer.send("begun")))
    except Exception as error:  # whatever it is, the row must say it
        traceback.print_exc()
        answer.send(f"failed: {error}")


def ask(name: str, folder: Path, size: Size, *, longest: float | None = None, most: float = MOST) -> dict[str, Any]:
    """Measure in a process of its own; it is ended when it takes too long or too much, and the row says so.

    The process is forked from one that has imported the libraries and done nothing else.
    """
    longest = longest_of(name) if longest is None else longest
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(PRELOADED)
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(name, folder, size, theirs), daemon=False)
    process.start()
    theirs.close()
    body, allowed, before = psutil.Process(process.pid), 120.0, 0.0  # to import and to warm
    late = time.monotonic() + HANGS
    try:
        while time.monotonic() < late:
            if mine.poll(0.1):
                said = mine.recv()
                if said != "begun":
                    return said if isinstance(said, dict) else {"stopped": said}
                allowed, before = longest, worked(family(body))
            watched = family(body) if name == "Spark ALS" else [body]
            if worked(watched) - before > allowed:
                return {"stopped": f"ended after {allowed:.0f} s"}
            if resident(watched) > most * 2**20:
                return {"stopped": f"ended at {most / 1024:.0f} GiB"}
        return {"stopped": f"failed: no answer in {HANGS} s of the clock"}
    except EOFError:
        return {"stopped": "failed: the process died, perhaps for want of memory"}
    finally:
        mine.close()
        end(process)


def end(process: Any) -> None:
    """End a process and its children, such as Spark's Java."""
    children: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        children = family(psutil.Process(process.pid))[1:]
    process.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.join()


def expected(curve: list[dict[str, Any]], at: float, axis: str, cost: str) -> float:
    """Return what the cost would be at a size, along the line through the last two sizes; 0 if there are not two."""
    if len(curve) < 2:
        return 0.0
    (x, y), (x1, y1) = ((row[axis], row[cost]) for row in curve[-2:])
    if not (y > 0 and y1 > 0):
        return 0.0
    slope = math.log(y1 / y) / math.log(x1 / x)
    return float(y1 * (at / x1) ** max(slope, 0.0))


def refusal(name: str, curve: list[dict[str, Any]], size: Size) -> str:
    """Return why a model is not measured at this size, judged by its curve so far, or ""."""
    if curve and "stopped" in curve[-1]:
        return "stopped before"
    axis = AXIS[size.sweep]
    at, longest = getattr(size, axis), longest_of(name)
    seconds, mib = (expected(curve, at, axis, cost) for cost in ("fit_seconds", "fit_mib"))
    if seconds > longest:
        return f"left out: about {seconds:.0f} s expected"
    if mib > MOST:
        return f"left out: about {mib / 1024:.0f} GiB expected"
    return ""


def run(
    only: list[str] | None = None,
    sweeps: tuple[str, ...] = tuple(AXIS),
    most: int | None = None,
    *,
    measured_only: bool = False,
) -> list[dict[str, Any]]:
    """Measure everything; one dict a model and size, up to the size where the model stops.

    Parameters
    ----------
    only, sweeps : names of models and sweeps
    most : the most rows that a table may have
    measured_only : take what is kept and measure nothing
    """
    if reason := no_spark():
        print(f"Spark ALS is left out: {reason}", file=sys.stderr)
    kept, subjects = folder_of_results(), models()
    names = [name for name in subjects if only is None or name in only]
    sizes = [size for size in SIZES if size.sweep in sweeps and (most is None or size.rows <= most)]
    curves: dict[tuple[str, str], list[dict[str, Any]]] = {(name, sweep): [] for name in names for sweep in sweeps}
    total = sum(is_measured(name, size) for name in names for size in sizes)
    with tqdm(total=total, desc="costs", disable=measured_only) as bar, environment():
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                for name in filter(lambda name: is_measured(name, size), names):
                    bar.set_postfix_str(f"{size}, {name}")
                    curve, file = curves[name, size.sweep], kept / f"{size}-{name}.json"
                    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
                    if found is None and not measured_only:
                        reason = refusal(name, curve, size)
                        if reason != "stopped before":
                            found = {"stopped": reason} if reason else ask(name, table_in(Path(folder), size), size)
                            keep(file, found)
                    if found is not None:
                        library, settings, _ = subjects[name]
                        row = {"model": name, "library": library, "settings": settings, "theory": THEORY[name][0]}
                        curve.append(row | asdict(size) | found)
                    bar.update()
    return [row for sweep in sweeps for name in names for row in curves[name, sweep]]


def keep(file: Path, found: dict[str, Any]) -> None:
    """Write what was found, as a whole or not at all; a failure is told and not kept, so that it is tried again."""
    if str(found.get("stopped")).startswith("failed"):
        print(f"{file.stem} {found['stopped']}", file=sys.stderr)
        return
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found), encoding="utf-8")
    part.replace(file)


def table_in(folder: Path, size: Size) -> Path:
    """Write the columns of a made-up table into a folder, unless they are there; return the folder."""
    if not (folder / "times.npy").exists():
        train = made_up(size.rows, size.users, size.items)
        for name, column in (("users", train.users), ("items", train.items), ("times", train.timestamps)):
            np.save(folder / f"{name}.npy", column)
    return folder


@contextlib.contextmanager
def environment() -> Iterator[None]:
    """Give the processes of the measurements two threads and no GPU; put everything back after."""
    before = {name: os.environ.get(name) for name in SETTINGS}
    os.environ.update(SETTINGS)  # read when the process that the others are forked from starts
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def folder_of_results() -> Path:
    """Return the folder of what was measured with this code, the recommenders' and the training loop's."""
    code = hashlib.sha256(repr(SETTINGS).encode())
    library = ROOT / "avrec_lib"
    for file in (Path(__file__), *sorted((library / "recommenders").rglob("*.py")), library / "nn" / "training.py"):
        code.update(file.read_bytes())
    folder = ROOT / "_build" / "costs" / code.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def growths(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the exponents of each sweep: of the processors' seconds, of theory at the same sizes, and of scoring."""
    from avrec_lib.evaluation.growth import exponents

    parts = {}
    for sweep, table in pd.DataFrame(rows).groupby("sweep", sort=False):
        parts[sweep] = exponents(table, AXIS[str(sweep)], "fit_seconds").drop(columns="smallest")
        for column, cost in (("theory", "work"), ("memory", "fit_mib"), ("scoring", "score_ms")):
            positive = table.assign(**{cost: table[cost].where(table[cost] > 0)})
            parts[sweep][column] = exponents(positive, AXIS[str(sweep)], cost)["exponent"]
    return pd.concat(parts, names=["sweep"])


def reach(rows: list[dict[str, Any]], gib: float = 16) -> pd.Series:
    """Return how many interactions fit into the memory of one machine, table and fit, for each model."""
    from avrec_lib.evaluation.growth import size_within

    table = pd.DataFrame(rows).query("sweep == 'interactions'").dropna(subset=["fit_mib"])
    found = {}
    for model, curve in table.groupby("model", sort=False):
        if len(curve) >= 2 and model != "Spark ALS":  # Java takes what it is given
            mib = curve["fit_mib"] + curve["table_mib"]
            found[model] = size_within(curve["rows"], mib, 1024 * gib, least=1)
    return pd.Series(found, name=f"rows in {gib} GiB")


def meeting(rows: list[dict[str, Any]]) -> str:
    """Return in one sentence from how many interactions on Spark's ALS takes less time on the clock than ours."""
    from avrec_lib.evaluation.growth import crossing

    table = pd.DataFrame(rows).query("sweep == 'interactions'").dropna(subset=["fit_wall"])
    ours, spark = (table[table["model"] == name] for name in ("ImplicitALS", "Spark ALS"))
    both = set(ours["rows"]) & set(spark["rows"])
    if len(both) < 2:
        return "ImplicitALS and Spark ALS have fewer than two sizes in common, so nothing can be said of a crossing."
    size, measured = crossing(ours["rows"], ours["fit_wall"], spark["rows"], spark["fit_wall"])
    if measured:
        return f"On this machine Spark ALS is faster than ImplicitALS from {size:,.0f} interactions on."
    if np.isinf(size):
        return f"Up to {max(both):,} interactions ImplicitALS is faster, and by these slopes the two never meet."
    return f"Up to {max(both):,} interactions ImplicitALS is faster; their slopes, continued, meet at {size:.1g}."


def main() -> None:
    """Print the table, or record it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="the names of some models", choices=list(THEORY), metavar="MODEL")
    parser.add_argument("--sweep", nargs="+", help="some of the sweeps", choices=AXIS)
    parser.add_argument("--most", type=int, help="the most rows of a table")
    parser.add_argument("--record", action="store_true", help="write what was measured with this code for Appendix D")
    wanted = parser.parse_args()
    rows = run(wanted.only, tuple(wanted.sweep or AXIS), wanted.most)
    print(pd.DataFrame(rows).drop(columns=["library", "settings"]).to_string(index=False, na_rep=""))
    print(growths(rows).round(2).to_string(na_rep=""))
    if "interactions" in (wanted.sweep or AXIS):
        print(reach(rows).map("{:,.0f}".format).to_string(), meeting(rows), sep="\n")
    if wanted.record:
        from benchmarks.__main__ import record

        print(record("costs", run(measured_only=True), PACKAGES))


if __name__ == "__main__":
    main()
