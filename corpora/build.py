"""Stage `corpus`: raw text of any kind to clean documents of sentences.

    python -m corpora.build --corpus my.txt --recipe base --name law    (make corpus CORPUS=my.txt RECIPE=base NAME=law)

Writes `artifacts/corpus/<name>/`: `train-*.txt` and `heldout-*.txt` (one sentence a line, a blank line between
documents), `report.md`, `ATTRIBUTION.md`, `dropped.tsv` (some of what was left out, by reason) and `manifest.json`.
Fetched dumps and data sets lie in `artifacts/downloads/`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from corpora.assemble import Assembled, assemble
from corpora.clean import clean_line
from corpora.document import CORPUS, SPLITS
from corpora.drops import KEPT_CHARACTERS, SHOWN_CHARACTERS
from corpora.parts import Part, refine_parts
from corpora.privacy import redact
from corpora.report import FileRecord, attribution, report
from corpora.settings import CorpusSettings
from corpora.sources.names import SAMPLE, Source, find_sources
from corpora.sources.reading import Reading
from pipeline.artifact import Figures, Manifest, build
from pipeline.console import progress, say, table, warn
from pipeline.errors import InputError
from pipeline.executor import Workers, worker_pool
from pipeline.files import hash_file
from pipeline.recipe import as_table
from pipeline.stage import artifact_folder, read_recipe, read_workers, run_stage, stage_parser, workers_flags


def main(argv: list[str] | None) -> None:
    """Parse the command line, build the corpus if it is not there, say what came out."""
    parser = stage_parser("corpora.build", "Clean raw Korean text into documents of sentences.")
    parser.add_argument(
        "--corpus",
        nargs="+",
        default=[SAMPLE],
        metavar="SOURCE",
        help="files, folders or globs (text, JSONL, Parquet, MediaWiki XML; packed or not), kowiki[:YYYYMMDD], "
        f"hf:dataset[:config[:split]], or names that the recipe gives in [[corpus.sources]] (default: {SAMPLE})",
    )
    workers_flags(parser)
    arguments = parser.parse_args(argv)
    recipe = read_recipe(arguments)
    settings = recipe.section("corpus", CorpusSettings)
    folder = artifact_folder(arguments, CORPUS.stage, recipe)
    sources = find_sources(arguments.corpus, settings, Path(arguments.artifacts) / "downloads")
    manifest, built = build_corpus(sources, settings, folder, read_workers(arguments))
    if built:
        _tell(folder, manifest)
        if silent := sorted({source.known.name for source in sources if not source.known.licence}):
            say(f"  licence not stated: {', '.join(silent[:5])}; the recipe says it in [[corpus.sources]]")
    else:
        say(f"corpus: {folder} is up to date")


def build_corpus(
    sources: Sequence[Source], settings: CorpusSettings, folder: Path, workers: Workers
) -> tuple[Manifest, bool]:
    """The corpus artifact made from `sources`; see `pipeline.artifact.build`. Workers do not change the output.

    What is refined before an interruption or an error lies beside `folder` and is used by the next build.
    """
    before = [_state(source.path) for source in sources]
    hashes = [hash_file(source.path) for source in sources]
    inputs = {
        f"{place:06} {source.label}": content
        for place, (source, content) in enumerate(zip(sources, hashes, strict=True))
    }
    table = {name: value for name, value in as_table(settings).items() if name != "sources"}
    key = CORPUS.key({"corpus": table, "names": _named(sources)}, inputs)
    unfinished = folder.parent / f".{folder.name}.parts"

    def make(workspace: Path) -> Figures:
        reading = Reading(sources, settings)
        parts = _refine(reading, sources, settings, unfinished, workers)
        for source, state in zip(sources, before, strict=True):
            if _state(source.path) != state:
                raise InputError(f"{source.path} was changed while it was read; run this again")
        made = assemble(parts.all, settings, workspace)
        made.dropped.merge(reading.dropped)
        if not made.splits["train"]["documents"]:
            raise InputError(_nothing_left(sources, made))
        _show_nothing_personal(made, settings)
        files = [
            FileRecord(source.label, reading.formats[source.label], source.path.stat().st_size, content)
            for source, content in zip(sources, hashes, strict=True)
        ]
        _write(workspace, settings, sources, files, made)
        return {
            **made.splits,
            "runs": made.runs,
            "dropped": dict(sorted(made.dropped.counts.items())),
            "personal": dict(sorted(made.personal.items())),
            "formats": reading.formats,
            "bytes_read": sum(file.bytes for file in files),
            "parts": {"made": parts.made, "found": len(parts.all) - parts.made},
        }

    return build(folder, key, make, after=partial(shutil.rmtree, unfinished, ignore_errors=True))


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when a file does."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@dataclass
class _Parts:
    """All parts in order, and how many of them had to be made."""

    all: list[Part]
    made: int = 0


def _refine(
    reading: Reading, sources: Sequence[Source], settings: CorpusSettings, folder: Path, workers: Workers
) -> _Parts:
    parts = _Parts([])
    total = sum(source.path.stat().st_size for source in sources)
    with worker_pool(workers) as pool, progress("corpus", total) as advance:
        documents = reading.documents(advance)
        for part, made in refine_parts(documents, settings, folder, pool):
            parts.all.append(part)
            parts.made += made
    if found := len(parts.all) - parts.made:
        say(f"corpus: {found} of {len(parts.all)} parts were there from an earlier, unfinished build")
    return parts


def _named(sources: Sequence[Source]) -> list[dict[str, str]]:
    """What is known of each source as named: it goes into the report, so a change of it makes a new one.

    Where it lies does not: a moved file is the same.
    """
    return list({source.known.name: as_table(replace(source.known, path="")) for source in sources}.values())


def _show_nothing_personal(made: Assembled, settings: CorpusSettings) -> None:
    """Examples are shown to people: what is taken out of the corpus must not stand beside it."""
    shown = []
    for reason, place, text in made.dropped.examples:
        # What was cut off there may have been half a number.
        whole = text if len(text) < KEPT_CHARACTERS else text[:-SHOWN_CHARACTERS]
        cleaned = clean_line(whole)
        if settings.privacy != "keep":
            place, cleaned = redact(place)[0], redact(cleaned)[0]
        shown.append((reason, place, cleaned[:SHOWN_CHARACTERS]))
    made.dropped.examples = sorted(shown)


def _write(
    workspace: Path,
    settings: CorpusSettings,
    sources: Sequence[Source],
    files: Sequence[FileRecord],
    made: Assembled,
) -> None:
    lines = ["\t".join(example) for example in made.dropped.examples]
    (workspace / "dropped.tsv").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    (workspace / "report.md").write_text(report(settings, sources, files, made), "utf-8")
    (workspace / "ATTRIBUTION.md").write_text(attribution(sources), "utf-8")


def _nothing_left(sources: Sequence[Source], made: Assembled) -> str:
    names = ", ".join(str(source.path) for source in sources[:3]) + (" ..." if len(sources) > 3 else "")
    reasons = ", ".join(
        f"{count} {reason}" for reason, count in sorted(made.dropped.counts.items()) if reason != "empty_document"
    )
    if not reasons:
        return f"no text in {names}"
    keys = {"too_short": "min_chars", "too_long": "max_chars", "little_hangul": "min_hangul"}
    looked = [key for reason, key in keys.items() if reason in made.dropped.counts]
    return f"nothing is left of {names}: dropped {reasons}" + (f"; see [corpus] {', '.join(looked)}" if looked else "")


def _tell(folder: Path, manifest: Manifest) -> None:
    figures = manifest.figures
    rows = [
        (split, *(f"{figures[split][unit]:,}" for unit in ("documents", "sentences", "characters", "bytes")))
        for split in SPLITS
    ]
    table(f"corpus -> {folder}", ("split", "documents", "sentences", "characters", "bytes"), rows)
    for name, layout in list(figures["formats"].items())[:5]:
        say(f"  {name}: read as {layout}")
    for reason, count in figures["dropped"].items():
        say(f"  dropped {count:,} {reason}")
    for kind, count in figures["personal"].items():
        say(f"  found {count:,} {kind} (personal data)")
    size = figures["bytes_read"] / 1e6
    speed = size / max(figures["seconds"], 0.01)
    say(f"  {size:,.1f} MB of files in {figures['seconds']:.1f} s, {speed:.1f} MB/s; {folder / 'report.md'} tells more")
    if not figures["heldout"]["documents"]:
        warn("too few documents to hold any out: training will run without evaluation")


if __name__ == "__main__":
    run_stage(main)
