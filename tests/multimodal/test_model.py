"""The full model: places by hand, losses that add up, gradients that exist, and senses that may be missing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch.nn import functional

from avrec_lib.multimodal.batches import ViewerRows
from avrec_lib.multimodal.model import MultimodalModel, placed_log_odds
from avrec_lib.multimodal.tables import clip_table, viewer_table

from .small_clips import N_POSITIONS, N_VIEWERS, SMALL, USERS, WIDTHS, small_inputs, small_log, small_model

KINDS = [
    (user, loss)
    for user in USERS
    for loss in ("pointwise", "pairwise", "softmax")
    if not (user == "tastes" and loss != "pointwise") and not (user == "nobody" and loss == "softmax")
]
WAYS = ("sum", "concat", "gated", "attention")


def rows(settings=SMALL, n_visits=4):
    n_history = settings.history if settings.user in ("history", "both") else 0
    return ViewerRows(small_inputs(settings.senses), small_log(n_visits), n_history)


def shaken(settings=SMALL, n_users=N_VIEWERS):
    """Return a model whose weights are not those of the beginning, where much is 0."""
    model = small_model(settings, n_users)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
        if hasattr(model, "tower") and model.tower.knows != "history":
            model.tower.own.weight[n_users] = 0
    return model


# --- places


def test_a_click_needs_a_look_by_hand():
    """e_2 = 1/2 and σ(s) = 1/2: one click in four, log-odds log(1/3)."""
    got = placed_log_odds(torch.zeros(2), torch.tensor([1, 2]), torch.zeros(1))
    torch.testing.assert_close(got, torch.tensor([0.0, math.log(1 / 3)]))


def test_log_odds_of_a_place_are_those_of_the_product():
    rng = np.random.default_rng(0)
    s, position, place = rng.normal(0, 4, (200, 3)), rng.integers(1, 6, 200), rng.normal(0, 2, 4)
    e = np.concatenate([[1.0], expit(place)])[position - 1][:, None]
    expected = np.log(e * expit(s) / (1 - e * expit(s)))
    got = placed_log_odds(*(torch.from_numpy(x) for x in (s, position, place)))
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=2e-8)
    columns = [placed_log_odds(*(torch.from_numpy(x) for x in (s[:, k], position, place))) for k in range(3)]
    np.testing.assert_array_equal(torch.stack(columns, dim=1), got)


def test_the_first_place_changes_nothing_and_later_ones_only_take_away():
    s, place = torch.linspace(-30, 30, 61), torch.tensor([1.0, -2.0])
    assert torch.equal(placed_log_odds(s, torch.ones(61, dtype=torch.int64), place), s)
    for position, odds in ((2, 1.0), (3, -2.0)):
        got = placed_log_odds(s, torch.full((61,), position), place)
        assert (got <= s).all()
        assert (got <= odds + 1e-5).all()  # nobody clicks oftener than they look
        assert (got.diff() >= -1e-5).all()


def test_places_past_the_last_count_as_it_and_earlier_ones_as_the_first():
    s, place = torch.full((5,), 0.7), torch.tensor([1.0, -2.0])
    got = placed_log_odds(s, torch.tensor([-1, 0, 1, 3, 99]), place)
    assert got[0] == got[1] == got[2] == s[0]
    assert got[3] == got[4] < s[0]


@pytest.mark.parametrize("size", [50.0, 1e4, 1e30])
def test_huge_scores_stay_finite_and_so_do_their_gradients(size):
    s = torch.tensor([size, -size]).repeat_interleave(3).requires_grad_()
    place = torch.tensor([200.0, -200.0]).requires_grad_()
    got = placed_log_odds(s, torch.tensor([1, 2, 3] * 2), place)
    loss = functional.binary_cross_entropy_with_logits(got, torch.tensor([0.0, 1, 0, 1, 0, 1]), reduction="sum")
    loss.backward()
    assert torch.isfinite(got).all()
    assert torch.isfinite(s.grad).all()
    assert torch.isfinite(place.grad).all()


def test_a_list_of_one_place_has_nothing_to_learn_about_places():
    model = MultimodalModel(SMALL, {sense: (n,) for sense, n in WIDTHS.items()}, 3, 1)
    assert model.place.shape == (0,)
    torch.testing.assert_close(model.log_odds(torch.tensor([0.3, -2.0]), torch.tensor([1, 4])), torch.tensor([0.3, -2]))


# --- losses


@pytest.mark.parametrize(
    ("user", "weight"), [(user, weight) for user in USERS for weight in (1.0, 3.0) if (user, weight) != ("tastes", 3.0)]
)
def test_the_losses_of_two_halves_sum_to_the_loss_of_all(user, weight):
    settings = SMALL.but(user=user, hide=0.0, weight_of_clicks=weight)
    model, data = shaken(settings), rows(settings)
    data = ViewerRows(data.inputs, small_log().iloc[:203], settings.history)  # the viewers have unequal numbers of rows
    parts = [data.batch(part) for part in ([3, 0, 7, 8, 11], [1, 2, 4, 5, 6, 9, 10])]
    whole = data.batch(np.arange(N_VIEWERS))
    assert sum(part.n for part in parts) == whole.n == 203
    torch.testing.assert_close(sum(model(part) for part in parts), model(whole), rtol=1e-5, atol=1e-4)


def test_the_loss_of_points_is_the_sum_of_log_losses():
    settings = SMALL.but(user="both", hide=0.0)
    model, data = shaken(settings).double(), rows(settings)
    batch = data.batch([1, 5])
    batch = batch._replace(inputs={k: v.double() for k, v in batch.inputs.items()}, click=batch.click.double())
    b = model.item_vectors(model.clip_vectors(batch.inputs, batch.there))
    total = 0.0
    for e in range(batch.n):
        known = batch.history[batch.visit[e]]
        history = b[known.clamp(min=0)][None]
        a = model.viewer_vectors(batch.users[batch.viewer[e]][None], history, (known >= 0)[None])[0]
        s, r = (a @ b[batch.item[e]]).item(), int(batch.position[e])
        p = expit(s) * (1 if r == 1 else expit(model.place[r - 2].item()))
        total -= math.log(p if batch.click[e] else 1 - p)
    assert model(batch).item() == pytest.approx(total, rel=1e-7)


def test_the_loss_of_tastes_is_the_marginal_likelihood():
    settings = SMALL.but(hide=0.0)
    model, data = shaken(settings), rows(settings)
    model.at(1.0)
    batch = data.batch([1, 5, 6])
    with torch.no_grad():
        s = model.item_vectors(model.clip_vectors(batch.inputs, batch.there)).double().numpy()[batch.item]
        e = np.concatenate([[1], expit(model.place.double().numpy())])[batch.position - 1][:, None]
        pi = model.tastes.prior.double().softmax(0).numpy()
    p = np.where(batch.click.numpy()[:, None] > 0, e * expit(s), 1 - e * expit(s))  # (E, K)
    likelihoods = [pi @ p[batch.viewer.numpy() == u].prod(axis=0) for u in range(3)]
    assert model(batch).item() == pytest.approx(-np.log(likelihoods).sum(), rel=1e-5)


def test_a_pair_is_only_of_one_visit():
    """Two visits: with one click and one refusal in each, there are two pairs and not four."""
    settings = SMALL.but(user="id", loss="pairwise", hide=0.0)
    log = small_log(2)
    log = log[(log["user"] == 0) & (log["position"] <= 2)].assign(click=[1, 0, 0, 1])
    model, batch = shaken(settings), ViewerRows(small_inputs(), log).batch([0])
    b = model.item_vectors(model.clip_vectors(batch.inputs, batch.there))[batch.item]
    a = model.viewer_vectors(batch.users, torch.zeros(1, 0, 6), torch.zeros(1, 0, dtype=torch.bool))[0]
    s = model.log_odds(b @ a, batch.position)
    expected = -functional.logsigmoid(torch.stack([s[0] - s[1], s[3] - s[2]])).mean() * 4
    torch.testing.assert_close(model(batch), expected)


@pytest.mark.parametrize("loss", ["pairwise", "softmax"])
def test_viewers_who_clicked_nothing_teach_nothing_but_break_nothing(loss):
    settings = SMALL.but(user="both", loss=loss)
    batch = ViewerRows(small_inputs(), small_log().assign(click=False), settings.history).batch([0, 1])
    model = shaken(settings)
    found = model(batch)
    found.backward()
    assert found.item() == 0
    assert all(w.grad is None or not w.grad.any() for w in model.parameters())


# --- gradients


@pytest.mark.parametrize(("user", "loss"), KINDS)
def test_every_weight_learns(user, loss):
    """The batch holds what each weight needs: missing senses, empty histories, later places, clicks and refusals."""
    model = shaken(SMALL.but(user=user, loss=loss))
    found = model(rows(model.settings).batch(np.arange(N_VIEWERS)))
    found.backward()
    assert found.ndim == 0
    assert torch.isfinite(found)
    unused = {"shared.bias", "place"} if loss == "softmax" else set()  # which clip it is does not depend on them
    for name, weight in model.named_parameters():
        if name in unused:
            assert weight.grad is None or weight.grad.abs().max() < 1e-3
            continue
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.any(), name


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("way", WAYS)
def test_missing_senses_leave_all_finite_whatever_their_rows_hold(user, way):
    settings = SMALL.but(user=user, way=way, d=4)
    model, data = shaken(settings), rows(settings)
    batch = data.batch(np.arange(N_VIEWERS))
    losses = []
    for filling in (0.0, 1e6, torch.nan):
        inputs = {}
        for s, (sense, x) in enumerate(batch.inputs.items()):
            inputs[sense] = x.masked_fill(~batch.there[:, s, None], filling)
        torch.manual_seed(0)  # the same senses are hidden
        losses.append(model(batch._replace(inputs=inputs)))
        model.zero_grad()
        losses[-1].backward()
        assert all(torch.isfinite(w.grad).all() for w in model.parameters() if w.grad is not None)
    assert torch.isfinite(losses[0])
    assert losses[0] == losses[1] == losses[2]
    assert not batch.there.all(dim=0).any()
    assert np.isfinite(clip_table(model, data.inputs).b).all()


def test_senses_are_hidden_while_training_only():
    model, batch = shaken(SMALL.but(hide=0.5)), rows().batch([0, 1, 2])
    assert len({model(batch).item() for _ in range(5)}) > 1
    model.eval()
    assert len({model(batch).item() for _ in range(5)}) == 1


@pytest.mark.parametrize(("user", "loss"), KINDS)
def test_it_runs_in_bfloat16(user, loss):
    model = shaken(SMALL.but(user=user, loss=loss, hide=0.0))
    batch = rows(model.settings).batch(np.arange(N_VIEWERS))
    exact = model(batch).item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(batch)
    rounded.backward()
    assert rounded.item() == pytest.approx(exact, rel=0.05)
    assert all(torch.isfinite(w.grad).all() for w in model.parameters() if w.grad is not None)


# --- viewers


@pytest.mark.parametrize("user", USERS)
def test_two_viewers_differ_unless_the_model_knows_nobody(user):
    model = shaken(SMALL.but(user=user))
    b = clip_table(model, small_inputs()).b
    scores = viewer_table(model, b, small_log()) @ b.T
    assert scores.shape == (N_VIEWERS + 1, 20)
    spread = np.ptp(scores, axis=0).max()
    assert spread == 0 if user == "nobody" else spread > 1e-3


@pytest.mark.parametrize("user", ["id", "history", "both", "nobody"])
def test_scores_are_inner_products_of_the_tables(user):
    """What the model computes for later visits, whose viewers know just the log before, is what the tables tell."""
    settings = SMALL.but(user=user, hide=0.0)
    model, past, later = shaken(settings), small_log(), small_log(1, seed=3, first=900)
    table = clip_table(model, small_inputs())
    scores = viewer_table(model, table.b, past) @ table.b.T  # (m + 1, n)
    batch = ViewerRows(small_inputs(), later, settings.history, past).batch(np.arange(N_VIEWERS))
    seen = []
    model.log_odds = lambda s, position: seen.append(s) or s  # the score, before its place is told
    with torch.no_grad():
        model(batch)
    expected = scores[batch.users[batch.viewer].numpy(), batch.clips[batch.item].numpy()]
    np.testing.assert_allclose(seen[0], expected, rtol=1e-4, atol=1e-5)


def test_scores_of_tastes_are_inner_products_of_the_tables():
    model, log = shaken(), small_log()
    table = clip_table(model, small_inputs())
    batch = ViewerRows(small_inputs(), log).batch(np.arange(N_VIEWERS))
    with torch.no_grad():
        g = model.clip_vectors(batch.inputs, batch.there)
        logits = model.log_odds(model.item_vectors(g)[batch.item], batch.position)
        evidence = model.tastes.evidence(logits, batch.click, batch.viewer, N_VIEWERS)
        expected = model.tastes.score(evidence, torch.from_numpy(table.g))
    scores = viewer_table(model, table.b, log)[:-1] @ table.b.T
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("user", USERS)
def test_a_stranger_and_an_empty_history_are_finite(user):
    model = shaken(SMALL.but(user=user))
    b = clip_table(model, small_inputs()).b
    nothing = small_log().iloc[:0]
    unknown = viewer_table(model, b, nothing)
    a = viewer_table(model, b, small_log().assign(click=False))
    assert np.isfinite(unknown).all()
    assert np.isfinite(a).all()
    if user in ("tastes", "history", "nobody"):  # who left no trace is a stranger
        np.testing.assert_allclose(unknown, np.tile(unknown[-1], (N_VIEWERS + 1, 1)), rtol=1e-6)


def test_a_viewer_without_impressions_has_the_tastes_of_everybody():
    model = shaken()
    b = clip_table(model, small_inputs()).b
    log = small_log()
    a = viewer_table(model, b, log[log["user"] != 4])
    prior = model.tastes.prior.softmax(0).detach().numpy()
    np.testing.assert_allclose(a[4], prior, rtol=1e-6)
    np.testing.assert_allclose(a[-1], prior, rtol=1e-6)
    assert np.abs(a[:4] - prior).max() > 0.01


# --- building and training


def test_the_temperature_falls_from_hot_to_one_over_the_first_half():
    model = small_model(SMALL.but(hot=16.0))
    found = []
    for progress in (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0):
        model.at(progress)
        found.append(model.temperature)
    assert found == pytest.approx([16, 8, 4, 2, 1, 1, 1])
    other = small_model(SMALL.but(user="id", hot=16.0))
    other.at(0.0)
    assert other.temperature == 1


@pytest.mark.parametrize("user", USERS)
def test_the_same_seed_gives_the_same_model_and_leaves_torchs_random_state_alone(user):
    settings = SMALL.but(user=user)
    state = torch.get_rng_state()
    a = small_model(settings)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    b, c = small_model(settings), small_model(settings.but(seed=1))
    for name, weight in a.state_dict().items():
        assert torch.equal(weight, b.state_dict()[name])
    assert any(not torch.equal(weight, c.state_dict()[name]) for name, weight in a.state_dict().items())


@pytest.mark.parametrize("senses", [("text",), ("picture", "sound"), ("text", "sound")])
def test_a_model_of_fewer_senses_runs(senses):
    settings = SMALL.but(**{sense: "none" for sense in WIDTHS if sense not in senses})
    model = shaken(settings)
    found = model(rows(settings).batch([0, 1]))
    assert tuple(model.readers) == senses
    assert torch.isfinite(found)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"text": (4,)}, "the settings read text, picture, sound, and the inputs hold text"),
        ({"picture": (3,), "text": (4,), "sound": (5,)}, "and the inputs hold picture, text, sound"),
        ({"text": (4, 4), "picture": (3,), "sound": (5,)}, "text lsa has 1 dimensions"),
    ],
)
def test_inputs_that_do_not_fit_the_settings_are_refused(shapes, message):
    with pytest.raises(ValueError, match=message):
        MultimodalModel(SMALL, shapes, 3)


@pytest.mark.parametrize("numbers", [(0, 10), (3, 0)])
def test_numbers_that_cannot_be_are_refused(numbers):
    with pytest.raises(ValueError, match="n_users and n_positions must be at least 1"):
        MultimodalModel(SMALL, {sense: (n,) for sense, n in WIDTHS.items()}, *numbers)


def test_arrays_of_another_width_are_refused():
    model, batch = small_model(), rows().batch([0])
    with pytest.raises(ValueError, match=r"built for arrays of shape \(M, 4\)"):
        model(batch._replace(inputs=batch.inputs | {"text": torch.zeros(len(batch.clips), 7)}))


def test_a_model_knows_as_many_places_as_it_was_told():
    assert small_model().place.shape == (N_POSITIONS - 1,)
