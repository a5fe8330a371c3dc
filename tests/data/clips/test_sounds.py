"""Sounds tell how fast and bright a clip sounds to a simple reader, and only their order tells whether they climb."""

import hashlib

import numpy as np
import pytest
from scipy.signal import find_peaks
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avrec_lib.content.spectra import dct, deltas, mel_filters, onset_strength, stft, to_db
from avrec_lib.data.clips.exact import generator
from avrec_lib.data.clips.sounds import (
    LENGTH,
    OCTAVE,
    RATE,
    _climb,
    _rhythm,
    _sing,
    _timbre,
    _unrounded_octave,
    play_sounds,
)

N = 600
SHA256 = "ad3f95e0ca3415e402a0ac810377b1374f0e578b36cadc492552dd159f648641"


@pytest.fixture(scope="module")
def attributes():
    rng = np.random.default_rng(0)
    return {
        "pace": rng.uniform(-1, 1, N),
        "bright": rng.uniform(-1, 1, N),
        "rising": rng.integers(0, 2, N).astype(bool),
    }


@pytest.fixture(scope="module")
def tunes(attributes):
    return play_sounds(**attributes, seed=0)


@pytest.fixture(scope="module")
def tracks(tunes):
    """MFCC, shape (N, 20, frames), and the statistics of the onset strength, (N, 4)."""
    filters, mfccs, onsets = mel_filters(RATE, 1024, 64), [], []
    for x in tunes:
        db = to_db(filters @ np.abs(stft(x, 1024, 256)) ** 2)
        o = onset_strength(db)
        mfccs.append(dct(db, 20))
        onsets.append([o.mean(), o.std(), o.max(), len(find_peaks(o, o.mean() + o.std() / 2)[0])])
    return np.array(mfccs), np.array(onsets)


def read(features, truth):
    return cross_val_predict(make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15))), features, truth, cv=5)


def r2(features, truth):
    return 1 - ((read(features, truth) - truth) ** 2).mean() / truth.var()


def auc(features, truth):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    return roc_auc_score(truth, cross_val_predict(model, features, truth, cv=5, method="predict_proba")[:, 1])


def of_pace(tracks):
    mfccs, onsets = tracks
    return np.hstack([onsets, np.log([(deltas(C) ** 2).mean(axis=1) for C in mfccs])])


def test_the_bytes_are_these_on_every_machine():
    sounds = play_sounds(np.linspace(-1, 1, 12), np.linspace(1, -1, 12), np.arange(12) % 2, 7)
    assert hashlib.sha256(sounds.tobytes()).hexdigest() == SHA256


def test_no_entry_of_the_octave_is_near_where_rounding_could_go_either_way():
    assert np.abs(_unrounded_octave() % 1 - 0.5).min() > 1e-3
    assert OCTAVE[9] * RATE / 2**32 == pytest.approx(440)


def test_sounds_are_two_seconds_loud_enough_and_never_clipped(tunes):
    assert tunes.shape == (N, 2 * RATE)
    assert tunes.dtype == np.int16
    peaks = np.abs(tunes.astype(int)).max(axis=1)
    assert peaks.min() > 1500
    assert peaks.max() < 32_767


def test_a_clip_has_the_same_sound_in_every_batch(attributes, tunes):
    some = np.array([500, 3, 42])
    again = play_sounds(**{name: values[some] for name, values in attributes.items()}, seed=some)
    assert np.array_equal(again, tunes[some])


def test_another_seed_plays_another_sound():
    a, b = play_sounds([0, 0], [0, 0], [True, True], [1, 2])
    assert not np.array_equal(a, b)


def test_pace_is_read_from_onsets_and_deltas(attributes, tracks):
    assert 0.82 < r2(of_pace(tracks), attributes["pace"]) < 0.97


def test_brightness_is_read_from_the_mean_and_spread_of_the_mfcc(attributes, tracks):
    mfccs, _ = tracks
    features = np.hstack([mfccs.mean(axis=2), mfccs.std(axis=2)])
    assert 0.82 < r2(mfccs.mean(axis=2), attributes["bright"]) < r2(features, attributes["bright"]) < 0.97


def test_what_is_read_of_one_attribute_tells_nothing_of_the_others(attributes, tracks):
    pace = read(of_pace(tracks), attributes["pace"])
    bright = read(tracks[0].mean(axis=2), attributes["bright"])
    for seen, other in ((pace, "bright"), (pace, "rising"), (bright, "pace"), (bright, "rising")):
        assert abs(np.corrcoef(seen, attributes[other])[0, 1]) < 4 / np.sqrt(N)


