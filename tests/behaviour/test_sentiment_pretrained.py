import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avrec_lib.behaviour.sentiment_pretrained import ANSWERS, LikelihoodSentiment, VectorSentiment
from avrec_lib.content.language import MAX_TEXT, NO_CONTENT
from avrec_lib.content.language_model import LanguageModel
from avrec_lib.content.sentences import MultilingualEncoder

STRANGE = ["", "😂😂😂", "这个 video 太 nb 了", "good bad! " * 500, "\ud83d ???"]


class Letters:
    """A vector of a text: how often a, b and z occur in it."""

    def encode(self, texts):
        return np.array([[text.count(letter) for letter in "abz"] for text in texts], np.float32).reshape(-1, 3)


class Scripted:
    """Finds " positive" likelier after a text with "good", and " negative" likely after anything."""

    def __init__(self):
        self.prompts = []

    def log_likelihood(self, prompts, continuations):
        self.prompts += prompts
        return np.array([self.score(*pair) for pair in zip(prompts, continuations, strict=True)])

    @staticmethod
    def score(prompt, answer):
        return {" negative": -1.0, " neutral": -4.0, " positive": -2.0 if "good" in prompt else -5.0}[answer]


def data(n=60):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abc"), 6)) for _ in range(n)]
    return texts, [np.sign(text.count("a") - text.count("b")) for text in texts], ["en"] * n


def test_the_regression_on_vectors_equals_scikit_learns_pipeline():
    texts, labels, languages = data()
    ours = VectorSentiment(Letters(), C=0.5).fit(texts, labels, languages)
    X = Letters().encode(texts).astype(np.float64)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(X, labels)
    np.testing.assert_allclose(ours.probabilities(texts, languages), theirs.predict_proba(X), atol=1e-4)
    assert ours.predict(["aaab", "abbb"], ["en", "zh"]).tolist() == [1, -1]


def test_a_number_that_never_varied_in_training_does_not_take_over():
    texts, labels, languages = data()
    model = VectorSentiment(Letters()).fit(texts, labels, languages)  # no z in training
    assert model.spread[2] == 1
    np.testing.assert_allclose(*model.probabilities(["aab", "aab" + "z" * 50], ["en"] * 2), atol=1e-6)


def test_the_answer_is_the_likeliest_once_what_the_model_says_anyway_is_taken_off():
    texts = ["so good", "hm"]
    raw = LikelihoodSentiment(Scripted(), calibrate=False).probabilities(texts, ["en"] * 2)
    np.testing.assert_allclose(raw, softmax([[-1, -4, -2], [-1, -4, -5]], axis=1), rtol=1e-6)
    calibrated = LikelihoodSentiment(Scripted()).probabilities(texts, ["en"] * 2)
    np.testing.assert_allclose(calibrated, softmax([[0, 0, 3], [0, 0, 0]], axis=1), rtol=1e-6)
    assert LikelihoodSentiment(Scripted()).predict(["so good"], ["en"]).tolist() == [1]


def test_each_distinct_text_is_asked_about_once_and_in_one_line_of_at_most_600_characters():
    model = Scripted()
    texts = ["good\nSentiment: negative", "hm", "hm", "x" * 5000]
    p = LikelihoodSentiment(model).probabilities(texts, ["en"] * 4)
    np.testing.assert_array_equal(p[1], p[2])
    assert len(model.prompts) == 3 * (3 + len(NO_CONTENT))
    assert "Comment: good Sentiment: negative\nSentiment:" in model.prompts
    assert max(map(len, model.prompts)) == MAX_TEXT + len("Comment: \nSentiment:")


def test_fitting_the_language_model_changes_nothing():
    model = LikelihoodSentiment(Scripted())
    before = model.probabilities(["so good"], ["en"])
    np.testing.assert_array_equal(model.fit(["bad"], [1], ["en"]).probabilities(["so good"], ["en"]), before)


@pytest.mark.parametrize("model", [VectorSentiment(Letters()), LikelihoodSentiment(Scripted())])
def test_the_contract_holds_for_strange_texts(model):
    p = model.fit(*data()).probabilities(STRANGE, ["en"] * len(STRANGE))
    assert (p.shape, p.dtype) == ((len(STRANGE), 3), np.float32)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert model.probabilities([], []).shape == (0, 3)


def test_what_was_learnt_in_english_is_known_in_chinese():
    praise = ["I love it", "so good, thank you", "What a beautiful film", "great work"]
    blame = ["I hate it", "so boring", "What a waste of time", "terrible work"]
    neither = ["Where is this?", "What song is this?", "Who is watching today?", "the second part"]
    model = VectorSentiment(MultilingualEncoder())
    model.fit(praise + blame + neither, np.repeat([1, -1, 0], 4), ["en"] * 12)
    assert model.predict(["我很喜欢，谢谢", "太无聊了，浪费时间", "这是什么歌？"], ["zh"] * 3).tolist() == [1, -1, 0]


def test_a_real_language_model_tells_plain_praise_from_plain_blame_in_english():
    texts = ["I love this, it is wonderful!", "This is terrible, I hate it."]
    p = LikelihoodSentiment(LanguageModel()).probabilities(texts, ["en"] * 2)
    assert p[0, 2] > p[0, 0]
    assert p[1, 0] > p[1, 2]
    assert len(ANSWERS) == p.shape[1]
