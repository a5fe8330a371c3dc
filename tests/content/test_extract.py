import hashlib
import threading
import time

import numpy as np
import pytest

from avrec_lib.content.errors import MediaError
from avrec_lib.content.extract import extract


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Lengths:
    """An extractor that counts its work: a file's length and first byte; it cannot use files that begin with '!'."""

    def __init__(self):
        self.loads, self.batches = 0, []

    def load(self, path):
        self.loads += 1
        content = path.read_bytes()
        if content.startswith(b"!"):
            raise MediaError(path, "begins with an exclamation mark; take it away.")
        return content

    def encode(self, batch):
        self.batches.append(len(batch))
        return [[len(x), x[0]] for x in batch]


@pytest.fixture
def files(tmp_path):
    """Return thousand files, of which number 500 is bad."""
    paths = []
    for i in range(1000):
        paths.append(tmp_path / f"{i}.txt")
        paths[-1].write_bytes(b"!" if i == 500 else str(i).encode())
    return paths


def test_one_bad_file_in_a_thousand_is_reported_and_the_other_999_arrive(files):
    """I3: skip and report."""
    work = Lengths()
    got = extract(files, work.load, work.encode, name="lengths", batch_size=64)
    assert got.vectors.shape == (999, 2)
    assert got.vectors.dtype == np.float32
    assert got.kept.tolist() == [i for i in range(1000) if i != 500]
    np.testing.assert_array_equal(got.vectors, [[len(str(i)), ord(str(i)[0])] for i in got.kept])
    assert got.faults.index.tolist() == [500]
    assert got.faults.loc[500].tolist() == [str(files[500]), "begins with an exclamation mark; take it away."]
    assert max(work.batches) == 64
    assert got.n_cached == 0


def test_a_second_run_loads_nothing_but_the_bad_file(files):
    first, second = Lengths(), Lengths()
    before = extract(files, first.load, first.encode, name="lengths")
    after = extract(files, second.load, second.encode, name="lengths")
    np.testing.assert_array_equal(after.vectors, before.vectors)
    assert (second.loads, second.batches, after.n_cached) == (1, [], 999)


def test_an_interrupted_run_goes_on_where_it_was(files):
    work, again = Lengths(), Lengths()

    def encode(batch):
        if len(work.batches) == 3:
            raise KeyboardInterrupt
        return work.encode(batch)

    with pytest.raises(KeyboardInterrupt):
        extract(files[:100], work.load, encode, name="lengths", batch_size=10)
    got = extract(files[:100], again.load, again.encode, name="lengths", batch_size=10)
    assert (got.n_cached, again.loads, len(got.kept)) == (30, 70, 100)


def test_the_key_is_the_content_the_name_and_the_version(files):
    work = Lengths()
    extract(files[:10], work.load, work.encode, name="lengths")
    moved = files[0].with_name("moved.jpg")
    moved.write_bytes(files[0].read_bytes())
    files[1].write_bytes(b"changed")
    assert extract([moved, files[1]], work.load, work.encode, name="lengths").n_cached == 1
    assert extract(files[:10], work.load, work.encode, name="lengths", version="2").n_cached == 0
    assert extract(files[:10], work.load, work.encode, name="other").n_cached == 0
    assert extract([files[0].read_bytes()], None, work.encode, name="lengths").n_cached == 1  # the same bytes


def test_equal_inputs_are_encoded_once_and_equal_bad_inputs_all_told(files):
    work = Lengths()
    got = extract([files[3], files[500], files[3], files[500]], work.load, work.encode, name="lengths")
    assert work.batches == [1]
    assert got.kept.tolist() == [0, 2]
    np.testing.assert_array_equal(got.vectors[0], got.vectors[1])
    assert got.faults.index.tolist() == [1, 3]


@pytest.mark.parametrize("cache", [True, False])
def test_texts_and_rows_of_an_array_need_no_load(cache):
    def encode(batch):
        return np.array([[len(x)] for x in batch])

    texts = extract(["one", "three", "", "好看\ud83d"], None, encode, name="texts", cache=cache)
    assert texts.vectors[:, 0].tolist() == [3, 5, 0, 3]
    rows = np.arange(24, dtype=np.uint8).reshape(3, 4, 2)
    for _ in range(2):
        got = extract(rows, None, lambda batch: [x.ravel() for x in batch], name="rows", cache=cache)
        np.testing.assert_array_equal(got.vectors, rows.reshape(3, 8))
    assert got.n_cached == (3 if cache else 0)


def test_arrays_of_equal_bytes_but_other_type_or_shape_are_different_inputs():
    def encode(batch):
        return [[x.ndim, x.dtype.itemsize] for x in batch]

    x = np.zeros(8, np.uint8)
    got = extract([x, x.reshape(2, 4), x.view(np.int16)], None, encode, name="shapes")
    assert got.vectors.tolist() == [[1, 1], [2, 1], [1, 2]]


def test_a_bad_input_that_only_encode_notices_is_found_by_halving():
    batches = []

    def encode(batch):
        batches.append(len(batch))
        if "bad" in batch:
            raise MediaError("bad", "is too short.")
        return [[len(x)] for x in batch]

    got = extract([*"abcde", "bad", *"fg"], None, encode, name="halves")
    assert got.kept.tolist() == [0, 1, 2, 3, 4, 6, 7]
    assert got.faults.to_dict("index") == {5: {"input": "bad", "reason": "is too short."}}
    assert batches == [8, 4, 4, 2, 1, 1, 2]


