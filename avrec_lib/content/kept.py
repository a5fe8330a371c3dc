"""Keep what was found in a file, numbers and words, on disk by the file's content: slow work is done once.

Page 3.3. The cache of `extract` keeps one vector an input; here several arrays and a table of words go together.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.content.errors import MediaError
from avrec_lib.data.assets import cache_folder

Arrays = dict[str, NDArray[Any]]


def place_of(path: Path, name: str, recipe: str) -> Path:
    """Return where the findings of a file are kept: SHA-256 of its content and of the recipe (settings, version).

    A file that was renamed is known, one that was changed is not.

    Raises
    ------
    MediaError
        If there is no such file, or it cannot be read.
    """
    if not path.is_file():
        is_folder = path.is_dir()
        raise MediaError(
            path, "is a folder; give the path of a file." if is_folder else "is not there; check the path."
        )
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror}); check its permissions.") from error
    key = hashlib.sha256(f"{content}\0{recipe}".encode()).hexdigest()
    return cache_folder() / name / key[:2] / f"{key}.npz"


def keep(place: Path, told: Mapping[str, object], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write what JSON can tell, and arrays, in one step, so that no other process ever sees half of it.

    Where nothing can be written, it is a warning: the work was done, and will have to be done again.
    """
    part = place.with_name(f"{place.name}.{os.getpid()}.part")
    everything: Arrays = {"told": np.array(json.dumps(told)), **arrays}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                np.savez(file, allow_pickle=False, **everything)
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(
            f"what was found cannot be kept in {place.parent} ({error.strerror or error}); set AVREC_CACHE to a folder "
            "that can be written and has room.",
            stacklevel=3,
        )


def recall(place: Path) -> tuple[dict[str, Any], Arrays] | None:
    """Return what `keep` wrote, or None if it is not there or its file is not whole."""
    try:
        with np.load(place, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        return json.loads(str(arrays.pop("told"))), arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
