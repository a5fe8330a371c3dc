"""A small service with known viewers: what lists do to viewers, films and the next model. Page 1.3.

Nothing here is data. Every rule below is an assumption, stated in `World`, and the results hold
for it and not for any real service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.data import Interactions
from avrec_lib.recommenders.base import Recommender, top_k

Floats = NDArray[np.float64]
Policy = Callable[["Log", np.random.Generator], Floats]


@dataclass(frozen=True)
class World:
    """The assumptions.

    Parameters
    ----------
    n_viewers, n_films : int
    n_tastes : int
        Viewers and films are points θ_u and φ_i in a space of this many dimensions, standard normal.
    taste_weight, quality_weight : float
        w and g. Appeal of film i to viewer u, a log-odds: β + w · θ_u·φ_i / √n_tastes + g · z_i, with z_i standard
        normal, the same for everybody.
    base : float
        β, the log-odds of watching an average film that is looked at.
    list_length : int
        How many films a visit offers.
    patience : float
        Chance of looking at the next place of the list after the one before: place j (from 0) is looked at
        with probability patience^j.
    loyal, disappointed : float
        Chance of coming back for the next round after a visit with and without a watched film. A viewer who
        stays away may come back in any later round with the chance `disappointed`.
    seed : int
        Seed of the viewers and films (not of what happens).
    """

    n_viewers: int = 400
    n_films: int = 300
    n_tastes: int = 6
    taste_weight: float = 2.0
    quality_weight: float = 0.7
    base: float = -3.0
    list_length: int = 10
    patience: float = 0.85
    loyal: float = 0.95
    disappointed: float = 0.6
    seed: int = 0

    def appeal(self) -> Floats:
        """Return the probability that a viewer watches a film they look at, shape (n_viewers, n_films)."""
        rng = np.random.default_rng(self.seed)
        viewers = rng.normal(size=(self.n_viewers, self.n_tastes))
        films = rng.normal(size=(self.n_films, self.n_tastes))
        quality = rng.normal(size=self.n_films)
        taste = viewers @ films.T / np.sqrt(self.n_tastes)  # (n_viewers, n_films)
        probability: Floats = 1 / (1 + np.exp(-(self.base + self.taste_weight * taste + self.quality_weight * quality)))
        return probability


@dataclass
class Log:
    """What the service knows: how often each viewer watched each film, and how often it was shown to them."""

    watched: Floats
    shown: Floats

    def table(self) -> Interactions | None:
        """Return the watched films as the table that recommenders take, or None while it is empty."""
        viewers, films = np.nonzero(self.watched)
        if len(viewers) == 0:
            return None
        n_viewers, n_films = self.watched.shape
        return Interactions(
            users=viewers.astype(np.int32),
            items=films.astype(np.int32),
            values=np.ones(len(viewers), dtype=np.float32),
            timestamps=None,
            user_ids=np.arange(n_viewers).astype(str),
            item_ids=np.arange(n_films).astype(str),
        )


def at_random(log: Log, rng: np.random.Generator) -> Floats:
    """Score every film by lot."""
    return rng.random(log.watched.shape)


def most_watched(log: Log, rng: np.random.Generator) -> Floats:
    """Score a film by how often anybody watched it, the same for all viewers; ties by lot."""
    counts = log.watched.sum(axis=0) + rng.random(log.watched.shape[1]) / 2
    return np.broadcast_to(counts, log.watched.shape)


def learnt(make: Callable[[], Recommender]) -> Policy:
    """Return the policy that fits a recommender to the log before every round; by lot while the log is empty."""

    def policy(log: Log, rng: np.random.Generator) -> Floats:
        table = log.table()
        if table is None:
            return at_random(log, rng)
        scores = make().fit(table).score(np.arange(table.n_users)).astype(np.float64)
        return scores + 1e-9 * rng.random(scores.shape)  # ties by lot, not by film number

    return policy


def exploring(policy: Policy, places: float) -> Policy:
    """Return a policy that puts films drawn by lot first, on average `places` of them, then another one's list."""

    def mixed(log: Log, rng: np.random.Generator) -> Floats:
        scores = policy(log, rng)  # (n_viewers, n_films)
        drawn = rng.random(scores.shape) < places / scores.shape[1]
        above = scores.max() + (1 + np.ptp(scores)) * (1 + rng.random(scores.shape))  # beyond every score of the policy
        return np.where(drawn, above, scores)

    return mixed


