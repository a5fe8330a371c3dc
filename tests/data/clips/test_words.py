"""The words of the clips: distinct, the same in both languages, grammatical, and enough to tell the topic."""

import hashlib
import json
import re
import unicodedata

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from avrec_lib.data.clips.words import alt_texts, lexicon, slots, write_texts
from avrec_lib.data.clips.world import TOPICS

N = 2000
TEXTS = ["title_en", "title_zh", "description_en", "description_zh"]
HAN = "\u4e00-\u9fff"


def digest(table):
    """Return the first half of the SHA-256 of a table's text; pandas has no part in it."""
    return hashlib.sha256(json.dumps(table.to_dict("records")).encode()).hexdigest()[:32]


@pytest.fixture(scope="module")
def topics():
    return np.random.default_rng(0).integers(0, len(TOPICS), N)


@pytest.fixture(scope="module")
def texts(topics):
    return write_texts(topics, np.random.default_rng(1))


def everything(texts, language):
    """All words of a clip in one language, a clip a string."""
    tags = texts[f"tags_{language}"].str.join(" ")
    return texts[f"title_{language}"] + " " + tags + " " + texts[f"description_{language}"]


def english_strings():
    """Every English string of the lexicons of titles, frames filled with every subject that may meet them."""
    general = lexicon("frames")
    for topic in lexicon("topics"):
        for subject in topic["subjects"]:
            words = slots(subject, 0)
            kinds = [kind for kind in ("habit", "project") if kind in subject["flags"]]
            frames = topic["frames"] + topic["core_frames"] + general["any"] + general["subject_sentences"]
            for en, _ in frames + [pair for kind in kinds for pair in general[kind]]:
                yield en.format(**words, k=3, j=1, m=5, d=12)
            yield subject["detail"][0]


def chinese_strings():
    """The same in Chinese."""
    general = lexicon("frames")
    for topic in lexicon("topics"):
        for subject in topic["subjects"]:
            words = slots(subject, 1)
            frames = topic["frames"] + general["any"] + general["habit"] + general["subject_sentences"]
            for _, zh in frames + (topic["core_frames"] if "core" in subject["flags"] else []):
                yield zh.format(**words, k=3, j=1, m=5, d=12)
            yield subject["detail"][1]


def test_the_lexicon_has_the_topics_of_the_world_in_their_order():
    assert tuple(topic["name"] for topic in lexicon("topics")) == TOPICS


def test_each_topic_has_24_subjects_and_14_frames_of_its_own_and_there_are_25_general_ones():
    for topic in lexicon("topics"):
        assert len(topic["subjects"]) >= 24
        assert len(topic["frames"] + topic["core_frames"]) >= 14
    assert len(lexicon("frames")["any"]) >= 25


def test_no_subject_or_frame_is_listed_twice():
    subjects = [subject for topic in lexicon("topics") for subject in topic["subjects"]]
    for language in (0, 1):
        assert pd.Series([" / ".join(subject["it"]) for subject in subjects]).is_unique
        assert pd.Series([subject["do"][language] for subject in subjects]).is_unique
        frames = [frame[language] for topic in lexicon("topics") for frame in topic["frames"]]
        assert pd.Series(frames + [frame[language] for frame in lexicon("frames")["any"]]).is_unique


@pytest.mark.parametrize("language", ["en", "zh"])
def test_2000_clips_have_2000_titles(texts, language):
    assert texts[f"title_{language}"].str.casefold().nunique() == N


def test_both_titles_of_a_clip_are_about_its_subject_or_neither_is(texts):
    by_name = {" / ".join(s["it"]): s for topic in lexicon("topics") for s in topic["subjects"]}
    named = []
    for row in texts.itertuples():
        forms = [[form.casefold() for form in slots(by_name[row.subject], i).values()] for i in (0, 1)]
        titles = row.title_en.casefold(), row.title_zh.replace(" ", "，").casefold()
        en, zh = (any(form in title for form in own) for form, title, own in zip("ez", titles, forms, strict=True))
        assert en == zh, row
        named.append(en)
    assert 0.8 < np.mean(named) < 0.95  # the others tell nothing of their subject


