import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from avrec_lib.behaviour.sentiment_evaluation import evaluate_sentiment, split_by_text, text_groups
from avrec_lib.data.clips import load_clips


def test_accuracy_and_macro_f1_by_hand():
    #  praise: 2 TP, 1 FP, 1 FN: 4/6; neutral: 1 TP, 1 FP: 2/3; blame: 0 of 1: 0
    row = evaluate_sentiment([1, 1, 1, 0, -1], [1, 1, 0, 0, 1], n_boot=10).loc[0]
    assert (row["group"], row["n"], row["accuracy"]) == ("all", 5, 3 / 5)
    np.testing.assert_allclose(row["macro_f1"], (4 / 6 + 2 / 3 + 0) / 3)


def test_always_saying_praise_has_a_macro_f1_below_a_third():
    row = evaluate_sentiment([1] * 8 + [0, -1], [1] * 10).loc[0]
    assert row["accuracy"] == 0.8
    np.testing.assert_allclose(row["macro_f1"], 16 / 18 / 3)


@pytest.mark.parametrize("values", [(-1, 0, 1), (0, 1), (1,)])
def test_both_equal_scikit_learns(values):
    rng = np.random.default_rng(0)
    y, p = rng.choice(values, 50), rng.choice(values, 50)
    row = evaluate_sentiment(y, p, n_boot=5).loc[0]
    np.testing.assert_allclose(row["accuracy"], accuracy_score(y, p))
    np.testing.assert_allclose(row["macro_f1"], f1_score(y, p, average="macro"))


def test_each_value_of_each_column_is_a_group():
    columns = pd.DataFrame({"language": ["en", "zh", "zh"], "ironic": [True, False, False]}, index=[7, 8, 9])
    table = evaluate_sentiment([1, 0, 1], [1, 0, 0], columns)
    assert table["group"].tolist() == ["all", "language=en", "language=zh", "ironic=False", "ironic=True"]
    assert table["n"].tolist() == [3, 1, 2, 2, 1]
    np.testing.assert_allclose(table["accuracy"], [2 / 3, 1, 1 / 2, 1 / 2, 1])
    by_dict = evaluate_sentiment([1, 0, 1], [1, 0, 0], {"language": ["en", "zh", "zh"]})
    pd.testing.assert_frame_equal(by_dict, table[:3])


def test_the_interval_of_the_accuracy_is_that_of_a_binomial():
    y = np.ones(400, int)
    p = np.where(np.arange(400) < 300, 1, 0)
    row = evaluate_sentiment(y, p, n_boot=4000).loc[0]
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    np.testing.assert_allclose([row["accuracy_low"], row["accuracy_high"]], [0.75 - half, 0.75 + half], atol=0.006)
    assert row["macro_f1_low"] < row["macro_f1"] < row["macro_f1_high"]


def test_rows_of_one_text_are_drawn_together_so_recurring_texts_widen_the_interval():
    y, p = np.ones(400, int), np.repeat([1, 1, 1, 0], 100)
    texts = np.repeat([f"text {i}" for i in range(20)], 20)
    alone, together = (evaluate_sentiment(y, p, units=units).loc[0] for units in (None, texts))
    assert together["accuracy"] == alone["accuracy"]
    width = [row["accuracy_high"] - row["accuracy_low"] for row in (alone, together)]
    np.testing.assert_allclose(width[1] / width[0], np.sqrt(20), rtol=0.15)


def test_a_gain_is_told_on_the_same_samples():
    y = np.tile([-1, 0, 1], 40)
    worse = np.where(np.arange(120) < 60, y, 1)
    row = evaluate_sentiment(y, y, baseline=worse).loc[0]
    np.testing.assert_allclose(row["accuracy_gain"], 1 - (worse == y).mean())
    np.testing.assert_allclose(row["macro_f1_gain"], 1 - f1_score(y, worse, average="macro"))
    assert 0 < row["accuracy_gain_low"] < row["accuracy_gain"] < row["accuracy_gain_high"] < 1
    same = evaluate_sentiment(y, worse, baseline=worse).loc[0]
    assert same[["accuracy_gain_low", "accuracy_gain_high", "macro_f1_gain_low", "macro_f1_gain_high"]].eq(0).all()


