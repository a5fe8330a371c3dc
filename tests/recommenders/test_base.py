"""The contract, and the one place that turns scores into lists."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avrec_lib.data import Interactions
from avrec_lib.recommenders import NotFittedError, Popularity, RatingModel, Recommender, recommend, similar_items, top_k
from avrec_lib.recommenders.base import check_index

INF = np.inf


def table(rows: list[tuple[str, str, float]]) -> Interactions:
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "rating"]))


def csr(rows: list[list[int]]) -> sp.csr_array:
    return sp.csr_array(np.array(rows))


class Fixed(Recommender):
    """Scores written by hand, to watch what becomes of them."""

    def __init__(self, scores):
        self.scores = np.array(scores, dtype=np.float32, ndmin=2)

    def _fit(self, train):
        pass

    def _score(self, users):
        return self.scores[users]


class FixedRatings(Fixed, RatingModel):
    def _predict(self, users, items):
        return self.scores[users, items]


TRAIN = table([("u", "a", 4), ("u", "b", 2), ("v", "a", 5), ("v", "c", 3), ("v", "d", 1), ("v", "e", 1)])  # a..e: 0..4


# top_k


def test_seen_items_are_never_in_the_list():
    """Field case M6: k=2."""
    scores, seen = [0.9, 0.8, 0.7, 0.6, 0.5], csr([[1, 1, 0, 0, 0]])
    assert top_k(scores, 2)[0].tolist() == [0, 1]
    assert top_k(scores, 2, seen)[0].tolist() == [2, 3]


@pytest.mark.parametrize("k", [4, 5, 6, 100])
def test_a_short_list_stays_short(k):
    """Field case M6: k=4 leaves three items, without -1, -inf or a seen item as padding."""
    best = top_k([0.9, 0.8, 0.7, 0.6, 0.5], k, csr([[1, 1, 0, 0, 0]]))[0]
    assert best.tolist() == [2, 3, 4]
    assert best.dtype == np.int64


def test_lists_of_one_call_may_differ_in_length():
    lists = top_k([[3, 2, 1], [3, 2, 1]], 2, csr([[0, 0, 0], [1, 1, 0]]))
    assert [one.tolist() for one in lists] == [[0, 1], [2]]


def test_everything_seen_leaves_an_empty_list():
    assert top_k([1, 2], 2, csr([[1, 1]]))[0].tolist() == []


def test_k_larger_than_the_catalogue_ranks_the_catalogue():
    assert top_k([1, 3, 2], 10)[0].tolist() == [1, 2, 0]
    assert top_k([1, 3, 2], 3)[0].tolist() == [1, 2, 0]


def test_ties_are_ordered_by_item_index():
    assert top_k([1, 2, 2, 3, 2, 2], 3)[0].tolist() == [3, 1, 2]
    assert top_k(np.zeros(100), 4)[0].tolist() == [0, 1, 2, 3]
    assert top_k(np.zeros(3), 3)[0].tolist() == [0, 1, 2]


def test_scores_that_are_equal_in_float32_tie():
    third = 1 / 3
    assert top_k([third, np.nextafter(third, 1)], 1)[0].tolist() == [0]


def test_minus_infinity_cannot_be_recommended():
    assert top_k([-INF, 1, -INF], 3)[0].tolist() == [1]
    assert top_k([-INF, 1, -INF], 2)[0].tolist() == [1]
    assert top_k([-INF, -INF], 1)[0].tolist() == []


def test_plus_infinity_and_negative_scores_rank_as_numbers():
    assert top_k([-1, INF, -3, 0], 3)[0].tolist() == [1, 3, 0]


def test_nan_is_an_error_that_names_the_row():
    with pytest.raises(ValueError, match="row 1 hold NaN"):
        top_k([[1, 2], [1, np.nan]], 1)


def test_nan_is_an_error_even_where_it_would_be_excluded():
    with pytest.raises(ValueError, match="NaN"):
        top_k([np.nan, 2], 1, csr([[1, 0]]))


@pytest.mark.parametrize("k", [0, -1, 2.5])
def test_a_list_of_no_items_is_refused(k):
    with pytest.raises(ValueError, match=f"whole number of at least 1, not {k}"):
        top_k([1, 2], k)


def test_a_stored_zero_is_excluded_too():
    """A rating of 0 is an item the user has seen (field case F4 meets M6)."""
    stored = sp.csr_array((np.zeros(1), np.array([0]), np.array([0, 1])), shape=(1, 3))
    assert stored.count_nonzero() == 0
    assert top_k([3, 2, 1], 2, stored)[0].tolist() == [1, 2]


def test_exclude_must_match_the_scores():
    with pytest.raises(ValueError, match=r"\(1, 3\) and exclude \(2, 3\)"):
        top_k([1, 2, 3], 1, csr([[0, 0, 0], [0, 0, 0]]))


def test_top_k_leaves_the_scores_as_they_are():
    scores = np.array([[3, 2, 1]], dtype=np.float32)
    scores.flags.writeable = False
    top_k(scores, 1, csr([[1, 0, 0]]))
    assert scores.tolist() == [[3, 2, 1]]


def test_no_rows_give_no_lists():
    assert top_k(np.empty((0, 5)), 2) == []


@settings(max_examples=100, deadline=None)
@given(
    scores=arrays(np.float32, (3, 8), elements=st.sampled_from([-INF, -1.0, 0.0, 0.5, 1.0, INF])),
    seen=arrays(np.bool_, (3, 8)),
    k=st.integers(1, 10),
)
def test_top_k_is_the_plain_sort(scores, seen, k):
    expected = [
        sorted((i for i in range(8) if not out[i] and row[i] > -INF), key=lambda i, row=row: (-row[i], i))[:k]
        for row, out in zip(scores, seen, strict=True)
    ]
    assert [one.tolist() for one in top_k(scores, k, sp.csr_array(seen))] == expected


# fit and score


def test_a_model_without_fit_says_so():
    model = Fixed([[1, 2]])
    for ask in (lambda: model.score([0]), lambda: model.train, lambda: recommend(model, ["u"])):
        with pytest.raises(NotFittedError, match=r"Fixed is not fitted yet; call fit\(train\) first"):
            ask()


def test_an_interrupted_fit_leaves_a_model_that_is_not_fitted(monkeypatch):
    model = Popularity().fit(TRAIN)
    monkeypatch.setattr(model, "_fit", lambda train: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        model.fit(TRAIN)
    with pytest.raises(NotFittedError):
        model.score([0])


def test_fit_refuses_an_empty_table():
    with pytest.raises(ValueError, match=r"Popularity\.fit needs at least one interaction; the table has 0 rows"):
        Popularity().fit(TRAIN.select(np.zeros(len(TRAIN), dtype=bool)))


def test_fit_refuses_what_is_not_a_table():
    with pytest.raises(TypeError, match=r"not a DataFrame; make one with Interactions\.from_frame"):
        Popularity().fit(TRAIN.frame())


def test_scores_come_as_float32_whatever_the_model_computes_in():
    model = Fixed(np.zeros((2, 5))).fit(TRAIN)
    model.scores = model.scores.astype(np.float64)
    assert model.score([1, 0]).dtype == np.float32


@pytest.mark.parametrize("index", [2, -1])
def test_an_index_outside_the_vocabulary_is_named(index):
    with pytest.raises(IndexError, match=rf"user index {index} is outside 0\.\.1"):
        Fixed(np.zeros((2, 5))).fit(TRAIN).score([0, index])


@pytest.mark.parametrize("users", [["u"], [0.0], [True], [[0, 1]], np.array([None])])
def test_indices_must_be_flat_integers(users):
    with pytest.raises(TypeError, match=r"turn ids into indices with train\.user_index"):
        Fixed(np.zeros((2, 5))).fit(TRAIN).score(users)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_every_integer_type_is_an_index(dtype):
    assert check_index(np.array([1, 0], dtype=dtype), 2, "user").tolist() == [1, 0]


def test_one_number_and_no_number_are_indices():
    assert check_index(1, 2, "item").tolist() == [1]
    assert check_index([], 2, "item").tolist() == []


# predict


def test_predictions_are_clipped_to_the_values_of_training():
    model = FixedRatings([[9, 3, -2, 1, 5], [1, 1, 1, 1, 1]]).fit(TRAIN)
    predicted = model.predict([0, 0, 0, 0], [0, 1, 2, 4])
    assert predicted.tolist() == [5, 3, 1, 5]
    assert predicted.dtype == np.float32


def test_predict_wants_pairs():
    with pytest.raises(ValueError, match="equal lengths, not 2 and 1"):
        FixedRatings(np.ones((2, 5))).fit(TRAIN).predict([0, 1], [0])


def test_predict_names_an_unknown_item():
    with pytest.raises(IndexError, match="item index 5"):
        FixedRatings(np.ones((2, 5))).fit(TRAIN).predict([0], [5])


# recommend


def test_recommend_writes_the_ids_out():
    model = Fixed([[0.9, 0.8, 0.7, 0.6, 0.5], [0, 0, 0, 0, 0]]).fit(TRAIN)
    best = recommend(model, ["u"], k=2)
    assert best.columns.tolist() == ["user_id", "rank", "item_id", "score"]
    assert best["user_id"].tolist() == ["u", "u"]
    assert best["rank"].tolist() == [1, 2]
    assert best["item_id"].tolist() == ["c", "d"]
    assert best["score"].tolist() == pytest.approx([0.7, 0.6])


def test_lists_of_unequal_length_make_one_table():
    """Field case M6: a user with fewer unseen items gets a shorter list."""
    best = recommend(Fixed(np.zeros((2, 5))).fit(TRAIN), ["v", "u", "v"], k=3)
    assert best["user_id"].tolist() == ["v", "u", "u", "u", "v"]
    assert best["rank"].tolist() == [1, 1, 2, 3, 1]
    assert best["item_id"].tolist() == ["b", "c", "d", "e", "b"]


def test_seen_items_can_be_asked_for():
    best = recommend(Fixed([[5, 4, 3, 2, 1], [0, 0, 0, 0, 0]]).fit(TRAIN), ["u"], k=2, exclude_seen=False)
    assert best["item_id"].tolist() == ["a", "b"]


def test_an_item_rated_0_has_been_seen():
    zeros = table([("u", "a", 0), ("u", "b", 0), ("v", "c", 1)])
    assert recommend(Fixed(np.zeros((2, 3))).fit(zeros), ["u"], k=3)["item_id"].tolist() == ["c"]


def test_unknown_users_are_named():
    with pytest.raises(KeyError, match="unknown user 'x', '7'"):
        recommend(Fixed(np.zeros((2, 5))).fit(TRAIN), ["u", "x", 7])


def test_nobody_gets_an_empty_table():
    best = recommend(Fixed(np.zeros((2, 5))).fit(TRAIN), [])
    assert len(best) == 0
    assert best["rank"].dtype == np.int64


def test_a_user_who_has_seen_everything_gets_no_rows():
    full = table([("u", "a", 1), ("u", "b", 1), ("v", "a", 1)])
    assert recommend(Fixed(np.zeros((2, 2))).fit(full), ["u", "v"])["user_id"].tolist() == ["v"]


# similar_items


def test_similar_items_rank_by_cosine_without_the_item_itself():
    best, cosines = similar_items([[1, 0], [1, 1], [0, 1], [2, 0]], 0)
    assert best.tolist() == [3, 1, 2]
    assert cosines == pytest.approx([1, 2**-0.5, 0])
    assert cosines.dtype == np.float32


def test_similar_items_break_ties_by_index():
    assert similar_items([[1, 1], [3, 3], [1, 0], [2, 2]], 3, k=2)[0].tolist() == [0, 1]


def test_a_zero_vector_is_similar_to_nothing():
    """Field cases S1 and D8: two films without genres are not alike."""
    best, cosines = similar_items([[0, 0], [1, 1], [0, 0]], 0)
    assert best.tolist() == [1, 2]
    assert cosines.tolist() == [0, 0]


def test_similar_items_take_sparse_vectors():
    dense = np.random.default_rng(0).integers(0, 2, (9, 4))
    for form in (sp.csr_array, sp.csc_matrix, sp.coo_array):
        best, cosines = similar_items(form(dense), 2, k=4)
        assert best.tolist() == similar_items(dense, 2, k=4)[0].tolist()
        assert cosines == pytest.approx(similar_items(dense, 2, k=4)[1])


def test_one_item_has_no_similar_ones():
    assert similar_items([[1.0, 2.0]], 0)[0].tolist() == []


def test_similar_items_refuse_nan():
    """Field case S1: a NaN feature raises instead of ranking first."""
    with pytest.raises(ValueError, match="NaN or infinity"):
        similar_items([[1, np.nan], [1, 0]], 1)


def test_similar_items_name_an_unknown_item():
    with pytest.raises(IndexError, match=r"item index 2 is outside 0\.\.1"):
        similar_items([[1.0], [2.0]], 2)


def test_similar_items_answer_for_one_item():
    with pytest.raises(ValueError, match="one item at a time, not 2"):
        similar_items([[1.0], [2.0]], [0, 1])
