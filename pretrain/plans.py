"""The plans of a training store, one an epoch, on disk: drawn once by whoever comes first, mapped into memory by all.

    .<name>.plans/<content>/<epoch>/plan.npy       beside the examples <name>, whose content id names the folder

Each is an artifact of its own, so it is finished or absent, its sha256 is checked when it is opened, and of several
processes that want it one draws it while the others wait. Only the last few are kept: any is drawn again in seconds.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.artifact import Figures, Kind, build, open_artifact
from pipeline.errors import InputError
from pipeline.recipe import as_table
from pretrain.nsp import PAIR, PairPlan, draw_plan
from pretrain.settings import ExamplesSettings
from pretrain.tokens import TokenStore

#: The plan of one epoch. Its format is that of `nsp`: raised when the same settings draw other examples.
PLAN = Kind("plan", 1, "make examples")
#: Plans that are kept: that of the epoch in hand, and one before it that a slower process may be about to open.
KEPT = 2


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
        place = self._place / f"{epoch:05}"
        key = PLAN.key({"examples": as_table(self.settings)}, {"examples": self.content, "epoch": str(epoch)})

        def make(workspace: Path) -> Figures:
            return {"examples": write_plan(self.store, self.settings, epoch, workspace / "plan.npy")}

        _, built = build(place, key, make, after=self._prune)
        if not built:
            open_artifact(place, PLAN)  # what another made is checked, as any artifact is
        return load_plan(place / "plan.npy")

    @property
    def _place(self) -> Path:
        return self.folder.parent / f".{self.folder.name}.plans" / self.content[:16]

    def _prune(self) -> None:
        """Remove plans of other contents, and all of this one but the last."""
        for other in self._place.parent.iterdir():
            if other != self._place:
                shutil.rmtree(other, ignore_errors=True)
        mine = [path for path in self._place.iterdir() if path.name.isdigit()]
        for old in sorted(mine, key=lambda path: path.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)


def write_plan(store: TokenStore, settings: ExamplesSettings, epoch: int, path: Path) -> int:
    """Draw a plan into a file, whose pages the system may write out meanwhile; returns the number of examples."""

    def new(examples: int) -> PairPlan:
        if not examples:  # an empty file cannot be mapped
            np.save(path, np.zeros(0, PAIR), allow_pickle=False)
            return np.zeros(0, PAIR)
        mapped: PairPlan = np.lib.format.open_memmap(path, "w+", PAIR, (examples,))
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
