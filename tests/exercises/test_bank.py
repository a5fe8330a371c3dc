"""Every exercise of every bank keeps its promises, and every page shows the exercises and the quiz of its bank."""

import ast
import inspect
import re
import shutil
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from avrec_lib.exercises import Quiz, bank
from avrec_lib.exercises.engine import Attempt
from avrec_lib.exercises.notebooks import CHECK_LINE
from avrec_lib.exercises.pages import code_cells, first_undefined, is_tagged, page_files, read_page

CHAPTERS = Path(__file__).parents[2] / "chapters"
NAN = float("nan")


class NotANumber:
    """Neither a number nor a function."""


NEVER_RIGHT = {
    "None": None,
    "...": ...,
    "NaN": NAN,
    "a list of NaN": [NAN, NAN],
    "an array of NaN": np.full((2, 3), NAN),
    "a text": "text",
    "an empty text": "",
    "an empty list": [],
    "an empty dict": {},
    "an object": NotANumber(),
    "a class": NotANumber,
    "a strange shape": np.zeros((7, 1, 5)),
    "a function of nothing": lambda: 0,
    "a function that returns None": lambda *args, **options: None,
    "a function that returns ...": lambda *args, **options: ...,
    "a function that returns NaN": lambda *args, **options: NAN,
    "a function that returns an array of NaN": lambda *args, **options: np.full(3, NAN),
    "a function that returns a text": lambda *args, **options: "text",
    "a function that returns []": lambda *args, **options: [],
    "a function that returns {}": lambda *args, **options: {},
    "a function that returns an object": lambda *args, **options: NotANumber(),
    "a function that returns a strange shape": lambda *args, **options: np.zeros((7, 1, 5)),
    "a function that crashes": lambda *args, **options: 1 / 0,
}

SPOILERS = {
    "in a list": lambda x: [x],
    "as a text": lambda x: f"{x}!",
    "with one more axis": lambda x: np.asarray(x)[None] if isinstance(x, (np.ndarray, float, int, np.number)) else [x],
    "turned to NaN": lambda x: x * NAN if isinstance(x, (np.ndarray, float, int, np.number)) else NAN,
}


def verdict(task, answer):
    """What the check says, quietly."""
    return Attempt(task).judge(answer)


# The exercises ---------------------------------------------------------------------------------------------------


def test_reference_solution_is_right(task):
    result = verdict(task, task.solution)
    assert result.status == "right", result.message


def test_reference_solution_is_right_again_after_it_was_checked(task):
    assert verdict(task, task.solution) == verdict(task, task.solution)


def test_typical_wrong_answers_are_refused_each_with_its_own_message(task):
    messages = [verdict(task, answer) for answer, _ in task.wrong]
    fragments = [fragment for _, fragment in task.wrong]
    for i, result in enumerate(messages):
        assert result.status in {"wrong", "error"}, f"wrong answer {i + 1} was found {result.status}"
        assert fragments[i] in result.message, f"wrong answer {i + 1} got the message {result.message!r}"
        strangers = [f for j, f in enumerate(fragments) if j != i and f in result.message]
        assert not strangers, f"the message for wrong answer {i + 1} is also that of another: {result.message!r}"


def test_nothing_and_nonsense_never_pass(task):
    for name, answer in NEVER_RIGHT.items():
        result = verdict(task, answer)
        assert result.status != "right", f"{name} passes"
        assert result.message.strip(), f"{name} gets no message"
        assert result.status == "not attempted" or answer is not None, f"None is found {result.status}"
        assert result.status == "not attempted" or answer is not ..., f"... is found {result.status}"


def test_right_numbers_in_the_wrong_shape_or_type_never_pass(task):
    for how, spoil in SPOILERS.items():
        spoiled = spoil_results(task.solution, spoil) if callable(task.solution) else spoil(task.solution)
        assert verdict(task, spoiled).status != "right", f"the right answer {how} passes"


def spoil_results(function, spoil):
    return lambda *args, **options: spoil(function(*args, **options))


