"""Choose the settings of the recommenders of chapter 5: one search a model, all with the same budget.

A table in which one model was tuned and the others were not compares the tuning. So every model gets an
Optuna study of its own, of at most TRIALS trials and SECONDS processor seconds, whichever ends first; a
trial that has begun is finished. The first trial is the class's own defaults, the next are drawn from the
ranges of `CANDIDATES`, and from the seventh on the TPE sampler (Bergstra et al., 2011) looks where trials
were good.

A trial is judged by NDCG@10 on a validation cut: the training table of the split, split once more by the
split's own rule. The networks of sequences are judged after each epoch and stop after two without a better
one. So a trial also tells how many epochs were best, and so many have the chosen settings, with a step size
that falls to 0 at the last, as the class itself does after early stopping. For the other networks the number
of epochs is searched.

Afterwards the defaults and the best settings are fitted to the whole training table, and only then, once,
compared with the test table. The largest of many noisy numbers is too large: `validation_gain` beside
`test_gain`, which has its interval, shows how much of what the search found was luck.

    python -m benchmarks.select_algorithms --record                    # all; about forty minutes on a free core
    python -m benchmarks.select_algorithms --only EASE GRU4Rec         # some models, printed only
    python -m benchmarks.select_algorithms --split "last fifth"        # the other question, without the networks

Studies are kept in _build/select_algorithms: a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from tqdm import tqdm

from avrec_lib.data import Split, last_fraction, leave_last_out
from avrec_lib.evaluation import paired_difference, per_user
from avrec_lib.recommenders import EASE, ImplicitALS, ItemKNN, MarkovChain, PureSVD, Recommender, UserKNN
from avrec_lib.recommenders.pairwise import FPMC, FactorizationMachine
from avrec_lib.recommenders.sequential import HSTU, Caser, GRU4Rec, SASRec
from avrec_lib.recommenders.sequential.neural import NeuralSequential
from avrec_lib.recommenders.two_tower.model import TwoTower
from benchmarks.__main__ import hardware, versions
from benchmarks.league import kept, load
from benchmarks.select_implicit import mean_ndcg

OUTPUT = Path(__file__).parents[1] / "data" / "benchmarks" / "selection_algorithms.json"
TRIALS, SECONDS, SEED = 30, 150.0, 0
CUTS: dict[str, Callable[..., Split]] = {"last out": leave_last_out, "last fifth": last_fraction}
HOW = ("epochs", "lr", "weight_decay")  # what `Training` holds
Space = dict[str, BaseDistribution]


@dataclass(frozen=True)
class Candidate:
    """A model to be searched: its class, the ranges, and whether it takes the items' vectors."""

    kind: type[Recommender]
    space: Space
    has_vectors: bool = False

    def make(self, X: np.ndarray | None, **settings: Any) -> Recommender:
        """Return the model with some settings, the rest as its class has them."""
        first = (X,) if self.has_vectors else ()
        if not issubclass(self.kind, NeuralSequential) and HOW[0] in settings:
            how = {name: settings.pop(name) for name in HOW if name in settings}
            settings["how"] = replace(self.kind(*first).how, **how)
        return self.kind(*first, **settings)

    def defaults(self, X: np.ndarray | None) -> dict[str, Any]:
        """Return what the class takes for each setting of the space when it is not told."""
        model = self.make(X)
        return {name: getattr(model, name) if hasattr(model, name) else getattr(model.how, name) for name in self.space}


def whole(low: int, high: int) -> IntDistribution:
    """Return the whole numbers of a range, drawn by their logarithm."""
    return IntDistribution(low, high, log=True)


def real(low: float, high: float, *, log: bool = True) -> FloatDistribution:
    """Return the real numbers of a range, drawn by their logarithm unless it is said otherwise."""
    return FloatDistribution(low, high, log=log)


def choice(*values: Any) -> CategoricalDistribution:
    """Return some values of equal chance."""
    return CategoricalDistribution(values)


