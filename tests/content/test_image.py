import io
import pickle
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from avrec_lib.content.errors import MediaError
from avrec_lib.content.image import colour_and_texture, read_image, resize_and_crop


def coded(image, kind="PNG", **options):
    """Return the bytes of a file that Pillow wrote."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def noise(H, W, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (H, W, 3), dtype=np.uint8)


def plain(mode, colour, size=(40, 30)):
    return Image.new(mode, size, colour)


def palette(transparent):
    image = Image.new("P", (40, 30), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    return coded(image, transparency=1) if transparent else coded(image)


MODES = {
    "L": (coded(plain("L", 128)), (128, 128, 128)),
    "LA": (coded(plain("LA", (0, 128))), (127, 127, 127)),
    "RGB": (coded(plain("RGB", (1, 2, 3))), (1, 2, 3)),
    "RGBA, invisible": (coded(plain("RGBA", (255, 0, 0, 0))), (255, 255, 255)),
    "RGBA, half": (coded(plain("RGBA", (255, 0, 0, 128))), (255, 127, 127)),
    "P": (palette(False), (0, 0, 255)),
    "P, transparent": (palette(True), (255, 255, 255)),
    "1, black": (coded(plain("1", 0)), (0, 0, 0)),
    "1, white": (coded(plain("1", 1)), (255, 255, 255)),
    "CMYK": (coded(plain("CMYK", (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
    "I;16": (coded(np.full((30, 40), 32768, np.uint16)), (128, 128, 128)),
    "I;16, white": (coded(np.full((30, 40), 65535, np.uint16)), (255, 255, 255)),
    "I;16, dark": (coded(np.full((30, 40), 257, np.uint16)), (1, 1, 1)),
    "I;16, transparent": (coded(np.full((30, 40), 500, np.uint16), transparency=500), (255, 255, 255)),
    "I": (coded(plain("I", 32768), "TIFF"), (128, 128, 128)),
    "F": (coded(np.full((30, 40), 0.5, np.float32), "TIFF"), (128, 128, 128)),
    "L, transparent": (coded(plain("L", 9), transparency=9), (255, 255, 255)),
    "RGB, transparent": (coded(plain("RGB", (9, 8, 7)), transparency=(9, 8, 7)), (255, 255, 255)),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_colour_mode_becomes_224_by_224_by_3(mode):
    """I1."""
    content, expected = MODES[mode]
    image = read_image(content)
    assert image.dtype == np.uint8
    assert image.shape == (30, 40, 3)
    np.testing.assert_array_equal(image, np.broadcast_to(np.uint8(expected), (30, 40, 3)))
    square = resize_and_crop(image)
    np.testing.assert_array_equal(square, np.broadcast_to(np.uint8(expected), (224, 224, 3)))


def test_a_jpeg_in_ink_colours_is_red_not_inverted():
    """I1: CMYK through JPEG, whose coding is not exact."""
    for mode, ink in (("CMYK", (0, 255, 255, 0)), ("YCbCr", (76, 85, 255))):
        image = read_image(coded(plain(mode, ink), "JPEG", quality=95))
        assert np.abs(image.astype(int) - [255, 0, 0]).max() <= 6, mode


def test_sixteen_bits_keep_their_order():
    """I1: Pillow's own conversion clips all of these but the first at 255."""
    x = np.linspace(0, 65535, 300).astype(np.uint16).reshape(10, 30)
    image = read_image(coded(x))
    np.testing.assert_array_equal(image[:, :, 0], np.rint(x / 257))
    assert np.array(Image.open(io.BytesIO(coded(x))).convert("L")).mean() > 250


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_stands_upright_whatever_its_exif_says(orientation, kind):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :24] = 255, 0, 0  # red above left, blue above right
    upright[:16, 24:] = 0, 0, 255
    undo = {
        1: lambda x: x,
        2: np.fliplr,
        3: lambda x: np.rot90(x, 2),
        4: np.flipud,
        5: lambda x: x.transpose(1, 0, 2),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: np.rot90(x, 2).transpose(1, 0, 2),
        8: lambda x: np.rot90(x, 3),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_image(coded(np.ascontiguousarray(undo(upright)), kind, exif=exif))
    assert image.shape == upright.shape
    assert np.abs(image[4:12, 4:20].astype(int) - [255, 0, 0]).max() < 40
    assert np.abs(image[4:12, 28:44].astype(int) - [0, 0, 255]).max() < 40
    assert image[20:].max() < 40


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # Pillow's
def test_a_picture_with_damaged_exif_is_still_seen():
    content = coded(noise(8, 8), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    np.testing.assert_array_equal(read_image(content), noise(8, 8))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_taken(kind):
    frames = [plain("RGB", colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = coded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(content)).n_frames == 3
    np.testing.assert_array_equal(read_image(content), np.broadcast_to(np.uint8([255, 0, 0]), (30, 40, 3)))


def test_arrays_are_pictures_too():
    assert read_image(np.full((2, 3), 7, np.uint8)).tolist() == [[[7] * 3] * 3] * 2
    assert read_image(np.full((2, 3, 1), 65535, np.uint16)).max() == 255
    assert read_image([[True, False]]).tolist() == [[[255] * 3, [0] * 3]]
    assert read_image(np.array([[[0.0, 0.5, 1.0]]])).tolist() == [[[0, 128, 255]]]
    assert read_image(np.uint8([[[255, 0, 0, 128]]])).tolist() == [[[255, 127, 127]]]
    x = noise(4, 5)
    got = read_image(x)
    got[:] = 0
    np.testing.assert_array_equal(x, noise(4, 5))  # a copy


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((2, 2, 2), np.uint8), r"shape \(2, 2, 2\)"),
        (np.zeros((0, 3), np.uint8), "shape"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.full((2, 2), 1.5), "outside 0 to 1"),
        (np.full((2, 2), np.nan), "outside 0 to 1"),
    ],
)
def test_an_array_that_is_no_picture_says_why(array, reason):
    with pytest.raises(MediaError, match=reason):
        read_image(array)


