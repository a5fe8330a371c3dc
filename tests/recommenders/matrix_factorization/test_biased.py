import inspect
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions
from avrec_lib.recommenders import base
from avrec_lib.recommenders.matrix_factorization import AlternatingLeastSquares, MatrixFactorization
from avrec_lib.recommenders.matrix_factorization.biased import biased_prediction, check_table, clipped_rmse

MODELS = (MatrixFactorization, AlternatingLeastSquares)


def table_of(rows):
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "rating"]))


@pytest.fixture
def table():
    """Twelve users and nine items in two camps; user 12 and item 9 have no training rows."""
    rng = np.random.default_rng(5)
    rows = [(u, i, float(3 + 1.5 * (-1) ** (u + i) + rng.normal(0, 0.3))) for u in range(1, 13) for i in range(1, 10)]
    whole = table_of(rows)
    kept = (whole.users != 11) & (whole.items != 8) & (rng.random(len(whole)) < 0.8)
    return whole.select(kept)


def test_prediction_by_hand():
    # 3.5 + 0.2 - 0.1 + (1, 2)·(0.5, -0.25) = 3.6
    one = biased_prediction(
        3.5, np.array([0.2]), np.array([-0.1]), np.array([[1.0, 2.0]]), np.array([[0.5, -0.25]]),
        np.array([0]), np.array([0]),
    )  # fmt: skip
    assert one == pytest.approx([3.6])


def test_validation_rmse_is_of_clipped_predictions():
    train = table_of([("a", "x", 1), ("a", "y", 5)])
    assert clipped_rmse(np.array([9.0, -2.0]), train, train) == pytest.approx(4)  # 9 counts as 5, -2 as 1


@pytest.mark.parametrize("model", MODELS)
def test_score_and_predict_are_the_equation(model, table):
    fitted = model(n_factors=2).fit(table)
    r_hat = fitted.mu + fitted.b_u[:, None] + fitted.b_i[None, :] + fitted.P @ fitted.Q.T
    users, items = np.divmod(np.arange(12 * 9), 9)
    assert fitted.score(np.arange(12)) == pytest.approx(r_hat, abs=1e-5)
    clipped = np.clip(r_hat, table.values.min(), table.values.max()).ravel()
    assert fitted.predict(users, items) == pytest.approx(clipped, abs=1e-5)
    assert fitted.score([3, 1]).dtype == fitted.predict([0], [0]).dtype == np.float32
    assert fitted.P.dtype == fitted.Q.dtype == fitted.b_u.dtype == fitted.b_i.dtype == np.float32


@pytest.mark.parametrize("model", MODELS)
def test_cold_users_and_items_get_the_bias_terms_only(model, table):
    fitted = model(n_factors=2).fit(table)
    assert not fitted.P[11].any()
    assert not fitted.Q[8].any()
    assert fitted.b_u[11] == fitted.b_i[8] == 0
    scores = fitted.score([0, 11])
    assert scores[1] == pytest.approx(fitted.mu + fitted.b_i)
    assert scores[0, 8] == pytest.approx(fitted.mu + fitted.b_u[0])
    assert scores[1, 8] == pytest.approx(fitted.mu) == pytest.approx(table.values.mean())


@pytest.mark.parametrize("model", MODELS)
def test_a_rating_of_zero_is_a_rating(model):
    """F4: three ratings, one of them 0; the mean counts it, and the missing fourth isn't a 0."""
    train = table_of([("u0", "i0", 5), ("u1", "i0", 0), ("u0", "i1", 3)])
    fitted = model(n_factors=1).fit(train)
    assert fitted.mu == pytest.approx(8 / 3)  # 4.0 without the zero, 2.0 with the missing entry as 0
    assert fitted.b_u[1] < 0 < fitted.b_u[0]
    assert fitted.predict([1], [0])[0] < fitted.predict([0], [0])[0]


@pytest.mark.parametrize("model", MODELS)
def test_more_factors_than_items_or_users_is_refused_with_the_remedy(model, table):
    with pytest.raises(ValueError, match=r"n_factors=10 is more than the 9 items .* use n_factors of at most 9"):
        model(n_factors=10).fit(table)
    few = table.select(table.users < 3).compact()
    with pytest.raises(ValueError, match="more than the 3 users"):
        model(n_factors=4).fit(few)
    assert model(n_factors=9).fit(table).P.shape == (12, 9)