NEIGHBOURS = {"k": whole(5, 500), "shrinkage": real(0, 200, log=False), "values": choice("binary", "rating")}
PAIRS = {"k": choice(16, 32, 64), "lr": real(2e-3, 3e-2), "weight_decay": real(0.01, 0.5), "epochs": whole(10, 50)}
NETWORK = {
    "d": choice(32, 64, 96),
    "T": choice(20, 50, 100),
    "dropout": real(0.1, 0.5, log=False),
    "lr": real(1e-3, 8e-3),
    "weight_decay": choice(0.0, 0.01, 0.1),
    "epochs": whole(6, 16),  # the most there may be
}
CANDIDATES = {  # the table of what is searched
    "EASE": Candidate(EASE, {"reg": real(10, 3000)}),
    "ItemKNN": Candidate(ItemKNN, NEIGHBOURS),
    "UserKNN": Candidate(UserKNN, NEIGHBOURS),
    "PureSVD": Candidate(PureSVD, {"n_factors": whole(5, 200), "values": choice("binary", "rating")}),
    "ImplicitALS": Candidate(
        ImplicitALS,
        {
            "n_factors": whole(8, 128),
            "alpha": real(0.05, 10),
            "reg": real(0.05, 20),
            "reg_power": real(0, 1, log=False),
            "n_iterations": whole(5, 30),
        },
    ),
    "MarkovChain": Candidate(MarkovChain, {"prior": real(0.01, 1000)}),
    "FPMC": Candidate(FPMC, PAIRS),
    "FactorizationMachine": Candidate(FactorizationMachine, PAIRS, has_vectors=True),
    "GRU4Rec": Candidate(GRU4Rec, NETWORK),
    "Caser": Candidate(Caser, NETWORK | {"L": choice(3, 5, 8)}),
    "SASRec": Candidate(SASRec, NETWORK),
    "HSTU": Candidate(HSTU, NETWORK),
    "TwoTower": Candidate(
        TwoTower,
        {
            "d": choice(32, 64, 96),
            "temperature": real(0.05, 0.4),
            "lr": real(2e-3, 3e-2),
            "weight_decay": real(1e-3, 0.1),
            "epochs": whole(6, 16),
        },
        has_vectors=True,
    ),
}
BASELINES = ("ImplicitALS", "EASE", "MarkovChain")
SEQUENTIAL = ("FPMC", "GRU4Rec", "Caser", "SASRec", "HSTU")


def judge(
    candidate: Candidate, X: np.ndarray | None, split: Split, inner: Split, settings: dict[str, Any], first: bool
) -> tuple[float, float, int | None]:
    """Return NDCG@10 on the cut, that without early stopping, and the best number of epochs where it was looked for.

    A network cuts the last row of each user from the training table itself: the same rows as `inner`'s test table.
    The first trial, the defaults, runs all its epochs, so that what it is without early stopping is known.
    """
    torch.set_num_threads(1)  # each time: numba's parallel loops, in ImplicitALS, set the number of all of OpenMP
    if not issubclass(candidate.kind, NeuralSequential):
        value = mean_ndcg(candidate.make(X, **settings).fit(inner.train), inner)
        return value, value, None
    patience = settings["epochs"] if first else 2
    model = candidate.make(X, **settings, patience=patience, refit=False).fit(split.train)
    found = [epoch.validation for epoch in model.history]
    return max(found), found[-1], 1 + int(np.argmax(found))


