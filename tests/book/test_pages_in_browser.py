"""Every page of the built book in a real browser, from disk and over HTTP: what a reader sees and what must not be."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

FACTS = """
async () => {
  if (window.MathJax?.startup) await MathJax.startup.promise;
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (node) => node.checkVisibility({visibilityProperty: true}) && node.getBoundingClientRect().width > 0;
  const pictures = all("article svg").filter((svg) => !svg.closest("button, mjx-container, svg svg"));
  return {
    titles: all("article h1").length,
    sections: all("article h2").length,
    outline: all(".bd-sidebar-secondary nav.page-toc a").filter(shown).length,
    searchButtons: all("button.search-button-field, button.search-button").filter(shown).length,
    searchForms: all("input[type=search]").length,
    imagesWithoutAlt: all("article img").filter((img) => !img.alt.trim()).map((img) => img.src),
    picturesWithoutLabel: pictures
      .filter((svg) => svg.getAttribute("role") !== "img" || !svg.getAttribute("aria-label")?.trim())
      .map((svg) => svg.outerHTML.slice(0, 200)),
    formulas: all("article .math").length,
    typeset: all("article .math mjx-container").length,
    wrongFormulas: all("mjx-merror, [data-mjx-error]").map((node) => node.textContent + (node.title || "")),
    diagrams: all("article .diagram svg").length,
    diagramWidths: all("article .diagram svg").map((svg) => [svg.clientWidth, svg.viewBox.baseVal.width]),
    folded: all("article details:is(.hint, .solution, .quiz)").map((node) => node.open),
  };
}
"""
INK = """
(theme) => {
  document.documentElement.dataset.theme = theme;
  const paper = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (!/, 0\\)$/.test(colour) && colour !== "transparent") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const inDiagrams = "article .diagram svg :is(span, text)", inOutputs = "article .cell_output :is(td, th, p, summary)";
  const written = `article svg[role=img], article figcaption, ${inDiagrams}, ${inOutputs}`;
  return [...document.querySelectorAll(written)].map((node) => {
    const style = getComputedStyle(node);  // a figure's letters are shapes in the colour of its svg element
    return [node.matches("text") ? style.fill : style.color, paper(node), node.ariaLabel || node.textContent.trim()];
  }).filter(([, , text]) => text);
}
"""


@dataclass
class Visit:
    """What one look at a page brought to light."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    ink: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    too_wide: dict[int, bool] = field(default_factory=dict)


def is_refused_font(text: str, url: str) -> bool:
    """Chromium refuses to preload fonts from disk, whoever asks; they load all the same when they are used."""
    return url.startswith("file:") and ".woff2" in f"{text} {url}"


