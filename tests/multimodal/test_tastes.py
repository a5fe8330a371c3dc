"""The mixture of tastes: Bayes by hand, beside plain sums, and whether it finds tastes that are there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score

from avrec_lib.multimodal.tastes import Tastes


def fixed(weights, bias=None):
    """One number a clip, one weight a taste, and equal priors."""
    model = Tastes(1, len(weights))
    with torch.no_grad():
        model.heads.weight.copy_(torch.tensor(weights)[:, None])
        model.heads.bias.copy_(torch.tensor(bias or [0.0] * len(weights)))
    return model


def test_bayes_by_hand():
    """Taste 0 likes the clip with odds 3:1, taste 1 with 1:3. After one click they stand 3 to 1, after two 9 to 1."""
    model = fixed([math.log(3), -math.log(3)])
    s = model(torch.ones(2, 1))
    one = model.evidence(s[:1], torch.tensor([1]), torch.tensor([0]), 1)
    two = model.evidence(s, torch.tensor([1, 1]), torch.tensor([0, 0]), 1)
    torch.testing.assert_close(model.posterior(one), torch.tensor([[0.75, 0.25]]))
    torch.testing.assert_close(model.posterior(two), torch.tensor([[0.9, 0.1]]))
    assert model.loss(one).item() == pytest.approx(-math.log(0.5 * 0.75 + 0.5 * 0.25))


def test_somebody_new_has_everybodys_tastes():
    model = fixed([1.0, -1.0, 0.0])
    with torch.no_grad():
        model.prior.copy_(torch.log(torch.tensor([0.5, 0.3, 0.2])) + 7.0)
    nothing = torch.zeros(1, 3)
    torch.testing.assert_close(model.posterior(nothing), torch.tensor([[0.5, 0.3, 0.2]]))
    assert model.score(nothing, torch.ones(1, 1)).item() == pytest.approx(0.5 - 0.3)
    assert model.loss(nothing).item() == pytest.approx(0, abs=1e-6)


def test_evidence_adds_up_as_impressions_come():
    torch.manual_seed(0)
    model, s = Tastes(2, 3), torch.randn(10, 3)
    clicks, users = torch.tensor([0, 1] * 5), torch.arange(10) % 4
    early = model.evidence(s[:6], clicks[:6], users[:6], 4)
    late = model.evidence(s[6:], clicks[6:], users[6:], 4)
    torch.testing.assert_close(early + late, model.evidence(s, clicks, users, 4))


@pytest.mark.parametrize("temperature", [1.0, 5.0])
def test_the_loss_is_that_of_plain_sums(temperature):
    rng = np.random.default_rng(0)
    model = Tastes(2, 3).double()
    s, y, u = rng.normal(size=(12, 3)), rng.integers(0, 2, 12), rng.integers(0, 3, 12)
    with torch.no_grad():
        model.prior.copy_(torch.tensor([0.3, -0.2, 0.0]))
    log_pi = np.array([0.3, -0.2, 0.0]) - logsumexp([0.3, -0.2, 0.0])
    expected = 0.0
    for user in range(3):
        ell = np.zeros(3)
        for e in np.flatnonzero(u == user):
            p = 1 / (1 + np.exp(-s[e]))
            ell += np.log(p if y[e] else 1 - p)
        expected -= temperature * logsumexp((ell + log_pi) / temperature)
    ell_all = model.evidence(torch.from_numpy(s), torch.from_numpy(y), torch.from_numpy(u), 3)
    assert model.loss(ell_all, temperature).item() == pytest.approx(expected)


def planted(n_users=300, n_items=80, each=40, seed=0):
    """Two tastes that disagree about everything, 40 impressions a user."""
    rng = np.random.default_rng(seed)
    g, taste = rng.normal(size=(n_items, 4)), rng.integers(0, 2, n_users)
    w = np.stack([[1.5, -1.5, 1, 0], [-1.5, 1.5, -1, 0]])
    users = np.repeat(np.arange(n_users), each)
    items = rng.integers(0, n_items, len(users))
    chance = 1 / (1 + np.exp(-(g @ w.T)))[items, taste[users]]
    tensors = (torch.from_numpy(x) for x in (users, items, (rng.random(len(users)) < chance).astype(int)))
    return torch.from_numpy(g).float(), taste, *tensors


def fit(model, g, users, items, clicks, steps=60):
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    n_users = int(users.max()) + 1
    for step in range(steps):
        temperature = max(1.0, 10 * (1 - 2 * step / steps))
        evidence = model.evidence(model(g)[items], clicks, users, n_users)
        loss = model.loss(evidence, temperature) / len(users)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return model.evidence(model(g)[items], clicks, users, n_users)


@pytest.mark.parametrize("k", [2, 4])
def test_it_finds_two_tastes_also_with_room_for_more(k):
    g, taste, users, items, clicks = planted()
    model = Tastes(4, k)
    evidence = fit(model, g, users, items, clicks)
    with torch.no_grad():
        scores = model.score(evidence, g).numpy()
    liked = (g.numpy() @ np.array([1.5, -1.5, 1, 0]))[None] * np.where(taste == 0, 1, -1)[:, None] > 0
    assert np.mean([roc_auc_score(liked[u], scores[u]) for u in range(len(taste))]) > 0.97


def test_the_same_seed_gives_the_same_tastes_and_leaves_torchs_random_state_alone():
    state = torch.get_rng_state()
    a, b = Tastes(3, 4, seed=1), Tastes(3, 4, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(a.heads.weight, b.heads.weight)
    assert not torch.equal(a.heads.weight, Tastes(3, 4, seed=2).heads.weight)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Tastes(3, 0)
    with pytest.raises(ValueError, match="temperature must be at least 1"):
        Tastes(3, 2).loss(torch.zeros(1, 2), 0.5)


# --- shares too small to count


def far_apart(tops=(0.0, 20.0, 40.0, 59.0, 61.0, 88.0, 95.0, 103.0, 150.0, 400.0)):
    """Return the evidence of ten viewers for three tastes, the second so many nats below the first."""
    gaps = torch.tensor(tops)
    return torch.stack([torch.zeros(len(gaps)), -gaps, -gaps / 2], dim=1) - 200.0


@pytest.mark.parametrize("temperature", [1.0, 1.5, 20.0])
def test_leaving_out_the_smallest_shares_changes_no_loss_and_no_gradient(temperature):
    """Beside the plain formula in float64: float32 could not tell."""
    model, evidence = Tastes(2, 3), far_apart().requires_grad_()
    with torch.no_grad():
        model.prior.copy_(torch.tensor([0.3, -0.2, 0.0]))
    loss = model.loss(evidence, temperature)
    loss.backward()
    exact, prior = (x.detach().double().requires_grad_() for x in (evidence, model.prior))
    plain = -temperature * torch.logsumexp((exact + prior.log_softmax(dim=0)) / temperature, dim=1).sum()
    plain.backward()
    assert loss.item() == pytest.approx(plain.item(), rel=1e-6)
    torch.testing.assert_close(evidence.grad.double(), exact.grad, rtol=1e-4, atol=1e-25)
    torch.testing.assert_close(model.prior.grad.double(), prior.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 1.5])
def test_no_gradient_is_among_the_smallest_numbers_there_are(temperature):
    """150 nats at temperature 1.5, or 95 at 1, would be shares of about e^−100: below the normal numbers of float32."""
    model, evidence = Tastes(2, 3), far_apart().requires_grad_()
    least = torch.finfo(torch.float32).tiny
    plain = torch.logsumexp(evidence / temperature, dim=1).sum()
    (shares,) = torch.autograd.grad(plain, evidence)
    assert ((shares.abs() > 0) & (shares.abs() < least)).any()  # without the limit there would be some
    (found,) = torch.autograd.grad(model.loss(evidence, temperature), evidence)
    assert not ((found.abs() > 0) & (found.abs() < least)).any()
    assert (found[-1] == torch.tensor([-1.0, 0.0, 0.0])).all()
