"""The index finds what brute force finds: all of it, or nearly."""

from __future__ import annotations

import numpy as np
import pytest

from avrec_lib.recommenders.two_tower.retrieval import ItemIndex, largest_products, recall

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(40, 16))
ITEMS = (CENTRES[RNG.integers(0, 40, 3000)] + 0.4 * RNG.normal(size=(3000, 16))).astype(np.float32)
QUERIES = (CENTRES[RNG.integers(0, 40, 60)] + 0.4 * RNG.normal(size=(60, 16))).astype(np.float32)


def test_brute_force_by_hand():
    items, products = largest_products([[1, 0], [0, 2], [1, 1]], [[1, 0.5], [0, 0]], k=2)
    assert items.tolist() == [[2, 0], [0, 1]]  # 1.5; 1 and 1 tie, the smaller index first; all 0
    assert products.tolist() == [[1.5, 1], [0, 0]]


def test_a_flat_index_is_brute_force():
    items, products = ItemIndex(ITEMS).search(QUERIES, 10)
    exact, exact_products = largest_products(ITEMS, QUERIES, 10)
    np.testing.assert_array_equal(items, exact)
    np.testing.assert_allclose(products, exact_products, rtol=1e-5)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_more_effort_finds_more_and_in_the_end_all(kind):
    exact, _ = largest_products(ITEMS, QUERIES, 10)
    shares = []
    for effort in (1, 8, 400):
        index = ItemIndex(ITEMS, kind, effort=effort, cells=50, links=8)
        shares.append(recall(index.search(QUERIES, 10)[0], exact))
    assert shares[0] <= shares[1] <= shares[2]
    assert shares[0] < 0.98
    assert shares[2] > 0.999


def test_every_cell_together_is_exact():
    index = ItemIndex(ITEMS, "ivf", cells=30, effort=30)
    np.testing.assert_array_equal(index.search(QUERIES, 5)[0], largest_products(ITEMS, QUERIES, 5)[0])


def test_the_same_seed_gives_the_same_answers():
    for kind in ("ivf", "hnsw"):
        a, b = (ItemIndex(ITEMS, kind, effort=2, links=4, seed=4).search(QUERIES, 5)[0] for _ in range(2))
        np.testing.assert_array_equal(a, b)


def test_a_catalogue_smaller_than_the_list_leaves_places_empty():
    for kind in ("flat", "ivf", "hnsw"):
        items, products = ItemIndex(ITEMS[:2], kind).search(QUERIES[:1], 4)
        assert items[0, 2:].tolist() == [-1, -1]
        assert np.isneginf(products[0, 2:]).all()
        assert set(items[0, :2].tolist()) == {0, 1}


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_an_index_can_be_written_and_read(kind, tmp_path):
    index = ItemIndex(ITEMS, kind, effort=5)
    index.save(tmp_path / "items.faiss")
    again = ItemIndex.load(tmp_path / "items.faiss", effort=5)
    assert [p.name for p in tmp_path.iterdir()] == ["items.faiss"]
    assert (len(again), again.kind) == (3000, kind)
    np.testing.assert_array_equal(again.search(QUERIES, 7)[0], index.search(QUERIES, 7)[0])


def test_a_file_that_is_no_index_is_refused(tmp_path):
    import faiss

    with pytest.raises(ValueError, match="nothing is not there; write an index with save first"):
        ItemIndex.load(tmp_path / "nothing")
    (tmp_path / "bad").write_bytes(b"not an index")
    with pytest.raises(ValueError, match="bad is no whole index"):
        ItemIndex.load(tmp_path / "bad")
    faiss.write_index(faiss.IndexLSH(16, 8), str(tmp_path / "other"))
    with pytest.raises(ValueError, match="other holds an index of another kind"):
        ItemIndex.load(tmp_path / "other")


def test_recall_by_hand():
    assert recall([[1, 2, 3], [7, -1, -1]], [[1, 2], [8, 7]]) == pytest.approx((1 + 0.5) / 2)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: ItemIndex([[np.nan, 1]]),
        lambda: ItemIndex(np.empty((0, 3))),
        lambda: ItemIndex(ITEMS, "tree"),
        lambda: ItemIndex(ITEMS, "ivf", effort=0),
        lambda: ItemIndex(ITEMS, "ivf", cells=0),
        lambda: ItemIndex(ITEMS, "hnsw", links=1),
        lambda: ItemIndex(ITEMS).search(QUERIES[:, :5]),
        lambda: ItemIndex(ITEMS).search(QUERIES, 0),
        lambda: ItemIndex(ITEMS).search(QUERIES[0]),
        lambda: recall([[1]], [[1], [2]]),
    ],
)
def test_what_cannot_be_searched_is_an_error(bad):
    with pytest.raises(ValueError, match=r"must|needs|have"):
        bad()
