"""What a run was made from, found by content: its examples, their tokenizer, their corpus; and who marked its weights.

A run names the content of its examples, those the content of corpus and tokenizer. What stands under the same name may
have been made anew since, from other text: it is then told as missing, never shown in the other's place. Nothing here
names a place on this machine, since it goes into a model card.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpora.document import CORPUS
from pipeline.artifact import MANIFEST, Kind, Manifest, canonical, find_artifact, read_manifest
from pipeline.errors import InputError
from pipeline.files import hash_file
from pretrain.prepared import EXAMPLES
from pretrain.start import START
from tokenizer.wordpiece import TOKENIZER

#: What goes along with a corpus, and with a model made from it.
ATTRIBUTION = "ATTRIBUTION.md"
_ROAD = ("corpus", "tokenizer", "examples", "pretrain", "export")
#: Figures that say how a mark was made or how sure it is, not what it is.
_ASIDE = re.compile(r"(?:^|_)(?:seconds|peak_memory_mb|seed|low|high|of|right)$")
_MOST_FIGURES = 24


@dataclass(frozen=True)
class Part:
    """An artifact that a run was made from; `manifest` and `folder` are None where `gap` says why."""

    stage: str
    folder: Path | None = None
    manifest: Manifest | None = None
    gap: str = ""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The section of the recipe that it was made by, {} if that is not known."""
        return self.manifest.settings.get(self.stage, {}) if self.manifest else {}

    @property
    def figures(self) -> Mapping[str, Any]:
        """The manifest's figures, {} if it is not known."""
        return self.manifest.figures if self.manifest else {}


@dataclass(frozen=True)
class Mark:
    """What a probe or a task found out about the weights: (name, number) pairs in their order; `kind`: of a task."""

    stage: str
    name: str
    figures: tuple[tuple[str, float], ...]
    kind: str = ""


@dataclass(frozen=True)
class Start:
    """The model that a run began from: its folder's name, and what was taken over of each part."""

    folder: str
    carried: Mapping[str, str]


@dataclass(frozen=True)
class Lineage:
    """All that is known of how a run came to be."""

    name: str
    run: Manifest
    examples: Part
    tokenizer: Part
    corpus: Part
    attribution: str
    start: Start | None = None
    marks: tuple[Mark, ...] = ()

    @property
    def gaps(self) -> list[str]:
        """Why parts are not known."""
        return [part.gap for part in (self.examples, self.tokenizer, self.corpus) if part.gap]

    @property
    def digest(self) -> str:
        """Stands for all of it in the key of what is made from it."""
        parts = [part.manifest.made_from if part.manifest else part.gap for part in (self.examples, self.tokenizer)]
        corpus = self.corpus.manifest
        told = [corpus.made_from, corpus.figures] if corpus else [self.corpus.gap]
        marks = [[mark.stage, mark.name, mark.figures] for mark in self.marks]
        whole = [
            self.name,
            self.run.made_from,
            self.run.figures,
            parts,
            told,
            self.attribution,
            self.start and [self.start.folder, self.start.carried],
            marks,
        ]
        return hashlib.sha256(canonical(whole).encode()).hexdigest()


def trace(run: Path, source: Manifest, weights: frozenset[str] = frozenset()) -> Lineage:
    """The lineage of the finished run at `run`, from the artifacts that lie beside it (`<root>/<stage>/<name>/`).

    `weights`: sha256 of the weights by which marks are known to be about them.
    """
    root, name = run.parent.parent, run.name
    examples = _find(root, EXAMPLES, name, source.inputs.get("examples"), "the run")
    inputs = examples.manifest.inputs if examples.manifest else {}
    tokenizer = _find(root, TOKENIZER, name, inputs.get("tokenizer"), "the examples")
    corpus = _find(root, CORPUS, name, inputs.get("corpus"), "the examples")
    marks = tuple(_marks(root, weights))
    return Lineage(name, source, examples, tokenizer, corpus, _attribution(corpus), _start(run), marks)


