"""The smallest repair of the article's model: one vector for each user, so that two users can differ.

Page 5.3. Nothing else is changed. With all user vectors at zero it is the article's model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avrec_lib.multimodal.article import ArticleModel
from avrec_lib.multimodal.config import ArticleConfig


class PersonalModel(nn.Module):
    """ŷ_ui = sigmoid(⟨w, g_i⟩ + b + ⟨p_u, V g_i⟩): g_i, w and b of the article's model, p_u a vector of user u.

    V (d × dense) makes the clip's features as short as a user's vector, for a few numbers can be learnt from
    some hundred rows where `dense` numbers can't. Training (`fit_clicks`) sets p_u = 0 for users without a row,
    who so get the ranking that is best for nobody in particular, ⟨w, g_i⟩.

    Parameters
    ----------
    n_users : int
    d : int
        Length of a user's vector.
    config, seed : see `ArticleModel`
    """

    def __init__(self, n_users: int, d: int = 8, config: ArticleConfig | None = None, seed: int = 0) -> None:
        super().__init__()
        if n_users < 1 or d < 1:
            raise ValueError(f"n_users and d must be at least 1, not {n_users} and {d}.")
        self.clip = ArticleModel(config, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.users = nn.Embedding(n_users, d)
            self.project = nn.Linear(self.clip.config.dense, d, bias=False)  # V
            nn.init.normal_(self.users.weight, std=0.3)

    def forward(self, users: Tensor, g: Tensor) -> Tensor:
        """Return the log-odds of a click for pairs: users, int64 (B,), and their clips' features g, (B, dense)."""
        own = (self.users(users) * self.project(g)).sum(dim=1)  # (B,)
        logit: Tensor = self.clip.output(g)[:, 0] + own
        return logit

    @torch.no_grad()
    def score(self, g: Tensor) -> Tensor:
        """Return the log-odds of all users for clips with features g, (n, dense); shape (n_users, n)."""
        shared = self.clip.output(g)[:, 0]  # (n,)
        scores: Tensor = shared + self.users.weight @ self.project(g).T
        return scores
