"""The repository keeps its own rules: pins, pages, and what no tracked file may say."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jupytext
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CHAPTERS = ROOT / "chapters"
LONGEST_CELL = 20
# A cell may end in an expression (it is displayed) and import what only a student's answer will use.
CODE_RULES = ["--ignore", "D,ANN,E402,B018,F401"]


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def tracked_files() -> list[Path]:
    """Files git tracks, or would (new and not ignored); all but pictures and tables are text."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("This is not a git checkout, so there is no list of tracked files to read.")
    return [ROOT / name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def pins() -> dict[str, str]:
    """Version by package, from constraints.txt."""
    lines = (line.split("#")[0].strip() for line in read("constraints.txt").splitlines())
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines if line)}


def extras() -> dict[str, list[Requirement]]:
    """What the package and each of its extras need."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    lists = {"": project["dependencies"], **project["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in lists.items()}


@pytest.mark.parametrize("extra", extras())
def test_every_package_we_ask_for_is_pinned_within_its_range(extra):
    wanted = [need for need in extras()[extra] if not need.marker or need.marker.evaluate()]
    pinned = [(need, pins().get(canonicalize_name(need.name), "no pin")) for need in wanted]
    outside = [f"{need}: {pin}" for need, pin in pinned if pin == "no pin" or not need.specifier.contains(pin, True)]
    assert outside == []


def test_the_conda_way_in_installs_the_same_versions():
    """environment.yml: Python 3.11 or newer, constraints.txt in force, and every version it repeats is pinned there."""
    items = yaml.safe_load(read("environment.yml"))["dependencies"]
    by_pip = [line for item in items if isinstance(item, dict) for line in item["pip"]]
    assert any(re.match(r"python\s*[=><]+\s*3\.1[1-9]", item) for item in items if isinstance(item, str))
    assert any(re.match(r"(-c|--constraint)[ =]constraints\.txt", line) for line in by_pip)
    repeated = [line.split("==") for line in by_pip if re.match(r"[\w.-]+==", line)]
    assert [(name, version) for name, version in repeated if pins().get(canonicalize_name(name)) != version] == []


# The groups keep these patterns from finding themselves.
MACHINE = re.compile(r"/(?:work)/|/(?:root)/|/(?:home)/\w+/|C:[\\]+Users|\.(?:library)/")
REGISTRY = re.compile(r"(?:index)-url|/(?:simple)/|(?:registry)=|(?:find)-links|https?://(?!127\.)(?:\d+\.){3}\d+")


@pytest.mark.parametrize("pattern", [MACHINE, REGISTRY], ids=["paths of one machine", "addresses of registries"])
def test_no_tracked_file_names(pattern):
    found = []
    for path in tracked_files():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


def test_no_tracked_file_is_large():
    assert [path.name for path in tracked_files() if path.stat().st_size > 3_000_000] == []


def pages_in_toc(node: dict[str, Any]) -> list[str]:
    own = [node[key].removesuffix(".md") for key in ("root", "file") if key in node]
    below = [child for key in ("parts", "chapters", "sections", "entries", "subtrees") for child in node.get(key, [])]
    return own + [page for child in below for page in pages_in_toc(child)]


PAGES = pages_in_toc(yaml.safe_load(read("chapters/_toc.yml")))
on_every_page = pytest.mark.parametrize("page", [*PAGES, "_template"])


def notebook(page: str) -> Any:
    return jupytext.reads(read(f"chapters/{page}.md"), fmt="md:myst")


def code_cells(page: str) -> list[Any]:
    return [cell for cell in notebook(page).cells if cell.cell_type == "code"]


def test_every_page_is_in_the_table_of_contents_once():
    written = {path.relative_to(CHAPTERS).with_suffix("").as_posix() for path in CHAPTERS.rglob("*.md")}
    assert {page for page in written if not Path(page).name.startswith("_")} == set(PAGES)
    assert len(PAGES) == len(set(PAGES))


@on_every_page
def test_page_with_code_opens_as_a_notebook_on_the_kernel_everyone_has(page):
    """N1 (jupyter-book/jupyter-book#195, jupytext#239): every page names the kernel python3, not its author's."""
    if code_cells(page):
        header = notebook(page).metadata
        assert header["kernelspec"]["name"] == "python3"
        assert header["jupytext"]["text_representation"]["format_name"] == "myst"


def test_jupyterlab_opens_pages_as_notebooks():
    """`make lab` hands these settings to JupyterLab; jupytext reads and writes the pages as they are."""
    settings = json.loads(read(".jupyter/labconfig/default_setting_overrides.json"))
    viewers = settings["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"]
    assert viewers == {"markdown": "Jupytext Notebook", "myst": "Jupytext Notebook"}
    assert ".jupyter" in read("Makefile")
    assert tomllib.loads(read("chapters/jupytext.toml"))["formats"] == "md:myst"


@on_every_page
def test_cells_are_short(page):
    lines = [[line for line in cell.source.splitlines() if line.strip()] for cell in code_cells(page)]
    assert [(cell[0], len(cell)) for cell in lines if len(cell) > LONGEST_CELL] == []


@on_every_page
def test_every_figure_is_shown_with_a_sentence_for_those_who_cannot_see_it(page):
    for cell in code_cells(page):
        assert not re.search(r"plt\.show\(|savefig\(", cell.source), f"use plots.show(fig, alt=…): {cell.source[:60]}"
        drawn = re.findall(r"\bplots\.show\((.*?)\n?\)\s*$", cell.source, flags=re.DOTALL | re.MULTILINE)
        assert all("alt=" in call for call in drawn), cell.source[:60]
        if re.search(r"\bplots\.subplots\(", cell.source):
            assert drawn, f"a figure is drawn but not shown: {cell.source[:60]}"


@on_every_page
def test_code_of_the_page_is_in_the_house_style(page, tmp_path):
    path = tmp_path / "page.ipynb"
    book = notebook(page)
    book.cells = [cell for cell in book.cells if "exercise" not in cell.metadata.get("tags", [])]  # the bank sets those
    jupytext.write(book, path)
    ruff = [str(Path(sys.executable).with_name("ruff"))]
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", str(path)]
    lint = subprocess.run([*ruff, "check", *CODE_RULES, *config], capture_output=True, text=True, check=False)
    layout = subprocess.run([*ruff, "format", "--diff", *config], capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout
    assert layout.returncode == 0, layout.stdout
