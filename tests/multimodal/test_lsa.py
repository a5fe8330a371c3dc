"""Latent semantic analysis: a table by hand, beside scikit-learn, and the same numbers out of a file."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from avrec_lib.multimodal.lsa import COMMON, RARE, Lsa

SUBJECTS = (("cat", "dog", "paw", "fur"), ("rice", "soup", "salt", "pan"), ("goal", "ball", "team", "kick"))


def texts(n=400, n_words=150, seed=0):
    """Return texts of two or three words of one subject, spelt in fifty ways so that none is too common, and noise."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        of = rng.integers(0, 3)
        words = [f"{word}{rng.integers(0, 25)}" for word in rng.choice(SUBJECTS[of], rng.integers(2, 4))]
        found.append([*words, *[f"w{w}" for w in rng.integers(0, n_words, 3)], words[0]])
    return found


def test_two_words_by_hand():
    """x = (1 + ln n) idf: "tea" twice with idf 1 and "milk" once with idf 2, seen from V = [[3, 4], [4, −3]] / 5."""
    lsa = Lsa({"tea": 1.0, "milk": 2.0}, np.array([[0.6, 0.8], [0.8, -0.6]], dtype=np.float32))
    a, b = 1 + math.log(2), 2.0
    z = np.array([0.6 * a + 0.8 * b, 0.8 * a - 0.6 * b])
    np.testing.assert_allclose(lsa.apply([["tea", "milk", "tea"]])[0], z / np.hypot(a, b), rtol=1e-6)


def test_two_kinds_of_texts_by_hand():
    """Words that only occur together are one direction; both kinds have three texts, so V's columns are the two."""
    lsa = Lsa.learn([["a", "b"]] * 3 + [["c"]] * 2 + [["c", "c"]], 2)
    assert list(lsa.idf) == ["a", "b", "c"]
    assert lsa.idf["a"] == pytest.approx(math.log(7 / 4) + 1)  # ln((1 + n) / (1 + n_w)) + 1
    z = lsa.apply([["a"], ["b"], ["a", "b", "a"], ["c"]])
    np.testing.assert_allclose(np.abs(z @ z.T), [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]], atol=1e-6)


@pytest.mark.parametrize("d", [2, 20])
def test_it_is_what_scikit_learn_finds(d):
    known = texts()
    lsa = Lsa.learn(known, d, seed=3)
    counter = TfidfVectorizer(analyzer=list, min_df=RARE, max_df=round(COMMON * len(known)), sublinear_tf=True)
    table = counter.fit_transform(known)
    z = TruncatedSVD(d, n_iter=7, random_state=3).fit_transform(table)
    np.testing.assert_allclose(lsa.apply(known), z / np.linalg.norm(z, axis=1, keepdims=True), atol=2e-6)
    assert lsa.V.shape == (len(counter.vocabulary_), d)
    assert lsa.V.dtype == lsa.apply(known).dtype == np.float32


def test_a_new_text_is_what_scikit_learn_makes_of_it():
    known, new = texts(), [[*text, "never", "seen"] for text in texts(50, seed=1)]
    lsa = Lsa.learn(known, 8)
    counter = TfidfVectorizer(analyzer=list, min_df=RARE, max_df=round(COMMON * len(known)), sublinear_tf=True)
    svd = TruncatedSVD(8, n_iter=7, random_state=0).fit(counter.fit_transform(known))
    z = svd.transform(counter.transform(new))
    np.testing.assert_allclose(lsa.apply(new), z / np.linalg.norm(z, axis=1, keepdims=True), atol=2e-6)


def test_texts_on_one_subject_are_alike_though_they_share_no_word():
    """Each text has two of the four words of its subject; "a b" and "c d" share none, and still point one way."""
    known = [[x, y] for words in ("abcd", "efgh") for x in words for y in words if x < y]
    z = Lsa.learn(known, 2).apply([["a", "b"], ["c", "d"], ["e", "f"]])
    np.testing.assert_allclose(z @ z.T, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-5)


def test_rows_have_length_one_and_a_text_without_a_known_word_is_zero():
    lsa = Lsa.learn(texts(), 5)
    z = lsa.apply([*texts(20, seed=2), ["never", "seen"], []])
    np.testing.assert_allclose(np.linalg.norm(z[:20], axis=1), 1, rtol=1e-6)
    assert not z[20:].any()
    assert lsa.apply([]).shape == (0, 5)
    assert not lsa.apply([["never"]]).any()


def test_unknown_words_change_nothing():
    lsa, some = Lsa.learn(texts(), 5), texts(20, seed=2)
    np.testing.assert_array_equal(lsa.apply([[*text, "never"] for text in some]), lsa.apply(some))


def test_rare_and_common_words_are_left_out():
    known = [["rare"] * 5] * (RARE - 1) + [["known"]] * RARE + [["too", "other"]] * 4 + [["other2", "known2"]] * 3
    assert set(Lsa.learn(known, 1).idf) == {"known", "other2", "known2"}


def test_json_gives_back_the_same_bits():
    lsa = Lsa.learn(texts(), 7)
    back = Lsa.of(json.loads(json.dumps(lsa.to_dict())))
    assert list(back.idf.items()) == list(lsa.idf.items())
    np.testing.assert_array_equal(back.V, lsa.V)
    assert back.V.dtype == np.float32
    np.testing.assert_array_equal(back.apply(texts(30, seed=4)), lsa.apply(texts(30, seed=4)))


def test_the_same_seed_gives_the_same_directions():
    np.testing.assert_array_equal(Lsa.learn(texts(), 4, seed=1).V, Lsa.learn(texts(), 4, seed=1).V)


def test_few_texts_have_fewer_directions():
    assert Lsa.learn([["a", "b", "c"]] * 3 + [["d"]], 32).V.shape == (3, 2)
    assert Lsa.learn([["a", "b"]] * 3, 32).V.shape == (2, 1)  # all alike: their variance is 0


@pytest.mark.parametrize("known", [[], [[], [], []], [["a"], ["a"], ["b"]], [["everywhere"]] * 50])
def test_too_few_texts_are_refused(known):
    with pytest.raises(ValueError, match=r"no word is in 3 to 3 of the \d+ known texts; read text as words"):
        Lsa.learn(known, 4)


def test_a_single_word_has_no_direction():
    with pytest.raises(ValueError, match="too few words for a direction"):
        Lsa.learn([["a"]] * 3, 4)


@pytest.mark.parametrize("V", [[[1.0]], [1.0, 2.0], [[1.0], [float("nan")]]])
def test_directions_that_do_not_fit_the_words_are_refused(V):
    with pytest.raises(ValueError, match="a row of numbers for each word"):
        Lsa.of({"idf": {"a": 1.0, "b": 1.0}, "V": V})
