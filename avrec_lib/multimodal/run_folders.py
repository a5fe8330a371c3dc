"""A run folder as the commands know it: what it was trained on, the run itself, made if it has to be, and its tables.

Page 7.2. Beside what `avrec_lib.multimodal.runs` writes, a folder has `data.txt`, which names its data, and `export/`.
Nothing here imports PyTorch before it is needed: a list from tables that are there takes a second.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avrec_lib.multimodal.dataset import Dataset
    from avrec_lib.multimodal.runs import Trained
    from avrec_lib.multimodal.serving_tables import ServingTables
    from avrec_lib.multimodal.settings import Settings

CLIPS, DATA, EXPORT, RUN = "clips", "data.txt", "export", "run.json"


def say(text: str) -> None:
    """Print, in the first process alone if torchrun started several."""
    if is_first():
        print(text, flush=True)


def is_first() -> bool:
    """Say whether this is the only process, or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def folder_for(data: str | None) -> Path:
    """Return the folder of a run on this data, if none is named: runs/clips, runs/MicroLens-100k."""
    return Path("runs") / Path(data or CLIPS).expanduser().resolve().name


def data_of(folder: Path) -> str:
    """Return the name or folder of the data that the run was trained on."""
    try:
        return (folder / DATA).read_text("utf-8").strip()
    except FileNotFoundError:
        return CLIPS


def train_into(folder: Path, data: str, settings: Settings, fresh: bool = False) -> tuple[Trained, Dataset]:
    """Train into a folder, or go on there; all processes of a run come here together.

    Parameters
    ----------
    fresh : bool
        Forget what the folder holds of a run before.

    Raises
    ------
    ValueError
        If the folder holds another run, or the settings do not fit the data.
    """
    from filelock import FileLock

    from avrec_lib.multimodal import processes, runs
    from avrec_lib.multimodal.checkpoints import CHECKPOINT
    from avrec_lib.multimodal.dataset import load_dataset

    accelerator = processes.connect()
    if fresh and accelerator.is_main_process:
        for name in (RUN, CHECKPOINT):
            (folder / name).unlink(missing_ok=True)
    accelerator.wait_for_everyone()
    if (folder / RUN).is_file():
        say(f"{folder} holds a finished run; --fresh would train it anew.")
    alone = accelerator.num_processes == 1
    if not alone:
        folder.mkdir(parents=True, exist_ok=True)
    with contextlib.nullcontext() if alone else FileLock(folder / ".reading.lock"):
        found = load_dataset(data, settings)  # one process computes and keeps what the next ones only look up
    rows, viewers = len(found.train), len(found.user_ids)
    say(f"Training on {found.name}: {rows:,} rows of {viewers:,} viewers; its log is {folder / 'log.csv'}.")
    try:
        trained = runs.train(found, settings, folder)
    except ValueError as error:
        raise ValueError(str(error).replace("delete it to start again", "add --fresh to start again")) from error
    if accelerator.is_main_process:
        (folder / DATA).write_text(data if data == CLIPS else str(Path(data).expanduser().resolve()), "utf-8")
    if not alone:
        accelerator.end_training()  # what follows is for the first process
    return trained, found


def ready(folder: Path | None, data: str | None) -> tuple[Trained, Dataset, Path]:
    """Return a run, its data, read as it was for training, and its folder.

    Parameters
    ----------
    folder : Path, optional
        Without it, the run of `folder_for(data)` is meant, and trained first if it is not there.
    data : str, optional
        By default what the folder says.

    Raises
    ------
    FileNotFoundError
        If the folder that was named holds no run.
    ValueError
        If the run is of other data.
    """
    from avrec_lib.multimodal import runs
    from avrec_lib.multimodal.checkpoints import CHECKPOINT
    from avrec_lib.multimodal.dataset import load_dataset
    from avrec_lib.multimodal.settings import Settings

    home = folder or folder_for(data)
    where = data or data_of(home)
    if folder is None and not (home / RUN).is_file():
        say(f"{home} holds no finished run yet; training it first.")
        was_begun = (home / CHECKPOINT).is_file()  # one that was interrupted goes on as it began
        settings = Settings.load(home / runs.SETTINGS) if was_begun else Settings()
        return *train_into(home, where, settings), home
    trained = runs.load(home)
    found, model = load_dataset(where, trained.settings), trained.model
    had = model.n_users, model.n_positions, model.shapes
    has = len(found.user_ids), found.n_positions, found.inputs.shapes
    if had != has:
        raise ValueError(
            f"{home} was trained on {had[0]:,} viewers, {had[1]} places and clips of shapes {had[2]}, and {where} has "
            f"{has[0]:,}, {has[1]} and {has[2]}; name the data of the run with --data."
        )
    return trained, found, home


def tables_of(folder: Path | None, data: str | None) -> tuple[ServingTables, Path]:
    """Return the tables that were exported since the run was trained, or make and keep them; and the run's folder."""
    from avrec_lib.multimodal.serving_tables import INDEX, ServingTables

    home = folder or folder_for(data)
    kept = home / EXPORT
    with contextlib.suppress(OSError, ValueError):  # not there, or damaged: they are made again
        if (kept / INDEX).stat().st_mtime_ns >= (home / RUN).stat().st_mtime_ns:
            return ServingTables.load(kept), home
    trained, found, home = ready(folder, data)
    from avrec_lib.multimodal.runs import serving_tables

    tables = serving_tables(trained, found)
    tables.save(kept)
    return tables, home


def titles_of(data: str) -> dict[str, str]:
    """Return the title of each clip by its id."""
    if data == CLIPS:
        from avrec_lib.data.clips import load_clips

        items, column = load_clips().items, "title_en"
    else:
        from avrec_lib.data.microlens import load_microlens

        items, column = load_microlens(data).items, "title"
    return dict(zip(items["item_id"].astype(str), items[column].astype(str), strict=True))


def warn(command: str, text: str) -> None:
    """Print a line on stderr, with the number of the process if it is not the first."""
    process = "" if is_first() else f" (process {os.environ['RANK']})"
    print(f"avrec {command}{process}: {text}", file=sys.stderr)
