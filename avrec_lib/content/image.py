"""Any picture in, (H, W, 3) numbers out; a square of it; and a few numbers that sum it up.

Page 3.1.2. The content of a file decides what it is, never its name. A bad file is one `MediaError`
that names it. Pictures are taken as sRGB: a colour profile inside the file is not applied.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, UnidentifiedImageError

from avrec_lib.content.errors import MediaError

Picture = NDArray[np.uint8]

MAX_PIXELS = 80_000_000  # 240 MB as an array; Pillow's own warning comes at 89 million
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "MPO", "ICO", "TGA", "PPM")
UPRIGHT = {  # EXIF orientation → what turns the stored picture the way it was taken
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(source: str | Path | bytes | ArrayLike, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture as uint8 numbers, shape (H, W, 3): rows from the top, columns from the left, red green blue.

    - Turned upright by its EXIF orientation.
    - Transparent pixels lie on white: v = (a · v + (255 − a) · 255) / 255, a the opacity.
    - 16 bits of grey become 8: v = x · 255 / 65,535, rounded. (Pillow alone would clip at 255.)
    - Grey is repeated in three channels; palettes, black and white, CMYK and YCbCr become RGB.
    - Of an animation (GIF, WebP, APNG) the first frame is taken; of a TIFF the first page.

    Parameters
    ----------
    source : path, bytes of a file, or an array
        A file in one of `FORMATS`. An array (H, W), or (H, W, C) with C = 1, 3 or 4 (the last is opacity):
        uint8, uint16, bool, or floats from 0 to 1.
    max_pixels : int
        Pictures with more are refused by the size in their header, before anything is decoded: a file of
        100 kB can hold gigabytes of one colour (a decompression bomb).

    Returns
    -------
    uint8 array, shape (H, W, 3), the caller's own

    Raises
    ------
    MediaError
        If the file is not there, empty, a folder, no picture, cut off or damaged, too large, or in a mode
        that has no one meaning in 8 bits (floats outside 0 to 1, LAB).
    """
    if not isinstance(source, (str, Path, bytes)):
        return _of_array(np.asarray(source))
    name = "bytes in memory" if isinstance(source, bytes) else str(source)
    with _opened(source, name) as file, _decoded(file, name, max_pixels) as image:
        rgb = _to_rgb(image, name)
        turn = UPRIGHT.get(_orientation(image))
        return np.array(rgb if turn is None else rgb.transpose(turn))  # (H, W, 3)


def resize_and_crop(image: Picture, size: int = 224) -> Picture:
    """Shrink (or stretch) the shorter side of a picture to `size` and keep the square in the middle.

    A picture of 300×100 becomes 672×224, of which the columns 224 to 448 stay. The longer side is
    ⌊size · long / short⌋, and of an odd rest the larger half is cut at the right or bottom. Every new
    pixel is a weighted mean (bicubic) of all the old ones it covers, so fine patterns fade instead of
    turning into false ones. Only the square is computed: a picture of 10,000×1 is no problem.

    Parameters
    ----------
    image : uint8 array, shape (H, W, 3)
    size : int
        224 is what most networks trained on ImageNet take.

    Returns
    -------
    uint8 array, shape (size, size, 3)

    Raises
    ------
    ValueError
        If the array is no such picture, or size is below 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}.")
    H, W = _check(image).shape[:2]
    new_W, new_H = size * W // min(H, W), size * H // min(H, W)
    x, y = (new_W - size) // 2, (new_H - size) // 2
    box = (x * W / new_W, y * H / new_H, (x + size) * W / new_W, (y + size) * H / new_H)  # the square, in old pixels
    return np.array(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC, box=box))


def colour_and_texture(image: Picture, bins: int = 8) -> NDArray[np.float32]:
    """Sum a picture up in numbers made by hand: mean colours, their spread, histograms, and how busy it is.

    With v = pixels / 255 and the luminance Y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601):
    0–2: the mean of red, green and blue; 3–5: their standard deviations;
    6–7: gradient energy E_x = mean (Y[i, j+1] − Y[i, j])² and E_y = mean (Y[i+1, j] − Y[i, j])²,
    0 for one colour and large for fine stripes across that direction;
    from 8: the share of pixels in each of `bins` equal steps of red, then green, then blue.

    Parameters
    ----------
    image : uint8 array, shape (H, W, 3)
    bins : int
        Steps of a histogram, 1 to 256.

    Returns
    -------
    float32 array, shape (8 + 3 bins,); all numbers between 0 and 1

    Raises
    ------
    ValueError
        If the array is no such picture, or bins is outside 1 to 256.
    """
    if not 1 <= bins <= 256:
        raise ValueError(f"bins must be 1 to 256, not {bins}.")
    pixels = _check(image).reshape(-1, 3)  # (HW, 3)
    v = image.astype(np.float32) / 255  # (H, W, 3)
    Y = v @ np.array([0.299, 0.587, 0.114], np.float32)  # (H, W)
    energy = [np.square(np.diff(Y, axis=axis)).mean() if Y.shape[axis] > 1 else 0.0 for axis in (1, 0)]
    steps = pixels.astype(np.int64) * bins // 256 + bins * np.arange(3)  # (HW, 3)
    histograms = np.bincount(steps.ravel(), minlength=3 * bins) / len(pixels)  # (3 bins,)
    numbers = [v.mean(axis=(0, 1), dtype=np.float64), v.std(axis=(0, 1), dtype=np.float64), energy, histograms]
    return np.concatenate(numbers).astype(np.float32)


@contextmanager
def _opened(source: str | Path | bytes, name: str) -> Iterator[IO[bytes]]:
    if isinstance(source, bytes):
        if not source:
            raise MediaError(name, "are 0 bytes; no picture at all.")
        yield io.BytesIO(source)
        return
    path = Path(source)
    if not path.exists():
        raise MediaError(name, "is not there; check the path.")
    if not path.is_file():
        raise MediaError(name, "is a folder, not a picture; give the path of a file.")
    if path.stat().st_size == 0:
        raise MediaError(name, "has 0 bytes; copy or download it again.")
    try:
        file = path.open("rb")
    except OSError as error:
        raise MediaError(name, f"cannot be read ({error.strerror}); check its permissions.") from error
    with file:
        yield file


@contextmanager
def _decoded(file: IO[bytes], name: str, max_pixels: int) -> Iterator[Image.Image]:
    """Open the picture, check its size in the header, and decode its first frame."""
    too_large = f"; more than {max_pixels:,} pixels are refused, for a small file may fill the memory. Make it smaller."
    try:
        image = Image.open(file, formats=_formats())
    except UnidentifiedImageError as error:
        file.seek(0)
        raise MediaError(
            name, f"is no picture, or in no format that is read here ({', '.join(_formats())}); it begins with "
            f"{file.read(12)!r}. Convert it to PNG or JPEG."
        ) from error  # fmt: skip
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(name, f"is far too large{too_large}") from error
    except Exception as error:  # Pillow's readers of headers raise whatever comes up in a damaged file
        raise MediaError(name, f"has a damaged header ({error}); copy or export it again.") from error
    with image:
        if image.width * image.height > max_pixels:
            raise MediaError(name, f"has {image.width:,} × {image.height:,} pixels{too_large}")
        if 0 in image.size:
            raise MediaError(name, f"has {image.width} × {image.height} pixels, so nothing to see; leave it out.")
        try:
            image.load()
        except Exception as error:  # the same holds for its decoders
            reason = str(error) or type(error).__name__
            raise MediaError(name, f"is cut off or damaged ({reason}); copy or download it again.") from error
        yield image


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Return the picture in mode RGB, transparent pixels on white."""
    if image.mode.startswith(("I", "F")):
        return _of_deep_grey(image, name)
    if image.mode in ("LAB", "HSV") or (image.mode == "P" and image.palette is None):
        raise MediaError(name, f"is in colour mode {image.mode}; convert it to RGB.")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it
    rgba = image.convert("RGBA")
    on_white = Image.new("RGB", image.size, "white")
    on_white.paste(rgba, mask=rgba.getchannel("A"))
    return on_white


