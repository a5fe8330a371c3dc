"""The half of Whisper that hears, as a PyTorch module: from a log-mel spectrogram to a vector every 20 ms.

Page 7.2. `content.speech` runs Whisper in CTranslate2, which cannot train. Its file holds the weights in 16 bits, and
the encoder is two convolutions and the Transformer block of page 6.2, so it is rebuilt here and can be trained.
A sound need not be filled up to the 30 s that Whisper's decoder wants: the encoder takes any length.

Source: Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.content.audio import SAMPLE_RATE, to_float
from avrec_lib.content.errors import MediaError
from avrec_lib.content.spectra import mel_spectrogram, to_db
from avrec_lib.data.assets import fetch
from avrec_lib.nn.attention_torch import TransformerBlock

N_MELS, N_FFT, HOP = 80, 400, 160  # 25 ms windows every 10 ms
LONGEST = 3_000  # frames, 30 s: as many positions as there are
DTYPES = {0: "<f4", 4: "<f2"}  # CTranslate2's numbers of the kinds that hold weights as they are


def log_mel(x: ArrayLike) -> NDArray[np.float32]:
    """Return what Whisper hears of samples (n,) at 16 kHz: float32 (⌊n / 160⌋ or 1, 80).

    S = (log₁₀ max(mel power, 10⁻¹⁰) cut 8 below its largest, + 4) / 4. The sound is mirrored at its beginning and
    followed by silence, as in the authors' program.
    """
    samples = to_float(x)
    begun = np.pad(samples, (2 * HOP, 0), mode="reflect") if len(samples) > 1 else np.pad(samples, (2 * HOP, 0))
    power = mel_spectrogram(np.pad(begun, (0, 2 * HOP)), SAMPLE_RATE, N_FFT, HOP, N_MELS)  # (80, frames)
    n = max(1, len(samples) // HOP)
    heard = (to_db(power[:, 2 : 2 + n]) / 10 + 4) / 4  # (80, n)
    return heard.T.astype(np.float32)


class WhisperEncoder(nn.Module):
    """z = blocks(GELU(conv₂(GELU(conv₁(S)))) + p), and a layer norm; conv₂ takes every second frame.

    p are fixed waves, one position every 20 ms. The sizes are those of Whisper tiny.

    Parameters
    ----------
    d, n_heads, n_layers : int
    """

    def __init__(self, d: int = 384, n_heads: int = 6, n_layers: int = 4) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(N_MELS, d, 3, padding=1), nn.Conv1d(d, d, 3, stride=2, padding=1)
        self.positions: Tensor
        self.register_buffer("positions", torch.zeros(LONGEST // 2, d))
        self.blocks = nn.ModuleList(
            TransformerBlock(d, n_heads, norm_first=True, activation=functional.gelu) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d)

    def forward(self, mel: Tensor) -> Tensor:
        """Return z, shape (B, ⌈T / 2⌉, d), for mel (B, T, 80); T at most 3,000.

        Raises
        ------
        ValueError
            If the shape is another.
        """
        if mel.ndim != 3 or mel.shape[2] != N_MELS or not 1 <= mel.shape[1] <= LONGEST:
            raise ValueError(f"mel must have shape (B, T, {N_MELS}), T from 1 to {LONGEST}, not {tuple(mel.shape)}.")
        h = functional.gelu(self.first(mel.transpose(1, 2)))  # (B, d, T)
        h = functional.gelu(self.second(h)).transpose(1, 2)  # (B, ⌈T/2⌉, d)
        h = h + self.positions[: h.shape[1]]
        for block in self.blocks:
            h = block(h)
        z: Tensor = self.norm(h)
        return z


def load_whisper_encoder(path: Path | None = None) -> WhisperEncoder:
    """Return the encoder of Whisper tiny with its authors' weights, in eval mode, on the CPU.

    Parameters
    ----------
    path : Path, optional
        Another `model.bin` of CTranslate2, of a tiny Whisper whose weights are floats.

    Raises
    ------
    MediaError
        If the file is none of these.
    """
    file = fetch("whisper-tiny") / "model.bin" if path is None else Path(path)
    theirs = read_ctranslate2(file, "encoder/")
    with torch.device("meta"):
        model = WhisperEncoder()  # no random weights are drawn, for all are replaced
    try:
        model.load_state_dict(_our_names(theirs, len(model.blocks)), strict=True, assign=True)
    except (RuntimeError, KeyError) as error:
        raise MediaError(file, f"is no tiny Whisper ({str(error).splitlines()[0]}); use the asset.") from error
    return model.eval()


def read_ctranslate2(path: Path, beginning: str = "") -> dict[str, Tensor]:
    """Return the tensors of a CTranslate2 file whose names begin so, as float32.

    The file: version, name and revision of the architecture, number of tensors; of each its name, shape, kind,
    number of bytes, and bytes.

    Raises
    ------
    MediaError
        If it is no such file, is cut off, or a wanted tensor is not of 16- or 32-bit floats.
    """
    found = {}
    with path.open("rb") as file:
        try:
            _numbers(file, "I")
            _text(file)
            _, n = _numbers(file, "II")
            for _ in range(n):
                name = _text(file)
                (rank,) = _numbers(file, "B")
                shape = _numbers(file, f"{rank}I")
                kind, size = _numbers(file, "BI")
                if not name.startswith(beginning) or rank == 0:  # a single number is an option, not a weight
                    file.seek(size, 1)
                    continue
                if kind not in DTYPES:
                    raise MediaError(path, f"holds {name} as rounded integers; convert the model with float16 weights.")
                values = np.frombuffer(file.read(size), DTYPES[kind]).astype(np.float32).reshape(shape)
                found[name] = torch.from_numpy(values)
        except MediaError:
            raise
        except (struct.error, ValueError, OverflowError, MemoryError) as error:
            raise MediaError(path, f"is no whole CTranslate2 model ({error}); fetch it again.") from error
    return found


def _our_names(theirs: dict[str, Tensor], n_layers: int) -> dict[str, Tensor]:
    """Give each tensor the name it has here; Q, K and V lie in one tensor there."""
    ours = {"positions": theirs["encoder/position_encodings/encodings"]}
    pairs = {"first": "conv1", "second": "conv2", "norm": "layer_norm"}
    for i in range(n_layers):
        there, here = f"layer_{i}", f"blocks.{i}"
        pairs |= {f"{here}.attention.O": f"{there}/self_attention/linear_1"}
        pairs |= {f"{here}.norm_1": f"{there}/self_attention/layer_norm", f"{here}.norm_2": f"{there}/ffn/layer_norm"}
        pairs |= {f"{here}.wide": f"{there}/ffn/linear_0", f"{here}.back": f"{there}/ffn/linear_1"}
        for part in ("weight", "bias"):
            three = theirs[f"encoder/{there}/self_attention/linear_0/{part}"].chunk(3)
            ours |= {f"{here}.attention.{of}.{part}": x for of, x in zip("QKV", three, strict=True)}
    for here, there in pairs.items():
        weight, bias = ("gamma", "beta") if there.endswith("layer_norm") else ("weight", "bias")
        ours |= {f"{here}.weight": theirs[f"encoder/{there}/{weight}"]}
        ours |= {f"{here}.bias": theirs[f"encoder/{there}/{bias}"]}
    return ours


def _numbers(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))


def _text(file: BinaryIO) -> str:
    (length,) = _numbers(file, "H")
    return file.read(length).rstrip(b"\0").decode()
