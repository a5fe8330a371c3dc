"""Training a `NextClick`: stop when a later window gets no better, save after each pass, go on as if nothing happened.

Page 4.2.4. What comes at the cut or after it is not looked at. Of what comes before, the last days are kept back: the
weights learn from earlier visits, and those of the pass that predicted the last days best are kept. The state of the
training is a safetensors file, numbers and text only: unlike a pickle, it runs no code when it is opened.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from avrec_lib.behaviour.rfm import DAY
from avrec_lib.behaviour.sequence_prediction import Histories, NextClick, Reader, content_tensor, read_histories

Weights = dict[str, Tensor]


class Fit(NamedTuple):
    """A trained model; its log loss on the validation window after each pass, in nats; the pass that was kept."""

    model: NextClick
    losses: list[float]
    best: int


def fit_next_click(
    impressions: pd.DataFrame,
    X: ArrayLike,
    cut: float,
    reader: Reader = "gru",
    *,
    valid_days: float = 3.0,
    width: int = 32,
    epochs: int = 6,
    patience: int = 2,
    lr: float = 0.01,
    batch: int = 25,
    dropout: float = 0.0,
    seed: int = 0,
    state: str | Path | None = None,
    pause_after: int | None = None,
) -> Fit:
    """Train a `NextClick` to a small log loss by AdamW, its steps shrinking to zero.

    Runs on the CPU. The same seed gives the same model on the same number of threads, whether the training was
    interrupted or not; torch's own random state is left alone.

    Parameters
    ----------
    impressions : DataFrame
        As for `read_histories`. Rows at `cut` or later are left out.
    X : array_like, shape (n_items, d)
        Content of each clip.
    cut : float
        Seconds.
    reader, width, dropout : see `NextClick`
    valid_days : float
        Visits that began in the last days before the cut are not learnt from; they say when to stop.
    epochs, patience : int
        Passes over the viewers at most; passes without a better validation loss after which it stops.
    lr, batch, seed : largest step, viewers in a step, and the seed
    state : path, optional
        Where the training is saved after each pass, and from where it goes on if the file is there.
    pause_after : int, optional
        Passes in this call, to go on in another.

    Raises
    ------
    ValueError
        If a number makes no sense, no visit is left to learn from or to validate on, or the state is damaged or
        that of another training.
    """
    if min(epochs, patience, batch) < 1 or lr <= 0 or valid_days <= 0 or (pause_after is not None and pause_after < 1):
        raise ValueError("epochs, patience, batch, lr, valid_days and pause_after must be above 0.")
    content = content_tensor(X)
    before = impressions[impressions["timestamp"] < cut] if "timestamp" in impressions else impressions
    log = read_histories(before, len(content))
    learn = torch.from_numpy(log.begins < cut - valid_days * DAY)  # (n,)
    if not learn.any() or learn.all():
        raise ValueError(
            f"{int(learn.sum())} rows lie before the {valid_days} days of validation, {int((~learn).sum())} in them; "
            "move the cut or change valid_days."
        )
    n_positions = int(log.positions[learn].max())
    shape: dict[str, Any] = {"d": content.shape[1], "n_positions": n_positions, "reader": reader, "width": width}
    settings = shape | {"epochs": epochs, "patience": patience, "lr": lr, "batch": batch, "dropout": dropout}
    settings |= {"seed": seed, "log": _fingerprint(log, learn, content)}
    viewers = np.flatnonzero(np.add.reduceat(learn.numpy().astype(int), log.first[:-1]))  # who has rows to learn from
    n_steps = math.ceil(len(viewers) / batch)  # in a pass
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = NextClick(dropout=dropout, **shape)
        _prepare(model, log, learn, content)
        adam = torch.optim.AdamW(model.parameters(), lr=lr)
        best, losses = copy.deepcopy(model.state_dict()), list[float]()
        if state is not None and Path(state).exists():
            best, losses = _resume(Path(state), model, adam, settings)
        done_before = len(losses)
        bar = tqdm(total=epochs, initial=done_before, desc=reader, unit="pass", delay=2, disable=None, leave=False)
        with bar:
            while len(losses) < epochs and len(losses) - _best(losses) < patience:
                if pause_after is not None and len(losses) - done_before >= pause_after:
                    break
                torch.manual_seed(seed + 1 + len(losses))  # of this pass alone: who goes on draws the same
                order = np.random.default_rng((seed, len(losses))).permutation(viewers)
                for number, start in enumerate(range(0, len(order), batch), len(losses) * n_steps):
                    adam.param_groups[0]["lr"] = lr * (1 - number / (epochs * n_steps))
                    _step(model.train(), adam, content, log, learn, order[start : start + batch])
                losses.append(_loss(model.eval(), content, log, ~learn))
                if _best(losses) == len(losses):
                    best = copy.deepcopy(model.state_dict())
                if state is not None:
                    _save(Path(state), model, adam, best, losses, settings)
                bar.update()
    model.load_state_dict(best)
    return Fit(model.eval(), losses, _best(losses))


def predict_next_click(model: NextClick, impressions: pd.DataFrame, X: ArrayLike) -> NDArray[np.float64]:
    """Return P(click) of each row of a log, shape (n,), each from the visits of its viewer before its own.

    Raises
    ------
    ValueError
        If the log or X is not right, or X has another number of columns than the model has learnt from.
    """
    content = content_tensor(X)
    if content.shape[1] != len(model.mu):
        raise ValueError(f"this model reads {len(model.mu)} numbers a clip, not {content.shape[1]}.")
    log = read_histories(impressions, len(content))
    p = np.empty(len(log.rows))
    with torch.inference_mode():
        for viewers in np.array_split(np.arange(len(log.first) - 1), math.ceil(len(log.first) / 200)):
            logits, rows = model.eval()(content, log, viewers)
            p[log.rows[rows.numpy()]] = logits.double().sigmoid().numpy()
    return p


def load_next_click(path: str | Path) -> NextClick:
    """Return the best model so far of a training saved by `fit_next_click`; ValueError if the file is not one."""
    tensors, record = _open(Path(path))
    names = ("d", "n_positions", "reader", "width", "dropout")
    model = NextClick(**{name: record["settings"][name] for name in names})
    model.load_state_dict(_part(tensors, "best."))
    return model.eval()


def _prepare(model: NextClick, log: Histories, learn: Tensor, content: Tensor) -> None:
    """Set what is not learnt by steps: mean and spread of the content, the usual click at each position."""
    x, r, y = content[log.items[learn]], log.positions[learn], log.clicks[learn]
    model.mu.copy_(x.mean(dim=0))
    spread = x.std(dim=0, correction=0)
    model.sigma.copy_(torch.where(spread > 1e-6, spread, 1.0))
    shown = torch.bincount(r, minlength=len(model.usual))
    clicked = torch.bincount(r, y, minlength=len(model.usual))
    model.usual.copy_(torch.where(shown > 0, clicked / shown.clamp(min=1), y.mean()))


def _step(
    model: NextClick, adam: torch.optim.AdamW, X: Tensor, log: Histories, learn: Tensor, viewers: NDArray[np.int64]
) -> None:
    logits, rows = model(X, log, viewers)
    counted = learn[rows]
    loss = functional.binary_cross_entropy_with_logits(logits[counted], log.clicks[rows][counted])
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    adam.step()


def _loss(model: NextClick, X: Tensor, log: Histories, counted: Tensor) -> float:
    with torch.inference_mode():
        logits, rows = model(X, log)
        kept = counted[rows]
        return float(
            functional.binary_cross_entropy_with_logits(logits[kept].double(), log.clicks[rows][kept].double())
        )


def _best(losses: list[float]) -> int:
    """Return which pass, from 1, had the least loss; 0 if there was none."""
    return int(np.argmin(losses)) + 1 if losses else 0


def _fingerprint(log: Histories, learn: Tensor, content: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in (log.items, log.positions, log.clicks, log.gaps, log.visits, learn, content):
        digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    return digest.hexdigest()


def _save(
    path: Path, model: NextClick, adam: torch.optim.AdamW, best: Weights, losses: list[float], settings: dict[str, Any]
) -> None:
    from safetensors.torch import save_file

    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for number, numbers in adam.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": tensor for name, tensor in numbers.items()}
    record = json.dumps({"settings": settings, "losses": losses})
    part = path.with_name(path.name + ".part")
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, str(part), metadata={"training": record})
    part.replace(path)


def _open(path: Path) -> tuple[Weights, dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            record: dict[str, Any] = json.loads((file.metadata() or {})["training"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not a saved training; delete it to begin anew, or name another file.") from error
    return tensors, record


def _resume(
    path: Path, model: NextClick, adam: torch.optim.AdamW, settings: dict[str, Any]
) -> tuple[Weights, list[float]]:
    tensors, record = _open(path)
    if record["settings"] != settings:
        raise ValueError(f"{path} was saved with another log or other settings; delete it or name another file.")
    model.load_state_dict(_part(tensors, "model."))
    moments: dict[int, Weights] = {}
    for name, tensor in _part(tensors, "adam.").items():
        number, key = name.split(".", 1)
        moments.setdefault(int(number), {})[key] = tensor
    adam.load_state_dict({"state": moments, "param_groups": adam.state_dict()["param_groups"]})
    return _part(tensors, "best."), record["losses"]


def _part(tensors: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
