import json
import time

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec_lib.content.answers import DROPS, MAX_ANSWER, REASONS, SCHEMA, Reading, Refusal, parse_reading

TEXT = "Dripping tap stopped for fifty cents. Turn off the water, open the tap, swap the washer."
TAGS = ("repair", "DIY tips", "music")
GOOD = {
    "tags": ["repair"],
    "keywords": ["dripping tap", "washer"],
    "summary": "How to mend a tap.",
    "relations": [["washer", "stops", "water"]],
}


def read(answer, text=TEXT):
    return parse_reading(answer if isinstance(answer, str) else json.dumps(answer), text=text, allowed_tags=TAGS)


def test_a_good_answer_is_taken_as_it_is():
    assert read(GOOD) == Reading(
        ("repair",), ("dripping tap", "washer"), "How to mend a tap.", (("washer", "stops", "water"),)
    )


def test_the_schema_is_a_valid_one_and_a_reading_satisfies_it():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(GOOD, SCHEMA)


def test_tags_are_matched_without_case_spaces_and_signs_and_spelled_as_the_list_spells_them():
    assert read(GOOD | {"tags": [" REPAIR", "#diy-Tips", "diy_tips"]}).tags == ("repair", "DIY tips")


def test_an_invented_tag_is_dropped_and_named():
    reading = read(GOOD | {"tags": ["plumbing", "repair"]})
    assert reading.tags == ("repair",)
    assert reading.repairs == ("invented tag: 'plumbing'",)


def test_keywords_that_do_not_occur_in_the_text_are_dropped_and_named():
    reading = read(GOOD | {"keywords": ["Washer", "spanner", "water tap", "the", "swap the washer"]})
    assert reading.keywords == ("washer", "swap the washer")
    kinds = [note.partition(":")[0] for note in reading.repairs]
    assert kinds == ["keyword not in the text"] * 3


def test_a_part_of_a_word_is_not_in_the_text():
    assert read(GOOD | {"keywords": ["wash", "drip"]}).keywords == ()


def test_repeated_entries_stay_once():
    reading = read(GOOD | {"tags": ["repair", "Repair"], "keywords": ["tap", "TAP"]})
    assert (reading.tags, reading.keywords) == (("repair",), ("tap",))
    assert reading.repairs == ("repeated entry: 'Repair'", "repeated entry: 'TAP'")


def test_relations_need_three_parts_and_both_things_in_the_text():
    asked = [["washer", "Stops", "water"], ["tap", "in"], "tap", ["car", "on", "tap"], ["tap", "is", "tap"]]
    asked += [
        ["tap", "keeps from ever wasting any more of the cold", "water"],
        ["tap", "!", "water"],
        {"subject": "tap", "relation": "has", "object": "washer"},
    ]
    reading = read(GOOD | {"relations": asked})
    assert reading.relations == (("washer", "stops", "water"), ("tap", "has", "washer"))
    assert reading.repairs.count("relation without three parts") == 2
    assert sum(note.startswith("relation not in the text") for note in reading.repairs) == 4


def test_an_unknown_key_is_dropped_a_lone_string_is_a_list_of_one_and_relations_may_be_missing():
    reading = read({"tags": "repair", "keywords": "tap", "summary": "A tap.", "mood": 3})
    assert reading == Reading(
        ("repair",),
        ("tap",),
        "A tap.",
        (),
        ("unknown key: 'mood'", "string for a list: tags", "string for a list: keywords"),
    )
    assert DROPS[-1] == "unknown key"


def test_chinese_keywords_and_summaries_are_found_in_chinese_texts():
    answer = {"tags": ["music"], "keywords": ["吉他", "钢琴"], "summary": "学吉他。"}
    reading = read(answer, text="三天学会吉他弹唱")
    assert (reading.keywords, reading.summary) == (("吉他",), "学吉他。")


