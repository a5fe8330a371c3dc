from types import SimpleNamespace

import numpy as np
import pytest
import torch

from avrec_lib.content import speech
from avrec_lib.content.audio import read_audio
from avrec_lib.content.errors import MediaError
from avrec_lib.content.speech import transcribe, word_error_rate
from avrec_lib.data.assets import fetch

BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
TWO_CITIES = """It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the
season of Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had
nothing before us, we were all going direct to Heaven, we were all going direct the other way - in short, the period
was so far like the present period, that some of its noisiest authorities insisted on its being received, for good or
for evil, in the superlative degree of comparison only."""


@pytest.fixture(scope="module")
def two_cities():
    return transcribe(fetch("speech") / "two_cities.wav")


def test_the_first_sentence_of_the_speech_is_right(two_cities):
    start = "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness"
    heard = [word.word.strip(".,").lower() for word in two_cities.words]
    assert heard[: len(start.split())] == start.split()
    assert two_cities.text.startswith("It was the best of times")
    assert two_cities.language == "en"


def test_forty_seconds_of_speech_have_at_most_two_errors_in_a_hundred_words(two_cities):
    assert word_error_rate(TWO_CITIES, two_cities.text) < 0.02


def test_words_have_times_in_order_and_probabilities(two_cities):
    starts, ends, _, probabilities = zip(*two_cities.words, strict=True)
    assert 0 <= min(starts) < 1.5
    assert 40 < max(ends) <= 44.5
    assert list(starts) == sorted(starts)
    assert all(start <= end for start, end in zip(starts, ends, strict=True))
    assert 0 < min(probabilities) < max(probabilities) <= 1
    assert np.mean(probabilities) > 0.8


def test_segments_and_words_tell_the_same_text(two_cities):
    assert " ".join(segment.text for segment in two_cities.segments) == two_cities.text
    assert word_error_rate(two_cities.text, " ".join(word.word for word in two_cities.words)) == 0


def test_the_same_sound_gives_the_same_words_as_a_file_as_samples_and_as_integers():
    file = fetch("speech") / "beckett.wav"
    first = transcribe(file, "en")
    assert word_error_rate(BECKETT, first.text) == 0
    samples = read_audio(file)
    assert transcribe(samples) == first
    assert word_error_rate(BECKETT, transcribe(np.int16(np.round(samples * 32767))).text) == 0
    assert word_error_rate(BECKETT, transcribe(read_audio(file, 44100), rate=44100).text) == 0


def test_silence_noise_a_tone_and_a_film_without_a_word_are_not_heard_as_words():
    t = np.arange(48000) / 16000
    noise = 0.1 * np.random.default_rng(0).normal(size=t.size)
    for source in (
        np.zeros(48000),
        np.zeros(1),
        noise,
        np.sin(2 * np.pi * 440 * t),
        fetch("films") / "bigbuckbunny.mp4",
    ):
        transcript = transcribe(source)
        assert (transcript.text, transcript.segments, transcript.words) == ("", (), ())


def test_segments_that_repeat_themselves_or_hold_no_letter_are_dropped(monkeypatch):
    said = SimpleNamespace(start=0.0, end=1.0, text=" Hello.", compression_ratio=0.8, words=None)
    dots = SimpleNamespace(start=1.0, end=2.0, text=" . .", compression_ratio=0.8, words=None)
    beeps = SimpleNamespace(start=2.0, end=3.0, text=" beep" * 90, compression_ratio=29.0, words=None)
    fake = SimpleNamespace(
        supported_languages=["en"], transcribe=lambda x, **_: ([said, dots, beeps], SimpleNamespace(language="en"))
    )
    monkeypatch.setattr(speech, "_whisper", lambda folder: fake)
    assert transcribe(np.zeros(5)).segments == ((0.0, 1.0, "Hello."),)


def test_a_language_the_model_does_not_know_is_refused():
    with pytest.raises(ValueError, match="knows en, not 'zh'"):
        transcribe(np.zeros(16000), "zh")


def test_bad_sounds_are_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"no sound")
    with pytest.raises(MediaError, match=r"a\.wav"):
        transcribe(path)
    for samples in (np.zeros(0), np.zeros((2, 100)), np.array([np.nan])):
        with pytest.raises(ValueError, match="finite and of shape"):
            transcribe(samples)


class OnlyOnCPU:
    """A recogniser that finds a GPU but not CUDA's libraries."""

    def __init__(self, folder, device, **_):
        self.device = device
        self.feature_extractor = SimpleNamespace(mel_filters=np.zeros((80, 201)))

    def encode(self, features):
        assert features.shape == (80, 3000)
        raise RuntimeError("Library libcublas.so.12 is not found")


def test_a_gpu_is_used_when_it_works_and_named_when_it_does_not(monkeypatch, tmp_path):
    import faster_whisper

    monkeypatch.setattr(speech, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(faster_whisper, "WhisperModel", OnlyOnCPU)
    with pytest.warns(UserWarning, match="Whisper runs on the CPU.*libcublas"):
        assert speech._whisper.__wrapped__(tmp_path).device == "cpu"
    monkeypatch.setattr(OnlyOnCPU, "encode", lambda self, features: None)
    assert speech._whisper.__wrapped__(tmp_path).device == "cuda"


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors", "n"),
    [
        ("the cat sat on the mat", "the cat sat on the mat", 0, 6),
        ("the cat sat on the mat", "The cat sat, on the MAT!", 0, 6),
        ("the cat sat on the mat", "the cat on mat", 2, 6),
        ("the cat sat on the mat", "a cat sat on on the mat", 2, 6),
        ("the cat", "dogs all the way down", 4, 2),
        ("the cat sat", "", 3, 3),
        ("don't stop", "don’t stop", 0, 2),
        ("我爱你", "我你", 1, 3),
        ("A I 我爱", "A I 我恨", 1, 4),
    ],
)
def test_the_word_error_rate_by_hand(reference, hypothesis, errors, n):
    assert word_error_rate(reference, hypothesis) == errors / n


def test_the_word_error_rate_is_levenshtein_s_by_its_recursion():
    def distance(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))

    rng = np.random.default_rng(0)
    for _ in range(30):
        a, b = ([str(word) for word in rng.choice(["x", "y", "z"], size=rng.integers(1, 6))] for _ in range(2))
        assert word_error_rate(" ".join(a), " ".join(b)) * len(a) == pytest.approx(distance(a, b))


def test_a_reference_without_words_has_no_error_rate():
    with pytest.raises(ValueError, match="reference has no words"):
        word_error_rate(" ... ", "hello")
