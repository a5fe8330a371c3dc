"""Covers of clips: small pictures whose background tells how warm and how busy a clip looks.

On the background lie one to three copies of an object, which the clip's alternative text describes and
which says nothing of the look. All that is neither look nor object is chance: lightness, tint and
direction of the gradient, kind and angle of the pattern, places, sizes and angles of the objects, the
light on them, the noise of the camera. Everything is computed with integers; see `exact`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data.clips.exact import ONE, SINE, TURN, Ints, between, clip_seeds, fixed, generator, whole
from avrec_lib.data.clips.shapes import SHAPES, polygon, signed_distance

SIZE = 64  # pixels
COLOURS = ("red", "yellow", "green", "blue", "purple", "white")
PATTERNS = ("stripes", "checks", "dots", "clutter")
_CONTRAST = (105, 74, 106, 162)  # percent, by pattern, so that all are equally busy
_RGB = ((214, 46, 50), (248, 206, 44), (52, 164, 72), (44, 96, 214), (142, 62, 190), (244, 244, 240))
_BROWN = np.array([112, 66, 30])  # the heart of a flower
_PX = 64  # units of length in a pixel
_RADII = {1: (10 * _PX, 15 * _PX), 2: (9 * _PX, 12 * _PX), 3: (8 * _PX, 10 * _PX)}  # by count


def draw_covers(
    warm: ArrayLike, busy: ArrayLike, shape: ArrayLike, colour: ArrayLike, count: ArrayLike, seed: ArrayLike
) -> NDArray[np.uint8]:
    """Draw the covers of n clips.

    Parameters
    ----------
    warm : array, shape (n,)
        From -1, a cold blue background, to 1, a warm orange one.
    busy : array, shape (n,)
        From -1, a plain background, to 1, one with strong and fine stripes, checks, dots or clutter.
    shape, colour, count : int arrays, shape (n,)
        The object: index into `SHAPES` and `COLOURS`, and 1 to 3 copies.
    seed : int or int array, shape (n,)
        Seed of each clip's chances, at least 0; a single number s stands for s, s + 1, …

    Returns
    -------
    uint8 array, shape (n, 64, 64, 3)
        Red, green, blue. The same bytes on every machine.

    Raises
    ------
    ValueError
        If the lengths differ, or a value is outside its range.
    """
    n = np.size(warm)
    warm, busy = fixed(warm, "warm", n), fixed(busy, "busy", n)
    shape, colour = whole(shape, "shape", n, 0, len(SHAPES) - 1), whole(colour, "colour", n, 0, len(COLOURS) - 1)
    count, seeds = whole(count, "count", n, 1, 3), clip_seeds(seed, n)
    pictures = np.empty((n, SIZE, SIZE, 3), dtype=np.uint8)
    for i in range(n):
        rng = generator(int(seeds[i]), "cover")
        canvas = _background(rng, int(warm[i]), int(busy[i]))
        _put_objects(canvas, rng, int(shape[i]), int(colour[i]), int(count[i]))
        grains = rng.integers(0, 256, (2, *canvas.shape), dtype=np.uint8).astype(np.int64).sum(axis=0) - 255
        canvas += grains * between(rng, 160, 480) // 64  # standard deviation 104 · level / 64, in 1/256: 1 to 3
        pictures[i] = np.clip(canvas >> 8, 0, 255)
    return pictures


def _background(rng: np.random.Generator, warm: int, busy: int) -> Ints:
    """Return a canvas (64, 64, 3) of a gradient and a pattern, in 1/256 of a grey level."""
    light = between(rng, 105, 165)
    strength = between(rng, 70, 100)  # saturation: levels that warm = 1 adds to red and takes from blue
    tint = between(rng, -26, 26)  # towards green or magenta
    base = np.array([light - tint // 2, light + tint, light - tint // 2]) * 256
    base += warm * strength // 4 * np.array([1, 0, -1])
    slope_light, slope_tint = between(rng, -30, 30), between(rng, -14, 14)
    slope = np.array([slope_light - slope_tint, slope_light + slope_tint, slope_light - slope_tint]) * 256
    direction = between(rng, 0, TURN // 4)  # from vertical to horizontal, mostly diagonal
    kind, angle = between(rng, 0, len(PATTERNS) - 1), between(rng, 0, TURN - 1)
    amount = (26 + (busy + ONE) * 150 // ONE) * between(rng, 90, 110) * _CONTRAST[kind] // 10_000  # 3 % to 33 % of ONE
    amount *= 1 - 2 * between(rng, 0, 1)  # dark on light or light on dark
    pitch = (3600 + (busy + ONE) * 4200 // ONE) * between(rng, 90, 110) // 100  # 2^-16 turns a pixel
    offsets = rng.integers(0, TURN, 2)
    lattice = rng.integers(-ONE, ONE, (32, 32), endpoint=True)
    canvas = np.empty((SIZE, SIZE, 3), dtype=np.int64)
    _paint(canvas, base, slope, direction, kind, amount, pitch, angle, offsets, lattice)
    return canvas


@njit(cache=True)
def _paint(
    canvas: Ints,
    base: Ints,
    slope: Ints,
    direction: int,
    kind: int,
    amount: int,
    pitch: int,
    angle: int,
    offsets: Ints,
    lattice: Ints,
) -> None:
    """Fill the canvas: (base + slope · t) (1 + amount · p), t and p the gradient and pattern in [-1, 1]."""
    quarter = TURN // 4
    down, across = SINE[(direction + quarter) % TURN], SINE[direction]
    c, s = SINE[(angle + quarter) % TURN], SINE[angle]
    for y in range(SIZE):
        for x in range(SIZE):
            t = ((2 * y - SIZE + 1) * down + (2 * x - SIZE + 1) * across) >> 11  # ±1024 at the edge, more in corners
            u = (((x * c + y * s) * pitch) >> 19) + offsets[0]  # 2^15 · 2^16 to 2^12 a turn
            v = (((y * c - x * s) * pitch) >> 19) + offsets[1]
            wave_u, wave_v = SINE[u % TURN] >> 5, SINE[v % TURN] >> 5  # ±1024
            if kind == 0:
                p = 2 * wave_u
            elif kind == 1:
                p = (wave_u * wave_v) >> 8
            elif kind == 2:
                p = 2 * (wave_u + wave_v) - ONE
            else:  # between the random heights of a lattice, two cells a turn
                p = 2 * _height(2 * u, 2 * v, lattice)
            p = min(max(p, -ONE), ONE)
            for k in range(3):
                canvas[y, x, k] = ((base[k] + ((slope[k] * t) >> 10)) * (ONE * ONE + amount * p)) >> 20


@njit(cache=True)
def _height(u: int, v: int, lattice: Ints) -> int:
    """Interpolate a lattice (32, 32), periodic, linearly between its four nearest points; a cell is TURN long."""
    i, j, a, b = (u // TURN) % 32, (v // TURN) % 32, u % TURN, v % TURN
    top = lattice[i, j] * (TURN - a) + lattice[(i + 1) % 32, j] * a
    bottom = lattice[i, (j + 1) % 32] * (TURN - a) + lattice[(i + 1) % 32, (j + 1) % 32] * a
    return int((top * (TURN - b) + bottom * b) // (TURN * TURN))


def _put_objects(canvas: Ints, rng: np.random.Generator, shape: int, colour: int, count: int) -> None:
    """Draw the copies of the object on the canvas, none over another."""
    paint = (np.array(_RGB[colour]) + rng.integers(-10, 10, 3, endpoint=True)) * 256
    ink = (np.array([34, 32, 40]) + rng.integers(-10, 10, 3, endpoint=True)) * 256
    for x, y, radius in _places(rng, count):
        corners = polygon(shape, radius, between(rng, -TURN // 8, TURN // 8), x, y)
        _stamp(canvas, corners, x, y, radius, paint, ink)
        if SHAPES[shape] == "flower":
            heart = polygon(SHAPES.index("circle"), radius // 4, 0, x, y)
            _stamp(canvas, heart, x, y, radius // 4, _BROWN * 256, _BROWN * 256)


def _places(rng: np.random.Generator, count: int) -> list[tuple[int, int, int]]:
    """Draw centre and radius of each copy, in 1/64 pixel, so that none leaves the picture or meets another."""
    places: list[tuple[int, int, int]] = []
    while len(places) < count:
        radius = between(rng, *_RADII[count])
        while True:
            x, y = (between(rng, radius + 2 * _PX, (SIZE - 2) * _PX - radius) for _ in range(2))
            if all((x - a) ** 2 + (y - b) ** 2 > (radius + r + 3 * _PX) ** 2 for a, b, r in places):
                break
            radius -= radius // 32  # after some tries it is small enough to fit
        places.append((x, y, radius))
    return places


@njit(cache=True)
def _stamp(canvas: Ints, corners: Ints, x: int, y: int, radius: int, paint: Ints, ink: Ints) -> None:
    """Draw a polygon with a soft shadow below right, a thin outline in ink, and light from above left."""
    reach = radius + 5 * _PX
    for row in range(max(0, (y - reach) // _PX), min(SIZE, (y + reach) // _PX + 1)):
        for column in range(max(0, (x - reach) // _PX), min(SIZE, (x + reach) // _PX + 1)):
            px, py = column * _PX + _PX // 2, row * _PX + _PX // 2
            depth = signed_distance(px, py, corners)
            shade = min(max(signed_distance(px - 96, py - 128, corners) + 2 * _PX, 0), 4 * _PX)  # 0 to 256
            inner, outer = min(max(depth + 32, 0), _PX), min(max(depth + 32 + 72, 0), _PX)  # 0 to 64
            light = 256 - (px - x + py - y) * 28 // radius  # 1 at the centre
            for k in range(3):
                value = canvas[row, column, k] * (1024 - shade) // 1024  # a quarter darker
                value += (ink[k] - value) * outer // _PX
                value += (paint[k] * light // 256 - value) * inner // _PX
                canvas[row, column, k] = value
