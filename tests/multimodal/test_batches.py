"""Batches of viewers: beside plain loops, on logs of every kind, and nothing of a visit in its own history."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec_lib.multimodal.batches import COLUMNS, Batch, ViewerRows

from .small_clips import N_CLIPS, N_VIEWERS, small_inputs, small_log


class Numbers:
    """Clip i is read as the number i, so that a batch shows which clips it holds; notes what it was asked for."""

    def __init__(self, n=N_CLIPS):
        self.n, self.asked = n, []

    def __len__(self):
        return self.n

    def of(self, items):
        self.asked.append(list(items))
        i = torch.as_tensor(np.asarray(items))
        return {"text": i[:, None].float()}, torch.ones(len(i), 1, dtype=torch.bool)


def told(batch):
    """Return what a batch says of each impression, with the numbers of clips and viewers, sorted."""
    columns = batch.users[batch.viewer], batch.clips[batch.item], batch.click, batch.position
    return sorted(zip(*(x.tolist() for x in columns), strict=True))


def said(log):
    columns = (log[name].to_numpy() for name in ("user", "item", "click", "position"))
    return sorted(zip(*(x.astype(float).tolist() for x in columns), strict=True))


def by_loops(log, users, n_history, past=()):
    """Return (user, item, click, position, history) of all impressions of some viewers, viewer by viewer."""
    rows = [*past, *log.to_dict("records")]
    found = []
    for user in users:
        mine = [row for row in rows if row["user"] == user]
        for row in (row for row in log.to_dict("records") if row["user"] == user):
            begin = min(other["timestamp"] for other in mine if other["session"] == row["session"])
            before = [other for other in mine if other["click"] and other["timestamp"] < begin]
            before.sort(key=lambda other: other["timestamp"], reverse=True)
            history = tuple(other["item"] for other in before[:n_history])
            found.append((user, row["item"], float(row["click"]), row["position"], history))
    return found


def histories(batch):
    """Return the same of a batch."""
    found = []
    for e in range(batch.n):
        row = batch.history[batch.visit[e]]
        assert (row[(row >= 0).sum() :] == -1).all()  # padding stands at the end
        history = tuple(batch.clips[row[row >= 0]].tolist())
        user, item = batch.users[batch.viewer[e]].item(), batch.clips[batch.item[e]].item()
        found.append((user, item, batch.click[e].item(), batch.position[e].item(), history))
    return found


@pytest.mark.parametrize("n_history", [1, 3, 30])
def test_a_batch_is_what_plain_loops_find(n_history):
    log = small_log().sample(frac=1, random_state=0)  # the order of the rows does not matter
    rows = ViewerRows(small_inputs(), log, n_history)
    batch = rows.batch([7, 2, 9])
    assert sorted(histories(batch)) == sorted(by_loops(log, [7, 2, 9], n_history))
    assert batch.users.tolist() == [7, 2, 9]
    assert batch.users[batch.viewer.unique_consecutive()].tolist() == [7, 2, 9]
    assert (batch.history >= 0).any()


def test_by_hand():
    """Viewer 4 sees clips 9 and 2 and clicks 9, and later clip 9 again; viewer 1 sees clip 2."""
    log = pd.DataFrame(
        [(4, 9, 1, 1, 7, 10), (4, 2, 0, 2, 7, 11), (4, 9, 0, 1, 8, 50), (1, 2, 1, 3, 9, 5)], columns=list(COLUMNS)
    )
    batch = ViewerRows(Numbers(), log, 2).batch([1, 0])
    assert batch.users.tolist() == [4, 1]
    assert batch.clips.tolist() == [2, 9]
    assert batch.inputs["text"].tolist() == [[2.0], [9.0]]
    assert batch.item.tolist() == [1, 0, 1, 0]
    assert batch.viewer.tolist() == [0, 0, 0, 1]
    assert batch.click.tolist() == [1, 0, 0, 1]
    assert batch.position.tolist() == [1, 2, 1, 3]
    assert [batch.visit.tolist().count(v) for v in (0, 1, 2)] == [2, 1, 1]
    assert batch.of_visit.tolist() == [0, 0, 1]  # visits come in the order of the batch's viewers
    assert batch.history.tolist() == [[-1, -1], [1, -1], [-1, -1]]
    torch.testing.assert_close(batch.log_q, torch.tensor([math.log(1 / 2), math.log(1 / 2)]))
    assert {x.dtype for x in (batch.item, batch.visit, batch.viewer, batch.history, batch.users)} == {torch.int64}
    assert batch.click.dtype == batch.log_q.dtype == torch.float32


def test_each_clip_is_read_once_with_those_of_the_histories():
    inputs = Numbers()
    batch = ViewerRows(inputs, small_log(), 4).batch(np.arange(6))
    (asked,) = inputs.asked
    assert len(asked) == len(set(asked)) == len(batch.clips) < batch.n
    assert set(asked) == set(batch.clips[batch.item].tolist()) | set(
        batch.clips[batch.history[batch.history >= 0]].tolist()
    )


def test_no_click_of_a_visit_is_in_its_history():
    """Each viewer sees each clip once, so a clip in the history of its own visit would be the answer."""
    rng = np.random.default_rng(0)
    rows = [
        (u, int(item), 1, 1 + place % 5, 4 * u + place // 5, 1000 * (place // 5) + place)
        for u in range(3)
        for place, item in enumerate(rng.permutation(N_CLIPS))
    ]
    batch = ViewerRows(small_inputs(), pd.DataFrame(rows, columns=list(COLUMNS)), 20).batch([0, 1, 2])
    for v in range(len(batch.history)):
        here = set(batch.item[batch.visit == v].tolist())
        known = set(batch.history[v].tolist()) - {-1}
        assert not here & known
    assert (batch.history[-1] >= 0).sum() == 15  # the fourth visit knows the three before


def test_clicks_before_the_log_belong_to_the_histories():
    past, log = small_log(2), small_log(2, seed=1, first=100)
    rows = ViewerRows(small_inputs(), log, 30, past)
    batch = rows.batch(np.arange(len(rows)))
    assert rows.n == len(log)
    assert sorted(histories(batch)) == sorted(by_loops(log, range(N_VIEWERS), 30, past.to_dict("records")))
    without = ViewerRows(small_inputs(), log, 30).batch(np.arange(len(rows)))
    assert (batch.history >= 0).sum() > (without.history >= 0).sum()


def test_two_visits_that_overlap_in_time_stay_two():
    """Sessions 1 and 2 of one viewer take turns; neither knows the other's clicks, and each is one visit."""
    log = pd.DataFrame(
        [(0, 3, 1, 1, 1, 10), (0, 4, 0, 1, 2, 10), (0, 5, 0, 2, 1, 12), (0, 6, 1, 2, 2, 13), (0, 7, 0, 1, 3, 20)],
        columns=list(COLUMNS),
    )
    batch = ViewerRows(Numbers(), log, 3).batch([0])
    assert batch.clips[batch.item].tolist() == [3, 5, 4, 6, 7]
    assert batch.visit.tolist() == [0, 0, 1, 1, 2]
    assert [[batch.clips[i].item() for i in row if i >= 0] for row in batch.history] == [[], [], [6, 3]]


