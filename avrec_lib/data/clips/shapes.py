"""The eight objects on the covers as polygons with integer corners, and the distance of a point to a polygon."""

from __future__ import annotations

import numpy as np
from numba import njit

from avrec_lib.data.clips.exact import ONE, SINE, TURN, Ints

SHAPES = ("circle", "star", "triangle", "square", "heart", "moon", "cross", "flower")


def _circle(n: int, radii: Ints | int = ONE) -> Ints:
    """Return n corners round the origin, starting upwards (negative y), at these radii; shape (n, 2)."""
    angles = np.arange(n) * TURN // n
    corners: Ints = np.stack([radii * _sin(angles), -radii * _cos(angles)], axis=1) // 32767
    return corners


def _sin(angles: Ints) -> Ints:
    sines: Ints = SINE[angles % TURN]
    return sines


def _cos(angles: Ints) -> Ints:
    return _sin(angles + TURN // 4)


def _heart() -> Ints:
    """Return 40 corners of the curve x = 16 sin³ t, y = -(13 cos t - 5 cos 2t - 2 cos 3t - cos 4t)."""
    t = np.arange(40) * TURN // 40
    x = 16 * _sin(t) ** 3 // 32767**2
    y = -(13 * _cos(t) - 5 * _cos(2 * t) - 2 * _cos(3 * t) - _cos(4 * t))
    corners: Ints = np.stack([x, y - 2 * 32767], axis=1) // 512  # 16 · 64 = 1024
    return corners


def _moon() -> Ints:
    """Return 34 corners of a waning crescent: half a circle, and half an ellipse back."""
    t = TURN // 2 * np.arange(17) // 16  # from the upper tip to the lower
    limb = np.stack([-_sin(t), -_cos(t)], axis=1)
    terminator = np.stack([-_sin(t[::-1]) * 3 // 10, -_cos(t[::-1])], axis=1)
    corners: Ints = np.concatenate([limb, terminator]) // 32 + np.array([ONE // 2, 0])
    return corners


_ARM = 360
_CROSS = np.array([(-_ARM, -ONE), (_ARM, -ONE), (_ARM, -_ARM)])
_POLYGONS = {
    "circle": _circle(40),
    "star": _circle(10, np.array([1100, 480] * 5)),
    "triangle": _circle(3, 1120),
    "square": np.array([(-800, -800), (800, -800), (800, 800), (-800, 800)]),
    "heart": _heart(),
    "moon": _moon(),
    "cross": np.concatenate([_CROSS, _CROSS[:, ::-1] * [-1, 1], -_CROSS, _CROSS[:, ::-1] * [1, -1]]),
    "flower": _circle(60, 800 + 260 * _cos(5 * np.arange(60) * TURN // 60) // 32767),
}


def polygon(shape: int, radius: int, angle: int, x: int, y: int) -> Ints:
    """Return the corners of a shape of this radius, turned by angle / 4096 of a turn, centred at (x, y).

    Shape (number of corners, 2), in the units of radius, x and y.
    """
    corners = _POLYGONS[SHAPES[shape]]
    c, s = int(SINE[(angle + TURN // 4) % TURN]), int(SINE[angle % TURN])
    turned = np.stack([corners[:, 0] * c - corners[:, 1] * s, corners[:, 0] * s + corners[:, 1] * c], axis=1)
    placed: Ints = turned * radius // (32767 * ONE) + np.array([x, y])
    return placed


@njit(cache=True)
def signed_distance(px: int, py: int, corners: Ints) -> int:
    """Return how deep a point lies inside a polygon (outside: minus its distance), rounded to an integer.

    The distance is that to the nearest edge, √(cross² / length²) or that to a corner; the point is inside
    if a ray from it to the right crosses an odd number of edges. Coordinates below 2^14.
    """
    nearest, inside = 1 << 40, False
    ax, ay = corners[-1, 0], corners[-1, 1]
    for k in range(len(corners)):
        bx, by = corners[k, 0], corners[k, 1]
        ex, ey, vx, vy = bx - ax, by - ay, px - ax, py - ay
        along, length, cross = vx * ex + vy * ey, ex * ex + ey * ey, vx * ey - vy * ex
        if along <= 0:
            squared = vx * vx + vy * vy
        elif along >= length:
            squared = (px - bx) ** 2 + (py - by) ** 2
        else:
            squared = cross * cross // length
        nearest = min(nearest, squared)
        if (ay > py) != (by > py) and (cross < 0) == (ey > 0):
            inside = not inside
        ax, ay = bx, by
    root, bit = 0, 1 << 15  # the integer square root, bit by bit
    while bit:
        if (root + bit) ** 2 <= nearest:
            root += bit
        bit >>= 1
    return root if inside else -root
