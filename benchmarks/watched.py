"""What a command costs: seconds of the clock and of the processors, and memory at the peak, whole process tree."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

from pipeline.errors import InputError

#: Seconds between two looks at the memory.
INTERVAL = 0.1


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock, of the processors, million bytes at the peak, and what the command printed."""

    clock: float
    processors: float
    memory: float
    printed: str


def watched(command: Sequence[object], cores: int, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command whose libraries may use so many threads. Raises InputError if it fails."""
    threads = {"RAYON_NUM_THREADS": str(cores), "OMP_NUM_THREADS": str(cores)}
    before, peak, started = resource.getrusage(resource.RUSAGE_CHILDREN), 0, time.monotonic()
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **threads, **(environment or {})},
            stdout=printed,
            stderr=told,
        )
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(INTERVAL)
        clock = time.monotonic() - started
        told.seek(0)
        printed.seek(0)
        if process.returncode:
            last = told.read().decode().strip()[-2000:]
            raise InputError(f"{command[2]} ended with {process.returncode}: {last}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Cost(clock, processors, peak / 1e6, printed.read().decode())


def _memory(number: int) -> int:
    """Bytes that a process and all it started hold."""
    try:
        root = psutil.Process(number)
        return sum(process.memory_info().rss for process in (root, *root.children(recursive=True)))
    except psutil.NoSuchProcess:  # it, or one that it started, has just ended
        return 0
