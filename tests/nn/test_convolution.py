import numpy as np
import pytest
import torch
from torch.nn import functional

from avrec_lib.nn.convolution import conv1d, conv2d, max_pool2d

RNG = np.random.default_rng(5)
PICTURE = np.arange(9.0).reshape(1, 1, 3, 3)


def test_a_2_by_2_window_by_hand():
    kernel = np.array([[[[1.0, 0], [0, -1]]]])
    np.testing.assert_array_equal(conv2d(PICTURE, kernel, bias=[10])[0, 0], [[6, 6], [6, 6]])  # 0 − 4 + 10, …


def test_the_kernel_is_not_flipped():
    """Cross-correlation: the first entry of the kernel meets the first pixel of the window."""
    kernel = np.array([[[[1.0, 0], [0, 0]]]])
    np.testing.assert_array_equal(conv2d(PICTURE, kernel)[0, 0], [[0, 1], [3, 4]])


@pytest.mark.parametrize(
    ("stride", "padding"), [(1, 0), (2, 0), (1, 1), (2, 1), (3, 2), ((1, 2), (2, 0)), ((4, 1), (0, 3))]
)
def test_convolution_equals_torch(stride, padding):
    x, kernels, bias = RNG.normal(size=(2, 3, 7, 8)), RNG.normal(size=(4, 3, 3, 2)), RNG.normal(size=4)
    expected = functional.conv2d(*map(torch.from_numpy, (x, kernels, bias)), stride=stride, padding=padding)
    np.testing.assert_allclose(conv2d(x, kernels, bias, stride, padding), expected.numpy(), atol=1e-12)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1), (3, 0)])
def test_convolution_along_a_sequence_equals_torch(stride, padding):
    x, kernels, bias = RNG.normal(size=(2, 3, 9)), RNG.normal(size=(4, 3, 3)), RNG.normal(size=4)
    expected = functional.conv1d(*map(torch.from_numpy, (x, kernels, bias)), stride=stride, padding=padding)
    np.testing.assert_allclose(conv1d(x, kernels, bias, stride, padding), expected.numpy(), atol=1e-12)


def test_a_shifted_picture_gives_a_shifted_answer():
    x, kernels = np.zeros((1, 1, 8, 8)), RNG.normal(size=(2, 1, 3, 3))
    x[0, 0, 2:4, 2:4] = RNG.normal(size=(2, 2))
    moved = np.roll(x, (1, 2), axis=(2, 3))
    np.testing.assert_array_equal(
        conv2d(moved, kernels, padding=1), np.roll(conv2d(x, kernels, padding=1), (1, 2), axis=(2, 3))
    )


def test_bytes_do_not_wrap_around():
    x = np.full((1, 1, 2, 2), 200, dtype=np.uint8)
    assert conv2d(x, np.ones((1, 1, 2, 2), dtype=np.uint8))[0, 0, 0, 0] == 800


def test_pooling_by_hand():
    np.testing.assert_array_equal(max_pool2d(PICTURE, 2)[0, 0], [[4]])
    np.testing.assert_array_equal(max_pool2d(PICTURE, 2, stride=1)[0, 0], [[4, 5], [7, 8]])


@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 1), (2, 3), ((1, 2), None), ((3, 2), (1, 2))])
def test_pooling_equals_torch(size, stride):
    x = RNG.normal(size=(2, 3, 7, 8))
    expected = functional.max_pool2d(torch.from_numpy(x), size, stride)
    np.testing.assert_array_equal(max_pool2d(x, size, stride), expected.numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type(dtype):
    x, kernels, bias = np.ones((1, 2, 4, 4), dtype), np.ones((3, 2, 2, 2), dtype), np.ones(3, dtype)
    assert conv2d(x, kernels, bias).dtype == dtype
    assert conv1d(x[:, :, 0], kernels[:, :, 0], bias).dtype == dtype
    assert max_pool2d(x, 2).dtype == dtype


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"equal C_in, not \(1, 2, 4, 4\) and \(3, 1, 2, 2\)"):
        conv2d(np.ones((1, 2, 4, 4)), np.ones((3, 1, 2, 2)))
    with pytest.raises(ValueError, match=r"\(B, C_in, T\).*not \(2, 4\) and \(3, 2, 2\)"):
        conv1d(np.ones((2, 4)), np.ones((3, 2, 2)))
    with pytest.raises(ValueError, match=r"bias must have shape \(C_out,\) = \(3,\), not \(1,\)"):
        conv2d(np.ones((1, 2, 4, 4)), np.ones((3, 2, 2, 2)), [1])
    with pytest.raises(ValueError, match=r"not \(4, 4\)"):
        max_pool2d(np.ones((4, 4)), 2)


def test_a_window_larger_than_the_picture_is_refused():
    with pytest.raises(ValueError, match="kernel of 5 does not fit into 4 padded positions"):
        conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 5, 5)))
    assert conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 5, 5)), padding=1).shape == (1, 1, 2, 2)


@pytest.mark.parametrize(("size", "stride"), [(0, 1), (2, 0), (2, -1)])
def test_a_window_or_step_of_nothing_is_refused(size, stride):
    with pytest.raises(ValueError, match=f"at least 1, not {size} and {stride}"):
        max_pool2d(np.ones((1, 1, 4, 4)), size, stride)


def test_negative_padding_is_refused():
    with pytest.raises(ValueError, match="padding must be at least 0, not -1"):
        conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2)), padding=-1)
