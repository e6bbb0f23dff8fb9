"""Checkpoints are written by a thread while training goes on.

Training waits for the copy in host memory alone, and for a write that is still going on when the next one is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType, TracebackType

import torch
from torch import nn

from pipeline.console import warn
from pretrain.checkpoint import Checkpoint, Position, prune, save_checkpoint, set_aside_later, snapshot


class Saver:
    """Saves the run that goes on from step `resumed_at` (0: a new one). `None` for a root (other ranks) writes nothing.
    `beside`: files that make each checkpoint a folder that transformers loads.

    Used as a context: at its end nothing is being written any more. What went wrong in the thread is raised by the next
    `check`, `save` or `wait`, as it was raised there.
    """

    def __init__(
        self,
        root: Path | None,
        keep: int,
        resumed_at: int,
        beside: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        self._root, self._keep, self._beside = root, keep, beside
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._written: Future[Checkpoint] | None = None
        if root is not None and root.is_dir():
            set_aside_later(root, resumed_at)
            prune(root, keep)

    def save(self, position: Position, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Copy what is to be saved and begin to write it, when the write before has ended.

        Every process calls it: parameters that are in parts are gathered from all.
        """
        self.wait()
        taken = snapshot(model, optimizer, keep=self._root is not None)
        if self._root is not None:
            self._written = self._writer.submit(save_checkpoint, self._root, position, taken, self._keep, self._beside)

    def check(self) -> None:
        """Raise what went wrong since; waits for nothing, so that it can be asked at each step."""
        if self._written is not None and self._written.done():
            self.wait()

    def wait(self) -> None:
        """Wait until nothing is being written, and raise what went wrong."""
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def settled(self) -> None:
        """Wait until nothing is being written, whatever became of it: `wait` raises that later."""
        if self._written is not None:
            self._written.exception()

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.shutdown(wait=True)
        if kind is None:
            self.wait()
        elif self._written is not None and (failed := self._written.exception()):
            # The run ends for another reason already.
            warn(f"the last checkpoint was not written: {failed}")
