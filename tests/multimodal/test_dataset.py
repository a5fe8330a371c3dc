"""What is trained on lies before what is tested on, and of a new clip nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from avrec_lib.content.text import tokens
from avrec_lib.data.clips import load_clips
from avrec_lib.multimodal.batches import COLUMNS
from avrec_lib.multimodal.clip_inputs import ClipInputs
from avrec_lib.multimodal.dataset import clips_dataset, held_back, load_dataset, microlens_dataset
from avrec_lib.multimodal.inputs import clip_texts
from avrec_lib.multimodal.lsa import Lsa
from avrec_lib.multimodal.settings import Settings

from .small_clips import small_dataset

TEXT = Settings(picture="none", sound="none")
T = 1_600_000_000_000  # ms
VIDEOS = Settings(text="words", sound="none", user="history", loss="softmax")


# --- the book's clips


def test_training_ends_before_the_tests_begin(clips_data):
    begins = min(log["timestamp"].min() for log in clips_data.tests.values())
    assert clips_data.train["timestamp"].max() < begins
    assert clips_data.train["timestamp"].is_monotonic_increasing
    log = load_clips().impressions["timestamp"]
    assert (log >= begins).mean() == pytest.approx(0.2, abs=0.001)


def test_new_clips_are_in_no_row_of_the_training(clips_data):
    new = load_clips().cold(0.2, 0)
    met = set(clips_data.train["item"])
    assert not new[clips_data.train["item"]].any()
    assert new[clips_data.tests["new clips"]["item"]].all()
    assert set(clips_data.tests["seen clips"]["item"]) <= met
    assert not set(clips_data.tests["new clips"]["item"]) & met


def test_no_row_is_in_two_places_and_each_is_of_the_log(clips_data):
    parts = [clips_data.train, *clips_data.tests.values()]
    index = np.concatenate([part.index for part in parts])
    assert len(set(index)) == len(index)
    log = load_clips().impressions
    for part in parts:
        assert tuple(part) == COLUMNS
        pd.testing.assert_frame_equal(part, log.loc[part.index, list(COLUMNS)])


def test_tests_are_of_sessions_that_were_filled_at_random(clips_data):
    log = load_clips().impressions
    for part in clips_data.tests.values():
        assert log.loc[part.index, "random"].all()
    later = log[log["random"] & (log["timestamp"] > clips_data.train["timestamp"].max())]
    index = np.concatenate([part.index for part in clips_data.tests.values()])
    rest = set(later.drop(index)["item"])  # neither new nor met: uploaded in the last days
    assert not rest & (set(clips_data.train["item"]) | set(np.flatnonzero(load_clips().cold(0.2, 0))))


def test_the_truth_is_the_chance_of_each_row(clips_data):
    for name, log in clips_data.tests.items():
        p = clips_data.truth[name]
        assert p.shape == (len(log),)
        assert ((p >= 0) & (p <= 1)).all()
        assert p.mean() == pytest.approx(log["click"].mean(), abs=5 * np.sqrt(0.25 / len(log)))
        assert p[log["click"]].mean() > p[~log["click"]].mean() + 0.1


def test_ids_and_sizes_are_those_of_the_clips(clips_data):
    clips = load_clips()
    assert (len(clips_data.user_ids), len(clips_data.item_ids), clips_data.n_positions) == (1000, 2000, 10)
    assert clips_data.item_ids[7] == clips.items["item_id"][7]
    assert clips_data.user_ids[7] == clips.viewers["user_id"][7]
    assert all(type(name) is str for name in clips_data.user_ids + clips_data.item_ids)
    assert len(clips_data.inputs) == 2000
    assert clips_data.inputs.senses == ("text", "picture", "sound")


def test_words_are_learnt_from_clips_that_are_not_new(clips_data):
    new = load_clips().cold(0.2, 0)
    words = [tokens(text) for text in clip_texts(load_clips().items, ("en", "zh"))]
    expected = Lsa.learn([text for text, is_new in zip(words, new, strict=True) if not is_new], 32)
    assert clips_data.reading.lsa.idf == expected.idf
    assert set(Lsa.learn(words, 32).idf) != set(expected.idf)


def test_what_a_new_clip_says_changes_nothing_that_is_learnt(clips_data):
    clips = load_clips()
    items, new = clips.items.copy(), clips.cold(0.2, 0)
    for column in items.filter(regex="^(title|description)_"):
        items.loc[new, column] = "quite another text about garden gnomes"
    after = clips_dataset(TEXT, replace(clips, items=items))
    assert after.reading.lsa.to_dict() == clips_data.reading.lsa.to_dict()
    assert after.reading.scales["text"].to_dict() == clips_data.reading.scales["text"].to_dict()
    np.testing.assert_array_equal(after.inputs.arrays["text"][~new], clips_data.inputs.arrays["text"][~new])
    assert (after.inputs.arrays["text"][new] != clips_data.inputs.arrays["text"][new]).any()


def test_a_digest_tells_one_training_from_another():
    data = small_dataset()
    inputs = data.inputs
    other = inputs.arrays | {"sound": inputs.arrays["sound"] + 1e-6}
    there = inputs.there.copy()
    there[0, 0] = False
    found = {
        data.digest(),
        replace(data, train=data.train.iloc[1:]).digest(),
        replace(data, train=data.train.assign(click=~data.train["click"])).digest(),
        replace(data, inputs=ClipInputs(other, inputs.there, inputs.faults)).digest(),
        replace(data, inputs=ClipInputs(inputs.arrays, there, inputs.faults)).digest(),
    }
    assert len(found) == 5
    assert small_dataset().digest() == replace(data, tests={}).digest() == data.digest()


# --- MicroLens


@pytest.fixture
def folder(tmp_path):
    """Return a folder like MicroLens': eight viewers who watched four videos of 1 … 8, and one who watched only one.

    Viewer 1 ends with video 9, which nobody else watched.
    """
    pairs = [(u, 1 + (u + n) % 8, T + 1000 * (100 * n + u)) for u in range(1, 9) for n in range(4)]
    pairs += [(1, 9, T + 900_000), (99, 1, T)]
    lines = ["user,item,timestamp", *(",".join(map(str, row)) for row in pairs[::-1])]
    (tmp_path / "MicroLens-50k_pairs.csv").write_text("\n".join(lines))
    titles = [f"{i},tea number {i}" for i in range(1, 10)]
    (tmp_path / "MicroLens-50k_titles.csv").write_text("\n".join(["item,title", *titles]))
    (tmp_path / "MicroLens-50k_covers").mkdir()
    for i in range(1, 8):
        Image.new("RGB", (8, 8), (30 * i, 0, 90)).save(tmp_path / f"MicroLens-50k_covers/{i}.jpg")
    return tmp_path


def named(data, log):
    return {(data.user_ids[u], data.item_ids[i]) for u, i in zip(log["user"], log["item"], strict=True)}


def test_the_last_video_of_each_viewer_is_the_test(folder):
    data = microlens_dataset(folder, VIDEOS)
    assert named(data, data.tests["new clips"]) == {("1", "9")}
    assert named(data, data.tests["seen clips"]) == {(str(u), str(1 + (u + 3) % 8)) for u in range(2, 9)}
    assert len(data.train) == 26
    assert not named(data, data.train) & (named(data, data.tests["seen clips"]) | {("1", "9")})
    assert ("99", "1") in named(data, data.train)  # one row is no test: nothing would be known of them
    assert data.train["timestamp"].is_monotonic_increasing
    for test in data.tests.values():
        for row in test.itertuples():
            assert (data.train.loc[data.train["user"] == row.user, "timestamp"] < row.timestamp).all()


def test_every_row_is_a_click_at_the_first_place_and_a_visit_of_its_own(folder):
    data = microlens_dataset(folder, VIDEOS)
    both = pd.concat([data.train, *data.tests.values()])
    assert tuple(both) == COLUMNS
    assert both["click"].all()
    assert (both["position"] == 1).all()
    assert both["session"].is_unique
    assert (data.n_positions, data.truth, len(data.inputs)) == (1, None, 9)


def test_a_new_video_teaches_no_word_and_a_missing_cover_is_told(folder):
    data = microlens_dataset(folder, VIDEOS)
    assert {"tea", "number", "1"} <= set(data.reading.vocabulary)
    assert "9" not in data.reading.vocabulary
    there = dict(zip(data.item_ids, data.inputs.there.tolist(), strict=True))
    assert there["1"] == [True, True]
    assert there["8"] == there["9"] == [True, False]


def test_a_data_set_without_refusals_wants_a_softmax(folder):
    for settings in (Settings(), VIDEOS.but(loss="pairwise")):
        with pytest.raises(ValueError, match="set user: history, loss: softmax"):
            microlens_dataset(folder, settings)


def test_a_data_set_is_called_by_its_name_or_its_folder(folder, monkeypatch):
    monkeypatch.setattr("avrec_lib.multimodal.dataset.clips_dataset", lambda settings: ("the clips", settings))
    assert load_dataset(folder, VIDEOS).name == load_dataset(str(folder), VIDEOS).name == "microlens"
    assert load_dataset("clips", TEXT) == ("the clips", TEXT)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load_dataset(folder / "nowhere", VIDEOS)


# --- holding back


def test_what_is_held_back_is_the_last(clips_data):
    fit, check = held_back(clips_data.train, 0.1)
    assert fit["timestamp"].max() < check["timestamp"].min()
    assert len(check) == pytest.approx(0.1 * len(clips_data.train), rel=0.01)
    pd.testing.assert_frame_equal(pd.concat([fit, check]), clips_data.train)


def test_holding_back_by_hand():
    log = pd.DataFrame({"timestamp": [50, 10, 40, 20, 30]}, index=[7, 7, 1, 2, 3])
    fit, check = held_back(log, 0.25)
    assert fit["timestamp"].tolist() == [10, 20, 30]
    assert check["timestamp"].tolist() == [50, 40]
