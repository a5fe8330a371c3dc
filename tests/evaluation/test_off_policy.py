"""Estimators by hand, by chance, and against a reference of a few lines."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from avrec_lib.evaluation.off_policy import (
    clipped_ips,
    direct_method,
    doubly_robust,
    effective_sample_size,
    examination,
    importance_weights,
    ips,
    snips,
)

# three situations, two clips: the old policy shows the first with 0.8, the new one with 0.2
LOGGED, TARGET = np.array([0.8, 0.8, 0.2]), np.array([0.2, 0.2, 0.8])
Y = np.array([1.0, 0.0, 1.0])


def test_weights_and_estimates_by_hand():
    w = importance_weights(TARGET, LOGGED)
    assert_allclose(w, [0.25, 0.25, 4])
    assert ips(Y, w) == pytest.approx(4.25 / 3)
    assert clipped_ips(Y, w, limit=2) == pytest.approx(2.25 / 3)
    assert snips(Y, w) == pytest.approx(4.25 / 4.5)
    assert effective_sample_size(w) == pytest.approx(4.5**2 / (2 / 16 + 16))


def test_doubly_robust_by_hand():
    w = importance_weights(TARGET, LOGGED)
    q_shown, q_mean = [0.5, 0.5, 0.9], [0.82, 0.82, 0.82]
    assert direct_method(q_mean) == pytest.approx(0.82)
    assert doubly_robust(Y, w, q_shown, q_mean) == pytest.approx(0.82 + (0.125 - 0.125 + 0.4) / 3)


def test_equal_policies_give_the_mean_of_what_happened():
    w = importance_weights(LOGGED, LOGGED)
    assert ips(Y, w) == snips(Y, w) == clipped_ips(Y, w) == pytest.approx(2 / 3)
    assert effective_sample_size(w) == pytest.approx(3)


def test_one_heavy_row_is_a_sample_of_one():
    assert effective_sample_size([0, 0, 7]) == pytest.approx(1)
    assert effective_sample_size([0, 0]) == 0


def test_snips_of_ones_is_one_and_of_no_weight_unknown():
    assert snips(np.ones(3), [0.1, 5, 2]) == pytest.approx(1)
    assert np.isnan(snips(Y, np.zeros(3)))


def test_a_limit_above_all_weights_clips_nothing():
    w = importance_weights(TARGET, LOGGED)
    assert clipped_ips(Y, w, limit=1e9) == ips(Y, w)


@pytest.fixture(scope="module")
def draws():
    """Return estimates from 3,000 logs of 40 rows each, and the truth: three situations, four clips."""
    rng = np.random.default_rng(1)
    p = rng.random((3, 4))  # chance of a click
    old, new = rng.dirichlet(np.full(4, 2.0), 3), rng.dirichlet(np.full(4, 2.0), 3)
    good, bad = p + rng.normal(scale=0.05, size=p.shape), rng.random((3, 4))
    truth = (new * p).sum(axis=1).mean()
    found = {name: [] for name in ("ips", "snips", "dr, bad model", "dr, good model", "dr, wrong chances", "dm")}
    for _ in range(3000):
        x = rng.integers(3, size=40)
        i = (rng.random((40, 1)) > old.cumsum(axis=1)[x]).sum(axis=1)
        y = (rng.random(40) < p[x, i]).astype(float)
        w = importance_weights(new[x, i], old[x, i])
        found["ips"].append(ips(y, w))
        found["snips"].append(snips(y, w))
        for name, q in (("dr, bad model", bad), ("dr, good model", good)):
            found[name].append(doubly_robust(y, w, q[x, i], (new * q).sum(axis=1)[x]))
        wrong = importance_weights(new[x, i], np.full(40, 0.25))
        found["dr, wrong chances"].append(doubly_robust(y, wrong, p[x, i], (new * p).sum(axis=1)[x]))
        found["dm"].append(direct_method((new * bad).sum(axis=1)[x]))
    return {name: np.array(values) for name, values in found.items()}, truth


@pytest.mark.parametrize("name", ["ips", "dr, bad model", "dr, good model", "dr, wrong chances"])
def test_the_mean_over_many_logs_is_the_truth(draws, name):
    found, truth = draws
    error = found[name].std() / np.sqrt(len(found[name]))
    assert found[name].mean() == pytest.approx(truth, abs=4 * error)


def test_snips_is_nearly_right_and_steadier_than_ips(draws):
    found, truth = draws
    assert found["snips"].mean() == pytest.approx(truth, abs=0.03)
    assert found["snips"].std() < found["ips"].std()


def test_a_good_model_takes_luck_away_and_a_bad_one_alone_is_wrong(draws):
    found, truth = draws
    assert found["dr, good model"].std() < 0.9 * found["ips"].std()
    assert abs(found["dm"].mean() - truth) > 10 * found["dm"].std() / np.sqrt(3000)


def test_estimates_equal_a_reference_in_loops():
    rng = np.random.default_rng(2)
    n = 50
    old, new, y, q, m = rng.uniform(0.1, 1, n), rng.random(n), rng.random(n), rng.random(n), rng.random(n)
    w = importance_weights(new, old)
    total = clipped = weight = robust = 0.0
    for e in range(n):
        ratio = new[e] / old[e]
        total += ratio * y[e]
        clipped += min(ratio, 3.0) * y[e]
        weight += ratio
        robust += m[e] + ratio * (y[e] - q[e])
    assert ips(y, w) == pytest.approx(total / n)
    assert clipped_ips(y, w, 3.0) == pytest.approx(clipped / n)
    assert snips(y, w) == pytest.approx(total / weight)
    assert doubly_robust(y, w, q, m) == pytest.approx(robust / n)


def test_examination_by_hand():
    assert_allclose(examination([1, 1, 0, 1, 0, 0, 0, 1], [1, 1, 1, 1, 2, 2, 2, 2]), [1, 1 / 3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: importance_weights([0.5], [0.0]), "logged probability 0"),
        (lambda: importance_weights([1.5], [0.5]), "between 0 and 1"),
        (lambda: importance_weights([0.5], [0.5, 0.5]), "differ in shape"),
        (lambda: ips([1.0], [1.0, 1.0]), "one shape"),
        (lambda: snips([], []), "a row at least"),
        (lambda: ips([1.0], [-1.0]), "not negative"),
        (lambda: clipped_ips([1.0], [1.0], limit=0), "limit"),
        (lambda: doubly_robust([1.0], [1.0], [1.0, 2.0], [1.0]), "must have the shape of y"),
        (lambda: examination([1, 1], [1, 3]), "each position"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
