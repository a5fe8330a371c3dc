"""The protocol on tables small enough to check by eye, and on MovieLens."""

import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from avrec_lib.data import Interactions
from avrec_lib.data.splits import Split, k_core, last_fraction, leave_last_out, random_k_fold, time_cut
from avrec_lib.evaluation import (
    auc,
    average_precision_at_k,
    coverage,
    evaluate,
    hit_rate_at_k,
    intra_list_diversity,
    mae,
    ndcg_at_k,
    novelty,
    paired_difference,
    per_user,
    precision_at_k,
    protocol,
    recall_at_k,
    reciprocal_rank_at_k,
    rmse,
)
from avrec_lib.recommenders.base import NotFittedError, RatingModel, Recommender, top_k


class Given(Recommender):
    """Scores written down beforehand: one row for all users, or one for each."""

    def __init__(self, scores):
        self.scores = np.atleast_2d(np.asarray(scores, dtype=np.float32))

    def _fit(self, train):
        self.table = np.broadcast_to(self.scores, (train.n_users, self.scores.shape[1]))

    def _score(self, users):
        return self.table[users]


class Counts(Recommender):
    """Popularity."""

    def _fit(self, train):
        self.counts = np.bincount(train.items, minlength=train.n_items).astype(np.float32)

    def _score(self, users):
        return np.tile(self.counts, (len(users), 1))


class RowOrder(Counts):
    """Prefers what the training table holds last: as sensitive to the order of rows as can be."""

    def _fit(self, train):
        self.counts = np.zeros(train.n_items, dtype=np.float32)
        self.counts[train.items] = np.arange(len(train))


class GivenRatings(RatingModel):
    """Predicts the same ratings by item for everybody."""

    def __init__(self, ratings):
        self.ratings = np.asarray(ratings, dtype=np.float32)

    def _fit(self, train):
        pass

    def _score(self, users):
        return np.tile(self.ratings, (len(users), 1))

    def _predict(self, users, items):
        return self.ratings[items]


def split_of(train, test, name="by hand", n_items=None):
    """Make a split from (user, item) or (user, item, value) rows of letters and numbers."""
    rows = [(*row, 1)[:3] for row in [*train, *test]]
    items = sorted({str(i) for _, i, _ in rows} | {str(i) for i in range(n_items or 0)}, key=lambda i: (len(i), i))
    users = sorted({u for u, _, _ in rows})
    data = Interactions(
        users=np.array([users.index(u) for u, _, _ in rows], np.int32),
        items=np.array([items.index(str(i)) for _, i, _ in rows], np.int32),
        values=np.array([v for _, _, v in rows], np.float32),
        timestamps=None,
        user_ids=np.array(users),
        item_ids=np.array(items),
    )
    is_test = np.arange(len(rows)) >= len(train)
    return Split(data.select(~is_test), data.select(is_test), name)


def values(table):
    return dict(zip(table["metric"], table["value"], strict=True))


@pytest.fixture
def m6():
    """M6: one user, five items, 0 and 1 met in training, 2 in the test table."""
    return split_of([("A", 0), ("A", 1)], [("A", 2)], n_items=5)


@pytest.fixture(scope="module")
def movies(ml100k):
    return last_fraction(ml100k.interactions)


# -- what is ranked


def test_items_met_in_training_are_not_recommended(m6):
    """M6: [2, 3] at k=2, precision .5, recall 1; unfiltered [0, 1], precision 0."""
    model = Given([0.9, 0.8, 0.7, 0.6, 0.5])
    found = values(evaluate(model, m6, k=2))
    assert (found["Precision@2"], found["Recall@2"]) == (0.5, 1)
    unfiltered = values(evaluate(model, m6, k=2, exclude_seen=False))
    assert (unfiltered["Precision@2"], unfiltered["Recall@2"]) == (0, 0)


def test_a_short_list_stays_short(m6):
    """M6: k=4 gives 2, 3, 4: three of five items are shown, and the fourth place is a miss."""
    found = values(evaluate(Given([0.9, 0.8, 0.7, 0.6, 0.5]), m6, k=4))
    assert found["Precision@4"] == 1 / 4
    assert found["Coverage@4"] == 3 / 5


