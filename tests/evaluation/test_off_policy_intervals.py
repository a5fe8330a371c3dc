"""The table equals the estimators, and its intervals hold what they promise."""

import numpy as np
import pandas as pd
import pytest

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
from avrec_lib.evaluation.off_policy_intervals import off_policy

OLD, NEW = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
P, THETA = np.array([0.3, 0.5, 0.7]), np.array([1.0, 0.6])
TRUTH = float(NEW @ P)


def made(seed, n=600, users=60):
    rng = np.random.default_rng(seed)
    i, r = rng.choice(3, n, p=OLD), rng.integers(1, 3, n)
    u = rng.integers(users, size=n)
    log = pd.DataFrame({"user": u, "position": r, "click": rng.random(n) < THETA[r - 1] * P[i]})
    return log, importance_weights(NEW[i], OLD[i]), i


def placed_at_random(seed, n=3000, users=80):
    rng = np.random.default_rng(seed)
    r, u = rng.integers(1, 3, n), rng.integers(users, size=n)
    return pd.DataFrame({"user": u, "position": r, "click": rng.random(n) < THETA[r - 1] * P[rng.integers(3, size=n)]})


def test_values_equal_the_estimators_of_the_rows():
    (log, w, i), random = made(0), placed_at_random(1)
    q, mean = P[i] + 0.1, np.full(len(log), NEW @ (P + 0.1))
    y = log["click"] / examination(random["click"], random["position"])[log["position"] - 1]
    found = off_policy(log, w, looks_from=random, predicted=q, expected=mean, limit=2.0, n_boot=10)
    expected = [ips(y, w), clipped_ips(y, w, 2.0), snips(y, w), direct_method(mean), doubly_robust(y, w, q, mean)]
    np.testing.assert_allclose(found.values, expected)
    assert list(found.values.index) == ["IPS", "clipped IPS", "SNIPS", "DM", "DR"]
    assert found.effective == pytest.approx(effective_sample_size(w))


def test_without_looks_the_outcome_is_the_click():
    log, w, _ = made(0)
    found = off_policy(log, w, n_boot=10)
    assert found.values["IPS"] == pytest.approx(ips(log["click"], w))
    assert list(found.values.index) == ["IPS", "clipped IPS", "SNIPS"]


def test_most_intervals_hold_the_truth():
    held = np.zeros(2)
    for seed in range(100):
        log, w, _ = made(seed)
        table = off_policy(log, w, looks_from=placed_at_random(1000 + seed), n_boot=200).table()
        held += [table["low"][k] <= TRUTH <= table["high"][k] for k in ("IPS", "SNIPS")]
    assert (held >= 88).all()


def test_not_knowing_the_looks_makes_an_interval_wider():
    log, w, _ = made(0, n=6000)
    few, many = (off_policy(log, w, looks_from=placed_at_random(5, n), n_boot=300).table() for n in (500, 50_000))
    width = [table["high"]["SNIPS"] - table["low"]["SNIPS"] for table in (few, many)]
    assert width[0] > 1.5 * width[1]


def test_a_gain_is_paired():
    log, w, i = made(3)
    new = off_policy(log, w, n_boot=300)
    nearly = off_policy(log, importance_weights(0.9 * NEW[i] + 0.1 * OLD[i], OLD[i]), n_boot=300)
    gain = nearly.gain(new)
    assert gain["value"]["IPS"] == pytest.approx(nearly.values["IPS"] - new.values["IPS"])
    assert gain["high"]["IPS"] - gain["low"]["IPS"] < 0.3 * np.ptp(new.table().loc["IPS", ["low", "high"]])
    assert (new.gain(new)[["low", "high"]] == 0).all(axis=None)


def test_one_seed_gives_the_same_samples():
    log, w, _ = made(0)
    pd.testing.assert_frame_equal(off_policy(log, w, n_boot=20).samples, off_policy(log, w, n_boot=20).samples)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda log, w: off_policy(log, w[:3]), "one weight for each row"),
        (lambda log, w: off_policy(log.iloc[:0], w[:0]), "one weight for each row"),
        (lambda log, w: off_policy(log, w, predicted=w), "both predicted and expected"),
        (lambda log, w: off_policy(log, w, looks_from=log[log["position"] == 1]), "every position from 1 to 2"),
        (lambda log, w: off_policy(log, w, n_boot=5).gain(off_policy(log, w, n_boot=6)), "judged differently"),
    ],
)
def test_bad_input_is_named(call, message):
    log, w, _ = made(0)
    with pytest.raises(ValueError, match=message):
        call(log, w)
