"""What the tests of the built book share: its pages, a browser, a local server, and small books built from scratch."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
sys.path.append(str(ROOT / "chapters" / "_ext"))  # the book's Sphinx extensions
HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""


def pages_in_toc(node: dict) -> list[str]:
    """Pages of a table of contents, in reading order, as paths without suffix."""
    own = [node[key].removesuffix(".md") for key in ("root", "file") if key in node]
    below = [child for key in ("parts", "chapters", "sections", "entries", "subtrees") for child in node.get(key, [])]
    return own + [page for child in below for page in pages_in_toc(child)]


PAGES = pages_in_toc(yaml.safe_load((ROOT / "chapters" / "_toc.yml").read_text("utf-8")))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `page` runs for every page of the book; one for `scheme`, from disk and from a server.

    One for both sees every page from disk, and every fourth from a server, which hands out the same files.
    """
    asked = {"scheme", "page"} & set(metafunc.fixturenames)
    if asked == {"scheme", "page"}:
        seen = [("file", page) for page in PAGES] + [("http", page) for page in PAGES[::4]]
        metafunc.parametrize(("scheme", "page"), seen, scope="session")
    elif "scheme" in asked:
        metafunc.parametrize("scheme", ["file", "http"], scope="session")
    elif "page" in asked:
        metafunc.parametrize("page", PAGES, scope="session")


@pytest.fixture(scope="session")
def site() -> Path:
    """Folder of the built book."""
    if not (HTML / "index.html").exists():
        pytest.fail("There is no built book to test: run `make book` first (`make test` does).", pytrace=False)
    return HTML


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files over lasting connections, without writing a line for each."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="session")
def addresses(site: Path) -> Iterator[dict[str, str]]:
    """Where the site begins, from disk and over HTTP."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"file": f"{site.as_uri()}/", "http": f"http://127.0.0.1:{server.server_port}/"}
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        path = path or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("No Chromium was found: install it (apt install chromium) or name it in the variable CHROMIUM.")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def compose() -> Callable[..., str]:
    """Write the source of a page: a title, prose, and a code cell for each piece of code."""

    def write(*cells: str, title: str = "A page", prose: str = "Prose.") -> str:
        return f"{HEADER}# {title}\n\n{prose}\n" + "".join(
            f"\n```{{code-cell}} ipython3\n{code}\n```\n" for code in cells
        )

    return write


BuildBook = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def small_book(tmp_path: Path) -> tuple[Path, BuildBook]:
    """A project with this book's configuration and extensions but its own pages and its own tiny `avrec_lib`."""
    chapters = tmp_path / "chapters"
    chapters.mkdir()
    shutil.copy(ROOT / "book.yml", tmp_path)
    for folder in ("_ext", "_static"):
        shutil.copytree(ROOT / "chapters" / folder, chapters / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "avrec_lib").mkdir()
    (tmp_path / "avrec_lib" / "__init__.py").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "constraints.txt").write_text("numpy==0\n")
    (chapters / "references.bib").write_text("@article{a, author={A, B}, title={T}, journal={J}, year={2000}}\n")

    def build(pages: dict[str, str], library: Path | None = tmp_path) -> "subprocess.CompletedProcess[str]":
        first, *others = pages
        toc = {"format": "jb-book", "root": first} | (
            {"chapters": [{"file": name} for name in others]} if others else {}
        )
        files = {f"{name}.md": text for name, text in pages.items()} | {"_toc.yml": yaml.safe_dump(toc)}
        for name, text in files.items():
            if not (chapters / name).exists() or (chapters / name).read_text("utf-8") != text:
                (chapters / name).write_text(text, "utf-8")
        command = [Path(sys.executable).with_name("jupyter-book"), "build", "chapters", "--config", "book.yml"]
        environment = {**os.environ, "PYTHONPATH": str(library or ""), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(  # the kernel must see the tiny library before the real one
            [*map(str, command), "--path-output", ".", "-W", "--keep-going"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    return tmp_path, build


@pytest.fixture(scope="session")
def pages() -> list[str]:
    """Pages of the book in reading order."""
    return PAGES


@pytest.fixture(scope="session")
def source() -> Callable[[str], str]:
    """Reads the source of a page."""
    return lambda page: (ROOT / "chapters" / f"{page}.md").read_text("utf-8")
