"""The one place that evaluates: fit on train, rank every item a user has not met, compare with test.

Used by every table of results in the book. All items are ranked (against a sample of them the
order of two models can be the opposite one: Krichene and Rendle, 2020), the items met in training
are left out, and every number comes with its uncertainty and with how many users it rests on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data.interactions import Interactions
from avrec_lib.data.splits import Split
from avrec_lib.evaluation.beyond_accuracy import coverage, diversity_of_lists, item_novelty, unit_rows
from avrec_lib.evaluation.bootstrap import interval, names_sums_counts, ratios, resample
from avrec_lib.evaluation.ranking import auc_of_rows, metrics_of_hits
from avrec_lib.recommenders.base import RatingModel, Recommender, top_k

BATCH = 512  # users scored at a time: memory is bounded by a few tables of 512 × n_items


def evaluate(
    model: Recommender,
    split: Split,
    k: int = 10,
    *,
    fitted: bool = False,
    exclude_seen: bool = True,
    min_value: float | None = None,
    item_vectors: ArrayLike | sp.sparray | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Fit a model on the training table and measure its lists (and ratings) on the test table.

    The rows: Precision, Recall, HR (hit rate), MAP, MRR and NDCG at k, averaged over users;
    AUC over all items the user has not met (a test item below `min_value` is one of the others);
    Coverage, Novelty and Diversity of the lists of k; and for a `RatingModel` RMSE and MAE over
    the test rows. Each metric's own docstring states its denominator.

    Parameters
    ----------
    model : Recommender
        It is fitted on `split.train` here, unless `fitted`.
    split : Split
    k : int
        Length of the lists. A list may be shorter when fewer unseen items are left.
    fitted : bool
        Trust that the model was fitted on this very `split.train`; it is checked.
    exclude_seen : bool
        Leave the items of the user's training rows out of the lists and of the AUC.
    min_value : float, optional
        Test rows with a smaller value are not relevant (4: only films rated 4 or 5 are). By
        default every test row is. RMSE and MAE use all rows in any case.
    item_vectors : array or CSR, shape (n_items, d), optional
        What Diversity compares; by default the columns of the training matrix.
    n_boot : int
        Number of bootstrap samples behind `low` and `high`; with 0 they are NaN.
    seed : int
        Seed of the bootstrap (of nothing else).

    Returns
    -------
    DataFrame with columns
        model, split, metric, value,
        low, high : ends of the 95 % percentile interval, resampling *users* with all their rows,
            because the rows of one user are not independent. It holds the chance of having met
            these users, not that of fitting again. NaN for Coverage, a property of all lists
            together: a resample repeats users and so covers less.
        n_evaluated : users behind the value (test rows for RMSE and MAE),
        n_skipped : users of the vocabulary left out because they have no relevant test item (or,
            for AUC, nothing to compare with it; for Novelty and Diversity, too short a list).

    Raises
    ------
    ValueError
        If no user has a relevant test item, k < 1, or `fitted` and the model was fitted on
        another table.
    """
    users, covered = _measure(model, split, k, fitted, exclude_seen, min_value, item_vectors)
    names, sums, counts = names_sums_counts(users)
    low, high = interval(ratios(names, *resample(sums, counts, n_boot, seed)))
    n_evaluated = counts.sum(axis=0).astype(np.int64)  # (m,)
    of_rows = np.isin(names, ["RMSE", "MAE"])
    n_ranked = int((users["n_relevant"] > 0).sum())
    return pd.DataFrame(
        {
            "model": str(getattr(model, "name", type(model).__name__)),
            "split": split.name,
            "metric": [*names, f"Coverage@{k}"],
            "value": [*ratios(names, sums.sum(axis=0), counts.sum(axis=0)), covered],
            "low": [*low, np.nan],
            "high": [*high, np.nan],
            "n_evaluated": [*n_evaluated, n_ranked],
            "n_skipped": [*np.where(of_rows, 0, split.test.n_users - n_evaluated), split.test.n_users - n_ranked],
        }
    )


def per_user(
    model: Recommender,
    split: Split,
    k: int = 10,
    *,
    fitted: bool = False,
    exclude_seen: bool = True,
    min_value: float | None = None,
    item_vectors: ArrayLike | sp.sparray | None = None,
) -> pd.DataFrame:
    """Return the metrics of each user with test rows, one row a user, in the order of the vocabulary.

    The parameters are those of `evaluate`, whose values are the means of these columns.

    Returns
    -------
    DataFrame with columns user_id, n_test (rows), n_relevant, one for each metric (NaN for a user
    without relevant test items, or where the metric is undefined), and for a `RatingModel`
    squared_error and absolute_error: *sums* over the user's test rows, because the mean of the
    users' RMSEs is not the RMSE.
    """
    return _measure(model, split, k, fitted, exclude_seen, min_value, item_vectors)[0]