def test_a_vector_with_nan_is_a_fault_not_a_feature():
    got = extract(np.array([1.0, 0.0]), None, lambda batch: [[0 / x if x else np.nan] for x in batch], name="nan")
    assert got.kept.tolist() == [0]
    assert got.faults.loc[1].tolist() == ["row 1", "gave a vector with NaN; leave it out."]


def test_files_that_are_not_there_and_folders_are_faults(tmp_path, files):
    work = Lengths()
    for cache in (True, False):
        got = extract([tmp_path / "lost", tmp_path, files[0]], work.load, work.encode, name="lengths", cache=cache)
        assert got.kept.tolist() == [2]
        assert got.faults["input"].tolist() == [str(tmp_path / "lost"), str(tmp_path)]
        assert got.faults["reason"].str.contains("cannot be read").all()


def test_nothing_in_and_nothing_good_give_no_vectors(files):
    work = Lengths()
    for inputs in ([], [files[500]]):
        got = extract(inputs, work.load, work.encode, name="lengths")
        assert got.vectors.shape == (0, 0)
        assert got.kept.shape == (0,)
        assert len(got.faults) == len(inputs)
        assert got.faults.columns.tolist() == ["input", "reason"]


def test_raise_stops_at_the_first_bad_file(files):
    work = Lengths()
    with pytest.raises(MediaError, match=r"500\.txt begins with"):
        extract(files[490:510], work.load, work.encode, name="lengths", on_error="raise")


def test_a_fault_of_the_program_is_not_hidden(files):
    def load(path):
        raise KeyError("no such key")

    with pytest.raises(KeyError, match="no such key"):
        extract(files[:3], load, Lengths().encode, name="lengths")


def test_threads_load_ahead_and_keep_the_order(files):
    threads, ahead, most = set(), [0], [0]

    def load(path):
        threads.add(threading.get_ident())
        ahead[0] += 1
        most[0] = max(most[0], ahead[0])
        time.sleep(0.001)
        return Lengths().load(path)

    def encode(batch):
        ahead[0] -= len(batch)
        return Lengths().encode(batch)

    got = extract(files[:200], load, encode, name="lengths", batch_size=5, workers=4)
    np.testing.assert_array_equal(got.vectors, [[len(str(i)), ord(str(i)[0])] for i in range(200)])
    assert len(threads) > 1
    assert most[0] <= 2 * 5 + 5 + 1  # two batches waiting, one in hand


def test_a_damaged_cache_file_is_made_anew(own_cache, files):
    work = Lengths()
    good = extract(files[:3], work.load, work.encode, name="lengths")
    kept = sorted(own_cache.rglob("*.npy"))
    assert len(kept) == 3
    kept[0].write_bytes(kept[0].read_bytes()[:20])
    kept[1].write_bytes(b"")
    np.save(kept[2], np.full(2, np.nan, np.float32))
    again = extract(files[:3], work.load, work.encode, name="lengths")
    assert again.n_cached == 0
    np.testing.assert_array_equal(again.vectors, good.vectors)
    assert extract(files[:3], work.load, work.encode, name="lengths").n_cached == 3


def test_the_cache_holds_whole_files_under_the_hash_of_salt_and_content(own_cache):
    extract([b"abc"], None, lambda batch: [[1, 2]], name="salted", version="7")
    key = hashlib.sha256(b"salted\x007\x00bytes\x00abc").hexdigest()
    assert [p.relative_to(own_cache).as_posix() for p in own_cache.rglob("*.*") if p.is_file()] == [
        f"features/salted-7/{key[:2]}/{key}.npy"
    ]


def test_a_cache_that_cannot_be_written_is_a_warning_not_an_end(own_cache, files):
    own_cache.write_text("a file where the folder should be")
    work = Lengths()
    with pytest.warns(UserWarning, match="cannot be kept in .* Set AVREC_CACHE") as told:
        got = extract(files[:40], work.load, work.encode, name="lengths", batch_size=8)
    assert len(told) == 1
    assert len(got.kept) == 40


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"inputs": "one text"}, r"use \[input\]"),
        ({"inputs": ["a", None]}, "input 1 is of type NoneType"),
        ({"name": "a/b"}, "they name a folder"),
        ({"version": ""}, "they name a folder"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"workers": -1}, "workers at least 0"),
        ({"on_error": "ignore"}, "'report' or 'raise'"),
        ({"encode": lambda batch: [1.0, 2.0]}, r"shape \(2,\) for 2 inputs"),
        ({"encode": lambda batch: [[1.0]]}, r"shape \(1, 1\) for 2 inputs"),
    ],
)
def test_arguments_that_are_wrong_are_refused(wrong, message):
    right = {"inputs": ["a", "b"], "encode": lambda batch: [[1.0], [2.0]], "name": "right"}
    arguments = right | wrong
    with pytest.raises(ValueError, match=message):
        extract(arguments.pop("inputs"), None, arguments.pop("encode"), **arguments)


def test_an_extractor_that_changed_without_a_new_version_is_noticed():
    extract(["a"], None, lambda batch: [[1.0]], name="grown")
    with pytest.raises(ValueError, match=r"different lengths, \[1, 2\]; give a changed extractor a new version"):
        extract(["a", "b"], None, lambda batch: [[1.0, 2.0]], name="grown")
