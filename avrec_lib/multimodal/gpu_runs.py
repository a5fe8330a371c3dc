"""What `python -m benchmarks.gpu` has recorded on GPUs, for page 7.3 to show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "data" / "gpu_runs"
FORMAT = "avrec gpu run 1"
FIELDS = (
    "format", "command", "date", "toy", "device", "versions", "seconds", "curve", "precisions", "training", "skipped",
)  # fmt: skip


def gpu_runs(folder: str | Path | None = None) -> list[dict[str, Any]]:
    """Return the recorded runs, the oldest first; none if nobody has recorded one.

    Runs without a GPU, and those of `--toy`, are left out: they say nothing about a GPU.

    Parameters
    ----------
    folder : path, optional
        `data/gpu_runs` of the book if left out.

    Returns
    -------
    list of dicts with the keys `FIELDS`; `data/gpu_runs/README.md` says what they hold

    Raises
    ------
    ValueError
        If a file is no such record.
    """
    home = FOLDER if folder is None else Path(folder)
    found = [read_run(path) for path in sorted(home.glob("*.json"))]
    real = [run for run in found if not run["toy"] and run["device"]["kind"] == "cuda"]
    return sorted(real, key=lambda run: str(run["date"]))


def read_run(path: Path) -> dict[str, Any]:
    """Read one record.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no UTF-8
        raise ValueError(f"{path} is damaged ({error}); record it again with python -m benchmarks.gpu.") from error
    lacks = [name for name in FIELDS if name not in told] if isinstance(told, dict) else list(FIELDS)
    if lacks or told["format"] != FORMAT or not {"kind", "name"} <= set(told["device"]):
        raise ValueError(f"{path} is no record of python -m benchmarks.gpu; move it to another folder.")
    return dict(told)
