"""Titles, years and genres from every format of MovieLens."""

import pytest

from avrec_lib.data import films, read_movielens_items
from avrec_lib.data.films import FLAGS, split_fields, split_title

D3 = b'\xef\xbb\xbfmovieId,title,genres\r\n7,"Lake, The (1999)",Drama\r\n8,"Say ""Hi"" (2001)",Comedy\r\n'
D2 = (
    b"19::Ace Diver: When Sea Calls (1995)::Comedy\n"
    b'20::"Quoted" Film (1999)::Drama\n'
    b'21::Tea, Milk & "Rain (2001)::Drama|War\n'
)
TSV = b'1\t"Half quote\tDrama\n2\tPlain\tComedy\n3\tThird\tWar\n'


@pytest.fixture
def read(tmp_path):
    def read(content, name="movies.csv"):
        path = tmp_path / name
        path.write_bytes(content)
        return read_movielens_items(path)

    return read


def u_item(number, title, *genres):
    flags = "|".join("1" if flag in genres else "0" for flag in FLAGS)
    return f"{number}|{title}|01-Jan-1995||http://example.org/|{flags}\n"


def test_quoted_commas_and_a_byte_order_mark_are_read_right(read):
    """Field case D3."""
    for content in (D3, D3[3:]):
        table = read(content)
        assert list(table.columns) == ["item_id", "title", "year", "genres"]
        assert table["item_id"].tolist() == ["7", "8"]
        assert table["title"].tolist() == ["Lake, The (1999)", 'Say "Hi" (2001)']
        assert table["year"].tolist() == [1999, 2001]
        assert table["genres"].tolist() == [["Drama"], ["Comedy"]]


def test_a_colon_and_quotation_marks_stay_in_a_title(read, recwarn):
    """Field case D2."""
    table = read(D2, "movies.dat")
    assert table["title"].tolist() == [
        "Ace Diver: When Sea Calls (1995)",
        '"Quoted" Film (1999)',
        'Tea, Milk & "Rain (2001)',
    ]
    assert table["genres"].tolist() == [["Comedy"], ["Drama"], ["Drama", "War"]]
    assert len(recwarn) == 0


def test_a_lone_quotation_mark_between_tabs_swallows_no_row(read, recwarn):
    """Field case D2."""
    table = read(TSV, "movies.tsv")
    assert table["title"].tolist() == ['"Half quote', "Plain", "Third"]
    assert table["genres"].tolist() == [["Drama"], ["Comedy"], ["War"]]
    assert len(recwarn) == 0


def test_colons_at_the_end_of_a_title_or_doubled_in_it_stay_too(read):
    """Field case D2: its kind."""
    table = read(b"1::What:::Drama\n2::A::B (1990)::War\n", "movies.dat")
    assert table["title"].tolist() == ["What:", "A::B (1990)"]
    assert table["genres"].tolist() == [["Drama"], ["War"]]


def test_no_genre_is_not_a_genre(read):
    """Field case D8."""
    table = read(b"movieId,title,genres\n1,A,Drama|War\n2,B,(no genres listed)\n3,C,\n4,D,(no genres listed)\n")
    assert table["genres"].tolist() == [["Drama", "War"], [], [], []]


def test_the_unknown_flag_of_u_item_is_no_genre_either(read):
    """Field case D8: its kind."""
    table = read((u_item(1, "A (1990)", "unknown") + u_item(2, "B (1991)", "War", "Action")).encode(), "u.item")
    assert table["genres"].tolist() == [[], ["Action", "War"]]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_accents_are_read_in_either_encoding(read, encoding):
    table = read(u_item(543, "Misérables, Les (1995)", "Drama").encode(encoding), "u.item")
    assert table["title"].tolist() == ["Misérables, Les (1995)"]
    table = read("1::Café (1990)::Drama\n".encode(encoding), "movies.dat")
    assert table["title"].tolist() == ["Café (1990)"]