def test_who_reads_no_histories_gets_none():
    batch = ViewerRows(small_inputs(), small_log()).batch([0, 1])
    assert batch.history.shape == (8, 0)
    assert batch.clips.tolist() == sorted(set(batch.clips[batch.item].tolist()))


def test_a_log_with_one_row():
    rows = ViewerRows(Numbers(), pd.DataFrame([(3, 0, True, 1, 0, 0)], columns=list(COLUMNS)), 2)
    batch = rows.batch([0])
    assert (len(rows), rows.n, batch.n) == (1, 1, 1)
    assert batch.clips.tolist() == batch.item.tolist() == batch.of_visit.tolist() == [0]
    assert batch.users.tolist() == [3]
    assert batch.history.tolist() == [[-1, -1]]
    assert batch.log_q.tolist() == [0.0]


def test_the_share_of_a_clip_is_of_all_clicks_and_a_clip_without_one_counts_as_one():
    log = small_log()
    batch = ViewerRows(small_inputs(), log).batch(np.arange(N_VIEWERS))
    clicks = log.groupby("item")["click"].sum()
    expected = np.log([max(clicks[i], 1) / log["click"].sum() for i in batch.clips.tolist()])
    np.testing.assert_allclose(batch.log_q, expected, rtol=1e-6)
    nothing = ViewerRows(small_inputs(), log.assign(click=False)).batch([0])
    assert not nothing.log_q.any()


def test_a_batch_moves_whole():
    batch = ViewerRows(small_inputs(), small_log(), 2).batch([0, 1])
    there = batch.to("meta", non_blocking=True)
    assert {x.device.type for x in (*there.inputs.values(), *there[1:])} == {"meta"}
    back = batch.to("cpu")
    assert back.n == batch.n == 40
    for name in Batch._fields[1:]:
        assert torch.equal(getattr(back, name), getattr(batch, name))


def test_the_rows_of_a_batch_come_from_the_clips_that_it_names():
    inputs = small_inputs()
    batch = ViewerRows(inputs, small_log(), 2).batch([4, 3])
    arrays, there = inputs.of(batch.clips)
    assert torch.equal(batch.there, there)
    for sense, array in arrays.items():
        torch.testing.assert_close(batch.inputs[sense], array, equal_nan=True)


@st.composite
def logs(draw):
    """Any rows at all: clips several times, visits that overlap, equal times, viewers without numbers in between."""
    n = draw(st.integers(1, 40))
    numbers = {"user": 6, "item": 8, "click": 1, "position": 5, "session": 4, "timestamp": 12}
    columns = {name: draw(st.lists(st.integers(0, most), min_size=n, max_size=n)) for name, most in numbers.items()}
    return pd.DataFrame(columns).assign(position=lambda x: x["position"] + 1)


@settings(max_examples=60, deadline=None)
@given(log=logs(), n_history=st.integers(0, 3), data=st.data())
def test_however_the_viewers_are_split_no_impression_is_lost_or_doubled(log, n_history, data):
    rows = ViewerRows(Numbers(9), log, n_history)
    assert rows.users.tolist() == sorted(set(log["user"]))
    order = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(0, len(rows)))
    batches = [rows.batch(part) for part in (order[:cut], order[cut:]) if part]
    assert sum(batch.n for batch in batches) == rows.n == len(log)
    assert Counter(row for batch in batches for row in told(batch)) == Counter(said(log))
    for batch in batches:
        assert len(set(batch.visit.tolist())) == len(batch.of_visit) == len(batch.history)
        assert torch.equal(batch.of_visit[batch.visit], batch.viewer)
        pairs = log[log["user"].isin(batch.users.tolist())].groupby(["user", "session"]).ngroups
        assert len(batch.of_visit) == pairs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.drop(columns=["session", "click"]), "lacks the column click, session"),
        (lambda x: x.iloc[:0], "has no impression"),
        (lambda x: x.assign(item=N_CLIPS), "clips are numbered 0..19; the log names others"),
        (lambda x: x.assign(item=-1), "clips are numbered"),
    ],
)
def test_a_log_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ViewerRows(small_inputs(), change(small_log()))
