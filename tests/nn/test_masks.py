import doctest

import numpy as np
import pytest

from avrec_lib.nn import masks
from avrec_lib.nn.masks import causal_mask, check_mask, padding_mask


def test_causal_and_padding_masks_combine_per_sequence():
    """A5: allowed[b, i, j] = (j <= i) and (j < length of b)."""
    allowed = causal_mask(3) & padding_mask([3, 1], 3)
    expected = [[[1, 0, 0], [1, 1, 0], [1, 1, 1]], [[1, 0, 0], [1, 0, 0], [1, 0, 0]]]
    assert allowed.dtype == np.bool_
    np.testing.assert_array_equal(allowed, np.array(expected, dtype=bool))


def test_a_padding_mask_of_as_many_sequences_as_positions_still_belongs_to_the_batch():
    """A5: with B = T = 2 a (B, T) mask would pass for a (T, T) one; the axis of the queries forbids it."""
    mask = padding_mask([2, 1], 2)
    assert mask.shape == (2, 1, 2)
    np.testing.assert_array_equal(mask[:, 0], [[True, True], [True, False]])


def test_an_empty_sequence_keeps_nothing_and_an_empty_batch_is_fine():
    assert not padding_mask([0], 3).any()
    assert padding_mask(np.array([], dtype=np.int64), 3).shape == (0, 1, 3)


@pytest.mark.parametrize("T", [0, -1])
def test_a_mask_over_no_positions_is_refused(T):
    with pytest.raises(ValueError, match=f"at least one position, not T = {T}"):
        causal_mask(T)
    with pytest.raises(ValueError, match="at least one position"):
        padding_mask([0], T)


@pytest.mark.parametrize(
    ("lengths", "message"), [([1, 4], "sequence 1 has length 4"), ([-1], "sequence 0 has length -1")]
)
def test_a_length_outside_the_sequence_is_named(lengths, message):
    with pytest.raises(ValueError, match=message):
        padding_mask(lengths, 3)


@pytest.mark.parametrize("lengths", [[1.0, 2.0], [[1], [2]], [True, False], 2])
def test_lengths_must_be_a_flat_array_of_integers(lengths):
    with pytest.raises(TypeError, match="flat array of integers"):
        padding_mask(lengths, 3)


@pytest.mark.parametrize("mask", [[[1, 0], [1, 1]], [[0.0, -np.inf], [0.0, 0.0]]])
def test_a_mask_that_is_not_boolean_is_refused_because_its_polarity_is_unknown(mask):
    with pytest.raises(TypeError, match=r"boolean \(True = keep\)"):
        check_mask(mask, (2, 2))


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 3), (4,), (1, 1, 3, 3, 3), (4, 3, 2), (3,)])
def test_a_mask_of_the_wrong_shape_is_refused_with_both_shapes(shape):
    with pytest.raises(ValueError, match=r"does not fit scores of shape \(4, 3, 3\)") as caught:
        check_mask(np.ones(shape, dtype=bool), (4, 3, 3))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("shape", [(3, 3), (1, 3), (3, 1), (4, 1, 3), (1, 1, 1), (4, 3, 3)])
def test_a_mask_that_broadcasts_is_accepted(shape):
    assert check_mask(np.ones(shape, dtype=bool), (4, 3, 3)).shape == shape


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(masks)
    assert result.attempted >= 2
    assert result.failed == 0
