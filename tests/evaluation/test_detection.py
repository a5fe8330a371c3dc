"""Precision, recall and the share of right repairs, for each kind of fault."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_score, recall_score

from avrec_lib.evaluation.detection import detection


def report(*entries):
    table = pd.DataFrame(entries, columns=["row", "kind", "column", "new", "done"])
    return table.astype({"row": "int64", "new": object})


@pytest.fixture
def truth():
    """Return ten rows: 0, 1 and 2 are copies, 3 and 4 have a wrong unit, 5 has no device."""
    fault = ["copy"] * 3 + ["unit"] * 2 + ["no_device"] + [""] * 4
    return pd.DataFrame({"fault": fault, "timestamp": np.arange(10) * 100, "device": ["ios"] * 9 + [None]})


FOUND = (
    (0, "copy", "event_id", None, "removed"),
    (1, "copy", "event_id", None, "removed"),
    (6, "copy", "event_id", None, "removed"),
    (7, "copy", "event_id", None, "removed"),
    (3, "unit", "timestamp", 300, "changed"),
    (4, "unit", "timestamp", 401, "changed"),
)


def test_by_hand(truth):
    """Two of the four rows called copies are copies, and there are three; one of two times is right."""
    table = detection(report(*FOUND), truth)
    assert table.index.tolist() == ["copy", "no_device", "unit"]
    assert table[["there", "found"]].to_numpy().tolist() == [[3, 4], [1, 0], [2, 2]]
    assert table.loc["copy", "precision"] == pytest.approx(2 / 4)
    assert table.loc["copy", "recall"] == pytest.approx(2 / 3)
    assert table.loc["unit", ["precision", "recall", "repaired"]].tolist() == [1.0, 1.0, 0.5]


def test_a_share_of_nothing_is_no_number(truth):
    table = detection(report(*FOUND), truth, ["no_device", "copy", "bot"])
    assert table.index.tolist() == ["no_device", "copy", "bot"]
    assert np.isnan(table.loc["no_device", "precision"])
    assert table.loc["no_device", "recall"] == 0
    assert np.isnan(table.loc["copy", "repaired"])  # removed rows have no new value
    assert table.loc["bot", ["there", "found"]].tolist() == [0, 0]
    assert np.isnan(table.loc["bot", "recall"])


def test_a_row_that_is_named_twice_counts_once(truth):
    twice = report((3, "unit", "timestamp", 3, "changed"), (3, "unit", "timestamp", 300, "changed"))
    assert detection(twice, truth, ["unit"]).loc["unit", ["found", "precision", "recall"]].tolist() == [1, 1.0, 0.5]


def test_a_row_of_another_kind_is_a_false_alarm_and_a_miss(truth):
    table = detection(report((5, "unit", "device", "ios", "changed")), truth)
    assert table.loc["unit", ["precision", "recall", "repaired"]].tolist() == [0.0, 0.0, 1.0]
    assert table.loc["no_device", "recall"] == 0


def test_what_was_left_is_found_and_not_repaired(truth):
    table = detection(report((5, "no_device", "device", None, "left")), truth)
    assert table.loc["no_device", "recall"] == 1
    assert np.isnan(table.loc["no_device", "repaired"])


def test_a_true_value_that_is_missing_is_never_right(truth):
    assert detection(report((9, "no_device", "device", None, "changed")), truth).loc["no_device", "repaired"] == 0


def test_an_empty_report_finds_nothing(truth):
    assert detection(report(), truth)["found"].tolist() == [0, 0, 0]


def test_it_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    wrong, said = rng.random((2, 500)) < 0.3
    truth = pd.DataFrame({"fault": np.where(wrong, "x", "")})
    entries = [(row, "x", "c", None, "removed") for row in np.flatnonzero(said)]
    table = detection(report(*entries), truth)
    assert table.loc["x", "precision"] == pytest.approx(precision_score(wrong, said))
    assert table.loc["x", "recall"] == pytest.approx(recall_score(wrong, said))


@pytest.mark.parametrize(
    ("entry", "drop", "message"),
    [
        ((10, "copy", "event_id", None, "removed"), [], "the report names row 10, the truth has 10"),
        ((0, "copy", "event_id", None, "removed"), ["fault"], "no column 'fault'"),
        ((3, "unit", "timestamp", 3, "changed"), ["timestamp"], "no column 'timestamp', which the report changed"),
    ],
)
def test_a_truth_of_another_log_is_refused(truth, entry, drop, message):
    with pytest.raises(ValueError, match=message):
        detection(report(entry), truth.drop(columns=drop))