def test_auc_is_over_all_items_the_user_has_not_met(m6):
    model = Given([0.9, 0.8, 0.6, 0.7, 0.6])  # of the unmet 3 > 2 = 4
    assert values(evaluate(model, m6, k=1))["AUC"] == 0.25
    assert values(evaluate(model, m6, k=1, exclude_seen=False))["AUC"] == 0.125


# -- who is counted


def test_a_user_without_relevant_test_items_is_left_out_and_counted():
    """M2: precision .5 and recall 1 from A alone; never .75."""
    split = split_of([("A", 2), ("B", 2)], [("A", 0)], n_items=3)
    table = evaluate(Given([3, 2, 1]), split, k=2)
    assert values(table)["Precision@2"] == 0.5
    assert values(table)["Recall@2"] == 1
    assert (table["n_evaluated"] == 1).all()
    assert (table["n_skipped"] == 1).all()


def test_test_rows_below_min_value_are_not_relevant():
    """M2: B's only test row is a dislike, so B has nothing to find."""
    split = split_of([("A", 2), ("B", 2)], [("A", 0, 5), ("A", 1, 2), ("B", 0, 1)], n_items=4)
    table = evaluate(Given([3, 2, 1, 0]), split, k=2, min_value=4)
    assert values(table)["Precision@2"] == 0.5
    assert values(table)["AUC"] == 1  # the disliked item 1 is one of the others
    assert table["n_evaluated"].tolist() == [1] * len(table)
    assert table["n_skipped"].tolist() == [1] * len(table)
    rows = per_user(Given([3, 2, 1, 0]), split, k=2, min_value=4)
    assert rows["n_relevant"].tolist() == [1, 0]
    assert rows["n_test"].tolist() == [2, 1]
    assert rows["NDCG@2"].isna().tolist() == [False, True]


def test_a_test_table_in_which_nobody_likes_anything_is_refused():
    """M2: a message, not a ZeroDivisionError."""
    split = split_of([("A", 2)], [("A", 0, 3)])
    with pytest.raises(ValueError, match="'by hand': no user has a relevant test item; no test value reaches 4"):
        evaluate(Given([1, 2, 3]), split, min_value=4)


def test_a_repeated_test_row_changes_no_metric():
    """M4: duplicated (user, x) rows in the test table."""
    once = split_of([("A", 2)], [("A", 0), ("A", 3)], n_items=5)
    twice = split_of([("A", 2)], [("A", 0), ("A", 0), ("A", 3)], n_items=5)
    model = Given([5, 4, 3, 2, 1])
    pd.testing.assert_frame_equal(evaluate(model, once, k=3), evaluate(model, twice, k=3))


def test_a_user_who_likes_everything_unmet_has_no_auc():
    split = split_of([("A", 0), ("B", 0)], [("A", 1), ("A", 2), ("B", 1)])
    table = evaluate(Given([3, 2, 1]), split, k=2).set_index("metric")
    assert table.loc["AUC", ["value", "n_evaluated", "n_skipped"]].tolist() == [1, 1, 1]
    assert table.loc["NDCG@2", "n_evaluated"] == 2


def test_lists_of_one_item_have_no_diversity(m6):
    table = evaluate(Given([5, 4, 3, 2, 1]), m6, k=1).set_index("metric")
    assert np.isnan(table.loc["Diversity@1", "value"])
    assert table.loc["Diversity@1", ["n_evaluated", "n_skipped"]].tolist() == [0, 1]


def test_a_model_that_recommends_nothing_scores_0_and_has_no_novelty(m6):
    table = evaluate(Given([-np.inf] * 5), m6, k=2).set_index("metric")
    assert table.loc[["Precision@2", "NDCG@2", "Coverage@2"], "value"].tolist() == [0, 0, 0]
    assert table.loc["Novelty@2", "n_evaluated"] == 0


# -- the numbers


