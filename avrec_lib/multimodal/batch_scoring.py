"""Lists or scores for everybody, into a file: chunk by chunk, and from where it stopped if it was stopped.

Page 7.2. What is wanted for all viewers at once, such as the night's e-mails, needs no index: a chunk of viewers times
all items is one matrix product. The file is an ordinary `.npy`, opened with `np.load(path, mmap_mode="r")`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from filelock import FileLock, Timeout
from numpy.typing import DTypeLike, NDArray
from tqdm import tqdm

from avrec_lib.multimodal.serving_tables import Floats, ServingTables
from avrec_lib.recommenders.base import top_k

Ints = NDArray[np.int64]
ENTRY = np.dtype([("item", "<i4"), ("score", "<f4")])
MEMORY = 2**25  # scores that are held at once: 128 MiB
BLOCK = 65_536  # items that are multiplied at once


def write_scores(tables: ServingTables, path: str | Path, *, chunk: int | None = None) -> None:
    """Write every viewer's log-odds of every item: float32, shape (m + 1, n), the stranger last.

    Parameters
    ----------
    tables : ServingTables
    path : Path
        Of the `.npy` file. It has its name only when it is whole; until then `path.part` grows, and after an
        interruption the same call goes on where it stopped.
    chunk : int, optional
        Viewers at once; by default as many as 128 MiB of scores are.

    Raises
    ------
    ValueError
        If chunk is below 1, `path.part` is of other tables, or another process is writing it.
    OSError
        If the disk is full.
    """
    _write(path, tables, "scores", (len(tables.item_ids),), np.float32, lambda rows: _scores(tables, rows), chunk)


def write_lists(tables: ServingTables, path: str | Path, k: int = 10, *, chunk: int | None = None) -> None:
    """Write every viewer's k best items among those that they have not seen or clicked, the stranger last.

    The file has shape (m + 1, k) and two fields: `item`, the number of the item, −1 where the list is shorter; and
    `score`, its log-odds, −inf there. The lists are those of `Service.recommend` with a flat index.

    Parameters
    ----------
    tables, path, chunk
        As in `write_scores`.
    k : int
        At least 1.

    Raises
    ------
    ValueError
        As `write_scores`, and if k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")

    def lists(rows: Ints) -> NDArray[Any]:
        scores = _scores(tables, rows)  # (B, n)
        found = np.zeros((len(rows), k), dtype=ENTRY)
        found["item"], found["score"] = -1, -np.inf
        for place, best in enumerate(top_k(scores, k, _seen(tables, rows))):
            found["item"][place, : len(best)], found["score"][place, : len(best)] = best, scores[place, best]
        return found

    _write(path, tables, f"lists of {k}", (k,), ENTRY, lists, chunk)


def read_lists(tables: ServingTables, path: str | Path) -> pd.DataFrame:
    """Return what `write_lists` wrote as a table: user_id (None for the stranger), rank (from 1), item_id, score.

    Raises
    ------
    ValueError
        If the file holds no lists of as many viewers.
    """
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{Path(path).name} is not there or holds no lists; write them with write_lists.") from error
    if found.dtype != ENTRY or found.ndim != 2 or len(found) != len(tables.users):
        raise ValueError(f"{Path(path).name} holds no lists for these {len(tables.users)} rows; write them again.")
    rows, places = np.nonzero(found["item"] >= 0)
    users = np.array([*tables.user_ids, None], dtype=object)
    return pd.DataFrame(
        {
            "user_id": users[rows],
            "rank": places + 1,
            "item_id": np.array(tables.item_ids, dtype=object)[found["item"][rows, places]],
            "score": found["score"][rows, places],
        }
    )


def _scores(tables: ServingTables, rows: Ints) -> Floats:
    users = tables.users[rows].astype(np.float64)  # (B, D)
    n = len(tables.items)
    scores = np.empty((len(rows), n), dtype=np.float32)
    for a in range(0, n, BLOCK):  # in float64, as a service adds up: equal items tie
        scores[:, a : a + BLOCK] = users @ tables.items[a : a + BLOCK].astype(np.float64).T
    return scores


def _seen(tables: ServingTables, rows: Ints) -> sp.csr_array:
    n = len(tables.item_ids)
    pattern = sp.csr_array((len(rows), n), dtype=bool)
    for table in (tables.clicked, tables.seen):
        if table is not None:
            known = table[rows[rows < table.shape[0]]]  # all but the stranger, who is the last row
            starts = np.append(known.indptr, [known.indptr[-1]] * (len(rows) - known.shape[0]))
            stored = np.ones(known.nnz, dtype=bool)  # an entry counts whatever its value
            pattern = sp.csr_array(pattern + sp.csr_array((stored, known.indices, starts), shape=pattern.shape))
    return pattern


def _write(
    path: str | Path,
    tables: ServingTables,
    what: str,
    row: tuple[int, ...],
    dtype: DTypeLike,
    of: Callable[[Ints], NDArray[Any]],
    chunk: int | None,
) -> None:
    target, n, m = Path(path), len(tables.items), len(tables.users)
    size = max(1, MEMORY // n) if chunk is None else chunk
    if size < 1:
        raise ValueError(f"chunk must be at least 1, not {chunk}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part, note = (target.with_name(f"{target.name}.{ending}") for ending in ("part", "part.json"))
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(f"another process is writing {target.name}; wait for it, or name another file.") from error
    try:
        told = {"what": what, "tables": _digest(tables), "done": 0}
        done = _done(part, note, told)
        mode = "r+" if done else "w+"
        file = np.lib.format.open_memmap(part, mode, None if done else np.dtype(dtype), None if done else (m, *row))
        with tqdm(total=m, initial=done, desc=what, unit="user", delay=2, disable=None, leave=False) as bar:
            for first in range(done, m, size):
                rows = np.arange(first, min(first + size, m))
                file[rows] = of(rows)
                file.flush()  # first the rows, then the note that says they are there
                _note(note, told | {"done": int(rows[-1]) + 1})
                bar.update(len(rows))
        del file
        part.replace(target)
        note.unlink()
    finally:
        lock.release()


def _done(part: Path, note: Path, told: dict[str, Any]) -> int:
    """Return how many rows of a part are there already."""
    if not part.is_file() or not note.is_file():
        return 0
    try:
        before = json.loads(note.read_text(encoding="utf-8"))
        done = int(before["done"])
    except (ValueError, KeyError, TypeError):
        return 0
    if {**before, "done": 0} != told:
        raise ValueError(f"{part.name} was begun for other tables or lists; delete it, or name another file.")
    return done


def _note(path: Path, told: dict[str, Any]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_text(json.dumps(told), encoding="utf-8")
    part.replace(path)


def _digest(tables: ServingTables) -> str:
    digest = hashlib.sha256()
    for name in ("items", "users"):
        array = getattr(tables, name)
        digest.update(repr(array.shape).encode())
        for first in range(0, len(array), BLOCK):
            digest.update(np.ascontiguousarray(array[first : first + BLOCK]).tobytes())
    for table in (tables.clicked, tables.seen):
        if table is not None:
            digest.update(table.indptr.astype(np.int64).tobytes() + table.indices.astype(np.int64).tobytes())
    return digest.hexdigest()
