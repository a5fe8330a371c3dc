"""From a model to tables: each sense hidden in turn, clicks by hand, and evidence beside a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit

from avrec_lib.multimodal.clip_inputs import ClipInputs
from avrec_lib.multimodal.tables import clip_table, evidence_table, last_clicks, viewer_table

from .small_clips import N_VIEWERS, SMALL, USERS, WIDTHS, small_inputs, small_log
from .test_model import shaken

COLUMNS = ["user", "item", "click", "timestamp"]


@pytest.mark.parametrize("user", USERS)
def test_a_table_is_what_the_model_makes_of_all_clips_in_chunks_of_any_size(user):
    model, inputs = shaken(SMALL.but(user=user)), small_inputs()
    whole = clip_table(model, inputs)
    model.eval()
    with torch.no_grad():
        g = model.clip_vectors(*inputs.of(np.arange(20)))
        np.testing.assert_array_equal(whole.g, g)
        np.testing.assert_array_equal(whole.b, model.item_vectors(g))
    parts = clip_table(model, inputs, chunk=7)
    np.testing.assert_allclose(parts.g, whole.g, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(parts.b, whole.b, rtol=1e-5, atol=1e-6)
    size = {"tastes": SMALL.tastes, "nobody": 1}.get(user, SMALL.d + 1)
    assert whole.g.shape == (20, SMALL.d)
    assert whole.b.shape == (20, size)
    assert whole.g.dtype == whole.b.dtype == np.float32


@pytest.mark.parametrize("hidden", WIDTHS)
def test_a_hidden_sense_is_one_that_is_not_there(hidden):
    model, inputs = shaken(), small_inputs()
    there = inputs.there.copy()
    there[:, list(WIDTHS).index(hidden)] = False
    expected = clip_table(model, ClipInputs(inputs.arrays, there, inputs.faults))
    got = clip_table(model, inputs, hidden)
    np.testing.assert_array_equal(got.b, expected.b)
    changed = (got.b != clip_table(model, inputs).b).any(axis=1)
    assert changed[inputs.there[:, list(WIDTHS).index(hidden)]].all()
    assert not changed[~inputs.there[:, list(WIDTHS).index(hidden)]].any()


def test_hiding_a_sense_leaves_the_inputs_as_they_were():
    arrays, there = small_inputs().of(np.arange(20))

    class Held:
        """Hands out its own tensors and no copies."""

        def __len__(self):
            return 20

        def of(self, items):
            return arrays, there

    before = there.clone()
    clip_table(shaken(), Held(), "picture")
    assert torch.equal(there, before)


def test_nothing_is_hidden_at_random_and_no_gradient_is_kept():
    model = shaken(SMALL.but(hide=0.9)).train()
    np.testing.assert_array_equal(clip_table(model, small_inputs()).b, clip_table(model, small_inputs()).b)
    assert not model.training


def test_a_sense_that_is_not_read_cannot_be_hidden():
    with pytest.raises(ValueError, match="the model reads text; there is no sound to hide"):
        clip_table(shaken(SMALL.but(picture="none", sound="none")), small_inputs(("text",)), "sound")


# --- clicks


def test_last_clicks_by_hand():
    """Viewer 0 clicked 5, 6, 7 in this order, viewer 2 clicked 9; 8 was refused."""
    rows = [(0, 7, 1, 30), (0, 5, 1, 10), (2, 9, 1, 5), (0, 8, 0, 25), (0, 6, 1, 20)]
    log = pd.DataFrame(rows, columns=COLUMNS, index=[4, 4, 0, 1, 9])
    assert last_clicks(log, 4, 2).tolist() == [[7, 6], [-1, -1], [9, -1], [-1, -1]]
    assert last_clicks(log, 3, 4).tolist() == [[7, 6, 5, -1], [-1] * 4, [9, -1, -1, -1]]
    assert last_clicks(log, 3, 0).shape == (3, 0)


def test_of_two_clicks_at_one_time_the_later_row_is_the_newer():
    log = pd.DataFrame([(0, 1, 1, 10), (0, 2, 1, 10), (0, 3, 1, 5), (0, 4, 1, 10)], columns=COLUMNS)
    assert last_clicks(log, 1, 3).tolist() == [[4, 2, 1]]
    assert last_clicks(log.iloc[::-1], 1, 3).tolist() == [[1, 2, 4]]


def test_a_clip_that_was_clicked_twice_is_there_twice():
    log = pd.DataFrame([(0, 1, True, 10), (0, 1, True, 20)], columns=COLUMNS)
    assert last_clicks(log, 1, 3).tolist() == [[1, 1, -1]]


def test_a_log_without_clicks_knows_none():
    assert (last_clicks(small_log().assign(click=False), N_VIEWERS, 3) == -1).all()


def test_a_log_that_lacks_a_column_is_refused():
    with pytest.raises(ValueError, match="the log lacks the column click, timestamp"):
        last_clicks(small_log().drop(columns=["timestamp", "click"]), N_VIEWERS, 2)


# --- evidence and viewers


def test_evidence_is_a_sum_over_the_rows_of_a_viewer():
    model, log = shaken(), small_log()
    log = log[log["user"] != 3].sample(frac=1, random_state=0)
    b = clip_table(model, small_inputs()).b
    looked = [1.0, *expit(model.place.detach().double().numpy())]
    expected = np.zeros((N_VIEWERS, SMALL.tastes))
    for row in log.itertuples():
        for k in range(SMALL.tastes):
            p = looked[row.position - 1] / (1 + math.exp(-float(b[row.item, k])))
            expected[row.user, k] += math.log(p if row.click else 1 - p)
    found = evidence_table(model, b, log)
    assert found.shape == (N_VIEWERS, SMALL.tastes)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not found[3].any()


def test_evidence_of_two_logs_adds_up():
    model, log = shaken(), small_log()
    b = clip_table(model, small_inputs()).b
    both = evidence_table(model, b, log.iloc[:100]) + evidence_table(model, b, log.iloc[100:])
    np.testing.assert_allclose(both, evidence_table(model, b, log), rtol=1e-5)


def test_the_tastes_of_a_viewer_are_bayes_rule():
    model, log = shaken(), small_log()
    b = clip_table(model, small_inputs()).b
    a = viewer_table(model, b, log)
    weights = np.exp(evidence_table(model, b, log).astype(np.float64)) * model.tastes.prior.exp().detach().numpy()
    np.testing.assert_allclose(a[:-1], weights / weights.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(a.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("user", USERS)
def test_the_rows_of_a_log_may_come_in_any_order(user):
    model, log = shaken(SMALL.but(user=user)), small_log()
    b = clip_table(model, small_inputs()).b
    mixed = log.sample(frac=1, random_state=1)
    np.testing.assert_allclose(viewer_table(model, b, mixed), viewer_table(model, b, log), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("user", "changes"), [("tastes", True), ("history", True), ("both", True), ("id", False)])
def test_a_click_after_training_counts_at_once_where_a_viewer_is_what_they_did(user, changes):
    model, log = shaken(SMALL.but(user=user)), small_log()
    b = clip_table(model, small_inputs()).b
    before = viewer_table(model, b, log)
    row = pd.DataFrame([(6, 2, True, 1, 5000, 9_000_000)], columns=list(log))
    after = viewer_table(model, b, pd.concat([log, row]))
    assert (before[6] != after[6]).any() == changes
    np.testing.assert_allclose(np.delete(before, 6, axis=0), np.delete(after, 6, axis=0), rtol=1e-6)


@pytest.mark.parametrize("user", USERS)
def test_a_table_has_a_row_for_each_viewer_and_one_for_a_stranger(user):
    model = shaken(SMALL.but(user=user))
    b = clip_table(model, small_inputs()).b
    a = viewer_table(model, b, small_log())
    assert a.shape == (N_VIEWERS + 1, b.shape[1])
    assert a.dtype == np.float32
    if user == "id":
        np.testing.assert_array_equal(a[-1], [*[0.0] * SMALL.d, 1.0])
