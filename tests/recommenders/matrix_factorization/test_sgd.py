import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions, official_folds
from avrec_lib.evaluation import rmse
from avrec_lib.recommenders.base import NotFittedError
from avrec_lib.recommenders.matrix_factorization import MatrixFactorization
from avrec_lib.recommenders.matrix_factorization.sgd import visiting_order


def as_table(users, items, ratings):
    return Interactions.from_frame(pd.DataFrame({"user_id": users, "item_id": items, "rating": ratings}))


def test_rmse_is_surprise_svds_at_equal_settings(ml100k):
    """With their own random start and order, the two differ by the noise of a seed only."""
    surprise = pytest.importorskip("surprise", reason="the peer library is in the extra 'bench'")
    fold = official_folds(ml100k.interactions)[0]
    train, test = fold.train, fold.test
    frame = pd.DataFrame({"u": train.users, "i": train.items, "r": train.values})
    trainset = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5))).build_full_trainset()
    peer = surprise.SVD(n_factors=20, n_epochs=10, random_state=0).fit(trainset)
    theirs = [peer.predict(u, i).est for u, i in zip(test.users, test.items, strict=True)]
    ours = MatrixFactorization(20, 10, lr=0.005, reg=0.02, init_scale=0.1).fit(train).predict(test.users, test.items)
    assert rmse(test.values, ours) == pytest.approx(rmse(test.values, np.array(theirs)), abs=0.003)


def test_users_are_visited_in_turn_and_both_orders_are_random():
    table = as_table(np.repeat(np.arange(20), 10), np.tile(np.arange(10), 20), np.ones(200))
    order = visiting_order(table, np.random.default_rng(0))
    assert np.array_equal(np.sort(order), np.arange(200))
    users, items = table.users[order].reshape(20, 10), table.items[order].reshape(20, 10)
    assert (users == users[:, :1]).all()
    assert (users[:, 0] != np.arange(20)).any()
    assert (items != np.arange(10)).any(axis=1).all()
    assert not np.array_equal(order, visiting_order(table, np.random.default_rng(1)))


def test_a_low_rank_table_is_recovered():
    rng = np.random.default_rng(0)
    R = 3 + rng.normal(size=(40, 2)) @ rng.normal(size=(2, 30))
    users, items = np.divmod(np.arange(1200), 30)
    seen = rng.random(1200) < 0.7
    table = as_table(users, items, R.ravel())
    model = MatrixFactorization(2, 400, lr=0.02, reg=0.001).fit(table.select(seen))
    hidden = table.select(~seen)
    assert rmse(hidden.values, model.score(np.arange(40))[hidden.users, hidden.items]) < 0.15


def test_training_error_falls_and_is_measured_before_each_step():
    table = as_table(["a", "b"], ["x", "y"], [2.0, 4.0])
    history = MatrixFactorization(1, 30, lr=0.1, reg=0, init_scale=1e-6).fit(table).history_["train_rmse"]
    assert history.iloc[0] == pytest.approx(1)  # nothing is learnt yet: both are 1 off the mean
    assert (history.diff().dropna() < 0).all()


def test_a_learning_rate_that_diverges_is_named_with_the_remedy():
    table = as_table(np.repeat(np.arange(10), 8), np.tile(np.arange(8), 10), np.arange(80) % 5 + 1)
    model = MatrixFactorization(4, lr=5)
    with pytest.raises(ValueError, match=r"diverged in epoch 1: lr=5 is too large .* such as lr=0\.5"):
        model.fit(table)
    with pytest.raises(NotFittedError):
        model.score([0])
    assert not hasattr(model, "P")


def test_a_fit_that_diverges_only_in_its_last_step_is_refused_too():
    with pytest.raises(ValueError, match="diverged in epoch 1"):
        MatrixFactorization(1, 1, lr=3e38).fit(as_table(["a", "b"], ["x", "x"], [1.0, 5.0]))


def test_a_refit_that_fails_does_not_keep_the_old_model():
    table = as_table(np.repeat(np.arange(10), 8), np.tile(np.arange(8), 10), np.arange(80) % 5 + 1)
    model = MatrixFactorization(4).fit(table)
    model.lr = 5.0
    with pytest.raises(ValueError, match="diverged"):
        model.fit(table)
    with pytest.raises(NotFittedError):
        model.predict([0], [0])


@pytest.mark.parametrize(("setting", "value"), [("lr", 0), ("lr", -0.1), ("lr", np.inf), ("n_epochs", 0), ("lr", "x")])
def test_learning_rate_and_epochs_are_checked(setting, value):
    with pytest.raises(ValueError, match=f"MatrixFactorization: {setting} must be"):
        MatrixFactorization(**{setting: value})


def test_no_penalty_is_allowed():
    assert MatrixFactorization(reg=0).reg == 0


def test_rmse_on_the_official_folds(ml100k):
    """The defaults, chosen on inner folds, reach the promised error on u1 to u5."""
    errors = []
    for fold in official_folds(ml100k.interactions):
        model = MatrixFactorization().fit(fold.train)
        errors.append(rmse(fold.test.values, model.predict(fold.test.users, fold.test.items)))
    assert np.mean(errors) < 0.910