def test_an_answer_that_was_cut_keeps_what_is_whole():
    reading = read(json.dumps(GOOD)[:-12])
    assert (reading.summary, reading.relations) == (GOOD["summary"], ())
    assert reading.repairs == ("unclosed bracket", "relation without three parts")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty"),
        (" \n\u200b", "empty"),
        ("I'm sorry, I can't do that.", "not-json"),
        ('["repair"]', "not-json"),
        (GOOD | {"summary": "word " * 4 + "tap", "keywords": []}, "repeats"),
        ('{"tags": ["music", "music", "music", "music", "music"', "repeats"),
        ("x" + "".join(map(str, range(3000))), "too-long"),
        (GOOD | {"summary": "Tap: " + " ".join(map(str, range(120)))}, "too-long"),
        ({"tags": ["repair"], "keywords": ["tap"]}, "wrong-types"),
        (GOOD | {"tags": [1]}, "wrong-types"),
        (GOOD | {"keywords": None}, "wrong-types"),
        (GOOD | {"summary": ["A tap."]}, "wrong-types"),
        (GOOD | {"relations": "none"}, "wrong-types"),
        (GOOD | {"tags": ["plumbing"]}, "no-allowed-tag"),
        (GOOD | {"tags": []}, "no-allowed-tag"),
        (GOOD | {"summary": "A cat on the sofa for you."}, "off-topic"),
        (GOOD | {"summary": ""}, "off-topic"),
    ],
)
def test_every_refusal_has_its_reason_and_a_sentence(answer, reason):
    refusal = read(answer)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason
    assert refusal.detail


def test_a_refusal_still_names_what_was_dropped():
    assert read(GOOD | {"tags": ["plumbing"]}).repairs == ("invented tag: 'plumbing'",)


def test_lone_surrogates_become_a_sign_that_can_be_stored():
    r"""T3: a lone \ud83d is U+FFFD in what is kept, raw or escaped."""
    for answer in (
        '{"tags": ["repair"], "keywords": [], "summary": "A tap \ud83d"}',
        json.dumps(GOOD | {"summary": "A tap \ud83d"}),
    ):
        assert read(answer).summary == "A tap \ufffd"


def test_long_and_deep_answers_are_refused_quickly():
    started = time.perf_counter()
    for answer in (
        "a" * 100_000,
        "[" * 100_000,
        '{"tags":' * 400,
        "{" * MAX_ANSWER,
        "ab {" * 25_000,
        "\ud83d" * 100_000,
    ):
        assert isinstance(read(answer), Refusal)
    assert time.perf_counter() - started < 5


def is_outcome(outcome):
    if isinstance(outcome, Refusal):
        return outcome.reason in REASONS
    stored = json.dumps([outcome.tags, outcome.keywords, outcome.summary, outcome.repairs], ensure_ascii=False)
    return set(outcome.tags) <= set(TAGS) and len(outcome.tags) > 0 and bool(stored.encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*GOOD, "x"]), inner, max_size=5),
    max_leaves=15,
)


@given(st.text(st.characters(), max_size=300), st.text(st.characters(), max_size=60))
def test_no_text_breaks_it(answer, text):
    assert is_outcome(read(answer, text))


@given(JSON, st.dictionaries(st.sampled_from([*GOOD, "x"]), JSON, max_size=3))
def test_no_json_breaks_it(value, changed):
    assert is_outcome(read(json.dumps(value)))
    assert is_outcome(read(json.dumps(GOOD | changed)))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 12), st.text(max_size=3)), max_size=4))
def test_no_mutation_of_a_good_answer_breaks_it(changes):
    answer = json.dumps(GOOD)
    for at, length, new in changes:
        answer = answer[:at] + new + answer[at + length :]
    assert is_outcome(read(answer))


@given(st.integers(0, len(json.dumps(GOOD))))
def test_no_cut_of_a_good_answer_gives_more_than_the_whole(end):
    outcome = read(json.dumps(GOOD)[:end])
    assert isinstance(outcome, Refusal) or outcome.summary == GOOD["summary"]
