"""From a sequence of frames to one vector and a class: their mean, an RNN, a GRU or an LSTM.

Page 3.1.4. The frames are MFCC of a sound or feature vectors of a film's pictures; sequences may
differ in length. Everything but the reader is the same, so what a reader gains over the mean is what
the order of the frames holds. `sequence_torch` does the like for items; `recurrent` has the equations
of the cells in NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from tqdm import tqdm

from avrec_lib.device import device

Reader = Literal["mean", "rnn", "gru", "lstm"]


class FrameReader(nn.Module):
    """Classify a sequence of frames: logits = W h + b, h = reader(z_1, …, z_T), z_t = (x_t − μ) / σ.

    mean: h = (1/T) Σ_t z_t, blind to the order
    rnn, gru, lstm: h is the state after the last real frame; padding behind it is never read

    μ and σ, shape (d,), are buffers, set by `fit_frames` from the training frames.

    Parameters
    ----------
    d, n_classes : int
        Numbers in a frame; classes.
    reader : {"mean", "rnn", "gru", "lstm"}
    width : int
        Length of the state h of the recurrent readers; the mean has length d.
    """

    mu: Tensor
    sigma: Tensor

    def __init__(self, d: int, n_classes: int, reader: Reader, width: int = 32) -> None:
        super().__init__()
        if reader not in get_args(Reader):
            raise ValueError(f"unknown reader {reader!r}; there are {', '.join(get_args(Reader))}.")
        self.reader = reader
        self.register_buffer("mu", torch.zeros(d))
        self.register_buffer("sigma", torch.ones(d))
        if reader != "mean":
            self.recurrent = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[reader](d, width, batch_first=True)
        self.classify = nn.Linear(d if reader == "mean" else width, n_classes)

    def read(self, X: Tensor, lengths: Tensor) -> Tensor:
        """Turn padded sequences (B, T, d), of which the first lengths (B,) frames count, into vectors (B, H)."""
        Z = (X - self.mu) / self.sigma  # (B, T, d)
        if self.reader == "mean":
            is_real = torch.arange(X.shape[1], device=X.device) < lengths[:, None]  # (B, T)
            return (Z * is_real[:, :, None]).sum(dim=1) / lengths[:, None]  # (B, d)
        is_full = bool((lengths == X.shape[1]).all())  # nothing to skip, and unpacked is faster
        packed = Z if is_full else pack_padded_sequence(Z, lengths.cpu(), batch_first=True, enforce_sorted=False)
        last = self.recurrent(packed)[1]  # (1, B, H), or h and c of an LSTM
        state: Tensor = last[0] if self.reader == "lstm" else last
        return state[0]  # (B, H)

    def forward(self, X: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits of all classes, shape (B, n_classes)."""
        logits: Tensor = self.classify(self.read(X, lengths))
        return logits


def fit_frames(
    sequences: Sequence[ArrayLike] | NDArray[np.floating],
    classes: ArrayLike,
    reader: Reader,
    *,
    width: int = 32,
    epochs: int = 15,
    lr: float = 0.01,
    batch: int = 64,
    seed: int = 0,
) -> FrameReader:
    """Train a `FrameReader` to a small cross-entropy, −log softmax(logits)_class, the mean over sequences.

    By Adam, its steps shrinking to zero, gradients clipped to length 1 (recurrent nets need it). The
    same seed gives the same model on the same device; torch's own random state is left alone.

    Parameters
    ----------
    sequences : list of arrays (T_i, d), or one array (N, T, d)
    classes : int array, shape (N,)
        From 0; there are max + 1 classes, and at least two.
    reader, width : see `FrameReader`
    epochs, lr, batch, seed : passes over the sequences, step size, sequences in a step, and the seed

    Raises
    ------
    ValueError
        If the shapes do not fit, a sequence has no frames or holds NaN, or a class is negative.
    """
    X, lengths = _padded(sequences)
    y = torch.from_numpy(np.ascontiguousarray(classes, dtype=np.int64))
    if y.shape != lengths.shape or y.min() < 0:
        raise ValueError(
            f"classes must be numbers from 0, one a sequence ({len(lengths)}), not of shape {tuple(y.shape)}."
        )
    frames = X[torch.arange(X.shape[1]) < lengths[:, None]]  # (ΣT, d), without the padding
    where = device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = FrameReader(X.shape[2], max(2, int(y.max()) + 1), reader, width)
        model.mu.copy_(frames.mean(dim=0))
        model.sigma.copy_(frames.std(dim=0, correction=0).clamp_min(1e-6))
        model.to(where)
        optimiser = torch.optim.Adam(model.parameters(), lr=lr, fused=where.type != "mps")
        n_steps = max(1, epochs * math.ceil(len(y) / batch))
        decay = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / n_steps)
        for _ in tqdm(range(epochs), desc=reader, unit="epoch", delay=2, disable=None, leave=False):
            shuffled = torch.randperm(len(y))
            for start in range(0, len(y), batch):
                rows = shuffled[start : start + batch]
                loss = functional.cross_entropy(model(X[rows].to(where), lengths[rows].to(where)), y[rows].to(where))
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                decay.step()
    return model.eval()


def predict_frames(
    model: FrameReader, sequences: Sequence[ArrayLike] | NDArray[np.floating], batch: int = 512
) -> NDArray[np.float32]:
    """Return the probability of each class for each sequence, float32, shape (N, n_classes)."""
    X, lengths = _padded(sequences)
    if X.shape[2] != len(model.mu):
        raise ValueError(f"this model reads frames of {len(model.mu)} numbers, not {X.shape[2]}.")
    where = model.mu.device
    model.eval()
    with torch.no_grad():
        parts = [
            model(X[start : start + batch].to(where), lengths[start : start + batch].to(where)).softmax(dim=1).cpu()
            for start in range(0, len(X), batch)
        ]
    return cast(NDArray[np.float32], torch.cat(parts).numpy())


def _padded(sequences: Sequence[ArrayLike] | NDArray[np.floating]) -> tuple[Tensor, Tensor]:
    """Stack sequences of several lengths, zeros behind the short ones: (N, T_max, d) and the lengths (N,)."""
    arrays = [np.ascontiguousarray(sequence, dtype=np.float32) for sequence in sequences]
    if not arrays:
        raise ValueError("there are no sequences; at least one is needed.")
    for i, array in enumerate(arrays):
        if array.ndim != 2 or 0 in array.shape or array.shape[1] != arrays[0].shape[-1]:
            raise ValueError(f"sequence {i} has shape {array.shape}; all need (T, d), T at least 1 and one d.")
        if not np.isfinite(array).all():
            raise ValueError(f"sequence {i} holds NaN or infinite numbers.")
    lengths = torch.tensor([len(array) for array in arrays])
    return pad_sequence([torch.from_numpy(array) for array in arrays], batch_first=True), lengths
