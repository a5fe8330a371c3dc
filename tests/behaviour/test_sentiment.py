import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

from avrec_lib.behaviour.sentiment import (
    LexiconSentiment,
    NaiveBayesSentiment,
    PerLanguageSentiment,
    SentimentClassifier,
    TfidfSentiment,
    evaluate_sentiment,
    split_by_text,
    terms,
)
from avrec_lib.content.text import bag_of_words
from avrec_lib.data.clips import load_clips

TEXTS = ["good good film", "good", "bad film", "film at noon"]
LABELS = [1, 1, -1, 0]
EN = ["en"] * 4
STRANGE = ["", "😂😂😂", "这个 video 太 nb 了", "好" * 2500 + "bad " * 625, "\ud83d ???"]


@pytest.fixture(scope="module")
def comments():
    return load_clips().comments


@pytest.fixture(scope="module")
def sides(comments):
    test = split_by_text(list(comments["text"]))
    return comments[~test], comments[test]


def fitted(model, table):
    return model.fit(list(table["text"]), table["sentiment"], list(table["language"]))


def asked(model, table):
    return model.predict(list(table["text"]), list(table["language"]))


def learners():
    both = PerLanguageSentiment({"en": NaiveBayesSentiment(), "zh": TfidfSentiment()})
    return [LexiconSentiment(), NaiveBayesSentiment(), TfidfSentiment(), both]


def test_naive_bayes_by_hand():
    model = NaiveBayesSentiment(longest=1).fit(TEXTS, LABELS, EN)
    # V = {at, bad, film, good, noon}; praise: good 3, film 1 of 4 words
    np.testing.assert_allclose(np.exp(model.log_theta[2]), np.array([1, 1, 2, 4, 1]) / 9)
    np.testing.assert_allclose(np.exp(model.log_prior), [1 / 4, 1 / 4, 1 / 2])
    weights = np.array([1 / 4 * 1 / 7, 1 / 4 * 1 / 8, 1 / 2 * 4 / 9])  # of "good"; "unheard" is left out
    p = model.probabilities(["good unheard"], ["en"])
    np.testing.assert_allclose(p[0], weights / weights.sum(), rtol=1e-6)


def test_a_text_without_known_words_has_the_shares_of_the_labels():
    p = NaiveBayesSentiment().fit(TEXTS, LABELS, EN).probabilities(["", "unheard"], ["en", "zh"])
    np.testing.assert_allclose(p, [[0.25, 0.25, 0.5]] * 2)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("longest", [1, 2])
def test_naive_bayes_equals_scikit_learns(sides, alpha, longest):
    train, test = (side[:600] for side in sides)
    ours = fitted(NaiveBayesSentiment(alpha, longest), train)
    counts = [bag_of_words(terms(list(side["text"]), longest), ours.vocabulary) for side in (train, test)]
    theirs = MultinomialNB(alpha=alpha).fit(counts[0], train["sentiment"])
    np.testing.assert_allclose(ours.log_theta, theirs.feature_log_prob_, rtol=1e-12)
    p = ours.probabilities(list(test["text"]), list(test["language"]))
    np.testing.assert_allclose(p, theirs.predict_proba(counts[1]), atol=1e-6)
    np.testing.assert_array_equal(asked(ours, test), theirs.predict(counts[1]))


def test_the_regression_on_tf_idf_equals_scikit_learns_pipeline(sides):
    train, test = (side[:400] for side in sides)
    ours = fitted(TfidfSentiment(C=3.0), train)
    vectorizer = TfidfVectorizer(analyzer=lambda text: terms([text])[0])
    X = vectorizer.fit_transform(train["text"])
    theirs = LogisticRegression(C=3.0, max_iter=1000).fit(X, train["sentiment"])
    expected = theirs.predict_proba(vectorizer.transform(test["text"]))
    np.testing.assert_allclose(ours.probabilities(list(test["text"]), list(test["language"])), expected, atol=1e-4)


def test_terms_are_tokens_and_runs_of_them():
    assert terms(["Not good 😂", "好看"], 2) == [["not", "good", "😂", "not good", "good 😂"], ["好看"]]
    assert terms(["a b c"], 3)[0] == ["a", "b", "c", "a b", "b c", "a b c"]
    assert terms(["", "a"]) == [[], ["a"]]


