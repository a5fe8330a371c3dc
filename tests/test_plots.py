import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from avrec_lib import plots

PAGES = {"white": "#ffffff", "the dark theme": "#14181e", "near-black": "#121212"}
# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    dark, light = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] for c in (a, b))
    return (light + 0.05) / (dark + 0.05)


def lab(rgb):
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    t = np.asarray(to_xyz) @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883]
    x, y, z = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def line_figure():
    fig, ax = plots.subplots()
    for i in range(3):
        ax.plot(np.arange(5), np.arange(5) + i, label=f"model {i}")
    ax.set_xlabel("epoch")
    ax.set_ylabel("RMSE (stars)")
    ax.legend()
    return fig


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", plots.COLOURS._fields)
def test_each_colour_is_legible_on_light_and_dark_pages(name, page):
    assert contrast(getattr(plots.COLOURS, name), PAGES[page]) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_in_every_colour_vision(vision):
    seen = {name: lab(np.asarray(VISION[vision]) @ linear(colour)) for name, colour in plots.COLOURS._asdict().items()}
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen.values(), 2)) > 20


def test_lines_differ_in_marker_and_dashes_too():
    _, ax = plots.subplots()
    lines = [ax.plot([0, 1], [i, i])[0] for i in range(5)]
    assert len({line.get_marker() for line in lines}) == 5
    assert len({str(line._dash_pattern) for line in lines}) == 5
    assert len({line.get_color() for line in lines}) == 5


def test_importing_and_drawing_change_no_setting_of_matplotlib():
    before = dict(matplotlib.rcParams)
    plots.figure_html(line_figure(), "Lines.")
    with plots.style():
        assert matplotlib.rcParams["axes.spines.top"] is False
    assert dict(matplotlib.rcParams) == before
    code = "import matplotlib as m; a = dict(m.rcParams); import avrec_lib.plots; print(a == dict(m.rcParams))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


def test_settings_of_the_reader_do_not_reach_the_axes_and_the_lines():
    def figure():
        fig, ax = plots.subplots()
        ax.plot([1, 2], [3, 4])
        ax.set(xlabel="epoch", ylabel="RMSE (stars)")
        return plots.figure_html(fig, "A line.")

    plain = figure()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "pink", "text.color": "red", "lines.linewidth": 9}):
        assert figure() == plain


def test_same_figure_gives_the_same_bytes_in_another_process():
    code = """
import sys
from avrec_lib import plots
fig, ax = plots.subplots()
ax.plot([1, 2], [3, 4])
ax.fill_between([1, 2], [3, 4])
ax.scatter([1], [3], rasterized=True)
sys.stdout.write(plots.figure_html(fig, "A line.", "Caption"))
"""
    outputs = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(outputs) == 1


def test_figure_is_an_image_with_its_sentence_and_a_caption():
    html = plots.figure_html(line_figure(), 'Three "lines" rise,\n   none crosses.', "RMSE < 1 & more")
    assert html.startswith('<figure class="avrec-figure" role="group"')
    assert 'role="img" aria-label="Three &quot;lines&quot; rise, none crosses."' in html
    assert "<figcaption>RMSE &lt; 1 &amp; more</figcaption>" in html
    ET.fromstring(html)


def test_figure_without_a_caption_has_none():
    assert "figcaption" not in plots.figure_html(line_figure(), "Lines.")


@pytest.mark.parametrize("alt", ["", "  \n", None])
def test_figure_without_a_sentence_is_refused(alt):
    with pytest.raises(ValueError, match="A figure needs alt="):
        plots.figure_html(line_figure(), alt)


def test_all_black_ink_takes_the_colour_of_the_page_and_there_is_no_background():
    html = plots.figure_html(line_figure(), "Lines.")
    assert 'fill="currentColor"' in html
    assert "stroke: currentColor" in html
    assert "#000000" not in html
    assert "#ffffff" not in html


def test_legend_made_outside_the_style_has_no_white_box():
    fig = line_figure()
    fig.legend(loc="upper left")
    fig.axes[0].legend(frameon=True)
    assert "#ffffff" not in plots.figure_html(fig, "Lines.")


def test_svg_holds_no_date_version_comment_or_style_sheet_that_would_reach_the_page():
    html = plots.figure_html(line_figure(), "Lines.")
    for trace in ("<metadata", "<!--", "<style", "<?xml", "Matplotlib", "xlink"):
        assert trace not in html


def test_two_figures_on_a_page_share_no_id_and_each_reference_is_met():
    pages = [plots.figure_html(line_figure(), alt) for alt in ("One.", "Two.")]
    ids = [set(re.findall(r' id="([^"]+)"', page)) for page in pages]
    assert ids[0]
    assert not ids[0] & ids[1]
    for page, names in zip(pages, ids, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) == names


