"""Sounds of clips: two seconds of a small tune whose notes tell how fast and how bright a clip sounds.

A tune climbs or falls through a pentatonic scale. A falling tune is a climbing one played from its last
note to its first, so the notes as a set, their lengths and their timbre are the same for both: only
their order tells which it is. (A spectrum averaged over time knows next to nothing of it: a trace is
left where a window covers the end of one note and the start of the next.) All else is chance: key and
span, loudness, the mixture of harmonics, attack and decay, rhythm, background noise. Everything is
computed with integers; see `exact`.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from avrec_lib.data.clips.exact import ONE, SINE, TURN, Ints, between, clip_seeds, fixed, generator, whole

RATE = 16_000  # samples a second
LENGTH = 2 * RATE
N_HARMONICS = 14
RELEASE = RATE // 100  # samples in which a note dies away at its end
_SCALES = ((0, 2, 4, 7, 9), (0, 3, 5, 7, 10))  # pentatonic, major and minor, in semitones


def _unrounded_octave() -> NDArray[np.float64]:
    """Return how far the phase of C4 = 261.626 Hz and of the 11 semitones above moves in a sample, in 2^-32 turns."""
    return 2.0 ** (32 + (np.arange(12) - 9) / 12) * 440 / RATE


OCTAVE = np.rint(_unrounded_octave()).astype(np.int64)


def play_sounds(pace: ArrayLike, bright: ArrayLike, rising: ArrayLike, seed: ArrayLike) -> NDArray[np.int16]:
    """Play the sounds of n clips.

    Parameters
    ----------
    pace : array, shape (n,)
        From -1, two notes a second, to 1, ten.
    bright : array, shape (n,)
        From -1, a dull timbre (each harmonic at about an eighth of the amplitude of the one below it), to 1,
        a bright one (four fifths).
    rising : bool array, shape (n,)
        Whether the tune climbs (or else falls).
    seed : int or int array, shape (n,)
        Seed of each clip's chances, at least 0; a single number s stands for s, s + 1, …

    Returns
    -------
    int16 array, shape (n, 32000)
        2 s of PCM at 16 kHz, mono. The same bytes on every machine.

    Raises
    ------
    ValueError
        If the lengths differ, or a value is outside its range.
    """
    n = np.size(pace)
    pace, bright = fixed(pace, "pace", n), fixed(bright, "bright", n)
    rising, seeds = whole(rising, "rising", n, 0, 1), clip_seeds(seed, n)
    sounds = np.empty((n, LENGTH), dtype=np.int16)
    for i in range(n):
        rng = generator(int(seeds[i]), "sound")
        starts, ends = _rhythm(rng, int(pace[i]))
        notes = _climb(rng, len(starts))
        sound = _play(rng, starts, ends, notes if rising[i] else notes[::-1], _timbre(rng, int(bright[i])))
        hiss = rng.integers(0, 256, (2, LENGTH), dtype=np.uint8).astype(np.int64).sum(axis=0) - 255
        sound += hiss * between(rng, 4, 16) // 64  # standard deviation 6 to 26
        sounds[i] = np.clip(sound, -32768, 32767)
    return sounds


def _rhythm(rng: np.random.Generator, pace: int) -> tuple[Ints, Ints]:
    """Return the first sample of each note and the one after its last: beats of 1/2 to 1/10 s, a little uneven."""
    beat = RATE * ONE * 100 // ((6 * ONE + 4 * pace) * between(rng, 94, 106))
    n_notes = LENGTH // beat
    limits = between(rng, 0, LENGTH - n_notes * beat) + beat * np.arange(n_notes + 1)
    limits[1:-1] += rng.integers(-beat // 12, beat // 12, n_notes - 1, endpoint=True)
    return limits[:-1], limits[1:] - beat * between(rng, 10, 26) // 100  # legato … staccato


def _climb(rng: np.random.Generator, n_notes: int) -> Ints:
    """Return the notes of a tune that climbs, with some steps back, in semitones above C4."""
    scale, key = np.array(_SCALES[between(rng, 0, 1)]), between(rng, -10, -3)
    lowest, span = between(rng, -1, 3), between(rng, 5, 7)  # in steps of the scale
    steps = lowest + span * np.arange(n_notes) // (n_notes - 1) + rng.integers(-1, 1, n_notes, endpoint=True)
    notes: Ints = key + 12 * (steps // 5) + scale[steps % 5]
    return notes


def _timbre(rng: np.random.Generator, bright: int) -> Ints:
    """Return the amplitudes of the harmonics, each 0.12 to 0.8 times the one below, of total power 2^28."""
    factor = 20_300 * (1000 * ONE + 447 * bright) // (1000 * ONE - 447 * bright)  # in 2^-16; nearly 0.31 · 2.6^bright
    even = between(rng, 75, 100)  # percent: hollow … full
    weights, weight = np.empty(N_HARMONICS, dtype=np.int64), 1 << 20
    for h in range(N_HARMONICS):
        weights[h] = weight * between(rng, 80, 120) * (even if h % 2 else 100) // 10_000
        weight = weight * factor >> 16
    return weights * (1 << 14) // isqrt(int(weights @ weights))


def _play(rng: np.random.Generator, starts: Ints, ends: Ints, notes: Ints, weights: Ints) -> Ints:
    """Return the samples of the tune, (32000,): loud or soft, struck hard or gently, no two notes quite alike."""
    sound = np.zeros(LENGTH, dtype=np.int64)
    advance = OCTAVE[notes % 12] * 2 ** (notes // 12 + 2) // 4  # per sample, in 2^-32 turns
    loudness = between(rng, 200, 500) * rng.integers(80, 100, len(notes), endpoint=True) // 100  # of ONE
    phases = rng.integers(0, TURN, len(weights))
    attack, decay = between(rng, 16, 80), between(rng, 2000, 7000)  # samples: of the rise, to fall to 1/e
    _sing(sound, starts, ends, advance, loudness, weights, phases, attack, decay)
    return sound


@njit(cache=True)
def _sing(
    sound: Ints,
    starts: Ints,
    ends: Ints,
    advance: Ints,
    loudness: Ints,
    weights: Ints,
    phases: Ints,
    attack: int,
    decay: int,
) -> None:
    """Write the notes: envelope · Σ_h weight_h sin(h · phase + phase_h), without harmonics above 7.6 kHz."""
    for j in range(len(starts)):
        phase, level = 0, 1 << 24
        for t in range(starts[j], ends[j]):
            total = 0
            for h in range(len(weights)):
                if (h + 1) * advance[j] > 2_040_000_000:  # 7.6 kHz
                    break
                total += weights[h] * SINE[(((h + 1) * phase >> 20) + phases[h]) % TURN]
            begun, left = t - starts[j], ends[j] - t
            envelope = level * min(begun, attack) // attack * min(left, RELEASE) // RELEASE >> 12  # to 2^12
            sound[t] = (total >> 15) * envelope * loudness[j] >> 22
            phase = (phase + advance[j]) % (1 << 32)
            level -= level // decay
