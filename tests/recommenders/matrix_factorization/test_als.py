import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions, official_folds
from avrec_lib.evaluation import rmse
from avrec_lib.recommenders.matrix_factorization import AlternatingLeastSquares


@pytest.fixture
def table():
    """Forty users, thirty items, half of the ratings; the last user and the last item have none."""
    rng = np.random.default_rng(2)
    R = np.clip(np.round(3 + rng.normal(size=(40, 2)) @ rng.normal(size=(2, 30))), 1, 5)
    users, items = np.divmod(np.arange(1200), 30)
    whole = Interactions.from_frame(pd.DataFrame({"user_id": users, "item_id": items, "rating": R.ravel()}))
    return whole.select((rng.random(1200) < 0.5) & (users < 39) & (items < 29))


@pytest.mark.parametrize("n_threads", [2, 3, 64])
def test_the_number_of_threads_changes_nothing(table, n_threads):
    one, many = (AlternatingLeastSquares(3, n_threads=n).fit(table) for n in (1, n_threads))
    for name in ("b_u", "b_i", "P", "Q"):
        assert np.array_equal(getattr(one, name), getattr(many, name))


def objective(model, table):
    errors = table.values - model.score(np.arange(table.n_users))[table.users, table.items]
    total = np.sum(errors.astype(float) ** 2)
    for index, b, V in ((table.users, model.b_u, model.P), (table.items, model.b_i, model.Q)):
        n = np.bincount(index, minlength=len(b))
        total += model.reg * np.sum(n**model.reg_power * (b**2 + (V**2).sum(axis=1)))
    return total


@pytest.mark.parametrize("reg_power", [0.0, 0.5, 1.0])
def test_the_objective_never_rises(table, reg_power):
    settings = {"n_factors": 3, "reg": 0.5, "reg_power": reg_power}
    values = [objective(AlternatingLeastSquares(n_iterations=n, **settings).fit(table), table) for n in range(1, 9)]
    assert (np.diff(values) < 1e-4).all()
    assert values[-1] < values[0]


def test_a_half_step_reaches_its_minimum(table):
    """After a fit the item side is optimal: moving it in any direction raises the objective."""
    model = AlternatingLeastSquares(n_factors=3, reg=0.5).fit(table)
    best, rng = objective(model, table), np.random.default_rng(0)
    for _ in range(5):
        model.Q += (step := rng.normal(0, 0.05, model.Q.shape).astype(np.float32))
        assert objective(model, table) > best
        model.Q -= step


def test_the_training_error_of_the_history_is_that_of_the_model(table):
    model = AlternatingLeastSquares(n_factors=3).fit(table)
    errors = table.values - model.score(np.arange(40))[table.users, table.items]
    assert model.history_["train_rmse"].iloc[-1] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)


@pytest.mark.parametrize(
    ("setting", "value"), [("reg", 0), ("reg_power", -1), ("n_iterations", 0), ("reg_power", np.nan)]
)
def test_penalty_and_iterations_are_checked(setting, value):
    with pytest.raises(ValueError, match=f"AlternatingLeastSquares: {setting} must be"):
        AlternatingLeastSquares(**{setting: value})


def test_rmse_on_the_official_folds(ml100k):
    """The defaults, chosen on inner folds, reach the promised error on u1 to u5."""
    errors = []
    for fold in official_folds(ml100k.interactions):
        model = AlternatingLeastSquares().fit(fold.train)
        errors.append(rmse(fold.test.values, model.predict(fold.test.users, fold.test.items)))
    assert np.mean(errors) < 0.918
