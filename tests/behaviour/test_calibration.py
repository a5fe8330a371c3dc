"""Bins by hand, the two repairs equal to scikit-learn and to their equations, and what luck does to a perfect one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.calibration import _SigmoidCalibration, calibration_curve
from sklearn.isotonic import IsotonicRegression

from avrec_lib.behaviour.calibration import (
    Platt,
    calibration_error,
    calibration_luck,
    isotonic,
    platt,
    platt_loss,
    platt_targets,
    pool_adjacent_violators,
    reliability,
)

P = [0.1, 0.1, 0.2, 0.7, 0.9, 0.9]
Y = [0, 1, 0, 1, 1, 1]


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=3000)
    return scores, rng.random(3000) < 1 / (1 + np.exp(-(2 * scores - 0.5)))


def test_two_bins_by_hand():
    table = reliability(P, Y, n_bins=2)
    assert table["n"].tolist() == [3, 3]
    assert_allclose(table["predicted"], [0.4 / 3, 2.5 / 3])
    assert_allclose(table["observed"], [1 / 3, 1])
    assert table["low"].tolist() == [0, 0.5]
    assert table["high"].tolist() == [0.5, 1]


def test_calibration_error_by_hand():
    assert calibration_error(P, Y, n_bins=2) == pytest.approx((3 / 6) * (0.2) + (3 / 6) * (0.5 / 3))


def test_one_bin_compares_the_means():
    assert calibration_error(P, Y, n_bins=1) == pytest.approx(4 / 6 - 2.9 / 6)


def test_an_empty_bin_is_left_out():
    assert len(reliability(P, Y, n_bins=10)) == 4


def test_an_edge_belongs_to_the_bin_below():
    assert reliability([0.5, 0.0, 1.0], [1, 0, 1], n_bins=2)["n"].tolist() == [2, 1]


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_the_table_equals_sklearns_curve(noisy, strategy):
    p, y = Platt(-1.5, 0.2)(noisy[0]), noisy[1]
    table = reliability(p, y, 7, strategy)
    observed, predicted = calibration_curve(y, p, n_bins=7, strategy=strategy)
    assert_allclose(table["observed"], observed)
    assert_allclose(table["predicted"], predicted)


def test_quantile_bins_hold_equal_numbers(noisy):
    table = reliability(Platt(-1.5, 0.2)(noisy[0]), noisy[1], 10, "quantile")
    assert table["n"].tolist() == [300] * 10


def test_a_constant_prediction_is_one_quantile_bin():
    table = reliability([0.3, 0.3, 0.3], [1, 0, 0], 5, "quantile")
    assert table[["n", "predicted", "observed"]].to_numpy().tolist() == [[3, pytest.approx(0.3), pytest.approx(1 / 3)]]


def test_a_perfect_prediction_has_an_error_by_luck(noisy):
    p = 1 / (1 + np.exp(-(2 * noisy[0] - 0.5)))
    luck = calibration_luck(p)
    assert 0 < luck.low < luck.value < luck.high
    assert luck.low <= calibration_error(p, noisy[1]) <= luck.high
    assert calibration_error(p**2, noisy[1]) > luck.high


def test_luck_is_less_with_more_rows():
    p = np.linspace(0, 1, 100)
    assert calibration_luck(np.tile(p, 100)).value < calibration_luck(p).value / 5


def test_luck_of_certain_predictions_is_none():
    assert calibration_luck([0.0, 1.0]) == (0, 0, 0)


def test_platts_targets_by_hand():
    assert_allclose(platt_targets([1, 0, 0, 1, 1]), [4 / 5, 1 / 4, 1 / 4, 4 / 5, 4 / 5])


def test_platts_loss_by_hand():
    # two rows, targets 2/3 and 1/3; with a = b = 0 every p is 1/2
    assert platt_loss(Platt(0, 0), [3.0, -1.0], [1, 0]) == pytest.approx(2 * np.log(2))
    # p = e/(1+e) at score 1 and 1/(1+e) at score -1
    p = np.e / (1 + np.e)
    loss = -(2 / 3 * np.log(p) + 1 / 3 * np.log(1 - p)) - (1 / 3 * np.log(1 - p) + 2 / 3 * np.log(p))
    assert platt_loss(Platt(-1, 0), [1.0, -1.0], [1, 0]) == pytest.approx(loss)


def test_platt_on_two_scores_by_hand():
    # the curve can pass through both targets, 2/3 at score 1 and 1/3 at score 0: log-odds log 2 and -log 2
    curve = platt([1.0, 0.0], [1, 0])
    assert_allclose(curve, [-2 * np.log(2), np.log(2)], rtol=1e-6)
    assert_allclose(curve([1.0, 0.0, 0.5]), [2 / 3, 1 / 3, 1 / 2], rtol=1e-6)


def test_platt_equals_sklearns(noisy):
    reference = _SigmoidCalibration().fit(*noisy)
    assert_allclose(platt(*noisy), [reference.a_, reference.b_], atol=1e-3)
    grid = np.linspace(-3, 3, 50)
    assert_allclose(platt(*noisy)(grid), reference.predict(grid), atol=1e-4)


def test_platt_is_where_its_equation_is_least(noisy):
    curve, step = platt(*noisy), 1e-3
    least = platt_loss(curve, *noisy)
    for da, db in [(step, 0), (-step, 0), (0, step), (0, -step)]:
        assert platt_loss(Platt(curve.a + da, curve.b + db), *noisy) > least


def test_platt_does_not_mind_the_unit_of_scores(noisy):
    a, b = platt(*noisy)
    assert_allclose(platt(noisy[0] * 1e6 + 5e6, noisy[1]), [a / 1e6, b - 5 * a], rtol=1e-5)


def test_platt_stays_finite_where_scores_separate():
    curve = platt([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1])
    assert np.isfinite(curve).all()
    assert 0 < curve(-2.0) < 0.3 < 0.7 < curve(2.0) < 1


def test_platt_without_any_click_predicts_few():
    assert_allclose(platt([1.0, 2.0, 3.0], [0, 0, 0])([1.0, 3.0]), 1 / 5, atol=1e-6)


def test_pooling_by_hand():
    assert_allclose(pool_adjacent_violators([1, 3, 2, 4]), [1, 2.5, 2.5, 4])
    assert_allclose(pool_adjacent_violators([3, 2, 1]), [2, 2, 2])
    assert_allclose(pool_adjacent_violators([2, 1], weights=[3, 1]), [1.75, 1.75])
    assert pool_adjacent_violators([]).shape == (0,)


def test_pooling_equals_sklearn():
    rng = np.random.default_rng(0)
    y, w = rng.normal(size=200), rng.random(200) + 0.1
    reference = IsotonicRegression().fit_transform(np.arange(200), y, sample_weight=w)
    assert_allclose(pool_adjacent_violators(y, w), reference)


def test_isotonic_is_pooling_in_order_of_the_scores(noisy):
    order = np.argsort(noisy[0])
    expected = pool_adjacent_violators(noisy[1][order])
    assert_allclose(isotonic(*noisy, bounded=False)(noisy[0][order]), expected, atol=1e-12)
    assert_allclose(isotonic(*noisy)(noisy[0][order]), np.clip(expected, 1 / 3002, 1 - 1 / 3002), atol=1e-12)


def test_isotonic_by_hand():
    curve = isotonic([1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1], bounded=False)
    assert_allclose(curve([0.0, 1.0, 1.5, 2.0, 3.0, 3.5, 9.0]), [0, 0, 0.25, 0.5, 0.5, 0.75, 1])


def test_what_few_rows_have_not_shown_may_still_happen():
    curve = isotonic([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1])
    assert_allclose(curve([0.0, 2.0, 3.0, 9.0]), [1 / 6, 1 / 6, 5 / 6, 5 / 6])
    assert_allclose(isotonic([1.0, 2.0], [0, 0])([1.5]), 1 / 4)


def test_equal_scores_share_one_step():
    assert_allclose(isotonic([1.0, 1.0, 1.0], [0, 1, 0])([0.0, 1.0, 2.0]), 1 / 3)


def test_both_repairs_mend_a_squared_prediction(noisy):
    p = (1 / (1 + np.exp(-(2 * noisy[0] - 0.5)))) ** 2
    learn, test = slice(0, 1500), slice(1500, None)
    log_odds = np.log(p / (1 - p))
    broken = calibration_error(p[test], noisy[1][test])
    for fit in (platt, isotonic):
        mended = fit(log_odds[learn], noisy[1][learn])(log_odds[test])
        assert calibration_error(mended, noisy[1][test]) < broken / 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reliability([0.5], [1, 0]), "one length"),
        (lambda: reliability([], []), "not empty"),
        (lambda: reliability([1.5], [1]), "between 0 and 1"),
        (lambda: reliability([np.nan], [1]), "between 0 and 1"),
        (lambda: reliability([0.5], [2]), "0 and 1 only"),
        (lambda: reliability([0.5], [1], n_bins=0), "n_bins must be at least 1"),
        (lambda: reliability([0.5], [1], strategy="equal"), "'uniform' or 'quantile'"),
        (lambda: platt([1.0, 1.0], [0, 1]), "all scores are equal"),
        (lambda: platt([1.0, np.inf], [0, 1]), "must be finite"),
        (lambda: isotonic([1.0, 2.0], [0]), "one length"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