def cut(kind, share=0.5, **options):
    content = coded(noise(64, 64), kind, **options)
    return content[: int(len(content) * share)]


def header_of_png(width, height):
    """Return a PNG that announces a size and holds almost nothing."""
    content = bytearray(coded(plain("L", 0, (1, 1))))
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


BAD = {
    "half.jpg": (cut("JPEG"), "cut off or damaged"),
    "half.png": (cut("PNG"), "cut off or damaged"),
    "half.gif": (cut("GIF"), "cut off or damaged"),
    "half.webp": (cut("WEBP"), "no picture|cut off or damaged|damaged header"),
    "half.tif": (cut("TIFF"), "cut off or damaged|damaged header"),
    "half.bmp": (cut("BMP"), "cut off or damaged"),
    "head.jpg": (cut("JPEG", 0.02), "no picture|damaged header|cut off"),
    "empty.png": (b"", "0 bytes"),
    "text.jpg": (b"It was the best of times.\n" * 100, r"is no picture.*begins with b'It was the b"),
    "page.png": (b"<!DOCTYPE html><html>404</html>", "is no picture"),
    "noise.gif": (np.random.default_rng(0).bytes(5000), "is no picture"),
    "drawing.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no picture"),
    "bomb.png": (header_of_png(50_000, 50_000), "pixels are refused"),
    "large.png": (header_of_png(9_000, 9_000), r"has 9,000 × 9,000 pixels; more than 80,000,000"),
    "float.tif": (coded(np.full((2, 2), 7, np.float32), "TIFF"), "outside 0 to 1"),
    "deep.tif": (coded(np.full((2, 2), 2**20, np.int32), "TIFF"), "beyond 16 bits"),
    "lab.tif": (coded(plain("LAB", (50, 0, 0)), "TIFF"), "colour mode LAB"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_error_that_names_it(tmp_path, name):
    """I3."""
    content, reason = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    with pytest.raises(MediaError, match=reason) as caught:
        read_image(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).count("\n") == 0
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.raises(MediaError, match=r"^bytes in memory "):
        read_image(content)
    assert before is ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_path_that_is_no_file_says_so(tmp_path):
    with pytest.raises(MediaError, match=r"lost\.png is not there"):
        read_image(tmp_path / "lost.png")
    with pytest.raises(MediaError, match="is a folder"):
        read_image(str(tmp_path))


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(MODES["RGB"][0])

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(MediaError, match=r"cannot be read \(Permission denied\)"):
        read_image(path)


def test_a_bomb_is_refused_before_anything_is_decoded(monkeypatch):
    bombs = [header_of_png(side, side) for side in (9_000, 10_000, 60_000)]
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("was decoded"))
    for bomb in bombs:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow's own warning between its two limits is an error here
            with pytest.raises(MediaError, match="pixels are refused"):
                read_image(bomb)
    with pytest.raises(MediaError, match="has 40 × 30 pixels; more than 1,000"):
        read_image(MODES["RGB"][0], max_pixels=1_000)


def test_a_picture_ten_thousand_pixels_wide_is_fine(tmp_path):
    path = tmp_path / "wide.jpg"
    path.write_bytes(coded(plain("RGB", (200, 100, 50), (10_000, 1_000)), "JPEG", quality=95))
    image = read_image(path)
    assert image.shape == (1_000, 10_000, 3)
    assert np.abs(resize_and_crop(image).astype(int) - [200, 100, 50]).max() <= 2


