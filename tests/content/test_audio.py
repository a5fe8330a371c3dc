import io
import pickle
import struct
import sys

import av
import librosa
import numpy as np
import pytest
import soundfile

from avrec_lib.content.audio import decode, read_audio, resample, to_float
from avrec_lib.content.errors import MediaError
from avrec_lib.data.assets import fetch


def tone(rate=16000, seconds=1.0, hz=440.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def coded(x, rate=16000, kind="WAV", subtype=None):
    """Return the bytes of a file that libsndfile wrote."""
    file = io.BytesIO()
    soundfile.write(file, x, rate, format=kind, subtype=subtype)
    return file.getvalue()


def filmed(x, kind, codec, rate=16000, layout="mono"):
    """Return the bytes of a file that FFmpeg wrote; x has shape (channels, n)."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(x, np.float32), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        size = stream.codec_context.frame_size or 0
        fitted = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate, frame_size=size)
        for part in [*fitted.resample(frame), *fitted.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()


def codec_tag(avi):
    """Return where an AVI file names the codec of its sound."""
    return avi.index(b"strf", avi.index(b"auds")) + 8


def scratched(mp4, whence):
    """Overwrite the sound in an MP4 file from a share of its length on."""
    begin = mp4.index(b"mdat") + 4
    size = int.from_bytes(mp4[begin - 8 : begin - 4]) - 8
    first = begin + int(whence * size)
    return mp4[:first] + bytes([255]) * (begin + size - first) + mp4[begin + size :]


def test_integer_samples_become_fractions_of_full_scale():
    """U2."""
    np.testing.assert_array_equal(
        to_float(np.int16([-32768, 0, 16384, 32767])), np.float32([-1, 0, 0.5, 32767 / 32768])
    )
    np.testing.assert_array_equal(to_float(np.uint8([0, 128, 255])), np.float32([-1, 0, 0.9921875]))
    np.testing.assert_array_equal(to_float(np.int32([-(2**31), 2**30])), np.float32([-1, 0.5]))
    np.testing.assert_array_equal(to_float(np.float64([0.25, -2])), np.float32([0.25, -2]))
    assert to_float(np.int16([[1, 2]])).dtype == np.float32
    with pytest.raises(ValueError, match="integers or floats"):
        to_float(["a"])


@pytest.mark.parametrize(
    ("subtype", "stored", "expected"),
    [
        ("PCM_16", np.int16([-32768, 0, 16384, 32767]), [-1, 0, 0.5, 32767 / 32768]),
        ("PCM_24", np.int32([-(2**31), 0, 2**30, 2**8]), [-1, 0, 0.5, 2**-23]),
        ("PCM_U8", np.float32([-1, 0, 0.5, 127 / 128]), [-1, 0, 0.5, 127 / 128]),
        ("PCM_32", np.int32([-(2**31), 0, 2**30, 2**8]), [-1, 0, 0.5, 2**-23]),
        ("FLOAT", np.float32([-1, 0, 0.5, 1.5]), [-1, 0, 0.5, 1.5]),
        ("DOUBLE", np.float64([-1, 0, 0.5, 1.5]), [-1, 0, 0.5, 1.5]),
    ],
)
def test_every_width_of_wav_is_read_to_the_same_scale(tmp_path, subtype, stored, expected):
    """U2: 8, 16, 24 and 32 bits, and floats, which may go beyond 1."""
    path = tmp_path / "a.wav"
    path.write_bytes(coded(stored, subtype=subtype))
    x = read_audio(path)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, np.float32(expected))


def test_two_loud_int16_channels_do_not_wrap_in_their_mean():
    """U2: (30000 + 30000) / 2 is -2768 in int16."""
    stereo = np.full((100, 2), 30000, np.int16)
    np.testing.assert_allclose(read_audio(coded(stereo)), 30000 / 32768)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_mono_is_the_mean_of_all_channels_and_mono_false_keeps_them(channels):
    x = np.random.default_rng(0).uniform(-1, 1, (500, channels)).astype(np.float32)
    file = coded(x, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(file), x.mean(axis=1), atol=1e-7)
    np.testing.assert_array_equal(read_audio(file, mono=False), x)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_any_rate_arrives_at_16_khz_with_its_pitch_and_length(rate):
    x = read_audio(coded(tone(rate), rate, subtype="FLOAT"))
    assert x.shape == (16000,)
    assert np.abs(x - tone())[500:-500].max() < 1e-3
    reference = librosa.resample(tone(rate), orig_sr=rate, target_sr=16000)
    np.testing.assert_allclose(x, reference, atol=1e-6)


def test_what_is_too_high_for_the_new_rate_is_removed_not_folded():
    x = resample(tone(48000, hz=10_000), 48000, 16000)  # above 8 kHz; dropping samples would give 6 kHz
    assert np.abs(x[500:-500]).max() < 1e-3


def test_one_sample_stays_one_sample_at_any_rate():
    assert read_audio(coded(np.ones(1), 48000)).shape == (1,)
    assert resample(np.ones((5, 2), np.float32), 48000, 16000).shape == (2, 2)


@pytest.mark.parametrize(
    ("kind", "subtype", "error"),
    [("FLAC", None, 1e-4), ("OGG", "VORBIS", 0.05), ("MP3", None, 0.05), ("AIFF", None, 1e-4)],
)
def test_libsndfile_reads_flac_ogg_mp3(kind, subtype, error):
    x = read_audio(coded(tone(), kind=kind, subtype=subtype))
    assert x.shape == (16000,)
    assert np.abs(x - tone())[2000:-2000].max() < error


@pytest.mark.parametrize(
    ("kind", "codec", "error"),
    [("mp4", "aac", 0.01), ("avi", "pcm_s16le", 1e-4), ("avi", "pcm_u8", 0.01), ("matroska", "flac", 1e-4)],
)
def test_ffmpeg_reads_what_libsndfile_cannot(kind, codec, error):
    x = read_audio(filmed(tone()[None], kind, codec))
    assert 16000 <= len(x) <= 16000 + 1024  # AAC fills its last frame
    assert np.abs(x[:16000] - tone())[2000:-2000].max() < error


@pytest.mark.parametrize(("kind", "codec"), [("avi", "pcm_s16le"), ("matroska", "flac"), ("mp4", "aac")])
def test_ffmpeg_keeps_the_channels_apart_interleaved_or_in_planes(kind, codec):
    x = np.stack([tone(hz=300), tone(hz=300) / 4])
    left, right = read_audio(filmed(x, kind, codec, layout="stereo"), mono=False).T[:, 3000:12000]
    assert np.abs(left).max() == pytest.approx(0.5, abs=0.02)
    assert np.abs(right).max() == pytest.approx(0.125, abs=0.02)


def test_the_content_decides_not_the_extension(tmp_path):
    for name, content in {
        "wav.m4a": coded(tone()),
        "wav.raw": coded(tone()),
        "mp3.flac": coded(tone(), kind="MP3"),
        "m4a.wav": filmed(tone()[None], "mp4", "aac"),
        "none": coded(tone(), kind="FLAC"),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert np.abs(read_audio(str(tmp_path / name))[2000:14000] - tone()[2000:14000]).max() < 0.05, name


def test_silence_is_a_sound():
    np.testing.assert_array_equal(read_audio(coded(np.zeros(800), 8000)), np.zeros(1600, np.float32))


def test_the_film_s_six_channels_of_aac_become_one():
    film = fetch("films") / "bigbuckbunny.mp4"
    samples, rate = decode(film)
    assert (samples.shape[1], rate) == (6, 48000)
    x = read_audio(film)
    assert 5.2 < len(x) / 16000 < 5.4
    assert 0.001 < x.std() < 1
    np.testing.assert_allclose(x, resample(samples.mean(axis=1), 48000, 16000), atol=1e-6)


WAV, MP4 = coded(tone()), filmed(tone()[None], "mp4", "aac")
AVI = filmed(tone()[None], "avi", "pcm_s16le")
BAD = {
    "empty.wav": (b"", "0 bytes"),
    "text.mp3": (b"It was the best of times.\n" * 100, "no kind of sound file"),
    "page.wav": (b"<!DOCTYPE html><html>404</html>", "no decoder here"),
    "noise.mp3": (np.random.default_rng(0).bytes(20_000), "no decoder here"),
    "four.wav": (WAV[:4], "a WAV or AVI file.* has no decoder here"),
    "header.wav": (WAV[:20], "Malformed 'fmt ' chunk"),
    "header.flac": (coded(tone(), kind="FLAC")[:30], "a FLAC file"),
    "header.ogg": (coded(tone(), kind="OGG")[:40], "an OGG file"),
    "nothing.wav": (coded(np.zeros(0)), "0 samples"),
    "nan.wav": (coded(np.array([0, np.nan]), subtype="FLOAT"), "NaN"),
    "infinite.wav": (coded(np.array([0, np.inf]), subtype="FLOAT"), "NaN or infinite"),
    "a.m4a": (b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom" + bytes(2000), "an MP4 or M4A file.* no decoder here"),
    "half.m4a": (MP4[: len(MP4) // 2], "no decoder here"),
    "scratched.m4a": (scratched(MP4, 0.0), "FFmpeg cannot decode"),
    "codec.avi": (AVI[: codec_tag(AVI)] + struct.pack("<H", 0x1234) + AVI[codec_tag(AVI) + 2 :], "no decoder for"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_error_that_names_it(tmp_path, name):
    """U4 (0 samples, 0 bytes) and U6 (no decoder): never a bare EOFError or an empty message."""
    content, reason = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError, match=reason) as caught:
        read_audio(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).count("\n") == 0
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.raises(MediaError, match=r"^bytes in memory "):
        read_audio(content)


def test_without_pyav_the_error_names_the_missing_decoder(tmp_path, monkeypatch):
    """U6."""
    path = tmp_path / "a.m4a"
    path.write_bytes(MP4)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MediaError, match=r"a\.m4a \(an MP4 .* needs the decoders of FFmpeg.*pip install av"):
        read_audio(path)


def test_a_film_without_sound_says_so():
    with pytest.raises(MediaError, match=r"bikes\.mp4 has no sound track"):
        read_audio(fetch("films") / "bikes.mp4")


def test_a_path_that_is_no_file_says_so(tmp_path):
    with pytest.raises(MediaError, match=r"lost\.wav is not there"):
        read_audio(tmp_path / "lost.wav")
    with pytest.raises(MediaError, match="is a folder"):
        read_audio(tmp_path)


def test_a_file_cut_off_behind_its_header_gives_what_is_there():
    np.testing.assert_array_equal(read_audio(WAV[:20_044]), read_audio(WAV)[:10_000])
    for kind in ("FLAC", "MP3"):
        content = coded(tone(), kind=kind)
        with pytest.warns(UserWarning, match="bytes in memory ends early, after"):
            x = read_audio(content[: len(content) * 2 // 3])
        assert np.abs(x[1000:3000] - tone()[1000:3000]).max() < 0.05


def test_a_film_scratched_midway_gives_what_comes_before():
    with pytest.warns(UserWarning, match="ends early, after .* samples"):
        x = read_audio(scratched(MP4, 0.6))
    assert len(x) > 5000
    assert np.abs(x[2000:-1000] - tone()[2000 : len(x) - 1000]).max() < 0.02


def test_a_track_that_changes_midway_is_refused():
    one, two = (coded(tone(rate), rate, "FLAC") for rate in (16000, 8000))
    adts = filmed(tone()[None], "adts", "aac") + filmed(tone(8000)[None], "adts", "aac", rate=8000)
    with pytest.raises(MediaError, match="changes its rate"):
        read_audio(adts)
    assert len(read_audio(one)) == len(read_audio(two)) == 16000


def test_longer_than_the_limit_is_refused_before_it_is_all_read():
    with pytest.raises(MediaError, match=r"longer than 0\.5 s"):
        read_audio(WAV, max_seconds=0.5)
    with pytest.raises(MediaError, match=r"longer than 0\.5 s"):
        read_audio(MP4, max_seconds=0.5)


@pytest.mark.parametrize("rate", [0, -8000, 16000.5])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="positive whole number"):
        read_audio(WAV, rate)
