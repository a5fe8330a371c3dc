"""Real sentences with labels: joined by id, judged by their raters, each once; and what is refused."""

import io
import re
import tarfile

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import reviews
from avrec_lib.data.assets import AssetError, cache_folder, describe
from avrec_lib.data.reviews import load_reviews, read_for_and_against, read_rated

TEXTS = "a_1\t9.9\tfine &amp; well\r\na_2\t-0.4\tit is blue\r\na_3\t-3\tdreadful\r\n"
RATINGS = "a_3\t-3\t1\t[-4, -2]\r\na_1\t1\t1.4\t[3, 1, 0, 0]\r\na_2\t-0.3\t0.4\t[0, 0, 0, -1]\r\n"


def packed(folder, texts=TEXTS, ratings="\ufeff" + RATINGS, leave_out=""):
    """Write an archive laid out like the authors' one, all four sources alike."""
    path = folder / f"{reviews.ARCHIVE}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in reviews.SOURCES.values():
            for kind, content in (("GroundTruth", texts), ("anonDataRatings", ratings)):
                if f"{name}_{kind}.txt" != leave_out:
                    data = content.encode()
                    member = tarfile.TarInfo(f"{reviews.ARCHIVE}/{name}_{kind}.txt")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    return path


def write_chinese(folder, praise="好书\n\n  很好&#33;  \n好书\n一般\n", blame="太差\n一般\n"):
    (folder / "pos.txt").write_text(praise, encoding="utf-8")
    (folder / "neg.txt").write_text(blame, encoding="utf-8")
    return folder


def test_sentences_meet_their_ratings_by_id_whatever_the_order(tmp_path):
    table = read_rated(packed(tmp_path))
    assert list(table.columns) == reviews.COLUMNS
    assert table["source"].unique().tolist() == ["tweet", "product", "film", "editorial"]
    first = table[:3].set_index("text")
    assert first.index.tolist() == ["fine & well", "it is blue", "dreadful"]
    assert first["rating"].tolist() == pytest.approx([1, -1 / 4, -3])
    assert first["sentiment"].tolist() == [1, 0, -1]
    assert set(table["language"]) == {"en"}


def test_agreement_is_the_share_who_side_with_the_others(tmp_path):
    """3, 1, 0, 0: without the 3 the others' mean is ⅓, so 0; without the 1 it is 1; without a 0 it is 4/3."""
    table = read_rated(packed(tmp_path)).set_index("text")[:3]
    assert table["agreement"].tolist() == pytest.approx([1 / 4, 3 / 4, 1])


def test_a_wider_middle_makes_more_sentences_neutral(tmp_path):
    path = packed(tmp_path)
    assert read_rated(path, neutral=1.5)["sentiment"][:3].tolist() == [0, 0, -1]
    assert read_rated(path, neutral=0.2)["sentiment"][:3].tolist() == [1, -1, -1]


def test_each_chinese_line_is_a_review_with_its_files_sentiment(tmp_path):
    table = read_for_and_against(write_chinese(tmp_path))
    assert table["text"].tolist() == ["好书", "很好!", "好书", "一般", "太差", "一般"]
    assert table["sentiment"].tolist() == [1, 1, 1, 1, -1, -1]
    assert table[["rating", "agreement"]].isna().all(axis=None)


def test_copies_come_once_and_contradictions_not_at_all(tmp_path, monkeypatch):
    packed(tmp_path)
    write_chinese(tmp_path)
    monkeypatch.setattr(reviews, "fetch", lambda _name: tmp_path)
    table = load_reviews()
    assert table["text"].tolist() == ["fine & well", "it is blue", "dreadful", "好书", "很好!", "太差"]
    assert table.index.tolist() == list(range(6))


@pytest.mark.parametrize("neutral", [0, 4, -1, np.nan])
def test_a_middle_out_of_range_is_refused(neutral):
    with pytest.raises(ValueError, match="neutral must be above 0 and below 4"):
        load_reviews(neutral=neutral)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"leave_out": "tweets_GroundTruth.txt"}, "has no table tweets_GroundTruth.txt; delete"),
        ({"texts": "a_1\t1\n"}, "tweets_GroundTruth.txt, line 1: 2 fields between tabs where 3 belong"),
        ({"ratings": "a_1\t1\t1\t[1]\n"}, "tweets a_1 has 1 ratings, two are needed"),
        ({"texts": "b_9\t1\tx\n"}, "tweets b_9 has 0 ratings, two are needed"),
    ],
)
def test_an_archive_that_is_not_what_it_should_be_names_the_place(tmp_path, change, said):
    path = packed(tmp_path, **change)
    with pytest.raises(ValueError, match=re.escape(said)):
        read_rated(path)


def test_a_missing_or_empty_chinese_file_names_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"pos.txt is missing or empty; .*avrec fetch reviews-zh"):
        read_for_and_against(tmp_path)
    with pytest.raises(ValueError, match=r"neg.txt is missing or empty"):
        read_for_and_against(write_chinese(tmp_path, blame="\n"))


def test_without_the_assets_the_error_is_that_of_the_fetch(monkeypatch):
    def absent(name):
        raise AssetError(f"{name!r} could not be fetched")

    monkeypatch.setattr(reviews, "fetch", absent)
    with pytest.raises(AssetError, match="'reviews-en' could not be fetched"):
        load_reviews()


def in_the_cache(name):
    sources = describe(name)["sources"]
    return any(all((cache_folder() / name / s["id"] / f["name"]).is_file() for f in s["files"]) for s in sources)


@pytest.mark.skipif(
    not (in_the_cache("reviews-en") and in_the_cache("reviews-zh")),
    reason="the real reviews are not in the cache; `avrec fetch reviews-en reviews-zh` puts them there",
)
def test_the_real_collections_are_those_of_the_data_card():
    table = load_reviews()
    assert table["text"].is_unique
    assert not table["text"].str.strip().eq("").any()
    counts = table.groupby(["source", "sentiment"]).size().unstack(fill_value=0)
    expected = pd.DataFrame(
        {
            "tweet": [1087, 768, 2345],
            "product": [1233, 720, 1743],
            "film": [5075, 533, 4995],
            "editorial": [1752, 2188, 1171],
            "shop": [9031, 0, 8332],
        },
        index=pd.Index([-1, 0, 1], name="sentiment"),
    )
    pd.testing.assert_frame_equal(counts, expected.T.sort_index().rename_axis("source"), check_dtype=False)
    agreement = table.groupby("source")["agreement"].mean()
    assert agreement["film"] > agreement["product"] > agreement["tweet"] > agreement["editorial"]
