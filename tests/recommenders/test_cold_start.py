"""The cold-start model: its equation by hand, no answer in the profile, and clips it never saw."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from avrec_lib.recommenders.cold_start import ColdStartModel


@pytest.fixture(scope="module")
def world():
    """60 viewers of two kinds, 200 clips with 3 content numbers; kind 0 likes the first, kind 1 the second."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)).astype(np.float32)
    users, items = np.repeat(np.arange(60), 100), rng.integers(0, 200, 6000)
    p = 1 / (1 + np.exp(-3 * X[items, users % 2]))
    return X, users, items, (rng.random(6000) < p).astype(int), rng.integers(1, 11, 6000)


@pytest.fixture(scope="module")
def fitted(world):
    X, users, items, clicks, positions = world
    warm = items < 150
    return ColdStartModel(width=3, n_epochs=8, batch_size=64).fit(
        X, *(a[warm] for a in (users, items, clicks, positions))
    )


def test_it_orders_clips_that_nobody_has_seen(world, fitted):
    _, users, items, clicks, _ = world
    cold = items >= 150
    assert roc_auc_score(clicks[cold], fitted.score(users[cold], items[cold])) > 0.85


def test_content_that_tells_nothing_does_not_help(world):
    X, users, items, clicks, positions = world
    warm, cold = items < 150, items >= 150
    noise = np.random.default_rng(1).permutation(X)
    model = ColdStartModel(width=3, n_epochs=8, batch_size=64).fit(
        noise, users[warm], items[warm], clicks[warm], positions[warm]
    )
    assert roc_auc_score(clicks[cold], model.score(users[cold], items[cold])) == pytest.approx(0.5, abs=0.08)


def test_the_score_is_the_equation(world, fitted):
    """s = ⟨W p + f(p), (v, 1)⟩ for viewer 3 and clip 160, p summed impression by impression."""
    X, users, items, clicks, positions = world
    warm = items < 150
    u, i, y, r = users[warm], items[warm], clicks[warm], positions[warm]
    shown = np.unique(i)
    Z = X - X[shown].mean(axis=0)
    Z = Z / np.sqrt(np.mean(Z[shown] ** 2))
    E = fitted.encode.weight.detach().numpy()
    p, n = np.zeros(4), 0
    for row in np.flatnonzero(u == 3):
        surprise = y[row] - y[r == r[row]].mean()
        p += surprise * np.append(E @ Z[i[row]], 1.0)
        n += 1
    p = torch.from_numpy(p / np.sqrt(n)).float()
    with torch.no_grad():
        want = ((fitted.direct(p) + fitted.bend(p)) * torch.from_numpy(np.append(E @ Z[160], 1.0)).float()).sum()
    assert fitted.score([3], [160])[0] == pytest.approx(want.item(), rel=1e-3)


def test_a_profile_does_not_hold_the_answer_it_is_to_predict(world):
    """With clicks tossed by a coin there is nothing to learn; a leak would let training fit them."""
    X, users, items, _, positions = world
    clicks = np.random.default_rng(2).integers(0, 2, len(users))
    model = ColdStartModel(width=3, n_epochs=8, batch_size=64).fit(X, users, items, clicks, positions)
    one = model.sums[torch.from_numpy(users)]
    surprise = torch.from_numpy((clicks - model.mean_click[positions]).astype(np.float32))
    itself = surprise[:, None] * torch.cat([model.items[torch.from_numpy(items)], torch.ones(len(items), 1)], dim=1)
    with torch.no_grad():
        counts = model.counts[torch.from_numpy(users)]
        without = model._score(one - itself, counts - 1, torch.from_numpy(items)).numpy()
    assert roc_auc_score(clicks, without) < 0.62


def test_the_same_seed_gives_the_same_model_and_global_state_is_left_alone(world):
    X, *rest = world
    before = torch.get_rng_state()
    a = ColdStartModel(n_epochs=1, seed=3).fit(X, *rest).score([0, 1], [2, 3])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    b = ColdStartModel(n_epochs=1, seed=3).fit(X, *rest).score([0, 1], [2, 3])
    assert np.array_equal(a, b)
    assert not np.array_equal(a, ColdStartModel(n_epochs=1, seed=4).fit(X, *rest).score([0, 1], [2, 3]))


def test_bad_input_is_named(world):
    X, users, items, clicks, positions = world
    with pytest.raises(ValueError, match="must have one length"):
        ColdStartModel().fit(X, users[:-1], items, clicks, positions)
    with pytest.raises(ValueError, match="clicks must be 0 or 1"):
        ColdStartModel().fit(X, users, items, clicks * 2, positions)
    with pytest.raises(ValueError, match="NaN or an infinity"):
        ColdStartModel().fit(np.where(X > 2, np.nan, X), users, items, clicks, positions)
