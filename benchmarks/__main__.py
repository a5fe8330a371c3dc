"""Run every benchmark, print its table and record it for Appendix D.

python -m benchmarks            # what make bench calls; about ten minutes on two cores
python -m benchmarks lists      # one of them
python -m benchmarks league     # the longest, about forty minutes, is run only when it is named
python -m benchmarks costs      # so is this one: ten minutes on two cores that do nothing else
python -m benchmarks project    # and this one, half an hour
"""

from __future__ import annotations

import contextlib
import datetime
import importlib
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pandas as pd

NAMES = (
    "explicit",
    "bayesian",
    "implicit_feedback",
    "lists",
    "content",
    "behaviour",
    "retrieval",
    "multimodal",
    "serving",
    "profile",
)
LONG = ("league", "costs", "project")  # only when they are named
PACKAGES = ("numpy", "scipy", "numba", "implicit", "scikit-surprise", "myfm")  # of a benchmark that names none itself
FOLDER = Path(__file__).parents[1] / "data" / "benchmarks"


def processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def hardware(rows: list[dict[str, object]]) -> str:
    """Return the processor, its cores, and the GPU where a row used one."""
    parts = [processor(), f"{os.cpu_count()} cores"]
    if any(row.get("device") == "cuda" for row in rows):
        import torch

        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the version of Python and of those of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def record(name: str, rows: list[dict[str, object]], packages: Sequence[str] = PACKAGES) -> Path:
    """Write one table with what it was measured on; the file is replaced as a whole or not at all."""
    entry = {
        "command": f"python -m benchmarks {name}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": hardware(rows),
        "versions": versions(packages),
        "rows": rows,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(entry, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def main(wanted: list[str]) -> int:
    """Run the benchmarks of these names, or all; return the exit status."""
    unknown = [name for name in wanted if name not in (*NAMES, *LONG)]
    if unknown:
        print(
            f"benchmarks: no benchmark is called {', '.join(unknown)}; there are {', '.join((*NAMES, *LONG))}.",
            file=sys.stderr,
        )
        return 2
    for name in wanted or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        rows = module.run()
        table = pd.DataFrame(rows).drop(columns="rmse_per_fold", errors="ignore")
        print(f"\n{name}\n{table.to_string(index=False, na_rep='')}")
        path = record(name, rows, getattr(module, "PACKAGES", PACKAGES))
        print(f"recorded in {path.relative_to(FOLDER.parents[1])}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
