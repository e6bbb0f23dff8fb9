"""An examples artifact, opened: token stores, plans, and the tokenizer that the ids belong to.

train.*.bin  heldout.*.bin     token stores (pretrain.tokens)
train-epoch-0.npy              the plan of the first epoch; later ones are drawn when they begin (pretrain.plans)
heldout.npy                    the plan that evaluations use
plan.json                      what later epochs are drawn by, so that it is part of the content
tokenizer.json ...             so that ids cannot part from the vocabulary they were made with
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.artifact import Kind, Manifest, open_artifact, still_there
from pretrain.batches import FrameIds
from pretrain.nsp import PairPlan, draw_plan
from pretrain.plans import Plans, load_plan
from pretrain.schedule import Epoch, Schedule
from pretrain.settings import ExamplesSettings, TrainSettings
from pretrain.tokens import TokenStore, open_store
from tokenizer.wordpiece import FILES, load_tokenizer

#: What the examples stage makes.
EXAMPLES = Kind("examples", 2, "make examples")


@dataclass(frozen=True)
class Prepared:
    """What training reads, opened at once: a folder that is replaced meanwhile cannot mix into a run.

    `heldout` and `heldout_plan` (the same examples at every evaluation) are None if the corpus was too small to hold
    documents out. `tokenizer_files` are the bytes of the tokenizer that the ids belong to.
    """

    folder: Path
    manifest: Manifest
    settings: ExamplesSettings
    vocab_size: int
    frame: FrameIds
    train: TokenStore
    first_plan: PairPlan
    heldout: TokenStore | None
    heldout_plan: PairPlan | None
    tokenizer_files: dict[str, bytes]

    def plan(self, epoch: int, block_size: int = 0) -> PairPlan:
        """The training examples of an epoch, of a block of so many tokens (0: the examples' own)."""
        settings = self._at(block_size)
        repeated = settings.duplicate_epochs and epoch % settings.duplicate_epochs == 0
        if settings == self.settings and (epoch == 0 or repeated):
            return self.first_plan
        return Plans(self.folder, self.manifest.content, self.train, settings).plan(epoch)

    def heldout_plan_at(self, block_size: int) -> PairPlan | None:
        """The held-out examples of a block of so many tokens, the same each time."""
        settings = self._at(block_size)
        if settings == self.settings or self.heldout is None:
            return self.heldout_plan
        return draw_plan(self.heldout, settings, 0)

    def schedule(self, settings: TrainSettings) -> Schedule:
        """The steps of a run on these examples; raises InputError if there are too few for a batch."""
        return Schedule.plan(settings, self.settings.block_size, lambda block: Epoch.of(self.plan(0, block)))

    def _at(self, block_size: int) -> ExamplesSettings:
        return replace(self.settings, block_size=block_size or self.settings.block_size)


def open_prepared(folder: Path) -> Prepared:
    """Open an examples artifact; raises InputError if there is none or a file was changed."""
    manifest = open_artifact(folder, EXAMPLES)
    tokenizer = load_tokenizer(folder)
    vocab_size = tokenizer.get_vocab_size()
    held_out = heldout_plan_path(folder).exists()
    prepared = Prepared(
        folder=folder,
        manifest=manifest,
        settings=ExamplesSettings(**manifest.settings["examples"]),
        vocab_size=vocab_size,
        frame=FrameIds.of(tokenizer),
        train=open_store(folder, "train", vocab_size),
        first_plan=load_plan(train_plan_path(folder)),
        heldout=open_store(folder, "heldout", vocab_size) if held_out else None,
        heldout_plan=load_plan(heldout_plan_path(folder)) if held_out else None,
        tokenizer_files={name: (folder / name).read_bytes() for name in FILES},
    )
    still_there(folder, manifest)
    return prepared


def train_plan_path(folder: Path) -> Path:
    """Where the plan of epoch 0 is."""
    return folder / "train-epoch-0.npy"


def heldout_plan_path(folder: Path) -> Path:
    """Where the held-out plan is, if there is one."""
    return folder / "heldout.npy"
