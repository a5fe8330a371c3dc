"""Visits in order, one step by hand, the GRU equal to its equations, and no look at what comes later."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose

from avrec_lib.behaviour.sequence_prediction import NextClick, content_tensor, read_histories
from avrec_lib.nn.recurrent import gru

HOUR = 3600
LOG = pd.DataFrame(
    {
        "user": [4, 2, 4, 2, 2],
        "item": [0, 1, 2, 2, 0],
        "session": [10, 20, 11, 20, 21],
        "position": [1, 1, 2, 2, 1],
        "timestamp": [0, 5, 3 * HOUR, 9, 5 + HOUR],
        "click": [True, False, False, True, True],
    },
    index=[7, 3, 1, 2, 9],
)
X = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])


def model(reader, **settings):
    torch.manual_seed(0)
    return NextClick(2, 3, reader, width=4, **settings).eval()


def test_rows_are_read_by_viewer_visit_and_position():
    log = read_histories(LOG, 3)
    assert log.rows.tolist() == [1, 3, 4, 0, 2]
    assert log.first.tolist() == [0, 3, 5]
    assert log.items.tolist() == [1, 2, 0, 0, 2]
    assert log.visits.tolist() == [0, 0, 1, 0, 1]
    assert log.clicks.tolist() == [0, 1, 1, 1, 0]
    assert log.begins.tolist() == [5, 5, 5 + HOUR, 0, 3 * HOUR]
    assert_allclose(log.gaps, np.log([1, 1, 2, 1, 4]), rtol=1e-6)


def test_the_order_of_the_log_does_not_matter():
    mixed = LOG.sample(frac=1, random_state=1)
    first, second = read_histories(LOG, 3), read_histories(mixed, 3)
    assert torch.equal(first.items, second.items)
    assert mixed.index[second.rows].tolist() == LOG.index[first.rows].tolist()


def test_a_visit_is_read_as_the_mean_of_its_impressions():
    net, log, seen = model("gru"), read_histories(LOG, 3), []
    net.read = lambda M: seen.append(M) or torch.zeros_like(M)
    net(content_tensor(X), log)
    r, y, x = np.log([1, 2]), np.array([0, 1]), X[[1, 2]]  # the first visit of viewer 2; the usual click is 0.5
    rows = np.column_stack([x, (y - 0.5)[:, None] * x, y, r, [0, 0]])
    weight, bias = net.event.weight.detach().numpy(), net.event.bias.detach().numpy()
    assert_allclose(seen[0][0, 0].detach(), (rows @ weight.T + bias).mean(axis=0), rtol=1e-5)
    assert seen[0].shape == (2, 2, 4)


def test_the_gru_follows_its_equations():
    net = model("gru")
    M = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(1))
    cell = {name: p.detach().numpy() for name, p in net.gru.named_parameters()}
    params = {"W_x": cell["weight_ih_l0"].T, "W_h": cell["weight_hh_l0"].T}
    params |= {"b_x": cell["bias_ih_l0"], "b_h": cell["bias_hh_l0"]}
    states, _ = gru(M.numpy(), params)
    known = net.read(M).detach().numpy()
    assert_allclose(known[:, 1:], states[:, :-1], atol=1e-6)  # before step 1 stands the state after step 0
    assert_allclose(known[:, 0], 0)


@pytest.mark.parametrize("reader", ["gru", "transformer"])
def test_what_is_known_before_a_visit_does_not_depend_on_it_or_on_later_ones(reader):
    net = model(reader)
    M = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1))
    other = M.clone()
    other[:, 3:] += 10
    assert torch.allclose(net.read(M)[:, :4], net.read(other)[:, :4], atol=1e-6)
    assert not torch.allclose(net.read(M)[:, 4:], net.read(other)[:, 4:], atol=1e-2)


@pytest.mark.parametrize("reader", ["gru", "transformer"])
def test_a_logit_by_hand(reader):
    net, log = model(reader), read_histories(LOG, 3)
    with torch.inference_mode():
        logits, rows = net(content_tensor(X), log)
        assert rows.tolist() == [0, 1, 2, 3, 4]
        h = net.read(torch.zeros(1, 1, 4))[0, 0]  # known of somebody new
        x = torch.tensor([3.0, 1.0])  # clip 2, at position 2
        v = net.wants(h) * net.has(x)
        rest = net.rest(torch.cat([x, v, torch.tensor([np.log(2), 0, 1]).float()]))
    assert logits[1].item() == pytest.approx((v.sum() + rest).item(), rel=1e-5)


@pytest.mark.parametrize("reader", ["gru", "transformer"])
def test_viewers_read_apart_or_together_get_the_same(reader):
    net, log, content = model(reader), read_histories(LOG, 3), content_tensor(X)
    both, _ = net(content, log)
    apart = [net(content, log, [k]) for k in (1, 0)]
    assert [rows.tolist() for _, rows in apart] == [[3, 4], [0, 1, 2]]
    assert torch.allclose(torch.cat([apart[1][0], apart[0][0]]), both, atol=1e-6)


def test_a_position_without_a_usual_click_takes_the_last():
    far = LOG.assign(position=[1, 1, 2, 99, 1])
    net = model("gru")
    logits, _ = net(content_tensor(X), read_histories(far, 3))
    assert torch.isfinite(logits).all()


def test_gradients_reach_every_weight():
    for reader in ("gru", "transformer"):
        net = model(reader)
        net(content_tensor(X), read_histories(LOG, 3))[0].square().sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item": 3}, r"numbered 0\.\.2"),
        ({"item": -1}, r"numbered 0\.\.2"),
        ({"position": 0}, "counted from 1"),
        ({"click": 2}, "0 and 1 only"),
        ({"click": np.nan}, "gap or an infinite"),
        ({"session": 20}, "two viewers"),
        ({"timestamp": 5}, "before the viewer's last one is over"),
    ],
)
def test_a_bad_log_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        read_histories(LOG.assign(**change), 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: read_histories(LOG.drop(columns=["click", "user"]), 3), r"lacks the columns \['user', 'click'\]"),
        (lambda: read_histories(LOG[:0], 3), "no rows"),
        (lambda: content_tensor([1.0, 2.0]), "row for each clip"),
        (lambda: content_tensor([[np.nan]]), "NaN or infinite"),
        (lambda: NextClick(2, 3, "lstm"), "unknown reader 'lstm'; there are gru, transformer"),
        (lambda: NextClick(2, 3, width=3), "even width"),
        (lambda: NextClick(0, 3), "must be positive"),
        (lambda: NextClick(2, 3, dropout=1.0), r"\[0, 1\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
