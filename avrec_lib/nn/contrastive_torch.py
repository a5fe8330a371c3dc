"""Two towers, one for pictures and one for texts, trained so that a picture and its words point the same way.

Page 3.2.2: CLIP (Radford et al. 2021) at the size of a laptop. Learning needs pairs and nothing else:
no classes, no tags. `image_torch` has the convolutions; texts come as lists of tokens, in any language.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from avrec_lib.device import device

Pictures = NDArray[np.uint8]
Text = Sequence[str]  # its tokens
WARMEST, COLDEST = 1.0, 0.01  # temperatures; Radford et al. (2021), section 2.5, stop at 0.01 too


class Gradient(NamedTuple):
    """What the contrastive loss gains by a step: by the vectors X and Y, each (N, d), and by log(1 / temperature)."""

    X: Tensor
    Y: Tensor
    log_scale: Tensor


def contrastive_loss(X: Tensor, Y: Tensor, temperature: float | Tensor) -> Tensor:
    """Return how badly each picture picks out its own text in the batch, and each text its picture.

    S_ij = ⟨x_i, y_j⟩ / temperature
    loss = −1/(2N) Σ_i [log softmax(row i of S)_i + log softmax(column i of S)_i]

    Parameters
    ----------
    X, Y : tensors, shape (N, d)
        Vectors of pictures and texts, each of length 1; row i of X belongs with row i of Y.
    temperature : float or tensor of no dimensions
        Above 0.

    Raises
    ------
    ValueError
        If the shapes differ, or are not (N, d).

    Notes
    -----
    Radford et al. (2021), figure 3. One direction is equation (4) of van den Oord et al. (2018),
    with f = exp(S); both are equations (2) to (4) of Zhang et al. (2022).
    """
    S = _logits(X, Y, temperature)  # (N, N)
    own = S.diagonal()  # (N,)
    picture_to_text = (S.logsumexp(dim=1) - own).mean()  # over the texts j of each row
    text_to_picture = (S.logsumexp(dim=0) - own).mean()  # over the pictures i of each column
    return (picture_to_text + text_to_picture) / 2


def contrastive_gradient(X: Tensor, Y: Tensor, temperature: float) -> Gradient:
    """Return the gradient of `contrastive_loss`, by the formula.

    G = (A + D − 2 I) / 2N, A the softmax across each row of S, D the softmax down each column
    ∂/∂X = G Y / temperature, ∂/∂Y = Gᵀ X / temperature, ∂/∂ log(1 / temperature) = Σ_ij G_ij S_ij
    """
    S = _logits(X, Y, temperature)  # (N, N)
    G = (S.softmax(dim=1) + S.softmax(dim=0) - 2 * torch.eye(len(S)).to(S)) / (2 * len(S))
    return Gradient(G @ Y / temperature, G.T @ X / temperature, (G * S).sum())


class PictureTower(nn.Module):
    """Turn pictures into vectors: x = W [mean over places of z; maximum over places of z] + b, z = four convolutions.

    Each convolution is followed by a batch norm and a ReLU, and halves the sides by its step or by max
    pooling. The maximum over places tells *whether* something is anywhere, the mean *how much* of it.

    Parameters
    ----------
    d, width : int
        Length of x; channels after the first convolution, 2, 4 and 4 times as many after the others.
    """

    def __init__(self, d: int, width: int = 8) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *_block(3, width, step=2),  # (B, 3, 64, 64) → (B, w, 32, 32)
            *_block(width, 2 * width),
            nn.MaxPool2d(2),  # (B, 2w, 16, 16)
            *_block(2 * width, 4 * width),
            nn.MaxPool2d(2),  # (B, 4w, 8, 8)
            *_block(4 * width, 4 * width),
        )
        self.read_out = nn.Linear(8 * width, d)

    def features(self, pictures: Tensor) -> Tensor:
        """Turn uint8 pictures (B, H, W, 3) into what the read-out sees, (B, 8w)."""
        x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1  # (B, 3, H, W), from −1 to 1
        z: Tensor = self.blocks(x.contiguous(memory_format=torch.channels_last))
        return torch.cat([z.mean(dim=(2, 3)), z.amax(dim=(2, 3))], dim=1)  # (B, 8w)

    def forward(self, pictures: Tensor) -> Tensor:
        """Turn uint8 pictures (B, H, W, 3) into vectors (B, d)."""
        x: Tensor = self.read_out(self.features(pictures))
        return x


class TextTower(nn.Module):
    """Turn a bag of words into a vector: y = W₂ · ReLU(W₁ · mean of the words' embeddings + b₁) + b₂.

    A bag: "red star" and "star red" are one text to it. Words outside the vocabulary count for nothing.

    Parameters
    ----------
    words : sequence of str
        The vocabulary.
    d, width : int
        Length of y; length of an embedding and of the layer between.
    """

    def __init__(self, words: Sequence[str], d: int, width: int = 64) -> None:
        super().__init__()
        self.index = {word: i for i, word in enumerate(words)}
        self.embed = nn.EmbeddingBag(len(self.index), width, mode="mean")
        self.read_out = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, d))

    def known(self, text: Text) -> list[int]:
        """Return the numbers of a text's words, those it knows."""
        return [self.index[word] for word in text if word in self.index]

    def forward(self, bags: Sequence[Sequence[int]]) -> Tensor:
        """Turn B lists of word numbers into vectors (B, d)."""
        where = self.embed.weight.device
        starts = np.cumsum([0, *map(len, bags)])[:-1]
        flat = torch.tensor(list(chain.from_iterable(bags)), dtype=torch.long, device=where)
        y: Tensor = self.read_out(self.embed(flat, torch.from_numpy(starts).to(where)))
        return y


class TwoTowers(nn.Module):
    """Pictures and texts in one space of d dimensions, each as a vector of length 1, and a temperature.

    Attributes
    ----------
    picture, text : PictureTower, TextTower
        They share nothing but the length d of what they return.
    log_scale : parameter
        log(1 / temperature).
    losses, temperatures : lists of float
        One for each step of the training.
    """

    def __init__(self, words: Sequence[str], d: int = 32, width: int = 8, temperature: float = 0.07) -> None:
        super().__init__()
        if not COLDEST <= temperature <= WARMEST:
            raise ValueError(f"temperature must be from {COLDEST} to {WARMEST}, not {temperature}.")
        self.picture = PictureTower(d, width)
        self.text = TextTower(words, d)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))
        self.losses: list[float] = []
        self.temperatures: list[float] = []

    @property
    def temperature(self) -> Tensor:
        """Return the temperature, kept between `COLDEST` and `WARMEST`."""
        return torch.exp(-self.log_scale).clamp(COLDEST, WARMEST)

    def forward(self, pictures: Tensor, bags: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return the unit vectors X of uint8 pictures (N, H, W, 3) and Y of their texts, each (N, d)."""
        return functional.normalize(self.picture(pictures), dim=1), functional.normalize(self.text(bags), dim=1)


def fit_pairs(
    pictures: Pictures,
    captions: Sequence[Sequence[Text]],
    *,
    d: int = 32,
    width: int = 8,
    temperature: float = 0.07,
    learn_temperature: bool = True,
    epochs: int = 18,
    lr: float = 0.01,
    batch: int = 64,
    seed: int = 0,
) -> TwoTowers:
    """Train `TwoTowers` on pictures and their captions by `contrastive_loss`.

    By AdamW, its steps growing for a tenth of the time and then shrinking to zero. Each time a picture
    is seen, one of its captions is drawn, and each eighth of the batch is flipped or turned in another of eight
    ways, since a caption that says what is there holds for its mirror image. The same seed gives the same
    towers on the same device and number of threads; torch's own random state is left alone.

    Parameters
    ----------
    pictures : uint8 array, shape (N, H, H, 3), sides of at least 16 pixels
    captions : N lists, each of one or more texts (lists of tokens)
        Two languages are two captions of one picture.
    d, width, temperature : see `TwoTowers`
    learn_temperature : bool
        Whether the temperature is a weight like the others, or stays as it is.
    epochs, lr, batch, seed : passes over the pictures, largest step, pairs in a step, and the seed
        Pairs that fill no batch at the end of an epoch wait for the next one.

    Raises
    ------
    ValueError
        If the numbers do not match, a picture has no caption or an empty one, or the pictures are not square.
    """
    _check_pairs(pictures, captions)
    words = sorted({word for texts in captions for text in texts for word in text})
    X = torch.from_numpy(np.array(pictures, order="C"))  # a copy, for torch wants arrays it could write to
    where, rng, batch = device(), np.random.default_rng(seed), min(batch, len(X))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = TwoTowers(words, d, width, temperature).to(where)
    model.log_scale.requires_grad_(learn_temperature)
    bags = [[model.text.known(text) for text in texts] for texts in captions]
    optimiser = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=lr, weight_decay=0.01)
    n_steps = epochs * (len(X) // batch)
    warm = max(1, n_steps // 10)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm, (n_steps - step) / max(1, n_steps - warm + 1))
    )
    with tqdm(total=n_steps, desc="TwoTowers", unit="step", delay=2, disable=None, leave=False) as bar:
        for _ in range(epochs):
            for rows in rng.permutation(len(X))[: len(X) // batch * batch].reshape(-1, batch):
                drawn = [bags[i][rng.integers(len(bags[i]))] for i in rows]
                pictures_seen, texts_read = model(_turned(X[rows]).to(where), drawn)
                loss = contrastive_loss(pictures_seen, texts_read, model.temperature)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                rate.step()
                model.losses.append(loss.item())
                model.temperatures.append(model.temperature.item())
                bar.update()
    return model.eval()


def encode_pictures(model: TwoTowers, pictures: Pictures, batch: int = 256) -> NDArray[np.float32]:
    """Return one vector of length 1 for each picture, float32, shape (N, d)."""
    where = model.log_scale.device
    model.eval()
    with torch.inference_mode():
        parts = [
            functional.normalize(model.picture(torch.from_numpy(np.array(part)).to(where)), dim=1).cpu()
            for part in np.array_split(pictures, range(batch, len(pictures), batch))
        ]
    return cast(NDArray[np.float32], torch.cat(parts).numpy())


def encode_texts(model: TwoTowers, texts: Sequence[Text]) -> NDArray[np.float32]:
    """Return one vector of length 1 for each text (a list of tokens), float32, shape (N, d).

    A text without a single known word gets zeros: it is similar to nothing.
    """
    model.eval()
    bags = [model.text.known(text) for text in texts]
    with torch.inference_mode():
        Y = functional.normalize(model.text(bags), dim=1)  # (N, d)
        Y *= torch.tensor([[float(bool(bag))] for bag in bags]).to(Y)
    return cast(NDArray[np.float32], Y.cpu().numpy())


def _check_pairs(pictures: Pictures, captions: Sequence[Sequence[Text]]) -> None:
    shape = pictures.shape
    if pictures.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or shape[1] != shape[2] or shape[1] < 16:
        raise ValueError(
            f"pictures must be uint8 (N, H, H, 3) of at least 16×16 pixels, not {pictures.dtype} {pictures.shape}."
        )
    if len(captions) != shape[0] or shape[0] < 2:
        raise ValueError(f"each picture needs its captions, and two pairs at least: {shape[0]} and {len(captions)}.")
    for i, texts in enumerate(captions):
        if not texts or any(isinstance(text, str) or not text for text in texts):
            raise ValueError(f"picture {i} needs a list of captions, each a list of one token or more, not {texts!r}.")


def _logits(X: Tensor, Y: Tensor, temperature: float | Tensor) -> Tensor:
    if X.ndim != 2 or X.shape != Y.shape or len(X) == 0:
        raise ValueError(f"X and Y must both be of shape (N, d), not {tuple(X.shape)} and {tuple(Y.shape)}.")
    return X @ Y.T / temperature  # (N, N)


def _block(n_in: int, n_out: int, step: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(n_in, n_out, 3, stride=step, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)


def _turned(X: Tensor) -> Tensor:
    """Return square pictures (N, H, H, 3), each eighth in another of the eight ways a square can lie on the table."""
    parts = []
    for way, part in enumerate(X.tensor_split(8)):
        lying = part.transpose(1, 2) if way & 4 else part
        parts.append(lying.flip([axis for axis, bit in ((1, 1), (2, 2)) if way & bit]))
    return torch.cat(parts)
