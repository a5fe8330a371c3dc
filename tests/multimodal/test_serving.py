"""A service: by hand, equal to brute force, and what a click, a new viewer and a new clip change."""

from __future__ import annotations

import builtins
import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from avrec_lib.multimodal.serving import Service, ServingTables
from avrec_lib.multimodal.tastes import Tastes
from avrec_lib.recommenders.base import top_k
from avrec_lib.recommenders.two_tower.retrieval import ItemIndex

pytest.importorskip("faiss", reason="a service searches with FAISS, an extra: avrec-lib[project]")
SENSES = ("text", "picture", "sound")


def tables_of(n=300, m=12, D=6, seed=0, **changes):
    """Return random tables in which many items tie: half of them are copies of the other half."""
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((n - n // 2, D)).astype(np.float32)
    items = np.concatenate([half, half])[rng.permutation(n)]
    told = {
        "items": items,
        "users": rng.standard_normal((m + 1, D)).astype(np.float32),
        "g": rng.standard_normal((n, 4)).astype(np.float32),
        "without": rng.standard_normal((3, n, D)).astype(np.float32),
        "senses": SENSES,
        "item_ids": [f"clip {i}" for i in range(n)],
        "user_ids": [f"user {u}" for u in range(m)],
        "clicked": sp.csr_array(rng.random((m, n)) < 0.05),
        "seen": sp.csr_array(rng.random((m, n)) < 0.2),
    }
    return ServingTables(**{**told, **changes})


def by_hand(**changes):
    """Two senses, three items, one user; u = (1, 2), the stranger (0, 1)."""
    told = {
        "items": np.array([[1, 0], [0, 1], [1, 1]], np.float32),  # scores 1, 2, 3; for the stranger 0, 1, 1
        "users": np.array([[1, 2], [0, 1]], np.float32),
        "g": np.array([[1, 0], [1, 1], [-1, 0]], np.float32),
        "without": np.array([[[0, 0], [0, 0], [1, 0]], [[1, 0], [0, 3], [0, 0]]], np.float32),
        "senses": ("text", "sound"),
        "item_ids": ("a", "b", "c"),
        "user_ids": ("ann",),
        "clicked": sp.csr_array(np.array([[True, False, False]])),
    }
    return ServingTables(**{**told, **changes})


def tastes_of(n=40, m=5, d=4, k=3):
    """Return a mixture of tastes, the clips' vectors, a log of impressions, and the tables of all of it."""
    tastes = Tastes(d, k, seed=1)
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        tastes.prior.copy_(torch.randn(k, generator=rng))
        tastes.heads.weight.copy_(torch.randn(k, d, generator=rng))
    g = torch.randn(n, d, generator=rng)
    users, items = (torch.randint(size, (30,), generator=rng) for size in (m, n))
    clicks = torch.randint(2, (30,), generator=rng)
    with torch.no_grad():
        s = tastes(g)
        evidence = tastes.evidence(s[items], clicks, users, m)
        both = torch.cat([evidence, torch.zeros(1, k)])
        changes = {
            "items": s.numpy(),
            "users": tastes.posterior(both).numpy(),
            "prior": tastes.prior.softmax(0).numpy(),
            "evidence": evidence.numpy(),
            "without": np.zeros((3, n, k), np.float32),
            "seen": None,
        }
    return tastes, g, (users, items, clicks), tables_of(n, m, k, **changes)


def brute(tables, u, k, out=()):
    scores = (tables.items.astype(np.float64) * tables.users[u]).sum(axis=1).astype(np.float32)[None]
    hide = np.zeros(scores.shape, dtype=bool)
    hide[0, list(out)] = True
    if u < len(tables.user_ids):
        for table in (tables.clicked, tables.seen):
            if table is not None:
                hide |= table.toarray()[u] != 0
    (best,) = top_k(scores, k, sp.csr_array(hide))
    return [(tables.item_ids[i], float(scores[0, i])) for i in best]


def pairs(found):
    return [(one.item_id, one.score) for one in found]


def test_by_hand():
    first, second = Service(by_hand()).recommend("ann")  # a was clicked
    assert first == ("c", 3.0, pytest.approx(1 / (1 + np.exp(-3))), {"text": 2.0, "sound": 3.0}, None)
    assert second == ("b", 2.0, pytest.approx(1 / (1 + np.exp(-2))), {"text": 2.0, "sound": -4.0}, "a")


def test_a_stranger_has_the_last_vector_and_no_reason_in_what_was_clicked():
    found = Service(by_hand()).recommend(None)
    assert [(one.item_id, one.score, one.because) for one in found] == [("b", 1, None), ("c", 1, None), ("a", 0, None)]


@pytest.mark.parametrize("k", [1, 10, 290, 1000])
def test_a_flat_service_is_brute_force(k):
    for seed in range(3):
        tables = tables_of(seed=seed)
        service = Service(tables)
        for u, user in enumerate((*tables.user_ids, None)):
            assert pairs(service.recommend(user, k)) == brute(tables, u, k)


def test_items_that_all_tie_come_in_their_order():
    tables = tables_of(n=500, items=np.ones((500, 6), np.float32))
    assert pairs(Service(tables).recommend("user 3")) == brute(tables, 3, 10)
    nothing = tables_of(n=500, users=np.zeros((13, 6), np.float32))
    assert [one.item_id for one in Service(nothing).recommend(None, 4)] == ["clip 0", "clip 1", "clip 2", "clip 3"]


def test_scores_that_float32_cannot_tell_apart_come_in_their_order():
    """FAISS adds up in float32; its order among products that differ by rounding must not become ours."""
    rng = np.random.default_rng(5)
    base = rng.standard_normal(32)
    items = np.array([rng.permutation(32) for _ in range(400)])  # the same summands in another order
    users = np.ones((13, 32), np.float32)
    tables = tables_of(n=400, D=32, items=base[items].astype(np.float32), users=users)
    assert pairs(Service(tables).recommend("user 0", 20)) == brute(tables, 0, 20)


@pytest.mark.parametrize("is_new", [False, True])
def test_the_worst_rounding_that_float32_allows_hides_no_clip(is_new, monkeypatch):
    """An index may rate the best clip too low by (D + 1) 2⁻²⁴ ‖q‖ ‖v‖, and then many others look better."""
    n, D = 400, 6
    items = np.ones((n, D), np.float32)
    step = 2.0**-17 if is_new else 2.0**-21
    items[:, 0] += step * np.repeat([3, 2, 1], [5, 195, 200])  # one search shows 3 and 2, so 3 seems to be the best
    tables = tables_of(n=n, D=D, items=items, users=np.ones((13, D), np.float32), seen=None)
    service, vector = Service(tables), np.array([1 + 4 * step, 1, 1, 1, 1, 1], np.float32)
    if is_new:  # longer than all the others, with a score like theirs
        vector[1:3] = 100, -98
    service.add("best", vector, np.ones(4), np.ones((3, D)))
    q, V = tables.users[0], np.vstack([items, vector[None]]).astype(np.float64)
    products = V @ q
    products[n] -= 0.9 * (D + 1) * 2.0**-24 * np.linalg.norm(q) * np.linalg.norm(vector)

    def search(_, k):
        found = np.argsort(-products, kind="stable")[:k]
        return found, products[found].astype(np.float32)

    assert n not in search(q, 100)[0]
    monkeypatch.setattr(service._clips, "_search", search)
    assert service.recommend("user 0", 1)[0].item_id == "best"


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_an_approximate_service_finds_most_leaves_out_what_was_seen_and_fills_its_lists(kind):
    tables = tables_of(n=3000, m=20)
    service = Service(tables, kind)
    shares = []
    for u, user in enumerate(tables.user_ids):
        found, exact = pairs(service.recommend(user)), dict(brute(tables, u, 10))
        assert len(found) == 10
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        hidden = tables.clicked.toarray()[u] | tables.seen.toarray()[u]
        assert not any(hidden[tables.item_ids.index(name)] for name, _ in found)
        shares.append(np.mean([score >= min(exact.values()) for _, score in found]))  # copies are as good
    assert np.mean(shares) > 0.7
    assert len(service.recommend(tables.user_ids[0], 2500)) == 3000 - int(
        (tables.clicked.toarray()[0] | tables.seen.toarray()[0]).sum()
    )


def test_an_index_that_finds_too_few_is_helped():
    """One cell of 60 is looked into, and everything in it may have been seen."""
    tables = tables_of(n=3000, m=1, seen=sp.csr_array(np.zeros((1, 3000), bool)))
    index = ItemIndex(tables.items, "ivf", cells=60, effort=1)
    found, _ = index.search(tables.users[:1], 3000)
    gone = found[0][found[0] >= 0]
    assert len(gone) < 1000
    seen = sp.csr_array((np.ones(len(gone), bool), (np.zeros(len(gone), int), gone)), shape=(1, 3000))
    service = Service(replace(tables, seen=seen), index)
    assert pairs(service.recommend("user 0")) == brute(service.tables, 0, 10)


def test_lists_end_where_nothing_is_left():
    tables = by_hand(clicked=sp.csr_array(np.ones((1, 3), bool)))
    service = Service(tables)
    assert service.recommend("ann") == []
    assert [one.item_id for one in service.recommend(None, 99, exclude=["b", "b"])] == ["c", "a"]
    assert service.recommend(None, exclude=["a", "b", "c"]) == []


def test_a_stored_zero_is_seen_too():
    seen = sp.csr_array((np.zeros(1), np.array([2]), np.array([0, 1])), shape=(1, 3))
    assert [one.item_id for one in Service(by_hand(seen=seen)).recommend("ann")] == ["b"]


def test_without_reasons_the_list_is_the_same():
    tables = tables_of()
    service = Service(tables)
    plain, whole = (service.recommend("user 1", reasons=reasons) for reasons in (False, True))
    assert pairs(plain) == pairs(whole)
    assert all(one.senses == {} and one.because is None for one in plain)
    assert all(tuple(one.senses) == SENSES and one.because for one in whole)


def test_reasons_are_differences_of_scores_and_the_nearest_click():
    tables = tables_of()
    clicked = tables.clicked.indices[tables.clicked.indptr[2] : tables.clicked.indptr[3]]
    for one in Service(tables).recommend("user 2"):
        i = tables.item_ids.index(one.item_id)
        for s, sense in enumerate(SENSES):
            assert one.senses[sense] == pytest.approx(one.score - tables.without[s, i] @ tables.users[2], abs=1e-5)
        cosines = torch.nn.functional.cosine_similarity(
            torch.from_numpy(tables.g[i : i + 1]), torch.from_numpy(tables.g[clicked])
        )
        assert one.because == tables.item_ids[clicked[int(cosines.argmax())]]


def test_clicks_observed_one_by_one_are_bayes_rule_of_all_of_them():
    tastes, g, (users, items, clicks), tables = tastes_of()
    service = Service(tables)
    more = [(3, 7, True), (3, 9, False), (0, 7, True)]
    for u, i, clicked in more:
        service.observe(f"user {u}", f"clip {i}", clicked)
    u, i, y = (
        torch.cat([old, torch.from_numpy(new)])
        for old, new in zip((users, items, clicks), np.array(more).T, strict=True)
    )
    with torch.no_grad():
        expected = tastes.score(tastes.evidence(tastes(g)[i], y.long(), u, 5), g).numpy()
    p = tastes.posterior(tastes.evidence(tastes(g)[i], y.long(), u, 5))  # (5, K)
    chances = (p @ tastes(g).sigmoid().T).detach().numpy()
    for user in (0, 3, 4):
        for one in service.recommend(f"user {user}", 5):
            assert one.chance == pytest.approx(chances[user, int(one.item_id[5:])], abs=1e-5)
            assert one.score == pytest.approx(expected[user, int(one.item_id[5:])], abs=1e-5)
    listed = {one.item_id for one in service.recommend("user 3", 40)}
    assert not listed & {"clip 7", "clip 9"}


@pytest.mark.parametrize("clicked", [True, False])
def test_a_place_that_is_seldom_looked_at_excuses_a_refusal_and_nothing_else(clicked):
    """P(click) = e σ(s): the e of a click is the same for all tastes."""
    _, _, _, tables = tastes_of()
    tables = replace(tables, looked=np.array([1, 0.5, 0.25], np.float32))
    told = {}
    for position in (None, 1, 2, 3, 9):
        service = Service(tables)
        service.observe("user 1", "clip 5", clicked, position)
        told[position] = service._vector(1)
        e = {None: 1, 1: 1, 2: 0.5}.get(position, 0.25)
        chance = e / (1 + np.exp(-tables.items[5].astype(np.float64)))  # (K,)
        p = tables.prior * np.exp(tables.evidence[1]) * (chance if clicked else 1 - chance)
        np.testing.assert_allclose(told[position], p / p.sum(), rtol=0, atol=1e-6)
    assert (np.abs(told[1] - told[2]).max() < 1e-6) == clicked
    with pytest.raises(ValueError, match="the first place of a list is 1, so position cannot be 0"):
        service.observe("user 1", "clip 6", clicked, 0)


def test_log_odds_beyond_any_measure_are_no_infinite_evidence():
    _, _, _, tables = tastes_of()
    items = tables.items.copy()
    items[:2] = [[1000, -1000, 0], [-1000, 1000, 0]]
    service = Service(replace(tables, items=items, looked=np.array([1, 0.5], np.float32)))
    for clicked in (True, False):
        for item in ("clip 0", "clip 1"):
            for place in (1, 2):
                service.observe("user 1", item, clicked, place)
    np.testing.assert_allclose(service._vector(1), [0, 0, 1], rtol=0, atol=1e-6)


def test_what_is_refused_leaves_no_trace():
    _, _, _, tables = tastes_of()
    service = Service(tables)
    before = service.recommend("user 1", 40)
    with pytest.raises(ValueError, match="know nothing of places; leave position out, or give them looked"):
        service.observe("user 1", "clip 5", True, 1)
    assert service.recommend("user 1", 40) == before


def test_a_click_without_tastes_changes_reasons_and_what_is_left_out_only():
    tables = by_hand()
    service = Service(tables)
    service.observe("ann", "b", True)
    (only,) = service.recommend("ann")
    assert (only.item_id, only.score) == ("c", 3.0)
    service.observe("ann", "c", False)
    assert service.recommend("ann") == []


def test_a_new_viewer_is_a_stranger_until_they_click():
    _, _, _, tables = tastes_of()
    service = Service(tables)
    service.add_user("eve")
    assert pairs(service.recommend("eve")) == pairs(service.recommend(None))
    before = {one.item_id: one.score for one in service.recommend(None, 40)}
    service.observe("eve", "clip 3", True)
    found = service.recommend("eve", 39)
    assert {one.item_id for one in found} == before.keys() - {"clip 3"}
    p = np.log(tables.prior) - np.log1p(np.exp(-tables.items[3].astype(np.float64)))
    p = np.exp(p) / np.exp(p).sum()
    for one in found:
        assert one.score == pytest.approx(tables.items[int(one.item_id[5:])] @ p, abs=1e-5)
    assert any(one.because == "clip 3" for one in found)
    with pytest.raises(ValueError, match="user id 'eve' is known already"):
        service.add_user("eve")


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_a_new_clip_is_recommended_at_once(kind):
    tables = tables_of(n=3000)
    service = Service(tables, kind)
    best = 9 * tables.users[4]
    service.add("new", best, [1, 2, 3, 4], np.zeros((3, 6)))
    service.add("newer", best, [1, 2, 3, 4], np.ones((3, 6)))
    assert len(service) == 3002
    first, second, *others = service.recommend("user 4")
    assert (first.item_id, second.item_id) == ("new", "newer")
    assert first.score == second.score == pytest.approx(float(best @ tables.users[4]), rel=1e-6)
    assert first.senses == dict.fromkeys(SENSES, first.score)
    assert second.senses["text"] == pytest.approx(first.score - tables.users[4].sum(), abs=1e-5)
    if kind == "flat":
        assert pairs(others) == brute(tables, 4, 8)
    service.observe("user 4", "new", True)
    again = service.recommend("user 4")
    assert again[0].item_id == "newer"
    assert again[0].because == "new"
    with pytest.raises(ValueError, match="item id 'new' is known already"):
        service.add("new", best, [1, 2, 3, 4], np.zeros((3, 6)))
    with pytest.raises(ValueError, match=r"a new clip's g must be finite and of shape \(4,\), not \(3,\)"):
        service.add("third", best, [1, 2, 3], np.zeros((3, 6)))
    with pytest.raises(ValueError, match="a new clip's items must be finite"):
        service.add("third", best * np.nan, [1, 2, 3, 4], np.zeros((3, 6)))
    assert len(service) == 3002


def test_unknown_names_and_lengths_are_refused_with_the_remedy():
    service = Service(by_hand())
    with pytest.raises(ValueError, match="no user has the id 'bob'; a stranger is None, and add_user makes one known"):
        service.recommend("bob")
    with pytest.raises(ValueError, match="no clip has the id 'z'"):
        service.recommend("ann", exclude=["z"])
    with pytest.raises(ValueError, match="no clip has the id 'z'"):
        service.observe("ann", "z", True)
    for k in (0, -1, 2.5):
        with pytest.raises(ValueError, match=f"k must be a whole number of at least 1, not {k}"):
            service.recommend("ann", k)
    with pytest.raises(ValueError, match="'flat', 'ivf' or 'hnsw', not 'tree'"):
        Service(by_hand(), "tree")
    with pytest.raises(ValueError, match="holds 2 vectors of 2 numbers, the tables 3 of 2"):
        Service(by_hand(), ItemIndex(np.eye(2)))


def test_without_faiss_the_remedy_is_named(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name == "faiss":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"pip install 'avrec-lib\[project\]'"):
        Service(by_hand())


def test_what_is_saved_is_what_is_served(tmp_path):
    _, _, _, tables = tastes_of()
    tables = replace(
        tables, looked=np.array([1, 0.5], np.float32), seen=tables.clicked, item_ids=[*map(chr, range(40))]
    )
    tables.save(tmp_path / "run")
    again = ServingTables.load(tmp_path / "run")
    for name in ("items", "users", "g", "without", "prior", "evidence", "looked"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tables, name))
        assert isinstance(getattr(again, name), np.memmap)
    assert (again.clicked != tables.clicked).nnz == (again.seen != tables.seen).nnz == 0
    assert (again.senses, again.item_ids, again.user_ids) == (tables.senses, tables.item_ids, tables.user_ids)
    service, other = Service.load(tmp_path / "run"), Service(tables)
    for one in (service, other):
        one.observe("user 2", "\x05", True, 1)
        one.add("neu", np.ones(3), np.ones(4), np.ones((3, 3)))
    for user in (*tables.user_ids, None):
        assert service.recommend(user) == other.recommend(user)


def test_tables_saved_again_replace_the_old_ones_and_leave_nothing_behind(tmp_path):
    tables_of(seed=0).save(tmp_path)
    (tmp_path / "mine.txt").write_text("kept")
    other = tables_of(seed=1, seen=None)
    other.save(tmp_path)
    again = ServingTables.load(tmp_path)
    assert again.seen is None
    np.testing.assert_array_equal(again.items, other.items)
    assert len(list(tmp_path.glob("items.*"))) == 1
    assert not list(tmp_path.glob("seen*")) + list(tmp_path.glob("*.part"))
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_an_interrupted_save_leaves_the_old_tables(tmp_path, monkeypatch):
    old = tables_of(seed=0)
    old.save(tmp_path)

    def full(file, array, **options):
        if array.ndim == 3:
            raise OSError("no space left on device")
        file.write(b"half")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="no space"):
        tables_of(seed=1).save(tmp_path)
    np.testing.assert_array_equal(ServingTables.load(tmp_path).items, old.items)
    assert not list(tmp_path.glob("*.part"))


