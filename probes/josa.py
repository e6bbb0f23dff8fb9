"""Stage `josa`: does a model know which form of a josa a noun takes? Minimal pairs from held-out sentences.

    python -m probes.josa --model artifacts/export/law --beside other/model

(make josa).

Writes `artifacts/josa/<name>/`: pairs.jsonl (a pair a line with every model's scores), report.md, figures in the
manifest. Every model judges the same pairs. The table is printed on standard output.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifact import Figures, Kind, build
from pipeline.console import duration, progress, say, table
from pipeline.errors import InputError
from pipeline.files import write_atomic
from pipeline.stage import artifact_folder, positive, read_recipe, run_stage
from probes.exam import Exam, exam_parser, read_exam
from probes.grammar_pairs import grammar_pairs
from probes.josa_pairs import josa_pairs
from probes.judgement import Verdict, by_kind, judge
from probes.likelihood import Way
from probes.pair_report import kinds_table, markdown
from probes.pairs import Found, find_pairs

JOSA = Kind("josa", 1, "make josa")
ITEMS = 500
#: Tokens of the longest sentence: one of n is read n times, so that its cost grows with the square of its length.
LONGEST = 32
#: Most sentences that are analysed: the analyser reads hundreds a second.
_SENTENCES = 20_000


def main(argv: list[str] | None) -> None:
    """Parse the command line, make the pairs, ask the models, write and print what they know."""
    parser = exam_parser("probes.josa", "Ask models to tell real sentences from such with a wrong josa.", ITEMS)
    parser.add_argument(
        "--way",
        choices=("within_word", "each"),
        default="within_word",
        help="hide the pieces to the right in the same word too (default), or one piece at a time",
    )
    parser.add_argument(
        "--longest", type=positive, default=LONGEST, help=f"most tokens of a sentence (default: {LONGEST})"
    )
    arguments = parser.parse_args(argv)
    recipe = read_recipe(arguments)
    exam = read_exam(arguments, recipe)
    settings = {
        "items": exam.items,
        "seed": exam.seed,
        "way": arguments.way,
        "longest": arguments.longest,
        "models": [folder.name for folder in (exam.model, *exam.beside)],
        "random_weights": exam.random_weights,
    }
    analyser = {name: version(name) for name in ("kiwipiepy", "kiwipiepy_model")}
    key = JOSA.key(settings, {**exam.inputs, **analyser})
    folder = artifact_folder(arguments, JOSA.stage, recipe)
    manifest, made = build(folder, key, partial(_make, exam, arguments.way, arguments.longest))
    shown = manifest.figures["table"]
    table(
        f"Minimal pairs: share of real sentences found likelier ({folder})",
        shown["columns"],
        shown["rows"],
        stdout=True,
    )
    say(f"josa: {folder} {'is ready' if made else 'stands already'}; see {folder / 'report.md'}")


def _make(exam: Exam, way: Way, longest: int, workspace: Path) -> Figures:
    found = find_pairs(_drawn(exam), exam.items, (josa_pairs, grammar_pairs), _measure(exam, longest))
    if not found.pairs:
        raise InputError("no pair could be made of the held-out text: name another one with --text, or raise --longest")
    say(f"josa: {len(found.pairs):,} pairs from {found.sentences:,} sentences")
    verdicts: dict[str, list[Verdict]] = {}
    seconds: dict[str, float] = {}
    for name, model in exam.models():
        began = time.monotonic()
        with progress(f"josa {name}", len(found.pairs)) as advance:
            judged = judge(model, found.pairs, way, advance)
        verdicts[name] = list(zip(found.pairs, judged, strict=True))
        seconds[name] = round(time.monotonic() - began, 2)
        say(f"josa: {name} judged {len(judged):,} pairs in {duration(seconds[name])}")
    write_atomic(workspace / "pairs.jsonl", _lines(found, verdicts))
    write_atomic(workspace / "report.md", markdown(exam.model.name, found, verdicts, way))
    columns, rows = kinds_table(verdicts)
    return {
        "pairs": len(found.pairs),
        "sentences": found.sentences,
        "left_out": found.left_out,
        "models": {name: _figures(own) for name, own in verdicts.items()},
        "seconds_each": seconds,
        "table": {"columns": columns, "rows": rows},
    }


def _drawn(exam: Exam) -> list[str]:
    """Held-out sentences in an order that the seed decides, at most so many as are analysed in a minute or so."""
    sentences = [sentence for document in exam.documents for sentence in document if sentence]
    generator = np.random.Generator(np.random.Philox(exam.seed))
    return [sentences[number] for number in generator.permutation(len(sentences))[:_SENTENCES]]


def _measure(exam: Exam, longest: int) -> Callable[[str], bool]:
    """Whether every model can read a text, by its own tokenizer."""
    limits = [
        (model.tokenizer, min(longest, model.limit or longest))
        for _, model in replace(exam, random_weights=False).models()
    ]
    return lambda text: all(len(tokenizer(text)["input_ids"]) <= limit for tokenizer, limit in limits)


def _lines(found: Found, verdicts: dict[str, list[Verdict]]) -> str:
    lines = []
    for number, pair in enumerate(found.pairs):
        scores: dict[str, Any] = {}
        for name, own in verdicts.items():
            judged = own[number][1]
            scores[name] = {"right": round(judged.right, 5), "wrong": round(judged.wrong, 5), "pieces": judged.pieces}
        lines.append(json.dumps({**asdict(pair), "scores": scores}, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)


def _figures(verdicts: list[Verdict]) -> dict[str, Any]:
    figures = {}
    for kind, found in by_kind(verdicts).items():
        low, high = found.interval
        figures[kind] = {"share": found.share, "low": low, "high": high, "right": found.right, "of": found.of}
    return figures


if __name__ == "__main__":
    run_stage(main)
