"""One style for every figure of the book, and one way to show a figure so that everybody can read it.

`show` writes a figure into the page as SVG: no background, all black ink turned into the colour of
the surrounding text (so one figure serves light and dark pages), a sentence for those who can't see
it, and the same bytes on every run. Nothing here changes matplotlib's settings for anybody else.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib
import matplotlib.style
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from avrec_lib.show import present


class Palette(NamedTuple):
    """Five colours, each with a contrast of at least 3 to white and to near-black, distinct in any colour vision."""

    blue: str = "#0a90e8"
    red: str = "#d92b16"
    green: str = "#2f7a5c"
    purple: str = "#aa4696"
    ochre: str = "#aa8c50"


COLOURS = Palette()
MARKERS = ("o", "s", "^", "D", "v")
LINES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (6, 2, 1, 2)), (0, (1, 1.2)), (0, (3, 1, 1, 1, 1, 1)))
INK = "black"  # becomes the colour of the page's text

STYLE: dict[str, Any] = {
    "figure.figsize": (6.4, 3.6),
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.prop_cycle": cycler(color=COLOURS, marker=MARKERS, linestyle=LINES, markevery=[0.1] * 5, linewidth=[2] * 5),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "legend.frameon": False,
    "lines.markersize": 6,
    "svg.fonttype": "path",
    "svg.hashsalt": "avrec",
}
_HEAT = {1: "#1f77c8", -1: "#c8402a"}
_STRONGEST = 0.75  # a full cell, still light enough for the numbers on it
_MOST_TILES = 900


@contextmanager
def style() -> Iterator[None]:
    """Use the book's style inside a `with` block, and what was set before after it."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def subplots(nrows: int = 1, ncols: int = 1, **kwargs: Any) -> tuple[Figure, Any]:  # noqa: ANN401
    """Return a figure in the book's style and its axes, as `matplotlib.pyplot.subplots` does.

    `figsize` is in inches, by default (6.4, 3.6), wider for several columns and higher for several
    rows. The other keywords go to `Figure.subplots`. The figure is not registered with pyplot, so it
    is shown once, by `show`, and need not be closed.
    """
    size = kwargs.pop("figsize", (6.4 if ncols == 1 else 8.0, 3.6 if nrows == 1 else 2.8 * nrows))
    with style():
        figure = Figure(figsize=size)
        return figure, figure.subplots(nrows, ncols, **kwargs)


def show(fig: Figure, alt: str, caption: str | None = None) -> None:
    """Display a figure in a notebook, then close it.

    Parameters
    ----------
    fig : Figure
        From `subplots`, or any other matplotlib figure.
    alt : str
        One sentence that says what the figure shows to somebody who can't see it.
    caption : str, optional
        Plain text below the figure.

    Raises
    ------
    ValueError
        If `alt` is empty.
    """
    markup = figure_html(fig, alt, caption)
    if "matplotlib.pyplot" in sys.modules:  # otherwise the notebook would draw it once more
        sys.modules["matplotlib.pyplot"].close(fig)
    present({"text/html": markup, "text/plain": f"[figure: {alt.strip()}]"})


def figure_html(fig: Figure, alt: str, caption: str | None = None) -> str:
    """Return what `show` displays: a `<figure>` with the SVG and the caption. Same figure, same bytes."""
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("A figure needs alt=: one sentence that says what it shows to somebody who can't see it.")
    for legend in (*fig.legends, *(axes.get_legend() for axes in fig.axes)):
        if legend is not None:
            legend.set_frame_on(False)  # a white box would hide the page's text colour
    buffer = io.StringIO()
    with style():
        fig.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = _inline(buffer.getvalue(), html.escape(" ".join(alt.split())))
    text = html.escape(" ".join((caption or "").split()), quote=False)
    below = f"<figcaption>{text}</figcaption>\n" if text else ""
    return f'<figure class="avrec-figure" role="group" style="margin: 1em 0">\n{svg}\n{below}</figure>'


def _inline(svg: str, label: str) -> str:
    """Return a standalone SVG file of matplotlib as an element that lives inside a page among others."""
    body = svg[svg.index("<svg") :].strip()
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<defs>\s*</defs>", "", body).replace("xlink:href", "href")
    body = re.sub(r"#000000\b", "currentColor", body)
    body = re.sub(r' (d|x|y)="([^"]*)"', lambda m: f' {m[1]}="{_rounded(m[2])}"', body)
    body = re.sub(r"\n\s*", "\n", body)
    # matplotlib's own ids hash unrounded layout numbers, which aren't the same bits on every run
    names = {name: f"n{n}" for n, name in enumerate(dict.fromkeys(re.findall(r'(?:href="#|url\(#)([^")]+)', body)))}
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{names[m[1]]}"' if m[1] in names else "", body)
    body = re.sub(r'href="#([^"]+)"', lambda m: f'href="#{names[m[1]]}"', body)
    body = re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{names[m[1]]})", body)
    prefix = "f" + hashlib.sha256((body + label).encode()).hexdigest()[:8]
    body = re.sub(r'( id="|href="#|url\(#)(?=n\d)', rf"\1{prefix}-", body)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', body)
    width, height = (float(side) for side in box.groups()) if box else (460.8, 259.2)
    looks = f"width: 100%; max-width: {width * 4 / 3:.0f}px; height: auto"
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" viewBox="0 0 {width:g} {height:g}" '
        f'fill="currentColor" stroke-linejoin="round" style="{looks}">'
    )
    return root + body[body.index(">") + 1 :]


