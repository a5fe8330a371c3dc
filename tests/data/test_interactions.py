"""The one table: building it, its matrix, its parts, and what it refuses."""

import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec_lib.data import Interactions

D5 = pd.DataFrame(
    [("u1", "i1", 4, 10), ("u1", "i1", 2, 20), ("u2", "i1", 5, 15)],
    columns=["user_id", "item_id", "rating", "timestamp"],
)
F4 = pd.DataFrame([("u0", "i0", 5), ("u1", "i0", 0), ("u0", "i1", 3)], columns=["user_id", "item_id", "rating"])


def table(*rows, columns=("user_id", "item_id", "rating", "timestamp")):
    return pd.DataFrame(list(rows), columns=list(columns[: len(rows[0])]))


# --- building it ------------------------------------------------------------------------------


def test_rows_keep_their_order_and_ids_are_sorted():
    data = Interactions.from_frame(table(("b", "y", 1, 3), ("a", "y", 2, 2), ("a", "x", 3, 1)))
    assert data.user_ids.tolist() == ["a", "b"]
    assert data.item_ids.tolist() == ["x", "y"]
    assert data.users.tolist() == [1, 0, 0]
    assert data.items.tolist() == [1, 1, 0]
    assert data.values.tolist() == [1, 2, 3]
    assert data.timestamps.tolist() == [3, 2, 1]


def test_the_dtypes_are_those_of_the_contract():
    data = Interactions.from_frame(D5)
    assert (data.users.dtype, data.items.dtype) == (np.int32, np.int32)
    assert (data.values.dtype, data.timestamps.dtype) == (np.float32, np.int64)
    assert (data.user_ids.dtype.kind, data.item_ids.dtype.kind) == ("U", "U")


def test_without_a_rating_column_every_event_counts_one():
    data = Interactions.from_frame(table(("a", "x"), ("a", "y")))
    assert data.values.tolist() == [1, 1]
    assert data.timestamps is None


def test_other_column_names_are_named():
    frame = table(("a", "x", 0.5, 7), columns=("who", "what", "weight", "when"))
    data = Interactions.from_frame(frame, user="who", item="what", value="weight", timestamp="when")
    assert data.frame().to_dict("list") == {"user_id": ["a"], "item_id": ["x"], "value": [0.5], "timestamp": [7]}


def test_the_repr_names_the_sizes():
    assert repr(Interactions.from_frame(F4)) == "Interactions(3 rows, 2 users, 2 items, 75.00% filled)"


def test_a_frame_goes_round():
    data = Interactions.from_frame(D5)
    again = Interactions.from_frame(data.frame(), value="value")
    pd.testing.assert_frame_equal(data.frame(), again.frame())


def test_a_hundred_thousand_rows_take_a_fraction_of_a_second():
    rng = np.random.default_rng(0)
    n = 100_000
    frame = pd.DataFrame(
        {
            "user_id": rng.integers(0, 943, n),
            "item_id": rng.integers(0, 1682, n),
            "rating": rng.integers(1, 6, n),
            "timestamp": rng.integers(0, 10**9, n),
        }
    ).drop_duplicates(["user_id", "item_id"])
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        Interactions.from_frame(frame)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.3


# --- repeated pairs ---------------------------------------------------------------------------


def test_the_latest_of_a_repeated_pair_is_kept_and_counted():
    """Field case D5: explicit mode."""
    data = Interactions.from_frame(D5)
    assert data.matrix().toarray().tolist() == [[2], [5]]
    assert data.n_merged == 1


def test_a_repeated_pair_counts_its_events():
    """Field case D5: implicit mode."""
    data = Interactions.from_frame(D5, duplicates="count")
    assert data.matrix().toarray().tolist() == [[2], [1]]
    assert data.timestamps.tolist() == [20, 15]
    assert data.n_merged == 1


def test_scipy_alone_would_add_the_two_ratings():
    """Field case D5: the fault itself, outside the scale of 1 to 5."""
    assert sp.coo_array((D5["rating"], ([0, 0, 1], [0, 0, 0]))).tocsr()[0, 0] == 6


def test_a_repeated_pair_can_be_refused():
    with pytest.raises(ValueError, match="row 1 repeats"):
        Interactions.from_frame(D5, duplicates="error")
    assert len(Interactions.from_frame(D5.iloc[1:], duplicates="error")) == 2


def test_at_equal_times_or_without_times_the_larger_value_is_kept():
    assert Interactions.from_frame(table(("u", "i", 4, 9), ("u", "i", 5, 9), ("u", "i", 1, 9))).values.tolist() == [5]
    assert Interactions.from_frame(table(("u", "i", 4), ("u", "i", 2))).values.tolist() == [4]


