"""Comments, 弹幕 and searches: varied, of known sentiment, and the same on every machine."""

import hashlib
import json
import re
import unicodedata

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from avrec_lib.data.clips.comments import _slip_chinese, _slip_english, write_comments, write_searches
from avrec_lib.data.clips.words import lexicon, write_texts

N = 8000
HAN = "\u4e00-\u9fff"


def digest(table):
    """Return the first half of the SHA-256 of a table's text; pandas has no part in it."""
    return hashlib.sha256(json.dumps(table.to_dict("records")).encode()).hexdigest()[:32]


@pytest.fixture(scope="module")
def clips():
    topics = np.random.default_rng(0).integers(0, 10, 400)
    return topics, write_texts(topics, np.random.default_rng(1))["subject"].to_numpy()


@pytest.fixture(scope="module")
def comments(clips):
    about = np.random.default_rng(2).integers(0, 400, N)
    return write_comments(np.random.default_rng(3), clips[0][about], subjects=clips[1][about])


def test_8000_comments_have_more_than_3000_texts(comments):
    assert comments["text"].nunique() > 3000


def test_sentiments_and_languages_are_balanced(comments):
    for column in ("sentiment", "language"):
        shares = comments[column].value_counts(normalize=True)
        assert shares.max() - shares.min() < 0.03
    assert comments.groupby(["language", "kind", "sentiment"]).size().min() > 300


def test_each_language_is_written_in_its_own_script(comments):
    chinese = comments["text"].str.contains(f"[{HAN}]")
    assert not chinese[comments["language"] == "en"].any()
    latin = ~chinese & (comments["language"] == "zh")
    assert comments.loc[latin, "text"].str.match(r"(yyds|awsl|233|hhh)").all()


def test_danmaku_are_short_and_comments_longer(comments):
    length = comments["text"].str.len()
    for language in ("en", "zh"):
        of = comments["language"] == language
        is_danmaku = comments["kind"] == "danmaku"
        assert length[of & is_danmaku].median() < 0.7 * length[of & ~is_danmaku].median()
    assert set(comments["kind"]) == {"comment", "danmaku"}


@pytest.mark.parametrize("slang", ["yyds", "绝绝子", "破防了", "前方高能", "233", "hhhh", "泪目", "下饭"])
def test_danmaku_have_the_words_of_danmaku(comments, slang):
    assert comments.loc[comments["kind"] == "danmaku", "text"].str.contains(slang).any()


def test_irony_says_the_opposite_and_is_flagged_with_what_is_meant(comments):
    ironic = comments[comments["ironic"]]
    assert 0.02 < len(ironic) / N < 0.06
    assert set(ironic["sentiment"]) == {-1, 1}
    assert (
        ironic.loc[ironic["text"].str.contains("so helpful. said no one", regex=False, case=False), "sentiment"] == -1
    ).all()
    assert (ironic.loc[ironic["text"].str.contains("I hate you, now"), "sentiment"] == 1).all()


def test_negation_turns_the_sentiment_of_its_words(comments):
    good = comments[comments["text"].str.contains("not bad at all|挑不出毛病", case=False)]
    bad = comments[comments["text"].str.contains("not good, sorry|没觉得好看", case=False)]
    assert set(good["sentiment"]) == {1}
    assert set(bad["sentiment"]) == {-1}


def test_emoji_mostly_agree_and_sometimes_contradict(comments):
    emoji = lexicon("comments")["emoji"]
    against = comments[comments["sentiment"] == -1]["text"]
    agreeing = against.str.contains("|".join(emoji["-1"])).sum()
    contradicting = against.str.contains("|".join(set(emoji["against -1"]) - set(emoji["-1"]))).sum()
    assert 0 < contradicting < agreeing / 2


def test_some_comments_name_the_subject_of_their_clip(clips):
    topics, subjects = clips
    written = write_comments(np.random.default_rng(4), topics, subjects=subjects)
    column = (written["language"] == "zh").astype(int)
    named = [
        s.split(" / ")[c].casefold() in t.casefold() for s, c, t in zip(subjects, column, written["text"], strict=True)
    ]
    assert 0.05 < np.mean(named) < 0.4


