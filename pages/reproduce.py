"""How to make a run again: its recipe in full, the commands in their order, and what no manifest can know."""

from __future__ import annotations

import platform
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pages.document import Block, Code, Fold, Listing, Missing, Notice, paragraph, table
from pages.gather import Run
from pipeline.artifact import Manifest
from pipeline.errors import InputError
from pipeline.recipe import Recipe, as_table, load_recipe, section_kinds, shipped_recipes
from pipeline.recipe_text import RECIPE, as_toml, as_value

_PACKAGES = ("hanbeot", "torch", "transformers", "tokenizers", "accelerate", "numpy", "safetensors")
#: More values than these that differ are another recipe.
_FEW = 12
_STAGES = (("corpus", "corpora.build"), ("tokenizer", "tokenizer.train"), ("examples", "pretrain.examples"))


def environment() -> dict[str, str]:
    """Versions of what makes a report, and the commit of the code if it stands in a repository of its own."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    commit = _commit(Path(__file__).resolve().parent)
    return {**found, **({"commit": commit} if commit else {})}


def _commit(folder: Path) -> str:
    """The commit of the files in `folder`; "" where git does not know them."""

    def git(*words: str) -> tuple[int, str]:
        try:
            done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
        except OSError:
            return 1, ""
        return done.returncode, done.stdout.strip()

    if git("ls-files", "--error-unmatch", "__init__.py")[0]:
        return ""
    _, commit = git("rev-parse", "HEAD")
    changed, _ = git("diff", "--quiet", "HEAD")
    return commit[:12] + (" with changes" if commit and changed else "")


def tables(run: Run) -> dict[str, dict[str, Any]]:
    """The sections of the recipe that the run's artifacts were made by; those of absent ones are left out."""
    sections = {name: run[name].settings.get(name) for name in ("corpus", "tokenizer", "examples")}
    sections |= {name: run.settings.get(name) for name in ("model", "train")}
    tasks = [part.settings.get("finetune") for part in run.tasks]
    sections["finetune"] = next((settings for settings in tasks if settings), None)
    return {name: dict(section) for name, section in sections.items() if isinstance(section, dict)}


def nearest(sections: Mapping[str, Mapping[str, Any]]) -> tuple[str, list[str]] | None:
    """The shipped recipe that differs least and the overrides that make it this one; None if none comes near."""
    found = []
    for name in shipped_recipes():
        shipped, kinds = load_recipe(name), section_kinds()
        filled = {key: as_table(shipped.section(key, kinds[key])) for key in sections if key in shipped.tables}
        own, other = dict(_flat(sections)), dict(_flat(filled))
        if set(own) == set(other):
            found.append((name, [f"{key}={as_value(own[key])}" for key in own if own[key] != other[key]]))
    if not found:
        return None
    name, overrides = min(found, key=lambda each: len(each[1]))
    return (name, overrides) if len(overrides) <= _FEW else None


