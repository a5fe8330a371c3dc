import librosa
import numpy as np
import pytest
import scipy.fft

from avrec_lib.content.spectra import (
    dct,
    deltas,
    hz_to_mel,
    lifter,
    mel_filters,
    mel_spectrogram,
    mel_to_hz,
    mfcc,
    onset_strength,
    spectral_centroid,
    stft,
    summary,
    summary_names,
    to_db,
)

RATE = 16000


@pytest.fixture(scope="module")
def x():
    """Two seconds: a tone that rises, its octave, and a little noise."""
    t = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * (300 * t + 100 * t**2)
    noise = np.random.default_rng(0).normal(size=t.size)
    return (0.4 * np.sin(phase) + 0.2 * np.sin(2 * phase) + 0.01 * noise).astype(np.float32)


def notes(n, brightness, seed=0, seconds=2.0):
    """Return n short notes spread evenly over the time, with overtones that fall off slowly if bright."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    out = np.zeros_like(t)
    for start in np.arange(n) * seconds / n:
        f = 220 * 2 ** (rng.integers(12) / 12)
        envelope = np.where(t >= start, np.exp(-8 * np.maximum(t - start, 0)), 0)
        out += envelope * sum(np.sin(2 * np.pi * f * h * (t - start)) * h ** (brightness - 2) for h in range(1, 9))
    return (out / np.abs(out).max()).astype(np.float32)


def test_the_stft_of_a_cosine_in_the_middle_of_a_bin():
    n = np.arange(64)
    X = stft(np.cos(2 * np.pi * 4 * n / 16), n_fft=16, hop=8)
    assert X.shape == (9, 9)
    # Hann's window sums to N/2 = 8: half of it to each side of a cosine, and half of that to the bins beside
    np.testing.assert_allclose(np.abs(X[:, 4]), [0, 0, 0, 2, 4, 2, 0, 0, 0], atol=1e-5)


@pytest.mark.parametrize(("n_fft", "hop", "window"), [(2048, 512, "hann"), (512, 160, "hann"), (400, 100, "boxcar")])
def test_the_stft_equals_librosa_s(x, n_fft, hop, window):
    X, theirs = stft(x, n_fft, hop, window), librosa.stft(x, n_fft=n_fft, hop_length=hop, window=window)
    assert X.dtype == np.complex64
    assert X.shape == theirs.shape == (1 + n_fft // 2, 1 + len(x) // hop)
    assert np.abs(X - theirs).max() < 1e-5 * np.abs(theirs).max()


def test_a_sound_shorter_than_a_window_has_its_frames():
    """U4: 512 samples, n_fft 2048, hop 512, centred: two frames."""
    x = np.ones(512, np.float32)
    assert stft(x).shape == (1025, 2)
    assert mfcc(x, RATE).shape == (20, 2)
    assert deltas(mfcc(x, RATE)).shape == (20, 2)
    assert np.isfinite(summary(x, RATE)).all()
    assert stft(x[:1]).shape == (1025, 1)


@pytest.mark.parametrize("read", [stft, lambda x: mfcc(x, RATE), lambda x: summary(x, RATE)])
def test_an_empty_sound_is_refused(read):
    """U4: librosa returns one frame for no samples."""
    with pytest.raises(ValueError, match="0 samples"):
        read(np.zeros(0))


def test_what_is_no_signal_is_refused():
    with pytest.raises(ValueError, match=r"one channel, shape \(n,\), not \(5, 2\)"):
        stft(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="NaN"):
        stft([0, np.nan])
    with pytest.raises(ValueError, match="n_fft must be even"):
        stft(np.zeros(5), n_fft=7)
    with pytest.raises(ValueError, match="hop at least 1"):
        stft(np.zeros(5), hop=0)


def test_integer_samples_are_taken_as_pcm():
    x = np.int16([0, 16384, -16384, 100] * 300)
    np.testing.assert_array_equal(stft(x), stft(x / 32768))


def test_mels_are_linear_and_then_logarithmic():
    np.testing.assert_allclose(hz_to_mel([0, 200, 1000, 6400]), [0, 3, 15, 42])
    np.testing.assert_allclose(mel_to_hz([0, 3, 15, 42]), [0, 200, 1000, 6400])
    f = np.linspace(0, 8000, 50)
    np.testing.assert_allclose(hz_to_mel(f), librosa.hz_to_mel(f))
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(f)), f, atol=1e-9)


@pytest.mark.parametrize(("rate", "n_fft", "n_mels"), [(16000, 2048, 128), (8000, 512, 40), (44100, 1024, 64)])
def test_mel_filters_equal_librosa_s(rate, n_fft, n_mels):
    H = mel_filters(rate, n_fft, n_mels)
    assert H.shape == (n_mels, 1 + n_fft // 2)
    np.testing.assert_allclose(H, librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels), atol=1e-7)


def test_each_mel_filter_has_area_one():
    H = mel_filters(16000, 1 << 15, 20)
    np.testing.assert_allclose(H.sum(axis=1) * 16000 / (1 << 15), 1, rtol=0.01)


def test_the_mel_spectrogram_equals_librosa_s(x):
    theirs = librosa.feature.melspectrogram(y=x, sr=RATE)
    assert np.abs(mel_spectrogram(x, RATE) - theirs).max() < 1e-5 * theirs.max()


def test_decibels_by_hand():
    np.testing.assert_allclose(to_db([1, 10, 1e-3, 0]), [0, 10, -30, -70], atol=1e-5)
    np.testing.assert_allclose(to_db([0, 0]), [-100, -100])
    power = np.random.default_rng(0).exponential(size=(4, 5)) ** 9
    np.testing.assert_allclose(to_db(power), librosa.power_to_db(power), atol=1e-4)


def test_the_dct_by_hand_and_by_scipy():
    np.testing.assert_allclose(dct([[1], [1], [1], [1]], 4), [[2], [0], [0], [0]], atol=1e-6)
    X = np.random.default_rng(1).normal(size=(40, 7))
    np.testing.assert_allclose(dct(X, 13), scipy.fft.dct(X, axis=0, norm="ortho")[:13], atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"n_mfcc": 13, "n_fft": 512, "hop": 160, "n_mels": 40}])
def test_mfcc_equal_librosa_s(x, options):
    names = {"hop": "hop_length"}
    theirs = librosa.feature.mfcc(y=x, sr=RATE, **{names.get(k, k): v for k, v in options.items()})
    np.testing.assert_allclose(mfcc(x, RATE, **options), theirs, atol=2e-3)  # of values in the hundreds


def test_lifters_equal_librosa_s(x):
    np.testing.assert_allclose(mfcc(x, RATE, lift=22), librosa.feature.mfcc(y=x, sr=RATE, lifter=22), atol=5e-3)


def test_a_lifter_by_hand():
    np.testing.assert_allclose(lifter([[1.0], [1.0], [1.0]], 2), [[2], [1], [0]], atol=1e-6)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        lifter([[1.0]], 0)


def test_the_number_of_mfcc_must_fit():
    with pytest.raises(ValueError, match="from 1 to n_mels = 10, not 11"):
        mfcc(np.zeros(100), RATE, n_mfcc=11, n_mels=10)


def test_deltas_of_a_line_are_its_slope():
    np.testing.assert_allclose(deltas([np.arange(0, 30, 3), np.full(10, 7.0)]), [[3] * 10, [0] * 10], atol=1e-5)
    np.testing.assert_allclose(deltas([np.arange(12.0) ** 2], order=2), [[2] * 12], atol=1e-4)
    np.testing.assert_allclose(deltas([[0, 0, 1, 0, 0]], width=3), [[0.5, 0.5, 0, -0.5, -0.5]], atol=1e-6)


@pytest.mark.parametrize(("width", "order"), [(9, 1), (9, 2), (5, 1), (3, 1)])
def test_deltas_equal_librosa_s(x, width, order):
    C = mfcc(x, RATE)
    np.testing.assert_allclose(deltas(C, width, order), librosa.feature.delta(C, width=width, order=order), atol=1e-3)


@pytest.mark.parametrize("frames", [3, 4, 8])
def test_the_window_of_deltas_shrinks_with_the_sound(frames):
    np.testing.assert_allclose(deltas([np.arange(frames)]), [[1] * frames], atol=1e-5)


def test_deltas_of_too_few_frames_are_zero():
    np.testing.assert_array_equal(deltas([[1, 5]]), [[0, 0]])
    with pytest.raises(ValueError, match="width must be odd"):
        deltas(np.ones((1, 9)), width=4)
    with pytest.raises(ValueError, match="order from 1"):
        deltas(np.ones((1, 9)), width=3, order=3)


def test_the_centroid_of_a_tone_is_its_frequency(x):
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(spectral_centroid(tone, RATE)[5:-5], 1000, atol=2)
    theirs = librosa.feature.spectral_centroid(y=x, sr=RATE)[0]
    np.testing.assert_allclose(spectral_centroid(x, RATE), theirs, rtol=1e-4)
    np.testing.assert_array_equal(spectral_centroid(np.zeros(100), RATE), [0])


def test_onset_strength_by_hand_and_by_librosa(x):
    np.testing.assert_allclose(onset_strength([[0, 10, 0], [0, 0, 4]]), [0, 5, 2])
    theirs = librosa.onset.onset_strength(y=x, sr=RATE, center=False)
    np.testing.assert_allclose(onset_strength(to_db(mel_spectrogram(x, RATE))), theirs, atol=1e-3)


def test_the_summary_counts_the_notes_and_hears_the_brightness():
    where = {name: i for i, name in enumerate(summary_names())}
    for n in (4, 8, 16):
        counted = summary(notes(n, 0.5), RATE)[where["onsets per second"]]
        assert counted == pytest.approx(n / 2, abs=1)
    dull, bright = summary(notes(6, 0.0), RATE), summary(notes(6, 2.0), RATE)
    assert bright[where["mean centroid kHz"]] > 1.5 * dull[where["mean centroid kHz"]]


def test_the_summary_is_what_its_names_say(x):
    vector = summary(x, RATE)
    assert vector.shape == (len(summary_names()),) == (86,)
    assert vector.dtype == np.float32
    values = dict(zip(summary_names(), vector, strict=True))
    C = mfcc(x, RATE, n_fft=1024, hop=256, n_mels=64)
    assert values["mean mfcc 0"] == pytest.approx(C[0].mean(), rel=1e-4)
    assert values["std mfcc 19"] == pytest.approx(C[19].std(), rel=1e-3)
    assert values["std delta 1"] == pytest.approx(deltas(C)[1].std(), rel=1e-3)
    assert values["std centroid kHz"] == pytest.approx(spectral_centroid(x, RATE, 1024, 256).std() / 1000, rel=1e-3)


def test_the_summary_of_silence_is_finite():
    vector = summary(np.zeros(32000), RATE)
    assert np.isfinite(vector).all()
    np.testing.assert_allclose(vector[80:], 0)


def test_a_sound_is_left_as_it_was(x):
    before = x.copy()
    np.testing.assert_array_equal(summary(x, RATE), summary(x, RATE))
    np.testing.assert_array_equal(x, before)
