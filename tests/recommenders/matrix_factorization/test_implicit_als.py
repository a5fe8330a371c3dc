import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from avrec_lib.data import Interactions, last_fraction
from avrec_lib.evaluation import evaluate
from avrec_lib.recommenders import NotFittedError, Popularity, recommend, similar_items
from avrec_lib.recommenders.matrix_factorization import ImplicitALS, implicit_als
from avrec_lib.recommenders.matrix_factorization.implicit_als import implicit_loss, solve_user


@pytest.fixture
def table():
    """Sixty users of two tastes, twenty items, values 1 to 3; the last user and the last item have no rows."""
    rng = np.random.default_rng(3)
    u, i = np.divmod(np.arange(60 * 20), 20)
    chance = np.where((u < 30) == (i < 10), 0.6, 0.1)
    rows = pd.DataFrame({"user_id": u, "item_id": i, "rating": rng.integers(1, 4, len(u))})
    return Interactions.from_frame(rows).select((rng.random(len(u)) < chance) & (u < 59) & (i < 19))


def test_one_user_by_hand():
    # Y = (1, 2), so YᵀY = 5. Item 0 was met once, α = 4: c = 5. A = 5 + (5 - 1)·1 + 1 = 10, b = 5·1.
    x = solve_user(np.array([[1.0]]), np.array([1.0]), np.array([[5.0]]), alpha=4, reg=1)
    assert x == pytest.approx([0.5])


def test_a_user_is_scikit_learns_ridge_weighted_by_confidence_over_all_items():
    rng = np.random.default_rng(0)
    Y, r = rng.normal(size=(12, 3)), np.array([2, 1, 3] + [0] * 9)
    dense = Ridge(alpha=0.7, fit_intercept=False).fit(Y, r > 0, sample_weight=1 + 1.5 * r)
    assert solve_user(Y[:3], r[:3], Y.T @ Y, alpha=1.5, reg=0.7) == pytest.approx(dense.coef_)


def test_the_loss_by_hand():
    R = sp.csr_array(np.array([[1.0, 0.0]]))
    X, Y = np.array([[0.5]]), np.array([[1.0], [1.0]])
    # met: (1 + 3)(1 - 0.5)² = 1; not met: 0.5² = 0.25; penalty 2 (0.25 + 1 + 1) = 4.5
    assert implicit_loss(R, X, Y, alpha=3, reg=2) == pytest.approx(5.75)
    # with ν = 1 each norm counts as often as there are interactions: 1, 1 and 0 times
    assert implicit_loss(R, X, Y, alpha=3, reg=2, reg_power=1) == pytest.approx(1.25 + 2 * 1.25)


def test_the_loss_is_the_sum_over_all_pairs():
    rng = np.random.default_rng(1)
    dense = rng.integers(0, 3, (7, 5))
    X, Y = rng.normal(size=(7, 2)), rng.normal(size=(5, 2))
    every_pair = np.sum((1 + 2 * dense) * ((dense > 0) - X @ Y.T) ** 2) + 0.3 * (np.sum(X**2) + np.sum(Y**2))
    assert implicit_loss(sp.csr_array(dense.astype(float)), X, Y, alpha=2, reg=0.3) == pytest.approx(every_pair)


@pytest.mark.parametrize("solver", ["cg", "exact"])
@pytest.mark.parametrize("reg_power", [0.0, 0.5, 1.0])
def test_the_objective_never_rises(table, solver, reg_power):
    model = ImplicitALS(4, solver=solver, reg_power=reg_power, track_loss=True).fit(table)
    loss = model.history_["loss"].to_numpy()
    assert (np.diff(loss) <= 1e-6 * loss[:-1]).all()  # rounding of the float32 factors
    assert list(model.history_["iteration"]) == list(range(1, 16))


def test_both_solvers_end_at_the_same_scores(table):
    few, exact = (ImplicitALS(2, n_iterations=60, solver=s).fit(table) for s in ("cg", "exact"))
    assert few.score(np.arange(59)) == pytest.approx(exact.score(np.arange(59)), abs=1e-3)


