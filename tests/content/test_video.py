import io
import math
import pickle
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from avrec_lib.content import film_file, video
from avrec_lib.content.audio import read_audio
from avrec_lib.content.errors import MediaError
from avrec_lib.content.video import (
    Shot,
    colour_distances,
    has_sound,
    key_frames,
    read_video_info,
    sample_frames,
    shots,
    soft_histogram,
    sound_track,
)
from avrec_lib.data.assets import fetch


def grey_levels(n, H=48, W=64):
    """Return n pictures whose level tells their number: 10, 14, 18, …"""
    return [np.full((H, W, 3), 10 + 4 * i, np.uint8) for i in range(n)]


def number_of(picture):
    return round((picture.mean() - 10) / 4)


def film(
    path, pictures, *, rate=10, codec="libx264", pixels="yuv420p", kind="mp4", times=None, turn=0, gop=12, **sound
):
    """Write a film; `times` are in hundredths of a second, `sound` may hold samples at 16 kHz."""
    options = {"crf": "1", "preset": "ultrafast", "sc_threshold": "0"} if codec == "libx264" else {}
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.gop_size = pixels, gop
        stream.time_base = stream.codec_context.time_base = Fraction(1, 100)
        if turn:
            stream.set_display_rotation(turn)
        if sound:
            track = container.add_stream("aac", rate=16000)
            track.layout = "mono"
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = i * 100 // rate if times is None else times[i]
            frame.time_base = Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            whole = av.AudioFrame.from_ndarray(sound["samples"][None].astype(np.float32), format="fltp", layout="mono")
            whole.sample_rate, whole.pts = 16000, 0
            fitted = av.AudioResampler(format="fltp", layout="mono", rate=16000, frame_size=1024)
            for part in [*fitted.resample(whole), *fitted.resample(None)]:
                container.mux(track.encode(part))
            container.mux(track.encode(None))
    return path


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """Return a film of 2 s with 20 numbered pictures, and a tone."""
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)
    return film(tmp_path_factory.mktemp("film") / "counted.mp4", grey_levels(20), samples=tone)


def test_the_header_of_a_film_is_read(counted):
    info = read_video_info(counted)
    assert info == (pytest.approx(2), 64, 48, pytest.approx(10), 0, "h264", "yuv420p", True)


