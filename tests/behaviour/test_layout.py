"""What a Parquet file tells about its chunks, and whether a reader takes no more than it needs."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avrec_lib.behaviour.layout import CountedFile, chunks, groups_that_may_match, needed_bytes


@pytest.fixture
def path(tmp_path):
    """Nine rows in groups of four, four and one; the last group knows no time."""
    columns = {"time": [*range(1, 9), None], "who": list("aabbccdda"), "long": [f"{n:064}" for n in range(9)]}
    table = pa.table(columns, schema=pa.schema([("time", "int64"), ("who", "string"), ("long", "string")]))
    pq.write_table(table, tmp_path / "nine.parquet", row_group_size=4, compression="none")
    return tmp_path / "nine.parquet"


def test_a_chunk_is_a_column_of_a_row_group(path):
    found = chunks(path)
    assert found.columns.tolist() == ["group", "column", "rows", "bytes", "encoded_bytes", "dictionary", "low", "high"]
    assert found[["group", "column"]].to_numpy().tolist() == [[g, c] for g in range(3) for c in ("time", "who", "long")]
    assert found["rows"].tolist() == [4] * 6 + [1] * 3
    assert found.loc[found["column"] == "time", ["low", "high"]].to_numpy().tolist() == [[1, 4], [5, 8], [None, None]]
    assert found.loc[found["column"] == "who", ["low", "high"]].to_numpy().tolist() == [
        ["a", "b"],
        ["c", "d"],
        ["a"] * 2,
    ]
    assert found["dictionary"].all()
    assert (found["bytes"] == found["encoded_bytes"]).all()  # nothing was compressed
    assert found["bytes"].sum() < path.stat().st_size


def test_a_column_without_a_dictionary_says_so(path):
    pq.write_table(pq.read_table(path), path, use_dictionary=["who"], write_statistics=["who"])
    found = chunks(path).set_index("column")
    assert found["dictionary"].to_dict() == {"time": False, "who": True, "long": False}
    assert found.loc["time", "low"] is None


@pytest.mark.parametrize(
    ("column", "low", "high", "expected"),
    [
        ("time", 1, 8, [0, 1, 2]),
        ("time", 4, 5, [0, 1, 2]),  # both bounds are included
        ("time", 2, 3, [0, 2]),  # the group surrounds the question
        ("time", 9, 12, [2]),  # a group that tells nothing cannot be left out
        ("who", "b", "b", [0]),
        ("who", "e", "z", []),
    ],
)
def test_a_group_is_left_out_only_if_its_statistics_prove_it(path, column, low, high, expected):
    groups = groups_that_may_match(chunks(path), column, low, high)
    assert groups == expected
    table = pq.read_table(path).to_pandas().reset_index()
    rows = table[table[column].between(low, high)]
    assert set(rows["index"] // 4) <= set(groups)


@pytest.mark.parametrize(("columns", "groups"), [(["time"], [1]), (["who", "long"], [0, 2]), (["long"], [0, 1, 2])])
def test_a_reader_takes_the_bytes_of_the_chunks_and_no_others(path, columns, groups):
    counted = CountedFile(path)
    reader = pq.ParquetFile(counted, metadata=pq.read_metadata(path), pre_buffer=False)
    table = reader.read_row_groups(groups, columns=columns)
    expected = pq.ParquetFile(path).read_row_groups(groups, columns=columns)
    assert table.equals(expected)
    found = chunks(path)
    by_hand = found[found["column"].isin(columns) & found["group"].isin(groups)]["bytes"].sum()
    assert counted.n_bytes == needed_bytes(found, columns, groups) == by_hand > 0
    assert counted.n_reads >= len(columns) * len(groups)


def test_nothing_asked_is_nothing_needed(path):
    assert needed_bytes(chunks(path), [], [0]) == needed_bytes(chunks(path), ["time"], []) == 0


def test_a_file_without_rows_has_no_chunks_to_read(tmp_path):
    with pq.ParquetWriter(tmp_path / "empty.parquet", pa.schema([("time", "int64")])):
        pass
    found = chunks(tmp_path / "empty.parquet")
    assert found.empty
    assert groups_that_may_match(found, "time", 0, 1) == []
    assert needed_bytes(found, ["time"], [0]) == 0


def test_what_is_not_there_is_named(path, tmp_path):
    with pytest.raises(ValueError, match="the file has no column 'when'; it has 'time', 'who', 'long'"):
        groups_that_may_match(chunks(path), "when", 0, 1)
    (tmp_path / "text.parquet").write_text("no Parquet at all, but long enough to look for an end")
    with pytest.raises(ValueError, match=r"text\.parquet is no Parquet file; write it with"):
        chunks(tmp_path / "text.parquet")
    with pytest.raises(FileNotFoundError):
        chunks(tmp_path / "nowhere.parquet")


def test_a_counted_file_counts_what_it_hands_out(tmp_path):
    (tmp_path / "ten").write_bytes(b"0123456789")
    file = CountedFile(tmp_path / "ten")
    assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
    assert file.read(3) == b"012"
    assert file.seek(8) == file.tell() == 8
    assert file.read() == b"89"
    assert file.read(5) == b""
    assert (file.n_bytes, file.n_reads) == (5, 3)
    file.close()
    assert file.closed


def test_statistics_of_a_shuffled_column_prove_nothing(tmp_path):
    time = pd.Series(range(1000))
    needed = {}
    for name, order in (("sorted", time), ("shuffled", time.sample(frac=1, random_state=0))):
        pq.write_table(pa.table({"time": order.to_numpy()}), tmp_path / name, row_group_size=100)
        needed[name] = groups_that_may_match(chunks(tmp_path / name), "time", 950, 960)
    assert needed == {"sorted": [9], "shuffled": list(range(10))}
