"""A viewer comes, a list goes out: one search in an index, and for each clip of the list why it is there.

Page 7.2. Everything is read from `ServingTables`. A viewer's vector is looked up, the items with the largest inner
products are found by FAISS, what they have seen is left out, and the few that remain are scored exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, softmax

from avrec_lib.multimodal.catalogue import Catalogue, Ints
from avrec_lib.multimodal.serving_tables import Floats, ServingTables
from avrec_lib.recommenders.similarity import cosine_similarity
from avrec_lib.recommenders.two_tower.retrieval import ItemIndex, Kind

__all__ = ["Recommendation", "Service", "ServingTables"]


class Recommendation(NamedTuple):
    """One clip of a list.

    Parameters
    ----------
    item_id : str
    score : float
        ⟨a_u, b_i⟩, to rank by: the log-odds of a click by somebody who looks, or, of tastes, their mean.
    chance : float
        Of a click by somebody who looks: σ(score), or, of tastes, Bayes' Σ_k p_uk σ(s_ik). The two agree where it is
        clear who somebody is; of a stranger the mean of log-odds would promise too much.
    senses : dict of str to float
        How much lower the score would be without that sense. They need not sum to anything.
    because : str or None
        The clip they clicked whose vector has the largest cosine with this one's; None without one above 0.
    """

    item_id: str
    score: float
    chance: float
    senses: dict[str, float]
    because: str | None


class Service:
    """Recommend from tables, and go on from there: new clicks, new viewers, new clips.

    What happens after the tables were made is kept in memory only. A service that is started again has forgotten it,
    unless the tables were made again from the log. Lists can be asked for from several threads at once; what changes
    something wants a thread of its own.

    Parameters
    ----------
    tables : ServingTables
    kind : {"flat", "ivf", "hnsw"} or ItemIndex
        How to search. A flat index finds exactly what brute force would; the others may miss some items and are faster
        for many. An index that was made or loaded before must be of `tables.items`, and grows with `add`.

    Raises
    ------
    ImportError
        Without FAISS.
    ValueError
        If the kind is unknown, or an index is of other items.
    """

    def __init__(self, tables: ServingTables, kind: Kind | ItemIndex = "flat") -> None:
        self.tables = tables
        self._clips = Catalogue(tables, kind)
        self._item_ids, self._user_ids = list(tables.item_ids), list(tables.user_ids)
        self._item = {name: i for i, name in enumerate(self._item_ids)}
        self._user = {name: u for u, name in enumerate(self._user_ids)}
        self._clicked: defaultdict[int, list[int]] = defaultdict(list)  # since the tables were made
        self._seen: defaultdict[int, list[int]] = defaultdict(list)
        self._heard: dict[int, NDArray[np.float64]] = {}  # what these say for each taste
        self._vectors: dict[int, Floats] = {}

    @classmethod
    def load(cls, folder: str | Path, kind: Kind | ItemIndex = "flat") -> Self:
        """Serve from a folder that `ServingTables.save` wrote."""
        return cls(ServingTables.load(folder), kind)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._item_ids)

    def recommend(
        self, user_id: str | None, k: int = 10, *, exclude: Iterable[str] = (), reasons: bool = True
    ) -> list[Recommendation]:
        """Return the k clips that the viewer is most likely to click among those they have not seen, best first.

        The list is shorter than k only if fewer clips are left. Equal scores go to the clip that is earlier in the
        tables. With a flat index the list is that of brute force.

        Parameters
        ----------
        user_id : str or None
            None is a stranger.
        k : int
            At least 1.
        exclude : iterable of str
            Ids of clips to leave out besides those they have seen.
        reasons : bool
            Without them `senses` is empty and `because` None.

        Raises
        ------
        ValueError
            If an id is unknown, or k is no whole number of at least 1.
        """
        if not isinstance(k, int | np.integer) or k < 1:
            raise ValueError(f"k must be a whole number of at least 1, not {k}.")
        u = None if user_id is None else self._user_index(user_id)
        clicked, out = self._history(u)
        out = np.union1d(out, [self._item_index(item) for item in exclude]).astype(np.int64)
        q = self._vector(u)
        best, scores = self._clips.best(q, int(k), out)
        if not len(best):
            return []
        lost: list[dict[str, float]] = [{} for _ in best]
        because: list[str | None] = [None] * len(best)
        if reasons:
            hidden = self._clips.rows("without", best) @ q.astype(np.float64)  # (S, k)
            lost = [dict(zip(self.tables.senses, told, strict=True)) for told in (scores - hidden).T.tolist()]
            because = self._most_alike(best, clicked)
        ids, chances = [self._item_ids[i] for i in best], expit(scores.astype(np.float64))
        if self.tables.prior is not None:
            chances = expit(self._clips.rows("items", best).astype(np.float64)) @ q
        columns = zip(ids, scores.tolist(), chances.tolist(), lost, because, strict=True)
        return [Recommendation(*row) for row in columns]

    def observe(self, user_id: str, item_id: str, clicked: bool, position: int | None = None) -> None:
        """Take note that a clip was shown, and whether it was clicked: it counts in the next list.

        With a mixture of tastes ℓ_uk grows by log (e σ(s_ik)) for a click, by log (1 − e σ(s_ik)) for none, and the
        viewer's vector becomes softmax(log π + ℓ_u); see `Tastes`. Here e is the chance that the place is looked at,
        1 for the first one, or if none is told. Other user towers are networks: there the vector stays until the tables
        are made again, and only what is left out and the reasons change.

        Parameters
        ----------
        user_id, item_id : str
        clicked : bool
        position : int, optional
            Its place in the list, 1 for the first.

        Raises
        ------
        ValueError
            If an id or the position is unknown. A stranger gets an id with `add_user`.
        """
        u, i = self._user_index(user_id), self._item_index(item_id)
        e = self._looked(position)
        self._seen[u].append(i)
        if clicked:
            self._clicked[u].append(i)
        if self.tables.prior is None or self.tables.evidence is None:
            return
        s = self._clips.rows("items", np.array([i]))[0].astype(np.float64)  # (K,)
        before = self._heard.get(u)
        if before is None:
            known = u < len(self.tables.evidence)
            before = self.tables.evidence[u].astype(np.float64) if known else np.zeros(len(s))
        self._heard[u] = before + _evidence(s, clicked, e)
        self._vectors[u] = softmax(np.log(self.tables.prior) + self._heard[u]).astype(np.float32)

    def add_user(self, user_id: str) -> None:
        """Make somebody known who begins as a stranger. Raises ValueError if the id is taken."""
        if not isinstance(user_id, str) or user_id in self._user:
            raise ValueError(f"user id {user_id!r} is known already, or no string; name another.")
        self._vectors[len(self._user_ids)] = np.asarray(self.tables.users[-1])
        self._user[user_id] = len(self._user_ids)
        self._user_ids.append(user_id)

    def add(self, item_id: str, item_vector: ArrayLike, g: ArrayLike, without: ArrayLike) -> None:
        """Make a new clip recommendable at once.

        It is added to the index as it is, which costs one copy of its vector (flat), the search of its cell (ivf: the
        cells stay those of the old clips) or of its neighbours (hnsw: milliseconds). Nothing is built again.

        Parameters
        ----------
        item_vector, g : array_like, shapes (D,) and (d,)
        without : array_like, shape (S, D)
            The vector with each sense hidden; for a sense that the clip lacks, the vector itself.

        Raises
        ------
        ValueError
            If the id is taken, or a vector has another length or is not finite.
        """
        if not isinstance(item_id, str) or item_id in self._item:
            raise ValueError(f"item id {item_id!r} is known already, or no string; name another.")
        item, own, hidden = (np.array(array, dtype=np.float32) for array in (item_vector, g, without))
        self._clips.add(item, own, hidden)
        self._item[item_id] = len(self._item_ids)
        self._item_ids.append(item_id)

    def _most_alike(self, items: Ints, clicked: Ints) -> list[str | None]:
        if not len(clicked):
            return [None] * len(items)
        cosines = cosine_similarity(self._clips.rows("g", items), self._clips.rows("g", clicked))  # (k, clicks)
        nearest = cosines.argmax(axis=1)
        return [self._item_ids[clicked[j]] if row[j] > 0 else None for row, j in zip(cosines, nearest, strict=True)]

    def _history(self, u: int | None) -> tuple[Ints, Ints]:
        """Return what they clicked, and all that they saw or clicked, each once."""
        if u is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        parts = {"clicked": self._clicked.get(u, []), "seen": self._seen.get(u, [])}
        told = []
        for name, new in parts.items():
            table = getattr(self.tables, name)
            known = table is not None and u < table.shape[0]
            old = table.indices[table.indptr[u] : table.indptr[u + 1]] if known else []
            told.append(np.union1d(old, new).astype(np.int64))
        return told[0], np.union1d(*told)

    def _vector(self, u: int | None) -> Floats:
        if u is None:
            return np.asarray(self.tables.users[-1])
        return self._vectors[u] if u in self._vectors else np.asarray(self.tables.users[u])

    def _looked(self, position: int | None) -> float:
        if position is None:
            return 1.0
        if self.tables.looked is None:
            raise ValueError("these tables know nothing of places; leave position out, or give them looked.")
        if position < 1:
            raise ValueError(f"the first place of a list is 1, so position cannot be {position}.")
        return float(self.tables.looked[min(position, len(self.tables.looked)) - 1])

    def _user_index(self, user_id: str) -> int:
        if user_id not in self._user:
            raise ValueError(f"no user has the id {user_id!r}; a stranger is None, and add_user makes one known.")
        return self._user[user_id]

    def _item_index(self, item_id: str) -> int:
        if item_id not in self._item:
            raise ValueError(f"no clip has the id {item_id!r}; add makes a new one known.")
        return self._item[item_id]


def _evidence(s: NDArray[np.float64], clicked: bool, e: float) -> NDArray[np.float64]:
    """Return log(e σ(s)) of a click, log(1 − e σ(s)) of none; no s gives an infinite one."""
    if clicked:
        said = np.log(e) + log_expit(s)
    elif e < 1:
        said = np.log1p(-e * expit(s))
    else:
        said = log_expit(-s)
    return np.asarray(said, dtype=np.float64)
