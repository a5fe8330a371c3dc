"""What a network of the next item is taught with: all items as wrong answers, or a few drawn ones.

A position has a vector h, item j the score s_j = ⟨w_j, h⟩ + b_j, and the item that came next is y.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

Loss = Literal["softmax", "sampled", "sampled_softmax"]
CELLS = 2**21  # scores in memory at a time: 8 MB


def full_softmax(
    H: Tensor, targets: Tensor, W: Tensor, bias: Tensor, *, smoothing: float = 0.0, chunk: int | None = None
) -> Tensor:
    """Return the cross-entropy over the whole catalogue without ever holding all its scores.

    L = mean over positions of  log Σ_j exp(s_j) − (1 − ε) s_y − ε/n Σ_j s_j

    The N × n_items scores of a batch are the largest thing in training, by far. So they are made for
    `chunk` positions at a time; from them come the loss *and* its gradients, and they are thrown away.
    Equal to `torch.nn.functional.cross_entropy(H Wᵀ + b, targets, label_smoothing=ε)`, gradients too.

    Parameters
    ----------
    H : float tensor, shape (N, d)
    targets : int64 tensor, shape (N,)
    W, bias : float tensors, shapes (n_items, d) and (n_items,)
    smoothing : float
        ε in [0, 1): the share of the target's probability that is given to all items alike (Szegedy et al. 2016).
    chunk : int, optional
        Positions at a time; by default as many as make `CELLS` scores.
    """
    chunk = max(1, CELLS // len(W)) if chunk is None else chunk
    loss: Tensor = _FullSoftmax.apply(H, targets, W, bias, smoothing, chunk)  # type: ignore[no-untyped-call]
    return loss


class _FullSoftmax(torch.autograd.Function):
    """The gradient of log Σ exp(s) − s_y by s is softmax(s) − onehot(y): known as soon as the scores are."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch gives its contexts no type)
        H: Tensor,
        targets: Tensor,
        W: Tensor,
        bias: Tensor,
        smoothing: float,
        chunk: int,
    ) -> Tensor:
        N, n = len(H), len(W)
        loss = H.new_zeros(())
        grad_H, grad_W, grad_bias = torch.empty_like(H), torch.zeros_like(W), torch.zeros_like(bias)
        for start in range(0, N, chunk):
            h, y = H[start : start + chunk], targets[start : start + chunk, None]  # (c, d), (c, 1)
            log_p = torch.addmm(bias, h, W.T).log_softmax(dim=1)  # (c, n)
            loss -= (1 - smoothing) * log_p.gather(1, y).sum()
            if smoothing:
                loss -= smoothing / n * log_p.sum()
            error = log_p.exp_()  # (c, n), in the same memory
            if smoothing:
                error -= smoothing / n
            error.scatter_add_(1, y, error.new_full(y.shape, smoothing - 1))
            grad_H[start : start + chunk] = error @ W
            grad_W.addmm_(error.T, h)
            grad_bias += error.sum(dim=0)
        ctx.save_for_backward(grad_H, grad_W, grad_bias)
        ctx.N = N
        return loss / N

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        grad_H, grad_W, grad_bias = ctx.saved_tensors
        scale = grad / ctx.N
        return grad_H * scale, None, grad_W * scale, grad_bias * scale, None, None


def sampled_cross_entropy(H: Tensor, targets: Tensor, negatives: Tensor, W: Tensor, bias: Tensor) -> Tensor:
    """Return the loss of SASRec's paper: tell the next item from n drawn ones, each by itself.

    L = mean over positions of  −log σ(s_y) − Σ_k log(1 − σ(s_{j_k}))

    Kang and McAuley (2018), section III-E, where n = 1. A draw that happens to be y is left out.

    Parameters
    ----------
    H, targets, W, bias : see `full_softmax`
    negatives : int64 tensor, shape (N, n)
        From `NegativeSampler`, an own draw for each position.
    """
    right, wrong = _scores(H, targets, negatives, W, bias)  # (N,), (N, n)
    told_apart = functional.softplus(wrong).masked_fill(negatives == targets[:, None], 0.0)
    return (functional.softplus(-right) + told_apart.sum(dim=1)).mean()


def sampled_softmax(H: Tensor, targets: Tensor, negatives: Tensor, log_q: Tensor, W: Tensor, bias: Tensor) -> Tensor:
    """Return the cross-entropy with the sum over the catalogue estimated from n draws.

    L = mean over positions of  log( exp(s_y) + Σ_{k: j_k ≠ y} exp(s_{j_k}) / (n q_{j_k}) ) − s_y

    An item drawn with probability q stands for 1 / q items, so its score is lowered by log(n q): the
    logQ correction (Bengio and Senécal, 2008). Without it the popular items, drawn often, are pushed
    down too far. Inside the logarithm the estimate is unbiased for Σ_j exp(s_j) if the draws are from the
    whole catalogue. The target is there for certain, not drawn, so it takes no correction (Khrylchenko
    et al. 2025, who find that it was long given one).

    Parameters
    ----------
    H, targets, W, bias : see `full_softmax`
    negatives, log_q : int64 and float tensors, shape (N, n), or (1, n) if all positions share the draws
        From `NegativeSampler`. Shared draws cost one matrix product.
    """
    right, wrong = _scores(H, targets, negatives, W, bias)  # (N,), (N, n)
    wrong = wrong - log_q - math.log(negatives.shape[1])
    wrong = wrong.masked_fill(negatives == targets[:, None], -torch.inf)
    return (torch.cat([right[:, None], wrong], dim=1).logsumexp(dim=1) - right).mean()


def _scores(H: Tensor, targets: Tensor, negatives: Tensor, W: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores of the targets, shape (N,), and of the negatives, shape (N, n)."""
    right = (H * W[targets]).sum(dim=1) + bias[targets]  # (N,)
    if len(negatives) == 1:
        return right, H @ W[negatives[0]].T + bias[negatives[0]]
    return right, torch.einsum("bd,bkd->bk", H, W[negatives]) + bias[negatives]
