"""One exercise, and one student's attempts at it: `check`, `hint`, `solution`.

On a page, `exercise("observed-loss")` shows the prompt, and the starter cell below it ends in
`exercise("observed-loss").check(observed_loss)`. The exercises themselves are in
`avrec_lib.exercises.bank`, whose docstring shows a complete one.
"""

from __future__ import annotations

import inspect
import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from avrec_lib.exercises import bank
from avrec_lib.exercises.code import bound_names, without_hints
from avrec_lib.exercises.guards import (
    Crash,
    NotAttempted,
    Wrong,
    has_student_frames,
    is_blank,
    prepare,
    short_traceback,
)
from avrec_lib.exercises.markdown import details, has_heading, tidy
from avrec_lib.show import fenced, publish

Status = Literal["right", "wrong", "not attempted", "error"]
LEVELS = {1: "★☆☆ easy", 2: "★★☆ medium", 3: "★★★ hard"}
VERDICTS: dict[Status, str] = {
    "right": "✓ Right. ",
    "wrong": "✗ Not yet: ",
    "not attempted": "○ Not attempted yet: ",
    "error": "✗ Your code stopped with an error.\n",
}


@dataclass(frozen=True, eq=False)
class Exercise:
    """Everything there is to know about one exercise; the student's view of it is an `Attempt`.

    Parameters
    ----------
    id : str
        Its name in `exercise(id)`, unique in the book, such as "observed-loss".
    title : str
        A few words.
    difficulty : {1, 2, 3}
        1 easy (a line), 2 medium (a function), 3 hard (a small investigation).
    minutes : int
        How long a student needs.
    prompt : str
        What to do, in Markdown with `$…$` mathematics and no headings.
    starter : str
        The code of the starter cell, without the check line. The last name it binds, with `def name`
        or `name = ...`, is the name of the answer. It must run as it stands.
    hints : tuple of str
        At least two, each giving away more than the one before, in Markdown.
    solution : function or value
        The reference answer. A function must be called what the starter calls it.
    check : function of the answer
        Raises `Wrong(message)`, or returns None or a sentence of insight. A function answer arrives
        wrapped: it gets copies of its inputs, and blank or NaN results never reach the check.
    wrong : tuple of (answer, fragment)
        Typical wrong answers, each with a part of the message it deserves.
    solution_source : str
        The code of the solution. Taken from the function itself by default; required for a value.

    Raises
    ------
    ValueError
        If any of this does not hold, naming the exercise and the field.
    """

    id: str
    title: str
    difficulty: int
    minutes: int
    prompt: str
    starter: str
    hints: tuple[str, ...]
    solution: Any
    check: Callable[[Any], str | None]
    wrong: tuple[tuple[Any, str], ...]
    solution_source: str = ""

    def __post_init__(self) -> None:
        def name_agrees() -> bool:
            return self.name in bound_names(self.source)

        rules: dict[str, bool | Callable[[], bool]] = {
            "difficulty must be 1, 2 or 3": self.difficulty in LEVELS,
            "minutes must be a positive whole number": isinstance(self.minutes, int) and self.minutes > 0,
            "the prompt is empty": bool(self.prompt.strip()),
            "at least two hints are needed": len(self.hints) >= 2 and all(map(str.strip, self.hints)),
            "prompt and hints must have no headings": not any(map(has_heading, (self.prompt, *self.hints))),
            "at least one typical wrong answer is needed": len(self.wrong) >= 1,
            "a solution that is a value needs solution_source": callable(self.solution) or bool(self.solution_source),
            f"the starter binds no name: {self.starter!r}": bool(self.name),
            f"the solution must be called {self.name!r}, as in the starter": name_agrees,
        }
        for rule, holds in rules.items():
            if not (holds() if callable(holds) else holds):
                raise ValueError(f"exercise {self.id!r}: {rule}.")

    @property
    def name(self) -> str:
        """The name the answer has in the starter: the last one it binds."""
        return next(reversed(bound_names(self.starter)), "")

    @property
    def source(self) -> str:
        """The code of the solution, without type hints: a student's cell imports no types."""
        code = self.solution_source or inspect.getsource(self.solution)
        return without_hints(textwrap.dedent(code).strip("\n"))

    @property
    def cell(self) -> str:
        """The starter cell as it stands on the page: the starter, a blank line, the check."""
        return self._with_check(textwrap.dedent(self.starter).strip("\n"))

    @property
    def solved_cell(self) -> str:
        """The same cell with the reference solution in place of the starter."""
        return self._with_check(self.source)

    def _with_check(self, code: str) -> str:
        return f'{code}\n\nexercise("{self.id}").check({self.name})'


