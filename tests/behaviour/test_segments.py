"""One step by hand, equality with scikit-learn and SciPy, and viewers of whom little is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.mixture import GaussianMixture

from avrec_lib.behaviour.segment_quality import adjusted_rand
from avrec_lib.behaviour.segments import (
    UNKNOWN,
    Segments,
    assign,
    by_size,
    cluster,
    learn_segments,
    lloyd_step,
    membership,
    within_squares,
)
from avrec_lib.behaviour.taste_profiles import Profiles

METHODS = ["k-means", "mixture", "hierarchy"]
LINE = np.array([[0.0], [1.0], [9.0], [10.0], [11.0]])


@pytest.fixture(scope="module")
def clouds():
    """Return 300 points in three long parallel clouds, and which cloud each is from."""
    rng, kind = np.random.default_rng(5), np.repeat([0, 1, 2], [150, 100, 50])
    return np.stack([rng.normal(size=300) * 1.5, rng.normal(size=300) * 0.4 + 2.5 * kind], axis=1), kind


def test_one_step_of_lloyd_by_hand():
    labels, centres = lloyd_step(LINE, [[0.0], [4.0]])
    assert labels.tolist() == [0, 0, 1, 1, 1]
    assert centres.tolist() == [[0.5], [10.0]]


def test_a_centre_without_points_stays():
    labels, centres = lloyd_step(LINE, [[0.0], [4.0], [99.0]])
    assert set(labels) == {0, 1}
    assert centres[2].tolist() == [99.0]


def test_of_equally_near_centres_the_first_counts():
    assert lloyd_step([[1.0]], [[0.0], [2.0]])[0].tolist() == [0]


def test_within_squares_by_hand():
    assert within_squares(LINE, [0, 0, 1, 1, 1]) == pytest.approx(0.5 + 2)
    assert within_squares(LINE, [7, 7, 7, 7, 7]) == pytest.approx(((LINE - 6.2) ** 2).sum())


def test_a_step_never_makes_the_sum_larger(clouds):
    centres, before = clouds[0][:4].copy(), np.inf
    for _ in range(10):
        labels, centres = lloyd_step(clouds[0], centres)
        assert within_squares(clouds[0], labels) <= before
        before = within_squares(clouds[0], labels)


def test_a_step_equals_one_iteration_of_sklearn(clouds):
    start = clouds[0][[0, 120, 299]]
    reference = KMeans(3, init=start, n_init=1, max_iter=1, tol=0).fit(clouds[0])
    assert_allclose(lloyd_step(clouds[0], start)[1], reference.cluster_centers_)


def test_steps_until_nothing_moves_equal_sklearn(clouds):
    centres = start = clouds[0][[0, 120, 299]]
    for _ in range(100):
        labels, new = lloyd_step(clouds[0], centres)
        if (new == centres).all():
            break
        centres = new
    reference = KMeans(3, init=start, n_init=1, tol=0).fit(clouds[0])
    assert labels.tolist() == reference.labels_.tolist()
    assert within_squares(clouds[0], labels) == pytest.approx(reference.inertia_)


def test_k_means_equals_sklearn(clouds):
    reference = KMeans(3, n_init=10, random_state=1).fit(clouds[0])
    assert within_squares(clouds[0], cluster(clouds[0], 3, seed=1)) == pytest.approx(reference.inertia_)


def test_the_hierarchy_equals_sklearns(clouds):
    reference = AgglomerativeClustering(4, linkage="ward").fit_predict(clouds[0])
    assert adjusted_rand(cluster(clouds[0], 4, "hierarchy"), reference) == 1


def test_the_mixture_equals_sklearns_at_unit_scale(clouds):
    unit = (clouds[0] - clouds[0].mean(axis=0)) / (clouds[0] - clouds[0].mean(axis=0)).std()
    reference = GaussianMixture(3, covariance_type="tied", n_init=5, reg_covar=1e-3, random_state=0).fit_predict(unit)
    assert adjusted_rand(cluster(clouds[0], 3, "mixture"), reference) == 1


def test_only_the_mixture_sees_through_long_clouds(clouds):
    assert adjusted_rand(clouds[1], cluster(clouds[0], 3, "mixture")) > 0.98
    assert adjusted_rand(clouds[1], cluster(clouds[0], 3, "k-means")) < 0.9


@pytest.mark.parametrize("method", METHODS)
def test_groups_are_numbered_by_size(clouds, method):
    sizes = np.bincount(cluster(clouds[0], 3, method))
    assert (np.diff(sizes) <= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_unit_does_not_matter(clouds, method):
    assert cluster(clouds[0] * 1e-4, 3, method).tolist() == cluster(clouds[0], 3, method).tolist()


@pytest.mark.parametrize("method", METHODS)
def test_one_viewer_is_one_group(method):
    assert cluster([[1.0, 2.0]], 1, method).tolist() == [0]


@pytest.mark.parametrize("method", METHODS)
def test_as_many_groups_as_viewers(method):
    assert sorted(cluster(LINE, 5, method)) == [0, 1, 2, 3, 4]


def test_by_size_by_hand():
    assert by_size(["b", "a", "a", "c"]).tolist() == [1, 0, 0, 2]


def two_segments():
    """Return two segments at -1 and 1 on a line, of equal shares and no spread of their own."""
    return Segments(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.zeros((1, 1)))


def test_membership_by_hand():
    # log odds of 1 against -1 at w are 2 w n / noise: here 2 · 0.5 · n / 4 = n / 4
    profiles = Profiles(np.full((3, 1), 0.5), np.array([0, 4, 40]), np.full((1, 1), 4.0))
    P = membership(two_segments(), profiles)
    assert_allclose(P[:, 1], [0.5, 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-10))])
    assert_allclose(P.sum(axis=1), 1)


def test_membership_equals_scipys_densities():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(3, 3))
    segments = Segments(np.array([0.6, 0.4]), rng.normal(size=(2, 3)), A @ A.T)
    profiles = Profiles(rng.normal(size=(4, 3)), np.array([1, 2, 2, 30]), np.diag([1.0, 2.0, 3.0]))
    for w, n, P in zip(profiles.means, profiles.counts, membership(segments, profiles), strict=True):
        cov = segments.spread + profiles.noise / n
        joint = [
            g * multivariate_normal.pdf(w, mu, cov) for g, mu in zip(segments.weights, segments.means, strict=True)
        ]
        assert_allclose(P, np.array(joint) / sum(joint), rtol=1e-4)


def test_a_new_viewer_belongs_by_the_shares():
    segments = Segments(np.array([0.7, 0.3]), np.array([[-1.0], [1.0]]), np.zeros((1, 1)))
    profiles = Profiles(np.zeros((1, 1)), np.array([0]), np.ones((1, 1)))
    assert_allclose(membership(segments, profiles), [[0.7, 0.3]])
    assert assign(membership(segments, profiles)).tolist() == [UNKNOWN]


def test_who_is_not_sure_is_unknown():
    assert assign([[0.85, 0.15], [0.5, 0.5], [0.2, 0.8]]).tolist() == [0, UNKNOWN, 1]
    assert assign([[0.5, 0.5]], sure=0).tolist() == [0]


@pytest.fixture(scope="module")
def mixed():
    """Return profiles of 600 viewers of three kinds, with 1 to 400 impressions each, and their kinds."""
    rng, kind = np.random.default_rng(1), np.random.default_rng(2).integers(0, 3, 600)
    counts, noise = rng.integers(1, 401, 600), np.diag([30.0, 5.0])
    centres = np.array([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]])
    strays = rng.normal(size=(600, 2)) * np.sqrt(np.diag(noise)) / np.sqrt(counts)[:, None]
    return Profiles(centres[kind] + 0.1 * rng.normal(size=(600, 2)) + strays, counts, noise), kind


def test_membership_is_calibrated_for_rare_viewers(mixed):
    """Among viewers of few impressions, as many are right as the probabilities say."""
    profiles, kind = mixed
    P = membership(learn_segments(profiles, 3), profiles)
    group = P.argmax(axis=1)
    name = {g: np.bincount(kind[(group == g) & (profiles.counts > 50)]).argmax() for g in range(3)}
    right = np.array([name[g] for g in group]) == kind
    rare = profiles.counts <= 50
    assert right[~rare].mean() > 0.98
    assert 0.5 < right[rare].mean() < 0.95
    assert right[rare].mean() == pytest.approx(P[rare].max(axis=1).mean(), abs=0.07)


def test_segments_are_learnt_whatever_the_unit(mixed):
    profiles, _ = mixed
    small = Profiles(profiles.means / 1e3, profiles.counts, profiles.noise / 1e6)
    one, two = learn_segments(profiles, 3), learn_segments(small, 3)
    assert_allclose(one.means / 1e3, two.means, rtol=1e-6)
    assert_allclose(one.spread / 1e6, two.spread, rtol=1e-6, atol=1e-15)
    assert (np.diff(one.weights) <= 0).all()
    assert_allclose(membership(one, profiles), membership(two, small), atol=1e-6)


def test_columns_that_depend_on_each_other_do_no_harm(mixed):
    profiles, kind = mixed
    double = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    wide = Profiles(profiles.means @ double, profiles.counts, double.T @ profiles.noise @ double)
    known = wide.counts > 50
    group = membership(learn_segments(wide, 3), wide).argmax(axis=1)
    assert adjusted_rand(kind[known], group[known]) > 0.97


def test_profiles_without_any_noise_go_to_the_nearest():
    profiles = Profiles(np.array([[-0.9], [0.8]]), np.array([1, 1]), np.zeros((1, 1)))
    assert_allclose(membership(two_segments(), profiles), [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cluster(LINE, 6), "5 different rows can make 1 to 5 groups, not 6"),
        (lambda: cluster(np.ones((4, 2)), 2), "1 different rows"),
        (lambda: cluster(LINE, 0), "not 0"),
        (lambda: cluster([[np.nan]], 1), "finite matrix"),
        (lambda: cluster([1.0, 2.0], 1), "finite matrix"),
        (lambda: cluster(LINE, 2, "dbscan"), "method must be"),
        (lambda: learn_segments(Profiles(LINE, np.array([1, 1, 1, 9, 9]), np.eye(1)), 3, 5), "2 viewers have 5"),
        (lambda: learn_segments(Profiles(LINE[:1], np.array([1]), np.eye(1)), 1, 0), "1 viewers have 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
