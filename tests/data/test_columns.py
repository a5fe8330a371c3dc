"""Columns of a data frame as ids, values and times."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data.columns import encode, numbers, seconds


def ids(values, dtype=None):
    index, found = encode(pd.Series(values, name="user_id", dtype=dtype), "the test")
    assert index.dtype == np.int32
    return found[index].tolist(), found.tolist()


def test_ids_stay_text():
    assert ids(["007", "7", "x"]) == (["007", "7", "x"], ["007", "7", "x"])


def test_plain_numbers_are_sorted_as_numbers_and_equal_ones_as_text():
    assert ids(["10", "9", "7", "07"])[1] == ["07", "7", "9", "10"]
    assert ids([10, 9, 7])[1] == ["7", "9", "10"]


def test_numbers_too_long_for_64_bits_are_sorted_as_numbers():
    assert ids(["1" + "0" * 30, "9" * 30, "2"])[1] == ["2", "9" * 30, "1" + "0" * 30]


def test_one_id_that_is_no_number_makes_all_sort_as_text():
    assert ids(["10", "9", "a"])[1] == ["10", "9", "a"]


def test_integers_that_pandas_made_floats_are_integers_again():
    assert ids([3.0, 1.0])[1] == ["1", "3"]
    assert ids([1.5, 1.0])[1] == ["1.0", "1.5"]


@pytest.mark.parametrize("dtype", ["category", "string", "str", object])
def test_every_kind_of_text_column_gives_the_same_ids(dtype):
    assert ids(["b", "a", "b"], dtype) == (["b", "a", "b"], ["a", "b"])


def test_a_number_and_its_text_are_one_id():
    assert ids([1, "1", 2]) == (["1", "1", "2"], ["1", "2"])


def test_bytes_are_decoded():
    assert ids([b"x", "好".encode()])[1] == ["x", "好"]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, ""])
def test_a_missing_id_is_refused(missing):
    with pytest.raises(ValueError, match="the test: column 'user_id' has missing ids"):
        ids(["a", missing])


def test_numbers_read_text_and_refuse_what_float32_cannot_hold():
    assert numbers(pd.Series(["4", "0.5", "0"]), "the test").tolist() == [4, 0.5, 0]
    with pytest.raises(ValueError, match=r"2 of 3 rows \(first: 1e\+39 in row 1\)"):
        numbers(pd.Series([1, 1e39, np.nan], name="rating"), "the test")


def test_seconds_are_exact_beyond_the_whole_numbers_of_a_float():
    assert seconds(pd.Series([2**60 + 1]), "the test").tolist() == [2**60 + 1]


def test_seconds_read_text_and_whole_floats():
    assert seconds(pd.Series(["881250949", "7.0"]), "the test").tolist() == [881250949, 7]


def test_datetimes_become_seconds_rounded_down():
    times = pd.Series([pd.Timestamp("1970-01-01 00:00:01.9"), pd.Timestamp("1969-12-31 23:59:58.5")])
    assert seconds(times, "the test").tolist() == [1, -2]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetimes_of_every_unit_and_zone_are_the_same_moment(unit):
    moment = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
    naive = pd.Series([pd.Timestamp(moment).tz_localize(None).as_unit(unit)])
    shanghai = pd.Series([pd.Timestamp(moment).as_unit(unit).tz_convert("Asia/Shanghai")])
    assert seconds(naive, "t").tolist() == seconds(shanghai, "t").tolist() == [int(moment.timestamp())]


@pytest.mark.parametrize(
    "bad",
    [1.5, np.nan, np.inf, 2.0**63, "yesterday", "", None],
    ids=["half", "nan", "inf", "huge", "word", "empty", "none"],
)
def test_a_time_that_is_no_whole_number_is_refused_with_its_row(bad):
    with pytest.raises(ValueError, match=r"column 'timestamp' must hold whole seconds .* in row 1\)"):
        seconds(pd.Series([1, bad], name="timestamp", dtype=object), "the test")


def test_a_missing_datetime_is_refused():
    with pytest.raises(ValueError, match="NaT in row 1"):
        seconds(pd.Series([pd.Timestamp(0), pd.NaT], name="timestamp"), "the test")


def test_a_missing_time_among_nullable_integers_is_refused():
    with pytest.raises(ValueError, match="in row 0"):
        seconds(pd.Series([None, 5], name="timestamp", dtype="Int64"), "the test")