def test_lost_damaged_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no serving tables; write them with ServingTables\.save"):
        ServingTables.load(tmp_path / "nowhere")
    tables = tables_of()
    tables.save(tmp_path)
    index, (items,) = tmp_path / "serving.json", tmp_path.glob("items.*")
    whole = bytearray(items.read_bytes())
    whole[-1] ^= 1
    items.write_bytes(whole)
    with pytest.raises(ValueError, match=r"items\.\w+\.npy is not what was saved"):
        ServingTables.load(tmp_path)
    items.unlink()
    with pytest.raises(ValueError, match=r"items\.\w+\.npy is not what was saved"):
        ServingTables.load(tmp_path)
    tables.save(tmp_path)
    told = json.loads(index.read_text())
    index.write_text(json.dumps({**told, "files": {**told["files"], "g": {"file": "../g.npy", "sha256": "0"}}}))
    with pytest.raises(ValueError, match="names files of other folders"):
        ServingTables.load(tmp_path)
    for text in ('{"format": "else"}', json.dumps({**told, "format": "another version"})):
        index.write_text(text)
        with pytest.raises(ValueError, match="is of something else, or of another version"):
            ServingTables.load(tmp_path)
    for text in (index.read_text()[:-5], "[]", json.dumps({**told, "files": {"items": 3}})):
        index.write_text(text)
        with pytest.raises(ValueError, match="is damaged; save the tables again"):
            ServingTables.load(tmp_path)
    tables.save(tmp_path)
    assert ServingTables.load(tmp_path).item_ids == tables.item_ids


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"items": np.zeros((3, 2))}, r"items must be a float32 array of shape \(3, any\), not float64"),
        ({"items": [[1, 2]]}, "items must be a float32 array of shape .*, not list"),
        ({"users": np.zeros((1, 2), np.float32)}, r"users must have shape \(2, 2\), not \(1, 2\)"),
        ({"without": np.zeros((3, 3, 2), np.float32)}, r"without must have shape \(2, 3, 2\)"),
        ({"g": np.full((3, 2), np.inf, np.float32)}, "g holds NaN or infinity"),
        ({"item_ids": ("a", "a", "b")}, "item_ids must be different strings"),
        ({"user_ids": (7,)}, "user_ids must be different strings; turn numbers into strings"),
        ({"clicked": sp.csr_array((2, 3))}, r"clicked must be a csr_array of shape \(1, 3\)"),
        ({"seen": np.zeros((1, 3))}, "seen must be a csr_array"),
        ({"looked": np.array([1, 0], np.float32)}, "looked must hold a chance for each place, above 0"),
        ({"looked": np.array([], np.float32)}, "looked must hold a chance for each place"),
        ({"prior": np.array([0.5, 0.5], np.float32)}, "prior and evidence belong together"),
        (
            {"prior": np.zeros(2, np.float32), "evidence": np.zeros((1, 2), np.float32)},
            r"prior must be positive and sum to 1; from Tastes it is tastes.prior.softmax\(0\)",
        ),
        (
            {"prior": np.array([0.5, 0.5], np.float32), "evidence": np.zeros((1, 2), np.float32)},
            "users must be the softmax of log prior",
        ),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        by_hand(**changes)
    assert by_hand()  # only for what was changed
