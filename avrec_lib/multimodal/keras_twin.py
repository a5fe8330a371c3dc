"""The article's model once more, in Keras 3 on TensorFlow: the same layers, the same sizes, the same numbers.

Pages 7.1 and 7.2. Built from the same `ArticleConfig` as the PyTorch model, with the same names of layers;
`avrec_lib.multimodal.convert` moves weights from one to the other. Nothing else in the library needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from avrec_lib.multimodal.config import PADDING, ArticleConfig

try:
    import keras
    import tensorflow as tf
    from keras import layers
except ImportError as error:
    raise ImportError("the Keras twin needs Keras and TensorFlow; pip install 'avrec-lib[tensorflow]'.") from error
if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"the Keras twin runs on TensorFlow, and Keras is set to {keras.backend.backend()}; set "
        "KERAS_BACKEND=tensorflow before Python starts."
    )


def keras_article_model(config: ArticleConfig | None = None, seed: int = 0, *, unroll: bool = False) -> keras.Model:
    """Return ŷ's log-odds as a Keras model: what `ArticleModel` computes, from weights of the same shapes.

    Train it with `keras.losses.BinaryCrossentropy(from_logits=True)`. The log-odds come out, and not the
    probability, because Keras cuts a probability off at 1e-7 and 1 − 1e-7 before it takes the logarithm. A row
    that is surer, and wrong, has the gradient 0 then; with log-odds it has ŷ − y, as in PyTorch. (Inside `fit`
    Keras mostly finds the sigmoid and goes round it; in eager mode it can't.)

    Parameters
    ----------
    config : ArticleConfig, optional
    seed : int
        Of the first weights, drawn by the same rules as PyTorch's but by another generator: convert one
        model's weights to start both at the same point. Keras's own random state is left alone.
    unroll : bool
        Write out the steps of both LSTMs one after the other instead of looping: the same numbers, a longer
        compilation, more memory, faster steps on a CPU.

    Returns
    -------
    keras.Model
        Inputs by name: words, an integer (B, L), padding at the end; pictures, uint8 (B, S, S, 3); frames, float32
        (B, F, C). Output: log-odds, float32 (B,).
    """
    c = ArticleConfig() if config is None else config
    seeds = iter(np.random.SeedSequence(seed).generate_state(9 + len(c.channels)).tolist())

    def glorot() -> keras.Initializer:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    def lstm(name: str) -> keras.Layer:  # Keras itself starts the forget gate's bias at 1 and the others at 0
        return layers.LSTM(
            c.lstm,
            kernel_initializer=glorot(),
            recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
            unroll=unroll,
            seed=next(seeds),  # of dropout, which there is none of; else Keras would draw one
            name=name,
        )

    words = keras.Input((c.tokens,), dtype="int64", name="words")
    pictures = keras.Input((c.picture, c.picture, 3), dtype="uint8", name="pictures")
    frames = keras.Input((c.frames, c.coefficients), dtype="float32", name="frames")

    normal = keras.initializers.RandomNormal(stddev=0.1, seed=next(seeds))
    embed = layers.Embedding(c.vocabulary, c.embedding, normal, mask_zero=True, name="embed")
    text = lstm("read_words")(embed(words))  # (B, lstm); the mask travels with the tensor
    x = layers.Rescaling(1 / 255, name="scale")(pictures)  # (B, S, S, 3)
    for number, width in enumerate(c.channels):
        told = {"padding": "same", "activation": "relu", "kernel_initializer": glorot(), "name": f"look_{number}"}
        convolution = layers.Conv2D(width, 3, **told)
        x = layers.MaxPooling2D(2, name=f"shrink_{number}")(convolution(x))  # half as high, half as wide
    picture = layers.GlobalAveragePooling2D(name="mean")(x)  # (B, channels[-1])
    sound = lstm("hear")(frames)  # (B, lstm)
    joined = layers.Concatenate(name="join")([text, picture, sound])  # (B, lstm + channels[-1] + lstm)
    g = layers.Dense(c.dense, activation="relu", kernel_initializer=glorot(), name="dense")(joined)
    logit = layers.Dense(1, kernel_initializer=glorot(), name="output")(g)  # (B, 1)
    inputs = {"words": words, "pictures": pictures, "frames": frames}
    model = keras.Model(inputs, layers.Reshape((), name="log_odds")(logit), name="article")
    vectors = embed.embeddings.numpy()  # (vocabulary, embedding)
    vectors[PADDING] = 0  # never read, for it is masked; PyTorch holds it at 0
    embed.embeddings.assign(vectors)
    return model


class TorchAdamW(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW that steps as `torch.optim.AdamW` does, where Keras 3 on TensorFlow differs in two places.

    - ε. Both divide by √v + ε. PyTorch's v is already corrected for its start at 0 (Kingma and Ba, 2015,
      algorithm 1); Keras takes the short form at the end of their section 2, which puts the correction into the
      step size. There ε counts 1 / √(1 − β₂ᵗ) times as much: 32 times in the first step.
    - A vector that a batch reads n times has n gradients. v must grow by the square of their sum. TensorFlow
      hands an embedding's gradients over one by one, and Keras squares each before it adds: n equal ones step √n
      times too far, two that cancel hardly at all. Here they are added first, also before a norm is clipped.

    The decay, w ← (1 − η λ) w before the step, is the same in both.

    Parameters
    ----------
    learning_rate, weight_decay : float
    epsilon : float
        PyTorch's 1e-8, where Keras has 1e-7.
    told : anything else that `keras.optimizers.AdamW` takes
    """

    epsilon: Any  # for update_step a number that changes with the steps

    def __init__(
        self, learning_rate: float = 1e-3, weight_decay: float = 1e-2, epsilon: float = 1e-8, **told: object
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, epsilon=epsilon, **told)

    def apply(
        self, grads: Sequence[tf.Tensor | tf.IndexedSlices], trainable_variables: Sequence[keras.Variable] | None = None
    ) -> keras.Variable:
        """Step along gradients that have one row for each row of a weight."""
        return super().apply([tf.convert_to_tensor(gradient) for gradient in grads], trainable_variables)

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        """Take Keras's step for one weight with the ε that makes it PyTorch's."""
        ops, epsilon = keras.ops, self.epsilon
        step = ops.cast(self.iterations + 1, variable.dtype)
        self.epsilon = epsilon * ops.sqrt(1 - ops.power(ops.cast(self.beta_2, variable.dtype), step))
        try:
            super().update_step(gradient, variable, learning_rate)
        finally:
            self.epsilon = epsilon
