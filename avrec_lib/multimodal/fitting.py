"""Fit the article's model, or the one with users, to impressions: by clips, each encoded once a step.

Page 5.3. The slow part is to read words, picture and sound; what is shown sixty times need not be read sixty
times. So the rows of the training loop are clips, and a step takes a few clips with all their impressions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from avrec_lib.multimodal.arrays import ClipArrays
from avrec_lib.multimodal.article import ArticleModel
from avrec_lib.multimodal.personal import PersonalModel
from avrec_lib.nn.training import Epoch, Training, train

DEFAULT = Training(epochs=6, batch=16, lr=8e-3, weight_decay=0.1)


def fit_clicks(
    model: ArticleModel | PersonalModel,
    arrays: ClipArrays,
    users: ArrayLike,
    items: ArrayLike,
    clicks: ArrayLike,
    how: Training = DEFAULT,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
) -> list[Epoch]:
    """Make the mean log loss of impressions small, −(1/N) Σ [y log ŷ + (1 − y) log(1 − ŷ)].

    A step takes `how.batch` clips and all rows of each. Its loss is divided by the *mean* number of rows of
    so many clips, so that every impression weighs the same, whichever clips it is drawn with.

    Parameters
    ----------
    model : ArticleModel (which does not look at the users) or PersonalModel; changed in place
    users, items, clicks : array_like, shape (N,)
        Indices, and 0 or 1.
    how, seed, checkpoint : see `avrec_lib.nn.training.train`

    Raises
    ------
    ValueError
        If the lengths differ, there is no row, a click is neither 0 nor 1, or an index is unknown.
    """
    u, i = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
    y = np.asarray(clicks, dtype=np.float32)
    _check(model, len(arrays.words), u, i, y)
    order = np.argsort(i, kind="stable")
    shown, first, counts = np.unique(i[order], return_index=True, return_counts=True)
    u_sorted, y_sorted = torch.from_numpy(u[order]), torch.from_numpy(y[order])
    mean_count = len(i) / len(shown)
    if isinstance(model, PersonalModel):
        with torch.no_grad():  # nothing will be learnt of them: let them be nobody in particular
            model.users.weight[np.bincount(u, minlength=model.users.num_embeddings) == 0] = 0

    def loss_of(clips: Tensor) -> Tensor:
        chosen = clips.numpy()
        g = _clip_model(model).features(*arrays.of(shown[chosen]))  # (B, dense)
        of = np.repeat(np.arange(len(chosen)), counts[chosen])  # (rows,): which of the B clips
        place = np.concatenate([np.arange(first[c], first[c] + counts[c]) for c in chosen])
        loss = _row_losses(model, g, torch.from_numpy(of), u_sorted[place], y_sorted[place])
        return loss.sum() / (len(chosen) * mean_count)

    return train(model, loss_of, len(shown), how, seed=seed, checkpoint=checkpoint, name="clicks")


@torch.no_grad()
def clip_features(model: ArticleModel | PersonalModel, arrays: ClipArrays, batch: int = 500) -> Tensor:
    """Return g of all clips, shape (n, dense), a batch at a time."""
    model.eval()
    n = len(arrays.words)
    parts = [np.arange(start, min(start + batch, n)) for start in range(0, n, batch)]
    return torch.cat([_clip_model(model).features(*arrays.of(part)) for part in parts])


def click_log_odds(model: ArticleModel | PersonalModel, arrays: ClipArrays, n_users: int) -> NDArray[np.float32]:
    """Return the log-odds of a click for all users and clips, float32, shape (n_users, n).

    The article's model gives every user the same row.
    """
    g = clip_features(model, arrays)
    if isinstance(model, PersonalModel):
        return model.score(g).numpy()
    with torch.no_grad():
        return np.tile(model.output(g)[:, 0].numpy(), (n_users, 1))


def _clip_model(model: ArticleModel | PersonalModel) -> ArticleModel:
    return model.clip if isinstance(model, PersonalModel) else model


def _row_losses(model: ArticleModel | PersonalModel, g: Tensor, of: Tensor, users: Tensor, clicks: Tensor) -> Tensor:
    """Return the loss of each row, shape (rows,); `of` says which row of g it is about."""
    logit = model(users, g[of]) if isinstance(model, PersonalModel) else model.output(g)[of, 0]
    return functional.binary_cross_entropy_with_logits(logit, clicks, reduction="none")


def _check(
    model: ArticleModel | PersonalModel, n: int, u: NDArray[np.int64], i: NDArray[np.int64], y: NDArray[np.float32]
) -> None:
    if not len(u) == len(i) == len(y) or len(u) == 0:
        raise ValueError(f"users, items and clicks must have one length above 0, not {len(u)}, {len(i)}, {len(y)}.")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("clicks must be 0 or 1.")
    n_users = model.users.num_embeddings if isinstance(model, PersonalModel) else int(u.max()) + 1
    for name, index, limit in (("user", u, n_users), ("clip", i, n)):
        if index.min() < 0 or index.max() >= limit:
            raise ValueError(f"{name}s must be numbered 0..{limit - 1}; there is a {index.min()} or a {index.max()}.")
