"""Users like you, items like those you met."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import cosine_similarity as sklearn_cosine
from sklearn.neighbors import NearestNeighbors

from avrec_lib.data import Interactions
from avrec_lib.data.splits import last_fraction, official_folds
from avrec_lib.evaluation import evaluate, rmse
from avrec_lib.recommenders import ItemKNN, UserKNN, neighbours
from avrec_lib.recommenders.neighbours import nearest
from avrec_lib.recommenders.weights import biases, weigh

TRAIN = Interactions.from_frame(
    pd.DataFrame(
        [("u", "a", 5), ("u", "b", 3), ("v", "a", 4), ("v", "b", 2), ("v", "c", 1), ("w", "c", 4)],
        columns=["user_id", "item_id", "rating"],
    )
)  # columns: a = (1,1,0), b = (1,1,0), c = (0,1,1); rows: u = (1,1,0), v = (1,1,1), w = (0,0,1)


def random_table(seed: int, n_users: int = 30, n_items: int = 20) -> Interactions:
    rng = np.random.default_rng(seed)
    u, i = np.nonzero(rng.random((n_users, n_items)) < 0.4)
    return Interactions.from_frame(pd.DataFrame({"user_id": u, "item_id": i, "rating": rng.integers(1, 6, len(u))}))


# the table of neighbours


def test_cosines_of_items_by_hand():
    """cos(a, b) = 2 / 2, cos(a, c) = 1 / 2."""
    expected = np.array([[0, 1, 0.5], [1, 0, 0.5], [0.5, 0.5, 0]])
    assert ItemKNN().fit(TRAIN).neighbours.toarray() == pytest.approx(expected)


def test_cosines_of_users_by_hand():
    """cos(u, v) = 2 / sqrt(2 · 3), cos(v, w) = 1 / sqrt(3), u and w share nothing and are no neighbours."""
    table = UserKNN().fit(TRAIN).neighbours
    a, b = 2 / 6**0.5, 3**-0.5
    assert table.toarray() == pytest.approx(np.array([[0, a, 0], [a, 0, b], [0, b, 0]]))
    assert table.nnz == 4


def test_shrinkage_lowers_what_rests_on_little():
    """(x · y) / (|x| |y| + 2): cos(a, b) becomes 2 / (2 + 2), cos(a, c) 1 / (2 + 2)."""
    expected = np.array([[0, 0.5, 0.25], [0.5, 0, 0.25], [0.25, 0.25, 0]])
    assert ItemKNN(shrinkage=2).fit(TRAIN).neighbours.toarray() == pytest.approx(expected)


def test_equally_similar_neighbours_are_taken_by_index():
    table = ItemKNN(k=1).fit(TRAIN).neighbours
    assert table.indices.tolist() == [1, 0, 0]  # c is as similar to a as to b


def test_more_neighbours_than_there_are_is_all_of_them():
    few, many = ItemKNN(k=2).fit(TRAIN), ItemKNN(k=1000).fit(TRAIN)
    assert (few.neighbours != many.neighbours).nnz == 0


def test_opposite_tastes_are_no_neighbours():
    opposite = Interactions.from_frame(
        pd.DataFrame({"user_id": list("uuvv"), "item_id": list("abab"), "rating": [5, 1, 1, 5]})
    )
    assert UserKNN(values="centred").fit(opposite).neighbours.nnz == 0


def test_a_zero_vector_has_no_neighbours():
    """Field case S1: without 0 / 0, with shrinkage or not."""
    vectors = sp.csr_array([[1.0, 0], [0, 0], [2, 0]])
    for shrinkage in (0.0, 1.0):
        table = nearest(vectors, 2, shrinkage)
        assert table.toarray()[1].tolist() == [0, 0, 0]
        assert table.indices.tolist() == [2, 0]


def test_neighbours_equal_those_of_sklearn():
    X = np.random.default_rng(0).normal(size=(25, 6))
    table = nearest(sp.csr_array(X), 5)
    cosines = sklearn_cosine(X)
    _, found = NearestNeighbors(n_neighbors=6, metric="cosine").fit(X).kneighbors(X)
    for i in range(25):
        mine = table.indices[table.indptr[i] : table.indptr[i + 1]]
        theirs = [j for j in found[i] if j != i and cosines[i, j] > 0]
        assert sorted(mine) == sorted(theirs)
        assert table.toarray()[i, mine] == pytest.approx(cosines[i, mine])


def test_batches_do_not_show(monkeypatch):
    vectors = weigh(random_table(3), "rating")
    whole = nearest(vectors, 4, 1.0)
    monkeypatch.setattr(neighbours, "BATCH", 7)
    assert (nearest(vectors, 4, 1.0) != whole).nnz == 0


def test_similarities_equal_those_of_implicit():
    """`implicit` counts the item itself among its K neighbours, we do not: its 6 are our 5."""
    peers = pytest.importorskip("implicit.nearest_neighbours", reason="implicit is in the extra 'bench'")
    rng = np.random.default_rng(0)  # real weights, so that no two similarities tie
    X = sp.csr_array(rng.random((30, 12)) * (rng.random((30, 12)) < 0.5))
    peer = peers.CosineRecommender(K=6, num_threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about a format that it converts to itself
        peer.fit(sp.csr_matrix(X), show_progress=False)
    theirs = peer.similarity.toarray()
    np.fill_diagonal(theirs, 0)
    np.testing.assert_allclose(nearest(sp.csr_array(X.T), 5).toarray(), theirs, atol=1e-12)


# scores


def test_item_scores_add_the_similarities_to_what_was_met():
    """User w met c alone: a and b get cos = 1/2 each; c is nobody's neighbour but theirs."""
    scores = ItemKNN().fit(TRAIN).score([0, 2])
    assert scores == pytest.approx(np.array([[1, 1, 1], [0.5, 0.5, 0]]))


