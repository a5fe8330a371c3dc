"""What every answer passes before an exercise's own check sees it, and what a crash looks like.

Blank answers, NaN, wrong types and wrong shapes are found here once, for all exercises, and the
student's function is wrapped so that it can neither change the inputs of the check nor hide behind
a library's traceback.
"""

from __future__ import annotations

import copy
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Collection, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LIBRARY = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
_LIBRARY.append(Path(__file__).resolve().parents[1])
_SHOWN_FRAMES = 5
_SHOWN_CHARACTERS = 600


class Wrong(Exception):  # noqa: N818  (it is a verdict on an answer, not an error)
    """The answer was looked at and is not right; the message tells the student why."""


class NotAttempted(Exception):  # noqa: N818
    """The answer, or what the student's function returns, is still blank."""


class Crash(Exception):  # noqa: N818
    """The student's function raised; the original exception is the `__cause__`."""


class StudentFunction:
    """A student's function, called on copies of its inputs, its result looked at before the check sees it.

    Calling it raises `NotAttempted` if the function returns None or `...` or raises NotImplementedError,
    `Wrong` if the result holds NaN, and `Crash` around any other exception. KeyboardInterrupt passes.
    Attributes are those of the function itself.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name == "function":  # not there yet while a copy is being made
            raise AttributeError(name)
        return getattr(self.function, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Return what the function returns for deep copies of these inputs."""
        args, kwargs = copy.deepcopy((args, kwargs))
        try:
            with warnings.catch_warnings():  # 0/0 is reported below, as NaN, in plain words
                warnings.simplefilter("ignore", RuntimeWarning)
                result = self.function(*args, **kwargs)
        except NotImplementedError:
            raise NotAttempted from None
        except (Exception, SystemExit) as error:
            raise Crash from error
        if is_blank(result):
            raise NotAttempted
        refuse_nan(result, "your function returned")
        return result


def prepare(answer: Any, solution: Any) -> Any:  # noqa: ANN401
    """Return the answer in the form a check may rely on, judged by the kind of the reference solution.

    A function comes back as a `StudentFunction`, a list where an array belongs as that array, a
    one-number array as a number. Raises `Wrong` for NaN, another type, other keys or another shape.
    """
    if callable(solution):
        if not callable(answer):
            raise Wrong(f"expected a function, got {describe(answer)}")
        return StudentFunction(answer)
    if callable(answer):
        raise Wrong(f"expected {kind_of(solution)}, got {describe(answer)}: call it and hand in what it returns")
    refuse_nan(answer, "your answer holds")
    if isinstance(solution, (bool, np.bool_)):
        if not isinstance(answer, (bool, np.bool_)):
            raise Wrong(f"expected True or False, got {describe(answer)}")
        return bool(answer)
    if isinstance(solution, (Real, np.number)):
        return as_number(answer)
    if isinstance(solution, np.ndarray):
        return as_array(answer, shape=solution.shape)
    if isinstance(solution, Mapping):
        return {key: prepare(answer[key], solution[key]) for key in same_keys(answer, solution)}
    if isinstance(solution, (list, tuple)):
        if not isinstance(answer, (list, tuple, np.ndarray)):
            raise Wrong(f"expected a list, got {describe(answer)}")
        return answer
    if not isinstance(answer, type(solution)):
        raise Wrong(f"expected {kind_of(solution)}, got {describe(answer)}")
    return answer