@dataclass(frozen=True)
class Result:
    """What a check found: `status` and the `message`. True if the answer is right."""

    status: Status
    message: str

    def __bool__(self) -> bool:
        return self.status == "right"

    def _ipython_display_(self) -> None:
        """Show nothing: `check` has printed it already."""


@dataclass
class Attempt:
    """One student's work on one exercise. Displayed in a notebook it is the prompt."""

    exercise: Exercise
    hints_shown: int = field(default=0, init=False)

    def check(self, answer: Any = None) -> Result:  # noqa: ANN401
        """Judge an answer, print the verdict, and return it."""
        result = self.judge(answer)
        print(f"{VERDICTS[result.status]}{result.message}".rstrip())
        if result.status == "wrong":
            print(f'  For a hint: exercise("{self.exercise.id}").hint()')
        return result

    def hint(self) -> None:
        """Show the next hint; each call gives away a little more."""
        hints = self.exercise.hints
        if self.hints_shown == len(hints):
            call = f'exercise("{self.exercise.id}").solution()'
            publish(f"That was the last of the {len(hints)} hints. `{call}` shows a solution.")
            return
        self.hints_shown += 1
        publish(f"**Hint {self.hints_shown} of {len(hints)}.** {tidy(hints[self.hints_shown - 1])}")

    def solution(self) -> None:
        """Show the reference solution."""
        publish(f"**A solution of “{self.exercise.title}”**\n\n{fenced(self.exercise.source)}")

    def judge(self, answer: Any) -> Result:  # noqa: ANN401
        """Return the verdict on an answer without printing it."""
        blank = Result("not attempted", f"fill in {self.exercise.name}, then run this cell again.")
        if is_blank(answer):
            return blank
        code = getattr(self.exercise.check, "__code__", None)
        hidden = (code.co_filename,) if code else ()
        try:
            insight = self.exercise.check(prepare(answer, self.exercise.solution))
        except NotAttempted:
            return blank
        except Wrong as verdict:
            return Result("wrong", str(verdict))
        except Crash as crash:
            error = crash.__cause__ or crash
            called = "" if has_student_frames(error) else "the check could not call your function: "
            return Result("error", called + short_traceback(error))
        except Exception as error:  # an answer of a form that the check did not foresee
            if has_student_frames(error, hidden):
                return Result("error", short_traceback(error, hidden))
            return Result("wrong", f"your answer has a form that can't be used here ({type(error).__name__}: {error})")
        if insight is not None and not isinstance(insight, str):
            raise TypeError(
                f"exercise {self.exercise.id!r}: its check returned {insight!r}; "
                "a check raises Wrong(message), or returns None or a sentence."
            )
        return Result("right", insight or "")

    def _repr_markdown_(self) -> str:
        ex = self.exercise
        blocks = [f"**Exercise: {ex.title}** · {LEVELS[ex.difficulty]} · about {ex.minutes} min", tidy(ex.prompt)]
        blocks += [details("hint", f"Hint {i}", text) for i, text in enumerate(ex.hints, start=1)]
        if os.environ.get("AVREC_BOOK") == "1":  # the built book folds solutions; a student's notebook has none
            blocks.append(details("solution", "Solution", fenced(ex.source)))
        return "\n\n".join(blocks)

    def __repr__(self) -> str:
        return f"<exercise {self.exercise.id!r}: {self.exercise.title}>"


def exercise(id: str) -> Attempt:  # noqa: A002
    """Return the attempt at the exercise with this id; the same one each time, so hints go on.

    Raises
    ------
    KeyError
        If no bank has such an exercise; the message names close matches.
    """
    if id not in _ATTEMPTS:
        _ATTEMPTS[id] = Attempt(bank.find_exercise(id))
    return _ATTEMPTS[id]


_ATTEMPTS: dict[str, Attempt] = {}