def test_paired_frames_have_the_same_numbers_and_slots_for_the_same_subject():
    general = lexicon("frames")
    pairs = [
        pair for topic in lexicon("topics") for kind in ("frames", "core_frames", "bare_frames") for pair in topic[kind]
    ]
    pairs += [pair for kind in ("any", "habit", "project", "bare", "prefixes", "suffixes") for pair in general[kind]]
    pairs += general["subject_sentences"]
    for en, zh in pairs:
        numbers = [set(re.findall(r"\{([kjmd])\}", text)) for text in (en, zh)]
        named = [bool(re.search(r"\{(do|doing|did|it)\}", text)) for text in (en, zh)]
        assert numbers[0] == numbers[1], (en, zh)
        assert named[0] == named[1], (en, zh)


def test_tags_are_two_to_four_pairs_of_which_one_is_the_subjects(texts):
    pairs = {tuple(tag) for topic in lexicon("topics") for tag in topic["tags"]} | set(
        map(tuple, lexicon("frames")["tags"])
    )
    own = {" / ".join(s["it"]): set(map(tuple, s["tags"])) for topic in lexicon("topics") for s in topic["subjects"]}
    for row in texts.itertuples():
        tags = set(zip(row.tags_en, row.tags_zh, strict=True))
        assert 2 <= len(row.tags_en) == len(tags) <= 4
        assert len(set(row.tags_en)) == len(set(row.tags_zh)) == len(tags)
        assert tags & own[row.subject]
        assert tags <= pairs | own[row.subject]


def test_descriptions_are_one_to_three_sentences(texts):
    ends = texts["description_zh"].str.count("[。！？]")
    assert ends.ge(1).all()
    assert texts["description_en"].str.len().between(15, 330).all()
    assert texts["description_en"].nunique() > 0.8 * N


def test_text_is_nfc_without_slots_double_spaces_or_lone_surrogates(texts):
    for column in TEXTS:
        for text in texts[column]:
            assert text == unicodedata.normalize("NFC", text).strip()
            assert not re.search(r"[{}]|\s\s|\s[.,!?;:](\s|$)", text), text
            text.encode("utf-8")


def test_english_articles_fit_the_word_that_follows():
    for text in english_strings():
        assert not re.search(r"\b[Aa] [aeioAEIO](?!ne\b)", text), text
        assert not re.search(r"\b[Aa]n [^aeiouhAEIOUHFLMNRSX8]", text), text
        assert not re.search(r"\b(the|a|an|my|your) (the|a|an|my|your)\b", text, re.IGNORECASE), text


def test_english_has_no_word_twice_in_a_row_and_no_double_punctuation():
    for text in english_strings():
        assert not re.search(r"(?<!throw-)\b(\w+) \1\b", text, re.IGNORECASE), text
        assert not re.search(r"[,;:][.,;:!?]|[!?]\.", text), text


def test_verbs_have_their_forms():
    verbs = lexicon("frames")["verbs"]
    assert verbs["make"] == ["making", "made"]
    assert verbs["nutmeg"] == ["nutmegging", "nutmegged"]
    assert verbs["apply"] == ["applying", "applied"]
    assert verbs["draw"] == ["drawing", "drew"]
    assert all(doing.endswith("ing") for doing, _ in verbs.values())


def test_chinese_has_chinese_punctuation_and_no_character_twice_where_a_frame_meets_a_subject():
    for text in chinese_strings():
        assert not re.search(f"[{HAN}][,;:!?()]|[,;:!?()][{HAN}]", text), text
        doubled = "，，|。。|，。|：：|！。|的的|在在|去去|给给|把把|了了|用用|和和|会会|去在|来在"
        assert not re.search(doubled, text), text


def test_styled_chinese_titles_keep_chinese_punctuation(texts):
    for column in ("title_zh", "description_zh"):
        bad = texts[column].str.contains(f"[{HAN}][,;:!?()]|[,;:!?()][{HAN}]|[，。！？][，。！？]|，$")
        assert texts.loc[bad, column].tolist() == []


LOOK_AND_SOUND = (
    r"\b(?:red|yellow|green|blue|purple|white|black|orange|pink|brown|gr[ae]y|colou?r(?:s|ed|ful)?|bright\w*|dark\w*"
    r"|warm\w*|cold|stripe[sd]?|plain|background|fast|slow\w*|loud|tempo|beat|rhythm|melody|blues|jazz|rock music|pop"
    r"|circles?|stars?|moons?)\b"
    r"|[红黄绿蓝紫白黑橙粉灰棕]色|颜色|明亮|昏暗|鲜艳|暖|冷|条纹|背景|节奏|旋律|快歌|慢歌|摇滚|爵士|民谣|圆形|星星|月亮|爱心"
)


