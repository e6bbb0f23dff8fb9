"""One question at a time, in the order they came, beside the server: torch uses all cores for each.

The work is done in one thread, so that the server goes on answering; those who wait are counted, and no more than a few
may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

#: Questions in hand and waiting.
MOST_WAITING = 8


class Busy(Exception):  # noqa: N818 - says how it is
    """As many wait as may."""


class Turns:
    """A queue before one worker thread. To be used from one event loop."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="asking")
        #: Questions in hand and waiting.
        self.waiting = 0

    async def take(self, work: Callable[[], Result]) -> Result:
        """What `work` returns when its turn has come; raises Busy at once where too many wait."""
        if self.waiting >= self._most:
            raise Busy
        self.waiting += 1
        future = self._thread.submit(work)
        loop = asyncio.get_running_loop()
        # Counted until the thread is free of it: one whose asker has gone away is worked on to its end.
        future.add_done_callback(lambda _: _soon(loop, self._done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self.waiting -= 1

    def close(self) -> None:
        """Take no more questions, and drop those that wait."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