def test_only_the_order_tells_whether_a_tune_climbs(attributes, tracks):
    """From the mean MFCC: chance (standard error 0.024). From the means of the four quarters: nearly always."""
    mfccs, _ = tracks
    quarters = np.hstack([part.mean(axis=2) for part in np.array_split(mfccs, 4, axis=2)])
    assert 0.42 < auc(mfccs.mean(axis=2), attributes["rising"]) < 0.58
    assert auc(quarters, attributes["rising"]) > 0.95


def test_a_tune_climbs_over_an_octave_or_so_with_steps_back():
    tunes = [_climb(generator(seed, "sound"), 12) for seed in range(200)]
    climbs = np.array([tune[-3:].mean() - tune[:3].mean() for tune in tunes])
    assert climbs.min() > 3
    assert 8 < climbs.mean() < 16
    assert np.mean([(np.diff(tune) < 0).any() for tune in tunes]) > 0.8
    assert -36 < min(map(min, tunes)) < max(map(max, tunes)) < 36


@pytest.mark.parametrize(("pace", "fewest", "most"), [(-1024, 3, 4), (0, 11, 12), (1024, 18, 21)])
def test_pace_is_two_to_ten_notes_a_second(pace, fewest, most):
    for seed in range(100):
        starts, ends = _rhythm(generator(seed, "sound"), pace)
        assert fewest <= len(starts) <= most
        assert starts[0] >= 0
        assert ends[-1] <= LENGTH
        assert (starts < ends).all()
        assert (ends[:-1] <= starts[1:]).all()


def test_every_timbre_has_the_same_power_and_bright_ones_higher_harmonics():
    dull, bright = (_timbre(generator(0, "sound"), b) for b in (-1024, 1024))
    for weights in (dull, bright):
        assert np.sqrt((weights**2).sum()) == pytest.approx(2**14, rel=1e-2)
    assert 0.08 < dull[1] / dull[0] < 0.2
    assert bright[5] > 0.05 * 2**14 > 10 * dull[5]


@pytest.mark.parametrize("sing", [_sing, _sing.py_func], ids=["compiled", "py_func"])
def test_a_note_is_a_sine_in_its_envelope(sing):
    """One harmonic at 1,000 Hz, full weight, no attack, hardly any decay: 32767 · 2^14 / 2^15 · loudness."""
    sound = np.zeros(LENGTH, dtype=np.int64)
    one = np.array([1 << 14])
    sing(
        sound, np.array([100]), np.array([900]), np.array([2**32 // 16]), np.array([1024]), one, np.array([0]), 1, 10**7
    )
    t = np.arange(1, 600)
    expected = 32767 / 2 * np.sin(2 * np.pi * t / 16)
    assert np.abs(sound[100 + t] - expected).max() < 10
    assert not sound[:100].any()
    assert not sound[900:].any()


@pytest.mark.parametrize("sing", [_sing, _sing.py_func], ids=["compiled", "py_func"])
def test_harmonics_beyond_the_rate_are_left_out(sing):
    """Of 5,000 Hz only the first harmonic can be sampled at 16 kHz; the second would come back as 6,000 Hz."""
    advance = np.array([2**32 * 5 // 16])
    arguments = np.array([0]), np.array([400]), advance, np.array([1024])
    one, two = np.zeros((2, LENGTH), dtype=np.int64)
    sing(one, *arguments, np.array([9000]), np.array([0]), 16, 5000)
    sing(two, *arguments, np.array([9000, 9000]), np.array([0, 0]), 16, 5000)
    assert one.any()
    assert np.array_equal(one, two)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"pace": [-1.01]}, "pace must lie between -1 and 1; -1.01"),
        ({"bright": [np.nan]}, "bright must lie between"),
        ({"bright": [0.0, 0.0]}, "bright must be 1 numbers"),
        ({"rising": [2]}, "rising must lie from 0 to 1"),
        ({"rising": [0.5]}, "rising must be 1 integers"),
        ({"seed": [0, 1]}, "seed must be 1 integers"),
    ],
)
def test_a_bad_argument_is_named(change, complaint):
    good = {"pace": [0.0], "bright": [0.0], "rising": [True], "seed": 0}
    with pytest.raises(ValueError, match=complaint):
        play_sounds(**good | change)
