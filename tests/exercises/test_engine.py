import functools
import re
import subprocess
import sys

import numpy as np
import pytest

from avrec_lib.exercises import Wrong, exercise
from avrec_lib.exercises.engine import Attempt, Result

NAN = float("nan")


def value_exercise(new_exercise, solution, check=lambda answer: None):
    return new_exercise(starter="answer = ...", solution=solution, solution_source="answer = 0", check=check)


# What a check says ---------------------------------------------------------------------------------------------


def test_right_answer_is_right_and_true(new_exercise, capsys):
    result = Attempt(new_exercise()).check(lambda x: x + x)
    assert result.status == "right"
    assert result
    assert capsys.readouterr().out == "✓ Right.\n"


def test_insight_of_a_check_is_printed_after_a_right_answer(new_exercise, capsys):
    Attempt(value_exercise(new_exercise, 6, check=lambda answer: "It is even.")).check(6)
    assert capsys.readouterr().out == "✓ Right. It is even.\n"


def test_wrong_answer_gets_its_message_and_the_way_to_a_hint(new_exercise, capsys):
    result = Attempt(new_exercise()).check(lambda x: x * x)
    assert (result.status, result.message) == ("wrong", "that is the square")
    assert not result
    assert capsys.readouterr().out == '✗ Not yet: that is the square\n  For a hint: exercise("double").hint()\n'


def not_implemented(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    "answer",
    [None, ..., lambda x: None, lambda x: ..., lambda x: (1, ...), lambda x: [None], not_implemented, [1, ...]],
)
def test_blank_is_not_attempted_and_never_wrong(new_exercise, capsys, answer):
    result = Attempt(new_exercise()).check(answer)
    assert result.status == "not attempted"
    assert capsys.readouterr().out == "○ Not attempted yet: fill in double, then run this cell again.\n"


def test_check_without_an_answer_is_not_attempted(new_exercise):
    assert Attempt(new_exercise()).check().status == "not attempted"


@pytest.mark.parametrize("answer", [6, "text", [], {}, object(), np.zeros(3), NAN])
def test_a_value_where_a_function_belongs_is_wrong(new_exercise, answer):
    result = Attempt(new_exercise()).check(answer)
    assert result.status == "wrong"
    assert "expected a function, got" in result.message


def test_a_function_where_a_value_belongs_is_told_to_be_called(new_exercise):
    result = Attempt(value_exercise(new_exercise, 6)).check(lambda: 6)
    assert result.message == "expected a number, got the function <lambda>: call it and hand in what it returns"


def test_nan_is_refused_with_what_makes_it(new_exercise):
    assert "0/0" in Attempt(value_exercise(new_exercise, 6.0)).check(NAN).message
    assert Attempt(new_exercise()).check(lambda x: NAN).message.startswith("your function returned NaN")


def test_a_warning_on_the_way_to_nan_does_not_hide_the_message(new_exercise):
    result = Attempt(new_exercise()).check(lambda x: np.float64(0) / np.float64(0))
    assert result.status == "wrong"
    assert "NaN" in result.message


def test_array_of_the_wrong_shape_is_told_both_shapes(new_exercise):
    attempt = Attempt(value_exercise(new_exercise, np.zeros((3, 2))))
    assert attempt.check(np.zeros((2, 3))).message == "expected shape (3, 2), got (2, 3): is it transposed?"
    assert attempt.check(np.zeros(5)).message == "expected shape (3, 2), got (5,)"


def test_an_answer_of_an_unforeseen_form_is_wrong_not_a_crash_of_the_book(new_exercise):
    result = Attempt(new_exercise()).check(lambda x: "text")
    assert result.status == "wrong"
    broken = value_exercise(new_exercise, "ab", check=lambda answer: int(answer) and None)
    assert Attempt(broken).check("x").message.startswith("your answer has a form that can't be used here (ValueError")


def test_a_check_that_returns_true_or_false_is_a_mistake_of_its_author(new_exercise):
    with pytest.raises(TypeError, match="its check returned True"):
        Attempt(value_exercise(new_exercise, 6, check=lambda answer: answer == 6)).check(6)


