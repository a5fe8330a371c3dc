"""The full model from the command line: `avrec train`, `evaluate`, `recommend`, `export` and `bench`.

Pages 7.2 and 7.3. Each works without an argument, on the book's own clips, in the folder `runs/clips`. With torchrun,
`torchrun --nproc_per_node 4 -m avrec_lib.multimodal.commands train` trains in four processes, of which the first alone
prints and writes. PyTorch is imported by what trains, not by `avrec --help`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from avrec_lib.multimodal import run_folders
from avrec_lib.multimodal.run_folders import say

if TYPE_CHECKING:
    import pandas as pd

    from avrec_lib.multimodal.dataset import Dataset
    from avrec_lib.multimodal.runs import Trained
    from avrec_lib.multimodal.serving import Recommendation
    from avrec_lib.multimodal.serving_tables import ServingTables

    Parsers = argparse._SubParsersAction[argparse.ArgumentParser]

AGAIN = "run the same command again"
SIZES = ("small", "medium", "large")  # of `sizes.SIZES`, which would import PyTorch


def add_parsers(commands: Parsers) -> None:
    """Add the five commands to a parser."""
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--data", metavar="NAME|FOLDER", help="clips, or a MicroLens folder; by default that of the run")
    where.add_argument(
        "--folder", type=Path, metavar="DIR", help="of the run; by default runs/ and the name of the data"
    )

    def add(name: str, told: str, example: str, shared: bool = True) -> argparse.ArgumentParser:
        about, parents = f"{told[0].upper()}{told[1:]}.", [where] if shared else []
        return commands.add_parser(name, help=told, description=about, epilog=f"Example: {example}", parents=parents)

    train = add("train", "train the full model and judge it on later days", "avrec train --set lr=0.01 --fresh")
    train.add_argument("--settings", type=Path, metavar="FILE", help="YAML, such as data/settings/gpu.yaml")
    train.add_argument(
        "--set",
        dest="changes",
        type=_change,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting; repeatable",
    )
    train.add_argument("--fresh", action="store_true", help="train anew, not from the checkpoint in the folder")
    add("evaluate", "judge a trained run on the days after its training", "avrec evaluate --folder runs/clips")
    recommend = add("recommend", "list clips for a viewer, with the reasons", "avrec recommend v0007 -k 5")
    recommend.add_argument("user", nargs="?", metavar="USER", help="id of a viewer; without it, for a stranger")
    recommend.add_argument("-k", type=_positive, default=10, metavar="K", help="length of the list, by default 10")
    add("export", "write tables, an index and ONNX files that serve, each compared with the model", "avrec export")
    bench = add("bench", "time training, inference and lists on this machine", "avrec bench --seconds 5", shared=False)
    bench.add_argument("--size", choices=SIZES, default="small", help="of the model, by default small")
    bench.add_argument("--seconds", type=_positive, default=20, metavar="S", help="of measuring, by default 20")


def run(options: argparse.Namespace) -> int:
    """Run one of the commands; return 0, or 1 after one line on stderr for bad input, or 130 after Ctrl-C."""
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "train": _train,
        "evaluate": _evaluate,
        "recommend": _recommend,
        "export": _export,
        "bench": _bench,
    }
    try:
        if options.command != "train" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise ValueError("only train runs in several processes; start this command without torchrun.")
        commands[options.command](options)
        return 0
    except KeyboardInterrupt as stop:
        told = str(stop).replace("call fit again with the same arguments", AGAIN) or f"interrupted; {AGAIN}."
        if getattr(options, "fresh", False):
            told = told.replace(AGAIN, f"{AGAIN}, without --fresh")
        run_folders.warn(options.command, told)
        return 130
    except (ValueError, OSError, ImportError, MemoryError) as error:
        run_folders.warn(options.command, _sentence(error))
        return 1


def _train(options: argparse.Namespace) -> None:
    from avrec_lib.multimodal.settings import Settings

    settings = Settings() if options.settings is None else Settings.load(options.settings)
    folder = options.folder or run_folders.folder_for(options.data)
    data = options.data or run_folders.CLIPS
    trained, found = run_folders.train_into(folder, data, settings.but(**dict(options.changes)), options.fresh)
    if run_folders.is_first():
        _report(trained, found)
        say(f"Written to {folder}: model.safetensors, settings.yaml, reading.json, run.json, log.csv and a checkpoint.")


def _evaluate(options: argparse.Namespace) -> None:
    trained, found, folder = run_folders.ready(options.folder, options.data)
    _report(trained, found)
    say(f"Read from {folder}.")


def _export(options: argparse.Namespace) -> None:
    from avrec_lib.multimodal.exported import export_run

    trained, data, folder = run_folders.ready(options.folder, options.data)
    home = folder / run_folders.EXPORT
    table = export_run(trained, data, home)
    say(table.to_string(index=False, formatters={"MB": "{:.2f}".format, "difference": "{:.1e}".format}))
    say(f"\nWritten to {home}. In Python: Service.load({str(home)!r}).recommend(None).")


def _recommend(options: argparse.Namespace) -> None:
    import yaml

    from avrec_lib.multimodal.serving import Service

    tables, folder = run_folders.tables_of(options.folder, options.data)
    users = list(tables.user_ids)
    if options.user is not None and options.user not in users:
        raise ValueError(
            f"no viewer has the id {options.user!r}; there are {len(users):,}, from {users[0]} to {users[-1]}, and "
            "without an id the list is for a stranger."
        )
    titles = run_folders.titles_of(options.data or run_folders.data_of(folder))
    settings = yaml.safe_load((folder / "settings.yaml").read_text("utf-8"))  # Settings.load would import PyTorch
    is_chance = settings["loss"] == "pointwise" and settings["weight_of_clicks"] == 1
    who = "a stranger, of whom nothing is known"
    if options.user is not None:
        clicks = tables.clicked[[users.index(options.user)]].nnz
        who = f"{options.user}, who has clicked {clicks} clip{'' if clicks == 1 else 's'}"
    say(f"For {who}:")
    for place, found in enumerate(Service(tables).recommend(options.user, options.k), start=1):
        worth = f", chance of a click {found.chance:.1%}" if is_chance else ""
        say(f"{place:3}. {titles[found.item_id] or 'without a title'} ({found.item_id}){worth}")
        say(f"     {reason(found, titles)}")


def _bench(options: argparse.Namespace) -> None:
    from avrec_lib.multimodal.speed import bench

    table: pd.DataFrame = bench(size=options.size, seconds=options.seconds)
    shown = table.drop(columns="operators", errors="ignore").T  # a column a measurement, which fits a terminal
    say(shown.to_string(header=False, float_format="{:.4g}".format, na_rep="-"))
    folder = run_folders.folder_for(None)
    if (folder / run_folders.RUN).is_file():
        low, high = _milliseconds(run_folders.tables_of(None, None)[0])
        say(f"\nA list of 10 with its reasons, from {folder}: p50 {low:.2f} ms, p99 {high:.2f} ms.")
    else:
        say(f"\nLists are timed on the tables of {folder}, which are not there yet; avrec train makes the run.")


def _milliseconds(tables: ServingTables, n: int = 500) -> tuple[float, float]:
    """Return the median and the 99th percentile of what a list takes, one viewer after the other."""
    import numpy as np

    from avrec_lib.multimodal.serving import Service

    service, times = Service(tables), []
    for request in range(n + 1):
        start = perf_counter()
        service.recommend(tables.user_ids[request % len(tables.user_ids)])
        times.append(1000 * (perf_counter() - start))
    low, high = np.percentile(times[1:], [50, 99])  # the first call loads what the others use
    return float(low), float(high)


def reason(found: Recommendation, titles: Mapping[str, str]) -> str:
    """Say what a recommendation rests on: what each sense adds to the score, and the clicked clip that is most alike.

    Parameters
    ----------
    found : Recommendation
    titles : {item id: title}
    """
    most = sorted(found.senses.items(), key=lambda told: -told[1])  # what helps most stands first
    parts = [f"{sense} {lost:+.2f}" for sense, lost in most]
    told = f"score {found.score:.2f}: {', '.join(parts)}" if parts else f"score {found.score:.2f}"
    if found.because is not None:
        told += f"; most like “{titles[found.because] or found.because}”, which they clicked"
    return f"{told}."


def _report(trained: Trained, data: Dataset) -> None:
    """Print the tests as a table, and what its numbers mean."""
    from avrec_lib.multimodal.runs import evaluate

    table = evaluate(trained, data)
    say(f"\n{table.T.round(3).to_string()}\n")
    if "AUC" in table:
        say("The tests are later days. From AUC low to AUC high: 95 % of the AUC of viewers drawn again.")
    else:
        say(f"The places of what each viewer watched last, among all of the {len(data.item_ids):,} they had not met.")
    if "way AUC" in table:
        say("way: how far the model is from a random order (0) to the order of the true chances (1).")
    seconds, last = sum(record.seconds for record in trained.history), trained.history[-1]
    say(f"{last.epoch} epochs, {seconds:.0f} s of steps, last loss {last.loss:.4f}.")


def _change(text: str) -> tuple[str, object]:
    """Turn lr=0.01 into ("lr", 0.01), as YAML reads the value."""
    import yaml

    name, sign, told = text.partition("=")
    try:
        value = yaml.safe_load(told)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"{told!r} is no value; write a setting as lr=0.01") from error
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is no setting; write it as lr=0.01")
    with contextlib.suppress(ValueError):
        value = float(value) if isinstance(value, str) else value  # to YAML 1e-3 is a word
    return name, value


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def _sentence(error: Exception) -> str:
    """Return an error as one line."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}."
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    from avrec_lib.cli import main

    sys.exit(main())
