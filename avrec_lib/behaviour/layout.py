"""Where a Parquet file keeps what, and which of its bytes a question needs.

Page 4.1.4. A file is cut into row groups, a row group into chunks, one a column. The end of the file says where each
chunk lies, how long it is, and the least and the greatest value in it. So a reader knows what it can leave out
before it has read a single value.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def chunks(path: Path | str) -> pd.DataFrame:
    """Return one row for each chunk of a file, as the end of the file tells it.

    Parameters
    ----------
    path : Path or str
        A Parquet file.

    Returns
    -------
    DataFrame
        group (int, from 0), column (str), rows (int), bytes (int, as stored), encoded_bytes (int, with dictionary
        and runs, before the general compression), dictionary (bool), low and high (the least and the greatest value;
        None where they are not told, as for a chunk without values).

    Raises
    ------
    ValueError
        If it is no Parquet file.

    References
    ----------
    Apache Parquet, File Format; Melnik et al., Dremel: Interactive Analysis of Web-Scale Datasets, PVLDB 3(1), 2010.
    """
    rows = []
    try:
        metadata = pq.read_metadata(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is no Parquet file; write it with write_days or write_table.") from error
    for group in range(metadata.num_row_groups):
        of_group = metadata.row_group(group)
        for number in range(of_group.num_columns):
            chunk = of_group.column(number)
            told = chunk.statistics if chunk.is_stats_set and chunk.statistics.has_min_max else None
            rows.append({
                "group": group,
                "column": chunk.path_in_schema,
                "rows": of_group.num_rows,
                "bytes": chunk.total_compressed_size,
                "encoded_bytes": chunk.total_uncompressed_size,
                "dictionary": chunk.has_dictionary_page,
                "low": told.min if told else None,
                "high": told.max if told else None,
            })  # fmt: skip
    columns = ["group", "column", "rows", "bytes", "encoded_bytes", "dictionary", "low", "high"]
    of_any_kind = {name: pd.Series([row[name] for row in rows], dtype=object) for name in ("low", "high")}
    return pd.DataFrame(rows, columns=columns).assign(**of_any_kind)


def groups_that_may_match(found: pd.DataFrame, column: str, low: Any, high: Any) -> list[int]:  # noqa: ANN401
    """Return the row groups that may hold a value from `low` to `high`, both included, in a column.

    A group is left out only if its statistics prove that it holds none: max < low or min > high. One without
    statistics is kept.

    Parameters
    ----------
    found : DataFrame
        From `chunks`.
    column : str
    low, high : number or str
        As the column's values.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    of_column = found[found["column"] == column]
    if found.size and of_column.empty:
        raise ValueError(f"the file has no column {column!r}; it has {', '.join(map(repr, found['column'].unique()))}.")
    ends = zip(of_column["group"].tolist(), of_column["low"], of_column["high"], strict=True)
    return [group for group, least, most in ends if least is None or not (most < low or least > high)]


def needed_bytes(found: pd.DataFrame, columns: Collection[str], groups: Collection[int]) -> int:
    """Return the bytes of these columns in these row groups: the double sum of the page."""
    of_question = found["column"].isin(list(columns)) & found["group"].isin(list(groups))
    return int(found.loc[of_question, "bytes"].sum())


class CountedFile:
    """A file to read from that counts the bytes it hands out, in `n_bytes`, and the times it was asked, in `n_reads`.

    It has what pyarrow asks of a file: pass it in place of a path.
    """

    def __init__(self, path: Path | str) -> None:
        self._file = Path(path).open("rb")  # noqa: SIM115  (closed by close)
        self.n_bytes = self.n_reads = 0

    def read(self, n: int = -1) -> bytes:
        """Return up to n bytes, all that are left if n is negative."""
        content = self._file.read(n)
        self.n_bytes += len(content)
        self.n_reads += 1
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place; return it, counted from the beginning."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._file.closed

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: it can be read from any place."""
        return True

    def writable(self) -> bool:
        """Return False: it cannot be written."""
        return False