# The student's own crash ---------------------------------------------------------------------------------------


def crashing(x):
    rows = np.zeros((2, 3))
    return rows @ rows


def test_crash_shows_the_students_line_and_no_frame_of_a_library(new_exercise, capsys):
    result = Attempt(new_exercise()).check(crashing)
    assert result.status == "error"
    lines = result.message.splitlines()
    assert lines[0].endswith("in crashing")
    assert lines[1].strip() == "return rows @ rows"
    assert lines[2].startswith("ValueError: matmul")
    assert len(lines) == 3
    assert capsys.readouterr().out.startswith("✗ Your code stopped with an error.\n  line ")


def test_crash_inside_a_library_call_ends_at_the_students_line(new_exercise):
    def answer(x):
        return np.linalg.inv(np.zeros((2, 2)))

    lines = Attempt(new_exercise()).check(answer).message.splitlines()
    assert lines[1].strip() == "return np.linalg.inv(np.zeros((2, 2)))"
    assert lines[2] == "numpy.linalg.LinAlgError: Singular matrix"
    assert len(lines) == 3


def test_endless_recursion_is_shown_in_a_few_lines(new_exercise):
    def answer(x):
        return answer(x)

    message = Attempt(new_exercise()).check(answer).message
    assert message.startswith("  …\n")
    assert "RecursionError" in message
    assert len(message.splitlines()) < 15


def test_wrong_number_of_parameters_says_how_the_check_calls(new_exercise):
    result = Attempt(new_exercise()).check(lambda: 1)
    assert result.status == "error"
    assert result.message.startswith("the check could not call your function: TypeError:")


def test_very_long_error_message_is_cut(new_exercise):
    def answer(x):
        raise ValueError("long " * 1000)

    assert len(Attempt(new_exercise()).check(answer).message) < 900


def test_exit_in_the_answer_is_a_crash_and_does_not_end_the_session(new_exercise):
    def answer(x):
        sys.exit("bye")

    assert "SystemExit: bye" in Attempt(new_exercise()).check(answer).message


