"""A small network that learns from pictures of 64×64 pixels: four convolutions, then the mean over all places.

Page 3.1.2. Small enough to be trained on a laptop within seconds, on what the book's own covers
show. `convolution` has the arithmetic of one layer in NumPy, `image_architectures` the large networks.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from avrec_lib.device import device

Pictures = NDArray[np.uint8]


class PictureNet(nn.Module):
    """Turn pictures into n_outputs numbers: y = W · mean over places of block₄(block₃(block₂(block₁(x)))) + b.

    block(x) = ReLU(norm(3×3 convolution(x))), with a step of 2: each block halves the picture's sides,
    and doubles what one number sees. The mean over the places that are left (global average pooling,
    Lin et al. 2014) makes the answer independent of where in the picture something is.

    Parameters
    ----------
    n_outputs : int
        m.
    width : int
        Channels after the first block; 2, 4 and 4 times as many after the others.
    """

    mu: Tensor
    sigma: Tensor

    def __init__(self, n_outputs: int, width: int = 8) -> None:
        super().__init__()
        if n_outputs < 1 or width < 1:
            raise ValueError(f"n_outputs and width must be at least 1, not {n_outputs} and {width}.")
        self.blocks = nn.Sequential(
            block(3, width),  # (B, 3, 64, 64) → (B, w, 32, 32)
            block(width, 2 * width),  # (B, 2w, 16, 16)
            block(2 * width, 4 * width),  # (B, 4w, 8, 8)
            block(4 * width, 4 * width),  # (B, 4w, 4, 4)
        )
        self.read_out = nn.Linear(4 * width, n_outputs)
        self.is_classifier = False
        self.register_buffer("mu", torch.zeros(n_outputs))  # of the targets, set by fit_pictures
        self.register_buffer("sigma", torch.ones(n_outputs))

    def features(self, pictures: Tensor) -> Tensor:
        """Turn uint8 pictures (B, H, W, 3) into vectors (B, 4w)."""
        x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1  # (B, 3, H, W), from −1 to 1
        z: Tensor = self.blocks(x)
        return z.mean(dim=(2, 3))  # (B, 4w)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return y, shape (B, m), in units of the standardised targets, or logits."""
        y: Tensor = self.read_out(self.features(pictures))
        return y


def fit_pictures(
    pictures: Pictures,
    targets: ArrayLike,
    *,
    width: int = 8,
    epochs: int = 10,
    lr: float = 0.01,
    batch: int = 64,
    seed: int = 0,
) -> PictureNet:
    """Train a `PictureNet` to tell numbers or classes from pictures.

    Float targets: the mean of (y − (t − μ) / σ)², with μ and σ of each column of t. Integer targets:
    cross-entropy, −log softmax(y)_class. By AdamW, its steps growing for a tenth of the time and then
    shrinking to zero. The same seed gives the same network on the same device and number of threads;
    torch's own random state is left alone.

    Parameters
    ----------
    pictures : uint8 array, shape (N, H, W, 3), sides of at least 16 pixels
    targets : float array (N,) or (N, m), or int array (N,) of classes from 0, at least two
    width : see `PictureNet`
    epochs, lr, batch, seed : passes over the pictures, largest step, pictures in a step, and the seed

    Returns
    -------
    PictureNet in eval mode, on the GPU if there is one

    Raises
    ------
    ValueError
        If the shapes or types do not fit, or a target is NaN or a negative class.
    """
    X = torch.from_numpy(_check(pictures))
    t = np.asarray(targets)
    is_classifier = t.dtype.kind in "iu"
    if len(t) != len(X) or t.ndim != (1 if is_classifier else max(1, min(t.ndim, 2))):
        raise ValueError(
            f"targets must be floats (N,) or (N, m), or classes (N,), for N = {len(X)}, not {t.dtype} {t.shape}."
        )
    if t.dtype.kind not in "iuf" or not np.isfinite(t).all() or (is_classifier and t.min() < 0):
        raise ValueError("targets must be finite floats, or classes as integers from 0.")
    T = torch.from_numpy(t.astype(np.int64) if is_classifier else t.reshape(len(t), -1).astype(np.float32))
    where = device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PictureNet(max(2, int(t.max()) + 1) if is_classifier else T.shape[1], width)
        model.is_classifier = is_classifier
        if not is_classifier:
            model.mu.copy_(T.mean(dim=0))
            model.sigma.copy_(T.std(dim=0, correction=0).clamp_min(1e-6))
            T = (T - model.mu) / model.sigma  # (N, m)
        model.to(where)
        optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
        n_steps = epochs * math.ceil(len(X) / batch)
        warm = max(1, n_steps // 10)
        rate = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / warm, (n_steps - step) / (n_steps - warm + 1))
        )
        with tqdm(total=n_steps, desc="PictureNet", unit="step", delay=2, disable=None, leave=False) as bar:
            for _ in range(epochs):
                for rows in torch.split(torch.randperm(len(X)), batch):
                    y, t_rows = model(X[rows].to(where)), T[rows].to(where)
                    loss = functional.cross_entropy(y, t_rows) if is_classifier else functional.mse_loss(y, t_rows)
                    optimiser.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                    rate.step()
                    bar.update()
    return model.eval()


def predict_pictures(model: PictureNet, pictures: Pictures, batch: int = 256) -> NDArray[np.float32]:
    """Return the predicted targets (N, m), or the probabilities (N, n_classes) of a classifier, float32."""
    X = torch.from_numpy(_check(pictures))
    where = model.mu.device
    model.eval()
    parts = []
    with torch.inference_mode():
        for rows in torch.split(X, batch):
            y = model(rows.to(where))  # (B, m)
            parts.append((y.softmax(dim=1) if model.is_classifier else y * model.sigma + model.mu).cpu())
    return cast(NDArray[np.float32], torch.cat(parts).numpy())


def block(n_in: int, n_out: int) -> nn.Sequential:
    """Return ReLU(norm(3×3 convolution(x))) with a step of 2: (B, n_in, H, W) → (B, n_out, H/2, W/2)."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)
    )


def _check(pictures: Pictures) -> Pictures:
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or min(pictures.shape[1:3]) < 16:
        raise ValueError(
            f"pictures must be uint8 (N, H, W, 3) of at least 16×16 pixels, not {pictures.dtype} {pictures.shape}."
        )
    if len(pictures) == 0:
        raise ValueError("there are no pictures; at least one is needed.")
    return np.array(pictures, order="C")  # a copy, for torch wants arrays it could write to
