"""A short quiz that answers at once: open an option and it says whether it is right, and why.

Shown as folded blocks, so it works in the built book and in JupyterLab, without JavaScript and
without a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase

from avrec_lib.exercises import bank
from avrec_lib.exercises.markdown import details, has_heading, inline_html, tidy


@dataclass(frozen=True)
class Option:
    """One answer to a question.

    Parameters
    ----------
    text : str
        The answer: one line of Markdown (`code`, **bold**, `$…$`).
    right : bool
        Whether it is right.
    why : str
        Why it is right, or what misunderstanding it comes from. Markdown.
    """

    text: str
    right: bool
    why: str


@dataclass(frozen=True)
class Question:
    """A question with two or more options, exactly one of them right unless `multiple`.

    Raises
    ------
    ValueError
        If the options break that rule, repeat each other, or lack a text or a reason.
    """

    text: str
    options: tuple[Option, ...]
    multiple: bool = False

    def __post_init__(self) -> None:
        right = sum(option.right for option in self.options)
        texts = [option.text.strip() for option in self.options]
        rules = {
            "the question is empty": bool(self.text.strip()),
            f"two to {len(ascii_uppercase)} options are needed": 2 <= len(self.options) <= len(ascii_uppercase),
            f"exactly one option must be right, not {right} (or say multiple=True)": self.multiple or right == 1,
            "at least one option must be right and one wrong": 0 < right < len(self.options),
            "two options are the same": len(set(texts)) == len(texts),
            "every option needs a text and a reason": all(texts) and all(o.why.strip() for o in self.options),
            "there must be no headings": not any(map(has_heading, (self.text, *(o.why for o in self.options)))),
        }
        for rule, holds in rules.items():
            if not holds:
                raise ValueError(f"question {self.text!r}: {rule}.")


@dataclass(frozen=True)
class Quiz:
    """The quiz of a page; `id` is the number of its section, such as "6.2.1"."""

    id: str
    questions: tuple[Question, ...]

    def __post_init__(self) -> None:
        if not self.questions:
            raise ValueError(f"quiz {self.id!r} has no questions.")

    def _repr_markdown_(self) -> str:
        n = len(self.questions)
        blocks = [f"**Quiz** · {n} question{'s' * (n > 1)} · open an answer to see whether it is right"]
        for number, question in enumerate(self.questions, start=1):
            several = " *(More than one answer is right.)*" if question.multiple else ""
            blocks.append(f"**Question {number}.** {tidy(question.text)}{several}")
            for letter, option in zip(ascii_uppercase, question.options, strict=False):
                kind, verdict = ("right", "✓ **Right.**") if option.right else ("wrong", "✗ **Not quite.**")
                summary = f"<strong>{letter}.</strong> {inline_html(option.text)}"
                blocks.append(details(f"quiz {kind}", summary, f"{verdict} {tidy(option.why)}", is_html=True))
        return "\n\n".join(blocks)

    def __repr__(self) -> str:
        return f"<quiz {self.id!r}: {len(self.questions)} questions>"


def quiz(id: str) -> Quiz:  # noqa: A002
    """Return the quiz with this id. Raises KeyError naming close matches if there is none."""
    return bank.find_quiz(id)
