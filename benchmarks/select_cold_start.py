"""Choose how the blocks of page 3.3 are made, without ever looking at the clips that the page is tested on.

Of the clips that the page trains on, a fifth is held out once more, three times over. Each setting is
fitted on the impressions of the rest and judged by the AUC of the logged clicks on the held-out clips in
sessions filled at random. The truth behind the clips has no part in it. One thing is varied at a time:
the text block alone, the picture block alone, the sound block alone, then the model on all three.

    python -m benchmarks.select_cold_start      # about 5 minutes on two cores
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from avrec_lib.content.blocks import clip_words, join, principal_components, text_groups
from avrec_lib.content.summaries import picture_summary, sound_summary
from avrec_lib.data.clips import RATE, load_clips
from avrec_lib.recommenders.cold_start import ColdStartModel

OUTPUT = Path(__file__).parents[1] / "data" / "benchmarks" / "selection_cold_start.json"
SEEDS = (0, 1, 2)
TEXT = [
    {"n_groups": n, "max_share": share, "n_dims": d}
    for n in (6, 8, 10, 12, 16)
    for share in (0.02, 0.05, 0.1, 0.2)
    for d in (32, 64)
]
COMPONENTS = (4, 8, 12, 16, 24)
MODEL = [
    {"width": w, "weight_decay": d, "lr": lr} for w in (8, 12, 16) for d in (0.03, 0.1, 0.3) for lr in (0.01, 0.02)
]


def inner_seens() -> list[NDArray[np.bool_]]:
    """Return, for each seed, which clips the inner training sees: four fifths of those that the page sees."""
    outer = ~load_clips().cold()
    return [outer & (np.random.default_rng(seed).random(len(outer)) >= 0.2) for seed in SEEDS]


def validation_auc(X: NDArray[np.float32], seen: NDArray[np.bool_], **setting: Any) -> float:
    """Fit on the impressions of the seen clips; return the AUC on clips that are neither seen nor the page's test."""
    clips = load_clips()
    table, outer = clips.impressions, ~clips.cold()
    item = table["item"].to_numpy()
    train, test = table[seen[item]], table[(outer & ~seen)[item] & table["random"].to_numpy()]
    model = ColdStartModel(**setting).fit(X, train["user"], train["item"], train["click"], train["position"])
    return float(roc_auc_score(test["click"], model.score(test["user"], test["item"])))


def best(name: str, settings: list[dict[str, Any]], trial: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the setting with the highest mean AUC over the inner splits, and the table of all."""
    rows = []
    for setting in tqdm(settings, desc=name):
        aucs = [trial(seen, **setting) for seen in inner_seens()]
        rows.append({"block": name, **setting, "validation_auc": round(float(np.mean(aucs)), 5)})
    rows.sort(key=lambda row: -row["validation_auc"])
    return {k: v for k, v in rows[0].items() if k not in ("block", "validation_auc")}, rows


def select() -> dict[str, Any]:
    """Choose the blocks one by one, then the model over all three."""
    clips = load_clips()
    words = clip_words(clips.items)
    P = np.stack([picture_summary(cover) for cover in clips.covers()])
    S = np.stack([sound_summary(sound, RATE) for sound in clips.sounds()])

    def alone(make: Any) -> Any:
        return lambda seen, **setting: validation_auc(join({"": make(seen, **setting)}, seen), seen)

    numbers = [{"n_components": n} for n in COMPONENTS]
    text, rows = best("text", TEXT, alone(lambda seen, **s: text_groups(words, seen, **s)))
    picture, more = best(
        "picture", numbers, alone(lambda seen, n_components: principal_components(P, seen, n_components))
    )
    rows += more
    sound, more = best("sound", numbers, alone(lambda seen, n_components: principal_components(S, seen, n_components)))
    rows += more

    def all_three(seen: NDArray[np.bool_], **setting: Any) -> float:
        blocks = {
            "text": text_groups(words, seen, **text),
            "picture": principal_components(P, seen, **picture),
            "sound": principal_components(S, seen, **sound),
        }
        return validation_auc(join(blocks, seen), seen, **setting)

    model, more = best("model", MODEL, all_three)
    chosen = {"text": text, "picture": picture, "sound": sound, "model": model}
    return {"chosen": chosen, "table": rows + more}


def main() -> None:
    """Select, print the table, and write it to data/benchmarks/selection_cold_start.json."""
    result = select()
    for row in result["table"]:
        print("  ".join(f"{key}={value}" for key, value in row.items()))
    print(f"chosen: {result['chosen']}")
    part = OUTPUT.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    part.replace(OUTPUT)


if __name__ == "__main__":
    main()