def test_the_table_holds_what_the_single_functions_give_user_by_user(ml100k):
    core = k_core(ml100k.interactions, 60)
    split = last_fraction(core)
    model = Counts().fit(split.train)
    rows = per_user(model, split, k=7, fitted=True)
    seen, n_met = split.train.matrix(), np.bincount(split.train.items, minlength=core.n_items)
    every = np.arange(core.n_users)
    vectors, lists = seen.T.tocsr(), top_k(model.score(every), 7, seen)
    shared = {"Precision": precision_at_k, "Recall": recall_at_k, "HR": hit_rate_at_k, "NDCG": ndcg_at_k}
    shared |= {"MAP": average_precision_at_k, "MRR": reciprocal_rank_at_k}
    for u in every[::9]:
        liked = split.test.items[split.test.users == u]
        for name, metric in shared.items():
            assert rows[f"{name}@7"][u] == pytest.approx(metric(lists[u], liked, 7), abs=1e-12)
        unmet = np.setdiff1d(np.arange(core.n_items), split.train.items[split.train.users == u])
        assert rows["AUC"][u] == pytest.approx(auc(np.isin(unmet, liked), model.counts[unmet]), abs=1e-12)
        assert rows["Novelty@7"][u] == pytest.approx(novelty(lists[u], n_met, core.n_users))
        assert rows["Diversity@7"][u] == pytest.approx(intra_list_diversity(lists[u], vectors))
    found = values(evaluate(model, split, k=7, fitted=True))
    assert found["Coverage@7"] == coverage(lists, core.n_items)
    for name in shared:
        assert found[f"{name}@7"] == pytest.approx(rows[f"{name}@7"].mean())


def test_rmse_and_mae_of_a_rating_model_are_over_all_test_rows():
    split = split_of([("A", 0, 1), ("B", 0, 5)], [("A", 1, 4), ("A", 2, 2), ("B", 1, 5)])
    table = evaluate(GivenRatings([3, 3, 3]), split, k=2, min_value=4).set_index("metric")
    assert table.loc["RMSE", "value"] == pytest.approx(rmse([4, 2, 5], [3, 3, 3]))
    assert table.loc["MAE", "value"] == pytest.approx(mae([4, 2, 5], [3, 3, 3]))
    assert table.loc[["RMSE", "MAE"], "n_evaluated"].tolist() == [3, 3]
    assert table.loc[["RMSE", "MAE"], "n_skipped"].tolist() == [0, 0]
    rows = per_user(GivenRatings([3, 3, 3]), split, k=2)
    assert rows["squared_error"].tolist() == [2, 4]
    assert rows["absolute_error"].tolist() == [2, 2]


def test_a_model_without_predictions_has_no_rmse(m6):
    assert not set(evaluate(Given([1, 2, 3, 4, 5]), m6)["metric"]) & {"RMSE", "MAE"}


def test_diversity_compares_the_vectors_it_is_given(m6):
    model = Given([5, 4, 3, 2, 1])
    assert values(evaluate(model, m6, k=3, item_vectors=np.ones((5, 2))))["Diversity@3"] == pytest.approx(0)
    assert values(evaluate(model, m6, k=3, item_vectors=sp.csr_array(np.eye(5))))["Diversity@3"] == pytest.approx(1)
    with pytest.raises(ValueError, match="item_vectors has 4 rows for 5 items"):
        evaluate(model, m6, item_vectors=np.eye(4))


def test_scoring_in_batches_changes_nothing(movies, monkeypatch):
    whole = per_user(Counts(), movies)
    monkeypatch.setattr(protocol, "BATCH", 100)
    pd.testing.assert_frame_equal(per_user(Counts(), movies), whole)


def test_popularity_on_the_last_fifth_of_each_user_has_its_known_ndcg(movies):
    assert values(evaluate(Counts(), movies))["NDCG@10"] == pytest.approx(0.119, abs=0.002)


@pytest.mark.parametrize("model", [Counts, RowOrder])
@pytest.mark.parametrize("make", [leave_last_out, last_fraction, time_cut, lambda data: random_k_fold(data)[0]])
def test_shuffling_the_input_rows_changes_no_metric(ml100k, model, make):
    data = ml100k.interactions
    shuffled = data.select(np.random.default_rng(0).permutation(len(data)))
    a, b = (evaluate(model(), make(k_core(rows)), n_boot=20) for rows in (data, shuffled))
    pd.testing.assert_frame_equal(a, b, check_exact=True)


