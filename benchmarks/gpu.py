"""What the full model does on a GPU: speed by size, batch and precision, memory, share of the peak, and one training.

python -m benchmarks.gpu --out data/gpu_runs/      # at most eight minutes on a card such as an H200
python -m benchmarks.gpu --out /tmp/runs --toy     # the same code at its smallest, within a minute on a CPU

Each part has its seconds. What does not fit into them, or fails, such as a batch too large for the card, is listed
under "skipped" with its reason, and the rest goes on. One JSON is written at the end, whole or not at all; a run that
is interrupted leaves none. `avrec_lib.multimodal.gpu_runs` reads it, and `data/gpu_runs/README.md` says what it holds.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from avrec_lib.device import device
from avrec_lib.multimodal.batches import ViewerRows
from avrec_lib.multimodal.dataset import Dataset, clips_dataset
from avrec_lib.multimodal.gpu_runs import FORMAT
from avrec_lib.multimodal.model import MultimodalModel
from avrec_lib.multimodal.profiling import profile_step
from avrec_lib.multimodal.runs import evaluate, train
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.sizes import SIZES
from avrec_lib.multimodal.speed import able, bench, can_compile
from benchmarks.__main__ import processor, versions

ROOT = Path(__file__).parents[1]
SETTINGS = ROOT / "data" / "settings" / "gpu.yaml"
PACKAGES = ("numpy", "torch", "triton", "accelerate", "transformers")


@dataclass(frozen=True)
class Plan:
    """What is run: clips of a step for each size, and the seconds of each part."""

    sizes: dict[str, tuple[int, ...]] = field(
        default_factory=lambda: {"small": (64, 256, 1024, 4096), "medium": (64, 256, 1024), "large": (64, 256, 1024)}
    )
    middle: int = 512  # clips of a step when precisions are compared
    cell: float = 2.0  # seconds that are timed for each row of the curve, and twice that for each precision
    curve: float = 120.0
    precisions: float = 180.0
    training: float = 120.0
    to_compile: float = 60.0  # what compiling may take: no case begins with less left


TOY = Plan({"small": (8, 16)}, 8, 0.1, 15.0, 10.0, 10.0, 0.0)


class Clock:
    """The seconds of one part, and the list of what was left out."""

    def __init__(self, part: str, seconds: float, skipped: list[dict[str, str]]) -> None:
        self.part, self.ends, self.skipped = part, perf_counter() + seconds, skipped

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.ends - perf_counter()

    def try_to(self, what: str, work: Callable[[], Any], needs: float = 0.0) -> Any:
        """Return what the work gives, or None if there is no time for it or it fails; then the reason is noted."""
        reason = f"no time: {max(self.left(), 0):.0f} s were left of the part"
        if self.left() > needs:
            try:
                return work()
            except (RuntimeError, MemoryError, OSError, ValueError) as error:
                reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
        self.skipped.append({"part": self.part, "what": what, "reason": reason})
        return None


def curve(plan: Plan, clock: Clock) -> list[dict[str, Any]]:
    """Measure every size with every batch, in the lowest precision that the device computes in."""
    lowest = able(device())[-1]
    rows: list[dict[str, Any]] = []
    for size, batches in plan.sizes.items():
        for clips in batches:
            found = clock.try_to(
                f"{size}, {clips} clips",
                lambda size=size, clips=clips: bench(
                    size, plan.cell, clips=clips, precisions=[lowest], compiled=[False], profiled=False
                ),
            )
            rows += _records(size, found)
    return rows


def precisions(plan: Plan, clock: Clock) -> list[dict[str, Any]]:
    """Compare the precisions of every size, then what compiling gains in the lowest; with the parts of a step."""
    where = device()
    can = able(where)
    cases = [(size, precision, False) for size in plan.sizes for precision in can]
    cases += [(size, can[-1], True) for size in plan.sizes if can_compile(where)]
    rows: list[dict[str, Any]] = []
    for size, precision, compiled in cases:
        found = clock.try_to(
            f"{size}, {precision}{', compiled' if compiled else ''}",
            lambda size=size, precision=precision, compiled=compiled: bench(
                size, 2 * plan.cell, clips=plan.middle, precisions=[precision], compiled=[compiled]
            ),
            plan.to_compile if compiled else 0.0,
        )
        rows += _records(size, found)
    return rows


def training(plan: Plan, settings: Settings, clock: Clock) -> dict[str, Any] | None:
    """Train on the book's clips, in as many epochs as there is time for, and judge the model on later days."""

    def work() -> dict[str, Any]:
        start = perf_counter()
        data = clips_dataset(settings)
        read = perf_counter() - start
        epochs = min(settings.epochs, max(1, int(0.8 * clock.left() / _seconds_of_an_epoch(settings, data))))
        start = perf_counter()
        trained = train(data, settings.but(epochs=epochs))
        seconds = perf_counter() - start
        tests = evaluate(trained, data)
        return {
            "settings": trained.settings.to_dict(),
            "epochs_wanted": settings.epochs,
            "reading_seconds": read,
            "seconds": seconds,
            "history": [record._asdict() for record in trained.history],
            "tests": {str(name): row for name, row in tests.to_dict(orient="index").items()},
        }

    return clock.try_to("the book's clips", work)


