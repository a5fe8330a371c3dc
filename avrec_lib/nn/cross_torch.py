"""Cross-attention: a text asks, the frames of a film or a sound answer, and the weights tell which of them did.

Page 3.2.3. Queries from one sense, keys and values from another: `attention_torch` with a context.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from avrec_lib.nn.attention_torch import MultiHeadAttention
from avrec_lib.nn.contrastive_torch import TextTower
from avrec_lib.nn.fusion_torch import class_tensor, train_classifier

Tokens = Sequence[str]


class CrossReader(nn.Module):
    """Answer about a sequence of frames what a text asks: the text is the query, the frames are keys and values.

    q = TextTower(text);   r_t = W x_t + b;   c = MultiHead(q, context r_1 … r_T)
    logits = V₂ ReLU(V₁ [q; c] + b₁) + b₂

    Parameters
    ----------
    words : sequence of str
        The vocabulary.
    d_frame, n_classes : int
        Numbers in a frame x_t; classes.
    attend : bool
        False: every frame has the weight 1/T, whatever the text asks; all else is the same.
    d, n_heads : int
        Width of the model; heads of the attention.
    """

    def __init__(
        self, words: Tokens, d_frame: int, n_classes: int, *, attend: bool = True, d: int = 32, n_heads: int = 1
    ) -> None:
        super().__init__()
        self.attend = attend
        self.text, self.frame = TextTower(words, d), nn.Linear(d_frame, d)
        self.attention = MultiHeadAttention(d, n_heads)
        self.classify = nn.Sequential(nn.Linear(2 * d, d), nn.ReLU(), nn.Linear(d, n_classes))

    def forward(self, bags: Sequence[Sequence[int]], frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, n_classes) and weights (B, h, T), of B lists of word numbers and frames (B, T, d_frame)."""
        q, r = self.text(bags)[:, None], self.frame(frames)  # (B, 1, d), (B, T, d)
        c, weights = self.attention(q, context=r, return_weights=True)  # (B, 1, d), (B, h, 1, T)
        if not self.attend:
            c = self.attention.O(self.attention.V(r)).mean(dim=1, keepdim=True)  # (B, 1, d)
            weights = torch.full_like(weights, 1 / r.shape[1])
        logits: Tensor = self.classify(torch.cat([q, c], dim=2)[:, 0])
        return logits, weights[:, :, 0]


def fit_cross(
    texts: Sequence[Tokens],
    frames: ArrayLike,
    classes: ArrayLike,
    *,
    attend: bool = True,
    epochs: int = 12,
    lr: float = 0.003,
    decay: float = 0.05,
    batch: int = 64,
    seed: int = 0,
) -> CrossReader:
    """Train a `CrossReader` on N texts (token lists), frames (N, T, d_frame) and classes (N,), as `fit_fusion` does.

    Where to look is never told; it is learnt from the answers alone.
    """
    X = _frames(texts, frames)
    y = class_tensor(classes, len(X))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        words = sorted({word for text in texts for word in text})
        model = CrossReader(words, X.shape[2], max(2, int(y.max()) + 1), attend=attend)
        bags = [model.text.known(text) for text in texts]

        def logits_of(rows: Tensor, where: torch.device) -> Tensor:
            logits: Tensor = model([bags[i] for i in rows.tolist()], X[rows].to(where))[0]
            return logits

        train_classifier(model, logits_of, y, epochs, lr, decay, batch, "CrossReader")
    return model


def predict_cross(
    model: CrossReader, texts: Sequence[Tokens], frames: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the probabilities (N, C) and how much each head looked at each frame, (N, h, T), both float32."""
    X = _frames(texts, frames)
    with torch.inference_mode():
        logits, weights = model([model.text.known(text) for text in texts], X.to(model.frame.weight.device))
        return logits.softmax(dim=1).cpu().numpy(), weights.cpu().numpy()


def _frames(texts: Sequence[Tokens], frames: ArrayLike) -> Tensor:
    X = np.array(frames, dtype=np.float32)
    if X.ndim != 3 or 0 in X.shape or len(X) != len(texts) or not np.isfinite(X).all():
        raise ValueError(f"frames must be finite, (N, T, d), one set for each of {len(texts)} texts, not {X.shape}.")
    return torch.from_numpy(X)
