"""Scores and lists of everybody in a file: what a service says, whatever the chunks and the interruptions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from filelock import FileLock

from avrec_lib.multimodal import batch_scoring
from avrec_lib.multimodal.batch_scoring import read_lists, write_lists, write_scores
from avrec_lib.multimodal.serving import Service, ServingTables


def tables_of(n=60, m=11, D=5, seed=0):
    """Return random tables in which each item has a double."""
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((n // 2, D)).astype(np.float32)
    return ServingTables(
        items=np.concatenate([half, half]),
        users=rng.standard_normal((m + 1, D)).astype(np.float32),
        g=rng.standard_normal((n, 2)).astype(np.float32),
        without=np.zeros((1, n, D), np.float32),
        senses=("text",),
        item_ids=[f"clip {i}" for i in range(n)],
        user_ids=[f"user {u}" for u in range(m)],
        clicked=sp.csr_array(rng.random((m, n)) < 0.1),
        seen=sp.csr_array((rng.random((m, n)) < 0.3) * -1),  # a value of −1 must not cancel a click's 1
    )


def stopped(monkeypatch, after, call):
    """Run a call that is interrupted when it asks for chunk number `after`."""
    real, calls = batch_scoring._scores, []

    def scores(*told):
        if len(calls) == after:
            raise KeyboardInterrupt
        calls.append(told)
        return real(*told)

    with monkeypatch.context() as patch:
        patch.setattr(batch_scoring, "_scores", scores)
        with pytest.raises(KeyboardInterrupt):
            call()
    return calls


@pytest.mark.parametrize("chunk", [None, 1, 5, 12, 100])
def test_scores_are_inner_products_whatever_the_chunk(chunk, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_scoring, "BLOCK", 13)
    tables = tables_of()
    write_scores(tables, tmp_path / "deep" / "scores.npy", chunk=chunk)
    found = np.load(tmp_path / "deep" / "scores.npy", mmap_mode="r")
    assert (found.shape, found.dtype) == ((12, 60), np.float32)
    np.testing.assert_allclose(found, tables.users @ tables.items.T, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found[:, :30], found[:, 30:])  # doubles tie
    assert not list((tmp_path / "deep").glob("*.part*"))


@pytest.mark.parametrize("k", [1, 10, 80])
def test_lists_are_those_of_a_service(k, tmp_path):
    pytest.importorskip("faiss", reason="a service searches with FAISS, an extra: avrec-lib[project]")
    tables = tables_of()
    write_lists(tables, tmp_path / "lists.npy", k, chunk=5)
    found, service = read_lists(tables, tmp_path / "lists.npy"), Service(tables)
    expected = [
        (user, rank, one.item_id, one.score)
        for user in (*tables.user_ids, None)
        for rank, one in enumerate(service.recommend(user, k), start=1)
    ]
    pd.testing.assert_frame_equal(
        found, pd.DataFrame(expected, columns=list(found)).astype({"score": np.float32}), check_dtype=False
    )
    file = np.load(tmp_path / "lists.npy")
    assert file.shape == (12, k)
    assert ((file["item"] == -1) == np.isneginf(file["score"])).all()


def test_lists_without_a_table_of_what_was_seen_leave_out_clicks_only(tmp_path):
    tables = replace(tables_of(), seen=None)
    write_lists(tables, tmp_path / "lists.npy", 60)
    file = np.load(tmp_path / "lists.npy")
    np.testing.assert_array_equal((file["item"] >= 0).sum(axis=1), [*(60 - tables.clicked.sum(axis=1)), 60])


def test_nobody_but_a_stranger_has_a_list(tmp_path):
    tables = tables_of(m=0)
    write_lists(tables, tmp_path / "lists.npy", 3)
    found = read_lists(tables, tmp_path / "lists.npy")
    assert found["user_id"].tolist() == [None] * 3
    assert found["rank"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("write", [write_scores, write_lists])
def test_what_was_interrupted_goes_on_and_ends_the_same(write, tmp_path, monkeypatch):
    tables, path = tables_of(), tmp_path / "file.npy"
    write(tables, tmp_path / "whole.npy", chunk=4)
    assert len(stopped(monkeypatch, 2, lambda: write(tables, path, chunk=4))) == 2
    assert not path.exists()
    assert json.loads((tmp_path / "file.npy.part.json").read_text())["done"] == 8
    again = stopped(monkeypatch, 1, lambda: write(tables, path, chunk=1))  # another chunk may go on
    assert [told[1].tolist() for told in again] == [[8]]
    write(tables, path, chunk=100)
    assert path.read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert not list(tmp_path.glob("*.part*"))


def test_a_finished_file_is_replaced_only_by_a_whole_one(tmp_path, monkeypatch):
    path = tmp_path / "file.npy"
    write_scores(tables_of(seed=1), path)
    old = path.read_bytes()
    stopped(monkeypatch, 1, lambda: write_scores(tables_of(), path, chunk=4))
    assert path.read_bytes() == old
    write_scores(tables_of(), path, chunk=4)
    assert path.read_bytes() != old


def test_a_part_of_something_else_is_refused_and_a_damaged_note_begins_anew(tmp_path, monkeypatch):
    path, tables = tmp_path / "file.npy", tables_of()
    stopped(monkeypatch, 1, lambda: write_lists(tables, path, 5, chunk=4))
    seen = sp.csr_array(tables.seen.toarray() * (np.arange(60) > 3))
    for call in (
        lambda: write_lists(tables, path, 6),
        lambda: write_scores(tables, path),
        lambda: write_lists(tables_of(seed=2), path, 5),
        lambda: write_lists(replace(tables, seen=seen), path, 5),
    ):
        with pytest.raises(ValueError, match=r"file\.npy\.part was begun for other tables or lists; delete it"):
            call()
    (tmp_path / "file.npy.part.json").write_text("{")
    write_lists(tables, path, 5)
    write_lists(tables, tmp_path / "whole.npy", 5)
    assert path.read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_two_processes_do_not_write_one_file(tmp_path):
    with (
        FileLock(tmp_path / ".file.npy.lock"),
        pytest.raises(ValueError, match=r"another process is writing file\.npy; wait for it"),
    ):
        write_scores(tables_of(), tmp_path / "file.npy")
    write_scores(tables_of(), tmp_path / "file.npy")


def test_what_cannot_be_is_refused(tmp_path):
    tables, path = tables_of(), tmp_path / "file.npy"
    with pytest.raises(ValueError, match="chunk must be at least 1, not 0"):
        write_scores(tables, path, chunk=0)
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        write_lists(tables, path, 0)
    with pytest.raises(ValueError, match=r"file\.npy is not there or holds no lists"):
        read_lists(tables, path)
    write_scores(tables, path)
    with pytest.raises(ValueError, match=r"file\.npy holds no lists for these 12 rows"):
        read_lists(tables, path)
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match=r"file\.npy is not there or holds no lists"):
        read_lists(tables, path)
