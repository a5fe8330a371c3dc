"""Changed pages are executed side by side, one core each, before Sphinx reads them one after the other.

Outputs go where `freshness` points each page, so that reading finds them there. A kernel gets one
thread for its matrix products, however many cores there are: pages keep out of each other's way,
and a page prints the same numbers whether it was executed alone or beside others.
"""

import logging
import os
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import myst_nb.core.execute
from freshness import cache_of
from myst_nb.core.read import create_nb_reader
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.logging import getLogger

AT_ONCE = 4  # kernels, at most: each can hold a language model in memory
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class PageLog(logging.LoggerAdapter):
    """Says at the head of each message which page it is about."""

    def process(self, message: str, details: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        """Put the name in front, and the line where myst-nb tells one, which Python's own loggers do not know."""
        line = details.pop("line", None)
        details.pop("subtype", None)
        return f"{self.extra['page']}{f', line {line}' if line else ''}: {message}", details


def execute(app: Sphinx, page: str) -> None:
    """Execute one page into its cache; nothing happens where it is there already."""
    path = Path(app.env.doc2path(page))
    text = path.read_text("utf-8")
    config = app.env.mystnb_config.copy(execution_cache_path=str(cache_of(app, page)))
    reader = create_nb_reader(str(path), app.env.myst_config, config, text)
    if reader is not None:  # None: prose only
        log = PageLog(getLogger(__name__), {"page": path.relative_to(app.srcdir)})
        with myst_nb.core.execute.create_client(reader.read(text), str(path), config, log, reader.read_fmt):
            pass


def execute_ahead(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    """Execute the pages that are about to be read; the first that fails ends the build."""
    for variable in THREADS:
        os.environ.setdefault(variable, "1")  # inherited by the kernels
    at_once = min(AT_ONCE, os.cpu_count() or 1, max(1, len(pages)))
    with ThreadPoolExecutor(at_once) as pool:
        for done in as_completed([pool.submit(execute, app, page) for page in pages]):
            if done.exception():
                pool.shutdown(wait=False, cancel_futures=True)
            done.result()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("env-before-read-docs", execute_ahead)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
