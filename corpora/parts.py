"""Refined parts on disk: the slow half of the stage, kept so that an interrupted build goes on where it was.

A part is named by what it was made from (raw text and settings), so it serves as well after another file was added or a
damaged one was mended. Parts lie beside the corpus until it is finished.
"""

from __future__ import annotations

import shutil
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from corpora.dedup import Marks
from corpora.document import read_documents
from corpora.drops import Drops
from corpora.raw import Batch, RawDocument, fingerprint, parts
from corpora.refine import Refined, refine
from corpora.settings import CorpusSettings
from pipeline.artifact import Figures, Key, Kind, build, open_artifact, read_manifest
from pipeline.console import warn
from pipeline.errors import InputError
from pipeline.executor import Pool, made_by, ordered_map
from pipeline.recipe import as_table

#: What an interrupted stage leaves.
PART = Kind("corpus part", 1, "make corpus")

_ARRAYS = ("documents", "lengths", "sentences", "signed", "signatures")
#: Settings that change nothing before the parts are put together; what [[sources]] says is in the raw text already.
_LATER = ("held_out", "shard_megabytes", "seed", "dump_mirror", "sources", "sentence_copies", "duplicate_documents")


@dataclass(frozen=True)
class Part:
    """A finished part: its folder, and what was counted."""

    folder: Path
    figures: Figures

    def documents(self) -> Iterator[tuple[list[str], str, str]]:
        """(document, where it stood, its source) in order."""
        with (self.folder / "places.tsv").open(encoding="utf-8", newline="\n") as lines:
            for document, line in zip(read_documents([self.folder / "text.txt"]), lines, strict=True):
                source, _, place = line.rstrip("\n").partition("\t")
                yield document, place, source

    def marks(self) -> Marks:
        """What duplicates are told by."""
        return Marks(*(np.load(self.folder / f"{name}.npy", allow_pickle=False) for name in _ARRAYS))

    @property
    def dropped(self) -> Drops:
        """What was left out."""
        return Drops(Counter(self.figures["dropped"]), [(a, b, c) for a, b, c in self.figures["examples"]])

    @property
    def personal(self) -> Counter[str]:
        """Personal data found, by kind."""
        return Counter(self.figures["personal"])


def refine_parts(
    documents: Iterable[RawDocument | None],
    settings: CorpusSettings,
    folder: Path,
    pool: Pool,
) -> Iterator[tuple[Part, bool]]:
    """Refine raw documents part by part into `folder`: (part, whether it had to be made), in order."""
    owners: deque[tuple[Path, Key, bool]] = deque()

    def work() -> Iterator[Batch]:
        for part in parts(documents):
            key = _key(part, settings)
            place = folder / key.made_from[:32]
            # An empty batch stands for a part that is there already: it keeps the order and costs nothing.
            batches: Sequence[Batch] = [()] if _is_whole(place) else part
            for number, batch in enumerate(batches, 1):
                owners.append((place, key, number == len(batches)))
                yield batch

    held: list[Refined] = []
    ours: set[Path] = set()
    for refined in ordered_map(pool, partial(refine, settings=settings), work()):
        place, key, last = owners.popleft()
        held.append(refined)
        if last:
            manifest, built = build(place, key, partial(_write, refined=held))
            held = []
            # The same text twice in one build is one part, and no earlier build's.
            ours |= {place} if built else set()
            yield Part(place, manifest.figures), place in ours


def _is_whole(place: Path) -> bool:
    """Whether a part is there with the bytes that were written; a torn one is removed, to be made again."""
    try:
        if read_manifest(place) is None:
            return False
        open_artifact(place, PART)
    except InputError as error:
        warn(f"{error}; it is made again")
        shutil.rmtree(place)
        return False
    return True


def _key(part: Sequence[Batch], settings: CorpusSettings) -> Key:
    table = {name: value for name, value in as_table(settings).items() if name not in _LATER}
    table["near"] = settings.looks_for_near_duplicates
    return PART.key({"corpus": table, "made_by": made_by()}, {"raw": fingerprint(part)})


def _write(workspace: Path, refined: Sequence[Refined]) -> Figures:
    dropped, personal = Drops(), Counter[str]()
    with (
        (workspace / "text.txt").open("w", encoding="utf-8", newline="\n") as text,
        (workspace / "places.tsv").open("w", encoding="utf-8", newline="\n") as places,
    ):
        for some in refined:
            dropped.merge(some.dropped)
            personal.update(some.personal)
            text.writelines("\n".join(document) + "\n\n" for document in some.documents)
            places.writelines(f"{source}\t{place}\n" for place, source in zip(some.places, some.sources, strict=True))
    for name in _ARRAYS:
        np.save(workspace / f"{name}.npy", np.concatenate([getattr(some.marks, name) for some in refined]))
    return {"dropped": dict(dropped.counts), "examples": dropped.examples, "personal": dict(personal)}