def _of_deep_grey(image: Image.Image, name: str) -> Image.Image:
    """Scale 16 bits of grey, or floats from 0 to 1, to 8 bits."""
    x = np.asarray(image)  # (H, W)
    if x.dtype.kind != "f":
        if x.min() < 0 or x.max() > 65_535:
            raise MediaError(name, "has grey values beyond 16 bits; export it with 8 or 16 bits.")
        x = x.astype(np.uint16)
    try:
        rgb = _of_array(x)
    except MediaError as error:
        raise MediaError(name, error.reason) from error
    if isinstance(clear := image.info.get("transparency"), int):  # the one grey that stands for nothing
        rgb[x == clear] = 255
    return Image.fromarray(rgb)


def _of_array(x: NDArray[Any]) -> Picture:
    name = "the array"
    is_picture = (x.ndim == 2 or (x.ndim == 3 and x.shape[2] in (1, 3, 4))) and x.size > 0
    if not is_picture:
        raise MediaError(name, f"has shape {x.shape}, not (H, W) or (H, W, C) with C = 1, 3 or 4; reshape it.")
    if x.dtype == np.bool_:
        v = x.astype(np.uint8) * np.uint8(255)
    elif x.dtype == np.uint16:
        v = ((x.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)
    elif x.dtype.kind == "f":
        if not (np.isfinite(x).all() and x.min() >= 0 and x.max() <= 1):
            raise MediaError(name, "holds floats outside 0 to 1; divide by its largest possible value.")
        v = np.rint(x * 255).astype(np.uint8)
    elif x.dtype == np.uint8:
        v = x
    else:
        raise MediaError(name, f"has numbers of type {x.dtype}; give uint8, uint16, bool, or floats from 0 to 1.")
    if v.ndim == 2 or v.shape[2] == 1:
        return np.repeat(v.reshape(*v.shape[:2], 1), 3, axis=2)  # (H, W, 3)
    if v.shape[2] == 3:
        return np.array(v)
    a = v[:, :, 3:].astype(np.uint32)  # (H, W, 1)
    return ((a * v[:, :, :3] + (255 - a) * 255 + 127) // 255).astype(np.uint8)  # (H, W, 3)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) where there is none, or the EXIF is damaged."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # a picture whose notes are damaged can still be seen
        return 1


@lru_cache(maxsize=1)
def _formats() -> list[str]:
    """Return the formats that this Pillow knows; never EPS or WMF, which start other programs."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _check(image: Picture) -> Picture:
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        raise ValueError("a picture is a uint8 array of shape (H, W, 3); read_image makes one of anything.")
    if image.size == 0:
        raise ValueError(f"a picture has at least one pixel, not shape {image.shape}.")
    return image
