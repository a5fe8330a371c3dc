import base64

import pytest

from avrec_lib.exercises.plain import Plain, read_labels, read_references

BIB = r"""
@article{koren2009matrix,
  author = {Koren, Yehuda and Bell, Robert and Volinsky, Chris},
  title = {Matrix factorization techniques for {R}ecommender systems},
  journal = {Computer}, year = {2009}
}
@inproceedings{hu2008, author = {Hu, Yifan and van den Berg, Jos{\'e}}, title = {Implicit}, booktitle = {ICDM},
  year = {2008}}
@misc{lone, author = {M\"uller, Ada}, title = {Notes}, howpublished = {Online}}
@book{edited, editor = {Ricci, Francesco}, title = {Handbook}, publisher = {Springer}, year = {2022}}
@misc{nobody, title = {A page}, year = {2020}}
"""


@pytest.fixture
def references(tmp_path):
    (tmp_path / "references.bib").write_text(BIB, encoding="utf-8")
    return read_references(tmp_path / "references.bib")


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("RMSE {glue:text}`rmse:.3f` of {glue:}`x`", "RMSE ⟨`rmse`⟩ of ⟨`x`⟩"),
        ("see {eq}`loss` and {eq}`the loss <loss>`", "see (loss) and (loss)"),
        ("{ref}`the loss <sec-loss>`, {ref}`sec-loss`", "the loss, sec-loss"),
        ("{numref}`fig-a`, {numref}`Figure %s <fig-a>`", "fig-a, Figure fig-a"),
        ("{numref}`Figure {number} <fig-a>`", "Figure fig-a"),
        ("{doc}`the notation <../b>` and {term}`iALS`", "the notation and iALS"),
        ("{math}`x^2`, H{sub}`2`O, e{sup}`x`", "$x^2$, H<sub>2</sub>O, e<sup>x</sup>"),
        ("{abbr}`ALS (alternating least squares)`", "ALS"),
        ("{kbd}`Ctrl` {eval}`len(x)` {code}`y`", "`Ctrl` `len(x)` `y`"),
        ("{unknown}`text`", "text"),
        ("write `` {cite}`key` `` or `{eq}`", "write `` {cite}`key` `` or `{eq}`"),
        (
            "[B](../appendices/b.md), [C](c.md#top), [web](https://a.b/c.md)",
            "[B](../appendices/b.ipynb), [C](c.ipynb#top), [web](https://a.b/c.md)",
        ),
        ("[](#sec-loss)", "*sec-loss*"),
        ("[x](y.png){.wide} `a`{.python}", "[x](y.png) `a`"),
        ("(sec-loss)=\n## Loss\n% a remark\n{.wide}\ntext", "## Loss\ntext"),
        ("100 % of $5 %$", "100 % of $5 %$"),
        ("$$\na = b\n$$ (loss)", "$$\na = b \\tag{loss}\n$$"),
        ("$$a$$ and\n\n$$b$$ (two)", "$$a$$ and\n\n$$b \\tag{two}\n$$"),
        ("```{math}\n:label: loss\na\n```", "$$\na \\tag{loss}\n$$"),
        ("```{math}\na\n```", "$$\na\n$$"),
        ("```{mermaid}\n:alt: A graph.\nflowchart LR\n  A --> B\n```", "```mermaid\nflowchart LR\n  A --> B\n```"),
        ("```{mermaid}\n:caption: Path {eq}`a`.\n\nA\n```", "```mermaid\nA\n```\n\nPath (a)."),
        ("```mermaid\nA --> B\n```", "```mermaid\nA --> B\n```"),
        ("```python\nx = {eq}`a`  # $$\n```", "```python\nx = {eq}`a`  # $$\n```"),
        ("```{code-block} python\n:caption: c\nx = 1\n```", "```python\nx = 1\n```"),
        ("```{literalinclude} a.py\n```", "*(the code in `a.py`)*"),
        (":::{note}\nOne {eq}`a`.\n\nTwo.\n:::", "> **Note**\n>\n> One (a).\n>\n> Two."),
        ("```{warning} At once.\n```", "> **Warning**\n>\n> At once."),
        ("```{seealso}\nX\n```", "> **See also**\n>\n> X"),
        ("```{margin}\nAside\n```", "> Aside"),
        (":::{admonition} Source check $x$\n:class: tip dropdown\nBody\n:::", "> **Source check $x$**\n>\n> Body"),
        (
            "::::{tab-set}\n:::{tab-item} CPU\nslow\n:::\n:::{tab-item} GPU\nfast\n:::\n::::",
            "**CPU**\n\nslow\n**GPU**\n\nfast",
        ),
        ("````{note}\n```python\nx\n```\n````", "> **Note**\n>\n> ```python\n> x\n> ```"),
        ("- item\n  ```{note}\n  inside\n  ```", "- item\n  > **Note**\n  >\n  > inside"),
        (
            "```{list-table} Sizes\n:header-rows: 1\n* - a\n  - b\n* - 1\n  - {eq}`x`\n```",
            "**Sizes**\n\n| a | b |\n|---|---|\n| 1 | (x) |",
        ),
        ("```{list-table}\n```", ""),
        ("```{table} Sizes\n| a |\n|---|\n| 1 |\n```", "**Sizes**\n\n| a |\n|---|\n| 1 |"),
        ("```{glossary}\nALS\n  text\n```", "ALS\n  text"),
        ("```{glue:figure} fig\n:name: f\nA caption.\n```", "⟨`fig`⟩\n\nA caption."),
        ("```{contents}\n```\nText", "Text"),
        ("```{figure} no.png\n:alt: A line.\n\nCaption {eq}`a`.\n```", "![A line.](no.png)\n\nCaption (a)."),
        ("```python\nnever closed", "```python\nnever closed\n```"),
    ],
)
def test_myst_becomes_plain_markdown(myst, plain):
    assert Plain().convert(myst) == plain


