"""A trained run as files that need no PyTorch: tables, an index, and the two halves of the model as ONNX, all compared.

Page 7.2. Tables answer for the clips and viewers that training knew. The ONNX files go on from there: a clip of
tomorrow becomes a row of the table, and a viewer of whom more is known a new vector.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from avrec_lib.multimodal.dataset import Dataset
from avrec_lib.multimodal.export import ItemTower, TasteTower, export_onnx
from avrec_lib.multimodal.onnx_files import run_onnx
from avrec_lib.multimodal.runs import Trained, serving_tables
from avrec_lib.multimodal.serving_tables import ARRAYS, ServingTables
from avrec_lib.multimodal.tables import last_clicks
from avrec_lib.recommenders.two_tower.retrieval import ItemIndex, largest_products

INDEX, ITEMS, VIEWERS = "items.faiss", "item_tower.onnx", "viewer_tower.onnx"
ROWS = 64  # that an export is tried with
ATOL = 1e-3  # that a vector may differ by, of numbers that are about 1 to 10 in size


def export_run(trained: Trained, data: Dataset, folder: str | Path) -> pd.DataFrame:
    """Write all that serves a run into a folder, and compare each file with the model itself.

    Viewers known by a number alone, and nobody in particular, have no network: then the table is all there is.

    Returns
    -------
    DataFrame
        Columns file, MB, difference (the largest) and compared (with what).

    Raises
    ------
    ImportError
        Without FAISS, or without ONNX.
    ValueError
        If a file tells something else than the model.
    """
    home = Path(folder)
    tables = serving_tables(trained, data)
    tables.save(home)
    back = ServingTables.load(home)
    pairs = [(getattr(tables, name), getattr(back, name)) for name in ARRAYS]
    apart = max(_apart(mine, theirs) for mine, theirs in pairs if mine is not None and theirs is not None)
    mapped = sum(path.stat().st_size for kind in ("npy", "json") for path in home.glob(f"*.{kind}"))
    rows: list[tuple[str, int, float, str]] = []

    def note(name: str, size: int, worst: float, compared: str) -> None:
        if not worst <= ATOL:
            raise ValueError(f"{home / name} differs from the model by {worst:.1e}; do not serve it, and report it.")
        rows.append((name, size, worst, compared))

    clips, viewers = (
        f"the model, on all {len(tables.items):,} clips",
        f"the model, on all {len(tables.users) - 1:,} viewers",
    )
    note("tables (*.npy, *.json)", mapped, apart, "the arrays before they were saved")
    note(INDEX, *_index(tables, home / INDEX), "brute force")
    note(ITEMS, *_item_tower(trained, data, tables, home / ITEMS), clips)
    if trained.settings.user in ("tastes", "history", "both"):
        note(VIEWERS, *_viewer_tower(trained, data, tables, home / VIEWERS), viewers)
    table = pd.DataFrame(rows, columns=["file", "MB", "difference", "compared"])
    return table.assign(MB=table["MB"] / 1e6)


def _index(tables: ServingTables, path: Path) -> tuple[int, float]:
    try:
        ItemIndex(tables.items, "flat").save(path)
    except ImportError as error:
        raise ImportError("an index needs FAISS; pip install 'avrec-lib[project]'.") from error
    some, k = tables.users[:: max(1, len(tables.users) // 256)], min(10, len(tables.items))
    found, exact = ItemIndex.load(path).search(some, k)[1], largest_products(tables.items, some, k)[1]  # (B, k)
    return path.stat().st_size, _apart(found, exact)


def _item_tower(trained: Trained, data: Dataset, tables: ServingTables, path: Path) -> tuple[int, float]:
    arrays, there = data.inputs.of(np.arange(min(ROWS, len(data.inputs))))
    tower = ItemTower(trained.model, trained.settings.senses)
    worst = export_onnx(tower, {**arrays, "there": there}, path, outputs=("g", "items"), atol=ATOL)
    for start in range(0, len(data.inputs), 1000):
        rows = np.arange(start, min(start + 1000, len(data.inputs)))
        arrays, there = data.inputs.of(rows)
        told = run_onnx(path, {name: x.numpy() for name, x in {**arrays, "there": there}.items()})
        worst = max(worst, _apart(told["g"], tables.g[rows]), _apart(told["items"], tables.items[rows]))
    return path.stat().st_size, worst


def _viewer_tower(trained: Trained, data: Dataset, tables: ServingTables, path: Path) -> tuple[int, float]:
    """Write what makes a viewer's vector: of ℓ for tastes; else of number and history, without the 1 at its end."""
    m, settings = len(tables.users) - 1, trained.settings
    whole: dict[str, Tensor] = {}
    if tables.evidence is not None:
        tower: nn.Module = TasteTower(trained.model.tastes)
        whole["evidence"] = torch.from_numpy(np.asarray(tables.evidence))
        expected = tables.users[:m]
    else:
        tower = trained.model.tower
        clicks = last_clicks(data.train, m, settings.history)  # (m, T)
        whole["users"] = torch.arange(m)
        whole["history"] = torch.from_numpy(tables.items[np.maximum(clicks, 0), :-1])  # (m, T, d)
        whole["real"] = torch.from_numpy(clicks >= 0)
        expected = tables.users[:m, :-1]
    worst = export_onnx(tower, {name: x[:ROWS] for name, x in whole.items()}, path, outputs=("vectors",), atol=ATOL)
    for start in range(0, m, 1000):
        told = run_onnx(path, {name: x[start : start + 1000].numpy() for name, x in whole.items()})["vectors"]
        worst = max(worst, _apart(told, expected[start : start + 1000]))
    return path.stat().st_size, worst


def _apart(ours: ArrayLike, theirs: ArrayLike) -> float:
    found: NDArray[np.float64] = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    return float(np.abs(found).max(initial=0))
