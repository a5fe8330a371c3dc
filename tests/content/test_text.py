import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.svm import LinearSVC

from avrec_lib.content.text import (
    bag_of_words,
    clean,
    inverse_document_frequency,
    tf_idf,
    tokens,
    vocabulary,
)

ANY_TEXT = st.text(st.characters(codec=None, categories=None))  # every code point, lone surrogates too


def cosine(documents):
    counts = bag_of_words(documents, vocabulary(documents)).toarray()
    return counts[0] @ counts[1] / np.sqrt((counts[0] @ counts[0]) * (counts[1] @ counts[1]))


def test_lone_surrogates_become_the_replacement_character_and_pairs_the_character_they_mean():
    """Field case T3."""
    assert clean("好看\ud83d") == "好看\ufffd"
    assert clean("\ud83d\ude02") == "😂"
    assert clean("好看😂").encode("utf-8").decode("utf-8") == "好看😂"
    assert clean("\ud83d\ud83d\ude02") == "\ufffd😂"
    assert clean("\ude02a\ud83d") == "\ufffda\ufffd"


def test_cleaning_composes_accents_and_drops_what_cannot_be_seen():
    assert clean("cafe\u0301") == "café"
    assert clean("\ufeffso\u00adft\u200b \x00\x07red\u202e") == "soft red"
    assert clean(" two\r\n\tlines\u3000here\xa0 ") == "two lines here"
    assert clean("e\u200b\u0301") == "é"
    assert clean("👩\u200d👧") == "👩\u200d👧"
    assert clean("") == clean(" \n ") == ""


@settings(deadline=None, max_examples=50)  # jieba's dictionary takes a second to load
@given(ANY_TEXT)
def test_a_clean_text_is_utf8_and_cleaning_it_again_changes_nothing(text):
    once = clean(text)
    assert once.encode("utf-8").decode("utf-8") == once
    assert clean(once) == once


@settings(deadline=None, max_examples=50)  # jieba's dictionary takes a second to load
@given(ANY_TEXT)
def test_every_text_has_tokens_without_space_or_capitals(text):
    assert all(token and not any(c.isspace() for c in token) for token in tokens(text))
    assert all(token == token.lower() for token in tokens(text, "en"))


@pytest.mark.parametrize("missing", [None, float("nan"), 3, ["a"]])
def test_a_missing_text_is_refused_with_the_remedy(missing):
    with pytest.raises(ValueError, match="replace missing ones by ''"):
        clean(missing)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't miss it: 4K #cats!", ["don't", "miss", "it", "4k", "#cats"]),
        ("Rock’n’Roll, dogs' well-known O'Brien", ["rock'n'roll", "dogs", "well", "known", "o'brien"]),
        ("10,000 views at 3.5 mm, 3:0, v2.0.", ["10,000", "views", "at", "3.5", "mm", "3:0", "v2.0"]),
        ("We're #1 #2026goals #a_b", ["we're", "1", "#2026goals", "#a_b"]),
        ("CAFÉ cafe\u0301", ["café", "café"]),
        ("ＡＩ２０２６＃猫", ["ai2026", "#猫"]),
        ("हिन्दी नमस्ते", ["हिन्दी", "नमस्ते"]),
        ("", []),
        ("?!… — © ™", []),
    ],
)
def test_english_tokens(text, expected):
    assert tokens(text) == tokens(text, "en") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我喜欢电影", ["我", "喜欢", "电影"]),
        ("今天是个阴天，会下雨。", ["今天", "是", "个", "阴天", "会", "下雨"]),
        ("今天 是 个 阴天", ["今天", "是", "个", "阴天"]),
        ("我喜欢电影 and tea第3季", ["我", "喜欢", "电影", "and", "tea", "第", "3", "季"]),
        ("#搞笑#今天真好看", ["#搞笑", "今天", "真", "好看"]),
        ("#世界杯2022# #猫", ["#世界杯2022", "#猫"]),
        ("人\U00020000", ["人", "\U00020000"]),
    ],
)
def test_chinese_and_mixed_tokens(text, expected):
    assert tokens(text) == tokens(text, "zh") == expected


def test_emoji_are_tokens_joined_ones_are_one_and_variation_selectors_do_not_count():
    assert tokens("好看😂😂 ❤️❤") == ["好看", "😂", "😂", "❤", "❤"]
    assert tokens("👩‍👩‍👧‍👦👍🏽🇨🇳🇫🇷1️⃣") == ["👩‍👩‍👧‍👦", "👍🏽", "🇨🇳", "🇫🇷", "1⃣"]


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="there are auto, en, zh"):
        tokens("bonjour", "fr")


def test_chinese_words_of_one_character_are_kept():
    """Field case T1."""
    documents = [tokens("今天 是 个 阴天"), tokens("会 下 雨")]
    assert sum(map(len, documents)) == len(vocabulary(documents)) == 7
    assert len(CountVectorizer().fit(["今天 是 个 阴天", "会 下 雨"]).vocabulary_) == 2
    with pytest.raises(ValueError, match="empty vocabulary"):
        CountVectorizer().fit(["好 看", "哭 了"])
    assert set(vocabulary([tokens("好 看"), tokens("哭 了")])) == {"好", "看", "哭", "了"}


def test_cosine_of_two_chinese_texts_is_0_unsegmented_two_thirds_in_words_three_fifths_in_characters():
    """Field case T1."""
    texts = ["我喜欢电影", "我喜欢音乐"]
    assert cosine([tokens(text, "en") for text in texts]) == 0
    assert cosine([tokens(text) for text in texts]) == pytest.approx(2 / 3, rel=1e-12)
    assert cosine([list(text) for text in texts]) == pytest.approx(3 / 5, rel=1e-12)


