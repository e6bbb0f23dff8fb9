"""What artifacts there are of a run: each found by what it was made from, not by its name alone.

A run names the content of its examples, those the content of their corpus and tokenizer: so a page never shows the
corpus that stands there now for the one that was trained on. What is absent or damaged is told, not hidden.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpora.document import CORPUS
from pipeline.artifact import MANIFEST, Kind, Manifest, find_artifact, open_artifact, read_manifest
from pipeline.errors import InputError
from pipeline.files import hash_file
from pretrain.metrics import METRICS, Record, read_metrics
from pretrain.prepared import EXAMPLES
from pretrain.rundir import PRETRAIN, RUN
from tokenizer.wordpiece import TOKENIZER

#: Probes that mark a model, by the folder they write, and what makes each.
MARKS = {
    "josa": "make josa",
    "cloze": "make cloze",
    "nextsentence": "make nextsentence",
    "leaks": "make leaks",
}
#: From here on a value of a curve is none: with double precision's largest, the width of a scale would be infinite.
_ENDLESS = 1e100
_KINDS = {kind.stage: kind for kind in (CORPUS, TOKENIZER, EXAMPLES, PRETRAIN)}


@dataclass(frozen=True)
class Part:
    """An artifact of a run. `manifest` is None if it is absent or `problem` says why; `digest` stands for all shown."""

    stage: str
    folder: Path
    manifest: Manifest | None = None
    problem: str = ""
    digest: str = ""

    @property
    def figures(self) -> dict[str, Any]:
        """The manifest's figures; none for what is not there."""
        return self.manifest.figures if self.manifest else {}

    @property
    def settings(self) -> dict[str, Any]:
        """The manifest's settings; none for what is not there."""
        return self.manifest.settings if self.manifest else {}

    @property
    def inputs(self) -> dict[str, str]:
        """The manifest's inputs; none for what is not there."""
        return self.manifest.inputs if self.manifest else {}

    def text(self, name: str) -> str:
        """A text file of it, "" where there is none."""
        path = self.folder / name
        return path.read_text("utf-8", "replace") if self.manifest and path.is_file() else ""


@dataclass(frozen=True)
class Run:
    """All that is known of one run. `records`: its metrics; `damage`: why they end early, "" if they do not.

    `answers`: what `probes.ask` wrote, as JSON. `going`: settings of a run that has not ended.
    """

    name: str
    parts: Mapping[str, Part]
    marks: tuple[Part, ...]
    tasks: tuple[Part, ...]
    records: tuple[Record, ...]
    damage: str
    answers: Any
    going: Mapping[str, Any]
    digests: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, stage: str) -> Part:
        """The part that a stage made."""
        return self.parts[stage]

    @property
    def settings(self) -> Mapping[str, Any]:
        """[model] and [train], of a run that ended or is going on."""
        return self["pretrain"].settings or self.going


def gather(artifacts: Path, name: str) -> Run:
    """The run `name` under `artifacts`; raises InputError if nothing of that name is there."""
    stages = ("pretrain", "examples", "tokenizer", "corpus", "export")
    if not any((artifacts / stage / name).is_dir() for stage in stages):
        there = sorted({path.name for path in artifacts.glob("pretrain/[!.]*") if path.is_dir()})
        raise InputError(f"{artifacts} holds nothing of a run {name!r}; its runs: {', '.join(there) or 'none'}")
    pretrain = _part(artifacts, "pretrain", name)
    going = _going(pretrain)
    inputs = pretrain.inputs or going.get("inputs", {})
    examples = _source(artifacts, "examples", name, inputs.get("examples"), pretrain)
    tokenizer = _source(artifacts, "tokenizer", name, examples.inputs.get("tokenizer"), examples)
    corpus = _source(
        artifacts, "corpus", name, examples.inputs.get("corpus") or tokenizer.inputs.get("corpus"), examples
    )
    export = _part(artifacts, "export", name)
    parts = {part.stage: part for part in (corpus, tokenizer, examples, pretrain, export)}
    marks = tuple(_part(artifacts, stage, name) for stage in MARKS)
    tasks = tuple(_tasks(artifacts, export))
    metrics = pretrain.folder / METRICS
    records, damage = read_curves(metrics)
    answers, answered = _answers(artifacts / "probe" / name / "report.json")
    digests = {f"{part.stage}/{part.folder.name}": part.digest for part in (*parts.values(), *marks, *tasks)}
    digests |= {"metrics": hash_file(metrics) if metrics.is_file() else "", "answers": answered}
    settings = going.get("settings", {})
    return Run(name, parts, marks, tasks, records, damage, answers, settings, {k: v for k, v in digests.items() if v})


