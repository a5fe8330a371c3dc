"""MicroLens: short videos with their titles, covers, sounds and pictures, and who commented on which.

For those who have it: the data is fetched by hand (the commands, its terms and its flaws are in the
data card, `data/cards/microlens.md`) and read from a folder. `python -m avrec_lib.data.microlens FOLDER`
tells what is there and what is missing, which is worth knowing before a night of training.

Source: Ni et al., "A Content-Driven Micro-Video Recommendation Dataset at Scale", arXiv:2309.15379 (2023).

The book's builders had no copy of it. The file names and columns come from the authors' repository
(westlake-repl/MicroLens) and its read-me, and from programs of others that read the files; the card says
which was found where. So names are matched generously, and a line that means nothing is refused by its number.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from avrec_lib.data.interactions import Duplicates, Interactions
from avrec_lib.data.microlens_files import (
    CATEGORIES,
    COUNTS,
    NUMBERS,
    SUFFIXES,
    TEXT,
    TITLES,
    Kind,
    find_media,
    find_pairs,
    read_by_item,
    read_pairs,
    read_sequences,
    unquoted,
)
from avrec_lib.data.readers import Pathlike


@dataclass(frozen=True, eq=False)
class MicroLens:
    """Interactions and items in one numbering, and where the media of each item lie.

    Parameters
    ----------
    folder : Path
    interactions : Interactions
        One row a user and a video the user commented on; the value is 1 (or a count). The timestamps are whole
        seconds: of the published milliseconds the rest is cut off.
    items : DataFrame
        Row i is item i of `interactions`: item_id, title ("" where there is none), likes and views (Int64, missing
        where not given), category ("" where not given).
    order_only : bool
        True if the folder has only the .tsv of sequences: then `timestamps` are no seconds but the place of the
        row in its user's sequence, 0, 1, 2, … They serve `leave_last_out`, not `time_cut`.
    media : {kind: {item id: path below the folder}}
        Files of 0 bytes are left out.
    """

    folder: Path
    interactions: Interactions
    items: pd.DataFrame
    order_only: bool
    media: Mapping[Kind, Mapping[str, str]]

    def cover(self, item_id: object) -> Path | None:
        """Return the cover's file, for `content.image.read_image`; None if there is none, KeyError if no such item."""
        return self._path("cover", item_id)

    def audio(self, item_id: object) -> Path | None:
        """Return the sound's file, for `content.audio.read_audio`; None if there is none, KeyError if no such item.

        `read_audio` also takes the video: `read_audio(data.audio(i) or data.video(i))`.
        """
        return self._path("audio", item_id)

    def video(self, item_id: object) -> Path | None:
        """Return the film's file, for `content.video`; None if there is none, KeyError if no such item."""
        return self._path("video", item_id)

    def without(self, kind: Kind) -> list[str]:
        """Return the ids of the items that have no file of this kind, in the order of the items."""
        return [i for i in self.interactions.item_ids.tolist() if i not in self.media[kind]]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.interactions.item_ids.tolist())

    def _path(self, kind: Kind, item_id: object) -> Path | None:
        if str(item_id) not in self._known:
            raise KeyError(f"unknown item {item_id!r}: not among the {len(self._known):,} items of {self.folder}.")
        found = self.media[kind].get(str(item_id))
        return None if found is None else self.folder / found