def _measure(
    model: Recommender,
    split: Split,
    k: int,
    fitted: bool,
    exclude_seen: bool,
    min_value: float | None,
    item_vectors: ArrayLike | sp.sparray | None,
) -> tuple[pd.DataFrame, float]:
    """Return the table of `per_user` and the coverage of all lists."""
    train, test = split.train, split.test
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")
    relevant = _relevant(split, min_value)
    n_relevant = np.diff(relevant.indptr)  # (n_users,)
    if not fitted:
        model.fit(train)
    elif model.train is not train:
        raise ValueError(
            f"fitted=True, but {type(model).__name__} was not fitted on the train table of {split.name!r}."
        )

    seen = train.matrix()
    bits = item_novelty(np.bincount(train.items, minlength=train.n_items), len(np.unique(train.users)))
    unit = unit_rows(seen.T if item_vectors is None else item_vectors)
    if unit.shape[0] != train.n_items:
        raise ValueError(f"item_vectors has {unit.shape[0]} rows for {train.n_items} items; give one for each.")

    tested, n_test = np.unique(test.users, return_counts=True)
    is_ranked = n_relevant[tested] > 0
    ranked = tested[is_ranked]
    parts, shown = [], []
    for start in range(0, len(ranked), BATCH):
        batch = ranked[start : start + BATCH]
        known = seen[batch] if exclude_seen else None
        likes = relevant[batch].toarray()  # (B, n_items)
        scores = _scores(model, batch)  # (B, n_items)
        lists = top_k(scores, k, known)
        if known is not None:
            scores[np.repeat(np.arange(len(batch)), np.diff(known.indptr)), known.indices] = np.nan
        parts.append(_of_lists(lists, likes, k, bits, unit) | {"AUC": auc_of_rows(scores, likes)})
        shown.append(np.concatenate(lists))

    users = {"user_id": test.user_ids[tested], "n_test": n_test, "n_relevant": n_relevant[tested]}
    for metric in parts[0]:
        users[metric] = np.full(len(tested), np.nan)
        users[metric][is_ranked] = np.concatenate([part[metric] for part in parts])
    if isinstance(model, RatingModel):
        error = _errors(model, test)  # (n,)
        users["squared_error"] = np.bincount(test.users, error**2, minlength=test.n_users)[tested]
        users["absolute_error"] = np.bincount(test.users, np.abs(error), minlength=test.n_users)[tested]
    return pd.DataFrame(users), coverage(shown, train.n_items)


def _relevant(split: Split, min_value: float | None) -> sp.csr_array:
    """Return which items each user likes, by the test rows: CSR, bool, shape (n_users, n_items)."""
    test = split.test
    kept = np.ones(len(test), dtype=np.bool_) if min_value is None else test.values >= min_value
    if not kept.any():
        raise ValueError(f"split {split.name!r}: no user has a relevant test item; no test value reaches {min_value}.")
    pairs = np.unique(test.users[kept].astype(np.int64) * test.n_items + test.items[kept])  # a repeated row counts once
    users, items = np.divmod(pairs, test.n_items)
    likes = np.ones(len(pairs), dtype=np.bool_)
    return sp.csr_array((likes, (users, items)), shape=(test.n_users, test.n_items))


def _scores(model: Recommender, users: NDArray[np.int32]) -> NDArray[np.float32]:
    scores = np.array(model.score(users), dtype=np.float32)  # a copy, to be written into
    wanted = (len(users), model.train.n_items)
    if scores.shape != wanted:
        raise ValueError(f"{type(model).__name__}.score gave shape {scores.shape} instead of {wanted}, users × items.")
    return scores


def _of_lists(
    lists: list[NDArray[np.int64]], likes: NDArray[np.bool_], k: int, bits: NDArray[np.float64], unit: sp.csr_array
) -> dict[str, NDArray[np.float64]]:
    """Return the metrics that look only at the lists, each of shape (B,)."""
    lengths = np.array([len(one) for one in lists])  # (B,)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    items = np.concatenate(lists)
    rows = np.repeat(np.arange(len(lists)), lengths)
    hits = np.zeros((len(lists), k), dtype=np.bool_)
    hits[rows, np.arange(len(items)) - starts[rows]] = likes[rows, items]
    in_list = sp.csr_array((np.ones(len(items)), items, starts), shape=likes.shape)
    novelty = np.full(len(lists), np.nan)
    np.divide(in_list @ bits, lengths, out=novelty, where=lengths > 0)
    return metrics_of_hits(hits, likes.sum(axis=1)) | {
        f"Novelty@{k}": novelty,
        f"Diversity@{k}": diversity_of_lists(in_list, unit),
    }


def _errors(model: RatingModel, test: Interactions) -> NDArray[np.float64]:
    predicted = model.predict(test.users, test.items)
    if not np.isfinite(predicted).all():
        raise ValueError(f"{type(model).__name__}.predict gave a number that is not finite; check its learning rate.")
    return test.values.astype(np.float64) - predicted