def test_function_answers_with_one_typical_mistake_are_pointed_out(task):
    assert len(task.wrong) >= 1
    if callable(task.solution) and len(task.wrong) < 2:
        warnings.warn(f"exercise {task.id!r} has one typical wrong answer; two or more teach better", stacklevel=1)


def test_prompt_and_starter_give_no_line_of_the_solution_away(task):
    given = set(map(str.strip, task.starter.splitlines()))
    lines = [line.strip() for line in ast.unparse(ast.parse(task.source)).splitlines()]
    telling = [line for line in lines if len(line) > 12 and line not in given and not line.startswith(("def ", '"""'))]
    plain = " ".join(f"{task.prompt} {task.starter}".split())
    assert not [line for line in telling if line in plain]
    assert task.starter.strip() != task.source.strip()


def test_starter_runs_unsolved_and_is_not_attempted(task, capsys):
    space = {**task.check.__globals__, "exercise": {task.id: Attempt(task)}.__getitem__}
    exec(compile(task.cell, "the starter cell", "exec"), space)
    assert capsys.readouterr().out == f"○ Not attempted yet: fill in {task.name}, then run this cell again.\n"


def test_starter_and_solution_have_the_same_parameters(task):
    if not callable(task.solution) or isinstance(task.solution, type):
        return
    starter = next(n for n in ast.parse(task.cell).body if getattr(n, "name", "") == task.name)
    assert [a.arg for a in starter.args.args] == list(inspect.signature(task.solution).parameters)


def test_solution_source_gives_the_solution(task):
    if callable(task.solution):
        assert task.source.startswith(("def ", "@", "class "))
    else:
        assert task.name in task.source


# The banks -------------------------------------------------------------------------------------------------------


def test_there_are_banks_or_it_is_said_that_there_are_none():
    if not bank.names():
        warnings.warn("there is no exercise bank yet: only the docstring's example was tested", stacklevel=1)
    for name in bank.names():
        assert bank.load(name).EXERCISES, f"bank {name} has no exercises"


def test_ids_are_unique_in_the_whole_book():
    modules = list(map(bank.load, bank.names()))
    ids = Counter(task.id for module in modules for task in module.EXERCISES)
    quizzes = Counter(module.QUIZ.id for module in modules if getattr(module, "QUIZ", None))
    assert [name for name, times in (ids + quizzes).items() if times > 1] == []


def test_bank_of_a_section_has_the_quiz_of_that_section():
    for name in bank.names():
        number = re.fullmatch(r"p(\d+(?:_\d+)*)", name)
        if number:
            made = bank.load(name).QUIZ
            assert isinstance(made, Quiz)
            assert made.id == number[1].replace("_", "."), f"bank {name} has the quiz {made.id!r}"


@pytest.mark.usefixtures("only_example")
def test_page_loads_only_its_own_bank(bank_folder):
    (bank_folder / "p1_1.py").write_text("raise RuntimeError('this bank is not needed')")
    try:
        assert bank.names() == ["p1_1", "p6_2_1"]
        assert bank.find_exercise("angle-by-hand").title == "From a cosine to an angle"
        assert bank.find_quiz("6.2.1").id == "6.2.1"
    finally:
        (bank_folder / "p1_1.py").unlink()


def test_without_banks_an_unknown_id_says_that_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setattr(bank, "__path__", [str(tmp_path)])
    with pytest.raises(KeyError, match="no exercise is called 'x'; there are none yet"):
        bank.find_exercise("x")


# The pages -------------------------------------------------------------------------------------------------------


def last_line(cell):
    return cell.source.rstrip().rsplit("\n", 1)[-1].strip()


