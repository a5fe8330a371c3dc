"""What will a viewer do next? Two classifiers, two ways to split, and five numbers beside the best possible ones.

Page 4.2.4. Will this clip be clicked; will this viewer come back within a week? Both are a probability, learnt from
features of `click_features` or `churn`. Logistic regression adds up what each feature says; boosted trees also see that
one matters only beside another. Judge either on rows that came later than all it learnt from: rows drawn at
random have their neighbours of the same hour in the training set, which tomorrow's will not have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlog1py, xlogy

from avrec_lib.behaviour.calibration import calibration_error, checked
from avrec_lib.data.clips.limits import expected_auc

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

Floats = NDArray[np.float64]
Model = Literal["logistic", "boosting"]


def fit_predictor(
    X: pd.DataFrame, y: ArrayLike, model: Model = "logistic", seed: int = 0
) -> Callable[[pd.DataFrame], Floats]:
    """Learn the probability that y = 1 and return the function that predicts it.

    Parameters
    ----------
    X : DataFrame, shape (n, d)
        Numbers without gaps.
    y : array_like, shape (n,)
        0 and 1, or booleans. If all are one, the prediction is the constant (Σ y + 1) / (n + 2): nothing can
        be told apart, and what never happened yet may still happen.
    model : {"logistic", "boosting"}
        *logistic*: sigmoid(⟨w, z⟩ + b) of the standardised features z, with penalty |w|² / 2. *boosting*: a sum of
        small trees in the log-odds, each fitted to what the ones before left; 100 trees of up to 15 leaves.
    seed : int
        Of the boosting.

    Returns
    -------
    function from a DataFrame with the columns of X to probabilities, float64 of shape (n_rows,)

    Raises
    ------
    ValueError
        If X has gaps, no rows, or another number of them than y; from the function, if columns are missing.

    References
    ----------
    Friedman, Greedy Function Approximation: A Gradient Boosting Machine, Annals of Statistics 29(5), 2001.
    """
    names = list(X.columns)
    _, label = checked(np.full(len(X), 0.5), y)

    def numbers(table: pd.DataFrame) -> Floats:
        missing = [name for name in names if name not in table]
        if missing:
            raise ValueError(f"the features {missing} are missing; make them as those that were learnt from.")
        values = table[names].to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("a feature is NaN or infinite; fill gaps before, with a number that says so.")
        return values

    values = numbers(X)
    if label.min() == label.max():
        rate = (label.sum() + 1) / (len(label) + 2)
        return lambda table: np.full(len(numbers(table)), rate)
    fitted = _classifier(model, seed).fit(values, label)
    return lambda table: np.asarray(fitted.predict_proba(numbers(table))[:, 1], dtype=np.float64)


def evaluate_prediction(
    y: ArrayLike, p: ArrayLike, truth: ArrayLike | None = None, n_bins: int = 10
) -> dict[str, float]:
    """Return how good probabilities p are: do they sort, do they say how many, are they sharp.

    Parameters
    ----------
    y : array_like, shape (n,)
        What happened: 0 and 1.
    p : array_like, shape (n,)
        The predictions.
    truth : array_like, shape (n,), optional
        The true probabilities, where they are known.
    n_bins : int
        Of the calibration error, of equal width.

    Returns
    -------
    dict
        *rows*; *rate* (mean y) and *predicted* (mean p); *auc* (NaN if all y are one: nothing to sort);
        *log_loss* = -mean[y log p + (1 - y) log(1 - p)], in nats, infinite for one p of 0 that happened; *brier* =
        mean (p - y)²; *calibration* (`calibration_error`).
        With the truth q also what p can expect over all coin tosses, without the luck of these, and what
        the truth itself can expect, the Bayes limit, that no prediction betters: *expected_auc*, *limit_auc*;
        *expected_log_loss*, *limit_log_loss* = -mean[q log q + (1 - q) log(1 - q)]; *expected_brier*, *limit_brier* =
        mean q (1 - q).

    References
    ----------
    Brier, Verification of Forecasts Expressed in Terms of Probability, Monthly Weather Review 78(1), 1950.
    """
    from sklearn.metrics import roc_auc_score

    guess, happened = checked(p, y)
    found = {
        "rows": float(len(guess)),
        "rate": float(happened.mean()),
        "predicted": float(guess.mean()),
        "auc": float(roc_auc_score(happened, guess)) if 0 < happened.mean() < 1 else float("nan"),
        "log_loss": _log_loss(happened, guess),
        "brier": float(((guess - happened) ** 2).mean()),
        "calibration": calibration_error(guess, happened, n_bins),
    }
    if truth is not None:
        q, _ = checked(truth, happened)
        found |= {
            "expected_auc": expected_auc(guess, q),
            "limit_auc": expected_auc(q, q),
            "expected_log_loss": _log_loss(q, guess),
            "limit_log_loss": _log_loss(q, q),
            "expected_brier": float((q * (1 - guess) ** 2 + (1 - q) * guess**2).mean()),
            "limit_brier": float((q * (1 - q)).mean()),
        }
    return found


def auc_within(y: ArrayLike, p: ArrayLike, groups: ArrayLike) -> float:
    """Return the AUC among rows of one group: of all pairs in a group, one clicked and one not, how many are sorted.

    With the places of a list as groups it leaves out what a model knows of the places themselves, which is no
    help in choosing what to put there.

    Parameters
    ----------
    y : array_like, shape (n,)
        What happened: 0 and 1.
    p : array_like, shape (n,)
        The predictions.
    groups : array_like, shape (n,)
        The group of each row.

    Returns
    -------
    float
        Σ_g n_g⁺ n_g⁻ AUC_g / Σ_g n_g⁺ n_g⁻, with n_g⁺ clicks and n_g⁻ other rows in group g;
        NaN if no group has a pair.

    Raises
    ------
    ValueError
        If lengths differ, or p is no probability.
    """
    from sklearn.metrics import roc_auc_score

    guess, happened = checked(p, y)
    of = np.asarray(groups)
    if of.shape != happened.shape:
        raise ValueError(f"groups needs an entry for each of {len(happened)} rows, not the shape {of.shape}.")
    right, pairs = 0.0, 0.0
    for group in np.unique(of):
        here = happened[of == group]
        both = float(here.sum() * (1 - here).sum())
        if both:
            right += both * float(roc_auc_score(here, guess[of == group]))
            pairs += both
    return right / pairs if pairs else float("nan")


def _log_loss(q: Floats, p: Floats) -> float:
    """Return -mean[q log p + (1 - q) log(1 - p)], with 0 log 0 = 0."""
    return float(-(xlogy(q, p) + xlog1py(1 - q, -p)).mean())


def _classifier(model: Model, seed: int) -> BaseEstimator:
    if model == "logistic":
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    if model == "boosting":
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            max_iter=100, max_leaf_nodes=15, min_samples_leaf=50, early_stopping=False, random_state=seed
        )
    raise ValueError(f"model must be 'logistic' or 'boosting', not {model!r}.")
