"""What was known: by hand, beside a plain loop, and nothing of what came later."""

from __future__ import annotations

import numpy as np
import pytest

from avrec_lib.multimodal.known import known_clicks

NONE = 99


def log(n=300, seed=0):
    rng = np.random.default_rng(seed)
    begins = rng.integers(0, 40, n) * 10
    return {
        "users": rng.integers(0, 6, n),
        "items": rng.integers(0, 20, n),
        "clicks": rng.integers(0, 2, n),
        "times": begins + rng.integers(0, 9, n),
        "begins": begins,
    }


def test_by_hand():
    """One viewer: clicks on 5 and 7 in a first visit, 8 refused, and a second visit; somebody else clicked 1."""
    got = known_clicks(
        [0, 0, 0, 0, 1], [5, 7, 8, 9, 1], [1, 1, 0, 1, 1], [10, 11, 12, 50, 20], [10, 10, 10, 50, 20], 3, NONE
    )
    assert got.tolist() == [[NONE] * 3, [NONE] * 3, [NONE] * 3, [7, 5, NONE], [NONE] * 3]


@pytest.mark.parametrize("length", [1, 4, 50])
def test_it_is_what_a_plain_loop_finds(length):
    x = log()
    expected = []
    for row in range(len(x["users"])):
        before = [
            e
            for e in range(len(x["users"]))
            if x["users"][e] == x["users"][row] and x["clicks"][e] and x["times"][e] < x["begins"][row]
        ]
        before.sort(key=lambda e: (x["times"][e], e), reverse=True)
        clips = [int(x["items"][e]) for e in before[:length]]
        expected.append(clips + [NONE] * (length - len(clips)))
    assert known_clicks(**x, length=length, padding=NONE).tolist() == expected


def test_no_history_knows_what_came_later():
    x = log()
    before = known_clicks(**x, length=5, padding=NONE)
    late = x["times"] >= 200
    changed = x | {"items": np.where(late, 0, x["items"]), "clicks": np.where(late, 1, x["clicks"])}
    after = known_clicks(**changed, length=5, padding=NONE)
    early = x["begins"] <= 200
    np.testing.assert_array_equal(after[early], before[early])
    assert (after[~early] != before[~early]).any()


def test_a_log_without_clicks_knows_nothing():
    x = log() | {"clicks": np.zeros(300, dtype=int)}
    assert (known_clicks(**x, length=2, padding=NONE) == NONE).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 0}, "length must be at least 1"),
        ({"padding": 3}, "there is a clip 3"),
        ({"times": np.zeros(300)}, "lies before the visit it belongs to"),
        ({"users": np.zeros(2, dtype=int)}, "of one length"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        known_clicks(**({**log(), "length": 2, "padding": NONE} | change))
