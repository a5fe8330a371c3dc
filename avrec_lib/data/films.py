"""From a MovieLens file of films to a table of ids, titles, years and genres.

Twenty years of MovieLens have left three formats, two encodings and some traps: a colon in a
title beside `::` as the separator, stray quotation marks, "(no genres listed)" in the place of a
genre. `read_movielens_items` knows them; the first line of a file tells its format.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pandas as pd

from avrec_lib.data.readers import Pathlike, existing, read_table, refuse_line_breaks

NO_GENRE = ("", "(no genres listed)", "unknown")
FLAGS = [  # in the order of the 19 genre flags that end a line of u.item
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]


def read_movielens_items(path: Pathlike) -> pd.DataFrame:
    """Read a file of films: `u.item`, `movies.dat`, `movies.csv`, or tab-separated id, title, genres.

    UTF-8, and where the bytes are not UTF-8, Latin-1.

    Returns
    -------
    DataFrame with the columns item_id (text), title (as in the file), year (Int64, missing where
    the title names none) and genres (a list of text, in the order of the file, empty for
    "(no genres listed)", "unknown" and "")

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is a folder or empty, its first line fits none of the formats, a line has the wrong
        number of fields, or an id comes twice.
    """
    return parse_items(existing(path).read_bytes(), str(path))


def parse_items(data: bytes, source: str) -> pd.DataFrame:
    """Read MovieLens films from the bytes of a file; `source` names it in errors."""
    text = decode(data)
    first = text.split("\n", 1)[0]
    if first.replace('"', "").startswith("movieId,"):
        films = _films_of_csv(text, source)
    elif re.match(r"[^:|\t]+::", first):
        films = _films_of_dat(text, source)
    elif "\t" in first:
        films = [(i, title, genres.split("|")) for i, title, genres in split_fields(text, "\t", 3, source)]
    elif "|" in first:
        lines = split_fields(text, "|", 5 + len(FLAGS), source)  # id, title, two dates, address, flags
        films = [(f[0], f[1], [g for g, flag in zip(FLAGS, f[5:], strict=True) if flag == "1"]) for f in lines]
    else:
        raise ValueError(
            f"{source} is not a MovieLens file of films: its first line is {first[:60]!r}, where u.item has '|', "
            "movies.dat '::', and movies.csv the header movieId,title,genres."
        )
    if not films:
        raise ValueError(f"{source} has 0 rows; at least one film is needed.")
    ids, titles, genres = zip(*films, strict=True)
    table = pd.DataFrame({"item_id": ids, "title": titles})
    table["year"] = pd.array([split_title(title)[1] for title in titles], dtype="Int64")
    table["genres"] = [[g for g in names if g.strip() not in NO_GENRE] for names in genres]
    again = table["item_id"].duplicated()
    if again.any():
        raise ValueError(f"{source}: film {table['item_id'][again].iloc[0]!r} comes twice; keep one of its lines.")
    return table


def split_title(title: str) -> tuple[str, int | None]:
    """Split "Toy Story (1995)" into the name and the year, which is None where there is none.

    Of a range of years the first counts, and a mark after the year, such as "(V)" for video, is
    dropped.
    """
    match = re.fullmatch(r"(.*?)\s*\((\d{4})(?:\s*[-–]\s*(?:\d{4})?)?\)\s*(?:\([A-Z]{1,3}\)\s*)?", title)
    return (match[1], int(match[2])) if match else (title.strip(), None)


def split_fields(text: str, separator: str, n: int, source: str) -> list[list[str]]:
    """Split every line into exactly n fields; a quotation mark is a character like any other."""
    rows = []
    for number, line in _lines(text):
        fields = line.split(separator)
        if len(fields) != n:
            raise ValueError(f"{source}, line {number}: {len(fields)} fields between {separator!r} where {n} belong.")
        rows.append(fields)
    return rows


def decode(data: bytes) -> str:
    """Return the text of a file that is UTF-8, with or without a byte order mark, or else Latin-1."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _films_of_csv(text: str, source: str) -> list[tuple[str, str, list[str]]]:
    columns = ["movieId", "title", "genres"]
    table = read_table(io.BytesIO(text.encode()), source, ",", text=columns)
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise ValueError(f"{source} has no column {', '.join(map(repr, missing))}; it has {list(table.columns)}.")
    refuse_line_breaks(table["title"], source)
    return [(i, title, genres.split("|")) for i, title, genres in table[columns].itertuples(index=False)]


def _films_of_dat(text: str, source: str) -> list[tuple[str, str, list[str]]]:
    films = []
    for number, line in _lines(text):
        fields = re.fullmatch(r"(.+?)::(.*)::(.*)", line)  # the title is all from the first "::" to the last
        if fields is None:
            raise ValueError(f"{source}, line {number}: expected id::title::genres, found {line[:60]!r}.")
        films.append((fields[1], fields[2], fields[3].split("|")))
    return films


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Return the lines that are not blank, numbered from 1, without their ends.

    `str.splitlines` would also cut at characters (U+0085, say) that a title may hold.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")