def test_each_item_met_speaks_for_its_own_neighbours():
    """k=1: c's neighbour is a (not b, by index); nobody's neighbour is c."""
    assert ItemKNN(k=1).fit(TRAIN).score([2])[0] == pytest.approx([0.5, 0, 0])
    assert ItemKNN(k=1).fit(TRAIN).score([0])[0] == pytest.approx([1, 1, 0])


def test_user_scores_add_the_similarities_of_those_who_met_it():
    a, b = 2 / 6**0.5, 3**-0.5
    assert UserKNN().fit(TRAIN).score([0, 1, 2]) == pytest.approx(np.array([[a, a, a], [a, a, b], [b, b, b]]))


@pytest.mark.parametrize("values", ["binary", "rating", "centred"])
@pytest.mark.parametrize("shrinkage", [0.0, 3.0])
def test_scores_equal_the_dense_formula(values, shrinkage):
    train = random_table(1)
    X = weigh(train, values).toarray()
    for model, Z in ((ItemKNN(4, values, shrinkage), X.T), (UserKNN(4, values, shrinkage), X)):
        lengths = np.linalg.norm(Z, axis=1)
        W = Z @ Z.T / (np.outer(lengths, lengths) + shrinkage + 1e-300)
        np.fill_diagonal(W, 0)
        W[W <= 0] = 0
        for row in W:
            row[np.argsort(-row.astype(np.float32), kind="stable")[4:]] = 0
        expected = X @ W if isinstance(model, ItemKNN) else W @ X
        np.testing.assert_allclose(model.fit(train).score(np.arange(train.n_users)), expected, atol=1e-5)


@pytest.mark.parametrize("model", [ItemKNN(), UserKNN()])
def test_a_user_without_rows_gets_the_counts(model):
    assert model.fit(TRAIN.select(TRAIN.users != 0)).score([0])[0].tolist() == [1, 1, 2]


@pytest.mark.parametrize("model", [ItemKNN(), UserKNN()])
def test_a_user_alone_with_an_unknown_item_gets_the_counts(model):
    hermit = Interactions.from_frame(pd.DataFrame({"user_id": list("uvvw"), "item_id": list("xaba"), "rating": 1}))
    assert model.fit(hermit).score([0])[0].tolist() == [2, 1, 1]


