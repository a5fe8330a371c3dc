"""Sounds and pictures in a page hold the samples and pixels they were given, and words for everybody else."""

import base64
import io
import re
import wave

import numpy as np
import pytest
from PIL import Image

from avrec_lib.media import hear, see, wav_bytes


@pytest.fixture
def shown(monkeypatch):
    forms = []
    monkeypatch.setattr("avrec_lib.media.present", forms.append)
    return forms


def samples_of(data: bytes) -> tuple[np.ndarray, int]:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


def test_floats_become_sixteen_bits_and_what_is_too_loud_is_cut_off():
    samples, rate = samples_of(wav_bytes([0.0, 0.5, -1.0, 1.5], 8000))
    assert samples.tolist() == [0, 16384, -32767, 32767]
    assert rate == 8000


def test_int16_samples_are_kept():
    assert samples_of(wav_bytes(np.array([-32768, 5], np.int16), 16000))[0].tolist() == [-32768, 5]


def test_a_player_carries_the_sound_and_its_label(shown):
    hear({"a <click>": [0.0, 1.0], "silence": np.zeros(4)}, rate=16000)
    page = shown[0]["text/html"]
    sources = re.findall(r'src="data:audio/wav;base64,([^"]+)"', page)
    assert [len(samples_of(base64.b64decode(source))[0]) for source in sources] == [2, 4]
    assert 'aria-label="a &lt;click&gt;"' in page
    assert shown[0]["text/plain"] == "[sound: a <click>]; [sound: silence]"


def test_a_picture_keeps_its_pixels_and_has_alt_text(shown):
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    see([image, image], ["a ramp", 'another "ramp"'], ["one", "two"], height=40)
    page = shown[0]["text/html"]
    source = re.findall(r'src="data:image/png;base64,([^"]+)"', page)[0]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(source)))), image)
    assert 'alt="another &quot;ramp&quot;"' in page
    assert "pixelated" in page


def test_the_bytes_are_the_same_every_time(shown):
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    for _ in range(2):
        see([image], ["noise"])
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("samples", "message"),
    [([], r"not \(0,\)"), (np.zeros((3, 2)), r"not \(3, 2\)"), (np.zeros(31 * 100), "cut it to 30 s")],
)
def test_a_sound_that_cannot_be_shown_is_named(samples, message):
    with pytest.raises(ValueError, match=message):
        wav_bytes(samples, 100)


def test_a_picture_that_cannot_be_shown_is_named(shown):
    with pytest.raises(ValueError, match="not float64 of shape"):
        see([np.zeros((2, 2, 3))], ["zeros"])
    with pytest.raises(ValueError, match="as many alts"):
        see([np.zeros((2, 2, 3), np.uint8)], [])
    with pytest.raises(ValueError, match="needs words"):
        hear({" ": [0.0]}, 16000)
