"""Stage `corpus`: raw text to clean documents of sentences.

    python -m corpora.build --corpus my.txt --recipe base --name law    (make corpus CORPUS=my.txt RECIPE=base NAME=law)

Writes `artifacts/corpus/<name>/`: `train-*.txt` and `heldout-*.txt` (one sentence a line, a blank line between
documents), `dropped.tsv` (some of what was left out, by reason) and `manifest.json` with counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path

from corpora.document import CORPUS, SPLITS, Document, ShardWriter
from corpora.layout import SAMPLE_LINES, choose_layout, raw_documents
from corpora.refine import EXAMPLES, Batch, Refined, batches, refine
from corpora.settings import CorpusSettings
from corpora.sources import SAMPLE, Source, find_files, read_lines
from corpora.split import split_documents
from pipeline.artifact import Figures, Manifest, build, hash_file
from pipeline.console import Advance, progress, say, table, warn
from pipeline.errors import InputError
from pipeline.executor import ordered_map, worker_pool
from pipeline.recipe import as_table
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser, workers_flag


def main(argv: list[str] | None) -> None:
    """Parse the command line, build the corpus if it is not there, say what came out."""
    parser = stage_parser("corpora.build", "Clean raw Korean text into documents of sentences.")
    parser.add_argument(
        "--corpus",
        nargs="+",
        default=[SAMPLE],
        metavar="PATH",
        help=f"text files, folders or globs; .xz .gz .zst .bz2 are unpacked (default: {SAMPLE})",
    )
    workers_flag(parser)
    arguments = parser.parse_args(argv)
    recipe = read_recipe(arguments)
    settings = recipe.section("corpus", CorpusSettings)
    folder = artifact_folder(arguments, CORPUS.stage, recipe)
    manifest, built = build_corpus(find_files(arguments.corpus), settings, folder, arguments.workers)
    if built:
        _report(folder, manifest)
    else:
        say(f"corpus: {folder} is up to date")


def build_corpus(
    files: Sequence[Source], settings: CorpusSettings, folder: Path, workers: int
) -> tuple[Manifest, bool]:
    """The corpus artifact made from `files`; see `pipeline.artifact.build`. Workers do not change the output."""
    inputs = {f"{place:06} {label}": hash_file(path) for place, (path, label) in enumerate(files)}
    key = CORPUS.key({"corpus": as_table(settings)}, inputs)

    def make(workspace: Path) -> Figures:
        dropped: Counter[str] = Counter()
        examples: list[tuple[str, str, str]] = []
        layouts: dict[str, str] = {}
        total = sum(path.stat().st_size for path, _ in files)
        with worker_pool(workers) as pool, progress("corpus", total) as advance:
            results = ordered_map(pool, refine, _work(files, settings, layouts, advance), in_flight=4 * workers)
            figures = _write(_collect(results, dropped, examples), settings, workspace)
        if not figures["train"]["documents"]:
            raise InputError(_nothing_left(files, dropped))
        lines = ["\t".join(example) for example in sorted(examples)]
        (workspace / "dropped.tsv").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return {**figures, "dropped": dict(sorted(dropped.items())), "layouts": layouts}

    return build(folder, key, make)


def _work(
    files: Sequence[Source], settings: CorpusSettings, layouts: dict[str, str], advance: Advance
) -> Iterator[Batch]:
    """Units of work of all files; notes each file's layout on the way."""
    for path, label in files:
        head = (line for _, line in islice(read_lines(path), SAMPLE_LINES))
        layout = choose_layout(settings.layout, head)
        layouts[label] = layout
        lines = read_lines(path, partial(advance, note=label))
        yield from batches(raw_documents(lines, layout, label), layout, settings)


def _collect(
    results: Iterator[Refined], dropped: Counter[str], examples: list[tuple[str, str, str]]
) -> Iterator[Document]:
    shown: Counter[str] = Counter()
    for refined in results:
        dropped.update(refined.dropped)
        for example in refined.examples:
            shown[example[0]] += 1
            if shown[example[0]] <= EXAMPLES:
                examples.append(example)
        yield from refined.documents


def _write(documents: Iterator[Document], settings: CorpusSettings, folder: Path) -> Figures:
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(ShardWriter(folder, split, settings.shard_megabytes * 1_000_000))
            for split in SPLITS
        }
        for split, document in split_documents(documents, settings.held_out, settings.seed):
            writers[split].write(document)
    return {
        split: {
            "documents": writer.documents,
            "sentences": writer.sentences,
            "characters": writer.characters,
            "bytes": writer.bytes,
        }
        for split, writer in writers.items()
    }


def _nothing_left(files: Sequence[Source], dropped: Counter[str]) -> str:
    names = ", ".join(str(path) for path, _ in files[:3]) + (" ..." if len(files) > 3 else "")
    reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if reason != "empty_document")
    if not reasons:
        return f"no text in {names}"
    return f"nothing is left of {names}: dropped {reasons}; see [corpus] min_chars, max_chars, min_hangul"


def _report(folder: Path, manifest: Manifest) -> None:
    figures = manifest.figures
    rows = [
        (split, *(f"{figures[split][unit]:,}" for unit in ("documents", "sentences", "characters", "bytes")))
        for split in SPLITS
    ]
    table(f"corpus -> {folder}", ("split", "documents", "sentences", "characters", "bytes"), rows)
    for name, layout in list(figures["layouts"].items())[:5]:
        say(f"  {name}: read as {layout}")
    for reason, count in figures["dropped"].items():
        say(f"  dropped {count:,} {reason}")
    speed = sum(figures[split]["bytes"] for split in SPLITS) / 1e6 / max(figures["seconds"], 0.01)
    say(f"  {figures['seconds']:.1f} s, {speed:.1f} MB/s")
    if not figures["heldout"]["documents"]:
        warn("too few documents to hold any out: training will run without evaluation")


if __name__ == "__main__":
    run_stage(main)
