"""Stage `report`: one page about a run, from raw text to marks.

    python -m pages.report --name law [--runs OTHER ...]                  (make report NAME=law RUNS="other")

Writes `artifacts/report/<name>/`: `report.html` (one file, nothing fetched, no script), its Markdown twin `report.md`,
and `recipe.toml`, the settings in full. Whatever is not there is told with the command that makes it.
"""

from __future__ import annotations

from pathlib import Path

from pages.as_html import as_html, look
from pages.as_markdown import as_markdown
from pages.assemble import assemble
from pages.gather import Run, gather
from pages.reproduce import environment, tables
from pipeline.artifact import Figures, Key, Kind, Manifest, build
from pipeline.console import say, warn
from pipeline.errors import InputError
from pipeline.recipe_text import RECIPE, as_toml
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser

#: What this stage makes.
REPORT = Kind("report", 1, "make report")
#: More lines than these in a plot cannot be told apart.
_MOST = 5


def main(argv: list[str] | None) -> None:
    """Parse the command line, write the report if that is not done, say where it is."""
    parser = stage_parser("pages.report", "Write one page about a run: made from what, how it went, what it knows.")
    parser.add_argument("--runs", nargs="+", default=[], metavar="NAME", help="other runs to compare it with")
    arguments = parser.parse_args(argv)
    folder = artifact_folder(arguments, REPORT.stage, read_recipe(arguments))
    _, built = write_report(arguments.artifacts, folder.name, tuple(dict.fromkeys(arguments.runs)))
    page = folder / "report.html"
    say(f"report -> {page}" if built else f"report: {page} is up to date")


def write_report(artifacts: Path, name: str, others: tuple[str, ...] = ()) -> tuple[Manifest, bool]:
    """The report artifact of a run, compared with `others`; see `pipeline.artifact.build`.

    Raises InputError if there is nothing of a run, or too many are to be compared.
    """
    others = tuple(other for other in others if other != name)
    if len(others) >= _MOST:
        raise InputError(f"--runs: {len(others) + 1} runs are too many for a plot; name at most {_MOST - 1} others")
    for other in others:
        if not other or Path(other).name != other or other.startswith("."):
            raise InputError(f"--runs {other!r}: a name is one folder's name, without slashes and leading dots")
    folder = artifacts / REPORT.stage / name
    runs = [gather(artifacts, each) for each in (name, *others)]
    for run in runs:
        for problem in (*(part.problem for part in (*run.parts.values(), *run.marks)), run.damage):
            if problem:
                warn(problem)
    here = environment()

    def make(workspace: Path) -> Figures:
        report = assemble(runs[0], runs[1:], artifacts, folder, here)
        (workspace / "report.html").write_text(as_html(report), "utf-8")
        (workspace / "report.md").write_text(as_markdown(report), "utf-8")
        (workspace / RECIPE).write_text(as_toml(tables(runs[0])), "utf-8")
        return {"runs": len(runs), "sections": len(report.sections)}

    return build(folder, _key(artifacts, runs, here), make)


def _key(artifacts: Path, runs: list[Run], here: dict[str, str]) -> Key:
    settings = {"runs": [run.name for run in runs], "artifacts": str(artifacts), "environment": here}
    inputs = {f"{run.name}: {part}": digest for run in runs for part, digest in run.digests.items()}
    return REPORT.key(settings, {**inputs, "look": look()})


if __name__ == "__main__":
    run_stage(main)