def _flat(sections: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in sections.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def commands(run: Run, artifacts: Path, recipe: str) -> list[str]:
    """What makes the run again, a command a line."""
    sources = [str(each.get("path") or each.get("name")) for each in run["corpus"].settings.get("names", [])]
    root = [] if artifacts == Path("artifacts") else ["--artifacts", str(artifacts)]
    flags = ["--recipe", recipe, "--name", run.name, *root]
    lines = [
        ["python", "-m", module, *flags, *(["--corpus", *sources] if stage == "corpus" else [])]
        for stage, module in _STAGES
    ]
    lines.append(["python", "-m", "pretrain.train", *flags])
    which = run["export"].settings.get("checkpoint", "last")
    lines.append(["python", "-m", "pretrain.export", *flags, *(["--checkpoint", which] if which != "last" else [])])
    return [shlex.join(line) for line in lines]


def environment_section(run: Run, here: Mapping[str, str]) -> tuple[Block, ...]:
    """What the run says of where it was made, and what made this report."""
    figures = run["pretrain"].figures
    told: list[tuple[str, str]] = [
        # accelerate's word for 32 bits is "no".
        (name, {"no": "32 bits"}.get(str(figures[name]), str(figures[name])))
        for name in ("device", "processes", "precision")
        if name in figures
    ]
    versions = figures.get("versions")
    told += [(str(name), str(value)) for name, value in versions.items()] if isinstance(versions, dict) else []
    blocks: list[Block] = []
    if told:
        blocks.append(table("The run was trained with", ("what", "value"), told))
    else:
        blocks.append(paragraph("Versions and device of the training were not written down by the run."))
    rows = [
        (part.stage, f"{figures['seconds']:,.1f}", f"{figures.get('peak_memory_mb', 0):,}", moment(part.manifest))
        for part in (*run.parts.values(), *run.marks)
        if part.manifest and isinstance((figures := part.figures).get("seconds"), int | float)
    ]
    if rows:
        blocks.append(table("Cost of each stage", ("stage", "seconds", "peak memory, MB", "finished"), rows))
    blocks.append(table("This report was made with", ("what", "version"), list(here.items())))
    return tuple(blocks)


def reproduce_section(run: Run, artifacts: Path, page: Path) -> tuple[Block, ...]:
    """Commands, recipe, and what cannot be known."""
    sections = tables(run)
    if not sections:
        return (Missing("No artifact says what it was made by.", f"make pretrain NAME={run.name}"),)
    near = nearest(sections)
    blocks: list[Block] = []
    if near:
        name, overrides = near
        words = ["make", "pretrain", f"RECIPE={name}", f"NAME={run.name}"]
        words += [f"SET={' '.join(overrides)}"] if overrides else []
        blocks.append(paragraph("The settings are those of the shipped recipe ", Code(name), _with(overrides)))
        blocks.append(Listing("With make", shlex.join(words), "sh"))
    recipe = page / RECIPE
    lines = commands(run, artifacts, str(recipe))
    blocks.append(Listing("Stage by stage", "\n".join(lines), "sh"))
    blocks.append(Fold(f"{RECIPE}, beside this page: all settings", (Listing(RECIPE, as_toml(sections), "toml"),)))
    blocks += _read_back(sections)
    inputs = [(name, Code(digest)) for name, digest in sorted(run["corpus"].inputs.items())]
    if inputs:
        blocks.append(Fold("The text that went in", (table("Files by their sha256", ("file", "sha256"), inputs),)))
    blocks.append(paragraph("What cannot be known from the artifacts: " + "; ".join(_unknown(run)) + "."))
    return tuple(blocks)


def moment(manifest: Manifest) -> str:
    """When an artifact was finished, `2026-01-31 12:00 UTC`."""
    try:
        return f"{datetime.fromisoformat(manifest.created).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return manifest.created


def _with(overrides: Sequence[str]) -> str:
    return " but for what SET says." if overrides else ", with nothing changed."


def _unknown(run: Run) -> list[str]:
    told = ["the folders in which the text files lay (their names and sha256 are above)"]
    if run.settings.get("train", {}).get("init_from"):
        told.append("the folder that the run began from (the sha256 of its files are among the run's inputs)")
    names = {run[stage].folder.name for stage in ("corpus", "tokenizer", "examples")} - {run.name}
    if names:
        told.append(f"how the examples came to be made under other names ({', '.join(sorted(names))})")
    flags = "the size of micro-batches, which is a flag and no setting"
    if "processes" not in run["pretrain"].figures:
        flags = "the number of processes, precision and size of micro-batches, which are flags and no settings"
    told.append(flags)
    told.append("the machine: on another one sums may round differently")
    return told


def _read_back(sections: dict[str, dict[str, Any]]) -> list[Block]:
    """Why this version cannot read the settings as a recipe, if it cannot: artifacts may be older than the code."""
    recipe = Recipe("report", RECIPE, sections)
    for name, kind in section_kinds().items():
        try:
            if name in sections:
                recipe.section(name, kind)
        except InputError as error:
            return [Notice(f"{error}: the artifacts were made by another version of Hanbeot, and need that one.")]
    return []
