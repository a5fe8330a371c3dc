"""The arrays of all clips, in memory or on disk, and the rows of them that a batch wants.

Page 7.2. A folder holds one `.npy` a sense, `there.npy` and `inputs.json`. Loading maps the files into memory:
a batch reads its rows, whatever the size of all.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

SENSES = ("text", "picture", "sound")
META = "inputs.json"
FORMAT = "avrec clip inputs 1"
COLUMNS = ("item", "sense", "reason")
REMEDY = "Name a folder that ClipInputs.save wrote, or read the clips again."


@dataclass(frozen=True, eq=False)
class ClipInputs:
    """What is read of n clips.

    Attributes
    ----------
    arrays : {sense: array, shape (n, …)}
        In the order of the senses; their kinds and shapes are in `avrec_lib.multimodal.inputs`.
    there : bool array, shape (n, n_senses)
        False where a sense is missing or could not be read; its row of the array holds zeros.
    faults : DataFrame
        One row a False of `there`: item, sense, reason.

    Raises
    ------
    ValueError
        If the arrays are not of the same clips.
    """

    arrays: dict[str, NDArray[Any]]
    there: NDArray[np.bool_]
    faults: pd.DataFrame

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        lengths = {len(array) for array in self.arrays.values()}
        if len(lengths) != 1 or self.there.shape != (*lengths, len(self.arrays)) or self.there.dtype != np.bool_:
            raise ValueError(
                f"arrays of lengths {sorted(lengths)} and there of {self.there.dtype} {self.there.shape} do not belong "
                "together; there is bool (n, number of senses)."
            )

    def __len__(self) -> int:
        """Return n."""
        return len(self.there)

    @property
    def senses(self) -> tuple[str, ...]:
        """Return the senses that are read, in order."""
        return tuple(self.arrays)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of one clip's row, for each sense."""
        return {sense: array.shape[1:] for sense, array in self.arrays.items()}

    def of(self, items: ArrayLike) -> tuple[dict[str, Tensor], Tensor]:
        """Return the rows of these clips, in this order, and which of their senses are there, (M, n_senses).

        Raises
        ------
        ValueError
            If there is no such clip.
        """
        i, n = np.asarray(items, dtype=np.int64), len(self)
        if i.ndim != 1 or (i.size and (i.min() < 0 or i.max() >= n)):
            raise ValueError(f"items must be numbers of clips, 0..{n - 1}, in one row, not {i.ravel()[:5].tolist()}…")
        return {sense: torch.from_numpy(array[i]) for sense, array in self.arrays.items()}, torch.from_numpy(
            self.there[i]
        )

    def save(self, folder: str | Path) -> None:
        """Write a folder, whole or not at all; one that `save` wrote before is replaced.

        Raises
        ------
        ValueError
            If there is something else of that name.
        """
        target = Path(folder)
        is_ours = (target / META).is_file() or (target.is_dir() and not any(target.iterdir()))
        if target.exists() and not is_ours:
            raise ValueError(f"{target} holds something else; name a new folder for the inputs.")
        part, old = (target.with_name(f"{target.name}.{os.getpid()}.{end}") for end in ("part", "old"))
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            for name, array in {**self.arrays, "there": self.there}.items():
                np.save(part / f"{name}.npy", array, allow_pickle=False)
            told = {
                "format": FORMAT,
                "arrays": {name: [str(array.dtype), list(array.shape)] for name, array in self.arrays.items()},
                "faults": self.faults.to_numpy().tolist(),
            }
            write_json(part / META, told)
            if target.exists():
                target.rename(old)
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)

    @classmethod
    def load(cls, folder: str | Path) -> ClipInputs:
        """Map the arrays of a folder into memory, read-only.

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        ValueError
            If it is another folder, or a file in it is missing or damaged.
        """
        root = Path(folder)
        if not root.is_dir():
            raise FileNotFoundError(f"there is no folder {root}. {REMEDY}")
        if not (root / META).is_file():
            raise ValueError(f"{root} holds no inputs of clips (no {META}). {REMEDY}")
        told = read_json(root / META, FORMAT, REMEDY)
        try:
            if not set(told["arrays"]) <= set(SENSES):
                raise ValueError(f"it names {', '.join(told['arrays'])}")
            arrays = {name: _mapped(root / f"{name}.npy", *wanted) for name, wanted in told["arrays"].items()}
            n = len(next(iter(arrays.values())))
            there = np.array(_mapped(root / "there.npy", "bool", [n, len(arrays)]))
            return cls(arrays, there, pd.DataFrame(told["faults"], columns=list(COLUMNS)))
        except (OSError, EOFError, KeyError, TypeError, AttributeError, StopIteration, ValueError) as error:
            raise ValueError(f"{root} is damaged ({error or type(error).__name__}). {REMEDY}") from error


def write_json(path: Path, told: dict[str, Any]) -> None:
    """Write a JSON file, in one step."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    part.replace(path)


def read_json(path: Path, form: str, remedy: str) -> dict[str, Any]:
    """Read a JSON object whose "format" is this one; anything else is a ValueError."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no UTF-8
        raise ValueError(f"{path} is damaged, or no JSON ({error}). {remedy}") from error
    if not isinstance(told, dict) or told.get("format") != form:
        raise ValueError(f"{path} is not of the format {form!r}. {remedy}")
    return told


def _mapped(path: Path, dtype: str, shape: list[int]) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if str(array.dtype) != dtype or list(array.shape) != shape:
        raise ValueError(f"{path.name} is {array.dtype} {array.shape}, not {dtype} {tuple(shape)}")
    return array
