"""What several processes do as one: found by the main one and told to all, or found by each and compared.

An error of the user's world that one process meets is raised on all of them; alone it would leave the others waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object

from pipeline.errors import InputError

T = TypeVar("T")


def on_main(accelerator: Accelerator, work: Callable[[], T]) -> T:
    """What `work` returns on the main process, which alone does it; its InputError is raised on every process."""
    found: list[Any] = [None, None]
    if accelerator.is_main_process:
        try:
            found[0] = work()
        except InputError as error:
            found[1] = str(error)
    broadcast_object_list(found)
    if found[1] is not None:
        raise InputError(found[1])
    result: T = found[0]
    return result


def on_all(accelerator: Accelerator, work: Callable[[], T]) -> T:
    """What `work` returns on this process; an InputError of any is raised on every process, the first one's."""
    result, problem = None, None
    try:
        result = work()
    except InputError as error:
        problem = str(error)
    problems = gather_object([problem])
    for process, text in enumerate(problems):
        if text is not None:
            raise InputError(text if process == 0 else f"{text} (process {process} of {len(problems)})")
    return result  # type: ignore[return-value]


def same_on_all(value: str, what: str) -> None:
    """Raises InputError on every process if `value` is not the same on all."""
    found = gather_object([value])
    other = next((process for process, text in enumerate(found) if text != found[0]), None)
    if other is not None:
        raise InputError(f"process {other} of {len(found)} has {what} other than process 0: all nodes need the same")
