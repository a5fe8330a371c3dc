"""How good the full model is on impressions of later days, and how far on the way from chance to the best possible.

Page 7.3. The article takes the squared error of a random fifth of the rows. Here the days are later, clips that were
met and new ones are told apart, and beside each score stands what nobody can beat.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data.clips import bayes_ndcg, expected_auc
from avrec_lib.multimodal.impressions import per_viewer, pooled_auc
from avrec_lib.multimodal.model import MultimodalModel, placed_log_odds

Floats = NDArray[np.float64]


@torch.no_grad()
def chances(model: MultimodalModel, a: ArrayLike, b: ArrayLike, log: pd.DataFrame) -> Floats:
    """Return the chance of a click of each impression, its place in the list included, float64, shape (E,).

    For tastes it is Bayes' Σ_k P(taste k of u) e_r σ(s_ik), for the others e_r σ(⟨a_u, b_i⟩), whose odds are divided by
    the weight that clicks had in training (`losses.pointwise`).

    Parameters
    ----------
    a, b : float32 arrays, shapes (m, D) and (n, D)
        Tables of viewers and clips, from `avrec_lib.multimodal.tables`.
    log : DataFrame
        Columns user, item and position.
    """
    users, items, position = (torch.tensor(log[name].to_numpy(np.int64)) for name in ("user", "item", "position"))
    who, what = torch.as_tensor(np.asarray(a))[users].double(), torch.as_tensor(np.asarray(b))[items].double()  # (E, D)
    on_cpu = model.place.detach().double().cpu()
    if model.settings.user == "tastes":
        p = (who * torch.sigmoid(placed_log_odds(what, position, on_cpu))).sum(dim=1)
    else:
        logits = placed_log_odds((who * what).sum(dim=1), position, on_cpu)
        weight = model.settings.weight_of_clicks if model.settings.loss == "pointwise" else 1.0
        p = torch.sigmoid(logits - math.log(weight))
    found: Floats = p.numpy()
    return found


def judge(
    p: ArrayLike, log: pd.DataFrame, truth: ArrayLike | None = None, k: int = 10, n_boot: int = 400
) -> dict[str, float]:
    """Return what predictions are worth on a log: ranking, chances, and the share of the way to the best possible.

    Parameters
    ----------
    p : array_like, shape (E,)
        Predicted chances, or anything that orders (then the log loss and the Brier score mean nothing).
    log : DataFrame
        Columns user, item and click.
    truth : array_like, shape (E,), optional
        The true chances; then the last two entries are there.

    Returns
    -------
    dict
        AUC with its interval (over all rows; viewers drawn again), "AUC of a viewer" and "NDCG@k" (means over viewers
        who clicked on something and left something), "log loss", "Brier" (the mean squared error of chances), and
        "way AUC", "way NDCG@k": (x − chance) / (best − chance), each as expected under the true chances, so that the
        luck of the clicks is not in it. Chance is a list in random order, the best is the order of the true chances.
    """
    s, y = np.asarray(p, dtype=np.float64), log["click"].to_numpy(np.float64)
    users, items = log["user"].to_numpy(), log["item"].to_numpy()
    pooled, own = pooled_auc(s, y, users, n_boot), per_viewer(s, y, users, items, k)
    inside = np.clip(s, 1e-7, 1 - 1e-7)
    found = {
        "AUC": pooled.value,
        "AUC low": pooled.low,
        "AUC high": pooled.high,
        "AUC of a viewer": float(own["AUC"].mean()),
        f"NDCG@{k}": float(own[f"NDCG@{k}"].mean()),
        "log loss": float(-(y * np.log(inside) + (1 - y) * np.log(1 - inside)).mean()),
        "Brier": float(((s - y) ** 2).mean()),
    }
    return found if truth is None else found | way(s, truth, users, k)


def way(scores: ArrayLike, truth: ArrayLike, users: ArrayLike, k: int = 10, n_draws: int = 100) -> dict[str, float]:
    """Return the share of the way from chance to the Bayes limit, of the AUC over all rows and of NDCG@k.

    Both ends and the score itself are expectations over the clicks that the true chances can give. Equal scores count
    one half in the AUC and are put in a random order for NDCG: that of the rows would be the order of the places.
    """
    s, p, u = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64), np.asarray(users)
    at_random = np.random.default_rng(0).random(len(p))
    order = np.lexsort((at_random, s)).argsort().astype(np.float64)  # of the scores, ties at random
    shares = {"way AUC": (expected_auc(s, p) - 0.5) / (expected_auc(p, p) - 0.5)}
    chance, mine, best = (bayes_ndcg(p, u, k, n_draws, scores=x).value for x in (at_random, order, p))
    return shares | {f"way NDCG@{k}": (mine - chance) / (best - chance)}


def ranks(a: ArrayLike, b: ArrayLike, log: pd.DataFrame, seen: pd.DataFrame, chunk: int = 1000) -> NDArray[np.int64]:
    """Return the place of each row's clip among all clips that its user had not clicked, 1 the best; shape (E,).

    Ties count against the clip. Metrics of them: `evaluation.sampled.metrics_of_ranks`.

    Parameters
    ----------
    log : DataFrame
        Columns user and item: what is to be found.
    seen : DataFrame
        Columns user and item: what is left out of the ranking.
    """
    A, B = np.asarray(a), np.asarray(b)
    users, items = log["user"].to_numpy(np.int64), log["item"].to_numpy(np.int64)
    of = {user: part.to_numpy(np.int64) for user, part in seen.groupby("user")["item"]}
    found = np.zeros(len(log), dtype=np.int64)
    for start in range(0, len(log), chunk):
        part = slice(start, start + chunk)
        scores = A[users[part]] @ B.T  # (chunk, n)
        own = scores[np.arange(len(scores)), items[part]].copy()
        for row, user in enumerate(users[part]):
            if user in of:
                scores[row, of[user]] = -np.inf
        scores[np.arange(len(scores)), items[part]] = -np.inf
        found[part] = 1 + (scores >= own[:, None]).sum(axis=1)
    return found
