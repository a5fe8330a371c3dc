"""Adding log-odds, and the additive part of a table of scores."""

import numpy as np
import pytest

from avrec_lib.nn.fusion import add_log_odds, additive_part


def test_log_odds_add_up_as_by_hand() -> None:
    # odds 9 and 1.5 against prior odds of 1/4: 9 · 1.5 / (1/4) = 54
    combined = add_log_odds([[[0.1, 0.9]], [[0.4, 0.6]]], [0.8, 0.2])
    np.testing.assert_allclose(combined, [[1 / 55, 54 / 55]])


def test_a_sense_that_only_knows_the_prior_changes_nothing() -> None:
    said = np.array([[0.3, 0.6, 0.1], [0.2, 0.2, 0.6]])
    prior = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(add_log_odds([said, np.tile(prior, (2, 1))], prior), said)


def test_log_odds_are_bayes_rule_where_senses_are_independent_given_the_class() -> None:
    prior = np.array([0.7, 0.3])
    p1, p2 = np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([[0.5, 0.5], [0.1, 0.9]])  # P(x_s | class)
    joint = prior[:, None, None] * p1[:, :, None] * p2[:, None, :]  # (class, x1, x2)
    alone_1, alone_2 = joint.sum(axis=2), joint.sum(axis=1)  # (class, x)
    said = [(alone_1 / alone_1.sum(axis=0)).T[[0, 0, 1, 1]], (alone_2 / alone_2.sum(axis=0)).T[[0, 1, 0, 1]]]
    np.testing.assert_allclose(add_log_odds(said, prior), (joint / joint.sum(axis=0)).reshape(2, 4).T)


@pytest.mark.parametrize(
    ("probabilities", "prior", "message"),
    [
        (np.full((2, 3), 0.5), [0.5, 0.5], r"\(S, N, C\)"),
        (np.full((2, 3, 2), 0.5), [0.5, 0.3, 0.2], r"\(S, N, C\)"),
        ([[[0.0, 1.0]]], [0.5, 0.5], "smooth"),
        ([[[0.5, 0.5]]], [0.0, 1.0], "smooth"),
    ],
)
def test_log_odds_refuse_what_they_cannot_add(probabilities: np.ndarray, prior: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        add_log_odds(probabilities, prior)


def test_the_additive_part_of_a_sum_is_the_sum() -> None:
    F = np.array([[1.0], [5.0], [2.0]]) + np.array([[0.0, -3.0]])
    np.testing.assert_allclose(additive_part(F), F)


def test_nothing_of_an_exclusive_or_is_additive() -> None:
    np.testing.assert_allclose(additive_part([[-1, 1], [1, -1]]), np.zeros((2, 2)))


def test_the_additive_part_is_the_least_squares_fit() -> None:
    F = np.random.default_rng(0).standard_normal((4, 3))
    i, j = np.divmod(np.arange(12), 3)
    design = np.hstack([np.eye(4)[i], np.eye(3)[j]])
    fitted = design @ np.linalg.lstsq(design, F.ravel(), rcond=None)[0]
    np.testing.assert_allclose(additive_part(F).ravel(), fitted)


def test_the_additive_part_needs_a_table() -> None:
    with pytest.raises(ValueError, match="table"):
        additive_part([1.0, 2.0])
