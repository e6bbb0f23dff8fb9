"""`report.md` of a fine-tuning, with its pictures: what it learned from, what it scored, where it is wrong, and how the
test was used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from finetune.scoring import tables
from finetune.scoring.mistakes import one_line
from finetune.scoring.outcome import Outcome, Part, Run
from finetune.scoring.plots import CONFUSION, HISTORY, draw_confusion, draw_history
from finetune.scoring.protocol import Uses, peer_maximum
from finetune.scoring.scores import Scores
from finetune.scoring.tables import markdown
from tokenizer.markdown import cell, code

REPORT = "report.md"
#: Classes of which the rows are listed.
_CLASSES = 60
#: Characters of a setting's value.
_VALUE = 200


def write_report(folder: Path, outcome: Outcome) -> Path:
    """Write `report.md`, `history.png` and `.svg`, and `confusion.png` and `.svg` where there are classes to confuse,
    into an existing folder; returns the report's path. Text from outside shows and does nothing else."""
    history = draw_history(folder, outcome.runs, outcome.measure) if _has_epochs(outcome) else None
    shown = outcome.kept.test or outcome.kept.dev
    confusion = draw_confusion(folder, shown)
    part = "test" if outcome.kept.test else "dev"
    kept = f"seed {outcome.kept.seed}" + (f", epoch {outcome.kept.best_epoch}" if outcome.kept.epochs else "")
    lines = [
        f"# {cell(outcome.task)}: {cell(one_line(outcome.model))}",
        "",
        f"Kind of task: {outcome.kind}. Chosen by {cell(outcome.measure)} on dev. The model that is kept: {kept}.",
        "",
        *_paragraphs(map(cell, outcome.notes)),
        "## Scores",
        "",
        *_scores(outcome),
        *_test(outcome),
        *_data(outcome.parts),
        *_picture(history, "## History", "Loss and the measure to choose by after each epoch", HISTORY),
        *_classes(shown, part, kept, confusion),
        *_mistakes(outcome),
        "## Settings",
        "",
        *markdown((("setting", "value"), [(name, one_line(str(v), _VALUE)) for name, v in outcome.settings.items()])),
    ]
    path = folder / REPORT
    path.write_text("\n".join(lines).rstrip() + "\n", "utf-8")
    return path


def _scores(outcome: Outcome) -> list[str]:
    dev = [run.dev for run in outcome.runs]
    test = [run.test for run in outcome.runs if run.test]
    rows = ", ".join(f"{name} {parts[0].rows:,}" for name, parts in (("dev", dev), ("test", test)) if parts)
    told = f"Rows: {rows}. Seeds: {', '.join(str(run.seed) for run in outcome.runs)}."
    if len(outcome.runs) > 1:
        told += " The interval is Student's t over seeds: it says nothing of other test rows."
    return [told, "", *markdown(tables.seeds_table({"dev": dev, "test": test})), *_each_seed(outcome)]


def _each_seed(outcome: Outcome) -> list[str]:
    if len(outcome.runs) == 1:
        return []
    columns = ("seed", "epoch", f"dev {outcome.measure}", f"test {outcome.measure}")
    rows = [
        (
            str(run.seed),
            str(run.best_epoch) if run.epochs else "-",
            f"{run.dev.measures[outcome.measure]:.4f}",
            f"{run.test.measures[outcome.measure]:.4f}" if run.test else "-",
        )
        for run in outcome.runs
    ]
    return markdown((columns, rows))


def _test(outcome: Outcome) -> list[str]:
    lines = ["## How the test was used", "", *_paragraphs(how_used(outcome.runs, outcome.uses))]
    looks = [[epoch.test for epoch in run.epochs if epoch.test is not None] for run in outcome.runs]
    if outcome.peer and all(looks):
        lines += _paragraphs(
            [
                f"Test maximum over epochs, {cell(outcome.measure)}: {peer_maximum(looks)}. This is chosen on test, as "
                "some published configurations do. It is no score of this model: it is here to stand beside theirs."
            ]
        )
    return lines


def how_used(runs: Sequence[Run], uses: Uses | None) -> list[str]:
    """Sentences on how the test was used, by these runs and before them."""
    if not any(run.test for run in runs):
        return ["Test was not scored."]
    looks = max(len([epoch for epoch in run.epochs if epoch.test is not None]) for run in runs)
    if looks:
        told = [f"Test was scored after each of {looks} epochs, on request; the epoch was chosen on dev all the same."]
    else:
        what = "the epoch" if any(run.epochs for run in runs) else "the head's setting"
        told = [f"Test was scored once for each seed, after {what} had been chosen on dev."]
    if uses is not None:
        told.append(f"Before this, {uses}." if uses.times else f"Before this nobody here looked: {uses}.")
    return told


def _data(parts: Sequence[Part]) -> list[str]:
    columns = ("part", "from", "rows", "without text, skipped", "text of a part before it")
    rows = [(part.name, one_line(part.source), f"{part.rows:,}", f"{part.skipped:,}", _twice(part)) for part in parts]
    lines = ["## Data", "", *markdown((columns, rows))]
    names = list(dict.fromkeys(name for part in parts for name, _ in part.classes))
    if not names:
        return lines
    counts = [dict(part.classes) for part in parts]
    each = [(one_line(name, tables.NAME), *(f"{of.get(name, 0):,}" for of in counts)) for name in names[:_CLASSES]]
    lines += markdown((("class", *(part.name for part in parts)), each))
    return lines + _paragraphs([f"{len(names) - _CLASSES:,} more classes."] if len(names) > _CLASSES else [])


def _twice(part: Part) -> str:
    if not part.duplicates:
        return "0"
    return f"{part.duplicates:,}, {'left out' if part.excluded else 'kept'}"


def _classes(scores: Scores, part: str, kept: str, confusion: Path | None) -> list[str]:
    if not scores.classes:
        return []
    lines = [f"## Classes on {part} ({kept})", "", *markdown(tables.classes_table(scores))]
    if not scores.confusion:
        return lines
    lines += _picture(confusion, "## Confusion", "Share of each true class that was answered as each", CONFUSION)
    if len(scores.classes) <= tables.MATRIX:
        return lines + markdown(tables.confusion_table(scores))
    pairs = tables.confusions_table(scores)
    return [*lines, "The most frequent confusions:", "", *markdown(pairs)] if pairs[1] else lines


def _mistakes(outcome: Outcome) -> list[str]:
    if not outcome.mistakes:
        return []
    told = "Wrong answers that the kept model was most sure of. Some may be wrong in the data."
    title = f"## Most confident mistakes on {cell(outcome.mistakes_of)}"
    return [title, "", told, "", *markdown(tables.mistakes_table(outcome.mistakes))]


def _picture(path: Path | None, title: str, words: str, name: str) -> list[str]:
    return [title, "", f"![{words}]({name}.png)", "", f"As {code(f'{name}.svg')} too.", ""] if path else []


def _has_epochs(outcome: Outcome) -> bool:
    return all(run.epochs for run in outcome.runs)


def _paragraphs(sentences: Iterable[str]) -> list[str]:
    return [line for sentence in sentences for line in (sentence, "")]
