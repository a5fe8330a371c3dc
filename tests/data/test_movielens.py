"""MovieLens 100K as the book sees it, whichever source it came from."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import movielens_100k
from avrec_lib.data.films import FLAGS
from avrec_lib.data.movielens import MISSPELT, read_100k
from avrec_lib.recommenders.base import similar_items

FILMS = [  # id, official title, genres, and what the packaged copy has for title and year
    (1, "Toy Story (1995)", ["Animation", "Children's", "Comedy"], "Toy Story", "1995"),
    (2, "Usual Suspects, The (1995)", ["Crime", "Thriller"], "Usual Suspects, The", "1995"),
    (3, "Misérables, Les (1995)", ["Drama", "Musical"], "Misérables, Les", "1995"),
    (4, "unknown", ["unknown"], MISSPELT, MISSPELT),
    (5, "Great Giving, The (1995) (V)", ["Animation"], "Great Giving, The (1995)", "V"),
    (6, "Shadow and Light (1996) ", ["Documentary"], "Shadow and Light", "1996"),
    (10, "Good Morning (1971)", ["unknown"], "Good Morning", "1971"),
]
RATINGS = [(2, 10, 3, 30), (1, 2, 5, 10), (1, 1, 4, 10), (2, 3, 1, 20), (2, 4, 2, 21), (1, 5, 3, 22), (2, 6, 3, 23)]
USERS = [(1, 24, "M", "technician", "85711"), (2, 53, "F", "other", "T8H1N")]


@pytest.fixture
def official(tmp_path):
    folder = tmp_path / "official"
    folder.mkdir()
    flags = {i: "|".join("1" if flag in genres else "0" for flag in FLAGS) for i, _, genres, *_ in FILMS}
    items = "".join(f"{i}|{title}|01-Jan-1995||http://example.org/|{flags[i]}\n" for i, title, *_ in FILMS)
    with zipfile.ZipFile(folder / "ml-100k.zip", "w") as z:
        z.writestr("ml-100k/u.data", "".join("\t".join(map(str, r)) + "\n" for r in RATINGS))
        z.writestr("ml-100k/u.item", items.encode("latin-1"))
        z.writestr("ml-100k/u.genre", "".join(f"{flag}|{n}\n" for n, flag in enumerate(FLAGS)) + "\n")
        z.writestr("ml-100k/u.user", "".join("|".join(map(str, u)) + "\n" for u in USERS))
    return folder


@pytest.fixture
def packaged(tmp_path):
    folder = tmp_path / "packaged"
    folder.mkdir()
    tables = {
        "inter": ("user_id:token\titem_id:token\trating:float\ttimestamp:float", RATINGS),
        "item": (
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq",
            [(i, title, year, " ".join(genres)) for i, _, genres, title, year in FILMS],
        ),
        "user": ("user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token", USERS),
    }
    for kind, (header, rows) in tables.items():
        lines = [header, *("\t".join(map(str, row)) for row in rows)]
        (folder / f"ml-100k.{kind}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_both_sources_give_equal_tables(official, packaged):
    a, b = read_100k(official), read_100k(packaged)
    pd.testing.assert_frame_equal(a.interactions.frame(), b.interactions.frame())
    pd.testing.assert_frame_equal(a.items, b.items)
    pd.testing.assert_frame_equal(a.users, b.users)
    assert a.items["genres"].tolist() == b.items["genres"].tolist()


@pytest.mark.parametrize("source", ["official", "packaged"])
def test_titles_years_and_genres_are_normalised(source, request):
    items = read_100k(request.getfixturevalue(source)).items
    assert items["item_id"].tolist() == ["1", "2", "3", "4", "5", "6", "10"]
    assert items["title"].tolist() == [
        "Toy Story",
        "Usual Suspects, The",
        "Misérables, Les",
        "unknown",
        "Great Giving, The",
        "Shadow and Light",
        "Good Morning",
    ]
    assert items["year"].fillna(0).tolist() == [1995, 1995, 1995, 0, 1995, 1996, 1971]
    assert items["genres"].tolist()[:2] == [["Animation", "Children's", "Comedy"], ["Crime", "Thriller"]]
    assert items["genres"].tolist()[3] == items["genres"].tolist()[6] == []


@pytest.mark.parametrize("source", ["official", "packaged"])
def test_the_rows_keep_the_order_of_the_file(source, request):
    data = read_100k(request.getfixturevalue(source)).interactions
    expected = [[str(u), str(i), float(r), t] for u, i, r, t in RATINGS]
    assert data.frame().to_dict("split")["data"] == expected


def test_people_have_the_order_of_the_user_indices(official):
    users = read_100k(official).users
    assert users.to_dict("records")[1] == {
        "user_id": "2",
        "age": 53,
        "gender": "F",
        "occupation": "other",
        "zip_code": "T8H1N",
    }
    assert users["age"].dtype == np.int64


def test_the_genre_matrix_has_a_column_a_genre_and_a_zero_row_for_no_genre(official):
    data = read_100k(official)
    assert data.genre_names == (
        "Animation",
        "Children's",
        "Comedy",
        "Crime",
        "Documentary",
        "Drama",
        "Musical",
        "Thriller",
    )
    matrix = data.genre_matrix()
    assert (matrix.shape, matrix.dtype) == ((7, 8), np.float32)
    assert matrix[1].tolist() == [0, 0, 0, 1, 0, 0, 0, 1]
    assert matrix.sum(axis=1).tolist() == [3, 2, 2, 0, 1, 1, 0]


def test_two_films_without_genre_are_not_alike(official):
    """Field case D8 with S1: the vocabulary holds genres only, and a zero vector has cosine 0."""
    data = read_100k(official)
    assert "unknown" not in data.genre_names
    items, cosines = similar_items(data.genre_matrix(), item=3, k=6)
    assert cosines[items == 6].tolist() == [0]


# --- the real thing ---------------------------------------------------------------------------


def test_the_numbers_of_rows_are_those_of_the_readme(ml100k):
    data = ml100k.interactions
    assert (len(data), data.n_users, data.n_items, data.n_merged) == (100_000, 943, 1682, 0)
    assert np.bincount(data.values.astype(int)).tolist() == [0, 6110, 11370, 27145, 34174, 21201]
    assert np.bincount(data.users).min() == 20


def test_the_first_and_last_rows_are_those_of_the_file(ml100k):
    frame = ml100k.interactions.frame()
    assert frame.iloc[0].tolist() == ["196", "242", 3, 881250949]
    assert frame.iloc[-1].tolist() == ["12", "203", 3, 879959583]


def test_items_and_users_are_in_the_order_of_the_indices(ml100k):
    assert ml100k.items["item_id"].tolist() == ml100k.interactions.item_ids.tolist()
    assert ml100k.users["user_id"].tolist() == ml100k.interactions.user_ids.tolist()
    assert ml100k.interactions.item_ids[:11].tolist() == [str(i) for i in range(1, 12)]


def test_the_odd_rows_of_the_packaged_copy_are_mended(ml100k):
    items = ml100k.items.set_index("item_id")
    assert items.loc["1", "title"] == "Toy Story"
    assert items.loc["1412", "title"] == "Land Before Time III: The Time of the Great Giving"
    assert items.loc["1412", "year"] == 1995
    assert items.loc["543", "title"] == "Misérables, Les"
    assert items.index[items["year"].isna()].tolist() == ["267"]
    assert items.loc["267", "title"] == "unknown"
    assert not items["title"].str.fullmatch(r".*\(\d{4}\)").any()


def test_the_genres_are_the_eighteen_of_the_readme_and_two_films_have_none(ml100k):
    assert list(ml100k.genre_names) == FLAGS[1:]
    matrix = ml100k.genre_matrix()
    assert matrix.shape == (1682, 18)
    assert matrix[:, ml100k.genre_names.index("Drama")].sum() == 725
    assert ml100k.interactions.item_ids[matrix.sum(axis=1) == 0].tolist() == ["267", "1373"]


def test_the_people_are_those_of_the_readme(ml100k):
    assert ml100k.users["gender"].value_counts().to_dict() == {"M": 670, "F": 273}
    assert (ml100k.users["age"].min(), ml100k.users["age"].max()) == (7, 73)
    assert ml100k.users["occupation"].nunique() == 21
    assert ml100k.users["zip_code"].str.len().eq(5).all()


def test_it_is_read_once(ml100k):
    assert movielens_100k() is movielens_100k()
