"""Recommend clips that nobody has seen: from what a viewer did with *other* clips, and what all of them are like.

A new clip has no row in any matrix of ratings, but it has a content vector x_i: words, picture,
sound. A viewer is described by what came of the clips that were shown to them, through the same
content vectors. Page 3.3; the ancestors are the user profile of content recommenders and the two
towers of Covington et al. (2016) and Yi et al. (2019).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import trange

N_POSITIONS = 64  # later ones count as the last


class ColdStartModel(nn.Module):
    """Score any clip for any viewer with a history: s_ui = ⟨W p_u + f(p_u), v_i⟩ + ⟨a, v_i⟩ + g(p_u).

    v_i = E x_i is the clip's vector, and the viewer's profile is the sum of what their past
    clips were like, each weighed by its surprise,

        p_u = (1/√n_u) Σ_{j shown to u} e_uj (E x_j, 1),    e_uj = y_uj - (mean click at its position).

    E, W, a and the networks f (vector) and g (number) are learnt, shared by all viewers, by logistic
    loss on the training impressions, beside a bias for each position, which a ranking leaves out.
    While training, the impression to be predicted is taken out of the profile it is predicted
    from: else the profile would hold the answer.

    Parameters
    ----------
    width : int
        d, the length of v_i.
    hidden : int
        Units of the hidden layer of f and g.
    n_epochs, batch_size, lr : int, int, float
        Passes over the impressions, impressions in a step, first learning rate (it falls to 0 on a cosine).
    weight_decay : float
        Of AdamW; pulls all weights to 0.
    seed : int
        The same seed gives the same model; global random state is left alone.
    """

    items: Tensor  # (n_items, d_x), centred and scaled
    sums: Tensor  # (n_users, d_x + 1)
    counts: Tensor  # (n_users,)

    def __init__(
        self,
        width: int = 12,
        hidden: int = 64,
        n_epochs: int = 6,
        batch_size: int = 1024,
        lr: float = 0.01,
        weight_decay: float = 0.03,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.width, self.hidden = width, hidden
        self.n_epochs, self.batch_size, self.lr = n_epochs, batch_size, lr
        self.weight_decay, self.seed = weight_decay, seed

    def fit(
        self, X: ArrayLike, users: ArrayLike, items: ArrayLike, clicks: ArrayLike, positions: ArrayLike
    ) -> ColdStartModel:
        """Learn from impressions.

        Parameters
        ----------
        X : array_like, shape (n_items, d_x)
            Content vectors of all clips, those without impressions too. They are centred, and divided by
            one number, the spread of all columns together over the clips that were shown: how the
            columns compare is the caller's choice (see `avrec_lib.content.blocks.join`).
        users, items, clicks, positions : array_like, shape (n,)
            Who was shown what, did they click (0 or 1), and where in the list it stood (1, 2, …).

        Raises
        ------
        ValueError
            If lengths differ, a click is neither 0 nor 1, or a content vector is not finite.
        """
        u, i = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        y, r = np.asarray(clicks, dtype=np.float32), np.asarray(positions, dtype=np.int64)
        raw = np.asarray(X, dtype=np.float32)
        if not len(u) == len(i) == len(y) == len(r) or len(u) == 0:
            raise ValueError(
                f"users, items, clicks and positions must have one length, not {len(u)}, {len(i)}, {len(y)}, {len(r)}."
            )
        if not np.isin(y, (0, 1)).all():
            raise ValueError("clicks must be 0 or 1.")
        if not np.isfinite(raw).all():
            raise ValueError("a content vector has a NaN or an infinity in it; give 0s to clips without that content.")
        shown = np.unique(i)
        self.centre = raw[shown].mean(axis=0)  # (d_x,)
        self.spread = max(float(np.sqrt(np.mean((raw[shown] - self.centre) ** 2))), 1e-6)
        r = np.minimum(r, N_POSITIONS - 1)
        self.register_buffer(
            "items", torch.from_numpy((raw - self.centre) / self.spread), persistent=False
        )  # (n_items, d_x)
        self._describe_viewers(u, i, y, r)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self._build(raw.shape[1])
            self._descend(*(torch.from_numpy(part) for part in (u, i, y, r)))
        return self.eval()

    @torch.inference_mode()
    def score(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float32]:
        """Return the scores (log-odds of a click, but for the position) of pairs of viewers and clips, shape (n,).

        A viewer without history has the profile 0, hence what the average viewer likes.
        """
        u, i = torch.as_tensor(np.asarray(users, np.int64)), torch.as_tensor(np.asarray(items, np.int64))
        parts = zip(torch.split(u, 65_536), torch.split(i, 65_536), strict=True)
        return np.concatenate([self._score(self.sums[a], self.counts[a], b).numpy() for a, b in parts])

    def _describe_viewers(
        self, u: NDArray[np.int64], i: NDArray[np.int64], y: NDArray[np.float32], r: NDArray[np.int64]
    ) -> None:
        """Sum, for each viewer, the surprises times (x_j, 1): shape (n_users, d_x + 1)."""
        shown, clicked = np.bincount(r, minlength=N_POSITIONS), np.bincount(r, weights=y, minlength=N_POSITIONS)
        self.mean_click = (clicked / np.maximum(shown, 1)).astype(np.float32)
        surprise = torch.from_numpy(y - self.mean_click[r])
        signed = surprise[:, None] * _with_one(self.items[torch.from_numpy(i)])  # (n, d_x + 1)
        n_users = int(u.max()) + 1
        sums = torch.zeros(n_users, signed.shape[1]).index_add_(0, torch.from_numpy(u), signed)
        self.register_buffer("sums", sums, persistent=False)
        self.register_buffer("counts", torch.from_numpy(np.bincount(u, minlength=n_users)).float(), persistent=False)

    def _build(self, d_x: int) -> None:
        d = self.width
        self.encode = nn.Linear(d_x, d, bias=False)  # E
        self.direct = nn.Linear(d + 1, d + 1)  # W, and a in its bias
        self.bend = nn.Sequential(nn.Linear(d + 1, self.hidden), nn.ReLU(), nn.Linear(self.hidden, d + 1))  # f and g
        self.position = nn.Embedding(N_POSITIONS, 1)
        nn.init.zeros_(self.position.weight)

    def _score(self, sums: Tensor, counts: Tensor, items: Tensor) -> Tensor:
        scale = counts.clamp(min=1).sqrt()[:, None]
        p = torch.cat([self.encode(sums[:, :-1]), sums[:, -1:]], dim=1) / scale  # (B, d + 1)
        v = _with_one(self.encode(self.items[items]))  # (B, d + 1)
        s: Tensor = ((self.direct(p) + self.bend(p)) * v).sum(dim=1)  # (B,)
        return s

    def _descend(self, u: Tensor, i: Tensor, y: Tensor, r: Tensor) -> None:
        surprise = y - torch.from_numpy(self.mean_click)[r]
        optimiser = torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        n_steps = self.n_epochs * -(-len(y) // self.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_steps)
        for _ in trange(self.n_epochs, desc="cold start", delay=2, disable=None, leave=False):
            for rows in torch.split(torch.randperm(len(y)), self.batch_size):
                itself = surprise[rows, None] * _with_one(self.items[i[rows]])
                s = self._score(self.sums[u[rows]] - itself, self.counts[u[rows]] - 1, i[rows])
                loss = functional.binary_cross_entropy_with_logits(s + self.position(r[rows])[:, 0], y[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()


def _with_one(x: Tensor) -> Tensor:
    """Return x with a 1 at the end of each row."""
    return torch.cat([x, torch.ones(len(x), 1)], dim=1)
