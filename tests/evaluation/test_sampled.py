"""One held-out item among drawn ones: hand numbers, and the closed form against the draw."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data import Interactions, leave_last_out
from avrec_lib.evaluation import paired_difference, per_user
from avrec_lib.evaluation.sampled import (
    draw_negatives,
    expected_metrics,
    items_ahead,
    metrics_of_ranks,
    sampled_per_user,
)
from avrec_lib.recommenders import Popularity
from avrec_lib.recommenders.base import top_k

NONE = np.zeros((1, 4), dtype=bool)


def table(n_users=60, n_items=40, seed=0):
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, n_items + 1)
    rows = [rng.choice(n_items, size=8, replace=False, p=share / share.sum()) for _ in range(n_users)]
    users = np.repeat(np.arange(n_users), 8)
    frame = pd.DataFrame({"user_id": users, "item_id": np.concatenate(rows), "time": np.arange(len(users))})
    return Interactions.from_frame(frame, timestamp="time")


@pytest.fixture(scope="module")
def fitted():
    split = leave_last_out(table())
    return Popularity().fit(split.train), split


def test_items_with_a_higher_score_stand_ahead_and_ties_go_by_index():
    ahead = items_ahead([[3.0, 1.0, 1.0, 1.0]], [2], NONE)
    np.testing.assert_array_equal(ahead, [[True, True, False, False]])


def test_a_barred_item_never_stands_ahead():
    barred = np.array([[True, False, False, False]])
    assert items_ahead([[3.0, 1.0, 2.0, 1.0]], [2], barred).sum() == 0


def test_the_rank_is_the_place_in_the_books_own_list():
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 5, size=(30, 12)).astype(np.float32)  # many ties
    wanted = rng.integers(0, 12, size=30)
    ranks = 1 + items_ahead(scores, wanted, np.zeros(scores.shape, dtype=bool)).sum(axis=1)
    places = [1 + one.tolist().index(w) for one, w in zip(top_k(scores, 12), wanted, strict=True)]
    np.testing.assert_array_equal(ranks, places)


def test_a_barred_wanted_item_is_refused():
    with pytest.raises(ValueError, match=r"row 0: the wanted item 2 is barred"):
        items_ahead([[1.0, 1.0, 1.0, 1.0]], [2], np.ones((1, 4), dtype=bool))


def test_a_score_of_nan_is_refused():
    with pytest.raises(ValueError, match="NaN, which has no rank"):
        items_ahead([[np.nan, 1.0, 1.0, 1.0]], [2], NONE)


def test_neither_the_wanted_nor_a_barred_item_is_drawn():
    drawn = draw_negatives([2], np.array([[False, True, False, False]]), 500)
    assert drawn.shape == (1, 500)
    assert set(drawn[0].tolist()) == {0, 3}


def test_items_are_drawn_in_proportion_to_their_weights():
    drawn = draw_negatives([0], NONE, 40_000, weights=[9, 1, 0, 3])
    np.testing.assert_allclose(np.bincount(drawn[0], minlength=4) / 40_000, [0, 0.25, 0, 0.75], atol=0.01)


def test_one_item_that_can_be_drawn_is_drawn_again_and_again():
    barred = np.array([[False, False, True, True]])
    assert (draw_negatives([0], barred, 7) == 1).all()


def test_a_seed_names_the_draw():
    one, same, other = (draw_negatives([0], NONE, 50, seed=seed) for seed in (3, 3, 4))
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize(
    ("barred", "n", "weights", "message"),
    [
        (NONE, 0, None, "at least 1, not 0"),
        (NONE, 1, [1, -1, 1, 1], "negative or not finite"),
        (NONE, 1, [1, np.inf, 1, 1], "negative or not finite"),
        (~NONE, 1, None, "row 0: no item is left to draw"),
        (NONE, 1, [1, 0, 0, 0], "row 0: no item is left to draw"),
    ],
)
def test_a_draw_that_cannot_be_made_says_why(barred, n, weights, message):
    with pytest.raises(ValueError, match=message):
        draw_negatives([0], barred, n, weights)


def test_metrics_of_single_ranks():
    metrics = metrics_of_ranks([1, 3, 10, 11])
    np.testing.assert_array_equal(metrics["HR@10"], [1, 1, 1, 0])
    np.testing.assert_allclose(metrics["NDCG@10"], [1, 0.5, 1 / np.log2(11), 0])


def test_expectation_for_one_drawn_item_by_hand():
    metrics = expected_metrics([0.25], 1, k=1)  # ahead with chance 1/4: first with chance 3/4
    assert metrics["HR@1"] == pytest.approx(0.75)
    metrics = expected_metrics([0.25], 1, k=10)
    assert metrics["HR@10"] == pytest.approx(1)
    assert metrics["NDCG@10"] == pytest.approx(0.75 + 0.25 / np.log2(3))


def test_with_one_negative_the_expected_hit_rate_at_1_is_the_auc(fitted):
    model, split = fitted
    ours = sampled_per_user(model, split, 1, k=1, seed=None)["HR@1"]
    scores = model.score(split.test.users)
    assert (np.diff(np.sort(scores, axis=1)) == 0).any()  # where scores tie, AUC counts a half: compare the rest
    full = per_user(model, split, fitted=True)
    seen = split.train.matrix()[split.test.users].toarray() != 0
    own = scores[np.arange(len(scores)), split.test.items][:, None]
    untied = ((scores == own) & ~seen).sum(axis=1) == 1
    np.testing.assert_allclose(ours[untied], full["AUC"][untied], rtol=1e-6)


@pytest.mark.parametrize("popular", [False, True])
def test_the_closed_form_is_the_mean_of_many_draws(fitted, popular):
    model, split = fitted
    expected = sampled_per_user(model, split, 12, k=3, popular=popular, seed=None)
    draws = [sampled_per_user(model, split, 12, k=3, popular=popular, seed=seed) for seed in range(150)]
    for metric in ("HR@3", "NDCG@3"):
        mean = np.mean([one[metric] for one in draws], axis=0)
        np.testing.assert_allclose(mean, expected[metric], atol=0.17)  # 4 standard errors of one user at most
        assert mean.mean() == pytest.approx(expected[metric].mean(), abs=0.01)


def test_the_rank_among_all_is_kept_when_every_other_item_is_met_once():
    """Equal weights: the share ahead is (R − 1)/(N − 1)."""
    scores, wanted = np.array([[5.0, 4.0, 3.0, 2.0]]), [2]
    ahead = items_ahead(scores, wanted, NONE)
    assert ahead.sum() / 3 == pytest.approx((3 - 1) / (4 - 1))


def test_the_table_can_be_compared_pairwise(fitted):
    model, split = fitted
    one = sampled_per_user(model, split, 5)
    assert paired_difference(one, one).mean == 0
    assert one["user_id"].tolist() == per_user(model, split, fitted=True)["user_id"].tolist()


def test_popular_negatives_are_harder_for_popularity(fitted):
    model, split = fitted
    uniform, popular = (sampled_per_user(model, split, 10, popular=p, seed=None) for p in (False, True))
    assert popular["NDCG@10"].mean() < uniform["NDCG@10"].mean()


def test_several_test_rows_of_a_user_are_refused(fitted):
    model, split = fitted
    with pytest.raises(ValueError, match="several test rows"):
        sampled_per_user(model, type(split)(split.test, split.train, "turned round"), 5)


def test_a_model_of_another_table_is_refused(fitted):
    with pytest.raises(ValueError, match="was not fitted on the train table"):
        sampled_per_user(Popularity().fit(table(seed=5)), fitted[1], 5)