def read_curves(path: Path) -> tuple[tuple[Record, ...], str]:
    """The records of `metrics.jsonl`, and what is wrong with the first line that is none ("" if all are well).

    Values that are no finite numbers are left out. A last line that a crash cut off is no damage.
    """
    try:
        found = read_metrics(path)
        lines = path.read_text("utf-8").splitlines(keepends=True) if path.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        return (), f"{path} cannot be read: {error}"
    records: list[Record] = []
    for number, record in enumerate(found, 1):
        if not isinstance(record, dict) or not _finite(record.get("step")):
            return tuple(records), f"{path}, line {number}: no record of a step; what follows is not shown"
        records.append({name: value for name, value in record.items() if _finite(value)})
    if len(found) < len(lines) and not (len(found) == len(lines) - 1 and not lines[-1].endswith("\n")):
        return tuple(records), f"{path}, line {len(found) + 1} is damaged; what follows is not shown"
    return tuple(records), ""


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _ENDLESS


def _part(artifacts: Path, stage: str, name: str) -> Part:
    folder = artifacts / stage / name
    try:
        found = read_manifest(folder)
        if found is None:
            return Part(stage, folder)
        kind = _KINDS.get(stage) or Kind(stage, found.format, f"make {stage}")
        manifest = open_artifact(folder, kind)
    except InputError as error:
        return Part(stage, folder, None, str(error), f"problem: {error}")
    return Part(stage, folder, manifest, "", hash_file(folder / MANIFEST))


def _source(artifacts: Path, stage: str, name: str, content: str | None, after: Part) -> Part:
    """The artifact of `content` that `after` was made from; by name alone where nothing says its content."""
    own = _part(artifacts, stage, name)
    if content is None or (own.manifest and own.manifest.content == content):
        return own
    found = find_artifact(artifacts, _KINDS[stage], name, content)
    if found:
        return _part(artifacts, stage, found[0].name)
    told = f"the {stage} that {after.folder} was made from (content {content[:12]}) is not in {artifacts / stage}"
    return Part(stage, artifacts / stage / name, None, own.problem or told, own.digest or "absent")


def _tasks(artifacts: Path, export: Part) -> Iterator[Part]:
    """Fine-tunings that began from this export, or from its shape with random weights."""
    if export.manifest is None:
        return
    own = {f"model {name}": record["sha256"] for name, record in export.manifest.files.items()}
    for path in sorted((artifacts / "finetune").glob(f"[!.]*/{MANIFEST}")):
        part = _part(artifacts, "finetune", path.parent.name)
        model = {name: digest for name, digest in part.inputs.items() if name.startswith("model ")}
        if model and model.items() <= own.items():
            yield part


def _going(pretrain: Part) -> dict[str, Any]:
    """`run.json` of a run that has no manifest yet."""
    path = pretrain.folder / RUN
    if pretrain.manifest is not None or not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _answers(path: Path) -> tuple[Any, str]:
    """What a model answered, and its digest; None where nothing readable is there."""
    try:
        return json.loads(path.read_text("utf-8")), hash_file(path)
    except (OSError, ValueError):
        return None, ""
