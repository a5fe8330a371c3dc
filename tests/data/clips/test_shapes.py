"""The objects of the covers: eight polygons about as large as each other, and how deep a point lies in one."""

import numpy as np
import pytest

from avrec_lib.data.clips.exact import TURN
from avrec_lib.data.clips.shapes import SHAPES, polygon, signed_distance

SQUARE = np.array([(0, 0), (100, 0), (100, 100), (0, 100)])


@pytest.mark.parametrize("distance", [signed_distance, signed_distance.py_func], ids=["compiled", "py_func"])
@pytest.mark.parametrize(
    ("x", "y", "expected"), [(50, 40, 40), (50, 100, 0), (130, 50, -30), (130, 140, -50), (-3, -4, -5), (50, -7, -7)]
)
def test_depth_in_a_square_by_hand(distance, x, y, expected):
    assert distance(x, y, SQUARE) == expected


def test_inside_and_outside_of_every_shape_agree_with_matplotlib():
    from matplotlib.path import Path

    points = np.random.default_rng(0).integers(-1300, 1300, (300, 2))
    for shape in range(len(SHAPES)):
        corners = polygon(shape, 1000, 300, 0, 0)
        depth = np.array([signed_distance(x, y, corners) for x, y in points])
        inside = Path(corners).contains_points(points)
        clear = np.abs(depth) > 1
        assert np.array_equal(inside[clear], (depth > 0)[clear])


def test_a_shape_lies_where_it_is_put_and_fills_its_radius():
    for shape in range(len(SHAPES)):
        corners = polygon(shape, 640, 0, 2000, 1000)
        reach = np.hypot(*(corners - [2000, 1000]).T).max()
        assert 0.95 < reach / 640 < 1.2, SHAPES[shape]


def test_a_quarter_turn_turns_right_into_down():
    corners, turned = polygon(4, 1000, 0, 0, 0), polygon(4, 1000, TURN // 4, 0, 0)
    assert np.abs(turned - np.stack([-corners[:, 1], corners[:, 0]], axis=1)).max() <= 1


def test_shapes_differ():
    """Share of a common disc that two shapes do not share is at least a tenth."""
    points = [(x, y) for x in range(-1000, 1001, 100) for y in range(-1000, 1001, 100)]
    filled = np.array(
        [[signed_distance(*p, polygon(s, 1000, 0, 0, 0)) > 0 for p in points] for s in range(len(SHAPES))]
    )
    for a in range(len(SHAPES)):
        for b in range(a):
            assert (filled[a] ^ filled[b]).sum() > 0.1 * (filled[a] | filled[b]).sum()
