import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from avrec_lib.content import audio, extract, flow, kept
from avrec_lib.content.audio import read_audio
from avrec_lib.content.errors import MediaError
from avrec_lib.content.flow import understand, understand_all
from avrec_lib.content.sentences import MultilingualEncoder, SentenceEncoder
from avrec_lib.content.spectra import mfcc
from avrec_lib.content.summaries import picture_summary, sound_summary
from avrec_lib.content.video import sample_frames
from avrec_lib.data.assets import fetch

RATE = 16_000
BUNNY = fetch("films") / "bigbuckbunny.mp4"
BECKETT = fetch("speech") / "beckett.wav"
SAID = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Keep what is found here, where nothing was found before; models and films stay where they are."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        for module in (kept, extract):
            patch.setattr(module, "cache_folder", lambda: folder)
        yield folder


@pytest.fixture(scope="module")
def bunny():
    return understand(BUNNY, "Big Buck Bunny wakes up")


@pytest.fixture(scope="module")
def beckett():
    return understand(BECKETT)


def write_film(path, samples=None):
    """Write a second of film, its pictures from light to dark, with a sound track if there are samples."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        track = None if samples is None else container.add_stream("aac", rate=RATE, layout="mono")
        for level in np.linspace(250, 5, 8).astype(np.uint8):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), level), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if track is not None:
            whole = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
            whole.sample_rate = RATE
            fitted = av.AudioResampler(format="fltp", layout="mono", rate=RATE, frame_size=1024)
            for part in [*fitted.resample(whole), *fitted.resample(None)]:
                container.mux(track.encode(part))
            container.mux(track.encode(None))
    return path


def test_the_real_film_goes_down_every_branch(bunny):
    assert (bunny.path, bunny.kind) == (BUNNY, "film")
    assert bunny.seconds == pytest.approx(5.28, abs=0.01)
    assert bunny.times == pytest.approx([5.28 * (i + 0.5) / 8 for i in range(8)], abs=0.04)
    assert {sense: vector.shape for sense, vector in bunny.vectors.items()} == {
        "text": (384,),
        "picture": (24,),
        "sound": (259,),
    }
    assert all(v.dtype == np.float32 and np.isfinite(v).all() for v in bunny.vectors.values())
    assert bunny.missing == {"words": "no speech was heard"}
    assert (bunny.said, bunny.words, bunny.text) == ("", (), "Big Buck Bunny wakes up")


def test_the_network_takes_the_cartoon_rabbit_for_an_albatross(bunny):
    assert [len(row) for row in bunny.labels] == [3] * 8
    best = [row[0] for row in bunny.labels]
    assert [name for name, _ in best[2:6]] == ["albatross"] * 4
    assert max(p for _, p in best) > 0.6
    assert all(row[0][1] >= row[1][1] >= row[2][1] > 0 for row in bunny.labels)


def test_the_film_s_look_is_the_mean_over_its_pictures_and_its_sound_begins_with_the_mean_mfcc(bunny):
    looks = [picture_summary(picture) for picture in sample_frames(BUNNY, 8).pictures]
    np.testing.assert_allclose(bunny.vectors["picture"], np.mean(looks, axis=0), atol=1e-6)
    C = mfcc(read_audio(BUNNY), RATE, 20, n_fft=1024, hop=256, n_mels=64)  # (20, m)
    np.testing.assert_allclose(bunny.vectors["sound"][:20], C.mean(axis=1), rtol=1e-4)
    np.testing.assert_array_equal(bunny.vectors["sound"], sound_summary(read_audio(BUNNY), RATE))


def test_the_first_sentence_of_the_real_speech_is_right(beckett):
    assert beckett.kind == "sound"
    assert beckett.said == beckett.text == SAID
    assert [word.word for word in beckett.words[:2]] == ["Ever", "tried."]
    starts = [word.start for word in beckett.words]
    assert starts == sorted(starts)
    assert 8 < max(starts) < beckett.seconds < 10
    assert beckett.missing == {"picture": "a sound has no pictures"}
    assert (beckett.times, beckett.labels) == ((), ())


def test_the_text_s_vector_is_that_of_the_title_and_of_what_was_said(bunny, beckett):
    encode = SentenceEncoder().encode
    np.testing.assert_allclose(bunny.vectors["text"], encode(["Big Buck Bunny wakes up"])[0], atol=1e-6)
    np.testing.assert_allclose(beckett.vectors["text"], encode([SAID])[0], atol=1e-6)
    named = understand(BECKETT, " Worstward Ho ")
    assert named.text == f"Worstward Ho\n{SAID}"
    np.testing.assert_allclose(named.vectors["text"], encode([f"Worstward Ho {SAID}"])[0], atol=1e-6)


def test_words_that_are_spoken_in_a_film_become_its_text(tmp_path):
    speech = read_audio(BECKETT)[: 2 * RATE]
    found = understand(write_film(tmp_path / "talk.mp4", speech), "a film", n_frames=2, n_labels=1)
    assert found.said == "Ever tried."
    assert found.text == "a film\nEver tried."
    assert list(found.vectors) == ["text", "picture", "sound"]
    assert found.missing == {}
    assert [len(row) for row in found.labels] == [1, 1]


def test_nothing_is_seen_or_heard_twice(bunny, beckett, monkeypatch, tmp_path):
    monkeypatch.setattr(flow, "_perceive", None)
    copy = tmp_path / "another name.avi"
    copy.write_bytes(BUNNY.read_bytes())
    for again, first in ((understand(copy, "Big Buck Bunny wakes up"), bunny), (understand(BECKETT), beckett)):
        for name in ("kind", "seconds", "times", "labels", "said", "words", "text", "missing"):
            assert getattr(again, name) == getattr(first, name)
        assert list(again.vectors) == list(first.vectors)
        assert all(np.array_equal(again.vectors[sense], first.vectors[sense]) for sense in first.vectors)
    assert understand(BUNNY).missing["text"] == "there is no title, and no words were found"  # titles are not kept
    for n_frames, n_labels in ((7, 3), (8, 2)):
        with pytest.raises(TypeError):
            understand(BUNNY, n_frames=n_frames, n_labels=n_labels)


def test_a_film_without_sound_one_that_is_silent_and_one_whose_sound_is_damaged_still_have_a_look(
    tmp_path, monkeypatch
):
    mute = understand(write_film(tmp_path / "mute.mp4"))
    silent = understand(write_film(tmp_path / "silent.mp4", np.zeros(RATE)))
    monkeypatch.setattr(audio, "read_audio", read_nothing)
    damaged = understand(write_film(tmp_path / "damaged.mp4", np.ones(RATE)))
    whys = ("the film has no sound track", "it is silent throughout", "has sound in an unknown codec; convert it.")
    for film, why in zip((mute, silent, damaged), whys, strict=True):
        assert list(film.vectors) == ["picture"]
        np.testing.assert_allclose(film.vectors["picture"][:3], 0.5, atol=0.02)
        assert film.missing == {"text": "there is no title, and no words were found", "sound": why, "words": why}


def read_nothing(path):
    raise MediaError(path, "has sound in an unknown codec; convert it.")


def test_a_sound_without_words_and_a_quiet_one_say_so(tmp_path):
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    for name, level in (("tone.wav", 0.5), ("hardly.wav", 0.0005)):
        soundfile.write(tmp_path / name, level * tone, RATE)
    heard, not_heard = understand(tmp_path / "tone.wav", "a tone"), understand(tmp_path / "hardly.wav", "no tone")
    assert heard.missing == {"picture": "a sound has no pictures", "words": "no speech was heard"}
    assert list(heard.vectors) == ["text", "sound"]
    assert not_heard.missing["sound"] == "it is silent throughout"
    assert list(not_heard.vectors) == ["text"]


def test_a_picture_has_a_look_and_labels_only(tmp_path):
    middle = sample_frames(BUNNY, 1).pictures[0]
    Image.fromarray(middle).save(tmp_path / "bird", "PNG")
    found = understand(tmp_path / "bird")
    assert (found.kind, found.times) == ("picture", (0.0,))
    assert found.labels[0][0][0] == "albatross"
    np.testing.assert_allclose(found.vectors["picture"], picture_summary(middle), atol=1e-6)
    assert list(found.missing) == ["text", "sound", "words"]
    assert np.isnan(found.seconds)


def test_a_text_has_words_only_and_many_languages_have_one_space(tmp_path):
    (tmp_path / "猫.txt").write_text("\ufeff一只猫睡着了。\n", encoding="utf-8")
    found = understand(tmp_path / "猫.txt", "猫", multilingual=True)
    assert (found.kind, found.text) == ("text", "猫\n一只猫睡着了。")
    assert found.missing == dict.fromkeys(("picture", "sound", "words"), "it is a text")
    encode = MultilingualEncoder().encode
    np.testing.assert_allclose(found.vectors["text"], encode(["猫 一只猫睡着了。"])[0], atol=1e-5)
    assert encode(["A cat sleeps.", "The stock market fell."]).dot(found.vectors["text"]).argmax() == 0


def test_the_content_decides_what_a_file_is_not_its_name(tmp_path):
    sound, picture = tmp_path / "film.mp4", tmp_path / "sound.wav"
    soundfile.write(sound, np.zeros(100), RATE, format="FLAC")
    Image.new("RGB", (20, 20)).save(picture, "JPEG")
    assert understand(sound).kind == "sound"
    assert understand(picture).kind == "picture"


def jpeg(folder):
    Image.effect_noise((90, 90), 50).save(folder / "whole.jpg")
    return (folder / "whole.jpg").read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("junk.mp4", lambda _: b"no film at all", "is no film, sound or picture, or is cut off"),
        ("cut.mp4", lambda _: BUNNY.read_bytes()[:300_000], "is no film, sound or picture, or is cut off"),
        ("cut.wav", lambda _: BECKETT.read_bytes()[:20], "is no film, sound or picture, or is cut off"),
        ("cut.jpg", lambda folder: jpeg(folder)[:2000], "is cut off or damaged"),
        ("header.jpg", lambda folder: jpeg(folder)[:100], "has a damaged header"),
        ("empty.png", lambda _: b"", "has 0 bytes; copy or download it again"),
        ("latin.txt", lambda _: "Füße".encode("latin-1"), "is no text in UTF-8; save it as such"),
        ("list.m3u8", lambda _: b"#EXTM3U\nfilm.mp4\n", "is a list of films"),
    ],
)
def test_a_bad_file_is_one_error_with_its_name_and_a_remedy(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content(tmp_path))
    with pytest.raises(MediaError, match=said) as caught:
        understand(tmp_path / name, "a title does not help")
    assert str(caught.value).startswith(str(tmp_path / name))
    assert ";" in str(caught.value) or ". Convert" in str(caught.value)


def test_a_file_that_is_not_there_and_a_folder_are_bad_files(tmp_path):
    for path, said in ((tmp_path / "no.mp4", "is not there"), (tmp_path, "is a folder")):
        with pytest.raises(MediaError, match=said):
            understand(path)


def test_numbers_of_frames_and_labels_below_one_are_refused():
    for options in ({"n_frames": 0}, {"n_labels": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            understand(BUNNY, **options)


def test_one_bad_file_among_many_is_reported_and_the_others_arrive(tmp_path):
    good = [write_film(tmp_path / "film.mp4"), tmp_path / "a.txt", BECKETT]
    good[1].write_text("Words.")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"bad")
    found, features = understand_all([str(good[0]), bad, good[1], good[2]], {good[0]: "a film", bad: "no film"})
    assert [one.path for one in found] == good
    assert [one.text for one in found] == ["a film", "Words.", SAID]
    assert features.kept.tolist() == [0, 2, 3]
    assert features.vectors.tolist() == [[1, 1, 0], [1, 0, 0], [1, 0, 1]]
    assert features.faults.index.tolist() == [1]
    assert features.faults["input"][1] == str(bad)
    assert "is no film" in features.faults["reason"][1]


def test_importing_the_flow_loads_none_of_the_heavy_packages():
    code = "import sys, avrec_lib.content.flow; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"torch", "transformers", "faster_whisper", "av", "PIL"}.isdisjoint(loaded)