def test_no_word_tells_of_the_look_the_sound_or_the_object_on_the_cover(texts):
    for language in ("en", "zh"):
        words = everything(texts, language).str.lower()
        assert words[words.str.contains(LOOK_AND_SOUND)].tolist() == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_topic_is_told_by_all_words_together_and_not_by_titles_alone(texts, topics, language):
    options = {"analyzer": "char", "ngram_range": (1, 2)} if language == "zh" else {}

    def accuracy(words):
        model = make_pipeline(TfidfVectorizer(**options), LogisticRegression(C=10, max_iter=200))
        return cross_val_score(model, words, topics, cv=5).mean()

    assert accuracy(everything(texts, language)) >= 0.97
    assert 0.8 < accuracy(texts[f"title_{language}"]) < 0.96


def test_words_shared_between_topics_are_there(topics, texts):
    words = everything(texts, "en").str.lower()
    for word in ("strings?", "scales?", "pitch", "apple", "band", "shoots?", "roots?", "screen", "bridge"):
        assert len(set(topics[words.str.contains(rf"\b{word}\b")])) >= 2, word


def test_the_same_seed_writes_the_same_words_on_every_machine(topics):
    texts = write_texts(topics[:200], np.random.default_rng(1))
    assert digest(texts) == "522750acd6386034b4d2dcfd3131fda7"


def test_no_clips_give_an_empty_table_with_all_columns():
    table = write_texts(np.array([], dtype=int), np.random.default_rng(0))
    assert len(table) == 0
    assert set(TEXTS) < set(table.columns)


def test_titles_may_repeat_when_there_are_more_clips_than_new_titles(monkeypatch):
    monkeypatch.setattr("avrec_lib.data.clips.words.TRIES", 1)
    table = write_texts(np.zeros(400, dtype=int), np.random.default_rng(0))
    assert len(table) == 400
    assert table["title_en"].nunique() < 400


def test_an_unknown_topic_is_refused():
    with pytest.raises(ValueError, match="Topics are 0 to 9, not 3 to 10"):
        write_texts(np.array([3, 10]), np.random.default_rng(0))


SHAPES = ["circle", "star", "triangle", "square", "heart", "moon", "cross", "flower"]
COLOURS = ["red", "yellow", "green", "blue", "purple", "white"]
SHAPES_ZH = ["圆形", "星星", "三角形", "正方形", "爱心", "月亮", "十字", "花"]


@pytest.fixture(scope="module")
def covers():
    """Each shape, colour and count 20 times, and its descriptions."""
    grid = np.array(np.meshgrid(range(8), range(6), range(1, 4), range(20))).reshape(4, -1)
    return grid[:3], alt_texts(*grid[:3], np.random.default_rng(0))


def test_alt_texts_name_shape_colour_and_number_in_both_languages(covers):
    codes, table = covers
    for shape, colour, count, en, zh in zip(*codes, table["alt_en"], table["alt_zh"], strict=True):
        words = re.findall(r"\w+", en.lower())
        plural = SHAPES[shape] + ("es" if SHAPES[shape] == "cross" else "s")
        assert [word for word in words if word in COLOURS] == [COLOURS[colour]]
        assert (SHAPES[shape] if count == 1 else plural) in words
        assert (plural in words) == (count > 1)
        assert count == 1 or ("one", "two", "three")[count - 1] in words
        assert SHAPES_ZH[shape] in zh
        assert "红黄绿蓝紫白"[colour] in zh
        assert "一两三"[count - 1] in zh


def test_alt_texts_have_several_phrasings_and_good_grammar(covers):
    codes, table = covers
    two_red_stars = (codes[0] == 1) & (codes[1] == 0) & (codes[2] == 2)
    assert table["alt_en"][two_red_stars].str.lower().nunique() >= 6
    assert table["alt_zh"][two_red_stars].nunique() >= 6
    assert not table["alt_en"].str.contains(r"\ba [aeiou]|  |[{}]|\bis (?:two|three)|\bare one", case=False).any()
    assert not table["alt_zh"].str.contains(r"[{}]|二|  |[,:]").any()


def test_alt_texts_are_the_same_on_every_machine(covers):
    assert digest(covers[1]) == "72f6897d91216a5550e9b4a0ae4f615f"


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ((8, 0, 1), "Every shape must be from 0 to 7"),
        ((0, 6, 1), "Every colour"),
        ((0, 0, 4), "Every count must be from 1 to 3"),
    ],
)
def test_a_code_out_of_range_is_refused(codes, message):
    with pytest.raises(ValueError, match=message):
        alt_texts(*np.array(codes)[:, None], np.random.default_rng(0))
