"""Four networks that read pictures of 224×224 pixels, as their papers built them.

Page 3.1.2. Each is one step of an argument: VGG (depth from small kernels), GoogLeNet (several kernel
sizes side by side, cheap 1×1 kernels before the costly ones), ResNet (shortcuts, so that depth can be
trained), EfficientNet-Lite (each kernel sees one channel; 1×1 kernels mix the channels).

All are modules with two parts: `features` turns pictures (B, 3, 224, 224) into vectors (B, d), and
`classify` turns these into the logits of 1,000 classes. Weights are random until some are loaded.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional


class PictureClassifier(nn.Module):
    """A network in two parts: features (B, 3, H, W) → (B, d), and classify (B, d) → logits (B, n_classes)."""

    def __init__(self, features: nn.Module, classify: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.classify = classify

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (B, n_classes)."""
        logits: Tensor = self.classify(self.features(x))
        return logits


def vgg16(n_classes: int = 1000) -> PictureClassifier:
    """VGG-16: thirteen convolutions of 3×3, a pooling after each group, three wide linear layers.

    Two 3×3 kernels on top of each other see 5×5 pixels with 18 weights instead of 25, and three see
    7×7 with 27 instead of 49. Source: Simonyan and Zisserman 2015, table 1, column D.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout()]  # (B, 512, 7, 7) → (B, 4096)
    layers += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()]
    return PictureClassifier(nn.Sequential(*layers), nn.Linear(4096, n_classes))


class Inception(nn.Module):
    """Look at the same pictures with kernels of 1×1, 3×3, 5×5 and a pooling, and stack what each saw.

    y = [conv1(x), conv3(conv1(x)), conv5(conv1(x)), conv1(pool3(x))], stacked along the channels. The 1×1
    convolutions before 3×3 and 5×5 leave them few channels, which is what makes the block cheap.
    Source: Szegedy et al. 2015, figure 2b.

    Parameters
    ----------
    n_in : int
        Channels of x.
    one, three, five : int, (int, int), (int, int)
        Channels after each branch; of two numbers the first is after the 1×1 convolution.
    pooled : int
        Channels of the branch with the pooling.
    """

    def __init__(self, n_in: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int) -> None:
        super().__init__()
        self.one = _conv(n_in, one, 1)
        self.three = nn.Sequential(_conv(n_in, three[0], 1), _conv(*three, 3))
        self.five = nn.Sequential(_conv(n_in, five[0], 1), _conv(*five, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _conv(n_in, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) → (B, one + three[1] + five[1] + pooled, H, W)."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], dim=1)


def googlenet(n_classes: int = 1000) -> PictureClassifier:
    """GoogLeNet (Inception v1): nine Inception blocks, then the mean over all places instead of wide layers.

    Without the two auxiliary classifiers, which only training used. Source: Szegedy et al. 2015, table 1.
    """
    pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    return PictureClassifier(
        nn.Sequential(
            _conv(3, 64, 7, stride=2), pool, nn.LocalResponseNorm(5),  # (B, 64, 56, 56)
            _conv(64, 64, 1), _conv(64, 192, 3), nn.LocalResponseNorm(5), pool,  # (B, 192, 28, 28)
            Inception(192, 64, (96, 128), (16, 32), 32),
            Inception(256, 128, (128, 192), (32, 96), 64), pool,  # (B, 480, 14, 14)
            Inception(480, 192, (96, 208), (16, 48), 64),
            Inception(512, 160, (112, 224), (24, 64), 64),
            Inception(512, 128, (128, 256), (24, 64), 64),
            Inception(512, 112, (144, 288), (32, 64), 64),
            Inception(528, 256, (160, 320), (32, 128), 128), pool,  # (B, 832, 7, 7)
            Inception(832, 256, (160, 320), (32, 128), 128),
            Inception(832, 384, (192, 384), (48, 128), 128),  # (B, 1024, 7, 7)
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4),  # (B, 1024)
        ),
        nn.Linear(1024, n_classes),
    )  # fmt: skip


class Bottleneck(nn.Module):
    """Add to x what three convolutions make of it: y = ReLU(x + F(x)), F: 1×1 down, 3×3, 1×1 up to 4 · width.

    Where the shape changes, x goes through a 1×1 convolution. As the gradient of y with respect to x
    holds a 1 whatever F is, it reaches the first layers. Source: He et al. 2016, equations 1 and 2, figure 5.
    """

    def __init__(self, n_in: int, width: int, stride: int) -> None:
        super().__init__()
        n_out = 4 * width
        self.residual = nn.Sequential(
            nn.Conv2d(n_in, width, 1, stride, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, n_out, 1, bias=False), nn.BatchNorm2d(n_out),
        )  # fmt: skip
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) → (B, 4 · width, H / stride, W / stride)."""
        return functional.relu(self.shortcut(x) + self.residual(x))