@pytest.mark.parametrize("model", [ItemKNN(), UserKNN()])
def test_an_item_without_rows_scores_0(model):
    assert model.fit(TRAIN.select(TRAIN.items != 2)).score([0, 1])[:, 2].tolist() == [0, 0]


# ratings


def test_predicted_ratings_equal_the_formula_written_as_loops():
    train = random_table(2)
    mu, b_u, b_i = biases(train)
    baseline = mu + b_u[:, None] + b_i
    ratings = {(u, i): float(r) for u, i, r in zip(train.users, train.items, train.values, strict=True)}
    by_item, by_user = ItemKNN(5).fit(train), UserKNN(5).fit(train)
    W, S = by_item.neighbours.toarray(), by_user.neighbours.toarray()
    for u, i in [(0, 0), (3, 7), (12, 19), (29, 4)]:
        near = [(W[j, i], ratings[u, j] - baseline[u, j]) for j in range(20) if (u, j) in ratings]
        expected = baseline[u, i] + sum(w * e for w, e in near) / (1 + sum(w for w, _ in near))
        assert by_item.predict([u], [i])[0] == pytest.approx(np.clip(expected, 1, 5), abs=1e-5)
        near = [(S[u, v], ratings[v, i] - baseline[v, i]) for v in range(30) if (v, i) in ratings]
        expected = baseline[u, i] + sum(w * e for w, e in near) / (1 + sum(w for w, _ in near))
        assert by_user.predict([u], [i])[0] == pytest.approx(np.clip(expected, 1, 5), abs=1e-5)


@pytest.mark.parametrize("model", [ItemKNN(), UserKNN(), ItemKNN(values="centred")])
def test_without_rows_the_prediction_is_the_baseline(model):
    train = random_table(4)
    train = train.select((train.users != 0) & (train.items != 0))
    mu, b_u, b_i = biases(train)
    model.fit(train)
    assert model.predict([0, 5, 0], [3, 0, 0]) == pytest.approx([mu + b_i[3], mu + b_u[5], mu], abs=1e-6)


def test_many_pairs_predict_as_one_by_one():
    train = random_table(5)
    u, i = np.indices((train.n_users, train.n_items)).reshape(2, -1)
    for model in (ItemKNN(6, "centred"), UserKNN(6, "centred")):
        together = model.fit(train).predict(u, i)
        assert together[137] == model.predict(u[137:138], i[137:138])[0]


@pytest.mark.parametrize("make", [ItemKNN, UserKNN])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 0}, "at least 1, not 0"),
        ({"k": 2.5}, "whole number of at least 1, not 2.5"),
        ({"shrinkage": -1.0}, "at least 0, not -1.0"),
        ({"shrinkage": np.nan}, "at least 0, not nan"),
        ({"values": "raw"}, "not 'raw'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


# real ratings


def test_item_neighbours_score_as_measured_elsewhere(ml100k):
    """NDCG@10 within 2 % of the reference, .192 (K=50, binary cosine, the last 20 % of each user)."""
    result = evaluate(ItemKNN(k=50), last_fraction(ml100k.interactions), n_boot=0).set_index("metric")["value"]
    assert result["NDCG@10"] >= 0.98 * 0.192


def test_ratings_from_neighbours_beat_the_baseline_on_u1(ml100k):
    """Surprise's item kNN with pearson_baseline has RMSE .9359 on this fold."""
    split = official_folds(ml100k.interactions)[0]
    train, test = split.train, split.test
    mu, b_u, b_i = biases(train)
    baseline = rmse(test.values, np.clip(mu + b_u[test.users] + b_i[test.items], 1, 5))
    by_item = rmse(test.values, ItemKNN(200, "centred").fit(train).predict(test.users, test.items))
    by_user = rmse(test.values, UserKNN(200, "centred").fit(train).predict(test.users, test.items))
    assert by_item < 0.9359
    assert by_item < by_user < baseline
