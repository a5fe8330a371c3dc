"""The dataset as it is loaded: whole, in one numbering, and the same as the program makes it."""

import shutil

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import clips as package
from avrec_lib.data.assets import AssetError
from avrec_lib.data.clips import bayes_auc, expected_auc, load_clips, media
from avrec_lib.data.clips.make import make_tables


@pytest.fixture(scope="module")
def clips():
    return load_clips()


def test_it_is_as_large_as_the_card_says(clips):
    assert len(clips.items) == 2000
    assert len(clips.viewers) == 1000
    assert len(clips.impressions) > 60_000
    assert clips.items["title_en"].nunique() > 1_900
    assert clips.items["title_zh"].nunique() > 1_900


def test_the_committed_tables_are_what_the_program_makes(clips):
    made = make_tables()
    for name, table in (("clips", clips.items), ("impressions", clips.impressions), ("events", clips.events)):
        want = made[name].map(lambda x: list(x) if isinstance(x, (list, np.ndarray)) else x)
        got = table.map(lambda x: list(x) if isinstance(x, (list, np.ndarray)) else x)
        pd.testing.assert_frame_equal(got, want, check_dtype=False, obj=name)


def test_impressions_and_truth_are_in_one_numbering(clips):
    assert clips.impressions["item"].between(0, 1999).all()
    assert clips.impressions["user"].between(0, 999).all()
    assert len(clips.truth.items) == 2000
    assert len(clips.truth.viewers) == 1000
    assert len(clips.truth.events) == len(clips.events)


def test_the_truth_orders_the_clicks_as_well_as_the_limit_says(clips):
    p = clips.click_probability()
    limit = bayes_auc(p, n_draws=100)
    clicks = clips.impressions["click"].to_numpy()
    won = expected_auc(p, clicks.astype(float))  # with 0 and 1 it is the plain AUC
    assert limit.low < won < limit.high


def test_clicks_become_interactions_in_the_whole_vocabulary(clips):
    data = clips.interactions()
    assert len(data) == clips.impressions["click"].sum()
    assert (data.n_users, data.n_items) == (1000, 2000)
    assert data.item_ids[7] == "c0007"
    assert len(clips.interactions(likes=True)) < len(data)


def test_every_cover_and_sound_is_there_and_checked(clips):
    assert clips.covers().shape == (2000, 64, 64, 3)
    assert clips.sounds().shape == (2000, 32_000)


def test_media_that_were_damaged_are_made_again(clips, tmp_path, monkeypatch):
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path))
    few, path = clips.truth.items.head(3), tmp_path / "clips" / "covers.npy"
    with pytest.raises(AssetError, match="have SHA-256") as refused:
        media.covers(few)
    monkeypatch.setitem(media.SHA256, "covers", str(refused.value).split("SHA-256 ")[1].split(",")[0])
    good = np.array(media.covers(few))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert np.array_equal(media.covers(few), good)


def test_media_that_differ_from_the_books_are_refused(clips, tmp_path, monkeypatch):
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path))
    with pytest.raises(AssetError, match="would differ from the book's"):
        media.covers(clips.truth.items.head(3))
    assert not list((tmp_path / "clips").glob("*.npy*"))


def test_a_viewer_or_clip_that_does_not_exist_is_named(clips):
    with pytest.raises(ValueError, match=r"viewers are numbered 0\.\.999"):
        clips.preference(1000, 3)
    with pytest.raises(ValueError, match=r"clips are numbered 0\.\.1999"):
        clips.preference(0, -1)


def test_a_missing_table_is_named_with_the_remedy(tmp_path, monkeypatch):
    shutil.copytree(package.FOLDER, tmp_path / "clips")
    (tmp_path / "clips" / "events.parquet").unlink()
    monkeypatch.setattr(package, "FOLDER", tmp_path / "clips")
    with pytest.raises(FileNotFoundError, match=r"events\.parquet is missing; make the tables anew"):
        load_clips.__wrapped__()


def test_without_the_repository_the_tables_are_made_into_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "FOLDER", tmp_path / "nowhere")
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "avrec_lib.data.clips.make.make_tables", lambda world: {n: pd.DataFrame() for n in package.TABLES}
    )
    assert len(load_clips.__wrapped__().items) == 0
    assert len(list((tmp_path / "cache" / "clips" / "tables").glob("*.parquet"))) == len(package.TABLES)
