import numpy as np
import pytest

from avrec_lib.behaviour import lexicon, lexicon_words
from avrec_lib.behaviour.lexicon import Evidence, judge


def score(text):
    return judge(text).score


def counted(text):
    return [evidence.word for evidence in judge(text).evidence]


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("good", 2),
        ("bad", -2),
        ("amazing", 3),
        ("not good", -1),
        ("very good", 3),
        ("a bit boring", -1),
        ("not very good", -1),  # a negated word takes no intensity
        ("very very very good", 3),  # repeating "very" adds nothing
        ("goooood", 3),
        ("hahahaha", 1.5),
        ("really so good", 4.5),
        ("good and bad", 0),
        ("boring, but amazing", -1 + 3),
        ("amazing but boring", 1.5 - 2),
        ("good 👍", 4),
        ("好看", 2),
        ("不好看", -1),
        ("不好", -0.5),
        ("没意思", -2),
        ("太好看了", 3),
        ("好看死了", 3),
        ("有点无聊", -1),
        ("哈哈", 1),
        ("哈哈哈", 1.5),
        ("哈哈哈哈哈", 1.5),
        ("66666", 1.5),
        ("无聊但是好看", -1 + 2),
        ("👍", 2),
        ("👍🏽", 2),
        ("❤️", 2),
        ("😍😍😍", 4.5),
        ("", 0),
        ("🎬", 0),
        ("The video is 3.5 minutes long", 0),
    ],
)
def test_scores_by_hand(text, total):
    np.testing.assert_allclose(score(text), total / (2 + abs(total)))


def test_the_evidence_says_which_word_counted_how_much_and_whether_it_was_negated():
    assert judge("It isn't funny, but the ending is sooo good!").evidence == (
        Evidence("funny", 2, -0.25, True),
        Evidence("good", 2, 1.5, False),
    )
    assert judge("一点都不好看！").evidence == (Evidence("好看", 2, -0.5, True),)


@pytest.mark.parametrize("slang", ["666", "哈哈哈", "泪目", "绝绝子", "yyds", "awsl", "xswl", "hhhhh", "233333"])
def test_the_slang_of_danmaku_praises(slang):
    assert score(slang) > 0.15


@pytest.mark.parametrize("slang", ["拉胯", "无语", "下头", "劝退", "就这", "辣眼睛", "一般般"])
def test_the_slang_of_danmaku_blames(slang):
    assert score(slang) < -0.15


def test_the_evidence_fits_on_a_line():
    assert judge("isn't funny, so good").why == "funny 2 × -0.5, good 2 × 1.5"
    assert judge("Where is it?").why == "no known word"


def test_a_negation_reaches_over_two_words_and_over_four_chinese_characters_and_no_further():
    assert score("not a very good film") < 0
    assert score("not that I think it good") > 0
    assert score("没有一分钟无聊") > 0
    assert score("没有那么多时间好看") > 0


def test_a_negation_ends_with_its_clause_and_with_the_word_it_turned():
    assert counted("no, good") == ["good"]
    assert score("no, good") > 0
    assert score("not boring good") > score("not boring") > 0
    assert [e.negated for e in judge("not boring, bad").evidence] == [True, False]


def test_two_negations_cancel():
    assert score("没有不好看") == score("好看")


def test_an_emoji_is_neither_negated_nor_does_it_use_a_negation_up():
    assert score("I do not know 😂") > 0
    assert score("not 😂 good") < score("😂")


def test_apostrophes_may_be_left_out():
    assert score("dont find it funny") == score("don't find it funny") < 0
    assert score("cant wait") == score("can’t wait") > 0


def test_a_word_with_two_jobs_is_an_intensity_only_before_a_word_of_opinion():
    assert judge("pretty").evidence == (Evidence("pretty", 2, 1, False),)
    assert judge("pretty bad").evidence == (Evidence("bad", -2, 1.5, False),)
    assert judge("好难看").evidence == (Evidence("难看", -2, 1.5, False),)


def test_the_longest_entry_counts_so_that_parts_of_other_words_do_not():
    for text in ("好像下雨了", "大家好", "不好意思", "香港", "love story"):
        assert counted(text) == []
    assert counted("waste of time") == ["waste of time"]


def test_hashtags_and_emoticons_are_read():
    assert counted("#awesome #好看#") == ["awesome", "好看"]
    assert score(":)") > 0 > score(":-(")


def test_a_text_may_mix_both_languages():
    assert counted("这个 video 太 nb 了, but a bit boring") == ["nb", "boring"]


def test_case_and_full_width_letters_do_not_matter():
    assert score("AMAZING") == score("ＹＹＤＳ") == score("amazing")


def test_a_long_text_stays_between_minus_one_and_one():
    for text in ("good " * 1000, "很烂" * 2500, "a" * 5000, "😂🔥" * 2500, "哈" * 5000):
        assert -1 < score(text) < 1
    assert score("真好看，" * 1250) > 0.99


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="replace missing ones"):
        judge(None)


def test_irony_is_not_understood():
    assert score("wow, so helpful. said no one ever") > 0


def test_no_word_stands_in_two_lists():
    entries = [*lexicon_words.PRAISE.values(), *lexicon_words.BLAME.values(), lexicon_words.NO_OPINION]
    keys = [lexicon._key(word) for of_one in entries for word in of_one.split()]
    assert len(keys) == len(set(keys)) == len(lexicon.STRENGTH)
    assert {lexicon._word(key) for key in lexicon.MODIFIERS & set(lexicon.STRENGTH)} == {"好", "pretty"}


def test_every_entry_is_found_alone():
    for key, strength in lexicon.STRENGTH.items():
        text = ("" if lexicon.HAN.match(key[0]) else " ").join(key)
        assert np.sign(score(text)) == np.sign(strength), text
