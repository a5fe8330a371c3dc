import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import ks_2samp, wishart
from sklearn.linear_model import BayesianRidge

from avrec_lib.recommenders.matrix_factorization.gibbs import (
    draw_normal_wishart,
    draw_rows,
    draw_wishart,
    normal_wishart_posterior,
    posterior_of_user,
)

M = np.array([0.5, -1.0, 0.3])  # prior mean
LAMBDA = np.array([[2.0, 0.5, 0.0], [0.5, 1.5, 0.2], [0.0, 0.2, 1.0]])  # prior precision
ALPHA = 1.7


@pytest.fixture
def ratings():
    """Ten users with 0 to 9 ratings of twelve items, and the items' vectors."""
    rng = np.random.default_rng(0)
    indices = np.concatenate([rng.permutation(12)[:n] for n in range(10)])
    R = sp.csr_array((rng.normal(size=45), indices, np.append(0, np.cumsum(np.arange(10)))), shape=(10, 12))
    return R, rng.normal(size=(12, 3))


def regression_of(R, items, user):
    """Return F and s of one user."""
    row = slice(R.indptr[user], R.indptr[user + 1])
    rated = items[R.indices[row]]
    return np.column_stack([np.ones(len(rated)), rated[:, 1:]]), R.data[row] - rated[:, 0]


def test_one_posterior_by_hand():
    # prior N(0, 1), two observations 1 and 3 of precision 2: precision 1 + 2·2 = 5, mean 2·(1 + 3) / 5
    mean, covariance = posterior_of_user(np.ones((2, 1)), np.array([1.0, 3.0]), 2.0, np.zeros(1), np.eye(1))
    assert mean == pytest.approx([1.6])
    assert covariance == pytest.approx(np.array([[0.2]]))


def test_the_posterior_is_scikit_learns_bayesian_ridge():
    rng = np.random.default_rng(1)
    F = rng.normal(size=(30, 3))
    s = F @ [1.0, -2.0, 0.5] + rng.normal(size=30)
    peer = BayesianRidge(fit_intercept=False).fit(F, s)  # finds its own precisions; we take them over
    mean, covariance = posterior_of_user(F, s, peer.alpha_, np.zeros(3), peer.lambda_ * np.eye(3))
    assert mean == pytest.approx(peer.coef_)
    assert covariance == pytest.approx(peer.sigma_)


def test_without_ratings_the_posterior_is_the_prior():
    mean, covariance = posterior_of_user(np.empty((0, 3)), np.empty(0), ALPHA, M, LAMBDA)
    assert mean == pytest.approx(M)
    assert covariance == pytest.approx(np.linalg.inv(LAMBDA))


@pytest.mark.parametrize("draw", [draw_rows, draw_rows.py_func], ids=["compiled", "py_func"])
def test_a_draw_is_the_posterior_mean_plus_noise_of_the_posterior_covariance(ratings, draw):
    R, items = ratings
    z = np.random.default_rng(2).normal(size=(10, 3))
    users = np.full((10, 3), np.nan)
    squared_error = draw(R.indptr, R.indices, R.data, items, ALPHA, M, LAMBDA, z, users)
    errors = []
    for u in range(10):  # 0 to 9 ratings: every remainder of four
        F, s = regression_of(R, items, u)
        mean, covariance = posterior_of_user(F, s, ALPHA, M, LAMBDA)
        root = np.linalg.cholesky(np.linalg.inv(covariance))  # Λ* = L Lᵀ, so L⁻ᵀ z has covariance Λ*⁻¹
        assert users[u] == pytest.approx(mean + np.linalg.solve(root.T, z[u]))
        errors.append(s - F @ users[u])
    assert squared_error == pytest.approx(np.sum(np.concatenate(errors) ** 2))


def test_many_draws_have_the_moments_of_the_posterior(ratings):
    R, items = ratings
    F, s = regression_of(R, items, 6)
    n = 20_000
    same = sp.csr_array(
        (np.tile(s + items[R.indices[15:21], 0], n), np.tile(R.indices[15:21], n), np.arange(0, 6 * n + 1, 6))
    )
    users = np.empty((n, 3))
    z = np.random.default_rng(3).normal(size=users.shape)
    draw_rows(same.indptr, same.indices, same.data, items, ALPHA, M, LAMBDA, z, users)
    mean, covariance = posterior_of_user(F, s, ALPHA, M, LAMBDA)
    standard_error = np.sqrt(np.diag(covariance) / n)
    assert (np.abs(users.mean(axis=0) - mean) < 4 * standard_error).all()
    assert np.cov(users.T) == pytest.approx(covariance, abs=0.02)


