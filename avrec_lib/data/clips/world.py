"""Who likes what: the clips' hidden attributes, the viewers' tastes, and the true probability of a click.

This is the whole truth of the book's own dataset. A viewer u likes a clip i for three reasons that
are read by three senses, and for no other:

    z_ui = β + a_T τ_u[topic_i] + a_L ⟨λ_u, look_i⟩ + a_S ⟨σ_u, sound_i⟩        p_ui = sigmoid(z_ui)

The topic is told only by the words, the look is seen only on the cover, the sound is heard only in
the sound. p_ui is the probability of a click *if the viewer looks at the clip*; `log` decides what
is shown, where, and who looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

TOPICS = ("cooking", "football", "music", "pets", "travel", "gadgets", "school", "gardening", "painting", "repair")
# The five kinds of viewer: what they like (+) and dislike (-), topic by topic, in the order of TOPICS.
TYPES = {
    "home makers": "+--+--+++-",
    "students": "-++--++---",
    "handymen": "+-+--+-+-+",
    "outdoor people": "-+-++--+-+",
    "artists": "--+++---++",
}
EVERYBODY = "++-+--+-+-"  # what most people like, whatever their kind


@dataclass(frozen=True)
class World:
    """The sizes and strengths of the generated world; the committed tables are those of the defaults.

    Attributes
    ----------
    n_clips, n_viewers, days : int
        Size of the catalogue, number of people, length of the log.
    base : float
        β: log-odds of a click on a clip that a viewer is indifferent to.
    a_topic, a_look, a_sound : float
        a_T, a_L, a_S: how much each sense matters.
    shared : float
        Share of the variance of tastes that all viewers have in common.
    own : float
        Standard deviation of what is a viewer's own, beside the taste of the kind.
    position : float
        γ: at position r of a list a viewer looks with probability r^-γ.
    """

    seed: int = 2026
    n_clips: int = 2000
    n_viewers: int = 1000
    days: int = 30
    base: float = -0.3
    a_topic: float = 2.0
    a_look: float = 2.6
    a_sound: float = 2.6
    shared: float = 0.4
    own: float = 0.07
    position: float = 0.3

    def rng(self, part: str) -> np.random.Generator:
        """Return the generator of one part of the world, so that a change in one part leaves the others as they are."""
        return np.random.default_rng([self.seed, *part.encode()])


@dataclass(frozen=True)
class Tastes:
    """What every viewer likes: `topic` (m, 10), `look` (m, 2), `sound` (m, 2), and the `kind` (m,) it comes from."""

    kind: NDArray[np.int64]
    topic: NDArray[np.float64]
    look: NDArray[np.float64]
    sound: NDArray[np.float64]


def draw_attributes(world: World) -> pd.DataFrame:
    """Draw what no table of the dataset tells: one row a clip, every column independent of all the others.

    topic: 0..9; look_warm, look_busy, sound_pace, sound_bright: uniform on [-1, 1];
    rising: does the melody climb; shape, colour, count: the object on the cover. The last four
    interest no viewer.
    """
    rng, n = world.rng("attributes"), world.n_clips
    columns: dict[str, NDArray[np.generic]] = {"topic": rng.integers(0, len(TOPICS), n)}
    for name in ("look_warm", "look_busy", "sound_pace", "sound_bright"):
        columns[name] = rng.integers(-1000, 1001, n) / 1000
    columns["rising"] = rng.integers(0, 2, n).astype(bool)
    columns |= {"shape": rng.integers(0, 8, n), "colour": rng.integers(0, 6, n), "count": rng.integers(1, 4, n)}
    return pd.DataFrame(columns)


def draw_tastes(world: World) -> Tastes:
    """Draw the viewers' tastes: √shared · everybody's + √(1 - shared) · the kind's + own · noise."""
    rng, m, n_kinds = world.rng("tastes"), world.n_viewers, len(TYPES)
    signs = np.array([[1.0 if sign == "+" else -1.0 for sign in row] for row in [EVERYBODY, *TYPES.values()]])
    looks = np.vstack([[0.8, 0.6], _around_a_circle(n_kinds, step=1)])
    sounds = np.vstack([[0.6, -0.8], _around_a_circle(n_kinds, step=2)])
    kind = rng.integers(0, n_kinds, m)

    def mixed(table: NDArray[np.float64]) -> NDArray[np.float64]:
        of_the_kind = np.sqrt(world.shared) * table[0] + np.sqrt(1 - world.shared) * table[1:][kind]
        return np.asarray(of_the_kind + world.own * rng.standard_normal(of_the_kind.shape))

    return Tastes(kind, mixed(signs), mixed(looks), mixed(sounds))


def preference(
    world: World, tastes: Tastes, attributes: pd.DataFrame, users: NDArray[np.integer], items: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return p_ui, the true probability that viewer u, looking at clip i, clicks; shapes broadcast."""
    look = attributes[["look_warm", "look_busy"]].to_numpy()
    sound = attributes[["sound_pace", "sound_bright"]].to_numpy()
    z = world.base + world.a_topic * tastes.topic[users, attributes["topic"].to_numpy()[items]]
    z = z + world.a_look * (tastes.look[users] * look[items]).sum(axis=-1)
    z = z + world.a_sound * (tastes.sound[users] * sound[items]).sum(axis=-1)
    return np.asarray(expit(z), dtype=np.float64)


def _around_a_circle(n: int, step: int) -> NDArray[np.float64]:
    """Return n directions of the plane, evenly spread, in an order that steps round the circle."""
    angles = 2 * np.pi * (step * np.arange(n) % n) / n
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)  # (n, 2)