def test_an_empty_document_is_a_zero_row_even_if_all_are_empty():
    """Field case T1."""
    documents = [tokens("好看"), tokens(""), tokens("好看 猫")]
    weights = tf_idf(bag_of_words(documents, vocabulary(documents)))
    assert weights.toarray()[1].tolist() == [0, 0]
    assert np.linalg.norm(weights.toarray(), axis=1) == pytest.approx([1, 0, 1])
    assert vocabulary([[], []]) == {}
    assert tf_idf(bag_of_words([[], []], {})).shape == (2, 0)
    assert tf_idf(bag_of_words([[], []], {"cat": 0})).nnz == 0
    assert tf_idf(bag_of_words([], {"cat": 0})).shape == (0, 1)


def test_the_vocabulary_is_sorted_whatever_the_order_of_the_documents():
    documents = [["b", "a", "b"], ["c", "a"]]
    assert vocabulary(documents) == vocabulary(documents[::-1]) == {"a": 0, "b": 1, "c": 2}
    assert vocabulary(documents, min_count=2) == {"a": 0, "b": 1}
    with pytest.raises(ValueError, match="at least 1"):
        vocabulary(documents, min_count=0)


def test_bag_of_words_counts_and_leaves_unknown_tokens_out():
    counts = bag_of_words(iter([["b", "a", "b", "x"], ["x"]]), {"a": 0, "b": 1, "c": 2})
    assert counts.toarray().tolist() == [[1, 2, 0], [0, 0, 0]]
    assert counts.dtype == np.int64
    assert counts.has_canonical_format


def test_scikit_learn_fits_linear_models_on_our_vectors():
    counts = bag_of_words([["b", "a"], ["c"], ["a"], ["c", "c"]], {"a": 0, "b": 1, "c": 2})
    assert counts.indices.dtype == counts.indptr.dtype == np.int32  # 64-bit indices are refused
    for vectors in (counts, tf_idf(counts)):
        assert LinearSVC().fit(vectors, [0, 1, 0, 1]).score(vectors, [0, 1, 0, 1]) == 1


def test_bag_of_words_equals_scikit_learn():
    texts = ["the cat sat on the mat", "a dog, a cat", "", "nothing else"]
    documents = [tokens(text) for text in texts]
    peer = CountVectorizer(analyzer=tokens).fit(texts)
    assert vocabulary(documents) == peer.vocabulary_
    assert (bag_of_words(documents, peer.vocabulary_) != peer.transform(texts)).nnz == 0


def test_a_str_where_a_list_of_tokens_belongs_is_refused():
    with pytest.raises(ValueError, match=r"document 1 must be a list of tokens, not 'cat'"):
        vocabulary([["cat"], "cat"])
    with pytest.raises(ValueError, match="document 0"):
        bag_of_words([["cat", 3]], {"cat": 0})
    with pytest.raises(ValueError, match="list of lists of tokens"):
        vocabulary("cat")
    with pytest.raises(ValueError, match="columns 0, 1, 2"):
        bag_of_words([["cat"]], {"cat": 1})


def test_tf_idf_of_a_table_computed_by_hand():
    counts = [[1, 1], [0, 2], [0, 0]]  # df = 1, 2; n = 3; idf = ln(4/2) + 1, ln(4/3) + 1
    rare, common = np.log(2) + 1, np.log(4 / 3) + 1
    assert inverse_document_frequency(counts) == pytest.approx([rare, common], rel=1e-15)
    length = np.hypot(rare, common)
    assert tf_idf(counts).toarray() == pytest.approx(np.array([[rare / length, common / length], [0, 1], [0, 0]]))


def test_tf_idf_equals_scikit_learn():
    counts = sp.csr_array(np.random.default_rng(0).poisson(0.3, (50, 30)))
    assert (np.diff(counts.indptr) == 0).sum() == 0
    counts = sp.csr_array(sp.vstack([counts, sp.csr_array((2, 30), dtype=np.int64)]))
    peer = TfidfTransformer().fit(counts)
    np.testing.assert_allclose(inverse_document_frequency(counts), peer.idf_, rtol=1e-14)
    np.testing.assert_allclose(tf_idf(counts).toarray(), peer.transform(counts).toarray(), rtol=1e-13)
    np.testing.assert_allclose(
        tf_idf(counts[:5], peer.idf_).toarray(), peer.transform(counts[:5]).toarray(), rtol=1e-13
    )


def test_tf_idf_neither_counts_stored_zeros_nor_changes_its_input():
    stored = sp.csr_array((np.array([1.0, 0.0, 2.0]), np.array([0, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    before = stored.data.copy()
    np.testing.assert_array_equal(tf_idf(stored).toarray(), tf_idf(stored.toarray()).toarray())
    np.testing.assert_array_equal(stored.data, before)


def test_idf_weights_of_zero_leave_a_zero_row_without_nan():
    assert tf_idf([[1, 0], [1, 1]], idf=[0, 1]).toarray().tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize("bad", [[[-1, 2]], [[np.nan, 1]], [[np.inf, 1]], [1, 2]])
def test_impossible_counts_are_refused(bad):
    with pytest.raises(ValueError, match="counts must be a table"):
        tf_idf(bad)


@pytest.mark.parametrize("idf", [[1.0], [1, -1], [1, np.nan]])
def test_impossible_idf_weights_are_refused(idf):
    with pytest.raises(ValueError, match=r"the counts need \(2,\)"):
        tf_idf([[1, 1]], idf)


def test_jieba_says_nothing_on_the_page():
    code = "from avrec_lib.content.text import tokens; print(tokens('我喜欢电影') == ['我', '喜欢', '电影'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("True", "")
