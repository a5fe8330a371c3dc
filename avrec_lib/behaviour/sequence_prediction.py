"""Will this clip be clicked? A network that reads the viewer's past visits one by one and then meets the clip.

Page 4.2.4. The features of `click_features` were thought out by hand. Here a GRU or a causal Transformer makes its own
out of the raw history: what was shown, where, when, and whether it was clicked. The clips of a visit are
chosen together, before any of them is seen; so a visit is read as one step, and a clip of visit s is judged by what
the visits before s have left in the reader. `sequence_training` fits it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from avrec_lib.nn.attention_torch import TransformerBlock, causal_mask

Reader = Literal["gru", "transformer"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
COLUMNS = ("user", "item", "session", "position", "click", "timestamp")
HOUR = 3600


class Histories(NamedTuple):
    """Rows of a log in order of viewer, visit and position, n of them, of m viewers.

    Attributes
    ----------
    rows : int64 array, shape (n,)
        Where each row stands in the log.
    items, positions : int64 tensors, shape (n,)
    clicks, gaps : float32 tensors, shape (n,)
        0 or 1; log(1 + hours since the viewer's visit before began), 0 in the first.
    visits : int64 tensor, shape (n,)
        Which of its viewer's visits the row belongs to, from 0.
    begins : int64 array, shape (n,)
        When that visit began, in seconds.
    first : int64 array, shape (m + 1,)
        Viewer number k, in order of `user`, has the rows from first[k] to first[k + 1].
    """

    rows: Ints
    items: Tensor
    positions: Tensor
    clicks: Tensor
    gaps: Tensor
    visits: Tensor
    begins: Ints
    first: Ints


def read_histories(impressions: pd.DataFrame, n_items: int) -> Histories:
    """Put a log into the order in which it is read.

    Parameters
    ----------
    impressions : DataFrame
        user, item (indices), session, position (from 1), timestamp (s), click (0 and 1, or booleans).
    n_items : int

    Raises
    ------
    ValueError
        If a column is missing, there is no row, an item or a position does not exist, a click is neither 0 nor 1, a
        session has two viewers, or a visit begins before the viewer's last one is over: then nobody
        can say what was known when it began.
    """
    missing = [name for name in COLUMNS if name not in impressions]
    if missing:
        raise ValueError(f"the log lacks the columns {missing}; it needs {', '.join(COLUMNS)}.")
    if not len(impressions):
        raise ValueError("the log has no rows; give at least one impression.")
    if not np.isfinite(impressions[list(COLUMNS)].to_numpy(np.float64)).all():
        raise ValueError("the log has a gap or an infinite number; leave such rows out.")
    user, item, session, position = (impressions[name].to_numpy(np.int64) for name in COLUMNS[:4])
    click = impressions["click"].to_numpy(np.float32)
    if item.min() < 0 or item.max() >= n_items:
        raise ValueError(f"items are numbered 0..{n_items - 1}; there is no {item.min()} or no {item.max()}.")
    if position.min() < 1:
        raise ValueError(f"positions are counted from 1, not from {position.min()}.")
    if not np.isin(click, (0, 1)).all():
        raise ValueError("click must hold 0 and 1 only: was it clicked or not.")
    by_session = impressions.groupby("session")
    begin, end = (by_session["timestamp"].transform(name).to_numpy(np.int64) for name in ("min", "max"))
    if (by_session["user"].transform("min").to_numpy() != user).any():
        raise ValueError("a session has two viewers; number the sessions of all viewers in one row.")
    rows = np.lexsort((position, session, begin, user))
    user, session, begin, end = user[rows], session[rows], begin[rows], end[rows]
    same_user = np.append(False, user[1:] == user[:-1])  # (n,) as the row above
    new_visit = np.append(True, session[1:] != session[:-1])
    again = np.flatnonzero(new_visit & same_user)  # rows that open a visit which is not the viewer's first
    if (begin[again] <= end[again - 1]).any():
        raise ValueError("a visit begins before the viewer's last one is over; join visits that overlap.")
    first = np.append(np.flatnonzero(~same_user), len(rows))
    number = np.cumsum(new_visit) - 1  # (n,) of the visit, over all viewers
    visits = number - np.repeat(number[first[:-1]], np.diff(first))
    gap_of_visit = np.zeros(number[-1] + 1)
    gap_of_visit[number[again]] = np.log1p((begin[again] - begin[again - 1]) / HOUR)
    gap = gap_of_visit[number].astype(np.float32)
    items, positions, clicks, gaps, numbers = (
        torch.from_numpy(array) for array in (item[rows], position[rows], click[rows], gap, visits)
    )
    return Histories(rows, items, positions, clicks, gaps, numbers, begin, first)


class NextClick(nn.Module):
    """P(click) of each row, given the visits of its viewer before.

    With x the standardised content of a clip, y its click, ȳ_r the usual click at position r, g the gap:

        z_e = W_z [x_e; (y_e - ȳ_r) x_e; y_e; log r_e; g_e] + b_z            one impression
        m_s = mean of z_e over the impressions e of visit s                   one step
        h_s = reader(m_1, …, m_s),    h_0 the same for all                    what is known after visit s
        v = (W_u h_{s-1} + b_u) ⊙ (W_x x + b_x)
        P(click) = sigmoid(Σ_j v_j + w · ReLU(W_c [x; v; log r; g; new] + b_c) + b),    for a clip of visit s

    Parameters
    ----------
    d, n_positions : int
        Numbers that describe a clip; positions with a usual click of their own, those beyond share the last.
    reader : {"gru", "transformer"}
        *gru*: `torch.nn.GRU`, whose equations are `avrec_lib.nn.recurrent.gru_step`; h_0 = 0. *transformer*: one causal
        `TransformerBlock` of two heads after a first element that is learnt; nothing marks the places, so of time it
        knows the gaps alone.
    width : int
        Length of z, m, h and v; even.
    dropout : float
        Share of m that is hidden in training.

    References
    ----------
    Hidasi et al., Session-based Recommendations with Recurrent Neural Networks, ICLR 2016 (a GRU along clicks);
    Cho et al., EMNLP 2014 (the GRU); Vaswani et al., NeurIPS 2017 (the block).
    """

    mu: Tensor
    sigma: Tensor
    usual: Tensor

    def __init__(self, d: int, n_positions: int, reader: Reader = "gru", width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        if reader not in get_args(Reader):
            raise ValueError(f"unknown reader {reader!r}; there are {', '.join(get_args(Reader))}.")
        if d < 1 or n_positions < 1 or width < 2 or width % 2:
            raise ValueError(f"d, n_positions and an even width must be positive, not {d}, {n_positions}, {width}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {dropout}.")
        self.reader = reader
        self.register_buffer("mu", torch.zeros(d))
        self.register_buffer("sigma", torch.ones(d))
        self.register_buffer("usual", torch.full((n_positions + 1,), 0.5))
        self.event = nn.Linear(2 * d + 3, width)  # W_z, b_z
        self.drop = nn.Dropout(dropout)
        if reader == "gru":
            self.gru = nn.GRU(width, width, batch_first=True)
        else:
            self.start = nn.Parameter(torch.zeros(width))
            self.block = TransformerBlock(width, 2, 2 * width, norm_first=True)
        self.wants, self.has = nn.Linear(width, width), nn.Linear(d, width)  # W_u, W_x
        self.rest = nn.Sequential(nn.Linear(d + width + 3, width), nn.ReLU(), nn.Linear(width, 1))

    def read(self, M: Tensor) -> Tensor:
        """Turn the steps of B viewers, (B, T, width), into what was known before each: h_0, …, h_{T-1}, same shape."""
        if self.reader == "gru":
            states: Tensor = self.gru(M)[0]  # (B, T, width) after each step
            return functional.pad(states[:, :-1], (0, 0, 1, 0))
        past = torch.cat([self.start.expand(len(M), 1, -1), M[:, :-1]], dim=1)  # (B, T, width)
        known: Tensor = self.block(past, causal_mask(M.shape[1]))
        return known

    def forward(self, X: Tensor, histories: Histories, viewers: ArrayLike | None = None) -> tuple[Tensor, Tensor]:
        """Return the logits of all rows of some viewers, and which rows of `histories` these are; shapes (n,).

        X is the content of all clips, float32 (n_items, d); `viewers` numbers from 0, all unless given.
        """
        log = histories
        chosen = np.arange(len(log.first) - 1) if viewers is None else np.asarray(viewers, dtype=np.int64)
        sizes = log.first[chosen + 1] - log.first[chosen]  # (B,)
        of = np.repeat(np.arange(len(chosen)), sizes)  # (n,) number of the viewer in this batch
        rows = torch.from_numpy(np.arange(len(of)) - np.repeat(np.cumsum(sizes) - sizes - log.first[chosen], sizes))
        y, visit, gap = log.clicks[rows], log.visits[rows], log.gaps[rows][:, None]  # gap (n, 1)
        r = log.positions[rows]
        T = int(visit.max()) + 1
        slot = torch.from_numpy(of) * T + visit  # (n,)
        x = (X[log.items[rows]] - self.mu) / self.sigma  # (n, d)
        surprise = (y - self.usual[r.clamp(max=len(self.usual) - 1)])[:, None]  # (n, 1)
        place = r.float().log()[:, None]  # (n, 1)
        z = self.event(torch.cat([x, surprise * x, y[:, None], place, gap], dim=1))  # (n, width)
        n_of = torch.bincount(slot, minlength=len(chosen) * T).clamp(min=1)[:, None]  # (B T, 1)
        M = z.new_zeros(len(n_of), z.shape[1]).index_add(0, slot, z) / n_of  # (B T, width)
        h = self.read(self.drop(M).unflatten(0, (-1, T))).flatten(0, 1)[slot]  # (n, width)
        v = self.wants(h) * self.has(x)  # (n, width)
        new = (visit == 0).float()[:, None]  # (n, 1)
        bent = self.rest(torch.cat([x, v, place, gap, new], dim=1)).squeeze(1)  # (n,)
        return v.sum(dim=1) + bent, rows


def content_tensor(X: ArrayLike) -> Tensor:
    """Return the content of all clips as a float32 tensor, (n_items, d), or say what is wrong with it."""
    content = np.ascontiguousarray(X, dtype=np.float32)
    if content.ndim != 2 or 0 in content.shape:
        raise ValueError(f"X must have a row for each clip and a column or more, not the shape {content.shape}.")
    if not np.isfinite(content).all():
        raise ValueError("X is NaN or infinite somewhere; fill gaps before, with avrec_lib.content.blocks.join.")
    return torch.from_numpy(content)
