"""Agreement, number, stability and names of segments: by hand, equal to scikit-learn, and on the clips' viewers."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import adjusted_rand_score, silhouette_samples

from avrec_lib.behaviour.segment_quality import (
    adjusted_rand,
    compare_k,
    differences,
    gap,
    gap_choice,
    name_segments,
    silhouettes,
    stability,
)
from avrec_lib.behaviour.segments import assign, cluster, learn_segments, membership, within_squares
from avrec_lib.behaviour.taste_profiles import learn_common, taste_profiles
from avrec_lib.data.clips import TOPICS, load_clips


@pytest.fixture(scope="module")
def blobs():
    rng, kind = np.random.default_rng(7), np.arange(150) % 3
    return rng.normal(size=(150, 2)) * 0.5 + np.array([[0, 0], [4, 0], [0, 4]])[kind], kind


def test_adjusted_rand_by_hand():
    # pairs together: in both 1 (first two), in a 2, in b 2, of 6; by chance 2·2/6 = 2/3
    assert adjusted_rand([0, 0, 1, 1], [0, 0, 1, 2]) == pytest.approx((1 - 2 / 6) / (1.5 - 2 / 6))
    assert adjusted_rand([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx((0 - 2 / 3) / (2 - 2 / 3))


def test_names_of_groups_do_not_matter():
    assert adjusted_rand([0, 0, 1, 2], ["x", "x", "z", "y"]) == 1


@pytest.mark.parametrize("labels", [[0], [0, 0, 0], [0, 1, 2]])
def test_trivial_groupings_agree_with_themselves(labels):
    assert adjusted_rand(labels, labels) == 1 == adjusted_rand_score(labels, labels)


def test_adjusted_rand_equals_sklearn():
    rng = np.random.default_rng(0)
    for k in (1, 2, 5, 40):
        a, b = rng.integers(0, 4, 80), rng.integers(0, k, 80)
        assert adjusted_rand(a, b) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)


def test_chance_is_zero_on_average():
    rng = np.random.default_rng(0)
    found = [adjusted_rand(rng.integers(0, 3, 60), rng.integers(0, 3, 60)) for _ in range(200)]
    assert abs(np.mean(found)) < 0.005


def test_silhouettes_by_hand():
    # at 0: own group at distance 1, the other at 5: (5 - 1) / 5; at 1: (4 - 1) / 4; alone: 0
    assert_allclose(silhouettes([[0.0], [1.0], [5.0]], [0, 0, 1]), [0.8, 0.75, 0])


def test_silhouettes_equal_sklearn(blobs):
    assert_allclose(silhouettes(*blobs), silhouette_samples(*blobs))


def test_who_is_alone_has_no_silhouette():
    assert silhouettes([[0.0], [1.0]], [0, 1]).tolist() == [0, 0]


def test_the_gap_by_its_own_equation(blobs):
    value, error = gap(blobs[0], 3, n_references=4, seed=2)
    rng, X = np.random.default_rng(2), blobs[0] - blobs[0].mean(axis=0)
    axes = np.linalg.eigh(X.T @ X)[1][:, ::-1]
    box = X @ axes
    logs = []
    for _ in range(4):
        points = rng.uniform(0, 1, box.shape) * np.ptp(box, axis=0)
        logs.append(np.log(within_squares(points, cluster(points, 3, seed=2))))
    assert value == pytest.approx(np.mean(logs) - np.log(within_squares(X, cluster(X, 3, seed=2))), abs=0.1)
    assert error == pytest.approx(np.std(logs) * np.sqrt(1.25), abs=0.05)
    assert value > 1


def test_there_is_no_gap_where_there_are_no_groups():
    X = np.random.default_rng(0).random((200, 2)) * [3, 1]
    assert abs(gap(X, 3)[0]) < 0.1


def test_groups_that_are_there_come_back(blobs):
    assert stability(blobs[0], 3).tolist() == [1] * 10
    assert stability(blobs[0], 5, n_pairs=5).mean() < 0.95
    assert stability(np.random.default_rng(0).normal(size=(150, 2)), 5, n_pairs=5).mean() < 0.8


def test_stability_depends_on_the_seed_only(blobs):
    assert stability(blobs[0], 4, n_pairs=3).tolist() == stability(blobs[0], 4, n_pairs=3).tolist()
    assert stability(blobs[0], 4, n_pairs=3).tolist() != stability(blobs[0], 4, n_pairs=3, seed=1).tolist()


def test_every_criterion_finds_three_blobs(blobs):
    table = compare_k(blobs[0], range(2, 6), n_pairs=4, n_references=5)
    assert table["silhouette"].idxmax() == table["bic"].idxmin() == table["stability"].idxmax() == 3
    assert gap_choice(table) == 3
    assert (table["within"].diff().dropna() < 0).all()


def test_gap_choice_by_hand():
    table = pd.DataFrame({"gap": [1.0, 1.4, 1.45], "gap_error": [0.1, 0.1, 0.1]}, index=[2, 3, 4])
    assert gap_choice(table) == 3  # 1.4 ≥ 1.45 - 0.1, while 1.0 < 1.4 - 0.1
    assert gap_choice(table.assign(gap=[1.0, 2.0, 3.0])) == 4


FEATURES = pd.DataFrame({"pets": [1.0, 1.0, 0.0, 0.0], "age": [2.0, 0.0, 2.0, 0.0], "same": [0.1] * 4})


def test_differences_by_hand():
    table = differences(FEATURES, [0, 0, 1, 1])
    assert table.loc[0].tolist() == [2, 0, 0]  # one mean is 1, one 0, the standard deviation is 1/2
    assert table.loc[1].tolist() == [-2, 0, 0]


def test_one_segment_has_nothing_to_differ_from():
    assert differences(FEATURES, [0, 0, 0, 0]).to_numpy().tolist() == [[0, 0, 0]]
    assert name_segments(FEATURES, [0, 0, 0, 0]).tolist() == ["like everybody"]


def test_names_say_what_sets_apart():
    assert name_segments(FEATURES, [0, 0, 1, 1]).tolist() == ["+ pets", "- pets"]
    assert name_segments(FEATURES, [0, 1, 1, 1], n_words=1).tolist() == ["+ pets", "- pets"]


def test_unknown_viewers_have_no_part_in_names():
    assert name_segments(FEATURES, [0, -1, 1, -1]).index.tolist() == [0, 1]


@pytest.fixture(scope="module")
def viewers():
    """Return the clips, what is common to all, and the viewers' profiles on the true attributes of what they saw."""
    clips = load_clips()
    items, log = clips.truth.items, clips.impressions
    X = np.column_stack([np.eye(len(TOPICS))[items["topic"]], items[["look_warm", "look_busy", "sound_pace"]]])
    seen = (log["user"], log["item"], log["click"], log["position"])
    common = learn_common(log["item"], log["click"], log["position"], log["user"], X)
    return clips, X, common, taste_profiles(*seen, X, len(clips.viewers), common)


