"""Modules as ONNX files: the same numbers for batches of any size, and no file where they differ."""

from __future__ import annotations

import builtins
import copy
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from avrec_lib.multimodal import onnx_files
from avrec_lib.multimodal.export import ItemTower, TasteTower, export_onnx
from avrec_lib.multimodal.joining import Join, Way
from avrec_lib.multimodal.model import MultimodalModel
from avrec_lib.multimodal.onnx_files import largest_difference, run_onnx
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.tastes import Tastes
from avrec_lib.multimodal.user_tower import UserTower
from avrec_lib.nn.attention_torch import masked_softmax

for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="the export needs ONNX, an extra: avrec-lib[project]")


WAYS = get_args(Way)


class Reads(nn.Module):
    """Words by masked attention pooling and two measured senses, joined in every way."""

    def __init__(self):
        super().__init__()
        self.embed, self.ask = nn.Embedding(20, 8, padding_idx=0), nn.Linear(8, 1)
        self.look, self.hear = nn.Linear(6, 5), nn.Linear(4, 3)
        self.joins = nn.ModuleList(Join((8, 5, 3), 8, way) for way in WAYS)
        self.drop = nn.Dropout(0.5)

    def forward(self, text, picture, sound, there):
        words = self.embed(text)  # (B, L, 8)
        weights = masked_softmax(self.ask(words)[:, :, 0], text != 0)  # (B, L)
        read = (weights[:, None] @ words)[:, 0]
        senses = self.drop(read), self.look(picture), self.hear(sound)
        return tuple(join(senses, there) for join in self.joins)


def clips(B=4):
    rng = torch.Generator().manual_seed(0)
    return {
        "text": torch.randint(20, (B, 7), generator=rng) * (torch.arange(7) < 4),
        "picture": torch.randn(B, 6, generator=rng),
        "sound": torch.randn(B, 4, generator=rng),
        "there": torch.rand(B, 3, generator=rng) < 0.5,
    }


def arrays(inputs):
    return {name: tensor.numpy() for name, tensor in inputs.items()}


@pytest.fixture(scope="module")
def tastes(tmp_path_factory):
    """A file of a small module, its path, the module and its example."""
    tower, path = TasteTower(Tastes(4, 3)), tmp_path_factory.mktemp("onnx") / "tastes.onnx"
    example = {"evidence": torch.randn(3, 3, generator=torch.Generator().manual_seed(1))}
    export_onnx(tower, example, path)
    return tower, path, example


def test_three_senses_joined_in_any_way_are_the_same_in_onnx_for_any_batch_and_any_missing_sense(tmp_path, capfd):
    torch.manual_seed(0)
    module, path = Reads(), tmp_path / "deep" / "clips.onnx"
    before, state = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    assert export_onnx(module, clips(), path, outputs=WAYS) < 1e-5
    assert torch.equal(torch.get_rng_state(), state)
    assert module.training  # left as it was, though dropout is off in the file
    assert all(torch.equal(module.state_dict()[name], before[name]) for name in before)
    assert [file.name for file in path.parent.iterdir()] == ["clips.onnx"]
    assert capfd.readouterr() == ("", "")
    module.eval()
    for B in (1, 5, 64):
        inputs = clips(B)
        for row in range(min(B, 8)):  # every pattern of missing senses, "none is there" among them
            inputs["there"][row] = torch.tensor([bool(row & bit) for bit in (1, 2, 4)])
        inputs["sound"][~inputs["there"][:, 2]] = torch.nan
        with torch.no_grad():
            expected = dict(zip(WAYS, module(**inputs), strict=True))
        found = run_onnx(path, arrays(inputs))
        for way in WAYS:
            assert np.isfinite(found[way]).all()
            np.testing.assert_allclose(found[way], expected[way], rtol=0, atol=1e-5)


def test_the_item_tower_of_a_full_model_has_only_the_senses_it_reads(tmp_path):
    settings = Settings(text="none", picture="pixels", sound="frames", width=8, d=8, tastes=3)
    model = MultimodalModel(settings, {"picture": (16, 16, 3), "sound": (32, 13)}, n_users=3).eval()
    tower, path = ItemTower(model, settings.senses), tmp_path / "items.onnx"
    rng = torch.Generator().manual_seed(0)
    inputs = {
        "picture": torch.randint(256, (4, 16, 16, 3), dtype=torch.uint8, generator=rng),
        "sound": torch.randn(4, 32, 13, generator=rng),
        "there": torch.tensor([[True, True], [True, False], [False, True], [False, False]]),
    }
    assert export_onnx(tower, inputs, path, outputs=("g", "vector")) < 1e-4
    found = run_onnx(path, {name: x.numpy()[:3] for name, x in inputs.items()})
    with torch.no_grad():
        g = model.clip_vectors({name: inputs[name][:3] for name in settings.senses}, inputs["there"][:3])
        vectors = model.item_vectors(g)
    assert list(found) == ["g", "vector"]
    np.testing.assert_allclose(found["g"], g, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["vector"], vectors, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="takes picture, sound, there, not there"):
        run_onnx(path, {"there": np.ones((1, 2), bool)})
    with pytest.raises(ValueError, match="this model reads picture, sound, and was given picture"):
        tower(inputs["there"], picture=inputs["picture"])
    with pytest.raises(ValueError, match="some of text, picture and sound, not smell"):
        ItemTower(model, ("smell",))


