"""The sizes of the article's model, in one place: what its program leaves without a value.

Page 5.3. Whatever is built (the PyTorch model here, or the same layers in another framework) is
built from this and nothing else, so that two builds of one configuration have the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass

PADDING, UNKNOWN = 0, 1  # token ids that are no words


@dataclass(frozen=True)
class ArticleConfig:
    """Sizes of inputs and layers.

    Parameters
    ----------
    vocabulary : int
        Number of token ids: 0 is padding, 1 a word that the vocabulary lacks, 2 and up are words.
    tokens : int
        L, ids of a text; a shorter one is padded at its end, a longer one is cut.
    embedding : int
        Length of the vector of a word.
    lstm : int
        Units of each of the two LSTMs, one for words and one for sound.
    picture : int
        Side of the square picture, in pixels.
    channels : tuple of int
        Output channels of the convolutions. Each is 3×3 with a border of zeros and is followed by ReLU
        and 2×2 maximum pooling; the mean over what is left of the picture comes last.
    frames, coefficients : int
        Of a sound: the MFCC frames in time, and the numbers of each.
    dense : int
        Units of the dense layer.
    """

    vocabulary: int = 800
    tokens: int = 16
    embedding: int = 16
    lstm: int = 24
    picture: int = 32
    channels: tuple[int, ...] = (8, 16)
    frames: int = 32
    coefficients: int = 13
    dense: int = 32

    def __post_init__(self) -> None:
        """Refuse sizes that no network can have."""
        sizes = {name: value for name, value in vars(self).items() if name != "channels"}
        for name, size in [*sizes.items(), *(("channels", size) for size in self.channels)]:
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, not {size!r}.")
        if self.vocabulary <= UNKNOWN:
            raise ValueError(f"vocabulary must be at least {UNKNOWN + 1}: padding and unknown words have an id each.")
        if not self.channels:
            raise ValueError("channels must name at least one convolution, such as (8, 16).")
        if self.picture % self.shrinks:
            raise ValueError(
                f"picture must be a multiple of {self.shrinks}, which {len(self.channels)} poolings divide it by, "
                f"not {self.picture}."
            )

    @property
    def shrinks(self) -> int:
        """By what the poolings divide the side of the picture."""
        return 1 << len(self.channels)

    @property
    def joined(self) -> int:
        """Length of the three branches laid end to end."""
        return self.lstm + self.channels[-1] + self.lstm