def test_keyboard_interrupt_passes_through(new_exercise):
    def answer(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Attempt(new_exercise()).check(answer)


def test_crash_in_a_function_that_the_answer_returned_is_the_students_too(new_exercise, tmp_path):
    source = tmp_path / "cell.py"
    source.write_text("def maker(x):\n    def inner():\n        return 1 / 0\n    return inner\n")
    space = {}
    exec(compile(source.read_text(), str(source), "exec"), space)
    task = new_exercise(check=lambda answer: answer(3)())
    result = Attempt(task).check(space["maker"])
    assert result.status == "error"
    assert "line 3, in inner\n    return 1 / 0\nZeroDivisionError" in result.message


def test_a_check_may_be_any_callable(new_exercise):
    task = new_exercise(check=functools.partial(lambda limit, answer: None if answer(3) < limit else 1 / 0, 9))
    assert Attempt(task).check(lambda x: 2 * x).status == "right"


def test_what_the_student_prints_stays(new_exercise, capsys):
    def answer(x):
        print("looking at", x)
        return 2 * x

    Attempt(new_exercise()).check(answer)
    assert "looking at 3\n" in capsys.readouterr().out


def test_answer_cannot_change_the_inputs_of_the_check(new_exercise):
    R = np.array([[1.0, 0.0], [0.0, 2.0]])

    def check(answer):
        if answer(R) != 3.0 or answer(R) != 3.0:
            raise Wrong("the sum is 3")

    def answer(R):
        total = R.sum()
        R[:] = 99
        return total

    assert Attempt(new_exercise(check=check)).check(answer).status == "right"
    assert R.sum() == 3.0


# Hints, solution, display --------------------------------------------------------------------------------------


def test_each_call_gives_the_next_hint_and_then_the_way_to_the_solution(new_exercise, capsys):
    attempt = Attempt(new_exercise())
    for _ in range(4):
        attempt.hint()
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["**Hint 1 of 2.** Multiply.", "**Hint 2 of 2.** By 2."]
    assert out[2] == out[3] == 'That was the last of the 2 hints. `exercise("double").solution()` shows a solution.'


def test_solution_prints_the_source_of_the_reference_function(new_exercise, capsys):
    Attempt(new_exercise()).solution()
    assert "```python\ndef double(x):\n    return 2 * x\n```" in capsys.readouterr().out


def test_display_shows_prompt_difficulty_in_words_time_and_folded_hints(new_exercise, monkeypatch):
    monkeypatch.delenv("AVREC_BOOK", raising=False)
    text = Attempt(new_exercise(difficulty=3, minutes=20))._repr_markdown_()
    assert text.startswith("**Exercise: Twice as much** · ★★★ hard · about 20 min\n\nWrite `double(x)`.\n\n")
    assert re.search(r'<details class="hint">\n<summary[^>]*>Hint 1</summary>\n\nMultiply\.\n\n</details>', text)
    assert "solution" not in text
    assert "return 2 * x" not in text


def test_built_book_folds_the_solution_below_the_hints(new_exercise, monkeypatch):
    monkeypatch.setenv("AVREC_BOOK", "1")
    text = Attempt(new_exercise())._repr_markdown_()
    assert re.search(r'<details class="solution">\n<summary[^>]*>Solution</summary>\n\n```python\ndef double', text)


def test_result_shows_nothing_of_its_own_in_a_notebook(capsys):
    assert Result("right", "")._ipython_display_() is None
    assert capsys.readouterr().out == ""


def test_repr_of_an_attempt_is_one_line(new_exercise):
    assert repr(Attempt(new_exercise())) == "<exercise 'double': Twice as much>"


def test_starter_cell_ends_in_the_check_of_the_name_it_binds(new_exercise):
    task = new_exercise(starter="\n    def double(x):\n        ...\n    ")
    assert task.cell == 'def double(x):\n    ...\n\nexercise("double").check(double)'
    assert task.solved_cell == 'def double(x):\n    return 2 * x\n\nexercise("double").check(double)'


def test_solution_is_shown_without_the_type_hints_that_a_cell_would_not_know(new_exercise):
    source = "def double(x: Missing) -> Missing:\n    y: Missing = 2 * x  # twice\n    return y"
    task = new_exercise(solution_source=source)
    assert task.source == "def double(x):\n    y = 2 * x  # twice\n    return y"


# Finding exercises ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("only_example")
def test_exercise_is_found_by_id_and_stays_the_same_attempt():
    first = exercise("cosine-by-hand")
    assert first.exercise.title == "The cosine of two vectors"
    assert exercise("cosine-by-hand") is first


@pytest.mark.usefixtures("only_example")
def test_unknown_exercise_names_close_matches_or_all():
    with pytest.raises(KeyError, match="did you mean 'cosine-by-hand'"):
        exercise("cosine-by-hnd")
    with pytest.raises(KeyError, match="there are 'angle-by-hand', 'cosine-by-hand'"):
        exercise("qqqq")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"difficulty": 4}, "difficulty must be 1, 2 or 3"),
        ({"minutes": 0}, "minutes"),
        ({"prompt": " "}, "the prompt is empty"),
        ({"hints": ("one",)}, "at least two hints"),
        ({"hints": ("one", "")}, "at least two hints"),
        ({"prompt": "# Heading\ntext"}, "no headings"),
        ({"wrong": ()}, "typical wrong answer"),
        ({"solution": 6}, "needs solution_source"),
        ({"starter": "import os"}, "binds no name"),
        ({"starter": "def twice(x):\n    ..."}, "must be called 'twice'"),
    ],
)
def test_badly_made_exercise_is_refused_with_its_id_and_the_rule(new_exercise, changes, complaint):
    with pytest.raises(ValueError, match=f"exercise 'double': .*{complaint}"):
        new_exercise(**changes)


def test_importing_the_exercises_loads_nothing_heavy():
    heavy = {"torch", "pandas", "matplotlib", "IPython", "jupytext"}
    code = f"import sys, avrec_lib.exercises; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
