"""The plans of a training store, one an epoch, on disk: drawn once by whoever comes first, mapped into memory by all.

    .<name>.plans/<content>/<block>-<epoch>/plan.npy       beside the examples <name>, whose content id names the folder

Each is an artifact of its own, so it is finished or absent, it is checked when it is opened, and of several processes
that want it one draws it while the others wait. Only the last few are kept: any is drawn again in seconds. Where
nothing can be written each process draws its plans in its own memory.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from pipeline.artifact import Figures, Kind, build, open_artifact
from pipeline.console import warn
from pipeline.errors import InputError
from pipeline.recipe import as_table
from pretrain.nsp import PAIR, PairPlan, draw_plan
from pretrain.settings import ExamplesSettings
from pretrain.tokens import TokenStore

#: The plan of one epoch. Its format is that of `nsp`: raised when the same settings draw other examples.
PLAN = Kind("plan", 1, "make examples")
#: Plans that are kept: that of the epoch in hand, and one before it that a slower process may be about to open.
KEPT = 2
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Plans:
    """The plans of the training store of the examples at `folder`, whose content id is `content`."""

    folder: Path
    content: str
    store: TokenStore
    settings: ExamplesSettings

    def plan(self, epoch: int) -> PairPlan:
        """The examples of an epoch, read-only; raises InputError if a file was damaged."""
        epoch = epoch % self.settings.duplicate_epochs if self.settings.duplicate_epochs else epoch
        place = self.folder.parent / f".{self.folder.name}.plans"
        try:
            place.mkdir(exist_ok=True)
            # One lock for all epochs: what is about to be mapped is not pruned by another run.
            with FileLock(place / ".lock"):
                return self._kept(place / self.content[:16] / f"{self.settings.block_size}-{epoch:05}", epoch)
        except OSError as error:
            if error.errno not in _UNWRITABLE:
                raise
            warn(f"cannot write {place} ({error.strerror}): this process draws the plan of an epoch in its own memory")
        plan = draw_plan(self.store, self.settings, epoch)
        plan.flags.writeable = False
        return plan

    def _kept(self, place: Path, epoch: int) -> PairPlan:
        key = PLAN.key({"examples": as_table(self.settings)}, {"examples": self.content, "epoch": str(epoch)})

        def make(workspace: Path) -> Figures:
            return {"examples": write_plan(self.store, self.settings, epoch, workspace / "plan.npy")}

        _, built = build(place, key, make)
        if built:
            _prune(place)
        else:
            open_artifact(place, PLAN)  # what another made is checked, as any artifact is
        return load_plan(place / "plan.npy")


def _prune(newest: Path) -> None:
    """Remove plans of other contents, all of this one but the last, and what an interrupted call left."""
    for other in newest.parent.parent.iterdir():
        if other.is_dir() and other != newest.parent:
            shutil.rmtree(other, ignore_errors=True)
    plans = [path for path in newest.parent.iterdir() if path.name[:1].isdigit()]
    kept = {path.name for path in sorted(plans, key=lambda path: path.stat().st_mtime_ns)[-KEPT:]}
    for path in newest.parent.iterdir():
        if path.is_file():
            path.unlink()  # locks and notes: the lock of all plans is held
        elif path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def write_plan(store: TokenStore, settings: ExamplesSettings, epoch: int, path: Path) -> int:
    """Draw a plan into a file, whose pages the system may write out meanwhile; returns the number of examples."""

    def new(examples: int) -> PairPlan:
        if not examples:  # an empty file cannot be mapped
            np.save(path, np.zeros(0, PAIR), allow_pickle=False)
            return np.zeros(0, PAIR)
        mapped: PairPlan = np.lib.format.open_memmap(path, "w+", PAIR, (examples,))
        if hasattr(os, "posix_fallocate"):
            # Where there is no space left it is said here, and not by a signal when a page is written.
            with path.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
        return mapped

    plan = draw_plan(store, settings, epoch, new)
    if isinstance(plan, np.memmap):
        plan.flush()
    return len(plan)


def load_plan(path: Path) -> PairPlan:
    """Map a plan into memory; raises InputError if the file holds none."""
    plan: PairPlan | None = None
    with suppress(ValueError):
        plan = np.load(path, mmap_mode="r", allow_pickle=False)
    if plan is None or plan.dtype != PAIR or plan.ndim != 1:
        raise InputError(f"{path} holds no plan: delete {path.parent} and run this again")
    return plan
