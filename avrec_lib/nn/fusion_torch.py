"""Several vectors of one clip, one a sense, to one answer: late, early, gated and product fusion.

Page 3.2.3. All kinds of `Fusion` read each sense by a linear layer of its own and differ in one line, so what
one gains over another is the way of fusing and nothing else. A sense that a clip lacks is a row of NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from avrec_lib.device import device

How = Literal["late", "early", "gated", "product"]
Blocks = Sequence[ArrayLike]  # one array (N, d_s) a sense


class Fusion(nn.Module):
    """Turn S vectors of one clip into the logits of C classes.

    z_s = (x_s − μ_s) / σ_s, or 0 where sense s is missing;   a_s = W_s z_s + b_s

    late:     logits = V Σ_s ReLU(a_s) + c               a sum of functions of one sense each
    early:    logits = V ReLU(Σ_s a_s) + c               Σ_s W_s z_s is W [z_1; …; z_S]
    gated:    logits = V Σ_s g_s ⊙ tanh(a_s) + c,  g_1 … g_S = softmax over the senses of G [z_1; …; z_S]
    product:  logits = V (Σ_s a_s + Σ_{s<r} a_s ⊙ a_r) + c

    μ_s and σ_s, shape (d_s,), are buffers, set by `fit_fusion`. Sources: gated, Arevalo et al. (2017),
    whose gate for two senses is this softmax; product, the second-order term of Rendle (2012), equation 1.

    Parameters
    ----------
    dims : sequence of int
        d_s.
    n_classes : int
    how : {"late", "early", "gated", "product"}
    width : int
        Length of a_s.
    """

    mu: Tensor
    sigma: Tensor

    def __init__(self, dims: Sequence[int], n_classes: int, how: How, width: int = 32) -> None:
        super().__init__()
        if how not in get_args(How):
            raise ValueError(f"unknown fusion {how!r}; there are {', '.join(get_args(How))}.")
        self.how, self.dims = how, tuple(dims)
        self.register_buffer("mu", torch.zeros(sum(dims)))
        self.register_buffer("sigma", torch.ones(sum(dims)))
        self.read = nn.ModuleList(nn.Linear(d, width) for d in dims)  # W_s, b_s
        if how == "gated":
            self.gate = nn.Linear(sum(dims), len(dims) * width)
        self.classify = nn.Linear(width, n_classes)

    def fuse(self, z: Sequence[Tensor]) -> Tensor:
        """Turn standardised senses, each (B, d_s), into one vector (B, width)."""
        a = torch.stack([read(z_s) for read, z_s in zip(self.read, z, strict=True)])  # (S, B, width)
        if self.how == "late":
            return functional.relu(a).sum(dim=0)
        if self.how == "early":
            return functional.relu(a.sum(dim=0))
        if self.how == "gated":
            scores: Tensor = self.gate(torch.cat(list(z), dim=1))  # (B, S · width)
            g = scores.reshape(len(scores), len(z), -1).softmax(dim=1).transpose(0, 1)  # (S, B, width)
            weighted: Tensor = g * torch.tanh(a)
            return weighted.sum(dim=0)
        total = a.sum(dim=0)  # (B, width)
        pairs: Tensor = (total**2 - (a**2).sum(dim=0)) / 2  # Σ_{s<r} a_s ⊙ a_r
        return total + pairs

    def forward(self, X: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return logits (B, n_classes) of joined senses X (B, Σ d_s); `hidden`, bool (B, S), takes senses away."""
        z = ((X - self.mu) / self.sigma).nan_to_num(0.0).split_with_sizes(self.dims, dim=1)
        if hidden is not None:
            z = tuple(z_s.masked_fill(gone[:, None], 0.0) for z_s, gone in zip(z, hidden.T, strict=True))
        logits: Tensor = self.classify(self.fuse(z))
        return logits


