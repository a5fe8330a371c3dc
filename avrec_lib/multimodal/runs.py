"""One training run, from settings to a folder that serves: what `avrec train` does, in a few functions.

Page 7.2. A run folder holds `settings.yaml`, `reading.json` (how new clips are read), `model.safetensors` (the
weights), `run.json` (what it was trained on), and the trainer's checkpoint and log.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from avrec_lib.evaluation.sampled import metrics_of_ranks
from avrec_lib.multimodal.batches import ViewerRows
from avrec_lib.multimodal.dataset import Dataset, held_back
from avrec_lib.multimodal.impressions import per_viewer
from avrec_lib.multimodal.inputs import Reading
from avrec_lib.multimodal.judging import chances, judge, ranks
from avrec_lib.multimodal.logs import Record
from avrec_lib.multimodal.model import MultimodalModel
from avrec_lib.multimodal.serving_tables import ServingTables
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.tables import clip_table, evidence_table, viewer_table
from avrec_lib.multimodal.trainer import fit

FORMAT = "avrec run 1"
WEIGHTS, READING, RUN, SETTINGS = "model.safetensors", "reading.json", "run.json", "settings.yaml"
READ = ("text", "picture", "sound", "directions", "tokens", "vocabulary", "pixels", "frames", "coefficients")
MOST = 10_000  # clicks that a validation by ranks looks at


@dataclass(frozen=True, eq=False)
class Trained:
    """A model, how its clips were read, and how training went.

    Attributes
    ----------
    model : MultimodalModel
    reading : Reading
    history : list of Record
    """

    model: MultimodalModel
    reading: Reading
    history: list[Record]

    @property
    def settings(self) -> Settings:
        """Return the settings of the model."""
        return self.model.settings


def train(data: Dataset, settings: Settings | None = None, folder: str | Path | None = None) -> Trained:
    """Train a model on a dataset that was read with the same settings.

    With `settings.patience`, the last tenth of the training days says when to stop, and is not trained on: by its log
    loss, for pairs by the mean AUC of a viewer, for a softmax by the mean of 1 / the clicked clip's place among all.

    Parameters
    ----------
    folder : path, optional
        Becomes a run folder. If a run was interrupted there, it goes on.

    Raises
    ------
    ValueError
        If the clips were read with other settings, or `trainer.fit` refuses.
    """
    s = Settings() if settings is None else settings
    if other := _differing(data.reading.settings, s):
        raise ValueError(f"the clips were read with another {other}; read them again with the settings of the model.")
    model = MultimodalModel(s, data.inputs.shapes, len(data.user_ids), data.n_positions)
    n_history = s.history if s.user in ("history", "both") else 0
    past, last = (data.train, None) if s.patience is None else held_back(data.train)
    rows = ViewerRows(data.inputs, past, n_history)

    def validate(network: nn.Module) -> float:
        assert last is not None
        assert isinstance(network, MultimodalModel)
        b = clip_table(network, data.inputs).b
        a = viewer_table(network, b, past)
        if s.loss == "softmax":  # what it and pairs teach is an order, and says nothing of chances
            clicked = last[last["click"].astype(bool)]
            return float(np.mean(1 / ranks(a, b, clicked[:: max(1, len(clicked) // MOST)], past)))
        p, y = chances(network, a, b, last), last["click"].to_numpy(np.float64)
        if s.loss == "pairwise":
            return float(per_viewer(p, y, last["user"], last["item"])["AUC"].mean())
        return float(np.mean(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12)))

    told = {"data": data.digest(), "dataset": data.name}
    history = fit(model, rows, s, folder=folder, validate=None if last is None else validate, of=told, name=data.name)
    trained = Trained(model, data.reading, history)
    if folder is not None and os.environ.get("RANK", "0") == "0":  # of several processes, the first one writes
        save(trained, folder, told)
    return trained


def save(trained: Trained, folder: str | Path, of: dict[str, Any] | None = None) -> None:
    """Write a run folder; each file appears whole, and `run.json`, without which there is no run, the last."""
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    model = trained.model
    trained.settings.save(home / SETTINGS)
    trained.reading.save(home / READING)
    part = home / f"{WEIGHTS}.{os.getpid()}.part"
    save_file({name: x.detach().cpu().contiguous() for name, x in model.state_dict().items()}, part)
    part.replace(home / WEIGHTS)
    told = {
        "format": FORMAT,
        "shapes": {name: list(shape) for name, shape in model.shapes.items()},
        "n_users": model.n_users,
        "n_positions": model.n_positions,
        "of": of or {},
        "history": [record._asdict() for record in trained.history],
    }
    part = home / f"{RUN}.{os.getpid()}.part"
    part.write_text(json.dumps(told, indent=1), encoding="utf-8")
    part.replace(home / RUN)


def load(folder: str | Path) -> Trained:
    """Read a run folder.

    Raises
    ------
    FileNotFoundError
        If there is no finished run.
    ValueError
        If its files are damaged or do not belong together.
    """
    home = Path(folder)
    if not (home / RUN).is_file():
        raise FileNotFoundError(f"{folder} holds no finished run; make one with: avrec train --folder {folder}")
    try:
        told = json.loads((home / RUN).read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise ValueError("it was written by another program")
        shapes = {name: tuple(shape) for name, shape in told["shapes"].items()}
        settings = Settings.load(home / SETTINGS)
        model = MultimodalModel(settings, shapes, told["n_users"], told["n_positions"])
        model.load_state_dict(load_file(home / WEIGHTS))
        reading = Reading.load(home / READING)
        if other := _differing(reading.settings, settings):
            raise ValueError(f"its clips were read with another {other}")
        history = [Record(**record) for record in told["history"]]
        model.at(1.0)
        return Trained(model.eval(), reading, history)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError, OSError) as error:
        raise ValueError(f"{folder} holds a damaged run ({str(error).splitlines()[0]}); train it again.") from error


def evaluate(trained: Trained, data: Dataset) -> pd.DataFrame:
    """Return `judging.judge` of each test of a dataset, one row a test.

    Where all rows are clicks nothing was refused, and there is no AUC: then the columns are the means of HR@10, NDCG@10
    and 1 / rank of `judging.ranks`, among all clips that the viewer did not meet in training.
    """
    b = clip_table(trained.model, data.inputs).b
    a = viewer_table(trained.model, b, data.train)
    rows = {}
    for name, log in data.tests.items():
        if log["click"].all():
            place = ranks(a, b, log, data.train)
            told = metrics_of_ranks(place) | {"1 / rank": 1 / place}
            rows[name] = {metric: float(values.mean()) for metric, values in told.items()}
            continue
        truth = None if data.truth is None else data.truth[name]
        rows[name] = judge(chances(trained.model, a, b, log), log, truth)
    return pd.DataFrame(rows).T


def serving_tables(trained: Trained, data: Dataset) -> ServingTables:
    """Return what `serving.Service` needs: vectors of clips and viewers, and what each viewer was shown and clicked."""
    model, m, n = trained.model, len(data.user_ids), len(data.item_ids)
    table = clip_table(model, data.inputs)
    without = np.stack([clip_table(model, data.inputs, sense).b for sense in model.settings.senses])  # (S, n, D)
    told = {}
    if model.settings.user == "tastes":
        with torch.no_grad():
            told["prior"] = model.tastes.prior.softmax(dim=0).cpu().numpy()
        told["evidence"] = evidence_table(model, table.b, data.train)
    with torch.no_grad():
        looked = torch.cat([model.place.new_tensor([torch.inf]), model.place]).sigmoid().cpu().numpy()
    clicked = data.train[data.train["click"].astype(bool)]

    def pairs(log: pd.DataFrame) -> sp.csr_array:
        at = log["user"].to_numpy(np.int64), log["item"].to_numpy(np.int64)
        return sp.csr_array(sp.coo_array((np.ones(len(log), dtype=bool), at), shape=(m, n)))  # pairs once each

    return ServingTables(
        items=table.b,
        users=viewer_table(model, table.b, data.train),
        g=table.g,
        without=without,
        senses=model.settings.senses,
        item_ids=data.item_ids,
        user_ids=data.user_ids,
        clicked=pairs(clicked),
        seen=pairs(data.train),
        looked=looked,
        **told,
    )


def _differing(reading: Settings, model: Settings) -> str:
    """Name the settings by which clips are read that the two do not share."""
    return ", ".join(name for name in READ if getattr(reading, name) != getattr(model, name))
