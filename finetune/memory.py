"""Memory that does not suffice, told in one line instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pipeline.errors import OneProcessError

#: How torch's allocators say it where they raise no error of their own: on a CPU, and on Apple's GPUs.
_WORDS = ("out of memory", "DefaultCPUAllocator", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python means that."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


@contextmanager
def memory_told(advice: str) -> Iterator[None]:
    """Raise InputError, "out of memory" and `advice`, where memory did not suffice inside. One process may meet it."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OneProcessError(f"out of memory {advice}") from None