LABELLED = """
$$
a
$$ (eq-a)

```{math}
:class: x
:label: eq-b
b
```

```{mermaid}
:alt: A graph.
:caption: The path.
:name: fig-path

A --> B
```

:::{list-table} T
:name: tab-t
* - x
:::

```{note}
:name: not-counted
```
"""


def test_equations_figures_and_tables_are_numbered_within_the_page():
    figure = {"mystnb": {"figure": {"name": "fig-line", "caption": "x"}}}
    labels = read_labels([(LABELLED, {}), ("plot()", figure), ("```{figure} a.png\n:name: fig-a\n```", {})])
    assert labels == {
        "eq-a": "(1)",
        "eq-b": "(2)",
        "fig-path": "Figure 1",
        "tab-t": "Table 1",
        "fig-line": "Figure 2",
        "fig-a": "Figure 3",
    }
    page = Plain(labels=labels)
    text = page.convert(LABELLED)
    assert "a \\tag{1}\n$$" in text
    assert "b \\tag{2}\n$$" in text
    assert "A --> B\n```\n\n*Figure 1.* The path." in text
    assert page.convert("{eq}`eq-b`, {numref}`fig-line`, {ref}`tab-t`") == "(2), Figure 2, Table 1"
    assert page.convert("{numref}`Fig. %s <fig-line>`, {ref}`the table <tab-t>`") == "Fig. 2, the table"
    assert page.caption("fig-line", "See {eq}`eq-a`.") == "*Figure 2.* See (1)."
    assert page.caption("", "Plain.") == "Plain."


def test_picture_travels_inside_the_notebook(tmp_path):
    (tmp_path / "a.svg").write_text("<svg/>")
    page = Plain(tmp_path)
    assert page.convert("```{image} a.svg\n:alt: A dot.\n```") == "![A dot.](attachment:a.svg)"
    assert page.attachments == {"a.svg": {"image/svg+xml": base64.b64encode(b"<svg/>").decode()}}


def test_references_are_cited_by_author_and_year(references):
    page = Plain(references=references)
    assert page.convert("{cite:p}`koren2009matrix, hu2008`") == "(Koren et al., 2009; Hu and van den Berg, 2008)"
    assert page.convert("{cite:t}`koren2009matrix` say") == "Koren et al. (2009) say"
    assert page.convert("{cite}`lone`, {cite}`edited`, {cite}`nobody`") == "(Müller), (Ricci, 2022), (A page, 2020)"
    assert page.convert("{cite}`missing`") == "(missing)"


def test_bibliography_lists_what_the_page_cites(references):
    page = Plain(references=references)
    page.convert("{cite}`hu2008` {cite}`koren2009matrix` {cite}`missing`")
    assert page.convert("```{bibliography}\n:filter: docname in docnames\n```") == (
        "- Hu, van den Berg (2008). Implicit. *ICDM*.\n"
        "- Koren, Bell, Volinsky (2009). Matrix factorization techniques for Recommender systems. *Computer*."
    )


def test_book_without_a_bibliography_has_no_references(tmp_path):
    assert read_references(tmp_path / "references.bib") == {}