def _rounded(numbers: str) -> str:
    """Return a path with two decimals: a hundredth of a point is far below what anybody sees."""
    return re.sub(r"-?\d+\.\d+", lambda m: f"{round(float(m[0]), 2) + 0.0:g}", numbers)


def heatmap(
    ax: Axes,
    matrix: ArrayLike,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    numbers: str | None = ".2f",
    limit: float | None = None,
) -> None:
    """Draw a matrix as tiles, deeper blue for larger and deeper red for more negative values.

    Parameters
    ----------
    ax : Axes
    matrix : array, shape (n_rows, n_columns)
        NaN is drawn as an empty tile with a dash, −∞ as an empty tile.
    rows, columns : sequences of str, optional
        Names of the rows, from top to bottom, and of the columns.
    numbers : str or None
        Format of the number on each tile; None writes none, and above 900 tiles none are written.
    limit : float, optional
        The absolute value that gets the deepest colour; by default the largest in the matrix.
    """
    values = np.atleast_2d(np.asarray(matrix, dtype=float))
    n_rows, n_columns = values.shape
    colours = _tile_colours(values, limit)  # (n_rows, n_columns, 4)
    if values.size > _MOST_TILES:
        ax.imshow(colours, interpolation="nearest", aspect="auto")
    else:
        tiles = [Rectangle((j - 0.48, i - 0.48), 0.96, 0.96) for i in range(n_rows) for j in range(n_columns)]
        ax.add_collection(PatchCollection(tiles, facecolors=colours.reshape(-1, 4).tolist(), linewidths=0))
        for (i, j), value in np.ndenumerate(values) if numbers else ():
            text = format(value, numbers or "").replace("-", "−").replace("inf", "∞").replace("nan", "–")
            ax.text(j, i, text, ha="center", va="center", color=INK, fontsize=10)
    ax.set_xlim(-0.5, n_columns - 0.5)
    ax.set_ylim(n_rows - 0.5, -0.5)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    for axis, names in ((ax.yaxis, rows), (ax.xaxis, columns)):
        if names is None:
            axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        else:
            axis.set_ticks(range(len(names)), names)


def _tile_colours(values: NDArray[np.float64], limit: float | None) -> NDArray[np.float64]:
    finite = np.where(np.isfinite(values), values, 0.0)
    top = float(np.abs(finite).max(initial=0.0)) if limit is None else limit
    colours = np.where((finite < 0)[..., None], to_rgba(_HEAT[-1]), to_rgba(_HEAT[1]))  # (rows, columns, 4)
    colours[..., 3] = np.clip(np.abs(finite) / top, 0, 1) * _STRONGEST if top > 0 else 0.0
    return colours


def bars_with_interval(
    ax: Axes,
    labels: Sequence[str],
    values: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    *,
    numbers: str = ".3f",
    highlight: str | None = None,
) -> None:
    """Draw a league table: one horizontal bar a label, first on top, with its interval and its number.

    `low` and `high` are the ends of the intervals, as in the tables of `evaluate`. The bar of the
    label `highlight` gets another colour and a bold label.
    """
    lengths = np.asarray(values, dtype=float)
    places = np.arange(len(labels))
    colours = [COLOURS.red if label == highlight else COLOURS.blue for label in labels]
    ax.barh(places, lengths, height=0.62, color=colours)
    ends = lengths
    if low is not None and high is not None:
        ends = np.asarray(high, dtype=float)
        spread = np.vstack([lengths - np.asarray(low, dtype=float), ends - lengths])
        ax.errorbar(lengths, places, xerr=spread, fmt="none", ecolor=INK, elinewidth=1.2, capsize=3)
    for place, length, end in zip(places, lengths, ends, strict=True):
        ax.annotate(format(length, numbers), (max(end, 0.0), place), (5, 0), textcoords="offset points", va="center")
    ax.set_yticks(places, labels)
    for text in ax.get_yticklabels():
        text.set_fontweight("bold" if text.get_text() == highlight else "normal")
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.margins(x=0.14)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
