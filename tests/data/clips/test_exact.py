"""What covers and sounds share: a sine no machine can round otherwise, and checks that name the fault."""

import numpy as np
import pytest

from avrec_lib.data.clips.exact import SINE, TURN, _unrounded_sine, between, clip_seeds, fixed, generator, whole


def test_no_entry_of_the_sine_is_near_where_rounding_could_go_either_way():
    """An error of the last bits of sin is 1e-11 here; the nearest entry is 10 million times farther from a half."""
    fraction = _unrounded_sine() % 1
    assert np.abs(fraction - 0.5).min() > 1e-4


def test_the_sine_is_a_sine():
    quarter = TURN // 4
    assert SINE[[0, quarter, 2 * quarter, 3 * quarter]].tolist() == [0, 32767, 0, -32767]
    assert np.array_equal(SINE[: 2 * quarter], -SINE[2 * quarter :])
    assert np.abs(SINE**2 + np.roll(SINE, quarter) ** 2 - 32767**2).max() < 2 * 32767


def test_attributes_become_1024ths():
    assert fixed([-1, -0.25, 0.0, 1], "warm", 4).tolist() == [-1024, -256, 0, 1024]
    assert fixed(np.array([0.001], dtype=np.float32), "warm", 1).tolist() == [1]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([0.0], "warm must be 2 numbers"),
        ([0.0, np.nan], "nan does not"),
        ([0.0, 1.5], "between -1 and 1; 1.5"),
        (["a", "b"], "warm must be 2 numbers"),
        ([[0.0, 0.0]], "of shape"),
    ],
)
def test_a_bad_attribute_is_refused(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        fixed(values, "warm", 2)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [([1], "2 integers"), ([1.0, 2.0], "float64"), ([0, 4], "from 1 to 3; these go from 0 to 4")],
)
def test_a_bad_code_is_refused(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        whole(values, "count", 2, 1, 3)


def test_one_seed_stands_for_itself_and_those_after_it():
    assert clip_seeds(5, 3).tolist() == [5, 6, 7]
    assert clip_seeds([9, 1], 2).tolist() == [9, 1]


@pytest.mark.parametrize("seed", [-1, 0.5, [1], [-3, 2]])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed must"):
        clip_seeds(seed, 2)


def test_every_clip_and_part_has_a_generator_of_its_own():
    drawn = [generator(seed, part).integers(0, 2**62) for seed in (0, 1) for part in ("cover", "sound")]
    assert len(set(drawn)) == 4
    assert {between(generator(seed, "x"), 1, 3) for seed in range(50)} == {1, 2, 3}
