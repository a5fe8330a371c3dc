"""Sizes of the article's model: what is refused, and what follows from them."""

import dataclasses

import pytest

from avrec_lib.multimodal.config import ArticleConfig


def test_the_configuration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ArticleConfig().tokens = 3  # type: ignore[misc]


def test_the_joined_vector_is_as_long_as_its_three_parts() -> None:
    assert ArticleConfig(lstm=5, channels=(4, 7)).joined == 5 + 7 + 5


def test_each_convolution_halves_the_picture() -> None:
    assert ArticleConfig(channels=(4, 4, 4)).shrinks == 8


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"tokens": 0}, "tokens must be a whole number of at least 1, not 0"),
        ({"lstm": 2.5}, "lstm must be a whole number"),
        ({"channels": (8, 0)}, "channels must be a whole number"),
        ({"vocabulary": 1}, "vocabulary must be at least 2"),
        ({"channels": ()}, "at least one convolution"),
        ({"picture": 30}, "picture must be a multiple of 4"),
    ],
)
def test_sizes_that_no_network_can_have_are_refused(sizes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArticleConfig(**sizes)  # type: ignore[arg-type]
