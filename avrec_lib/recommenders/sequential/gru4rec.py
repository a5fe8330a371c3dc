"""GRU4Rec: a recurrent network reads the items one by one and keeps what it needs of them in a state."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from avrec_lib.recommenders.sequential.network import SequenceNetwork
from avrec_lib.recommenders.sequential.neural import NeuralSequential


class GRU4Rec(NeuralSequential):
    """Score the next item from the state of a gated recurrent unit.

    z_t = σ(W_z e_t + U_z h_{t−1}),   r_t = σ(W_r e_t + U_r h_{t−1})
    c_t = tanh(W e_t + r_t ⊙ U h_{t−1}),   h_t = (1 − z_t) ⊙ c_t + z_t ⊙ h_{t−1}
    s_tj = ⟨e_j, h_t⟩ + b_j

    with biases in each line; z_t decides how much of the state stays, r_t how much of it the
    candidate c_t may read. The paper writes z and 1 − z the other way round; this is torch's way, as is
    its place of r_t, outside the product. Source: Hidasi et al. (2016), section 3. The paper trains on
    sessions side by side with a ranking loss; here every position of every window is a question, and
    the loss is the full cross-entropy, as for the other models of this folder.

    Parameters
    ----------
    d, T, dropout, epochs, lr and the others : see `NeuralSequential`
    n_layers : int
        Units on top of each other.
    """

    def __init__(
        self,
        d: int = 64,
        T: int = 50,
        *,
        n_layers: int = 1,
        dropout: float = 0.3,
        epochs: int = 15,
        lr: float = 3e-3,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(d, T, dropout=dropout, epochs=epochs, lr=lr, **settings)
        if n_layers < 1:
            raise ValueError(f"n_layers must be at least 1, not {n_layers}.")
        self.n_layers = n_layers

    def _network(self, n_users: int, n_items: int) -> GRUNetwork:
        return GRUNetwork(n_items, self.d, self.n_layers, self.dropout)


class GRUNetwork(SequenceNetwork):
    """`torch.nn.GRU` over the item vectors, dropout on the way in and out."""

    def __init__(self, n_items: int, d: int, n_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__(n_items, d)
        self.gru = nn.GRU(d, d, n_layers, batch_first=True, dropout=dropout if n_layers > 1 else 0.0)
        self.drop = nn.Dropout(dropout)

    def forward(self, windows: Tensor, users: Tensor) -> Tensor:
        """Return the states h_t, shape (B, T, d)."""
        states: Tensor = self.gru(self.drop(self.items(windows)))[0]  # (B, T, d)
        dropped: Tensor = self.drop(states)
        return dropped
