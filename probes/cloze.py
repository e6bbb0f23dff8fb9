"""Stage `cloze`: does a model know the word that is missing, among given candidates and of its whole vocabulary.

    python -m probes.cloze --model artifacts/export/law --cloze questions.jsonl      (make cloze CLOZE=questions.jsonl)

Reads the items of a file (`probes.gaps` says how they are written; `--cloze sample` are facts of the sample corpus), or
without `--cloze` makes them of held-out text. Writes `artifacts/cloze/<name>/`: `items.jsonl`, `report.md`, and P@1,
P@10 and MRR in the manifest.

* candidates: each item's candidates are scored as wholes and ranked. A model that is asked to choose has to prefer the
  right one to all others.
* vocabulary: where the answer is one piece, its rank among all entries of the vocabulary.

Of the three ways to compare candidates (`probes.candidates`) all are reported; `mean` is the one to quote.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline.artifact import Figures, Key, Kind, build
from pipeline.console import progress, say, table, visible, warn
from pipeline.errors import InputError
from pipeline.files import hash_file
from pipeline.stage import artifact_folder, read_recipe, run_stage
from probes.candidates import WAYS, Marked, Way, mark
from probes.exam import Exam, Share, exam_parser, read_exam
from probes.gaps import Gap, read_gaps
from probes.noun_gaps import CANDIDATES, held_out_gaps
from tokenizer.markdown import cell, code_cell
from tokenizer.markdown import table as markdown_table

#: What this stage makes.
CLOZE = Kind("cloze", 2, "make cloze")
#: Facts of the sample corpus, each with the sentence that states it.
SAMPLE = Path(__file__).with_name("sample") / "cloze.jsonl"
#: The way that is quoted, and shown item by item.
WAY: Way = "mean"
_SHOWN = 30
_BEST = 5


@dataclass(frozen=True)
class Score:
    """How far up the answers stand: in first place, among the first ten, and the mean of 1 / rank (MRR)."""

    first: Share
    ten: Share
    reciprocal: float

    @staticmethod
    def of(ranks: Sequence[int]) -> Score:
        """From ranks that begin with 1."""
        first, ten = (Share(sum(rank <= place for rank in ranks), len(ranks)) for place in (1, 10))
        return Score(first, ten, fmean(1 / rank for rank in ranks) if ranks else 0.0)

    def figures(self, prefix: str) -> Figures:
        """Flat, for a manifest."""
        found: Figures = {f"{prefix}.mrr": round(self.reciprocal, 4)}
        for name, share in (("p_at_1", self.first), ("p_at_10", self.ten)):
            low, high = share.interval
            found[f"{prefix}.{name}"] = round(share.share, 4)
            found[f"{prefix}.{name}_low"], found[f"{prefix}.{name}_high"] = round(low, 4), round(high, 4)
        return {**found, f"{prefix}.of": self.first.of}


def main(argv: list[str] | None) -> None:
    """Parse the command line, ask the models if that is not done, print what came out."""
    parser = exam_parser("probes.cloze", "Mark models on sentences with one gap.", 500)
    parser.add_argument(
        "--cloze", help="JSON lines with text, answers and candidates; `sample`: facts of the sample corpus"
    )
    arguments = parser.parse_args(argv)
    if arguments.cloze and (arguments.text or arguments.corpus):
        raise InputError("--cloze brings its own sentences: leave --text and --corpus out")
    recipe = read_recipe(arguments)
    file = SAMPLE if arguments.cloze == "sample" else Path(arguments.cloze) if arguments.cloze else None
    gaps = read_gaps(file) if file else ()
    exam = read_exam(arguments, recipe, held_out=file is None)
    folder = artifact_folder(arguments, CLOZE.stage, recipe)
    manifest, built = build(folder, _key(exam, file), lambda workspace: _ask(exam, gaps, workspace))
    _show(manifest.figures)
    say(f"cloze -> {folder}" if built else f"cloze: {folder} is up to date")


def _key(exam: Exam, file: Path | None) -> Key:
    settings = {
        "items": exam.items,
        "seed": exam.seed,
        "models": [folder.name for folder in (exam.model, *exam.beside)],
        "random_weights": exam.random_weights,
        "candidates": "of the file" if file else CANDIDATES,
    }
    return CLOZE.key(settings, {**exam.inputs, **({"cloze": hash_file(file)} if file else {})})


def _ask(exam: Exam, gaps: Sequence[Gap], workspace: Path) -> Figures:
    if gaps:
        gaps = [gaps[number] for number in exam.draw(len(gaps))]
    else:
        gaps = held_out_gaps(exam.documents, exam.items, exam.seed)
    choices = [gap for gap in gaps if len(gap.candidates) > len(gap.answers)]
    figures: Figures = {
        "gaps": len(gaps),
        "candidates": round(fmean(len(gap.candidates) for gap in gaps), 1),
        "chance": round(fmean(len(gap.answers) / len(gap.candidates) for gap in choices), 4) if choices else 1.0,
        "ten_or_fewer": sum(len(gap.candidates) <= 10 for gap in choices),
        "models": [],
    }
    answered: dict[str, list[Marked]] = {}
    for name, model in exam.models():
        answered[name] = []
        with progress(f"cloze {name}", len(gaps)) as advance:
            for marked in mark(model, gaps):
                answered[name].append(marked)
                advance(1)
        figures["models"].append(name)
        figures |= _figures(name, answered[name])
    with (workspace / "items.jsonl").open("w", encoding="utf-8") as stream:
        for number in range(len(gaps)):
            item = _item({name: marked[number] for name, marked in answered.items()})
            stream.write(json.dumps(item, ensure_ascii=False) + "\n")
    (workspace / "report.md").write_text(_report(figures, answered[exam.model.name]), "utf-8")
    return figures


def _figures(name: str, answered: Sequence[Marked]) -> Figures:
    # Where there is nothing to choose from, to choose right is no merit.
    choices = [marked for marked in answered if len(marked.scores) > len(marked.gap.answers)]
    found: Figures = {}
    for way in WAYS:
        found |= Score.of([marked.rank(way) for marked in choices]).figures(f"{name}.{way}")
    found |= Score.of([marked.open_rank for marked in answered if marked.open_rank]).figures(f"{name}.vocabulary")
    found[f"{name}.unspelled"] = len({word for marked in answered for word in marked.unspelled})
    lost = [marked for marked in answered if set(marked.gap.answers) <= set(marked.unspelled)]
    return {**found, f"{name}.unspelled_answers": len(lost), f"{name}.cut": sum(marked.cut > 0 for marked in answered)}


def _item(answered: dict[str, Marked]) -> dict[str, Any]:
    gap = next(iter(answered.values())).gap
    models = {
        name: {
            "rank": {way: marked.rank(way) for way in WAYS},
            "vocabulary_rank": marked.open_rank,
            "cut": marked.cut,
            # A candidate that cannot be spelled has no score.
            "scores": {score.candidate: round(score.total, 4) for score in marked.scores if score.pieces},
            "alone": {score.candidate: round(score.alone, 4) for score in marked.scores if score.pieces},
            "pieces": {score.candidate: score.pieces for score in marked.scores if score.pieces},
        }
        for name, marked in answered.items()
    }
    return {"id": gap.name, "text": gap.text, "answers": gap.answers, "candidates": gap.candidates, "models": models}


_COLUMNS = ("model", "ranked among", "P@1", "95 %", "P@10", "MRR", "of")
_AMONG: dict[str, str] = {**{str(way): f"candidates, {way}" for way in WAYS}, "vocabulary": "vocabulary"}


def _rows(figures: Figures) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in figures["models"]:
        for key, told in _AMONG.items():
            found = {part: figures[f"{name}.{key}.{part}"] for part in ("p_at_1", "p_at_10", "mrr", "of")}
            low, high = figures[f"{name}.{key}.p_at_1_low"], figures[f"{name}.{key}.p_at_1_high"]
            shares = (f"{found['p_at_1']:.1%}", f"{low:.1%} to {high:.1%}", f"{found['p_at_10']:.1%}")
            rows.append((name, told, *shares, f"{found['mrr']:.3f}", f"{found['of']:,}"))
    return rows


def _title(figures: Figures) -> str:
    return (
        f"{figures['gaps']:,} gaps, {figures['candidates']:.1f} candidates each; "
        f"by chance {figures['chance']:.1%} in first place"
    )


def _notes(figures: Figures) -> list[str]:
    notes = []
    if few := figures["ten_or_fewer"]:
        notes.append(f"{few:,} gap(s) have ten candidates or fewer: there P@10 says nothing")
    for name in figures["models"]:
        if number := figures[f"{name}.unspelled"]:
            lost = figures[f"{name}.unspelled_answers"]
            notes.append(
                f"{name}: {number:,} candidate(s) cannot be spelled and never win; {lost:,} gap(s) are lost so"
            )
        if cut := figures[f"{name}.cut"]:
            notes.append(f"{name}: {cut:,} text(s) are longer than the model reads and were cut around the gap")
    return notes


def _show(figures: Figures) -> None:
    for note in _notes(figures):
        warn(note)
    table(f"cloze: {_title(figures)}", _COLUMNS, _rows(figures), stdout=True)


def _report(figures: Figures, answered: Sequence[Marked]) -> str:
    rows = []
    for marked in answered[:_SHOWN]:
        best = ", ".join(score.candidate for score in marked.best(WAY, _BEST))
        answers = ", ".join(marked.gap.answers)
        rows.append(
            (
                code_cell(visible(marked.gap.text)),
                cell(answers),
                str(marked.rank(WAY)),
                str(marked.open_rank or ""),
                cell(best),
            )
        )
    lines = [
        f"# Cloze: {_title(figures)}",
        "",
        *markdown_table(_COLUMNS, [tuple(map(cell, row)) for row in _rows(figures)]),
        *(f"* {cell(note)}" for note in _notes(figures)),
        "",
        f"The first {len(rows)} gaps, asked of {cell(figures['models'][0])}; ranked by `{WAY}`.",
        "",
        *markdown_table(("text", "answers", "rank", "in the vocabulary", "best candidates"), rows),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(main)
