"""One epoch's examples as a torch data set, and the batches of each step for one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from pretrain.batches import EpochOrder, FrameIds, assemble, share_of
from pretrain.draws import child
from pretrain.masking import DRAW, PairMaskingCollator
from pretrain.nsp import PairPlan
from pretrain.tokens import TokenStore

Batch = dict[str, torch.Tensor]


class PairDataset(Dataset[dict[str, Any]]):
    """Examples of one pair plan. `dataset[i]` is one example unpadded; a DataLoader fetches whole batches at once."""

    def __init__(self, store: TokenStore, plan: PairPlan, frame: FrameIds, mask_key: np.uint64) -> None:
        self._store, self._plan, self._frame, self._mask_key = store, plan, frame, mask_key

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """One example: 1-d arrays, `next_sentence_label` and `draw` as numbers."""
        return {name: array[0] for name, array in self.__getitems__([row]).items()}

    def __getitems__(self, rows: Sequence[int]) -> dict[str, NDArray[np.int64]]:
        """A batch assembled in one go; torch's DataLoader prefers this to `__getitem__` where it exists."""
        numbers = np.asarray(rows, np.int64)
        arrays = assemble(self._store, self._plan[numbers], self._frame)
        draws = np.asarray(child(self._mask_key, numbers.astype(np.uint64)))
        return {**arrays, DRAW: draws.view(np.int64)}


@dataclass(frozen=True)
class Share:
    """This process's part in a run: its rank, their number, the most examples on a device at once, loader workers."""

    rank: int
    processes: int
    micro_batch: int
    workers: int


def step_batches(
    dataset: PairDataset, order: EpochOrder, collator: PairMaskingCollator, share: Share, first_step: int = 0
) -> Iterator[list[Batch]]:
    """The micro-batches of each optimiser step for one process, from `first_step` of the epoch on."""
    sampler = _Schedule(order, share, first_step)
    loader = DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collator,
        num_workers=share.workers,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context="spawn" if share.workers else None,
    )
    batches = iter(loader)
    for _ in range(first_step, order.steps):
        yield [next(batches) for _ in range(sampler.micro_batches)]


class _Schedule:
    """A batch sampler: the rows of every micro-batch of this process, step after step."""

    def __init__(self, order: EpochOrder, share: Share, first_step: int) -> None:
        self._order, self._share, self._first_step = order, share, first_step
        mine = len(np.array_split(np.arange(order.batch_size), share.processes)[share.rank])
        self.micro_batches = -(-mine // share.micro_batch)

    def __len__(self) -> int:
        return (self._order.steps - self._first_step) * self.micro_batches

    def __iter__(self) -> Iterator[list[int]]:
        for rows in self._order.rows(self._first_step):
            for part in share_of(rows, self._share.rank, self._share.processes, self._share.micro_batch):
                yield part.tolist()