def test_one_iteration_solves_the_users_and_then_the_items(table):
    model = ImplicitALS(3, n_iterations=1, solver="exact", reg=0.4, alpha=2, reg_power=0).fit(table)
    likes = table.matrix().toarray() > 0
    for item in range(table.n_items):
        dense = Ridge(alpha=0.4, fit_intercept=False).fit(model.X, likes[:, item], sample_weight=1 + 2 * likes[:, item])
        assert model.Y[item] == pytest.approx(dense.coef_, abs=1e-4)


def test_the_penalty_grows_with_the_number_of_interactions(table):
    model = ImplicitALS(3, n_iterations=1, solver="exact", reg=0.4, alpha=2, reg_power=0.5).fit(table)
    likes = table.matrix().toarray() > 0
    reg = 0.4 * likes[:, 0].sum() ** 0.5
    dense = Ridge(alpha=reg, fit_intercept=False).fit(model.X, likes[:, 0], sample_weight=1 + 2 * likes[:, 0])
    assert model.Y[0] == pytest.approx(dense.coef_, abs=1e-4)


def test_users_get_the_items_of_their_own_taste(table):
    best = recommend(ImplicitALS(2).fit(table), ["0", "40"], k=3, exclude_seen=False)
    assert (best.loc[best["user_id"] == "0", "item_id"].astype(int) < 10).all()
    assert (best.loc[best["user_id"] == "40", "item_id"].astype(int) >= 10).all()


def test_a_binary_model_does_not_see_the_values(table):
    ones = Interactions.from_frame(table.frame()[["user_id", "item_id"]])
    # the ids differ where a user has no rows, so compare the users that both know
    a, b = ImplicitALS(3).fit(table.compact()), ImplicitALS(3).fit(ones)
    np.testing.assert_array_equal(a.X, b.X)


def test_a_value_of_two_is_the_confidence_of_a_doubled_alpha(table):
    twice = Interactions(
        table.users, table.items, np.full(len(table), 2.0, np.float32), None, table.user_ids, table.item_ids
    )
    a = ImplicitALS(3, alpha=2, values="rating").fit(twice)
    b = ImplicitALS(3, alpha=4, values="binary").fit(table)
    np.testing.assert_allclose(a.Y, b.Y, rtol=1e-6)


def test_a_value_of_zero_is_no_interaction_by_value_and_one_by_binary():
    """Field case F4."""
    rows = [("u0", "i0", 5), ("u1", "i0", 0), ("u0", "i1", 3)]
    table = Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "rating"]))
    by_value = ImplicitALS(1, values="rating", solver="exact").fit(table)
    assert by_value.X[1] == 0  # u1 has met nothing
    assert ImplicitALS(1, values="binary", solver="exact").fit(table).X[1] != 0


def test_a_cold_user_gets_the_popular_items_and_a_cold_item_scores_zero(table):
    model = ImplicitALS(3).fit(table)
    cold = model.score([59])
    np.testing.assert_array_equal(cold, Popularity().fit(table).score([59]))
    assert (model.score(np.arange(59))[:, 19] == 0).all()
    assert np.isfinite(model.score(np.arange(60))).all()


def test_a_cold_item_has_no_influence(table):
    a, b = ImplicitALS(3, seed=1).fit(table), ImplicitALS(3, seed=1, n_iterations=16).fit(table)
    assert (a.Y[19] == 0).all()
    assert (b.Y[19] == 0).all()


