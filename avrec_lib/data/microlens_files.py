"""The files of a MicroLens folder, read line by line: pairs, titles, counts, categories, and where the media lie.

What the files are called and hold is in the data card, `data/cards/microlens.md`; `microlens` puts them together.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from avrec_lib.data.readers import existing

Kind = Literal["cover", "audio", "video"]
SUFFIXES: dict[Kind, tuple[str, ...]] = {  # of two files of one item, the kind that stands first here counts
    "cover": (".jpg", ".jpeg", ".png", ".webp"),
    "audio": (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg"),
    "video": (".mp4", ".mkv", ".webm", ".mov", ".avi", ".flv"),
}
PAIRS = ("MicroLens-50k_pairs.csv", "MicroLens-100k_pairs.csv", "MicroLens-1M_pairs.csv")
TITLES = ("title_en.csv", "titles_en.csv", "titles.csv", "title.csv")
TEXT = r'\s*"?(\d+)"?\s*,\s*(.*?)\s*'  # behind the first comma; one published file quotes titles with commas, one not
NUMBERS = r"\s*(\d+)[,\s]+(\d+)[,\s]+(\d+)\s*"
COUNTS = ("likes_and_views.txt", "likes_and_views.tsv", "likes_and_views.csv")
CATEGORIES = "tags_to_summary.csv"
COLUMNS = ("user_id", "item_id", "timestamp")
MEANING = dict.fromkeys(("user", "userid", "user_id"), "user_id")
MEANING |= dict.fromkeys(("item", "itemid", "item_id", "video", "videoid", "video_id"), "item_id")
MEANING |= {"timestamp": "timestamp"}
MILLISECONDS = 1e11  # from here on a time is in ms: in seconds it would be the year 5138, in ms it is 1973
LATEST = 1e14  # that year in ms


def find_pairs(root: Path) -> tuple[Path, str]:
    """Return the file of interactions, the .csv rather than the .tsv, and what its name begins with."""
    found = _pairs_in(root)
    if not found:
        below = [p.name for p in sorted(root.iterdir()) if p.is_dir() and _pairs_in(p)]
        names = sorted(p.name for p in root.iterdir())
        holds = ", ".join(names[:5]) + (" …" if len(names) > 5 else "") if names else "nothing"
        raise FileNotFoundError(
            f"{root} has none of {', '.join(PAIRS)}, nor any other name that ends in _pairs.csv or _pairs.tsv; "
            f"it holds {holds}. "
            + (f"Name its folder {below[0]!r} instead." if below else "data/cards/microlens.md says how to fetch them.")
        )
    starts = {prefix.lower() for _, prefix in found}
    if len(starts) > 1:
        raise ValueError(f"{root} holds {' and '.join(p.name for p, _ in found)}; give each size a folder of its own.")
    return found[0]


def _pairs_in(folder: Path) -> list[tuple[Path, str]]:
    paths = sorted(path for path in folder.iterdir() if path.is_file())  # ".csv" comes before ".tsv"
    matches = [(path, re.fullmatch(r"((?:[^.].*_)?)pairs\.[ct]sv", path.name, re.IGNORECASE)) for path in paths]
    return [(path, match[1]) for path, match in matches if match]


def read_pairs(path: Path) -> pd.DataFrame:
    """Read user, item and time in seconds; ids as categories: each is kept once, however often it comes."""
    first = next(_lines(path))[1]
    names = [MEANING.get(name.strip(' "').lower(), name) for name in first.split(",")]
    has_header = not set(COLUMNS).isdisjoint(names)
    if not has_header and len(names) == 3:
        names = list(COLUMNS)
    if any(names.count(name) != 1 for name in COLUMNS):
        raise ValueError(
            f"{path} begins with {first[:60]!r}, where the header user,item,timestamp or a row of these three belongs."
        )

    def is_good(line: str) -> bool:
        try:
            row = next(csv.reader([line], strict=True))
            user, item, time = (row[names.index(name)].strip() if len(row) == len(names) else "" for name in COLUMNS)
        except csv.Error:  # a quotation mark that is never closed
            return False
        return bool(user and item and re.fullmatch(r"\d+(\.\d*)?", time, re.ASCII) and float(time) < LATEST)

    table = _Table(path, names, has_header, is_good, f"{len(names)} fields with a user, an item and a time in s or ms")
    ids = pa.dictionary(pa.int32(), pa.string())
    rows = table.read(",", {"user_id": ids, "item_id": ids, "timestamp": pa.float64()})
    t = rows["timestamp"].to_numpy()
    labels = [name for column in COLUMNS[:2] for name in rows[column].cat.categories]
    if not np.all((t >= 0) & (t < LATEST)) or any(not name.strip() or "\n" in name for name in labels):
        table.refuse("a value is missing or out of range")
    if any(name != name.strip() for name in labels):
        rows = rows.assign(**{name: rows[name].astype(str).str.strip() for name in COLUMNS[:2]})
    rows["timestamp"] = np.floor(np.where(t >= MILLISECONDS, t / 1000, t)).astype(np.int64)
    return rows


def read_sequences(path: Path) -> pd.DataFrame:
    """Read `user, tab, item item item …` into a row an item; its time is the place in the sequence, from 0 on."""
    table = _Table(
        path,
        ["user", "items"],
        next(_lines(path))[1].lower().partition("\t")[0] in MEANING,
        lambda line: all(map(str.strip, line.partition("\t")[::2])) and line.count("\t") == 1,
        "a user, a tab, and items with spaces between",
    )
    rows = table.read("\t", {"user": pa.string(), "items": pa.string()})
    lists = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(pa.array(rows["items"])))
    n = pc.list_value_length(lists).to_numpy(zero_copy_only=False)  # (users,)
    starts = np.repeat(np.cumsum(n) - n, n)  # (rows,)
    items = lists.flatten().dictionary_encode().to_pandas()
    if (n == 0).any() or not rows["user"].str.strip().all() or (items == "").any():
        table.refuse("a user or an item is missing")
    users = rows["user"].str.strip().repeat(n).reset_index(drop=True)
    return pd.DataFrame({"user_id": users, "item_id": items, "timestamp": np.arange(len(items)) - starts})


@dataclass(frozen=True)
class _Table:
    """A large table, read by Arrow at once; only when that fails, line by line, to name the bad one."""

    path: Path
    names: Sequence[str]
    has_header: bool
    is_good: Callable[[str], bool]
    expected: str

    def read(self, separator: str, kinds: Mapping[str, object]) -> pd.DataFrame:
        try:
            table = arrow_csv.read_csv(
                self.path,
                arrow_csv.ReadOptions(column_names=self.names, skip_rows=int(self.has_header)),
                arrow_csv.ParseOptions(delimiter=separator, quote_char=False if separator == "\t" else '"'),
                arrow_csv.ConvertOptions(column_types=kinds, include_columns=list(kinds), null_values=[]),
            )
        except pa.ArrowInvalid as error:
            self.refuse(str(error))
        rows: pd.DataFrame = table.unify_dictionaries().to_pandas()
        return rows

    def refuse(self, why: str) -> NoReturn:
        lines = list(_lines(self.path))[int(self.has_header) :]
        for number, line in lines:
            if line.strip() and not self.is_good(line):
                raise ValueError(
                    f"{self.path}, line {number}: expected {self.expected}, found {line[:60]!r}; mend or delete it."
                )
        raise ValueError(f"{self.path} {'cannot be read: ' + why if lines else 'has 0 rows'}; fetch it again.")


def read_by_item(path: Path | None, pattern: str, expected: str) -> dict[str, list[str]]:
    """Read lines of an item and something about it, by item; no file, no lines.

    A text that opens a quotation goes on in the next line, unless that fits the pattern as well: then it was a
    stray mark, and swallows nothing.
    """
    found: dict[str, list[str]] = {}
    last = ""
    for number, line in () if path is None else _lines(path):
        match = re.fullmatch(pattern, line)
        if match:
            last, *values = match.groups()
            if last in found:
                raise ValueError(f"{path}, line {number}: item {last!r} comes twice; keep one of its lines.")
            found[last] = values
        elif last and found[last][0].startswith('"') and found[last][0].count('"') % 2:
            found[last][0] += f" {line.strip()}"
        elif line.strip() and not (number == 1 and re.split(r"[,\s]", line)[0].strip('"').lower() in MEANING):
            raise ValueError(f"{path}, line {number}: expected {expected}, found {line[:60]!r}; mend or delete it.")
    return found


def unquoted(text: str) -> str:
    """Take off the quotation marks around a whole text and halve doubled ones in it; elsewhere they are characters."""
    whole = re.fullmatch(r'"((?:[^"]|"")*)"\s*', text)
    return (whole[1].replace('""', '"') if whole else text).strip()


def find_media(root: Path) -> dict[Kind, dict[str, str]]:
    """Return the files in folders called …covers, …audio(s), …videos (or …videos_Part_1), by kind and item."""
    media: dict[Kind, dict[str, str]] = {kind: {} for kind in SUFFIXES}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        match = re.fullmatch(r"(?:[^.].*_)?(cover|audio|video)s?(?:_part_?\d+)?", folder.name, re.IGNORECASE)
        if match:
            kind = cast("Kind", match[1].lower())
            order = {suffix: n for n, suffix in enumerate(SUFFIXES[kind])}
            found = [path for path in folder.rglob("*") if path.suffix.lower() in order and path.stat().st_size]
            for path in sorted(found, key=lambda path: (order[path.suffix.lower()], path)):
                media[kind].setdefault(path.stem, str(path.relative_to(root)))
    return media


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Return the lines without their ends, numbered from 1; only line feeds end one, as a title may hold U+2028."""
    with existing(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}, line {number}: no UTF-8 ({error.reason}); save the file as UTF-8."
                ) from error
