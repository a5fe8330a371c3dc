import numpy as np
import pytest
import torch

from avrec_lib.exercises import Wrong, expect_close, expect_equal, expect_raises, refuse_close
from avrec_lib.exercises.guards import Crash, NotAttempted, StudentFunction

NAN = float("nan")


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (1.0, 1),
        (np.float32(0.1), 0.1),
        (np.array(2.0), 2.0),
        (6 / 2, 3),
        ([1, 2], np.array([1.0, 2.0])),
        (torch.tensor([1.0, 2.0]), [1, 2]),
        ([1, 2], torch.tensor([1, 2])),
        ((np.ones(2), 3), (np.ones(2), 3)),
        ({"a": [1.0]}, {"a": np.ones(1)}),
        ("yes", "yes"),
        ({1, 2}, {2, 1}),
        (True, True),
        ([True, False], np.array([True, False])),
        (np.array([1.0, NAN]), np.array([1.0, NAN])),
        (float("inf"), float("inf")),
        (-np.inf * np.ones(2), [-np.inf, -np.inf]),
    ],
)
def test_equal_values_pass_whatever_holds_them(got, want):
    assert expect_close(got, want) is None


@pytest.mark.parametrize(
    ("got", "want", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"expected shape \(3, 2\), got \(2, 3\): is it transposed\?"),
        ([1.0], 1.0, "expected a number, got a list of length 1"),
        (np.ones((1, 1)), 1.0, r"expected a number, got an array of shape \(1, 1\)"),
        (1.0, [1.0], r"expected shape \(1,\), got \(\)"),
        ("text", 1.0, "expected a number, got 'text'"),
        ("text", [1.0], "expected an array of numbers, got 'text'"),
        (NAN, 1.0, "NaN"),
        ([1.0, NAN], [1.0, 2.0], "NaN"),
        ([NAN, NAN], [NAN, 2.0], "1 entries are NaN that should be numbers"),
        (2.08, 1.92, "yours is 2.08, too large"),
        (1.0, 1.92, "yours is 1, too small"),
        (2.0, NAN, "yours is 2$"),
        ([1, 2, 5, 3], [1, 2, 3, 4], r"2 of 4 entries differ; at \[2\] yours is 5, too large"),
        ([[1, 2], [9, 4]], [[1, 2], [3, 4]], r"1 of 4 entries differ; at \[1, 0\] yours is 9"),
        ([1, 0], [True, False], r"expected truth values \(bool\), got numbers \(int64\)"),
        ([True, False], [1, 0], r"expected numbers \(int64\), got truth values \(bool\)"),
        ([True, True], np.array([True, False]), r"1 of 2 entries differ; at \[1\] yours is True"),
        (1, True, "expected True or False, got 1"),
        (False, True, "False is not right"),
        ((1.0,), (np.ones(1), 2.0), "expected 2 values, got a tuple of length 1"),
        (3, (np.ones(1), 2.0), "expected 2 values, got 3"),
        ((np.ones(1), 5.0), (np.ones(1), 2.0), r"value 2 of 2 \(yours is 5, too large\)"),
        ({"a": 2.0}, {"a": 1.0}, r"the entry 'a' \(yours is 2, too large\)"),
        ({}, {"a": 1.0}, "lacks the key 'a'"),
        ([[1, 2], [4]], [[1, 2], [3]], r"value 2 of 2 \(1 of 1 entries differ; at \[0\] yours is 4, too large\)"),
        ([["a", "c"]], [["a", "b"]], r"value 1 of 1 \(yours is 'c'\)"),
        ("no", "yes", "'no' is not right"),
        ([1], {1}, "expected a set, got a list of length 1"),
    ],
)
def test_what_differs_is_said_in_words(got, want, message):
    with pytest.raises(Wrong, match=message):
        expect_close(got, want)


def test_message_comes_first_and_the_right_value_is_not_given_away():
    with pytest.raises(Wrong) as caught:
        expect_close(2.08, 1.92, "that is the neighbour's rating")
    assert str(caught.value) == "that is the neighbour's rating (yours is 2.08, too large)"
    assert "1.92" not in str(caught.value)


def test_message_about_the_value_is_not_used_for_a_wrong_shape():
    with pytest.raises(Wrong, match=r"^expected shape \(2,\), got \(3,\)$"):
        expect_close([1, 2, 3], [1, 2], "you forgot the norm")


def test_tolerance_is_absolute_plus_relative_of_the_wanted_value():
    expect_close(1.0009, 1.0, rtol=1e-3)
    with pytest.raises(Wrong):
        expect_close(1.0011, 1.0, rtol=1e-3)
    expect_close(0.009, 0.0, atol=0.01)


def test_exact_dtype_can_be_demanded():
    expect_close(np.ones(2, np.float32), [1, 1], dtype=np.float32)
    with pytest.raises(Wrong, match="expected dtype float32, got float64"):
        expect_close(np.ones(2), [1, 1], dtype=np.float32)


@pytest.mark.parametrize("check", [expect_close, expect_equal])
@pytest.mark.parametrize("blank", [None, ..., [1, ...]])
def test_blank_is_not_attempted(check, blank):
    with pytest.raises(NotAttempted):
        check(blank, 1.0)


def test_expect_equal_adds_what_was_handed_in():
    with pytest.raises(Wrong, match=r"the most rated film \(yours is 'Alien'\)"):
        expect_equal("Alien", "Star Wars", "the most rated film")
    with pytest.raises(Wrong, match="expected a text, got 3"):
        expect_equal(3, "Star Wars")


def test_refuse_close_speaks_only_of_its_own_typical_value():
    assert refuse_close(1.92, 2.08, "no") is None
    assert refuse_close("text", 2.08, "no") is None
    with pytest.raises(Wrong, match=r"^that is another entry$"):
        refuse_close(2.08, 2.08, "that is another entry")


def test_expect_raises_accepts_the_error_and_only_it():
    def root(x):
        if x < 0:
            raise ValueError("negative")
        return x / (x - 1)

    answer = StudentFunction(root)
    assert expect_raises(answer, ValueError, -1, message="a negative number must raise ValueError") is None
    with pytest.raises(Wrong, match="must raise"):
        expect_raises(answer, ValueError, 4, message="a negative number must raise ValueError")
    with pytest.raises(Crash):
        expect_raises(answer, ValueError, 1, message="")
