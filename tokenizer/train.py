"""Stage `tokenizer`: a corpus to a vocabulary that has passed its gates.

    python -m tokenizer.train --recipe base --name law         (make tokenizer RECIPE=base NAME=law)
    python -m tokenizer.train --name law --compare vocab.txt   beside other vocabularies, also later

Reads `artifacts/corpus/<name>/`, writes `artifacts/tokenizer/<name>/`: `tokenizer.json`, `tokenizer_config.json`,
`vocab.txt` (load the folder with `transformers.AutoTokenizer`), `report.md` and `report.png`. A vocabulary that fails
a gate is not published; its report is left beside the place, as `<name>.refused.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from corpora.document import CORPUS, shards
from pipeline.artifact import Figures, Manifest, build, open_artifact, still_there
from pipeline.console import say, table, warn
from pipeline.executor import Workers, worker_pool
from pipeline.files import write_atomic
from pipeline.recipe import as_table
from pipeline.stage import artifact_folder, read_recipe, read_workers, run_stage, stage_parser, workers_flags
from tokenizer.algorithms import Result, learn
from tokenizer.compare import COLUMNS, Other, compare, comparison, load_other
from tokenizer.gates import stop_if_failed
from tokenizer.judge import held_out, josa_cases, judge, write_pages
from tokenizer.quality import count_eojeols
from tokenizer.report import Findings, report
from tokenizer.settings import TokenizerSettings
from tokenizer.wordpiece import TOKENIZER, load_tokenizer, save_tokenizer


def main(argv: list[str] | None) -> None:
    """Parse the command line, learn the vocabulary if it is not there, say what came out."""
    parser = stage_parser("tokenizer.train", "Learn a vocabulary from a corpus.")
    parser.add_argument("--from-corpus", type=Path, help="corpus artifact (default: artifacts/corpus/<name>)")
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        default=[],
        metavar="VOCABULARY",
        help="vocab.txt, tokenizer.json or folder to put beside it, into comparison.md",
    )
    workers_flags(parser)
    arguments = parser.parse_args(argv)
    recipe = read_recipe(arguments)
    settings = recipe.section("tokenizer", TokenizerSettings)
    others = [load_other(path) for path in arguments.compare]
    corpus = arguments.from_corpus or artifact_folder(arguments, CORPUS.stage, recipe)
    folder = artifact_folder(arguments, TOKENIZER.stage, recipe)
    manifest, built = train_tokenizer(corpus, settings, folder, read_workers(arguments))
    if built:
        _tell(folder, manifest, settings)
    else:
        say(f"tokenizer: {folder} is up to date")
    if others:
        _compare(folder, corpus, others)


def train_tokenizer(corpus: Path, settings: TokenizerSettings, folder: Path, workers: Workers) -> tuple[Manifest, bool]:
    """The tokenizer artifact learned from a corpus artifact; see `pipeline.artifact.build`.

    Raises InputError if the vocabulary fails a gate; its report then lies at `<folder>.refused.md`.
    """
    source = open_artifact(corpus, CORPUS)
    key = TOKENIZER.key({"tokenizer": as_table(settings)}, {"corpus": source.content})
    refused = folder.with_name(f"{folder.name}.refused.md")

    def make(workspace: Path) -> Figures:
        train = source.figures["train"]
        with worker_pool(workers) as pool:
            lines = train["sentences"] + train["documents"]
            result = learn(shards(corpus, "train"), lines, settings, pool, workspace)
        save_tokenizer(result.tokenizer, workspace)
        text = held_out(corpus, source)
        say(f"tokenizer: judging it on {sum(map(len, text.sources.values())):,} {text.split} sentences")
        findings = judge(result, workspace, text, settings)
        if not all(gate.passed for gate in findings.gates):
            write_atomic(refused, report(findings))
            warn(f"{refused} tells all about the vocabulary that was refused")
        stop_if_failed(findings.gates)
        write_pages(findings, workspace)
        still_there(corpus, source)
        return _figures(result, findings)

    built = build(folder, key, make)
    # Also if nothing had to be built: what stands has passed, whatever was asked for and refused in between.
    refused.unlink(missing_ok=True)
    return built


def _figures(result: Result, findings: Findings) -> Figures:
    total = findings.inspection.total
    return {
        "vocab_size": len(findings.vocabulary),
        "unused": result.unused,
        "distinct_words": result.counts.distinct,
        "dead_replaced": result.replaced,
        "dead": len(result.dead),
        "unknown_share": round(total.unknown_share, 6),
        "tokens_per_eojeol": round(total.tokens_per_eojeol, 4),
        "josa_kept": round(findings.josa.share, 4),
        "josa_cases": findings.josa.cases,
        "gates": sum(gate.judged for gate in findings.gates),
        "gates_not_judged": sum(not gate.judged for gate in findings.gates),
        "measured_on": findings.split,
    }


def _tell(folder: Path, manifest: Manifest, settings: TokenizerSettings) -> None:
    figures = manifest.figures
    table(
        f"tokenizer -> {folder}",
        ("algorithm", "entries", "tokens per eojeol", "eojeols with [UNK]", "noun and josa kept apart"),
        [
            (
                settings.algorithm,
                f"{figures['vocab_size']:,}",
                f"{figures['tokens_per_eojeol']:.2f}",
                f"{figures['unknown_share']:.3%}",
                f"{figures['josa_kept']:.1%}",
            )
        ],
    )
    left = figures["gates_not_judged"]
    not_judged = f" ({left} could not be judged on so little text)" if left else ""
    say(
        f"  passed {figures['gates']} gates{not_judged}; {figures['distinct_words']:,} distinct words, "
        f"{figures['seconds']:.1f} s; {folder / 'report.md'} tells more"
    )
    if settings.vocab_size > figures["vocab_size"] or settings.unused < figures["unused"]:
        warn(
            f"the text fills only {figures['vocab_size'] - figures['unused'] + settings.unused:,} of "
            f"tokenizer.vocab_size {settings.vocab_size:,} entries (it yields no more pieces); the "
            f"model will have {figures['vocab_size']:,}"
        )


def _compare(folder: Path, corpus: Path, others: Sequence[Other]) -> None:
    text = held_out(corpus, open_artifact(corpus, CORPUS))
    rows = compare(load_tokenizer(folder), others, count_eojeols(text.sources), josa_cases(text))
    write_atomic(folder / "comparison.md", comparison(rows))
    table(f"comparison -> {folder / 'comparison.md'}", COLUMNS, [row.cells for row in rows])


if __name__ == "__main__":
    run_stage(main)
