import json

import numpy as np
import pytest

from avrec_lib.content import kept
from avrec_lib.content.errors import MediaError
from avrec_lib.content.kept import keep, place_of, recall


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path


def file(folder, name, content=b"content"):
    (folder / name).write_bytes(content)
    return folder / name


def test_what_is_kept_comes_back_as_it_was(folder):
    place = place_of(file(folder, "a"), "found", "1")
    told = {"seconds": float("nan"), "times": [0.1, 1 / 3], "said": "猫"}
    keep(place, told, {"x": np.array([1.5, -0.0], np.float32), "told not": np.eye(2)})
    back, arrays = recall(place)
    assert json.dumps(back) == json.dumps(told)
    assert arrays["x"].dtype == np.float32
    np.testing.assert_array_equal(arrays["told not"], np.eye(2))
    assert [path.suffix for path in place.parent.iterdir()] == [".npz"]


def test_the_content_and_the_recipe_are_the_key_and_the_name_is_not(folder):
    place = place_of(file(folder, "a"), "found", "1")
    assert place_of(file(folder, "b"), "found", "1") == place
    assert place_of(file(folder, "c", b"other"), "found", "1") != place
    assert place_of(folder / "a", "found", "2") != place
    assert place.parents[1] == folder / "cache" / "found"


def test_what_was_never_kept_or_is_not_whole_is_none(folder):
    place = place_of(file(folder, "a"), "found", "1")
    assert recall(place) is None
    keep(place, {}, {"x": np.zeros(9)})
    whole = place.read_bytes()
    for broken in (b"", b"no zip", whole[:50], whole[: len(whole) // 2]):
        place.write_bytes(broken)
        assert recall(place) is None
    np.savez(place, x=np.zeros(1))  # a file of somebody else
    assert recall(place) is None


def test_a_cache_that_cannot_be_written_is_a_warning(folder):
    place = place_of(file(folder, "a"), "found", "1")
    file(folder, "cache", b"a file where the folder should be")
    with pytest.warns(UserWarning, match="cannot be kept.*set AVREC_CACHE"):
        keep(place, {}, {})
    assert recall(place) is None


def test_a_file_that_cannot_be_read_is_a_bad_file(folder, monkeypatch):
    for path, said in ((folder / "no", "is not there"), (folder, "is a folder")):
        with pytest.raises(MediaError, match=said):
            place_of(path, "found", "1")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    secret = file(folder, "a")
    monkeypatch.setattr(type(folder), "open", refuse)
    with pytest.raises(MediaError, match=r"cannot be read \(Permission denied\); check"):
        place_of(secret, "found", "1")
