r'''The exercises and the quiz of every page: one module a page, found by id.

A page `6.2.1` keeps its bank in `avrec_lib/exercises/bank/p6_2_1.py`. Such a module defines
`EXERCISES` (a tuple) and `QUIZ`. A complete one::

    """Exercises of 6.2.1, content models: the cosine of two vectors."""

    from collections.abc import Callable
    from typing import Any

    import numpy as np

    from avrec_lib.exercises import Exercise, Option, Question, Quiz, expect_close, refuse_close


    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        norms = np.linalg.norm(a) * np.linalg.norm(b)
        return float(a @ b / norms) if norms > 0 else 0.0


    def _without_norms(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b)


    def _one_norm(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a))


    def _no_zero_rule(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


    def _check_cosine(answer: Callable[..., Any]) -> str:
        a, b = np.array([3.0, 4.0]), np.array([4.0, 3.0])
        got = answer(a, b)
        refuse_close(got, 24.0, "that is the dot product; divide it by both lengths")
        refuse_close(got, 4.8, "you divide by the length of one vector; both count")
        expect_close(got, 0.96, "the cosine of (3, 4) and (4, 3) is 24 divided by 5 · 5")
        expect_close(answer(a, 0 * b), 0.0, "a zero vector is similar to nothing")
        return "Scaling a vector does not change its cosine with another: direction is all that counts."


    def _check_angle(answer: float) -> None:
        refuse_close(answer, 0.283794, "that is in radians; the question asks for degrees", rtol=1e-3)
        expect_close(answer, 16.260205, "take the arc cosine of 0.96", rtol=1e-3)


    EXERCISES = (
        Exercise(
            id="cosine-by-hand",
            title="The cosine of two vectors",
            difficulty=2,
            minutes=8,
            prompt=r"""
                Write `cosine(a, b)` for $\cos(a, b) = a \cdot b / (\lVert a \rVert \lVert b \rVert)$.
                If either vector is zero, return 0.
            """,
            starter="""
                def cosine(a: np.ndarray, b: np.ndarray) -> float:
                    ...  # your code here
            """,
            hints=(
                r"The length of a vector is $\lVert a \rVert = \sqrt{a \cdot a}$.",
                "`np.linalg.norm` returns the length. What is 0/0, and when does it happen here?",
            ),
            solution=cosine,
            check=_check_cosine,
            wrong=(
                (_without_norms, "that is the dot product"),
                (_one_norm, "the length of one vector"),
                (_no_zero_rule, "NaN"),
            ),
        ),
        Exercise(
            id="angle-by-hand",
            title="From a cosine to an angle",
            difficulty=1,
            minutes=3,
            prompt="Which angle, in degrees, has the cosine 0.96?",
            starter="angle = ...  # degrees",
            hints=("The inverse of the cosine is `np.arccos`.", "`np.degrees` turns radians into degrees."),
            solution=float(np.degrees(np.arccos(0.96))),
            solution_source="angle = np.degrees(np.arccos(0.96))",
            check=_check_angle,
            wrong=((0.2838, "in radians"), (16.0, "take the arc cosine")),
        ),
    )

    QUIZ = Quiz(
        id="6.2.1",
        questions=(
            Question(
                r"All entries of $a$ are doubled. What happens to $\cos(a, b)$?",
                (
                    Option("It doubles.", False, "The dot product doubles, and so does the length of $a$."),
                    Option("It stays the same.", True, r"Both the dot product and $\lVert a \rVert$ double."),
                ),
            ),
        ),
    )

On the page stand a cell for the prompt, a starter cell tagged `exercise`, and, once a page, the quiz.
The starter cell is `exercise(id).exercise.cell`, letter for letter; a test holds them equal::

    exercise("cosine-by-hand")

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        ...  # your code here

    exercise("cosine-by-hand").check(cosine)

    quiz("6.2.1")

In a check, put the typical wrong values first (`refuse_close`), the right one last (`expect_close`).
Messages are plain text, said to a student: what the answer did, not that it failed. A number that a
student types needs a wide `rtol`, an array in float32 `rtol=1e-4`. A solution may use only what its page
has imported or its starter imports; its type hints are left out where it is shown.
'''

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avrec_lib.exercises.engine import Exercise
    from avrec_lib.exercises.quiz import Quiz


def names() -> list[str]:
    """Return the names of the bank modules, sorted: "p6_2_1" and so on."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """Return one bank module, imported now if it was not yet."""
    return importlib.import_module(f"{__name__}.{name}")


def find_exercise(id: str) -> Exercise:  # noqa: A002
    """Return the exercise with this id. Raises KeyError naming close matches if there is none."""
    known: list[str] = []
    for module in _likeliest_first(id):
        for candidate in module.EXERCISES:
            if candidate.id == id:
                found: Exercise = candidate
                return found
            known.append(candidate.id)
    raise KeyError(_unknown("exercise", id, known))


def find_quiz(id: str) -> Quiz:  # noqa: A002
    """Return the quiz with this id. Raises KeyError naming close matches if there is none."""
    known: list[str] = []
    for module in _likeliest_first(id):
        if module.QUIZ.id == id:
            found: Quiz = module.QUIZ
            return found
        known.append(module.QUIZ.id)
    raise KeyError(_unknown("quiz", id, known))


def _likeliest_first(wanted: str) -> Iterator[ModuleType]:
    """Import one bank at a time, those whose text holds the quoted id first, so a page loads only its own."""
    yield from map(load, sorted(names(), key=lambda name: f'"{wanted}"' not in _text(name)))


def _text(name: str) -> str:
    spec = importlib.util.find_spec(f"{__name__}.{name}")
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


def _unknown(kind: str, wanted: str, known: list[str]) -> str:
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    if close:
        return f"no {kind} is called {wanted!r}; did you mean {' or '.join(map(repr, close))}?"
    return f"no {kind} is called {wanted!r}; there are {', '.join(map(repr, sorted(known))) or 'none yet'}."
