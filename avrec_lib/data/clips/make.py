"""Make the tables of `data/clips/` anew: `python -m avrec_lib.data.clips.make`.

The committed tables are what this program writes with the default `World`; a test compares them.
Covers and sounds are not among them: `media` makes those on first use.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.data.clips.comments import write_comments, write_searches
from avrec_lib.data.clips.events import clean_events, soil
from avrec_lib.data.clips.log import draw_clips, draw_impressions, draw_viewers
from avrec_lib.data.clips.words import alt_texts, write_texts
from avrec_lib.data.clips.world import TYPES, Tastes, World, draw_attributes, draw_tastes, preference

SHARE_COMMENTING = 0.08  # of the clicks
SHARE_SEARCHING = 0.15  # of the sessions


def make_tables(world: World = World()) -> dict[str, pd.DataFrame]:  # noqa: B008 (frozen)
    """Return all tables by name: clips, viewers, impressions, comments, events, and three of the truth."""
    attributes, tastes = draw_attributes(world), draw_tastes(world)
    facts, viewers = draw_clips(world), draw_viewers(world)
    impressions = draw_impressions(world, tastes, attributes, facts, viewers)
    item_ids = np.array([f"c{number:04d}" for number in range(world.n_clips)])
    user_ids = np.array([f"v{number:04d}" for number in range(world.n_viewers)])

    texts = write_texts(attributes["topic"].to_numpy(), world.rng("words"))
    shape, colour, count = (attributes[name].to_numpy() for name in ("shape", "colour", "count"))
    alts = alt_texts(shape, colour, count, world.rng("alts"))
    clips = pd.concat([pd.Series(item_ids, name="item_id"), texts.drop(columns="subject"), alts, facts], axis=1)
    subjects = texts["subject"].to_numpy()
    comments = _comments(world, tastes, attributes, subjects, impressions, viewers)
    searches = _searches(world, tastes, impressions, viewers)
    events, faults = soil(clean_events(impressions, viewers, item_ids, user_ids, comments, searches), world)
    return {
        "clips": clips,
        "viewers": pd.concat([pd.Series(user_ids, name="user_id"), viewers[["language", "device"]]], axis=1),
        "impressions": impressions,
        "comments": comments,
        "events": events,
        "truth_clips": attributes.assign(subject=subjects),
        "truth_viewers": _flat(tastes),
        "truth_events": faults,
    }


def write_tables(folder: Path, world: World = World()) -> None:  # noqa: B008
    """Write all tables as Parquet files into a folder, each under a temporary name first."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in make_tables(world).items():
        part = folder / f"{name}.parquet.part"
        table.to_parquet(part, compression="zstd", compression_level=9, index=False)
        part.replace(folder / f"{name}.parquet")


def _comments(
    world: World,
    tastes: Tastes,
    attributes: pd.DataFrame,
    subjects: NDArray[np.object_],
    impressions: pd.DataFrame,
    viewers: pd.DataFrame,
) -> pd.DataFrame:
    """Let some who clicked say something: kinder, the more they like the clip; in their own language."""
    rng = world.rng("comments")
    rows = np.flatnonzero(impressions["click"] & (rng.random(len(impressions)) < SHARE_COMMENTING))
    said = impressions.iloc[rows]
    user, item = said["user"].to_numpy(), said["item"].to_numpy()
    p = preference(world, tastes, attributes, user, item)
    mood = rng.random(len(rows))
    sentiment = np.where(mood < 0.2, 0, np.where(rng.random(len(rows)) < p, 1, -1))
    topic, language = attributes["topic"].to_numpy()[item], viewers["language"].to_numpy()[user].astype(str)
    written = write_comments(rng, topic, sentiment, language, subjects[item])
    second = np.floor(rng.random(len(rows)) * said["watch_seconds"].to_numpy()).astype(np.int16)
    head = pd.DataFrame({"impression": rows, "user": user, "item": item, "second": second})
    return pd.concat([head, written], axis=1)


def _searches(world: World, tastes: Tastes, impressions: pd.DataFrame, viewers: pd.DataFrame) -> pd.DataFrame:
    """Let some sessions begin with a search for a topic that the viewer likes."""
    rng = world.rng("searches")
    firsts = np.flatnonzero(impressions["position"] == 1)
    rows = firsts[rng.random(len(firsts)) < SHARE_SEARCHING]
    user = impressions["user"].to_numpy()[rows]
    topic = np.argmax(tastes.topic[user] + rng.gumbel(size=(len(rows), tastes.topic.shape[1])), axis=1)
    written = write_searches(rng, topic, viewers["language"].to_numpy()[user].astype(str))
    return pd.concat([pd.DataFrame({"impression": rows}), written], axis=1)


def _flat(tastes: Tastes) -> pd.DataFrame:
    """Return the tastes as a table, a row a viewer."""
    columns: dict[str, object] = {"kind": tastes.kind, "kind_name": np.array(list(TYPES))[tastes.kind]}
    for part in ("topic", "look", "sound"):
        columns |= {f"{part}_{j}": column for j, column in enumerate(getattr(tastes, part).T)}
    return pd.DataFrame(columns)


if __name__ == "__main__":
    write_tables(Path(sys.argv[1] if len(sys.argv) > 1 else "data/clips"))
