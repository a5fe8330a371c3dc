"""Claims of names, counted by hand; luck is refused, and so is a name whose segment was made from the same clicks."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from avrec_lib.behaviour.segment_names import (
    check_names,
    claims,
    compare_words,
    count_words,
    gains_by_likelihood,
    names_by_likelihood,
)

HAS = pd.DataFrame({"cats": [True, False, False], "jazz": [False, True, False]})
# viewer 0 sees all three clips at one position and clicks on cats; viewer 1 on jazz; viewer 2 sees nothing
USERS, ITEMS, CLICKS = [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2], [1, 0, 0, 0, 1, 0]


class Parrot:
    """Stands in for a language model: a word is likely if the prompt holds it, and "jazz" always."""

    def log_likelihood(self, prompts, continuations, *, per_token=False):
        return np.array([2.0 * (w in p) + 3.0 * (w == " jazz") for p, w in zip(prompts, continuations, strict=True)])


def test_clicks_beyond_expectation_by_hand():
    counts = count_words(USERS, ITEMS, CLICKS, [1] * 6, HAS, 3)
    assert counts.words == ("cats", "jazz")
    assert counts.shown.tolist() == [[1, 1], [1, 1], [0, 0]]
    assert_allclose(counts.beyond, [[2 / 3, -1 / 3], [-1 / 3, 2 / 3], [0, 0]])


def test_who_clicks_on_everything_prefers_nothing():
    counts = count_words([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0], [1] * 4, HAS, 2)
    assert_allclose(counts.beyond, 0, atol=1e-12)


def _crowd(inside, outside, seed=0, n=200):
    """Return counts of n viewers, half of them in segment 0, who click on cats with these chances, else with 1/2."""
    rng, users = np.random.default_rng(seed), np.repeat(np.arange(n), 40)
    items = rng.integers(0, 3, len(users))
    chance = np.where(items == 0, np.where(users < n // 2, inside, outside), 0.5)
    counts = count_words(users, items, rng.random(len(users)) < chance, np.ones(len(users), dtype=int), HAS, n)
    return counts, np.repeat([0, 1], n // 2)


def test_the_comparison_by_its_own_equation():
    counts, labels = _crowd(0.7, 0.5)
    row = compare_words(counts, labels).loc[(0, "cats")]
    shown, beyond = counts.shown[:100, 0], counts.beyond[:100, 0]
    assert row["inside"] == pytest.approx(beyond.sum() / shown.sum())
    assert row["difference"] == pytest.approx(0.2 * 2 / 3, abs=0.03)  # a third of it goes into the viewers' own means
    assert row["z"] > 5
    assert row["p"] < 1e-6


def test_the_error_is_that_of_a_bootstrap_over_viewers():
    counts, labels = _crowd(0.7, 0.5)
    row, rng, drawn = compare_words(counts, labels).loc[(0, "cats")], np.random.default_rng(1), []
    for _ in range(400):
        one, two = rng.integers(0, 100, 100), rng.integers(100, 200, 100)
        rate = [counts.beyond[rows, 0].sum() / counts.shown[rows, 0].sum() for rows in (one, two)]
        drawn.append(rate[0] - rate[1])
    assert row["difference"] / row["z"] == pytest.approx(np.std(drawn), rel=0.12)


def test_without_a_difference_luck_is_as_frequent_as_it_says():
    p = [compare_words(*_crowd(0.5, 0.5, seed)).loc[(0, "cats"), "p"] for seed in range(200)]
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.05)


def test_unknown_viewers_are_left_out():
    counts, labels = _crowd(0.7, 0.5)
    less = labels.copy()
    less[::2] = -1
    table = compare_words(counts, less)
    assert set(table.index.get_level_values("segment")) == {0, 1}
    assert table.loc[(0, "cats"), "inside"] == pytest.approx(
        counts.beyond[1:100:2, 0].sum() / counts.shown[1:100:2, 0].sum()
    )


def test_few_witnesses_prove_nothing():
    counts, _ = _crowd(1.0, 0.0)
    table = compare_words(counts, np.repeat([0, 1], [9, 191]))
    assert (table["p"] == 1).all()


def test_claims_of_a_name():
    words = {"plants", "cat", "home"}
    assert claims("Plant lovers at HOME", words) == (["plants", "home"], ["at"])
    assert claims("the cats' fans", words) == ([], ["cats'"])
    assert claims("Cats, cat people", words) == (["cat"], [])
    assert claims("viewers who like videos", words) == ([], [])


TABLE = pd.DataFrame(
    {"difference": [0.2, 0.3, 0.01, -0.1], "z": [9.0, 1.0, 8.0, -3.0], "p": [1e-9, 0.16, 1e-9, 0.999]},
    index=pd.MultiIndex.from_product([[0], ["cats", "jazz", "tea", "golf"]], names=["segment", "word"]),
)


@pytest.mark.parametrize(
    ("name", "accepted", "reason"),
    [
        ("Cat lovers", True, "cats +0.20"),
        ("cats and jazz", False, "jazz +0.30: may be luck"),
        ("tea fans", False, "tea +0.01: too little"),
        ("golf", False, "golf -0.10: not more than outside"),
        ("happy cats", False, "too few clips have the word: happy"),
        ("people who like videos", False, "claims nothing"),
        ("", False, "claims nothing"),
    ],
)
def test_a_name_is_accepted_or_the_reason_told(name, accepted, reason):
    row = check_names({0: name}, TABLE).loc[0]
    assert row["accepted"] == accepted
    assert row["reason"] == reason


def test_more_claims_need_better_evidence():
    table = pd.concat([TABLE, TABLE.rename({0: 1}, level="segment")]).assign(p=0.03)
    assert check_names({0: "cats"}, table)["accepted"].tolist() == [True]
    assert check_names({0: "cats", 1: "cats"}, table)["accepted"].tolist() == [False, False]


def test_who_picked_the_best_of_many_words_must_pay_for_all_of_them():
    table = TABLE.assign(p=0.01)
    assert check_names({0: "cats"}, table)["accepted"].item()
    assert check_names({0: "cats"}, table, n_tried=5)["accepted"].item()
    assert not check_names({0: "cats"}, table, n_tried=6)["accepted"].item()


def test_segments_of_noise_have_names_only_in_the_clicks_that_made_them():
    rng, words = np.random.default_rng(3), [f"w{i}" for i in range(40)]
    has = pd.DataFrame(np.eye(40, dtype=bool), columns=words)
    users = np.repeat(np.arange(300), 120)
    items, clicks = rng.integers(0, 40, len(users)), rng.random(len(users)) < 0.5
    first = np.arange(len(users)) % 2 == 0
    tables = {}
    own = count_words(users[first], items[first], clicks[first], 0 * items[first], has, 300)
    labels = (own.beyond[:, :3].sum(axis=1) > 0).astype(int)  # a "clustering" of noise by three words
    for name, part in (("same", first), ("new", ~first)):
        counts = count_words(users[part], items[part], clicks[part], 0 * items[part], has, 300)
        tables[name] = compare_words(counts, labels)
    assert check_names({1: "w0 and w1"}, tables["same"])["accepted"].item()
    assert not check_names({1: "w0 and w1"}, tables["new"])["accepted"].item()


def test_likelihood_takes_off_what_is_likely_anyway():
    prompts = {4: "a film of cats, they like", 7: "tea and jazz, they like"}
    names = names_by_likelihood(Parrot(), prompts, ["N/A, they like"], ["jazz", "cats", "tea"], 1)
    assert names == {4: "cats", 7: "jazz"}
    assert names_by_likelihood(Parrot(), prompts, ["N/A"], ["tea", "jazz"], 2)[7] == "jazz and tea"


def test_gains_are_what_reading_adds():
    gains = gains_by_likelihood(Parrot(), {4: "a film of cats"}, ["N/A", "a film of cats"], ["jazz", "cats"])
    assert gains.loc[4].to_dict() == {"jazz": 0.0, "cats": 1.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare_words(_crowd(0.5, 0.5)[0], [0, 1]), "200 viewers, but labels of shape"),
        (lambda: compare_words(_crowd(0.5, 0.5)[0], [-1] * 200), "no viewer has a segment"),
        (lambda: check_names({3: "cats"}, TABLE), "no segment 3"),
        (lambda: check_names({0: "cats and tea"}, TABLE, n_tried=1), "claim 2 words, so n_tried cannot be 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