def run(out: Path, *, toy: bool = False, settings: Settings | None = None, command: str = "") -> Path:
    """Measure everything, write one JSON into the folder, and return its path."""
    plan, start, skipped = (TOY if toy else Plan()), perf_counter(), list[dict[str, str]]()
    if settings is None:
        settings = Settings.load(SETTINGS) if SETTINGS.exists() else Settings()
    if toy:
        settings = Settings(picture="none", sound="none", epochs=2)
    unknown = set(plan.sizes) - set(SIZES)
    assert not unknown, unknown
    found = {
        "format": FORMAT,
        "command": command or f"python -m benchmarks.gpu --out {out}{' --toy' if toy else ''}",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "toy": toy,
        "device": describe(),
        "versions": versions(PACKAGES) | {"cuda": torch.version.cuda},
        "curve": curve(plan, Clock("curve", plan.curve, skipped)),
        "precisions": precisions(plan, Clock("precisions", plan.precisions, skipped)),
        "training": training(plan, settings, Clock("training", plan.training, skipped)),
        "skipped": skipped,
    }
    found["seconds"] = perf_counter() - start
    out.mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", found["device"]["name"].lower()).strip("-")
    path = out / f"{slug}-{re.sub('[^0-9]', '', found['date'][:19])}{'-toy' if toy else ''}.json"
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(_plain(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def describe() -> dict[str, Any]:
    """Return what the machine is: the GPU, its memory and its driver, and the processor beside it."""
    where = device()
    told: dict[str, Any] = {"kind": where.type, "name": processor(), "memory": None, "driver": None}
    if where.type == "cuda":
        told |= {"name": torch.cuda.get_device_name(), "memory": torch.cuda.get_device_properties(0).total_memory}
        told["driver"] = _driver()
    return told | {"processor": processor(), "cores": os.cpu_count()}


def _driver() -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    asked = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False).stdout.split()
    return told[0] if told else None


def _seconds_of_an_epoch(settings: Settings, data: Dataset) -> float:
    model = MultimodalModel(settings, data.inputs.shapes, len(data.user_ids), data.n_positions)
    rows = ViewerRows(data.inputs, data.train, settings.history if settings.user in ("history", "both") else 0)
    step = float(profile_step(model, rows, settings, steps=3)["seconds"].sum())
    return step * math.ceil(len(rows) / settings.batch)


def _records(size: str, table: Any) -> list[dict[str, Any]]:
    return [] if table is None else [{"size": size} | row for row in table.to_dict(orient="records")]


def _plain(value: Any) -> Any:
    """Return the same without NaN and infinity, which JSON lacks; and NumPy's numbers as Python's."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "gpu_runs", help="the folder that gets the JSON")
    parser.add_argument("--toy", action="store_true", help="the same code at its smallest, to see that it runs")
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(given)
    if device().type != "cuda" and not options.toy:
        print("benchmarks.gpu: there is no GPU that PyTorch can use; try --toy, or run avrec doctor.", file=sys.stderr)
        return 1
    path = run(options.out, toy=options.toy, command=shlex.join(["python", "-m", "benchmarks.gpu", *given]))
    print(f"recorded in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
