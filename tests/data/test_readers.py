"""Interactions from files: what is read, and the one error a bad file gets."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import read_csv, read_movielens, read_parquet

BOM = b"\xef\xbb\xbf"
CSV = b"user_id,item_id,rating,timestamp\n007,10,4,20\n7,9,2.5,30\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="ratings.csv"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def rows(data):
    return data.frame().to_dict("split")["data"]


# --- text -------------------------------------------------------------------------------------


def test_ids_stay_text_and_the_rest_numbers(write):
    assert rows(read_csv(write(CSV))) == [["007", "10", 4.0, 20], ["7", "9", 2.5, 30]]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(write):
    """Field case D3."""
    plain = rows(read_csv(write(CSV)))
    assert rows(read_csv(write(BOM + CSV))) == plain
    assert rows(read_csv(write(BOM + CSV.replace(b"\n", b"\r\n")))) == plain
    assert rows(read_csv(str(write(CSV + b"\n\n")))) == plain


def test_quoted_commas_do_not_shift_the_columns(write):
    """Field case D3."""
    content = BOM + b'user_id,title,item_id\r\n1,"Lake, The (1999)",7\r\n2,"Say ""Hi"" (2001)",8\r\n'
    assert rows(read_csv(write(content))) == [["1", "7", 1.0], ["2", "8", 1.0]]


def test_columns_and_separator_can_be_named(write):
    data = read_csv(write(b"u;i;w;t\na;x;3;5\n"), user="u", item="i", value="w", timestamp="t", separator=";")
    assert rows(data) == [["a", "x", 3.0, 5]]


def test_a_quotation_mark_between_tabs_is_a_character(write):
    """Field case D2: the lone one would swallow the rows that follow."""
    content = b'user_id\titem_id\trating\n1\t"Half quote\t3\n2\tPlain\t4\n3\tThird\t5\n'
    assert rows(read_csv(write(content), separator="\t")) == [
        ["1", '"Half quote', 3.0],
        ["2", "Plain", 4.0],
        ["3", "Third", 5.0],
    ]


def test_words_that_pandas_takes_for_missing_are_ids_like_any_other(write):
    content = b"user_id,item_id,rating\nNA,null,1\nNone,nan,2\n"
    assert [row[:2] for row in rows(read_csv(write(content)))] == [["NA", "null"], ["None", "nan"]]


def test_repeated_pairs_follow_the_rule_asked_for(write):
    """Field case D5."""
    path = write(b"user_id,item_id,rating,timestamp\nu1,i1,4,10\nu1,i1,2,20\nu2,i1,5,15\n")
    assert read_csv(path).values.tolist() == [2, 5]
    assert read_csv(path, duplicates="count").values.tolist() == [2, 1]


def test_another_encoding_can_be_named(write):
    path = write("user_id,item_id\nJosé,x\n".encode("latin-1"))
    assert rows(read_csv(path, encoding="latin-1"))[0][0] == "José"
    with pytest.raises(ValueError, match=r"ratings\.csv is not utf-8 text .* pass encoding="):
        read_csv(path)


def test_an_unclosed_quotation_mark_is_refused(write):
    """Field case D2: its kind in a comma-separated file."""
    with pytest.raises(ValueError, match=r"ratings\.csv is not a table .*EOF inside string"):
        read_csv(write(b'user_id,item_id\n1,"2\n3,4\n'))


def test_a_quotation_mark_that_closes_rows_later_is_refused(write):
    """Field case D2: its kind in a comma-separated file, rows lost without a word."""
    with pytest.raises(ValueError, match=r"ratings\.csv: .* holds a line break"):
        read_csv(write(b'user_id,item_id,rating\n1,"2,3\n4,5,6\n7,"x,8\n'))


@pytest.mark.parametrize("longer", [b"1,2,3,4\n5,6,7,8\n", b"1,2,3\n4,5,6,7\n"], ids=["all", "one"])
def test_a_row_longer_than_the_header_is_refused(write, longer):
    with pytest.raises(ValueError, match=r"ratings\.csv is not a table with ',' between"):
        read_csv(write(b"user_id,item_id,rating\n" + longer))


def test_a_row_shorter_than_the_header_is_refused(write):
    with pytest.raises(ValueError, match=r"no finite number in 1 of 2 rows \(first: '' in row 1\)"):
        read_csv(write(b"user_id,item_id,rating\n1,2,3\n4,5\n"))


@pytest.mark.parametrize("rating", [b"NaN", b"", b"inf", b"good"])
def test_a_rating_that_is_no_number_is_refused(write, rating):
    """Field case F4."""
    with pytest.raises(ValueError, match=r"ratings\.csv: column 'rating' has no finite number in 1 of 2 rows"):
        read_csv(write(b"user_id,item_id,rating\n1,2,3\n4,5," + rating + b"\n"))


def test_an_empty_id_is_refused(write):
    with pytest.raises(ValueError, match="column 'user_id' has missing ids"):
        read_csv(write(b"user_id,item_id\n1,2\n,3\n"))


# --- files that are not there, or not that ------------------------------------------------------


@pytest.mark.parametrize("read", [read_csv, read_parquet, read_movielens])
def test_a_missing_file_a_folder_and_an_empty_file_are_named(read, tmp_path, write):
    """Field case D10: an empty file."""
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere\.csv"):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="is a folder, not a file"):
        read(tmp_path)
    with pytest.raises(ValueError, match=r"ratings\.csv is empty"):
        read(write(b""))


def test_a_blank_file_is_named_with_the_columns_it_lacks(write):
    """Field case D10."""
    with pytest.raises(ValueError, match=r"ratings\.csv is blank, so it lacks the columns 'user_id', 'item_id'"):
        read_csv(write(b"\n\n"))


def test_a_header_alone_has_no_rows(write):
    """Field case D10."""
    with pytest.raises(ValueError, match=r"ratings\.csv has 0 rows"):
        read_csv(write(b"user_id,item_id,rating\n"))
    with pytest.raises(ValueError, match=r"ratings\.csv has 0 rows"):
        read_movielens(write(b"userId,movieId,rating,timestamp\n"))


def test_wrong_headers_are_named_beside_the_right_ones(write):
    """Field case D10."""
    with pytest.raises(
        ValueError, match=r"ratings\.csv has no column 'user_id', 'item_id'; it has 'uid', 'iid', 'score'"
    ):
        read_csv(write(b"uid,iid,score\n1,2,3\n"))
    with pytest.raises(ValueError, match=r"ratings\.csv has no column 'rating'"):
        read_movielens(write(b"userId,movieId,score,timestamp\n1,2,3,4\n"))


# --- Parquet ----------------------------------------------------------------------------------

FRAME = pd.DataFrame(
    {"user_id": ["007", "7"], "item_id": [10, 9], "rating": [4, 2.5], "timestamp": [20, 30], "more": "x"}
)


def test_parquet_gives_the_table_of_the_csv(write, tmp_path):
    FRAME.to_parquet(tmp_path / "ratings.parquet")
    assert rows(read_parquet(tmp_path / "ratings.parquet")) == rows(read_csv(write(CSV)))


def test_parquet_columns_can_be_named_and_datetimes_are_times(tmp_path):
    frame = pd.DataFrame({"u": [b"007"], "i": pd.Categorical(["x"]), "at": pd.to_datetime(["1970-01-02"])})
    frame.to_parquet(tmp_path / "events.parquet")
    assert rows(read_parquet(tmp_path / "events.parquet", user="u", item="i", timestamp="at")) == [
        ["007", "x", 1.0, 86400]
    ]


def test_an_index_saved_by_pandas_is_a_column(tmp_path):
    FRAME.set_index(["user_id", "item_id"]).to_parquet(tmp_path / "ratings.parquet")
    assert read_parquet(tmp_path / "ratings.parquet").user_ids.tolist() == ["007", "7"]


def test_parquet_without_the_columns_is_refused(tmp_path):
    FRAME.to_parquet(tmp_path / "ratings.parquet")
    with pytest.raises(ValueError, match=r"ratings\.parquet has no column 'uid'; it has 'user_id', .*'more'"):
        read_parquet(tmp_path / "ratings.parquet", user="uid")
    with pytest.raises(ValueError, match=r"ratings\.parquet has no column 'score'"):
        read_parquet(tmp_path / "ratings.parquet", value="score")


def test_parquet_without_rows_is_refused(tmp_path):
    """Field case D10."""
    FRAME.iloc[:0].to_parquet(tmp_path / "ratings.parquet")
    with pytest.raises(ValueError, match=r"ratings\.parquet has 0 rows"):
        read_parquet(tmp_path / "ratings.parquet")


def test_what_is_not_parquet_is_refused(write, tmp_path):
    with pytest.raises(ValueError, match=r"ratings\.csv is not a readable Parquet file .* read_csv"):
        read_parquet(write(CSV))
    FRAME.to_parquet(tmp_path / "ratings.parquet")
    whole = (tmp_path / "ratings.parquet").read_bytes()
    with pytest.raises(ValueError, match="is not a readable Parquet file"):
        read_parquet(write(whole[: len(whole) // 2], "half.parquet"))


# --- MovieLens --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("u.data", b"196\t242\t3\t881250949\n22\t377\t1\t878887116\n"),
        ("ratings.dat", b"196::242::3::881250949\n22::377::1::878887116\n"),
        ("ratings.csv", b"userId,movieId,rating,timestamp\n196,242,3.0,881250949\n22,377,1.0,878887116\n"),
        ("ratings.csv", BOM + b"userId,movieId,rating,timestamp\r\n196,242,3.0,881250949\r\n22,377,1.0,878887116\r\n"),
    ],
)
def test_the_first_line_of_a_movielens_file_tells_its_format(write, name, content):
    data = read_movielens(write(content, name))
    assert rows(data) == [["196", "242", 3.0, 881250949], ["22", "377", 1.0, 878887116]]
    assert data.user_ids.tolist() == ["22", "196"]


def test_other_text_is_no_movielens_file(write):
    with pytest.raises(ValueError, match=r"notes\.txt is not a MovieLens rating file: .*read_csv"):
        read_movielens(write(b"a,b,c\n1,2,3\n", "notes.txt"))


@pytest.mark.parametrize("line", [b"1\t2\t3\n", b"1\t2\t3\t4\t5\n", b"1\t2\tx\t4\n", b"1\t2\t3\t4.5\n", b"1::2::3\n"])
def test_a_line_of_another_form_is_refused(write, line):
    with pytest.raises(ValueError, match=r"u\.data"):
        read_movielens(write(line, "u.data"))


def test_many_double_colons_are_read_right(write):
    columns = np.arange(1, 50_001), np.arange(50_000), np.arange(50_000) % 5 + 1, np.arange(50_000) + 10**9
    path = write("\n".join("::".join(map(str, r)) for r in zip(*columns, strict=True)).encode(), "ratings.dat")
    data = read_movielens(path)
    assert data.user_ids[data.users[-1]] == "50000"
    for found, expected in zip((data.values, data.timestamps), columns[2:], strict=True):
        np.testing.assert_array_equal(found, expected)