def test_an_unknown_rule_for_repeated_pairs_is_refused():
    with pytest.raises(ValueError, match="'latest', 'count' or 'error', not 'sum'"):
        Interactions.from_frame(D5, duplicates="sum")


rows = st.tuples(st.sampled_from("abc"), st.integers(8, 11), st.integers(0, 3), st.integers(0, 2))


@given(st.lists(rows, min_size=1, max_size=30), st.randoms(use_true_random=False), st.sampled_from(["latest", "count"]))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_rows_does_not_change_the_table(rows, random, duplicates):
    """Field case D5: its whole kind."""
    data = Interactions.from_frame(table(*rows), duplicates=duplicates)
    shuffled = random.sample(rows, len(rows))
    other = Interactions.from_frame(table(*shuffled), duplicates=duplicates)
    assert data.user_ids.tolist() == other.user_ids.tolist()
    assert data.item_ids.tolist() == other.item_ids.tolist()
    assert data.n_merged == other.n_merged
    order, other_order = np.lexsort((data.items, data.users)), np.lexsort((other.items, other.users))
    pd.testing.assert_frame_equal(data.select(order).frame(), other.select(other_order).frame())


@given(st.lists(rows, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_repeated_pairs_are_merged_as_a_plain_loop_would(rows):
    latest, count = {}, {}
    for user, item, value, when in rows:
        latest[user, item] = max(latest.get((user, item), (-1, -1)), (when, value))
        count[user, item] = count.get((user, item), 0) + 1
    for duplicates, expected in (("latest", {pair: v for pair, (_, v) in latest.items()}), ("count", count)):
        data = Interactions.from_frame(table(*rows), duplicates=duplicates).frame()
        found = {(u, int(i)): v for u, i, v in zip(data["user_id"], data["item_id"], data["value"], strict=True)}
        assert found == expected


# --- the matrix -------------------------------------------------------------------------------


def test_a_rating_of_zero_is_stored_and_is_not_a_missing_one():
    """Field case F4."""
    data = Interactions.from_frame(F4)
    matrix = data.matrix()
    assert (len(data), matrix.nnz) == (3, 3)
    assert data.values.mean() == pytest.approx(2.666667, abs=1e-6)
    assert matrix.data.mean() == pytest.approx(2.666667, abs=1e-6)
    assert (matrix[1, 0], matrix.indptr.tolist()) == (0, [0, 2, 3])


def test_the_matrix_is_csr_of_float32_with_users_as_rows():
    matrix = Interactions.from_frame(D5).matrix()
    assert isinstance(matrix, sp.csr_array)
    assert (matrix.shape, matrix.dtype, matrix.has_sorted_indices) == ((2, 1), np.float32, True)


def test_the_matrix_refuses_a_pair_that_comes_twice():
    data = Interactions(users=[0, 0], items=[0, 0], values=[4, 2], timestamps=None, user_ids=["u"], item_ids=["i"])
    with pytest.raises(ValueError, match="comes twice"):
        data.matrix()


def test_the_matrix_of_movielens_equals_pandas_pivot(ml100k):
    data = ml100k.interactions
    frame = data.frame().astype({"user_id": int, "item_id": int})
    pivot = frame.pivot_table(index="user_id", columns="item_id", values="value", fill_value=0)
    np.testing.assert_array_equal(data.matrix().toarray(), pivot.to_numpy())


# --- parts of it ------------------------------------------------------------------------------


def test_a_selection_keeps_the_vocabularies():
    data = Interactions.from_frame(D5)
    part = data.select(data.users == 1)
    assert (len(part), part.n_users, part.n_merged) == (1, 2, 0)
    assert part.frame().to_dict("list") == {"user_id": ["u2"], "item_id": ["i1"], "value": [5], "timestamp": [15]}


def test_positions_select_in_their_own_order():
    data = Interactions.from_frame(F4)
    assert data.select(np.array([2, 0])).values.tolist() == [3, 5]


def test_a_selection_may_be_empty():
    data = Interactions.from_frame(D5)
    none = data.select(np.zeros(len(data), dtype=bool))
    assert (len(none), none.n_users, none.matrix().nnz) == (0, 2, 0)
    assert none.compact().n_users == 0
    assert repr(none.compact()).startswith("Interactions(0 rows, 0 users")
    assert list(none.frame().columns) == ["user_id", "item_id", "value", "timestamp"]


def test_compact_drops_who_has_no_rows():
    data = Interactions.from_frame(F4)
    part = data.select(data.items == 1).compact()
    assert (part.user_ids.tolist(), part.item_ids.tolist()) == (["u0"], ["i1"])
    assert part.frame()["value"].tolist() == [3]


# --- ids --------------------------------------------------------------------------------------


def test_ids_find_their_indices_in_the_order_asked():
    data = Interactions.from_frame(F4)
    assert data.user_index(["u1", "u0", "u1"]).tolist() == [1, 0, 1]
    assert data.item_index("i1").tolist() == [1]
    assert data.item_index([]).tolist() == []
    assert data.user_index(["u1"]).dtype == np.int32


def test_numbers_are_found_as_their_text():
    data = Interactions.from_frame(table((7, 10), (9, 10)))
    assert data.user_index([9, np.int64(7), "7"]).tolist() == [1, 0, 0]


def test_unknown_ids_are_named_with_an_example_of_known_ones():
    data = Interactions.from_frame(F4)
    with pytest.raises(KeyError, match=r"unknown user 'nobody': not among the 2 .* such as 'u0'"):
        data.user_index(["u0", "nobody"])
    with pytest.raises(KeyError, match="unknown item '0', '1', '2', '3', '4' …"):
        data.item_index(range(9))


def test_an_empty_vocabulary_knows_nobody():
    data = Interactions.from_frame(F4).select(np.array([], dtype=np.intp)).compact()
    with pytest.raises(KeyError, match="not among the 0"):
        data.user_index(["u0"])


# --- what it refuses --------------------------------------------------------------------------


def test_missing_columns_are_named_beside_those_there_are():
    """Field case D10."""
    frame = table((1, 2, 3), columns=("uid", "iid", "score"))
    with pytest.raises(
        ValueError, match=r"ratings.csv has no column 'user_id', 'item_id'; it has 'uid', 'iid', 'score'"
    ):
        Interactions.from_frame(frame, source="ratings.csv")


def test_no_rows_are_refused():
    """Field case D10."""
    with pytest.raises(ValueError, match="0 rows"):
        Interactions.from_frame(D5.iloc[:0])


@pytest.mark.parametrize("value", [np.nan, None, np.inf, -np.inf, 1e300, "four", ""])
def test_a_rating_that_is_no_finite_number_is_refused_with_its_row(value):
    """Field case F4: NaN must not be accepted as a rating."""
    frame = D5.astype({"rating": object})
    frame.loc[1, "rating"] = value
    with pytest.raises(ValueError, match=r"column 'rating' has no finite number in 1 of 3 rows .* in row 1"):
        Interactions.from_frame(frame)


@pytest.mark.parametrize("column", ["user_id", "item_id"])
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, ""])
def test_a_missing_id_is_refused(column, missing):
    frame = D5.astype({column: object})
    frame.loc[1, column] = missing
    with pytest.raises(ValueError, match=f"column '{column}' has missing ids"):
        Interactions.from_frame(frame)