def page_faults(chapters, modules):
    """What is wrong between the pages and the banks, one sentence each."""
    tasks = {task.id: (module, task) for module in modules for task in module.EXERCISES}
    asked, quizzes, faults = {}, {}, []
    for page in page_files(chapters):
        where = page.relative_to(chapters).as_posix()
        cells = code_cells(read_page(page))
        solved = []
        for number, cell in enumerate(cells, start=1):
            place = f"{where}, code cell {number}"
            call = CHECK_LINE.search(cell.source)
            solved.append(cell.source)
            if shown := re.fullmatch(r'quiz\("([^"]+)"\)', last_line(cell)):
                quizzes.setdefault(shown[1], []).append(where)
            if bool(call) != is_tagged(cell, "exercise"):
                faults.append(f"{place}: a starter cell has the tag `exercise` and ends in exercise(id).check(name)")
            elif call and call[1] not in tasks:
                faults.append(f"{place}: there is no exercise {call[1]!r}")
            elif call:
                task = tasks[call[1]][1]
                asked.setdefault(call[1], []).append(where)
                solved[-1] = task.solved_cell
                if cell.source.strip() != task.cell:
                    faults.append(f"{place} differs from the starter of {call[1]!r}; it should be:\n{task.cell}")
                if f'exercise("{call[1]}")' not in map(last_line, cells[: number - 1]):
                    faults.append(f'{place}: no cell above it ends in exercise("{call[1]}"), which shows the prompt')
        if undefined := first_undefined(solved):
            faults.append(
                f"{where}: with its solutions, code cell {undefined[0]} uses {undefined[1]!r} before it exists"
            )
    for name, (module, _) in tasks.items():
        if len(asked.get(name, [])) != 1:
            faults.append(f"exercise {name!r} is on {len(asked.get(name, []))} pages, not on one")
        elif getattr(module, "QUIZ", None) and quizzes.get(module.QUIZ.id) != asked[name]:
            faults.append(f"quiz {module.QUIZ.id!r} must be once on the page of {name!r}: {asked[name][0]}")
    return faults


def test_pages_and_banks_agree():
    assert page_faults(CHAPTERS, list(map(bank.load, bank.names()))) == []


GOOD_PAGE = """---
kernelspec:
  name: python3
  display_name: Python 3
---
# 6.2.1 Content

```{code-cell} ipython3
import numpy as np
from avrec_lib.exercises import exercise, quiz

exercise("cosine-by-hand")
```

```{code-cell} ipython3
:tags: [exercise]

def cosine(a: np.ndarray, b: np.ndarray) -> float:
    ...  # your code here

exercise("cosine-by-hand").check(cosine)
```

```{code-cell} ipython3
exercise("angle-by-hand")
```

```{code-cell} ipython3
:tags: [exercise]

angle = ...  # degrees

exercise("angle-by-hand").check(angle)
```

```{code-cell} ipython3
quiz("6.2.1")
```
"""


@pytest.fixture
def faults_of(tmp_path, example):
    def faults(text, copies=1):
        shutil.rmtree(tmp_path / "chapters", ignore_errors=True)
        (tmp_path / "chapters").mkdir()
        for i in range(copies):
            (tmp_path / "chapters" / f"{i}.md").write_text(text, encoding="utf-8")
        return page_faults(tmp_path / "chapters", [example])

    return faults


def test_page_that_follows_the_example_has_no_faults(faults_of):
    assert faults_of(GOOD_PAGE) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("    ...  # your code here", "    pass", "differs from the starter of 'cosine-by-hand'"),
        (":tags: [exercise]\n", "", "a starter cell has the tag"),
        ('exercise("angle-by-hand").check(angle)\n', "", "a starter cell has the tag"),
        ('exercise("angle-by-hand").check(angle)', 'exercise("angle").check(angle)', "there is no exercise 'angle'"),
        ('exercise("angle-by-hand")\n', "1\n", "which shows the prompt"),
        ('quiz("6.2.1")', "1", "quiz '6.2.1' must be once on the page"),
        ("import numpy as np\n", "", "uses 'np' before it exists"),
    ],
)
def test_drift_between_page_and_bank_is_found(faults_of, old, new, complaint):
    assert complaint in "\n".join(faults_of(GOOD_PAGE.replace(old, new)))


def test_exercise_on_two_pages_or_on_none_is_found(faults_of):
    assert "exercise 'cosine-by-hand' is on 2 pages, not on one" in faults_of(GOOD_PAGE, copies=2)
    assert "exercise 'angle-by-hand' is on 0 pages, not on one" in faults_of("")
