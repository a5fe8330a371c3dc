"""Is this machine able? Versions, memory, processor, GPU, Java, browser, cache: each with its remedy."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

GIB = 2**30
CORE = ("numpy", "scipy", "pandas", "scikit-learn", "numba", "matplotlib", "torch")
OPTIONAL = {"jupyterlab": "book", "transformers": "content", "tensorflow": "tensorflow", "pyspark": "spark"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its name, whether it is fine, what was found, and what to do if it is not.

    `needed` tells a fault (the book cannot be built) from an option that is not there.
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = True


def report() -> list[Finding]:
    """Look at everything and return the findings, the needed ones first."""
    findings = [_python(), *(_package(name) for name in CORE), _memory(), _cache()]
    findings += [_package(name, extra) for name, extra in OPTIONAL.items()]
    return [*findings, _gpu(), _java(), _chromium()]


def _python() -> Finding:
    return Finding(
        "Python",
        sys.version_info >= (3, 11),
        platform.python_version(),
        "install Python 3.11 or newer and make the environment again: make clean book",
    )


def _package(name: str, extra: str | None = None) -> Finding:
    """Look for an installed package; one that belongs to an extra is an option, the others are needed."""
    remedy = f"pip install -c constraints.txt -e '.[{extra}]'" if extra else "make book (installs everything needed)"
    for distribution in (name, f"{name}-cpu"):  # TensorFlow's small build is called tensorflow-cpu
        try:
            return Finding(name, True, metadata.version(distribution), needed=extra is None)
        except metadata.PackageNotFoundError:
            continue
    return Finding(name, False, "not installed", remedy, needed=extra is None)


def _memory() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    except (AttributeError, ValueError, OSError):  # not every system tells
        return Finding("memory", True, f"{cores} cores, memory unknown")
    return Finding(
        "memory",
        total >= 4,
        f"{total:.0f} GiB, {cores} cores",
        "4 GiB are needed to build the book; close other programs or use a larger machine",
    )


def _cache() -> Finding:
    from avrec_lib.data import assets

    folder = assets.cache_folder()
    place = next(p for p in (folder, *folder.parents) if p.exists())
    if not os.access(place, os.W_OK):
        return Finding("cache", False, f"{folder} cannot be written", "set AVREC_CACHE to a folder that can be written")
    free = shutil.disk_usage(place).free / GIB
    return Finding(
        "cache",
        free >= 2,
        f"{folder}, {free:.0f} GiB free",
        "2 GiB are needed; free some, or set AVREC_CACHE to a folder on another disk",
    )


def _gpu() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("GPU", False, "PyTorch is not installed", "make book", needed=False)
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return Finding("GPU", True, f"{properties.name}, {properties.total_memory / GIB:.0f} GiB", needed=False)
    if torch.backends.mps.is_available():
        return Finding("GPU", True, "Apple GPU (MPS)", needed=False)
    return Finding(
        "GPU", False, "none found", "none is needed: every page has a size that suits a laptop", needed=False
    )


def _java() -> Finding:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    remedy = "install a Java 17 or 21 runtime (Debian: apt install openjdk-17-jre-headless); only Spark needs it"
    if java is None or not Path(java).exists():
        return Finding("Java", False, "not found", remedy, needed=False)
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    number = int(version.group(1)) if version else 0
    return Finding("Java", number >= 17, f"version {number}" if number else "version unknown", remedy, needed=False)


def _chromium() -> Finding:
    found = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    return Finding(
        "Chromium",
        found is not None,
        found or "not found",
        "Debian: apt install chromium; only the browser tests need it",
        needed=False,
    )
