"""What the article's model reads of every clip."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from avrec_lib.content.spectra import mfcc
from avrec_lib.data.clips import Clips
from avrec_lib.multimodal.arrays import ClipArrays, clip_arrays, learn_vocabulary, shrink, sound_frames, token_ids
from avrec_lib.multimodal.config import ArticleConfig

SMALL = ArticleConfig(vocabulary=6, tokens=4, picture=8, channels=(2,), frames=5, coefficients=3)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path))


def made() -> Clips:
    """Return four clips with words, covers and sounds, as `clip_arrays` reads them."""
    rng = np.random.default_rng(0)
    items = pd.DataFrame(
        {
            "title_en": ["A red dog", "a dog", "Blue cat", "green bird sings"],
            "tags_en": [["dog"], ["pets", "dog"], ["cat"], ["new"]],
        }
    )
    covers = rng.integers(0, 256, (4, 16, 16, 3)).astype(np.uint8)
    sounds = rng.integers(-9000, 9000, (4, 4000)).astype(np.int16)
    return cast("Clips", SimpleNamespace(items=items, covers=lambda: covers, sounds=lambda: sounds))


def test_the_most_frequent_words_get_the_first_ids_and_ties_go_by_the_alphabet() -> None:
    texts = [["b", "a", "c"], ["c", "d"]]
    assert learn_vocabulary(texts, 4) == {"c": 2, "a": 3}


def test_ids_are_cut_padded_at_the_end_and_one_for_unknown_words() -> None:
    ids = token_ids([["a", "x", "b", "a"], ["b"], []], {"a": 2, "b": 3}, 3)
    assert ids.tolist() == [[2, 1, 3], [3, 0, 0], [0, 0, 0]]


def test_a_pixel_is_the_rounded_mean_of_its_block() -> None:
    picture = np.zeros((1, 2, 2, 3), np.uint8)
    picture[0, :, :, 0] = [[1, 2], [2, 2]]  # mean 1.75
    picture[0, :, :, 1] = 255
    assert shrink(picture, 1).tolist() == [[[[2, 255, 0]]]]
    assert shrink(picture, 2).tolist() == picture.tolist()


def test_a_side_that_is_no_divisor_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be shrunk to 3"):
        shrink(np.zeros((1, 8, 8, 3), np.uint8), 3)


def test_frames_are_the_mfcc_evenly_spaced_and_the_second_time_from_the_cache() -> None:
    sounds = made().sounds()
    frames = sound_frames(sounds, 5, 3)
    assert frames.shape == (4, 5, 3)
    np.testing.assert_allclose(frames[1], mfcc(sounds[1], 16_000, 3, 1024, 800, 64).T[:5], rtol=1e-5)
    np.testing.assert_array_equal(sound_frames(sounds, 5, 3), frames)


def test_a_sound_shorter_than_its_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="choose fewer frames"):
        sound_frames(np.zeros((1, 3), np.int16), 9, 2)


def test_vocabulary_and_scale_are_learnt_from_known_clips_only() -> None:
    known = np.array([True, True, True, False])
    arrays = clip_arrays(made(), known, SMALL)
    assert set(arrays.vocabulary) == {"dog", "a", "cat", "blue"}
    assert arrays.words[3].tolist() == [1, 1, 1, 1]  # green, bird, sings, new: nobody knows them
    np.testing.assert_allclose(arrays.frames[:3].mean(axis=(0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(arrays.frames[:3].std(axis=(0, 1)), 1, atol=1e-4)
    assert arrays.pictures.shape == (4, 8, 8, 3)
    assert arrays.frames.dtype == np.float32


def test_a_batch_is_gathered_in_the_order_asked_for() -> None:
    arrays = clip_arrays(made(), np.ones(4, bool), SMALL)
    words, pictures, frames = arrays.of([2, 0, 2])
    np.testing.assert_array_equal(words.numpy(), arrays.words[[2, 0, 2]])
    np.testing.assert_array_equal(pictures.numpy(), arrays.pictures[[2, 0, 2]])
    np.testing.assert_array_equal(frames.numpy(), arrays.frames[[2, 0, 2]])


def test_clips_that_are_not_there_are_named() -> None:
    arrays = ClipArrays(
        np.zeros((2, 1), np.int64), np.zeros((2, 2, 2, 3), np.uint8), np.zeros((2, 1, 1), np.float32), {}
    )
    with pytest.raises(ValueError, match=r"numbered 0\.\.1"):
        arrays.of([0, 2])


@pytest.mark.parametrize("known", [np.ones(3, bool), np.ones(4), np.zeros(4, bool)])
def test_known_must_say_yes_or_no_of_each_clip(known: Any) -> None:
    with pytest.raises(ValueError, match="known must be a bool array"):
        clip_arrays(made(), known, SMALL)
