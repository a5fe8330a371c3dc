import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from avrec_lib.exercises.guards import (
    NotAttempted,
    StudentFunction,
    Wrong,
    as_array,
    as_number,
    describe,
    is_blank,
    kind_of,
    prepare,
    refuse_nan,
    same_keys,
)

NAN = float("nan")


@pytest.mark.parametrize("value", [3, 3.5, np.int64(3), np.float32(2), np.array(4.0), torch.tensor(5.0)])
def test_every_kind_of_real_number_is_a_number(value):
    assert as_number(value) == pytest.approx(float(value))


@pytest.mark.parametrize("value", [True, np.True_, "3", 1j, [3], np.array([3.0]), None, object()])
def test_truth_values_texts_and_arrays_of_one_are_not_numbers(value):
    with pytest.raises(Wrong, match="expected a number, got"):
        as_number(value)


def test_whole_numbers_stay_whole():
    assert isinstance(as_number(np.int32(7)), int)
    assert as_number(2**70) == 2**70


@pytest.mark.parametrize(
    "value", [[[1, 2]], ((1, 2),), np.array([[1, 2]]), torch.tensor([[1, 2]]), sp.csr_array([[1, 2]])]
)
def test_lists_tensors_and_sparse_matrices_count_as_arrays(value):
    assert as_array(value, shape=(1, 2)).tolist() == [[1, 2]]


def test_tensor_with_a_gradient_counts_as_an_array():
    assert as_array(torch.ones(2, requires_grad=True)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("value", ["text", {}, object(), [[1, 2], [3]], ["a"], [object()], [1j], {1, 2}, torch.Tensor])
def test_what_is_not_an_array_of_numbers_is_wrong(value):
    with pytest.raises(Wrong, match="expected an array of numbers, got"):
        as_array(value)


@pytest.mark.parametrize(
    "value",
    [
        NAN,
        np.float32("nan"),
        complex(0, NAN),
        [1, [NAN]],
        {"a": NAN},
        {NAN},
        np.array([1, NAN]),
        np.array([1, NAN], dtype=object),
        torch.tensor([NAN]),
        sp.csr_array([[0.0, NAN]]),
        pd.Series([1.0, None]),
        pd.DataFrame({"a": [NAN]}),
    ],
)
def test_nan_is_found_wherever_it_hides(value):
    with pytest.raises(Wrong, match="your answer holds NaN"):
        refuse_nan(value, "your answer holds")


@pytest.mark.parametrize(
    "value", [0.0, float("inf"), "nan", [1, 2], np.array(["nan"]), object(), np.array([1, 2]), torch.nn.Linear]
)
def test_what_has_no_nan_passes(value):
    assert refuse_nan(value, "your answer holds") is None


@pytest.mark.parametrize(
    "value", [None, ..., [1, None], (..., 2), {"a": ...}, np.array([1, None], dtype=object), [[...]]]
)
def test_blank_is_found_inside_containers(value):
    assert is_blank(value)


@pytest.mark.parametrize("value", [0, "", [], {}, False, np.zeros(3), float("nan")])
def test_empty_is_not_blank(value):
    assert not is_blank(value)


# Preparing a value by the kind of the solution -----------------------------------------------------------------


def test_value_comes_back_as_the_kind_of_the_solution():
    assert prepare([[1, 2]], np.zeros((1, 2))).shape == (1, 2)
    assert prepare(np.array(3.0), 2) == 3.0
    assert prepare(np.True_, False) is True
    assert prepare("b", "a") == "b"
    assert prepare((1, 2, 3), [1]) == (1, 2, 3)
    assert prepare({"a": [1, 2]}, {"a": np.zeros(2)})["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("answer", "solution", "message"),
    [
        (1, True, "expected True or False, got 1"),
        ("x", 3, "expected a number, got 'x'"),
        ("x", [3], "expected a list, got 'x'"),
        (3, "x", "expected a text, got 3"),
        (3, {"a": 1}, "expected a dictionary, got 3"),
        ({"b": 1}, {"a": 1}, "your dictionary lacks the key 'a'"),
        ({"a": 1, "b": 1}, {"a": 1}, "your dictionary should not have the key 'b'"),
        ({"a": "x"}, {"a": 1}, "expected a number, got 'x'"),
        ([1], {1, 2}, "expected a set, got a list of length 1"),
        (3, pd.DataFrame(), "expected a DataFrame, got 3"),
        (int, 3, "expected a number, got the class int"),
        (np.zeros((2, 2)), "x", r"expected a text, got an array of shape \(2, 2\)"),
        ("x" * 99, 3, "expected a number, got a long str"),
        (pd.DataFrame({"a": [1]}), 3, "expected a number, got a DataFrame"),
        (object(), 3, "expected a number, got a object"),
    ],
)
def test_value_of_another_kind_is_told_what_belongs_there(answer, solution, message):
    with pytest.raises(Wrong, match=message):
        prepare(answer, solution)


def test_keys_come_in_the_order_of_the_solution():
    assert same_keys({"b": 1, "a": 2}, {"a": 0, "b": 0}) == ["a", "b"]


def test_kinds_have_plain_names():
    assert [kind_of(x) for x in (True, 1.5, np.zeros(1), "a", {}, set(), [])] == [
        "True or False",
        "a number",
        "an array",
        "a text",
        "a dictionary",
        "a set",
        "a list",
    ]
    assert describe(np.array(2.0)) == "a ndarray"


# The student's function ----------------------------------------------------------------------------------------


def test_student_function_gets_copies_that_share_what_the_originals_share():
    inner = [1]
    seen = StudentFunction(lambda a, b: a is b)(inner, inner)
    assert seen is True


def test_student_function_keeps_its_attributes():
    def answer(x):
        return x

    answer.note = "mine"
    assert StudentFunction(answer).note == "mine"
    assert StudentFunction(answer).__name__ == "answer"


def test_student_function_can_be_handed_to_another_one():
    once = StudentFunction(lambda x: x + 1)
    assert StudentFunction(lambda f, x: f(f(x)))(once, 1) == 3
    assert not hasattr(StudentFunction.__new__(StudentFunction), "function")


def test_student_function_that_returns_nothing_is_not_attempted():
    with pytest.raises(NotAttempted):
        StudentFunction(lambda: None)()
