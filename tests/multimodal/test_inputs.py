"""What the full model reads of a clip: arrays, gaps, faults, and the folder they are kept in."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from PIL import Image

from avrec_lib.content.image import resize_and_crop
from avrec_lib.content.summaries import picture_summary, sound_summary
from avrec_lib.data.clips import Clips
from avrec_lib.data.microlens import load_microlens
from avrec_lib.multimodal import arrays, frozen, lsa
from avrec_lib.multimodal.clip_inputs import META
from avrec_lib.multimodal.inputs import ClipInputs, Reading, clip_texts, read_clips, read_microlens
from avrec_lib.multimodal.scale import LIMIT, Scale
from avrec_lib.multimodal.settings import Settings

KNOWN = np.array([True, True, True, False])
ALL = np.ones(4, dtype=bool)
SMALL = Settings().but(text="words", tokens=4, vocabulary=6, pixels=8, frames=5, coefficients=3)
TEXTS = ["A red dog", "a dog", "Blue cat", "green bird sings"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path / "cache"))


def media(n: int = 4) -> tuple[list[Any], list[Any]]:
    """Return n covers of 16×16 pixels and n sounds of a quarter of a second."""
    rng = np.random.default_rng(0)
    covers = rng.integers(0, 256, (n, 16, 16, 3)).astype(np.uint8)
    return list(covers), list(rng.integers(-9000, 9000, (n, 4000)).astype(np.int16))


def made() -> Clips:
    covers, sounds = media()
    items = pd.DataFrame({"title_en": TEXTS, "tags_en": [["dog"], ["pets", "dog"], ["cat"], ["new"]]})
    items["description_en"] = ""
    return cast("Clips", SimpleNamespace(items=items, covers=lambda: np.array(covers), sounds=lambda: np.array(sounds)))


def only(**kinds: str) -> Settings:
    return SMALL.but(**({"text": "none", "picture": "none", "sound": "none"} | kinds))


# --- what is read -----------------------------------------------------------------------------


def test_a_clip_is_read_as_ids_of_words_and_standardised_numbers() -> None:
    inputs, reading = read_clips(made(), KNOWN, SMALL)
    assert inputs.senses == ("text", "picture", "sound")
    assert inputs.shapes == {"text": (4,), "picture": (24,), "sound": (259,)}
    assert [a.dtype for a in inputs.arrays.values()] == [np.int64, np.float32, np.float32]
    assert inputs.there.all()
    assert len(inputs.faults) == 0
    assert reading.vocabulary.keys() == {"dog", "a", "cat", "blue"}


def test_the_text_of_a_clip_is_its_title_its_tags_and_its_description() -> None:
    items = pd.DataFrame({"title_en": ["A dog"], "tags_en": [["pets", "dog"]], "description_en": ["He barks."]})
    assert clip_texts(items) == ["A dog pets dog He barks."]
    items = items.assign(title_zh=["狗"], tags_zh=[["宠物"]], description_zh=["它叫"])
    assert clip_texts(items, ("en", "zh")) == ["A dog pets dog He barks. 狗 宠物 它叫"]


def test_vocabulary_and_scale_know_nothing_of_clips_that_are_not_known() -> None:
    inputs, _ = read_clips(made(), KNOWN, SMALL)
    assert inputs.arrays["text"][3].tolist() == [1, 1, 1, 1]  # green, bird, sings, new
    covers, _ = media()
    raw = np.stack([picture_summary(x) for x in covers])  # (4, 24)
    changing = raw[:3].std(axis=0) > 1e-6
    wanted = ((raw - raw[:3].mean(axis=0)) / raw[:3].std(axis=0).clip(1e-9)).clip(-5, 5)
    np.testing.assert_allclose(inputs.arrays["picture"][:, changing], wanted[:, changing], rtol=1e-3, atol=1e-3)


def test_a_sound_is_the_standardised_summary_of_its_samples() -> None:
    _, sounds = media()
    inputs, reading = read_clips(made(), ALL, only(sound="measured"))
    back = inputs.arrays["sound"][1] * reading.scales["sound"].spread + reading.scales["sound"].centre
    np.testing.assert_allclose(back, sound_summary(sounds[1], 16_000), rtol=1e-3, atol=1e-3)


def test_pixels_are_the_cover_in_a_smaller_size() -> None:
    covers, _ = media()
    inputs, _ = read_clips(made(), ALL, only(picture="pixels"))
    assert inputs.arrays["picture"].dtype == np.uint8
    np.testing.assert_array_equal(inputs.arrays["picture"][2], resize_and_crop(covers[2], 8))


def test_frames_are_those_of_the_article_on_the_scale_of_the_known_clips() -> None:
    _, sounds = media()
    inputs, _ = read_clips(made(), KNOWN, only(sound="frames"))
    theirs = arrays.sound_frames(np.array(sounds), 5, 3)  # (4, 5, 3)
    wanted = (theirs - theirs[:3].mean(axis=(0, 1))) / theirs[:3].std(axis=(0, 1))
    np.testing.assert_allclose(inputs.arrays["sound"], wanted.clip(-5, 5), rtol=1e-3, atol=1e-3)


def test_what_lies_far_out_is_cut_at_five_spreads() -> None:
    scale = Scale.learn(np.array([[0.0, 1], [2, 1]], np.float32), is_frozen=False)
    assert (scale.centre.tolist(), scale.spread.tolist()) == ([1, 1], [1, 1])  # a column that never changes: 1
    assert scale.apply(np.array([[0, 1], [99, -99]], np.float32)).tolist() == [[-1, 0], [LIMIT, -LIMIT]]


def test_frozen_vectors_are_centred_and_keep_their_proportions() -> None:
    scale = Scale.learn(np.array([[0, 10], [8, 4]], np.float32), is_frozen=True)
    np.testing.assert_allclose(scale.centre, [4, 7])
    np.testing.assert_allclose(scale.spread, np.sqrt([12.5, 12.5]))  # (16 + 9) / 2
    np.testing.assert_allclose(scale.apply(np.array([[104, 7]], np.float32)), [[100 / np.sqrt(12.5), 0]])


def test_a_sense_that_nobody_asked_for_is_not_read() -> None:
    def refuse() -> None:
        raise AssertionError("the covers were drawn")

    clips = cast("Clips", SimpleNamespace(items=made().items, covers=refuse, sounds=made().sounds))
    assert read_clips(clips, ALL, SMALL.but(picture="none"))[0].senses == ("text", "sound")


# --- a new clip -------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [{}, {"picture": "pixels", "sound": "frames"}])
def test_a_clip_read_again_alone_gives_the_same_numbers(tmp_path: Path, kinds: dict[str, str]) -> None:
    covers, sounds = media()
    inputs, reading = read_clips(made(), KNOWN, SMALL.but(**kinds))
    reading.save(tmp_path / "reading.json")
    again = Reading.load(tmp_path / "reading.json")
    alone = again.read(["green bird sings new"], [covers[3]], [sounds[3]])
    for sense, array in inputs.arrays.items():
        np.testing.assert_array_equal(alone.arrays[sense], array[3:])
        assert alone.arrays[sense].dtype == array.dtype
    assert again.settings == reading.settings


def test_files_and_their_bytes_are_read_as_arrays_are(tmp_path: Path) -> None:
    covers, sounds = media()
    _, reading = read_clips(made(), KNOWN, SMALL)
    Image.fromarray(covers[0]).save(tmp_path / "0.png")
    soundfile.write(tmp_path / "0.wav", sounds[0], 16_000)
    cover, sound = tmp_path / "0.png", tmp_path / "0.wav"
    files = reading.read(
        ["a"] * 4, [cover, str(cover), cover.read_bytes(), covers[0]], [sound, str(sound), None, sounds[0]]
    )
    assert files.there.tolist() == [[True, True, True], [True, True, True], [True, True, False], [True, True, True]]
    for sense in ("picture", "sound"):
        for i in (0, 1):
            np.testing.assert_allclose(files.arrays[sense][i], files.arrays[sense][3], rtol=1e-5, atol=1e-5)


def test_learning_alone_learns_what_reading_learns() -> None:
    covers, sounds = media()
    texts = ["A red dog dog", "a dog pets dog", "Blue cat cat", "green bird sings new"]
    _, reading = read_clips(made(), KNOWN, SMALL)
    assert Reading.learn(texts, covers, sounds, KNOWN, SMALL).to_dict() == reading.to_dict()


def test_sounds_may_have_any_length_and_float_samples_are_the_same_sound() -> None:
    _, sounds = media()
    reading = Reading.learn(TEXTS, [None] * 4, sounds, ALL, only(sound="measured"))
    read = reading.read([""] * 3, [None] * 3, [sounds[0], sounds[0] / 32768, sounds[0][:700]])
    assert read.there.all()
    np.testing.assert_allclose(read.arrays["sound"][0], read.arrays["sound"][1], atol=1e-4)


# --- gaps and faults --------------------------------------------------------------------------


def gaps(tmp_path: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """Return five clips of which the first is whole and the others lack more and more."""
    covers, sounds = media(5)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    nan = np.full(4000, np.nan, np.float32)
    return (
        ["a red dog", "!?", "", None, float("nan")],
        [covers[0], np.zeros((4, 4)), tmp_path / "broken.jpg", tmp_path / "not there.jpg", None],
        [sounds[0], sounds[1][:0], nan, tmp_path / "broken.jpg", None],
    )


def test_whatever_is_missing_or_broken_is_told_with_its_number_and_reason(tmp_path: Path) -> None:
    reading = Reading.learn(*gaps(tmp_path), np.ones(5, bool), SMALL)
    inputs = reading.read(*gaps(tmp_path))
    assert inputs.there.tolist() == [[True] * 3, [False, True, False], *[[False] * 3] * 3]
    told = {(int(i), s): reason for i, s, reason in inputs.faults.itertuples(index=False)}
    assert list(told) == [(1, "text"), (1, "sound")] + [(i, s) for i in (2, 3, 4) for s in ("text", "picture", "sound")]
    assert told[1, "text"] == "has no word in it."
    assert told[2, "text"] == "is empty."
    assert told[3, "text"] == told[4, "text"] == told[4, "sound"] == "is missing."
    assert "NaN" in told[2, "sound"]
    assert "shape (0,)" in told[1, "sound"]
    assert "broken.jpg is no picture" in told[2, "picture"]
    assert "not there.jpg cannot be read" in told[3, "picture"]
    for sense, row in zip(inputs.senses, inputs.there.T, strict=True):
        assert (inputs.arrays[sense][~row] == 0).all()
        assert np.isfinite(inputs.arrays[sense]).all()


@pytest.mark.parametrize(
    "kinds",
    [
        {"picture": "pixels", "sound": "frames"},
        {"text": "minilm", "picture": "efficientnet", "sound": "whisper"},
        {"text": "minilm-tuned", "picture": "efficientnet-tuned", "sound": "whisper-tuned"},
    ],
)
def test_clips_without_anything_are_read_as_zeros_by_every_kind(kinds: dict[str, str]) -> None:
    settings = SMALL.but(**kinds)
    inputs = Reading.learn([None] * 2, [None] * 2, [None] * 2, np.ones(2, bool), settings).read([""], [None], [None])
    assert not inputs.there.any()
    assert all((array == 0).all() and len(array) == 1 for array in inputs.arrays.values())
    assert len(inputs.faults) == 3


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros((10, 2)), "shape (10, 2)"),
        (np.full(4000, np.inf), "NaN, infinite or far too large"),
        (np.full(4000, 1e20), "NaN, infinite or far too large"),
        (np.array(["a"]), "array of <U1"),
        ([1, 2], "is of type list"),
        (b"", "0 bytes"),
    ],
)
def test_what_is_no_sound_is_a_gap(sound: Any, reason: str) -> None:
    _, sounds = media()
    reading = Reading.learn(TEXTS, [None] * 4, sounds, ALL, only(sound="measured"))
    inputs = reading.read(["a"], [None], [sound])
    assert not inputs.there.any()
    assert reason in inputs.faults["reason"][0]


def test_a_sound_too_short_for_its_frames_is_a_gap_and_its_neighbours_arrive() -> None:
    _, sounds = media()
    inputs = Reading.learn(TEXTS, [None] * 4, sounds, ALL, only(sound="frames")).read(
        ["a"] * 3, [None] * 3, [sounds[0], sounds[1][:2], sounds[2]]
    )
    assert inputs.there[:, 0].tolist() == [True, False, True]
    assert "no 5 frames" in inputs.faults["reason"][0]


def test_a_broken_picture_is_black_pixels_and_told(tmp_path: Path) -> None:
    covers, _ = media()
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    pictures = [covers[0], tmp_path / "broken.jpg", b"no picture", None]
    reading = Reading.learn(TEXTS, pictures, [None] * 4, ALL, only(picture="pixels"))
    inputs = reading.read(TEXTS, pictures, [None] * 4)
    assert inputs.there[:, 0].tolist() == [True, False, False, False]
    assert (inputs.arrays["picture"][1:] == 0).all()
    told = inputs.faults["reason"].tolist()
    assert "broken.jpg is no picture" in told[0]
    assert told[1].startswith("is no picture")


def test_a_text_of_another_type_is_a_gap() -> None:
    inputs = Reading.learn(TEXTS, [None] * 4, [None] * 4, ALL, only(text="words")).read(
        cast("Any", [7]), [None], [None]
    )
    assert inputs.faults.to_numpy().tolist() == [[0, "text", "is of type int, not a str."]]


@pytest.mark.parametrize("known", [np.ones(3, bool), np.ones(4), np.zeros(4, bool)])
def test_known_must_say_yes_or_no_of_each_clip(known: Any) -> None:
    with pytest.raises(ValueError, match="known must be a bool array"):
        read_clips(made(), known, SMALL)


def test_texts_pictures_and_sounds_of_different_clips_are_refused() -> None:
    _, reading = read_clips(made(), ALL, SMALL)
    with pytest.raises(ValueError, match=r"2 of text, 1 of picture, 1 of sound"):
        reading.read(["a", "b"], [None], [None])
    with pytest.raises(ValueError, match="not one str"):
        reading.read("abcd", [None] * 4, [None] * 4)


# --- rows for a batch, and the folder ---------------------------------------------------------


def test_a_batch_is_gathered_in_the_order_asked_for_from_a_folder_too(tmp_path: Path) -> None:
    inputs, _ = read_clips(made(), KNOWN, SMALL.but(picture="pixels"))
    inputs.save(tmp_path / "inputs")
    mapped = ClipInputs.load(tmp_path / "inputs")
    assert all(isinstance(array, np.memmap) and not array.flags.writeable for array in mapped.arrays.values())
    for of in (inputs, mapped):
        rows, there = of.of([2, 0, 2])
        assert list(rows) == ["text", "picture", "sound"]
        assert (there.dtype, there.shape) == (torch.bool, (3, 3))
        for sense, tensor in rows.items():
            np.testing.assert_array_equal(tensor.numpy(), inputs.arrays[sense][[2, 0, 2]])


def test_a_saved_folder_comes_back_whole_and_may_be_replaced(tmp_path: Path) -> None:
    reading = Reading.learn(*gaps(tmp_path), np.ones(5, bool), SMALL)
    inputs = reading.read(*gaps(tmp_path))
    read_clips(made(), ALL, SMALL)[0].save(tmp_path / "inputs")
    inputs.save(tmp_path / "inputs")
    again = ClipInputs.load(tmp_path / "inputs")
    np.testing.assert_array_equal(again.there, inputs.there)
    pd.testing.assert_frame_equal(again.faults, inputs.faults)
    assert again.shapes == inputs.shapes
    assert {p.name for p in tmp_path.iterdir()} == {"broken.jpg", "cache", "inputs"}  # no half folder is left


@pytest.mark.parametrize("items", [[0, 4], [-1], [[0]]])
def test_clips_that_are_not_there_are_named(items: Any) -> None:
    with pytest.raises(ValueError, match=r"0\.\.3"):
        read_clips(made(), ALL, only(text="words"))[0].of(items)


def test_a_folder_of_something_else_is_neither_written_over_nor_loaded(tmp_path: Path) -> None:
    inputs, _ = read_clips(made(), ALL, only(text="words"))
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else"):
        inputs.save(tmp_path)
    with pytest.raises(ValueError, match=f"no {META}"):
        ClipInputs.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        ClipInputs.load(tmp_path / "nowhere")


def _cut(folder: Path) -> None:
    file = folder / "text.npy"
    file.write_bytes(file.read_bytes()[:-8])


def _other(folder: Path) -> None:
    np.save(folder / "text.npy", np.zeros((3, 4), np.int64))


def _pickled(folder: Path) -> None:
    np.save(folder / "text.npy", np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "harm",
    [
        _cut,
        _other,
        _pickled,
        lambda folder: (folder / "there.npy").unlink(),
        lambda folder: (folder / "text.npy").write_bytes(b""),
        lambda folder: (folder / META).write_text("{"),
        lambda folder: (folder / META).write_text("[]"),
        lambda folder: (folder / META).write_bytes(b"\xff\xfe"),
        lambda folder: (folder / META).write_text(json.dumps({"format": "other"})),
        lambda folder: (folder / META).write_text(json.dumps({"format": "avrec clip inputs 1", "arrays": {}})),
        lambda folder: (folder / META).write_text(
            json.dumps({"format": "avrec clip inputs 1", "arrays": {"../text": ["int64", [4]]}})
        ),
    ],
)
def test_a_damaged_folder_is_one_clear_error(tmp_path: Path, harm: Any) -> None:
    read_clips(made(), ALL, only(text="words"))[0].save(tmp_path / "inputs")
    harm(tmp_path / "inputs")
    with pytest.raises(ValueError, match="or read the clips again"):
        ClipInputs.load(tmp_path / "inputs")


@pytest.mark.parametrize("content", ["{", "{}", '{"format": "avrec reading 1"}', "[1]"])
def test_a_damaged_reading_is_one_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "reading.json").write_text(content)
    with pytest.raises(ValueError, match="Save the reading again"):
        Reading.load(tmp_path / "reading.json")


def test_a_reading_with_a_spread_of_zero_is_refused(tmp_path: Path) -> None:
    _, reading = read_clips(made(), ALL, only(picture="measured"))
    told = reading.to_dict()
    told["scales"]["picture"]["spread"][0] = 0
    (tmp_path / "reading.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="as many positive spreads as centres"):
        Reading.load(tmp_path / "reading.json")


def test_arrays_of_different_clips_do_not_belong_together() -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        ClipInputs({"text": np.zeros((2, 1)), "sound": np.zeros((3, 1))}, np.ones((2, 2), bool), pd.DataFrame())


# --- MicroLens --------------------------------------------------------------------------------


def test_a_folder_of_microlens_is_read_and_a_film_lends_its_sound(tmp_path: Path) -> None:
    root = tmp_path / "MicroLens-100k"
    for kind in ("covers", "audio", "videos"):
        (root / f"MicroLens-100k_{kind}").mkdir(parents=True)
    pairs = "user,item,timestamp\n11,1,1583378629552\n11,2,1583378629553\n9,10,1583378629554\n9,1,1583378629555\n"
    (root / "MicroLens-100k_pairs.csv").write_text(pairs)
    (root / "MicroLens-100k_title_en.csv").write_text('1,"tea, milk # 奶茶"\n2,Who is Who? 😂\n')
    _, sounds = media()
    Image.new("RGB", (8, 6), (200, 30, 30)).save(root / "MicroLens-100k_covers/1.jpg")
    soundfile.write(root / "MicroLens-100k_audio/1.wav", sounds[0], 16_000)
    soundfile.write(root / "film.wav", sounds[1], 16_000)
    (root / "film.wav").rename(root / "MicroLens-100k_videos/2.mp4")  # the content decides what a file is
    (root / "MicroLens-100k_videos/10.mp4").write_bytes(b"film")
    inputs, reading = read_microlens(load_microlens(root), np.array([True, True, False]), SMALL.but(vocabulary=20))
    assert inputs.there.tolist() == [[True, True, True], [True, False, True], [False, False, False]]
    assert "奶茶" in reading.vocabulary
    told = {(int(i), s): reason for i, s, reason in inputs.faults.itertuples(index=False)}
    assert told[2, "text"] == "is empty."
    assert told[2, "picture"] == told[1, "picture"] == "is missing."
    assert "10.mp4" in told[2, "sound"]


# --- LSA --------------------------------------------------------------------------------------

ABOUT = ["dog cat"] * 3 + ["dog bird"] * 3 + ["bird sings"] * 3 + ["dog sings"] * 3 + ["unseen", "dog"]
LSA = only(text="lsa").but(directions=2)


def test_lsa_is_learnt_from_known_texts_centred_and_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsa, "COMMON", 1.0)
    nothing, known = [None] * 14, np.arange(14) < 12
    reading = Reading.learn(ABOUT, nothing, nothing, known, LSA)
    assert reading.lsa is not None
    assert reading.lsa.idf.keys() == {"dog", "cat", "bird", "sings"}
    inputs = reading.read(ABOUT, nothing, nothing)
    assert inputs.shapes == {"text": (2,)}
    wanted = lsa.Lsa.learn([text.split() for text in ABOUT[:12]], 2).apply([text.split() for text in ABOUT])
    size = np.sqrt(wanted[:12].var(axis=0).mean())
    got = inputs.arrays["text"]
    np.testing.assert_allclose(got[13], (wanted[13] - wanted[:12].mean(axis=0)) / size, atol=1e-4)
    assert inputs.faults.to_numpy().tolist() == [[12, "text", "has no word that was known."]]
    assert got[12].tolist() == [0, 0]


def test_lsa_comes_back_from_its_file_with_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsa, "COMMON", 1.0)
    nothing = [None] * 14
    reading = Reading.learn(ABOUT, nothing, nothing, np.ones(14, bool), LSA)
    reading.save(tmp_path / "reading.json")
    again = Reading.load(tmp_path / "reading.json").read(["sings dog"], [None], [None])
    np.testing.assert_array_equal(again.arrays["text"], reading.read(["sings dog"], [None], [None]).arrays["text"])


# --- frozen networks, with the networks replaced ----------------------------------------------


class SmallEncoder:
    """Numbers that tell inputs apart, in the place of a network."""

    def encode(self, inputs: list[Any]) -> Any:
        d = 384 if isinstance(inputs[0], str) else 1280
        seeds = [len(x) if isinstance(x, str) else int(x.sum()) for x in inputs]
        return np.stack([np.random.default_rng(seed).standard_normal(d) + 3 for seed in seeds])


def test_frozen_vectors_are_centred_over_the_known_and_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "_sentences", SmallEncoder)
    monkeypatch.setattr(frozen, "_pictures", SmallEncoder)
    inputs, reading = read_clips(made(), KNOWN, only(text="minilm", picture="efficientnet"))
    assert inputs.shapes == {"text": (384,), "picture": (1280,)}
    for sense in inputs.senses:
        known = inputs.arrays[sense][KNOWN]
        np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-2)
        np.testing.assert_allclose(np.mean(known**2), 1, rtol=1e-3)
        assert len(set(reading.scales[sense].spread.tolist())) == 1


def test_a_frozen_vector_has_the_length_of_the_root_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "_pictures", SmallEncoder)
    covers, _ = media()
    raw = frozen.efficientnet([covers[0], None])
    np.testing.assert_allclose(np.linalg.norm(raw.values, axis=1), [np.sqrt(1280), 0], rtol=1e-5)
    assert raw.reasons == {1: "is missing."}


def test_ids_of_minilm_need_room_between_the_marks() -> None:
    with pytest.raises(ValueError, match="tokens must be at least 3"):
        frozen.minilm_ids(["a"], 2)


def test_whisper_reads_no_more_than_thirty_seconds_inside_the_model() -> None:
    with pytest.raises(ValueError, match="at most 3000"):
        frozen.whisper_mel([None], 3001)


def test_a_short_sound_is_followed_by_its_lowest_value() -> None:
    _, sounds = media()
    raw = frozen.whisper_mel([sounds[0], sounds[0][:1600]], 25)
    assert raw.values.shape == (2, 25, 80)
    assert raw.values[0, 24].max() > raw.values[0].min()
    np.testing.assert_array_equal(raw.values[1, 10:], raw.values[1, :10].min())
