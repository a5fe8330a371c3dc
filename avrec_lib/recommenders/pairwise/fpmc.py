"""Factorised personalised Markov chains: who you are, and what you met last."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from avrec_lib.data import Interactions, order_in_time
from avrec_lib.data.ties import needed_times
from avrec_lib.recommenders.pairwise.base import Factors, Ints, PairwiseModel


class FPMC(PairwiseModel):
    """Score the step from the last item l to item i, for user u, by two factorisations.

    ŝ_{u l i} = ⟨v_u, v_i⟩ + ⟨m_l, n_i⟩ + w_i

    The first part is the user's taste, the second a transition matrix of low rank: a step that was
    never seen can be likely because like ones were. A step that was seen a hundred times is rounded
    to the rank, too, which a counted chain (`MarkovChain`) never does. Source: Rendle,
    Freudenthaler and Schmidt-Thieme (2010), for baskets of one item; the bias w is added.

    A user with one row teaches nothing (there is no step) but is scored by it. Cold user and item:
    see `PairwiseModel`. A table without timestamps is refused.

    Parameters
    ----------
    k, how, seed, checkpoint : see `PairwiseModel`
    """

    def _factors(self, train: Interactions) -> Factors:
        return _Chains(train.n_users, train.n_items, self.k)

    def _rows(self, train: Interactions) -> tuple[Ints, Ints, Ints, Ints]:
        needed_times(train, type(self).__name__)
        order = order_in_time(train)
        users, items = train.users[order].astype(np.int64), train.items[order].astype(np.int64)
        same = users[1:] == users[:-1]
        is_last = np.append(~same, True)
        last = np.full(train.n_users, train.n_items)
        last[users[is_last]] = items[is_last]
        return users[1:][same], items[:-1][same], items[1:][same], last


class _Chains(Factors):
    def __init__(self, n_users: int, n_items: int, k: int) -> None:
        super().__init__()
        self.user, self.of_user = nn.Embedding(n_users, k), nn.Embedding(n_items, k)  # v_u, v_i
        self.last = nn.Embedding(n_items + 1, k, padding_idx=n_items)  # m; no last item is 0
        self.after = nn.Embedding(n_items, k)  # n
        self.bias = nn.Embedding(n_items, 1)
        for table in (self.user, self.of_user, self.after):
            nn.init.normal_(table.weight, std=0.1)
        with torch.no_grad():
            self.last.weight[:n_items].normal_(std=0.1)
        nn.init.zeros_(self.bias.weight)

    def contexts(self, users: Tensor, last: Tensor) -> Tensor:
        return torch.cat([self.user(users), self.last(last)], dim=-1)

    def items(self, items: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([self.of_user(items), self.after(items)], dim=-1), self.bias(items)[..., 0]