def test_the_tie_rule_decides_the_hit_rate(ml100k):
    core = k_core(ml100k.interactions)
    hits = {
        ties: values(evaluate(Counts(), leave_last_out(core, ties=ties), n_boot=0))["HR@10"]
        for ties in ("hash", "item", "rating")
    }
    assert hits["item"] < 0.06 < hits["hash"] < hits["rating"]


# -- uncertainty


def test_every_mean_lies_within_its_interval(movies):
    table = evaluate(Counts(), movies).set_index("metric").drop("Coverage@10")
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()


def test_coverage_has_no_interval(m6):
    table = evaluate(Given([5, 4, 3, 2, 1]), m6, k=2).set_index("metric")
    assert table.loc["Coverage@2", ["low", "high"]].isna().all()


def test_without_bootstrap_samples_there_is_no_interval(m6):
    assert evaluate(Given([5, 4, 3, 2, 1]), m6, n_boot=0)[["low", "high"]].isna().all(axis=None)


def test_a_seed_repeats_the_interval(movies):
    first, again, other = (evaluate(Counts(), movies, n_boot=50, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first["low"].equals(other["low"])
    assert first["value"].equals(other["value"])


def test_two_models_are_compared_on_the_same_users(movies):
    a, b = per_user(Counts(), movies), per_user(RowOrder(), movies)
    difference = paired_difference(a, b)
    assert difference.mean == pytest.approx(a["NDCG@10"].mean() - b["NDCG@10"].mean())
    assert 0 < difference.low < difference.mean < difference.high


# -- the contract


def test_the_table_names_model_split_and_metrics(m6):
    table = evaluate(Given([5, 4, 3, 2, 1]), m6, k=3)
    expected = ["Precision@3", "Recall@3", "HR@3", "MAP@3", "MRR@3", "NDCG@3", "Novelty@3", "Diversity@3", "AUC"]
    assert table["metric"].tolist() == [*expected, "Coverage@3"]
    assert list(table) == ["model", "split", "metric", "value", "low", "high", "n_evaluated", "n_skipped"]
    assert set(table["model"]) == {"Given"}
    assert set(table["split"]) == {"by hand"}
    named = Given([5, 4, 3, 2, 1])
    named.name = "written down"
    assert set(evaluate(named, m6)["model"]) == {"written down"}


def test_a_model_is_fitted_on_the_training_table(m6):
    model = Counts()
    evaluate(model, m6)
    assert model.train is m6.train


def test_a_model_fitted_on_another_table_is_not_trusted(m6):
    other = split_of([("A", 0), ("A", 1), ("A", 2)], [("A", 3)], n_items=5)
    model = Counts().fit(other.train)
    with pytest.raises(ValueError, match="fitted=True, but Counts was not fitted on the train table of 'by hand'"):
        evaluate(model, m6, fitted=True)
    with pytest.raises(NotFittedError):
        evaluate(Counts(), m6, fitted=True)


def test_evaluation_leaves_the_models_own_scores_alone(m6):
    model = Given([5, 4, 3, 2, 1])
    evaluate(model, m6)
    assert model.score([0]).tolist() == [[5, 4, 3, 2, 1]]


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_positive(m6, k):
    with pytest.raises(ValueError, match="k must be at least 1"):
        evaluate(Counts(), m6, k=k)


def test_scores_of_the_wrong_shape_are_named(m6):
    with pytest.raises(ValueError, match=r"Given\.score gave shape \(1, 4\) instead of \(1, 5\)"):
        evaluate(Given([1, 2, 3, 4]), m6)


def test_scores_and_predictions_that_are_not_numbers_are_refused(m6):
    with pytest.raises(ValueError, match="NaN"):
        evaluate(Given([1, 2, np.nan, 4, 5]), m6)
    ratings = GivenRatings([1, 2, 3, 4, 5])
    ratings._predict = lambda users, items: np.full(len(items), np.nan)
    with pytest.raises(ValueError, match=r"GivenRatings\.predict gave a number that is not finite"):
        evaluate(ratings, m6)


def test_evaluating_943_users_and_1682_items_is_quick(movies):
    model = Counts().fit(movies.train)
    best = min(_seconds(lambda: evaluate(model, movies, fitted=True)) for _ in range(3))
    assert best < 2  # about 0.2 s on an idle core; the room is for a busy machine


def _seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
