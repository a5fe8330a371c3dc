import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from gensim.models import Word2Vec

from avrec_lib.content import vectors
from avrec_lib.content.vectors import sgns_gradient, sgns_loss, train_word2vec

CATS = ["cat", "kitten", "paw", "whisker", "purr", "fur"]
CARS = ["car", "engine", "wheel", "road", "brake", "fuel"]


def corpus(n=150):
    rng = np.random.default_rng(0)
    return [["the", *map(str, rng.choice(group, 6))] for group in (CATS, CARS) for _ in range(n)]


@pytest.fixture(scope="module")
def learnt():
    return train_word2vec(corpus(), size=16, subsample=0)


def test_words_that_share_neighbours_get_near_vectors(learnt):
    assert {word for word, _ in learnt.nearest("cat", 5)} == set(CATS) - {"cat"}
    assert {word for word, _ in learnt.nearest("car", 5)} == set(CARS) - {"car"}
    assert learnt.vectors.shape == (13, 16)
    assert learnt.vectors.dtype == np.float32
    assert np.isfinite(learnt.vectors).all()


def test_the_most_frequent_word_comes_first_and_equally_frequent_ones_by_their_characters():
    found = train_word2vec([["b", "a", "c"], ["c", "a", "b"], ["c", "once"]], size=4, epochs=1, subsample=0)
    assert found.words == ("c", "a", "b")


def test_two_processes_with_other_hashes_learn_the_same_vectors(learnt):
    code = (
        f"import hashlib; exec(open({__file__!r}, encoding='utf-8').read().split('@pytest')[0]); "
        "print(hashlib.sha256(train_word2vec(corpus(), size=16, subsample=0).vectors.tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {hashlib.sha256(learnt.vectors.tobytes()).hexdigest()}


def test_another_seed_gives_other_vectors_and_numpys_global_state_stays(learnt):
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # the global state is what is tested
    assert not np.allclose(train_word2vec(corpus(), size=16, subsample=0, seed=1).vectors, learnt.vectors)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_the_vectors_are_those_of_gensim_where_its_order_of_words_is_clear():
    documents = [["a"] * 3 + ["b"] * 2, ["b", "c", "a", "c"]] * 20  # a 80, b 60, c 40 times
    ours = train_word2vec(documents, size=8, epochs=5, seed=3, subsample=0)
    peer = Word2Vec(documents, vector_size=8, sg=1, negative=5, sample=0, min_count=2, seed=3, workers=1, epochs=5)
    assert ours.words == tuple(peer.wv.index_to_key) == ("a", "b", "c")
    np.testing.assert_array_equal(ours.vectors, peer.wv.vectors)


def test_no_token_of_a_long_document_is_lost(monkeypatch):
    monkeypatch.setattr(vectors, "LONGEST", 7)
    pieces = train_word2vec([["x", "y"] * 10], size=4, epochs=1, subsample=0)
    by_hand = train_word2vec([(["x", "y"] * 10)[i : i + 7] for i in (0, 7, 14)], size=4, epochs=1, subsample=0)
    np.testing.assert_array_equal(pieces.vectors, by_hand.vectors)


def test_documents_that_teach_nothing_are_refused():
    with pytest.raises(ValueError, match="no word occurs 2 times in the 1 documents"):
        train_word2vec([["once", "upon"]])
    with pytest.raises(ValueError, match="no word occurs"):
        train_word2vec([])
    with pytest.raises(ValueError, match="document 0 must be a list"):
        train_word2vec(["a cat", "a cat"])


@pytest.mark.parametrize("name", ["size", "window", "epochs", "negatives"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1"):
        train_word2vec([["a", "a"]], **{name: 0})


def test_a_negative_share_is_refused():
    with pytest.raises(ValueError, match="subsample"):
        train_word2vec([["a", "a"]], subsample=-1)


def test_the_loss_of_a_pair_computed_by_hand():
    # scores: context 1·2 + 0·1 = 2, negatives 0 and −1
    loss = sgns_loss([1, 0], [2, 1], [[0, 3], [-1, 0]])
    assert loss == pytest.approx(np.log(1 + np.exp(-2)) + np.log(2) + np.log(1 + np.exp(-1)), rel=1e-14)
    assert loss == pytest.approx(1.1333368, abs=1e-7)


def test_the_gradient_of_a_pair_computed_by_hand():
    center, context, negatives = sgns_gradient([1, 0], [2, 1], [[0, 3], [-1, 0]])
    error = 1 / (1 + np.exp(-2)) - 1  # −0.1192029
    drawn = 1 / (1 + np.exp(1))  # 0.2689414
    assert center == pytest.approx([2 * error - drawn, error + 3 / 2], rel=1e-12)
    assert context == pytest.approx([error, 0], rel=1e-12)
    assert negatives == pytest.approx(np.array([[0.5, 0], [drawn, 0]]), rel=1e-12)


def test_loss_and_gradient_equal_pytorchs():
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=5), rng.normal(size=5), rng.normal(size=(4, 5))
    v_c, u_o, U = (torch.tensor(x, requires_grad=True) for x in arrays)
    log_sigmoid = torch.nn.functional.logsigmoid
    loss = -log_sigmoid(u_o @ v_c) - log_sigmoid(-(U @ v_c)).sum()
    loss.backward()
    assert sgns_loss(*arrays) == pytest.approx(loss.item(), rel=1e-12)
    for ours, theirs in zip(sgns_gradient(*arrays), (v_c, u_o, U), strict=True):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-12)


def test_extreme_scores_stay_finite():
    assert sgns_loss([1e3], [-1e3], [[1e3]]) == 2e6
    assert all(np.isfinite(part).all() for part in sgns_gradient([1e3], [-1e3], [[1e3]]))


def test_without_negatives_only_the_true_pair_counts():
    assert sgns_loss([0.0], [1.0], np.zeros((0, 1))) == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    "shapes", [((2,), (3,), (1, 2)), ((2,), (2,), (2,)), ((2,), (2,), (1, 3)), ((1, 2), (2,), (1, 2))]
)
def test_shapes_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="needed are shapes"):
        sgns_loss(*map(np.zeros, shapes))