def search(
    name: str, judge_of: Callable[..., tuple[float, float, int | None]], space: Space, defaults: dict[str, Any],
    folder: Path, trials: int = TRIALS, seconds: float = SECONDS,
) -> list[dict[str, Any]]:  # fmt: skip
    """Run one study, or go on with it, until its budget is spent; return its finished trials in their order.

    `judge_of(settings, first)` gives what `judge` does. The sampler is seeded anew for each trial by how many
    there were, so a study that was interrupted finds what it would have found.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / f"{name}.journal")))
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):  # the one that the interruption met
        study.tell(trial.number, state=TrialState.FAIL)
    with tqdm(total=trials, desc=name, unit="trial") as bar:
        while True:
            done = finished(study)
            bar.n = len(done)
            bar.set_postfix(best=max((row["validation"] for row in done), default=0), seconds=spent(done))
            if len(done) >= trials or spent(done) >= seconds:
                return [row for place, row in enumerate(done) if place < trials and spent(done[:place]) < seconds]
            study.sampler = optuna.samplers.TPESampler(seed=SEED + len(done), n_startup_trials=6)
            if not done and not study.get_trials(states=(TrialState.WAITING,)):
                study.enqueue_trial(defaults)
            trial = study.ask(space)
            start = time.process_time()
            try:
                best, last, epochs = judge_of(dict(trial.params), not done)
            except ValueError as error:  # a loss that is no longer finite: the settings are bad, and that's known now
                if not done:
                    raise  # the defaults must do
                best, last, epochs = 0.0, 0.0, None
                trial.set_user_attr("error", str(error))
            trial.set_user_attr("seconds", round(time.process_time() - start, 3))
            trial.set_user_attr("last", last)
            trial.set_user_attr("best_epochs", epochs)
            study.tell(trial, best)


def finished(study: optuna.Study) -> list[dict[str, Any]]:
    """Return settings, validation and seconds of each finished trial; the best epochs where they were looked for."""
    rows = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        told = trial.user_attrs
        row = {"settings": dict(trial.params), "validation": round(trial.value, 5), "seconds": told["seconds"]}
        row["last"] = round(told["last"], 5)
        if told["best_epochs"] is not None:
            row["best_epochs"] = told["best_epochs"]
        rows.append(row)
    return rows


def spent(done: list[dict[str, Any]]) -> float:
    """Return the processor seconds of some trials together."""
    return round(sum(row["seconds"] for row in done), 1)


def tested(candidate: Candidate, X: np.ndarray | None, split: Split, settings: dict[str, Any], file: Path):
    """Return NDCG@10 of each user on the test table, of a model fitted to all of the training table; kept in a file."""
    mark = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    path = file.with_name(f"{file.name}-{mark}.csv")
    if not path.exists():
        torch.set_num_threads(1)
        model = candidate.make(X, **settings).fit(split.train)
        users = per_user(model, split, fitted=True)[["user_id", "n_test", "n_relevant", "NDCG@10"]]
        part = path.with_suffix(".part")
        users.to_csv(part, index=False)
        part.replace(path)
    return pd.read_csv(path, dtype={"user_id": str})


def select(
    name: str, split_name: str, split: Split, X: np.ndarray | None, folder: Path, trials: int, seconds: float
) -> dict[str, Any]:
    """Search for one model on one split, then, once, test; return a row of the result."""
    candidate, inner = CANDIDATES[name], CUTS[split_name](split.train)
    if issubclass(candidate.kind, NeuralSequential) and split_name != "last out":
        raise ValueError(f"{name} is searched on 'last out' only: its early stopping cuts one row of each user.")

    def judge_of(settings: dict[str, Any], first: bool) -> tuple[float, float, int | None]:
        return judge(candidate, X, split, inner, settings, first)

    file = folder / f"{split_name}-{name}"
    ranges = hashlib.sha256(repr(sorted(candidate.space.items())).encode()).hexdigest()[:8]  # others: another study
    table = search(f"{file.name}-{ranges}", judge_of, candidate.space, candidate.defaults(X), folder, trials, seconds)
    first, best = table[0], max(table, key=lambda row: row["validation"])
    chosen = best["settings"] | ({"epochs": best["best_epochs"]} if "best_epochs" in best else {})
    before, after = (tested(candidate, X, split, settings, file) for settings in (first["settings"], chosen))
    gain = paired_difference(after, before)
    return {
        "model": name,
        "split": split_name,
        "trials": len(table),
        "seconds": spent(table),
        "default": first["settings"],
        "best": chosen,
        "validation_default": first["last"],
        "validation_best": best["validation"],
        "validation_gain": round(best["validation"] - first["last"], 4),
        "test_default": round(float(before["NDCG@10"].mean()), 4),
        "test_best": round(float(after["NDCG@10"].mean()), 4),
        "test_gain": round(gain.mean, 4),
        "low": round(gain.low, 4),
        "high": round(gain.high, 4),
        "table": table,
    }


def best_of(kinds: tuple[str, ...], rows: list[dict[str, Any]], by: str) -> dict[str, Any] | None:
    """Return the row of the largest value among models of these names, or None if there is none."""
    return max((row for row in rows if row["model"] in kinds), key=lambda row: row[by], default=None)


def compare(rows: list[dict[str, Any]], split_name: str, split: Split, X: np.ndarray | None, folder: Path):
    """Return how far the model of sequences that validation chose is above the baseline with the best test, both tuned.

    That the baseline is chosen by its test favours it. None where either is missing.
    """
    mine = [row for row in rows if row["split"] == split_name]
    one, other = best_of(SEQUENTIAL, mine, "validation_best"), best_of(BASELINES, mine, "test_best")
    if one is None or other is None:
        return None
    a, b = (
        tested(CANDIDATES[row["model"]], X, split, row["best"], folder / f"{split_name}-{row['model']}")
        for row in (one, other)
    )
    gain = paired_difference(a, b)
    told = {"split": split_name, "model": one["model"], "above": other["model"]}
    told["ratio"] = round(one["test_best"] / other["test_best"], 3)
    return told | {"gain": round(gain.mean, 4), "low": round(gain.low, 4), "high": round(gain.high, 4)}


def merged(rows: list[dict[str, Any]], budget: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Return these rows and those of a file, which must be of the same budget; a new row replaces the old one."""
    if not path.exists():
        return rows
    old = json.loads(path.read_text(encoding="utf-8"))
    if old["budget"] != budget:
        raise ValueError(
            f"{path.name} holds searches with the budget {old['budget']}, and this one's is {budget}: they may not "
            "stand in one table. Search with the same budget, or delete the file."
        )
    new = {(row["split"], row["model"]) for row in rows}
    both = rows + [row for row in old["rows"] if (row["split"], row["model"]) not in new]
    names = list(CANDIDATES)
    return sorted(both, key=lambda row: (list(CUTS).index(row["split"]), names.index(row["model"])))


