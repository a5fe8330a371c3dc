import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrec_lib.content.loose_json import MAX_DEPTH, NotJSONError, find_object

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=5), st.booleans())
def test_valid_json_is_read_as_the_json_module_reads_it_and_nothing_is_repaired(value, ascii_only):
    assert find_object(json.dumps(value, ensure_ascii=ascii_only)) == (value, ())


@pytest.mark.parametrize(
    ("text", "found", "repairs"),
    [
        ('Sure!\n```json\n{"a": 1}\n```\nHope it helps', {"a": 1}, {"talk around the JSON"}),
        ('{"a": [1, 2,],}', {"a": [1, 2]}, {"trailing comma"}),
        ("{'a': 'don't stop', 'b': ''}", {"a": "don't stop", "b": ""}, {"single quotes"}),
        (r"{'a': 'it\'s'}", {"a": "it's"}, {"single quotes"}),
        ('{"a": True, "b": None, "c": false}', {"a": True, "b": None, "c": False}, {"Python literal"}),
        ('{a: 1, b_2: "x"}', {"a": 1, "b_2": "x"}, {"bare key"}),
        ('{"a": 1, "a": 2}', {"a": 1}, {"duplicate key"}),
        ('{"a": "one\ntwo"}', {"a": "one\ntwo"}, {"line break in a string"}),
        ('{"a": ["x", "y"], "b": "half a w', {"a": ["x", "y"]}, {"unclosed bracket"}),
        ('{"a": ["x", "half', {"a": ["x"]}, {"unclosed bracket"}),
        ('{"a": ["x"', {"a": ["x"]}, {"unclosed bracket"}),
        ('{"a": 1, "b": 12', {"a": 1}, {"unclosed bracket"}),
        ('{"a": 1, "b": tru', {"a": 1}, {"unclosed bracket"}),
        ('{"a": 1, "b"', {"a": 1}, {"unclosed bracket"}),
        ('{"a": 1, "b":', {"a": 1}, {"unclosed bracket"}),
        ("{'a': 'x', 'b': 'don't sto", {"a": "x"}, {"single quotes", "unclosed bracket"}),
        ("{see below} {'a': 1}", {"a": 1}, {"talk around the JSON", "single quotes"}),
        ('{{"a": 1}}', {"a": 1}, {"talk around the JSON"}),
    ],
)
def test_what_can_only_mean_one_thing_is_repaired_and_named(text, found, repairs):
    value, names = find_object(text)
    assert value == found
    assert set(names) == repairs


@pytest.mark.parametrize(
    "text",
    ["", "no brackets", "{", "[1, 2]", '{"a": ', '{"a" 1}', '{"a": 1 "b": 2}', '{"a": [1 2]}', '{"a": maybe, "b": 1}',
     r'{"a": "\q"}', '{"a": @}', "{1: 2}", '{"a",}', "{,}", '{"a": [,]}', '{"a": NaN}'],
)  # fmt: skip
def test_what_would_need_a_guess_is_refused(text):
    with pytest.raises(NotJSONError):
        find_object(text)


def test_escapes_are_read_and_two_escaped_surrogates_are_one_character():
    r"""T3: "\ud83d\ude02" is 😂."""
    assert find_object(r'{"a": "\ud83d\ude02 \n\t\"\/\\ \u00e9"}')[0] == {"a": '😂 \n\t"/\\ é'}


def test_deep_nesting_is_refused_without_a_recursion_error():
    for text in ('{"a":' * 50_000, '{"a":' + "[" * 50_000, "{" * 50_000):
        with pytest.raises(NotJSONError):
            find_object(text)
    allowed = '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH
    assert find_object(allowed)[1] == ()
    with pytest.raises(NotJSONError, match="deeper than 20"):
        find_object('{"a":' + allowed + "}")


@given(st.text(st.characters(), max_size=200) | st.text("{}[]\"':,\\ abTrue10-.e\n", max_size=80))
def test_no_text_raises_anything_but_its_own_error(text):
    try:
        value, _ = find_object(text)
    except NotJSONError:
        return
    assert isinstance(value, dict)
