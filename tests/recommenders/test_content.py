"""Cosine between a user's profile and item vectors."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity as sklearn_cosine

from avrec_lib.data import Interactions
from avrec_lib.data.splits import last_fraction
from avrec_lib.evaluation import evaluate
from avrec_lib.recommenders import ContentRecommender, recommend

TRAIN = Interactions.from_frame(
    pd.DataFrame(
        [("u", "a", 5), ("u", "b", 1), ("v", "a", 4), ("v", "c", 4), ("w", "d", 2), ("w", "c", 4)],
        columns=["user_id", "item_id", "rating"],
    )
)
V = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])  # items a, b, c, d; d has no features
ROOT = 2**-0.5


def test_a_binary_profile_is_the_sum_of_what_was_met():
    model = ContentRecommender(V, "binary").fit(TRAIN)
    assert model.profiles.tolist() == [[1, 1], [2, 1], [1, 1]]
    assert model.score([0])[0] == pytest.approx([ROOT, ROOT, 1, 0])


def test_a_rating_profile_leans_to_what_was_liked():
    model = ContentRecommender(V, "rating").fit(TRAIN)
    assert model.profiles[0].tolist() == [5, 1]
    assert model.score([0])[0] == pytest.approx([5 / 26**0.5, 1 / 26**0.5, 6 / 52**0.5, 0])


def test_a_centred_profile_is_pushed_away_by_what_was_not():
    model = ContentRecommender(V).fit(TRAIN)
    assert model.profiles[0].tolist() == [2, -2]
    assert model.score([0])[0] == pytest.approx([ROOT, -ROOT, 0, 0])


def test_an_item_without_features_scores_0():
    """Field case S1."""
    for values in ("binary", "rating", "centred"):
        assert ContentRecommender(V, values).fit(TRAIN).score([0])[0, 3] == 0


def test_a_user_who_rates_everything_alike_has_no_centred_profile():
    """User v gave 4 and 4: there is no direction, so the numbers of rows of the items rank instead."""
    assert ContentRecommender(V).fit(TRAIN).score([1])[0].tolist() == [2, 1, 2, 1]


def test_what_rounding_leaves_of_a_cancelled_profile_is_no_profile():
    """Ratings differ, all on items with one vector: the sum is 0, though not in floating point."""
    ratings = Interactions.from_frame(pd.DataFrame({"user_id": "u", "item_id": list("abc"), "rating": [4.1, 2.2, 3.4]}))
    same = np.tile([0.1, 0.7, 0.3], (3, 1))
    for vectors in (same, sp.csr_array(same)):
        model = ContentRecommender(vectors).fit(ratings)
        assert abs(model.profiles).max() == 0
        assert model.score([0])[0].tolist() == [1, 1, 1]


def test_a_user_whose_items_have_no_features_gets_the_counts():
    only_d = Interactions.from_frame(
        pd.DataFrame(
            [("u", "d", 5), ("v", "a", 1), ("v", "b", 2), ("w", "a", 3), ("w", "c", 3)],
            columns=["user_id", "item_id", "rating"],
        )
    )
    assert ContentRecommender(V, "binary").fit(only_d).score([0])[0].tolist() == [2, 1, 1, 1]


def test_an_item_that_nobody_met_can_be_recommended():
    """The one thing that content does and no collaborative model can."""
    model = ContentRecommender(np.array([[1, 0], [0, 1], [1, 0.1], [0, 1]]), "binary")
    train = TRAIN.select(TRAIN.items < 2)
    assert recommend(model.fit(train), ["v"], k=1)["item_id"].tolist() == ["c"]


def test_items_with_equal_vectors_tie_exactly():
    """BLAS adds in another order at the end of a row; scores of equal items must not show it."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.random((40, 19)), 7, axis=0)[: 40 * 7 - 3]
    n = len(vectors)
    frame = pd.DataFrame({"user_id": rng.integers(0, 30, 900), "item_id": rng.integers(0, n, 900)})
    frame = pd.concat([frame, pd.DataFrame({"user_id": 0, "item_id": range(n)})])
    frame["rating"] = rng.integers(1, 6, len(frame))
    train = Interactions.from_frame(frame)
    scores = ContentRecommender(vectors).fit(train).score(np.arange(train.n_users))
    for first in range(0, n, 7):
        assert (scores[:, first : first + 7] == scores[:, first : first + 1]).all()


@pytest.mark.parametrize("form", [sp.csr_array, sp.csr_matrix, sp.coo_array])
def test_sparse_vectors_score_like_dense_ones(form):
    for values in ("binary", "rating", "centred"):
        dense, sparse = ContentRecommender(V, values).fit(TRAIN), ContentRecommender(form(V), values).fit(TRAIN)
        assert sp.issparse(sparse.profiles)
        np.testing.assert_allclose(sparse.score([0, 1, 2]), dense.score([0, 1, 2]), atol=1e-7)


def test_tfidf_vectors_score_as_sklearn_computes():
    titles = TfidfVectorizer().fit_transform(["space war", "quiet love", "space love", "war love"])
    model = ContentRecommender(titles, "rating").fit(TRAIN)
    expected = sklearn_cosine(TRAIN.matrix() @ titles, titles)
    np.testing.assert_allclose(model.score([0, 1, 2]), expected, atol=1e-6)


def test_a_nan_feature_is_refused_at_once():
    """Field case S1."""
    with pytest.raises(ValueError, match="NaN or infinity"):
        ContentRecommender([[1, np.nan]])


def test_the_vectors_must_be_those_of_the_items():
    with pytest.raises(ValueError, match="3 item vectors and the table 4 items"):
        ContentRecommender(V[:3]).fit(TRAIN)


def test_an_unknown_kind_of_weight_is_refused():
    with pytest.raises(ValueError, match="not 'tf'"):
        ContentRecommender(V, "tf")


@pytest.mark.parametrize("form", [np.array, sp.csr_array])
def test_changing_the_vectors_later_does_not_change_the_model(form):
    vectors = form(V)
    model = ContentRecommender(vectors, "binary").fit(TRAIN)
    vectors *= 0
    assert model.score([0])[0] == pytest.approx([ROOT, ROOT, 1, 0])


def test_genres_alone_know_little(ml100k):
    """Eighteen genres rank films far worse than popularity does: content needs richer features."""
    result = evaluate(ContentRecommender(ml100k.genre_matrix()), last_fraction(ml100k.interactions), n_boot=0)
    assert 0.03 < result.set_index("metric").loc["NDCG@10", "value"] < 0.06
