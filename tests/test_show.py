import functools
import inspect
import sys
from pathlib import Path

import pytest
from numba import njit

from avrec_lib import show
from avrec_lib.show import fenced, publish, show_source, source, source_markdown

FILE = Path(__file__).read_text(encoding="utf-8")


def add(a, b):
    """Return the sum.

    Two lines.
    """

    return a + b


# fmt: off
def one_line(a): "Doc."; return a  # noqa: E702
# fmt: on


def only_docstring():
    """Nothing else."""


@njit
def compiled(a):
    """Return twice as much."""
    return 2 * a


def keep(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


@keep
def decorated(a):
    return a


class Model:
    """A model."""

    scale = 2

    def __init__(self, k):
        """Make one."""
        self.k = k

    @property
    def doubled(self):
        """Twice k."""
        return self.scale * self.k

    @functools.cached_property
    def slow(self):
        return self.k

    @classmethod
    def make(cls):
        return cls(1)

    @staticmethod
    def helper(x):
        return x


def lines_of(text):
    return [line for line in text.split("\n") if line.strip()]


def test_source_is_the_lines_of_the_file():
    for thing in (add, Model, show.source, Path):
        text = source(thing)
        assert text in Path(inspect.getsourcefile(thing)).read_text(encoding="utf-8")


def test_method_is_dedented_and_otherwise_the_lines_of_the_file():
    text = source(Model.__init__)
    assert text == 'def __init__(self, k):\n    """Make one."""\n    self.k = k'
    assert all(f"    {line}" in FILE.split("\n") for line in text.split("\n"))


def test_docstring_and_the_blank_lines_below_it_can_be_left_out():
    assert source(add, docstring=False) == "def add(a, b):\n    return a + b"


def test_function_without_a_docstring_loses_nothing():
    assert source(keep, docstring=False) == source(keep)


def test_docstring_that_shares_a_line_or_is_the_whole_body_stays():
    assert '"Doc."; return a' in source(one_line, docstring=False)
    assert '"""Nothing else."""' in source(only_docstring, docstring=False)


def test_docstrings_of_methods_are_left_out_with_that_of_the_class():
    text = source(Model, docstring=False)
    assert '"""' not in text
    assert [line for line in source(Model).split("\n") if '"""' not in line and line.strip()] == lines_of(text)


def test_numba_function_shows_the_python_it_was_made_from():
    assert source(compiled).startswith("@njit\ndef compiled(a):")
    assert source_markdown(compiled).startswith(f"From `{__name__}.compiled`:\n\n```python\n@njit")


def test_wrapper_property_and_bound_method_show_what_they_hold():
    assert source(decorated) == "@keep\ndef decorated(a):\n    return a"
    assert source(Model.doubled).startswith("@property\ndef doubled(self):")
    assert source(Model.__dict__["slow"]) == "@functools.cached_property\ndef slow(self):\n    return self.k"
    assert source(Model.make).startswith("@classmethod")
    assert source(Model(1).helper).startswith("@staticmethod")


def test_class_can_show_its_header_and_some_methods():
    assert source(Model, methods=["doubled"], docstring=False) == (
        "class Model:\n    # …\n\n    @property\n    def doubled(self):\n        return self.scale * self.k\n\n    # …"
    )


def test_neighbouring_methods_have_no_mark_between_them_and_come_in_the_files_order():
    text = source(Model, methods=["helper", "make"])
    assert text.count("# …") == 1
    assert text.index("make") < text.index("helper")
    assert set(lines_of(text)) - {"    # …"} <= set(FILE.split("\n"))


def test_unknown_method_is_named_and_those_there_are():
    with pytest.raises(
        ValueError, match="class Model has no method 'fit'; it has __init__, doubled, slow, make, helper"
    ):
        source(Model, methods=["fit"])
    with pytest.raises(ValueError, match="methods= is for a class"):
        source(add, methods=["fit"])


@pytest.mark.parametrize("thing", [len, 3, "text", None, int])
def test_what_has_no_python_source_is_refused(thing):
    with pytest.raises(TypeError, match="has no source"):
        source(thing)


def test_markdown_names_the_object_in_full_above_the_code():
    text = source_markdown(show.fenced, docstring=False)
    assert text.startswith("From `avrec_lib.show.fenced`:\n\n```python\ndef fenced(")
    assert text.endswith("\n```")


def test_fence_is_longer_than_the_backticks_in_the_code():
    assert fenced("a = '```'") == "````python\na = '```'\n````"


def test_several_objects_are_shown_in_the_given_order(capsys):
    show_source(add, decorated)
    out = capsys.readouterr().out
    assert out.index(f"{__name__}.add") < out.index(f"{__name__}.decorated")


def test_without_a_notebook_markdown_is_printed(capsys):
    publish("**x**")
    assert capsys.readouterr().out == "**x**\n"


def test_in_a_notebook_markdown_is_published(capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.core.getipython.get_ipython", object)
    monkeypatch.setattr("IPython.display.display", lambda forms, raw: shown.append(forms if raw else None))
    publish("**x**")
    assert shown == [{"text/markdown": "**x**", "text/plain": "**x**"}]
    assert capsys.readouterr().out == ""


def test_without_ipython_markdown_is_printed(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.core.getipython", None)
    publish("**x**")
    assert capsys.readouterr().out == "**x**\n"
