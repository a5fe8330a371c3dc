"""The book's own dataset: 2,000 clips with words, covers and sounds, 1,000 viewers, and a month of their log.

It is synthetic, so that what cannot be known of real data is known here: why each viewer likes
each clip, which sense tells it, how the log is biased, what is wrong with which row, and the best
score that any model could reach. The tables are in `data/clips/`; the program that made them is
beside this file: `world` (tastes), `words`, `comments`, `covers`, `sounds`, `log`, `events`
(dirt), `make` (all of it), `limits` (the Bayes limit). The data card is `data/cards/clips.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data.assets import cache_folder
from avrec_lib.data.clips.limits import Limit, bayes_auc, bayes_ndcg, expected_auc
from avrec_lib.data.clips.log import looks
from avrec_lib.data.clips.media import covers, sounds
from avrec_lib.data.clips.world import TOPICS, Tastes, World, preference
from avrec_lib.data.interactions import Interactions

__all__ = ["RATE", "TOPICS", "Clips", "Limit", "Truth", "bayes_auc", "bayes_ndcg", "expected_auc", "load_clips"]

RATE = 16_000  # samples of a sound in a second
TABLES = ("clips", "viewers", "impressions", "comments", "events", "truth_clips", "truth_viewers", "truth_events")
FOLDER = Path(__file__).parents[3] / "data" / "clips"


@dataclass(frozen=True, eq=False)
class Truth:
    """What no real log tells.

    Attributes
    ----------
    items : DataFrame
        Row i is clip i: topic (index into TOPICS), look_warm, look_busy, sound_pace, sound_bright
        (all in [-1, 1]), rising, shape, colour, count, subject.
    viewers : DataFrame
        Row u is viewer u: kind, kind_name, topic_0.., look_0.., sound_0.. (the tastes).
    events : DataFrame
        Row r is row r of `Clips.events`: fault ("" where the row is right), and the true
        timestamp, watch_seconds, device and user_id.
    world : World
        The sizes and strengths it was all made with.
    """

    items: pd.DataFrame
    viewers: pd.DataFrame
    events: pd.DataFrame
    world: World


@dataclass(frozen=True, eq=False)
class Clips:
    """Clips, viewers and what happened between them, in one numbering.

    Attributes
    ----------
    items : DataFrame
        Row i is clip i: item_id, title_en, title_zh, description_en, description_zh, tags_en,
        tags_zh, alt_en, alt_zh (what the cover shows), creator, uploaded_at (s), seconds.
    viewers : DataFrame
        Row u is viewer u: user_id, language ("en", "zh"), device.
    impressions : DataFrame
        What was shown, in order of time and without any dirt: user, item, session, position
        (1..10), timestamp (s), random (was the session filled at random?), click,
        watch_seconds, like.
    comments : DataFrame
        impression (row of `impressions`), user, item, second, text, language, sentiment, kind.
    events : DataFrame
        The log as it was stored, with all its faults.
    truth : Truth
        What no real log tells.
    """

    items: pd.DataFrame
    viewers: pd.DataFrame
    impressions: pd.DataFrame
    comments: pd.DataFrame
    events: pd.DataFrame
    truth: Truth

    def covers(self) -> NDArray[np.uint8]:
        """Return all covers, shape (n_items, 64, 64, 3), drawn on first use and then read from the cache."""
        return covers(self.truth.items)

    def sounds(self) -> NDArray[np.int16]:
        """Return all sounds, shape (n_items, 32000), 2 s at `RATE`: played on first use, then read from the cache."""
        return sounds(self.truth.items)

    def preference(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return the true probability that viewers who look at clips click on them; indices that broadcast."""
        u, i = np.asarray(users), np.asarray(items)
        for name, index, n in (("viewer", u, len(self.viewers)), ("clip", i, len(self.items))):
            if index.size and (index.min() < 0 or index.max() >= n):
                raise ValueError(f"{name}s are numbered 0..{n - 1}; there is no {index.min()} or no {index.max()}.")
        return preference(self.truth.world, self._tastes(), self.truth.items, u, i)

    def click_probability(self) -> NDArray[np.float64]:
        """Return the true P(click) of each row of `impressions`: looked at its position, and liked."""
        table = self.impressions
        liked = self.preference(table["user"], table["item"])
        return looks(self.truth.world, table["position"].to_numpy()) * liked

    def cold(self, share: float = 0.2, seed: int = 0) -> NDArray[np.bool_]:
        """Return which clips play the new ones, drawn at random: a model that is tested on them may know none of them.

        Parameters
        ----------
        share : float
            Of all clips, between 0 and 1.

        Returns
        -------
        bool array, shape (n_items,)
        """
        if not 0 < share < 1:
            raise ValueError(f"share must be between 0 and 1, not {share}.")
        drawn = np.zeros(len(self.items), dtype=bool)
        drawn[np.random.default_rng(seed).choice(len(drawn), round(share * len(drawn)), replace=False)] = True
        return drawn

    def interactions(self, *, likes: bool = False) -> Interactions:
        """Return the clicks (or the likes) as Interactions with value 1 and a vocabulary of all viewers and clips."""
        chosen = self.impressions[self.impressions["like" if likes else "click"]]
        return Interactions(
            users=chosen["user"].to_numpy(np.int32),
            items=chosen["item"].to_numpy(np.int32),
            values=np.ones(len(chosen), dtype=np.float32),
            timestamps=chosen["timestamp"].to_numpy(np.int64),
            user_ids=self.viewers["user_id"].to_numpy(str),
            item_ids=self.items["item_id"].to_numpy(str),
        )

    def _tastes(self) -> Tastes:
        table = self.truth.viewers
        parts = (table.filter(regex=rf"^{part}_\d").to_numpy(np.float64) for part in ("topic", "look", "sound"))
        return Tastes(table["kind"].to_numpy(), *parts)


@lru_cache(maxsize=1)
def load_clips() -> Clips:
    """Load the tables: from `data/clips/` of the repository, or, without it, made once into the cache.

    Raises
    ------
    FileNotFoundError
        If the folder is there and a table is missing.
    """
    folder = FOLDER
    if not folder.exists():  # the library was installed without the book
        folder = cache_folder() / "clips" / "tables"
        if not all((folder / f"{name}.parquet").exists() for name in TABLES):
            from avrec_lib.data.clips.make import write_tables

            write_tables(folder)
    tables = {}
    for name in TABLES:
        path = folder / f"{name}.parquet"
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing; make the tables anew: python -m avrec_lib.data.clips.make")
        tables[name] = pd.read_parquet(path)
    truth = Truth(tables["truth_clips"], tables["truth_viewers"], tables["truth_events"], World())
    items, viewers, impressions, comments, events = (tables[name] for name in TABLES[:5])
    return Clips(items, viewers, impressions, comments, events, truth)
