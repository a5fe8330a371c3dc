"""A network that reads a sequence and answers a yes-or-no question about it: one block, in PyTorch.

Page 6.2.5. It is there to watch attention at work. Two switches take away what attention is made
of and leave everything else alike: the places of the tokens, and the freedom to weight them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.nn.attention_torch import TransformerBlock, sinusoidal_positions


class Answerer(nn.Module):
    """Read T vectors with one Transformer block; answer from what stands at the last one.

    h = Block(X W_in + b_in + PE),  ŷ = LN(h_T) w + b     (pre-norm block; sigmoid(ŷ) = P(yes))

    Parameters
    ----------
    n_features : int
        Length of each input vector.
    d_model, n_heads : int
    positions : bool
        Whether PE, the sinusoidal positions, is added.
    weighted : bool
        False holds W_Q at zero: then every score is 0, every weight 1/T, and attention is a plain mean.
    seed : int
        Of the first weights. The global random state is left as it was.
    """

    def __init__(
        self,
        n_features: int,
        d_model: int = 32,
        n_heads: int = 1,
        *,
        positions: bool = True,
        weighted: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Linear(n_features, d_model)
            self.block = TransformerBlock(d_model, n_heads)
            self.norm, self.answer = nn.LayerNorm(d_model), nn.Linear(d_model, 1)
        self.positions = positions
        if not weighted:
            for parameter in self.block.attention.Q.parameters():
                nn.init.zeros_(parameter)
                parameter.requires_grad = False

    def forward(self, X: Tensor) -> Tensor:
        """Return the logit of "yes" for each sequence: X (B, T, n_features) gives (B,)."""
        read = self.block(self._tokens(X))  # (B, T, d_model)
        logit: Tensor = self.answer(self.norm(read[:, -1])).squeeze(-1)  # (B,)
        return logit

    @torch.no_grad()
    def says_yes(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Return the answers, shape (B,): True where yes is likelier than no."""
        yes: NDArray[np.bool_] = (self(torch.as_tensor(X)) > 0).numpy()  # (B,)
        return yes

    @torch.no_grad()
    def weights(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return how much the last position takes from each, shape (B, h, T). Rows sum to 1."""
        normed = self.block.norm_1(self._tokens(torch.as_tensor(X)))  # (B, T, d_model)
        weights = self.block.attention(normed, return_weights=True)[1]  # (B, h, T, T)
        last: NDArray[np.float32] = weights[:, :, -1].numpy()  # (B, h, T)
        return last

    def _tokens(self, X: Tensor) -> Tensor:
        E: Tensor = self.embed(X)  # (B, T, d_model)
        return E + sinusoidal_positions(*E.shape[-2:]) if self.positions else E


def fit_answerer(
    answerer: Answerer,
    X: ArrayLike,
    yes: ArrayLike,
    *,
    n_steps: int = 400,
    batch_size: int = 128,
    lr: float = 5e-3,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Train an answerer by cross-entropy with Adam, and return the loss of every step, shape (n_steps,).

    Each step takes `batch_size` random sequences; the learning rate rises to `lr` and falls again
    (a one-cycle schedule).

    Parameters
    ----------
    X : float32 array, shape (n, T, n_features)
    yes : bool array, shape (n,)

    Raises
    ------
    ValueError
        If there is not one answer for each sequence.
    """
    inputs, targets = torch.as_tensor(X), torch.as_tensor(yes, dtype=torch.float32)
    if inputs.ndim != 3 or len(inputs) == 0 or targets.shape != inputs.shape[:1]:
        raise ValueError(
            f"there must be one answer for each sequence (n, T, n_features), not X {tuple(inputs.shape)} "
            f"and answers {tuple(targets.shape)}."
        )
    learned = [parameter for parameter in answerer.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(learned, lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=n_steps)
    rng = torch.Generator().manual_seed(seed)
    losses = np.empty(n_steps, dtype=np.float32)
    for step in range(n_steps):
        batch = torch.randint(len(inputs), (batch_size,), generator=rng)
        loss = functional.binary_cross_entropy_with_logits(answerer(inputs[batch]), targets[batch])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        losses[step] = loss.item()
    return losses
