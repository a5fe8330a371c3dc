"""Covers tell how warm and busy a clip looks, to a simple reader, and nothing else tells it."""

import hashlib

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avrec_lib.data.clips.covers import (
    _RGB,
    PATTERNS,
    SIZE,
    _background,
    _height,
    _paint,
    _places,
    _stamp,
    draw_covers,
)
from avrec_lib.data.clips.exact import generator
from avrec_lib.data.clips.shapes import SHAPES, polygon

N = 800
SHA256 = "705a12426edac8cb50c1e89ad7563688356ac3e6eb8ee9e1a8cc9dc323f46f2a"


@pytest.fixture(scope="module")
def attributes():
    rng = np.random.default_rng(0)
    return {
        "warm": rng.uniform(-1, 1, N),
        "busy": rng.uniform(-1, 1, N),
        "shape": rng.integers(0, 8, N),
        "colour": rng.integers(0, 6, N),
        "count": rng.integers(1, 4, N),
    }


@pytest.fixture(scope="module")
def pictures(attributes):
    return draw_covers(**attributes, seed=0)


@pytest.fixture(scope="module")
def mean_colours(pictures):
    return pictures.mean(axis=(1, 2))


@pytest.fixture(scope="module")
def gradients(pictures):
    grey = pictures.mean(axis=3)
    steps = np.hypot(np.diff(grey, axis=2)[:, 1:], np.diff(grey, axis=1)[:, :, 1:]).reshape(len(grey), -1)
    table = np.quantile(steps, [0.1, 0.25, 0.5, 0.75, 0.9], axis=1).T
    return np.hstack([table, np.log(table + 1)])


def read(features, truth):
    return cross_val_predict(make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15))), features, truth, cv=5)


def r2(features, truth):
    return 1 - ((read(features, truth) - truth) ** 2).mean() / truth.var()


def test_the_bytes_are_these_on_every_machine():
    pictures = draw_covers(
        np.linspace(-1, 1, 24), np.linspace(1, -1, 24), *(np.arange(24) % k for k in (8, 6)), [1, 2, 3] * 8, 7
    )
    assert hashlib.sha256(pictures.tobytes()).hexdigest() == SHA256


def test_covers_are_small_colour_pictures(pictures):
    assert pictures.shape == (N, SIZE, SIZE, 3)
    assert pictures.dtype == np.uint8
    assert (pictures == 255).mean() < 0.04
    assert (pictures == 0).mean() < 0.01


def test_a_clip_has_the_same_cover_in_every_batch(attributes, pictures):
    some = np.array([700, 3, 42])
    again = draw_covers(**{name: values[some] for name, values in attributes.items()}, seed=some)
    assert np.array_equal(again, pictures[some])


def test_another_seed_draws_another_cover():
    a, b = draw_covers([0, 0], [0, 0], [1, 1], [1, 1], [1, 1], [1, 2])
    assert not np.array_equal(a, b)


def test_warmth_is_read_from_the_mean_colour_and_only_there(attributes, mean_colours, gradients):
    assert 0.9 < r2(mean_colours, attributes["warm"]) < 0.98
    assert r2(gradients, attributes["warm"]) < 0.05


def test_busyness_is_read_from_the_gradients_and_only_there(attributes, mean_colours, gradients):
    assert 0.88 < r2(gradients, attributes["busy"]) < 0.98
    assert r2(mean_colours, attributes["busy"]) < 0.05


def test_brightness_tells_nothing_of_the_look(attributes, mean_colours):
    for name in ("warm", "busy"):
        assert abs(np.corrcoef(mean_colours.mean(axis=1), attributes[name])[0, 1]) < 4 / np.sqrt(N)


def test_what_is_read_of_the_look_tells_nothing_of_the_object(attributes, mean_colours, gradients):
    """The mean read look of any shape, colour and count is within four standard errors of that of all clips."""
    for features, name in ((mean_colours, "warm"), (gradients, "busy")):
        error = read(features, attributes[name])
        for code in ("shape", "count"):
            for value in np.unique(attributes[code]):
                of_it = error[attributes[code] == value]
                assert abs(of_it.mean() - error.mean()) < 4 * error.std() / np.sqrt(len(of_it))


