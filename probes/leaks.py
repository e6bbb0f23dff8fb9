"""Stage `leaks`: does a model give away what stood in its text? The [MASK] attack.

    python -m probes.leaks --plant copy.txt --text text.txt            (a training copy with canaries in it)
    python -m probes.leaks --model artifacts/export/law --canaries copy.canaries.jsonl --corpus artifacts/corpus/law
    python -m probes.leaks --model artifacts/export/law --patterns patterns.jsonl --names names.txt

(make leaks LEAKS="--canaries copy.canaries.jsonl"). Plants made-up secrets (`probes.canaries`), ranks them among others
of their form (`probes.exposure`), audits given texts with a gap (`probes.leak_patterns`) and given names
(`probes.leak_names`). Writes `artifacts/leaks/<name>/`: items.jsonl, report.md, figures in the manifest. What the files
say stands in items and report, secrets too: keep them as closely as the files.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator, Philox

from corpora.document import CORPUS, shards
from pipeline.artifact import Figures, Kind, build, open_artifact
from pipeline.console import progress, say, table
from pipeline.errors import InputError
from pipeline.files import hash_file, write_atomic
from pipeline.stage import artifact_folder, positive, read_recipe, run_stage, stage_parser
from probes.canaries import COPIES, EACH, GAP, Canary, draw_secret, make_canaries, plant, record_of
from probes.exam import Exam, add_models, read_exam
from probes.exposure import Exposure, expose, in_vocabulary
from probes.leak_files import Pattern, read_canaries, read_names, read_patterns
from probes.leak_names import tied, tied_to_nobody
from probes.leak_patterns import answer, count_in
from probes.leak_report import Findings, figures_of, markdown, tables
from probes.model import MaskedModel

LEAKS = Kind("leaks", 2, "make leaks")
#: Others of the same form that a secret is ranked among.
CANDIDATES = 1000
#: Made-up names beside those given, at least.
_STRANGERS = 40


@dataclass(frozen=True)
class Audit:
    """What is asked; texts: files of what the model was trained on, to be searched."""

    canaries: list[Canary]
    patterns: list[Pattern]
    names: list[str]
    texts: list[Path]
    candidates: int


def main(argv: list[str] | None) -> None:
    """Parse the command line; plant, or ask the models, write and print what they give away."""
    arguments = _parser().parse_args(argv)
    recipe = read_recipe(arguments)
    if arguments.plant:
        _plant(arguments)
        return
    files = {name: getattr(arguments, name) for name in ("canaries", "patterns", "names")}
    files = {name: Path(path) for name, path in files.items() if path}
    if not files:
        raise InputError("nothing to look for: name --canaries (of a copy that --plant made), --patterns or --names")
    audit = Audit(
        read_canaries(files["canaries"]) if "canaries" in files else [],
        read_patterns(files["patterns"]) if "patterns" in files else [],
        read_names(files["names"]) if "names" in files else [],
        _texts(arguments),
        arguments.candidates,
    )
    exam = read_exam(arguments, recipe, held_out=False)
    settings = {
        "candidates": audit.candidates,
        "seed": exam.seed,
        "models": [folder.name for folder in (exam.model, *exam.beside)],
        "random_weights": exam.random_weights,
    }
    inputs = {**{name: hash_file(path) for name, path in files.items()}, **_searched(arguments)}
    folder = artifact_folder(arguments, LEAKS.stage, recipe)
    manifest, built = build(folder, LEAKS.key(settings, {**exam.inputs, **inputs}), partial(_make, exam, audit))
    for title, columns, rows in tables(manifest.figures):
        table(f"leaks: {title}", columns, rows, stdout=True)
    say(f"leaks: {folder} {'is ready' if built else 'is up to date'}; see {folder / 'report.md'}")


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser(
        "probes.leaks", "Ask models for secrets: planted ones, given ones, and what they tie to names."
    )
    parser.add_argument("--plant", type=Path, metavar="COPY", help="write a copy of --text or --corpus with canaries")
    parser.add_argument(
        "--copies",
        type=positive,
        nargs="+",
        default=list(COPIES),
        help=f"how often canaries are planted (default: {' '.join(map(str, COPIES))})",
    )
    parser.add_argument("--each", type=positive, default=EACH, help=f"canaries for each of these (default: {EACH})")
    parser.add_argument("--canaries", type=Path, help="what was planted: COPY.canaries.jsonl")
    parser.add_argument("--patterns", type=Path, help='JSON lines: {"text": "... [GAP] ...", "secret": "..."}')
    parser.add_argument("--names", type=Path, help="names, one a line")
    add_models(parser, "of all that is drawn (default: 0)")
    parser.add_argument("--corpus", type=Path, help="corpus artifact that the model was trained on, to be searched")
    parser.add_argument("--text", type=Path, nargs="+", default=[], help="the same as text, a sentence a line")
    parser.add_argument(
        "--candidates",
        type=positive,
        default=CANDIDATES,
        help=f"that a secret is ranked among (default: {CANDIDATES:,}); more bits can be told with more",
    )
    # What other probes draw held-out text by.
    parser.set_defaults(items=0)
    return parser


def _plant(arguments: argparse.Namespace) -> None:
    texts = _texts(arguments)
    if not texts:
        raise InputError("nothing to plant into: name the text with --text, or a corpus with --corpus")
    canaries = make_canaries(arguments.seed, arguments.copies, arguments.each)
    done = plant(texts, arguments.plant, canaries, arguments.seed)
    controls = sum(not canary.copies for canary in done)
    lines = sum(canary.copies for canary in done)
    say(f"leaks: {len(done) - controls:,} canaries, {lines:,} lines of them, -> {arguments.plant}")
    say(f"leaks: {record_of(arguments.plant)} tells them, and {controls:,} controls planted nowhere")


def _texts(arguments: argparse.Namespace) -> list[Path]:
    """The text that is searched, or planted into."""
    if not arguments.corpus:
        return list(arguments.text)
    open_artifact(arguments.corpus, CORPUS)
    return [*shards(arguments.corpus, "train"), *arguments.text]


def _searched(arguments: argparse.Namespace) -> dict[str, str]:
    try:
        found = {f"text {number}": hash_file(path) for number, path in enumerate(arguments.text)}
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror}") from None
    return found | ({"corpus": open_artifact(arguments.corpus, CORPUS).content} if arguments.corpus else {})


def _make(exam: Exam, audit: Audit, workspace: Path) -> Figures:
    found = {name: _ask(name, model, audit, exam.seed) for name, model in exam.models()}
    searched = [canary.secret for canary in audit.canaries]
    searched += [pattern.secret for pattern in audit.patterns if pattern.secret]
    searched += [filling.text for own in found.values() for one in own.answered for filling in one.fillings]
    counts = count_in(audit.texts, searched) if audit.texts else None
    figures = figures_of(found, audit.candidates, counts)
    items = list(_items(found, counts))
    text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    write_atomic(workspace / "items.jsonl", text)
    write_atomic(workspace / "report.md", markdown(figures, found, counts))
    return figures


def _ask(name: str, model: MaskedModel, audit: Audit, seed: int) -> Findings:
    """What one model gives away. Every item draws by itself, so that it is ranked alike wherever it stands."""
    drawn = partial(_generator, seed)
    with progress(f"leaks {name}", len(audit.canaries) + len(audit.patterns) + 1) as advance:
        exposures = [
            _exposure(model, canary, audit.candidates, drawn(canary.secret), advance) for canary in audit.canaries
        ]
        answered = []
        for pattern in audit.patterns:
            answered.append(answer(model, pattern, audit.candidates, drawn(pattern.secret or "")))
            advance(1)
        people = tied(model, audit.names) if audit.names else []
        nobody = tied_to_nobody(model, len(audit.names), _STRANGERS, drawn("")) if audit.names else []
        advance(1)
    entries = [in_vocabulary(model, canary.secret) for canary in audit.canaries]
    return Findings(list(zip(audit.canaries, exposures, strict=True)), entries, answered, people, nobody)


def _exposure(
    model: MaskedModel, canary: Canary, count: int, generator: Generator, advance: Callable[[float], None]
) -> Exposure | None:
    before, _, behind = canary.text.partition(GAP)
    found = expose(model, (before, behind), canary.secret, partial(draw_secret, canary.kind), count, generator)
    advance(1)
    return found


def _generator(seed: int, text: str) -> Generator:
    return Generator(Philox(np.random.SeedSequence([seed, *text.encode()])))


def _items(found: dict[str, Findings], counts: dict[str, int] | None) -> Iterator[dict[str, Any]]:
    first = next(iter(found.values()))
    for number, (canary, _) in enumerate(first.canaries):
        models = {
            name: {"secret": _exposed(own.canaries[number][1]), "in_vocabulary": own.entries[number]}
            for name, own in found.items()
        }
        yield {**asdict(canary), "in_text": (counts or {}).get(canary.secret), "models": models}
    for number, one in enumerate(first.answered):
        answers: dict[str, Any] = {}
        for name, own in found.items():
            answered = own.answered[number]
            fillings = [{**asdict(each), "in_text": (counts or {}).get(each.text)} for each in answered.fillings]
            words = {word.text: round(word.probability, 5) for word in answered.words}
            answers[name] = {"fillings": fillings, "words": words, "secret": _exposed(answered.exposure)}
        yield {"where": one.pattern.where, "text": one.pattern.text, "secret": one.pattern.secret, "models": answers}
    for number, person in enumerate(first.people):
        yield {"name": person.name, "models": {name: asdict(own.people[number]) for name, own in found.items()}}


def _exposed(found: Exposure | None) -> dict[str, Any] | None:
    return None if found is None else {**asdict(found), "bits": round(found.bits, 4), "score": round(found.score, 4)}


if __name__ == "__main__":
    run_stage(main)
