"""The model of the article's sections 5.3 and 7.2, made to run and nothing more.

Page 5.3. Words, picture and sound of a clip go in, the log-odds of a click come out. It knows no
user: see `avrec_lib.multimodal.personal`. Its layers are chosen so that Keras has each of them exactly.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.multimodal.config import PADDING, ArticleConfig


class ArticleModel(nn.Module):
    """ŷ = sigmoid(w · g + b),  g = ReLU(W [LSTM(words); CNN(picture); LSTM(sound)] + a).

    What Keras must be told to compute the same numbers from the same weights:

    - Words: `Embedding(mask_zero=True)`, then `LSTM`. Padding stands at the end, and the state after the
      last word is taken, so padding changes nothing. A text without words has the state 0.
    - LSTM: PyTorch orders the gates i, f, g, o, as Keras does (it calls g "c"), with transposed matrices.
      PyTorch adds two biases where Keras has one. The second (`bias_hh_l0`) is 0 here and is not trained:
      two equal gradients would make Adam step twice as far as in Keras.
    - Picture: numbers over 255; 3×3 convolutions with padding "same" and stride 1, where both pad one pixel
      all round; 2×2 maximum pooling, "valid"; global average pooling. Pictures are (B, S, S, 3) outside.
    - First weights as Keras draws them: Glorot's uniform ones, orthogonal ones from state to gates, zero
      biases, the forget gate's 1. Only the embedding is wider, normal with 0.1, for Keras's is slow to start.

    Parameters
    ----------
    config : ArticleConfig
    seed : int
        Of the first weights; torch's own random state is left alone.
    """

    def __init__(self, config: ArticleConfig | None = None, seed: int = 0) -> None:
        super().__init__()
        self.config = c = ArticleConfig() if config is None else config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Embedding(c.vocabulary, c.embedding, padding_idx=PADDING)
            self.read_words = nn.LSTM(c.embedding, c.lstm, batch_first=True)
            widths = (3, *c.channels)
            self.look = nn.ModuleList(nn.Conv2d(a, b, 3, padding="same") for a, b in pairwise(widths))
            self.hear = nn.LSTM(c.coefficients, c.lstm, batch_first=True)
            self.dense = nn.Linear(c.joined, c.dense)
            self.output = nn.Linear(c.dense, 1)
            self._draw_weights()

    def branches(self, words: Tensor, pictures: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what each sense says of B clips, shapes (B, lstm), (B, channels[-1]) and (B, lstm)."""
        self._check(words, pictures, frames)
        states = self.read_words(self.embed(words))[0]  # (B, L, lstm)
        length = (words != PADDING).sum(dim=1)  # (B,)
        last = (length - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[2])
        text = states.gather(1, last)[:, 0] * (length > 0)[:, None]  # (B, lstm)
        x = pictures.permute(0, 3, 1, 2).float() / 255  # (B, 3, S, S)
        for convolution in self.look:
            x = functional.relu(functional.max_pool2d(convolution(x), 2))  # half as high and wide; ReLU may come first
        sound = self.hear(frames)[0][:, -1]  # (B, lstm)
        return text, x.mean(dim=(2, 3)), sound

    def features(self, words: Tensor, pictures: Tensor, frames: Tensor) -> Tensor:
        """Return g, what the model makes of B clips, shape (B, dense)."""
        joined = torch.cat(self.branches(words, pictures, frames), dim=1)  # (B, lstm + channels[-1] + lstm)
        return functional.relu(self.dense(joined))

    def forward(self, words: Tensor, pictures: Tensor, frames: Tensor) -> Tensor:
        """Return the log-odds of a click on B clips, shape (B,).

        Parameters
        ----------
        words : int64 tensor, shape (B, L)
            Token ids, padding at the end.
        pictures : uint8 tensor, shape (B, S, S, 3)
        frames : float32 tensor, shape (B, F, C)
            MFCC, standardised.

        Raises
        ------
        ValueError
            If a shape is not that of the configuration, an id is not in the vocabulary, or padding stands
            before a word.
        """
        logit: Tensor = self.output(self.features(words, pictures, frames))[:, 0]  # (B,)
        return logit

    def _draw_weights(self) -> None:
        """Draw the first weights by Keras's rules."""
        nn.init.normal_(self.embed.weight, std=0.1)
        with torch.no_grad():
            self.embed.weight[PADDING] = 0
        for layer in (*self.look, self.dense, self.output):
            assert isinstance(layer, (nn.Conv2d, nn.Linear))
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        for lstm in (self.read_words, self.hear):
            H = lstm.hidden_size
            W, U, first, second = lstm.all_weights[0]
            nn.init.xavier_uniform_(W)
            nn.init.orthogonal_(U)
            nn.init.zeros_(first)
            nn.init.zeros_(second)
            with torch.no_grad():
                first[H : 2 * H] = 1  # the forget gate starts open
            second.requires_grad_(False)

    def _check(self, words: Tensor, pictures: Tensor, frames: Tensor) -> None:
        c = self.config
        wanted = {
            "words": (words, (c.tokens,)),
            "pictures": (pictures, (c.picture, c.picture, 3)),
            "frames": (frames, (c.frames, c.coefficients)),
        }
        for name, (tensor, shape) in wanted.items():
            if tuple(tensor.shape) != (len(words), *shape):
                told = ", ".join(map(str, shape))
                raise ValueError(f"{name} must have shape ({len(words)}, {told}), not {tuple(tensor.shape)}.")
        if words.numel() and not 0 <= int(words.min()) <= int(words.max()) < c.vocabulary:
            raise ValueError(f"token ids must lie between 0 and {c.vocabulary - 1}; use the vocabulary of the arrays.")
        if ((words[:, :-1] == PADDING) & (words[:, 1:] != PADDING)).any():
            raise ValueError("padding (token id 0) must stand at the end of a text, not before a word.")
