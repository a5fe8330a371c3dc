"""Readers that hold a network which was trained before, and train it on: MiniLM, EfficientNet-Lite0, Whisper's encoder.

Page 7.2. The network (`trunk`) is to take small steps, and the two layers after it, which are new, full ones
(`readers.trainable_groups`). In between each vector is brought to mean 0 and variance 1, as frozen ones are by
their scale. On a laptop's processor a step takes seconds a hundred clips: these are for a GPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.content.image_encoders import DIM, load_efficientnet_lite0
from avrec_lib.content.language_weights import without_loading_bars
from avrec_lib.content.sentences import mean_pool
from avrec_lib.data.assets import fetch
from avrec_lib.multimodal.config import PADDING
from avrec_lib.multimodal.readers import Reader
from avrec_lib.multimodal.whisper_encoder import LONGEST, N_MELS, load_whisper_encoder

SMALLEST = 32  # pixels: EfficientNet halves a picture five times


class TunedReader(Reader):
    """What the three have in common: trunk → vector (M, p) → mean 0, variance 1 → a layer, ReLU, a layer."""

    slow = True

    def __init__(self, shape: tuple[int, ...], trunk: nn.Module, p: int, size: int) -> None:
        super().__init__(shape, size)
        self.trunk = trunk
        self.layers = nn.Sequential(nn.Linear(p, size), nn.ReLU(), nn.Linear(size, size))

    def seen(self, x: Tensor) -> Tensor:
        """Return the trunk's vector, (M, p)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(M, …) → (M, size)."""
        self._check(x)
        v = self.seen(x).float()  # (M, p)
        y: Tensor = self.layers(functional.layer_norm(v, v.shape[1:]))
        return y.float()


class TunedText(TunedReader):
    """MiniLM, 22.6 million weights: the mean of its last layer over a text's word pieces."""

    def __init__(self, length: int, size: int) -> None:
        from transformers import AutoModel

        with without_loading_bars():
            trunk: Any = AutoModel.from_pretrained(fetch("minilm-l6"), local_files_only=True)
        trunk.pooler = None  # nothing would train it
        super().__init__((length,), trunk, int(trunk.config.hidden_size), size)

    def seen(self, x: Tensor) -> Tensor:
        """(M, L) ids → (M, 384); 0 for a text without ids."""
        real = x != PADDING
        seen = real.clone()
        seen[:, 0] = True  # attention over nothing would be NaN, also in the gradients of the other texts
        states = self.trunk(input_ids=x, attention_mask=seen.long()).last_hidden_state  # (M, L, 384)
        return mean_pool(states.float(), real)


class TunedPicture(TunedReader):
    """EfficientNet-Lite0, 3.4 million weights: the mean over all places of its last layer.

    Its batch norms stay in eval mode while it trains. They hold the mean and variance of every map over more than a
    million photographs. Those of a batch of a few covers would be noise, would make the vector of a clip depend on the
    clips beside it, and at serving, one clip at a time, there is no batch. Gain and bias are trained all the same.
    """

    def __init__(self, side: int, size: int) -> None:
        trunk = load_efficientnet_lite0().features
        super().__init__((side, side, 3), trunk, DIM, size)
        self.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def train(self, mode: bool = True) -> TunedPicture:
        """Switch between training and eval mode, all but the batch norms."""
        super().train(mode)
        for module in self.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def seen(self, x: Tensor) -> Tensor:
        """(M, S, S, 3) uint8 → (M, 1280)."""
        v: Tensor = self.trunk((x.permute(0, 3, 1, 2).float() - 127) / 128)
        return v


class TunedSound(TunedReader):
    """The encoder of Whisper tiny, 7.6 million weights: the mean of its states over time."""

    def __init__(self, n_frames: int, size: int) -> None:
        super().__init__((n_frames, N_MELS), load_whisper_encoder(), 384, size)

    def seen(self, x: Tensor) -> Tensor:
        """(M, F, 80) → (M, 384)."""
        states: Tensor = self.trunk(x)  # (M, ⌈F/2⌉, 384)
        return states.float().mean(dim=1)


def make(kind: str, shape: tuple[int, ...], size: int) -> TunedReader:
    """Build the reader of a kind that ends in "-tuned"; see `readers.make_reader`.

    Raises
    ------
    ValueError
        If pictures are too small, or sounds not what Whisper hears.
    """
    if kind == "minilm-tuned":
        return TunedText(shape[0], size)
    if kind == "efficientnet-tuned":
        if shape[0] < SMALLEST:
            raise ValueError(f"pixels must be at least {SMALLEST} for efficientnet-tuned, not {shape[0]}.")
        return TunedPicture(shape[0], size)
    if shape[1] != N_MELS or shape[0] > LONGEST:
        raise ValueError(f"whisper-tuned reads rows of shape (F, {N_MELS}), F at most {LONGEST}, not {shape}.")
    return TunedSound(shape[0], size)
