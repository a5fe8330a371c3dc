"""No page shows an output older than the code behind it.

A page's *fingerprint* covers what its outputs depend on: its code cells, every `avrec_lib` module those cells can
reach by imports, the package's data files, all of `data/` but its cards, and the pinned packages as installed. It names
the folder in which the page's executed outputs are cached, so outputs can't be found again once anything behind them
has changed; and a page whose fingerprint has changed is read, hence executed, again.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import jupytext
from IPython.core.inputtransformer2 import TransformerManager
from reach import PACKAGE, seen_by
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

KEPT = 3  # cached versions of a page: going back to an earlier state of the code costs nothing


class Library(NamedTuple):
    """The package as it now is on disk: source by module name, and a digest of all else that outputs depend on."""

    modules: dict[str, str]
    rest: str


def digest(parts: Iterable[str | bytes]) -> str:
    """Hash parts in order; their lengths too, so that moving a boundary changes the result."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:24]


def files(root: Path, folder: str) -> Iterator[tuple[str, Path]]:
    """Every file below a folder, in a fixed order, with its path from the root; hidden files and byte code left out."""
    for path in sorted((root / folder).rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in parts):
            yield "/".join(parts), path


def read_library(root: Path) -> Library:
    """Read the package, `data/` and the installed versions of the pins: once a build."""
    modules, rest = {}, [sys.version, os.environ.get("AVREC_SIZE", "")]
    for name, path in [*files(root, PACKAGE), *files(root, "data")]:
        if name.startswith("data/cards/"):  # for people; no page reads them
            continue
        if name.startswith(PACKAGE) and path.suffix == ".py":
            modules[name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")] = path.read_text("utf-8")
        else:
            rest += [name, digest([path.read_bytes()])]
    pins = root / "constraints.txt"
    for name in re.findall(r"^([\w.-]+)==", pins.read_text("utf-8") if pins.exists() else "", flags=re.MULTILINE):
        found = next(iter(importlib.metadata.distributions(name=name)), None)
        rest.append(f"{name} {found.version if found else None}")
    return Library(modules, digest(rest))


def fingerprint(page: str, library: Library) -> str:
    """Hash what the outputs of a page (given as its text) depend on."""
    cells = [cell.source for cell in jupytext.reads(page, fmt="md:myst").cells if cell.cell_type == "code"]
    code = "\n".join(TransformerManager().transform_cell(cell) for cell in cells)  # magics become Python
    try:
        seen = seen_by(code, library.modules)
    except SyntaxError:  # the build will stop at that cell
        seen = set(library.modules)
    return digest([library.rest, code, *(part for name in sorted(seen) for part in (name, library.modules[name]))])


def record_of(app: Sphinx) -> Path:
    """File with the fingerprints of the pages as they were last written."""
    return Path(app.outdir).parent / f".fingerprints-{app.builder.name}.json"


def find_stale_pages(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Fingerprint every page now; those that differ from what was last written are to be read again."""
    library = read_library(Path(app.srcdir).parent)
    written = json.loads(record_of(app).read_text("utf-8")) if record_of(app).exists() else {}
    env.fingerprints = {
        page: fingerprint(Path(env.doc2path(page)).read_text("utf-8"), library) for page in env.found_docs
    }
    return [page for page, value in env.fingerprints.items() if value != written.get(page)]


def cache_of(app: Sphinx, page: str) -> Path:
    """Folder of the executed outputs of a page as it now is; its fingerprint names it."""
    return Path(app.outdir).parent / ".jupyter_cache" / page.replace("/", "-") / app.env.fingerprints[page]


def choose_cache(app: Sphinx, page: str, _: list[str]) -> None:
    """Point the execution of a page at its cache folder, and forget what is older than the last few."""
    chosen = cache_of(app, page)
    app.env.mystnb_config = app.env.mystnb_config.copy(execution_cache_path=str(chosen))
    if chosen.exists():
        os.utime(chosen)
    for old in sorted(chosen.parent.glob("*"), key=lambda folder: folder.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old)


def remember(app: Sphinx, error: Exception | None) -> None:
    """Record the fingerprints once every page is written: after an interrupted build, its pages are still stale."""
    if error is None:
        record_of(app).write_text(json.dumps(app.env.fingerprints, indent=0, sort_keys=True), "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("env-get-outdated", find_stale_pages)
    app.connect("source-read", choose_cache)
    app.connect("build-finished", remember)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