def test_the_content_decides_not_the_extension(tmp_path):
    for kind, name in (("PNG", "a.jpg"), ("JPEG", "a.png"), ("GIF", "a.txt"), ("WEBP", "none"), ("BMP", "a.eps")):
        (tmp_path / name).write_bytes(coded(plain("RGB", (255, 0, 0)), kind))
        assert np.abs(read_image(str(tmp_path / name)).astype(int) - [255, 0, 0]).max() <= 3, name


def test_one_pixel_becomes_a_square_of_its_colour():
    """I3."""
    image = read_image(coded(plain("RGB", (9, 8, 7), (1, 1))))
    np.testing.assert_array_equal(resize_and_crop(image), np.broadcast_to(np.uint8([9, 8, 7]), (224, 224, 3)))


def test_300_by_100_is_resized_to_672_by_224_and_cut_from_224_to_448():
    """I3."""
    image = noise(100, 300)
    resized = np.array(Image.fromarray(image).resize((672, 224), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(resize_and_crop(image), resized[:, 224:448])


@pytest.mark.parametrize("shape", [(50, 87), (87, 50), (300, 301), (224, 500), (1000, 640), (5, 3)])
def test_the_square_is_the_middle_of_the_whole_resized_picture(shape):
    image = noise(*shape)
    H, W = shape
    new_W, new_H = 224 * W // min(shape), 224 * H // min(shape)
    resized = np.array(Image.fromarray(image).resize((new_W, new_H), Image.Resampling.BICUBIC)).astype(int)
    y, x = (new_H - 224) // 2, (new_W - 224) // 2
    difference = np.abs(resize_and_crop(image) - resized[y : y + 224, x : x + 224])
    assert difference.max() <= 1  # rounding


def test_a_square_of_the_right_size_stays_as_it_is_and_other_sizes_work():
    np.testing.assert_array_equal(resize_and_crop(noise(224, 224)), noise(224, 224))
    assert resize_and_crop(noise(10, 20), 64).shape == (64, 64, 3)


def test_fine_stripes_fade_to_grey_instead_of_false_patterns():
    stripes = np.zeros((1120, 1120, 3), np.uint8)
    stripes[:, ::2] = 255
    inner = resize_and_crop(stripes)[4:-4, 4:-4].astype(float)
    assert inner.mean() == pytest.approx(127.5, abs=1)
    assert inner.std() < 30
    assert stripes[::5, ::5].std() > 120  # what picking every fifth pixel would give


def test_a_line_of_ten_thousand_pixels_needs_no_picture_of_two_million_columns():
    line = np.zeros((1, 10_000, 3), np.uint8)
    line[:, 5_000:] = 255
    square = resize_and_crop(line)
    assert square.shape == (224, 224, 3)
    assert square[:, 0].max() < 128 < square[:, -1].min()


@pytest.mark.parametrize("function", [resize_and_crop, colour_and_texture])
def test_what_is_no_picture_is_refused(function):
    for wrong in (noise(4, 4).astype(float), noise(4, 4)[..., 0], [[[1, 2, 3]]], np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="picture"):
            function(wrong)
    with pytest.raises(ValueError, match="must be"):
        function(noise(4, 4), 0)


def test_hand_made_features_of_a_picture_of_four_pixels():
    image = np.uint8([[[0, 0, 0], [255, 255, 255]], [[0, 0, 0], [255, 0, 0]]])
    mean_r, mean_g, mean_b, std_r, std_g, std_b, energy_x, energy_y, *histograms = colour_and_texture(image, bins=2)
    assert (mean_r, mean_g, mean_b) == (0.5, 0.25, 0.25)
    np.testing.assert_allclose([std_r, std_g, std_b], [0.5, 3**0.5 / 4, 3**0.5 / 4])
    np.testing.assert_allclose(energy_x, (1 + 0.299**2) / 2, rtol=1e-6)
    np.testing.assert_allclose(energy_y, (0 + 0.701**2) / 2, rtol=1e-6)
    assert histograms == [0.5, 0.5, 0.75, 0.25, 0.75, 0.25]


def test_hand_made_histograms_equal_numpy_s():
    image = noise(31, 17)
    histograms = colour_and_texture(image, bins=8)[8:].reshape(3, 8)
    for c in range(3):
        expected, _ = np.histogram(image[..., c], bins=8, range=(0, 256))
        np.testing.assert_allclose(histograms[c], expected / (31 * 17), rtol=1e-6)


def test_one_colour_has_no_texture_and_stripes_have_it_across():
    flat = colour_and_texture(np.full((1, 9, 3), 77, np.uint8))
    assert flat.dtype == np.float32
    assert flat.shape == (8 + 24,)
    assert flat[3:8].max() < 1e-6
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 255
    np.testing.assert_allclose(colour_and_texture(stripes)[6:8], [1, 0], atol=1e-6)
