"""From a file to `Interactions`: CSV, Parquet, and the rating files of MovieLens.

Ids are read as text, so "007" stays "007". Quotation marks have a meaning in comma-separated
files only. A file that is missing, empty, of another format or malformed gets one error that
names it and the remedy.
"""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avrec_lib.data.interactions import Duplicates, Interactions

Pathlike = str | os.PathLike[str]


def read_csv(
    path: Pathlike,
    *,
    user: str = "user_id",
    item: str = "item_id",
    value: str | None = None,
    timestamp: str | None = None,
    separator: str = ",",
    encoding: str = "utf-8",
    duplicates: Duplicates = "latest",
) -> Interactions:
    r"""Read interactions from a text file with a header.

    Parameters
    ----------
    user, item, value, timestamp, duplicates
        As in `Interactions.from_frame`.
    separator : str
        One character. In a file with tabs (`"\t"`) quotation marks are ordinary characters.
    encoding : str
        Of the text, such as "utf-8" (with or without a byte order mark) or "latin-1".

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is a folder, empty, or not text in this encoding; if rows are longer than the header
        or a quotation mark is never closed; if a column is missing, or holds what `from_frame`
        refuses.
    """
    table = read_table(existing(path), str(path), separator, text=[user, item], encoding=encoding)
    data = Interactions.from_frame(
        table, user=user, item=item, value=value, timestamp=timestamp, duplicates=duplicates, source=str(path)
    )
    refuse_line_breaks([*data.user_ids, *data.item_ids], str(path))
    return data


def read_parquet(
    path: Pathlike,
    *,
    user: str = "user_id",
    item: str = "item_id",
    value: str | None = None,
    timestamp: str | None = None,
    duplicates: Duplicates = "latest",
) -> Interactions:
    """Read interactions from a Parquet file; the parameters are those of `Interactions.from_frame`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is a folder, empty or not Parquet; if a column is missing, or holds what
        `from_frame` refuses.
    """
    file = existing(path)
    wanted = {user, item, value or "rating", timestamp or "timestamp"}
    try:
        found = pq.read_schema(file).names
        if {user, item} <= set(found):
            columns = pq.read_table(file, columns=[name for name in found if name in wanted])
            table = columns.to_pandas(ignore_metadata=True)  # so that a pandas index is a column like any other
        else:
            table = pd.DataFrame(columns=found)  # from_frame says what is missing
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a readable Parquet file ({error}); read text with read_csv.") from error
    return Interactions.from_frame(
        table, user=user, item=item, value=value, timestamp=timestamp, duplicates=duplicates, source=str(path)
    )


def read_movielens(path: Pathlike) -> Interactions:
    """Read a MovieLens rating file of any generation; its first line tells which.

    `u.data` (tabs, no header), `ratings.dat` (`::`, no header) or `ratings.csv` (header userId,
    movieId, rating, timestamp). Of a repeated (user, film) pair the latest rating counts.

    Raises
    ------
    FileNotFoundError, ValueError
        As in `read_csv`, and if the first line fits none of the formats.
    """
    return parse_ratings(existing(path).read_bytes(), str(path))


def parse_ratings(data: bytes, source: str) -> Interactions:
    """Read MovieLens ratings from the bytes of a file; `source` names it in errors."""
    first = data.split(b"\n", 1)[0]
    if b"movieId" in first:
        table = read_table(io.BytesIO(data), source, ",", text=["userId", "movieId"])
        return Interactions.from_frame(
            table, user="userId", item="movieId", value="rating", timestamp="timestamp", source=source
        )
    if b"::" in first:
        data = data.replace(b"::", b"\t")  # one character: pandas reads it with its fast parser
    elif b"\t" not in first:
        raise ValueError(
            f"{source} is not a MovieLens rating file: its first line, {first[:60]!r}, has neither tabs (u.data) "
            "nor '::' (ratings.dat), nor is it the header userId,movieId,rating,timestamp (ratings.csv). "
            "Read other tables with read_csv."
        )
    names = ["user_id", "item_id", "rating", "timestamp"]
    table = read_table(io.BytesIO(data), source, "\t", text=names[:2], names=names)
    return Interactions.from_frame(table, value="rating", timestamp="timestamp", source=source)


def read_table(
    file: Path | io.BytesIO,
    source: str,
    separator: str,
    *,
    text: Sequence[str],
    names: list[str] | None = None,
    encoding: str = "utf-8",
) -> pd.DataFrame:
    """Read a delimited table as it stands: nothing is taken for missing, no row is dropped or shifted.

    Parameters
    ----------
    text : column names
        The columns to keep as text.
    names : list of str, optional
        The column names of a file without a header.

    Raises
    ------
    ValueError
        If the file is blank, a row is longer than the header, a quotation mark is never closed, or
        the bytes are not text in this encoding.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # pandas would cut long rows
            return pd.read_csv(
                file,
                sep=separator,
                header=0 if names is None else None,
                names=names,
                dtype=dict.fromkeys(text, str),
                index_col=False,
                keep_default_na=False,
                low_memory=False,
                quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
                encoding=encoding,
            )
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{source} is blank, so it lacks the columns {', '.join(map(repr, text))}.") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise ValueError(
            f"{source} is not a table with {separator!r} between its columns: {str(error).strip()}. "
            "Mend that row, or name another separator."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} is not {encoding} text ({error}); save it as UTF-8 or pass encoding=.") from error


def refuse_line_breaks(entries: Iterable[str], source: str) -> None:
    """Raise a ValueError if an entry runs over a line end: a stray quotation mark has swallowed rows."""
    bad = next((entry for entry in entries if "\n" in entry), None)
    if bad is not None:
        raise ValueError(
            f"{source}: {bad[:60]!r} holds a line break, so rows are lost in it; close or double the quotation mark."
        )


def existing(path: Pathlike) -> Path:
    """Return the path of a file with something in it, or raise the error that names what is wrong."""
    file = Path(path).expanduser()
    if file.is_dir():
        raise ValueError(f"{path} is a folder, not a file; name a file in it.")
    if not file.exists():
        raise FileNotFoundError(f"there is no file {path} (looked from {Path.cwd()}); check its name and folder.")
    if file.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes), so it lacks every column; write or fetch it again.")
    return file