def test_a_character_that_unicode_calls_a_line_end_ends_no_line(read):
    assert read("1::A\x85B (1990)::Drama\n".encode("latin-1"), "movies.dat")["title"].tolist() == ["A\x85B (1990)"]


def test_a_title_without_a_year_has_none(read):
    table = read(b"movieId,title,genres\n007,Untitled,War\n8,B (1990),War\n")
    assert table["item_id"].tolist() == ["007", "8"]
    assert table["year"].isna().tolist() == [True, False]
    assert str(table["year"].dtype) == "Int64"


@pytest.mark.parametrize(
    ("title", "name", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Usual Suspects, The (1995)", "Usual Suspects, The", 1995),
        ("Seven (Se7en) (1995)", "Seven (Se7en)", 1995),
        ("Time of the Great Giving (1995) (V)", "Time of the Great Giving", 1995),
        ("Shadow and Light (1996) ", "Shadow and Light", 1996),
        ("1984 (1956)", "1984", 1956),
        ("Serial (2006–2007)", "Serial", 2006),
        ("Serial (2009- )", "Serial", 2009),
        ("2001: A Space Odyssey", "2001: A Space Odyssey", None),
        ("Hate (Haine, La)", "Hate (Haine, La)", None),
        (" unknown ", "unknown", None),
    ],
)
def test_a_title_splits_into_name_and_year(title, name, year):
    assert split_title(title) == (name, year)


def test_fields_are_counted_line_by_line():
    assert split_fields("a|b\r\n\nc|d", "|", 2, "x") == [["a", "b"], ["c", "d"]]
    with pytest.raises(ValueError, match=r"x, line 2: 3 fields between '\|' where 2 belong"):
        split_fields("a|b\nc|d|e", "|", 2, "x")


# --- what is refused --------------------------------------------------------------------------


def test_a_missing_file_a_folder_and_an_empty_file_are_named(read, tmp_path):
    """Field case D10."""
    with pytest.raises(FileNotFoundError, match=r"no file .*u\.item"):
        read_movielens_items(tmp_path / "u.item")
    with pytest.raises(ValueError, match="is a folder"):
        read_movielens_items(tmp_path)
    with pytest.raises(ValueError, match=r"movies\.csv is empty"):
        read(b"")


def test_a_header_alone_has_no_rows(read):
    """Field case D10."""
    with pytest.raises(ValueError, match=r"movies\.csv has 0 rows"):
        read(b"movieId,title,genres\n")


def test_wrong_headers_are_named(read):
    """Field case D10."""
    with pytest.raises(ValueError, match=r"movies\.csv has no column 'genres'; it has \['movieId', 'title', 'tags'\]"):
        read(b"movieId,title,tags\n1,A,x\n")


@pytest.mark.parametrize("content", [b"id,name\n1,A\n", b"\n\n", b"\x89PNG\r\n"], ids=["other", "blank", "binary"])
def test_other_content_is_no_file_of_films(read, content):
    with pytest.raises(ValueError, match=r"movies\.csv is not a MovieLens file of films"):
        read(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1::A (1990)::War\n2::B (1991)\n", r"line 2: expected id::title::genres"),
        (u_item(1, "A (1990)").encode() + b"2|B\n", r"line 2: 2 fields between '\|' where 24 belong"),
        (b"1\tA\tWar\textra\n", "line 1: 4 fields"),
        (b"movieId,title,genres\n1,A,War,more\n", "not a table with ','"),
        (b'movieId,title,genres\n1,"A,War\n2,B,War\n', "EOF inside string"),
        (b'movieId,title,genres\n1,"A,War\n2,B",War\n', "holds a line break"),
        (b"movieId,title,genres\n1,A,War\n1,B,War\n", "film '1' comes twice"),
    ],
)
def test_a_malformed_line_is_named(read, content, message):
    with pytest.raises(ValueError, match=message):
        read(content, "movies.x")


def test_the_flags_are_the_nineteen_of_the_readme():
    assert len(films.FLAGS) == 19
    assert films.FLAGS[1:] == sorted(films.FLAGS[1:])
