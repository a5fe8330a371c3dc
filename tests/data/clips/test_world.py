"""Who likes what is what the docstrings say, and no attribute tells another."""

from dataclasses import replace

import numpy as np
import pytest

from avrec_lib.data.clips.world import EVERYBODY, TOPICS, TYPES, World, draw_attributes, draw_tastes, preference

WORLD = World()


@pytest.fixture(scope="module")
def attributes():
    return draw_attributes(WORLD)


def test_the_same_seed_gives_the_same_world_and_another_another(attributes):
    assert attributes.equals(draw_attributes(WORLD))
    assert not attributes.equals(draw_attributes(replace(WORLD, seed=1)))
    assert np.array_equal(draw_tastes(WORLD).topic, draw_tastes(WORLD).topic)


def test_the_parts_have_generators_of_their_own():
    a, b = WORLD.rng("log"), WORLD.rng("dirt")
    assert a.random() != b.random()


def test_every_kind_has_an_opinion_of_every_topic():
    assert all(len(row) == len(TOPICS) and set(row) <= {"+", "-"} for row in [EVERYBODY, *TYPES.values()])


def test_attributes_tell_nothing_of_each_other(attributes):
    """No correlation beyond what 2,000 independent draws show (4 standard errors of 1/√n)."""
    numbers = attributes.drop(columns=["topic", "shape", "colour"]).astype(float)
    for k in range(len(TOPICS)):
        numbers[f"topic_{k}"] = attributes["topic"] == k
    table = np.corrcoef(numbers.to_numpy(float).T)
    topics = [numbers.columns.get_loc(f"topic_{k}") for k in range(len(TOPICS))]
    table[np.ix_(topics, topics)] = 0  # a clip has one topic, so these exclude each other
    np.fill_diagonal(table, 0)
    assert np.abs(table).max() < 4 / np.sqrt(len(numbers))


def test_preference_by_hand(attributes):
    """z = β + a_T τ + a_L⟨λ, look⟩ + a_S⟨σ, sound⟩, for one viewer and one clip, term by term."""
    tastes, u, i = draw_tastes(WORLD), 7, 11
    clip = attributes.loc[i]
    z = -0.3 + 2.0 * tastes.topic[u, clip["topic"]]
    z += 2.6 * (tastes.look[u, 0] * clip["look_warm"] + tastes.look[u, 1] * clip["look_busy"])
    z += 2.6 * (tastes.sound[u, 0] * clip["sound_pace"] + tastes.sound[u, 1] * clip["sound_bright"])
    assert preference(WORLD, tastes, attributes, np.array([u]), np.array([i]))[0] == pytest.approx(1 / (1 + np.exp(-z)))


def test_viewers_of_a_kind_are_alike():
    tastes = draw_tastes(WORLD)
    everything = np.hstack([tastes.topic, tastes.look, tastes.sound])
    means = np.stack([everything[tastes.kind == kind].mean(axis=0) for kind in range(len(TYPES))])
    nearest = np.argmin(((everything[:, None] - means) ** 2).sum(axis=-1), axis=1)
    assert np.array_equal(nearest, tastes.kind)
    assert np.std(everything - means[tastes.kind]) == pytest.approx(WORLD.own, rel=0.05)
