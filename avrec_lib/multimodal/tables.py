"""From a trained model to two tables of vectors, whose inner products are the scores: what serving needs.

Page 7.2. After training nobody needs the network to make a list: s_ui = ⟨a_u, b_i⟩, so clips and viewers become two
tables.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from avrec_lib.multimodal.batches import Inputs
from avrec_lib.multimodal.model import MultimodalModel

Floats = NDArray[np.float32]


class ClipTable(NamedTuple):
    """What the model makes of all clips.

    Attributes
    ----------
    g : float32 array, shape (n, d)
        Their vectors; alike clips have alike ones.
    b : float32 array, shape (n, D)
        What a viewer's vector is multiplied with.
    """

    g: Floats
    b: Floats


@torch.no_grad()
def clip_table(model: MultimodalModel, inputs: Inputs, hidden: str | None = None, chunk: int = 1000) -> ClipTable:
    """Read all clips, a chunk at a time.

    Parameters
    ----------
    model : MultimodalModel
        Left in evaluation mode.
    inputs : Inputs
    hidden : str, optional
        A sense to hide from the model: what it would make of the clips without it.

    Raises
    ------
    ValueError
        If the model reads no such sense.
    """
    senses = model.settings.senses
    if hidden is not None and hidden not in senses:
        raise ValueError(f"the model reads {', '.join(senses)}; there is no {hidden} to hide.")
    model.eval()
    where = next(model.parameters()).device
    g, b = [], []
    for start in range(0, len(inputs), chunk):
        arrays, there = inputs.of(np.arange(start, min(start + chunk, len(inputs))))
        if hidden is not None:
            there = there.clone()
            there[:, senses.index(hidden)] = False
        g.append(model.clip_vectors({name: x.to(where) for name, x in arrays.items()}, there.to(where)))
        b.append(model.item_vectors(g[-1]))
    return ClipTable(torch.cat(g).float().cpu().numpy(), torch.cat(b).float().cpu().numpy())


@torch.no_grad()
def evidence_table(model: MultimodalModel, b: Floats, log: pd.DataFrame) -> Floats:
    """Return ℓ, what a log says for each taste of each viewer, shape (n_users, K); zeros where it says nothing.

    Parameters
    ----------
    model : MultimodalModel with user="tastes"
    b : float32 array, shape (n, K)
    log : DataFrame
        Columns user, item, click, position.
    """
    where = next(model.parameters()).device
    position = torch.tensor(log["position"].to_numpy(np.int64)).to(where)
    logits = model.log_odds(torch.from_numpy(b[log["item"].to_numpy(np.int64)]).to(where), position)  # (E, K)
    click = torch.tensor(log["click"].to_numpy(np.float32)).to(where)
    user = torch.tensor(log["user"].to_numpy(np.int64)).to(where)
    found: Floats = model.tastes.evidence(logits, click, user, model.n_users).cpu().numpy()
    return found


@torch.no_grad()
def viewer_table(model: MultimodalModel, b: Floats, log: pd.DataFrame) -> Floats:
    """Return a of all viewers and, in the last row, of a stranger: float32, shape (n_users + 1, D).

    Parameters
    ----------
    b : float32 array, shape (n, D)
    log : DataFrame
        What is known of the viewers; see `batches.ViewerRows`. It may hold later clicks than the training did.
    """
    model.eval()
    m, settings = model.n_users, model.settings
    where = next(model.parameters()).device
    if settings.user == "tastes":
        evidence = np.concatenate([evidence_table(model, b, log), np.zeros((1, b.shape[1]), np.float32)])
        p: Floats = model.tastes.posterior(torch.from_numpy(evidence).to(where)).cpu().numpy()
        return p
    history = torch.from_numpy(last_clicks(log, m + 1, settings.history if settings.user in ("history", "both") else 0))
    vectors = torch.from_numpy(b)[history.clamp(min=0)].to(where)  # (m + 1, T, D)
    a: Tensor = model.viewer_vectors(torch.arange(m + 1, device=where), vectors, (history >= 0).to(where))
    found: Floats = a.float().cpu().numpy()
    return found


def last_clicks(log: pd.DataFrame, n_users: int, length: int) -> NDArray[np.int64]:
    """Return the last clips that each viewer clicked, the newest first, shape (n_users, length); −1 is padding.

    Of two clicks at one time the one in the later row is the newer.

    Raises
    ------
    ValueError
        If the log lacks a column.
    """
    absent = [name for name in ("user", "item", "click", "timestamp") if name not in log]
    if absent:
        raise ValueError(f"the log lacks the column {', '.join(absent)}.")
    clicked = log[log["click"].astype(bool)]
    clicked = clicked.iloc[np.lexsort((np.arange(len(clicked)), clicked["timestamp"], clicked["user"]))]
    back = clicked.groupby("user").cumcount(ascending=False).to_numpy()  # 0 is the newest
    kept = back < length
    found = np.full((n_users, length), -1, dtype=np.int64)
    found[clicked["user"].to_numpy()[kept], back[kept]] = clicked["item"].to_numpy()[kept]
    return found