GOOD = {
    "users": [0, 1],
    "items": [0, 0],
    "values": [1, 2],
    "timestamps": [3, 4],
    "user_ids": ["a", "b"],
    "item_ids": ["x"],
}


def test_a_table_made_by_hand_gets_the_dtypes_of_the_contract():
    data = Interactions(**GOOD)
    assert [a.dtype for a in (data.users, data.items, data.values)] == [np.int32, np.int32, np.float32]
    assert data.timestamps.dtype == np.int64
    assert data.frame()["user_id"].tolist() == ["a", "b"]


def test_arrays_that_fit_are_not_copied():
    data = Interactions.from_frame(D5)
    assert Interactions(**vars(data)).users is data.users
    assert Interactions(**vars(data)).user_ids is data.user_ids


@pytest.mark.parametrize(
    ("column", "wrong", "message"),
    [
        ("users", [0, 2], r"users must lie in 0\.\.1"),
        ("users", [-1, 0], r"they lie in -1\.\.0"),
        ("items", [0.0, 0.5], "items must be whole numbers, not float64"),
        ("items", ["x", "x"], "items must be whole numbers"),
        ("values", [1, np.nan], "values hold NaN"),
        ("values", [1, 2, 3], "equally long"),
        ("timestamps", [1.5, 2.5], "timestamps must be whole numbers"),
        ("timestamps", [3], "equally long"),
    ],
)
def test_a_table_made_by_hand_is_checked(column, wrong, message):
    with pytest.raises(ValueError, match=message):
        Interactions(**GOOD | {column: wrong})


def test_a_table_of_two_dimensions_is_refused():
    flat = {name: GOOD[name] for name in ("user_ids", "item_ids")}
    with pytest.raises(ValueError, match="flat"):
        Interactions(users=[[0, 1]], items=[[0, 0]], values=[[1, 2]], timestamps=None, **flat)


def test_the_table_itself_cannot_be_changed():
    with pytest.raises(AttributeError):
        Interactions.from_frame(D5).n_merged = 7