def resnet50(n_classes: int = 1000) -> PictureClassifier:
    """ResNet-50: sixteen bottlenecks with shortcuts. Source: He et al. 2016, table 1.

    The step of 2 is in the first 1×1 convolution of a block, as in the paper; later versions (torchvision's)
    have it in the 3×3 one, which costs 6 % more and is a little more accurate.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),  # (B, 64, 112, 112)
        nn.MaxPool2d(3, 2, padding=1),  # (B, 64, 56, 56)
    ]  # fmt: skip
    channels = 64
    for width, repeats, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(repeats):
            layers.append(Bottleneck(channels, width, stride if i == 0 else 1))
            channels = 4 * width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # (B, 2048, 7, 7) → (B, 2048)
    return PictureClassifier(nn.Sequential(*layers), nn.Linear(2048, n_classes))


class SameConv2d(nn.Conv2d):
    """A convolution whose output has ⌈H / stride⌉ rows: TensorFlow's padding "SAME".

    max(0, (⌈H / s⌉ − 1) · s + k − H) rows of zeros are added; of an odd number, the larger half goes below
    (and right), where PyTorch's symmetric padding would move every picture by a pixel.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) → (B, C_out, ⌈H / stride⌉, ⌈W / stride⌉)."""
        sides = []
        for length, k, s in zip(reversed(x.shape[2:]), reversed(self.kernel_size), reversed(self.stride), strict=True):
            missing = max(0, (-(-length // s) - 1) * s + k - length)
            sides += [missing // 2, missing - missing // 2]  # functional.pad wants left, right, top, bottom
        return super().forward(functional.pad(x, sides))


class MBConv(nn.Module):
    """Widen by 1×1, look by one kernel a channel, narrow by 1×1; and add x where the shape allows it.

    k² · C + C · C' weights a place instead of k² · C · C': for 5×5 and hundreds of channels about 25 times
    fewer. Activation ReLU6, min(max(x, 0), 6), except after narrowing. Source: Sandler et al. 2018, figure 4;
    Tan and Le 2019, table 1 (EfficientNet-Lite leaves out its squeeze-and-excitation and swish).
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, widen: int) -> None:
        super().__init__()
        width = widen * n_in
        self.is_added = stride == 1 and n_in == n_out
        self.expand = _same(n_in, width, 1) if widen > 1 else nn.Identity()
        self.depthwise = _same(width, width, kernel, stride, groups=width)
        self.project = _same(width, n_out, 1, has_relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) → (B, n_out, ⌈H / stride⌉, ⌈W / stride⌉)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.is_added else y


def efficientnet_lite0(n_classes: int = 1000) -> PictureClassifier:
    """EfficientNet-Lite0: sixteen MBConv blocks, 4.7 million parameters.

    Source: Tan and Le 2019, table 1 (B0), in the Lite variant of the authors' code (2020) for small devices.
    """
    blocks: list[nn.Module] = []
    channels = 32
    for widen, width, repeats, stride, kernel in (
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
    ):  # fmt: skip
        for i in range(repeats):
            blocks.append(MBConv(channels, width, kernel, stride if i == 0 else 1, widen))
            channels = width
    features = OrderedDict[str, nn.Module](
        stem=_same(3, 32, 3, stride=2),  # (B, 32, 112, 112)
        blocks=nn.Sequential(*blocks),  # (B, 320, 7, 7)
        head=_same(320, 1280, 1),  # (B, 1280, 7, 7)
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),  # (B, 1280)
    )
    return PictureClassifier(nn.Sequential(features), nn.Linear(1280, n_classes))


def _conv(n_in: int, n_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2), nn.ReLU())


def _same(n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1, has_relu: bool = True) -> nn.Sequential:
    parts = OrderedDict[str, nn.Module](
        conv=SameConv2d(n_in, n_out, kernel, stride, groups=groups, bias=False), norm=nn.BatchNorm2d(n_out, eps=1e-3)
    )
    if has_relu:
        parts["relu"] = nn.ReLU6()
    return nn.Sequential(parts)
