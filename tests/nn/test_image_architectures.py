import numpy as np
import pytest
import torch
from torch import nn

from avrec_lib.nn.image_architectures import (
    Bottleneck,
    Inception,
    MBConv,
    SameConv2d,
    efficientnet_lite0,
    googlenet,
    resnet50,
    vgg16,
)


def n_weights(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("build", "n_parameters", "width"),
    [
        (vgg16, 138_357_544, 4096),  # Simonyan and Zisserman 2015, table 2: 138 million
        (googlenet, 6_998_552, 1024),  # Szegedy et al. 2015, table 1: the rows sum to about 7 million
        (resnet50, 25_557_032, 2048),
        (efficientnet_lite0, 4_652_008, 1280),  # Tan and Le's code: 4.7 million
    ],
)
def test_each_network_has_the_parameters_and_the_width_that_its_authors_tell(build, n_parameters, width):
    with torch.device("meta"):
        model = build().eval()
        assert n_weights(model) == n_parameters
        assert model.features(torch.zeros(2, 3, 224, 224)).shape == (2, width)
        assert model(torch.zeros(2, 3, 224, 224)).shape == (2, 1000)
        assert build(n_classes=7).classify.out_features == 7


@pytest.mark.parametrize(
    ("block", "n_in", "n_out", "size"),
    [
        (Inception(6, 1, (2, 3), (4, 5), 7), 6, 1 + 3 + 5 + 7, 8),
        (Bottleneck(8, 2, stride=1), 8, 8, 8),
        (Bottleneck(8, 4, stride=2), 8, 16, 4),
        (MBConv(8, 8, 5, stride=1, widen=6), 8, 8, 8),
        (MBConv(8, 12, 3, stride=2, widen=1), 8, 12, 4),
    ],
)
def test_each_block_keeps_or_halves_the_picture(block, n_in, n_out, size):
    assert block.eval()(torch.zeros(2, n_in, 8, 8)).shape == (2, n_out, size, size)


def test_an_inception_block_costs_what_its_kernels_sum_to():
    """Szegedy et al. 2015, table 1, block 3a: 192 channels to 64 + 128 + 32 + 32, about 159 thousand weights."""
    kernels = 192 * 64 + (192 * 96 + 9 * 96 * 128) + (192 * 16 + 25 * 16 * 32) + 192 * 32
    biases = 64 + 96 + 128 + 16 + 32 + 32
    assert n_weights(Inception(192, 64, (96, 128), (16, 32), 32)) == kernels + biases == 163_696


def test_a_shortcut_adds_x_itself():
    block = Bottleneck(8, 2, stride=1).eval()
    nn.init.zeros_(block.residual[-1].weight)  # F(x) = 0
    x = torch.rand(1, 8, 4, 4)
    torch.testing.assert_close(block(x), x)
    mb = MBConv(8, 8, 3, stride=1, widen=6).eval()
    nn.init.zeros_(mb.project.norm.weight)
    torch.testing.assert_close(mb(-x), -x)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2), (1, 2)])
@pytest.mark.parametrize("size", [(7, 8), (1, 2)])
def test_same_padding_gives_the_ceiling_and_puts_the_odd_row_below(kernel, stride, size):
    conv = SameConv2d(1, 1, kernel, stride, bias=False)
    x = torch.rand(1, 1, *size)
    with torch.no_grad():
        y = conv(x)
    assert y.shape[2:] == tuple(-(-length // stride) for length in size)
    image, w = x[0, 0].numpy(), conv.weight[0, 0].detach().numpy()
    before = [max(0, (-(-n // stride) - 1) * stride + kernel - n) // 2 for n in size]
    padded = np.pad(image, [(b, 2 * kernel) for b in before])
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            window = padded[i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            np.testing.assert_allclose(y[0, 0, i, j], (window * w).sum(), rtol=1e-4, atol=1e-6)
