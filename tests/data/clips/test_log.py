"""The log has the biases that it is said to have, and no others."""

import numpy as np
import pandas as pd
import pytest

from avrec_lib.data.clips.log import DAY, SLATE, START, draw_clips, draw_impressions, draw_viewers, looks
from avrec_lib.data.clips.world import World, draw_attributes, draw_tastes, preference

WORLD = World()


@pytest.fixture(scope="module")
def made():
    attributes, tastes = draw_attributes(WORLD), draw_tastes(WORLD)
    clips, viewers = draw_clips(WORLD), draw_viewers(WORLD)
    return attributes, tastes, clips, viewers, draw_impressions(WORLD, tastes, attributes, clips, viewers)


def test_it_is_large_and_in_order_of_time(made):
    log = made[-1]
    assert len(log) > 60_000
    assert log["timestamp"].is_monotonic_increasing
    assert (
        log["timestamp"].between(START, START + WORLD.days * DAY + 7200).all()
    )  # the last evening goes on past midnight


def test_a_session_is_a_slate_of_ten_positions(made):
    sizes = made[-1].groupby("session")["position"].agg(["size", "nunique", "min", "max"])
    assert (sizes == [SLATE, SLATE, 1, SLATE]).all(axis=None)


def test_nobody_meets_a_clip_twice_or_before_it_was_uploaded(made):
    _, _, clips, _, log = made
    assert not log.duplicated(["user", "item"]).any()
    assert (log["timestamp"] >= clips["uploaded_at"].to_numpy()[log["item"]]).all()


def test_sessions_of_a_viewer_do_not_overlap(made):
    log = made[-1]
    spans = log.groupby(["user", "session"])["timestamp"].agg(["min", "max"]).sort_values(["user", "min"]).reset_index()
    same = spans["user"].eq(spans["user"].shift())
    assert (spans["min"] >= spans["max"].shift())[same].all()


def test_clicks_come_with_the_true_probability(made):
    """Within each tenth of the predicted probability, the share of clicks is the mean prediction."""
    attributes, tastes, _, _, log = made
    p = preference(WORLD, tastes, attributes, log["user"].to_numpy(), log["item"].to_numpy())
    p = p * looks(WORLD, log["position"].to_numpy())
    tenths = pd.DataFrame({"p": p, "click": log["click"]}).groupby(pd.qcut(p, 10))
    error = tenths["click"].mean() - tenths["p"].mean()
    assert (error.abs() < 4 * np.sqrt(0.25 / tenths.size())).all()


def test_positions_are_looked_at_with_r_to_the_minus_gamma():
    assert looks(WORLD, np.array([1, 2, 10])) == pytest.approx([1, 2**-0.3, 10**-0.3])


def test_random_sessions_prefer_nothing_and_the_others_do(made):
    attributes, tastes, clips, _, log = made
    sample = np.arange(0, WORLD.n_viewers, 5)
    liked = preference(WORLD, tastes, attributes, sample[:, None], np.arange(WORLD.n_clips)).mean(axis=0)
    old = clips["uploaded_at"].to_numpy() < START  # those that every session could show
    log = log[old[log["item"]]]
    shown = liked[log["item"]]
    at_random = log["random"].to_numpy()
    # not exactly 0: what a viewer has met already does not come again, and the policy shows the best first
    assert abs(shown[at_random].mean() - liked[old].mean()) < 0.015
    assert shown[~at_random].mean() > liked[old].mean() + 0.05
    assert at_random.mean() == pytest.approx(0.3, abs=0.02)


def test_only_clicks_are_watched_and_liked(made):
    log = made[-1]
    assert (log.loc[~log["click"], "watch_seconds"] == 0).all()
    assert (log.loc[log["click"], "watch_seconds"] >= 1).all()
    assert not log.loc[~log["click"], "like"].any()
    seconds = made[2]["seconds"].to_numpy()[log["item"]]
    assert (log["watch_seconds"] <= seconds).all()