def load_microlens(folder: Pathlike, *, duplicates: Duplicates = "latest") -> MicroLens:
    """Read a MicroLens folder of any size; media are only looked up, and read when you open them.

    Needed: one file `…_pairs.csv` (user, item, timestamp in ms or s; with or without a header), or `…_pairs.tsv`
    (user, tab, items in order of time with spaces between). Used where they are there, with the same beginning of
    the name: `…_title_en.csv`, `…_titles.csv` or `…_title.csv`; `…_likes_and_views.txt`; `tags_to_summary.csv`;
    and the folders `…_covers`, `…_audio` and `…_videos` (also nested, as unpacking leaves them), in which a file is
    called after its item: `17.jpg`. UTF-8, with or without a byte order mark; Unix or Windows line ends.

    Copies whose items were numbered anew (MMRec, some re-uploads) are other data: their ids name no cover or video.

    Parameters
    ----------
    duplicates : {"latest", "count", "error"}
        What a repeated (user, item) pair means; see `Interactions.from_frame`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no pairs in it.
    ValueError
        If it is a file or holds pairs of two sizes; if a table is empty or not UTF-8, a line is malformed (it is
        named by its number), or an item has two titles.
    """
    root = Path(folder).expanduser()
    if not root.exists():
        raise FileNotFoundError(f"there is no folder {folder} (looked from {Path.cwd()}); check its name.")
    if not root.is_dir():
        raise ValueError(f"{folder} is a file; name the folder that it lies in.")
    pairs, prefix = find_pairs(root)
    order_only = pairs.suffix.lower() == ".tsv"
    rows = read_sequences(pairs) if order_only else read_pairs(pairs)
    data = Interactions.from_frame(rows, duplicates=duplicates, source=str(pairs))
    beside = {path.name.lower(): path for path in sorted(root.iterdir())}

    def find(*endings: str) -> Path | None:
        names = [start + end for end in endings for start in (prefix.lower(), "")]
        return next((beside[name] for name in names if name in beside), None)

    titles = read_by_item(find(*TITLES), TEXT, "item,title")
    counts = read_by_item(find(*COUNTS), NUMBERS, "item, likes and views as whole numbers")
    categories = read_by_item(find(CATEGORIES), TEXT, "item,category")
    ids = data.item_ids.tolist()
    items = pd.DataFrame({"item_id": ids, "title": [unquoted(titles.get(i, [""])[0]) for i in ids]})
    for n, name in enumerate(("likes", "views")):
        items[name] = pd.array([int(counts[i][n]) if i in counts else None for i in ids], dtype="Int64")
    items["category"] = [unquoted(categories.get(i, [""])[0]) for i in ids]
    return MicroLens(root, data, items, order_only, find_media(root))


def summary(data: MicroLens) -> str:
    """Return what was read and what is missing, in a few lines of text."""
    x, n = data.interactions, data.interactions.n_items
    lines = [f"{len(x):,} interactions of {x.n_users:,} users with {n:,} items ({x.n_merged:,} repeated rows merged)"]
    if data.order_only:
        lines.append("no times, only each user's order: leave_last_out is meaningful, time_cut is not")
    else:
        times = np.asarray(x.timestamps)
        first, last = (np.datetime64(int(t), "s") for t in (times.min(), times.max()))
        lines.append(f"from {first} to {last} (UTC)")
    for name, index in (("a user", x.users), ("an item", x.items)):
        each = np.bincount(index)
        lines.append(f"rows of {name}: {each.min()} to {each.max():,}, median {np.median(each):g}")
    lacking = {
        name: data.items["item_id"][data.items[name].isna() | (data.items[name].astype(str) == "")].tolist()
        for name in data.items.columns[1:]
    }
    lacking |= {kind: data.without(kind) for kind in SUFFIXES}
    for name, ids in lacking.items():
        note = f"; none for {', '.join(ids[:5])}{' …' if len(ids) > 5 else ''}" if 0 < len(ids) < n else ""
        if len(ids) == n:
            packed = [path.name for path in sorted(data.folder.glob("*.zip")) if name in path.name.lower()]
            others = len(data.media.get(cast("Kind", name), ()))
            note = f"; {packed[0]} is still packed: unpack it here" if packed else note
            note = f"; {others:,} files are called after other items: fetch the ones of this size" if others else note
        lines.append(f"{name:<8} for {n - len(ids):,} of {n:,} items{note}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what a folder holds and lacks; return 0, or 1 if it cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m avrec_lib.data.microlens",
        description="Say what a MicroLens folder holds, and what is missing, before a model is trained on it.",
        epilog="Example: python -m avrec_lib.data.microlens MicroLens-100k",
    )
    parser.add_argument("folder", help="where MicroLens-…_pairs.csv lies")
    try:
        print(summary(load_microlens(parser.parse_args(arguments).folder)))
    except (OSError, ValueError) as error:
        print(f"microlens: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
