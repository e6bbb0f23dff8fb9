"""One epoch's examples as a torch data set, and the batches of each step for one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, get_worker_info

from pretrain.batches import Arrays, EpochOrder, FrameIds, assemble, share_of
from pretrain.draws import child
from pretrain.masking import DRAW, PairMaskingCollator
from pretrain.nsp import PairPlan
from pretrain.tokens import TokenStore

Batch = dict[str, torch.Tensor]
#: Steps made ahead by each worker: one at work, one waiting to be taken.
_AHEAD = 2


class PairDataset(Dataset[dict[str, Any]]):
    """Examples of one plan. `dataset[i]` is one example unpadded; `__getitems__` a batch, assembled in one go, padded
    to the longest or on to a multiple of so many tokens."""

    def __init__(
        self, store: TokenStore, plan: PairPlan, frame: FrameIds, mask_key: np.uint64, multiple: int = 1
    ) -> None:
        self._store, self._plan, self._frame, self._mask_key = store, plan, frame, mask_key
        self._multiple = multiple

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """One example: 1-d arrays, `next_sentence_label` and `draw` as numbers."""
        arrays = assemble(self._store, self._plan[[row]], self._frame)
        return {name: array[0] for name, array in {**arrays, DRAW: self._draws(np.array([row]))}.items()}

    def __getitems__(self, rows: Sequence[int] | NDArray[np.int64]) -> Arrays:
        """A batch; torch's DataLoader prefers this to `__getitem__` where it exists."""
        numbers = np.asarray(rows, np.int64)
        arrays = assemble(self._store, self._plan[numbers], self._frame, self._multiple, _buffer)
        return {**arrays, DRAW: self._draws(numbers)}

    def _draws(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(child(self._mask_key, rows.astype(np.uint64))).view(np.int64)


def _buffer(shape: Any, dtype: Any = None) -> NDArray[np.int64]:
    array: NDArray[np.int64] = pinned(shape).numpy()
    return array


def pinned(shape: Any, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    """An empty tensor that an accelerator can copy from while it computes: in pinned memory if there is CUDA.

    Not in a worker process of a DataLoader, where it would start CUDA once more.
    """
    return torch.empty(shape, dtype=dtype, pin_memory=torch.cuda.is_available() and get_worker_info() is None)


@dataclass(frozen=True)
class Share:
    """This process's part in a run: its rank, their number, the most examples on a device at once, threads that make
    batches ahead (0: none, each batch is made when it is wanted)."""

    rank: int
    processes: int
    micro_batch: int
    workers: int


@dataclass(frozen=True)
class StepBatches:
    """The micro-batches of each step of an epoch for one process: a function of the step, made ahead by threads.

    Threads and not processes: assembling and masking are compiled and hold no lock, so they need no second copy of
    anything, start at once, and write where the accelerator reads.
    """

    dataset: PairDataset
    order: EpochOrder
    collator: PairMaskingCollator
    share: Share
    #: Masking rate of each step of the epoch.
    rate: Callable[[int], float]
    #: Puts a batch into the form that the model takes.
    layout: Callable[[Batch], Batch] = dict

    def of_step(self, step: int) -> list[Batch]:
        """The micro-batches of one step."""
        parts = share_of(self.order.rows(step), self.share.rank, self.share.processes, self.share.micro_batch)
        rate = self.rate(step)
        return [self.layout(self.collator.torch_call(self.dataset.__getitems__(part), rate)) for part in parts]

    def from_step(self, first: int) -> Generator[list[Batch]]:
        """The micro-batches of each step from step `first` of the epoch on."""
        if not self.share.workers:
            for step in range(first, self.order.steps):
                yield self.of_step(step)
            return
        waiting: deque[Future[list[Batch]]] = deque()
        with ThreadPoolExecutor(self.share.workers, "batches") as threads:
            try:
                for step in range(first, self.order.steps):
                    waiting.append(threads.submit(self.of_step, step))
                    if len(waiting) == _AHEAD * self.share.workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                threads.shutdown(cancel_futures=True)
