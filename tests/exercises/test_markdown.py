from avrec_lib.exercises.markdown import details, has_heading, inline_html, tidy


def test_details_has_blank_lines_around_its_markdown_so_that_every_renderer_reads_it():
    assert details("hint", "Hint 1", "  $x$ is **big**.  ") == (
        '<details class="hint">\n'
        '<summary style="list-style: revert; cursor: pointer">Hint 1</summary>\n\n'
        "$x$ is **big**.\n\n</details>"
    )


def test_summary_line_is_html_because_markdown_is_not_read_there():
    assert inline_html("**b** and *i* and `a < b`") == ("<strong>b</strong> and <em>i</em> and <code>a &lt; b</code>")


def test_formula_in_a_summary_is_what_sphinx_itself_writes():
    assert inline_html(r"at $a_i < b * c * d$ it") == (
        r'at <span class="math notranslate nohighlight">\(a_i &lt; b * c * d\)</span> it'
    )


def test_escaped_dollar_is_a_dollar():
    assert inline_html(r"it costs 3\$ or 4\$") == "it costs 3$ or 4$"


def test_summary_is_one_line():
    assert inline_html("one\n   two & three") == "one two &amp; three"


def test_star_with_spaces_is_a_star():
    assert inline_html("2 * 3 * 4") == "2 * 3 * 4"


def test_headings_are_found_in_all_their_forms():
    assert has_heading("text\n\n## Title")
    assert has_heading("Title\n=====")
    assert has_heading("<h3>Title</h3>")


def test_what_only_looks_like_a_heading_is_not_one():
    assert not has_heading("```python\n# a comment\n```\n#hashtag\n\n---\n\n~~~\n## x\n~~~")
    assert not has_heading("| a |\n|---|\n| b |")


def test_tidy_drops_the_common_indentation():
    assert tidy("\n        one\n          two\n    ") == "one\n  two"
