"""The league table: every recommender of the book and its peers, on one split, through one evaluator.

Each model is a process of its own. It is fitted on the training table, its lists of ten are compared with the
test table (all items ranked, those met in training left out, ties as everywhere in the book), and it tells what
it cost: processor seconds of the fit, milliseconds to score one user when a thousand are asked for at once, and the
resident memory that the fit added at most. A peer gets the same table and its scores go through the same evaluator.

Two splits of MovieLens-100K, whose numbers are not comparable with each other: `last out` holds out the last film
of each user of the 5-core, `last fifth` the last fifth of every user. On the clips a click is an interaction, and
the last fifth of each viewer's clicks is held out. Settings: see `data/benchmarks/selection_*.json` and the
defaults of the classes; a peer's are its own defaults, or ours where it has the same ones.

    python -m benchmarks league                   # recorded; about forty minutes on two cores
    python -m benchmarks.league --only EASE       # one model on all splits, printed only
    python -m benchmarks.league --split "last out" --record     # one split; recorded with whatever else was measured
    python -m benchmarks.league --ratings FILE    # on another table too, such as MovieLens-1M's ratings.dat
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import scipy.sparse as sp
from tqdm import tqdm

from avrec_lib.data import (
    Interactions,
    Split,
    k_core,
    last_fraction,
    leave_last_out,
    movielens_100k,
    order_in_time,
    read_movielens,
)
from avrec_lib.evaluation import evaluate, per_user
from avrec_lib.recommenders import (
    EASE,
    ContentRecommender,
    DPPReranker,
    FadingChain,
    FeatureAugmentedEASE,
    ImplicitALS,
    ItemKNN,
    MarkovChain,
    Popularity,
    PureSVD,
    Recommender,
    StackedHybrid,
    SwitchingHybrid,
    UserKNN,
)

PACKAGES = ("numpy", "scipy", "numba", "torch", "scikit-learn", "implicit", "cornac", "scikit-surprise")
SPLITS = ("last out", "last fifth", "clips, last fifth")
COUNTS = "StackedHybrid, fading"
LONGEST = 1200  # seconds a model may take
Vectors = np.ndarray


def load(name: str) -> tuple[Split, Vectors]:
    """Return a split by its name (or the file of a table), and vectors of its items."""
    if name == "clips, last fifth":
        return clips()
    films = movielens_100k()
    data = films.interactions if name in SPLITS else read_movielens(Path(name))
    split = last_fraction(data) if name == "last fifth" else leave_last_out(k_core(data, 5))
    genres = films.items.set_index("item_id")["genres"].explode()
    table = pd.crosstab(genres.index, genres).reindex(split.train.item_ids, fill_value=0)
    return split, table.to_numpy(dtype=np.float64) if name in SPLITS else np.ones((split.train.n_items, 1))


def clips() -> tuple[Split, Vectors]:
    """Return the clicks of the clips' log, and TF-IDF of the clips' words, reduced."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    from avrec_lib.data.clips import load_clips

    world = load_clips()
    clicked = world.impressions[world.impressions["click"]]
    frame = pd.DataFrame(
        {
            "user_id": world.viewers["user_id"].to_numpy()[clicked["user"]],
            "item_id": world.items["item_id"].to_numpy()[clicked["item"]],
            "timestamp": clicked["timestamp"].to_numpy(),
        }
    )
    split = last_fraction(Interactions.from_frame(frame))
    texts = (world.items["title_en"] + ". " + world.items["description_en"]).set_axis(world.items["item_id"])
    X = TfidfVectorizer(min_df=2, sublinear_tf=True).fit_transform(texts.reindex(split.train.item_ids))
    return split, TruncatedSVD(64, random_state=0).fit_transform(X)


class Peer(Recommender):
    """A model of another library on our contract, so that one evaluator serves both."""

    def __init__(self, name: str, fit: Callable[[Interactions], Callable[[np.ndarray], np.ndarray]]) -> None:
        self.name, self._make = name, fit

    def _fit(self, train):
        self._scores = self._make(train)

    def _score(self, users):
        return self._scores(users)