def watch(page: Page, visit: Visit) -> None:
    """Write down each request and each complaint of a page."""

    def hear(message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        if message.type == "error" and not is_refused_font(message.text, url):
            visit.complaints.append(f"{message.text} ({url})")

    page.on("console", hear)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("request", lambda request: visit.requests.append(request.url))


@pytest.fixture(scope="session")
def opened(browser: Browser, addresses: dict[str, str]) -> Callable[[str, str], Page]:
    """Open a page in a fresh tab of a window shared by the tests; a test that uses it closes the tab."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, color_scheme="light")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(15_000)

    def open_page(scheme: str, address: str, visit: Visit | None = None) -> Page:
        page = context.new_page()
        watch(page, visit or Visit())
        page.goto(addresses[scheme] + address)
        return page

    return open_page


@pytest.fixture(scope="session")
def look(opened: Callable[..., Page]) -> Callable[[str, str], Visit]:
    """Visit a page once, however many tests ask about it."""
    seen: dict[tuple[str, str], Visit] = {}

    def look_at(scheme: str, name: str) -> Visit:
        if (scheme, name) not in seen:
            visit = Visit()
            page = opened(scheme, f"{name}.html", visit)
            visit.facts = page.evaluate(FACTS)
            visit.ink = {theme: page.evaluate(INK, theme) for theme in ("light", "dark")}
            for width in (1360, 390):
                page.set_viewport_size({"width": width, "height": 900})
                visit.too_wide[width] = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            page.close()
            seen[scheme, name] = visit
        return seen[scheme, name]

    return look_at


def test_page_asks_for_nothing_outside_the_site(scheme, page, look, addresses):
    """Must hold 2: the built site makes no outside request."""
    allowed = (addresses[scheme], "data:", "blob:")
    assert [url for url in look(scheme, page).requests if not url.startswith(allowed)] == []


def test_page_logs_no_error(scheme, page, look):
    assert look(scheme, page).complaints == []


def test_page_has_one_title_one_search_box_and_an_outline(scheme, page, look):
    facts = look(scheme, page).facts
    assert (facts["titles"], facts["searchButtons"], facts["searchForms"]) == (1, 1, 1)
    assert facts["outline"] >= min(facts["sections"], 1)


def test_page_fits_a_desk_and_a_phone(scheme, page, look):
    assert [width for width, too_wide in look(scheme, page).too_wide.items() if too_wide] == []


def test_every_picture_says_what_it_shows(scheme, page, look):
    facts = look(scheme, page).facts
    assert facts["imagesWithoutAlt"] + facts["picturesWithoutLabel"] == []


def test_every_formula_is_typeset(scheme, page, look):
    facts = look(scheme, page).facts
    assert facts["wrongFormulas"] == []
    assert facts["typeset"] == facts["formulas"]


def test_every_diagram_is_drawn_no_wider_than_it_is(scheme, page, look, source):
    facts = look(scheme, page).facts
    assert facts["diagrams"] == source(page).count("{mermaid}")
    assert all(0 < width <= natural * 1.01 for width, natural in facts["diagramWidths"])


def test_hints_solutions_and_quiz_answers_start_folded(scheme, page, look):
    assert not any(look(scheme, page).facts["folded"])


def luminance(colour: str) -> float:
    """Relative luminance of an `rgb(r, g, b)` colour (WCAG 2.1)."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(ink: str, paper: str) -> float:
    """Contrast ratio of two colours (WCAG 2.1): 1 is none, 21 is black on white."""
    low, high = sorted((luminance(ink), luminance(paper)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_on_white_is_21():
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_figures_diagrams_and_tables_can_be_read(theme, page, look):
    faint = [(text, ink, paper) for ink, paper, text in look("file", page).ink[theme] if contrast(ink, paper) < 4.5]
    assert faint == []


def first_page(source: Callable[[str], str], pages: list[str], pattern: str) -> str:
    """First page of the book whose source has what a test needs."""
    found = next((page for page in pages if re.search(pattern, source(page))), None)
    if found is None:
        pytest.fail(f"no page of the book has {pattern!r}")
    return found


def test_copy_button_copies_the_cell(scheme, opened, source, pages):
    page = opened(scheme, f"{first_page(source, pages, '{code-cell}')}.html")
    cell = page.locator(".cell_input div.highlight").first
    cell.hover()
    cell.locator("button.copybtn").click()
    page.wait_for_selector("button.copybtn.success")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<textarea id=paste></textarea>')")
    page.focus("#paste")
    page.keyboard.press("Control+V")
    pasted = page.locator("#paste").input_value()
    page.close()
    assert pasted.strip() == cell_source(source, pages)


def cell_source(source: Callable[[str], str], pages: list[str]) -> str:
    """Code of the first visible code cell of the book."""
    import jupytext

    notebook = jupytext.reads(source(first_page(source, pages, "{code-cell}")), fmt="md:myst")
    hidden = {"remove-input", "remove-cell"}
    cells = [c for c in notebook.cells if c.cell_type == "code" and not hidden & set(c.metadata.get("tags", []))]
    return cells[0].source.strip()


def test_switch_turns_the_page_dark_and_the_figures_light(scheme, opened, source, pages):
    page = opened(scheme, f"{first_page(source, pages, r'plots[.]show')}.html")
    figure = page.locator("article .cell_output svg").first
    before = figure.evaluate("node => getComputedStyle(node).color")
    for _ in range(3):  # the switch goes round system, light and dark
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
        page.locator(".theme-switch-button").first.click()
    after = figure.evaluate("node => getComputedStyle(node).color")
    dark = page.evaluate("document.documentElement.dataset.theme")
    page.evaluate("localStorage.clear()")
    page.close()
    assert dark == "dark"
    assert luminance(before) < 0.2 < 0.6 < luminance(after)


def test_a_dark_page_prints_in_light_colours(scheme, opened, pages):
    page = opened(scheme, f"{pages[0]}.html")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    themes = []
    for moment in ("beforeprint", "afterprint"):
        page.evaluate("moment => dispatchEvent(new Event(moment))", moment)
        themes.append(page.evaluate("document.documentElement.dataset.theme"))
    page.close()
    assert themes == ["light", "dark"]


def test_search_finds_a_word_of_a_title(scheme, opened, source, pages):
    target = pages[-1]
    title = re.search(r"^# (.+)$", source(target), flags=re.MULTILINE)[1]
    word = max(re.findall(r"[A-Za-z]{4,}", title), key=len)
    visit = Visit()
    page = opened(scheme, f"{pages[0]}.html", visit)
    page.locator("button.search-button-field").click()
    page.locator("input[type=search]").fill(word)
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results ul.search li a")
    page.wait_for_function(
        "document.querySelector('#search-results .search-summary')?.textContent.match(/\\\\d|found/)"
    )
    found = page.locator("#search-results ul.search li a").evaluate_all("links => links.map(link => link.href)")
    page.wait_for_timeout(300)  # excerpts, where they can be had
    boxes = [box for box in page.locator("input[type=search], button.search-button-field").all() if box.is_visible()]
    assert len(boxes) == 1
    page.close()
    assert any(f"/{target}.html" in link for link in found)
    assert visit.complaints == []


@pytest.mark.parametrize("kind", ["hint", "solution", "quiz"])
def test_folded_answers_open_at_a_click(scheme, kind, opened, source, pages):
    name = first_page(source, pages, r"\bquiz\(" if kind == "quiz" else r"\bexercise\(")
    page = opened(scheme, f"{name}.html")
    details = page.locator(f"article details.{kind}").first
    body = details.locator(":scope > :not(summary)").first
    assert not body.is_visible()
    details.locator("summary").click()
    assert body.is_visible()
    assert body.inner_text().strip()
    page.close()