def test_the_same_seed_gives_the_same_intervals():
    y, p = [1, 0, -1, 1, 0], [1, 1, -1, 0, 0]
    pd.testing.assert_frame_equal(evaluate_sentiment(y, p), evaluate_sentiment(y, p))
    assert not evaluate_sentiment(y, p, n_boot=9).equals(evaluate_sentiment(y, p, n_boot=9, seed=1))


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match="2 labels and 1 predictions"):
        evaluate_sentiment([1, 0], [1])
    with pytest.raises(ValueError, match="2 labels and 1 language"):
        evaluate_sentiment([1, 0], [1, 0], {"language": ["en"]})
    with pytest.raises(ValueError, match="2 labels and 1 units"):
        evaluate_sentiment([1, 0], [1, 0], units=["a"])
    with pytest.raises(ValueError, match="0 labels"):
        evaluate_sentiment([], [])
    with pytest.raises(ValueError, match="predictions must be one list of -1, 0 and 1"):
        evaluate_sentiment([1, 0], [1, 2])
    with pytest.raises(ValueError, match="baseline must be"):
        evaluate_sentiment([1, 0], [1, 0], baseline=["a", "b"])


def test_groups_of_texts_by_hand():
    texts = ["So good!!", "so gooooood 😂", "not this", "so good", "哈哈哈哈", "哈哈哈", "", "😂", "???"]
    assert text_groups(texts, None).max() == 8
    group = text_groups(texts, 1)
    assert group[0] == group[1] == group[3]
    assert group[4] == group[5]
    assert len(set(group)) == 6
    # pairs {ab, bc, cd} and {ab, bc, ce}: 2 of 4 are shared
    assert len(set(text_groups(["abcd", "abce"], 0.5))) == 1
    assert len(set(text_groups(["abcd", "abce"], 0.51))) == 2
    # a chain: the ends share nothing
    assert len(set(text_groups(["abc", "abcd", "bcde", "cdef"], 0.5))) == 1
    assert text_groups([]).tolist() == []


@pytest.mark.parametrize("alike", [None, 1.0, 0.5])
def test_no_text_stands_on_both_sides(alike):
    texts = load_clips().comments["text"]
    test = split_by_text(list(texts), alike=alike)
    assert set(texts[test]).isdisjoint(texts[~test])
    group = text_groups(list(texts), alike)
    assert set(group[test]).isdisjoint(group[~test])
    assert 0.3 <= test.mean() < 0.33


def test_a_split_by_rows_would_leak():
    texts = load_clips().comments["text"]
    test = np.random.default_rng(0).random(len(texts)) < 0.3
    assert texts[test].isin(texts[~test]).mean() > 0.3


def test_the_side_of_a_text_does_not_depend_on_the_order_of_the_rows():
    texts = list(load_clips().comments["text"][:500])
    test, reverse = split_by_text(texts, seed=3), split_by_text(texts[::-1], seed=3)
    np.testing.assert_array_equal(test, reverse[::-1])
    assert not np.array_equal(test, split_by_text(texts, seed=4))


def test_something_is_left_on_each_side():
    for share in (0.01, 0.99):
        test = split_by_text(["a film", "music", "noon"], share)
        assert 0 < test.sum() < 3


def test_a_split_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="nothing to split"):
        split_by_text(["so good", "so good!", "So good"])
    for share in (0, 1, np.nan):
        with pytest.raises(ValueError, match="test_share must be between 0 and 1"):
            split_by_text(["a", "b"], share)
    for alike in (0, 1.1):
        with pytest.raises(ValueError, match="alike must be above 0"):
            split_by_text(["a", "b"], alike=alike)