def test_the_lexicon_is_neutral_between_its_thresholds():
    model = LexiconSentiment(threshold=0.4)
    assert model.predict(["good", "haha", "where is it?", "meh", "bad"], ["en"] * 5).tolist() == [1, 0, 0, 0, -1]
    s = np.exp(np.array([-0.5, 0.4, 0.5]) / 0.2)  # "good" has the score 1/2
    np.testing.assert_allclose(model.probabilities(["good"], ["en"])[0], s / s.sum(), rtol=1e-6)


def test_the_lexicon_needs_no_labels():
    assert LexiconSentiment().predict(["好看", "bad"], ["zh", "en"]).tolist() == [1, -1]


@pytest.mark.parametrize("model", learners(), ids=lambda model: type(model).__name__)
def test_the_contract_holds_for_strange_texts(sides, model):
    fitted(model, sides[0][:400])
    for languages in (["en"] * len(STRANGE), ["zh"] * len(STRANGE)):
        p = model.probabilities(STRANGE, languages)
        assert (p.shape, p.dtype) == ((len(STRANGE), 3), np.float32)
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
        assert set(model.predict(STRANGE, languages)) <= {-1, 0, 1}
    assert model.probabilities([], []).shape == (0, 3)
    assert model.predict([], []).dtype == np.int64


def test_one_classifier_a_language_learns_from_its_own_texts_only():
    texts, labels, languages = TEXTS * 2, [*LABELS, -1, -1, 1, 0], EN + ["zh"] * 4  # in Chinese, "good" blames
    model = PerLanguageSentiment({"en": NaiveBayesSentiment(), "zh": NaiveBayesSentiment()})
    model.fit(texts, labels, languages)
    assert model.predict(["good", "good", "bad"], ["zh", "en", "zh"]).tolist() == [-1, 1, 1]
    with pytest.raises(ValueError, match="no classifier for 'zh'"):
        PerLanguageSentiment({"en": NaiveBayesSentiment()}).fit(texts, labels, languages)


def test_what_is_wrong_is_named():
    model = NaiveBayesSentiment()
    with pytest.raises(ValueError, match="call fit first"):
        model.predict(["good"], ["en"])
    with pytest.raises(ValueError, match="a language for each"):
        model.fit(TEXTS, LABELS, ["en"])
    with pytest.raises(ValueError, match="a language for each"):
        model.fit("good", [1], ["en"])
    with pytest.raises(ValueError, match="a language for each"):
        model.fit(TEXTS, LABELS, ["fr"] * 4)
    with pytest.raises(ValueError, match="4 texts, but 3 labels"):
        model.fit(TEXTS, LABELS[:3], EN)
    with pytest.raises(ValueError, match="each of -1, 0 and 1 must occur"):
        model.fit(TEXTS, [1, 1, 1, 0], EN)
    with pytest.raises(ValueError, match="labels must be one list of -1, 0 and 1"):
        model.fit(TEXTS, ["good"] * 4, EN)
    with pytest.raises(ValueError, match="replace missing ones"):
        model.fit([*TEXTS[:3], None], LABELS, EN)
    with pytest.raises(ValueError, match="no text has a word"):
        model.fit(["", "!", "?"], [1, 0, -1], ["en"] * 3)
    for wrong in ({"alpha": 0}, {"longest": 0}):
        with pytest.raises(ValueError, match="alpha must be above 0 and longest at least 1"):
            NaiveBayesSentiment(**wrong)


def test_a_classifier_has_to_say_how_it_scores():
    with pytest.raises(NotImplementedError):
        SentimentClassifier().fit(TEXTS, LABELS, EN).predict(["good"], ["en"])


def test_on_the_clips_learning_beats_the_lexicon_and_the_lexicon_beats_saying_always_praise(sides):
    train, test = sides
    y, lexicon = test["sentiment"], asked(LexiconSentiment(), test)
    always = evaluate_sentiment(y, np.ones(len(y), int), n_boot=0)
    assert evaluate_sentiment(y, lexicon, n_boot=0)["macro_f1"][0] > always["macro_f1"][0] + 0.2
    for model in (NaiveBayesSentiment(), TfidfSentiment()):
        table = evaluate_sentiment(y, asked(fitted(model, train), test), baseline=lexicon, units=test["text"])
        assert table["accuracy_gain_low"][0] > 0.03
        assert table["macro_f1_gain_low"][0] > 0


def test_a_split_by_rows_flatters(comments, sides):
    by_row = np.random.default_rng(0).random(len(comments)) < 0.3
    accuracy = [
        (asked(fitted(NaiveBayesSentiment(), train), test) == test["sentiment"]).mean()
        for train, test in (sides, (comments[~by_row], comments[by_row]))
    ]
    assert accuracy[1] > accuracy[0] + 0.1
