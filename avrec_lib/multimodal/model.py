"""The full model: senses in, one vector a clip, one vector a viewer, and the log-odds of a click as their product.

Page 7.2. What the article's model lacks is in the second half: who is looking. Whatever tells viewers apart, the score
is an inner product of two vectors, s_ui = ⟨a_u, b_i⟩, so a list is one search among the clips' vectors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.multimodal.batches import Batch
from avrec_lib.multimodal.joining import Join, hidden_senses
from avrec_lib.multimodal.losses import pairwise, pointwise
from avrec_lib.multimodal.readers import make_reader
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.tastes import Tastes
from avrec_lib.multimodal.user_tower import UserTower
from avrec_lib.nn.training import seeded
from avrec_lib.recommenders.two_tower.model import in_batch_softmax


class MultimodalModel(nn.Module):
    """s_ui = ⟨a_u, b_i⟩, and log-odds of a click at place r of a list: s_ui + c_r.

    g_i = Join(reader_s(x_is) for each sense s)         what clip i is, shape (d,)

    user          b_i                      a_u
    tastes        w_k · g_i + b_k          P(taste k | what u did), by Bayes' rule     D = K
    id, history   [V g_i; w · g_i + b]     [p_u; 1], p_u of `UserTower`               D = d + 1
    nobody        w · g_i + b              1                                           D = 1

    P(click | u, i, place r) = e_r sigmoid(s_ui),   e_1 = 1

    e_r is the chance that the place is looked at, beside that of the first one, and s_ui the log-odds of a click by
    somebody who looks: to rank by it is to ask for the clip and not for its place. Places past the last count as it.
    Source: the examination hypothesis, Craswell et al. (2008).

    Parameters
    ----------
    settings : Settings
    shapes : {sense: shape of one clip's array}
    n_users : int
        Viewers are numbered 0 … n_users − 1; n_users is a stranger.
    n_positions : int
        Places in a list are 1 … n_positions.

    Raises
    ------
    ValueError
        If a number is not positive, or the inputs hold other senses than the settings read.
    """

    def __init__(
        self, settings: Settings, shapes: Mapping[str, tuple[int, ...]], n_users: int, n_positions: int = 10
    ) -> None:
        super().__init__()
        s = self.settings = settings
        self.shapes, self.n_users, self.n_positions = dict(shapes), n_users, n_positions
        if n_users < 1 or n_positions < 1:
            raise ValueError(f"n_users and n_positions must be at least 1, not {n_users} and {n_positions}.")
        if tuple(shapes) != s.senses:
            raise ValueError(f"the settings read {', '.join(s.senses)}, and the inputs hold {', '.join(shapes)}.")
        self.temperature = s.hot if s.user == "tastes" else 1.0
        with seeded(s.seed):
            self.readers = nn.ModuleDict(
                {sense: make_reader(sense, getattr(s, sense), shapes[sense], s) for sense in s.senses}
            )
            sizes = tuple(int(reader.size) for reader in self.readers.values())  # type: ignore[arg-type]
            self.join = Join(sizes, s.d, s.way)
            self.place = nn.Parameter(torch.full((n_positions - 1,), 2.0))  # log-odds of e_2, e_3, …
            if s.user == "tastes":
                self.tastes = Tastes(s.d, s.tastes, s.seed)
            else:
                self.shared = nn.Linear(s.d, 1)  # w, b
            if s.user in ("id", "history", "both"):
                self.project = nn.Linear(s.d, s.d, bias=False)  # V
                self.tower = UserTower(n_users, s.d, s.user)

    def at(self, progress: float) -> None:
        """Set the temperature of the tastes for the share of training done: from `hot` at 0 to 1 at one half."""
        if self.settings.user == "tastes":
            self.temperature = math.exp(math.log(self.settings.hot) * max(0.0, 1 - 2 * progress))

    def clip_vectors(self, inputs: Mapping[str, Tensor], there: Tensor) -> Tensor:
        """Return g, shape (M, d)."""
        read = []
        for column, (sense, reader) in enumerate(self.readers.items()):
            x = inputs[sense]
            if x.is_floating_point():  # whatever a gap holds, NaN too, must not reach the gradients of the reader
                x = x.masked_fill(~there[:, column].view(-1, *[1] * (x.ndim - 1)), 0.0)
            read.append(reader(x))
        g: Tensor = self.join(tuple(read), there)
        return g

    def item_vectors(self, g: Tensor) -> Tensor:
        """Return b, shape (M, D), for clips with vectors g."""
        if self.settings.user == "tastes":
            b: Tensor = self.tastes(g)
            return b
        if self.settings.user == "nobody":
            b = self.shared(g)
            return b
        return torch.cat([self.project(g), self.shared(g)], dim=1)

    def log_odds(self, s: Tensor, position: Tensor) -> Tensor:
        """Return the log-odds of a click at places 1, 2, … of clips with the log-odds s; see `placed_log_odds`."""
        return placed_log_odds(s, position, self.place)

    def viewer_vectors(self, users: Tensor, history: Tensor, real: Tensor) -> Tensor:
        """Return a, shape (B, D), of viewers without tastes.

        Parameters
        ----------
        users : int64 tensor, shape (B,)
        history : float tensor, shape (B, T, D)
            b of what they clicked.
        real : bool tensor, shape (B, T)
        """
        one = torch.ones(len(users), 1, device=users.device, dtype=history.dtype)
        if self.settings.user == "nobody":
            return one
        return torch.cat([self.tower(users, history[..., :-1], real), one], dim=1)

    def forward(self, batch: Batch) -> Tensor:
        """Return the sum of the losses of the batch's impressions, a scalar."""
        s = self.settings
        there = batch.there
        if self.training and s.hide:
            there = hidden_senses(there, s.hide)
        b = self.item_vectors(self.clip_vectors(batch.inputs, there))  # (M, D)
        if s.user == "tastes":
            logits = self.log_odds(b[batch.item], batch.position)  # (E, K)
            evidence = self.tastes.evidence(logits, batch.click, batch.viewer, len(batch.users))
            return self.tastes.loss(evidence, self.temperature)
        history = b[batch.history.clamp(min=0)]  # (V, T, D)
        a = self.viewer_vectors(batch.users[batch.of_visit], history, batch.history >= 0)  # (V, D)
        if s.loss == "softmax":
            clicked = batch.click > 0
            rows, items = batch.visit[clicked], batch.item[clicked]
            if not len(rows):
                return b.sum() * 0
            return batch.n * in_batch_softmax(a[rows], b[items], items, batch.log_q[items], 1.0)
        logits = self.log_odds((a[batch.visit] * b[batch.item]).sum(dim=1), batch.position)  # (E,)
        if s.loss == "pairwise":
            return batch.n * pairwise(logits, batch.click, batch.visit)
        return batch.n * pointwise(logits, batch.click, s.weight_of_clicks)


def placed_log_odds(s: Tensor, position: Tensor, place: Tensor) -> Tensor:
    """Return log [e σ(s) / (1 − e σ(s))], the log-odds of a click that needs a look first, shape of s.

    It is s + log e − log(1 + (1 − e) exp s), which no s makes overflow.

    Parameters
    ----------
    s : float tensor, shape (E,) or (E, K)
        Log-odds of a click by somebody who looks.
    position : int64 tensor, shape (E,)
        Places in a list, from 1.
    place : float tensor, shape (P − 1,)
        Log-odds of e_2, …, e_P; e_1 is 1. Later places count as the last, earlier ones as the first.
    """
    looked = torch.cat([place.new_tensor([torch.inf]), place])  # log-odds of e_r
    odds = looked[position.clamp(1, len(looked)) - 1]  # (E,)
    log_e, log_not = functional.logsigmoid(odds), functional.logsigmoid(-odds)
    if s.ndim == 2:
        log_e, log_not = log_e[:, None], log_not[:, None]
    return s + log_e - functional.softplus(s + log_not)
