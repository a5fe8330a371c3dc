"""A few tastes, and for each user how likely each of them is: a user tower that needs no vector of anybody's own.

A hundred clicks are few to learn a vector of a user from: the vector fits the luck of the clicks too. If people come in
kinds, the clicks of all can teach what the kinds like, and one person's clicks only have to say which kind it is. That
is a sum over possibilities and not one more parameter, so there is nothing to overfit, and a new click counts at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Tastes(nn.Module):
    """P(click | u, i) under K tastes: s_ik = w_k · g_i + b_k is taste k's log-odds of clip i.

    ℓ_uk = Σ_{e of u} log P(y_e | s_{i_e k} + c_e)      what u's impressions say for taste k
    p_uk = π_k exp(ℓ_uk) / Σ_j π_j exp(ℓ_uj)           Bayes: how likely u has it
    s_ui = Σ_k p_uk s_ik                                 the mean log-odds, to rank by

    c_e is anything else that is known of an impression, such as its place in the list. Trained by the marginal
    likelihood, in which nobody's taste is guessed: L = −(1/N) Σ_u log Σ_k π_k exp(ℓ_uk). A user without impressions has
    the p of everybody, π. A clip needs nothing but its vector g.

    Sources: a mixture of logistic regressions, one class of the mixtures of experts of Jordan and Jacobs (1994), here
    with one draw of the expert a user; the temperature of `loss` is that of deterministic annealing.

    Parameters
    ----------
    d : int
        Length of the clips' vectors.
    k : int
        K. A few too many do no harm: the surplus ones share a taste.
    seed : int
        Of the first weights; torch's own random state is left alone.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    def __init__(self, d: int, k: int, seed: int = 0) -> None:
        super().__init__()
        if d < 1 or k < 1:
            raise ValueError(f"d and k must be at least 1, not {d} and {k}.")
        self.k = k
        self.prior = nn.Parameter(torch.zeros(k))  # log π, up to a constant
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = nn.Linear(d, k)  # w_k, b_k
            nn.init.normal_(self.heads.weight, std=0.1)  # different from each other, or they would stay alike
        nn.init.zeros_(self.heads.bias)

    def forward(self, g: Tensor) -> Tensor:
        """Return s, shape (n, K), for clips with vectors g, shape (n, d)."""
        s: Tensor = self.heads(g)
        return s

    def evidence(self, logits: Tensor, clicks: Tensor, users: Tensor, n_users: int) -> Tensor:
        """Return ℓ, shape (n_users, K): add two of one user's together, and the later impressions are learnt from.

        Parameters
        ----------
        logits : float tensor, shape (B, K)
            s_{i_e k} + c_e of each impression.
        clicks : tensor of 0 and 1, shape (B,)
        users : int64 tensor, shape (B,)
        """
        sign = (2 * clicks - 1).to(logits.dtype)[:, None]  # log σ(s) of a click, log σ(−s) of none
        empty = torch.zeros(n_users, self.k, dtype=logits.dtype, device=logits.device)
        return empty.index_add(0, users, functional.logsigmoid(sign * logits))

    def loss(self, evidence: Tensor, temperature: float = 1.0) -> Tensor:
        """Return −Σ_u τ log Σ_k (π_k exp ℓ_uk)^{1/τ}, a scalar; divide it by the number of impressions.

        At τ = 1 it is the marginal likelihood. A higher τ lets every user belong a little to every taste: begun hot and
        cooled to 1, training depends less on the first weights.

        Raises
        ------
        ValueError
            If τ is below 1.
        """
        if not temperature >= 1:
            raise ValueError(f"temperature must be at least 1, not {temperature}.")
        joint = (evidence + self.prior.log_softmax(dim=0)) / temperature  # (n_users, K)
        best = joint.max(dim=1, keepdim=True).values.detach()
        # Smaller shares than e^−60 change no sum in float32, but a CPU multiplies by the smallest numbers there are a
        # hundred times slower than by others, and every gradient is multiplied by a share.
        return -temperature * torch.logsumexp(torch.maximum(joint, best - 60), dim=1).sum()

    def posterior(self, evidence: Tensor) -> Tensor:
        """Return p, shape (n_users, K); each row sums to 1."""
        return (evidence + self.prior.log_softmax(dim=0)).softmax(dim=1)

    def score(self, evidence: Tensor, g: Tensor) -> Tensor:
        """Return s_ui, shape (n_users, n): users by their evidence, clips by their vectors."""
        scores: Tensor = self.posterior(evidence) @ self(g).T
        return scores
