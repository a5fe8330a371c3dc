"""Summaries of pictures and sounds: the numbers they are, what they read on clips, and what they do not."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avrec_lib.content import spectra
from avrec_lib.content.summaries import picture_summary, sound_summary
from avrec_lib.data.clips import RATE, load_clips

N = 400


def read(X, target):
    """R² of a linear reading, on clips it was not fitted to."""
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11)))
    return r2_score(target, cross_val_predict(model, X, target, cv=5))


@pytest.fixture(scope="module")
def clips():
    return load_clips()


def test_a_plain_picture_is_its_colour_and_has_no_texture():
    vector = picture_summary(np.full((64, 64, 3), (255, 51, 0), np.uint8))
    assert vector[:9] == pytest.approx([1, 0.2, 0, 1, 0.2, 0, 0, 0, 0], abs=1e-6)
    assert vector[9:] == pytest.approx(np.zeros(15), abs=1e-6)


def test_a_ramp_has_the_same_gradient_everywhere():
    """Grey rises by 2 a pixel across: the gradient is 2 at scale 1, 4 at scale 2 and 8 at scale 4."""
    ramp = np.repeat((2 * np.arange(64, dtype=np.uint8))[None, :, None], 64, axis=0).repeat(3, axis=2)
    textures = picture_summary(ramp)[9:].reshape(3, 5)
    assert np.expm1(textures) == pytest.approx(np.array([[2.0], [4.0], [8.0]]) * np.ones(5), rel=1e-4)


def test_percentiles_tell_a_pattern_from_a_single_edge():
    edge, stripes = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    edge[:, 32:], stripes[:, ::4] = 200, 200
    median = 9 + 2
    assert picture_summary(edge)[median] == 0
    assert picture_summary(stripes)[median] > 3


def test_any_picture_is_brought_to_one_size():
    picture = np.random.default_rng(0).integers(0, 256, (48, 90, 3), dtype=np.uint8)
    assert picture_summary(picture).shape == (24,)
    assert picture_summary(picture).dtype == np.float32


def test_pictures_tell_warm_and_busy_and_no_sound(clips):
    X, truth = np.stack([picture_summary(cover) for cover in clips.covers()[:N]]), clips.truth.items[:N]
    assert read(X, truth["look_warm"]) > 0.95
    assert read(X, truth["look_busy"]) > 0.92
    assert read(X, truth["sound_pace"]) < 0.05


def test_sounds_tell_pace_and_brightness_and_no_picture(clips):
    X, truth = np.stack([sound_summary(x, RATE) for x in clips.sounds()[:N]]), clips.truth.items[:N]
    assert read(X, truth["sound_pace"]) > 0.92
    assert read(X, truth["sound_bright"]) > 0.92
    assert read(X, truth["look_busy"]) < 0.05


def test_its_mfcc_are_those_of_spectra(clips):
    x = clips.sounds()[0]
    C = spectra.mfcc(x, RATE, n_mfcc=20, n_fft=1024, hop=256, n_mels=64)
    vector = sound_summary(x, RATE)
    assert vector[:20] == pytest.approx(C.mean(axis=1), rel=1e-4, abs=1e-3)
    n_tracks = 20 + 20 + 64
    assert vector[n_tracks : n_tracks + 20] == pytest.approx(C.std(axis=1), rel=1e-4, abs=1e-3)


def test_half_of_the_power_of_a_tone_lies_below_its_frequency():
    t = np.arange(2 * RATE) / RATE
    vector = sound_summary(0.5 * np.sin(2 * np.pi * 1000 * t).astype(np.float32), RATE)
    assert np.exp(vector[208:212]) == pytest.approx(1000, rel=0.04)


def test_the_rhythm_of_a_metronome_repeats_at_its_beat():
    """A click every 0.256 s is one every 16 frames of 256 samples."""
    x = np.zeros(2 * RATE, np.float32)
    x[:: 16 * 256] = 1
    rhythm = sound_summary(x, RATE)[219:]
    assert len(rhythm) == 40
    assert rhythm[:20].argmax() == 15  # lags begin at one frame
    assert rhythm[15] > 0.8


def test_silence_and_a_very_short_sound_give_finite_numbers():
    for x in (np.zeros(RATE, np.float32), np.ones(1, np.float32), np.zeros(300, np.int16)):
        vector = sound_summary(x, RATE)
        assert vector.shape == (259,)
        assert np.isfinite(vector).all()
    assert not sound_summary(np.zeros(RATE, np.float32), RATE)[212:].any()


def test_an_empty_sound_is_refused():
    with pytest.raises(ValueError, match="0 samples"):
        sound_summary(np.array([]), RATE)
