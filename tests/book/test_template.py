"""The model page that authors copy is accepted by the book, from its first element to its last."""

import re
import shutil
from pathlib import Path

BIBLIOGRAPHY = Path(__file__).parents[2] / "chapters" / "references.bib"


def test_the_model_page_builds(small_book, source):
    root, build = small_book
    shutil.copy(BIBLIOGRAPHY, root / "chapters" / "references.bib")
    result = build({"index": source("_template")}, library=None)  # with the real library
    assert result.returncode == 0, result.stdout + result.stderr
    html = (root / "_build" / "html" / "index.html").read_text("utf-8")
    text = re.sub(r"<[^>]+>", "", html)
    assert "Figure 9.1 From guesses to one number." in text
    assert "Figure 9.2 The error of one guess for all eight ratings" in text
    assert "Equation (9.1) is two lines of the library" in text
    assert "def rmse(actual: ArrayLike, predicted: ArrayLike) -&gt; float:" in text
    assert "at a guess of 3.5, the mean of the ratings" in text
    assert "[Herlocker et al., 2004]" in text
    assert "Lines that begin with %" not in text
    for kind in ("hint", "solution", "quiz"):
        assert f'<details class="{kind}' in html
