"""Weights go from PyTorch to Keras and back without a changed bit, or not at all; and nothing else needs TensorFlow."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import avrec_lib
from avrec_lib.multimodal.article import ArticleModel
from avrec_lib.multimodal.config import ArticleConfig
from avrec_lib.multimodal.convert import Match, matches, to_keras, to_torch
from avrec_lib.multimodal.personal import PersonalModel

TINY = ArticleConfig(
    vocabulary=12, tokens=5, embedding=3, lstm=4, picture=8, channels=(2, 3), frames=6, coefficients=2, dense=5
)
OPTIONAL = {"keras", "tensorflow"}


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow", reason="the Keras twin needs TensorFlow, an extra: avrec-lib[tensorflow]")
    import keras

    return keras


@pytest.fixture
def build(keras):
    from avrec_lib.multimodal.keras_twin import keras_article_model

    return keras_article_model


def bits(weights):
    """The weights as whole numbers, so that −0 is not 0 and NaN is NaN."""
    return {name: np.array(weight).view(np.int32) for name, weight in weights.items()}


def torch_bits(model):
    return bits({name: weight.detach().numpy() for name, weight in model.named_parameters()})


def keras_bits(twin):
    return bits({weight.path: weight.value.numpy() for weight in twin.weights})


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, weight in one.items():
        np.testing.assert_array_equal(weight, other[name], err_msg=name)


def differ(one, other):
    return any(not np.array_equal(weight, other[name]) for name, weight in one.items())


def test_every_weight_has_a_twin_except_the_second_biases():
    named = {name for name, _ in ArticleModel(TINY).named_parameters()}
    assert named - {match.torch for match in matches(TINY)} == {"read_words.bias_hh_l0", "hear.bias_hh_l0"}
    assert len({(match.layer, match.variable) for match in matches(TINY)}) == len(matches(TINY)) == 15


def test_a_convolution_and_a_matrix_are_laid_out_anew():
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)  # (out, in, high, wide)
    match = next(match for match in matches(TINY) if match.torch == "look.0.weight")
    assert match.keras_layout(kernel).shape == (4, 5, 3, 2)
    assert match.keras_layout(kernel)[3, 1, 2, 0] == kernel[0, 2, 3, 1]
    matrix = Match("dense.weight", "dense", "kernel", (1, 0))
    np.testing.assert_array_equal(matrix.keras_layout(np.array([[1, 2, 3]])), [[1], [2], [3]])


@pytest.mark.parametrize("match", matches(TINY), ids=lambda match: match.torch)
def test_a_layout_is_undone_by_the_other(match):
    array = np.random.default_rng(0).random((2, 3, 4, 5)[: len(match.axes)], dtype=np.float32)
    np.testing.assert_array_equal(match.torch_layout(match.keras_layout(array)), array)
    assert match.keras_layout(array).flags.c_contiguous
    assert not np.shares_memory(match.keras_layout(array), array)


def test_from_pytorch_to_keras_and_back_no_bit_changes(build):
    model = ArticleModel(TINY, seed=1)
    with torch.no_grad():  # what a computation could change: the sign of a zero, the smallest number, no number
        model.output.weight[0, :4] = torch.tensor([-0.0, 1e-45, torch.inf, torch.nan])
    twin, back = build(TINY, seed=2), ArticleModel(TINY, seed=3)
    assert differ(torch_bits(back), torch_bits(model))
    to_keras(model, twin)
    to_torch(twin, back)
    assert_same(torch_bits(back), torch_bits(model))


def test_from_keras_to_pytorch_and_back_no_bit_changes(build):
    twin, model, back = build(TINY, seed=1), ArticleModel(TINY, seed=2), build(TINY, seed=3)
    to_torch(twin, model)
    to_keras(model, back)
    assert_same(dict(zip(keras_bits(twin), keras_bits(back).values(), strict=True)), keras_bits(twin))


def test_the_second_biases_become_zero_and_stay_untrained(build):
    model = ArticleModel(TINY).eval()
    with torch.no_grad():
        model.hear.bias_hh_l0 += 1
    to_torch(build(TINY), model)
    assert not model.hear.bias_hh_l0.any()
    assert not model.hear.bias_hh_l0.requires_grad
    assert model.hear.bias_ih_l0.requires_grad
    assert not model.training


def test_the_copies_share_no_memory(build):
    model, twin = ArticleModel(TINY), build(TINY)
    to_keras(model, twin)
    copied = keras_bits(twin)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 1
    assert_same(keras_bits(twin), copied)
    to_torch(twin, model)
    copied = torch_bits(model)
    for weight in twin.weights:
        weight.assign_add(np.ones(weight.shape, dtype=np.float32))
    assert_same(torch_bits(model), copied)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dense": 6}, r"^layer dense: kernel has the shape \(11, 6\) in Keras, and PyTorch's weights need \(11, 5\)"),
        ({"coefficients": 3}, r"^layer hear: kernel has the shape \(3, 16\)"),
        ({"channels": (2,)}, "^layer look_1: the Keras model has no kernel there"),
        ({"channels": (2, 3, 3)}, "^layer look_2: its kernel has no twin|^layer dense"),
        ({"vocabulary": 13}, "^layer embed: embeddings has the shape"),
    ],
)
def test_models_of_two_configurations_are_refused_and_nothing_is_copied(build, changed, message):
    model, twin = ArticleModel(TINY, seed=1), build(ArticleConfig(**{**vars(TINY), **changed}), seed=2)
    before = torch_bits(model), keras_bits(twin)
    with pytest.raises(ValueError, match=message):
        to_keras(model, twin)
    with pytest.raises(ValueError, match=message):
        to_torch(twin, model)
    assert_same(torch_bits(model), before[0])
    assert_same(keras_bits(twin), before[1])


def test_a_layer_that_only_keras_has_is_refused(build, keras):
    twin = build(TINY)
    more = keras.Model(twin.inputs, keras.layers.Dense(1, name="more")(twin.get_layer("output").output))
    with pytest.raises(ValueError, match=r"^layer more: its kernel has no twin in the PyTorch model"):
        to_keras(ArticleModel(TINY), more)


def test_a_second_bias_that_is_not_zero_is_refused(build):
    model = ArticleModel(TINY)
    with torch.no_grad():
        model.read_words.bias_hh_l0[2] = 0.5
    with pytest.raises(ValueError, match=r"^layer read_words: PyTorch's second bias, bias_hh_l0, is not 0"):
        to_keras(model, build(TINY))


def test_another_number_format_is_refused(build):
    with pytest.raises(ValueError, match=r"^layer embed: embeddings is float32 in Keras and float64 in PyTorch"):
        to_keras(ArticleModel(TINY).double(), build(TINY))


def test_a_model_with_users_is_refused_and_its_clip_part_is_not(build):
    model, twin = PersonalModel(3, config=TINY), build(TINY)
    with pytest.raises(ValueError, match="must be an ArticleModel, not PersonalModel"):
        to_torch(twin, model)
    to_torch(twin, model.clip)


def test_the_chapter_is_imported_and_used_with_tensorflow_not_installed():
    """In a Python of its own, where importing TensorFlow or Keras fails as if they were not there."""
    code = """
import importlib, pkgutil, sys
sys.modules["keras"] = sys.modules["tensorflow"] = None
import avrec_lib.multimodal
for module in pkgutil.iter_modules(avrec_lib.multimodal.__path__):
    if module.name != "keras_twin":
        importlib.import_module(f"avrec_lib.multimodal.{module.name}")
try:
    import avrec_lib.multimodal.keras_twin
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "the Keras twin needs Keras and TensorFlow; pip install 'avrec-lib[tensorflow]'.\n"


def test_no_other_module_of_the_library_imports_tensorflow_keras_or_the_twin_when_it_is_loaded():
    root = Path(avrec_lib.__file__).parent
    guilty = [str(path.relative_to(root)) for path in root.rglob("*.py") if _loads_keras(path)]
    assert guilty == ["multimodal/keras_twin.py"]


def _loads_keras(path):
    """Whether importing the module imports one of them: not in a function, not for the type checker only."""
    waiting = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        if any(name.split(".")[0] in OPTIONAL or ".keras_twin" in name for name in names):
            return True
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not is_for_types and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return False
