"""The closed form, against the least squares it claims to solve."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions
from avrec_lib.data.splits import last_fraction
from avrec_lib.evaluation import evaluate
from avrec_lib.recommenders import EASE
from avrec_lib.recommenders.ease import ease_weights

TRAIN = Interactions.from_frame(
    pd.DataFrame(
        [("u", "a", 5), ("u", "b", 3), ("v", "a", 4), ("v", "b", 2), ("v", "c", 1), ("w", "c", 4)],
        columns=["user_id", "item_id", "rating"],
    )
)


def test_two_items_by_hand():
    """XᵀX = [[2, 1], [1, 3]], λ = 1: column 1 is the ridge regression of item 1 on item 0, 1 / (2 + 1)."""
    B = ease_weights(np.array([[2.0, 1.0], [1.0, 3.0]]), 1.0)
    np.testing.assert_allclose(B, [[0, 1 / 3], [1 / 4, 0]])


@pytest.mark.parametrize("reg", [0.1, 1.0, 30.0])
def test_each_column_is_a_ridge_regression_on_the_other_items(reg):
    """The constraint diag(B) = 0, kept by leaving the item out; solved column by column with lstsq."""
    X = (np.random.default_rng(0).random((15, 6)) < 0.4).astype(float)
    B = ease_weights(X.T @ X, reg)
    for j in range(6):
        others = np.delete(np.arange(6), j)
        A = np.vstack([X[:, others], np.sqrt(reg) * np.eye(5)])  # ‖Xb − x_j‖² + λ‖b‖² as one least squares
        b, *_ = np.linalg.lstsq(A, np.concatenate([X[:, j], np.zeros(5)]))
        assert B[others, j] == pytest.approx(b, abs=1e-10)
        assert B[j, j] == 0


def test_no_other_weights_have_a_smaller_loss():
    rng = np.random.default_rng(1)
    X = (rng.random((20, 5)) < 0.5).astype(float)

    def loss(B):
        return ((X - X @ B) ** 2).sum() + 2 * (B**2).sum()

    B = ease_weights(X.T @ X, 2.0)
    for _ in range(50):
        step = rng.normal(scale=0.01, size=B.shape)
        np.fill_diagonal(step, 0)
        assert loss(B + step) > loss(B)


def test_scores_are_the_users_row_times_the_weights():
    X = TRAIN.matrix().toarray() > 0
    model = EASE(reg=2.0).fit(TRAIN)
    assert model.B.dtype == np.float32
    np.testing.assert_allclose(model.score([2, 0, 1]), (X @ model.B)[[2, 0, 1]], rtol=1e-6)


def test_ratings_can_be_the_entries():
    X = TRAIN.matrix().toarray()
    np.testing.assert_allclose(EASE(2.0, "rating").fit(TRAIN).B, ease_weights((X.T @ X).astype(float), 2.0), rtol=1e-6)


def test_a_user_without_rows_gets_the_counts():
    assert EASE().fit(TRAIN.select(TRAIN.users != 0)).score([0])[0].tolist() == [1, 1, 2]


def test_a_user_alone_with_an_unknown_item_gets_the_counts():
    hermit = Interactions.from_frame(pd.DataFrame({"user_id": list("uvvw"), "item_id": list("xaba"), "rating": 1}))
    assert EASE().fit(hermit).score([0])[0].tolist() == [2, 1, 1]


def test_an_item_without_rows_scores_exactly_0():
    model = EASE(1.0).fit(TRAIN.select(TRAIN.items != 1))
    assert (model.B[1] == 0).all()
    assert (model.B[:, 1] == 0).all()
    assert model.score([0, 1, 2])[:, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("reg", [0, -1, np.nan, np.inf])
def test_the_regularisation_must_be_positive(reg):
    with pytest.raises(ValueError, match="reg must be a positive number"):
        EASE(reg)


def test_an_unknown_kind_of_weight_is_refused():
    with pytest.raises(ValueError, match="not 'raw'"):
        EASE(values="raw")


def test_ease_scores_as_measured_elsewhere(ml100k):
    """NDCG@10 within 2 % of the reference, .203 (λ = 300, the last 20 % of each user)."""
    result = evaluate(EASE(reg=300), last_fraction(ml100k.interactions), n_boot=0).set_index("metric")["value"]
    assert result["NDCG@10"] >= 0.98 * 0.203
