"""Exercises of 3.1.2, pictures: what a crop keeps, opacity, the price of a convolution, and the loss by shrinking."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avrec_lib.content.image import read_image
from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close

RGBA = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
RGBA[0, :, 3], RGBA[1, :, 3] = 0, 255  # a row that can't be seen, and one that hides what is behind


def _check_crop(answer: float) -> str:
    refuse_close(answer, 174, "174 rows are cut altogether, but half of them at the bottom")
    refuse_close(answer, 420, "that is a row of the photograph before it was shrunk", rtol=3e-3)
    refuse_close(answer, 0, "that would keep the top of the picture, not its middle")
    refuse_close(answer, 112, "that is half of the square itself; what is cut off counts, not what is kept")
    expect_close(answer, 87, "the shorter side, 1,080, becomes 224; by the same factor the longer becomes 398")
    return "224 of 398 rows stay: of an upright telephone film the network never sees the upper and the lower fifth."


def on_white(rgba: np.ndarray) -> np.ndarray:
    v, a = rgba[:, :, :3].astype(float), rgba[:, :, 3:].astype(float)
    return np.asarray(np.rint((a * v + (255 - a) * 255) / 255).astype(np.uint8))


def _overflowing(rgba: np.ndarray) -> np.ndarray:
    v, a = rgba[:, :, :3], rgba[:, :, 3:]
    return np.asarray((a * v + (255 - a) * 255) // 255)


def _dropped(rgba: np.ndarray) -> np.ndarray:
    return rgba[:, :, :3]


def _on_black(rgba: np.ndarray) -> np.ndarray:
    return np.rint(rgba[:, :, :3] * (rgba[:, :, 3:] / 255)).astype(np.uint8)


def _cut_off(rgba: np.ndarray) -> np.ndarray:
    v, a = rgba[:, :, :3].astype(float), rgba[:, :, 3:].astype(float)
    return np.asarray(((a * v + (255 - a) * 255) / 255).astype(np.uint8))


def _floats(rgba: np.ndarray) -> np.ndarray:
    v, a = rgba[:, :, :3].astype(float), rgba[:, :, 3:].astype(float)
    return np.asarray((a * v + (255 - a) * 255) / 255)


def _check_on_white(answer: Callable[..., Any]) -> str:
    got = answer(RGBA)
    refuse_close(got, _dropped(RGBA), "you dropped the opacity, so what should be invisible is seen")
    refuse_close(got, _on_black(RGBA), "the picture lies on black; the white behind it adds (255 − a) · 255 / 255")
    refuse_close(got, _overflowing(RGBA), "a product of two uint8 wraps round at 256; make them floats first")
    refuse_close(got, _cut_off(RGBA), "astype cuts the fraction off; round before it")
    refuse_close(got, _floats(RGBA), "the values are there, as fractions; round them and make them uint8")
    expect_close(got, read_image(RGBA), "mix each channel with white, a of the one and 255 − a of the other")
    if np.asarray(got).dtype != np.uint8:
        raise Wrong("the numbers are right; their dtype should be uint8")
    return "It agrees with read_image. With a = 0 the colour stored there has no say, whatever it is."


def _check_separable(answer: float) -> str:
    each = "multiply–adds are those of"
    refuse_close(answer, 231_211_008, f"these {each} the ordinary layer, in which every kernel sees all channels")
    refuse_close(answer, 33_920, f"these {each} one place; there are 28 · 28")
    refuse_close(answer, 903_168, f"these {each} the depthwise half; the 1×1 kernels are missing")
    refuse_close(answer, 27_496_448, "the depthwise half works on the channels that come in, 128 of them")
    expect_close(answer, 26_593_280, "at each place k² · c_in for the depthwise half, and c_in · c_out after it")
    return "That is 11.5 % of the ordinary layer's: 1/256 + 1/9. Nearly all of it is spent in the 1×1 kernels."


def _check_shrunk(answer: float) -> str:
    refuse_close(answer, 0.97, "that is the R² of warmth, which survives", atol=0.012)
    refuse_close(
        answer, 0.91, "that is the R² of the covers as they are; shrink them before you take the numbers", atol=0.02
    )
    refuse_close(answer, 0.866, "that is for covers of 32 pixels; the question is about 16", atol=0.015)
    refuse_close(answer, 0.066, "that is for covers of 8 pixels; you went one step too far", atol=0.03)
    expect_close(answer, 0.2, "train on the first 1,000, score on the next 500, second column", atol=0.03)
    return (
        "The stripes are 6 to 18 pixels wide, so in 16 pixels most of them are averaged away, while the mean colour "
        "does not care. Shrink pictures for storage only after you know which numbers you will want."
    )


EXERCISES = (
    Exercise(
        id="crop-arithmetic",
        title="What is left of an upright film",
        difficulty=1,
        minutes=4,
        prompt="""
            A telephone films upright: a frame is 1,080 wide and 1,920 high. `resize_and_crop(frame, 224)` shrinks
            it and cuts the middle square out. How many rows of the *shrunk* frame are cut off at the top?
        """,
        starter="rows_cut_off_at_the_top = ...",
        hints=(
            "The width becomes 224. Which height belongs to it, rounded down?",
            "What is more than 224 rows is cut off, half of it at the top.",
        ),
        solution=87,
        solution_source="rows_cut_off_at_the_top = (224 * 1920 // 1080 - 224) // 2",
        check=_check_crop,
        wrong=(
            (174, "altogether"),
            (420, "before it was shrunk"),
            (0, "keep the top"),
            (112, "the square itself"),
            (90, "by the same factor"),
        ),
    ),
    Exercise(
        id="alpha-on-white",
        title="A picture with holes, on white",
        difficulty=2,
        minutes=8,
        prompt="""
            Write `on_white(rgba)`: from a uint8 array of shape (H, W, 4), whose last channel is the opacity from
            0 to 255, to the picture that is seen in front of white, uint8 of shape (H, W, 3), rounded to the nearest
            whole number.
        """,
        starter="""
            def on_white(rgba: np.ndarray) -> np.ndarray:
                ...  # your code here
        """,
        hints=(
            "The equation is on the page; `rgba[:, :, 3:]` keeps the third axis, so it multiplies all three colours.",
            "200 · 200 does not fit into a uint8. What does NumPy do then, and does it tell you?",
            "`np.rint` rounds, `astype(np.uint8)` alone does not.",
        ),
        solution=on_white,
        check=_check_on_white,
        wrong=(
            (_dropped, "dropped the opacity"),
            (_on_black, "lies on black"),
            (_overflowing, "wraps round"),
            (_cut_off, "cuts the fraction off"),
            (_floats, "as fractions"),
        ),
    ),
    Exercise(
        id="separable-cost",
        title="The price of a separable layer",
        difficulty=2,
        minutes=6,
        prompt="""
            A layer reads 128 channels of 28×28 places and puts out 256 channels of the same size. It is depthwise
            separable: a 3×3 kernel for each channel that comes in, then 1×1 kernels. How many
            multiply–adds does it take for one picture, biases left out?
        """,
        starter="multiply_adds = ...",
        hints=(
            "Count for one place first. The depthwise half has 3 · 3 weights for each of 128 channels.",
            "Each of the 256 outputs at a place adds up 128 numbers, one a channel.",
        ),
        solution=26_593_280,
        solution_source="multiply_adds = 28 * 28 * (3 * 3 * 128 + 128 * 256)",
        check=_check_separable,
        wrong=(
            (231_211_008, "the ordinary layer"),
            (33_920, "one place"),
            (903_168, "the depthwise half; the"),
            (27_496_448, "channels that come in"),
            (1_000_000, "at each place"),
        ),
    ),
    Exercise(
        id="shrunk-covers",
        title="What a thumbnail forgets",
        difficulty=3,
        minutes=15,
        prompt="""
            To save room, somebody stored all covers as thumbnails of 16×16 pixels. Shrink `covers` with
            `resize_and_crop(cover, 16)`, take `colour_and_texture` and `gradient_quartiles` of each and concatenate
            the two (38 numbers), train `ridge` on the first 1,000 and score the other 500. What $R^2$ is left for
            busy, to two digits? (And for warm?)
        """,
        starter="r2_of_busy = ...  # on 16×16 pixels",
        hints=(
            "`np.concatenate([colour_and_texture(x), gradient_quartiles(x)])` for each shrunk cover x, then stack.",
            'The page\'s `r2(numbers)` does the training and the scoring and returns "warm" and "busy".',
            "Try 32 and 8 as well: where does it break?",
        ),
        solution=0.1997,
        solution_source="""
            small = [resize_and_crop(cover, 16) for cover in covers]
            numbers = np.stack([np.concatenate([colour_and_texture(x), gradient_quartiles(x)]) for x in small])
            r2_of_busy = r2(numbers)["busy"]
        """,
        check=_check_shrunk,
        wrong=(
            (0.97, "warmth, which survives"),
            (0.91, "as they are"),
            (0.866, "of 32 pixels"),
            (0.06, "one step too far"),
            (0.5, "second column"),
        ),
    ),
)

QUIZ = Quiz(
    id="3.1.2",
    questions=(
        Question(
            "A photograph opens upright in every viewer. As an array it lies on its side. Why?",
            (
                Option("The file is damaged.", False, "Then the viewers would not show it either."),
                Option(
                    "The sensor's picture is stored as it is, with a note which way is up.",
                    True,
                    "Viewers obey the note, EXIF orientation. A reader of arrays must obey it too.",
                ),
                Option("NumPy has rows and columns swapped.", False, "Rows come first, but none are swapped."),
            ),
        ),
        Question(
            r"Trained on shuffled labels, a model has $R^2 = 0.5$ on its own covers and less than 0 on others. Why?",
            (
                Option(
                    "It memorised noise; the honest score is the one on others.",
                    True,
                    "Nothing about a shuffled label is on the cover, so all it can do is remember.",
                ),
                Option("The model is too small.", False, "A larger one would remember at least as much."),
                Option("Covers predict the labels after all.", False, "The labels were dealt out at random."),
            ),
        ),
        Question(
            "Two 3×3 convolutions, one after the other: what do they see together, and at what cost?",
            (
                Option("3×3 pixels, at twice the cost.", False, "The second looks at what the first saw around it."),
                Option(
                    "5×5 pixels, with 18 weights instead of 25 for one pair of channels.",
                    True,
                    "And with a bend (ReLU) in between, which one large kernel lacks.",
                ),
                Option("9×9 pixels, with 81 weights.", False, "Each 3×3 adds one pixel on each side: 3, 5, 7."),
            ),
        ),
        Question(
            "Cuts are found where the colours of two frames in a row differ much. Which cut is missed?",
            (
                Option("From a street to a forest.", False, "Grey to green: few cuts are easier."),
                Option(
                    "From one face to another before the same wall.",
                    True,
                    "A histogram forgets where colours are; the same colours at other places have distance 0.",
                ),
                Option("From night to day.", False, "All levels change at once."),
            ),
        ),
    ),
)