def _implicit(kind: str, **settings: Any) -> Callable[[Interactions], Callable[[np.ndarray], np.ndarray]]:
    def fit(train):
        from implicit import als, bpr

        R = train.matrix()
        matrix = sp.csr_matrix((np.ones_like(R.data), R.indices, R.indptr), shape=R.shape)
        model = {"als": als.AlternatingLeastSquares, "bpr": bpr.BayesianPersonalizedRanking}[kind](
            num_threads=1, random_state=0, **settings
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(matrix, show_progress=False)
        return lambda users: model.user_factors[users] @ model.item_factors.T

    return fit


def _cornac(kind: str, **settings: Any) -> Callable[[Interactions], Callable[[np.ndarray], np.ndarray]]:
    """Cornac's models of sequences: one session a user, all items in the order of time, asked for the next."""

    def fit(train):
        import cornac
        from cornac.data import SequentialDataset

        order = order_in_time(train)
        u, i = train.users[order], train.items[order]
        rows = [(int(user), int(user), int(item), step) for step, (user, item) in enumerate(zip(u, i, strict=True))]
        data = SequentialDataset.build(rows, fmt="USIT", seed=0)
        model = getattr(cornac.models, kind)(seed=0, verbose=False, **settings).fit(data)
        place = np.array([data.iid_map[item] for item in range(train.n_items) if item in data.iid_map])
        known = np.array([item for item in range(train.n_items) if item in data.iid_map])
        histories = np.split(i, np.flatnonzero(np.diff(u)) + 1)
        of = {
            int(user): [data.iid_map[int(item)] for item in items]
            for user, items in zip(np.unique(u), histories, strict=True)
        }

        def scores(users):
            table = np.full((len(users), train.n_items), -1e9)
            for row, user in enumerate(users):
                found = model.score(user_idx=data.uid_map[int(user)], history_items=of[int(user)])
                table[row, known] = np.asarray(found)[place]
            return table

        return scores

    return fit


def models(split: Split, X: Vectors) -> dict[str, tuple[str, str, Callable[[], Recommender]]]:
    """Return name: (library, settings, maker) of everything in the table."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from avrec_lib.nn.training import Training
    from avrec_lib.recommenders.pairwise import FPMC, FactorizationMachine
    from avrec_lib.recommenders.sequential import HSTU, Caser, GRU4Rec, SASRec
    from avrec_lib.recommenders.supervised import SupervisedRanker
    from avrec_lib.recommenders.two_tower.model import TwoTower

    logistic = make_pipeline(StandardScaler(), LogisticRegression())
    boosting = HistGradientBoostingClassifier(random_state=0)
    stack = [EASE(), MarkovChain()]
    held_back = Training(epochs=10, batch=1024, lr=8e-3, weight_decay=1.0)  # of six tried on the clips' inner cut
    ours = {
        "Popularity": ("counts", Popularity),
        "ContentRecommender": ("the items' vectors, binary", lambda: ContentRecommender(X, "binary")),
        "UserKNN": ("cosine, 50 neighbours", lambda: UserKNN(k=50)),
        "ItemKNN": ("cosine, 50 neighbours", lambda: ItemKNN(k=50)),
        "PureSVD": ("20 factors", lambda: PureSVD(20)),
        "ImplicitALS": ("32 factors", ImplicitALS),
        "EASE": ("λ = 300", EASE),
        "SupervisedRanker, logistic": ("6 features and the items' vectors", lambda: SupervisedRanker(logistic, X)),
        "SupervisedRanker, boosting": ("the same features", lambda: SupervisedRanker(boosting, X)),
        "FactorizationMachine": ("BPR, 32 factors", lambda: FactorizationMachine(X)),
        "MarkovChain": ("first order", MarkovChain),
        "FadingChain": ("the last 10 items, γ = .7", FadingChain),
        "FPMC": ("BPR, 32 factors", FPMC),
        "FPMC, held back": ("weight decay 1, 10 passes: suits the clips", lambda: FPMC(how=held_back)),
        "GRU4Rec": ("full softmax", GRU4Rec),
        "Caser": ("full softmax", Caser),
        "SASRec": ("full softmax", SASRec),
        "SASRec, sampled": ("binary cross-entropy, one negative", lambda: SASRec(loss="sampled")),
        "HSTU": ("full softmax", HSTU),
        "TwoTower": ("in-batch softmax, log q", lambda: TwoTower(X)),
        "SwitchingHybrid": ("Popularity below 20 rows, EASE above", lambda: SwitchingHybrid(Popularity(), EASE())),
        "FeatureAugmentedEASE": ("the items' vectors weigh 10", lambda: FeatureAugmentedEASE(X)),
        "StackedHybrid": ("EASE, MarkovChain", lambda: StackedHybrid(stack)),
        "StackedHybrid, fading": ("EASE, FadingChain", lambda: StackedHybrid([EASE(), FadingChain()])),
        "StackedHybrid, deep": (
            "EASE, MarkovChain, GRU4Rec, Caser",
            lambda: StackedHybrid([*stack, GRU4Rec(), Caser()]),
        ),
        "DPPReranker": ("of EASE", lambda: DPPReranker(EASE(), X)),
    }
    peers = {
        "AlternatingLeastSquares": ("implicit", "32 factors", _implicit("als", factors=32)),
        "BayesianPersonalizedRanking": ("implicit", "32 factors", _implicit("bpr", factors=32)),
        "cornac's GRU4Rec": ("cornac", "64 units, 10 epochs", _cornac("GRU4Rec", layers=[64], n_epochs=10)),
        "cornac's FPMC": ("cornac", "32 factors, 5 epochs", _cornac("FPMC", embedding_dim=32, n_epochs=5)),
    }
    table = {name: ("avrec_lib", settings, make) for name, (settings, make) in ours.items()}
    for name, (library, settings, fit) in peers.items():
        table[name] = (library, settings, partial(Peer, name, fit))
    return table


def one(name: str, split_name: str, folder: Path) -> dict[str, Any]:
    """Measure one model on one split, in this process; leave NDCG@10 of each user in the folder."""
    split, X = load(split_name)
    library, settings, make = models(split, X)[name]
    model, watch = make(), Memory()
    start = time.process_time()
    with watch:
        model.fit(split.train)
    fit_seconds = time.process_time() - start
    users = np.arange(split.train.n_users)[:1000]
    start = time.process_time()
    model.score(users)
    score_seconds = time.process_time() - start
    table = evaluate(model, split, fitted=True, item_vectors=X).set_index("metric")
    of_users = per_user(model, split, fitted=True).set_index("user_id")["NDCG@10"]
    of_users.to_csv(folder / f"{Path(split_name).name}-{name}.csv")
    row = {"model": name, "library": library, "settings": settings, "split": split_name}
    for metric in ("NDCG@10", "HR@10", "Coverage@10", "Novelty@10", "Diversity@10"):
        row[metric] = round(float(table.loc[metric, "value"]), 4)
    row |= {"low": round(float(table.loc["NDCG@10", "low"]), 4), "high": round(float(table.loc["NDCG@10", "high"]), 4)}
    costs = {"fit_seconds": fit_seconds, "score_ms": 1000 * score_seconds / len(users), "fit_mib": watch.peak}
    return row | {key: round(value, 3) for key, value in costs.items()}


class Memory:
    """Watch how far the resident memory of this process rises, in MiB."""

    def __enter__(self):
        self._process, self._over = psutil.Process(), threading.Event()
        self._before, self.peak = self._process.memory_info().rss, 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while not self._over.wait(0.02):
            self.peak = max(self.peak, (self._process.memory_info().rss - self._before) / 2**20)

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def run(
    only: list[str] | None = None, splits: tuple[str, ...] = SPLITS, *, measured_only: bool = False
) -> list[dict[str, Any]]:
    """Measure everything; one dict a model and split, with how far each is above others (`compare`).

    What is measured is kept in _build/league until the code of the recommenders changes: a run that was
    interrupted goes on where it was.
    """
    rows, folder = [], kept()
    work = [(name, split) for split in splits for name in models(*load(SPLITS[0])) if only is None or name in only]
    for name, split in tqdm(work, desc="league"):
        file = folder / f"{Path(split).name}-{name}.json"
        if not file.exists():
            if measured_only:
                continue
            command = [sys.executable, "-m", "benchmarks.league", "--one", name, split, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                print(f"{name} on {split} is left out: {reason}", file=sys.stderr)
                continue
            part = file.with_suffix(".part")
            part.write_text(done.stdout.strip().splitlines()[-1], encoding="utf-8")
            part.replace(file)
        rows.append(json.loads(file.read_text(encoding="utf-8")))
    for split in splits:
        compare(rows, split, folder)
    return rows


def kept() -> Path:
    """Return the folder of what was measured with the recommenders as they are, words in their docstrings aside."""
    root = Path(__file__).parents[1]
    code = hashlib.sha256()
    for file in sorted((root / "avrec_lib" / "recommenders").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))  # has no comments
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:]
        code.update(ast.dump(tree).encode())
    folder = root / "_build" / "league" / code.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def compare(rows: list[dict[str, Any]], split: str, folder: Path) -> None:
    """Add to each row of a split the paired differences of its NDCG@10, with their intervals.

    `gain` is over the best of three baselines, `over_counts` over the best that needs no training: EASE stacked
    with the fading chain.
    """
    mine = {row["model"]: row for row in rows if row["split"] == split}
    baselines = [name for name in ("ImplicitALS", "EASE", "MarkovChain") if name in mine]
    ndcg = {
        name: pd.read_csv(folder / f"{Path(split).name}-{name}.csv", dtype={"user_id": str}).set_index("user_id")[
            "NDCG@10"
        ]
        for name in mine
    }
    references = {"over_counts": COUNTS} if COUNTS in mine else {}
    if baselines:
        references["gain"] = max(baselines, key=lambda name: mine[name]["NDCG@10"])
    for name, row in mine.items():
        for key, reference in references.items():
            found = bootstrap_difference((ndcg[name] - ndcg[reference]).dropna().to_numpy())
            row |= dict(zip((key, f"{key}_low", f"{key}_high"), (round(x, 4) for x in found), strict=True))
        if baselines:
            row["above"] = references["gain"]


def bootstrap_difference(difference: np.ndarray, n_boot: int = 2000) -> tuple[float, float, float]:
    """Return the mean of paired differences, one a user, and its 95 % percentile interval over users."""
    rng = np.random.default_rng(0)
    means = difference[rng.integers(0, len(difference), (n_boot, len(difference)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(difference.mean()), float(low), float(high)


def main() -> None:
    """Print the table, or measure one model for the process that asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="the names of some models")
    parser.add_argument("--split", nargs="+", help="some of the splits", choices=SPLITS)
    parser.add_argument(
        "--record", action="store_true", help="write what was ever measured with this code for Appendix D"
    )
    parser.add_argument("--ratings", help="a MovieLens file of ratings, for a split of its own")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        print(json.dumps(one(wanted.one[0], wanted.one[1], Path(wanted.one[2]))))
        return
    splits = tuple(wanted.split or SPLITS) + ((wanted.ratings,) if wanted.ratings else ())
    print(pd.DataFrame(run(wanted.only, splits)).to_string(index=False))
    if wanted.record:
        from benchmarks.__main__ import record

        print(record("league", run(measured_only=True), PACKAGES))


if __name__ == "__main__":
    main()
