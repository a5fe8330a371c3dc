"""Exercises and quizzes of the book: `exercise("observed-loss")` and `quiz("6.2.1")`.

How to write one is shown in the docstring of `avrec_lib.exercises.bank`.
"""

from avrec_lib.exercises.checks import expect_close, expect_equal, expect_raises, refuse_close
from avrec_lib.exercises.engine import Attempt, Exercise, Result, exercise
from avrec_lib.exercises.guards import Wrong
from avrec_lib.exercises.quiz import Option, Question, Quiz, quiz

__all__ = [
    "Attempt",
    "Exercise",
    "Option",
    "Question",
    "Quiz",
    "Result",
    "Wrong",
    "exercise",
    "expect_close",
    "expect_equal",
    "expect_raises",
    "quiz",
    "refuse_close",
]
