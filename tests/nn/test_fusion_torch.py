"""Fusion: the equations by hand, what each kind can and cannot learn, and missing senses."""

import numpy as np
import pytest
import torch

from avrec_lib.nn.fusion import additive_part
from avrec_lib.nn.fusion_torch import Fusion, fit_fusion, predict_fusion

HOWS = ("late", "early", "gated", "product")


def two_senses(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two senses of 3 numbers, of which the first counts; the sum of both is above 0; their signs differ."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, 3)), rng.standard_normal((n, 3))
    return x, y, (x[:, 0] + y[:, 0] > 0).astype(int), (x[:, 0] * y[:, 0] < 0).astype(int)


def accuracy(model: Fusion, blocks: list[np.ndarray], classes: np.ndarray) -> float:
    return float((predict_fusion(model, blocks).argmax(axis=1) == classes).mean())


def by_hand(model: Fusion, z: list[np.ndarray]) -> np.ndarray:
    """Compute the logits of standardised senses by the equations of the docstring."""
    W = [(read.weight.detach().numpy(), read.bias.detach().numpy()) for read in model.read]
    a = [z_s @ w.T + b for z_s, (w, b) in zip(z, W, strict=True)]
    if model.how == "late":
        h = sum(np.maximum(a_s, 0) for a_s in a)
    elif model.how == "early":
        joined, wide = np.hstack(z), np.hstack([w for w, _ in W])
        h = np.maximum(joined @ wide.T + sum(b for _, b in W), 0)
    elif model.how == "gated":
        s = np.hstack(z) @ model.gate.weight.detach().numpy().T + model.gate.bias.detach().numpy()
        e = np.exp(s.reshape(len(s), len(z), -1))
        h = sum(e[:, i] / e.sum(axis=1) * np.tanh(a_s) for i, a_s in enumerate(a))
    else:
        h = sum(a) + sum(a[s] * a[r] for s in range(len(a)) for r in range(s))
    V, c = model.classify.weight.detach().numpy(), model.classify.bias.detach().numpy()
    return np.asarray(h @ V.T + c)


@pytest.mark.parametrize("how", HOWS)
def test_each_kind_is_its_equation(how: str) -> None:
    torch.manual_seed(0)
    model = Fusion((2, 3, 4), 3, how, width=5)  # type: ignore[arg-type]
    z = [np.random.default_rng(d).standard_normal((6, d)).astype(np.float32) for d in (2, 3, 4)]
    got = model(torch.from_numpy(np.hstack(z))).detach().numpy()
    np.testing.assert_allclose(got, by_hand(model, z), rtol=1e-4, atol=1e-5)


def test_the_gate_of_two_senses_is_a_sigmoid() -> None:
    torch.manual_seed(0)
    model = Fusion((2, 3), 2, "gated", width=4)
    z = [torch.randn(5, 2), torch.randn(5, 3)]
    scores = model.gate(torch.cat(z, dim=1)).reshape(5, 2, 4)
    gate = torch.sigmoid(scores[:, 0] - scores[:, 1])  # Arevalo et al. (2017)
    h = gate * torch.tanh(model.read[0](z[0])) + (1 - gate) * torch.tanh(model.read[1](z[1]))
    torch.testing.assert_close(model.fuse(z), h)


def test_late_and_early_have_equally_many_weights() -> None:
    late, early = (sum(p.numel() for p in Fusion((7, 9), 2, how).parameters()) for how in ("late", "early"))
    assert late == early


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fusion 'middle'"):
        Fusion((2, 3), 2, "middle")  # type: ignore[arg-type]


@pytest.mark.parametrize("how", HOWS)
def test_every_kind_learns_a_sum(how: str) -> None:
    x, y, adds, _ = two_senses()
    model = fit_fusion([x[:400], y[:400]], adds[:400], how, epochs=30, lr=0.01)  # type: ignore[arg-type]
    assert accuracy(model, [x[400:], y[400:]], adds[400:]) > 0.9


@pytest.mark.parametrize("how", HOWS)
def test_only_late_fusion_cannot_learn_an_exclusive_or(how: str) -> None:
    x, y, _, differ = two_senses()
    model = fit_fusion([x[:400], y[:400]], differ[:400], how, epochs=40, lr=0.01)  # type: ignore[arg-type]
    right = accuracy(model, [x[400:], y[400:]], differ[400:])
    assert right < 0.65 if how == "late" else right > 0.8


def test_late_fusion_is_its_own_additive_part() -> None:
    x, y, _, differ = two_senses(60)
    model = fit_fusion([x, y], differ, "late")
    p = predict_fusion(model, [np.repeat(x, 60, axis=0), np.tile(y, (60, 1))])
    F = np.log(p[:, 1] / p[:, 0]).reshape(60, 60)
    np.testing.assert_allclose(additive_part(F), F, atol=1e-4)


def test_a_missing_sense_counts_as_its_mean() -> None:
    x, y, adds, _ = two_senses(100)
    model = fit_fusion([x, y], adds, "early", epochs=2)
    gone = predict_fusion(model, [x, np.full_like(y, np.nan)])
    np.testing.assert_allclose(gone, predict_fusion(model, [x, np.tile(y.mean(axis=0), (100, 1))]), rtol=1e-4)


def test_mean_and_spread_come_from_the_clips_that_have_the_sense() -> None:
    x, y, adds, _ = two_senses(100)
    y[50:] = np.nan
    model = fit_fusion([x, y], adds, "late", epochs=1)
    np.testing.assert_allclose(model.mu.numpy()[3:], y[:50].mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(model.sigma.numpy()[3:], y[:50].std(axis=0), rtol=1e-4)
    assert np.isfinite(predict_fusion(model, [x, y])).all()


def test_a_sense_that_nobody_has_is_no_trouble() -> None:
    x, y, adds, _ = two_senses(50)
    model = fit_fusion([x, np.full_like(y, np.nan)], adds, "gated", epochs=1)
    assert np.isfinite(predict_fusion(model, [x, y])).all()


def test_modality_dropout_keeps_the_weaker_of_two_redundant_senses_alive() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 800)
    first = rng.choice([-1, 1], 800)  # the hard sense tells y too, but only by whether its first two signs differ
    signs = np.stack([first, first * (1 - 2 * y)], axis=1) + 0.1 * rng.standard_normal((800, 2))
    easy, hard = y[:, None] * np.ones(4), np.hstack([signs, rng.standard_normal((800, 6))])
    without = [np.full((400, 4), np.nan), hard[400:]]
    plain, dropped = (
        accuracy(
            fit_fusion([easy[:400], hard[:400]], y[:400], "early", drop=drop, epochs=40, lr=0.01), without, y[400:]
        )
        for drop in (0.0, 0.5)
    )
    assert plain < 0.7
    assert dropped > 0.9


def test_dropping_never_hides_all_senses(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    forward = Fusion.forward

    def watched(self: Fusion, X: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
        seen.append(hidden)
        return forward(self, X, hidden)

    monkeypatch.setattr(Fusion, "forward", watched)
    x, y, adds, _ = two_senses(200)
    fit_fusion([x, y], adds, "late", drop=0.9, epochs=3)
    hidden = torch.cat([h for h in seen if h is not None])
    assert hidden.any(dim=0).all()
    assert not hidden.all(dim=1).any()


def test_the_same_seed_gives_the_same_model_and_leaves_torch_alone() -> None:
    x, y, adds, _ = two_senses(100)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two = (fit_fusion([x, y], adds, "early", drop=0.3, epochs=2, seed=3) for _ in range(2))
    assert torch.rand(1) == expected
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks": []}, "one a sense"),
        ({"blocks": [np.ones((4, 2)), np.ones((3, 2))]}, "of one N"),
        ({"blocks": [np.array([[1, np.nan], [1, 1], [1, 1], [1, 1]])]}, "row 0 of sense 0"),
        ({"blocks": [np.array([[1, 1], [1, 1], [np.inf, np.inf], [1, 1]])]}, "row 2 of sense 0"),
        ({"classes": [0, 1, 0]}, "one for each of 4"),
        ({"classes": [0, 1, 0, -1]}, "from 0"),
        ({"drop": 1.0}, "drop must be"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"blocks": [np.ones((4, 2))], "classes": [0, 1, 0, 1], "how": "early"} | change
    with pytest.raises(ValueError, match=message):
        fit_fusion(**arguments)  # type: ignore[arg-type]


def test_a_model_refuses_senses_of_other_sizes() -> None:
    x, y, adds, _ = two_senses(50)
    model = fit_fusion([x, y], adds, "late", epochs=1)
    with pytest.raises(ValueError, match=r"\(3, 3\) numbers, not \(3, 2\)"):
        predict_fusion(model, [x, y[:, :2]])