def write(rows: list[dict[str, Any]], tuned: list[dict[str, Any]], budget: dict[str, Any], path: Path) -> None:
    """Write the result with what it was measured on; the file is replaced as a whole or not at all."""
    result = {
        "command": "python -m benchmarks.select_algorithms --record",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": hardware(rows),
        "versions": versions(("numpy", "scipy", "numba", "torch", "optuna")),
        "budget": budget,
        "ranges": {name: {key: str(r) for key, r in one.space.items()} for name, one in CANDIDATES.items()},
        "tuned": tuned,
        "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def main(arguments: list[str] | None = None, path: Path = OUTPUT) -> None:
    """Search, print the table, and with --record write it, after each model, to the file of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(CANDIDATES), help="the names of some models")
    parser.add_argument("--split", choices=list(CUTS), default="last out")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="processor seconds of a model's trials")
    parser.add_argument("--trials", type=int, default=TRIALS, help="at most so many trials a model")
    parser.add_argument("--record", action="store_true", help=f"write {OUTPUT.name}, after each model")
    wanted = parser.parse_args(arguments)
    split, X = load(wanted.split)
    folder = kept().parents[1] / "select_algorithms" / kept().name
    possible = [
        n for n in CANDIDATES if wanted.split == "last out" or not issubclass(CANDIDATES[n].kind, NeuralSequential)
    ]
    budget = {"trials": wanted.trials, "seconds": wanted.seconds, "seed": SEED}
    rows: list[dict[str, Any]] = []
    for name in wanted.only or possible:
        rows.append(select(name, wanted.split, split, X, folder, wanted.trials, wanted.seconds))
        if wanted.record:
            rows_of_all = merged(rows, budget, path)
            tuned = [compare(rows_of_all, s, *load(s), folder) for s in CUTS]
            write(rows_of_all, [one for one in tuned if one is not None], budget, path)
    shown = [name for name in rows[0] if name not in ("default", "table")]
    print(pd.DataFrame(rows)[shown].to_string(index=False))


if __name__ == "__main__":
    main()