def test_a_user_tower_is_the_same_in_onnx_with_an_empty_history_too(tmp_path):
    torch.manual_seed(0)
    tower, path = UserTower(5, 4).eval(), tmp_path / "users.onnx"
    nn.init.normal_(tower.empty)
    rng = torch.Generator().manual_seed(0)
    example = {
        "users": torch.tensor([0, 4, 5]),
        "history": torch.randn(3, 6, 4, generator=rng),
        "real": torch.arange(6) < torch.tensor([[6], [2], [0]]),
    }
    assert export_onnx(tower, example, path) < 1e-5
    with torch.no_grad():
        expected = tower(**example).numpy()
    np.testing.assert_allclose(run_onnx(path, arrays(example))["output_0"], expected, rtol=0, atol=1e-5)


def test_evidence_becomes_a_posterior_in_onnx(tastes):
    tower, path, _ = tastes
    evidence = torch.tensor([[0.0, 0.0, 0.0], [-700.0, 0.0, -1.0]])
    with torch.no_grad():
        expected = tower.tastes.posterior(evidence).numpy()
    found = run_onnx(path, {"evidence": evidence.numpy()})["output_0"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found[0], 1 / 3, atol=1e-6)


def test_a_file_that_computes_something_else_is_found_out(tastes):
    tower, path, example = tastes
    assert largest_difference(tower, path, example) < 1e-6
    other = TasteTower(Tastes(4, 3))
    with torch.no_grad():
        other.tastes.prior[0] = 1.0
    assert largest_difference(other, path, example) > 0.01


def test_a_file_that_differs_is_not_kept(tastes, tmp_path, monkeypatch):
    tower, _, example = tastes
    path = tmp_path / "kept.onnx"
    path.write_bytes(b"the old one")
    real = onnx_files.run_onnx
    monkeypatch.setattr(onnx_files, "run_onnx", lambda *a: {name: x + 2e-4 for name, x in real(*a).items()})
    with pytest.raises(ValueError, match=r"TasteTower differs from PyTorch by 2\.0e-04, more than 0\.0001"):
        export_onnx(tower, example, path)
    assert path.read_bytes() == b"the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["kept.onnx"]


def test_a_wrong_shape_or_one_sided_nan_differs_without_end():
    ones, nan = np.ones(2), np.array([1.0, np.nan])
    assert onnx_files._difference(ones, np.ones((2, 1))) == np.inf
    assert onnx_files._difference(ones, nan) == np.inf
    assert onnx_files._difference(nan, nan) == 0
    assert onnx_files._difference(np.array([np.inf]), np.array([np.inf])) == 0
    assert onnx_files._difference(np.array([np.inf]), np.array([-np.inf])) == np.inf
    assert onnx_files._difference(ones, np.array([1, 1.25])) == 0.25


class Frozen(nn.Module):
    def forward(self, x):
        return x * len(x)


class Forks(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "example", "message"),
    [
        (Frozen(), {"x": torch.ones(2, 3)}, r"Frozen freezes the size of the batch of x; look .* for len\(x\)"),
        (Forks(), {"x": torch.ones(2, 3)}, "Forks cannot be written as ONNX: "),
        (nn.Identity(), {"input": torch.ones(1, 3)}, r"the same number of rows, at least 2, not \[1\]"),
        (Reads(), {"text": torch.ones(2, 3), "there": torch.ones(3, 3)}, r"at least 2, not \[2, 3\]"),
        (nn.Identity(), {}, "an example needs tensors"),
    ],
)
def test_what_cannot_be_exported_is_named(module, example, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_onnx(module, example, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [("a", "b"), ("evidence",)])
def test_outputs_are_named_once_and_not_like_inputs(tastes, names, tmp_path):
    tower, _, example = tastes
    with pytest.raises(ValueError, match="TasteTower returns 1 tensors; name each once, and none like an input"):
        export_onnx(tower, example, tmp_path / "x.onnx", outputs=names)


def test_a_file_that_is_none_is_refused(tastes, tmp_path):
    path = tmp_path / "x.onnx"
    for content in (b"", b"no model", tastes[1].read_bytes()[:-200]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.onnx is no whole ONNX file"):
            run_onnx(path, {})
    with pytest.raises(ValueError, match=r"nowhere\.onnx is no whole ONNX file"):
        run_onnx(tmp_path / "nowhere.onnx", {})


@pytest.mark.parametrize("lost", ["onnx", "onnxscript", "onnxruntime"])
def test_without_a_package_the_remedy_is_named(lost, monkeypatch, tmp_path):
    real = builtins.__import__

    def absent(name, *rest):
        if name == lost:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"pip install 'avrec-lib\[project\]'"):
        export_onnx(nn.Identity(), {"input": torch.ones(2, 3)}, tmp_path / "x.onnx")