def test_without_subjects_no_comment_names_one(clips):
    written = write_comments(np.random.default_rng(4), clips[0])
    assert not written["text"].str.contains(r"[{}]").any()


def test_given_sentiments_and_languages_are_kept(clips):
    sentiments, languages = np.tile([-1, 0, 1, 1], 100), np.tile(["zh", "en"], 200)
    written = write_comments(np.random.default_rng(5), clips[0], sentiments, languages, clips[1])
    assert written["sentiment"].tolist() == sentiments.tolist()
    assert written["language"].tolist() == languages.tolist()


def test_text_is_clean(comments):
    for text in comments["text"]:
        assert text == unicodedata.normalize("NFC", text).strip()
        assert not re.search(r"[{}]|\s\s|\s[.,!?;:](\s|$)|[,;][.,;:!?]|\?,|\b(\w+) \1\b|\b[Aa] [aeio]", text), text
        text.encode("utf-8")
    chinese = comments.loc[comments["language"] == "zh", "text"]
    assert not chinese.str.contains(f"[{HAN}][,;:!?()]|[,;:!?()][{HAN}]|[，。？！][，。]").any()


def test_the_words_tell_the_sentiment_but_not_always(comments):
    """Irony, negation and bare questions keep a bag of words from being right every time."""
    for language in ("en", "zh"):
        some = comments[comments["language"] == language].drop_duplicates("text")
        analyser = {"analyzer": "char", "ngram_range": (1, 2)} if language == "zh" else {}
        model = make_pipeline(TfidfVectorizer(**analyser), LogisticRegression(max_iter=200))
        assert 0.8 < cross_val_score(model, some["text"], some["sentiment"], cv=3).mean() < 0.999


def test_the_same_seed_writes_the_same_comments_on_every_machine(comments):
    assert digest(comments) == "0c2e6f608621b4306f8a1c801bcf208c"


@pytest.mark.parametrize("wrong", [{"sentiments": np.array([2])}, {"languages": ["de"]}])
def test_an_unknown_sentiment_or_language_is_refused(wrong):
    with pytest.raises(ValueError, match='Languages are "en" or "zh" and sentiments -1, 0 or 1'):
        write_comments(np.random.default_rng(0), np.array([0]), **wrong)


def test_arguments_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        write_comments(np.random.default_rng(0), np.array([0, 1]), np.array([0]))


@pytest.fixture(scope="module")
def searches(clips):
    return write_searches(np.random.default_rng(6), np.tile(clips[0], 5))


def test_searches_are_varied_short_and_lower_case(searches):
    assert searches["text"].nunique() > 1200
    assert searches["text"].str.len().max() < 75
    assert (searches["text"] == searches["text"].str.lower()).all()
    assert not searches["text"].str.contains(r"[{}]|\s\s|^(?:the|a|an) ").any()


def test_a_search_is_on_its_topic(searches, clips):
    topics = np.tile(clips[0], 5)
    for language in ("en", "zh"):
        of = (searches["language"] == language).to_numpy()
        model = make_pipeline(
            TfidfVectorizer(analyzer="char", ngram_range=(1, 3)), LogisticRegression(C=10, max_iter=200)
        )
        assert cross_val_score(model, searches["text"][of], topics[of], cv=3).mean() > 0.8


def test_a_slip_of_the_finger_changes_one_place():
    rng = np.random.default_rng(0)
    slips = {_slip_english(rng, "guitar") for _ in range(100)}
    assert {"guiatr", "guitr", "guiitar"} & slips
    assert all(abs(len(slip) - 6) <= 1 and slip[0] == "g" for slip in slips)
    assert _slip_english(rng, "f1") == "f1"
    assert _slip_chinese(rng, "吉他") == "吉它"
    assert _slip_chinese(rng, "手机") == "手机"


def test_searches_keep_the_given_languages_and_are_the_same_on_every_machine(searches):
    given = write_searches(np.random.default_rng(6), np.array([1, 2]), ["zh", "en"])
    assert given["language"].tolist() == ["zh", "en"]
    assert digest(searches) == "f8ebcdbd3bf809a6c75053f050fcfb9e"


def test_a_search_in_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match='Languages are "en" or "zh"'):
        write_searches(np.random.default_rng(0), np.array([1]), ["fr"])
