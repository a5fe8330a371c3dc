"""The losses, against torch's, against loops, and against each other."""

import math

import pytest
import torch
from torch.nn import functional

from avrec_lib.nn.training import seeded
from avrec_lib.recommenders.sequential import losses
from avrec_lib.recommenders.sequential.losses import full_softmax, sampled_cross_entropy, sampled_softmax

N, n, d = 11, 7, 4


def numbers(dtype=torch.float64):
    with seeded(0):
        H, W, b = (torch.randn(*shape, dtype=dtype, requires_grad=True) for shape in ((N, d), (n, d), (n,)))
        return H, torch.randint(n, (N,)), W, b


@pytest.mark.parametrize("chunk", [1, 3, 11, 100, None])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_full_softmax_and_its_gradients_are_those_of_torch(chunk, smoothing):
    H, y, W, b = numbers()
    mine = full_softmax(H, y, W, b, smoothing=smoothing, chunk=chunk)
    torchs = functional.cross_entropy(H @ W.T + b, y, label_smoothing=smoothing)
    assert mine.item() == pytest.approx(torchs.item(), rel=1e-12)
    for a, c in zip(torch.autograd.grad(3 * mine, (H, W, b)), torch.autograd.grad(3 * torchs, (H, W, b)), strict=True):
        torch.testing.assert_close(a, c)


def test_full_softmax_holds_few_scores_at_a_time(monkeypatch):
    monkeypatch.setattr(losses, "CELLS", 2 * n + 1)
    H, y, W, b = numbers()
    sizes = []
    original = torch.addmm
    monkeypatch.setattr(torch, "addmm", lambda *a: sizes.append(original(*a).numel()) or original(*a))
    full_softmax(H, y, W, b)
    assert max(sizes) == 2 * n
    assert sum(sizes) == N * n


def test_full_softmax_of_one_item_is_nothing():
    H, _, W, b = numbers()
    assert full_softmax(H, torch.zeros(N, dtype=torch.long), W[:1], b[:1]).item() == 0


def test_full_softmax_of_huge_scores_is_finite():
    H, y, W, b = numbers()
    assert torch.isfinite(full_softmax(1e4 * H, y, W, b))


def test_sampled_cross_entropy_by_hand():
    """s_y = 0 costs log 2; a negative with σ = 3/4 costs log 4; the draw that is the target costs nothing."""
    H, W = torch.tensor([[1.0]]), torch.tensor([[0.0], [math.log(3)]])
    loss = sampled_cross_entropy(H, torch.tensor([0]), torch.tensor([[1, 0]]), W, torch.zeros(2))
    assert loss.item() == pytest.approx(math.log(2) + math.log(4))


def test_sampled_cross_entropy_equals_a_loop():
    H, y, W, b = numbers()
    negatives = torch.randint(n, (N, 3), generator=torch.Generator().manual_seed(1))
    total = 0.0
    for t in range(N):
        total += -functional.logsigmoid(H[t] @ W[y[t]] + b[y[t]]).item()
        for j in negatives[t]:
            if j != y[t]:
                total += -functional.logsigmoid(-(H[t] @ W[j] + b[j])).item()
    assert sampled_cross_entropy(H, y, negatives, W, b).item() == pytest.approx(total / N)


def test_sampled_softmax_with_every_item_drawn_once_is_the_full_softmax():
    """n draws, one of each item, each of probability 1 / n: the estimate of the sum is the sum."""
    H, y, W, b = numbers()
    log_q = torch.full((1, n), -math.log(n))
    shared = sampled_softmax(H, y, torch.arange(n)[None], log_q, W, b)
    own = sampled_softmax(H, y, torch.arange(n).expand(N, n), log_q.expand(N, n), W, b)
    full = functional.cross_entropy(H @ W.T + b, y)
    assert shared.item() == pytest.approx(full.item(), rel=1e-6)
    assert own.item() == pytest.approx(full.item(), rel=1e-6)


def test_the_correction_makes_uneven_draws_estimate_the_full_softmax():
    H, y, W, b = numbers()
    q = torch.tensor([8.0, 4, 2, 2, 1, 1, 2]) / 20
    draws = torch.multinomial(q, 30_000, replacement=True, generator=torch.Generator().manual_seed(0))[None]
    full = functional.cross_entropy(H @ W.T + b, y).item()
    assert sampled_softmax(H, y, draws, q.log()[draws], W, b).item() == pytest.approx(full, abs=0.02)
    flat = torch.full_like(draws, -math.log(n), dtype=torch.float64)
    assert abs(sampled_softmax(H, y, draws, flat, W, b).item() - full) > 0.05


def test_sampled_softmax_of_draws_that_are_all_the_target_is_nothing():
    H, _, W, b = numbers()
    negatives = torch.zeros(1, 4, dtype=torch.long)
    loss = sampled_softmax(H, torch.zeros(N, dtype=torch.long), negatives, torch.zeros(1, 4), W, b)
    assert loss.item() == pytest.approx(0, abs=1e-12)
    loss.backward()
    assert torch.isfinite(H.grad).all()
