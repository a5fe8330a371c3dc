"""A log of any length is a valid log, the same each time."""

import hashlib

import ibis
import pandas as pd
import pyarrow.parquet as pq
import pytest

from avrec_lib.behaviour import synthetic
from avrec_lib.behaviour.events import to_frame, validate
from avrec_lib.behaviour.features import user_features
from avrec_lib.behaviour.synthetic import START, synthetic_items, write_synthetic_events

D = 86_400


def read(path):
    return pd.read_parquet(path).astype(to_frame([]).dtypes.to_dict())


@pytest.mark.parametrize("n", [1, 2, 3, 11, 997, 20_000])
def test_there_are_just_as_many_events_as_asked_for_and_all_are_valid(tmp_path, n):
    log = read(write_synthetic_events(tmp_path / "events.parquet", n))
    assert len(log) == n
    assert validate(log).empty
    assert log["event_id"].tolist() == [f"e{k}" for k in range(n)]
    assert [path.name for path in tmp_path.iterdir()] == ["events.parquet"]


def test_a_seed_fixes_the_log(tmp_path):
    def content(seed):
        path = write_synthetic_events(tmp_path / "events.parquet", 5000, seed=seed)
        return hashlib.sha256(read(path).to_csv().encode()).hexdigest()

    assert content(1) == content(1) != content(2)


def test_a_log_has_the_shape_that_it_says(tmp_path):
    path = write_synthetic_events(tmp_path / "events.parquet", 50_000, n_items=100, days=20)
    log = read(path)
    share = log["action"].value_counts()
    assert share["click"] / share["impression"] == pytest.approx(synthetic.CLICK, abs=0.02)
    assert share["like"] / share["click"] == pytest.approx(synthetic.LIKE, abs=0.02)
    assert 190 <= log["user_id"].nunique() <= 200
    assert log["timestamp"].min() >= START
    assert log["timestamp"].max() < START + 20 * D + 3600
    visits = log.groupby("session_id", sort=False)
    assert visits["timestamp"].min().is_monotonic_increasing
    assert not log[["session_id", "user_id"]].drop_duplicates()["session_id"].duplicated().any()
    assert log[log["action"] == "impression"].groupby("session_id", sort=False).size().iloc[:-1].eq(10).all()
    assert visits["timestamp"].apply(lambda times: times.is_monotonic_increasing).all()
    popular = log["item_id"].value_counts()
    assert popular["c00000"] > 10 * popular["c00060"]


def test_a_watch_is_never_longer_than_the_clip_nor_the_way_to_the_next(tmp_path):
    log = read(write_synthetic_events(tmp_path / "events.parquet", 5000))
    length = log["item_id"].map(synthetic_items().set_index("item_id")["seconds"])
    assert (log["watch_seconds"].isna() == (log["action"] != "click")).all()
    assert (log["watch_seconds"].dropna() <= length[log["watch_seconds"].notna()]).all()
    shown = log[log["action"] == "impression"].groupby("session_id")["timestamp"]
    step = shown.shift(-1) - log["timestamp"]
    taken = log["watch_seconds"].shift(-1).where(log["action"].shift(-1) == "click", 0.0)
    assert (step[step.notna()] > taken[step.notna()]).all()


def test_pieces_make_one_log(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "PIECE", 100)
    path = write_synthetic_events(tmp_path / "events.parquet", 1000)
    assert pq.ParquetFile(path).num_row_groups > 5
    log = read(path)
    assert validate(log).empty
    assert log["event_id"].is_unique
    assert log.groupby("session_id", sort=False)["position"].max().iloc[:-1].eq(10).all()


def test_features_can_be_computed_from_it(tmp_path):
    path = write_synthetic_events(tmp_path / "events.parquet", 5000)
    table = ibis.duckdb.connect().read_parquet(str(path))
    found = user_features(table, now=START + 60 * D, items=ibis.memtable(synthetic_items())).to_pandas()
    assert len(found) == 20
    assert found["diversity"].between(1, 20.001).all()


def test_a_log_of_nothing_is_refused(tmp_path):
    for options in ({"n": 0}, {"n": 5, "n_items": 0}, {"n": 5, "days": 0}):
        name = list(options)[-1]
        with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
            write_synthetic_events(tmp_path / "events.parquet", **options)
