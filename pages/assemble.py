"""A run's report, section by section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pages import compare, made, reproduce, scores, summary, training
from pages.document import Report, Section
from pages.gather import Run


def assemble(run: Run, others: Sequence[Run], artifacts: Path, page: Path, here: Mapping[str, str]) -> Report:
    """The report of a run, compared with `others`; `page` is the folder that it will stand in, `here` the versions."""
    sections = [Section("summary", "Summary", summary.summary(run))]
    if others:
        sections.append(Section("compared", "Runs compared", compare.compare((run, *others))))
    sections += [
        Section("corpus", "Corpus", made.corpus(run)),
        Section("tokenizer", "Tokenizer", made.tokenizer(run)),
        Section("examples", "Examples", made.examples(run)),
        Section("training", "Training", training.training(run)),
        Section("probes", "Probes", scores.probes(run)),
        Section("tasks", "Tasks", scores.tasks(run)),
        Section("environment", "Environment", reproduce.environment_section(run, here)),
        Section("reproduce", "Make it again", reproduce.reproduce_section(run, artifacts, page)),
    ]
    made_on = [reproduce.moment(part.manifest) for part in run.parts.values() if part.manifest]
    beside = f", beside {', '.join(other.name for other in others)}" if others else ""
    subtitle = f"Report of a training run{beside}." + (f" Artifacts up to {max(made_on)}." if made_on else "")
    return Report(run.name, subtitle, tuple(sections))