@pytest.mark.parametrize("model", MODELS)
def test_a_validation_table_with_other_ids_is_refused(model, table):
    other = table_of([("99", "1", 3)])
    with pytest.raises(ValueError, match=r"validation table has other user or item ids .* select\(\)"):
        model(n_factors=2, validation=other).fit(table)
    check_table("model", 2, table, table.select(np.arange(3)))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("n_factors", 0, "n_factors must be a whole number of at least 1, not 0"),
        ("n_factors", -3, "n_factors must"),
        ("n_factors", 2.5, "n_factors must"),
        ("n_factors", True, "n_factors must"),
        ("reg", -0.1, "reg must be a finite number"),
        ("reg", np.nan, "reg must be a finite number"),
        ("reg", None, "reg must be a finite number"),
        ("init_scale", 0, "init_scale must be a finite number above 0, not 0"),
    ],
)
def test_settings_out_of_range_are_named(model, setting, value, message):
    with pytest.raises(ValueError, match=f"{model.__name__}: {message}"):
        model(**{setting: value})


@pytest.mark.parametrize("model", MODELS)
def test_same_seed_same_model_other_seed_other_model_and_no_global_state(model, table):
    """F6: seeds name the result, and nothing else is touched."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (the global state that must not move)
    a, b, c = (model(n_factors=3, seed=seed).fit(table) for seed in (1, 1, 2))
    for name in ("b_u", "b_i", "P", "Q"):
        assert np.array_equal(getattr(a, name), getattr(b, name))
    assert not np.array_equal(a.P, c.P)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_the_rows_changes_nothing(model, table):
    shuffled = table.select(np.random.default_rng(0).permutation(len(table)))
    a, b = model(n_factors=3).fit(table), model(n_factors=3).fit(shuffled)
    assert np.array_equal(a.score(np.arange(12)), b.score(np.arange(12)))


@pytest.mark.parametrize("model", MODELS)
def test_history_has_one_row_a_pass_and_the_validation_error_that_predict_makes(model, table):
    held_out = table.select(np.arange(0, len(table), 5))
    train = table.select(np.arange(len(table)) % 5 > 0)
    fitted = model(n_factors=2, validation=held_out).fit(train)
    passes = getattr(fitted, "n_epochs", getattr(fitted, "n_iterations", None))
    assert list(fitted.history_.columns) == ["epoch", "train_rmse", "validation_rmse"]
    assert list(fitted.history_["epoch"]) == list(range(1, passes + 1))
    errors = fitted.predict(held_out.users, held_out.items) - held_out.values
    assert fitted.history_["validation_rmse"].iloc[-1] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
    assert np.array_equal(fitted.P, model(n_factors=2).fit(train).P)  # validation rows are never learnt from


@pytest.mark.parametrize("model", MODELS)
def test_a_progress_bar_is_shown_on_request(model, table, capsys):
    model(n_factors=2).fit(table)
    assert capsys.readouterr().err == ""
    model(n_factors=2, progress=True).fit(table)
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize("model", MODELS)
def test_an_interrupted_fit_leaves_no_half_model(model, table, monkeypatch):
    module = __import__(model.__module__, fromlist=["tqdm"])

    def interrupted(epochs, **_):
        yield next(iter(epochs))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "tqdm", interrupted)
    half = model(n_factors=2)
    with pytest.raises(KeyboardInterrupt):
        half.fit(table)
    with pytest.raises(base.NotFittedError):
        half.score([0])
    assert not hasattr(half, "P")


@pytest.mark.parametrize("model", MODELS)
def test_recommends_the_unseen_item_of_the_users_own_camp(model, table):
    settings = {"n_factors": 2, "reg": 0.01} | ({"n_epochs": 400} if model is MatrixFactorization else {})
    camps = table.select(~((table.users == 0) & (table.items <= 1)))
    best = base.recommend(model(**settings).fit(camps), ["1"], k=2)
    assert best["item_id"].iloc[0] == "1"  # user 1 likes odd items; 1 and 2 are unseen


@pytest.mark.parametrize("model", MODELS)
def test_the_defaults_are_the_settings_chosen_on_inner_folds(model):
    record = Path(__file__).parents[3] / "data" / "benchmarks" / "selection_explicit.json"
    chosen = json.loads(record.read_text(encoding="utf-8"))[model.__name__]["chosen"]
    del chosen["validation_rmse"]
    defaults = inspect.signature(model).parameters
    assert chosen == {name: defaults[name].default for name in chosen}
