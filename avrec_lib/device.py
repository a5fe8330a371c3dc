"""Which hardware a page runs on, and how much it should try.

Used by every page that trains a network. Nothing here loads torch before it is asked.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch


def device() -> torch.device:
    """Return the best device PyTorch can really use: an NVIDIA or AMD GPU, an Apple GPU, else the CPU.

    A GPU is tried on one small product first. One that PyTorch sees but can't use (an old driver, a
    card the build does not know, no free memory) is named in a warning, and the next best is taken.
    """
    import torch

    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    for kind, is_available in found.items():
        if is_available:
            problem = _trial(torch.device(kind))
            if problem is None:
                return torch.device(kind)
            warnings.warn(f"PyTorch sees a GPU ({kind}) but can't use it: {problem}", stacklevel=2)
    return torch.device("cpu")


def size() -> Literal["small", "full"]:
    """Return how large the experiments should be: what AVREC_SIZE says, else "full" with a GPU, "small" without.

    "small" finishes a page within a minute on two cores. Only a GPU under `cuda` counts; a laptop's
    Apple GPU stays at "small" unless AVREC_SIZE=full is set.

    Raises
    ------
    ValueError
        If AVREC_SIZE is neither small nor full.
    """
    wanted = os.environ.get("AVREC_SIZE", "").strip().lower()
    if wanted in ("small", "full"):
        return "small" if wanted == "small" else "full"
    if wanted:
        raise ValueError(f"AVREC_SIZE must be small or full, not {wanted!r}; unset it to let the machine decide.")
    return "full" if device().type == "cuda" else "small"


@contextmanager
def torch_threads_kept() -> Iterator[None]:
    """Give torch, if it is loaded, back the number of threads that it had.

    A parallel loop of numba tells OpenMP how many threads it wants, and torch, which shares OpenMP, takes the number
    over. A network of small matrices then trains many times slower on a busy machine. It serves as a decorator, too.
    """
    before = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    try:
        yield
    finally:
        if before is not None:
            sys.modules["torch"].set_num_threads(before)


def _trial(where: torch.device) -> str | None:
    """Multiply two small matrices there; return the first line of what went wrong, or None."""
    import torch

    try:
        ones = torch.ones(2, 2, device=where)
        (ones @ ones).sum().item()
    except (RuntimeError, AssertionError) as error:  # torch raises both
        return (str(error).splitlines() or [type(error).__name__])[0]
    return None