def recipe_of(lineage: Lineage) -> dict[str, dict[str, Any]]:
    """Section -> keys, of all stages that are known."""
    tables = {part.stage: dict(part.settings) for part in (lineage.corpus, lineage.tokenizer, lineage.examples)}
    if lineage.corpus.manifest and tables["corpus"]:
        names = lineage.corpus.manifest.settings.get("names", [])
        stated = [{key: value for key, value in known.items() if value} for known in names]
        tables["corpus"]["sources"] = [known for known in stated if set(known) - {"name"}]
    for section in ("model", "train"):
        tables[section] = dict(lineage.run.settings.get(section, {}))
    if lineage.start:
        tables["train"]["init_from"] = lineage.start.folder
    return {name: table for name, table in tables.items() if table}


def _start(run: Path) -> Start | None:
    path = run / START
    if not path.is_file():
        return None
    note = json.loads(path.read_text("utf-8"))
    return Start(Path(note["folder"]).name, {str(part): str(told) for part, told in note["carried"].items()})


def _find(root: Path, kind: Kind, name: str, content: str | None, maker: str) -> Part:
    """The artifact of this content: under the run's own name, else under any other."""
    stage = kind.stage
    if content is None:
        return Part(stage, gap=f"which {stage} was used is not known, since {maker} cannot be asked")
    found = find_artifact(root, kind, name, content)
    if found:
        return Part(stage, *found)
    what = "has another content than what was used" if _read(root / stage / name) else "is not there"
    return Part(stage, gap=f"`{stage}/{name}` {what} (content `{content[:12]}`)")


def _read(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except InputError:
        return None


def _attribution(corpus: Part) -> str:
    """The corpus's own page of sources, "" if there is none as it was written."""
    if corpus.folder is None or corpus.manifest is None:
        return ""
    path, record = corpus.folder / ATTRIBUTION, corpus.manifest.files.get(ATTRIBUTION)
    if record is None or hash_file(path) != record["sha256"]:
        return ""
    return path.read_text("utf-8")


def _marks(root: Path, weights: frozenset[str]) -> Iterator[Mark]:
    """Artifacts of other stages that had these weights among their inputs: probes name them `<folder>/<file>`, tasks
    `model <file>`."""
    for path in sorted(root.glob(f"[!.]*/[!.]*/{MANIFEST}")):
        stage, name = path.parent.parent.name, path.parent.name
        found = _read(path.parent) if stage not in _ROAD else None
        if found is None or not any(
            digest in weights and place.endswith("model.safetensors") for place, digest in found.inputs.items()
        ):
            continue
        asked = [place.split("/")[0] for place, digest in found.inputs.items() if digest in weights and "/" in place]
        figures = tuple(_numbers(_about(found.figures, asked)))[:_MOST_FIGURES]
        if figures:
            yield Mark(stage, name, figures, str(found.figures.get("kind", "")))


def _about(figures: Mapping[str, Any], names: list[str]) -> Mapping[str, Any]:
    """Of figures by model (`{model: {...}}`, maybe within `models`, or `model.what`) those of the model itself; else
    all."""
    for name in names:
        for table in (figures.get("models"), figures):
            if isinstance(table, Mapping) and isinstance(table.get(name), Mapping):
                return dict(table[name])
        # `v1.5.mrr` is no figure of v1.
        longer = tuple(f"{each}." for each in figures.get("models") or () if str(each).startswith(f"{name}."))
        own = {
            key.removeprefix(f"{name}."): value
            for key, value in figures.items()
            if key.startswith(f"{name}.") and not key.startswith(longer)
        }
        if own:
            return own
    return figures


def _numbers(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}, ")
        elif not _ASIDE.search(name) and type(value) in (int, float) and math.isfinite(value):
            yield f"{prefix}{name}", value
