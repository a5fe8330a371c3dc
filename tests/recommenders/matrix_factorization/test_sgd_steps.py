import numpy as np
import pandas as pd
import pytest

from avrec_lib.recommenders.matrix_factorization.sgd_steps import sgd_epoch, sgd_epoch_fast, sgd_step


def random_problem(dtype, n_users=30, n_items=20, k=7, n=300, by_user=False):
    rng = np.random.default_rng(3)
    users, items = np.divmod(rng.choice(n_users * n_items, n), n_items)  # some pairs come twice
    if by_user:
        users, items = users[order := np.lexsort((items, users))], items[order]
        assert ((users[1:] == users[:-1]) & (items[1:] == items[:-1])).any()  # … even twice in a row
    return {
        "users": users.astype(np.int32),
        "items": items.astype(np.int32),
        "ratings": rng.integers(1, 6, n).astype(dtype),
        "mu": dtype(3),
        "b_u": rng.normal(0, 0.1, n_users).astype(dtype),
        "b_i": rng.normal(0, 0.1, n_items).astype(dtype),
        "P": rng.normal(0, 0.1, (n_users, k)).astype(dtype),
        "Q": rng.normal(0, 0.1, (n_items, k)).astype(dtype),
        "lr": dtype(0.02),
        "reg": dtype(0.1),
    }


@pytest.mark.parametrize(
    ("reg", "p_new", "q_new"), [(0.0, (1.075, 0.075), (0.65, 0.5)), (0.2, (1.055, 0.075), (0.64, 0.49))]
)
def test_one_step_by_hand_moves_both_vectors_from_the_old_values(reg, p_new, q_new):
    """F2: p = (1, 0), q = (.5, .5), r = 2, learning rate .1; the faulty order gives q' = (.66125, .51125)."""
    p, q = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    error, b_u, b_i, p1, q1 = sgd_step(2.0, 0.0, 0.0, 0.0, p, q, 0.1, reg)
    assert error == 1.5
    assert p1 == pytest.approx(p_new, abs=1e-15)
    assert q1 == pytest.approx(q_new, abs=1e-15)
    assert (b_u, b_i) == pytest.approx((0.15, 0.15))
    assert p.tolist() == [1, 0]  # the arguments stay as they were
    assert q.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("kernel", [sgd_epoch, sgd_epoch_fast, sgd_epoch_fast.py_func])
def test_an_epoch_of_one_rating_is_that_step(kernel):
    """F2, in place: the compiled pass updates simultaneously too."""
    P, Q, b_u, b_i = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]), np.zeros(1), np.zeros(1)
    squared = kernel(np.array([0]), np.array([0]), np.array([2.0]), 0.0, b_u, b_i, P, Q, 0.1, 0.2)
    assert squared == pytest.approx(2.25)
    assert P[0] == pytest.approx((1.055, 0.075))
    assert Q[0] == pytest.approx((0.64, 0.49))
    assert b_u[0] == b_i[0] == pytest.approx(0.15)


def test_the_step_is_minus_half_the_gradient_of_the_observed_loss():
    rng = np.random.default_rng(0)
    x = rng.normal(size=8)  # b_u, b_i, p (3), q (3)

    def loss(x):
        return (4.0 - 3.5 - x[0] - x[1] - x[2:5] @ x[5:]) ** 2 + 0.3 * x @ x

    eps = 1e-6
    gradient = np.array([(loss(x + eps * e) - loss(x - eps * e)) / (2 * eps) for e in np.eye(8)])
    _, b_u, b_i, p, q = sgd_step(4.0, 3.5, x[0], x[1], x[2:5], x[5:], 0.01, 0.3)
    assert np.concatenate([[b_u, b_i], p, q]) == pytest.approx(x - 0.01 * gradient / 2, abs=1e-8)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("by_user", [True, False], ids=["by user", "any order"])
@pytest.mark.parametrize("fast", [sgd_epoch_fast, sgd_epoch_fast.py_func], ids=["compiled", "py_func"])
def test_the_compiled_epoch_equals_the_readable_one(dtype, tolerance, by_user, fast):
    slow_side, fast_side = random_problem(dtype, by_user=by_user), random_problem(dtype, by_user=by_user)
    for _ in range(3):
        slow, quick = sgd_epoch(**slow_side), fast(*fast_side.values())
        assert quick == pytest.approx(slow, rel=tolerance)
    for name in ("b_u", "b_i", "P", "Q"):
        assert fast_side[name].dtype == dtype
        assert fast_side[name] == pytest.approx(slow_side[name], abs=tolerance)


def test_a_constant_start_never_leaves_rank_one():
    """F6: why the start is random."""
    ranks = []
    for constant in (True, False):
        problem = random_problem(np.float64, k=2)
        if constant:
            problem["P"][:], problem["Q"][:] = 0.1, 0.1
        for _ in range(50):
            sgd_epoch_fast(*problem.values())
        ranks.append(np.linalg.matrix_rank(problem["P"], tol=1e-9))
    assert ranks == [1, 2]


def test_the_epoch_is_surprise_svd_number_for_number():
    """From the same start, over the same ratings in the same order, the two libraries compute the same."""
    surprise = pytest.importorskip("surprise", reason="the peer library is in the extra 'bench'")
    problem = random_problem(np.float64)
    frame = pd.DataFrame({"u": problem["users"], "i": problem["items"], "r": problem["ratings"]})
    trainset = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5))).build_full_trainset()
    peer = surprise.SVD(n_factors=4, n_epochs=5, lr_all=0.01, reg_all=0.1, random_state=7).fit(trainset)

    start = np.random.RandomState(7)
    P = start.normal(0, 0.1, (trainset.n_users, 4))
    Q = start.normal(0, 0.1, (trainset.n_items, 4))
    b_u, b_i = np.zeros(trainset.n_users), np.zeros(trainset.n_items)
    users, items, ratings = (np.array(column) for column in zip(*trainset.all_ratings(), strict=True))
    for _ in range(5):
        sgd_epoch(users, items, ratings, trainset.global_mean, b_u, b_i, P, Q, 0.01, 0.1)
    for ours, theirs in ((b_u, peer.bu), (b_i, peer.bi), (P, peer.pu), (Q, peer.qi)):
        assert ours == pytest.approx(theirs, abs=1e-12)
