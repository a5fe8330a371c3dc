import numpy as np
import pandas as pd
import pytest
from numba.core.errors import TypingError
from sklearn.linear_model import Ridge

from avrec_lib.data import Interactions
from avrec_lib.recommenders.matrix_factorization.als_solvers import rows_of, solve_rows, solve_side, solve_user


@pytest.fixture
def table():
    """Forty users, thirty items, half of the ratings; the last user and the last item have none."""
    rng = np.random.default_rng(2)
    R = np.clip(np.round(3 + rng.normal(size=(40, 2)) @ rng.normal(size=(2, 30))), 1, 5)
    users, items = np.divmod(np.arange(1200), 30)
    whole = Interactions.from_frame(pd.DataFrame({"user_id": users, "item_id": items, "rating": R.ravel()}))
    return whole.select((rng.random(1200) < 0.5) & (users < 39) & (items < 29))


def test_one_user_by_hand():
    # one factor, two items: F = [[1, 1], [-1, 1]], s = (3, 1), λ n^ν = 0.5·2 = 1, so (2 + 1) x = Fᵀs = (2, 4)
    p, b = solve_user(np.array([[1.0], [-1.0]]), np.array([3.0, 1.0]), reg=0.5, reg_power=1)
    assert p == pytest.approx([2 / 3])
    assert b == pytest.approx(4 / 3)


@pytest.mark.parametrize("reg_power", [0.0, 0.5, 1.0])
def test_a_user_is_scikit_learns_ridge_and_numpys_least_squares(reg_power):
    rng = np.random.default_rng(0)
    Q_u, s, reg = rng.normal(size=(9, 4)), rng.normal(size=9), 0.3
    F, weight = np.column_stack([Q_u, np.ones(9)]), reg * 9**reg_power
    p, b = solve_user(Q_u, s, reg, reg_power)
    assert np.append(p, b) == pytest.approx(Ridge(alpha=weight, fit_intercept=False).fit(F, s).coef_)
    stacked = np.vstack([F, np.sqrt(weight) * np.eye(5)])  # the penalty as five more rows with target 0
    assert np.append(p, b) == pytest.approx(np.linalg.lstsq(stacked, np.append(s, np.zeros(5)), rcond=None)[0])


def one_side(table, fast):
    rng = np.random.default_rng(1)
    b_i, Q = rng.normal(0, 0.1, table.n_items), rng.normal(size=(table.n_items, 3))
    b_u, P = np.full(table.n_users, 9.0), np.full((table.n_users, 3), 9.0)
    fast(*rows_of(table.matrix()), 3.0, b_i, Q, 0.4, 0.5, b_u, P)
    return b_i, Q, b_u, P


@pytest.mark.parametrize("fast", [solve_rows, solve_rows.py_func], ids=["compiled", "py_func"])
def test_the_compiled_rows_equal_the_readable_user(table, fast):
    b_i, Q, b_u, P = one_side(table, fast)
    for u in range(39):
        items, ratings = table.items[table.users == u], table.values[table.users == u]
        p, b = solve_user(Q[items], ratings - 3.0 - b_i[items], reg=0.4, reg_power=0.5)
        assert P[u] == pytest.approx(p, abs=1e-12)
        assert b_u[u] == pytest.approx(b, abs=1e-12)
    assert b_u[39] == 9  # a row without ratings keeps what it has
    assert (P[39] == 9).all()


def test_an_error_in_a_thread_is_raised(table):
    nothing = np.zeros(0)
    with pytest.raises(TypingError, match="tuple index out of range"):  # the other side has no factors
        solve_side(rows_of(table.matrix()), 3.0, nothing, nothing, 1.0, 1.0, np.zeros(40), np.zeros((40, 3)))


def test_a_stored_zero_stays_among_the_rows():
    """F4: the CSR rows hold the rating 0, and don't hold the missing one."""
    rows = [("u0", "i0", 5), ("u1", "i0", 0), ("u0", "i1", 3)]
    table = Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "rating"]))
    indptr, indices, values = rows_of(table.matrix())
    assert indptr.tolist() == [0, 2, 3]
    assert indices.tolist() == [0, 1, 0]
    assert values.tolist() == [5, 3, 0]