def is_blank(value: Any) -> bool:  # noqa: ANN401
    """Return whether a value, or any part of a list, tuple, dict or object array, is still None or `...`."""
    if value is None or value is ...:
        return True
    if isinstance(value, Mapping):
        return any(is_blank(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return any(is_blank(v) for v in value)
    return isinstance(value, np.ndarray) and value.dtype == object and any(is_blank(v) for v in value.flat)


def refuse_nan(value: Any, prefix: str) -> None:  # noqa: ANN401
    """Raise `Wrong` if NaN is anywhere in a number, array, tensor, table or container of them."""
    if _has_nan(value):
        raise Wrong(f"{prefix} NaN (not a number): look for 0/0, the log of a negative number, or inf − inf")


def as_number(value: Any) -> float | int:  # noqa: ANN401
    """Return one real number from a number, a 0-d array or a 0-d tensor; anything else is `Wrong`."""
    plain = detached(value)
    if isinstance(plain, np.ndarray) and plain.ndim == 0:
        plain = plain.item()
    if isinstance(plain, (bool, np.bool_)) or not isinstance(plain, (Real, np.number)):
        raise Wrong(f"expected a number, got {describe(value)}")
    return int(plain) if isinstance(plain, (int, np.integer)) else float(plain)


def as_array(value: Any, shape: tuple[int, ...] | None = None) -> NDArray[Any]:  # noqa: ANN401
    """Return an array of numbers or truth values from a list, array, tensor or sparse matrix.

    Raises `Wrong` for anything else, and for a shape other than `shape` ("expected shape (3, 2), got (2, 3)").
    """
    plain = detached(value)
    if not isinstance(plain, (list, tuple, np.ndarray, Real, np.generic)):
        raise Wrong(f"expected an array of numbers, got {describe(value)}")
    try:
        array = np.asarray(plain)
    except ValueError:
        raise Wrong("expected an array of numbers, got a list whose rows differ in length") from None
    if array.dtype.kind not in "biuf":
        raise Wrong(f"expected an array of numbers, got {describe(value)} of dtype {array.dtype}")
    if shape is not None and array.shape != shape:
        turned = ": is it transposed?" if array.T.shape == shape else ""
        raise Wrong(f"expected shape {shape}, got {array.shape}{turned}")
    return array


def detached(value: Any) -> Any:  # noqa: ANN401
    """Return a tensor or a sparse matrix as a NumPy array, and everything else as it is."""
    if isinstance(value, type):
        return value
    if callable(getattr(value, "detach", None)):
        return value.detach().cpu().numpy()
    return value.toarray() if callable(getattr(value, "toarray", None)) else value


def same_keys(answer: Any, solution: Mapping[Any, Any]) -> list[Any]:  # noqa: ANN401
    """Return the keys that both dictionaries have; raises `Wrong` naming the missing and the extra ones."""
    if not isinstance(answer, Mapping):
        raise Wrong(f"expected a dictionary, got {describe(answer)}")
    for keys, word in (
        (solution.keys() - answer.keys(), "lacks"),
        (answer.keys() - solution.keys(), "should not have"),
    ):
        if keys:
            raise Wrong(f"your dictionary {word} the key {', '.join(sorted(map(repr, keys)))}")
    return list(solution)


def kind_of(value: Any) -> str:  # noqa: ANN401
    """Return what a reference solution is, in words: "a number", "an array", "a text"."""
    kinds: tuple[tuple[Any, str], ...] = (
        ((bool, np.bool_), "True or False"),
        ((Real, np.number), "a number"),
        (np.ndarray, "an array"),
        (str, "a text"),
        (Mapping, "a dictionary"),
        ((set, frozenset), "a set"),
        ((list, tuple), "a list"),
    )
    return next((words for types, words in kinds if isinstance(value, types)), f"a {type(value).__name__}")


def describe(value: Any) -> str:  # noqa: ANN401
    """Return what a student handed in, in words short enough for a message."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if callable(value):
        return f"the function {getattr(value, '__name__', type(value).__name__)}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"an array of shape {tuple(shape)}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return f"a {type(value).__name__} of length {len(value)}"
    if isinstance(value, (str, bool, np.bool_, Real)):
        return f"{value!r}" if len(repr(value)) <= 40 else f"a long {type(value).__name__}"
    return f"a {type(value).__name__}"


def short_traceback(error: BaseException, hidden: Collection[str] = ()) -> str:
    """Return the frames of a traceback that are the student's own, and the exception in its own words.

    Frames of the standard library, of installed packages, of this library and of the files in `hidden`
    are left out, and so are file names: a notebook cell has none worth reading.
    """
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_library(f.filename, hidden)]
    lines = ["  …"] if len(frames) > _SHOWN_FRAMES else []
    for frame in frames[-_SHOWN_FRAMES:]:
        lines += [f"  line {frame.lineno}, in {frame.name}", f"    {frame.line}"]
    last = "".join(traceback.format_exception_only(error)).strip()
    return "\n".join([*lines, last if len(last) <= _SHOWN_CHARACTERS else last[:_SHOWN_CHARACTERS] + " …"])


def has_student_frames(error: BaseException, hidden: Collection[str] = ()) -> bool:
    """Return whether any frame of the traceback is the student's own."""
    return any(not _is_library(f.filename, hidden) for f in traceback.extract_tb(error.__traceback__))


def _is_library(filename: str, hidden: Collection[str]) -> bool:
    if filename in hidden or filename.startswith(("<frozen", "<__array_function__")):
        return True
    path = Path(filename).resolve()
    return any(path.is_relative_to(folder) for folder in _LIBRARY)


def _has_nan(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, (float, complex, np.floating, np.complexfloating)):
        return bool(value != value)
    if isinstance(value, Mapping):
        return any(_has_nan(v) for v in value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(_has_nan(v) for v in value)
    if callable(getattr(value, "isna", None)):  # a pandas table or column
        return bool(np.any(value.isna().to_numpy()))
    array = detached(value)
    if not isinstance(array, np.ndarray):
        return False
    if array.dtype == object:
        return any(_has_nan(v) for v in array.flat)
    return array.dtype.kind in "fc" and bool(np.isnan(array).any())
