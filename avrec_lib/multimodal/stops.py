"""How a run ends before its end: Ctrl-C at a moment that suits it, and what PyTorch throws as one clear sentence.

Page 7.3.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from avrec_lib.multimodal.settings import Settings

OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory")
OF_PROCESSES = ("gloo", "connection closed by peer", "connection reset", "nccl", "broken pipe")


@contextmanager
def interrupts(hold: bool) -> Iterator[Callable[[], bool]]:
    """Hold the first Ctrl-C back and yield a function that says whether it came; a second one acts at once.

    Weights, optimiser and random numbers only fit together between two steps, so that is where a run is stopped. If
    nobody asked the function in time, the interrupt is raised at the end.

    Parameters
    ----------
    hold : bool
        False leaves Ctrl-C as it is; so does any thread but the main one, which alone receives it.
    """
    if not hold or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


@contextmanager
def explained(settings: Settings, n_processes: int) -> Iterator[None]:
    """Say in one sentence what to do if memory runs out or another process is gone.

    Raises
    ------
    MemoryError
        In the place of `torch.OutOfMemoryError` and of its relatives on a CPU.
    RuntimeError
        If another process of the run no longer answers.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        told = str(error).lower()
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in told for words in OF_MEMORY):
            raise MemoryError(
                f"a step of {settings.batch} viewers in {settings.accumulate} part(s) on {n_processes} process(es) "
                "needs more memory than there is; raise accumulate, which computes a step in smaller parts, or lower "
                "batch."
            ) from error
        if n_processes > 1 and isinstance(error, RuntimeError) and any(words in told for words in OF_PROCESSES):
            raise RuntimeError(
                "another process of this run has ended or no longer answers; its own message says why. Start the same "
                "command again, and it goes on from the last checkpoint."
            ) from error
        raise