def fit_fusion(
    blocks: Blocks,
    classes: ArrayLike,
    how: How,
    *,
    width: int = 32,
    drop: float = 0.0,
    epochs: int = 20,
    lr: float = 0.005,
    decay: float = 0.5,
    batch: int = 128,
    seed: int = 0,
) -> Fusion:
    """Train a `Fusion` to a small cross-entropy by AdamW, its steps shrinking to zero.

    With `drop` above 0, each sense of each clip is hidden with that probability, anew each time it is seen; a
    clip that would lose all keeps all: modality dropout, after Neverova et al. (2016). The same seed gives the
    same model on the same device and number of threads; torch's own random state is left alone.

    Parameters
    ----------
    blocks : S arrays (N, d_s)
        A row that is all NaN: this clip lacks this sense.
    classes : int array, shape (N,), from 0
    how, width : see `Fusion`
    drop : float, 0 to below 1
    epochs, lr, decay, batch, seed : passes, largest step, weight decay, clips in a step, and the seed

    Raises
    ------
    ValueError
        If the numbers do not match, a class is negative, a row is NaN in parts, or drop is out of range.
    """
    X, dims = _joined(blocks)
    y = class_tensor(classes, len(X))
    if not 0 <= drop < 1:
        raise ValueError(f"drop must be in [0, 1), not {drop}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Fusion(dims, max(2, int(y.max()) + 1), how, width)
        model.mu.copy_(X.nanmean(dim=0).nan_to_num(0.0))
        model.sigma.copy_((X - model.mu).square().nanmean(dim=0).sqrt().nan_to_num(1.0).clamp_min(1e-6))

        def logits_of(rows: Tensor, where: torch.device) -> Tensor:
            hidden = torch.rand(len(rows), len(dims)) < drop  # (B, S)
            hidden &= ~hidden.all(dim=1, keepdim=True)
            logits: Tensor = model(X[rows].to(where), hidden.to(where))
            return logits

        train_classifier(model, logits_of, y, epochs, lr, decay, batch, how)
    return model


def predict_fusion(model: Fusion, blocks: Blocks) -> NDArray[np.float32]:
    """Return the probability of each class for each clip, float32, shape (N, C); a row of NaN is a missing sense."""
    X, dims = _joined(blocks)
    if dims != model.dims:
        raise ValueError(f"this model reads senses of {model.dims} numbers, not {dims}.")
    with torch.inference_mode():
        return cast(NDArray[np.float32], model(X.to(model.mu.device)).softmax(dim=1).cpu().numpy())


def train_classifier(
    model: nn.Module,
    logits_of: Callable[[Tensor, torch.device], Tensor],
    y: Tensor,
    epochs: int,
    lr: float,
    decay: float,
    batch: int,
    name: str,
) -> None:
    """Make the cross-entropy of `logits_of(rows, device)` to the classes y (N,) small, by AdamW, steps shrinking."""
    where, n_steps = device(), max(1, epochs * math.ceil(len(y) / batch))
    model.to(where).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=decay)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / n_steps)
    for _ in tqdm(range(epochs), desc=name, unit="epoch", delay=2, disable=None, leave=False):
        for rows in torch.randperm(len(y)).tensor_split(tuple(range(batch, len(y), batch))):
            loss = functional.cross_entropy(logits_of(rows, where), y[rows].to(where))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            rate.step()
    model.eval()


def class_tensor(classes: ArrayLike, n: int) -> Tensor:
    """Return classes as int64 (n,), or raise ValueError."""
    y = torch.from_numpy(np.array(classes, dtype=np.int64))
    if y.shape != (n,) or y.min() < 0:
        raise ValueError(f"classes must be numbers from 0, one for each of {n} clips, not of shape {tuple(y.shape)}.")
    return y


def _joined(blocks: Blocks) -> tuple[Tensor, tuple[int, ...]]:
    arrays = [np.asarray(block, dtype=np.float32) for block in blocks]
    shapes = [array.shape for array in arrays]
    if not arrays or any(len(shape) != 2 or 0 in shape or shape[0] != shapes[0][0] for shape in shapes):
        raise ValueError(f"blocks must be arrays (N, d), one a sense and all of one N, not of shapes {shapes}.")
    for s, array in enumerate(arrays):
        partly = ~np.isfinite(array).all(axis=1) & ~np.isnan(array).all(axis=1)
        if partly.any():
            raise ValueError(
                f"row {partly.argmax()} of sense {s} is NaN or infinite in parts; fill it, or make it all NaN."
            )
    return torch.from_numpy(np.concatenate(arrays, axis=1)), tuple(shape[1] for shape in shapes)
