"""One vector for a user, from who they are, from what they clicked, or from both.

A vector of one's own says most about somebody with a long history, and nothing about who came today. What somebody
clicked says something from the first click on, through the clips' own vectors. `UserTower` adds the two.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from avrec_lib.nn.attention_torch import masked_softmax

Knows = Literal["id", "history", "both"]


class UserTower(nn.Module):
    """p_u = e_u + U h_u,  h_u = Σ_t α_t v_t,  α = softmax_t w · tanh(W v_t + b).

    v_t are the vectors of the clips in the user's history, α_t how much each counts: attention with one learnt
    question for all users. An empty history has a learnt vector in the place of h_u. The e_u start near 0 and U as the
    identity, so that a user is at first the mean of what they clicked; user number `n_users` is a stranger, whose e_u
    is 0 and stays it.

    Source: the pooling of words in Yang et al. (2016), "Hierarchical Attention Networks for Document Classification".

    Parameters
    ----------
    n_users : int
    d : int
        Length of p_u and of the clips' vectors.
    knows : {"id", "history", "both"}
        Which of the two terms there are.

    Raises
    ------
    ValueError
        If a number is not positive, or `knows` is unknown.
    """

    def __init__(self, n_users: int, d: int, knows: Knows = "both") -> None:
        super().__init__()
        if knows not in get_args(Knows):
            raise ValueError(f"unknown knowledge {knows!r} of a user; there are {', '.join(get_args(Knows))}.")
        if n_users < 1 or d < 1:
            raise ValueError(f"n_users and d must be at least 1, not {n_users} and {d}.")
        self.knows, self.d = knows, d
        if knows != "history":
            self.own = nn.Embedding(n_users + 1, d, padding_idx=n_users)  # e_u
            nn.init.normal_(self.own.weight, std=0.01)
            with torch.no_grad():
                self.own.weight[n_users] = 0
        if knows != "id":
            self.hidden, self.question = nn.Linear(d, d), nn.Linear(d, 1, bias=False)  # W and b; w
            self.turn = nn.Linear(d, d, bias=False)  # U
            self.empty = nn.Parameter(torch.zeros(d))
            nn.init.eye_(self.turn.weight)

    def weights(self, history: Tensor, real: Tensor) -> Tensor:
        """Return α, shape (B, T): each row sums to 1, or to 0 for an empty history; padding has 0.

        Parameters
        ----------
        history : float tensor, shape (B, T, d)
        real : bool tensor, shape (B, T)
            False where there is padding.
        """
        scores: Tensor = self.question(torch.tanh(self.hidden(history)))[:, :, 0]  # (B, T)
        return masked_softmax(scores, real)

    def forward(self, users: Tensor, history: Tensor, real: Tensor) -> Tensor:
        """Return p_u, shape (B, d).

        Parameters
        ----------
        users : int64 tensor, shape (B,)
        history : float tensor, shape (B, T, d)
            Vectors of the clips that each user clicked; what padding holds does not matter, if it is finite.
        real : bool tensor, shape (B, T)

        Raises
        ------
        ValueError
            If the shapes do not agree.
        """
        B = users.shape[0]  # not len(users), which an export to ONNX would freeze
        if history.shape[0] != B or history.shape[2:] != (self.d,) or real.shape != history.shape[:2]:
            raise ValueError(
                f"{B} users need a history of shape ({B}, T, {self.d}) and real of ({B}, T), "
                f"not {tuple(history.shape)} and {tuple(real.shape)}."
            )
        p = torch.zeros(B, self.d, dtype=history.dtype, device=history.device)
        if self.knows != "history":
            p = p + self.own(users)
        if self.knows != "id":
            h = (self.weights(history, real)[:, None] @ history)[:, 0]  # (B, d)
            p = p + self.turn(torch.where(real.any(dim=1, keepdim=True), h, self.empty))
        return p
