"""One way of training and asking for every network of sequences; a model only says what its network is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from avrec_lib.data import Interactions
from avrec_lib.device import device
from avrec_lib.nn.training import Epoch, Training, seeded, train
from avrec_lib.recommenders.base import Recommender, check_index
from avrec_lib.recommenders.popularity import item_counts
from avrec_lib.recommenders.sequential.losses import Loss, full_softmax, sampled_cross_entropy, sampled_softmax
from avrec_lib.recommenders.sequential.negatives import NegativeSampler
from avrec_lib.recommenders.sequential.network import SequenceNetwork
from avrec_lib.recommenders.sequential.sequences import Histories, histories, last_windows, training_windows
from avrec_lib.recommenders.sequential.validation import last_states, ndcg_of_last


class NeuralSequential(Recommender):
    """Base of the networks: learn what comes next at every position of every history, score what comes next now.

    Each history is cut into windows (`training_windows`); at each position the network has seen the
    items up to there and is asked for the next. A user's scores come from the window of the last T items.

    Without `patience` the network learns from the whole table for `epochs` passes. With it, the last item of
    each user is cut from the training table first and NDCG@10 on it says when to stop; then, with `refit`,
    a fresh network learns from the whole table for as many passes as were best.

    Cold user: the number of training rows of each item; so does everybody if no user has two items. Cold
    item: known as a wrong answer only, so its score is low. A table without timestamps is refused. A pair
    that comes twice is two events of the history.

    Parameters
    ----------
    d : int
        Length of the item vectors.
    T : int
        How many items back the network sees, at most.
    dropout : float
        Share of coordinates hidden in training.
    loss : {"softmax", "sampled", "sampled_softmax"}
        `losses.full_softmax`; `losses.sampled_cross_entropy`, each position with its own negatives that
        the user has not met; `losses.sampled_softmax`, with negatives of the whole catalogue shared by a batch.
    smoothing : float
        Label smoothing of the full softmax.
    n_negatives, negative_power : int, float
        Draws, and the exponent of popularity in drawing (`NegativeSampler`), of the sampled losses.
    epochs, batch, lr, weight_decay, patience : see `avrec_lib.nn.training.Training`
        A row of a batch is a window. With a `patience`, `epochs` is the most there may be.
    refit : bool
        Whether, after early stopping, to learn again from everything.
    seed : int
        Of the weights, the order of the windows, dropout and negatives.
    checkpoint : Path, optional
        A file that training goes on from after a kill, see `avrec_lib.nn.training.train`. The refit has its own
        beside it, with ".refit" before the suffix.
    on : str, optional
        Where to compute ("cpu", "cuda"); by default where `avrec_lib.device.device` says.

    Attributes
    ----------
    network : SequenceNetwork
        None if no user has two items.
    history, refit_history : list of Epoch
        Loss and validation of each epoch; of the refit.

    Raises
    ------
    ValueError
        If a setting is out of its range; from `fit`, also if the table has no timestamps.
    """

    network: SequenceNetwork | None
    history: list[Epoch]
    refit_history: list[Epoch]
    _states: NDArray[np.float32]  # (n_users, d_out): all that scoring needs of a user
    _outputs: NDArray[np.float32]  # (n_items, d_out)
    _bias: NDArray[np.float32]  # (n_items,)

    def __init__(
        self,
        d: int = 64,
        T: int = 50,
        *,
        dropout: float = 0.3,
        loss: Loss = "softmax",
        smoothing: float = 0.0,
        n_negatives: int = 1,
        negative_power: float = 0.0,
        epochs: int = 10,
        batch: int = 16,
        lr: float = 3e-3,
        weight_decay: float = 0.0,
        patience: int | None = None,
        refit: bool = True,
        seed: int = 0,
        checkpoint: Path | None = None,
        on: str | None = None,
    ) -> None:
        if min(d, T, n_negatives) < 1:
            raise ValueError("d, T and n_negatives must be at least 1.")
        if loss not in get_args(Loss):
            raise ValueError(f"unknown loss {loss!r}; there are {', '.join(get_args(Loss))}.")
        if not (0 <= dropout < 1 and 0 <= smoothing < 1):
            raise ValueError("dropout and smoothing must be in [0, 1).")
        self.how = Training(epochs, batch, lr, weight_decay, patience=patience)
        NegativeSampler([1], negative_power)  # refuses a bad power now, not after the data is read
        self.d, self.T, self.dropout, self.loss, self.smoothing = d, T, dropout, loss, smoothing
        self.n_negatives, self.negative_power, self.refit, self.seed = n_negatives, negative_power, refit, seed
        self.checkpoint, self.on = checkpoint, on

    @abstractmethod
    def _network(self, n_users: int, n_items: int) -> SequenceNetwork:
        """Make the network, its weights drawn from torch's random numbers."""

    def _fit(self, train: Interactions) -> None:
        past = histories(train)
        self._counts = item_counts(train)
        self.network, self.history, self.refit_history = None, [], []
        how = self.how
        known, users, targets = past.without_last()
        if how.patience is not None and (known.lengths >= 2).any():
            self._learn(known, how, (users, targets), self.checkpoint)
            best = 1 + max(range(len(self.history)), key=lambda epoch: self.history[epoch].validation)
            how = Training(best, how.batch, how.lr, how.weight_decay)
            if self.refit:
                path = self.checkpoint
                self._learn(past, how, None, path and path.with_name(f"{path.stem}.refit{path.suffix}"))
        elif (past.lengths >= 2).any():
            self._learn(past, Training(how.epochs, how.batch, how.lr, how.weight_decay), None, self.checkpoint)
        self._past = past
        if self.network is not None:
            everybody = np.arange(past.n_users)
            with torch.no_grad():
                self._states = last_states(self.network, last_windows(past, everybody, self.T), everybody).cpu().numpy()
                self._outputs = self.network.outputs().cpu().numpy().copy()
                self._bias = self.network.bias.cpu().numpy().copy()

    def _learn(
        self,
        past: Histories,
        how: Training,
        held_out: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
        path: Path | None,
    ) -> None:
        """Train a fresh network on these histories, and keep it and its story."""
        where = device() if self.on is None else torch.device(self.on)
        counts = np.bincount(past.items, minlength=past.n_items)
        with seeded(self.seed):
            network = self._network(past.n_users, past.n_items)
            with torch.no_grad():  # start from popularity: the network need not learn it
                network.bias.copy_(torch.from_numpy(np.log((counts + 1) / (counts + 1).mean())))
            network.to(where)
        windows, owners = map(torch.from_numpy, training_windows(past, self.T))  # (W, T + 1), (W,)
        met = past if self.loss == "sampled" else None
        sampler = NegativeSampler(counts, self.negative_power, met) if self.loss != "softmax" else None

        def loss_of(rows: Tensor) -> Tensor:
            window, owner = windows[rows], owners[rows]  # (B, T + 1), (B,)
            inputs, targets = window[:, :-1], window[:, 1:]
            asked = targets != past.n_items  # (B, T)
            H = network(inputs.to(where), owner.to(where))[asked.to(where)]  # (N, d_out)
            whose = owner[:, None].expand_as(targets)[asked]  # (N,)
            return self._loss(network, H, targets[asked], whose, sampler)

        validate = None if held_out is None else ndcg_of_last(network, past, *held_out, self.T, k=10)
        of = {"model": type(self).__name__, "settings": self._settings(), "data": past.digest()}
        name = type(self).__name__ + (", refit" if self.history else "")
        story = train(
            network, loss_of, len(windows), how, seed=self.seed, validate=validate, checkpoint=path, of=of, name=name
        )
        self.history, self.refit_history = (self.history, story) if self.history else (story, [])
        self.network = network

    def _loss(
        self, network: SequenceNetwork, H: Tensor, targets: Tensor, users: Tensor, sampler: NegativeSampler | None
    ) -> Tensor:
        W, bias, wanted = network.outputs(), network.bias, targets.to(H.device)
        if sampler is None:
            return full_softmax(H, wanted, W, bias, smoothing=self.smoothing)
        if self.loss == "sampled":
            negatives, _ = sampler.draw(users, self.n_negatives)  # (N, n)
            return sampled_cross_entropy(H, wanted, negatives.to(H.device), W, bias)
        negatives, log_q = (part.to(H.device) for part in sampler.draw(users[:1], self.n_negatives))  # (1, n)
        return sampled_softmax(H, wanted, negatives, log_q, W, bias)

    def _settings(self) -> dict[str, Any]:
        """Return what the result depends on, for the checkpoint; `Training` and the seed are told by the loop."""
        told = {name: value for name, value in vars(self).items() if isinstance(value, int | float | str)}
        return {name: value for name, value in told.items() if name not in ("on", "refit", "seed", "name")}

    def _score(self, users: NDArray[np.int64]) -> NDArray[np.floating]:
        if self.network is None:
            return np.tile(self._counts, (len(users), 1))
        return self._products(self._states[users], self._past.lengths[users])

    def score_after(self, sequences: Sequence[ArrayLike], users: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return the scores of all items after other histories than those of training, shape (B, n_items).

        What a service needs: a user's newest items count at once, without another fit.

        Parameters
        ----------
        sequences : sequence of B int arrays
            Item indices, oldest first; an empty one is a cold user.
        users : int array, shape (B,), optional
            Whose they are, for a model that has a vector for each user (`Caser`); by default strangers'.

        Raises
        ------
        NotFittedError, IndexError, TypeError
            As `score`, for items as for users.
        """
        n_items = self.train.n_items
        arrays = (np.atleast_1d(np.asarray(sequence)) for sequence in sequences)
        items = [check_index(array if array.size else array.astype(np.int64), n_items, "item") for array in arrays]
        starts = np.concatenate([[0], np.cumsum([len(s) for s in items], dtype=np.int64)]).astype(np.int64)
        past = Histories(np.concatenate([np.empty(0, np.int64), *items]), starts, n_items)
        stranger = self.train.n_users
        index = np.full(len(items), stranger) if users is None else check_index(users, stranger, "user")
        if len(index) != len(items):
            raise ValueError(f"users must name one user for each of the {len(items)} sequences, not {len(index)}.")
        if self.network is None:
            return np.tile(self._counts, (len(items), 1))
        with torch.no_grad():
            states = last_states(self.network, last_windows(past, np.arange(len(items)), self.T), index)
        return self._products(states.cpu().numpy(), past.lengths).astype(np.float32)

    def _products(self, states: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return ⟨w_j, h⟩ + b_j, shape (B, n_items), in double precision; the counts where there is no history.

        A product in single precision depends, in its last digits, on how many rows it is asked for.
        """
        scores: NDArray[np.float64] = states.astype(np.float64) @ self._outputs.T.astype(np.float64) + self._bias
        scores[lengths == 0] = self._counts
        return scores
