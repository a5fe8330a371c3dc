"""One model of the next item with four ways to read the last T: mean, convolution, RNN, LSTM.

Page 6.1.3. Everything but the reader is the same, so what a reader gains is what its use of the
order gains. Arrays of item indices in, scores out; this module knows nothing of users or times.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

Reader = Literal["mean", "convolution", "rnn", "lstm"]


class NextItem(nn.Module):
    """Score every item as the next one, given the last T: s_j = ⟨W h + a, e_j⟩ + b_j, h = reader(e_1, …, e_T).

    mean: the average of the item vectors, blind to their order
    convolution: residual layers of width 2 and stride 2, so pairs, pairs of pairs, … until one
        position is left that has seen all T (the last output of the dilated causal stack of
        WaveNet, van den Oord et al. 2016, without the outputs that nobody reads)
    rnn, lstm: the last state of `torch.nn.RNN` or `LSTM`

    Parameters
    ----------
    n_items, T : int
        Size of the catalogue; items in a window, a power of two for the convolution.
    reader : {"mean", "convolution", "rnn", "lstm"}
    width : int
        Length d of the item vectors e_j and of h.
    dropout : float
        Share of coordinates hidden during training, behind the vectors and behind the reader.
    """

    def __init__(self, n_items: int, T: int, reader: Reader, width: int = 32, dropout: float = 0.2) -> None:
        super().__init__()
        if reader not in get_args(Reader):
            raise ValueError(f"unknown reader {reader!r}; there are {', '.join(get_args(Reader))}.")
        if reader == "convolution" and T & (T - 1):
            raise ValueError(f"the convolution needs a T that is a power of two, not {T}.")
        self.reader = reader
        self.vectors = nn.Embedding(n_items, width)
        nn.init.normal_(self.vectors.weight, std=0.1)
        n_layers = T.bit_length() - 1 if reader == "convolution" else 0
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, 2, stride=2) for _ in range(n_layers))
        if reader in ("rnn", "lstm"):
            self.recurrent = (nn.RNN if reader == "rnn" else nn.LSTM)(width, width, batch_first=True)
        self.project = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.dropout = nn.Dropout(dropout)

    def read(self, X: Tensor) -> Tensor:
        """Turn the vectors of a window, shape (B, T, d), into one vector, shape (B, d)."""
        if self.reader == "mean":
            return X.mean(dim=1)
        if self.reader == "convolution":
            x = X.transpose(1, 2)  # (B, d, T)
            for convolution in self.convolutions:
                x = x[:, :, 1::2] + functional.relu(convolution(x))  # half as long
            return x[:, :, 0]
        states: Tensor = self.recurrent(X)[0]  # (B, T, d)
        return states[:, -1]

    def forward(self, windows: Tensor) -> Tensor:
        """Return the scores of all items, shape (B, n_items), for windows of item indices, shape (B, T)."""
        h = self.read(self.dropout(self.vectors(windows)))  # (B, d)
        return functional.linear(self.project(self.dropout(h)), self.vectors.weight, self.bias)  # (B, n_items)


def fit_next_item(
    windows: ArrayLike,
    targets: ArrayLike,
    n_items: int,
    reader: Reader,
    *,
    width: int = 32,
    epochs: int = 4,
    lr: float = 0.01,
    batch: int = 256,
    dropout: float = 0.2,
    seed: int = 0,
) -> NextItem:
    """Train a `NextItem` to a small cross-entropy, −log softmax(s)_target over all items, the mean over windows.

    By Adam, its steps shrinking to zero: without that, two seeds can differ as much as two readers.
    The biases b_j start at the logarithm of how often item j is a target, so training starts from
    popularity. The same seed gives the same model; torch's own random state is left alone.

    Parameters
    ----------
    windows : int array, shape (N, T)
    targets : int array, shape (N,)
        The item that came after each window.
    n_items : int
    reader, width, dropout : see `NextItem`
    epochs, lr, batch, seed : passes over the windows, step size, windows in a step, and the seed

    Raises
    ------
    ValueError
        If the shapes do not fit or an index is not in the catalogue.
    """
    X, y = (np.ascontiguousarray(array, dtype=np.int64) for array in (windows, targets))
    if X.ndim != 2 or 0 in X.shape or y.shape != X.shape[:1]:
        raise ValueError(f"windows and targets must have shapes (N, T) and (N,), not {X.shape} and {y.shape}.")
    if min(X.min(), y.min()) < 0 or max(X.max(), y.max()) >= n_items:
        raise ValueError(f"windows and targets must hold item indices from 0 to {n_items - 1}.")
    inputs, wanted = torch.from_numpy(X), torch.from_numpy(y)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = NextItem(n_items, X.shape[1], reader, width, dropout)
        with torch.no_grad():
            model.bias.copy_(torch.log1p(torch.bincount(wanted, minlength=n_items).float()))
        optimiser = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
        n_steps = max(1, epochs * math.ceil(len(y) / batch))
        decay = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / n_steps)
        for _ in range(epochs):
            shuffled = torch.randperm(len(y))
            for start in range(0, len(y), batch):
                rows = shuffled[start : start + batch]
                loss = functional.cross_entropy(model(inputs[rows]), wanted[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                decay.step()
    return model.eval()


def next_item_scores(model: NextItem, windows: ArrayLike, batch: int = 2048) -> NDArray[np.float32]:
    """Return the scores of all items after each window (N, T), float32, shape (N, n_items)."""
    inputs = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.int64))  # torch knows no negative strides
    model.eval()
    with torch.no_grad():
        parts = [model(inputs[start : start + batch]).numpy() for start in range(0, len(inputs), batch)]
    return np.concatenate(parts)
