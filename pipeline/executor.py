"""The worker pool: text work goes through a `concurrent.futures.Executor`, here a pool of processes.

Results come back in the order of the inputs whatever the number of workers, and only a few inputs are in flight at
a time, so memory does not grow with the corpus.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")


def available_cores() -> int:
    """Cores this process may run on (its CPU affinity, which may be less than the machine's)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_batches(items: Iterable[Input], size: int) -> Iterator[list[Input]]:
    """Neighbouring items in lists of `size`, the last one shorter (itertools.batched, from Python 3.12 on)."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor | None]:
    """A pool of `workers` processes, or None for one worker: then the work is done in this process."""
    if workers <= 1:
        yield None
        return
    # spawn: a forked child inherits the locks of this process's threads (tokenizers, torch) and can hang on them.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def ordered_map(
    pool: Executor | None, function: Callable[[Input], Output], inputs: Iterable[Input], in_flight: int = 8
) -> Iterator[Output]:
    """`map(function, inputs)` through the pool: same order, at most `in_flight` inputs handed out at once."""
    if pool is None:
        yield from map(function, inputs)
        return
    waiting: deque[Future[Output]] = deque()
    for item in inputs:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= in_flight:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
