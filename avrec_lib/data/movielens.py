"""MovieLens 100K: the real ratings that every chapter can lean on.

943 people rated 1,682 films 100,000 times, from September 1997 to April 1998 (Harper and Konstan,
"The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015). Its terms forbid passing it
on, so it is fetched (`avrec_lib.data.assets`); the data card is `data/cards/movielens-100k.md`.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avrec_lib.data.assets import fetch
from avrec_lib.data.films import decode, parse_items, split_fields, split_title
from avrec_lib.data.interactions import Interactions
from avrec_lib.data.readers import parse_ratings

MISSPELT = "unkonwn"  # codespell:ignore unkonwn (the packaged copy's title of item 267)
USER_COLUMNS = ["user_id", "age", "gender", "occupation", "zip_code"]


@dataclass(frozen=True, eq=False)
class MovieLens:
    """Ratings, films and people, in one numbering.

    Parameters
    ----------
    interactions : Interactions
        Ratings 1 to 5, in the order of the file (which the official folds are cut from).
    items : DataFrame
        Row i is item i of `interactions`: item_id, title (without the year), year (Int64, one is
        missing), genres (a sorted list of text, empty for the two films marked "unknown").
    users : DataFrame
        Row u is user u: user_id, age (in years), gender ("F" or "M"), occupation, zip_code (text).
    """

    interactions: Interactions
    items: pd.DataFrame
    users: pd.DataFrame

    @property
    def genre_names(self) -> tuple[str, ...]:
        """Return the genres that occur, sorted: the meaning of the columns of `genre_matrix`."""
        return tuple(sorted({genre for genres in self.items["genres"] for genre in genres}))

    def genre_matrix(self) -> NDArray[np.float32]:
        """Return 1 where a film has a genre and 0 elsewhere, float32, shape (n_items, n_genres)."""
        column = {name: j for j, name in enumerate(self.genre_names)}
        matrix = np.zeros((len(self.items), len(column)), dtype=np.float32)
        for i, genres in enumerate(self.items["genres"]):
            matrix[i, [column[genre] for genre in genres]] = 1
        return matrix


@lru_cache(maxsize=1)
def movielens_100k() -> MovieLens:
    """Return MovieLens 100K, fetched on first use; later calls give the same object, so don't write into it.

    The official zip and the packaged copy give equal tables.

    Raises
    ------
    AssetError
        If it is not in the cache and cannot be fetched.
    """
    return read_100k(fetch("movielens-100k"))


def read_100k(folder: Path) -> MovieLens:
    """Read MovieLens 100K from a folder that holds the official ml-100k.zip, or ml-100k.inter, .item and .user."""
    archive = folder / "ml-100k.zip"
    return _official(archive) if archive.exists() else _packaged(folder)


def _official(archive: Path) -> MovieLens:
    with zipfile.ZipFile(archive) as z:
        ratings, items, users = (z.read(f"ml-100k/{name}") for name in ("u.data", "u.item", "u.user"))
    return _assemble(
        parse_ratings(ratings, f"{archive}: u.data"),
        parse_items(items, f"{archive}: u.item"),
        split_fields(decode(users), "|", len(USER_COLUMNS), f"{archive}: u.user"),
    )


def _packaged(folder: Path) -> MovieLens:
    """Read the three tab-separated tables; their first line names the columns and types.

    The copy splits the title from the year at the last bracket, also in "… (1995) (V)", so the
    two are joined again and then treated like the official title.
    """
    (_, ratings), (_, items), (_, users) = (
        (folder / f"ml-100k.{kind}").read_bytes().split(b"\n", 1) for kind in ("inter", "item", "user")
    )
    films = pd.DataFrame(
        [
            (item, "unknown" if title == MISSPELT else f"{title} ({year})", genres.split(" "))
            for item, title, year, genres in split_fields(decode(items), "\t", 4, f"{folder}: ml-100k.item")
        ],
        columns=["item_id", "title", "genres"],
    )
    return _assemble(
        parse_ratings(ratings, f"{folder}: ml-100k.inter"),
        films,
        split_fields(decode(users), "\t", len(USER_COLUMNS), f"{folder}: ml-100k.user"),
    )


def _assemble(ratings: Interactions, films: pd.DataFrame, people: list[list[str]]) -> MovieLens:
    """Put films and people into the order of the ratings' vocabularies."""
    split = [split_title(title) for title in films["title"]]
    items = pd.DataFrame(
        {
            "item_id": films["item_id"],
            "title": [name for name, _ in split],
            "year": pd.array([year for _, year in split], dtype="Int64"),
            "genres": [sorted(set(genres) - {"unknown"}) for genres in films["genres"]],
        }
    )
    users = pd.DataFrame(people, columns=USER_COLUMNS).astype({"age": np.int64})
    return MovieLens(
        interactions=ratings,
        items=items.set_index("item_id").loc[ratings.item_ids.tolist()].reset_index(),
        users=users.set_index("user_id").loc[ratings.user_ids.tolist()].reset_index(),
    )
