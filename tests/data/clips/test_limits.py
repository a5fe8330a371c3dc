"""The Bayes limit by hand, against counting all pairs, and against scikit-learn over many tosses."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score, roc_auc_score

from avrec_lib.data.clips.limits import bayes_auc, bayes_ndcg, expected_auc


def test_two_impressions_by_hand():
    """Pairs: (.9 clicked, .2 not) .9 · .8 = .72 won; (.2 clicked, .9 not) .2 · .1 = .02 lost: .72 / .74."""
    assert expected_auc([2.0, 1.0], [0.9, 0.2]) == pytest.approx(0.72 / 0.74)
    assert expected_auc([1.0, 2.0], [0.9, 0.2]) == pytest.approx(0.02 / 0.74)
    assert expected_auc([1.0, 1.0], [0.9, 0.2]) == pytest.approx(0.5)


def test_it_is_the_ratio_of_the_sums_over_all_pairs():
    rng = np.random.default_rng(0)
    p, s = rng.random(40), rng.integers(0, 9, 40).astype(float)
    won = np.where(s[:, None] > s, 1.0, np.where(s[:, None] == s, 0.5, 0.0))
    weight = p[:, None] * (1 - p)
    np.fill_diagonal(weight, 0)
    assert expected_auc(s, p) == pytest.approx((won * weight).sum() / weight.sum())


def test_it_is_what_scikit_learn_finds_on_average():
    rng = np.random.default_rng(1)
    p = rng.random(400)
    s = p + rng.normal(0, 0.3, 400)
    found = [roc_auc_score(rng.random(400) < p, s) for _ in range(400)]
    assert expected_auc(s, p) == pytest.approx(np.mean(found), abs=0.003)


def test_no_score_beats_the_true_probability():
    rng = np.random.default_rng(2)
    p = rng.random(300)
    limit = bayes_auc(p)
    assert limit.low < limit.value < limit.high
    for noise in (0.01, 0.1, 1.0):
        assert expected_auc(p + rng.normal(0, noise, 300), p) < limit.value
    assert expected_auc(p**3, p) == pytest.approx(limit.value)  # only the order counts


def test_ndcg_of_the_true_order_is_what_scikit_learn_finds_on_average():
    rng = np.random.default_rng(3)
    p, users = rng.random((20, 15)), np.repeat(np.arange(20), 15)
    found = []
    for _ in range(300):
        y = (rng.random(p.shape) < p).astype(float)
        found.append(ndcg_score(y[y.any(axis=1)], p[y.any(axis=1)], k=10))
    limit = bayes_ndcg(p.ravel(), users, k=10, n_draws=300)
    assert limit.value == pytest.approx(np.mean(found), abs=0.003)
    worse = bayes_ndcg(p.ravel(), users, k=10, n_draws=300, scores=-p.ravel())
    assert worse.value < limit.low


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"not of shapes \(2,\) and \(3,\)"):
        expected_auc([1.0, 2.0], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="must be finite"):
        expected_auc([np.nan, 2.0], [0.1, 0.2])
    with pytest.raises(ValueError, match="between 0 and 1"):
        expected_auc([1.0, 2.0], [0.1, 1.2])
    with pytest.raises(ValueError, match="can end differently"):
        expected_auc([1.0, 2.0], [1.0, 1.0])
