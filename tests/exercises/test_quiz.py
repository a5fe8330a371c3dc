import re

import pytest

from avrec_lib.exercises import Option, Question, Quiz, quiz

YES, NO = Option("$a$ is *big*", True, "Because $a > 1$."), Option("`a` is small", False, "It is 2.")


def test_quiz_folds_each_option_with_its_verdict_in_words_and_its_reason():
    text = Quiz("1.1", (Question("What is $a$?", (NO, YES)),))._repr_markdown_()
    assert text.startswith(
        "**Quiz** · 1 question · open an answer to see whether it is right\n\n**Question 1.** What is $a$?"
    )
    option = r'<details class="quiz wrong">\n<summary[^>]*><strong>A\.</strong> <code>a</code> is small</summary>\n\n'
    assert re.search(option + r"✗ \*\*Not quite\.\*\* It is 2\.\n\n</details>", text)
    assert "✓ **Right.** Because $a > 1$.\n\n</details>" in text
    assert "<script" not in text


def test_question_with_several_right_options_says_so():
    other = Option("$a$ is even", True, "2 is even.")
    text = Quiz("1.1", (Question("What is $a$?", (YES, NO, other), multiple=True),))._repr_markdown_()
    assert "What is $a$? *(More than one answer is right.)*" in text
    assert text.count("✓ **Right.**") == 2


@pytest.mark.parametrize(
    ("options", "multiple", "complaint"),
    [
        ((YES,), False, "two to 26 options"),
        ((NO, Option("x", False, "y")), False, "exactly one option must be right, not 0"),
        ((YES, NO, Option("x", True, "y")), False, "exactly one option must be right, not 2"),
        ((NO, Option("x", False, "y")), True, "at least one option must be right and one wrong"),
        ((YES, Option("x", True, "y")), True, "at least one option must be right and one wrong"),
        ((YES, NO, NO), False, "two options are the same"),
        ((YES, Option("x", False, " ")), False, "needs a text and a reason"),
        ((YES, Option("x", False, "# y")), False, "no headings"),
    ],
)
def test_badly_made_question_is_refused_with_the_rule(options, multiple, complaint):
    with pytest.raises(ValueError, match=rf"question 'Why\?': .*{complaint}"):
        Question("Why?", options, multiple)


def test_quiz_without_questions_and_question_without_text_are_refused():
    with pytest.raises(ValueError, match=r"quiz '1\.1' has no questions"):
        Quiz("1.1", ())
    with pytest.raises(ValueError, match="the question is empty"):
        Question(" ", (YES, NO))


@pytest.mark.usefixtures("only_example")
def test_quiz_is_found_by_the_number_of_its_section():
    assert repr(quiz("6.2.1")) == "<quiz '6.2.1': 1 questions>"
    with pytest.raises(KeyError, match=r"no quiz is called '6.2.9'; did you mean '6.2.1'\?"):
        quiz("6.2.9")