def simulate(world: World, policy: Policy, n_rounds: int = 30, seed: int = 0) -> tuple[pd.DataFrame, Log]:
    """Let the viewers meet the lists of one policy, round after round, and return what happened.

    Films that a viewer has watched are not offered to them again.

    Returns
    -------
    (rounds, log) : the log at the end, and a DataFrame with a row a round and the columns
        round, visits (viewers who came), watched (films watched a visit), share_back (of the visitors, who come
        to the next round), gini (of how often each film has been watched so far, see `gini`), reached (share of
        the films watched at least once).
    """
    appeal = world.appeal()
    rng = np.random.default_rng(seed)
    log = Log(np.zeros_like(appeal), np.zeros_like(appeal))
    present = np.ones(world.n_viewers, dtype=bool)
    looks = world.patience ** np.arange(world.list_length)  # (list_length,)
    rows = []
    for number in range(1, n_rounds + 1):
        scores = np.where(log.watched > 0, -np.inf, policy(log, rng))  # (n_viewers, n_films)
        visitors = np.flatnonzero(present)
        luck = rng.random((world.n_viewers, world.list_length))
        stops = rng.random(world.n_viewers)
        lists = top_k(scores[visitors], world.list_length) if len(visitors) else []
        lengths = np.array([len(offered) for offered in lists], dtype=np.int64)
        viewers = np.repeat(visitors, lengths)  # (n_offers,), a row an offered film
        films = np.concatenate([np.empty(0, dtype=np.int64), *lists])  # (n_offers,)
        place = np.arange(len(films)) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # (n_offers,), from 0
        looked = stops[viewers] < looks[place]
        chosen = looked & (luck[viewers, place] < appeal[viewers, films])
        log.shown[viewers[looked], films[looked]] += 1  # a list names a film once, so no pair comes twice
        log.watched[viewers[chosen], films[chosen]] += 1
        watched = np.bincount(viewers[chosen], minlength=world.n_viewers)  # (n_viewers,)
        back = np.where(present & (watched > 0), world.loyal, world.disappointed)
        visits = int(present.sum())
        returning = rng.random(world.n_viewers) < back
        rows.append(
            {
                "round": number,
                "visits": visits,
                "watched": watched.sum() / max(visits, 1),
                "share_back": float(returning[present].mean()) if visits else np.nan,
                "gini": gini(log.watched.sum(axis=0)),
                "reached": float((log.watched.sum(axis=0) > 0).mean()),
            }
        )
        present = returning
    return pd.DataFrame(rows), log


def gini(amounts: Floats) -> float:
    r"""Return the Gini coefficient of non-negative amounts: 0 if all are equal, near 1 if one has all.

    .. math::

       G = \frac{\sum_{j=1}^{n} (2j - n - 1)\, a_{(j)}}{n \sum_j a_j}

    with a_(1) ≤ … ≤ a_(n) the sorted amounts: half the mean absolute difference of two of them,
    over the mean. NaN when there is nothing to share.
    """
    a = np.sort(np.asarray(amounts, dtype=np.float64))
    n = len(a)
    if n == 0 or a[0] < 0 or not np.isfinite(a).all():
        raise ValueError("gini needs at least one amount, all of them finite and not negative.")
    total = a.sum()
    return float((2 * np.arange(1, n + 1) - n - 1) @ a / (n * total)) if total > 0 else float("nan")