def test_the_kinds_of_viewers_are_found(viewers):
    clips, _, _, profiles = viewers
    kind = clips.truth.viewers["kind"]
    for method in ("k-means", "mixture", "hierarchy"):
        assert adjusted_rand(kind, cluster(profiles.means, 5, method)) > 0.9
    found = assign(membership(learn_segments(profiles, 5), profiles))
    assert (found >= 0).mean() > 0.97
    assert adjusted_rand(kind[found >= 0], found[found >= 0]) > 0.97


def test_after_ten_impressions_few_are_sure_and_those_are_right(viewers):
    clips, X, common, profiles = viewers
    segments = learn_segments(profiles, 5)
    log = clips.impressions[clips.impressions.groupby("user").cumcount() < 10]
    early = taste_profiles(log["user"], log["item"], log["click"], log["position"], X, len(clips.viewers), common)
    P = membership(segments, early)
    right = P.argmax(axis=1) == membership(segments, profiles).argmax(axis=1)
    known = assign(P) >= 0
    assert 0.05 < known.mean() < 0.3
    assert right[known].mean() > 0.8
    assert right.mean() == pytest.approx(P.max(axis=1).mean(), abs=0.05)


def test_names_of_the_kinds_can_be_checked(viewers):
    clips, _, _, profiles = viewers
    features = pd.DataFrame(profiles.means[:, :10], columns=list(TOPICS))
    kinds = clips.truth.viewers["kind_name"]
    table = differences(features, clips.truth.viewers["kind"])
    tastes = clips.truth.viewers.filter(regex=r"^topic_\d").groupby(clips.truth.viewers["kind"]).mean().to_numpy()
    beyond = tastes - tastes.mean(axis=0)
    assert (np.sign(table.to_numpy())[np.abs(beyond) > 0.9] == np.sign(beyond)[np.abs(beyond) > 0.9]).all()
    assert kinds.nunique() == len(name_segments(features, clips.truth.viewers["kind"])) == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adjusted_rand([0], [0, 1]), "one length"),
        (lambda: adjusted_rand([], []), "one length"),
        (lambda: silhouettes([[0.0], [1.0]], [0, 0]), "two groups or more"),
        (lambda: gap([[0.0], [1.0]], 2), "not 3"),
        (lambda: stability([[0.0], [1.0]], 3), "not 3"),
        (lambda: differences(FEATURES, [-1] * 4), "no viewer has a segment"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
