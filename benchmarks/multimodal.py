"""The article's three-sense model in PyTorch beside its twin in Keras on TensorFlow: samples a second.

Both start from the same weights, read the same batches in the same order in float32, step with the same AdamW,
and may use the same two cores. A call is one pass over the samples, for training or for inference. Keras comes in
several ways, each beside PyTorch in turn, each round compared by its losses or outputs:

- default: a batch at a time (`train_on_batch`, `predict_on_batch`), the steps of the LSTMs in a loop;
- unroll: the same, the steps written out;
- XLA: the same as the first, with `jit_compile`;
- fit: the first by `fit` and `predict`, which build a pipeline for every call and are worth it for longer passes.

Whatever is compiled is compiled in the warm-up. The C library is told to keep freed memory (where it is GNU's): by
itself it returns the large arrays of each step to the system and asks for them again, a quarter of PyTorch's step.

    python -m benchmarks multimodal      # some minutes on two cores, most of them to compile Keras's graphs
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from avrec_lib.multimodal.article import ArticleModel
from avrec_lib.multimodal.config import ArticleConfig
from avrec_lib.multimodal.convert import to_keras
from benchmarks.pairs import Pair, Side, close, measure, two_cores

PACKAGES = ("numpy", "torch", "keras", "tensorflow-cpu", "tensorflow")
INPUTS = "words", "pictures", "frames"
WAYS: dict[str, dict[str, bool]] = {
    "default": {}, "unroll": {"unroll": True}, "XLA": {"jit_compile": True}, "fit": {"by_fit": True}
}  # fmt: skip
LR, DECAY = 1e-3, 1e-4


class Samples(NamedTuple):
    """Made-up clips by name of the input, their clicks, and how many a batch takes."""

    inputs: dict[str, np.ndarray]
    clicks: np.ndarray
    batch: int


def samples(config: ArticleConfig, n: int, batch: int, seed: int = 0) -> Samples:
    """Return n clips whose texts are of any length, from none to full; batches must have one size."""
    if n % batch:
        raise ValueError(f"{n} samples make no whole batches of {batch}.")
    rng = np.random.default_rng(seed)
    words = rng.integers(1, config.vocabulary, (n, config.tokens))  # (n, L)
    words[np.arange(config.tokens) >= rng.integers(0, config.tokens + 1, n)[:, None]] = 0
    pictures = rng.integers(0, 256, (n, config.picture, config.picture, 3), dtype=np.uint8)
    frames = rng.standard_normal((n, config.frames, config.coefficients), dtype=np.float32)
    clicks = rng.integers(0, 2, n).astype(np.float32)
    return Samples(dict(zip(INPUTS, (words, pictures, frames), strict=True)), clicks, batch)


def pytorch(config: ArticleConfig, data: Samples) -> tuple[Any, Any, ArticleModel]:
    """Return what trains for one pass and gives the mean loss, what predicts, and the model."""
    model = ArticleModel(config)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=LR, weight_decay=DECAY, fused=True)
    inputs = [torch.from_numpy(data.inputs[name]).split(data.batch) for name in INPUTS]
    batches = list(zip(*inputs, strict=True))
    clicks = torch.from_numpy(data.clicks).split(data.batch)

    def train() -> float:
        losses = []
        for batch, y in zip(batches, clicks, strict=True):
            loss = functional.binary_cross_entropy_with_logits(model(*batch), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    @torch.inference_mode()
    def predict() -> np.ndarray:
        return torch.cat([model(*batch) for batch in batches]).numpy()

    return train, predict, model


def tensorflow(
    config: ArticleConfig,
    data: Samples,
    start: ArticleModel,
    *,
    unroll: bool = False,
    jit_compile: bool = False,
    by_fit: bool = False,
) -> tuple[Any, Any]:
    """Return the same two for Keras, from the weights of `start`."""
    import keras

    from avrec_lib.multimodal.keras_twin import TorchAdamW, keras_article_model

    model = keras_article_model(config, unroll=unroll)
    to_keras(start, model)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(TorchAdamW(LR, weight_decay=DECAY), loss, jit_compile=jit_compile)
    rows = [slice(first, first + data.batch) for first in range(0, len(data.clicks), data.batch)]
    batches = [({name: part[of] for name, part in data.inputs.items()}, data.clicks[of]) for of in rows]

    def fit() -> float:
        told = model.fit(data.inputs, data.clicks, batch_size=data.batch, shuffle=False, verbose=0)
        return float(told.history["loss"][0])

    if by_fit:
        return fit, lambda: model.predict(data.inputs, batch_size=data.batch, verbose=0)

    def train() -> float:
        return float(np.mean([model.train_on_batch(*batch) for batch in batches]))

    return train, lambda: np.concatenate([model.predict_on_batch(batch) for batch, _ in batches])


def is_installed() -> bool:
    """Tell whether Keras and TensorFlow can be imported."""
    try:
        import avrec_lib.multimodal.keras_twin  # noqa: F401
    except ImportError:
        return False
    return True


def keep_freed_memory() -> bool:
    """Ask GNU's C library to keep what is freed for the next array; return whether it will."""
    if platform.libc_ver()[0] != "glibc":
        return False
    library, m_trim_threshold, m_mmap_threshold = ctypes.CDLL(None), -1, -3
    return bool(library.mallopt(m_mmap_threshold, 2**30) and library.mallopt(m_trim_threshold, 2**31 - 1))


def use_threads(n: int) -> int:
    """Give both frameworks n threads; return how many TensorFlow has, which can be told only before its first step."""
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # it has begun
        tf.config.threading.set_intra_op_parallelism_threads(n)
        tf.config.threading.set_inter_op_parallelism_threads(n)
    return tf.config.threading.get_intra_op_parallelism_threads()


def pair_of(work: str, way: str, config: ArticleConfig, data: Samples, repeats: int) -> Pair:
    """Return one comparison: "training" or "inference", with one of Keras's `WAYS`."""
    place = ("training", "inference").index(work)
    *own, model = pytorch(config, data)
    settings = f"{work}, batch {data.batch}, float32, {torch.get_num_threads()} threads"
    ours = Side("ArticleModel", "PyTorch", settings, own[place])
    theirs = None
    if is_installed():
        peer = tensorflow(config, data, model, **WAYS[way])[place]
        theirs = Side("keras_article_model", "Keras, TensorFlow", f"{settings}, {way}", peer)
    same = close(1e-3) if work == "training" else close(1e-5)  # the one after some hundred steps
    return Pair(ours, theirs, len(data.clicks), "samples/s", same, warm_ups=2, repeats=repeats)


def run(
    config: ArticleConfig | None = None,
    n: int = 640,
    batch: int = 64,
    repeats: int = 7,
    ways: tuple[str, ...] = tuple(WAYS),
) -> list[dict[str, Any]]:
    """Measure every way of Keras, training and inference: rows as those of `benchmarks.pairs.measure`."""
    c = ArticleConfig() if config is None else config
    data = samples(c, n, batch)
    table = []
    keep_freed_memory()
    with two_cores():
        if is_installed():
            use_threads(torch.get_num_threads())
        for work in ("training", "inference"):
            for way in ways:
                table += measure(pair_of(work, way, c, data, repeats))
    return table


def main() -> None:
    """Print the table."""
    print(pd.DataFrame(run()).to_string(index=False, na_rep=""))


if __name__ == "__main__":
    main()