def test_same_seed_same_factors_other_seed_others_and_the_global_state_is_untouched(table):
    """Field case F6."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not change
    first, again, other = (ImplicitALS(3, seed=s).fit(table) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.X, again.X)
    np.testing.assert_array_equal(first.Y, again.Y)
    assert not np.array_equal(first.X, other.X)
    assert np.linalg.matrix_rank(first.X) == 3
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("solver", ["cg", "exact"])
def test_the_order_of_the_rows_does_not_matter(table, solver):
    order = np.random.default_rng(0).permutation(len(table))
    a, b = (ImplicitALS(3, solver=solver).fit(t) for t in (table, table.select(order)))
    np.testing.assert_array_equal(a.score(np.arange(60)), b.score(np.arange(60)))


def test_implicits_exact_solver_goes_the_same_way_from_the_same_start(table):
    implicit = pytest.importorskip("implicit.cpu.als", reason="the peer is installed with the extra 'bench'")
    threadpoolctl = pytest.importorskip("threadpoolctl")
    R = table.matrix()
    peer_input = sp.csr_matrix((1 + 2 * np.ones_like(R.data), R.indices, R.indptr), shape=R.shape)  # c = 1 + αr
    with threadpoolctl.threadpool_limits(1, "blas"):
        peer = implicit.AlternatingLeastSquares(
            3, regularization=0.3, alpha=1.0, iterations=4, use_cg=False, use_native=False, num_threads=1
        )
    rng = np.random.default_rng(0)
    peer.user_factors = 0.01 * rng.standard_normal((60, 3), dtype=np.float32)
    peer.item_factors = 0.01 * rng.standard_normal((20, 3), dtype=np.float32)
    peer.item_factors[19] = 0
    peer.fit(peer_input, show_progress=False)
    ours = ImplicitALS(3, n_iterations=4, reg=0.3, alpha=2, reg_power=0, solver="exact", seed=0).fit(table)
    assert ours.X[:59] == pytest.approx(peer.user_factors[:59], abs=1e-3)
    assert ours.Y[:19] == pytest.approx(peer.item_factors[:19], abs=1e-3)


def test_movielens_rankings_are_far_better_than_popularity(ml100k):
    split = last_fraction(ml100k.interactions)
    model = ImplicitALS()
    found = evaluate(model, split, n_boot=10).set_index("metric")["value"]
    assert found["NDCG@10"] > 0.19  # popularity has .119
    star_wars, jedi = (
        int(np.flatnonzero(ml100k.items["title"].str.startswith(t))[0]) for t in ("Star Wars", "Return of the Jedi")
    )
    assert jedi in similar_items(model.Y, star_wars, 5)[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_factors": 0}, "n_factors must be a whole number of at least 1"),
        ({"n_iterations": 0}, "n_iterations must be"),
        ({"cg_steps": 0}, "cg_steps must be"),
        ({"reg": 0}, "reg must be a finite number above 0"),
        ({"alpha": -1}, "alpha must be a finite number above 0"),
        ({"alpha": np.nan}, "alpha must be"),
        ({"reg_power": -1}, "reg_power must be a finite number of at least 0"),
        ({"solver": "lu"}, "solver must be 'cg' or 'exact', not 'lu'"),
        ({"values": "centred"}, "values must be 'binary' or 'rating'"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        ImplicitALS(**settings)


def test_more_factors_than_items_are_refused(table):
    with pytest.raises(ValueError, match="n_factors=21 is more than the 20 items"):
        ImplicitALS(21).fit(table)


@pytest.mark.parametrize(
    ("value", "message"), [(-1, "at least 0"), (1e7, "too large for 32-bit numbers"), (0, "no value is above 0")]
)
def test_values_that_are_no_confidence_are_refused(table, value, message):
    bad = Interactions(
        table.users, table.items, np.full(len(table), value, np.float32), None, table.user_ids, table.item_ids
    )
    with pytest.raises(ValueError, match=message):
        ImplicitALS(3, values="rating").fit(bad)


def test_an_interrupted_fit_leaves_a_model_that_is_not_fitted(table, monkeypatch):
    model = ImplicitALS(3, solver="exact").fit(table)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(implicit_als, "solve_rows_exact", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(table)
    with pytest.raises(NotFittedError):
        model.score([0])


def test_the_progress_bar_is_shown_on_request(table, capsys):
    ImplicitALS(3).fit(table)
    assert capsys.readouterr().err == ""
    ImplicitALS(3, progress=True).fit(table)
    assert "15/15" in capsys.readouterr().err


def test_a_fit_leaves_torch_its_number_of_threads(table):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        ImplicitALS(2, n_iterations=1).fit(table)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
