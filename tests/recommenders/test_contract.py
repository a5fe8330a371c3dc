"""What every recommender promises, run against all of them.

A new model is added by one line in FACTORIES; a test fails until it is there.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

import avrec_lib.recommenders
from avrec_lib.data import Interactions
from avrec_lib.nn.training import Training
from avrec_lib.recommenders import (
    EASE,
    AlternatingLeastSquares,
    BayesianMatrixFactorization,
    CalibratedReranker,
    ContentRecommender,
    DPPReranker,
    FadingChain,
    FeatureAugmentedEASE,
    ImplicitALS,
    ItemKNN,
    MarkovChain,
    MatrixFactorization,
    MMRReranker,
    Popularity,
    PureSVD,
    RatingModel,
    Recommender,
    StackedHybrid,
    SwitchingHybrid,
    UserKNN,
    WeightedHybrid,
    recommend,
)
from avrec_lib.recommenders.pairwise import FPMC, FactorizationMachine
from avrec_lib.recommenders.sequential import HSTU, Caser, GRU4Rec, SASRec
from avrec_lib.recommenders.supervised import SupervisedRanker, SupervisedRater
from avrec_lib.recommenders.two_tower.model import TwoTower


def vectors(train: Interactions) -> np.ndarray:
    return np.random.default_rng(7).random((train.n_items, 3))


# Each makes a new, unfitted model with fixed settings (small, seeded) that suit the table.
def two(train: Interactions) -> int:
    """Return two factors, or as many as the table can have."""
    return min(2, train.n_users, train.n_items)


FACTORIES: dict[str, Callable[[Interactions], Recommender]] = {
    "Popularity": lambda train: Popularity(),
    "Popularity by mean": lambda train: Popularity("mean"),
    "ContentRecommender": lambda train: ContentRecommender(vectors(train)),
    "ContentRecommender, sparse": lambda train: ContentRecommender(sp.csr_array(vectors(train)), "binary"),
    "UserKNN": lambda train: UserKNN(k=3),
    "UserKNN, centred": lambda train: UserKNN(k=3, values="centred", shrinkage=1),
    "ItemKNN": lambda train: ItemKNN(k=3),
    "ItemKNN, centred": lambda train: ItemKNN(k=3, values="centred", shrinkage=1),
    "EASE": lambda train: EASE(reg=5),
    "MatrixFactorization": lambda train: MatrixFactorization(two(train), n_epochs=5),
    "AlternatingLeastSquares": lambda train: AlternatingLeastSquares(two(train), n_iterations=5),
    "ImplicitALS": lambda train: ImplicitALS(two(train), n_iterations=5),
    "BayesianMatrixFactorization": lambda train: BayesianMatrixFactorization(two(train), n_samples=20, burn_in=5),
    "PureSVD": lambda train: PureSVD(two(train)),
    "MarkovChain": lambda train: MarkovChain(),
    "FadingChain": lambda train: FadingChain(back=3),
    "SwitchingHybrid": lambda train: SwitchingHybrid(Popularity(), EASE(5), n=3),
    "StackedHybrid": lambda train: StackedHybrid([EASE(5), ContentRecommender(vectors(train))]),
    "FeatureAugmentedEASE": lambda train: FeatureAugmentedEASE(vectors(train), reg=5),
    "MMRReranker": lambda train: MMRReranker(EASE(5), vectors(train), k=3, n_candidates=5),
    "DPPReranker": lambda train: DPPReranker(EASE(5), vectors(train), k=3, n_candidates=5),
    "CalibratedReranker": lambda train: CalibratedReranker(EASE(5), vectors(train), k=3, n_candidates=5),
    "SupervisedRanker": lambda train: SupervisedRanker(LogisticRegression(), vectors(train)),
    "SupervisedRater": lambda train: SupervisedRater(
        DecisionTreeRegressor(max_depth=3, random_state=0), vectors(train)
    ),
    "FactorizationMachine": lambda train: FactorizationMachine(vectors(train), k=2, how=Training(2, 16)),
    "FPMC": lambda train: FPMC(k=2, how=Training(2, 16)),
    "GRU4Rec": lambda train: GRU4Rec(d=8, T=5, epochs=2, on="cpu"),
    "Caser": lambda train: Caser(d=8, T=5, epochs=2, on="cpu"),
    "SASRec": lambda train: SASRec(d=8, T=5, epochs=2, on="cpu"),
    "SASRec, sampled": lambda train: SASRec(d=8, T=5, epochs=2, loss="sampled", on="cpu"),
    "HSTU": lambda train: HSTU(d=8, T=5, epochs=2, on="cpu"),
    "TwoTower": lambda train: TwoTower(vectors(train), d=4, how=Training(2, 16)),
    "WeightedHybrid": lambda train: WeightedHybrid([EASE(5), ContentRecommender(vectors(train))], [1, 0.5]),
}

every_model = pytest.mark.parametrize("make", FACTORIES.values(), ids=FACTORIES.keys())


def random_table(seed: int, n_users: int = 14, n_items: int = 9) -> Interactions:
    """Return random ratings in which every user and every item occurs, with unsorted rows."""
    rng = np.random.default_rng(seed)
    met = rng.random((n_users, n_items)) < 0.35
    met[np.arange(n_users), np.arange(n_users) % n_items] = True
    u, i = np.nonzero(met)
    frame = pd.DataFrame(
        {"user_id": u, "item_id": i, "rating": rng.integers(1, 6, len(u)), "timestamp": np.arange(len(u))}
    )
    return Interactions.from_frame(frame.sample(frac=1, random_state=seed))


TRAIN = random_table(0)
EVERYBODY = np.arange(TRAIN.n_users)


def test_every_recommender_of_the_library_is_here():
    """Found by walking through the package: a new model needs a line in FACTORIES, exported or not."""
    modules = pkgutil.walk_packages(avrec_lib.recommenders.__path__, "avrec_lib.recommenders.")
    classes = {c for m in modules for c in vars(importlib.import_module(m.name)).values() if inspect.isclass(c)}
    models = {c for c in classes if issubclass(c, Recommender) and not inspect.isabstract(c)}
    assert models == {type(make(TRAIN)) for make in FACTORIES.values()}


@every_model
def test_fit_returns_the_model(make):
    model = make(TRAIN)
    assert model.fit(TRAIN) is model
    assert model.train is TRAIN


@every_model
def test_there_is_one_finite_float32_score_for_every_item(make):
    scores = make(TRAIN).fit(TRAIN).score(EVERYBODY)
    assert scores.shape == (14, 9)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


@every_model
def test_users_may_come_in_any_order_any_number_of_times(make):
    """To six digits: a matrix product of another size may add in another order."""
    model = make(TRAIN).fit(TRAIN)
    scores, users = model.score(EVERYBODY), np.array([5, 0, 5, 13, 2])
    np.testing.assert_allclose(model.score(users), scores[users], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(model.score(3), scores[[3]], rtol=1e-6, atol=1e-6)
    assert model.score([]).shape == (0, 9)


@every_model
def test_asking_twice_gives_the_same_and_the_answer_is_the_callers(make):
    model = make(TRAIN).fit(TRAIN)
    first = model.score(EVERYBODY)
    kept = first.copy()
    first[:] = -1
    np.testing.assert_array_equal(model.score(EVERYBODY), kept)


@every_model
@pytest.mark.parametrize("user", [14, -1])
def test_an_unknown_user_index_is_an_error(make, user):
    with pytest.raises(IndexError, match=f"user index {user} "):
        make(TRAIN).fit(TRAIN).score([0, user])


@every_model
def test_cold_users_and_cold_items_have_scores(make):
    cold = TRAIN.select((TRAIN.users != 4) & (TRAIN.items != 2))
    model = make(cold).fit(cold)
    scores = model.score(EVERYBODY)
    assert np.isfinite(scores).all()
    assert len(recommend(model, TRAIN.user_ids[[4]], k=9)) == 9  # a cold user has seen nothing
    if isinstance(model, RatingModel):
        predicted = model.predict([4, 0, 4], [0, 2, 2])
        assert ((predicted >= 1) & (predicted <= 5)).all()


@every_model
def test_a_catalogue_of_one_item_is_a_catalogue(make):
    one = Interactions.from_frame(
        pd.DataFrame({"user_id": list("uvw"), "item_id": "a", "rating": [1, 3, 5], "timestamp": [7, 8, 9]})
    )
    model = make(one).fit(one)
    scores = model.score([0, 1, 2])
    assert scores.shape == (3, 1)
    assert np.isfinite(scores).all()
    assert len(recommend(model, ["u"])) == 0  # seen it


@every_model
def test_one_user_is_an_audience(make):
    alone = Interactions.from_frame(
        pd.DataFrame({"user_id": "u", "item_id": list("abc"), "rating": [1, 3, 5], "timestamp": [9, 8, 7]})
    )
    assert np.isfinite(make(alone).fit(alone).score([0])).all()


@every_model
@pytest.mark.parametrize("rating", [0.0, 0.1, 1.0, 5.0])
def test_constant_ratings_are_ratings(make, rating):
    """Also all 1, which is implicit feedback, and all 0 (field case F4)."""
    same = Interactions(
        TRAIN.users, TRAIN.items, np.full_like(TRAIN.values, rating), TRAIN.timestamps, TRAIN.user_ids, TRAIN.item_ids
    )
    model = make(same).fit(same)
    assert np.isfinite(model.score(EVERYBODY)).all()
    if isinstance(model, RatingModel):
        assert model.predict(EVERYBODY, EVERYBODY % 9) == pytest.approx(rating)


@every_model
def test_without_times_a_model_works_or_says_that_it_needs_them(make):
    timeless = Interactions(TRAIN.users, TRAIN.items, TRAIN.values, None, TRAIN.user_ids, TRAIN.item_ids)
    model = make(timeless)
    try:
        model.fit(timeless)
    except ValueError as error:
        assert " needs timestamps and the table has none; " in str(error)  # noqa: PT017
    else:
        assert np.isfinite(model.score(EVERYBODY)).all()


@every_model
def test_shuffled_rows_give_the_same_scores(make):
    shuffled = TRAIN.select(np.random.default_rng(1).permutation(len(TRAIN)))
    a, b = make(TRAIN).fit(TRAIN), make(TRAIN).fit(shuffled)
    np.testing.assert_array_equal(a.score(EVERYBODY), b.score(EVERYBODY))
    if isinstance(a, RatingModel) and isinstance(b, RatingModel):
        np.testing.assert_array_equal(a.predict(EVERYBODY, EVERYBODY % 9), b.predict(EVERYBODY, EVERYBODY % 9))


@every_model
def test_the_same_seed_gives_the_same_scores_and_touches_no_global_state(make):
    """Field case F6."""
    before = np.random.get_state()  # noqa: NPY002 (the global state is what is watched)
    first = make(TRAIN).fit(TRAIN).score(EVERYBODY)
    second = make(TRAIN).fit(TRAIN).score(EVERYBODY)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(first, second)
    assert (before[1] == after[1]).all()
    assert before[2:] == after[2:]


@every_model
def test_fitting_again_forgets_the_first_table(make):
    other = random_table(1)
    again, fresh = make(TRAIN).fit(TRAIN).fit(other), make(other).fit(other)
    np.testing.assert_array_equal(again.score(EVERYBODY), fresh.score(EVERYBODY))
    if isinstance(again, RatingModel) and isinstance(fresh, RatingModel):
        np.testing.assert_array_equal(again.predict(EVERYBODY, EVERYBODY % 9), fresh.predict(EVERYBODY, EVERYBODY % 9))


@every_model
def test_the_table_is_left_as_it_is(make):
    parts = [TRAIN.users, TRAIN.items, TRAIN.values, TRAIN.timestamps, TRAIN.user_ids, TRAIN.item_ids]
    copies = [part.copy() for part in parts]
    for part in parts:
        part.flags.writeable = False
    try:
        make(TRAIN).fit(TRAIN).score(EVERYBODY)
    finally:
        for part in parts:
            part.flags.writeable = True
    for part, copy in zip(parts, copies, strict=True):
        np.testing.assert_array_equal(part, copy)


@every_model
def test_ratings_are_predicted_on_the_scale_of_training(make):
    model = make(TRAIN).fit(TRAIN)
    if not isinstance(model, RatingModel):
        assert not hasattr(model, "predict")
        return
    predicted = model.predict(TRAIN.users, TRAIN.items)
    assert predicted.shape == (len(TRAIN),)
    assert predicted.dtype == np.float32
    assert ((predicted >= 1) & (predicted <= 5)).all()
    assert model.predict([], []).shape == (0,)
