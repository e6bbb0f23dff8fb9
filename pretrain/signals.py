"""Signals that ask a run to save and leave: what a scheduler sends before it takes the machine away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: Sent by `kill` and most schedulers; by SLURM's `--signal=USR1@120`.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


@contextmanager
def asked_to_leave() -> Iterator[Callable[[], bool]]:
    """A function that says whether one of `SIGNALS` has come since; what they did before is put back at the end.

    Only a program's main thread can be asked; elsewhere the answer is always no.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield lambda: came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
