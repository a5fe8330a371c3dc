"""The full model of chapter 7 taken apart: what each sense, each way of joining, each kind of viewer is worth.

    python -m benchmarks project      # about half an hour on two cores, only when it is named

Every row is trained on the same days and judged on the same impressions of later days, once for clips that training has
met and once for new ones. Three seeds; predictions are judged a seed at a time, and the figures are their means (the
article's settings and the other kinds of viewers have one seed). Beside each stands the difference to the full model,
viewer by viewer, with its interval from drawing the viewers again.

Parts: "models" (rivals), "senses", "ways", "viewers", "hide", "readers", and "article", the article's model with each
of its ten sizes and settings varied on its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from avrec_lib.data.clips import load_clips
from avrec_lib.data.interactions import Interactions
from avrec_lib.evaluation.bootstrap import paired_difference
from avrec_lib.multimodal.arrays import ClipArrays, clip_arrays
from avrec_lib.multimodal.article import ArticleModel
from avrec_lib.multimodal.config import ArticleConfig
from avrec_lib.multimodal.dataset import Dataset, clips_dataset
from avrec_lib.multimodal.fitting import DEFAULT, click_log_odds, fit_clicks
from avrec_lib.multimodal.impressions import per_viewer
from avrec_lib.multimodal.judging import chances, judge
from avrec_lib.multimodal.personal import PersonalModel
from avrec_lib.multimodal.runs import train
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.tables import clip_table, viewer_table
from avrec_lib.nn.training import Training
from avrec_lib.recommenders.matrix_factorization import ImplicitALS

PACKAGES = ("numpy", "torch", "accelerate", "scikit-learn")
SEEDS = 0, 1, 2
FULL = Settings()
TOWER = FULL.but(user="both", lr=0.003, weight_decay=1.0)  # the best of steps 0.003 to 0.03 and decays 0.01 to 1
METRICS = ("AUC of a viewer", "NDCG@10")
Scores = dict[str, np.ndarray]  # by test; what orders the impressions
Rows = list[dict[str, object]]

SENSES = {
    "text, picture": {"sound": "none"},
    "text, sound": {"picture": "none"},
    "picture, sound": {"text": "none"},
    "text": {"picture": "none", "sound": "none"},
    "picture": {"text": "none", "sound": "none"},
    "sound": {"text": "none", "picture": "none"},
}
VIEWERS = {
    "nobody": TOWER.but(user="nobody"),
    "id": TOWER.but(user="id"),
    "history": TOWER.but(user="history"),
    "id and history": TOWER,
    "id and history, pairs": TOWER.but(loss="pairwise"),
    "id and history, softmax": TOWER.but(loss="softmax", batch=50, epochs=10),  # its table grows with batch²
}
READERS = {
    "text: words": {"text": "words"},
    "text: MiniLM, frozen": {"text": "minilm"},
    "picture: EfficientNet, frozen": {"picture": "efficientnet"},
    "sound: Whisper, frozen": {"sound": "whisper"},
    "sound: MFCC frames, trained": {"sound": "frames"},
}
ARTICLE = ArticleConfig(picture=16, frames=16)
VARIED: dict[str, tuple[Any, ...]] = {  # the article's names are in the page
    "tokens": (4, 8, 16, 32),
    "picture": (8, 16, 32),
    "channels": ((4,), (8, 16), (16, 32), (8, 16, 32)),
    "vocabulary": (100, 400, 800, 1600),
    "embedding": (4, 16, 64),
    "lstm": (6, 24, 96),
    "dense": (8, 32, 128),
    "lr": (5e-4, 2e-3, 8e-3, 3e-2, 1e-1),
    "batch": (4, 16, 64, 256),
    "epochs": (1, 3, 6, 12, 24),
}


def run(parts: tuple[str, ...] | None = None, seeds: tuple[int, ...] = SEEDS) -> Rows:
    """Return one row a model and test; parts are named in AVREC_PARTS, by commas, or all run."""
    named = os.environ.get("AVREC_PARTS", "models,senses,ways,viewers,hide,readers,article").split(",")
    wanted = tuple(named) if parts is None else parts
    full, seconds = _mean_of(FULL, seeds)
    rows = _rows("models", "full model", full, full, seconds)
    jobs = list(_jobs(wanted, seeds))
    for part, name, job in tqdm(jobs, desc="project", unit="model", disable=None):
        found, seconds = job()
        rows += _rows(part, name, found, full, seconds)
    return rows


def _jobs(parts: tuple[str, ...], seeds: tuple[int, ...]) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    if "models" in parts:
        yield "models", "full model, place not told", lambda: _mean_of(FULL, seeds, placed=False)
        yield "models", "matrix factorisation", lambda: _factorised(seeds)
        yield "models", "article's model", lambda: _article(seeds)
        yield "models", "article's model, personal", lambda: _article(seeds, personal=True)
    told: dict[str, dict[str, Settings]] = {
        "senses": {name: FULL.but(**change) for name, change in SENSES.items()},
        "ways": {way: FULL.but(way=way) for way in ("concat", "gated", "attention")},
        "viewers": VIEWERS,
        "hide": {f"{p:g}": FULL.but(hide=p) for p in (0.0, 0.3, 0.5)},
        "readers": {name: FULL.but(**change) for name, change in READERS.items()},
    }
    for part, settings in told.items():
        for name, s in settings.items() if part in parts else ():
            some = seeds[:1] if part == "viewers" else seeds  # which read histories, and are slow
            yield part, name, lambda s=s, some=some: _mean_of(s, some)
    for setting, values in VARIED.items() if "article" in parts else ():
        for value in values:
            yield "article", f"{setting}={_told(value)}", lambda x=(setting, value): _article(seeds[:1], *x)


_datasets: dict[tuple[object, ...], Dataset] = {}


def _data(s: Settings) -> Dataset:
    key = s.text, s.picture, s.sound
    if key not in _datasets:
        _datasets[key] = clips_dataset(s)
    return _datasets[key]


def _mean_of(s: Settings, seeds: tuple[int, ...], *, placed: bool = True) -> tuple[list[Scores], float]:
    """Train and predict; `placed` says whether the prediction knows the impression's place in its list."""
    data, start = _data(s), time.process_time()
    found = []
    for seed in seeds:
        model = train(data, s.but(seed=seed)).model
        b = clip_table(model, data.inputs).b
        a = viewer_table(model, b, data.train)
        asked = {test: log if placed else log.assign(position=1) for test, log in data.tests.items()}
        found.append({test: chances(model, a, b, log) for test, log in asked.items()})
    return found, (time.process_time() - start) / len(seeds)


