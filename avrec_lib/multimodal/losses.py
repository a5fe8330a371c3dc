"""What a model of clicks is taught with: single impressions, pairs within one visit, or one clip among many.

The three ask different questions. A point asks how likely this click is, and can be calibrated. A pair asks which of
two clips that one viewer saw together got the click: what is the same for both, their mood or the hour, drops out.
The softmax over a batch (`recommenders.two_tower.model.in_batch_softmax`) asks which clip of many belongs to whom, and
needs no clip that was refused.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from avrec_lib.recommenders.pairwise.base import bpr_loss


def pointwise(logits: Tensor, clicks: Tensor, weight_of_clicks: float = 1.0) -> Tensor:
    """Return the mean log loss, −(1/B) Σ_e [ω y_e log p̂_e + (1 − y_e) log(1 − p̂_e)], p̂ = sigmoid(logit).

    With ω above 1 rare clicks weigh more. It moves all probabilities up: the odds of the best p̂ are ω times the true
    ones, so divide them by ω before they are read as chances. The order of the best p̂ stays the same.

    Parameters
    ----------
    logits, clicks : float tensors, shape (B,)
        Log-odds, and 0 or 1.
    weight_of_clicks : float
        ω > 0.

    Raises
    ------
    ValueError
        If ω is not a positive number.
    """
    if not 0 < weight_of_clicks < float("inf"):
        raise ValueError(f"weight_of_clicks must be a positive number, not {weight_of_clicks}.")
    weight = torch.tensor(weight_of_clicks, dtype=logits.dtype, device=logits.device)
    return functional.binary_cross_entropy_with_logits(logits, clicks, pos_weight=weight)


def pairwise(logits: Tensor, clicks: Tensor, visits: Tensor) -> Tensor:
    """Return −mean log σ(s_e − s_f) over all pairs of one visit in which e got a click and f did not.

    Source: the criterion of Rendle et al. (2009), BPR-Opt, with clips that were shown and refused in the place of drawn
    ones. A batch without such a pair has the loss 0, and the gradient 0.

    Parameters
    ----------
    logits : float tensor, shape (B,)
    clicks : tensor of 0 and 1, shape (B,)
    visits : int64 tensor, shape (B,)
        Which visit, or viewer, each impression belongs to.
    """
    clicked, refused = torch.nonzero(clicks > 0)[:, 0], torch.nonzero(clicks <= 0)[:, 0]
    of_refused, order = visits[refused].sort(stable=True)
    refused = refused[order]  # by visit, so that those of one visit are a slice
    of_clicked = visits[clicked].contiguous()
    first = torch.searchsorted(of_refused, of_clicked)
    n = torch.searchsorted(of_refused, of_clicked, right=True) - first  # refusals beside each click
    e = clicked.repeat_interleave(n)
    within = torch.arange(len(e), device=e.device) - (n.cumsum(0) - n).repeat_interleave(n)
    f = refused[first.repeat_interleave(n) + within]
    if len(e) == 0:
        return logits.sum() * 0.0
    return bpr_loss(logits[e], logits[f])
