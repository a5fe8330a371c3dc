"""What a service needs of a trained model: arrays of numbers, and a folder to keep them in.

Page 7.2. No network is run when a list is asked for. The vectors of clips and viewers are computed once; a score is an
inner product of two of them, and a reason is a difference of two scores. The folder holds one `.npy` file for each
array, which is mapped into memory and not read into it, and `serving.json`, which names the files and their SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import softmax

Floats = NDArray[np.float32]
FORMAT, INDEX = "avrec serving tables 1", "serving.json"
ARRAYS = ("items", "users", "g", "without", "prior", "evidence", "looked")
MAPS = ("clicked", "seen")
IDS = ("item_ids", "user_ids")


@dataclass(frozen=True, eq=False)
class ServingTables:
    """Vectors, ids and what viewers did: all that `Service` answers from.

    Parameters
    ----------
    items : float32, shape (n, D)
    users : float32, shape (m + 1, D)
        ⟨users[u], items[i]⟩ is the log-odds of a click at the neutral position. The last row is a stranger.
    g : float32, shape (n, d)
        The clips' own vectors, which say how alike two clips are.
    without : float32, shape (S, n, D)
        The items' vectors with sense s hidden.
    senses : tuple of S str
    item_ids, user_ids : sequences of n and m different str
    clicked : CSR, shape (m, n)
        A stored entry, whatever its value, is a clip that the viewer clicked.
    seen : CSR, shape (m, n), optional
        Clips not to be recommended again, besides the clicked ones.
    prior : float32, shape (K,), optional
        π of a mixture of tastes (`Tastes.prior.softmax(0)`); then D = K, items are s_ik and users are p_uk.
    evidence : float32, shape (m, K), optional
        ℓ_uk of `Tastes.evidence`: with it a new click counts at once.
    looked : float32, shape (P,), optional
        e_r of `MultimodalModel`: the chance that place r = 1 … P of a list is looked at, beside the first one. Later
        places count as the last.

    Raises
    ------
    ValueError
        If shapes, dtypes or ids do not agree, a number is not finite, or users are not what the evidence says.
    """

    items: Floats
    users: Floats
    g: Floats
    without: Floats
    senses: tuple[str, ...]
    item_ids: Sequence[str]
    user_ids: Sequence[str]
    clicked: sp.csr_array
    seen: sp.csr_array | None = None
    prior: Floats | None = None
    evidence: Floats | None = None
    looked: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        for name in (*IDS, "senses"):
            ids = tuple(getattr(self, name))
            if not all(isinstance(told, str) for told in ids) or len(set(ids)) < len(ids):
                raise ValueError(f"{name} must be different strings; turn numbers into strings, and look for doubles.")
            object.__setattr__(self, name, ids)
        n, m = len(self.item_ids), len(self.user_ids)
        _check_array("items", self.items, (n, None))
        D = self.items.shape[1]
        shapes: dict[str, tuple[int | None, ...]] = {
            "users": (m + 1, D),
            "g": (n, None),
            "without": (len(self.senses), n, D),
            "prior": (D,),
            "evidence": (m, D),
            "looked": (None,),
        }
        for name, shape in shapes.items():
            _check_array(name, getattr(self, name), shape)
        if not n or not D or not self.senses:
            raise ValueError("a service needs at least one item, one number in its vector and one sense.")
        for name in MAPS:
            table = getattr(self, name)
            if table is not None and (not isinstance(table, sp.csr_array) or table.shape != (m, n)):
                raise ValueError(f"{name} must be a csr_array of shape ({m}, {n}): a row for each user id.")
        if self.looked is not None and not (len(self.looked) and (self.looked > 0).all() and (self.looked <= 1).all()):
            raise ValueError("looked must hold a chance for each place, above 0 and at most 1.")
        if (self.prior is None) != (self.evidence is None):
            raise ValueError("prior and evidence belong together; give both, or neither.")
        if self.prior is not None and self.evidence is not None:
            if not (self.prior > 0).all() or abs(float(self.prior.sum()) - 1) > 1e-4:
                raise ValueError("prior must be positive and sum to 1; from Tastes it is tastes.prior.softmax(0).")
            told = np.vstack([softmax(np.log(self.prior) + self.evidence, axis=1), self.prior[None]])  # (m + 1, K)
            if np.abs(told - self.users).max() > 1e-2:
                raise ValueError("users must be the softmax of log prior + evidence, with the prior in the last row.")

    def save(self, folder: str | Path) -> None:
        """Write the tables into a folder. Tables that it held are replaced in one step, and stay whole until then."""
        home = Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        files: dict[str, dict[str, str]] = {}

        def keep(name: str, ending: str, write: Callable[[IO[bytes]], object]) -> None:
            part = home / f"{name}.{os.getpid()}.part"
            try:
                with part.open("wb") as file:
                    write(file)
                digest = _digest(part)
                files[name] = {"file": f"{name}.{digest[:16]}.{ending}", "sha256": digest}
                part.replace(home / files[name]["file"])
            finally:
                part.unlink(missing_ok=True)

        def keep_array(name: str, array: NDArray[Any]) -> None:
            keep(name, "npy", lambda file: np.save(file, array, allow_pickle=False))

        for name in ARRAYS:
            if getattr(self, name) is not None:
                keep_array(name, getattr(self, name))
        for name in MAPS:
            table = getattr(self, name)
            if table is not None:
                keep_array(f"{name}-rows", table.indptr)
                keep_array(f"{name}-items", table.indices)
        for name in IDS:
            text = json.dumps(getattr(self, name), ensure_ascii=False).encode()
            keep(name, "json", lambda file, text=text: file.write(text))  # type: ignore[misc]
        old: dict[str, dict[str, str]] = {}
        with contextlib.suppress(ValueError):  # nothing was there, or nothing that is worth keeping
            old = _files(home)
        part = home / f"{INDEX}.{os.getpid()}.part"
        told = {"format": FORMAT, "senses": self.senses, "files": files}
        part.write_text(json.dumps(told, indent=1), encoding="utf-8")
        part.replace(home / INDEX)  # until here the old tables are the ones that are there
        for name in {entry["file"] for entry in old.values()} - {entry["file"] for entry in files.values()}:
            (home / name).unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: str | Path) -> ServingTables:
        """Map the tables that `save` wrote into memory.

        Each file is read once, to compare its SHA-256; after that only what is asked for stays in memory.

        Raises
        ------
        ValueError
            If the folder holds no tables, others than this version's, or a file that is lost or not what was saved.
        """
        home = Path(folder)
        files = _files(home)
        told: dict[str, Any] = {"senses": tuple(json.loads((home / INDEX).read_text(encoding="utf-8"))["senses"])}
        for entry in files.values():
            path = home / entry["file"]
            if not path.is_file() or _digest(path) != entry["sha256"]:
                raise ValueError(f"{path.name} is not what was saved in {home.name}; save the tables again.")

        def array(name: str) -> NDArray[Any]:
            mapped: NDArray[Any] = np.load(home / files[name]["file"], mmap_mode="r", allow_pickle=False)
            return mapped

        for name in IDS:
            told[name] = json.loads((home / files[name]["file"]).read_text(encoding="utf-8"))
        told |= {name: array(name) for name in ARRAYS if name in files}
        shape = (len(told["user_ids"]), len(told["item_ids"]))
        for name in MAPS:
            if f"{name}-rows" in files:
                rows, items = array(f"{name}-rows"), array(f"{name}-items")
                told[name] = sp.csr_array((np.ones(len(items), dtype=bool), items, rows), shape=shape)
        return cls(**told)


def _check_array(name: str, array: Floats | None, shape: tuple[int | None, ...]) -> None:
    if array is None and name in ("prior", "evidence", "looked"):
        return
    wanted = f"({', '.join('any' if size is None else str(size) for size in shape)})"
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim != len(shape):
        got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{name} must be a float32 array of shape {wanted}, not {got}.")
    if any(size not in (None, told) for size, told in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must have shape {wanted}, not {array.shape}; its rows are those of the ids.")
    with np.errstate(invalid="ignore"):
        if not np.isfinite(array.sum(dtype=np.float64)):  # no table of bools as large as the array
            raise ValueError(f"{name} holds NaN or infinity; look at the model that computed it.")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(home: Path) -> dict[str, dict[str, str]]:
    try:
        told = json.loads((home / INDEX).read_text(encoding="utf-8"))
        files: dict[str, dict[str, str]] = told["files"] if told["format"] == FORMAT else {}
        names = [entry["file"] for entry in files.values() if entry["sha256"]]
    except FileNotFoundError as error:
        raise ValueError(f"{home.name} holds no serving tables; write them with ServingTables.save.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{INDEX} in {home.name} is damaged; save the tables again.") from error
    if not {"items", "users", "g", "without", "clicked-rows", "clicked-items", *IDS} <= files.keys():
        raise ValueError(f"{INDEX} in {home.name} is of something else, or of another version; save the tables again.")
    if any(Path(name).name != name for name in names):  # a file of ours names nothing outside its folder
        raise ValueError(f"{INDEX} in {home.name} names files of other folders; save the tables again.")
    return files