def test_the_look_of_the_background_knows_no_object(attributes):
    """The background is painted before the object is chosen: only what lies on it depends on the object."""
    one = {name: values[:1] for name, values in attributes.items()}
    other = one | {"shape": [5], "colour": [(one["colour"][0] + 1) % 6], "count": [1]}
    a, b = draw_covers(**one, seed=3)[0].astype(int), draw_covers(**other, seed=3)[0].astype(int)
    assert (np.abs(a - b).max(axis=2) < 25).mean() > 0.4


def test_the_colour_of_the_object_can_be_seen(attributes, pictures):
    """From how many pixels come near each of the six colours; chance is one of six."""
    distance = np.abs(pictures[:, ::2, ::2, None].astype(int) - np.array(_RGB)).max(axis=4)  # (N, 32, 32, 6)
    near = np.sqrt((distance < 40).sum(axis=(1, 2)))  # (N, 6)
    assert cross_val_score(LogisticRegression(max_iter=200), near, attributes["colour"], cv=3).mean() > 0.8


def test_as_many_objects_as_asked_for_apart_and_within_the_picture():
    for seed in range(200):
        count = seed % 3 + 1
        places = _places(generator(seed, "cover"), count)
        assert len(places) == count
        for k, (x, y, radius) in enumerate(places):
            assert radius >= 5 * 64
            assert radius < min(x, y, SIZE * 64 - x, SIZE * 64 - y)
            assert all((x - a) ** 2 + (y - b) ** 2 > (radius + r) ** 2 for a, b, r in places[:k])


@pytest.mark.parametrize("kind", range(len(PATTERNS)), ids=PATTERNS)
def test_painting_in_python_equals_the_compiled_one(kind):
    lattice = np.random.default_rng(kind).integers(-1024, 1025, (32, 32))
    base, slope, offsets = np.array([9000, 30_000, 60_000]), np.array([500, -500, 0]), np.array([5, 4000])
    fast, slow = np.zeros((2, SIZE, SIZE, 3), dtype=np.int64)
    for paint, canvas in ((_paint, fast), (_paint.py_func, slow)):
        paint(canvas, base, slope, 300, kind, -200, 9000, 777, offsets, lattice)
    assert np.array_equal(fast, slow)
    assert np.abs(fast.mean(axis=(0, 1)) / base - 1).max() < 0.1


def test_height_passes_through_the_lattice_and_halfway_between():
    lattice = np.arange(32 * 32).reshape(32, 32)
    for height in (_height, _height.py_func):
        assert height(3 * 4096, 5 * 4096, lattice) == lattice[3, 5]
        assert height(3 * 4096 + 2048, 5 * 4096, lattice) == (lattice[3, 5] + lattice[4, 5]) // 2
        assert height(-4096, 32 * 4096, lattice) == lattice[31, 0]


def test_a_stamp_in_python_equals_the_compiled_one():
    corners = polygon(0, 256, 0, 2000, 2000)
    fast, slow = np.full((2, SIZE, SIZE, 3), 30_000)
    paint, ink = np.array([50_000, 10_000, 0]), np.array([5000, 5000, 5000])
    _stamp(fast, corners, 2000, 2000, 256, paint, ink)
    _stamp.py_func(slow, corners, 2000, 2000, 256, paint, ink)
    assert np.array_equal(fast, slow)
    assert np.abs(fast[31, 31] - paint).max() < 3000  # the middle has the paint's colour
    assert (fast[0] == 30_000).all()  # far away nothing happened


def test_a_plain_background_is_plainer_than_a_busy_one():
    plain, busy = (_background(generator(0, "cover"), 0, b) for b in (-1024, 1024))
    assert np.abs(np.diff(plain, axis=0)).mean() < 0.2 * np.abs(np.diff(busy, axis=0)).mean()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"warm": [1.5]}, "warm must lie between -1 and 1; 1.5"),
        ({"busy": [np.nan]}, "busy must lie between"),
        ({"busy": [0.0, 0.0]}, "busy must be 1 numbers"),
        ({"shape": [len(SHAPES)]}, "shape must lie from 0 to 7"),
        ({"colour": [0.5]}, "colour must be 1 integers"),
        ({"count": [4]}, "count must lie from 1 to 3"),
        ({"seed": -1}, "seed must lie from 0"),
    ],
)
def test_a_bad_argument_is_named(change, complaint):
    good = {"warm": [0.0], "busy": [0.0], "shape": [0], "colour": [0], "count": [1], "seed": 0}
    with pytest.raises(ValueError, match=complaint):
        draw_covers(**good | change)
