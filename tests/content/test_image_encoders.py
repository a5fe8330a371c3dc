import subprocess
import sys

import av
import numpy as np
import pytest
import torch
from torch import nn

from avrec_lib.content.image import resize_and_crop
from avrec_lib.content.image_encoders import (
    ImageEncoder,
    class_names,
    count_cost,
    load_efficientnet_lite0,
    model_costs,
    to_input,
)
from avrec_lib.data.assets import fetch


@pytest.fixture(scope="module")
def encoder():
    return ImageEncoder(batch_size=4)


@pytest.fixture(scope="module")
def pictures():
    """Return the middle frames of three films: two men on bicycles, a man in a car, a bird in a cartoon."""
    found = {}
    for name in ("bikes", "carphone_pristine", "bigbuckbunny"):
        with av.open(str(fetch("films") / f"{name}.mp4")) as film:
            half = film.streams.video[0].frames // 2
            found[name] = next(f for i, f in enumerate(film.decode(video=0)) if i == half).to_ndarray(format="rgb24")
    return found


def test_the_network_sees_bicycles_a_seat_belt_and_a_bird(encoder, pictures):
    bikes, car, bunny = encoder.labels(list(pictures.values()))
    assert [len(row) for row in (bikes, car, bunny)] == [5, 5, 5]
    assert {"unicycle", "mountain bike", "tandem bicycle"} <= {name for name, _ in bikes}
    assert {"seat belt", "suit"} <= {name for name, _ in car}
    assert bunny[0][0] == "albatross"
    for row in (bikes, car, bunny):
        probabilities = [p for _, p in row]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0 < sum(probabilities) <= 1


def test_all_labels_are_a_distribution_over_a_thousand_names(encoder, pictures):
    row = encoder.labels([pictures["bikes"]], k=1000)[0]
    assert sum(p for _, p in row) == pytest.approx(1, abs=1e-5)
    assert sorted(name for name, _ in row) == sorted(class_names())
    assert len(class_names()) == 1000
    assert class_names()[0] == "tench"
    for k in (0, 1001):
        with pytest.raises(ValueError, match="k must be 1 to 1000"):
            encoder.labels([], k=k)


def test_a_picture_is_1280_numbers_from_0_to_6_whatever_its_batch(encoder, pictures):
    images = [*pictures.values(), pictures["bikes"], np.zeros((1, 1, 3), np.uint8)]  # two batches of 4 and 1
    vectors = encoder.encode(images)
    assert vectors.shape == (5, encoder.dim) == (5, 1280)
    assert vectors.dtype == np.float32
    assert vectors.min() >= 0
    assert vectors.max() <= 6
    np.testing.assert_allclose(vectors[3], vectors[0], atol=1e-4)
    np.testing.assert_allclose(encoder.encode([images[1]])[0], vectors[1], atol=1e-4)
    cropped = np.stack([resize_and_crop(image) for image in images])
    np.testing.assert_allclose(encoder.encode(cropped), vectors, atol=1e-4)
    assert encoder.encode([]).shape == (0, 1280)


def test_a_brighter_picture_of_the_same_is_nearer_than_another(encoder, pictures):
    bikes, car = pictures["bikes"], pictures["carphone_pristine"]
    brighter = np.clip(bikes.astype(int) + 25, 0, 255).astype(np.uint8)
    a, b, c = (v / np.linalg.norm(v) for v in encoder.encode([bikes, brighter, car]))
    assert a @ b > 0.9 > 0.6 > a @ c


def test_the_input_is_pixels_less_127_over_128():
    x = to_input([np.full((2, 2, 3), (0, 127, 255), np.uint8)])
    assert x.shape == (1, 3, 2, 2)
    assert x[0, :, 0, 0].tolist() == [-127 / 128, 0, 1]


def test_every_tensor_of_the_file_is_used_and_none_is_left_at_random():
    model = load_efficientnet_lite0()
    theirs = torch.load(next(fetch("efficientnet-lite0").glob("*.pth")), weights_only=True)
    ours = model.state_dict()
    assert len(ours) == len(theirs)
    assert sorted(t.double().sum().item() for t in ours.values()) == sorted(
        t.double().sum().item() for t in theirs.values()
    )
    torch.testing.assert_close(
        ours["features.blocks.3.depthwise.conv.weight"], theirs["_blocks.3._depthwise_conv.weight"]
    )
    torch.testing.assert_close(ours["classify.bias"], theirs["_fc.bias"])
    assert not model.training
    assert not any(p.is_meta for p in model.parameters())


def test_encoding_leaves_no_gradients_and_no_random_state(encoder, pictures):
    state = torch.get_rng_state()
    encoder.encode([pictures["bikes"]])
    ImageEncoder()
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_no_picture_or_no_encoder_is_refused(encoder, pictures):
    with pytest.raises(ValueError, match=r"use \[image\]"):
        encoder.encode(pictures["bikes"])
    with pytest.raises(ValueError, match="read_image makes one"):
        encoder.encode([np.zeros((4, 4))])
    with pytest.raises(ValueError, match="unknown image encoder 'resnet'"):
        ImageEncoder("resnet")
    with pytest.raises(ValueError, match="batch_size"):
        ImageEncoder(batch_size=0)


def test_the_cost_of_two_layers_equals_what_a_pencil_gives():
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5)
    )
    cost = count_cost(model.train(), (4, 8, 8))
    # convolution: 4·4·6 outputs of (4/2)·3·3 multiply-adds; linear: 5 outputs of 96
    assert cost.multiply_adds == 96 * 18 + 5 * 96
    assert cost.activations == 96 + 5
    assert cost.linear_parameters == 5 * 96 + 5
    assert cost.parameters == (6 * 18 + 6) + (6 + 6) + (5 * 96 + 5)
    assert cost.layers == 2
    assert model.training
    assert model[1].num_batches_tracked == 0
    assert not any(m._forward_hooks for m in model)


def test_model_costs_are_the_numbers_of_the_papers():
    table = model_costs().set_index("model")
    assert table.index.tolist() == ["VGG-16", "GoogLeNet (Inception v1)", "ResNet-50", "EfficientNet-Lite0"]
    assert table["parameters"].tolist() == [138_357_544, 6_998_552, 25_557_032, 4_652_008]
    # He et al. 2016, table 1: 3.8 billion (ResNet-50); 15.3 for VGG-16 in the text, without its linear layers;
    # Szegedy et al. 2015, section 1: 1.5 billion; the authors of EfficientNet-Lite give 407 million operations
    billions = table["multiply_adds"] / 1e9
    linear = table["linear_parameters"] / 1e9  # each is used once
    assert (billions - linear)["VGG-16"] == pytest.approx(15.3, abs=0.05)
    np.testing.assert_allclose(billions.iloc[1:], [1.58, 3.86, 0.385], atol=0.005)
    assert table["feature_width"].tolist() == [4096, 1024, 2048, 1280]
    assert table["layers"].tolist() == [16, 58, 54, 50]
    assert table["linear_parameters"]["VGG-16"] / table["parameters"]["VGG-16"] > 0.89
    assert table["year"].is_monotonic_increasing


def test_importing_the_content_package_loads_no_torch():
    code = "import sys, avrec_lib.content, avrec_lib.content.image; assert not {'torch', 'av'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
