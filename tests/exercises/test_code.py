import pytest

from avrec_lib.exercises.code import bound_names, printing, without_hints


def test_bound_names_are_those_of_the_top_level_in_order():
    code = "import os\na, b = 1, 2\nclass C: x = 1\ndef f():\n    y = 2\nd['k'] = 3\ne: int = 4"
    assert bound_names(code) == ["a", "b", "C", "f", "e"]


@pytest.mark.parametrize(
    ("code", "plain"),
    [
        ("def f(a: int, b: str = 'x', *c: int, d: int, **e: int) -> dict[str, int]:\n    pass",
         "def f(a, b = 'x', *c, d, **e):\n    pass"),
        ("def f(\n    a: int,  # one\n    b: list[\n        int\n    ],\n) -> None: ...",
         "def f(\n    a,  # one\n    b,\n): ..."),
        ("def f(x):\n    y: int = x  # '->'\n    z: int\n    return y",
         "def f(x):\n    y = x  # '->'\n    z: int\n    return y"),
        ("def 评分(甲: int, 乙: int) -> int:\n    和: int = 甲\n    return 和",
         "def 评分(甲, 乙):\n    和 = 甲\n    return 和"),
        ("@dataclass\nclass A:\n    x: int = 1\n    def f(self, y: int) -> int:\n        z: int = y\n        return z",
         "@dataclass\nclass A:\n    x: int = 1\n    def f(self, y):\n        z = y\n        return z"),
        ("async def f(a: int) -> int: ...", "async def f(a): ..."),
        ("answer = 3", "answer = 3"),
    ],
)  # fmt: skip
def test_hints_go_and_every_other_byte_stays(code, plain):
    assert without_hints(code) == plain


@pytest.mark.parametrize(
    ("code", "plain"),
    [
        ("from myst_nb import glue\n\nglue('a', f(x), display=False)", "print('a =', f(x))"),
        ("for n, v in z:\n    glue(f'{n} é', v)", "for n, v in z:\n    print(f'{n} é', \"=\", v)"),
        ("import os\nfrom myst_nb import glue\nglue('é', 1); glue('b', 2)",
         "import os\nprint('é =', 1); print('b =', 2)"),
        ("from myst_nb import glue\nkeep = glue\nglue('a', 1)",
         "from myst_nb import glue\nkeep = glue\nprint('a =', 1)"),
        ("from x import a, glue\nglue('a', 1)", "from x import a, glue\nprint('a =', 1)"),
        ("glue('a')\nother.glue('a', 1)", "glue('a')\nother.glue('a', 1)"),
    ],
)  # fmt: skip
def test_glued_values_are_printed_under_their_name(code, plain):
    assert printing(code) == plain
