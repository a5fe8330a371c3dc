"""The recorded policy is the one that made the log: what it says of chances is what happened."""

import numpy as np
import pytest

from avrec_lib.behaviour.choices import choice_means, choice_probabilities
from avrec_lib.data.clips import load_clips
from avrec_lib.data.clips.log import DAY, RANDOM_SHARE, SLATE, START, _session_starts, draw_viewers
from avrec_lib.data.clips.policy import policy_weights, sessions

CUT = START + 25 * DAY


@pytest.fixture(scope="module")
def clips():
    return load_clips()


@pytest.fixture(scope="module")
def late(clips):
    return sessions(clips, CUT)


@pytest.fixture(scope="module")
def logged(clips, late):
    weights = np.where(late.random[:, None], 1.0, policy_weights(clips))
    return choice_probabilities(weights, late.free, late.items)


def test_all_sessions_are_there_whole_and_in_order(clips, late):
    log = clips.impressions
    assert len(sessions(clips).users) == log["session"].nunique()
    early = sessions(clips, end=CUT)
    assert len(early.users) + len(late.users) == log["session"].nunique()
    one = log[log["session"] == log["session"].iloc[-1]].sort_values("position")
    row = np.flatnonzero((late.items == one["item"].to_numpy()).all(axis=1))
    assert len(row) == 1
    assert late.users[row[0]] == one["user"].iloc[0]
    assert late.clicks[row[0]].tolist() == one["click"].tolist()
    assert late.random[row[0]] == one["random"].iloc[0]


def test_what_was_shown_was_free(late):
    assert np.take_along_axis(late.free, late.items, axis=1).all()


def test_a_clip_is_free_from_its_upload_until_the_session_after_the_one_that_shows_it(clips):
    log, everything = clips.impressions, sessions(clips)
    user = int(log["user"].mode()[0])
    own = everything.of(everything.users == user)
    for k, items in enumerate(own.items[:-1]):
        assert own.free[k, items].all()
        assert not own.free[k + 1 :, items].any()
    newest = int(clips.items["uploaded_at"].argmax())
    assert not own.free[0, newest]


def test_what_is_free_is_exactly_what_the_log_was_drawn_from(clips):
    """The first viewers' month, drawn again with the log's own random numbers: one viewer comes after the other."""
    viewers, uploaded = draw_viewers(clips.truth.world), clips.items["uploaded_at"].to_numpy()
    appeal, rng = np.log(policy_weights(clips)), clips.truth.world.rng("log")
    everything, n = sessions(clips), len(uploaded)
    for user, viewer in viewers.head(20).iterrows():
        own, free = everything.of(everything.users == user), np.ones(n, dtype=bool)
        begun = _session_starts(rng, viewer["hour"], int(viewer["sessions"]), int(viewer["last_day"]))
        assert len(own.users) == len(begun)
        for k, start in enumerate(begun):
            by_lot = rng.random() < RANDOM_SHARE
            keys = rng.gumbel(size=n) + (0.0 if by_lot else appeal)
            could = free & (uploaded <= start)
            assert (own.random[k], own.free[k].tolist()) == (by_lot, could.tolist())
            keys[~could] = -np.inf
            assert own.items[k].tolist() == np.argsort(-keys)[:SLATE].tolist()
            free[own.items[k]] = False


def test_chances_are_those_of_a_lottery_that_was_drawn(late, logged):
    """The mean of uniform/logged over draws from logged is the share of uniform: 1 in every place."""
    n_free = late.free.sum(axis=1)[:, None] - np.arange(10)
    w = 1 / n_free / logged
    for kind in (True, False):
        mean = w[late.random == kind].mean()
        error = w[late.random == kind].std() / np.sqrt(w[late.random == kind].size)
        assert mean == pytest.approx(1, abs=4 * error + 1e-9)


def test_the_policy_draws_what_its_weights_expect(clips, late):
    """The mean log weight of what was shown is what the chances say, in policy sessions; and is not, in random ones."""
    weights = policy_weights(clips)
    own = late.of(~late.random)
    expected = choice_means(weights, own.free, own.items, np.log(weights))
    error = np.log(weights)[own.items].std() / np.sqrt(own.items.size)
    assert np.log(weights)[own.items].mean() == pytest.approx(expected.mean(), abs=4 * error)
    at_random = np.log(weights)[late.of(late.random).items].mean()
    assert abs(at_random - expected.mean()) > 20 * error


def test_rows_have_the_order_of_the_sessions(late):
    rows = late.rows()
    assert rows["position"].head(10).tolist() == list(range(1, 11))
    np.testing.assert_array_equal(rows["item"].to_numpy().reshape(-1, 10), late.items)
    assert (rows["user"].to_numpy()[::10] == late.users).all()
    assert rows["click"].sum() == late.clicks.sum()


def test_no_session_in_the_time_is_said(clips):
    with pytest.raises(ValueError, match="no session began between"):
        sessions(clips, START + 99 * DAY)