def test_pictures_are_taken_from_the_middles_of_equal_parts(counted):
    pictures, times = sample_frames(counted, 4)  # at 0.25, 0.75, 1.25, 1.75 s
    assert pictures.shape == (4, 48, 64, 3)
    assert pictures.dtype == np.uint8
    assert [number_of(p) for p in pictures] == [2, 7, 12, 17]
    np.testing.assert_allclose(times, [0.2, 0.7, 1.2, 1.7])
    assert [number_of(p) for p in sample_frames(counted, 20).pictures] == list(range(20))
    assert [number_of(p) for p in sample_frames(counted, 40).pictures] == [i // 2 for i in range(40)]
    assert number_of(sample_frames(counted, 1).pictures[0]) == 10
    with pytest.raises(ValueError, match="n must be at least 1"):
        sample_frames(counted, 0)


def test_jumping_gives_the_same_pictures_as_decoding_all(counted, monkeypatch):
    one_pass = sample_frames(counted, 7)
    monkeypatch.setattr(video, "SEEK_FROM", 0.0)
    jumps = sample_frames(counted, 7)
    np.testing.assert_array_equal(jumps.pictures, one_pass.pictures)
    np.testing.assert_array_equal(jumps.times, one_pass.times)


def test_a_changing_frame_rate_is_sampled_by_time_not_by_number(tmp_path, monkeypatch):
    # ten pictures in the first second, then one that stays for three, and the last
    path = film(tmp_path / "phone.mp4", grey_levels(12), times=[*range(0, 100, 10), 100, 390])
    for seek_from in (60.0, 0.0):
        monkeypatch.setattr(video, "SEEK_FROM", seek_from)
        pictures, times = sample_frames(path, 4)
        assert [number_of(p) for p in pictures][1:] == [10, 10, 10]
        np.testing.assert_allclose(times[1:], 1.0)
        assert times[0] == pytest.approx(0.5, abs=0.11)


@pytest.mark.parametrize(
    ("codec", "pixels", "kind"), [("libx264", "yuv420p10le", "mp4"), ("ffv1", "yuv422p10le", "matroska")]
)
def test_ten_bits_become_eight_with_the_same_brightness(tmp_path, codec, pixels, kind):
    path = film(tmp_path / "ten", grey_levels(20), codec=codec, pixels=pixels, kind=kind)
    assert read_video_info(path).pixels == pixels
    levels = [p.mean() for p in sample_frames(path, 4).pictures]
    np.testing.assert_allclose(levels, [18, 38, 58, 78], atol=2.5)


@pytest.mark.parametrize(("H", "W"), [(47, 63), (3, 65), (49, 2)])
def test_odd_sizes_keep_every_row_and_column(tmp_path, H, W):
    picture = np.zeros((H, W, 3), np.uint8)
    picture[:, W // 2 :] = 200
    path = film(tmp_path / "odd.mkv", [picture] * 5, codec="ffv1", pixels="yuv444p", kind="matroska")
    got = sample_frames(path, 2).pictures
    assert got.shape == (2, H, W, 3)
    assert np.abs(got[0].astype(int) - picture).max() <= 2
    assert read_video_info(path)[1:3] == (W, H)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_film_of_a_telephone_stands_upright(tmp_path, turn):
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32] = 200  # light above left
    path = film(tmp_path / "phone.mp4", [stored] * 5, turn=turn)
    info = read_video_info(path)
    assert info.rotation == turn
    assert (info.height, info.width) == ((64, 48) if turn != 180 else (48, 64))
    picture = sample_frames(path, 1).pictures[0]
    assert picture.shape[:2] == (info.height, info.width)
    assert np.abs(picture.astype(int) - np.rot90(stored, turn // 90)).max() < 30


def test_a_recording_that_was_never_closed_has_no_length_but_pictures(tmp_path):
    file = io.BytesIO()
    file.seekable = lambda: False  # a stream: the length cannot be written when it ends
    with av.open(file, "w", format="matroska", options={"live": "1"}) as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        for picture in grey_levels(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    path = tmp_path / "live.mkv"
    path.write_bytes(file.getvalue())
    assert math.isnan(read_video_info(path).seconds)
    assert [number_of(p) for p in sample_frames(path, 4).pictures] == [2, 7, 12, 17]


def test_key_frames_are_those_that_the_encoder_stored_whole(tmp_path):
    path = film(tmp_path / "gop.mp4", grey_levels(20), gop=5)
    pictures, times = key_frames(path)
    assert [number_of(p) for p in pictures] == [0, 5, 10, 15]
    np.testing.assert_allclose(times, [0, 0.5, 1.0, 1.5])
    np.testing.assert_allclose(key_frames(path, most=2).times, [0, 1.5])
    with pytest.raises(ValueError, match="most must be"):
        key_frames(path, 0)


def scenes(*lengths, seed=0):
    """Return noisy pictures: each scene has its own three colours, and a square that moves."""
    rng = np.random.default_rng(seed)
    pictures = []
    for i, length in enumerate(lengths):
        ground, square = [((200, 60, 40), (90, 90, 90)), ((30, 80, 190), (240, 240, 90))][i % 2]
        for t in range(length):
            picture = np.full((72, 128, 3), ground, np.int64)
            picture[20:50, 2 * t : 2 * t + 30] = square
            pictures.append(np.clip(picture + rng.integers(-8, 9, picture.shape), 0, 255).astype(np.uint8))
    return pictures


def test_the_cuts_of_a_film_are_found_where_they_were_made(tmp_path):
    path = film(tmp_path / "cuts.mp4", scenes(10, 25, 7, 18), rate=25)
    found = shots(path)
    assert [(round(s.start, 3), round(s.end, 3)) for s in found] == [(0, 0.4), (0.4, 1.4), (1.4, 1.68), (1.68, 2.4)]
    times, distances = colour_distances(path)
    assert len(times) == len(distances) == 60
    assert distances[0] == 0
    assert (distances[[10, 35, 42]] > 0.5).all()
    assert np.delete(distances, [10, 35, 42]).max() < 0.05


def test_a_flash_makes_one_shot_not_three(tmp_path):
    pictures = scenes(20)
    pictures[10] = np.full_like(pictures[10], 255)
    path = film(tmp_path / "flash.mp4", pictures, rate=25)
    assert [round(s.start, 3) for s in shots(path)] == [0, 0.4]
    assert [round(s.start, 3) for s in shots(path, shortest=0)] == [0, 0.4, 0.44]


def test_a_slow_fade_is_no_cut_even_of_one_plain_colour(tmp_path):
    path = film(tmp_path / "fade.mp4", [p // 2 for p in grey_levels(60)], rate=25)
    assert shots(path) == [Shot(0.0, pytest.approx(2.4))]
    for wrong in (0, 1):
        with pytest.raises(ValueError, match="threshold"):
            shots(path, wrong)


def test_the_cuts_of_the_real_films_are_those_that_an_eye_sees():
    """Five in bikes.mp4, where its encoder set the key frames too; none in the others."""
    bikes = fetch("films") / "bikes.mp4"
    starts = [shot.start for shot in shots(bikes)]
    np.testing.assert_allclose(starts, [0, 1.2, 3.04, 5.48, 7.48, 9.68])
    np.testing.assert_allclose(key_frames(bikes).times, starts)
    for name in ("carphone_pristine", "bigbuckbunny"):
        path = fetch("films") / f"{name}.mp4"
        assert shots(path) == [Shot(0.0, pytest.approx(read_video_info(path).seconds, abs=0.1))]


def test_a_soft_histogram_splits_a_value_between_its_two_levels():
    h = soft_histogram(np.full((2, 2, 3), (0, 255, 51), np.uint8), bins=3)  # levels 0, 127.5, 255
    np.testing.assert_allclose(h, [[1, 0, 0], [0, 0, 1], [0.6, 0.4, 0]])
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    levels = np.linspace(0, 255, 16)
    expected = np.maximum(0, 1 - np.abs(image.reshape(-1, 3, 1) - levels) / 17).mean(axis=0)
    np.testing.assert_allclose(soft_histogram(image, 16), expected, atol=1e-12)
    np.testing.assert_allclose(soft_histogram(image).sum(axis=1), 1)


def test_the_sound_of_a_film_is_16_khz_mono(counted):
    x = sound_track(counted)
    assert x.dtype == np.float32
    assert x.ndim == 1
    assert 32000 <= len(x) <= 34048
    assert np.abs(np.fft.rfft(x[4000:20000])).argmax() == 440  # one second, so the bin is the frequency
    np.testing.assert_array_equal(x, read_audio(counted))
    assert len(sound_track(counted, 8000)) == pytest.approx(len(x) / 2, abs=1)


def test_the_real_film_has_sound_and_the_bikes_have_none():
    folder = fetch("films")
    info = read_video_info(folder / "bigbuckbunny.mp4")
    assert (info.width, info.height, info.frames_per_second, info.codec) == (1280, 720, 25, "h264")
    assert info.seconds == pytest.approx(5.28)
    assert has_sound(folder / "bigbuckbunny.mp4")
    assert not has_sound(folder / "bikes.mp4")
    with pytest.raises(MediaError, match=r"bikes\.mp4 has no sound track"):
        sound_track(folder / "bikes.mp4")


def song_with_cover():
    """Return an MP3 with a picture in its ID3 tag."""
    mp3, png = io.BytesIO(), io.BytesIO()
    soundfile.write(mp3, np.zeros(16000), 16000, format="MP3")
    Image.new("RGB", (8, 8)).save(png, "PNG")
    body = b"\0image/png\0\3\0" + png.getvalue()
    apic = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = bytes(len(apic) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + apic + mp3.getvalue()


def wav():
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1600), 16000, format="WAV")
    return file.getvalue()


def without_pictures(tmp_path):
    """Return a film whose track of pictures is empty."""
    path = tmp_path / "made.avi"
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return path.read_bytes()


BAD = {
    "empty.mp4": (lambda whole, _: b"", "has 0 bytes"),
    "text.mp4": (lambda whole, _: b"It was the best of times.\n" * 100, "is no film"),
    "noise.mp4": (lambda whole, _: np.random.default_rng(0).bytes(20_000), "is no film"),
    "half.mp4": (lambda whole, _: whole[: len(whole) // 2], "is no film, or is cut off"),  # its index is at the end
    "song.mp3": (lambda *_: song_with_cover(), "has no pictures, only sound"),
    "sound.wav": (lambda *_: wav(), "has no pictures, only sound"),
    "none.avi": (lambda _, tmp_path: without_pictures(tmp_path), "0 pictures|is no film"),
    "list.m3u8": (lambda *_: b"#EXTM3U\n#EXTINF:1,\nother.ts\n", "is a list of films"),
}
READERS = {
    "read_video_info": read_video_info,
    "sample_frames": sample_frames,
    "key_frames": key_frames,
    "shots": shots,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_film_is_one_error_that_names_it(tmp_path, counted, name, reader):
    content, reason = BAD[name]
    path = tmp_path / name
    path.write_bytes(content(counted.read_bytes(), tmp_path))
    with pytest.raises(MediaError, match=reason) as caught:
        READERS[reader](path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).count("\n") == 0
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("reader", ["sample_frames", "shots"])
@pytest.mark.parametrize("kind", ["mp4", "avi", "matroska"])
def test_a_film_that_ends_before_its_header_says_is_cut_off(tmp_path, monkeypatch, kind, reader):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(40)]
    whole = film(tmp_path / "whole", noise, codec="mpeg4", kind=kind, gop=4)
    content = whole.read_bytes()
    if kind == "mp4":  # move the index to the front, as files for streaming have it
        with (
            av.open(str(whole)) as old,
            av.open(str(tmp_path / "f"), "w", format="mp4", options={"movflags": "faststart"}) as new,
        ):
            stream = new.add_stream_from_template(old.streams.video[0])
            for packet in old.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    new.mux(packet)
        content = (tmp_path / "f").read_bytes()
    path = tmp_path / f"half.{kind}"
    path.write_bytes(content[: len(content) // 2])
    for seek_from in (60.0, 0.0):
        monkeypatch.setattr(video, "SEEK_FROM", seek_from)
        with pytest.raises(MediaError, match=rf"half\.{kind} is cut off"):
            READERS[reader](path)


def test_a_film_whose_pictures_change_their_size_is_refused(tmp_path):
    content = b""
    for size in ((48, 64), (64, 48)):
        content += film(tmp_path / "part", [np.zeros((*size, 3), np.uint8)] * 10, kind="h264").read_bytes()
    (tmp_path / "both.h264").write_bytes(content)
    with pytest.raises(MediaError, match=r"both\.h264 changes the size"):
        sample_frames(tmp_path / "both.h264")


def test_pictures_without_any_times_follow_each_other(tmp_path):
    path = film(tmp_path / "bare.h264", grey_levels(20), kind="h264")  # no container around the pictures
    assert [number_of(p) for p in sample_frames(path, 4).pictures] == [2, 7, 12, 17]


def test_a_path_that_is_no_file_says_so(tmp_path, counted, monkeypatch):
    with pytest.raises(MediaError, match=r"lost\.mp4 is not there"):
        has_sound(tmp_path / "lost.mp4")
    with pytest.raises(MediaError, match="is a folder"):
        has_sound(tmp_path)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(MediaError, match=r"cannot be read \(Permission denied\)"):
        has_sound(counted)


def test_pictures_that_would_fill_the_memory_are_refused(counted, monkeypatch):
    monkeypatch.setattr(film_file, "MAX_PIXELS", 1000)
    with pytest.raises(MediaError, match="more than 1,000 pixels"):
        sample_frames(counted)


def test_the_content_decides_not_the_extension(tmp_path, counted):
    path = tmp_path / "film.txt"
    path.write_bytes(counted.read_bytes())
    assert number_of(sample_frames(str(path), 1).pictures[0]) == 10