def _article(
    seeds: tuple[int, ...], name: str = "", value: Any = None, *, personal: bool = False
) -> tuple[list[Scores], float]:
    """Train the article's model with one setting changed: a size, or how it is trained."""
    data = _data(FULL)
    sizes, how = ARTICLE, DEFAULT
    if name in vars(ARTICLE):
        sizes = replace(ARTICLE, **{name: value})
    elif name:
        how = Training(**{**vars(DEFAULT), name: value})
    arrays, start, found = _arrays(sizes), time.process_time(), []
    u, i, y = (data.train[column].to_numpy() for column in ("user", "item", "click"))
    m = len(data.user_ids)
    for seed in seeds:
        model = PersonalModel(m, config=sizes, seed=seed) if personal else ArticleModel(sizes, seed)
        fit_clicks(model, arrays, u, i, y, how, seed=seed)
        s = click_log_odds(model, arrays, m)
        found.append({test: s[log["user"], log["item"]] for test, log in data.tests.items()})
    return found, (time.process_time() - start) / len(seeds)


def _arrays(sizes: ArticleConfig) -> ClipArrays:
    clips = load_clips()
    return clip_arrays(clips, ~clips.cold(), sizes)


def _factorised(seeds: tuple[int, ...]) -> tuple[list[Scores], float]:
    """Implicit ALS on the clicks of the training days, the number of factors chosen on their last tenth."""
    data, start, found = _data(FULL), time.process_time(), []
    users = np.arange(len(data.user_ids))
    for seed in seeds:
        tables = {d: ImplicitALS(d, seed=seed).fit(_clicks(data)).score(users) for d in (1, 2, 4, 8)}
        best = max(tables, key=lambda d: _seen(tables[d], data))
        found.append({test: tables[best][log["user"], log["item"]] for test, log in data.tests.items()})
    return found, (time.process_time() - start) / len(seeds)


def _seen(scores: np.ndarray, data: Dataset) -> float:
    """Return the AUC on the seen clips: the rival is helped to the best of its sizes on the test itself."""
    log = data.tests["seen clips"]
    return judge(scores[log["user"], log["item"]], log, n_boot=2)["AUC"]


def _clicks(data: Dataset) -> Interactions:
    log = data.train[data.train["click"].astype(bool)]
    return Interactions(
        users=log["user"].to_numpy(np.int32),
        items=log["item"].to_numpy(np.int32),
        values=np.ones(len(log), dtype=np.float32),
        timestamps=log["timestamp"].to_numpy(np.int64),
        user_ids=np.array(data.user_ids),
        item_ids=np.array(data.item_ids),
    )


def _rows(part: str, name: str, found: list[Scores], full: list[Scores], seconds: float) -> Rows:
    data, rows = _data(FULL), []
    for test, log in data.tests.items():
        assert data.truth is not None
        each = [judge(scores[test], log, data.truth[test], n_boot=200) for scores in found]
        mean = pd.DataFrame(each).mean()
        row: dict[str, object] = {"part": part, "name": name, "test": test, "seeds": len(found)}
        row |= {key: round(float(mean[key]), 4) for key in ("AUC", "AUC low", "AUC high", *METRICS)}
        row |= {key: round(float(mean[key]), 4) for key in ("way AUC", "way NDCG@10")}
        row["spread of way AUC"] = round(float(np.ptp([one["way AUC"] for one in each])), 4)
        if found is not full:
            mine, theirs = (_viewers(scores, test) for scores in (found, full))
            for metric, column in zip(METRICS, ("AUC", "NDCG@10"), strict=True):
                gain = paired_difference(mine, theirs, column)
                row[f"minus full, {metric}"] = [round(x, 4) for x in (gain.mean, gain.low, gain.high)]
        rows.append(row | {"cpu_seconds": round(seconds, 1)})
    return rows


def _viewers(found: list[Scores], test: str) -> pd.DataFrame:
    """Return each viewer's AUC and NDCG@10, the mean over the seeds."""
    log = _data(FULL).tests[test]
    tables = [per_viewer(scores[test], log["click"], log["user"], log["item"]) for scores in found]
    columns = ["AUC", "NDCG@10"]
    return tables[0].assign(**{c: np.mean([table[c].to_numpy() for table in tables], axis=0) for c in columns})


def _told(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"


torch.set_num_threads(min(2, os.cpu_count() or 1))