def test_a_posterior_draw_from_simulated_ratings_is_a_draw_from_the_prior(ratings):
    # Geweke's idea, for one conditional: x from the prior, ratings from x, x' from its posterior; then x' ~ prior.
    R, items = ratings
    F, _ = regression_of(R, items, 7)
    rated, n = R.indices[21:28], 4000
    rng = np.random.default_rng(4)
    prior = rng.multivariate_normal(M, np.linalg.inv(LAMBDA), n)
    s = prior @ F.T + rng.normal(size=(n, 7)) / ALPHA**0.5 + items[rated, 0]
    drawn = np.empty((n, 3))
    z = rng.normal(size=drawn.shape)
    draw_rows(np.arange(0, 7 * n + 1, 7), np.tile(rated, n), s.ravel(), items, ALPHA, M, LAMBDA, z, drawn)
    fresh = rng.multivariate_normal(M, np.linalg.inv(LAMBDA), n)
    for coordinate in range(3):
        assert ks_2samp(drawn[:, coordinate], fresh[:, coordinate]).pvalue > 0.001


def test_one_normal_wishart_update_by_hand():
    # x = 1, 3; μ₀ = 0, β₀ = 2, W₀⁻¹ = 1, ν₀ = 1: x̄ = 2, N S̄ = 2, shrinkage term (2·2 / 4)·2² = 4
    mean, strength, scale_inverse, dof = normal_wishart_posterior(
        np.array([[1.0], [3.0]]), np.zeros(1), 2.0, np.eye(1), 1.0
    )
    assert mean == pytest.approx([1.0])
    assert strength == 4
    assert scale_inverse == pytest.approx(np.array([[7.0]]))
    assert dof == 3


def test_two_updates_with_half_the_vectors_are_one_with_all():
    X = np.random.default_rng(5).normal(size=(9, 3))
    prior = np.zeros(3), 2.0, np.eye(3), 3.0
    once = normal_wishart_posterior(X, *prior)
    twice = normal_wishart_posterior(X[4:], *normal_wishart_posterior(X[:4], *prior))
    for a, b in zip(once, twice, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_wishart_draws_have_scipys_moments():
    rng = np.random.default_rng(6)
    W = np.linalg.inv(LAMBDA)
    draws = np.array([draw_wishart(LAMBDA, 7.0, rng) for _ in range(3000)])
    reference = wishart(df=7, scale=W)
    standard_error = np.sqrt(reference.var() / 3000)
    assert (np.abs(draws.mean(axis=0) - reference.mean()) < 4 * standard_error).all()
    assert draws.var(axis=0) == pytest.approx(reference.var(), rel=0.2)
    assert (np.linalg.eigvalsh(draws) > 0).all()


def test_the_mean_of_a_normal_wishart_draw_scatters_by_its_own_precision():
    rng = np.random.default_rng(7)
    draws = [draw_normal_wishart(M, 4.0, LAMBDA, 9.0, rng) for _ in range(3000)]
    whitened = np.array([np.linalg.cholesky(4 * precision).T @ (m - M) for m, precision in draws])  # (3000, 3)
    assert np.cov(whitened.T) == pytest.approx(np.eye(3), abs=0.1)
    assert whitened.mean(axis=0) == pytest.approx(np.zeros(3), abs=0.08)


def test_hyper_parameters_drawn_after_simulated_vectors_follow_their_prior():
    # Geweke's idea for the upper level: (m, Λ) from the prior, vectors from it, (m', Λ') from its posterior.
    rng = np.random.default_rng(8)
    prior = np.zeros(2), 2.0, np.eye(2), 4.0
    before, after = [], []
    for _ in range(1500):
        m, precision = draw_normal_wishart(*prior, rng)
        X = m + np.linalg.solve(np.linalg.cholesky(precision).T, rng.normal(size=(2, 5))).T  # (5, 2)
        again, precision_again = draw_normal_wishart(*normal_wishart_posterior(X, *prior), rng)
        before.append([m[0], precision[0, 1], np.linalg.slogdet(precision)[1]])
        after.append([again[0], precision_again[0, 1], np.linalg.slogdet(precision_again)[1]])
    for a, b in zip(np.array(before).T, np.array(after).T, strict=True):
        assert ks_2samp(a, b).pvalue > 0.001
