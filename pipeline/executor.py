"""The worker pool: text work goes through a `concurrent.futures.Executor`, here a pool of processes or a Dask cluster.

Results come back in the order of the inputs whatever the number of workers, and only a few inputs are in flight at
a time, so memory does not grow with the corpus.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from types import ModuleType
from typing import TypeVar

from pipeline.errors import InputError

Input = TypeVar("Input")
Output = TypeVar("Output")

#: Inputs handed out for each worker: one at work and enough behind it that none waits.
_AHEAD = 4
#: Seconds to wait for a cluster's scheduler.
_CONNECT = 30


@dataclass(frozen=True)
class Workers:
    """Who does the work: so many processes of this machine, or the Dask cluster behind a scheduler's address."""

    count: int = 1
    scheduler: str | None = None


@dataclass(frozen=True)
class Pool:
    """An executor, or None to work in this process, and how many inputs it is handed at once."""

    executor: Executor | None
    in_flight: int


#: No other processes: the work is done here.
ALONE, HERE = Workers(), Pool(None, 1)


def available_cores() -> int:
    """Cores this process may run on (its CPU affinity, which may be less than the machine's)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_batches(items: Iterable[Input], size: int) -> Iterator[list[Input]]:
    """Neighbouring items in lists of `size`, the last one shorter (itertools.batched, from Python 3.12 on)."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


@contextmanager
def worker_pool(workers: Workers) -> Iterator[Pool]:
    """The pool that `workers` describes; one worker needs none, the work is done in this process."""
    if workers.scheduler:
        with _cluster(workers.scheduler) as pool:
            yield pool
        return
    if workers.count <= 1:
        yield HERE
        return
    # spawn: a forked child inherits the locks of this process's threads (tokenizers, torch) and can hang on them.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers.count, mp_context=context, initializer=_end_with_parent)
    try:
        with _no_main_module():
            for _ in range(workers.count):
                executor.submit(int)  # each starts a process
        yield Pool(executor, _AHEAD * workers.count)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Processes spawned meanwhile do not import the program that spawned them.

    They would, to find what it defines; what our workers run is defined in modules. A stage with all that it imports is
    up to 85 MB and half a second for each worker.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _end_with_parent() -> None:
    """In a worker: end when the process that started it is gone, however it went.

    A killed process closes no pool, and its workers, which hold each other's pipes open, would wait for work for ever.
    An interrupt from the keyboard reaches them too: it is for the parent, which ends them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[Pool]:
    """The workers of a Dask cluster; they need the same Hanbeot, since the output must not depend on who makes it."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--scheduler needs Dask: pip install 'hanbeot[dask]'") from None
    try:
        client = Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler {address}: no Dask scheduler answers ({error})") from None
    with client:
        here = made_by()
        there = client.run(made_by)
        if not there:
            raise InputError(
                f"--scheduler {address}: the cluster has no workers; start some with `dask worker {address}`"
            )
        for worker, found in there.items():
            if found != here:
                raise InputError(f"--scheduler {address}: worker {worker} has {found}; here is {here}")
        threads = sum(client.nthreads().values())
        with client.get_executor(pure=False) as executor:
            yield Pool(executor, _AHEAD * threads)


def made_by() -> str:
    """The versions that decide what text work yields, in a line. Asked of a cluster's workers too."""
    packages = ("hanbeot", "regex", "mwparserfromhell", "datasketch", "python-stdnum", "tokenizers", "kiwipiepy")
    python = ".".join(platform.python_version_tuple()[:2])
    return ", ".join([f"Python {python}", *(f"{package} {version(package)}" for package in packages)])


def ordered_map(pool: Pool, function: Callable[[Input], Output], inputs: Iterable[Input]) -> Iterator[Output]:
    """`map(function, inputs)` through the pool: same order, at most `pool.in_flight` inputs handed out at once."""
    if pool.executor is None:
        yield from map(function, inputs)
        return
    waiting: deque[Future[Output]] = deque()
    remaining = iter(inputs)
    failed: Exception | None = None
    while True:
        try:
            item = next(remaining)
        except StopIteration:
            break
        except Exception as error:
            # What was handed out before an input could not be made is finished work all the same.
            failed = error
            break
        waiting.append(pool.executor.submit(function, item))
        if len(waiting) >= pool.in_flight:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
    if failed is not None:
        raise failed
