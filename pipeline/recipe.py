"""Recipes: one TOML file a model, one section a stage, read strictly into frozen dataclasses.

    [corpus]  [tokenizer]  [examples]  [model]  [train]  [finetune]

Each section's dataclass sits in the room that uses it and is announced to this module through the entry-point
group `hanbeot.recipe`, so that the *whole* file is checked before the first stage works: an unknown key, a
missing key or a wrong type stops with the file, the key and the nearest spelling.

What is learned is recipe; how it runs (device, workers, processes) is a command-line flag.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, ValidationError

from pipeline.errors import InputError

#: Configuration for every section dataclass: no silent conversion, no key that nobody reads.
STRICT = ConfigDict(extra="forbid", strict=True)

#: Values that an error repeats; whole tables it does not.
_SHOWN = (str, int, float, list, type(None))

Section = TypeVar("Section")
Tables = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """A checked recipe: its name, where it was read, and its tables with overrides applied."""

    name: str
    origin: str
    tables: Tables

    def section(self, name: str, kind: type[Section]) -> Section:
        """The section `name` as the frozen dataclass `kind`; raises InputError if it does not fit."""
        if name not in self.tables:
            raise InputError(f"{self.origin}: section [{name}] is missing")
        return _read_section(self.origin, name, self.tables[name], kind)


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package, sorted."""
    folder = files("pipeline") / "recipes"
    return sorted(entry.name[: -len(".toml")] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a shipped recipe by name, or a file by path, apply `section.key=value` overrides, check it whole.

    >>> load_recipe("sample", ["train.max_steps=20"]).tables["train"]["max_steps"]
    20
    """
    overrides = tuple(overrides)
    origin, text = _find(name)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin}: not valid TOML: {error}") from None
    kinds = section_kinds()
    for key, table in tables.items():
        if key not in kinds:
            raise InputError(f"{origin}: unknown section [{key}]{_nearest(key, kinds)}")
        if not isinstance(table, dict):
            raise InputError(f"{origin}: {key} must be a section, written [{key}]")
    for override in overrides:
        _apply(tables, override, kinds)
    told = origin + (f" with --set {' '.join(overrides)}" if overrides else "")
    for key, kind in kinds.items():
        if key in tables:
            _read_section(told, key, tables[key], kind)
    return Recipe(Path(name).stem, told, tables)


def section_kinds() -> dict[str, type[Any]]:
    """Section name -> dataclass, as announced by the installed package."""
    kinds = {entry.name: entry.load() for entry in entry_points(group="hanbeot.recipe")}
    if not kinds:
        raise InputError("hanbeot is not installed in this Python: run `make setup`, or `pip install -e .`")
    return kinds


def as_table(section: Any) -> dict[str, Any]:
    """A section dataclass as plain JSON-able values, for manifests."""
    return dataclasses.asdict(section)


def _find(name: str) -> tuple[str, str]:
    if name.endswith(".toml"):
        path = Path(name)
        try:
            return str(path), path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the recipe {path}: {error}") from None
    known = shipped_recipes()
    if name not in known:
        raise InputError(
            f"no recipe named {name!r}{_nearest(name, known)}; shipped: {', '.join(known)}; "
            "a file of your own is given by a path that ends in .toml"
        )
    return f"recipe {name}", (files("pipeline") / "recipes" / f"{name}.toml").read_text("utf-8")


def _apply(tables: Tables, override: str, kinds: Mapping[str, type[Any]]) -> None:
    """Put one `section.key=value` into `tables`; the value is TOML, a bare word counts as a string.

    A table within a section is reached by one more name: `tokenizer.gates.min_josa=0.9`.
    """
    dotted, equals, text = override.partition("=")
    section, *keys = dotted.strip().split(".")
    if not equals or not keys or not all(keys):
        raise InputError(f"--set {override}: write it as section.key=value, for example train.max_steps=300")
    if section not in kinds:
        raise InputError(f"--set {override}: unknown section {section!r}{_nearest(section, kinds)}")
    table, kind, place = tables.setdefault(section, {}), kinds[section], section
    for number, key in enumerate(keys, start=1):
        known = {field.name: field for field in dataclasses.fields(kind)}
        if key not in known:
            raise InputError(f"--set {override}: unknown key {place}.{key}{_nearest(key, known)}")
        if number == len(keys):
            break
        place = f"{place}.{key}"
        kind = get_type_hints(kind)[key]
        if not dataclasses.is_dataclass(kind):
            raise InputError(f"--set {override}: {place} is a value, not a table of values")
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            raise InputError(f"--set {override}: {place} is not a table in the recipe")
        table = inner
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    table[keys[-1]] = value


def _read_section(origin: str, name: str, table: Mapping[str, Any], kind: type[Section]) -> Section:
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise InputError(f"{origin}: unknown key {name}.{key}{_nearest(key, known)}")
    try:
        return kind(**table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([name, *(str(part) for part in first["loc"])])
        if first["type"] in ("missing", "missing_argument"):
            raise InputError(f"{origin}: {place} is missing") from None
        if first["type"] == "unexpected_keyword_argument":
            raise InputError(f"{origin}: unknown key {place}") from None
        message = first["msg"].removeprefix("Value error, ")
        got = f" (it is {first['input']!r})" if isinstance(first["input"], _SHOWN) else ""
        raise InputError(f"{origin}: {place}: {message}{got}") from None


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