def test_coordinates_are_rounded_to_hundredths():
    html = plots.figure_html(line_figure(), "Lines.")
    assert not re.search(r' d="[^"]*\d\.\d{3}', html)
    assert "-0 " not in plots._rounded("-0.001 2.345 -7.0")
    assert (
        plots._rounded("M -0.001 2.345 -7.0") == "M 0 2.35 -7" or plots._rounded("M -0.001 2.345 -7.0") == "M 0 2.34 -7"
    )


def test_show_prints_the_sentence_outside_a_notebook_and_closes_the_figure(capsys):
    fig = plt.figure()
    assert plots.show(fig, " A line. ") is None
    assert capsys.readouterr().out == "[figure: A line.]\n"
    assert not plt.fignum_exists(fig.number)


def test_subplots_grow_with_rows_and_columns_and_take_a_size():
    assert plots.subplots()[0].get_size_inches().tolist() == [6.4, 3.6]
    fig, axes = plots.subplots(2, 2, sharex=True)
    assert axes.shape == (2, 2)
    assert fig.get_size_inches().tolist() == [8.0, 5.6]
    assert plots.subplots(figsize=(3, 2))[0].get_size_inches().tolist() == [3, 2]


# Heat maps and league tables -----------------------------------------------------------------------------------


def test_heatmap_writes_each_number_on_its_tile_from_the_top_left():
    _, ax = plots.subplots()
    plots.heatmap(ax, [[0.7355, -0.5], [np.nan, -np.inf]], rows=["u1", "u2"], columns=["a", "b"])
    assert [t.get_text() for t in ax.texts] == ["0.74", "−0.50", "–", "−∞"]
    assert [t.get_position() for t in ax.texts] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert ax.get_ylim() == (1.5, -0.5)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["u1", "u2"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b"]


def test_heatmap_without_names_counts_rows_and_columns_in_whole_numbers():
    fig, ax = plots.subplots()
    plots.heatmap(ax, np.eye(4))
    fig.draw_without_rendering()
    assert all(float(tick).is_integer() for tick in (*ax.get_yticks(), *ax.get_xticks()))


def test_heatmap_deepens_with_the_absolute_value_and_red_is_negative():
    colours = plots._tile_colours(np.array([[0.0, 0.5, 1.0, -1.0, np.nan, -np.inf]]), None)[0]
    assert colours[:, 3].tolist() == pytest.approx([0, 0.375, 0.75, 0.75, 0, 0])
    assert colours[2, 2] > colours[2, 0]
    assert colours[3, 0] > colours[3, 2]


def test_heatmap_of_zeros_is_empty_and_a_limit_fixes_the_scale():
    assert plots._tile_colours(np.zeros((2, 2)), None)[..., 3].max() == 0
    assert plots._tile_colours(np.ones((1, 1)), 2.0)[0, 0, 3] == pytest.approx(0.375)


def test_heatmap_without_numbers_and_a_large_one_have_no_texts():
    _, (left, right) = plots.subplots(1, 2)
    plots.heatmap(left, np.eye(3), numbers=None)
    plots.heatmap(right, np.ones((40, 40)))
    assert not left.texts
    assert not right.texts
    assert len(right.images) == 1


@pytest.mark.parametrize("page", ["white", "the dark theme"])
@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_on_the_deepest_tile_are_legible(page, sign):
    ink = {"white": "#323232", "the dark theme": "#ced6dd"}[page]
    back, tile = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (PAGES[page], plots._HEAT[sign]))
    mixed = np.round(plots._STRONGEST * tile + (1 - plots._STRONGEST) * back).astype(int)
    assert contrast("#{:02x}{:02x}{:02x}".format(*mixed), ink) >= 3.5


def test_league_table_has_a_bar_an_interval_and_a_number_a_model_first_on_top():
    _, ax = plots.subplots()
    plots.bars_with_interval(ax, ["a", "b"], [0.1, 0.2], [0.05, 0.1], [0.2, 0.25], highlight="b")
    assert [bar.get_width() for bar in ax.patches] == [0.1, 0.2]
    assert [t.get_text() for t in ax.texts] == ["0.100", "0.200"]
    assert ax.get_ylim() == (1.5, -0.5)
    assert [t.get_fontweight() for t in ax.get_yticklabels()] == ["normal", "bold"]
    segments = ax.collections[0].get_segments()
    assert [s[:, 0].tolist() for s in segments] == [pytest.approx([0.05, 0.2]), pytest.approx([0.1, 0.25])]


def test_league_table_without_intervals_has_none():
    _, ax = plots.subplots()
    plots.bars_with_interval(ax, ["a"], [3.0], numbers=".0f")
    assert not ax.collections
    assert ax.texts[0].get_text() == "3"
