import numpy as np
import pytest

from avrec_lib.content.errors import MediaError
from avrec_lib.content.glove import WordVectors, read_glove


@pytest.fixture
def three():
    return WordVectors(("up", "right", "down"), np.array([[0, 2], [1, 0], [0, -1]], np.float32))


def write(tmp_path, data):
    path = tmp_path / "vectors.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_a_word_gives_its_vector_and_an_unknown_one_a_clear_error(three):
    assert three["right"].tolist() == [1, 0]
    assert "up" in three
    assert "left" not in three
    assert len(three) == 3
    with pytest.raises(KeyError, match="no vector for 'left'"):
        three["left"]


def test_nearest_words_come_by_cosine_without_the_word_itself(three):
    assert three.nearest("up") == [("right", 0), ("down", -1)]
    assert three.nearest("up", 1) == [("right", 0)]
    assert three.nearest([1.0, 1.0], 2) == [
        ("up", pytest.approx(np.sqrt(0.5))),
        ("right", pytest.approx(np.sqrt(0.5))),
    ]
    assert three.nearest([0.0, 0.0], 1) == [("up", 0)]


def test_nearest_refuses_what_it_cannot_answer(three):
    with pytest.raises(KeyError, match="left"):
        three.nearest("left")
    with pytest.raises(ValueError, match=r"shape \(3,\); these have \(2,\)"):
        three.nearest([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="at least 1"):
        three.nearest("up", 0)


def test_the_mean_skips_unknown_words_and_is_zero_without_known_ones(three):
    assert three.mean(["up", "left", "right", "right"]).tolist() == pytest.approx([2 / 3, 2 / 3])
    assert three.mean(["left"]).tolist() == three.mean([]).tolist() == [0, 0]
    assert three.mean(["up"]).dtype == three.mean([]).dtype == np.float32
    with pytest.raises(ValueError, match="not a str"):
        three.mean("up")


def test_words_and_vectors_must_be_as_many():
    with pytest.raises(ValueError, match="2 words need as many vectors"):
        WordVectors(("a", "b"), np.zeros((3, 2), np.float32))


def test_the_two_formats_give_the_same_vectors(tmp_path):
    glove = read_glove(write(tmp_path, "cat 0.5 -1\n猫 2e-1 3\n"))
    word2vec = read_glove(write(tmp_path, "2 2\r\ncat 0.5 -1 \r\n猫 2e-1 3 \r\n"))
    assert glove.words == word2vec.words == ("cat", "猫")
    assert glove.vectors.dtype == np.float32
    np.testing.assert_array_equal(glove.vectors, np.array([[0.5, -1], [0.2, 3]], np.float32))
    np.testing.assert_array_equal(glove.vectors, word2vec.vectors)


def test_words_may_hold_spaces_unusual_white_space_or_digits(tmp_path):
    data = "\ufeff. . . 1 2\nat name@domain.com 3 4\na\u00a0b 5 6\n\u3000 7 8\n1999 9 10\n\x85 11 12\nnan 13 14\n"
    found = read_glove(write(tmp_path, data))
    assert found.words == (". . .", "at name@domain.com", "a\u00a0b", "\u3000", "1999", "\x85", "nan")
    assert found.vectors[:, 0].tolist() == [1, 3, 5, 7, 9, 11, 13]


def test_a_first_word_that_is_a_number_is_still_a_word(tmp_path):
    assert read_glove(write(tmp_path, "7 1 2\n8 3 4\n")).words == ("7", "8")


def test_the_limit_keeps_the_first_words(tmp_path):
    path = write(tmp_path, "3 1\na 1\nb 2\nc 3\n")
    assert read_glove(path, limit=2).words == ("a", "b")
    assert read_glove(path, limit=9).words == ("a", "b", "c")
    with pytest.raises(ValueError, match="at least 1"):
        read_glove(path, limit=0)


def test_of_a_word_that_occurs_twice_the_first_vector_counts(tmp_path):
    assert read_glove(write(tmp_path, "a 1 2\na 3 4\n"))["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("", "has 0 vectors"),
        ("\n\n", "has 0 vectors"),
        ("5 2\n", "has 0 vectors, not 5"),
        ("3 1\na 1\nb 2\n", "has 2 vectors, not 3"),
        ("a 1 2\nb 1\n", "has 2 columns in line 2 instead of a word and 2 numbers"),
        ("a 1 2\nb 1 2 3\n", "has 4 columns in line 2"),
        ("a 1 2\n\nb\n", "has 1 columns in line 3"),
        ("only words here\n", "in line 1"),
        ("a 1 2\nb 1 two\n", "something else than 2 finite numbers after the word in line 2"),
        ("a 1 2\nb 1 nan\n", "in line 2"),
        ("a 1 2\nb 1 1e99\n", "in line 2"),
        ("a 1 2\nb  2\n", "in line 2"),
        (b"a 1 2\n\xff\xfe 1 2\n", "is no UTF-8 text in line 2"),
        (b"\x1f\x8b\x08\x00", "is no UTF-8 text in line 1; unpack it"),
    ],
)
def test_a_faulty_file_is_named_with_its_line(tmp_path, data, fault):
    path = write(tmp_path, data)
    with pytest.raises(MediaError, match=fault) as error:
        read_glove(path)
    assert str(error.value).startswith(str(path))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(MediaError, match=r"no\.txt cannot be read"):
        read_glove(tmp_path / "no.txt")
    with pytest.raises(MediaError, match="cannot be read"):
        read_glove(tmp_path)
