"""The recipe that a run was made by, as a TOML file that makes it again.

What the manifests hold is the recipe with all overrides applied, so the file needs none. JSON's strings, numbers and
lists are TOML's too, but for the one control character that JSON leaves as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pretrain.lineage import Lineage

#: The file's name in an exported folder.
RECIPE = "recipe.toml"


def recipe_of(lineage: Lineage) -> dict[str, dict[str, Any]]:
    """Section -> keys, of all stages that are known."""
    tables = {part.stage: dict(part.settings) for part in (lineage.corpus, lineage.tokenizer, lineage.examples)}
    if lineage.corpus.manifest and tables["corpus"]:
        names = lineage.corpus.manifest.settings.get("names", [])
        stated = [{key: value for key, value in known.items() if value} for known in names]
        tables["corpus"]["sources"] = [known for known in stated if set(known) - {"name"}]
    for section in ("model", "train"):
        tables[section] = dict(lineage.run.settings.get(section, {}))
    if lineage.start:
        tables["train"]["init_from"] = lineage.start.folder
    return {name: table for name, table in tables.items() if table}


def as_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables as TOML; a table within a table and a list of tables have headings of their own.

    >>> print(as_toml({"a": {"x": 1e-4, "inner": {"y": [True]}, "rows": [{"z": 'say "x"'}]}}))
    [a]
    x = 0.0001
    <BLANKLINE>
    [a.inner]
    y = [true]
    <BLANKLINE>
    [[a.rows]]
    z = "say \\"x\\""
    <BLANKLINE>
    """
    return "\n".join(line for name, table in tables.items() for line in _table(f"[{name}]", name, table))


def _table(heading: str, place: str, table: Mapping[str, Any]) -> Iterator[str]:
    yield heading
    inner: list[tuple[str, str, Mapping[str, Any]]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner.append((f"[{place}.{key}]", f"{place}.{key}", value))
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            inner += [(f"[[{place}.{key}]]", f"{place}.{key}", row) for row in value]
        else:
            yield f"{key} = {_value(value)}"
    yield ""
    for row in inner:
        yield from _table(*row)


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
