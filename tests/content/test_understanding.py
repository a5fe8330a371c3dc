import json
from pathlib import Path

import numpy as np

from avrec_lib.content.blocks import join
from avrec_lib.content.speech import Word
from avrec_lib.content.understanding import Understanding, retold, sense_blocks, told

HERE = Path("film.mp4")


def test_what_files_lack_becomes_rows_of_nan_which_join_turns_into_the_mean():
    one = Understanding(HERE, "film", vectors={"sound": np.array([3, 5], np.float32), "text": np.zeros(3, np.float32)})
    two = Understanding(HERE, "text", vectors={"text": np.ones(3, np.float32)})
    three = Understanding(HERE, "film", vectors={"sound": np.array([1, 5], np.float32)})
    tables = sense_blocks([one, two, three])
    assert list(tables) == ["text", "sound"]
    np.testing.assert_array_equal(tables["text"], [[0] * 3, [1] * 3, [np.nan] * 3])
    np.testing.assert_array_equal(tables["sound"], [[3, 5], [np.nan, np.nan], [1, 5]])
    third = 1 / np.sqrt(3)
    np.testing.assert_allclose(
        join(tables, np.ones(3, bool)),
        [[-third] * 3 + [1, 0], [third] * 3 + [0, 0], [0] * 3 + [-1, 0]],
        rtol=1e-6,
    )


def test_no_files_have_no_senses():
    assert sense_blocks([]) == {}
    assert sense_blocks([Understanding(HERE, "film")]) == {}


def test_what_is_told_through_json_comes_back_the_same():
    words = (Word(0.1, 0.5, "Ever", 0.9), Word(0.7, 1 / 3, "tried.", 0.8))
    labels = ((("hare", 0.25), ("albatross", 1e-9)), (("tench", 0.5),))
    vectors = {"sound": np.ones(2, np.float32)}
    found = Understanding(
        HERE, "film", 5.28, (0.0, 0.1), labels, "Ever tried.", words, "a\nb", vectors, {"text": "no title"}
    )
    again = retold(Path("other.mp4"), json.loads(json.dumps(told(found))), vectors)
    assert told(again) == told(found)
    assert again.words[0].word == "Ever"
    assert again.vectors == vectors
    assert again.path == Path("other.mp4")
