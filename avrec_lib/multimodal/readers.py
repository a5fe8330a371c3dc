"""From the arrays of `inputs` to one vector a sense, inside the model, so that training decides what is read.

Page 7.2. Each reader takes the rows of M clips, (M, …), and gives (M, size) float32. The rows of a sense that is
missing hold zeros; what a reader makes of them does not matter, for the layer that joins the senses is told.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.multimodal.config import PADDING
from avrec_lib.multimodal.settings import Settings
from avrec_lib.nn.attention_torch import masked_softmax

CHANNELS = (8, 16, 32)  # of the network that looks at pixels
SLOW = 0.01  # the step size of weights that were trained before, as a share of that of new ones


class Reader(nn.Module):
    """What all readers have in common.

    Attributes
    ----------
    size : int
        Length of the vector.
    slow : bool
        True if a network that was trained before is part of it, as `trunk`; see `trainable_groups`.
    """

    slow = False

    def __init__(self, shape: tuple[int, ...], size: int) -> None:
        super().__init__()
        self.shape, self.size = shape, size

    def _check(self, x: Tensor) -> None:
        if tuple(x.shape[1:]) != self.shape:
            told = ", ".join(map(str, self.shape))
            raise ValueError(f"this reader was built for arrays of shape (M, {told}), not {tuple(x.shape)}.")


class AttentionPooling(nn.Module):
    """h = Σ_t α_t h_t,  α = softmax_t w · tanh(W h_t + b): one learnt question, asked of every place.

    A row without any place gives 0. Source: the pooling of words in Yang et al. (2016), "Hierarchical Attention
    Networks for Document Classification".

    Parameters
    ----------
    d : int
        Length of the h_t.
    """

    def __init__(self, d: int) -> None:
        super().__init__()
        self.hidden, self.question = nn.Linear(d, d), nn.Linear(d, 1, bias=False)  # W and b; w

    def forward(self, h: Tensor, real: Tensor | None = None) -> Tensor:
        """Return (M, d) of h (M, T, d); real (M, T) is False where there is padding."""
        scores: Tensor = self.question(torch.tanh(self.hidden(h)))[:, :, 0].float()  # (M, T)
        weights = masked_softmax(scores, real)  # (M, T)
        return (weights[:, :, None] * h.float()).sum(dim=1)


class WordReader(Reader):
    """Ids of words (M, L) → vectors of words → attention pooling, so that the telling word counts most."""

    def __init__(self, length: int, vocabulary: int, size: int) -> None:
        super().__init__((length,), size)
        self.embed = nn.Embedding(vocabulary, size, padding_idx=PADDING)
        nn.init.normal_(self.embed.weight, std=0.1)
        with torch.no_grad():
            self.embed.weight[PADDING] = 0
        self.pool = AttentionPooling(size)

    def forward(self, x: Tensor) -> Tensor:
        """(M, L) int64 → (M, size); 0 for a text without words."""
        self._check(x)
        pooled: Tensor = self.pool(self.embed(x), x != PADDING)
        return pooled


class VectorReader(Reader):
    """Measured numbers, or a vector that was learnt before: one linear layer, for there are few clips to learn from."""

    def __init__(self, p: int, size: int) -> None:
        super().__init__((p,), size)
        self.layer = nn.Linear(p, size)

    def forward(self, x: Tensor) -> Tensor:
        """(M, p) float32 → (M, size)."""
        self._check(x)
        y: Tensor = self.layer(x)
        return y.float()


class TopicReader(Reader):
    """v = √T (softmax(W x + b) − 1/T): to which of T topics a text belongs, of its vector x.

    Texts on one topic have vectors in one corner, but not the same one; a linear layer hands on where in the corner
    they are, as noise. The topics are not given: whatever W makes the clicks likely is one.
    """

    def __init__(self, p: int, size: int) -> None:
        super().__init__((p,), size)
        self.layer = nn.Linear(p, size)
        nn.init.normal_(self.layer.weight, std=0.5)  # different from each other, or no topic would be one

    def forward(self, x: Tensor) -> Tensor:
        """(M, p) float32 → (M, size); each row sums to 0."""
        self._check(x)
        share = self.layer(x).float().softmax(dim=1)
        topics: Tensor = (share - 1 / self.size) * self.size**0.5
        return topics


class PixelReader(Reader):
    """Pixels (M, S, S, 3) → 3×3 convolutions; of every layer's maps the mean and the spread over the picture.

    A mean over space tells which colours there are, but stripes and their opposite have one mean: texture is how much
    a map varies. It is fine, so it is taken before pooling makes it coarse, of every layer and not of the last only.

        v = W [μ_1; σ_1; …; μ_L; σ_L] + b,   σ_l the standard deviation of layer l's maps over the places

    Pictures are stored pixel by pixel with their three colours side by side, which is what PyTorch calls channels
    last: turned, not copied, and the faster order for convolutions on most processors.
    """

    def __init__(self, side: int, size: int, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__((side, side, 3), size)
        self.look = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise((3, *channels)))
        self.dense = nn.Linear(2 * (3 + sum(channels)), size)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """(M, S, S, 3) uint8 → (M, size)."""
        self._check(x)
        h = x.permute(0, 3, 1, 2).float() / 127.5 - 1  # (M, 3, S, S), strides of channels last
        told = list(_mean_and_spread(h))
        for convolution in self.look:
            h = functional.relu(convolution(h))  # (M, C, S', S')
            told += _mean_and_spread(h)
            if h.shape[2] > 1:
                h = functional.avg_pool2d(h, 2)
        y: Tensor = self.dense(torch.cat(told, dim=1))
        return y.float()


class FrameReader(Reader):
    """MFCC frames (M, F, C) → two convolutions over time → attention pooling, and mean and spread over time.

    All frames are computed side by side, and the pooling finds a moment wherever it is: an LSTM's last
    state is reached step by step and remembers the end best. The spread tells a beat from a hum.
    """

    def __init__(self, n_frames: int, n_mfcc: int, size: int) -> None:
        super().__init__((n_frames, n_mfcc), size)
        self.hear = nn.Sequential(
            nn.Conv1d(n_mfcc, size, 5, padding=2), nn.ReLU(), nn.Conv1d(size, size, 3, padding=1), nn.ReLU()
        )
        self.pool = AttentionPooling(size)
        self.dense = nn.Linear(3 * size, size)

    def forward(self, x: Tensor) -> Tensor:
        """(M, F, C) float32 → (M, size)."""
        self._check(x)
        h = self.hear(x.transpose(1, 2)).float()  # (M, size, F)
        pooled = self.pool(h.transpose(1, 2))  # (M, size)
        y: Tensor = self.dense(torch.cat([pooled, *_mean_and_spread(h)], dim=1))
        return y.float()


def make_reader(sense: str, kind: str, shape: tuple[int, ...], settings: Settings) -> Reader:
    """Build the reader of a sense; its first weights depend on the settings' seed and the sense alone.

    Parameters
    ----------
    sense : {"text", "picture", "sound"}
    kind : str
        One of the sense's kinds in `inputs`.
    shape : tuple of int
        Of one clip's row, without the number of clips.
    settings : Settings
        `vocabulary`, `width` and `seed` are used.

    Raises
    ------
    ValueError
        If the sense has no such kind, the shape is not of this kind, or there are no weights to train.
    """
    dimensions = _KINDS.get((sense, kind))
    if dimensions is None:
        told = ", ".join(f"{s} {k}" for s, k in _KINDS)
        raise ValueError(f"nothing reads {sense} as {kind}; there are {told}.")
    if len(shape) != dimensions or min(shape) < 1:
        raise ValueError(f"a row of {sense} {kind} has {dimensions} dimensions, not the shape {shape}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3 * settings.seed + ("text", "picture", "sound").index(sense))
        return _built(sense, kind, shape, settings)


def _built(sense: str, kind: str, shape: tuple[int, ...], s: Settings) -> Reader:
    if kind == "words":
        return WordReader(shape[0], s.vocabulary, s.width)
    if kind == "pixels":
        return PixelReader(shape[0], s.width)
    if kind == "frames":
        return FrameReader(shape[0], shape[1], s.width)
    if kind.endswith("-tuned"):
        from avrec_lib.multimodal import tuned

        return tuned.make(kind, shape, s.width)
    if sense == "text":
        return TopicReader(shape[0], max(s.width // 2, 1))
    return VectorReader(shape[0], s.width)


_KINDS = {
    ("text", "lsa"): 1,
    ("text", "words"): 1,
    ("text", "minilm"): 1,
    ("text", "minilm-tuned"): 1,
    ("picture", "measured"): 1,
    ("picture", "pixels"): 3,
    ("picture", "efficientnet"): 1,
    ("picture", "efficientnet-tuned"): 3,
    ("sound", "measured"): 1,
    ("sound", "frames"): 2,
    ("sound", "whisper"): 1,
    ("sound", "whisper-tuned"): 2,
}


def trainable_groups(model: nn.Module, lr: float, share: float = SLOW) -> list[dict[str, Any]]:
    """Sort a model's weights into groups for an optimiser: new ones, and those that were trained before.

    Few clicks would soon overwrite what a network learnt from millions of texts or pictures, so the `trunk` of every
    slow reader gets steps of share · lr.

    Returns
    -------
    one or two dicts with "params" and "lr", each weight that wants a gradient in one of them
    """
    slow = {
        id(weight)
        for reader in model.modules()
        if isinstance(reader, Reader) and reader.slow and isinstance(reader.trunk, nn.Module)
        for weight in reader.trunk.parameters()
    }
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    new = [weight for weight in weights if id(weight) not in slow]
    old = [weight for weight in weights if id(weight) in slow]
    return [{"params": of, "lr": step} for of, step in ((new, lr), (old, share * lr)) if of]


def _mean_and_spread(h: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of maps (M, C, places…) over their places, (M, C) each, in float32."""
    h = h.float().flatten(2)  # (M, C, places)
    mean = h.mean(dim=2, keepdim=True)
    return mean[:, :, 0], ((h - mean).square().mean(dim=2) + 1e-6).sqrt()  # √0 has no gradient
