"""From many files to one array of vectors: in batches, with a cache, and without one bad file stopping the rest.

Page 3.1.1, and every page with more than a handful of texts, pictures, sounds or films.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from avrec_lib.content.errors import MediaError
from avrec_lib.data.assets import cache_folder

Input = Path | str | bytes | NDArray[Any]
Vector = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class Features:
    """What came out of n inputs.

    Attributes
    ----------
    vectors : float32 array, shape (n_kept, d)
        One a kept input, in the order of the inputs; (0, 0) if none was kept.
    kept : int64 array, shape (n_kept,)
        Which inputs they belong to, ascending.
    faults : DataFrame
        The other inputs: columns input (path, begin of the text, or number of the row) and reason;
        its index is the number of the input.
    n_cached : int
        How many of the vectors came from the cache.
    """

    vectors: NDArray[np.float32]
    kept: NDArray[np.int64]
    faults: pd.DataFrame
    n_cached: int


def extract(
    inputs: Sequence[Input] | NDArray[Any],
    load: Callable[[Any], T] | None,
    encode: Callable[[list[T]], ArrayLike],
    *,
    name: str,
    version: str = "1",
    batch_size: int = 32,
    workers: int = 0,
    cache: bool = True,
    on_error: Literal["report", "raise"] = "report",
) -> Features:
    """Load every input, encode them in batches, and remember each vector on disk by the input's content.

    A bad file is skipped and told in `faults`, the others arrive. A batch that `encode` refuses with a
    MediaError is halved until the bad input is alone. Any other error of `load` or `encode` is a fault
    of the program, not of a file, and is raised (only OSError of `load` counts as a bad file too).

    The cache is keyed by SHA-256(name, version, content), so a file that was renamed is known, one
    that was changed is not, and two equal inputs are encoded once. It is written after every
    batch, whole files only: a run that was interrupted goes on where it was. Faults are not
    remembered, for a decoder may be installed meanwhile.

    Parameters
    ----------
    inputs : sequence of Path (a file), str (a text, never a path), bytes or arrays; or an array of rows
    load : function of one input, or None to give it to `encode` as it is
        Such as `read_image`. Raises MediaError for what it cannot use.
    encode : function of a list of B loaded inputs to an array (B, d)
    name, version : str
        The extractor's, of letters, digits and ._+-; change the version whenever its numbers change.
    batch_size : int
        B.
    workers : int
        Threads that load ahead of `encode`, by two batches at most; 0 loads in between. Decoders
        of pictures, sound and films run side by side, plain Python does not.
    cache : bool
        False computes everything and keeps nothing.
    on_error : {"report", "raise"}
        "raise" stops at the first bad input with its MediaError.

    Returns
    -------
    Features

    Raises
    ------
    ValueError
        If an argument is none of the above, `encode` gives no array (B, d), or d changes.
    MediaError
        For a bad input, with on_error="raise".
    """
    _check(inputs, name, version, batch_size, workers, on_error)
    items = list(inputs)
    store = _Store(cache_folder() / "features" / f"{name}-{version}" if cache else None)
    places: dict[str, list[int]] = {}  # the inputs of each key: equal inputs share one
    done: dict[str, Vector] = {}
    faults: dict[int, MediaError] = {}
    salt = f"{name}\0{version}\0".encode()
    with tqdm(total=len(items), desc=name, unit="input", delay=2, disable=None, leave=False) as bar:

        def refuse(key: str, fault: MediaError) -> None:
            if on_error == "raise":
                raise fault
            faults.update(dict.fromkeys(places[key], fault))
            bar.update(len(places[key]))

        for i, item in enumerate(items):
            fingerprint = _attempt(lambda x: _fingerprint(x, salt), item, i) if cache else str(i)
            key = str(i) if isinstance(fingerprint, MediaError) else fingerprint
            places.setdefault(key, []).append(i)
            if isinstance(fingerprint, MediaError):
                refuse(key, fingerprint)
                continue
            if key not in done and (vector := store.get(key)) is not None:
                done[key] = vector
            bar.update(key in done)
        n_cached = sum(len(places[key]) for key in done)
        todo = [key for key in places if key not in done and places[key][0] not in faults]
        loaded = _ahead(
            lambda key: _attempt(load, items[places[key][0]], places[key][0]), todo, workers, 2 * batch_size
        )
        for batch in _in_batches(zip(todo, loaded, strict=True), batch_size):
            for key, value in batch:
                if isinstance(value, MediaError):
                    refuse(key, value)
            good = [(key, value) for key, value in batch if not isinstance(value, MediaError)]
            labels = [_label(items[places[key][0]], places[key][0]) for key, _ in good]
            rows = _encode(encode, [value for _, value in good], labels)
            for (key, _), row in zip(good, rows, strict=True):
                if isinstance(row, MediaError):
                    refuse(key, row)
                else:
                    done[key] = row
                    store.put(key, row)
                    bar.update(len(places[key]))
    found = {i: done[key] for key in done for i in places[key]}
    kept = sorted(found)
    vectors = _stack([found[i] for i in kept], name)
    return Features(vectors, np.array(kept, dtype=np.int64), _table(items, faults), n_cached)


class _Store:
    """Vectors in files `<folder>/<two digits>/<key>.npy`, or nowhere if folder is None."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def _path(self, key: str, folder: Path) -> Path:
        return folder / key[:2] / f"{key}.npy"

    def get(self, key: str) -> Vector | None:
        """Return the vector, or None if it is not there or its file is not whole."""
        if self.folder is None:
            return None
        try:
            vector = np.load(self._path(key, self.folder), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        is_one = isinstance(vector, np.ndarray) and vector.ndim == 1 and vector.dtype == np.float32
        return vector if is_one and np.isfinite(vector).all() else None

    def put(self, key: str, vector: Vector) -> None:
        """Write the file in one step, so that no other process ever sees half of it."""
        if self.folder is None:
            return
        path = self._path(key, self.folder)
        part = path.with_name(f"{key}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    np.save(file, vector)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            warnings.warn(
                f"the features cannot be kept in {self.folder} ({error.strerror or error}); this run goes on without. "
                "Set AVREC_CACHE to a folder that can be written and has room.",
                stacklevel=3,
            )
            self.folder = None


def _fingerprint(item: Input, salt: bytes) -> str:
    """Return SHA-256 of the salt, the kind of the input and its content, in hexadecimal digits."""
    sha = hashlib.sha256(salt)
    if isinstance(item, Path):
        sha.update(b"bytes\0")
        with item.open("rb") as file:
            while block := file.read(2**20):
                sha.update(block)
    elif isinstance(item, bytes):
        sha.update(b"bytes\0" + item)  # a file and its bytes are the same content
    elif isinstance(item, str):
        sha.update(b"text\0" + item.encode("utf-8", "surrogatepass"))
    else:
        array = np.ascontiguousarray(item)
        sha.update(f"array\0{array.dtype.str}\0{np.shape(item)}\0".encode() + array.tobytes())
    return sha.hexdigest()


def _attempt(work: Callable[[Any], T] | None, item: Any, number: int) -> T | MediaError:  # noqa: ANN401
    """Return work(item), or the MediaError that tells why not."""
    try:
        return item if work is None else work(item)
    except MediaError as error:
        return error
    except OSError as error:
        return MediaError(_label(item, number), f"cannot be read ({error.strerror or error}); check the path.")


def _encode(encode: Callable[[list[T]], ArrayLike], values: list[T], labels: list[str]) -> list[Vector | MediaError]:
    """Encode a batch; if that is refused, its two halves."""
    if not values:
        return []
    try:
        vectors = np.asarray(encode(values), dtype=np.float32)  # (B, d)
    except MediaError as error:
        if len(values) == 1:
            return [error]
        half = len(values) // 2
        return _encode(encode, values[:half], labels[:half]) + _encode(encode, values[half:], labels[half:])
    if vectors.ndim != 2 or len(vectors) != len(values):
        raise ValueError(f"encode gave an array of shape {vectors.shape} for {len(values)} inputs, not (B, d).")
    return [
        vector.copy() if np.isfinite(vector).all() else MediaError(label, "gave a vector with NaN; leave it out.")
        for vector, label in zip(vectors, labels, strict=True)
    ]


def _ahead(work: Callable[[str], T], keys: list[str], workers: int, depth: int) -> Iterator[T]:
    """Yield work(key) for each key in order, done by threads that are never more than `depth` ahead."""
    if workers == 0:
        yield from map(work, keys)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        rest = iter(keys)
        waiting: deque[Future[T]] = deque(pool.submit(work, key) for key in islice(rest, depth))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, key) for key in islice(rest, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _in_batches(pairs: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(pairs)
    while batch := list(islice(rest, size)):
        yield batch


def _stack(rows: list[Vector], name: str) -> Vector:
    widths = sorted({len(row) for row in rows})
    if len(widths) > 1:
        raise ValueError(f"{name} gave vectors of different lengths, {widths}; give a changed extractor a new version.")
    return np.stack(rows) if rows else np.empty((0, 0), np.float32)  # (n_kept, d)


def _table(items: list[Any], faults: dict[int, MediaError]) -> pd.DataFrame:
    numbers = sorted(faults)
    columns = {"input": [_label(items[i], i) for i in numbers], "reason": [faults[i].reason for i in numbers]}
    return pd.DataFrame(columns, index=pd.Index(numbers, dtype="int64"), dtype="str")


def _label(item: Any, number: int) -> str:  # noqa: ANN401
    """Name an input so that the reader finds it."""
    if isinstance(item, Path):
        return str(item)
    if isinstance(item, str):
        return item if len(item) <= 60 else item[:59] + "…"
    return f"row {number}"


def _check(inputs: Any, name: str, version: str, batch_size: int, workers: int, on_error: str) -> None:  # noqa: ANN401
    if isinstance(inputs, (str, bytes, Path)):
        raise ValueError("inputs must be a list of inputs, not one; use [input].")
    for i, item in enumerate(inputs):
        if not isinstance(item, (Path, str, bytes, np.ndarray, np.generic)):
            raise ValueError(f"input {i} is of type {type(item).__name__}; give a Path, a text, bytes or an array.")
    for what in (name, version):
        if not re.fullmatch(r"[A-Za-z0-9._+-]+", what):
            raise ValueError(f"name and version are of letters, digits and ._+- (they name a folder), not {what!r}.")
    if batch_size < 1 or workers < 0:
        raise ValueError(f"batch_size must be at least 1 and workers at least 0, not {batch_size} and {workers}.")
    if on_error not in ("report", "raise"):
        raise ValueError(f"on_error must be 'report' or 'raise', not {on_error!r}.")
