"""Blocks: equal weight, nothing learnt from clips that are not seen, groups that are topics."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from sklearn.metrics import confusion_matrix
from sklearn.preprocessing import StandardScaler

from avrec_lib.content.blocks import clip_words, join, principal_components, text_groups
from avrec_lib.data.clips import load_clips

ALL = np.ones(4, dtype=bool)


def test_a_joined_block_is_centred_and_has_mean_square_length_1():
    big, small = np.array([[100.0], [300.0], [100.0], [300.0]]), np.array([[0.0, 1], [0, 3], [0, 1], [0, 3]])
    joined = join({"big": big, "small": small}, ALL)
    assert joined.dtype == np.float32
    assert joined == pytest.approx(np.array([[-1, 0, -1], [1, 0, 1], [-1, 0, -1], [1, 0, 1]], dtype=float))


def test_a_clip_without_a_sense_gets_the_mean():
    block = np.array([[1.0, 2], [3, 4], [np.nan, 2], [5, 6]])
    X = join({"sound": block}, ALL)
    assert X[2].tolist() == [0, 0]
    assert X[[0, 1, 3]].mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert (X[[0, 1, 3]] ** 2).sum(axis=1).mean() == pytest.approx(1)


def test_a_constant_block_is_zero_and_harms_nobody():
    assert not join({"a": np.full((4, 3), 7.0)}, ALL).any()


def test_nothing_is_learnt_from_clips_that_are_not_seen():
    rng = np.random.default_rng(0)
    X, seen = rng.normal(size=(40, 6)), np.arange(40) < 30
    changed = X.copy()
    changed[35] = 1e6
    assert (join({"a": X}, seen)[:35] == join({"a": changed}, seen)[:35]).all()
    assert (principal_components(X, seen, 3)[:35] == principal_components(changed, seen, 3)[:35]).all()
    words = [["cat", "pet"], ["dog", "pet"], ["pan", "oil"], ["pan", "salt"]] * 10
    other = [*words[:35], ["pan"] * 50, *words[36:]]
    groups = [text_groups(w, seen, n_groups=2, max_share=1.0) for w in (words, other)]
    assert (groups[0][:35] == groups[1][:35]).all()


def test_components_equal_those_of_scikit_learn():
    X = np.random.default_rng(1).normal(size=(50, 5)) * [1, 10, 100, 1, 1]
    ours = principal_components(X, np.ones(50, dtype=bool), 2)
    theirs = PCA(2).fit_transform(StandardScaler().fit_transform(X))
    assert np.abs(ours) == pytest.approx(np.abs(theirs), abs=1e-5)


def test_belonging_sums_to_one_and_follows_the_equation():
    """Two kinds of text, two groups, centres at (1, 0) and (0, 1): |z - c|² is 0 or 2."""
    words = [["cat", "pet"]] * 5 + [["pan", "oil"]] * 5
    belongs = text_groups(words, np.ones(10, dtype=bool), n_groups=2, n_dims=2, max_share=1.0, sharpness=1.0)
    assert belongs.sum(axis=1) == pytest.approx(np.ones(10))
    far, near = np.exp(-2) / (1 + np.exp(-2)), 1 / (1 + np.exp(-2))
    assert np.sort(belongs[0]) == pytest.approx([far, near], rel=1e-5)
    assert (belongs[:5].argmax(axis=1) != belongs[5:].argmax(axis=1)).all()


def test_the_groups_of_clips_that_nobody_named_are_their_topics():
    clips = load_clips()
    seen = ~clips.cold()
    group = text_groups(clip_words(clips.items), seen).argmax(axis=1)
    table = confusion_matrix(clips.truth.items["topic"][~seen], group[~seen])
    rows, columns = linear_sum_assignment(-table)
    assert table[rows, columns].sum() / table.sum() > 0.9


def test_the_words_of_a_clip_are_in_both_languages():
    items = pd.DataFrame(
        {
            "title_en": ["Hello cat"], "title_zh": ["你好"], "description_en": ["Sleeps."], "description_zh": [""],
            "tags_en": [["pets"]], "tags_zh": [["猫"]],
        }
    )  # fmt: skip
    assert clip_words(items) == [["hello", "cat", "sleeps", "pets", "你好", "猫"]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: join({}, ALL), "no block to join"),
        (lambda: join({"a": np.ones((4, 1)), "b": np.ones((3, 1))}, ALL), "the block 'b' has shape"),
        (lambda: join({"a": np.full((4, 1), np.nan)}, ALL), "no seen clip has the block 'a'"),
        (lambda: join({"a": np.ones((4, 1))}, np.ones(4)), "seen must be 4 booleans"),
        (lambda: principal_components(np.ones((4, 3)), ~ALL, 2), "only 0 rows are seen"),
        (lambda: text_groups([["a"], ["b"], ["c"], ["d"]], ALL, n_groups=2), "too few texts"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
